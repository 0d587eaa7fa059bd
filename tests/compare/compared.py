"""Small models of many kinds, as bytes; the tests here import it."""
from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper

N, FLOAT = helper.make_node, TensorProto.FLOAT


def info(name, code, shape):
    return helper.make_tensor_value_info(name, code, shape)


def model(nodes, inputs=None, outputs=None, opset=17, ir=8, **constants) -> bytes:
    """inputs, outputs : name -> (element type, shape), or a ValueInfoProto; x and y float32 2x4 by default"""
    def infos(given, name):
        given = {name: (FLOAT, [2, 4])} if given is None else given
        return [info(key, *value) if isinstance(value, tuple) else value for key, value in given.items()]
    graph = helper.make_graph(nodes, "g", infos(inputs, "x"), infos(outputs, "y"),
                              [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)
    return made.SerializeToString()


def chain(step=1.0, then=0.0, **more) -> bytes:
    """y = sigmoid(relu(x + step)) * 2 + then; inner values a, b, c, d"""
    nodes = [N("Add", ["x", "step"], ["a"], "first"), N("Relu", ["a"], ["b"]), N("Sigmoid", ["b"], ["c"], "gate"),
             N("Mul", ["c", "two"], ["d"]), N("Add", ["d", "then"], ["y"], "last")]
    return model(nodes, step=np.float32(step), two=np.float32(2), then=np.float32(then), **more)


X = np.random.default_rng(5).normal(size=(2, 4)).astype(np.float32)
