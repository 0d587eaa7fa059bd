"""Pools over windows and over whole pictures, for any number of spatial axes; LRN.

Windows are boxes, and what is taken of them does not depend on the order. So pools run axis by axis, the last
first: kh + kw passes over the picture instead of kh * kw.
"""
from __future__ import annotations

from math import prod

import numpy as np

from .facts import INT64
from .geometry import Geometry, axis_taps, conv_geometry, numbers
from .limits import check_ints, check_size
from .numeric import average, check_kind, check_sizes, lowest, settle, spec_of, total, wide_sums, widen
from .registry import add, describe, op
from .symbols import below, differ


def check_pictures(x, kind: str = "float") -> None:
    check_kind(x, kind)
    if x.ndim < 3:
        raise ValueError(f"x has {x.ndim} axes; it has to have at least 3: batch, channels, spatial ones")


def infer_pool(x, kernel_shape, kind: str = "float", **attributes) -> tuple[Geometry, tuple[int, ...]]:
    """(geometry, shape of the output)"""
    check_pictures(x, kind)
    geometry = conv_geometry(x.shape[2:], kernel_shape, pool=True, **attributes)
    return geometry, check_size((*x.shape[:2], *geometry.out_sizes), 8)


def pool(x: np.ndarray, geometry: Geometry, function, start) -> np.ndarray:
    """The function (a ufunc of two inputs) of all elements of each window, and `start`."""
    for axis, where in reversed(list(enumerate(geometry.axes, 2))):
        before = (slice(None),) * axis
        y = np.full((*x.shape[:axis], where[1], *x.shape[axis + 1:]), start, x.dtype)
        for _, windows, elements in axis_taps(*where):
            part = y[(*before, windows)]
            function(part, x[(*before, elements)], out=part)
        x = y
    return x


def pool_sum(x: np.ndarray, geometry: Geometry) -> np.ndarray:
    """The sum of each window, in the type of x."""
    wide = wide_sums(x.dtype) if max(geometry.kernel_shape) > 64 else x.dtype
    return settle(pool(x.astype(wide, copy=False), geometry, np.add, 0), x.dtype)


