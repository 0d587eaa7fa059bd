"""Maps of Ultralytics' models, where the keys of its exporter say the task (recognise/ultralytics.py).

semantic    (n, h, w) integers: the classes themselves, over the letterboxed input; 255 says nothing. At the picture's
            pixels the class of the nearest one.
depth       (1, 1, h, w), metres, over the stretched picture: read bilinearly, corners on corners (align_corners).
"""
from __future__ import annotations

from ...errors import InputError
from ..answers.map import Map
from . import maps

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
        return Map(maps.smooth(values, view.where, align_corners=True), "depth", unit="m")
    return Map(maps.nearest(values, view.where), "semantic", view.words.labels, IGNORED)
