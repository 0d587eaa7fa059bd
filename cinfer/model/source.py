"""Where a model's bytes come from: memory, an open file, or files that are watched while the model lives.

Small files are copied into memory. A larger one is mapped, so that its weights are read when they are needed,
and watched: what writes over it in place must not change a model that is in use.
"""
from __future__ import annotations

import errno
import mmap
import os
import stat
import time

from ..errors import InputError, ModelError, an
from ..paths import unreadable

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

MOST_COPIED = 4 << 20           # bytes of a model's files that are copied: under 1 ms, 1 % of any load
SAMPLES, SAMPLE_BYTES = 16, 4096
NOT_HERE = ("no such file here; a session that was loaded from a path is pickled by it: put the file there, or load it "
            "from bytes")
TICK_NS = 20_000_000            # file systems count time in ticks of the kernel: 1 to 10 ms


class Source:
    """The bytes of one model and of its external data; it can be read again, and is the same model then.

    origin : the absolute path or the bytes, from which another process can load it; identity() tells it that the files
        are still these
    data : the model's bytes, or a read-only mapping of its file
    path : None when the model is not read from a path
    check : raises ModelError if a file that is still read has been written over since; one fstat for each
    """
    __slots__ = ("origin", "data", "path", "beside", "check", "_files")

    def __init__(self, source, identity: tuple = ()):
        """source : path, bytes-like object or binary file object; identity : of another Source, whose files these have
        to be: ModelError as soon as one is read that is not. Raises InputError."""
        self._files = files = Files(identity)
        self.check = files.check
        content = from_memory(source)
        if content is not None:
            self.origin = self.data = content
            self.path, self.beside = None, Beside(None)
            return
        self.path = os.fsdecode(source)
        if not self.path:
            raise InputError("the path of the model is empty; name an ONNX model")
        try:
            self.origin = os.path.abspath(self.path)        # for a process in another folder
            handle = os.open(self.path, FLAGS)
            status = os.fstat(handle)
            self.data = files.content(handle, self.path)
            self.beside = Beside(self.path, status, files)
        except (OSError, ValueError) as error:
            raise unreadable(named(self.path), error, "an ONNX model") from None

    def close(self) -> None:
        """Forget the bytes and the files; arrays that were read go on."""
        self.data = self.origin = b""
        self._files = Files()
        self.beside, self.check = Beside(None), self._files.check

    def identity(self) -> tuple:
        """What another process tells these files by, of each that was read: see `Read`. All of them are read once for
        that. Raises ModelError where one has been written over since."""
        self.check()
        return tuple(file.identity() for file in self._files.read)


def from_memory(source) -> bytes | None:
    """The model's bytes, unless `source` is a path. Raises InputError for what is no source at all."""
    if isinstance(source, bytes):
        return source
    if isinstance(source, (str, os.PathLike)):
        return None
    kind = an(type(source))
    if callable(getattr(source, "SerializeToString", None)):
        raise InputError(f"cannot load {kind}; pass its bytes: model.SerializeToString()")
    if callable(getattr(source, "read", None)):
        try:
            source = source.read()
        except UnicodeDecodeError:
            raise InputError("the file object gives text; open it with mode 'rb'") from None
        except (OSError, ValueError) as error:          # closed, or not open for reading
            raise InputError(f"cannot read the file object: {' '.join(str(error).split())}") from None
        if isinstance(source, (bytes, bytearray, memoryview)):
            return bytes(source)
        raise InputError(f"the file object gives {type(source).__name__}; open it with mode 'rb'")
    try:
        content = memoryview(source)                    # not bytes(source): bytes(10**12) is a lot of zeros
    except (TypeError, ValueError):
        raise InputError(f"cannot load {kind}; give a path, bytes or a binary file") from None
    return content.tobytes()


def named(path: str) -> str:
    """A path for a message: in quotes where it would not be one plain word."""
    path = path if len(path) <= 200 else f"...{path[-180:]}"
    return path if path.isprintable() and path == path.strip() else repr(path)


def foreign(data) -> str | None:
    """What a file that is no ONNX model is, where its first bytes tell."""
    head = bytes(data[:32])
    if head[4:8] == b"TFL3":
        return "a TensorFlow Lite model; convert it to ONNX"
    return next((kind for magic, kind in FOREIGN if head.startswith(magic)), None)


# ---- the content of files

