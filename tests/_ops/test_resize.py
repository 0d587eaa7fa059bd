"""The resize kernel against NumPy indexing, at every level."""
import numpy as np
import pytest

from windows import LEVELS, RNG, Blocked, assert_close, ref, run

CASES = [  # channels, (ih, iw), (oh, ow)
    (1, (1, 1), (1, 1)), (3, (1, 7), (2, 14)), (17, (7, 7), (14, 14)), (48, (13, 5), (7, 11)),
    (16, (14, 14), (1, 1)), (24, (4, 6), (16, 30)), (64, (9, 8), (9, 8)), (17, (12, 23), (5, 11))]


def taps(size_in, size_out):
    """Lower and upper index and weight of the upper, half-pixel centres, clamped at the edges."""
    at = np.clip((np.arange(size_out) + .5) * size_in / size_out - .5, 0, size_in - 1)
    low = np.floor(at).astype(np.int32)
    return low, np.minimum(low + 1, size_in - 1).astype(np.int32), (at - low).astype(np.float32)


def run_resize(level, x, size, linear, rows, threads=1, halo=(0, 0, 0, 0)):
    xs, ys = Blocked.of(x, (1, 0, 0, 1)), Blocked((*x.shape[:2], *size), halo)
    (iy0, iy1, wy), (ix0, ix1, wx) = taps(x.shape[2], size[0]), taps(x.shape[3], size[1])
    row_tiles = -(-size[0] // rows)
    second = dict(iy1=ref(iy1), wy=ref(wy), ix1=ref(ix1), wx=ref(wx)) if linear else {}
    run(level, "resize", x.shape[0] * xs.blocks * row_tiles, threads=threads, x=xs.at(), y=ys.at(),
        iy0=ref(iy0), ix0=ref(ix0), n=x.shape[0], cb=xs.blocks, oh=size[0], ow=size[1], linear=linear,
        row_tiles=row_tiles, rows=rows, **second, **xs.params("x"), **ys.params("y"))
    return ys.result()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_nearest_copies_the_lower_tap(level, case):
    c, size_in, size = case
    x = RNG.standard_normal((2, c, *size_in)).astype(np.float32)
    x[0, 0, 0, 0] = np.nan
    wanted = x[:, :, taps(size_in[0], size[0])[0]][:, :, :, taps(size_in[1], size[1])[0]]
    for rows, threads, halo in ((1, 2, (1, 0, 0, 1)), (3, 1, (0, 2, 1, 0)), (size[0], 1, (0, 0, 0, 0))):
        np.testing.assert_array_equal(run_resize(level, x, size, 0, rows, threads, halo), wanted)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_linear_matches_float64(level, case):
    c, size_in, size = case
    x = RNG.standard_normal((2, c, *size_in)).astype(np.float32)
    (iy0, iy1, wy), (ix0, ix1, wx) = taps(size_in[0], size[0]), taps(size_in[1], size[1])
    wy, wx, d = wy.astype(float)[:, None], wx.astype(float), x.astype(float)
    rows = d[:, :, iy0] * (1 - wy) + d[:, :, iy1] * wy
    wanted = rows[:, :, :, ix0] * (1 - wx) + rows[:, :, :, ix1] * wx
    results = [run_resize(level, x, size, 1, r, threads, halo)
               for r, threads, halo in ((1, 2, (1, 0, 0, 1)), (size[0], 1, (0, 0, 0, 0)))]
    assert_close(results[0], wanted, 5e-7, f"{case} {level}")
    np.testing.assert_array_equal(results[1], results[0])


@pytest.mark.parametrize("level", LEVELS)
def test_linear_resize_to_the_same_size_is_the_identity(level):
    x = RNG.standard_normal((1, 20, 9, 13)).astype(np.float32)
    np.testing.assert_array_equal(run_resize(level, x, (9, 13), 1, 4), x)
