"""Regions between Transposes take the layout around them, and only when that saves Transposes."""
import numpy as np
import pytest

from cinfer.passes.sink_transposes import sink_transposes
from handmade import Builder, ops, rewritten, unchanged

F = np.float32
TO_NHWC, TO_NCHW = [0, 2, 3, 1], [0, 3, 1, 2]
rng = np.random.default_rng(4)


def values(*shape):
    return rng.normal(size=shape).astype(F)


def nhwc(b, x):
    return b.Transpose(x, perm=TO_NHWC)


def nchw(b, x):
    return b.Transpose(x, perm=TO_NCHW)


# each is given x in NHWC, of shape [2, 6, 5, 4], and gives a tensor of rank 4
ISLANDS = {
    "activation": lambda b, x: b.Relu(x),
    "chain": lambda b, x: b.Sigmoid(b.LeakyRelu(b.Clip(x, F(-1), F(1)), alpha=0.1)),
    "bias per channel": lambda b, x: b.Add(x, values(4)),
    "constant of rank 4": lambda b, x: b.Mul(values(1, 1, 5, 4), x),
    "scalar": lambda b, x: b.Div(b.Sub(F(1), x), np.full((1, 1), 2, F)),
    "slope per channel": lambda b, x: b.PRelu(x, values(1, 1, 4)),
    "two branches": lambda b, x: b.Mul(x, b.Sigmoid(b.Add(x, values(4)))),
    "where": lambda b, x: b.Where(b.Greater(x, values(4)), x, F(0)),
    "concat": lambda b, x: b.Concat(x, b.Relu(x), values(2, 6, 5, 3), axis=-1),
    "split": lambda b, x: b.Add(*b.node("Split", x, n=2, axis=3, opset=11)),
    "softmax": lambda b, x: b.Softmax(x, axis=-1),
    "mean over the picture": lambda b, x: b.Mul(x, b.ReduceMean(x, axes=[1, 2])),
    "sum by input": lambda b, x: b.Add(x, b.ReduceSum(x, np.array([1, -1]))),
    "maximum of all": lambda b, x: b.Sub(x, b.ReduceMax(x)),
    "pad": lambda b, x: b.Pad(x, np.array([0, 1, 2, 0, 0, 3, 1, 1])),
    "pad of opset 9": lambda b, x: b.Pad(x, opset=9, pads=[0, 1, 2, 0, 0, 3, 1, 1]),
    "pad with axes": lambda b, x: b.Pad(x, np.array([1, 2, 0, 1]), None, np.array([-1, 1]), opset=18),
    "slice": lambda b, x: b.Slice(x, np.array([1, 0]), np.array([4, 3]), np.array([1, -1]), np.array([1, 2])),
    "slice of opset 9": lambda b, x: b.Slice(x, opset=9, starts=[1, 0], ends=[4, 3], axes=[1, 3]),
    "resize by scales": lambda b, x: b.Resize(x, None, np.array([1, 2, 3, 1], F), mode="nearest"),
    "resize by sizes": lambda b, x: b.Resize(x, None, None, np.array([2, 3, 10, 4]), mode="nearest"),
    "tile": lambda b, x: b.Tile(x, np.array([1, 2, 1, 3])),
    "gather": lambda b, x: b.Gather(x, np.array([2, 0, 2]), axis=3),
    "quantize": lambda b, x: b.DequantizeLinear(
        b.QuantizeLinear(x, np.linspace(0.1, 0.4, 4, dtype=F), np.zeros(4, np.int8), axis=-1),
        np.linspace(0.1, 0.4, 4, dtype=F), np.zeros(4, np.int8), axis=-1),
    "greatest channel": lambda b, x: b.Cast(b.ArgMax(x, axis=3), to=1),
}


