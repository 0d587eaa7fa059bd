"""Conv -> steps: which algorithm, and what all of them share."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .epilogue import epilogue, epilogue_params
from .lower_direct import MOST_MERGED, lower_depthwise, lower_direct, merged_size
from .lower_few import few_pays, lower_few
from .lower_matrix import matrix_vector
from .lower_stem import STEM_CHANNELS, STEM_TAPS, lower_stem, stem_input
from .lower_winograd import lower_winograd, winograd_or_direct
from .planner import NO_HALO, Planner, Rule
from .steps import Declined
from .views import Blocked, nchw
from .window import Window, spatial, window

LOWER = {"direct": lower_direct, "depthwise": lower_depthwise, "stem": lower_stem,
         "winograd4": lower_winograd, "winograd2": lower_winograd,
         "vector": lower_direct}        # where a reader wants a halo around the pixel


@dataclass(slots=True)
class Choice:
    """kind : a key of LOWER; "vector": the picture is one pixel, the weights are a matrix; or "few": output
    channels, in plain memory."""
    kind: str
    window: Window
    groups: int


def choose(p: Planner, node) -> Choice | None:
    """The algorithm for a Conv; None where no kernel fits."""
    return p.once(("conv", id(node)), lambda: _choose(p, node))


def _choose(p, node):
    x, w, y = p.spec(node.inputs[0]), p.spec(node.inputs[1]), p.spec(node.outputs[0])
    if not spatial(p, node) or w.value is None or bias_of(p, node, y.shape[1]) is None:
        return None
    win = window(node, x.shape, w.shape[2:])
    n, ic, ih, iw = nchw(x.shape)
    _, oc, oh, ow = nchw(y.shape)
    group = node.attributes.get("group", 1)
    if group == ic == oc and group > 1:
        return Choice("depthwise", win, group)
    if group > 1:
        return Choice("direct", win, group) if merged_size(w.shape, group) <= MOST_MERGED else None
    if win.kernel == (1, 1) and ih * iw == oh * ow == 1 and n <= 2 and win.pads == NO_HALO:
        return Choice("vector", win, 1)
    taps = ic * win.kernel[0] * win.kernel[1]
    if ic <= STEM_CHANNELS and taps <= STEM_TAPS and not p.is_blocked.get(node.inputs[0]):
        return Choice("stem", win, 1)
    if few_pays(p, node.outputs[0], ic, oc, win.kernel[0] * win.kernel[1]):
        return Choice("few", win, 1)
    if win.kernel == (3, 3) and win.strides == win.dilations == (1, 1):
        return Choice(winograd_or_direct(n, ic, oc, oh, ow), win, 1)
    return Choice("direct", win, 1)


def bias_of(p: Planner, node, channels: int) -> np.ndarray | None:
    """The bias of a Conv or ConvTranspose, zeros where there is none; None when only the run knows it."""
    if len(node.inputs) < 3 or not node.inputs[2]:
        return np.zeros(channels, np.float32)
    return p.constant(node.inputs[2])


def conv_halo(p: Planner, node):
    choice = choose(p, node)
    if choice is None or choice.kind not in ("direct", "depthwise", "few"):
        return None
    return {node.inputs[0]: choice.window.overhang()}


def lower_conv(p: Planner, node) -> None:
    choice = choose(p, node)
    if choice is None:
        raise Declined
    w = p.constant(node.inputs[1])
    e = epilogue(p, node.outputs[0], bias_of(p, node, w.shape[0]),
                 residual=choice.kind not in ("depthwise", "vector"))
    if choice.kind == "vector" and p.halo_of(e.name) == NO_HALO:
        return lower_vector(p, node, w, e)
    if choice.kind == "few":
        return lower_few(p, node, choice.window, w, e)
    residual = p.blocked(e.residual) if e.residual else None
    if choice.kind == "stem":
        x = stem_input(p, node.inputs[0], choice.window)
        y = p.new_blocked(e.name)
        common = {}
    else:
        x = p.blocked(node.inputs[0])
        y = p.new_blocked(e.name)
        common = dict(xn=x.ns, xb=x.bs, xr=x.rs)
    common |= dict(n=y.n, oh=y.h, ow=y.w, **output_params(y, residual), **epilogue_params(p, e))
    w = w.reshape(*w.shape[:2], *choice.window.kernel)
    LOWER[choice.kind](p, choice, x, y, w, common, flops=2 * y.n * y.h * y.w * w.size)


def output_params(y: Blocked, residual: Blocked | None) -> dict:
    params = dict(y=y.ref(), yn=y.ns, yb=y.bs, yr=y.rs)
    if residual is not None:
        params |= dict(res=residual.ref(), rn=residual.ns, rb=residual.bs, rr=residual.rs)
    return params


def lower_vector(p, node, w, e):
    """A 1x1 convolution of a single pixel: a matrix times a vector, weights read in place."""
    x = p.plain(node.inputs[0])
    if x.strides[1] != 1:
        x = p.plain(node.inputs[0], contiguous=True)
    n, ic = x.shape[:2]
    oc = w.shape[0]
    y = p.new_blocked(e.name)
    matrix_vector(p, x.ref(), x.strides[0], y.ref(), y.ns, n, oc, ic, w, (ic, 1), e)


def conv_blocked(p: Planner, node) -> bool:
    choice = choose(p, node)
    return choice is not None and choice.kind != "few"


RULES = {"Conv": Rule(lower_conv, conv_blocked, conv_halo)}
