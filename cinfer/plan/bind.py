"""Graph + facts of its inputs -> the longest part of it in which every size is known, and what is left.

Walks the nodes once (walk.py): what can be known before the run (shapes, and whatever is computed from shapes
and constants) is evaluated and becomes a constant; the rest is given its dtype and shape. What exporters write
about dynamic shapes (Shape, Gather, Concat, Reshape ...) disappears here, and branches and sequences do
(resolve.py).

Where sizes depend on what a run computes, the nodes that depend on them are left (`Rest`): they are bound when
the part before them has run, for the sizes found then.
"""
from __future__ import annotations

from ..errors import Error, LimitError, ModelError
from ..graphs.index import Index
from ..model.graph import Graph, Node, TensorType, node_reads
from ..ops.facts import Elements, Fact, Maybe
from ..ops.limits import check_size
from ..ops.registry import REFUSALS
from ..ops.symbols import Undecided
from .formulas import Formulas, NotThese
from .resolve import Made, is_found
from .walk import Ready, Walk

MOST_OUTPUTS = 16           # sets of outputs for which the nodes that they need are kept


class Rest:
    """What is to be done when a part has run.

    graph : the nodes that are left; none of them: the outputs are there, and have to be put together
    outputs : what they are to make
    found : [(name, what kernels gave of it and how many there are, axes)]: views that are taken first
    evaluated : nodes that run then, in NumPy, for only that tells how large their outputs are
    needed : values that have to be known to bind the others
    arrays : what is needed of before: inputs and outputs of the part
    known : facts of what is known already, by name: with their values; of sequences, and of optionals
    new : of what the graph reads, that which may be of another kind whenever the part has run
    """
    __slots__ = ("graph", "outputs", "evaluated", "needed", "arrays", "known", "found", "new")

    def __init__(self, graph: Graph, outputs: tuple[str, ...], evaluated: list[Ready], needed: tuple[str, ...],
                 arrays: tuple[str, ...], known: dict, found: list[tuple[str, str, int]]):
        self.graph, self.outputs, self.evaluated = graph, outputs, evaluated
        self.needed, self.arrays, self.known, self.found = needed, arrays, known, found
        self.new = (*needed, *(name for name in graph.inputs if name not in arrays))


class Bound:
    """A graph with all sizes known.

    nodes : what is left to run, in order; the graph's own
    facts : of every value they touch and of the outputs
    index : of the nodes
    formulas, slots : that the facts come from, and the numbers there; None where each node was bound
    rest : what is to be done behind it; None: it makes all that was asked for
    """
    __slots__ = ("nodes", "facts", "inputs", "outputs", "index", "formulas", "slots", "rest")

    def __init__(self, nodes: list[Node], facts: dict[str, Fact], inputs: tuple[str, ...], outputs: tuple[str, ...],
                 index: Index, formulas: Formulas | None = None, slots: list[int] | None = None,
                 rest: Rest | None = None):
        self.nodes, self.facts, self.inputs, self.outputs = nodes, facts, inputs, outputs
        self.index, self.formulas, self.slots, self.rest = index, formulas, slots, rest


def bind(graph: Graph, inputs: dict[str, Fact], outputs: tuple[str, ...], given: dict | None = None) -> Bound:
    """Give every value that `outputs` need a dtype and a shape, as far as that goes.

    given : facts of other values that the graph reads: known values, sequences, optionals. Then there always is
        a rest, which says how the outputs are put together

    Raises ModelError when sizes contradict each other, UnsupportedError when an operator is unknown; the
    message names the node.
    """
    prepared = graph.prepared
    if prepared is None:
        prepared = graph.prepared = Prepared(graph)
    if given is None and (bound := prepared.by_formulas(inputs, outputs)) is not None:
        return bound
    return prepared.by_nodes(inputs, outputs, given)


