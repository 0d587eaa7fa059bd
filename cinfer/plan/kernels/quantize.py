"""QuantizeLinear, DequantizeLinear -> `convert`; to and from bytes in blocks `quantize_blocked`, `dequantize_blocked`;
DynamicQuantizeLinear -> `range_of`, `dynamic_quantize`; DynamicScale -> `range_of` or `range_of_blocked`,
`dynamic_scale`."""
from __future__ import annotations

from math import prod

import numpy as np

from ...ops.families import OWN_DOMAIN
from ..candidate import BLOCKED, CONTIGUOUS, FOLLOWS, PLAIN, Candidate, kernel
from ..store import constant
from ..views import BLOCK, F32, U8, Blocked, Plain, ncdhw_strides
from .cast import converted
from .conv_few import wanted_plain

I32 = np.dtype(np.int32)
ATTRIBUTES = "axis saturate output_dtype precision"


@kernel("QuantizeLinear", attributes=ATTRIBUTES, reading=FOLLOWS)
def quantize(group, values):
    """To integers of 8 or 16 bits."""
    node, y = group.node, values.fact(group.node.outputs[0]).dtype
    if values.fact(node.inputs[0]).dtype != F32 or y.name not in ("uint8", "int8", "uint16", "int16") \
            or is_denormal(values.constant(node.inputs[1])):
        return ()
    name, blocked = node.inputs[0], values.is_blocked(node.inputs[0])
    if is_picture_of_bytes(node, values, node.outputs[0]) and (blocked or not wanted_plain(values, node.outputs[0])):
        reads = [(each, CONTIGUOUS) for each in node.inputs[1:3] if values.constant(each) is None]
        reads.append((name, BLOCKED if blocked else PLAIN))
        return (Candidate(lambda out: emit_quantize(out, node, blocked), reads, BLOCKED),)
    limits = np.iinfo(y)
    return scaled(node, values, F32, order_of(node, values), how=1, lo=limits.min, hi=limits.max)


def order_of(node, values) -> tuple[int, ...] | None:
    """The axes of what is quantised as they lie before a Transpose, which convolutions read where they read pictures in
    plain memory: to change that, number by number, takes longer than all else."""
    maker, reader = values.makers.get(node.inputs[0]), values.sole_reader(node.outputs[0])
    if maker is None or maker.op_type != "Transpose" or maker.domain or reader is None \
            or reader.op_type not in ("QLinearConv", "ScaledConvInteger"):
        return None
    perm = maker.attributes.get("perm") or range(values.fact(node.inputs[0]).ndim)[::-1]
    return tuple(sorted(range(len(perm)), key=perm.__getitem__))


def is_denormal(scale) -> bool:
    """Does a constant have numbers that count as 0 in kernels, where 0 / 0 is no zero point?"""
    return scale is not None and scale.dtype == F32 and bool((np.abs(scale) < np.finfo(F32).tiny).any())


@kernel("DequantizeLinear", attributes=ATTRIBUTES, reading=FOLLOWS)
def dequantize(group, values):
    """From integers of up to 32 bits."""
    node = group.node
    if values.fact(node.inputs[0]).dtype.name not in ("uint8", "int8", "uint16", "int16", "int32") \
            or values.fact(node.outputs[0]).dtype != F32:
        return ()
    if values.is_blocked(node.inputs[0]) and is_picture_of_bytes(node, values, node.inputs[0]) \
            and all(values.constant(name) is not None for name in node.inputs[1:]):
        plain = wanted_plain(values, node.outputs[0])
        return (Candidate(lambda out: emit_dequantize(out, node, plain), ((node.inputs[0], BLOCKED),),
                          PLAIN if plain else BLOCKED),)
    return scaled(node, values, I32, how=2)


def is_picture_of_bytes(node, values, name: str) -> bool:
    """Whether a value is pictures of bytes by one scale and zero point, which the node has."""
    stored, parameters = values.fact(name), [values.fact(each) for each in node.inputs[1:3] if each]
    return (stored.dtype == U8 and stored.ndim in (3, 4, 5) and 0 not in stored.shape and len(parameters) == 2
            and all(prod(p.shape) == 1 for p in parameters) and parameters[0].dtype == F32
            and node.attributes.get("precision", 1) in (0, 1))


def emit_quantize(out, node, blocked: bool) -> None:
    y = out.output(node.outputs[0])
    x = out.blocked(node.inputs[0]) if blocked else out.plain(node.inputs[0])
    rows, row_tiles = out.tiles.rows(y.h, y.w, y.n * y.blocks, BLOCK)
    out.step("quantize_blocked", y.n * y.blocks * row_tiles, dict(
        x=x.ref(), y=y.ref(), n=y.n, d=y.d, h=y.h, w=y.w, **strides("x", x), yn=y.ns, yb=y.bs, yr=y.rs, lo=0,
        hi=255, row_tiles=row_tiles, rows=rows, **grid_of(out, node)))


