"""What is known of the values of a graph while sizes are free: `ops/foresee.py` from the inputs onwards."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..model.graph import Graph, Node, node_reads
from ..ops import registry
from ..ops.facts import Fact, Unranked
from ..ops.foresee import foresee, ranks_of, types_of
from ..ops.symbols import Sizes
from .bodies import RULES


class Known:
    """Facts by name, found when they are asked for.

    What a name stands for stays through all passes, so a fact that has been found stays true. Each free size
    is a Symbol of its own, also where two inputs call theirs by one name: nobody makes sure that these agree.
    What holds for the Symbols holds for all sizes of at least 1.

    around : what is known of the graph around this one, and the makers there; None: nothing
    bodies : subgraph -> facts of its inputs, as far as these are the same at each turn (bodies.py)
    """

    def __init__(self, graph: Graph, *, inner: bool = False, shapes: dict[str, tuple[int, ...]] | None = None,
                 around: tuple[Known, dict[str, Node]] | None = None, given: dict[str, Fact | None] | None = None):
        """inner : a subgraph: its inputs may differ from turn to turn, but for `given` facts of them
        shapes : of inputs, for which alone the facts are then to hold"""
        self.graph, self.around = graph, around
        self.depth = 0 if around is None else around[0].depth + 1
        self.sizes = Sizes() if around is None else around[0].sizes
        self.bodies: dict[Graph, dict[str, Fact | None]] = {}
        self._of_graphs: set[str] = set()       # outputs of nodes that have subgraphs
        self.free: dict[tuple[str, int], object] = {}       # (input, axis) -> its Symbol
        self._facts: dict[str, Fact | None] = {"": None}
        self._types: dict[str, np.dtype | None] = {"": None}
        self._ranks: dict[str, Fact | None] = {"": None}
        for name, declared in graph.inputs.items():
            if inner:
                self._facts[name] = (given or {}).get(name)
            elif declared.dtype is None:
                self._facts[name] = None
            elif shapes and name in shapes:
                self._facts[name] = Fact(declared.dtype, shapes[name])
            elif declared.shape is None:
                self._facts[name] = Unranked(declared.dtype)
            else:
                self._facts[name] = Fact(declared.dtype, tuple([
                    d if type(d) is int and d >= 0 else self._free(name, axis)
                    for axis, d in enumerate(declared.shape)]))

    def _free(self, name: str, axis: int):
        symbol = self.free[name, axis] = self.sizes.free(f"{name}.{axis}")
        return symbol

    def fact(self, name: str, makers: dict[str, Node]) -> Fact | None:
        """What is known of a value; None: nothing."""
        facts = self._facts
        if name not in facts:
            self._find(name, makers, self._facts, self._foresee, Known.fact)
        return facts[name]

    def of_body(self, node: Node, graph: Graph, makers: dict[str, Node]) -> dict[str, Fact | None]:
        """Facts of the inputs of a node's subgraph."""
        if graph not in self.bodies and graph.inputs and node.op_type in RULES and not node.domain:
            for name in node_reads(node):
                self.fact(name, makers)
            self._told(node, makers)
        return self.bodies.get(graph, {})

    def within(self, graph: Graph, makers: dict[str, Node], given: dict[str, Fact | None]) -> Known:
        """Of a subgraph. given : facts of its inputs"""
        return Known(graph, inner=True, around=(self, makers), given=given)

    def _told(self, node: Node, makers: dict[str, Node]) -> Sequence[Fact | None]:
        """Facts of the outputs of a node that has subgraphs, of whose inputs and captures facts have been found."""
        self._of_graphs.update(node.outputs)
        return RULES[node.op_type](node, self, makers)

    def settled(self) -> dict[str, Fact]:
        """The facts that have been found, if no size is free; not of what subgraphs give, which a plan comes to know
        by running them."""
        if self.sizes.is_used:
            return {}
        return {name: fact for name, fact in self._facts.items() if type(fact) is Fact and name not in self._of_graphs}

    def dtype(self, name: str, makers: dict[str, Node]) -> np.dtype | None:
        """The element type of a value, which takes less to find than its fact while sizes are free; None: not
        known."""
        fact = self._facts.get(name) if self.sizes.is_used else self.fact(name, makers)
        if fact is not None:
            return fact.dtype
        if name not in self._types:
            self._find(name, makers, self._types, types_of, Known.dtype, lambda fact: fact and fact.dtype)
        return self._types[name]

    def rank(self, name: str, makers: dict[str, Node]) -> int | None:
        """The rank of a value, which takes less to find than its fact while sizes are free, but may be not
        known where that is: behind a Reshape to sizes that are computed. None: not known."""
        fact = self._facts.get(name) if self.sizes.is_used else self.fact(name, makers)
        if fact is None:
            if name not in self._ranks:
                self._find(name, makers, self._ranks, _ranks_of, _fact_of_rank)
            fact = self._ranks[name]
        return None if fact is None or type(fact) is Unranked else fact.ndim

    def _foresee(self, node: Node, facts: list[Fact | None]) -> Sequence[Fact | None]:
        return foresee(node, facts, self.sizes)

    def _find(self, name: str, makers: dict[str, Node], facts: dict, tell, outside, of=lambda fact: fact) -> None:
        """Enter into `facts` what `tell` says of a value and of all that it is made of. outside : what is entered of
        values of the graph around, function (Known, name, makers); of : what is entered of the facts of constants,
        inputs, and what subgraphs give"""
        constants, inputs = self.graph.constants, self._facts
        waiting = [name]
        while waiting:
            name = waiting[-1]
            if name in facts:
                waiting.pop()
                continue
            node = makers.get(name)
            if node is None:
                if (array := constants.get(name)) is not None:
                    facts[name] = of(Fact(array.dtype, array.shape, array))
                elif name in inputs or self.around is None:
                    facts[name] = of(inputs.get(name))
                else:
                    facts[name] = outside(self.around[0], name, self.around[1])
                continue
            if node.op_type in RULES and not node.domain:
                # all that a subgraph reads comes first: one branch behind another must not take one call in another
                if facts is not self._facts:
                    told = [self.fact(n, makers) for n in node.outputs]
                elif (missing := [n for n in node_reads(node) if n not in facts]):
                    waiting += missing
                    continue
                else:
                    told = self._told(node, makers)
                facts.update((n, of(fact)) for n, fact in zip(node.outputs, told) if n)
                continue
            given = []
            for n in node.inputs:
                if n in facts:
                    given.append(facts[n])
                elif (array := constants.get(n)) is not None:
                    facts[n] = fact = of(Fact(array.dtype, array.shape, array))
                    given.append(fact)
                else:
                    waiting.append(n)
            if len(given) < len(node.inputs):
                continue
            for n, fact in zip(node.outputs, tell(node, given)):
                if n:
                    facts[n] = fact


