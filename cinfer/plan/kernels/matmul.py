"""Gemm and MatMul -> steps, row-major. A constant matrix is packed once, or read in place for a few rows."""
from __future__ import annotations

from math import prod

import numpy as np

from ...ops.families import MICROSOFT, OWN_DOMAIN
from ..candidate import CONTIGUOUS, PLAIN, RESIDUAL, ROW, UNARY, Candidate, kernel
from ..epilogue import epilogue_params
from ..store import channel_vector
from ..tiles import MOST_MOVED
from ..views import F32, Plain, Ref, round_up, row_major
from . import bf16, s16

FEW_ROWS = 2                    # so many rows or fewer: the weights are read in place, they are the cost
LEAST_ROWS = 48                 # of a tile
LEAST_WEIGHTS = 1 << 15         # that a tile reads in place


class Matrix:
    """y = act(scale * a w + bias + residual). w : constant, called `w_name`; strides : over (n, k) in it"""
    __slots__ = ("group", "a", "n", "k", "w", "w_name", "strides", "bias", "beta", "scale")

    def __init__(self, group, values, w_name, strides, k, n, scale, bias="", beta=1.0):
        self.group, self.a, self.n, self.k = group, group.node.inputs[0], n, k
        self.w, self.w_name, self.strides = values.constant(w_name), w_name, strides
        self.bias, self.beta, self.scale = bias, beta, scale

    def rows(self, values) -> int:
        """values : Values or Emitter"""
        return prod(values.shape(self.a)[:-1])


def takes_row(is_free: bool):
    """What goes into the step of a product. is_free : it has no bias yet, so a row may become one"""
    return (ROW, RESIDUAL, UNARY) if is_free else (RESIDUAL, UNARY)


def matmul_takes(node):
    return takes_row(True)


def gemm_takes(node):
    return takes_row(not (len(node.inputs) > 2 and node.inputs[2]))


@kernel("FusedMatMul", domain=MICROSOFT, attributes="alpha", takes=matmul_takes)
@kernel("GridMatMul", domain=OWN_DOMAIN, takes=matmul_takes)
@kernel("MatMul", takes=matmul_takes)
def matmul(group, values):
    node = group.node
    a, b, y = (values.fact(name) for name in (*node.inputs[:2], node.outputs[0]))
    if a.dtype != F32 or a.ndim < 1 or b.ndim < 2 or prod(y.shape) == 0 or a.shape[-1] == 0:
        return ()
    scale = float(node.attributes.get("alpha", 1.0))            # of FusedMatMul
    if b.value is not None and b.ndim == 2 and a.ndim >= 2:
        k, n = b.value.shape
        return constant_matrix(Matrix(group, values, node.inputs[1], (1, n), k, n, scale), values)
    return batched(group, values, scale) if a.ndim >= 2 else ()


@kernel("GridGemm", domain=OWN_DOMAIN, attributes="alpha beta transB", takes=gemm_takes)
@kernel("Gemm", attributes="alpha beta transB broadcast", takes=gemm_takes)
def gemm(group, values):
    node, get = group.node, group.node.attributes.get
    a, b, y = (values.fact(name) for name in (*node.inputs[:2], node.outputs[0]))
    c = node.inputs[2] if len(node.inputs) > 2 else ""
    if a.dtype != F32 or b.value is None or prod(y.shape) == 0 or a.shape[1] == 0:
        return ()
    k, n = b.value.shape[::-1] if get("transB", 0) else b.value.shape
    if c:
        value = values.constant(c)
        if value is None or not (value.size == 1 or value.size == n == value.shape[-1]):
            return ()
    strides = (k, 1) if get("transB", 0) else (1, n)
    return constant_matrix(Matrix(group, values, node.inputs[1], strides, k, n, float(get("alpha", 1.0)), c,
                                  float(get("beta", 1.0))), values)


def constant_matrix(x: Matrix, values) -> tuple[Candidate, ...]:
    residual = x.group.epilogue.residual
    m = x.rows(values)
    layout = rows_layout(values, x.a, m, x.k)
    if m <= FEW_ROWS:
        return () if residual else (Candidate(lambda out: emit_few_rows(out, x), ((x.a, layout),)),)
    reads = ((x.a, layout), (residual, CONTIGUOUS)) if residual else ((x.a, layout),)
    store = values.store
    found = [Candidate(lambda out: emit_packed(out, x), reads,
                       cost_ns=lambda values: bf16.float_cost(x.k, x.n, x.rows(values)))]
    if store.bf16_rate and bf16.fits(x.k):
        found.append(Candidate(lambda out: emit_bf16(out, x), reads, cost_ns=lambda values: bf16.cost(
            store, 1, x.k, x.n, x.rows(values), x.k * x.rows(values))))
    grid = s16.grid_of(x.group.node, values)
    if grid is not None and values.table.s16_rate and bf16.strip_fits(x.k):
        found.append(Candidate(lambda out: emit_s16(out, x, grid), reads, cost_ns=lambda values: s16.cost(
            store, 1, x.k, x.n, x.rows(values), x.k * x.rows(values))))
    return tuple(found)


