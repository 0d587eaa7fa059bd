"""Formulas of sizes: the same facts as node by node, or none."""
import glob
import random

import numpy as np
import pytest

from cinfer import passes
from cinfer.errors import Error
from cinfer.model import read
from cinfer.model.graph import Graph, Node, TensorType
from cinfer.ops.facts import Fact
from cinfer.plan import bind as binding
from cinfer.plan.bind import Prepared, bind

from conftest import SHARED
from free_graphs import sized_graph

F32 = np.dtype(np.float32)
MODELS = sorted(glob.glob(str(SHARED / "models/*.onnx")))


def both(graph: Graph, sizes) -> int:
    """Bind for each of these inputs in both ways, from the third on; how often there were formulas."""
    prepared, outputs, hits = Prepared(graph), tuple(graph.outputs), 0
    for inputs in sizes:
        try:
            want = prepared.by_nodes(inputs, outputs)
        except Error as error:
            want = error
        found = prepared.by_formulas(inputs, outputs)
        if found is None:
            continue
        assert not isinstance(want, Error), f"{inputs}: formulas take what is refused: {want}"
        hits += 1
        assert found.nodes == want.nodes and found.facts.keys() == want.facts.keys()
        assert found.index.readers == want.index.readers and found.index.makers == want.index.makers
        for name, fact in want.facts.items():
            assert found.facts[name] == fact, f"{name}: {found.facts[name]}, node by node {fact}"
            assert fact is None or all(type(d) is int for d in found.facts[name].shape)
    return hits


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.rsplit("/", 1)[-1])
@pytest.mark.parametrize("rewritten", [False, True])
def test_models_with_all_sizes_free(path, rewritten):
    graph = read(path).graph
    if rewritten:
        passes.run(graph)
    declared = dict(graph.inputs)
    for name, kind in declared.items():
        graph.inputs[name] = TensorType(kind.dtype, (None,) * len(kind.shape))

    def inputs(seed: int):
        draw = random.Random(seed)
        free = {0: draw.choice((1, 2, 3)), 2: draw.choice((32, 48, 64, 100)), 3: draw.choice((32, 97, 320))}
        return {name: Fact(kind.dtype, tuple(
            d if isinstance(d, int) and d > 0 and (axis or seed % 2) else free.get(axis, 3)
            for axis, d in enumerate(kind.shape))) for name, kind in declared.items()}
    both(graph, map(inputs, range(8)))


def test_random_small_graphs():
    hits = 0
    for seed in range(150):
        draw = random.Random(seed)

        def inputs():
            h = draw.choice((1, 2, 3, 4, 8, 9, 16, 0))
            return {"x": Fact(F32, (draw.choice((1, 1, 2)), 4, h, draw.choice((1, 4, 5, 16)))),
                    "z": Fact(F32, (draw.choice((1, 2)), 4, draw.choice((h, h, 1)), 1))}
        try:
            hits += both(sized_graph(seed), (inputs() for _ in range(24)))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
    assert hits > 500


def test_sizes_that_numbers_decide_about():
    """What is expanded to a free size, and the question whether there is any element, have formulas."""
    graph = Graph("g", [
        Node("Shape", ["x"], ["s"], opset=18), Node("Expand", ["row", "s"], ["e"], opset=18),
        Node("Concat", ["e", "x"], ["y"], {"axis": 0}, opset=18),
        Node("ReduceProd", ["s"], ["n"], {"keepdims": 0}, opset=18), Node("Equal", ["n", "zero"], ["b"], opset=18)],
        {"x": TensorType(F32, ("n", 4))}, {"y": TensorType(), "b": TensorType()},
        {"row": np.zeros((1, 4), F32), "zero": np.int64(0)})
    assert both(graph, ({"x": Fact(F32, (n, 4))} for n in (2, 3, 4, 1, 9))) >= 3


def test_another_rank_is_another_formula():
    graph = Graph("g", [Node("Relu", ["x"], ["y"], opset=17)], {"x": TensorType(F32)}, {"y": TensorType()})
    for shape in ((2, 3), (4, 5), (6, 7), (1, 2, 3), (2, 2, 2), (3, 3, 3), (0, 3), ()):
        assert bind(graph, {"x": Fact(F32, shape)}, ("y",)).facts["y"] == Fact(F32, shape)


def test_a_fault_inside_is_seen(monkeypatch):
    """What is no refusal of sizes is no reason to go on node by node."""
    graph = Graph("g", [Node("Relu", ["x"], ["y"], opset=17)], {"x": TensorType(F32, ("n",))},
                  {"y": TensorType()})
    for n in (1, 2):
        bind(graph, {"x": Fact(F32, (n,))}, ("y",))

    def broken(*_):
        raise KeyError("a fault")
    monkeypatch.setattr(binding.Formulas, "facts", broken)
    with pytest.raises(KeyError):
        bind(graph, {"x": Fact(F32, (3,))}, ("y",))
