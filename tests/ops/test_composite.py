"""Operators written as nodes of others: one description is `infer`, `evaluate` and what takes their place."""
import numpy as np
import pytest

from cinfer.model.graph import Node
from cinfer.ops import registry
from cinfer.ops.composite import composite, written
from cinfer.ops.facts import Fact, UnknownValue
from cinfer.ops.symbols import Sizes, Undecided
from one_node import run

X = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)


@pytest.fixture
def twice():
    @composite("Twice", domain="test", since=1)
    def twice(m, x, other=None, *, alpha=2.0, axes: list[int] = None):
        if x.ndim < 2:
            raise ValueError(f"x has {x.ndim} axes; it has to have 2 or more")
        y = alpha * x if other is None else x + other
        return m.Transpose(y, perm=[*range(1, x.ndim), 0]), -m.ReduceSum(x, [0], keepdims=0)
    yield registry.find(Node("Twice", ["x"], ["y"], domain="test"))
    del registry._table["test", "Twice"]


def test_is_described_by_its_signature(twice):
    assert twice.attributes == {"alpha": 2.0, "axes": None} and (twice.min_inputs, twice.max_inputs) == (1, 2)


def test_evaluates_and_infers(twice):
    y, z = run("Twice", X, domain="test", n_outputs=2, alpha=3.0)
    np.testing.assert_array_equal(y, (3 * X).transpose(1, 2, 0))
    np.testing.assert_allclose(z, -X.sum(0), rtol=1e-6)
    np.testing.assert_array_equal(run("Twice", X, X, domain="test"), (X + X).transpose(1, 2, 0))
    with pytest.raises(ValueError, match="x has 1 axes"):
        run("Twice", X[0, 0], domain="test")


def test_is_written_for_sizes_that_are_free(twice):
    n = Sizes().free("n")
    body = written(twice, Node("Twice", ["x"], ["y", "z"], domain="test"), [Fact(X.dtype, (n, 3, 4))],
                   _names())
    assert [node.op_type for node in body.nodes] == ["Mul", "Transpose", "ReduceSum", "Neg"]
    assert body.nodes[1].outputs == ["y"] and body.nodes[3].outputs == ["z"]


def _names():
    count = iter(range(100))
    return lambda hint: f"{hint}.{next(count)}"


def test_an_output_that_is_an_input_is_an_identity():
    @composite("Same", domain="test", since=1)
    def same(m, x):
        y = m.Neg(x)
        return x, y, y
    body = written(registry.find(Node("Same", [], [], domain="test")),
                   Node("Same", ["x"], ["a", "b", "c"], domain="test"), [Fact.of(X)], _names())
    assert [(n.op_type, n.inputs, n.outputs) for n in body.nodes] == [
        ("Neg", ["x"], ["b"]), ("Identity", ["x"], ["a"]), ("Identity", ["b"], ["c"])]
    del registry._table["test", "Same"]


def test_what_is_not_known_is_said():
    @composite("Sized", domain="test", since=1)
    def sized(m, x, size):
        return m.Reshape(x, [x.shape[0] * 3, int(size.known("the size"))])
    operator, node = registry.find(Node("Sized", [], [], domain="test")), Node("Sized", ["x", "n"], ["y"])
    with pytest.raises(UnknownValue, match="the size"):
        written(operator, node, [Fact.of(X), Fact(np.dtype(np.int64), ())], _names())
    with pytest.raises(Undecided):
        written(operator, node, [Fact(X.dtype, (Sizes().free("n"), 3, 4)), Fact.of(np.array(4))], _names())
    del registry._table["test", "Sized"]
