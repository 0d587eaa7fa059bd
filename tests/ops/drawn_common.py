"""What several families of operators draw; `c` as in drawn_inputs.py."""
from __future__ import annotations

import numpy as np

INT = np.int64
F32, F64, F16 = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.float16)


def by_name(functions: dict) -> dict:
    """operator -> the function that draws its inputs, of function -> its operators."""
    return {name: function for function, names in functions.items() for name in names.split()}


def ints(*values) -> np.ndarray:
    return np.array(values, INT)


def picture(c, least=1, most=3, low=3, high=6, **limits):
    spatial = [c.whole(low, high) for _ in range(c.whole(least, most))]
    return c.x(shape=(c.whole(1, 2), c.whole(1, 4), *spatial), **limits)


def data(c, least=1):
    return c.x(least, 4, False)


def scale(c, name, shape):
    return np.array(c.numbers.choice([.25, .5, 1, 2], shape), c.type_of(name))
