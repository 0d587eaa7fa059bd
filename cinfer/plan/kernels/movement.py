"""Operators that move values without computing: views where strides allow it, copies where not."""
from __future__ import annotations

from math import prod

import numpy as np

from ...ops.movement import slice_ranges
from ..candidate import BLOCKED, PLAIN, Candidate, kernel
from ..views import ARENA, BLOCK, F32, IN_BLOCKS, Buffer, Ref, broadcast_strides, copied_by_kernels, row_major


def in_channels(name: str, values) -> bool:
    """Whether a value lies in blocks whose channels are an axis of its own."""
    return values.is_blocked(name) and values.fact(name).ndim in (3, 4, 5)


def gather_channels(out, sources, name: str) -> None:
    """Each channel of a value from (blocked view, channel)."""
    views = {id(x): out.in_arena(x) for x, _ in sources}
    sources = [(views[id(x)], c) for x, c in sources]
    buffers = list({id(x.buffer): x.buffer for x, _ in sources}.values())
    y = out.output(name)
    rows, row_tiles = out.tiles.rows(y.h, y.w, y.n * y.blocks, BLOCK)
    out.step("gather_channels" if y.dtype == F32 else "gather_channels_u8", y.n * y.blocks * row_tiles, dict(
        x=Ref(Buffer(0, ARENA), 0), y=y.ref(), table=out.addresses(sources), n=y.n, c=y.c, h=y.h, w=y.w,
        yn=y.ns, yb=y.bs, yr=y.rs, row_tiles=row_tiles, rows=rows), reads=buffers)


def cut_channels(node, pieces, values) -> tuple[Candidate]:
    """Outputs that are some channels of a blocked value, one after another: views of it on block borders,
    else moved between lanes. pieces : ((output, first channel), ...)"""
    name = node.inputs[0]
    moved = [(piece, first) for piece, first in pieces if first % BLOCK]

    def emit(out):
        x = out.blocked(name)
        for piece, first in moved:
            gather_channels(out, [(x, first + i) for i in range(out.fact(piece).shape[1])], piece)
    return (Candidate(emit if moved else None, ((name, BLOCKED),), BLOCKED, pieces=pieces),)


# ---- Tile

