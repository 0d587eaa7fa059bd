"""Elementwise operators on bytes against the operators that they are made of, in float32."""
import numpy as np
import pytest

from u8 import GUARD, BlockedU8, address, put
from windows import LEVELS, run

RNG = np.random.default_rng(31)
SHAPES = [(1, 1, 1, 1), (2, 17, 3, 7), (1, 16, 5, 1), (1, 48, 2, 70), (2, 3, 4, 64)]
ADD, MUL = 0, 1
SCALES = [  # (sa, za, sb, zb, sy, zy)
    (.02, 128, .031, 3, .04, 120), (1 / 32, 0, 1 / 64, 255, 1 / 16, 0), (3.7, 255, .0009, 128, 5., 255),
    (.5, 128, .5, 128, 1., 128)]
EXTREMES = ["random", 0, 255]


def bytes_of(shape, kind):
    return RNG.integers(0, 256, shape, np.uint8) if kind == "random" else np.full(shape, kind, np.uint8)


def zipped(op, a, b, sa, za, sb, zb, sy, zy, lo=0, hi=255, table=None):
    """DequantizeLinear twice, Add or Mul, QuantizeLinear."""
    a, b = ((v.astype(np.int32) - z).astype(np.float32) * np.float32(s) for v, s, z in ((a, sa, za), (b, sb, zb)))
    y = (a + b if op == ADD else a * b) / np.float32(sy)
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
