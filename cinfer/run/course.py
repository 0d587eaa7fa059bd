"""Runs of which sizes, branches and turns depend on what they compute: part after part.

A part is a routine; behind it, its `Rest` (plan/bind.py) says which nodes are evaluated next, in NumPy, and which
are bound then, for the sizes and values found: that is the next part. Parts are kept as plans are, by what they
were made for. The bodies of Loop and Scan are graphs that run the same way, once a turn.
"""
from __future__ import annotations

from functools import partial

import numpy as np

from ..errors import Error, LimitError
from ..model.graph import Graph, Node
from ..ops.facts import Elements, Fact, Maybe, names_of_elements
from ..ops.numeric import bodies, found_of
from ..plan.bind import Rest, bind
from .control import sized
from .host import evaluated
from .pool import Pool
from .routine import Routine

MOST_KNOWN = 1 << 10            # bytes of a value known before a body runs, which is then planned for it


class Course:
    """One run.

    get : function (key) -> the routine of a part, if it is kept
    find : function (key, graph, inputs, outputs, given, in_use=keys) -> the routine for these facts, as `bind` takes
        them
    pool, cancels, deadline_ns, timeout : as for Routine.run
    max_memory : bytes that what nodes between parts give may take, or None
    watch : function (what, function) -> the function's result; it may time it; None: nobody does
    first : the key of the first part, where that is run by others

    The newest line of parts of each graph is in use, and stays.
    """
    __slots__ = ("pool", "cancels", "deadline_ns", "timeout", "max_memory", "watch", "_get", "_find", "_in_use")

    def __init__(self, get, find, pool: Pool, cancels: int, deadline_ns: int = 0, timeout=None,
                 max_memory: int | None = None, watch=None, first=None):
        self.pool, self.cancels, self.deadline_ns, self.timeout = pool, cancels, deadline_ns, timeout
        self.max_memory, self.watch = max_memory, watch
        self._get, self._find = get, find
        self._in_use = {None: first} if first else {}      # graph -> key of the last part; None: the model's

    def kept(self, begun: Graph | None, key) -> Routine | None:
        """The next part of the line that began with a graph, if it is kept; it is in use from now on."""
        self._in_use[begun] = key
        return self._get(key)

    def start(self, key, graph: Graph, outputs: tuple[str, ...], feeds: dict, given: dict | None = None) -> list:
        """The outputs of a graph. feeds : arrays, lists of them, or None, by name; given : known facts"""
        values: dict[str, np.ndarray] = {}
        given = dict(given or {})
        for name, value in feeds.items():
            enter(name, value, values, given)
        known = tuple([(name, kind(fact)) for name, fact in given.items()])
        key = key, outputs, known, tuple([(x.dtype, x.shape) for x in values.values()])
        part = self.kept(graph, key)
        if part is None:
            facts = {name: Fact(x.dtype, x.shape) for name, x in values.items()}
            part = self._find(key, graph, facts, outputs, given, in_use=self._in_use.values())
        return self.finish(part, values, self.run(part, values), outputs, graph)

    def run(self, part: Routine, values: dict) -> list[np.ndarray]:
        """The outputs of one part."""
        inputs = [values[name] for name in part.inputs]
        if self.watch is None:
            return part.run(inputs, self.pool, None, self.cancels, self.deadline_ns, self.timeout)
        return self.watch(part, partial(part.run, inputs, self.pool, cancels=self.cancels,
                                        deadline_ns=self.deadline_ns, timeout=self.timeout))

    def finish(self, part: Routine, values: dict, results: list[np.ndarray], outputs: tuple[str, ...],
               begun: Graph | None = None) -> list:
        """What is behind a part. values : its inputs by name; results : its outputs; begun : as for kept"""
        theirs, taken = values.copy(), None
        while True:
            if part.ends is not None:
                return [results[i] for i in part.ends]
            rest = part.rest
            values.update(zip(part.made, results))
            known = rest.known
            if rest.evaluated or not rest.graph.nodes:
                taken = taken or set(map(id, theirs.values()))
            for name, bounded, rank in rest.found:
                values[name] = found_of(values[bounded], rank)
            if rest.evaluated:
                known = dict(known)
                self.evaluate(part, values, known, taken, theirs)
            if not rest.graph.nodes:
                return [gathered(name, rest, values, known, taken) for name in outputs]
            key = key_behind(part, rest, values, known)
            part = self.kept(begun, key)
            if part is None:
                part = self._find(key, rest.graph, *facts_behind(rest, values, known), in_use=self._in_use.values())
            results = self.run(part, values)

    def evaluate(self, part: Routine, values: dict, known: dict, taken: set[int], theirs: dict) -> None:
        """The nodes behind a part, in NumPy or by their graphs; their outputs are entered. taken : as of `gathered`; a
        loop without a turn gives its inputs themselves. theirs : as of `check_held`"""
        rest = part.rest

        def fetch(name: str):
            return value_of(name, rest, values, known)

        before = bodies.set(lambda graph, inputs: self.body(graph, inputs, rest, fetch, known))
        try:
            with part.direct.at_work():
                for ready in rest.evaluated:
                    node = ready.node
                    inputs = [fetch(name) if name else None for name in node.inputs]
                    taken.update(map(id, inputs))
                    run = partial(evaluated, ready.operator, node, inputs, ready.keywords)
                    results = run() if self.watch is None else self.watch(node, run)
                    for name, result in zip(node.outputs, results):
                        if name:
                            enter(name, result, values, known)
                    if self.max_memory is not None:
                        check_held(node, values, theirs, self.max_memory)
        finally:
            bodies.reset(before)

    def body(self, graph: Graph, inputs: list, rest: Rest, fetch, known: dict) -> list:
        """The outputs of a graph among a node's attributes; of Facts, those of the outputs. fetch : what it may
        capture, by name"""
        feeds = dict(zip(graph.inputs, inputs))
        given, captured = {}, []
        if graph.prepared is None:
            graph.constants.update((name, rest.graph.constants[name]) for name in graph.captures()
                                   if name in rest.graph.constants)
        for name in graph.captures():
            fact = known.get(name)
            if type(fact) is Fact and fact.value.nbytes <= MOST_KNOWN:
                given[name] = fact
            else:
                captured.append(name)
        feeds.update((name, fetch(name)) for name in captured)
        if Fact in map(type, inputs):
            return told(graph, feeds, given)
        return self.start(graph, graph, tuple(graph.outputs), feeds, given)


