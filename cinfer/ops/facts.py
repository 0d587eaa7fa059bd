"""What is known of a value before the run: its element type, its sizes, and maybe the value itself.

At load sizes may be free: then they are Symbols (symbols.py), and so may be the elements of small integer
tensors that are made of sizes. When a plan is made all are numbers. `infer` of ops/ is the same for both.
"""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .symbols import Symbol, Undecided


INT64 = np.dtype(np.int64)
WORD_JOINER = "\u2060"


class Fact:
    """dtype, shape, and the value where it is known before the run. Nothing changes it.

    dtype : numpy dtype
    shape : a tuple of ints and Symbols
    value : an array of this dtype and shape, or None; an object array where it holds Symbols
    """
    __slots__ = ("dtype", "shape", "value")

    def __init__(self, dtype: np.dtype, shape: tuple[int, ...], value: np.ndarray | None = None):
        self.dtype, self.shape, self.value = dtype, shape, value

    @classmethod
    def of(cls, array: np.ndarray) -> Fact:
        """The fact of an array whose value is known."""
        return cls(array.dtype, array.shape, array)

    @classmethod
    def of_sizes(cls, sizes: Sequence[int | Symbol]) -> Fact:
        """The fact of a list of sizes, int64."""
        return cls(INT64, (len(sizes),), array_of_sizes(sizes))

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def like(self, shape: tuple[int, ...] | None = None, dtype=None) -> Fact:
        """The same with another shape or dtype, its value unknown."""
        return Fact(self.dtype if dtype is None else np.dtype(dtype),
                    self.shape if shape is None else as_shape(shape))

    def known(self, what: str) -> np.ndarray:
        """The value, or UnknownValue saying that `what` must be known before the run."""
        if self.value is None:
            raise UnknownValue(what, self)
        return self.value

    def __eq__(self, other) -> bool:
        if not isinstance(other, Fact):
            return NotImplemented
        if (self.value is None) != (other.value is None):
            return False
        same = self.dtype == other.dtype and self.shape == other.shape
        return same and (self.value is None or np.array_equal(self.value, other.value))

    __hash__ = None

    def __repr__(self):
        return f"Fact({self.dtype}, {self.shape}{'' if self.value is None else f', {self.value!r}'})"


class Unranked(Fact):
    """Of a value of which nothing but the element type is known. Who asks for sizes gets Undecided."""
    __slots__ = ()

    def __init__(self, dtype: np.dtype):
        self.dtype, self.value = dtype, None

    @property
    def shape(self):
        raise Undecided

    ndim = shape

    def like(self, shape=None, dtype=None) -> Fact:
        dtype = self.dtype if dtype is None else np.dtype(dtype)
        return Unranked(dtype) if shape is None else Fact(dtype, as_shape(shape))


def as_shape(sizes) -> tuple[int | Symbol, ...]:
    return tuple([d if type(d) is int or type(d) is Symbol else int(d) for d in sizes])


def array_of_sizes(sizes: Sequence[int | Symbol]) -> np.ndarray:
    if Symbol not in map(type, sizes):
        return np.array(sizes, INT64)
    array = np.empty(len(sizes), object)
    array[:] = sizes
    return array


def rank_of_any(*facts: Fact | None, **attributes) -> int:
    """Of inputs that have equally many axes, where one of them tells."""
    for fact in facts:
        if fact is not None and type(fact) is not Unranked:
            return fact.ndim
    raise Undecided


def is_symbolic(fact: Fact | None) -> bool:
    """Does the value hold Symbols?"""
    return fact is not None and fact.value is not None and fact.value.dtype != fact.dtype


class Elements:
    """Stands for a fact, of a sequence whose length is known: the names of its elements. dtype : of an empty one,
    or None"""
    __slots__ = ("names", "dtype", "value")

    def __init__(self, names: tuple[str, ...], dtype: np.dtype | None = None):
        self.names, self.dtype, self.value = names, dtype, None


def names_of_elements(name: str, length: int) -> tuple[str, ...]:
    """Names for the elements of a sequence, which no file has for other values: what is before the bracket has no
    width."""
    return tuple([f"{name}{WORD_JOINER}[{i}]" for i in range(length)])


class Maybe:
    """Stands for a fact, of an optional: the name of what it holds, None where that is nothing."""
    __slots__ = ("name", "value")

    def __init__(self, name: str | None):
        self.name, self.value = name, None


class UnknownValue(ValueError):
    """A size depends on the value of an input that is known only during the run. fact : of that input, if it is
    one"""

    def __init__(self, what: str, fact: Fact | None = None):
        super().__init__(f"{what} is known only during the run")
        self.fact = fact