@pytest.mark.parametrize("name", ISLANDS)
def test_island_is_turned(name):
    b = Builder(13)
    y = nchw(b, ISLANDS[name](b, nhwc(b, b.input("x", 2, 4, 6, 5))))
    graph = b.output(y)
    after = rewritten(graph, sink_transposes)
    assert ops(after) == [op for op in ops(graph) if op != "Transpose"]


@pytest.mark.parametrize("name", ISLANDS)
@pytest.mark.parametrize("perm", [[2, 0, 3, 1], [3, 2, 1, 0], [1, 2, 3, 0]])
def test_any_permutation_keeps_the_values(name, perm):
    b = Builder(13)
    sizes = [{axis: size for axis, size in zip(perm, (2, 6, 5, 4))}[axis] for axis in range(4)]
    x = b.Transpose(b.input("x", *sizes), perm=perm)
    y = b.Transpose(ISLANDS[name](b, x), perm=[perm.index(i) for i in range(4)])
    assert "Transpose" not in ops(rewritten(b.output(y), sink_transposes))


def test_residual_chain_becomes_free_of_transposes():
    b = Builder(13)
    x = b.input("x", 1, 4, 6, 5)
    trunk = nhwc(b, b.Conv(x, values(4, 4, 1, 1)))
    for _ in range(3):
        branch = nhwc(b, b.Conv(nchw(b, b.Relu(trunk)), values(4, 4, 3, 3), pads=[1, 1, 1, 1]))
        trunk = b.Add(trunk, b.Mul(branch, values(4)))
    graph = b.output(b.Conv(nchw(b, trunk), values(4, 4, 1, 1)))
    assert "Transpose" not in ops(rewritten(graph, sink_transposes))


BORDERS = {
    "mean over the picture": lambda b, y: b.ReduceMean(y, axes=[1, 2], keepdims=0),
    "squeeze": lambda b, y: b.Squeeze(b.ReduceMax(y, axes=[1, 2]), np.array([1, 2])),
    "greatest channel": lambda b, y: b.ArgMax(y, axis=3, keepdims=0),
    "shape": lambda b, y: b.Shape(y),
    "one channel": lambda b, y: b.Gather(y, np.array(2), axis=3),
}


@pytest.mark.parametrize("name", BORDERS)
def test_border_takes_turned_values(name):
    b = Builder(13)
    y = b.Relu(nhwc(b, b.Neg(b.input("x", 2, 4, 6, 5))))
    assert "Transpose" not in ops(rewritten(b.output(BORDERS[name](b, y)), sink_transposes))


def test_reshape_that_only_adds_axes_is_turned():
    b = Builder(13)
    y = nhwc(b, b.input("x", 1, 4, 6, 5))
    gate = b.Reshape(b.input("gate", 1, 4), np.array([1, 1, 1, 4]))
    gate = b.Add(gate, b.Unsqueeze(b.input("more", 1, 4), np.array([1, 2])))
    graph = b.output(nchw(b, b.Mul(y, gate)))
    assert "Transpose" not in ops(rewritten(graph, sink_transposes))


def test_transposes_in_a_row_become_one():
    b = Builder(13)
    y = b.Transpose(nhwc(b, b.input("x", 2, 4, 6, 5)), perm=[1, 0, 2, 3])
    after = rewritten(b.output(y), sink_transposes)
    assert ops(after) == ["Transpose"] and after.nodes[0].attributes["perm"] == [2, 0, 3, 1]


def test_equal_transposes_of_one_value_become_one():
    b = Builder(13)
    x = b.input("x", 2, 4, 6, 5)
    graph = b.output(b.MatMul(nhwc(b, x), values(4, 3)), b.MatMul(nhwc(b, x), values(4, 2)))
    assert ops(rewritten(graph, sink_transposes)) == ["Transpose", "MatMul", "MatMul"]


