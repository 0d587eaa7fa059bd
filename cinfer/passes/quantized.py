"""What passes ask of QuantizeLinear and DequantizeLinear."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..model.graph import Node
from ..ops.numeric import F32
from .pattern import Rewriter, has

U8 = np.dtype(np.uint8)


class Stored(NamedTuple):
    """A tensor of integers, and what its numbers mean: (stored - zero) * scale. scale, zero : names of constants of one
    element"""
    name: str
    scale: str
    zero: str


def stored(at: Rewriter, node: Node, dtype=U8) -> Stored | None:
    """What a QuantizeLinear makes, or a DequantizeLinear reads, if it is of this type and one positive finite float32
    scale, with a zero point."""
    if not has(node, 2) or node.attributes.get("precision", 1) not in (0, 1):
        return None
    scale, zero = map(at.array, node.inputs[1:3])
    if scale is None or zero is None or scale.size != 1 or zero.size != 1 or scale.dtype != F32 \
            or zero.dtype != dtype or not 0 < scale.item() < np.inf:
        return None
    if node.op_type == "QuantizeLinear":
        return Stored(node.outputs[0], *node.inputs[1:3]) if at.dtype(node.inputs[0]) == F32 else None
    return Stored(node.inputs[0], *node.inputs[1:3]) if at.dtype(node.outputs[0]) == F32 else None


def read(at: Rewriter, name: str, dtype=U8) -> Stored | None:
    """The tensor of which a value is what DequantizeLinear gives, see `stored`."""
    node = at.maker(name, "DequantizeLinear")
    return None if node is None else stored(at, node, dtype)


def same_scale(at: Rewriter, a: Stored, b: Stored) -> bool:
    """Do the integers of both mean the same numbers?"""
    return at.array(a.scale).item() == at.array(b.scale).item() and at.array(a.zero).item() == at.array(b.zero).item()
