"""Detectors that the keys of docs/metadata.md describe: output.kind.

    x1,y1,x2,y2,score,class     a row (in that or another order) for each box, none of them twice: the threshold is left
    boxes+scores                boxes (1, n, 4) and scores (1, n, classes): threshold, then suppression per class
output.format: xyxy or cxcywh; output.units: pixels of the input or normalized; scores from output.threshold on (0.5)
stay, overlaps above output.iou (0.5) go. Without a key, outputs called boxes and scores of these shapes are told by
their names; whether they are normalized then by the numbers themselves.
"""
from __future__ import annotations

import numpy as np

from ...errors import InputError
from ..recognise.coco import coco_80, with_names
from ..recognise.model import Found, Model
from . import raw
from .found import above, as_classes, by_units, likely, objects, rows
from .overlap import corners, likeliest, suppress

TASKS = ("detection",)
ROW = ("x1", "y1", "x2", "y2", "score", "class")
KINDS = ",".join(ROW), "boxes+scores"


def by_names(model: Model, words) -> Found | None:
    if not model.outputs_named("boxes", "scores"):
        return None
    boxes, scores = (model.shape_of(model.output(name)) for name in ("boxes", "scores"))
    if not boxes or not scores or len(boxes) != 3 or len(scores) != 3 or boxes[2] != 4:
        return None
    return Found({"task": "detection", "output.kind": "boxes+scores"},
                 *with_names(words, "its outputs boxes and scores", coco_80() if scores[2] == 80 else None))


def decode(view):
    kind = view.words.text("output.kind").replace(" ", "")
    if kind == "boxes+scores" or not kind and {"boxes", "scores"} <= view.outputs.keys():
        return _pairs(view)
    if not kind:
        values = view.output()
        if values.ndim < 2 or values.shape[-1] != len(ROW):
            return raw.decode(view)
        kind = KINDS[0]
    order = kind.split(",")
    if sorted(order) != sorted(ROW):
        raise InputError(f"{view.words.where('output.kind')} is {kind!r}; right for a detector is {' or '.join(KINDS)}")
    return _ready(view, [order.index(part) for part in ROW])


def _ready(view, order: list[int]):
    values = rows(view.output(), len(ROW), view.name())[:, order]
    boxes, scores, classes = on_input(view, values[:, :4]), values[:, 4], as_classes(values[:, 5])
    kept = likely(view, boxes, scores, classes, view.threshold(.5), equal=True)[:view.most()]
    return objects(view, boxes[kept], scores[kept], classes[kept])


def _pairs(view):
    names = [view.name(f"output.{key}", key) for key in ("boxes", "scores")]
    boxes, scores = rows(view.outputs[names[0]], 4, names[0]), rows(view.outputs[names[1]], None, names[1])
    if len(boxes) != len(scores):
        raise InputError(f"output {names[0]!r} has {len(boxes)} rows, {names[1]!r} {len(scores)}; right is one number")
    view.check_labels(scores.shape[1])
    boxes, least = on_input(view, boxes), view.threshold(.5)
    row, classes = above(scores, least, equal=True)
    scores = scores[row, classes]
    best = likeliest(scores)
    boxes, scores, classes = boxes[row[best]], scores[best], classes[best]
    kept = likely(view, boxes, scores, classes, least, equal=True)
    boxes, scores, classes = boxes[kept], scores[kept], classes[kept]
    kept = suppress(boxes, scores, view.iou(.5), view.most(), classes)
    return objects(view, boxes[kept], scores[kept], classes[kept])


def on_input(view, boxes: np.ndarray) -> np.ndarray:
    """Boxes as the keys say they are -> x1 y1 x2 y2 in pixels of the input."""
    if view.words.one_of("output.format", ("xyxy", "cxcywh"), "xyxy") == "cxcywh":
        boxes = corners(boxes)
    return by_units(boxes, view)
