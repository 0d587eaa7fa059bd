"""ConvTranspose -> convolutions (`conv` or `conv_few`), one for each phase of the stride, all in one step; in bfloat16
(`conv_bf16`) where that was asked for, or in integers (`conv_s16`) where numbers of 16 bits are: where that is faster,
and each phase has one tap.

Output row y takes input row i and kernel row k where y + pad = i * stride + k * dilation. The rows of one phase, which
is y modulo the stride, share their kernel rows; from the largest k down these read input rows at equal distances:
consecutive ones, where nothing is dilated. Rows without any, between windows or in their holes, have a weight of 0.
"""
from __future__ import annotations

from itertools import product
from math import gcd, prod
from operator import index

import numpy as np

from ...ops.families import OWN_DOMAIN
from ..candidate import BLOCKED, PLAIN, SLOPE, TURN, UNARY, Candidate, kernel
from ..epilogue import epilogue_params
from ..views import BLOCK, F32, nchw
from . import bf16, conv_direct, conv_few, s16
from .conv_params import bias_ref, has_known_bias
from .window import GEOMETRY, Depth, is_picture, window


class Phase:
    """Along one axis, the outputs first, first + stride, ...

    count : of outputs
    taps : elements of the kernel that they take, descending; none where these outputs lie between windows
    apart : how far apart in the input what two neighbouring taps read is
    before, after : how many elements before and behind the input they read
    """
    __slots__ = ("first", "count", "taps", "apart", "before", "after")

    def __init__(self, first: int, count: int, taps: range, apart: int, before: int, after: int):
        self.first, self.count, self.taps, self.apart = first, count, taps, apart
        self.before, self.after = before, after