@pytest.mark.parametrize("between", [[], [1, 0, 2, 3]])
def test_a_transpose_is_not_the_twin_of_one_that_went_away(between):
    """The second, or the third undoing the second, is the first again, which nobody reads any more."""
    b = Builder(13)
    x = nhwc(b, b.input("x", 2, 4, 6, 5))
    for perm in [between, between] if between else [[0, 1, 2, 3]]:
        x = b.Transpose(x, perm=perm)
    after = rewritten(b.output(b.MatMul(x, values(4, 3))), sink_transposes)
    assert ops(after) == ["Transpose", "MatMul"] and after.nodes[0].attributes["perm"] == [0, 2, 3, 1]


@pytest.mark.parametrize("perm", [[1, 0, 2], [1, 2, 0]])
def test_a_value_beside_its_own_transpose_is_left_alone(perm):
    b = Builder(13)
    x = b.Relu(b.input("x", 4, 4, 4))
    y = b.Max(b.Transpose(x, perm=perm), x)
    after = rewritten(b.output(b.Tanh(b.Transpose(y, perm=perm))), sink_transposes)
    assert ops(after).count("Transpose") == 2


def test_transpose_without_perm_reverses():
    b = Builder(13)
    graph = b.output(b.Transpose(b.Relu(b.Transpose(b.input("x", 2, 3, 4)))))
    assert ops(rewritten(graph, sink_transposes)) == ["Relu"]


LEFT_ALONE = {
    "nothing saved at an output": lambda b, x: b.Relu(nhwc(b, x)),
    "reader that needs the layout": lambda b, x: b.MatMul(b.Relu(nhwc(b, x)), values(4, 3)),
    "axes of the run": lambda b, x: nchw(b, b.ReduceSum(nhwc(b, x), b.input("axes", 1, dtype=np.int64))),
    "softmax that flattens": lambda b, x: nchw(b, b.Softmax(nhwc(b, x), opset=11, axis=3)),
    "value of lower rank": lambda b, x: nchw(b, b.Add(nhwc(b, x), b.input("bias", 4))),
    "reshape that mixes axes": lambda b, x: nchw(b, b.Reshape(nhwc(b, x), np.array([2, 5, 6, 4]))),
    "normalization of the last axis": lambda b, x: nchw(
        b, b.LayerNormalization(nhwc(b, x), values(4), values(4))),
}


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_leaves_alone(name):
    b = Builder(17 if "normalization" in name else 13)
    unchanged(b.output(LEFT_ALONE[name](b, b.input("x", 2, 4, 6, 5))), sink_transposes)


def test_value_of_a_turned_region_that_is_an_output_is_turned_back():
    b = Builder(13)
    left, right = (nhwc(b, b.Neg(b.input(name, 2, 4, 6, 5))) for name in "ab")
    seen = b.Add(left, right)
    graph = b.output(seen, nchw(b, b.Relu(seen)))
    after = rewritten(graph, sink_transposes)
    assert ops(after).count("Transpose") == 1 and seen in after.outputs


def test_values_of_unknown_rank_stop_it():
    b = Builder(13)
    b.input("bias")
    x = nhwc(b, b.input("x", 2, 4, 6, 5))
    unchanged(b.output(nchw(b, b.Add(x, "bias"))), sink_transposes)


def test_equal_transposes_that_are_outputs_keep_their_names():
    b = Builder(13)
    x = b.Neg(b.input("x", 2, 4, 6, 5))
    first, second, third = nhwc(b, x), nhwc(b, x), nhwc(b, x)
    graph = b.output(second, b.MatMul(first, values(4, 3)), b.MatMul(third, values(4, 3)))
    assert ops(rewritten(graph, sink_transposes)) == ["Neg", "Transpose", "MatMul", "MatMul"]


def test_slice_keeps_the_type_of_its_axes():
    b = Builder(13)
    i = lambda *v: np.array(v, np.int32)
    y = nchw(b, b.Slice(nhwc(b, b.input("x", 2, 4, 6, 5)), i(1), i(3), i(2)))
    after = rewritten(b.output(y), sink_transposes)
    assert ops(after) == ["Slice"] and after.constants[after.nodes[0].inputs[3]].dtype == np.int32
