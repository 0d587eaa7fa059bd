"""Graph + facts of its inputs -> the longest part of it in which every size is known, and what is left.

Walks the nodes once (walk.py): what can be known before the run (shapes, and whatever is computed from shapes
and constants) is evaluated and becomes a constant; the rest is given its dtype and shape. What exporters write
about dynamic shapes (Shape, Gather, Concat, Reshape ...) disappears here, and branches and sequences do
(resolve.py).

Where sizes depend on what a run computes, the nodes that depend on them are left (`Rest`): they are bound when
the part before them has run, for the sizes found then.
"""
from __future__ import annotations

from typing import NamedTuple
from weakref import WeakSet

from ..errors import Error, LimitError, ModelError
from ..graphs.index import Index
from ..model.graph import Graph, Node, TensorType, node_reads
from ..ops.facts import Elements, Fact, Maybe, is_symbolic
from ..ops.foresee import MOST_SIZES
from ..ops.limits import check_size
from ..ops.registry import REFUSALS
from ..ops.symbols import Symbol, Undecided
from .formulas import UNSEEN, Formulas, NotThese, is_numbers
from .resolve import Made, is_found
from .walk import Ready, Walk

MOST_OUTPUTS = 16           # sets of outputs for which the nodes that they need are kept
MOST_KINDS = 16             # of sizes that have formulas, of a graph
MOST_SEEN = 64              # kinds of sizes that are remembered as met, of a graph
MOST_FORMULAS = 64          # that are kept for a graph and what is left behind its parts


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
    return prepared.by_formulas(inputs, outputs, given) or prepared.by_nodes(inputs, outputs, given)


class Prepared:
    """What of a graph does not depend on sizes. Plans are made under a lock, so nothing here needs one.

    constants : facts of its constants, and of the empty name
    name, nodes, inputs, arrays, known, is_checked : the graph's, which has this: were it itself here, all would
        stay, in a ring, until Python looks for such
    before : what is known of what the part before gives
    """

    def __init__(self, graph: Graph, shared: Shared | None = None, before: Before | None = None):
        self.name, self.nodes, self.inputs, self.arrays = graph.name, graph.nodes, graph.inputs, graph.constants
        self.known, self.is_checked = graph.known, graph.is_checked
        self.constants: dict[str, Fact | None] = {"": None}
        self.constants.update((name, Fact(a.dtype, a.shape, a)) for name, a in graph.constants.items())
        self.shared, self.before = shared or Shared(), before or Before({}, {}, {})
        self._of: dict[tuple[str, ...], list[Ready]] = {}
        self.seen: dict[tuple, dict[str, tuple]] = {}      # shapes of inputs, None where they have differed
        self.formulas: dict[tuple, Formulas | None] = {}

    def by_formulas(self, inputs: dict[str, Fact], outputs: tuple[str, ...],
                    given: dict | None = None) -> Bound | None:
        """By the sizes' formulas, where there are some that hold for these inputs."""
        formulas = self.formulas.get(self._key(inputs, outputs, given)) if self.formulas else None
        if formulas is None:
            return None
        try:
            facts, slots = formulas.facts(self.constants, inputs, given)
        except (NotThese, Error, *REFUSALS):
            return None             # by_nodes tells what is wrong, if it is
        rest = formulas.rest
        if rest is not None:
            rest = Rest(rest.graph, rest.outputs, rest.evaluated, rest.needed, rest.arrays,
                        {name: facts[name] for name in rest.known}, rest.found)
        return Bound(formulas.nodes, facts, tuple(inputs), formulas.outputs, formulas.index, formulas, slots, rest)

    def _key(self, inputs: dict[str, Fact], outputs: tuple[str, ...], given: dict | None) -> tuple | None:
        """What formulas hold for, if at all, of all sizes; None: not for these."""
        if given and any(type(fact) is not Fact for fact in given.values()):
            return None
        same = self.before.same
        return outputs, *[(name, *_kind(fact)) for name, fact in inputs.items()], *[
            (name, *_kind_given(fact)) for name, fact in (given or {}).items() if same.get(name) is not fact]

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
            bound = self.part(walk, inputs, outputs)
        else:
            nodes = needed(walk.left, outputs)
            bound = Bound(nodes, facts, tuple(inputs), outputs, Index(nodes))
        key = None if walk.has_lists else self._key(inputs, outputs, given)
        if key is not None and self._is_time(key, inputs, given):
            self.formulas[key] = self._made(walk, inputs, given, bound, self.seen[key])
            if bound.rest is not None:          # what is behind it is to be planned by formulas, too
                found = self.by_formulas(inputs, outputs, given)
                if found is not None:
                    return found
                self.formulas[key] = None      # they do not even hold here
        return bound

    def _is_time(self, key: tuple, inputs: dict[str, Fact], given: dict | None) -> bool:
        """Are formulas to be made? That is the second time, or at once behind sizes that come from formulas; and again
        when a size has changed that never did before."""
        now = {name: self._unchanged(name, fact.shape, given is None) for name, fact in inputs.items()}
        before = self.seen.get(key)
        if before is not None:
            now = {name: tuple([a if a == b else None for a, b in zip(sizes, before[name])])
                   for name, sizes in now.items()}
        elif len(self.seen) >= MOST_SEEN:
            self.seen.clear()
        self.seen[key] = now
        if key in self.formulas:
            return self.formulas[key] is not None and now != before
        is_met = before is not None or self.before.is_sized and all(
            None not in self.before.shapes.get(name, (None,)) for name in inputs)
        return is_met and len(self.formulas) < MOST_KINDS and self.shared.formulas < MOST_FORMULAS

    def _unchanged(self, name: str, sizes: tuple[int, ...], is_first: bool) -> tuple[int | str | None, ...]:
        """What the sizes of an input may be in all runs: as declared, or as the part before gives them; where nothing
        is known, behind a part and in a body, as they are."""
        known = self.before.shapes.get(name)
        if known is not None:
            return tuple([size if each is None else each for size, each in zip(sizes, known)])
        known = self.inputs[name].shape if name in self.inputs else None
        if known is None or len(known) != len(sizes):
            known = (None,) * len(sizes)
        return tuple([d if d == k or k is None and not is_first else None for d, k in zip(sizes, known)])

    def _made(self, walk: Walk, inputs: dict[str, Fact], given: dict | None, bound: Bound,
              shapes: dict[str, tuple]) -> Formulas | None:
        rest = bound.rest
        asked = bound.outputs if rest is None else (*bound.outputs, *rest.arrays, *rest.known)
        try:
            formulas = Formulas(walk.trace, self.constants, inputs, asked, shapes, walk.facts, bound.nodes, bound.index,
                                given, self.before)
        except (Undecided, Error, *REFUSALS):
            return None             # these sizes are on the edge of what the graph can take
        formulas.outputs = bound.outputs
        if rest is not None:
            formulas.rest = self._behind(rest, formulas.symbolic)
        self.shared.with_formulas.add(self)
        return formulas

    def _behind(self, rest: Rest, symbolic: dict[str, Fact]) -> Rest:
        """A rest for all sizes. Its known facts are those of one of them."""
        names: dict[Symbol, str] = {}

        def named(sizes) -> tuple[int | str, ...]:
            return tuple([names.setdefault(d, f"size {len(names)}") if type(d) is Symbol else int(d) for d in sizes])

        known = {name: fact for name in rest.known if (fact := symbolic[name]).value is not UNSEEN}
        before = Before(
            rest.graph.prepared.before.shapes | {name: named(symbolic[name].shape) for name in rest.arrays},
            {name: named(fact.value.reshape(-1)) for name, fact in known.items() if is_symbolic(fact)},
            {name: fact for name, fact in known.items()
             if not is_symbolic(fact) and Symbol not in map(type, fact.shape)}, is_sized=True)
        graph = rest.graph
        left = Graph(graph.name, graph.nodes, graph.inputs, {}, graph.constants, is_checked=graph.is_checked)
        left.prepared = Prepared(left, self.shared, before)
        return Rest(left, rest.outputs, rest.evaluated, rest.needed, rest.arrays, rest.known, rest.found)

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
        shapes = {name: walk.facts[name].shape for name in arrays}
        shapes.update((node.outputs[0], (node.attributes["rank"], f"of {node.outputs[0]}"))
                      for node in evaluated if is_found(node))
        left.prepared = Prepared(left, self.shared, Before(shapes, {}, known))
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
        ready = self.shared.ready.get(node)
        if ready is None:
            ready = Ready(node, self.is_checked)
            if type(node) is not Made:
                self.shared.ready[node] = ready
        return ready


