"""cinfer serve MODEL...: models behind a port."""
from __future__ import annotations

import os

from ..errors import InputError
from .flags import add_fed, add_options, flags_of, options_of, read_labels
from .parser import add_precision, add_threads, count, seconds
from .text import say

USAGE = "cinfer serve MODEL... [flags]"
EPILOG = """Answers HTTP requests of DeepStack's clients (POST /v1/vision/detection), of KServe's
(/v2/models/NAME/infer) and of browsers (the page at /), and Prometheus (/metrics), until
SIGTERM or Ctrl-C (docs/serve.md). MODEL: a file, or NAME=FILE to call it otherwise in paths.
The key may also be in the variable CINFER_API_KEY, where other users do not see it.

  cinfer serve yolov8n.onnx
  cinfer serve door=yolov8n.onnx classes.onnx --port 8080 --api-key secret
  cinfer serve yolov8n.onnx --zmq tcp://127.0.0.1:5555"""
KEY = "CINFER_API_KEY"


def declare(parser) -> None:
    add = parser.add_argument
    add("models", metavar="MODEL", nargs="+", help="an ONNX file, or NAME=FILE; A.onnx+B.onnx: one after the other")
    add("--host", metavar="H", default="127.0.0.1", help="address to listen on (127.0.0.1: this machine alone)")
    add("--port", metavar="P", type=count(0, 65535), default=8000, help="port (8000); 0: one that is free")
    add("--api-key", metavar="KEY", help="which requests have to send")
    add("--zmq", metavar="ADDR", help="also serve Frigate's ZMQ detector, at tcp://127.0.0.1:5555 or the like")
    add("--max-body", metavar="MB", type=count(1, 2000), default=32, help="megabytes of a request (32)")
    add("--max-pixels", metavar="M", type=count(1, 100), default=25, help="million pixels of a picture (25)")
    add("--max-memory", metavar="MB", type=count(1, 10**6), default=4000, help="megabytes of a run (4000)")
    add("--max-connections", metavar="N", type=count(1, 10_000), default=100, help="connections at once (100)")
    add("--timeout", metavar="S", type=seconds, default=30.0,
        help="seconds for a request to come, and again for its answer (30)")
    add_options(parser)
    add("--labels", metavar="FILE", help="class names, one a line")
    add_fed(parser)
    add_threads(parser)
    add_precision(parser)


def run(arguments) -> int:
    from ..serve.limits import MEGABYTE, Limits
    from ..serve.models import named
    from ..serve.server import serve
    from ..vision.chains import split
    from .parser import model_path
    key = arguments.api_key if arguments.api_key is not None else os.environ.get(KEY)
    if key is not None and not (key.strip() == key and key.isprintable() and key):
        raise InputError("--api-key: a key is one word without blanks at its ends")
    for each in arguments.models:
        for path in split(named(each)[1]):
            model_path(path)
    limits = Limits(arguments.max_body * MEGABYTE, arguments.max_pixels * 1_000_000, arguments.timeout)

    def ready(application, url: str) -> None:
        for each in application.models.values():
            say(each.said())
        if arguments.zmq:
            say(f"Frigate's detector at {arguments.zmq}")
        say(f"serving at {url}, {application.turns.threads} thread{'s' * (application.turns.threads != 1)}"
            f"{'' if key else ', no API key'}; Ctrl-C ends it")

    serve(arguments.models, host=arguments.host, port=arguments.port, zmq=arguments.zmq,
          connections=arguments.max_connections, ready=ready, limits=limits, api_key=key, threads=arguments.threads,
          max_memory=arguments.max_memory * MEGABYTE, precision=arguments.precision, flags=flags_of(arguments),
          options=options_of(arguments), labels=read_labels(arguments.labels) if arguments.labels else None)
    say("ended")
    return 0
