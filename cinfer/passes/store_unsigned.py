"""Activations of int8 become uint8."""
from __future__ import annotations

import numpy as np

from ..model.graph import Graph, Node
from .pattern import Rewriter, has, rewrite
from .quantized import I8, U8, is_single, moves, stored

MAKE = {"QuantizeLinear": 2, "QLinearMatMul": 7, "com.microsoft.QGemm": 8}     # where the output's zero point is
# pairs of inputs: a tensor and its zero point
TAKE = {"DequantizeLinear": ((0, 2),), "QLinearMatMul": ((0, 2), (3, 5)), "com.microsoft.QGemm": ((0, 2),)}


@rewrite
def store_unsigned(graph: Graph, at: Rewriter) -> bool:
    """QuantizeLinear to int8 -> DequantizeLinear, one or several   becomes   the same to and from uint8

    Bytes and zero points are 128 more, what they mean is the same: kernels know uint8 only. A zero point that is left
    out is said. Between the two may be what only moves bytes, pads, or takes the largest, as QOperator files have it;
    products that stay QLinearMatMul and QGemm make and read bytes as these two do.
    Guards: one constant scale and zero point; nothing else reads the integers. Those at inputs and outputs of the graph
    become uint8 beside the operators that read and make them (`join_quantized`).
    """
    changed = _say_zeros(at)
    for node in graph.nodes:
        if kind(node) not in MAKE or not _makes(at, node):
            continue
        found = _behind(at, node)
        if found is None:
            continue
        movers, readers = found
        node.attributes.pop("output_dtype", None)
        fresh = {}
        for each in (node, *movers):
            fresh |= {out: at.fresh(out) for out in each.outputs if out}
            at.set_outputs(each, [fresh.get(out, "") for out in each.outputs])
        for each in movers:
            at.set_inputs(each, [fresh[each.inputs[0]], *each.inputs[1:]])
            if each.op_type == "Pad":
                each.inputs += [""] * (3 - len(each.inputs))
                _shift(at, each, 2)
        _shift(at, node, MAKE[kind(node)])
        for each in readers:
            for x, zero in TAKE[kind(each)]:
                if each.inputs[x] in fresh:
                    at.set_inputs(each, [fresh.get(name, name) if i == x else name
                                         for i, name in enumerate(each.inputs)])
                    _shift(at, each, zero)
        changed = True
    return changed


def kind(node: Node) -> str:
    return f"{node.domain}.{node.op_type}" if node.domain else node.op_type


def _makes(at: Rewriter, node: Node) -> bool:
    """Does it make int8 by one constant zero point?"""
    if node.op_type == "QuantizeLinear":
        return stored(at, node, I8) is not None
    return _is_zero(at, node, MAKE[kind(node)])


def _takes(at: Rewriter, node: Node, name: str) -> bool:
    """Does it read int8, as a tensor with a constant zero point and in no other way?"""
    places = [(i, zero) for i, zero in TAKE.get(kind(node), ()) if node.inputs[i] == name]
    if node.op_type == "DequantizeLinear":
        return bool(places) and not node.domain and stored(at, node, I8) is not None
    return len(places) == node.inputs.count(name) > 0 and all(_is_zero(at, node, zero) for _, zero in places)


def _is_zero(at: Rewriter, node: Node, place: int) -> bool:
    zero = at.array(node.inputs[place]) if has(node, place) else None
    return zero is not None and zero.dtype == I8 and is_single(zero)


def _behind(at: Rewriter, node: Node) -> tuple[list[Node], list[Node]] | None:
    """(what moves the bytes of a node, in order; what reads them in the end), None if there are others"""
    movers, readers, waiting = [], [], [node]
    while waiting:
        for out in filter(None, waiting.pop(0).outputs):
            if out in at.pinned or not at.readers.get(out):
                return None
            for reader in dict.fromkeys(at.readers[out]):
                if _takes(at, reader, out):
                    readers.append(reader)
                elif _passes_on(at, reader, out):
                    movers.append(reader)
                    waiting.append(reader)
                else:
                    return None
    return movers, list(dict.fromkeys(readers))


def _passes_on(at: Rewriter, node: Node, name: str) -> bool:
    """Are its outputs numbers of this input, whatever these mean, or a constant?"""
    return not node.domain and node.inputs.count(name) == 1 and node.inputs[0] == name and (
        moves(node) or node.op_type == "MaxPool" and not any(node.outputs[1:])
        or node.op_type == "Pad" and has(node, 1) and (not has(node, 2) or at.array(node.inputs[2]) is not None))


def _shift(at: Rewriter, node: Node, place: int) -> None:
    """A constant becomes 128 more; one that is left out is 0."""
    name = node.inputs[place]
    before = at.array(name) if name else np.zeros((), I8)
    after = at.constant((before.astype(np.int16) + 128).astype(U8), name or "value")
    at.set_inputs(node, [*node.inputs[:place], after, *node.inputs[place + 1:]])


def _say_zeros(at: Rewriter) -> bool:
    """x -> QuantizeLinear   becomes the same with a zero point of 0, where it makes 8 bits by one scale; so does
    DequantizeLinear"""
    changed = False
    for node in at.of("QuantizeLinear", "DequantizeLinear"):
        scale = at.array(node.inputs[1])
        if has(node, 2) or scale is None or not is_single(scale):
            continue
        dtype = at.dtype(node.outputs[0] if node.op_type == "QuantizeLinear" else node.inputs[0])
        if dtype is not None and dtype in (U8, I8):
            at.set_inputs(node, [*node.inputs[:2], at.constant(np.zeros(scale.shape, dtype), "zero")])
            changed = True
    return changed
