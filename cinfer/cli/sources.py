"""Where the pictures of `cinfer run` come from: files, standard input, frames of videos and cameras."""
from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

from ..errors import Error, InputError
from ..vision.pictures.listed import Listed, is_live, is_video, pictures_of


class Shot(Listed):
    """The name of a frame, `clip.mp4#12`, and the Frame."""

    def __new__(cls, frame, stem: str):
        shot = super().__new__(cls, frame.name, f"{stem}-{frame.number:06}.jpg")
        shot.frame = frame
        return shot


class Piped(Listed):
    """"-", and the bytes that came through it."""

    def __new__(cls, data: bytes):
        piped = super().__new__(cls, "-")
        piped.data = data
        return piped


class Broken(Listed):
    """A video that cannot be read, or not further, or a folder without pictures, and why."""

    def __new__(cls, name: str, error: Error):
        broken = super().__new__(cls, name)
        broken.error = error
        return broken


class Sources:
    """What the arguments name, looked at before anything slow happens.

    several : may there be more than one picture?
    moving, live : are there frames, of a camera?
    endless : may it go on for ever?
    alone : is there only one source?
    stopped : was the end asked for?
    rate : frames a second of those taken, from the first one on; None: nobody says it
    left_out : videos that were seen in folders, of which only pictures are read
    """

    def __init__(self, arguments):
        """Raises InputError where a name stands for nothing, or the only source cannot be read."""
        self.every, self.seconds = arguments.every or 1, arguments.seconds
        self._sources, self._recursive = arguments.sources, arguments.recursive
        self._stems: dict[str, str] = {}                # of frames' names -> the video they are of
        self.left_out: list[str] = []
        for name in arguments.sources:
            if name.lower().endswith(".onnx"):
                raise InputError(f"{name} is a model, not a picture; FIRST.onnx+SECOND.onnx run one after the other")
        with silence():
            self._first = list(islice(self._all(), 2))
        for name in self._first:
            if isinstance(name, Broken):
                raise name.error
        self.alone = len(self._first) == 1
        self.live = any(map(is_live, self._first))
        self.moving = any(map(is_video, [*self._first, *arguments.sources]))
        self.rate: float | None = None
        self.stopped, self._stream, self._video = False, None, None
        if self.live and not self.alone and self.seconds is None:
            name = next(filter(is_live, self._first))
            raise InputError(f"{name}: a camera has no end; name it alone, or say with --seconds how long")
        self.endless = self.live
        if self._first == ["-"] and self.alone:
            self._stream = stream_of_stdin()
            self.moving = self.endless = not self._stream.is_one()
        elif self.alone and self.moving:
            self._video = self._opened(self._first[0])
        if not self.moving and "-" not in arguments.sources:
            for flag in ("every", "seconds"):
                if getattr(arguments, flag) is not None:
                    raise InputError(f"--{flag} is for videos, cameras and streams of pictures; there is none")
        self.several = self.moving or not self.alone or any(
            name != "-" and os.path.isdir(name) for name in arguments.sources)

    def _all(self, left_out: list[str] | None = None) -> Iterator[Listed]:
        """The names that the arguments stand for. Where one stands for none the others still count."""
        for name in self._sources:
            try:
                yield from pictures_of([name], self._recursive, left_out)
            except Error as error:
                yield Broken(name, error)

    def count(self) -> int | None:
        """How many pictures; None where nobody knows before the end. Goes through all names."""
        number = 0
        with silence():
            for name in self._all():
                if name == "-" or is_video(name) and not isinstance(name, Broken):
                    return None
                number += 1
        return number

    def within(self, folder: str) -> set[str]:
        """Real paths of the files in a folder, or below it, that are read."""
        start = os.path.join(os.path.realpath(folder), "")
        names = (name for name in self._all() if name != "-" and not is_live(name) and not isinstance(name, Broken))
        with silence():
            return {path for name in [*names, *self._sources] if (path := os.path.realpath(name)).startswith(start)}

    def _opened(self, name: str):
        from ..vision.pictures.video import Video
        return Video(name, self.every, self.seconds)

    def each(self, opened) -> Iterator[Listed]:
        """Of all: a file's name, or one of the above. opened : makes a Frame of bytes"""
        for name in self._all(self.left_out):
            if name == "-":
                stream = self._stream or stream_of_stdin()
                if stream.is_one():
                    yield Piped(next(stream, b""))
                    continue
                from ..vision.pictures.video import Video
                self._video = Video("standard input", self.every, self.seconds, stream, opened)
                yield from self._frames(name)
            elif is_video(name) and not isinstance(name, Broken):
                yield from self._frames(name)
            else:
                yield name
            if self.stopped:
                return
            self._video = None

    def _frames(self, name: str) -> Iterator[Listed]:
        try:
            self._video = self._video or self._opened(name)
            with self._video:
                if self.stopped:
                    return
                for frame in self._video:
                    self.rate = self._video.rate / self.every if self._video.rate else None
                    yield Shot(frame, self._stem_of(frame))
        except Error as error:
            yield Broken(name, error)

    def _stem_of(self, frame) -> str:
        """What the pictures of a video's frames are called; of two videos of one name the second gets a number."""
        name = frame.name.rpartition("#")[0]
        stem = whole = os.path.splitext(os.path.basename(name))[0] or "frame"
        number = 1
        while self._stems.setdefault(stem, name) != name:
            number += 1
            stem = f"{whole}-{number}"
        return stem

    def stop(self) -> None:
        """End after the present picture; from a signal's handler too."""
        self.stopped = True
        if self._video is not None:
            self._video.stop()


@contextmanager
def silence():
    """What is looked at ahead warns when it is read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def stream_of_stdin():
    from ..vision.pictures.stream import Stream
    if sys.stdin is None:
        raise InputError("standard input is closed; name a picture file")
    return Stream(sys.stdin.buffer)


def opened_by(reader):
    """source -> Frame, of what `Sources.each` gives."""
    from ..vision.reader import opener
    opens = opener(reader)

    def opened(source):
        if isinstance(source, Broken):
            raise source.error
        if isinstance(source, Shot):
            return source.frame
        if isinstance(source, Piped):
            return opens(io.BytesIO(source.data), name="standard input")
        return opens(source)
    return opened, opens
