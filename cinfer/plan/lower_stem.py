"""The first convolution of a network: few input channels, read from plain memory, padded there."""
from __future__ import annotations

import numpy as np

from .lower_direct import conv_split
from .planner import Planner
from .views import BLOCK, Plain, nchw, nchw_strides, row_major
from .window import Window

STEM_CHANNELS = 4               # more are read from blocked memory; fewer leave blocks of 16 mostly empty
STEM_TAPS = 1024                # most terms of a sum in conv_stem


def lower_stem(p: Planner, choice, x: Plain, y, w, common, flops):
    (sh, sw), (dh, dw) = choice.window.strides, choice.window.dilations
    oc, ic, kh, kw = w.shape
    xn, xc, xr, xp = x.strides
    offsets = np.arange(ic)[:, None, None] * xc + np.arange(kh)[:, None] * dh * xr + np.arange(kw) * dw * xp
    taps, width = ic * kh * kw, y.blocks * BLOCK
    packed = p.pack("pack_gemm", w, taps * width, -(-width // p.table.gemm_n), ("stem",), batch0=1, batch1=1,
                    k=taps, n=oc, sk=1, sn=taps)
    split = conv_split(p, y.n, 1, y.h, y.w, y.blocks)
    p.emit("conv_stem", y.n * split["row_tiles"] * split["oc_tiles"], flops=flops, x=x.ref(), w=packed,
           koff=p.array(offsets.reshape(-1).astype(np.int32)).ref(), k=taps, ob=y.blocks, sh=sh, sw=sw, xn=xn,
           xr=xr, xp=xp, **split, **common)


def stem_input(p: Planner, name: str, window: Window) -> Plain:
    """The picture [n][c][h][w], with a frame of zeros as wide as the windows reach beyond it."""
    x = p.plain(name)
    if len(x.shape) == 3:
        x = x.with_(nchw(x.shape), nchw_strides(x.strides))
    pads = window.overhang()
    return padded_copy(p, x, pads) if any(pads) else x


def padded_copy(p: Planner, x: Plain, pads) -> Plain:
    """A copy within a frame of zeros, channels kept where they are (planes or interleaved)."""
    n, c, h, w = x.shape
    t, left, b, r = pads
    hp, wp = h + t + b, w + left + r
    y = p.scratch((n, c, hp, wp))
    ys = (c * hp * wp, 1, wp * c, c) if x.strides[1] == 1 and c > 1 else row_major(y.shape)
    for dims, at in (((n, c, t, wp), 0), ((n, c, b, wp), (hp - b) * ys[2]), ((n, c, h, left), t * ys[2]),
                     ((n, c, h, r), t * ys[2] + (wp - r) * ys[3])):
        if 0 not in dims:
            p.emit("fill", 1, beside=True, y=y.ref(at), dims=[1, 1, *dims], ys=[0, 0, *ys], value=0.0,
                   outer=dims[0] * dims[1] * dims[2])
    order = (0, 2, 1, 3) if ys[1] > 1 or c == 1 else (0, 2, 3, 1)       # rows first: threads divide them
    dims, xs, to = ([v[axis] for axis in order] for v in (x.shape, x.strides, ys))
    p.map(dims, x.ref(), xs, y.ref(t * ys[2] + left * ys[3]), to)
    return y.with_(y.shape, ys)
