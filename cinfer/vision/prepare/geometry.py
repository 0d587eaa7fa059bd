"""Where the picture lies in the network's input: answers are given in pixels of the picture as a person sees it."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Geometry(NamedTuple):
    """Input and picture, both upright: input = picture * (scale_x, scale_y) + (left, top).

    width, height : of the picture, as a person sees it
    input_width, input_height : of what is fed
    scale_x, scale_y : pixels of the input for one of the picture
    left, top : where the picture's corner lies in the input; below 0 where the input is cut out of the picture
    """
    width: int
    height: int
    input_width: int
    input_height: int
    scale_x: float
    scale_y: float
    left: float = 0.0
    top: float = 0.0

    def points(self, xy: np.ndarray) -> np.ndarray:
        """Points (..., 2) in pixels of the input -> in pixels of the picture, float64."""
        xy = np.asarray(xy, np.float64)
        return (xy - (self.left, self.top)) / (self.scale_x, self.scale_y)

    def boxes(self, xyxy: np.ndarray, clip: bool = True) -> np.ndarray:
        """Boxes (..., 4) as x1, y1, x2, y2. clip : to the picture"""
        xyxy = np.asarray(xyxy, np.float64)
        found = self.points(xyxy.reshape(-1, 2)).reshape(xyxy.shape)
        return self.clipped(found) if clip else found

    def clipped(self, xyxy: np.ndarray) -> np.ndarray:
        """Boxes in pixels of the picture, cut off at its edges."""
        return np.clip(xyxy, 0, (self.width, self.height, self.width, self.height))

    def filled(self) -> tuple[int, int, int, int]:
        """The part of the input that holds picture: x1, y1, x2, y2, in whole pixels."""
        x1, y1 = max(0, round(self.left)), max(0, round(self.top))
        x2 = min(self.input_width, round(self.left + self.width * self.scale_x))
        y2 = min(self.input_height, round(self.top + self.height * self.scale_y))
        return x1, y1, max(x1 + 1, x2), max(y1 + 1, y2)

    def shown(self) -> tuple[int, int, int, int]:
        """The part of the picture that the input holds: x1, y1, x2, y2, in whole pixels."""
        (x1, y1), (x2, y2) = self.points(np.array(self.filled()).reshape(2, 2))
        x1, y1 = max(0, round(x1)), max(0, round(y1))
        return x1, y1, max(x1 + 1, min(self.width, round(x2))), max(y1 + 1, min(self.height, round(y2)))
