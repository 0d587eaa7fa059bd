"""One immutable plan for one set of input shapes: kernels, NumPy steps between them, the memory of a run."""
from __future__ import annotations

from math import prod

import numpy as np

from .. import _ops
from ..errors import Error, InputError, LimitError
from ..model.graph import Graph
from ..ops import registry
from ..ops.facts import Fact
from .bind import REFUSALS, bind, located
from .lowering import RULES
from .planner import Planner
from .steps import Step
from .views import Blocked, Plain, Ref

FEW_FLOPS, FEW_BYTES = 5_000_000, 1 << 20       # a run of less work is over before a second thread is awake


class Plan:
    """Ready to run; shared by all threads.

    Attributes
    ----------
    outputs : list of (name, shape, dtype)
    arena_bytes : memory of one run, beside its outputs
    steps : what the profile shows, one entry a step (planner.Step)
    """

    def __init__(self, table, planner: Planner, threads: int):
        self.steps = planner.steps
        few = sum(s.flops for s in planner.steps) <= FEW_FLOPS and planner.arena_bytes <= FEW_BYTES
        self.threads = 1 if few else threads
        self.outputs = [(n, planner.specs[n].shape, planner.specs[n].dtype) for n in planner.outputs]
        self.arena_bytes = planner.arena_bytes
        self.specs = planner.specs
        self._keep = planner.keep
        packed = []
        for step in planner.steps:
            packed.append([(kernel, table.pack(kernel, **{k: locate(v) for k, v in params.items()}), tiles)
                           for kernel, params, tiles in step.jobs])
            step.jobs = ()                      # nobody asks for them again
        self.program = _ops.executor().Program(table, packed, planner.arena_bytes, planner.scratch_bytes)
        self.segments = segments(planner.steps)
        self.on_kernels_only = self.segments == [(0, len(planner.steps))] or not planner.steps

    def run(self, inputs: list[np.ndarray], ended: np.ndarray | None = None) -> list[np.ndarray]:
        """Fresh output arrays for C-contiguous inputs of the planned shapes and dtypes.

        ended : int64 (steps,), filled with the time at which each step was over
        Raises LimitError for want of memory, InputError where a NumPy step refuses the values that it gets.
        """
        try:
            outputs = [np.empty(shape, dtype) for _, shape, dtype in self.outputs]
            addresses = [a.ctypes.data for a in inputs]
            addresses += [a.ctypes.data for a in outputs]
            program = self.program
            workspace = program.workspace(self.threads)
            try:
                if self.on_kernels_only:
                    program.run(workspace, addresses, self.threads, 0, -1, ended)
                else:
                    self._run_segments(workspace, inputs, outputs, addresses, ended)
            finally:
                program.release(workspace)
        except MemoryError as error:
            raise LimitError(f"there is not enough memory for this run: {error}") from None
        return outputs

    def _run_segments(self, workspace, inputs, outputs, addresses, ended):
        arena = np.frombuffer(workspace.arena, np.uint8)
        bases = [None, arena, *inputs, *outputs]
        for segment in self.segments:
            if isinstance(segment, tuple):
                self.program.run(workspace, addresses, self.threads, *segment, ended)
            else:
                run_host(self.steps[segment], bases)
                if ended is not None:
                    import time
                    ended[segment] = time.monotonic_ns()


def make_plan(table, graph: Graph, inputs: dict[str, Fact], outputs: tuple[str, ...], threads: int,
              packed: dict) -> Plan:
    """Plan a graph for these input shapes.

    packed : weights in the kernels' layouts, shared by all plans of a session; completed here
    Raises ModelError, UnsupportedError: see `bind`; LimitError for want of memory.
    """
    try:
        resolved = bind(graph, inputs, outputs)
        planner = Planner(table, resolved, threads, packed, RULES)
        planner.plan()
        return Plan(table, planner, threads)
    except MemoryError as error:
        raise LimitError(f"there is not enough memory to prepare this model: {error}") from None


def locate(value):
    """A parameter as the kernels take it."""
    if isinstance(value, Ref):
        return value.buffer.base, value.buffer.offset + value.offset
    return value


def segments(steps: list[Step]) -> list:
    """Runs of kernel steps as (first, last), NumPy steps as their number."""
    found, first = [], 0
    for i, step in enumerate(steps):
        if step.host is not None:
            if i > first:
                found.append((first, i))
            found.append(i)
            first = i + 1
    if first < len(steps):
        found.append((first, len(steps)))
    return found


def run_host(step: Step, bases) -> None:
    """One node in NumPy; its outputs are copied to where the plan wants them."""
    operator, node, inputs, outputs = step.host
    arrays = [None if view is None else array_at(view, bases) for view in inputs]
    try:
        results = arrays if operator is None else registry.evaluate(operator, node, arrays)
        for view, result in zip(outputs, results):
            if view is not None:
                array_at(view, bases)[...] = result
    except Error as error:
        raise located(node, type(error), error) from None
    except REFUSALS as error:               # of values: the plan was made, so the sizes are right
        raise located(node, InputError, error) from None


def array_at(view: Plain | Blocked, bases) -> np.ndarray:
    """The array a plain view means during a run."""
    buffer = view.buffer
    strides = [s * view.dtype.itemsize for s in view.strides]
    if prod(view.shape) == 0:
        return np.empty(view.shape, view.dtype)
    if buffer.base == 0:
        return constant_at(view, strides)
    base = bases[buffer.base]
    offset = buffer.offset + view.offset
    if buffer.base > 1:
        base = base.reshape(-1).view(np.uint8)
    first = base[offset:].view(np.uint8)[:view.dtype.itemsize].view(view.dtype)
    return np.lib.stride_tricks.as_strided(first, view.shape, strides)


def constant_at(view: Plain, strides) -> np.ndarray:
    source = view.buffer.keep
    flat = source.reshape(-1)[view.offset // view.dtype.itemsize:]
    return np.lib.stride_tricks.as_strided(flat, view.shape, strides)
