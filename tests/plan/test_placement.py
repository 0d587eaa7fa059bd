"""Outputs that no step makes, and what a plan is made of."""
import numpy as np
import pytest

from cinfer import _ops

from plan_cases import Cases, steps

CASES = Cases()
case = CASES.add


@case()
def output_that_is_an_input_a_view_or_a_constant(m):
    x = m.input("x", 2, 3, 4)
    return (m.Identity(x), m.Reshape(x, np.array([6, 4])), m.Transpose(x, perm=[2, 0, 1]),
            m.Identity(m.vector(3, 2)), m.Flatten(m.Relu(x)))


@case(dtype=np.int64)
def output_of_one_known_number(m):
    x = m.input("x", 2, 3, 4)
    return m.Size(x), m.Identity(np.array(7))


@case()
def outputs_within_the_graph(m):
    x = m.conv(m.input("x", 1, 3, 5, 5), 3, 18)
    y = m.Relu(x)
    return y, x, m.Transpose(y, perm=[0, 2, 3, 1]), m.Flatten(m.GlobalAveragePool(y))


@pytest.mark.parametrize("isa", _ops.usable_levels())
@pytest.mark.parametrize("name", CASES)
def test_answers_are_onnxruntimes(name, isa):
    CASES.check(name, isa)


def test_residual_and_activation_are_one_step():
    def build(m, x):
        a = m.Relu(m.conv(x, 32, 32))
        return m.Relu(m.Add(m.conv(a, 32, 32), a))
    assert steps(build, 1, 32, 8, 8) == ["to_blocked", "conv", "conv", "from_blocked"]


def test_keeps_relu_when_conv_has_two_consumers():
    def build(m, x):
        a = m.conv(x, 32, 32)
        return m.Mul(m.Relu(a), a)
    assert len(steps(build, 1, 32, 8, 8)) == 5


def test_concat_of_whole_blocks_costs_nothing():
    def build(m, x):
        parts = [m.Relu(m.conv(x, 32, 16)), m.Relu(m.conv(x, 32, 32))]
        return m.conv(m.Concat(*parts, axis=1), 48, 16)
    assert steps(build, 1, 32, 8, 8) == ["to_blocked", "conv", "conv", "conv", "from_blocked"]


def test_c2f_costs_its_convolutions():
    def build(m, x):
        x = m.Relu(m.conv(x, 32, 32))
        a, b = m.Split(x, np.array([16, 16]), axis=1, n=2)
        return m.conv(m.Concat(a, b, m.Relu(m.conv(b, 16, 16)), axis=1), 48, 16)
    assert steps(build, 1, 32, 8, 8) == ["to_blocked", "conv", "conv", "conv", "from_blocked"]


def test_densenet_costs_its_convolutions():
    def build(m, x):
        x = m.conv(x, 32, 32)
        y = m.conv(x, 32, 16)
        z = m.conv(m.Concat(x, y, axis=1), 48, 16)
        return m.conv(m.Concat(x, y, z, axis=1), 64, 16)
    assert steps(build, 1, 32, 8, 8) == ["to_blocked", *["conv"] * 4, "from_blocked"]


def test_views_cost_nothing():
    def build(m, x):
        y = m.Transpose(m.Reshape(x, np.array([4, 6, 5])), perm=[2, 0, 1])
        return m.Relu(m.Slice(y, np.array([1]), np.array([4]), np.array([0])))
    assert len(steps(build, 2, 12, 5)) == 1


def test_heads_are_put_side_by_side_by_their_matmul():
    def build(m, x):
        y = m.Transpose(m.MatMul(x, m.Relu(x)), perm=[0, 2, 1, 3])
        return m.Relu(m.Reshape(y, np.array([2, 4, 12])))
    assert steps(build, 2, 3, 4, 4) == ["map", "pack_gemm", "gemm", "map"]
