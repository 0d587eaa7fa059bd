"""What the flags of `cinfer run` ask for, checked before the work: it may be long, and a mistake is said at once."""
from __future__ import annotations

import os
from argparse import ArgumentTypeError
from contextlib import ExitStack

from ..errors import InputError
from ..paths import check_regular, unreadable
from .files import Places, check_named, check_place
from .parser import count, fraction
from .writers import Drawn, Filmed, Saved, SavedMap, Table

RECIPE_FLAGS = ("size", "layout", "channels", "resize", "filter", "mean", "std")
ASKED = ("conf", "iou", "max_det", "classes", "top")        # flags that are Options
MOST_LABEL_BYTES = 10_000_000
MAPS = ".png", ".tif", ".tiff"      # of --save
TABLE = ".parquet"                  # of -o


def listed(text: str) -> tuple[str, ...]:
    """A,B"""
    words = tuple(word.strip() for word in text.split(","))
    if "" in words:
        raise ArgumentTypeError(f"{text!r} has an empty name; right is A,B")
    return words


def add_recipe(parser) -> None:
    parser.add_argument("--recipe", action="append", metavar="K=V",
                        help="a word of docs/metadata.md; may be repeated")
    recipe = parser.add_argument_group("how a picture is prepared")
    recipe.add_argument("--size", metavar="HxW", help="224x224, 48xW (any width), multiple:32, any")
    recipe.add_argument("--layout", metavar="L", help="NCHW or NHWC")
    recipe.add_argument("--channels", metavar="C", help="RGB, BGR, GRAY or RGB+1")
    recipe.add_argument("--resize", metavar="R", help="stretch, crop:F, letterbox:V, ...")
    recipe.add_argument("--filter", metavar="F", help="nearest, bilinear, bicubic, lanczos, linear, ...")
    recipe.add_argument("--mean", metavar="M", help="of values 0..255: one number, or one a channel")
    recipe.add_argument("--std", metavar="S", help="as --mean; input = (value - mean) / std")


def add_fed(parser) -> None:
    """What a model does and how a picture is prepared, for commands that make no pictures of outputs."""
    parser.add_argument("--task", metavar="T", help="what the model does (docs/tasks.md)")
    parser.set_defaults(output_scale=None)
    add_recipe(parser)


def add_options(parser) -> None:
    """What of an answer is wanted; `options_of` says it."""
    add = parser.add_argument
    add("--top", type=count(1, 10**6), metavar="N", help="classes to show (5)")
    add("--conf", type=fraction, metavar="C", help="the least score")
    add("--iou", type=fraction, metavar="F", help="of two that overlap by more only the better one")
    add("--max-det", type=count(1, 10**5), metavar="N", help="objects at most")
    add("--classes", type=listed, metavar="A,B", help="only these classes")


def options_of(arguments) -> dict:
    """Those of Options that flags say."""
    return {name: value for name in ASKED if (value := getattr(arguments, name)) is not None}


def flags_of(arguments) -> dict[str, tuple[str, str]]:
    """The words that flags say, as `recognise` takes them."""
    flags = {f"input.{flag}": (getattr(arguments, flag), f"--{flag}") for flag in RECIPE_FLAGS
             if getattr(arguments, flag) is not None}
    if arguments.task is not None:
        flags["task"] = arguments.task, "--task"
    if arguments.output_scale is not None:
        flags["output.std"] = arguments.output_scale, "--output-scale"
    for each in arguments.recipe or ():
        key, equals, text = each.partition("=")
        if not equals or not key:
            raise InputError(f"--recipe {each}: right is KEY=TEXT with a key of docs/metadata.md, such as "
                             "input.resize=stretch")
        key = key.removeprefix("cinfer.")
        flags[key] = text, f"--recipe {key}"
    return flags


def read_labels(path: str) -> list[str]:
    """The lines of a text file or pipe, without an empty last one."""
    name, right = f"--labels {path}", "a text file with one class name a line"
    check_regular(path, name, right, pipes=True)
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(MOST_LABEL_BYTES)
    except OSError as error:
        raise unreadable(name, error, right) from None
    except ValueError:
        raise InputError(f"--labels {path}: this is no text in UTF-8") from None
    labels = [line.strip() for line in text.splitlines()]
    while labels and not labels[-1]:
        labels.pop()
    if not labels:
        raise InputError(f"--labels {path}: the file is empty; one class name a line is right")
    return labels


