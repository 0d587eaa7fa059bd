"""NanoDet and NanoDet-Plus: for the cells of grids, scores of classes and how far the four sides are, as distributions.

Told by: one output of 1 x cells x (classes + 4 * bins), bins 8 (or 11: NanoDet-g and some more), strides 8, 16, 32, of
NanoDet-Plus also 64.
A row: the classes' scores, sigmoids already; then for left, top, right, bottom the logits of distances 0 ... bins - 1.
    distance = softmax(logits) . (0, 1, ...) * s        sides = centre -+ distances, cut off at the input
    centre = (column, row) * s; of the models with three strides ((column, row) + 1/2) * s
Each class of a cell counts for itself; suppression is within a class. Plus stretches the picture, the older ones
letterbox it.
Source: nanodet/model/head/nanodet_plus_head.py and gfl_head.py (get_bboxes), config/, demo/demo.py (threshold .35).
"""
from __future__ import annotations

import numpy as np

from ...errors import InputError
from ..recognise.coco import coco_80, with_names
from ..recognise.model import Found, Model
from .classify import softmax
from .found import above, likely, objects, rows
from .grid import cells, rows_of_cells, strides_of
from .overlap import suppress

TASKS = ("detection",)
BINS = (8, 11)
SIDE = "416x416"                    # where the size is free: of most of the published ones


def by_shapes(model: Model, words) -> Found | None:
    known = rows_of_cells(model)
    if known is None or not is_likelier(model, words, *known):
        return None
    columns, strides = known
    plus = len(strides) == 4
    bins = bins_of(columns, len(words.labels or ()) or None)
    because = (f"its output, {columns} numbers for each of the cells of strides {', '.join(map(str, strides))}: "
               f"NanoDet{'-Plus' * plus}")
    return Found({"task": "detection", "input.channels": "BGR", "input.mean": "103.53,116.28,123.675",
                  "input.std": "57.375,57.12,58.395", "input.resize": "stretch" if plus else "letterbox:0",
                  "input.filter": "linear", "output.threshold": ".35", "output.iou": ".6", "output.most": "100",
                  **({} if model.size(model.picture_input()) else {"input.size": SIDE})},
                 *with_names(words, because, coco_80() if columns - 4 * bins == 80 else None))


def is_likelier(model: Model, words, columns: int, strides: tuple[int, ...]) -> bool:
    """Than YOLOX, whose rows are 5 + classes: by the number of labels, then by that of COCO's classes, by the names
    that NanoDet's exporter gives, by the stride 64 that few of YOLOX have."""
    if columns <= 4 * BINS[0]:
        return False
    if words.labels:
        if len(words.labels) == columns - 5:
            return False
        if any(len(words.labels) == columns - 4 * bins for bins in BINS):
            return True
    if columns == 85:
        return False
    if any(columns == 80 + 4 * bins for bins in BINS):
        return True
    return model.picture_input().name == "data" or len(strides) == 4


def bins_of(columns: int, labels: int | None) -> int:
    """How many distances a side has."""
    for bins in BINS:
        if columns - 4 * bins == (labels or 80):
            return bins
    return BINS[0]


def decode(view):
    values = rows(view.output(), None, view.name())
    labels = len(view.words.labels or ()) or None
    bins = bins_of(values.shape[1], labels)
    count = values.shape[1] - 4 * bins
    if count < 1:
        raise InputError(f"the output of a NanoDet has {4 * bins + 1} numbers a row or more; this one's has "
                         f"{values.shape[1]}")
    view.check_labels(count)
    height, width = view.where.input_height, view.where.input_width
    places, strides = cells(len(values), height, width)
    least = view.threshold(.35)
    cell, classes = above(values[:, :count], least)
    scores = values[cell, classes]
    used, back = np.unique(cell, return_inverse=True)
    distances = softmax(values[used, count:].reshape(-1, 4, bins)) @ np.arange(bins, dtype=np.float32)
    distances *= strides[used, None]
    offset = 0 if len(strides_of(len(values), height, width)) == 4 else .5
    centres = (places[used] + np.float32(offset)) * strides[used, None]
    boxes = np.concatenate([centres - distances[:, :2], centres + distances[:, 2:]], axis=1)
    boxes = np.clip(boxes, 0, (width, height, width, height))[back]
    kept = likely(view, boxes, scores, classes, least)
    boxes, scores, classes = boxes[kept], scores[kept], classes[kept]
    kept = suppress(boxes, scores, view.iou(.6), view.most(100), classes)
    return objects(view, boxes[kept], scores[kept], classes[kept])
