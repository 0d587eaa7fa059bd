"""MatMulInteger, QLinearMatMul, QGemm -> `gemm_u8`: products of bytes, exact in int32, which go on as such, in float32
or as bytes. A constant matrix is packed once."""
from __future__ import annotations

from functools import partial
from math import prod

import numpy as np

from ...ops.families import MICROSOFT, OWN_DOMAIN
from ..candidate import CONTIGUOUS, RESHAPE, RESIDUAL, ROW, UNARY, Candidate, kernel
from ..epilogue import NONE, activation_params
from ..store import constant
from ..views import F32, Plain, Ref
from .activations import activation_of
from .matmul import batched_layouts, batched_order, divided, rows_layout, rows_of, two_batch_axes, two_batch_sizes

BYTES = ("uint8", "int8")
I32 = np.dtype(np.int32)
MOST_TERMS = 1 << 15            # whose sum int32 holds
TO_INT32, TO_REAL, TO_BYTE = range(3)           # gemm_u8.h
ROOM = 1 << 17                  # bytes of copied rows, a part of L2
FEW_ROWS = 4                    # for so many, it is reading the constant matrix that takes the time


class Product:
    """(a - a_zero) (b - b_zero), and what becomes of it. Names of values, "" where there is none.

    turned : whether b is given as [n][k]; to : TO_INT32, TO_REAL or TO_BYTE
    scale, by : of TO_REAL, the names of a value of one number or one for each column, and of a number that it is
        multiplied by; offset : a constant row of int32
    multipliers : of TO_BYTE, a function of what `constant` of values gives that gives them in float32
    bias : of TO_BYTE, the name of a constant; y_zero, slope : likewise
    """
    __slots__ = ("group", "a", "b", "a_zero", "b_zero", "turned", "to", "scale", "by", "offset", "multipliers", "parts",
                 "bias", "y_zero", "slope")

    def __init__(self, group, a, b, a_zero="", b_zero="", *, turned=False, to=TO_INT32, scale="", by="",
                 offset="", multipliers=None, parts=(), bias="", y_zero="", slope=""):
        self.group, self.a, self.b, self.a_zero, self.b_zero, self.turned = group, a, b, a_zero, b_zero, turned
        self.to, self.scale, self.by, self.offset, self.multipliers = to, scale, by, offset, multipliers
        self.parts, self.bias, self.y_zero, self.slope = parts, bias, y_zero, slope


def inputs_of(node, count: int) -> list[str]:
    return node.inputs + [""] * (count - len(node.inputs))


@kernel("MatMulInteger")
def matmul_integer(group, values):
    return product(Product(group, *inputs_of(group.node, 4)), values)


@kernel("ScaledMatMulInteger", domain=OWN_DOMAIN, takes=(ROW, RESIDUAL, UNARY, RESHAPE))
def scaled_matmul_integer(group, values):
    a, b, scale, a_zero, b_zero, by, offset = inputs_of(group.node, 7)
    if values.fact(scale).dtype != F32:
        return ()
    return product(Product(group, a, b, a_zero, b_zero, to=TO_REAL, scale=scale, by=by, offset=offset), values)


@kernel("QLinearMatMul")
def qlinear_matmul(group, values):
    a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero = group.node.inputs
    return product(Product(group, a, b, a_zero, b_zero, to=TO_BYTE, y_zero=y_zero, parts=(a_scale, b_scale, y_scale),
                           multipliers=lambda a, b, y: a * b / y), values)


@kernel("QGemm", domain=MICROSOFT, attributes="alpha transB")
def qgemm(group, values):
    node = group.node
    a, a_scale, a_zero, b, b_scale, b_zero, c, y_scale, y_zero = inputs_of(node, 9)
    alpha = np.float32(node.attributes.get("alpha", 1.0))
    n = values.shape(node.outputs[0])[-1]
    if not y_scale or c and not (values.constant(c) is not None and values.constant(c).dtype == I32
                                 and values.constant(c).size == values.constant(c).shape[-1] == n):
        return ()
    return product(Product(group, a, b, a_zero, b_zero, turned=bool(node.attributes.get("transB", 0)), to=TO_BYTE,
                           bias=c, y_zero=y_zero, parts=(a_scale, b_scale, y_scale),
                           multipliers=lambda a, b, y: a * b * alpha / y), values)


