"""Activations between a product of bytes and the QuantizeLinear behind it, which kernels apply to the sums."""
from __future__ import annotations

from math import isfinite

import numpy as np

from ..model.graph import Node
from ..ops import registry
from ..ops.numeric import F32
from ..ops.quantize import dequantize
from .pattern import Rewriter
from .quantized import is_single
from .recognise_activations import recognised

SLOPES = ("LeakyRelu", "PRelu")
NO_SLOPES = "slopes of bytes are finite constants, one or one for each channel of pictures and volumes"
# They make finite numbers of finite ones
FUNCTIONS = ("Elu", "Gelu", "HardSigmoid", "HardSwish", "Mish", "Sigmoid", "Swish", "Tanh")


def goes_before_rounding(node: Node) -> bool:
    """May kernels of bytes do this to their sums?"""
    return node.op_type in (*FUNCTIONS, *SLOPES) and node.attributes.get("approximate", "none") == "none"


def activated(at: Rewriter, name: str, *op_types: str) -> tuple[Node, Node] | None:
    """(node of one of these types, activation) of a value that is what nothing else sees of both; the activation is one
    node then, however it was spelled."""
    node = at.makers.get(name)
    if node is None or node.domain or at.only_reader(name) is None:
        return None
    recognised(node, at)
    if not goes_before_rounding(node):
        return None
    maker = at.maker(node.inputs[0], *op_types)
    return (maker, node) if maker is not None and at.only_reader(node.inputs[0]) is node else None


def as_parameters(at: Rewriter, node: Node, channels: int) -> tuple[list[str], dict] | str:
    """(inputs, attributes) by which operators of our own say an activation (ops/quantize.py: requantize_activated), or
    why it cannot be."""
    if node.op_type in SLOPES:
        slope = _slope(at, node, channels)
        if slope is None:
            return NO_SLOPES
        return [at.constant(slope, "slope")], {}
    defaults = registry.find(node).attributes
    numbers = {name: float(node.attributes.get(name, defaults[name])) for name in ("alpha", "beta") if name in defaults}
    if not all(map(isfinite, numbers.values())):
        return f"{node.op_type} behind it has an attribute that is no number"
    return [], {"activation": node.op_type, **numbers}


def _slope(at: Rewriter, node: Node, channels: int) -> np.ndarray | None:
    """Of a LeakyRelu or PRelu, for each channel."""
    if node.op_type == "LeakyRelu":
        slope = np.array([node.attributes.get("alpha", .01)], F32)
    else:
        slope, rank = _constant(at, node.inputs[1]), at.rank(node.inputs[0])
        if slope is None or slope.dtype != F32 or rank is None or slope.size != 1 and (
                slope.size != channels or slope.shape[1 - rank:] != (
                    (channels, *(1,) * (rank - 2)) if node.opset >= 7 else (channels,))):
            return None
    return np.resize(slope.reshape(-1), channels) if np.isfinite(slope).all() else None


def _constant(at: Rewriter, name: str) -> np.ndarray | None:
    """A constant, maybe one that is stored by one scale."""
    node = at.maker(name, "DequantizeLinear")
    if node is None:
        return at.array(name)
    stored, *how = (at.array(each) for each in node.inputs if each)
    if stored is None or not all(each is not None and is_single(each) for each in how):
        return None
    scale, zero = (*(each.reshape(()) for each in how), None)[:2]
    return dequantize(stored, scale, zero)
