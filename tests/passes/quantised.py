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
    """The same graph, whose uint8 inputs and outputs are int8: 128 less."""
    signed = copy.deepcopy(graph)

    def shift(node):
        name = f"{node.inputs[2]} of {node.outputs[0]}"
        signed.constants[name] = (signed.constants[node.inputs[2]].astype(int) - 128).astype(S8)
        node.inputs[2] = name
    for node in signed.nodes:
        if node.op_type == "DequantizeLinear" and node.inputs[0] in signed.inputs \
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
