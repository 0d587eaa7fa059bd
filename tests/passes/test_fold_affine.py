"""Scales and offsets behind Conv, ConvTranspose and Gemm."""
import numpy as np
import pytest

from cinfer.passes.fold_affine import fold_batch_norm, fold_scale
from handmade import Builder, ops, rewritten, unchanged

F = np.float32
rng = np.random.default_rng(1)


def values(*shape):
    return rng.normal(size=shape).astype(F)


def batch_norm(b, x, channels, **attributes):
    return b.BatchNormalization(x, values(channels), values(channels), values(channels),
                                np.abs(values(channels)) + F(0.1), **attributes)


def conv(b, *inputs, **attributes):
    return b.Conv(b.input("x", 2, 3, 7, 7), *(inputs or (values(8, 3, 3, 3),)), **attributes)


def transposed(b, *inputs, **attributes):
    return b.ConvTranspose(b.input("x", 2, 4, 7, 7), *inputs, **attributes)


def gemm(b, *inputs, **attributes):
    return b.Gemm(b.input("x", 5, 4), *inputs, **attributes)


# name: (the layer, its output channels, the rank of its output)
LAYERS = {
    "conv": (lambda b: conv(b, values(8, 3, 3, 3), values(8)), 8, 4),
    "conv without bias": (lambda b: conv(b, values(8, 3, 3, 3), pads=[1, 1, 1, 1]), 8, 4),
    "grouped conv": (lambda b: b.Conv(b.input("x", 2, 4, 7, 7), values(8, 2, 3, 3), group=2), 8, 4),
    "conv in one dimension": (lambda b: b.Conv(b.input("x", 2, 3, 7), values(8, 3, 3)), 8, 3),
    "transposed": (lambda b: transposed(b, values(4, 8, 2, 2), strides=[2, 2]), 8, 4),
    "transposed in groups": (lambda b: transposed(b, values(4, 3, 2, 2), values(6), group=2), 6, 4),
    "gemm": (lambda b: gemm(b, values(4, 8), values(8)), 8, 2),
    "gemm, all attributes": (
        lambda b: gemm(b, values(8, 4), values(1, 8), transB=1, alpha=0.5, beta=2.0), 8, 2),
    "gemm without bias": (lambda b: gemm(b, values(4, 8)), 8, 2),
    "gemm with a scalar bias": (lambda b: gemm(b, values(4, 8), values()), 8, 2),
}


@pytest.mark.parametrize("layer", LAYERS)
def test_batch_norm_goes_into_the_layer_before(layer):
    make, channels, _ = LAYERS[layer]
    b = Builder()
    graph = b.output(b.Relu(batch_norm(b, make(b), channels, epsilon=1e-3)))
    assert ops(rewritten(graph, fold_batch_norm)) == [graph.nodes[0].op_type, "Relu"]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("shape", ["scalar", "full", "short"])
def test_scales_and_offsets_go_into_the_layer_before(layer, shape):
    make, channels, rank = LAYERS[layer]
    short = (channels,) + (1,) * (rank - 2)
    size = {"scalar": (), "full": (1, *short), "short": short}[shape]
    b = Builder()
    y = b.Sub(b.Div(b.Add(values(*size), b.Mul(make(b), values(*size))), values(*size) + F(4)), values(*size))
    graph = b.output(b.Sub(values(*size), y))
    after = rewritten(graph, fold_scale)
    assert ops(after) == [graph.nodes[0].op_type]
    assert after.nodes[0].outputs == list(graph.outputs)


def test_weights_read_by_two_layers_are_scaled_for_one():
    b = Builder()
    x = b.input("x", 1, 3, 7, 7)
    w = b.constant(values(8, 3, 3, 3))
    graph = b.output(b.Mul(b.Conv(x, w), F(2)), b.Conv(x, w))
    assert ops(rewritten(graph, fold_scale)) == ["Conv", "Conv"]


def two_readers(b):
    y = conv(b)
    return b.Mul(y, F(2)), b.Neg(y)


def output_between(b):
    y = conv(b)
    return b.Mul(y, F(2)), y


LEFT_ALONE = {
    "value with two readers": two_readers,
    "value that is an output": output_between,
    "scale along the width": lambda b: (b.Mul(conv(b), values(5)),),
    "scale per pixel": lambda b: (b.Mul(conv(b), values(8, 5, 5)),),
    "scale that raises the rank": lambda b: (b.Mul(conv(b), values(1, 1, 8, 1, 1)),),
    "scale that widens the batch": lambda b: (b.Mul(conv(b), values(2, 8, 1, 1)),),
    "channels made of one": lambda b: (b.Mul(conv(b, values(1, 3, 3, 3)), values(8, 1, 1)),),
    "division by zero": lambda b: (b.Div(conv(b), np.array(0, F)),),
    "divided by the layer": lambda b: (b.Div(F(2), conv(b)),),
    "infinite scale": lambda b: (b.Mul(conv(b, values(8, 3, 3, 3), values(8)), np.array(np.inf, F)),),
    "weights not constant": lambda b: (b.Mul(conv(b, b.input("w", 8, 3, 3, 3)), F(2)),),
    "bias not constant": lambda b: (b.Mul(conv(b, values(8, 3, 3, 3), b.input("bias", 8)), F(2)),),
    "training": lambda b: (batch_norm(b, conv(b), 8, training_mode=1),),
    "not after a layer": lambda b: (batch_norm(b, b.Relu(b.input("x", 2, 8, 5, 5)), 8),),
}


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_leaves_alone(name):
    b = Builder()
    graph = b.output(*LEFT_ALONE[name](b))
    unchanged(graph, fold_batch_norm)
    unchanged(graph, fold_scale)


def test_float16_stays_float16_and_does_not_overflow():
    h = np.float16
    b = Builder()
    x = b.input("x", 1, 3, 5, 5, dtype=h)
    graph = b.output(b.Mul(b.Conv(x, values(4, 3, 3, 3).astype(h)), h(0.5)))
    after = rewritten(graph, fold_scale, tolerance=4e-3)
    assert ops(after) == ["Conv"]
    assert {after.constants[name].dtype for name in after.nodes[0].inputs[1:]} == {np.dtype(h)}
    b = Builder()
    x = b.input("x", 1, 3, 5, 5, dtype=h)
    unchanged(b.output(b.Mul(b.Conv(x, np.full((4, 3, 3, 3), 60, h)), h(2000))), fold_scale)
