"""Reductions along axes, and the places of the largest and smallest.

Each is at https://onnx.ai/onnx/operators/onnx__<its name>.html
"""
from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from .elementwise import divide
from .facts import INT64
from .limits import check_axes, check_axis, check_ints, known
from .numeric import check_kind, highest, is_float, lowest, settle, spec_of, total, wide_sums, widen
from .registry import add, describe
from .symbols import Undecided, below


def reduced_axes(x, axes: Sequence[int] | None, noop: int) -> tuple[int, ...]:
    """No axes mean all of them, or with noop_with_empty_axes none."""
    return tuple(check_axes(axes, x.ndim)) if axes else () if noop else tuple(range(x.ndim))


def reduced_shape(shape: tuple[int, ...], axes: Sequence[int], keepdims: int) -> tuple[int, ...]:
    return tuple(1 if i in axes else d for i, d in enumerate(shape) if keepdims or i not in axes)


# function(x, **over): over holds axis and keepdims

def mean(x: np.ndarray, **over) -> np.ndarray:
    """Of integers, truncated towards zero."""
    y = total(x, **over) if is_float(x.dtype) else np.asarray(x.sum(**over))
    return divide(y, y.dtype.type(x.size // max(y.size, 1)))


def log_sum_exp(x: np.ndarray, **over) -> np.ndarray:
    """log(sum(exp(x))) without overflow; of integers, truncated towards zero."""
    kind = x.dtype
    x = x if is_float(kind) else x.astype(np.float64)
    top = x.max(over["axis"], keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    y = np.log(total(np.exp(x - top), **over))
    return settle(y + (top if over["keepdims"] else top.reshape(y.shape)), kind)


FUNCTIONS = {
    "ReduceSum": total, "ReduceMean": mean, "ReduceLogSumExp": log_sum_exp,
    "ReduceProd": lambda x, **over: settle(x.prod(**over, dtype=wide_sums(x.dtype)), x.dtype),
    "ReduceMax": lambda x, **over: x.max(**over, initial=lowest(x.dtype)),
    "ReduceMin": lambda x, **over: x.min(**over, initial=highest(x.dtype)),
    "ReduceL1": lambda x, **over: total(np.abs(x), **over),
    "ReduceL2": lambda x, **over: np.sqrt(total(np.square(x), **over)),
    "ReduceLogSum": lambda x, **over: np.log(total(x, **over)),
    "ReduceSumSquare": lambda x, **over: total(np.square(x), **over)}


def reduced_rank(x, count, keepdims: int) -> int | None:
    """count : of the axes; of none, or of 0, it depends which are meant"""
    return x.ndim if keepdims else x.ndim - count if count else None


def product_of_sizes(x: np.ndarray, axes=None, *, keepdims=1, **rest) -> np.ndarray:
    """ReduceProd of a list of sizes."""
    if x.ndim != 1:
        raise Undecided
    return np.array([prod(x)] if keepdims else prod(x), object)


def reduction(name: str, function, since_input: int) -> None:
    """Register a reduction; the axes are an attribute, since `since_input` an input."""
    symbolic = product_of_sizes if name == "ReduceProd" else None

    def check(x) -> None:
        if x.dtype.kind != "b" or name not in ("ReduceMax", "ReduceMin"):
            check_kind(x, "number")

    def infer(x, *, axes=None, keepdims=1):
        check(x)
        return x.like(reduced_shape(x.shape, reduced_axes(x, axes, 0), keepdims))

    def evaluate(x, *, axes: list[int] = None, keepdims=1):
        check(x)
        return settle(function(widen(x), axis=reduced_axes(x, axes, 0), keepdims=bool(keepdims)), x.dtype)

    def infer_input(x, axes=None, *, keepdims=1, noop_with_empty_axes=0):
        check(x)
        axes = check_ints(known(axes, "the axes of a reduction"), "axes")
        return x.like(reduced_shape(x.shape, reduced_axes(x, axes, noop_with_empty_axes), keepdims))

    def evaluate_input(x, axes=None, *, keepdims=1, noop_with_empty_axes=0):
        check(x)
        axes = reduced_axes(x, check_ints(axes, "axes"), noop_with_empty_axes)
        return settle(function(widen(x), axis=axes, keepdims=bool(keepdims)), x.dtype)

    add(describe("", name, 1, evaluate, infer, symbolic=symbolic,
                 rank=lambda x, *, axes=None, keepdims=1: reduced_rank(x, axes and len(axes), keepdims)))
    add(describe("", name, since_input, evaluate_input, infer_input, symbolic=symbolic,
                 rank=lambda x, axes=None, *, keepdims=1, **_: reduced_rank(
                     x, axes and axes.shape[0], keepdims)))


for _name, _function in FUNCTIONS.items():
    reduction(_name, _function, 13 if _name == "ReduceSum" else 18)


def place(name: str, function) -> None:
    """Register the place of an extreme along an axis: of equals the first, or the last."""
    def infer(x, *, axis=0, keepdims=1, select_last_index=0):
        check_kind(x, "number")
        axis = check_axis(axis, x.ndim)
        if below(x.shape[axis], 1) and 0 not in reduced_shape(x.shape, (axis,), 0):
            raise ValueError(f"axis {axis} of x of shape {list(x.shape)} is empty; it has no extreme")
        return x.like(reduced_shape(x.shape, (axis,), keepdims), np.int64)

    def evaluate(x, *, axis=0, keepdims=1, select_last_index=0):
        infer(spec_of(x), axis=axis)
        axis = check_axis(axis, x.ndim)
        if not x.size:
            return np.zeros(reduced_shape(x.shape, (axis,), keepdims), np.int64)
        if select_last_index:
            at = x.shape[axis] - 1 - function(np.flip(widen(x), axis), axis, keepdims=bool(keepdims))
        else:
            at = function(widen(x), axis, keepdims=bool(keepdims))
        return settle(at, np.dtype(np.int64))
    add(describe("", name, 1, evaluate, infer, types=(INT64,),
                 rank=lambda x, *, keepdims=1, **_: x.ndim - (not keepdims)))


place("ArgMax", np.argmax)
place("ArgMin", np.argmin)
