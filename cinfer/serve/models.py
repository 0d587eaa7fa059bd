"""What is served: sessions by name, and what each makes of a picture."""
from __future__ import annotations

import copy
import os
from collections.abc import Mapping

from ..errors import Error, InputError
from ..vision.chains import split
from .replies import Refused

LIST = "list"                       # /v1/vision/custom/list


class Served:
    """A model behind the port.

    name : in paths; session : shared by all requests, or None where it is a chain of several
    reader : Reader, or a chain; None where the model takes no picture; why_not : the reason then
    task : of its answers, None where nothing reads the outputs; what : the task, or what there is instead
    kind : "detection", "classification", "text" or "", as DeepStack's protocol can say them
    """

    def __init__(self, name: str, sessions: list, flags=None, options=None, labels=None):
        self.name, self.session = name, sessions[0] if len(sessions) == 1 else None
        self._sessions, self.reader, self.why_not, self.task, self.kind = sessions, None, "", None, ""
        self.what = "raw outputs"
        try:
            self._look(flags, options, labels)
        except Error as error:
            if self.session is None or flags or labels or options and options.classes:     # then pictures are meant
                raise type(error)(f"{name}: {error}") from None
            self.reader, self.why_not = None, str(error)

    def _look(self, flags, options, labels) -> None:
        """One grey picture is read: whether it can be, what kind of answer there is, and plans and weights are ready
        before the first request."""
        from PIL import Image

        from ..vision.answers.classes import Classes
        from ..vision.answers.objects import Objects
        from ..vision.answers.summary import Summary
        from ..vision.answers.text import Text
        from ..vision.chains import reader_of
        self.reader = reader_of(self._sessions, flags, options, labels)
        answer = self.reader.read(Image.new("RGB", (256, 256), (128, 128, 128))).answer
        is_read = not isinstance(answer, Summary)
        self.task = (answer.task or getattr(self.reader.words, "task", None)) if is_read else None
        self.what = self.task or self.what if is_read else answer.what()
        self.kind = "detection" if isinstance(answer, Objects) else "text" if isinstance(answer, Text) else (
            "classification" if isinstance(answer, Classes) and answer.task == "classification" else "")

    def reads(self, conf: float | None, whole: bool):
        """The Reader for one request. conf : the least score, None: the model's own; whole : are pictures drawn on?"""
        if self.reader is None:
            raise Refused(400, f"model {self.name!r} takes tensors only: {self.why_not}")
        found = copy.copy(self.reader)
        found.whole = whole
        if conf is not None:
            found.options = found.options._replace(conf=conf)
        return found

    def purpose(self) -> str:
        """For a message: why its answers are none of another kind."""
        return f"it is for {self.task}" if self.task else f"it gives {self.what}"

    def said(self) -> str:
        """For people: what it is."""
        if self.reader is None:
            return f"{self.name}: tensors only, for {self.why_not}"
        return f"{self.name}: {self.what}: {self.reader.words.origin()}; fed {self.reader.recipe}"


def named(text: str) -> tuple[str, str]:
    """name=path, or a path: its file's name without the ending; of a chain those of all, with a + between them. A file
    of the whole name comes first."""
    name, equals, path = text.partition("=")
    if equals and name and path and not os.path.exists(text):
        return name, path
    return "+".join(os.path.splitext(os.path.basename(each))[0] for each in split(text)) or text, text


def served(models, threads: int | None = None, max_memory: int | None = None, precision: str = "fp32",
           flags=None, options=None, labels=None) -> dict[str, Served]:
    """The models by name, the first one first.

    models : paths or name=path, also of chains, A.onnx+B.onnx; or a dict of name -> path, bytes or Session, or a list
        of them, one after the other
    flags, labels : as of Reader; options : a dict of what Options says
    """
    from ..session import Session, load
    from ..vision.families.view import Options
    pairs = list(models.items()) if isinstance(models, Mapping) else [named(os.fspath(each)) for each in models]
    if not pairs:
        raise InputError("no model is named; right is at least one ONNX model")
    found: dict[str, Served] = {}
    for name, source in pairs:
        check_name(name, found)
        parts = source if isinstance(source, (list, tuple)) else split(source) if isinstance(source, str) else [source]
        sessions = [each if isinstance(each, Session) else load(
            each, threads=threads, max_memory=max_memory, precision=precision) for each in parts]
        found[name] = Served(name, sessions, flags, Options(**options or {}), labels)
    return found


def check_name(name: str, known) -> None:
    if not name or "/" in name or not name.isprintable() or len(name) > 200:
        raise InputError(f"{name!r} cannot be a model's name in a path; say another one, NAME=MODEL.onnx")
    if name == LIST:
        raise InputError(f"a model cannot be called {name!r}, by whose path clients ask for a list of all; say another "
                         "name, NAME=MODEL.onnx")
    if name in known:
        raise InputError(f"two models are called {name!r}; say another name for one, NAME=MODEL.onnx")
