"""Operators that change the element type: Cast, QuantizeLinear, DequantizeLinear -> `convert` steps."""
from __future__ import annotations

from math import prod

import numpy as np

from .lower_elementwise import emit_zip
from .lower_rows import REDUCTIONS
from .lower_shape import blocked_input, identity_pieces, lower_identity
from .planner import Planner, Rule
from .steps import F32, Declined
from .views import BLOCK, Blocked, Plain, Ref

U8 = np.dtype(np.uint8)


def lower_cast(p: Planner, node) -> None:
    """To the same type: nothing."""
    if p.spec(node.inputs[0]).dtype == p.spec(node.outputs[0]).dtype:
        return lower_identity(p, node)
    convert(p, node)


def same_layout(p: Planner, node) -> bool:
    return blocked_input(p, node) and p.spec(node.inputs[0]).dtype == p.spec(node.outputs[0]).dtype


def lower_quantize(p: Planner, node) -> None:
    """To integers of 8 or 16 bits."""
    y = p.spec(node.outputs[0]).dtype
    if p.spec(node.inputs[0]).dtype != F32 or y.name not in ("uint8", "int8", "uint16", "int16"):
        raise Declined
    limits = np.iinfo(y)
    convert(p, node, quantisation(p, node, F32), how=1, lo=limits.min, hi=limits.max)


def lower_dequantize(p: Planner, node) -> None:
    """From integers of up to 32 bits."""
    if p.spec(node.inputs[0]).dtype.name not in ("uint8", "int8", "uint16", "int16", "int32"):
        raise Declined
    convert(p, node, quantisation(p, node, np.dtype(np.int32)), how=2)


def quantisation(p: Planner, node, dtype):
    """(scales, zero points as `dtype`, the axis they lie along: None for a single one), as plain values.

    Single ones may become known during the run.
    """
    get, rank = node.attributes.get, p.spec(node.inputs[0]).ndim
    scale, zero = node.inputs[1], node.inputs[2] if len(node.inputs) > 2 else ""
    count = prod(p.spec(scale).shape)
    if p.spec(scale).dtype != F32 or get("block_size") or get("precision", 1) not in (0, 1):
        raise Declined
    if count != 1 and any(name and p.constant(name) is None for name in (scale, zero)):
        raise Declined
    axis = None if count == 1 else 0 if rank == 1 else get("axis", 1) % rank
    return flat(p, scale, F32), flat(p, zero, dtype) if zero else p.array(np.zeros(count, dtype)), axis


def flat(p: Planner, name: str, dtype) -> Plain:
    """Scales or zero points as a vector of another type."""
    value = p.constant(name)
    if value is not None:
        return p.array(value.reshape(-1).astype(dtype))
    x = p.plain(name, contiguous=True)
    if x.dtype == dtype:
        return x
    if x.dtype.name not in p.table.elements:
        raise Declined
    y = p.scratch((1,), dtype)
    p.convert((1,), x.ref(), (1,), y.ref(), (1,), x.dtype, dtype)
    return y


def lower_dynamic_quantize(p: Planner, node) -> None:
    """scale = (max(x, 0) - min(x, 0)) / 255, or 1; zero = round(-min(x, 0) / scale): in small steps."""
    x = p.spec(node.inputs[0])
    if x.dtype != F32 or prod(x.shape) == 0 or x.ndim > 6:
        raise Declined
    source = p.plain(node.inputs[0], contiguous=True)
    y, scale, zero8 = (p.new_plain(name) if name else p.scratch(shape, dtype) for name, shape, dtype in zip(
        [*node.outputs, "", ""], (x.shape, (1,), (1,)), (U8, F32, U8)))
    low, high, width, none, step, zero = (p.scratch((1,)) for _ in range(6))

    def unary(op, a, y, alpha=0.0, beta=0.0):
        p.map((1,), a.ref(), (1,), y.ref(), (1,), op=op, alpha=alpha, beta=beta)

    def binary(op, a, b, y):
        emit_zip(p, (1,), (a.ref(), (1,)), (b.ref(), (1,)), (y.ref(), (1,)), op)

    def constant(value):
        return p.array(np.array([value], np.float32))
    for name, found in (("ReduceMin", low), ("ReduceMax", high)):
        p.emit("reduce", 1, x=source.ref(), y=found.ref(), dims=[1] * 4, xs=[0] * 4, ys=[0] * 4,
               rdims=[1, 1, 1, prod(x.shape)], rs=[0, 0, 0, 1], op=REDUCTIONS[name], outer=1)
    unary("clip", low, low, -np.inf, 0.0)
    unary("clip", high, high, 0.0, np.inf)
    binary("sub", high, low, width)
    unary("sign", width, none)
    binary("sub", constant(1), none, none)      # 1 where all of x is 0
    binary("div", width, constant(255), step)
    binary("add", step, none, scale)
    binary("div", low, scale, zero)
    unary("neg", zero, zero)
    unary("round", zero, zero)
    p.convert((1,), zero.ref(), (1,), zero8.ref(), (1,), F32, U8)
    p.convert(x.shape, source.ref(), source.strides, y.ref(), y.strides, F32, U8, ss=[0] * x.ndim, how=1,
              s=scale.ref(), z=zero.ref(), lo=0, hi=255)


def convert(p: Planner, node, quantised=None, **more) -> None:
    """The steps of a node whose output has the elements of its first input in another type.

    quantised : what `quantisation` gives
    """
    axis = None
    name, out = node.inputs[0], node.outputs[0]
    x, y = p.spec(name), p.spec(out)
    if not {x.dtype.name, y.dtype.name} <= p.table.elements.keys() or 0 in x.shape or x.ndim > 6:
        raise Declined
    if quantised:
        scale, zero, axis = quantised
        more |= dict(s=scale.ref(), z=zero.ref())
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
         "DequantizeLinear": Rule(lower_dequantize), "DynamicQuantizeLinear": Rule(lower_dynamic_quantize)}
