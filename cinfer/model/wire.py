"""The protobuf wire format, read without copying: https://protobuf.dev/programming-guides/encoding/

`data` is bytes or a read-only mmap: both give an int for an index, bytes for a slice. Every length is checked
against the message around it. A message is walked field by field; what its reader does not ask for is free.
"""
from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..errors import LimitError, ModelError

VARINT, FIXED64, BYTES, GROUP, GROUP_END, FIXED32 = range(6)
LARGEST_KEY = (2**29 - 1) << 3 | 7
MOST_GROUPS = 100                   # groups within groups; as deep as protobuf's own readers go
CHUNK = 1 << 20                     # bytes of packed varints decoded at once: bounds the temporaries
_BITS64 = (1 << 64) - 1


class WireError(ModelError):
    """The bytes are no protobuf message; the text says where and why."""


def fields(data, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The fields of the message in data[at:end], as (key, value, stop).

    key : field number << 3 | wire type; a field in a wire type that nobody expects is an unknown field
    value : the number of a VARINT, unsigned; for the other wire types the field's content is data[value:stop]

    Groups are skipped. Raises WireError.
    """
    while at < end:
        key = data[at]
        at += 1
        if key > 0x7F:
            key, at = varint(data, at - 1, end)
        if not 7 < key <= LARGEST_KEY:
            raise WireError(f"field number {key >> 3} at byte {at}")
        kind = key & 7
        if kind == 2 or kind == 0:
            if at >= end:
                raise WireError(f"field {key >> 3} has no {'length' if kind else 'value'} at byte {at}; "
                                "is the file truncated?")
            value = data[at]
            at += 1
            if value > 0x7F:
                value, at = varint(data, at - 1, end)
            if kind == 0:
                yield key, value, at
                continue
            stop = at + value
        elif kind == 5:
            stop = at + 4
        elif kind == 1:
            stop = at + 8
        elif kind == GROUP:
            at = behind_group(data, at, end, key >> 3)
            continue
        else:
            raise WireError(f"field {key >> 3} has wire type {kind} at byte {at}")
        if stop > end:
            raise WireError(f"field {key >> 3} says {stop - at} bytes, {end - at} are left at byte {at}; "
                            "is the file truncated?")
        yield key, at, stop
        at = stop


def varint(data, at: int, end: int) -> tuple[int, int]:
    """(the unsigned 64-bit number that begins at `at`, the position behind it)"""
    value = shift = 0
    while at < end:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _BITS64, at
        shift += 7
        if shift > 63:
            raise WireError(f"a number of more than ten bytes at byte {at - 10}")
    raise WireError(f"the data ends inside a number at byte {at}; is the file truncated?")


def behind_group(data, at: int, end: int, number: int) -> int:
    """The position behind the group of field `number`, whose content begins at `at`."""
    groups = [number]
    while groups:
        key, at = varint(data, at, end)
        kind = key & 7
        if kind == GROUP_END:
            if groups.pop() != key >> 3:
                raise WireError(f"the end of group {key >> 3} at byte {at} closes none")
        elif kind == GROUP:
            groups.append(key >> 3)
            if len(groups) > MOST_GROUPS:
                raise LimitError(f"groups are nested more than {MOST_GROUPS} deep at byte {at}")
        elif kind == VARINT:
            _, at = varint(data, at, end)
        elif kind == BYTES:
            size, at = varint(data, at, end)
            at += size
        elif kind in (FIXED32, FIXED64):
            at += 4 if kind == FIXED32 else 8
        else:
            raise WireError(f"field {key >> 3} has wire type {kind} at byte {at}")
        if at > end:
            raise WireError(f"a group ends beyond the data at byte {end}; is the file truncated?")
    return at


def signed(value: int) -> int:
    """A varint as int64."""
    return value - (1 << 64) if value >> 63 else value


def packed(data, at: int, end: int) -> np.ndarray:
    """The varints that fill data[at:end], as uint64 (a signed field's bits)."""
    if end - at < 64:                                   # sizes, axes, pads: NumPy would be slower
        values = []
        while at < end:
            value, at = varint(data, at, end)
            values.append(value)
        return np.array(values, np.uint64)
    chunks = []
    while at < end:
        content = np.frombuffer(data, np.uint8, min(CHUNK, end - at), at)
        last = np.flatnonzero(content < 0x80) + 1       # where each number ends
        if not last.size:
            raise WireError(f"a number does not end at byte {at}")
        first = np.concatenate(([0], last[:-1]))
        sizes = last - first
        longest = int(sizes.max())
        if longest > 10:
            raise WireError(f"a number of more than ten bytes at byte {at + int(first[sizes.argmax()])}")
        values = np.zeros(last.size, np.uint64)
        for i in range(longest):
            has = sizes > i
            values[has] |= (content[first[has] + i] & np.uint8(0x7F)).astype(np.uint64) << np.uint64(7 * i)
        chunks.append(values)
        at += int(last[-1])
    return np.concatenate(chunks)


def joined(data, spans: list[tuple[int, int]]):
    """(data, at, end) of a message whose field was given several times: protobuf merges them, and their
    encodings one after the other are the merged message."""
    if len(spans) == 1:
        return data, *spans[0]
    content = b"".join(data[at:end] for at, end in spans)
    return content, 0, len(content)
