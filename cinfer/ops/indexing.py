"""Operators that pick or put elements by index: Gather, Scatter and their kin, OneHot, TopK, NonZero."""
from __future__ import annotations

from math import prod

import numpy as np

from .facts import INT64, Fact, is_symbolic, rank_of_any
from .families import OWN_DOMAIN
from .limits import check_axis, check_scalar, check_size, holds_symbols
from .numeric import found_of
from .registry import op
from .symbols import Undecided, below


def check_indices(indices: np.ndarray, size: int, axis: int) -> np.ndarray:
    """Indices into an axis, counted from the front."""
    check_index_type(indices)
    if indices.size and not (-size <= indices.min() and indices.max() < size):
        wrong = indices[(indices < -size) | (indices >= size)].flat[0]
        raise ValueError(f"index {wrong} into axis {axis} of size {size}; allowed is {-size} to {size - 1}")
    return np.where(indices < 0, indices + size, indices)


def check_index_type(indices) -> None:
    if indices.dtype.name not in ("int64", "int32"):
        raise ValueError(f"indices are {indices.dtype}; they have to be int64 or int32")


def check_same_type(x, updates) -> None:
    if updates.dtype != x.dtype:
        raise ValueError(f"updates are {updates.dtype}, data is {x.dtype}; they have to be of one type")


@op("Gather", since=1, moves=True, rank=lambda x, indices, **_: x.ndim + indices.ndim - 1)
class Gather:
    """Whole slices along one axis. https://onnx.ai/onnx/operators/onnx__Gather.html"""
    def infer(x, indices, *, axis=0):
        axis = check_axis(axis, x.ndim)
        check_index_type(indices)
        if is_symbolic(indices):
            raise Undecided
        if indices.value is not None:           # a kernel need not look at them again
            if type(x.shape[axis]) is int:
                check_indices(indices.value, x.shape[axis], axis)
            elif indices.value.size:
                most = max(int(indices.value.max()) + 1, -int(indices.value.min()))
                if below(x.shape[axis], most):
                    raise ValueError(f"an index beyond axis {axis} of size {x.shape[axis]}")
        return x.like(check_size(x.shape[:axis] + indices.shape + x.shape[axis + 1:], x.dtype.itemsize))

    def evaluate(x, indices, *, axis=0):
        axis = check_axis(axis, x.ndim)
        check_size(x.shape[:axis] + indices.shape + x.shape[axis + 1:], x.itemsize)
        return np.asarray(np.take(x, check_indices(indices, x.shape[axis], axis), axis))


def check_elements(x, indices, axis: int) -> int:
    """The axis of GatherElements and ScatterElements, if the shapes fit each other."""
    axis = check_axis(axis, x.ndim)
    check_index_type(indices)
    if indices.ndim != x.ndim or any(i > d for a, (i, d) in enumerate(zip(indices.shape, x.shape))
                                     if a != axis):
        raise ValueError(f"indices of shape {list(indices.shape)} for data of shape {list(x.shape)}; beside "
                         f"axis {axis} they may not be larger")
    return axis


def element_index(x: np.ndarray, indices: np.ndarray, axis: int) -> tuple[np.ndarray, ...]:
    """NumPy index of the elements that `indices` mean: each stays in its place on every axis but one."""
    grid = list(np.ogrid[tuple(slice(d) for d in indices.shape)])
    grid[axis] = check_indices(indices, x.shape[axis], axis)
    return tuple(grid)


@op("GatherElements", since=11, rank=lambda x, indices, **_: rank_of_any(x, indices))
class GatherElements:
    """y[i][j] = x[indices[i][j]][j] for axis 0. https://onnx.ai/onnx/operators/onnx__GatherElements.html"""
    def infer(x, indices, *, axis=0):
        check_elements(x, indices, axis)
        return x.like(indices.shape)

    def evaluate(x, indices, *, axis=0):
        return x[element_index(x, indices, check_elements(x, indices, axis))]


