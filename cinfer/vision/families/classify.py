"""Classifiers: a number for each class.

Told by: one output, floating point, of shape (n, classes) or (n, classes, 1, 1), of a model with weights.
Words: output.kind: probabilities or logits; without it what is from 0 to 1 and adds up to 1 is probabilities.
"""
from __future__ import annotations

import numpy as np

from ...errors import InputError
from ..answers.types import Class, Classes
from ..recognise.model import Found, Model
from . import raw

TASKS = ("classification",)


def by_shapes(model: Model, words) -> Found | None:
    if len(model.outputs) != 1 or all(a.ndim < 2 for a in model.constants.values()):
        return None
    port = model.outputs[0]
    shape = port.shape or ()
    if len(shape) not in (2, 4) or any(d != 1 for d in shape[2:]):
        return None
    if not (isinstance(shape[1], int) and shape[1] >= 2 and port.dtype is not None and port.dtype.kind == "f"):
        return None
    return Found({"task": "classification"}, f"a guess by its output, {shape[1]} numbers")


def decode(view):
    scores = np.asarray(view.output())
    if not scores.size or scores.dtype.kind not in "fiu":
        return raw.decode(view)
    scores = scores.reshape(-1).astype(np.float64)
    labels = view.words.labels
    if labels is not None and len(labels) != scores.size and view.words.labels_given:
        raise InputError(f"there are {len(labels)} labels for {scores.size} classes; one for each is right")
    kind = view.words.text("output.kind") or ("probabilities" if are_probabilities(scores) else "logits")
    probabilities = softmax(scores) if kind == "logits" else scores
    # ties go to the lower index, so that the order is the same everywhere
    order = np.argsort(-probabilities, kind="stable")
    order = order[view.wanted(order)][:view.options.top]
    return Classes([Class(i, view.words.label(i), float(probabilities[i])) for i in order.tolist()])


def are_probabilities(scores: np.ndarray) -> bool:
    # float16 outputs of 1000 classes add up to 1 within 1e-3 at best
    return bool(scores.min() >= -1e-6 and scores.max() <= 1 + 1e-3 and abs(scores.sum() - 1) < 1e-2)


def softmax(scores: np.ndarray) -> np.ndarray:
    """Along the last axis."""
    with np.errstate(invalid="ignore"):
        powers = np.exp(scores - scores.max(-1, keepdims=True))
        return powers / powers.sum(-1, keepdims=True)
