"""GridConv in integers -> `conv_s16`, beside what it would be in float32: whichever takes less time by its cost.

As conv_bf16.py has it: sums as they stand, so Winograd's way in float32 may be faster for 3x3 windows.
"""
from __future__ import annotations

from math import prod

from ..candidate import Candidate
from ..views import BLOCK, nchw
from . import bf16, s16
from .conv_bf16 import OVERLAP, terms_of_pixel
from .conv_direct import divided
from .conv_params import Conv, blocked_candidate, fixed, output_params


def beside(conv: Conv, floats: tuple[Candidate, ...], values, alone: bool) -> tuple[Candidate, ...]:
    """The candidates in float32, or bfloat16, and the one in integers, if there is one. alone : as of conv_bf16"""
    grid = s16.grid_of(conv.group.node, values)
    if grid is None or alone or not values.table.s16_rate or not fits(conv, values):
        return floats
    win, store = conv.window(values), values.store
    narrowed = terms_of_pixel(conv, win)                # numbers for each sum
    if prod(win.kernel) > 1:
        narrowed *= prod(win.strides) * OVERLAP

    def sums(values):
        n, _, oh, ow = nchw(values.shape(conv.group.node.outputs[0]))
        return n * oh * ow

    def of_floats(values):
        return bf16.float_cost(conv.w[0].size, len(conv.w), sums(values))

    def of_integers(values):
        ic = conv.w.shape[1]
        return s16.cost(store, conv.w[0].size // ic, ic, len(conv.w), sums(values), narrowed * sums(values))
    for candidate in floats:
        candidate.cost_ns = candidate.cost_ns or of_floats
    return (*floats, blocked_candidate(conv, lambda out, conv: emit(out, conv, grid), cost_ns=of_integers))


def fits(conv: Conv, values) -> bool:
    """Whether the kernel takes such groups, and a register tile's strip is not too large."""
    oc, ic = conv.w.shape[:2]
    if conv.groups > 1 and (conv.w.ndim == 5 or oc // conv.groups % BLOCK or ic % 2):
        return False
    win = conv.window(values)
    (kh, kw), (_, sw), (dh, dw) = win.kernel, win.strides, win.dilations
    return bf16.strip_bytes(terms_of_pixel(conv, win), (kh - 1) * dh + 1,
                            (bf16.MOST_TILE - 1) * sw + (kw - 1) * dw + 1) <= bf16.MOST_STRIP


def emit(out, conv: Conv, grid: s16.Grid) -> None:
    win = conv.window(out)
    (kh, kw), (sh, sw), (dh, dw), (top, left, _, _) = win.kernel, win.strides, win.dilations, win.pads
    oc, ic, groups, kd = *conv.w.shape[:2], conv.groups, win.depth.kernel if win.depth else 1
    ib, ob = -(-ic * groups // BLOCK), -(-oc // BLOCK)
    grouped = dict(goc=oc // groups, gic=ic) if groups > 1 else {}
    x, y = out.blocked(conv.x), out.output(conv.group.output)

    def params():
        w = s16.packed(out, conv.group.node, grid, oc, ic, (ic * kd * kh * kw, 1), (kd, kh, kw), grouped.get("goc", 0))
        return dict(w=w, ib=ib, last=(ic * groups - 1) % BLOCK + 1, ob=ob, kh=kh, kw=kw, dh=dh, dw=dw, sh=sh, sw=sw,
                    zero=grid.zero, inverse=grid.inverse, **grouped)
    split = divided(out, y.n, y.h, y.w, ob, ic * kd * kh * kw)
    out.step(fixed(out, "conv_s16", conv, (), params), y.n * split["row_tiles"] * split["oc_tiles"], dict(
        x=x.ref(-top, -left), xn=x.ns, xb=x.bs, xr=x.rs, **split, **output_params(out, conv, y)),
        flops=conv.flops(y))
