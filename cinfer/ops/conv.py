"""Conv and ConvTranspose, for any number of spatial axes. https://onnx.ai/onnx/operators/onnx__Conv.html"""
from __future__ import annotations

from math import prod

import numpy as np

from .facts import rank_of_any
from .geometry import Geometry, conv_geometry, transposed_geometry
from .limits import check_size
from .numeric import along, check_kind, check_same, check_sizes, matmul, product, settle, spec_of, widen
from .registry import op
from .symbols import differ

COLUMN_BYTES = 32 << 20             # of the im2col matrix that is made at a time


def check_kernel(x, w, group: int, kernel_shape, transposed: bool = False) -> None:
    """ValueError unless channels and axes of x and w belong together."""
    if x.ndim < 3 or w.ndim != x.ndim:
        raise ValueError(f"x has {x.ndim} axes, w {w.ndim}; both have to have the same number, at least 3")
    if group < 1:
        raise ValueError(f"group {group}; it has to be at least 1")
    taken = w.shape[0] if transposed else w.shape[1] * group
    if differ(x.shape[1], taken):
        raise ValueError(f"x has {x.shape[1]} channels, w takes {taken} (group {group})")
    if differ(w.shape[0] % group, 0):
        raise ValueError(f"w of shape {list(w.shape)} does not divide into {group} groups")
    if kernel_shape and differ(tuple(kernel_shape), w.shape[2:]):
        raise ValueError(f"kernel_shape is {list(kernel_shape)}, w has the shape {list(w.shape)}")


def infer_conv(x, w, *, auto_pad="NOTSET", dilations=None, group=1, kernel_shape=None, pads=None, strides=None
               ) -> tuple[Geometry, tuple[int, ...]]:
    """(geometry, shape of the output) of anything that is shaped like Conv."""
    check_kernel(x, w, group, kernel_shape)
    geometry = conv_geometry(x.shape[2:], w.shape[2:], auto_pad=auto_pad, dilations=dilations, pads=pads,
                             strides=strides)
    return geometry, check_size((x.shape[0], w.shape[0], *geometry.out_sizes), 4)