# A pipe that nobody writes to would block open() for ever; only regular files are read
FLAGS = (os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
         | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0))
FOLDER_FLAGS = (getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0)
                | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0))


class Read:
    """A file that was read. Two of the same `stamp` are one file, unchanged; of others the content tells."""
    __slots__ = ("stamp", "_data", "_digest")

    def __init__(self, status: os.stat_result, data):
        self.stamp, self._data, self._digest = stamp(status), data, b""

    def identity(self) -> tuple:
        """(stamp, digest)"""
        if not self._digest:
            import hashlib                              # which loads OpenSSL
            self._digest = hashlib.blake2b(self._data, digest_size=20).digest()
            if isinstance(self._data, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
                self._data.madvise(mmap.MADV_DONTNEED)          # its pages come again when they are needed
        return self.stamp, self._digest

    def is_the(self, other: tuple) -> bool:
        """other : an identity"""
        (*_, size, _, _), digest = other
        return self.stamp == other[0] or size == self.stamp[2] and digest == self.identity()[1]


class Files:
    """The files of one model.

    read : a Read of each, in the order in which they were opened, which the model's content decides
    """
    __slots__ = ("read", "_expected", "_copied", "_watched")

    def __init__(self, expected: tuple = ()):
        """expected : identities; () for any files"""
        self.read: list[Read] = []
        self._expected, self._copied = expected, 0
        self._watched: list[Watched] = []

    def check(self) -> None:
        for file in self._watched:
            file.check()

    def content(self, handle: int, path: str):
        """The content of an open file: bytes, or a mapping that is watched from now on. Takes the handle.
        Raises OSError, ValueError, and ModelError where it is another file than expected."""
        file = None
        try:
            status = os.fstat(handle)
            if stat.S_ISDIR(status.st_mode):
                raise IsADirectoryError(errno.EISDIR, "it is a folder", path)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "it is no regular file", path)
            if self._copied + status.st_size <= MOST_COPIED:
                self._copied += status.st_size
                return self._known(copied(handle, status), status, path)
            age = time.time_ns() - status.st_mtime_ns
            if 0 <= age < TICK_NS:      # a write within this tick of the clock would leave the time as it is
                time.sleep((TICK_NS - age) / 1e9)
            file = Watched(handle, path)
            self._watched.append(file)
            return self._known(file.data, status, path)
        finally:
            if file is None:
                os.close(handle)

    def _known(self, data, status: os.stat_result, path: str):
        """The content, once it is the one expected."""
        number = len(self.read)
        self.read.append(Read(status, data))
        if self._expected and not self.read[-1].is_the(self._expected[number]):
            raise ModelError(f"{named(path)} is another file than the one of the session that was pickled "
                             f"({status.st_size} bytes, that one had {self._expected[number][0][2]}); put the same one "
                             "there, or load it from bytes")
        return data


def copied(handle: int, status: os.stat_result) -> bytes:
    parts, missing = [], status.st_size
    while missing and (part := os.read(handle, missing)):
        parts.append(part)
        missing -= len(part)
    now = os.fstat(handle)
    if missing or (now.st_size, now.st_mtime_ns) != (status.st_size, status.st_mtime_ns):
        raise OSError(errno.EBUSY, "it is being written; load it when it is complete")
    return parts[0] if len(parts) == 1 else b"".join(parts)


