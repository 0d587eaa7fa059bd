"""What passes ask of QuantizeLinear and DequantizeLinear."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..model.graph import Node
from ..ops.facts import Unranked
from ..ops.numeric import F32
from .pattern import Rewriter, has
from .widen_halves import FLOAT

U8, I8, I32 = np.dtype(np.uint8), np.dtype(np.int8), np.dtype(np.int32)
BYTES = (U8, I8)
# Of activations: products and ratios of such scales are float32 numbers, neither infinite nor denormal.
SMALLEST, LARGEST = 2.0 ** -40, 2.0 ** 40
WIDER = {name: np.dtype(name.replace("4", "8")) for name in ("int8", "uint8", "int4", "uint4")}     # of weights
# of one input of numbers, which all outputs consist of
MOVES = frozenset("DepthToSpace Expand Flatten Gather Identity Reshape Resize Slice SpaceToDepth Split Squeeze Tile "
                  "Transpose Unsqueeze".split())


class Stored(NamedTuple):
    """A tensor of integers, and what its numbers mean: (stored - zero) * scale. scale, zero : names of constants of one
    element"""
    name: str
    scale: str
    zero: str


def stored(at: Rewriter, node: Node, *dtypes) -> Stored | None:
    """What a QuantizeLinear makes, or a DequantizeLinear reads, if it is of one of these types (uint8) and one float32
    scale of a usual size, with a zero point."""
    if not has(node, 2) or node.attributes.get("precision", 1) not in (0, 1):
        return None
    scale, zero = map(at.array, node.inputs[1:3])
    if scale is None or zero is None or not is_single(scale) or not is_single(zero) or scale.dtype != F32 \
            or zero.dtype not in (dtypes or (U8,)) or not SMALLEST <= scale.item() <= LARGEST:
        return None
    (x,), (y,) = node.inputs[:1], node.outputs
    if node.op_type == "QuantizeLinear":
        return Stored(y, *node.inputs[1:3]) if at.dtype(x) == F32 and at.dtype(y) == zero.dtype else None
    return Stored(x, *node.inputs[1:3]) if at.dtype(x) == zero.dtype and at.dtype(y) == F32 else None


def moves(node: Node) -> bool:
    """Are its outputs numbers of its first input?"""
    if node.op_type == "Resize":
        get = node.attributes.get
        return get("mode", "nearest") == "nearest" and get("coordinate_transformation_mode") != "tf_crop_and_resize"
    return node.op_type in MOVES


def is_single(array: np.ndarray) -> bool:
    """Is it a number as parameters of a whole tensor are given?"""
    return array.shape in ((), (1,))


def known_shape(at: Rewriter, name: str) -> tuple[int, ...] | None:
    """The shape of a float32 value, if all its sizes are numbers."""
    fact = at.fact(name)
    if fact is None or type(fact) is Unranked or fact.dtype != F32 or not all(type(d) is int for d in fact.shape):
        return None
    return fact.shape


def read(at: Rewriter, name: str, *dtypes) -> Stored | None:
    """The tensor of which a value is what DequantizeLinear gives, see `stored`."""
    node = at.maker(name, "DequantizeLinear")
    return None if node is None else stored(at, node, *dtypes)


def same_scale(at: Rewriter, a: Stored, b: Stored) -> bool:
    """Do the integers of both mean the same numbers?"""
    return at.array(a.scale).item() == at.array(b.scale).item() and at.array(a.zero).item() == at.array(b.zero).item()


def weights_of(at: Rewriter, name: str, axis: int) -> list[str] | str:
    """Names of the bytes, scale and zero point of constant weights, or why they are none. Those of 4 bits become
    bytes. axis : of the output channels"""
    node = at.maker(name, "DequantizeLinear")
    if node is None or at.dtype(name) != F32:
        return "its weights are not quantised; as bytes, with a scale for each output channel, they would be"
    w, scale = map(at.array, node.inputs[:2])
    zero = at.array(node.inputs[2]) if has(node, 2) else None
    if w is None or scale is None or has(node, 2) and zero is None:
        return "its weights are computed in the run; only constant ones are multiplied as bytes"
    wide = WIDER.get(w.dtype.name)
    if wide is None or scale.dtype != F32 or not w.ndim or not scale.size \
            or not ((scale > 0) & (scale <= LARGEST)).all():
        return f"its weights are {w.dtype}, scales {scale.dtype}; 8 or 4 bits by positive float32 scales are right"
    if node.attributes.get("block_size") or not is_single(scale) and (
            node.attributes.get("axis", 1) not in (axis, axis - w.ndim) or scale.shape != w.shape[axis:axis + 1]):
        return f"its weights have scales along another axis than the output channels (axis {axis} is right)"
    if zero is not None and (zero.dtype != w.dtype or zero.ndim > 1 or zero.size != scale.size):
        return "its weights have a zero point of another type or shape than weights and scale"
    names = [node.inputs[0], node.inputs[1], node.inputs[2] if zero is not None else ""]
    if zero is None:
        names[2] = at.constant(np.zeros(scale.shape, wide), "zero")
    if w.dtype != wide:
        for i, array in ((0, w), (2, zero)):
            if array is not None:
                names[i] = at.constant(array.astype(wide), names[i])
    return names


def scaled(at: Rewriter, node: Node, is_row) -> tuple[Node, str, np.ndarray | None] | None:
    """(the Mul behind the Cast of integer sums, its scale, what is added to them before as int32, if anything)

    is_row : function of an array, whether it is a number or one for each channel"""
    out, row = node.outputs[0], None
    cast = at.only_reader(out)
    if cast is not None and cast.op_type == "Add" and not cast.domain and not cast.attributes:
        row = at.array(cast.inputs[cast.inputs[0] == out])
        if row is None or row.dtype != I32 or not is_row(row):
            return None
        out = cast.outputs[0]
        cast = at.only_reader(out)
    if cast is None or cast.op_type != "Cast" or cast.domain or cast.attributes.get("to") != FLOAT:
        return None
    mul, out = at.only_reader(cast.outputs[0]), cast.outputs[0]
    if mul is None or mul.op_type != "Mul" or mul.domain or mul.attributes:
        return None
    return mul, mul.inputs[mul.inputs[0] == out], row


def factors(at: Rewriter, scale: str, fits) -> tuple[str, str]:
    """(constant, number of the run) that a scale is the product of; or (scale, "")

    fits : function of a name, whether it can be the scale"""
    mul = at.maker(scale, "Mul")
    if mul is not None and not mul.domain and not mul.attributes:
        for by, known in (mul.inputs, mul.inputs[::-1]):
            if at.array(known) is not None and at.array(by) is None and fits(known) \
                    and known_shape(at, by) in ((), (1,)):
                return known, by
    return scale, ""
