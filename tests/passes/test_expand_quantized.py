"""QLinear operators in floats between DequantizeLinear and QuantizeLinear."""
import copy

import numpy as np
import pytest

from cinfer import passes
from cinfer.passes.check import fault
from cinfer.passes.expand_quantized import expand_quantized
from handmade import Builder, exported, ops, unchanged
from interpreter import evaluate

F, U8, S8 = np.float32, np.uint8, np.int8


def whole(scale: float, zero: int, dtype=U8) -> tuple:
    return F(scale), dtype(zero)


def weights(*shape, dtype=S8) -> np.ndarray:
    limits = np.iinfo(dtype)
    return np.random.default_rng(shape).integers(limits.min, limits.max + 1, shape).astype(dtype)


def per_channel(n: int) -> tuple:
    return np.linspace(0.01, 0.02, n, dtype=F), np.arange(n, dtype=S8) - 2


def picture(b: Builder) -> str:
    return b.input("x", 2, 4, 6, 6, dtype=U8)


def own(b: Builder, op_type: str, *inputs, domain="com.microsoft", **attributes) -> str:
    y = b.node(op_type, *inputs)
    node = b.graph.nodes[-1]
    node.domain, node.opset, node.attributes = domain, 1, attributes
    return y


X, Y = whole(0.05, 120), whole(0.5, 100)
BIAS = np.array([300, -4000, 0, 77, 5], np.int32)
CASES = {
    "conv": (lambda b: b.QLinearConv(picture(b), *X, weights(5, 4, 3, 3), *whole(0.02, 0, S8), *Y, BIAS,
                                     pads=[1, 1, 1, 1]), "Conv"),
    "conv of channels": (lambda b: b.QLinearConv(picture(b), *X, weights(5, 4, 3, 3), *per_channel(5), *Y),
                         "Conv"),
    "conv of channels with bias": (lambda b: b.QLinearConv(
        picture(b), *X, weights(5, 4, 1, 1), *per_channel(5), *Y, BIAS, strides=[2, 2]), "Conv"),
    "conv of groups": (lambda b: b.QLinearConv(picture(b), *X, weights(6, 2, 3, 3, dtype=U8),
                                               *whole(0.02, 131), *Y, group=2), "Conv"),
        "gemm": (lambda b: own(b, "QGemm", b.input("x", 7, 3, dtype=U8), *X, weights(5, 7), *per_channel(5),
                           BIAS, *Y, transA=1, transB=1, alpha=0.5), "Gemm"),
    "gemm to floats": (lambda b: own(b, "QGemm", b.input("x", 3, 7, dtype=U8), *X, weights(7, 5),
                                     *per_channel(5), BIAS), "Gemm"),
    "add": (lambda b: own(b, "QLinearAdd", picture(b), *X, b.input("y", 4, 1, 6, dtype=U8),
                          *whole(0.1, 7), *Y), "Add"),
    "mul": (lambda b: own(b, "QLinearMul", picture(b), *X, picture(b), *whole(0.1, 0), *Y), "Mul"),
    "concat": (lambda b: own(b, "QLinearConcat", *Y, picture(b), *X, b.input("y", 2, 3, 6, 6, dtype=U8),
                             *whole(0.1, 7), axis=1), "Concat"),
    "average": (lambda b: own(b, "QLinearAveragePool", picture(b), *X, *whole(0.04, 90),
                              kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1), "AveragePool"),
    "global average": (lambda b: own(b, "QLinearGlobalAveragePool", picture(b), *X, *whole(0.04, 90),
                                     channels_last=0), "GlobalAveragePool"),
    "average with channels last": (
        lambda b: own(b, "QLinearAveragePool", picture(b), *X, *whole(0.04, 90), kernel_shape=[3, 2],
                      pads=[1, 0, 1, 1], strides=[2, 1], channels_last=1), "AveragePool"),
    "global average with channels last": (
        lambda b: own(b, "QLinearGlobalAveragePool", picture(b), *X, *whole(0.04, 90), channels_last=1),
        "GlobalAveragePool"),
    "leaky relu": (lambda b: own(b, "QLinearLeakyRelu", picture(b), *X, *Y, alpha=0.25), "LeakyRelu"),
    "sigmoid": (lambda b: own(b, "QLinearSigmoid", picture(b), *X, *whole(1 / 256, 0)), "Sigmoid"),
    "softmax": (lambda b: own(b, "QLinearSoftmax", picture(b), *X, *whole(1 / 256, 0), opset=11, axis=1),
                "Softmax"),
}


