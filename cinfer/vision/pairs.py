"""Two networks: the first finds faces or persons, the second looks at each.

    detector + points       MediaPipe's face mesh, poses of single persons: the points are the second's
    detector + embedding    ArcFace: a vector for each face, aligned by the points that the detector found

How each is cut out is said in families/alignment.py. Places are in pixels of the whole picture.
"""
from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from ..errors import InputError
from .answers.types import Embedding, Objects
from .families import alignment
from .families.view import Options
from .pictures.frames import Frame
from .prepare.recipe import Size, target_size
from .read import Prepared, Reader, Reading

MOST_SIDE = 4096                    # of a cut, where the second network takes any size


def paired(sessions: list, flags=None, options: Options | None = None, labels=None):
    """What reads with several networks, as a Reader does with one; flags, options and labels are the first's."""
    if len(sessions) == 3:
        readers = [Reader(session, flags if session is sessions[0] else None) for session in sessions]
        if all(reader.words.text("family") == "faces" for reader in readers):
            from .cascade import Cascade
            return Cascade(readers, options)
    if len(sessions) != 2:
        raise InputError(f"there are {len(sessions)} models; two are right: FINDER+POINTS or FINDER+EMBEDDING")
    return Pair(Reader(sessions[0], flags, options, labels), Reader(sessions[1]))


class Pair:
    """first, second : Reader

    Raises InputError where the second's answers are of no use here."""

    def __init__(self, first: Reader, second: Reader):
        self.first, self.second = first, second             # as of one Reader: words, recipe, prepare, finish, read
        self.words, self.recipe = first.words, first.recipe
        task = second.words.task
        if task not in ("keypoints", "embedding"):
            raise InputError(f"the second model is for {task or 'nothing known'}; right is one for keypoints or "
                             "embedding: FINDER+POINTS or FINDER+EMBEDDING")
        self._cut = self._aligned if task == "embedding" else \
            self._mesh if second.words.text("output.kind") == "x,y,z" else self._person

    def told(self) -> str:
        return f"{self.first.told()}; then {self.second.words.task}: {self.second.told()}"

    def prepare(self, picture) -> Prepared:
        return self.first.prepare(picture)

    def read(self, picture) -> Reading:
        return self.finish(self.prepare(picture))

    def finish(self, ready: Prepared) -> Reading:
        reading, begin = self.first.finish(ready), time.perf_counter()
        taken, answer = reading.frame, reading.answer
        if not isinstance(answer, Objects):
            raise InputError(f"the first model finds no objects, it is for {answer.task or 'nothing known'}; "
                             "FINDER+POINTS or FINDER+EMBEDDING is right")
        with_persons = self._cut == self._person and "person" in (self.words.labels or ())
        outputs, found = dict(reading.outputs), []
        for number, each in enumerate(answer.found):
            if each.box is not None and (not with_persons or each.label == "person"):
                each = self._seen(taken, each, number, outputs)
            found.append(each)
        seconds = (*reading.seconds[:2], reading.seconds[2] + time.perf_counter() - begin)
        task = "keypoints" if self.second.words.task == "keypoints" else answer.task
        return Reading(taken, Objects(found, task), reading.where, outputs, seconds)

    def _seen(self, taken: Frame, each, number: int, outputs: dict):
        """The object with what the second network says of it."""
        matrix, size = self._cut(each)
        factor = taken.picture.width / taken.width, taken.picture.height / taken.height
        picture = alignment.cut(taken.picture, matrix, size, factor)
        self.second.recipe = replace(self.second.recipe, size=Size("fixed", size[::-1]), resize=("stretch", None))
        reading = self.second.read(Frame(picture, *size, taken.name))
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
