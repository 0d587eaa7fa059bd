"""YOLOX: boxes that the network leaves undecoded, for the cells of grids of strides 8, 16, 32 (and 64).

Told by: one output of 1 x cells x (5 + classes), cells = sum of height/s * width/s; not by NanoDet's count of numbers.
A row: x y w h, how sure it is that something is there, the classes' scores; both sigmoids already.
    centre = ((x, y) + (column, row)) * s        size = exp((w, h)) * s        score = sure * class's
The best class counts; boxes of any class suppress each other, and are a pixel of the picture wider and higher in that
than from corner to corner. The picture is scaled by one factor for both sides, as in training: the way back is that
factor, not the ratio of the rounded sides.
Source: YOLOX, demo/ONNXRuntime/onnx_inference.py and yolox/utils/demo_utils.py.
"""
from __future__ import annotations

import numpy as np

from ...errors import InputError
from ..recognise.coco import coco_80, with_names
from ..recognise.model import Found, Model
from . import nanodet
from .found import likely, objects, rows
from .grid import cells, rows_of_cells
from .overlap import a_pixel, corners, suppress

TASKS = ("detection",)
SIDE = "640x640"                    # where the size is free; of nano and tiny 416x416
LARGEST = 20.0                      # of what goes into exp: no picture is larger


def by_shapes(model: Model, words) -> Found | None:
    known = rows_of_cells(model)
    if known is None or known[0] < 6 or nanodet.is_likelier(model, words, *known):
        return None
    columns, strides = known
    if columns == 84 and len(words.labels or ()) != 79:
        return None                 # a YOLOv8 of COCO's 80 classes, turned
    because = f"its output, a row for each of the cells of strides {', '.join(map(str, strides))}: YOLOX"
    return Found({"task": "detection", "input.channels": "BGR", "input.std": "1", "input.resize": "corner:114",
                  "input.filter": "linear", "output.threshold": ".1", "output.iou": ".45",
                  **({} if model.size(model.picture_input()) else {"input.size": SIDE})},
                 *with_names(words, because, coco_80() if columns == 85 else None))


def decode(view):
    values = rows(view.output(), None, view.name())
    where = view.where
    if values.shape[1] < 6:
        raise InputError(f"the output of a YOLOX has 6 numbers a row or more; this one's has {values.shape[1]}")
    view.check_labels(values.shape[1] - 5)
    places, strides = cells(len(values), where.input_height, where.input_width)
    least = view.threshold(.1)
    some = np.flatnonzero(values[:, 4] > least)         # class scores are at most 1
    values, places, strides = values[some], places[some], strides[some, None]
    classes = values[:, 5:].argmax(1)
    scores = values[:, 4] * values[np.arange(len(values)), 5 + classes]
    sizes = np.exp(np.minimum(values[:, 2:4], LARGEST))
    boxes = corners(np.concatenate([(values[:, :2] + places) * strides, sizes * strides], axis=1))
    kept = likely(view, boxes, scores, classes, least)
    boxes, scores, classes = boxes[kept], scores[kept], classes[kept]
    view = by_one_factor(view)
    kept = suppress(boxes, scores, view.iou(.45), view.most(), edge=a_pixel(view.where))
    return objects(view, boxes[kept], scores[kept], classes[kept])


def by_one_factor(view):
    """The view with the way back of a picture that lies in the corner."""
    where = view.where
    if view.recipe is None or view.recipe.resize[0] != "corner":
        return view
    factor = min(where.input_width / where.width, where.input_height / where.height)
    return view._replace(where=where._replace(scale_x=factor, scale_y=factor))
