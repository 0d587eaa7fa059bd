"""Occlusion (M. Zeiler and R. Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014): a part of the
picture is covered, and the score falls by as much as the network has seen there. One run for each part, any network."""
from __future__ import annotations

import numpy as np

from ..errors import Cancelled, Error
from ..vision.reader import Prepared, is_batched, one_of
from .scores import Scores, Target

PARTS = 7                           # along each side of the picture
PER_RUN = 7                         # pictures that are run at once, where the model allows any number


def occluded(scores: Scores, ready: Prepared, target: Target, show=None) -> np.ndarray:
    """By how much the score falls when a part is covered: float64 (rows, columns), from the upper left; PARTS of each,
    but where the network sees fewer pixels. Below 0 where it rises.

    show : called with (what, number, total)"""
    reader = scores.reader
    x = ready.feeds[reader.recipe.input]
    axes = axes_of(x, reader.recipe.layout)
    rows, columns = borders(ready.where)
    x = x[:1] if "N" in axes else x
    parts = [(slice(*y), slice(*z)) for y in zip(rows, rows[1:]) for z in zip(columns, columns[1:])]
    colour = mean_colour(x, axes, slice(rows[0], rows[-1]), slice(columns[0], columns[-1]))
    found: list[float] = []
    runs = Runs(scores, ready, axes)
    while len(found) < len(parts):
        if show is not None:
            show("part", len(found) + 1, len(parts))
        now = parts[len(found):len(found) + runs.count]
        found += runs.scores([covered(x, axes, part, colour) for part in now], target)
    return target.score - np.array(found).reshape(len(rows) - 1, len(columns) - 1)


class Runs:
    """Pictures are run, as many at once as the model takes. count : how many that are"""

    def __init__(self, scores: Scores, ready: Prepared, axes: str):
        self._scores, self._ready, self._session = scores, ready, scores.reader.session
        self._input = scores.reader.recipe.input
        ports = {port.name: port for port in self._session.inputs}
        sizes, given = ports[self._input].shape, len(ready.feeds[self._input])
        self._fixed = given if "N" in axes and given > 1 else 1
        outputs = self._session.outputs
        is_free = "N" in axes and bool(sizes) and isinstance(sizes[0], str) and self._fixed == 1 and all(
            port.shape and port.shape[0] == sizes[0] for port in outputs)
        self._free = PER_RUN if is_free else 1
        self.count = max(self._free, self._fixed)

    def scores(self, pictures: list[np.ndarray], target: Target) -> list[float]:
        """Of at most `count` inputs; of fewer, where a batch turns out to be none."""
        if self._free > 1:
            try:
                found = self._of_batch(pictures, len(pictures), target)
            except Cancelled:
                raise
            except Error:                           # the file says more than the network takes
                found = []
            if len(found) == len(pictures):
                return found
            self._free = self.count = 1
            pictures = pictures[:1]
        found = self._of_batch(pictures, self._fixed, target)
        if len(found) == len(pictures):
            return found
        self.count = 1                              # the answers of one run are not to be told from one another
        return self._of_batch(pictures[:1], self._fixed, target)

    def _of_batch(self, pictures: list[np.ndarray], batch: int, target: Target) -> list[float]:
        """Filled up with the first one. One score alone, the first's, where not all outputs have one for each."""
        session, ready = self._session, self._ready
        feeds = {name: value if batch == self._fixed else np.repeat(value, batch, axis=0)
                 for name, value in ready.feeds.items()}
        filled = pictures + pictures[:1] * (batch - len(pictures))
        feeds[self._input] = filled[0] if batch == 1 else np.concatenate(filled)
        arrays = dict(zip([port.name for port in session.outputs], session.run(None, feeds)))
        shapes = {port.name: port.shape for port in session.outputs}
        if self._free > 1:
            shapes = {name: (batch, *shape[1:]) for name, shape in shapes.items()}
        is_each = batch == 1 or all(is_batched(value, shapes[name], batch) for name, value in arrays.items())
        return [self._scores.of(target, {name: one_of(value, shapes[name], batch, number) if batch > 1 else value
                                         for name, value in arrays.items()}, ready.where)
                for number in range(len(pictures) if is_each else 1)]


def axes_of(x: np.ndarray, layout: str) -> str:
    """A letter for each axis: N, C, T, H, W."""
    return layout if x.ndim == len(layout) else layout[1:]


def borders(where) -> tuple[list[int], list[int]]:
    """Of the parts, in rows and columns of the input: of what of it holds picture."""
    x1, y1, x2, y2 = where.filled()
    return divided(y1, y2), divided(x1, x2)


def divided(begin: int, end: int) -> list[int]:
    return np.rint(np.linspace(begin, end, min(PARTS, end - begin) + 1)).astype(int).tolist()


def at(axes: str, rows: slice, columns: slice) -> tuple:
    return tuple({"H": rows, "W": columns}.get(axis, slice(None)) for axis in axes)


def mean_colour(x: np.ndarray, axes: str, rows: slice, columns: slice) -> np.ndarray:
    """Of the picture in an input, as it is fed: one number for each channel, of x's dtype, to be broadcast."""
    others = tuple(i for i, axis in enumerate(axes) if axis != "C")
    colour = x[at(axes, rows, columns)].mean(others, np.float64, keepdims=True)
    return (np.rint(colour) if x.dtype.kind in "iu" else colour).astype(x.dtype)


def covered(x: np.ndarray, axes: str, part: tuple[slice, slice], colour: np.ndarray) -> np.ndarray:
    """A copy in which a part has one colour."""
    x = x.copy()
    x[at(axes, *part)] = colour
    return x
