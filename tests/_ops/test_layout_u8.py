"""Bytes in blocks, from and to plain memory and floats: every byte at its place, nothing else touched."""
import numpy as np
import pytest

from u8 import GUARD, BlockedU8, address, put
from windows import LEVELS, Blocked, run

RNG = np.random.default_rng(29)
SHAPES = [(1, 1, 1, 1), (2, 3, 1, 7), (1, 3, 5, 17), (1, 8, 7, 7), (2, 16, 1, 1), (1, 17, 7, 7), (2, 24, 5, 13),
          (1, 48, 4, 16), (1, 40, 3, 20), (1, 64, 2, 33), (3, 40, 1, 1), (1, 16, 5, 1), (1, 31, 1, 15),
          (1, 4, 5, 18), (2, 2, 3, 40), (1, 5, 3, 21)]
HALOS = [(0, 0, 0, 0), (1, 2, 0, 1)]
QUANTA = [(0.03125, 128), (0.0371, 0), (1.7, 255), (3e-5, 7)]


def plain_views(shape, dtype):
    """Plain NCHW views over fresh memory of guards."""
    n, c, h, w = shape

    def memory(*sizes):
        return put(np.full(sizes, GUARD, np.uint8).astype(dtype)).reshape(sizes)
    yield "NCHW", memory(*shape)
    yield "NCHW with gaps", memory(n, c + 1, h + 1, w + 2)[:, :c, :h, :w]
    yield "NHWC", memory(n, h, w, c).transpose(0, 3, 1, 2)
    yield "NHWC with gaps", memory(n, h, w, c + 3)[..., :c].transpose(0, 3, 1, 2)
    yield "NHWC of 16", memory(n, h, w, max(16, c))[..., :c].transpose(0, 3, 1, 2)
    yield "step 2", memory(n, c, h, 2 * w)[..., ::2]
    yield "NCWH", memory(n, c, w, h).transpose(0, 1, 3, 2)
    yield "backwards", memory(*shape)[..., ::-1]


