"""What a file says of itself, read past nodes and weights."""
from onnx import TensorProto, helper

from cinfer.model.described import Description, denotations, described


def content(**fields) -> bytes:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, None])
    x.type.tensor_type.shape.dim[0].denotation = "DATA_BATCH"
    y = helper.make_value_info("y", helper.make_sequence_type_proto(helper.make_tensor_type_proto(1, [2])))
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["z"])], "g", [x, y],
                              [helper.make_tensor_value_info("z", 1, None)], doc_string="of the graph")
    model = helper.make_model(graph, **fields)
    helper.set_model_props(model, {"a": "b", "ä": ""})
    return model.SerializeToString()


def test_description():
    told = described(content(producer_name="p", domain="d", model_version=-3, doc_string="text"))
    assert told == Description("p", "d", -3, "text", "g", "of the graph", {"a": "b", "ä": ""})
    assert described(content()).version is None


def test_denotations():
    assert denotations(content()) == {"x": ["DATA_BATCH", "", ""], "y": []}
