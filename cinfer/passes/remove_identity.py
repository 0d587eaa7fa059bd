"""Nodes that hand on what they get."""
from __future__ import annotations

import numpy as np

from ..model.graph import Graph, Node
from .pattern import Rewriter, has, rewrite

_NEUTRAL = {"Add": 0.0, "Sub": 0.0, "Mul": 1.0, "Div": 1.0}


@rewrite
def remove_identity(graph: Graph, at: Rewriter) -> bool:
    """x -> Identity -> y   becomes   x -> y

    Also: Dropout, when its mask is not read and training_mode is off; Cast to the type that x is known to
    have; x + 0, x - 0, x * 1, x / 1 with a scalar constant that cannot raise the rank of x; Concat, Sum, Max,
    Min and Mean of one input; Pad by nothing. What their operators would refuse stays, and is refused.
    A graph output keeps its name, so a node between a graph input (or a constant) and an output stays.
    """
    changed = False
    for node in at.of("Identity", "Dropout", "Cast", "Pad", *_NEUTRAL, "Concat", "Sum", "Max", "Min", "Mean"):
        source = _handed_on(node, at)
        if source is not None:
            changed |= at.alias(node, source)
    return changed


def _handed_on(node: Node, at: Rewriter) -> str | None:
    """The input that the node's first output equals."""
    op_type, inputs = node.op_type, node.inputs
    if op_type in _NEUTRAL:
        return _beside_neutral(node, at)
    if op_type == "Identity":
        return inputs[0]
    if op_type == "Dropout":
        mask_read = any(map(at.is_needed, node.outputs[1:]))
        training = at.array(inputs[2]) if has(node, 2) else np.False_
        ratio = at.array(inputs[1]) if has(node, 1) else None
        if mask_read or training is None or np.any(training) or ratio is not None and ratio.size != 1:
            return None
        return inputs[0]
    if op_type == "Cast":
        return inputs[0] if _element_type(inputs[0], at) == node.attributes.get("to") else None
    if op_type == "Pad":
        pads = at.ints(node, "pads", 1, 11)
        rank = at.rank(inputs[0]) if pads and not has(node, 3) else None
        return inputs[0] if pads is not None and not any(pads) and rank in (None, len(pads) / 2) else None
    if op_type == "Concat" and len(inputs) == 1:
        rank = at.rank(inputs[0])
        return inputs[0] if rank is None or -rank <= node.attributes.get("axis", 1) < rank else None
    return inputs[0] if len(inputs) == 1 else None


def _beside_neutral(node: Node, at: Rewriter) -> str | None:
    a, b = node.inputs
    for constant, other in ((b, a), (a, b)) if node.op_type in ("Add", "Mul") else ((b, a),):
        array = at.array(constant)
        if array is not None and array.size == 1 and array.item() == _NEUTRAL[node.op_type]:
            if at.fits(array, other) and at.dtype(other) in (None, array.dtype):
                return other
    return None


def _element_type(name: str, at: Rewriter) -> int | None:
    """The type of a value as the standard numbers it, where it is plain to see: two Casts in a row."""
    maker = at.maker(name, "Cast")
    return maker.attributes.get("to") if maker else None
