"""Windowed operators of any attributes, alone and in a row, against their meaning in NumPy."""
from itertools import product
from random import Random

import numpy as np
import pytest

from cinfer import _ops

import random_nodes as nodes
from evaluated_graph import Graph
from random_graphs import random_graph
from random_nodes import window
from watched import hold

CHANNELS = (1, 3, 15, 16, 17, 33)
F32 = np.float32
SEEDS = 25


def sizes(rng: Random, least: int = 1) -> list[int]:
    return [rng.choice((1, 2, 3, 4, 5, 7, 9)) for _ in range(rng.choice((1, 2, 2, 2, 3)))]


def picture(g: Graph, channels: int, spatial) -> str:
    """A picture: an input, what a Conv or a Transpose made of one, or elements of every other column."""
    rng, n = g.rng, g.rng.choice((1, 1, 2))
    how = rng.random()
    if how < 0.4:
        return g.input(n, channels, *spatial)
    if how < 0.75:
        ic = rng.choice((1, 3, 16))
        x = g.input(n, ic, *spatial)
        return g.add("Conv", x, g.weights(channels, ic, *[1] * len(spatial)), g.array((channels,)))
    if how < 0.9:
        return g.add("Transpose", g.input(n, *spatial, channels),
                     perm=[0, len(spatial) + 1, *range(1, len(spatial) + 1)],
                     keeps=True)
    x = g.input(n, channels, *spatial[:-1], 2 * spatial[-1])
    return g.add("Slice", x, np.array([1]), np.array([2 * spatial[-1]]), np.array([-1]), np.array([2]),
                 keeps=True)


