"""The keys of Ultralytics' exporter, and of YOLOv5's and YOLOv9's, whose values are Python literals in text.

Newer files have `task`, `imgsz`, `names`, `stride`, `channels`, `end2end`, `head` and `args`; YOLOv5 and YOLOv9 write
`stride` and `names` alone. A v10 or 26 is end2end only where `end2end` says so; `args` has whether NMS is inside. What
they leave open the arrays' shapes tell (families/yolo_rows.py). Source: the files of ultralytics 8.4.190, yolov5
7.0.14.
"""
from __future__ import annotations

from ...errors import InputError
from ...metadata import labels_of, literal
from ..families.yolo_rows import places
from .habits import NORMALISED
from .model import Found, Model, with_batch

TASKS = {"classify": "classification", "detect": "detection", "segment": "segmentation", "pose": "keypoints",
         "obb": "oriented", "semantic": "semantic", "depth": "depth"}
FAMILIES = {"classification": "classify", "semantic": "dense", "depth": "dense"}


def ultralytics(model: Model) -> Found | None:
    """InputError where the model takes something else than pictures of 1 or 3 channels."""
    metadata = model.metadata
    is_v5 = "task" not in metadata
    if "names" not in metadata and "imgsz" not in metadata or "stride" not in metadata and is_v5:
        return None
    port = model.picture_input()
    if port is None:
        return None
    task = _task(model) if is_v5 else TASKS.get(metadata["task"], metadata["task"])
    is_detr = _is_detr(model, port, task)
    stretched = is_detr or task == "depth"              # their authors squeeze the picture into the size
    words = {"task": task, "input.name": port.name, "input.layout": model.layout(port),
             "input.channels": _channels(model, port),
             "input.resize": "stretch" if stretched else "letterbox:114", "input.filter": "linear",
             "input.mean": "0", "input.std": "255",
             "input.size": _size(model, port, 224 if task == "classification" else 640,
                                 fixed=stretched or task == "classification")}
    if task in TASKS.values():
        words["family"] = FAMILIES.get(task, "yolo")
    if task == "classification" and is_v5:              # the largest square from the middle, then scaled
        words |= {"input.resize": "middle", "output.kind": "logits"} | NORMALISED
    elif task == "classification":                      # torchvision's Resize: of one side, or of two
        height, _, width = words["input.size"].partition("x")
        words |= {"input.resize": "centre:1" if height == width else "stretch", "input.filter": "bilinear",
                  "output.kind": "probabilities"}
    elif task == "depth":
        words |= {"output.filter": "corners", "output.unit": "m"}
    elif words.get("family") == "yolo":
        words |= _of_rows(metadata, task, is_v5, is_detr)
    because = "YOLOv5's or YOLOv9's metadata" if is_v5 else "the model's Ultralytics metadata"
    return Found(words, because, labels_of(metadata))


def _is_detr(model: Model, port, task: str) -> bool:
    """The key `head` says so; in older files without it the model's name, or a row of a box and each class's score for
    each query, where a YOLO has a column for each place."""
    metadata = model.metadata
    if "head" in metadata or task != "detection":
        return metadata.get("head") == "RTDETRDecoder"
    if "rtdetr" in metadata.get("description", "").lower().replace("-", ""):
        return True
    shape, size, names = model.outputs[0].shape or (), model.size(port), len(labels_of(metadata) or ())
    return len(shape) == 3 and names not in (0, 2) and shape[2] == 4 + names != shape[1] and isinstance(shape[1], int) \
        and shape[1] not in (places(*size) if size else ())


def _of_rows(metadata: dict[str, str], task: str, is_v5: bool, is_detr: bool) -> dict[str, str]:
    """How boxes are told from the output."""
    words = {"output.threshold": ".25", "output.iou": ".7", "output.most": "300"}
    if is_v5:
        words |= {"output.iou": ".45", "output.most": "1000"}
    arguments = literal(metadata.get("args", ""), (dict,)) or {}
    if is_detr:                                         # queries are told apart already
        words |= {"output.units": "normalized", "output.iou": "1"}
    elif literal(metadata.get("end2end", ""), (bool,)) or arguments.get("nms") is True:
        words["output.kind"] = "cx,cy,w,h,score,class" if task == "oriented" else "x1,y1,x2,y2,score,class"
    for key, word in (("kpt_shape", "output.points"), ("kpt_names", "output.names")):
        if key in metadata:
            words[word] = metadata[key]
    return words


def _task(model: Model) -> str:
    """YOLOv5 does not say it: masks come with prototypes of rank 4, classes alone in rank 2."""
    ranks = {len(port.shape) for port in model.outputs if port.shape is not None}
    if ranks == {2}:
        return "classification"
    return "segmentation" if {3, 4} <= ranks else "detection"


def _channels(model: Model, port) -> str:
    said = literal(model.metadata.get("channels", ""), (int,))
    shape, axis = with_batch(port.shape), model.layout(port).index("C")
    count = shape[axis] if shape and isinstance(shape[axis], int) else said or 3
    if count not in (1, 3):
        raise InputError(f"input {port.name!r} takes {count} channels; a picture has 1 (grey) or 3: use the model from "
                         "Python: cinfer.load")
    return "GRAY" if count == 1 else "RGB"


def _size(model: Model, port, usual: int, fixed: bool) -> str:
    """Where the graph leaves it free, `imgsz`: fixed, or for letterboxes what the picture needs of it."""
    size = model.size(port)
    if size:
        return f"{size[0]}x{size[1]}"
    said = literal(model.metadata.get("imgsz", ""), (list, tuple, int))
    sides = [said] if isinstance(said, int) else list(said or [usual])
    if len(sides) not in (1, 2) or not all(type(side) is int and 1 <= side <= 99999 for side in sides):
        sides = [usual]
    if fixed:
        return f"{sides[0]}x{sides[-1]}"
    stride = literal(model.metadata.get("stride", ""), (int, float))
    stride = int(stride) if stride and 1 <= stride <= 256 else 32
    return f"within:{':'.join(map(str, dict.fromkeys(sides)))}:{stride}"
