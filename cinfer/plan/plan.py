"""One plan for one set of input shapes: steps of kernels and of NumPy, and the memory that they need."""
from __future__ import annotations

from ..errors import LimitError
from ..model.graph import Graph
from ..ops.registry import TensorSpec
from .lowering import RULES
from .planner import Planner
from .resolve import resolve
from .rewrite import rewrite

FEW_FLOPS, FEW_BYTES = 5_000_000, 1 << 20       # a run of less work is over before a second thread is awake


class Plan:
    """What run/ makes ready.

    Attributes
    ----------
    steps : list of Step: jobs of kernels, or a step in NumPy
    outputs : list of (name, shape, dtype)
    specs : dtype and shape of each value
    arena_bytes, scratch_bytes : memory of a run beside its outputs, and what each thread needs on top
    few, threads : whether a run is so short that one thread does it; how many it may have
    keep : what parameters point into
    """

    def __init__(self, planner: Planner, threads: int):
        self.steps, self.specs, self.keep = planner.steps, planner.specs, planner.keep
        self.arena_bytes, self.scratch_bytes = planner.arena_bytes, planner.scratch_bytes
        self.few = sum(s.flops for s in planner.steps) <= FEW_FLOPS and planner.arena_bytes <= FEW_BYTES
        self.threads = 1 if self.few else threads
        self.outputs = [(n, planner.specs[n].shape, planner.specs[n].dtype) for n in planner.outputs]


def make_plan(table, graph: Graph, inputs: dict[str, TensorSpec], outputs: tuple[str, ...], threads: int,
              packed: dict) -> Plan:
    """Plan a graph for these input shapes.

    packed : weights in the kernels' layouts, shared by all plans of a session; completed here
    Raises ModelError, UnsupportedError: see `resolve`; LimitError for want of memory.
    """
    try:
        resolved = resolve(graph, inputs, outputs)
        rewrite(resolved)
        planner = Planner(table, resolved, threads, packed, RULES)
        planner.plan()
        return Plan(planner, threads)
    except MemoryError as error:
        raise LimitError(f"there is not enough memory to prepare this model: {error}") from None
