"""Who makes and who reads."""
from cinfer.graphs.index import Index
from cinfer.model.graph import Graph, Node, TensorType


def test_makers_and_readers():
    a = Node("Split", ["x"], ["", "p"])
    b = Node("Add", ["p", "p"], ["y"])
    c = Node("Clip", ["y", "", "p"], ["z"])
    index = Index([a, b, c])
    assert index.makers == {"p": a, "y": b, "z": c}
    assert index.readers == {"x": [a], "p": [b, b, c], "y": [c]} and not index.captured


def test_what_subgraphs_capture_is_read():
    inner = Graph(nodes=[Node("Neg", ["outer"], ["r"]), Node("Add", ["r", "own"], ["s"])],
                  inputs={"own": TensorType()}, outputs={"s": TensorType()})
    other = Graph(outputs={"late": TensorType()})
    node = Node("If", ["cond"], ["y"], {"then_branch": inner, "else_branch": other})
    index = Index([node])
    assert index.readers == {"cond": [node], "outer": [node], "late": [node]}
    assert index.captured == {"outer", "late"}
