"""Operators that move values without computing: views where strides allow it, copies where not."""
from __future__ import annotations

from math import prod

import numpy as np

from .planner import Planner, Rule
from .steps import F32, Declined, copied_by_kernels
from .views import ARENA, BLOCK, Blocked, Buffer, Ref, broadcast_strides, nchw, row_major


def lower_reshape(p: Planner, node) -> None:
    """Reshape, Flatten, Squeeze, Unsqueeze: the same elements in order under another shape."""
    name, out = node.inputs[0], node.outputs[0]
    shape = p.spec(out).shape
    if any(node.outputs[1:]):
        raise Declined
    x = p.plain(name)
    view = x.reshaped(shape)
    if view is None:
        view = p.plain(name, contiguous=True).reshaped(shape)
    p.plain_views[out] = view


def lower_identity(p: Planner, node) -> None:
    """A value under another name, in whatever layouts it has."""
    name, out = node.inputs[0], node.outputs[0]
    if any(node.outputs[1:]):
        raise Declined
    if p.is_blocked.get(name):
        p.blocked_views[out] = p.blocked(name)
    else:
        p.plain_views[out] = p.plain(name)


def identity_pieces(p, node):
    return [(node.outputs[0], 0)]


def lower_transpose(p: Planner, node) -> None:
    name, out = node.inputs[0], node.outputs[0]
    rank = p.spec(name).ndim
    perm = list(node.attributes.get("perm") or range(rank)[::-1])
    only_blocked = name in p.blocked_views and name not in p.plain_views
    if only_blocked and rank in (3, 4) and p.sole_consumer(name) is not None:
        y = p.new_plain(out)
        return p.from_blocked(p.blocked(name), y, [y.strides[perm.index(axis)] for axis in range(rank)])
    x = p.plain(name)
    p.plain_views[out] = x.with_([x.shape[a] for a in perm], [x.strides[a] for a in perm])


def slices(p: Planner, node):
    """[(start, stop, step)] of each axis of a Slice, normalised; None when only the run knows them."""
    shape = p.spec(node.inputs[0]).shape
    if len(node.inputs) > 1:
        values = [p.constant(name) if name else None for name in (*node.inputs[1:], "", "")[:4]]
        if any(v is None for v, name in zip(values, node.inputs[1:]) if name):
            return None
        starts, ends, axes, steps = (None if v is None else v.tolist() for v in values)
    else:
        starts, ends, axes, steps = (node.attributes.get(k) for k in ("starts", "ends", "axes", "steps"))
    axes = list(range(len(starts))) if axes is None else [a % len(shape) for a in axes]
    found = [(0, d, 1) for d in shape]
    for axis, start, end, step in zip(axes, starts, ends, steps or [1] * len(starts)):
        end = None if step < 0 and end < -shape[axis] else end
        found[axis] = slice(start, end, step).indices(shape[axis])
    return found


def sliced_channels(p: Planner, node):
    """(first, count) if a Slice cuts nothing but channels, one after another; else None."""
    found = slices(p, node)
    shape = p.spec(node.inputs[0]).shape
    if found is None or any(f != (0, d, 1) for axis, (f, d) in enumerate(zip(found, shape)) if axis != 1):
        return None
    first, end, step = found[1]
    return (first, end - first) if step == 1 else None


def slice_blocked(p: Planner, node) -> bool:
    y = p.spec(node.outputs[0])
    return blocked_input(p, node) and sliced_channels(p, node) is not None and 0 not in y.shape


def slice_pieces(p: Planner, node):
    return [(node.outputs[0], sliced_channels(p, node)[0])]


def blocked_input(p: Planner, node) -> bool:
    return bool(p.is_blocked.get(node.inputs[0])) and p.spec(node.inputs[0]).ndim in (3, 4)


def lower_slice(p: Planner, node) -> None:
    found = slices(p, node)
    name, out = node.inputs[0], node.outputs[0]
    if found is None:
        raise Declined
    if p.is_blocked[out]:
        first, count = sliced_channels(p, node)
        return piece(p, name, out, first, count)
    x = p.plain(name)
    p.plain_views[out] = x.with_(p.spec(out).shape, [s * step for s, (_, _, step) in zip(x.strides, found)],
                                 sum(s * start for s, (start, _, _) in zip(x.strides, found)))


def piece(p: Planner, name: str, out: str, first: int, count: int) -> None:
    """Some channels of a blocked value: a view on a block border, else moved between lanes."""
    x = p.blocked(name)
    if first % BLOCK == 0:
        p.blocked_views[out] = x.channels(first, count, p.spec(out).shape)
    else:
        gather_channels(p, [(x, first + i) for i in range(count)], out)


