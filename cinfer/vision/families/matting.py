"""What is in front, to be cut out: how much of each pixel belongs to it, 0 to 1.

Of the first output: min-max to 0..1 of 255 steps, then Lanczos to the picture's size, as rembg does for U2-Net, ISNet,
Silueta and BiRefNet; of BiRefNet the sigmoid goes before.
Words: output.kind: probabilities or logits; without it what is beyond 0 and 1 goes through the sigmoid.
"""
from __future__ import annotations

import numpy as np

from ..answers.map import Map
from . import maps
from .activations import sigmoid


def decode(view) -> Map:
    array = view.output()
    plane = maps.one_plane(array, maps.layout_of(view, array), "the output of what is in front")
    return Map(alpha_of(plane, view.where, view.words.text("output.kind")), "matting")


def alpha_of(plane: np.ndarray, where, kind: str = "") -> np.ndarray:
    """(height, width) float32 from 0 to 1; what the input does not hold of the picture is 0."""
    from PIL import Image
    plane = np.nan_to_num(plane.astype(np.float32), nan=0)
    if kind == "logits" or not kind and (plane.min() < -1e-3 or plane.max() > 1 + 1e-3):
        plane = sigmoid(plane)
    least, most = plane.min(), plane.max()
    grey = (plane - least) / (most - least) * 255 if most > least else np.zeros_like(plane)
    rows, columns = plane.shape
    picture = Image.fromarray(grey.clip(0, 255).astype(np.uint8))
    x1, y1, x2, y2 = where.filled()
    by = columns / where.input_width, rows / where.input_height
    left, top, right, bottom = where.shown()
    picture = picture.resize((right - left, bottom - top), Image.Resampling.LANCZOS,
                             box=(x1 * by[0], y1 * by[1], x2 * by[0], y2 * by[1]))
    alpha = np.zeros((where.height, where.width), np.float32)
    alpha[top:bottom, left:right] = np.asarray(picture, np.float32) / 255
    return alpha
