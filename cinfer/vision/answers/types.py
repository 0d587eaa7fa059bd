"""What a model says of a picture, for people and for programs.

Every answer has

    task            a word of docs/tasks.md
    line()          all in one line, as `cinfer run` says it of one of many pictures
    lines()         in full
    data()          the keys that this task has in docs/json.md
    shows(label)    is it there?
    draw(picture)   the picture with the answer drawn on it (draw.py)

Places are in pixels of the picture as a person sees it: x to the right, y down, (0, 0) the upper left corner.
"""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

MOST_VALUES = 16                # of an output that is shown whole
MOST_NAMED = 8                  # objects in one line


class Answer:
    """What all answers share."""
    task = ""

    def line(self) -> str:
        return ", ".join(self.lines())

    def lines(self) -> list[str]:
        raise NotImplementedError

    def data(self) -> dict:
        raise NotImplementedError

    def shows(self, label: str) -> bool:
        return False

    def draw(self, picture, font: str | None = None):
        """A copy of the picture (PIL.Image.Image) with the answer on it. font : a file, for other than Latin letters"""
        from .draw import draw
        return draw(self, picture, font)


@dataclass(frozen=True, slots=True)
class Class:
    index: int
    label: str | None
    score: float

    def __str__(self):
        return f"class {self.index}" if self.label is None else self.label

    def data(self) -> dict:
        return {"index": self.index, "label": self.label, "score": finite(self.score)}


@dataclass(slots=True)
class Classes(Answer):
    """The likeliest classes, best first."""
    best: list[Class]
    task: str = "classification"

    def shows(self, label: str) -> bool:
        """Is it the likeliest?"""
        return bool(self.best) and label == str(self.best[0])

    def line(self) -> str:
        return ", ".join(f"{each} {each.score:.2f}" for each in self.best[:3]) or "nothing"

    def lines(self) -> list[str]:
        return [f"{each.score:8.4f}  {each if each.label is None else f'{each} ({each.index})'}"
                for each in self.best] or ["nothing"]

    def data(self) -> dict:
        return {"classes": [each.data() for each in self.best]}


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
        return f"class {self.index}" if self.label is None else self.label

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
        x1, y1, x2, y2 = (f"{v:.0f}" for v in self.box)
        return f"({x1},{y1})-({x2},{y2})"


@dataclass(slots=True)
class Objects(Answer):
    """What there is, the likeliest first."""
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


@dataclass(slots=True)
class Map(Answer):
    """A number, or a class, for each pixel of the picture.

    values : (height, width): integer classes, or float32 (depth, anomaly, alpha from 0 to 1)
    labels : names of classes; ignored : a class that says nothing, or None
    score, label, index : of the whole picture, where the model says such (anomaly)
    marked : bool, the pixels that the model points at (anomaly), or None
    unit : of the numbers, where known
    """
    values: np.ndarray
    task: str
    labels: list[str] | None = None
    ignored: int | None = None
    score: float | None = None
    label: str | None = None
    index: int = 0
    marked: np.ndarray | None = None
    unit: str = ""

    @property
    def of_classes(self) -> bool:
        return self.values.dtype.kind in "iub"

    def shares(self) -> list[tuple[int, str | None, float]]:
        """(class, its label, its share of the pixels), the largest first."""
        if self.values.dtype.kind == "u" and self.values.dtype.itemsize <= 2:
            counts = np.bincount(self.values.reshape(-1))
            classes = np.flatnonzero(counts)
            counts = counts[classes]
        else:
            classes, counts = np.unique(self.values, return_counts=True)
        found = [(int(c), self.labels[c] if self.labels and 0 <= c < len(self.labels) else None, n / self.values.size)
                 for c, n in zip(classes.tolist(), counts.tolist()) if c != self.ignored]
        return sorted(found, key=lambda each: -each[2])

    def shows(self, label: str) -> bool:
        return self.of_classes and any(label == each for _, each, _ in self.shares())

    def range(self) -> tuple[float, float, float]:
        """(least, most, mean) of what is finite; 0 without any"""
        values = self.values
        if values.size and not np.isfinite([values.min(), values.max()]).all():     # nan and infinity show in either
            values = values[np.isfinite(values)]
        if not values.size:
            return 0.0, 0.0, 0.0
        return float(values.min()), float(values.max()), float(values.mean(dtype=np.float64))

    def lines(self) -> list[str]:
        if self.of_classes:
            return [f"{share:.1%} {f'class {index}' if label is None else label}"
                    for index, label, share in self.shares()] or ["nothing"]
        least, most, mean = self.range()
        said = [f"{self.task} {least:.4g} to {most:.4g}{' ' * bool(self.unit)}{self.unit}, mean {mean:.4g}"]
        if self.score is not None:
            said.insert(0, f"{self.label or 'score'} {self.score:.2f}")
        return said

    def data(self) -> dict:
        if self.of_classes:
            return {"map": {"classes": [{"label": label, "index": index, "share": round(share, 6)}
                                        for index, label, share in self.shares()]}}
        least, most, mean = self.range()
        said: dict = {"map": {"min": finite(least), "max": finite(most), "mean": finite(mean)}}
        if self.marked is not None:
            said["map"]["share"] = round(float(self.marked.mean()), 6)
        if self.score is not None:
            said["classes"] = [{"index": self.index, "label": self.label, "score": finite(self.score)}]
        return said