def plain(name, a):
    """The parameters of plain memory: the buffer, strides over n, b, c, h, w."""
    n, c, h, w = (s // a.itemsize for s in a.strides)
    return {name: address(a), name + "n": n, name + "b": 16 * c, name + "c": c, name + "h": h, name + "w": w}


def size_of(shape):
    return dict(zip("nchw", shape))


def tiles(shape, rows):
    row_tiles = -(-shape[2] // rows)
    return shape[0] * -(-shape[1] // 16) * row_tiles, dict(row_tiles=row_tiles, rows=rows)


def to_blocks(level, kernel, x, halo, rows, **more):
    y = BlockedU8(x.shape, halo)
    count, divided = tiles(x.shape, rows)
    run(level, kernel, count, threads=2, **plain("x", x), y=y.at(), **y.params("y"), **size_of(x.shape), **divided,
        **more)
    return y.result()


def from_blocks(level, kernel, values, y, halo, rows, **more):
    x, guard = BlockedU8.of(values, halo), np.uint8(GUARD).astype(y.dtype)
    y[...] = guard
    before = y.base.copy()
    count, divided = tiles(y.shape, rows)
    run(level, kernel, count, threads=2, x=x.at(), **x.params("x"), **plain("y", y), **size_of(y.shape), **divided,
        **more)
    result = y.copy()
    y[...] = guard
    np.testing.assert_array_equal(y.base, before, err_msg="written elsewhere")
    return result


def quantised(x, scale, zero, lo=0, hi=255):
    """As QuantizeLinear says, in float32; NaN is the lowest."""
    with np.errstate(over="ignore"):
        y = np.rint((x / np.float32(scale)).astype(np.float32)).astype(float) + zero
    return np.clip(np.where(np.isnan(y), -np.inf, y), lo, hi).astype(np.uint8)


def reals(shape, scale):
    """Numbers over the range and beyond, many of them between two quanta."""
    x = (RNG.integers(-700, 700, shape) * np.float32(scale) / 2).astype(np.float32)
    x.flat[::7] = RNG.standard_normal(x.flat[::7].shape) * 300 * scale
    for i, value in enumerate((np.nan, np.inf, -np.inf, 3e38, -3e38, -np.float32(np.nan))):
        x.flat[i * 5 % x.size] = value
    return x


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("halo", HALOS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_to_and_from_blocks(level, shape, halo):
    values = RNG.integers(0, 256, shape, np.uint8)
    for (kind, a), rows in ((v, r) for v in plain_views(shape, np.uint8) for r in {1, 3, shape[2]}):
        what = f"{level} {shape} {kind} rows {rows}"
        np.testing.assert_array_equal(from_blocks(level, "from_blocked_u8", values, a, halo, rows), values, what)
        a[...] = values
        np.testing.assert_array_equal(to_blocks(level, "to_blocked_u8", a, halo, rows), values, what)


@pytest.mark.parametrize("level", LEVELS)
def test_int8_becomes_uint8_and_back(level):
    values = RNG.integers(-128, 128, (1, 20, 5, 9)).astype(np.int8)
    wide = (values.astype(int) + 128).astype(np.uint8)
    np.testing.assert_array_equal(to_blocks(level, "to_blocked_u8", values, (0, 0, 0, 0), 2, flip=128), wide)
    y = np.full((1, *values.shape), GUARD, np.uint8).view(np.int8)[0]
    np.testing.assert_array_equal(from_blocks(level, "from_blocked_u8", wide, y, (1, 0, 0, 0), 2, flip=128), values)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("halo", HALOS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_quantize(level, shape, halo):
    for k, (kind, x) in enumerate(plain_views(shape, np.float32)):
        scale, zero = QUANTA[k % len(QUANTA)]
        x[...] = reals(shape, scale)
        for lo, hi in ((0, 255), (zero, 255), (0, 200)):
            result = to_blocks(level, "quantize_blocked", x, halo, 2, scale=np.float32(scale), zero=zero, lo=lo, hi=hi)
            np.testing.assert_array_equal(result, quantised(x, scale, zero, lo, hi), f"{level} {shape} {kind} {scale}")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("halo", HALOS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_dequantize(level, shape, halo):
    values = RNG.integers(0, 256, shape, np.uint8)
    for k, (kind, y) in enumerate(plain_views(shape, np.float32)):
        scale, zero = QUANTA[k % len(QUANTA)]
        wanted = (values.astype(np.int32) - zero).astype(np.float32) * np.float32(scale)
        result = from_blocks(level, "dequantize_blocked", values, y, halo, 2, scale=np.float32(scale), zero=zero)
        np.testing.assert_array_equal(result, wanted, f"{level} {shape} {kind} {scale}")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_blocks_of_floats(level, shape):
    """Both ways between two pictures in blocks: channels are given as whole blocks."""
    n, c, h, w = shape
    values, x, y = reals(shape, 0.1), BlockedU8(shape, (0, 1, 1, 0)), Blocked(shape, (1, 0, 0, 2))
    floats = Blocked.of(values, (1, 1, 0, 0))
    whole = (n, -(-c // 16) * 16, h, w)
    count, divided = tiles(shape, 2)
    run(level, "quantize_blocked", count, x=floats.at(), xn=floats.n, xb=floats.b, xc=1, xh=floats.r, xw=16, y=x.at(),
        **x.params("y"), **size_of(whole), **divided, scale=np.float32(.1), zero=100, lo=0, hi=255)
    np.testing.assert_array_equal(x.result(), quantised(values, .1, 100))
    run(level, "dequantize_blocked", count, x=x.at(), **x.params("x"), y=y.at(), yn=y.n, yb=y.b, yc=1, yh=y.r, yw=16,
        **size_of(whole), **divided, scale=np.float32(.1), zero=100)
    np.testing.assert_array_equal(
        y.result(), (quantised(values, .1, 100).astype(np.int32) - 100).astype(np.float32) * np.float32(.1))


@pytest.mark.parametrize("level", LEVELS)
def test_slices_of_volumes(level):
    """Slices of a volume are pictures in blocks, and lie d apart in plain memory."""
    n, c, d, h, w = 2, 19, 3, 4, 5
    x = RNG.standard_normal((n, c, d, h, w)).astype(np.float32)
    pictures = x.transpose(0, 2, 1, 3, 4).reshape(n * d, c, h, w)
    xn, xc, xd, xh, xw = (s // 4 for s in x.strides)
    y, z = BlockedU8(pictures.shape), np.zeros_like(x)
    shared = dict(n=n * d, c=c, d=d, h=h, w=w, scale=np.float32(.02), zero=120, row_tiles=1, rows=h)
    run(level, "quantize_blocked", n * d * 2, x=address(x), xn=xn, xb=16 * xc, xc=xc, xd=xd, xh=xh, xw=xw, y=y.at(),
        **y.params("y"), lo=0, hi=255, **shared)
    wanted = quantised(pictures, .02, 120)
    np.testing.assert_array_equal(y.result(), wanted)
    run(level, "dequantize_blocked", n * d * 2, x=y.at(), **y.params("x"), y=address(z), yn=xn, yb=16 * xc, yc=xc,
        yd=xd, yh=xh, yw=xw, **shared)
    real = (wanted.astype(np.int32) - 120).astype(np.float32) * np.float32(.02)
    np.testing.assert_array_equal(z, real.reshape(n, d, c, h, w).transpose(0, 2, 1, 3, 4))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kernel", ["from_blocked_u8", "dequantize_blocked"])
def test_channel_offsets(level, kernel):
    """DepthToSpace, mode CRD."""
    r, h, w = 3, 5, 17
    c = 2 * r * r
    values = RNG.integers(0, 256, (2, c, h, w), np.uint8)
    x = BlockedU8.of(values)
    y = np.zeros((2, 2, h * r, w * r), np.uint8 if kernel == "from_blocked_u8" else np.float32)
    i = np.arange(c)
    coff = (i // r ** 2 * h * r * w * r + i // r % r * w * r + i % r).astype(np.int64)
    run(level, kernel, 4, x=x.at(), **x.params("x"), y=address(y), coff=address(coff), n=2, c=c, h=h, w=w, yn=y[0].size,
        yh=r * w * r, yw=r, scale=1., zero=0, row_tiles=1, rows=h)
    np.testing.assert_array_equal(y, values.reshape(2, 2, r, r, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(y.shape))


CHANNELS = {  # where each channel comes from among 40 + 24 channels of two pictures
    "the same": list(range(40)), "from the second": list(range(40, 64)), "odd border": list(range(3, 30)),
    "concat": list(range(5)) + list(range(40, 64)) + list(range(5, 40)),
    "shuffle": [i * 20 + j for j in range(20) for i in range(2)],
    "three blocks": [i * 16 + j for j in range(8) for i in range(3)],
    "far": [0, 63, 17, 34, 50, 1, 62, 18, 35, 51, 2, 61, 19, 36, 52, 3, 60], "one": [63], "same again": [7] * 20}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("halo", HALOS, ids=str)
@pytest.mark.parametrize("order", CHANNELS)
def test_gather_channels(level, order, halo):
    picked, (n, h, w) = CHANNELS[order], (2, 5, 7)
    parts = [RNG.integers(0, 256, (n, c, h, w), np.uint8) for c in (40, 24)]
    arena, places, start = put(np.zeros(20_000, np.uint8)), [], 0
    for values, around in zip(parts, ((1, 0, 1, 2), (0, 0, 0, 0))):
        x = BlockedU8.of(values, around)
        size = x.data.size - 128
        arena[start:start + size] = x.data[64:-64]
        first = start + x.at()[1] - x.data.ctypes.data - 64
        places += [(first + c // 16 * x.b + c % 16, x.r, x.n) for c in range(values.shape[1])]
        start += size
    table = np.array([places[c] for c in picked], np.int64)
    wanted = np.concatenate(parts, 1)[:, picked]
    for rows in (1, 2, h):
        y = BlockedU8(wanted.shape, halo)
        count, divided = tiles(wanted.shape, rows)
        run(level, "gather_channels_u8", count, threads=2, x=address(arena), table=address(table), y=y.at(),
            **y.params("y"), **size_of(wanted.shape), **divided)
        np.testing.assert_array_equal(y.result(), wanted, err_msg=f"{level} {order} rows {rows}")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("halo", [(0, 0, 0, 0), (1, 1, 1, 1), (2, 0, 1, 3)], ids=str)
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 40, 5, 7)], ids=str)
def test_fill_halo(level, shape, halo):
    t, left, b, r = halo
    n, c, h, w = shape
    sizes = dict(n=n, cb=-(-c // 16), h=h, w=w, t=t, l=left, b=b, r=r)
    bits = int(np.float32(-np.inf).view(np.uint32))
    for y, fill, element, inside in ((BlockedU8(shape, halo), 77, np.uint8(77), np.uint8(GUARD)),
                                     (Blocked(shape, halo), 0, np.float32(0), np.float32(-123.25)),
                                     (Blocked(shape, halo), bits, np.float32(-np.inf), np.float32(-123.25))):
        run(level, "fill_halo", n * y.blocks, y=y.at(), **y.params("y"), **sizes, size=element.itemsize, fill=fill)
        wanted = np.full_like(y.pixels, element)
        wanted[:, :, t:t + h, left:left + w] = inside
        np.testing.assert_array_equal(y.pixels, wanted)
        assert (y.data[:64] == inside).all() and (y.data[-64:] == inside).all()