def outputs(graph, seed: int) -> list:
    r = np.random.default_rng(seed)
    feeds = {name: r.integers(np.iinfo(t.dtype).min, np.iinfo(t.dtype).max + 1, t.shape).astype(t.dtype)
             for name, t in graph.inputs.items()}
    return evaluate(graph, feeds)


@pytest.fixture
def in_floats(monkeypatch):
    """Without the passes that go back to bytes."""
    monkeypatch.setenv("CINFER_PASSES", "-merge_quantization,-tabulate,-join_quantized")


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("run", [expand_quantized, passes.run])
def test_numbers_stay_but_for_the_border_between_steps(name, run, in_floats):
    build, op_type = CASES[name]
    b = Builder()
    graph = b.output(build(b))
    after = copy.deepcopy(graph)
    assert run(after) and fault(after) is None
    assert op_type in ops(after) and not any(node.domain for node in after.nodes)
    differ = total = 0
    for seed in range(4):
        for want, got in zip(outputs(graph, seed), outputs(after, seed)):
            assert got.dtype == want.dtype and got.shape == want.shape
            if want.dtype.kind == "f":
                np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5 * np.abs(want).max())
                continue
            off = np.abs(got.astype(int) - want)
            assert off.max() <= 1, f"seed {seed}: off by {off.max()} steps"
            differ, total = differ + np.count_nonzero(off), total + off.size
    # scales are round numbers here, so that many sums lie on a border
    assert differ <= max(1, 0.02 * total)


def test_a_network_is_one_of_floats_and_constants(in_floats):
    b = Builder()
    x = b.QuantizeLinear(b.input("x", 1, 4, 8, 8), *X)
    y = b.QLinearConv(x, *X, weights(5, 4, 3, 3), *per_channel(5), *Y, BIAS)
    y = b.MaxPool(y, kernel_shape=[2, 2])
    z = b.QLinearConv(y, *Y, weights(5, 5, 1, 1), *per_channel(5), *Y)
    y = own(b, "QLinearAdd", z, *Y, y, *Y, *Y)
    graph = b.output(b.DequantizeLinear(y, *Y))
    passes.run(graph)
    assert ops(graph) == ["QuantizeLinear", "DequantizeLinear", "Conv", "QuantizeLinear", "MaxPool",
                          "DequantizeLinear", "Conv", "QuantizeLinear", "DequantizeLinear", "Add", "QuantizeLinear",
                          "DequantizeLinear"]
    assert all(graph.constants[n.inputs[1]].dtype == F for n in graph.nodes if n.op_type == "Conv")


def test_integers_between_can_still_be_had():
    b = Builder()
    y = b.QLinearConv(picture(b), *X, weights(5, 4, 3, 3), *per_channel(5), *Y)
    pooled = b.MaxPool(y, kernel_shape=[2, 2])
    graph = b.output(b.QLinearConv(pooled, *Y, weights(5, 5, 1, 1), *per_channel(5), *Y), y, pooled)
    after = copy.deepcopy(graph)
    expand_quantized(after)
    assert [a.dtype for a in outputs(after, 0)] == [U8] * 3
    for want, got in zip(outputs(graph, 0)[1:], outputs(after, 0)[1:]):
        assert np.abs(got.astype(int) - want).max() <= 1


