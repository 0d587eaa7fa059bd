"""Masks of instances: logits = coefficients @ prototypes, an object's sum of a few pictures (YOLACT, arXiv:1904.02689).

The logits lie over the input in fewer pixels. They are read bilinearly (pixels' centres at halves) at the picture's
pixels, through the geometry of the input; a pixel is inside where they are above 0, which is where a sigmoid is above a
half, and where the box is. Objects of which no pixel is inside are dropped. Only the box's part is computed.
"""
from __future__ import annotations

from math import ceil

import numpy as np

from ...errors import InputError
from ..answers.types import Mask, Object


def with_masks(view, found: list[Object], boxes: np.ndarray, coefficients: np.ndarray, prototypes: np.ndarray) -> list[Object]:
    """The objects that have a mask, with it.

    boxes : (n, 4) in pixels of the picture; coefficients : (n, count); prototypes : (count, height, width)
    """
    if coefficients.shape[1] != len(prototypes):
        raise InputError(f"there are {len(prototypes)} prototypes for {coefficients.shape[1]} coefficients of each mask")
    width, height = view.where.width, view.where.height
    kept = []
    for each, box, numbers in zip(found, boxes, coefficients):
        x1, y1, x2, y2 = (min(max(ceil(v), 0), most) for v, most in zip(box, (width, height, width, height)))
        if x1 >= x2 or y1 >= y2:
            continue
        inside = logits(view.where, numbers, prototypes, (x1, y1, x2, y2)) > 0
        if inside.any():
            each.mask = Mask(inside, x1, y1, width, height)
            kept.append(each)
    return kept


def logits(where, numbers: np.ndarray, prototypes: np.ndarray, part: tuple[int, int, int, int]) -> np.ndarray:
    """float32 (rows, columns) of a part of the picture: x1, y1, x2, y2."""
    count, high, wide = prototypes.shape
    x1, y1, x2, y2 = part
    column, right, fx = taps(where.left, where.scale_x, where.input_width, wide, x1, x2)
    row, below, fy = taps(where.top, where.scale_y, where.input_height, high, y1, y2)
    left, top = int(column[0]), int(row[0])
    with np.errstate(all="ignore"):
        small = np.ascontiguousarray(prototypes[:, top:below[-1] + 1, left:right[-1] + 1])
        small = (numbers.astype(np.float32) @ small.reshape(count, -1)).reshape(small.shape[1:])
        column, right, row, below = column - left, right - left, row - top, below - top
        lines = small[:, column] + fx * (small[:, right] - small[:, column])
        steps = np.diff(lines, axis=0, append=lines[-1:])           # `below` is the next row, or the last one itself
        return lines[row] + fy[:, None] * steps[row]


def taps(offset: float, scale: float, fed: int, count: int, first: int, end: int):
    """Where the picture's pixels first..end of an axis lie among `count` values over `fed` pixels of the input: (the
    value before, the value behind, the share of that one); int64, int64, float32. Beyond the edge the last value."""
    at = ((np.arange(first, end) + .5) * scale + offset) * (count / fed) - .5
    at = at.clip(0, count - 1)
    before = at.astype(np.int64)
    return before, np.minimum(before + 1, count - 1), (at - before).astype(np.float32)
