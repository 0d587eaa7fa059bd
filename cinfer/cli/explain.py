"""cinfer explain MODEL PICTURE -o OUT: what of a picture a model's answer comes from."""
from __future__ import annotations

from ..errors import InputError
from .files import check_named, check_place, replacing
from .flags import add_fed, flags_of, read_labels
from .parser import add_threads, model_path
from .text import Steps, say

USAGE = "cinfer explain MODEL PICTURE -o OUT.png [flags]"
EPILOG = """OUT is the picture with a map over it and what that says below: a class activation map
where the model ends in the mean over all places and a linear layer, else occlusion: 49
parts are covered, one after the other, and the score falls or does not
(docs/explain.md).

  cinfer explain model.onnx dog.jpg -o why.png
  cinfer explain model.onnx dog.jpg --label 235 --method occlusion -o why.png
  cinfer explain model.onnx --layers
  cinfer explain model.onnx dog.jpg --features conv1 -o inside.png"""
METHODS = "cam", "occlusion"


def declare(parser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help="an ONNX file of a classifier or detector; for --layers and --features of any "
        "model that takes pictures")
    add("picture", metavar="PICTURE", nargs="?", help="a picture, or - for standard input; may be left "
        "out with --layers")
    add("-o", "--output", metavar="OUT", help="the picture to write")
    add("--label", metavar="L", help="explain this class, by its name or number (the likeliest one)")
    add("--method", choices=METHODS, help="cam, a class activation map, or occlusion")
    add("--layers", action="store_true", help="list what can be looked at inside: name, operator, shape")
    add("--features", metavar="LAYER", help="draw the channels of a layer instead, by its name")
    add("--labels", metavar="FILE", help="class names, one a line, instead of the model's own")
    add("--json", action="store_true", help="one JSON object")
    add("--font", metavar="FILE", help="a font for what is written below")
    add_fed(parser)
    add_threads(parser)


def run(arguments) -> int:
    path = model_path(arguments.model)
    check(arguments, path)
    labels = read_labels(arguments.labels) if arguments.labels else None

    from ..session import load
    from ..vision.reader import Reader
    reader = Reader(load(path, threads=arguments.threads), flags_of(arguments), labels=labels)
    if arguments.layers:
        return list_layers(reader, arguments)
    from ..vision.answers.encode import encode, format_of
    with Steps() as steps, warned(steps):
        frame = reader.opened(arguments.picture)
        made, drawn = looked_at(reader, frame, arguments, steps.show)
        with replacing(arguments.output, "-o") as file:
            import numpy as np
            encode(np.asarray(drawn), file, format_of(arguments.output, "-o "))
    if arguments.json:
        import json
        print(json.dumps(made.data() | {"output": arguments.output}, allow_nan=False))
    else:
        from ..table import printable
        print(printable(f"{made.line()} -> {arguments.output}"))
    return 0


def check(arguments, path: str) -> None:
    """InputError for what does not go together, before the work."""
    for flag in ("features", "label", "method", "output", "font"):
        if arguments.layers and getattr(arguments, flag) is not None:
            raise InputError(f"--layers lists what there is; leave out {'-o' if flag == 'output' else '--' + flag}")
    for flag in ("label", "method", "labels"):
        if arguments.features is not None and getattr(arguments, flag) is not None:
            raise InputError(f"--features draws what is inside, whatever it is called; leave out --{flag}")
    if arguments.layers:
        return
    if arguments.picture is None:
        raise InputError("which PICTURE? cinfer explain MODEL PICTURE -o OUT.png is right")
    if arguments.output is None:
        raise InputError("-o OUT.png names the picture to write; it is missing")
    check_named(arguments.output, "-o")
    from ..vision.answers.encode import format_of
    format_of(arguments.output, "-o ")
    check_place(arguments.output, [path, arguments.picture, *filter(None, (arguments.labels, arguments.font))], "-o")
    if arguments.font is not None:
        from ..vision.answers.labels import font_of
        font_of(arguments.font, 16)


def warned(steps):
    from .run import saying_warnings
    return saying_warnings(steps)


def looked_at(reader, frame, arguments, show) -> tuple:
    """(what is told, PIL.Image.Image)"""
    fed = f"fed {reader.recipe}"
    if arguments.features is not None:
        from ..explain.explainer import features_by
        made = features_by(reader, frame, arguments.features)
        say(f"{reader.words.origin()}; {fed}")
        return made, made.draw(arguments.font)
    from ..explain.explainer import explain_by
    made = explain_by(reader, frame, arguments.label, arguments.method, show)
    how = "a class activation map" if made.method == "cam" else "occlusion"
    why = f", for {made.why}" if made.why and arguments.method is None else ""
    say(f"{how}{why}; {fed}")
    return made, made.draw(frame, arguments.font)


def list_layers(reader, arguments) -> int:
    from ..explain.explainer import layers_by
    from ..table import dims, table
    found = layers_by(reader, reader.prepare(reader.opened(arguments.picture)) if arguments.picture else None)
    if not found:
        raise InputError("there is nothing to look at: the model computes no maps, rows and columns of numbers")
    if arguments.json:
        import json
        print(json.dumps([{"name": each.name, "operator": each.operator, "shape": each.shape} for each in found]))
    else:
        print("\n".join(table([[each.name, each.operator, dims(each.shape)] for each in found])))
    return 0