KEPT = {
    "scales of the run": lambda b: b.QLinearConv(
        picture(b), b.input("s", dtype=F), U8(3), weights(5, 4, 3, 3), *per_channel(5), *Y),
    "weights of the run": lambda b: b.QLinearConv(
        picture(b), *X, b.input("w", 5, 4, 3, 3, dtype=S8), *whole(0.1, 3, S8), *Y),
    "bias of the run": lambda b: b.QLinearConv(
        picture(b), *X, weights(5, 4, 3, 3), *per_channel(5), *Y, b.input("b", 5, dtype=np.int32)),
    "rows with scales of their own": lambda b: b.QLinearMatMul(
        b.input("x", 5, 7, dtype=S8), *per_channel(5), weights(7, 4), *whole(0.1, 3, S8), *Y),
    "no zero point that tells the type": lambda b: own(b, "QLinearAdd", picture(b), *X, picture(b), *X, Y[0]),
    "float64 scales": lambda b: own(b, "QLinearSigmoid", picture(b), np.array(0.1), X[1], *Y),
    "a zero point of another type": lambda b: b.QLinearConv(
        picture(b), X[0], S8(3), weights(5, 4, 3, 3), *per_channel(5), *Y),
    "a zero point of weights of another type": lambda b: b.QLinearConv(
        picture(b), *X, weights(5, 4, 3, 3), F(.02), U8(3), *Y),
    "scales by which floats are infinite": lambda b: b.QLinearConv(
        picture(b), *whole(3e38, 120), weights(5, 4, 3, 3), *whole(1e-3, 0, S8), *whole(3e36, 100)),
    "scales whose products are infinite": lambda b: b.QLinearMatMul(
        b.input("x", 3, 7, dtype=U8), *whole(1e20, 120), weights(7, 5), *whole(1e20, 0, S8), *whole(1e38, 100)),
    "scales whose products are near 0": lambda b: own(
        b, "QGemm", b.input("x", 3, 7, dtype=U8), *whole(1e-20, 120), weights(7, 5), *whole(1e-20, 0, S8), BIAS,
        *whole(1e-38, 100)),
    "two outputs": lambda b: b.QLinearConv(picture(b), *X, weights(5, 4, 3, 3), *per_channel(5), *Y, n=2)[0],
    "a domain of one's own": lambda b: own(b, "QLinearSigmoid", picture(b), *X, *Y, domain="own"),
}


@pytest.mark.parametrize("name", KEPT)
def test_keeps(name):
    b = Builder()
    unchanged(b.output(KEPT[name](b)), expand_quantized)


@pytest.mark.parametrize("name", ["resnet18__qop", "mobilenet_v2__qop"])
def test_of_exported_networks_products_stay(name, monkeypatch, in_floats):
    graph = exported(name, monkeypatch)
    passes.run(graph)
    assert set(ops(graph)) <= {"Conv", "Add", "MaxPool", "GlobalAveragePool", "Flatten", "QGemm",
                               "QLinearMatMul", "QuantizeLinear", "DequantizeLinear", "QuantizeDequantize"}


def integer_sum(b: Builder, op_type: str, w, *zero, **attributes) -> str:
    """Of an input that is quantised by its own range, in floats: as onnxruntime writes it."""
    x = b.input("x", 2, 4, 6, 6)
    y, scale, shift = b.node("DynamicQuantizeLinear", x, n=3)
    return b.Mul(b.Cast(b.node(op_type, y, w, shift, *zero, **attributes), to=1), b.Mul(scale, F(0.01)))


def with_bias(b: Builder, other) -> str:
    """A bias in whole numbers, as onnxruntime once wrote it. other : of the builder and the sum, what is added"""
    y, scale, shift = b.node("DynamicQuantizeLinear", b.input("x", 2, 4, 6, 6), n=3)
    total = b.ConvInteger(y, weights(5, 4, 3, 3), shift, S8(3))
    return b.Mul(b.Cast(b.Add(total, other(b, total, scale)), to=1), scale)


SUMS = {
    "conv and a constant": lambda b: with_bias(b, lambda b, *_: np.arange(5, dtype=np.int32).reshape(1, 5, 1, 1)),
    "conv and numbers of the run": lambda b: with_bias(b, lambda b, _, scale: b.Reshape(
        b.Cast(b.Floor(b.Div(np.arange(5, dtype=F), scale)), to=6), np.array([1, -1, 1, 1]))),
    "conv and itself": lambda b: with_bias(b, lambda b, total, _: total),
    "conv": lambda b: integer_sum(b, "ConvInteger", weights(5, 4, 3, 3), S8(3), pads=[1, 1, 1, 1]),
    "conv of channels": lambda b: integer_sum(b, "ConvInteger", weights(5, 4, 3, 3), per_channel(5)[1]),
}


