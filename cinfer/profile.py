"""Where the time of a run goes: one row a step, timed by the thread that leads the run."""
from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Row:
    """ms: the median over the runs; gflops: float32 operations, a direct convolution's also where Winograd
    does fewer;
    share_of_limit: of the multiply-adds that all threads could do; share: of the run."""
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


def profile(session, feeds: dict | None, runs: int) -> Profile:
    """Time `runs` runs of a session, after one that does not count."""
    if feeds is None:
        plan = session._plan_for(None)
        feeds = {n: np.zeros(plan.specs[n].shape, plan.specs[n].dtype) for n in session._input_types}
    arrays = session._checked(feeds)
    plan = session._plan({n: plan_spec(a) for n, a in zip(session._input_types, arrays)},
                         session._output_names)
    ended = np.zeros(max(1, len(plan.steps)), np.int64)
    steps, totals = [], []
    for _ in range(max(1, runs) + 1):
        begin = time.monotonic_ns()
        plan.run(session._checked(feeds), session._pool, ended)
        totals.append(time.monotonic_ns() - begin)
        steps.append(np.diff(ended[:len(plan.steps)], prepend=begin))
    steps, totals = np.array(steps[1:]), np.array(totals[1:])
    middle = int(np.argsort(totals)[len(totals) // 2])          # one whole run, so that it adds up
    limit = session._table.peak_flops() * plan.threads / 1e9
    total_ms, rows = totals[middle] / 1e6, []
    for step, ns in zip(plan.steps, steps[middle]):
        gflops = step.flops / ns if step.flops and ns > 0 else None
        operator, name, shape = "output", "", ()
        if (node := step.node) is not None:
            operator, name = node.op_type, node.name or node.outputs[0]
            shape = plan.specs[node.outputs[0]].shape
        rows.append(Row(operator, name, "x".join(map(str, shape)), step.label, ns / 1e6, gflops,
                        gflops / limit if gflops else None, ns / 1e6 / total_ms))
    return Profile(rows, total_ms, total_ms - sum(r.ms for r in rows))


def plan_spec(array: np.ndarray):
    from .ops.facts import Fact
    return Fact(array.dtype, array.shape)
