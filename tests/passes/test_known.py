"""What passes are told of values, against what a plan for given sizes finds."""
import glob

import numpy as np
import pytest

from cinfer import passes
from cinfer.model import read
from cinfer.model.graph import Graph, Node, TensorType
from cinfer.ops.facts import Fact, Unranked, is_symbolic
from cinfer.ops.symbols import value_at
from cinfer.passes.known import Known, shapes_of_outputs
from cinfer.plan.bind import bind

from conftest import SHARED

MODELS = sorted(glob.glob(str(SHARED / "models/*.onnx")))
F32 = np.dtype(np.float32)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.rsplit("/", 1)[-1])
@pytest.mark.parametrize("rewritten", [False, True])
def test_facts_of_models(path, rewritten):
    graph = read(path).graph
    if rewritten:
        passes.run(graph)
    known, makers = Known(graph), graph.producers()
    facts = {name: known.fact(name, makers) for name in makers}
    height = 48 if "rec" in path else 64
    values = {symbol: {0: 1, 2: height, 3: 160}.get(axis, 3) for (_, axis), symbol in known.free.items()}
    inputs = {name: Fact(kind.dtype, tuple(value_at(d, values) for d in known.fact(name, makers).shape))
              for name, kind in graph.inputs.items()}
    bound = bind(graph, inputs, tuple(makers)).facts
    exact = own = 0
    for name, fact in facts.items():
        want = bound[name]
        assert fact is not None and fact.dtype == want.dtype == known.dtype(name, makers), makers[name]
        assert known.rank(name, makers) in (None, want.ndim)
        if type(fact) is Unranked:
            continue
        try:
            assert tuple(value_at(d, values) for d in fact.shape) == want.shape, makers[name]
            if is_symbolic(fact):
                assert [value_at(v, values) for v in fact.value.flat] == want.value.ravel().tolist()
            exact += 1
        except KeyError:                        # sizes of their own
            assert fact.ndim == want.ndim
            own += 1
    assert exact + own == len(facts) and exact


def test_free_sizes_of_one_name_are_two():
    """The file says that they agree; nobody makes sure."""
    kind = TensorType(F32, ("n", 4))
    graph = Graph("g", [Node("Concat", ["a", "b"], ["y"], {"axis": 1}, opset=13)], {"a": kind, "b": kind},
                  {"y": TensorType()})
    known = Known(graph)
    a, b = (known.fact(name, {}).shape[0] for name in "ab")
    assert a is not b


def test_what_nothing_is_known_of():
    graph = Graph("g", [Node("Own", ["x"], ["y"], domain="own"), Node("Relu", ["y"], ["z"], opset=14),
                        Node("NonZero", ["x"], ["i"], opset=13)],
                  {"x": TensorType(F32, (2, 3))}, {"z": TensorType()})
    known, makers = Known(graph), graph.producers()
    assert known.fact("z", makers) is None and known.dtype("z", makers) is None
    assert known.rank("z", makers) is None and known.fact("outer", makers) is None
    assert known.fact("i", makers).ndim == 2 and known.fact("i", makers).dtype == np.int64
    assert Known(graph, inner=True).fact("x", makers) is None


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.rsplit("/", 1)[-1])
def test_shapes_of_outputs_are_those_of_a_plan(path):
    graph = read(path).graph
    passes.run(graph)
    height = 48 if "rec" in path else 64
    shapes = {name: tuple(size if isinstance(size, int) else {0: 1, 2: height, 3: 160}.get(axis, 3)
                          for axis, size in enumerate(kind.shape)) for name, kind in graph.inputs.items()}
    facts = {name: Fact(graph.inputs[name].dtype, shape) for name, shape in shapes.items()}
    bound = bind(graph, facts, tuple(graph.outputs))
    assert shapes_of_outputs(graph, shapes) == {name: bound.facts[name].shape for name in graph.outputs}


def graph_of(*nodes, constants=None, outputs="y"):
    types = {name: TensorType(F32, None) for name in outputs.split()}
    for node in nodes:
        node.opset = 17
    return Graph("g", list(nodes), {"x": TensorType(F32, (1, "c", "w"))}, types, constants or {})


def test_sizes_that_only_a_run_tells_are_none():
    graph = graph_of(Node("NonZero", ["x"], ["at"]), Node("Gather", ["at", "last"], ["columns"], {"axis": 0}),
                     Node("Gather", ["x", "columns"], ["y"], {"axis": 2}), constants={"last": np.int64(2)})
    assert shapes_of_outputs(graph, {"x": (1, 2, 5)}) == {"y": (1, 2, None)}


def test_inputs_that_a_graph_cannot_take():
    graph = graph_of(Node("Reshape", ["x", "to"], ["flat"]), Node("Relu", ["flat"], ["y"]), Node("Relu", ["x"], ["z"]),
                     constants={"to": np.int64([1, 10])}, outputs="z y")
    assert shapes_of_outputs(graph, {"x": (1, 2, 5)}) == {"y": (1, 10), "z": (1, 2, 5)}
    assert shapes_of_outputs(graph, {"x": (1, 2, 6)}) is None
