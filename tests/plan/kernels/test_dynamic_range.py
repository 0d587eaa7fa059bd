"""Networks that are quantised as they run: the range of a value is found by the step that writes it, and what follows
is what the integers of the standard give, bit by bit."""
import numpy as np
import pytest

import cinfer
from cinfer import _ops
from cinfer.plan.kernels import conv_winograd_u8

from onnx_models import Model, by_numpy

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies
LEVELS = _ops.usable_levels()
F = np.float32


def scales(m: Model, oc: int, rank: int, per_channel: bool):
    """Such that values keep their size, more or less."""
    scale = m.rng.uniform(.5, 1, oc if per_channel else ()).astype(F) / F(200)
    return scale.reshape(oc, *[1] * (rank - 2)) if per_channel and rank else scale


def conv(m: Model, x: str, ic: int, oc: int, k: int = 1, *, group: int = 1, per_channel=True, u8=False, bias=True,
         offset=False, quantised=None, **attributes) -> str:
    """ConvInteger as exporters write it, of a picture. quantised : (bytes, scale, zero point), if not of its own"""
    attributes.setdefault("pads", [k // 2] * 4)
    y, scale, zero = quantised or m.node("DynamicQuantizeLinear", x, n=3)
    low, high = (0, 256) if u8 else (-128, 128)
    w = m.rng.integers(low, high, (oc, ic // group, k, k)).astype(np.uint8 if u8 else np.int8)
    w_zero = (np.uint8(m.rng.integers(256)) if u8 else np.zeros(oc, np.int8)) if per_channel else None
    y = m.node("ConvInteger", y, w, zero, w_zero, kernel_shape=[k, k], group=group, **attributes)
    if offset:
        y = m.Add(y, m.rng.integers(-9999, 9999, (oc, 1, 1)).astype(np.int32))
    y = m.Mul(m.Cast(y, to=1), m.Mul(scale, scales(m, oc, 4, per_channel) / F((k * k * ic / group) ** .5)))
    return m.Add(y, m.vector(1, oc, 1, 1)) if bias else y


def product(m: Model, x: str, k: int, n: int, *, offset=False, row=True) -> str:
    y, scale, zero = m.node("DynamicQuantizeLinear", x, n=3)
    w = m.rng.integers(-128, 128, (k, n)).astype(np.int8)
    y = m.MatMulInteger(y, w, zero, np.zeros(n, np.int8))
    if offset:
        y = m.Add(y, m.rng.integers(-9999, 9999, n).astype(np.int32))
    y = m.Mul(m.Cast(y, to=1), m.Mul(scale, scales(m, n, 0, row) / F(k ** .5)))
    return m.Add(y, m.vector(n))


def run(data: bytes, feeds: dict, isa: str, threads: int):
    """(the answers, the labels of the steps)"""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cinfer.plan.plan.FEW_FLOPS", -1)     # threads for the smallest networks, too
        session = cinfer.load(data, threads=threads, isa=isa)
        return session.run(None, feeds), [step.label for step in session._plan_for(None).steps]


def check(m: Model, isa: str, ranges: int = 0, feeds: dict | None = None, threads=(1, 2, 3, 8)) -> list[str]:
    """Bits are NumPy's, by any number of threads; so many steps read a value for its range alone. All labels"""
    data, feeds = m.bytes(), feeds or m.feeds()
    with np.errstate(all="ignore"):
        wanted = by_numpy(data, feeds)
    for count in threads:
        got, labels = run(data, feeds, isa, count)
        assert "numpy" not in labels, labels
        assert sum(label.startswith("range_of") for label in labels) == ranges, labels
        for a, b in zip(got, wanted, strict=True):
            np.testing.assert_array_equal(a, b, f"{isa}, {count} threads")
    return labels


@pytest.mark.parametrize("isa", LEVELS)
def test_convolutions_find_the_range_of_what_they_write(isa):
    """Of any channels: lanes beyond them, which activations make other numbers than 0 of, do not count."""
    m = Model()
    x = m.Relu(conv(m, m.input("x", 2, 3, 31, 30), 3, 20, 3))
    y = conv(m, x, 20, 37, u8=True)
    y = m.HardSigmoid(conv(m, y, 37, 37, 3, group=37, bias=False), alpha=.2, beta=.7)
    y = m.Add(conv(m, y, 37, 20, 3, per_channel=False), x)
    y = m.LeakyRelu(conv(m, y, 20, 19, 5, strides=[2, 2]), alpha=.1)
    check(m.outputs(conv(m, y, 19, 5, 3, strides=[2, 1], dilations=[2, 1])), isa, ranges=1)


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("ic, oc", [(64, 64), (20, 33)])
def test_winograds_way_finds_the_range_of_what_it_writes(isa, ic, oc, monkeypatch):
    """Also where it is not the faster one."""
    monkeypatch.setattr(conv_winograd_u8, "direct_cost", lambda *_: 1e9)
    m = Model()
    y = m.Relu(conv(m, m.input("x", 1, ic, 23, 21), ic, oc, 3))
    labels = check(m.outputs(conv(m, y, oc, 16, 1)), isa, ranges=1)
    assert "winograd_u8" in labels


@pytest.mark.parametrize("isa", LEVELS)
def test_products_find_the_range_of_what_they_write(isa):
    m = Model()
    x = m.Relu(product(m, m.input("x", 2, 7, 33), 33, 50))
    y = m.Add(product(m, x, 50, 50), x)
    y = m.Reshape(product(m, y, 50, 17, row=False), np.array([14, 17]))
    check(m.outputs(product(m, y, 17, 3)), isa, ranges=1)


@pytest.mark.parametrize("isa", LEVELS)
def test_other_steps_find_the_range_of_what_they_write(isa):
    """Functions of one number and of two, in blocks and plain, pools; a Transpose changes no range."""
    m = Model()
    x = conv(m, m.input("x", 2, 3, 21, 20), 3, 32)
    y = m.MaxPool(m.Neg(x), kernel_shape=[3, 3], strides=[2, 2])
    y = conv(m, y, 32, 32)
    gate = m.GlobalMaxPool(y)
    y = conv(m, m.Mul(y, gate), 32, 24)
    y = m.Mul(m.Abs(m.input("z", 5, 40)), m.input("w", 5, 1)), y
    flat = product(m, y[0], 40, 6), product(m, m.Neg(m.input("v", 3, 9)), 9, 4)
    turned = product(m, m.Transpose(m.Neg(m.input("u", 8, 3)), perm=[1, 0]), 8, 2)
    check(m.outputs(y[1], *flat, turned), isa, ranges=1)


@pytest.mark.parametrize("isa", LEVELS)
def test_layer_normalisation_finds_the_range_of_what_it_writes(isa):
    m = Model()
    x = m.input("x", 3, 5, 40)
    y = m.node("LayerNormalization", x, m.vector(40), m.vector(40))
    data, feeds = m.outputs(y, product(m, y, 40, 6)).bytes(), m.feeds()
    once, labels = run(data, feeds, isa, 1)
    assert "range_of" not in labels
    # its bits are its own, what follows is a function of them
    m = Model()
    m.rng.normal(size=80)
    m.outputs(product(m, m.input("y", 3, 5, 40), 40, 6))
    np.testing.assert_array_equal(once[1], by_numpy(m.bytes(), {"y": once[0]})[0])
    for threads in (2, 3, 8):
        for a, b in zip(run(data, feeds, isa, threads)[0], once):
            np.testing.assert_array_equal(a, b)


SPECIAL = {"zeros": lambda x: x * 0, "equal": lambda x: x * 0 + F(-3), "tiny": lambda x: x * F(1e-30),
           "flushed": lambda x: x * F(1e-37), "denormal": lambda x: x * F(1e-39),
           "huge": lambda x: x * F(1e30), "nan": lambda x: with_one(x, np.nan), "inf": lambda x: with_one(x, np.inf),
           "-inf": lambda x: with_one(x, -np.inf)}


def with_one(x: np.ndarray, value: float) -> np.ndarray:
    x.flat[x.size // 2] = value
    return x


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("kind", SPECIAL)
def test_special_numbers(isa, kind):
    """In what steps write, too: a NaN makes all that is read by its range NaN."""
    m = Model()
    x = m.input("x", 1, 20, 9, 7)
    y = conv(m, m.Neg(m.MaxPool(x, kernel_shape=[1, 1])), 20, 20, 3, group=20, bias=kind != "zeros")
    y = conv(m, y, 20, 24, bias=False)
    z = product(m, m.Neg(m.input("z", 5, 19)), 19, 6)
    m.outputs(conv(m, y, 24, 3), z, product(m, z, 6, 3))
    feeds = {name: SPECIAL[kind](value) for name, value in m.feeds().items()}
    data = m.bytes()
    with np.errstate(all="ignore"):
        wanted = by_numpy(data, feeds)
    for threads in (1, 3):
        got, labels = run(data, feeds, isa, threads)
        assert "numpy" not in labels
        for a, b in zip(got, wanted, strict=True):
            np.testing.assert_array_equal(a, b, f"{isa} {kind}")


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("k, strides, dilations", [(3, 1, 1), (3, 2, 1), (5, 1, 1), (5, 2, 1), (3, 1, 2), (2, 1, 1)])
def test_depthwise_convolutions_are_exact_however_they_are_computed(isa, k, strides, dilations):
    """Beside a convolution that reads the bytes themselves, and alone."""
    m = Model()
    x = m.Relu(conv(m, m.input("x", 2, 3, 19, 23), 3, 40))
    quantised = m.node("DynamicQuantizeLinear", x, n=3)
    how = dict(group=40, strides=[strides] * 2, dilations=[dilations] * 2, pads=[k // 2 * dilations] * 4)
    y = m.Relu(conv(m, x, 40, 40, k, quantised=quantised, **how))
    m.outputs(y, conv(m, x, 40, 17, quantised=quantised), conv(m, y, 40, 40, k, offset=True, u8=True, **how))
    check(m, isa, ranges=1)


@pytest.mark.parametrize("isa", LEVELS)
def test_what_is_added_to_the_sums(isa):
    """As int32 before the Cast, to those of each kernel."""
    m = Model()
    x = m.Relu(conv(m, m.input("x", 1, 3, 12, 13), 3, 32, offset=True))
    y = conv(m, x, 32, 32, 3, offset=True)
    y = conv(m, y, 32, 32, 3, group=32, offset=True, bias=False)
    z = product(m, m.input("z", 4, 21), 21, 9, offset=True)
    check(m.outputs(conv(m, y, 32, 5, 3, strides=[2, 2], offset=True, u8=True), z), isa, ranges=2)


@pytest.mark.parametrize("isa", LEVELS)
def test_two_zero_points_around_one_picture(isa):
    """Who wants other bytes beyond it reads a copy with its own."""
    m = Model()
    x = m.Relu(conv(m, m.input("x", 2, 3, 12, 13), 3, 20))
    y, scale, zero = m.node("DynamicQuantizeLinear", x, n=3)
    found = [conv(m, x, 20, 17, k, quantised=(y, scale, point), pads=[k // 2] * 4)
             for k, point in ((3, zero), (3, np.uint8(7)), (5, np.uint8(200)), (1, None))]
    check(m.outputs(*found), isa, ranges=1)


@hypothesis.given(st.data())
@hypothesis.settings(max_examples=40, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
def test_any_sizes(data):
    draw = data.draw
    m = Model(seed=draw(st.integers(0, 99)))
    n, ic, h, w = draw(st.integers(1, 3)), draw(st.integers(1, 35)), draw(st.integers(1, 19)), draw(st.integers(1, 19))
    y, c = m.input("x", n, ic, h, w), ic
    for _ in range(draw(st.integers(1, 4))):
        k, depthwise, stride = draw(st.sampled_from([1, 3, 5])), draw(st.booleans()), draw(st.integers(1, 2))
        oc = c if depthwise else draw(st.integers(1, 40))
        y = conv(m, y, c, oc, k, group=c if depthwise else 1, per_channel=draw(st.booleans()), u8=draw(st.booleans()),
                 offset=draw(st.booleans()), strides=[stride] * 2)
        y = m.Relu(y) if draw(st.booleans()) else y
        c = oc
    y = m.Reshape(y, np.array([n, -1]))
    m.outputs(y)
    isa, threads = draw(st.sampled_from(LEVELS)), draw(st.sampled_from([1, 2, 5]))
    check(m, isa, ranges=1, threads=(threads,))


def near_ties(scale: np.float32) -> np.ndarray:
    """Numbers whose quotients are ties or as near to them as float32 has it, and others; as many as fill blocks."""
    x = (np.arange(-300, 400).astype(F) + F(.5)) * scale
    up, down = np.nextafter(x, F(np.inf)), np.nextafter(x, F(-np.inf))
    x = np.concatenate([x, up, down, np.nextafter(up, F(np.inf)), np.nextafter(down, F(-np.inf)), x * F(1e5)])
    return np.resize(x, (1, 16, 20, 20))


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("exponent", [-120, -99, -30, -7, 0, 9, 70, 101])
def test_quotients_are_rounded_as_if_they_were_divided(isa, exponent):
    """By scales whose inverses are normal numbers, and by others, which are divided."""
    rng = np.random.default_rng(exponent + 200)
    for scale in np.append(rng.uniform(1, 2, 5), 1).astype(F) * F(2) ** exponent:
        x = near_ties(scale)
        m = Model()
        blocked = m.MaxPool(m.input("x", *x.shape), kernel_shape=[1, 1])
        m.outputs(m.Cast(m.QuantizeLinear(blocked, scale, np.uint8(100)), to=1))
        y = run(m.bytes(), {"x": x}, isa, 1)[0][0]
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(y, np.clip(np.rint(x / scale) + 100, 0, 255), f"{isa} {scale}")


@pytest.mark.parametrize("isa", LEVELS)
def test_quotients_by_the_scale_of_the_run(isa):
    for seed in range(20):
        scale = F(np.random.default_rng(seed).uniform(.1, 10))
        high = F(scale * 155)
        low = F(-scale * 100)
        scale = (high - low) / F(255)
        x = np.clip(near_ties(scale), low, high)
        x.flat[:2] = low, high
        m = Model()
        y = m.node("DynamicQuantizeLinear", m.input("x", *x.shape), n=3)[0]
        z = conv(m, m.Neg(m.MaxPool("x", kernel_shape=[1, 1])), 16, 16, 3, group=16)
        check(m.outputs(m.Cast(y, to=1), z), isa, ranges=1, feeds={"x": x}, threads=(1,))
