"""Gather of known indices -> views, or channels moved between lanes; TopK -> `top`."""
from __future__ import annotations

from math import prod

import numpy as np

from ..candidate import BLOCKED, PLAIN, Candidate, kernel
from ..views import row_major
from .movement import gather_channels, in_channels
from .reduce import is_ordered, others


@kernel("Gather", attributes="axis", reading=BLOCKED)
def gather(group, values):
    """Of one index, or of evenly spaced ones, a view; of channels, lane moves."""
    node = group.node
    x, indices = values.fact(node.inputs[0]), values.constant(node.inputs[1])
    if indices is None or indices.size == 0 or indices.ndim > 1:
        return ()
    axis = node.attributes.get("axis", 0) % x.ndim
    raw = indices.reshape(-1)
    indices = np.where(indices < 0, indices + x.shape[axis], indices)
    if axis == 1 and indices.ndim == 1 and in_channels(node.inputs[0], values):
        def emit(out):
            x = out.blocked(node.inputs[0])
            gather_channels(out, [(x, int(i)) for i in indices], node.outputs[0])
        return (Candidate(emit, ((node.inputs[0], BLOCKED),), BLOCKED),)
    flat = indices.reshape(-1)
    first, step = flat[0], int(flat[1] - flat[0]) if flat.size > 1 else 1
    if flat.size > 1 and not np.array_equal(flat, first + step * np.arange(flat.size)):
        return ()

    def view(x, values):
        shape, strides, first = list(x.shape), list(x.strides), int(raw[0]) % x.shape[axis]
        if indices.ndim == 0:
            del shape[axis], strides[axis]
        else:
            shape[axis], strides[axis] = flat.size, strides[axis] * step
        return (x.with_(shape, strides, first * x.strides[axis]),)
    return (Candidate(None, ((node.inputs[0], PLAIN),), view=view),)


@kernel("TopK", attributes="axis largest sorted k")
def top(group, values):
    node, get = group.node, group.node.attributes.get
    x = values.fact(node.inputs[0])
    if not is_ordered(x):
        return ()
    axis = get("axis", -1) % x.ndim
    first = next(filter(None, node.outputs))

    def walked(x, shape):
        return others(x, axis, [s for a, s in enumerate(row_major(shape)) if a != axis])
    if prod(values.shape(first)) == 0 or walked(values.plain(node.inputs[0]), values.shape(first)) is None:
        return ()

    def emit(out):
        x, shape = out.plain(node.inputs[0]), out.shape(first)
        dims, xs, to = walked(x, shape)
        names, kinds = [*node.outputs, ""][:2], (x.dtype, np.dtype(np.int64))
        v, i = (out.plain(name) if name else out.scratch(shape, kind) for name, kind in zip(names, kinds))
        outer, tiles = out.tiles.sums(prod(dims), x.shape[axis])
        out.step("top", tiles, dict(
            x=x.ref(), v=v.ref(), i=i.ref(), dims=dims, xs=xs, ys=to, n=x.shape[axis],
            rs=x.strides[axis], k=shape[axis], ks=row_major(shape)[axis],
            element=out.table.elements[x.dtype.name], smallest=not get("largest", 1), outer=outer),
            scratch=8 * shape[axis])
    return (Candidate(emit, ((node.inputs[0], PLAIN),)),)
