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
    if axis == 1 and indices.ndim == 1 and in_channels(node.inputs[0], values):
        def emit(out):
            x = out.blocked(node.inputs[0])
            gather_channels(out, [(x, i) for i in picked(node, axis, out)], node.outputs[0])
        return (Candidate(emit, ((node.inputs[0], BLOCKED),), BLOCKED),)
    if evenly(picked(node, axis, values)) is None:
        return ()
    single = indices.ndim == 0

    def view(x, values):
        shape, strides, flat = list(x.shape), list(x.strides), picked(node, axis, values)
        if single:
            del shape[axis], strides[axis]
        else:
            shape[axis], strides[axis] = len(flat), strides[axis] * evenly(flat)
        return (x.with_(shape, strides, flat[0] * x.strides[axis]),)
    return (Candidate(None, ((node.inputs[0], PLAIN),), view=view),)


def picked(node, axis: int, values) -> list:
    """The indices of a Gather, counted from the front. values : Values or Emitter"""
    size = values.shape(node.inputs[0])[axis]
    return [i + size if i < 0 else i for i in values.constant(node.inputs[1]).reshape(-1).tolist()]


def evenly(indices: list):
    """The step from one to the next, 1 where there is one alone; None where they are at no even distances."""
    first, *others = [b - a for a, b in zip(indices, indices[1:])] or [1]       # no set: sizes may be Symbols
    return first if all(step == first for step in others) else None


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
