"""Convolutions by their sums as they stand, blocked in and out: `conv`, in groups too, and `depthwise`.

Of groups, a register tile reads the input channels of all groups that its output channels belong to: where these
do not fill tiles, what a channel reads of others' groups has weights of zero. Dilated windows mostly reach beyond
a small picture: it is divided where windows begin to, and each part has a job with the taps that lie inside.
"""
from __future__ import annotations

from math import prod

import numpy as np

from ..store import constant
from ..views import BLOCK, round_up
from .conv_params import Conv, fixed, output_params

LEAST_PIXELS = 56               # of a tile
NARROW_COST = 1.1               # of a multiply-add in a narrow register tile, over one in a full one
WEIGHT_COST = 12                # multiply-adds in the time that one weight takes to come from memory
PARTS_PAY = 0.7                 # of the time of all taps at all pixels: each part has weights of its own


def emit(out, conv: Conv) -> None:
    (kh, kw), (oh, ow) = conv.window(out).kernel, conv.window(out).count
    emit_part(out, conv, (0, oh, 0, kh), (0, ow, 0, kw))


def emit_inside(out, conv: Conv) -> None:
    """By parts of the picture."""
    along_y, along_x = inside(conv.window(out))
    parts = [(y, x) for y in along_y for x in along_x]
    for i, part in enumerate(parts):
        emit_part(out, conv, *part, beside=i < len(parts) - 1)


