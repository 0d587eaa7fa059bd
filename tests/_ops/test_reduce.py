"""Reductions against float64, over every choice of axes, at every level."""
from itertools import combinations

import numpy as np
import pytest

import cinfer._ops as ops

LEVELS = ops.usable_levels()
EXECUTOR = ops.executor()
RNG = np.random.default_rng(23)
OPS = [("sum", np.sum), ("mean", np.mean), ("max", np.max), ("min", np.min), ("prod", np.prod),
       ("sumsq", lambda x, axis: np.square(x).sum(axis)), ("abs", lambda x, axis: np.abs(x).sum(axis)),
       ("logsumexp", lambda x, axis: np.log(np.exp(x).sum(axis)))]


def reduce(level, op, x, axes, outer, threads=2):
    t = ops.table(level)
    kept = [a for a in range(x.ndim) if a not in axes]
    # every second float is a guard
    y = np.full([x.shape[a] for a in kept] + [2], -123.25, np.float32)

    def four(values, rest):
        return [rest] * (4 - len(values)) + list(values)
    dims = four([x.shape[a] for a in kept], 1)
    total = int(np.prod(dims[:3]))
    params = t.pack("reduce", x=(0, x.ctypes.data), y=(0, y.ctypes.data), dims=dims, op=op, outer=outer,
                    xs=four([x.strides[a] // 4 for a in kept], 0),
                    ys=four([s // 4 for s in y.strides[:-1]], 0),
                    rdims=four([x.shape[a] for a in axes], 1), rs=four([x.strides[a] // 4 for a in axes], 0))
    EXECUTOR.run_once(t, "reduce", params, -(-total // outer), threads)
    assert (y[..., 1] == np.float32(-123.25)).all()
    return y[..., 0]


SHAPES = [(1,), (17,), (3000,), (5, 7), (40, 33), (3, 200), (200, 3), (2, 5, 70), (2, 3, 4, 20), (3, 1, 2, 5)]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("op", range(8), ids=[name for name, _ in OPS])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_reduce_matches_float64(level, op, shape):
    name, f = OPS[op]
    x = RNG.standard_normal(shape).astype(np.float32)
    if name == "prod":
        x = np.exp(x * np.float32(.01))
    for count in range(1, len(shape) + 1):
        for axes in combinations(range(len(shape)), count):
            for view in (x, x[..., ::-1], np.asfortranarray(x)):
                wanted = f(view.astype(float), axis=axes)
                y = reduce(level, op, view, axes, 1)
                what = f"{level} {name} {shape} over {axes} strides {view.strides}"
                if name in ("max", "min"):
                    np.testing.assert_array_equal(y, wanted.astype(np.float32), err_msg=what)
                elif name == "prod":
                    np.testing.assert_allclose(y, wanted, rtol=1e-5, err_msg=what)
                elif name == "logsumexp":
                    np.testing.assert_allclose(y, wanted, rtol=1e-6, atol=1e-6, err_msg=what)
                else:                           # of sums: of what cancels in them
                    most = 1e-6 * f(np.abs(view.astype(float)), axis=axes) + 1e-7
                    assert (np.abs(y - wanted) <= most).all(), f"{what}: {y - wanted}"
                np.testing.assert_array_equal(reduce(level, op, view, axes, 3, 1), y, err_msg=what)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("op", [2, 3])
def test_maximum_and_minimum_keep_nan(level, op):
    for shape, axes in (((70,), (0,)), ((5, 70), (0,)), ((70, 5), (0,)), ((5, 70), (1,))):
        for place in (0, 33, 69):
            x = RNG.standard_normal(shape).astype(np.float32)
            x[(place,) if len(shape) == 1 else (min(place, shape[0] - 1), min(place, shape[1] - 1))] = np.nan
            np.testing.assert_array_equal(reduce(level, op, x, axes, 1),
                                          (np.max, np.min)[op - 2](x, axis=axes))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("step", [1, -1, 3])
def test_logarithm_of_a_sum_of_exponents_does_not_overflow(level, step):
    """Nor do infinities and NaN mean anything else than in NumPy."""
    inf, nan = np.inf, np.nan
    rows = [[1000, 999, -1000, 0, 3], [-1e4] * 5, [-inf, 2, -inf, 3, 4], [-inf] * 5, [inf, 1, 2, -inf, 0], [inf] * 5,
            [1, nan, 2, 3, 4], [inf, nan, -inf, 0, 0], [3e38, 3e38, 0, 0, -3e38], [0] * 5]
    x = np.repeat(np.array(rows, np.float32), 9, 1)
    for view, axes in (x[:, ::step], (1,)), (np.ascontiguousarray(x.T)[::step], (0,)):
        with np.errstate(all="ignore"):
            wanted = np.logaddexp.reduce(view.astype(float), axis=axes)
        np.testing.assert_allclose(reduce(level, 7, view, axes, 1), wanted, rtol=1e-6)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("shape, axes", [((1_000_000, 1), (0,)), ((100_000, 9), (0,)), ((3, 300_000), (1,))])
def test_long_sums_stay_exact(level, shape, axes):
    x = RNG.uniform(0, 1, shape).astype(np.float32)
    np.testing.assert_allclose(reduce(level, 1, x, axes, 1), x.astype(float).mean(axes), rtol=1e-5)
