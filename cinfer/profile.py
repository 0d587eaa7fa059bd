"""Where the time of a run goes: one row a step, timed by the thread that leads the run."""
from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np

from .errors import InputError
from .feeds import is_fixed, supposed
from .model.graph import Node
from .run.once import noted
from .run.routine import Routine
from .table import table


@dataclass(frozen=True, slots=True)
class Row:
    """operator: of the node; `copy` where a value goes into another layout, or to an output;
    ms: in that of the runs whose length is the median; gflops: float32 operations, a direct convolution's also
    where Winograd does fewer; share_of_limit: of the multiply-adds that all threads could do; share: of the run."""
    operator: str
    node: str
    shape: str
    kernel: str
    ms: float
    gflops: float | None
    share_of_limit: float | None
    share: float


@dataclass(frozen=True, slots=True)
class Profile:
    """rows in the order of the run; other_ms: checks, outputs and waiting, what rows lack to total_ms."""
    rows: list[Row]
    total_ms: float
    other_ms: float

    def __repr__(self):
        return f"<Profile of {len(self.rows)} steps, {self.total_ms:.3g} ms>"

    def __str__(self):
        """The table; the last line but one is the time that no step accounts for, so that the column adds up."""
        head = ["operator", "node", "shape", "kernel", "ms", "GFLOP/s", "% of limit", "% of run"]
        rows = [[r.operator, r.node[-40:], str(r.shape), r.kernel, f"{r.ms:.4f}", number(r.gflops, "{:.1f}"),
                 number(r.share_of_limit, "{:.0%}"), f"{r.share:.1%}"] for r in self.rows]
        rows.append(["everything else", "", "", "", f"{self.other_ms:.4f}", "", "",
                     f"{self.other_ms / (self.total_ms or math.inf):.1%}"])
        rows.append(["total", "", "", "", f"{self.total_ms:.4f}", "", "", "100.0%"])
        return "\n".join(table([head] + rows, right=(4, 5, 6, 7)))


def number(value: float | None, form: str) -> str:
    return form.format(value) if value else ""


def profile(session, feeds: dict | None, runs: int) -> Profile:
    """Time `runs` runs of a session, after one that does not count."""
    facts = {} if feeds is not None else supposed(session._input_types, None)
    if feeds is None:
        feeds = {name: np.zeros(fact.shape, fact.dtype) for name, fact in facts.items()}
    try:
        found = [timed(session, feeds) for _ in range(max(1, runs) + 1)][1:]
    except InputError as error:
        if all(is_fixed(session._input_types[name]) for name in facts):
            raise
        raise InputError(f"{error}; free sizes that were not given count as 1: say them with feeds={{...}}") from None
    totals = [total for total, _ in found]
    total, events = found[int(np.argsort(totals)[len(totals) // 2])]        # one whole run, so that it adds up
    limit, total_ms = session._table.peak_flops() / 1e9, total / 1e6
    parts = []
    for what, begin, ends, kernels in events:
        if not isinstance(what, Routine):
            parts += in_numpy(Part(what, (), "numpy", ends[0] - begin), called(kernels, begin, ends[0]))
            continue
        for step, begin, end in zip(what.steps, (begin, *ends), ends):
            shape = what.specs[step.node.outputs[0]].shape if step.node is not None else ()
            part = Part(step.node, shape, step.label, end - begin, step.flops, what.threads)
            parts += [part] if step.host is None else in_numpy(part, called(kernels, begin, end))
    store = session._packed
    rates = {"bf16": store.bf16_rate, "s16": store.table.s16_rate}
    rows = [row_of(part, limit * (rates.get(part.kernel.rpartition("_")[2]) or 1), total_ms) for part in parts]
    return Profile(rows, total_ms, total_ms - sum(row.ms for row in rows))


@dataclass(frozen=True, slots=True)
class Part:
    """Of a run, what one row is about. node : None for a copy; shape : of its first output"""
    node: Node | None
    shape: tuple[int, ...]
    kernel: str
    ns: int
    flops: int = 0
    threads: int = 1


def called(kernels: list, begin: int, end: int) -> dict[str, int]:
    """ns that each of the kernels of `timed` took between two times."""
    taken: dict[str, int] = {}
    for kernel, began, ended in kernels:
        if begin <= began and ended <= end:
            taken[kernel] = taken.get(kernel, 0) + ended - began
    return taken


def in_numpy(part: Part, taken: dict[str, int]) -> list[Part]:
    """A step in NumPy as one part for the kernels that it has called, named by that which took most, and the rest."""
    if not taken:
        return [part]
    in_kernels = sum(taken.values())
    return [replace(part, kernel=max(taken, key=taken.get), ns=in_kernels), replace(part, ns=part.ns - in_kernels)]


def row_of(part: Part, limit: float, total_ms: float) -> Row:
    """limit : GFLOP/s that one thread could do of these; total_ms : of the run"""
    node, ms = part.node, float(part.ns) / 1e6
    gflops = float(part.flops / part.ns) if part.flops and part.ns > 0 else None
    operator, name = ("copy", "") if node is None else (node.op_type, node.name or node.outputs[0])
    return Row(operator, name, "x".join(map(str, part.shape)), part.kernel, ms, gflops,
               gflops / (limit * part.threads) if gflops else None, ms / total_ms)


def timed(session, feeds: dict) -> tuple[int, list]:
    """(ns of a run, [(a routine or a node that runs between routines, when it began, when its steps were over, the
    kernels in its steps in NumPy: (name, when it began, when it was over))]).

    What runs inside the turns of a loop counts for the loop."""
    events, inside, kernels = [], [], []

    def watch(what, run):
        is_routine = isinstance(what, Routine)
        ended = np.zeros(len(what.steps), np.int64) if is_routine and what.steps else None
        outer = inside[-1:]
        inside.append(what)
        begin = time.monotonic_ns()
        try:
            result = run(ended) if is_routine else run()
        finally:
            inside.pop()
        ends = [time.monotonic_ns()] if not is_routine else [] if ended is None else ended.tolist()
        if not outer:
            events.append((what, begin, ends, kernels.copy()))
            kernels.clear()
        elif is_routine:
            kernels.extend((step.label, *times) for step, *times in zip(what.steps, (begin, *ends), ends)
                           if step.host is None)
        return result
    before = noted.set(kernels)
    begin = time.monotonic_ns()
    try:
        session._watched(feeds, watch)
    finally:
        noted.reset(before)
    return time.monotonic_ns() - begin, events
