"""OpenVINO's DetectionOutput: SSD and what ends alike.

Told by: an output of 1 x 1 x boxes x 7.
A row: number of the picture (below 0: no more rows), class, score, x1 y1 x2 y2 from 0 to 1 of the input.
Boxes of at most one pixel of the picture are dropped. What the model's keys do not say is as OpenVINO Model API does
without them: BGR, 0 to 255, stretched without antialiasing, threshold .5.
Source: openvino-model-api 0.4.7, model_api/models/ssd.py and detection_model.py.
"""
from __future__ import annotations

import numpy as np

from ..recognise.model import Found, Model
from .found import as_classes, in_pixels, likely, objects, rows

TASKS = ("detection",)
BESIDE = ("image_info", "im_info")  # height, width and scale of what is fed
MODEL_API = {"input.channels": "BGR", "input.std": "1", "input.resize": "stretch", "input.filter": "linear",
             "output.threshold": ".5"}


def by_shapes(model: Model, words) -> Found | None:
    for port in model.outputs:
        shape = model.shape_of(port) or ()
        if len(shape) == 4 and shape[1] == 1 and shape[3] == 7 and (shape[0] == 1 or not isinstance(shape[0], int)):
            return Found({"task": "detection", "output.name": port.name, **MODEL_API},
                         f"its output {port.name!r}, rows of 7 numbers: OpenVINO's DetectionOutput")
    return None


def feeds(ports, where) -> dict:
    return {port.name: np.array([[where.input_height, where.input_width, 1]], port.dtype) for port in ports}


def decode(view):
    values = rows(view.output(), 7, view.name())
    values = values[(values[:, 0] >= 0) & (values[:, 0] < 1)]
    boxes, scores, classes = in_pixels(values[:, 3:], view), values[:, 2], as_classes(values[:, 1])
    kept = likely(view, boxes, scores, classes, view.threshold(.5))
    kept = kept[large(view, boxes[kept])][:view.most()]
    return objects(view, boxes[kept], scores[kept], classes[kept])


def large(view, boxes: np.ndarray) -> np.ndarray:
    """bool: which boxes have more than a pixel of the picture, which zeros at the end have not."""
    sides = view.where.boxes(boxes)
    sides = sides[:, 2:] - sides[:, :2]
    return (sides > 0).all(1) & (sides.prod(1) > 1)
