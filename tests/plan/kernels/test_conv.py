"""Convolutions of all kinds, and what they take into their epilogue."""
import numpy as np
import pytest

import cinfer
from cinfer import _ops

from onnx_models import Model
from plan_cases import Cases

CASES = Cases()
case = CASES.add


@case()
def conv_relu_residual(m):
    x = m.input("x", 1, 3, 13, 11)
    a = m.Relu(m.conv(x, 3, 32, 3, strides=[2, 2]))
    b = m.conv(m.Relu(m.conv(a, 32, 16)), 16, 32, 3)
    c = m.Relu(m.Add(b, a))
    return m.Relu(m.Add(c, m.conv(c, 32, 32, 3)))


@case()
def conv_whose_sum_is_wanted_too(m):
    x = m.input("x", 1, 16, 6, 6)
    a = m.conv(x, 16, 24, 3)
    s = m.Add(a, m.conv(x, 16, 24))
    return a, s, m.Relu(s)


@case()
def conv_added_to_itself(m):
    a = m.conv(m.input("x", 1, 16, 5, 5), 16, 16)
    return m.Relu(m.Add(a, a))


@case()
def residual_of_an_input_and_of_a_constant(m):
    x = m.input("x", 2, 20, 5, 7)
    a = m.Add(m.conv(x, 20, 20, 3), x)
    return m.Add(m.conv(a, 20, 20), m.vector(2, 20, 5, 7))


@case()
def residual_that_is_broadcast(m):
    x = m.input("x", 2, 20, 5, 7)
    return m.Relu(m.Add(m.conv(x, 20, 20, 3), m.GlobalAveragePool(x)))


@case()
def activation_before_residual(m):
    x = m.input("x", 1, 16, 9, 9)
    return m.Add(m.HardSwish(m.conv(x, 16, 16, 3)), x)


@case()
def squeeze_and_excite(m):
    x = m.input("x", 2, 24, 7, 7)
    s = m.Relu(m.conv(m.GlobalAveragePool(x), 24, 6))
    return m.Mul(x, m.HardSigmoid(m.conv(s, 6, 24), alpha=1 / 6, beta=0.5))


for act, attributes in [("Clip", {}), ("LeakyRelu", {"alpha": 0.2}), ("Sigmoid", {}), ("Tanh", {}),
                        ("HardSwish", {}), ("Elu", {}), ("PRelu", {}), ("Mish", {}), ("Abs", {}),
                        ("Softplus", {})]:
    @case(f"conv_{act}", opset=18, act=act, attributes=attributes)
    def conv_activation(m, act, attributes):
        y = m.conv(m.input("x", 1, 17, 5, 6), 17, 33, 3)
        more = {"Clip": [np.float32(-0.5), np.float32(0.75)], "PRelu": [m.vector(33, 1, 1)]}.get(act, [])
        return m.node(act, y, *more, **attributes)


