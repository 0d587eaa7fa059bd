"""Boxes that do not lie along the axes: centre, width, height and the angle of the width against the x axis, radians.

How much two of them share is measured by their Gaussians of equal mean and covariance (ProbIoU, arXiv:2106.06072):
    covariance  [a c; c b] of a box: R diag(w^2/12, h^2/12) R'
    distance    B = d' S^-1 d / 4 + ln(det S / (4 sqrt(det 1 det 2))) / 2,   S the sum of both covariances
    ProbIoU     1 - sqrt(1 - exp(-B)), so that ProbIoU >= t where B <= -ln(1 - (1 - t)^2)
A box goes if any likelier one of its class shares that much with it, whether that one stays or not (Fast NMS,
arXiv:1904.02689, as Ultralytics does it). Angles are said as Ultralytics says them, from 0 up to a quarter turn.
"""
from __future__ import annotations

from math import log, pi

import numpy as np

from ... import _ops
from ..answers.objects import Object
from .overlap import likeliest
from .yolo_rows import Rows

MOST_CANDIDATES = 5_000                 # the likeliest of those above the threshold


def objects(view, rows: Rows) -> list[Object]:
    boxes = np.concatenate([rows.boxes, rows.extra], axis=1).astype(np.float64)
    sound = np.flatnonzero(np.isfinite(boxes).all(1))
    order = sound[likeliest(rows.scores[sound], MOST_CANDIDATES)]
    if not rows.ready:
        order = order[distinct(boxes[order], rows.classes[order], view.iou(.7))]
    order = order[:view.most()]
    boxes = regular(boxes[order])
    polygons = view.where.points(polygons_of(boxes))
    around = view.where.clipped(np.concatenate([polygons.min(1), polygons.max(1)], axis=1))
    classes = rows.classes[order].tolist()
    names = {c: view.words.label(c) for c in set(classes)}
    return [Object(c, names[c], s, tuple(box), polygon=polygon, angle=angle) for c, s, box, polygon, angle in zip(
        classes, rows.scores[order].tolist(), around.tolist(), polygons, boxes[:, 4].tolist())]


def polygons_of(boxes: np.ndarray) -> np.ndarray:
    """(n, 5) -> (n, 4, 2): the corners, one after the other around the box."""
    angle = boxes[:, 4]
    along = np.stack([np.cos(angle), np.sin(angle)], 1) * boxes[:, 2:3] / 2
    across = np.stack([-np.sin(angle), np.cos(angle)], 1) * boxes[:, 3:4] / 2
    ends, others = boxes[:, :2] + along, boxes[:, :2] - along
    return np.stack([ends + across, ends - across, others - across, others + across], 1)


def regular(boxes: np.ndarray) -> np.ndarray:
    """The same boxes with angles from 0 up to a quarter turn: width and height change places where needed."""
    boxes = boxes.copy()
    turned = boxes[:, 4] % pi >= pi / 2
    boxes[turned, 2:4] = boxes[turned, 3:1:-1]
    boxes[:, 4] %= pi / 2
    return boxes


def distinct(boxes: np.ndarray, classes: np.ndarray, iou: float) -> np.ndarray:
    """Indices of the boxes that no likelier one of their class covers by `iou` or more, by the kernel `covered`
    (_ops/oriented.h). boxes : (n, 5), likeliest first

    Pairs are those whose centres are near enough for it: d^2 <= 4 B (m1^2 + m2^2) / 12, m a box's longer side."""
    far = -log(max(1 - (1 - iou) ** 2, 1e-300)) if iou < 1 else 0.0
    xs = boxes[:, 0]
    reach = (boxes[:, 2:4] ** 2).max(1, initial=0) * (far / 3) * (1 + 1e-9)
    radius = float(np.sqrt(2 * reach.max(initial=0)))
    span = xs.max(initial=0) - xs.min(initial=0) + 2 * radius + 1           # classes do not meet
    place = xs + np.unique(classes, return_inverse=True)[1] * span
    order = np.argsort(place, kind="stable")                                # from left to right
    rows = np.stack([place, xs, boxes[:, 1], *gaussians(boxes), reach], 1)[order]
    rank, gone = order.astype(np.int32), np.zeros(len(boxes), bool)         # by score
    of_rows, of_rank, of_gone = _ops.executor().addresses_of([rows, rank, gone])
    params = _ops.table().pack("covered", box=(0, of_rows), rank=(0, of_rank), gone=(0, of_gone), n=len(rows),
                               radius=radius, far=far)
    _ops.executor().run_once(_ops.table(), "covered", params, 1)
    return np.flatnonzero(~gone)


def gaussians(boxes: np.ndarray):
    """a, b, c of the covariances, and the logarithms of their determinants."""
    along, across = boxes[:, 2] ** 2 / 12, boxes[:, 3] ** 2 / 12
    cos, sin = np.cos(boxes[:, 4]), np.sin(boxes[:, 4])
    with np.errstate(all="ignore"):
        a, b = along * cos ** 2 + across * sin ** 2, along * sin ** 2 + across * cos ** 2
        return a, b, (along - across) * cos * sin, np.log(along * across)
