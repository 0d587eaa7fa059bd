"""A picture that a network made."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .answer import Answer


@dataclass(slots=True)
class Picture(Answer):
    """A picture made by the network. pixels : uint8, (height, width), (height, width, 3) RGB or 4 RGBA"""
    pixels: np.ndarray
    task: str = "image"

    def lines(self) -> list[str]:
        return [f"a picture of {self.pixels.shape[1]}x{self.pixels.shape[0]} pixels"]

    def data(self) -> dict:
        return {"picture": {"width": self.pixels.shape[1], "height": self.pixels.shape[0]}}
