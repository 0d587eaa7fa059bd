"""float64 by kernels: 1e-12, the same bits at any number of threads, at every level."""
import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import cinfer
from cinfer import _ops

from naive_windows import convolve, windows
from onnx_models import Model, by_numpy

LEVELS = _ops.usable_levels()
D = np.float64
L = np.longdouble


@pytest.fixture(autouse=True, scope="module")
def many_tiles():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cinfer.plan.plan.FEW_FLOPS", -1)
        patch.setattr("cinfer.plan.tiles.SMALL_SUMS", 16)
        patch.setattr("cinfer.plan.kernels.matmul.LEAST_ROWS", 2)
        yield


def check(m: Model, y: str, feeds: dict, want, kernels, scale=None) -> None:
    """kernels : that may be in use; scale : of each result, what it may be off by 1e-13 of"""
    kernels = [kernels] if isinstance(kernels, str) else kernels
    data = m.outputs(y, dtype=D).bytes()
    scale = np.abs(want) if scale is None else scale
    for level in LEVELS:
        found = []
        for threads in (1, 3):
            session = cinfer.load(data, threads=threads, isa=level)
            shapes = {name: x.shape for name, x in feeds.items()}
            assert set(session.summary(shapes)["kernels"]) <= {*kernels, "move"}
            got, = session.run(None, feeds)
            assert got.dtype == D and got.shape == want.shape
            with np.errstate(invalid="ignore"):
                wrong = ~((np.abs(got - want) <= 1e-13 * scale) | (got == want) | np.isnan(got) & np.isnan(want))
            assert not wrong.any(), f"{level}: {got[wrong][0]} for {want[wrong][0]}, {wrong.sum()} others"
            found.append(got.tobytes())
        assert found[0] == found[1], f"{level}: the bits depend on the number of threads"


@settings(max_examples=40, deadline=None)
@given(case=windows(most_axes=3), groups=st.sampled_from([1, 1, 2, 3]), ic=st.integers(1, 3), oc=st.integers(1, 9),
       n=st.integers(1, 2), has_bias=st.booleans(), known=st.booleans(), seed=st.integers(0, 99))
def test_convolutions(case, groups, ic, oc, n, has_bias, known, seed):
    sizes, window = case
    rng, m = np.random.default_rng(seed), Model()
    x, w = rng.normal(size=(n, ic * groups, *sizes)), rng.normal(size=(oc * groups, ic, *window.kernel))
    bias = rng.normal(size=oc * groups) if has_bias else np.zeros(oc * groups)
    feeds = {"x": x} if known else {"x": x, "w": w}
    y = m.Conv(m.input("x", *x.shape, dtype=D), w if known else m.input("w", *w.shape, dtype=D),
               *([bias] if has_bias else []), group=groups, **window.attributes)
    along = bias.reshape(-1, *[1] * len(sizes))
    check(m, y, feeds, convolve(x, w, window, groups) + along, "product64",
          convolve(abs(x), abs(w), window, groups) + abs(along))


@pytest.mark.parametrize("m, n, k", [(1, 1, 1), (1, 70, 300), (5, 16, 257), (6, 17, 600), (7, 63, 255), (13, 129, 3),
                                     (64, 64, 256), (1, 10, 5000)])
@pytest.mark.parametrize("turned", range(4))
def test_gemm(m, n, k, turned):
    rng = np.random.default_rng(m + n)
    for c in (None, (), (n,), (m, 1), (m, n)):
        a, b = rng.normal(size=(m, k)), rng.normal(size=(k, n))
        g = Model()
        more = () if c is None else (rng.normal(size=c),)
        fed = a.T.copy() if turned & 1 else a
        y = g.Gemm(g.input("a", *fed.shape, dtype=D), b.T.copy() if turned & 2 else b, *more, alpha=0.5, beta=-2.0,
                   transA=turned & 1, transB=turned >> 1)
        want = 0.5 * (a.astype(L) @ b.astype(L)) - (2 * more[0].astype(L) if more else 0)
        check(g, y, {"a": fed}, want.astype(D), "product64", abs(a) @ abs(b) + 9)


