"""Convolutions of dynamically quantised models as operators that compute with the integers."""
import copy

import numpy as np
import pytest

from cinfer import passes
from cinfer.passes.islands import in_float, on_bytes
from cinfer.passes.join_sums import join_sums

from handmade import Builder, ops, rewritten, unchanged
from interpreter import evaluate
from quantised import F, S8, U8, per_channel, weights

ZEROS = per_channel(5)[1]
APART = ["DynamicScale", "QuantizeLinear"]


def dynamic(b: Builder, *zero, w=weights(5, 4, 3, 3), scale=F(0.01), x=(2, 4, 6, 7), of=None, **attributes) -> str:
    """As exporters write it. of : other zero points of x than its own"""
    y, x_scale, x_zero = b.node("DynamicQuantizeLinear", b.input("x", *x), n=3)
    total = b.ConvInteger(y, w, x_zero if of is None else of, *zero, **attributes)
    return b.Mul(b.Cast(total, to=1), b.Mul(x_scale, scale))


@pytest.mark.parametrize("zero", [[], [S8(3)], [ZEROS]], ids=["none", "one", "channels"])
@pytest.mark.parametrize("how", [{}, dict(pads=[1, 1, 1, 1]), dict(strides=[2, 1], dilations=[1, 2]),
                                 dict(auto_pad="SAME_UPPER")], ids=str)
