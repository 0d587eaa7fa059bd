"""Models whose outputs are given arrays, whatever picture comes in: for decoders."""
import numpy as np
from onnx import helper, numpy_helper
from PIL import Image

import cinfer

PICTURE = Image.fromarray(np.random.default_rng(5).integers(0, 256, (60, 100, 3), np.uint8))


def model(outputs: dict, *, shape=(1, 3, 64, 64), metadata=None, inputs=("x",), declared=None):
    """A session whose outputs are these arrays, whatever comes in. declared : name -> shape that the file says"""
    nodes, constants = [], []
    nodes.append(helper.make_node("ReduceMax", [inputs[0]], ["most"], keepdims=0))
    nodes.append(helper.make_node("Sub", ["most", "most"], ["zero"]))
    infos = []
    for name, value in outputs.items():
        value = np.asarray(value)
        constants.append(numpy_helper.from_array(value, f"{name}_value"))
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        nodes.append(helper.make_node("Cast", ["zero"], [f"{name}_zero"], to=kind))
        if value.dtype == bool:
            nodes.append(helper.make_node("Or", [f"{name}_value", f"{name}_zero"], [name]))
        else:
            nodes.append(helper.make_node("Add", [f"{name}_value", f"{name}_zero"], [name]))
        infos.append(helper.make_tensor_value_info(name, kind, (declared or {}).get(name, value.shape)))
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info(inputs[0], 1, shape)], infos, constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(made, metadata or {})
    return cinfer.load(made.SerializeToString())
