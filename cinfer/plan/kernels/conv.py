"""Conv: which algorithm.

A pixel of one picture is a product of a matrix and a vector; few input channels are read from plain memory
(conv_stem.py), few output channels written to plain memory (conv_few.py); 3x3 windows may go by Winograd's way
(conv_winograd.py); everything else is summed as it stands (conv_direct.py). Where bfloat16 was asked for, there is a
way in it beside the first (conv_patches.py) and the last two (conv_bf16.py); where numbers of 16 bits are, one in
integers beside the last (conv_s16.py).
"""
from __future__ import annotations

from math import prod

from ...ops.families import OWN_DOMAIN
from ..candidate import BLOCKED, RESIDUAL, SLOPE, TURN, UNARY, kernel
from ..epilogue import epilogue_params
from ..views import BLOCK
from . import conv_bf16, conv_direct, conv_few, conv_patches, conv_s16, conv_stem, conv_winograd
from .conv_params import Conv, bias_ref, blocked_candidate, has_known_bias
from .matmul import vector_product
from .window import GEOMETRY, is_picture


@kernel("GridConv", domain=OWN_DOMAIN, attributes=GEOMETRY + "group", reading=BLOCKED,
        takes=(UNARY, SLOPE, RESIDUAL, TURN))
@kernel("Conv", attributes=GEOMETRY + "group", reading=BLOCKED, takes=(UNARY, SLOPE, RESIDUAL, TURN))
def conv(group, values):
    node, e = group.node, group.epilogue
    w = values.constant(node.inputs[1])
    if w is None or not has_known_bias(node, values) or not is_picture(node, values, 3):
        return ()
    groups = node.attributes.get("group", 1)
    conv = Conv(group, groups, w)
    win, oc, ic = conv.window(values), w.shape[0], w.shape[1] * groups
    if groups == 1:
        if is_vector(conv, win, values):
            return () if e.residual or e.turned else (blocked_candidate(conv, vector, halo=False),)
        if conv_stem.fits(conv, win, values):
            return () if e.turned else conv_patches.beside(conv, win, conv_stem.candidate(conv), values)
        if win.depth is None and conv_few.pays(values, node.outputs[0], ic, oc, prod(win.kernel)):
            return (conv_few.candidate(conv),)
    if e.turned:
        return ()
    if groups == ic == oc and groups > 1 and win.depth is None:
        return () if e.residual else (blocked_candidate(conv, conv_direct.emit_depthwise),)
    if of_whole_numbers(conv, values):
        return summed(conv, win)
    if groups == 1 and win.kernel == (3, 3) and win.strides == win.dilations == (1, 1):
        found = conv_winograd.candidates(conv, values.store.any_size)
        alone = conv_winograd.is_kept_alone(conv, values.store.any_size)
    else:
        found, alone = summed(conv, win), False
    return conv_s16.beside(conv, conv_bf16.beside(conv, found, values, alone), values, alone)


def summed(conv: Conv, win) -> tuple:
    """The candidate that sums as it stands, in float32."""
    if conv_direct.inside(win) is not None:
        return (blocked_candidate(conv, conv_direct.emit_inside, halo=False),)
    return (blocked_candidate(conv, conv_direct.emit),)


def of_whole_numbers(conv: Conv, values) -> bool:
    """Whether it was a ConvInteger (passes/expand_quantized.py): its sums are exact if they are summed as they stand,
    and a number that is rounded behind it, to 8 bits by a range, falls on the side where it belongs."""
    maker = values.makers.get(conv.x)
    if maker is None or maker.op_type != "DequantizeLinear" or maker.domain:
        return False
    scale = values.constant(maker.inputs[1])
    return scale is not None and scale.size == 1 and scale.item() == 1


def is_vector(conv: Conv, win, values) -> bool:
    """Whether a convolution is a matrix times a vector or two."""
    return prod(conv.w.shape[2:]) == 1 and win.covers_all() and values.shape(conv.x)[0] <= 2


def vector(out, conv: Conv) -> None:
    """A 1x1 convolution of a single pixel, weights read in place; directly where a halo lies around a
    pixel."""
    e = conv.group.epilogue
    x, y = out.blocked(conv.x), out.output(e.name)
    if (x.c > BLOCK and x.bs != BLOCK) or (y.c > BLOCK and y.bs != BLOCK):
        return conv_direct.emit(out, conv)
    oc, ic = conv.w.shape[:2]
    return vector_product(out, conv.w, conv.w_name, (ic, 1), x=x.ref(), ldx=x.ns, y=y.ref(), ldy=y.ns, m=y.n,
                          n=oc, k=ic, scale=1.0,
                          **epilogue_params(out, e, bias_ref(out, conv.group.node, oc)))
