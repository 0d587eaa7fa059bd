"""Pools of bytes against integers in NumPy, window by window."""
import numpy as np
import pytest

from u8 import BlockedU8, address, put
from windows import LEVELS, run

RNG = np.random.default_rng(37)
MAX, INSIDE, PADDED = 0, 1, 2
CASES = [  # channels, h, w, (kh, kw), (sh, sw), (dh, dw), (top, left, bottom, right), overhang
    (3, 1, 1, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0), 0), (16, 8, 28, (2, 2), (2, 2), (1, 1), (0, 0, 0, 0), 0),
    (17, 7, 37, (2, 2), (2, 2), (1, 1), (0, 0, 0, 0), 1), (64, 14, 33, (3, 3), (2, 2), (1, 1), (1, 1, 1, 1), 0),
    (48, 13, 5, (3, 3), (2, 2), (1, 1), (0, 0, 0, 0), 1), (24, 14, 14, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 0),
    (16, 3, 2, (5, 5), (1, 1), (1, 1), (2, 2, 2, 2), 0), (58, 7, 7, (7, 7), (1, 1), (1, 1), (0, 0, 0, 0), 0),
    (1, 12, 17, (3, 3), (3, 3), (1, 1), (1, 0, 1, 2), 2), (16, 13, 16, (3, 3), (1, 2), (2, 3), (2, 1, 1, 2), 0),
    (16, 5, 30, (1, 3), (1, 1), (1, 1), (0, 1, 0, 1), 0), (16, 9, 9, (13, 13), (1, 1), (1, 1), (6, 6, 6, 6), 0),
    (16, 11, 20, (4, 4), (4, 4), (1, 1), (3, 3, 3, 3), 3), (16, 5, 40, (1, 257), (1, 7), (1, 1), (0, 128, 0, 128), 0),
    (16, 1, 4, (3, 3), (1, 1), (1, 1), (3, 3, 3, 3), 0), (17, 21, 23, (17, 16), (1, 3), (1, 1), (8, 3, 8, 0), 0),
    (16, 5, 44, (2, 129), (1, 9), (1, 1), (0, 128, 1, 128), 2), (1, 310, 4, (300, 3), (5, 1), (1, 1), (0, 1, 0, 1), 0),
    (20, 9, 40, (13, 20), (2, 2), (2, 2), (12, 3, 12, 3), 0)]
QUANTA = [(.7, 128, 100), (1., 0, 0), (3.3, 255, 3)]          # ratio of the scales, zero points of x and y


def windows(size, k, stride, dilation, before, after, over):
    """For each output along one axis: (places inside, how many places there are without the overhang)."""
    count = (size + before + after + over - (k - 1) * dilation - 1) // stride + 1
    at = np.arange(count)[:, None] * stride - before + np.arange(k) * dilation
    return [(row[(row >= 0) & (row < size)], int((row < size + after).sum())) for row in at]


def mean(sums, counted, ratio, zy, lo=0, hi=255):
    """sums : int64, less the zero points"""
    factor = np.float32(ratio / counted) if counted else np.float32(0)
    y = np.rint(sums.astype(np.float32) * factor)
    return np.clip(y.astype(float) + zy, lo, hi).astype(np.uint8)


def pooled(x, mode, k, strides, dilations, pads, over, ratio=1., xz=0, zy=0, lo=0, hi=255):
    rows, cols = (windows(x.shape[2 + i], k[i], strides[i], dilations[i], pads[i], pads[i + 2], over) for i in (0, 1))
    y = np.zeros((*x.shape[:2], len(rows), len(cols)), np.uint8)
    for i, (r, all_r) in enumerate(rows):
        for j, (c, all_c) in enumerate(cols):
            part = x[:, :, r][:, :, :, c].astype(np.int64)
            if mode == MAX:
                y[:, :, i, j] = part.max((2, 3), initial=0)
            else:
                counted = len(r) * len(c) if mode == INSIDE else all_r * all_c
                y[:, :, i, j] = mean((part - xz).sum((2, 3)), counted, ratio, zy, lo, hi)
    return y


