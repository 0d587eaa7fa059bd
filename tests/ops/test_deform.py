"""DeformConv, MaxUnpool, Det, against the definitions written number by number."""
from itertools import product
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_node import needs_value, refuses, run, spec
from other_opinions import onnxruntime_answers

import backend_cases


@pytest.mark.parametrize("case", backend_cases.of("DeformConv", "MaxUnpool", "Det"))
def test_backend_case(case):
    backend_cases.check(case)


def pixel(x, place):
    """Linear interpolation in x; beyond it lie zeros."""
    total = 0.0
    for corner in product((0, 1), repeat=x.ndim):
        at = [floor(p) + c for p, c in zip(place, corner)]
        if all(0 <= i < size for i, size in zip(at, x.shape)):
            weight = 1.0
            for p, i in zip(place, at):
                weight *= 1 - abs(p - i)
            total += weight * x[tuple(at)]
    return total


def naive_deform(x, w, offset, b, mask, group, offset_group, strides, pads, dilations):
    axes = x.ndim - 2
    outs = [(x.shape[2 + i] + pads[i] + pads[axes + i] - (w.shape[2 + i] - 1) * dilations[i] - 1)
            // strides[i] + 1 for i in range(axes)]
    y = np.zeros((x.shape[0], w.shape[0], *outs))
    taps = list(np.ndindex(w.shape[2:]))
    for n, m, *out in np.ndindex(y.shape):
        for c in range(w.shape[1]):
            channel = m // (w.shape[0] // group) * w.shape[1] + c
            og = channel // (x.shape[1] // offset_group)
            for number, tap in enumerate(taps):
                first = (og * len(taps) + number) * axes
                place = [out[i] * strides[i] - pads[i] + tap[i] * dilations[i] + offset[(n, first + i, *out)]
                         for i in range(axes)]
                factor = 1 if mask is None else mask[(n, og * len(taps) + number, *out)]
                y[(n, m, *out)] += pixel(x[n, channel], place) * w[(m, c, *tap)] * factor
        y[(n, m, *out)] += 0 if b is None else b[m]
    return y


@st.composite
def deformed(draw, axes):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    group, offset_group = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    n, channels, m = draw(st.integers(1, 2)), 2 * draw(st.integers(1, 2)), group * draw(st.integers(1, 2))
    kernel = [draw(st.integers(1, 2)) for _ in range(axes)]
    strides, dilations = ([draw(st.integers(1, 2)) for _ in range(axes)] for _ in range(2))
    pads = [draw(st.integers(0, 1)) for _ in range(2 * axes)]
    sizes = [(k - 1) * d + 1 + draw(st.integers(0, 2)) for k, d in zip(kernel, dilations)]
    outs = [(sizes[i] + pads[i] + pads[axes + i] - (kernel[i] - 1) * dilations[i] - 1) // strides[i] + 1
            for i in range(axes)]
    taps = offset_group * int(np.prod(kernel))

    def numbers(*shape):
        return rng.standard_normal(shape).astype(np.float32)
    return (numbers(n, channels, *sizes), numbers(m, channels // group, *kernel),
            2 * numbers(n, taps * axes, *outs), numbers(m) if draw(st.booleans()) else None,
            numbers(n, taps, *outs) if draw(st.booleans()) else None,
            dict(group=group, offset_group=offset_group, strides=strides, pads=pads, dilations=dilations))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3).flatmap(deformed))
def test_any_deform_conv(case):
    *inputs, attributes = case
    y = run("DeformConv", *inputs, **attributes)
    np.testing.assert_allclose(y, naive_deform(*inputs, **attributes), rtol=1e-4, atol=1e-4)


@settings(max_examples=15, deadline=None)
@given(deformed(2))
def test_onnxruntime_deforms_alike(case):
    *inputs, attributes = case
    theirs, = onnxruntime_answers("DeformConv", *inputs, opset=19, **attributes)
    np.testing.assert_allclose(run("DeformConv", *inputs, **attributes), theirs, rtol=1e-4, atol=1e-4)


