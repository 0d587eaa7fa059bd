"""What is written on a picture."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .answer import Answer, finite, rounded


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
    in_full, has_places = True, True
    heeds = ("conf", "max_det")
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
