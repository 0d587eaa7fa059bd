"""Drawn frames become a video: .mp4, .mkv, .webm by the program ffmpeg where it is, else by PyAV; .gif by Pillow.

    with open("out.mp4", "wb") as file, Film(file, "out.mp4", rate=25) as film:
        film.write(picture)                 # PIL.Image.Image; the first one says the size
"""
from __future__ import annotations

import signal
import subprocess
import threading
from contextlib import contextmanager
from fractions import Fraction
from importlib.util import find_spec
from shutil import which

import numpy as np

from ...errors import InputError
from .encode import ending_of, on_white

# ending -> ffmpeg's name of the format, and of codecs for it, the best first
FORMATS = {".mp4": ("mp4", ("libx264", "libopenh264", "mpeg4")),
           ".mkv": ("matroska", ("libx264", "libopenh264", "mpeg4")), ".webm": ("webm", ("libvpx-vp9", "libvpx"))}
GIF = ".gif"
RATE = 25.0                             # where the source says none
MOST_RATE = 240.0
BITS = 0.15                             # a pixel: good, at any size
MOST_SIDE = 16384
SHORTEST = 2                            # hundredths of a second: what shows a GIF takes less for 10
MISSING = ("videos are written by the program ffmpeg (apt install ffmpeg) or by PyAV (pip install 'cinfer[video]'), "
           "and neither is there; .gif needs neither")


def check_film(name: str) -> None:
    """InputError where nothing can write it."""
    if ending_of(name) != GIF and not which("ffmpeg") and not find_spec("av"):
        raise InputError(f"{name}: {MISSING}")


class Film:
    """A video that is written; a context. What is written is whole when the block ends well.

    file : binary, empty, with the `name` of a regular file, to which others may write
    name : for messages; its ending says the format
    rate : frames a second; None: 25
    Raises InputError where it cannot be written: no encoder, a full disk.
    """

    def __init__(self, file, name: str, rate: float | None = None):
        check_film(name)
        self.file, self.name, self.rate = file, name, min(max(rate or RATE, 0.01), MOST_RATE)
        self.size, self._writer = (0, 0), None

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self._writer is not None:
            try:
                if kind is None:
                    self._writer.finish()
            finally:
                self._writer.close()

    def write(self, picture, times: int = 1) -> None:
        """picture : PIL.Image.Image, scaled to the size of the first one; times : how many frames it stands"""
        if self._writer is None:
            if max(picture.size) > MOST_SIDE:
                raise self.failed(f"{picture.width}x{picture.height} pixels are too many for a video")
            self.size, ending = picture.size, ending_of(self.name)
            with uninterrupted():
                self._writer = (Gif if ending == GIF else Program if which("ffmpeg") else Library)(self)
        if picture.size != self.size:
            picture = picture.resize(self.size)
        self._writer.write(on_white(picture) if picture.mode == "RGBA" else picture.convert("RGB"), times)

    def failed(self, text: str) -> InputError:
        return InputError(f"{self.name}: {text}")

    @property
    def even(self) -> tuple[int, int]:
        """The size of what is encoded: colours have half the size."""
        width, height = self.size
        return width + width % 2, height + height % 2

    @property
    def bits(self) -> int:
        """A second."""
        return max(200_000, int(self.size[0] * self.size[1] * min(self.rate, 60) * BITS))


