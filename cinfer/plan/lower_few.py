"""Conv and ConvTranspose of few output channels that are wanted in plain memory -> steps `conv_few`.

`conv` computes and stores whole blocks of 16 output channels; here the lanes are input channels instead, and
each output channel costs its own sums.
"""
from __future__ import annotations

from dataclasses import replace

import numpy as np

from .activation import NONE
from .epilogue import epilogue, epilogue_params
from .lower_elementwise import follows
from .planner import Planner
from .views import BLOCK, Plain, nchw, nchw_strides

# In the time of a multiply-add of vectors by `conv`, for a pixel of the output. Fitted to 1x1 and 3x3 windows
# of 4 to 64 channels, 1 to 15 of the output, at baseline, avx2 and avx512, one thread: on average 0.3 % are
# lost against the faster of both kernels, 16 % at most.
VECTOR_COST = 1.15              # a multiply-add by `conv_few`
LANES_COST = 4.5                # adding up the lanes of a sum and finishing it
BLOCK_COST = 18                 # writing a block, and taking the channels out of it afterwards
LEAST_PIXELS = 64               # of a tile of work
DEEPEST = 8                     # how many elementwise operators on plain layout is looked for


def few_pays(p: Planner, name: str, ic: int, oc: int, taps: float) -> bool:
    """Whether `conv_few` is cheaper than `conv` for a value that `taps` weights of each input channel make.

    The costs are of one pixel.
    """
    vw = p.table.vw
    vectors = BLOCK // vw
    whole, last = divmod(ic, BLOCK)
    few = oc * (VECTOR_COST * (whole * vectors + -(-last // vw)) * taps + LANES_COST)
    direct = vectors * ic * taps + BLOCK_COST
    return oc < BLOCK and few < direct and wanted_plain(p, name)


def wanted_plain(p: Planner, name: str, depth: int = 0) -> bool:
    """Whether everybody who reads a value reads it from plain memory."""
    users = p.consumers.get(name, ())
    return p.once(("wanted plain", name), lambda: (
        depth < DEEPEST and bool(users or name in p.output_buffers)
        and all(reads_plain(p, user, name, depth) for user in users)))


def reads_plain(p: Planner, node, name: str, depth: int) -> bool:
    rule = p.rule(node)
    if rule is None or rule.blocked is None:
        return True
    if rule.blocked is not follows:
        return False
    return (not any(p.is_blocked.get(other) for other in node.inputs if other != name)
            and wanted_plain(p, node.outputs[0], depth + 1))


def few_output(p: Planner, e) -> Plain:
    """Fresh plain memory for the value of an epilogue, seen as (n, c, h, w).

    A Transpose to channels last that is all that follows, and the activation behind it, are taken along.
    """
    user = p.sole_consumer(e.name)
    if user is None or user.op_type != "Transpose" or list(user.attributes.get("perm", ())) != [0, 2, 3, 1]:
        y = p.new_plain(e.name)
        return y.with_(nchw(y.shape), nchw_strides(y.strides))
    p.done.add(id(user))
    e.name = user.outputs[0]
    if e.unary is NONE:
        behind = epilogue(p, e.name, slope=False)
        e.unary, e.name = behind.unary, behind.name
    y = p.new_plain(e.name)
    (n, h, w, c), (sn, sh, sw, sc) = y.shape, y.strides
    return y.with_((n, c, h, w), (sn, sc, sh, sw))


def few_params(p: Planner, x, y: Plain, e, phases=(0,)) -> dict:
    """The parameters that all steps of a node share.

    phases : where in y each of several outputs of a channel begins, in floats
    """
    yn, yc, yr, yp = y.strides
    offsets = np.add.outer(yc * np.arange(y.shape[1]), phases).reshape(-1).astype(np.int64)
    if len(phases) > 1:
        e.bias = np.repeat(e.bias, len(phases))
        if e.unary.slope is not None:
            e.unary = replace(e.unary, slope=np.repeat(e.unary.slope, len(phases)))
    params = dict(n=x.n, ib=x.blocks, last=(x.c - 1) % BLOCK + 1, oc=offsets.size, xn=x.ns, xb=x.bs, xr=x.rs,
                  yo=p.array(offsets).ref(), yn=yn, yr=yr, yp=yp, **epilogue_params(p, e))
    if e.residual:
        residual = p.plain(e.residual)
        params |= dict(zip(("rn", "rc", "rr", "rp"), nchw_strides(residual.strides)), res=residual.ref())
    return params


def lower_few(p: Planner, node, win, w, e) -> None:
    x = p.blocked(node.inputs[0])
    y = few_output(p, e)
    (kh, kw), (sh, sw), (dh, dw), (top, left, _, _) = win.kernel, win.strides, win.dilations, win.pads
    oc, ic = w.shape[:2]
    oh, ow = win.count
    packed = packed_few(p, w, oc, ic, (ic * kh * kw, kh * kw, kw, 1), (kh, kw))
    emit_few(p, packed, flops=2 * x.n * oh * ow * w.size, x=x.ref(-top, -left), y=y.ref(), kh=kh, kw=kw,
             dh=dh, dw=dw, sh=sh, sw=sw, oh=oh, ow=ow, **few_params(p, x, y, e))


def emit_few(p: Planner, w, *, n, oh, ow, **params) -> None:
    parts = max(1, min(-(-p.tiles_wanted() // n), oh * ow // LEAST_PIXELS))
    pixels = -(-oh * ow // parts)
    parts = -(-oh * ow // pixels)
    p.emit("conv_few", n * parts, w=w, n=n, oh=oh, ow=ow, parts=parts, pixels=pixels, **params)


def packed_few(p: Planner, w, oc, ic, strides, taps, offset=0, key=()):
    """Weights for `conv_few`: [oc][block][kh][kw][16]; the arguments are those of `packed_conv`."""
    so, si, sy, sx = strides
    size = oc * -(-ic // BLOCK) * BLOCK * taps[0] * taps[1]
    return p.pack("pack_few", w, size, oc, (key, oc, ic, taps), offset, oc=oc, ic=ic, kh=taps[0], kw=taps[1],
                  so=so, si=si, sy=sy, sx=sx)
