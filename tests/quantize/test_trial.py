"""Sessions of networks at hand."""
import numpy as np
import pytest
from networks import network, node, pictures, residual, weights
from onnx import TensorProto, helper, numpy_helper

import cinfer
from cinfer.model import read
from cinfer.model.graph import all_graphs
from cinfer.model.writer import encoded
from cinfer.quantize.standard import standard
from cinfer.quantize.trial import Trial


def chosen_by_a_loop() -> bytes:
    """A convolution, and a Loop around nodes that have constants of their own."""
    body = helper.make_graph(
        [node("Identity", ["go"], ["still"]), node("Mul", ["h", "factor"], ["m"]), node("Relu", ["m"], ["out"])],
        "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []),
         helper.make_tensor_value_info("go", TensorProto.BOOL, []),
         helper.make_tensor_value_info("h", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("still", TensorProto.BOOL, []),
         helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.float32(.5), "factor")])
    nodes = [node("Conv", ["x", "w"], ["c"], "conv", pads=[1] * 4), node("Loop", ["count", "", "c"], ["y"], body=body)]
    return network(nodes, w=weights(4, 3, 3, 3), count=np.int64(3))


@pytest.mark.parametrize("content", [residual, chosen_by_a_loop])
def test_a_trial_computes_what_the_written_network_does_and_changes_nothing(content):
    model = standard(read(content()), "m")
    before = encoded(model)
    graphs = [[str(node) for node in each.nodes] for each in all_graphs(model.graph)]
    trial, session = Trial(model, threads=1), cinfer.load(before, threads=1)
    for feeds in pictures(2):
        assert [y.tobytes() for y in trial.run(None, feeds)] == [y.tobytes() for y in session.run(None, feeds)]
        assert trial.run(["c4" if content is residual else "c"], feeds)[0].any()
    assert encoded(model) == before
    assert graphs == [[str(node) for node in each.nodes] for each in all_graphs(model.graph)]
