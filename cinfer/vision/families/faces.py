"""Faces: SCRFD, YuNet, BlazeFace, and the networks of MTCNN one by one.

Told by, in pixels of the input, cells (column, row) of a grid with stride s counted from 0:

YuNet       outputs cls_8 obj_8 bbox_8 kps_8, likewise _16 and _32. score = sqrt(cls * obj), both within 0..1;
            centre = (cell + b01) s, size = exp(b23) s, points = (cell + k) s; boxes are compared by their
            whole pixels (OpenCV's FaceDetectorYN)
SCRFD       6 or 9 outputs (n, 1), (n, 4) and, of 9, (n, 10), with or without an axis of batch, in any order, for the
            strides 8, 16, 32; two anchors a cell. Box = cell s -+ distances s, points = cell s + d s; boxes are
            compared with both corners' pixels counted (insightface)
BlazeFace   896x16 and 896x1: 16x16 cells with two anchors, then 8x8 with six, whatever the input's size. Centre and
            points = (cell + 1/2) s + r, size = r; score = its sigmoid. Boxes that overlap by more than the
            threshold become their mean weighted by score, with the best one's score; fed as OpenCV's warpPerspective
            lays the picture into a square, black around, its middle in the middle (MediaPipe)
MTCNN       two or three outputs: a face's probability (.., 2), offsets (.., 4), points (.., 10: five x, five y).
            P-Net slides a window of 12 pixels with stride 2 over one scale of the picture: corners 2 cell + 1 and
            2 cell + 12, moved by offsets * 11. R-Net (24x24) and O-Net (48x48) judge the whole picture as one face
            (facenet-pytorch)
"""
from __future__ import annotations

import numpy as np

from ...errors import InputError
from ..answers.objects import Object, Objects
from ..recognise.model import Found, Model, with_batch
from . import raw
from .activations import sigmoid
from .overlap import a_pixel, likeliest, suppress

TASKS = ("detection", "face-anchors", "face-cascade")
STRIDES = (8, 16, 32)
YUNET = tuple(f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in STRIDES)
ANCHORS, BLAZEFACE = 896, ((128, 128), (256, 256))           # boxes and inputs of BlazeFace
SIDE = "640x640"                    # where SCRFD's size is free: insightface's det_size


# ---- which one it is, and how it is fed

def by_names(model: Model, words) -> Found | None:
    port = model.picture_input()
    size = None if port is None else model.size(port)
    if model.outputs_named("regressors", "classificators") and size in BLAZEFACE:
        return _blazeface("the names of its outputs, BlazeFace's", size)
    if not model.outputs_named(*YUNET):
        return None
    return _found("the names of its outputs, YuNet's", {
        "input.channels": "BGR", "input.std": "1", "input.filter": "linear", "input.resize": "pad:0",
        "output.threshold": ".6", "output.iou": ".3", **({} if size else {"input.size": "up:32"})})


def by_shapes(model: Model, words) -> Found | None:
    port = model.picture_input()
    if port is None or port.shape is None or not {3} & set(with_batch(port.shape)):
        return None
    shapes = [None if (shape := model.shape_of(each)) is None else tuple(shape) for each in model.outputs]
    size, free = model.sample, model.size(port) is None
    if _is_scrfd(shapes):
        return _found(f"a guess by its {len(shapes)} outputs, SCRFD's", {
            "input.mean": "127.5", "input.std": "128", "input.resize": "corner:0", "input.filter": "linear",
            "output.threshold": ".5", "output.iou": ".4", **({"input.size": SIDE} if free else {})})
    tails = [_tail(s) for s in shapes]
    if len(tails) == 2 and all(tails) and sorted(str(n) for _, n in tails) == ["1", "16"] and (
            {n for n, _ in tails} <= _anchors(size) or size in BLAZEFACE
            and not any(isinstance(n, int) for n, _ in tails)):
        return _blazeface("a guess by its outputs of 16 numbers and of 1, BlazeFace's", model.size(port))
    if (name := mtcnn_kind(shapes, size)) is not None:
        return _found(f"a guess by its outputs, MTCNN's {name}", {
            "input.mean": "127.5", "input.std": "128", **({"input.size": "any"} if free else {})})
    return None


