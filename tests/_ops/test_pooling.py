"""Pooling against NumPy, at every level."""
import numpy as np
import pytest

from windows import LEVELS, RNG, Blocked, assert_close, run

MAX, INSIDE, PADDED = 0, 1, 2
CASES = [  # channels, h, w, (kh, kw), (sh, sw), (dh, dw), (top, left, bottom, right), overhang
    (3, 1, 1, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0), 0), (16, 8, 28, (2, 2), (2, 2), (1, 1), (0, 0, 0, 0), 0),
    (17, 7, 37, (2, 2), (2, 2), (1, 1), (0, 0, 0, 0), 1),
    (64, 14, 33, (3, 3), (2, 2), (1, 1), (1, 1, 1, 1), 0),
    (48, 13, 5, (3, 3), (2, 2), (1, 1), (0, 0, 0, 0), 1),
    (24, 14, 14, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 0),
    (8, 20, 20, (5, 5), (1, 1), (1, 1), (2, 2, 2, 2), 0), (16, 3, 2, (5, 5), (1, 1), (1, 1), (2, 2, 2, 2), 0),
    (58, 7, 7, (7, 7), (1, 1), (1, 1), (0, 0, 0, 0), 0), (1, 12, 17, (3, 3), (3, 3), (1, 1), (1, 0, 1, 2), 2),
    (16, 13, 16, (3, 3), (1, 2), (2, 3), (2, 1, 1, 2), 0),
    (16, 5, 30, (1, 3), (1, 1), (1, 1), (0, 1, 0, 1), 0),
    (16, 9, 9, (13, 13), (1, 1), (1, 1), (6, 6, 6, 6), 0),
    (16, 11, 20, (4, 4), (4, 4), (1, 1), (3, 3, 3, 3), 3)]


def pool(x, mode, k, strides, dilations, pads, over):
    """Float64, pixel by pixel. Values outside are NaN-free: masked."""
    n, c, h, w = x.shape
    size = [(d + pads[i] + pads[i + 2] + over - (k[i] - 1) * dilations[i] - 1) // strides[i] + 1
            for i, d in enumerate((h, w))]
    y = np.zeros((n, c, *size))
    for i in range(size[0]):
        for j in range(size[1]):
            rows = i * strides[0] - pads[0] + np.arange(k[0]) * dilations[0]
            cols = j * strides[1] - pads[1] + np.arange(k[1]) * dilations[1]
            counted = (rows < h + pads[2]).sum() * (cols < w + pads[3]).sum()
            rows, cols = rows[(rows >= 0) & (rows < h)], cols[(cols >= 0) & (cols < w)]
            part = x[:, :, rows][:, :, :, cols].astype(float)
            if mode == MAX:
                y[:, :, i, j] = part.max((2, 3), initial=-np.inf)
            else:
                counted = len(rows) * len(cols) if mode == INSIDE else counted
                y[:, :, i, j] = part.sum((2, 3)) / max(1, counted)
    return y


def run_pool(level, x, mode, k, strides, dilations, pads, out_shape, rows, threads=1, halo=(0, 0, 0, 0)):
    xs, ys = Blocked.of(x, (0, 1, 1, 0)), Blocked(out_shape, halo)
    oh, ow = out_shape[2:]
    row_tiles = -(-oh // rows)
    run(level, "pool", x.shape[0] * xs.blocks * row_tiles, threads=threads, x=xs.at(), y=ys.at(),
        n=x.shape[0], cb=xs.blocks, ih=x.shape[2], iw=x.shape[3], oh=oh, ow=ow, kh=k[0], kw=k[1],
        sh=strides[0], sw=strides[1], dh=dilations[0], dw=dilations[1], pt=pads[0], pl=pads[1], pb=pads[2],
        pr=pads[3], mode=mode, row_tiles=row_tiles, rows=rows, **xs.params("x"), **ys.params("y"))
    return ys.result()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("mode", [MAX, INSIDE, PADDED])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_pool_matches_float64(level, mode, case):
    c, h, w, *window = case
    x = RNG.standard_normal((2, c, h, w)).astype(np.float32) - 3          # a zero of the padding would win
    wanted = pool(x, mode, *window)
    results = [run_pool(level, x, mode, *window[:-1], wanted.shape, rows, threads, halo)
               for rows, threads, halo in ((1, 2, (1, 0, 0, 1)), (wanted.shape[2], 1, (0, 0, 0, 0)))]
    if mode == MAX:
        np.testing.assert_array_equal(results[0], wanted)
    else:
        assert_close(results[0], wanted, 1e-6, f"{case} mode {mode} {level}")
    np.testing.assert_array_equal(results[1], results[0])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("k, stride", [(2, 2), (3, 1), (3, 2), (5, 1), (3, 3)])
def test_max_pool_keeps_nan_and_infinities(level, k, stride):
    x = RNG.standard_normal((1, 16, 13, 21)).astype(np.float32)
    for value in (np.nan, -np.float32(np.nan), np.inf, -np.inf):
        x[0, RNG.integers(0, 16, 20), RNG.integers(0, 13, 20), RNG.integers(0, 21, 20)] = value
    window = (k, k), (stride, stride), (1, 1), (k // 2,) * 4
    wanted = pool(x, MAX, *window, 0)
    np.testing.assert_array_equal(run_pool(level, x, MAX, *window, wanted.shape, 2), wanted)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 17, 1, 7), (1, 48, 7, 7), (2, 16, 13, 5),
                                   (1, 64, 56, 56), (1, 3, 2, 40)])
def test_global_pool_matches_float64(level, shape):
    x = RNG.standard_normal(shape).astype(np.float32) + 1
    x[0, 0, -1, -1] = np.nan
    for mode, wanted in ((0, x.max((2, 3), keepdims=True)), (1, x.mean((2, 3), keepdims=True, dtype=float))):
        xs, ys = Blocked.of(x, (1, 2, 0, 1)), Blocked((*shape[:2], 1, 1))
        run(level, "global_pool", shape[0] * xs.blocks, x=xs.at(), y=ys.at(), n=shape[0], cb=xs.blocks,
            h=shape[2], w=shape[3], mode=mode, **xs.params("x"), yn=ys.n, yb=ys.b)
        assert_close(ys.result(), wanted, 1e-6, f"{shape} mode {mode} {level}")
