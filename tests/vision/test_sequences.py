"""Outputs that are no tensors of numbers: of a model that takes a picture all the same."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import cinfer
from cinfer import vision
from cinfer.errors import InputError
from cinfer.vision.families import OF_TASK

FRAME = np.zeros((40, 50, 3), np.uint8)


def session(*names):
    """Outputs of these names: `rows` of boxes, a `sequence` of two tensors, `words`."""
    constants = [numpy_helper.from_array(np.array([[[8, 8, 40, 40, .9, 1]]], np.float32), "r"),
                 numpy_helper.from_array(np.zeros((1, 4), np.float32), "z"),
                 helper.make_tensor("w", TensorProto.STRING, [1, 2], [b"a", b"b"])]
    makers = {"rows": ("Identity", ["r"]), "sequence": ("SequenceConstruct", ["r", "z"]), "words": ("Identity", ["w"])}
    ports = {"rows": helper.make_tensor_value_info("rows", TensorProto.FLOAT, [1, 1, 6]),
             "sequence": helper.make_tensor_sequence_value_info("sequence", TensorProto.FLOAT, None),
             "words": helper.make_tensor_value_info("words", TensorProto.STRING, [1, 2])}
    picture = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])
    nodes = [helper.make_node(makers[name][0], makers[name][1], [name]) for name in names]
    graph = helper.make_graph(nodes, "g", [picture], [ports[name] for name in names], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    return cinfer.load(made.SerializeToString(), threads=1)


@pytest.mark.parametrize("name, kind", [("sequence", "a sequence"), ("words", "object")])
@pytest.mark.parametrize("task", OF_TASK)
def test_no_task_has_them(name, kind, task):
    right = f"none of the outputs is a tensor of numbers, '{name}' is {kind}; --task raw tells what is known of them"
    with pytest.raises(InputError) as caught:
        vision.read(session(name), FRAME, task=task)
    assert str(caught.value) == right


def test_they_are_told_of():
    answer = vision.read(session("sequence", "words", "rows"), FRAME, task="raw")
    assert [str(row).split("  ")[0] for row in answer.rows] == ["sequence 2", "object 1x2", "float32 1x1x6"]


def test_those_beside_are_decoded():
    mixed = session("sequence", "words", "rows")
    found, alone = (vision.read(each, FRAME, recipe={"family": "yolo"}, task="detection")
                    for each in (mixed, session("rows")))
    assert found.lines() == alone.lines() != ["nothing"]
    with pytest.raises(InputError, match="output.name is 'words'; its outputs of numbers are 'rows'"):
        vision.read(mixed, FRAME, recipe={"family": "yolo", "output.name": "words"}, task="detection")
