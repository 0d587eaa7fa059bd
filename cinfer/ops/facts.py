"""What is known of a value before the run: its element type, its sizes, and maybe the value itself."""
from __future__ import annotations

import numpy as np


class Fact:
    """dtype, shape, and the value where it is known before the run. Nothing changes it.

    dtype : numpy dtype
    shape : a tuple of ints
    value : an array of this dtype and shape, or None
    """
    __slots__ = ("dtype", "shape", "value")

    def __init__(self, dtype: np.dtype, shape: tuple[int, ...], value: np.ndarray | None = None):
        self.dtype, self.shape, self.value = dtype, shape, value

    @classmethod
    def of(cls, array: np.ndarray) -> Fact:
        """The fact of an array whose value is known."""
        return cls(array.dtype, array.shape, array)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def like(self, shape: tuple[int, ...] | None = None, dtype=None) -> Fact:
        """The same with another shape or dtype, its value unknown."""
        return Fact(self.dtype if dtype is None else np.dtype(dtype),
                    self.shape if shape is None else tuple(int(d) for d in shape))

    def known(self, what: str) -> np.ndarray:
        """The value, or UnknownValue saying that `what` must be known before the run."""
        if self.value is None:
            raise UnknownValue(what)
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


class UnknownValue(ValueError):
    """A size depends on the value of an input that is known only during the run."""

    def __init__(self, what: str):
        super().__init__(f"{what} is known only during the run")
