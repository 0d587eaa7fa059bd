"""Operators along an axis of plain values: Softmax, LayerNormalization, reductions."""
from __future__ import annotations

from math import prod

import numpy as np

from .lower_picture import global_pool
from .planner import Planner, Rule
from .steps import F32, Declined
from .views import collapse

REDUCTIONS = {"ReduceSum": 0, "ReduceMean": 1, "ReduceMax": 2, "ReduceMin": 3}


def rows_per_tile(p: Planner, rows: int, row_elements: int) -> tuple[int, int]:
    tiles = max(1, min(rows, p.tiles_wanted(), rows * row_elements // (1 << 12)))
    per = -(-rows // tiles)
    return per, -(-rows // per)


def split_plane(p: Planner, rows: int, columns: int, terms: int) -> tuple[int, int, int]:
    """(rows per tile, columns per tile, tiles) of results that each take `terms` elements: along the rows,
    and where these are few, along the columns too, in steps of whole cache lines."""
    per, tiles = rows_per_tile(p, rows, columns * terms)
    more = max(1, min(-(-p.tiles_wanted() // tiles), per * columns * terms // (1 << 12)))
    wide = columns if more == 1 else -(-columns // more // 16) * 16
    return per, wide, tiles * -(-columns // wide)


def lower_softmax(p: Planner, node) -> None:
    x = p.spec(node.inputs[0])
    if x.dtype != F32 or prod(x.shape) == 0 or x.ndim == 0:
        raise Declined
    axis = node.attributes.get("axis", -1 if node.opset >= 13 else 1) % x.ndim
    outer, n, inner = prod(x.shape[:axis]), x.shape[axis], prod(x.shape[axis + 1:])
    if node.opset < 13:
        n, inner = n * inner, 1
    source = p.plain(node.inputs[0], contiguous=True)
    y = p.new_plain(node.outputs[0])
    rows, columns, tiles = split_plane(p, outer, inner, n)
    p.emit("softmax", tiles, x=source.ref(), y=y.ref(), outer=outer, n=n, inner=inner, xo=n * inner, xs=inner,
           yo=n * inner, ys=inner, log=node.op_type == "LogSoftmax", scale=1.0, rows=rows, columns=columns)


def lower_layer_norm(p: Planner, node) -> None:
    x, get = p.spec(node.inputs[0]), node.attributes.get
    axis = get("axis", -1) % x.ndim
    scale, has_bias = p.constant(node.inputs[1]), len(node.inputs) > 2 and bool(node.inputs[2])
    bias = p.constant(node.inputs[2]) if has_bias else np.zeros(1, np.float32)
    if x.dtype != F32 or scale is None or bias is None or prod(x.shape) == 0 or any(node.outputs[1:]):
        raise Declined
    rows, cols = prod(x.shape[:axis]), prod(x.shape[axis:])
    scale, bias = (p.channel_vector(np.broadcast_to(v, x.shape[axis:])) for v in (scale, bias))
    source = p.plain(node.inputs[0], contiguous=True)
    y = p.new_plain(node.outputs[0])
    chunk, tiles = rows_per_tile(p, rows, cols)
    p.emit("layer_norm", tiles, x=source.ref(), scale=scale, bias=bias, y=y.ref(), rows=rows, cols=cols,
           xr=cols, yr=cols, eps=get("epsilon", 1e-5), chunk=chunk)


def reduced_axes(p: Planner, node):
    """The axes a reduction reduces, or None when they are known only during the run."""
    x = p.spec(node.inputs[0])
    axes = node.attributes.get("axes")
    if len(node.inputs) > 1 and node.inputs[1]:
        value = p.constant(node.inputs[1])
        if value is None:
            return None
        axes = value.tolist()
    if not axes:
        return () if node.attributes.get("noop_with_empty_axes", 0) else tuple(range(x.ndim))
    return tuple(sorted(a % x.ndim for a in axes))


def over_picture(p: Planner, node) -> bool:
    """Whether a ReduceMean or ReduceMax takes each picture of a blocked value together and keeps its axes."""
    x = p.spec(node.inputs[0])
    return (node.op_type in ("ReduceMean", "ReduceMax") and bool(p.is_blocked.get(node.inputs[0]))
            and x.dtype == F32 and x.ndim in (3, 4) and 0 not in x.shape
            and reduced_axes(p, node) == tuple(range(2, x.ndim)))


def lower_reduce(p: Planner, node) -> None:
    x, axes = p.spec(node.inputs[0]), reduced_axes(p, node)
    if axes is None or x.dtype != F32 or prod(x.shape) == 0 or not axes:
        raise Declined
    if over_picture(p, node):
        return global_pool(p, node, int(node.op_type == "ReduceMean"))
    source = p.plain(node.inputs[0])
    kept = [a for a in range(x.ndim) if a not in axes]
    y_strides, step = {}, 1
    for a in reversed(kept):
        y_strides[a] = step
        step *= x.shape[a]
    dims, xs = x.shape, source.strides
    kept_axes = collapse([dims[a] for a in kept], [xs[a] for a in kept], [y_strides[a] for a in kept], most=4)
    reduced = collapse([dims[a] for a in axes], [xs[a] for a in axes], most=4)
    if kept_axes is None or reduced is None:
        raise Declined
    dims, (xs, ys) = kept_axes
    rdims, (rs,) = reduced
    y = p.new_plain(node.outputs[0])
    outer, tiles = p.outer_split(dims)
    p.emit("reduce", tiles, x=source.ref(), y=y.ref(), dims=dims, xs=xs, ys=ys, rdims=rdims, rs=rs,
           op=REDUCTIONS[node.op_type], outer=outer)


RULES = {"Softmax": Rule(lower_softmax), "LogSoftmax": Rule(lower_softmax),
         "LayerNormalization": Rule(lower_layer_norm)}
RULES |= {name: Rule(lower_reduce, over_picture) for name in REDUCTIONS}