@kernel("Tile")
def tile(group, values):
    """Of axes of one a view, as Expand gives it; else a copy that reads each element again and again."""
    node = group.node
    name, output = node.inputs[0], node.outputs[0]
    x, y = values.fact(name), values.fact(output)
    if not copied_by_kernels(x.dtype) or prod(y.shape) == 0:
        return ()
    if all(d in (1, e) for d, e in zip(x.shape, y.shape)):
        return (Candidate(None, ((name, PLAIN),), view=lambda x, values: (
            x.with_(values.shape(output), broadcast_strides(x, values.shape(output))),)),)

    def emit(out):
        x, y = out.plain(name), out.plain(output)
        shape = [n for d, e in zip(x.shape, y.shape) for n in (e // d, d)]
        out.copy(x.with_(shape, [n for s in x.strides for n in (0, s)]), y.with_(shape, row_major(shape)))
    return (Candidate(emit, ((name, PLAIN),)),)


# ---- Slice

def slices(node, values):
    """[(start, count, step)] of each axis of a Slice; None when only the run knows them."""
    shape = values.shape(node.inputs[0])
    if len(node.inputs) > 1:
        given = [values.constant(name) if name else None for name in (*node.inputs[1:], "", "")[:4]]
        if any(v is None for v, name in zip(given, node.inputs[1:]) if name):
            return None
        starts, ends, axes, steps = (None if v is None else v.reshape(-1).tolist() for v in given)
    else:
        starts, ends, axes, steps = (node.attributes.get(k) for k in ("starts", "ends", "axes", "steps"))
    return slice_ranges(shape, starts, ends, axes, steps)


@kernel("Slice", attributes="axes ends starts", reading=BLOCKED)
def slice_(group, values):
    node = group.node
    name, output = node.inputs[0], node.outputs[0]
    found, shape, out_shape = slices(node, values), values.shape(name), values.shape(output)
    if found is None:
        return ()
    only_channels = all(f == (0, d, 1) for axis, (f, d) in enumerate(zip(found, shape)) if axis != 1)
    if in_channels(name, values) and only_channels and found[1][2] == 1 and 0 not in out_shape:
        return cut_channels(node, ((output, found[1][0]),), values)

    def view(x, values):
        found = slices(node, values)
        return (x.with_(values.shape(output), [s * step for s, (_, _, step) in zip(x.strides, found)],
                        sum(s * start for s, (start, _, _) in zip(x.strides, found))),)
    return (Candidate(None, ((name, PLAIN),), view=view),)


# ---- Split and Concat

@kernel("Split", attributes="axis num_outputs split", reading=BLOCKED)
def split(group, values):
    node = group.node
    name = node.inputs[0]
    axis = node.attributes.get("axis", 0) % values.fact(name).ndim
    if "" in node.outputs:
        return ()
    if axis == 1 and in_channels(name, values) \
            and all(0 not in values.shape(output) for output in node.outputs):
        return cut_channels(node, tuple(pieces(node, axis, values)), values)

    def view(x, values):
        return [x.with_(values.shape(output), x.strides, first * x.strides[axis])
                for output, first in pieces(node, axis, values)]
    return (Candidate(None, ((name, PLAIN),), view=view),)


def pieces(node, axis: int, values):
    """(output, where it begins along the axis) of a Split."""
    at = 0
    for output in node.outputs:
        yield output, at
        at += values.shape(output)[axis]


def concat_parts(node, values) -> tuple[tuple[str, int], ...]:
    """(value, first channel) of a Concat's inputs; a Split's pieces, in order, count as its input."""
    parts, first, i, inputs = [], 0, 0, node.inputs
    while i < len(inputs):
        name = inputs[i]
        maker = values.makers.get(name)
        if maker is not None and maker.op_type == "Split" and not maker.domain and values.is_blocked(name) \
                and inputs[i:i + len(maker.outputs)] == maker.outputs:
            name = maker.inputs[0]
            i += len(maker.outputs) - 1
        parts.append((name, first))
        first += values.shape(name)[1]
        i += 1
    return tuple(parts)


@kernel("Concat", attributes="axis", reading=BLOCKED)
def concat(group, values):
    node, y = group.node, values.fact(group.node.outputs[0])
    axis = node.attributes.get("axis", 1) % y.ndim
    if axis == 1 and y.dtype in IN_BLOCKS and y.ndim in (3, 4, 5) \
            and any(values.is_blocked(name) for name in node.inputs) \
            and all(0 not in values.shape(name) for name in node.inputs):
        return concat_channels(node, values)
    if y.ndim > 5 or not copied_by_kernels(y.dtype):
        return ()                               # NumPy concatenates in one step
    parts = [name for name in node.inputs if prod(values.shape(name))]

    def emit(out):
        target, at = out.plain(node.outputs[0]), 0
        for i, name in enumerate(parts):
            x = out.plain(name)
            out.copy(x, target.with_(x.shape, target.strides, at * target.strides[axis]),
                     beside=i < len(parts) - 1)
            at += x.shape[axis]
    return (Candidate(emit, tuple((name, PLAIN) for name in dict.fromkeys(parts))),)


def concat_channels(node, values) -> tuple[Candidate]:
    output, parts = node.outputs[0], concat_parts(node, values)
    if any(first % BLOCK for _, first in parts):
        def emit(out):
            views = [out.blocked(name) for name, _ in parts]
            gather_channels(out, [(x, c) for x in views for c in range(x.c)], output)
        return (Candidate(emit, tuple((name, BLOCKED) for name, _ in parts), BLOCKED, parts=parts),)
    straight = {name for name, _ in parts if not values.has(name, BLOCKED) and values.constant(name) is None
                and prod(values.shape(name)[2:]) != 1}     # from plain memory to its place

    def emit(out):
        y, waiting = out.output(output), []
        for name, first in parts:
            shape = out.fact(name).shape
            target = y.channels(first, shape[1], shape)
            if name in straight:
                out.block(out.plain(name), target)
                continue
            x = out.blocked(name)
            if x.buffer is not target.buffer or x.offset != target.offset:
                waiting.append((x, target))
        for x, target in waiting:
            out.copy_blocked(x, target)
    reads = tuple((name, PLAIN if name in straight else BLOCKED) for name, _ in parts)
    return (Candidate(emit, reads, BLOCKED, parts=parts),)


# ---- DepthToSpace and SpaceToDepth

@kernel("DepthToSpace", attributes="blocksize mode")
def depth_to_space(group, values):
    """[n][c r r][h][w] -> [n][c][h r][w r]: a copy whose strides say it all.

    https://onnx.ai/onnx/operators/onnx__DepthToSpace.html
    """
    node = group.node
    name, fact, r = node.inputs[0], values.fact(node.inputs[0]), node.attributes["blocksize"]
    if fact.ndim != 4 or fact.dtype not in IN_BLOCKS or 0 in fact.shape:
        return ()
    dcr = node.attributes.get("mode", "DCR") == "DCR"

    def from_blocks(out):
        x, y = out.blocked(name), out.plain(node.outputs[0])
        sn, sc, sh, sw = y.strides

        def offsets(values, c, sc, sh, sw) -> np.ndarray:
            i, deep = np.arange(c), c // r ** 2             # channels that come out
            channel, pixel = (i % deep, i // deep) if dcr else (i // r ** 2, i % r ** 2)
            return (channel * sc + pixel // r * sh + pixel % r * sw).astype(np.int64)
        out.unblock(x, y, (sn, 0, sh * r, sw * r), coff=out.table_of(offsets, x.c, sc, sh, sw))

    def from_plain(out):
        x, y = out.plain(name), out.plain(node.outputs[0])
        (n, _, h, w), (sn, sc, sh, sw), deep = x.shape, x.strides, x.shape[1] // r ** 2
        of_deep, of_pixel = (sc, deep * sc) if dcr else (r * r * sc, sc)
        shape = (n, deep, h, r, w, r)
        out.copy(x.with_(shape, (sn, of_deep, sh, r * of_pixel, sw, of_pixel)), y.with_(shape, row_major(shape)))
    if values.is_blocked(name) and not values.has(name, PLAIN):
        return (Candidate(from_blocks, ((name, BLOCKED),)),)
    return (Candidate(from_plain, ((name, PLAIN),)),)


@kernel("SpaceToDepth", attributes="blocksize mode")
def space_to_depth(group, values):
    """The reverse."""
    node = group.node
    name, fact, r = node.inputs[0], values.fact(node.inputs[0]), node.attributes["blocksize"]
    if fact.ndim != 4 or fact.dtype not in IN_BLOCKS or 0 in fact.shape or 0 in values.shape(node.outputs[0]):
        return ()
    crd = node.attributes.get("mode", "DCR") == "CRD"

    def emit(out):
        x, y = out.plain(name), out.plain(node.outputs[0])
        (n, c, h, w), (sn, sc, sh, sw) = x.shape, x.strides
        shape, strides = (n, r, r, c, h // r, w // r), (sn, sh, sw, sc, sh * r, sw * r)
        if crd:                                 # channels outside, the pixels of a square within
            shape, strides = ([v[axis] for axis in (0, 3, 1, 2, 4, 5)] for v in (shape, strides))
        out.copy(x.with_(shape, strides), y.with_(shape, row_major(shape)))
    return (Candidate(emit, ((name, PLAIN),)),)
