"""What is known of the values that subgraphs take and give, for all turns and whichever branch is taken.

An If gives what both of its branches give. What a Loop or a Scan hands from turn to turn is, before the first one, what
it is given; if a turn that gets such a value gives such a one, it is so at all turns. Where it does not, less is
supposed: another size, then another rank, then nothing.
"""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..model.graph import Graph, Node, TensorType
from ..ops.facts import INT64, Fact, Unranked, is_symbolic
from ..ops.symbols import Undecided, same

MOST_DEPTH = 4                  # of graphs within graphs: inside each loop, another one is looked at several times
MOST_TURNS = 16                 # of a body that is looked at: what states hand to each other in a chain ends there
BOOL = np.dtype(bool)
SLICES = 9                      # opset from which on Scan takes slices of one axis; before, it is a batch of scans


def of_if(node: Node, known, makers: dict[str, Node]) -> Sequence[Fact | None]:
    """Facts of an If's outputs. known : of the graph that it stands in (known.py)"""
    branches = [node.attributes.get(name) for name in ("then_branch", "else_branch")]
    if not all(type(branch) is Graph and len(branch.outputs) >= len(node.outputs) for branch in branches):
        return (None,) * len(node.outputs)
    told = [_Body(branch, known, makers, {}) for branch in branches]
    return [_joined(known, *[body.output(i) for body in told]) for i in range(len(node.outputs))]


def of_loop(node: Node, known, makers: dict[str, Node]) -> Sequence[Fact | None]:
    body, given = node.attributes.get("body"), [_described(known, name, makers) for name in node.inputs[2:]]
    if not _takes(body, 2 + len(given), 1 + len(given)):
        return (None,) * len(node.outputs)
    states = _States(body, known, makers, {0: Fact(INT64, ()), 1: Fact(BOOL, ())}, given, takes=2, gives=1)
    turns, going = (_value(known, name, makers) for name in (node.inputs + ["", ""])[:2])
    is_run = (not node.inputs[0] or turns is not None and turns.size == 1 and turns.item() > 0) \
        and (not node.inputs[1:2] or not node.inputs[1] or going is not None and going.size == 1 and bool(going.item()))
    scanned = [states.stacked(i, 0, body, is_run) for i in range(1 + len(given), len(body.outputs))]
    return _of_outputs(node, [*states.behind(), *scanned])


def of_scan(node: Node, known, makers: dict[str, Node]) -> Sequence[Fact | None]:
    get = node.attributes.get
    body, count = get("body"), get("num_scan_inputs", 0)
    begin = len(node.inputs) - count
    if node.opset < SLICES or not count or begin < 0 or not _takes(body, len(node.inputs), begin):
        return (None,) * len(node.outputs)
    given = [_described(known, name, makers) for name in node.inputs]
    axes = get("scan_input_axes") or [0] * count
    slices = {begin + i: _slice(x, axis) for i, (x, axis) in enumerate(zip(given[begin:], axes))}
    states = _States(body, known, makers, slices, given[:begin], takes=0, gives=0)
    is_run = any(type(x) is Fact and -x.ndim <= axis < x.ndim and _is_some(x.shape[axis])
                 for x, axis in zip(given[begin:], axes))
    axes = get("scan_output_axes") or [0] * (len(body.outputs) - begin)
    scanned = [states.stacked(begin + i, axis, body, is_run) for i, axis in enumerate(axes)]
    return _of_outputs(node, [*states.behind(), *scanned])


# function (node, known, makers) -> facts of its outputs
RULES = {"If": of_if, "Loop": of_loop, "Scan": of_scan}


class _Body:
    """A subgraph, and what is known of it. given : facts of its inputs"""

    def __init__(self, graph: Graph, known, makers: dict[str, Node], given: dict[str, Fact | None]):
        self.outputs, self.makers = list(graph.outputs), graph.producers()
        self.known = None
        if known.depth < MOST_DEPTH:
            self.known = known.within(graph, makers, given)

    def output(self, place: int) -> Fact | None:
        return None if self.known is None else _described(self.known, self.outputs[place], self.makers)


