"""Inputs of operators that move elements: by places, or by shapes; `c` as in drawn_inputs.py."""
from __future__ import annotations

from math import prod

import numpy as np

from drawn_common import INT, by_name, data, ints


# ---- places

def places(c, size, shape, dtype=INT, negative=None):
    low = -size if (c.since >= 11 if negative is None else negative) else 0
    return c.numbers.integers(low, size, shape).astype(dtype)


def gather(c):
    x = data(c)
    axis = c.axis()
    return x, places(c, x.shape[axis], c.shape(0, 2), c.type_of("indices"))


def gather_elements(c):
    x = data(c)
    axis = c.axis()
    shape = [c.whole(1, d) for d in x.shape]
    shape[axis] = c.whole(1, 4)
    return x, places(c, x.shape[axis], shape, c.type_of("indices"))


def gather_nd(c):
    x = data(c)
    batch = c.maybe("batch_dims", 0, *range(1, x.ndim))
    depth = c.whole(1, x.ndim - batch)
    shape = (*x.shape[:batch], *c.shape(0, 2))
    if 0 in shape:
        shape = (*x.shape[:batch], 2)
    return x, np.stack([places(c, x.shape[batch + i], shape) for i in range(depth)], -1)


def scatter_elements(c):
    x = data(c)
    axis = c.axis()
    shape = [c.whole(1, d) for d in x.shape]
    reduction = c.maybe("reduction", "none", *reductions(c, x))
    index = np.argsort(c.numbers.random(x.shape), axis)[tuple(slice(d) for d in shape)]      # each place once
    if reduction != "none":
        index = places(c, x.shape[axis], shape)
    return x, index.astype(c.type_of("indices")), c.make("updates", shape)


def scatter_nd(c):
    x = data(c)
    depth = c.whole(1, x.ndim)
    reduction = c.maybe("reduction", "none", *reductions(c, x))
    every = list(np.ndindex(*x.shape[:depth]))
    few = c.rng.sample(every, c.whole(1, min(4, len(every))))
    if reduction != "none":
        few = [c.rng.choice(few) for _ in range(4)]
    return x, np.array(few, INT), c.make("updates", (len(few), *x.shape[depth:]))


def reductions(c, x):
    if x.dtype.kind not in "iuf":
        return []
    return ["add", "mul"] * (c.since >= 16) + ["min", "max"] * (c.since >= 18)


def tensor_scatter(c):
    batch, length, new = c.whole(1, 3), c.whole(2, 5), c.whole(1, 2)
    shape = [batch, *c.shape(0, 1, False), length, c.whole(1, 3)]
    mode = c.maybe("mode", "linear", "circular")
    c.maybe("axis", -2, len(shape) - 2)
    at = c.numbers.integers(0, length if mode == "circular" else length - new + 1, batch)
    return c.x(shape=shape), c.make("update", [*shape[:-2], new, shape[-1]]), at if c.chance(.8) else None


def one_hot(c):
    x = np.trunc(c.x(1, 2, low=-4, high=4)).astype(c.type_of(0))
    depth = c.whole(2, 5)
    c.maybe("axis", -1, *range(x.ndim + 1))
    shape = c.pick((), (1,)) if c.since >= 11 else ()
    return x, np.full(shape, depth, c.type_of("depth")), c.make("values", (2,))


def top_k(c):
    x = data(c)
    size = x.shape[c.axis()]
    k = c.whole(1, size)
    c.set(k=k)
    c.set(sorted=1 if c.chance() else None)
    return (x, ints(k)) if c.has("K") else (x,)


def compress(c):
    x = data(c)
    axis = c.maybe("axis", None, *range(-x.ndim if c.since >= 11 else 0, x.ndim))
    size = x.size if axis is None else x.shape[axis]
    return x, c.make("condition", (c.whole(1, size),))


# ---- shapes

def concat(c):
    shape = list(c.shape(1))
    axis = c.axis(len(shape))
    found = []
    for _ in range(c.whole(1, 3)):
        shape[axis] = c.whole(0, 3)
        found.append(c.make(0, shape))
    return found


def split(c):
    x = data(c)
    axis = c.axis()
    size = x.shape[axis]
    borders = sorted(c.whole(0, size) for _ in range(c.whole(0, 2)))
    parts = np.diff([0, *borders, size])
    if c.chance(.4):
        count = c.rng.choice([n for n in range(1, size + 1) if size % n == 0])
        c.n_outputs = count
        c.set(num_outputs=count)
        c.decided.add("split")
        return x,
    c.n_outputs = len(parts)
    if c.since == 2 or "split" in c.schema.attributes:
        c.set(split=parts.tolist())
        return x,
    c.decided.add("num_outputs")
    return (x, ints(*parts))


def slice_(c):
    x = c.x(1, 4)
    axes = c.rng.sample(range(x.ndim), c.whole(1, x.ndim))
    far = c.pick(0, 0, 1)
    starts = [c.whole(-x.shape[a] - far, x.shape[a] + far) for a in axes]
    ends = [c.pick(c.whole(-x.shape[a] - far, x.shape[a] + far), x.shape[a], 1 << 30) for a in axes]
    if c.since < 10:
        c.set(starts=starts, ends=ends, axes=axes)
        return x,
    dtype = c.type_of("starts")
    axes = [a - x.ndim if c.signed() and c.chance(.3) else a for a in axes]
    steps = [c.pick(1, 1, 2, -1, -2) for _ in axes]
    found = [np.array(v, dtype) for v in (starts, ends, axes, steps)]
    return (x, *found[:c.pick(3, 4)])


