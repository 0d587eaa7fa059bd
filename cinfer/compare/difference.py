"""How far a value is from its reference, over several inputs. Values of any size are gone through piece by piece."""
from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..errors import InputError
from ..ops.numeric import is_float, is_int
from ..table import dims

PIECE = 1 << 18                     # elements that are widened to float64 at a time
TOLERANCE = 1e-4                    # of floats, over the scale; integers, truth values and texts are to be the same


class Difference:
    """First the scale is found (`see`, with the reference for each input), then each input is looked at (`add`).

    scale : the largest |number| of the reference that is finite, over all inputs; 1 where all are 0
    largest : |difference|, an int of integers; None of texts and where there is nothing to compare
    where : the index of it, of a list of tensors with its number before; None without a difference; of_input : in which
    rms : root of the mean square of the differences, over the scale
    count, differing : values, and those that differ by more than the tolerance, or as the next ones do
    odd : those of which one is NaN or infinite, and the other is not the same
    dtypes, shape : of both; of the first, with None for sizes that differ from one input to the next
    """

    def __init__(self, tolerance: float | None):
        self._tolerance = tolerance
        self.scale: float | int = 0
        self.largest: float | int | None = None
        self.where: tuple[int, ...] | None = None
        self.of_input = 0
        self.count = self.differing = self.odd = 0
        self.dtypes: tuple[str, str] | None = None
        self.shape: tuple[int | None, ...] | None = None
        self._squares, self._finite, self._is_ranked = 0.0, 0, True

    def see(self, wanted) -> None:
        """wanted : what `run` gives: an array, a list of such, or None"""
        for _, array in tensors(wanted):
            if kind_of(array.dtype) == "text":
                continue
            is_whole = kind_of(array.dtype) == "whole"
            for _, (piece,) in pieces(array):
                if is_whole:
                    piece = piece.astype(held(piece), copy=False)
                    self.scale = max(self.scale, abs(int(piece.min())), abs(int(piece.max())))
                else:
                    sizes = np.abs(widened(piece))
                    self.scale = max(self.scale, float(sizes.max(where=np.isfinite(sizes), initial=0.0)))

    def add(self, got, wanted, number: int = 0) -> None:
        """InputError where they cannot be compared: other shapes, numbers and texts. number : of the input"""
        ours, theirs = list(tensors(got)), list(tensors(wanted))
        if type(got) is not type(wanted) or len(ours) != len(theirs):
            raise InputError(f"it is {described(got)}, the reference {described(wanted)}")
        if isinstance(got, list):
            self._note_shape(("list of", "list of"), (len(got),))
        for (place, a), (_, b) in zip(ours, theirs):
            kinds = {kind_of(a.dtype), kind_of(b.dtype)}
            if len(kinds) > 1 and "text" in kinds or a.shape != b.shape:
                raise InputError(f"it is {described(a)}, the reference {described(b)}")
            if not isinstance(got, list):
                self._note_shape((dtype_name(a.dtype), dtype_name(b.dtype)), a.shape)
            self.count += a.size
            limit = self._limit(kinds)
            for begin, pair in pieces(a, b):
                if kinds == {"text"}:
                    self._texts(*pair, place, begin, a.shape, number)
                elif kinds == {"whole"} and np.result_type(*map(held, pair)).kind != "f":
                    self._whole(*pair, limit, place, begin, a.shape, number)
                else:
                    self._floats(*pair, limit, place, begin, a.shape, number)

    @property
    def rms(self) -> float | None:
        return (self._squares / self._finite) ** .5 if self._finite else None

    @property
    def of_scale(self) -> float | None:
        return None if self.largest is None else self.largest / (self.scale or 1)

    def _limit(self, kinds: set) -> float:
        """How much a number may differ."""
        if self._tolerance is None:
            return TOLERANCE * (self.scale or 1) if "float" in kinds else 0
        return self._tolerance * (self.scale or 1)

    def _note_shape(self, dtypes: tuple[str, str], shape: tuple[int, ...]) -> None:
        self.dtypes = self.dtypes or dtypes
        if self.shape is None and self._is_ranked:
            self.shape = shape
        elif self.shape is not None and len(self.shape) != len(shape):
            self.shape, self._is_ranked = None, False
        elif self.shape is not None:
            self.shape = tuple(a if a == b else None for a, b in zip(self.shape, shape))

    def _texts(self, a, b, place, begin, shape, number) -> None:
        differ = a != b
        self.differing += int(differ.sum())
        if differ.any() and self.where is None:
            self.where, self.of_input = (*place, *index(begin + int(differ.argmax()), shape)), number

    def _whole(self, a, b, limit, place, begin, shape, number) -> None:
        """Differences of 64 bits do not fit into int64, but into uint64, modulo 2^64."""
        kind = np.result_type(*map(held, (a, b)))
        a, b = (np.asarray(x, held(x)).astype(kind, copy=False) for x in (a, b))
        with np.errstate(over="ignore"):
            off = np.maximum(a, b).astype(np.uint64) - np.minimum(a, b).astype(np.uint64)
        self._enter(off, int(off.max()), place, begin, shape, number)
        self.differing += int((off > limit).sum())
        self._squares += float(np.square(off / (self.scale or 1)).sum())
        self._finite += off.size

    def _floats(self, a, b, limit, place, begin, shape, number) -> None:
        a, b = widened(a), widened(b)
        finite = np.isfinite(a) & np.isfinite(b)
        if not finite.all():
            odd = ~finite & (a != b) & ~(np.isnan(a) & np.isnan(b))
            if odd.any() and not self.odd:
                self.where, self.of_input = (*place, *index(begin + int(odd.argmax()), shape)), number
            self.odd += int(odd.sum())
            self.differing += int(odd.sum())
            a, b = np.where(finite, a, 0), np.where(finite, b, 0)
            if not finite.any():
                return
        with np.errstate(over="ignore"):            # of the largest float64 numbers the difference is infinite
            off = np.abs(a - b)
            self._squares += float(np.square(off / (self.scale or 1)).sum())
        self._finite += int(finite.sum())
        self._enter(off, float(off.max()), place, begin, shape, number)
        self.differing += int((off > limit).sum())

    def _enter(self, off, most, place, begin, shape, number) -> None:
        """The largest difference of a piece. Where numbers that are none differ, the place is that of the first one."""
        if self.largest is not None and most <= self.largest:
            return
        self.largest = most
        if most and not self.odd:
            self.where, self.of_input = (*place, *index(begin + int(off.argmax()), shape)), number


