"""Convolutions of bytes of every kind, by all their attributes, against onnxruntime, not optimised: equal, for scales
are powers of two and sums are so small that float32 holds them. And a network of volumes as a whole."""
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import cinfer
from cinfer import _ops

from onnx_models import Model, by_numpy, expected

LEVELS = _ops.usable_levels()
KERNELS = {"conv_u8", "depthwise_u8", "winograd_u8"}
MOVES = {"convert", "fill_halo", "map"}                     # of anything
F32, U8, S8 = np.float32, np.uint8, np.int8
X, Y = F32(1 / 32), F32(1 / 2)
PADS = ["none", "sides", "SAME_UPPER", "SAME_LOWER", "VALID"]


class Case:
    """Attributes, weights and sizes that are drawn. transposed : of a ConvTranspose"""

    def __init__(self, draw, transposed: bool = False):
        axes = draw(st.integers(1, 3))
        along = st.tuples
        self.groups, ic, oc = draw(st.sampled_from([
            (1, 3, 7), (1, 5, 33), (1, 20, 16), (4, 3, 5), (2, 16, 24), (5, 1, 1), (24, 1, 1), (6, 1, 3)]))
        self.kernel = draw(along(*[st.integers(1, 3)] * axes))
        strides, dilations = (draw(along(*[st.integers(1, most)] * axes)) for most in (3, 2))
        self.size = draw(along(*[st.integers(3, 7)] * axes))
        self.how = dict(strides=strides, dilations=dilations, group=self.groups)
        pads = draw(st.sampled_from(PADS))
        if pads == "sides":
            self.how["pads"] = draw(along(*[st.integers(0, 2)] * 2 * axes))
        elif pads != "none" and max(dilations) == 1:        # onnxruntime refuses both
            self.how["auto_pad"] = pads
        if transposed and draw(st.booleans()):
            self.how["output_padding"] = [draw(st.integers(0, s - 1)) for s in strides]
        self.x_type, self.w_type = draw(st.sampled_from([U8, U8, S8])), draw(st.sampled_from([U8, S8]))
        self.n, self.rng = draw(st.integers(1, 2)), np.random.default_rng(draw(st.integers(0, 1 << 20)))
        self.shape = (ic * self.groups, oc, *self.kernel) if transposed else (oc * self.groups, ic, *self.kernel)
        self.ic, self.oc, self.axis = ic * self.groups, oc * self.groups, int(transposed)
        self.per_channel = draw(st.booleans()) and not (transposed and self.groups > 1)
        self.relu, self.bias = draw(st.booleans()), draw(st.booleans())

    def weights(self) -> tuple:
        """(integers, scale, zero point)"""
        low = 100 if self.w_type == U8 else -20
        w = self.rng.integers(low, low + 40, self.shape).astype(self.w_type)
        channels = [self.shape[self.axis]] if self.per_channel else []
        scale = (2.0 ** self.rng.integers(-6, -3, channels)).astype(F32)
        return w, scale, self.rng.integers(low + 10, low + 30, channels).astype(self.w_type)

    def zero(self, dtype) -> np.ndarray:
        return dtype(self.rng.choice([0, 100, 127]))

    def input(self, m: Model) -> str:
        return m.input("x", self.n, self.ic, *self.size)

    def valid(self) -> bool:
        get = self.how.get
        pads = get("pads", [0] * 2 * len(self.size))
        reach = [(k - 1) * d + 1 for k, d in zip(self.kernel, get("dilations"))]
        before, after = pads[:len(self.size)], pads[len(self.size):]
        if self.axis:
            return all((n - 1) * s + r > b + a for n, s, r, b, a in zip(
                self.size, get("strides"), reach, before, after))
        return all(n + b + a >= r for n, r, b, a in zip(self.size, reach, before, after))

    def __repr__(self) -> str:
        return f"{self.shape} of {self.n}x{self.size} {self.how} {self.x_type.__name__} {self.w_type.__name__}"


