"""Resizing of bytes against NumPy, at every level."""
import numpy as np
import pytest

from test_resize import CASES, taps
from u8 import BlockedU8, address, put
from windows import LEVELS, run

RNG = np.random.default_rng(41)
QUANTA = [(1., 0, 0), (1., 128, 128), (.6, 255, 3), (2.3, 7, 200)]       # ratio of the scales, zero points of x and y
FLOAT = np.float32


def inputs(shape):
    yield RNG.integers(0, 256, shape, np.uint8)
    yield np.full(shape, 255, np.uint8)
    yield RNG.choice(np.array([0, 255], np.uint8), shape)


def run_resize(level, x, along, size, rows, threads=1, halo=(0, 0, 0, 0), **more):
    """along : of rows and of columns, (lower index, upper index, weight of the upper)"""
    xs, ys = BlockedU8.of(x, (1, 0, 0, 1)), BlockedU8((*x.shape[:2], *size), halo)
    tables = {name + axis + number: put(values, FLOAT if name == "w" else np.int32)
              for axis, all_of_it in zip("yx", along)
              for name, number, values in zip("iiw", ("0", "1", ""), all_of_it)}
    row_tiles = -(-size[0] // rows)
    run(level, "resize_u8", x.shape[0] * xs.blocks * row_tiles, threads=threads, x=xs.at(), y=ys.at(), n=x.shape[0],
        cb=xs.blocks, iw=x.shape[3], oh=size[0], ow=size[1], row_tiles=row_tiles, rows=rows, **xs.params("x"),
        **ys.params("y"), **{name: address(a) for name, a in tables.items()}, **more)
    return ys.result()


def resized(x, along, ratio, xz, zy, lo, hi):
    """Float32 of each operation by itself."""
    (iy0, iy1, wy), (ix0, ix1, wx) = along
    real = (x.astype(np.int32) - xz).astype(FLOAT)
    below, ratio = wy[:, None], FLOAT(ratio)
    rows = real[:, :, iy0] * ((FLOAT(1) - below) * ratio) + real[:, :, iy1] * (below * ratio)
    y = np.rint(rows[:, :, :, ix0] * (FLOAT(1) - wx) + rows[:, :, :, ix1] * wx)
    return np.clip(y.astype(float) + zy, lo, hi).astype(np.uint8)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_nearest(level, case):
    c, size_in, size = case
    table = put(RNG.permutation(256).astype(np.uint8))
    along = [[RNG.integers(0, d, o), RNG.integers(0, d, o), np.zeros(o)] for d, o in zip(size_in, size)]
    x = RNG.integers(0, 256, (2, c, *size_in), np.uint8)
    wanted = x[:, :, along[0][0]][:, :, :, along[1][0]]
    for rows, threads, halo in ((1, 2, (1, 0, 0, 1)), (size[0], 1, (0, 0, 0, 0))):
        np.testing.assert_array_equal(run_resize(level, x, along, size, rows, threads, halo, linear=0), wanted)
    y = run_resize(level, x, along, size, 3, linear=0, table=address(table))
    np.testing.assert_array_equal(y, table[wanted])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_linear(level, case):
    c, size_in, size = case
    along = taps(size_in[0], size[0]), taps(size_in[1], size[1])
    for ratio, xz, zy in QUANTA:
        for x in inputs((2, c, *size_in)):
            wanted = resized(x, along, ratio, xz, zy, 3, 252)
            for rows, threads, halo in ((1, 2, (1, 0, 0, 1)), (size[0], 1, (0, 0, 0, 0))):
                y = run_resize(level, x, along, size, rows, threads, halo, linear=1, ratio=ratio, xz=xz, zy=zy, lo=3,
                               hi=252)
                np.testing.assert_array_equal(y, wanted, f"{level} {case} {ratio} {xz} {zy}")


@pytest.mark.parametrize("level", LEVELS)
def test_linear_to_the_same_size_is_the_identity(level):
    x = RNG.integers(0, 256, (1, 20, 9, 13), np.uint8)
    y = run_resize(level, x, (taps(9, 9), taps(13, 13)), (9, 13), 4, linear=1, ratio=1., xz=9, zy=9, lo=0, hi=255)
    np.testing.assert_array_equal(y, x)
