"""cinfer run MODEL SOURCE...: what a model says of pictures."""
from __future__ import annotations

import os
import signal
import threading
import warnings
from contextlib import ExitStack, closing, contextmanager

from ..errors import Error, InputError
from ..vision.chains import reader_of, split
from . import complain
from .flags import (ASKED, add_options, add_recipe, check_font, check_save, check_show, drawn_into, flags_of, is_table,
                    label_expected, options_of, places_of, read_labels, saved_into, table_into)
from .parser import add_precision, add_threads, count, model_path, model_source, seconds
from .tally import Tally, some
from .text import TIFF, Progress, counted, hint, say, say_precision, without_stderr
from .writers import Filmed, Formatted, Screen, Shown

USAGE = "cinfer run MODEL SOURCE... [flags]"
EPILOG = """What the model is, and how pictures are prepared, comes from these flags, else
from the model's metadata, files beside it, its outputs; a line on stderr says
which. After a picture that cannot be read the others are still run; status 2.

  cinfer run yolov8n.onnx street.jpg -o street.out.jpg
  cinfer run detector.onnx photos/ -r --json --conf 0.4 -o drawn/ --resume
  cinfer run det.onnx+rec.onnx page.png"""


def declare(parser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help="an ONNX file; A.onnx+B.onnx: one after the other")
    add("sources", metavar="SOURCE", nargs="+", help="picture, folder, *.jpg, list.txt, video, camera:0, -")
    add("-o", "--output", metavar="PATH", help="drawn: a file, folder/, out.mp4; table: out.parquet")
    add("-r", "--recursive", action="store_true", help="also what is below folders")
    add("--json", action="store_true", help="one JSON object a picture and line (docs/json.md)")
    add("--format", choices=("coco", "yolo", "csv", "labelstudio"), metavar="F",
        help="boxes as coco, yolo, csv or labelstudio")
    add("--save", metavar="FILE", help="FILE.npz: all outputs; FILE.png: a map, 16 bits")
    add("--show", action="store_true", help="draw in the terminal")
    add("--font", metavar="FILE", help="of what is drawn, for other than English letters")
    add("--every", type=count(1, 10**6), metavar="N", help="of a video or camera only each Nth frame")
    add("--seconds", type=seconds, metavar="S", help="of a video or camera only the first S seconds")
    add("--expect", metavar="LABEL", help="exit status 1 unless a picture shows it")
    add("--resume", action="store_true", help="leave out what is there already by -o")
    add_options(parser)
    add("--labels", metavar="FILE", help="class names, one a line")
    add("--exact", action="store_true", help="decode large JPEGs whole (docs/sources.md)")
    add("--task", metavar="T", help="what the model does (docs/tasks.md)")
    add("--output-scale", metavar="S", help="--task image: pixel = S * output (255 if float)")
    add_threads(parser)
    add_precision(parser)
    add_recipe(parser)


