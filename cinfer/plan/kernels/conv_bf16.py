"""Conv in bfloat16 -> `conv_bf16`, beside what it would be in float32: whichever takes less time by its cost.

Sums as they stand only: rounded numbers lose more digits in Winograd's transforms. First convolutions (but for those of
patches, conv_patches.py), few output channels, depthwise ones and vectors are of float32 in any case.
"""
from __future__ import annotations

from math import prod

from ..candidate import Candidate
from ..views import BLOCK, nchw
from . import bf16
from .conv_direct import divided
from .conv_params import Conv, blocked_candidate, fixed, output_params

OVER_WINOGRAD = 4               # times the speed of float32 from which it is faster than F(4x4,3x3), whatever the sizes
OVERLAP = 1.3                   # of strips of windows of several rows: what two of them round


def beside(conv: Conv, floats: tuple[Candidate, ...], values, alone: bool) -> tuple[Candidate, ...]:
    """The candidates in float32 and the one in bfloat16, if there is one.

    alone : the weights are kept in one layout for all sizes, which `floats` is for
    """
    store = values.store
    if not store.bf16_rate or not fits(conv, values):
        return floats
    if alone:
        return (blocked_candidate(conv, emit),) if store.bf16_rate >= OVER_WINOGRAD else floats

    def sums(values):
        n, _, oh, ow = nchw(values.shape(conv.group.node.outputs[0]))
        return n * oh * ow

    def of_floats(values):
        return bf16.float_cost(conv.w[0].size, len(conv.w), sums(values))

    win = conv.window(values)
    rounded = terms_of_pixel(conv, win)                 # numbers for each sum
    if prod(win.kernel) > 1:
        rounded *= prod(win.strides) * OVERLAP

    def of_bf16(values):
        ic = conv.w.shape[1]
        return bf16.cost(store, conv.w[0].size // ic, ic, len(conv.w), sums(values), rounded * sums(values))
    for candidate in floats:
        candidate.cost_ns = candidate.cost_ns or of_floats
    return (*floats, blocked_candidate(conv, emit, cost_ns=of_bf16))


def fits(conv: Conv, values) -> bool:
    """Whether the kernel takes such groups, and neither sums nor a register tile's strip are too large."""
    (oc, ic), table = conv.w.shape[:2], values.store.table
    if conv.groups > 1 and (conv.w.ndim == 5 or oc // conv.groups % BLOCK or ic % bf16.group(table)):
        return False
    if bf16.filled(table, conv.w[0].size // ic, ic) > bf16.MOST_TERMS:
        return False
    win = conv.window(values)
    (kh, kw), (_, sw), (dh, dw) = win.kernel, win.strides, win.dilations
    return bf16.strip_bytes(terms_of_pixel(conv, win), (kh - 1) * dh + 1,
                            (bf16.MOST_TILE - 1) * sw + (kw - 1) * dw + 1) <= bf16.MOST_STRIP


def terms_of_pixel(conv: Conv, win) -> int:
    """Channels of all groups, of all slices of the window."""
    return conv.w.shape[1] * conv.groups * (win.depth.kernel if win.depth else 1)


def emit(out, conv: Conv) -> None:
    win = conv.window(out)
    (kh, kw), (sh, sw), (dh, dw), (top, left, _, _) = win.kernel, win.strides, win.dilations, win.pads
    oc, ic, groups, kd = *conv.w.shape[:2], conv.groups, win.depth.kernel if win.depth else 1
    ib, ob = -(-ic * groups // BLOCK), -(-oc // BLOCK)
    grouped = dict(goc=oc // groups, gic=ic) if groups > 1 else {}
    x, y = out.blocked(conv.x), out.output(conv.group.output)

    def params():
        w = bf16.packed(out, conv.w_name, conv.w, oc, ic, (ic * kd * kh * kw, 1), (kd, kh, kw), grouped.get("goc", 0))
        return dict(w=w, ib=ib, last=(ic * groups - 1) % BLOCK + 1, ob=ob, kh=kh, kw=kw, dh=dh, dw=dw, sh=sh, sw=sw,
                    **grouped)
    split = divided(out, y.n, y.h, y.w, ob, ic * kd * kh * kw)
    out.step(fixed(out, "conv_bf16", conv, (), params), y.n * split["row_tiles"] * split["oc_tiles"], dict(
        x=x.ref(-top, -left), xn=x.ns, xb=x.bs, xr=x.rs, **split, **output_params(out, conv, y)),
        flops=conv.flops(y))
