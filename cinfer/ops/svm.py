"""Support vector machines: SVMRegressor and SVMClassifier, as libsvm has them.

https://onnx.ai/onnx/operators/onnx_aionnxml_SVMClassifier.html, onnx_aionnxml_SVMRegressor.html,
https://www.csie.ntu.edu.tw/~cjlin/papers/libsvm.pdf

The standard says little; the layout of coefficients and the order of pairs of classes are those of libsvm:
pairs (0, 1), (0, 2) ... (1, 2) ..., and in row r of the coefficients, each vector of class c has that for the
pair of c and class r, or r + 1 for r >= c.
"""
from __future__ import annotations

from itertools import combinations

import numpy as np

from .activations import sigmoid
from .classical import ML
from .facts import Fact
from .limits import check_size
from .numeric import F32, product, spec_of
from .registry import op
from .scores import check_rows, check_transform, label_type, labels_of, rows_of, transformed
from .symbols import differ

KERNELS = ("LINEAR", "POLY", "RBF", "SIGMOID")


def check_vectors(x, vectors: int, support_vectors, kernel_type: str, kernel_params, rho) -> tuple:
    """(rows, features) of x."""
    rows, features = check_rows(x)
    if kernel_type not in KERNELS:
        raise ValueError(f"kernel_type {kernel_type!r}; it has to be {', '.join(KERNELS)}")
    if kernel_params and len(kernel_params) != 3:
        raise ValueError(f"{len(kernel_params)} kernel_params; there have to be 3: gamma, coef0, degree")
    if differ(features * vectors, len(support_vectors)):
        raise ValueError(f"{len(support_vectors)} numbers in support_vectors for {vectors} vectors of "
                         f"{features} features")
    if len(rho) < 1:
        raise ValueError("no rho; there has to be one")
    return rows, features


def kernel(x: np.ndarray, vectors: np.ndarray, kernel_type: str, kernel_params) -> np.ndarray:
    """Of each row and each vector (rows, vectors), float64."""
    gamma, coef0, degree = kernel_params or (0.0, 0.0, 0.0)
    vectors = vectors.astype(x.dtype)
    if kernel_type == "RBF":
        # |x - v|^2 by products would lose the digits of near points
        y = np.empty((len(x), len(vectors)))
        for column, vector in zip(y.T, vectors):
            column[:] = np.square(x.astype(np.float64) - vector).sum(1)
        return np.exp(-gamma * y)
    y = product(x, vectors.T).astype(np.float64)
    if kernel_type == "POLY":
        return (gamma * y + coef0)**degree
    return np.tanh(gamma * y + coef0) if kernel_type == "SIGMOID" else y


@op("SVMRegressor", domain=ML, types=(F32,), rank=lambda *_, **__: 2)
class SVMRegressor:
    """y = sum of coefficient_i kernel(x, vector_i) + rho; for one_class 1 where that is positive, else -1.
    Without vectors, the coefficients are those of the features."""
    def infer(x, *, coefficients=(), kernel_params=None, kernel_type="LINEAR", n_supports=0, one_class=0,
              post_transform="NONE", rho=(), support_vectors=()):
        check_transform(post_transform)
        rows, features = check_vectors(x, max(n_supports, 0), support_vectors, kernel_type, kernel_params,
                                       rho)
        if one_class and post_transform != "NONE":
            raise ValueError(f"one_class with post_transform {post_transform!r}; it has to be NONE")
        if differ(len(coefficients), n_supports if n_supports > 0 else features):
            raise ValueError(f"{len(coefficients)} coefficients for {n_supports} support vectors of "
                             f"{features} features")
        return Fact(F32, check_size((rows, 1), 8 * max(n_supports, 1)))

    def evaluate(x, *, coefficients: list[float] = (), kernel_params: list[float] = None,
                 kernel_type="LINEAR", n_supports=0, one_class=0, post_transform="NONE",
                 rho: list[float] = (), support_vectors: list[float] = ()):
        SVMRegressor.infer(spec_of(x), coefficients=coefficients, kernel_params=kernel_params,
                           kernel_type=kernel_type, n_supports=n_supports, one_class=one_class,
                           post_transform=post_transform, rho=rho, support_vectors=support_vectors)
        rows = rows_of(x)
        weights = np.array(coefficients, np.float64)
        if n_supports > 0:
            vectors = np.array(support_vectors, np.float64).reshape(n_supports, rows.shape[1])
            y = product(kernel(rows, vectors, kernel_type, kernel_params), weights)
        else:
            y = product(rows.astype(np.float64), weights)
        y = (y + rho[0])[:, None]
        return (np.where(y > 0, 1, -1) if one_class else transformed(y, post_transform)).astype(F32)


