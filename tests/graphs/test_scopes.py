"""Names of values in graphs within graphs."""
import numpy as np
import pytest

import cinfer
from cinfer.graphs.scopes import fresh, made, rename, separate
from cinfer.model.graph import Graph, Node, TensorType
from interpreter import evaluate
from onnx_models import Model


def branch(*nodes: Node, output: str, constants=None) -> Graph:
    return Graph("branch", list(nodes), {}, {output: TensorType()}, constants or {})


def names(graph: Graph) -> list[str]:
    """All that a graph and those in it make."""
    found = made(graph)
    for node in graph.nodes:
        for value in node.attributes.values():
            if isinstance(value, Graph):
                found += names(value)
    return found


def test_branches_that_use_the_same_names_get_others():
    """t is in both branches, in a graph within one, and outside, behind the If; x is captured, w a constant of each."""
    inner = branch(Node("Neg", ["t"], ["u"], opset=13), output="u")
    then = branch(Node("Add", ["x", "w"], ["t"], opset=13),
                  Node("If", ["c"], ["r"], {"then_branch": inner, "else_branch": branch(output="t")}, opset=13),
                  output="r", constants={"w": np.float32(1)})
    other = branch(Node("Mul", ["x", "w"], ["t"], opset=13), output="t", constants={"w": np.float32(10)})
    graph = Graph("g", [Node("If", ["c"], ["y"], {"then_branch": then, "else_branch": other}, opset=13),
                        Node("Abs", ["y"], ["t"], opset=13)],
                  {"x": TensorType(), "c": TensorType()}, {"y": TensorType(), "t": TensorType()})
    feeds = [{"x": np.float32([-3, 4]), "c": np.array(c)} for c in (True, False)]
    before = [evaluate(graph, each) for each in feeds]
    separate(graph)
    found = names(graph)
    assert len(set(found)) == len(found)
    assert list(graph.outputs) == ["y", "t"] and graph.nodes[0].inputs == ["c"] and graph.nodes[1].outputs == ["t"]
    assert set(then.captures()) == {"x", "c"} and other.captures() == ["x"]
    for each, want in zip(feeds, before):
        np.testing.assert_array_equal(evaluate(graph, each), want)
    again = names(graph)
    separate(graph)
    assert names(graph) == again


def test_inputs_of_a_body_and_outputs_that_are_captured():
    body = Graph("body", [Node("Add", ["a", "x"], ["b", ""], opset=13)], {"a": TensorType(), "x": TensorType()},
                 {"b": TensorType(), "outer": TensorType()})
    rename(body, {"outer": "outer/2"}, {"a", "b", "x"})
    assert list(body.inputs) == ["a/2", "x/2"] and list(body.outputs) == ["b/2", "outer/2"]
    assert body.nodes[0].inputs == ["a/2", "x/2"] and body.nodes[0].outputs == ["b/2", ""]


def test_a_fresh_name_is_one_that_nobody_has():
    taken = {"x", "x/2"}
    assert [fresh("x", taken), fresh("x", taken), fresh("y", taken)] == ["x/3", "x/4", "y"]
    assert taken == {"x", "x/2", "x/3", "x/4", "y"}


def test_a_first_output_that_nobody_asks_for_gets_a_name():
    inner = branch(Node("TopK", ["x", "k"], ["", "i"], opset=13), output="i")
    graph = Graph("g", [Node("TopK", ["x", "k"], ["", "TopK/unused"], opset=13),
                        Node("If", ["c"], ["y"], {"then_branch": inner, "else_branch": branch(output="k")}, opset=13)],
                  {name: TensorType() for name in "xkc"}, {"y": TensorType()})
    separate(graph)
    assert all(graph.nodes[0].outputs) and all(inner.nodes[0].outputs)
    assert len(set(names(graph))) == len(names(graph))


I64, U8, F32 = np.int64, np.uint8, np.float32


@pytest.mark.parametrize("op_type, shape, types, attributes", [
    ("MaxPool", (1, 2, 4, 5), (F32, I64), {"kernel_shape": [2, 2]}), ("TopK", (2, 7), (F32, I64), {}),
    ("MaxPool", (1, 2, 4), (F32, I64), {"kernel_shape": [2]}), ("Split", (4, 6), (F32, F32), {"num_outputs": 2}),
    ("DynamicQuantizeLinear", (3, 4), (U8, F32, U8), {}), ("LayerNormalization", (3, 8), (F32, F32, F32), {}),
    ("Dropout", (3, 4), (F32, bool), {}), ("Unique", (9,), (F32, I64, I64, I64), {})])
def test_later_outputs_are_the_same_without_the_first(op_type, shape, types, attributes):
    more = {"TopK": np.array([3]), "LayerNormalization": np.ones(8, F32)}
    x = np.random.default_rng(1).standard_normal(shape).astype(F32)
    answers = []
    for first in (True, False):
        m = Model(opset=18)
        names = m.node(op_type, m.input("x", *shape), *([more[op_type]] if op_type in more else []), n=len(types),
                       **attributes)
        for name, dtype in list(zip(names, types))[1:]:
            m.outputs(name, dtype=dtype)
        if not first:
            m._nodes[-1].output[0] = ""
        session = cinfer.load(m.bytes())
        answers.append(session.run(None, {"x": x}))
        session.profile({"x": x}, runs=1)
    for a, b in zip(*answers):
        assert a.dtype == b.dtype and np.array_equal(a, b)


def test_thousands_of_values_by_one_name_are_not_counted_from_the_first_on():
    class Asked(set):
        times = 0

        def __contains__(self, name):
            self.times += 1
            return super().__contains__(name)
    taken, last = Asked({"x", "x/3"}), {}
    assert [fresh("x", taken, last) for _ in range(500)] == ["x/2", *[f"x/{i}" for i in range(4, 503)]]
    assert taken.times < 2000
    assert fresh("x/2", taken, last) == "x/2/2" and fresh("y", taken, last) == "y"