def pad(c):
    mode = c.maybe("mode", "constant", "reflect", "edge", *["wrap"] * (c.since >= 19))
    x = c.x(1, 4, False)
    most = [2 if mode == "constant" else d - 1 for d in x.shape]
    pads = [c.whole(-(d > 2) if mode == "constant" else 0, m) for d, m in zip([*x.shape] * 2, most * 2)]
    if c.since < 11:
        c.set(paddings=pads, pads=pads)
        c.maybe("value", 0., 1.5)
        return x,
    value = c.optional("constant_value", ()) if mode == "constant" else None
    if c.has("axes") and c.chance():
        axes = c.rng.sample(range(x.ndim), c.whole(1, x.ndim))
        pads = [pads[a] for a in axes] + [pads[a + x.ndim] for a in axes]
        axes = [a - x.ndim if c.chance(.3) else a for a in axes]
        return x, ints(*pads), value, np.array(axes, c.type_of("axes"))
    return x, ints(*pads), value


def reshape(c):
    x = c.x()
    sizes = list(x.shape)
    c.rng.shuffle(sizes)
    joined = [prod(sizes[:1]), *sizes[1:]] if c.chance() else [prod(sizes[:2]), *sizes[2:]]
    joined = joined or [1]
    zero = c.maybe("allowzero", 0, 1)
    if x.size and c.chance(.4):
        joined[c.whole(0, len(joined) - 1)] = -1
    elif x.size and not zero and c.chance(.4):
        joined = [0 if i < x.ndim and d == x.shape[i] else d for i, d in enumerate(joined)]
    elif not x.size and not zero:
        joined = list(x.shape)
    c.set(shape=joined, consumed_inputs=[0])
    return (x, ints(*joined)) if c.has("shape") else (x,)


def expand(c):
    x = c.x()
    target = [c.whole(1, 3) if d == 1 else c.pick(1, d) for d in x.shape]
    target = [c.whole(1, 3)] * c.whole(0, 2) + target[c.whole(0, x.ndim) if c.chance(.2) else 0:]
    return x, ints(*target)


def squeeze(c):
    shape = [1 if c.chance() else d for d in c.shape(1, 4)]
    x = c.x(shape=shape)
    ones = [i for i, d in enumerate(shape) if d == 1]
    axes = c.rng.sample(ones, c.whole(1, len(ones))) if ones and c.chance(.7) else None
    return with_axes(c, x, axes, x.ndim)


def unsqueeze(c):
    x = c.x(0, 3)
    more = c.whole(1, 2)
    return with_axes(c, x, c.rng.sample(range(x.ndim + more), more), x.ndim + more)


def with_axes(c, x, axes, rank):
    c.decided.add("axes")
    if axes is None:
        return x,
    axes = [a - rank if c.signed() and c.chance(.3) else a for a in axes]
    c.set(axes=axes)
    return (x, ints(*axes)) if c.has("axes") else (x,)


def tile(c):
    x = c.x(1, 4)
    if c.since == 1:
        return x, np.array(c.whole(1, 3), x.dtype), np.array(c.whole(0, x.ndim - 1), x.dtype)
    return x, ints(*(c.pick(1, 1, 2, 3, 0) for _ in x.shape))


def space_to_depth(c):
    b = c.pick(1, 2, 3)
    c.set(blocksize=b)
    c.maybe("mode", "DCR", "CRD")
    if c.op_type == "DepthToSpace":
        return c.x(shape=(c.whole(1, 2), b * b * c.whole(1, 2), c.whole(1, 3), c.whole(1, 3))),
    return c.x(shape=(c.whole(1, 2), c.whole(1, 3), b * c.whole(1, 2), b * c.whole(1, 2))),


def center_crop_pad(c):
    x = data(c)
    axes = c.rng.sample(range(x.ndim), c.whole(1, x.ndim)) if c.chance() else None
    c.set(axes=axes)
    return x, np.array([c.whole(1, 5) for _ in (axes or x.shape)], c.type_of("shape"))


def reverse_sequence(c):
    x = c.x(2, 4, False)
    batch = c.maybe("batch_axis", 1, 0)
    time = 1 - batch
    c.maybe("time_axis", 0, time) if time == 0 else c.set(time_axis=time)
    return x, c.numbers.integers(1, x.shape[time] + 1, x.shape[batch])


def trilu(c):
    x = c.x(2, 4)
    return x, np.array(c.whole(-4, 4)) if c.chance() else None


def eye_like(c):
    c.maybe("k", 0, -2, 1)
    c.maybe("dtype", None, 1, 6, 7, 10, 11)
    return c.x(shape=c.shape(2, 2)),


INPUTS = by_name({
    center_crop_pad: "CenterCropPad", compress: "Compress", concat: "Concat",
    space_to_depth: "DepthToSpace SpaceToDepth", expand: "Expand", eye_like: "EyeLike", gather: "Gather",
    gather_elements: "GatherElements", gather_nd: "GatherND", one_hot: "OneHot", pad: "Pad",
    reshape: "Reshape", reverse_sequence: "ReverseSequence", scatter_elements: "Scatter ScatterElements",
    scatter_nd: "ScatterND", slice_: "Slice", split: "Split", squeeze: "Squeeze",
    tensor_scatter: "TensorScatter", tile: "Tile", top_k: "TopK", trilu: "Trilu", unsqueeze: "Unsqueeze",
})
