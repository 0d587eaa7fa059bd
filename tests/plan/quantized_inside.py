"""Random quantised graphs, a part of which stands inside an If, a Loop or a Scan: the same network."""
from __future__ import annotations

from random import Random

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from quantized_graph import MICROSOFT, Graph

WAYS = ("If", "Loop", "Scan")
INTEGERS = ("uint8", "int8", "uint16", "int16")


def parts(g: Graph) -> list[tuple[int, int]]:
    """Where parts begin and end that take integers, what DequantizeLinear makes of them, and constants, and give
    integers: what is joined in the whole graph can be joined in such a part, and around it."""
    whole = {name for name, array in g.values.items() if array.dtype.name in INTEGERS}
    open_ = whole | {node.output[0] for node in g.nodes if node.op_type == "DequantizeLinear"}
    return [(i, j) for i in range(len(g.nodes)) for j in range(i + 1, len(g.nodes) + 1)
            if given(g, i, j) and whole.issuperset(given(g, i, j)) and open_.issuperset(taken(g, i, j))]


def given(g: Graph, i: int, j: int) -> list[str]:
    """What others read of a part."""
    made = [name for node in g.nodes[i:j] for name in node.output if name]
    read = {name for node in g.nodes[j:] for name in node.input} | {*g.outputs}
    return [name for name in made if name in read]


def taken(g: Graph, i: int, j: int) -> list[str]:
    """What a part reads of others but constants."""
    made = {name for node in g.nodes[i:j] for name in node.output}
    names = dict.fromkeys(name for node in g.nodes[i:j] for name in node.input if name)
    return [name for name in names if name not in made and name not in g.constants]


class Inside:
    """A model in which a part of a graph stands inside another.

    way : the operator it stands in; a Loop makes one turn, a Scan has one slice, and takes an integer at least
    feeds : beside those of the graph
    """

    def __init__(self, g: Graph, i: int, j: int, way: str, rng: Random):
        self.g, self.part, self.rng = g, g.nodes[i:j], rng
        self.gives, self.takes = given(g, i, j), taken(g, i, j)
        self.inputs, self.feeds = [], {}
        self.constants = dict(g.constants)
        self.nodes = [*g.nodes[:i], *{"If": self.branch, "Loop": self.loop, "Scan": self.scan}[way](), *g.nodes[j:]]

    def integers(self) -> list[str]:
        """Of what the part takes; floats that are handed on are no longer what DequantizeLinear gives."""
        return [name for name in self.takes if self.g.values[name].dtype.name in INTEGERS]

    def info(self, name: str, like: str):
        array = self.g.values[like]
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype),
                                             None if self.rng.random() < .5 else [None] * array.ndim)

    def graph(self, prefix: str, inputs=(), outputs=(), renamed=None, more=()):
        """The part as a graph, whose values get other names; some constants are its own."""
        names = dict(renamed or {})
        names.update((name, prefix + name) for node in self.part for name in node.output if name)
        read = dict.fromkeys(name for node in self.part for name in node.input if name in self.constants)
        own = {name: prefix + name for name in read if self.rng.random() < .5}
        names.update(own)
        nodes = []
        for node in self.part:
            copy = NodeProto()
            copy.CopyFrom(node)
            copy.input[:] = [names.get(name, name) for name in node.input]
            copy.output[:] = [names.get(name, name) for name in node.output]
            nodes.append(copy)
        outputs = [*outputs, *(self.info(prefix + name, name) for name in self.gives)]
        return helper.make_graph([*nodes, *more], prefix, list(inputs), outputs,
                                 [numpy_helper.from_array(self.constants[name], inner) for name, inner in own.items()])

    def branch(self):
        self.feeds["go"] = np.array(self.rng.random() < .5)
        self.inputs.append(helper.make_tensor_value_info("go", TensorProto.BOOL, []))
        return [helper.make_node("If", ["go"], self.gives, then_branch=self.graph("then/"),
                                 else_branch=self.graph("else/"))]

    def loop(self):
        """What the part takes is captured, or handed from turn to turn."""
        self.constants |= {"loop/turns": np.array(1), "loop/go": np.array(True)}
        states = [name for name in self.integers() if self.rng.random() < .5]
        inner = [f"loop/{name}" for name in states]
        inputs = [helper.make_tensor_value_info("loop/turn", TensorProto.INT64, []),
                  helper.make_tensor_value_info("loop/going", TensorProto.BOOL, []),
                  *map(self.info, inner, states)]
        ends = [f"{name}/end" for name in inner]
        more = [helper.make_node("Identity", ["loop/going"], ["loop/goes"]),
                *(helper.make_node("Identity", [name], [end]) for name, end in zip(inner, ends))]
        body = self.graph("loop/", inputs, [helper.make_tensor_value_info("loop/goes", TensorProto.BOOL, []),
                                            *map(self.info, ends, states)], dict(zip(states, inner)), more)
        return [helper.make_node("Loop", ["loop/turns", "loop/go", *states],
                                 [*(f"{name}/behind" for name in states), *(f"{name}/turns" for name in self.gives)],
                                 body=body), *self.alone("turns")]

    def scan(self):
        """What the part takes is captured, or a slice."""
        slices = [name for name in self.integers() if self.rng.random() < .5] or self.integers()[:1]
        inner = [f"scan/{name}" for name in slices]
        self.constants["scan/axes"] = np.array([0])
        more = [helper.make_node("Unsqueeze", [name, "scan/axes"], [f"{name}/slices"]) for name in slices]
        body = self.graph("scan/", map(self.info, inner, slices), (), dict(zip(slices, inner)))
        return [*more, helper.make_node("Scan", [f"{name}/slices" for name in slices],
                                        [f"{name}/turns" for name in self.gives], body=body,
                                        num_scan_inputs=len(slices)), *self.alone("turns")]

    def alone(self, what: str) -> list[NodeProto]:
        self.constants["inside/axes"] = np.array([0])
        return [helper.make_node("Squeeze", [f"{name}/{what}", "inside/axes"], [name]) for name in self.gives]

    def bytes(self) -> bytes:
        g = self.g
        inputs = [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(g.values[name].dtype),
                                                shape if g.free else g.values[name].shape)
                  for name, (shape, _) in g.inputs.items()]
        outputs = [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(g.values[name].dtype), None)
                   for name in g.outputs]
        graph = helper.make_graph(self.nodes, "g", [*inputs, *self.inputs], outputs,
                                  [numpy_helper.from_array(array, name) for name, array in self.constants.items()])
        opsets = [helper.make_opsetid("", g.opset), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, ir_version=10, opset_imports=opsets).SerializeToString()
