"""Runs of whole models under watch: guards around buffers and outputs, and memory that is not zero at first.

What it hooks into is stable: `Routine.run`, the pool of workspaces, `cinfer.plan.memory.place`, and that
outputs come from `numpy.empty`. Each hook counts its uses, and a run in which one was never used fails.
"""
from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from functools import cache

import numpy as np
import pytest

import cinfer
from cinfer.plan import memory
from cinfer.run.pool import Pool
from cinfer.run.routine import Routine

GUARD = 1024                        # bytes on either side of a buffer or output, whole cache lines
NAN, LARGE = 0xFF, 0x7B             # bytes: floats of them are NaN, and 1.3e36
FOREVER = 1 << 30
SLACK = 4096                        # bytes that an arena may be larger than its buffers


class Watch:
    """fill : the byte that all memory has before a run

    spaced : buffers lie apart, each with guards of its own, and share no memory
    gaps : arena size -> [(begin, end)], where no buffer lies
    arena_bytes : of the last run
    """

    def __init__(self, fill: int, spaced: bool):
        self.fill, self.spaced = fill, spaced
        self.gaps: dict[int, list[tuple[int, int]]] = {}
        self.outputs: list[tuple[np.ndarray, int]] = []
        self.runs = self.arena_bytes = 0

    def place(self, buffers) -> int:
        """`memory.place`, of larger buffers that are never given up."""
        buffers = list(buffers)
        sizes = [(b.bytes, b.first, b.last) for b in buffers]
        for b in buffers:
            b.bytes, b.first, b.last = b.bytes + 2 * GUARD, 0, FOREVER
        size = PLACE(buffers)
        for b, (count, first, last) in zip(buffers, sizes):
            b.bytes, b.first, b.last, b.offset = count, first, last, b.offset + GUARD
        # a view's last block may be read beyond its value, and whole blocks are written: up to a cache line
        taken = sorted((b.offset, b.offset + memory.rounded(b.bytes)) for b in buffers)
        ends = [0, *(end for _, end in taken)]
        self.gaps[size] = [(end, begin) for end, (begin, _) in zip(ends, taken)] + [(ends[-1], size)]
        return size

    def workspace(self, arena) -> None:
        np.frombuffer(arena, np.uint8)[...] = self.fill
        self.runs += 1

    def check(self, arena) -> None:
        """AssertionError if a gap was written to."""
        if not self.spaced:
            return
        held = np.frombuffer(arena, np.uint8)
        size = max((n for n in self.gaps if n <= held.size), default=None)
        assert size is not None and held.size - size <= SLACK, "the arena is not what memory.place laid out"
        for begin, end in self.gaps[size]:
            wrong = np.flatnonzero(held[begin:end] != self.fill)
            assert not wrong.size, (f"wrote {wrong.size} bytes beside a buffer: {int(wrong[0])} of "
                                    f"{end - begin} bytes into the gap at {begin} of the arena")

    def empty(self, shape, dtype=float, *args, **keywords):
        """`numpy.empty`, within guards."""
        array = EMPTY(shape, dtype, *args, **keywords)
        if array.dtype.hasobject or not array.dtype.itemsize:
            return array
        room = np.full(array.nbytes + 2 * GUARD + 64, self.fill, np.uint8)
        first = GUARD + -(room.ctypes.data + GUARD) % 64
        self.outputs.append((room, first, array.nbytes))
        return room[first:first + array.nbytes].view(array.dtype).reshape(array.shape)

    def check_outputs(self) -> None:
        for i, (room, first, size) in enumerate(self.outputs):
            for side, guard in (("before", room[:first]), ("behind", room[first + size:])):
                wrong = np.flatnonzero(guard != self.fill)
                assert not wrong.size, f"wrote {wrong.size} bytes {side} output array {i}"


PLACE, EMPTY = memory.place, np.empty
RUN, TAKE, GIVE_BACK = Routine.run, Pool.take, Pool.give_back
# limits under which a planning does not divide work
FINE = {"FEW_FLOPS": -1, "SMALL": 8, "LEAST_PART": 1, "LEAST_PIXELS": 2}


@cache
def planning() -> list:
    """The modules of the planner, all of which a session imports."""
    importlib.import_module("cinfer.session")
    return [module for name, module in sys.modules.items() if name.startswith("cinfer.plan.")]


@cache
def limits() -> list[tuple]:
    return [(module, name, value) for module in planning() for name,
            value in FINE.items() if name in vars(module)]


@cache
def placing() -> list:
    return [module for module in planning() if vars(module).get("place") is PLACE]


@contextmanager
def watching(fill: int, spaced: bool = True):
    """Whatever is loaded within is planned and run under watch; yields the Watch."""
    watch = Watch(fill, spaced)

    def run(self, *arguments, **options):
        watch.arena_bytes = self.arena_bytes
        return RUN(self, *arguments, **options)

    def take(self, *arguments):
        found = TAKE(self, *arguments)
        watch.workspace(found.memory)
        return found

    def give_back(self, workspace):
        watch.check(np.frombuffer(workspace.memory, np.uint8)[:watch.arena_bytes])
        GIVE_BACK(self, workspace)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Routine, "run", run)
        patch.setattr(Pool, "take", take)
        patch.setattr(Pool, "give_back", give_back)
        for module, name, value in limits():            # small work is divided among threads too
            patch.setattr(module, name, value)
        for module in placing() if spaced else ():
            patch.setattr(module, "place", watch.place)
        yield watch


def run_watched(data: bytes, feeds: dict, *, threads: int, isa: str | None, fill: int = NAN,
                spaced: bool = True, precision: str = "fp32") -> list[np.ndarray]:
    """The outputs of one run, after a check that nothing was written beside buffers and outputs."""
    with watching(fill, spaced) as watch:
        session = cinfer.load(data, threads=threads, isa=isa, precision=precision)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(np, "empty", watch.empty)
            results = session.run(None, feeds)
        watch.check_outputs()
        held = [room for room, _, _ in watch.outputs]
        assert all(any(np.shares_memory(y, room) for room in held) or not y.size for y in results), \
            "outputs are not from numpy.empty: their guards guard nothing"
        return [y.copy() for y in results]


def hold(graph, where: str, isa: str) -> None:
    """A `evaluated_graph.Graph` gives what is expected, of the same bits by 1 and 2 threads, in memory that
    was NaN and in memory that was large numbers, of spaced buffers and of buffers that follow each other."""
    data, feeds = graph.bytes(), graph.feeds()

    def run(threads, fill, spaced):
        try:
            return run_watched(data, feeds, threads=threads, isa=isa, fill=fill, spaced=spaced)
        except Exception as error:
            what = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
            raise AssertionError(f"{where} {isa} threads={threads}: {what}{error}\n{graph}") from error
    first, second = run(1, NAN, True), run(2, LARGE, False)
    graph.assert_expected(first, f"{where} {isa}")
    if bits(first) != bits(second):
        why = "threads" if bits(first) == bits(run(1, LARGE, True)) else "unwritten memory"
        raise AssertionError(f"{where} {isa}: other bits, by {why}\n{graph}")


def bits(arrays) -> list[bytes]:
    return [a.tobytes() for a in arrays]
