"""Words and numbers for people: sizes, units, progress."""
from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

from ..table import printable

MOST_CHARACTERS = 2000                # of a line: models may hold texts of any length
STDERR = threading.RLock()          # held by whoever writes there, or lets nobody write

def say(text) -> None:
    """One line on stderr; where that cannot be written, for its disk is full, the work goes on."""
    text = str(text)
    if len(text) > MOST_CHARACTERS:
        text = f"{text[:MOST_CHARACTERS // 2]} ... {text[-MOST_CHARACTERS // 4:]}"
    if sys.stderr is not None:
        try:
            with STDERR:
                print(f"cinfer: {printable(text)}", file=sys.stderr, flush=True)
        except OSError:
            drop(sys.stderr)


def drop(stream) -> None:
    """Let what is left in a standard stream go nowhere, or the interpreter's last flush would fail too."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError, AttributeError):
        pass


class Progress:
    """A line on stderr that is rewritten, with the rate and the time that is left; nothing at all where stderr is no
    terminal.

    with Progress("picture", 200) as progress:
        progress.show(17)
    """

    def __init__(self, what: str, total: int | None | Callable[[], int | None] = None):
        """total : None: nobody knows; a function is called where it is of use"""
        self.active = sys.stderr is not None and sys.stderr.isatty()
        if callable(total):
            total = total() if self.active else None
        self.what, self.total, self.active = what, total, self.active and total != 1
        self._begin = time.monotonic()

    def show(self, now: int, left_out: int = 0) -> None:
        """now : the one at work, from 1; left_out : of the total, that are none"""
        total = None if self.total is None else self.total - left_out
        if self.active and (total is None or now <= total):
            with STDERR:
                of_total = "" if total is None else f" of {total}"
                print(f"\r{self.what} {now}{of_total}{self._pace(now, total)}\x1b[K", end="", file=sys.stderr,
                      flush=True)

    def _pace(self, now: int, total: int | None) -> str:
        passed = time.monotonic() - self._begin
        if now < 2 or passed < 1:
            return ""
        rate = (now - 1) / passed
        left = "" if total is None else f", {duration((total - now + 1) / rate)} left"
        return f", {rate:.3g} a second{left}"

    def clear(self) -> None:
        """Before anything else is printed."""
        if self.active:
            with STDERR:
                print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.clear()


def duration(seconds: float) -> str:
    """9 s, 3:05, 1:02:03"""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, seconds = divmod(whole, 60)
    return f"{minutes}:{seconds:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