def check_tuples(x, indices, batch_dims: int = 0) -> int:
    """How many numbers each index tuple of GatherND and ScatterND has, if the shapes fit each other."""
    check_index_type(indices)
    batches = max(min(x.ndim, indices.ndim), 1)
    if not 0 <= batch_dims < batches or x.shape[:batch_dims] != indices.shape[:batch_dims]:
        raise ValueError(f"batch_dims {batch_dims} with data of shape {list(x.shape)} and indices of shape "
                         f"{list(indices.shape)}")
    if not indices.ndim or not 1 <= indices.shape[-1] <= x.ndim - batch_dims:
        raise ValueError(f"indices of shape {list(indices.shape)}; the last size has to be 1 to "
                         f"{x.ndim - batch_dims}, the axes of the data")
    return indices.shape[-1]


@op("GatherND", since=11)
class GatherND:
    """Slices picked by index tuples. https://onnx.ai/onnx/operators/onnx__GatherND.html"""
    def infer(x, indices, *, batch_dims=0):
        count = check_tuples(x, indices, batch_dims)
        return x.like(check_size(indices.shape[:-1] + x.shape[batch_dims + count:], x.dtype.itemsize))

    def evaluate(x, indices, *, batch_dims=0):
        count = check_tuples(x, indices, batch_dims)
        shape = check_size(indices.shape[:-1] + x.shape[batch_dims + count:], x.itemsize)
        where = list(np.ogrid[tuple(slice(d) for d in indices.shape[:-1])][:batch_dims])
        where += [check_indices(indices[..., i], x.shape[batch_dims + i], batch_dims + i)
                  for i in range(count)]
        return np.asarray(x[tuple(where)]).reshape(shape)


REDUCTIONS = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def scatter(x: np.ndarray, where: tuple, updates: np.ndarray, reduction: str) -> np.ndarray:
    """A copy of x with the updates in place, or reduced into what is there, in the order of the updates."""
    y = x.copy()
    if reduction == "none":
        y[where] = updates
    elif y.size:
        REDUCTIONS[reduction].at(y, where, updates)
    return y


def check_reduction(reduction: str) -> None:
    if reduction != "none" and reduction not in REDUCTIONS:
        raise ValueError(f"reduction {reduction!r}; it has to be none, {', '.join(REDUCTIONS)}")


@op("Scatter", since=9, rank=0)
@op("ScatterElements", since=11, rank=0)
class ScatterElements:
    """y = x; y[indices[i][j]][j] = updates[i][j] for axis 0.
    https://onnx.ai/onnx/operators/onnx__ScatterElements.html"""
    def infer(x, indices, updates, *, axis=0, reduction="none"):
        check_elements(x, indices, axis)
        check_same_type(x, updates)
        check_reduction(reduction)
        if updates.shape != indices.shape:
            raise ValueError(f"updates of shape {list(updates.shape)} for indices of shape "
                             f"{list(indices.shape)}")
        return x.like()

    def evaluate(x, indices, updates, *, axis=0, reduction="none"):
        ScatterElements.infer(Fact.of(x), indices, updates, axis=axis, reduction=reduction)
        return scatter(x, element_index(x, indices, check_axis(axis, x.ndim)), updates, reduction)


@op("ScatterND", since=11, rank=0)
class ScatterND:
    """Slices put at index tuples. https://onnx.ai/onnx/operators/onnx__ScatterND.html"""
    def infer(x, indices, updates, *, reduction="none"):
        shape = indices.shape[:-1] + x.shape[check_tuples(x, indices):]
        check_same_type(x, updates)
        check_reduction(reduction)
        if updates.shape != shape:
            raise ValueError(f"updates of shape {list(updates.shape)}; these indices and data need "
                             f"{list(shape)}")
        return x.like()

    def evaluate(x, indices, updates, *, reduction="none"):
        ScatterND.infer(Fact.of(x), indices, updates, reduction=reduction)
        where = tuple(check_indices(indices[..., i], x.shape[i], i) for i in range(indices.shape[-1]))
        return scatter(x, where, updates, reduction)