class Watched:
    """A mapped file of which one can tell whether its content is still the same.

    What counts is the file itself, not its name: one that is renamed, deleted or replaced by another file
    lives on under the mapping. A new time of writing counts as another content, for reading all of it again
    would be the only proof that it is not. Where only the time of the last change of any kind is new
    (renamed, chmod, a link more or less; but also written and the time set back, as `cp -p` does), samples
    tell.
    """
    __slots__ = ("data", "path", "_handle", "_stamp", "_sample", "_changed")

    def __init__(self, handle: int, path: str):
        self.path, self._changed = path, False
        self._stamp = stamp(os.fstat(handle))
        try:
            self.data = mmap.mmap(handle, 0, access=mmap.ACCESS_READ, trackfd=False)
        except TypeError:               # before Python 3.13 it keeps a descriptor of its own
            self.data = mmap.mmap(handle, 0, access=mmap.ACCESS_READ)
        self._sample = self._samples()
        self._handle = handle           # the last thing: from here on it is closed here

    def check(self) -> None:
        """ModelError if the file was written to."""
        try:
            now = stamp(os.fstat(self._handle))
        except OSError:
            now = ()
        if now == self._stamp and not self._changed:
            return
        # A program that becomes a daemon closes descriptors that it does not know. Then the path is asked;
        # where another file is there, nobody can tell.
        if now[:2] != self._stamp[:2]:
            try:
                now = stamp(os.stat(self.path))
            except OSError:
                return
            if now[:2] != self._stamp[:2]:
                return
        if now[:4] != self._stamp[:4]:
            self._changed = True        # for good: weights may have been packed in between
        elif now != self._stamp:
            self._changed = self._changed or self._samples() != self._sample
            self._stamp = now
        if self._changed:
            raise ModelError(f"{os.path.basename(self.path)} has changed since it was loaded; load it again")

    def _samples(self) -> int:
        """A checksum of some parts, from the first bytes to the last."""
        last = len(self.data) - SAMPLE_BYTES
        starts = [last * i // (SAMPLES - 1) for i in range(SAMPLES)]
        return hash(b"".join(self.data[at:at + SAMPLE_BYTES] for at in starts))

    def __del__(self):
        try:
            if stamp(os.fstat(self._handle))[:2] == self._stamp[:2]:    # else it is somebody else's by now
                os.close(self._handle)
        except (OSError, AttributeError):
            pass


def stamp(status: os.stat_result) -> tuple[int, int, int, int, int]:
    """Which file it is, its size, when it was written, when anything about it changed."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


# ---- external data

class Beside:
    """The files of external data beside a model; each is opened once.

    A model must not read what its user did not put beside it. What counts is where a file really lies, all
    links followed: in the model's folder or below, or in the very folder of the file that the model's own
    name leads to, for caches of downloads make links of both, into one folder.
    """

    def __init__(self, path: str | None, model: os.stat_result | None = None, files: Files | None = None):
        """model : of the opened model file"""
        self.path, self._model, self._files = path, model, files or Files()
        self.folder = None if path is None else os.path.realpath(os.path.dirname(os.path.abspath(path)))
        self._contents: dict[str, object] = {}

    def open(self, location: str):
        """The content of the file at `location`, relative to the model. Raises ModelError, also for a
        location outside."""
        data = self._contents.get(location)
        if data is None:
            data = self._contents[location] = self._open(location)
        return data

    def locations(self) -> list[str]:
        """Of the files that were read."""
        return list(self._contents)

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
            if (os.path.commonpath((self.folder, path)) != self.folder
                    and os.path.dirname(path) != self._folder_of_the_file()):
                raise ModelError(f"its data is in {location!r}, a link that leads out of the model's folder; "
                                 "put the file itself beside the model")
            return self._files.content(open_without_links(path), path)
        except FileNotFoundError:
            raise ModelError(f"its data is in {location!r}, which is not beside the model") from None
        except (OSError, ValueError) as error:
            raise ModelError(f"its data is in {location!r}, which cannot be read: "
                             f"{getattr(error, 'strerror', None) or error}") from None

    def _folder_of_the_file(self) -> str | None:
        """Where the model file really lies; None where its name leads to another one by now."""
        if self._model is None:
            return None
        real = os.path.realpath(self.path)
        try:
            same = os.path.samestat(os.lstat(real), self._model)
        except FileNotFoundError:
            return None
        return os.path.dirname(real) if same else None


def open_without_links(path: str) -> int:
    """A descriptor of the regular file that lies at `path`, which has no links in it: one that takes the
    place of a part of it meanwhile is not followed. Raises OSError."""
    nofollow = getattr(os, "O_NOFOLLOW", 0)
    if os.open not in os.supports_dir_fd or os.stat not in os.supports_dir_fd:
        return os.open(path, FLAGS | nofollow)
    *folders, name = path.split("/")[1:]
    at = os.open("/", FOLDER_FLAGS)
    try:
        for folder in folders:
            inner = os.open(folder, FOLDER_FLAGS, dir_fd=at)
            os.close(at)
            at = inner
        mode = os.stat(name, dir_fd=at, follow_symlinks=False).st_mode
        if not stat.S_ISREG(mode):              # opening a device may do things
            raise OSError(errno.EINVAL, "it is a folder" if stat.S_ISDIR(mode) else "it is no regular file")
        return os.open(name, FLAGS | nofollow, dir_fd=at)
    finally:
        os.close(at)
