"""What classifiers and regressors of ai.onnx.ml have in common: rows of features, scores, labels."""
from __future__ import annotations

import numpy as np

from .activations import sigmoid, softmax
from .facts import INT64
from .numeric import F32, check_kind
from .text import STRING, array_of

TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")


def check_transform(post_transform: str) -> None:
    if post_transform not in TRANSFORMS:
        raise ValueError(f"post_transform {post_transform!r}; it has to be {', '.join(TRANSFORMS)}")


def check_rows(x) -> tuple:
    """(rows, features) of a table; a vector is one row."""
    check_kind(x, "number")
    if x.ndim not in (1, 2):
        raise ValueError(f"x has {x.ndim} axes; it has to have 2: rows, features")
    return (1, *x.shape) if x.ndim == 1 else x.shape


def rows_of(x: np.ndarray) -> np.ndarray:
    """The table as float32, or float64 where x has more digits than float32 holds."""
    narrow = x.dtype == F32 or x.dtype.itemsize < 4
    return x.reshape(check_rows(x)).astype(F32 if narrow else np.float64, copy=False)


def transformed(scores: np.ndarray, post_transform: str) -> np.ndarray:
    """The scores (rows, n), float64, after their transform, which looks at rows of them.

    SOFTMAX_ZERO: zeros stay zeros. PROBIT: the inverse of the normal distribution, by the approximation that
    the standard's reference and the runtimes have, which is off by up to 0.4 %:
    https://en.wikipedia.org/wiki/Error_function#Approximation_with_elementary_functions, a = 0.147
    """
    if post_transform == "NONE" or not scores.size:
        return scores
    if post_transform == "LOGISTIC":
        return sigmoid(scores)
    if post_transform == "SOFTMAX":
        return softmax(scores, 1)
    if post_transform == "SOFTMAX_ZERO":
        counted = abs(scores) > 1e-7
        largest = np.where(counted, scores, -np.inf).max(1, keepdims=True)
        powers = np.where(counted, np.exp(scores - np.where(np.isfinite(largest), largest, 0)), 0)
        total = powers.sum(1, keepdims=True)
        return powers / np.where(total == 0, 1, total)
    x = 2 * scores - 1
    log = np.log((1 - x) * (1 + x))
    half = 2 / (np.pi * 0.147) + 0.5 * log
    return np.sqrt(2) * np.sign(x) * np.sqrt(np.sqrt(half * half - log / 0.147) - half)


def label_type(ints, strings) -> np.dtype:
    return INT64 if strings is None else STRING


def labels_of(ints, strings) -> np.ndarray:
    """The names of the classes: of two attributes, one is given."""
    if (ints is None) == (strings is None):
        raise ValueError("labels as ints and as strings; there has to be one of them" if ints is not None
                         else "no labels of classes; there have to be ints or strings")
    return array_of(list(strings), len(strings)) if ints is None else np.array(ints, INT64)
