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
        assert found.readers == want.readers and found.makers == want.makers
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


def small(seed: int) -> Graph:
    """A random graph of what computes with sizes, some of it wrong for some sizes."""
    draw = random.Random(seed)
    graph = Graph("g", inputs={"x": TensorType(F32, ("n", 4, "h", "w")),
                               "z": TensorType(F32, ("m", 4, "h", 1))})
    pictures, lists, scalars = ["x", "z"], [], []

    def node(op_type, *inputs, **attributes):
        names = []
        for value in inputs:
            if not isinstance(value, str):
                name = f"c{len(graph.constants)}"
                graph.constants[name] = np.asarray(value)
                value = name
            names.append(value)
        out = f"v{len(graph.nodes)}"
        graph.nodes.append(Node(op_type, names, [out], attributes, opset=17))
        return out

    def picture():
        return draw.choice(pictures)
    for _ in range(draw.randrange(4, 16)):
        kind = draw.randrange(12)
        if kind == 0:
            k, s, p = draw.choice((1, 2, 3)), draw.choice((1, 2, 3)), draw.choice((0, 1))
            pictures.append(node("Conv", picture(), np.ones((4, 4, k, k), np.float32), strides=[s, s],
                                 pads=[p] * 4))
        elif kind == 1:
            pictures.append(node("MaxPool", picture(), kernel_shape=[2, 2], strides=[2, 2],
                                 ceil_mode=draw.choice((0, 1))))
        elif kind == 2:
            pictures.append(node(draw.choice(("Add", "Mul")), picture(), picture()))
        elif kind == 3:
            pictures.append(node("Concat", picture(), picture(), axis=draw.choice((0, 2, 3))))
        elif kind == 4:
            pictures.append(node("Slice", picture(), np.int64([draw.choice((0, 1, -3))]),
                                 np.int64([draw.choice((2, -1, 1 << 62))]), np.int64([draw.choice((2, 3))])))
        elif kind == 5:
            pictures.append(node("Resize", picture(), "", np.float32([1, 1, 2, draw.choice((1, 2, 1.5))])))
        elif kind == 6:
            lists.append(node("Shape", picture()))
        elif kind == 7 and lists:
            scalars.append(node("Gather", draw.choice(lists), np.int64(draw.choice((0, 2, 3, -1)))))
        elif kind == 8 and scalars:
            op_type = draw.choice(("Add", "Sub", "Mul", "Div"))
            scalars.append(node(op_type, draw.choice(scalars), np.int64(draw.choice((1, 2, 3)))))
        elif kind == 9 and scalars:
            last = node("Unsqueeze", draw.choice(scalars), np.int64([0]))
            to = node("Concat", np.int64([-1, draw.choice((1, 4))]), last, np.int64([1]), axis=0)
            pictures.append(node("Reshape", picture(), to))
        elif kind == 10 and lists:
            pictures.append(node("Reshape", picture(), draw.choice(lists)))
        elif kind == 11 and lists:
            scale = node("Cast", node("ReduceProd", draw.choice(lists), keepdims=0), to=1)
            pictures.append(node("Mul", picture(), node("Sqrt", scale)))
    graph.outputs = dict.fromkeys([pictures[-1], *scalars[-1:], pictures[len(pictures) // 2]], TensorType())
    return graph


def test_random_small_graphs():
    hits = 0
    for seed in range(150):
        draw = random.Random(seed)

        def inputs():
            h = draw.choice((1, 2, 3, 4, 8, 9, 16, 0))
            return {"x": Fact(F32, (draw.choice((1, 1, 2)), 4, h, draw.choice((1, 4, 5, 16)))),
                    "z": Fact(F32, (draw.choice((1, 2)), 4, draw.choice((h, h, 1)), 1))}
        try:
            hits += both(small(seed), (inputs() for _ in range(24)))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
    assert hits > 500


def test_another_rank_is_another_formula():
    graph = Graph("g", [Node("Relu", ["x"], ["y"], opset=17)], {"x": TensorType(F32)}, {"y": TensorType()})
    for shape in ((2, 3), (4, 5), (6, 7), (1, 2, 3), (2, 2, 2), (3, 3, 3), (0, 3), ()):
        assert bind(graph, {"x": Fact(F32, shape)}, ("y",)).facts["y"] == Fact(F32, shape)


def test_plans_share_nodes_but_not_lists():
    graph = Graph("g", [Node("Relu", ["x"], ["y"], opset=17)], {"x": TensorType(F32, ("n",))},
                  {"y": TensorType()})
    bounds = [bind(graph, {"x": Fact(F32, (n,))}, ("y",)) for n in range(1, 6)]
    assert all(b.nodes[0] is graph.nodes[0] for b in bounds)
    bounds[-1].nodes.clear()
    assert bind(graph, {"x": Fact(F32, (9,))}, ("y",)).nodes == graph.nodes


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
