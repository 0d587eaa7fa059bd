"""Attention that is spelled out becomes one operator, whose scores are never in memory as a whole."""
from __future__ import annotations

from ..model.graph import Graph, Node
from ..ops.families import MICROSOFT, OWN_DOMAIN
from ..ops.numeric import F32
from .pattern import Rewriter, rewrite

MOST_AXES = 4                   # of heads and batch there may be two (plan/kernels/attention.py)


@rewrite
def fuse_attention(graph: Graph, at: Rewriter) -> bool:
    """MatMul or FusedMatMul(q, k) [-> Add mask] -> Softmax over the last axis -> MatMul with v
    becomes   FusedAttention(q, k, v, mask)

    Guards: of float32; the rank is known, q, k, v and the mask have at most as many axes, 4 at most; k and v
    are no constants, which would be packed once; nobody else sees the scores.
    """
    changed = False
    for node in at.of("MatMul"):
        softmax = at.maker(node.inputs[0], "Softmax")
        if softmax is None or at.only_reader(softmax.outputs[0]) is not node:
            continue
        rank, scores = at.rank(node.outputs[0]), softmax.inputs[0]
        axis = softmax.attributes.get("axis", -1 if softmax.opset >= 13 else 1)
        if rank not in range(2, MOST_AXES + 1) or axis not in (-1, rank - 1):
            continue
        found = _scores(at, scores, rank)
        if found is None or at.dtype(node.outputs[0]) != F32:
            continue
        (q, k, *mask), alpha = found
        v = node.inputs[1]
        if at.rank(q) != rank or any(at.array(name) is not None for name in (k, v)) \
                or any(at.rank(name) not in range(2, rank + 1) for name in (k, v)):
            continue
        at.change(node, "FusedAttention", [q, k, v, *mask], 1, OWN_DOMAIN, alpha=alpha)
        changed = True
    return changed


def _scores(at: Rewriter, name: str, rank: int) -> tuple[list[str], float] | None:
    """The value as alpha * q k [+ mask]: ([q, k] or [q, k, mask], alpha)."""
    if not at.only_reader(name):
        return None
    product, mask = _product(at, name), []
    add = at.maker(name, "Add")
    if product is None and add is not None and not add.attributes:
        for product_name, other in (add.inputs, add.inputs[::-1]):
            product = _product(at, product_name) if at.only_reader(product_name) else None
            if product is not None:
                if at.rank(other) not in range(rank + 1):
                    return None
                mask = [other]
                break
    if product is None:
        return None
    return [*product.inputs, *mask], product.attributes.get("alpha", 1.0)


def _product(at: Rewriter, name: str) -> Node | None:
    """The MatMul that makes a value; or a FusedMatMul of inputs as they are, others have been rewritten."""
    node = at.makers.get(name)
    if node is not None and ((node.op_type == "MatMul" and not node.domain)
                             or (node.op_type == "FusedMatMul" and node.domain == MICROSOFT
                                 and not node.attributes.keys() - {"alpha"})):
        return node
    return None
