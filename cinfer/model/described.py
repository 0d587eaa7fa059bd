"""What a file says of itself that no run needs: read when it is asked for, past nodes and weights."""
from __future__ import annotations

from dataclasses import dataclass, field

from .messages import GRAPH_INPUT, GRAPH_NAME, INFO_NAME, INFO_TYPE, TENSOR_TYPE
from .tensors import text_pair
from .wire import BYTES, fields, signed

PRODUCER, DOMAIN, VERSION, TEXT, GRAPH, PROPERTIES = (2 << 3 | BYTES, 4 << 3 | BYTES, 5 << 3, 6 << 3 | BYTES,
                                                      7 << 3 | BYTES, 14 << 3 | BYTES)
GRAPH_TEXT = 10 << 3 | BYTES
SHAPE, DIMENSION, DENOTATION = 2 << 3 | BYTES, 1 << 3 | BYTES, 3 << 3 | BYTES


@dataclass(slots=True)
class Description:
    """Of a ModelProto and its graph. version : None where the file does not say"""
    producer: str = ""
    domain: str = ""
    version: int | None = None
    text: str = ""
    graph_name: str = ""
    graph_text: str = ""
    properties: dict[str, str] = field(default_factory=dict)


def described(data) -> Description:
    """data : the bytes of a file that has been read before."""
    found = Description()
    for key, value, stop in fields(data, 0, len(data)):
        if key == PRODUCER:
            found.producer = text(data, value, stop)
        elif key == DOMAIN:
            found.domain = text(data, value, stop)
        elif key == VERSION:
            found.version = signed(value)
        elif key == TEXT:
            found.text = text(data, value, stop)
        elif key == PROPERTIES:
            found.properties.update([text_pair(data, value, stop)])
        elif key == GRAPH:
            for inner, first, last in fields(data, value, stop):
                if inner == GRAPH_NAME:
                    found.graph_name = text(data, first, last)
                elif inner == GRAPH_TEXT:
                    found.graph_text = text(data, first, last)
    return found


def denotations(data) -> dict[str, list[str]]:
    """What the sizes of each input mean, as DATA_BATCH; "" where the file does not say."""
    found = {}
    for info, end in within(data, 0, len(data), GRAPH, GRAPH_INPUT):
        name = "".join(text(data, *span) for span in within(data, info, end, INFO_NAME))
        found[name] = ["".join(text(data, *each) for each in within(data, *span, DENOTATION))
                       for span in within(data, info, end, INFO_TYPE, TENSOR_TYPE, SHAPE, DIMENSION)]
    return found


def within(data, at: int, end: int, *keys: int):
    """The spans of the fields at a path of keys."""
    for key, value, stop in fields(data, at, end):
        if key == keys[0]:
            if len(keys) == 1:
                yield value, stop
            else:
                yield from within(data, value, stop, *keys[1:])


def text(data, at: int, end: int) -> str:
    return data[at:end].decode(errors="replace")