@kernel("QGemm", domain=OWN_DOMAIN, attributes="activation alpha beta")
def qgemm_activated(group, values):
    a, a_scale, a_zero, b, b_scale, b_zero, c, y_scale, y_zero, slope = inputs_of(group.node, 10)
    constants = [values.constant(name) for name in (c, slope) if name]
    if any(each is None for each in constants) or constants[0].dtype != I32:
        return ()
    divided = not group.node.attributes.get("activation")       # by the scale of y: else that is done behind it
    return product(Product(group, a, b, a_zero, b_zero, to=TO_BYTE, bias=c, y_zero=y_zero,
                           parts=(a_scale, b_scale, y_scale), slope=slope,
                           multipliers=lambda a, b, y: a * b / y if divided else a * b), values)


def product(x: Product, values) -> tuple[Candidate, ...]:
    a, b, y = values.fact(x.a), values.fact(x.b), values.fact(x.group.node.outputs[0])
    if a.dtype.name not in BYTES or b.dtype.name not in BYTES or b.ndim < 2 or prod(y.shape) == 0 \
            or not 0 < a.shape[-1] <= MOST_TERMS:
        return ()
    n = y.shape[-1]
    late = [name for name in (x.a_zero, x.b_zero, x.scale, x.by) if name]
    if x.a_zero and not is_single(values.shape(x.a_zero)) or any(
            not is_single(values.shape(name)) and values.shape(name) != (n,) for name in (x.b_zero, x.scale) if name):
        return ()
    if x.to == TO_BYTE:
        found = [values.constant(name) for name in (*x.parts, x.y_zero)]
        if any(each is None for each in found) or found[3].dtype.name not in BYTES or any(
                each.dtype != F32 for each in found[:3]) or not found[0].size == found[2].size == found[3].size == 1 \
                or not is_single(found[1].shape) and found[1].shape != (n,):
            return ()
    reads = [(name, CONTIGUOUS) for name in late if values.constant(name) is None]
    if b.value is not None and b.ndim == 2 and (not x.b_zero or values.constant(x.b_zero) is not None):
        return of_constant(x, values, reads)
    return of_two(x, values, reads)


def is_single(shape) -> bool:
    return shape in ((), (1,))


def of_constant(x: Product, values, reads) -> tuple[Candidate, ...]:
    """A product with a matrix that is packed once."""
    residual, shape = x.group.epilogue.residual, values.shape(x.a)
    layout = rows_layout(values, x.a, prod(shape[:-1]), shape[-1])
    reads = [(x.a, layout), *reads, *([(residual, CONTIGUOUS)] if residual else ())]
    return (Candidate(lambda out: emit_constant(out, x), reads),)


def emit_constant(out, x: Product) -> None:
    shape, residual = out.shape(x.a), x.group.epilogue.residual
    m, k, n = prod(shape[:-1]), shape[-1], out.shape(x.group.node.outputs[0])[-1]
    rows, y = rows_of(out, x.a, m, k), out.plain(x.group.output)
    more = dict(res=out.contiguous(residual).ref(), ldr=n) if residual else {}
    multiply(out, x, rows, packed_once(out, x, m, k, n), y, m=m, n=n, k=k, batch0=1, batch1=1, lda=rows.strides[0],
             ldy=n, **more)


def packed_once(out, x: Product, m: int, k: int, n: int) -> Ref:
    """The constant matrix, packed for m rows."""
    few = int(type(m) is int and m <= FEW_ROWS)
    arrays = tuple(out.constant(name) for name in (x.b, x.b_zero) if name)
    b, zero = (*(constant(np.ascontiguousarray(array)) for array in arrays), None)[:2]
    return out.store.made_by("pack_gemm_u8", (x.b, x.b_zero, x.turned, k, n, few), arrays, dict(
        packing(x, b.dtype, arrays[-1].size if zero else 1, k if x.turned else 1, 1 if x.turned else n), w=b.ref(),
        w_zero=zero and zero.ref(), batch0=1, batch1=1, k=k, n=n, few=few))


def packing(x: Product, dtype, zeros: int, sn: int, sk: int) -> dict:
    return dict(zeros=int(zeros > 1), flip=flip(dtype), sn=sn, sk=sk)


def flip(dtype) -> int:
    """What makes the bytes unsigned."""
    return 128 if dtype.name == "int8" else 0


def panel_words(tiles, k: int, table) -> int:
    """Words of 4 bytes that a packed panel has."""
    return table.panel_u8(k)


def room_of(tiles, k: int, table) -> int:
    """Bytes to which a tile copies rows."""
    return max(ROOM, table.room_u8(k))


