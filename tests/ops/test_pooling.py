"""Pools against the standard's cases and against windows taken one by one."""
from itertools import product

import backend_cases
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from naive_windows import windows
from one_node import agrees_with_onnxruntime, infer, refuses, run, spec

from cinfer.errors import LimitError


@pytest.mark.parametrize("case", backend_cases.of(*"""
    MaxPool AveragePool LpPool GlobalAveragePool GlobalMaxPool GlobalLpPool LRN""".split()))
def test_backend_case(case):
    backend_cases.check(case)


def each_window(x: np.ndarray, window):
    """(place in y, [(value, place in x) of the elements in x], how many elements there are with padding)"""
    for n, c, o in product(range(x.shape[0]), range(x.shape[1]), np.ndindex(window.out_sizes(x.shape[2:]))):
        elements = list(window.elements(x.shape[2:], o))
        inside = [(x[n, c, *at], (n, c, *at)) for _, at, in_x, _ in elements if in_x]
        yield (n, c, *o), inside, sum(in_padded for *_, in_padded in elements)


@given(windows(ceil_mode=True, most_axes=3), st.booleans(),
       st.sampled_from([np.float32, np.float64, np.int8]))
@settings(max_examples=60, deadline=None)
def test_max_pool_finds_the_first_of_the_largest(case, storage_order, dtype):
    sizes, window = case
    x = np.random.default_rng(1).integers(-3, 4, (2, 2, *sizes)).astype(dtype)      # few values: many equals
    y, indices = run("MaxPool", x, n_outputs=2, storage_order=int(storage_order), ceil_mode=window.ceil_mode,
                     **window.attributes)
    np.testing.assert_array_equal(y, run("MaxPool", x, ceil_mode=window.ceil_mode, **window.attributes))
    for place, inside, _ in each_window(x, window):
        if inside:                          # a dilated window may read padding alone
            value, at = max(inside, key=lambda e: e[0])
            order = at if not storage_order else (*at[:2], *at[:1:-1])
            shape = x.shape if not storage_order else (*x.shape[:2], *x.shape[:1:-1])
            assert (y[place], indices[place]) == (value, np.ravel_multi_index(order, shape)), place


@given(windows(ceil_mode=True, most_axes=3), st.booleans())
@settings(max_examples=60, deadline=None)
def test_average_pool_divides_by_what_counts(case, count_include_pad):
    sizes, window = case
    x = np.random.default_rng(2).normal(size=(1, 2, *sizes))
    y = run("AveragePool", x, ceil_mode=window.ceil_mode, count_include_pad=int(count_include_pad),
            **window.attributes)
    for place, inside, padded in each_window(x, window):
        count = padded if count_include_pad else len(inside)
        np.testing.assert_allclose(y[place], sum(v for v, _ in inside) / max(count, 1), atol=1e-12)


@given(windows(), st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_lp_pool_is_a_norm(case, p):
    sizes, window = case
    x = np.random.default_rng(3).normal(size=(1, 2, *sizes))
    y = run("LpPool", x, p=p, **window.attributes)
    for place, inside, _ in each_window(x, window):
        np.testing.assert_allclose(y[place], sum(abs(v)**p for v, _ in inside)**(1 / p), atol=1e-12)


@pytest.mark.parametrize("auto_pad", ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("op_type", ["MaxPool", "AveragePool", "LpPool"])
@pytest.mark.parametrize("ceil_mode", [0, 1])
def test_sizes_as_onnxruntime_has_them(op_type, auto_pad, ceil_mode):
    for size in range(3, 9):
        x = np.random.default_rng(4).normal(size=(1, 2, size, 7)).astype(np.float32)
        agrees_with_onnxruntime(op_type, x, opset=22, kernel_shape=[3, 2], strides=[2, 2], auto_pad=auto_pad,
                                ceil_mode=ceil_mode, atol=1e-5)


def test_a_last_window_does_not_start_in_the_padding():
    # pads of 1 before: windows of 2 at -1, 1, 3; one at 5 would begin behind the five elements
    attributes = dict(kernel_shape=[2], strides=[2], pads=[1, 1], ceil_mode=1)
    assert infer("MaxPool", spec(1, 1, 5), **attributes)[0].shape[2] == 3
    assert infer("MaxPool", spec(1, 1, 6), **attributes)[0].shape[2] == 4


def test_not_a_number_is_the_largest():
    x = np.float32([1, np.nan, 3, -np.inf, -np.inf]).reshape(1, 1, 5)
    y, indices = run("MaxPool", x, kernel_shape=[2], n_outputs=2)
    np.testing.assert_array_equal(y[0, 0], [np.nan, np.nan, 3, -np.inf])
    assert indices[0, 0].tolist() == [1, 1, 2, 3]


def test_whole_pictures():
    x = np.arange(24, dtype=np.float16).reshape(1, 2, 3, 4) * 100
    np.testing.assert_array_equal(run("GlobalAveragePool", x)[0, :, 0, 0], np.float16([550, 1750]))
    np.testing.assert_array_equal(run("GlobalMaxPool", x)[0, :, 0, 0], np.float16([1100, 2300]))
    assert run("GlobalLpPool", np.full((1, 1, 2, 2), 3.0), p=1).tolist() == [[[[12]]]]
    refuses("at least 3", "GlobalMaxPool", np.zeros((2, 3), np.float32))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 9])
def test_lrn_sums_over_neighbouring_channels(size):
    x = np.random.default_rng(5).normal(size=(2, 4, 3))
    y = run("LRN", x, size=size, alpha=0.3, beta=0.6, bias=2.0)
    for c in range(4):
        squares = (x[:, max(0, c - (size - 1) // 2):c + size // 2 + 1]**2).sum(1)
        np.testing.assert_allclose(y[:, c], x[:, c] / (2 + 0.3 / size * squares)**0.6, atol=1e-12)
    refuses("size 0", "LRN", x, size=0)


def test_attributes_out_of_range_are_refused():
    x = np.zeros((1, 2, 5, 5), np.float32)
    refuses("kernel_shape is [3]", "MaxPool", x, kernel_shape=[3])
    refuses("kernel_shape is [0, 1]", "AveragePool", x, kernel_shape=[0, 1])
    refuses("p 0", "LpPool", x, kernel_shape=[1, 1], p=0)
    refuses("int64; it has to be float", "AveragePool", x.astype(np.int64), kernel_shape=[1, 1])
    refuses("GiB", "MaxPool", x, kernel_shape=[1, 1], pads=[10**9] * 4, error=LimitError)
