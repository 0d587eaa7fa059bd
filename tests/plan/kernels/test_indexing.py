"""ArgMax, ArgMin, TopK and OneHot."""
import numpy as np
import pytest

from cinfer import _ops

from onnx_models import by_numpy
from plan_cases import Cases

CASES = Cases()
case = CASES.add


for axis, more in [(0, {}), (1, {"keepdims": 0}), (-1, {"select_last_index": 1}), (2, {"keepdims": 0})]:
    @case(f"place of an extreme, axis={axis} {more}", dtype=np.int64, axis=axis, more=more)
    def extremes(m, axis, more):
        x = m.Round(m.input("x", 3, 18, 5, 6))              # of equal numbers, one is to be found
        small = m.Cast(m.MaxPool(x, kernel_shape=[1, 1]), to=3)
        turned = m.Transpose(x, perm=[2, 0, 3, 1])
        return (m.ArgMax(x, axis=axis, **more), m.ArgMin(turned, axis=axis, **more),
                m.ArgMax(small, axis=axis, **more))


@case(dtype=np.int64)
def argmax_of_many_pixels(m):
    x = m.input("x", 1, 5, 90, 110)
    return m.ArgMax(x, axis=1), m.ArgMin(m.Transpose(x, perm=[0, 2, 3, 1]), axis=-1)


@case(dtype=np.int64)
def argmax_of_blocked_channels(m):
    return m.ArgMax(m.Softmax(m.conv(m.input("x", 2, 3, 4, 5), 3, 19), axis=1), axis=1, keepdims=0)


for axis, k, largest in [(-1, 3, 1), (0, 2, 1), (1, 18, 0), (2, 1, 0)]:
    @case(f"top_k axis={axis} k={k} largest={largest}", axis=axis, k=k, largest=largest)
    def top_k(m, axis, k, largest):
        x = m.input("x", 3, 18, 5, 6)
        v, i = m.node("TopK", m.Round(x), np.array([k]), axis=axis, largest=largest, n=2)
        w, j = m.node("TopK", m.Transpose(x, perm=[2, 0, 3, 1]), np.array([k % 5 + 1]), n=2)
        return v, w, m.Cast(i, to=1), m.Cast(j, to=1), m.conv(m.Reshape(w, np.array([1, 3, 5, -1])), 3, 16)


@case(opset=9)
def top_k_by_attribute(m):
    v, i = m.node("TopK", m.input("x", 2, 50), k=7, n=2)
    return v, m.Cast(i, to=1)


@case(dtype=np.int64)
def top_k_of_which_only_the_places_are_read(m):
    return m.node("TopK", m.input("x", 2, 500), np.array([9]), n=2)[1]


for dtype in (np.int64, np.float64):
    @case(f"order of {dtype.__name__}", dtype=np.int64, dtype_of_x=dtype)
    def order_of_eight_bytes(m, dtype_of_x):
        x = m.input("x", 2, 50, 3, dtype=dtype_of_x)
        v, i = m.node("TopK", m.Transpose(x, perm=[2, 0, 1]), np.array([3]), n=2)
        w, j = m.node("TopK", x, np.array([2]), axis=0, largest=0, n=2)
        return m.Cast(v, to=7), i, m.Cast(w, to=7), j


for dtype in ("int64", "uint64", "uint32", "float64"):
    @case(f"places in {dtype}", dtype=np.int64, oracle=by_numpy, dtype_of_x=dtype)
    def places_in_other_types(m, dtype_of_x):
        x = m.input("x", 2, 50, 3, dtype=dtype_of_x)
        return (m.ArgMax(x, axis=1), m.ArgMin(x, axis=1, select_last_index=1, keepdims=0),
                m.ArgMax(x, axis=-1, select_last_index=1), m.ArgMin(m.Transpose(x, perm=[2, 0, 1]), axis=-1))


for axis in (-1, 0, 1, 2, -3):
    @case(f"one hot along {axis}", opset=13, axis=axis)
    def one_hot(m, axis):
        x = m.input("x", 3, 70, dtype=np.int64)
        return (m.OneHot(x, np.array(7), np.float32([2, 5]), axis=axis),
                m.OneHot(m.Transpose(m.Sub(x, np.array(4)), perm=[1, 0]), np.array([3]), np.float32([0, 1]), axis=axis),
                m.OneHot(m.Cast(x, to=1), np.float32(6), np.float32([0, 1]), axis=axis))


@case(opset=13, dtype=np.int64, oracle=by_numpy)
def one_hot_of_what_the_run_computes(m):
    x, v = m.input("x", 2, 1, 3, 5), m.input("v", 2, dtype=np.int64)
    turned = m.Slice(v, np.array([1]), np.array([-5]), np.array([0]), np.array([-1]))
    return (m.OneHot(m.conv(x, 1, 3), np.array(4), turned, axis=2),
            m.OneHot(m.ArgMax(x, axis=3), np.array(5), v), m.OneHot(m.input("s", dtype=np.int32), np.array(12), v))


@pytest.mark.parametrize("isa", _ops.usable_levels())
@pytest.mark.parametrize("name", CASES)
def test_answers_are_onnxruntimes(name, isa):
    CASES.check(name, isa)
