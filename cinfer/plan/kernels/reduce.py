"""Reductions along axes of plain values -> `reduce` of float32, `fold` of other types, `extreme`; over pictures in
blocks -> `global_pool`."""
from __future__ import annotations

from math import prod

import numpy as np

from ..candidate import BLOCKED, PLAIN, Candidate, kernel
from ..views import F32, Plain, collapse, row_major
from .pooling import GLOBAL_MAX, GLOBAL_MEAN, global_pool

# operator -> (number in reduce.h, function of the result)
REDUCTIONS = {"ReduceSum": (0, ""), "ReduceMean": (1, ""), "ReduceMax": (2, ""), "ReduceMin": (3, ""),
              "ReduceProd": (4, ""), "ReduceSumSquare": (5, ""), "ReduceL1": (6, ""), "ReduceL2": (5, "sqrt"),
              "ReduceLogSum": (0, "log"), "ReduceLogSumExp": (7, "")}
BEHIND = ("", "sqrt", "log")                # by their numbers in fold.h
FOLDED = ("bool", "uint8", "int8", "uint16", "int16", "int32", "int64", "float64")
# the element types that order.h has keys for, and those that have the bits of others
ORDERED = ("uint8", "int8", "uint16", "int16", "int32", "int64", "float16", "float32", "float64")
UNSIGNED = {"uint32": "int32", "uint64": "int64"}


def reduced_axes(node, values):
    """The axes a reduction reduces, or None when they are known only during the run."""
    rank = values.fact(node.inputs[0]).ndim
    axes = node.attributes.get("axes")
    if len(node.inputs) > 1 and node.inputs[1]:
        value = values.constant(node.inputs[1])
        if value is None:
            return None
        axes = value.reshape(-1).tolist()
    if not axes:
        return () if node.attributes.get("noop_with_empty_axes", 0) else tuple(range(rank))
    return tuple(sorted({int(a) % rank for a in axes}))


@kernel(*REDUCTIONS, attributes="axes keepdims noop_with_empty_axes", reading=BLOCKED)
def reduce(group, values):
    node = group.node
    x, axes = values.fact(node.inputs[0]), reduced_axes(node, values)
    if axes is None or prod(x.shape) == 0 or not axes:
        return ()
    if node.op_type in ("ReduceMean", "ReduceMax") and values.is_blocked(node.inputs[0]) and x.dtype == F32 \
            and x.ndim in (3, 4, 5) and axes == tuple(range(2, x.ndim)):
        return global_pool(node, GLOBAL_MEAN if node.op_type == "ReduceMean" else GLOBAL_MAX)
    if walk(values.plain(node.inputs[0]), axes) is None:
        return ()
    if x.dtype != F32:
        return folded(node, axes, values)
    op, behind = REDUCTIONS[node.op_type]

    def emit(out):
        source, y = out.plain(node.inputs[0]), out.plain(node.outputs[0])
        dims, xs, ys, rdims, rs = walk(source, axes)
        outer, tiles = out.tiles.outer(dims)
        out.step("reduce", tiles, dict(
            x=source.ref(), y=y.ref(), dims=dims, xs=xs, ys=ys, rdims=rdims, rs=rs,
            op=op, outer=outer))
        if behind:
            out.map(y.shape, y.ref(), y.strides, y.ref(), y.strides, op=behind)
    return (Candidate(emit, ((node.inputs[0], PLAIN),)),)


def folded(node, axes, values) -> tuple[Candidate, ...]:
    """Of any other type."""
    name, output = node.inputs[0], node.outputs[0]
    x, (op, behind) = values.fact(name), REDUCTIONS[node.op_type]
    if x.dtype.name not in FOLDED or node.op_type == "ReduceLogSumExp" or behind and x.dtype != np.float64:
        return ()

    def emit(out):
        x, y = out.plain(name), out.plain(output)
        dims, xs, ys, rdims, rs = walk(x, axes)
        outer, tiles = out.tiles.outer(dims)
        out.step("fold", tiles, dict(
            x=x.ref(), y=y.ref(), dims=dims, xs=xs, ys=ys, rdims=rdims, rs=rs, op=op, then=BEHIND.index(behind),
            element=out.table.elements[x.dtype.name], outer=outer))
    return (Candidate(emit, ((name, PLAIN),)),)


def walk(x: Plain, axes):
    """(sizes kept, strides of x and y over them, sizes reduced, strides of x over these), or None where there
    are more axes than the kernel walks."""
    kept = [a for a in range(len(x.shape)) if a not in axes]
    sizes = [x.shape[a] for a in kept]
    over = collapse(sizes, [x.strides[a] for a in kept], row_major(sizes), most=4)
    reduced = collapse([x.shape[a] for a in axes], [x.strides[a] for a in axes], most=4)
    return None if over is None or reduced is None else (over[0], *over[1], reduced[0], *reduced[1])


def others(x: Plain, axis: int, strides):
    """(sizes, strides of x, the other strides) of all axes but one, or None where the kernels walk fewer."""
    kept = [a for a in range(len(x.shape)) if a != axis]
    packed = collapse([x.shape[a] for a in kept], [x.strides[a] for a in kept], strides, most=4)
    return packed and (packed[0], *packed[1])


def is_ordered(x) -> bool:
    """Whether the kernels can compare the values of a tensor."""
    return (x.dtype.name in ORDERED or x.dtype.name in UNSIGNED) and prod(x.shape) > 0 and x.ndim > 0 \
        and max(x.shape) < 1 << 31


def ordered_type(table, dtype) -> dict:
    """How the kernels are told of a type."""
    name = dtype.name
    return dict(element=table.elements[UNSIGNED.get(name, name)], no_sign=name in UNSIGNED)


@kernel("ArgMax", "ArgMin", attributes="axis keepdims select_last_index")
def extreme(group, values):
    node, get = group.node, group.node.attributes.get
    x = values.fact(node.inputs[0])
    if not is_ordered(x):
        return ()
    axis = get("axis", 0) % x.ndim

    def walked(x):
        return others(x, axis, row_major([d for a, d in enumerate(x.shape) if a != axis]))
    if walked(values.plain(node.inputs[0])) is None:
        return ()

    def emit(out):
        source, y = out.plain(node.inputs[0]), out.plain(node.outputs[0])
        (dims, xs, to), n = walked(source), source.shape[axis]
        outer, columns, tiles = out.tiles.plane(prod(dims[:3]), dims[3], n)
        out.step("extreme", tiles, dict(
            x=source.ref(), y=y.ref(), dims=dims, xs=xs, ys=to, n=n, rs=source.strides[axis],
            smallest=node.op_type == "ArgMin", last=get("select_last_index", 0), outer=outer, columns=columns,
            **ordered_type(out.table, source.dtype)))
    return (Candidate(emit, ((node.inputs[0], PLAIN),)),)
