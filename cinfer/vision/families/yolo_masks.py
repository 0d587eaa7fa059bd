"""Masks of instances: logits = coefficients @ prototypes, an object's sum of a few pictures (YOLACT, arXiv:1904.02689).

The logits lie over the input in fewer pixels. They are read bilinearly (pixels' centres at halves) at the picture's
pixels, through the geometry of the input; a pixel is inside where they are above 0, which is where a sigmoid is above a
half, and where the box is (from the first whole column and row in it). Objects of which no pixel is inside are dropped.
Only the box's part is computed.
"""
from __future__ import annotations

import numpy as np

from ...errors import InputError
from ..answers.objects import Mask, Object
from .bilinear import masks
from .maps import taps

ROUNDING = 1e-3                         # pixels by which an edge may be off, as float32 on its way through the input


def with_masks(view, found: list[Object], boxes: np.ndarray, coefficients: np.ndarray,
               prototypes: np.ndarray) -> list[Object]:
    """The objects that have a mask, with it.

    boxes : (n, 4) in pixels of the picture; coefficients : (n, count); prototypes : (count, height, width)
    """
    if coefficients.shape[1] != len(prototypes):
        raise InputError(f"there are {len(prototypes)} prototypes for {coefficients.shape[1]} coefficients of a mask")
    where = view.where
    rows, columns = taps(where, *prototypes.shape[1:])
    ends = where.width, where.height, where.width, where.height
    inner = np.ceil(boxes - ROUNDING).clip(0, ends).astype(np.int64)
    real = np.flatnonzero((inner[:, :2] < inner[:, 2:]).all(1))
    kept = []
    for each, (x, y), inside in zip(real.tolist(), inner[real, :2].tolist(),
                                    masks(prototypes, coefficients[real], inner[real], rows, columns)):
        if inside.any():
            found[each].mask = Mask(inside, x, y, where.width, where.height)
            kept.append(found[each])
    return kept