class Before(NamedTuple):
    """What is known, whatever the sizes, of what the part before a graph gives.

    shapes : of arrays: a number; a name, which two sizes have that are the same; None: nothing
    numbers : of values that are known before the graph runs and are made of sizes, alike
    same : facts of those that are always the same
    is_sized : whether the part's own sizes come from formulas, so that these are needed here
    """
    shapes: dict[str, tuple[int | str | None, ...]]
    numbers: dict[str, tuple[int | str, ...]]
    same: dict[str, Fact]
    is_sized: bool = False


class Shared:
    """What a graph has in common with those that are left behind its parts.

    ready : what is known of nodes, whatever the sizes; with_formulas : which of these graphs have any
    """

    def __init__(self):
        self.ready: dict[Node, Ready] = {}
        self.with_formulas: WeakSet[Prepared] = WeakSet()

    @property
    def formulas(self) -> int:
        """How many there are."""
        return sum(len(prepared.formulas) for prepared in self.with_formulas)

    def forget(self) -> None:
        """Forget all formulas."""
        for prepared in list(self.with_formulas):
            prepared.formulas.clear()
            prepared.seen.clear()
        self.with_formulas.clear()


def _kind(fact: Fact) -> tuple:
    """What of an input formulas depend on; a size of 0 is none of the free ones."""
    return fact.dtype, *[d == 0 for d in fact.shape]


def _kind_given(fact: Fact) -> tuple:
    """The same of a value that is known: numbers of at least 1 may be others."""
    if is_numbers(fact):
        return fact.dtype, fact.shape, *[min(number, 1) for number in fact.value.reshape(-1).tolist()]
    if fact.dtype.kind == "b" and fact.value.size <= MOST_SIZES:
        return fact.dtype, fact.shape, fact.value.tobytes()
    return _kind(fact)


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
