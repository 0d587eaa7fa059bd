"""Products of quantised matrices as operators that compute with the integers."""
import copy

import numpy as np
import pytest

from cinfer import passes
from cinfer.passes.check import fault
from cinfer.passes.join_products import join_products
from cinfer.passes.remove_dead import remove_dead

from handmade import Builder, ops, rewritten, unchanged
from interpreter import evaluate

F, U8, S8 = np.float32, np.uint8, np.int8
X, W, Y = (F(0.05), U8(120)), (F(0.02), S8(-3)), (F(0.5), U8(100))
COLUMNS = np.linspace(0.01, 0.02, 5, dtype=F), np.arange(5, dtype=S8) - 2
BIAS = np.array([300, -4000, 0, 77, 5], np.int32)


def weights(*shape, dtype=S8):
    limits = np.iinfo(dtype)
    return np.random.default_rng(shape).integers(limits.min, limits.max + 1, shape).astype(dtype)


def own(b: Builder, op_type: str, *inputs) -> str:
    y = b.node(op_type, *inputs)
    b.graph.nodes[-1].domain, b.graph.nodes[-1].opset = "com.microsoft", 1
    return y


def dynamic(b: Builder, *more, w=weights(6, 5), zero=S8(3), to=1):
    """As exporters write it."""
    x, scale, shift = b.node("DynamicQuantizeLinear", b.input("x", 2, 3, 6), n=3)
    y = b.Mul(b.Cast(b.MatMulInteger(x, w, shift, zero), to=to), b.Mul(scale, F(0.01)))
    return b.Add(y, more[0]) if more else y


def back(b: Builder, name="x", *shape):
    return b.DequantizeLinear(b.QuantizeLinear(b.input(name, *shape), *X), *X)


@pytest.mark.parametrize("zero", [S8(3), COLUMNS[1]])
def test_dynamic(zero):
    b = Builder()
    after = rewritten(b.output(dynamic(b, np.ones(5, F), zero=zero)), join_products)
    assert ops(after) == ["DynamicQuantizeLinear", "ScaledMatMulInteger", "Add"]


def test_scales_of_columns():
    b = Builder()
    x, scale, shift = b.node("DynamicQuantizeLinear", b.input("x", 3, 6), n=3)
    y = b.Mul(b.Mul(scale, COLUMNS[0]), b.Cast(b.MatMulInteger(x, weights(6, 5), shift), to=1))
    assert "ScaledMatMulInteger" in ops(rewritten(b.output(y), join_products))


@pytest.mark.parametrize("row", [np.int32(7), np.arange(5, dtype=np.int32), np.arange(5, dtype=np.int32).reshape(1, 5)],
                         ids=str)
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("shape", [(3, 6), ("n", 6), ("n", "rows", 6)], ids=str)
def test_a_row_of_int32_is_added_to_the_sums(row, first, shape):
    b = Builder()
    x, scale, shift = b.node("DynamicQuantizeLinear", b.input("x", *shape), n=3)
    total = b.MatMulInteger(x, weights(6, 5), shift)
    y = b.Mul(b.Cast(b.Add(row, total) if first else b.Add(total, row), to=1), b.Mul(COLUMNS[0], scale))
    after = rewritten(b.output(y), join_products)
    assert ops(after) == ["DynamicQuantizeLinear", "ScaledMatMulInteger"]
    assert after.nodes[1].inputs[4:6] == ["", scale]


@pytest.mark.parametrize("row", [np.arange(3, dtype=np.int32).reshape(3, 1), np.ones((1, 1, 5), np.int32),
                                 "of the run"], ids=str)
def test_other_sums_stay(row):
    b = Builder()
    x, scale, shift = b.node("DynamicQuantizeLinear", b.input("x", 3, 6), n=3)
    row = b.input("row", 5, dtype=np.dtype(np.int32)) if isinstance(row, str) else row
    y = b.Mul(b.Cast(b.Add(b.MatMulInteger(x, weights(6, 5), shift), row), to=1), scale)
    unchanged(b.output(y), join_products)


def test_sizes_that_are_not_known_decide_nothing():
    b = Builder()
    unchanged(b.output(b.Mul(b.Cast(b.MatMulInteger(b.input("x", 5, 6, dtype=U8), weights(6, 5)), to=1),
                             b.input("s", "n"))), join_products)
    b = Builder()
    unchanged(b.output(b.Gemm(back(b, "x", 4, 6), b.DequantizeLinear(weights(6, 5), *W), b.input("row", "n"))),
              join_products)


