import random

import numpy as np
import pytest

from cinfer.errors import ModelError
from cinfer.model import read

from build import graph_of, model_of, node, value


def checked(nodes, **graph):
    return read(model_of(graph_of(nodes, **graph))).graph


def branch(*nodes, output="t"):
    return graph_of(list(nodes), [], [output])


@pytest.mark.parametrize("nodes, graph, says", [
    ([node("Add", ["x", "ghost"], ["y"])], {}, "Add 'y' reads 'ghost', which nothing makes"),
    ([node("Relu", ["x"], ["h"])], {}, "nothing makes the output 'y'"),
    ([node("Relu", ["x"], ["y"]), node("Neg", ["x"], ["y"])], {}, "Neg 'y' makes 'y', which exists already"),
    ([node("Split", ["x"], ["y", "y"])], {}, "exists already"),
    ([node("Relu", ["x"], ["x"])], {"outputs": ["x"]}, "exists already"),
    ([node("Relu", ["w"], ["y"]), node("Neg", ["x"], ["w"])], {"constants": [("w", np.float32(1))]},
     "exists already"),
    ([node("Add", ["x", "y"], ["y"])], {}, "cycle: 'y' -> 'y'"),
    ([node("Add", ["x", "b"], ["a"]), node("Neg", ["a"], ["b"]), node("Neg", ["b"], ["y"])], {},
     "cycle: '[ab]' -> '[ab]'"),
    ([node("Relu", ["x"], ["y"])], {"inputs": ["x", "x"]}, "input 'x' is listed twice"),
    ([node("Relu", ["x"], ["y"])], {"outputs": ["y", "y"]}, "output 'y' is listed twice"),
    ([node("Relu", ["x"], ["y"])], {"outputs": []}, "no outputs"),
    ([node("Relu", ["x"], [""])], {"outputs": [value("")]}, "output.* has no name"),
    ([node("", ["x"], ["y"])], {}, r"node\[0\] has no op_type"),
    ([node("Relu", ["x"], ["y"])], {"constants": [("w", np.float32(1)), ("w", np.float32(2))]},
     "'w' is defined twice"),
    ([node("Add", ["x", "w"], ["y"])], {"constants": [("", np.float32(1))]}, r"initializer\[0\] has no name"),
    ([node("Add", ["x", "w"], ["y"])],
     {"inputs": ["x", value("w", 7, [])], "constants": [("w", np.float32(1))]},
     "input 'w' is declared as int64, its initializer is float32"),
    ([node("If", ["c"], ["y"], then_branch=branch(node("Relu", ["ghost"], ["t"])),
           else_branch=branch(node("Neg", ["x"], ["t"])))],
     {"inputs": ["x", value("c", 9, [])]}, "'ghost', which nothing makes"),
    ([node("If", ["c"], ["y"], then_branch=branch(node("Relu", ["y"], ["t"])),
           else_branch=branch(node("Neg", ["x"], ["t"])))],
     {"inputs": ["x", value("c", 9, [])]}, "cycle: 'y' -> 'y'"),
    ([node("If", ["c"], ["y"], then_branch=branch(node("Relu", ["x"], ["t"]), output="g"),
           else_branch=branch(node("Neg", ["x"], ["t"])))],
     {"inputs": ["x", value("c", 9, [])]}, "nothing makes the output 'g'"),
])
def test_graphs_that_are_none_are_refused_with_the_reason(nodes, graph, says):
    with pytest.raises(ModelError, match=says) as caught:
        checked(nodes, **graph)
    assert str(caught.value).startswith("model: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize("nodes, graph", [
    ([], {"outputs": ["x"]}),
    ([node("Relu", ["x"], ["y"])],
     {"outputs": ["y", "w"], "constants": [("w", np.ones((2, 3), np.float32))]}),
    ([node("Dropout", ["x"], ["y", ""]), node("Dropout", ["x"], ["z", ""])], {}),
    ([node("If", ["c"], ["y"], then_branch=branch(node("Relu", ["x"], ["t"])),
           else_branch=branch(node("Neg", ["x"], ["t"])))],
     {"inputs": ["x", value("c", 9, [])]}),
    ([node("If", ["c"], ["y"], then_branch=branch(output="x"),
           else_branch=branch(node("Neg", ["x"], ["t"])))],
     {"inputs": ["x", value("c", 9, [])]}),
], ids=["no nodes", "output is a constant", "outputs left out", "branches share a name",
        "branch gives an outer value"])
def test_odd_but_valid_graphs_are_read(nodes, graph):
    assert len(checked(nodes, **graph).nodes) == len(nodes)


def test_sorted_nodes_stay_where_they_are():
    names = [f"v{i}" for i in range(50)]
    nodes = [node("Relu", ["x"], [name]) for name in names] + [node("Sum", names, ["y"])]
    assert [each.outputs[0] for each in checked(nodes).nodes] == [*names, "y"]


@pytest.mark.parametrize("seed", range(10))
def test_nodes_out_of_order_are_sorted(seed):
    rng = random.Random(seed)
    nodes = [node("Sum", rng.sample(["x", *(f"v{k}" for k in range(i))], rng.randint(1, i + 1)),
                  [f"v{i}"]) for i in range(60)]
    rng.shuffle(nodes)
    order = checked(nodes, outputs=["v59"]).nodes
    known = {"x"}
    for each in order:
        assert known.issuperset(each.inputs), f"seed {seed}: {each}"
        known.update(each.outputs)
    assert sorted(each.outputs for each in order) == sorted([*each.output] for each in nodes)


def test_sorting_moves_only_what_must_move():
    nodes = [node("Relu", ["x"], ["a"]), node("Add", ["a", "late"], ["b"]), node("Neg", ["a"], ["c"]),
             node("Abs", ["x"], ["late"]), node("Sum", ["b", "c"], ["y"])]
    assert [each.outputs[0] for each in checked(nodes).nodes] == ["a", "c", "late", "b", "y"]


def test_subgraphs_are_sorted_and_count_as_readers():
    late = branch(node("Neg", ["u"], ["t"]), node("Add", ["x", "h"], ["u"]))
    nodes = [node("If", ["c"], ["y"], then_branch=late, else_branch=branch(node("Neg", ["x"], ["t"]))),
             node("Abs", ["x"], ["h"])]
    graph = checked(nodes, inputs=["x", value("c", 9, [])])
    assert [each.op_type for each in graph.nodes] == ["Abs", "If"]
    assert [each.op_type for each in graph.nodes[1].attributes["then_branch"].nodes] == ["Add", "Neg"]


@pytest.mark.parametrize("count", [2, 7, 500])
def test_long_cycles_are_named_in_short(count):
    nodes = [node("Add", ["x", f"v{(i - 1) % count}"], [f"v{i}"]) for i in range(count)]
    random.Random(count).shuffle(nodes)
    with pytest.raises(ModelError, match="cycle: ") as caught:
        checked(nodes, outputs=["v0"])
    assert len(str(caught.value)) < 120


def test_thousands_of_nodes_in_a_row_or_in_reverse():
    nodes = [node("Neg", [f"v{i}"], [f"v{i + 1}"]) for i in range(3000)]
    for each in (nodes, nodes[::-1]):
        graph = checked(each, inputs=["v0"], outputs=["v3000"])
        assert [n.outputs[0] for n in graph.nodes] == [f"v{i + 1}" for i in range(3000)]