def test_offsets_that_are_no_places():
    x, w = np.ones((1, 1, 2, 2), np.float32), np.ones((1, 1, 1, 1), np.float32)
    offset = np.array([np.nan, np.inf, -np.inf, 1e30, 0, 0, 0, 0], np.float32).reshape(1, 2, 2, 2)
    np.testing.assert_array_equal(run("DeformConv", x, w, offset), np.zeros((1, 1, 2, 2)))


def test_deform_conv_in_pieces(monkeypatch):
    """However few windows are looked at at a time."""
    rng = np.random.default_rng(3)
    x, w, offset = (rng.standard_normal(shape).astype(np.float32)
                    for shape in ((2, 4, 7, 6), (2, 4, 3, 3), (2, 18, 5, 4)))
    whole = run("DeformConv", x, w, offset)
    monkeypatch.setattr("cinfer.ops.deform.COLUMN_BYTES", 5000)
    np.testing.assert_allclose(run("DeformConv", x, w, offset), whole, rtol=1e-5, atol=1e-5)


def test_deform_conv_refuses():
    x, w, offset = (np.zeros(s, np.float32) for s in ((1, 2, 3, 3), (1, 2, 2, 2), (1, 8, 2, 2)))
    refuses("offset has shape", "DeformConv", x, w, offset[:, :7])
    refuses("mask has shape", "DeformConv", x, w, offset, None, offset)
    refuses("has to divide", "DeformConv", x, w, offset, offset_group=3)
    refuses("of one type", "DeformConv", x, w, offset.astype(np.float64))


def test_max_unpool_undoes_max_pool():
    rng = np.random.default_rng(0)
    x = rng.permutation(2 * 3 * 6 * 4).reshape(2, 3, 6, 4).astype(np.float32) + 1
    where = dict(kernel_shape=[2, 2], strides=[2, 2])
    y, indices = run("MaxPool", x, n_outputs=2, **where)
    back = run("MaxUnpool", y, indices, **where)
    np.testing.assert_array_equal(back, np.where(np.isin(x, y), x, 0))
    larger = run("MaxUnpool", y, indices, np.array([2, 3, 7, 5]), **where)
    np.testing.assert_array_equal(larger[:, :, :6, :4], back)
    assert larger.sum() == back.sum()
    theirs, = onnxruntime_answers("MaxUnpool", y, indices, opset=11, **where)
    np.testing.assert_array_equal(back, theirs)


def test_max_unpool_refuses():
    x, indices = np.zeros((1, 1, 2, 2), np.float32), np.zeros((1, 1, 2, 2), np.int64)
    where = dict(kernel_shape=[2, 2], strides=[2, 2])
    refuses("has to be at least [1, 1, 4, 4]", "MaxUnpool", x, indices, np.array([1, 1, 3, 4]), **where)
    refuses("has to be at least [1, 1, 4, 4]", "MaxUnpool", x, indices, np.array([1, 2, 4, 4]), **where)
    refuses("indices has shape", "MaxUnpool", x, indices[..., :1], **where)
    needs_value("MaxUnpool", spec(1, 1, 2, 2), spec(1, 1, 2, 2, dtype=np.int64), spec(4, dtype=np.int64),
                **where)
    for index in (-1, 16):
        with pytest.raises(ValueError, match="allowed is 0 to 15"):
            run("MaxUnpool", x, indices + index, **where)


def leibniz(a):
    """The determinant as the sum over permutations."""
    if not len(a):
        return 1.0
    return sum((-1)**j * a[0, j] * leibniz(np.delete(a[1:], j, 1)) for j in range(len(a)))


@pytest.mark.parametrize("shape", ((0, 0), (1, 1), (3, 3), (2, 4, 4), (2, 0, 3, 3), (0, 2, 2)))
def test_determinant(shape):
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    expected = np.array([leibniz(a) for a in x.astype(np.float64).reshape(-1, *shape[-2:])]) if x.size else \
        np.ones(shape[:-2])
    np.testing.assert_allclose(run("Det", x), expected.reshape(shape[:-2]), rtol=1e-4, atol=1e-6)


def test_determinant_refuses():
    refuses("a square matrix", "Det", np.zeros((2, 3), np.float32))
    refuses("has to be float", "Det", np.zeros((2, 2), np.int64))
