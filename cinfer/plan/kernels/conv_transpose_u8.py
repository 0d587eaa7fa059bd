"""QLinearConvTranspose of uint8 -> `conv_u8`, one for each phase of the strides (conv_transpose.py), all in one step.

The taps of a phase are weights of their own: what the zero point of x counts is theirs.
"""
from __future__ import annotations

from itertools import product

import numpy as np

from ...ops.families import OWN_DOMAIN
from ..candidate import BLOCKED, SLOPE, UNARY, Candidate, kernel
from ..views import BLOCK, U8
from .conv_direct import divided
from .conv_params import output_params
from .conv_transpose import Phase, Transposed
from .conv_u8 import BEFORE_ROUNDING, I16, LIMIT, QuantizedConv
from .window import GEOMETRY


class QuantizedTransposed(QuantizedConv):
    """w : as the file has it, [ic][oc/groups][*kernel]"""
    __slots__ = ()

    def shifted(self) -> np.ndarray:
        """The weights less their zero points, as int16, as those of a Conv: [oc][ic/groups][kh][kw]."""
        ic, oc, *kernel = self.w.shape
        w = self.w.astype(I16) - self.w_zero.astype(I16).reshape(1, -1, *(1,) * len(kernel))
        w = w.reshape(self.groups, ic // self.groups, oc, *kernel).swapaxes(1, 2)
        return w.reshape(self.groups * oc, ic // self.groups, *(kernel if len(kernel) > 1 else (1, *kernel)))

    def phases(self, values) -> Transposed:
        return Transposed(self.group, values, self.w)

    def overhang(self, values) -> tuple[int, int, int, int]:
        return self.phases(values).overhang()

    def of_phase(self, fy: Phase, fx: Phase) -> tuple[np.ndarray, np.ndarray]:
        """(weights of a phase, bias with what the zero point of x makes of them)."""
        whole = self.shifted()
        part = np.ascontiguousarray(whole[:, :, list(fy.taps)][..., list(fx.taps)])
        left_out = (whole.sum((1, 2, 3), np.int64) - part.sum((1, 2, 3), np.int64)) * self.x_zero
        return part, self.bias + left_out


@kernel("QLinearConvTranspose", domain=OWN_DOMAIN, attributes=GEOMETRY + "group output_padding output_shape" +
        BEFORE_ROUNDING, reading=BLOCKED, takes=(UNARY, SLOPE))
def qlinear_conv_transpose(group, values):
    node, e = group.node, group.epilogue
    x, y = values.fact(node.inputs[0]), values.fact(node.outputs[0])
    if x.dtype != U8 or y.dtype != U8 or x.ndim not in (3, 4) or 0 in x.shape or 0 in y.shape \
            or e.unary.op not in ("none", "table") \
            or any(values.constant(name) is None for name in node.inputs[1:] if name):
        return ()
    conv = values.store.once(("quantized", node, e.unary.slope),
                             tuple(values.constant(name) for name in node.inputs[1:] if name),
                             lambda: QuantizedTransposed(group, values))
    t = conv.phases(values)
    if not conv.sums_within(LIMIT) or t.win.dilations != (1, 1) or not all(f.taps for f in (*t.along_y, *t.along_x)):
        return ()
    return (Candidate(lambda out: emit(out, conv), ((conv.x, BLOCKED),), BLOCKED,
                      halo=(conv.x, conv.overhang, conv.x_zero)),)


def emit(out, conv: QuantizedTransposed) -> None:
    t, groups = conv.phases(out), conv.groups
    (sh, sw), (ic, goc) = t.win.strides, conv.w.shape[:2]
    x, y = out.blocked(conv.x), out.output(conv.group.output)
    gic, oc = ic // groups, goc * groups
    grouped = dict(goc=goc, gic=gic) if groups > 1 else {}
    common = output_params(out, conv, y) | dict(
        xn=x.ns, xb=x.bs, xr=x.rs, yr=y.rs * sh, yp=BLOCK * sw)
    pairs = list(product(t.along_y, t.along_x))
    for i, (fy, fx) in enumerate(pairs):
        kh, kw = len(fy.taps), len(fx.taps)

        def params(fy=fy, fx=fx, kh=kh, kw=kw):
            w, bias = conv.of_phase(fy, fx)
            packed = out.store.packed(
                "pack_conv_u8", f"{conv.w_name} {fy.taps} {fx.taps}", conv.w, shifted=lambda: w, oc=oc, ic=gic,
                kh=kh, kw=kw, dw=1, so=gic * kh * kw, si=kh * kw, sy=kw, sx=1, **grouped)
            return dict(conv.epilogue(out, bias), w=packed, ib=x.blocks, last=(ic - 1) % BLOCK + 1, ob=y.blocks,
                        kh=kh, kw=kw, dh=1, dw=1, sh=1, sw=1, **grouped)
        fixed = out.store.fixed("conv_u8", (conv.group.node, conv.group.epilogue.unary.key(), fy.taps, fx.taps),
                                conv.constants, params)
        split = divided(out, y.n, fy.count, fx.count, y.blocks, gic * kh * kw)
        out.step(fixed, y.n * split["row_tiles"] * split["oc_tiles"], common | dict(
            x=x.ref(-fy.before, -fx.before), y=y.ref(fy.first, fx.first), oh=fy.count, ow=fx.count, **split),
            beside=i < len(pairs) - 1, flops=2 * y.n * fy.count * fx.count * oc * gic * kh * kw)