def shapes_of_outputs(graph: Graph, shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[int | None, ...]] | None:
    """Shapes of a graph's outputs for these of its inputs, without a plan; milliseconds, whatever the sizes are.

    A size that only a run can tell is None, and an output of which not even the rank is known is left out. None: the
    graph cannot take such inputs."""
    known = _Given(graph, shapes=shapes)
    makers = graph.producers()
    try:
        facts = {name: known.fact(name, makers) for name in graph.outputs}
    except _Refused:
        return None
    return {name: tuple([size if type(size) is int else None for size in fact.shape])
            for name, fact in facts.items() if fact is not None and type(fact) is not Unranked}


class _Refused(Exception):
    """A node cannot have the inputs that it gets."""


class _Given(Known):
    """What is known for given sizes: where an operator that tells the shape of its output has none for these inputs,
    although all of them are known, it refuses them."""

    def _foresee(self, node: Node, facts: list[Fact | None]) -> Sequence[Fact | None]:
        found = super()._foresee(node, facts)
        if found and found[0] is None and not any(name and fact is None for name, fact in zip(node.inputs, facts)):
            operator = registry.find(node)
            if operator is not None and operator.infer is not None:
                raise _Refused
        return found


def _fact_of_rank(known: Known, name: str, makers: dict[str, Node]) -> Fact | None:
    rank = known.rank(name, makers)
    return None if rank is None else Fact(None, (None,) * rank)


def _ranks_of(node: Node, facts: list[Fact | None]) -> Sequence[Fact | None]:
    return [None if rank is None else Fact(None, (None,) * rank) for rank in ranks_of(node, facts)]
