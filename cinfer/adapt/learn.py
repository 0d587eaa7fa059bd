"""The head of a network learned from features, and what folds that it did not see say of it."""
from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from .logistic import Axes

PENALTIES = tuple(float(each) for each in 10.0 ** np.arange(1, -3.5, -.5))     # from strong to weak
ROUGHLY = 1e-5                          # the gradient that is left where fits are compared
LEAST_T, MOST_T = .05, 20.0
STEPS = 30                              # of the golden section


@dataclass(slots=True)
class Learned:
    """weights (classes, features), biases (classes,) : of logits, the temperature in them
    penalty, temperature : lambda and T, chosen by all held-out pictures
    held : (pictures, classes), probabilities of each picture by a fit that did not see it; its penalty and temperature
        are chosen by the other folds
    penalties : of each fold; losses : lambda -> mean log loss of held-out pictures, with the best temperature
    """
    weights: np.ndarray
    biases: np.ndarray
    penalty: float
    temperature: float
    held: np.ndarray
    penalties: list[float]
    losses: dict[float, float]


def learn(rows: np.ndarray, classes: np.ndarray, count: int, folds: np.ndarray, show) -> Learned:
    """rows : (pictures, features); classes, folds : (pictures,); count : of classes; show : (what, number, total)"""
    number = int(folds.max()) + 1
    logits = np.empty((len(PENALTIES), len(rows), count))
    for fold in range(number):
        show("fold", fold + 1, number)
        seen = folds != fold
        axes, fit = Axes(rows[seen], classes[seen], count), None
        for i, penalty in enumerate(PENALTIES):
            fit = axes.fit(penalty, fit, ROUGHLY)
            logits[i, ~seen] = fit.logits(rows[~seen])
    held, penalties = np.empty((len(rows), count)), []
    for fold in range(number):
        mine = folds == fold
        best, temperature, _ = chosen(logits[:, ~mine], classes[~mine])
        held[mine] = softmax(logits[best, mine] / temperature)
        penalties.append(PENALTIES[best])
    best, temperature, losses = chosen(logits, classes)
    axes, fit = Axes(rows, classes, count), None
    for penalty in PENALTIES[:best]:
        fit = axes.fit(penalty, fit, ROUGHLY)
    fit = axes.fit(PENALTIES[best], fit)
    return Learned(*fit.folded(temperature), PENALTIES[best], temperature, held, penalties,
                   dict(zip(PENALTIES, losses)))


def chosen(logits: np.ndarray, classes: np.ndarray) -> tuple[int, float, list[float]]:
    """(the place of the penalty whose held-out answers are the best, its temperature, the losses of all).

    logits : (penalties, pictures, classes). A weak penalty and a low temperature are as sure as each other: answers are
    compared as they would be given
    """
    temperatures = [temperature_of(each, classes) for each in logits]
    losses = [float(smoothed(each / t, classes)) for each, t in zip(logits, temperatures)]
    best = int(np.argmin(losses))
    return best, temperatures[best], losses


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def log_losses(logits: np.ndarray, classes: np.ndarray) -> np.ndarray:
    z = logits - logits.max(1, keepdims=True)
    return np.log(np.exp(z).sum(1)) - z[np.arange(len(z)), classes]


def temperature_of(logits: np.ndarray, classes: np.ndarray) -> float:
    """T for which softmax(logits / T) of held-out pictures has the least loss (Guo et al. 2017, "On Calibration of
    Modern Neural Networks")."""
    low, high, ratio = np.log(LEAST_T), np.log(MOST_T), (sqrt(5) - 1) / 2
    for _ in range(STEPS):                              # it has one least value: in 1/T it is convex
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        is_low = smoothed(logits / np.exp(a), classes) <= smoothed(logits / np.exp(b), classes)
        low, high = (low, b) if is_low else (a, high)
    return float(np.exp((low + high) / 2))


def smoothed(logits: np.ndarray, classes: np.ndarray) -> float:
    """Mean log loss. Where all are right it falls as logits grow, without end: as in Platt's scaling the target is not
    1 for the right class, but what n right ones of n let one believe, (n + 1) / (n + 2)."""
    n, count = logits.shape
    z = logits - logits.max(1, keepdims=True)
    right = z[np.arange(n), classes]
    others = (z.sum(1) - right) / max(count - 1, 1)
    return float((np.log(np.exp(z).sum(1)) - ((n + 1) * right + others) / (n + 2)).mean())


def wilson(share: float, n: float, z: float = 1.96) -> tuple[float, float]:
    """The interval that holds the true share with 95 %, of n independent pictures of which `share` are right (Wilson
    1927, "Probable inference, the law of succession, and statistical inference")."""
    middle = share + z * z / (2 * n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, (middle - half) / (1 + z * z / n)), min(1.0, (middle + half) / (1 + z * z / n))
