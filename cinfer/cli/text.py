"""What is said to people on stderr: lines, progress; and numbers in words."""
from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager, nullcontext

from ..table import printable

MOST_CHARACTERS = 2000                # of a line: models may hold texts of any length
STDERR = threading.RLock()          # held by whoever writes there, or lets nobody write
TIFF = b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"       # of what libtiff says something on stderr by itself
PACE = 0.1                          # seconds between two states of a Progress


def say(text) -> None:
    """One line on stderr."""
    text = str(text)
    if len(text) > MOST_CHARACTERS:
        text = f"{text[:MOST_CHARACTERS // 2]} ... {text[-MOST_CHARACTERS // 4:]}"
    to_stderr(f"cinfer: {printable(text)}")


def to_stderr(text: str) -> None:
    """Where that cannot be written, for its disk is full, the work goes on."""
    if sys.stderr is not None:
        try:
            with STDERR:
                print(text, file=sys.stderr, flush=True)
        except OSError:
            drop(sys.stderr)


def tell(report, output: str, as_json: bool) -> None:
    """What was written to `output`: the report on stdout, and what it comes to in a line on stderr. Where the file went
    to stdout, all of it on stderr."""
    if as_json:
        import json
        print(json.dumps(report.data() | {"output": output}, indent=1))
    else:
        show(report.lines(), output)
    say_written(output, report.summary())


def show(lines: list[str], output: str) -> None:
    """Lines beside a file: on stdout, unless that has the file."""
    (to_stderr if output == "-" else print)("\n".join(lines))


def say_written(output: str, text: str) -> None:
    """What a written file is, in a line on stderr."""
    say(f"{'standard output' if output == '-' else output}: {text}")


def say_precision(session, asked: str) -> None:
    """Where another precision is in use than was asked for: which, and why."""
    if session.precision != asked:
        say(f"precision: {session.precision_note}")


def bf16_of(data: dict) -> str:
    """Behind the level, of what is computed in another precision than usual."""
    return ", bf16" if data["precision"] == "bf16" else ""


def hint(text: str) -> None:
    """What may help a person: nothing where stderr is no terminal."""
    if sys.stderr is not None and sys.stderr.isatty():
        say(text)


def quiet_libtiff(head: bytes):
    """A block in which a picture that begins so is decoded. Not of others: one block at a time is without stderr."""
    return without_stderr() if head[:4] in TIFF else nullcontext()


@contextmanager
def without_stderr():
    """What libraries of C print in such a block goes nowhere; nobody else writes there meanwhile."""
    with STDERR:
        kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nothing, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nothing)


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

    def __init__(self, what: str, total: int | None = None):
        self.what, self.total = what, total
        self.active = (total is None or total > 1) and is_terminal(sys.stderr)
        self._with_lines = is_terminal(sys.stdout)      # which come between
        self._first, self._shown = None, 0.0

    def count(self, total) -> None:
        """Find out beside the work how many there are. total : a function that says it, or None"""
        def find():
            self.total = total()
        if self.active:
            threading.Thread(target=find, name="cinfer-count", daemon=True).start()

    def show(self, number: int, before: int = 0) -> None:
        """The one that is begun, from 1; before : how many of them were done earlier, and took no time"""
        now, done = time.monotonic(), number - 1 - before
        if self._first is None and done > 0:            # what comes before it, a camera's connecting, is no pace
            self._first = done, now
        is_there = self.total is None or number <= self.total       # after the last one is none
        if self.active and is_there and now - self._shown >= PACE:
            of_total = f" of {self.total}" if self.total else ""
            with STDERR:
                print(f"\r{self.what} {number}{of_total}{self._pace(number, done, now)}\x1b[K", end="",
                      file=sys.stderr, flush=True)
            self._shown = now

    def _pace(self, number: int, done: int, now: float) -> str:
        first, begin = self._first or (0, now)
        if now - begin < 1 or done <= first:
            return ""
        rate = (done - first) / (now - begin)
        left = f", {duration((self.total - number + 1) / rate)} left" if self.total else ""
        return f", {rate:.3g} a second{left}"

    def clear(self) -> None:
        """Before anything else is printed there."""
        if self._shown:
            self._shown = 0.0
            with STDERR:
                print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def make_room(self) -> None:
        """Before a line on standard output, which may be the same terminal."""
        if self._with_lines:
            self.clear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.clear()


class Steps:
    """A Progress for each kind of step, one after the other."""

    def __init__(self):
        self._now = None

    def show(self, what: str, number: int, total: int | None) -> None:
        if self._now is None or (what, total) != (self._now.what, self._now.total):
            self.clear()
            self._now = Progress(what, total)
        self._now.show(number)

    def clear(self) -> None:
        if self._now is not None:
            self._now.clear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.clear()


def is_terminal(stream) -> bool:
    return stream is not None and stream.isatty()


def counted(number: int, what: str) -> str:
    """1 picture, 2 pictures"""
    return f"{number} {what}{'s' * (number != 1)}"


def duration(seconds: float) -> str:
    """0.42 s, 9 s, 3:05, 1:02:03"""
    whole = round(seconds)
    if seconds < 2:
        return f"{seconds:.2g} s"
    if whole < 60:
        return f"{whole} s"
    minutes, seconds = divmod(whole, 60)
    return f"{minutes}:{seconds:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
