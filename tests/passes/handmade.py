"""Building small graphs by hand, and holding a pass to its promise: the outputs stay what they were."""
from __future__ import annotations

import copy

import numpy as np
import pytest

from cinfer.model import read
from cinfer.model.graph import Graph, Node, TensorType
from cinfer.passes.check import fault

from conftest import shared
from interpreter import evaluate


class Builder:
    """A graph that grows node by node: `y = b.Relu(x)`; arrays and floats among the inputs become
    constants."""

    def __init__(self, opset: int = 17):
        self.graph = Graph("test")
        self.opset = opset

    def input(self, name: str, *shape, dtype=np.float32) -> str:
        self.graph.inputs[name] = TensorType(np.dtype(dtype), shape or None)
        return name

    def constant(self, array) -> str:
        name = f"c{len(self.graph.constants)}"
        self.graph.constants[name] = np.asarray(array, np.float32 if isinstance(array, float) else None)
        return name

    def node(self, op_type: str, *inputs, n: int = 1, opset: int | None = None, **attributes):
        names = [i if isinstance(i, str) else "" if i is None else self.constant(i) for i in inputs]
        outputs = [f"v{len(self.graph.nodes)}" + (f"_{k}" if n > 1 else "") for k in range(n)]
        self.graph.nodes.append(Node(op_type, names, outputs, attributes, opset=opset or self.opset))
        return outputs[0] if n == 1 else outputs

    def __getattr__(self, op_type: str):
        return lambda *inputs, **attributes: self.node(op_type, *inputs, **attributes)

    def output(self, *names: str) -> Graph:
        self.graph.outputs = {name: TensorType() for name in names}
        return self.graph


def ops(graph: Graph) -> list[str]:
    """The operators of a graph in their order."""
    return [node.op_type for node in graph.nodes]


def rewritten(graph: Graph, *passes, seed: int = 0, tolerance: float = 1e-5) -> Graph:
    """A copy of the graph after the passes; the outputs for random inputs must stay within `tolerance` of
    their size; free sizes are 3.

    The default tolerance leaves room for sums of a few dozen float32 in another order.
    """
    after = copy.deepcopy(graph)
    for each in passes:
        each(after)
        assert fault(after) is None, f"{each.__name__}: {fault(after)}"
    assert list(after.outputs) == list(graph.outputs) and list(after.inputs) == list(graph.inputs)
    rng = np.random.default_rng(seed)
    feeds = {name: (3 * rng.normal(size=[d if isinstance(d, int) else 3 for d in t.shape])).astype(t.dtype)
             for name, t in graph.inputs.items()}
    for name, want, got in zip(graph.outputs, evaluate(graph, feeds), evaluate(after, feeds)):
        assert got.dtype == want.dtype and got.shape == want.shape, f"{name}: {got.dtype} {got.shape}"
        scale = max(float(np.abs(want).max(initial=0)), 1e-30)
        error = np.abs(got.astype(np.float64) - want).max(initial=0) / scale
        assert error <= tolerance, f"{name}, seed {seed}: off by {error:.1e} of its size"
    return after


def unchanged(graph: Graph, one_pass) -> None:
    """The pass leaves this graph alone and says so."""
    after = copy.deepcopy(graph)
    assert not one_pass(after)
    assert [(n.op_type, n.inputs, n.outputs, n.opset) for n in after.nodes] == [
        (n.op_type, n.inputs, n.outputs, n.opset) for n in graph.nodes]


def exported(name: str, monkeypatch) -> Graph:
    """The graph of a model of the zoo, made whole; skips the test where there is none."""
    monkeypatch.syspath_prepend(shared("zoo"))
    recipes = pytest.importorskip("recipes")
    model = recipes.fill(recipes.load_skeleton(shared(f"zoo/skeletons/{name}.onnx.gz")))
    return read(model.SerializeToString()).graph