class _States:
    """What a body hands from turn to turn.

    takes, gives : where such values begin among its inputs and outputs; others : facts of its other inputs, by place
    """

    def __init__(self, body: Graph, known, makers, others: dict[int, Fact | None], given: list[Fact | None],
                 takes: int, gives: int):
        self.known, self.facts = known, given
        self.free: set[int] = set()             # ids of sizes that may be others at each turn
        names = list(body.inputs)
        for turn in range(MOST_TURNS):
            facts = {names[i]: fact for i, fact in others.items()}
            facts.update(zip(names[takes:], self.facts))
            self.body = _Body(body, known, makers, facts)
            told = [self.common(fact, self.body.output(gives + i)) for i, fact in enumerate(self.facts)]
            if all(a is b for a, b in zip(told, self.facts)):
                break
            self.facts = told if turn < MOST_TURNS - 2 else [None] * len(told)
        known.bodies[body] = facts

    def common(self, fact: Fact | None, told: Fact | None) -> Fact | None:
        """What holds of a value and of the one that a turn makes of it: the fact itself, or a weaker one."""
        if fact is None or told is None or fact.dtype != told.dtype:
            return None
        if type(fact) is Unranked:
            return fact
        if type(told) is Unranked or fact.ndim != told.ndim:
            return Unranked(fact.dtype)
        sizes = [a if id(a) in self.free or same(a, b) else self.any_size() for a, b in zip(fact.shape, told.shape)]
        return fact if all(a is b for a, b in zip(sizes, fact.shape)) else Fact(fact.dtype, tuple(sizes))

    def any_size(self):
        size = self.known.sizes.free("turn", least=0)
        self.free.add(id(size))
        return size

    def behind(self) -> list[Fact | None]:
        """Facts of these values behind the last turn, whose sizes are not those of another one."""
        return [fact if fact is None or type(fact) is Unranked else Fact(fact.dtype, tuple(
            [self.known.sizes.free("end", least=0) if id(size) in self.free else size for size in fact.shape]))
            for fact in self.facts]

    def stacked(self, place: int, axis: int, body: Graph, is_run: bool) -> Fact | None:
        """Of what all turns give of an output, along a new axis; they are alike then. is_run : there is a turn; without
        one, it is as the graph declares"""
        fact, declared = self.body.output(place), list(body.outputs.values())[place]
        if fact is None or not is_run and (type(declared) is not TensorType or declared.dtype != fact.dtype):
            return None
        if type(fact) is Unranked or not -fact.ndim - 1 <= axis <= fact.ndim:
            return Unranked(fact.dtype)
        free, shape = self.known.sizes.free, fact.shape
        if not is_run:
            if declared.shape is not None and len(declared.shape) != fact.ndim:
                return Unranked(fact.dtype)
            shape = [size if type(size) is int and size == told else free("end", least=0)
                     for size, told in zip(shape, declared.shape or ("?",) * len(shape))]
        shape = list(shape)
        shape.insert(axis % (fact.ndim + 1), free("turns", least=0))
        return Fact(fact.dtype, tuple(shape))


def _takes(body, inputs: int, outputs: int) -> bool:
    return type(body) is Graph and len(body.inputs) == inputs and len(body.outputs) >= outputs


def _value(known, name: str, makers: dict[str, Node]) -> np.ndarray | None:
    fact = known.fact(name, makers) if name else None
    return None if fact is None or is_symbolic(fact) else fact.value


def _is_some(size) -> bool:
    """Is a size at least 1?"""
    try:
        return bool(size >= 1)
    except Undecided:
        return False


def _of_outputs(node: Node, facts: list[Fact | None]) -> Sequence[Fact | None]:
    return [*facts, *[None] * len(node.outputs)][:len(node.outputs)]


def _described(known, name: str, makers: dict[str, Node]) -> Fact | None:
    """What is known of a value, but not what it is."""
    if not name:
        return None
    fact = known.fact(name, makers)
    if fact is not None:
        return fact.like()
    dtype, rank = known.dtype(name, makers), known.rank(name, makers)
    if dtype is None or rank is None:
        return dtype and Unranked(dtype)
    return Fact(dtype, tuple([known.sizes.free(f"{name}.{axis}", least=0) for axis in range(rank)]))


def _slice(fact: Fact | None, axis: int) -> Fact | None:
    if fact is None or type(fact) is Unranked:
        return fact
    if not -fact.ndim <= axis < fact.ndim:
        return None
    axis %= fact.ndim
    return Fact(fact.dtype, fact.shape[:axis] + fact.shape[axis + 1:])


def _joined(known, a: Fact | None, b: Fact | None) -> Fact | None:
    """What holds of two values."""
    if a is None or b is None or a.dtype != b.dtype:
        return None
    if type(a) is Unranked or type(b) is Unranked or a.ndim != b.ndim:
        return Unranked(a.dtype)
    return Fact(a.dtype, tuple([x if same(x, y) else known.sizes.free("branch", least=0)
                                for x, y in zip(a.shape, b.shape)]))
