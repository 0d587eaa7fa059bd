"""Nodes of older opsets in the words of a newer one: a file has one opset for all its nodes, and scales per channel
need opset 13. https://onnx.ai/onnx/repo-docs/Versioning.html"""
from __future__ import annotations

import numpy as np

from ..errors import Error, UnsupportedError
from ..model.graph import Graph, Node, all_graphs
from ..ops import registry
from ..passes.pattern import Rewriter

OLDEST = 7                              # before it, broadcasting was spelled otherwise
LEAST = 13                              # of DequantizeLinear per channel
FLOAT32_MOST = 3.4e38                   # what old Clips call no limit


def raise_opset(graph: Graph, version: int) -> None:
    """Spell all nodes of the standard's domain as this opset has them. Raises UnsupportedError for one that cannot."""
    for each in all_graphs(graph):
        at = Rewriter(each, inner=each is not graph)
        for node in list(each.nodes):
            if not node.domain and node.opset < version:
                raise_node(at, node, version)
        at.settle()


def raise_node(at: Rewriter, node: Node, version: int) -> None:
    if node.opset < OLDEST:
        raise UnsupportedError(f"{node} is of opset {node.opset}; from {OLDEST} on models can be quantised")
    for name, since, respell in CHANGES:
        if name == node.op_type and node.opset < since <= version:
            respell(at, node)
            node.opset = since
    node.opset = version
    operator = registry.find(node)
    try:
        if operator is None:
            raise UnsupportedError(f"there is no {node.op_type} in it")
        registry.check(operator, node)
        registry.arguments(operator, node)
    except Error as error:
        raise UnsupportedError(f"{node} cannot be written in opset {version}: {error}") from None


def attributes_to_inputs(*names: str, dtype=np.int64):
    """Attributes that became inputs, in this order; of those that are missing none is given."""
    def respell(at: Rewriter, node: Node) -> None:
        values = [node.attributes.pop(name, None) for name in names]
        y = node.outputs[0]
        inputs = node.inputs + ["" if value is None else at.constant(np.array(value, dtype), f"{y}_{name}")
                                for name, value in zip(names, values)]
        while inputs and not inputs[-1]:
            inputs.pop()
        at.set_inputs(node, inputs)
    return respell


def limits(at: Rewriter, node: Node) -> None:
    for name in ("min", "max"):
        if abs(node.attributes.get(name, 0)) > FLOAT32_MOST:
            del node.attributes[name]
    attributes_to_inputs("min", "max", dtype=np.float32)(at, node)


def over_the_last_axis(at: Rewriter, node: Node) -> None:
    """Softmax over all axes from `axis` on, as one: over the last one where that is `axis`, else of a matrix."""
    axis, x = node.attributes.pop("axis", 1), node.inputs[0]
    node.attributes["axis"] = -1
    if axis in (-1, (at.rank(x) or 0) - 1):
        return
    before, y = at.makers.get(x), node.outputs[0]
    flat, soft, sizes = (at.fresh(f"{y}_{what}") for what in ("flat", "soft", "sizes"))
    at.insert(Node("Flatten", [x], [flat], {"axis": axis}, opset=LEAST, name=flat), before)
    at.insert(Node("Shape", [x], [sizes], opset=LEAST, name=sizes), before)
    at.set_inputs(node, [flat])
    at.set_outputs(node, [soft])
    at.insert(Node("Reshape", [soft, sizes], [y], opset=LEAST, name=f"{y}_reshaped"), node)


def identity(at: Rewriter, node: Node) -> None:
    """A Dropout, which does nothing when a model runs."""
    if any(map(at.is_needed, node.outputs[1:])):
        raise UnsupportedError(f"{node}: its mask is read")
    node.op_type, node.attributes, node.outputs = "Identity", {}, node.outputs[:1]
    at.set_inputs(node, node.inputs[:1])


def largest(at: Rewriter, node: Node) -> None:
    node.attributes["k"] = [node.attributes["k"]]               # a list of one
    attributes_to_inputs("k")(at, node)


def normalization(at: Rewriter, node: Node) -> None:
    if not node.attributes.pop("spatial", 1):
        raise UnsupportedError(f"{node}: spatial=0, which opset 9 gave up")
    node.outputs = node.outputs[:1]


def larger(at: Rewriter, node: Node) -> None:
    """Upsample becomes the Resize of opset 10."""
    if "scales" in node.attributes:
        attributes_to_inputs("scales", dtype=np.float32)(at, node)
    node.op_type = "Resize"


def resized(at: Rewriter, node: Node) -> None:
    """Resize of opset 10: places as they are times the scale, the pixel below (above, for smaller pictures)."""
    scales = node.inputs[1]
    array = at.array(scales)
    smaller = array is not None and (array < 1).any()
    node.attributes |= {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "ceil" if smaller else "floor"}
    at.set_inputs(node, [node.inputs[0], "", scales])


def equal_parts(at: Rewriter, node: Node) -> None:
    if len(node.inputs) < 2:
        node.attributes["num_outputs"] = len(node.outputs)


def pads(at: Rewriter, node: Node) -> None:
    value = node.attributes.pop("value", 0.0)
    attributes_to_inputs("pads")(at, node)
    if value:
        at.set_inputs(node, [*node.inputs, at.constant(np.array(value, np.float32), f"{node.outputs[0]}_value")])


_AXES = attributes_to_inputs("axes")
CHANGES = (
    ("Upsample", 10, larger), ("Resize", 11, resized),
    ("Slice", 10, attributes_to_inputs("starts", "ends", "axes")), ("TopK", 10, largest),
    ("BatchNormalization", 9, normalization), ("Dropout", 12, identity), ("Clip", 11, limits),
    ("Pad", 11, pads),
    ("Softmax", 13, over_the_last_axis), ("LogSoftmax", 13, over_the_last_axis), ("Hardmax", 13, over_the_last_axis),
    ("Squeeze", 13, _AXES), ("Unsqueeze", 13, _AXES), ("ReduceSum", 13, _AXES),
    ("Split", 13, attributes_to_inputs("split")), ("Split", 18, equal_parts),
    *((f"Reduce{kind}", 18, _AXES) for kind in ("Mean", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp",
                                                 "SumSquare")),
)
