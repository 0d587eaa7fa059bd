"""DETR and its descendants: a box and logits of classes for each query.

Told by the names of the outputs: logits (1, queries, classes) and pred_boxes (1, queries, 4), as transformers has them;
dets and labels of these shapes are RF-DETR's, with masks (1, queries, h, w), logits, of its segmenters.
Boxes are centre and size, from 0 to 1 of the picture. No suppression.
Words: output.activation, output.background, output.most.
    softmax     DETR, YOLOS, Table Transformer: over all classes; the last is "nothing here"; the best of each query
    sigmoid     the others: each class of each query for itself; of all the likeliest 100 (Conditional, Deformable,
                DAB), or as many as there are queries (RT-DETR, D-FINE, RF-DETR)
Which one: by model_type or architectures in config.json beside the model, else by the number of logits: one more than
labels is softmax. Background: RF-DETR has it last where it is not one of COCO's 91 numbers.
Source: transformers, image_processing_*.py (post_process_object_detection); rf-detr, rfdetr/models/lwdetr.py
(PostProcess).
"""
from __future__ import annotations

import numpy as np

from ...errors import InputError
from ..recognise.coco import coco_80, coco_91, with_names
from ..recognise.habits import NORMALISED
from ..recognise.model import Found, Model
from .activations import sigmoid, softmax
from .found import above, likely, objects, rows
from .overlap import corners
from .paste import paste

TASKS = ("detection", "segmentation")
BESIDE = ("pixel_mask",)
SOFTMAX = ("detr", "yolos", "table-transformer")
OF_100 = ("conditional_detr", "deformable_detr", "dab-detr")
ARCHITECTURES = {"Detr": "detr", "Yolos": "yolos", "TableTransformer": "table-transformer",
                 "ConditionalDetr": "conditional_detr", "DeformableDetr": "deformable_detr", "DabDetr": "dab-detr"}


def by_names(model: Model, words) -> Found | None:
    if model.outputs_named("logits", "pred_boxes"):
        return _transformers(model, words)
    if model.outputs_named("dets", "labels"):
        dets, labels = model.output("dets"), model.output("labels")
        of_logits = labels.dtype is not None and labels.dtype.kind == "f"
        if of_logits and len(dets.shape or ()) == len(labels.shape or ()) == 3:
            return _rf_detr(model, words, count_of(model, "labels"))
    return None


def _transformers(model: Model, words) -> Found:
    config = model.json("config.json") or {}
    kind, why = kind_of(config)
    count = count_of(model, "logits")
    named = config.get("id2label")
    labels = words.labels or (named if isinstance(named, (dict, list)) else ())
    by_softmax, by_count = by_number(count, len(labels))
    if kind:
        by_softmax = kind in SOFTMAX
    else:
        why = by_count if count else "by the number of logits, that the file does not say"
    said = {"task": "detection", "output.boxes": "pred_boxes", "output.scores": "logits", "output.threshold": ".5",
            "input.resize": "stretch", "input.filter": "bilinear"}
    activation = ""
    if kind or count:
        activation = "softmax" if by_softmax else "sigmoid"
        said |= {"output.activation": activation, "output.background": "last" if by_softmax else "none"}
    if kind in OF_100:
        said["output.most"] = "100"
    size = model.size(model.picture_input()) if model.picture_input() else None
    if by_softmax or kind in OF_100:
        said |= NORMALISED | ({} if size else {"input.size": "short:800:1333"})
    else:
        said |= {"input.std": "255"} | ({} if size else {"input.size": "640x640"})
    because = f"its outputs logits and pred_boxes; {activation}{': ' * bool(activation)}{why}"
    if labels:
        return Found(said, because)
    classes = (count or 0) - (activation == "softmax")
    return Found(said, *with_names(words, because, {80: coco_80, 91: coco_91}.get(classes, list)()))


def by_number(classes: int | None, labels: int) -> tuple[bool, str]:
    """(softmax?, how it is told) by the number of logits."""
    if classes and labels and labels in (classes, classes - 1):
        return labels == classes - 1, "one logit more than labels" if labels < classes else "as many logits as labels"
    if classes == 92:
        return True, "92 logits, one more than COCO's numbers"
    return False, "a guess, --recipe output.activation=softmax decides otherwise"


