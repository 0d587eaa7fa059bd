"""Products of bytes through whole plans, against onnxruntime: dynamic quantisation, QDQ, QOperator.

Weights are uint8, or small: of large int8 ones onnxruntime's sums saturate on CPUs without VNNI.
"""
import numpy as np
import pytest

import cinfer
from cinfer import _ops

from onnx_models import Model, expected
from plan_cases import Cases, hold

CASES = Cases()
case = CASES.add
F, U8, S8 = np.float32, np.uint8, np.int8


def weights(m, *shape, dtype=U8):
    return m.rng.integers(*((0, 256) if dtype == U8 else (-63, 64)), shape).astype(dtype)


def dynamic(m, x, w, *zero, scale=F(0.01)):
    x, x_scale, shift = m.node("DynamicQuantizeLinear", x, n=3)
    return m.Mul(m.Cast(m.MatMulInteger(x, w, shift, *zero), to=1), m.Mul(x_scale, scale))


for dtype in (U8, S8):
    for rows in (1, 3, 50):
        @case(f"dynamic {np.dtype(dtype)} of {rows} rows", rows=rows, dtype_w=dtype)
        def dynamic_with_bias_and_gelu(m, rows, dtype_w):
            w = weights(m, 37, 45, dtype=dtype_w)
            y = m.Add(m.vector(45), dynamic(m, m.input("x", 2, rows, 37), w, dtype_w(7)))
            return m.Mul(y, m.Mul(m.Add(m.Erf(m.Div(y, F(2 ** .5))), F(1)), F(.5)))


@case()
def dynamic_with_scales_of_columns_and_a_residual(m):
    w, scales = weights(m, 40, 40, dtype=S8), np.abs(m.vector(40)) / 100
    x = m.input("x", 1, 19, 40)
    return m.Add(m.Add(dynamic(m, x, w, np.zeros(40, S8), scale=scales), m.vector(40)), x)


@case()
def dynamic_without_scale(m):
    x, _, shift = m.node("DynamicQuantizeLinear", m.input("x", 7, 30), n=3)
    return m.Cast(m.MatMulInteger(x, weights(m, 30, 17), shift, U8(99)), to=1)


@case(dtype=np.int32)
def integers_of_two_values(m):
    """Heads in two axes, one of them broadcast; transposed in memory; zero points of the run."""
    a, b = m.input("a", 2, 3, 9, 20, dtype=U8), m.input("b", 3, 20, 33, dtype=U8)
    zero = m.input("z", 1, dtype=U8)
    turned = m.Transpose(m.input("c", 2, 3, 33, 20, dtype=U8), perm=[0, 1, 3, 2])
    return m.MatMulInteger(a, b, m.Squeeze(zero)), m.MatMulInteger(a, turned, U8(8), m.Squeeze(zero))


def stored(m, name, *shape, dtype=U8):
    scale, zero = F(2 ** -5), dtype(100 if dtype == U8 else -20)
    return m.DequantizeLinear(m.QuantizeLinear(m.input(name, *shape), scale, zero), scale, zero)


for dtype in (U8, S8):
    @case(f"dequantised {np.dtype(dtype)}", kind=dtype)
    def dequantised(m, kind):
        """Weights by column, then both values of the run; what comes out is quantised, and dequantised at the end."""
        scale, zero = F(2 ** -4), kind(3)
        scales = (2. ** -m.rng.integers(5, 8, 33)).astype(F)
        w = m.DequantizeLinear(weights(m, 40, 33, dtype=S8), scales, np.zeros(33, S8), axis=1)
        y = m.QuantizeLinear(m.MatMul(stored(m, "x", 3, 21, 40, dtype=kind), w), scale, zero)
        y = m.DequantizeLinear(y, scale, zero)
        z = m.QuantizeLinear(m.MatMul(y, m.Transpose(y, perm=[0, 2, 1])), F(2 ** 4), kind(9))
        return m.DequantizeLinear(z, F(2 ** 4), kind(9))

    @case(f"gemm dequantised {np.dtype(dtype)}", kind=dtype)
    def gemm(m, kind):
        scale, zero = F(2 ** -3), kind(5)
        w = m.DequantizeLinear(weights(m, 17, 40, dtype=S8), F(2 ** -6), S8(0))
        bias = m.DequantizeLinear(m.rng.integers(-500, 500, 17).astype(np.int32), F(2 ** -11), np.int32(0))
        y = m.QuantizeLinear(m.Gemm(stored(m, "x", 11, 40, dtype=kind), w, bias, transB=1), scale, zero)
        return m.DequantizeLinear(y, scale, zero)


