"""The WSGI application: each request gets one answer, an error one line of JSON. Any WSGI server can run it."""
from __future__ import annotations

import os
import re
import sys
import time
import traceback

from ..errors import Cancelled, Error, InputError, LimitError, UnsupportedError
from ..threads import checked
from . import pictures, tensors
from .forms import Form, form_of
from .limits import Limits
from .metrics import KIND, Metrics
from .models import LIST, Served, served
from .replies import Refused, Reply, failure, too_large
from .turns import Turns

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "index.html")
# All that the page does is in it; it may speak to its own server, and show pictures that it is given.
PAGE_POLICY = ("default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
               "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
BODIES = "multipart/form-data", "application/octet-stream", "image/"
MOST_QUERY = 10_000


class Application:
    """Models behind paths.

        application = cinfer.serve.Application(["yolov8n.onnx"])        # for any WSGI server
    """

    def __init__(self, models, *, api_key: str | None = None, limits: Limits = Limits(), threads: int | None = None,
                 **how):
        """models, how : as of `served`; threads : of all runs together, by default what this process may use"""
        self.turns, self.limits, self.metrics = Turns(checked(threads)), limits, Metrics()
        self._key = None if api_key is None else api_key.encode()
        self.models: dict[str, Served] = served(models, threads=threads, **how)
        with open(PAGE, "rb") as file:
            self._page = file.read()

    # ---- one request

    def __call__(self, environ, start_response):
        begin = environ.get("cinfer.came") or time.monotonic()
        request = Request(environ, self.limits, begin + self.limits.seconds)
        route, reply = self.answered(request)
        self.metrics.add(route, reply.status, time.monotonic() - begin)
        start_response(reply.line, [("Content-Type", reply.kind), ("Content-Length", str(len(reply.body))),
                                    ("X-Content-Type-Options", "nosniff"), *reply.headers])
        return [b"" if request.method == "HEAD" else reply.body]

    def answered(self, request) -> tuple[str, Reply]:
        """(the route as metrics call it, the answer)"""
        route = "other"
        try:
            method, route, is_open, handler, names = found_of(request)
            if request.method not in (method, "HEAD" if method == "GET" else method):
                allowed = "GET, HEAD" if method == "GET" else method
                raise Refused(405, f"this path takes {method}", (("Allow", allowed),))
            if not is_open:
                self._check_key(request)
            return route, handler(self, request, **names)
        except Refused as refused:
            return route, refused.reply()
        except LimitError as error:
            return route, failure(413, str(error))
        except (InputError, UnsupportedError) as error:
            return route, failure(400, str(error))
        except Cancelled:
            return route, failure(503, f"the answer took longer than the {self.limits.seconds:g} s that a request has",
                                  (("Retry-After", "1"),))
        except Error as error:                          # the model's file was written over
            return route, failure(500, str(error))
        except MemoryError:
            return route, failure(503, "there is not enough memory for this request", (("Retry-After", "1"),))
        except Exception as error:
            from ..cli.text import say
            say(f"internal error, please report it: {type(error).__name__}: {error}")
            if os.environ.get("CINFER_DEBUG") == "1":
                traceback.print_exc(file=sys.stderr)
            return route, failure(500, "internal error; the server's own output says more")

    def _check_key(self, request) -> None:
        if self._key is None:
            return
        from hmac import compare_digest
        given = request.key()
        if given is None or not any([compare_digest(each, self._key) for each in spelt(given)]):
            raise Refused(401, f"the API key is {'missing' if given is None else 'wrong'}: send it as the form's field "
                               "api_key, or as the header Authorization: Bearer KEY", (("WWW-Authenticate", "Bearer"),))

    # ---- what the paths share

    def model_of(self, name: str | None, kind: str | None = None, does: str = "") -> Served:
        """The model of this name; without one the first that is of this kind, or takes a picture."""
        if name is not None:
            if name not in self.models:
                raise Refused(404, f"no model of this name; there are {', '.join(map(repr, self.models))}")
            return self.models[name]
        found = [each for each in self.models.values() if (each.kind == kind if kind else each.reader is not None)]
        if not found:
            raise Refused(404, f"no model that is served {does or 'takes a picture'}; GET /v2/models lists them")
        return found[0]


class Request:
    """What came. Its body is read when it is asked for, and as a whole."""

    def __init__(self, environ, limits: Limits, deadline: float):
        self.environ, self.limits, self.deadline = environ, limits, deadline
        self.gone = environ.get("cinfer.gone", lambda: False)           # does the client seem to be?
        self.method = environ["REQUEST_METHOD"]
        self.path = environ.get("PATH_INFO", "").encode("latin-1", "replace").decode("utf-8", "replace")
        self._body: bytes | None = None
        self._form: Form | None = None

    def header(self, name: str) -> str | None:
        return self.environ.get("HTTP_" + name.upper().replace("-", "_"))

    @property
    def content_type(self) -> str:
        return self.environ.get("CONTENT_TYPE", "")

    def body(self) -> bytes:
        if self._body is None:
            most, said = self.limits.body, self.environ.get("CONTENT_LENGTH") or ""
            if (self.header("Content-Encoding") or "identity").lower() != "identity":
                raise Refused(415, "compressed bodies are not taken; send it without Content-Encoding")
            if said and not re.fullmatch(r"[0-9]{1,18}", said):
                raise Refused(400, "Content-Length is no number of bytes")
            if said and int(said) > most:
                raise too_large(most)
            body = self.environ["wsgi.input"].read(int(said) if said else most + 1)
            if len(body) > most:
                raise too_large(most)
            if said and len(body) < int(said):
                raise Refused(400, f"the body is truncated: {len(body)} of {said} bytes came")
            self._body = body
        return self._body

    def form(self) -> Form:
        """Empty where the body is none."""
        if self._form is None:
            is_form = self.content_type.lower().startswith("multipart/form-data")
            self._form = form_of(self.body(), self.content_type) if is_form else Form({}, {})
        return self._form

    def asked(self, name: str) -> str | None:
        """A field of the form, or of the query."""
        if name in self.form().texts:
            return self.form().texts[name]
        return self.query(name)

    def query(self, name: str) -> str | None:
        from urllib.parse import parse_qs
        try:
            found = parse_qs(self.environ.get("QUERY_STRING", "")[:MOST_QUERY], max_num_fields=100)
        except ValueError:
            raise Refused(400, "the query has more than 100 fields") from None
        return found.get(name, [None])[0]

    def key(self) -> str | None:
        """Of a header as WSGI gives it: each of its bytes is a letter."""
        bearer = re.fullmatch(r"bearer\s+(.+)", self.header("Authorization") or "", re.IGNORECASE)
        return bearer[1] if bearer else self.form().texts.get("api_key")

    def picture(self, right: str) -> bytes:
        """The bytes of the picture in it. right : what to send, for the message"""
        kind = self.content_type.lower()
        if not kind.startswith(BODIES):
            raise Refused(415, f"the content type is {kind[:80]!r}; right is {right}")
        files = self.form().files
        found = self.body() if not kind.startswith(BODIES[0]) else files.get("image") or next(iter(files.values()), b"")
        if not found:
            raise Refused(400, f"there is no picture; right is {right}")
        return found


def spelt(key: str) -> list[bytes]:
    """The ways to read a key in UTF-8: its letters, or, of a header, the bytes that WSGI makes letters of."""
    try:
        return [key.encode("utf-8", "surrogateescape"), key.encode("latin-1")]
    except UnicodeEncodeError:
        return [key.encode("utf-8", "surrogatepass")]


# ---- paths

def page(app, request) -> Reply:
    return Reply(app._page, kind="text/html; charset=utf-8", headers=(
        ("Content-Security-Policy", PAGE_POLICY), ("Cache-Control", "no-cache"), ("Referrer-Policy", "no-referrer")))


def metrics(app, request) -> Reply:
    return Reply(app.metrics.text(app.models, app.turns).encode(), kind=KIND)


def alive(app, request) -> Reply:
    return Reply(b'{"live":true}\n')


def ready(app, request) -> Reply:
    return Reply(b'{"ready":true}\n')


def model_ready(app, request, name: str) -> Reply:
    app.model_of(name)
    return ready(app, request)


def models(app, request) -> Reply:
    """What is served, for people and the page."""
    from .replies import of
    return of({"models": [{"name": each.name, "task": each.task,
                           "takes": " and ".join(["pictures"] * (each.reader is not None)
                                                 + ["tensors"] * (each.session is not None)), "note": each.why_not}
                          for each in app.models.values()]})


NAME = r"(?P<name>[^/]{1,200})"
MODEL = rf"/v2/models/{NAME}(?:/versions/1)?"
# pattern, method, route for metrics, is it open without the key, what answers
ROUTES = [(re.compile(pattern), *rest) for pattern, *rest in (
    (r"/", "GET", "/", True, page),
    (r"/metrics", "GET", "/metrics", False, metrics),
    (r"/v1/vision/detection/?", "POST", "/v1/vision/detection", False, pictures.detection),
    (r"/v1/vision/scene/?", "POST", "/v1/vision/scene", False, pictures.scene),
    (rf"/v1/vision/custom/{LIST}/?", "POST", "/v1/vision/custom/list", False, pictures.listed),
    (rf"/v1/vision/custom/{NAME}/?", "POST", "/v1/vision/custom", False, pictures.custom),
    (rf"/v1/read(?:/{NAME})?/?", "POST", "/v1/read", False, pictures.whatever),
    (r"/v2/?", "GET", "/v2", False, tensors.about),
    (r"/v2/health/live/?", "GET", "/v2/health/live", True, alive),
    (r"/v2/health/ready/?", "GET", "/v2/health/ready", True, ready),
    (r"/v2/models/?", "GET", "/v2/models", False, models),
    (rf"{MODEL}/?", "GET", "/v2/models/NAME", False, tensors.about_model),
    (rf"{MODEL}/ready/?", "GET", "/v2/models/NAME/ready", False, model_ready),
    (rf"{MODEL}/infer/?", "POST", "/v2/models/NAME/infer", False, tensors.infer),
)]


def found_of(request):
    """(method, route, is it open, handler, what the path names)"""
    for pattern, method, route, is_open, handler in ROUTES:
        found = pattern.fullmatch(request.path)
        if found:
            return method, route, is_open, handler, found.groupdict()
    raise Refused(404, "there is nothing at this path; docs/serve.md of cinfer lists them")
