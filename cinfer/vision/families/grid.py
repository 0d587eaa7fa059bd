"""Networks that answer for the cells of grids laid over their input, one for each stride: which strides, and where the
cells are. Rows come stride by stride, in each from left to right and down."""
from __future__ import annotations

from functools import lru_cache

import numpy as np

from ...errors import InputError
from ..recognise.model import Model

STRIDES = ((8, 16, 32), (8, 16, 32, 64))


def number_of_cells(height: int, width: int, strides: tuple[int, ...]) -> int:
    """Of all grids over an input together."""
    return sum(-(-height // s) * -(-width // s) for s in strides)


def strides_of(count: int, height: int, width: int) -> tuple[int, ...] | None:
    """The strides with which an input of this size has `count` cells; None: there are none."""
    for strides in STRIDES:
        if number_of_cells(height, width, strides) == count:
            return strides
    return None


@lru_cache(4)
def cells(count: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """((count, 2) columns and rows of the cells, (count,) their strides), float32.

    InputError: an input of this size has another number of cells"""
    strides = strides_of(count, height, width)
    if strides is None:
        counts = " or ".join(str(number_of_cells(height, width, each)) for each in STRIDES)
        raise InputError(f"the model gives {count} rows for an input of {width}x{height}; its grids would have "
                         f"{counts}")
    places, each = [], []
    for s in strides:
        h, w = -(-height // s), -(-width // s)
        grid = np.empty((h, w, 2), np.float32)
        grid[..., 0], grid[..., 1] = np.arange(w), np.arange(h)[:, None]
        places.append(grid.reshape(-1, 2))
        each.append(np.full(h * w, s, np.float32))
    found = np.concatenate(places), np.concatenate(each)
    for array in found:
        array.flags.writeable = False                   # they are kept
    return found


def rows_of_cells(model: Model) -> tuple[int, tuple[int, ...]] | None:
    """(numbers of each cell, strides) of a model whose one output has a row for each cell of the grids over its
    input; None: it has not."""
    if model.sample is None or len(model.outputs) != 1:
        return None
    output = model.outputs[0]
    shape = model.shape_of(output)
    if not shape or len(shape) != 3 or output.dtype is None or output.dtype.kind != "f":
        return None
    count, columns = shape[1:]
    if not (isinstance(count, int) and isinstance(columns, int)):
        return None
    strides = strides_of(count, *model.sample)
    return None if strides is None else (columns, strides)