def test_dynamic(zero, how):
    b = Builder()
    after = rewritten(b.output(dynamic(b, *zero, **how)), join_sums)
    assert ops(after) == [*APART, "ScaledConvInteger"]


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("rank", [3, 5])
def test_of_one_and_three_axes(rank, groups):
    b, n = Builder(), rank - 2
    y = dynamic(b, w=weights(6, 4 // groups, *(2,) * n), x=(1, 4, *(4,) * n), group=groups,
                scale=np.linspace(.1, .2, 6, dtype=F).reshape(6, *[1] * n))
    assert ops(rewritten(b.output(y), join_sums)) == [*APART, "ScaledConvInteger"]


BIAS = np.linspace(-1, 1, 5, dtype=F)
BIASES = {"axes": lambda b: BIAS.reshape(5, 1, 1), "batch": lambda b: BIAS.reshape(1, 5, 1, 1), "one": lambda b: F(2),
          "reshaped": lambda b: b.Reshape(BIAS, np.array([1, -1, 1, 1])),
          "unsqueezed": lambda b: b.Unsqueeze(BIAS, np.array([1, 2]))}


@pytest.mark.parametrize("name", BIASES)
@pytest.mark.parametrize("first", [False, True])
def test_a_bias(name, first):
    b = Builder()
    y, bias = dynamic(b, S8(3)), BIASES[name](b)
    y = b.Add(bias, y) if first else b.Add(y, bias)
    after = rewritten(b.output(b.Relu(y)), join_sums, passes.remove_dead)
    assert "Add" not in ops(after) and ops(after)[-2:] == ["ScaledConvInteger", "Relu"]


I32 = np.dtype(np.int32)


@pytest.mark.parametrize("shape", [(), (1,), (5, 1, 1), (1, 5, 1, 1)], ids=str)
@pytest.mark.parametrize("first", [False, True])
def test_int32_is_added_to_the_sums(shape, first):
    b = Builder()
    y, x_scale, x_zero = b.node("DynamicQuantizeLinear", b.input("x", 2, 4, 6, 7), n=3)
    row = np.arange(-2, -2 + int(np.prod(shape)), dtype=I32).reshape(shape)
    total = b.ConvInteger(y, weights(5, 4, 3, 3), x_zero)
    y = b.Mul(b.Cast(b.Add(row, total) if first else b.Add(total, row), to=1), b.Mul(F(.5), x_scale))
    after = rewritten(b.output(b.Add(y, BIAS.reshape(5, 1, 1))), join_sums, passes.remove_dead)
    assert ops(after) == [*APART, "ScaledConvInteger"] and after.nodes[2].inputs[6] == x_scale


@pytest.mark.parametrize("shape", [("n", 4, 6, 7), ("n", 4, "h", "w")], ids=str)
def test_of_free_sizes(shape):
    """One behind the other: the rank of what is quantised, and that its scale is a number, are known without sizes."""
    b = Builder()
    y = b.input("x", *shape)
    for ic, oc in ((4, 5), (5, 6)):
        y, x_scale, x_zero = b.node("DynamicQuantizeLinear", y, n=3)
        total = b.Add(b.ConvInteger(y, weights(oc, ic, 3, 3), x_zero, pads=[1] * 4), np.arange(oc, dtype=I32)
                      .reshape(oc, 1, 1))
        y = b.Relu(b.Mul(b.Cast(total, to=1), b.Mul(x_scale, F(.01))))
    after = rewritten(b.output(y), join_sums, passes.remove_dead)
    assert ops(after) == [*APART, "ScaledConvInteger", "Relu"] * 2


@pytest.mark.parametrize("of_run", [False, True])
def test_a_picture_of_a_rank_that_is_not_known_stays(of_run):
    b = Builder()
    x = b.Reshape(b.input("x", 2, 4, 6, 7), b.input("shape", "rank", dtype=np.int64))
    y, x_scale, x_zero = b.node("DynamicQuantizeLinear", x, n=3)
    w = b.input("w", 5, 4, 3, 3, dtype=np.int8) if of_run else weights(5, 4, 3, 3)
    total = b.Add(b.ConvInteger(y, w, x_zero), np.ones((5, 1, 1), I32))
    unchanged(b.output(b.Mul(b.Cast(total, to=1), x_scale)), join_sums)


@pytest.mark.parametrize("row", [np.ones((1, 1, 4), I32), np.ones((2, 1, 1, 1), I32), np.ones((1, 1, 1, 1, 1), I32)],
                         ids=str)
def test_other_integers_stay(row):
    b = Builder()
    y, x_scale, x_zero = b.node("DynamicQuantizeLinear", b.input("x", 2, 4, 6, 6), n=3)
    total = b.Add(b.ConvInteger(y, weights(5, 4, 3, 3), x_zero), row)
    unchanged(b.output(b.Mul(b.Cast(total, to=1), x_scale)), join_sums)


def test_a_scale_that_is_no_product_of_a_constant_stays_one_value():
    b = Builder()
    y, x_scale, x_zero = b.node("DynamicQuantizeLinear", b.input("x", 2, 4, 6, 6), n=3)
    total = b.Cast(b.ConvInteger(y, weights(5, 4, 3, 3), x_zero), to=1)
    after = rewritten(b.output(b.Mul(total, b.Mul(x_scale, b.input("s", 5, 1, 1)))), join_sums)
    assert ops(after) == [*APART, "Mul", "ScaledConvInteger"]


def test_other_additions_stay():
    for other in (lambda b: np.ones((4, 1), F), lambda b: np.ones((1, 5, 4, 5), F), lambda b: b.input("z", 5, 1, 1)):
        b = Builder()
        after = rewritten(b.output(b.Add(dynamic(b), other(b))), join_sums)
        assert ops(after)[-2:] == ["ScaledConvInteger", "Add"]


def test_two_read_the_same_bytes():
    b = Builder()
    y, scale, zero = b.node("DynamicQuantizeLinear", b.input("x", 1, 4, 6, 6), n=3)
    ends = [b.Mul(b.Cast(b.ConvInteger(y, weights(5, 4, k, k), zero), to=1), scale) for k in (1, 3)]
    product = b.Cast(b.MatMulInteger(y, weights(6, 2), zero), to=1)
    after = rewritten(b.output(*ends, product, y, zero), join_sums)
    assert ops(after) == [*APART, "ScaledConvInteger", "ScaledConvInteger", "MatMulInteger", "Cast"]


@pytest.mark.parametrize("of", [U8(7), np.array([200], U8), ""], ids=str)
def test_another_zero_point_of_x(of):
    b = Builder()
    after = rewritten(b.output(dynamic(b, of=of)), join_sums)
    assert "ScaledConvInteger" in ops(after) and "ConvInteger" not in ops(after)


STAYS = {
    "to float64": lambda b: b.Mul(b.Cast(b.ConvInteger(
        b.input("x", 1, 4, 6, 6, dtype=U8), weights(5, 4, 3, 3)), to=11), np.float64(.5)),
    "no scale": lambda b: b.Cast(b.ConvInteger(b.input("x", 1, 4, 6, 6, dtype=U8), weights(5, 4, 3, 3)), to=1),
    "a scale of columns": lambda b: dynamic(b, scale=np.ones(5, F)),
    "a scale with more axes": lambda b: dynamic(b, scale=np.ones((1, 1, 1, 1, 1), F)),
    "a scale of a free size": lambda b: b.Mul(b.Cast(b.ConvInteger(
        b.input("x", 1, 4, 6, 6, dtype=U8), weights(5, 4, 3, 3)), to=1), b.input("s", "n", 1, 1)),
    "signed bytes": lambda b: b.Mul(b.Cast(b.ConvInteger(
        b.input("x", 1, 4, 6, 6, dtype=S8), weights(5, 4, 3, 3)), to=1), F(.5)),
    "weights of the run": lambda b: dynamic(b, w=b.input("w", 5, 4, 3, 3, dtype=S8)),
    "a zero point of the run": lambda b: dynamic(b, of=b.input("z", dtype=U8)),
    "sums beyond int32": lambda b: dynamic(b, w=np.full((1, 66000, 1, 1), -128, S8), x=(1, 66000, 1, 1)),
}


@pytest.mark.parametrize("name", STAYS)
def test_what_stays(name):
    b = Builder()
    unchanged(b.output(STAYS[name](b)), join_sums)


def test_sums_that_are_wanted_stay():
    b = Builder()
    y, scale, zero = b.node("DynamicQuantizeLinear", b.input("x", 1, 4, 6, 6), n=3)
    total = b.ConvInteger(y, weights(5, 4, 3, 3), zero)
    real = b.Cast(total, to=1)
    for also in (total, real):
        unchanged(b.output(b.Mul(real, scale), also), join_sums)


def test_all_passes_keep_it_exact_and_say_what_is_in_integers():
    b = Builder()
    graph = b.output(b.Relu(b.Add(dynamic(b, S8(3), pads=[1, 1, 1, 1]), BIAS.reshape(1, 5, 1, 1))))
    after = copy.deepcopy(graph)
    passes.run(after)
    assert on_bytes(after) == {"ScaledConvInteger": 1} and in_float(after) == []
    feeds = {"x": np.random.default_rng(5).normal(size=(2, 4, 6, 7)).astype(F)}
    np.testing.assert_array_equal(evaluate(after, feeds)[0], evaluate(graph, feeds)[0])
