"""What networks leave out at their end: logits become probabilities."""
from __future__ import annotations

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """Along the last axis: together 1."""
    with np.errstate(invalid="ignore"):
        powers = np.exp(logits - logits.max(-1, keepdims=True))
        return powers / powers.sum(-1, keepdims=True)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Each by itself."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-logits))
