"""Detectors whose graph does all: boxes, classes and scores come out ready, none of them twice.

Told by the names of the outputs:
    labels, boxes, scores and an input orig_target_sizes (n, 2): D-FINE, RT-DETR's own repository. Width and height of
        the picture go in, boxes in its pixels come out; of a padded picture, those of the input
    boxes (n, 4), labels (n), scores (n): torchvision, in pixels of the input; masks (n, 1, h, w), inside above 1/2;
        keypoints (n, points, 3), x y and whether it is seen. Also by their shapes alone, where exporters number them
    boxes or dets (n, 5), labels (n): Geti, mmdeploy: x1 y1 x2 y2 score, in pixels of the input; masks over each box
    bboxes (n, 4), scores (n), labels (n): OpenVINO's SSD in three
Boxes that are all from 0 to 1, where nobody says units, are of the whole input.
Source: D-FINE, tools/deployment/export_onnx.py and tools/inference/; torchvision.models.detection;
openvino-model-api 0.4.7, model_api/models/ssd.py.
"""
from __future__ import annotations

import math

import numpy as np

from ...errors import InputError
from ..prepare.geometry import Geometry
from ..recognise.coco import coco_80, coco_91, has_classes, with_names
from ..recognise.model import Found, Model
from .found import as_classes, by_units, column, likely, objects, rows
from .paste import paste
from .ssd import MODEL_API, large

TASKS = ("detection", "segmentation", "keypoints")
SIZES = "orig_target_sizes"
BESIDE = (SIZES,)


def by_names(model: Model, words) -> Found | None:
    if not model.outputs_named("labels"):
        return None
    if model.outputs_named("bboxes", "scores"):
        return Found({"task": "detection", "output.boxes": "bboxes", **MODEL_API},
                     "its outputs bboxes, scores and labels: OpenVINO's SSD")
    if model.outputs_named("boxes", "scores"):
        if any(port.name == SIZES for port in model.inputs):
            return _of_sizes(model, words)
        if columns_of(model, "boxes") in (4, None) and not _is_of_classes(model):
            return _torchvision(model, words, {})
    kind = getattr(model.output("labels").dtype, "kind", "")
    for name in filter(model.outputs_named, ("boxes", "dets")):
        if columns_of(model, name) == 5 or columns_of(model, name) is None and kind == "i":
            said = {"task": task_of(model), "output.boxes": name, **MODEL_API}
            if name == "boxes" and said["task"] == "segmentation" and "model_info model_type" in model.metadata:
                said["output.background"] = "first"         # Model API's labels begin with one for nothing
            return Found(said, f"its outputs {name} of 5 numbers and labels: Geti's or mmdeploy's")
    return None


def by_shapes(model: Model, words) -> Found | None:
    """torchvision's, as the exporter numbers them, in any order: boxes, labels, scores, perhaps masks or points and how
    sure each of these is."""
    port = model.picture_input()
    if port is None or port.shape is None or len(port.shape) not in (3, 4) or not 3 <= len(model.outputs) <= 6:
        return None
    named = {}
    for output in model.outputs:
        key = _part(output)
        if key is None or key in named:
            return None
        named[key] = output.name
    if not {"boxes", "labels", "scores"} <= named.keys() or ("keypoints" in named) != ("keypoints_scores" in named):
        return None
    said = {f"output.{key}": name for key, name in named.items() if not key.startswith("keypoints")}
    task = "keypoints" if "keypoints" in named else "segmentation" if "masks" in named else "detection"
    return _torchvision(model, words, {"task": task} | said, "the shapes of its outputs")


def _part(output) -> str | None:
    """Which of torchvision's outputs one of this type and shape is."""
    shape = output.shape or ()
    last = shape[-1] if shape and isinstance(shape[-1], int) else None
    match output.dtype.kind if output.dtype is not None else "", len(shape):
        case "i", 1:
            return "labels"
        case "f", 1:
            return "scores"
        case "f", 2:
            return "boxes" if last in (4, None) else "keypoints_scores"
        case "f", 3 if last == 3:
            return "keypoints"
        case "f", 4 if shape[1] == 1:
            return "masks"
    return None


def columns_of(model: Model, name: str) -> int | None:
    shape = model.shape_of(model.output(name))
    return shape[-1] if shape and len(shape) > 1 and isinstance(shape[-1], int) else None


def _is_of_classes(model: Model) -> bool:
    """Are there scores for each class? (families/boxes.py)"""
    boxes, scores = (model.output(name).shape for name in ("boxes", "scores"))
    return boxes is not None and scores is not None and len(scores) == len(boxes) == 3