@contextmanager
def uninterrupted():
    """Ctrl-C, and SIGTERM where it is handled, wait for the end of this: a program that has begun, but that nobody
    knows yet, would write its file anew when that has been removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = signal.SIGINT, signal.SIGTERM
    before = {number: handler for number in numbers if callable(handler := signal.getsignal(number))}
    came: list = []
    for number in before:
        signal.signal(number, lambda *signalled: came.append(signalled))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            before[came[-1][0]](*came[-1])


class Program:
    """The program ffmpeg; raw pixels go to its standard input."""

    def __init__(self, film: Film):
        from ..pictures.by_ffmpeg import Said
        self._film = film
        try:
            self._child = subprocess.Popen(self._command(film), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                           stderr=subprocess.PIPE, start_new_session=True)
        except OSError as error:
            raise film.failed(f"the program ffmpeg cannot be run: {error.strerror or error}") from None
        self._said = Said(self._child.stderr)

    @staticmethod
    def _command(film: Film) -> list[str]:
        (width, height), (wide, high) = film.size, film.even
        return ["ffmpeg", "-nostdin", "-hide_banner", "-nostats", "-loglevel", "level+error", "-f", "rawvideo",
                "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{film.rate:g}", "-i", "pipe:0", "-an",
                *(["-vf", f"pad={wide}:{high}"] if (wide, high) != (width, height) else []),
                "-b:v", str(film.bits), "-pix_fmt", "yuv420p", "-f", FORMATS[ending_of(film.name)][0], "-y",
                f"file:{film.file.name}"]

    def write(self, picture, times: int) -> None:
        data = picture.tobytes()
        try:
            for _ in range(times):
                self._child.stdin.write(data)
        except OSError:                                 # its end of the pipe is closed
            raise self._complaint() from None

    def finish(self) -> None:
        try:
            self._child.stdin.close()
        except OSError:
            raise self._complaint() from None
        if self._child.wait():
            raise self._complaint()

    def _complaint(self) -> InputError:
        try:
            status = self._child.wait(5)
        except subprocess.TimeoutExpired:
            status = None
        text = self._said.first() if status is not None else "ffmpeg takes no more frames"
        return self._film.failed((text or f"ffmpeg ended with status {status}").replace(
            f"file:{self._film.file.name}", "the file").replace(self._film.file.name, "the file"))

    def close(self) -> None:
        from ..pictures.by_ffmpeg import end
        end(self._child, self._said)


class Library:
    """PyAV."""

    def __init__(self, film: Film):
        import av
        format, codecs = FORMATS[ending_of(film.name)]
        self._film, self._av = film, av
        self._container = None
        with self._named():
            self._container = av.open(film.file.name, "w", format=format)
            codec = next(filter(self._is_encoder, codecs), codecs[-1])
            stream = self._container.add_stream(codec, rate=Fraction(film.rate).limit_denominator(1001))
            stream.width, stream.height = film.even
            stream.pix_fmt, stream.bit_rate = "yuv420p", film.bits
            self._stream = stream

    @contextmanager
    def _named(self):
        """What PyAV raises becomes an error of cinfer."""
        try:
            yield
        except (self._av.FFmpegError, OSError, ValueError) as error:
            raise self._film.failed(getattr(error, "strerror", None) or str(error)) from None

    def _is_encoder(self, name: str) -> bool:
        try:
            return bool(self._av.codec.Codec(name, "w"))
        except (self._av.FFmpegError, ValueError):
            return False

    def write(self, picture, times: int) -> None:
        (wide, high), pixels = self._film.even, np.asarray(picture)
        if pixels.shape[:2] != (high, wide):
            pixels = np.pad(pixels, ((0, high - pixels.shape[0]), (0, wide - pixels.shape[1]), (0, 0)), "edge")
        with self._named():
            for _ in range(times):
                self._container.mux(self._stream.encode(self._av.VideoFrame.from_ndarray(pixels, format="rgb24")))

    def finish(self) -> None:
        with self._named():
            self._container.mux(self._stream.encode())
            self._container.close()

    def close(self) -> None:
        try:
            if self._container is not None:
                self._container.close()
        except (self._av.FFmpegError, OSError, ValueError):     # what failed has been said
            pass


class Gif:
    """Frame by frame, so that memory stays flat; each with 256 colours of its own.
    https://www.w3.org/Graphics/GIF/spec-gif89a.txt

    Times are rounded so that the whole is as long as the source; of more than 50 frames a second some are left out."""

    def __init__(self, film: Film):
        self._file, self._rate, self._film = film.file, film.rate, film
        self._held, self._begin, self._count = None, 0, 0
        width, height = film.size
        self._put(b"GIF89a" + width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"\0\0\0")
        self._put(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0")            # for ever

    def _put(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise self._film.failed(error.strerror or str(error)) from None

    def _until(self, end: int) -> None:
        """The picture that is held, shown until then."""
        from PIL.GifImagePlugin import getdata
        length = 10 * (end - self._begin)               # milliseconds
        for block in getdata(self._held.quantize(256), (0, 0), duration=length, include_color_table=True):
            self._put(block)

    def write(self, picture, times: int) -> None:
        now = round(self._count * 100 / self._rate)
        self._count += times
        if self._held is not None:
            if now - self._begin < SHORTEST:
                return
            self._until(now)
        self._held, self._begin = picture, now

    def finish(self) -> None:
        self._until(max(round(self._count * 100 / self._rate), self._begin + SHORTEST))
        self._put(b";")
        self._film.file.flush()

    def close(self) -> None:
        pass