@pytest.mark.parametrize("case", ["to float64", "an output", "two readers", "scales of rows", "no scale", "wide scale"])
def test_dynamic_stays(case):
    b = Builder()
    x, scale, shift = b.node("DynamicQuantizeLinear", b.input("x", 5, 6), n=3)
    total = b.MatMulInteger(x, weights(6, 5), shift)
    real = b.Cast(total, to=11 if case == "to float64" else 1)
    scale = {"to float64": np.float64(2), "scales of rows": np.ones((5, 1), F), "wide scale": np.ones((1, 1, 1), F)
             }.get(case, scale)
    y = b.Neg(real) if case == "no scale" else b.Mul(real, scale)
    unchanged(b.output(*{"an output": [y, total], "two readers": [y, b.Neg(real)]}.get(case, [y])), join_products)


def test_dequantised_matrices_become_a_product_of_bytes():
    b = Builder()
    w = b.DequantizeLinear(weights(6, 5), *COLUMNS, axis=1)
    graph = b.output(b.QuantizeLinear(b.MatMul(back(b, "x", 2, 3, 6), w), *Y))
    assert ops(bytes_alike(graph)) == ["QuantizeLinear", "QLinearMatMul"]


def test_two_values_of_the_run():
    b = Builder()
    y = b.MatMul(back(b, "x", 2, 3, 6), back(b, "y", 2, 6, 4))
    assert ops(bytes_alike(b.output(b.QuantizeLinear(y, *Y)))) == ["QuantizeLinear", "QuantizeLinear", "QLinearMatMul"]


@pytest.mark.parametrize("transB", [0, 1])
@pytest.mark.parametrize("bias", ["none", "stored", "floats"])
@pytest.mark.parametrize("quantised", [True, False])
def test_gemm(transB, bias, quantised):
    b = Builder()
    w = b.DequantizeLinear(weights(5, 6) if transB else weights(6, 5), *COLUMNS, axis=1 - transB)
    more = {"none": [], "floats": [np.linspace(-1, 1, 5, dtype=F)],
            "stored": [b.DequantizeLinear(BIAS, X[0] * COLUMNS[0], np.zeros(5, np.int32), axis=0)]}[bias]
    y = b.Gemm(back(b, "x", 3, 6), w, *more, transB=transB)
    after = bytes_alike(b.output(b.QuantizeLinear(y, *Y) if quantised else y))
    if bias == "floats" or not quantised:
        assert "ScaledMatMulInteger" in ops(after) and "Gemm" not in ops(after)
    else:
        assert ops(after)[-1] == ("QLinearMatMul" if bias == "none" else "QGemm")


def test_bytes_are_moved_instead_of_floats():
    b = Builder()
    x, w = back(b, "x", 3, 2, 6), b.DequantizeLinear(weights(5, 6), *COLUMNS, axis=0)
    y = b.MatMul(b.Transpose(x, perm=[1, 0, 2]), b.Transpose(w, perm=[1, 0]))
    z = b.MatMul(b.Reshape(back(b, "y", 2, 18), np.array([2, 3, 6])),
                 b.Transpose(back(b, "z", 2, 4, 6), perm=[0, 2, 1]))
    after = bytes_alike(b.output(b.QuantizeLinear(y, *Y), b.QuantizeLinear(z, *Y)))
    assert ops(after).count("QLinearMatMul") == 2 and "DequantizeLinear" not in ops(after)


def test_product_in_floats():
    b = Builder()
    w = b.DequantizeLinear(weights(6, 5), *COLUMNS, axis=-1)
    after = rewritten(b.output(b.MatMul(back(b, "x", 3, 6), w)), join_products)
    assert ops(after) == ["QuantizeLinear", "ScaledMatMulInteger"]


def bytes_alike(graph):
    """The graph after the pass; integers may be neighbours where a number lies on a border."""
    after = copy.deepcopy(graph)
    assert join_products(after) and fault(after) is None, fault(after)
    passes.run(after)
    rng = np.random.default_rng(3)
    feeds = {name: (3 * rng.normal(size=t.shape)).astype(F) for name, t in graph.inputs.items()}
    for want, got in zip(evaluate(graph, feeds), evaluate(after, feeds)):
        assert got.dtype == want.dtype and got.shape == want.shape
        if want.dtype == F:
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5 * np.abs(want).max())
        else:
            assert np.abs(got.astype(int) - want).max() <= 1
    return after


@pytest.mark.parametrize("case", ["float weights", "16 bits", "scales of rows", "a scale of the run", "alpha", "transA",
                                  "a row of the run", "blocks", "moved and seen"])
