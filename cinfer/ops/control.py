"""Control flow: operators that run graphs, which stand among their attributes.

What they mean here is told by a function that runs a graph: `bodies.get()(graph, inputs)` gives the list of its
outputs, and, with Facts for inputs, Facts of these, None where they cannot be told. Who runs a model puts it there; it
knows the values that graphs capture from around them (run/course.py). https://onnx.ai/onnx/operators/onnx__Loop.html
"""
from __future__ import annotations

import numpy as np

from ..errors import LimitError, UnsupportedError
from ..model.graph import Graph
from .facts import INT64, Fact
from .limits import MAX_BYTES, check_axis, one
from .numeric import bodies
from .registry import op
from .sequences import OF_NOTHING


def run_body(graph: Graph, inputs: list, count: int | None = None) -> list:
    """The outputs of a graph. count : how many it must have at least"""
    if (run := bodies.get()) is None:
        raise UnsupportedError("control flow outside of a run")
    if len(inputs) != len(graph.inputs):
        raise ValueError(f"its graph {graph.name!r} takes {len(graph.inputs)} inputs, it is given {len(inputs)}")
    if count is not None and len(graph.outputs) < count:
        raise ValueError(f"its graph {graph.name!r} has {len(graph.outputs)} outputs; it has to have {count}")
    return run(graph, inputs)


def fact_of(value):
    """What is known of a value before it is: a Fact of a tensor, None of what is none."""
    return Fact(value.dtype, value.shape) if isinstance(value, np.ndarray) else None


class Stack:
    """What turns give, put together along a new axis."""

    def __init__(self):
        self.parts, self.nbytes = [], 0

    def add(self, part: np.ndarray) -> None:
        if not isinstance(part, np.ndarray):
            raise ValueError("its turns give what is no tensor, which cannot be put together")
        self.parts.append(part)
        self.nbytes += part.nbytes
        if self.nbytes > MAX_BYTES:
            raise LimitError(f"its turns give more than {MAX_BYTES >> 30} GiB")

    def joined(self, axis: int = 0, reverse: bool = False, none=None) -> np.ndarray:
        """none : what a turn would give, a type or a Fact, if there was none"""
        if self.parts:
            shapes = {part.shape for part in self.parts}
            if len(shapes) > 1:
                raise ValueError(f"its turns give arrays of several shapes, {' and '.join(map(str, shapes))}")
            return np.stack(self.parts[::-1] if reverse else self.parts, check_axis(axis, self.parts[0].ndim + 1))
        shape = [d if isinstance(d, int) else 0 for d in none.shape or ()]
        shape.insert(check_axis(axis, len(shape) + 1), 0)
        return np.empty(shape, none.dtype or np.float32)


def of_no_turn(body: Graph, inputs: list[Fact], count: int) -> list:
    """What a turn would give beside the `count` values that are handed on: types as declared, or as they follow from
    the inputs where the graph leaves the shape open."""
    declared = list(body.outputs.values())[count:]
    if bodies.get() is None or all(each.shape is not None for each in declared):
        return declared
    told = run_body(body, inputs)
    return [each if each.shape is not None or type(fact) is not Fact else fact
            for each, fact in zip(declared, told[count:])]


@op("If", **OF_NOTHING)
class If:
    """The outputs of one of two graphs."""
    def evaluate(cond, *, then_branch: Graph, else_branch: Graph):
        return tuple(run_body(then_branch if one(cond, "the condition") else else_branch, []))


@op("Loop", **OF_NOTHING)
class Loop:
    """A graph that is run M times, or while it gives true. It gets the number of the turn, whether it goes on, and
    values that it hands from turn to turn; what else it gives is stacked."""
    def evaluate(M=None, cond=None, *v_initial, body: Graph):
        turns = None if M is None else one(M, "M", "iu")
        going = cond is None or bool(one(cond, "the condition"))
        carried, turn, count = list(v_initial), 0, 1 + len(v_initial)
        scanned = [Stack() for _ in list(body.outputs)[count:]]
        while going and (turns is None or turn < turns):
            found = run_body(body, [np.array(turn, np.int64), np.array(going), *carried], count)
            going, carried = bool(one(found[0], "the condition")), found[1:count]
            for stack, part in zip(scanned, found[count:]):
                stack.add(part)
            turn += 1
        none = [None] * len(scanned)
        if not turn and scanned:
            none = of_no_turn(body, [Fact(INT64, ()), Fact(np.dtype(bool), ()), *map(fact_of, carried)], count)
        return (*carried, *(stack.joined(none=each) for stack, each in zip(scanned, none)))


