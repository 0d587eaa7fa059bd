"""Activations of int8 become uint8."""
from __future__ import annotations

import numpy as np

from ..model.graph import Graph
from .pattern import Rewriter, has, rewrite
from .quantized import U8, is_single, stored

I8 = np.dtype(np.int8)


@rewrite
def store_unsigned(graph: Graph, at: Rewriter) -> bool:
    """QuantizeLinear to int8 -> DequantizeLinear, one or several   becomes   the same to and from uint8

    Bytes and zero points are 128 more, what they mean is the same: kernels know uint8 only. A zero point that is left
    out is said.
    Guards: one constant scale and zero point; nothing but DequantizeLinear reads the integers.
    """
    changed = _say_zeros(at)
    for node in at.of("QuantizeLinear"):
        out = node.outputs[0]
        back = tuple(at.readers.get(out, ()))
        if out in at.pinned or not back or stored(at, node, I8) is None or not all(
                reader.op_type == "DequantizeLinear" and not reader.domain and reader.inputs[0] == out
                and stored(at, reader, I8) is not None for reader in back):
            continue
        y = at.fresh(out)
        at.set_outputs(node, [y])
        node.attributes.pop("output_dtype", None)
        for each in (node, *back):
            zero = at.constant((at.array(each.inputs[2]).astype(np.int16) + 128).astype(U8), each.inputs[2])
            at.set_inputs(each, [y if each is not node else node.inputs[0], each.inputs[1], zero])
        changed = True
    return changed


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