def check_classifier(x, labels: np.ndarray, coefficients, kernel_params, kernel_type: str, prob_a, prob_b,
                     rho, support_vectors, vectors_per_class) -> tuple:
    """(rows, features, vectors, pairs of classes)"""
    classes, vectors = len(labels), sum(vectors_per_class)
    rows, features = check_vectors(x, vectors, support_vectors, kernel_type, kernel_params, rho)
    pairs = classes * (classes - 1) // 2
    if classes < 2:
        raise ValueError(f"{classes} labels; there have to be 2 at least")
    if not vectors:
        if differ(len(coefficients), classes * features) or len(rho) > 1:
            raise ValueError(f"{len(coefficients)} coefficients and {len(rho)} rho for {classes} classes of "
                             f"{features} features and no vectors; there has to be one for each, and one rho")
        return rows, features, 0, pairs
    if len(vectors_per_class) != classes or min(vectors_per_class) < 0:
        raise ValueError(f"vectors_per_class {list(vectors_per_class)[:8]} for {classes} classes")
    if len(coefficients) != (classes - 1) * vectors or len(rho) != pairs:
        raise ValueError(f"{len(coefficients)} coefficients and {len(rho)} rho for {vectors} vectors of "
                         f"{classes} classes; there have to be {(classes - 1) * vectors} and {pairs}")
    if len(prob_a) != len(prob_b) or len(prob_a) not in (0, pairs):
        raise ValueError(f"{len(prob_a)} prob_a and {len(prob_b)} prob_b; there have to be {pairs}, or none")
    return rows, features, vectors, pairs


def pair_scores(kernels: np.ndarray, coefficients: np.ndarray, ends: np.ndarray, rho) -> np.ndarray:
    """(rows, pairs): positive where the first class of a pair wins. kernels : (rows, vectors)"""
    classes = len(ends) - 1
    scores = np.empty((len(kernels), len(rho)))
    for at, (i, j) in enumerate(combinations(range(classes), 2)):
        first, second = slice(ends[i], ends[i + 1]), slice(ends[j], ends[j + 1])
        scores[:, at] = (product(kernels[:, first], coefficients[j - 1, first])
                         + product(kernels[:, second], coefficients[i, second]) + rho[at])
    return scores


def coupled(r: np.ndarray) -> np.ndarray:
    """Probabilities (rows, classes) from those of pairs, r[:, i, j] that of i against j: the second method of
    https://www.csie.ntu.edu.tw/~cjlin/papers/svmprob/svmprob.pdf, with the steps and the end of libsvm."""
    count = r.shape[1]
    q = -r * r.swapaxes(1, 2)
    diagonal = np.arange(count)
    q[:, diagonal, diagonal] = np.square(r).sum(1)
    p = np.full(r.shape[:2], 1 / count)
    going = np.arange(len(r))
    for _ in range(max(100, count)):
        qp = np.einsum("nij,nj->ni", q[going], p[going])
        pqp = (p[going] * qp).sum(1)
        more = abs(qp - pqp[:, None]).max(1) >= 0.005 / count
        going, qp, pqp = going[more], qp[more], pqp[more]
        if not len(going):
            break
        some, part = q[going], p[going]
        for t in range(count):
            step = (pqp - qp[:, t]) / some[:, t, t]
            part[:, t] += step
            pqp = (pqp + step * (step * some[:, t, t] + 2 * qp[:, t])) / np.square(1 + step)
            qp = (qp + step[:, None] * some[:, t]) / (1 + step)[:, None]
            part /= (1 + step)[:, None]
        p[going] = part
    return p


