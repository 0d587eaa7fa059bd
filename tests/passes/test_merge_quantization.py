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
                                  "a scale that is fed", "float16", "32 bits", "two zero points", "16 bits, too fine"])
def test_stays(case):
    b = Builder(21)
    scale = np.full(3, 0.05, np.float32) if case == "a vector" else b.input("s", 1) \
        if case.endswith("fed") else np.float16(0.05) if case == "float16" \
        else np.float32(1e-39) if case.endswith("too fine") else SCALE
    zero = {"a vector": np.zeros(3, np.uint8), "two zero points": np.zeros(2, np.uint8),
            "16 bits, too fine": np.uint16(0)}.get(case, ZERO)
    x = b.input("x", 1, 3, 4, dtype=np.float16 if case == "float16" else np.float32)
    q = b.Cast(x, to=6) if case == "32 bits" else b.QuantizeLinear(x, scale, zero)
    zero = np.int32(0) if case == "32 bits" else zero
    y = b.DequantizeLinear(q, np.float32(0.06) if case == "scales differ" else scale, zero)
    outputs = [y, q] if case == "an output" else [y, b.Cast(q, to=6)] if case == "another reader" else [y]
    unchanged(b.output(*outputs), merge_quantization)


@pytest.mark.parametrize("dtype", [np.uint16, np.int16])
@pytest.mark.parametrize("end", [0, 1])
def test_16_bits(dtype, end):
    zero = dtype((np.iinfo(dtype).min, np.iinfo(dtype).max)[end])
    b = Builder(21)
    y = b.DequantizeLinear(b.QuantizeLinear(b.input("x", 1, 3, 4), np.float32(3e-5), zero), np.float32(3e-5), zero)
    after = rewritten(b.output(y), merge_quantization, tolerance=0)
    assert ops(after) == ["QuantizeDequantize"]


def on_grid(b, x, scale=SCALE, zero=ZERO):
    return b.DequantizeLinear(b.QuantizeLinear(x, scale, zero), scale, zero)


@pytest.mark.parametrize("move", ["Transpose", "MaxPool", "Concat", "Resize", "Slice, Reshape"])
def test_what_stays_on_its_grid_is_not_rounded_again(move):
    b = Builder()
    x = on_grid(b, b.input("x", 1, 3, 4, 4))
    y = {"Transpose": lambda: b.Transpose(x, perm=[0, 2, 3, 1]),
         "MaxPool": lambda: b.MaxPool(x, kernel_shape=[2, 2], pads=[1] * 4),
         "Concat": lambda: b.Concat(x, on_grid(b, b.input("y", 1, 3, 4, 4)), axis=1),
         "Resize": lambda: b.Resize(x, None, np.float32([1, 1, 2, 2]), mode="nearest"),
         "Slice, Reshape": lambda: b.Reshape(b.Slice(x, np.array([1]), np.array([3]), np.array([2])),
                                             np.array([3, 8]))}[move]()
    after = rewritten(b.output(on_grid(b, y)), merge_quantization, tolerance=0)
    assert ops(after).count("QuantizeDequantize") == (2 if move == "Concat" else 1)


@pytest.mark.parametrize("move", ["another scale", "another zero point", "an average", "linear", "of one that is not",
                                  "windows beyond the picture"])
def test_what_leaves_its_grid_is_rounded(move):
    b = Builder()
    x = on_grid(b, b.input("x", 1, 3, 4, 4))
    y = {"an average": lambda: b.AveragePool(x, kernel_shape=[2, 2]),
         "linear": lambda: b.Resize(x, None, np.float32([1, 1, 2, 2]), mode="linear"),
         "of one that is not": lambda: b.Concat(x, b.input("y", 1, 3, 4, 4), axis=1),
         "windows beyond the picture": lambda: b.MaxPool(x, kernel_shape=[2, 2], pads=[2] * 4, strides=[2, 2])
         }.get(move, lambda: b.Transpose(x))()
    scale, zero = np.float32(.04) if move == "another scale" else SCALE, np.uint8(9) if move.endswith("point") else ZERO
    after = rewritten(b.output(on_grid(b, y, scale, zero)), merge_quantization, tolerance=0)
    assert ops(after).count("QuantizeDequantize") == 2
