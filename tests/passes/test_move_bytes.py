"""Reshape, Split and their kin on the bytes themselves: not one number differs."""
import numpy as np
import pytest

from cinfer.passes.join_quantized import join_quantized
from cinfer.passes.move_bytes import move_bytes
from cinfer.passes.tabulate import tabulate
from handmade import Builder, ops, rewritten, unchanged
from quantised import F, S8, U8, X, Y, Z, grid, per_channel, same_but_for_borders, weights

INTS = np.int64


def real(b: Builder) -> str:
    return b.DequantizeLinear(b.QuantizeLinear(b.input("x", 2, 8, 6, 4), *X), *X)


MOVED = {
    "reshape": lambda b, x: b.Reshape(x, INTS([2, -1])),
    "transpose": lambda b, x: b.Transpose(x, perm=[0, 2, 3, 1]),
    "slice": lambda b, x: b.Slice(x, INTS([1]), INTS([7]), INTS([1]), INTS([2])),
    "one behind another": lambda b, x: b.Squeeze(
        b.Gather(b.DepthToSpace(x, blocksize=2), INTS([1]), axis=1), INTS([1])),
    "nearest": lambda b, x: b.Resize(x, None, F([1, 1, 2, 2]), mode="nearest", nearest_mode="floor",
                                     coordinate_transformation_mode="asymmetric"),
}


@pytest.mark.parametrize("name", MOVED)
def test_bytes_are_moved(name):
    b = Builder()
    graph = b.output(b.QuantizeLinear(MOVED[name](b, real(b)), *Y))
    after = rewritten(graph, move_bytes, tolerance=0)
    assert ops(after)[:1] + ops(after)[-2:] == ["QuantizeLinear", "DequantizeLinear", "QuantizeLinear"]
    assert ops(rewritten(graph, move_bytes, tabulate, tolerance=0))[-1] == "LookUp"


def test_pieces_may_get_scales_of_their_own():
    b = Builder()
    a, c, d = b.node("Split", real(b), n=3, axis=1, num_outputs=3, opset=18)
    graph = b.output(b.QuantizeLinear(a, *X), b.QuantizeLinear(c, *Y), b.QuantizeLinear(d, *Z))
    after = rewritten(graph, move_bytes, tabulate, tolerance=0)
    assert ops(after) == ["QuantizeLinear", "Split", "LookUp", "LookUp"]


KEPT = {
    "a piece that stays a number": lambda b: b.node("Split", real(b), n=2, axis=1, num_outputs=2, opset=18),
    "an output": lambda b: [b.Reshape(real(b), INTS([2, -1]))],
    "linear": lambda b: [b.QuantizeLinear(b.Resize(real(b), None, F([1, 1, 2, 2]), mode="linear"), *Y)],
    "sizes from the number": lambda b: [b.QuantizeLinear(b.Expand(F(1), b.Cast(real(b), to=7)), *Y)],
    "floats": lambda b: [b.QuantizeLinear(b.Reshape(b.input("x", 2, 8), INTS([16])), *Y)],
}


@pytest.mark.parametrize("name", KEPT)
def test_keeps(name):
    b = Builder()
    outputs = KEPT[name](b)
    if name.startswith("a piece"):
        outputs = [b.QuantizeLinear(outputs[0], *Y), outputs[1]]
    unchanged(b.output(*outputs), move_bytes)


def conv(b: Builder, x: str, oc: int = 5, ic: int = 4) -> str:
    return b.Conv(x, b.DequantizeLinear(weights(oc, ic, 1, 3), *per_channel(oc), axis=0), pads=[0, 1, 0, 1])


def beside(b: Builder, x: str) -> str:
    """Numbers of the same shape and type."""
    return b.DequantizeLinear(b.input("z", 2, 6, 7, 4, dtype=b.graph.inputs["x"].dtype), *grid(
        .25, 3, b.graph.inputs["x"].dtype.type))


