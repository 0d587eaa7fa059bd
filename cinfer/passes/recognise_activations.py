"""Activations that exporters spell out."""
from __future__ import annotations

from math import inf, pi, sqrt

import numpy as np

from ..model.graph import Graph, Node
from ..ops.facts import Unranked
from .pattern import Rewriter, rewrite
from .spelling import Spelling


@rewrite
def recognise_activations(graph: Graph, at: Rewriter) -> bool:
    """x * sigmoid(c * x)                                         becomes   Swish(alpha=c)
    max(0, min(6, x + 3)) / 6  and other ramps from 0 to 1         becomes   HardSigmoid
    x * max(0, min(6, x + 3)) / 6, x * HardSigmoid(1/6, 1/2)       becomes   HardSwish
    x / 2 * (1 + erf(x / sqrt(2)))                                 becomes   Gelu
    x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))       becomes   Gelu(approximate="tanh")
    x * tanh(softplus(x))                                          becomes   Mish
    log(1 + exp(x))                                                becomes   Softplus
    1 / (1 + exp(-x))                                              becomes   Sigmoid
    x / (1 + exp(-c * x))                                          becomes   Swish(alpha=c)
    x / (1 + abs(x))                                               becomes   Softsign
    max(x, 0) + c * min(x, 0), max(x, 0) - c * max(-x, 0)          becomes   PRelu
    x where x > 0, else c * x                                      becomes   PRelu
    max(x, c * x) with 0 <= c <= 1, PRelu with one slope for all   becomes   LeakyRelu
    max(x, 0)                                                      becomes   Relu
    chains of Relu, Clip, Min and Max with constants               become    one Clip

    Products and sums may stand in any order and grouping, a factor c as Mul by c or Div by 1/c. A slope must be of
    x's type and sure to fit its shape. The other constants must be scalars of floating point
    that cannot raise the rank of x, and equal the formula's but for rounding; no value inside may be read by
    anything else or be a graph output.
    """
    changed = False
    for node in at.walk():
        changed |= recognised(node, at)
    return changed


def recognised(node: Node, at: Rewriter) -> bool:
    """Whether a node was the end of one, which it is now."""
    recognise = _RECOGNISERS.get(node.op_type)
    return recognise is not None and recognise(node, at)


def _replace(spelling: Spelling, node: Node, op_type: str, x: str, opset: int, **attributes) -> bool:
    """opset : the first that has the operator so"""
    if op_type in spelling.at.spelled or not spelling.at.encloses(spelling.inside, node):
        return False
    spelling.at.change(node, op_type, [x], max(opset, node.opset), **attributes)
    return True


def _product(node: Node, at: Rewriter) -> bool:
    """Mul or Div: one factor is x, the other made from x; or the only one is a ramp."""
    outer = Spelling(at)
    read = outer.product(node)
    if read is None:
        return node.op_type == "Div" and _quotient(node, at)
    scale, factors = read
    if len(factors) == 1:
        return scale != 1.0 and _hard_sigmoid(outer, node, factors[0], scale)
    for x, gate in (factors, factors[::-1]):
        maker = at.maker(gate, *_GATES)
        if maker is None:
            continue
        spelling = Spelling(at)
        spelling.inside, spelling.tolerance = [*outer.inside], outer.tolerance
        if _GATES[maker.op_type](spelling, node, x, gate, scale):
            return True
    return False


def _swish(spelling, node, x, gate, scale):
    inner = spelling.maker(gate, "Sigmoid").inputs[0]
    polynomial = spelling.polynomial(inner, x)
    if scale != 1.0 or polynomial is None or set(polynomial) != {1}:
        return False
    return _replace(spelling, node, "Swish", x, 24, alpha=polynomial[1])


def _hard_swish(spelling, node, x, gate, scale):
    attributes = spelling.maker(gate, "HardSigmoid").attributes
    return (scale == 1.0 and spelling.inside[-1].inputs[0] == x
            and spelling.near(attributes.get("alpha", 0.2), 1 / 6)
            and spelling.near(attributes.get("beta", 0.5), 0.5)
            and _replace(spelling, node, "HardSwish", x, 14))


def _clamped_hard_swish(spelling, node, x, gate, scale):
    clamp = spelling.clamp(gate)
    if clamp is None or clamp[1:] != (0.0, 6.0) or not spelling.near(scale, 1 / 6):
        return False
    return (spelling.polynomial(clamp[0], x) == {0: 3.0, 1: 1.0}
            and _replace(spelling, node, "HardSwish", x, 14))


def _mish(spelling, node, x, gate, scale):
    softplus = spelling.maker(spelling.maker(gate, "Tanh").inputs[0], "Softplus")
    return (scale == 1.0 and softplus is not None and softplus.inputs[0] == x
            and _replace(spelling, node, "Mish", x, 18))


