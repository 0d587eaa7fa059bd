"""Reshape, Split and their kin on the bytes themselves: not one number differs."""
import numpy as np
import pytest

from cinfer.passes.move_bytes import move_bytes
from cinfer.passes.tabulate import tabulate
from handmade import Builder, ops, rewritten, unchanged
from quantised import F, U8, X, Y, Z

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
