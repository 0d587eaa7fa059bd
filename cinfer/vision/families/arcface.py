"""ArcFace and its kin: a face, aligned to 112x112 (alignment.py), as a vector; the product of two is their likeness.

Told by: an input of 112x112 with 3 channels, one output of 128, 256 or 512 numbers, no class names.
Fed: RGB, (value - 127.5) / 127.5 (insightface). The answer is divided by its length. Old ones, made with MXNet, do the
former themselves: --mean 0 --std 1 are right for them.
"""
from __future__ import annotations

import numpy as np

from ...errors import InputError
from ..answers.embedding import Embedding
from ..recognise.model import Found, Model

TASKS = ("embedding",)
SIZE = (112, 112)
LENGTHS = (128, 256, 512)
WORDS = {"task": "embedding", "input.mean": "127.5", "input.std": "127.5", "input.filter": "linear",
         "input.size": "112x112"}


def by_shapes(model: Model, words) -> Found | None:
    port = model.picture_input()
    if port is None or port.shape is None or 3 not in port.shape or model.sample != SIZE:
        return None
    if len(model.outputs) != 1 or words.labels is not None:
        return None
    shape = model.shape_of(model.outputs[0]) or ()
    if len(shape) not in (2, 4) or shape[1] not in LENGTHS or any(d != 1 for d in shape[2:]):
        return None
    return Found(WORDS, f"a guess by its sizes, {shape[1]} numbers for a face of 112x112")


def decode(view) -> Embedding:
    array = view.output()
    if not array.size or array.dtype.kind not in "fiu":
        raise InputError(f"the output is {array.dtype} of shape {array.shape}; a vector of numbers is right")
    vector = np.nan_to_num(array.reshape(-1).astype(np.float64), posinf=0, neginf=0)
    length = np.linalg.norm(vector)
    return Embedding((vector / length if length > 0 else vector).astype(np.float32))
