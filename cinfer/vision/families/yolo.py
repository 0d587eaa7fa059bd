"""YOLO: rows of boxes, in the forms of Ultralytics, YOLOv5 and YOLOv7.

Told by: the keys of Ultralytics' exporter (recognise/ultralytics.py).
Forms of the first output, by its shape (the arrays', for what files declare may be symbolic); nc classes, e extra numbers:
    (4+nc+e, N)         v8, v9, 11, 12: cx cy w h in pixels of the input, class scores that are sigmoids already
    (N, 5+nc+e)         v5, v7: cx cy w h, how sure, class scores; score = both
    (N, 6+e)            end2end or with NMS: x1 y1 x2 y2 score class
"""
from __future__ import annotations

import numpy as np

from ...errors import InputError
from ..answers.types import Object, Objects
from .overlap import corners, suppress

TASKS = ("detection",)


def decode(view) -> Objects:
    rows = np.asarray(view.output())
    if rows.ndim != 3 or rows.shape[0] != 1:
        raise InputError(f"the output of a YOLO is of shape 1 x rows x numbers; this one's is {rows.shape}")
    boxes, scores, classes = candidates(view, rows[0].astype(np.float32, copy=False))
    kept = suppress(boxes, scores, view.iou(.7), view.most(), classes)
    found = view.where.boxes(boxes[kept])
    return Objects([Object(int(c), view.words.label(int(c)), float(s), tuple(b))
                    for c, s, b in zip(classes[kept], scores[kept], found.tolist())])


def candidates(view, rows: np.ndarray):
    """(boxes as x1 y1 x2 y2 in pixels of the input, scores, classes) of those above the threshold."""
    least = view.threshold(.25)
    rows = rows.T
    values = rows[:, 4:]
    classes = values.argmax(1)
    scores = values[np.arange(len(values)), classes]
    kept = (scores > least) & view.wanted(classes)
    return corners(rows[kept, :4]), scores[kept], classes[kept]
