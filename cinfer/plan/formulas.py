"""The sizes of all values of a graph as expressions of the sizes of its inputs: made once, for plans to come.

`infer` runs once with free sizes (ops/symbols.py); a plan for other sizes then takes numbers to put into the
expressions. What `infer` could not tell, but did not refuse, is kept as a condition on the sizes. A node that
`infer` cannot tell of at all, or whose value is known before the run but is no expression, is bound anew for
each plan; its sizes go on as free ones.
"""
from __future__ import annotations

from operator import itemgetter

import numpy as np

from ..graphs.index import Index
from ..model.graph import Node
from ..ops.facts import Fact, UnknownValue, is_symbolic
from ..ops.foresee import foreseen
from ..ops.symbols import Sizes, Symbol, Undecided


MOST_ALONE = 128        # nodes bound by themselves; with more of them formulas are not worth it


class Unseen:
    """Stands for an array that there will be. Who looks at it gets Undecided."""
    __slots__ = ()

    def __getattr__(self, name: str):
        raise Undecided


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
        self.made: list[tuple] = []             # of ready: (name, dtype, slots of its sizes, is it known)


class Formulas:
    """inputs : (name, dtype, [(its size, if fixed; else None, slot)])
    conditions : of the sizes
    nodes, index : what is left to run
    symbolic : facts of the inputs, and of all that the nodes touch, in expressions; a value that is known
        before the run, but is no expression, is UNSEEN there
    """

    def __init__(self, readies: list, constants: dict, inputs: dict[str, Fact], outputs: tuple[str, ...],
                 declared: dict, example: dict[str, Fact], nodes: list[Node], index: Index):
        """example : facts for sizes for which the graph has been bound, with `nodes` left.

        Raises Undecided, or ValueError, where there are no formulas.
        """
        self.nodes, self.index = nodes, index
        sizes = Sizes(recording=True)
        self.program = program = Program(sizes)
        self.inputs, self.fixed = [], {}
        facts = dict(constants)
        for name, fact in inputs.items():
            known = declared[name].shape if name in declared else None
            dims = []
            for axis, size in enumerate(fact.shape):
                if known is not None and len(known) == fact.ndim and known[axis] == size:
                    dims.append((size, None))
                else:
                    dims.append((None, program.input(sizes.free(f"{name}.{axis}"))))
            by_slot = {slot: symbol for symbol, slot in program.slots.items()}
            self.inputs.append((name, fact.dtype, dims))
            facts[name] = Fact(fact.dtype, tuple([d if slot is None else by_slot[slot] for d, slot in dims]))
        self.stages: list[Stage] = []
        self._begin()
        late: set[str] = set()                  # known before the run, but no expressions
        for ready in readies:
            given = [facts[name] for name in ready.inputs]
            found = None if late.intersection(ready.inputs) else self._foresee(ready, given)
            if found is None:
                self._alone(ready, example, facts, late)
            else:
                self._enter(ready, found, facts)
        self._end()
        self.conditions = Conditions(program, sizes.assumed)
        touched = {name for node in nodes for name in (*node.inputs, *node.outputs)}.union(outputs, inputs)
        self.symbolic = {name: facts.get(name) for name in touched}
        for name in late & touched:
            self.symbolic[name] = Fact(facts[name].dtype, facts[name].shape, UNSEEN)
        del self.stage, self._numbers

    def _foresee(self, ready, given: list[Fact | None]) -> tuple[Fact, ...] | None:
        """The facts of a node's outputs; None where it has to be bound by itself."""
        ready.look_up()
        known = ready.is_function and all(f is None or f.value is not None for f in given)
        if known and not any(map(is_symbolic, given)):
            facts = dict(zip(ready.inputs, given))
            ready.bind(facts)
            return tuple(facts.get(name) if name else None for name in ready.outputs)
        try:
            found = foreseen(ready.operator, given, ready.keywords)
        except (Undecided, UnknownValue):
            return None
        found = found if isinstance(found, tuple) else (found,)
        return None if known and any(fact.value is None for fact in found) else found

    def _begin(self) -> None:
        self.stage = Stage()
        self._numbers: dict[tuple, int] = {}

    def _end(self) -> None:
        """Close a stage: what the program has got since belongs to it."""
        self.stage.steps, self.program.steps = self.program.steps, []
        self.stages.append(self.stage)

    def _enter(self, ready, found: tuple[Fact, ...], facts: dict) -> None:
        for name, fact in zip(ready.outputs, found):
            if not name:
                continue
            facts[name] = fact
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

    def _alone(self, ready, example: dict, facts: dict, late: set[str]) -> None:
        stage = self.stage
        if len(self.stages) > MOST_ALONE:
            raise Undecided
        stage.ready = ready
        self._end()
        for name in ready.outputs:
            if name:
                fact = example[name]
                free = [self.program.sizes.free(f"{name}.{axis}", least=0) for axis in range(fact.ndim)]
                slots = [self.program.input(symbol) for symbol in free]
                stage.made.append((name, fact.dtype, slots, fact.value is not None))
                facts[name] = Fact(fact.dtype, tuple(free))
                if fact.value is not None:
                    late.add(name)
        self._begin()

    def example(self, v: list[int]) -> dict:
        """The free sizes of these slots."""
        return {symbol: v[slot] for symbol, slot in self.program.free.items()}

    def facts(self, constants: dict, inputs: dict[str, Fact]) -> tuple[dict[str, Fact], list[int]]:
        """The facts of all values for these inputs, and what is in the slots. Raises NotThese, or what a node
        raises."""
        v = self.program.start.copy()
        facts = constants.copy()
        facts.update(self.fixed)
        facts.update(inputs)
        for name, dtype, dims in self.inputs:
            fact = inputs.get(name)
            if fact is None or fact.dtype != dtype or len(fact.shape) != len(dims) or fact.value is not None:
                raise NotThese
            for size, (fixed, slot) in zip(fact.shape, dims):
                if slot is None:
                    if size != fixed:
                        raise NotThese
                elif size < 1:
                    raise NotThese
                else:
                    v[slot] = size
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
                for name, dtype, slots, is_known in stage.made:
                    fact = facts[name]
                    if fact.dtype != dtype or len(fact.shape) != len(slots) \
                            or (fact.value is not None) != is_known:
                        raise NotThese
                    for slot, size in zip(slots, fact.shape):
                        v[slot] = size
        if not self.conditions.hold(v):
            raise NotThese
        return facts, v


def _getter(slots: tuple[int, ...]):
    """A function that picks these slots as a tuple."""
    if len(slots) > 1:
        return itemgetter(*slots)
    return (lambda v: (v[slots[0]],)) if slots else (lambda v: ())
