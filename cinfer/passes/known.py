"""What is known of the values of a graph while sizes are free: `ops/foresee.py` from the inputs onwards."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..model.graph import Graph, Node
from ..ops import registry
from ..ops.facts import Fact, Unranked
from ..ops.foresee import foresee, ranks_of, types_of
from ..ops.symbols import Sizes


class Known:
    """Facts by name, found when they are asked for.

    What a name stands for stays through all passes, so a fact that has been found stays true. Each free size
    is a Symbol of its own, also where two inputs call theirs by one name: nobody makes sure that these agree.
    What holds for the Symbols holds for all sizes of at least 1.
    """

    def __init__(self, graph: Graph, *, inner: bool = False, shapes: dict[str, tuple[int, ...]] | None = None):
        """shapes : of inputs, for which alone the facts are then to hold"""
        self.graph = graph
        self.sizes = Sizes()
        self.free: dict[tuple[str, int], object] = {}       # (input, axis) -> its Symbol
        self._facts: dict[str, Fact | None] = {"": None}
        self._types: dict[str, np.dtype | None] = {"": None}
        self._ranks: dict[str, Fact | None] = {"": None}
        for name, declared in graph.inputs.items():
            if inner or declared.dtype is None:
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
            self._find(name, makers, self._facts, self._foresee)
        return facts[name]

    def settled(self) -> dict[str, Fact]:
        """The facts that have been found, if no size is free."""
        if self.sizes.is_used:
            return {}
        return {name: fact for name, fact in self._facts.items() if type(fact) is Fact}

    def dtype(self, name: str, makers: dict[str, Node]) -> np.dtype | None:
        """The element type of a value, which takes less to find than its fact while sizes are free; None: not
        known."""
        fact = self._facts.get(name) if self.sizes.is_used else self.fact(name, makers)
        if fact is not None:
            return fact.dtype
        if name not in self._types:
            self._find(name, makers, self._types, types_of, lambda fact: fact and fact.dtype)
        return self._types[name]

    def rank(self, name: str, makers: dict[str, Node]) -> int | None:
        """The rank of a value, which takes less to find than its fact while sizes are free, but may be not
        known where that is: behind a Reshape to sizes that are computed. None: not known."""
        fact = self._facts.get(name) if self.sizes.is_used else self.fact(name, makers)
        if fact is None:
            if name not in self._ranks:
                self._find(name, makers, self._ranks, _ranks_of)
            fact = self._ranks[name]
        return None if fact is None or type(fact) is Unranked else fact.ndim

    def _foresee(self, node: Node, facts: list[Fact | None]) -> Sequence[Fact | None]:
        return foresee(node, facts, self.sizes)

    def _find(self, name: str, makers: dict[str, Node], facts: dict, tell, of=lambda fact: fact) -> None:
        """Enter into `facts` what `tell` says of a value and of all that it is made of. of : what is entered
        of the facts of constants and inputs"""
        constants, inputs = self.graph.constants, self._facts
        waiting = [name]
        while waiting:
            name = waiting[-1]
            if name in facts:
                waiting.pop()
                continue
            node = makers.get(name)
            if node is None:
                array = constants.get(name)                 # else an input, or None: of a graph around
                facts[name] = of(inputs.get(name) if array is None else Fact(array.dtype, array.shape, array))
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


def _ranks_of(node: Node, facts: list[Fact | None]) -> Sequence[Fact | None]:
    return [None if rank is None else Fact(None, (None,) * rank) for rank in ranks_of(node, facts)]