def test_stays(case):
    b = Builder(21)
    x = back(b, "x", 6, 6)
    if case == "16 bits":
        x = b.DequantizeLinear(b.input("i", 6, 6, dtype=np.uint16), F(0.1), np.uint16(7))
    scale = {"a scale of the run": b.input("s"), "scales of rows": np.ones(6, F)}.get(case, W[0])
    zero = {"scales of rows": np.zeros(6, S8)}.get(case, W[1])
    w = np.ones((6, 6), F) if case == "float weights" else b.DequantizeLinear(weights(6, 6), scale, zero, axis=0)
    if case == "blocks":
        w = b.DequantizeLinear(weights(6, 6), np.ones((3, 6), F), np.zeros((3, 6), S8), axis=0, block_size=2)
    more = [b.input("c", 6, 6)] if case == "a row of the run" else []
    how = {"alpha": dict(alpha=.5), "transA": dict(transA=1)}.get(case, {})
    if case == "moved and seen":
        x = b.Transpose(x, perm=[1, 0])
    unchanged(b.output(b.Gemm(x, w, *more, **how), x), join_products)


INVALID = {                             # each operator has to say so itself
    "zero of x": lambda b: b.MatMul(b.DequantizeLinear(b.input("i", 6, 6, dtype=U8), F(.1), S8(3)), matrix(b)),
    "zero of another type": lambda b: b.MatMul(back(b, "x", 6, 6), matrix(b, (W[0], U8(3)))),
    "one zero": lambda b: b.MatMul(back(b, "x", 6, 6), matrix(b, (np.ones(6, F), S8(3)), axis=1)),
    "axis 3": lambda b: b.MatMul(back(b, "x", 6, 6), matrix(b, (np.ones(6, F), np.zeros(6, S8)), axis=3)),
    "axis -5": lambda b: b.MatMul(back(b, "x", 6, 6), matrix(b, (np.ones(6, F), np.zeros(6, S8)), axis=-5)),
    "Gemm of three axes": lambda b: b.Gemm(back(b, "x", 2, 6, 6), matrix(b)),
    "Gemm of a vector": lambda b: b.Gemm(back(b, "x", 6), matrix(b)),
}
ODD = {"nothing": 0, "negative": -.1, "nan": np.nan, "inf": np.inf, "denormal": 1e-45, "huge": 1e38, "tiny": 1e-38}


def matrix(b: Builder, at=W, **how) -> str:
    return b.DequantizeLinear(weights(6, 6), *at, **how)


@pytest.mark.parametrize("case", INVALID)
def test_leaves_what_is_no_valid_model(case):
    b = Builder(21)
    y = INVALID[case](b)
    unchanged(b.output(y, b.QuantizeLinear(y, *Y)), join_products)
    b = Builder(21)
    unchanged(b.output(b.QuantizeLinear(INVALID[case](b), *Y)), join_products)


@pytest.mark.parametrize("case", ODD)
def test_odd_scales_stay_in_floats(case):
    """What they mean is between numbers that float32 has none for."""
    odd = F(ODD[case])
    for place in range(3):
        b = Builder(21)
        x, w, y = [(odd if i == place else at[0], at[1]) for i, at in enumerate((X, W, Y))]
        if case in ("denormal", "tiny") and place == 1:
            continue                    # weights of next to nothing are as good as others
        product = b.MatMul(b.DequantizeLinear(b.input("i", 6, 6, dtype=U8), *x), matrix(b, w))
        after = copy.deepcopy(b.output(b.QuantizeLinear(product, *y)))
        join_products(after)
        assert not any(op.startswith("QLinear") for op in ops(after))


@pytest.mark.parametrize("scale", [F(.1), F([.1])])
def test_a_product_of_vectors_keeps_its_shape(scale):
    """Where the scale has an axis, so has what it multiplies."""
    b = Builder()
    y = b.Mul(b.Cast(b.MatMulInteger(b.input("x", 6, dtype=U8), b.input("z", 6, dtype=S8)), to=1), scale)
    graph = b.output(y)
    after = copy.deepcopy(graph)
    join_products(after)
    feeds = {"x": np.arange(6, dtype=U8), "z": np.arange(6, dtype=S8)}
    for each in (graph, after):
        assert evaluate(each, feeds)[0].shape == scale.shape
    passes.run(after)
    assert ops(after) == (["MatMulInteger", "Cast", "Mul"] if scale.ndim else ["ScaledMatMulInteger"])


