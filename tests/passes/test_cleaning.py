"""remove_identity, remove_dead and fold_constants."""
from importlib import import_module

import numpy as np
import pytest

from cinfer.errors import ModelError
from cinfer.ops.facts import Fact
from cinfer.plan.bind import bind
from cinfer.passes.fold_constants import fold_constants
from cinfer.passes.remove_dead import remove_dead
from cinfer.passes.remove_identity import remove_identity
from cinfer.model.graph import Graph, Node, TensorType
from handmade import Builder, ops, rewritten, unchanged

F = np.float32

HANDED_ON = {
    "identity": lambda b, x: b.Identity(x),
    "two identities": lambda b, x: b.Identity(b.Identity(x)),
    "dropout": lambda b, x: b.Dropout(x, F(0.5)),
    "dropout of opset 7": lambda b, x: b.Dropout(x, opset=7, ratio=0.5),
    "dropout told not to train": lambda b, x: b.Dropout(x, F(0.5), np.array(False)),
    "add 0": lambda b, x: b.Add(F(0), x),
    "subtract 0": lambda b, x: b.Sub(x, F(0)),
    "times 1": lambda b, x: b.Mul(x, np.ones((1, 1), F)),
    "over 1": lambda b, x: b.Div(x, F(1)),
    "concat of one": lambda b, x: b.Concat(x, axis=1),
    "sum of one": lambda b, x: b.Sum(x),
    "pad by nothing": lambda b, x: b.Pad(x, np.zeros(4, np.int64)),
    "pad by nothing, opset 9": lambda b, x: b.Pad(x, opset=9, pads=[0, 0, 0, 0]),
}


@pytest.mark.parametrize("name", HANDED_ON)
def test_removes_what_hands_on_its_input(name):
    b = Builder()
    y = HANDED_ON[name](b, b.Neg(b.input("x", 3, 4)))
    assert ops(rewritten(b.output(y), remove_identity)) == ["Neg"]
    assert ops(rewritten(b.output(b.Abs(y)), remove_identity)) == ["Neg", "Abs"]


KEPT = {
    "subtracted from 0": lambda b, x: b.Sub(F(0), x),
    "1 over x": lambda b, x: b.Div(F(1), x),
    "add 0 of a higher rank": lambda b, x: b.Add(x, np.zeros((1, 1, 1), F)),
    "add zeros that may widen": lambda b, x: b.Add(x, np.zeros(4, F)),
    "times 2": lambda b, x: b.Mul(x, F(2)),
    "dropout in training": lambda b, x: b.Dropout(x, F(0.5), np.array(True)),
    "identity from input to output": lambda b, x: b.Identity("x"),
}


@pytest.mark.parametrize("name", KEPT)
def test_keeps_what_may_change_something(name):
    b = Builder()
    y = KEPT[name](b, b.Neg(b.input("x", 3, 4)))
    unchanged(b.output(y), remove_identity)


