"""Where the time of a run goes: one row a step, timed by the thread that leads the run."""
from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from .errors import InputError
from .feeds import is_fixed
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
    supposed = {} if feeds is not None else session._supposed(None)
    if feeds is None:
        feeds = {name: np.zeros(spec.shape, spec.dtype) for name, spec in supposed.items()}
    try:
        found = [timed(session, feeds) for _ in range(max(1, runs) + 1)][1:]
    except InputError as error:
        if all(is_fixed(session._input_types[name]) for name in supposed):
            raise
        raise InputError(f"{error}; free sizes that were not given count as 1: say them with feeds={{...}}") from None
    totals = [total for total, _ in found]
    total, events = found[int(np.argsort(totals)[len(totals) // 2])]        # one whole run, so that it adds up
    limit, total_ms = session._table.peak_flops() / 1e9, total / 1e6
    rows = []
    for what, begin, ends, kernels in events:
        if not isinstance(what, Routine):
            rows += rows_in_numpy(what, (), begin, ends[0], kernels, limit, total_ms)
            continue
        for step, begin, end in zip(what.steps, (begin, *ends), ends):
            shape = what.specs[step.node.outputs[0]].shape if step.node is not None else ()
            if step.host is not None:
                rows += rows_in_numpy(step.node, shape, begin, end, kernels, limit, total_ms)
            else:
                rows.append(row_of(step.node, shape, step.label, end - begin, step.flops, limit * what.threads,
                                   total_ms))
    return Profile(rows, total_ms, total_ms - sum(row.ms for row in rows))


def rows_in_numpy(node, shape, begin, end, kernels: list, limit: float, total_ms: float) -> list[Row]:
    """Of a step in NumPy: one for the kernels that it has called, named by that which took most, one for the rest."""
    taken: dict[str, int] = {}
    for kernel, began, ended in kernels:
        if begin <= began and ended <= end:
            taken[kernel] = taken.get(kernel, 0) + ended - began
    in_kernels = sum(taken.values())
    rows = [row_of(node, shape, max(taken, key=taken.get), in_kernels, None, limit, total_ms)] if taken else []
    return [*rows, row_of(node, shape, "numpy", end - begin - in_kernels, None, limit, total_ms)]


def row_of(node, shape, kernel: str, ns, flops, limit: float, total_ms: float) -> Row:
    gflops = float(flops / ns) if flops and ns > 0 else None
    operator, name = ("copy", "") if node is None else (node.op_type, node.name or node.outputs[0])
    ms = float(ns) / 1e6
    return Row(operator, name, "x".join(map(str, shape)), kernel, ms, gflops, gflops / limit if gflops else None,
               ms / total_ms)


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