def rows_layout(values, name: str, m: int, k: int) -> str:
    """How a value is to be read, so that it is [m][k], each row in one piece."""
    rows = values.plain(name).reshaped((m, k))
    return PLAIN if rows is not None and (k == 1 or rows.strides[1] == 1) else CONTIGUOUS


def rows_of(out, name: str, m: int, k: int) -> Plain:
    """The value as [m][k], each row in one piece."""
    rows = out.plain(name).reshaped((m, k))
    if rows is None or (k > 1 and rows.strides[1] != 1):
        rows = out.contiguous(name).reshaped((m, k))
    return rows


def bias_ref(out, x: Matrix) -> Ref | None:
    """The bias of a Gemm, times beta, or the row that the epilogue adds."""
    name = x.bias or x.group.epilogue.row
    if not name:
        return None
    value = out.constant(name)
    return out.store.once(("bias", name, x.n, x.beta), value, lambda: channel_vector(
        np.broadcast_to(value.reshape(-1), (x.n,)) * np.float32(x.beta)))


def emit_few_rows(out, x: Matrix) -> None:
    m = x.rows(out)
    rows, y = rows_of(out, x.a, m, x.k), out.plain(x.group.output)
    vector_product(out, x.w, x.w_name, x.strides, x=rows.ref(), ldx=rows.strides[0], y=y.ref(), ldy=x.n, m=m,
                   n=x.n, k=x.k, scale=x.scale, **epilogue_params(out, x.group.epilogue, bias_ref(out, x)))


def vector_product(out, w, w_name: str, strides, *, exact: bool = False, **params) -> None:
    """y[m][n] = act(scale * x[m][k] w + bias), w read in place; strides : over (n, k) in w, one of them 1

    exact : whether w is of float32 whatever was asked for
    """
    if out.store.bf16_rate and not exact:
        weights = bf16.in_place(out, w_name, w)
    else:
        weights = dict(w=out.store.matrix(w_name, w).ref())
    gemv(out, weights, strides, **params)


