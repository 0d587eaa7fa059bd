"""How unusual a picture is, and where.

    anomalib's exports      outputs pred_score, pred_label, anomaly_map, pred_mask, scaled by the network already
    OpenVINO's Model API    one output, a map or a number x, with the words output.image_threshold t_i,
                            output.pixel_threshold t_p and output.normalization_scale s (.5, .5 and 1 unless said).
                            The picture is unusual where max x > t_i, its score clip((max x - t_i) / s + 1/2, 0, 1);
                            else it is normal, with the score 1 - that. The map is clip((x - t_p) / s + 1/2, 0, 1),
                            marked where x >= t_p
Maps are brought to the picture's size bilinearly. Sources: anomalib 2.7 post_processor.py, openvino-model-api 0.4.7
models/anomaly.py.
"""
from __future__ import annotations

import numpy as np

from ..answers.classes import Class, Classes
from ..answers.map import Map
from . import maps

LABELS = ("Normal", "Anomaly")


def decode(view):
    if "pred_score" in view.outputs:
        return _anomalib(view)
    words = view.words
    array = view.output().astype(np.float64)
    scale = words.number("output.normalization_scale", 1.) or 1.
    threshold = words.number("output.image_threshold", .5)
    most = float(np.nan_to_num(array.max(initial=-np.inf)))
    unusual = most > threshold
    score = min(1., max(0., (most - threshold) / scale + .5))
    score = score if unusual else 1 - score
    if array.ndim < 2 or array.size == 1:
        return _answer(view, None, None, score, unusual)
    plane = maps.one_plane(array, maps.layout_of(view, array), "the anomaly map")
    threshold = words.number("output.pixel_threshold", .5)
    scaled = maps.smooth(((plane - threshold) / scale + .5).clip(0, 1), view.where)
    return _answer(view, scaled, scaled >= .5 if scale > 0 else None, score, unusual)


def _anomalib(view):
    score = _number(view.outputs["pred_score"])
    label = _number(view.outputs["pred_label"]) if "pred_label" in view.outputs else score > .5
    if "anomaly_map" not in view.outputs:
        return _answer(view, None, None, score, label > 0)
    what = "the output 'anomaly_map'"
    plane = maps.one_plane(view.outputs["anomaly_map"], "NCHW", what)
    marked = None
    if "pred_mask" in view.outputs:
        mask = maps.one_plane(view.outputs["pred_mask"], "NCHW", "the output 'pred_mask'")
        marked = maps.nearest(mask > 0, view.where)
    return _answer(view, maps.smooth(plane, view.where), marked, score, label > 0)


def _number(array) -> float:
    array = np.asarray(array).reshape(-1)
    return float(array[0]) if array.size else float("nan")


def _answer(view, values, marked, score: float, unusual: bool):
    index, labels = int(unusual), view.words.labels
    label = labels[index] if labels and index < len(labels) else LABELS[index]
    if values is None:
        return Classes([Class(index, label, score)], "anomaly")
    return Map(values, "anomaly", score=score, label=label, index=index, marked=marked)
