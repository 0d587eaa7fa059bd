"""Gemm and MatMul, and what transformers make of them."""
import numpy as np
import pytest

import cinfer
from cinfer import _ops

from onnx_models import Model, assert_close, expected
from plan_cases import Cases, steps

CASES = Cases()
case = CASES.add


for rows, alpha, beta, c in [(1, 1.0, 1.0, (33,)), (2, 0.5, 2.0, (33,)), (3, 1.0, 1.0, (1,)),
                             (50, 2.0, 0.5, (1, 33)), (5, 1.0, 1.0, None)]:
    @case(f"gemm rows={rows} alpha={alpha} beta={beta} c={c}", rows=rows, alpha=alpha, beta=beta, c=c)
    def gemm(m, rows, alpha, beta, c):
        x, more = m.input("x", rows, 20), [] if c is None else [m.vector(*c)]
        return (m.Relu(m.Gemm(x, m.weights(20, 33), *more, alpha=alpha, beta=beta)),
                m.Sigmoid(m.Gemm(x, m.weights(33, 20), *more, alpha=alpha, beta=beta, transB=1)))


@case(numpy=3)
def gemm_in_numpy(m):
    x, c = m.input("x", 6, 5), m.input("c", 6, 7)
    return (m.Relu(m.Gemm(x, m.weights(6, 7), transA=1)), m.Relu(m.Gemm(x, m.weights(5, 7), m.vector(6, 1))),
            m.Gemm(x, m.weights(5, 7), c, beta=0.5))


for a, b in [((5, 7), (7, 9)), ((2, 3, 5, 7), (2, 3, 7, 9)), ((2, 1, 5, 7), (1, 3, 7, 9)),
             ((5, 7), (4, 7, 9)), ((3, 5, 7), (7, 9)), ((2, 1, 3, 5, 7), (4, 1, 7, 9)),
             ((1, 1, 1, 1), (1, 1)), ((2, 49, 64), (2, 64, 50))]:
    @case(f"matmul {a} {b}", a=a, b=b, numpy=9 if len(a) > 4 else 0)
    def matmul(m, a, b):
        return m.MatMul(m.input("a", *a), m.input("b", *b))


@case(numpy=3)
def matmul_of_vectors(m):
    x, a = m.input("x", 7), m.input("a", 3, 7)
    return m.MatMul(a, x), m.MatMul(x, m.Transpose(a)), m.MatMul(x, x)


for rows in (2, 3, 70):
    @case(f"{rows} equal rows", rows=rows)
    def matmul_of_equal_rows(m, rows):
        x = m.Expand(m.input("x", 1, 33), np.array([rows, 33]))
        return m.MatMul(x, m.weights(33, 20)), m.Relu(m.Gemm(x, m.weights(20, 33), m.vector(20), transB=1))


@case()
def matmul_bias_residual_activation(m):
    x = m.input("x", 2, 30, 24)
    y = m.Add(m.MatMul(m.Relu(m.Add(m.vector(40), m.MatMul(x, m.weights(24, 40)))), m.weights(40, 24)),
              m.vector(24))
    return m.Add(x, y), m.Add(m.MatMul(x, m.weights(24, 40)), m.vector(30, 40))


@case()
def numbers_around_products(m):
    """Mul and Div by one number go into the product, chains and all; those that change a shape do not."""
    a, b, w = m.input("a", 2, 5, 7), m.input("b", 2, 7, 9), m.weights(9, 6)
    two, half, wide = np.float32(2), np.array([0.5], np.float32), np.full((1, 1, 1, 1), 3, np.float32)
    y = m.Mul(m.MatMul(m.Div(a, two), m.Mul(half, b)), np.float32(-1.5))
    return (m.MatMul(y, w), m.Div(m.MatMul(m.Mul(y, half), w), two), m.MatMul(m.Mul(a, wide), b),
            m.MatMul(m.Div(two, m.Add(m.Abs(a), two)), b))


def test_numbers_before_and_after_a_product_are_its_scale():
    def build(m, a):
        b = m.input("b", 2, 7, 9)
        return m.Mul(m.MatMul(m.Mul(a, np.float32(0.5)), m.Div(b, np.float32(3))), np.float32(4))
    assert steps(build, 2, 5, 7) == ["pack_gemm", "gemm"]


def test_a_product_that_others_see_is_not_scaled():
    m = Model()
    a, b = m.input("a", 2, 5, 7), m.input("b", 2, 7, 9)
    product = m.MatMul(a, b)
    outputs = m.Mul(product, np.float32(4)), m.Relu(product)
    data, feeds = m.outputs(*outputs).bytes(), m.feeds()
    for got, want in zip(cinfer.load(data, threads=1).run(None, feeds), expected(data, feeds)):
        assert_close(got, want, "unscaled", 3e-6)


@case()
def attention(m):
    """Heads are split by Reshape and Transpose, and put together again."""
    x = m.input("x", 2, 9, 48)

    def heads(perm):
        y = m.Add(m.MatMul(x, m.weights(48, 48)), m.vector(48))
        return m.Transpose(m.Reshape(y, np.array([2, 9, 3, 16])), perm=perm)

    q, k, v = heads([0, 2, 1, 3]), heads([0, 2, 3, 1]), heads([0, 2, 1, 3])
    scores = m.Softmax(m.Mul(m.MatMul(q, k), np.float32(0.25)), axis=-1)
    y = m.Reshape(m.Transpose(m.MatMul(scores, v), perm=[0, 2, 1, 3]), np.array([2, 9, 48]))
    return m.Add(x, m.MatMul(y, m.weights(48, 48)))


@case()
def packed_attention(m):
    """q, k and v are pieces of one product, as timm's ViT has them."""
    x = m.input("x", 1, 5, 32)
    qkv = m.Transpose(m.Reshape(m.MatMul(x, m.weights(32, 96)), np.array([1, 5, 3, 2, 16])),
                      perm=[2, 0, 3, 1, 4])
    q, k, v = (m.Gather(qkv, np.array(i), axis=0) for i in range(3))
    y = m.MatMul(m.Softmax(m.MatMul(q, m.Transpose(k, perm=[0, 1, 3, 2])), axis=-1), v)
    return m.MatMul(m.Reshape(m.Transpose(y, perm=[0, 2, 1, 3]), np.array([1, 5, 32])), m.weights(32, 10))


@case()
def transposes_around_matmul(m):
    a, b = m.input("a", 2, 7, 5), m.input("b", 9, 7, 2)
    y = m.MatMul(m.Transpose(a, perm=[0, 2, 1]), m.Transpose(b, perm=[2, 1, 0]))
    return m.Transpose(y, perm=[2, 0, 1]), m.Relu(m.Transpose(m.MatMul(a, m.weights(5, 8)), perm=[1, 0, 2]))


@pytest.mark.parametrize("isa", _ops.usable_levels())
@pytest.mark.parametrize("name", CASES)
def test_answers_are_onnxruntimes(name, isa):
    CASES.check(name, isa)