def conv(g: Graph, x: str, rank: int, channels: int):
    rng = g.rng
    how = rng.random()
    group = channels if how < 0.2 else 1
    if 0.2 <= how < 0.5:
        group = rng.choice([d for d in range(1, channels + 1) if channels % d == 0])
    oc = group * rng.choice((1, 1, 2, 16)) if group > 1 else rng.choice(CHANNELS)
    attributes = window(rng, rank)
    b = [g.array((oc,))] if rng.random() < 0.5 else []
    return g.add("Conv", x, g.weights(oc, channels // group, *attributes["kernel_shape"]), *b, group=group,
                 **attributes)


def conv_transpose(g: Graph, x: str, rank: int, channels: int):
    rng, shape = g.rng, g.values[x].shape
    group = rng.choice([1, 1, *(d for d in range(1, channels + 1) if channels % d == 0)])
    oc = group * rng.choice((1, 2, 16)) if group > 1 else rng.choice(CHANNELS)
    attributes = window(rng, rank)
    strides = attributes.get("strides", [1] * rank)
    if rng.random() < 0.4:
        attributes["output_padding"] = [rng.randint(0, s) for s in strides]
    if rng.random() < 0.3:
        attributes["output_shape"] = [max(1, d * s + rng.randint(-4, 4)) for d, s in zip(shape[2:], strides)]
    if rng.random() < 0.4:
        nodes.crop(rng, shape[2:], attributes)
    w = (g.array((channels, oc // group, *attributes["kernel_shape"])) / channels ** 0.5).astype(np.float32)
    return g.add("ConvTranspose", x, w, *([g.array((oc,))] if rng.random() < 0.5 else []), group=group,
                 **attributes)


def pool(g: Graph, x: str, rank: int, channels: int, op: str):
    rng = g.rng
    attributes = window(rng, rank, pool=True)
    if rng.random() < 0.5:
        attributes["ceil_mode"] = 1
    if op == "LpPool":
        attributes["p"] = rng.choice((1, 2, 3))
    if op == "AveragePool":
        attributes["count_include_pad"] = rng.randint(0, 1)
    return g.add(op, x, keeps=op == "MaxPool", **attributes)


def max_pool(g, x, rank, channels):
    if x in g.exact and g.rng.random() < 0.2:               # and its inverse
        attributes = window(g.rng, rank, pool=True)
        attributes.pop("auto_pad", None)
        attributes.pop("dilations", None)
        found = g.add("MaxPool", x, n=2, keeps=True, **attributes)
        return found and g.add("MaxUnpool", *found, keeps=True, **attributes)
    return pool(g, x, rank, channels, "MaxPool")


def average_pool(g, x, rank, channels):
    return pool(g, x, rank, channels, "AveragePool")


def lp_pool(g, x, rank, channels):
    return pool(g, x, rank, channels, "LpPool")


def global_pool(g, x, rank, channels):
    return g.add(g.rng.choice(("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")), x)


def pad(g: Graph, x: str, rank: int, channels: int):
    """A Pad, and most often a Conv or pool that may take it into its window."""
    rng = g.rng
    mode = rng.choice(("constant", "constant", "constant", "reflect", "edge", "wrap"))
    pads = [rng.choice((0, 1, 2, 5)) if i % (rank + 2) > 1 or rng.random() < 0.1 else 0
            for i in range(2 * (rank + 2))]
    value = [np.float32(rng.choice((0, 0, 0, 1)))] if mode == "constant" and rng.random() < 0.7 else []
    y = g.add("Pad", x, np.array(pads), *value, mode=mode, keeps=True)
    if y and rng.random() < 0.8:
        y = rng.choice((conv, max_pool, average_pool))(g, y, rank, g.values[y].shape[1]) or y
    return y


def blocks(g: Graph, x: str, rank: int, channels: int):
    """DepthToSpace, SpaceToDepth or Col2Im."""
    rng = g.rng
    if rank == 2:
        r = rng.choice([r for r in (1, 2, 3, 4) if channels % r ** 2 == 0])
        if rng.random() < 0.5:
            return g.add("DepthToSpace", x, blocksize=r, mode=rng.choice(("DCR", "CRD")), keeps=True)
        return g.add("SpaceToDepth", x, blocksize=rng.choice((1, 2, 3)), keeps=True)
    k = [rng.randint(1, 3), rng.randint(1, 3)]
    picture = [rng.randint(2, 5) + max(k), rng.randint(2, 5) + max(k)]
    windows = (picture[0] - k[0] + 1) * (picture[1] - k[1] + 1)
    columns = g.input(1, channels * k[0] * k[1], windows)
    return g.add("Col2Im", columns, np.array(picture), np.array(k), keeps=True)


def resize(g: Graph, x: str, rank: int, channels: int):
    """By sizes or scales, in all modes."""
    rng, shape = g.rng, g.values[x].shape
    mode = rng.choice(("nearest", "linear", "cubic"))
    attributes = dict(mode=mode, coordinate_transformation_mode=rng.choice((
        "half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric")))
    if mode == "nearest":
        attributes["nearest_mode"] = rng.choice(("floor", "ceil", "round_prefer_floor", "round_prefer_ceil"))
    if mode == "cubic" and rng.random() < 0.5:
        attributes |= dict(exclude_outside=1, cubic_coeff_a=-0.5)
    if mode != "nearest" and rng.random() < 0.2:
        attributes["antialias"] = 1
    factors = [rng.choice((0.5, 1, 1.5, 2, 3)) for _ in range(rank)]
    if rng.random() < 0.5:
        return g.add("Resize", x, None, np.array([1, 1, *factors], np.float32), **attributes)
    found = [max(1, int(d * f) + rng.randint(-1, 1)) for d, f in zip(shape[2:], factors)]
    return g.add("Resize", x, None, None, np.array([*shape[:2], *found]), **attributes)


KINDS = (conv, conv_transpose, max_pool, average_pool, lp_pool, global_pool, pad, blocks, resize)
OPSETS = {resize: (19,), lp_pool: (18, 22), average_pool: (19, 22), pad: (19, 21)}


def one(kind, seed: int) -> Graph:
    """An operator on a picture, and what may be fused with it."""
    rng = Random(seed)
    while True:
        g = Graph(rng, rng.choice(OPSETS.get(kind, (13, 18, 22))))
        spatial, channels = sizes(rng), rng.choice(CHANNELS)
        x = picture(g, channels, spatial)
        y = x and kind(g, x, len(spatial), g.values[x].shape[1])
        if not y:
            continue
        how = rng.random()
        if how < 0.3:
            g.add("Relu", y, keeps=True)
        elif how < 0.5:
            y = g.add("Add", y, g.input(*g.values[y].shape)) or y
            g.add("Clip", y, np.float32(0), np.float32(6))
        elif how < 0.7:
            g.add("Conv", y, g.weights(16, g.values[y].shape[1], *[1] * len(spatial)))
        return g.finish()


@pytest.mark.parametrize("isa", _ops.usable_levels())
@pytest.mark.parametrize("kind", KINDS)
def test_operator_means_what_numpy_says(kind, isa):
    for seed in range(SEEDS * (4 if kind is conv_transpose else 2 if kind in (conv, pad) else 1)):
        hold(one(kind, seed), f"{kind.__name__} seed {seed}", isa)


ROWS = [(lambda g, kind=kind: (x := g.pick(nodes.pictures)) and kind(g, x, g.values[x].ndim - 2,
                                                                      g.values[x].shape[1]),
         1.0) for kind in KINDS if kind is not resize]
ROWS += [(adder, 1.0) for adder in (nodes.concat, nodes.split, nodes.binary, nodes.residual,
                                    nodes.shuffle,
                                    nodes.squeeze_excite, nodes.transpose)]
ROWS += [(lambda g: (x := g.pick(nodes.picture)) and nodes.activation(g, x), 2.0)]


@pytest.mark.parametrize("isa", _ops.usable_levels())
@pytest.mark.parametrize("block", range(3))
def test_several_in_a_row_mean_what_numpy_says(block, isa):
    for seed in range(block * SEEDS, (block + 1) * SEEDS):
        rng = Random(seed)
        shape = (rng.choice((1, 2)), rng.choice(CHANNELS), *sizes(rng))
        hold(random_graph(rng, 22, ROWS, 3, 8, shape), f"seed {seed}", isa)


# ---- all windows of a few elements, many in one graph

def axes(op: str, size: int) -> list[tuple]:
    """(kernel, stride, dilation, begin, end) along an axis of so many elements."""
    found = []
    for k in range(1, 5):
        for s, d in product((1, 2, 3, 4), (1, 2) if k > 1 else (1,)):
            reach = (k - 1) * d + 1
            full = (size - 1) * s + reach if op == "ConvTranspose" else size
            most = min(full - 1, reach) if op == "ConvTranspose" else k - 1 if op.endswith("Pool") else reach
            found += [(k, s, d, b, e) for b in range(most + 1) for e in range(most + 1)
                      if (full - b - e >= 1 if op == "ConvTranspose" else full + b + e >= reach)]
    return found


MANY = 60                           # nodes of a graph


@pytest.mark.parametrize("op, ic, oc, group", [
    ("ConvTranspose", 1, 1, 1), ("ConvTranspose", 17, 3, 1), ("ConvTranspose", 16, 17, 1),
    ("ConvTranspose", 4, 4, 2),
    ("Conv", 3, 3, 1), ("Conv", 16, 17, 1), ("Conv", 17, 2, 1), ("Conv", 17, 17, 17), ("Conv", 32, 32, 4),
    ("MaxPool", 17, 17, 1), ("AveragePool", 3, 3, 1)])
def test_every_small_window_means_what_numpy_says(op, ic, oc, group):
    levels, rng = _ops.usable_levels(), Random(f"{op} {ic} {oc} {group}")
    for size in (1, 2, 4):
        listed = axes(op, size)
        rng.shuffle(listed)
        listed = listed[:(4 if ic == 1 else 2) * MANY]      # of one channel they cost least
        for first in range(0, len(listed), MANY):
            g = Graph(rng, 22)
            other = rng.choice((1, 2, 4))
            x = g.add("Relu", g.input(1, ic, size, other), keeps=True) if rng.random() < 0.5 else g.input(1,
                ic, size, other)
            across = axes(op, other)
            for down in listed[first:first + MANY]:
                pair = (down, rng.choice([a for a in across if a[1] == a[0] or rng.random() < 0.5] or across))
                kernel, strides, dilations, begins, ends = ([one[i] for one in pair] for i in range(5))
                where = dict(kernel_shape=kernel, strides=strides, dilations=dilations, pads=[*begins, *ends])
                if op == "Conv":
                    y = g.add(op, x, g.weights(oc, ic // group, *kernel), group=group, **where)
                elif op == "ConvTranspose":
                    y = g.add(op, x, g.array((ic, oc // group, *kernel)) / F32(ic), group=group, **where)
                else:
                    y = g.add(op, x, **where, ceil_mode=rng.randint(0, 1), **(
                        dict(count_include_pad=rng.randint(0, 1)) if op == "AveragePool" else {}))
                if y and rng.random() < 0.2:
                    g.add("Relu", y, keeps=True)
            hold(g.finish(0), f"{op} ic={ic} oc={oc} group={group} size={size}",
                 levels[-1 - first // MANY % len(levels)])
