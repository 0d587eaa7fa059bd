"""Large weights of products with few rows stay narrow."""
import numpy as np
import pytest

from cinfer.passes import run
from cinfer.passes.keep_narrow import keep_narrow

from handmade import Builder, ops, rewritten, unchanged

ml_dtypes = pytest.importorskip("ml_dtypes")
RNG = np.random.default_rng(3)
K, N = 96, 20


@pytest.fixture(autouse=True)
def small_weights_count(monkeypatch):
    for name in ("MANY_HALVES", "MANY_SCALED"):
        monkeypatch.setattr(f"cinfer.ops.matmul_narrow.{name}", K * N)


def integers(dtype, *shape):
    low, high = {"int8": (-128, 128), "uint8": (0, 256), "int4": (-8, 8), "uint4": (0, 16)}[dtype]
    return RNG.integers(low, high, shape).astype(getattr(ml_dtypes, dtype, None) or dtype)


def floats(*shape):
    return RNG.uniform(.01, .1, shape).astype(np.float32)


def weights(b, kind, transposed, runs):
    """A wide (K, N) or (N, K). runs : '' for one scale, 'n', or how many k one is for"""
    shape = (N, K) if transposed else (K, N)
    if kind in ("float16", "bfloat16"):
        return b.Cast(RNG.normal(size=shape).astype(getattr(ml_dtypes, kind, None) or kind), to=1)
    how, of_runs = {}, ()
    if runs == "n":
        how, of_runs = dict(axis=0 if transposed else 1), (N,)
    elif runs:
        how = dict(axis=1 if transposed else 0, block_size=runs)
        of_runs = (N, K // runs) if transposed else (K // runs, N)
    return b.DequantizeLinear(integers(kind, *shape), floats(*of_runs), integers(kind, *of_runs), opset=21, **how)


KINDS = [("float16", ""), ("bfloat16", ""), *[(kind, runs) for kind in ("int8", "uint8", "int4", "uint4")
                                              for runs in ("", "n", 32)]]


@pytest.mark.parametrize("kind, runs", KINDS)
@pytest.mark.parametrize("turned", [False, True])
def test_matmul(kind, runs, turned):
    b = Builder()
    x, w = b.input("x", "batch", 3, K), weights(b, kind, turned, runs)
    graph = b.output(b.MatMul(x, b.Transpose(w, perm=[1, 0]) if turned else w))
    after = rewritten(graph, keep_narrow)
    assert ops(after) == ["NarrowMatMul"]
    assert after.constants[after.nodes[0].inputs[1]].dtype.itemsize <= 2


@pytest.mark.parametrize("kind, runs", KINDS)
@pytest.mark.parametrize("transB", [0, 1])
def test_gemm(kind, runs, transB):
    b = Builder()
    bias = floats(N)
    y = b.Gemm(b.input("x", 2, K), weights(b, kind, transB, runs), bias, transB=transB, alpha=.5, beta=3.0)
    graph = b.output(y)
    assert ops(rewritten(graph, keep_narrow)) == ["NarrowMatMul"]


def test_a_float16_model_keeps_them_as_they_are():
    b = Builder()
    w, bias = RNG.normal(size=(N, K)).astype(np.float16), RNG.normal(size=N).astype(np.float16)
    x = b.input("x", "batch", K, dtype=np.float16)
    graph = b.output(b.Relu(b.Gemm(x, w, bias, transB=1)))
    run(graph)
    assert ops(graph) == ["Cast", "NarrowMatMul", "Relu", "Cast"]
    assert graph.constants[graph.nodes[1].inputs[1]] is w
    assert not any(array.dtype == np.float32 and array.size == w.size for array in graph.constants.values())


@pytest.mark.parametrize("case", ["small", "many rows", "transA", "an output", "another reader", "a bias of rows",
                                  "a scale for each k", "short runs", "odd runs", "a scale that is fed",
                                  "the first input", "float64"])
def test_stays(case, monkeypatch):
    b = Builder(opset=21)
    if case == "small":
        monkeypatch.setattr("cinfer.ops.matmul_narrow.MANY_SCALED", K * N + 1)
    x = b.input("x", 17 if case == "many rows" else K if case == "transA" else 4, 4 if case == "transA" else K)
    how = {"a scale for each k": dict(axis=0), "short runs": dict(axis=0, block_size=16),
           "odd runs": dict(axis=0, block_size=48)}.get(case, dict(axis=1))
    of_runs = {"a scale for each k": (K,), "short runs": (K // 16, N), "odd runs": (2, N)}.get(case, (N,))
    scales = b.input("s", N) if case == "a scale that is fed" else floats(*of_runs)
    w = b.DequantizeLinear(integers("int8", K, N), scales, **how)
    if case == "the first input":
        y = b.MatMul(w, b.input("a", N, 3))
    elif case == "float64":
        y = b.MatMul(b.input("a", 3, K, dtype=np.float64), b.Cast(w, to=11))
    else:
        bias = [floats(4, 1)] if case == "a bias of rows" else []
        y = b.Gemm(x, w, *bias, transA=int(case == "transA"))
    unchanged(b.output(*{"an output": [y, w], "another reader": [y, b.Relu(w)]}.get(case, [y])), keep_narrow)


def test_what_stays_is_widened_once():
    b = Builder(opset=21)
    w = b.DequantizeLinear(integers("int8", K, N), floats(N), axis=1)
    graph = b.output(b.MatMul(b.input("x", 100, K), w))
    run(graph)
    assert ops(graph) == ["MatMul"]
