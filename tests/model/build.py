"""Small models, made by hand with the onnx package."""
from __future__ import annotations

import numpy as np
from onnx import GraphProto, helper, numpy_helper

node = helper.make_node


def value(name: str, dtype: int = 1, shape=(2, 3)):
    return helper.make_tensor_value_info(name, dtype, shape)


def graph_of(nodes, inputs=("x",), outputs=("y",), constants=()) -> GraphProto:
    """inputs, outputs : names of float tensors, or ValueInfoProtos; constants : (name, values)"""
    infos = [[value(each) if isinstance(each, str) else each for each in side] for side in (inputs, outputs)]
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants]
    return helper.make_graph(nodes, "g", *infos, tensors)


def model_of(graph: GraphProto, opset: int = 17, functions=(), domains=(), ir: int = 8) -> bytes:
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    model = helper.make_model(graph, opset_imports=imports, functions=functions, ir_version=ir)
    return model.SerializeToString()


def function(name: str, nodes, inputs=("a",), outputs=("b",), attributes=(), imports=(("", 17), ("f", 1)),
             defaults=()):
    """A function of domain f."""
    return helper.make_function("f", name, list(inputs), list(outputs), nodes,
                                [helper.make_opsetid(*each) for each in imports], list(attributes),
                                [helper.make_attribute(*each) for each in defaults])