@pytest.mark.parametrize("maker", ["DynamicQuantizeLinear", "QuantizeLinear", "input"])
def test_products_that_end_in_floats(maker):
    """MatMulIntegerToFloat and DynamicQuantizeMatMul, whatever quantised their input."""
    b = Builder()
    w, zero, bias = weights(6, 5), np.zeros(5, S8), np.linspace(-1, 1, 5, dtype=F)
    x, scale, shift = b.input("x", 3, 6, dtype=U8 if maker == "input" else F), *X
    if maker == "DynamicQuantizeLinear":
        x, scale, shift = b.node(maker, x, n=3)
    elif maker == "QuantizeLinear":
        x = b.QuantizeLinear(x, *X)
    graph = b.output(own(b, "MatMulIntegerToFloat", x, w, scale, COLUMNS[0], shift, zero, bias))
    after = copy.deepcopy(graph)
    passes.run(after)
    assert "ScaledMatMulInteger" in ops(after) and "MatMulInteger" not in ops(after)
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (3, 6)).astype(U8) if maker == "input" else rng.normal(size=(3, 6)).astype(F)
    for want, got in zip(evaluate(graph, {"x": x}), evaluate(after, {"x": x})):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["LeakyRelu", "PRelu", "HardSwish", "SiLU"])
def test_activations_become_part_of_a_gemm(name):
    b = Builder()
    bias = b.DequantizeLinear(BIAS, F(0.05) * F(0.02), np.int32(0))
    y = b.Gemm(back(b, "x", 7, 6), b.DequantizeLinear(weights(6, 5), *W), bias)
    y = {"LeakyRelu": lambda: b.LeakyRelu(y, alpha=.25), "PRelu": lambda: b.PRelu(y, np.linspace(-1, 1, 5, dtype=F)),
         "HardSwish": lambda: b.HardSwish(y), "SiLU": lambda: b.Mul(y, b.Sigmoid(y))}[name]()
    graph = b.output(b.QuantizeLinear(y, *Y))
    after = rewritten(graph, join_products)
    assert ops(after) == ["QuantizeLinear", "QGemm"] and after.nodes[-1].domain == "cinfer"


def test_activations_of_a_gemm_that_adds_floats_stay():
    b = Builder()
    y = b.Gemm(back(b, "x", 7, 6), b.DequantizeLinear(weights(6, 5), *W), np.ones(5, F))
    after = rewritten(b.output(b.QuantizeLinear(b.LeakyRelu(y), *Y)), join_products)
    assert ops(after)[-3:] == ["Add", "LeakyRelu", "QuantizeLinear"]


@pytest.mark.parametrize("operator", ["MatMul", "Gemm"])
@pytest.mark.parametrize("turned", [False, True], ids=["as it is", "transposed"])
@pytest.mark.parametrize("zero", [None, 0, "columns"])
@pytest.mark.parametrize("kind", ["int4", "uint4"])
def test_matrices_of_4_bits_become_bytes(kind, zero, turned, operator):
    dtype = np.dtype(getattr(pytest.importorskip("ml_dtypes"), kind))
    b = Builder(opset=21)
    w = np.random.default_rng(0).integers(0, 8, (5, 6) if turned else (6, 5)).astype(np.int8).astype(dtype)
    zeros = [] if zero is None else [np.array(zero, np.int8).astype(dtype)] if zero == 0 \
        else [np.arange(5, dtype=np.int8).astype(dtype)]
    back_w = b.DequantizeLinear(w, COLUMNS[0] if zero == "columns" else F(0.02), *zeros, axis=0 if turned else 1)
    x = back(b, "x", 2, 6)
    if operator == "Gemm":
        y = b.Gemm(x, back_w, transB=int(turned))
    else:
        y = b.MatMul(x, b.Transpose(back_w, perm=[1, 0]) if turned else back_w)
    after = rewritten(b.output(y), join_products, remove_dead)
    assert ops(after) == ["QuantizeLinear", "ScaledMatMulInteger"]


def test_matrices_of_4_bits_stay_so_beside_floats_and_in_blocks():
    dtype = np.dtype(pytest.importorskip("ml_dtypes").int4)
    w = np.ones((6, 4), np.int8).astype(dtype)
    b = Builder(opset=21)
    y = b.MatMul(b.input("x", 2, 6), b.DequantizeLinear(w, F(0.02)))
    z = b.MatMul(back(b, "z", 2, 6), b.DequantizeLinear(w, np.full((3, 4), 0.02, F), axis=0, block_size=2))
    unchanged(b.output(y, z), join_products)
