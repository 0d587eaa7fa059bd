"""Sequences and optionals: in NumPy lists of arrays, and None or what is there.

Each is at https://onnx.ai/onnx/operators/onnx__<its name>.html. A plan has neither: where it is known how long a
sequence is, its operators become others on its elements (plan/resolve.py).
"""
from __future__ import annotations

import numpy as np

from .limits import check_axis, pieces, position
from .registry import op

OF_NOTHING = {"types": lambda *facts, **attributes: (None,), "rank": lambda *facts, **attributes: None,
              "optionals": True}


@op("SequenceConstruct", since=11, **OF_NOTHING)
class SequenceConstruct:
    """The inputs as a sequence."""
    def evaluate(*inputs):
        return list(inputs),


@op("SequenceEmpty", since=11, **OF_NOTHING)
class SequenceEmpty:
    """A sequence of no tensors. dtype : of those that it may get"""
    def evaluate(*, dtype=1):
        return [],


@op("SequenceInsert", since=11, **OF_NOTHING)
class SequenceInsert:
    """The sequence with one tensor more, at the end unless a position is given."""
    def evaluate(input_sequence, tensor, at=None):
        length = len(input_sequence)
        where = length if at is None else position(at, length, length)
        return [*input_sequence[:where], tensor, *input_sequence[where:]],


@op("SequenceErase", since=11, **OF_NOTHING)
class SequenceErase:
    """The sequence without one tensor, the last unless a position is given."""
    def evaluate(input_sequence, at=None):
        length = len(input_sequence)
        where = position(-1 if at is None else at, length, length - 1)
        return [*input_sequence[:where], *input_sequence[where + 1:]],


@op("SequenceAt", since=11, **OF_NOTHING)
class SequenceAt:
    """One tensor of a sequence."""
    def evaluate(input_sequence, at):
        return input_sequence[position(at, len(input_sequence), len(input_sequence) - 1)]


@op("SequenceLength", since=11, types=(np.dtype(np.int64),), rank=lambda *facts, **attributes: 0)
class SequenceLength:
    """How many tensors a sequence has."""
    def evaluate(input_sequence):
        return np.array(len(input_sequence), np.int64)


@op("SplitToSequence", since=11, **OF_NOTHING)
class SplitToSequence:
    """The parts of a tensor along an axis; without `split` each is of size 1, and the axis goes unless keepdims."""
    def evaluate(input, split=None, *, axis=0, keepdims=1):
        axis = check_axis(axis, input.ndim)
        sizes = pieces(input.shape[axis], 1 if split is None else split)
        parts = np.split(input, np.cumsum(sizes)[:-1], axis) if sizes else []
        return [part.squeeze(axis) for part in parts] if split is None and not keepdims else parts,


@op("ConcatFromSequence", since=11, **OF_NOTHING)
class ConcatFromSequence:
    """The tensors of a sequence one after the other along an axis, or along a new one."""
    def evaluate(input_sequence, *, axis: int, new_axis=0):
        if not input_sequence:
            raise ValueError("a sequence of no tensors cannot be joined")
        return np.stack(input_sequence, axis) if new_axis else np.concatenate(input_sequence, axis)


@op("Optional", since=15, **OF_NOTHING)
class Optional:
    """The input as an optional; without one, an optional that holds nothing. type : of what it may hold"""
    def evaluate(input=None, *, type=None):
        return input


@op("OptionalHasElement", since=15, types=(np.dtype(bool),), rank=lambda *facts, **attributes: 0)
class OptionalHasElement:
    """Whether an optional holds something; a tensor and a sequence do."""
    def evaluate(input=None):
        return np.array(input is not None)


@op("OptionalGetElement", since=15, **OF_NOTHING)
class OptionalGetElement:
    """What an optional holds."""
    def evaluate(input):
        if input is None:
            raise ValueError("the optional holds nothing")
        return input