REFUSED = {
    "dropout with no ratio in it": (lambda b, x: b.Dropout(x, np.zeros(0, F)), "ratio has shape"),
    "dropout of two ratios": (lambda b, x: b.Dropout(x, np.zeros(2, F)), "ratio has shape"),
    "too many pads": (lambda b, x: b.Pad(x, np.zeros(6, np.int64)), "6 pads for 2 axes"),
    "concat of one along no axis of it": (lambda b, x: b.Concat(x, axis=2), "axis 2 of a tensor of 2 axes"),
    "times 1 of another type": (lambda b, x: b.Mul(x, np.array(1.0)), "they have to be of one type"),
    "add 0 of another type": (lambda b, x: b.Add(x, np.int64(0)), "they have to be of one type"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_keeps_what_its_operator_refuses(name):
    write, words = REFUSED[name]
    b = Builder()
    graph = b.output(write(b, b.Neg(b.input("x", 3, 4))))
    before = ops(graph)
    remove_identity(graph)
    assert ops(graph) == before
    with pytest.raises(ModelError, match=words):
        bind(graph, {"x": Fact(np.dtype(F), (3, 4))}, tuple(graph.outputs))


def test_keeps_dropout_whose_mask_is_read():
    b = Builder()
    y, mask = b.node("Dropout", b.input("x", 3, 4), n=2)
    unchanged(b.output(y, mask), remove_identity)


def test_two_outputs_of_one_value_keep_their_names():
    b = Builder()
    x = b.Neg(b.input("x", 3, 4))
    graph = b.output(x, b.Identity(x), b.Identity(x))
    assert ops(rewritten(graph, remove_identity)) == ["Neg", "Identity", "Identity"]


def test_second_of_two_equal_casts_goes():
    b = Builder()
    y = b.Cast(b.Cast(b.input("x", 3, 4), to=10), to=10)
    assert ops(rewritten(b.output(y), remove_identity)) == ["Cast"]
    b = Builder()
    y = b.Cast(b.Cast(b.input("x", 3, 4), to=10), to=1)
    unchanged(b.output(y), remove_identity)


def test_dead_nodes_and_constants_go():
    b = Builder()
    x = b.input("x", 3, 4)
    b.input("unused", 2)
    b.Add(b.Neg(x), F(5))
    graph = b.output(b.Mul(x, F(2)))
    after = rewritten(graph, remove_dead)
    assert ops(after) == ["Mul"] and len(after.constants) == 1 and "unused" in after.inputs


def test_node_with_one_dead_output_stays():
    b = Builder()
    left, _ = b.node("Split", b.input("x", 4, 4), n=2, axis=0)
    unchanged(b.output(left), remove_dead)


def branch(*nodes, out):
    return Graph("branch", list(nodes), outputs={out: TensorType()})


def test_what_a_subgraph_captures_is_alive():
    b = Builder()
    b.input("go", dtype=np.bool_)
    seen = b.Identity(b.Neg(b.input("x", 3, 4)))
    then, other = (branch(Node(op, [seen], ["y"], opset=17), out="y") for op in ("Abs", "Neg"))
    y = b.If("go", then_branch=then, else_branch=other)
    graph = b.output(y)
    unchanged(graph, remove_dead)
    after = rewritten_if(graph, remove_identity)
    assert seen in after.producers()


def rewritten_if(graph, one_pass):
    one_pass(graph)
    return graph


def test_weights_stored_small_are_expanded():
    b = Builder()
    x = b.input("x", 2, 4)
    scale = np.linspace(0.1, 0.4, 4, dtype=F)
    w8 = b.DequantizeLinear(np.arange(-8, 8, dtype=np.int8).reshape(4, 4), scale, axis=1)
    w16 = b.Cast(np.arange(16, dtype=np.float16).reshape(4, 4), to=1)
    after = rewritten(b.output(b.MatMul(b.MatMul(x, w8), w16)), fold_constants)
    assert ops(after) == ["MatMul", "MatMul"]
    assert after.constants[w8].dtype == after.constants[w16].dtype == F
    np.testing.assert_allclose(after.constants[w8][0], [-0.8, -1.4, -1.8, -2.0], rtol=1e-6)


def test_folds_chains_in_one_go():
    b = Builder()
    shape = b.Concat(b.Unsqueeze(np.int64(2), np.array([0])), np.array([6]), axis=0)
    assert ops(rewritten(b.output(b.Reshape(b.input("x", 3, 4), shape)), fold_constants)) == ["Reshape"]


def test_does_not_fold_what_would_be_large():
    b = Builder()
    big = b.Expand(F(1), np.array([1 << 14, 1 << 14]))             # 1 GB from 20 bytes
    graph = b.output(b.Add(b.input("x", 1), big))
    unchanged(graph, fold_constants)


def test_all_results_together_are_bounded(monkeypatch):
    monkeypatch.setattr(import_module("cinfer.passes.fold_constants"), "TOTAL_BYTES", 1 << 16)
    b = Builder()
    value = b.Expand(F(1), np.array([64, 64]))                      # 16 KB
    for _ in range(10):
        value = b.Concat(value, value, axis=0)                      # doubles: within the bound of each
    graph = b.output(b.Add(b.input("x", 1), value))
    fold_constants(graph)
    assert 0 < sum(c.nbytes for c in graph.constants.values()) <= (1 << 16) + 200
    assert "Concat" in ops(graph)


def test_random_and_unknown_operators_stay():
    b = Builder()
    noise = b.RandomUniformLike(F(0.0))
    odd = b.Nope(F(1.0))
    unchanged(b.output(b.Add(noise, odd)), fold_constants)


def test_an_operator_that_refuses_its_constants_stays():
    b = Builder()
    graph = b.output(b.Reshape(np.zeros(6, F), np.array([5])))
    unchanged(graph, fold_constants)
