"""Long sums of one sign by the meanings of operators in NumPy, which would add one by one along most axes."""
import numpy as np
import pytest
from one_node import run

MOST = 2e-5
N = 300_001


def alike(*shape):
    return np.full(shape, 0.1, np.float32)


def check(y, wanted):
    assert y.dtype == np.float32
    error = np.abs(np.asarray(y, float) / wanted - 1).max()
    assert error <= MOST, f"off by {error:.1e}"


TENTH = float(np.float32(0.1))


@pytest.mark.parametrize("op, wanted", [
    ("ReduceSum", N * TENTH), ("ReduceMean", TENTH), ("ReduceL1", N * TENTH), ("ReduceL2", TENTH * N**.5),
    ("ReduceSumSquare", N * TENTH**2), ("ReduceLogSum", np.log(N * TENTH)),
    ("ReduceLogSumExp", TENTH + np.log(N))])
@pytest.mark.parametrize("shape, axis", [((N, 3), 0), ((3, N), 1)])
def test_reductions(op, wanted, shape, axis):
    check(run(op, alike(*shape), opset=11, axes=[axis], keepdims=0), wanted)


def test_product_of_many():
    x = np.full((N, 2), 1.00001, np.float32)
    check(run("ReduceProd", x, opset=11, axes=[0]), np.float64(x[0, 0])**N)


@pytest.mark.parametrize("axis", [0, 1])
def test_softmax(axis):
    x = np.full((N, 2) if axis == 0 else (2, N), -0.7, np.float32)
    x[0, 0] = x[-1, 0] = 0
    wide = x.astype(float)
    total = np.exp(wide).sum(axis, keepdims=True)
    check(run("Softmax", x, opset=13, axis=axis), np.exp(wide) / total)
    np.testing.assert_allclose(run("LogSoftmax", x, opset=13, axis=axis), wide - np.log(total), atol=MOST)


@pytest.mark.parametrize("reverse", [0, 1])
def test_cumsum(reverse):
    y = run("CumSum", alike(N), np.int64(0), opset=14, reverse=reverse)
    steps = np.arange(1, N + 1)
    check(y, TENTH * (steps[::-1] if reverse else steps))


def test_norms():
    check(run("LpNormalization", alike(N, 2), opset=22, axis=0, p=1), 1 / N)
    check(run("LpNormalization", alike(N, 2), opset=22, axis=0, p=2), N**-.5)
    check(run("RMSNormalization", alike(2, N).T.copy().T, np.ones(N, np.float32), opset=23, epsilon=0.), 1)
    x = alike(N, 2, 3)
    x[::2] += 1
    wide = x.astype(float)
    wanted = (wide - wide.mean(0)) / wide.std(0)
    y = run("MeanVarianceNormalization", x, opset=13, axes=[0])
    np.testing.assert_allclose(y, wanted, rtol=MOST)


def test_batch_statistics():
    x = alike(N, 2)
    x[::2] += 1
    one, wide = np.ones(2, np.float32), x.astype(float)
    y = run("BatchNormalization", x, one, 0 * one, one, one, opset=15, training_mode=1, epsilon=0.)
    np.testing.assert_allclose(y, (wide - wide.mean(0)) / wide.std(0), rtol=MOST)


def test_pools():
    x = alike(1, 2, 3000, 3)
    for op in ("AveragePool", "GlobalAveragePool"):
        check(run(op, x, opset=19, **({"kernel_shape": [3000, 2]} if op == "AveragePool" else {})), TENTH)
    check(run("LpPool", x, opset=18, kernel_shape=[3000, 3], p=1), 9000 * TENTH)
    check(run("GlobalLpPool", x, opset=2, p=1), 9000 * TENTH)
    check(run("LRN", alike(1, 5000, 1, 2), opset=13, size=9999, alpha=9999., beta=1., bias=0.),
          1 / (5000 * TENTH))


@pytest.mark.parametrize("m, n", [(1, 1), (1, 5), (5, 1), (9, 9)])
@pytest.mark.parametrize("k", [2048, 2049, 100_001])
def test_products(m, n, k):
    a, b = alike(m, k), np.ones((k, n), np.float32)
    check(run("MatMul", a, b, opset=13), k * TENTH)
    check(run("Gemm", np.ascontiguousarray(a.T), np.ascontiguousarray(b.T), opset=13, transA=1, transB=1),
          k * TENTH)
    check(run("Einsum", a, b, opset=12, equation="ik,kj->ij"), k * TENTH)
    check(run("Einsum", a, opset=12, equation="ij->"), m * k * TENTH)
    check(run("Einsum", a, a, opset=12, equation="bi,bi->b"), k * TENTH**2)
    check(run("MatMul", a, b[:, 0], opset=13), k * TENTH)


def test_conv_of_a_large_kernel():
    x, w = alike(1, 2, 100, 103), np.ones((2, 1, 100, 100), np.float32)
    check(run("Conv", x, w, opset=11, group=2), 10_000 * TENTH)
