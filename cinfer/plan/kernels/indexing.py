"""Gather of known indices -> views, or channels moved between lanes; of others, as all of its kin -> `gather`; all of
Scatter -> `scatter`; OneHot -> `onehot`; TopK -> `top`; NonZero, as much as there may be -> `nonzero`."""
from __future__ import annotations

from math import prod

import numpy as np

from ...ops.families import OWN_DOMAIN
from ..candidate import BLOCKED, CONTIGUOUS, PLAIN, Candidate, kernel
from ..views import Plain, collapse, row_major
from .movement import gather_channels, in_channels
from .reduce import is_ordered, ordered_type, others
from .shape import renamed


@kernel("Gather", attributes="axis", reading=BLOCKED)
def gather(group, values):
    """Of one index, or of evenly spaced ones, a view; of channels, lane moves; else elements one by one."""
    node = group.node
    x, indices = values.fact(node.inputs[0]), values.constant(node.inputs[1])
    axis = node.attributes.get("axis", 0) % x.ndim

    def slices(x: Plain, i: Plain) -> Walk:
        hole = [0] * len(i.shape)
        return Walk((*x.shape[:axis], *i.shape, *x.shape[axis + 1:]),
                    (*x.strides[:axis], *hole, *x.strides[axis + 1:]),
                    (*[0] * axis, *i.strides, *[0] * (len(x.shape) - axis - 1)), [axis], 0)
    if indices is None or indices.size == 0 or indices.ndim > 1:
        return gathered(node, slices, values)
    if axis == 1 and indices.ndim == 1 and in_channels(node.inputs[0], values):
        def emit(out):
            x = out.blocked(node.inputs[0])
            gather_channels(out, [(x, i) for i in picked(node, axis, out)], node.outputs[0])
        return (Candidate(emit, ((node.inputs[0], BLOCKED),), BLOCKED),)
    if evenly(picked(node, axis, values)) is None:
        return gathered(node, slices, values)
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


class Walk:
    """How elements are picked from x: the sizes of a walk, the strides of x and of the indices over it, the axes of x
    that the numbers of an index are of, and how far these are apart."""
    __slots__ = ("dims", "xs", "indices", "axes", "ks")

    def __init__(self, dims, xs, indices, axes, ks):
        self.dims, self.xs, self.indices, self.axes, self.ks = dims, xs, indices, axes, ks

    def params(self, x: Plain, i: Plain) -> dict:
        return dict(i=i.ref(), sizes=[x.shape[a] for a in self.axes], steps=[x.strides[a] for a in self.axes],
                    count=len(self.axes), ks=self.ks, wide=i.dtype.itemsize == 8, size=x.dtype.itemsize)


def elements(axis: int, x: Plain, i: Plain) -> Walk:
    """Of GatherElements and ScatterElements: all stay in their place but for one axis."""
    return Walk(i.shape, [0 if a == axis else s for a, s in enumerate(x.strides)], i.strides, [axis], 0)


def tuples(batch_dims: int, x: Plain, i: Plain) -> Walk:
    """Of GatherND and ScatterND: the last axis of the indices are numbers of one tuple."""
    end = batch_dims + i.shape[-1]
    return Walk((*i.shape[:-1], *x.shape[end:]),
                (*x.strides[:batch_dims], *[0] * (len(i.shape) - 1 - batch_dims), *x.strides[end:]),
                (*i.strides[:-1], *[0] * (len(x.shape) - end)), range(batch_dims, end), i.strides[-1])


def is_moved(node, values) -> bool:
    """Whether the kernels can pick and put elements of this type, of which there are some, by so many numbers."""
    x, i = (values.fact(name) for name in node.inputs[:2])
    return not x.dtype.hasobject and x.dtype.itemsize in (1, 2, 4, 8) and prod(x.shape) > 0 and prod(i.shape) > 0 \
        and (not node.op_type.endswith("ND") or i.shape[-1] <= MOST_NUMBERS)


MOST_NUMBERS = 6                # of an index tuple


def gathered(node, walk, values) -> tuple[Candidate, ...]:
    """The candidate that picks element by element. walk : function (x, indices) of their views -> Walk"""
    name, indices, output = *node.inputs[:2], node.outputs[0]
    if prod(values.shape(indices)) == 0:
        return (Candidate(lambda out: None),)           # nor has the output elements
    if not is_moved(node, values) or prod(values.shape(output)) == 0:
        return ()

    def walked(x: Plain, i: Plain, y: Plain):
        w = walk(x, i)
        return w, (tuple(w.dims), tuple(w.xs), tuple(w.indices), tuple(y.strides))
    if collapse(*walked(*map(values.plain, (name, indices, output)))[1]) is None:
        return ()

    def emit(out):
        x, i, y = map(out.plain, (name, indices, output))
        w, axes = walked(x, i, y)
        dims, (xs, steps, ys), outer, tiles = out.tiles.walk(*axes)
        out.step("gather", tiles, {"x": x.ref(), "y": y.ref(), "dims": dims, "xs": xs, "is_": steps, "ys": ys,
                                   "outer": outer, **w.params(x, i)}, refuses=True)
    return (Candidate(emit, tuple((each, PLAIN) for each in dict.fromkeys((name, indices)))),)


