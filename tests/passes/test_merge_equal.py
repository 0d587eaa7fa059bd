"""merge_equal."""
import sys

import numpy as np
import pytest

from cinfer.model.graph import Graph, Node, TensorType
from cinfer.passes.merge_equal import computes, merge_equal, merge_quantizers
from handmade import Builder, ops, rewritten, unchanged

F = np.float32
EQUAL = {
    "of one input": lambda b, x: b.Add(b.Abs(x), b.Neg(b.Abs(x))),
    "in a row": lambda b, x: b.Add(b.Abs(b.Exp(x)), b.Neg(b.Abs(b.Exp(x)))),
    "attributes": lambda b, x: b.Add(b.Elu(x, alpha=0.5), b.Neg(b.Elu(x, alpha=0.5))),
    "lists": lambda b, x: b.Add(b.Transpose(x, perm=[1, 0]), b.Neg(b.Transpose(x, perm=[1, 0]))),
    "small constants": lambda b, x: b.Add(b.Mul(x, np.ones(4, F)), b.Neg(b.Mul(x, np.ones(4, F)))),
    "several outputs": lambda b, x: b.Add(b.TopK(x, np.array([1]), n=2)[0],
                                          b.Cast(b.TopK(x, np.array([1]), n=2)[1], to=1)),
}


@pytest.mark.parametrize("name", EQUAL)
def test_merges(name):
    b = Builder()
    graph = b.output(EQUAL[name](b, b.input("x", 4, 4)))
    found = ops(rewritten(graph, merge_equal))
    assert len(found) == len(set(found)) < len(graph.nodes)


OTHERS = {
    "inputs": lambda b, x: b.Add(b.Sub(x, F(2)), b.Sub(F(2), x)),
    "constants": lambda b, x: b.Add(b.Mul(x, F(0)), b.Mul(x, F(-0.0))),
    "large constants": lambda b, x: b.Add(b.Add(x, np.ones((9, 4, 4), F)), b.Add(x, np.ones((9, 4, 4), F))),
    "types of constants": lambda b, x: b.Add(b.Reshape(x, np.array([-1])), b.Reshape(x, np.array([-1], np.int32))),
    "attributes": lambda b, x: b.Add(b.Elu(x, alpha=0.5), b.Elu(x, alpha=0.25)),
    "types of attributes": lambda b, x: b.Add(b.Elu(x, alpha=1.0), b.Elu(x, alpha=1)),
    "opsets": lambda b, x: b.Add(b.Softmax(x, axis=1), b.Softmax(x, axis=1, opset=11)),
    "chance": lambda b, x: b.Add(b.RandomNormalLike(x), b.RandomNormalLike(x)),
    "unknown operators": lambda b, x: b.Add(b.Own(x, a=None), b.Own(x, a=None)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_keeps_what_differs(name):
    b = Builder()
    unchanged(b.output(OTHERS[name](b, b.input("x", 4, 4))), merge_equal)


def test_outputs_of_the_graph_and_what_is_captured_keep_their_names():
    b = Builder()
    x = b.input("x", 3)
    unchanged(b.output(b.Abs(x), b.Abs(x)), merge_equal)
    inner = Graph("inner", [Node("Neg", ["v1"], ["z"], opset=17)], {}, {"z": TensorType()})
    b = Builder()
    x = b.input("x", 3)
    y = b.Add(b.Abs(x), b.Abs(x))
    b.graph.nodes.append(Node("If", [b.constant(np.array(True))], ["w"],
                              {"then_branch": inner, "else_branch": inner}, opset=17))
    unchanged(b.output(y, "w"), merge_equal)


def test_quantizers_of_one_scale_are_one_and_nothing_else_is():
    b = Builder()
    y = b.Exp(b.input("x", 4, 4))
    stored = [b.QuantizeLinear(y, F(scale), np.uint8(3)) for scale in (0.1, 0.1, 0.2)]
    graph = b.output(b.Sum(*[b.DequantizeLinear(each, F(0.1), np.uint8(3)) for each in stored],
                           b.Abs(b.Neg(y)), b.Exp(b.Neg(y))))
    found = ops(rewritten(graph, merge_quantizers))
    assert found.count("QuantizeLinear") == 2 and found.count("DequantizeLinear") == 3 and found.count("Neg") == 2


def test_each_node_is_asked_once_what_it_computes(monkeypatch):
    asked = []
    monkeypatch.setattr(sys.modules[computes.__module__], "computes", lambda node: asked.append(node) or computes(node))
    nodes = [Node("Elu", ["x"], [f"y{i}"], {"alpha": i / 64 % 1}, opset=13) for i in range(200)]
    graph = Graph("g", [*nodes, Node("Sum", [node.outputs[0] for node in nodes], ["y"], opset=13)],
                  {"x": TensorType(F, (4,))}, {"y": TensorType(F, (4,))})
    assert ops(rewritten(graph, merge_equal)).count("Elu") == 64
    assert len(asked) == 200
