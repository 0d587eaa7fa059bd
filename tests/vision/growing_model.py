"""Models whose outputs are given arrays for one size of the input, and follow the input's size to any other.

Along an axis that follows the size an array is repeated, or cut off: entry i is that of i modulo its length. The graph
computes from the shape of its input how many there are, as exporters write it.
"""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

import cinfer

TYPES = {np.dtype(t): helper.np_dtype_to_tensor_dtype(np.dtype(t)) for t in ("f4", "f2", "u1", "i4", "i8")}


class Graph:
    """Nodes and constants as they come up."""

    def __init__(self, name, axes, only=None, through=()):
        self.nodes, self.constants = [], {}
        if only is not None:            # as a network that flattens its features
            name = self.node("Reshape", name, np.int64(only))
        self.height, self.width = (self.size(name, axes.index(axis)) for axis in "HW")
        if through:
            name = self.node(through[0], name, *through[1:])
        one = self.node("GatherND", name, np.zeros(len(axes), np.int64))
        self.nothing = self.node("Mul", self.node("Cast", one, to=TensorProto.FLOAT), np.float32(0))

    def node(self, kind, *inputs, **attributes) -> str:
        """A node of one output, whose name is returned. inputs : names and arrays"""
        named = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        name = f"node {len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, named, [name], **attributes))
        return name

    def constant(self, array) -> str:
        name = f"constant {len(self.constants)}"
        self.constants[name] = np.asarray(array)
        return name

    def size(self, name, axis) -> str:
        return self.node("Gather", self.node("Shape", name), np.int64(axis), axis=0)

    def part(self, side, times, over) -> str:
        """side * times / over, rounded up"""
        return self.node("Div", self.node("Add", self.node("Mul", side, np.int64(times)), np.int64(over - 1)),
                         np.int64(over))

    def output(self, name, array, axes) -> None:
        """axes : axis -> function of this Graph that gives how many entries there are"""
        last = self.constant(array)
        for axis, count in axes.items():
            entries = self.node("Range", np.int64(0), count(self), np.int64(1))
            last = self.node("Gather", last, self.node("Mod", entries, np.int64(array.shape[axis])), axis=axis)
        last = self.node("Add", last, self.node("Cast", self.nothing, to=TYPES[array.dtype]))
        self.nodes.append(helper.make_node("Identity", [last], [name]))


# ---- how many entries an axis has

def high(times=1, over=1):
    return lambda graph: graph.part(graph.height, times, over)


def wide(times=1, over=1):
    return lambda graph: graph.part(graph.width, times, over)


def cells(*strides, times=1):
    """times * the sum of ceil(height / s) * ceil(width / s)"""
    def count(graph):
        total = np.int64(0)
        for s in strides:
            total = graph.node("Add", graph.node("Mul", graph.part(graph.height, 1, s), graph.part(graph.width, 1, s)),
                               total)
        return graph.node("Mul", total, np.int64(times))
    return count


def found(count):
    """So many, of which only a run tells."""
    def counted(graph):
        some = graph.node("Add", np.ones(count, np.float32), graph.nothing)
        return graph.size(graph.node("NonZero", some), 1)
    return counted


def made(outputs, shape, layout="NCHW", declared=None, only=None, dtype=np.float32, metadata=None, through=()):
    """A session. outputs : name -> (array, axes as Graph.output has them); shape, layout : of the input
    declared : name -> shape that the file says, None for none; only : shape of the input that it takes, and no other
    through : an operator that the picture goes through, with its further inputs"""
    graph = Graph("x", layout[-len(shape):] if len(shape) < 4 else layout, only, through)
    for name, (array, axes) in outputs.items():
        graph.output(name, array, axes)
    ports = [helper.make_tensor_value_info(name, TYPES[array.dtype], (declared or {}).get(name, array.shape))
             for name, (array, _) in outputs.items()]
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in graph.constants.items()]
    constants.append(numpy_helper.from_array(np.ones((2, 2), np.float32), "a weight"))
    graph.nodes.append(helper.make_node("Identity", ["a weight"], ["unused"]))
    picture = helper.make_tensor_value_info("x", TYPES[np.dtype(dtype)], shape)
    model = helper.make_model(helper.make_graph(graph.nodes, "g", [picture], ports, constants), ir_version=9,
                              opset_imports=[helper.make_opsetid("", 17)])
    helper.set_model_props(model, metadata or {})
    return cinfer.load(model.SerializeToString(), threads=1)
