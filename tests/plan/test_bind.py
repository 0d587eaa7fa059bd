"""Sizes and values that are known before the run."""
import numpy as np

from cinfer.model.graph import Graph, Node, TensorType
from cinfer.ops.facts import Fact
from cinfer.plan.bind import bind

F32 = np.dtype(np.float32)


def test_an_output_that_nobody_wants_is_no_value():
    """The empty name among outputs says nothing of the empty name among inputs."""
    graph = Graph("g", [Node("Split", ["x"], ["", "b"], {"axis": 0}, opset=13),
                        Node("Clip", ["b", "", "most"], ["y"], opset=13)],
                  {"x": TensorType(F32, (4, 3))}, {"y": TensorType()}, {"most": np.float32(1)})
    bound = bind(graph, {"x": Fact(F32, (4, 3))}, ("y",))
    assert bound.facts["y"].shape == (2, 3)