def emit_part(out, conv: Conv, along_y, along_x, beside: bool = False) -> None:
    """Some pixels of the output by some taps. along_y, along_x : (first pixel, how many, first tap, taps)"""
    win, (row, oh, p, th), (column, ow, q, tw) = conv.window(out), along_y, along_x
    (kh, kw), (sh, sw), (dh, dw), (top, left, _, _) = win.kernel, win.strides, win.dilations, win.pads
    oc, ic, groups = conv.w.shape[0], conv.w.shape[1], conv.groups
    ib, ob, kd = -(-ic * groups // BLOCK), -(-oc // BLOCK), win.depth.kernel if win.depth else 1

    def params():
        pack = packed_weights if groups == 1 else packed_groups
        packed = pack(out, conv.w, conv.w_name, oc, ic, (ic * kd * kh * kw, kd * kh * kw, kh * kw, kw, 1),
                      (kd, th, tw), p * kw + q, groups)
        return dict(packed, ib=ib, last=(ic * groups - 1) % BLOCK + 1, ob=ob, kh=th, kw=tw, dh=dh, dw=dw, sh=sh,
                    sw=sw, yp=BLOCK)
    x, y = out.blocked(conv.x), out.output(conv.group.output)
    split = divided(out, y.n, oh, ow, ob, ic * kd * th * tw)
    out.step(fixed(out, "conv", conv, (p, th, q, tw), params), y.n * split["row_tiles"] * split["oc_tiles"], dict(
        x=x.ref(row * sh - top + p * dh, column * sw - left + q * dw), xn=x.ns, xb=x.bs, xr=x.rs, yv=y.ns * y.d,
        **split, **output_params(out, conv, y, row, column, (oh, ow))), beside=beside, flops=conv.flops(y))


def inside(win):
    """The parts of the output along both axes whose windows have the same taps inside the picture, as (first, how
    many, first tap, taps); None where to compute by parts does not pay."""
    if win.depth or win.dilations == (1, 1):
        return None
    along_y, along_x = (inside_axis(*sizes) for sizes in zip(win.kernel, win.strides, win.dilations, win.pads[:2],
                                                            win.picture, win.count))
    if not along_y or not along_x:
        return None
    (kh, kw), (oh, ow) = win.kernel, win.count
    cost = sum(taps_y * taps_x * max(rows * columns, WEIGHT_COST)
               for _, rows, _, taps_y in along_y for _, columns, _, taps_x in along_x)
    return (along_y, along_x) if cost < PARTS_PAY * kh * kw * max(oh * ow, WEIGHT_COST) else None


def inside_axis(kernel, stride, dilation, pad, size, count) -> list[tuple]:
    """One axis; empty where some windows have no tap inside."""
    reach = []                                  # for each tap, the windows for which it is inside
    for p in range(kernel):
        first, end = -((p * dilation - pad) // stride), (size - 1 + pad - p * dilation) // stride + 1
        reach.append((min(max(0, first), count), max(0, min(end, count))))
    borders = sorted([0, count, *(border for ends in reach for border in ends)])
    parts = []
    for first, end in zip(borders, borders[1:]):
        if first == end:
            continue
        taps = [p for p, (begins, ends) in enumerate(reach) if begins <= first and end <= ends]
        if not taps:
            return []
        parts.append((first, end - first, taps[0], len(taps)))
    return parts


def divided(out, n, oh, ow, ob, terms) -> dict:
    """rows, row_tiles, blocks, oc_tiles: a few tiles a thread; rows first, then channels. terms : of a sum"""
    step = max(1, out.table.conv_oc // BLOCK)          # blocks of a register tile
    found = out.tiles.ask(tiles_of, 4, n, oh, ow, ob, terms, step)
    return dict(zip(("rows", "row_tiles", "blocks", "oc_tiles"), found))


def tiles_of(tiles, n, oh, ow, ob, terms, step) -> tuple[int, int, int, int]:
    wanted, row_tiles = -(-tiles.enough(n * oh * ow * ob * BLOCK * terms) // n), 1
    if tiles.share_rows(oh, ow):
        row_tiles = max(tiles.threads, min(wanted, oh * ow // LEAST_PIXELS))
    rows, row_tiles = tiles.even_rows(oh, row_tiles)
    oc_tiles = max(1, min(-(-wanted // row_tiles), ob // step or 1))
    blocks = -(-ob // oc_tiles)
    blocks = -(-blocks // step) * step
    return rows, row_tiles, blocks, -(-ob // blocks)


def packed_weights(out, w, name, oc, ic, strides, taps, offset=0, groups=1) -> dict:
    """Weights for `conv` of one group: [oc tile][kd][block][kh][kw][channel][oc tile width].

    strides : over (oc, ic, z, y, x) in w; taps : (kd, kh, kw); offset : of the first tap in w
    """
    return dict(w=out.store.packed("pack_conv", name, w, offset, oc=oc, ic=ic, **source(strides, taps)))


def packed_groups(out, w, name, oc, ic, strides, taps, offset, groups) -> dict:
    """Weights of several groups that read ic channels each, and what the tiles of output channels read."""
    goc, table = oc // groups, out.table
    reads = reads_of(oc, goc, ic, prod(taps), table.conv_oc, table.conv_half)
    at = out.store.once(("reads", oc, goc, ic, *taps), None, lambda: constant(reads).ref())
    mixed = (reads[:, 1] > ic).any()
    return dict(reads=at, goc=goc if mixed else 0, gic=ic if mixed else 0, w=out.store.packed(
        "pack_conv", name, w, offset, reads=at, oc=oc, goc=goc, ic=ic,
        **source(strides, taps)))


def source(strides, taps) -> dict:
    """What the packing of weights is told of taps (kd, kh, kw) and of strides over (oc, ic, z, y, x)."""
    return dict(zip(("kd", "kh", "kw", "so", "si", "sz", "sy", "sx"), (*taps, *strides)))


def reads_of(oc: int, goc: int, ic: int, taps: int, width: int, half: int) -> np.ndarray:
    """`reads` of the kernel for groups of goc output and ic input channels.

    width, half : channels of a full and of a narrow register tile
    """
    first = np.arange(0, round_up(oc), half)
    end = np.minimum(first + half, oc)
    begins, ends = first // goc * ic, -(-end // goc) * ic
    begins, count = np.where(first < oc, begins, 0), np.where(first < oc, ends - begins, 0)
    widths = np.full(len(first), half)
    if half < width:
        even, odd = slice(0, len(first) // 2 * 2, 2), slice(1, None, 2)
        both = np.maximum(ends[even], ends[odd]) - begins[even]
        wide = (2 * both <= NARROW_COST * (count[even] + count[odd])) & (count[odd] > 0)
        count[even] = np.where(wide, both, count[even])
        count[odd] = np.where(wide, -1, count[odd])
        widths[even] = np.where(wide, width, half)
    floats = np.maximum(count, 0) * widths * taps
    return np.ascontiguousarray(np.stack((begins, count, np.cumsum(floats) - floats), 1), np.int64)


def emit_depthwise(out, conv: Conv) -> None:
    """One filter a channel."""
    win = conv.window(out)
    (kh, kw), (sh, sw), (dh, dw), (top, left, _, _) = win.kernel, win.strides, win.dilations, win.pads
    x, y = out.blocked(conv.x), out.output(conv.group.output)

    def params():
        packed = out.store.packed("pack_depthwise", conv.w_name, conv.w, c=x.c, taps=kh * kw)
        return dict(w=packed, cb=x.blocks, kh=kh, kw=kw, dh=dh, dw=dw, sh=sh, sw=sw)
    rows, row_tiles = out.tiles.rows(y.h, y.w, x.n * x.blocks, BLOCK * kh * kw)
    out.step(fixed(out, "depthwise", conv, (), params), x.n * x.blocks * row_tiles, dict(
        x=x.ref(-top, -left), xn=x.ns, xb=x.bs, xr=x.rs, row_tiles=row_tiles, rows=rows,
        **output_params(out, conv, y)), flops=conv.flops(y))
