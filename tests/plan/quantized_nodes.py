"""What random quantised graphs are made of, one operator at a time: between DequantizeLinear and QuantizeLinear, in
onnxruntime's QOperator form, or on the stored integers themselves. Here functions of one number and of two values;
convolutions and products are in `quantized_products.py`, pools and movement in `quantized_movement.py`, patterns of
several operators in `quantized_patterns.py`.
"""
from __future__ import annotations

import numpy as np

from quantized_graph import F32, S8, U8, Graph, limits
from quantized_oracle import Declined

ADDERS: list[tuple] = []                # (function, weight, does it keep free sizes free)


def adder(weight: float = 1.0, any_size: bool = True):
    def enter(function):
        ADDERS.append((function, weight, any_size))
        return function
    return enter


# ---- forms

def is_8_bit(g: Graph, *names) -> bool:
    return all(g.values[n].dtype in (U8, S8) for n in names)


def are_alike(g: Graph, x: str, y: str) -> bool:
    return g.values[x].dtype == g.values[y].dtype


def out_params(g: Graph, y: str, dtype=None) -> tuple[str, str]:
    """Scale and zero point for the QOperator form of what `y` is in floats; its nodes are taken back."""
    v = g.value(y)
    scale, zero = g.fitted(float(v.min(initial=0)), float(v.max(initial=0)), dtype or g.rng.choice((U8, U8, S8)))
    return g.constant(scale, "s"), g.constant(zero, "z")


def instead(g: Graph, real, q_operator, dtype=None) -> str:
    """The QOperator whose floats are `real()`. real is evaluated for the range alone."""
    known = len(g.nodes)
    scale, zero = out_params(g, real(), dtype)
    del g.nodes[known:]
    return g.enter(q_operator(scale, zero), scale, zero)


# ---- functions of one number

def activation(g: Graph, y: str) -> str:
    """One or none, in floats."""
    kind = g.rng.choice(("Relu", "Relu", "Clip", "Clip", "LeakyRelu", "Sigmoid", "HardSwish", "SiLU", "Tanh",
                         "HardSigmoid", "Gelu", "Elu", "PRelu", None, None, None))
    return y if kind is None else unary(g, kind, y)


def slopes(g: Graph, y: str) -> np.ndarray:
    """For each channel or for all: below 0, 0, above 1; now and then of each picture, or of a size of its own."""
    shape, rng = g.value(y).shape, g.rng
    c = shape[1] if len(shape) > 1 and rng.random() < 0.85 else 1
    ones = (1,) * max(0, len(shape) - 2)
    sizes = rng.choice(((c, *ones), (c, *ones), (1, c, *ones) if len(shape) > 1 else (c,)))
    if len(shape) > 1 and not g.free and rng.random() < 0.06:
        sizes = shape[0], c, *ones
    values = [0, 1, -1, 0.25, -0.5, 2, 0.125] if g.exact else [0, 1, -0.3, 0.1, 0.25, 3, 1e-9, -7.5]
    if rng.random() < 0.04:
        values.append(2.0 ** 60 if g.exact else 1e20)
    return g.numbers().choice(np.array(values, F32), sizes)


def unary(g: Graph, kind: str, y: str) -> str:
    if kind == "Clip":
        v = g.value(y)
        high = F32.type(np.abs(v).max(initial=0) * g.rng.choice((0.5, 0.9)))
        if g.exact:
            high = F32.type(2.0 ** np.floor(np.log2(high or 1)))
        low = g.rng.choice((F32.type(0), F32.type(-high / 2)))
        return g.add("Clip", y, *g.rng.choice(((low, high), (low, None), (None, high))))
    if kind == "SiLU":
        return g.add("Mul", *g.rng.sample((y, g.add("Sigmoid", y)), 2))
    if kind == "HardSwish" and g.opset < 14:
        return g.add("Mul", y, g.add("HardSigmoid", y, alpha=1 / 6, beta=0.5))
    if kind == "Gelu" and g.opset < 20:
        if g.rng.random() < 0.5:
            return g.own("Gelu", y)
        part = g.add("Add", g.add("Erf", g.add("Div", y, F32.type(2 ** 0.5))), F32.type(1))
        return g.add("Mul", g.add("Mul", y, part), F32.type(0.5))
    if kind == "PRelu":
        return g.add("PRelu", y, slopes(g, y))
    how = {"LeakyRelu": dict(alpha=g.rng.choice((0.125, 0.5))), "Elu": dict(alpha=0.5)}.get(kind, {})
    return g.add(kind, y, **how)