@op("TensorScatter", since=24, rank=0)
class TensorScatter:
    """A cache with an update written at each sample's place.
    https://onnx.ai/onnx/operators/onnx__TensorScatter.html"""
    def infer(past_cache, update, write_indices=None, *, axis=-2, mode="linear"):
        axis = check_axis(axis, past_cache.ndim)
        fits = update.ndim == past_cache.ndim and all(
            u == p or (a == axis and u < p) for a, (u, p) in enumerate(zip(update.shape, past_cache.shape)))
        if axis == 0 or not fits or mode not in ("linear", "circular"):
            raise ValueError(f"cannot write shape {list(update.shape)} into {list(past_cache.shape)} along "
                             f"axis {axis}, mode {mode!r}")
        check_same_type(past_cache, update)
        return past_cache.like()

    def evaluate(past_cache, update, write_indices=None, *, axis=-2, mode="linear"):
        TensorScatter.infer(Fact.of(past_cache), update, axis=axis, mode=mode)
        axis = check_axis(axis, past_cache.ndim)
        batch, room, count = past_cache.shape[0], past_cache.shape[axis], update.shape[axis]
        start = np.zeros(batch, np.int64) if write_indices is None else write_indices
        if start.shape != (batch,):
            raise ValueError(f"write_indices of shape {list(start.shape)}; it has to be {[batch]}")
        place = start[:, None] + np.arange(count)
        if mode == "circular" and room:
            place = place % room
        if start.size and start.min() < 0:
            raise ValueError(f"write index {start.min()}; it may not be negative")
        place = check_indices(place, room, axis)
        grid = list(np.ogrid[tuple(slice(d) for d in update.shape)])
        grid[axis] = place.reshape([batch] + [count if a == axis else 1 for a in range(1, update.ndim)])
        return scatter(past_cache, tuple(grid), update, "none")


def onehot_shape(indices, depth: np.ndarray, values, axis: int) -> tuple[tuple[int, ...], int]:
    """(shape of the answer, the new axis)"""
    size = check_scalar(depth, "depth")
    if not size >= 0 or size != size // 1:
        raise ValueError(f"depth {size}; it has to be a whole number of classes")
    if values.shape != (2,):
        raise ValueError(f"values of shape {list(values.shape)}; it has to be [off value, on value]")
    axis = check_axis(axis, indices.ndim + 1)
    return check_size(indices.shape[:axis] + (int(size),) + indices.shape[axis:], values.dtype.itemsize), axis


@op("OneHot", since=9, types=(2,), mixes_floats=True, rank=lambda indices, *_, **__: indices.ndim + 1)
class OneHot:
    """values[1] where a new axis counts to the index, values[0] elsewhere.
    https://onnx.ai/onnx/operators/onnx__OneHot.html"""
    def infer(indices, depth, values, *, axis=-1):
        return values.like(onehot_shape(indices, depth.known("the depth of OneHot"), values, axis)[0])

    def evaluate(indices, depth, values, *, axis=-1):
        shape, axis = onehot_shape(indices, depth, values, axis)
        size = shape[axis]
        if indices.dtype.kind == "u":
            indices = np.minimum(indices, size)             # those of 64 bits may be too large for int64
        index = indices.astype(INT64 if indices.dtype.kind in "iu" else np.float64)
        index = np.expand_dims(np.trunc(np.where(index < 0, index + size, index)), axis)
        classes = np.arange(size).reshape([-1 if i == axis else 1 for i in range(len(shape))])
        return np.where(index == classes, values[1], values[0])


def top_k(x: np.ndarray, k: int, axis: int, largest: bool) -> tuple[np.ndarray, np.ndarray]:
    """The k first along an axis when sorted; of equal values the one with the lower index first; nan counts
    as largest."""
    rows = np.moveaxis(x, axis, -1)
    n = rows.shape[-1]
    preselected = None
    if k * 8 < n and n > 512 and not (x.dtype.kind == "f" and np.isnan(rows).any()):
        preselected = preselect(rows, k, largest)
        rows = np.take_along_axis(rows, preselected, -1)
    if largest:         # a stable sort of the reversed row, read backwards, is stable and descending
        order = rows.shape[-1] - 1 - np.argsort(rows[..., ::-1], axis=-1, kind="stable")[..., ::-1][..., :k]
    else:
        order = np.argsort(rows, axis=-1, kind="stable")[..., :k]
    values = np.take_along_axis(rows, order, -1)
    if preselected is not None:
        order = np.take_along_axis(preselected, order, -1)
    return np.moveaxis(values, -1, axis), np.moveaxis(order.astype(INT64, copy=False), -1, axis)


