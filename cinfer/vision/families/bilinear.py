"""Maps are read between their values, bilinearly, and what is largest or above a threshold there is told: by the
kernels of _ops/bilinear.h, which has the formula to the rounding. NaN is above nothing; infinity counts as 1e38.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ... import _ops


class Taps(NamedTuple):
    """Places along an axis: the value before each (int32), and how much of the one behind it counts (float32)."""
    before: np.ndarray
    share: np.ndarray


def taps(at: np.ndarray, count: int) -> Taps:
    """at : rising places among `count` values, 0 at the first, 1 at the second; beyond the ends the last one counts"""
    at = at.clip(0, count - 1)
    before = at.astype(np.int32)
    return Taps(before, (at - before).astype(np.float32))


def largest(planes: np.ndarray, rows: Taps, columns: Taps) -> np.ndarray:
    """Which of the planes (count, height, width) is the largest at each place, of equal ones the first:
    (rows, columns), uint8, or uint16 of more than 255 planes."""
    found = np.empty((len(rows.before), len(columns.before)), np.uint8 if len(planes) <= 255 else np.uint16)
    _label(planes, rows, columns, found, 0, -np.inf)
    return found


def above(plane: np.ndarray, rows: Taps, columns: Taps, least: float = 0.0) -> np.ndarray:
    """Where a plane (height, width) is above `least`: bool, (rows, columns)."""
    found = np.empty((len(rows.before), len(columns.before)), bool)
    _label(plane[None], rows, columns, found, 1, least)
    return found


def _label(planes: np.ndarray, rows: Taps, columns: Taps, found: np.ndarray, first: int, least: float) -> None:
    if not found.size:
        return
    planes = planes.astype(np.float32, copy=False)
    if planes.strides[2] != 4 and planes.strides[0] != 4 or any(step % 4 or step < 0 for step in planes.strides):
        planes = planes.ravel().reshape(planes.shape)       # an axis of length 1 may be of any step: not so here
    (count, height, width), (apart, down, along) = planes.shape, (step // 4 for step in planes.strides)
    table = _ops.table()
    params = table.pack(
        "labels", x=_at(planes), y=_at(found), **_places(rows, columns), c=count, ih=height, iw=width, xc=apart,
        xr=down, xx=along, oh=found.shape[0], ow=found.shape[1], first=first, wide=found.itemsize, rows=len(found),
        least=float(least))
    _ops.executor().run_once(table, "labels", params, 1)


def masks(prototypes: np.ndarray, numbers: np.ndarray, boxes: np.ndarray, rows: Taps,
          columns: Taps) -> list[np.ndarray]:
    """Where sums of prototypes are above 0, each in its box: bool, (y2 - y1, x2 - x1).

    prototypes : (count, height, width); numbers : (n, count), of each; boxes : int (n, 4) x1 y1 x2 y2 of places,
    none empty
    """
    found = [np.empty((y2 - y1, x2 - x1), bool) for x1, y1, x2, y2 in boxes.tolist()]
    if found:
        prototypes, numbers = (np.ascontiguousarray(array, np.float32) for array in (prototypes, numbers))
        boxes = np.ascontiguousarray(boxes, np.int64)
        addresses = np.array(_ops.executor().addresses_of(found), np.int64)
        count, height, width = prototypes.shape
        table = _ops.table()
        params = table.pack(
            "masks", x=_at(prototypes), numbers=_at(numbers), boxes=_at(boxes), masks=_at(addresses),
            **_places(rows, columns), c=count, ih=height, iw=width, oh=len(rows.before), ow=len(columns.before))
        _ops.executor().run_once(table, "masks", params, len(found))
    return found


def _places(rows: Taps, columns: Taps) -> dict:
    return {"iy": _at(rows.before), "ty": _at(rows.share), "jx": _at(columns.before), "tx": _at(columns.share)}


def _at(array: np.ndarray) -> tuple[int, int]:
    return 0, array.ctypes.data
