"""Conv and ConvTranspose of few output channels that are wanted in plain memory -> steps `conv_few`.

`conv` computes and stores whole blocks of 16 output channels; here the lanes are input channels instead, and
each output channel costs its own sums.
"""
from __future__ import annotations

import numpy as np

from ..candidate import BLOCKED, FOLLOWS, PLAIN, Candidate
from ..epilogue import activation_params
from ..store import channel_vector
from ..views import BLOCK, Plain, nchw, nchw_strides
from .conv_params import Conv

# In the time of a multiply-add of vectors by `conv`, for a pixel of the output. Fitted to 1x1 and 3x3 windows
# of 4 to 64 channels, 1 to 15 of the output, at baseline, avx2 and avx512, one thread: on average 0.3 % are
# lost against the faster of both kernels, 16 % at most.
VECTOR_COST = 1.15              # a multiply-add by `conv_few`
LANES_COST = 4.5                # adding up the lanes of a sum and finishing it
BLOCK_COST = 18                 # writing a block, and taking the channels out of it afterwards
LEAST_PIXELS = 64               # of a tile of work
DEEPEST = 8                     # how many elementwise operators on plain layout is looked for


def pays(values, name: str, ic: int, oc: int, taps: float) -> bool:
    """Whether `conv_few` is cheaper than `conv` for a value that `taps` weights of each input channel make.

    The costs are of one pixel.
    """
    if oc >= BLOCK:
        return False
    vw = values.table.vw
    vectors = BLOCK // vw
    whole, last = divmod(ic, BLOCK)
    few = oc * (VECTOR_COST * (whole * vectors + -(-last // vw)) * taps + LANES_COST)
    direct = vectors * ic * taps + BLOCK_COST
    return few < direct and wanted_plain(values, name)


def wanted_plain(values, name: str, depth: int = 0) -> bool:
    """Whether everybody who reads a value reads it from plain memory."""
    readers = values.readers.get(name, ())
    return (depth < DEEPEST and bool(readers or name in values.outputs)
            and all(reads_plain(values, reader, name, depth) for reader in readers))


def reads_plain(values, node, name: str, depth: int) -> bool:
    kernel = values.kernel_of(node)
    reading = PLAIN if kernel is None else kernel.reading
    if callable(reading):
        reading = reading(values, node, name)
    return reading is PLAIN or (
            reading is FOLLOWS
            and not any(values.is_blocked(other) for other in node.inputs if other != name)
            and wanted_plain(values, node.outputs[0], depth + 1))


def candidate(conv: Conv) -> Candidate:
    residual = conv.group.epilogue.residual
    reads = ((conv.x, BLOCKED), (residual, PLAIN)) if residual else ((conv.x, BLOCKED),)
    return Candidate(lambda out: emit(out, conv), reads, PLAIN, halo=(conv.x, conv.overhang, 0))


def emit(out, conv: Conv) -> None:
    win = conv.window(out)
    x, y = out.blocked(conv.x), output(out, conv.group.epilogue)
    (kh, kw), (sh, sw), (dh, dw), (top, left, _, _) = win.kernel, win.strides, win.dilations, win.pads
    oc, ic = conv.w.shape[:2]
    oh, ow = win.count
    packed = packed_weights(out, conv.w, conv.w_name, oc, ic, (ic * kh * kw, kh * kw, 0, kw, 1), (1, kh, kw))
    step(out, packed, dict(
        x=x.ref(-top, -left), y=y.ref(), kh=kh, kw=kw, dh=dh, dw=dw, sh=sh, sw=sw, oh=oh, ow=ow,
        **common_params(out, x, y, conv.group)), flops=2 * x.n * oh * ow * conv.w.size)


def output(out, e) -> Plain:
    """The plain memory of an epilogue's value, seen as (n, c, h, w)."""
    y = out.plain(e.name)
    if e.turned:
        (n, h, w, c), (sn, sh, sw, sc) = y.shape, y.strides
        return y.with_((n, c, h, w), (sn, sc, sh, sw))
    return y.with_(nchw(y.shape), nchw_strides(y.strides))


def common_params(out, x, y: Plain, group, phases=(0,)) -> dict:
    """The parameters that all steps of a node share.

    phases : where in y each of several outputs of a channel begins, in floats
    """
    e, node = group.epilogue, group.node
    yn, yc, yr, yp = y.strides
    channels = y.shape[1] * len(phases)

    def offsets(values, yc, *phases) -> np.ndarray:
        return np.add.outer(yc * np.arange(channels // len(phases)), phases).reshape(-1).astype(np.int64)
    has_bias = len(node.inputs) > 2 and node.inputs[2]
    params = dict(n=x.n, ib=x.blocks, last=(x.c - 1) % BLOCK + 1, oc=channels, xn=x.ns, xb=x.bs, xr=x.rs,
                  yo=out.table_of(offsets, yc, *phases), yn=yn, yr=yr, yp=yp, **activation_params(out, e),
                  bias=(repeated(out, node.inputs[2], len(phases)) if has_bias
                        else out.store.zeros(channels)),
                  slope=repeated(out, e.unary.slope, len(phases)) if e.unary.slope else None)
    if e.residual:
        residual = out.plain(e.residual)
        params |= dict(zip(("rn", "rc", "rr", "rp"), nchw_strides(residual.strides)), res=residual.ref())
    return params


def repeated(out, name: str, times: int):
    """A constant vector with each number so many times."""
    value = out.constant(name)
    if times == 1:
        return out.vector(name)
    return out.store.once(("repeated", name, times), value, lambda: channel_vector(np.repeat(value, times)))


def step(out, w, params: dict, *, flops: int, **how) -> None:
    """A step `conv_few`, divided by runs of pixels. params : all others, n, oh and ow among them"""
    n, count = params["n"], params["oh"] * params["ow"]
    pixels, parts = out.tiles.ask(tiles_of, 2, n, count, flops)
    out.step("conv_few", n * parts, dict(params, w=w, parts=parts, pixels=pixels), flops=flops, **how)


def tiles_of(tiles, n: int, count: int, flops: int) -> tuple[int, int]:
    """(pixels of a tile, tiles of a picture)"""
    pixels = -(-count // max(1, min(-(-tiles.enough(flops) // n), count // LEAST_PIXELS)))
    return pixels, -(-count // pixels)


def packed_weights(out, w, name, oc, ic, strides, taps, offset=0):
    """Weights for `conv_few`: [oc][block][kh][kw][16]; the arguments are those of conv_direct's."""
    (so, si, _, sy, sx), (_, kh, kw) = strides, taps
    return out.store.packed("pack_few", name, w, offset, oc=oc, ic=ic, kh=kh, kw=kw,
                            so=so, si=si, sy=sy, sx=sx)