def _of_sizes(model: Model, words) -> Found:
    port = model.picture_input()
    fixed = port is not None and model.size(port)
    said = {"task": "detection", "input.resize": "stretch", "input.std": "255", "input.filter": "bilinear",
            "input.size": f"{fixed[0]}x{fixed[1]}" if fixed else "640x640", "output.units": "picture",
            "output.threshold": ".4"}
    labels = coco_80() if has_classes(model.constants, 80, (1,)) else None
    return Found(said, *with_names(words, f"its input {SIZES} and its outputs' names: D-FINE or RT-DETR", labels))


def _torchvision(model: Model, words, named: dict, because: str = "its outputs' names") -> Found:
    """Its input is of rank 3, or 4 where an exporter has made it so; then its outputs are told by their having no
    batch.

    named : words besides"""
    port = model.picture_input()
    said = {"task": task_of(model), "input.resize": "stretch", "output.threshold": ".5", **named}
    boxes = model.output(named.get("output.boxes", "boxes")).shape
    if port is None or port.shape is None or len(port.shape) != 3 and (boxes is None or len(boxes) != 2):
        return Found(said, because)
    if not model.size(port):
        said["input.size"] = "any"                  # it resizes by itself
    labels = coco_91() if has_classes(model.constants, 91) else None
    return Found(said, *with_names(words, because + ", torchvision's", labels))


def task_of(model: Model) -> str:
    more = {"keypoints": "keypoints", "masks": "segmentation"}
    return next((task for name, task in more.items() if model.outputs_named(name)), "detection")


def feeds(ports, where) -> dict:
    """The size that boxes are to be given for: the picture's, or, where it does not fill the input, the input's."""
    size = (where.width, where.height) if fills(where) else (where.input_width, where.input_height)
    return {port.name: np.array([size], port.dtype) for port in ports}


def fills(where) -> bool:
    """Is the whole input the whole picture?"""
    return (where.left, where.top) == (0, 0) and abs(where.width * where.scale_x - where.input_width) < .01 and (
        abs(where.height * where.scale_y - where.input_height) < .01)


def decode(view):
    name = view.name("output.boxes", "boxes" if "boxes" in view.outputs else None)
    wide = np.asarray(view.outputs[name])
    with_scores = wide.ndim > 1 and wide.shape[-1] == 5
    boxes = rows(wide, 5 if with_scores else 4, name)
    named = view.name("output.labels", "labels" if "labels" in view.outputs else None)
    classes = as_classes(column(view.outputs[named], len(boxes), named))
    if view.words.text("output.background") == "first":
        classes = classes + 1
    if with_scores:
        boxes, scores = boxes[:, :4], boxes[:, 4]
    else:
        scored = view.name("output.scores", "scores" if "scores" in view.outputs else None)
        scores = column(view.outputs[scored], len(boxes), scored).astype(np.float32, copy=False)
    boxes = by_units(boxes, view)
    kept = likely(view, boxes, scores, classes, view.threshold(.5))
    if with_scores:
        kept = kept[large(view, boxes[kept])]
    kept = kept[:view.most()]
    of_picture = view.words.text("output.units") == "picture" and fills(view.where)
    found = objects(view, boxes[kept], scores[kept], classes[kept], of_picture=of_picture,
                    task=view.words.task if view.words.task in TASKS else "detection")
    masks = view.words.text("output.masks", "masks")
    if masks in view.outputs:
        for each, plane in zip(found.found, planes(view.outputs[masks], len(boxes))[kept]):
            over = over_box(plane, each.box, view.where) if with_scores else view.where
            each.mask = paste(plane, over, .5, each.box)
    points = view.outputs.get("keypoints")
    if points is None and found.task == "keypoints":
        points = next((each for each in view.outputs.values() if np.ndim(each) == 3 and np.shape(each)[2] == 3), None)
    points = None if points is None else np.asarray(points, np.float64)
    if points is not None and points.ndim == 3 and len(points) == len(boxes) and points.shape[2] >= 2:
        for each, xy in zip(found.found, view.where.points(points[kept, :, :2])):
            each.points = xy
    return found


def over_box(plane: np.ndarray, box, where: Geometry) -> Geometry:
    """Where a picture lies in a mask that is over one box of it, as Geti's are."""
    high, wide = plane.shape
    x1, y1, x2, y2 = box
    sx, sy = wide / max(x2 - x1, 1e-3), high / max(y2 - y1, 1e-3)
    return Geometry(where.width, where.height, wide, high, sx, sy, -x1 * sx, -y1 * sy)


def planes(masks, count: int) -> np.ndarray:
    """Masks (n, 1, h, w) or (n, h, w) as (n, h, w)."""
    masks = np.asarray(masks)
    if masks.ndim not in (3, 4) or masks.dtype.kind not in "fiub" or math.prod(masks.shape[:-2]) != count:
        raise InputError(f"output 'masks' is {masks.dtype} of shape {masks.shape}; right is {count} x 1 x height x "
                         "width")
    return masks.reshape(count, *masks.shape[-2:])
