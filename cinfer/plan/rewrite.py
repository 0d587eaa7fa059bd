"""Rewrites that need sizes, done once per plan: what exporters spell out and known shapes reveal.

Only operators of ops/ come out, so that the NumPy path understands the result.
"""
from __future__ import annotations

import numpy as np

from ..model.graph import Node
from ..ops.quantize import OWN_DOMAIN, quantize
from ..ops.registry import TensorSpec
from .activation import as_unary
from .resolve import Resolved, needed_nodes


def rewrite(resolved: Resolved) -> None:
    """Apply all rewrites, in place."""
    channel_shuffles(resolved)
    merge_quantization(resolved)
    resolved.nodes = needed_nodes(resolved.nodes, resolved.outputs)


def readers(resolved: Resolved) -> dict[str, list[Node]]:
    """Value name -> the nodes that read it."""
    users: dict[str, list[Node]] = {}
    for node in resolved.nodes:
        for name in node.inputs:
            users.setdefault(name, []).append(node)
    return users


def channel_shuffles(resolved: Resolved) -> None:
    """Reshape [n, g, c/g, h, w] -> Transpose (0, 2, 1, 3, 4) -> Reshape [n, c, h, w]   becomes   Gather of channels

    Only when nobody else sees the values between.
    """
    specs, users = resolved.specs, readers(resolved)

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


def merge_quantization(resolved: Resolved) -> None:
    """[Relu or Clip ->] QuantizeLinear -> DequantizeLinear, one or several   becomes   QuantizeDequantize

    Only of float32, to uint8 or int8, by one constant scale that both have, and when nobody else sees the integers. A
    Clip before it goes when nobody else sees its output and its limits saturate anyway.
    """
    users, makers = readers(resolved), {name: node for node in resolved.nodes for name in node.outputs}
    for i, node in enumerate(resolved.nodes):
        if node.op_type != "QuantizeLinear" or node.domain or node.outputs[0] in resolved.outputs:
            continue
        back = users.get(node.outputs[0], ())
        found = [scale_of(resolved, n) for n in (node, *back)]
        if not back or any(n.op_type != "DequantizeLinear" or n.domain for n in back) or None in found or len(set(found)) > 1:
            continue
        name, (scale, zero, dtype) = node.inputs[0], found[0]
        clip = makers.get(name)
        if clip is not None and len(users[name]) == 1 and name not in resolved.outputs \
                and (unary := as_unary(clip, resolved)) is not None and unary.op == "clip" and saturates(unary, *found[0]):
            name = clip.inputs[0]
        resolved.nodes[i] = Node("QuantizeDequantize", [name], [back[0].outputs[0]],
                                 {"scale": scale, "zero_point": zero, "dtype": dtype}, OWN_DOMAIN, name=node.name)
        for other in back:                      # the first one's output is made above
            at = resolved.nodes.index(other, i)
            same = Node("Identity", [back[0].outputs[0]], list(other.outputs), opset=13, name=other.name)
            resolved.nodes[at:at + 1] = [] if other is back[0] else [same]


def scale_of(resolved: Resolved, node: Node) -> tuple[float, int, str] | None:
    """(scale, zero point, integer type) of a QuantizeLinear or DequantizeLinear between float32 and 8 bits, of one positive
    scale; else None."""
    integers = node.outputs[0] if node.op_type == "QuantizeLinear" else node.inputs[0]
    number = node.inputs[0] if node.op_type == "QuantizeLinear" else node.outputs[0]
    dtype, scale = resolved.specs[integers].dtype.name, resolved.constant(node.inputs[1])
    has_zero = len(node.inputs) > 2 and node.inputs[2]
    zero = resolved.constant(node.inputs[2]) if has_zero else np.zeros(1, np.int8)
    if dtype not in ("uint8", "int8") or resolved.specs[number].dtype != np.float32 or scale is None or zero is None \
            or scale.dtype != np.float32 or scale.size != 1 or not scale.min() > 0 or node.attributes.get("precision", 1) not in (0, 1):
        return None
    return float(scale.reshape(-1)[0]), int(zero.reshape(-1)[0]), dtype


def saturates(clip, scale: float, zero: int, dtype: str) -> bool:
    """Whether quantisation limits its numbers at least as much as this clip does."""
    ends = quantize(np.array([clip.alpha, clip.beta], np.float32), np.float32(scale), np.asarray(zero, dtype), np.dtype(dtype))
    return ends.tolist() == [np.iinfo(dtype).min, np.iinfo(dtype).max]
