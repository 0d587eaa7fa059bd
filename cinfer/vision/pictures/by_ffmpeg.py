"""Videos and cameras read by the program ffmpeg: it writes PPM files one after another, each with its size.

ffmpeg itself turns a phone's pictures upright. It dies with whoever reads: killed at the end, or by its broken pipe.
What it says on stderr is read all the time, by a thread of its own, and the first complaint is kept.
"""
from __future__ import annotations

import re
import subprocess
import threading
import warnings
from collections.abc import Iterator

import numpy as np

from ...errors import InputError
from .decode import check_pixels

HEADER = re.compile(rb"P6\s(\d+)\s(\d+)\s255\s")
MOST_HEADER = 64
PIPE_BYTES = 1 << 20                                    # fewer turns between the two programs
# Each frame once, at its own time: newer versions, and those before 5.1
AS_THEY_COME = ("-fps_mode", "passthrough"), ("-vsync", "passthrough")
RATE = re.compile(r"Video: .*?, ([\d.]+)(k?) fps\b")
MOST_SAID = 300                                         # letters of a complaint
WAIT = 0.5                                              # seconds, for the rate: it is said before the first frame
KEPT = 5                                                # complaints
NO_PICTURES = "there are no pictures in it"
# What ffmpeg, and its libraries, say of a file of another kind, or of a recording that was broken off
NOT_WHOLE = "moov atom not found", "Invalid data found when processing input", "EBML header parsing failed"


class ByFfmpeg:
    """Frames of a video as (number, array). rate : frames a second, where ffmpeg has said it"""

    def __init__(self, place: str, name: str, every: int, seconds: float | None):
        self.name, self.rate = name, None
        self._place, self._every, self._seconds = place, every, seconds
        self._lock, self._ended, self._child = threading.Lock(), False, None

    def frames(self) -> Iterator[tuple[int, np.ndarray]]:
        """Raises InputError where ffmpeg cannot read the source, LimitError where its pictures are too large."""
        for try_number, mode in enumerate(AS_THEY_COME):
            child = self._start(mode)
            if child is None:
                return
            count, said = 0, Said(child.stderr, self)
            try:
                while (pixels := read_ppm(child.stdout, self.name)) is not None:
                    if not count:
                        said.known.wait(WAIT)
                    yield count * self._every, pixels
                    count += 1
                status = child.wait()
            finally:
                end(child, said)
            if count or self._ended:
                last = (count - 1) * self._every
                if status and not self._ended:
                    raise InputError(f"{self.name}: after frame {last}: {self._complaint(said, status)}")
                if said.first() and not self._ended and "://" not in self._place:
                    warnings.warn(f"{self.name}: the video is damaged: {self._complaint(said, status)}; frames up to "
                                  f"{last} were read", stacklevel=2)
                return
            if not (try_number == 0 and said.mentions(mode[0].lstrip("-"))):
                raise InputError(f"{self.name}: {explained(self._complaint(said, status))}")

    def _complaint(self, said: Said, status: int) -> str:
        text = said.first() or (f"ffmpeg ended with status {status}" if status else "ffmpeg found no frame in it")
        return text.replace(f"file:{self._place}", self.name).replace(self._place, self.name)

    def _start(self, mode: tuple[str, str]):
        with self._lock:
            if self._ended:
                return None
            try:
                self._child = subprocess.Popen(
                    command(self._place, self._every, self._seconds, mode), stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, pipesize=PIPE_BYTES,
                    start_new_session=True)             # Ctrl-C is for us; we end it
            except OSError as error:
                raise InputError(f"{self.name}: the program ffmpeg cannot be run: {error.strerror or error}") from None
            return self._child

    def end(self) -> None:
        """Of any thread: whoever reads frames comes to their end."""
        with self._lock:
            self._ended = True
            if self._child is not None:
                self._child.kill()


def explained(text: str) -> str:
    """What ffmpeg said before it gave any frame, in words for people."""
    if "matches no streams" in text:
        return NO_PICTURES
    if any(each in text for each in NOT_WHOLE):
        return f"this is no video, or not a whole one ({text})"
    return text


def command(place: str, every: int, seconds: float | None, mode: tuple[str, str]) -> list[str]:
    """What is run. A file may not lead to the network or to other protocols."""
    if place.startswith("/dev/"):
        source = ["-fflags", "nobuffer", "-f", "v4l2", "-i", place]
    elif "://" in place:
        source = ["-rtsp_transport", "tcp", "-fflags", "nobuffer", "-flags", "low_delay", "-i", place]
    else:
        source = ["-protocol_whitelist", "file", "-i", f"file:{place}"]
    return ["ffmpeg", "-nostdin", "-hide_banner", "-nostats", "-loglevel", "level+info",
            *(["-t", f"{seconds:g}"] if seconds is not None else []), *source, "-map", "0:V:0",
            *(["-vf", rf"select=not(mod(n\,{every}))"] if every > 1 else []),
            *mode, "-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "pipe:1"]


def read_ppm(stream, name: str) -> np.ndarray | None:
    """The next PPM of 8 bits, uint8 (height, width, 3); None at the end, also where one is cut off."""
    line = b""
    while (found := HEADER.fullmatch(line)) is None:
        more = stream.read(1) if len(line) < MOST_HEADER else b""
        if not more:
            if len(line) == MOST_HEADER:
                raise InputError(f"{name}: ffmpeg gave no PPM pictures")
            return None
        line += more
    width, height = int(found[1]), int(found[2])
    check_pixels(width, height, name)
    pixels = np.empty((height, width, 3), np.uint8)
    left = memoryview(pixels).cast("B")
    while len(left):
        count = stream.readinto(left)
        if not count:
            return None
        left = left[count:]
    return pixels


class Said:
    """What ffmpeg says on stderr, read on a thread of its own so that it is never held up."""

    def __init__(self, stream, told=None):
        """told : whatever has a `rate`, which is set"""
        self._stream, self._told, self.complaints = stream, told, []
        self.known = threading.Event()                  # the rate, or that none is said
        self._thread = threading.Thread(target=self._read, name="cinfer-ffmpeg", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            while line := self._stream.readline(1 << 16):
                text = line.decode("utf-8", "replace").strip()
                if "[error]" in text or "[fatal]" in text or "[panic]" in text:
                    if len(self.complaints) < KEPT:
                        self.complaints.append(text)
                elif self._told is not None and self._told.rate is None and (found := RATE.search(text)):
                    self._told.rate = float(found[1]) * (1000 if found[2] else 1) or None
                    self.known.set()
        except (OSError, ValueError):                   # closed
            pass
        finally:
            self.known.set()

    def join(self) -> None:
        self._thread.join(5)

    def mentions(self, word: str) -> bool:
        self.join()
        return any(word in text for text in self.complaints)

    def first(self) -> str | None:
        """The first complaint, without the marks before it."""
        self.join()
        if not self.complaints:
            return None
        return re.sub(r"^(\[[^\]]*\]\s*)+", "", self.complaints[0])[:MOST_SAID].rstrip(". ")


def end(child, said: Said) -> None:
    """The process is gone, none of its pipes is open, its thread has ended."""
    if child.poll() is None:
        child.kill()
    if child.stdin:
        try:
            child.stdin.close()
        except OSError:                                 # what was left to write
            pass
    child.stdout and child.stdout.close()
    child.wait()
    said.join()
    child.stderr.close()
