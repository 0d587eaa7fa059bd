"""The first convolution of a network whose windows lie side by side (a vision transformer's patches), in bfloat16 where
that was asked for: the windows are copied to rows of a matrix, and `gemm_bf16` multiplies these.

Few channels would not fill the groups of terms that `conv_bf16` multiplies; those of a whole window do.
"""
from __future__ import annotations

from math import prod

from ..candidate import PLAIN, Candidate
from ..epilogue import epilogue_params
from ..views import nchw
from . import bf16
from .conv_few import wanted_plain
from .conv_params import Conv, bias_ref
from .matmul import divided

COPY_COST = 3                   # multiply-adds of float32 in the time of copying a number
BY_PIXELS = (0, 2, 3, 1)        # how the output lies: channels side by side


def beside(conv: Conv, win, stem: Candidate, values) -> tuple[Candidate, ...]:
    """The candidate of `conv_stem`, and this one if it is possible and whoever reads the output reads plain memory."""
    store, e, (oc, ic), taps = values.store, conv.group.epilogue, conv.w.shape[:2], prod(conv.w.shape[2:])
    name = conv.group.output
    if not store.bf16_rate or conv.w.ndim != 4 or win.kernel != win.strides or any(win.pads) \
            or win.dilations != (1, 1) or e.residual or not bf16.fits(ic * taps) \
            or name in values.outputs or not wanted_plain(values, name):
        return (stem,)

    def windows(values):
        n, _, oh, ow = nchw(values.shape(conv.group.node.outputs[0]))
        return n * oh * ow

    def of_bf16(values):
        moved = ic * taps * windows(values)
        return bf16.cost(store, 1, ic * taps, oc, windows(values), moved * (1 + COPY_COST / bf16.STRIP_COST))

    stem.cost_ns = lambda values: bf16.float_cost(ic * taps, oc, windows(values))
    return (stem, Candidate(lambda out: emit(out, conv), ((conv.x, PLAIN),), order=BY_PIXELS, cost_ns=of_bf16))


def emit(out, conv: Conv) -> None:
    (oh, ow), (oc, ic, kh, kw) = conv.window(out).count, conv.w.shape
    x, y, e = out.plain(conv.x), out.plain(conv.group.output), conv.group.epilogue
    (n, *_), (xn, xc, xr, xp), k = x.shape, x.strides, ic * kh * kw
    patches = out.scratch((n, oh, ow, ic, kh, kw))
    out.copy(x.with_(patches.shape, (xn, kh * xr, kw * xp, xc, xr, xp)), patches)
    m, ldy = n * oh * ow, y.strides[3]
    split = divided(out, 1, m, oc, k)
    out.step("gemm_bf16", split["row_tiles"] * split["col_tiles"], dict(
        a=patches.ref(), w=bf16.packed(out, conv.w_name, conv.w, oc, k, (k, 1)), y=y.ref(), batch0=1, batch1=1, m=m,
        n=oc, k=k, lda=k, ldy=ldy, scale=1.0, **split, **epilogue_params(out, e, bias_ref(out, conv.group.node, oc))),
        flops=2 * m * oc * k)