def tensors(value) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """The arrays of a value, each with its place in lists."""
    if isinstance(value, (list, tuple)):
        for i, each in enumerate(value):
            yield from (((i, *place), array) for place, array in tensors(each))
    elif value is not None:
        yield (), np.asarray(value)


def pieces(*arrays) -> Iterator[tuple[int, tuple[np.ndarray, ...]]]:
    """(where it begins, the same piece of each)"""
    flat = [array.reshape(-1) for array in arrays]
    for begin in range(0, flat[0].size, PIECE):
        yield begin, tuple(array[begin:begin + PIECE] for array in flat)


def kind_of(dtype: np.dtype) -> str:
    if dtype.hasobject or dtype.kind in "US":
        return "text"
    if dtype.kind == "b" or is_int(dtype):
        return "whole"
    if dtype.kind == "c" or is_float(dtype):
        return "float"
    raise InputError(f"values of {dtype} cannot be compared")


def held(array: np.ndarray) -> np.dtype:
    """A type of NumPy's own that has all these integers."""
    if array.dtype.isbuiltin == 1 and array.dtype.kind in "iu":
        return array.dtype
    return np.dtype(np.uint8 if array.dtype.kind == "b" else np.int64)


def widened(array: np.ndarray) -> np.ndarray:
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def index(at: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(at, shape)) if shape else ()


def dtype_name(dtype: np.dtype) -> str:
    return "string" if kind_of(dtype) == "text" else dtype.name


def described(value) -> str:
    """What a value is, for a message: float32 1x1000"""
    if value is None:
        return "empty"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    return f"{dtype_name(value.dtype)} {dims(value.shape)}"
