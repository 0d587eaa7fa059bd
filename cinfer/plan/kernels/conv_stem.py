"""The first convolution of a network: few input channels, read from plain memory, padded there."""
from __future__ import annotations

from math import prod

import numpy as np

from ..candidate import CONTIGUOUS, PLAIN, Candidate
from ..epilogue import epilogue_params
from ..views import BLOCK, Plain, nchw, nchw_strides, row_major
from .conv_direct import divided
from .conv_params import Conv, bias_ref, blocked_candidate, output_params

STEM_CHANNELS = 4               # more are read from blocked memory; fewer leave blocks of 16 mostly empty
STEM_TAPS = 1024                # most terms of a sum in conv_stem


def fits(conv: Conv, win, values) -> bool:
    """Whether a convolution of one group reads few channels that do not lie in blocks."""
    ic, taps = conv.w.shape[1], prod(conv.w.shape[2:])
    return ic <= STEM_CHANNELS and ic * taps <= STEM_TAPS and not values.is_blocked(conv.x)


def candidate(conv: Conv) -> Candidate:
    return blocked_candidate(conv, emit, reads=((conv.x, CONTIGUOUS if conv.w.ndim == 5 else PLAIN),))


def emit(out, conv: Conv) -> None:
    win = conv.window(out)
    (sh, sw), (dh, dw), (kh, kw) = win.strides, win.dilations, win.kernel
    oc, ic = conv.w.shape[:2]
    kd, dd, id = (win.depth.kernel, win.depth.dilation, win.depth.size) if win.depth else (1, 1, 1)
    x, y = framed(out, pictures(out, conv), win.overhang()), out.output(conv.group.output)
    xn, xs, xr, xp = x.strides
    xc = xs * id

    def offsets(values, xc, xs, xr, xp) -> np.ndarray:
        return (np.arange(kd)[:, None, None, None] * dd * xs + np.arange(ic)[:, None, None] * xc
                + np.arange(kh)[:, None] * dh * xr + np.arange(kw) * dw * xp).reshape(-1).astype(np.int32)
    taps, blocks, w, name = ic * kd * kh * kw, -(-oc // BLOCK), conv.w, conv.w_name
    if win.depth:
        w = out.store.once(("slices first", name), w, lambda: np.ascontiguousarray(np.moveaxis(conv.w, 2, 1)))
        name = f"{name}, slices first"
    packed = out.store.packed("pack_gemm", name, w, batch0=1, batch1=1, k=taps, n=oc, sk=1, sn=taps)
    split = divided(out, y.n, y.h, y.w, blocks, taps)
    out.step("conv_stem", y.n * split["row_tiles"] * split["oc_tiles"], dict(
        x=x.ref(), w=packed, koff=out.table_of(offsets, xc, xs, xr, xp), k=taps, ob=blocks, sh=sh,
        sw=sw, xn=xn, xs=xs, xr=xr, xp=xp, **split, **output_params(out, conv, y),
        **epilogue_params(out, conv.group.epilogue, bias_ref(out, conv.group.node, oc))), flops=conv.flops(y))


def pictures(out, conv: Conv) -> Plain:
    """What is read as (n, c, h, w), the slices of each channel one after another among the channels."""
    if conv.w.ndim < 5:
        return out.plain(conv.x)
    x = out.contiguous(conv.x)
    n, c, d, h, w = x.shape
    return x.reshaped((n, c * d, h, w))


def framed(out, x: Plain, pads) -> Plain:
    """The picture [n][c][h][w] with a frame of zeros, as wide as the windows reach beyond it: itself where
    that is nowhere, else a copy with the channels where they are (planes or interleaved)."""
    if len(x.shape) == 3:
        x = x.with_(nchw(x.shape), nchw_strides(x.strides))
    if not any(pads):
        return x
    n, c, h, w = x.shape
    t, left, b, r = pads
    hp, wp = h + t + b, w + left + r
    y = out.scratch((n, c, hp, wp))
    ys = (c * hp * wp, 1, wp * c, c) if x.strides[1] == 1 and c > 1 else row_major(y.shape)
    for dims, at in (((n, c, t, wp), 0), ((n, c, b, wp), (hp - b) * ys[2]), ((n, c, h, left), t * ys[2]),
                     ((n, c, h, r), t * ys[2] + (wp - r) * ys[3])):
        if 0 not in dims:
            out.step("fill", 1, dict(
                y=y.ref(at), dims=[1, 1, *dims], ys=[0, 0, *ys], value=0.0,
                outer=dims[0] * dims[1] * dims[2]), beside=True)
    order = (0, 2, 1, 3) if ys[1] > 1 or c == 1 else (0, 2, 3, 1)       # rows first: threads divide them
    dims, xs, to = ([v[axis] for axis in order] for v in (x.shape, x.strides, ys))
    out.map(dims, x.ref(), xs, y.ref(t * ys[2] + left * ys[3]), to)
    return y.with_(y.shape, ys)