@adder(3)
def function(g: Graph):
    x = g.pick(lambda a: a.size)
    kind = g.rng.choice(("Relu", "Clip", "LeakyRelu", "Sigmoid", "HardSwish", "SiLU", "Tanh", "HardSigmoid", "Gelu",
                         "Elu", "PRelu", "PRelu"))
    y = unary(g, kind, g.real(x))
    if g.rng.random() < 0.2:
        y = activation(g, y)
    g.quantize(y)


@adder(1.5)
def function_q_operator(g: Graph):
    x = g.pick(lambda a: a.size and a.dtype in (U8, S8))
    kind = g.rng.choice(("Sigmoid", "LeakyRelu", "Softmax"))
    how = {"LeakyRelu": dict(alpha=0.125), "Softmax": dict(axis=g.rng.randrange(-1, g.values[x].ndim))}.get(kind, {})
    if kind == "Softmax" and not g.values[x].ndim:
        raise Declined("a scalar")
    more = dict(how, opset=13) if kind == "Softmax" else how
    instead(g, lambda: g.add(kind, g.real(x), **how),
            lambda *y: g.own(f"QLinear{kind}", x, *g.stored[x], *y, **more), g.values[x].dtype)


@adder(0.8)
def requantized(g: Graph):
    """To another scale, perhaps another type; or to the same one."""
    x = g.pick(lambda a: a.size)
    g.quantize(g.real(x), g.rng.choice(g.types), like=x if g.rng.random() < 0.2 else None)


@adder(0.5)
def reinterpreted(g: Graph):
    """Integers that are read by another scale than they were written by."""
    x = g.pick(lambda a: a.size)
    scale, zero = g.fitted(-g.size, g.size, g.values[x].dtype)
    y = g.add("DequantizeLinear", x, scale, zero, domain=g.domain(zero.dtype))
    g.quantize(activation(g, y))


@adder(0.4)
def twice(g: Graph):
    """The same floats by two scales."""
    y = activation(g, g.real(g.pick(lambda a: a.size)))
    for _ in range(2):
        g.quantize(y)


@adder(0.2)
def handed_on(g: Graph):
    x = g.pick(lambda a: a.size)
    g.enter(g.add("Identity", x), *g.stored[x])


@adder(0.5)
def per_channel(g: Graph):
    """Activations with a scale for each channel."""
    x, r = g.pick(lambda a: a.ndim > 1 and a.size and a.dtype in (U8, S8)), g.numbers()
    n, dtype = g.values[x].shape[1], g.values[x].dtype
    scale = g.scale(x).reshape(()) * (2.0 ** r.integers(-2, 3, n))
    parameters = g.constant(scale.astype(F32)), g.constant(r.integers(*limits(dtype), n, dtype, endpoint=True))
    y = g.add("QuantizeLinear", g.real(x), *parameters, axis=1)
    g.quantize(activation(g, g.add("DequantizeLinear", y, *parameters, axis=1)))


@adder(0.5)
def of_integers(g: Graph):
    """Limits of the stored numbers themselves."""
    x = g.pick(lambda a: a.size and a.dtype in (U8, S8))
    low, high = (np.array(v, g.values[x].dtype) for v in sorted(g.rng.sample(range(*limits(g.values[x].dtype)), 2)))
    kind = g.rng.choice(("Clip", "Max", "Min"))
    g.enter(g.add(kind, x, *((low, high) if kind == "Clip" else (low,))), *g.stored[x])


# ---- two values

