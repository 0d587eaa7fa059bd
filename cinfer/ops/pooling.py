"""Pools over windows and over whole pictures; LRN."""
from __future__ import annotations

import numpy as np

from .numeric import widen as wide
from .conv import padded, windows
from .geometry import window
from .registry import add, describe, op


def check_rank(x) -> None:
    if x.ndim < 3:
        raise ValueError(f"x has {x.ndim} axes; a pool takes a batch of pictures, at least 3")


@op("MaxPool", since=1)
class MaxPool:
    """https://onnx.ai/onnx/operators/onnx__MaxPool.html"""
    def infer(x, *, auto_pad="NOTSET", ceil_mode=0, dilations=None, kernel_shape, pads=None, storage_order=0, strides=None, n_outputs=1):
        check_rank(x)
        out = x.like((*x.shape[:2], *window(x.shape[2:], kernel_shape, strides, dilations, pads, auto_pad, ceil_mode).out))
        return (out, out.like(dtype=np.int64)) if n_outputs > 1 else out

    def evaluate(x, *, auto_pad="NOTSET", ceil_mode=0, dilations=None, kernel_shape, pads=None, storage_order=0, strides=None, n_outputs=1):
        win = window(x.shape[2:], kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
        rank = x.ndim - 2
        least = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
        view = windows(padded(x, win.before, beyond(x, win), least), win)
        if n_outputs < 2:
            return np.ascontiguousarray(view.max(tuple(range(2 + rank, 2 + 2 * rank))))
        flat = view.reshape(*view.shape[:2 + rank], -1)
        best = flat.argmax(-1)
        taps = np.unravel_index(best, win.kernel)
        place = 0
        sizes = x.shape[2:]
        coordinates = [np.arange(o).reshape((-1,) + (1,) * (rank - 1 - i)) * s - b + t * d for i, (o, s, b, t, d) in
                       enumerate(zip(win.out, win.strides, win.before, taps, win.dilations))]
        for i in range(rank) if not storage_order else reversed(range(rank)):
            place = place * sizes[i] + coordinates[i]
        first = np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], *(1,) * rank) * int(np.prod(sizes))
        return np.take_along_axis(flat, best[..., None], -1)[..., 0], (place + first).astype(np.int64)


def beyond(x, win) -> list[int]:
    """Padding behind the input that all windows together need."""
    return [max(0, (o - 1) * s + (k - 1) * d + 1 - b - i) for o, s, k, d, b, i in
            zip(win.out, win.strides, win.kernel, win.dilations, win.before, x.shape[2:])]


@op("AveragePool", since=1)
class AveragePool:
    """https://onnx.ai/onnx/operators/onnx__AveragePool.html"""
    def infer(x, *, auto_pad="NOTSET", ceil_mode=0, count_include_pad=0, dilations=None, kernel_shape, pads=None, strides=None):
        check_rank(x)
        return x.like((*x.shape[:2], *window(x.shape[2:], kernel_shape, strides, dilations, pads, auto_pad, ceil_mode).out))

    def evaluate(x, *, auto_pad="NOTSET", ceil_mode=0, count_include_pad=0, dilations=None, kernel_shape, pads=None, strides=None):
        win = window(x.shape[2:], kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
        axes = tuple(range(x.ndim, 2 * x.ndim - 2))
        total = windows(padded(wide(x), win.before, beyond(x, win)), win).sum(axes)
        ones = np.ones((1, 1, *x.shape[2:]), total.dtype)
        if count_include_pad:                   # the padding counts, what ceil_mode adds behind it does not
            ones = padded(ones, win.before, win.after, 1)
            more = [max(0, b - a) for b, a in zip(beyond(x, win), win.after)]
            ones = padded(ones, [0] * len(more), more)
        else:
            ones = padded(ones, win.before, beyond(x, win))
        return np.ascontiguousarray(total / windows(ones, win).sum(axes)).astype(x.dtype, copy=False)


@op("LpPool", since=1)
class LpPool:
    """https://onnx.ai/onnx/operators/onnx__LpPool.html"""
    def infer(x, *, auto_pad="NOTSET", ceil_mode=0, dilations=None, kernel_shape, p=2, pads=None, strides=None):
        check_rank(x)
        return x.like((*x.shape[:2], *window(x.shape[2:], kernel_shape, strides, dilations, pads, auto_pad, ceil_mode).out))

    def evaluate(x, *, auto_pad="NOTSET", ceil_mode=0, dilations=None, kernel_shape, p=2, pads=None, strides=None):
        win = window(x.shape[2:], kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
        powers = np.abs(wide(x)) ** p
        total = windows(padded(powers, win.before, beyond(x, win)), win).sum(tuple(range(x.ndim, 2 * x.ndim - 2)))
        return np.ascontiguousarray(total ** (1 / p)).astype(x.dtype, copy=False)


def register_global(name: str, function) -> None:
    def infer(x):
        check_rank(x)
        return x.like((*x.shape[:2], *(1,) * (x.ndim - 2)))

    def evaluate(x):
        return np.asarray(function(wide(x), tuple(range(2, x.ndim)))).astype(x.dtype, copy=False)
    add(describe("", name, 1, evaluate, infer))


register_global("GlobalAveragePool", lambda x, axes: x.mean(axes, keepdims=True))
register_global("GlobalMaxPool", lambda x, axes: x.max(axes, keepdims=True))


@op("GlobalLpPool", since=1)
class GlobalLpPool:
    """https://onnx.ai/onnx/operators/onnx__GlobalLpPool.html"""
    def infer(x, *, p=2):
        check_rank(x)
        return x.like((*x.shape[:2], *(1,) * (x.ndim - 2)))

    def evaluate(x, *, p=2):
        return ((np.abs(wide(x)) ** p).sum(tuple(range(2, x.ndim)), keepdims=True) ** (1 / p)).astype(x.dtype, copy=False)


@op("LRN", since=1)
class LRN:
    """https://onnx.ai/onnx/operators/onnx__LRN.html"""
    def infer(x, *, alpha=0.0001, beta=0.75, bias=1.0, size):
        return x.like()

    def evaluate(x, *, alpha=0.0001, beta=0.75, bias=1.0, size):
        v = wide(x)
        square = np.pad(v * v, [(0, 0), ((size - 1) // 2, size // 2), *[(0, 0)] * (x.ndim - 2)])
        total = sum(square[:, i:i + x.shape[1]] for i in range(size))
        return (v / (bias + alpha / size * total) ** beta).astype(x.dtype, copy=False)
