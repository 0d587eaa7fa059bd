"""What operators that compute have in common: types, precision, broadcasting.

Narrow floats (float16, and what ml_dtypes adds) are computed in float32 and rounded once, at the end, as
kernels do; float64 stays float64.

Attributes that later versions of an operator added have defaults that mean what the earlier versions did, and
the `consumed_inputs` of opset 1 only say what may be overwritten. So one class stands for all versions that
mean the same.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from operator import eq

import numpy as np

from .facts import Fact
from .limits import check_axis, check_size
from .symbols import Undecided, differ, distinct, same

F32 = np.dtype(np.float32)
# The limits of integers that numpy does not know
NARROW_INTS = {"int4": (-8, 7), "uint4": (0, 15), "int2": (-2, 1), "uint2": (0, 3)}


def is_float(dtype: np.dtype) -> bool:
    return dtype.kind == "f" or dtype.kind == "V" and dtype.name.startswith(("bfloat", "float"))


def is_int(dtype: np.dtype) -> bool:
    return dtype.kind in "iu" or dtype.name in NARROW_INTS


def int_limits(dtype: np.dtype) -> tuple[int, int]:
    if dtype.isbuiltin != 1 and dtype.name in NARROW_INTS:
        return NARROW_INTS[dtype.name]
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)


def lowest(dtype: np.dtype):
    """What is below all others: -inf, or the smallest integer."""
    return int_limits(dtype)[0] if is_int(dtype) else False if dtype.kind == "b" else -np.inf


def highest(dtype: np.dtype):
    return int_limits(dtype)[1] if is_int(dtype) else True if dtype.kind == "b" else np.inf


def is_stored(dtype: np.dtype) -> bool:
    """float8, int4 and their like: they are moved, cast and quantised, but nothing computes with them."""
    return dtype.kind in "fV" and dtype.itemsize == 1


KINDS = {"float": lambda d: is_float(d) and not is_stored(d), "int": lambda d: d.kind in "iu",
         "number": lambda d: KINDS["float"](d) or KINDS["int"](d),
         "signed": lambda d: KINDS["float"](d) or d.kind == "i",
         "any": lambda d: True, "bool": lambda d: d.kind == "b"}


def check_kind(x, kind: str, what: str = "x") -> None:
    """ValueError where the dtype of an input is not of `kind`, a key of KINDS."""
    if not KINDS[kind](x.dtype):
        raise ValueError(f"{what} is {x.dtype}; it has to be {kind}")


def check_same(dtype: np.dtype, *others, what: str = "inputs") -> None:
    """ValueError where an input (None: absent) is of another type."""
    for x in others:
        if x is not None and x.dtype != dtype:
            raise ValueError(f"{what} are {dtype} and {x.dtype}; they have to be of one type")


def spec_of(x: np.ndarray | None) -> Fact | None:
    """For `evaluate`, to be as strict as `infer` by calling it."""
    return None if x is None else Fact.of(x)


def widen(x: np.ndarray) -> np.ndarray:
    """Narrow floats as float32, all else as it is."""
    return x.astype(F32) if is_float(x.dtype) and x.dtype.itemsize < 4 else x


def wide_sums(dtype: np.dtype) -> np.dtype:
    """In which to add up numbers of a type: NumPy adds pairwise along one contiguous axis only, else one
    after another, and then a million float32 are off by a percent."""
    return np.dtype(np.float64) if dtype == F32 else dtype


def total(x: np.ndarray, axis=None, keepdims: bool = False) -> np.ndarray:
    """The sum, in the type of x."""
    return settle(x.sum(axis, wide_sums(x.dtype), keepdims=keepdims), x.dtype)


def average(x: np.ndarray, axis=None, keepdims: bool = False) -> np.ndarray:
    """The mean of floats, in the type of x; of none, NaN, without NumPy's warning."""
    if not x.size:
        return settle(total(x, axis, keepdims) * np.nan, x.dtype)
    return settle(x.mean(axis, wide_sums(x.dtype), keepdims=keepdims), x.dtype)


# What `matmul` multiplies by. A run puts there what keeps to the threads of its session (run/products.py).
multiply: ContextVar = ContextVar("multiply", default=np.matmul)
# As `select` of detection.py, None for that itself. A run puts a kernel there (run/direct.py).
selecting: ContextVar = ContextVar("selecting", default=None)
# function (graph, inputs) -> its outputs. Who runs a model puts it there (run/course.py)
bodies: ContextVar = ContextVar("bodies", default=None)


