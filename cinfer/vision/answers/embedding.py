"""A picture as a vector."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .answer import Answer, finite


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
