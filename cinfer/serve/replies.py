"""What is answered to a request."""
from __future__ import annotations

import json
from http import HTTPStatus
from typing import NamedTuple

from .limits import MEGABYTE

JSON = "application/json"


class Reply(NamedTuple):
    """status : of HTTP; kind : the content type; headers : further ones"""
    body: bytes
    status: int = 200
    kind: str = JSON
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def line(self) -> str:
        """200 OK"""
        return line_of(self.status)


class Refused(Exception):
    """A request that is answered by an error. message : one line"""

    def __init__(self, status: int, message: str, headers: tuple[tuple[str, str], ...] = ()):
        super().__init__(message)
        self.status, self.headers = status, headers

    def reply(self) -> Reply:
        return failure(self.status, str(self), self.headers)


def too_large(most: int) -> Refused:
    """most : bytes of a body"""
    return Refused(413, f"the body is larger than {most / MEGABYTE:g} MB, the limit of this server (--max-body)")


def line_of(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"


def of(data, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """data : what becomes one line of JSON"""
    return Reply(text_of(data), status, JSON, headers)


def text_of(data) -> bytes:
    return json.dumps(data, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def failure(status: int, message: str, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """An error as DeepStack's clients and those of KServe look for it: both read `error`."""
    return of({"success": False, "error": " ".join(message.split())}, status, headers)
