"""Files that a user names to be read: what is said of one that cannot be."""
from __future__ import annotations

import os
import stat

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
