"""What all rewrites share: who makes and who reads each value, kept true while a pass changes the graph.

A name never changes its value: a rewrite gives a node other inputs or another operator, but what a name
stands for stays. So a value can still be looked at by its name after all passes, if it was not rewritten
away.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from ..graphs.index import Index
from ..model.graph import Graph, Node, node_reads
from ..ops import registry
from ..ops.facts import Fact, is_symbolic
from ..ops.foresee import ranks_of
from .known import Known


def rewrite(body: Callable[[Graph, Rewriter], bool]) -> Callable[..., bool]:
    """Decorator of a pass: its callers may hand over the Rewriter of the graph or leave it out. What it computes with
    constants may be infinite or no number, as it would be in the run, where nothing is said of that either."""
    def run(graph: Graph, at: Rewriter | None = None) -> bool:
        at = at or Rewriter(graph)
        with np.errstate(all="ignore"):
            changed = body(graph, at)
        at.settle()
        return changed
    run.__name__, run.__doc__ = body.__name__, body.__doc__
    return run


class Rewriter(Index):
    """A graph, its index, and what is known of its values.

    pinned : names that must go on existing: graph outputs and what subgraphs capture
    around : the Rewriter of the graph around this one, and the node there that has it; None where nothing is known
    brought : name of a value of the graph around that nodes of this one make anew, for a while -> whether it is
        constant (captures.py)
    folded : what subgraphs have made of this graph's constants, by the name here

    Nodes change at once, in place; removed and inserted ones take effect in `graph.nodes` with `settle`.
    """

    def __init__(self, graph: Graph, *, inner: bool = False, around: tuple[Rewriter, Node] | None = None):
        self.graph, self.around = graph, around
        self.inner = inner                  # a subgraph: the types of its inputs may differ from turn to turn
        self.brought: dict[str, bool] = {}
        self.folded: dict[str, np.ndarray] = {}
        self.spelled: frozenset[str] = frozenset()      # activations that stay as they are spelled
        self.coarse: set[str] = set()       # constants that are of float32, but have been rounded to float16
        self._serial = 0
        self._known: Known | None = None
        self.index()

    def index(self) -> None:
        """Make all indices anew, after a pass that has changed most of the graph."""
        Index.__init__(self, self.graph.nodes)
        self.pinned: set[str] = self.captured.union(self.graph.outputs)
        self._removed: set[Node] = set()
        self._inserted: dict[Node | None, list[Node]] = {}
        self._sort(self.graph.nodes)

    def _sort(self, nodes: Iterable[Node]) -> None:
        self._by_type: dict[str, list[Node]] = {}
        for node in nodes:
            self._by_type.setdefault(node.op_type, []).append(node)

    # looking

    def of(self, *op_types: str) -> Iterator[Node]:
        """The nodes of these standard operators, without those that go away meanwhile."""
        for op_type in op_types:
            for node in tuple(self._by_type.get(op_type, ())):
                if node.op_type == op_type and not node.domain and node not in self._removed:
                    yield node

    def walk(self) -> Iterator[Node]:
        """The nodes of standard operators in the graph's order, without those that go away meanwhile."""
        return (node for node in self.graph.nodes if not node.domain and node not in self._removed)

    def maker(self, name: str, *op_types: str) -> Node | None:
        """The node that makes a value, if it is one of these standard operators."""
        node = self.makers.get(name)
        return node if node is not None and node.op_type in op_types and not node.domain else None

    def only_reader(self, name: str) -> Node | None:
        """The node that reads a value, if it is the only one, reads it once, and nothing else needs it."""
        readers = self.readers.get(name, ())
        return readers[0] if len(readers) == 1 and name not in self.pinned else None

    def array(self, name: str) -> np.ndarray | None:
        """A constant's array."""
        return self.graph.constants.get(name)

    def ints(self, node: Node, attribute: str, position: int, since: int) -> list[int] | None:
        """A list of integers that is an attribute before opset `since` and an input from there on; None when
        it is absent or not constant (see `has`)."""
        if node.opset < since:
            value = node.attributes.get(attribute)
            return None if value is None else list(value)
        return self.integers(node.inputs[position]) if has(node, position) else None

    def integers(self, name: str) -> list[int] | None:
        """A constant of integers; None for another one, and for what is none."""
        array = self.array(name)
        return None if array is None or array.dtype.kind not in "iu" else array.ravel().tolist()

    def scalar(self, name: str, beside: str) -> float | None:
        """A floating-point constant of one element, if it cannot raise the rank of the value `beside` it."""
        array = self.graph.constants.get(name)
        if array is None or array.size != 1 or array.dtype.kind != "f" or not self.fits(array, beside):
            return None
        return float(array.item())

    def fits(self, array: np.ndarray, beside: str) -> bool:
        """Does broadcasting with the array leave the rank of the value `beside` it as it is?"""
        return array.ndim == 0 or array.ndim <= self._least_rank(beside, 6) \
            or array.ndim <= (self.rank(beside) or 0)

    def _least_rank(self, name: str, depth: int) -> int:
        """The rank of a value or less, by what is close before it."""
        node = self.makers.get(name)
        if node is None or not depth:
            return self.rank(name) or 0 if node is None else 0
        constants = self.graph.constants
        rank, *_ = ranks_of(node, [Fact.of(constants[i]) if i in constants else None for i in node.inputs])
        if rank is not None:
            return rank
        traits = registry.traits(node)
        if traits.broadcast:
            return max(self._least_rank(i, depth - 1) for i in node.inputs)
        if traits.elementwise or traits.rank == 0:
            return self._least_rank(node.inputs[0], depth - 1)
        if node.op_type == "MatMul" and not node.domain:
            return max(self._least_rank(i, depth - 1) for i in node.inputs) - 1
        return 0

    def fact(self, name: str) -> Fact | None:
        """What is known of a value for all sizes of the inputs, each at least 1: its type, maybe its
        sizes and its value; None: nothing."""
        return self.known().fact(name, self.makers)

    def dtype(self, name: str) -> np.dtype | None:
        """The element type of a value, where it is known."""
        return self.known().dtype(name, self.makers)

    @property
    def has_asked(self) -> bool:
        """Has any pass asked what is known of a value?"""
        return self._known is not None

    def known(self) -> Known:
        if self._known is None:
            if self.around is None:
                self._known = Known(self.graph, inner=self.inner)
            else:
                at, node = self.around
                given = at.known().of_body(node, self.graph, at.makers)
                self._known = at.known().within(self.graph, at.makers, given)
        return self._known

    def value(self, name: str) -> np.ndarray | None:
        """The value of a constant, or of what is made of constants and sizes and comes out as numbers."""
        array = self.graph.constants.get(name)
        if array is not None or not self._is_made_of_sizes(name):
            return array
        fact = self.fact(name)
        return None if fact is None or is_symbolic(fact) else fact.value

    def _is_made_of_sizes(self, name: str) -> bool:
        """Is a value made of constants and sizes alone, in a few steps?"""
        waiting, left = [name], 24
        while waiting:
            name = waiting.pop()
            node = self.makers.get(name)
            if name in self.graph.constants or node is not None and node.op_type in ("Shape", "Size"):
                continue
            left -= 1
            if node is None or not left:
                return False
            waiting += filter(None, node.inputs)
        return True

    def rank(self, name: str) -> int | None:
        """The rank of a value, where operators, constants and the declared inputs prove it without sizes."""
        array = self.graph.constants.get(name)
        if array is not None:
            return array.ndim
        return self.known().rank(name, self.makers)

    def is_needed(self, name: str) -> bool:
        """Does anything read this value, or must it exist?"""
        return bool(name) and (bool(self.readers.get(name)) or name in self.pinned)

    def encloses(self, nodes: Iterable[Node], root: Node) -> bool:
        """Are the values that these nodes make read by none but them and the root?"""
        inside = {root, *nodes}
        return all(name not in self.pinned and inside.issuperset(self.readers.get(name, ()))
                   for node in inside if node is not root for name in node.outputs if name)

    # changing

    def fresh(self, hint: str) -> str:
        """A name that is not taken."""
        while True:
            self._serial += 1
            name = f"{hint}__{self._serial}"
            if not (name in self.makers or name in self.readers or name in self.graph.constants
                    or name in self.graph.inputs or name in self.pinned):
                return name

    def constant(self, array: np.ndarray, hint: str) -> str:
        """Enter an array as a new constant; returns its name."""
        name = self.fresh(hint)
        self.graph.constants[name] = array
        return name

    def change(self, node: Node, op_type: str, inputs: list[str], opset: int, domain: str = "",
               **attributes) -> None:
        """Make the node another operator at the same place with the same outputs."""
        self.set_inputs(node, inputs)
        if node.op_type != op_type:
            node.op_type = op_type
            self._by_type.setdefault(op_type, []).append(node)
        node.domain, node.opset, node.attributes = domain, opset, attributes

    def set_inputs(self, node: Node, inputs: list[str]) -> None:
        """Give the node other inputs; what only it had read goes away."""
        before, node.inputs = node.inputs, inputs
        for name in inputs:
            if name:
                self.readers.setdefault(name, []).append(node)
        for name in before:
            if name:
                self.readers[name].remove(node)
        for name in before:
            self.release(name)

    def set_outputs(self, node: Node, outputs: list[str]) -> None:
        """Give the node other output names."""
        for name in node.outputs:
            self.makers.pop(name, None)
        node.outputs = outputs
        self.makers.update((name, node) for name in outputs if name)

    def release(self, name: str) -> None:
        """Remove the node that makes a value if no output of it is needed, and so on upwards."""
        waiting = [name]
        while waiting:
            node = self.makers.get(waiting.pop())
            if node is not None and not any(map(self.is_needed, node.outputs)):
                waiting += node.inputs
                self.remove(node)

    def remove(self, node: Node) -> None:
        """Take the node out."""
        self._removed.add(node)
        for name in node_reads(node):
            self.readers[name].remove(node)
        for name in node.outputs:
            if self.makers.get(name) is node:
                del self.makers[name]

    def insert(self, node: Node, after: Node | None) -> str:
        """Put a new node right after another (None: before all); returns the name of its first output."""
        self._inserted.setdefault(after, []).append(node)
        self._by_type.setdefault(node.op_type, []).append(node)
        for name in node.inputs:
            if name:
                self.readers.setdefault(name, []).append(node)
        self.makers.update((name, node) for name in node.outputs if name)
        return node.outputs[0]

    def alias(self, node: Node, source: str) -> bool:
        """Remove a node whose first output equals the value `source`, which exists before it.

        A pinned output passes its name on to the source, which must then be made by a node and not be pinned
        itself; otherwise nothing happens and the answer is False.
        """
        name = node.outputs[0]
        if name not in self.pinned:
            for reader in self.readers.pop(name, ()):
                reader.inputs = [source if i == name else i for i in reader.inputs]
                self.readers.setdefault(source, []).append(reader)
            self.remove(node)
            self.release(source)
            return True
        maker = self.makers.get(source)
        if maker is None or source in self.pinned:
            return False
        self.remove(node)
        for reader in self.readers.pop(source, ()):
            reader.inputs = [name if i == source else i for i in reader.inputs]
            self.readers.setdefault(name, []).append(reader)
        self.set_outputs(maker, [name if o == source else o for o in maker.outputs])
        return True

    def settle(self) -> None:
        """Bring `graph.nodes` up to date."""
        if not self._removed and not self._inserted:
            return
        nodes: list[Node] = []
        for anchor in (None, *self.graph.nodes):
            waiting = [anchor]
            while waiting:
                node = waiting.pop()
                if node is not None and node not in self._removed:
                    nodes.append(node)
                waiting.extend(reversed(self._inserted.get(node, ())))
        self.graph.nodes[:] = nodes
        self._sort(nodes)
        self._removed, self._inserted = set(), {}


def has(node: Node, position: int) -> bool:
    """Is the optional input there?"""
    return position < len(node.inputs) and bool(node.inputs[position])
