"""Products with narrow weights through whole plans: the bits of the same model with its weights in float32."""
import numpy as np
import pytest

import cinfer
from cinfer import _ops

from onnx_models import Model

LEVELS = _ops.usable_levels()
HALF = np.float16


@pytest.fixture(autouse=True)
def small_weights_count(monkeypatch):
    for name in ("MANY_HALVES", "MANY_SCALED"):
        monkeypatch.setattr(f"cinfer.ops.matmul_narrow.{name}", 500)


def halves(m, x):
    w, v = m.weights(96, 40).astype(HALF), m.weights(33, 40).astype(HALF)
    y = m.Relu(m.Add(m.MatMul(x, w), m.vector(40).astype(HALF)))
    return m.Sigmoid(m.Gemm(y, v, m.vector(33).astype(HALF), transB=1, alpha=.5, beta=2.0))


def scaled(m, x):
    q, p = (m.rng.integers(-128, 128, shape).astype(np.int8) for shape in ((96, 40), (33, 40)))
    w = m.DequantizeLinear(q, np.abs(m.vector(3, 40)) / 400, m.rng.integers(-9, 9, (3, 40)).astype(np.int8), axis=0,
                           block_size=32)
    v = m.DequantizeLinear(p, np.abs(m.vector(33)) / 400, axis=0)
    y = m.Relu(m.Add(m.MatMul(x, w), m.vector(40)))
    return m.Gemm(y, v, m.vector(33), transB=1)


def answers(data, feeds, **how):
    session = cinfer.load(data, **how)
    kernels = [step.label for step in session._plan_for({k: v.shape for k, v in feeds.items()}).steps]
    return kernels, session.run(None, feeds)[0]


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("build, dtype", [(halves, HALF), (scaled, np.float32)])
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 40])
def test_bits_are_those_of_wide_weights(isa, build, dtype, rows, monkeypatch):
    m = Model(opset=21)
    data = m.outputs(build(m, m.input("x", rows, 96, dtype=dtype, declared=("n", 96))), dtype=dtype).bytes()
    feeds = {"x": np.random.default_rng(rows).normal(size=(rows, 96)).astype(dtype)}
    monkeypatch.setattr("cinfer.plan.plan.FEW_FLOPS", -1)
    kernels, got = answers(data, feeds, threads=1, isa=isa)
    np.testing.assert_array_equal(answers(data, feeds, threads=2, isa=isa)[1], got)
    assert "numpy" not in kernels
    monkeypatch.setenv("CINFER_PASSES", "-keep_narrow")
    other, wanted = answers(data, feeds, threads=1, isa=isa)
    if kernels == other:
        np.testing.assert_array_equal(got, wanted)
    else:                           # in place where wide weights are packed, so the sums are in another order
        assert rows in (3, 4)
        np.testing.assert_allclose(got.astype(float), wanted.astype(float), atol=1e-3 if dtype == HALF else 2e-6,
                                   rtol=0)


@pytest.mark.parametrize("isa", LEVELS)
def test_one_session_of_several_sizes(isa):
    m = Model(opset=21)
    data = m.outputs(scaled(m, m.input("x", 1, 96, declared=("n", 96)))).bytes()
    session = cinfer.load(data, threads=1, isa=isa)
    x = np.random.default_rng(0).normal(size=(50, 96)).astype(np.float32)
    whole = session(x)
    for rows in (1, 2, 3, 4, 7, 50, 2, 1):
        np.testing.assert_allclose(session(x[:rows]), whole[:rows], atol=2e-6, rtol=0)


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("zeros", ["none", "same", "packed", "float"])
@pytest.mark.parametrize("shape", [(96,), (2, 96), (2, 3, 90)])
def test_matmul_nbits(isa, bits, zeros, shape, monkeypatch):
    onnx = pytest.importorskip("onnx")
    r, n, k, block = np.random.default_rng(bits), 21, shape[-1], 32
    q = r.integers(0, 1 << bits, (n, 96))
    packed = sum(q.reshape(n, -1, 8 // bits)[..., i] << bits * i for i in range(8 // bits)).astype(np.uint8)
    z = r.integers(0, 1 << bits, (n, 3)) if zeros != "none" else np.full((n, 3), 1 << bits - 1)
    if zeros == "same":
        z[...] = 1
    scales = r.uniform(.01, .1, (n, 3)).astype(np.float32)
    given = [packed.reshape(n, 3, -1), scales]
    if zeros == "float":
        z = z + .25
        given.append(z.astype(np.float32))
    elif zeros != "none":
        padded = np.pad(z, ((0, 0), (0, -3 % (8 // bits)))).reshape(n, -1, 8 // bits)
        given.append(sum(padded[..., i] << bits * i for i in range(8 // bits)).astype(np.uint8))
    wide = ((q.reshape(n, 3, block) - z[..., None]) * scales[..., None]).reshape(n, -1)[:, :k]
    h = onnx.helper
    graph = h.make_graph(
        [h.make_node("MatMulNBits", ["x", *(f"w{i}" for i in range(len(given)))], ["y"], domain="com.microsoft", K=k,
                     N=n, bits=bits, block_size=block), h.make_node("Relu", ["y"], ["z"])], "g",
        [h.make_tensor_value_info("x", 1, shape)], [h.make_tensor_value_info("z", 1, None)],
        [onnx.numpy_helper.from_array(w, f"w{i}") for i, w in enumerate(given)])
    data = h.make_model(graph, ir_version=8, opset_imports=[h.make_opsetid("", 17), h.make_opsetid("com.microsoft", 1)])
    x = r.normal(size=shape).astype(np.float32)
    kernels, got = answers(data.SerializeToString(), {"x": x}, threads=1, isa=isa)
    assert kernels == (["gemv"] if x.size <= 4 * k else ["gemm"])
    wanted = np.maximum(x.astype(float) @ wide.T, 0)
    np.testing.assert_allclose(got, wanted, atol=3e-6 * np.abs(wanted).max(), rtol=0)