SLOPES = np.array([.1, -2, 0, 3, 1, .5], F).reshape(6, 1, 1)
FIRST, LAST = dict(perm=[0, 3, 1, 2]), dict(perm=[0, 2, 3, 1])
AROUND = {
    "channels last": lambda b, x: b.Transpose(conv(b, b.Transpose(x, **FIRST)), **LAST),
    "before a function": lambda b, x: b.Relu(b.Transpose(conv(b, b.Transpose(x, **FIRST)), **LAST)),
    "between functions": lambda b, x: b.Clip(b.Transpose(
        b.LeakyRelu(conv(b, b.Transpose(x, **FIRST))), **LAST), F(-3), F(20)),
    "before a function of two operators": lambda b, x: b.Mul(
        y := b.Transpose(conv(b, b.Transpose(x, **FIRST)), **LAST), b.Sigmoid(y)),
    "several": lambda b, x: b.Reshape(b.Relu(b.Transpose(conv(b, b.Transpose(x, **FIRST)), **LAST)), INTS([2, -1])),
    "another axis": lambda b, x: b.Squeeze(conv(b, b.Unsqueeze(
        b.Reshape(x, INTS([2, 4, -1])), INTS([2]))), INTS([2])),
    "a pool": lambda b, x: b.Transpose(b.AveragePool(b.Transpose(x, **FIRST), kernel_shape=[2, 2]), **LAST),
    "largest": lambda b, x: b.MaxPool(conv(b, x, ic=6), kernel_shape=[3, 2], pads=[1, 0, 1, 1], strides=[2, 1]),
    "largest of an old opset": lambda b, x: b.node("MaxPool", conv(b, x, ic=6), kernel_shape=[3, 3], opset=8),
    "largest of a function": lambda b, x: b.MaxPool(b.Relu(conv(b, x, ic=6)), kernel_shape=[2, 2], ceil_mode=1),
    "largest of largest": lambda b, x: b.MaxPool(b.MaxPool(conv(b, x, ic=6), kernel_shape=[2, 2]), kernel_shape=[2, 2]),
    "largest of a sum": lambda b, x: b.MaxPool(b.Add(x, beside(b, x)), kernel_shape=[2, 2]),
    "largest of a sum with slopes": lambda b, x: b.MaxPool(b.PRelu(b.Sub(beside(b, x), x), SLOPES),
                                                           kernel_shape=[2, 2]),
    "largest of sums with slopes": lambda b, x: b.MaxPool(b.PRelu(conv(b, x, oc=6, ic=6), SLOPES), kernel_shape=[2, 2]),
    "largest of slopes": lambda b, x: b.MaxPool(b.PRelu(x, SLOPES), kernel_shape=[2, 2]),
    "largest, moved": lambda b, x: b.Transpose(b.MaxPool(conv(b, b.Transpose(x, **FIRST)), kernel_shape=[2, 2]),
                                               **LAST),
    "moved, largest": lambda b, x: b.MaxPool(b.Transpose(conv(b, x, ic=6), **LAST), kernel_shape=[2, 2]),
    "largest of nothing": lambda b, x: b.MaxPool(conv(b, x, ic=6), kernel_shape=[2, 2], dilations=[12, 12],
                                                 pads=[6] * 4),
    "only before": lambda b, x: conv(b, b.Transpose(x, **FIRST)),
    "only behind": lambda b, x: b.Slice(conv(b, x, ic=6), INTS([1]), INTS([4]), INTS([1])),
}


@pytest.mark.parametrize("ends", [U8, S8], ids=lambda ends: ends.__name__)
@pytest.mark.parametrize("name", AROUND)
def test_bytes_are_moved_around_an_operator(name, ends):
    """So that nothing but integers is left."""
    b, at, to = Builder(), grid(.05, 8, ends), grid(.5, 20, ends)
    x = b.DequantizeLinear(b.input("x", 2, 6, 7, 4, dtype=ends), *at)
    graph = b.output(b.QuantizeLinear(AROUND[name](b, x), *to))

    def both(graph):
        return move_bytes(graph) and join_quantized(graph)
    after = same_but_for_borders(graph, both)
    assert not {"QuantizeLinear", "DequantizeLinear"} & set(ops(after)), ops(after)


STAY = {
    "floats behind": lambda b, x: conv(b, b.Transpose(x, **FIRST)),
    "others see what is moved": lambda b, x: b.Add(b.QuantizeLinear(
        y := b.Transpose(conv(b, x, ic=6), **LAST), *X), b.Cast(y, to=2)),
    "others see a function": lambda b, x: b.Add(b.QuantizeLinear(
        y := b.Relu(b.Transpose(conv(b, x, ic=6), **LAST)), *X), b.Cast(y, to=2)),
    "a function of each channel": lambda b, x: b.QuantizeLinear(
        b.Mul(b.Transpose(conv(b, x, ic=6), **LAST), np.arange(5, dtype=F)), *X),
    "largest of floats": lambda b, x: b.QuantizeLinear(b.MaxPool(b.Conv(b.input("f", 2, 6, 7, 4), np.ones(
        (5, 6, 1, 1), F)), kernel_shape=[2, 2]), *X),
    "largest of what is no sum": lambda b, x: b.QuantizeLinear(b.MaxPool(
        b.Softmax(x, axis=1), kernel_shape=[2, 2]), *X),
    "largest that others see": lambda b, x: b.Add(b.QuantizeLinear(
        y := b.MaxPool(conv(b, x, ic=6), kernel_shape=[2, 2]), *X), b.Cast(y, to=2)),
    "largest of what others see": lambda b, x: (y := conv(b, x, ic=6), b.Add(b.QuantizeLinear(
        b.MaxPool(y, kernel_shape=[1, 1]), *X), b.Cast(y, to=2)))[-1],
    "largest and where": lambda b, x: b.QuantizeLinear(b.node(
        "MaxPool", conv(b, x, ic=6), n=2, kernel_shape=[2, 2])[0], *X),
    "largest by scales of channels": lambda b, x: b.QuantizeLinear(b.MaxPool(
        conv(b, x, ic=6), kernel_shape=[2, 2]), *per_channel(5, U8), axis=1),
    "largest of 16 bits": lambda b, x: b.QuantizeLinear(b.MaxPool(
        conv(b, x, ic=6), kernel_shape=[2, 2]), *grid(.01, 0, np.uint16)),
    "weights": lambda b, x: b.QuantizeLinear(b.Conv(b.Neg(x), b.Reshape(b.DequantizeLinear(
        weights(6, 6), F(.1)), INTS([6, 6, 1, 1]))), *X),
}


@pytest.mark.parametrize("name", STAY)
def test_keeps_around(name):
    b = Builder(opset=21 if "16 bits" in name else 17)
    x = b.DequantizeLinear(b.input("x", 2, 6, 7, 4, dtype=U8), *X)
    unchanged(b.output(STAY[name](b, x)), move_bytes)
