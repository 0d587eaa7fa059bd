"""Where the answers of `cinfer run` go: standard output, drawn pictures, arrays, files of other programs."""
from __future__ import annotations

import os
import sys
from contextlib import ExitStack

from ..errors import InputError
from ..table import printable
from .files import Arrays, check_folder, check_writable, replacing

MOST_REPEATED = 10_000                          # frames of a film that show one answer
CLEAR, HOME, FORGET = "\x1b[2J\x1b[H", "\x1b[H", "\x1b_Ga=d,q=2\x1b\\"    # of a terminal; kitty's, of its pictures


class Screen:
    """Lines for people, or JSON: one picture's result at once, for a program that reads along need not wait for the last.

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


class Places:
    """Where in a folder what is made of each source goes: under its own name. Of two sources of one name (of different
    folders, or of endings that become one) the later gets a number, the same one in each run.

    ending : function of a source's ending that gives that of its place"""

    def __init__(self, folder: str, ending):
        self._folder, self._ending, self._taken = folder, ending, set()

    def __call__(self, source) -> str:
        if getattr(source, "place", None) is None:
            within = "standard input" if source == "-" else getattr(source, "within", os.path.basename(source))
            stem, ending = os.path.splitext(os.path.join(self._folder, within))
            path, number = stem + self._ending(ending), 1
            while hash(path) in self._taken:            # hashes: there may be millions
                number += 1
                path = f"{stem}-{number}{self._ending(ending)}"
            self._taken.add(hash(path))
            check_not_read(path, source, "-o")
            source.place = path
        return source.place


class Drawn:
    """Pictures with the answers on them, or those that the network made: a file, or a folder with one for each.

    Never over what is read."""

    def __init__(self, path: str, is_folder: bool, reads: list[str]):
        from ..vision.answers.encode import FORMATS, format_of
        self.path, self.is_folder = path, is_folder
        if is_folder:
            check_folder(path, "-o")                    # an ending that no picture is written with becomes .png
            self.place = Places(path, lambda ending: ending if ending.lower() in FORMATS else ".png")
            return
        self.place = lambda source: path
        format_of(path)
        check_writable(path, "-o")
        for read in reads:
            check_not_read(path, read, "-o")

    def write(self, source, reading) -> str:
        from ..vision.answers.encode import format_of, write
        path = self.place(source)
        if self.is_folder:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        with replacing(path, "-o") as file:
            write(reading.answer, reading.frame, file, format_of(path))
        return path


class Filmed:
    """The frames of one video with the answers on them, as a video of the same length: a frame without an answer of its
    own, for the network was busy or one was left out, shows the one before.

    sources : Sources. A context: written when it ends well"""

    def __init__(self, path: str, sources, reads: list[str]):
        from ..vision.answers.film import check_film
        self.path, self._name, self._sources, self._stack = path, f"-o {path}", sources, ExitStack()
        self._film, self._held, self._number, self.count = None, None, 0, 0
        check_film(self._name)
        check_writable(path, "-o")
        for read in reads:
            check_not_read(path, read, "-o")

    def write(self, source, reading) -> None:
        from ..vision.answers.encode import drawn
        if self._film is None:
            from ..vision.answers.film import Film
            file = self._stack.enter_context(replacing(self.path, "-o"))
            self._film = self._stack.enter_context(Film(file, self._name, self._sources.rate))
        self._put(min(MOST_REPEATED, (reading.frame.number - self._number) // self._sources.every))
        self._held, self._number = drawn(reading.answer, reading.frame), reading.frame.number

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


class Shown:
    """Pictures with the answers on them in the terminal; frames one over the other."""

    def __init__(self, moving: bool):
        from ..vision.answers.terminal import way_of
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
        show(drawn(reading.answer, reading.frame))


class Saved:
    """All outputs in one .npz file."""

    def __init__(self, path: str, several: bool, stack: ExitStack):
        self.several, self.number = several, 0
        self._arrays = Arrays(stack.enter_context(replacing(path, "--save")))
        stack.callback(self._arrays.close)

    def write(self, number: int, reading) -> None:
        for name, value in reading.outputs.items():
            self._arrays.add(f"{number}/{name}" if self.several else name, value)


class Formatted:
    """Objects as other programs read them: to standard output, or, `yolo`, a file for each picture in the folder of -o.

    drawn : Drawn or None"""

    def __init__(self, format: str, drawn):
        from ..vision.answers import formats
        self.format, self._formats, self._first = format, formats, True
        self.is_folder = format == "yolo" and drawn is not None
        if self.is_folder:
            if not drawn.is_folder:
                raise InputError(f"-o {drawn.path}: --format yolo writes a text for each picture; name a folder (with a "
                                 "/ at its end)")
            self.place = Places(drawn.path, lambda ending: ".txt")

    def write(self, number: int, source: str, reading) -> None:
        formats, name = self._formats, str(source)
        if self.format == "yolo":
            text = formats.yolo(reading)
            if not self.is_folder:
                print(f"# {printable(name)}\n{text}", end="", flush=True)
            else:
                path = self.place(source)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with replacing(path, "-o") as file:
                    file.write(text.encode())
        elif self.format == "csv":
            print(formats.csv_head() * self._first + formats.csv_rows(name, reading), end="", flush=True)
        elif self.format == "coco":
            for row in formats.coco(name, number, reading):
                print(("[" if self._first else ",\n ") + formats.dumped(row), end="", flush=True)
                self._first = False
            return
        else:
            print(("[" if self._first else ",\n ") + formats.dumped(formats.labelstudio(name, reading)), end="", flush=True)
        self._first = False

    def close(self) -> None:
        if self.format in ("coco", "labelstudio"):
            print("[]\n" if self._first else "]\n", end="", flush=True)
        elif self.format == "csv" and self._first:
            print(self._formats.csv_head(), end="", flush=True)


def check_not_read(path: str, read: str, flag: str) -> None:
    """InputError where what is written would replace what is read."""
    if os.path.exists(path) and os.path.exists(read) and os.path.samefile(path, read):
        raise InputError(f"{flag} {path}: that would overwrite what is read; name another file")