def gemv(out, weights: dict, strides, *, m, n, k, **params) -> None:
    """vector_product with weights of any type. weights : the parameters that say where and what they are"""
    cols = max(1, -(-n // max(1, min(out.tiles.enough(n * k, MOST_MOVED), n * k // LEAST_WEIGHTS))))
    cols = round_up(cols)
    out.step("gemv", -(-n // cols), dict(
        weights, m=m, n=n, k=k, sn=strides[0], sk=strides[1], cols=cols, **params), flops=2 * m * n * k)


def emit_packed(out, x: Matrix) -> None:
    e, m = x.group.epilogue, x.rows(out)
    residual = out.contiguous(e.residual).ref() if e.residual else None
    packed_product(out, x.w, x.w_name, x.strides, rows_of(out, x.a, m, x.k), out.plain(x.group.output).ref(), x.n,
                   res=residual, ldr=x.n, scale=x.scale, **epilogue_params(out, e, bias_ref(out, x)))


def emit_bf16(out, x: Matrix) -> None:
    """emit_packed in bfloat16."""
    e, m = x.group.epilogue, x.rows(out)
    residual = out.contiguous(e.residual).ref() if e.residual else None
    rows, split = rows_of(out, x.a, m, x.k), divided(out, 1, m, x.n, x.k)
    out.step("gemm_bf16", split["row_tiles"] * split["col_tiles"], dict(
        a=rows.ref(), w=bf16.packed(out, x.w_name, x.w, x.n, x.k, x.strides), y=out.plain(x.group.output).ref(),
        batch0=1, batch1=1, m=m, n=x.n, k=x.k, lda=rows.strides[0], ldy=x.n, res=residual, ldr=x.n, scale=x.scale,
        **split, **epilogue_params(out, e, bias_ref(out, x))), flops=2 * m * x.n * x.k)


def emit_s16(out, x: Matrix, grid) -> None:
    """emit_packed with sums of integers."""
    e, m, node = x.group.epilogue, x.rows(out), x.group.node
    residual = out.contiguous(e.residual).ref() if e.residual else None
    rows, split = rows_of(out, x.a, m, x.k), divided(out, 1, m, x.n, x.k)
    w = s16.packed(out, node, grid, x.n, x.k, x.strides)
    out.step("gemm_s16", split["row_tiles"] * split["col_tiles"], dict(
        a=rows.ref(), w=w, y=out.plain(x.group.output).ref(), m=m, n=x.n, k=x.k, lda=rows.strides[0], ldy=x.n,
        res=residual, ldr=x.n, scale=x.scale, zero=grid.zero, inverse=grid.inverse, **split,
        **epilogue_params(out, e, bias_ref(out, x))), flops=2 * m * x.n * x.k)


def packed_product(out, w, w_name: str, strides, rows: Plain, y: Ref, n: int, **params) -> None:
    """y[m][n] = act(scale * rows[m][k] w + bias + res); strides : over (n, k) in w, which is packed once"""
    k = rows.shape[1]
    packed = out.store.packed("pack_gemm", w_name, w, batch0=1, batch1=1, k=k, n=n, sn=strides[0], sk=strides[1])
    multiply_packed(out, packed, rows, y, n, **params)


def multiply_packed(out, packed: Ref, rows: Plain, y: Ref, n: int, **params) -> None:
    """packed_product with weights that are packed."""
    m, k = rows.shape
    split = divided(out, 1, m, n, k)
    out.step("gemm", split["row_tiles"] * split["col_tiles"], dict(
        a=rows.ref(), w=packed, y=y, batch0=1, batch1=1, m=m, n=n, k=k, lda=rows.strides[0], ldy=n,
        **split, **params), flops=2 * m * n * k)


def divided(out, batch: int, m: int, n: int, k: int) -> dict:
    """Tiles of a matrix product: rows first, then columns in whole register tiles."""
    found = out.tiles.ask(tiles_of, 4, batch, m, n, k, out.table.gemm_n)
    return dict(zip(("rows", "row_tiles", "cols", "col_tiles"), found))


def tiles_of(tiles, batch: int, m: int, n: int, k: int, width: int) -> tuple[int, int, int, int]:
    wanted = -(-tiles.enough(batch * m * n * k) // batch)
    row_tiles = max(1, min(wanted, m // LEAST_ROWS))
    rows = -(-m // row_tiles)
    row_tiles = -(-m // rows)
    col_tiles = max(1, min(-(-wanted // row_tiles), n // (2 * width)))
    cols = -(-(-(-n // col_tiles)) // width) * width
    return rows, row_tiles, cols, -(-n // cols)


# ---- products of two values

def two_batch_axes(view: Plain, batch) -> tuple[int, int] | None:
    """Strides over the batch as two axes (broadcast axes step 0); None when it needs more axes."""
    lead = view.shape[:-2]
    lead_strides = view.strides[:-2]
    strides = [0] * (len(batch) - len(lead)) + [0 if d == 1 else s for d, s in zip(lead, lead_strides)]
    axes = [(d, s) for d, s in zip(batch, strides) if d != 1]
    while len(axes) > 2:
        (d0, s0), (d1, s1) = axes[:2]
        if s0 != d1 * s1:
            return None
        axes[:2] = [(d0 * d1, s1)]
    return tuple(s for _, s in [(1, 0)] * (2 - len(axes)) + axes)


def two_batch_sizes(batch) -> tuple[int, int]:
    sizes = [d for d in batch if d != 1]
    return (prod(sizes[:-1]), sizes[-1]) if sizes else (1, 1)


def row_major_like(shape, dtype) -> Plain:
    return Plain(None, 0, shape, row_major(shape), dtype)


def batched(group, values, scale: float) -> tuple[Candidate, ...]:
    """A product of two values: the right one is packed during the run, by tiles of columns."""
    if group.epilogue.residual:
        return ()
    a_name, b_name = group.node.inputs[:2]
    layouts = batched_layouts(values, a_name, b_name, values.shape(group.node.outputs[0])[:-2])
    if layouts is None:
        return ()
    reads, order, store = tuple(zip((a_name, b_name), layouts)), batched_order(group, values), values.store
    if not store.bf16_rate or not bf16.fits(values.shape(a_name)[-1]):
        return (Candidate(lambda out: emit_batched(out, group, scale, *layouts), reads, order=order),)

    def sizes(values):
        y = values.shape(group.node.outputs[0])
        return prod(y[:-2]), *y[-2:], values.shape(a_name)[-1]

    def of_floats(values):
        batch, m, n, k = sizes(values)
        return batch * bf16.float_cost(k, n, m, 0)

    def of_bf16(values):
        batch, m, n, k = sizes(values)
        return batch * bf16.cost(store, 1, k, n, m, k * m, 0)

    return (Candidate(lambda out: emit_batched(out, group, scale, *layouts), reads, order=order, cost_ns=of_floats),
            Candidate(lambda out: emit_batched(out, group, scale, *layouts, True), reads, order=order,
                      cost_ns=of_bf16))


def packed_value(out, w, batch, of_bf16: bool, beside: bool = False) -> tuple:
    """(the matrices [k][n] of a value, packed in each run; the distances of the batches in floats, 0: the same for all)

    w : a plain view with up to two axes of batch"""
    (batch0, batch1), (w0, w1), (k, n) = two_batch_sizes(batch), two_batch_axes(w, batch), w.shape[-2:]
    sk, sn = w.strides[-2:]
    floats = round_up(n) * (bf16.filled(out.table, 1, k) // 2 if of_bf16 else k)
    batches = dict(batch0=batch0 if w0 else 1, batch1=batch1 if w1 else 1, w0=w0, w1=w1)
    y = out.scratch((batches["batch0"], batches["batch1"], floats)).ref()
    sizes = dict(oc=n, ic=k, kd=1, kh=1, kw=1, so=sn, sk=sk, goc=0) if of_bf16 else dict(k=k, n=n, sk=sk, sn=sn)
    out.step("pack_bf16" if of_bf16 else "pack_gemm",
             batches["batch0"] * batches["batch1"] * -(-n // out.table.gemm_n),
             dict(w=w.ref(), y=y, **sizes, **batches), beside=beside)
    return y, floats * batches["batch1"] if w0 else 0, floats if w1 else 0


def batched_layouts(values, a_name: str, b_name: str, batch) -> tuple[str, str] | None:
    """How the two values of a product are read, of which the right one is packed during the run; None where batches
    broadcast in more axes than two."""
    a, b = values.plain(a_name), values.plain(b_name)
    a_layout = b_layout = PLAIN
    if a.strides[-1] != 1 and a.shape[-1] > 1 or two_batch_axes(a, batch) is None:
        a_layout, a = CONTIGUOUS, row_major_like(a.shape, a.dtype)
    if two_batch_axes(b, batch) is None:
        b_layout, b = CONTIGUOUS, row_major_like(b.shape, b.dtype)
    if two_batch_axes(a, batch) is None or two_batch_axes(b, batch) is None:
        return None
    return a_layout, b_layout


def batched_order(group, values):
    """The order of axes in memory in which such a product is best written, or None."""
    order = transposed_order(values, group.output)
    fits = order is not None and fits_order(values.shape(group.output), order, values.shape(group.node.outputs[0])[:-2])
    return order if fits else None


def transposed_order(values, name: str):
    """The order of axes in memory for which a following Transpose is free (heads side by side), or None."""
    reader = values.sole_reader(name)
    if reader is None or reader.op_type != "Transpose" or reader.domain:
        return None
    perm = tuple(reader.attributes.get("perm") or range(len(values.shape(name)))[::-1])
    return perm if perm[-1] == len(perm) - 1 else None


def fits_order(shape, order, batch) -> bool:
    """Whether a product can be written with its axes in this order."""
    y = row_major_like([shape[axis] for axis in order], F32)
    y = y.with_(shape, [y.strides[order.index(axis)] for axis in range(len(order))])
    return y.strides[-1] == 1 and two_batch_axes(y, batch) is not None


def emit_batched(out, group, scale: float, a_layout, b_layout, of_bf16: bool = False) -> None:
    e, (a_name, b_name) = group.epilogue, group.node.inputs[:2]
    a, b = (out.contiguous(name) if layout is CONTIGUOUS else out.plain(name)
            for name, layout in ((a_name, a_layout), (b_name, b_layout)))
    y = out.plain(group.output)
    batch, (m, n), k = y.shape[:-2], y.shape[-2:], a.shape[-1]
    (a0, a1), (y0, y1) = (two_batch_axes(view, batch) for view in (a, y))
    batch0, batch1 = two_batch_sizes(batch)
    packed, w0, w1 = packed_value(out, b, batch, of_bf16)
    split = divided(out, batch0 * batch1, m, n, k)
    row = out.store.vector(e.row, out.constant(e.row)) if e.row else None
    out.step("gemm_bf16" if of_bf16 else "gemm", batch0 * batch1 * split["row_tiles"] * split["col_tiles"], dict(
        a=a.ref(), w=packed, y=y.ref(), batch0=batch0, batch1=batch1, m=m, n=n, k=k, lda=a.strides[-2],
        ldy=y.strides[-2], a0=a0, a1=a1, w0=w0, w1=w1, y0=y0, y1=y1, scale=scale, **split,
        **epilogue_params(out, e, row)),
        flops=2 * batch0 * batch1 * m * n * k)