for ic, oc, k, s, d, group in [(1, 1, 1, 1, 1, 1), (3, 33, 7, 2, 1, 1), (15, 17, 3, 2, 1, 1),
                               (16, 16, 3, 1, 1, 1), (64, 64, 3, 1, 1, 1), (17, 48, 1, 1, 1, 1),
                               (17, 8, 5, 1, 2, 1), (48, 16, 1, 2, 1, 1), (32, 32, 3, 1, 1, 2),
                               (24, 36, 3, 1, 1, 3), (40, 40, 3, 2, 1, 5), (8, 16, 3, 1, 1, 8),
                               (64, 32, 1, 1, 1, 4)]:
    @case(f"conv ic={ic} oc={oc} k={k} s={s} d={d} group={group}", ic=ic, oc=oc, k=k, s=s, d=d, group=group)
    def conv(m, ic, oc, k, s, d, group):
        x, pads = m.input("x", 2, ic, 12, 13), [d * (k // 2)] * 4
        return m.Relu(m.conv(x, ic, oc, k, strides=[s, s], dilations=[d, d], group=group, pads=pads))


@case()
def conv_of_uneven_window(m):
    x = m.input("x", 1, 18, 9, 12)
    return m.Conv(x, m.weights(20, 18, 1, 5), kernel_shape=[1, 5], pads=[0, 3, 1, 0], strides=[2, 1],
                  dilations=[1, 2])


for auto_pad in ("SAME_UPPER", "SAME_LOWER", "VALID"):
    @case(f"conv_{auto_pad}", auto_pad=auto_pad)
    def conv_auto_pad(m, auto_pad):
        x = m.input("x", 1, 16, 8, 9)
        return m.Conv(x, m.weights(16, 16, 4, 4), kernel_shape=[4, 4], auto_pad=auto_pad, strides=[2, 1])


@case()
def conv_1d(m):
    x = m.Relu(m.Conv(m.input("x", 2, 20, 31), m.weights(24, 20, 5), m.vector(24), pads=[2, 2], strides=[2]))
    return m.MaxPool(x, kernel_shape=[3], strides=[2])


@case(numpy=1)
def conv_3d(m):
    return m.Conv(m.input("x", 1, 2, 4, 5, 6), m.weights(3, 2, 3, 3, 3), pads=[1] * 6)


@case(numpy=1)
def conv_with_computed_weights(m):
    x, w = m.input("x", 1, 4, 6, 6), m.input("w", 8, 4, 3, 3)
    return m.Relu(m.Conv(x, w, pads=[1] * 4))


for c, k, s, d in [(16, 3, 1, 1), (24, 3, 2, 1), (33, 5, 1, 1), (7, 3, 1, 2), (32, 3, 1, 4), (17, 7, 2, 1)]:
    @case(f"depthwise c={c} k={k} s={s} d={d}", c=c, k=k, s=s, d=d)
    def depthwise(m, c, k, s, d):
        x = m.Clip(m.conv(m.input("x", 2, 3, 14, 15), 3, c), np.float32(0), np.float32(6))
        y = m.conv(x, c, c, k, group=c, strides=[s, s], dilations=[d, d], pads=[d * (k // 2)] * 4)
        return m.conv(m.Clip(y, np.float32(0), np.float32(6)), c, 16)


@case()
def depthwise_multiplier_two(m):
    """Two outputs of each channel are a grouped convolution."""
    return m.conv(m.input("x", 1, 16, 6, 6), 16, 32, 3, group=16)


for name, shape, view in [
        ("every other channel", (1, 64, 1, 1),
         lambda m, x: m.Slice(x, *map(np.array, ([0], [64], [1], [2])))),
        ("turned", (32, 2, 1, 1), lambda m, x: m.Transpose(x, perm=[1, 0, 2, 3])),
        ("channels last", (2, 1, 1, 32), lambda m, x: m.Transpose(x, perm=[0, 3, 1, 2])),
        ("one of many", (2, 32, 1, 5), lambda m, x: m.Slice(x, *map(np.array, ([2], [3], [3])))),
        ("one channel", (1, 1, 1, 1), lambda m, x: m.Expand(x, np.array([1, 32, 1, 1])))]:
    @case(f"conv of a pixel, {name}", shape=shape, view=view)
    def conv_of_a_pixel(m, shape, view):
        return m.Relu(m.conv(view(m, m.input("x", *shape)), 32, 20))


for group in (1, 20):
    @case(f"conv of a pixel, then of the zeros around it, group={group}", group=group)
    def conv_of_a_pixel_and_a_window(m, group):
        pixel = m.Relu(m.conv(m.input("x", 2, 32, 1, 1), 32, 20))
        return m.conv(pixel, 20, 40 if group == 1 else 20, 3, group=group)


@case()
def conv_of_a_value_known_from_shapes(m):
    """The picture is the same for all runs of a shape, and larger than what is folded."""
    x = m.input("x", 1, 8, 150, 150, declared=(1, 8, "h", "w"))
    ramp = m.Expand(m.vector(1, 8, 1, 150), m.Shape(x))
    return m.Conv(ramp, m.weights(24, 8, 3, 3), pads=[2] * 4)


@pytest.mark.parametrize("isa", _ops.usable_levels())
@pytest.mark.parametrize("name", CASES)
def test_answers_are_onnxruntimes(name, isa):
    CASES.check(name, isa)


@pytest.mark.parametrize("isa", _ops.usable_levels())
def test_identity_as_a_convolution(isa):
    m = Model()
    x = m.input("x", 1, 16, 2, 2)
    data = m.outputs(m.Conv(x, np.eye(16, dtype=np.float32).reshape(16, 16, 1, 1))).bytes()
    given = np.arange(64, dtype=np.float32).reshape(1, 16, 2, 2)
    assert np.array_equal(cinfer.load(data, threads=1, isa=isa).run(None, {"x": given})[0], given)