def _blazeface(because: str, size) -> Found:
    return _found(because, {
        "input.mean": "127.5", "input.std": "127.5", "input.resize": "inside:1", "input.filter": "corner",
        "output.threshold": ".5", "output.iou": ".3", **({} if size else {"input.size": "128x128"})})


def _anchors(size) -> set[int]:
    """How many boxes a BlazeFace for an input of this size has: two a cell of one stride, six of the next."""
    if size is None:
        return {ANCHORS}
    (a, b, c) = (size[0] // stride * (size[1] // stride) for stride in (8, 16, 32))
    return {ANCHORS, 2 * a + 6 * b, 2 * b + 6 * c}


def _found(because: str, words: dict[str, str]) -> Found:
    return Found({"task": "detection", **words}, because, ["face"])


def _tail(shape) -> tuple:
    """(n, k) of (n, k) or of a batch (1, n, k)."""
    if shape is None or len(shape) not in (2, 3) or len(shape) == 3 and isinstance(shape[0], int) and shape[0] != 1:
        return ()
    return tuple(shape[-2:])


def _is_scrfd(shapes) -> bool:
    if len(shapes) not in (6, 9) or any(s is not None and len(s) not in (2, 3) for s in shapes):
        return False
    last = [s[-1] if s is not None and isinstance(s[-1], int) else None for s in shapes]
    known = [n for n in last if n is not None]
    wanted = (1, 4, 10)[:len(shapes) // 3]
    # nine outputs of rank 2 or 3 are a rare thing, six are not: then one size at least must be known
    return all(n in wanted and known.count(n) <= 3 for n in known) and (len(shapes) == 9 or bool(known))


def mtcnn_kind(shapes, size) -> str | None:
    """Which of its three networks has outputs of these shapes and an input of this size."""
    if any(s is None for s in shapes):
        return None
    kinds = {(len(s), s[1]) for s in shapes if len(s) in (2, 4)}
    if len(kinds) != len(shapes):
        return None
    for name, wanted, side in (("P-Net", {(4, 2), (4, 4)}, None), ("R-Net", {(2, 2), (2, 4)}, 24),
                               ("O-Net", {(2, 2), (2, 4), (2, 10)}, 48)):
        if kinds == wanted and (side is None or size == (side, side)):
            return name
    return None


# ---- decoding

def decode(view):
    with np.errstate(over="ignore", invalid="ignore"):  # what is no number is no face
        return _decoded(view)


def _decoded(view):
    arrays = {name: np.asarray(value) for name, value in view.outputs.items()}
    if any(a.dtype.kind not in "fiu" for a in arrays.values()):
        return raw.decode(view)
    arrays = {name: a.astype(np.float32, copy=False) for name, a in arrays.items()}
    if set(YUNET) <= set(arrays):
        return _kept(view, *yunet(view, arrays), threshold=.6, iou=.3, compared=in_whole_pixels)
    shapes = [a.shape for a in arrays.values()]
    if sorted(map(_tail, shapes)) == [(ANCHORS, 1), (ANCHORS, 16)]:
        return _blended(view, *blazeface(view, arrays.values()))
    if len(arrays) in (6, 9) and _is_scrfd(shapes):
        return _kept(view, *scrfd(view, arrays.values()), threshold=.5, iou=.4, edge=a_pixel(view.where))
    name = mtcnn_kind(shapes, (view.where.input_height, view.where.input_width))
    if name == "P-Net":
        windows, scores, offsets = p_net(list(arrays.values()))
        return _kept(view, windows + 11 * offsets, scores, None, threshold=.6, iou=.5)
    if name is not None:
        return _kept(view, *whole_face(view, arrays.values()), threshold=.7, iou=.7)
    return raw.decode(view)                             # sizes that the file does not tell made it look like one


def yunet(view, arrays):
    found = []
    for stride in STRIDES:
        columns, rows = grid(view.where, stride)
        cls, obj, box, dots = (_rows(f"{kind}_{stride}", arrays[f"{kind}_{stride}"], columns * rows, width)
                               for kind, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)))
        scores = np.sqrt(cls.clip(0, 1) * obj.clip(0, 1))[:, 0]
        sure = np.flatnonzero(scores >= view.threshold(.6))     # few: the rest need not be decoded
        cell, box = np.stack([sure % columns, sure // columns], -1), box[sure]
        centre, half = (cell + box[:, :2]) * stride, np.exp(box[:, 2:]) * (stride / 2)
        points = (cell[:, None] + dots[sure].reshape(-1, 5, 2)) * stride
        found.append((np.concatenate([centre - half, centre + half], 1), scores[sure], points))
    return tuple(np.concatenate(parts) for parts in zip(*found))


def scrfd(view, arrays):
    """In any order: what an output holds is told by its width, its stride by its length."""
    groups: dict[int, list] = {1: [], 4: [], 10: []}
    for array in arrays:
        groups[array.shape[-1]].append(array.reshape(-1, array.shape[-1]))
    groups = {width: sorted(group, key=len, reverse=True) for width, group in groups.items() if group}
    if any(len(group) != 3 for group in groups.values()):
        raise InputError("SCRFD has an output of scores, of boxes and of points for each of three strides; "
                         f"this model has {', '.join(f'{len(g)} of width {n}' for n, g in groups.items())}")
    found = []
    for i, stride in enumerate(STRIDES):
        columns, rows = grid(view.where, stride)
        count = columns * rows * 2
        scores, box = (_rows("SCRFD's", groups[n][i], count, n) for n in (1, 4))
        sure = np.flatnonzero(scores[:, 0] >= view.threshold(.5))
        place = np.stack([sure // 2 % columns, sure // 2 // columns], -1) * stride
        box = box[sure] * stride
        each = [np.concatenate([place - box[:, :2], place + box[:, 2:]], 1), scores[sure, 0]]
        if 10 in groups:
            dots = _rows("SCRFD's", groups[10][i], count, 10)[sure].reshape(-1, 5, 2)
            each.append(place[:, None] + dots * stride)
        found.append(each)
    parts = [np.concatenate(parts) for parts in zip(*found)]
    return parts if 10 in groups else (*parts, None)


def blazeface(view, arrays):
    scores, rows = sorted((a.reshape(ANCHORS, -1) for a in arrays), key=lambda a: a.shape[1])
    size = np.array([view.where.input_width, view.where.input_height], np.float32)
    grids = [(np.stack(np.meshgrid(np.arange(n), np.arange(n)), -1).reshape(-1, 2) + .5) / n for n in (16, 8)]
    anchors = np.concatenate([np.repeat(grids[0], 2, 0), np.repeat(grids[1], 6, 0)]).astype(np.float32) * size
    centre, half = anchors + rows[:, :2], rows[:, 2:4] / 2
    points = anchors[:, None] + rows[:, 4:].reshape(-1, 6, 2)
    return np.concatenate([centre - half, centre + half], 1), sigmoid(scores[:, 0]), points


def p_net(arrays):
    """(windows (n, 4), scores (n), offsets (n, 4) in shares of a window's side), row by row."""
    if len({(len(a) > 0, *a.shape[2:]) for a in arrays}) > 1 or not all(map(len, arrays)):
        raise InputError("P-Net has two maps of one size; this model's are of shapes "
                         + " and ".join(str(a.shape) for a in arrays))
    chances, offsets = sorted((a[0] for a in arrays), key=len)
    rows, columns = np.indices(chances.shape[1:])
    cell = np.stack([columns, rows], -1).reshape(-1, 2)
    return np.concatenate([2 * cell + 1, 2 * cell + 12], 1), chances[1].reshape(-1), offsets.reshape(4, -1).T


def whole_face(view, arrays):
    """The picture is taken for a face that a stage before found."""
    of_width = {a.shape[1]: a[:1] for a in arrays}
    size = np.array([view.where.input_width, view.where.input_height], np.float32)
    box = np.concatenate([0 * size, size]) + of_width[4] * np.tile(size, 2)
    points = of_width[10].reshape(1, 2, 5).transpose(0, 2, 1) * size if 10 in of_width else None
    return box, of_width[2][:, 1], points


def grid(where, stride: int) -> tuple[int, int]:
    """Columns and rows of cells."""
    return where.input_width // stride, where.input_height // stride


def _rows(name: str, array: np.ndarray, count: int, width: int) -> np.ndarray:
    if array.size != count * width:
        raise InputError(f"{name} output is of shape {array.shape}; for this input it would be {count}x{width}")
    return array.reshape(count, width)


# ---- what is kept

def _candidates(view, boxes, scores, points, threshold: float):
    """Those at or above the threshold whose numbers are numbers; none where other classes are asked for."""
    if not _asked(view):
        scores = np.zeros_like(scores)
    kept = (scores >= max(view.threshold(threshold), 1e-9)) & np.isfinite(boxes).all(1)
    return boxes[kept], scores[kept], None if points is None else points[kept]


def _asked(view) -> bool:
    """Does the user ask for faces?"""
    classes = view.options.classes
    if classes is None or view.words.labels is None and set(classes) <= {"face", "0"}:
        return True
    return bool(view.wanted(np.zeros(1, int))[0])


def in_whole_pixels(boxes: np.ndarray) -> np.ndarray:
    """Corner and size without their fractions."""
    corner = np.trunc(boxes[:, :2])
    return np.concatenate([corner, corner + np.trunc(boxes[:, 2:] - boxes[:, :2])], 1)


def _kept(view, boxes, scores, points, *, threshold: float, iou: float, edge=(0, 0), compared=np.asarray) -> Objects:
    boxes, scores, points = _candidates(view, boxes, scores, points, threshold)
    kept = suppress(compared(boxes), scores, view.iou(iou), view.most(), edge=edge)
    return _objects(view, boxes[kept], scores[kept], None if points is None else points[kept])


def _blended(view, boxes, scores, points) -> Objects:
    boxes, scores, points = _candidates(view, boxes, scores, points, .5)
    order, limit = likeliest(scores), view.iou(.3)
    rows = np.concatenate([boxes, points.reshape(-1, 12)], 1).astype(np.float64)[order]
    scores, left, found = scores[order], np.arange(len(order)), []
    while left.size and len(found) < view.most():
        alike = overlap(rows[left[0], :4], rows[left, :4]) > limit
        alike[0] = True                 # itself, even where its box is empty
        each = left[alike]
        found.append((scores[left[0]], (rows[each] * scores[each, None]).sum(0) / scores[each].sum()))
        left = left[~alike]
    rows = np.array([row for _, row in found]).reshape(-1, 16)
    return _objects(view, rows[:, :4], np.array([s for s, _ in found]), rows[:, 4:].reshape(-1, 6, 2))


def overlap(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of a box with each of (n, 4)."""
    both = np.clip(np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2]), 0, None).prod(1)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    with np.errstate(divide="ignore"):
        return both / ((box[2:] - box[:2]).prod() + area - both)


def _objects(view, boxes, scores, points) -> Objects:
    label = view.words.label(0) or "face"
    places = view.where.boxes(boxes).tolist()
    dots = [None] * len(places) if points is None else view.where.points(points)
    return Objects([Object(0, label, float(s), tuple(b), points=p) for s, b, p in zip(scores, places, dots)])
