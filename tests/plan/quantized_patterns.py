"""What random quantised graphs are made of, several operators at a time: blocks of networks, attention, dynamic
quantisation, floats between. And the graphs: `quantized_graph`.
"""
from __future__ import annotations

from math import prod
from random import Random

import numpy as np

import quantized_movement  # noqa: F401, whose functions enter themselves
from quantized_graph import CHANNELS, F32, S8, S16, U8, U16, Graph
from quantized_nodes import ADDERS, activation, adder, operand, unary
from quantized_oracle import Declined
from quantized_products import filters, real_bias, real_weight, weight, windows

FLOAT = 1                               # of TensorProto.DataType


def quantized_conv(g: Graph, x: str, oc: int, k: int, act: str | None, depthwise: bool = False, **attributes) -> str:
    """QDQ of a Conv of pictures that keeps their size, unless strides say otherwise."""
    ic = g.value(x).shape[1]
    w = weight(g, oc, 1 if depthwise else ic, k, k, fan_in=(1 if depthwise else ic) * k * k)
    if depthwise:
        attributes["group"] = ic
    y = g.add("Conv", g.real(x), real_weight(g, w, 0), *real_bias(g, oc, x, w[1]), pads=[k // 2] * 4, **attributes)
    return g.quantize(y if act is None else unary(g, act, y))


@adder(2)
def residual(g: Graph):
    x, rng = g.picture((4,)), g.rng
    c = g.values[x].shape[1]
    y = quantized_conv(g, x, c, rng.choice((1, 3)), rng.choice((None, "Relu")))
    if rng.random() < 0.4:
        y = quantized_conv(g, y, c, rng.choice((1, 3)), None)
    y = g.add("Add", *rng.sample((g.real(x), g.real(y)), 2))
    act = rng.choice((None, "Relu", "PRelu", "PRelu", "LeakyRelu"))
    g.quantize(y if act is None else unary(g, act, y))


@adder(1.5)
def sloped_residual(g: Graph):
    """Of a convolution, on either side of a sum or a difference, and of one that is a residual itself; slopes alone."""
    x, rng = g.picture(), g.rng
    c, rank = g.values[x].shape[1], g.values[x].ndim - 2
    k = rng.choice((1, 1, 3))
    w = weight(g, c, c, *(k,) * rank, fan_in=c * k ** rank)
    y = g.add("Conv", g.real(x), real_weight(g, w, 0), *real_bias(g, c, x, w[1]), pads=[k // 2] * 2 * rank)
    y = g.quantize(y)
    if rng.random() < 0.3:
        return g.quantize(unary(g, "PRelu", g.real(y)))
    other = y if rng.random() < 0.15 else x
    total = g.add(rng.choice(("Add", "Sub")), *rng.sample((g.real(other), g.real(y)), 2))
    z = unary(g, rng.choice(("PRelu", "PRelu", "LeakyRelu")), total)
    if rng.random() < 0.2:
        z = unary(g, "Clip", z)
    g.quantize(z)


@adder(1.5)
def pool_before_rounding(g: Graph):
    """The largest of what is not yet stored."""
    x, rng = g.picture(), g.rng
    shape = g.values[x].shape
    rank, c = len(shape) - 2, shape[1]
    kind = rng.choice(("Conv", "Conv", "Add", "PRelu"))
    if kind == "Conv":
        w = weight(g, c, c, *(1,) * rank, fan_in=c)
        y = activation(g, g.add("Conv", g.real(x), real_weight(g, w, 0)))
    else:
        y = g.add("Add", g.real(x), g.real(operand(g, x))) if kind == "Add" else g.real(x)
        y = unary(g, rng.choice(("PRelu", "Relu", "LeakyRelu")), y)
    size = [rng.randint(1, min(3, n)) for n in shape[2:]]
    y = g.add("MaxPool", y, kernel_shape=size, strides=[rng.randint(1, n) for n in size],
              pads=[rng.randint(0, n // 2) for n in size * 2])
    if rng.random() < 0.3:
        y = g.add("Transpose", y, perm=rng.choice(([0, *range(2, rank + 2), 1], [*range(rank + 2)])))
    g.quantize(y)


@adder(1.5)
def inverted_residual(g: Graph):
    x, rng = g.picture((4,)), g.rng
    c, act = g.values[x].shape[1], rng.choice(("Clip", "HardSwish", "SiLU", "Relu"))
    wide = min(c * rng.choice((2, 3)), 48)
    y = quantized_conv(g, x, wide, 1, act)
    y = quantized_conv(g, y, wide, rng.choice((3, 5)), act, depthwise=True, strides=[rng.choice((1, 1, 2))] * 2)
    y = quantized_conv(g, y, c, 1, None)
    if g.value(y).shape == g.values[x].shape:
        g.quantize(g.add("Add", g.real(x), g.real(y)))


@adder(1.5)
def squeeze_excite(g: Graph):
    x, rng = g.picture((4,)), g.rng
    c = g.values[x].shape[1]
    y = g.quantize(g.add("GlobalAveragePool", g.real(x)))
    y = quantized_conv(g, y, rng.choice((1, 4, 16)), 1, rng.choice(("Relu", "SiLU")))
    y = quantized_conv(g, y, c, 1, rng.choice(("Sigmoid", "HardSigmoid")))
    g.quantize(g.add("Mul", *rng.sample((g.real(x), g.real(y)), 2)))


@adder(1.5)
def silu_of_stored(g: Graph):
    """x * stored(Sigmoid(x)), as quantisers write it."""
    x = g.pick(lambda a: a.size)
    y = g.quantize(g.add("Sigmoid", g.real(x)))
    g.quantize(g.add("Mul", *g.rng.sample((g.real(x), g.real(y)), 2)))


@adder(1, any_size=False)
def attention(g: Graph):
    x, rng = g.pick(lambda a: a.ndim == 3 and 1 < a.shape[1] and a.shape[2] <= 48), g.rng
    d = rng.choice((4, 8, 16))
    parts = []
    for _ in range(3):
        w = weight(g, g.values[x].shape[2], d, axis=1, fan_in=g.values[x].shape[2])
        parts.append(g.quantize(g.add("MatMul", g.real(x), real_weight(g, w, 1))))
    q, k, v = parts
    scores = g.add("MatMul", g.real(q), g.add("Transpose", g.real(k), perm=[0, 2, 1]))
    if rng.random() < 0.5:
        scores = g.real(g.quantize(scores))
    scores = g.add("Softmax", g.add("Mul", scores, F32.type(d ** -0.5)), axis=-1)
    if rng.random() < 0.7:
        scores = g.real(g.quantize(scores))
    g.quantize(g.add("MatMul", scores, g.real(v)))


@adder(1)
def floats_between(g: Graph):
    """Operators that stay in floats, a reader in floats beside one of integers."""
    x, rng = g.pick(lambda a: a.ndim > 1 and a.size), g.rng
    y, c = g.real(x), g.values[x].shape[-1]
    kind = rng.choice(("Softmax", "Softmax", "LayerNormalization", "Exp", "Both"))
    if kind == "Softmax":
        y = g.add("Softmax", y, axis=rng.choice((1, -1)) if g.opset >= 13 else -1)
    elif kind == "LayerNormalization" and g.opset >= 17 and not g.free:
        y = g.add(kind, y, np.ones(c, F32), np.zeros(c, F32), axis=-1, epsilon=1e-2)
    elif kind == "Exp":
        y = g.add("Exp", g.add("Div", y, F32.type(max(float(np.abs(g.value(y)).max()), 1e-6))))
    else:
        y = activation(g, g.add("Sub", y, g.add("ReduceMean", y, keepdims=1)))
    g.quantize(y)


@adder(0.8)
def by_hand(g: Graph):
    """Cast, subtract, multiply: DequantizeLinear as some converters spell it."""
    x = g.pick(lambda a: a.size)
    y = g.add("Sub", g.add("Cast", x, to=FLOAT), g.zero(x).astype(F32))
    g.quantize(activation(g, g.add("Mul", y, g.scale(x))))


# ---- dynamic quantisation

def dynamic(g: Graph, y: str) -> tuple[str, str, str]:
    return g.add("DynamicQuantizeLinear", y, n=3)


@adder(1, any_size=False)
def dynamic_product(g: Graph):
    x, rng = g.pick(lambda a: a.ndim > 1 and 0 < a.shape[-1] <= 500 and a.size), g.rng
    k, n = g.values[x].shape[-1], rng.choice(CHANNELS)
    w, scale, zero = weight(g, k, n, axis=1, fan_in=k, narrow=False)
    b = g.floats(n)
    kind = rng.choice(("MatMulInteger", "MatMulInteger", "DynamicQuantizeMatMul", "MatMulIntegerToFloat"))
    if kind == "DynamicQuantizeMatMul":
        y = g.own(kind, g.real(x), w, scale, zero, *rng.choice(([], [b])))
    else:
        stored, x_scale, x_zero = dynamic(g, g.real(x))
        if kind == "MatMulIntegerToFloat":
            y = g.own(kind, stored, w, x_scale, scale, x_zero, zero, *rng.choice(([], [b])))
        else:
            y = g.add("Cast", g.add(kind, stored, w, x_zero, zero), to=FLOAT)
            y = g.add("Add", g.add("Mul", y, g.add("Mul", x_scale, scale)), b)
    after(g, activation(g, y))


@adder(1.5)
def dynamic_conv(g: Graph):
    """As exporters write it, of one to three axes; a second one may read the same bytes, another value may be added."""
    x, rng = g.picture(), g.rng
    y = g.real(x)
    stored, x_scale, x_zero = dynamic(g, y)
    if rng.random() < 0.1:                              # the bytes are read by another zero point
        x_zero = None if rng.random() < 0.5 else np.array(rng.choice((0, 128, 255)), U8)
    made = []
    for _ in range(rng.choice((1, 1, 1, 2))):
        shape = g.values[x].shape
        group, oc = filters(g, shape[1])
        k, attributes = windows(g, shape, group)
        if shape[1] // group * prod(k) > 257:
            raise Declined("float32 does not hold its sums")
        w, scale, zero = weight(g, oc, shape[1] // group, *k, fan_in=shape[1] // group * prod(k), narrow=False)
        zero = [] if not g.values[zero].any() and rng.random() < 0.5 else [zero]
        total = g.add("Cast", g.add("ConvInteger", stored, w, x_zero, *zero, **attributes), to=FLOAT)
        ones = (1,) * (len(shape) - 2)
        scale = g.values[scale].reshape(-1, *ones) if g.values[scale].ndim else scale
        total = g.add("Mul", *rng.sample((total, g.add("Mul", x_scale, scale)), 2))
        if rng.random() < 0.6:
            bias = g.floats(oc)
            bias = bias.reshape(oc, *ones) if rng.random() < 0.5 else \
                g.add("Reshape", bias, np.array([1, oc, *ones], np.int64))
            total = g.add("Add", *rng.sample((total, bias), 2))
        other = made[-1] if made else y
        if g.value(total).shape == g.value(other).shape and rng.random() < 0.5:
            total = g.add("Add", *rng.sample((total, other), 2))
        made.append(activation(g, total))
    for total in made:
        after(g, total)


@adder(0.6, any_size=False)
def integer_product(g: Graph):
    """Whole sums are wanted."""
    x = g.pick(lambda a: a.ndim > 1 and 0 < a.shape[-1] <= 500 and a.size and a.dtype in (U8, S8))
    k = g.values[x].shape[-1]
    w, _, zero = weight(g, k, g.rng.choice(CHANNELS), axis=1, narrow=False)
    total = g.add("MatMulInteger", x, w, g.stored[x][1], zero)
    if g.rng.random() < 0.5:
        g.quantize(g.add("Mul", g.add("Cast", total, to=FLOAT), g.scale(x)))


def after(g: Graph, y: str) -> None:
    """Floats go on: quantised, or as an output."""
    if g.rng.random() < 0.8:
        g.quantize(y)


# ---- graphs

def quantized_graph(seed: int, most: int = 8, free: bool | None = None) -> Graph:
    """A graph of up to `most` of the above. Declined where onnxruntime takes none of it."""
    rng = Random(seed)
    g = Graph(rng, opset=rng.choice((13, 13, 15, 17, 18, 19, 21, 21, 23)))
    g.exact, g.free = rng.random() < 0.4, rng.random() < 0.25 if free is None else free
    g.types = rng.choice(((U8,), (U8,), (U8,), (S8,), (S8,), (U8, S8), (U16,), (S16,), (U8, U16)))
    g.size = 1.0 if rng.random() < 0.7 else 2.0 ** rng.randint(-24, 24) if g.exact else 10.0 ** rng.uniform(-7, 7)
    rank = rng.choice((1, 2, 2, 2, 2, 2, 2, 3)) if not g.free else 2
    channels = rng.choice(CHANNELS)

    largest = (17, 9, 5)[rank - 1]
    if rng.random() < 0.06:
        g.most, largest = 40_000, (200, 40, 9)[rank - 1]

    def begin(g: Graph):
        sizes = ("h", "w") if g.free else [rng.randint(1, min(largest, int((g.most / channels / 2) ** (1 / rank))))
                                           for _ in range(rank)]
        shape = ("n" if g.free else rng.choice((1, 1, 2)), channels, *sizes)
        if not g.free and rng.random() < 0.08:          # rows of a matrix
            shape = shape[:2] if rng.random() < 0.5 else (shape[0], rng.randint(1, 9), channels)
        if rng.random() < 0.3:                          # integers come in
            dtype = rng.choice(g.types)
            x = g.input(*shape, dtype=dtype)
            g.enter(x, *g.fitted(-2 * g.size, 2.5 * g.size, dtype))
        elif rng.random() < 0.1:                        # pixels
            g.quantize(g.add("Mul", g.add("Cast", g.input(*shape, dtype=U8), to=FLOAT), F32.type(g.size / 128)))
        elif len(shape) > 2 and rng.random() < 0.15:    # channels last, maybe in another order
            axes = rng.sample(range(len(shape)), len(shape)) if rng.random() < 0.3 else [0, *range(2, len(shape)), 1]
            x = g.input(*(shape[axis] for axis in axes))
            g.quantize(g.add("Transpose", x, perm=[axes.index(axis) for axis in range(len(shape))]))
        else:
            g.quantize(g.input(*shape))
    if not g.attempt(begin):
        raise Declined(f"seed {seed}: {g.declined[-1]}")
    functions, weights, anywhere = zip(*ADDERS)
    weights = [w if keeps or not g.free else 0 for w, keeps in zip(weights, anywhere)]
    for _ in range(rng.randint(1, most)):
        for function in rng.choices(functions, weights, k=3):
            if g.attempt(function):
                break
    if not g.nodes:
        raise Declined(f"seed {seed}: {g.declined}")
    return g.finish()
