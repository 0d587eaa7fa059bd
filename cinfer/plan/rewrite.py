"""Rewrites that need sizes, done once per plan: what exporters spell out and known shapes reveal.

Only standard operators come out, so that every lowering and the NumPy path understand the result.
"""
from __future__ import annotations

import numpy as np

from ..model.graph import Node
from ..ops.registry import TensorSpec
from .resolve import Resolved, needed_nodes


def rewrite(resolved: Resolved) -> None:
    """Apply all rewrites, in place."""
    channel_shuffles(resolved)
    resolved.nodes = needed_nodes(resolved.nodes, resolved.outputs)


def channel_shuffles(resolved: Resolved) -> None:
    """Reshape [n, g, c/g, h, w] -> Transpose (0, 2, 1, 3, 4) -> Reshape [n, c, h, w]   becomes   Gather of channels

    Only when nobody else sees the values between.
    """
    specs, users = resolved.specs, {}
    for node in resolved.nodes:
        for name in node.inputs:
            users.setdefault(name, []).append(node)

    def follower(node, op):
        found = users.get(node.outputs[0], ())
        return found[0] if len(found) == 1 and found[0].op_type == op and node.outputs[0] not in resolved.outputs else None

    for i, node in enumerate(resolved.nodes):
        if node.op_type != "Reshape" or (turn := follower(node, "Transpose")) is None or (back := follower(turn, "Reshape")) is None:
            continue
        x, split, y = specs[node.inputs[0]], specs[node.outputs[0]], specs[back.outputs[0]]
        if (x.ndim, split.ndim) == (4, 5) and x.shape == y.shape and split.shape[3:] == x.shape[2:] and split.shape[0] == x.shape[0] \
                and list(turn.attributes.get("perm", ())) == [0, 2, 1, 3, 4]:
            order = np.arange(x.shape[1]).reshape(split.shape[1:3]).T.reshape(-1)
            name = f"{back.outputs[0]}/channels"
            specs[name] = TensorSpec(order.dtype, order.shape, order)
            at = resolved.nodes.index(back, i)
            resolved.nodes[at] = Node("Gather", [node.inputs[0], name], list(back.outputs), {"axis": 1}, opset=13, name=back.name)
