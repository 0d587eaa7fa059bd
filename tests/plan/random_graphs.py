"""Random graphs of the operators of vision models: of all kinds, of Concats and Splits, quantised, float16.

All choices come from a `random.Random`.
"""
from __future__ import annotations

from random import Random

import numpy as np

from evaluated_graph import F32, Graph
from random_nodes import ADDERS, CHANNELS, floats, picture


def random_graph(rng: Random, opset: int = 17, adders=None, least: int = 2, most: int = 10,
                 shape=None) -> Graph:
    """A graph of some nodes on one picture, or on a tensor of any rank."""
    g = Graph(rng, opset)
    functions, weights = zip(*(adders or ADDERS))
    if shape is None:
        how = rng.random()
        if how < 0.75:
            rank = rng.choice((1, 2, 2, 2, 2, 3))
            shape = (rng.choice((1, 1, 2)), rng.choice(CHANNELS), *(rng.randint(1, 9) for _ in range(rank)))
        elif how < 0.9:
            shape = tuple(rng.randint(1, 4) for _ in range(rng.randint(1, 8)))
        else:                           # more axes than kernels walk, none of which merge once turned
            shape = tuple(rng.choice((2, 2, 3)) for _ in range(rng.randint(5, 8)))
    g.input(*shape)
    wanted = rng.randint(least, most)
    for _ in range(4 * wanted):
        if len(g.nodes) >= wanted:
            break
        rng.choices(functions, weights)[0](g)
    return g.finish()


# ---- many pictures of one size, in whole blocks of channels and not: what lives in whose memory

def same_picture(g: Graph, channels: int | None = None) -> str | None:
    size = g.values[g.inputs[0]].shape
    return g.pick(lambda a: picture(a) and a.shape[:1] == size[:1] and a.shape[2:] == size[2:]
                  and channels in (None, a.shape[1]))


