"""What a plan is when it is ready to run: stages of kernels and of NumPy, immutable, shared by all
threads."""
from __future__ import annotations

import time
from math import prod

import numpy as np

from .. import _ops
from ..errors import LimitError
from ..ops.facts import Fact
from ..plan.emit import packed
from .control import REFUSED, cancelled
from .host import Host, run_host
from .pool import Pool
from .direct import Direct

ROUTINE_BYTES = 5000            # what Python's objects of a routine take beside
STEP_BYTES = 1500               # those of a step: step, node, names, views
NODE_BYTES = 100                # and those of a node that is left


class Kernels:
    """Steps first..last-1 of the program."""
    __slots__ = ("first", "last")

    def __init__(self, first: int, last: int):
        self.first, self.last = first, last


class Routine:
    """Ready to run.

    Attributes
    ----------
    stages : list of Kernels and Host, in order
    steps : what the profile shows, one entry a step
    specs : dtype and shape of the values that the profile names
    inputs : names; outputs : list of (name, shape, dtype)
    rest : what is to be done behind it (plan/bind.py), or None
    made : names of the outputs; ends : of what is asked for, each one's place among the outputs, if that is all there
        is to be done; else None
    used : for who keeps it
    arena_bytes : memory of the values of a run, beside its outputs
    run_bytes : all that a run takes: arena, scratch of each thread, tickets, outputs
    kept_bytes : what the routine itself takes, beside weights (an estimate)
    """

    def __init__(self, table, plan):
        self.steps, self.outputs, self.threads = plan.steps, plan.outputs, plan.threads
        self.inputs, self.rest, self.used = plan.inputs, plan.rest, 0
        self.made = tuple([name for name, _, _ in self.outputs])
        self.ends = ends(plan.rest, self.made)
        self.arena_bytes, self._keep = plan.arena_bytes, plan.keep
        self.direct = Direct(table, plan.threads)
        self.stages = stages(plan.steps)
        jobs = [packed(table, step) for step in plan.steps]
        self.program = _ops.executor().Program(table, jobs, plan.arena_bytes, plan.brief)
        self._addresses_of = _ops.executor().addresses_of
        self.workspace_bytes = self.program.needs(self.threads)
        self.run_bytes = self.workspace_bytes + sum(prod(s) * d.itemsize for _, s, d in self.outputs)
        self.on_kernels_only = all(isinstance(stage, Kernels) for stage in self.stages)
        self.watched = not (plan.few and self.on_kernels_only)
        named = {s.node.outputs[0] for s in plan.steps if s.node is not None}
        self.specs = {name: spec if spec.value is None else Fact(spec.dtype, spec.shape)
                      for name, spec in plan.facts.items()
                      if type(spec) is Fact and (spec.value is None or name in named)}
        left = len(plan.rest.graph.nodes) if plan.rest is not None else 0
        self.kept_bytes = ROUTINE_BYTES + self.program.params_bytes + plan.own_bytes + STEP_BYTES * len(plan.steps) \
            + NODE_BYTES * left

    def run(self, inputs: list[np.ndarray], pool: Pool, ended: np.ndarray | None = None,
            cancels: int | None = None, deadline_ns: int = 0, timeout=None) -> list[np.ndarray]:
        """Fresh output arrays for C-contiguous inputs of the planned shapes and dtypes.

        ended : int64 (steps,), filled with the time at which each step was over
        cancels : of the pool, when the caller began; deadline_ns : 0 for none; timeout : for the message

        Raises LimitError for want of memory, InputError where a NumPy step refuses the values that it gets,
        Cancelled.
        """
        if cancels is None:
            cancels = pool.cancels
        try:
            outputs = [np.empty(shape, dtype) for _, shape, dtype in self.outputs]
            addresses, threads = self._addresses_of(inputs + outputs), min(self.threads, pool.threads)
            workspace = pool.take(self.workspace_bytes, self.watched or deadline_ns > 0, deadline_ns, cancels)
            try:
                if self.on_kernels_only:
                    why = self.program.run(workspace, addresses, threads, 0, -1, ended)
                if not self.on_kernels_only or why == REFUSED:          # then it is run again, as far as that
                    with self.direct.at_work():
                        why = self._run_stages(workspace, inputs, outputs, addresses, threads, ended)
            finally:
                pool.give_back(workspace)
        except MemoryError as error:
            raise LimitError(f"there is not enough memory for this run: {error}") from None
        if why:
            raise cancelled(why, timeout)
        return outputs

    def _run_stages(self, workspace, inputs, outputs, addresses, threads, ended) -> int:
        bases, objects = [None, np.frombuffer(workspace.memory, np.uint8), *inputs, *outputs], {}

        def host(stage: Host) -> None:
            run_host(stage, bases, objects)
            if ended is not None:
                ended[stage.step] = time.monotonic_ns()

        for stage in self.stages:
            if isinstance(stage, Kernels):
                first, why = stage.first, REFUSED
                while why == REFUSED:
                    why = self.program.run(workspace, addresses, threads, first, stage.last, ended)
                    if why == REFUSED:
                        step = workspace.refused
                        host(Host(step, *self.steps[step].instead))
                        first = step + 1
            else:
                why = workspace.stopped()
                if not why:
                    host(stage)
            if why:
                return why
        return workspace.stopped()


def ends(rest, made: tuple[str, ...]) -> list[int] | None:
    """Where outputs that are asked for are among those that are made, if nothing is left to do."""
    if rest is None or rest.graph.nodes or rest.evaluated or rest.found or not set(made).issuperset(rest.outputs) \
            or len(set(rest.outputs)) < len(rest.outputs):
        return None
    return list(map(made.index, rest.outputs))


def stages(steps) -> list:
    """The steps of a plan, those of kernels that follow each other in one stage."""
    found, first = [], 0
    for i, step in enumerate(steps):
        if step.host is not None:
            if i > first:
                found.append(Kernels(first, i))
            found.append(Host(i, *step.host))
            first = i + 1
    if first < len(steps):
        found.append(Kernels(first, len(steps)))
    return found
