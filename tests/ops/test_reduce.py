"""Reductions against the standard's cases and NumPy."""
import backend_cases
import numpy as np
import pytest
from one_node import infer, needs_value, refuses, run, spec


NAMES = """ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp
    ReduceSumSquare""".split()


@pytest.mark.parametrize("case", backend_cases.of(*NAMES, "ArgMax", "ArgMin"))
def test_backend_case(case):
    backend_cases.check(case)


X = np.random.default_rng(0).uniform(0.5, 2, (2, 3, 4))
FORMULAS = {
    "ReduceMean": np.mean, "ReduceSum": np.sum, "ReduceMax": np.max, "ReduceMin": np.min,
    "ReduceProd": np.prod, "ReduceL1": np.sum, "ReduceL2": lambda x, **over: np.sqrt(np.sum(x * x, **over)),
    "ReduceLogSum": lambda x, **over: np.log(np.sum(x, **over)),
    "ReduceLogSumExp": lambda x, **over: np.log(np.sum(np.exp(x), **over)),
    "ReduceSumSquare": lambda x, **over: np.sum(x * x, **over)}


@pytest.mark.parametrize("axes", [None, [1], [-1, 0], [0, 1, 2], []])
@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("name", NAMES)
def test_axes_are_an_attribute_or_an_input(name, keepdims, axes):
    over = dict(axis=tuple(axes) if axes else None, keepdims=bool(keepdims))
    expected = FORMULAS[name](X, **over)
    by_attribute = run(name, X, opset=11, keepdims=keepdims, **({} if axes is None else dict(axes=axes)))
    by_input = run(name, X, None if axes is None else np.array(axes, np.int64), opset=18, keepdims=keepdims)
    for y in (by_attribute, by_input):
        np.testing.assert_allclose(y, expected, rtol=1e-12)
        assert y.shape == expected.shape
    # without axes to reduce, what is done to each number is still done
    if not axes:
        y = run(name, X, None if axes is None else np.zeros(0, np.int64), opset=18, noop_with_empty_axes=1)
        np.testing.assert_allclose(y, FORMULAS[name](X, axis=()), rtol=1e-12)


@pytest.mark.parametrize("name, expected", [
    ("ReduceSum", 0), ("ReduceProd", 1), ("ReduceMax", -np.inf), ("ReduceMin", np.inf), ("ReduceL1", 0),
    ("ReduceL2", 0), ("ReduceLogSum", -np.inf), ("ReduceLogSumExp", -np.inf), ("ReduceSumSquare", 0),
    ("ReduceMean", np.nan)])
@pytest.mark.filterwarnings("error")
def test_of_nothing(name, expected):
    y = run(name, np.zeros((2, 0, 3), np.float32), np.int64([1]), opset=20)
    np.testing.assert_array_equal(y, np.full((2, 1, 3), expected))
    assert run(name, np.zeros((0, 2), np.float32), np.int64([1]), opset=20).shape == (0, 1)


def test_extremes_of_integers_and_bools():
    nothing = np.zeros((0,), np.int8)
    assert run("ReduceMax", nothing, opset=13) == -128 and run("ReduceMin", nothing, opset=13) == 127
    flags = np.array([[True, False], [True, True]])
    assert run("ReduceMax", flags, np.int64([1]), opset=20, keepdims=0).tolist() == [True, True]
    assert run("ReduceMin", flags, np.int64([1]), opset=20, keepdims=0).tolist() == [False, True]
    refuses("bool; it has to be number", "ReduceSum", flags)


def test_integers_keep_their_type():
    x = np.array([[7, -10, 1]], np.int32)
    assert run("ReduceMean", x, opset=13, axes=[1]).tolist() == [[0]]           # -2 / 3
    assert run("ReduceSum", np.full(3, 2**62), opset=11).tolist() == [3 * 2**62 - 2**64]
    assert run("ReduceL2", np.int32([3, 4]), opset=13).tolist() == [5]


def test_log_sum_exp_of_large_numbers():
    assert run("ReduceLogSumExp", np.float32([1000, 1000]), opset=13) == np.float32(1000 + np.log(2))
    assert run("ReduceLogSumExp", np.float32([-np.inf, -np.inf]), opset=13) == -np.inf
    assert run("ReduceLogSumExp", np.float32([np.inf, 1]), opset=13) == np.inf
    assert run("ReduceLogSumExp", np.array([1000, 999, 999]), opset=13).tolist() == [1000]     # 1000.55
    assert run("ReduceLogSumExp", np.int32([-3, -3]), opset=13).tolist() == [-2]               # -2.31


def test_float16_is_summed_in_float32():
    assert run("ReduceMean", np.full(4096, 60000, np.float16), opset=13).tolist() == [60000]


def test_axes_are_checked():
    refuses("axis 3 of a tensor of 3 axes", "ReduceSum", X, np.int64([3]))
    refuses("name an axis twice", "ReduceMax", X, np.int64([0, -3]))
    refuses("axes is float32; it has to be int64", "ReduceMax", X, np.float32([0]))
    needs_value("ReduceSum", X, spec(1, dtype=np.int64))
    assert infer("ReduceSum", spec(2, 3))[0].shape == (1, 1)


@pytest.mark.parametrize("keepdims", [0, 1])
def test_places_of_extremes(keepdims):
    x = np.array([[1, 3, 3], [2, 2, 0]], np.uint8)
    for name, last, expected in (("ArgMax", 0, [1, 0]), ("ArgMax", 1, [2, 1]), ("ArgMin", 0, [0, 2]),
                                 ("ArgMin", 1, [0, 2])):
        y = run(name, x, axis=-1, keepdims=keepdims, select_last_index=last)
        assert y.dtype == np.int64 and y.tolist() == ([[v] for v in expected] if keepdims else expected)
    assert run("ArgMax", x, keepdims=0).tolist() == [1, 0, 0]
    refuses("is empty", "ArgMax", np.zeros((2, 0), np.float32), axis=1)
    assert run("ArgMax", np.zeros((2, 0, 0), np.float32), axis=2, keepdims=0).shape == (2, 0)   # of no rows
    refuses("axis 2 of a tensor of 2 axes", "ArgMin", x, axis=2)