def told(graph: Graph, feeds: dict, given: dict) -> list[Fact | None]:
    """What can be said of a graph's outputs before it runs. feeds : Facts and arrays, by name"""
    facts = {name: x if type(x) is Fact else Fact(x.dtype, x.shape) if isinstance(x, np.ndarray) else None
             for name, x in feeds.items()}
    if None in facts.values():
        return [None] * len(graph.outputs)
    try:
        found = bind(graph, facts, tuple(graph.outputs), given).facts
    except Error:
        return [None] * len(graph.outputs)
    return [found.get(name) for name in graph.outputs]


def key_behind(part: Routine, rest: Rest, values: dict, known: dict) -> tuple:
    """What decides about the part behind one."""
    key, names = [part], list(rest.new)
    for name in names:
        if (array := values.get(name)) is None:
            fact = known[name]
            key.append(kind(fact))
            names += [each for each in parts(fact) if each in values or each in known]
        elif name in rest.needed:
            key.append(kind(array))
        else:
            key.append((array.dtype, array.shape))
    return tuple(key)


def facts_behind(rest: Rest, values: dict, known: dict) -> tuple[dict, tuple, dict]:
    """The same for who plans it: facts of inputs, names of outputs, facts that are given."""
    inputs, given, names = {}, dict(known), list(rest.graph.inputs)
    for name in names:
        if (array := values.get(name)) is None:
            names += [each for each in parts(known[name]) if each in values or each in known]
        elif name in rest.needed:
            given[name] = Fact.of(array.copy())
        else:
            inputs[name] = Fact(array.dtype, array.shape)
    return inputs, rest.outputs, given


def check_held(node: Node, values: dict, theirs: dict, most: int) -> None:
    """LimitError for values behind a node that take more than they may. theirs : those that do not count, by name"""
    held = sum(array.nbytes for name, array in values.items() if name not in theirs)
    if held > most:
        shown = ", ".join(sized(name, values[name].shape, values[name].nbytes)
                          for name in node.outputs if name in values)
        raise LimitError(f"{node} brings what a run holds to {held} bytes, max_memory is {most}; it gives {shown}")


def value_of(name: str, rest: Rest, values: dict, known: dict):
    """A value behind a part: an array, a list of them, or None."""
    array = values.get(name)
    if array is None:
        array = rest.graph.constants.get(name)
    if array is not None:
        return array
    fact = known[name]
    if type(fact) is Elements:
        return [value_of(each, rest, values, known) for each in fact.names]
    if type(fact) is Maybe:
        return None if fact.name is None else value_of(fact.name, rest, values, known)
    return fact.value


def gathered(name: str, rest: Rest, values: dict, known: dict, taken: set[int]):
    """An output, of arrays that nobody else has. taken : those that somebody has, by id"""
    return own(value_of(name, rest, values, known), name in values, taken)


def own(value, is_made: bool, taken: set[int]):
    """A value that nobody else has: itself or a copy. is_made : it is an array that this run has made"""
    if isinstance(value, list):
        return [own(each, is_made, taken) for each in value]
    if value is None:
        return None
    if value.base is not None or id(value) in taken or not value.flags.writeable or not is_made:
        return value.copy()
    taken.add(id(value))
    return value


def enter(name: str, value, values: dict, known: dict) -> None:
    """Enter a value: an array, or what is known of a sequence or an optional and the arrays in it."""
    if value is None:
        known[name] = Maybe(None)
    elif isinstance(value, list):
        names = names_of_elements(name, len(value))
        known[name] = Elements(names)
        for each, array in zip(names, value):
            enter(each, array, values, known)
    else:
        values[name] = np.asarray(value, order="C")


def parts(fact) -> tuple[str, ...]:
    """The names of what a sequence or an optional holds."""
    if type(fact) is Elements:
        return fact.names
    return (fact.name,) if type(fact) is Maybe and fact.name is not None else ()


def kind(fact) -> tuple:
    """What of a known fact, or of a value, decides about a plan."""
    if type(fact) is Elements:
        return fact.names
    if type(fact) is Maybe:
        return "maybe", fact.name
    value = fact.value if type(fact) is Fact else fact
    return value.dtype, value.shape, tuple(value.reshape(-1)) if value.dtype.hasobject else value.tobytes()
