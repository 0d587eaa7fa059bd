"""FusedAttention -> `attention`, or `attention_bf16`: the scores stay in the scratch of a thread."""
from __future__ import annotations

from math import prod

from ...ops.families import OWN_DOMAIN
from ..candidate import CONTIGUOUS, PLAIN, Candidate, kernel
from ..views import F32, round_up
from . import bf16
from .elementwise import broadcasts
from .matmul import LEAST_ROWS, fits_order, packed_value, transposed_order, two_batch_axes, two_batch_sizes

SCORES = 1 << 16                # floats, a part of L2
FEW_ROWS = 12                   # whole register tiles (_ops/conv_tile.h), or nearly
SMALL = 256                     # rows and columns of scores of which a tile has all, or nearly
ROWS_OF_BF16 = 32               # that are multiplied at a time, or nearly (_ops/attention_bf16.h)


@kernel("FusedAttention", domain=OWN_DOMAIN, attributes="alpha")
def attention(group, values):
    node = group.node
    facts = [values.fact(name) for name in node.inputs]
    (q, k, v, *mask), y = facts, values.fact(node.outputs[0])
    if any(fact.dtype != F32 for fact in facts) or min(q.ndim, k.ndim, v.ndim) < 2 or y.ndim > 4:
        return ()
    m, n, batch = q.shape[-2], k.shape[-1], y.shape[:-2]
    if prod(y.shape) == 0 or prod(q.shape) == 0 or n == 0:
        return ()
    if mask and not broadcasts(mask[0].shape, (*batch, m, n)):
        return ()                               # there are more scores than products
    layouts = [layout(values, name, batch, columns)
               for name, columns in zip(node.inputs, (True, False, False, True))]
    order = transposed_order(values, group.output)
    if order is not None and not fits_order(y.shape, order, batch):
        order = None
    reads, store = tuple(zip(node.inputs, layouts)), values.store
    if not store.bf16_rate or not (bf16.fits(q.shape[-1]) and bf16.fits(n)):
        return (Candidate(lambda out: emit_attention(out, node, layouts), reads, order=order),)

    def of_floats(values):
        m, n, d, dv, batch = sizes(values, node)
        return batch * (bf16.float_cost(d, n, m, 0) + bf16.float_cost(n, dv, m, 0))

    def of_bf16(values):
        m, n, d, dv, batch = sizes(values, node)
        return batch * (bf16.cost(store, 1, d, n, m, d * m, 0) + bf16.cost(store, 1, n, dv, m, n * m, 0))

    return (Candidate(lambda out: emit_attention(out, node, layouts), reads, order=order, cost_ns=of_floats),
            Candidate(lambda out: emit_attention(out, node, layouts, True), reads, order=order, cost_ns=of_bf16))


def sizes(values, node) -> tuple:
    """(rows and columns of the scores, terms of a score, columns of y, how many such there are)"""
    (*_, m, d), n, y = values.shape(node.inputs[0]), values.shape(node.inputs[1])[-1], values.shape(node.outputs[0])
    return m, n, d, y[-1], prod(y[:-2])


def layout(values, name: str, batch, columns: bool) -> str:
    """How to read a value of up to two axes of batch. columns : those are to lie side by side"""
    view = values.plain(name)
    if len(view.shape) >= 2 and two_batch_axes(view, batch) is None \
            or columns and view.shape and view.shape[-1] != 1 and view.strides[-1] != 1:
        return CONTIGUOUS
    return PLAIN


def emit_attention(out, node, layouts, of_bf16: bool = False) -> None:
    q, k, v, *mask = (out.plain(name) if how is PLAIN else out.contiguous(name)
                      for name, how in zip(node.inputs, layouts))
    y = out.plain(node.outputs[0])
    batch, (m, dv), d, n = y.shape[:-2], y.shape[-2:], q.shape[-1], k.shape[-1]
    batch0, batch1 = two_batch_sizes(batch)
    (q0, q1), (y0, y1) = two_batch_axes(q, batch), two_batch_axes(y, batch)
    params = {}
    if mask:
        rows = scores_of(out, mask[0], m, n)
        m0, m1 = two_batch_axes(rows, batch)
        params = dict(mask=rows.ref(), m0=m0, m1=m1, ldm=0 if rows.shape[-2] == 1 else rows.strides[-2])
    if m <= FEW_ROWS or m <= SMALL >= n:
        k_ref, (k0, k1) = k.ref(), two_batch_axes(k, batch)
        v_ref, (v0, v1) = v.ref(), two_batch_axes(v, batch)
        params |= dict(pack=1, kd=k.strides[-2], kn=k.strides[-1], vn=v.strides[-2], vd=v.strides[-1])
    else:
        k_ref, k0, k1 = packed_value(out, k, batch, of_bf16, beside=True)
        v_ref, v0, v1 = packed_value(out, v, batch, of_bf16)
    rows, row_tiles = out.tiles.ask(rows_of_bf16 if of_bf16 else rows_of, 2, batch0 * batch1, m, n, d + dv)
    out.step("attention_bf16" if of_bf16 else "attention", batch0 * batch1 * row_tiles, dict(
        q=q.ref(), k=k_ref, v=v_ref, y=y.ref(), batch0=batch0, batch1=batch1, m=m, n=n, d=d, dv=dv,
        ldq=q.strides[-2], ldy=y.strides[-2], q0=q0, q1=q1, k0=k0, k1=k1, v0=v0, v1=v1, y0=y0, y1=y1,
        scale=float(node.attributes.get("alpha", 1.0)), rows=rows, row_tiles=row_tiles, **params),
        flops=2 * batch0 * batch1 * m * n * (d + dv))


def scores_of(out, mask, m: int, n: int):
    """A mask as rows of n columns side by side; of one row where it is the same for all."""
    if len(mask.shape) < 2:
        mask = mask.with_((1, *(mask.shape or (1,))), (0, *(mask.strides or (0,))))
    if mask.shape[-1] == n:
        return mask
    wide = out.scratch((*mask.shape[:-1], n))
    out.copy(mask.with_(wide.shape, (*mask.strides[:-1], 0)), wide)
    return wide


def rows_of(tiles, batch: int, m: int, n: int, columns: int) -> tuple[int, int]:
    """(rows of a tile, tiles): the scores of a tile lie in a part of L2."""
    wanted = -(-tiles.enough(batch * m * n * columns) // batch)
    most = max(2 * FEW_ROWS, SCORES // round_up(n) // FEW_ROWS * FEW_ROWS)
    row_tiles = max(-(-m // most), min(wanted, m // LEAST_ROWS))
    rows = min(m, -(-m // row_tiles // FEW_ROWS) * FEW_ROWS)
    return rows, -(-m // rows)


def rows_of_bf16(tiles, batch: int, m: int, n: int, columns: int) -> tuple[int, int]:
    """(rows of a tile, tiles): the scores of a few rows at a time are in cache, however many rows a tile has."""
    wanted = -(-tiles.enough(batch * m * n * columns) // batch)
    row_tiles = max(1, min(wanted, m // LEAST_ROWS))
    rows = min(m, -(-m // row_tiles // ROWS_OF_BF16) * ROWS_OF_BF16)
    return rows, -(-m // rows)
