"""Both sides run on each input; each value is looked at and let go of, so that memory holds few."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ..errors import Error, InputError
from ..vision.inputs import likeliest
from .difference import Difference, kind_of
from .fed import Fed
from .inner import fetched
from .sides import Arrays, Network, fed_both


@dataclass(slots=True, eq=False)
class Pair:
    """A value of both, by its name. ours, theirs : what each side is asked for; why : it could not be compared"""
    name: str
    ours: str
    theirs: str
    difference: Difference
    is_output: bool = False
    why: str = ""


@dataclass(slots=True)
class Classes:
    """The likeliest classes.

    output : that has them; same : of so many rows; both : of the first row, None where it has NaN
    """
    output: str
    same: int = 0
    rows: int = 0
    both: tuple[int | None, int | None] | None = None

    def add(self, got, wanted) -> None:
        if not all(isinstance(x, np.ndarray) and x.size and kind_of(x.dtype) != "text" for x in (got, wanted)):
            return
        a, b = map(likeliest, (got, wanted))
        self.same, self.rows = self.same + int(((a == b) & (a >= 0)).sum()), self.rows + len(a)
        self.both = self.both or tuple(int(each[0]) if each[0] >= 0 else None for each in (a, b))


@dataclass(slots=True)
class Run:
    """A comparison.

    names : as of `matched_inputs`; groups : of inner values; show : as of `compare`
    """
    ours: Network
    theirs: Network | Arrays
    names: dict[str, str]
    inputs: list[Fed]
    outputs: list[Pair]
    groups: list[list[Pair]]
    classes: Classes
    show: Callable
    step: int = 0

    def go(self) -> None:
        """Of several inputs the scale of all is needed first."""
        several = len(self.inputs) > 1
        if several:
            for number, each in enumerate(self.inputs):
                _, feeds = self._fed(each)
                for pairs in self._all():
                    for pair, value in self._values(self.theirs, pairs, feeds, number):
                        pair.difference.see(value)
        for number, each in enumerate(self.inputs):
            mine, others = self._fed(each)
            for pairs in self._all():
                self._run(pairs, mine, others, number, is_seen=several)

    def _all(self) -> Iterator[list[Pair]]:
        """The pairs that go together, but for those that could not be compared."""
        steps = len(self.inputs) * (1 + len(self.groups)) * (2 if len(self.inputs) > 1 else 1)
        for pairs in (self.outputs, *self.groups):
            self.step += 1
            self.show("step", self.step, steps)
            left = [pair for pair in pairs if not pair.why]
            if left:
                yield left

    def _fed(self, each: Fed) -> tuple[dict, dict]:
        return fed_both(each.feeds(), self.ours, self.theirs, self.names)

    def _values(self, side, pairs: list[Pair], feeds: dict, number: int, like: list | None = None) -> list[tuple]:
        """(pair, value) of those that there are; of the others it is noted why."""
        if not pairs:
            return []
        likes = dict(zip(pairs, like)) if like is not None else {}

        def run(some: list[Pair]) -> list:
            names = [pair.ours if side is self.ours else pair.theirs for pair in some]
            return side.run(names, feeds, number, [likes.get(pair) for pair in some])
        if pairs[0].is_output:
            return [*zip(pairs, run(pairs))]
        found = fetched(run, pairs)
        for pair, value in found:
            if isinstance(value, Error):
                pair.why = str(value)
        return [(pair, value) for pair, value in found if not pair.why]

    def _run(self, pairs: list[Pair], mine: dict, others: dict, number: int, is_seen: bool) -> None:
        got = self._values(self.ours, pairs, mine, number)
        wanted = dict(self._values(self.theirs, [pair for pair, _ in got], others, number, [value for _, value in got]))
        for pair, value in got:
            if pair in wanted:
                self._compare(pair, value, wanted[pair], number, is_seen)

    def _compare(self, pair: Pair, got, wanted, number: int, is_seen: bool) -> None:
        try:
            if not is_seen:
                pair.difference.see(wanted)
            pair.difference.add(got, wanted, number)
        except InputError as error:
            if pair.is_output:
                raise InputError(f"output {pair.name!r} of {self.ours.name}: {error}") from None
            pair.why = str(error)
        if pair.name == self.classes.output and pair.is_output:
            self.classes.add(got, wanted)