def operand(g: Graph, x: str) -> str:
    """What broadcasts to a value: another one, itself, or a constant."""
    shape, rng = g.values[x].shape, g.rng
    mixed = rng.random() < 0.3
    same = [n for n in g.stored if n != x and n not in g.constants and (mixed or g.value(n).dtype == g.values[x].dtype)
            and g.value(n).ndim == len(shape) and all(a in (b, 1) for a, b in zip(g.values[n].shape, shape))]
    if same and rng.random() < 0.6:
        return rng.choice(same)
    if rng.random() < 0.2:
        return x
    dtype = g.values[x].dtype
    sizes = [d if i == 1 and rng.random() < 0.8 else 1 if g.free or rng.random() < 0.6 else d
             for i, d in enumerate(shape)]
    if rng.random() < 0.3:
        sizes = sizes[rng.randint(0, len(sizes)):]
    low, high = limits(dtype)
    scale, zero = g.fitted(-1.5 * g.size, 2 * g.size, dtype)
    return g.enter(g.constant(g.numbers().integers(low, high + 1, sizes).astype(dtype), "k"), scale, zero)


@adder(4)
def binary(g: Graph):
    x = g.pick(lambda a: a.size)
    other, rng = operand(g, x), g.rng
    kind = rng.choice(("Add", "Add", "Add", "Mul", "Mul", "Sub", "Max", "Min", "PRelu"))
    if kind == "PRelu":
        if g.free and x in g.constants and other not in g.constants:    # a batch of slopes fits no single picture
            raise Declined("slopes of free sizes")
        return g.quantize(g.add("PRelu", g.real(x), g.real(other)))
    first, second = rng.sample((x, other), 2)
    if kind in ("Add", "Mul") and rng.random() < 0.4 and is_8_bit(g, x) and are_alike(g, x, other):
        return instead(g, lambda: g.add(kind, g.real(first), g.real(second)),
                       lambda *y: g.own(f"QLinear{kind}", first, *g.stored[first], second, *g.stored[second], *y),
                       g.values[x].dtype)
    if rng.random() < 0.1:                              # one of them in floats
        y = g.add(kind, g.real(x), g.floats(*g.values[x].shape[1:2], *(1,) * max(0, g.values[x].ndim - 2)))
    else:
        y = g.add(kind, g.real(first), g.real(second))
    g.quantize(activation(g, y))


@adder(0.7)
def where(g: Graph):
    x = g.pick(lambda a: a.size)
    other, rng = operand(g, x), g.rng
    if g.free:
        condition = g.add("Greater", g.real(x), F32.type(0))
    else:
        condition = g.numbers().random(g.values[x].shape) < 0.5
        condition = g.constant(condition) if rng.random() < 0.5 else g.input(*condition.shape, dtype=bool)
    if rng.random() < 0.5 and is_8_bit(g, x) and are_alike(g, x, other):
        return instead(g, lambda: g.add("Where", condition, g.real(x), g.real(other)),
                       lambda *y: g.own("QLinearWhere", condition, x, *g.stored[x], other, *g.stored[other], *y),
                       g.values[x].dtype)
    g.quantize(g.add("Where", condition, g.real(x), g.real(other)))


@adder(2.5)
def concat(g: Graph):
    """Of several scales."""
    x, rng = g.pick(lambda a: a.ndim > 1 and a.size), g.rng
    shape, dtype = g.values[x].shape, g.values[x].dtype
    axis = 1 if g.free or rng.random() < 0.8 else rng.randrange(len(shape))
    fits = [n for n in g.stored if n not in g.constants and g.value(n).dtype == dtype and g.values[n].ndim == len(shape)
            and all(i == axis or a == b for i, (a, b) in enumerate(zip(g.values[n].shape, shape)))]
    parts = [rng.choice(fits or [x]) for _ in range(rng.randint(1, 3))] + [x]
    rng.shuffle(parts)
    how = rng.random()
    if how < 0.3 and dtype in (U8, S8):
        triples = [v for part in parts for v in (part, *g.stored[part])]
        return instead(g, lambda: g.add("Concat", *map(g.real, parts), axis=axis),
                       lambda *y: g.own("QLinearConcat", *y, *triples, axis=axis), dtype)
    if how < 0.45:                                      # the integers themselves, of one scale
        parts = [part for part in parts if g.stored[part] == g.stored[x]]
        return g.enter(g.add("Concat", *parts, axis=axis), *g.stored[x])
    g.quantize(activation(g, g.add("Concat", *map(g.real, parts), axis=axis)))
