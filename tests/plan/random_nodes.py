"""One random node, or a few that belong together, onto a graph: ADDERS, with their weights.

Each takes the graph and may add nothing.
"""
from __future__ import annotations

from random import Random

import numpy as np

from evaluated_graph import F32, Graph

CHANNELS = (1, 2, 3, 4, 8, 15, 16, 17, 24, 32, 33)

ADDERS: list = []


def adder(weight: float = 1):
    def register(function):
        ADDERS.append((function, weight))
        return function
    return register


def floats(array) -> bool:
    return array.dtype == F32


def picture(array) -> bool:
    return array.dtype == F32 and array.ndim in (3, 4) and array.size > 0


def pictures(array) -> bool:
    return array.dtype == F32 and array.ndim in (3, 4, 5) and array.size > 0


def window(rng: Random, rank: int, most: int = 4, *, pool=False) -> dict:
    """kernel_shape, strides, dilations and pads or auto_pad, some of them left out; a pool's pads are smaller
    than its window."""
    def numbers(least, most):
        return [rng.randint(least, most) for _ in range(rank)]
    kernel = numbers(1, most) if rng.random() < 0.6 else [rng.choice((1, 2, 3, 3, 5))] * rank
    found = dict(kernel_shape=kernel)
    how = rng.random()
    if how < 0.2:                                   # windows side by side
        found["strides"] = list(kernel)
    elif how < 0.7:
        found["strides"] = numbers(1, 3) if rng.random() < 0.5 else [rng.choice((1, 2, 2, 3))] * rank
    if rng.random() < 0.25:
        found["dilations"] = numbers(1, 3)
    how = rng.random()
    if how < 0.25:
        found["auto_pad"] = rng.choice(("SAME_UPPER", "SAME_LOWER", "VALID"))
    elif how < 0.9:
        beyond = rng.choice((0, 0, 0, 1, 4, 9)) if not pool else 0
        limits = [k - 1 + beyond for k in kernel] * 2
        found["pads"] = [rng.randint(0, limit) for limit in limits] if rng.random() < 0.7 else \
            [k // 2 for k in kernel] * 2
    return found


def crop(rng: Random, sizes, attributes: dict) -> None:
    """Pads that leave few elements of a ConvTranspose."""
    rank = len(sizes)
    of = [attributes.get(k, [1] * rank) for k in ("kernel_shape", "strides", "dilations")]
    full = [(n - 1) * s + (k - 1) * d + 1 for n, k, s, d in zip(sizes, *of)]
    cut = [max(0, n - rng.choice((1, 1, 2, 3, n))) for n in full]
    begins = [rng.randint(0, n) for n in cut]
    attributes["pads"] = [*begins, *(n - b for n, b in zip(cut, begins))]
    for name in ("auto_pad", "output_shape"):
        attributes.pop(name, None)


@adder(5)
def conv(g: Graph):
    x = g.pick(pictures)
    if x is None:
        return
    shape = g.values[x].shape
    ic, rank = shape[1], len(shape) - 2
    how = g.rng.random()
    if how < 0.2:
        group, oc = ic, ic * g.rng.choice((1, 1, 1, 2))
    elif how < 0.45:
        group = g.rng.choice([d for d in range(1, ic + 1) if ic % d == 0])
        oc = group * g.rng.choice((1, 2, 3, 8, 16))
    else:
        group, oc = 1, g.rng.choice(CHANNELS)
    attributes = window(g.rng, rank)
    if g.rng.random() < 0.35:                       # 3x3 and 1x1 in whole blocks: the fast paths
        k = g.rng.choice((1, 3))
        attributes = dict(kernel_shape=[k] * rank, pads=[k // 2] * 2 * rank)
    b = [g.array((oc,))] if g.rng.random() < 0.6 else []
    if group > 1:
        attributes["group"] = group
    y = g.add("Conv", x, g.weights(oc, ic // group, *attributes["kernel_shape"]), *b, **attributes)
    if y and g.rng.random() < 0.5:
        activation(g, y)


@adder(2)
def conv_transpose(g: Graph):
    x = g.pick(pictures)
    if x is None:
        return
    shape, rng = g.values[x].shape, g.rng
    ic, rank = shape[1], len(shape) - 2
    group = 1 if rng.random() < 0.7 else rng.choice([d for d in range(1, ic + 1) if ic % d == 0])
    oc = group * rng.choice((1, 2, 3, 8, 16, 17)) if group > 1 else rng.choice(CHANNELS)
    attributes = window(rng, rank)
    strides = attributes.get("strides", [1] * rank)
    if rng.random() < 0.3:
        attributes["output_padding"] = [rng.randint(0, max(0, s - 1)) for s in strides]
    if rng.random() < 0.2:
        attributes["output_shape"] = [max(1, d * s + rng.randint(-2, 2)) for d, s in zip(shape[2:], strides)]
    if group > 1:
        attributes["group"] = group
    if rng.random() < 0.3:
        crop(rng, shape[2:], attributes)
    w = (g.array((ic, oc // group, *attributes["kernel_shape"])) / max(1, ic // group) ** 0.5).astype(F32)
    y = g.add("ConvTranspose", x, w, *([g.array((oc,))] if rng.random() < 0.5 else []), **attributes)
    if y and rng.random() < 0.5:
        activation(g, y)


@adder(3)
def pool(g: Graph):
    x = g.pick(pictures)
    if x is None:
        return
    rng, rank = g.rng, g.values[x].ndim - 2
    op = rng.choice(("MaxPool", "MaxPool", "AveragePool", "AveragePool", "LpPool", "GlobalAveragePool",
                     "GlobalMaxPool", "GlobalLpPool"))
    if op.startswith("Global"):
        return g.add(op, x, keeps=op == "GlobalMaxPool")
    attributes = window(rng, rank, pool=True)
    if op == "LpPool":
        attributes.pop("dilations", None)
        attributes["p"] = rng.choice((1, 2, 3))
    if op == "AveragePool":
        attributes["count_include_pad"] = rng.randint(0, 1)
        if g.opset < 19:
            attributes.pop("dilations", None)
    if rng.random() < 0.4:
        attributes["ceil_mode"] = 1
    if op == "MaxPool" and x in g.exact and rng.random() < 0.15:
        return g.add(op, x, n=2, keeps=True, storage_order=rng.randint(0, 1), **attributes)
    g.add(op, x, keeps=op == "MaxPool", **attributes)


@adder(1)
def resize(g: Graph):
    x = g.pick(picture)
    if x is None:
        return
    rng, a = g.rng, g.values[x]
    mode = rng.choice(("nearest", "linear", "linear", "cubic"))
    # sums of scales and of halves must not land on borders by chance of rounding
    scales = [1, 1] + [rng.choice((1, 2, 2, 3, 0.5, 1.5, 4)) for _ in a.shape[2:]]
    g.add("Resize", x, None, np.array(scales, F32), mode=mode, keeps=False,
          coordinate_transformation_mode=rng.choice(("half_pixel", "asymmetric", "align_corners",
                                                     "pytorch_half_pixel")),
          **(dict(nearest_mode=rng.choice(("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")))
             if mode == "nearest" else {}))


@adder(1)
def depth_space(g: Graph):
    r = g.rng.choice((2, 2, 3))
    if g.rng.random() < 0.5:
        x = g.pick(lambda a: picture(a) and a.ndim == 4 and a.shape[1] % r ** 2 == 0)
        if x:
            g.add("DepthToSpace", x, blocksize=r, mode=g.rng.choice(("DCR", "CRD")), keeps=True)
    else:
        x = g.pick(lambda a: picture(a) and a.ndim == 4 and a.shape[2] % r == a.shape[3] % r == 0)
        if x:
            g.add("SpaceToDepth", x, blocksize=r, keeps=True)


@adder(2)
def pad(g: Graph):
    x = g.pick(lambda a: a.size > 0 and a.ndim > 0 and a.dtype.kind in "fiu")
    if x is None:
        return
    a, rng = g.values[x], g.rng
    mode = rng.choice(("constant", "constant", "reflect", "edge"))
    spatial_only = rng.random() < 0.7 and a.ndim > 2
    least = -1 if rng.random() < 0.15 else 0
    pads = [0 if spatial_only and i % a.ndim < 2 or rng.random() < 0.4 else rng.randint(least, 3)
            for i in range(2 * a.ndim)]
    value = [np.array(rng.choice((0, 0, 1)), a.dtype)] if mode == "constant" and rng.random() < 0.6 else []
    y = g.add("Pad", x, np.array(pads, np.int64), *value, mode=mode, keeps=True)
    if y and picture(g.values[y]) and rng.random() < 0.5:
        oc = rng.choice(CHANNELS)
        rank, ic = a.ndim - 2, g.values[y].shape[1]
        k = [rng.randint(1, 3) for _ in range(rank)]
        op = rng.choice(("Conv", "MaxPool", "AveragePool"))
        if op == "Conv":
            g.add("Conv", y, g.weights(oc, ic, *k), kernel_shape=k, pads=[rng.randint(0, 1) for _ in k * 2])
        else:
            g.add(op, y, kernel_shape=k, pads=[rng.randint(0, n - 1) for n in k * 2])


SMOOTH = ("Sigmoid", "Tanh", "Softplus", "Softsign", "Erf", "Sin", "Cos", "HardSwish", "Exp", "LeakyRelu",
          "Elu",
          "Celu", "Selu", "HardSigmoid", "Mish", "Gelu", "Swish")
KEEP = ("Relu", "Relu", "Relu", "Abs", "Neg", "Identity")
STEPS = ("Floor", "Ceil", "Round", "Sign", "ThresholdedRelu")
POSITIVE = ("Sqrt", "Log", "Reciprocal")


def activation(g: Graph, x: str):
    rng = g.rng
    how = rng.random()
    if how < 0.5:
        return g.add("Relu", x, keeps=True)
    if how < 0.6:
        return g.add("Clip", x, np.float32(rng.choice((-1, 0))), np.float32(rng.choice((1, 6))), keeps=True)
    if how < 0.7:
        shape = g.values[x].shape
        slope = rng.choice(((1,), (shape[1],) + (1,) * (len(shape) - 2) if len(shape) > 1 else (1,), shape))
        return g.add("PRelu", x, g.array(slope) / 4)
    if how < 0.8:
        s = g.add("Sigmoid", x)
        return s and g.add("Mul", *((x, s) if rng.random() < 0.5 else (s, x)))
    unary(g, x)


@adder(3)
def unary(g: Graph, x: str | None = None):
    rng = g.rng
    how = rng.random()
    if how < 0.2 and (y := x if x in g.exact else g.pick(floats, exact=True)):
        op = rng.choice(STEPS)
        return g.add(op, y, keeps=True, **({"alpha": 0.5} if op == "ThresholdedRelu" else {}))
    if how < 0.3 and (y := g.pick(lambda a: floats(a) and a.min(initial=1) >= 0.2)):
        return g.add(rng.choice(POSITIVE), y)
    x = x or g.pick(floats)
    if x is None:
        return
    if how < 0.6:
        return g.add(rng.choice(KEEP), x, keeps=True)
    op = rng.choice(SMOOTH)
    if op in ("Mish",) and g.opset < 18 or op == "Gelu" and g.opset < 20 or op == "Swish" and g.opset < 24:
        op = "Tanh"
    attributes = {}
    if op in ("LeakyRelu", "Elu", "Celu") and rng.random() < 0.5:
        attributes["alpha"] = rng.choice((0.25, 1.5))
    if op == "HardSigmoid" and rng.random() < 0.5:
        attributes = dict(alpha=0.125, beta=0.75)
    g.add(op, x, **attributes)


def other_shape(rng: Random, shape) -> list[int]:
    """A shape that broadcasts to `shape`."""
    kept = [1 if rng.random() < 0.35 else d for d in shape]
    if rng.random() < 0.4:
        kept = kept[rng.randint(0, len(kept)):]
    return kept


@adder(5)
def binary(g: Graph):
    rng = g.rng
    x = g.pick(floats)
    if x is None:
        return
    a = g.values[x]
    how = rng.random()
    if how < 0.3:
        b = g.array(other_shape(rng, a.shape))
    elif how < 0.4:
        b = g.input(*other_shape(rng, a.shape))
    elif how < 0.5:
        lead = [rng.randint(1, 3) for _ in range(rng.randint(0, 2))]
        b = g.input(*lead, *other_shape(rng, a.shape))
    elif how < 0.8:
        b = g.pick(lambda v: floats(v) and v.shape == a.shape)
    else:
        def broadcasts(v):
            try:
                np.broadcast_shapes(v.shape, a.shape)
            except ValueError:
                return False
            return floats(v)
        b = g.pick(broadcasts)
    op = rng.choice(("Add", "Add", "Add", "Sub", "Mul", "Mul", "Div", "Max", "Min", "PRelu", "Sum"))
    divisor = g.values[b] if isinstance(b, str) else b
    if op == "Div" and (np.abs(divisor) < 0.2).any():
        op = "Add"
    pair = (x, b) if rng.random() < 0.6 or op in ("Div", "PRelu") else (b, x)
    y = g.add(op, *pair, keeps=op != "Div")
    if y and rng.random() < 0.3:
        activation(g, y)


@adder(1)
def several(g: Graph):
    x = g.pick(floats)
    if x is None:
        return
    more = [g.pick(lambda v: floats(v) and v.shape == g.values[x].shape) for _ in range(g.rng.randint(0, 3))]
    g.add(g.rng.choice(("Sum", "Max", "Min", "Mean")), x, *more)


@adder(1)
def choose(g: Graph):
    rng = g.rng
    x = g.pick(lambda a: a.dtype.kind in "fi" and a.ndim < 7, exact=True)
    if x is None:
        return
    a = g.values[x]
    b = g.array(other_shape(rng, a.shape), a.dtype) if rng.random() < 0.7 else \
        g.pick(lambda v: v.dtype == a.dtype and v.shape == a.shape, exact=True)
    mask = g.add(rng.choice(("Greater", "Less", "Equal", "GreaterOrEqual", "LessOrEqual")), x, b)
    if mask is None:
        return
    if rng.random() < 0.3:
        mask = g.add("Not", mask)
    if rng.random() < 0.3:
        mask = g.add(rng.choice(("And", "Or", "Xor")), mask, g.array(other_shape(rng, a.shape), bool)) or mask
    other = g.pick(lambda v: v.dtype == a.dtype and v.shape == a.shape)
    g.add("Where", mask, x, other if rng.random() < 0.6 else g.array(other_shape(rng, a.shape), a.dtype),
          keeps=True)


@adder(1)
def cast(g: Graph):
    from onnx import helper
    kind = np.dtype(g.rng.choice(("float32", "float32", "float64", "float16", "int64", "int32", "int8",
                                  "uint8", "bool")))
    x = g.pick(lambda a: (a >= 0).all() if kind.kind == "u" and a.dtype.kind in "fi" else True, exact=True)
    if x:
        g.add("Cast", x, to=int(helper.np_dtype_to_tensor_dtype(kind)), keeps=True)


@adder(3)
def transpose(g: Graph):
    x = g.pick(lambda a: a.ndim > 1)
    if x is None:
        return
    rank = g.values[x].ndim
    if rank == 4 and g.rng.random() < 0.4:
        perm = g.rng.choice(([0, 2, 3, 1], [0, 3, 1, 2]))
    else:
        perm = g.rng.sample(range(rank), rank)
    g.add("Transpose", x, perm=list(perm), keeps=True)


@adder(1)
def turned(g: Graph):
    """A Transpose of many axes, an operator, and what it may take in."""
    x = g.pick(lambda a: a.ndim > 3)
    if x is None:
        return
    rank = g.values[x].ndim
    perm = list(range(rank))[::-1] if g.rng.random() < 0.5 else g.rng.sample(range(rank), rank)
    y = g.add("Transpose", x, perm=perm, keeps=True)
    if y is None or not floats(g.values[y]):
        return
    g.rng.choice((unary, binary, normalize, reduce, matrix, choose, cast, pad))(g)
    z = list(g.values)[-1]
    if floats(g.values[z]) and g.values[z].ndim > 1 and z[0] == "v":
        activation(g, z)


@adder(3)
def reshape(g: Graph):
    rng = g.rng
    x = g.pick(lambda a: a.size > 0)
    if x is None:
        return
    shape = g.values[x].shape
    how = rng.random()
    if how < 0.2:
        return g.add("Flatten", x, axis=rng.randint(0, len(shape)), keeps=True)
    if how < 0.35:
        axes = sorted(rng.sample(range(len(shape) + 1), 1))
        return g.add("Unsqueeze", x, np.array(axes), keeps=True)
    if how < 0.45:
        ones = [i for i, d in enumerate(shape) if d == 1]
        if ones:
            return g.add("Squeeze", x, np.array(rng.sample(ones, rng.randint(1, len(ones)))), keeps=True)
    if how < 0.7 and len(shape) > 1:                # two neighbours become one
        i = rng.randrange(len(shape) - 1)
        new = [*shape[:i], shape[i] * shape[i + 1], *shape[i + 2:]]
    else:                                           # one becomes two
        if not shape:
            return
        i = rng.randrange(len(shape))
        d = rng.choice([d for d in range(1, shape[i] + 1) if shape[i] % d == 0])
        new = [*shape[:i], d, shape[i] // d, *shape[i + 1:]]
    if new and rng.random() < 0.3:
        new[rng.randrange(len(new))] = -1
    g.add("Reshape", x, np.array(new, np.int64), keeps=True)


@adder(2)
def cut(g: Graph):
    rng = g.rng
    x = g.pick(lambda a: a.ndim > 0 and a.size > 0)
    if x is None:
        return
    shape = g.values[x].shape
    axes = rng.sample(range(len(shape)), rng.randint(1, min(2, len(shape))))
    if len(shape) > 1 and rng.random() < 0.5:
        axes = [1]
    starts, ends, steps = [], [], []
    for axis in axes:
        step = rng.choice((1, 1, 1, 2, 3, -1, -2))
        start, end = rng.randint(-shape[axis], shape[axis]), rng.randint(-shape[axis] - 1, shape[axis] + 1)
        if rng.random() < 0.5:
            start, end = (0, shape[axis] - rng.randint(0, 1)) if step > 0 else (-1, -(1 << 40))
        if shape[axis] > 16 and rng.random() < 0.5:
            start, end, step = 16, shape[axis], 1
        starts.append(start), ends.append(end), steps.append(step)
    axes = [a - len(shape) if rng.random() < 0.3 else a for a in axes]
    y = g.add("Slice", x, *(np.array(v, np.int64) for v in (starts, ends, axes, steps)), keeps=True)
    if y and g.values[y].size == 0 and rng.random() < 0.9:      # few empty values
        g.nodes.pop()
        del g.values[y]
        g.exact.discard(y)


@adder(2)
def split(g: Graph):
    rng = g.rng
    x = g.pick(lambda a: a.ndim > 0 and a.size > 0 and max(a.shape) > 1)
    if x is None:
        return
    shape = g.values[x].shape
    axis = rng.choice([i for i, d in enumerate(shape) if d > 1])
    if len(shape) > 1 and shape[1] > 1 and rng.random() < 0.6:
        axis = 1
    d = shape[axis]
    first = rng.choice([c for c in (1, 2, 16, d // 2, d - 1) if 0 < c < d])
    parts = [first, d - first]
    if rng.random() < 0.3 and d - first > 1:
        parts = [first, 1, d - first - 1]
    g.add("Split", x, np.array(parts), n=len(parts), axis=rng.choice((axis, axis - len(shape))), keeps=True)


@adder(3)
def concat(g: Graph):
    rng = g.rng
    x = g.pick(lambda a: a.ndim > 0)
    if x is None:
        return
    a = g.values[x]
    axis = 1 if a.ndim > 1 and rng.random() < 0.7 else rng.randrange(a.ndim)

    def fits(v):
        return v.dtype == a.dtype and v.ndim == a.ndim and all(
            i == axis or v.shape[i] == a.shape[i] for i in range(a.ndim))
    parts = [x]
    for _ in range(rng.randint(1, 3)):
        how = rng.random()
        if how < 0.15:
            shape = list(a.shape)
            shape[axis] = rng.choice((1, 3, 16))
            parts.append(g.array(shape, a.dtype))
        else:
            parts.append(g.pick(fits))
    rng.shuffle(parts)
    g.add("Concat", *parts, axis=rng.choice((axis, axis - a.ndim)), keeps=True)


@adder(1)
def gather(g: Graph):
    rng = g.rng
    x = g.pick(lambda a: a.ndim > 0 and a.size > 0)
    if x is None:
        return
    shape = g.values[x].shape
    axis = 1 if len(shape) > 1 and rng.random() < 0.5 else rng.randrange(len(shape))
    d = shape[axis]
    if rng.random() < 0.3:
        indices = np.array(rng.randint(-d, d - 1))
    elif rng.random() < 0.3:
        indices = np.array([[rng.randint(-d, d - 1) for _ in range(2)] for _ in range(2)])
    else:
        indices = np.array([rng.randint(-d, d - 1) for _ in range(rng.randint(1, 5))])
    g.add("Gather", x, indices, axis=rng.choice((axis, axis - len(shape))), keeps=True)


@adder(1)
def expand(g: Graph):
    x = g.pick(lambda a: a.ndim < 7)
    if x is None:
        return
    shape = [g.rng.randint(1, 3) if d == 1 else g.rng.choice((1, d)) for d in g.values[x].shape]
    lead = [g.rng.randint(1, 2) for _ in range(g.rng.randint(0, 1))]
    if g.rng.random() < 0.6:
        g.add("Expand", x, np.array(lead + shape, np.int64), keeps=True)
    else:
        g.add("Tile", x, np.array([g.rng.choice((1, 1, 2)) for _ in shape], np.int64), keeps=True)


@adder(2)
def reduce(g: Graph):
    rng = g.rng
    x = g.pick(lambda a: floats(a) and a.ndim > 0 and a.size > 0)
    if x is None:
        return
    rank = g.values[x].ndim
    axes = rng.sample(range(rank), rng.randint(1, rank))
    if rank == 4 and rng.random() < 0.4:
        axes = [2, 3]
    axes = [a - rank if rng.random() < 0.3 else a for a in axes]
    op = rng.choice(("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceProd"))
    keepdims = rng.randint(0, 1)
    if op == "ReduceSum" or g.opset >= 18:
        if rng.random() < 0.1:
            return g.add(op, x, keepdims=keepdims, keeps=op in ("ReduceSum", "ReduceMax", "ReduceMin"))
        return g.add(op, x, np.array(axes), keepdims=keepdims,
                     keeps=op in ("ReduceSum", "ReduceMax", "ReduceMin"))
    g.add(op, x, axes=axes, keepdims=keepdims, keeps=op in ("ReduceMax", "ReduceMin"))


@adder(1)
def extreme(g: Graph):
    rng = g.rng
    x = g.pick(lambda a: a.dtype.kind in "fi" and a.ndim > 0 and a.size > 0, exact=True)
    if x is None:
        return
    axis = rng.randrange(-g.values[x].ndim, g.values[x].ndim)
    if rng.random() < 0.5:
        g.add(rng.choice(("ArgMax", "ArgMin")), x, axis=axis, keepdims=rng.randint(0, 1),
              select_last_index=rng.randint(0, 1))
    else:
        d = g.values[x].shape[axis]
        g.add("TopK", x, np.array([rng.randint(1, d)]), n=2, axis=axis, largest=rng.randint(0, 1), keeps=True)


def spread_rows(a, axes) -> bool:
    """Whether a normalisation over these axes is well-conditioned."""
    return bool(a.size) and a.var(axes).min(initial=1) > 0.05


@adder(2)
def normalize(g: Graph):
    rng = g.rng
    op = rng.choice(("Softmax", "Softmax", "LogSoftmax", "BatchNormalization", "BatchNormalization",
                     "InstanceNormalization", "LayerNormalization", "LRN", "LpNormalization",
                     "GroupNormalization"))
    if op in ("Softmax", "LogSoftmax"):
        x = g.pick(lambda a: floats(a) and a.ndim > 0 and a.size > 0)
        return x and g.add(op, x, axis=rng.randrange(-g.values[x].ndim, g.values[x].ndim))
    if op == "BatchNormalization":
        x = g.pick(lambda a: floats(a) and a.ndim > 1 and a.size > 0)
        if x:
            c = g.values[x].shape[1]
            g.add(op, x, g.array((c,)), g.array((c,)), g.array((c,)), np.abs(g.array((c,))) + 0.5,
                  epsilon=1e-3)
        return
    if op == "LRN":
        x = g.pick(pictures)
        return x and g.add(op, x, size=rng.choice((1, 3, 5)), alpha=0.5, beta=0.75, bias=1.0)
    if op == "LpNormalization":
        x = g.pick(lambda a: floats(a) and a.ndim > 0 and a.size > 0)
        return x and g.add(op, x, axis=-1, p=2) if x and np.abs(g.values[x]).sum(-1).min() > 0.2 else None
    if op == "InstanceNormalization":
        x = g.pick(lambda a: pictures(a) and spread_rows(a, tuple(range(2, a.ndim))))
        if x:
            c = g.values[x].shape[1]
            g.add(op, x, g.array((c,)), g.array((c,)), epsilon=1e-2)
        return
    if op == "GroupNormalization" and g.opset >= 21:
        x = g.pick(pictures)
        if x:
            c = g.values[x].shape[1]
            g.add(op, x, g.array((c,)), g.array((c,)),
                  num_groups=rng.choice([d for d in range(1, c + 1) if c % d == 0]), epsilon=0.5)
        return
    x = g.pick(lambda a: floats(a) and a.ndim > 1 and spread_rows(a, -1))
    if x and g.opset >= 17:
        d = g.values[x].shape[-1]
        g.add("LayerNormalization", x, g.array((d,)), *([g.array((d,))] if rng.random() < 0.5 else []),
              axis=-1, epsilon=1e-2)


@adder(2)
def matrix(g: Graph):
    rng = g.rng
    x = g.pick(lambda a: floats(a) and a.ndim > 0 and a.size > 0)
    if x is None:
        return
    a = g.values[x]
    k, n = a.shape[-1], rng.choice((1, 2, 5, 16, 17, 33))
    how = rng.random()
    if how < 0.35:
        y = g.add("MatMul", x, g.weights(n, k).T)
    elif how < 0.5:
        lead = other_shape(rng, a.shape[:-2])
        y = g.add("MatMul", x,
                  g.input(*lead, k, n) if rng.random() < 0.5 else g.array((*lead, k, n)) / max(1, k) ** 0.5)
    elif how < 0.6 and a.ndim > 1:
        y = g.add("MatMul", g.array((n, a.shape[-2])) / max(1, a.shape[-2]) ** 0.5, x)
    elif how < 0.75 and a.ndim > 1:
        turned = g.add("Transpose", x, perm=[*range(a.ndim - 2), a.ndim - 1, a.ndim - 2], keeps=True)
        y = turned and g.add("MatMul", *((x, turned) if rng.random() < 0.5 else (turned, x)))
    elif a.ndim == 2:
        ta, tb = rng.randint(0, 1), rng.randint(0, 1)
        m, k = a.shape[::-1] if ta else a.shape
        w = g.weights(n, k) if tb else g.weights(n, k).T
        c = [] if rng.random() < 0.3 else [g.array(rng.choice(((n,), (1, n), (m, n), (m, 1), (), (1,))))]
        y = g.add("Gemm", x, w, *c, transA=ta, transB=tb, alpha=rng.choice((1.0, 0.5)),
                  beta=rng.choice((1.0, 0.25)))
    else:
        y = g.add("MatMul", x, g.weights(n, k).T.copy())
    if y and rng.random() < 0.4:
        y = g.add("Add", y, g.array((g.values[y].shape[-1:]))) or y if g.values[y].ndim else y
    if y and rng.random() < 0.4:
        activation(g, y)


@adder(1)
def quantize(g: Graph):
    rng = g.rng
    x = g.pick(lambda a: floats(a) and a.ndim > 0 and a.size > 0, exact=True)
    if x is None:
        return
    kind = rng.choice((np.uint8, np.int8))
    axis = rng.randrange(g.values[x].ndim)
    shape = () if rng.random() < 0.5 else (g.values[x].shape[axis],)
    scale = np.full(shape, 0.25, F32) * 2.0 ** np.random.default_rng(rng.randrange(99)).integers(-1, 2, shape)
    zero = np.asarray(g.array(shape, kind))
    more = {} if not shape else dict(axis=axis)
    q = g.add("QuantizeLinear", x, scale.astype(F32), zero, **more)
    if q:
        g.add("DequantizeLinear", q, scale.astype(F32), zero, keeps=True, **more)


# ---- patterns that planners know

@adder(1.5)
def residual(g: Graph):
    x = g.pick(lambda a: picture(a) and a.ndim == 4)
    if x is None:
        return
    c = g.values[x].shape[1]
    k = g.rng.choice((1, 3))
    y = g.add("Conv", x, g.weights(c, c, k, k), g.array((c,)), pads=[k // 2] * 4)
    if y and g.rng.random() < 0.4:
        y = activation(g, y) or y
    if y:
        y = g.add("Add", *g.rng.sample((x, y), 2))
    if y and g.rng.random() < 0.6:
        activation(g, y)


@adder(1)
def squeeze_excite(g: Graph):
    x = g.pick(lambda a: picture(a) and a.ndim == 4)
    if x is None:
        return
    c, m = g.values[x].shape[1], g.rng.choice((1, 4, 16))
    if g.rng.random() < 0.6:
        y = g.add("GlobalAveragePool", x)
    elif g.opset < 18:
        y = g.add("ReduceMean", x, axes=[2, 3], keepdims=1)
    else:
        y = g.add("ReduceMean", x, np.array([2, 3]), keepdims=1)
    y = y and g.add("Conv", y, g.weights(m, c, 1, 1), g.array((m,)))
    y = y and g.add("Relu", y)
    y = y and g.add("Conv", y, g.weights(c, m, 1, 1), g.array((c,)))
    y = y and g.add(g.rng.choice(("Sigmoid", "HardSigmoid")), y)
    y = y and g.add("Mul", *g.rng.sample((x, y), 2))


@adder(1)
def shuffle(g: Graph):
    x = g.pick(lambda a: picture(a) and a.ndim == 4 and a.shape[1] > 3)
    if x is None:
        return
    n, c, h, w = g.values[x].shape
    k = g.rng.choice([d for d in range(1, c + 1) if c % d == 0])
    y = g.add("Reshape", x, np.array([n, k, c // k, h, w]), keeps=True)
    y = y and g.add("Transpose", y, perm=[0, 2, 1, 3, 4], keeps=True)
    y and g.add("Reshape", y, np.array([n, c, h, w]), keeps=True)


@adder(1)
def channels_last(g: Graph):
    """Transpose -> Conv -> Transpose back, as converters from other frameworks write."""
    x = g.pick(lambda a: picture(a) and a.ndim == 4)
    if x is None:
        return
    y = g.add("Transpose", x, perm=[0, 3, 1, 2], keeps=True)
    if y and g.values[y].size:
        c = g.values[y].shape[1]
        y = g.add("Conv", y, g.weights(g.rng.choice(CHANNELS), c, 3, 3), pads=[1] * 4)
        y = y and g.add("Relu", y)
        y and g.add("Transpose", y, perm=[0, 2, 3, 1])
