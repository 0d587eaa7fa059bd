"""Files that cinfer writes: whole or not at all."""
from __future__ import annotations

import os
import stat
import sys
from contextlib import contextmanager

from .. import paths
from ..errors import InputError


STDOUT = "-"                        # as the name of a file that is written
WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def check_named(path: str, flag: str) -> None:
    """InputError where what is written has to be a file of a name."""
    if path == STDOUT:
        raise InputError(f"{flag} -: this is not written to standard output; name a file (./- is one of that name)")


def check_writable(path: str, flag: str) -> None:
    """InputError before the work, not after it, unless the folder is writable and the name free or a file."""
    check_named(path, flag)
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.basename(path) or os.path.isdir(path):
        raise InputError(f"{flag} {path}: that is a folder; name a file")
    if not os.path.isdir(folder):
        raise InputError(f"{flag} {path}: there is no folder {os.path.dirname(path)}")
    if os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode):
        raise InputError(f"{flag} {path}: that is no regular file")
    # replacing it needs no permission, but its owner says no, also to root, who is asked for none
    if os.path.exists(path) and not (os.access(path, os.W_OK) and os.stat(path).st_mode & WRITABLE):
        raise InputError(f"{flag} {path}: no permission to write over it")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{flag} {path}: no permission to write in its folder")


def check_folder(path: str, flag: str) -> None:
    """Make the folder if it is not there; InputError unless files can be written into it."""
    try:
        os.makedirs(path, exist_ok=True)
    except FileExistsError:
        raise InputError(f"{flag} {path}: that is a file; name a folder") from None
    except OSError as error:
        raise InputError(f"{flag} {path}: {error.strerror or error}; name a folder") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise InputError(f"{flag} {path}: no permission to write in it")


class Places:
    """Where in a folder the answers of pictures go, named as the pictures are: never over what is read, nor one over
    another's.

    path : the folder; is made. ending : of all; None: the pictures' own, or .png where that is none that is written
    read : real paths of files in it that are read
    """

    def __init__(self, path: str, ending: str | None, read: set[str]):
        check_folder(path, "-o")
        self.path, self._ending, self._read = path, ending, read
        self._taken: dict[int, int] = {}                # path -> whose it is, by their hashes: there may be millions

    def of(self, source: str) -> str:
        """The path for a source. Of two that would have one, the second gets a number."""
        from ..vision.answers.encode import FORMATS
        within = getattr(source, "within", None) or os.path.basename(str(source))
        stem, ending = os.path.splitext("standard input" if source == "-" else within)
        ending = self._ending or (ending if ending.lower() in FORMATS else ".png")
        path, number = os.path.join(self.path, stem + ending), 1
        if hasattr(source, "frame"):                    # of a video: there is one of each number, and there are many
            return path
        while self._taken.setdefault(hash(path), hash(str(source))) != hash(str(source)):
            number += 1
            path = os.path.join(self.path, f"{stem}-{number}{ending}")
        check_not_read(path, source, "-o")
        return path

    @contextmanager
    def replacing(self, source: str):
        """(the path, a binary file that becomes it)"""
        path = self.of(source)
        if self._read and os.path.realpath(path) in self._read:
            raise InputError(f"-o {path}: that would overwrite what is read; name another folder")
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        except OSError as error:
            raise InputError(f"-o {os.path.dirname(path)}: {error.strerror or error}") from None
        with replacing(path, "-o") as file:
            yield path, file


def check_place(path: str, reads: list[str], flag: str) -> None:
    """InputError before the work unless the file can be written, over none of those that are read: files, and pictures
    in folders, patterns and lists."""
    check_writable(path, flag)
    for read in reads:
        check_not_read(path, read, flag)
    if not os.path.exists(path):
        return
    from ..vision.pictures.listed import ENDINGS
    if os.path.splitext(path)[1].lower() in ENDINGS:
        for read in reads:
            for picture in pictures_at(read):
                check_not_read(path, picture, flag)


def check_not_picture(path: str, flag: str, right: str) -> None:
    """InputError for the name of a picture: it is one that was meant to be read. right : what is written"""
    from ..vision.pictures.listed import ENDINGS
    ending = os.path.splitext(path)[1]
    if ending.lower() in ENDINGS:
        raise InputError(f"{flag} {path}: {ending} is the ending of a picture; name {right}")


def pictures_at(name: str):
    """The pictures that a name stands for, below folders too; none where it stands for none, which others say."""
    import warnings
    from ..vision.pictures.listed import pictures_of
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield from pictures_of([name], recursive=True)
    except InputError:
        return


def check_not_weights(path: str, source, flag: str) -> None:
    """InputError where what is written would replace a file with the weights of a model, a model.source.Source that
    has been loaded."""
    for each in source.beside.locations():
        check_not_read(path, os.path.join(source.beside.folder, each), flag)


def check_model_place(path: str, reads: list[str], as_json: bool) -> None:
    """As check_place, of a model: - is standard output, which has nothing else then. as_json : does --json go there?"""
    if path != STDOUT:
        check_place(path, reads, "-o")
        check_not_picture(path, "-o", "a model, as mine.onnx")
    elif as_json:
        raise InputError("-o - and --json both write to standard output; name a file for one of them")
    elif sys.stdout is None or sys.stdout.isatty():
        raise InputError("-o -: a model is no text for a terminal; name a file, or hand it on: > FILE")


def check_not_read(path: str, read: str, flag: str) -> None:
    """InputError where what is written would replace what is read."""
    if os.path.exists(path) and os.path.exists(read) and os.path.samefile(path, read):
        raise InputError(f"{flag} {path}: that would overwrite what is read; name another file")


@contextmanager
def model_file(path: str):
    """As `replacing`, of -o; - is standard output."""
    if path != STDOUT:
        with replacing(path, "-o") as file:
            yield file
        return
    sys.stdout.flush()
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()


@contextmanager
def replacing(path: str, flag: str):
    """A binary file that takes the place of `path` when the block ends well, and vanishes otherwise."""
    check_writable(path, flag)
    try:
        with paths.replacing(path) as file:
            yield file
    except BrokenPipeError:                             # stdout's, not the file's
        raise
    except OSError as error:
        raise InputError(f"{flag} {path}: {error.strerror or error}") from None


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
