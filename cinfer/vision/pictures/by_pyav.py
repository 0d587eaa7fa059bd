"""Videos and cameras read by PyAV, the extra cinfer[video]: ffmpeg's libraries within this process."""
from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np

from ...errors import InputError
from .by_ffmpeg import NO_PICTURES, explained
from .decode import check_pixels

SECONDS_TO_WAIT = 20.0          # for a source that says nothing


class ByPyav:
    """Frames of a video as (number, array). rate : frames a second, once the video is open, where it says so"""

    def __init__(self, place: str, name: str, every: int, seconds: float | None):
        self.name, self.rate = name, None
        self._place, self._every, self._seconds = place, every, seconds
        self._ended = False

    def frames(self) -> Iterator[tuple[int, np.ndarray]]:
        """Raises InputError where the source cannot be read, LimitError where its pictures are too large."""
        import av

        from .video import rotated
        number, damaged = -1, 0
        try:
            with av.open(self._place, metadata_errors="replace", **how(self._place)) as container:
                stream = pictures_in(container, self.name)
                stream.thread_type = "AUTO"
                self.rate = float(stream.average_rate or stream.guessed_rate or 0) or None
                begin = None
                for number, taken in enumerate(container.decode(stream)):
                    begin = taken.time if begin is None else begin
                    if self._ended or self._seconds is not None and (taken.time or 0) - (begin or 0) >= self._seconds:
                        return
                    damaged += taken.is_corrupt
                    if number % self._every:
                        continue
                    check_pixels(taken.width, taken.height, self.name)
                    yield number, rotated(taken.to_ndarray(format="rgb24"), getattr(taken, "rotation", 0))
        except (av.FFmpegError, OSError, ValueError) as error:
            if self._ended:
                return
            after = f" after frame {number}:" if number >= 0 else ""
            text = getattr(error, "strerror", None) or str(error)
            if isinstance(error, getattr(av.error, "ExitError", ())):      # PyAV ends a read that takes too long
                text = f"nothing has come for {SECONDS_TO_WAIT:.0f} seconds"
            raise InputError(f"{self.name}:{after} {text if after else explained(text)}") from None
        if number < 0:
            raise InputError(f"{self.name}: there is no frame in it")
        if damaged and "://" not in self._place:
            warnings.warn(f"{self.name}: the video is damaged: {damaged} of {number + 1} frames", stacklevel=2)

    def end(self) -> None:
        """Of any thread: whoever reads frames comes to their end, of a device at its next frame."""
        self._ended = True


def how(place: str) -> dict:
    """Options of av.open. A file may not lead to the network or to other protocols."""
    if place.startswith("/dev/"):
        return {"format": "v4l2"}
    if "://" in place:
        return {"options": {"rtsp_transport": "tcp", "fflags": "nobuffer"}, "timeout": SECONDS_TO_WAIT}
    return {"options": {"protocol_whitelist": "file"}}


def pictures_in(container, name: str):
    """The first stream of moving pictures; a cover is none."""
    if not container.streams.video:
        raise InputError(f"{name}: {NO_PICTURES}")
    return container.streams.video[0]
