"""Operators that make tensors out of little."""
import numpy as np
import pytest
from hypothesis import given, strategies as st
from one_node import infer, needs_value, refuses, run, spec

from cinfer.errors import LimitError


def ints(*values):
    return np.array(values, np.int64)


@pytest.mark.parametrize("attributes, expected", [({"value": np.float32([[1, 2]])}, np.float32([[1, 2]])),
                                                  ({"value_float": 1.5}, np.array(1.5, np.float32)),
                                                  ({"value_ints": [1, 2]}, ints(1, 2)),
                                                  ({"value_int": 3}, np.array(3)),
                                                  ({"value_floats": [0.5]}, np.float32([0.5])),
                                                  ({"value_strings": ["a", "b"]},
                                                   np.array(["a", "b"], object))])
def test_constant_is_known_before_the_run(attributes, expected):
    for value in (run("Constant", **attributes), infer("Constant", **attributes)[0].value):
        assert value.dtype == expected.dtype
        np.testing.assert_array_equal(value, expected)


def test_constant_wants_one_value():
    refuses("0 values", "Constant")
    refuses("2 values", "Constant", value_int=1, value_float=2.0)


def test_constant_of_shape():
    np.testing.assert_array_equal(run("ConstantOfShape", ints(2, 3)), np.zeros((2, 3), np.float32))
    y = run("ConstantOfShape", ints(2), value=np.array([-0.0], np.float32))
    assert np.signbit(y).all()
    y = run("ConstantOfShape", np.zeros(0, np.int64), value=np.array([7], np.int8))
    assert y.shape == () and y.dtype == np.int8 and y == 7
    needs_value("ConstantOfShape", spec(2, dtype=np.int64))


def test_constant_of_shape_refuses():
    refuses("size -1", "ConstantOfShape", ints(3, -1))
    refuses("GiB", "ConstantOfShape", ints(2**62, 2, 2), error=LimitError)
    refuses("2 elements", "ConstantOfShape", ints(2), value=np.float32([1, 2]))
    refuses("1 axis", "ConstantOfShape", ints(2).reshape(1, 1))


@given(st.integers(-20, 20), st.integers(-20, 20), st.integers(-5, 5).filter(bool))
def test_range_of_ints_is_pythons(start, limit, delta):
    for dtype in (np.int64, np.int32, np.int16):
        values = (np.array(v, dtype) for v in (start, limit, delta))
        y = run("Range", *values)
        assert y.dtype == dtype and y.tolist() == list(range(start, limit, delta))


@given(st.floats(-9, 9, width=32), st.floats(-9, 9, width=32), st.floats(0.25, 3, width=32))
def test_range_of_floats_counts_as_the_standard_says(start, limit, delta):
    y = run("Range", *(np.array(v, np.float32) for v in (start, limit, delta)))
    assert y.size == max(int(np.ceil((limit - start) / delta)), 0)
    np.testing.assert_allclose(y, start + np.arange(y.size) * delta, rtol=1e-6, atol=1e-6)


def test_range_does_not_overflow():
    y = run("Range", np.array(-2**63), np.array(2**63 - 1), np.array(2**63 - 1))
    assert y.tolist() == [-2**63, -1, 2**63 - 2]


@pytest.mark.parametrize("start, limit, delta, message, error", [
    (0, 5, 0, "delta is 0", ValueError), (0.0, 5.0, np.nan, "no number of elements", ValueError),
    (0.0, np.inf, 1.0, "no number of elements", ValueError), (0.0, 5.0, 1e-45, "GiB", LimitError),
    (0, 2**62, 1, "GiB", LimitError)])
def test_range_refuses(start, limit, delta, message, error):
    dtype = np.float32 if isinstance(limit, float) else np.int64
    refuses(message, "Range", *(np.array(v, dtype) for v in (start, limit, delta)), error=error)


def test_range_refuses_mixed_types_and_vectors():
    refuses("one type", "Range", np.array(0), np.array(5.0), np.array(1))
    refuses("2 elements", "Range", ints(0, 1), ints(5, 6), ints(1, 1))


@pytest.mark.parametrize("k", [0, 1, -2, 2**63 - 1, -2**63])
def test_eyelike(k):
    y = run("EyeLike", np.zeros((3, 4), np.float32), k=k, dtype=7)
    assert y.dtype == np.int64
    np.testing.assert_array_equal(y, [[int(j - i == k) for j in range(4)] for i in range(3)])


@pytest.mark.parametrize("operator, inputs, attributes", [
    ("RandomNormal", (), {"shape": [400, 50], "mean": 3.0, "scale": 2.0}),
    ("RandomUniform", (), {"shape": [400, 50], "low": 1.0, "high": 5.0}),
    ("RandomNormalLike", (np.zeros((400, 50), np.float32),), {"mean": 3.0, "scale": 2.0}),
    ("RandomUniformLike", (np.zeros((400, 50), np.float32),), {"low": 1.0, "high": 5.0})])
def test_random_numbers_follow_seed_and_distribution(operator, inputs, attributes):
    a, b = (run(operator, *inputs, seed=4.0, **attributes) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert (a != run(operator, *inputs, seed=5.0, **attributes)).any()
    assert (run(operator, *inputs, **attributes) != run(operator, *inputs, **attributes)).any()
    assert a.dtype == np.float32
    assert abs(a.mean() - 3) < 0.07                          # five standard errors: 5 * 2 / sqrt(20000)
    assert abs(a.std() - (2 if "Normal" in operator else 4 / 12**0.5)) < 0.06


def test_random_numbers_have_the_type_asked_for():
    assert run("RandomNormal", shape=[2], dtype=11).dtype == np.float64
    assert run("RandomUniformLike", np.zeros(2, np.int32), dtype=10).dtype == np.float16
    refuses("type int32", "RandomUniformLike", np.zeros(2, np.int32))
    refuses("GiB", "RandomNormal", shape=[2**40, 2**20], error=LimitError)


def test_bernoulli():
    p = np.repeat(np.float32([0, 0.25, 1]), 4000)
    y = run("Bernoulli", p, seed=1.0, dtype=9)
    assert y.dtype == bool and not y[:4000].any() and y[8000:].all()
    assert abs(y[4000:8000].mean() - 0.25) < 0.035            # five standard errors


def test_multinomial():
    logits = np.log(np.float32([[1, 3, 0.0001], [1, 1, 8]]))
    y = run("Multinomial", logits, seed=2.0, sample_size=5000, dtype=7)
    assert y.shape == (2, 5000) and y.dtype == np.int64
    assert abs((y[0] == 1).mean() - 0.75) < 0.04 and abs((y[1] == 2).mean() - 0.8) < 0.04
