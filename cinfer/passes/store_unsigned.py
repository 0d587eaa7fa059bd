"""Activations of int8 become uint8."""
from __future__ import annotations

import numpy as np

from ..model.graph import Graph, Node, subgraphs
from .move_bytes import moves
from .pattern import Rewriter, has, rewrite
from .quantized import U8, Stored, is_single, same_scale, stored

I8 = np.dtype(np.int8)
MAKE = {"QuantizeLinear": 2, "QLinearMatMul": 7, "com.microsoft.QGemm": 8}     # where the output's zero point is
CONVOLUTIONS = ("Conv", "ConvTranspose")            # MatMul and Gemm take int8 as it is (join_products)
OF_ONE_NUMBER = frozenset(("Clip", "Elu", "HardSigmoid", "HardSwish", "LeakyRelu", "PRelu", "Relu", "Sigmoid", "Tanh"))
# pairs of inputs: a tensor and its zero point
TAKE = {"DequantizeLinear": ((0, 2),), "QLinearMatMul": ((0, 2), (3, 5)), "com.microsoft.QGemm": ((0, 2),)}


@rewrite
def store_unsigned(graph: Graph, at: Rewriter) -> bool:
    """QuantizeLinear to int8 -> DequantizeLinear, one or several   becomes   the same to and from uint8

    Bytes and zero points are 128 more, what they mean is the same: kernels know uint8 only. A zero point that is left
    out is said. Between the two may be what only moves bytes, pads, or takes the largest, as QOperator files have it;
    products that stay QLinearMatMul and QGemm make and read bytes as these two do.
    Guards: one constant scale and zero point; nothing else reads the integers. Where inputs or outputs of the graph, or
    what subgraphs take and give, are int8, convolutions beside them get such a pair of their own.
    """
    changed = any([_say_zeros(at), _pairs_behind_inputs(at), _pairs_before_outputs(at)])
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


def _pairs_behind_inputs(at: Rewriter) -> bool:
    """int8 input -> DequantizeLinear -> Conv   becomes   the same with QuantizeLinear to uint8 -> DequantizeLinear
    before the Conv, which gives the same numbers. What comes from the graph around, or from a subgraph, is an input"""
    changed = False
    for node in at.of("DequantizeLinear"):
        (number,) = node.outputs
        if _is_given(at, node.inputs[0]) and stored(at, node, I8) is not None and any(
                reader.inputs[0] == number and _stored_behind(at, reader) for reader in at.readers.get(number, ())):
            at.set_outputs(node, [at.fresh(number)])
            _insert_pair(at, node, node, *node.outputs, *node.inputs[1:3], number)
            changed = True
    return changed


def _is_given(at: Rewriter, name: str) -> bool:
    """Is a value made by no operator of this graph alone?"""
    maker = at.makers.get(name)
    return at.array(name) is None if maker is None else bool(subgraphs(maker))


def _pairs_before_outputs(at: Rewriter) -> bool:
    """Conv -> QuantizeLinear to int8, which is an output or read otherwise   becomes   Conv -> QuantizeLinear to
    uint8 -> DequantizeLinear -> QuantizeLinear to int8"""
    changed = False
    ends = {_stored_behind(at, each) for each in at.of(*CONVOLUTIONS)
            if at.maker(each.inputs[0], "DequantizeLinear") is not None}
    for node in at.of("QuantizeLinear"):
        (out,) = node.outputs
        if node not in ends or stored(at, node, I8) is None or _behind(at, node) is not None:
            continue
        x, scale, zero = node.inputs
        readers = [each for each in dict.fromkeys(at.readers.get(out, ())) if each.op_type == "DequantizeLinear"
                   and _takes(at, each, out) and same_scale(at, Stored(out, scale, zero), Stored(*each.inputs[:3]))]
        number = at.fresh(x)
        made = _insert_pair(at, node, at.makers[x], x, scale, zero, number)
        at.set_inputs(node, [number, scale, zero])
        for each in readers:
            at.set_inputs(each, [*made.outputs, *made.inputs[1:]])
        changed = True
    return changed


def _insert_pair(at: Rewriter, like: Node, after: Node, x: str, scale: str, zero: str, out: str) -> Node:
    """To uint8 and back behind the node that makes the float32 value x: the QuantizeLinear

    like : whose opset it is of; zero : of int8; out : what the value is called behind it"""
    made = Node("QuantizeLinear", [x, scale, zero], [at.fresh(out)], opset=like.opset, name=like.name)
    at.insert(made, after=after)
    _shift(at, made, 2)
    at.insert(Node("DequantizeLinear", [*made.outputs, *made.inputs[1:]], [out], opset=like.opset, name=like.name),
              after=after)
    return made


def _stored_behind(at: Rewriter, node: Node) -> Node | None:
    """The QuantizeLinear that alone reads what a convolution of constant integers makes, maybe behind a few functions
    of one number: only then the convolution is one of integers."""
    weights = at.maker(node.inputs[1], "DequantizeLinear") if node.op_type in CONVOLUTIONS and not node.domain else None
    if weights is None or at.array(weights.inputs[0]) is None:
        return None
    for _ in range(4):
        reader = at.only_reader(node.outputs[0])
        if reader is None or reader.domain or reader.inputs[0] != node.outputs[0]:
            return None
        if reader.op_type == "QuantizeLinear":
            return reader
        if reader.op_type not in OF_ONE_NUMBER:
            return None
        node = reader
    return None


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
