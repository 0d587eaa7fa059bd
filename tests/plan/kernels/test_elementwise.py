"""Operators of one element: binary ones with broadcasting, PRelu, BatchNormalization."""
import numpy as np
import pytest

import cinfer
from cinfer import _ops

from onnx_models import Model
from plan_cases import Cases

CASES = Cases()
case = CASES.add


for op in ("Add", "Sub", "Mul", "Div"):
    for a, b in [((2, 18, 4, 5), (18, 1, 1)), ((2, 18, 4, 5), (5,)), ((1, 18, 1, 5), (2, 1, 4, 1)),
                 ((), (3, 4)), ((2, 18, 4, 5), (2, 18, 4, 5))]:
        @case(f"{op} {a} {b}", op=op, a=a, b=b)
        def binary(m, op, a, b):
            return m.Relu(m.node(op, m.input("a", *a), m.Add(m.Abs(m.input("b", *b)), np.float32(0.5))))


@case()
def binary_of_blocked_and_plain(m):
    x = m.input("x", 2, 18, 4, 5)
    y = m.conv(x, 18, 18, 3)
    return (m.Mul(m.MaxPool(y, kernel_shape=[1, 1]), x), m.Sub(m.vector(18, 1, 1), y),
            m.Mul(y, m.vector(4, 5)), m.Max(y, x))


for shape in [(16,), (1,), (16, 1, 1), (1, 16, 1, 1), (6, 5), (16, 6, 5)]:
    @case(f"prelu {shape}", shape=shape if shape != (16,) else (5,))
    def prelu(m, shape):
        x = m.input("x", 2, 16, 6, 5)
        return (m.PRelu(x, m.vector(*shape)),
                m.PRelu(m.MaxPool(m.conv(x, 16, 16), kernel_shape=[1, 1]), m.vector(*shape)))


def statistics(m):
    """scale, bias, mean and variance of 18 channels"""
    return m.vector(18), m.vector(18), m.vector(18), np.abs(m.vector(18)) + 0.1


for shape in [(3, 18), (2, 18, 5), (2, 18, 5, 4), (1, 18, 2, 3, 4)]:
    @case(f"batch_norm {shape}", shape=shape)
    def batch_norm(m, shape):
        x = m.Abs(m.input("x", *shape))
        return m.Relu(m.BatchNormalization(x, *statistics(m), epsilon=1e-3))


@case()
def batch_norm_of_blocked(m):
    x = m.MaxPool(m.conv(m.input("x", 2, 3, 6, 6), 3, 18), kernel_shape=[2, 2])
    return m.conv(m.Relu(m.BatchNormalization(x, *statistics(m))), 18, 8, 3)


@case()
def selu_and_threshold(m):
    x = m.input("x", 2, 18, 5, 7)
    return (m.Selu(m.conv(x, 18, 18)), m.Selu(x, alpha=1.5, gamma=0.75), m.ThresholdedRelu(x, alpha=0.5),
            m.ThresholdedRelu(m.conv(x, 18, 4)))


@pytest.mark.parametrize("isa", _ops.usable_levels())
@pytest.mark.parametrize("name", CASES)
def test_answers_are_onnxruntimes(name, isa):
    CASES.check(name, isa)


def test_batch_norm_has_the_same_bits_wherever_threads_divide_it():
    """Whole vectors were rounded once, ends of short rows twice."""
    m = Model(seed=1)
    x, c = m.input("x", 3, 8746, 3), 8746
    m.outputs(m.BatchNormalization(x, m.vector(c), m.vector(c), m.vector(c), np.abs(m.vector(c)) + 0.5))
    one, two, five = (cinfer.load(m.bytes(), threads=n).run(None, m.feeds())[0].tobytes() for n in (1, 2, 5))
    assert one == two == five