for name in ("LeakyRelu", "PRelu", "Sigmoid"):
    @case(f"gemm with {name}", function=name)
    def gemm_activated(m, function):
        scale, zero = F(2 ** -3), U8(50)
        w = m.DequantizeLinear(weights(m, 17, 40, dtype=S8), F(2 ** -6), S8(0))
        bias = m.DequantizeLinear(m.rng.integers(-500, 500, 17).astype(np.int32), F(2 ** -11), np.int32(0))
        y = m.Gemm(stored(m, "x", 11, 40), w, bias, transB=1)
        more = {"PRelu": [np.arange(17, dtype=F) / 32 - F(.125)]}.get(function, [])
        y = m.node(function, y, *more, **({"alpha": .125} if function == "LeakyRelu" else {}))
        return m.DequantizeLinear(m.QuantizeLinear(y, scale, zero), scale, zero)


@case()
def gemm_in_floats(m):
    w = m.DequantizeLinear(weights(m, 17, 40, dtype=S8), F(.01), S8(0))
    return m.Relu(m.Gemm(stored(m, "x", 11, 40), w, m.vector(17), transB=1))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("isa", _ops.usable_levels())
def test_plan(name, isa):
    data, feeds, want = CASES.prepared(name)
    CASES.check(name, isa)
    hold(data, feeds, want, name, isa)


@pytest.mark.parametrize("name", CASES)
def test_products_are_of_integers(name):
    data, feeds, _ = CASES.prepared(name)
    session = cinfer.load(data, threads=1)
    labels = [step.label for step in session._plan_for({k: v.shape for k, v in feeds.items()}).steps]
    assert "gemm_u8" in labels and not {"gemm", "gemv"} & set(labels), labels


@pytest.mark.parametrize("isa", _ops.usable_levels())
@pytest.mark.parametrize("x", [[0, 0, 0], [1, 2, 3], [-1, -2, -3], [-1e30, 1e30, 0], [5], np.linspace(-3, 7, 40013)],
                         ids=lambda x: str(len(x)))
def test_dynamic_quantize_has_the_bits_of_onnxruntime(isa, x):
    x = np.asarray(x, F)
    m = Model()
    m.outputs(*m.node("DynamicQuantizeLinear", m.input("x", *x.shape), n=3)[:1], dtype=U8)
    data = m.bytes()
    want = expected(data, {"x": x})
    for threads in (1, 2):
        got = cinfer.load(data, threads=threads, isa=isa).run(None, {"x": x})
        np.testing.assert_array_equal(got[0], want[0])


def test_free_sizes():
    m = Model()
    x = m.input("x", 2, 5, 30, declared=["n", "t", 30])
    y = dynamic(m, x, weights(m, 30, 17), U8(3))
    data = m.outputs(m.Add(y, m.vector(17))).bytes()
    session = cinfer.load(data, threads=1)
    for n, t in ((1, 1), (2, 7), (3, 50), (1, 9), (4, 4)):
        feeds = m.feeds(x=(n, t, 30))
        np.testing.assert_allclose(session.run(None, feeds)[0], expected(data, feeds)[0], rtol=1e-5, atol=1e-5)
