"""Inputs of convolutions, pools and what else slides over pictures; `c` as in drawn_inputs.py."""
from __future__ import annotations

from math import prod

import numpy as np

from drawn_common import INT, by_name, ints, picture, scale


def window(c, spatial, kernel, padded=True):
    """strides, dilations, and pads or auto_pad, so that something is left."""
    n = len(spatial)
    c.maybe("strides", None, [c.whole(1, 3) for _ in range(n)])
    auto = c.maybe("auto_pad", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID") if padded else "NOTSET"
    # with SAME onnxruntime's pools pad as if there were none
    some = [c.whole(1, 2) for _ in range(n)]
    dilations = c.maybe("dilations", None, *[some] * (auto[:4] != "SAME")) or [1] * n
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
    fits = all(r <= s for r, s in zip(reach, spatial))
    if not fits:
        c.set(dilations=[1] * n)
    c.decided.add("pads")
    if padded and auto == "NOTSET" and c.chance():
        c.set(pads=[c.whole(0, k - 1) for k in [*kernel, *kernel]])


def conv(c, w=1):
    x = picture(c)
    channels, n = x.shape[1], x.ndim - 2
    group = c.maybe("group", 1, *(g for g in (2, 3, 4) if channels % g == 0))
    kernel = [c.whole(1, 3) for _ in range(n)]
    c.maybe("kernel_shape", None, kernel)
    window(c, x.shape[2:], kernel)
    return x, c.make(w, (group * c.whole(1, 3), channels // group, *kernel))


def conv_with_bias(c):
    x, w = conv(c)
    return x, w, c.optional("B", (len(w),))


def conv_transpose(c):
    x = picture(c, low=1, high=4)
    channels, n = x.shape[1], x.ndim - 2
    group = c.maybe("group", 1, *(g for g in (2, 3, 4) if channels % g == 0))
    kernel = [c.whole(1, 3) for _ in range(n)]
    c.maybe("kernel_shape", None, kernel)
    strides = c.maybe("strides", None, [c.whole(1, 3) for _ in range(n)]) or [1] * n
    dilations = c.maybe("dilations", None, [c.whole(1, 2) for _ in range(n)]) or [1] * n
    c.decided |= {"pads", "output_shape"}
    how = c.pick("pads", "pads", "auto_pad", "output_shape")
    if how == "output_shape":
        full = [(d - 1) * s + (k - 1) * a + 1 for d, s, k, a in zip(x.shape[2:], strides, kernel, dilations)]
        c.set(output_shape=[max(1, d - c.whole(0, 2)) for d in full])
    if how == "pads" and min(x.shape[2:]) > 1:
        c.set(pads=[c.whole(0, min(1, k - 1)) for k in [*kernel, *kernel]])
    c.maybe("auto_pad", *(("NOTSET",) if how != "auto_pad" else ("SAME_UPPER", "SAME_LOWER", "VALID")))
    c.maybe("output_padding", None, [c.whole(0, s - 1) for s in strides])
    w = c.make("W", (channels, c.whole(1, 3), *kernel))
    return x, w, c.optional("B", (w.shape[1] * group,))


def conv_integer(c):
    x, w = conv(c)
    zero = c.optional("x_zero_point", (), low=0)
    return x, w, zero, c.optional("w_zero_point", c.pick((), (len(w),))) if zero is not None else None


def qlinear_conv(c):
    x, w = conv(c, 3)
    per = c.pick((), (len(w),))
    return (x, scale(c, "x_scale", ()), c.make("x_zero_point", (), 0), w, scale(c, "w_scale", per),
            np.zeros_like(c.make("w_zero_point", per)) if c.chance() else c.make("w_zero_point", per),
            scale(c, "y_scale", ()), c.make("y_zero_point", (), 0),
            c.optional("B", (len(w),), low=-50, high=50))


def pool(c):
    x = picture(c, high=7)
    kernel = [c.whole(1, 3) for _ in x.shape[2:]]
    c.set(kernel_shape=kernel)
    window(c, x.shape[2:], kernel)
    return x,


def max_unpool(c):
    x = picture(c, most=2, low=1, high=3)
    k = c.whole(1, 3)
    n = x.ndim - 2
    c.set(kernel_shape=[k] * n, strides=[k] * n if k > 1 or c.chance() else None)
    c.maybe("pads", None, [0] * 2 * n)
    total = [(d - 1) * k + k for d in x.shape[2:]]
    room = prod(x.shape[:2]) * prod(total)
    places = np.array(c.rng.sample(range(room), x.size), INT).reshape(x.shape)
    return x, places, ints(*x.shape[:2], *total) if c.chance(.3) else None


def deform_conv(c):
    x = picture(c, 2, 2)
    channels = x.shape[1]
    group = c.maybe("group", 1, channels)
    groups = c.maybe("offset_group", 1, channels)
    kernel = [c.whole(1, 3), c.whole(1, 3)]
    c.maybe("kernel_shape", None, kernel)
    window(c, x.shape[2:], kernel, padded=False)
    pads = c.maybe("pads", None, [1, 0, 1, 1]) or [0] * 4
    if "pads" not in c.attributes:
        c.set(pads=[0] * 4)
    strides, dilations = (c.attributes.get(name, [1, 1]) for name in ("strides", "dilations"))
    size = [(d + pads[i] + pads[i + 2] - (kernel[i] - 1) * dilations[i] - 1) // strides[i] + 1
            for i, d in enumerate(x.shape[2:])]
    w = c.make("W", (group * c.whole(1, 2), channels // group, *kernel))
    taps = groups * prod(kernel)
    return (x, w, c.make("offset", (len(x), 2 * taps, *size), -2, 2), c.optional("B", (len(w),)),
            c.optional("mask", (len(x), taps, *size), low=0, high=1))


def col2im(c):
    n = c.pick(2, 2, 1, 3)
    block = [c.whole(1, 3) for _ in range(n)]
    size = [c.whole(3, 6) for _ in range(n)]
    strides = c.maybe("strides", None, [c.whole(1, 2) for _ in range(n)]) or [1] * n
    dilations = c.maybe("dilations", None, [1] * n) or [1] * n
    pads = c.maybe("pads", None, [c.whole(0, 1) for _ in range(2 * n)]) or [0] * 2 * n
    windows = prod((size[i] + pads[i] + pads[i + n] - dilations[i] * (block[i] - 1) - 1) // strides[i] + 1
                   for i in range(n))
    return c.x(shape=(c.whole(1, 2), c.whole(1, 3) * prod(block), windows)), ints(*size), ints(*block)


INPUTS = by_name({
    pool: "AveragePool LpPool MaxPool", col2im: "Col2Im", conv_with_bias: "Conv", conv_integer: "ConvInteger",
    conv_transpose: "ConvTranspose", deform_conv: "DeformConv", max_unpool: "MaxUnpool",
    qlinear_conv: "QLinearConv",
}) | dict.fromkeys(("GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool"), lambda c: [picture(c)])