def run_pool(level, x, mode, k, strides, dilations, pads, shape, rows, threads=1, halo=(0, 0, 0, 0), **more):
    xs, ys = BlockedU8.of(x, (0, 1, 1, 0)), BlockedU8(shape, halo)
    n, _, oh, ow = shape
    row_tiles = -(-oh // rows)
    run(level, "average_pool_u8" if mode else "max_pool_u8", n * xs.blocks * row_tiles, threads=threads,
        x=xs.at(), y=ys.at(), n=n, cb=xs.blocks, ih=x.shape[2], iw=x.shape[3], oh=oh, ow=ow, kh=k[0], kw=k[1],
        sh=strides[0], sw=strides[1], dh=dilations[0], dw=dilations[1], pt=pads[0], pl=pads[1], pb=pads[2], pr=pads[3],
        mode=mode, row_tiles=row_tiles, rows=rows, **xs.params("x"), **ys.params("y"), **more)
    return ys.result()


def inputs(shape):
    yield RNG.integers(0, 256, shape, np.uint8)
    yield np.full(shape, 255, np.uint8)
    yield np.zeros(shape, np.uint8)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_max_pool(level, case):
    c, h, w, *window = case
    table = put(RNG.permutation(256).astype(np.uint8))
    for x in inputs((2, c, h, w)):
        wanted = pooled(x, MAX, *window)
        for rows, threads, halo in ((1, 2, (1, 0, 0, 1)), (wanted.shape[2], 1, (0, 0, 0, 0))):
            y = run_pool(level, x, MAX, *window[:-1], wanted.shape, rows, threads, halo)
            np.testing.assert_array_equal(y, wanted, f"{level} {case}")
        y = run_pool(level, x, MAX, *window[:-1], wanted.shape, 2, table=address(table))
        np.testing.assert_array_equal(y, table[wanted], f"{level} {case} table")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("mode", [INSIDE, PADDED])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_average_pool(level, mode, case):
    c, h, w, *window = case
    for (ratio, xz, zy), x in zip(QUANTA, inputs((2, c, h, w))):
        wanted = pooled(x, mode, *window, ratio, xz, zy, 5, 250)
        for rows, threads, halo in ((1, 2, (1, 0, 0, 1)), (wanted.shape[2], 1, (0, 0, 0, 0))):
            y = run_pool(level, x, mode, *window[:-1], wanted.shape, rows, threads, halo, ratio=ratio, xz=xz, zy=zy,
                         lo=5, hi=250)
            np.testing.assert_array_equal(y, wanted, f"{level} {case} {ratio} {xz} {zy}")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("mode", [MAX, INSIDE, PADDED])
def test_windows_over_slices(level, mode):
    """Volumes: two of 5 slices, windows of 3 slices, stride 2, one slice of padding on both sides."""
    volumes, depth, shape = 2, 5, (17, 6, 7)
    x = RNG.integers(0, 256, (volumes * depth, *shape), np.uint8)
    flat = x.reshape(volumes, depth, *shape).astype(np.int64)
    slices = windows(depth, 3, 2, 1, 1, 1, 0)
    rows, cols = windows(6, 2, 2, 1, 0, 0, 0), windows(7, 3, 1, 1, 1, 1, 0)
    wanted = np.zeros((volumes, len(slices), 17, len(rows), len(cols)), np.uint8)
    for z, (d, all_d) in enumerate(slices):
        for i, (r, all_r) in enumerate(rows):
            for j, (c, all_c) in enumerate(cols):
                part = flat[:, d][:, :, :, r][..., c]
                counted = part[0, :, 0].size if mode == INSIDE else all_d * all_r * all_c
                wanted[:, z, :, i, j] = part.max((1, 3, 4)) if mode == MAX else mean(
                    (part - 100).sum((1, 3, 4)), counted, .9, 90)
    y = run_pool(level, x, mode, (2, 3), (2, 1), (1, 1), (0, 1, 0, 1), (volumes * len(slices), *wanted.shape[2:]), 2,
                 ratio=.9, xz=100, zy=90, lo=0, hi=255, kd=3, sd=2, dd=1, pf=1, pe=1, id=depth, od=len(slices))
    np.testing.assert_array_equal(y, wanted.reshape(y.shape))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("d", [1, 3])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 17, 1, 7), (1, 48, 7, 7), (2, 16, 13, 5), (1, 16, 2, 1100)])
def test_global_pool(level, shape, d):
    n, c, h, w = shape
    table = put(RNG.permutation(256).astype(np.uint8))
    for (ratio, xz, zy), x in zip(QUANTA, inputs((n, d, c, h, w))):
        wide = x.astype(np.int64)
        for mode, wanted in ((0, wide.max((1, 3, 4)).astype(np.uint8)),
                             (1, mean((wide - xz).sum((1, 3, 4)), d * h * w, ratio, zy))):
            for look in ({}, {"table": address(table)}):
                xs, ys = BlockedU8.of(x.reshape(n * d, c, h, w), (1, 2, 0, 1)), BlockedU8((n, c, 1, 1))
                run(level, "global_pool_u8", n * xs.blocks, threads=2, x=xs.at(), y=ys.at(), n=n, cb=xs.blocks, h=h,
                    w=w, d=d, mode=mode, ratio=ratio, xz=xz, zy=zy, lo=0, hi=255, xn=d * xs.n, xd=xs.n, xb=xs.b,
                    xr=xs.r, yn=ys.n, yb=ys.b, **look)
                np.testing.assert_array_equal(ys.result()[:, :, 0, 0], table[wanted] if look else wanted)


@pytest.mark.parametrize("level", LEVELS)
def test_large_windows_over_slices(level):
    """Whose bytes together are more than 16 bits hold; none of a slice alone."""
    x = RNG.integers(250, 256, (5, 18, 12, 14), np.uint8)
    wanted = np.stack([mean((x[z:z + 3, :, i:i + 10, j:j + 9].astype(np.int64) - 7).sum((0, 2, 3)), 270, .9, 20)
                       for z in (0, 2) for i in range(3) for j in range(6)])
    y = run_pool(level, x, INSIDE, (10, 9), (1, 1), (1, 1), (0, 0, 0, 0), (2, 18, 3, 6), 2, ratio=.9, xz=7, zy=20, lo=0,
                 hi=255, kd=3, sd=2, dd=1, pf=0, pe=0, id=5, od=2)
    np.testing.assert_array_equal(y, wanted.reshape(2, 3, 6, 18).transpose(0, 3, 1, 2))