def _gelu(spelling, node, x, gate, scale):
    """The gate is a + b * erf(...) or a + b * tanh(...), with a = b = 0.5 / scale."""
    curve, slope, offset = spelling.affine(gate)
    function = spelling.maker(curve, "Erf", "Tanh")
    if function is None or not spelling.near(slope * scale, 0.5) or not spelling.near(offset * scale, 0.5):
        return False
    polynomial = spelling.polynomial(function.inputs[0], x)
    if polynomial is None:
        return False
    if function.op_type == "Erf":
        wanted, approximate = {1: sqrt(0.5)}, "none"
    else:
        wanted, approximate = {1: sqrt(2 / pi), 3: sqrt(2 / pi) * 0.044715}, "tanh"
    if set(polynomial) != set(wanted) or not all(spelling.near(polynomial[k], c) for k, c in wanted.items()):
        return False
    return _replace(spelling, node, "Gelu", x, 20, approximate=approximate)


_GATES = {"Sigmoid": _swish, "HardSigmoid": _hard_swish, "Tanh": _mish,
          **dict.fromkeys(("Add", "Sub", "Mul"), _gelu),
          **dict.fromkeys(("Clip", "Min", "Max", "Relu"), _clamped_hard_swish)}


def _hard_sigmoid(spelling: Spelling, node: Node, name: str, scale: float) -> bool:
    """scale * clamp(a * x + b, 0, 1 / scale)."""
    clamp = spelling.clamp(name)
    if clamp is None or clamp[1] != 0.0 or clamp[2] == inf or not spelling.near(scale * clamp[2], 1.0):
        return False
    if not spelling.at.only_reader(clamp[0]):
        return False
    x, a, b = spelling.affine(clamp[0])
    if x == clamp[0]:
        return False
    return _replace(spelling, node, "HardSigmoid", x, 6, alpha=a * scale, beta=b * scale)


def _clamp(node: Node, at: Rewriter) -> bool:
    """Relu, Clip, Min or Max: a ramp, or the end of a chain of limits, or a leaky maximum."""
    if _hard_sigmoid(Spelling(at), node, node.outputs[0], 1.0):
        return True
    spelling = Spelling(at)
    clamp = spelling.clamp(node.outputs[0])
    if clamp is None:
        return node.op_type == "Max" and _leaky_maximum(node, at)
    x, low, high = clamp
    spelling.inside.remove(node)
    alone = not spelling.inside
    if low == 0.0 and high == inf:
        return not (alone and node.op_type == "Relu") and _replace(spelling, node, "Relu", x, 6)
    if (alone and node.op_type == "Clip") or (low, high) == (-inf, inf):
        return False
    if not at.encloses(spelling.inside, node):
        return False
    if spelling.dtype is None:                          # only Clips of old, which say no type
        limits = {key: value for key, value in (("min", low), ("max", high)) if abs(value) != inf}
        at.change(node, "Clip", [x], 6, **limits)
    else:
        at.change(node, "Clip", [x, _limit(at, low, spelling.dtype), _limit(at, high, spelling.dtype)], 13)
    return True


def _limit(at: Rewriter, value: float, dtype: np.dtype) -> str:
    return "" if abs(value) == inf else at.constant(np.array(value, dtype), "limit")


def _leaky_maximum(node: Node, at: Rewriter) -> bool:
    if len(node.inputs) != 2:
        return False
    for x, scaled in (node.inputs, node.inputs[::-1]):
        spelling = Spelling(at)
        one = spelling.step(scaled)
        if one is not None and one[0] == x and 0.0 <= one[1] <= 1.0 and one[2] == 0.0:
            return _replace(spelling, node, "LeakyRelu", x, 6, alpha=one[1])
    return False


def _quotient(node: Node, at: Rewriter) -> bool:
    """x / (1 + exp(-c * x)), x / (1 + abs(x)), 1 / (1 + exp(-x))."""
    spelling, x = Spelling(at), node.inputs[0]
    one = spelling.step(node.inputs[1])
    if node.attributes or not one or one[1:] != (1.0, 1.0):
        return False
    inner = spelling.maker(one[0], "Exp", "Abs")
    if inner is None:
        return False
    if inner.op_type == "Abs":
        return inner.inputs[0] == x and _replace(spelling, node, "Softsign", x, 1)
    if spelling.scalar(x, one[0]) == 1.0:
        return _sigmoid(spelling, node, inner)
    polynomial = spelling.polynomial(inner.inputs[0], x)
    return polynomial is not None and set(polynomial) == {1} and _replace(
        spelling, node, "Swish", x, 24, alpha=-polynomial[1])


def _reciprocal(node: Node, at: Rewriter) -> bool:
    """1 / (1 + exp(-x))."""
    spelling = Spelling(at)
    one = spelling.step(node.inputs[0])
    exp = one and one[1:] == (1.0, 1.0) and spelling.maker(one[0], "Exp")
    return bool(exp) and _sigmoid(spelling, node, exp)


