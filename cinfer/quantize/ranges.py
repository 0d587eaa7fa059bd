"""Which range of a value becomes the 256 steps: wide, and every step is coarse; narrow, and what lies outside is cut.

    min-max     all that was seen
    percentile  all but one number in ten thousand
    mse         the least mean square of rounding and cutting together
    middle      halfway between that and min-max: pictures to come may have larger numbers than were seen, but few
    entropy     the least Kullback-Leibler divergence of the distribution in 256 steps from that in floats
                (Migacz, 8-bit inference with TensorRT, GTC 2017; here for ranges that need not be symmetric)

Ranges contain 0, which becomes a whole number: zeros of padding and of Relu stay exact.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BINS = 8192                         # half of them for negative numbers; after the range has doubled half are in use
MOST_SAMPLES = 1 << 14              # of a value and picture that are counted; the extremes are always those of all
SHRINKING = np.geomspace(1, .25, 20).tolist()       # of ranges that are tried
ONE_END = .6, .8, .9, 1.1, 1.2, 1.4, 1.7, 2, 3
FLATTENED = np.geomspace(1, .03, 24).tolist()       # of the end that a function flattens
STEPS = 255
LEAST_SHARE = 1e-9                  # of a bin, where a distribution has none: the divergence would be infinite
OUTSIDE = .0001                     # the share that `percentile` leaves outside


class Spread:
    """How the numbers of a value are spread: a histogram that grows with them, from -limit to limit.

    low, high : the extremes, 0 among them; least : what `mse` has found, None: it was not asked yet
    """
    __slots__ = ("counts", "limit", "low", "high", "least")

    def __init__(self):
        self.counts = np.zeros(BINS, np.int64)
        self.limit = self.low = self.high = 0.0
        self.least: tuple[float, float] | None = None

    def add(self, x: np.ndarray) -> None:
        self.least = None
        flat = np.ascontiguousarray(x).reshape(-1)
        low, high = float(flat.min(initial=0)), float(flat.max(initial=0))
        if not np.isfinite(low) or not np.isfinite(high):
            flat = flat[np.isfinite(flat)]
            low, high = float(flat.min(initial=0)), float(flat.max(initial=0))
        self.low, self.high = min(self.low, low), max(self.high, high)
        self._hold(max(-low, high))
        if self.limit and flat.size:
            sampled = flat[::flat.size // MOST_SAMPLES | 1]     # odd: else it would always be the same columns
            places = ((sampled + self.limit) * (BINS / (2 * self.limit))).astype(np.int32)
            self.counts += np.bincount(np.minimum(places, BINS - 1), minlength=BINS)

    def _hold(self, number: float) -> None:
        """Double the limit until the number is inside: each bin takes its neighbour's count too."""
        if not self.limit and number:
            self.limit = 2.0 ** np.ceil(np.log2(number))
        while number > self.limit:
            halved = self.counts.reshape(-1, 2).sum(1)
            self.counts[:] = 0
            self.counts[BINS // 4:BINS - BINS // 4] = halved
            self.limit *= 2

    def joined(self, other: Spread) -> Spread:
        """Of all numbers of both."""
        found = Spread()
        found.low, found.high = min(self.low, other.low), max(self.high, other.high)
        found.limit = max(self.limit, other.limit)
        for each in (self, other):
            part = Spread()
            part.counts, part.limit = each.counts.copy(), each.limit
            part._hold(found.limit)
            found.counts += part.counts
        return found

    def filled(self) -> tuple[np.ndarray, np.ndarray]:
        """(middles, counts) of the bins that hold something."""
        at = np.flatnonzero(self.counts)
        middles = ((at + .5) * (2 / BINS) - 1) * self.limit
        return np.clip(middles, self.low, self.high), self.counts[at].astype(np.float64)


def min_max(spread: Spread) -> tuple[float, float]:
    return spread.low, spread.high


def percentile(spread: Spread) -> tuple[float, float]:
    """Half of what is cut lies above, half below."""
    middles, counts = spread.filled()
    if not counts.size:
        return spread.low, spread.high
    share = np.cumsum(counts) / counts.sum()
    low, high = middles[np.searchsorted(share, OUTSIDE / 2)], middles[np.searchsorted(share, 1 - OUTSIDE / 2)]
    step = spread.limit / BINS              # the whole bin, not its middle
    return max(spread.low, min(0.0, low - step)), min(spread.high, max(0.0, high + step))


def mse(spread: Spread) -> tuple[float, float]:
    if spread.least is None:
        middles, counts = spread.filled()
        spread.least = searched(spread, lambda low, high: square_error(middles, counts, low, high))
    return spread.least


def middle(spread: Spread) -> tuple[float, float]:
    (low, high), (lowest, highest) = mse(spread), min_max(spread)
    return (low + lowest) / 2, (high + highest) / 2


def through(spread: Spread, function, low: float, high: float) -> tuple[float, float]:
    """A range of what only a function reads, such as a SiLU: what comes of the end that it flattens matters little, so
    this end is cut where the mean square of the error behind the function is least."""
    middles, counts = spread.filled()
    if not counts.size or not low or not high:
        return low, high
    zero, *ends = np.abs(function(np.array([0, low, high])) - function(np.zeros(3))).tolist()
    wanted = function(middles).astype(np.float64)

    def loss(low: float, high: float) -> float:
        return square_error(middles, counts, low, high, function, wanted)

    if ends[0] < ends[1] / 2:
        return min([(low * share, high) for share in FLATTENED], key=lambda each: loss(*each))
    if ends[1] < ends[0] / 2:
        return min([(low, high * share) for share in FLATTENED], key=lambda each: loss(*each))
    return low, high


def entropy(spread: Spread) -> tuple[float, float]:
    middles, counts = spread.filled()
    return searched(spread, lambda low, high: divergence(middles, counts, low, high))


def searched(spread: Spread, loss) -> tuple[float, float]:
    """The range of least loss: both ends moved inwards alike, then each of them by itself."""
    if not spread.counts.any():
        return spread.low, spread.high
    tried: dict[tuple[float, float], float] = {}

    def best(ends) -> tuple[float, float]:
        for each in ends:
            if each not in tried:
                tried[each] = loss(spread.low * each[0], spread.high * each[1])
        return min(tried, key=tried.get)

    both = best([(share, share) for share in SHRINKING])
    if spread.low and spread.high:
        both = best([(share * both[0], both[1]) for share in ONE_END if share * both[0] <= 1])
        both = best([(both[0], share * both[1]) for share in ONE_END if share * both[1] <= 1])
    return spread.low * both[0], spread.high * both[1]


def square_error(middles, counts, low: float, high: float, function=None, wanted=None) -> float:
    step = (high - low) / STEPS
    zero = round(-low / step)
    rounded = limited(np.rint(middles / step), -zero, STEPS - zero)
    rounded *= step
    return float(((function(rounded) - wanted if function else rounded - middles) ** 2 @ counts) / counts.sum())


def limited(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """x itself, within limits: np.clip takes longer than that for a few thousand numbers."""
    np.maximum(x, low, out=x)
    return np.minimum(x, high, out=x)


def divergence(middles, counts, low: float, high: float) -> float:
    step = (high - low) / STEPS
    inside = (middles >= low - step / 2) & (middles <= high + step / 2)
    wanted = np.where(np.abs(middles) < step / 4, 0, counts)[inside]        # zeros are exact in any range
    if not wanted.any():
        return np.inf
    levels = limited(np.rint((middles[inside] - low) / step), 0, STEPS).astype(np.int64)
    # each step's count, spread evenly over the bins that it stands for
    some = (wanted > 0).astype(np.float64)
    bins = np.maximum(np.bincount(levels, some, STEPS + 1), 1)
    given = (np.bincount(levels, wanted, STEPS + 1) / bins)[levels] * some
    given /= given.sum()
    wanted[0] += counts[middles < middles[inside][0]].sum()                 # what is cut comes to lie at the ends
    wanted[-1] += counts[middles > middles[inside][-1]].sum()
    wanted /= wanted.sum()
    some = wanted > 0
    return float((wanted[some] * np.log(wanted[some] / np.maximum(given[some], LEAST_SHARE))).sum())


METHODS = {"min-max": min_max, "percentile": percentile, "mse": mse, "middle": middle, "entropy": entropy}


@dataclass(frozen=True, slots=True)
class Scale:
    """real = (stored - zero) * step"""
    step: np.float32
    zero: int
    dtype: np.dtype

    @property
    def ends(self) -> tuple[float, float]:
        """The numbers that the ends of the type stand for."""
        limits = np.iinfo(self.dtype)
        return (limits.min - self.zero) * float(self.step), (limits.max - self.zero) * float(self.step)


def scale_of(low: float, high: float, dtype: np.dtype) -> Scale:
    """The scale by which a range fills 8 bits."""
    low, high = min(low, 0.0), max(high, 0.0)
    step = np.float32((high - low) / STEPS)
    if not step > np.finfo(np.float32).tiny:                    # all zeros
        step, low = np.float32(1 / STEPS), 0.0
    zero = int(np.clip(round(-low / float(step)), 0, STEPS))
    return Scale(step, zero + int(np.iinfo(dtype).min), np.dtype(dtype))