@pytest.mark.parametrize("a, b", [((3, 5), (5, 7)), ((2, 3, 5), (5, 7)), ((2, 3, 4, 5), (2, 3, 5, 6)),
                                  ((2, 1, 40, 30), (3, 30, 20)), ((4, 3), (7, 3, 2)), ((300, 20), (20, 130))])
@pytest.mark.parametrize("turned", [False, True])
def test_matmul(a, b, turned):
    rng, m = np.random.default_rng(0), Model()
    x, w = rng.normal(size=a), rng.normal(size=b)
    perm = [*range(len(b) - 2), len(b) - 1, len(b) - 2]
    fed = w.transpose(perm).copy() if turned else w
    right = m.input("w", *fed.shape, dtype=D)
    y = m.MatMul(m.input("x", *a, dtype=D), m.Transpose(right, perm=perm) if turned else right)
    check(m, y, {"x": x, "w": fed}, (x.astype(L) @ w.astype(L)).astype(D), "product64", abs(x) @ abs(w))


@settings(max_examples=40, deadline=None)
@given(case=windows(ceil_mode=True, most_axes=3), kind=st.sampled_from(["max", "mean", "mean of all"]),
       auto=st.booleans(), seed=st.integers(0, 99))
def test_pools(case, kind, auto, seed):
    sizes, window = case
    m, x = Model(19), np.random.default_rng(seed).normal(size=(2, 3, *sizes))
    if kind == "max":
        x.reshape(-1)[seed % x.size] = np.nan
    how = window.attributes | dict(ceil_mode=window.ceil_mode)
    if auto:
        how |= dict(auto_pad="SAME_UPPER")
        del how["pads"], how["ceil_mode"]
    y = m.node("MaxPool" if kind == "max" else "AveragePool", m.input("x", *x.shape, dtype=D), **how,
               **(dict(count_include_pad=1) if kind == "mean of all" else {}))
    want, = by_numpy(m.outputs(y, dtype=D).bytes(), {"x": x})
    m._outputs.clear()
    apart = auto and any(s > (k - 1) * d + 2 for s, k, d in zip(window.strides, window.kernel, window.dilations))
    check(m, y, {"x": x}, want, "numpy" if apart else "pool64", np.full(want.shape, 4.0))


@pytest.mark.parametrize("shape", [(2, 3, 7), (1, 5, 300, 9), (2, 2, 3, 4, 5)])
@pytest.mark.parametrize("op", ["GlobalAveragePool", "GlobalMaxPool"])
def test_pools_of_all(op, shape):
    m, x = Model(), np.random.default_rng(0).normal(size=shape) + 3
    axes = tuple(range(2, x.ndim))
    want = (np.mean if "Average" in op else np.max)(x.astype(L), axes, keepdims=True).astype(D)
    check(m, m.node(op, m.input("x", *shape, dtype=D)), {"x": x}, want, "pool64")


def softplus(x):
    return np.log1p(np.exp(-abs(x))) + np.maximum(x, 0)


