"""Conv by products of pairs of 16 bits, bfloat16 (conv_bf16.py) or integers (conv_s16.py): one candidate more beside
those in float32, taken where it costs less.

Sums as they stand only, so Winograd's way in float32 may be faster for 3x3 windows.
"""
from __future__ import annotations

from math import prod

from ..candidate import Candidate
from ..views import BLOCK, nchw
from . import bf16
from .conv_direct import divided
from .conv_params import Conv, blocked_candidate, fixed, output_params

OVERLAP = 1.3                   # of strips of windows of several rows: what two of them narrow


def beside(conv: Conv, floats: tuple[Candidate, ...], values, emit, cost) -> tuple[Candidate, ...]:
    """All candidates, with what they cost. emit : (out, conv), of the one by pairs; cost : as bf16.cost"""
    win, store = conv.window(values), values.store
    narrowed = terms_of_pixel(conv, win)                # numbers for each sum
    if prod(win.kernel) > 1:
        narrowed *= prod(win.strides) * OVERLAP

    def sums(values):
        n, _, oh, ow = nchw(values.shape(conv.group.node.outputs[0]))
        return n * oh * ow

    def of_floats(values):
        return bf16.float_cost(conv.w[0].size, len(conv.w), sums(values))

    def of_pairs(values):
        ic = conv.w.shape[1]
        return cost(store, conv.w[0].size // ic, ic, len(conv.w), sums(values), narrowed * sums(values))
    for candidate in floats:
        candidate.cost_ns = candidate.cost_ns or of_floats
    return (*floats, blocked_candidate(conv, emit, cost_ns=of_pairs))


def fits(conv: Conv, values, group: int) -> bool:
    """Whether the kernel takes such groups, and a register tile's strip is not too large. group : terms of a step"""
    oc, ic = conv.w.shape[:2]
    if conv.groups > 1 and (conv.w.ndim == 5 or oc // conv.groups % BLOCK or ic % group):
        return False
    win = conv.window(values)
    (kh, kw), (_, sw), (dh, dw) = win.kernel, win.strides, win.dilations
    return bf16.strip_bytes(terms_of_pixel(conv, win), (kh - 1) * dh + 1,
                            (bf16.MOST_TILE - 1) * sw + (kw - 1) * dw + 1) <= bf16.MOST_STRIP


def terms_of_pixel(conv: Conv, win) -> int:
    """Channels of all groups, of all slices of the window."""
    return conv.w.shape[1] * conv.groups * (win.depth.kernel if win.depth else 1)


def emit(out, conv: Conv, kernel: str, packed, **more) -> None:
    """packed : its weights, of (oc, ic, strides, taps, goc) as bf16.packed has them; more : what the kernel is told
    besides"""
    win = conv.window(out)
    (kh, kw), (sh, sw), (dh, dw), (top, left, _, _) = win.kernel, win.strides, win.dilations, win.pads
    oc, ic, groups, kd = *conv.w.shape[:2], conv.groups, win.depth.kernel if win.depth else 1
    ib, ob = -(-ic * groups // BLOCK), -(-oc // BLOCK)
    grouped = dict(goc=oc // groups, gic=ic) if groups > 1 else {}
    x, y = out.blocked(conv.x), out.output(conv.group.output)

    def params():
        w = packed(oc, ic, (ic * kd * kh * kw, 1), (kd, kh, kw), grouped.get("goc", 0))
        return dict(w=w, ib=ib, last=(ic * groups - 1) % BLOCK + 1, ob=ob, kh=kh, kw=kw, dh=dh, dw=dw, sh=sh, sw=sw,
                    **more, **grouped)
    split = divided(out, y.n, y.h, y.w, ob, ic * kd * kh * kw)
    out.step(fixed(out, kernel, conv, (), params), y.n * split["row_tiles"] * split["oc_tiles"], dict(
        x=x.ref(-top, -left), xn=x.ns, xb=x.bs, xr=x.rs, **split, **output_params(out, conv, y)),
        flops=conv.flops(y))
