"""The kernels `labels` and `masks` against the formula in NumPy, bit for bit at every level, guards around outputs."""
import numpy as np
import pytest

from cinfer import _ops

LEVELS = _ops.usable_levels()
GUARD = 77
MOST = np.float32(1e38)


def places(rng, wanted: int, count: int):
    """As pictures have them, or anywhere; where the last value is asked for, nothing of what is behind it."""
    even = (np.arange(wanted) + .5) * (count / wanted) - .5
    at = np.sort(rng.uniform(0, count, wanted)) if rng.random() < .3 else even
    at = at.clip(0, count - 1)
    before = at.astype(np.int32)
    return before, (at - before).astype(np.float32)


def read(planes, rows, columns):
    """The formula, each operation rounded to float32 by itself."""
    x = np.where(np.isnan(planes), -MOST, planes.clip(-MOST, MOST)).astype(np.float32)
    for axis, (before, share) in ((1, rows), (2, columns)):
        a, b = x.take(before, axis), x.take(np.minimum(before + 1, x.shape[axis] - 1), axis)
        x = a + (b - a) * (share[:, None] if axis == 1 else share)
    return x


def labelled(planes, rows, columns, first, least):
    x = read(planes, rows, columns)
    return np.where(x.max(0) > np.float32(least), x.argmax(0) + first, 0)


def at(array) -> tuple[int, int]:
    return 0, array.ctypes.data


def labels(level, planes, rows, columns, first=0, least=-np.inf, part=None, threads=1):
    """By the kernel. part : rows of places that a tile has"""
    table = _ops.table(level)
    oh, ow = len(rows[0]), len(columns[0])
    dtype = np.uint8 if len(planes) + first <= 256 else np.uint16
    room = np.full(oh * ow + 128, GUARD, dtype)
    y = room[64:-64].reshape(oh, ow)
    xc, xr, xx = (step // 4 for step in planes.strides)
    (c, ih, iw), part = planes.shape, part or oh
    params = table.pack("labels", x=at(planes), iy=at(rows[0]), ty=at(rows[1]), jx=at(columns[0]), tx=at(columns[1]),
                        y=at(y), c=c, ih=ih, iw=iw, xc=xc, xr=xr, xx=xx, oh=oh, ow=ow, first=first, wide=y.itemsize,
                        rows=part, least=float(least))
    before = planes.tobytes()
    _ops.executor().run_once(table, "labels", params, -(-oh // part), threads)
    assert planes.tobytes() == before and (room[:64] == GUARD).all() and (room[-64:] == GUARD).all()
    return y


def kinds(rng, shape):
    """Numbers of all kinds that maps have."""
    x = rng.normal(size=shape).astype(np.float32)
    yield x
    yield np.round(x)                                                           # ties
    yield np.cumsum(x, 1, dtype=np.float32) * np.float32(.1)                    # areas
    yield np.repeat(np.round(x[:, :, :1]), shape[2], 2)
    odd = x.copy()
    odd[rng.random(shape) < .1] = np.nan
    odd[rng.random(shape) < .05] = np.inf
    odd[rng.random(shape) < .05] = -np.inf
    yield odd
    yield x * np.float32(5e37)
    yield np.full(shape, np.nan, np.float32)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("shape, size", [
    ((1, 1, 1), (1, 1)), ((1, 1, 1), (9, 70)), ((2, 1, 5), (3, 1)), ((3, 5, 1), (1, 65)), ((21, 9, 7), (33, 129)),
    ((5, 2, 3), (17, 200)), ((4, 40, 60), (13, 21)), ((7, 8, 8), (8, 64)), ((17, 9, 17), (16, 128)),
    ((300, 3, 4), (9, 20)), ((150, 12, 90), (20, 300))])
def test_labels(level, shape, size):
    rng = np.random.default_rng(sum(shape) + sum(size))
    for kind, planes in enumerate(kinds(rng, shape)):
        rows, columns = places(rng, size[0], shape[1]), places(rng, size[1], shape[2])
        want = labelled(planes, rows, columns, 0, -np.inf)
        by_channel = np.ascontiguousarray(planes.transpose(1, 2, 0)).transpose(2, 0, 1)
        for x in (planes, by_channel):
            assert np.array_equal(labels(level, x, rows, columns), want), kind
            part = int(rng.integers(1, size[0] + 1))
            assert np.array_equal(labels(level, x, rows, columns, part=part, threads=2), want), (kind, part)
        assert np.array_equal(labels(level, planes, rows, columns, 1, .5), labelled(planes, rows, columns, 1, .5)), kind


@pytest.mark.parametrize("level", LEVELS)
def test_what_only_rounding_decides(level):
    """Planes that differ in their last bits: no plane may be left out too early."""
    rng = np.random.default_rng(5)
    planes = (1 + rng.integers(0, 3, (12, 6, 6)) * 2.0 ** -23).astype(np.float32) * np.float32(3.7)
    rows, columns = places(rng, 40, 6), places(rng, 150, 6)
    assert np.array_equal(labels(level, planes, rows, columns), labelled(planes, rows, columns, 0, -np.inf))


def summed(prototypes, numbers):
    """Terms one after another, in pieces of 64."""
    total = np.zeros(prototypes.shape[1:], np.float32)
    for begin in range(0, len(numbers), 64):
        part = np.zeros_like(total)
        for plane, number in zip(prototypes[begin:begin + 64], numbers[begin:begin + 64]):
            part = part + plane * number
        total = total + part
    return total


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("count, high, wide, oh, ow", [
    (1, 1, 1, 1, 1), (3, 2, 5, 9, 7), (32, 40, 33, 90, 120), (65, 7, 31, 30, 64), (200, 5, 90, 20, 100),
    (8, 160, 160, 48, 64)])
def test_masks(level, count, high, wide, oh, ow):
    rng = np.random.default_rng(count)
    table = _ops.table(level)
    prototypes, numbers = (rng.normal(size=size).astype(np.float32) for size in ((count, high, wide), (9, count)))
    rows, columns = places(rng, oh, high), places(rng, ow, wide)
    corners = np.stack([rng.integers(0, ow, 9), rng.integers(0, oh, 9)], 1)
    boxes = np.concatenate([corners, rng.integers(corners + 1, [ow + 1, oh + 1])], 1)
    boxes[0] = 0, 0, ow, oh
    rooms = [np.full((y2 - y1) * (x2 - x1) + 128, GUARD, np.uint8) for x1, y1, x2, y2 in boxes]
    addresses = np.array([room[64:].ctypes.data for room in rooms])
    params = table.pack("masks", x=at(prototypes), numbers=at(numbers), boxes=at(boxes), masks=at(addresses),
                        iy=at(rows[0]), ty=at(rows[1]), jx=at(columns[0]), tx=at(columns[1]), c=count, ih=high, iw=wide,
                        oh=oh, ow=ow)
    for threads in (1, 2):
        for room in rooms:
            room[:] = GUARD
        _ops.executor().run_once(table, "masks", params, len(boxes), threads)
        for room, (x1, y1, x2, y2), its in zip(rooms, boxes, numbers):
            inside = read(summed(prototypes, its)[None], rows, columns)[0, y1:y2, x1:x2] > 0
            assert np.array_equal(room[64:-64].reshape(inside.shape), inside)
            assert (room[:64] == GUARD).all() and (room[-64:] == GUARD).all()
