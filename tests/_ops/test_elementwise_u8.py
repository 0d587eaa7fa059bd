"""Elementwise operators on bytes against the operators that they are made of, in float32."""
import numpy as np
import pytest

from u8 import GUARD, BlockedU8, address, channels, put, sloped
from windows import LEVELS, run

RNG = np.random.default_rng(31)
SHAPES = [(1, 1, 1, 1), (2, 17, 3, 7), (1, 16, 5, 1), (1, 48, 2, 70), (2, 3, 4, 64)]
ADD, MUL, SLOPED, SCALED = range(4)
SCALES = [  # (sa, za, sb, zb, sy, zy)
    (.02, 128, .031, 3, .04, 120), (1 / 32, 0, 1 / 64, 255, 1 / 16, 0), (3.7, 255, .0009, 128, 5., 255),
    (.5, 128, .5, 128, 1., 128), (.03, 120, .05, 130, .1, 128), (2e-33, 120, 3e-33, 130, 4e-33, 128),
    (1e-3, 120, 2., 3, 1e-4, 128)]
EXTREMES = ["random", 0, 255]


def bytes_of(shape, kind):
    return RNG.integers(0, 256, shape, np.uint8) if kind == "random" else np.full(shape, kind, np.uint8)


def zipped(op, a, b, sa, za, sb, zb, sy, zy, lo=0, hi=255, table=None, slope=None):
    """DequantizeLinear twice, Add or Mul, PRelu by a `slope` for each channel, QuantizeLinear."""
    a, b = ((v.astype(np.int32) - z).astype(np.float32) * np.float32(s) for v, s, z in ((a, sa, za), (b, sb, zb)))
    with np.errstate(over="ignore"):
        y = sloped(a * b if op == MUL else a + b, slope) / np.float32(sy)
    y = np.clip(np.rint(y).astype(float) + zy, lo, hi).astype(np.uint8)
    return y if table is None else table[y]


def scales_of(sa, za, sb, zb, sy, zy):
    return dict(sa=np.float32(sa), za=za, sb=np.float32(sb), zb=zb, sy=np.float32(sy), zy=zy)


def strides(name, x, w=16, lane=1, block=True):
    """Of an operand that is there for each pixel, or with a block (or none) for all."""
    rows = {"n": x.n, "b": x.b if block else 0, "r": x.r if w else 0, "w": w, "l": lane}
    return {name + k: v for k, v in rows.items()}