def gather_channels(p: Planner, sources, out: str) -> None:
    """Each channel of a value from (blocked view, channel): addresses, known when the arena is laid out."""
    table = np.zeros((len(sources), 3), np.int64)

    def fill():
        for i, (x, c) in enumerate(sources):
            base = x.buffer.offset + x.offset
            table[i] = base // 4 + (c // BLOCK) * x.bs + c % BLOCK, x.rs, x.ns
    buffers = list({id(x.buffer): x.buffer for x, _ in sources}.values())
    if any(b.base != ARENA for b in buffers):
        raise Declined
    p.late.append(fill)
    y = p.new_blocked(out)
    rows, row_tiles = p.row_split(y.h, y.w, y.n * y.blocks, BLOCK)
    p.emit("gather_channels", y.n * y.blocks * row_tiles, reads=buffers, x=Ref(Buffer(0, ARENA), 0),
           y=y.ref(), table=p.array(table).ref(), n=y.n, c=y.c, h=y.h, w=y.w, yn=y.ns, yb=y.bs, yr=y.rs,
           row_tiles=row_tiles, rows=rows)


def split_pieces(p, node):
    first, found = 0, []
    for name in node.outputs:
        found.append((name, first))
        first += p.spec(name).shape[1]
    return found


def split_axis(p, node) -> int:
    return node.attributes.get("axis", 0) % p.spec(node.inputs[0]).ndim


def split_blocked(p, node) -> bool:
    whole = all(0 not in p.spec(n).shape for n in node.outputs)
    return blocked_input(p, node) and split_axis(p, node) == 1 and whole


def lower_split(p: Planner, node) -> None:
    axis = split_axis(p, node)
    if p.is_blocked[node.outputs[0]]:
        for name, first in split_pieces(p, node):
            piece(p, node.inputs[0], name, first, p.spec(name).shape[1])
        return
    x, at = p.plain(node.inputs[0]), 0
    for name in node.outputs:
        shape = p.spec(name).shape
        p.plain_views[name] = x.with_(shape, x.strides, at * x.strides[axis])
        at += shape[axis]


def concat_axis(p, node) -> int:
    return node.attributes.get("axis", 1) % p.spec(node.outputs[0]).ndim


def concat_blocked(p: Planner, node) -> bool:
    y = p.spec(node.outputs[0])
    return (y.dtype == F32 and y.ndim in (3, 4) and concat_axis(p, node) == 1
            and any(p.is_blocked.get(n) for n in node.inputs)
            and all(0 not in p.spec(n).shape for n in node.inputs))


def lower_concat(p: Planner, node) -> None:
    out = node.outputs[0]
    if p.is_blocked[out]:
        return concat_channels(p, node)
    axis, at = concat_axis(p, node), 0
    spec = p.spec(out)
    if not copied_by_kernels(spec.dtype) or spec.ndim > 5:
        raise Declined                          # NumPy concatenates in one step
    parts = [n for n in node.inputs if prod(p.spec(n).shape)]
    views = [p.plain(n) for n in parts]
    y = p.new_plain(out)
    for i, x in enumerate(views):
        p.copy(x, y.with_(x.shape, y.strides, at * y.strides[axis]), beside=i < len(views) - 1)
        at += x.shape[axis]


def concat_channels(p: Planner, node) -> None:
    out = node.outputs[0]
    parts = p.concat_parts(node)
    if any(first % BLOCK for _, first in parts):
        sources = []
        for name, _ in parts:
            x = p.blocked(name)
            sources += [(x, c) for c in range(x.c)]
        return gather_channels(p, sources, out)
    y = p.new_blocked(out)
    waiting = []
    for name, first in parts:
        target = y.channels(first, p.spec(name).shape[1], p.spec(name).shape)
        is_vector = nchw(p.spec(name).shape)[2:] == (1, 1)
        if name not in p.blocked_views and p.constant(name) is None and not is_vector:
            p.block(p.plain(name), target)          # straight from plain memory to its place
            continue
        x = p.blocked(name)
        if x.buffer is not target.buffer or x.offset != target.offset:
            waiting.append((x, target))
    for x, target in waiting:
        copy_blocked(p, x, target)


def copy_blocked(p: Planner, x: Blocked, y: Blocked) -> None:
    p.map((x.n, x.blocks, x.h, x.w * BLOCK), x.ref(), (x.ns, x.bs, x.rs, 1), y.ref(), (y.ns, y.bs, y.rs, 1))


def lower_expand(p: Planner, node) -> None:
    x, shape = p.plain(node.inputs[0]), p.spec(node.outputs[0]).shape
    p.plain_views[node.outputs[0]] = x.with_(shape, broadcast_strides(x, shape))


def gather_indices(p: Planner, node):
    """(axis, indices) of a Gather with known indices, all from 0 up; else None."""
    x, indices = p.spec(node.inputs[0]), p.constant(node.inputs[1])
    if indices is None:
        return None
    axis = node.attributes.get("axis", 0) % x.ndim
    return axis, np.where(indices < 0, indices + x.shape[axis], indices)