def multiply(out, x: Product, a: Plain, packed: Ref, y: Plain, *, m, n, k, batch0, batch1, **more) -> None:
    split = divided(out, batch0 * batch1, m, n, k)
    room = out.tiles.ask(partial(room_of, table=out.table), 1, k)
    tiles = batch0 * batch1 * split["row_tiles"] * split["col_tiles"]
    if x.to == TO_REAL:
        more |= out.ranged(x.group.output, tiles)
    out.step("gemm_u8", tiles, dict(
        a=a.ref(), a_zero=number(out, x.a_zero), w=packed, y=y.ref(), m=m, n=n, k=k, batch0=batch0, batch1=batch1,
        flip=flip(a.dtype), to=x.to, scratch_bytes=room, **finishing(out, x, n), **split, **more),
        flops=2 * batch0 * batch1 * m * n * k)


def number(out, name: str) -> Ref | None:
    """A value of few numbers, known ahead or not."""
    if not name:
        return None
    value = out.constant(name)
    return out.contiguous(name).ref() if value is None else out.store.array(name, value).ref()


def finishing(out, x: Product, n: int) -> dict:
    """What becomes of the sums."""
    e = x.group.epilogue
    if x.to == TO_REAL:
        row = out.store.array(e.row, out.constant(e.row)).ref() if e.row else None
        return dict(scale=number(out, x.scale), each=int(prod(out.shape(x.scale)) > 1), by=number(out, x.by), bias=row,
                    offset=number(out, x.offset), **activation_params(out, e))
    if x.to == TO_INT32:
        return {}
    parts = tuple(out.constant(name) for name in x.parts)
    scale = out.store.once(("multipliers", *x.parts, x.group.node.op_type), parts, lambda: constant(
        np.asarray(x.multipliers(*parts), np.float32).reshape(-1)))
    bias = out.store.array(x.bias, out.constant(x.bias)).ref() if x.bias else None
    zero = out.constant(x.y_zero)
    limits = np.iinfo(zero.dtype)
    return dict(scale=scale.ref(), each=int(prod(scale.shape) > 1), bias=bias, zero=zero.item(), lo=limits.min,
                hi=limits.max, **before_rounding(out, x))


def before_rounding(out, x: Product) -> dict:
    """What is done to what becomes a byte."""
    if x.slope:
        slope = out.store.array(x.slope, out.constant(x.slope)).ref()
        return dict(act=out.table.unary["prelu"], slope=slope)
    unary = activation_of(x.group.node)
    if unary is NONE:
        return {}
    return dict(act=out.table.unary[unary.op], alpha=unary.alpha, beta=unary.beta, step=out.constant(x.parts[2]).item())


def of_two(x: Product, values, reads) -> tuple[Candidate, ...]:
    """A product whose right matrix is packed during the run, by panels."""
    shape = values.shape(x.group.node.outputs[0])
    if x.turned or x.group.epilogue.residual or values.shape(x.group.output) != shape:
        return ()
    layouts = batched_layouts(values, x.a, x.b, shape[:-2]) if values.fact(x.a).ndim > 1 else None
    if layouts is None:
        return ()
    return (Candidate(lambda out: emit_two(out, x, *layouts), [*zip((x.a, x.b), layouts), *reads],
                      order=batched_order(x.group, values)),)


def emit_two(out, x: Product, a_layout, b_layout) -> None:
    a, b = (out.contiguous(name) if layout is CONTIGUOUS else out.plain(name)
            for name, layout in ((x.a, a_layout), (x.b, b_layout)))
    y = out.plain(x.group.output)
    batch, (m, n), k = y.shape[:-2], y.shape[-2:], a.shape[-1]
    (a0, a1), (w0, w1), (y0, y1) = (two_batch_axes(view, batch) for view in (a, b, y))
    batch0, batch1 = two_batch_sizes(batch)
    each0, each1 = (batch0 if w0 else 1), (batch1 if w1 else 1)
    panels, words = -(-n // out.table.gemm_n), out.tiles.ask(partial(panel_words, table=out.table), 1, k)
    packed = out.scratch((each0, each1, panels, words))
    zeros = prod(out.shape(x.b_zero)) if x.b_zero else 1
    out.step("pack_gemm_u8", each0 * each1 * panels, dict(
        w=b.ref(), w_zero=number(out, x.b_zero), y=packed.ref(), batch0=each0, batch1=each1, k=k, n=n, w0=w0, w1=w1,
        **packing(x, b.dtype, zeros, b.strides[-1], b.strides[-2])))
    multiply(out, x, a, packed.ref(), y, m=m, n=n, k=k, batch0=batch0, batch1=batch1, lda=a.strides[-2],
             ldy=y.strides[-2], a0=a0, a1=a1, y0=y0, y1=y1, w0=panels * words * each1 if w0 else 0,
             w1=panels * words if w1 else 0)
