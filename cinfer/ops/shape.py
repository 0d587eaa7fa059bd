"""Operators that change the shape and keep the elements: Reshape, Flatten, Squeeze, Unsqueeze, Expand,
Transpose, Identity; and Shape and Size, which are known as soon as the input's shape is.

The results are views wherever NumPy can make one.
"""
from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from .facts import INT64, Fact, array_of_sizes
from .limits import check_axes, check_axis, check_ints, check_size, known
from .registry import op
from .symbols import Symbol, below, differ, divided


@op("Identity", since=1, elementwise=True, moves=True, no_larger=True)
class Identity:
    """y = x. https://onnx.ai/onnx/operators/onnx__Identity.html"""
    def infer(x):
        return x

    def evaluate(x):
        return x


def reshaped_shape(shape: Sequence[int], target: Sequence[int], allowzero: int = 0) -> tuple[int, ...]:
    """What Reshape makes of `shape`: in `target`, -1 is the rest and (without allowzero) 0 the input's size
    there."""
    out = list(target)
    if allowzero:
        if 0 in out and -1 in out:
            raise ValueError(f"shape {out} has both 0 and -1 with allowzero=1; the size for -1 is not "
                             "determined")
    else:
        for i, d in enumerate(out):
            if d == 0 if type(d) is int else not (i < len(shape) and d is shape[i] or d):
                if i >= len(shape):
                    raise ValueError(f"shape {out} copies axis {i} of an input of {len(shape)} axes")
                out[i] = shape[i]
    rests = [i for i, d in enumerate(out) if type(d) is int and d == -1]
    if len(rests) > 1 or any(below(d, -1) for d in out):
        raise ValueError(f"shape {out}; sizes are not negative, except one -1")
    size, rest = prod(shape), prod(d for i, d in enumerate(out) if i not in rests)
    if rests and not below(rest, 1) and (type(rest) is Symbol or not differ(size % rest, 0)):
        out[rests[0]] = divided(size, rest)
        differ(out[rests[0]] * rest, size)
    elif rests or differ(rest, size):
        raise ValueError(f"cannot reshape {size} elements of shape {list(shape)} to {list(target)}")
    return check_size(out)


@op("Reshape", since=1, moves=True, no_larger=True, rank=lambda x, *, shape=(), **_: len(shape))
class Reshape:
    """https://onnx.ai/onnx/operators/text_diff_Reshape_1_5.html"""
    def infer(x, *, shape=(), consumed_inputs=None):
        return x.like(reshaped_shape(x.shape, shape))

    def evaluate(x, *, shape: list[int] = (), consumed_inputs=None):
        return x.reshape(reshaped_shape(x.shape, shape))


@op("Reshape", since=5, moves=True, no_larger=True, rank=lambda x, shape, **_: shape.shape[0])
class ReshapeByInput:
    """https://onnx.ai/onnx/operators/onnx__Reshape.html"""
    def infer(x, shape, *, allowzero=0):
        return x.like(reshaped_shape(x.shape, check_ints(shape.known("the shape to reshape to"), "shape"),
                                     allowzero))

    def evaluate(x, shape, *, allowzero=0):
        return x.reshape(reshaped_shape(x.shape, check_ints(shape, "shape"), allowzero))


def flattened_shape(shape: Sequence[int], axis: int) -> tuple[int, int]:
    if axis != len(shape):
        axis = check_axis(axis, len(shape))
    return prod(shape[:axis]), prod(shape[axis:])


@op("Flatten", since=1, moves=True, no_larger=True, rank=lambda x, **_: 2)
class Flatten:
    """To two axes, split before `axis`. https://onnx.ai/onnx/operators/onnx__Flatten.html"""
    def infer(x, *, axis=1):
        return x.like(flattened_shape(x.shape, axis))

    def evaluate(x, *, axis=1):
        return x.reshape(flattened_shape(x.shape, axis))


def squeezed_shape(shape: Sequence[int], axes: Sequence[int] | None) -> tuple[int, ...]:
    if axes is None:
        return tuple(d for d in shape if d != 1)
    axes = [check_axis(axis, len(shape)) for axis in axes]
    for axis in axes:
        if differ(shape[axis], 1):
            raise ValueError(f"cannot squeeze axis {axis} of shape {list(shape)}; its size is "
                             f"{shape[axis]}, not 1")
    return tuple(d for i, d in enumerate(shape) if i not in axes)


@op("Squeeze", since=1, moves=True, no_larger=True,
    rank=lambda x, *, axes=None: x.ndim - len(axes) if axes else None)
class Squeeze:
    """https://onnx.ai/onnx/operators/text_diff_Squeeze_11_13.html"""
    def infer(x, *, axes=None):
        return x.like(squeezed_shape(x.shape, axes))

    def evaluate(x, *, axes: list[int] = None):
        return x.reshape(squeezed_shape(x.shape, axes))


