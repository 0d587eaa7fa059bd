"""Values of attributes: types, references to those of a function's caller, and Constant."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import ModelError
from .graph import Graph, Node, OptionalType, SequenceType, TensorType

# AttributeProto.AttributeType
FLOAT, INT, STRING, TENSOR, GRAPH, FLOATS, INTS, STRINGS, TENSORS, GRAPHS = range(1, 11)
SPARSE_TENSOR, SPARSE_TENSORS, TYPE_PROTO, TYPE_PROTOS = range(11, 15)
NAMES = dict(enumerate(("FLOAT", "INT", "STRING", "TENSOR", "GRAPH", "FLOATS", "INTS", "STRINGS", "TENSORS",
                        "GRAPHS", "SPARSE_TENSOR", "SPARSE_TENSORS", "TYPE_PROTO", "TYPE_PROTOS"), 1))
ELEMENT_OF = {FLOATS: FLOAT, INTS: INT, STRINGS: STRING, TENSORS: TENSOR, GRAPHS: GRAPH,
              SPARSE_TENSORS: SPARSE_TENSOR, TYPE_PROTOS: TYPE_PROTO}
KINDS = {FLOAT: float, INT: int, STRING: (str, bytes), TENSOR: np.ndarray, GRAPH: Graph,
         SPARSE_TENSOR: np.ndarray, TYPE_PROTO: (TensorType, SequenceType, OptionalType)}

# Constant: attribute -> its AttributeType, and the dtype of the tensor that it becomes
CONSTANT_VALUES = {"value": (TENSOR, None), "sparse_value": (SPARSE_TENSOR, None),
                   "value_float": (FLOAT, np.float32), "value_floats": (FLOATS, np.float32),
                   "value_int": (INT, np.int64), "value_ints": (INTS, np.int64),
                   "value_string": (STRING, object), "value_strings": (STRINGS, object)}


class Reference(NamedTuple):
    """In a function, an attribute's value: that of the caller's attribute `name`, of AttributeType `type`."""
    name: str
    type: int


def is_of(value: object, kind: int) -> bool:
    """Is an attribute's value of an AttributeType?"""
    if kind in ELEMENT_OF:
        return isinstance(value, list) and all(isinstance(each, KINDS[ELEMENT_OF[kind]]) for each in value)
    return isinstance(value, KINDS.get(kind, object))


def settle_constant(graph: Graph, node: Node) -> bool:
    """Make a Constant node a constant of its graph; False when its value is an attribute of a function's
    caller. https://onnx.ai/onnx/operators/onnx__Constant.html"""
    if len(node.attributes) != 1 or len(node.outputs) != 1 or not node.outputs[0] or node.inputs:
        raise ModelError(f"{node} has {len(node.inputs)} inputs, {len(node.outputs)} outputs and "
                         f"{len(node.attributes)} attributes; a Constant has one output and one attribute")
    (name, value), = node.attributes.items()
    if isinstance(value, Reference):
        return False
    kind, dtype = CONSTANT_VALUES.get(name, (0, None))
    if not kind or not is_of(value, kind):
        raise ModelError(f"{node}: its attribute {name!r} is no value that a Constant takes")
    if node.outputs[0] in graph.constants:
        raise ModelError(f"constant {node.outputs[0]!r} is defined twice")
    if dtype is not None:
        value = np.array(value, dtype)
        value.flags.writeable = False
    graph.constants[node.outputs[0]] = value
    return True
