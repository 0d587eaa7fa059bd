"""The transforms of scores, row by row and number by number."""
from math import exp

import numpy as np


def probit(p: float) -> float:
    """By the approximation of the inverse error function that the standard's reference has."""
    x = 2 * p - 1
    if x * x > 1:
        return np.nan
    log = np.log((1 - x) * (1 + x))
    a = 2 / (np.pi * 0.147) + log / 2
    return float(np.sqrt(2) * np.sign(x) * np.sqrt(np.sqrt(a * a - log / 0.147) - a))


def row_transformed(row: list[float], post_transform: str) -> list[float]:
    if post_transform == "LOGISTIC":
        return [1 / (1 + exp(-v)) for v in row]
    if post_transform == "SOFTMAX":
        powers = [exp(v - max(row)) for v in row]
        return [p / sum(powers) for p in powers]
    if post_transform == "SOFTMAX_ZERO":
        powers = [exp(v - max(row)) if abs(v) > 1e-7 else 0.0 for v in row]
        return [p / sum(powers) if p else 0.0 for p in powers]
    return [probit(v) for v in row] if post_transform == "PROBIT" else row


def transformed(scores, post_transform: str) -> np.ndarray:
    with np.errstate(all="ignore"):
        rows = [row_transformed(row, post_transform) for row in np.asarray(scores, np.float64).tolist()]
    return np.array(rows, np.float64).reshape(np.shape(scores))
