"""Files that cinfer writes: whole or not at all."""
from __future__ import annotations

import os
import stat
from contextlib import contextmanager

from ..errors import InputError


def check_writable(path: str, flag: str) -> None:
    """InputError before the work, not after it, unless the folder is writable and the name free or a file."""
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.basename(path) or os.path.isdir(path):
        raise InputError(f"{flag} {path}: that is a folder; name a file")
    if not os.path.isdir(folder):
        raise InputError(f"{flag} {path}: there is no folder {os.path.dirname(path)}")
    if os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode):
        raise InputError(f"{flag} {path}: that is no regular file")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{flag} {path}: no permission to write in its folder")


def check_folder(path: str, flag: str) -> None:
    """Make the folder if it is not there; InputError unless files can be written into it."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise InputError(f"{flag} {path}: {error.strerror or error}; name a folder") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise InputError(f"{flag} {path}: no permission to write in it")


@contextmanager
def replacing(path: str, flag: str):
    """A binary file that takes the place of `path` when the block ends well, and vanishes otherwise."""
    check_writable(path, flag)
    path = os.path.realpath(path)                       # a link stays a link
    temporary = os.path.join(os.path.dirname(path), f".cinfer-{os.getpid()}-{os.urandom(4).hex()}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
        os.replace(temporary, path)
    except BrokenPipeError:                             # stdout's, not the file's
        raise
    except OSError as error:
        raise InputError(f"{flag} {path}: {error.strerror or error}") from None
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


class Arrays:
    """Arrays written one by one into an .npz file, so that only one result is in memory at a time."""

    def __init__(self, file):
        import zipfile
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED)

    def add(self, name: str, array) -> None:
        import numpy as np
        if not isinstance(array, np.ndarray) or array.dtype.hasobject:
            raise InputError(f"--save: output {name!r} is no array of numbers; an .npz file cannot hold it")
        with self._zip.open(f"{name}.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array(member, array, allow_pickle=False)

    def close(self) -> None:
        self._zip.close()