def check(m: Model, case: Case, level: str, want=expected, exact: bool = True) -> None:
    """All in bytes, at one thread and at two."""
    data, rng = m.bytes(), np.random.default_rng(3)
    feeds = {"x": (4 * rng.standard_normal(m.shapes["x"])).astype(F32)}
    wanted, = want(data, feeds)
    for threads in (1, 2):
        session = cinfer.load(data, threads=threads, isa=level)
        got, = session.run(None, feeds)
        labels = {step.label for step in session._plan_for(None).steps}
        assert labels & KERNELS and "numpy" not in labels and not session.integers()["in_float"], f"{case} {labels}"
        if exact:
            np.testing.assert_array_equal(got, wanted, f"{case} {level}")
        else:
            np.testing.assert_allclose(got, wanted, 1e-6, 1e-6 * np.abs(wanted).max(), err_msg=f"{case} {level}")


@settings(max_examples=60, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("transposed", [False, True])
def test_between_quantize_and_dequantize(transposed, data):
    case, level = Case(data.draw, transposed), data.draw(st.sampled_from(LEVELS))
    if not case.valid():
        return
    m = Model(13)
    x_zero, y_zero, (w, scale, zero) = case.zero(case.x_type), case.zero(case.x_type), case.weights()
    how = dict(axis=case.axis) if case.per_channel else {}
    inputs = [m.DequantizeLinear(m.QuantizeLinear(case.input(m), X, x_zero), X, x_zero),
              m.DequantizeLinear(w, scale, zero, **how)]
    if case.bias:
        inputs.append(m.DequantizeLinear(case.rng.integers(-2000, 2000, case.oc).astype(np.int32), X * scale,
                                         **(dict(axis=0) if case.per_channel else {})))
    y = (m.ConvTranspose if transposed else m.Conv)(*inputs, **case.how)
    y = m.Relu(y) if case.relu else y
    m.outputs(m.DequantizeLinear(m.QuantizeLinear(y, Y, y_zero), Y, y_zero))
    # onnxruntime's ConvTranspose knows two axes, and no auto_pad beside an output that is padded
    check(m, case, level, by_numpy if transposed else expected)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_qlinear_conv(data):
    case, level = Case(data.draw), data.draw(st.sampled_from(LEVELS))
    if not case.valid():
        return
    m = Model(13)
    x_zero, y_zero, (w, scale, zero) = case.zero(case.x_type), case.zero(case.x_type), case.weights()
    bias = [case.rng.integers(-2000, 2000, case.oc).astype(np.int32)] * case.bias
    y = m.QLinearConv(m.QuantizeLinear(case.input(m), X, x_zero), X, x_zero, w, scale, zero, Y, y_zero, *bias,
                      **case.how)
    check(m.outputs(m.DequantizeLinear(y, Y, y_zero)), case, level, by_numpy)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), dynamic=st.booleans())
def test_conv_integer(data, dynamic):
    """Of a zero point that is known, or is found by the run."""
    case, level = Case(data.draw), data.draw(st.sampled_from(LEVELS))
    if not case.valid():
        return
    m = Model(13)
    x, (w, scale, zero) = case.input(m), case.weights()
    if dynamic:
        x, x_scale, x_zero = m.node("DynamicQuantizeLinear", x, n=3)
    else:
        x, x_scale, x_zero = m.QuantizeLinear(x, X, U8(100)), X, U8(100)
    each = scale.reshape(-1, *(1,) * len(case.kernel)) if case.per_channel else scale
    each = m.Mul(x_scale, each) if dynamic else x_scale * each
    y = m.Mul(m.Cast(m.ConvInteger(x, w, x_zero, zero, **case.how), to=1), each)
    check(m.outputs(y), case, level, by_numpy, exact=False)


def grid(exponent: int, zero: int = 128) -> tuple:
    return F32(2.0 ** exponent), U8(zero)


