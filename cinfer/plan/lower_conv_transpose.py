"""ConvTranspose -> convolutions (`conv` or `conv_few`), one for each phase of the stride, all in one step.

Output row y takes input row i and kernel row k where y + pad = i * stride + k. The rows of one phase, which
is y modulo the stride, share their kernel rows; from the largest k down these read consecutive input rows.
"""
from __future__ import annotations

from dataclasses import dataclass
from math import prod

from .epilogue import epilogue, epilogue_params
from .lower_conv import bias_of
from .lower_direct import conv_split, packed_conv
from .lower_few import emit_few, few_output, few_params, few_pays, packed_few
from .planner import Planner, Rule
from .steps import Declined
from .views import BLOCK
from .window import Window, spatial, window


@dataclass(slots=True)
class Phase:
    """Along one axis, the outputs first, first + stride, ...

    count : of outputs
    taps : elements of the kernel that they take, descending
    before, after : how many elements before and behind the input they read
    """
    first: int
    count: int
    taps: range
    before: int
    after: int


def phases(kernel: int, stride: int, pad: int, outputs: int, inputs: int) -> list[Phase]:
    """The phases of one axis."""
    found = []
    for first in range(min(stride, outputs)):
        count = -(-(outputs - first) // stride)
        taps = range((first + pad) % stride, kernel, stride)[::-1]
        before = len(taps) - 1 - (first + pad) // stride
        found.append(Phase(first, count, taps, before, count - 1 + len(taps) - before - inputs))
    return found


def transposed(p: Planner, node) -> tuple[Window, list[Phase], list[Phase]] | None:
    """(window, phases of y, phases of x) where the kernels can run a ConvTranspose, else None."""
    return p.once(("transposed", id(node)), lambda: _transposed(p, node))


def _transposed(p, node):
    x, w, y = p.spec(node.inputs[0]), p.spec(node.inputs[1]), p.spec(node.outputs[0])
    if not spatial(p, node) or w.value is None or node.attributes.get("group", 1) != 1:
        return None
    win = window(node, x.shape, w.shape[2:])
    if win.dilations != (1, 1) or bias_of(p, node, y.shape[1]) is None:
        return None
    return win, *map(phases, win.kernel, win.strides, win.pads, win.picture, win.count)


def transpose_halo(p: Planner, node):
    found = transposed(p, node)
    if found is None:
        return None
    axes = found[1:]
    before = [max(0, *(f.before for f in axis)) for axis in axes]
    after = [max(0, *(f.after for f in axis)) for axis in axes]
    return {node.inputs[0]: (*before, *after)}


def is_few(p: Planner, node) -> bool:
    """Whether `conv_few` is to run what the kernels can run."""
    win = transposed(p, node)[0]
    ic, oc = p.spec(node.inputs[1]).shape[:2]
    return few_pays(p, node.outputs[0], ic, oc, prod(win.kernel) / prod(win.strides))


def transpose_blocked(p: Planner, node) -> bool:
    return transposed(p, node) is not None and not is_few(p, node)


def lower_conv_transpose(p: Planner, node) -> None:
    found = transposed(p, node)
    if found is None or not all(f.taps for axis in found[1:] for f in axis):
        raise Declined
    win, along_y, along_x = found
    w = p.constant(node.inputs[1])
    ic, oc = w.shape[:2]
    (kh, kw), (sh, sw) = win.kernel, win.strides
    e = epilogue(p, node.outputs[0], bias_of(p, node, oc))
    x, few = p.blocked(node.inputs[0]), is_few(p, node)
    flops = 2 * x.n * x.h * x.w * w.size
    if few:
        y = few_output(p, e)
        _, _, yr, yp = y.strides
        if win.kernel == win.strides and all(f.before == f.after == 0 for f in (*along_y, *along_x)):
            return lower_joined(p, x, w, y, e, win, flops)
        common = few_params(p, x, y, e)
    else:
        y = p.new_blocked(e.name)
        yr, yp = y.rs, BLOCK
        common = dict(n=y.n, groups=1, ib=x.blocks, last=(ic - 1) % BLOCK + 1, ob=y.blocks, xn=x.ns, xb=x.bs,
                      xr=x.rs, yn=y.ns, yb=y.bs, **epilogue_params(p, e))
    common |= dict(dh=1, dw=1, sh=1, sw=1, yr=yr * sh, yp=yp * sw, flops=flops)
    pairs = [(fy, fx) for fy in along_y for fx in along_x]
    for i, (fy, fx) in enumerate(pairs):
        # taps descend: negative strides into the weights
        weights = (w, oc, ic, (kh * kw, oc * kh * kw, -sh * kw, -sw), (len(fy.taps), len(fx.taps)),
                   fy.taps[0] * kw + fx.taps[0], ("phase", fy.first, fx.first))
        phase = dict(x=x.ref(-fy.before, -fx.before), kh=len(fy.taps), kw=len(fx.taps), oh=fy.count,
                     ow=fx.count, beside=i < len(pairs) - 1, **common)
        if few:
            emit_few(p, packed_few(p, *weights), y=y.ref(fy.first * yr + fx.first * yp), **phase)
            continue
        split = conv_split(p, y.n, 1, fy.count, fx.count, y.blocks)
        p.emit("conv", y.n * split["row_tiles"] * split["oc_tiles"], w=packed_conv(p, *weights),
               y=y.ref(fy.first, fx.first), **split, **phase)


def lower_joined(p: Planner, x, w, y, e, win: Window, flops: int) -> None:
    """Windows side by side: what one pixel makes are channels of one step, so that it is read once."""
    ic, oc = w.shape[:2]
    (kh, kw), (_, _, yr, yp) = win.kernel, y.strides
    channels = oc * kh * kw
    common = few_params(p, x, y, e, [i * yr + j * yp for i in range(kh) for j in range(kw)])
    packed = packed_few(p, w, channels, ic, (1, channels, 0, 0), (1, 1), key=("joined",))
    common |= dict(kh=1, kw=1, dh=1, dw=1, sh=1, sw=1, oh=x.h, ow=x.w, yr=yr * kh, yp=yp * kw)
    emit_few(p, packed, flops=flops, x=x.ref(), y=y.ref(), **common)


RULES = {"ConvTranspose": Rule(lower_conv_transpose, transpose_blocked, transpose_halo)}
