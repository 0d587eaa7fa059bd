"""BatchNormalization -> `scale_shift`; InstanceNormalization, GroupNormalization -> `group_norm`;
LayerNormalization, RMSNormalization -> `layer_norm`."""
from __future__ import annotations

from math import prod

import numpy as np

from ..candidate import BLOCKED, CONTIGUOUS, FOLLOWS, PLAIN, UNARY, Candidate, kernel
from ..epilogue import activation_params
from ..store import channel_vector
from ..views import BLOCK, F32, collapse
from .elementwise import blocked_axes, broadcasts, by_rows, follows
from .window import is_picture


@kernel("BatchNormalization", attributes="epsilon momentum", reading=FOLLOWS, takes=(UNARY,))
def batch_norm(group, values):
    """y = act(x * s + t): https://onnx.ai/onnx/operators/onnx__BatchNormalization.html, inference form."""
    node, x = group.node, values.fact(group.node.inputs[0])
    if x.dtype != F32 or x.ndim < 2 or prod(x.shape) == 0 or any(node.outputs[1:]):
        return ()
    if any(values.constant(name) is None for name in node.inputs[1:5]):
        return ()
    if follows(node, values):
        return (Candidate(lambda out: emit_batch_norm(out, group, True),
                          ((node.inputs[0], BLOCKED),), BLOCKED),)
    view = values.plain(node.inputs[0])
    if x.ndim > 6 and collapse(
            x.shape, view.strides, channel_axis(x), values.plain(group.output).strides) is None:
        return ()
    return (Candidate(lambda out: emit_batch_norm(out, group, False), ((node.inputs[0], PLAIN),)),)


def channel_axis(x) -> list[int]:
    """Strides of a vector of channels over the axes of a plain value."""
    return [0, 1] + [0] * (len(x.shape) - 2)


def emit_batch_norm(out, group, in_blocks: bool) -> None:
    node = group.node
    constants = tuple(map(out.constant, node.inputs[1:5]))
    s, t = out.store.once(("scale_shift", node), constants, lambda: scale_shift(node, *constants))
    if in_blocks:
        x, y = out.blocked(node.inputs[0]), out.output(group.output)
        dims, xs = blocked_axes(x, x.shape)
        dims, xs, ys, vs = by_rows(out, dims, xs, blocked_axes(y, x.shape)[1], [0, 0, BLOCK, 0, 0, 1])
    else:
        x, y = out.plain(node.inputs[0]), out.plain(group.output)
        dims, xs, ys, vs = x.shape, x.strides, y.strides, channel_axis(x)
    dims, (xs, vs, ys), outer, tiles = out.tiles.walk(tuple(dims), tuple(xs), tuple(vs), tuple(ys))
    out.step("scale_shift", tiles, dict(
        x=x.ref(), s=s, t=t, y=y.ref(), dims=dims, xs=xs, ss=vs, ts=vs, ys=ys, outer=outer,
        **activation_params(out, group.epilogue)))


def scale_shift(node, *constants):
    scale, bias, mean, var = (value.astype(np.float64) for value in constants)
    with np.errstate(all="ignore"):             # a negative variance is not refused: its channel is NaN
        s = scale / np.sqrt(var + node.attributes.get("epsilon", 1e-5))
        return channel_vector(s), channel_vector(bias - mean * s)


@kernel("InstanceNormalization", "GroupNormalization", attributes="epsilon num_groups", reading=BLOCKED,
        takes=(UNARY,))
def group_norm(group, values):
    node = group.node
    if not is_picture(node, values, axes=3) \
            or any(values.constant(name) is None for name in node.inputs[1:3]):
        return ()
    return (Candidate(lambda out: emit_group_norm(out, group), ((node.inputs[0], BLOCKED),), BLOCKED),)


def emit_group_norm(out, group) -> None:
    node = group.node
    x, y = out.blocked(node.inputs[0]), out.output(group.output)
    c = out.constant(node.inputs[1]).size           # scales, one for each group before opset 21
    groups = node.attributes.get("num_groups", c)
    sizes = dict(n=x.n, cb=x.blocks, h=x.h, w=x.w, xn=x.ns, xb=x.bs, xr=x.rs)
    each, tiles = int(x.c) // groups, x.n * x.blocks
    mean = var = None
    if BLOCK % each or x.d != 1:
        found = out.scratch((2, x.n, x.blocks * BLOCK))
        mean, var = found.ref(), found.ref(found.strides[0])
        out.step("channel_moments", tiles, dict(x=x.ref(), mean=mean, var=var, **sizes))
    out.step("group_norm", tiles, dict(
        x=x.ref(), scale=each_channel(out, node.inputs[1], x.c), bias=each_channel(out, node.inputs[2], x.c),
        mean=mean, var=var, y=y.ref(), c=x.c, d=x.d, each=each, yn=y.ns, yb=y.bs, yr=y.rs,
        eps=node.attributes.get("epsilon", 1e-5), **sizes, **activation_params(out, group.epilogue)))


def each_channel(out, name: str, c: int):
    """A constant of a number for each channel, or for each of some groups of them."""
    value = out.constant(name)
    if value.size == c:
        return out.vector(name)
    return out.store.once(("channels of", name, c), value,
                          lambda: channel_vector(value.repeat(c // value.size)))


@kernel("LayerNormalization", "RMSNormalization", attributes="axis epsilon stash_type")
def layer_norm(group, values):
    node, get = group.node, group.node.attributes.get
    x = values.fact(node.inputs[0])
    has_bias = len(node.inputs) > 2 and bool(node.inputs[2])
    scale, bias = values.constant(node.inputs[1]), values.constant(node.inputs[2]) if has_bias else None
    if x.dtype != F32 or values.fact(node.outputs[0]).dtype != F32 or scale is None \
            or (has_bias and bias is None) or prod(x.shape) == 0 or any(node.outputs[1:]) \
            or get("stash_type", 1) != 1:
        return ()
    axis = get("axis", -1) % x.ndim
    if not all(broadcasts(v.shape, x.shape[axis:]) for v in (scale, bias) if v is not None):
        return ()                               # a scale that is another one in each row

    def vector(out, name, value, shape):
        return out.store.once(("rows of", name, shape), value,
                              lambda: channel_vector(np.broadcast_to(value, shape)))

    def emit(out):
        source, y = out.contiguous(node.inputs[0]), out.plain(node.outputs[0])
        row = source.shape[axis:]
        rows, cols = prod(source.shape[:axis]), prod(row)
        chunk, tiles = out.tiles.sums(rows, cols)
        shift = vector(out, node.inputs[2], bias, row) if has_bias else out.store.zeros(cols)
        out.step("layer_norm", tiles, dict(
            x=source.ref(), scale=vector(out, node.inputs[1], scale, row), bias=shift, y=y.ref(), rows=rows,
            cols=cols, xr=cols, yr=cols, eps=get("epsilon", 1e-5), raw=node.op_type == "RMSNormalization",
            chunk=chunk, **out.ranged(node.outputs[0], tiles)))
    return (Candidate(emit, ((node.inputs[0], CONTIGUOUS),)),)
