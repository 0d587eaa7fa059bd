"""Files that a user names: what is said of one that cannot be read; how one is written, whole or not at all."""
from __future__ import annotations

import os
import stat
from contextlib import contextmanager

from .errors import InputError


def unreadable(name: str, error: OSError | ValueError, right: str) -> InputError:
    """The error of a file that could not be opened. name : its path, for the message; right : what to name instead"""
    name = name if name.isprintable() else repr(name)
    if isinstance(error, FileNotFoundError):
        fetched = "nothing is fetched from the web" if name.startswith(("http://", "https://")) else "no such file"
        return InputError(f"{name}: {fetched}; name {right}")
    if isinstance(error, IsADirectoryError):
        return InputError(f"{name} is a folder; name {right}")
    return InputError(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}")


def check_regular(path, name: str, right: str, pipes: bool = False) -> None:
    """InputError unless a regular file is there: a device may never end, and a pipe, unless `pipes`. The rest as of
    `unreadable`."""
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError
    except (OSError, ValueError) as error:
        raise unreadable(name, error, right) from None
    if not stat.S_ISREG(mode) and not (pipes and stat.S_ISFIFO(mode)):
        raise InputError(f"{name} is no regular file; name {right}")


@contextmanager
def replacing(path: str):
    """A binary file that takes the place of `path` when the block ends well, and vanishes otherwise. Raises OSError,
    whose filename is `path`."""
    place = os.path.realpath(path)                      # a link stays a link
    temporary = os.path.join(os.path.dirname(place), f".cinfer-{os.getpid()}-{os.urandom(4).hex()}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
        os.replace(temporary, place)
    except OSError as error:
        if error.filename == temporary:                 # nobody knows it by this name
            error.filename, error.filename2 = os.fspath(path), None
        raise
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
