"""The channel shuffle."""
from __future__ import annotations

import numpy as np

from ..model.graph import Graph, Node
from ..ops.facts import Unranked
from ..ops.symbols import same
from .pattern import Rewriter, rewrite


@rewrite
def recognise_channel_shuffle(graph: Graph, at: Rewriter) -> bool:
    """x [n, c, h, w] -> Reshape [n, g, c/g, h, w] -> Transpose (0, 2, 1, 3, 4) -> Reshape [n, c, h, w]
    becomes   Gather of the channels

    Guards: nobody else sees the values between; the shapes are these for all sizes of at least 1. Where a
    size is 0, so that the Reshapes refuse it or make nothing of nothing, the Gather makes nothing too.
    """
    changed = False
    for split in at.of("Reshape"):
        turn = _follower(at, split, "Transpose")
        back = turn and _follower(at, turn, "Reshape")
        if back is not None and list(turn.attributes.get("perm", ())) == [0, 2, 1, 3, 4]:
            order = _order(at, split.inputs[0], split.outputs[0], back.outputs[0])
            if order is not None:
                channels = at.constant(order, f"{back.outputs[0]}/channels")
                at.change(back, "Gather", [split.inputs[0], channels], 13, axis=1)
                changed = True
    return changed


def _follower(at: Rewriter, node: Node, op_type: str) -> Node | None:
    reader = at.only_reader(node.outputs[0])
    return reader if reader is not None and reader.op_type == op_type and not reader.domain \
        and reader.inputs[0] == node.outputs[0] else None


def _order(at: Rewriter, x: str, split: str, y: str) -> np.ndarray | None:
    """Where each channel comes from."""
    facts = [at.fact(name) for name in (x, split, y)]
    if any(fact is None or type(fact) is Unranked for fact in facts) or [f.ndim for f in facts] != [4, 5, 4]:
        return None
    x, split, y = (fact.shape for fact in facts)
    if set(map(type, split[1:3])) != {int} or not same(x, y) \
            or not same((x[0], *x[2:]), (split[0], *split[3:])):
        return None
    return np.arange(split[1] * split[2]).reshape(split[1:3]).T.reshape(-1)