def kind_of(config: dict) -> tuple[str, str]:
    """(model_type, how it is told) by a config.json; ("", "") where it does not say."""
    kind = config.get("model_type")
    if isinstance(kind, str) and kind:
        return kind, f"model_type {kind}"
    names = config.get("architectures")
    name = names[0] if isinstance(names, list) and names and isinstance(names[0], str) else ""
    return (ARCHITECTURES.get(name.removesuffix("ForObjectDetection").removesuffix("ForSegmentation"), name), name)


def _rf_detr(model: Model, words, classes: int | None) -> Found:
    said = {"task": "segmentation" if model.outputs_named("masks") else "detection", "output.boxes": "dets",
            "output.scores": "labels", "output.activation": "sigmoid", "output.threshold": ".3",
            "input.resize": "stretch", "input.filter": "linear", **NORMALISED}
    labels = coco_91() if classes == 91 else None
    return Found(said, *with_names(words, "its outputs dets and labels: RF-DETR", labels))


def count_of(model: Model, name: str) -> int | None:
    shape = model.shape_of(model.output(name))
    return shape[-1] if shape and isinstance(shape[-1], int) else None


def feeds(ports, where) -> dict:
    """pixel_mask: which pixels are of the picture, 1 for all, for one picture is fed without padding."""
    fed = {}
    for port in ports:
        sides = port.shape[1:] if port.shape is not None and len(port.shape) == 3 else (None, None)
        sides = [side if isinstance(side, int) else fed_side
                 for side, fed_side in zip(sides, (where.input_height, where.input_width))]
        fed[port.name] = np.ones((1, *sides), port.dtype)
    return fed


def decode(view):
    boxes_name = view.name("output.boxes", next((n for n in ("pred_boxes", "dets") if n in view.outputs), None))
    logits_name = view.name("output.scores", next((n for n in ("logits", "labels") if n in view.outputs), None))
    boxes = rows(view.outputs[boxes_name], 4, boxes_name)
    logits = rows(view.outputs[logits_name], None, logits_name)
    if len(boxes) != len(logits):
        raise InputError(f"output {boxes_name!r} has {len(boxes)} queries, {logits_name!r} {len(logits)}; right is one "
                         "number")
    labels = len(view.words.labels or ())
    usual = "softmax" if by_number(logits.shape[1], labels)[0] and logits_name != "labels" else "sigmoid"
    by_softmax = view.words.one_of("output.activation", ("sigmoid", "softmax"), usual) == "softmax"
    background = view.words.one_of("output.background", ("last", "first", "none"),
                                   usual_background(by_softmax, logits.shape[1], labels, logits_name))
    least = view.threshold(.5)
    scores = softmax(logits) if by_softmax else sigmoid(logits)
    first = 1 if background == "first" else 0
    scores = scores[:, first:scores.shape[1] - (background == "last")]
    if not scores.shape[1]:
        raise InputError(f"output {logits_name!r} has no class beside the background; --recipe output.background=none")
    if by_softmax:
        query = np.arange(len(scores))
        classes = scores.argmax(1)
    else:
        query, classes = above(scores, least)
    # without a label for the background, classes are numbered behind it
    shift = first if labels != scores.shape[1] else 0
    kept = likely(view, boxes[query], scores[query, classes], classes + shift, least)[:view.most(len(boxes) or 1)]
    query, classes = query[kept], classes[kept]
    answer = objects(view, on_input(view, corners(boxes[query])), scores[query, classes], classes + shift,
                     task="segmentation" if view.words.task == "segmentation" else "detection")
    if "masks" in view.outputs and np.asarray(view.outputs["masks"]).ndim == 4:
        masks = np.asarray(view.outputs["masks"])[0]
        if len(masks) == len(boxes):
            for each, plane in zip(answer.found, masks[query]):
                each.mask = paste(plane, view.where, 0)
    return answer


def usual_background(by_softmax: bool, classes: int, labels: int, name: str) -> str:
    if by_softmax:
        return "last"
    if labels and labels in (classes, classes - 1):
        return "none" if labels == classes else "last"
    return "last" if name == "labels" and classes != 91 and classes > 1 else "none"         # RF-DETR


def on_input(view, boxes: np.ndarray) -> np.ndarray:
    """From 0 to 1 of the picture to pixels of the input. A picture in the corner of padding counts without it, as
    transformers does; one that cinfer has put into the middle is fed as a whole."""
    where = view.where
    whole = (where.input_width, where.input_height)
    if view.recipe is not None and view.recipe.resize[0] in ("pad", "corner"):
        whole = (where.width * where.scale_x, where.height * where.scale_y)
    return boxes * np.array([*whole, *whole], np.float64)
