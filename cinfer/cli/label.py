"""cinfer label MODEL -o OUT: a copy of a model that says how to use itself."""
from __future__ import annotations

from ..table import shortened, table
from .files import STDOUT, check_model_place, model_file
from .flags import add_fed, flags_of, read_labels
from .parser import add_threads, model_path
from .text import counted, say_written, show

EPILOG = """Writes the keys of docs/metadata.md into a copy of the file: what the flags say, and for the
rest what cinfer takes the model for. Nothing else is changed (docs/label.md).

  cinfer label model.onnx -o mine.onnx --labels classes.txt --task classification --size 224
  cinfer label model.onnx -o mine.onnx --recipe output.kind=logits"""


def declare(parser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help="an ONNX file")
    add("-o", "--output", metavar="OUT", required=True, help="the file to write, or - for standard output")
    add("--labels", metavar="FILE", help="class names, one a line")
    add("--json", action="store_true", help="the keys as one JSON object")
    add_fed(parser)
    add_threads(parser)


def run(arguments) -> int:
    path = model_path(arguments.model)
    check_model_place(arguments.output, [path, *([arguments.labels] if arguments.labels else [])], arguments.json)
    labels = read_labels(arguments.labels) if arguments.labels else None

    from ..label import label_by, stream_by
    if arguments.output == STDOUT:
        with model_file(STDOUT) as file:
            keys = stream_by(path, file, flags_of(arguments), labels, threads=arguments.threads)
    else:
        keys = label_by(path, arguments.output, flags_of(arguments), labels, threads=arguments.threads)
    if arguments.json:
        import json
        print(json.dumps(keys, indent=1))
    else:
        show(table([[key, shortened(text)] for key, text in keys.items()]), arguments.output)
    say_written(arguments.output, f"{counted(len(keys), 'key')} written")
    return 0
