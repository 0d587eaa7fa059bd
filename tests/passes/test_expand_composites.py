import numpy as np
import pytest

import cinfer
from cinfer.model.graph import TensorType
from cinfer.passes.expand_composites import expand_composites
from handmade import Builder, ops
from interpreter import evaluate


def swiglu(*shape, alpha=1.0):
    b = Builder(opset=28)
    return b, b.output(b.SwiGLU(b.input("a", *shape), b.input("b", *shape), alpha=alpha))


def test_nodes_of_others_take_its_place():
    b, graph = swiglu("n", 3)
    assert expand_composites(graph) and ops(graph) == ["Sigmoid", "Mul", "Mul"]


@pytest.mark.parametrize("is_known", [True, False], ids=["known", "rank unknown"])
def test_quantisation_of_onnxruntime_becomes_the_standards(is_known):
    b = Builder()
    x = b.input("x", *([2, 5] if is_known else []))
    scales = np.linspace(.01, .02, 5, dtype=np.float32)
    zeros = np.arange(5, dtype=np.int16)
    q = b.QuantizeLinear(x, scales, zeros, axis=1)
    graph = b.output(b.DequantizeLinear(q, scales, zeros, axis=1))
    for node in graph.nodes:
        node.domain, node.opset = "com.microsoft", 1
    feeds = {"x": np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)}
    before, = evaluate(graph, feeds)
    assert expand_composites(graph) and [(node.domain, node.op_type) for node in graph.nodes] == [
        ("", "QuantizeLinear"), ("", "DequantizeLinear")]
    assert np.array_equal(evaluate(graph, feeds)[0], before)


@pytest.mark.parametrize("bits", [4, 8])
def test_networks_with_onnxruntimes_quantisation_are_computed_in_integers(bits):
    """As its quantiser writes them for 4 bits before opset 21."""
    ml_dtypes, helper = pytest.importorskip("ml_dtypes"), pytest.importorskip("onnx.helper")
    from onnx.numpy_helper import from_array
    w = np.random.default_rng(0).integers(-8, 8, (4, 3, 3, 3)).astype(np.int8)
    w, kind = (w.astype(ml_dtypes.int4), 22) if bits == 4 else (w, 3)
    arrays = {"s": np.float32(.05), "z": np.uint8(120), "ws": np.full(4, .1, np.float32)}
    packed = helper.make_tensor("w", kind, w.shape, w.astype(np.int8).reshape(-1))
    rows = [("QuantizeLinear", "x s z", "xq"), ("DequantizeLinear", "xq s z", "xd"), ("DequantizeLinear", "w ws", "wd"),
            ("Conv", "xd wd", "c"), ("QuantizeLinear", "c s z", "cq"), ("DequantizeLinear", "cq s z", "y")]
    graph = helper.make_graph(
        [helper.make_node(op, ins.split(), [out], domain="" if op == "Conv" else "com.microsoft",
                          **({"axis": 0} if out == "wd" else {})) for op, ins, out in rows], "g",
        [helper.make_tensor_value_info("x", 1, [1, 3, 8, 8])], [helper.make_tensor_value_info("y", 1, None)],
        [packed, *(from_array(np.asarray(array), name) for name, array in arrays.items())])
    model = helper.make_model(graph, ir_version=10, opset_imports=[
        helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)])
    found = cinfer.load(model.SerializeToString()).integers()
    assert found == {"on_bytes": {"QLinearConv": 1}, "in_float": []}


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
