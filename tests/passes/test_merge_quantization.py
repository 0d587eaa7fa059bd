"""QuantizeLinear and DequantizeLinear become one function."""
import numpy as np
import pytest

from cinfer.passes.merge_quantization import merge_quantization

from handmade import Builder, ops, rewritten, unchanged

SCALE, ZERO = np.float32(0.05), np.uint8(0)


def test_several_that_read_the_integers():
    b = Builder()
    q = b.QuantizeLinear(b.input("x", 1, 3, 4), SCALE, ZERO)
    y, z = b.DequantizeLinear(q, SCALE, ZERO), b.DequantizeLinear(q, SCALE, ZERO)
    after = rewritten(b.output(b.Add(b.Relu(y), z)), merge_quantization, tolerance=0)
    assert ops(after) == ["QuantizeDequantize", "Relu", "Add"]


def test_outputs_keep_their_names():
    b = Builder()
    q = b.QuantizeLinear(b.input("x", 1, 3, 4), SCALE, ZERO)
    y, z = b.DequantizeLinear(q, SCALE, ZERO), b.DequantizeLinear(q, SCALE, ZERO)
    after = rewritten(b.output(y, z), merge_quantization, tolerance=0)
    assert sorted(ops(after)) == ["Identity", "QuantizeDequantize"]


@pytest.mark.parametrize("place", range(3))
def test_one_of_several_is_an_output(place):
    b = Builder()
    q = b.QuantizeLinear(b.input("x", 1, 3, 4), SCALE, ZERO)
    reals = [b.DequantizeLinear(q, SCALE, ZERO) for _ in range(3)]
    after = rewritten(b.output(reals[place], *map(b.Relu, reals)), merge_quantization, tolerance=0)
    assert ops(after) == ["QuantizeDequantize", "Relu", "Relu", "Relu"]


@pytest.mark.parametrize("limits, goes", [((0.0, 20.0), True), ((0.0, 6.0), False), (None, True)])
def test_a_clip_that_saturates_anyway(limits, goes):
    b = Builder()
    x = b.input("x", 1, 3, 4)
    x = b.Relu(x) if limits is None else b.Clip(x, *map(np.float32, limits))
    y = b.DequantizeLinear(b.QuantizeLinear(x, SCALE, ZERO), SCALE, ZERO)
    after = rewritten(b.output(y), merge_quantization, tolerance=0)
    assert ops(after) == ["QuantizeDequantize"] if goes else ["Clip", "QuantizeDequantize"]


@pytest.mark.parametrize("case", ["an output", "another reader", "scales differ", "a vector",
                                  "a scale that is fed", "float16", "16 bits", "two zero points"])
def test_stays(case):
    b = Builder(21)
    scale = np.full(3, 0.05, np.float32) if case == "a vector" else b.input("s", 1) \
        if case.endswith("fed") else np.float16(0.05) if case == "float16" else SCALE
    zero = {"a vector": np.zeros(3, np.uint8), "two zero points": np.zeros(2, np.uint8),
            "16 bits": np.uint16(0)}.get(case, ZERO)
    x = b.input("x", 1, 3, 4, dtype=np.float16 if case == "float16" else np.float32)
    q = b.QuantizeLinear(x, scale, zero)
    y = b.DequantizeLinear(q, np.float32(0.06) if case == "scales differ" else scale, zero)
    outputs = [y, q] if case == "an output" else [y, b.Cast(q, to=6)] if case == "another reader" else [y]
    unchanged(b.output(*outputs), merge_quantization)
