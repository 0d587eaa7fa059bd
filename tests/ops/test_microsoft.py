"""The operators of com.microsoft against onnxruntime, which they come from."""
import numpy as np
import pytest
from one_node import onnxruntime_runs, refuses, run

from cinfer.model.graph import Node
from cinfer.ops import registry
from cinfer.ops.facts import Fact
from cinfer.ops.families import MICROSOFT


def scalar(value, dtype=np.float32):
    return np.array(value, dtype)


def stored(*shape, dtype=np.uint8, seed=0) -> np.ndarray:
    limits = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(limits.min, limits.max + 1, shape).astype(dtype)


def halved(*shape, seed=0) -> np.ndarray:
    """int8 of half the range: onnxruntime without VNNI adds pairs of products in 16 bits, which saturate."""
    return stored(*shape, dtype=np.int8, seed=seed) // 2


def real(*shape, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def compare(op_type: str, *inputs, dtype, steps: int = 1, rtol: float = 0, **attributes) -> None:
    """As onnxruntime; integers may differ by `steps` where float32 arithmetic in another order meets a half,
    and may not in more than one of a hundred."""
    y = run(op_type, *inputs, domain=MICROSOFT, opset=1, **attributes)
    expected = onnxruntime_runs(op_type, *inputs, opset=21, types=[dtype], domain=MICROSOFT,
                                **attributes)
    assert (y.dtype, y.shape) == (expected.dtype, expected.shape) and y.dtype == dtype
    difference = np.abs(y.astype(np.float64) - expected)
    if np.dtype(dtype).kind == "f":
        np.testing.assert_allclose(y, expected, rtol=rtol, atol=rtol)
    else:
        assert difference.max(initial=0) <= steps and np.count_nonzero(difference) <= 0.01 * y.size + 1


def scales(x_zero, y_zero, dtype) -> tuple:
    """x_scale, x_zero_point, y_scale, y_zero_point"""
    return scalar(0.02137), scalar(x_zero, dtype), scalar(0.01741), scalar(y_zero, dtype)


@pytest.mark.parametrize("dtype, zero", [(np.uint8, 130), (np.int8, -3)])
@pytest.mark.parametrize("op_type", ["QLinearAdd", "QLinearMul"])
@pytest.mark.parametrize("a, b", [((2, 3, 40), (2, 3, 40)), ((2, 3, 40), (3, 1)), ((1,), (50,))])
def test_binary(op_type, dtype, zero, a, b):
    compare(op_type, stored(*a, dtype=dtype), scalar(0.021), scalar(zero, dtype),
            stored(*b, dtype=dtype, seed=1), scalar(0.03), scalar(zero + 1, dtype), scalar(0.05),
            scalar(zero + 2, dtype), dtype=dtype)


@pytest.mark.parametrize("dtype, zero", [(np.uint8, 130), (np.int8, -3)])
@pytest.mark.parametrize("op_type, attributes", [("QLinearSigmoid", {}),
                                                 ("QLinearLeakyRelu", dict(alpha=0.3))])
def test_unary(op_type, attributes, dtype, zero):
    x_scale, x_zero, _, _ = scales(zero, zero, dtype)
    y_scale = scalar(0.017 if op_type == "QLinearLeakyRelu" else 1 / 256)
    y_zero = scalar(zero if op_type == "QLinearLeakyRelu" else np.iinfo(dtype).min, dtype)
    compare(op_type, stored(2, 3, 40, dtype=dtype), x_scale, x_zero, y_scale, y_zero, dtype=dtype,
            **attributes)


@pytest.mark.parametrize("axis, opset, axes", [(-1, 13, 2), (1, 13, 1), (1, 11, (1, 2))])
def test_softmax(axis, opset, axes):
    x = stored(2, 3, 5)
    e = np.exp(0.02 * (x.astype(np.float64) - 130))
    expected = np.clip(np.rint(e / e.sum(axes, keepdims=True) * 256), 0, 255)
    node = Node("QLinearSoftmax", ["x"] * 5, ["y"], dict(axis=axis, opset=opset), MICROSOFT)
    inputs = [x, scalar(0.02), scalar(130, np.uint8), scalar(1 / 256), scalar(0, np.uint8)]
    y, = registry.evaluate(registry.lookup(node), node, inputs)
    np.testing.assert_array_equal(y, expected)
    foreseen, = registry.infer(registry.lookup(node), node, list(map(Fact.of, inputs)))
    assert foreseen == Fact(y.dtype, y.shape)


@pytest.mark.parametrize("dtype, zero", [(np.uint8, 130), (np.int8, -3)])
@pytest.mark.parametrize("channels_last", [0, 1])
def test_average_pools(dtype, zero, channels_last):
    x, rest = stored(2, 6, 7, 8, dtype=dtype), scales(zero, zero - 1, dtype)
    compare("QLinearGlobalAveragePool", x, *rest, dtype=dtype, channels_last=channels_last)
    for count_include_pad in (0, 1):
        compare("QLinearAveragePool", x, *rest, dtype=dtype, channels_last=channels_last, kernel_shape=[3, 2],
                strides=[2, 1], pads=[1, 0, 1, 1], count_include_pad=count_include_pad)


def test_concat():
    parts = [stored(2, n, 3, seed=n) for n in (1, 4)]
    compare("QLinearConcat", scalar(0.05), scalar(7, np.uint8), parts[0], scalar(0.02), scalar(3, np.uint8),
            parts[1], scalar(0.07), scalar(200, np.uint8), dtype=np.uint8, axis=1)
    refuses("each tensor has to have a scale", "QLinearConcat", scalar(1), scalar(0, np.uint8), parts[0],
            scalar(1), domain=MICROSOFT, axis=1)


@pytest.mark.parametrize("transA, transB", [(0, 0), (1, 0), (0, 1), (1, 1)])
@pytest.mark.parametrize("per_column", [False, True])
@pytest.mark.parametrize("quantised", [False, True])
def test_qgemm(transA, transB, per_column, quantised):
    a, b = stored(5, 9), halved(9, 4, seed=1)
    b_scale = np.float32([0.01, 0.02, 0.03, 0.04]) if per_column else scalar(0.02)
    b_zero = np.zeros(4, np.int8) if per_column else scalar(0, np.int8)
    y = (scalar(1.5), scalar(99, np.uint8)) if quantised else ()
    compare("QGemm", a.T.copy() if transA else a, scalar(0.03), scalar(120, np.uint8),
            b.T.copy() if transB else b, b_scale, b_zero, np.int32([100, -2000, 3, 4]), *y,
            dtype=np.uint8 if quantised else np.float32, rtol=1e-6, alpha=0.5, transA=transA, transB=transB)


def test_products_to_floats():
    b, b_scale, b_zero = halved(9, 4), np.float32([0.1, 0.2, 0.3, 0.4]), np.zeros(4, np.int8)
    bias = real(4)
    compare("DynamicQuantizeMatMul", real(2, 5, 9), b, b_scale, b_zero, bias, dtype=np.float32, rtol=1e-5)
    compare("DynamicQuantizeMatMul", real(5, 9), b, scalar(0.1), dtype=np.float32, rtol=1e-5)
    compare("MatMulIntegerToFloat", stored(5, 9), b, scalar(0.3), b_scale, scalar(120, np.uint8), b_zero,
            bias, dtype=np.float32, rtol=1e-5)


@pytest.mark.parametrize("attributes, a, b", [
    (dict(alpha=0.5), (2, 3, 4, 5), (2, 3, 5, 6)), (dict(transA=1), (2, 3, 5, 4), (2, 3, 5, 6)),
    (dict(transB=1), (2, 3, 4, 5), (2, 3, 6, 5)), (dict(transBatchA=1), (4, 2, 3, 5), (2, 3, 5, 6)),
    (dict(transA=1, transBatchA=1), (5, 2, 3, 4), (2, 3, 5, 6)),
    (dict(transB=1, transBatchB=1), (2, 3, 4, 5), (6, 2, 3, 5))])
def test_fused_matmul(attributes, a, b):
    compare("FusedMatMul", real(*a), real(*b, seed=1), dtype=np.float32, rtol=1e-5, **attributes)


@pytest.mark.parametrize("activation, parameters", [
    ("Relu", []), ("Tanh", []), ("Sigmoid", []), ("LeakyRelu", [0.3]), ("Clip", [-0.5, 0.7]),
    ("HardSigmoid", [0.3, 0.4])])
@pytest.mark.parametrize("added", [False, True])
def test_fused_conv(activation, parameters, added):
    x, w, b = real(1, 4, 6, 7), real(6, 4, 3, 3, seed=1), real(6, seed=2)
    z = [real(1, 6, 6, 7, seed=3)] if added else []
    compare("FusedConv", x, w, b, *z, dtype=np.float32, rtol=1e-5, pads=[1, 1, 1, 1], activation=activation,
            **(dict(activation_params=parameters) if parameters else {}))
    refuses("'Relu' has 0", "FusedConv", x, w, domain=MICROSOFT, activation="Relu",
            activation_params=[1.0])
    refuses("activation 'Exp'", "FusedConv", x, w, domain=MICROSOFT, activation="Exp")


def test_types_and_scales_are_checked():
    x, one, zero = stored(2, 3), scalar(1), scalar(0, np.uint8)
    refuses("A is int16; it has to be int8 or uint8", "QLinearAdd", x.astype(np.int16), one, zero, x, one,
            zero, one, zero, domain=MICROSOFT)
    refuses("inputs are uint8 and int8", "QLinearAdd", x, one, zero, x, one, scalar(0, np.int8), one, zero,
            domain=MICROSOFT)
    refuses("X_scale has shape [3]", "QLinearSigmoid", x, np.ones(3, np.float32), zero, one, zero,
            domain=MICROSOFT)
    refuses("b_scale has shape [2]; it has to be a scalar or [3]", "QGemm", stored(4, 2), one, zero,
            stored(2, 3), np.ones(2, np.float32), zero, domain=MICROSOFT)
    refuses("both given or both absent", "QGemm", stored(4, 2), one, zero, stored(2, 3), one, zero, None, one,
            domain=MICROSOFT)
