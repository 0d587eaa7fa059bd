"""Convolutions and pools one window and one number at a time: slow, and plainly what the standard says."""
from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from hypothesis import strategies as st


@dataclass
class Window:
    """One entry for each spatial axis; explicit pads."""
    kernel: list[int]
    strides: list[int]
    dilations: list[int]
    begins: list[int]
    ends: list[int]
    ceil_mode: int = 0

    @property
    def attributes(self) -> dict:
        return dict(kernel_shape=self.kernel, strides=self.strides, dilations=self.dilations,
                    pads=self.begins + self.ends)

    def count(self, axis: int, size: int) -> int:
        """How many windows lie along an axis, found by moving one until it leaves."""
        stride = self.strides[axis]
        end = size + self.begins[axis] + self.ends[axis]
        reach = (self.kernel[axis] - 1) * self.dilations[axis] + 1
        count, start, last_end = 0, 0, None
        while start + reach <= end or (self.ceil_mode and start < size + self.begins[axis]
                                       and (last_end is None or last_end < end)):
            count, last_end, start = count + 1, start + reach, start + stride
        return count

    def out_sizes(self, sizes) -> tuple[int, ...]:
        return tuple(self.count(axis, size) for axis, size in enumerate(sizes))

    def elements(self, sizes, window: tuple[int, ...]):
        """(tap, place in the input, whether it is in the input, whether it is at least in the padding)"""
        for tap in product(*map(range, self.kernel)):
            at = tuple(o * s + t * d - b for o, s, t, d, b in
                       zip(window, self.strides, tap, self.dilations, self.begins))
            yield (tap, at, all(0 <= a < size for a, size in zip(at, sizes)),
                   all(a < size + e for a, size, e in zip(at, sizes, self.ends)))


@st.composite
def windows(draw, ceil_mode: bool = False, most_axes: int = 2) -> tuple[list[int], Window]:
    """(spatial sizes, a window that fits at least once); the pads are smaller than the window."""
    rank = draw(st.integers(1, most_axes))

    def numbers(least, most):
        return draw(st.lists(st.integers(least, most), min_size=rank, max_size=rank))
    sizes, kernel, strides, dilations = numbers(1, 7), numbers(1, 4), numbers(1, 3), numbers(1, 2)
    begins = [draw(st.integers(0, k - 1)) for k in kernel]
    ends = [max(draw(st.integers(0, k - 1)), (k - 1) * d + 1 - size - b)
            for k, d, size, b in zip(kernel, dilations, sizes, begins)]
    return sizes, Window(kernel, strides, dilations, begins, ends, draw(st.integers(0, int(ceil_mode))))


def convolve(x: np.ndarray, w: np.ndarray, window: Window, group: int) -> np.ndarray:
    sizes, out_sizes = x.shape[2:], window.out_sizes(x.shape[2:])
    y = np.zeros((x.shape[0], w.shape[0], *out_sizes))
    per_group = w.shape[0] // group
    for n, m, o in product(range(x.shape[0]), range(w.shape[0]), np.ndindex(out_sizes)):
        for tap, at, inside, _ in window.elements(sizes, o):
            for c in range(w.shape[1]) if inside else ():
                y[n, m, *o] += x[n, m // per_group * w.shape[1] + c, *at] * w[m, c, *tap]
    return y


def convolve_transposed(x: np.ndarray, w: np.ndarray, window: Window, group: int, sizes) -> np.ndarray:
    """Every input element adds its multiple of the kernel to the output, which has `sizes`."""
    per_group = x.shape[1] // group
    y = np.zeros((x.shape[0], w.shape[1] * group, *sizes))
    for n, c, o in product(range(x.shape[0]), range(x.shape[1]), np.ndindex(x.shape[2:])):
        for tap, at, inside, _ in window.elements(sizes, o):
            for m in range(w.shape[1]) if inside else ():
                y[n, c // per_group * w.shape[1] + m, *at] += x[n, c, *o] * w[c, m, *tap]
    return y
