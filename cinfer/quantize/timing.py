"""Is one network faster than another, on a machine that may do other things meanwhile?

Both run in turns, so that what else goes on meets both; each pair of neighbours gives a ratio. Half of all ratios that
there might be lie below their median: by that alone, whatever their distribution, the order of those that were seen
tells between which of them it lies (the sign test).
"""
from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import comb

LEAST_PAIRS, MOST_PAIRS = 9, 200
SECONDS, MOST_SECONDS = 2.0, 10.0       # of all runs; where LEAST_PAIRS take longer
ERROR = .05                             # how likely the median may be outside of what is said
ALIKE = .02                             # of the time: less is no gain


@dataclass(frozen=True, slots=True)
class Times:
    """ms : of a run before, and after, the least of several
    ratio : two numbers between which the time after, over that before, lies; None: too few runs tell nothing"""
    ms: tuple[float, float]
    ratio: tuple[float, float] | None

    @property
    def is_faster(self) -> bool | None:
        """None: they do not tell. The least times have to say the same as most of the pairs."""
        if self.ratio is None:
            return None
        low, high = self.ratio
        best = self.ms[1] / max(self.ms[0], 1e-6)
        if max(high, best) < 1:
            return True
        return False if min(low, best) > 1 - ALIKE else None


def timed(before: Callable, after: Callable, clock: Callable[[], float] = time.perf_counter) -> Times:
    """Of two functions, each called once before the first pair. clock : seconds"""
    before(), after()
    pairs: list[tuple[float, float]] = []
    begin = clock()
    while len(pairs) < MOST_PAIRS:
        seconds = [0.0, 0.0]
        for which in (0, 1) if len(pairs) % 2 else (1, 0):      # the second one may gain by what the first has done
            start = clock()
            (before, after)[which]()
            seconds[which] = clock() - start
        pairs.append(tuple(seconds))
        spent = clock() - begin
        if spent > MOST_SECONDS or spent > SECONDS and len(pairs) >= LEAST_PAIRS:
            break
    best = tuple(1000 * min(each) for each in zip(*pairs))
    return Times(best, between([b / max(a, 1e-9) for a, b in pairs]))


def between(ratios: list[float]) -> tuple[float, float] | None:
    """Two of them, between which the median of all that there might be lies; None where they are too few to say
    that."""
    ordered, count = sorted(ratios), len(ratios)
    outside, place = 0.0, -1
    while 2 * (outside + comb(count, place + 1) / 2 ** count) <= ERROR:
        place += 1
        outside += comb(count, place) / 2 ** count
    return (ordered[place], ordered[-1 - place]) if place >= 0 else None
