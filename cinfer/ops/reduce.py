"""Reductions, with axes as an attribute (older versions) or an input; ArgMax and ArgMin."""
from __future__ import annotations

import numpy as np

from .numeric import widen as wide
from .limits import check_axes, check_axis
from .registry import add, describe


def axes_of(x, axes, noop: int) -> tuple[int, ...]:
    if axes is None or not len(axes):
        return () if noop else tuple(range(x.ndim))
    return tuple(sorted(check_axes([int(a) for a in axes], x.ndim)))


def reduced_shape(x, axes: tuple[int, ...], keepdims: int) -> tuple[int, ...]:
    return tuple(1 if a in axes else d for a, d in enumerate(x.shape) if keepdims or a not in axes)


def log_sum_exp(x, axes, keepdims):
    top = x.max(axes, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    y = np.log(np.exp(x - top).sum(axes, keepdims=True)) + top
    return y if keepdims else y.reshape(np.delete(y.shape, axes))


def extreme(name: str):
    def function(x, axes, keepdims):
        if x.dtype == bool:
            return (np.any if name == "max" else np.all)(x, axis=axes, keepdims=keepdims)
        kinds = {"f": lambda: np.inf, "i": lambda: np.iinfo(x.dtype).max, "u": lambda: np.iinfo(x.dtype).max}
        limit = kinds[x.dtype.kind]()
        least = -limit if x.dtype.kind == "f" else np.iinfo(x.dtype).min if x.dtype.kind in "iu" else limit
        return getattr(x, name)(axis=axes, keepdims=keepdims, initial=least if name == "max" else limit)
    return function


FUNCTIONS = {
    "ReduceSum": lambda x, axes, keep: x.sum(axes, keepdims=keep, dtype=x.dtype),
    "ReduceMean": lambda x, axes, keep: x.mean(axes, keepdims=keep) if x.dtype.kind == "f" else np.trunc(x.mean(axes, keepdims=keep)),
    "ReduceMax": extreme("max"), "ReduceMin": extreme("min"),
    "ReduceProd": lambda x, axes, keep: x.prod(axes, keepdims=keep, dtype=x.dtype),
    "ReduceL1": lambda x, axes, keep: np.abs(x).sum(axes, keepdims=keep, dtype=x.dtype),
    "ReduceL2": lambda x, axes, keep: np.sqrt((x * x).sum(axes, keepdims=keep)),
    "ReduceSumSquare": lambda x, axes, keep: (x * x).sum(axes, keepdims=keep, dtype=x.dtype),
    "ReduceLogSum": lambda x, axes, keep: np.log(x.sum(axes, keepdims=keep)),
    "ReduceLogSumExp": log_sum_exp,
}


def register(name: str, function, since_input: int) -> None:
    def evaluate(x, axes, keepdims, noop):
        over = axes_of(x, axes, noop)
        if not over and noop and name in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd"):
            return x
        return np.asarray(function(wide(x), over, bool(keepdims))).astype(x.dtype, copy=False)

    def by_attribute(x, *, axes=None, keepdims=1):
        return evaluate(x, axes, keepdims, 0)

    def infer_by_attribute(x, *, axes=None, keepdims=1):
        return x.like(reduced_shape(x, axes_of(x, axes, 0), keepdims))

    def by_input(x, axes=None, *, keepdims=1, noop_with_empty_axes=0):
        return evaluate(x, None if axes is None else axes.reshape(-1), keepdims, noop_with_empty_axes)

    def infer_by_input(x, axes=None, *, keepdims=1, noop_with_empty_axes=0):
        known = None if axes is None else axes.known("the axes of a reduction").reshape(-1)
        return x.like(reduced_shape(x, axes_of(x, known, noop_with_empty_axes), keepdims))
    add(describe("", name, 1, by_attribute, infer_by_attribute))
    add(describe("", name, since_input, by_input, infer_by_input))


for _name, _function in FUNCTIONS.items():
    register(_name, _function, 13 if _name == "ReduceSum" else 18)


def register_arg(name: str, function) -> None:
    def infer(x, *, axis=0, keepdims=1, select_last_index=0):
        return x.like(reduced_shape(x, (check_axis(axis, x.ndim),), keepdims), np.int64)

    def evaluate(x, *, axis=0, keepdims=1, select_last_index=0):
        axis = check_axis(axis, x.ndim)
        best = x.shape[axis] - 1 - function(np.flip(x, axis), axis) if select_last_index else function(x, axis)
        return np.asarray(np.expand_dims(best, axis) if keepdims else best).astype(np.int64)
    add(describe("", name, 1, evaluate, infer))


register_arg("ArgMax", np.argmax)
register_arg("ArgMin", np.argmin)
