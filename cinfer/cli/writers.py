"""Where the answers of `cinfer run` go: standard output, drawn pictures, arrays, files of other programs."""
from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager

from ..errors import InputError
from ..table import printable
from .files import Arrays, Places, check_place, replacing
from .text import counted, say

MOST_REPEATED = 10_000                          # frames of a film that show one answer
CLEAR, HOME, FORGET = "\x1b[2J\x1b[H", "\x1b[H", "\x1b_Ga=d,q=2\x1b\\"    # of a terminal; kitty's, of its pictures


class Screen:
    """Lines for people, or JSON: one picture's result at once, for a program that reads along need not wait for the
    last.

    several : are there more than one? Then names stand before the answers."""

    def __init__(self, several: bool, as_json: bool, quiet: bool):
        self.several, self.as_json, self.quiet = several, as_json, quiet

    def show(self, name: str, reading, written: str | None) -> None:
        if self.quiet:
            return
        if self.as_json:
            self._json({"image": name, **reading.data()})
            return
        answer, place = reading.answer, f" -> {written}" if written else ""
        if answer.in_full:
            lines = answer.lines()
            if self.several:
                lines = [name + place, *("  " + line for line in lines)]
            elif place:
                lines.append(f"{name}{place}")
        else:
            lines = [f"{name}: {answer.line()}, {1e3 * sum(reading.seconds):.1f} ms{place}"]
        print("\n".join(map(printable, lines)), flush=True)

    def failed(self, name: str, error) -> None:
        if self.as_json and not self.quiet:
            self._json({"image": name, "error": str(error)})

    def _json(self, data: dict) -> None:
        import json
        print(json.dumps(data, allow_nan=False), flush=True)


class Drawn:
    """Pictures with the answers on them, or those that the network made: a file, or Places with one for each.

    reads : what must not be written over; font : a file, or None"""

    def __init__(self, place: str | Places, reads: list[str], font: str | None):
        from ..vision.answers.encode import format_of
        self.place, self.font = place, font
        if isinstance(place, str):
            format_of(place, "-o ")
            check_place(place, reads, "-o")

    def write(self, source: str, reading) -> str:
        from ..vision.answers.encode import format_of, write
        with self._file(source) as (path, file):
            write(reading.answer, reading.frame, file, format_of(path, "-o "), self.font)
        return path

    @contextmanager
    def _file(self, source: str):
        if isinstance(self.place, Places):
            with self.place.replacing(source) as made:
                yield made
        else:
            with replacing(self.place, "-o") as file:
                yield self.place, file