def gather_blocked(p: Planner, node) -> bool:
    found = gather_indices(p, node)
    if found is None or not blocked_input(p, node):
        return False
    axis, indices = found
    return axis == 1 and indices.ndim == 1 and indices.size > 0


def lower_gather(p: Planner, node) -> None:
    """Of one index, or of evenly spaced ones, a view; of channels, lane moves; else NumPy."""
    found = gather_indices(p, node)
    if found is None:
        raise Declined
    axis, indices = found
    out = node.outputs[0]
    if p.is_blocked[out]:
        x = p.blocked(node.inputs[0])
        return gather_channels(p, [(x, int(i)) for i in indices], out)
    if indices.ndim > 1 or indices.size == 0:
        raise Declined
    x = p.plain(node.inputs[0])
    shape, strides = list(x.shape), list(x.strides)
    flat = indices.reshape(-1)
    first = int(flat[0])
    if indices.ndim == 0:
        del shape[axis], strides[axis]
    else:
        step = int(flat[1] - flat[0]) if flat.size > 1 else 1
        if flat.size > 1 and not np.array_equal(flat, first + step * np.arange(flat.size)):
            raise Declined
        shape[axis], strides[axis] = flat.size, strides[axis] * step
    p.plain_views[out] = x.with_(shape, strides, first * x.strides[axis])


def lower_depth_to_space(p: Planner, node) -> None:
    """[n][c r r][h][w] -> [n][c][h r][w r]: a copy whose strides say it all.

    https://onnx.ai/onnx/operators/onnx__DepthToSpace.html
    """
    spec, r = p.spec(node.inputs[0]), node.attributes["blocksize"]
    if spec.ndim != 4 or spec.dtype != F32 or 0 in spec.shape:
        raise Declined
    n, c, h, w = spec.shape
    deep = c // r ** 2                          # channels that come out
    dcr = node.attributes.get("mode", "DCR") == "DCR"
    if p.is_blocked.get(node.inputs[0]) and node.inputs[0] not in p.plain_views:
        x = p.blocked(node.inputs[0])
        y = p.new_plain(node.outputs[0])
        sn, sc, sh, sw = y.strides
        i = np.arange(c)
        channel, pixel = (i % deep, i // deep) if dcr else (i // r ** 2, i % r ** 2)
        offsets = (channel * sc + pixel // r * sh + pixel % r * sw).astype(np.int64)
        return p.from_blocked(x, y, (sn, 0, sh * r, sw * r), coff=p.array(offsets).ref())
    x = p.plain(node.inputs[0])
    s = x.strides
    if dcr:
        shape, strides = (n, r, r, deep, h, w), (s[0], r * deep * s[1], deep * s[1], s[1], s[2], s[3])
        perm = (0, 3, 4, 1, 5, 2)
    else:
        shape, strides = (n, deep, r, r, h, w), (s[0], r * r * s[1], r * s[1], s[1], s[2], s[3])
        perm = (0, 1, 4, 2, 5, 3)
    y = p.new_plain(node.outputs[0])
    shape, strides = [shape[a] for a in perm], [strides[a] for a in perm]
    p.map(shape, x.ref(), strides, y.ref(), row_major(shape))


def lower_space_to_depth(p: Planner, node) -> None:
    """The reverse, depth-column-row order."""
    spec, r = p.spec(node.inputs[0]), node.attributes["blocksize"]
    if spec.ndim != 4 or spec.dtype != F32 or 0 in spec.shape:
        raise Declined
    n, c, h, w = spec.shape
    x = p.plain(node.inputs[0])
    s = x.strides
    y = p.new_plain(node.outputs[0])
    shape = (n, r, r, c, h // r, w // r)
    p.map(shape, x.ref(), (s[0], s[2], s[3], s[1], s[2] * r, s[3] * r), y.ref(), row_major(shape))


IDENTITY = Rule(lower_identity, blocked_input, pieces=identity_pieces)
RULES = {
    **{name: Rule(lower_reshape, fresh=False) for name in ("Reshape", "Flatten", "Squeeze", "Unsqueeze")},
    "Identity": IDENTITY, "Dropout": IDENTITY,
    "Transpose": Rule(lower_transpose, fresh=False),
    "Slice": Rule(lower_slice, slice_blocked, pieces=slice_pieces),
    "Split": Rule(lower_split, split_blocked, pieces=split_pieces),
    "Concat": Rule(lower_concat, concat_blocked),
    "Expand": Rule(lower_expand, fresh=False),
    "Gather": Rule(lower_gather, gather_blocked),
    "DepthToSpace": Rule(lower_depth_to_space),
    "SpaceToDepth": Rule(lower_space_to_depth),
}
