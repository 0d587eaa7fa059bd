"""Scales and offsets before Conv."""
import numpy as np
import pytest

from cinfer.passes.fold_input_scale import fold_input_scale
from handmade import Builder, ops, rewritten, unchanged

F = np.float32
rng = np.random.default_rng(5)
PADS = dict(pads=[1, 1, 1, 1])


def values(*shape):
    return rng.normal(size=shape).astype(F)


def positive(*shape):
    return (rng.uniform(0.5, 2, size=shape)).astype(F)


W, DEEP = values(8, 6, 3, 3), values(6, 1, 3, 3)

# name: (operators after the pass, the graph)
FOLDED = {
    "scale": (["Conv"], lambda b, x: b.Conv(b.Mul(x, F(2)), W, values(8), **PADS)),
    "scale per channel": (["Conv"], lambda b, x: b.Conv(b.Div(x, positive(6, 1, 1)), W, **PADS)),
    "offset": (["Conv"], lambda b, x: b.Conv(b.Sub(x, values(1, 6, 1, 1)), W)),
    "picture": (["Conv"], lambda b, x: b.Conv(
        b.Div(b.Sub(x, values(6, 1, 1)), positive(6, 1, 1)), W, values(8))),
    "offset subtracted from": (["Conv"], lambda b, x: b.Conv(b.Sub(F(1), x), W, auto_pad="VALID")),
    "depthwise": (["Conv"], lambda b, x: b.Conv(b.Add(b.Mul(values(6, 1, 1), x), F(0.3)), DEEP, group=6)),
    "two groups": (["Conv"], lambda b, x: b.Conv(
        b.Add(b.Mul(values(6, 1, 1), x), values(6, 1, 1)), values(4, 3, 1, 1), values(4), group=2)),
    "with padding an offset stays": (
        ["Add", "Conv"],
        lambda b, x: b.Conv(b.Add(b.Mul(x, positive(6, 1, 1)), values(6, 1, 1)), DEEP, group=6, **PADS)),
    "with SAME an offset stays": (
        ["Add", "Conv"], lambda b, x: b.Conv(b.Add(b.Mul(x, F(0.1)), F(0.7)), W, auto_pad="SAME_UPPER")),
    "behind a layer and an activation": (
        ["Conv", "HardSwish", "Conv"],
        lambda b, x: b.Conv(b.Mul(b.HardSwish(b.Conv(x, values(6, 6, 1, 1)), opset=14), values(6, 1, 1)), W)),
}


@pytest.mark.parametrize("name", FOLDED)
def test_goes_into_the_convolution(name):
    wanted, make = FOLDED[name]
    b = Builder()
    assert ops(rewritten(b.output(make(b, b.input("x", 2, 6, 7, 7))), fold_input_scale)) == wanted


def two_readers(b, x):
    y = b.Mul(x, F(2))
    return b.Conv(y, W), y


LEFT_ALONE = {
    "value that is an output": two_readers,
    "offset before padding": lambda b, x: (b.Conv(b.Add(x, F(1)), W, **PADS),),
    "scale of 0 before padding": lambda b, x: (
        b.Conv(b.Add(b.Mul(x, np.zeros((6, 1, 1), F)), F(1)), W, **PADS),),
    "scale along the width": lambda b, x: (b.Conv(b.Mul(x, values(7)), W),),
    "scale of the run": lambda b, x: (b.Conv(b.Mul(x, b.input("s", 1, 6, 1, 1)), W),),
    "weights of the run": lambda b, x: (b.Conv(b.Mul(x, F(2)), b.input("w", 8, 6, 3, 3)),),
    "scale that widens one channel": lambda b, x: (
        b.Conv(b.Mul(b.input("grey", 2, 1, 7, 7), values(6, 1, 1)), W),),
    "channels unknown": lambda b, x: (b.Conv(b.Mul(b.input("any", 2, "c", 7, 7), values(6, 1, 1)), W),),
}


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_leaves_alone(name):
    b = Builder()
    unchanged(b.output(*LEFT_ALONE[name](b, b.input("x", 2, 6, 7, 7))), fold_input_scale)
