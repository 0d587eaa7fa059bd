"""A model whose constants lie in other files, with values that the program has in memory instead."""
from __future__ import annotations

from ..model.messages import INITIALIZER
from ..model.wire import BYTES, FIXED32, FIXED64, VARINT, fields

GRAPH, NAME, RAW = 7 << 3 | BYTES, 8 << 3 | BYTES, 9 << 3 | BYTES
EXTERNAL, LOCATION = 13 << 3 | BYTES, 14 << 3


def with_values(data, values: dict) -> bytes:
    """The ModelProto in `data`; initializers of its graph that are in `values` hold those arrays."""
    return message(data, 0, len(data), {GRAPH: lambda at, end: message(
        data, at, end, {INITIALIZER: lambda first, last: initializer(data, first, last, values)})})


def initializer(data, at: int, end: int, values: dict) -> bytes:
    name = "".join(data[value:stop].decode() for key, value, stop in fields(data, at, end) if key == NAME)
    if name not in values:
        return data[at:end]
    rest = message(data, at, end, {RAW: None, EXTERNAL: None, LOCATION: None})
    return rest + field(RAW, values[name].tobytes())


def message(data, at: int, end: int, changes: dict) -> bytes:
    """The fields of data[at:end].

    changes : key -> function of a field's span that gives its new content; None leaves the field out
    """
    parts = []
    for key, value, stop in fields(data, at, end):
        change = changes.get(key, field)
        if change is None:
            continue
        if key & 7 == VARINT:
            parts.append(varint(key) + varint(value))
        elif key & 7 == BYTES:
            parts.append(field(key, data[value:stop] if change is field else change(value, stop)))
        elif key & 7 in (FIXED32, FIXED64):
            parts.append(varint(key) + data[value:stop])
    return b"".join(parts)


def field(key: int, content: bytes) -> bytes:
    return varint(key) + varint(len(content)) + content


def varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
