"""Pools and movement of random quantised graphs: of floats between DequantizeLinear and QuantizeLinear, or of the
stored integers."""
from __future__ import annotations

import numpy as np

from quantized_graph import F32, Graph
from quantized_nodes import activation, adder, instead, is_8_bit


# ---- pools

@adder(3)
def pool(g: Graph):
    x, rng = g.picture(), g.rng
    shape = g.values[x].shape
    rank = len(shape) - 2
    kind = rng.choice(("MaxPool", "MaxPool", "AveragePool", "AveragePool"))
    k = [rng.randint(1, min(3, size)) for size in shape[2:]]
    attributes = dict(kernel_shape=k, strides=[rng.randint(1, n) for n in k])
    if rng.random() < 0.2:
        attributes["auto_pad"] = rng.choice(("SAME_UPPER", "SAME_LOWER", "VALID"))
    else:
        attributes["pads"] = [rng.randint(0, (n - 1) // 2) for n in k * 2]
        if rng.random() < 0.4 and g.opset >= 19 - 9 * (kind == "MaxPool"):
            attributes["ceil_mode"] = 1
    if kind == "AveragePool" and rng.random() < 0.4:
        attributes["count_include_pad"] = 1
    if kind == "MaxPool" and rng.random() < 0.5 and rank < 3 and is_8_bit(g, x):
        return g.enter(g.add(kind, x, **attributes), *g.stored[x])
    if kind == "AveragePool" and rng.random() < 0.4 and is_8_bit(g, x):
        return instead(g, lambda: g.add(kind, g.real(x), **attributes),
                       lambda *y: g.own("QLinearAveragePool", x, *g.stored[x], *y, **attributes), g.values[x].dtype)
    y = g.add(kind, g.real(x), **attributes)
    like = x if kind == "MaxPool" and rng.random() < 0.5 else None
    g.quantize(y if like else activation(g, y), like=like)


@adder(1.5)
def global_pool(g: Graph):
    x, rng = g.picture(), g.rng
    if rng.random() < 0.3 and is_8_bit(g, x):
        return instead(g, lambda: g.add("GlobalAveragePool", g.real(x)),
                       lambda *y: g.own("QLinearGlobalAveragePool", x, *g.stored[x], *y, channels_last=0),
                       g.values[x].dtype)
    kind = rng.choice(("GlobalAveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean"))
    axes = [*range(2, g.values[x].ndim)]
    if kind == "ReduceMean":
        keepdims = rng.randint(0, 1)
        y = g.add(kind, g.real(x), np.array(axes), keepdims=keepdims) if g.opset >= 18 else \
            g.add(kind, g.real(x), axes=axes, keepdims=keepdims)
    else:
        y = g.add(kind, g.real(x))
    g.quantize(y)


# ---- movement

@adder(2)
def resize(g: Graph):
    x, rng = g.picture((4,)), g.rng
    mode = rng.choice(("nearest", "nearest", "linear"))
    how = dict(mode=mode, coordinate_transformation_mode=rng.choice(
        ("asymmetric", "half_pixel", "align_corners") if mode == "linear" else ("asymmetric", "half_pixel")))
    if mode == "nearest":
        how["nearest_mode"] = rng.choice(("floor", "round_prefer_floor"))
    scales = rng.choice(((2, 2), (2, 2), (1, 2), (3, 2), (1.5, 1.5), (0.5, 0.5)))
    if how["coordinate_transformation_mode"] == "align_corners":    # of a size that is not whole: another opinion
        scales = rng.choice(((2, 2), (3, 2)))
    scales = np.array([1, 1, *scales], F32)
    if mode == "nearest" and rng.random() < 0.4 and is_8_bit(g, x):
        return g.enter(g.add("Resize", x, None, scales, **how), *g.stored[x])
    y = g.add("Resize", g.real(x), None, scales, **how)
    g.quantize(y, like=x if rng.random() < 0.5 else None)


def moved(g: Graph, x: str, move) -> None:
    """move : adds nodes to a name; done to the integers, or between DequantizeLinear and QuantizeLinear"""
    if g.rng.random() < 0.4 and g.opset >= 13 and is_8_bit(g, x):
        return g.enter(move(x), *g.stored[x])
    g.quantize(move(g.real(x)), like=x if g.rng.random() < 0.6 else None)


@adder(1.5)
def pad(g: Graph):
    x, rng = g.picture((3, 4)), g.rng
    shape = g.values[x].shape
    mode = rng.choice(("constant", "constant", "reflect", "edge"))
    rank = len(shape)
    pads = [0] * (2 * rank)
    for axis in range(2 if rng.random() < 0.8 else 1, rank):
        for side in (0, rank):
            pads[axis + side] = rng.randint(0, min(2, shape[axis] - 1))
    how = {} if mode == "constant" else dict(mode=mode)
    if mode == "constant" and rng.random() < 0.5:
        if rng.random() < 0.5 and is_8_bit(g, x) and g.opset >= 13:
            return g.enter(g.add("Pad", x, np.array(pads), g.zero(x).reshape(())), *g.stored[x])
        y = g.add("Pad", g.real(x), np.array(pads), F32.type(rng.choice((0, -1, 0.5)) * g.size))
        return g.quantize(y)
    g.quantize(g.add("Pad", g.real(x), np.array(pads), **how), like=x if rng.random() < 0.5 else None)


@adder(1.5)
def part(g: Graph):
    x, rng = g.pick(lambda a: a.ndim > 1 and a.size), g.rng
    shape = g.values[x].shape
    axis = 1 if g.free or rng.random() < 0.6 else rng.randrange(len(shape))
    begin = rng.randrange(shape[axis])
    end, step = rng.randint(begin + 1, shape[axis]), rng.choice((1, 1, 2))
    moved(g, x, lambda v: g.add("Slice", v, *(np.array([n]) for n in (begin, end, axis, step))))


@adder(1.5)
def split(g: Graph):
    x, rng = g.pick(lambda a: a.ndim > 1 and a.shape[1] > 1), g.rng
    shape = g.values[x].shape
    if g.free or shape[1] % 2 or rng.random() < 0.5:
        first = rng.randint(1, shape[1] - 1)
        sizes = [np.array([first, shape[1] - first])]
    else:
        sizes = []
    how = dict(axis=1, **(dict(num_outputs=2) if g.opset >= 18 and not sizes else {}))
    if rng.random() < 0.4 and is_8_bit(g, x):
        for y in g.add("Split", x, *sizes, n=2, **how):
            g.enter(y, *g.stored[x])
        return
    like = x if rng.random() < 0.5 else None
    for y in g.add("Split", g.real(x), *sizes, n=2, **how):
        g.quantize(y, like=like)


@adder(0.7)
def gathered(g: Graph):
    """Channels in another order, some more than once."""
    x = g.pick(lambda a: a.ndim > 1 and a.size)
    order = g.numbers().integers(0, g.values[x].shape[1], g.rng.randint(1, 20))
    moved(g, x, lambda v: g.add("Gather", v, order, axis=1))


@adder(1, any_size=False)
def turned(g: Graph):
    x = g.pick(lambda a: a.ndim > 1)
    perm = [*range(g.values[x].ndim)]
    g.rng.shuffle(perm)
    moved(g, x, lambda v: g.add("Transpose", v, perm=perm))


@adder(1, any_size=False)
def reshaped(g: Graph):
    x, rng = g.pick(lambda a: a.ndim > 1 and a.size), g.rng
    shape = g.values[x].shape
    kind = rng.choice(("Flatten", "Reshape", "Reshape", "Unsqueeze"))
    if kind == "Flatten":
        return moved(g, x, lambda v: g.add("Flatten", v, axis=rng.randint(0, 2)))
    if kind == "Unsqueeze" and g.opset >= 13:
        return moved(g, x, lambda v: g.add("Unsqueeze", v, np.array([rng.randint(0, 1)])))
    sizes = rng.choice(([0, -1], [-1], [0, 0, -1], [0, -1, shape[-1]]))[:max(1, len(shape))]
    moved(g, x, lambda v: g.add("Reshape", v, np.array(sizes)))


@adder(0.7)
def depth_and_space(g: Graph):
    x = g.pick(lambda a: a.ndim == 4 and a.shape[1] % 4 == 0)
    moved(g, x, lambda v: g.add("DepthToSpace", v, blocksize=2, mode=g.rng.choice(("DCR", "CRD"))))