def run(arguments) -> int:
    if arguments.format and arguments.json:
        raise InputError("--format and --json both say what goes to standard output; one of them is right")
    if arguments.model == "-" and "-" in arguments.sources:
        raise InputError("the model and a picture cannot both come from standard input; name a file for one")
    models = split(arguments.model)
    files = [model_source(models[0])] if len(models) == 1 else list(map(model_path, models))
    labels = read_labels(arguments.labels) if arguments.labels else None

    from ..session import load
    from ..vision.families.view import Options
    from ..vision.many import readings
    from .sources import Broken, Sources, opened_by

    sources = Sources(arguments)                        # what cannot be read at all is said before the model is loaded
    several = sources.several
    check_font(arguments)
    places, drawn = places_of(arguments, sources), None
    table = table_into(arguments, models)
    if table and arguments.resume and os.path.exists(table.path):       # it is whole, or it would not be there
        say(f"{table.path} left out: already there")
        return 0
    if arguments.output and not table and arguments.format != "yolo":
        drawn = drawn_into(arguments, places, models, sources)
    check_save(arguments, models, sources)
    shown = Shown(sources.moving, arguments.font) if check_show(arguments) else None
    try:
        sessions = [load(file, threads=arguments.threads, precision=arguments.precision) for file in files]
    except Error as error:
        if arguments.model != "-":
            raise
        raise type(error)(f"standard input: {str(error).removeprefix('model: ')}") from None
    say_precision(sessions[0], arguments.precision)
    options = Options(**options_of(arguments))
    reader = reader_of(sessions, flags_of(arguments), options, labels)
    reader.whole = bool(arguments.exact or arguments.save or shown or drawn)
    expected = label_expected(arguments.expect, reader)
    opened, opens = opened_by(reader)

    tally = Tally(expected)
    formatted = Formatted(arguments.format, places) if arguments.format else None
    try:
        with ExitStack() as stack:
            if isinstance(drawn, Filmed):
                stack.enter_context(drawn)
            if table:
                stack.enter_context(table)
            pictures = stack.enter_context(closing(sources.each(opens)))
            if arguments.resume and places:
                pictures = tally.missing(pictures, places.of)
            saved = saved_into(arguments.save, several, stack) if arguments.save else None
            screen = Screen(several, arguments.json, quiet=arguments.format is not None)
            progress = stack.enter_context(Progress("picture", None if several else 1))
            progress.count(sources.count)
            stack.enter_context(saying_warnings(progress))
            stack.enter_context(ended_by_signals(sources))
            workers = None if several and not sources.endless else 0
            found_of = stack.enter_context(closing(readings(reader, pictures, workers, quietly(opened))))
            told = False
            progress.show(1)
            for name, found in found_of:
                if isinstance(found, Error):
                    progress.clear()
                    is_alone = not several or sources.alone and not tally.done and isinstance(name, Broken)
                    if is_alone and not table:
                        raise found
                    if table:
                        table.failed(name, found)
                    screen.failed(name, found)
                    tally.failed(name)
                    complain(found)
                    continue
                if not told:
                    told = True
                    progress.clear()
                    say(said_of(found.answer, reader, arguments))
                    if not (found.answer.task or reader.words.task):
                        hint("nothing tells what these outputs are; --task says it (docs/tasks.md)")
                progress.make_room()
                if saved:
                    saved.write(tally.seen, found)
                if table:
                    table.write(name, found)
                if formatted:
                    formatted.write(tally.seen, name, found)
                written = drawn.write(name, found) if drawn else None
                if shown:
                    shown.write(found)
                screen.show(name, found, written)
                tally.add(name, found)
                progress.show(tally.seen + tally.left_out + 1, tally.left_out)
            if formatted:
                formatted.close()
    except (KeyboardInterrupt, Error) as error:
        if formatted and tally.done:
            formatted.close()                           # what was written can be read
        if several and tally.seen:
            tally.say()
            say_how_to_go_on(tally, places is not None, arguments, isinstance(error, KeyboardInterrupt))
        raise
    if sources.stopped and not tally.done:
        raise KeyboardInterrupt                         # before anything was seen
    if several or tally.left_out:
        if isinstance(drawn, Filmed) and drawn.count:
            say(f"{drawn.path}: {counted(drawn.count, 'frame')}")
        tally.say()
        if sources.left_out:
            say(f"{counted(len(sources.left_out), 'video')} in folders left out: {some(sources.left_out)}; "
                "a video that is named is read")
    return tally.status()


def say_how_to_go_on(tally: Tally, is_folder: bool, arguments, interrupted: bool) -> None:
    """After Ctrl-C, or a full disk. is_folder : of -o"""
    lost = [path for path in (None if is_folder else arguments.output, arguments.save) if path]
    text = f"{'interrupted' if interrupted else 'ended'} after {tally.last}"
    if is_folder:
        text += "; with --resume the same command goes on"
    if lost:
        text += f"; {' and '.join(lost)} {'are' if len(lost) > 1 else 'is'} not written"
    say(text)


def quietly(opened):
    """Frames of sources, without what libtiff prints."""
    def quiet(source):
        with quiet_libraries(source):
            return opened(source)
    return quiet


@contextmanager
def ended_by_signals(sources):
    """Of what has no end Ctrl-C is the usual one: what is begun is finished, as if the source had ended. The second one
    interrupts."""
    numbers = signal.SIGINT, signal.SIGTERM
    if not sources.endless or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in numbers}

    def stop(*_):
        for number in numbers:
            signal.signal(number, before[number])
        sources.stop()
    for number in numbers:
        if before[number] not in (signal.SIG_IGN, None):
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            if before[number] is not None:
                signal.signal(number, before[number])


def said_of(answer, reader, arguments) -> str:
    """What a model is, what that was told by, how it is fed; and which flags say nothing to it."""
    from ..vision.answers.summary import Summary
    what, more = answer.task, ""
    idle = [f"--{name.replace('_', '-')}" for name in ASKED
            if getattr(arguments, name) is not None and name not in answer.heeds]
    if arguments.output_scale is not None and answer.task != "image":
        idle.append("--output-scale")
    if idle:
        more = f"; not used: {', '.join(idle)}"
    if isinstance(answer, Summary):
        what = answer.what()
        if arguments.output and not is_table(arguments.output):
            more += "; -o writes the picture as it is: if the output is one, --task image says so"
    return f"{what}: {reader.words.origin()}; fed {reader.recipe}{more}"


@contextmanager
def saying_warnings(progress):
    """What decoding warns of is said; the threads that decode share these settings."""
    told = set()                    # what is the same of all pictures is said once

    def shown(message, *_, **__):
        if str(message) not in told:
            told.add(str(message))
            progress.clear()
            say(message)
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = shown
        yield


@contextmanager
def quiet_libraries(source):
    """Drop what Pillow logs and, of a TIFF, libtiff prints to stderr: an error is to be one line, ours."""
    import logging
    logger = logging.getLogger("PIL")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    if not is_tiff(source):
        yield
        return
    with without_stderr():
        yield


def is_tiff(source) -> bool:
    if source == "-":
        return True                                     # who knows
    try:
        if not os.path.isfile(source):
            return False
        with open(source, "rb") as file:
            return file.read(4) in TIFF
    except (OSError, ValueError):
        return False
