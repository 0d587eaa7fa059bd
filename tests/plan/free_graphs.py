"""Random graphs whose sizes are free: of nodes that fit any picture, and of what computes with sizes."""
from __future__ import annotations

from random import Random

import numpy as np

import random_nodes as nodes
from cinfer.model import graph as model
from evaluated_graph import F32, Graph

CHANNELS = (1, 3, 8, 16, 17, 32)


# ---- graphs whose nodes fit any size of the picture

def conv(g: Graph, x: str):
    nodes.conv(g)


def transposed(g: Graph, x: str):
    """Also to one size, whatever the input's: what is cut off differs from shape to shape."""
    rng, c = g.rng, g.values[x].shape[1]
    s = rng.choice((1, 2, 3))
    k = rng.choice((s, 2, 3, 4))
    group = rng.choice([1, 1, *(d for d in range(1, c + 1) if c % d == 0)])
    where = {}
    if rng.random() >= 0.4:
        where = dict(output_shape=[rng.randint(5, 12)] * 2) if rng.random() < 0.7 else \
            dict(pads=[rng.randint(0, k - 1) for _ in range(4)])
    return g.add("ConvTranspose", x,
                 (g.array((c, rng.choice((1, 3, 16)), k, k)) / c ** 0.5).astype(np.float32),
                 strides=[s, s], group=group, **where)


def channels(g: Graph, x: str):
    """MatMul over the channels, as converters from other frameworks write a 1x1 convolution."""
    c = g.values[x].shape[1]
    y = g.add("Transpose", x, perm=[0, 2, 3, 1], keeps=True)
    y = y and g.add("MatMul", y, g.weights(g.rng.choice(CHANNELS), c).T.copy())
    return y and g.add("Transpose", y, perm=[0, 3, 1, 2])


def branches(g: Graph, x: str):
    """Split, something on one part, Concat."""
    c = g.values[x].shape[1]
    if c < 2:
        return None
    first = g.rng.choice([n for n in (1, 16, c // 2, c - 1) if 0 < n < c])
    a, b = g.add("Split", x, np.array([first, c - first]), n=2, axis=1, keeps=True)
    how = g.rng.random()
    if how < 0.3:
        a = g.add("Relu", a)
    elif how < 0.6:
        a = g.add("Conv", a, g.weights(16, first, 3, 3), pads=[1] * 4)
    return g.add("Concat", *g.rng.sample((a, b, x), 3), axis=1)


def head(g: Graph, x: str):
    y = g.add("GlobalAveragePool", x)
    y = y and g.add("Flatten", y)
    return y and g.add("Gemm", y, g.weights(5, g.values[x].shape[1]), g.array((5,)), transB=1)


def resize(g: Graph, x: str):
    return g.add("Resize", x, None, np.array([1, 1, 2, 2], np.float32),
                 mode=g.rng.choice(("nearest", "linear")))


FREE = (conv, conv, transposed, transposed, lambda g, x: nodes.pool(g), channels, branches, head, resize,
        lambda g, x: nodes.residual(g), lambda g, x: nodes.activation(g, x),
        lambda g, x: nodes.squeeze_excite(g))


def free_graph(rng: Random) -> Graph:
    g = Graph(rng, 17)
    x = g.input(rng.choice((1, 2)), rng.choice(CHANNELS), rng.randint(4, 9), rng.randint(4, 9))
    g.declared[x] = ("n", g.values[x].shape[1], "h", "w")
    while len(g.nodes) < rng.randint(1, 6):
        rng.choice(FREE)(g, g.pick(lambda a: nodes.picture(a) and a.ndim == 4))
    return g.finish()


# ---- what computes with sizes

def sized_graph(seed: int) -> model.Graph:
    """A random graph of what computes with sizes, some of it wrong for some sizes."""
    draw = Random(seed)
    graph = model.Graph("g", inputs={"x": model.TensorType(F32, ("n", 4, "h", "w")),
                               "z": model.TensorType(F32, ("m", 4, "h", 1))})
    pictures, lists, scalars = ["x", "z"], [], []

    def node(op_type, *inputs, **attributes):
        names = []
        for value in inputs:
            if not isinstance(value, str):
                name = f"c{len(graph.constants)}"
                graph.constants[name] = np.asarray(value)
                value = name
            names.append(value)
        out = f"v{len(graph.nodes)}"
        graph.nodes.append(model.Node(op_type, names, [out], attributes, opset=17))
        return out

    def picture():
        return draw.choice(pictures)
    for _ in range(draw.randrange(4, 16)):
        kind = draw.randrange(12)
        if kind == 0:
            k, s, p = draw.choice((1, 2, 3)), draw.choice((1, 2, 3)), draw.choice((0, 1))
            pictures.append(node("Conv", picture(), np.ones((4, 4, k, k), np.float32), strides=[s, s],
                                 pads=[p] * 4))
        elif kind == 1:
            pictures.append(node("MaxPool", picture(), kernel_shape=[2, 2], strides=[2, 2],
                                 ceil_mode=draw.choice((0, 1))))
        elif kind == 2:
            pictures.append(node(draw.choice(("Add", "Mul")), picture(), picture()))
        elif kind == 3:
            pictures.append(node("Concat", picture(), picture(), axis=draw.choice((0, 2, 3))))
        elif kind == 4:
            pictures.append(node("Slice", picture(), np.int64([draw.choice((0, 1, -3))]),
                                 np.int64([draw.choice((2, -1, 1 << 62))]), np.int64([draw.choice((2, 3))])))
        elif kind == 5:
            pictures.append(node("Resize", picture(), "", np.float32([1, 1, 2, draw.choice((1, 2, 1.5))])))
        elif kind == 6:
            lists.append(node("Shape", picture()))
        elif kind == 7 and lists:
            scalars.append(node("Gather", draw.choice(lists), np.int64(draw.choice((0, 2, 3, -1)))))
        elif kind == 8 and scalars:
            op_type = draw.choice(("Add", "Sub", "Mul", "Div"))
            scalars.append(node(op_type, draw.choice(scalars), np.int64(draw.choice((1, 2, 3)))))
        elif kind == 9 and scalars:
            last = node("Unsqueeze", draw.choice(scalars), np.int64([0]))
            to = node("Concat", np.int64([-1, draw.choice((1, 4))]), last, np.int64([1]), axis=0)
            pictures.append(node("Reshape", picture(), to))
        elif kind == 10 and lists:
            pictures.append(node("Reshape", picture(), draw.choice(lists)))
        elif kind == 11 and lists:
            scale = node("Cast", node("ReduceProd", draw.choice(lists), keepdims=0), to=1)
            pictures.append(node("Mul", picture(), node("Sqrt", scale)))
    graph.outputs = dict.fromkeys(
        [pictures[-1], *scalars[-1:], pictures[len(pictures) // 2]], model.TensorType())
    return graph
