"""Reshape and its kin against NumPy and hand-computed shapes."""
import numpy as np
import pytest
from hypothesis import given, strategies as st
from one_node import infer, needs_value, refuses, run, spec

from cinfer.errors import LimitError
from cinfer.ops import limits

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def ints(*values):
    return np.array(values, np.int64)


@pytest.mark.parametrize("target, expected", [
    ((4, -1), (4, 6)), ((0, -1), (2, 12)), ((0, 0, 4, 1), (2, 3, 4, 1)), ((-1,), (24,)), ((24,), (24,))])
@pytest.mark.parametrize("opset", [1, 5, 14])
def test_reshape_reads_zero_and_minus_one(target, expected, opset):
    inputs, attributes = ((X,), {"shape": list(target)}) if opset == 1 else ((X, ints(*target)), {})
    y = run("Reshape", *inputs, opset=opset, **attributes)
    np.testing.assert_array_equal(y, X.reshape(expected))
    assert np.shares_memory(X, y)


def test_reshape_with_allowzero_keeps_zero():
    empty = np.zeros((0, 3), np.float32)
    assert run("Reshape", empty, ints(3, 0), allowzero=1).shape == (3, 0)
    refuses("both 0 and -1", "Reshape", empty, ints(0, -1), allowzero=1)


def test_reshape_to_scalar():
    assert run("Reshape", np.ones((1, 1)), np.zeros(0, np.int64)).shape == ()


@pytest.mark.parametrize("target", [
    (-1, -1), (-2, 12), (5, 5), (0, 0, 0, 0), (-1, 7), (2**32, 2**32), (-2**63, 1), (2, 3), (2**62, 4, 24)])
def test_reshape_refuses_what_24_elements_cannot_be(target):
    refuses("shape", "Reshape", X, ints(*target))


def test_reshape_wants_int64_of_one_axis():
    refuses("int64", "Reshape", X, np.float32([4, 6]))
    refuses("1 axis", "Reshape", X, ints(4, 6).reshape(1, 2))
    needs_value("Reshape", X, spec(2, dtype=np.int64))


def test_too_many_axes_is_a_limit():
    refuses("axes", "Reshape", X, ints(*[1] * 70, 24), error=LimitError)


@pytest.mark.parametrize("axis, expected", [(0, (1, 24)), (1, (2, 12)), (3, (24, 1)), (-1, (6, 4)),
                                            (-3, (1, 24))])
def test_flatten(axis, expected):
    np.testing.assert_array_equal(run("Flatten", X, axis=axis), X.reshape(expected))


def test_flatten_refuses_axes_beyond_the_rank():
    refuses("axis 4", "Flatten", X, axis=4)
    refuses("axis -4", "Flatten", X, axis=-4)


@pytest.mark.parametrize("axes, expected", [(None, (3,)), ([0], (3, 1)), ([-1], (1, 3)), ([0, 2], (3,))])
def test_squeeze(axes, expected):
    x = np.arange(3.0).reshape(1, 3, 1)
    by_attribute = run("Squeeze", x, opset=11, **({} if axes is None else {"axes": axes}))
    by_input = run("Squeeze", x, None if axes is None else ints(*axes), opset=13)
    assert by_attribute.shape == by_input.shape == expected
    assert np.shares_memory(x, by_input)


def test_squeeze_refuses_sizes_other_than_one():
    refuses("its size is 3", "Squeeze", np.zeros((1, 3)), ints(1))


@pytest.mark.parametrize("axes, expected", [([0], (1, 2, 3, 4)), ([-1], (2, 3, 4, 1)),
                                            ([0, 4], (1, 2, 3, 4, 1)), ([4, 0], (1, 2, 3, 4, 1))])
def test_unsqueeze(axes, expected):
    assert run("Unsqueeze", X, opset=11, axes=axes).shape == expected
    assert run("Unsqueeze", X, ints(*axes), opset=13).shape == expected


@pytest.mark.parametrize("axes", [(1, 1), (0, -5), (4 + 1,), (-6,)])
def test_unsqueeze_refuses_axes_twice_or_beyond(axes):
    refuses("ax", "Unsqueeze", X, ints(*axes))


@pytest.mark.parametrize("start, end", [(0, None), (1, None), (-1, None), (0, -1), (1, 2), (2, 1), (-99, 99),
                                        (-2**63, 2**63 - 1)])
def test_shape_is_known_from_the_spec_alone(start, end):
    attributes = {"start": start} | ({} if end is None else {"end": end})
    expected = np.array((2, 3, 4)[start:end], np.int64)
    np.testing.assert_array_equal(run("Shape", X, **attributes), expected)
    np.testing.assert_array_equal(infer("Shape", spec(2, 3, 4), **attributes)[0].value, expected)


def test_size_is_known_from_the_spec_alone():
    assert infer("Size", spec(2, 3, 4))[0].value == run("Size", X) == 24
    assert infer("Size", spec(2**31, 2**31))[0].value == 2**62


@given(st.lists(st.integers(0, 3), max_size=4), st.lists(st.integers(0, 3), max_size=4))
def test_expand_is_broadcasting(left, right):
    x, target = np.zeros(left, np.int8), np.array(right, np.int64)
    try:
        expected = np.broadcast_shapes(tuple(left), tuple(right))
    except ValueError:
        return refuses("does not broadcast", "Expand", x, target)
    assert run("Expand", x, target).shape == expected


def test_expand_refuses_absurd_sizes():
    refuses("GiB", "Expand", np.zeros((1, 1, 1), np.float32), ints(2**31, 2**31, 4), error=LimitError)
    refuses("-1", "Expand", np.zeros((1, 3), np.float32), ints(-1, 3))


def test_transpose_by_default_reverses_the_axes():
    np.testing.assert_array_equal(run("Transpose", X), X.T)
    np.testing.assert_array_equal(run("Transpose", X, perm=[2, 0, 1]), X.transpose(2, 0, 1))


@pytest.mark.parametrize("perm", [[0, 0, 1], [0, 1], [0, 1, 3], [-1, 0, 1], [0, 1, 2, 3]])
def test_transpose_refuses_what_is_no_permutation(perm):
    refuses("permutation", "Transpose", X, perm=perm)


def test_identity_of_a_known_value_stays_known():
    assert infer("Identity", X)[0].value is X


def test_check_size_counts_bytes_without_overflow():
    assert limits.check_size((2, np.int64(3)), 4) == (2, 3)
    for shape_ in ((2**62, 4), (2**40, 2**40), (limits.MAX_BYTES // 4 + 1,)):
        with pytest.raises(LimitError):
            limits.check_size(shape_, 4)
    assert limits.check_size((2**40, 0), 4) == (2**40, 0)
    with pytest.raises(ValueError, match="not negative"):
        limits.check_size((2, -3))