FUNCTIONS = {
    "Relu": (lambda x: np.maximum(x, 0), {}), "Tanh": (np.tanh, {}), "Sigmoid": (lambda x: 1 / (1 + np.exp(-x)), {}),
    "LeakyRelu": (lambda x: np.where(x < 0, x * L(0.25), x), dict(alpha=0.25)), "Exp": (np.exp, {}),
    "Elu": (lambda x: np.where(x < 0, np.expm1(x) / 2, x), dict(alpha=0.5)), "Softplus": (softplus, {}),
    "HardSigmoid": (lambda x: np.clip(x / 4 + L(0.5), 0, 1), dict(alpha=0.25)), "Sqrt": (np.sqrt, {}),
    "Erf": (np.vectorize(lambda x: L(math.erf(x)), otypes=[L]), {}), "Log": (np.log, {}),
    "Gelu": (np.vectorize(lambda x: x / 2 * L(math.erfc(-x * math.sqrt(0.5))), otypes=[L]), {}),
    "Mish": (lambda x: x * np.tanh(softplus(x)), {}), "Celu": (lambda x: np.where(x < 0, np.expm1(x / 2) * 2, x),
                                                               dict(alpha=2.0)),
    "Softsign": (lambda x: x / (1 + abs(x)), {}), "Reciprocal": (lambda x: 1 / x, {}), "Sin": (np.sin, {}),
    "ThresholdedRelu": (lambda x: np.where(x > 0.5, x, 0), dict(alpha=0.5)),
    "HardSwish": (lambda x: x * np.clip(x / L(6) + L(0.5), 0, 1), {}),
}


@pytest.mark.parametrize("op", FUNCTIONS)
@np.errstate(all="ignore")
def test_functions_of_one_number(op):
    function, attributes = FUNCTIONS[op]
    rng, m = np.random.default_rng(0), Model(20)
    x = np.concatenate([rng.normal(size=500), 20 * rng.normal(size=100), [0, 1, -1, 5, 800, np.nan]])
    x = x.reshape(2, 303)
    if op not in ("Gelu", "Mish", "HardSwish"):         # -inf * 0
        x[0, :2] = np.inf, -np.inf
    want = function(x.astype(L)).astype(D)
    check(m, m.node(op, m.input("x", *x.shape, dtype=D), **attributes), {"x": x}, want, "map64",
          np.maximum(np.abs(want), 1e-3 if op in ("Sin", "Gelu") else 0))


@pytest.mark.parametrize("opset, axis", [(11, 1), (13, 1), (13, -1), (13, 0)])
@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
def test_softmax(op, opset, axis):
    m, x = Model(opset), 9 * np.random.default_rng(0).normal(size=(3, 600, 5))
    axes = (1, 2) if opset < 13 else axis
    e = np.exp(x.astype(L) - x.max(axes, keepdims=True))
    want = e / e.sum(axes, keepdims=True)
    check(m, m.node(op, m.input("x", *x.shape, dtype=D), axis=axis), {"x": x},
          (np.log(want) if "Log" in op else want).astype(D), "softmax64",
          np.maximum(-np.log(want), 1).astype(D) if "Log" in op else None)


def test_free_sizes_and_what_is_not_taken():
    m = Model()
    x = m.input("x", 1, 3, 9, 8, dtype=D, declared=("n", 3, "h", "w"))
    y = m.Relu(m.Conv(x, m.weights(5, 3, 3, 3).astype(D), pads=[1] * 4))
    y = m.Softmax(m.Tanh(m.Flatten(m.GlobalAveragePool(y))))
    data = m.outputs(m.Gemm(y, m.weights(4, 5).astype(D), transB=1), dtype=D).bytes()
    session = cinfer.load(data)
    for shape in [(1, 3, 9, 8), (2, 3, 5, 4), (1, 3, 20, 30), (3, 3, 1, 1), (0, 3, 4, 4), (2, 3, 7, 7)]:
        feeds = {"x": np.random.default_rng(0).normal(size=shape)}
        np.testing.assert_allclose(session.run(None, feeds)[0], by_numpy(data, feeds)[0], rtol=1e-12)
    assert "numpy" not in session.summary({"x": (2, 3, 7, 7)})["kernels"]
    m = Model()
    x = m.input("x", 3, dtype=D)
    data = m.outputs(m.MatMul(x, np.ones((3, 2))), m.Einsum(x, equation="i->"), dtype=D).bytes()
    one, two = cinfer.load(data).run(None, {"x": np.arange(3.0)})
    assert one.tolist() == [3, 3] and two == 3
