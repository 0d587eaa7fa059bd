"""Frames of what moves: video files, cameras, network cameras, and pictures one after another through a pipe.

    with Video("clip.mp4", every=5) as video:
        for frame in video:                     # Frame: an array (height, width, 3), RGB; name clip.mp4#5; number 5

They are read by the program ffmpeg where it is, else by PyAV; upright, as a phone's own player shows them. Frames are
numbered from 0, as ffmpeg and OpenCV do. A thread reads beside whoever takes them: of a file each frame, a few ahead;
of a camera only the newest, so that an answer is never late, however slow the network is.
"""
from __future__ import annotations

import os
import re
import threading
import time
import warnings
from collections import deque
from collections.abc import Iterator
from glob import glob
from importlib.util import find_spec
from shutil import which

import numpy as np

from ...errors import Error, InputError, an, is_real, whole, wrong
from ...paths import check_regular
from .frames import Frame, frame
from .listed import CAMERA, is_live

AHEAD = 3                       # frames of a file that are read before they are taken
PATIENCE = 20.0                 # seconds without a frame after which a camera is given up
LEAVE = 2.0                     # seconds for the thread to end; a device that does not answer keeps it, not the program
TICK = 0.1                      # seconds after which it is looked whether the end has come
MISSING = ("videos and cameras are read by the program ffmpeg (apt install ffmpeg) or by PyAV "
           "(pip install 'cinfer[video]'), and neither is there")


def shown_name(source) -> str:
    """What to call it: an address without the password in it."""
    return re.sub(r"(?<=://)[^/?#]*@", "", os.fsdecode(source))


class Video:
    """An iterator of Frame, to be closed: `with`, or `close`. One may go through it once.

    live : is it a camera, which has no end?
    rate : frames a second, known from the first frame on; None where nobody says it
    """

    def __init__(self, source, every: int = 1, seconds: float | None = None, pictures=None, opened=frame):
        """
        source : path of a video, `camera:0` or /dev/video0, rtsp://...; or a name for `pictures`
        every : only frames 0, every, 2 * every, ...
        seconds : only the first ones; of a camera or a pipe by the clock
        pictures : an iterator of bytes instead, each a picture file (stream.py); opened : makes a Frame of one

        Raises InputError where there is no such file or camera, or nothing to read it with."""
        if not isinstance(source, (str, bytes, os.PathLike)):
            raise InputError(f"{an(type(source))} is no video; give a path, a camera's name or an address")
        if (whole(every) or 0) < 1:
            raise wrong("every", every, "a whole number from 1")
        if seconds is not None and not (is_real(seconds) and seconds > 0):
            raise wrong("seconds", seconds, "a number above 0, or None")
        self.source, self.every, self.seconds = os.fsdecode(source), every, seconds
        self.name, self.live = shown_name(source), is_live(source)
        self._stopped = False
        self._reads = Pictures(pictures, every, self.name, opened) if pictures is not None else self._reader()
        self._by_clock = self.live or pictures is not None
        self._beside: Beside | None = None

    def _reader(self):
        """What reads the source; it does not begin yet."""
        place = self.source
        if found := CAMERA.fullmatch(place):
            place = f"/dev/video{found[1]}" if found[1] else place
            check_camera(place, self.name)
        elif not self.live:
            check_regular(place, self.name, "a video")
        seconds = None if self.live else self.seconds
        if which("ffmpeg"):
            from .by_ffmpeg import ByFfmpeg
            return ByFfmpeg(place, self.name, self.every, seconds)
        if find_spec("av"):
            from .by_pyav import ByPyav
            return ByPyav(place, self.name, self.every, seconds)
        raise InputError(f"{self.name}: {MISSING}")

    @property
    def rate(self) -> float | None:
        return self._reads.rate

    def __iter__(self) -> Iterator[Frame]:
        self._beside = Beside(self._reads.frames(), self.live)
        heard, end = time.monotonic(), None
        try:
            while not self._stopped and (end is None or time.monotonic() < end):
                item = self._beside.take(TICK)
                if item is Beside.END:
                    if self.live and not self._stopped:
                        warnings.warn(f"{self.name}: the camera has ended", stacklevel=2)
                    return
                if item is Beside.NOTHING:
                    if self.live and time.monotonic() - heard > PATIENCE:
                        raise InputError(f"{self.name}: no frame has come for {PATIENCE:.0f} seconds")
                    continue
                heard = time.monotonic()
                if end is None and self.seconds is not None and self._by_clock:
                    end = heard + self.seconds
                number, taken = item
                name = f"{self.name}#{number}"
                if isinstance(taken, Frame):
                    yield Frame(taken.held, taken.width, taken.height, name, taken.order, number)
                else:
                    yield Frame(taken, taken.shape[1], taken.shape[0], name, "RGB", number)
                heard = time.monotonic()                # what the network took is not the camera's silence
        finally:
            self.close()

    def stop(self) -> None:
        """End after the present frame, as if the source ended; may be called from a signal's handler."""
        self._stopped = True

    def close(self) -> None:
        """End the program and the thread that read."""
        self._stopped = True
        self._reads.end()
        if self._beside is not None:
            self._beside.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def check_camera(place: str, name: str) -> None:
    """InputError unless there is such a device."""
    if not os.path.exists(place):
        there = ", ".join(sorted(glob("/dev/video*"))) or "none"
        raise InputError(f"{name}: there is no camera {place}; there are: {there}")
    if not os.access(place, os.R_OK):
        raise InputError(f"{name}: no permission to read {place}; its group (video) may")


