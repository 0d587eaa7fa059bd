"""From the outputs of a network to an answer. One file a family of models that decode alike.

A family has

    TASKS                   the words of docs/tasks.md that it may answer with
    by_names(model, words)  -> Found | None: is it one of this family, by the names of its outputs?
    by_shapes(model, words) the same by their shapes; each says how such models are fed, where nobody else does
    BESIDE                  names of inputs beside the picture's that it feeds (none: the picture alone)
    feeds(ports, where)     arrays for those of them that a model has, by name; where: the Geometry
    decode(view)            -> an answer of answers/

of which it needs TASKS and decode. The other files here are parts of families (semantic.py, depth.py, matting.py,
anomaly.py of dense.py; yolo_*.py; text_lines.py), and what families share: found.py, overlap.py, grid.py, maps.py, ...
"""
from __future__ import annotations

from ...errors import InputError, nearest
from ...imports import imported
from ..recognise.words import RAW

# In the order in which they are asked.
FAMILIES = ("detr", "ready", "faces", "boxes", "ssd", "text", "nanodet", "yolox", "poses", "yolo", "arcface",
            "embedding", "classify", "dense", "picture")
DECODERS = (*FAMILIES, "raw")          # what the word `family` may say
# task -> the family that decodes a model whose own keys say the task, and no family
OF_TASK = {"classification": "classify", "image": "picture", "detection": "boxes", "face-anchors": "faces",
           "face-cascade": "faces", "keypoints": "poses", "embedding": "embedding", "semantic": "dense",
           "segmentation": "dense", "depth": "dense", "matting": "dense", "anomaly": "dense",
           "text": "text", "text-detection": "text"}


def family(name: str):
    """The module of a family."""
    return imported(f"{__name__}.{name}")


def check_task(task: str, where: str) -> None:
    """InputError for a task that no family has."""
    if task in OF_TASK or task == RAW:
        return
    known = sorted({RAW, *OF_TASK, *(each for name in FAMILIES for each in family(name).TASKS)})
    if task not in known:
        hint = nearest(task, known) or f"; the tasks are {', '.join(known)}"
        raise InputError(f"{where} is {task!r}{hint}")
