"""Arguments of a subcommand: argparse with errors of one line that say what is meant."""
from __future__ import annotations

import argparse
import math
import re
import sys

from ..errors import InputError, nearest
from ..paths import check_regular
from ..table import dims

MOST_MODEL_BYTES = 2 << 30
MOST_SECONDS = 86_400


class Help(argparse.RawDescriptionHelpFormatter):
    """A line a flag, as long as its text is short."""

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=27)


class Parser(argparse.ArgumentParser):
    def error(self, message: str):
        raise InputError(f"{message}; see {self.prog} --help")


def parse(module, command: str, summary: str, argv: list[str]) -> argparse.Namespace | None:
    """The arguments as a subcommand's module declares them; None when they asked for help (printed)."""
    parser = Parser(
        prog=f"cinfer {command}", description=f"{summary[0].upper()}{summary[1:]}.", epilog=module.EPILOG,
        usage=getattr(module, "USAGE", None), formatter_class=Help, allow_abbrev=False)
    module.declare(parser)
    if "" in argv:
        raise InputError(f"an argument is empty, as a variable that is not set; see cinfer {command} --help")
    try:
        # intermixed: `cinfer run model.onnx --top 3 a.jpg b.jpg`
        arguments, unknown = parser.parse_known_intermixed_args(joined(argv))
    except SystemExit:                                  # --help
        return None
    if unknown:
        flags = [flag for action in parser._actions for flag in action.option_strings]
        first = unknown[0].partition("=")[0]
        kind = "flag" if first.startswith("-") else "argument"
        raise InputError(f"unknown {kind} {first!r}{nearest(first, flags) or f'; see cinfer {command} --help'}")
    return arguments


def joined(argv: list[str]) -> list[str]:
    """--mean -5,-5,-5 as --mean=-5,-5,-5: argparse takes such a value for a flag."""
    found: list[str] = []
    for word in argv:
        if found and found[-1].startswith("--") and "=" not in found[-1] and re.match(r"-[\d.][^,]*,", word):
            found[-1] += "=" + word
        else:
            found.append(word)
    return found


def count(least: int, most: int):
    """An argument type: a whole number within limits."""
    def parse_count(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) < 12 and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} to {most}")
        return int(text)
    return parse_count


def fraction(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 1")
    return value


def at_least_0(text: str) -> float:
    value = _number(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 0")
    return value


def seconds(text: str) -> float:
    value = _number(text)
    if not 0 < value <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0 and up to {MOST_SECONDS}, a day")
    return value


def _number(text: str) -> float:
    """nan where it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def shape(text: str) -> tuple[str | None, tuple[int, ...]]:
    """NAME=1x3x224x224, NAME:1x3x224x224, or, of the only input, 1x3x224x224; of a number, NAME="""
    found = re.fullmatch(r"(?:(.+)[=:])?(\d{1,9}(?:[xX]\d{1,9})*)|(.+)=", text, re.ASCII | re.DOTALL)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no [NAME=]SIZES such as 1x3x224x224 or input=1x3x224x224")
    name, sizes, of_number = found.groups()
    return name or of_number, tuple(map(int, sizes.lower().split("x"))) if sizes else ()


def add_shape(parser) -> None:
    parser.add_argument("--shape", type=shape, action="append", default=[], metavar="[NAME=]SIZES",
                        help="sizes of an input, where the model leaves them free: 1x3x640x640, of several "
                             "images=1x3x640x640")


def add_threads(parser) -> None:
    parser.add_argument("--threads", type=count(1, 256), metavar="N",
                        help="threads (default: what this process may use)")


def shape_flag(name: str, sizes: tuple[int, ...]) -> str:
    """How one says the sizes of an input."""
    return f"--shape {name}={'x'.join(map(str, sizes))}"


def add_precision(parser) -> None:
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", metavar="P",
                        help="fp32 (default), or bf16: faster, less exact")


def shapes_of(given: list[tuple[str | None, tuple[int, ...]]], session) -> dict[str, tuple[int, ...]]:
    """What --shape says, by the names of inputs; InputError unless all are inputs of the model, each once."""
    names = [port.name for port in session.inputs]
    listed, shapes = ", ".join(map(repr, names)), {}
    for name, sizes in given:
        if name is None and len(names) != 1:
            raise InputError(f"--shape {dims(sizes)}: the model has {len(names)} inputs, {listed}; say which, "
                             f"NAME={dims(sizes)}")
        name = names[0] if name is None else name
        if name not in names:
            raise InputError(f"--shape {name}: no such input; the model has {listed}")
        if name in shapes:
            raise InputError(f"--shape says the sizes of {name!r} twice")
        shapes[name] = sizes
    return shapes


def model_source(text: str) -> str | bytes:
    """The model's path, or, of -, what comes through standard input."""
    if text != "-":
        return model_path(text)
    if sys.stdin is None:
        raise InputError("standard input is closed; name an ONNX model")
    content = sys.stdin.buffer.read(MOST_MODEL_BYTES + 1)
    if len(content) > MOST_MODEL_BYTES:
        raise InputError("standard input holds more than 2 GB, which no ONNX file does; name an ONNX model")
    return content


def model_path(text: str) -> str:
    """The model's path; a clear error before anything slow happens."""
    if text == "-":
        raise InputError("a model is not read from standard input; name its file")
    if "+" in text:
        from ..vision.chains import split
        if len(split(text)) > 1:
            raise InputError(f"{text}: one model is right here; chains are for cinfer run and cinfer serve")
    check_regular(text, text, "an ONNX model")
    return text
