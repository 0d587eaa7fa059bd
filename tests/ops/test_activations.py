"""Activations against the standard's cases, float64 formulas and hand-computed numbers."""
import math

import backend_cases
import numpy as np
import pytest

import cinfer
from cinfer import _ops

from one_node import agrees_with_onnxruntime, refuses, run


CASES = backend_cases.of(*"""
    Relu LeakyRelu PRelu Elu Selu Celu Sigmoid HardSigmoid HardSwish Swish Mish Tanh Softplus Softsign
    ThresholdedRelu Gelu Softmax LogSoftmax Hardmax Shrink""".split())


@pytest.mark.parametrize("case", CASES)
def test_backend_case(case):
    backend_cases.check(case)


def sigmoid(v: float) -> float:
    return 1 / (1 + math.exp(-v))


# by the formulas of the standard, one number at a time
FORMULAS = {
    "Sigmoid": (sigmoid, {}), "Tanh": (math.tanh, {}), "Softplus": (lambda v: math.log(1 + math.exp(v)), {}),
    "Softsign": (lambda v: v / (1 + abs(v)), {}),
    "Mish": (lambda v: v * math.tanh(math.log(1 + math.exp(v))), {}),
    "HardSwish": (lambda v: v * max(0, min(1, v / 6 + 0.5)), {}),
    "HardSigmoid": (lambda v: max(0, min(1, 0.3 * v + 0.4)), dict(alpha=0.3, beta=0.4)),
    "Swish": (lambda v: v * sigmoid(0.7 * v), dict(alpha=0.7)),
    "Elu": (lambda v: v if v > 0 else 0.7 * (math.exp(v) - 1), dict(alpha=0.7)),
    "Celu": (lambda v: max(0, v) + min(0, 0.7 * (math.exp(v / 0.7) - 1)), dict(alpha=0.7)),
    "Selu": (lambda v: 1.1 * (v if v > 0 else 0.7 * (math.exp(v) - 1)), dict(alpha=0.7, gamma=1.1)),
    "LeakyRelu": (lambda v: v if v >= 0 else 0.7 * v, dict(alpha=0.7)),
    "ThresholdedRelu": (lambda v: v if v > 0.7 else 0, dict(alpha=0.7)),
    "Shrink": (lambda v: v + 0.2 if v < -0.9 else v - 0.2 if v > 0.9 else 0, dict(lambd=0.9, bias=0.2)),
    "Gelu": (lambda v: 0.5 * v * (1 + math.erf(v / 2**0.5)), {})}


@pytest.mark.parametrize("op_type", FORMULAS)
def test_formula(op_type):
    x = np.linspace(-6, 6, 49)
    function, attributes = FORMULAS[op_type]
    expected = [function(v) for v in x]
    np.testing.assert_allclose(run(op_type, x, opset=24, **attributes), expected, rtol=1e-12, atol=1e-14)
    # float16 has 11 bits, and only the answer is rounded
    half = x.astype(np.float16)
    np.testing.assert_allclose(run(op_type, half, opset=24, **attributes), [function(float(v)) for v in half],
                               rtol=2**-11 * 1.01, atol=6e-8)


@pytest.mark.parametrize("op_type", ["Sigmoid", "Softplus", "Mish", "Swish", "Elu", "Selu", "Celu", "Gelu",
                                     "HardSwish"])
def test_far_out_nothing_overflows(op_type):
    y = run(op_type, np.float32([-1e4, -200, 200, 1e4]), opset=24)
    assert np.isfinite(y).all() and (np.diff(y[2:]) >= 0).all()


def test_not_a_number_stays():
    for op_type in ("Relu", "LeakyRelu", "Elu", "HardSigmoid", "HardSwish", "Softplus", "PRelu"):
        inputs = [np.float32([np.nan])] + [np.float32([0.5])] * (op_type == "PRelu")
        assert np.isnan(run(op_type, *inputs)).all(), op_type
    assert run("ThresholdedRelu", np.float32([np.nan])) == 0       # which is not above alpha