@kernel("GatherElements", attributes="axis")
def gather_elements(group, values):
    node = group.node
    axis = node.attributes.get("axis", 0) % max(1, values.fact(node.inputs[0]).ndim)
    return gathered(node, lambda x, i: elements(axis, x, i), values)


@kernel("GatherND", attributes="batch_dims")
def gather_nd(group, values):
    node = group.node
    return gathered(node, lambda x, i: tuples(node.attributes.get("batch_dims", 0), x, i), values)


PUTS = {"none": 0, "add": 1, "mul": 2, "max": 3, "min": 4}         # as in indexed.h
JOINED = ("float32", "float64", "int32", "int64")


@kernel("Scatter", "ScatterElements", "ScatterND", attributes="axis reduction")
def scatter(group, values):
    node = group.node
    name, indices, updates = node.inputs
    x, how, output = values.fact(name), node.attributes.get("reduction", "none"), node.outputs[0]
    if prod(values.shape(indices)) == 0:
        return renamed(node, values)
    if not is_moved(node, values) or prod(values.shape(updates)) == 0 or how != "none" and x.dtype.name not in JOINED:
        return ()
    axis = node.attributes.get("axis", 0) % x.ndim

    def walked(y: Plain, i: Plain, u: Plain):
        """(walk, sizes, strides of u, of the indices and of y), of six axes: the third and fourth are those along
        which places may be the same."""
        if node.op_type == "ScatterND":
            w, first, end = tuples(0, y, i), 0, len(i.shape) - 1
        else:
            w, first, end = elements(axis, y, i), axis, axis + 1
        over = w.dims, u.strides, w.indices, w.xs
        apart = collapse(*((*each[:first], *each[end:]) for each in over), most=4)
        same = collapse(*(each[first:end] for each in over), most=2)
        if apart is None or same is None:
            return None
        return w, *(a[:2] + b + a[2:] for a, b in zip((apart[0], *apart[1]), (same[0], *same[1])))
    if walked(*map(values.plain, (output, indices, updates))) is None:
        return ()

    def emit(out):
        x, i, u, y = map(out.plain, (*node.inputs, output))
        out.copy(x, y)
        w, dims, us, steps, ys = walked(y, i, u)
        outer, columns, tiles = out.tiles.plane(dims[0] * dims[1], dims[5], dims[2] * dims[3] * dims[4])
        out.step("scatter", tiles, {
            "u": u.ref(), "y": y.ref(), "dims": dims, "us": us, "is_": steps, "ys": ys, "op": PUTS[how],
            "element": out.table.elements[y.dtype.name] if how != "none" else 0, "outer": outer, "columns": columns,
            **w.params(y, i)}, refuses=True)
    return (Candidate(emit, tuple((each, PLAIN) for each in dict.fromkeys(node.inputs))),)


@kernel("OneHot", attributes="axis")
def one_hot(group, values):
    node = group.node
    name, _, pair = node.inputs
    i, y = values.fact(name), values.fact(node.outputs[0])
    if i.dtype.name not in values.table.elements or i.dtype.name == "uint64" or y.dtype.hasobject \
            or y.dtype.itemsize not in (1, 2, 4, 8) or prod(y.shape) == 0:
        return ()
    axis = node.attributes.get("axis", -1) % y.ndim

    def emit(out):
        i, v, y = out.contiguous(name), out.plain(pair), out.plain(node.outputs[0])
        rows, depth, n = prod(y.shape[:axis]), y.shape[axis], prod(y.shape[axis + 1:])
        outer, columns, tiles = out.tiles.plane(rows, n, depth)
        out.step("onehot", tiles, dict(
            i=i.ref(), v=v.ref(), y=y.ref(), rows=rows, n=n, depth=depth, element=out.table.elements[i.dtype.name],
            size=y.dtype.itemsize, vs=v.strides[0], outer=outer, columns=columns))
    return (Candidate(emit, ((name, CONTIGUOUS), (pair, PLAIN))),)


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
            smallest=not get("largest", 1), outer=outer, **ordered_type(out.table, x.dtype)))
    return (Candidate(emit, ((node.inputs[0], PLAIN),)),)


@kernel("NonZero", domain=OWN_DOMAIN)
def nonzero(group, values):
    (name,), (output,) = group.node.inputs, group.node.outputs
    x = values.fact(name)
    if x.dtype.kind not in "biuf" or not 0 < x.ndim <= 8 or not 0 < prod(x.shape) < 1 << 31:
        return ()

    def emit(out):
        x, y = out.contiguous(name), out.plain(output)
        out.step("nonzero", 1, dict(x=x.ref(), y=y.ref(), dims=[*x.shape, *(8 - len(x.shape)) * [1]],
                                    rank=len(x.shape), n=prod(x.shape), size=x.dtype.itemsize,
                                    signless=x.dtype.kind == "f"))
    return (Candidate(emit, ((name, CONTIGUOUS),)),)