class Filmed:
    """The frames of one video with the answers on them, as a video of the same length: a frame without an answer of its
    own, for the network was busy or one was left out, shows the one before.

    sources : Sources; reads, font : as of Drawn. A context: written when it ends well"""

    def __init__(self, path: str, sources, reads: list[str], font: str | None):
        from ..vision.answers.film import check_film
        self.font = font
        self.path, self._name, self._sources, self._stack = path, f"-o {path}", sources, ExitStack()
        self._film, self._held, self._number, self.count = None, None, 0, 0
        check_film(self._name)
        check_place(path, reads, "-o")

    def write(self, source, reading) -> None:
        from ..vision.answers.encode import drawn
        if self._film is None:
            from ..vision.answers.film import Film
            file = self._stack.enter_context(replacing(self.path, "-o"))
            self._film = self._stack.enter_context(Film(file, self._name, self._sources.rate))
        self._put(min(MOST_REPEATED, (reading.frame.number - self._number) // self._sources.every))
        self._held, self._number = drawn(reading.answer, reading.frame, self.font), reading.frame.number

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            with self._stack:
                self._put(1)                            # the last one
        else:
            self._stack.__exit__(kind, error, trace)

    def _put(self, times: int) -> None:
        if self._held is not None and times > 0:
            self._film.write(self._held, times)
            self.count += times


class Table:
    """All answers in one Parquet file, a row for each thing that was found, and one for a picture that cannot be read.

    reads : what must not be written over. A context: written when it ends well"""

    def __init__(self, path: str, reads: list[str]):
        from ..vision.answers.parquet import pyarrow
        self.path, self._stack, self._rows = path, ExitStack(), None
        try:
            pyarrow()
        except InputError as error:
            raise InputError(f"-o {path}: {error}") from None
        check_place(path, reads, "-o")

    def write(self, name: str, reading) -> None:
        if hasattr(reading.answer, "pixels"):
            raise InputError(f"-o {self.path}: this model makes pictures, which a table does not take; name a folder "
                             "(with a / at its end)")
        self._rows.write({"image": name, **reading.data()})

    def failed(self, name: str, error) -> None:
        self._rows.write({"image": name, "error": str(error)})

    def __enter__(self):
        from ..vision.answers.parquet import Rows
        with ExitStack() as stack:
            self._rows = stack.enter_context(Rows(stack.enter_context(replacing(self.path, "-o"))))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error):
        self._stack.__exit__(*error)
        if error[0] is None:
            say(f"{self.path}: {counted(self._rows.count, 'row')}")


class Shown:
    """Pictures with the answers on them in the terminal; frames one over the other."""

    def __init__(self, moving: bool, font: str | None):
        from ..vision.answers.terminal import way_of
        self.font = font
        if sys.stdout is None or not sys.stdout.isatty():
            raise InputError("--show draws in a terminal; standard output is none: -o writes a file")
        self._home = FORGET + HOME if way_of() == "kitty" else HOME
        if way_of() == "none":
            raise InputError(f"--show: this terminal ({os.environ.get('TERM')}) shows no colours; -o writes a file")
        self.moving, self._is_first = moving, True

    def write(self, reading) -> None:
        from ..vision.answers.encode import drawn
        from ..vision.answers.terminal import show
        if self.moving:
            sys.stdout.write(CLEAR if self._is_first else self._home)
            self._is_first = False
        show(drawn(reading.answer, reading.frame, self.font))


class Saved:
    """All outputs in one .npz file."""

    def __init__(self, path: str, several: bool, stack: ExitStack):
        self.several = several
        self._arrays = Arrays(stack.enter_context(replacing(path, "--save")))
        stack.callback(self._arrays.close)

    def write(self, number: int, reading) -> None:
        for name, value in reading.outputs.items():
            self._arrays.add(f"{number}/{name}" if self.several else name, value)


class SavedMap:
    """The map of pixels of one picture as a grey one, classes as they are, numbers in 16 bits."""

    def __init__(self, path: str):
        self.path = path

    def write(self, number: int, reading) -> None:
        from ..vision.answers.encode import encode, format_of
        answer = reading.answer
        if not hasattr(answer, "grey"):
            raise InputError(f"--save {self.path}: that is for maps of pixels, such as depth; this model's task is "
                             f"{answer.task or 'unknown'}: FILE.npz takes all outputs")
        with replacing(self.path, "--save") as file:
            encode(answer.grey(), file, format_of(self.path))
        if not answer.of_classes:
            least, most = answer.scale()
            say(f"{self.path}: 0 is {least:.6g}, 65535 is {most:.6g}{' ' * bool(answer.unit)}{answer.unit}")


class Formatted:
    """Objects as other programs read them: to standard output, or, `yolo`, a file for each picture in a folder."""

    def __init__(self, format: str, places: Places | None):
        from ..vision.answers import formats
        self.format, self.places, self._formats = format, places, formats
        self._first, self._rows = True, []

    def write(self, number: int, source: str, reading) -> None:
        formats, name = self._formats, str(source)
        if self.format == "yolo":
            text = formats.yolo(reading)
            if self.places is None:
                print(f"# {printable(name)}\n{text}", end="", flush=True)
            else:
                with self.places.replacing(source) as (_, file):
                    file.write(text.encode())
        elif self.format == "csv":
            print(formats.csv_head() * self._first + formats.csv_rows(name, reading), end="", flush=True)
        elif self.format == "coco":
            for row in formats.coco(name, number, reading):
                print(("[" if self._first else ",\n ") + formats.dumped(row), end="", flush=True)
                self._first = False
            return
        else:
            made = formats.dumped(formats.labelstudio(name, reading))
            print(("[" if self._first else ",\n ") + made, end="", flush=True)
        self._first = False

    def close(self) -> None:
        if self.format in ("coco", "labelstudio"):
            print("[]\n" if self._first else "]\n", end="", flush=True)
        elif self.format == "csv" and self._first:
            print(self._formats.csv_head(), end="", flush=True)
