"""Scales beside a MatMul."""
import numpy as np
import pytest

from cinfer.passes import run
from cinfer.passes.fold_product_scale import fold_product_scale

from handmade import Builder, ops, rewritten, unchanged


def test_before_and_after():
    b = Builder()
    q, k = b.input("q", 2, 3, 4), b.input("k", 2, 4, 5)
    y = b.Div(b.MatMul(b.Mul(q, 0.5), b.Mul(np.float32([[0.25]]), k)), 3.0)
    after = rewritten(b.output(y), fold_product_scale)
    assert ops(after) == ["FusedMatMul"]
    assert after.nodes[0].attributes["alpha"] == pytest.approx(0.5 * 0.25 / 3)


def test_a_scale_made_of_sizes():
    """1 / sqrt(the last axis), which is known though the batch is free."""
    b = Builder()
    q, k = b.input("q", "n", 3, 4), b.input("k", "n", 4, 5)
    size = b.Cast(b.Slice(b.Shape(q), np.int64([-1]), np.int64([1 << 62])), to=1)
    graph = b.output(b.MatMul(b.Mul(q, b.Div(1.0, b.Sqrt(size))), k))
    run(graph)
    assert ops(graph) == ["FusedMatMul"] and graph.nodes[0].attributes["alpha"] == pytest.approx(0.5)


@pytest.mark.parametrize("case", ["another reader", "an output", "no number", "a vector", "0", "rank",
                                  "float64", "the divisor", "a free size"])
def test_stays(case):
    b = Builder()
    dtype = np.float64 if case == "float64" else np.float32
    q, k = b.input("q", "n", 3, 4, dtype=dtype), b.input("k", "n", 4, 5, dtype=dtype)
    number = {"no number": b.input("s", 1), "a vector": np.ones(4, np.float32), "0": np.float32(0),
              "rank": np.ones((1, 1, 1, 1), np.float32), "float64": np.float64(2),
              "a free size": b.Cast(b.Gather(b.Shape(q), np.int64(0)), to=1)}.get(case, np.float32(2))
    q = b.Div(number, q) if case == "the divisor" else b.Div(q, number) if case == "0" else b.Mul(q, number)
    y = b.MatMul(q, k)
    graph = b.output(*{"another reader": [y, b.Relu(q)], "an output": [y, q]}.get(case, [y]))
    fold_product_scale(graph)
    assert "FusedMatMul" not in ops(graph)
