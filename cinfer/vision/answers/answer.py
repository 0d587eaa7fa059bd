"""What a model says of a picture, for people and for programs.

Every answer has

    task            a word of docs/tasks.md
    line()          all in one line, as `cinfer run` says it of one of many pictures
    lines()         in full
    data()          the keys that this task has in docs/json.md
    record()        all keys of docs/json.md: what `cinfer run --json` says
    image, size, ms of which picture: its name, and (width, height); what it took
    shows(label)    is it there?
    draw(picture)   the picture with the answer drawn on it (draw.py)

Places are in pixels of the picture as a person sees it: x to the right, y down, (0, 0) the upper left corner.
"""
from __future__ import annotations

import numpy as np

from ...errors import InputError


class Answer:
    """What all answers share."""
    task = ""
    in_full = False                     # do people want to see all of it, line by line?
    has_places = False                  # in pixels of the picture?
    heeds: tuple[str, ...] = ()         # the Options that it depends on
    image, size, ms = "the picture", (0, 0), 0.0        # known when it is read (reader.py: Reading)

    def line(self) -> str:
        return ", ".join(self.lines())

    def lines(self) -> list[str]:
        raise NotImplementedError

    def data(self) -> dict:
        raise NotImplementedError

    def record(self) -> dict:
        return {"image": self.image, "width": self.size[0], "height": self.size[1], "ms": self.ms,
                "task": self.task or None, **self.data()}

    def shows(self, label: str) -> bool:
        return False

    def draw(self, picture, font: str | None = None, order: str = "RGB"):
        """A copy of the picture, a PIL.Image.Image, with the answer on it.

        picture, order : as of `read`, and the same
        font : a font file, for other than English letters

        Raises InputError for a picture of another size than the answer's, where it tells of places.
        """
        from ..pictures.frames import frame
        picture = frame(picture, order).picture
        if self.has_places and self.size not in ((0, 0), picture.size):
            theirs, ours = ("x".join(map(str, size)) for size in (self.size, picture.size))
            raise InputError(f"the answer is of a picture of {theirs} pixels, this one has {ours}; draw on that one")
        return self.on(picture, font)

    def on(self, picture, font: str | None = None):
        """As `draw`, of a Pillow picture that is upright."""
        from .draw import draw
        return draw(self, picture, font)


def called(index: int, label: str | None) -> str:
    """A class, for people."""
    return f"class {index}" if label is None else label


def rounded(numbers, digits: int = 2):
    """Nested lists of numbers as JSON takes them."""
    return [[finite(round(float(v), digits)) for v in row] if np.ndim(row) else finite(round(float(row), digits))
            for row in np.asarray(numbers, np.float64)]


def finite(value: float | None) -> float | None:
    """JSON has no nan and no infinity."""
    return float(value) if value is not None and np.isfinite(value) else None
