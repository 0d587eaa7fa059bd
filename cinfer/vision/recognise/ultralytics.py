"""The keys of Ultralytics' exporter, and of YOLOv5's, whose values are Python literals in text.

Newer files have `task`, `imgsz`, `names`, `stride`, `channels`, `end2end`, `head` and `args`; YOLOv5 writes `stride` and
`names` alone. Source: what ultralytics 8.4.190 and yolov5 7.0.14 write; formats by the shapes of the arrays (families/yolo.py).
"""
from __future__ import annotations

from ...metadata import labels_of, literal
from .model import Found, Model

TASKS = {"classify": "classification", "detect": "detection", "segment": "segmentation", "pose": "keypoints",
         "obb": "oriented", "semantic": "semantic", "depth": "depth"}
STRETCHED = ("depth",)              # their authors squeeze the picture into the size
FAMILIES = {"classification": "classify", "semantic": "dense", "depth": "dense"}


def ultralytics(model: Model) -> Found | None:
    metadata = model.metadata
    is_v5 = "task" not in metadata
    if "names" not in metadata and "imgsz" not in metadata or "stride" not in metadata and is_v5:
        return None
    task = TASKS.get(metadata.get("task", "detect"), metadata.get("task", ""))
    port = model.picture_input()
    if port is None:
        return None
    words = {"task": task, "family": FAMILIES.get(task, "yolo"), "input.name": port.name,
             "input.mean": "0", "input.std": "255",
             "input.layout": "NCHW", "input.size": _size(model, port), "input.resize": "letterbox:114",
             "input.filter": "linear"}
    channels = literal(metadata.get("channels", "3"), (int,))
    if channels == 1:
        words["input.channels"] = "GRAY"
    if task == "classification":
        words |= {"input.resize": "centre:1", "input.filter": "bilinear", "output.kind": "probabilities"}
    if task in STRETCHED or metadata.get("head") == "RTDETRDecoder":
        words["input.resize"] = "stretch"
    if metadata.get("head") == "RTDETRDecoder":
        words |= {"output.rows": "cxcywh,score,class", "output.units": "normalized"}
    arguments = literal(metadata.get("args", ""), (dict,)) or {}
    if literal(metadata.get("end2end", ""), (bool,)) or arguments.get("nms"):
        words["output.rows"] = words.get("output.rows", "x1,y1,x2,y2,score,class")
    words |= {"output.threshold": ".25", "output.iou": ".45" if is_v5 else ".7", "output.most": "1000" if is_v5 else "300"}
    for key, word in (("kpt_shape", "output.points"), ("kpt_names", "output.names")):
        if key in metadata:
            words[word] = metadata[key]
    return Found(words, "YOLOv5's metadata" if is_v5 else "the model's Ultralytics metadata", labels_of(metadata))


def _size(model: Model, port) -> str:
    size = model.size(port, "NCHW")
    if size:
        return f"{size[0]}x{size[1]}"
    said = literal(model.metadata.get("imgsz", ""), (list, tuple, int))
    sides = [said] if isinstance(said, int) else said or [640]
    stride = literal(model.metadata.get("stride", ""), (int, float))
    stride = int(stride) if stride and 1 <= stride <= 256 else 32
    if not all(isinstance(side, int) and 1 <= side <= 99999 for side in sides):
        return f"multiple:{stride}"
    return f"within:{max(sides)}:{stride}"