@op("Squeeze", since=13, moves=True, no_larger=True,
    rank=lambda x, axes=None: x.ndim - axes.shape[0] if axes is not None else None)
class SqueezeByInput:
    """https://onnx.ai/onnx/operators/onnx__Squeeze.html"""
    def infer(x, axes=None):
        return x.like(squeezed_shape(x.shape, check_ints(known(axes, "the axes to squeeze"), "axes")))

    def evaluate(x, axes=None):
        return x.reshape(squeezed_shape(x.shape, check_ints(axes, "axes")))


def unsqueezed_shape(shape: Sequence[int], axes: Sequence[int]) -> tuple[int, ...]:
    ndim = len(shape) + len(axes)
    axes = check_axes(axes, ndim)
    sizes = iter(shape)
    return check_size(1 if i in axes else next(sizes) for i in range(ndim))


@op("Unsqueeze", since=1, moves=True, no_larger=True)
class Unsqueeze:
    """https://onnx.ai/onnx/operators/text_diff_Unsqueeze_11_13.html"""
    def infer(x, *, axes):
        return x.like(unsqueezed_shape(x.shape, axes))

    def evaluate(x, *, axes: list[int]):
        return x.reshape(unsqueezed_shape(x.shape, axes))


@op("Unsqueeze", since=13, moves=True, no_larger=True, rank=lambda x, axes: x.ndim + axes.shape[0])
class UnsqueezeByInput:
    """https://onnx.ai/onnx/operators/onnx__Unsqueeze.html"""
    def infer(x, axes):
        return x.like(unsqueezed_shape(x.shape, check_ints(axes.known("the axes to insert"), "axes")))

    def evaluate(x, axes):
        return x.reshape(unsqueezed_shape(x.shape, check_ints(axes, "axes")))


def shape_value(shape: Sequence[int], start: int, end: int | None) -> np.ndarray:
    return array_of_sizes(shape[start:end])         # clamped as Python's slices are, as the standard wants


@op("Shape", since=1, types=(INT64,), rank=lambda x, **_: 1, no_larger=True)
class Shape:
    """int64, from axis `start` to before `end`. https://onnx.ai/onnx/operators/onnx__Shape.html"""
    def infer(x, *, start=0, end=None):
        return Fact.of_sizes(x.shape[start:end])

    def evaluate(x, *, start=0, end: int = None):
        return shape_value(x.shape, start, end)


@op("Size", since=1, types=(INT64,), rank=lambda x: 0)
class Size:
    """The number of elements, int64. https://onnx.ai/onnx/operators/onnx__Size.html"""
    def infer(x):
        return Fact(INT64, (), array_of_sizes([prod(x.shape)]).reshape(()))

    def evaluate(x):
        return np.array(x.size, np.int64)


def expanded_shape(shape: Sequence[int], target: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """`shape` and `target` broadcast against each other."""
    ndim = max(len(shape), len(target))
    pairs = zip((1,) * (ndim - len(shape)) + tuple(shape), (1,) * (ndim - len(target)) + tuple(target))
    out = []
    for d, t in pairs:
        is_one = type(d) is int and d == 1 or type(t) is int and t == 1
        if not is_one and differ(d, t) and differ(d, 1) and differ(t, 1):
            raise ValueError(f"shape {list(shape)} does not broadcast with {list(target)}")
        if type(t) is int:
            out.append(d if t == 1 else t)
        else:                                       # of two free sizes, one has to be known not to be 1
            out.append(t if d is t or type(d) is int and d == 1 else d if d != 1 else t)
    return check_size(out, itemsize)


@op("Expand", since=8, moves=True, rank=lambda x, shape: max(x.ndim, shape.shape[0]))
class Expand:
    """x broadcast to a shape. https://onnx.ai/onnx/operators/onnx__Expand.html"""
    def infer(x, shape):
        target = check_ints(shape.known("the shape to expand to"), "shape")
        return x.like(expanded_shape(x.shape, target, x.dtype.itemsize))

    def evaluate(x, shape):
        return np.broadcast_to(x, expanded_shape(x.shape, check_ints(shape, "shape"), x.itemsize))


def check_perm(perm: Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """The order of axes, reversed when none is given."""
    if perm is None:
        return tuple(reversed(range(ndim)))
    if sorted(perm) != list(range(ndim)):
        raise ValueError(f"perm {list(perm)} is no permutation of {ndim} axes")
    return tuple(perm)


@op("Transpose", since=1, moves=True, no_larger=True, rank=0)
class Transpose:
    """https://onnx.ai/onnx/operators/onnx__Transpose.html"""
    def infer(x, *, perm=None):
        return x.like(tuple(x.shape[i] for i in check_perm(perm, x.ndim)))

    def evaluate(x, *, perm: list[int] = None):
        return x.transpose(check_perm(perm, x.ndim))
