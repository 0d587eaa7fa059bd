"""Pictures as vectors: CLIP, SigLIP, DINOv2, ViT and others; answers are of length 1, so that a product is a likeness.

Told by: an output called image_embeds, pooler_output or last_hidden_state, or embedding(s); files beside the model
(recognise/transformers.py, timm.py); never by shapes alone. The vector, of the first of these that there is:
    image_embeds, pooler_output, embedding(s), (1, n) or (1, n, 1, 1)      as it is
    last_hidden_state (1, tokens, n)    the first token, that of the whole picture (ViT, CLIP, DINOv2), or the mean of
                                        all where there is none (Swin): output.pooling says first or mean; without it, a
                                        square number of tokens has none of the whole
    last_hidden_state (1, n, h, w)      the mean of all pixels (ResNet, ConvNeXt)
"""
from __future__ import annotations

from math import isqrt

import numpy as np

from ...errors import InputError
from ..answers.embedding import Embedding
from ..recognise.habits import IMAGENET
from ..recognise.model import Found, Model, with_batch

TASKS = ("embedding",)
NAMES = ("image_embeds", "image_embedding", "image_embeddings", "image_features", "pooler_output", "embedding",
         "embeddings", "last_hidden_state")
OF_CLIP = {"input.resize": "cut:1", "input.filter": "bicubic", "input.mean": "122.7709383,116.7460125,104.09373615",
           "input.std": "68.5005327,66.6321579,70.3231635"}
OF_IMAGENET = {"input.filter": "bicubic", **IMAGENET}


def by_names(model: Model, words) -> Found | None:
    name = next((name for name in NAMES if model.output(name) is not None), None)
    if name is None or model.output("logits") is not None or model.output("pred_boxes") is not None:
        return None
    habits = OF_CLIP if name.startswith("image") else OF_IMAGENET
    fed = {} if "input.mean" in words else _fed(model, habits)
    as_is = f", fed as is the habit of {'CLIP' if habits is OF_CLIP else 'ImageNet'}" if fed else ""
    return Found({"task": "embedding", "output.name": name} | fed, f"its output {name}{as_is}")


def _fed(model: Model, habits: dict[str, str]) -> dict[str, str]:
    """Where nobody else says how; a picture of three channels in floating point."""
    port = model.picture_input()
    shape = None if port is None else with_batch(port.shape)
    if shape is None or len(shape) != 4 or port.dtype is None or port.dtype.kind != "f":
        return {}
    size = model.size(port) or (224, 224)
    return habits | {"input.size": f"{size[0]}x{size[1]}"} if 3 in (shape[1], shape[3]) else {}


def decode(view) -> Embedding:
    name = next((name for name in NAMES if name in view.outputs), None)
    values = np.asarray(view.output(default=name))
    if values.dtype.kind not in "fiu" or not values.size or values.ndim == 0:
        raise InputError(f"an embedding is of numbers; the output is {values.dtype} of shape {values.shape}")
    vector = pooled(values.astype(np.float64), view.words.text("output.pooling"))
    length = np.linalg.norm(vector)
    return Embedding(vector / length if np.isfinite(length) and length > 0 else vector)


def pooled(values: np.ndarray, pooling: str = "") -> np.ndarray:
    """(n,) of (1, n), (1, tokens, n) or (1, n, h, w); any other shape as one vector."""
    if values.ndim > 1 and values.shape[0] == 1:
        values = values[0]
    if values.ndim == 2:
        square = isqrt(len(values)) ** 2 == len(values) and len(values) > 1
        return values.mean(0) if pooling == "mean" or not pooling and square else values[0]
    if values.ndim == 3:
        return values.mean((1, 2))
    return values.reshape(-1)
