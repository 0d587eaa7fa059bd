"""Other dtypes than float32, NumPy steps between kernels, tensors without elements."""
import numpy as np
import pytest

from cinfer import _ops

from plan_cases import Cases

CASES = Cases()
case = CASES.add


@case(numpy=9, dtype=np.int64)
def int64_through_numpy(m):
    x = m.input("x", 4, 6, dtype=np.int64)
    y = m.Transpose(m.Add(x, np.array(3)))
    squares = m.Slice(m.Mul(y, y), np.array([0]), np.array([2]), np.array([1]))
    return (m.Concat(y, squares, axis=1), m.ReduceSum(y, np.array([0]), keepdims=0),
            m.Reshape(y, np.array([-1])))


@case(numpy=2)
def kernels_around_numpy(m):
    x = m.conv(m.input("x", 1, 3, 6, 6), 3, 16, 3)
    index = m.input("i", 5, dtype=np.int64)
    y = m.Where(m.Greater(x, np.float32(0)), x, m.Mul(x, np.float32(0.1)))
    y = m.conv(m.Trilu(y), 16, 16, 3)
    return m.Relu(m.Gather(m.Reshape(y, np.array([16, 36])), index, axis=0))


@case(numpy=9, dtype=np.float64)
def float64(m):
    x = m.input("x", 3, 4, 5, dtype=np.float64)
    return (m.Relu(m.Transpose(x, perm=[2, 0, 1])), m.MatMul(x, m.vector(5, 6).astype(np.float64)),
            m.ReduceMean(x, axes=[1]))


@case(numpy=9)
def empty_tensors(m):
    x, e = m.input("x", 1, 3, 4, 4), m.input("e", 1, 0, 4, 4)
    y = m.Concat(m.conv(x, 3, 16), e, axis=1)
    return (y, m.Relu(e), m.Transpose(e), m.ReduceSum(e), m.Softmax(e, axis=-1),
            m.Reshape(e, np.array([0, 4, 3]), allowzero=1),
            m.Slice(x, np.array([2]), np.array([2]), np.array([1])))


@case(numpy=9)
def empty_tensors_turned(m):
    """NumPy steps want a copy in order."""
    e = m.Transpose(m.input("e", 1, 3, 2, 0), perm=[0, 3, 1, 2])
    return m.Elu(e), m.Softplus(e)


@case(numpy=9)
def transposed_convolution_of_nothing(m):
    x = m.input("x", 1, 3, 0, 2)
    return m.Relu(m.ConvTranspose(x, m.weights(3, 4, 3, 3), m.vector(4), pads=[0, 1, 0, 1]))


@case(numpy=9)
def empty_batch(m):
    x = m.input("x", 0, 3, 6, 6)
    return (m.Relu(m.conv(x, 3, 16, 3)),
            m.Gemm(m.Flatten(m.GlobalAveragePool(x)), m.weights(4, 3), m.vector(4), transB=1))


@case(numpy=9)
def matrix_of_no_columns(m):
    return m.MatMul(m.input("a", 3, 0), m.input("b", 0, 4))


@pytest.mark.parametrize("isa", _ops.usable_levels())
@pytest.mark.parametrize("name", CASES)
def test_answers_are_onnxruntimes(name, isa):
    CASES.check(name, isa)
