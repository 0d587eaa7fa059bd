"""cinfer adapt MODEL photos-by-class/ -o OUT: a classifier learns classes of one's own."""
from __future__ import annotations

import os

from ..errors import InputError
from .files import check_model_place, check_not_picture, check_not_weights, check_place, model_file, replacing
from .flags import add_fed, flags_of
from .parser import add_threads, model_path
from .text import Steps, tell

USAGE = "cinfer adapt MODEL FOLDER -o OUT.onnx [flags]"
EPILOG = """FOLDER has a folder for each class, whose name is the label: photos/cat/1.jpg, photos/dog/1.jpg.
The network's features stay as they are, its last layer is learned anew; what the report says
is of pictures that were held out (docs/adapt.md).

  cinfer adapt model.onnx photos/ -o mine.onnx
  cinfer adapt model.onnx photos/ -o mine.onnx --report report.html"""


def declare(parser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help="an ONNX classifier")
    add("folder", metavar="FOLDER", help="a folder with a folder of pictures for each class")
    add("-o", "--output", metavar="OUT", required=True, help="the file to write, or - for standard output")
    add("--report", metavar="HTML", help="a page with the report and its pictures")
    add("--json", action="store_true", help="the report as one JSON object")
    add_fed(parser)
    add_threads(parser)


def run(arguments) -> int:
    path = model_path(arguments.model)
    check_model_place(arguments.output, [path, arguments.folder], arguments.json)
    if arguments.report:
        check_place(arguments.report, [path, arguments.folder], "--report")
        check_not_picture(arguments.report, "--report", "a page, as report.html")
        if os.path.realpath(arguments.report) == os.path.realpath(arguments.output):
            raise InputError(f"--report {arguments.report}: that is the file of -o; name another one")

    from ..adapt.adapter import adapt_by
    from ..model.source import Source
    source = Source(path)
    with Steps() as steps:
        made = adapt_by(source, arguments.folder, flags_of(arguments), threads=arguments.threads, show=steps.show)
    for name, flag in ((arguments.output, "-o"), (arguments.report, "--report")):
        if name:
            check_not_weights(name, source, flag)
    with model_file(arguments.output) as file:
        file.write(made.encoded())
    if arguments.report:
        with replacing(arguments.report, "--report") as file:
            file.write(made.page().encode())
    tell(made.report, arguments.output, arguments.json)
    return 0
