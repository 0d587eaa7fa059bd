"""A number or a class for each pixel."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .answer import Answer, called, finite


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
    def heeds(self) -> tuple[str, ...]:
        return ("conf", "classes") if self.of_classes else ()

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

    def scale(self) -> tuple[float, float]:
        """The numbers that `grey` shows as 0 and as 65535: 0 and 1 of what is from 0 to 1 by its nature, else the least
        and the most."""
        least, most, _ = self.range()
        return (0.0, 1.0) if self.task in ("matting", "anomaly") and least >= 0 and most <= 1 else (least, most)

    def grey(self) -> np.ndarray:
        """As a grey picture that programs read, (height, width): classes as they are, uint8, or uint16 where there are
        more; numbers from the least to the most (`scale`) as 0 to 65535, uint16, what is no number as 0."""
        if self.of_classes:
            said = self.values[self.values != self.ignored] if self.ignored is not None else self.values
            limit = np.iinfo(np.uint8 if not said.size or said.max() <= 255 else np.uint16)
            classes = self.values if self.ignored is None else np.where(
                self.values == self.ignored, limit.max, self.values)
            return classes.clip(0, limit.max).astype(limit.dtype)
        least, most = self.scale()
        values = np.where(np.isfinite(self.values), self.values, least).astype(np.float64) - least
        return np.rint(values.clip(0, None) * (65535 / (most - least) if most > least else 0)).astype(np.uint16)

    def lines(self) -> list[str]:
        if self.of_classes:
            return [f"{share:.1%} {called(index, label)}" for index, label, share in self.shares()] or ["nothing"]
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