def phases(kernel: int, stride: int, dilation: int, pad: int, outputs: int, inputs: int) -> list[Phase]:
    """The phases of one axis."""
    found, common = [], gcd(stride, dilation)
    step = stride // common                         # from tap to tap of a phase
    for first in range(min(stride, outputs)):
        count = -(-(outputs - first) // stride)
        rest = index((first + pad) % stride)
        taps = range(next((k for k in range(min(step, kernel)) if (k * dilation - rest) % stride == 0), kernel),
                     kernel, step)[::-1]
        # outputs without a tap may be said to read any elements
        before = (taps[0] * dilation - rest) // stride - (first + pad) // stride if taps else 0
        reach = max(0, len(taps) - 1) * (dilation // common)
        found.append(Phase(first, count, taps, dilation // common, before, reach + count - before - inputs))
    return found


ONE_SLICE = Phase(0, 1, range(1), 1, 0, 0)
NO_WEIGHT = np.zeros(1, F32)


class Transposed:
    """A ConvTranspose as the kernels want to know it. along_z, .. : the phases; groups : of channels; w :
    [ic][oc/groups][*kernel]"""
    __slots__ = ("group", "win", "along_z", "along_y", "along_x", "groups", "w", "flops")

    def __init__(self, group, values, w):
        """values : Values or Emitter"""
        self.group, self.w, self.groups = group, w, group.node.attributes.get("group", 1)
        self.win = win = window(group.node, values, w.shape[2:])
        self.along_y, self.along_x = map(phases, win.kernel, win.strides, win.dilations, win.pads, win.picture,
                                         win.count)
        d = win.depth
        self.along_z = phases(d.kernel, d.stride, d.dilation, d.front, d.size, d.count) if d else [ONE_SLICE]
        n, _, h, w_ = nchw(values.shape(group.node.inputs[0]))
        self.flops = 2 * n * h * w_ * w.size

    @property
    def joined(self) -> bool:
        """Whether windows lie side by side, none of them cropped: each output belongs to one input pixel."""
        win = self.win
        return win.kernel == win.strides and win.dilations == (1, 1) and not any(win.pads) and win.picture == tuple(
            count * stride for count, stride in zip(win.count, win.strides))

    @property
    def of_single_taps(self) -> bool:
        """Whether each phase takes one tap, of pictures without groups."""
        return self.win.depth is None and self.groups == 1 and all(
            len(f.taps) == 1 for f in (*self.along_y, *self.along_x))

    def overhang(self) -> tuple[int, int, int, int]:
        """How far beyond the input is read (top, left, bottom, right)."""
        both = self.along_y, self.along_x
        return (*(max(0, *(f.before for f in axis)) for axis in both),
                *(max(0, *(f.after for f in axis)) for axis in both))


@kernel("GridConvTranspose", domain=OWN_DOMAIN, attributes=GEOMETRY + "group output_padding output_shape",
        reading=BLOCKED, takes=(UNARY, SLOPE, TURN))
@kernel("ConvTranspose", attributes=GEOMETRY + "group output_padding output_shape", reading=BLOCKED,
        takes=(UNARY, SLOPE, TURN))
def conv_transpose(group, values):
    node, e = group.node, group.epilogue
    w = values.constant(node.inputs[1])
    if not is_picture(node, values, 3) or w is None or not has_known_bias(node, values):
        return ()
    x, t = node.inputs[0], Transposed(group, values, w)
    win = t.win
    halo = x, lambda values: Transposed(group, values, w).overhang(), 0
    ic, oc = w.shape[:2]
    if not win.depth and t.groups == 1 and conv_few.pays(
            values, node.outputs[0], ic, oc, prod(win.kernel) / prod(win.strides)):
        return (Candidate(lambda out: emit_few(out, Transposed(group, out, w)),
                          ((x, BLOCKED),), PLAIN, halo=halo),)
    if e.turned:
        return ()

    def candidate(emit, cost_ns=None):
        return Candidate(lambda out: emit(out, Transposed(group, out, w)), ((x, BLOCKED),), BLOCKED, halo=halo,
                         cost_ns=cost_ns)
    store, taps, grid = values.store, prod(win.kernel), s16.grid_of(node, values)
    if not t.of_single_taps or bf16.strip_bytes(ic, 1, bf16.MOST_TILE) > bf16.MOST_STRIP:
        return (candidate(emit),)

    def pixels(values):
        n, _, h, w_ = nchw(values.shape(x))
        return n * h * w_

    def cost_by(way):
        return lambda values: taps * way.cost(store, 1, ic, oc, pixels(values), ic * pixels(values))
    found = [candidate(emit, lambda values: taps * bf16.float_cost(ic, oc, pixels(values)))]
    if store.bf16_rate and ic <= bf16.MOST_TERMS:
        found.append(candidate(emit_bf16, cost_by(bf16)))
    if grid is not None and values.table.s16_rate:
        found.append(candidate(lambda out, t: emit(out, t, "conv_s16", grid), cost_by(s16)))
    return tuple(found)


def taps_of(phase: Phase) -> int:
    return max(len(phase.taps), 1)


def weights_of(out, t: Transposed, fz: Phase, fy: Phase, fx: Phase) -> tuple:
    """What the packing of a phase's weights reads: taps descend, so strides into the weights are negative."""
    (ic, oc), groups, (kh, kw), name = t.w.shape[:2], t.groups, t.win.kernel, t.group.node.inputs[1]
    taps, each = (taps_of(fz), taps_of(fy), taps_of(fx)), ic // groups
    if not (fz.taps and fy.taps and fx.taps):
        return NO_WEIGHT, "", oc * groups, each, (0,) * 5, taps, 0
    area = kh * kw * (t.win.depth.kernel if t.win.depth else 1)
    w, so, si = t.w, area, oc * area
    if groups > 1:                                  # those of an output channel follow each other
        name, so, si = f"{name} by outputs", each * area, area
        w = out.store.once((name,), t.w, lambda: np.ascontiguousarray(
            t.w.reshape(groups, each, oc, area).swapaxes(1, 2)))
    return (w, name, oc * groups, each, (so, si, fz.taps.step * kh * kw, fy.taps.step * kw, fx.taps.step), taps,
            (fz.taps[0] * kh + fy.taps[0]) * kw + fx.taps[0])


def emit_bf16(out, t: Transposed) -> None:
    """emit in bfloat16, of phases of one tap."""
    emit(out, t, "conv_bf16")


def emit(out, t: Transposed, kernel: str = "conv", grid: s16.Grid | None = None) -> None:
    e, (sh, sw), sd = t.group.epilogue, t.win.strides, t.win.depth.stride if t.win.depth else 1
    ic, oc = t.w.shape[0], t.w.shape[1] * t.groups
    x, y = out.blocked(t.group.node.inputs[0]), out.output(e.name)
    volumes = y.shape[0]
    common = dict(ib=x.blocks, last=(ic - 1) % BLOCK + 1, ob=y.blocks, xn=x.ns, xb=x.bs, xr=x.rs,
                  yn=y.ns * sd, yb=y.bs, sh=1, sw=1, yr=y.rs * sh, yp=BLOCK * sw,
                  **epilogue_params(out, e, bias_ref(out, t.group.node, oc)))
    if kernel == "conv":
        common |= dict(yv=y.ns * y.d)
    elif grid is not None:
        common |= dict(zero=grid.zero, inverse=grid.inverse)
    triples = list(product(t.along_z, t.along_y, t.along_x))
    for i, (fz, fy, fx) in enumerate(triples):
        source = weights_of(out, t, fz, fy, fx)
        w, name, _, each, strides, taps, offset = source
        n = volumes * fz.count
        split = conv_direct.divided(out, n, fy.count, fx.count, y.blocks, each * prod(taps))
        depth = Depth(taps[0], 1, fz.apart, fz.before, 0, x.d, fz.count).params() if t.win.depth else {}
        if kernel == "conv":
            pack = conv_direct.packed_weights if t.groups == 1 else conv_direct.packed_groups
            packed = pack(out, *source, t.groups)
        else:
            packed = dict(w=bf16.packed(out, name, w, oc, ic, strides[:2], offset=offset) if grid is None else
                          s16.packed(out, t.group.node, grid, oc, ic, strides[:2], offset=offset))
        out.step(kernel, n * split["row_tiles"] * split["oc_tiles"], dict(
            x=x.ref(-fy.before, -fx.before), y=y.ref(fy.first, fx.first, picture=fz.first), n=n, kh=taps[1],
            kw=taps[2], dh=fy.apart, dw=fx.apart, oh=fy.count, ow=fx.count, **split, **depth, **common, **packed),
            beside=i < len(triples) - 1, flops=t.flops)


def emit_few(out, t: Transposed) -> None:
    sh, sw = t.win.strides
    x, y = out.blocked(t.group.node.inputs[0]), conv_few.output(out, t.group.epilogue)
    if t.joined:
        return emit_joined(out, t, x, y)
    _, _, yr, yp = y.strides
    common = conv_few.common_params(out, x, y, t.group)
    common |= dict(sh=1, sw=1, yr=yr * sh, yp=yp * sw)
    pairs = [(fy, fx) for fy in t.along_y for fx in t.along_x]
    for i, (fy, fx) in enumerate(pairs):
        conv_few.step(out, conv_few.packed_weights(out, *weights_of(out, t, ONE_SLICE, fy, fx)), dict(
            x=x.ref(-fy.before, -fx.before), y=y.ref(fy.first * yr + fx.first * yp), kh=taps_of(fy), kw=taps_of(fx),
            dh=fy.apart, dw=fx.apart, oh=fy.count, ow=fx.count, **common), beside=i < len(pairs) - 1, flops=t.flops)
    return None


def emit_joined(out, t: Transposed, x, y) -> None:
    """Windows side by side: what one pixel makes are channels of one step, so that it is read once."""
    ic, oc = t.w.shape[:2]
    (kh, kw), (_, _, yr, yp) = t.win.kernel, y.strides
    channels = oc * kh * kw
    common = conv_few.common_params(out, x, y, t.group,
                                    [i * yr + j * yp for i in range(kh) for j in range(kw)])
    packed = conv_few.packed_weights(out, t.w, t.group.node.inputs[1], channels, ic, (1, channels, 0, 0, 0),
                                     (1, 1, 1))
    common |= dict(kh=1, kw=1, dh=1, dw=1, sh=1, sw=1, oh=x.h, ow=x.w, yr=yr * kh, yp=yp * kw)
    conv_few.step(out, packed, dict(x=x.ref(), y=y.ref(), **common), flops=t.flops)
