"""Operators on sequences and optionals, which are lists and None."""
import numpy as np
import pytest

from cinfer.model.graph import Node
from cinfer.ops import registry

A, B, C = (np.float32([i]) for i in range(3))


def run(op_type: str, *inputs, **attributes):
    node = Node(op_type, ["" if x is None else f"in{i}" for i, x in enumerate(inputs)], ["y"], attributes, opset=18)
    operator = registry.lookup(node)
    registry.check(operator, node)
    before = [x.copy() if isinstance(x, list) else x for x in inputs]
    result, = registry.evaluate(operator, node, list(inputs))
    for x, old in zip(inputs, before):
        assert not isinstance(x, list) or all(map(np.array_equal, x, old)), f"{op_type} wrote to its input"
    return result


def at(value, dtype=np.int64):
    return np.array(value, dtype)


def refuses(message: str, *arguments, **attributes) -> None:
    with pytest.raises(ValueError) as caught:
        run(*arguments, **attributes)
    assert message in str(caught.value) and "\n" not in str(caught.value), str(caught.value)


def test_sequences_are_made():
    assert run("SequenceConstruct", A, B) == [A, B]
    assert run("SequenceEmpty") == run("SequenceEmpty", dtype=7) == []


@pytest.mark.parametrize("where, want", [(None, [A, B, C]), (0, [C, A, B]), (1, [A, C, B]), (2, [A, B, C]),
                                         (-1, [A, C, B]), (-2, [C, A, B])])
@pytest.mark.parametrize("dtype", [np.int64, np.int32])
def test_insert(where, want, dtype):
    assert run("SequenceInsert", [A, B], C, None if where is None else at(where, dtype)) == want
    assert run("SequenceInsert", [], C) == run("SequenceInsert", [], C, at([0])) == [C]


@pytest.mark.parametrize("where, want", [(None, [A, B]), (0, [B, C]), (2, [A, B]), (-1, [A, B]), (-3, [B, C])])
def test_erase(where, want):
    assert run("SequenceErase", [A, B, C], None if where is None else at(where)) == want


def test_at_and_length():
    assert [run("SequenceAt", [A, B], at(i)) for i in (0, 1, -1, -2)] == [A, B, B, A]
    length = run("SequenceLength", [A, B])
    assert length == 2 and length.dtype == np.int64 and length.shape == () and run("SequenceLength", []) == 0


@pytest.mark.parametrize("op_type, values, where, message", [
    ("SequenceInsert", [A, B], 3, "position 3 in a sequence of 2; it has to be -2 to 2"),
    ("SequenceInsert", [], -1, "position -1 in a sequence of 0; it has to be 0 to 0"),
    ("SequenceAt", [A, B], 2, "position 2 in a sequence of 2; it has to be -2 to 1"),
    ("SequenceAt", [A, B], -3, "position -3 in a sequence of 2; it has to be -2 to 1"),
    ("SequenceAt", [], 0, "position 0 in a sequence of 0; there is none"),
    ("SequenceErase", [A], 1, "position 1 in a sequence of 1; it has to be -1 to 0"),
    ("SequenceErase", [], None, "position -1 in a sequence of 0; there is none"),
    ("SequenceAt", [A], [0, 0], "a position is int64 of shape [2]; it has to be one integer"),
])
def test_positions_that_are_none(op_type, values, where, message):
    more = (C,) if op_type == "SequenceInsert" else ()
    refuses(message, op_type, values, *more, *(() if where is None else (at(where),)))


@pytest.mark.parametrize("where", [np.float32(0), np.array("a", object), np.array(True)])
def test_positions_are_integers(where):
    refuses("; it has to be one integer", "SequenceAt", [A], where)


X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_split_into_single_ones(axis):
    parts = run("SplitToSequence", X, axis=axis)
    assert len(parts) == X.shape[axis] and all(part.shape[axis] == 1 for part in parts)
    np.testing.assert_array_equal(np.concatenate(parts, axis), X)
    parts = run("SplitToSequence", X, axis=axis, keepdims=0)
    np.testing.assert_array_equal(np.stack(parts, axis), X)


@pytest.mark.parametrize("split, sizes", [(1, [1, 1, 1, 1]), (3, [3, 1]), (4, [4]), (9, [4]), ([1, 3], [1, 3]),
                                          ([0, 4, 0], [0, 4, 0]), ([4], [4])])
def test_split_by_sizes(split, sizes):
    for keepdims in (0, 1):                 # says nothing where sizes are given
        parts = run("SplitToSequence", X, at(split), axis=2, keepdims=keepdims)
        assert [part.shape for part in parts] == [(2, 3, size) for size in sizes]
        np.testing.assert_array_equal(np.concatenate(parts, 2), X)


def test_split_of_nothing():
    assert run("SplitToSequence", X[:0]) == run("SplitToSequence", X[:0], at(2)) == []
    assert [part.shape for part in run("SplitToSequence", X[:0], at([0, 0]))] == [(0, 3, 4)] * 2


def test_split_refuses():
    refuses("an axis of 2 cannot be split into [1, 2]", "SplitToSequence", X, at([1, 2]))
    refuses("an axis of 2 cannot be split into [3, -1]", "SplitToSequence", X, at([3, -1]))
    refuses("an axis of 2 cannot be split into []", "SplitToSequence", X, at([]))
    refuses("an axis cannot be split into parts of 0", "SplitToSequence", X, at(0))
    refuses("an axis cannot be split into parts of -1", "SplitToSequence", X, at(-1))
    refuses("axis 3 of a tensor of 3 axes", "SplitToSequence", X, axis=3)
    refuses("it has to be", "SplitToSequence", X, np.float32(1))
    refuses("split has 2 axes", "SplitToSequence", X, at([[1, 1]]))


def test_join():
    y, z = X, X + 100
    for axis in (0, 1, -1):
        np.testing.assert_array_equal(run("ConcatFromSequence", [y, z, y], axis=axis), np.concatenate([y, z, y], axis))
        np.testing.assert_array_equal(run("ConcatFromSequence", [y, z], axis=axis, new_axis=1), np.stack([y, z], axis))
    refuses("a sequence of no tensors cannot be joined", "ConcatFromSequence", [], axis=0)
    refuses("axis", "ConcatFromSequence", [y], axis=3)
    refuses("dimension", "ConcatFromSequence", [y, X[0]], axis=0)


def test_optionals():
    assert run("Optional", A) is A and run("Optional", type=1) is None
    for held in (A, [A], []):
        has = run("OptionalHasElement", held)
        assert has.item() is True and has.dtype == bool and run("OptionalGetElement", held) is held
    assert not run("OptionalHasElement") and not run("OptionalHasElement", None)
    with pytest.raises(ValueError, match="the optional holds nothing"):
        registry.lookup(Node("OptionalGetElement", ["x"], ["y"], opset=18)).evaluate(None)
