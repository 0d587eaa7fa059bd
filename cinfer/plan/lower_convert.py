"""Operators that change the element type: Cast, QuantizeLinear, DequantizeLinear -> `convert` steps."""
from __future__ import annotations

import numpy as np

from .lower_shape import blocked_input, identity_pieces, lower_identity
from .planner import F32, Declined, Planner, Rule
from .views import BLOCK, Blocked, Ref


def lower_cast(p: Planner, node) -> None:
    """To the same type: nothing."""
    if p.spec(node.inputs[0]).dtype == p.spec(node.outputs[0]).dtype:
        return lower_identity(p, node)
    convert(p, node)


def same_layout(p: Planner, node) -> bool:
    return blocked_input(p, node) and p.spec(node.inputs[0]).dtype == p.spec(node.outputs[0]).dtype


def lower_quantize(p: Planner, node) -> None:
    """To integers of 8 or 16 bits, by constant scales."""
    y = p.spec(node.outputs[0]).dtype
    scale, zero, axis = quantisation(p, node)
    if p.spec(node.inputs[0]).dtype != F32 or y.name not in ("uint8", "int8", "uint16", "int16"):
        raise Declined
    limits = np.iinfo(y)
    convert(p, node, scale, zero.astype(np.float32), axis, how=1, lo=limits.min, hi=limits.max)


def lower_dequantize(p: Planner, node) -> None:
    """From integers of up to 32 bits, by constant scales."""
    scale, zero, axis = quantisation(p, node)
    if p.spec(node.inputs[0]).dtype.name not in ("uint8", "int8", "uint16", "int16", "int32"):
        raise Declined
    convert(p, node, scale, zero.astype(np.int32), axis, how=2)


def quantisation(p: Planner, node):
    """(scales, zero points, the axis they lie along: None for a single one)"""
    get, rank = node.attributes.get, p.spec(node.inputs[0]).ndim
    scale = p.constant(node.inputs[1])
    has_zero = len(node.inputs) > 2 and node.inputs[2]
    zero = p.constant(node.inputs[2]) if has_zero else np.zeros(1 if scale is None else scale.size)
    if scale is None or zero is None or scale.dtype != F32:
        raise Declined
    if get("block_size") or get("precision", 1) not in (0, 1):
        raise Declined
    axis = None if scale.size == 1 else 0 if rank == 1 else get("axis", 1) % rank
    return np.array(scale.reshape(-1)), zero.reshape(-1), axis


def convert(p: Planner, node, scale=None, zero=None, axis: int | None = None, **more) -> None:
    """The steps of a node whose output has the elements of its first input in another type."""
    name, out = node.inputs[0], node.outputs[0]
    x, y = p.spec(name), p.spec(out)
    if not {x.dtype.name, y.dtype.name} <= p.table.elements.keys() or 0 in x.shape or x.ndim > 6:
        raise Declined
    if scale is not None:
        more |= dict(s=p.array(scale).ref(), z=p.array(zero).ref())
    if name in p.blocked_views and name not in p.plain_views and x.ndim in (3, 4):
        return convert_blocked(p, p.blocked(name), out, axis, more)
    source, target = p.plain(name), p.new_plain(out)
    p.convert(x.shape, source.ref(), source.strides, target.ref(), target.strides, x.dtype, y.dtype,
              ss=[int(a == axis) for a in range(x.ndim)], **more)


def convert_blocked(p: Planner, x: Blocked, out: str, axis: int | None, more: dict) -> None:
    """Straight from blocks to plain memory, over the axes (n, block, lane, row, pixel).

    The last block, if it is not whole, is a job of its own.
    """
    y = p.new_plain(out)
    ys = y.strides if len(x.shape) == 4 else (*y.strides[:2], 0, y.strides[2])
    along = None if axis is None else axis if len(x.shape) == 4 or axis < 2 else 3
    ss = [int(along == 0), BLOCK * (along == 1), int(along == 1), int(along == 2), int(along == 3)]
    whole, lanes = divmod(x.c, BLOCK)
    parts = [part for part in ((0, whole, BLOCK), (whole, 1, lanes)) if part[1] * part[2]]
    for first, blocks, lanes in parts:
        here = {k: Ref(v.buffer, v.offset + 4 * first * ss[1]) if isinstance(v, Ref) else v
                for k, v in more.items()}
        p.convert((x.n, blocks, lanes, x.h, x.w), x.ref(block=first), (x.ns, x.bs, 1, x.rs, BLOCK),
                  y.ref(first * BLOCK * ys[1]), (ys[0], BLOCK * ys[1], *ys[1:]), x.dtype, y.dtype, ss=ss,
                  beside=first == 0 and len(parts) == 2, **here)


CAST = Rule(lower_cast, same_layout, pieces=identity_pieces)
RULES = {"Cast": CAST, "CastLike": CAST, "QuantizeLinear": Rule(lower_quantize),
         "DequantizeLinear": Rule(lower_dequantize)}
