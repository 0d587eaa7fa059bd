"""Scales and offsets go into the convolution after them."""
from __future__ import annotations

import numpy as np

from ..model.graph import Graph, Node
from ..ops.facts import Unranked
from .fold_affine import offset_step, scale_step
from .pattern import Rewriter, has, rewrite

_STEPS = {"Mul": scale_step, "Div": scale_step, "Add": offset_step, "Sub": offset_step}


@rewrite
def fold_input_scale(graph: Graph, at: Rewriter) -> bool:
    """Mul|Div|Add|Sub by constants per channel -> Conv   becomes   Conv

    Learnable scales behind an activation, the normalization of a picture. When the convolution pads (with
    zeros, which the offset would not reach) the scale alone goes in, and x * scale + offset becomes x +
    offset / scale before it.
    Guards: weights and bias are constants, the values between have one reader and are no graph outputs; a
    constant of more than one element needs a proof that x has as many channels, for it may widen x otherwise.
    Computed in float64, rounded once to the type of the weights.
    """
    changed = False
    for node in at.of("Conv"):
        weights = at.array(node.inputs[1])
        if weights is None or weights.dtype.kind != "f":
            continue
        found = _chain(at, node, weights.shape[1] * node.attributes.get("group", 1), weights.ndim)
        if found is not None:
            changed |= _fold(at, node, weights, *found)
    return changed


def _chain(at: Rewriter, node: Node, channels: int,
           rank: int) -> tuple[str, np.ndarray, np.ndarray, list[Node]] | None:
    """What the node reads as scale * x + offset: (x, scale, offset, the operators between, backwards)."""
    x, scale, offset, between = node.inputs[0], np.ones(1), np.zeros(1), []
    while True:
        maker = at.maker(x, *_STEPS) if at.only_reader(x) else None
        inner = maker and _operand(at, maker)
        step = inner and _STEPS[maker.op_type](at, maker, inner, channels, rank)
        if not step or (max(step[0].size, step[1].size) > 1 and _channels(at, inner) != channels):
            return (x, scale, offset, between) if between else None
        scale, offset = scale * step[0], scale * step[1] + offset
        x = inner
        between.append(maker)


def _operand(at: Rewriter, node: Node) -> str:
    """The input that is no constant."""
    return node.inputs[1] if at.array(node.inputs[0]) is not None else node.inputs[0]


def _channels(at: Rewriter, name: str) -> int | None:
    """The size of axis 1 of a value, where it is known."""
    fact = at.fact(name)
    if fact is None or type(fact) is Unranked or fact.ndim < 2:
        return None
    return fact.shape[1] if type(fact.shape[1]) is int else None


def _fold(at: Rewriter, node: Node, weights: np.ndarray, x: str, scale: np.ndarray, offset: np.ndarray,
          between: list[Node]) -> bool:
    scales, shifts = bool((scale != 1.0).any()), bool(offset.any())
    get = node.attributes.get
    pads = any(get("pads") or ()) or get("auto_pad") in ("SAME_UPPER", "SAME_LOWER")
    if pads and shifts and (len(between) == 1 or not scale.all()):
        return False
    bias = at.array(node.inputs[2]) if has(node, 2) else None
    if bias is None and has(node, 2):
        return False
    group = get("group", 1)
    grouped = weights.reshape(group, -1, *weights.shape[1:])

    def per_input(vector):
        """A vector over the input channels beside the grouped weights."""
        return vector.reshape(group if vector.size > 1 else 1, 1, -1, *(1,) * (weights.ndim - 2))

    inputs = list(node.inputs)
    if scales:
        scaled = np.empty(grouped.shape, weights.dtype)
        np.multiply(grouped, per_input(scale), out=scaled, dtype=np.float64, casting="same_kind")
        if not np.isfinite(scaled).all():
            return False
        inputs[1] = at.constant(scaled.reshape(weights.shape), f"{node.outputs[0]}_weights")
    if shifts and not pads:
        sums = (grouped * per_input(offset)).sum(axis=tuple(range(2, weights.ndim + 1))).reshape(-1)
        shifted = (sums if bias is None else bias + sums).astype(weights.dtype)
        if not np.isfinite(shifted).all():
            return False
        inputs[2:] = [at.constant(shifted, f"{node.outputs[0]}_bias")]
    inputs[0] = x
    if shifts and pads:
        before = (offset / scale).astype(weights.dtype).reshape(-1, *(1,) * (weights.ndim - 2))
        constant = at.constant(before if before.size > 1 else before.reshape(()), f"{x}_offset")
        add = Node("Add", [x, constant], [at.fresh(x)], opset=14, name=between[0].name)
        inputs[0] = at.insert(add, after=between[0])
    at.set_inputs(node, inputs)
    return True
