"""Offsets of buffers in the arena: buffers whose lifetimes overlap never share a byte.

Buffers are placed in the order in which they come to life; each takes the smallest hole that fits (best fit),
so memory just given up, still in cache, is used first.
"""
from __future__ import annotations

from bisect import insort
from operator import attrgetter

ALIGN = 64
ENDLESS = 1 << 62
FIRST, LAST = attrgetter("first"), attrgetter("last")


def place(buffers) -> int:
    """Set the `offset` of each buffer from its `first` and `last` step, inclusive; return the arena's size.

    buffers : objects with bytes, first, last, offset
    """
    order = sorted(buffers, key=FIRST)
    ending = sorted(order, key=LAST)
    holes = [(0, ENDLESS)]                  # (offset, bytes) by offset, never adjacent; the last has no end
    done = end = 0
    for buffer in order:
        while ending[done].last < buffer.first:
            give_back(holes, ending[done].offset, rounded(ending[done].bytes))
            done += 1
        size, room = rounded(buffer.bytes), 2 * ENDLESS
        for i, hole in enumerate(holes):
            if size <= hole[1] < room:
                at, (offset, room) = i, hole
        buffer.offset = offset
        end = max(end, offset + size)
        if room == size:
            del holes[at]
        else:
            holes[at] = offset + size, room - size
    return end


def rounded(size: int) -> int:
    return max(1, -(-size // ALIGN)) * ALIGN


def give_back(holes: list, offset: int, size: int) -> None:
    """Add a hole, merged with its neighbours."""
    insort(holes, (offset, size))
    at = holes.index((offset, size))
    if at + 1 < len(holes) and offset + size == holes[at + 1][0]:
        size += holes.pop(at + 1)[1]
        holes[at] = offset, size
    if at and sum(holes[at - 1]) == offset:
        holes[at - 1:at + 1] = [(holes[at - 1][0], holes[at - 1][1] + size)]