def test_prelu_before_opset_7_has_a_slope_for_each_channel():
    x, slope = -np.ones((1, 3, 2, 3), np.float32), np.float32([1, 2, 3])
    assert run("PRelu", x, slope, opset=6)[0, :, 0, 0].tolist() == [-1, -2, -3]
    assert run("PRelu", x, slope, opset=7)[0, 0, 0].tolist() == [-1, -2, -3]
    assert run("PRelu", x, np.float32([4]), opset=6)[0, 0, 0].tolist() == [-4] * 3
    refuses("slope of shape [2]", "PRelu", x, np.float32([1, 2]))


def test_selu_of_opset_1_has_rougher_constants():
    assert run("Selu", np.float64([1]), opset=1).tolist() == [1.0507]
    assert run("Selu", np.float64([1]), opset=6).tolist() == [1.05070102214813232421875]


@pytest.mark.parametrize("op_type", ["Softmax", "LogSoftmax", "Hardmax"])
@pytest.mark.parametrize("axis", [-3, -1, 0, 1, 2])
@pytest.mark.parametrize("opset", [1, 11, 13])
def test_along_one_axis_or_all_from_it_on(op_type, axis, opset):
    x = np.random.default_rng(0).permutation(24).reshape(2, 3, 4).astype(np.float32)
    rows = x.reshape(int(np.prod(x.shape[:axis])), -1) if opset < 13 else np.moveaxis(x, axis, -1)
    if op_type == "Hardmax":
        expected = (rows == rows.max(-1, keepdims=True)).astype(np.float64)
    else:
        expected = np.exp(rows.astype(np.float64)) / np.exp(rows.astype(np.float64)).sum(-1, keepdims=True)
    expected = np.log(expected) if op_type == "LogSoftmax" else expected
    expected = expected.reshape(x.shape) if opset < 13 else np.moveaxis(expected, -1, axis)
    # the logarithm of what is near 1 is as exact as 1 is
    atol = 3e-7 if op_type == "LogSoftmax" else 1e-12
    np.testing.assert_allclose(run(op_type, x, axis=axis, opset=opset), expected, rtol=1e-5, atol=atol)
    if opset != 1:                          # negative axes are of opset 11
        agrees_with_onnxruntime(op_type, x, axis=axis, opset=opset, atol=1e-5)


def test_softmax_of_large_and_of_no_numbers():
    assert run("Softmax", np.float16([[60000, 60000]])).tolist() == [[0.5, 0.5]]
    for opset in (11, 13):
        assert run("Softmax", np.zeros((2, 0), np.float32), opset=opset).shape == (2, 0)
    refuses("axis 2 of a tensor of 2 axes", "Softmax", np.zeros((2, 3), np.float32), axis=2)
    assert run("Hardmax", np.float32([[1, 3, 3]])).tolist() == [[0, 1, 0]]


def test_other_values_of_attributes_are_refused():
    refuses("approximate 'fast'", "Gelu", np.float32([1]), approximate="fast")
    refuses("int64; it has to be float", "Sigmoid", np.int64([1]))


@pytest.mark.parametrize("level", _ops.usable_levels())
@pytest.mark.parametrize("fed", [False, True])
def test_slopes_that_are_not_finite_are_of_what_is_below_0_alone(level, fed):
    helper = pytest.importorskip("onnx").helper
    x = np.float32([[1, 2, -1, 3], [0, -0., np.nan, -2]]).reshape(2, 4, 1, 1)
    slope = np.float32([np.inf, np.nan, np.inf, -np.inf]).reshape(4, 1, 1)
    inputs = [helper.make_tensor_value_info("x", 1, x.shape)]
    if fed:
        inputs.append(helper.make_tensor_value_info("s", 1, slope.shape))
    graph = helper.make_graph([helper.make_node("PRelu", ["x", "s"], ["y"]),
                               helper.make_node("LeakyRelu", ["x"], ["z"], alpha=float("inf"))], "g", inputs,
                              [helper.make_tensor_value_info(n, 1, x.shape) for n in "yz"],
                              [] if fed else [helper.make_tensor("s", 1, slope.shape, slope.reshape(-1))])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)
    y, z = cinfer.load(model.SerializeToString(), isa=level).run(None, {"x": x, **({"s": slope} if fed else {})})
    np.testing.assert_array_equal(y.reshape(2, 4), np.float32([[1, 2, -np.inf, 3], [0, 0, np.nan, np.inf]]))
    np.testing.assert_array_equal(z.reshape(2, 4), np.float32([[1, 2, -np.inf, 3], [0, 0, np.nan, -np.inf]]))
