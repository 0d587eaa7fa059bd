"""ArgMax, ArgMin -> `extreme` steps; TopK -> `top` steps."""
from __future__ import annotations

from math import prod

import numpy as np

from .lower_rows import rows_per_tile, split_plane
from .planner import Planner, Rule
from .steps import Declined
from .views import Plain, collapse, row_major

# the element types that order.h has keys for
ORDERED = ("uint8", "int8", "uint16", "int16", "int32", "float16", "float32")


def source(p: Planner, node) -> Plain:
    x = p.spec(node.inputs[0])
    if x.dtype.name not in ORDERED or prod(x.shape) == 0 or x.ndim == 0 or max(x.shape) >= 1 << 31:
        raise Declined
    return p.plain(node.inputs[0])


def over(x: Plain, axis: int, strides) -> tuple[list, list, list]:
    """(dims, strides of x, the other strides) of the axes but one, as the kernels walk them."""
    kept = [a for a in range(len(x.shape)) if a != axis]
    packed = collapse([x.shape[a] for a in kept], [x.strides[a] for a in kept], strides, most=4)
    if packed is None:
        raise Declined
    return packed[0], *packed[1]


def lower_extreme(p: Planner, node) -> None:
    x, get = source(p, node), node.attributes.get
    axis = get("axis", 0) % len(x.shape)
    dims, xs, ys = over(x, axis, row_major([d for a, d in enumerate(x.shape) if a != axis]))
    y = p.new_plain(node.outputs[0])
    outer, columns, tiles = split_plane(p, prod(dims[:3]), dims[3], x.shape[axis])
    p.emit("extreme", tiles, x=x.ref(), y=y.ref(), dims=dims, xs=xs, ys=ys, n=x.shape[axis],
           rs=x.strides[axis], element=p.table.elements[x.dtype.name], smallest=node.op_type == "ArgMin",
           last=get("select_last_index", 0), outer=outer, columns=columns)


def lower_top(p: Planner, node) -> None:
    x, get = source(p, node), node.attributes.get
    axis = get("axis", -1) % len(x.shape)
    shape = p.spec(next(filter(None, node.outputs))).shape
    if prod(shape) == 0:
        raise Declined
    strides = row_major(shape)
    dims, xs, ys = over(x, axis, [s for a, s in enumerate(strides) if a != axis])
    names, kinds = [*node.outputs, ""][:2], (x.dtype, np.dtype(np.int64))
    v, i = (p.new_plain(name) if name else p.scratch(shape, kind) for name, kind in zip(names, kinds))
    outer, tiles = rows_per_tile(p, prod(dims), x.shape[axis])
    p.emit("top", tiles, scratch=8 * shape[axis], x=x.ref(), v=v.ref(), i=i.ref(), dims=dims, xs=xs, ys=ys,
           n=x.shape[axis], rs=x.strides[axis], k=shape[axis], ks=strides[axis],
           element=p.table.elements[x.dtype.name], smallest=not get("largest", 1), outer=outer)


RULES = {"ArgMax": Rule(lower_extreme), "ArgMin": Rule(lower_extreme), "TopK": Rule(lower_top)}
