"""The sizes of all values of a graph as expressions of the sizes of its inputs: made once, for plans to come.

What a walk through the nodes has found (walk.py) is found again with free sizes (ops/symbols.py); a plan for other
sizes then takes numbers to put into the expressions. What `infer` could not tell, but did not refuse, is kept as a
condition on the sizes, as is what had to be so that the walk went the same way: which nodes took the place of
others, which have to wait for the run. A node that `infer` cannot tell of at all, or whose value is known before the
run but is no expression, is bound anew for each plan; its sizes, and its value if that may be sizes, go on as free
ones.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from ..graphs.index import Index
from ..model.graph import Node
from ..ops.facts import Fact, UnknownValue, array_of_sizes, is_symbolic
from ..ops.foresee import MOST_SIZES, foreseen
from ..ops.symbols import Sizes, Symbol, Undecided
from .resolve import Made, Resolved, resolve
from .walk import Stopped, stopped

MOST_ALONE, ALONE_PART = 128, 4     # nodes bound by themselves, or a part of all; with more, formulas are not worth it


class Unseen:
    """Stands for an array that there will be. Who looks at it gets Undecided."""
    __slots__ = ()

    def __getattr__(self, name: str):
        raise Undecided

    def _look(self, *_, **__):
        raise Undecided

    __array__ = __bool__ = __float__ = __getitem__ = __index__ = __int__ = __iter__ = __len__ = _look
    __eq__ = __ge__ = __gt__ = __le__ = __lt__ = __ne__ = _look
    __hash__ = object.__hash__


UNSEEN = Unseen()


class NotThese(Exception):
    """The formulas do not hold for these sizes."""


class Program:
    """Numbers of expressions, each in a slot of its own; the numbers themselves have slots too.

    steps : (terms, slot) of sums [(factor, slots of the product)], (slot, slot, slot) of a quotient, (function,
        slots of its arguments, first slot, end) of what a function gives, in an order in which all that a step
        needs is there
    """

    def __init__(self, sizes: Sizes):
        self.sizes = sizes
        self.start: list[int] = []              # what is in the slots before anything is computed
        self.slots: dict[int | Symbol, int] = {}
        self.free: dict[Symbol, int] = {}       # of them, the free sizes
        self.steps: list[tuple] = []

    def branch(self) -> Program:
        """A program that goes on from this one, whose slots it knows, and leaves it as it is."""
        other = Program(self.sizes)
        other.start, other.slots = self.start.copy(), self.slots.copy()
        return other

    def input(self, symbol: Symbol) -> int:
        """The slot of a free size, which whoever runs the program fills."""
        slot = self.slots[symbol] = self.free[symbol] = len(self.start)
        self.start.append(0)
        return slot

    def call(self, function, arguments, count: int) -> list[Symbol]:
        """What a function of whole numbers gives, as sizes of their own. count : how many numbers"""
        given = [self.slot(size) for size in arguments]
        found = [self.sizes.free("of a function", least=0) for _ in range(count)]
        first = len(self.start)
        for i, symbol in enumerate(found, first):
            self.slots[symbol] = i
        self.start.extend([0] * count)
        self.steps.append((function, given, first, first + count))
        return found

    def slot(self, size: int | Symbol) -> int:
        found = self.slots.get(size)
        if found is not None:
            return found
        if type(size) is int:
            slot = self.slots[size] = len(self.start)
            self.start.append(size)
            return slot
        terms = [(factor, [self._atom(key) for key in product]) for product, factor in size.terms]
        if size in self.slots:                  # a quotient by itself
            return self.slots[size]
        slot = self.slots[size] = len(self.start)
        self.start.append(0)
        self.steps.append((terms, slot))
        return slot

    def _atom(self, key: tuple) -> int:
        alone = self.sizes.make({(key,): 1})
        found = self.slots.get(alone)
        if found is None:
            a, b = map(self.slot, key[1].quotient)
            found = self.slots[alone] = len(self.start)
            self.start.append(0)
            self.steps.append((a, b, found))
        return found


def run(steps: list[tuple], v: list[int]) -> None:
    for step in steps:
        if len(step) == 3:
            a, b, slot = step
            v[slot] = v[a] // v[b]
        elif len(step) == 4:
            function, given, first, end = step
            found = function(*[v[i] for i in given])
            if end - first == 1:
                v[first] = found
            else:
                v[first:end] = found
        else:
            total = 0
            for factor, product in step[0]:
                for i in product:
                    factor *= v[i]
                total += factor
            v[step[1]] = total


class Conditions:
    """What `Sizes.assumed` has, on what is in the slots of a program when it has run."""

    def __init__(self, program: Program, assumed):
        mine = program.branch()
        self.checks = [(relation, mine.slot(a), mine.slot(b)) for relation, a, b in assumed]
        self.steps, self.more = mine.steps, mine.start[len(program.start):]

    def hold(self, slots: list[int]) -> bool:
        v = slots + self.more
        try:
            run(self.steps, v)
        except ZeroDivisionError:
            return False
        for relation, a, b in self.checks:
            if not relation(v[a], v[b]):
                return False
        return True


class Stage:
    """Values that are computed together: steps of the program, then facts, then maybe one node by itself.

    shapes : a function from the slots to the tuple, for each distinct shape
    facts : (dtype, number of the shape, slots of the value or None), each distinct one
    names : (value, number of its fact)
    """

    def __init__(self):
        self.steps: list[tuple] = []
        self.shapes: list = []
        self.facts: list[tuple] = []
        self.names: list[tuple[str, int]] = []
        self.ready = None
        self.made: list[Taken] = []             # of ready


class Taken(NamedTuple):
    """A fact that formulas take as it comes: of an input, of a value that is given, of a node bound by itself.

    sizes : of each (what it has to be, None), or (None, the slot to put it in), or (any number, the slot that has it
        already); elements : the same of the value, one at least each; None: they are not looked at
    shape : function from the slots to the shape that it has to have, instead of `sizes`; least : no free size is less
    """
    name: str
    dtype: np.dtype
    sizes: list[tuple[int | None, int | None]] | None
    is_known: bool = False
    elements: list[tuple[int | None, int | None]] | None = None
    shape: Callable | None = None
    least: int = 0

    def take(self, fact: Fact, v: list[int]) -> None:
        """NotThese for a fact that is another one."""
        if fact is None or fact.dtype != self.dtype or (fact.value is not None) != self.is_known:
            raise NotThese
        if self.shape is not None:
            if fact.shape != self.shape(v):
                raise NotThese
        else:
            fill(self.sizes, fact.shape, v, self.least)
        if self.elements is not None:
            fill(self.elements, fact.value.reshape(-1).tolist(), v, 1)


def fill(places: list[tuple[int | None, int | None]], numbers, v: list[int], least: int) -> None:
    if len(places) != len(numbers):
        raise NotThese
    for number, (fixed, slot) in zip(numbers, places):
        if slot is None:
            if number != fixed:
                raise NotThese
        elif number < least or fixed is not None and v[slot] != number:
            raise NotThese
        else:
            v[slot] = number


class Formulas:
    """What a walk through a graph has found (walk.py), for other sizes.

    taken : of the inputs, and of values that are given; same : facts that are given, always the same
    conditions : of the sizes; pinned : values that have to be the same, as branches depend on them
    nodes, index : what is left to run
    symbolic : facts of the inputs, of all that the nodes touch, and of `asked`, in expressions; a value that is
        known before the run, but is no expression, is UNSEEN there
    outputs, rest : what the nodes make, what is to be done behind them (bind.py), if anything: entered by who has that
    """

    def __init__(self, trace: list, constants: dict, inputs: dict[str, Fact], asked: Iterable[str], shapes: dict,
                 example: dict[str, Fact], nodes: list[Node], index: Index, given: dict[str, Fact] | None, before):
        """example : facts for sizes for which the graph has been bound, with `nodes` left; trace : how; shapes : of
        the inputs: numbers, names of sizes that are the same, None for sizes that are free; before : as bind.Before

        Raises Undecided, or ValueError, where there are no formulas.
        """
        self.nodes, self.index, self.outputs, self.rest = nodes, index, (), None
        sizes = Sizes(recording=True)
        self.program = Program(sizes)
        self._example, self._most_alone = example, max(MOST_ALONE, len(trace) // ALONE_PART)
        self._here: dict[Symbol, int] = {}
        self._named: dict[str, Symbol] = {}
        self._late: set[str] = set()            # known before the run, but no expressions
        self.fixed: dict[str, Fact] = {}
        self.same: dict[str, Fact] = {}
        self.pinned: dict[str, np.ndarray] = {}
        self._facts = facts = dict(constants)
        self.taken: list[Taken] = []
        for name, fact in inputs.items():
            self._take(name, fact, shapes[name])
        for name, fact in (given or {}).items():
            if before.same.get(name) is fact:
                self.same[name] = facts[name] = fact
            else:
                self._take(name, fact, None, before.numbers.get(name))
        self.stages: list[Stage] = []
        self._begin()
        for ready, found in trace:
            if ready.is_structural:
                self._resolve(ready, found)
            if found is None:
                self._bind(ready)
            elif type(found) is Stopped:
                self._stop(ready, found)
        self._end()
        self.conditions = Conditions(self.program, sizes.assumed)
        touched = {name for node in nodes for name in (*node.inputs, *node.outputs)}.union(asked, inputs)
        self.symbolic = {name: self._seen(name) for name in touched}
        del self.stage, self._numbers, self._example, self._here, self._named, self._facts, self._late

    def _seen(self, name: str) -> Fact | None:
        fact = self._facts.get(name)
        return Fact(fact.dtype, fact.shape, UNSEEN) if name in self._late else fact

    def _take(self, name: str, fact: Fact, shape, numbers=None) -> None:
        """Enter a fact from outside. shape, numbers : of its value, as `known` of `_free`"""
        dims, places = self._free(name, fact.shape, shape, 1)
        value = elements = None
        if (is_known := fact.value is not None):
            if is_numbers(fact):
                free, elements = self._free(f"{name} at ", fact.value.reshape(-1).tolist(), numbers, 1)
                dims, places = list(fact.shape), [(d, None) for d in fact.shape]
                value = fact.value if Symbol not in map(type, free) else array_of_sizes(free).reshape(fact.shape)
            else:
                self._late.add(name)
        self.taken.append(Taken(name, fact.dtype, places, is_known, elements, least=1))
        self._facts[name] = Fact(fact.dtype, tuple(dims), value)

    def _free(self, name: str, numbers, known, least: int) -> tuple[list, list[tuple]]:
        """Free sizes for numbers, and how to take them.

        known : of each a number, which it has to be, a name, or None; what is less than `least` is no free one either
        """
        dims, places = [], []
        for i, number in enumerate(numbers):
            told = None if known is None else known[i]
            symbol = self._named.get(told)
            if number < least or told is not None and told == number:
                dims.append(number)
                places.append((number, None))
                continue
            if symbol is None:
                symbol = self.program.sizes.free(f"{name}.{i}", least=least)
                self._here[symbol] = number
                places.append((None, self.program.input(symbol)))
                if type(told) is str:
                    self._named[told] = symbol
            elif self._here[symbol] != number:
                raise Undecided
            else:
                places.append((number, self.program.slots[symbol]))
            dims.append(symbol)
        return dims, places

    @contextmanager
    def _as_here(self):
        """Meanwhile questions are answered for the example; the answers are conditions."""
        sizes = self.program.sizes
        before = sizes.assumed
        with sizes.supposing(self._here) as assumed:
            yield
        before.update(assumed)
        sizes.assumed = before

    def _resolve(self, ready, found) -> None:
        """What has taken the place of a node, if it is the same for other sizes."""
        facts = {}
        for name in filter(None, ready.inputs):
            facts[name] = self._facts[name]
            if name in self._late:
                facts[name] = self._example[name]
                self.pinned[name] = facts[name].value
        with self._as_here():
            try:
                again = resolve(ready.node, facts)
            except UnknownValue:
                again = Stopped
            if type(found) is Resolved:
                alike = is_alike(found, again)
            else:                               # it stays; whether it can be bound, `_stop` and `_bind` ask
                alike = again is None or again is Stopped and type(found) is Stopped
            if not alike:
                raise Undecided
        if type(found) is Resolved:
            for name, fact in (*found.facts.items(), *((n, Fact.of(a)) for n, a in found.constants.items())):
                self.fixed[name] = self._facts[name] = fact

    def _stop(self, ready, found) -> None:
        """A node of whose outputs the run must tell, if it does for other sizes too."""
        facts = {name: self._seen(name) for name in ready.inputs}
        with self._as_here():
            try:
                if ready.is_structural:
                    resolve(ready.node, facts)
                if ready.operator.infer is not None:
                    ready.operator.infer(*[facts[name] for name in ready.inputs], **ready.keywords)
                    raise Undecided
                again = stopped(ready, facts, None)
            except UnknownValue as error:
                again = stopped(ready, facts, error.fact)
            if again != found:
                raise Undecided

    def _bind(self, ready) -> None:
        ready.look_up()
        given = [self._seen(name) for name in ready.inputs]
        is_known = ready.is_function and all(f is None or f.value is not None for f in given)
        is_late = not self._late.isdisjoint(ready.inputs)
        if is_known and not is_late and not any(map(is_symbolic, given)):
            facts = dict(zip(ready.inputs, given))
            ready.bind(facts)
            self._enter(ready, [facts.get(name) for name in ready.outputs])
            return
        try:
            found = ready.operator.infer(*given, **ready.keywords) if is_late and ready.operator.infer is not None \
                else foreseen(ready.operator, given, ready.keywords)
        except (Undecided, UnknownValue):
            self._alone(ready, None)
            return
        found = found if isinstance(found, tuple) else (found,)
        if (is_late or is_known) and any(fact.value is None for fact in found):
            self._alone(ready, found)
        else:
            self._enter(ready, found)

    def _begin(self) -> None:
        self.stage = Stage()
        self._numbers: dict[tuple, int] = {}

    def _end(self) -> None:
        """Close a stage: what the program has got since belongs to it."""
        self.stage.steps, self.program.steps = self.program.steps, []
        self.stages.append(self.stage)

    def _enter(self, ready, found: Sequence[Fact]) -> None:
        for name, fact in zip(ready.outputs, found):
            if not name:
                continue
            self._facts[name] = fact
            if Symbol not in map(type, fact.shape) and not is_symbolic(fact):
                self.fixed[name] = fact
                continue
            value = None
            if fact.value is not None:
                value = tuple([self.program.slot(v if isinstance(v, Symbol) else int(v))
                               for v in fact.value.reshape(-1)])
            shape = tuple(map(self.program.slot, fact.shape))
            self.stage.names.append((name, self._fact(fact.dtype, shape, value)))

    def _fact(self, dtype: np.dtype, shape: tuple[int, ...], value: tuple | None) -> int:
        numbers, stage = self._numbers, self.stage
        key = "shape", shape
        if key not in numbers:
            numbers[key] = len(stage.shapes)
            stage.shapes.append(_getter(shape))
        whole = dtype, numbers[key], value
        if whole not in numbers:
            numbers[whole] = len(stage.facts)
            stage.facts.append(whole)
        return numbers[whole]

    def _alone(self, ready, found: Sequence[Fact] | None) -> None:
        """A node that is bound anew for each plan. found : its outputs, if sizes can be told, though not values"""
        stage = self.stage
        if len(self.stages) > self._most_alone:
            raise Undecided
        stage.ready = ready
        for i, name in enumerate(ready.outputs):
            if not name:
                continue
            fact, shape, taken, value, elements = self._example[name], None, None, None, None
            if found is not None:
                shape = found[i].shape
                if is_numbers(fact) and Symbol not in map(type, shape) and min(fact.value.flat) > 0:
                    free, elements = self._free(f"{name} at ", fact.value.reshape(-1).tolist(), None, 1)
                    value = array_of_sizes(free).reshape(shape)
            else:
                shape, taken = self._free(name, fact.shape, None, 0)
            is_known = fact.value is not None
            stage.made.append(Taken(name, fact.dtype, taken, is_known, elements,
                                    _getter(tuple(map(self.program.slot, shape))) if taken is None else None))
            self._facts[name] = Fact(fact.dtype, tuple(shape), value)
            if is_known and value is None:
                self._late.add(name)
        self._end()
        self._begin()

    def example(self, v: list[int]) -> dict:
        """The free sizes of these slots."""
        return {symbol: v[slot] for symbol, slot in self.program.free.items()}

    def facts(self, constants: dict, inputs: dict[str, Fact],
              given: dict[str, Fact] | None = None) -> tuple[dict[str, Fact], list[int]]:
        """The facts of all values for these inputs, and what is in the slots. Raises NotThese, or what a node
        raises."""
        v = self.program.start.copy()
        facts = constants.copy()
        facts.update(self.fixed)
        facts.update(given or ())
        facts.update(inputs)
        for name, fact in self.same.items():
            if facts.get(name) is not fact:
                raise NotThese
        for taken in self.taken:
            taken.take(facts.get(taken.name), v)
        for stage in self.stages:
            run(stage.steps, v)
            shapes = [get(v) for get in stage.shapes]
            made = []
            for dtype, number, value in stage.facts:
                shape = shapes[number]
                if value is not None:
                    value = np.array([v[i] for i in value], dtype).reshape(shape)
                made.append(Fact(dtype, shape, value))
            for name, number in stage.names:
                facts[name] = made[number]
            if stage.ready is not None:
                stage.ready.bind(facts)
                for taken in stage.made:
                    taken.take(facts[taken.name], v)
        for name, value in self.pinned.items():
            if not np.array_equal(facts[name].value, value):
                raise NotThese
        if not self.conditions.hold(v):
            raise NotThese
        return facts, v


def is_numbers(fact: Fact) -> bool:
    """Is the value known, and whole numbers, few enough to be sizes?"""
    return fact.value is not None and fact.dtype.kind in "iu" and 0 < fact.value.size <= MOST_SIZES


def is_alike(a: Resolved, b) -> bool:
    """Do the same nodes take the place of another, and all that is known be tensors?"""
    return type(b) is Resolved and len(a.nodes) == len(b.nodes) and a.facts == b.facts \
        and all(type(fact) is Fact for fact in a.facts.values()) \
        and all(x is y or type(x) is type(y) is Made and (x.op_type, x.inputs, x.outputs, x.attributes) == (
            y.op_type, y.inputs, y.outputs, y.attributes) for x, y in zip(a.nodes, b.nodes))


def _getter(slots: tuple[int, ...]):
    """A function that picks these slots as a tuple."""
    if len(slots) > 1:
        return itemgetter(*slots)
    return (lambda v: (v[slots[0]],)) if slots else (lambda v: ())
