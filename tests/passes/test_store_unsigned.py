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


KEPT = {
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
