"""Group normalization from Reshape and InstanceNormalization."""
import numpy as np
import pytest

from cinfer.passes.recognise_group_norm import recognise_group_norm
from handmade import Builder, ops, rewritten, unchanged

F = np.float32
SCALE, BIAS = (np.random.default_rng(3).normal(size=(2, 12)) + 1).astype(F)


def spelled(b, x, *, groups=4, to=None, back=(2, 12, 3, 5), scale=SCALE, bias=BIAS, ones=None, zeros=None,
            rank=4):
    y = b.Reshape(x, np.array((0, groups, -1) if to is None else to))
    y = b.InstanceNormalization(y, np.ones(groups, F) if ones is None else ones,
                                np.zeros(groups, F) if zeros is None else zeros, epsilon=1e-3)
    y = b.Reshape(y, b.Shape(x) if back is None else np.array(back))
    shape = (-1, *(1,) * (rank - 2))
    y = y if scale is None else b.Mul(y, scale.reshape(shape))
    return y if bias is None else b.Add(bias.reshape(shape), y)


@pytest.mark.parametrize("how", [dict(), dict(groups=12), dict(groups=1), dict(bias=None),
                                 dict(scale=None, bias=None), dict(to=(2, 4, 3, 15)), dict(back=None)], ids=str)
def test_reads_spelling(how):
    b = Builder()
    after = rewritten(b.output(spelled(b, b.input("x", 2, 12, 3, 5), **how)), recognise_group_norm)
    assert [op for op in ops(after) if op != "Shape"] == ["GroupNormalization"]


def test_free_sizes():
    b = Builder()
    after = rewritten(b.output(spelled(b, b.input("x", "n", 12, "h", "w"), back=None)), recognise_group_norm)
    assert "GroupNormalization" in ops(after) and "InstanceNormalization" not in ops(after)


def test_lines_and_volumes():
    for shape in ((2, 12, 7), (2, 12, 2, 3, 4)):
        b = Builder()
        graph = b.output(spelled(b, b.input("x", *shape), back=shape, rank=len(shape)))
        assert ops(rewritten(graph, recognise_group_norm)) == ["GroupNormalization"]


@pytest.mark.parametrize("how", [
    dict(ones=np.full(4, 2, F)), dict(zeros=np.ones(4, F)), dict(to=(1, 8, -1), groups=8),
    dict(groups=8, to=(2, 8, -1)), dict(back=(2, 12, 5, 3))], ids=str)
def test_leaves_alone(how):
    b = Builder()
    unchanged(b.output(spelled(b, b.input("x", 2, 12, 4 if how.get("groups") else 3, 5),
                               **{"back": (2, 12, 4, 5) if how.get("groups") else (2, 12, 3, 5), **how})),
              recognise_group_norm)


@pytest.mark.parametrize("scale", [np.ones((1, 3, 5), F), np.ones((12, 3, 5), F), F(2)], ids=str)
def test_a_scale_that_is_none_of_channels_stays_outside(scale):
    b = Builder()
    y = b.Mul(spelled(b, b.input("x", 2, 12, 3, 5), scale=None, bias=None), scale)
    assert ops(rewritten(b.output(y), recognise_group_norm)) == ["GroupNormalization", "Mul"]


def test_what_is_read_elsewhere_stays():
    b = Builder()
    y = spelled(b, b.input("x", 2, 12, 3, 5))
    names = [node.outputs[0] for node in b.graph.nodes]
    for name, kept in ((names[1], "InstanceNormalization"), (names[2], "Mul"), (names[3], "Add")):
        after = rewritten(b.output(y, name), recognise_group_norm)
        assert kept in ops(after)