def preselect(rows: np.ndarray, k: int, largest: bool) -> np.ndarray:
    """Indices, ascending, of the k elements of each row that top_k wants: all beyond the k-th, and the first
    that equal it."""
    if k == 0:
        return np.zeros(rows.shape[:-1] + (0,), INT64)
    at = rows.shape[-1] - k if largest else k - 1
    kth = np.partition(rows, at, axis=-1)[..., at:at + 1]
    beyond, equal = (rows > kth if largest else rows < kth), rows == kth
    room = k - np.count_nonzero(beyond, axis=-1, keepdims=True)
    chosen = beyond | (equal & (np.cumsum(equal, axis=-1) <= room))
    return np.nonzero(chosen)[-1].reshape(rows.shape[:-1] + (k,))


def check_k(k: np.ndarray) -> int:
    if k.dtype != INT64 and not holds_symbols(k):
        raise ValueError(f"k is {k.dtype}; it has to be int64")
    return check_scalar(k, "k", True)


def topk_shape(x, k: int, axis: int) -> tuple[int, ...]:
    axis = check_axis(axis, x.ndim)
    if below(k, 0) or below(x.shape[axis], k):
        raise ValueError(f"k is {k}; axis {axis} has {x.shape[axis]} elements")
    return x.shape[:axis] + (k,) + x.shape[axis + 1:]


def topk_specs(x, k: int, axis: int):
    shape = topk_shape(x, k, axis)
    return x.like(shape), x.like(shape, INT64)


@op("TopK", since=1, types=(0, INT64), rank=0)
class TopK:
    """https://onnx.ai/onnx/operators/text_diff_TopK_1_10.html"""
    def infer(x, *, k, axis=-1):
        return topk_specs(x, k, axis)

    def evaluate(x, *, k: int, axis=-1):
        topk_shape(x, k, axis)
        return top_k(x, k, axis, True)


@op("TopK", since=10, types=(0, INT64), rank=0)
class TopKByInput:
    """(values, indices); sorted also where `sorted` is 0. https://onnx.ai/onnx/operators/onnx__TopK.html"""
    def infer(x, k, *, axis=-1, largest=1, sorted=1):
        return topk_specs(x, check_k(k.known("the k of TopK")), axis)

    def evaluate(x, k, *, axis=-1, largest=1, sorted=1):
        count = check_k(k)
        topk_shape(x, count, axis)
        return top_k(x, count, axis, bool(largest))


@op("NonZero", since=9, types=(INT64,), rank=lambda x: 2, steps=True)
class NonZero:
    """Indices of the elements that are not zero, int64, one column each.
    https://onnx.ai/onnx/operators/onnx__NonZero.html"""
    def evaluate(x):
        if x.ndim == 0:
            return np.zeros((0, np.count_nonzero(x)), INT64)
        if x.ndim == 1:
            return x.nonzero()[0].reshape(1, -1)
        at = np.flatnonzero(x != 0 if x.dtype.kind in "iuf" else x)     # bools are found quickest, along one axis
        y = np.empty((x.ndim, at.size), INT64)
        for axis in range(x.ndim - 1, 0, -1):
            outer = at // x.shape[axis]
            np.subtract(at, outer * x.shape[axis], out=y[axis])
            at = outer
        y[0] = at
        return y


@op("NonZero", since=1, domain=OWN_DOMAIN, types=(INT64,), rank=lambda x: 1)
class NonZeroBounded:
    """How many elements are not zero, then what NonZero gives of them in a row, then anything: as much as there may
    be, so that all sizes are known before the run (plan/resolve.py)."""
    def infer(x):
        return Fact(INT64, check_size((1 + x.ndim * prod(x.shape),), 8))

    def evaluate(x):
        found = NonZero.evaluate(x)
        y = np.zeros(1 + x.ndim * x.size, INT64)
        y[0] = found.shape[1]
        y[1:1 + found.size] = found.reshape(-1)
        return y


@op("Found", since=1, domain=OWN_DOMAIN, types=(0,), rank=lambda *_, **__: 2)
class Found:
    """What NonZero gives, of what NonZeroBounded does."""
    def evaluate(x, *, rank):
        return found_of(x, rank)
