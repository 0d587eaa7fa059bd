"""Classifiers: a number for each class, of a picture or a clip.

Told by: one floating point output of shape (n, classes) or (n, classes, 1, 1), of a model with weights; or an output of
such a shape that is called logits, probabilities, ..., beside others; and by keys and files.
Words: output.name; output.kind:
    probabilities   p = x
    logits          p = softmax(x)
    multilabel      p = sigmoid(x), each class by itself
without it what is from 0 to 1 and adds up to 1 is probabilities. The best `top` classes are the answer; of multilabel
with a threshold (output.threshold, --conf) all those above it.
"""
from __future__ import annotations

import numpy as np

from ..answers.classes import Class, Classes
from ..recognise.model import Found, Model
from . import raw

TASKS = ("classification",)
KINDS = ("probabilities", "logits", "multilabel")
NAMES = ("probabilities", "probs", "prob", "softmax", "scores", "logits", "class_logits", "predictions")
# in names of outputs that belong to objects
OF_BOXES = ("boxes", "bbox", "masks", "points", "dets", "labels", "offsets", "landmarks")


def by_names(model: Model, words) -> Found | None:
    """One of several outputs, where none is of objects or maps."""
    if len(model.outputs) < 2 or any(part in port.name.lower() for port in model.outputs for part in OF_BOXES):
        return None
    name = next((name for name in NAMES if (port := model.output(name)) is not None and classes_of(port)), None)
    return name and Found({"task": "classification", "output.name": name}, f"its output {name}")


def by_shapes(model: Model, words) -> Found | None:
    if len(model.outputs) != 1 or all(a.ndim < 2 for a in model.constants.values()):
        return None
    count = classes_of(model.outputs[0])
    if count and not isinstance(model.outputs[0].shape[0], int) and model.is_taken:
        return None                     # one picture does not give one row
    return Found({"task": "classification"}, f"a guess by its output, {count} numbers") if count else None


def classes_of(port) -> int:
    """How many classes an output of this shape has; 0: it is none of a classifier."""
    shape = port.shape or ()
    if len(shape) not in (2, 4) or any(d != 1 for d in shape[2:]) or port.dtype is None or port.dtype.kind != "f":
        return 0
    return shape[1] if isinstance(shape[1], int) and shape[1] >= 2 else 0


def decode(view):
    words, options = view.words, view.options
    scores = np.asarray(view.output())
    if not scores.size or scores.dtype.kind not in "fiu":
        return raw.decode(view)
    scores = (scores[0] if scores.ndim > 1 else scores).reshape(-1).astype(np.float64)
    view.check_labels(scores.size)
    kind = words.one_of("output.kind", KINDS, "probabilities" if are_probabilities(scores) else "logits")
    probabilities = {"logits": softmax, "multilabel": sigmoids, "probabilities": lambda x: x}[kind](scores)
    # ties go to the lower index, so that the order is the same everywhere
    order = np.argsort(-probabilities, kind="stable")
    order = order[view.wanted(order)]
    has_least = options.conf is not None or kind == "multilabel" and "output.threshold" in words
    if has_least:
        order = order[probabilities[order] > view.threshold(.5)]
    if kind != "multilabel" or not has_least:
        order = order[:options.top]
    return Classes([Class(i, words.label(i), float(probabilities[i])) for i in order.tolist()])


def are_probabilities(scores: np.ndarray) -> bool:
    # float16 outputs of 1000 classes add up to 1 within 1e-3 at best
    return bool(scores.min() >= -1e-6 and scores.max() <= 1 + 1e-3 and abs(scores.sum() - 1) < 1e-2)


def softmax(scores: np.ndarray) -> np.ndarray:
    """Along the last axis."""
    with np.errstate(invalid="ignore"):
        powers = np.exp(scores - scores.max(-1, keepdims=True))
        return powers / powers.sum(-1, keepdims=True)


def sigmoids(scores: np.ndarray) -> np.ndarray:
    """Each class by itself."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-scores))
