"""Unary and binary operators, in whichever layout their operands are -> steps `map`, `zip`, `scale_shift`."""
from __future__ import annotations

from math import prod

import numpy as np

from .activation import RULES as UNARY, as_unary
from .epilogue import activation_params, epilogue
from .planner import Planner, Rule
from .steps import F32, SMALL, Declined, spread
from .views import BLOCK, Blocked, broadcast_strides, collapse, nchw

BINARY = {"Add": "add", "Sub": "sub", "Mul": "mul", "Div": "div", "Min": "min", "Max": "max", "Pow": "pow",
          "PRelu": "prelu", "Sum": "add"}


def follows(p: Planner, node) -> bool:
    """Blocked where an operand of the output's own shape is."""
    y = p.spec(node.outputs[0])
    if y.dtype != F32 or y.ndim not in (3, 4) or 0 in y.shape:
        return False
    return any(p.is_blocked.get(name) and p.spec(name).shape == y.shape for name in node.inputs if name)


def blocked_axes(view: Blocked, shape) -> tuple[list[int], list[int]]:
    """(dims, strides) of a blocked view over the axes (n, block, row, pixel, lane) of the output's shape.

    Broadcast axes step 0.
    """
    n, c, h, w = nchw(shape)
    dims = [n, -(-c // BLOCK), h, w, BLOCK]
    have = [view.n, view.blocks, view.h, view.w, BLOCK]
    strides = [view.ns, view.bs, view.rs, BLOCK, 1]
    return dims, [s if d == e else 0 for s, d, e in zip(strides, have, dims)]


def by_rows(p: Planner, dims, *strides):
    """dims and strides with rows before blocks where threads divide the rows: each stays in its own."""
    if p.threads == 1 or prod(dims) < 2 * SMALL or not p.share_rows(*dims[2:4]):
        return dims, *strides
    return tuple([v[0], v[2], v[1], *v[3:]] for v in (dims, *strides))


def operand(p: Planner, name: str, shape):
    """(Ref, strides over blocked_axes) of any operand of a blocked operation."""
    spec = p.spec(name)
    full = (1,) * (len(shape) - spec.ndim) + tuple(spec.shape)
    n, c, h, w = nchw(full)
    if c > 1:
        if spec.ndim != len(shape):
            value = p.constant(name)
            if value is None:
                view = p.plain(name).reshaped(full)
                if h * w == 1 and view is not None and (alias := p.vector_alias(view)) is not None:
                    return alias.ref(), blocked_axes(alias, shape)[1]
                raise Declined
            view = p.blocked_constant(value.reshape(full))
        else:
            view = p.blocked(name)
        return view.ref(), blocked_axes(view, shape)[1]
    view = p.plain(name).reshaped(full)
    if view is None:
        view = p.plain(name, contiguous=True).reshaped(full)
    s = view.strides if len(full) == 4 else (view.strides[0], view.strides[1], 0, view.strides[2])
    return view.ref(), [s[0] if n > 1 else 0, 0, s[2] if h > 1 else 0, s[3] if w > 1 else 0, 0]


def lower_unary(p: Planner, node) -> None:
    unary = as_unary(node, p)
    x, y = p.spec(node.inputs[0]), p.spec(node.outputs[0])
    if unary is None or x.dtype != F32 or y.dtype != F32 or prod(x.shape) == 0:
        raise Declined
    if p.is_blocked[node.outputs[0]]:
        source, target = p.blocked(node.inputs[0]), p.new_blocked(node.outputs[0])
        (dims, xs), (_, ys) = blocked_axes(source, y.shape), blocked_axes(target, y.shape)
        if unary.slope is not None:
            dims, xs, ss, ys = by_rows(p, dims, xs, [0, BLOCK, 0, 0, 1], ys)
            slope = p.channel_vector(unary.slope), ss
            return emit_zip(p, dims, (source.ref(), xs), slope, (target.ref(), ys), "prelu")
        dims, xs, ys = by_rows(p, dims, xs, ys)
        return apply(p, unary, dims, source, xs, target, ys)
    if unary.slope is not None:
        return lower_binary(p, node)
    source = p.plain(node.inputs[0])
    target = p.new_plain(node.outputs[0])
    apply(p, unary, y.shape, source, source.strides, target, target.strides)


def apply(p: Planner, unary, dims, x, xs, y, ys) -> None:
    p.map(dims, x.ref(), xs, y.ref(), ys, op=unary.op, alpha=unary.alpha, beta=unary.beta)


def emit_zip(p: Planner, dims, a, b, y, op, e=None) -> None:
    """y = act(a op b); each operand (Ref, strides over dims)."""
    packed = collapse(dims, a[1], b[1], y[1])
    if packed is None:
        raise Declined
    dims, strides = packed
    dims, (xs, bs, ys) = spread(dims, *strides)
    outer, tiles = p.outer_split(dims)
    act = activation_params(p, e) if e else {}
    p.emit("zip", tiles, a=a[0], b=b[0], y=y[0], dims=dims, bs=bs, ys=ys, op=p.table.binary[op], outer=outer,
           **{"as": xs}, **act)


def lower_binary(p: Planner, node) -> None:
    y = p.spec(node.outputs[0])
    if len(node.inputs) != 2 or y.dtype != F32 or any(p.spec(n).dtype != F32 for n in node.inputs):
        raise Declined
    if prod(y.shape) == 0 or "axis" in node.attributes or y.ndim > 6:
        raise Declined
    op = BINARY[node.op_type]
    if p.is_blocked[node.outputs[0]]:
        (a, a_strides), (b, b_strides) = (operand(p, name, y.shape) for name in node.inputs)
        e = epilogue(p, node.outputs[0], slope=False)
        target = p.new_blocked(e.name)
        dims, *strides = by_rows(p, *blocked_axes(target, y.shape), a_strides, b_strides)
        return emit_zip(p, dims, (a, strides[1]), (b, strides[2]), (target.ref(), strides[0]), op, e)
    a, b = (p.plain(name) for name in node.inputs)
    operands = [(v.ref(), broadcast_strides(v, y.shape)) for v in (a, b)]
    e = epilogue(p, node.outputs[0], slope=False)
    target = p.new_plain(e.name)
    emit_zip(p, y.shape, *operands, (target.ref(), target.strides), op, e)


def lower_batch_norm(p: Planner, node) -> None:
    """y = act(x * s + t): https://onnx.ai/onnx/operators/onnx__BatchNormalization.html, inference form."""
    x = p.spec(node.inputs[0])
    values = [p.constant(name) for name in node.inputs[1:5]]
    if x.dtype != F32 or x.ndim < 2 or prod(x.shape) == 0 or any(node.outputs[1:]):
        raise Declined
    if any(v is None for v in values):
        raise Declined
    scale, bias, mean, var = (v.astype(np.float64) for v in values)
    s = scale / np.sqrt(var + node.attributes.get("epsilon", 1e-5))
    t = bias - mean * s
    blocked = p.is_blocked[node.outputs[0]]
    if not blocked and p.is_blocked.get(node.inputs[0]):
        raise Declined
    e = epilogue(p, node.outputs[0], slope=False)
    if blocked:
        source, target = p.blocked(node.inputs[0]), p.new_blocked(e.name)
        dims, xs = blocked_axes(source, x.shape)
        dims, xs, ys, vs = by_rows(p, dims, xs, blocked_axes(target, x.shape)[1], [0, BLOCK, 0, 0, 1])
    else:
        source, target = p.plain(node.inputs[0]), p.new_plain(e.name)
        dims, xs, ys, vs = x.shape, source.strides, target.strides, [0, 1] + [0] * (x.ndim - 2)
    packed = collapse(dims, xs, vs, ys)
    if packed is None:
        raise Declined
    dims, (xs, vs, ys) = packed
    outer, tiles = p.outer_split(dims)
    p.emit("scale_shift", tiles, x=source.ref(), s=p.channel_vector(s), t=p.channel_vector(t), y=target.ref(),
           dims=dims, xs=xs, ss=vs, ts=vs, ys=ys, outer=outer, **activation_params(p, e))


def lower_prelu(p: Planner, node) -> None:
    (lower_unary if as_unary(node, p) else lower_binary)(p, node)


RULES = {name: Rule(lower_unary, follows) for name in UNARY if name != "Identity"}
RULES |= {name: Rule(lower_binary, follows) for name in BINARY if name != "PRelu"}
RULES["PRelu"] = Rule(lower_prelu, follows)
RULES["BatchNormalization"] = Rule(lower_batch_norm, follows)