def found_of(x: np.ndarray, rank: int) -> np.ndarray:
    """The places (rank, count) in what begins with their number."""
    count = int(x[0])
    return x[1:1 + rank * count].reshape(rank, count)


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """numpy.matmul, up to rounding. All products of `evaluate` that may be large are made by it."""
    return multiply.get()(a, b)


SUMMED_AT_ONCE, PIECE = 2048, 1024              # terms of a product, as in _ops/sums.h


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """matmul, long sums of float32 in pieces: BLAS adds up the products of a matrix and a vector one
    after another."""
    terms = a.shape[-1]
    if a.dtype != F32 or terms <= SUMMED_AT_ONCE:
        return matmul(a, b)
    y = 0.0
    for start in range(0, terms, PIECE):
        part = slice(start, start + PIECE)
        y = y + matmul(a[..., part], b[part] if b.ndim == 1 else b[..., part, :]).astype(np.float64)
    return settle(y, a.dtype)


def settle(y, dtype: np.dtype) -> np.ndarray:
    """The result as an array (also where NumPy made a scalar of it) of the type that the standard wants."""
    return np.asarray(y).astype(dtype, copy=False)


def broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of all inputs together, by https://onnx.ai/onnx/repo-docs/Broadcasting.html"""
    first, *others = shapes
    if all(shape is first or not shape or same(shape, first) for shape in others):
        return first
    rank = max(map(len, shapes))
    sizes = []
    for axis in range(-rank, 0):
        found = {s[axis] for s in shapes if -axis <= len(s)}
        found.discard(1)
        if len(found) > 1:
            found = among_symbols(found)
            if not found:
                raise ValueError(f"shapes {' and '.join(str(list(s)) for s in shapes)} do not broadcast")
        sizes.append(found.pop() if found else 1)
    return check_size(sizes, 1)


def among_symbols(found: set) -> set:
    """The size that an axis gets where several meet, none of them 1: a number, if the others are free (they
    are the same, or 1); the empty set where they contradict each other."""
    numbers = [size for size in found if type(size) is int]
    free = [size for size in found if type(size) is not int]
    size = next((s for s in (*numbers, *free) if distinct(s, 1)), None)
    if size is None:
        raise Undecided
    return set() if any(differ(size, other) for other in (*numbers, *free)) else {size}


def row_axes(operands: Sequence[tuple], shape: tuple, equal: Callable = eq) -> list[int]:
    """The axes where rows may begin so that each operand is there for all rows or has one of them, and for all elements
    of a row or has one; from the longest rows to the shortest.

    shape : what the operands broadcast to, of the same rank; equal : compares shapes
    """
    def fits(part: tuple, whole: tuple) -> bool:
        return equal(part, whole) or equal(part, (1,) * len(part))
    return [axis for axis in range(len(shape) + 1)
            if all(fits(x[:axis], shape[:axis]) and fits(x[axis:], shape[axis:]) for x in operands)]


def broadcasts_to(shape: tuple[int, ...], target: tuple[int, ...], what: str) -> None:
    """ValueError unless `shape` broadcasts to `target` without changing it."""
    if len(shape) > len(target) or any((type(a) is not int or a != 1) and differ(a, b) and differ(a, 1)
                                       for a, b in zip(shape[::-1], target[::-1])):
        raise ValueError(f"{what} of shape {list(shape)} does not broadcast to {list(target)}")


def aligned(shape: tuple[int, ...], target: tuple[int, ...], axis: int | None, enabled: int
            ) -> tuple[int, ...]:
    """The second shape of an operator before opset 7, with axes of 1 added behind so that it broadcasts to
    the first: it matches at the end, or from `axis` on.
    https://github.com/onnx/onnx/blob/main/docs/Changelog.md#Add-6"""
    if not enabled:
        if differ(shape, target):
            raise ValueError(f"shapes {list(target)} and {list(shape)} differ; they may only with "
                             "broadcast=1")
        return shape
    if axis is not None and shape != (1,):
        shape += (1,) * (len(target) - check_axis(axis, len(target)) - len(shape))
    broadcasts_to(shape, target, "the second input")
    return shape


def along(axis: int, ndim: int, size: int = -1) -> tuple[int, ...]:
    """The shape of a vector that lies along one axis."""
    return (1,) * axis + (size,) + (1,) * (ndim - axis - 1)


def check_sizes(x, shape: Sequence[int], what: str) -> None:
    """ValueError where an input (None: absent) has another shape."""
    if x is not None and differ(x.shape, tuple(shape)):
        raise ValueError(f"{what} has shape {list(x.shape)}; it has to be {list(shape)}")
