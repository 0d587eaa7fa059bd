"""Convolutions of few output channels: where `conv_few` runs them, and what it takes along."""
import numpy as np
import pytest

from cinfer import _ops

import plan_cases
from plan_cases import Cases

CASES = Cases()
case = CASES.add


def body(m, n, c, h, w):
    """A blocked value."""
    return m.Relu(m.conv(m.input("x", n, 3, h, w), 3, c, 3))


for ic, oc, k, s, d in [(64, 3, 9, 1, 1), (32, 1, 1, 1, 1), (24, 2, 3, 2, 1), (9, 3, 5, 1, 2),
                        (40, 6, 3, 1, 1), (16, 1, 7, 3, 1)]:
    @case(f"conv ic={ic} oc={oc} k={k} s={s} d={d}", ic=ic, oc=oc, k=k, s=s, d=d)
    def conv(m, ic, oc, k, s, d):
        return m.conv(body(m, 2, ic, 19, 22), ic, oc, k, strides=[s, s], dilations=[d, d],
                      pads=[d * (k // 2)] * 4)


@case()
def input_in_plain_memory(m):
    return m.Tanh(m.conv(m.input("x", 1, 48, 9, 35), 48, 3, 5))


@case()
def conv_1d(m):
    x = m.Relu(m.Conv(m.input("x", 2, 20, 131), m.weights(24, 20, 5), m.vector(24), pads=[2, 2]))
    return m.Sigmoid(m.Conv(x, m.weights(2, 24, 3), m.vector(2), pads=[1, 1], strides=[2]))


for act, attributes in [("Clip", {}), ("LeakyRelu", {"alpha": 0.2}), ("Sigmoid", {}), ("HardSwish", {}),
                        ("PRelu", {}), ("Softplus", {})]:
    @case(f"activation {act}", opset=18, act=act, attributes=attributes)
    def activation(m, act, attributes):
        y = m.conv(body(m, 1, 17, 15, 16), 17, 3, 3)
        more = {"Clip": [np.float32(-0.5), np.float32(0.75)], "PRelu": [m.vector(3, 1, 1)]}.get(act, [])
        return m.node(act, y, *more, **attributes)


@case()
def residual_of_an_input(m):
    y = m.conv(body(m, 2, 32, 12, 13), 32, 3, 3)
    return m.Clip(m.Add(y, m.input("image", 2, 3, 12, 13)), np.float32(0), np.float32(1))


@case()
def sum_of_two_heads(m):
    x = body(m, 1, 32, 12, 13)
    return m.Relu(m.Add(m.conv(x, 32, 3, 3), m.conv(x, 32, 3)))


@case()
def sum_with_a_blocked_value(m):
    x = body(m, 1, 32, 12, 13)
    return m.Add(m.conv(x, 32, 1), x), m.Mul(x, m.Sigmoid(m.conv(x, 32, 1)))


@case()
def scaled_and_shifted(m):
    y = m.conv(body(m, 1, 32, 12, 13), 32, 3, 3)
    return m.Add(m.Mul(y, np.float32(127.5)), m.vector(3, 1, 1))


@case()
def followed_by_depth_to_space(m):
    return m.DepthToSpace(m.conv(body(m, 1, 32, 12, 13), 32, 4, 3), blocksize=2)


@case()
def followed_by_resize_and_conv(m):
    y = m.Sigmoid(m.conv(body(m, 1, 32, 6, 7), 32, 1))
    y = m.Resize(y, None, np.array([1, 1, 2, 2], np.float32), mode="linear")
    return y, m.conv(y, 1, 17, 3)


@case()
def followed_by_a_stem(m):
    return m.conv(m.Relu(m.conv(body(m, 1, 32, 12, 13), 32, 2, 3)), 2, 20, 3)


@case()
def followed_by_softmax_and_argmax(m):
    y = m.conv(body(m, 1, 32, 12, 13), 32, 3, 3)
    return m.Softmax(y, axis=1), m.ReduceMean(y, axes=[1], keepdims=1)


for channels, act in [(1, True), (2, True), (4, False)]:
    @case(f"channels last of {channels}, activation {act}", channels=channels, act=act)
    def channels_last(m, channels, act):
        y = m.Transpose(m.conv(body(m, 2, 32, 6, 7), 32, channels, 3), perm=[0, 2, 3, 1])
        return m.Sigmoid(y) if act else m.Reshape(y, np.array([2, -1, 2]))


@case()
def channels_last_after_an_activation(m):
    y = m.Transpose(m.Relu(m.conv(body(m, 2, 32, 6, 7), 32, 2, 3)), perm=[0, 2, 3, 1])
    return m.Sigmoid(y)


@case()
def channels_last_is_not_all(m):
    y = m.conv(body(m, 2, 32, 6, 7), 32, 2, 3)
    return m.Transpose(y, perm=[0, 2, 3, 1]), m.Transpose(m.Relu(y), perm=[0, 3, 1, 2])


for ic, oc, k, s, p, extra in [(16, 1, 2, 2, 0, 0), (64, 3, 4, 2, 1, 0), (24, 2, 3, 2, 1, 1),
                               (33, 3, 3, 3, 0, 0), (20, 1, 3, 1, 1, 0), (40, 4, 2, 2, 0, 0),
                               (16, 2, 4, 4, 1, 0)]:
    @case(f"transposed ic={ic} oc={oc} k={k} s={s} p={p} output_padding={extra}", ic=ic, oc=oc, k=k, s=s, p=p,
          extra=extra)
    def transposed(m, ic, oc, k, s, p, extra):
        x = body(m, 2, ic, 11, 13)
        y = m.ConvTranspose(x, m.weights(ic, oc, k, k), m.vector(oc), kernel_shape=[k, k], strides=[s, s],
                            pads=[p] * 4, output_padding=[extra, extra])
        return m.PRelu(y, m.vector(oc, 1, 1))


@case()
def transposed_to_channels_last(m):
    y = m.ConvTranspose(body(m, 1, 16, 11, 13), m.weights(16, 2, 2, 2), m.vector(2), strides=[2, 2])
    return m.Sigmoid(m.Transpose(y, perm=[0, 2, 3, 1]))


@case()
def transposed_1d(m):
    x = m.Relu(m.Conv(m.input("x", 2, 20, 31), m.weights(24, 20, 5), m.vector(24), pads=[2, 2]))
    return m.ConvTranspose(x, m.weights(24, 1, 4), m.vector(1), strides=[2], pads=[1, 1])


@pytest.mark.parametrize("isa", _ops.usable_levels())
@pytest.mark.parametrize("name", CASES)
def test_answers_are_onnxruntimes(name, isa):
    CASES.check(name, isa)


def steps(build, *shape) -> list[str]:
    """Those behind a convolution to 32 channels."""
    return plan_cases.steps(lambda m, x: build(m, m.Relu(m.conv(x, shape[1], 32))), *shape)[2:]


def head(m, x, oc=3, k=3):
    return m.conv(x, 32, oc, k)


@pytest.mark.parametrize("build", [
    lambda m, x: m.Tanh(head(m, x)),
    lambda m, x: head(m, x, 1, 1),
    lambda m, x: m.Sigmoid(m.Transpose(head(m, x), perm=[0, 2, 3, 1])),
    lambda m, x: m.Sigmoid(m.ConvTranspose(x, m.weights(32, 2, 2, 2), m.vector(2), strides=[2, 2])),
    lambda m, x: m.ConvTranspose(x, m.weights(32, 3, 4, 4), m.vector(3), strides=[2, 2], pads=[1] * 4),
], ids=["tanh", "1x1", "channels last", "transposed, joined", "transposed"])
def test_a_head_is_one_step(build):
    assert steps(build, 1, 32, 8, 8) == ["conv_few"]


def stored(m, x, scale=.05):
    """Its bytes as floats, of another scale."""
    return m.DequantizeLinear(m.QuantizeLinear(x, np.float32(scale), np.uint8(128)), np.float32(.1), np.uint8(128))


@pytest.mark.parametrize("build, more", [
    (stored, ["convert"]),
    (lambda m, x: stored(m, m.Transpose(x, perm=[0, 2, 3, 1])), ["convert"]),
    (lambda m, x: stored(m, m.Sigmoid(stored(m, x)), .01), ["look_up_u8", "convert"]),
    (lambda m, x: m.Transpose(stored(m, x)), ["convert", "map"]),
], ids=["floats", "channels last", "a table", "another order"])
def test_a_head_that_is_quantised_is_written_as_it_is_wanted(build, more):
    """Not in blocks of which all channels but one are nothing."""
    labels = steps(lambda m, x: build(m, m.ConvTranspose(x, m.weights(32, 1, 2, 2), strides=[2, 2])), 1, 32, 8, 8)
    assert labels == ["conv_few", "convert", *more]


@pytest.mark.parametrize("build", [
    lambda m, x: m.MaxPool(stored(m, head(m, x)), kernel_shape=[2, 2]),
    lambda m, x: head(m, x, 16),
    lambda m, x: head(m, x, 13, 1),
    lambda m, x: m.Transpose(head(m, x, 17), perm=[0, 2, 3, 1]),
    lambda m, x: m.conv(head(m, x, 8), 8, 16),
    lambda m, x: m.MaxPool(head(m, x), kernel_shape=[2, 2]),
    lambda m, x: m.Mul(head(m, x, 1), x),
    lambda m, x: m.Concat(head(m, x), x, axis=1),
], ids=["bytes", "block", "many", "more", "conv", "pool", "mask", "concat"])
def test_blocked_where_blocks_are_full_or_wanted(build):
    assert "conv_few" not in steps(build, 1, 32, 8, 8)


@pytest.mark.parametrize("ic,oc,few", [(8, 6, True), (64, 15, False)])
@pytest.mark.parametrize("isa", _ops.usable_levels())
def test_lanes_and_sums_are_weighed(monkeypatch, isa, ic, oc, few):
    monkeypatch.setenv("CINFER_ISA", isa)
    labels = plan_cases.steps(lambda m, x: m.conv(m.Relu(m.conv(x, 32, ic)), ic, oc, 3), 1, 32, 8, 8)
    assert ("conv_few" in labels) == few


def test_a_long_chain_of_functions_is_planned():
    def build(m, x):
        y = head(m, x)
        for _ in range(3000):
            y = m.Tanh(y)
        return y
    assert len(steps(build, 1, 32, 4, 4)) == 3000 + 1
