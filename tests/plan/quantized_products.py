"""Convolutions and products of matrices of random quantised graphs, and their weights."""
from __future__ import annotations

from math import prod

import numpy as np

from quantized_graph import CHANNELS, F32, I32, MICROSOFT, S4, S8, U4, U8, Graph, limits
from quantized_nodes import activation, adder, instead, is_8_bit
from quantized_oracle import Declined


# ---- weights

def weight(g: Graph, *shape, axis: int = 0, fan_in: int = 1, narrow: bool = True) -> tuple[str, str, str]:
    """Names of constant integers, their scales and zero points: of the tensor, or of each index along `axis`."""
    rng, r = g.rng, g.numbers()
    dtype = rng.choice((S8, S8, S8, S8, U8, U8) + ((S4, U4) if narrow else ()))
    low, high = limits(dtype)
    middle = 0 if dtype.kind == "i" or dtype == S4 else (high + 1) // 2
    how = rng.random()
    if g.exact and how < 0.5:                           # small sums, so that many of them are halfway between two steps
        w = r.integers(max(low, middle - 2), min(high, middle + 2), shape, endpoint=True)
    elif how < 0.75:
        w = np.clip(np.rint(r.normal(size=shape) * high / (3 if dtype in (S8, S4) else 6)) + middle, low, high)
    elif how < 0.9:
        w = r.integers(low, high + 1, shape)
    else:                                               # the largest sums there are
        w = np.full(shape, rng.choice((low, high))) if how < 0.95 else r.choice([low, high], shape)
    per_channel = rng.random() < 0.6
    count = (shape[axis],) if per_channel else ()
    zero = np.full(count, middle)
    if rng.random() < 0.25:
        zero = r.integers(low, high + 1, count) if rng.random() < 0.5 else np.full(count, rng.choice((low, high)))
    scale = r.uniform(0.5, 2, count) * 2 / (high * max(fan_in, 1) ** 0.5)
    if per_channel and rng.random() < 0.15:             # a channel that was pruned
        scale[rng.randrange(count[0])] *= 1e-6
    if g.exact:
        scale = 2.0 ** np.round(np.log2(scale))
    return (g.constant(np.asarray(w).astype(np.int32).astype(dtype), "w"), g.constant(scale.astype(F32), "s"),
            g.constant(np.asarray(zero).astype(np.int32).astype(dtype), "z"))


def real_weight(g: Graph, triple, axis: int) -> str:
    """Weights as floats: integers in the file, or floats that are quantised in the graph (as trained aware of it)."""
    w, scale, zero = triple
    dtype, per_channel = g.values[zero].dtype, g.values[scale].size > 1
    how = dict(domain=g.domain(dtype), **(dict(axis=axis) if per_channel else {}))
    if g.rng.random() < 0.15 and dtype in (S8, U8) and w in g.constants:
        shape = [-1 if i == axis and per_channel else 1 for i in range(g.values[w].ndim)]
        wide = (g.values[w].astype(F32) - g.values[zero].astype(F32).reshape(shape)) * g.values[scale].reshape(shape)
        w = g.add("QuantizeLinear", wide, scale, zero, **how)
    zero = [] if not g.values[zero].astype(np.int32).any() and g.rng.random() < 0.3 else [zero]
    return g.add("DequantizeLinear", w, scale, *zero, **how)


