"""Convolutions by their sums as they stand, blocked in and out: `conv`, in groups too, and `depthwise`."""
from __future__ import annotations

from math import prod

import numpy as np

from ..views import BLOCK
from .conv_params import Conv, fixed, output_params

MOST_MERGED = 1 << 26           # elements that grouped weights may grow to when groups are merged
LEAST_PIXELS = 56               # of a tile


def emit(out, conv: Conv) -> None:
    merge = merge_of(conv.w.shape, conv.groups) if conv.groups > 1 else 1
    groups = conv.groups // merge
    win = conv.window(out)
    (kh, kw), (sh, sw), (dh, dw), (top, left, _, _) = win.kernel, win.strides, win.dilations, win.pads
    oc, ic = conv.w.shape[0] // groups, conv.w.shape[1] * merge
    kd = win.depth.kernel if win.depth else 1

    def params():
        w, name = merged(out.store, conv, merge)
        packed = packed_weights(out, w, name, oc, ic, (ic * kd * kh * kw, kd * kh * kw, kh * kw, kw, 1),
                                (kd, kh, kw), groups=groups)
        return dict(w=packed, groups=groups, ib=-(-ic // BLOCK), last=(ic - 1) % BLOCK + 1,
                    ob=-(-oc // BLOCK), kh=kh, kw=kw, dh=dh, dw=dw, sh=sh, sw=sw, yp=BLOCK)
    x, y = out.blocked(conv.x), out.output(conv.group.output)
    split = divided(out, y.n, groups, y.h, y.w, -(-oc // BLOCK), ic * kd * kh * kw)
    out.step(fixed(out, "conv", conv, (groups,), params),
             y.n * groups * split["row_tiles"] * split["oc_tiles"], dict(
        x=x.ref(-top, -left), xn=x.ns, xb=x.bs, xr=x.rs, yv=y.ns * y.d, **split,
        **output_params(out, conv, y)),
        flops=conv.flops(y) * merge)


def divided(out, n, groups, oh, ow, ob, terms) -> dict:
    """rows, row_tiles, blocks, oc_tiles: a few tiles a thread; rows first, then channels. terms : of a sum"""
    step = max(1, out.table.conv_oc // BLOCK)          # blocks of a register tile
    found = out.tiles.ask(tiles_of, 4, n, groups, oh, ow, ob, terms, step)
    return dict(zip(("rows", "row_tiles", "blocks", "oc_tiles"), found))


def tiles_of(tiles, n, groups, oh, ow, ob, terms, step) -> tuple[int, int, int, int]:
    wanted, row_tiles = -(-tiles.enough(n * groups * oh * ow * ob * BLOCK * terms) // (n * groups)), 1
    if tiles.share_rows(oh, ow):
        row_tiles = max(tiles.threads, min(wanted, oh * ow // LEAST_PIXELS))
    rows, row_tiles = tiles.even_rows(oh, row_tiles)
    oc_tiles = max(1, min(-(-wanted // row_tiles), ob // step or 1))
    blocks = -(-ob // oc_tiles)
    blocks = -(-blocks // step) * step
    return rows, row_tiles, blocks, -(-ob // blocks)


def packed_weights(out, w, name, oc, ic, strides, taps, offset=0, groups=1):
    """Weights for `conv`: [group][oc tile][kd][block][kh][kw][channel][oc tile width].

    strides : over (oc, ic, z, y, x) in w; taps : (kd, kh, kw); offset : of the first tap in w
    """
    ob, (kd, kh, kw) = -(-oc // BLOCK), taps
    so, si, sz, sy, sx = strides
    size = groups * ob * BLOCK * ic * kd * kh * kw
    tiles = groups * -(-ob * BLOCK // out.table.conv_oc)
    return out.store.packed("pack_conv", name, w, size, tiles, offset, groups=groups, oc=oc, ic=ic,
                            kd=kd, kh=kh, kw=kw, so=so, si=si, sz=sz, sy=sy, sx=sx, sg=so * oc)


def merged(store, conv: Conv, merge: int) -> tuple[np.ndarray, str]:
    """(weights, their name) with so many neighbouring groups merged."""
    if merge == 1:
        return conv.w, conv.w_name
    w = store.once(("merged", conv.w_name, conv.groups, merge), conv.w,
                   lambda: merged_groups(conv.w, conv.groups, merge))
    return w, f"{conv.w_name} of {conv.groups} groups, {merge} merged"


def merged_groups(w: np.ndarray, groups: int, merge: int) -> np.ndarray:
    """Weights with so many neighbouring groups merged, zeros between them. w : [oc][ic/groups][*kernel]"""
    oc, icg, *kernel = w.shape
    ocg = oc // groups
    dense = np.zeros((groups // merge, merge, ocg, merge, icg, *kernel), np.float32)
    source = w.reshape(groups // merge, merge, ocg, icg, *kernel)
    for i in range(merge):
        dense[:, i, :, i] = source[:, i]
    return dense.reshape(oc, merge * icg, *kernel)


def merge_of(shape, groups: int) -> int:
    """How many neighbouring groups must be merged to fill whole blocks of input and output channels."""
    icg, ocg = shape[1], shape[0] // groups
    for m in range(1, groups):
        if groups % m == 0 and m * icg % BLOCK == 0 and m * ocg % BLOCK == 0:
            return m
    return groups


def merged_size(shape, groups: int) -> int:
    """Elements of the weights after merging."""
    return prod(shape) * merge_of(shape, groups)


def emit_depthwise(out, conv: Conv) -> None:
    """One filter a channel."""
    win = conv.window(out)
    (kh, kw), (sh, sw), (dh, dw), (top, left, _, _) = win.kernel, win.strides, win.dilations, win.pads
    x, y = out.blocked(conv.x), out.output(conv.group.output)

    def params():
        packed = out.store.packed("pack_depthwise", conv.w_name, conv.w, x.blocks * BLOCK * kh * kw, x.blocks,
                                  c=x.c, taps=kh * kw)
        return dict(w=packed, cb=x.blocks, kh=kh, kw=kw, dh=dh, dw=dw, sh=sh, sw=sw)
    rows, row_tiles = out.tiles.rows(y.h, y.w, x.n * x.blocks, BLOCK * kh * kw)
    out.step(fixed(out, "depthwise", conv, (), params), x.n * x.blocks * row_tiles, dict(
        x=x.ref(-top, -left), xn=x.ns, xb=x.bs, xr=x.rs, row_tiles=row_tiles, rows=rows,
        **output_params(out, conv, y)), flops=conv.flops(y))
