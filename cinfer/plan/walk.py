"""One way through the nodes of a graph, as far as sizes are known: what bind.py does, node by node."""
from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

import numpy as np

from ..errors import LimitError
from ..model.graph import Node, node_reads, subgraphs
from ..ops import registry
from ..ops.facts import Elements, Fact, Maybe, UnknownValue
from ..ops.limits import check_size
from .resolve import STRUCTURAL, Resolved, resolve

FOLD_BYTES = 1 << 20        # larger results of constants are left to the run (the passes have folded weights)
MOST_NEEDED = 1 << 12       # bytes of a value that is made known, so that a plan can be made for it
MOST_RESOLVED = 1 << 16     # nodes that may come out of branches and sequences


class Walk:
    """Facts from the inputs onwards.

    prepared : of the graph; given : facts of other values that it reads
    facts : of all values met
    left : nodes to run
    late : values of which the run must tell; rest : nodes that wait for them
    evaluated, needed : as in Rest
    constants : those of branches that took the place of an If
    trace : what was found of each node, in order: (node, None) it was bound, (node, Resolved), (node, Stopped)
    resolved : how many nodes came out of others
    node : where the walk is
    """

    def __init__(self, prepared, inputs: dict[str, Fact], given: dict):
        self.prepared = prepared
        self.facts = facts = prepared.constants.copy()
        facts.update(given)
        facts.update(inputs)
        self.known = prepared.facts_for(inputs)
        self.has_lists = any(type(fact) in (Elements, Maybe) for fact in given.values())
        self.left: list[Node] = []
        self.late: set[str] = set()
        self.rest: list[Node] = []
        self.evaluated: dict[Node, Ready] = {}
        self.needed: dict[str, None] = {}
        self.constants: dict[str, np.ndarray] = {}
        self.trace: list[tuple[Ready, Resolved | Stopped | None]] = []
        self.resolved = 0
        self.node: Node | None = None

    def run(self, readies: list[Ready]) -> None:
        """Raises cinfer.Error and registry.REFUSALS, at `node`."""
        facts, known, late = self.facts, self.known, self.late
        waiting = readies[::-1]
        while waiting:
            ready = waiting.pop()
            self.node = ready.node
            if late and not late.isdisjoint(ready.reads):
                self.put_off(ready)
                continue
            try:
                if ready.is_structural or self.has_lists:
                    found = resolve(ready.node, facts)
                    if found is not None:
                        self.trace.append((ready, found))
                        waiting.extend(self.replaced(found))
                        continue
                if ready.bind(facts, known):
                    self.left.append(ready.node)
                self.trace.append((ready, None))
            except UnknownValue as error:
                self.stop(ready, stopped(ready, facts, error.fact))

    def replaced(self, found: Resolved) -> list[Ready]:
        """The nodes that take the place of one, the last first."""
        self.resolved += 1 + len(found.nodes)
        if self.resolved > MOST_RESOLVED:
            raise LimitError(f"its sequences and branches come to more than {MOST_RESOLVED} nodes")
        for name, fact in found.facts.items():
            self.facts[name] = fact
            self.has_lists |= type(fact) is not Fact
        for name, array in found.constants.items():
            self.facts[name] = Fact.of(array)
        self.constants.update(found.constants)
        return [self.prepared.ready(node) for node in reversed(found.nodes)]

    def put_off(self, ready: Ready) -> None:
        self.late.update(filter(None, ready.outputs))
        self.rest.append(ready.node)

    def stop(self, ready: Ready, found: Stopped) -> None:
        """A node of whose outputs the run must tell."""
        self.trace.append((ready, found))
        if found.needs is None:
            self.late.update(filter(None, ready.outputs))
            self.evaluated[ready.node] = ready
        else:
            self.needed[found.needs] = None
            self.put_off(ready)


class Stopped(NamedTuple):
    """needs : the input that has to be known to bind a node; None: it is evaluated between parts"""
    needs: str | None


def stopped(ready: Ready, facts: dict, fact: Fact | None) -> Stopped:
    """What is to be done about a node of whose outputs the run must tell. fact : of the input whose value it asks for

    What only moves elements is run in NumPy: then what follows is planned for the sizes that come out, not
    for the value. So is what tells nothing before it has run, and what asks for a large value.
    """
    name = next((name for name in ready.inputs if name and facts[name] is fact), None)
    small = fact is not None and fact.dtype.itemsize * prod(fact.shape) <= MOST_NEEDED
    ready.look_up()
    is_evaluated = name is None or not small or ready.operator.traits.moves \
        or ready.is_structural and ready.node.op_type != "If"
    return Stopped(None if is_evaluated else name)


class Ready:
    """A node; `look_up` finds its operator and reads its attributes, once they are needed.

    is_function : its outputs are known when its inputs are
    is_structural : it may be resolved (resolve.py)
    reads : its inputs, and what its graphs capture
    """
    __slots__ = ("node", "inputs", "outputs", "reads", "operator", "keywords", "is_function", "is_structural",
                 "is_checked")

    def __init__(self, node: Node, is_checked: bool):
        self.node, self.inputs, self.outputs = node, tuple(node.inputs), tuple(node.outputs)
        self.reads = tuple(node_reads(node))
        self.is_structural = node.op_type in STRUCTURAL and not node.domain
        self.is_checked = is_checked
        self.operator = self.keywords = None
        self.is_function = False

    def look_up(self) -> None:
        """Raises cinfer.Error for an operator that cinfer does not have, or a node that it does not allow."""
        if self.keywords is None:
            self.operator = registry.lookup(self.node)
            if not self.is_checked:
                registry.check(self.operator, self.node)
            self.keywords = registry.arguments(self.operator, self.node)
            self.is_function = bool(self.node.inputs) and not self.operator.traits.random \
                and not subgraphs(self.node)

    def bind(self, facts: dict[str, Fact | None], known: dict[str, Fact] | None = None) -> bool:
        """Enter the facts of the outputs; their values too where they are known from the inputs' and not
        large. True if the node is left to run. known : facts that have been found before, but for values"""
        given = [facts[name] for name in self.inputs]
        outs = None
        for fact in given:
            if fact is not None and fact.value is None:
                if known:
                    outs = [known.get(name) for name in self.outputs]
                    if None in outs:
                        outs = None
                break
        else:
            self.look_up()
            if self.is_function:
                outs = self._values(given)
        if outs is None:
            self.look_up()
            outs = self._infer(given)
        left = False
        for name, fact in zip(self.outputs, outs):
            if name:
                facts[name] = fact
            if fact.value is None:
                left = True
        return left

    def _infer(self, given: list[Fact | None]) -> Sequence[Fact]:
        operator = self.operator
        if operator.infer is None:
            raise UnknownValue(f"the shape of {self.node}")
        outs = registry.for_outputs(self.node, operator.infer(*given, **self.keywords))
        for fact in outs:
            check_size(fact.shape, fact.dtype.itemsize)
        return outs

    def _values(self, given: list[Fact | None]) -> Sequence[Fact]:
        operator = self.operator
        if operator.infer is not None and self.node.op_type != "ConstantOfShape":
            outs = self._infer(given)
            if sum(prod(s.shape) * s.dtype.itemsize for s in outs) > FOLD_BYTES:
                return outs
        values = registry.evaluate(operator, self.node, [None if s is None else s.value for s in given], self.keywords)
        return [Fact.of(v) for v in map(np.asarray, values)]
