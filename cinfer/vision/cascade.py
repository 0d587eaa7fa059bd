"""MTCNN: three small networks find faces together, from coarse to fine.

P-Net slides a window of 12 pixels over the picture at many scales, R-Net looks at what it found, at 24x24, O-Net at
what is left, at 48x48; each moves the boxes by its offsets, O-Net adds five points. In between boxes become squares.
Zhang et al., Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks, 2016; numbers as in
facenet-pytorch 2.6.0, which averages areas when it scales (Pillow's BOX).
"""
from __future__ import annotations

import time

import numpy as np

from .answers.objects import Object, Objects
from .chains import Origins, Share
from .families.faces import mtcnn_kind, p_net
from .families.overlap import likeliest, suppress
from .families.view import Options, numbers_of
from .pictures.frames import Frame, frame
from .prepare.geometry import Geometry
from .reader import Prepared, Reader, Reading
from .recognise.model import Model

KINDS = ("P-Net", "R-Net", "O-Net")
RIGHT = "P-Net+R-Net+O-Net of MTCNN"
LABEL = "face"
LEAST_FACE = 20                     # pixels
FACTOR = 0.709                      # from one scale to the next
THRESHOLDS = (.6, .7, .7)
BATCH = 128                         # pieces looked at in one run
MOST_PIECES = 5000                  # that go from one network to the next


def chain(sessions: list, flags=None, options: Options | None = None, labels=None):
    """A Cascade of three networks in any order. flags : P-Net's"""
    if len(sessions) != len(KINDS):
        return None
    readers = {}
    if not all(len(session.outputs) in (2, 3) for session in sessions):
        return None
    for session in sessions:
        model = Model(session)
        shapes = [tuple(model.shape_of(port) or ()) for port in session.outputs]
        kind = mtcnn_kind(shapes, model.only)
        readers[kind] = Reader(session, flags if kind == "P-Net" else None)
    return Cascade(readers, options) if set(readers) == set(KINDS) else None


