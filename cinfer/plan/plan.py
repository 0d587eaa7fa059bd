"""One plan for one set of input shapes: steps of kernels and of NumPy, and the memory that they need."""
from __future__ import annotations

from math import prod

from ..model.graph import Graph
from ..ops.facts import Fact
from ..ops.symbols import Undecided
from .bind import Bound, bind
from .choices import fitting
from .choices import place as place_values
from .emit import Emitter
from .memory import place
from .recording import Replayed, replay
from .store import Store
from .tiles import Tiles

FEW_FLOPS, FEW_BYTES = 5_000_000, 1 << 20       # a run of less work is over before a second thread is awake
BRIEF_FLOPS, BRIEF_BYTES = 50_000, 1 << 16      # and of less than this, before another thread of Python is
BEHIND = 64                                     # bytes: a view's last block may end beyond its value


class Plan:
    """What run/ makes a routine of.

    Attributes
    ----------
    steps : list of Step: jobs of kernels, or a step in NumPy
    outputs : list of (name, shape, dtype)
    facts : dtype and shape of each value
    arena_bytes : memory of a run beside its outputs and what kernels take for themselves
    few, brief, threads : whether a run is so short that one thread does it, and that it need not let other threads
        of Python run meanwhile; how many threads it may have
    keep : what parameters point into
    own_bytes : of it, what only this plan has
    inputs : their names; rest : what is to be done behind it (bind.py), or None
    """

    def __init__(self, bound: Bound, emitter: Emitter, arena_bytes: int, threads: int):
        self.steps, self.facts, self.keep = emitter.steps, bound.facts, emitter.keep
        self.arena_bytes, self.own_bytes = arena_bytes, emitter.own_bytes
        self.inputs, self.rest = bound.inputs, bound.rest
        self.outputs = [(name, bound.facts[name].shape, bound.facts[name].dtype) for name in bound.outputs]
        flops = sum(step.flops for step in self.steps)
        self.few = flops <= FEW_FLOPS and arena_bytes <= FEW_BYTES
        ends = [bound.facts[name] for name in (*bound.inputs, *bound.outputs)]
        self.brief = self.few and flops <= BRIEF_FLOPS and \
            arena_bytes + sum(prod(fact.shape) * fact.dtype.itemsize for fact in ends) <= BRIEF_BYTES
        self.threads = 1 if self.few else threads


def emitted(bound: Bound, table, threads: int, store: Store) -> Emitter | Replayed:
    tiles = Tiles(threads)
    choices = fitting(bound, table, tiles, store)
    if choices is not None and (replayed := replay(choices, bound, table, threads, store)) is not None:
        return replayed
    emitter = Emitter(place_values(bound, table, tiles, store, choices))
    emitter.run()
    return emitter


def make_plan(table, graph: Graph, inputs: dict[str, Fact], outputs: tuple[str, ...], threads: int,
              store: Store, given: dict | None = None) -> Plan:
    """Plan a graph for these input shapes.

    store : what the plans of a session share; completed here
    given : as for `bind`
    Raises ModelError, UnsupportedError: see `bind`; MemoryError.
    """
    bound = bind(graph, inputs, outputs, given)
    try:
        emitter = emitted(bound, table, threads, store)
    except Undecided:                   # a candidate has kept a size, our fault: choose for each size anew
        if bound.formulas is None:
            raise
        store.choices[bound.formulas] = None
        emitter = emitted(bound, table, threads, store)
    return Plan(bound, emitter, emitter.lay_out(place) + BEHIND, threads)
