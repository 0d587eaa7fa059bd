"""Why a picture got its score, for people and for programs."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..table import fixed
from ..vision.answers.answer import called, finite, rounded

CAM, OCCLUSION = METHODS = "cam", "occlusion"


@dataclass(slots=True, eq=False)
class Explanation:
    """What raised the score of a class, or of an object.

    label, index, score : of what is explained, as `cinfer run` says it; label : None without names
    method : "cam", a class activation map, or "occlusion"
    map : float32 (height, width), a number for each pixel of the picture as a person sees it; nan where the network
        does not see it. cam: what a place adds to the number of the class; occlusion: by how much the score falls
        when its part is covered
    grid : the same as it was found: float64 (rows, columns), of cam over the input, of occlusion over the picture in it
    logit, bias : of cam: the number of the class before any softmax, the mean of grid + bias; None of occlusion
    box : of an object, x1, y1, x2, y2 in pixels of the picture; None of a class
    why : where there is no class activation map, why not
    image, size : the picture's name, and (width, height)
    """
    label: str | None
    index: int
    score: float
    method: str
    map: np.ndarray
    grid: np.ndarray
    logit: float | None = None
    bias: float | None = None
    box: tuple[float, float, float, float] | None = None
    why: str = ""
    image: str = "the picture"
    size: tuple[int, int] = (0, 0)

    @property
    def most(self) -> float:
        """The largest number of the grid, at least 0: what is drawn brightest."""
        return max(0.0, float(np.nan_to_num(self.grid, nan=0.0).max()))

    def title(self) -> str:
        """German shepherd 0.97"""
        place = "" if self.box is None else " at ({},{})-({},{})".format(*(fixed(v, 0) for v in self.box))
        return f"{called(self.index, self.label)} {self.score:.2f}{place}"

    def meaning(self) -> str:
        """What the map says, in words."""
        if self.method == CAM:
            if not self.most:
                return "No place raised this score."
            return "What is bright raised this score; what is dark did not, or lowered it."
        of = "the score" if self.box is None else "its score"
        if self.most < .005:
            return f"No part alone matters: {of} falls by less than 0.01 whichever is covered."
        return f"{of[0].upper()}{of[1:]} falls by {self.most:.2f} when the brightest part is covered, and does not " \
               "where it is dark."

    def scale(self) -> str:
        """What the largest number is, for the legend."""
        if self.method == CAM:
            mean = self.grid.mean()
            is_rounded = bool(abs(mean + self.bias - self.logit) > .005)        # by a network of 8 bits
            return f"added by a place: the mean {fixed(mean, 2)} and the bias {fixed(self.bias, 2)} are " \
                   f"{'rounded to ' * is_rounded}{fixed(self.logit, 2)}, before any softmax"
        rows, columns = self.grid.shape
        return f"fall of the score, each of {rows}x{columns} parts covered in turn"

    def line(self) -> str:
        """All in one line."""
        return f"{self.image}: {self.title()}. {self.meaning()}"

    def data(self) -> dict:
        """For programs (docs/explain.md); grid as a list of rows."""
        found = {"image": self.image, "width": self.size[0], "height": self.size[1], "method": self.method,
                 "label": self.label, "index": self.index, "score": finite(self.score),
                 "grid": rounded(self.grid, 6)}
        if self.method == CAM:
            found |= {"logit": self.logit, "bias": self.bias}
        if self.box is not None:
            found["box"] = [round(float(value), 2) for value in self.box]
        return found

    def draw(self, picture, font: str | None = None, order: str = "RGB"):
        """A PIL.Image.Image: the picture with the map over it, and below it what that says.

        picture, order : as of `explain`, and the same; font : a font file, for other than English letters
        Raises InputError for a picture of another size."""
        from ..vision.pictures.frames import frame
        taken = frame(picture, order)
        if (taken.width, taken.height) != self.size:
            theirs, ours = ("x".join(map(str, size)) for size in (self.size, (taken.width, taken.height)))
            raise InputError(f"the explanation is of a picture of {theirs} pixels, this one has {ours}")
        from .figure import explained
        return explained(self, taken.picture, font)
