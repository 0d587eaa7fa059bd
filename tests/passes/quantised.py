"""Pieces of quantised graphs for the tests of passes."""
import copy

import numpy as np

from cinfer.model.graph import TensorType
from cinfer.passes.check import fault
from handmade import Builder
from interpreter import evaluate

F, U8, S8 = np.float32, np.uint8, np.int8


def grid(scale: float, zero: int, dtype=U8) -> tuple:
    """Scale and zero point."""
    return F(scale), dtype(zero)


X, Y, Z = grid(0.05, 120), grid(0.5, 100), grid(0.25, 0)


def weights(*shape, dtype=S8) -> np.ndarray:
    limits = np.iinfo(dtype)
    return np.random.default_rng(shape).integers(limits.min, limits.max + 1, shape).astype(dtype)


def per_channel(n: int, dtype=S8) -> tuple:
    return np.linspace(0.01, 0.02, n, dtype=F), np.arange(n).astype(dtype)


def stored(b: Builder, value: str, at=X) -> str:
    """The value rounded to 8 bits, as floats."""
    return b.DequantizeLinear(b.QuantizeLinear(value, *at), *at)


def numbers(graph, seed: int = 0) -> dict:
    """Feeds that saturate now and then."""
    r = np.random.default_rng(seed)
    return {name: r.integers(0, 256, t.shape).astype(t.dtype) if t.dtype.kind in "iu"
            else (4 * r.standard_normal(t.shape)).astype(t.dtype) for name, t in graph.inputs.items()}


def as_int8(graph):
    """The same graph, whose inputs and outputs, all of uint8, are int8: 128 less."""
    signed = copy.deepcopy(graph)

    def shift(node):
        name = f"{node.inputs[2]} of {node.outputs[0]}"
        signed.constants[name] = (signed.constants[node.inputs[2]].astype(int) - 128).astype(S8)
        node.inputs[2] = name
    for node in signed.nodes:
        if node.op_type == "DequantizeLinear" and node.inputs[0] in [*signed.inputs, *signed.outputs] \
                or node.op_type == "QuantizeLinear" and node.outputs[0] in signed.outputs:
            shift(node)
    for name, each in signed.inputs.items():
        if each.dtype == U8:
            signed.inputs[name] = TensorType(np.dtype(S8), each.shape)
    return signed


def same_but_for_borders(graph, one_pass, most_off: int = 1, share: float = 0.03):
    """The graph after a pass that changes it: bytes may be the neighbour where a number lies on the border."""
    after = copy.deepcopy(graph)
    assert one_pass(after) and fault(after) is None
    for seed in range(3):
        feeds = numbers(graph, seed)
        for want, got in zip(evaluate(graph, feeds), evaluate(after, feeds)):
            assert got.dtype == want.dtype and got.shape == want.shape
            off = np.abs(got.astype(float) - want.astype(float))
            assert off.max() <= most_off and (off > 0).mean() <= share, f"seed {seed}: {off.max()}"
    return after


# of pictures x and z of four channels
KINDS = {
    "conv": lambda b, x, z: b.Conv(x, b.DequantizeLinear(weights(4, 4, 1, 3), *per_channel(4), axis=0),
                                   pads=[0, 1, 0, 1]),
    "depthwise": lambda b, x, z: b.Conv(x, b.DequantizeLinear(weights(4, 1, 1, 3), F(.1)), group=4, pads=[0, 1, 0, 1]),
    "conv of float weights": lambda b, x, z: b.Conv(x, weights(4, 4, 1, 1).astype(F)),
    "gemm": lambda b, x, z: b.Reshape(b.Gemm(b.Reshape(x, np.array([1, -1])), b.DequantizeLinear(
        weights(144, 144), F(.1))), np.array([1, 4, 6, 6])),
    "matmul": lambda b, x, z: b.MatMul(x, b.DequantizeLinear(weights(6, 6), F(.1))),
    "product": lambda b, x, z: b.MatMul(x, z),
    "add": lambda b, x, z: b.Add(x, z),
    "mul": lambda b, x, z: b.Mul(x, z),
    "of a constant": lambda b, x, z: b.Mul(x, b.DequantizeLinear(weights(4, 1, 1), F(.1))),
    "relu": lambda b, x, z: b.Relu(x),
    "function": lambda b, x, z: b.Abs(x),
    "functions": lambda b, x, z: b.Mul(x, b.Sigmoid(x)),
    "slopes": lambda b, x, z: b.PRelu(x, np.linspace(0, 1, 4, dtype=F).reshape(4, 1, 1)),
    "slopes of the run": lambda b, x, z: b.PRelu(x, z),
    "slopes of pixels": lambda b, x, z: b.PRelu(x, np.linspace(0, 1, 6, dtype=F)),
    "slopes of sums": lambda b, x, z: b.PRelu(b.Add(x, z), np.linspace(-1, 2, 4, dtype=F).reshape(4, 1, 1)),
    "slope of a difference": lambda b, x, z: b.LeakyRelu(b.Sub(x, z), alpha=.1),
    "pool of slopes": lambda b, x, z: b.MaxPool(b.PRelu(x, F([[[.1]], [[-1]], [[0]], [[2]]])), kernel_shape=[3, 3],
                                                pads=[1] * 4),
    "pool of sums": lambda b, x, z: b.MaxPool(b.Add(x, z), kernel_shape=[3, 3], pads=[1] * 4),
    "softmax": lambda b, x, z: b.Softmax(x, axis=1),
    "pool": lambda b, x, z: b.MaxPool(x, kernel_shape=[3, 3], pads=[1] * 4),
    "average": lambda b, x, z: b.AveragePool(x, kernel_shape=[3, 3], pads=[1] * 4),
    "mean": lambda b, x, z: b.Add(z, b.GlobalAveragePool(x)),
    "parts": lambda b, x, z: b.Conv(b.Concat(x, z, axis=1), b.DequantizeLinear(weights(4, 8, 1, 1), F(.1))),
    "moved": lambda b, x, z: b.Transpose(x, perm=[0, 1, 3, 2]),
    "resized": lambda b, x, z: b.Resize(x, None, None, np.array([1, 4, 6, 6]), mode="linear"),
}
