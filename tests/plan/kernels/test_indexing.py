"""ArgMax, ArgMin and TopK."""
import numpy as np
import pytest

from cinfer import _ops

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


@case(numpy=2, dtype=np.int64)
def order_of_int64_in_numpy(m):
    x = m.input("x", 2, 50, dtype=np.int64)
    return m.ArgMax(x, axis=1), *m.node("TopK", x, np.array([3]), n=2)


@pytest.mark.parametrize("isa", _ops.usable_levels())
@pytest.mark.parametrize("name", CASES)
def test_answers_are_onnxruntimes(name, isa):
    CASES.check(name, isa)
