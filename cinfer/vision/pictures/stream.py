"""Picture files one after another, as cameras and ffmpeg write them into a pipe: JPEG (MJPEG, also with the headers of
multipart/x-mixed-replace between), PNG, PPM and PGM.

Where one ends is told by its format: a JPEG's thumbnail has an end marker too.
"""
from __future__ import annotations

import os
import re
from collections.abc import Iterator
from select import select

from ...errors import InputError, LimitError
from .jpeg_end import END_OF_IMAGE, MARKER, NO_LENGTH, START_OF_SCAN

CHUNK = 1 << 16
MOST_BYTES = 1 << 30                # of one picture
TICK = 0.1                          # seconds after which it is looked whether the end has come
MOST_BETWEEN = 4096                 # of what stands between two
STARTS = re.compile(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|P[56]\s")
TEXT = re.compile(rb"[\x00\t\n\r\x20-\x7e]*")
NETPBM = re.compile(rb"P([56])(?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,5})\s")
SOI, APP2 = 0xD8, 0xE2


class Stream:
    """An iterator of bytes, each a picture file, of a binary file that need not be seekable."""

    def __init__(self, file):
        self._file, self._held, self._waiting, self._ended = file, bytearray(), None, False
        self._begun = False
        self._read = getattr(file, "read1", file.read)
        try:
            select([file.fileno()], [], [], 0)
            self._number: int | None = file.fileno()
        except (AttributeError, OSError, ValueError):   # no file of the system's
            self._number = None

    def is_one(self) -> bool:
        """Does only one picture, or something else, come? Waits for the beginning of a second one."""
        if self._waiting is None:
            self._waiting = self._next()
        return not self._to_start()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        found, self._waiting = self._waiting, None
        found = found or self._next()
        if not found:
            raise StopIteration
        return found

    def _more(self) -> bool:
        if self._ended:
            return False
        if len(self._held) > MOST_BYTES:
            raise LimitError(f"standard input: a picture of more than {MOST_BYTES >> 30} GB")
        try:
            data = self._read(CHUNK) if self._number is None else self._read_or_end()
        except OSError as error:
            raise InputError(f"standard input cannot be read: {error.strerror or error}") from None
        self._held += data
        self._ended = not data
        return bool(data)

    def _read_or_end(self) -> bytes:
        """Waits for more, but not longer than until `end`: a thread that waits within Python's own buffers could not be
        left when the program ends."""
        while not self._ended:
            if select([self._number], [], [], TICK)[0]:
                return os.read(self._number, CHUNK)
        return b""

    def end(self) -> None:
        """Of any thread: nothing more is read."""
        self._ended = True

    def _to_start(self) -> bool:
        """Go on to where a picture begins; False where none does: then what is left stays."""
        while True:
            found = STARTS.search(self._held)
            between = self._held[:found.start()] if found else self._held[:-8]
            if len(between) > MOST_BETWEEN or not TEXT.fullmatch(between):
                return False
            if found:
                del self._held[:found.start()]
                return True
            if not self._more():
                return False

    def _next(self) -> bytes:
        """The next picture; whatever comes first, if it is of no kind known here, whole; empty at the end."""
        is_first, self._begun = not self._begun, True
        while is_first and len(self._held) < 8 and self._more():
            pass
        held = self._held
        begins = STARTS.match(held) is not None
        if not begins and is_first and not held.lstrip().startswith(b"--"):
            return self._all()
        if not begins and not self._to_start():
            held.clear()
            return b""
        if held[0] == 0xFF:
            return self._taken(self._jpeg())
        return self._taken(self._png() if held[0] == 0x89 else self._netpbm())

    def _taken(self, count: int) -> bytes:
        found = bytes(self._held[:count])
        del self._held[:count]
        return found

    def _all(self) -> bytes:
        while self._more():
            pass
        return self._taken(len(self._held))

    def _has(self, count: int) -> bool:
        while len(self._held) < count:
            if not self._more():
                return False
        return True

    def _jpeg(self) -> int:
        """Where the JPEG ends that begins here: after its end marker, before the next one's start, or at the very end.
        https://www.w3.org/Graphics/JPEG/itu-t81.pdf, B.1"""
        held, at = self._held, 2
        while True:
            found = MARKER.search(held, at)
            if found is None:
                at = max(at, len(held) - 1)
                if not self._more():
                    return len(held)
                continue
            at, kind = found.end(), found[1][0]
            if kind == END_OF_IMAGE:
                return at
            if kind == SOI and self._has(at + 1) and held[at] == 0xFF:
                return at - 2
            if kind in NO_LENGTH:
                continue
            if not self._has(at + 6):
                return len(held)
            size = int.from_bytes(held[at:at + 2], "big")
            if kind == APP2 and held[at + 2:at + 6] == b"MPF\0":        # several in one file, the first is the picture
                while self._more():
                    pass
                return len(held)
            if kind == START_OF_SCAN or not self._has(at + size):
                continue
            at += size

    def _png(self) -> int:
        """https://www.w3.org/TR/png-3/#5DataRep"""
        at = 8
        while self._has(at + 8):
            size, kind = int.from_bytes(self._held[at:at + 4], "big"), bytes(self._held[at + 4:at + 8])
            at += size + 12
            if not self._has(at) or kind == b"IEND":
                break
        return min(at, len(self._held))

    def _netpbm(self) -> int:
        """https://netpbm.sourceforge.net/doc/ppm.html"""
        self._has(512)
        found = NETPBM.match(self._held)
        if not found:
            return len(self._held)
        kind, width, height, most = map(int, found.groups())
        count = found.end() + width * height * (3 if kind == 6 else 1) * (2 if most > 255 else 1)
        self._has(count)
        return min(count, len(self._held))
