"""cinfer run MODEL IMAGE...: what a model says of pictures."""
from __future__ import annotations

import os
import warnings
from contextlib import ExitStack, contextmanager

from ..errors import InputError, LimitError
from ..paths import check_regular, unreadable
from ..table import printable
from . import complain
from .files import Arrays, check_writable, replacing
from .parser import add_threads, count, fraction, model_path
from .text import Progress, say

RECIPE_FLAGS = ("size", "layout", "channels", "resize", "filter", "mean", "std")
MOST_LABEL_BYTES = 10_000_000
EPILOG = """How a picture is prepared comes from these flags, else from the model's metadata, else from its
input and ImageNet's habit; a line on stderr says which. A picture that cannot be read is reported in its
turn, the others are still run, and the exit status is 2.

  cinfer run model.onnx dog.jpg
  cinfer run model.onnx *.jpg --json --top 1
  cinfer run enlarge.onnx small.png -o large.png"""


def declare(parser) -> None:
    parser.add_argument("model", metavar="MODEL", help="an ONNX file")
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="picture files; - is standard input")
    parser.add_argument("--top", type=count(1, 10**6), default=5, metavar="N", help="classes to show (5)")
    parser.add_argument("--json", action="store_true", help="one JSON object per picture and line")
    parser.add_argument("--labels", metavar="FILE", help="class names, one a line")
    parser.add_argument("-o", "--output", metavar="FILE",
                        help="where an image-to-image model's picture goes (.png, .jpg, ...)")
    parser.add_argument("--save", metavar="FILE.npz",
                        help="write all outputs (of several pictures: 0/NAME, 1/NAME, ...)")
    parser.add_argument("--conf", type=fraction, metavar="C", help="the least score of what is shown")
    parser.add_argument("--iou", type=fraction, metavar="F", help="of two that overlap by more only the better one")
    parser.add_argument("--max-det", type=count(1, 10**5), metavar="N", help="objects at most")
    parser.add_argument("--classes", type=lambda text: tuple(text.split(",")), metavar="A,B", help="only these classes")
    parser.add_argument("--task", metavar="T", help="what the model does (docs/tasks.md), instead of what it seems to do")
    parser.add_argument("--recipe", action="append", metavar="K=V", help="any word of docs/metadata.md; may be repeated")
    add_threads(parser)
    recipe = parser.add_argument_group("how a picture is prepared")
    recipe.add_argument("--size", metavar="HxW", help="224x224, 48xW (any width), multiple:32, any")
    recipe.add_argument("--layout", metavar="L", help="NCHW or NHWC")
    recipe.add_argument("--channels", metavar="C", help="RGB, BGR, GRAY or RGB+1")
    recipe.add_argument("--resize", metavar="R", help="stretch, crop:F, letterbox:V, fit-left, height, none")
    recipe.add_argument("--filter", metavar="F", help="nearest, bilinear or bicubic")
    recipe.add_argument("--mean", metavar="M", help="of values 0..255: one number or one per channel: 1,2,3")
    recipe.add_argument("--std", metavar="S", help="as --mean; input = (value - mean) / std")


def run(arguments) -> int:
    path = model_path(arguments.model)
    labels = read_labels(arguments.labels) if arguments.labels else None

    from ..session import load
    from ..vision.answers.encode import format_of, write
    from ..vision.families.view import Options
    from ..vision.pictures.frames import frame
    from ..vision.read import Reader

    session = load(path, threads=arguments.threads)
    options = Options(arguments.conf, arguments.iou, arguments.max_det, arguments.classes, arguments.top)
    reader = Reader(session, flags_of(arguments), options, labels)
    check_output(arguments)
    status, said_recipe = 0, False
    with ExitStack() as stack:
        arrays = None
        if arguments.save:
            arrays = Arrays(stack.enter_context(replacing(arguments.save, "--save")))
            stack.callback(arrays.close)
        progress = stack.enter_context(Progress("picture", len(arguments.images)))
        for number, image in enumerate(arguments.images):
            progress.show(number + 1)
            picture = None
            try:
                with quiet_libraries(), warnings.catch_warnings(record=True) as notes:
                    warnings.simplefilter("always", UserWarning)
                    picture = frame(image)
                if notes:
                    progress.clear()
                for note in notes:
                    say(note.message)
                reading = reader.read(picture)
            except (InputError, LimitError) as error:
                if picture is not None:         # else the error names the file
                    error = type(error)(f"{os.path.basename(image)}: {error}")
                if len(arguments.images) == 1:
                    raise error from None
                progress.clear()
                show(arguments, image, {"error": str(error)}, [])
                status = complain(error)
                continue
            progress.clear()
            if not said_recipe:
                say(f"{reading.answer.task or 'raw outputs'}: {reader.words.origin()}; fed {reader.recipe}")
                said_recipe = True
            if arrays is not None:
                for name, value in reading.outputs.items():
                    arrays.add(name if len(arguments.images) == 1 else f"{number}/{name}", value)
            lines = reading.answer.lines()
            if arguments.output:
                lines = [f"{arguments.output}: {line}" for line in lines]
                with replacing(arguments.output, "-o") as file:
                    write(reading.answer, reading.frame, file, format_of(arguments.output))
            show(arguments, image, reading.data(), lines)
    return status


def flags_of(arguments) -> dict[str, tuple[str, str]]:
    """The words that flags say, as `recognise` takes them."""
    flags = {f"input.{flag}": (getattr(arguments, flag), f"--{flag}") for flag in RECIPE_FLAGS
             if getattr(arguments, flag) is not None}
    if arguments.task is not None:
        flags["task"] = arguments.task, "--task"
    for each in arguments.recipe or ():
        key, equals, text = each.partition("=")
        if not equals or not key:
            raise InputError(f"--recipe {each}: right is KEY=TEXT with a key of docs/metadata.md, such as input.resize=stretch")
        key = key.removeprefix("cinfer.")
        flags[key] = text, f"--recipe {key}"
    return flags


def show(arguments, path: str, data: dict, lines: list[str]) -> None:
    """One picture's result, at once: a program that reads along need not wait for the last."""
    if arguments.json:
        import json
        print(json.dumps({"image": path, **data}, allow_nan=False), flush=True)
    elif lines:
        if len(arguments.images) > 1:
            lines = [path, *("  " + line for line in lines)]
        print("\n".join(map(printable, lines)), flush=True)


@contextmanager
def quiet_libraries():
    """Drop what Pillow logs and libtiff prints to stderr: an error is to be one line, ours."""
    import logging
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def check_output(arguments) -> None:
    """Refuse what cannot be written before anything is run."""
    from ..vision.answers.encode import format_of
    for flag, path in (("--save", arguments.save), ("-o", arguments.output)):
        for read in (arguments.model, *arguments.images) if path and os.path.exists(path) else ():
            if os.path.exists(read) and os.path.samefile(path, read):
                raise InputError(f"{flag} {path}: that would overwrite what is read; name another file")
    if arguments.save:
        check_writable(arguments.save, "--save")
        if arguments.save.lower().endswith(".npy"):
            raise InputError(f"--save {arguments.save}: all outputs go into one .npz file; name it so")
    if not arguments.output:
        return
    if len(arguments.images) > 1:
        raise InputError(f"-o takes one picture at a time, there are {len(arguments.images)}")
    format_of(arguments.output)
    check_writable(arguments.output, "-o")


def read_labels(path: str) -> list[str]:
    """The lines of a text file, without an empty last one."""
    name, right = f"--labels {path}", "a text file with one class name a line"
    check_regular(path, name, right)
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