def pair_probabilities(scores: np.ndarray, prob_a, prob_b, classes: int) -> np.ndarray:
    """(rows, classes, classes) for `coupled`."""
    r = np.zeros((len(scores), classes, classes))
    found = sigmoid(-(scores * np.array(prob_a) + np.array(prob_b))).clip(1e-7, 1 - 1e-7)
    for at, (i, j) in enumerate(combinations(range(classes), 2)):
        r[:, i, j], r[:, j, i] = found[:, at], 1 - found[:, at]
    return r


@op("SVMClassifier", domain=ML, rank=lambda *_, n_outputs=1, **__: 1 if n_outputs == 1 else None,
    types=lambda x, *, classlabels_ints=None, classlabels_strings=None, **_: (
        label_type(classlabels_ints, classlabels_strings), F32))
class SVMClassifier:
    """The label of the class that wins most pairs, and scores: those of all pairs; for two classes -s, s,
    where s is positive if the first one wins; probabilities where prob_a and prob_b are given. Without
    vectors, a score for each class, linear, and the label of the largest."""
    def infer(x, *, classlabels_ints=None, classlabels_strings=None, coefficients=(), kernel_params=None,
              kernel_type="LINEAR", post_transform="NONE", prob_a=(), prob_b=(), rho=(), support_vectors=(),
              vectors_per_class=(), n_outputs=1):
        check_transform(post_transform)
        labels = labels_of(classlabels_ints, classlabels_strings)
        rows, _, vectors, pairs = check_classifier(x, labels, coefficients, kernel_params, kernel_type,
                                                   prob_a, prob_b, rho, support_vectors, vectors_per_class)
        columns = pairs if vectors and not prob_a and len(labels) > 2 else len(labels)
        check_size((rows, vectors), 8)
        check_size((rows, len(labels), len(labels)), 8)
        return Fact(labels.dtype, (rows,)), Fact(F32, check_size((rows, columns), 8))

    def evaluate(x, *, classlabels_ints: list[int] = None, classlabels_strings: list[str] = None,
                 coefficients: list[float] = (), kernel_params: list[float] = None, kernel_type="LINEAR",
                 post_transform="NONE", prob_a: list[float] = (), prob_b: list[float] = (),
                 rho: list[float] = (), support_vectors: list[float] = (), vectors_per_class: list[int] = (),
                 n_outputs=1):
        SVMClassifier.infer(spec_of(x), classlabels_ints=classlabels_ints,
                            classlabels_strings=classlabels_strings, coefficients=coefficients,
                            kernel_params=kernel_params, kernel_type=kernel_type,
                            post_transform=post_transform, prob_a=prob_a, prob_b=prob_b, rho=rho,
                            support_vectors=support_vectors, vectors_per_class=vectors_per_class)
        labels = labels_of(classlabels_ints, classlabels_strings)
        classes, rows, weights = len(labels), rows_of(x), np.array(coefficients)
        ends = np.cumsum([0, *vectors_per_class])
        if not ends[-1]:
            scores = product(rows.astype(np.float64), weights.reshape(classes, rows.shape[1]).T) + rho[0]
            return labels[scores.astype(F32).argmax(1)], transformed(scores, post_transform).astype(F32)
        vectors = np.array(support_vectors).reshape(ends[-1], rows.shape[1])
        scores = pair_scores(kernel(rows, vectors, kernel_type, kernel_params),
                             weights.reshape(classes - 1, ends[-1]), ends, rho)
        votes = np.zeros((len(rows), classes), np.int64)
        for at, (i, j) in enumerate(combinations(range(classes), 2)):
            votes[:, i] += scores[:, at] > 0
            votes[:, j] += ~(scores[:, at] > 0)
        if prob_a:
            scores = coupled(pair_probabilities(scores, prob_a, prob_b, classes))
        elif classes == 2:
            scores = np.concatenate((-scores, scores), 1)
        return labels[votes.argmax(1)], transformed(scores, post_transform).astype(F32)
