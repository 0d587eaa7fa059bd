"""What a picture shows: the likeliest classes."""
from __future__ import annotations

from dataclasses import dataclass

from .answer import Answer, called, finite


@dataclass(frozen=True, slots=True)
class Class:
    index: int
    label: str | None
    score: float

    def __str__(self):
        return called(self.index, self.label)

    def data(self) -> dict:
        return {"index": self.index, "label": self.label, "score": finite(self.score)}


@dataclass(slots=True)
class Classes(Answer):
    """The likeliest classes, best first."""
    in_full = True
    heeds = ("top", "conf", "classes")
    best: list[Class]
    task: str = "classification"

    def shows(self, label: str) -> bool:
        """Is it the likeliest? Where scores are no numbers, none is."""
        return bool(self.best) and self.best[0].score == self.best[0].score and label == str(self.best[0])

    def line(self) -> str:
        return ", ".join(f"{each} {each.score:.2f}" for each in self.best[:3]) or "nothing"

    def lines(self) -> list[str]:
        return [f"{each.score:8.4f}  {each if each.label is None else f'{each} ({each.index})'}"
                for each in self.best] or ["nothing"]

    def data(self) -> dict:
        return {"classes": [each.data() for each in self.best]}
