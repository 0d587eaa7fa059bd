"""The elementary functions, through the kernels that apply them: errors, limits, NaN."""
import math

import numpy as np
import pytest

import cinfer._ops as ops
from blocked import aligned

LEVELS = ops.usable_levels()
EXECUTOR = ops.executor()
INF, NAN = np.inf, np.nan


def unary(level, name, x, alpha=0.0, beta=0.0):
    t = ops.table(level)
    x = np.ascontiguousarray(x, np.float32)
    y = aligned(x.size + 1)
    y[-1] = 77
    one = (0,) * 5 + (1,)
    params = t.pack("map", x=(0, x.ctypes.data), y=(0, y.ctypes.data), dims=(1, 1, 1, 1, 1, x.size), xs=one,
                    ys=one, op=t.unary[name], alpha=alpha, beta=beta, outer=1)
    EXECUTOR.run_once(t, "map", params, 1)
    assert y[-1] == 77
    return y[:-1]


def power(level, x, y):
    t = ops.table(level)
    x, y = (np.ascontiguousarray(v, np.float32) for v in np.broadcast_arrays(x, y))
    z = aligned(x.size)
    one = (0,) * 5 + (1,)
    params = t.pack("zip", a=(0, x.ctypes.data), b=(0, y.ctypes.data), y=(0, z.ctypes.data), outer=1,
                    dims=(1, 1, 1, 1, 1, x.size), bs=one, ys=one, op=t.binary["pow"], as_=one)
    EXECUTOR.run_once(t, "zip", params, 1)
    return z


def ulps(y, wanted):
    """Largest distance in units of the last place of the wanted value; subnormal ones are left out."""
    wanted = np.asarray(wanted, float)
    y = np.asarray(y, float)
    keep = np.abs(wanted) >= 2.0 ** -126
    unit = 2.0 ** (np.floor(np.log2(np.abs(wanted[keep]))) - 23)
    return (np.abs(y - wanted)[keep] / unit).max()


def values(lo, hi, n=100_003):
    rng = np.random.default_rng(3)
    x = np.concatenate([np.linspace(lo, hi, n), rng.uniform(lo, hi, n),
                        rng.standard_normal(n)]).astype(np.float32)
    return x[(x >= lo) & (x <= hi)]


def each(f):
    return lambda x: np.array([f(v) for v in x.tolist()])


def expm1_neg(x):
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


# name, range, function in float64, largest error in ulps with FMA; without it twice as much is allowed
ACCURACY = [
    ("exp", -87, 88.7, np.exp, 1.1),
    ("log", 1e-30, 1e30, np.log, 1),
    ("log", 1e-3, 2, np.log, 1),
    ("tanh", -10, 10, np.tanh, 2),
    ("sigmoid", -1, 80, lambda x: 1 / (1 + np.exp(-x)), 3),
    ("erf", -5, 5, each(math.erf), 1.5),
    ("sin", -100, 100, np.sin, 1.5),
    ("cos", -100, 100, np.cos, 1.5),
    ("softplus", -80, 80, lambda x: np.log1p(np.exp(-abs(x))) + np.maximum(x, 0), 2.5),
    ("mish", -30, 30, lambda x: x * np.tanh(np.log1p(np.exp(x))), 4),
    ("elu", -30, 30, expm1_neg, 2),
    ("sqrt", 0, 1e4, np.sqrt, .51),
    ("reciprocal", .01, 9, lambda x: 1 / x, .51),
    ("swish", -1, 80, lambda x: x / (1 + np.exp(-x)), 3)]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name, lo, hi, f, most", ACCURACY, ids=lambda v: v if isinstance(v, str) else "")
def test_error_in_ulps(level, name, lo, hi, f, most):
    x = values(lo, hi)
    wanted = f(x.astype(float))
    error = ulps(unary(level, name, x, 1.0), wanted)
    assert error <= (2 * most if level == "baseline" else most), f"{name} {level}: {error:.2f} ulp"


@pytest.mark.parametrize("level", LEVELS)
def test_the_small_end_of_the_logistic_function(level):
    """The rounding of x shows in e^x: more ulps of an ever smaller number."""
    x = values(-85, -1)
    wanted = 1 / (1 + np.exp(-x.astype(float)))
    allowed = (3.5 + 1.4 * np.abs(x)) * 2.0 ** -24
    assert (np.abs(unary(level, "sigmoid", x) - wanted) <= allowed * wanted).all()
    assert (np.abs(unary(level, "swish", x, 1.0) - x * wanted) <= allowed * np.abs(x * wanted)).all()


