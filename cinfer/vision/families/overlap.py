"""Boxes that say the same: non-maximum suppression, and the forms in which networks write boxes."""
from __future__ import annotations

import numpy as np

MOST_CANDIDATES = 30_000            # the likeliest of those above the threshold; Ultralytics' max_nms


def corners(boxes: np.ndarray) -> np.ndarray:
    """(n, 4) centre and size -> x1, y1, x2, y2"""
    centre, half = boxes[:, :2], boxes[:, 2:4] / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def likeliest(scores: np.ndarray, most: int = MOST_CANDIDATES) -> np.ndarray:
    """Indices, the highest score first; of equal ones the first."""
    return np.argsort(-scores, kind="stable")[:most]


def suppress(boxes: np.ndarray, scores: np.ndarray, iou: float, most: int, classes: np.ndarray | None = None) -> np.ndarray:
    """Indices of the boxes that stay, the highest score first: none overlaps one before it, of its class, by more than
    `iou` (intersection over union).

    boxes : (n, 4) as x1, y1, x2, y2; classes : (n,), or None where all count as one
    """
    order = likeliest(scores)
    boxes = np.asarray(boxes, np.float64)[order]
    if classes is not None:             # apart, so that classes do not meet
        span = float(np.abs(boxes).max(initial=0)) * 2 + 1
        boxes = boxes + (np.asarray(classes)[order] * span)[:, None]
    kept = _suppressed(boxes, iou, most)
    return order[kept]


def _suppressed(boxes: np.ndarray, iou: float, most: int) -> list[int]:
    x1, y1, x2, y2 = boxes.T
    areas = (x2 - x1) * (y2 - y1)
    left = np.arange(len(boxes))
    kept: list[int] = []
    while left.size and len(kept) < most:
        i, left = left[0], left[1:]
        kept.append(int(i))
        w = np.minimum(x2[i], x2[left]) - np.maximum(x1[i], x1[left])
        h = np.minimum(y2[i], y2[left]) - np.maximum(y1[i], y1[left])
        both = np.clip(w, 0, None) * np.clip(h, 0, None)
        with np.errstate(divide="ignore", invalid="ignore"):
            left = left[~(both / (areas[i] + areas[left] - both) > iou)]
    return kept