class Beside:
    """Goes through an iterator on a thread of its own.

    newest : only what came last is kept; else all, AHEAD at most
    """
    NOTHING, END = object(), object()

    def __init__(self, source: Iterator, newest: bool):
        self._source, self._newest = source, newest
        self._items: deque = deque()
        self._change = threading.Condition()
        self._closed = self._ended = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._go, name="cinfer-video", daemon=True)
        self._thread.start()

    def _go(self) -> None:
        try:
            for item in self._source:
                with self._change:
                    if self._newest:
                        self._items.clear()
                    while len(self._items) >= AHEAD and not self._closed:
                        self._change.wait()
                    if self._closed:
                        return
                    self._items.append(item)
                    self._change.notify_all()
        except BaseException as error:                  # for whoever takes
            self._error = error
        finally:
            try:
                self._source.close()
            finally:
                with self._change:
                    self._ended = True
                    self._change.notify_all()

    def take(self, seconds: float):
        """The next item; NOTHING if none comes in time; END. Raises what the iterator raised."""
        with self._change:
            if not self._items and not self._ended:
                self._change.wait(seconds)
            if self._items:
                item = self._items.popleft()
                self._change.notify_all()
                return item
            if not self._ended:
                return self.NOTHING
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return self.END

    def close(self) -> None:
        with self._change:
            self._closed = True
            self._items.clear()
            self._change.notify_all()
        self._thread.join(LEAVE)


class Pictures:
    """Picture files one after another, from a pipe. A damaged one is left out with a warning."""
    rate = None

    def __init__(self, pieces, every: int, name: str, opened):
        self._pieces, self._every, self._name, self._opened = pieces, every, name, opened
        self._ended = False

    def frames(self) -> Iterator[tuple[int, Frame]]:
        for number, data in enumerate(self._pieces):
            if self._ended:
                return
            if number % self._every:
                continue
            try:
                taken = self._opened(data, name=f"{self._name}#{number}")
            except Error as error:
                warnings.warn(f"{error}; left out", stacklevel=2)
                continue
            yield number, taken

    def end(self) -> None:
        self._ended = True
        if hasattr(self._pieces, "end"):
            self._pieces.end()


def rotated(pixels: np.ndarray, degrees: float | None) -> np.ndarray:
    """Turned counterclockwise by a multiple of 90 degrees."""
    turns = round((degrees or 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels
