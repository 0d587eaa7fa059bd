"""int8 activations as uint8: the same numbers."""
import numpy as np
import pytest

from cinfer.passes.store_unsigned import store_unsigned
from handmade import Builder, ops, rewritten, unchanged
from quantised import F, S8, U8, X, grid, stored


def test_every_reader_gets_the_same_numbers():
    b = Builder()
    x = b.QuantizeLinear(b.input("x", 2, 300), *grid(0.05, -7, S8))
    graph = b.output(*(b.Neg(b.DequantizeLinear(x, *grid(0.05, -7, S8))) for _ in range(2)),
                     b.DequantizeLinear(x, *grid(0.1, 3, S8)))
    after = rewritten(graph, store_unsigned, tolerance=0)
    zeros = [after.constants[node.inputs[2]] for node in after.nodes if node.op_type.endswith("Linear")]
    assert [(z.item(), z.dtype) for z in zeros] == [(121, U8)] * 3 + [(131, U8)]


def test_the_type_may_be_an_attribute():
    b = Builder(opset=21)
    x = b.QuantizeLinear(b.input("x", 2, 30), F(0.1), np.int8(-128), output_dtype=3)
    after = rewritten(b.output(b.DequantizeLinear(x, F(0.1), np.int8(-128))), store_unsigned, tolerance=0)
    assert ops(after) == ["QuantizeLinear", "DequantizeLinear"]
    assert after.constants[after.nodes[0].inputs[2]] == 0


@pytest.mark.parametrize("how", [{}, dict(output_dtype=3)], ids=["unsigned", "signed"])
def test_a_zero_point_that_is_left_out_is_said(how):
    b = Builder(opset=21)
    y = b.DequantizeLinear(b.QuantizeLinear(b.input("x", 2, 30), F(0.1), **how), F(0.1))
    after = rewritten(b.output(y), store_unsigned, tolerance=0)
    assert [after.constants[node.inputs[2]].item() for node in after.nodes] == [128 if how else 0] * 2


GRID = grid(0.05, -7, S8)
MOVERS = {
    "MaxPool": lambda b, x: b.MaxPool(x, kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    "Pad": lambda b, x: b.Pad(x, np.array([0, 0, 1, 0, 0, 0, 0, 2]), S8(-7)),
    "Pad by 0": lambda b, x: b.Pad(x, np.array([0, 0, 1, 0, 0, 0, 0, 2])),
    "Pad at edges": lambda b, x: b.Pad(x, np.array([0, 0, 1, 0, 0, 0, 0, 2]), mode="edge"),
    "Resize": lambda b, x: b.Resize(x, None, F([1, 1, 2, 2]), mode="nearest"),
    "one behind another": lambda b, x: b.Reshape(
        b.Slice(b.Transpose(x, perm=[0, 2, 3, 1]), np.array([1]), np.array([4]), np.array([1])), np.array([-1, 3])),
}


@pytest.mark.parametrize("name", MOVERS)
def test_what_moves_the_bytes_may_lie_between(name):
    b = Builder()
    x = b.QuantizeLinear(b.input("x", 1, 3, 5, 6), *GRID)
    graph = b.output(b.DequantizeLinear(MOVERS[name](b, x), *GRID), b.DequantizeLinear(x, *GRID))
    after = rewritten(graph, store_unsigned, tolerance=0)
    zeros = [after.constants[node.inputs[2]] for node in after.nodes if node.op_type.endswith("Linear")]
    assert [(z.item(), z.dtype) for z in zeros] == [(121, U8)] * 3


def test_products_of_integers_make_and_read_them():
    b = Builder()
    x, w = b.QuantizeLinear(b.input("x", 3, 4), *GRID), np.arange(-8, 8, dtype=S8).reshape(4, 4)
    y = b.QLinearMatMul(x, *GRID, w, F(.02), S8(3), F(.1), S8(-5))
    z = b.QLinearMatMul(b.Transpose(y, perm=[1, 0]), F(.1), S8(-5), x, *GRID, F(.2), S8(9))
    g = b.node("QGemm", z, F(.2), S8(9), w, F(.02), S8(0), None, F(.3), S8(-128), alpha=1.0)
    b.graph.nodes[-1].domain, b.graph.nodes[-1].opset = "com.microsoft", 1
    after = rewritten(b.output(b.DequantizeLinear(g, F(.3), S8(-128))), store_unsigned, tolerance=0)
    zeros = {"QuantizeLinear": (2,), "QLinearMatMul": (2, 7), "QGemm": (2, 8), "DequantizeLinear": (2,)}
    assert all(after.constants[node.inputs[i]].dtype == U8 for node in after.nodes for i in zeros.get(node.op_type, ()))
    assert [after.constants[node.inputs[5]].dtype for node in after.nodes if len(node.inputs) > 5] == [S8, U8, S8]


KEPT = {
    "padded by a number of the run": lambda b: b.DequantizeLinear(b.Pad(
        b.QuantizeLinear(b.input("x", 4), *GRID), np.array([1, 1]), b.input("v", dtype=S8)), *GRID),
    "moved to what sees it": lambda b: b.Cast(b.Reshape(
        b.QuantizeLinear(b.input("x", 4), *GRID), np.array([2, 2])), to=6),
    "interpolated": lambda b: b.DequantizeLinear(b.Resize(
        b.QuantizeLinear(b.input("x", 1, 1, 4, 4), *GRID), None, F([1, 1, 2, 2]), mode="linear"), *GRID),
    "unsigned": lambda b: stored(b, b.input("x", 4)),
    "seen by others": lambda b: b.Cast(b.QuantizeLinear(b.input("x", 4), *grid(0.1, 0, S8)), to=6),
    "an output": lambda b: b.QuantizeLinear(b.input("x", 4), *grid(0.1, 0, S8)),
    "of channels": lambda b: b.DequantizeLinear(
        b.QuantizeLinear(b.input("x", 2, 3), F([.1, .2, .3]), S8([0, 1, 2])), F([.1, .2, .3]), S8([0, 1, 2])),
    "16 bits": lambda b: stored(b, b.input("x", 4), grid(0.1, 0, np.int16)),
}


@pytest.mark.parametrize("name", KEPT)
def test_keeps(name):
    b = Builder(opset=21)
    unchanged(b.output(KEPT[name](b)), store_unsigned)