def emit_dequantize(out, node, plain: bool) -> None:
    x, name = out.blocked(node.inputs[0]), node.outputs[0]
    y = out.plain(name) if plain else out.output(name)
    rows, row_tiles = out.tiles.rows(x.h, x.w, x.n * x.blocks, BLOCK)
    out.step("dequantize_blocked", x.n * x.blocks * row_tiles, dict(
        x=x.ref(), y=y.ref(), n=x.n, d=x.d, h=x.h, w=x.w, xn=x.ns, xb=x.bs, xr=x.rs,
        **strides("y", y), row_tiles=row_tiles, rows=rows, **grid_of(out, node)))


def strides(name: str, view) -> dict:
    """Of float32, and how many channels there are, as the kernels between these and bytes in blocks take them
    (_ops/layout_u8.h)."""
    if type(view) is Blocked:
        channels, (n, c, d, h, w, b) = view.blocks * BLOCK, (view.ns * view.d, 1, view.ns, view.rs, BLOCK, view.bs)
    else:
        channels, (n, c, d, h, w) = view.shape[1], ncdhw_strides(view.strides)
        b = BLOCK * c
    return {"c": channels} | {name + axis: step for axis, step in zip("ncdhwb", (n, c, d, h, w, b))}


def grid_of(out, node) -> dict:
    how = {}
    for name, given, late in zip(node.inputs[1:3], ("scale", "zero"), "sz"):
        value = out.constant(name)
        how |= {late: out.contiguous(name).ref()} if value is None else {given: value.item()}
    return how


def scaled(node, values, dtype, order=None, **how) -> tuple[Candidate, ...]:
    """The candidate with scales, and zero points as `dtype`. Single ones may become known during the run. order : as of
    `converted`"""
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
    return converted(node, values, prepare, late, order)


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
    """Two passes over the numbers: for their range, and to write the bytes."""
    node, x = group.node, values.fact(group.node.inputs[0])
    if x.dtype != F32 or prod(x.shape) == 0:
        return ()
    return (Candidate(lambda out: emit_dynamic(out, node), ((node.inputs[0], CONTIGUOUS),)),)


def emit_dynamic(out, node) -> None:
    x = out.contiguous(node.inputs[0])
    y, scale, zero = (out.plain(name) if name else out.scratch(shape, dtype) for name, shape, dtype in zip(
        [*node.outputs, "", ""], (x.shape, (1,), (1,)), (U8, F32, U8)))
    n = prod(x.shape)
    per, tiles = out.tiles.sums(n, 1)
    parts, count = out.range_of(node.inputs[0]) or range_of(out, x, n, per, tiles)
    out.step("dynamic_quantize", tiles, dict(x=x.ref(), parts=parts.ref(), y=y.ref(), scale=scale.ref(),
                                             zero=zero.ref(), n=n, per=per, count=count))


def range_of(out, x, n, per, tiles) -> tuple:
    """As `out.range_of`, of n contiguous numbers."""
    parts = out.scratch((2, tiles))
    out.step("range_of", tiles, dict(x=x.ref(), parts=parts.ref(), n=n, per=per))
    return parts, tiles


@kernel("DynamicScale", domain=OWN_DOMAIN, reading=BLOCKED)
def dynamic_scale(group, values):
    node, x = group.node, values.fact(group.node.inputs[0])
    if x.dtype != F32 or prod(x.shape) == 0:
        return ()
    blocked = values.is_blocked(node.inputs[0]) and x.ndim in (3, 4, 5)
    return (Candidate(lambda out: emit_scale(out, node, blocked),
                      ((node.inputs[0], BLOCKED if blocked else CONTIGUOUS),)),)


def emit_scale(out, node, blocked: bool) -> None:
    found = out.range_of(node.inputs[0])
    if found is None and blocked:
        x = out.blocked(node.inputs[0])
        rows, row_tiles = out.tiles.rows(x.h, x.w, x.n * x.blocks, BLOCK)
        tiles = x.n * x.blocks * row_tiles
        found = out.scratch((2, tiles)), tiles
        out.step("range_of_blocked", tiles, dict(
            x=x.ref(), parts=found[0].ref(), c=x.c, h=x.h, w=x.w, xn=x.ns, xb=x.bs, xr=x.rs, row_tiles=row_tiles,
            rows=rows))
    elif found is None:
        x = out.contiguous(node.inputs[0])
        n = prod(x.shape)
        found = range_of(out, x, n, *out.tiles.sums(n, 1))
    parts, count = found
    scale, zero = (out.plain(name).ref() if name else out.scratch((1,), dtype).ref()
                   for name, dtype in zip(node.outputs, (F32, U8)))
    out.step("dynamic_scale", 1, dict(parts=parts.ref(), scale=scale, zero=zero, count=count))
