"""Rewrites that need sizes, done once per plan: what exporters spell out and known shapes reveal.

Only standard operators come out, so that every lowering and the NumPy path understand the result.
"""
from __future__ import annotations

import numpy as np

from ..model.graph import Node
from ..ops.registry import TensorSpec
from .resolve import Resolved, needed


def rewrite(resolved: Resolved) -> None:
    """Apply all rewrites, in place."""
    channel_shuffles(resolved)
    resolved.nodes = needed(resolved.nodes, resolved.outputs)


def channel_shuffles(resolved: Resolved) -> None:
    """Reshape [n, g, c/g, h, w] -> Transpose (0, 2, 1, 3, 4) -> Reshape [n, c, h, w]   becomes   Gather

    Only when nobody else sees the values between.
    """
    specs, users = resolved.specs, {}
    for node in resolved.nodes:
        for name in node.inputs:
            users.setdefault(name, []).append(node)

    def follower(node, op):
        found = users.get(node.outputs[0], ()) if node else ()
        alone = len(found) == 1 and node.outputs[0] not in resolved.outputs
        return found[0] if alone and found[0].op_type == op else None

    for i, node in enumerate(resolved.nodes):
        turn = follower(node, "Transpose") if node.op_type == "Reshape" else None
        back = follower(turn, "Reshape")
        if back is None or list(turn.attributes.get("perm", ())) != [0, 2, 1, 3, 4]:
            continue
        x, split, y = (specs[name].shape for name in (node.inputs[0], node.outputs[0], back.outputs[0]))
        if len(x) == 4 and x == y and (split[:1], split[3:]) == (x[:1], x[2:]):
            order = np.arange(x[1]).reshape(split[1:3]).T.reshape(-1)
            name = f"{back.outputs[0]}/channels"
            specs[name] = TensorSpec.of(order)
            at = resolved.nodes.index(back, i)
            resolved.nodes[at] = Node("Gather", [node.inputs[0], name], list(back.outputs), {"axis": 1},
                                      opset=13, name=back.name)
