"""Rounded weights shift the mean of what they make; the bias takes that back.
(Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction, 2019, section 4.2; the means are
those of the calibration pictures.)"""
from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from . import weights
from .observe import Observed
from .ranges import Scale
from .units import Network, Unit
from .weights import Grid


def corrected(network: Network, units: Iterable[Unit], found: Mapping[str, Scale], observed: Observed,
              grid: Grid) -> dict[str, np.ndarray]:
    """Other biases of these layers in integers. What lies outside of a picture counts as inside."""
    constants, biases = network.graph.constants, {}
    for unit in units:
        mean = observed.means.get(unit.inputs[0])
        if unit.kind != "layer" or not unit.bias or mean is None or len(network.at.readers[unit.bias]) > 1:
            continue
        weight, bias = constants[unit.weight], constants[unit.bias]
        lost = weights.lost(unit.node, weight, bias, found[unit.inputs[0]].step, grid)
        biases[unit.bias] = bias + shift(unit, lost, mean.astype(np.float64)).astype(np.float32)
    return biases


def shift(unit: Unit, lost: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """What the lost part of the weights would add to each output channel, on average."""
    if unit.node.op_type == "Gemm":
        return (lost if unit.node.attributes.get("transB") else lost.T) @ mean
    group = unit.node.attributes.get("group", 1)
    means = mean.reshape(group, -1)
    if unit.node.op_type == "Conv":
        taps = lost.reshape(group, -1, lost.shape[1], int(np.prod(lost.shape[2:]))).sum(-1)
        return np.einsum("goi,gi->go", taps, means).reshape(-1)
    # of a ConvTranspose a tap reaches one pixel in as many as the strides make
    strides = unit.node.attributes.get("strides") or [1]
    taps = lost.reshape(group, -1, lost.shape[1], int(np.prod(lost.shape[2:]))).sum(-1) / np.prod(strides)
    return np.einsum("gio,gi->go", taps, means).reshape(-1)
