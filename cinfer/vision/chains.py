"""Models one after the other: `cinfer run faces.onnx+mesh.onnx photo.jpg`. What they are together is told by what each
is.

A chain is a module here with

    chain(sessions, flags, options, labels)
                        -> what reads pictures as a Reader does (prepare, finish, read, words, recipe), or None: these
                           are none of its
    RIGHT               the models it takes, for people
"""
from __future__ import annotations

import os

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


class Origins:
    """What each model of a chain was told by, for people. readers : role -> Reader"""

    def __init__(self, readers: dict):
        self.readers = readers

    def origin(self) -> str:
        return ", ".join(f"{role} by {reader.words.origin()}" for role, reader in self.readers.items())