def pool_max_indices(x: np.ndarray, places: np.ndarray, geometry: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """The largest of each window and the entry of `places` that stands beside it: the first of equals. NaN
    counts as largest."""
    for axis, where in reversed(list(enumerate(geometry.axes, 2))):
        before = (slice(None),) * axis
        shape = (*x.shape[:axis], where[1], *x.shape[axis + 1:])
        y, at = np.full(shape, lowest(x.dtype), x.dtype), np.full(shape, -1, np.int64)
        for _, windows, elements in axis_taps(*where):
            value, best, place = x[(*before, elements)], y[(*before, windows)], at[(*before, windows)]
            better = (value > best) | (place < 0) | (value != value) & (best == best)
            np.copyto(best, value, where=better)
            np.copyto(place, places[(*before, elements)], where=better)
        x, places = y, at
    return x, places


@op("MaxPool", since=1, types=(0, INT64), rank=0)
class MaxPool:
    """https://onnx.ai/onnx/operators/onnx__MaxPool.html"""
    def infer(x, *, kernel_shape, auto_pad="NOTSET", ceil_mode=0, dilations=None, pads=None, storage_order=0,
              strides=None, n_outputs=1):
        _, shape = infer_pool(x, kernel_shape, "number", auto_pad=auto_pad, ceil_mode=ceil_mode,
                              dilations=dilations, pads=pads, strides=strides)
        return (x.like(shape), x.like(shape, np.int64))[:n_outputs]

    def evaluate(x, *, kernel_shape: list[int], auto_pad="NOTSET", ceil_mode=0, dilations: list[int] = None,
                 pads: list[int] = None, storage_order=0, strides: list[int] = None, n_outputs=1):
        geometry, _ = infer_pool(x, kernel_shape, "number", auto_pad=auto_pad, ceil_mode=ceil_mode,
                                 dilations=dilations, pads=pads, strides=strides)
        wide = widen(x)
        if n_outputs == 1:
            return settle(pool(wide, geometry, np.maximum, lowest(wide.dtype)), x.dtype)
        places = np.arange(x.size).reshape(x.shape)
        if storage_order:                       # the first spatial axis varies fastest
            places = places.reshape(*x.shape[:2], *x.shape[:1:-1]).transpose(0, 1, *range(x.ndim - 1, 1, -1))
        y, indices = pool_max_indices(wide, places, geometry)
        return settle(y, x.dtype), indices


def elements_per_window(geometry: Geometry, include_pad: int) -> np.ndarray:
    """How many elements each window has; padding counts with `include_pad`, what is beyond it never."""
    counts = np.ones((), np.int64)
    for size, out, kernel, stride, dilation, begin, end in geometry.axes:
        start = np.arange(out) * stride - begin
        low, high = (-begin, size + end) if include_pad else (0, size)
        first = np.maximum(0, -((start - low) // dilation))
        stop = np.minimum(kernel, -((start - high) // dilation))
        counts = counts[..., None] * (stop - first)
    return np.maximum(counts, 1)


@op("AveragePool", since=1, rank=0)
class AveragePool:
    """https://onnx.ai/onnx/operators/onnx__AveragePool.html"""
    def infer(x, *, kernel_shape, auto_pad="NOTSET", ceil_mode=0, count_include_pad=0, dilations=None,
              pads=None, strides=None):
        return x.like(infer_pool(x, kernel_shape, auto_pad=auto_pad, ceil_mode=ceil_mode, dilations=dilations,
                                 pads=pads, strides=strides)[1])

    def evaluate(x, *, kernel_shape: list[int], auto_pad="NOTSET", ceil_mode=0, count_include_pad=0,
                 dilations: list[int] = None, pads: list[int] = None, strides: list[int] = None):
        geometry, _ = infer_pool(x, kernel_shape, auto_pad=auto_pad, ceil_mode=ceil_mode, dilations=dilations,
                                 pads=pads, strides=strides)
        y = pool_sum(widen(x), geometry)
        return settle(y / elements_per_window(geometry, count_include_pad).astype(y.dtype), x.dtype)


def check_p(p) -> None:
    if p < 1:
        raise ValueError(f"p {p}; it has to be at least 1")


@op("LpPool", since=1, rank=0)
class LpPool:
    """https://onnx.ai/onnx/operators/onnx__LpPool.html"""
    def infer(x, *, kernel_shape, auto_pad="NOTSET", ceil_mode=0, dilations=None, p=2, pads=None,
              strides=None):
        check_p(p)
        return x.like(infer_pool(x, kernel_shape, auto_pad=auto_pad, ceil_mode=ceil_mode, dilations=dilations,
                                 pads=pads, strides=strides)[1])

    def evaluate(x, *, kernel_shape: list[int], auto_pad="NOTSET", ceil_mode=0, dilations: list[int] = None,
                 p: int | float = 2, pads: list[int] = None, strides: list[int] = None):
        check_p(p)
        geometry, _ = infer_pool(x, kernel_shape, auto_pad=auto_pad, ceil_mode=ceil_mode, dilations=dilations,
                                 pads=pads, strides=strides)
        return settle(pool_sum(np.abs(widen(x))**p, geometry)**(1 / p), x.dtype)


def unpooled_shapes(x, indices, output_shape, kernel_shape, pads, strides) -> tuple[tuple, tuple]:
    """Of a MaxUnpool: the shape by which the indices count, and that of the output."""
    check_pictures(x)
    check_sizes(indices, x.shape, "indices")
    if indices.dtype != INT64:
        raise ValueError(f"indices are {indices.dtype}; they have to be int64")
    rank = x.ndim - 2
    kernel = numbers(kernel_shape, rank, None, "kernel_shape", 1)
    strides, pads = numbers(strides, rank, 1, "strides", 1), numbers(pads, 2 * rank, 0, "pads", 0)
    sizes = [(size - 1) * strides[i] + kernel[i] - pads[i] - pads[rank + i]
             for i, size in enumerate(x.shape[2:])]
    counted = check_size((*x.shape[:2], *sizes), 8)
    if output_shape is None:
        return counted, counted
    sizes = check_ints(output_shape.known("the output_shape of MaxUnpool"), "output_shape")
    if len(sizes) != x.ndim or differ(tuple(sizes[:2]), x.shape[:2]) or any(map(below, sizes, counted)):
        raise ValueError(f"output_shape {sizes}; it has to be at least {list(counted)}")
    return counted, check_size(sizes, 8)


@op("MaxUnpool", since=9, rank=0)
class MaxUnpool:
    """Puts elements back to where MaxPool found them, among zeros. The indices count in the shape that the
    attributes give, also where output_shape is larger: then that is filled up with zeros behind each axis.
    https://onnx.ai/onnx/operators/onnx__MaxUnpool.html"""
    def infer(x, indices, output_shape=None, *, kernel_shape, pads=None, strides=None):
        return x.like(unpooled_shapes(x, indices, output_shape, kernel_shape, pads, strides)[1])

    def evaluate(x, indices, output_shape=None, *, kernel_shape: list[int], pads: list[int] = None,
                 strides: list[int] = None):
        counted, shape = unpooled_shapes(x, indices, spec_of(output_shape), kernel_shape, pads, strides)
        y = np.zeros(counted, x.dtype)
        if indices.size and not 0 <= indices.min() <= indices.max() < y.size:
            raise ValueError(f"indices {indices.min()} to {indices.max()}; allowed is 0 to {y.size - 1}")
        y.reshape(-1)[indices.reshape(-1)] = x.reshape(-1)
        if shape == counted:
            return y
        return np.pad(y, [(0, large - size) for size, large in zip(counted, shape)])


# Over the whole picture

def whole(name: str, function) -> None:
    """Register y = function(x, spatial axes)."""
    def infer(x):
        check_pictures(x)
        return x.like((*x.shape[:2], *(1,) * (x.ndim - 2)))

    def evaluate(x):
        check_pictures(x)
        return settle(function(widen(x), tuple(range(2, x.ndim))), x.dtype)
    add(describe("", name, 1, evaluate, infer, rank=0))


whole("GlobalAveragePool", lambda x, axes: average(x, axes, keepdims=True))
whole("GlobalMaxPool", lambda x, axes: x.max(axes, keepdims=True, initial=-np.inf))


@op("GlobalLpPool", since=1, rank=0)
class GlobalLpPool:
    """https://onnx.ai/onnx/operators/onnx__GlobalLpPool.html"""
    def infer(x, *, p=2):
        check_pictures(x)
        check_p(p)
        return x.like((*x.shape[:2], *(1,) * (x.ndim - 2)))

    def evaluate(x, *, p: int | float = 2):
        GlobalLpPool.infer(spec_of(x), p=p)
        return settle(total(np.abs(widen(x))**p, tuple(range(2, x.ndim)), keepdims=True)**(1 / p), x.dtype)


@op("LRN", since=1, rank=0)
class LRN:
    """y = x / (bias + alpha / size * squares of the `size` channels around)**beta.
    https://onnx.ai/onnx/operators/onnx__LRN.html"""
    def infer(x, *, size, alpha=0.0001, beta=0.75, bias=1.0):
        check_pictures(x)
        if size < 1:
            raise ValueError(f"size {size}; it has to be at least 1")
        return x.like()

    def evaluate(x, *, size: int, alpha=0.0001, beta=0.75, bias=1.0):
        LRN.infer(spec_of(x), size=size)
        wide = widen(x)
        before = (size - 1) // 2
        channels = Geometry(x.shape[1:2], x.shape[1:2], (size,), (1,), (1,), (before,), (size - 1 - before,))
        squares = np.square(wide).reshape(x.shape[0], 1, x.shape[1], prod(x.shape[2:]))
        around = np.zeros(squares.shape, wide_sums(wide.dtype))
        for _, windows, elements in channels.taps():
            around[:, :, windows[0]] += squares[:, :, elements[0]]
        around = settle(around, wide.dtype).reshape(x.shape)
        return settle(wide / (bias + alpha / size * around)**beta, x.dtype)
