"""Arrays in files that NumPy has saved (.npy, .npz), read one by one. What a file says of an array is known before
memory is taken for it, for a small file may unpack to any size; nothing in a file is executed."""
from __future__ import annotations

import os
import warnings
import zipfile
from contextlib import contextmanager
from math import prod

import numpy as np

from .errors import Error, InputError, LimitError
from .ops.limits import MAX_BYTES
from .paths import check_regular, unreadable
from .table import dims, in_units

RIGHT = "arrays that NumPy has saved (.npy, .npz)"
MOST_BYTES = min(2 << 30, MAX_BYTES // 4)       # of one array; an ONNX file cannot hold more either
STEP_BYTES = 1 << 20
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def is_stored(path) -> bool:
    """Does a file begin as arrays of NumPy do? False too where it cannot be read."""
    try:
        if not os.path.isfile(path):
            return False
        with open(path, "rb") as file:
            return file.read(6).startswith((np.lib.format.MAGIC_PREFIX, b"PK\3\4", b"PK\5\6"))
    except (OSError, ValueError):
        return False


class Stored:
    """The arrays of a file.

    path : its name, for messages; names : of the arrays; that of the only one of a .npy file is ""

    Raises InputError for what is none or is damaged, when that is seen: at once, or when an array is asked for.
    """

    def __init__(self, path):
        self.path = os.fspath(path)
        check_regular(path, self.path, RIGHT)
        try:
            self._file = open(path, "rb")
        except OSError as error:
            raise unreadable(self.path, error, RIGHT) from None
        self._zip, self.names, self._facts = None, [""], {}
        try:
            if not is_stored(path):
                raise InputError(f"{self.path} cannot be read as arrays: it is no file of NumPy; right are {RIGHT}")
            if self._file.read(2) == b"PK":
                with self._damage():
                    self._zip = zipfile.ZipFile(self._file)
                    self.names = [name[:-4] for name in dict.fromkeys(self._zip.namelist()) if name.endswith(".npy")]
        except Error:
            self.close()
            raise

    def facts(self, name: str) -> tuple[np.dtype, tuple[int, ...]]:
        """dtype and shape of an array, before it is read."""
        if name not in self._facts:
            with self._opened(name) as stream:
                self._facts[name] = self._header(name, stream)[:2]
        return self._facts[name]

    def read(self, name: str) -> np.ndarray:
        """An array, C-contiguous, in the byte order of this machine. LimitError for one of more than MOST_BYTES."""
        with self._opened(name) as stream:
            dtype, shape, is_fortran = self._header(name, stream)
            flat = np.empty(prod(shape) * dtype.itemsize, np.uint8)
            view, at = memoryview(flat), 0
            while at < len(flat):
                count = stream.readinto(view[at:at + STEP_BYTES])
                if not count:
                    raise ValueError(f"{at} of {len(flat)} bytes are there; is the file cut short?")
                at += count
            if self._zip is not None and stream.read(1):        # which also compares the checksum
                raise ValueError("there are more bytes than its shape has")
            array = flat.view(dtype) if dtype.itemsize else np.zeros(prod(shape), dtype)
            array = array.reshape(shape, order="F" if is_fortran else "C")
            return np.ascontiguousarray(array.astype(dtype.newbyteorder("="), copy=False)).reshape(shape)

    def close(self) -> None:
        if self._zip is not None:
            self._zip.close()
        self._file.close()

    def __enter__(self) -> Stored:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _header(self, name: str, stream) -> tuple[np.dtype, tuple[int, ...], bool]:
        """dtype, shape, whether its first axis is the fastest; the stream stands behind them."""
        version = np.lib.format.read_magic(stream)
        if version not in HEADERS:
            raise ValueError(f"it is of format {version[0]}.{version[1]}, that of structures; right are plain numbers")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")                 # of headers that Python 2 has written
                shape, is_fortran, dtype = HEADERS[version](stream)
        except MemoryError:                                     # the parser's, of a thousand brackets
            raise ValueError("its header is none of NumPy's") from None
        if dtype.hasobject or dtype.fields or dtype.subdtype:
            raise InputError(f"{self._where(name)} holds {'Python objects' if dtype.hasobject else 'structures'}, "
                             "which are not read; right are plain numbers")
        if len(shape) > 64 or any(d < 0 for d in shape):
            raise ValueError(f"no array has the shape {dims(shape)[:80]}")
        if prod(shape) * max(dtype.itemsize, 1) > MOST_BYTES:
            raise LimitError(f"{self._where(name)} is {dtype} {dims(shape)}; at most {in_units(MOST_BYTES, 'B')} are "
                             "read")
        return dtype, shape, is_fortran

    @contextmanager
    def _opened(self, name: str):
        with self._damage(name):
            if self._zip is None:
                self._file.seek(0)
                yield self._file
            else:
                with self._zip.open(f"{name}.npy") as stream:
                    yield stream

    @contextmanager
    def _damage(self, name: str = ""):
        """What is wrong with a file, in one line. Its bytes may be anything, and zipfile, zlib, lzma and NumPy each
        have errors of their own for that."""
        try:
            yield
        except Error:
            raise
        except MemoryError:
            raise LimitError(f"{self._where(name)}: there is not enough memory to read it") from None
        except Exception as error:
            text = str(error).partition("\n")[0][:200] or type(error).__name__
            raise InputError(f"{self._where(name)} cannot be read: {text}; right are {RIGHT}") from None

    def _where(self, name: str) -> str:
        return f"{self.path}: array {name!r}" if name else self.path
