"""Two layers share what each channel between them is multiplied by: a channel of small numbers is made larger before it
becomes bytes, and its weights behind are made as much smaller. The network computes the same in floats.
(Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction, 2019; how much each side gives,
by Xiao et al., SmoothQuant, 2022.)

Weights have a scale for each output channel, so the layer before pays nothing. Nor does a depthwise layer behind; in
any other one, the weights of a channel that was small share their scale with those of large ones.
"""
from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model.graph import Graph
from .observe import Observed
from .units import Network, Unit

HOMOGENEOUS = frozenset(("Relu", "LeakyRelu", "PRelu", "Abs", "Identity", "Pad", "MaxPool", "Resize", "AveragePool",
                         "GlobalAveragePool", "GlobalMaxPool"))     # f(s * x) = s * f(x) for s > 0, channel by channel
MOST = 1e4                          # a channel that is never used is not made the largest one


def pairs(network: Network) -> list[tuple[Unit, Unit]]:
    """Layers of which one reads what the other makes, and nobody else does."""
    return [(unit, behind) for unit in network.layers if unit.node.op_type in ("Conv", "ConvTranspose")
            and (behind := layer_behind(network, unit)) is not None]


def layer_behind(network: Network, unit: Unit) -> Unit | None:
    at, name, nodes = network.at, unit.outputs[0], unit.nodes[1:]
    while all(node.op_type in HOMOGENEOUS for node in nodes):
        reader = at.only_reader(name)
        following = next((each for each in network.readers.get(name, ()) if each.node is reader), None)
        if following is None:
            return None
        if following.kind == "layer":
            return following if following.node.op_type == "Conv" and following.inputs == (name,) else None
        nodes, name = following.nodes, following.outputs[0]
    return None


def equalised(network: Network, observed: Observed, share: float) -> Graph | None:
    """The graph with other weights; None where there is nothing to share. share : 1 makes all channels alike, 0 none of
    their weights wider"""
    constants = dict(network.graph.constants)
    changed = False
    for first, second in pairs(network):
        peaks = observed.peaks.get(second.inputs[0])
        if peaks is None or used(network, first.weight) > 1 or used(network, second.weight) > 1 \
                or first.bias and used(network, first.bias) > 1:
            continue
        factor = factors(peaks.astype(np.float64), constants[second.weight], second, share)
        if factor is None:
            continue
        multiply(constants, first, 1 / factor)
        constants[second.weight] = by_input(constants[second.weight], second, factor)
        changed = True
    return replace(network.graph, constants=constants, nodes=list(network.graph.nodes)) if changed else None


def used(network: Network, name: str) -> int:
    return len(network.at.readers.get(name, ()))


def factors(peaks: np.ndarray, weight: np.ndarray, unit: Unit, share: float) -> np.ndarray | None:
    """What each channel is divided by; around 1."""
    group = unit.node.attributes.get("group", 1)
    inner = weight.shape[1]
    if len(peaks) != inner * group:
        return None
    grouped = np.abs(weight).reshape(group, -1, inner, int(np.prod(weight.shape[2:]))).max(-1).astype(np.float64)
    rows = grouped.max(2, keepdims=True)
    columns = (grouped / np.where(rows > 0, rows, 1)).max(1).reshape(-1)    # 1: it is the largest weight of some output
    live = (peaks > peaks.max() / MOST) & (columns > 0)
    if not live.any():
        return None
    factor = np.ones(len(peaks))
    factor[live] = peaks[live] if inner == 1 else peaks[live] ** share / columns[live] ** (1 - share)
    factor[live] /= np.exp(np.log(factor[live]).mean())
    return factor


def multiply(constants: dict, unit: Unit, factor: np.ndarray) -> None:
    """Multiply the output's channels."""
    weight = constants[unit.weight]
    if unit.node.op_type == "Conv":
        scaled = weight * factor.reshape(-1, *(1,) * (weight.ndim - 1))
    else:                                                           # [input channels][output channels of a group]
        group = unit.node.attributes.get("group", 1)
        parts = weight.reshape(group, -1, *weight.shape[1:])
        scaled = (parts * factor.reshape(group, 1, -1, *(1,) * (weight.ndim - 2))).reshape(weight.shape)
    constants[unit.weight] = scaled.astype(np.float32)
    if unit.bias:
        constants[unit.bias] = (constants[unit.bias] * factor).astype(np.float32)


def by_input(weight: np.ndarray, unit: Unit, factor: np.ndarray) -> np.ndarray:
    group = unit.node.attributes.get("group", 1)
    parts = weight.reshape(group, -1, *weight.shape[1:])
    return (parts * factor.reshape(group, 1, -1, *(1,) * (weight.ndim - 2))).reshape(weight.shape).astype(np.float32)
