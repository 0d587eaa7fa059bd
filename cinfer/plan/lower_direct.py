"""Convolutions by their sums as they stand, blocked in and out: `conv`, in groups too, and `depthwise`."""
from __future__ import annotations

from math import prod

import numpy as np

from .views import BLOCK

MOST_MERGED = 1 << 26           # elements that grouped weights may grow to when groups are merged


def lower_direct(p, choice, x, y, w, common, flops):
    w, groups = merged(p, w, choice.groups) if choice.groups > 1 else (w, 1)
    oc, ic, (kh, kw) = w.shape[0] // groups, w.shape[1], choice.window.kernel
    packed = packed_conv(p, w, oc, ic, (ic * kh * kw, kh * kw, kw, 1), (kh, kw), groups=groups)
    (top, left, _, _), (sh, sw), (dh, dw) = choice.window.pads, choice.window.strides, choice.window.dilations
    split = conv_split(p, y.n, groups, y.h, y.w, -(-oc // BLOCK))
    p.emit("conv", y.n * groups * split["row_tiles"] * split["oc_tiles"], flops=flops, x=x.ref(-top, -left),
           w=packed, groups=groups, ib=-(-ic // BLOCK), last=(ic - 1) % BLOCK + 1, ob=-(-oc // BLOCK), kh=kh,
           kw=kw, dh=dh, dw=dw, sh=sh, sw=sw, yp=BLOCK, **split, **common)


def conv_split(p, n, groups, oh, ow, ob) -> dict:
    """rows, row_tiles, blocks, oc_tiles: a few tiles a thread; rows first, then channels."""
    wanted, row_tiles = -(-p.tiles_wanted() // (n * groups)), 1
    if p.share_rows(oh, ow):
        row_tiles = max(p.threads, min(wanted, oh * ow // 56))
    rows, row_tiles = p.even_rows(oh, row_tiles)
    step = max(1, p.table.conv_oc // BLOCK)            # blocks of a register tile
    oc_tiles = max(1, min(-(-wanted // row_tiles), ob // step or 1))
    blocks = -(-ob // oc_tiles)
    blocks = -(-blocks // step) * step
    return dict(rows=rows, row_tiles=row_tiles, blocks=blocks, oc_tiles=-(-ob // blocks))


def packed_conv(p, w, oc, ic, strides, taps, offset=0, key=(), groups=1):
    """Weights for `conv`: [group][oc tile][block][kh][kw][channel][oc tile width].

    strides : over (oc, ic, y, x) in w
    taps : (kh, kw)
    offset : of the first tap in w
    key : tells apart several parts of w
    """
    ob = -(-oc // BLOCK)
    so, si, sy, sx = strides
    size = groups * ob * BLOCK * ic * taps[0] * taps[1]
    tiles = groups * -(-ob * BLOCK // p.table.conv_oc)
    return p.pack("pack_conv", w, size, tiles, (key, groups, oc, ic, taps), offset, groups=groups, oc=oc,
                  ic=ic, kh=taps[0], kw=taps[1], so=so, si=si, sy=sy, sx=sx, sg=so * oc)


def merged(p, w, group):
    """`merged_groups`, made once a session."""
    key = "merged", id(w)
    if key not in p.packed:
        p.packed[key] = (*merged_groups(w, group), w)
    return p.packed[key][:2]


def merged_groups(w: np.ndarray, group: int) -> tuple[np.ndarray, int]:
    """(weights, groups) with neighbouring groups merged, zeros between them, until they fill whole blocks.

    w : [oc][ic/group][kh][kw]
    """
    oc, icg, kh, kw = w.shape
    ocg = oc // group
    merge = merge_of(w.shape, group)
    if merge == 1:
        return w, group
    dense = np.zeros((group // merge, merge, ocg, merge, icg, kh, kw), np.float32)
    source = w.reshape(group // merge, merge, ocg, icg, kh, kw)
    for i in range(merge):
        dense[:, i, :, i] = source[:, i]
    return dense.reshape(oc, merge * icg, kh, kw), group // merge


def merge_of(shape, group: int) -> int:
    """How many neighbouring groups must be merged to fill whole blocks of input and output channels."""
    icg, ocg = shape[1], shape[0] // group
    for m in range(1, group):
        if group % m == 0 and m * icg % BLOCK == 0 and m * ocg % BLOCK == 0:
            return m
    return group


def merged_size(shape, group: int) -> int:
    """Elements of the weights after merging."""
    return prod(shape) * merge_of(shape, group)


def lower_depthwise(p, choice, x, y, w, common, flops):
    """One filter a channel."""
    (kh, kw), (sh, sw), (dh, dw) = choice.window.kernel, choice.window.strides, choice.window.dilations
    packed = p.pack("pack_depthwise", w, x.blocks * BLOCK * kh * kw, x.blocks, (), c=x.c, taps=kh * kw)
    rows, row_tiles = p.row_split(y.h, y.w, y.n * y.blocks, BLOCK * kh * kw)
    top, left = choice.window.pads[:2]
    p.emit("depthwise", y.n * y.blocks * row_tiles, flops=flops, x=x.ref(-top, -left), w=packed, cb=x.blocks,
           kh=kh, kw=kw, dh=dh, dw=dw, sh=sh, sw=sw, row_tiles=row_tiles, rows=rows, **common)