def label_expected(label: str | None, reader) -> str | None:
    """What --expect asks for, as answers call it: by a label or, as of --classes, by its number. InputError for what
    the model cannot say: else a mistake in writing would be an exit status."""
    labels = getattr(reader.words, "labels", None)
    if label is None or not labels or reader.words.task in ("text", "keypoints"):       # an alphabet; names of points
        return f"class {label}" if label and label.isdecimal() and reader.words.task != "text" else label
    from ..vision.families.view import numbers_of
    try:
        return labels[numbers_of((label,), labels)[0]]
    except InputError as error:
        raise InputError(f"--expect takes one label: {error}" if "," in label
                         else f"--expect {label}: {error}") from None


def check_show(arguments) -> bool:
    """InputError where --show and something else would share standard output."""
    if arguments.show:
        for flag in ("json", "format"):
            if getattr(arguments, flag):
                raise InputError(f"--show and --{flag} both write to standard output; leave one out")
    return arguments.show


def check_font(arguments) -> None:
    if arguments.font is None:
        return
    if not arguments.show and (not arguments.output or arguments.format == "yolo" or is_table(arguments.output)):
        raise InputError("--font is for what is drawn, by -o or --show")
    from ..vision.answers.labels import font_of
    font_of(arguments.font, 16)


def places_of(arguments, sources) -> Places | None:
    """The folder of -o, where it is one. InputError before the work where nothing can be written."""
    path, of_text = arguments.output, arguments.format == "yolo"
    if arguments.resume and not path:
        raise InputError("--resume needs the folder of -o: what is there is left out")
    if not path:
        return None
    check_named(path, "-o")
    many = sources.several or of_text
    if path.endswith("/") or os.path.isdir(path) or many and not os.path.splitext(path)[1]:
        return Places(path, ".txt" if of_text else None, sources.within(path))
    if arguments.resume and not is_table(path):
        raise InputError(f"--resume needs a folder; -o {path} names a file")
    if of_text:
        raise InputError(f"-o {path}: --format yolo writes a text for each picture; name a folder (with a / at its "
                         "end)")
    return None


def is_table(path: str | None) -> bool:
    """Is that of -o a file for all answers?"""
    return path is not None and path.lower().endswith(TABLE) and not os.path.isdir(path)


def table_into(arguments, models: list[str]) -> Table | None:
    """InputError before the work where nothing can be written."""
    if not is_table(arguments.output):
        return None
    return Table(arguments.output, [*models, *arguments.sources])


def drawn_into(arguments, places: Places | None, models: list[str], sources) -> Drawn | Filmed:
    """InputError before the work where nothing can be written."""
    from ..vision.answers.encode import FILMS, ending_of
    path, several, reads = arguments.output, sources.several, [*models, *arguments.sources]
    if places is None and ending_of(path) in FILMS and (sources.moving or ending_of(path) != ".gif"):
        if not sources.moving:
            raise InputError(f"-o {path}: a video is made of a video, a camera or a stream of pictures")
        if not sources.alone:
            raise InputError(f"-o {path}: there are several sources; name a folder (with a / at its end)")
        return Filmed(path, sources, reads, arguments.font)
    if several and places is None:
        video = " or a video (out.mp4)" if sources.moving and sources.alone else ""
        raise InputError(f"-o {path}: there are several pictures; name a folder (with a / at its end){video}")
    return Drawn(places or path, reads, arguments.font)


def check_save(arguments, models: list[str], sources) -> None:
    """InputError before the work where nothing can be written."""
    path = arguments.save
    if not path:
        return
    check_named(path, "--save")
    ending = os.path.splitext(path)[1].lower()
    if ending not in (".npz", *MAPS):
        raise InputError(f"--save {path}: all outputs go into a .npz file, a map of pixels such as depth into a .png "
                         "or .tif; name it so")
    if ending in MAPS and sources.several:
        raise InputError(f"--save {path}: there are several pictures; a .npz file takes the outputs of all")
    if arguments.output and os.path.realpath(path) == os.path.realpath(arguments.output):
        raise InputError(f"--save {path}: that is the file of -o; name another one")
    check_place(path, [*models, *arguments.sources], "--save")


def saved_into(path: str, several: bool, stack: ExitStack) -> Saved | SavedMap:
    return SavedMap(path) if path.lower().endswith(MAPS) else Saved(path, several, stack)
