"""QLinearConvTranspose of uint8 -> `conv_u8`, one for each phase of the strides (conv_transpose.py), all in one step;
or where windows lie side by side, and few channels are wanted in plain memory, one of 1x1 whose channels are the pixels
of a window, which `from_blocked_u8` takes apart.

The taps of a phase are weights of their own: what the zero point of x counts is theirs. A phase without taps, whose
outputs lie between the windows or in their holes, is one of a weight of 0.
"""
from __future__ import annotations

from itertools import product
from math import prod

import numpy as np

from ...ops.families import OWN_DOMAIN
from ..candidate import BLOCKED, PLAIN, SLOPE, UNARY, Candidate, kernel
from ..placement import allocate_blocked
from ..views import BLOCK, F32, NO_HALO, U8
from . import conv_few
from .conv_direct import divided
from .conv_params import output_params
from .conv_transpose import Phase, Transposed, taps_of
from .conv_u8 import BEFORE_ROUNDING, I16, LIMIT, MOST_STRIP, MOST_TILE, QuantizedConv
from .quantized import padded
from .window import GEOMETRY, Depth

MOST_JOINED = 4                 # channels of the output that are written one by one


class QuantizedTransposed(QuantizedConv):
    """w : as the file has it, [ic][oc/groups][*kernel]"""
    __slots__ = ()

    def shifted(self) -> np.ndarray:
        """The weights less their zero points, as int16, as those of a Conv of volumes: [oc][ic/groups][kd][kh][kw]."""
        ic, oc, *kernel = self.w.shape
        w = self.w.astype(I16) - self.w_zero.astype(I16).reshape(1, -1, *(1,) * len(kernel))
        w = w.reshape(self.groups, ic // self.groups, oc, *kernel).swapaxes(1, 2)
        return w.reshape(self.groups * oc, ic // self.groups, *(1,) * (3 - len(kernel)), *kernel)

    def phases(self, values) -> Transposed:
        return Transposed(self.group, values, self.w)

    def overhang(self, values) -> tuple[int, int, int, int]:
        return self.phases(values).overhang()

    def of_phase(self, phases: tuple[Phase, ...]) -> tuple[np.ndarray, np.ndarray]:
        """(weights of a phase of each axis, bias with what the zero point of x makes of them)."""
        whole = self.shifted()
        part = whole[np.ix_(*map(range, whole.shape[:2]), *(f.taps for f in phases))]
        left_out = (whole.sum((1, 2, 3, 4), np.int64) - part.sum((1, 2, 3, 4), np.int64)) * self.x_zero
        part = part if part.size else np.zeros((*whole.shape[:2], *map(taps_of, phases)), I16)
        return np.ascontiguousarray(part), self.bias + left_out

    def joined(self) -> tuple[np.ndarray, np.ndarray]:
        """(weights of all pixels of a window as channels, [oc*kh*kw][ic][1][1], bias of each), without groups."""
        whole = self.shifted()
        w = np.ascontiguousarray(whole.transpose(0, 3, 4, 1, 2)).reshape(-1, whole.shape[1], 1, 1)
        area = len(w) // len(whole)
        sums = whole.sum((1, 2, 3, 4), np.int64).repeat(area) - w.sum((1, 2, 3), np.int64)
        return w, self.bias.repeat(area) + sums * self.x_zero


@kernel("QLinearConvTranspose", domain=OWN_DOMAIN, attributes=GEOMETRY + "group output_padding output_shape" +
        BEFORE_ROUNDING, reading=BLOCKED, takes=(UNARY, SLOPE))
def qlinear_conv_transpose(group, values):
    node, e = group.node, group.epilogue
    x, y = values.fact(node.inputs[0]), values.fact(node.outputs[0])
    if x.dtype != U8 or y.dtype != U8 or x.ndim not in (3, 4, 5) or 0 in x.shape or 0 in y.shape \
            or e.unary.op not in ("none", "table") \
            or any(values.constant(name) is None for name in node.inputs[1:] if name):
        return ()
    conv = values.store.once(("quantized", node, e.unary.slope),
                             tuple(values.constant(name) for name in node.inputs[1:] if name),
                             lambda: QuantizedTransposed(group, values))
    t = conv.phases(values)
    if conv.sums_within(LIMIT) and t.joined and t.win.depth is None and conv.groups == 1 \
            and conv.w.shape[1] <= MOST_JOINED and conv_few.wanted_plain(values, group.output):
        return (Candidate(lambda out: emit_joined(out, conv), ((conv.x, BLOCKED),), PLAIN),)
    if not conv.sums_within(LIMIT) or strip_bytes(conv, t) > MOST_STRIP:
        return ()
    return (Candidate(lambda out: emit(out, conv), ((conv.x, BLOCKED),), BLOCKED,
                      halo=(conv.x, conv.overhang, conv.x_zero)),)


def strip_bytes(conv: QuantizedTransposed, t: Transposed) -> int:
    """About what the kernel takes for one register tile at least, of any phase."""
    def reach(phases):
        return max((taps_of(f) - 1) * f.apart + 1 for f in phases)
    return 2 * (conv.w.shape[0] + BLOCK) * max(map(taps_of, t.along_z)) * reach(t.along_y) * (
        MOST_TILE + reach(t.along_x))


def emit(out, conv: QuantizedTransposed) -> None:
    t, groups = conv.phases(out), conv.groups
    (sh, sw), sd, (ic, goc) = t.win.strides, t.win.depth.stride if t.win.depth else 1, conv.w.shape[:2]
    x, y = out.blocked(conv.x), out.output(conv.group.output)
    gic, oc, volumes = ic // groups, goc * groups, y.shape[0]
    grouped = dict(goc=goc, gic=gic) if groups > 1 else {}
    common = output_params(out, conv, y) | dict(
        xn=x.ns, xb=x.bs, xr=x.rs, yn=y.ns * sd, yv=y.ns * y.d, yr=y.rs * sh, yp=BLOCK * sw)
    triples = list(product(t.along_z, t.along_y, t.along_x))
    for i, (fz, fy, fx) in enumerate(triples):
        kd, kh, kw = map(taps_of, (fz, fy, fx))
        depth = Depth(kd, 1, fz.apart, fz.before, 0, x.d, fz.count).params() if t.win.depth else {}

        def params(phases=(fz, fy, fx), kd=kd, kh=kh, kw=kw, slices=kd if depth else 0):
            w, bias = conv.of_phase(phases)
            packed = out.store.packed(
                "pack_conv_u8", " ".join([conv.w_name, *(str(f.taps) for f in phases)]), conv.w, shifted=lambda: w,
                oc=oc, ic=gic, kd=slices, kh=kh, kw=kw, dw=phases[2].apart, so=gic * kd * kh * kw, si=kd * kh * kw,
                sz=kh * kw, sy=kw, sx=1, **grouped)
            return dict(conv.epilogue(out, bias), w=packed, ib=kd * x.blocks, last=(ic - 1) % BLOCK + 1, ob=y.blocks,
                        kh=kh, kw=kw, dh=phases[1].apart, dw=phases[2].apart, sh=1, sw=1, xz=conv.x_zero, **grouped)
        fixed = out.store.fixed(
            "conv_u8", (conv.group.node, conv.group.epilogue.unary.key(), fz.taps, fy.taps, fx.taps), conv.constants,
            params)
        n = volumes * fz.count
        split = divided(out, n, fy.count, fx.count, y.blocks, gic * kd * kh * kw)
        out.step(fixed, n * split["row_tiles"] * split["oc_tiles"], common | dict(
            x=x.ref(-fy.before, -fx.before), y=y.ref(fy.first, fx.first, picture=fz.first), n=n, oh=fy.count,
            ow=fx.count, **split, **depth), beside=i < len(triples) - 1,
            flops=2 * n * fy.count * fx.count * oc * gic * prod((kd, kh, kw)))


def emit_joined(out, conv: QuantizedTransposed) -> None:
    kh, kw = conv.phases(out).win.kernel
    (ic, oc), area = conv.w.shape[:2], kh * kw
    x, y = out.blocked(conv.x), conv_few.output(out, conv.group.epilogue)
    pixels = allocate_blocked((x.n, oc * area, x.h, x.w), NO_HALO, U8)

    def params():
        w, bias = conv.joined()
        packed = out.store.packed("pack_conv_u8", f"{conv.w_name} joined", conv.w, shifted=lambda: w, oc=oc * area,
                                  ic=ic, kd=0, kh=1, kw=1, dw=1, so=ic, si=1, sz=1, sy=1, sx=1)
        each = dict(scale=padded(conv.multiplier.repeat(area), F32))
        if conv.slope is not None:
            each["slope"] = padded(conv.slope.repeat(area), F32)
        return dict(conv.epilogue(out, bias), w=packed, ib=x.blocks, last=(ic - 1) % BLOCK + 1, ob=pixels.blocks, kh=1,
                    kw=1, dh=1, dw=1, sh=1, sw=1, xz=conv.x_zero, **each)

    def offsets(values, yc, yr, yp):
        in_window = np.add.outer(yr * np.arange(kh), yp * np.arange(kw))
        return np.add.outer(yc * np.arange(oc), in_window).reshape(-1).astype(np.int64)
    fixed = out.store.fixed("conv_u8", (conv.group.node, conv.group.epilogue.unary.key(), "joined"), conv.constants,
                            params)
    split = divided(out, x.n, x.h, x.w, pixels.blocks, ic)
    out.step(fixed, x.n * split["row_tiles"] * split["oc_tiles"], dict(
        x=x.ref(), y=pixels.ref(), n=x.n, oh=x.h, ow=x.w, xn=x.ns, xb=x.bs, xr=x.rs, yn=pixels.ns, yb=pixels.bs,
        yr=pixels.rs, **split), flops=2 * x.n * x.h * x.w * conv.w.size)
    yn, yc, yr, yp = y.strides
    out.unblock(pixels, y, (yn, 0, yr * kh, yp * kw), coff=out.table_of(offsets, yc, yr, yp))
