"""Softmax and LogSoftmax against float64, at every level."""
import numpy as np
import pytest

import cinfer._ops as ops
from blocked import aligned

LEVELS = ops.usable_levels()
EXECUTOR = ops.executor()
RNG = np.random.default_rng(17)
GUARD = np.float32(-123.25)


def softmax(x, scale, logarithm):
    """Over axis 1, in float64."""
    with np.errstate(all="ignore"):
        x = x.astype(float) * scale
        x = x - x.max(1, keepdims=True)
        total = np.exp(x).sum(1, keepdims=True)
        return x - np.log(total) if logarithm else np.exp(x) / total


def run(level, x, scale=1.0, logarithm=False, rows=2, columns=None, in_place=False, threads=2):
    """x: [outer][n][inner]"""
    t = ops.table(level)
    outer, n, inner = x.shape
    columns = columns or inner
    source = aligned(x.size)
    source[...] = x.reshape(-1)
    y = source if in_place else aligned(x.size + 32)
    if not in_place:
        y[...] = GUARD
    target = y if in_place else y[16:-16]
    params = t.pack("softmax", x=(0, source.ctypes.data), y=(0, target.ctypes.data), outer=outer, n=n,
                    inner=inner, xo=n * inner, xs=inner, yo=n * inner, ys=inner, log=logarithm, scale=scale,
                    rows=rows, columns=columns)
    EXECUTOR.run_once(t, "softmax", params, -(-outer // rows) * -(-inner // columns), threads)
    if not in_place:
        assert (y[:16] == GUARD).all() and (y[-16:] == GUARD).all()
        np.testing.assert_array_equal(source, x.reshape(-1))
    return target.reshape(x.shape)


SHAPES = [(1, 1, 1), (3, 5, 1), (5, 16, 1), (2, 17, 1), (7, 49, 1), (3, 64, 1), (2, 197, 1), (1, 1000, 1),
          (1, 3, 7), (2, 5, 16), (1, 21, 37), (3, 2, 100)]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("logarithm", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_softmax_matches_float64(level, shape, logarithm):
    for spread, scale in ((1, 1.0), (30, .125), (200, 1.0), (3, -1.5)):
        x = (RNG.standard_normal(shape) * spread).astype(np.float32)
        wanted = softmax(x, scale, logarithm)
        y = run(level, x, scale, logarithm)
        what = f"{level} {shape} log={logarithm} spread {spread} scale {scale}"
        # scale*x - m and its product with log2(e) are rounded to half a unit of the last place of their size;
        # exp makes that a relative error
        most = 3e-7 * max(1, abs(x * scale).max())
        np.testing.assert_allclose(y, wanted, rtol=most, atol=most if logarithm else 1e-37, err_msg=what)
        np.testing.assert_array_equal(run(level, x, scale, logarithm, rows=1, threads=1), y, err_msg=what)
        np.testing.assert_array_equal(run(level, x, scale, logarithm, in_place=True), y, err_msg=what)
        np.testing.assert_array_equal(run(level, x, scale, logarithm, columns=5), y, err_msg=what)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("shape", [(1, 40, 1), (1, 40, 3), (1, 40, 20)], ids=str)
def test_infinities_and_nan(level, shape):
    x = RNG.standard_normal(shape).astype(np.float32)
    x[0, 3], x[0, 39] = -np.inf, -np.inf
    y = run(level, x)
    assert (y[0, 3] == 0).all() and (y[0, 39] == 0).all()
    np.testing.assert_allclose(y, softmax(x, 1, False), rtol=1e-6)
    for place in (0, 5, 39):
        for value in (np.nan, np.inf):
            x = RNG.standard_normal(shape).astype(np.float32)
            x[0, place, 0] = value
            np.testing.assert_array_equal(np.isnan(run(level, x)), np.isnan(softmax(x, 1, False)),
                                          err_msg=f"{level} {value} at {place}")
