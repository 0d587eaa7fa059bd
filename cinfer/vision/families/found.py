"""What detectors share: outputs of any batch become rows, and rows become objects."""
from __future__ import annotations

import numpy as np

from ...errors import InputError
from ..answers.objects import Object, Objects

LARGEST = 2**31 - 1                 # of a class


def rows(array, columns: int | None, name: str) -> np.ndarray:
    """An output (n, columns), or with axes of 1 in front, as (n, columns), float32. columns : None for any from 1

    InputError: it is of another shape; the message has its name."""
    array = np.asarray(array)
    right = f"rows of {columns or 'some'} numbers"
    if array.dtype.kind not in "fiub" or array.ndim < 2 or any(d != 1 for d in array.shape[:-2]) or (
            array.shape[-1] != columns if columns else array.shape[-1] < 1):
        raise InputError(f"output {name!r} is {array.dtype} of shape {array.shape}; of a detector it would be {right}")
    return array.reshape(array.shape[-2:]).astype(np.float32, copy=False)


def column(array, count: int, name: str) -> np.ndarray:
    """An output with one number for each of `count` boxes, (count,)."""
    array = np.asarray(array)
    if array.dtype.kind not in "fiub" or array.size != count:
        raise InputError(f"output {name!r} is {array.dtype} of shape {array.shape}; of a detector with {count} boxes "
                         "it would be a number for each")
    return array.reshape(count)


def as_classes(numbers: np.ndarray) -> np.ndarray:
    """Numbers of classes, int64, whatever their type."""
    if numbers.dtype.kind == "f":
        numbers = np.rint(np.clip(np.nan_to_num(numbers, nan=-1), -1, LARGEST))
    return numbers.astype(np.int64)


def above(scores: np.ndarray, least: float, equal: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """(rows, columns) of scores (n, classes) above `least`. equal : of those at it too"""
    found = np.flatnonzero(scores >= least if equal else scores > least)        # ten times as fast as of two axes
    return np.divmod(found, scores.shape[1])


def likely(view, boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, least: float,
           equal: bool = False) -> np.ndarray:
    """Indices of the boxes with a score above `least`, of classes that are asked for and at places that are numbers,
    the likeliest first. equal : those at it too"""
    kept = np.flatnonzero(scores >= least if equal else scores > least)
    kept = kept[np.isfinite(boxes[kept]).all(1) & np.isfinite(scores[kept]) & view.wanted(classes[kept])]
    return kept[np.argsort(-scores[kept], kind="stable")]


def in_pixels(boxes: np.ndarray, view) -> np.ndarray:
    """(n, 4) from 0 to 1 of the input -> in its pixels."""
    width, height = view.where.input_width, view.where.input_height
    return boxes * np.array([width, height, width, height], np.float32)


def by_units(boxes: np.ndarray, view) -> np.ndarray:
    """x1 y1 x2 y2 as output.units has it -> in pixels of the input. Where nobody says units, the numbers do: all
    within 2 are normalized."""
    words = view.words
    units = words.one_of("output.units", ("pixels", "normalized", "picture"), "pixels")
    if "output.units" not in words and words.text("recipe") != "1":
        finite = boxes[np.isfinite(boxes)]
        units = "normalized" if finite.size and np.abs(finite).max() <= 2 else "pixels"
    return in_pixels(boxes, view) if units == "normalized" else boxes


def objects(view, boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, *, of_picture: bool = False,
            task: str = "detection") -> Objects:
    """An answer. boxes : (n, 4), x1 y1 x2 y2 in pixels of the input, or of_picture"""
    placed = view.where.clipped(np.asarray(boxes, np.float64)) if of_picture else view.where.boxes(boxes)
    found = [Object(int(c), view.words.label(int(c)), float(s), tuple(b))
             for c, s, b in zip(classes, scores, placed.tolist())]
    return Objects(found, task)
