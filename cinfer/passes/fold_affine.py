"""Batch normalization, scales and offsets go into the weights before them."""
from __future__ import annotations

import numpy as np

from ..model.graph import Graph, Node
from .pattern import Rewriter, has, rewrite


@rewrite
def fold_batch_norm(graph: Graph, at: Rewriter) -> bool:
    """Conv|ConvTranspose|Gemm -> BatchNormalization   becomes   Conv|ConvTranspose|Gemm

    Guards: weights, bias and statistics are constants; the value between has one reader and is not a graph
    output; BatchNormalization runs in inference (training_mode 0, spatial 1, one output read).
    Computed in float64, rounded once to the type of the weights.
    """
    return _fold(at, {"BatchNormalization": _normalization})


@rewrite
def fold_scale(graph: Graph, at: Rewriter) -> bool:
    """Conv|ConvTranspose|Gemm -> Mul|Div|Add|Sub by constants per channel   becomes   Conv|ConvTranspose|Gemm

    A constant per channel has one element or, for C channels, a shape that broadcasts like [1, C, 1, ...]; it
    does not raise the rank. Other guards and the arithmetic as in fold_batch_norm; chains fold as a whole.
    """
    return _fold(at, {"Mul": scale_step, "Div": scale_step, "Add": offset_step, "Sub": offset_step,
                      "BatchNormalization": _normalization})


def _fold(at: Rewriter, readers: dict) -> bool:
    changed = False
    for node in at.of("Conv", "ConvTranspose", "Gemm"):
        weights = at.array(node.inputs[1])
        if weights is None or weights.dtype.kind != "f" or (node.op_type == "Gemm" and weights.ndim != 2):
            continue
        channels, rank = _channels(node, weights), weights.ndim
        total, last = None, node
        while True:
            reader = at.only_reader(last.outputs[0])
            read = readers.get(reader.op_type) if reader is not None and not reader.domain else None
            step = read(at, reader, last.outputs[0], channels, rank) if read else None
            if step is None:
                break
            total = step if total is None else (total[0] * step[0], total[1] * step[0] + step[1])
            last = reader
        if total is not None and _apply(at, node, weights, channels, total):
            _take_over(at, node, last)
            changed = True
    return changed


def _channels(node: Node, weights: np.ndarray) -> int:
    if node.op_type == "Conv":
        return weights.shape[0]
    if node.op_type == "ConvTranspose":
        return weights.shape[1] * node.attributes.get("group", 1)
    return weights.shape[0 if node.attributes.get("transB") else 1]


# y = scale * x + offset, each a float64 array of shape (1,) or (channels,)

def _normalization(at, node, x, channels, rank):
    get = node.attributes.get
    if get("training_mode") or not get("spatial", 1) or any(map(at.is_needed, node.outputs[1:])):
        return None
    arrays = [at.array(name) for name in node.inputs[1:5]]
    if node.inputs[0] != x or any(a is None or a.shape != (channels,) for a in arrays):
        return None
    gamma, beta, mean, variance = (a.astype(np.float64) for a in arrays)
    scale = gamma / np.sqrt(variance + get("epsilon", 1e-5))
    return scale, beta - mean * scale


def scale_step(at, node, x, channels, rank):
    constant = _per_channel(at, node, x, channels, rank)
    if constant is None:
        return None
    if node.op_type == "Div":
        if node.inputs[0] != x or not constant.all():
            return None
        constant = 1 / constant
    return constant, np.zeros(1)


def offset_step(at, node, x, channels, rank):
    constant = _per_channel(at, node, x, channels, rank)
    if constant is None:
        return None
    if node.op_type == "Add":
        return np.ones(1), constant
    return (np.ones(1), -constant) if node.inputs[0] == x else (-np.ones(1), constant)


def _per_channel(at, node, x, channels, rank):
    """The constant beside x as a float64 vector; axis 1 of x has the channels."""
    if node.attributes:                                 # `axis` and `broadcast` before opset 7
        return None
    array = at.array(node.inputs[1] if node.inputs[0] == x else node.inputs[0])
    if array is None or array.ndim > rank or array.dtype.kind != "f":
        return None
    shape = (1,) * (rank - array.ndim) + array.shape
    if shape[1] not in (1, channels) or array.size != shape[1]:
        return None
    return array.astype(np.float64).reshape(-1)


def _apply(at: Rewriter, node: Node, weights: np.ndarray, channels: int,
           step: tuple[np.ndarray, np.ndarray]) -> bool:
    """Give the node scaled weights and another bias; False when that cannot be."""
    scale, offset = step
    bias = at.array(node.inputs[2]) if has(node, 2) else np.zeros(1)
    is_gemm = node.op_type == "Gemm"
    if bias is None or bias.size not in (1, channels) or bias.ndim > (2 if is_gemm else 1) or (
            bias.ndim == 2 and bias.shape[0] != 1):
        return False
    alpha, beta = (node.attributes.get(key, 1.0) if is_gemm else 1.0 for key in ("alpha", "beta"))
    scaled = _scaled(node, weights, scale * alpha) if (scale * alpha != 1.0).any() else weights
    shift = beta * bias.reshape(-1).astype(np.float64) * scale + offset
    shift = np.broadcast_to(shift, channels).astype(weights.dtype)
    if not np.isfinite(shift).all() or (weights.dtype.itemsize < 4 and not np.isfinite(scaled).all()):
        return False
    inputs = [node.inputs[0], node.inputs[1], at.constant(shift, f"{node.outputs[0]}_bias")]
    if scaled is not weights:
        inputs[1] = at.constant(scaled, f"{node.outputs[0]}_weights")
    at.set_inputs(node, inputs)
    if is_gemm:
        node.attributes = {**node.attributes, "alpha": 1.0, "beta": 1.0}
        node.opset = max(node.opset, 11)    # the bias is optional since 11, before 7 it did not broadcast
    return True


def _scaled(node: Node, weights: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The weights times the scale of their output channel."""
    shape = weights.shape
    if scale.size > 1:
        if node.op_type == "Conv":
            scale = scale.reshape(-1, *(1,) * (weights.ndim - 1))
        elif node.op_type == "Gemm":
            scale = scale.reshape((-1, 1) if node.attributes.get("transB") else (1, -1))
        else:                   # ConvTranspose: [group * input channels][output channels of a group][kernel]
            group = node.attributes.get("group", 1)
            weights = weights.reshape(group, -1, *shape[1:])
            scale = scale.reshape(group, 1, -1, *(1,) * (len(shape) - 2))
    result = np.empty(weights.shape, weights.dtype)
    np.multiply(weights, scale, out=result, dtype=np.float64, casting="same_kind")
    return result.reshape(shape)


def _take_over(at: Rewriter, node: Node, last: Node) -> None:
    """The node makes what the last of its followers made; they go."""
    following = []
    while not following or following[-1] is not last:
        following.append(at.only_reader((following[-1] if following else node).outputs[0]))
    outputs = last.outputs[:1]
    for follower in following:
        at.remove(follower)
    at.set_outputs(node, outputs)
