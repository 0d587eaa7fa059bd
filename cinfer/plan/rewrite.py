"""Rewrites that need sizes, done once per plan: what exporters spell out and known shapes reveal.

Only operators of ops/ come out, so that the NumPy path understands the result.
"""
from __future__ import annotations

import numpy as np

from ..model.graph import Node
from ..ops.microsoft import DOMAIN as MICROSOFT_DOMAIN
from ..ops.numeric import F32
from ..ops.quantize import OWN_DOMAIN, quantize
from ..ops.facts import Fact
from .kernels.activations import clip as clip_limits, relu as relu_limits
from .bind import Bound as Resolved, needed


def rewrite(resolved: Resolved) -> None:
    """Apply all rewrites, in place."""
    channel_shuffles(resolved)
    merge_quantization(resolved)
    fold_scales(resolved)
    resolved.nodes = needed(resolved.nodes, resolved.outputs)


def readers(resolved: Resolved) -> dict[str, list[Node]]:
    """Value name -> the nodes that read it."""
    users: dict[str, list[Node]] = {}
    for node in resolved.nodes:
        for name in filter(None, node.inputs):
            users.setdefault(name, []).append(node)
    return users


def channel_shuffles(resolved: Resolved) -> None:
    """Reshape [n, g, c/g, h, w] -> Transpose (0, 2, 1, 3, 4) -> Reshape [n, c, h, w]   becomes   Gather

    Only when nobody else sees the values between.
    """
    specs, users = resolved.specs, readers(resolved)

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
            specs[name] = Fact.of(order)
            at = resolved.nodes.index(back, i)
            resolved.nodes[at] = Node("Gather", [node.inputs[0], name], list(back.outputs), {"axis": 1},
                                      opset=13, name=back.name)


def merge_quantization(resolved: Resolved) -> None:
    """[Relu or Clip ->] QuantizeLinear -> DequantizeLinear, one or several   becomes   QuantizeDequantize

    Only of float32, to uint8 or int8, by one constant scale that both have, and when nobody else sees the
    integers. A Clip before it goes when nobody else sees its output and its limits saturate anyway.
    """
    users = readers(resolved)
    makers = {name: node for node in resolved.nodes for name in node.outputs}
    for i, node in enumerate(resolved.nodes):
        back = users.get(node.outputs[0]) if is_standard(node, "QuantizeLinear") else None
        if not back or node.outputs[0] in resolved.outputs \
                or not all(is_standard(n, "DequantizeLinear") for n in back):
            continue
        found = {scale_of(resolved, n) for n in (node, *back)}
        if len(found) > 1 or None in found:
            continue
        name, (scale, zero, dtype) = node.inputs[0], found.pop()
        clip = makers.get(name)
        if clip is not None and len(users[name]) == 1 and name not in resolved.outputs:
            unary = as_limits(clip, resolved)
            if unary is not None and saturates(unary, scale, zero, dtype):
                name = clip.inputs[0]
        attributes = {"scale": scale, "zero_point": zero, "dtype": dtype}
        resolved.nodes[i] = Node("QuantizeDequantize", [name], [back[0].outputs[0]], attributes, OWN_DOMAIN,
                                 name=node.name)
        for other in back:                      # the first one's output is made above
            at = resolved.nodes.index(other, i)
            same = Node("Identity", [back[0].outputs[0]], list(other.outputs), opset=13, name=other.name)
            resolved.nodes[at:at + 1] = [] if other is back[0] else [same]


def fold_scales(resolved: Resolved) -> None:
    """Mul or Div by one number before a MatMul, or after it   becomes   FusedMatMul, its alpha

    Only of float32, when nobody else sees the value between, and the number does not change its shape.
    """
    users = readers(resolved)
    makers = {name: node for node in resolved.nodes for name in node.outputs}
    for i, node in enumerate(resolved.nodes):
        if not is_standard(node, "MatMul") or resolved.spec(node.outputs[0]).dtype != F32:
            continue
        alpha, inputs, output = 1.0, list(node.inputs), node.outputs[0]
        for j, name in enumerate(inputs):
            found = scaled_by(resolved, makers.get(name))
            if found is not None and len(users[name]) == 1 and name not in resolved.outputs:
                inputs[j], alpha = found[0], alpha * found[1]
        after = users.get(output, ())
        if len(after) == 1 and output not in resolved.outputs:
            found = scaled_by(resolved, after[0])
            if found is not None and found[0] == output:
                output, alpha = after[0].outputs[0], alpha * found[1]
        if (inputs, output) != (list(node.inputs), node.outputs[0]):
            if output != node.outputs[0]:
                resolved.nodes.remove(after[0])
            made = Node("FusedMatMul", inputs, [output], {"alpha": alpha}, MICROSOFT_DOMAIN, name=node.name)
            resolved.nodes[i] = makers[output] = made


def scaled_by(resolved: Resolved, node: Node | None) -> tuple[str, float] | None:
    """(value, number) if the node multiplies a value by a finite number, or divides it by one."""
    if node is None or not (is_standard(node, "Mul") or is_standard(node, "Div")):
        return None
    is_division = node.op_type == "Div"
    for name, other in (node.inputs,) if is_division else (node.inputs, node.inputs[::-1]):
        number = resolved.constant(other)
        if number is not None and number.size == 1 \
                and resolved.spec(name).shape == resolved.spec(node.outputs[0]).shape:
            value = float(number.reshape(-1)[0])
            if is_division:
                value = 1 / value if value else np.inf
            return (name, value) if np.isfinite(value) else None
    return None


def is_standard(node: Node, op_type: str) -> bool:
    return node.op_type == op_type and not node.domain


def scale_of(resolved: Resolved, node: Node) -> tuple[float, int, str] | None:
    """(scale, zero point, integer type) of a QuantizeLinear or DequantizeLinear between float32 and 8 bits,
    of one positive scale; else None."""
    ends = resolved.spec(node.inputs[0]), resolved.spec(node.outputs[0])
    number, integer = ends if node.op_type == "QuantizeLinear" else ends[::-1]
    scale = resolved.constant(node.inputs[1])
    has_zero = len(node.inputs) > 2 and node.inputs[2]
    zero = resolved.constant(node.inputs[2]) if has_zero else np.zeros(1, np.int8)
    if integer.dtype.name not in ("uint8", "int8") or scale is None or zero is None or scale.size != 1 \
            or {number.dtype, scale.dtype} != {F32} or not scale.min() > 0 \
            or node.attributes.get("precision", 1) not in (0, 1):
        return None
    return float(scale.reshape(-1)[0]), int(zero.reshape(-1)[0]), integer.dtype.name


def saturates(clip, scale: float, zero: int, dtype: str) -> bool:
    """Whether quantisation limits its numbers at least as much as this clip does."""
    ends = quantize(np.array([clip.alpha, clip.beta], F32), np.asarray(scale, F32), np.asarray(zero, dtype),
                    np.dtype(dtype))
    return ends.tolist() == [np.iinfo(dtype).min, np.iinfo(dtype).max]


def as_limits(node, resolved):
    rule = {"Clip": clip_limits, "Relu": relu_limits}.get(node.op_type) if not node.domain else None
    return rule(node, resolved) if rule else None
