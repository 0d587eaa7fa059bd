"""QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear -> `convert`."""
from __future__ import annotations

from math import prod

import numpy as np

from ..candidate import CONTIGUOUS, Candidate, kernel
from ..store import constant
from ..views import F32, Plain
from .cast import converted
from .elementwise import emit_zip
from .reduce import REDUCTIONS

U8, I32 = np.dtype(np.uint8), np.dtype(np.int32)
ATTRIBUTES = "axis saturate output_dtype precision"


@kernel("QuantizeLinear", attributes=ATTRIBUTES)
def quantize(group, values):
    """To integers of 8 or 16 bits."""
    node, y = group.node, values.fact(group.node.outputs[0]).dtype
    if values.fact(node.inputs[0]).dtype != F32 or y.name not in ("uint8", "int8", "uint16", "int16"):
        return ()
    limits = np.iinfo(y)
    return scaled(node, values, F32, how=1, lo=limits.min, hi=limits.max)


@kernel("DequantizeLinear", attributes=ATTRIBUTES)
def dequantize(group, values):
    """From integers of up to 32 bits."""
    node = group.node
    if values.fact(node.inputs[0]).dtype.name not in ("uint8", "int8", "uint16", "int16", "int32") \
            or values.fact(node.outputs[0]).dtype != F32:
        return ()
    return scaled(node, values, I32, how=2)


def scaled(node, values, dtype, **how) -> tuple[Candidate, ...]:
    """The candidate with scales, and zero points as `dtype`. Single ones may become known during the run."""
    get, rank = node.attributes.get, values.fact(node.inputs[0]).ndim
    scale, zero = node.inputs[1], node.inputs[2] if len(node.inputs) > 2 else ""
    single = prod(values.shape(scale)) == 1
    if values.fact(scale).dtype != F32 or get("precision", 1) not in (0, 1) \
            or (zero and values.fact(zero).dtype.name not in values.table.elements):
        return ()
    late = tuple((name, CONTIGUOUS) for name in (scale, zero) if name and values.constant(name) is None)
    if late and not single:
        return ()
    axis = None if single else 0 if rank == 1 else get("axis", 1) % rank

    def prepare(out):
        count = prod(out.shape(scale))
        zeros = vector(out, zero, dtype) if zero else out.store.once(
            ("zeros", count, dtype), None, lambda: constant(np.zeros(count, dtype)))
        return axis, dict(s=vector(out, scale, F32).ref(), z=zeros.ref(), **how)
    return converted(node, values, prepare, late)


def vector(out, name: str, dtype) -> Plain:
    """Scales or zero points as a vector of another type."""
    value = out.constant(name)
    if value is not None:
        return out.store.once(("as", name, dtype), value, lambda: constant(value.reshape(-1).astype(dtype)))
    x = out.contiguous(name)
    if x.dtype == dtype:
        return x
    y = out.scratch((1,), dtype)
    out.convert((1,), x.ref(), (1,), y.ref(), (1,), x.dtype, dtype)
    return y


@kernel("DynamicQuantizeLinear")
def dynamic_quantize(group, values):
    """scale = (max(x, 0) - min(x, 0)) / 255, or 1; zero = round(-min(x, 0) / scale): in small steps."""
    node, x = group.node, values.fact(group.node.inputs[0])
    if x.dtype != F32 or prod(x.shape) == 0 or x.ndim > 6:
        return ()
    return (Candidate(lambda out: emit_dynamic(out, node), ((node.inputs[0], CONTIGUOUS),)),)


def emit_dynamic(out, node) -> None:
    source = out.contiguous(node.inputs[0])
    y, scale, zero8 = (out.plain(name) if name else out.scratch(shape, dtype) for name, shape, dtype in zip(
        [*node.outputs, "", ""], (source.shape, (1,), (1,)), (U8, F32, U8)))
    low, high, width, none, step, zero = (out.scratch((1,)) for _ in range(6))

    def unary(op, a, y, alpha=0.0, beta=0.0):
        out.map((1,), a.ref(), (1,), y.ref(), (1,), op=op, alpha=alpha, beta=beta)

    def binary(op, a, b, y):
        emit_zip(out, (1,), (a.ref(), (1,)), (b.ref(), (1,)), (y.ref(), (1,)), op)

    def number(value):
        return out.store.once(("number", value), None, lambda: constant(np.array([value], np.float32)))
    for name, found in (("ReduceMin", low), ("ReduceMax", high)):
        out.step("reduce", 1, dict(
            x=source.ref(), y=found.ref(), dims=[1] * 4, xs=[0] * 4, ys=[0] * 4,
            rdims=[1, 1, 1, prod(source.shape)], rs=[0, 0, 0, 1], op=REDUCTIONS[name][0], outer=1))
    unary("clip", low, low, -np.inf, 0.0)
    unary("clip", high, high, 0.0, np.inf)
    binary("sub", high, low, width)
    unary("sign", width, none)
    binary("sub", number(1), none, none)        # 1 where all of x is 0
    binary("div", width, number(255), step)
    binary("add", step, none, scale)
    binary("div", low, scale, zero)
    unary("neg", zero, zero)
    unary("round", zero, zero)
    out.convert((1,), zero.ref(), (1,), zero8.ref(), (1,), F32, U8)
    out.convert(source.shape, source.ref(), source.strides, y.ref(), y.strides, F32, U8,
                ss=[0] * len(source.shape), how=1, s=scale.ref(), z=zero.ref(), lo=0, hi=255)
