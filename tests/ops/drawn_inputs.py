"""What schemas do not say of an operator's inputs and attributes: data of drawn_nodes.py.

`c` is the Case that is drawn: `c.x(...)` is the first input, `c.make(name, shape)` another one, both of the
types that the schema allows; `c.maybe(attribute, default, *others)` and `c.set` decide an attribute, the others
follow by schema.
"""
from __future__ import annotations

from math import prod

import numpy as np

INT = np.int64
F32, F64, F16 = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.float16)


def ints(*values) -> np.ndarray:
    return np.array(values, INT)


# ---- windows

def picture(c, least=1, most=3, low=3, high=6, **limits):
    spatial = [c.whole(low, high) for _ in range(c.whole(least, most))]
    return c.x(shape=(c.whole(1, 2), c.whole(1, 4), *spatial), **limits)


def window(c, spatial, kernel, padded=True):
    """strides, dilations, and pads or auto_pad, so that something is left."""
    n = len(spatial)
    c.maybe("strides", None, [c.whole(1, 3) for _ in range(n)])
    auto = c.maybe("auto_pad", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID") if padded else "NOTSET"
    # with SAME onnxruntime's pools pad as if there were none
    some = [c.whole(1, 2) for _ in range(n)]
    dilations = c.maybe("dilations", None, *[some] * (auto[:4] != "SAME")) or [1] * n
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
    fits = all(r <= s for r, s in zip(reach, spatial))
    if not fits:
        c.set(dilations=[1] * n)
    c.decided.add("pads")
    if padded and auto == "NOTSET" and c.chance():
        c.set(pads=[c.whole(0, k - 1) for k in [*kernel, *kernel]])


def conv(c, w=1):
    x = picture(c)
    channels, n = x.shape[1], x.ndim - 2
    group = c.maybe("group", 1, *(g for g in (2, 3, 4) if channels % g == 0))
    kernel = [c.whole(1, 3) for _ in range(n)]
    c.maybe("kernel_shape", None, kernel)
    window(c, x.shape[2:], kernel)
    return x, c.make(w, (group * c.whole(1, 3), channels // group, *kernel))


def conv_with_bias(c):
    x, w = conv(c)
    return x, w, c.optional("B", (len(w),))


def conv_transpose(c):
    x = picture(c, low=1, high=4)
    channels, n = x.shape[1], x.ndim - 2
    group = c.maybe("group", 1, *(g for g in (2, 3, 4) if channels % g == 0))
    kernel = [c.whole(1, 3) for _ in range(n)]
    c.maybe("kernel_shape", None, kernel)
    strides = c.maybe("strides", None, [c.whole(1, 3) for _ in range(n)]) or [1] * n
    dilations = c.maybe("dilations", None, [c.whole(1, 2) for _ in range(n)]) or [1] * n
    c.decided |= {"pads", "output_shape"}
    how = c.pick("pads", "pads", "auto_pad", "output_shape")
    if how == "output_shape":
        full = [(d - 1) * s + (k - 1) * a + 1 for d, s, k, a in zip(x.shape[2:], strides, kernel, dilations)]
        c.set(output_shape=[max(1, d - c.whole(0, 2)) for d in full])
    if how == "pads" and min(x.shape[2:]) > 1:
        c.set(pads=[c.whole(0, min(1, k - 1)) for k in [*kernel, *kernel]])
    c.maybe("auto_pad", *(("NOTSET",) if how != "auto_pad" else ("SAME_UPPER", "SAME_LOWER", "VALID")))
    c.maybe("output_padding", None, [c.whole(0, s - 1) for s in strides])
    w = c.make("W", (channels, c.whole(1, 3), *kernel))
    return x, w, c.optional("B", (w.shape[1] * group,))


def conv_integer(c):
    x, w = conv(c)
    zero = c.optional("x_zero_point", (), low=0)
    return x, w, zero, c.optional("w_zero_point", c.pick((), (len(w),))) if zero is not None else None


def qlinear_conv(c):
    x, w = conv(c, 3)
    per = c.pick((), (len(w),))
    return (x, scale(c, "x_scale", ()), c.make("x_zero_point", (), 0), w, scale(c, "w_scale", per),
            np.zeros_like(c.make("w_zero_point", per)) if c.chance() else c.make("w_zero_point", per),
            scale(c, "y_scale", ()), c.make("y_zero_point", (), 0),
            c.optional("B", (len(w),), low=-50, high=50))


def pool(c):
    x = picture(c, high=7)
    kernel = [c.whole(1, 3) for _ in x.shape[2:]]
    c.set(kernel_shape=kernel)
    window(c, x.shape[2:], kernel)
    return x,


def max_unpool(c):
    x = picture(c, most=2, low=1, high=3)
    k = c.whole(1, 3)
    n = x.ndim - 2
    c.set(kernel_shape=[k] * n, strides=[k] * n if k > 1 or c.chance() else None)
    c.maybe("pads", None, [0] * 2 * n)
    total = [(d - 1) * k + k for d in x.shape[2:]]
    room = prod(x.shape[:2]) * prod(total)
    places = np.array(c.rng.sample(range(room), x.size), INT).reshape(x.shape)
    return x, places, ints(*x.shape[:2], *total) if c.chance(.3) else None


def deform_conv(c):
    x = picture(c, 2, 2)
    channels = x.shape[1]
    group = c.maybe("group", 1, channels)
    groups = c.maybe("offset_group", 1, channels)
    kernel = [c.whole(1, 3), c.whole(1, 3)]
    c.maybe("kernel_shape", None, kernel)
    window(c, x.shape[2:], kernel, padded=False)
    pads = c.maybe("pads", None, [1, 0, 1, 1]) or [0] * 4
    if "pads" not in c.attributes:
        c.set(pads=[0] * 4)
    strides, dilations = (c.attributes.get(name, [1, 1]) for name in ("strides", "dilations"))
    size = [(d + pads[i] + pads[i + 2] - (kernel[i] - 1) * dilations[i] - 1) // strides[i] + 1
            for i, d in enumerate(x.shape[2:])]
    w = c.make("W", (group * c.whole(1, 2), channels // group, *kernel))
    taps = groups * prod(kernel)
    return (x, w, c.make("offset", (len(x), 2 * taps, *size), -2, 2), c.optional("B", (len(w),)),
            c.optional("mask", (len(x), taps, *size), low=0, high=1))


def col2im(c):
    n = c.pick(2, 2, 1, 3)
    block = [c.whole(1, 3) for _ in range(n)]
    size = [c.whole(3, 6) for _ in range(n)]
    strides = c.maybe("strides", None, [c.whole(1, 2) for _ in range(n)]) or [1] * n
    dilations = c.maybe("dilations", None, [1] * n) or [1] * n
    pads = c.maybe("pads", None, [c.whole(0, 1) for _ in range(2 * n)]) or [0] * 2 * n
    windows = prod((size[i] + pads[i] + pads[i + n] - dilations[i] * (block[i] - 1) - 1) // strides[i] + 1
                   for i in range(n))
    return c.x(shape=(c.whole(1, 2), c.whole(1, 3) * prod(block), windows)), ints(*size), ints(*block)


def resize(c):
    n = c.whole(1, 2)
    mode = c.maybe("mode", "nearest", "linear", "cubic")
    shape = c.pick((1, 2), (), (2, 1)) + tuple(c.whole(2, 5) for _ in range(n if mode != "cubic" else 2))
    x, rank = c.x(shape=shape), len(shape)
    kept = rank - (2 if mode == "cubic" else n)
    way = c.maybe("coordinate_transformation_mode", "half_pixel", "align_corners", "asymmetric",
                  "pytorch_half_pixel", *["half_pixel_symmetric"] * (c.since >= 19), "tf_crop_and_resize")
    c.maybe("nearest_mode", "round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    c.maybe("antialias", 0, *[1] * (mode != "nearest" and way != "tf_crop_and_resize"))
    c.maybe("exclude_outside", 0, *[1] * (mode == "cubic"))
    c.maybe("cubic_coeff_a", -.75, -.5)
    c.set(extrapolation_value=1.5 if way == "tf_crop_and_resize" else None)
    axes = None
    if c.since >= 18 and c.chance(.3):
        axes = list(range(kept, rank))
        c.set(axes=axes)
    c.decided.add("axes")
    count = rank if axes is None else len(axes)
    lead = rank - kept if axes is not None else 0
    same, scaled = count - (rank - kept), rank - kept
    factors = np.array([1.] * same + [c.pick(.5, 1, 1.5, 2, .75, 2.5) for _ in range(scaled)], F32)
    if c.since < 11:
        return x, factors
    roi = None
    if way == "tf_crop_and_resize":
        roi = np.array([0.] * same + [.25] * scaled + [1.] * same + [.75] * scaled, c.type_of("roi"))
    elif c.since < 13:
        roi = np.zeros(0, c.type_of("roi"))
    c.decided.add("keep_aspect_ratio_policy")
    if c.chance():
        return x, roi, factors
    if way != "tf_crop_and_resize" and lead:
        c.maybe("keep_aspect_ratio_policy", "stretch", "not_larger", "not_smaller")
    sizes = [int(max(1, d * f)) for d, f in zip(shape[rank - count:], factors)]
    return x, roi, None if c.since >= 13 else np.zeros(0, F32), ints(*sizes)


def upsample(c):
    mode = c.maybe("mode", "nearest", "linear" if c.since >= 7 else "bilinear")
    x = c.x(shape=(1, c.whole(1, 3), c.whole(1, 4), c.whole(1, 4)))
    factors = [1., 1., float(c.pick(1, 2, 3, 1.5)), float(c.pick(1, 2, 3))]
    if c.since >= 9:
        return x, np.array(factors, F32)
    c.set(scales=factors, height_scale=factors[2], width_scale=factors[3])
    return x,


def grid_sample(c):
    n = c.pick(2, 2, 3) if c.since >= 20 else 2
    x = c.x(shape=(c.whole(1, 2), c.whole(1, 3), *(c.whole(2, 5) for _ in range(n))))
    c.maybe("mode", *(("linear", "nearest", *["cubic"] * (n == 2)) if c.since >= 20
                      else ("bilinear", "nearest", "bicubic")))
    c.maybe("padding_mode", "zeros", "border", "reflection")
    # no place is halfway between two elements
    grid = c.make("grid", (len(x), *(c.whole(1, 4) for _ in range(n)), n), -1, 1)
    return x, (grid * grid.dtype.type(1.09)).astype(grid.dtype)


def affine_grid(c):
    n = c.pick(2, 2, 3)
    theta = c.x(shape=(c.whole(1, 2), n, n + 1))
    # where corners are aligned and there is one place, nobody agrees
    least = 1 + c.maybe("align_corners", 0, 1)
    return theta, ints(len(theta), c.whole(1, 3), *(c.whole(least, 4) for _ in range(n)))


# ---- detection

def corners(c, count, dtype, limit=6):
    low = c.numbers.integers(0, 4 * limit, (count, 2)) / 4
    return np.concatenate([low, low + c.numbers.integers(1, 4 * limit, (count, 2)) / 4], 1).astype(dtype)


def non_max_suppression(c):
    batch, classes, boxes = c.whole(1, 2), c.whole(1, 3), c.whole(1, 8)
    scores = np.array(c.rng.sample(range(100), boxes), F32) / 100        # no two are equal
    limits = ints(c.whole(1, 5)), np.array([c.pick(.3, .5)], F32), np.array([c.pick(.1, .4)], F32)
    each = [[c.rng.sample(scores.tolist(), boxes) for _ in range(classes)] for _ in range(batch)]
    return (np.stack([corners(c, boxes, F32) for _ in range(batch)]), np.array(each, F32),
            *limits[:c.whole(0, 3)])


def roi_align(c):
    x = picture(c, 2, 2, 4, 8)
    count = c.whole(0, 3)
    c.maybe("mode", "avg", "max")
    c.maybe("coordinate_transformation_mode", "half_pixel", "output_half_pixel")
    c.maybe("output_height", 1, 2, 3)
    c.maybe("output_width", 1, 2)
    c.maybe("sampling_ratio", 0, 1, 2)
    return x, corners(c, count, x.dtype), c.numbers.integers(0, len(x), count)


def max_roi_pool(c):
    x = picture(c, 2, 2, 4, 8)
    count = c.whole(1, 3)
    c.set(pooled_shape=[c.whole(1, 3), c.whole(1, 3)])
    batches = c.numbers.integers(0, len(x), (count, 1))
    return x, np.concatenate([batches, np.floor(corners(c, count, F64))], 1).astype(x.dtype)


# ---- normalization

def per_channel(c, x, names, **limits):
    return [c.make(name, (x.shape[1],), **limits) for name in names]


def batch_normalization(c):
    x = c.x(shape=(c.whole(1, 3), c.whole(1, 4), *c.shape(0, 2, False)))
    one = 1 if len(c.schema.inputs) and c.has("scale") else None
    training = c.maybe("training_mode", 0, 1)
    c.set(is_test=1)
    c.set(consumed_inputs=[0, 0, 0, 1, 1])
    c.set(spatial=1 if one and c.chance() else None)
    c.n_outputs = 3 if training else 1
    vectors = [c.make(i, (x.shape[1],)) for i in (1, 2, 3)]
    return (x, *vectors, np.abs(c.make(4, (x.shape[1],))) + vectors[0].dtype.type(.5))


def instance_normalization(c):
    x = picture(c, 1, 3)
    c.set(consumed_inputs=[0] * 3)
    return (x, *per_channel(c, x, ("scale", "B")))


def group_normalization(c):
    groups, of = c.whole(1, 3), c.whole(1, 3)
    x = c.x(shape=(c.whole(1, 2), groups * of, *c.shape(1, 2, False)))
    c.set(num_groups=groups)
    size = groups if c.since < 21 else groups * of
    return (x, *(c.make(name, (size,)) for name in ("scale", "bias")))


def layer_normalization(c):
    x = c.x(1, 4, False)
    axis = c.axis()
    c.set(stash_type=1 if c.chance() else None)
    scale = c.make(1, x.shape[axis:])
    if c.op_type == "RMSNormalization":
        return x, scale
    c.n_outputs = c.pick(1, 1, 2, 3)
    return x, scale, c.optional("B", x.shape[axis:])


def dropout(c):
    x = c.x()
    c.set(is_test=1, consumed_inputs=[0])
    c.n_outputs = 1 if c.since < 10 else c.pick(1, 2)
    training = np.array(False) if c.has("training_mode") and c.chance() else None
    return x, c.optional("ratio", (), low=0, high=.5), training


def lrn(c):
    c.set(size=c.pick(1, 3, 5))
    return c.x(shape=(c.whole(1, 2), c.whole(1, 7), *(c.whole(1, 4) for _ in range(c.pick(2, 2, 1))))),


def prelu(c):
    x = c.x(2, 4, False)
    shape = c.pick((1,), x.shape[1:2])
    if c.since >= 7:
        shape = [c.pick(1, d) for d in x.shape[c.whole(0, x.ndim):]]
    return x, c.make("slope", shape)


# ---- matrices

def gemm(c):
    m, k, n = (c.whole(1, 5) for _ in range(3))
    a, b = c.maybe("transA", 0, 1), c.maybe("transB", 0, 1)
    c.set(broadcast=1)
    bias = c.pick((m, n), (n,), (m, 1), (1, n), ()) if c.since >= 7 else c.pick((m, n), (n,))
    last = c.make("C", bias) if c.since < 11 or c.chance() else None
    return c.x(shape=(k, m) if a else (m, k)), c.make("B", (n, k) if b else (k, n)), last


def matrices(c):
    m, k, n = (c.whole(1, 5) for _ in range(3))
    lead = c.shape(0, 2, False)
    a = (*lead, m, k) if c.chance(.8) else (k,)
    return a, (*lead[c.whole(0, len(lead)):], k, n) if c.chance(.8) else (k,)


def mat_mul(c):
    a, b = matrices(c)
    return c.x(shape=a), c.make("B", b)


def mat_mul_integer(c):
    a, b = matrices(c)
    zero = c.optional("a_zero_point", (), low=0)
    return c.x(shape=a), c.make("B", b), zero, c.optional("b_zero_point", ()) if zero is not None else None


def qlinear_mat_mul(c):
    a, b = matrices(c)
    return (c.x(shape=a), scale(c, "a_scale", ()), c.make("a_zero_point", (), 0),
            c.make("b", b), scale(c, "b_scale", ()), c.make("b_zero_point", ()),
            scale(c, "y_scale", ()), c.make("y_zero_point", (), 0))


EQUATIONS = [("ij,jk->ik", "23 34"), ("bij,bjk->bik", "223 234"), ("ij->ji", "23"), ("ii->i", "33"),
             ("ij,ij", "23 23"), ("...i,...i->...", "213 13"), ("ij,kj", "23 43"), ("ij->", "23"),
             (" i , j -> ij ", "2 3"), ("ijk,k,j->i", "234 4 3"), ("bhqd,bhkd->bhqk", "1232 1242"),
             ("...ij->...ji", "1234")]


def einsum(c):
    equation, sizes = c.rng.choice(EQUATIONS)
    c.set(equation=equation)
    return [c.make(0, map(int, size)) for size in sizes.split()]


# ---- places

def data(c, least=1):
    return c.x(least, 4, False)


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


# ---- making and converting

def constant_of_shape(c):
    kind = c.pick("float32", "int64", "int32", "bool", "float16", "float64", "uint8")
    c.set(value=np.array([c.whole(0, 3)], kind) if c.chance(.7) else None)
    return ints(*c.shape()),


def constant(c):
    ways = dict(value=c.array(c.pick("float32", "int64", "bool"), c.shape()), value_float=1.5, value_int=7,
                value_string="ab", value_floats=[1., 2.], value_ints=[1, 2], value_strings=["a", "b"])
    known = [name for name in ways if name in c.schema.attributes]
    c.decided |= c.schema.attributes.keys()
    name = c.rng.choice(known)
    c.set(**{name: ways[name]})
    return ()


def range_(c):
    step = c.pick(1, 2, 3) * (1 if c.type_of(0).kind == "u" else c.pick(1, -1))
    count = c.whole(0, 5)
    start = c.whole(0, 3) if step > 0 else 20
    c.decided.add("stash_type")
    return tuple(np.array(v, c.type_of(0)) for v in (start, start + step * count, step))


CODES = [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 16]


def cast(c):
    names = "FLOAT", "INT32", "INT64", "UINT8", "BOOL", "DOUBLE", "FLOAT16"
    c.set(to=c.rng.choice(CODES) if c.since >= 6 else c.pick(*names))
    c.decided |= {"saturate", "round_mode"}
    return c.x(),


def cast_like(c):
    c.decided |= {"saturate", "round_mode"}
    return c.x(), c.make("target_type", c.shape())


def bit_cast(c):
    x = c.x()
    size = x.dtype.itemsize
    c.set(to=c.rng.choice({1: [2, 3], 2: [4, 5, 10], 4: [1, 6, 12], 8: [7, 11, 13]}.get(size, [7])))
    return x,


def scale(c, name, shape):
    return np.array(c.numbers.choice([.25, .5, 1, 2], shape), c.type_of(name))


def blocks(c, x):
    """axis and the shape of scales: one for all, one along an axis, one a block."""
    ways = ["all"] + ["axis"] * (c.since >= 13 and x.ndim > 0) + ["blocks"] * (c.since >= 21 and x.ndim > 0)
    way = c.rng.choice(ways)
    c.decided |= {"axis", "block_size"}
    if way == "all":
        return ()
    axis = c.axis()
    if way == "axis":
        return x.shape[axis:axis + 1]
    block = c.rng.choice([n for n in range(1, x.shape[axis] + 1) if x.shape[axis] % n == 0])
    c.set(block_size=block)
    return (*x.shape[:axis], x.shape[axis] // block, *x.shape[axis + 1:])


def quantize_linear(c):
    x = c.x(0, 4, False, low=-40, high=40)
    per = blocks(c, x)
    zero = c.optional("y_zero_point", per, low=0, high=20)
    c.set(output_dtype=c.pick(2, 3) if zero is None and c.chance() else None)
    c.decided |= {"saturate", "precision"}
    return x, scale(c, "y_scale", per), zero


def dequantize_linear(c):
    x = c.x(0, 4, False, low=-100, high=100)
    per = blocks(c, x)
    c.maybe("output_dtype", 0, 1, 10)
    return x, scale(c, "x_scale", per), c.optional("x_zero_point", per) if x.dtype != np.int32 else None


# ---- signals

def dft(c):
    x = c.x(shape=(*c.shape(1, 3, False), c.pick(1, 2)))
    axis = c.whole(0, x.ndim - 2)
    length = np.array(c.whole(1, 5), c.type_of("dft_length")) if c.chance() else None
    inverse, one = c.maybe("inverse", 0, 1), c.maybe("onesided", 0, *[1] * (x.shape[-1] == 1))
    if inverse and one:
        c.attributes.pop("inverse", None)
    if c.has("axis"):
        at = np.array(axis if c.chance() else axis - x.ndim)
        return x, length, at if x.ndim > 2 or c.chance() else None
    c.set(axis=axis)
    return x, length


def stft(c):
    x = c.x(shape=(c.whole(1, 2), c.whole(8, 12), 1))
    length = c.whole(2, 6)
    return (x, np.array(c.whole(1, 3), c.type_of("frame_step")), c.optional("window", (length,), low=0),
            np.array(length, c.type_of("frame_length")))


def one_size(c):
    c.maybe("output_datatype", 1, 10, 11)
    return np.array(c.whole(1, 9), c.type_of(0)),


def mel_weights(c):
    c.maybe("output_datatype", 1, 11)
    ints_, floats = c.type_of(0), c.type_of(3)
    return (*(np.array(v, ints_) for v in (c.whole(2, 6), c.pick(16, 32), 8000)),
            np.array(c.pick(0, 100), floats), np.array(4000, floats))


# ---- sequences in time

def recurrent(c):
    length, batch, size, hidden = (c.whole(1, 3) for _ in range(4))
    direction = c.maybe("direction", "forward", "reverse", "bidirectional")
    d = 2 if direction == "bidirectional" else 1
    c.maybe("layout", 0)
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[c.op_type]
    c.set(hidden_size=hidden)
    c.maybe("clip", None, *[1.] * (c.op_type != "LSTM"))
    c.maybe("output_sequence", 0, 1)
    c.maybe("linear_before_reset", 0, 1)
    c.maybe("input_forget", 0)
    c.decided |= {"activation_alpha", "activation_beta", "activations"}
    lens = c.numbers.integers(1, length + 1, batch).astype(np.int32) if c.chance(.3) else None
    more = ()
    if c.op_type == "LSTM":
        more = c.optional("initial_c", (d, batch, hidden)), c.optional("P", (d, 3 * hidden))
    c.n_outputs = c.whole(1, 2)
    return (c.x(shape=(length, batch, size), low=-1, high=1), c.make("W", (d, gates * hidden, size), -1, 1),
            c.make("R", (d, gates * hidden, hidden), -1, 1), c.optional("B", (d, 2 * gates * hidden)), lens,
            c.optional("initial_h", (d, batch, hidden)), *more)


def attention(c):
    batch, kv, per, q, k, size, out = (c.whole(1, most) for most in (2, 2, 2, 3, 4, 3, 3))
    heads = kv * per
    c.types["T2"] = c.type_of("Q")                      # onnxruntime has no others; nor has cinfer
    flat = c.chance(.4)
    if flat:
        c.set(q_num_heads=heads, kv_num_heads=kv)
    c.decided |= {"q_num_heads", "kv_num_heads", "softmax_precision", "left_window_size", "right_window_size",
                  "qk_matmul_output_mode"}
    c.maybe("scale", None, .5)
    c.maybe("softcap", 0., 2.)
    past = c.chance(.3)
    before = c.whole(1, 2) if past else 0
    c.n_outputs = 3 if past else 1

    def of(name, heads, length, size):
        return c.make(name, (batch, length, heads * size) if flat else (batch, heads, length, size), -1, 1)
    keys = k + before
    mask = c.optional("attn_mask", c.pick((q, keys), (1, 1, q, keys), (batch, heads, q, keys)))
    more = [c.make(name, (batch, kv, before, d))
            for name, d in (("past_key", size), ("past_value", out)) if past]
    return of("Q", heads, q, size), of("K", kv, k, size), of("V", kv, k, out), mask, *more


def rotary(c):
    batch, heads, length, half = c.whole(1, 2), c.whole(1, 3), c.whole(1, 3), c.whole(1, 3)
    flat = c.chance(.4)
    c.set(num_heads=heads if flat else None)
    part = c.whole(1, half)
    c.set(rotary_embedding_dim=2 * part if part < half else None)
    at = c.numbers.integers(0, 5, (batch, length)) if c.chance() else None
    cache = (5, part) if at is not None else (batch, length, part)
    x = c.x(shape=(batch, length, heads * half * 2) if flat else (batch, heads, length, 2 * half))
    return x, c.make("cos_cache", cache), c.make("sin_cache", cache), at


def causal_conv(c):
    batch, channels, length, k = c.whole(1, 2), c.whole(1, 3), c.whole(1, 4), c.whole(1, 4)
    c.maybe("activation", "none", "silu", "swish")
    return (c.x(shape=(batch, channels, length)), c.make("weight", (channels, 1, k)),
            c.optional("bias", (channels,)), c.optional("past_state", (batch, channels, k - 1)))


def linear_attention(c):
    batch, length, heads, size, out = (c.whole(1, most) for most in (2, 3, 2, 3, 3))
    rule = c.maybe("update_rule", "gated_delta", "linear", "gated", "delta")
    c.set(q_num_heads=heads, kv_num_heads=heads)
    c.maybe("scale", 0., .5)
    c.maybe("chunk_size", 64, 1, 2)
    c.n_outputs = 2
    row = batch, length, heads * size
    return (c.x(shape=row, low=-1, high=1), c.make("key", row, -1, 1),
            c.make("value", (batch, length, heads * out), -1, 1),
            c.optional("past_state", (batch, heads, size, out), low=-1, high=1),
            c.make("decay", (batch, length, heads), -1, 0) if "gated" in rule else None,
            c.make("beta", (batch, length, heads), 0, 1) if "delta" in rule else None)


# ---- losses and words

def loss(c):
    batch, classes = c.whole(1, 3), c.whole(2, 4)
    more = c.shape(0, 2, False)
    c.maybe("reduction", "mean", "sum", "none")
    c.maybe("ignore_index", None, 0)
    if c.op_type == "SoftmaxCrossEntropyLoss":
        c.n_outputs = c.whole(1, 2)
    labels = c.numbers.integers(0, classes, (batch, *more)).astype(c.type_of(1))
    return c.x(shape=(batch, classes, *more)), labels, c.optional(c.names[2], (classes,), low=1)


def string_normalizer(c):
    c.maybe("case_change_action", "NONE", "LOWER", "UPPER")
    c.maybe("stopwords", None, ["a", "b"])
    c.maybe("locale", None)
    return c.x(shape=c.pick((3,), (1, 4))),


def tf_idf(c):
    c.set(mode=c.pick("TF", "IDF", "TFIDF"), min_gram_length=c.pick(1, 2), max_gram_length=2,
          max_skip_count=c.whole(0, 2), ngram_counts=[0, 2], ngram_indexes=[0, 1, 2, 3])
    c.maybe("weights", None, [1., 2., 3., .5])
    c.decided |= {"pool_int64s", "pool_strings"}
    x = c.x(shape=c.pick((6,), (2, 5)), low=0)
    if x.dtype == object:
        c.set(pool_strings=["a", "b", "a", "b", "b", "a"])
    else:
        c.set(pool_int64s=[0, 1, 0, 1, 2, 2])
    return x,


FUNCTIONS = {
    affine_grid: "AffineGrid", attention: "Attention", pool: "AveragePool LpPool MaxPool",
    batch_normalization: "BatchNormalization", bit_cast: "BitCast",
    one_size: "BlackmanWindow HammingWindow HannWindow", cast: "Cast", cast_like: "CastLike",
    causal_conv: "CausalConvWithState", center_crop_pad: "CenterCropPad", col2im: "Col2Im",
    compress: "Compress", concat: "Concat", constant: "Constant", constant_of_shape: "ConstantOfShape",
    conv_with_bias: "Conv", conv_integer: "ConvInteger", conv_transpose: "ConvTranspose", dft: "DFT",
    deform_conv: "DeformConv", space_to_depth: "DepthToSpace SpaceToDepth",
    dequantize_linear: "DequantizeLinear", dropout: "Dropout", einsum: "Einsum", expand: "Expand",
    eye_like: "EyeLike", recurrent: "GRU LSTM RNN", gather: "Gather", gather_elements: "GatherElements",
    gather_nd: "GatherND", gemm: "Gemm", grid_sample: "GridSample",
    group_normalization: "GroupNormalization", instance_normalization: "InstanceNormalization",
    lrn: "LRN", layer_normalization: "LayerNormalization RMSNormalization",
    linear_attention: "LinearAttention", mat_mul: "MatMul", mat_mul_integer: "MatMulInteger",
    max_roi_pool: "MaxRoiPool", max_unpool: "MaxUnpool", mel_weights: "MelWeightMatrix",
    loss: "NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss", non_max_suppression: "NonMaxSuppression",
    prelu: "PRelu", one_hot: "OneHot", pad: "Pad", qlinear_conv: "QLinearConv",
    qlinear_mat_mul: "QLinearMatMul", quantize_linear: "QuantizeLinear", range_: "Range",
    reshape: "Reshape", resize: "Resize", reverse_sequence: "ReverseSequence", roi_align: "RoiAlign",
    rotary: "RotaryEmbedding", stft: "STFT", scatter_elements: "Scatter ScatterElements",
    scatter_nd: "ScatterND", slice_: "Slice", split: "Split", squeeze: "Squeeze",
    string_normalizer: "StringNormalizer", tensor_scatter: "TensorScatter", tf_idf: "TfIdfVectorizer",
    tile: "Tile", top_k: "TopK", trilu: "Trilu", unsqueeze: "Unsqueeze", upsample: "Upsample",
}
INPUTS = {name: function for function, names in FUNCTIONS.items() for name in names.split()} | {
    "Det": lambda c: [c.x(shape=(*c.shape(0, 2, False), *[c.whole(1, 4)] * 2))],
    "MeanVarianceNormalization": lambda c: [picture(c, 2, 2)], **dict.fromkeys(
        ("GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool"), lambda c: [picture(c)])}

# operator or (operator, attribute) -> values besides the default; or a function that decides
ATTRIBUTES = {
    "axis": lambda c: c.axis(), "axes": lambda c: c.maybe("axes", None, c.axes()), "p": (1, 2, 3),
    "consumed_inputs": ([0],), "approximate": ("none", "tanh"), "perm": lambda c: c.maybe(
        "perm", None, c.rng.sample(range(c.rank), c.rank)),
    ("BitShift", "direction"): ("LEFT", "RIGHT"), ("LpNormalization", "p"): (1, 2),
    ("MeanVarianceNormalization", "axes"): lambda c: c.maybe("axes", [0, 2, 3], [0, 1, 2, 3], [2, 3]),
    ("Shape", "start"): (0, 1, -1), ("Shape", "end"): (1, 2, -1), "max": (1.,), "min": (-1.,),
    ("Unique", "axis"): lambda c: c.maybe("axis", None, *range(c.rank)),
    ("RegexFullMatch", "pattern"): ("a.*", "[ab]+", ""), ("StringSplit", "delimiter"): (" ", "a"),
    ("StringSplit", "maxsplit"): (1, 2), ("Flatten", "axis"): lambda c: c.axis(c.rank + 1),
    "momentum": (.9, .5), "seed": (1.,), "low": (0., .1), "high": (1., 2.), "sample_size": (3,), "dtype": (1, 11),
    ("Multinomial", "dtype"): (6, 7), ("Bernoulli", "dtype"): (1, 9), "shape": ([2, 3],),
}

# (operator, input by position or name) -> least and largest value
RANGES = {("Div", 1): (1, 3), ("Mod", 1): (1, 3), ("Pow", 1): (0, 3), ("BitShift", 1): (0, 7),
          ("Bernoulli", 0): (0, 1), ("ReduceLogSum", 0): (1, 3)}

# (operator, type variable) -> types that are tried, where the schema allows more than anybody runs
LIMITS = {("Attention", "U"): (np.dtype(bool), F32, F16), **dict.fromkeys(
    # each rounds integers that it resizes in a way of its own
    (("Col2Im", "T"), ("Resize", "T1"), ("Resize", "T"), ("Upsample", "T")), (F32, F64, F16))}

ORT, REFERENCE, ONE = "onnxruntime", "reference", "one of them"
# operator -> (whose answer is the standard's where they answer differently, why); that of onnxruntime, where it
# alone answers, is right unless the reference is named
DISPUTED = {
    "AffineGrid": (ORT, "the reference answers in float32"),
    "Attention": (REFERENCE, "onnxruntime's causal mask leaves past keys out of account"),
    "AveragePool": (ORT, "the reference leaves dilations out of the sizes of VALID"),
    "BatchNormalization": (ORT, "the reference mixes in the statistics of the batch in opset 9"),
    "CastLike": (REFERENCE, "onnxruntime writes -1.0 as -1"),
    "ConvTranspose": (ORT, "the reference adds the bias of the wrong channel with groups"),
    "Dropout": (REFERENCE, "onnxruntime's mask of opset 10 is what is dropped"),
    "Gather": (REFERENCE, "onnxruntime copies the first string of several"),
    "GRU": (ORT, "the reference knows neither clip nor sequence_lens"),
    "GlobalMaxPool": (ORT, "the reference reduces one axis too few"),
    "GridSample": (ORT, "the reference computes places in the type of the grid"),
    "Hardmax": (ORT, "the reference has no matrices of opset 1"),
    "LRN": (ORT, "the reference sums over as many channels as there are pictures"),
    "LSTM": (ORT, "the reference knows no sequence_lens"),
    "LayerNormalization": (ORT, "mean and deviation are of stash_type"),
    "LogSoftmax": (ORT, "the reference has no matrices of opset 1"),
    "LpNormalization": (ORT, "the reference adds signed elements with p=1"),
    "LpPool": (ORT, "the reference reads behind the input in ceil_mode, and knows no dilations of VALID"),
    "MaxPool": (ONE, "the reference has other indices and pads; onnxruntime's order of equals with storage_order"),
    "NonZero": (REFERENCE, "onnxruntime has an axis for a scalar"),
    "QLinearConv": (ORT, "the reference adds the zero point before it rounds"),
    "QLinearMatMul": (ORT, "the reference adds the zero point before it rounds"),
    "RNN": (ORT, "the reference knows neither clip nor sequence_lens"),
    "ReduceLogSumExp": (REFERENCE, "of integers onnxruntime computes in integers, the standard in doubles"),
    "ReduceMean": (ONE, "of no floats onnxruntime says 0, of no integers the reference the lowest"),
    "ReduceSumSquare": (ORT, "the reference answers in int64"),
    "Resize": (ONE, "onnxruntime rounds sizes before it crops or aligns corners; the reference puts one pixel elsewhere"),
    "RoiAlign": (ORT, "the reference shifts by half a pixel in opset 10"),
    "Slice": (ORT, "the reference has no element where a start before the first goes back"),
    "Softmax": (ORT, "the reference has no matrices of opset 1"),
    "StringNormalizer": (ORT, "the reference leaves out empty words"),
    "StringSplit": (REFERENCE, "an empty string has one part with a delimiter"),
    "Unique": (ORT, "the reference takes other slices along an axis where sorted is 0"),
    "Unsqueeze": (ORT, "the reference inserts unsorted axes one after another"),
}

# attribute, or (operator, attribute) -> why it is not drawn
UNDRAWN = {
    "saturate": "of types of eight bits, which onnxruntime cannot be fed", "round_mode": "the same",
    "precision": "the same", "activations": "test_recurrent.py", "activation_alpha": "test_recurrent.py",
    "activation_beta": "test_recurrent.py",
    "softmax_precision": "test_attention.py", "qk_matmul_output_mode": "test_attention.py",
    "left_window_size": "test_attention.py", "right_window_size": "test_attention.py",
    "sparse_value": "onnxruntime makes a dense tensor of it as it loads", "locale": "what the system has",
    ("Dropout", "seed"): "nothing is dropped",
    ("LSTM", "clip"): "neither clips as the standard says; test_recurrent.py",
    ("Range", "stash_type"): "of opset 27, which onnxruntime does not know"}

# operators whose inputs are graphs, sequences or optionals, or which have no schema -> the file that tests them
ELSEWHERE = dict.fromkeys("If Loop Scan SequenceMap".split(), "test_control.py") | dict.fromkeys(
    "ConcatFromSequence SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength "
    "SplitToSequence Optional OptionalGetElement OptionalHasElement".split(), "test_sequences.py") | {
    "ImageDecoder": "test_imagedecoder.py", "SimplifiedLayerNormalization": "test_microsoft_floats.py"}
