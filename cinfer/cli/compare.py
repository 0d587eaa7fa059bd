"""cinfer compare MODEL REFERENCE [INPUT...]: how far a model's values are from another one's, or from saved ones."""
from __future__ import annotations

import argparse

from ..errors import InputError
from .flags import add_fed, flags_of
from .parser import add_precision, add_shape, add_threads, at_least_0, model_path, shape_flag, shapes_of
from .text import Steps, say

USAGE = "cinfer compare MODEL [REFERENCE] [INPUT...] [flags]"
EPILOG = """REFERENCE is held to be right: a model, or values that were saved, as by `cinfer run --save`.
INPUT: pictures, prepared as `cinfer run` does it, files, folders, *.jpg, list.txt, or
inputs as NumPy saves them (.npy, .npz). Without any: random numbers, the same each time.
With --precision bf16 REFERENCE may be left out: it is MODEL itself in fp32.
Exit status 0 where all outputs agree, 1 where one does not, 2 for an error
(docs/compare.md).

  cinfer compare int8.onnx float.onnx photos/
  cinfer compare simplified.onnx model.onnx --every-value
  cinfer compare model.onnx reference.npz --input images=x.npy"""


def declare(parser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help="an ONNX file")
    add("named", metavar="REFERENCE", nargs="*", help="another one, or values in a .npz or .npy file; then inputs: "
        "pictures, folders, lists, arrays")
    add("--input", metavar="[NAME=]FILE", action="append", default=[], type=named_file,
        help="a .npy file for an input of the model; may be repeated")
    add("-r", "--recursive", action="store_true", help="also what is below folders")
    add("--every-value", action="store_true", help="also inner values, which both have by one name")
    add("--tolerance", type=at_least_0, metavar="T",
        help="of a difference, over the largest number of the reference (1e-4; integers are to be the same)")
    add("--json", action="store_true", help="one JSON object")
    add_fed(parser)
    add_shape(parser)
    add_threads(parser)
    add_precision(parser)


def named_file(text: str) -> tuple[str | None, str]:
    name, equals, path = text.partition("=")
    if equals and not (name and path):
        raise argparse.ArgumentTypeError(f"{text!r} is no [NAME=]FILE such as images=x.npy")
    return (name, path) if equals else (None, text)


def run(arguments) -> int:
    path = model_path(arguments.model)
    if "-" in arguments.named:
        raise InputError("nothing that is compared is read from standard input; name files")
    reference, names = split(arguments.named, arguments.precision)
    if arguments.input and (names or arguments.shape):
        raise InputError(f"--input and {'--shape' if arguments.shape else names[0]} both say what is fed; leave one "
                         "out")
    if names and arguments.shape:
        raise InputError(f"--shape is for random numbers; {names[0]} has a size of its own")

    from ..compare.comparer import compare_by
    from ..compare.sides import Network
    from ..vision.inputs import named
    model = Network(path, path, arguments.threads, arguments.precision)
    inputs = named(names, arguments.recursive, "inputs") if names else None
    if arguments.input:
        inputs = [arrays_of(arguments.input, model.session.inputs)]
    with Steps() as steps:
        found = compare_by(
            model, reference, inputs, flags_of(arguments), precision=arguments.precision, show=steps.show,
            every_value=arguments.every_value, tolerance=arguments.tolerance, threads=arguments.threads,
            shapes=shapes_of(arguments.shape, model.session), spelt=shape_flag)
    if arguments.json:
        import json
        print(json.dumps(found.data(), indent=1))
    else:
        print("\n".join(found.lines()))
    say(found.summary())
    return 0 if found.agrees else 1


def split(names: list[str], precision: str) -> tuple[str | None, list[str]]:
    """(the reference, the inputs). Of a model in another precision the reference may be left out, unless the first name
    is one of a model or of saved values."""
    if precision == "fp32" and not names:
        raise InputError("which REFERENCE is it compared with? another model, or values in a .npz or .npy file; see "
                         "cinfer compare --help")
    is_given = precision == "fp32" or names and names[0].lower().endswith((".onnx", ".npz"))
    return (names[0], names[1:]) if is_given else (None, names)


def arrays_of(given: list[tuple[str | None, str]], ports) -> dict:
    """The feeds that --input names."""
    from ..stored import Stored
    from ..vision.inputs import fitted
    known, feeds = {port.name: port for port in ports}, {}
    listed = ", ".join(map(repr, known))
    for name, path in given:
        if name is None and len(ports) != 1:
            raise InputError(f"--input {path}: the model has {len(ports)} inputs, {listed}; say which, NAME={path}")
        name = ports[0].name if name is None else name
        if name not in known:
            raise InputError(f"--input {name}={path}: no such input; the model has {listed or 'none'}")
        if name in feeds:
            raise InputError(f"--input says {name!r} twice")
        with Stored(path) as stored:
            if len(stored.names) != 1:
                raise InputError(f"--input {path}: it has {len(stored.names)} arrays; right is a .npy file, or a .npz "
                                 "file among the inputs, which has all of them")
            feeds[name] = fitted(stored, stored.names[0], known[name])
    return feeds
