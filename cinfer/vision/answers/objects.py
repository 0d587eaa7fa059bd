"""Objects on a picture, with what their task tells of them: boxes, points, masks, polygons."""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from ...table import fixed
from .answer import Answer, called, finite, rounded

MOST_NAMED = 8                  # objects in one line


@dataclass(slots=True)
class Mask:
    """Which pixels belong to an object. inside : bool, (rows, columns), its corner at (x, y) of a picture of width x
    height; none beyond"""
    inside: np.ndarray
    x: int
    y: int
    width: int
    height: int

    def whole(self) -> np.ndarray:
        """bool, (height, width)"""
        mask = np.zeros((self.height, self.width), bool)
        mask[self.y:self.y + self.inside.shape[0], self.x:self.x + self.inside.shape[1]] = self.inside
        return mask

    def rle(self) -> dict:
        """COCO's run lengths, not compressed: column by column, how many pixels are outside, inside, outside, ..."""
        return {"size": [self.height, self.width], "counts": run_lengths(self.whole())}


@dataclass(slots=True)
class Object:
    """index, label : of its class
    score : None where the model gives none
    box : x1, y1, x2, y2
    points : (count, 2 or 3): x, y and how sure it is; names : of the points, where the model says them
    polygon : (corners, 2), of an object that does not lie along the axes
    angle : of its width against the x axis, radians, clockwise as one sees it
    embedding : a vector of length 1, where a second network makes one of the object (pairs.py)
    """
    index: int
    label: str | None
    score: float | None = None
    box: tuple[float, float, float, float] | None = None
    points: np.ndarray | None = None
    mask: Mask | None = None
    polygon: np.ndarray | None = None
    angle: float | None = None
    names: list[str] | None = None
    embedding: np.ndarray | None = None

    def __str__(self):
        return called(self.index, self.label)

    def data(self) -> dict:
        found: dict = {"label": self.label, "index": self.index, "score": finite(self.score)}
        if self.box is not None:
            found["box"] = rounded(self.box)
        if self.points is not None:
            found["points"] = rounded(self.points, 4)
        if self.polygon is not None:
            found["polygon"] = rounded(self.polygon)
        if self.mask is not None:
            found["rle"] = self.mask.rle()
        if self.angle is not None:
            found["angle"] = finite(self.angle)
        if self.embedding is not None:
            found["embedding"] = [finite(float(v)) for v in self.embedding]
        return found

    def place(self) -> str:
        if self.box is None:
            return f"{len(self.points)} points" if self.points is not None else ""
        x1, y1, x2, y2 = (fixed(v, 0) for v in self.box)
        return f"({x1},{y1})-({x2},{y2})"


@dataclass(slots=True)
class Objects(Answer):
    """What there is, the likeliest first."""
    has_places = True
    heeds = ("conf", "iou", "max_det", "classes")
    found: list[Object]
    task: str = "detection"

    def shows(self, label: str) -> bool:
        return label in map(str, self.found)

    def line(self) -> str:
        if not self.found:
            return "nothing"
        if len(self.found) > MOST_NAMED:
            return ", ".join(f"{count} {name}" for name, count in Counter(map(str, self.found)).most_common())
        return ", ".join(self.lines())

    def lines(self) -> list[str]:
        if not self.found:
            return ["nothing"]
        counts = Counter(map(str, self.found))
        said: list[str] = []
        for name in dict.fromkeys(map(str, self.found)):
            places = [" ".join(filter(None, ["" if each.score is None else f"{each.score:.2f}", each.place()]))
                      for each in self.found if str(each) == name]
            said.append(f"{counts[name]} {name} {', '.join(places)}")
        return said

    def data(self) -> dict:
        return {"objects": [each.data() for each in self.found]}


def run_lengths(mask: np.ndarray) -> list[int]:
    """Of a bool mask, column by column: how many are False, True, False, ..."""
    flat = np.asfortranarray(mask).reshape(-1, order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    borders = np.concatenate(([0], changes, [flat.size]))
    counts = np.diff(borders).tolist()
    return [0, *counts] if flat.size and flat[0] else counts
