"""Numbers go into the product of matrices beside them."""
from __future__ import annotations

import numpy as np

from ..model.graph import Graph, Node
from ..ops.facts import Unranked
from ..ops.families import MICROSOFT
from ..ops.numeric import F32
from .pattern import Rewriter, rewrite


@rewrite
def fold_product_scale(graph: Graph, at: Rewriter) -> bool:
    """Mul or Div by one number before a MatMul, or after it   becomes   FusedMatMul, its alpha

    Guards: of float32; nobody else sees the value between; the number, a constant or made of sizes that are
    known, does not raise the rank of what it scales.
    """
    changed = False
    for node in at.of("MatMul"):
        alpha, inputs, output, after = 1.0, list(node.inputs), node.outputs[0], None
        for j, name in enumerate(inputs):
            maker = at.maker(name, "Mul", "Div") if at.only_reader(name) else None
            found = maker and _scaled(at, maker)
            if found:
                inputs[j], alpha = found[0], alpha * found[1]
        reader = at.only_reader(output)
        if reader is not None and reader.op_type in ("Mul", "Div") and not reader.domain:
            found = _scaled(at, reader)
            if found is not None and found[0] == output:
                after, alpha = reader, alpha * found[1]
        if (after is None and inputs == node.inputs) or at.dtype(output) != F32:
            continue
        if after is not None:
            at.remove(after)
            at.set_outputs(node, list(after.outputs))
        at.change(node, "FusedMatMul", inputs, 1, MICROSOFT, alpha=alpha)
        changed = True
    return changed


def _scaled(at: Rewriter, node: Node) -> tuple[str, float] | None:
    """(value, number) if the node multiplies a value by a finite number, or divides it by one."""
    if node.attributes:                                     # `axis` and `broadcast` before opset 7
        return None
    is_division = node.op_type == "Div"
    for name, other in (node.inputs,) if is_division else (node.inputs, node.inputs[::-1]):
        number = at.value(other)
        if number is not None and number.size == 1 and _fits(at, number, name):
            value = float(number.reshape(-1)[0])
            if is_division:
                value = 1 / value if value else np.inf
            return (name, value) if np.isfinite(value) else None
    return None


def _fits(at: Rewriter, number: np.ndarray, name: str) -> bool:
    """Does the number leave the rank of a value as it is?"""
    if at.fits(number, name):
        return True
    fact = at.fact(name)
    return fact is not None and type(fact) is not Unranked and number.ndim <= fact.ndim
