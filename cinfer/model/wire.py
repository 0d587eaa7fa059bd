"""The protobuf wire format, read without copying: https://protobuf.dev/programming-guides/encoding/

Every length is checked against the message around it. Messages are walked by their fields; what a reader does not ask
for is skipped.
"""
from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, GROUP, GROUP_END, FIXED32 = range(6)


class WireError(ValueError):
    """The bytes are no protobuf message; the text says where and why."""


def varint(data, at: int, end: int) -> tuple[int, int]:
    """(unsigned 64-bit value, position behind it)"""
    value = shift = 0
    while True:
        if at >= end:
            raise WireError(f"the data ends inside a number at byte {at}")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
        if shift > 63:
            raise WireError(f"a number of more than ten bytes ends at byte {at}")


def fields(data, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """The fields of the message in data[at:end], as (number, wire type, value, stop).

    A varint's or fixed number's bits are in `value`; of a length-delimited field, data[value:stop] is the content.
    """
    while at < end:
        key = data[at]
        at += 1
        if key >= 0x80:
            key, at = varint(data, at - 1, end)
        kind = key & 7
        number = key >> 3
        if number == 0:
            raise WireError(f"field number 0 at byte {at - 1}")
        if kind == BYTES:
            if at < end and data[at] < 0x80:
                size = data[at]
                at += 1
            else:
                size, at = varint(data, at, end)
            stop = at + size
            if stop > end:
                raise WireError(f"field {number} says {size} bytes, {end - at} are left at byte {at}; is the file truncated?")
            yield number, kind, at, stop
            at = stop
        elif kind == VARINT:
            if at < end and data[at] < 0x80:
                value = data[at]
                at += 1
            else:
                value, at = varint(data, at, end)
            yield number, kind, value, at
        elif kind in (FIXED32, FIXED64):
            stop = at + (4 if kind == FIXED32 else 8)
            if stop > end:
                raise WireError(f"field {number} ends beyond the data at byte {at}; is the file truncated?")
            yield number, kind, int.from_bytes(data[at:stop], "little"), stop
            at = stop
        else:
            raise WireError(f"field {number} has wire type {kind} at byte {at - 1}")


def signed(value: int) -> int:
    """A varint as int64."""
    return value - (1 << 64) if value >> 63 else value


def packed_varints(data, at: int, end: int) -> list[int]:
    values = []
    while at < end:
        value, at = varint(data, at, end)
        values.append(signed(value))
    return values
