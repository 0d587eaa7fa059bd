"""Boxes that say the same: non-maximum suppression, and the forms in which networks write boxes.

Suppression is the kernel of the operator NonMaxSuppression, on one thread.
"""
from __future__ import annotations

from functools import cache

import numpy as np

MOST_CANDIDATES = 30_000            # the likeliest of those above the threshold; Ultralytics' max_nms
FAR = 1e5                           # pixels; what is beyond is as far


def corners(boxes: np.ndarray) -> np.ndarray:
    """(n, 4) centre and size -> x1, y1, x2, y2"""
    centre, half = boxes[:, :2], boxes[:, 2:4] / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def likeliest(scores: np.ndarray, most: int = MOST_CANDIDATES) -> np.ndarray:
    """Indices, the highest score first; of equal ones the first."""
    return np.argsort(-scores, kind="stable")[:most]


def suppress(boxes: np.ndarray, scores: np.ndarray, iou: float, most: int,
             classes: np.ndarray | None = None, edge: tuple[float, float] = (0, 0)) -> np.ndarray:
    """Indices of the boxes that stay, the highest score first, `most` at most: none overlaps one before it, of its
    class, by more than `iou` (intersection over union). Boxes that are not finite go, and scores that are NaN.

    boxes : (n, 4) as x1, y1, x2, y2; classes : (n,), or None where all count as one
    edge : how much wider and higher a box counts than from corner to corner: `a_pixel` for authors who count both
        corners' pixels, as Pascal VOC did
    """
    boxes, scores = np.asarray(boxes, np.float32).reshape(-1, 4), np.asarray(scores, np.float32).reshape(-1)
    sound = np.flatnonzero(np.isfinite(boxes).all(1) & ~np.isnan(scores))
    if len(sound) > MOST_CANDIDATES:
        sound = sound[likeliest(scores[sound])]
    if not sound.size:
        return sound
    boxes = boxes[sound].clip(-FAR, FAR)
    if any(edge):
        boxes[:, 2:] += np.float32(edge)
    if classes is not None:
        boxes += apart(boxes, np.asarray(classes).reshape(-1)[sound])[:, None]
    kept, = _kernels().select(boxes[None], scores[sound][None], most, iou, None, 0)
    return sound[kept]


def a_pixel(where) -> tuple[float, float]:
    """One pixel of the picture, in those of the input. where : the Geometry"""
    return where.scale_x, where.scale_y


def apart(boxes: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """(n,) float32: by how much to move each box so that classes do not meet; less than 0.01 pixels of 640 are lost."""
    _, number = np.unique(classes, return_inverse=True)
    span = np.ceil(float(np.abs(boxes).max(initial=0)) * 2 + 1)
    return (number * span).astype(np.float32)


@cache
def _kernels():
    from ... import _ops
    from ...run.direct import Direct
    return Direct(_ops.table(), 1)
