"""Conv, ConvTranspose and their integer form, for any number of spatial axes."""
from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .numeric import widen as wide
from .geometry import transposed_window, window
from .limits import check_size
from .registry import op


def check_channels(x, w, group: int, ic_axis: int = 1) -> None:
    if x.ndim < 3 or w.ndim != x.ndim:
        raise ValueError(f"x has {x.ndim} axes and w {w.ndim}; both have the same number, at least 3")
    if group < 1 or x.shape[1] != (w.shape[1] * group if ic_axis == 1 else w.shape[0]) or w.shape[0] % group:
        raise ValueError(f"x has {x.shape[1]} channels, w of shape {list(w.shape)} in {group} groups takes "
                         f"{w.shape[1] * group if ic_axis == 1 else w.shape[0]}")


def conv_window(x, w, kernel_shape, strides, pads, dilations, auto_pad):
    if kernel_shape and tuple(kernel_shape) != tuple(w.shape[2:]):
        raise ValueError(f"kernel_shape {list(kernel_shape)}, but w has {list(w.shape[2:])}")
    return window(x.shape[2:], w.shape[2:], strides, dilations, pads, auto_pad)


def padded(x: np.ndarray, before, after, value=0) -> np.ndarray:
    return np.pad(x, [(0, 0), (0, 0), *zip(before, after)], constant_values=value) if any(before) or any(after) else x


def windows(x: np.ndarray, win) -> np.ndarray:
    """View (n, c, *out, *kernel) of a padded array."""
    rank = len(win.kernel)
    reach = [(k - 1) * d + 1 for k, d in zip(win.kernel, win.dilations)]
    view = sliding_window_view(x, reach, tuple(range(2, 2 + rank)))
    steps = tuple(slice(0, (o - 1) * s + 1 if o else 0, s) for o, s in zip(win.out, win.strides))
    return view[(slice(None), slice(None), *steps, *(slice(None, None, d) for d in win.dilations))]


def convolve(x: np.ndarray, w: np.ndarray, win, group: int, dtype) -> np.ndarray:
    """By im2col, one image and group at a time."""
    n, oc, rank = x.shape[0], w.shape[0], len(win.kernel)
    y = np.empty((n, oc, *win.out), dtype)
    if y.size == 0:
        return y
    view = windows(padded(x, win.before, win.after), win)
    ic, og = x.shape[1] // group, oc // group
    order = (0, *range(1 + rank, 1 + 2 * rank), *range(1, 1 + rank))        # (c, *kernel, *out)
    for i in range(n):
        for g in range(group):
            columns = view[i, g * ic:(g + 1) * ic].transpose(order).reshape(-1, int(np.prod(win.out)))
            y[i, g * og:(g + 1) * og] = (w[g * og:(g + 1) * og].reshape(og, -1) @ columns).reshape(og, *win.out)
    return y


@op("Conv", since=1)
class Conv:
    """https://onnx.ai/onnx/operators/onnx__Conv.html"""
    def infer(x, w, b=None, *, auto_pad="NOTSET", dilations=None, group=1, kernel_shape=None, pads=None, strides=None):
        check_channels(x, w, group)
        if b is not None and b.shape != (w.shape[0],):
            raise ValueError(f"b has the shape {list(b.shape)}, w has {w.shape[0]} output channels")
        return x.like(check_size((x.shape[0], w.shape[0], *conv_window(x, w, kernel_shape, strides, pads, dilations, auto_pad).out), x.dtype.itemsize))

    def evaluate(x, w, b=None, *, auto_pad="NOTSET", dilations=None, group=1, kernel_shape=None, pads=None, strides=None):
        y = convolve(wide(x), wide(w), conv_window(x, w, kernel_shape, strides, pads, dilations, auto_pad), group, wide(x).dtype)
        if b is not None:
            y += wide(b).reshape(-1, *(1,) * (x.ndim - 2))
        return y.astype(x.dtype, copy=False)


@op("ConvTranspose", since=1)
class ConvTranspose:
    """https://onnx.ai/onnx/operators/onnx__ConvTranspose.html"""
    def infer(x, w, b=None, *, auto_pad="NOTSET", dilations=None, group=1, kernel_shape=None, output_padding=None, output_shape=None, pads=None,
              strides=None):
        check_channels(x, w, group, 0)
        win = transposed_window(x.shape[2:], w.shape[2:], strides, dilations, pads, auto_pad, output_padding, output_shape)
        return x.like(check_size((x.shape[0], w.shape[1] * group, *win.out), x.dtype.itemsize))

    def evaluate(x, w, b=None, *, auto_pad="NOTSET", dilations=None, group=1, kernel_shape=None, output_padding=None, output_shape=None, pads=None,
                 strides=None):
        win = transposed_window(x.shape[2:], w.shape[2:], strides, dilations, pads, auto_pad, output_padding, output_shape)
        xs, ws = wide(x), wide(w)
        ic, oc, rank = x.shape[1] // group, w.shape[1], x.ndim - 2
        full = [max((i - 1) * s + (k - 1) * d + 1, b0 + o) for i, s, k, d, b0, o in
                zip(x.shape[2:], win.strides, win.kernel, win.dilations, win.before, win.out)]
        shift = [max(0, -b0) for b0 in win.before]
        y = np.zeros((x.shape[0], oc * group, *(f + s for f, s in zip(full, shift))), xs.dtype)
        for g in range(group):
            part = np.tensordot(xs[:, g * ic:(g + 1) * ic], ws[g * ic:(g + 1) * ic], (1, 0))       # (n, *in, oc, *kernel)
            part = np.moveaxis(part, 1 + rank, 1)
            for tap in np.ndindex(*win.kernel):
                at = tuple(slice(z + t * d, z + t * d + (i - 1) * s + 1, s) for z, t, d, i, s in
                           zip(shift, tap, win.dilations, x.shape[2:], win.strides))
                y[(slice(None), slice(g * oc, (g + 1) * oc), *at)] += part[(Ellipsis, *tap)]
        y = y[(slice(None), slice(None), *(slice(z + b0, z + b0 + o) for z, b0, o in zip(shift, win.before, win.out)))]
        if b is not None:
            y = y + wide(b).reshape(-1, *(1,) * rank)
        return np.ascontiguousarray(y).astype(x.dtype, copy=False)


@op("ConvInteger", since=10)
class ConvInteger:
    """https://onnx.ai/onnx/operators/onnx__ConvInteger.html"""
    def infer(x, w, x_zero_point=None, w_zero_point=None, *, auto_pad="NOTSET", dilations=None, group=1, kernel_shape=None, pads=None, strides=None):
        check_channels(x, w, group)
        return x.like((x.shape[0], w.shape[0], *conv_window(x, w, kernel_shape, strides, pads, dilations, auto_pad).out), np.int32)

    def evaluate(x, w, x_zero_point=None, w_zero_point=None, *, auto_pad="NOTSET", dilations=None, group=1, kernel_shape=None, pads=None,
                 strides=None):
        xs = x.astype(np.float64) - (0 if x_zero_point is None else x_zero_point.astype(np.float64).reshape(-1)[0])
        ws = w.astype(np.float64)
        if w_zero_point is not None:
            ws = ws - w_zero_point.astype(np.float64).reshape(-1, *(1,) * (w.ndim - 1))
        return convolve(xs, ws, conv_window(x, w, kernel_shape, strides, pads, dilations, auto_pad), group, np.float64).astype(np.int32)
