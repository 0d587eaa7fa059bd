"""If whose condition is known at load."""
import copy

import numpy as np
import pytest

from cinfer.model.graph import Graph, Node, TensorType
from cinfer.passes.inline_branches import inline_branches
from cinfer.passes.pattern import Rewriter
from handmade import Builder, ops, rewritten, unchanged
from interpreter import evaluate

F = np.float32
YES, NO = np.array(True), np.array([False])


def branch(op_type: str, *inputs: str, name: str = "t", constants=None) -> Graph:
    return Graph("branch", [Node(op_type, list(inputs), [name], opset=13)], {}, {name: TensorType()}, constants or {})


def either(b, condition, then=None, other=None, n=1):
    return b.If(condition, then_branch=then or branch("Relu", "x"), else_branch=other or branch("Neg", "x"), n=n)


@pytest.mark.parametrize("condition, want", [(YES, ["Relu", "Abs"]), (NO, ["Neg", "Abs"])])
def test_the_branch_takes_the_place_of_the_if(condition, want):
    b = Builder()
    b.input("x", 3, 4)
    assert ops(rewritten(b.output(b.Abs(either(b, condition))), inline_branches)) == want


def test_a_condition_of_sizes_that_is_the_same_for_all():
    """What exporters write for squeeze: is the axis of size 1?"""
    for channels, want in ((1, "Relu"), (2, "Neg")):
        b = Builder()
        x = b.input("x", "n", channels, 3)
        size = b.Gather(b.Shape(x), np.array(1))
        after = rewritten(b.output(either(b, b.Equal(size, np.array(1)))), inline_branches)
        assert want in ops(after) and "If" not in ops(after)


def test_branches_within_branches():
    inner = Graph("inner", [Node("If", ["no"], ["t"], {"then_branch": branch("Relu", "u"),
                                                       "else_branch": branch("Neg", "u")}, opset=13)],
                  {}, {"t": TensorType()}, {"no": NO})
    inner.nodes.insert(0, Node("Abs", ["x"], ["u"], opset=13))
    b = Builder()
    b.input("x", 3, 4)
    y, z = either(b, YES, inner), either(b, YES, copy.deepcopy(inner))
    after = rewritten(b.output(b.Add(y, z), y), inline_branches)
    assert ops(after).count("Neg") == 2 and "If" not in ops(after) and "Relu" not in ops(after)


def test_many_in_a_chain_are_put_in_at_once(monkeypatch):
    """Each reads what the one before gives, one gives that itself, and names are the same in all."""
    b = Builder()
    y = b.input("x", 3, 4)
    for i in range(20):
        then = branch("Neg", y) if i != 7 else Graph("branch", [], {}, {y: TensorType()}, {})
        y = either(b, YES if i % 3 else NO, then, branch("Exp" if i % 2 else "Tanh", y))
    graph = b.output(b.Abs(y), y)
    x = {"x": np.linspace(-2, 2, 12, dtype=F).reshape(3, 4)}
    want, indexed = evaluate(copy.deepcopy(graph), x), []
    monkeypatch.setattr(Rewriter, "index", lambda self, old=Rewriter.index: indexed.append(self) or old(self))
    after = rewritten(graph, inline_branches)
    assert "If" not in ops(after) and ops(after).count("Identity") <= 1 and len(indexed) <= 4
    for got, expected in zip(evaluate(after, x), want):
        np.testing.assert_array_equal(got, expected)


def test_names_and_constants_of_a_branch_do_not_meet_others():
    """Both branches, and the graph, have w and t."""
    def one(value):
        return branch("Mul", "x", "w", constants={"w": F(value)})
    b = Builder()
    b.input("x", 3, 4)
    b.graph.constants["w"] = F(5)
    b.graph.nodes.append(Node("Add", ["x", "w"], ["t"], opset=13))
    y = b.Add(either(b, YES, one(2), one(3)), either(b, NO, one(2), one(3)))
    after = rewritten(b.output(b.Sub(y, "t"), "t"), inline_branches)
    assert "If" not in ops(after) and sorted(float(c) for c in after.constants.values() if c.dtype == F) == [2, 3, 5]


def test_names_of_a_branch_do_not_hide_what_the_graph_captures():
    """In a graph around this one there is a t of its own."""
    b = Builder()
    b.input("x", 3)
    graph = b.output(b.Add(either(b, YES), "t"))
    x, t = F([-1, 2, 3]), F([10, 20, 30])
    want = evaluate(graph, {"x": x}, {"t": t})
    assert inline_branches(graph)
    np.testing.assert_array_equal(evaluate(graph, {"x": x}, {"t": t}), want)


def test_a_branch_that_gives_what_it_captures_or_a_constant():
    b = Builder()
    b.input("x", 3, 4)
    ends = Graph("ends", [], {}, {"x": TensorType(), "w": TensorType()}, {"w": F([1, 2])})
    y, z = either(b, YES, ends, ends, n=2)
    after = rewritten(b.output(y, z), inline_branches)
    assert ops(after) == ["Identity", "Identity"]


LEFT = {
    "known only in the run": lambda b, x: either(b, b.Cast(b.ReduceMax(x, keepdims=0), to=9)),
    "known when sizes are": lambda b, x: either(b, b.Equal(b.Gather(b.Shape(x), np.array(0)), np.array(1))),
    "no truth value": lambda b, x: either(b, F(1)),
    "two conditions": lambda b, x: either(b, np.array([True, False])),
    "a branch with inputs": lambda b, x: either(
        b, YES, Graph("g", [Node("Neg", ["a"], ["t"], opset=13)], {"a": TensorType()}, {"t": TensorType()})),
    "a branch of too few outputs": lambda b, x: either(b, YES, n=2)[0],
}


@pytest.mark.parametrize("name", LEFT)
def test_leaves_what_is_not_known_or_wrong(name):
    b = Builder()
    unchanged(b.output(LEFT[name](b, b.input("x", "n", 4))), inline_branches)
