"""Multinomial logistic regression with an L2 penalty, in float64.

For standardised rows x of n pictures and classes y the weights W (features, classes) and biases b make

    L(W, b) = -1/n sum_i log softmax(x_i W + b)[y_i] + lambda/2 |W|^2

least, which is convex. Features are many and alike, so rows are turned into their principal axes first, where the
Hessian is nearly diagonal: with pictures fewer than features the problem gets as small as the pictures are many, and
L-BFGS (Liu and Nocedal 1989, "On the limited memory BFGS method for large scale optimization") needs few steps. Nothing
is drawn: the same rows give the same numbers.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TOLERANCE = 1e-8                        # the largest number of the gradient that is left
MOST_STEPS = 500
MEMORY = 8                              # pairs of L-BFGS
ABSENT = 10.0                           # how far the logit of a class without a picture is below the others


@dataclass(frozen=True, slots=True)
class Fit:
    """logits = (x - mean) / scale @ weights + biases, of rows x (n, features)."""
    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    biases: np.ndarray

    def logits(self, rows: np.ndarray) -> np.ndarray:
        return (rows - self.mean) / self.scale @ self.weights + self.biases

    def folded(self, temperature: float) -> tuple[np.ndarray, np.ndarray]:
        """(weights (classes, features), biases) of rows as they are, with logits / temperature."""
        weights = self.weights / self.scale[:, None]
        biases = self.biases - self.mean @ weights
        return weights.T / temperature, (biases - biases.mean()) / temperature


class Axes:
    """Rows, standardised and turned into their principal axes, ready for fits with several penalties.

    rows : (n, features); classes : (n,), from 0; count : of all classes. One without a row gets no weights and a low
        bias
    """

    def __init__(self, rows: np.ndarray, classes: np.ndarray, count: int):
        rows = np.asarray(rows, np.float64)
        self.mean = rows.mean(0)
        spread = rows.std(0)
        least = 1e-9 * np.maximum(np.abs(rows).max(0), 1e-30)
        self.scale = np.where(spread > least, spread, np.inf)      # what does not vary says nothing
        x = (rows - self.mean) / self.scale
        if len(x) <= x.shape[1]:
            q, r = np.linalg.qr(x.T)                    # the pictures are few: then a small decomposition is left
            u, s, v = np.linalg.svd(r.T)
            self._x, self._axes = u * s, q @ v.T
        else:
            self._axes = np.linalg.eigh(x.T @ x)[1]
            self._x = x @ self._axes
        self.count = count
        self._present = np.unique(classes)
        self._y = (classes[:, None] == self._present).astype(np.float64)
        self._spread = (self._x ** 2).mean(0)

    def fit(self, penalty: float, start: Fit | None = None, tolerance: float = TOLERANCE) -> Fit:
        """penalty : lambda; start : where to begin, a fit of the same Axes; tolerance : of the gradient"""
        x, y, (n, k) = self._x, self._y, self._y.shape
        step = 1 / np.sqrt(self._spread / k * (1 - 1 / k) + penalty)[:, None]
        scaled = x * step.T

        def loss(v: np.ndarray) -> tuple[float, np.ndarray]:
            weights = step * v[:-1]
            z = x @ weights + v[-1]
            z -= z.max(1, keepdims=True)
            e = np.exp(z)
            total = e.sum(1, keepdims=True)
            value = (np.log(total[:, 0]) - (z * y).sum(1)).mean() + penalty / 2 * (weights ** 2).sum()
            error = (e / total - y) / n
            gradient = np.concatenate((scaled.T @ error + penalty * step * weights, error.sum(0, keepdims=True)))
            return float(value), gradient

        v = np.zeros((x.shape[1] + 1, k))
        if start is not None:
            v[:-1] = (self._axes.T @ start.weights[:, self._present]) / step
            v[-1] = start.biases[self._present]
        v = least(loss, v, tolerance)
        weights = np.zeros((len(self.scale), self.count))
        weights[:, self._present] = self._axes @ (step * v[:-1])
        biases = np.full(self.count, float(v[-1].min()) - ABSENT)
        biases[self._present] = v[-1]
        return Fit(self.mean, self.scale, weights, biases)


def least(loss, v: np.ndarray, tolerance: float) -> np.ndarray:
    """Where a convex function is least, by L-BFGS. loss : v -> (value, gradient)"""
    value, gradient = loss(v)
    pairs: list[tuple[np.ndarray, np.ndarray, float]] = []
    for _ in range(MOST_STEPS):
        if np.abs(gradient).max() < tolerance:
            break
        way = -direction(gradient, pairs)
        slope, length = np.vdot(way, gradient), 1.0
        while True:
            there, fresh = loss(v + length * way)
            if there <= value + 1e-4 * length * slope or length < 1e-10:
                break
            length /= 2
        if length < 1e-10 or there >= value and np.abs(fresh).max() >= np.abs(gradient).max():
            break                                       # as near as float64 comes
        s, g = length * way, fresh - gradient
        curvature = np.vdot(s, g)
        if curvature > 1e-14 * np.vdot(g, g):
            pairs = [*pairs[1 - MEMORY:], (s, g, 1 / curvature)]
        v, value, gradient = v + s, there, fresh
    return v


def direction(gradient: np.ndarray, pairs: list) -> np.ndarray:
    """The two loops of L-BFGS: the inverse Hessian, as far as steps have told it, times the gradient."""
    q, shares = gradient.copy(), []
    for s, g, r in reversed(pairs):
        shares.append(r * np.vdot(s, q))
        q -= shares[-1] * g
    if pairs:
        s, g, r = pairs[-1]
        q *= 1 / (r * np.vdot(g, g))
    for (s, g, r), share in zip(pairs, reversed(shares)):
        q += (share - r * np.vdot(g, q)) * s
    return q
