"""Where a model's bytes come from: a file (mapped, never copied), memory, or an open file."""
from __future__ import annotations

import errno
import mmap
import os
import stat

from ..errors import InputError, ModelError

# How other files begin that get mistaken for models
FOREIGN = (
    (b"\x89PNG\r\n", "a PNG picture"), (b"\xff\xd8\xff", "a JPEG picture"), (b"GIF8", "a GIF picture"),
    (b"RIFF", "a RIFF file (WebP, WAV)"),
    (b"PK\x03\x04", "a zip archive (PyTorch's .pt files are such); export it to ONNX"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"), (b"\x89HDF", "an HDF5 file (Keras); export it to ONNX"),
    (b"version https://git-lfs", "a Git LFS pointer; fetch the file itself with 'git lfs pull'"),
    (b"<!DOCTYPE", "a web page"), (b"<html", "a web page"), (b"%PDF", "a PDF document"),
    (b"\x80\x02", "a Python pickle (PyTorch); export it to ONNX"), (b"\x7fELF", "a program or library"),
)


def content(source):
    """The bytes of a model, and where it lies.

    Returns
    -------
    (data, path) : bytes or a read-only mapping; path is None when the model is not read from a path

    Raises
    ------
    InputError : nothing there that can be read
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source), None
    if hasattr(source, "read"):
        try:
            data = source.read()
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read the file object: {error}") from None
        if isinstance(data, (bytes, bytearray, memoryview)):
            return bytes(data), None
        raise InputError(f"the file object gives {type(data).__name__}; open it with mode 'rb'")
    try:
        path = os.fsdecode(source)
    except TypeError:
        raise InputError(f"cannot load a {type(source).__name__}; "
                         "give a path, bytes or a binary file") from None
    try:
        return mapped(path), path
    except FileNotFoundError:
        raise InputError(f"no such file: {path}") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; give a model file") from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path!r}: {getattr(error, 'strerror', None) or error}") from None


def mapped(path: str, flags: int = 0):
    """A file's content as a read-only mapping (b"" for an empty file). It lives as long as the arrays that
    look into it; the file must not be cut short meanwhile. Raises OSError, ValueError."""
    # A pipe that nobody writes to would block open() for ever; only regular files are read
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
                     | getattr(os, "O_CLOEXEC", 0) | flags)
    try:
        status = os.fstat(handle)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder", path)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", path)
        if status.st_size == 0:
            return b""
        return mmap.mmap(handle, 0, access=mmap.ACCESS_READ)
    finally:
        os.close(handle)


def foreign(data) -> str | None:
    """What a file that is no ONNX model is, where its first bytes tell."""
    head = bytes(data[:32])
    if head[4:8] == b"TFL3":
        return "a TensorFlow Lite model; convert it to ONNX"
    return next((kind for magic, kind in FOREIGN if head.startswith(magic)), None)


class Beside:
    """The files of external data beside a model; each is mapped once."""

    def __init__(self, path: str | None):
        self.folder = None if path is None else os.path.realpath(os.path.dirname(os.path.abspath(path)))
        self.files: dict[str, object] = {}

    def open(self, location: str):
        """The content of the file at `location`, relative to the model. Raises ModelError, also for a
        location outside of the model's folder: a model must not read what its user did not put beside it."""
        data = self.files.get(location)
        if data is None:
            data = self.files[location] = self._open(location)
        return data

    def _open(self, location: str):
        if self.folder is None:
            raise ModelError(f"its data is in the file {location!r}; "
                             "load a model with external data by its path")
        if not location:
            raise ModelError("its data is in a file that is not named (external_data has no location)")
        try:
            if os.path.isabs(location) or ".." in location.replace("\\", "/").split("/"):
                raise ModelError(f"its data is in {location!r}; only files in the model's folder are read")
            path = os.path.realpath(os.path.join(self.folder, location))
            if os.path.commonpath((self.folder, path)) != self.folder:
                raise ModelError(f"its data is in {location!r}, a link that leads out of the model's folder; "
                                 "put the file itself beside the model")
            return mapped(path, getattr(os, "O_NOFOLLOW", 0))
        except FileNotFoundError:
            raise ModelError(f"its data is in {location!r}, which is not beside the model") from None
        except (OSError, ValueError) as error:
            raise ModelError(f"its data is in {location!r}, which cannot be read: "
                             f"{getattr(error, 'strerror', None) or error}") from None