def blocked_weight(g: Graph, k: int, n: int) -> str:
    """A matrix as floats, with a scale for each block of rows of a column."""
    size, r = g.rng.choice((2, 4, 16, 32)), g.numbers()
    dtype = g.rng.choice((S4, U4, S8))
    low, high = limits(dtype)
    blocks = -(-k // size), n
    scale = r.uniform(0.5, 2, blocks) * 2 / (high * k ** 0.5)
    if g.exact:
        scale = 2.0 ** np.round(np.log2(scale))
    zeros = [] if dtype != U4 and g.rng.random() < 0.5 else [r.integers(low, high + 1, blocks).astype(dtype)]
    return g.add("DequantizeLinear", r.integers(low, high + 1, (k, n)).astype(dtype), scale.astype(F32), *zeros, axis=0,
                 block_size=size)


def bias(g: Graph, n: int) -> np.ndarray:
    return g.numbers().integers(-3000, 3000, n).astype(np.int32) * g.rng.choice((1, 1, 1, 100))


def real_bias(g: Graph, n: int, x: str, w_scale: str) -> list:
    """A bias in int32 by the product of the scales, by others, in floats, or none."""
    how = g.rng.random()
    if how < 0.3:
        return []
    scale = (g.scale(x).reshape(()) * g.values[w_scale]).astype(F32)
    if how > 0.9:
        scale = np.full(scale.shape, scale.max() * 4, F32)
    stored = bias(g, n)
    if how < 0.5:
        return [(stored * scale).astype(F32)]
    zeros = [np.zeros(scale.shape, I32)] if g.rng.random() < 0.5 else []
    return [g.add("DequantizeLinear", stored, scale, *zeros, **(dict(axis=0) if scale.ndim else {}))]


# ---- convolutions

def windows(g: Graph, shape, group: int = 1) -> tuple[list[int], dict]:
    """kernel_shape and attributes of a Conv on x of this shape."""
    rng, rank = g.rng, len(shape) - 2
    k = [rng.choice((1, 1, 2, 3, 3, 3, 5)) for _ in range(rank)]
    if rng.random() < 0.6:
        k = [k[0]] * rank
    d = [rng.choice((1, 1, 1, 2)) for _ in range(rank)]
    attributes = dict(group=group) if group > 1 or rng.random() < 0.3 else {}
    if rng.random() < 0.6:
        attributes["strides"] = [rng.choice((1, 1, 2, 3)) for _ in range(rank)]
    if rng.random() < 0.2:
        attributes["auto_pad"] = rng.choice(("SAME_UPPER", "SAME_LOWER", "VALID"))
        d = [1] * rank
        if attributes["auto_pad"] == "VALID":
            k = [min(pair) for pair in zip(k, shape[2:])]
    else:
        pads = [rng.randint(0, (n - 1) * s) for n, s in zip(k, d)] * 2 if rng.random() < 0.7 else \
            [rng.randint(0, 2) for _ in range(2 * rank)]
        for i, size in enumerate(shape[2:]):
            pads[i] += max(0, d[i] * (k[i] - 1) + 1 - (min(3, size) if g.free else size) - pads[i] - pads[i + rank])
        if any(pads) or rng.random() < 0.5:
            attributes["pads"] = pads
    if max(d) > 1 or rng.random() < 0.2:
        attributes["dilations"] = d
    return k, attributes


def filters(g: Graph, channels: int) -> tuple[int, int]:
    """(group, output channels) of a Conv."""
    rng, how = g.rng, g.rng.random()
    if how < 0.55:
        return 1, rng.choice(CHANNELS)
    if how < 0.85:
        return channels, channels * rng.choice((1, 1, 1, 2))
    group = rng.choice([d for d in range(1, channels + 1) if channels % d == 0])
    return group, group * rng.randint(1, 5)


@adder(8)
def conv(g: Graph):
    x = g.picture()
    shape = g.values[x].shape
    group, oc = filters(g, shape[1])
    k, attributes = windows(g, shape, group)
    fan_in = shape[1] // group * prod(k)
    q_operator = g.rng.random() < 0.35 and is_8_bit(g, x)
    w = weight(g, oc, shape[1] // group, *k, fan_in=fan_in, narrow=not q_operator)
    if g.rng.random() < 0.04 and is_8_bit(g, w[0]):     # weights of the run
        w = g.input(*g.values[w[0]].shape, dtype=g.values[w[0]].dtype), *w[1:]
    if not q_operator:
        y = g.add("Conv", g.real(x), real_weight(g, w, 0), *real_bias(g, oc, x, w[1]), **attributes)
        if g.rng.random() < 0.1:
            r = g.numbers()
            y = g.add("BatchNormalization", y, *(r.uniform(0.5, 1.5, oc).astype(F32) for _ in range(4)))
        return g.quantize(activation(g, y))
    b = bias(g, oc) if g.rng.random() < 0.6 else None
    if g.values[w[2]].ndim and g.rng.random() < 0.9:    # else onnxruntime itself refuses
        w = w[0], w[1], g.constant(np.full_like(g.values[w[2]], g.values[w[2]][0]), "z")
    last = g.rng.random() < 0.2
    if last:
        order = [0, *range(2, len(shape)), 1]
        x = g.enter(g.add("Transpose", x, perm=order), *g.stored[x])
        g.value(x)
    dtype = g.values[x].dtype
    more = dict(channels_last=1, domain=MICROSOFT) if last else {}

    def real():
        y = g.real(x)
        if last:
            y = g.add("Transpose", y, perm=[0, len(shape) - 1, *range(1, len(shape) - 1)])
        axis = dict(axis=0) if g.values[w[1]].ndim else {}
        return g.add("Conv", y, g.add("DequantizeLinear", *w, **axis), **attributes)
    y = instead(g, real, lambda *y: g.add("QLinearConv", x, *g.stored[x], *w, *y, *([] if b is None else [b]),
                                          **attributes, **more), dtype)
    if last and g.rng.random() < 0.8:
        g.enter(g.add("Transpose", y, perm=[0, len(shape) - 1, *range(1, len(shape) - 1)]), *g.stored[y])


@adder(0.6)
def conv_of_two(g: Graph):
    """One weight reads two values, of two scales."""
    x = g.picture()
    shape = g.values[x].shape
    y = g.quantize(g.add("Mul", g.real(x), F32.type(0.5)))
    oc = g.rng.choice(CHANNELS)
    k, attributes = windows(g, shape)
    w = weight(g, oc, shape[1], *k, fan_in=shape[1] * prod(k))
    shared = real_weight(g, w, 0) if g.rng.random() < 0.5 else None
    for v in (x, y):
        g.quantize(g.add("Conv", g.real(v), shared or real_weight(g, w, 0), *real_bias(g, oc, v, w[1]), **attributes))


@adder(1)
def conv_transpose(g: Graph):
    x = g.picture()
    shape, rng = g.values[x].shape, g.rng
    rank, (group, _) = len(shape) - 2, filters(g, shape[1])
    k, s = [rng.randint(1, 4) for _ in range(rank)], [rng.choice((1, 2, 2, 3)) for _ in range(rank)]
    oc = rng.choice(CHANNELS[:9])
    attributes = dict(strides=s, group=group)
    if rng.random() < 0.5:
        attributes["pads"] = [rng.randint(0, (n - 1) // 2) for n in k] * 2
    if rng.random() < 0.3:
        attributes["output_padding"] = [rng.randrange(n) for n in s]
    w = weight(g, shape[1], oc, *k, axis=1, fan_in=shape[1] // group * 2)
    if group > 1 and g.values[w[1]].ndim:               # the axis is that of the channels of one group
        oc_scale = []
    else:
        oc_scale = real_bias(g, oc * group, x, w[1])
    y = g.add("ConvTranspose", g.real(x), real_weight(g, w, 1), *oc_scale, **attributes)
    g.quantize(activation(g, y))


# ---- products of matrices

@adder(2, any_size=False)
def gemm(g: Graph):
    x, rng = g.pick(lambda a: a.ndim > 1 and prod(a.shape[1:]) <= 1500), g.rng
    if g.values[x].ndim > 2 or rng.random() < 0.1:
        x = g.enter(g.add("Flatten", x), *g.stored[x]) if rng.random() < 0.5 and g.opset >= 13 else \
            g.quantize(g.add("Flatten", g.real(x)), like=x)
    k, n, turned = g.value(x).shape[1], rng.choice(CHANNELS), rng.randint(0, 1)
    axis = 1 - turned
    q_operator = rng.random() < 0.4 and is_8_bit(g, x)
    w = weight(g, *((n, k) if turned else (k, n)), axis=axis, fan_in=k, narrow=not q_operator)
    attributes = dict(transB=1) if turned else {}
    if rng.random() < 0.2:
        attributes["alpha"] = 0.5
    if not q_operator:
        y = g.add("Gemm", g.real(x), real_weight(g, w, axis), *real_bias(g, n, x, w[1]), **attributes)
        return g.quantize(activation(g, y))
    b = [bias(g, n)] if rng.random() < 0.6 else [None]
    if rng.random() < 0.2:
        g.own("QGemm", x, *g.stored[x], *w, *b, **attributes)
        return
    how = dict(axis=axis) if g.values[w[1]].ndim else {}
    instead(g, lambda: g.add("Gemm", g.real(x), g.add("DequantizeLinear", *w, **how), **attributes),
            lambda *y: g.own("QGemm", x, *g.stored[x], *w, *b, *y, **attributes), g.values[x].dtype)


@adder(2, any_size=False)
def matmul(g: Graph):
    """By constant weights of columns."""
    x, rng = g.pick(lambda a: a.ndim > 0 and 0 < a.shape[-1] <= 500), g.rng
    k, n, rank = g.values[x].shape[-1], rng.choice(CHANNELS), g.values[x].ndim
    if rank == 4 and g.values[x].shape[1] <= 500 and rng.random() < 0.5:
        x, k = g.enter(g.add("Transpose", x, perm=[0, 2, 3, 1]), *g.stored[x]), g.values[x].shape[1]
        g.value(x)
    q_operator = rng.random() < 0.4 and is_8_bit(g, x)
    batch = g.values[x].shape[:-2] if rng.random() < 0.15 and g.values[x].ndim > 2 else ()
    shape = (*batch, k, n)
    w = weight(g, *shape, axis=len(shape) - 1, fan_in=k, narrow=not q_operator)
    if not q_operator:
        blocked = not batch and g.opset >= 21 and rng.random() < 0.3
        y = g.add("MatMul", g.real(x), blocked_weight(g, k, n) if blocked else real_weight(g, w, len(shape) - 1))
        if rng.random() < 0.5:
            y = g.add("Add", *rng.sample((y, g.floats(n)), 2))
        return g.quantize(activation(g, y))
    how = dict(axis=len(shape) - 1) if g.values[w[1]].ndim else {}
    if batch and how:
        raise Declined("columns of a batch")
    instead(g, lambda: g.add("MatMul", g.real(x), g.add("DequantizeLinear", *w, **how)),
            lambda *y: g.add("QLinearMatMul", x, *g.stored[x], *w, *y), g.values[x].dtype)


@adder(1.5)
def matmul_of_two(g: Graph):
    """Both are computed: a value and itself, transposed."""
    a, rng = g.pick(lambda a: a.ndim > 1 and a.size), g.rng
    rank = g.values[a].ndim
    turned = [*range(rank - 2), rank - 1, rank - 2]
    if rng.random() < 0.5 and is_8_bit(g, a):
        b = g.enter(g.add("Transpose", a, perm=turned), *g.stored[a])
        if rng.random() < 0.6:
            return instead(g, lambda: g.add("MatMul", g.real(a), g.real(b)),
                           lambda *y: g.add("QLinearMatMul", a, *g.stored[a], b, *g.stored[b], *y),
                           g.values[a].dtype)
        y = g.add("MatMul", g.real(a), g.real(b))
    else:
        y = g.add("MatMul", g.real(a), g.add("Transpose", g.real(a), perm=turned))
    g.quantize(y)