def _sigmoid(spelling: Spelling, node: Node, exp: Node) -> bool:
    one = spelling.step(exp.inputs[0])
    return one is not None and one[1:] == (-1.0, 0.0) and _replace(spelling, node, "Sigmoid", one[0], 6)


def _two_slopes(node: Node, at: Rewriter) -> bool:
    """Add or Sub: max(x, 0) and min(x, 0), or max(-x, 0), by a slope."""
    if node.attributes:
        return False
    for above, below in (node.inputs, node.inputs[::-1])[:2 if node.op_type == "Add" else 1]:
        spelling = Spelling(at)
        clamp, mul = spelling.clamp(above), spelling.maker(below, "Mul")
        if clamp is None or clamp[1:] != (0.0, inf) or mul is None or mul.attributes:
            continue
        for name, slope in (mul.inputs, mul.inputs[::-1]):
            low = spelling.clamp(name) if at.array(slope) is not None else None
            if low is None:
                continue
            sign = 1 if node.op_type == "Add" else -1
            if low[1:] == (0.0, inf):
                one, sign = spelling.step(low[0]), -sign
                if one is None or one[1:] != (-1.0, 0.0):
                    continue
                low = one[0], -inf, 0.0
            if low == (clamp[0], -inf, 0.0):
                return _with_slope(spelling, node, clamp[0], sign * at.array(slope))
    return False


def _where(node: Node, at: Rewriter) -> bool:
    """Where x > 0, x, else x by a slope; or the other way round."""
    spelling = Spelling(at)
    test = spelling.maker(node.inputs[0], *_SIDES)
    if test is None:
        return False
    side, (x, limit) = _SIDES[test.op_type], test.inputs
    if spelling.scalar(limit, x) is None:
        side, x, limit = -side, limit, x
    if spelling.scalar(limit, x) != 0.0:
        return False
    same, other = node.inputs[1:] if side > 0 else node.inputs[:0:-1]
    mul = spelling.maker(other, "Mul")
    if same != x or mul is None or mul.attributes or x not in mul.inputs:
        return False
    slope = at.array(mul.inputs[mul.inputs[0] == x])
    return slope is not None and _with_slope(spelling, node, x, slope)


_SIDES = {"Greater": 1, "GreaterOrEqual": 1, "Less": -1, "LessOrEqual": -1}


def _with_slope(spelling: Spelling, node: Node, x: str, slope: np.ndarray) -> bool:
    at = spelling.at
    if slope.dtype.kind != "f" or at.dtype(x) != slope.dtype or not slope.size or not np.isfinite(slope).all() \
            or not _broadcasts(x, slope, at) or not at.encloses(spelling.inside, node):
        return False
    at.change(node, "PRelu", [x, at.constant(slope, "slope")], max(9, node.opset))
    _uniform_slope(node, at)
    return True


def _softplus(node: Node, at: Rewriter) -> bool:
    spelling = Spelling(at)
    one = spelling.step(node.inputs[0])
    exp = one and one[1:] == (1.0, 1.0) and spelling.maker(one[0], "Exp")
    return bool(exp) and _replace(spelling, node, "Softplus", exp.inputs[0], 1)


def _uniform_slope(node: Node, at: Rewriter) -> bool:
    x, slope = node.inputs[0], at.array(node.inputs[1])
    if slope is None or slope.dtype.kind != "f" or not slope.size or (slope != slope.flat[0]).any() \
            or at.dtype(x) not in (None, slope.dtype) or not _broadcasts(x, slope, at, node.opset):
        return False
    at.change(node, "LeakyRelu", node.inputs[:1], max(6, node.opset), alpha=float(slope.flat[0]))
    return True


def _broadcasts(x: str, slope: np.ndarray, at: Rewriter, opset: int = 16) -> bool:
    """Is the slope sure to fit x? Nobody asks again when it is gone. opset : of the PRelu"""
    if slope.size == 1 and (at.fits(slope, x) or opset < 7):
        return True
    fact = at.fact(x)
    if fact is None or type(fact) is Unranked:
        return False
    shape = slope.shape if opset >= 7 else slope.shape + (1,) * (fact.ndim - 1 - slope.ndim)
    return len(shape) <= fact.ndim and all(
        a == 1 or type(b) is int and a == b for a, b in zip(shape[::-1], fact.shape[::-1]))


_RECOGNISERS = {"Mul": _product, "Div": _product, "Log": _softplus, "PRelu": _uniform_slope, "Add": _two_slopes,
                "Sub": _two_slopes, "Where": _where, "Reciprocal": _reciprocal,
                **dict.fromkeys(("Clip", "Relu", "Min", "Max"), _clamp)}
