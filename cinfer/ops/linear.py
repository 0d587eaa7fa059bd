"""LinearRegressor and LinearClassifier: y = x w + b.

https://onnx.ai/onnx/operators/onnx_aionnxml_LinearClassifier.html, onnx_aionnxml_LinearRegressor.html
"""
from __future__ import annotations

import numpy as np

from .classical import ML
from .facts import Fact
from .limits import check_size
from .numeric import F32, product, spec_of
from .registry import op
from .scores import check_rows, check_transform, label_type, labels_of, rows_of, transformed
from .symbols import differ


def linear_scores(x: np.ndarray, coefficients, intercepts, targets: int) -> np.ndarray:
    """(rows, targets), float64; a row of coefficients for each target."""
    rows = rows_of(x)
    y = product(rows, np.array(coefficients, rows.dtype).reshape(targets, rows.shape[1]).T).astype(np.float64)
    return y + np.array(intercepts, np.float64) if intercepts else y


def check_weights(x, coefficients, intercepts, targets: int) -> tuple:
    """(rows, features) of x."""
    rows, features = check_rows(x)
    if targets < 1 or differ(features * targets, len(coefficients)):
        raise ValueError(f"{len(coefficients)} coefficients for {targets} targets of {features} features; "
                         "there has to be one for each feature of each target")
    if intercepts and len(intercepts) != targets:
        raise ValueError(f"{len(intercepts)} intercepts for {targets} targets")
    return rows, features


@op("LinearRegressor", domain=ML, types=(F32,), rank=lambda *_, **__: 2)
class LinearRegressor:
    def infer(x, *, coefficients=(), intercepts=None, post_transform="NONE", targets=1):
        check_transform(post_transform)
        rows, _ = check_weights(x, coefficients, intercepts, targets)
        return Fact(F32, check_size((rows, targets), 8))

    def evaluate(x, *, coefficients: list[float] = (), intercepts: list[float] = None, post_transform="NONE",
                 targets=1):
        LinearRegressor.infer(spec_of(x), coefficients=coefficients, intercepts=intercepts,
                              post_transform=post_transform, targets=targets)
        return transformed(linear_scores(x, coefficients, intercepts, targets), post_transform).astype(F32)


@op("LinearClassifier", domain=ML, rank=lambda *_, n_outputs=1, **__: 1 if n_outputs == 1 else None,
    types=lambda x, *, classlabels_ints=None, classlabels_strings=None, **_: (
        label_type(classlabels_ints, classlabels_strings), F32))
class LinearClassifier:
    """The label of the class with the largest score, and the scores. Where there is one row of coefficients
    and two labels, the score s is that of the second class, and -s that of the first. With one row and no
    label, labels are 1 where s > 0, and 0."""
    def infer(x, *, coefficients, classlabels_ints=None, classlabels_strings=None, intercepts=None,
              multi_class=0, post_transform="NONE", n_outputs=1):
        check_transform(post_transform)
        labels, targets = labels_and_targets(x, coefficients, classlabels_ints, classlabels_strings)
        rows, _ = check_weights(x, coefficients, intercepts, targets)
        count = 1 if len(labels) == 2 and classlabels_ints is classlabels_strings is None else len(labels)
        return Fact(labels.dtype, (rows,)), Fact(F32, check_size((rows, count), 8))

    def evaluate(x, *, coefficients: list[float], classlabels_ints: list[int] = None,
                 classlabels_strings: list[str] = None, intercepts: list[float] = None, multi_class=0,
                 post_transform="NONE", n_outputs=1):
        LinearClassifier.infer(spec_of(x), coefficients=coefficients, classlabels_ints=classlabels_ints,
                               classlabels_strings=classlabels_strings, intercepts=intercepts,
                               post_transform=post_transform)
        labels, targets = labels_and_targets(x, coefficients, classlabels_ints, classlabels_strings)
        scores = linear_scores(x, coefficients, intercepts, targets)
        both = np.concatenate((-scores, scores), 1) if targets == 1 else scores
        shown = scores if classlabels_ints is classlabels_strings is None else both
        return labels[both.astype(F32).argmax(1)], transformed(shown, post_transform).astype(F32)


def labels_and_targets(x, coefficients, ints, strings) -> tuple[np.ndarray, int]:
    """The labels, and how many rows of coefficients there are."""
    features = check_rows(x)[1]
    alone = features == len(coefficients)
    if ints is strings is None and alone:
        return np.array([0, 1], np.int64), 1
    labels = labels_of(ints, strings)
    if len(labels) < 2:
        raise ValueError(f"{len(labels)} labels; there have to be 2 at least")
    return labels, 1 if alone and len(labels) == 2 else len(labels)
