"""Graph + facts of its inputs -> a graph in which every size is known.

Walks the nodes once: what can be known before the run (shapes, and whatever is computed from shapes and
constants) is evaluated and becomes a constant; the rest is given its dtype and shape. What exporters write
about dynamic shapes (Shape, Gather, Concat, Reshape ...) disappears here.
"""
from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from ..errors import Error, LimitError, ModelError, UnsupportedError
from ..graphs.index import Index
from ..model.graph import Graph, Node
from ..ops import registry
from ..ops.facts import Fact, UnknownValue
from ..ops.limits import check_size
from ..ops.registry import REFUSALS
from ..ops.symbols import Undecided
from .formulas import Formulas, NotThese

MOST_OUTPUTS = 16           # sets of outputs for which the nodes that they need are kept
FOLD_BYTES = 1 << 20        # larger results of constants are left to the run (the passes have folded weights)


class Bound:
    """A graph with all sizes known.

    nodes : what is left to run, in order; the graph's own
    facts : of every value they touch and of the outputs
    index : of the nodes
    formulas, slots : that the facts come from, and the numbers there; None where each node was bound
    """
    __slots__ = ("nodes", "facts", "inputs", "outputs", "index", "formulas", "slots")

    def __init__(self, nodes: list[Node], facts: dict[str, Fact], inputs: tuple[str, ...],
                 outputs: tuple[str, ...], index: Index, formulas: Formulas | None = None,
                 slots: list[int] | None = None):
        self.nodes, self.facts, self.inputs, self.outputs = nodes, facts, inputs, outputs
        self.index, self.formulas, self.slots = index, formulas, slots


def bind(graph: Graph, inputs: dict[str, Fact], outputs: tuple[str, ...]) -> Bound:
    """Give every value that `outputs` need a dtype and a shape.

    Raises ModelError when sizes contradict each other, UnsupportedError when they depend on data or an
    operator is unknown; the message names the node.
    """
    prepared = graph.prepared
    if prepared is None:
        prepared = graph.prepared = Prepared(graph)
    return prepared.by_formulas(inputs, outputs) or prepared.by_nodes(inputs, outputs)


class Prepared:
    """What of a graph does not depend on sizes. Plans are made under a lock, so nothing here needs one.

    constants : facts of its constants, and of the empty name
    """

    def __init__(self, graph: Graph):
        self.nodes, self.declared, self.known = graph.nodes, graph.inputs, graph.known
        self.is_checked = graph.is_checked
        self.constants: dict[str, Fact | None] = {"": None}
        self.constants.update((name, Fact(a.dtype, a.shape, a)) for name, a in graph.constants.items())
        self._ready: dict[Node, Ready] = {}
        self._of: dict[tuple[str, ...], list[Ready]] = {}
        self._seen: set[tuple] = set()
        self._formulas: dict[tuple, Formulas | None] = {}

    def by_formulas(self, inputs: dict[str, Fact], outputs: tuple[str, ...]) -> Bound | None:
        """By the sizes' formulas, where there are some that hold for these inputs."""
        formulas = self._formulas.get((outputs, *map(_kind, inputs.values())))
        if formulas is None:
            return None
        try:
            facts, slots = formulas.facts(self.constants, inputs)
        except (NotThese, Error, *REFUSALS):
            return None             # by_nodes tells what is wrong, if it is
        return Bound(formulas.nodes, facts, tuple(inputs), outputs, formulas.index, formulas, slots)

    def by_nodes(self, inputs: dict[str, Fact], outputs: tuple[str, ...]) -> Bound:
        """Node by node. The second time for sizes of inputs alike in kind, formulas are made."""
        for name, fact in inputs.items():
            check_tensor(f"input {name!r}", fact)
        facts = self.constants.copy()
        facts.update(inputs)
        left, node, readies = [], None, self.of(outputs)
        known = self.known if all(
            (fact.dtype, fact.shape) == (self.declared[name].dtype, self.declared[name].shape)
            for name, fact in inputs.items()) else {}
        try:
            for ready in readies:
                node = ready.node
                if ready.bind(facts, known):
                    left.append(node)
        except UnknownValue as error:
            raise UnsupportedError(f"cannot run {node}: {error}") from None
        except Error as error:
            raise located(node, type(error), error) from None
        except REFUSALS as error:
            raise located(node, ModelError, error) from None
        nodes = needed(left, outputs)
        index = Index(nodes)
        key = outputs, *map(_kind, inputs.values())
        if key not in self._seen:
            self._seen.add(key)
        elif key not in self._formulas and len(self._formulas) < MOST_OUTPUTS:
            self._formulas[key] = self._made(readies, inputs, outputs, facts, nodes, index)
        return Bound(nodes, facts, tuple(inputs), outputs, index)

    def _made(self, readies, inputs, outputs, facts, nodes, index) -> Formulas | None:
        try:
            return Formulas(readies, self.constants, inputs, outputs, self.declared, facts, nodes, index)
        except (Undecided, Error, *REFUSALS):
            return None             # these sizes are on the edge of what the graph can take

    def of(self, outputs: tuple[str, ...]) -> list[Ready]:
        """The nodes that these outputs need."""
        found = self._of.get(outputs)
        if found is None:
            found = [self._ready.get(node) or self._prepare(node) for node in needed(self.nodes, outputs)]
            if len(self._of) < MOST_OUTPUTS:
                self._of[outputs] = found
        return found

    def _prepare(self, node: Node) -> Ready:
        ready = self._ready[node] = Ready(node, self.is_checked)
        return ready


def _kind(fact: Fact) -> tuple:
    return fact.dtype, len(fact.shape)


class Ready:
    """A node; `look_up` finds its operator and reads its attributes, once they are needed.

    is_function : its outputs are known when its inputs are
    """
    __slots__ = ("node", "inputs", "outputs", "operator", "keywords", "is_function", "is_checked")

    def __init__(self, node: Node, is_checked: bool):
        self.node, self.inputs, self.outputs = node, tuple(node.inputs), tuple(node.outputs)
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
            self.is_function = bool(self.node.inputs) and not self.operator.traits.random

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
        values = registry.evaluate(operator, self.node, [None if s is None else s.value for s in given])
        return [Fact.of(v) for v in map(np.asarray, values)]


def located(node: Node, kind: type[Error], error: Exception) -> Error:
    """An error of a node, in one line that names it."""
    text = str(error).partition("\n")[0] or type(error).__name__
    return kind(text if str(node) in text else f"{node}: {text}")


def check_tensor(where: str, fact: Fact) -> None:
    """ModelError or LimitError for a tensor that cannot be."""
    try:
        check_size(fact.shape, fact.dtype.itemsize)
    except ValueError as error:
        raise ModelError(f"{where}: {error}") from None
    except LimitError as error:
        raise LimitError(f"{where}: {error}") from None


def needed(nodes: list[Node], outputs) -> list[Node]:
    """The nodes on which `outputs` depend, in their order."""
    wanted = set(outputs)
    kept = []
    for node in reversed(nodes):
        if not wanted.isdisjoint(node.outputs):
            kept.append(node)
            wanted.update(node.inputs)
    kept.reverse()
    return kept