@pytest.mark.parametrize("name", SUMS)
def test_sums_of_integers_are_exact_in_floats(name):
    """At most 36 products of 255 * 255: below 2^24, so that float32 holds each sum."""
    b = Builder()
    graph = b.output(SUMS[name](b))
    after = copy.deepcopy(graph)
    passes.run(after)
    assert not {"MatMulInteger", "ConvInteger"} & set(ops(after))
    assert ("Cast" in ops(after)) == (name == "conv and numbers of the run")
    feeds = {"x": np.random.default_rng(5).normal(size=(2, 4, 6, 6)).astype(F)}
    np.testing.assert_array_equal(evaluate(after, feeds)[0], evaluate(graph, feeds)[0])


def test_sums_that_are_wanted_as_integers_stay():
    def quantised(b):
        return b.node("DynamicQuantizeLinear", b.input("x", 1, 4, 6, 6), n=3)
    b = Builder()
    y, _, zero = quantised(b)
    total = b.ConvInteger(y, weights(5, 4, 3, 3), zero)
    unchanged(b.output(b.Cast(total, to=1), total), expand_quantized)
    b = Builder()
    y, _, zero = quantised(b)
    total = b.ConvInteger(y, weights(5, 4, 3, 3), zero)
    unchanged(b.output(b.Cast(total, to=1), b.Neg(total)), expand_quantized)
    b = Builder()
    y, _, zero = quantised(b)
    total = b.Add(b.ConvInteger(y, weights(5, 4, 3, 3), zero), np.int32(7))
    unchanged(b.output(b.Cast(total, to=1), b.Neg(total)), expand_quantized)
    b = Builder()
    y, _, zero = quantised(b)
    w = b.input("w", 5, 4, 3, 3, dtype=S8)
    unchanged(b.output(b.Cast(b.ConvInteger(y, w, zero), to=1)), expand_quantized)


def test_a_network_of_channels_behind_has_no_transposes_left(monkeypatch):
    """As onnxruntime writes it at ORT_ENABLE_ALL: Transposes where it begins and ends."""
    monkeypatch.setenv("CINFER_PASSES", "-merge_quantization")
    b = Builder()
    x = b.Transpose(b.QuantizeLinear(b.input("x", 1, 4, 8, 8), *X), perm=[0, 2, 3, 1])
    conv = own(b, "QLinearConv", x, *X, weights(5, 4, 3, 3), *per_channel(5), *Y, BIAS, channels_last=1)
    pooled = own(b, "NhwcMaxPool", conv, kernel_shape=[2, 2], strides=[2, 2])
    y = own(b, "QLinearAdd", own(b, "QLinearConv", pooled, *Y, weights(5, 5, 1, 1), *per_channel(5), *Y,
                                 channels_last=1), *Y, pooled, *Y, *Y)
    y = own(b, "QLinearAveragePool", y, *Y, *Y, kernel_shape=[2, 2], channels_last=1)
    y = own(b, "QLinearGlobalAveragePool", y, *Y, *Y, channels_last=1)
    graph = b.output(b.DequantizeLinear(b.Transpose(y, perm=[0, 3, 1, 2]), *Y))
    after = copy.deepcopy(graph)
    passes.run(after)
    assert set(ops(after)) == {"QuantizeLinear", "DequantizeLinear", "QLinearConv", "MaxPool", "QLinearAdd",
                               "QLinearAveragePool", "QLinearGlobalAveragePool"}
    feeds = {"x": np.random.default_rng(0).normal(size=(1, 4, 8, 8), scale=3).astype(F)}
    for want, got in zip(evaluate(graph, feeds), evaluate(after, feeds)):
        np.testing.assert_allclose(got, want, atol=1.01 * Y[0])


@pytest.mark.parametrize("op_type, inputs", [
    ("QLinearAdd", ("x", *X, "", *X, *Y)), ("QLinearMul", ("x", *X, "", *X, *Y)),
    ("QLinearConcat", (*Y, "x", *X, "", *X))])
def test_what_lacks_a_tensor_stays(op_type, inputs):
    """To be refused by its operator."""
    b = Builder()
    picture(b)
    unchanged(b.output(own(b, op_type, *inputs)), expand_quantized)