class Network:
    """A network of volumes, as quantisers write it: QuantizeLinear and DequantizeLinear between all operators. Numbers
    halfway between two are common, and rounding is to even: all is exact in float32."""

    def __init__(self):
        self.m = Model(13)

    def stored(self, y: str, exponent: int, zero: int = 128) -> str:
        at = grid(exponent, zero)
        return self.m.DequantizeLinear(self.m.QuantizeLinear(y, *at), *at)

    def conv(self, x: str, ic: int, oc: int, kernel, exponent: int = -3, transposed: bool = False, relu: bool = True,
             **how) -> str:
        m, groups = self.m, how.get("group", 1)
        shape = (ic, oc // groups, *kernel) if transposed else (oc, ic // groups, *kernel)
        w = m.DequantizeLinear(m.rng.integers(-20, 21, shape).astype(S8), F32(2.0 ** -7), S8(0))
        if not transposed:
            how.setdefault("pads", [k // 2 for k in kernel] * 2)
        y = (m.ConvTranspose if transposed else m.Conv)(x, w, (m.rng.integers(-64, 65, oc) / 64).astype(F32), **how)
        return self.stored(m.Relu(y) if relu else y, exponent, 0 if relu else 128)

    def video(self) -> Model:
        """As the networks for video have it: planes, then slices; depthwise in a residual, with a gate of channels."""
        m = self.m
        x = self.stored(m.input("x", 2, 3, 8, 16, 16), -5)
        x = self.conv(self.conv(x, 3, 20, (1, 3, 3), strides=[1, 2, 2]), 20, 20, (3, 1, 1), group=20)
        y = self.conv(self.conv(x, 20, 40, (1, 1, 1)), 40, 40, (3, 3, 3), group=40, dilations=[1, 2, 1],
                      pads=[1, 2, 1] * 2, relu=False)
        gate = self.stored(m.GlobalAveragePool(y), -4)
        gate = self.conv(self.conv(gate, 40, 8, (1, 1, 1)), 8, 40, (1, 1, 1), relu=False)
        gate = self.stored(m.HardSigmoid(gate, alpha=.25, beta=.5), -7, 0)
        y = self.conv(self.stored(m.Mul(y, gate), -3), 40, 20, (1, 1, 1), relu=False)
        x = self.stored(m.Relu(m.Add(y, x)), -3, 0)
        x = self.stored(m.MaxPool(x, kernel_shape=[2, 2, 2], strides=[2, 2, 2]), -3, 0)
        x = self.conv(x, 20, 24, (3, 3, 3), -2, relu=False, group=4)
        m.outputs(m.QuantizeLinear(x, *grid(-2)), m.QuantizeLinear(m.GlobalAveragePool(x), *grid(-5)), dtype=U8)
        return m

    def segmentation(self) -> Model:
        """Down, and up again in three ways; parts side by side; frames and single slices."""
        m = self.m
        a = self.conv(self.stored(m.input("x", 1, 3, 6, 8, 12), -5), 3, 16, (3, 3, 3))
        x = self.stored(m.AveragePool(a, kernel_shape=[2, 2, 2], strides=[2, 2, 2]), -3, 0)
        x = self.conv(x, 16, 32, (3, 3, 3), group=2)
        x = self.conv(x, 32, 24, (3, 2, 2), transposed=True, strides=[2, 2, 2], pads=[0, 0, 0, 1, 0, 0], group=8)
        x = self.stored(m.Concat(x, a, axis=1), -2)
        x = self.conv(x, 40, 16, (2, 1, 1), -4, transposed=True, relu=False, strides=[1, 2, 1], dilations=[2, 1, 1],
                      pads=[1, 0, 0] * 2, output_padding=[0, 1, 0])
        x = self.stored(m.Pad(x, np.array([0, 0, 1, 0, 1, 0, 0, 1, 0, 0])), -4)
        x = self.stored(m.Resize(x, "", F32([1, 1, 2, 1, 2]), mode="nearest", nearest_mode="floor",
                                 coordinate_transformation_mode="asymmetric"), -4)
        x = self.stored(m.Slice(x, np.array([1, 0]), np.array([14, 99]), np.array([2, 3]), np.array([3, 2])), -4)
        m.outputs(m.QuantizeLinear(x, *grid(-4)), dtype=U8)
        return m


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", ["video", "segmentation"])
def test_a_network_of_volumes_is_an_island(name, level):
    m = getattr(Network(), name)()
    data, feeds = m.bytes(), m.feeds()
    session = cinfer.load(data, threads=2, isa=level)
    steps = [step.label for step in session._plan_for(None).steps]
    assert [label for label in steps if not label.endswith("_u8") and label not in MOVES] == ["quantize_blocked"], steps
    assert not session.integers()["in_float"]
    got, one_thread = (cinfer.load(data, threads=n, isa=level).run(None, feeds) for n in (2, 1))
    for y, again, wanted in zip(got, one_thread, expected(data, feeds)):
        np.testing.assert_array_equal(y, wanted)
        assert y.tobytes() == again.tobytes()
        assert len(np.unique(y)) > 20 and np.bincount(y.reshape(-1)).max() < y.size / 2
