"""Pictures that are nearly the same, and folds that keep these together: a picture whose twin was learned says nothing
of pictures to come."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ALIKE = .98                             # cosine of two pictures' features, from the mean of all
MOST_FOLDS = 5
MOST_PAIRS = 40                         # that are told, of one class and of two each
MOST_COMPARED = 20_000                  # pictures; of more only those before and after
ROWS = 1024


@dataclass(frozen=True, slots=True)
class Pair:
    """Places of two pictures that are nearly the same."""
    one: int
    other: int
    cosine: float


@dataclass(slots=True)
class Alike:
    """groups : int (pictures,), the same number for pictures that are nearly the same, or by way of others
    within, across : Pairs of one class, and of two, the most alike first; at most MOST_PAIRS each
    counts : of all such pairs"""
    groups: np.ndarray
    within: list[Pair]
    across: list[Pair]
    counts: tuple[int, int]


def alike(rows: np.ndarray, classes: np.ndarray) -> Alike:
    """rows : (pictures, features); classes : (pictures,)"""
    x = np.asarray(rows, np.float32) - rows.mean(0, dtype=np.float64).astype(np.float32)
    x /= np.maximum(np.sqrt((x.astype(np.float64) ** 2).sum(1, keepdims=True)), 1e-30).astype(np.float32)
    groups = np.arange(len(x))
    within: list[Pair] = []
    across: list[Pair] = []
    counts = [0, 0]
    for first in range(0, len(x), ROWS):
        last = len(x) if len(x) <= MOST_COMPARED else min(len(x), first + 2 * ROWS)
        near = x[first:first + ROWS] @ x[first:last].T
        for row in range(len(near)):
            i = first + row
            others = i + 1 + np.flatnonzero(near[row, row + 1:] > ALIKE)
            if not len(others):
                continue
            mine = np.unique(groups[[i, *others]])
            groups[np.isin(groups, mine)] = mine[0]
            is_across = classes[others] != classes[i]
            counts[0] += int((~is_across).sum())
            counts[1] += int(is_across.sum())
            for j, is_other in zip(others.tolist(), is_across.tolist()):
                (across if is_other else within).append(Pair(i, j, float(min(near[row, j - first], 1))))
        for pairs in (within, across):
            pairs.sort(key=lambda pair: (-pair.cosine, pair.one, pair.other))
            del pairs[MOST_PAIRS:]
    return Alike(groups, within, across, (counts[0], counts[1]))


def folds_of(groups: np.ndarray, classes: np.ndarray, seed: int = 0) -> tuple[np.ndarray, list[int]]:
    """(int (pictures,), the fold of each; classes whose groups are torn apart, for each has one alone).

    Groups stay whole and classes are spread over the folds as evenly as that allows; 2 to MOST_FOLDS folds.
    """
    groups, torn = groups.copy(), []
    count = int(classes.max()) + 1
    for number in range(count):
        mine = np.flatnonzero(classes == number)
        if len(mine) > 1 and len(np.unique(groups[mine])) == 1:
            groups[mine] = len(groups) + mine
            torn.append(number)
    each = np.array([len(np.unique(groups[classes == number])) for number in range(count)])
    folds = int(min(MOST_FOLDS, max(2, each.max())))
    names, sizes = np.unique(groups, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(-sizes[order], kind="stable")]
    held = np.zeros((folds, count), np.int64)
    found = np.empty(len(groups), np.int64)
    for name in names[order]:
        members = groups == name
        numbers = np.bincount(classes[members], minlength=count)
        crowd = held[:, numbers > 0].sum(1)
        fold = min(range(folds), key=lambda f: (crowd[f], held[f].sum(), f))
        held[fold] += numbers
        found[members] = fold
    return found, torn
