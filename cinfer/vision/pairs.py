"""Two networks: the first finds faces or persons, the second looks at each.

    detector + points       MediaPipe's face mesh, poses of single persons: the points are the second's
    detector + embedding    ArcFace: a vector for each face, aligned by the points that the detector found

How each is cut out is said in families/alignment.py. Places are in pixels of the whole picture.
"""
from __future__ import annotations

import time
from copy import copy
from dataclasses import replace

import numpy as np

from ..errors import InputError
from .answers.embedding import Embedding
from .answers.objects import Objects
from .chains import Origins, Share
from .families import alignment
from .families.view import Options
from .pictures.frames import Frame
from .prepare.recipe import Size, target_size
from .reader import Prepared, Reader, Reading

FINDERS = ("detection", "segmentation", "keypoints", "face-anchors", "face-cascade")
RIGHT = "FINDER+POINTS or FINDER+EMBEDDING"
MOST_SIDE = 4096                    # of a cut, where the second network takes any size


def chain(sessions: list, flags=None, options: Options | None = None, labels=None):
    """A Pair, where the first finds and the second sees. flags, options, labels : the first's"""
    if len(sessions) != 2:
        return None
    second = Reader(sessions[1])
    if second.words.task not in ("keypoints", "embedding"):
        return None
    first = Reader(sessions[0], flags, options, labels)
    return Pair(first, second) if first.words.task in FINDERS else None


class Pair:
    """Reads as a Reader does. first, second : Reader"""

    def __init__(self, first: Reader, second: Reader):
        self.first, self.second, self.recipe = first, second, first.recipe
        self.words = Origins({"found": first, second.words.task: second})
        self._cut = self._aligned if second.words.task == "embedding" else \
            self._mesh if second.words.text("output.kind") == "x,y,z" else self._person

    def prepare(self, picture) -> Prepared:
        return self.first.prepare(picture)

    def read(self, picture) -> Reading:
        return self.finish(self.prepare(picture))

    @property
    def options(self) -> Options:
        return self.first.options

    @options.setter
    def options(self, options: Options) -> None:
        self.first = copy(self.first)                   # others may read with it
        self.first.options = options

    def finish(self, ready: Prepared, stop=None, timeout: float | None = None) -> Reading:
        """As of a Reader; stop gives the threads of each run."""
        share = Share(stop, timeout)
        reading, begin = self.first.finish(ready, share.stop(), share.left()), time.perf_counter()
        taken, answer = reading.frame, reading.answer
        if isinstance(taken.held, np.ndarray) and isinstance(answer, Objects) and answer.found:
            taken = taken._replace(held=taken.picture, order="RGB")         # once for all objects
        if not isinstance(answer, Objects):
            raise InputError(f"the first model finds nothing to look at: its answer is {answer.line()}; "
                             f"{RIGHT} is right")
        with_persons = self._cut == self._person and "person" in (self.first.words.labels or ())
        outputs, found = dict(reading.outputs), []
        for number, each in enumerate(answer.found):
            if each.box is not None and (not with_persons or each.label == "person"):
                each = self._seen(taken, each, number, outputs, share)
            found.append(each)
        seconds = (*reading.seconds[:2], reading.seconds[2] + time.perf_counter() - begin)
        task = "keypoints" if self.second.words.task == "keypoints" else answer.task
        return Reading(reading.frame, Objects(found, task), reading.where, outputs, seconds)

    def _seen(self, taken: Frame, each, number: int, outputs: dict, share: Share):
        """The object with what the second network says of it."""
        matrix, size = self._cut(each)
        picture = taken.picture
        factor = picture.width / taken.width, picture.height / taken.height
        picture = alignment.cut(picture, matrix, size, factor)
        second = copy(self.second)                      # other threads may look at other objects with it
        second.recipe = second.recipe._replace(size=Size("fixed", size[::-1]), resize=("stretch", None))
        ready = second.prepare(Frame(picture, *size, taken.name))
        reading = second.finish(ready, share.stop(), share.left())
        outputs |= {f"object{number}/{name}": value for name, value in reading.outputs.items()}
        if isinstance(reading.answer, Embedding):
            return replace(each, embedding=reading.answer.vector)
        points, names = None, None
        if reading.answer.found:
            points, names = reading.answer.found[0].points.copy(), reading.answer.found[0].names
            points[:, :2] = alignment.moved(alignment.inverse(matrix), points[:, :2])
        return replace(each, points=points, names=names)

    def _aligned(self, each):
        points = each.points
        if points is None or len(points) not in (5, 6):
            raise InputError("the first model says no five points of a face; without them it cannot be turned upright "
                             "for the second one")
        size = self._size(112, 112)
        return alignment.for_arcface(np.asarray(points)[:, :2], size[0]), size

    def _mesh(self, each):
        x1, y1, x2, y2 = each.box
        size = self._size(*[round(1.5 * max(x2 - x1, y2 - y1))] * 2)
        return alignment.for_mesh(each.box, each.points, size), size

    def _person(self, each):
        x1, y1, x2, y2 = each.box
        size = self._size(round(1.25 * (x2 - x1)), round(1.25 * (y2 - y1)))
        return alignment.for_person(each.box, size), size

    def _size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) of a cut that would be of this size in pixels of the picture."""
        return target_size(self.second.recipe.size, *(min(max(1, side), MOST_SIDE) for side in (width, height)))
