"""cinfer quantize MODEL PICTURES... -o OUT: a model in integers of 8 bits, as good as its target asks."""
from __future__ import annotations

import argparse

from ..errors import InputError
from .files import check_model_place, check_not_weights, model_file
from .flags import add_fed, flags_of
from .parser import add_threads, model_path
from .text import Steps, tell

USAGE = "cinfer quantize MODEL PICTURE... -o OUT.onnx [flags]"
EPILOG = """PICTURE: files, folders, *.jpg, list.txt, or inputs as NumPy saves them (.npy, .npz);
some 20 to 100 that look like those to come. Every fifth is held out: the report says
how well the result does on them. What does not keep to the target stays in float
(docs/quantize.md).

  cinfer quantize model.onnx photos/ -o int8.onnx
  cinfer quantize model.onnx photos/ --check others/ --target 0.05 -o int8.onnx --json"""
MOST_TARGET = 1.0


def declare(parser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help="an ONNX file in floats")
    add("pictures", metavar="PICTURE", nargs="+", help="to calibrate with: files, folders, lists, arrays")
    add("-o", "--output", metavar="OUT", required=True, help="the file to write, or - for standard output")
    add("--check", metavar="P", action="append", help="held-out pictures, instead of every fifth; may be repeated")
    add("-r", "--recursive", action="store_true", help="also what is below folders")
    add("--target", type=target, default=.02, metavar="E",
        help="the error that may be: of a picture, the largest over the scale of an output (0.02)")
    add("--activations", choices=("u8", "s8"), default="u8", help="bytes without or with a sign (u8)")
    add("--ranges", choices=("min-max", "percentile", "mse", "middle", "entropy"),
        help="how ranges are found (the best one)")
    add("--weights", choices=("u8", "s8", "s7"), default="u8", help="bytes of weights (u8; docs/quantize.md)")
    add("--exact", action="store_true", help="the same bytes in all engines, a little less near (docs/quantize.md)")
    add("--json", action="store_true", help="the report as one JSON object")
    add_fed(parser)
    add_threads(parser)


def target(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= MOST_TARGET:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0 and up to {MOST_TARGET:g}")
    return value


def run(arguments) -> int:
    path = model_path(arguments.model)
    check_model_place(arguments.output, [path, *arguments.pictures, *(arguments.check or ())], arguments.json)
    if "-" in (*arguments.pictures, *(arguments.check or ())):
        raise InputError("pictures to calibrate with are not read from standard input; name files or folders")

    from ..model.source import Source
    from ..quantize.quantizer import quantize_by
    source = Source(path)
    with Steps() as steps:
        made = quantize_by(source, arguments.pictures, arguments.check, flags_of(arguments), target=arguments.target,
                           activations=arguments.activations, ranges=arguments.ranges, weights=arguments.weights,
                           exact=arguments.exact, threads=arguments.threads, recursive=arguments.recursive,
                           show=steps.show)
        check_not_weights(arguments.output, source, "-o")
        with model_file(arguments.output) as file:
            file.write(made.encoded())
    tell(made.report, arguments.output, arguments.json)
    return 0