@pytest.mark.parametrize("level", LEVELS)
def test_sin_and_cos_of_large_arguments(level):
    x = np.concatenate([np.linspace(8000, 9000, 999), 10.0 ** np.arange(4, 16)]).astype(np.float32)
    x = np.concatenate([x, -x])
    for name, f in (("sin", np.sin), ("cos", np.cos)):
        y = unary(level, name, x)
        np.testing.assert_allclose(y, f(x.astype(float)), rtol=2e-7, atol=1e-7, err_msg=f"{name} {level}")
    far = np.array([1e22, 2.0 ** 120, 3e38], np.float32)
    exact = [math.sin(v) for v in far.tolist()]                 # the C library reduces exactly
    np.testing.assert_allclose(unary(level, "sin", far), exact, rtol=2e-7)


LIMITS = [
    ("exp", [-INF, -200, 0, 89, INF, NAN], [0, 0, 1, INF, INF, NAN]),
    ("log", [0, -1, 1, INF, -INF, NAN], [-INF, NAN, 0, INF, NAN, NAN]),
    ("tanh", [-INF, -20, 0, 20, INF, NAN], [-1, -1, 0, 1, 1, NAN]),
    ("erf", [-INF, -9, 0, 9, INF, NAN], [-1, -1, 0, 1, 1, NAN]),
    ("sigmoid", [-INF, -200, 0, 200, INF, NAN], [0, 0, .5, 1, 1, NAN]),
    ("sin", [INF, -INF, NAN, 0], [NAN, NAN, NAN, 0]),
    ("cos", [INF, -INF, NAN, 0], [NAN, NAN, NAN, 1]),
    ("softplus", [-INF, 0, 200, INF, NAN], [0, math.log(2), 200, INF, NAN]),
    ("floor", [-1.5, -1, -.2, .7, 8388609, -3e9, INF, NAN], [-2, -1, -1, 0, 8388609, -3e9, INF, NAN]),
    ("ceil", [-1.5, -1, -.2, .7, 8388609, -3e9, INF, NAN], [-1, -1, -0., 1, 8388609, -3e9, INF, NAN]),
    ("round", [-1.5, -2.5, .5, 1.5, 2.5, .4999999, 8388607.5, 3e9, -INF, NAN],
     [-2, -2, 0, 2, 2, 0, 8388608, 3e9, -INF, NAN]),
    ("sign", [-2, 0, 3, -INF, INF, NAN], [-1, 0, 1, -1, 1, NAN]),
    ("sqrt", [0, 4, -1, INF, NAN], [0, 2, NAN, INF, NAN]),
    ("reciprocal", [2, 0, INF, NAN], [.5, INF, 0, NAN]),
    ("abs", [-2, 0, -INF, NAN], [2, 0, INF, NAN]),
    ("neg", [-2, INF, NAN], [2, -INF, NAN]),
    ("mish", [0, 50, INF, NAN], [0, 50, INF, NAN]),
    ("softsign", [0, 1, -3, NAN], [0, .5, -.75, NAN])]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name, x, wanted", LIMITS, ids=lambda v: v if isinstance(v, str) else "")
def test_limits(level, name, x, wanted):
    np.testing.assert_array_equal(unary(level, name, x), np.float32(wanted), err_msg=f"{name} {level}")


@pytest.mark.parametrize("level", LEVELS)
def test_pow(level):
    rng = np.random.default_rng(5)
    x = np.exp(rng.uniform(-20, 20, 100_001)).astype(np.float32)
    y = rng.uniform(-5, 5, 100_001).astype(np.float32)
    wanted = np.exp(y.astype(float) * np.log(x.astype(float)))
    keep = (wanted < 3e38) & (wanted > 2e-38)
    assert ulps(power(level, x, y)[keep], wanted[keep]) <= .6
    special = np.array([0, -0., 1, -1, 2, -2, .5, -.5, INF, -INF, NAN, 3, -3, 1e30], np.float32)
    x, y = (v.reshape(-1) for v in np.meshgrid(special, special))
    with np.errstate(all="ignore"):
        wanted = np.power(x, y)
    got = power(level, x, y)
    with np.errstate(invalid="ignore"):
        close = np.abs(got - wanted) < 1e-6 * np.abs(wanted)
    wrong = ~((got == wanted) & (np.signbit(got) == np.signbit(wanted)) | np.isnan(got) & np.isnan(wanted)
              | close)
    assert not wrong.any(), f"{level}: pow{list(zip(x[wrong], y[wrong]))} = {got[wrong]}, not {wanted[wrong]}"
