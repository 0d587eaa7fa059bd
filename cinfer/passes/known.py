"""What is known of the values of a graph while sizes are free: `ops/foresee.py` from the inputs onwards."""
from __future__ import annotations

from ..model.graph import Graph, Node
from ..ops.facts import Fact, Unranked
from ..ops.foresee import foresee
from ..ops.symbols import Sizes


class Known:
    """Facts by name, found when they are asked for.

    What a name stands for stays through all passes, so a fact that has been found stays true. Each free size
    is a Symbol of its own, also where two inputs call theirs by one name: nobody makes sure that these agree.
    What holds for the Symbols holds for all sizes of at least 1.
    """

    def __init__(self, graph: Graph, *, inner: bool = False):
        self.graph = graph
        self.sizes = Sizes()
        self.free: dict[tuple[str, int], object] = {}       # (input, axis) -> its Symbol
        self._facts: dict[str, Fact | None] = {"": None}
        for name, declared in graph.inputs.items():
            if inner or declared.dtype is None:
                self._facts[name] = None
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
            self._find(name, makers)
        return facts[name]

    def _find(self, name: str, makers: dict[str, Node]) -> None:
        facts, constants = self._facts, self.graph.constants
        waiting = [name]
        while waiting:
            name = waiting[-1]
            if name in facts:
                waiting.pop()
                continue
            array = constants.get(name)
            node = makers.get(name)
            if array is not None:
                facts[name] = Fact(array.dtype, array.shape, array)
            elif node is None:
                facts[name] = None                          # of a graph around
            else:
                missing = [n for n in node.inputs if n not in facts]
                if missing:
                    waiting += missing
                    continue
                found = foresee(node, [facts[n] for n in node.inputs], self.sizes)
                facts.update((n, fact) for n, fact in zip(node.outputs, found) if n)
