import numpy as np

import cinfer
from cinfer.model.graph import TensorType
from cinfer.passes.expand_composites import expand_composites
from handmade import Builder, ops


def swiglu(*shape, alpha=1.0):
    b = Builder(opset=28)
    return b, b.output(b.SwiGLU(b.input("a", *shape), b.input("b", *shape), alpha=alpha))


def test_nodes_of_others_take_its_place():
    b, graph = swiglu("n", 3)
    assert expand_composites(graph) and ops(graph) == ["Sigmoid", "Mul", "Mul"]


def test_stays_where_ranks_are_not_known():
    b, graph = swiglu("n", 3)
    graph.inputs["a"] = TensorType(np.dtype(np.float32), None)
    assert not expand_composites(graph) and ops(graph) == ["SwiGLU"]


def test_a_wrong_one_stays_and_is_refused_with_its_name():
    import onnx
    from onnx import helper
    graph = helper.make_graph(
        [helper.make_node("SwiGLU", ["a", "b"], ["y"])], "g",
        [helper.make_tensor_value_info("a", 1, [2, 3]), helper.make_tensor_value_info("b", 1, [3, 3])],
        [helper.make_tensor_value_info("y", 1, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 28)], ir_version=11)
    assert isinstance(model, onnx.ModelProto)
    try:
        cinfer.load(model.SerializeToString())
    except cinfer.ModelError as error:
        assert "SwiGLU 'y': A of shape [2, 3], B of [3, 3]" in str(error)
    else:
        raise AssertionError
