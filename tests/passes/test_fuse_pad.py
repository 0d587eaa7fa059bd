"""Pad before Conv and pooling."""
import numpy as np
import pytest

from cinfer.passes.fuse_pad import fuse_pad
from handmade import Builder, ops, rewritten, unchanged

F = np.float32
PADS = [0, 0, 1, 0, 0, 0, 2, 1]
W = np.random.default_rng(2).normal(size=(4, 3, 3, 3)).astype(F)


def image(b):
    return b.input("x", 2, 3, 8, 9)


def pad(b, x, pads=PADS, value=None, **attributes):
    return b.Pad(x, np.array(pads), value, **attributes)


TAKEN = {
    "conv": lambda b, x: b.Conv(pad(b, x), W),
    "conv with pads of its own": lambda b, x: b.Conv(pad(b, x), W, pads=[0, 1, 2, 3], strides=[2, 2]),
    "conv with VALID": lambda b, x: b.Conv(pad(b, x), W, auto_pad="VALID"),
    "conv after pad of opset 2": lambda b, x: b.Conv(b.Pad(x, opset=2, pads=PADS, mode="constant"), W),
    "conv after pad with axes": lambda b, x: b.Conv(
        b.Pad(x, np.array([1, 2, 0, 1]), None, np.array([-1, 2]), opset=18), W),
    "average": lambda b, x: b.AveragePool(pad(b, x), kernel_shape=[3, 3], strides=[2, 2]),
    "average that counts": lambda b, x: b.AveragePool(
        pad(b, x), kernel_shape=[4, 4], pads=[1, 1, 1, 1], count_include_pad=1),
    "maximum with -inf": lambda b, x: b.MaxPool(
        pad(b, x, value=F(-np.inf)), kernel_shape=[3, 3], strides=[2, 2]),
    "maximum with 0 after Relu": lambda b, x: b.MaxPool(pad(b, b.Relu(x)), kernel_shape=[3, 3]),
    "maximum with 0 after Clip": lambda b, x: b.MaxPool(pad(b, b.Clip(x, F(0), F(6))), kernel_shape=[3, 3]),
}


@pytest.mark.parametrize("name", TAKEN)
def test_pad_goes_into_its_reader(name):
    b = Builder()
    graph = b.output(TAKEN[name](b, image(b)))
    assert "Pad" not in ops(rewritten(graph, fuse_pad))


LEFT_ALONE = {
    "reflected": lambda b, x: b.Conv(pad(b, x, mode="reflect"), W),
    "another value": lambda b, x: b.Conv(pad(b, x, value=F(1)), W),
    "value of the run": lambda b, x: b.Conv(pad(b, x, value=b.input("value", dtype=F)), W),
    "channels padded": lambda b, x: b.Conv(
        pad(b, x, [0, 0, 1, 0, 0, 1, 2, 1]), np.concatenate([W, W[:, :1]], 1)),
    "cut instead of padded": lambda b, x: b.Conv(pad(b, x, [0, 0, 1, 0, 0, 0, -1, 1]), W),
    "SAME": lambda b, x: b.Conv(pad(b, x), W, auto_pad="SAME_UPPER"),
    "average that does not count its own": lambda b, x: b.AveragePool(
        pad(b, x), kernel_shape=[4, 4], pads=[1, 1, 1, 1]),
    "average with ceil_mode": lambda b, x: b.AveragePool(
        pad(b, x), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
    "maximum with 0": lambda b, x: b.MaxPool(pad(b, x), kernel_shape=[3, 3]),
    "maximum with windows of padding only": lambda b, x: b.MaxPool(
        pad(b, x, value=F(-np.inf)), kernel_shape=[2, 2]),
    "something else": lambda b, x: b.Abs(pad(b, x)),
}


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_leaves_alone(name):
    b = Builder()
    unchanged(b.output(LEFT_ALONE[name](b, image(b))), fuse_pad)


def test_pad_stays_for_other_readers():
    b = Builder()
    padded = pad(b, image(b))
    after = rewritten(b.output(b.Conv(padded, W), b.Abs(padded)), fuse_pad)
    assert ops(after) == ["Pad", "Conv", "Abs"] and after.nodes[1].inputs[0] == "x"
    b = Builder()
    padded = pad(b, image(b))
    assert ops(rewritten(b.output(b.Conv(padded, W), padded), fuse_pad)) == ["Pad", "Conv"]