@dataclass(slots=True)
class Line:
    """One line of text. quad : (4, 2), its corners clockwise, the first is where the text begins; None: the picture"""
    text: str
    score: float | None = None
    quad: np.ndarray | None = None

    def data(self) -> dict:
        found: dict = {"text": self.text, "score": finite(self.score)}
        if self.quad is not None:
            found["quad"] = rounded(self.quad)
        return found


@dataclass(slots=True)
class Text(Answer):
    """Lines of text in the order in which they are read."""
    found: list[Line]
    task: str = "text"

    def shows(self, label: str) -> bool:
        """Is it part of what is written?"""
        return label in "\n".join(each.text for each in self.found)

    def line(self) -> str:
        return " ".join(each.text for each in self.found) or "no text"

    def lines(self) -> list[str]:
        return [each.text for each in self.found] or ["no text"]

    def data(self) -> dict:
        return {"text": [each.data() for each in self.found]}


@dataclass(slots=True)
class Embedding(Answer):
    """A picture as a vector of length 1: the product of two is their likeness."""
    vector: np.ndarray
    task: str = "embedding"

    def lines(self) -> list[str]:
        first = " ".join(f"{v:.4f}" for v in self.vector[:4])
        return [f"{self.vector.size} numbers: {first}{' ...' * (self.vector.size > 4)}"]

    def data(self) -> dict:
        return {"embedding": [finite(float(v)) for v in self.vector]}


@dataclass(slots=True)
class Picture(Answer):
    """A picture made by the network. pixels : uint8, (height, width), (height, width, 3) RGB or 4 RGBA"""
    pixels: np.ndarray
    task: str = "image"

    def lines(self) -> list[str]:
        return [f"a picture of {self.pixels.shape[1]}x{self.pixels.shape[0]} pixels"]

    def data(self) -> dict:
        return {"picture": {"width": self.pixels.shape[1], "height": self.pixels.shape[0]}}


@dataclass(slots=True)
class Summary(Answer):
    """What can be said of any output: one Row each."""
    rows: list[Row]
    task: str = ""

    def lines(self) -> list[str]:
        width = max((len(row.name) for row in self.rows), default=0)
        return [f"{row.name:{width}}  {row}" for row in self.rows]

    def data(self) -> dict:
        return {"outputs": [row.data() for row in self.rows]}


@dataclass(frozen=True, slots=True)
class Row:
    """least, mean, most : None where an output has no numbers; values : all of them where they are few"""
    name: str
    shape: tuple[int, ...]
    dtype: str
    least: float | None = None
    mean: float | None = None
    most: float | None = None
    values: list[float] | None = None

    def __str__(self):
        text = f"{self.dtype} {'x'.join(map(str, self.shape)) or 'scalar'}"
        if self.least is not None:
            text += f"  min {self.least:.6g}  mean {self.mean:.6g}  max {self.most:.6g}"
        if self.values is not None:
            text += f"  [{' '.join(f'{v:.6g}' for v in self.values)}]"
        return text

    def data(self) -> dict:
        return {"name": self.name, "shape": list(self.shape), "dtype": self.dtype,
                "min": finite(self.least), "mean": finite(self.mean), "max": finite(self.most)} | (
                    {} if self.values is None else {"values": [finite(v) for v in self.values]})


def run_lengths(mask: np.ndarray) -> list[int]:
    """Of a bool mask, column by column: how many are False, True, False, ..."""
    flat = np.asfortranarray(mask).reshape(-1, order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    borders = np.concatenate(([0], changes, [flat.size]))
    counts = np.diff(borders).tolist()
    return [0, *counts] if flat.size and flat[0] else counts


def rounded(numbers, digits: int = 2):
    """Nested lists of numbers as JSON takes them."""
    return [[finite(round(float(v), digits)) for v in row] if np.ndim(row) else finite(round(float(row), digits))
            for row in np.asarray(numbers, np.float64)]


def finite(value: float | None) -> float | None:
    """JSON has no nan and no infinity."""
    return float(value) if value is not None and np.isfinite(value) else None
