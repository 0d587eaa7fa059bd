"""Names of values in graphs within graphs."""
import numpy as np

from cinfer.graphs.scopes import fresh, made, rename, separate
from cinfer.model.graph import Graph, Node, TensorType
from interpreter import evaluate


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
