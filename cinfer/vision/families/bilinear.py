"""Maps are read between their values: bilinearly, as large as a picture. In blocks that stay in the cache."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BLOCK = 1 << 16                         # numbers


@dataclass(frozen=True, slots=True)
class Taps:
    """Places along an axis: the values before and behind each (int64), and how much of the latter counts (float32)."""
    before: np.ndarray
    behind: np.ndarray
    share: np.ndarray

    def part(self, first: int, end: int) -> tuple[Taps, slice]:
        """(the places first..end, among the values that they need; which these are)"""
        start, stop = int(self.before[first]), int(self.behind[end - 1]) + 1
        each = slice(first, end)
        return Taps(self.before[each] - start, self.behind[each] - start, self.share[each]), slice(start, stop)


def taps(at: np.ndarray, count: int) -> Taps:
    """at : rising places among `count` values, 0 at the first, 1 at the second; beyond the ends the last one counts"""
    at = at.clip(0, count - 1)
    before = at.astype(np.int64)
    return Taps(before, np.minimum(before + 1, count - 1), (at - before).astype(np.float32))


def above(values: np.ndarray, rows: Taps, columns: Taps, least: float = 0.0) -> np.ndarray:
    """Where values (height, width), float32, read at these places are above `least`: bool, (rows, columns)."""
    found = np.empty((len(rows.before), len(columns.before)), bool)
    for each, part in blocks(values, rows, columns):
        np.greater(part, least, out=found[each])
    return found


def blocks(values: np.ndarray, rows: Taps, columns: Taps):
    """(some rows, the values read there, float32), one after the other; what is not finite stays so, without a
    warning."""
    with np.errstate(all="ignore"):
        lines = values.take(columns.before, 1)
        step = values.take(columns.behind, 1)
        step -= lines
        step *= columns.share
        lines += step
    height = max(1, BLOCK // max(1, lines.shape[1]))
    for begin in range(0, len(rows.before), height):
        each = slice(begin, begin + height)
        part, step = lines.take(rows.before[each], 0), lines.take(rows.behind[each], 0)
        with np.errstate(all="ignore"):
            step -= part
            step *= rows.share[each, None]
            part += step
        yield each, part
