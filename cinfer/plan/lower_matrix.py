"""Gemm and MatMul -> steps, row-major. A constant matrix is packed once, or read in place for a few rows."""
from __future__ import annotations

from math import prod

import numpy as np

from .epilogue import Epilogue, epilogue, epilogue_params
from .planner import Planner, Rule
from .steps import F32, Declined
from .views import BLOCK, Plain, Ref

FEW_ROWS = 2                    # so many rows or fewer: the weights are read in place, they are the cost


def split(p: Planner, batch: int, m: int, n: int) -> dict:
    """Tiles of a matrix product: rows first, then columns in whole register tiles."""
    width = p.table.gemm_n
    wanted = -(-p.tiles_wanted() // batch)
    row_tiles = max(1, min(wanted, m // 48))
    rows = -(-m // row_tiles)
    row_tiles = -(-m // rows)
    col_tiles = max(1, min(-(-wanted // row_tiles), n // (2 * width)))
    cols = -(-(-(-n // col_tiles)) // width) * width
    return dict(rows=rows, row_tiles=row_tiles, cols=cols, col_tiles=-(-n // cols))


def tiles(batch: int, s: dict) -> int:
    return batch * s["row_tiles"] * s["col_tiles"]


def copy_room(k: int) -> int:
    """Bytes in which a tile copies its rows to blocks of 16 columns (_ops/gemm.h)."""
    return max(1 << 18, 896 * -(-k // 16))


def matrix_vector(p: Planner, x: Ref, ldx: int, y: Ref, ldy: int, m: int, n: int, k: int, w: np.ndarray,
                  strides, e: Epilogue, scale: float = 1.0) -> None:
    """y[m, n] = act(scale * x[m, k] w + bias), w read in place; strides : over (n, k) in w, one of them 1"""
    view = p.array(np.ascontiguousarray(w, np.float32))
    cols = max(1, -(-n // max(1, min(p.tiles_wanted(), n * k // (1 << 15)))))
    cols = -(-cols // BLOCK) * BLOCK
    p.emit("gemv", -(-n // cols), flops=2 * m * n * k, x=x, w=view.ref(), y=y, m=m, n=n, k=k, ldx=ldx,
           ldy=ldy, sn=strides[0], sk=strides[1], scale=scale, cols=cols, **epilogue_params(p, e))


def lower_matmul(p: Planner, node) -> None:
    a, b, y = (p.spec(n) for n in (*node.inputs[:2], node.outputs[0]))
    if a.dtype != F32 or a.ndim < 1 or b.ndim < 2 or prod(y.shape) == 0 or a.shape[-1] == 0:
        raise Declined
    alpha = float(node.attributes.get("alpha", 1.0))        # of FusedMatMul
    if any(node.attributes.get(name) for name in ("transA", "transB", "transBatchA", "transBatchB")):
        raise Declined
    if b.value is not None and b.ndim == 2 and a.ndim >= 2:
        return constant_matrix(p, node, node.inputs[0], b.value, (1, b.shape[1]), *b.shape, scale=alpha)
    if a.ndim < 2:
        raise Declined
    batched(p, node, alpha)


def lower_gemm(p: Planner, node) -> None:
    get = node.attributes.get
    a, b, y = (p.spec(n) for n in (*node.inputs[:2], node.outputs[0]))
    c = node.inputs[2] if len(node.inputs) > 2 else ""
    if a.dtype != F32 or b.value is None or get("transA", 0) or prod(y.shape) == 0 or a.shape[1] == 0:
        raise Declined
    n = y.shape[1]
    bias = None
    if c:
        value = p.constant(c)
        if value is None or not (value.size == 1 or value.size == n == value.shape[-1]):
            raise Declined
        bias = np.broadcast_to(value.reshape(-1), (n,)) * np.float32(get("beta", 1.0))
    k = a.shape[1]
    strides = (k, 1) if get("transB", 0) else (1, n)
    constant_matrix(p, node, node.inputs[0], b.value, strides, k, n, bias, float(get("alpha", 1.0)))


def constant_matrix(p: Planner, node, a_name, w, strides, k, n, bias=None, scale=1.0) -> None:
    """y = act(scale * a w + bias + residual); a : [..., k], w : constant, with these strides over (n, k)"""
    shape = p.spec(a_name).shape
    m = prod(shape[:-1])
    e = epilogue(p, node.outputs[0], bias, columns=n, residual=m > FEW_ROWS, slope=False)
    a = p.plain(a_name)
    rows = a.reshaped((m, k))
    if rows is None or (k > 1 and rows.strides[1] != 1):
        rows = p.plain(a_name, contiguous=True).reshaped((m, k))
    if m <= FEW_ROWS:
        y = p.new_plain(e.name)
        return matrix_vector(p, rows.ref(), rows.strides[0], y.ref(), n, m, n, k, w, strides, e, scale)
    residual = p.plain(e.residual, contiguous=True) if e.residual else None
    y = p.new_plain(e.name)
    packed_n = -(-n // BLOCK) * BLOCK
    packed = p.pack("pack_gemm", w, k * packed_n, -(-n // p.table.gemm_n), ("matrix", strides), batch0=1,
                    batch1=1, k=k, n=n, sn=strides[0], sk=strides[1])
    s = split(p, 1, m, n)
    p.emit("gemm", tiles(1, s), flops=2 * m * n * k, a=rows.ref(), w=packed,
           res=residual.ref() if residual else None, ldr=n, y=y.ref(), batch0=1, batch1=1, m=m, n=n, k=k,
           lda=rows.strides[0], ldy=n, scale=scale, scratch=copy_room(k), scratch_bytes=copy_room(k),
           **s, **epilogue_params(p, e))


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


def batched(p: Planner, node, scale: float) -> None:
    """A product of two values: the right one is packed during the run, by tiles of columns."""
    a_name, b_name = node.inputs[:2]
    y_shape = p.spec(node.outputs[0]).shape
    batch, (m, n), k = y_shape[:-2], y_shape[-2:], p.spec(a_name).shape[-1]
    a, b = p.plain(a_name), p.plain(b_name)
    if k > 1 and a.strides[-1] != 1 or two_batch_axes(a, batch) is None:
        a = p.plain(a_name, contiguous=True)
    if two_batch_axes(b, batch) is None:
        b = p.plain(b_name, contiguous=True)
    if two_batch_axes(a, batch) is None or two_batch_axes(b, batch) is None:
        raise Declined                          # batches broadcast in more axes than two
    (a0, a1), (w0, w1) = (two_batch_axes(view, batch) for view in (a, b))
    batch0, batch1 = two_batch_sizes(batch)
    packed_n = -(-n // BLOCK) * BLOCK
    each0, each1 = (batch0 if w0 else 1), (batch1 if w1 else 1)
    packed = p.scratch((each0, each1, k, packed_n))
    p.emit("pack_gemm", each0 * each1 * -(-n // p.table.gemm_n), w=b.ref(), y=packed.ref(), batch0=each0,
           batch1=each1, k=k, n=n, sk=b.strides[-2], sn=b.strides[-1], w0=w0, w1=w1)
    e = epilogue(p, node.outputs[0], columns=n, slope=False)
    y = p.new_plain(e.name, transposed_order(p, e.name))
    y0, y1 = two_batch_axes(y, batch) or (None, None)
    if y0 is None or y.strides[-1] != 1:
        y = p.new_plain(e.name)
        y0, y1 = two_batch_axes(y, batch)
    s = split(p, batch0 * batch1, m, n)
    p.emit("gemm", tiles(batch0 * batch1, s), flops=2 * batch0 * batch1 * m * n * k, a=a.ref(),
           w=packed.ref(), y=y.ref(), batch0=batch0, batch1=batch1, m=m, n=n, k=k, lda=a.strides[-2],
           ldy=y.strides[-2], a0=a0, a1=a1, w0=k * packed_n * each1 if w0 else 0,
           w1=k * packed_n if w1 else 0, y0=y0, y1=y1, scale=scale, scratch=copy_room(k),
           scratch_bytes=copy_room(k), **s, **epilogue_params(p, e))


def transposed_order(p: Planner, name: str):
    """The order of axes in memory for which a following Transpose is free (heads side by side), or None."""
    user = p.sole_consumer(name)
    if user is None or user.op_type != "Transpose" or user.domain:
        return None
    perm = tuple(user.attributes.get("perm") or range(p.spec(name).ndim)[::-1])
    return perm if perm[-1] == len(perm) - 1 else None


RULES = {"MatMul": Rule(lower_matmul), "Gemm": Rule(lower_gemm),
         "com.microsoft.FusedMatMul": Rule(lower_matmul)}