def run_zip(level, op, a, b, shape, scales, rows, threads=1, lo=0, hi=255, table=None, halo=(0, 1, 1, 0), d=0):
    """a, b : (BlockedU8, its strides)"""
    y, h = BlockedU8(shape, halo), shape[2]
    look = {} if table is None else {"table": address(table)}
    run(level, "zip_u8", shape[0] * y.blocks * -(-h // rows), threads=threads, a=a[0].at(), **a[1], b=b[0].at(), **b[1],
        y=y.at(), **y.params("y"), n=shape[0], d=d, cb=y.blocks, h=h, w=16 * shape[3], op=op, **scales_of(*scales),
        lo=lo, hi=hi, rows=rows, row_tiles=-(-h // rows), **look)
    return y.result()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("op", [ADD, MUL])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_zip_of_equal_shapes(level, op, shape):
    table = put(RNG.permutation(256).astype(np.uint8))
    for scales in SCALES:
        for kinds in zip(EXTREMES, ("random", 255, 0)):
            x, z = (bytes_of(shape, kind) for kind in kinds)
            a, b = BlockedU8.of(x, (1, 0, 0, 2)), BlockedU8.of(z)
            operands = (a, strides("a", a)), (b, strides("b", b))
            for lo, hi, look in ((0, 255, None), (scales[-1], 250, None), (0, 255, table)):
                wanted = zipped(op, x, z, *scales, lo, hi, look)
                for rows, threads in ((1, 2), (shape[2], 1)):
                    y = run_zip(level, op, *operands, shape, scales, rows, threads, lo, hi, look)
                    np.testing.assert_array_equal(y, wanted, f"{level} {op} {shape} {scales} {kinds} {lo} {hi}")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("op", [ADD, MUL])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_zip_with_what_is_broadcast(level, op, shape):
    """A number per channel (squeeze-excite), per pixel, for all; on either side."""
    n, c, h, w = shape
    x = bytes_of(shape, "random")
    for sizes, how in (((n, c, 1, 1), dict(w=0)), ((n, 1, h, w), dict(lane=0, block=False)),
                       ((n, 1, 1, 1), dict(w=0, lane=0, block=False))):
        z = bytes_of(sizes, "random")
        a, b = BlockedU8.of(x), BlockedU8.of(z, (0, 1, 1, 0))
        y = run_zip(level, op, (a, strides("a", a)), (b, strides("b", b, **how)), shape, SCALES[0], 2)
        np.testing.assert_array_equal(y, zipped(op, x, z, *SCALES[0]), f"{level} {op} {sizes}")
        y = run_zip(level, op, (b, strides("a", b, **how)), (a, strides("b", a)), shape, SCALES[0], 2)
        np.testing.assert_array_equal(y, zipped(op, z, x, *SCALES[0]), f"{level} {op} {sizes} first")


SLOPES = [0, 1, -1, .25, -.5, 3, 1e-30, -1e-30, 1e30, -1e30, 3e38, -3e38, 1 / 3, -7.3, 1e-45, -0.]


def slopes_of(c):
    return np.resize(np.array(SLOPES, np.float32), c)


def run_sloped(level, op, x, z, scales, slope, rows=2, threads=1, flip=0, lo=0, hi=255, table=None):
    """x, z : uint8 of the same shape, which are operands; of op SCALED z says nothing, and sa is the factor above 0"""
    shape, a, b = x.shape, BlockedU8.of(x, (1, 0, 0, 2)), BlockedU8.of(z)
    y, row_tiles = BlockedU8(shape, (0, 1, 1, 0)), -(-shape[2] // rows)
    more = dict(table=address(table)) if table is not None else {}
    held = channels(slope, np.float32)
    run(level, "zip_u8", shape[0] * y.blocks * row_tiles, threads=threads, a=a.at(), **strides("a", a), b=b.at(),
        **strides("b", b), y=y.at(), **y.params("y"), n=shape[0], cb=y.blocks, h=shape[2], w=16 * shape[3], op=op,
        flip=flip, slope=address(held), **scales_of(*scales), lo=lo, hi=hi, rows=rows, row_tiles=row_tiles, **more)
    return y.result()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("flip", [0, 128])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sums_by_slopes_of_channels(level, flip, shape):
    slope, table = slopes_of(shape[1]), RNG.permutation(256).astype(np.uint8)
    for scales in [*SCALES, (.02, 0, -.031, 255, .04, 120), (-3.7, 9, .5, 128, 5., 0),
                   (2.0 ** 40, 0, 1., 255, 2.0 ** -40, 7), (2.0 ** -40, 255, 2.0 ** -40, 0, 2.0 ** 40, 255)]:
        for kinds in zip(EXTREMES, ("random", 255, 0)):
            x, z = (bytes_of(shape, kind) for kind in kinds)
            for rows, threads, lo, hi, look in ((1, 2, 0, 255, None), (shape[2], 1, 5, 250, table)):
                y = run_sloped(level, SLOPED, x, z, scales, slope, rows, threads, flip, lo, hi, look)
                wanted = zipped(SLOPED, x ^ flip, z ^ flip, *scales, lo, hi, slope=slope) ^ flip
                np.testing.assert_array_equal(y, wanted if look is None else look[wanted], f"{scales} {kinds}")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("zeros", [(0, 0, 0), (255, 255, 255), (0, 255, 0), (255, 0, 255), (128, 3, 77)], ids=str)
@pytest.mark.parametrize("sa, sb, sy", [(1, 1, 2), (.5, .25, .5), (1e-20, 1e20, 1e19), (1, -.75, 1.5),
                                        (1e30, 1, 1e-8)])
def test_each_pair_of_bytes_by_slopes(level, zeros, sa, sb, sy):
    """Halves go to the even number, before and behind the slope."""
    x = np.arange(256, dtype=np.uint8).reshape(1, 1, 1, 256).repeat(256, 2).repeat(len(SLOPES), 1)
    z, scales = x.swapaxes(2, 3), (sa, zeros[0], sb, zeros[1], sy, zeros[2])
    np.testing.assert_array_equal(run_sloped(level, SLOPED, x, z, scales, slopes_of(16), 64),
                                  zipped(SLOPED, x, z, *scales, slope=slopes_of(16)))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("flip", [0, 128])
@pytest.mark.parametrize("za, zy", [(0, 0), (255, 255), (0, 255), (255, 0), (128, 3), (3, 128)])
def test_each_byte_by_one_of_two_factors(level, flip, za, zy):
    """rint((a - za) * k) + zy, whatever the second operand is."""
    below = slopes_of(len(SLOPES))
    x = np.arange(256, dtype=np.uint8).reshape(1, 1, 2, 128).repeat(len(SLOPES), 1)
    for k in (0.5, 1, 1 / 3, 2.5, 1e-30, 1e30, 3e38):
        number = (x.astype(np.float32) - np.float32(za))
        with np.errstate(over="ignore"):
            real = np.where(number < 0, number * below.reshape(-1, 1, 1), number * np.float32(k))
        wanted = np.clip(np.rint(real).astype(float) + zy, 0, 255).astype(np.uint8)
        y = run_sloped(level, SCALED, x ^ flip, x[::-1] ^ 77, (k, za, 3, 9, 1, zy), below, 1, 2, flip)
        np.testing.assert_array_equal(y, wanted ^ flip, f"{k}")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("op", [SLOPED, SCALED])
def test_y_may_be_an_operand_with_slopes(level, op):
    x, z, slope = bytes_of((1, 16, 3, 33), "random"), bytes_of((1, 16, 3, 33), "random"), slopes_of(16)
    a, b, held = BlockedU8.of(x), BlockedU8.of(z), channels(slope, np.float32)
    scales = (.5, 100, .25, 30, 1., 90)
    run(level, "zip_u8", 1, a=a.at(), b=b.at(), y=a.at(), **strides("a", a), **strides("b", b), **a.params("y"),
        n=1, cb=1, h=3, w=16 * 33, rows=3, row_tiles=1, op=op, slope=address(held), **scales_of(*scales), lo=0, hi=255)
    wanted = zipped(SLOPED, x, z, *scales, slope=slope)
    if op == SCALED:                    # a step of 1, nothing added; k below 0 is scale * slope
        k = np.where(x < 100, slope.reshape(-1, 1, 1), np.float32(.5))
        with np.errstate(over="ignore"):
            wanted = np.clip(np.rint((x.astype(np.float32) - 100) * k).astype(float) + 90, 0, 255).astype(np.uint8)
    np.testing.assert_array_equal(a.pixels.transpose(0, 1, 4, 2, 3)[0], wanted)


@pytest.mark.parametrize("level", LEVELS)
def test_slopes_with_what_is_broadcast(level):
    """A number per channel, or per pixel, on either side."""
    shape = n, c, h, w = 2, 37, 3, 20
    x, slope = bytes_of(shape, "random"), slopes_of(c)
    held = channels(slope, np.float32)
    for sizes, how in (((n, c, 1, 1), dict(w=0)), ((n, 1, h, w), dict(lane=0, block=False))):
        z = bytes_of(sizes, "random")
        a, b, y = BlockedU8.of(x), BlockedU8.of(z), BlockedU8(shape)
        for first in (True, False):
            one, two = (a, b) if first else (b, a)
            params = {**strides("a", one, **({} if first else how)), **strides("b", two, **(how if first else {}))}
            run(level, "zip_u8", n * y.blocks * 2, threads=2, a=one.at(), b=two.at(), y=y.at(), **params,
                **y.params("y"), n=n, cb=y.blocks, h=h, w=16 * w, op=SLOPED, slope=address(held),
                **scales_of(*SCALES[0]), lo=0, hi=255, rows=2, row_tiles=2)
            operands = (x, z) if first else (z, x)
            np.testing.assert_array_equal(y.result(), zipped(SLOPED, *operands, *SCALES[0], slope=slope))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("sizes", [(2, 17, 3, 4, 5), (2, 17, 1, 1, 1), (1, 17, 3, 4, 5), (2, 17, 1, 4, 5)], ids=str)
def test_zip_of_volumes(level, sizes):
    """An operand of one slice for all of a volume, or of one volume for all."""
    shape = 2, 17, 3, 4, 5
    x, z = bytes_of(shape, "random"), bytes_of(sizes, "random")
    pictures = [BlockedU8.of(v.swapaxes(1, 2).reshape(-1, 17, *v.shape[3:])) for v in (x, z)]
    a, b = ((v, {**strides(name, v, w=16 if v.shape[3] > 1 else 0), f"{name}n": v.n * of.shape[2] * (of.shape[0] > 1),
                 f"{name}z": v.n * (of.shape[2] > 1)}) for name, v, of in zip("ab", pictures, (x, z)))
    y = run_zip(level, ADD, a, b, (6, 17, 4, 5), SCALES[0], 2, 2, d=3)
    np.testing.assert_array_equal(y.reshape(2, 3, 17, 4, 5).swapaxes(1, 2), zipped(ADD, x, z, *SCALES[0]))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("n", [1, 15, 16, 17, 31, 32, 33, 64, 1023, 1024, 1025, 2500])
def test_plain_rows_of_any_length(level, n):
    a, b, table = (RNG.integers(0, 256, size, np.uint8) for size in (n, n, 256))
    y = np.full((2, n + 64), GUARD, np.uint8)
    shared = dict(n=1, cb=1, h=1, w=n, rows=1, row_tiles=1)
    run(level, "zip_u8", 1, a=address(a), b=address(b), y=address(y), aw=16, al=1, bw=16, bl=1, op=ADD,
        **scales_of(*SCALES[0]), lo=0, hi=255, **shared)
    run(level, "look_up_u8", 1, x=address(a), table=address(table), y=address(y, n + 64), **shared)
    np.testing.assert_array_equal(y[0, :n], zipped(ADD, a, b, *SCALES[0]))
    np.testing.assert_array_equal(y[1, :n], table[a])
    assert (y[:, n:] == GUARD).all()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("op", [ADD, MUL])
@pytest.mark.parametrize("n", [1, 17, 64, 1025])
def test_zip_of_int8(level, op, n):
    """It is uint8 that are 128 more, but for the table, which is of what comes out."""
    a, b, table = (RNG.integers(0, 256, size, np.uint8) for size in (n, n, 256))
    for look in (None, table):
        y = np.full(n + 64, GUARD, np.uint8)
        params = {} if look is None else {"table": address(look)}
        run(level, "zip_u8", 1, a=address(a), b=address(b), y=address(y), aw=16, al=1, bw=16, bl=1, op=op, flip=128,
            **scales_of(*SCALES[0]), lo=10, hi=250, n=1, cb=1, h=1, w=n, rows=1, row_tiles=1, **params)
        wanted = zipped(op, a ^ 128, b ^ 128, *SCALES[0], 10, 250) ^ 128
        np.testing.assert_array_equal(y[:n], wanted if look is None else look[wanted])
        assert (y[n:] == GUARD).all()


@pytest.mark.parametrize("level", LEVELS)
def test_y_may_be_an_operand(level):
    values, other = bytes_of((1, 16, 3, 33), "random"), bytes_of((1, 16, 3, 33), "random")
    b = BlockedU8.of(other)
    for written in (0, 1):
        a, b = BlockedU8.of(values), BlockedU8.of(other)
        y = (a, b)[written]
        run(level, "zip_u8", 1, a=a.at(), b=b.at(), y=y.at(), **strides("a", a), **strides("b", b), **y.params("y"),
            n=1, cb=1, h=3, w=16 * 33, rows=3, row_tiles=1, op=MUL, **scales_of(*SCALES[0]), lo=0, hi=255)
        result = y.pixels.transpose(0, 1, 4, 2, 3)[0]
        np.testing.assert_array_equal(result, zipped(MUL, values, other, *SCALES[0]))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("halo", [(0, 0, 0, 0), (1, 0, 2, 1)], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_look_up(level, shape, halo):
    values = np.resize(np.arange(256, dtype=np.uint8), shape)
    for table in (RNG.permutation(256), np.arange(256), 255 - np.arange(256), np.full(256, 255)):
        look, x = put(table.astype(np.uint8)), BlockedU8.of(values)
        for rows in (1, shape[2]):
            y = BlockedU8(shape, halo)
            row_tiles = -(-shape[2] // rows)
            run(level, "look_up_u8", shape[0] * y.blocks * row_tiles, threads=2, x=x.at(), table=address(look),
                y=y.at(), **x.params("x"), **y.params("y"), n=shape[0], cb=y.blocks, h=shape[2], w=16 * shape[3],
                rows=rows, row_tiles=row_tiles)
            np.testing.assert_array_equal(y.result(), table[values])
