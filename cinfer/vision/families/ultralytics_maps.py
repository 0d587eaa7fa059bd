"""Maps of Ultralytics' models, where the keys of its exporter say the task (recognise/ultralytics.py).

semantic    (n, h, w) integers: the classes themselves, over the letterboxed input; 255 says nothing. At the picture's
            pixels the class of the nearest one.
depth       (1, 1, h, w), metres, over the stretched picture: read bilinearly, corners on corners (align_corners).
"""
from __future__ import annotations

import numpy as np

from ...errors import InputError
from ..answers.map import Map
from .bilinear import Taps, sampled, taps

TASKS = ("semantic", "depth")
IGNORED = 255


def decode(view) -> Map:
    values = view.output()
    wanted = "1 x height x width, integers" if view.words.task == "semantic" else "1 x 1 x height x width"
    shape = values.shape[:1] + values.shape[2:] if values.ndim == 4 and values.shape[1] == 1 else values.shape
    kinds = "iu" if view.words.task == "semantic" else "fiu"
    if len(shape) != 3 or shape[0] != 1 or not values.size or values.dtype.kind not in kinds:
        raise InputError(f"the output of Ultralytics' {view.words.task} models is {wanted}; this one's is "
                         f"{values.dtype} {' x '.join(map(str, values.shape))}")
    values = values.reshape(shape[1:])
    if view.words.task == "depth":
        rows, columns = (corners_on_corners(count, wanted) for count, wanted in
                         zip(values.shape, (view.where.height, view.where.width)))
        return Map(sampled(values.astype(np.float32), rows, columns), "depth", unit="m")
    return Map(nearest(values, view.where), "semantic", view.words.labels, IGNORED)


def nearest(values: np.ndarray, where) -> np.ndarray:
    """(height, width) of the picture: what lies nearest to the centres of its pixels."""
    high, wide = values.shape
    x = ((np.arange(where.width) + .5) * where.scale_x + where.left) * (wide / where.input_width)
    y = ((np.arange(where.height) + .5) * where.scale_y + where.top) * (high / where.input_height)
    return values.take(x.astype(np.int64), 1, mode="clip").take(y.astype(np.int64), 0, mode="clip")


def corners_on_corners(count: int, wanted: int) -> Taps:
    """`wanted` places from the first to the last of `count` values."""
    return taps(np.arange(wanted) * ((count - 1) / max(wanted - 1, 1)), count)
