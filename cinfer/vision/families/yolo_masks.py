"""Masks of instances: logits = coefficients @ prototypes, an object's sum of a few pictures (YOLACT, arXiv:1904.02689).

The logits lie over the input in fewer pixels. They are read bilinearly (pixels' centres at halves) at the picture's
pixels, through the geometry of the input; a pixel is inside where they are above 0, which is where a sigmoid is above a
half, and where the box is (from the first whole column and row in it). Objects of which no pixel is inside are dropped.
Only the box's part is computed.
"""
from __future__ import annotations

from math import ceil

import numpy as np

from ...errors import InputError
from ..answers.objects import Mask, Object
from .bilinear import above, taps

ROUNDING = 1e-3                         # pixels by which an edge may be off, as float32 on its way through the input


def with_masks(view, found: list[Object], boxes: np.ndarray, coefficients: np.ndarray,
               prototypes: np.ndarray) -> list[Object]:
    """The objects that have a mask, with it.

    boxes : (n, 4) in pixels of the picture; coefficients : (n, count); prototypes : (count, height, width)
    """
    if coefficients.shape[1] != len(prototypes):
        raise InputError(f"there are {len(prototypes)} prototypes for {coefficients.shape[1]} coefficients of a mask")
    where, (count, high, wide) = view.where, prototypes.shape
    rows = taps(((np.arange(where.height) + .5) * where.scale_y + where.top) * (high / where.input_height) - .5, high)
    columns = taps(((np.arange(where.width) + .5) * where.scale_x + where.left) * (wide / where.input_width) - .5, wide)
    ends = where.width, where.height, where.width, where.height
    kept = []
    for each, box, numbers in zip(found, boxes.tolist(), coefficients):
        x1, y1, x2, y2 = (min(max(ceil(v - ROUNDING), 0), end) for v, end in zip(box, ends))
        if x1 >= x2 or y1 >= y2:
            continue
        (its_rows, high), (its_columns, wide) = rows.part(y1, y2), columns.part(x1, x2)
        planes = np.ascontiguousarray(prototypes[:, high, wide])
        with np.errstate(all="ignore"):
            logits = (numbers @ planes.reshape(count, -1)).reshape(planes.shape[1:])
        inside = above(logits, its_rows, its_columns)
        if inside.any():
            each.mask = Mask(inside, x1, y1, where.width, where.height)
            kept.append(each)
    return kept
