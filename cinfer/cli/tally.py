"""What became of many pictures: counted while they are done, said at the end."""
from __future__ import annotations

import os
import time

from .text import counted, duration, say

MOST_NAMED = 20                     # pictures that could not be read, named at the end


class Tally:
    """done, left_out : how many were answered, and how many were there already; bad : names of those that could not be
    read; last : the name of the last one that was answered, or failed"""

    def __init__(self, expect: str | None):
        self.expect, self.is_there = expect, False
        self.done = self.left_out = 0
        self.bad: list[str] = []
        self.last = ""
        self.seconds = [0.0, 0.0, 0.0]
        self._begin = 0.0               # of the first picture, not of the loading or of a camera's connecting

    def missing(self, sources, place):
        """Those of which nothing is in its place yet. place : of a source, where what is made of it goes"""
        for source in sources:
            if os.path.exists(place(source)):
                self.left_out += 1
            else:
                yield source

    def add(self, name: str, reading) -> None:
        """Once all that is made of it is written."""
        if not self.done:
            self._begin = time.monotonic() - sum(reading.seconds)
        self.seconds = [a + b for a, b in zip(self.seconds, reading.seconds)]
        self.is_there = self.is_there or self.expect is not None and reading.answer.shows(self.expect)
        self.done, self.last = self.done + 1, name

    def failed(self, name: str) -> None:
        self.bad.append(name)
        self.last = name

    @property
    def seen(self) -> int:
        return self.done + len(self.bad)

    def say(self) -> None:
        if self.done:
            passed = max(time.monotonic() - self._begin, 1e-3)
            ready, ran, decoded = (1e3 * s / self.done for s in self.seconds)
            say(f"{counted(self.done, 'picture')} in {duration(passed)}, {self.done / passed:.3g} a second; each: "
                f"prepared in {ready:.1f} ms, network {ran:.1f} ms, answer {decoded:.1f} ms")
        if self.left_out:
            say(f"{counted(self.left_out, 'picture')} left out: already there")
        if self.bad:
            say(f"{counted(len(self.bad), 'picture')} could not be read: {some(self.bad)}")

    def status(self) -> int:
        if self.bad:
            return 2
        return 1 if self.expect is not None and not self.is_there and (self.done or not self.left_out) else 0


def some(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
