"""Elementwise operators against the standard's cases, NumPy and hand-computed numbers."""
import math

import backend_cases
import numpy as np
import pytest
from hypothesis import given, strategies as st
from one_node import refuses, run


CASES = backend_cases.of(*"""
    Add Sub Mul Div Mod Pow Min Max Sum Mean And Or Xor Not BitShift BitwiseAnd BitwiseOr BitwiseXor
    BitwiseNot Equal Greater Less GreaterOrEqual LessOrEqual Abs Neg Sign Ceil Floor Round Sqrt Exp Log
    Reciprocal Erf Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh IsNaN IsInf Where Clip CumSum
    CumProd""".split())


@pytest.mark.parametrize("case", CASES)
def test_backend_case(case):
    backend_cases.check(case)


def ints(*values, dtype=np.int64):
    return np.array(values, dtype)


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64])
def test_integer_division_truncates(dtype):
    a, b = ints(7, -7, 7, -7, 5, 0, dtype=dtype), ints(2, 2, -2, -2, 0, 3, dtype=dtype)
    assert run("Div", a, b).tolist() == [3, -3, -3, 3, 0, 0]
    assert run("Mod", a[:4], b[:4]).tolist() == [1, 1, -1, -1]
    assert run("Mod", a[:4], b[:4], fmod=1).tolist() == [1, -1, 1, -1]


