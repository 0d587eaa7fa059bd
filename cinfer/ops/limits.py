"""What operators check before they compute: sizes, axes, lists of integers.

All raise ValueError with one line, or LimitError when the answer would be valid but absurdly large.
"""
from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from ..errors import LimitError
from .facts import as_shape
from .symbols import Symbol, assume_at_most, below

MAX_NDIM = 64               # NumPy's own limit


def _physical_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 1 << 34


# of one tensor: what the machine's memory could hold at all
MAX_BYTES = min(max(_physical_bytes(), 1 << 30), 1 << 40)


def check_size(shape: Sequence[int], itemsize: int = 1) -> tuple[int, ...]:
    """The shape as a tuple of ints, if a tensor of it may be made.

    Raises ValueError for a negative size, LimitError for more than 64 axes or more bytes than the machine has
    memory.
    """
    shape = as_shape(shape)
    if len(shape) > MAX_NDIM:
        raise LimitError(f"a tensor of {len(shape)} axes; at most {MAX_NDIM} are possible")
    total = itemsize
    for d in shape:
        if type(d) is not int:
            return check_free(shape, itemsize)
        if d < 0:
            raise ValueError(f"size {d} in shape {list(shape)}; sizes are not negative")
        total *= d
    if total > MAX_BYTES:
        raise LimitError(f"a tensor of shape {list(shape)} takes {total / 2**30:,.1f} GiB; at most "
                         f"{MAX_BYTES / 2**30:.0f} GiB are possible on this machine")
    return shape


def check_free(shape: tuple, itemsize: int) -> tuple:
    """As `check_size`, where sizes are free."""
    if any(below(d, 0) for d in shape):
        raise ValueError(f"a negative size in shape {list(shape)}; sizes are not negative")
    assume_at_most(MAX_BYTES, shape, itemsize)
    return shape


def check_axis(axis: int, ndim: int, what: str = "axis") -> int:
    """The axis counted from the front; negative ones count from the back."""
    if not -ndim <= axis < ndim:
        raise ValueError(f"{what} {axis} of a tensor of {ndim} axes; {_allowed(ndim)}")
    return axis + ndim if axis < 0 else axis


def _allowed(ndim: int) -> str:
    return f"allowed is {-ndim} to {ndim - 1}" if ndim else "it has none"


def check_axes(axes: Sequence[int], ndim: int) -> list[int]:
    """As `check_axis` for several, none of them twice."""
    axes = [check_axis(axis, ndim) for axis in axes]
    if len(set(axes)) < len(axes):
        raise ValueError(f"axes {axes} name an axis twice")
    return axes


def check_ints(values, what: str, dtypes: Sequence[str] = ("int64",)) -> list[int] | None:
    """The ints of an input tensor of rank 1, or of an attribute; None stays None."""
    if not isinstance(values, np.ndarray):
        return None if values is None else [int(v) for v in values]
    if values.ndim == 0 and what == "axes":         # the standard's own function bodies do so
        values = values.reshape(1)
    if values.ndim != 1:
        raise ValueError(f"{what} has {values.ndim} axes; it is a list, of 1 axis")
    if values.dtype.name not in dtypes and not holds_symbols(values):
        raise ValueError(f"{what} is {values.dtype}; it has to be {' or '.join(dtypes)}")
    return values.tolist()


def holds_symbols(values: np.ndarray) -> bool:
    return values.dtype.kind == "O" and Symbol in map(type, values.reshape(-1))


def check_scalar(value: np.ndarray, what: str, integer: bool = False):
    """The one number of an input tensor, as a Python number."""
    if integer and value.dtype.kind not in "iuO":           # O: of Symbols
        raise ValueError(f"{what} is {value.dtype}; it has to be an integer")
    if value.size != 1:
        raise ValueError(f"{what} has {value.size} elements; it has to have one")
    return value.reshape(()).item()


def known(spec, what: str) -> np.ndarray | None:
    """The value of an optional input's Fact; None where the input is absent."""
    return None if spec is None else spec.known(what)


def one(x: np.ndarray, what: str, kinds: str = "b"):
    """The only element of an input, a truth value, or an integer where kinds is "iu"."""
    if not isinstance(x, np.ndarray):
        raise ValueError(f"{what} is no tensor")
    if x.dtype.kind not in kinds:
        raise ValueError(f"{what} is {x.dtype}; it has to be {'bool' if kinds == 'b' else 'int64'}")
    if x.size != 1:
        raise ValueError(f"{what} has shape {list(x.shape)}; it has to be one element")
    return x.reshape(()).item()


def integer(given, what: str) -> int:
    given = np.asarray(given)
    if given.dtype.kind not in "iu" or given.size != 1:
        raise ValueError(f"{what} is {given.dtype} of shape {list(given.shape)}; it has to be one integer")
    return int(given.reshape(()))


def position(given, length: int, last: int) -> int:
    """Where in a sequence, counted from its end where negative. last : the greatest place that there is"""
    at = integer(given, "a position")
    if not -length <= at <= last:
        raise ValueError(f"position {at} in a sequence of {length}; " + (
            f"it has to be {-length} to {last}" if last >= 0 else "there is none"))
    return at + length if at < 0 else at


def pieces(size: int, split) -> list[int]:
    """The sizes of the parts of an axis. split : of each, or one of all, of which the last may be smaller"""
    given = np.asarray(split)
    if given.ndim:
        sizes = check_ints(given, "split", ("int64", "int32"))
        if min(sizes, default=0) < 0 or sum(sizes) != size:
            raise ValueError(f"an axis of {size} cannot be split into {sizes}")
        return sizes
    each = integer(given, "split")
    if each < 1:
        raise ValueError(f"an axis cannot be split into parts of {each}")
    return [min(each, size - at) for at in range(0, size, each)]