def same_conv(g: Graph):
    x = same_picture(g)
    c, rank = g.values[x].shape[1], g.values[x].ndim - 2
    k, oc = g.rng.choice((1, 3)), g.rng.choice((16, 16, 32, 48, 8, 3))
    group = g.rng.choice((1, 1, 1, c))
    oc = c if group == c else oc
    y = g.add("Conv", x, g.weights(oc, c // group, *[k] * rank), g.array((oc,)), pads=[k // 2] * 2 * rank,
              group=group)
    if y and g.rng.random() < 0.3 and (z := same_picture(g, oc)):
        y = g.add("Add", *g.rng.sample((y, z), 2)) or y
    if y and g.rng.random() < 0.4:
        g.add(g.rng.choice(("Relu", "Tanh")), y)


def same_concat(g: Graph):
    parts = [same_picture(g) for _ in range(g.rng.randint(2, 4))]
    g.add("Concat", *parts, axis=g.rng.choice((1, 1, 1, 1 - g.values[parts[0]].ndim)), keeps=True)


def same_split(g: Graph):
    x = same_picture(g)
    c = g.values[x].shape[1]
    cuts = sorted(g.rng.sample([n for n in range(1, c) if n % 16 == 0 or g.rng.random() < 0.05],
                               k=min(g.rng.randint(1, 2), (c - 1) // 16)))
    sizes = [b - a for a, b in zip([0, *cuts], [*cuts, c])]
    if len(sizes) > 1:
        g.add("Split", x, np.array(sizes), n=len(sizes), axis=1, keeps=True)


def same_slice(g: Graph):
    x = same_picture(g)
    c = g.values[x].shape[1]
    first = g.rng.choice((0, 16, 32, 1))
    last = g.rng.choice((c, c, c - 1, first + 16))
    if first < min(last, c):
        g.add("Slice", x, np.array([first]), np.array([last]), np.array([1]), keeps=True)


def same_view(g: Graph):
    x = same_picture(g)
    op = g.rng.choice(("Identity", "Dropout", "Cast", "Transpose", "Gather", "Reshape"))
    shape = g.values[x].shape
    if op == "Transpose":
        y = g.add(op, x, perm=[0, *range(2, len(shape)), 1], keeps=True)
        y and g.add(op, y, perm=[0, len(shape) - 1, *range(1, len(shape) - 1)], keeps=True)
    elif op == "Gather":
        c = shape[1]
        g.add(op, x, np.array(g.rng.choice((range(c), range(c)[::-1], range(0, c, 2), [c - 1, 0]))), axis=1,
              keeps=True)
    elif op == "Reshape":
        y = g.add(op, x, np.array([shape[0], shape[1], -1]), keeps=True)
        y and g.add(op, y, np.array(shape), keeps=True)
    else:
        g.add(op, x, keeps=True, **(dict(to=1) if op == "Cast" else {}))


def same_pointwise(g: Graph):
    x = same_picture(g)
    c = g.values[x].shape[1]
    how = g.rng.random()
    if how < 0.3:
        g.add(g.rng.choice(("Relu", "Sigmoid", "Neg")), x, keeps=False)
    elif how < 0.6 and (z := same_picture(g, c)):
        g.add(g.rng.choice(("Add", "Mul", "Max", "Sum")), x, z)
    elif how < 0.8:
        gate = g.add("Sigmoid", g.add("GlobalAveragePool", x))
        g.add("Mul", x, gate)
    else:
        rank = g.values[x].ndim - 2
        g.add(g.rng.choice(("MaxPool", "AveragePool")), x, kernel_shape=[3] * rank, pads=[1] * 2 * rank)


SAME = [(same_conv, 4.0), (same_concat, 3.0), (same_split, 2.0), (same_slice, 1.0), (same_view, 1.5),
        (same_pointwise, 2.0)]


def concatenated_graph(rng: Random, least: int = 5, most: int = 25) -> Graph:
    """Convolutions, Concats, Splits and what lies between them, as DenseNet, C2f and ELAN have."""
    shape = (rng.choice((1, 1, 2)), rng.choice((3, 16, 32, 33)),
             *rng.choice(((4, 5), (1, 1), (3, 3), (7,), (2, 6))))
    return random_graph(rng, 17, SAME, least, most, shape)


# ---- float16 and quantised models, as exporters write them

def quantized_graph(rng: Random) -> Graph:
    """QuantizeLinear and DequantizeLinear around Convs, MatMuls, pools and Adds. The scales are powers of
    two, all values few-digit fractions: nothing lies between two integers by a rounding error."""
    g = Graph(rng, rng.choice((13, 19, 21)))
    kind = rng.choice((np.uint8, np.int8))
    c = rng.choice((1, 3, 16, 17, 32))
    x = g.input(rng.choice((1, 2)), c, rng.randint(1, 6), rng.randint(1, 6))

    def both(x, scale):
        zero = np.array(rng.choice((0, 3)) if rng.random() < 0.8 else 128 if kind is np.uint8 else -5, kind)
        q = g.add("QuantizeLinear", x, F32.type(scale), zero)
        found = q and g.add("DequantizeLinear", q, F32.type(scale), zero, keeps=True)
        if found and rng.random() < 0.2:
            g.add("DequantizeLinear", q, F32.type(scale), zero, keeps=True)
        return found
    for _ in range(rng.randint(1, 5)):
        x = both(x, rng.choice((0.25, 0.5))) or x
        c, how = g.values[x].shape[1], rng.random()
        if how < 0.4:
            oc, k = rng.choice((1, 16, 17)), rng.choice((1, 2))
            w = np.sign(g.array((oc, c, k, k))).astype(np.int8)
            w[rng.randrange(oc):, c // 2:] = 0
            scale = np.full((oc,), 0.25, F32)
            w = g.add("DequantizeLinear", w, scale, np.zeros(oc, np.int8), axis=0, keeps=True)
            y = g.add("Conv", x, w, g.array((oc,)), keeps=True)
        elif how < 0.55:
            y = g.add("MaxPool", x, kernel_shape=[2, 2], pads=[0, 1, 1, 0], keeps=True)
        elif how < 0.7:
            y = g.add("Add", x, g.array((c, 1, 1)), keeps=True)
        elif how < 0.85:
            y = g.add("Concat", x, g.pick(lambda a: floats(a) and a.shape == g.values[x].shape, exact=True),
                      axis=1, keeps=True)
        else:
            y = g.add("MatMul", x, np.sign(g.array((g.values[x].shape[-1], 3))), keeps=True)
        x = y if y and y in g.exact else x
        if rng.random() < 0.4:
            limits = [F32.type(0), F32.type(6)] if rng.random() < 0.5 else []
            x = g.add("Clip" if limits else "Relu", x, *limits, keeps=True) or x
    both(x, 0.25)
    return g.finish()


def halved(graph: Graph) -> Graph:
    """The same in float16, evaluated again; nodes that refuse it are left out."""
    g = Graph(graph.rng, graph.opset)
    to = {}
    for name in graph.inputs + graph.constants:
        a = graph.values[name]
        a = a.astype(np.float16) if a.dtype == F32 else a
        to[name] = g.input(*a.shape, array=a) if name in graph.inputs else g.constant(a)
    for node in graph.nodes:
        if all(i in to or not i for i in node.inputs):
            if node.op_type == "Cast" and node.attributes["to"] == 1:
                node.attributes["to"] = 10
            inputs = [to[i] if i else None for i in node.inputs]
            made = g.add(node.op_type, *inputs, n=len(node.outputs), domain=node.domain, **node.attributes)
            if made:
                to.update(zip(node.outputs, [made] if isinstance(made, str) else made))
    return g.finish(0)