def test_division_is_exact_at_the_ends_of_int64():
    a = ints(2**63 - 1, -2**63, -2**63, 2**63 - 1)
    assert run("Div", a, ints(3, 3, -3, -2**63)).tolist() == [(2**63 - 1) // 3, -(2**63 // 3), 2**63 // 3, 0]


@given(st.lists(st.integers(0, 3), max_size=4), st.lists(st.integers(0, 3), max_size=4))
def test_shapes_broadcast_as_in_numpy(left, right):
    a, b = np.zeros(left, np.float32), np.zeros(right, np.float32)
    try:
        expected = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        return refuses("do not broadcast", "Add", a, b)
    assert run("Add", a, b).shape == run("Sum", a, b).shape == run("Pow", a, b).shape == expected


@pytest.mark.parametrize("shape, axis, expected", [
    ((4, 5), None, (4, 5)), ((5,), None, (5,)), ((3, 4), 1, (3, 4, 1)), ((2,), 0, (2, 1, 1, 1)),
    ((1,), 2, (1,)), ((), None, ())])
@pytest.mark.parametrize("op_type", ["Add", "Pow", "Greater"])
def test_the_second_input_is_aligned_before_opset_7(op_type, shape, axis, expected):
    a, b = np.full((2, 3, 4, 5), 2.0, np.float32), np.arange(np.prod(shape)).reshape(shape).astype(np.float32)
    attributes = {} if axis is None else {"axis": axis}
    y = run(op_type, a, b, opset=6, broadcast=1, **attributes)
    np.testing.assert_array_equal(y, {"Add": np.add, "Pow": np.power, "Greater": np.greater}[op_type](
        a, b.reshape(expected)))


def test_before_opset_7_shapes_differ_only_by_permission():
    refuses("they may only with broadcast=1", "Add", np.zeros((2, 3)), np.zeros(3), opset=6)
    refuses("does not broadcast", "Add", np.zeros((2, 3)), np.zeros(2), opset=6, broadcast=1)
    assert run("Add", np.zeros((2, 3)), np.zeros((2, 3)), opset=1, consumed_inputs=[0, 0]).shape == (2, 3)


def test_power_is_in_the_type_of_the_base():
    assert run("Pow", np.float32([2, 3]), ints(3, -1)).tolist() == [8, np.float32(1 / 3)]
    assert run("Pow", ints(2, 3, 7), ints(62, 39, 0)).tolist() == [2**62, 3**39, 1]
    assert run("Pow", ints(2, -1, 4), np.float32([-1, -1, 0.5])).tolist() == [0, -1, 2]
    assert run("Pow", ints(2, -1), ints(-1, -3)).tolist() == [0, -1]
    assert run("Pow", np.float16([3]), np.float32([2])).dtype == np.float16


def test_signs():
    refuses("x is uint8; it has to be signed", "Neg", np.uint8([1]))
    assert run("Neg", ints(-3, 4)).tolist() == [3, -4]
    x, y = np.float32([-3]), np.float32([2])
    refuses("x is float32; it has to be int", "Mod", x, y, opset=13)
    assert run("Mod", x, y, opset=13, fmod=1).tolist() == [-1] and run("Mod", x, y, opset=28).tolist() == [1]


def test_shifts_beyond_the_width():
    x = ints(-8, 8, 1, dtype=np.int8)
    for direction, by, expected in (("RIGHT", (1, 1, 9), [-4, 4, 0]), ("RIGHT", (9, -1, 7), [-1, 0, 0]),
                                    ("LEFT", (9, -1, 7), [0, 0, -128])):
        y = run("BitShift", x, ints(*by, dtype=np.int8), opset=28, direction=direction)
        assert y.tolist() == expected
    refuses("direction 'UP'", "BitShift", x, x, direction="UP")


def test_clip_limits():
    x = np.float32([-np.inf, -2, 0, 2, np.inf, np.nan])
    largest = np.finfo(np.float32).max
    np.testing.assert_array_equal(run("Clip", x, opset=6), [-largest, -2, 0, 2, largest, np.nan])
    np.testing.assert_array_equal(run("Clip", x, opset=1), x)
    np.testing.assert_array_equal(run("Clip", x, opset=1, max=1.0), [-np.inf, -2, 0, 1, 1, np.nan])
    np.testing.assert_array_equal(run("Clip", x, np.float32(1), np.float32([-1])),
                                  [-1, -1, -1, -1, -1, np.nan])
    assert run("Clip", ints(-5, 5), None, np.int64(3)).tolist() == [-5, 3]
    refuses("x and its limits are float32 and float64", "Clip", x, np.float64(1))
    refuses("it has to be a scalar", "Clip", x, np.float32([1, 2]))


@pytest.mark.parametrize("exclusive, reverse, expected", [
    (0, 0, [1, 3, 6]), (1, 0, [0, 1, 3]), (0, 1, [6, 5, 3]), (1, 1, [5, 3, 0])])
def test_running_sums(exclusive, reverse, expected):
    x = np.broadcast_to(ints(1, 2, 3, dtype=np.int32), (2, 3))
    y = run("CumSum", x, ints(-1), exclusive=exclusive, reverse=reverse)
    assert y.tolist() == [expected] * 2
    assert run("CumSum", np.zeros((2, 0)), ints(1), exclusive=exclusive, reverse=reverse).shape == (2, 0)


def test_an_exclusive_sum_does_not_subtract():
    # 1e8 + 1 - 1e8 would lose the 1
    assert run("CumSum", np.float32([1, 1e8]), np.int64(0), exclusive=1).tolist() == [0, 1]


def test_float16_is_rounded_once():
    # one by one, the ones would be lost: 2048 + 1 is 2048 in float16
    inputs = np.float16([[2048], [1], [1], [2]])
    assert run("Sum", *inputs).tolist() == [2052] and run("Mean", *inputs).tolist() == [513]


@pytest.mark.parametrize("op_type, count", [("Add", 2), ("Neg", 1), ("Mean", 3), ("Exp", 1), ("Mod", 2),
                                            ("Clip", 1)])
def test_scalars_come_out_as_arrays(op_type, count):
    assert run(op_type, *[np.float32(2)] * count, **({"fmod": 1} if op_type == "Mod" else {})).shape == ()


def test_types_are_checked():
    refuses("inputs are float32 and int64", "Add", np.float32([1]), ints(1))
    refuses("x is int64; it has to be float", "Sqrt", ints(4))
    refuses("x is float32; it has to be bool", "Not", np.float32([4]))
    refuses("x and y are float32 and float64", "Where", np.array([True]), np.float32([1]), np.float64([1]))
    refuses("inputs are", "Max", np.float32([1]), np.float64([1]))


def test_strings_are_equal_or_chosen():
    a, b = np.array(["x", "y"], object), np.array(["x", "z"], object)
    assert run("Equal", a, b).tolist() == [True, False]
    assert run("Where", np.array([False, True]), a, b).tolist() == ["x", "y"]


def test_erf_in_float64():
    x = np.float64([0, 1, -2, 40, 1e-300])
    assert run("Erf", x).tolist() == [math.erf(v) for v in x]