def convolve(x: np.ndarray, w: np.ndarray, geometry: Geometry, group: int = 1) -> np.ndarray:
    """The sums of products, in the type of x. By im2col, image by image, so many taps of the kernel at a time
    as COLUMN_BYTES allow.

    x : (n, c, *in_sizes), w : (m, c / group, *kernel_shape), of one type; -> (n, m, *out_sizes)
    """
    n, channels = x.shape[0], x.shape[1] // group
    pixels = prod(geometry.out_sizes)
    y = np.zeros((n, group, w.shape[0] // group, pixels), x.dtype)
    x = x.reshape(n, group, channels, *geometry.in_sizes)
    w = w.reshape(group, w.shape[0] // group, channels, *geometry.kernel_shape)
    if not y.size or not channels:
        return y.reshape(n, y.shape[1] * y.shape[2], *geometry.out_sizes)
    taps = list(geometry.taps())
    at_once = max(1, COLUMN_BYTES // (group * channels * pixels * x.itemsize))
    for start in range(0, len(taps), at_once):
        some = taps[start:start + at_once]
        weights = np.stack([w[(..., *tap)] for tap, _, _ in some], -1).reshape(group, w.shape[1], -1)
        columns = np.zeros((group, channels, len(some), *geometry.out_sizes), x.dtype)
        for image in range(n):
            for i, (_, windows, elements) in enumerate(some):
                columns[(slice(None), slice(None), i, *windows)] = x[(image, ..., *elements)]
            y[image] += product(weights, columns.reshape(group, -1, pixels))
    return y.reshape(n, y.shape[1] * y.shape[2], *geometry.out_sizes)


@op("Conv", since=1, one_type=True, rank=lambda x, w, *_, **__: rank_of_any(x, w))
class Conv:
    def infer(x, w, b=None, *, auto_pad="NOTSET", dilations=None, group=1, kernel_shape=None, pads=None,
              strides=None):
        check_kind(x, "float")
        check_same(x.dtype, w, b, what="x, w and b")
        _, shape = infer_conv(x, w, auto_pad=auto_pad, dilations=dilations, group=group,
                              kernel_shape=kernel_shape, pads=pads, strides=strides)
        check_sizes(b, w.shape[:1], "b")
        return x.like(shape)

    def evaluate(x, w, b=None, *, group=1, auto_pad="NOTSET", dilations: list[int] = None,
                 kernel_shape: list[int] = None, pads: list[int] = None, strides: list[int] = None):
        attributes = dict(auto_pad=auto_pad, dilations=dilations, group=group, kernel_shape=kernel_shape,
                          pads=pads, strides=strides)
        Conv.infer(spec_of(x), spec_of(w), spec_of(b), **attributes)
        geometry, _ = infer_conv(x, w, **attributes)
        y = convolve(widen(x), widen(w), geometry, group)
        if b is not None:
            y += widen(b).reshape(along(1, x.ndim))
        return settle(y, x.dtype)


@op("ConvTranspose", since=1, one_type=True, rank=lambda x, w, *_, **__: rank_of_any(x, w))
class ConvTranspose:
    """w : (channels of x, channels of y / group, *kernel_shape).
    https://onnx.ai/onnx/operators/onnx__ConvTranspose.html"""
    def infer(x, w, b=None, *, auto_pad="NOTSET", dilations=None, group=1, kernel_shape=None,
              output_padding=None, output_shape=None, pads=None, strides=None):
        check_kind(x, "float")
        check_same(x.dtype, w, b, what="x, w and b")
        check_kernel(x, w, group, kernel_shape, transposed=True)
        check_sizes(b, (w.shape[1] * group,), "b")
        geometry = transposed_geometry(x.shape[2:], w.shape[2:], auto_pad=auto_pad, dilations=dilations,
                                       output_padding=output_padding, output_shape=output_shape, pads=pads,
                                       strides=strides)
        return x.like(check_size((x.shape[0], w.shape[1] * group, *geometry.in_sizes), x.dtype.itemsize))

    def evaluate(x, w, b=None, *, auto_pad="NOTSET", dilations: list[int] = None, group=1,
                 kernel_shape: list[int] = None, output_padding: list[int] = None,
                 output_shape: list[int] = None, pads: list[int] = None, strides: list[int] = None):
        where = dict(auto_pad=auto_pad, dilations=dilations, output_padding=output_padding,
                     output_shape=output_shape, pads=pads, strides=strides)
        ConvTranspose.infer(*map(spec_of, (x, w, b)), group=group, kernel_shape=kernel_shape, **where)
        geometry = transposed_geometry(x.shape[2:], w.shape[2:], **where)
        y = convolve_transposed(widen(x), widen(w), geometry, group)
        if b is not None:
            y += widen(b).reshape(along(1, x.ndim))
        return settle(y, x.dtype)


def convolve_transposed(x: np.ndarray, w: np.ndarray, geometry: Geometry, group: int) -> np.ndarray:
    """Each tap of the kernel adds what it makes of the input to the elements where it lies: the gradient of
    `convolve` by its input."""
    n, channels = x.shape[0], x.shape[1] // group
    y = np.zeros((n, group, w.shape[1], *geometry.in_sizes), x.dtype)
    w = w.reshape(group, channels, w.shape[1], *geometry.kernel_shape)
    x = x.reshape(n, group, channels, prod(geometry.out_sizes))
    for tap, windows, elements in geometry.taps():
        part = matmul(w[(..., *tap)].transpose(0, 2, 1), x)
        part = part.reshape(n, group, w.shape[2], *geometry.out_sizes)
        y[(..., *elements)] += part[(..., *windows)]
    return y.reshape(n, group * w.shape[2], *geometry.in_sizes)
