"""The channel shuffle, with fixed and with free sizes."""
import numpy as np
import pytest

from cinfer.passes import run
from cinfer.passes.recognise_channel_shuffle import recognise_channel_shuffle

from handmade import Builder, ops, rewritten, unchanged


def fixed(b: Builder, x: str, c: int = 6, g: int = 2, n: int = 1) -> str:
    t = b.Transpose(b.Reshape(x, np.int64([n, g, c // g, 4, 5])), perm=[0, 2, 1, 3, 4])
    return b.Reshape(t, np.int64([n, c, 4, 5]))


def from_shape(b: Builder, x: str, g: int = 2) -> str:
    """As PyTorch writes x.view(n, g, c // g, h, w).transpose(1, 2).reshape(n, c, h, w)."""
    n, c, h, w = (b.Gather(b.Shape(x), np.int64(i)) for i in range(4))
    part = b.Div(c, np.int64(g))

    def sizes(*items):
        return b.Concat(*(b.Unsqueeze(i, np.int64([0])) if isinstance(i, str) else np.int64([i])
                          for i in items), axis=0)
    t = b.Transpose(b.Reshape(x, sizes(n, g, part, h, w)), perm=[0, 2, 1, 3, 4])
    return b.Reshape(t, sizes(n, -1, h, w))


def test_fixed_sizes():
    b = Builder()
    after = rewritten(b.output(fixed(b, b.Relu(b.input("x", 1, 6, 4, 5)))), recognise_channel_shuffle)
    assert ops(after) == ["Relu", "Gather"]


@pytest.mark.parametrize("batch", [-1, 0])
def test_free_batch(batch):
    b = Builder()
    after = rewritten(b.output(fixed(b, b.Relu(b.input("x", "n", 6, 4, 5)), n=batch)),
                      recognise_channel_shuffle)
    assert ops(after) == ["Relu", "Gather"]


def test_all_sizes_free():
    b = Builder()
    graph = b.output(from_shape(b, b.Relu(b.input("x", "n", 6, "h", "w"))))
    run(graph)
    assert ops(graph) == ["Relu", "Gather"]


@pytest.mark.parametrize("case", ["another reader", "an output", "other axes", "another shape",
                                  "rank unknown"])
def test_stays(case):
    b = Builder()
    x = b.input("x", *(() if case == "rank unknown" else (1, 6, 4, 5)))
    split = b.Reshape(x, np.int64([1, 2, 3, 4, 5]))
    t = b.Transpose(split, perm=[0, 2, 1, 4, 3] if case == "other axes" else [0, 2, 1, 3, 4])
    y = b.Reshape(t, np.int64([1, 6, 2, 10] if case == "another shape" else [1, 6, 4, 5]))
    outputs = [y, b.Relu(t)] if case == "another reader" else [y, split] if case == "an output" else [y]
    unchanged(b.output(*outputs), recognise_channel_shuffle)
