"""Small models for tests of the command line, written with the onnx package."""

import numpy as np
import onnx
from onnx import TensorProto, helper


def write(path, nodes, inputs, outputs, metadata=None, constants=()):
    """inputs, outputs : name -> (element type, shape); constants : TensorProtos"""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info(name, *declared) for name, declared in inputs.items()],
        [helper.make_tensor_value_info(name, *declared) for name, declared in outputs.items()],
        list(constants),
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="small", ir_version=8
    )
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return str(path)


def classifier(path, metadata=None, shape=(1, 3, 8, 8)):
    """Three logits: the mean of each channel."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["m"]),
        helper.make_node("Flatten", ["m"], ["logits"]),
    ]
    return write(
        path,
        nodes,
        {"x": (TensorProto.FLOAT, shape)},
        {"logits": (TensorProto.FLOAT, (shape[0], 3))},
        metadata,
    )


def halves(path, metadata=None):
    """Two outputs of a picture of any size: x, and its largest value in each channel."""
    nodes = [helper.make_node("Relu", ["x"], ["picture"]), helper.make_node("GlobalMaxPool", ["x"], ["top"])]
    free = (1, 3, "height", "width")
    outputs = {"picture": (TensorProto.FLOAT, free), "top": (TensorProto.FLOAT, (1, 3, 1, 1))}
    return write(path, nodes, {"x": (TensorProto.FLOAT, free)}, outputs, metadata)


def enlarger(path):
    """A picture of twice the size, each pixel four times: an image-to-image model with its recipe."""
    scales = helper.make_tensor("scales", TensorProto.FLOAT, [4], [1, 1, 2, 2])
    node = helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="nearest", nearest_mode="floor",
                            coordinate_transformation_mode="asymmetric")  # fmt: skip
    recipe = {
        "cinfer.recipe": "1",
        "cinfer.task": "image",
        "cinfer.input.std": "255",
        "cinfer.output.std": "255",
    }
    types = {"x": (TensorProto.FLOAT, (1, 3, "h", "w"))}, {"y": (TensorProto.FLOAT, (1, 3, "h2", "w2"))}
    return write(path, [node], *types, recipe, [scales])


def skipping(path):
    """Half the size, twice the size, and the picture itself added: it takes even sizes only."""
    scales = helper.make_tensor("scales", TensorProto.FLOAT, [4], [1, 1, 2, 2])
    nodes = [
        helper.make_node("MaxPool", ["x"], ["small"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Resize", ["small", "", "scales"], ["large"], mode="nearest"),
        helper.make_node("Concat", ["x", "large"], ["y"], axis=1),
    ]
    types = {"x": (TensorProto.FLOAT, (1, 3, "h", "w"))}, {"y": (TensorProto.FLOAT, (1, 6, "h", "w"))}
    return write(path, nodes, *types, None, [scales])


def without_batch(path, shape):
    """The largest value of a picture of rank 3."""
    node = helper.make_node("ReduceMax", ["x"], ["top"], keepdims=0)
    return write(path, [node], {"x": (TensorProto.FLOAT, shape)}, {"top": (TensorProto.FLOAT, ())})


def constants(path, arrays, shape, metadata=None):
    """A model that gives these arrays whatever the picture."""
    nodes = [helper.make_node("ReduceMin", ["x"], ["least"], keepdims=0)]
    nodes += [helper.make_node("Sub", ["least", "least"], ["zero"])]
    nodes += [helper.make_node("Add", [f"{name}_", "zero"], [name]) for name in arrays]
    tensors = [onnx.numpy_helper.from_array(np.float32(each), f"{name}_") for name, each in arrays.items()]
    outputs = {name: (TensorProto.FLOAT, np.shape(each)) for name, each in arrays.items()}
    return write(path, nodes, {"x": (TensorProto.FLOAT, shape)}, outputs, metadata, tensors)