class Cascade:
    """Reads as a Reader does. readers : of P-Net, R-Net and O-Net"""

    def __init__(self, readers: dict[str, Reader], options: Options | None = None):
        self.nets = tuple(readers[kind] for kind in KINDS)
        self.options = options or Options()
        if self.options.classes is not None:
            numbers_of(self.options.classes, [LABEL])   # others than faces are refused before the work
        self.words, self.recipe = Origins(readers), self.nets[0].recipe

    def prepare(self, picture) -> Prepared:
        begin = time.perf_counter()
        taken = picture if isinstance(picture, Frame) else frame(picture)
        width, height = taken.picture.size
        where = Geometry(taken.width, taken.height, width, height, width / taken.width, height / taken.height)
        return Prepared(taken, {}, where, time.perf_counter() - begin)

    def read(self, picture) -> Reading:
        return self.finish(self.prepare(picture))

    def finish(self, ready: Prepared, stop=None, timeout: float | None = None) -> Reading:
        """As of a Reader; stop gives the threads of each run."""
        begin = time.perf_counter()
        boxes, scores, points = self._faces(ready.frame.picture.convert("RGB"), Share(stop, timeout))
        order = likeliest(scores)[:self.options.max_det or len(scores)]
        found = [Object(0, LABEL, float(s), tuple(b), points=p) for s, b, p in zip(
            scores[order], ready.where.boxes(boxes[order]).tolist(), ready.where.points(points[order]))]
        return Reading(ready.frame, Objects(found), ready.where, {"boxes": boxes, "scores": scores, "points": points},
                       (ready.seconds, time.perf_counter() - begin, 0.0))

    def _faces(self, picture, share: Share):
        """(boxes (n, 4), scores (n), points (n, 5, 2)) in pixels of the picture."""
        boxes = square(self._candidates(picture, share))
        boxes, scores, (offsets,) = self._judged(picture, boxes, share, 1, 24)
        kept = suppress(boxes, scores, .7, MOST_PIECES)
        boxes = square(moved(boxes[kept], offsets[kept]))
        least = THRESHOLDS[2] if self.options.conf is None else self.options.conf
        boxes, scores, (offsets, dots) = self._judged(picture, boxes, share, 2, 48, least)
        size = boxes[:, None, 2:] - boxes[:, None, :2] + 1
        points = boxes[:, None, :2] - 1 + size * dots.reshape(-1, 2, 5).transpose(0, 2, 1)
        boxes = moved(boxes, offsets)
        kept = least_overlapping(boxes, scores, .7)
        return boxes[kept], scores[kept], points[kept]

    def _candidates(self, picture, share: Share) -> np.ndarray:
        """P-Net's boxes of all scales."""
        from PIL import Image
        found, scale = [(np.empty((0, 4)), np.empty(0), np.empty((0, 4)))], 12 / LEAST_FACE
        while min(picture.size) * scale >= 12:
            small = picture.resize([int(side * scale + 1) for side in picture.size], Image.Resampling.BOX)
            windows, scores, offsets = p_net(self._run(share, 0, np.asarray(small)[None]))
            sure = scores >= THRESHOLDS[0]
            boxes, scores, offsets = np.floor(windows[sure] / scale), scores[sure], offsets[sure]
            kept = suppress(boxes, scores, .5, MOST_PIECES)
            found.append((boxes[kept], scores[kept], offsets[kept]))
            scale *= FACTOR
        boxes, scores, offsets = (np.concatenate(parts) for parts in zip(*found))
        kept = suppress(boxes, scores, .7, MOST_PIECES)
        boxes, offsets = boxes[kept], offsets[kept]
        return boxes + offsets * np.tile(boxes[:, 2:] - boxes[:, :2], 2)

    def _judged(self, picture, boxes, share: Share, which: int, side: int, least: float | None = None):
        """Those boxes that a network takes for faces, its scores, and its other outputs, by their width."""
        from PIL import Image
        limit = np.array([*picture.size] * 2)
        cut = np.trunc(np.nan_to_num(boxes)).clip(-1e9, 1e9)
        cut = np.concatenate([cut[:, :2].clip(1, None) - 1, np.minimum(cut[:, 2:], limit[2:])], 1).astype(int)
        inside = (cut[:, 2:] > cut[:, :2]).all(1)
        boxes, cut = boxes[inside], cut[inside]
        pieces = [np.asarray(picture.resize((side, side), Image.Resampling.BOX, box=each)) for each in cut.tolist()]
        runs = [self._run(share, which, np.stack(pieces[i:i + BATCH])) for i in range(0, len(pieces), BATCH)]
        widths = (2, 4, 10)[:which + 1]
        arrays = [np.concatenate([np.empty((0, n)), *(next(a for a in run if a.shape[1] == n) for run in runs)])
                  for n in widths]
        scores = arrays[0][:, 1]
        kept = scores > (THRESHOLDS[which] if least is None else least)
        return boxes[kept], scores[kept], [a[kept] for a in arrays[1:]]

    def _run(self, share: Share, which: int, pixels: np.ndarray) -> list[np.ndarray]:
        """Outputs of a network for pictures (n, height, width, 3)."""
        reader = self.nets[which]
        recipe = reader.recipe
        pixels = pixels[..., ::-1] if recipe.channels == "BGR" else pixels
        x = ((pixels - np.array(recipe.mean)) / np.array(recipe.std)).transpose(0, 3, 1, 2).astype(recipe.dtype)
        feeds = {recipe.input: np.ascontiguousarray(x)}
        return [np.asarray(a, np.float64) for a in share.run(reader.session, feeds)]


def square(boxes: np.ndarray) -> np.ndarray:
    """The shorter side becomes as long as the longer one."""
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).max(1, keepdims=True, initial=0) / 2
    return np.concatenate([middle - half, middle + half], 1)


def moved(boxes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """By shares of their size, which counts both edges' pixels."""
    return boxes + offsets * np.tile(boxes[:, 2:] - boxes[:, :2] + 1, 2)


def least_overlapping(boxes: np.ndarray, scores: np.ndarray, limit: float) -> list[int]:
    """As non-maximum suppression, but what both have in common counts against the smaller one."""
    kept: list[int] = []
    area = (boxes[:, 2:] - boxes[:, :2] + 1).prod(1)
    for i in likeliest(scores).tolist():
        both = np.minimum(boxes[i, 2:], boxes[kept, 2:]) - np.maximum(boxes[i, :2], boxes[kept, :2]) + 1
        if (np.clip(both, 0, None).prod(1) <= limit * np.minimum(area[i], area[kept])).all():
            kept.append(i)
    return kept