class Prepared:
    """What of a graph does not depend on sizes. Plans are made under a lock, so nothing here needs one.

    constants : facts of its constants, and of the empty name
    name, nodes, inputs, arrays, known, is_checked : the graph's, which has this: were it itself here, all would
        stay, in a ring, until Python looks for such
    """

    def __init__(self, graph: Graph, ready: dict[Node, Ready] | None = None):
        self.name, self.nodes, self.inputs, self.arrays = graph.name, graph.nodes, graph.inputs, graph.constants
        self.known, self.is_checked = graph.known, graph.is_checked
        self.constants: dict[str, Fact | None] = {"": None}
        self.constants.update((name, Fact(a.dtype, a.shape, a)) for name, a in graph.constants.items())
        self._ready: dict[Node, Ready] = {} if ready is None else ready
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

    def by_nodes(self, inputs: dict[str, Fact], outputs: tuple[str, ...],
                 given: dict | None = None) -> Bound:
        """Node by node. The second time for sizes of inputs alike in kind, formulas are made."""
        for name, fact in inputs.items():
            check_tensor(f"input {name!r}", fact)
        readies, walk = self.of(outputs), Walk(self, inputs, given or {})
        try:
            walk.run(readies)
        except Error as error:
            raise located(walk.node, type(error), error) from None
        except REFUSALS as error:
            raise located(walk.node, ModelError, error) from None
        facts = walk.facts
        if walk.late or given is not None or any(type(facts[name]) is not Fact for name in outputs):
            return self.part(walk, inputs, outputs)
        nodes = needed(walk.left, outputs)
        index = Index(nodes)
        key = outputs, *map(_kind, inputs.values())
        if key not in self._seen or walk.resolved:
            self._seen.add(key)
        elif key not in self._formulas and len(self._formulas) < MOST_OUTPUTS:
            self._formulas[key] = self._made(readies, inputs, outputs, facts, nodes, index)
        return Bound(nodes, facts, tuple(inputs), outputs, index)

    def _made(self, readies, inputs, outputs, facts, nodes, index) -> Formulas | None:
        try:
            return Formulas(readies, self.constants, inputs, outputs, self.inputs, facts, nodes, index)
        except (Undecided, Error, *REFUSALS):
            return None             # these sizes are on the edge of what the graph can take

    def part(self, walk: Walk, inputs: dict[str, Fact], outputs: tuple[str, ...]) -> Bound:
        """What a walk has bound, with its rest."""
        rest = needed(walk.rest, outputs)
        reads = [*outputs, *walk.needed, *(name for node in rest for name in node_reads(node))]
        evaluated = needed(list(walk.evaluated), reads)
        waiting = [*reads, *(name for node in evaluated for name in node_reads(node))]
        arrays: dict[str, None] = {}
        known, constants, seen = {}, {}, {"", *walk.late}
        while waiting:
            name = waiting.pop()
            if name in seen or (fact := walk.facts.get(name)) is None:
                continue
            seen.add(name)
            if type(fact) is Elements:
                known[name] = fact
                waiting.extend(fact.names)
            elif type(fact) is Maybe:
                known[name] = fact
                waiting.append(fact.name or "")
            elif fact.value is None:
                arrays[name] = None
            elif (array := self.arrays.get(name, walk.constants.get(name))) is not None:
                constants[name] = array
            else:
                known[name] = fact
        made = tuple(sorted(arrays.keys() - inputs.keys()))
        nodes = needed(walk.left, made)
        new = [name for node in evaluated for name in node.outputs if name]
        left = Graph(self.name, rest, dict.fromkeys((*arrays, *new), TensorType()), {}, constants,
                     is_checked=self.is_checked)
        left.prepared = Prepared(left, self._ready)
        return Bound(nodes, walk.facts, tuple(inputs), made, Index(nodes), rest=Rest(
            left, outputs, [walk.evaluated[node] for node in evaluated if not is_found(node)],
            tuple(name for name in walk.needed if name in arrays), tuple(arrays), known,
            [(*node.outputs, *node.inputs, node.attributes["rank"]) for node in evaluated if is_found(node)]))

    def facts_for(self, inputs: dict[str, Fact]) -> dict[str, Fact]:
        """What the passes have found already, where the inputs are just as declared. What a graph captures is not."""
        known, declared = self.known, self.inputs
        return known if known and all(
            (fact.dtype, fact.shape) == (declared[name].dtype, declared[name].shape)
            for name, fact in inputs.items() if name in declared) else {}

    def of(self, outputs: tuple[str, ...]) -> list[Ready]:
        """The nodes that these outputs need."""
        found = self._of.get(outputs)
        if found is None:
            found = [self.ready(node) for node in needed(self.nodes, outputs)]
            if len(self._of) < MOST_OUTPUTS:
                self._of[outputs] = found
        return found

    def ready(self, node: Node) -> Ready:
        ready = self._ready.get(node)
        if ready is None:
            ready = Ready(node, self.is_checked)
            if type(node) is not Made:
                self._ready[node] = ready
        return ready


def _kind(fact: Fact) -> tuple:
    return fact.dtype, len(fact.shape)


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
            wanted.update(node_reads(node))
    kept.reverse()
    return kept
