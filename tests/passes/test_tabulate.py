"""Tables of 256 for functions of a byte: not one byte differs."""
import copy
import sys

import numpy as np
import pytest

import cinfer.passes.tabulate                               # the name in the package is the pass
from cinfer.passes.check import fault
from cinfer.passes.tabulate import tabulate
from handmade import Builder, ops, unchanged
from interpreter import evaluate
from quantised import F, S8, U8, X, Y, grid, per_channel, stored

tabulate_module = sys.modules["cinfer.passes.tabulate"]
BYTES = np.arange(256, dtype=U8).reshape(2, 128)


def tabulated(graph, wanted: list[str]):
    after = copy.deepcopy(graph)
    assert tabulate(after) and fault(after) is None
    assert ops(after) == wanted
    feeds = {name: BYTES.reshape([2, 128][:len(t.shape)] if len(t.shape) < 3 else t.shape)
             for name, t in graph.inputs.items()}
    feeds = {name: x.view(graph.inputs[name].dtype) for name, x in feeds.items()}
    for want, got in zip(evaluate(graph, feeds), evaluate(after, feeds)):
        assert want.dtype == got.dtype
        np.testing.assert_array_equal(got, want)
    return after


def bytes_in(b: Builder) -> str:
    return b.input("x", 2, 128, dtype=U8)


FUNCTIONS = {
    "relu": lambda b, x: b.Relu(x),
    "leaky relu": lambda b, x: b.LeakyRelu(x, alpha=0.3),
    "sigmoid": lambda b, x: b.Sigmoid(x),
    "silu": lambda b, x: b.Mul(x, b.Sigmoid(x)),
    "hard swish in pieces": lambda b, x: b.Div(b.Mul(x, b.Clip(b.Add(x, F(3)), F(0), F(6))), F(6)),
    "slope of one number": lambda b, x: b.PRelu(x, F([0.2])),
    "by a constant byte": lambda b, x: b.Sub(b.DequantizeLinear(np.int8([-7]), *grid(0.4, 3, np.int8)), x),
    "another grid": lambda b, x: x,
    "slope of two axes": lambda b, x: b.PRelu(x, F([[0.2]])),
    "a number of two axes": lambda b, x: b.Mul(x, F([[0.2]])),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_a_table(name):
    b = Builder()
    y = FUNCTIONS[name](b, b.DequantizeLinear(bytes_in(b), *X))
    tabulated(b.output(b.QuantizeLinear(y, *Y)), ["LookUp"])


@pytest.mark.parametrize("types", [(S8, S8), (S8, U8), (U8, S8)],
                         ids=["int8", "to uint8", "from uint8"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_so_is_one_of_int8(name, types):
    b, (before, behind) = Builder(), types
    y = FUNCTIONS[name](b, b.DequantizeLinear(b.input("x", 2, 128, dtype=before), *grid(.05, 20, before)))
    tabulated(b.output(b.QuantizeLinear(y, *grid(.5, 100, behind))), ["LookUp"])


def test_rounding_in_between_is_in_the_table():
    b = Builder()
    x = b.DequantizeLinear(bytes_in(b), *X)
    gate = stored(b, b.Sigmoid(x), grid(1 / 256, 0))
    tabulated(b.output(b.QuantizeLinear(b.Mul(x, gate), *Y)), ["LookUp"])


def test_tables_of_tables_are_one():
    b = Builder()
    y = bytes_in(b)
    for op, at in (("Relu", X), ("Tanh", Y), ("Neg", X)):
        y = b.QuantizeLinear(b.node(op, b.DequantizeLinear(y, *at)), *at)
    tabulated(b.output(y), ["LookUp"])


def test_a_byte_that_others_need_stays():
    b = Builder()
    y = b.QuantizeLinear(b.Relu(b.DequantizeLinear(bytes_in(b), *X)), *Y)
    z = b.QuantizeLinear(b.Tanh(b.DequantizeLinear(y, *Y)), *X)
    tabulated(b.output(z, y), ["LookUp", "LookUp"])


def test_nothing_is_left_of_what_changes_no_byte():
    b = Builder()
    y = b.QuantizeLinear(b.DequantizeLinear(bytes_in(b), *X), *X)
    tabulated(b.output(b.QuantizeLinear(b.Neg(b.DequantizeLinear(y, *X)), *Y)), ["LookUp"])


def test_looks_at_a_part_of_what_lies_above():
    """Each sum is of all before: what one function may be made of is not to be looked for in all of them."""
    b = Builder()
    terms = [b.DequantizeLinear(bytes_in(b), *X), b.DequantizeLinear(b.input("z", 2, 128, dtype=U8), *X)]
    for _ in range(200):
        terms.append(b.DequantizeLinear(b.QuantizeLinear(b.Sum(*terms), *X), *X))
    graph = b.output(b.QuantizeLinear(terms[-1], *Y))
    asked = 0

    def count(node, may=tabulate_module._may_be_inside):
        nonlocal asked
        asked += 1
        return may(node)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tabulate_module, "_may_be_inside", count)
        tabulate(graph)
    assert asked < 200 * 3 * tabulate_module.MOST_LOOKED_AT


KEPT = {
    "two bytes": lambda b: b.QuantizeLinear(b.Add(b.DequantizeLinear(bytes_in(b), *X),
                                                  b.DequantizeLinear(b.input("z", 2, 128, dtype=U8), *X)), *Y),
    "an operand of many": lambda b: b.QuantizeLinear(
        b.Mul(b.DequantizeLinear(bytes_in(b), *X), np.ones(128, F)), *Y),
    "an operand that raises the rank": lambda b: b.QuantizeLinear(
        b.Mul(b.DequantizeLinear(bytes_in(b), *X), np.ones((1, 1, 1), F)), *Y),
    "scales of channels": lambda b: b.QuantizeLinear(
        b.Relu(b.DequantizeLinear(b.input("x", 2, 4, dtype=U8), *per_channel(4, U8))), *Y),
    "not element by element": lambda b: b.QuantizeLinear(b.Softmax(b.DequantizeLinear(bytes_in(b), *X)), *Y),
    "a constant whose scale has too many axes": lambda b: b.QuantizeLinear(b.Add(
        b.DequantizeLinear(bytes_in(b), *X), b.DequantizeLinear(U8([7]), F([[0.1]]), U8([[3]]))), *Y),
    "floats": lambda b: b.QuantizeLinear(b.Relu(b.input("x", 4)), *Y),
    "no function of bytes alone": lambda b: b.QuantizeLinear(
        b.Add(b.DequantizeLinear(bytes_in(b), *X), b.input("f", 2, 128)), *Y),
}


@pytest.mark.parametrize("name", KEPT)
def test_keeps(name):
    b = Builder()
    unchanged(b.output(KEPT[name](b)), tabulate)