def scan(body: Graph, states: list, scanned: list, axes, directions, out_axes, out_directions) -> tuple:
    """A graph that is run for each slice of the scanned arrays."""
    if any(len(given) != len(scanned) for given in (axes, directions)):
        raise ValueError(f"there are {len(scanned)} scanned inputs; their axes and directions have to be as many")
    axes = [check_axis(axis, x.ndim) for axis, x in zip(axes, scanned)]
    lengths = {x.shape[axis] for axis, x in zip(axes, scanned)}
    if len(lengths) != 1:
        raise ValueError(f"the scanned inputs have {' and '.join(map(str, lengths)) or 'no'} slices; they have to "
                         "have as many")
    length, count = lengths.pop(), len(states)
    stacks = [Stack() for _ in list(body.outputs)[count:]]
    out_axes, out_directions = out_axes or [0] * len(stacks), out_directions or [0] * len(stacks)
    if any(len(given) != len(stacks) for given in (out_axes, out_directions)):
        raise ValueError(f"there are {len(stacks)} scanned outputs; their axes and directions have to be as many")
    for turn in range(length):
        slices = [x.take(length - 1 - turn if backwards else turn, axis)
                  for x, axis, backwards in zip(scanned, axes, directions)]
        found = run_body(body, [*states, *slices], count)
        states = found[:count]
        for stack, part in zip(stacks, found[count:]):
            stack.add(part)
    none = [None] * len(stacks)
    if not length and stacks:
        slices = [Fact(x.dtype, x.shape[:axis] + x.shape[axis + 1:]) for x, axis in zip(scanned, axes)]
        none = of_no_turn(body, [*map(fact_of, states), *slices], count)
    return (*states, *(stack.joined(axis, backwards, each)
                       for stack, axis, backwards, each in zip(stacks, out_axes, out_directions, none)))


@op("Scan", since=9, **OF_NOTHING)
class Scan:
    """As `scan`, of the last inputs; the first ones are states that the graph hands from turn to turn."""
    def evaluate(*inputs, body: Graph, num_scan_inputs: int, scan_input_axes: list[int] = None,
                 scan_input_directions: list[int] = None, scan_output_axes: list[int] = None,
                 scan_output_directions: list[int] = None):
        if not 1 <= num_scan_inputs <= len(inputs):
            raise ValueError(f"num_scan_inputs is {num_scan_inputs}; it has to be 1 to {len(inputs)}")
        count = len(inputs) - num_scan_inputs
        zeros = [0] * num_scan_inputs
        return scan(body, list(inputs[:count]), list(inputs[count:]), scan_input_axes or zeros,
                    scan_input_directions or zeros, scan_output_axes, scan_output_directions)


@op("Scan", since=8, **OF_NOTHING)
class Scan8:
    """A batch of scans, along axis 1 of each. sequence_lens : how many slices each has, the rest is zeros"""
    def evaluate(sequence_lens=None, *inputs, body: Graph, num_scan_inputs: int, directions: list[int] = None):
        if not 1 <= num_scan_inputs <= len(inputs):
            raise ValueError(f"num_scan_inputs is {num_scan_inputs}; it has to be 1 to {len(inputs)}")
        count, zeros = len(inputs) - num_scan_inputs, [0] * num_scan_inputs
        if any(x.ndim < 1 or len(x) != len(inputs[0]) for x in inputs) or any(x.ndim < 2 for x in inputs[count:]):
            raise ValueError("its inputs have to have as many batches, and scanned ones slices")
        longest, results = inputs[count].shape[1], []
        for i in range(len(inputs[0])):
            length = longest if sequence_lens is None else int(sequence_lens[i])
            if not 0 <= length <= longest:
                raise ValueError(f"a sequence of {length} slices; there are {longest}")
            found = scan(body, [x[i] for x in inputs[:count]], [x[i, :length] for x in inputs[count:]], zeros,
                         directions or zeros, None, None)
            results.append([*found[:count], *(padded(y, longest) for y in found[count:])])
        return tuple(map(np.stack, zip(*results)))


def padded(y: np.ndarray, length: int) -> np.ndarray:
    """With zeros behind, along the first axis."""
    return np.concatenate([y, np.zeros((length - len(y), *y.shape[1:]), y.dtype)])


@op("SequenceMap", since=17, **OF_NOTHING)
class SequenceMap:
    """A graph run once for each tensor of a sequence; other sequences give theirs at the same place."""
    def evaluate(input_sequence, *additional_inputs, body: Graph):
        for x in additional_inputs:
            if isinstance(x, list) and len(x) != len(input_sequence):
                raise ValueError(f"sequences of {len(input_sequence)} and {len(x)} tensors; they have to be of as many")
        turns = []
        for i, first in enumerate(input_sequence):
            more = [x[i] if isinstance(x, list) else x for x in additional_inputs]
            turns.append(run_body(body, [first, *more]))
        return tuple([list(parts) for parts in zip(*turns)]) or tuple([] for _ in body.outputs)
