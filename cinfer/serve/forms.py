"""What comes in the body of a request. Nothing here trusts it: parts and their heads are counted and measured."""
from __future__ import annotations

import json
import re
from typing import NamedTuple

from .replies import Refused

MOST_PARTS, MOST_HEAD, MOST_TEXT = 50, 8192, 10_000         # of a form; bytes of a part's head, and of a text in it
MOST_LISTS = 1_000_000              # lists and objects in a JSON text: each takes some 60 bytes
BOUNDARY = re.compile(r"""boundary=(?:"([^"\r\n]{1,200})"|([^\s;",]{1,200}))""", re.IGNORECASE)
NAMED = re.compile(r"""[;\s](filename\*?|name)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))""", re.IGNORECASE)


class Form(NamedTuple):
    """texts : name -> text; files : name -> bytes, in their order"""
    texts: dict[str, str]
    files: dict[str, bytes]


def form_of(body: bytes, content_type: str) -> Form:
    """A form of multipart/form-data (RFC 7578). Raises Refused."""
    found = BOUNDARY.search(content_type)
    if found is None:
        raise Refused(400, "the content type multipart/form-data has no boundary")
    delimiter = b"\r\n--" + (found[1] or found[2]).encode("latin-1", "replace")
    data = b"\r\n" + body                               # so that the first delimiter is like the others
    form, at = Form({}, {}), data.find(delimiter)
    if at < 0:
        raise Refused(400, "the form does not begin with the boundary that its content type says")
    for _ in range(MOST_PARTS + 1):
        at += len(delimiter)
        if data[at:at + 2] == b"--":
            return form
        line = data.find(b"\r\n", at, at + 100)         # behind a boundary may be blanks
        if line < 0 or data[at:line].strip(b" \t"):
            raise Refused(400, "the form is damaged: a boundary is followed by something else than the end of its line")
        end = data.find(delimiter, line)
        if end < 0:
            raise Refused(400, "the form is truncated: its last boundary is missing")
        add_part(form, data, line + 2, end)
        at = end
    raise Refused(400, f"the form has more than {MOST_PARTS} parts")


def add_part(form: Form, data: bytes, start: int, end: int) -> None:
    """The part between two boundaries. One of a name that was there before replaces it."""
    head_end = data.find(b"\r\n\r\n", start, min(end, start + MOST_HEAD))
    if head_end < 0:
        raise Refused(400, f"the form is damaged: a part has no head, or one of more than {MOST_HEAD} bytes")
    names = {}
    for line in data[start:head_end].decode("utf-8", "replace").split("\r\n"):
        key, _, value = line.partition(":")
        if key.strip().lower() == "content-disposition":
            names = {kind.lower(): plain or re.sub(r"\\(.)", r"\1", quoted)
                     for kind, quoted, plain in NAMED.findall(value)}
    if "name" not in names:
        raise Refused(400, "the form is damaged: a part has no name (Content-Disposition: form-data; name=...)")
    if "filename" in names or "filename*" in names or names["name"] == "image":
        form.files[names["name"]] = data[head_end + 4:end]
    elif end - head_end - 4 > MOST_TEXT:
        raise Refused(400, f"the form's field {names['name'][:80]!r} has more than {MOST_TEXT} bytes")
    else:
        form.texts[names["name"]] = data[head_end + 4:end].decode("utf-8", "replace")


def json_of(body: bytes):
    """What a JSON text says. Raises Refused."""
    if body.count(b"[") + body.count(b"{") > MOST_LISTS:
        raise Refused(400, f"the JSON has more than {MOST_LISTS} lists and objects; send data as one flat list, or "
                           "binary")
    try:
        return json.loads(body.decode("utf-8"), parse_constant=no_constant)
    except UnicodeDecodeError:
        raise Refused(400, "the body is no text in UTF-8") from None
    except RecursionError:
        raise Refused(400, "the JSON is nested too deeply") from None
    except ValueError as error:                         # of json, and of whole numbers of thousands of digits
        raise Refused(400, f"the body is no JSON: {str(error)[:200]}") from None


def no_constant(text: str):
    raise ValueError(f"{text} is no number in JSON")
