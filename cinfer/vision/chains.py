"""Models one after the other: `cinfer run faces.onnx+mesh.onnx photo.jpg`. What they are together is told by what each
is.

A chain is a module here with

    chain(sessions, flags, options, labels)
                        -> what reads pictures as a Reader does (prepare, finish, read, words, recipe, options), or
                           None: these are none of its
    RIGHT               the models it takes, for people
"""
from __future__ import annotations

import os
import time

from ..errors import InputError
from ..imports import imported

CHAINS = ("text_chain", "pairs", "cascade")


def split(text: str) -> list[str]:
    """The files of an argument: with a + between them where there is no file of the whole name, but one of the first. A
    name alone is looked for beside the first file too."""
    first, *others = text.split("+")
    if not others or os.path.exists(text) or not os.path.exists(first):
        return [text]
    if "" in others:
        raise InputError(f"{text}: a model is missing beside a +; right is FIRST.onnx+SECOND.onnx")
    beside = os.path.dirname(first)
    return [first, *(name if os.path.exists(name) or os.path.dirname(name) else os.path.join(beside, name)
                     for name in others)]


def reader_of(sessions, flags=None, options=None, labels=None):
    """A Reader of one session, or the chain of several.

    flags, options, labels : as of Reader; of a chain the flags say how the first model is fed, options and labels what
        the last answer is

    Raises
    ------
    InputError : the models make no chain that is known
    """
    from .reader import Reader
    if len(sessions) == 1:
        return Reader(sessions[0], flags, options, labels)
    modules = [imported(f"{__package__}.{name}") for name in CHAINS]
    for module in modules:
        found = module.chain(sessions, flags, options, labels)
        if found is not None:
            return found
    tasks = " + ".join(Reader(session).words.task or "no known task" for session in sessions)
    raise InputError(f"these models are {tasks}; right is {' or '.join(module.RIGHT for module in modules)}")


class Share:
    """What the runs of a chain for one picture have: threads each, and time together. stop, timeout : as of
    Reader.finish; who ends such a stop does not end these runs"""

    def __init__(self, stop, timeout: float | None):
        self._threads = None if stop is None else stop.threads
        self._end = None if timeout is None else time.monotonic() + timeout

    def stop(self):
        """For one session: a Stop is of one alone."""
        from ..run.pool import Stop
        return None if self._threads is None else Stop(self._threads)

    def left(self) -> float | None:
        return None if self._end is None else max(1e-9, self._end - time.monotonic())

    def run(self, session, feeds: dict) -> list:
        if self._threads is None and self._end is None:
            return session.run(None, feeds)
        return session._run_until(self.stop(), None, feeds, self.left())


class Origins:
    """What each model of a chain was told by, for people. readers : role -> Reader"""

    def __init__(self, readers: dict):
        self.readers = readers

    def origin(self) -> str:
        return ", ".join(f"{role} by {reader.words.origin()}" for role, reader in self.readers.items())
