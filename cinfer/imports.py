"""Modules that are imported when they are asked for, by one thread at a time, and not while the process forks.

Whoever asks gets a module that is whole: what one is entered into while another thread is still at it, or what
a signal's handler has ended in the middle, must not be taken for all there is.
"""
from __future__ import annotations

import os
import sys
import threading
from importlib import import_module
from types import ModuleType

LOCK = threading.RLock()                # again in the same thread, for modules import each other


def imported(name: str):
    """The module of this name."""
    with LOCK:
        return import_module(name)


def on_demand(package: str, home: dict[str, str]):
    """The `__getattr__` of a package whose names are in modules of its own. home: the module of each name."""
    def get(name: str):
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(imported(f"{package}.{home[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return get


class Called(ModuleType):
    """A package that may be called: `cinfer.quantize` is the name of a function and of the package that has it."""

    def __call__(self, *arguments, **keywords):
        return getattr(self, self.__name__.rpartition(".")[2])(*arguments, **keywords)


if hasattr(os, "register_at_fork"):     # the thread that imports is not there in the child to come to an end
    os.register_at_fork(before=LOCK.acquire, after_in_parent=LOCK.release, after_in_child=LOCK.release)
