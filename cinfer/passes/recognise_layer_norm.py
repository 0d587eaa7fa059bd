"""Layer normalization, with the mean and without, that exporters spell out."""
from __future__ import annotations

from ..model.graph import Graph, Node
from .pattern import Rewriter, rewrite
from .spelling import Spelling


@rewrite
def recognise_layer_norm(graph: Graph, at: Rewriter) -> bool:
    """x -> ReduceMean -> m;  x - m = d;  d**2 -> ReduceMean -> v;  d / sqrt(v + epsilon) * scale [+ bias]
    becomes   LayerNormalization(x, scale, bias, axis=-1)
    x -> x**2 -> ReduceMean -> v;  x / sqrt(v + epsilon) * scale   becomes   RMSNormalization(x, scale, axis=-1)

    d may be computed twice, d**2 be Pow or Mul, and 1/sqrt be Reciprocal of Sqrt, a quotient or a Pow. TensorFlow
    and Keras write x * g + (bias - m * g) with g = scale / sqrt(v + epsilon). Guards: means run over
    the last axis with keepdims (axes is -1, or the rank of x is proved and axes is its last); scale and bias
    are constants of one dimension, but for axes of 1 before it, and more than one element (without a scale nothing
    tells the size that LayerNormalization needs for its own); epsilon is a scalar constant; no value inside may be
    read by anything else or be a graph output.
    """
    changed = False
    for node in at.of("Mul"):
        changed |= _layer_norm(node, at)
    for node in at.of("Add"):
        changed |= _of_moments(node, at)
    return changed


def _row(at: Rewriter, name: str, x: str) -> str | None:
    """A constant row that is multiplied by x, or added to it, as an array of one dimension."""
    array = at.array(name)
    if array is None or array.dtype.kind != "f" or array.size < 2 or array.shape[-1] != array.size:
        return None
    if array.ndim == 1:
        return name
    return at.constant(array.reshape(-1), name) if array.ndim <= (at.rank(x) or 0) else None


def _layer_norm(node: Node, at: Rewriter) -> bool:
    if node.attributes:
        return False
    for normal, scale in (node.inputs, node.inputs[::-1]):
        scale = _row(at, scale, normal)
        if scale is None:
            continue
        spelling = Spelling(at)
        found = _normalised(spelling, normal)
        if found is None:
            continue
        x, epsilon, raw = found
        if not at.encloses(spelling.inside, node):
            return False
        if raw:
            at.change(node, "RMSNormalization", [x, scale], 23, axis=-1, epsilon=epsilon)
            return True
        inputs, root = [x, scale], node
        add = at.only_reader(node.outputs[0])
        if add is not None and add.op_type == "Add" and not add.domain and not add.attributes:
            bias = _row(at, next(name for name in add.inputs[::-1] if name != node.outputs[0]), x)
            if bias is not None and _alike(at, scale, bias):
                inputs, root = [x, scale, bias], add
        at.change(root, "LayerNormalization", inputs, 17, axis=-1, epsilon=epsilon)
        return True
    return False


def _alike(at: Rewriter, scale: str, bias: str) -> bool:
    a, b = at.array(scale), at.array(bias)
    return a.shape == b.shape and a.dtype == b.dtype


def _of_moments(node: Node, at: Rewriter) -> bool:
    """Add: x * g, and bias - mean(x) * g."""
    if node.attributes:
        return False
    for product, rest in (node.inputs, node.inputs[::-1]):
        mul = at.maker(product, "Mul")
        for x, g in (mul.inputs, mul.inputs[::-1]) if mul is not None and not mul.attributes else ():
            spelling = Spelling(at)
            spelling.inside.append(mul)
            found = _inverse_deviation(spelling, x, g)
            mean, bias = _shift(spelling, rest, g) if found else (None, None)
            if mean is None or _mean(spelling, mean) != x:
                continue
            scale, epsilon = found
            bias = _row(at, bias, x)
            if bias is not None and _alike(at, scale, bias) and at.encloses(spelling.inside, node):
                at.change(node, "LayerNormalization", [x, scale, bias], 17, axis=-1, epsilon=epsilon)
                return True
    return False


def _inverse_deviation(spelling: Spelling, x: str, g: str) -> tuple[str, float] | None:
    """The value as scale / sqrt(variance(x) + epsilon): (scale, epsilon)."""
    mul = spelling.maker(g, "Mul")
    for inverse, scale in (mul.inputs, mul.inputs[::-1]) if mul is not None and not mul.attributes else ():
        scale = _row(spelling.at, scale, x)
        root = _inverse(spelling, inverse) if scale is not None else None
        shifted = root and spelling.step(root)
        squares = shifted and shifted[1] == 1.0 and _mean(spelling, shifted[0])
        base = squares and _squared(spelling, squares)
        if base and _centred(spelling, base) == x:
            return scale, shifted[2]
    return None


def _inverse(spelling: Spelling, name: str) -> str | None:
    """The value as 1 / sqrt(y): y."""
    node = spelling.maker(name, "Reciprocal", "Div", "Pow")
    if node is None or node.attributes:
        return None
    if node.op_type == "Pow":
        exponent = spelling.at.array(node.inputs[1])
        return node.inputs[0] if exponent is not None and exponent.size == 1 and exponent.item() == -0.5 else None
    if node.op_type == "Div" and spelling.scalar(node.inputs[0], node.inputs[1]) != 1.0:
        return None
    root = spelling.maker(node.inputs[-1], "Sqrt")
    return root and root.inputs[0]


def _shift(spelling: Spelling, name: str, g: str) -> tuple[str | None, str]:
    """The value as bias - mean * g: (mean, bias)."""
    at, node = spelling.at, spelling.maker(name, "Sub", "Add")
    if node is None or node.attributes:
        return None, ""
    for bias, other in (node.inputs, node.inputs[::-1])[:1 if node.op_type == "Sub" else 2]:
        minus = node.op_type == "Sub"
        if at.array(bias) is None:
            continue
        if (outer := at.maker(other, "Neg")) is not None:
            spelling.inside.append(outer)
            minus, other = not minus, outer.inputs[0]
        mul = spelling.maker(other, "Mul")
        if mul is None or mul.attributes or g not in mul.inputs:
            return None, ""
        mean = mul.inputs[mul.inputs[0] == g]
        if (inner := at.maker(mean, "Neg")) is not None:
            spelling.inside.append(inner)
            minus, mean = not minus, inner.inputs[0]
        return (mean, bias) if minus else (None, "")
    return None, ""


def _normalised(spelling: Spelling, name: str) -> tuple[str, float, bool] | None:
    """The value as (x - mean(x)) / sqrt(variance(x) + epsilon): (x, epsilon, False); or as x / sqrt(mean(x**2)
    + epsilon): (x, epsilon, True)."""
    node = spelling.maker(name, "Div", "Mul")
    if node is None or node.attributes:
        return None
    count = len(spelling.inside)
    for centred, deviation in (node.inputs, node.inputs[::-1]):
        if node.op_type == "Mul":
            inner = _inverse(spelling, deviation)
            if inner is None:
                del spelling.inside[count:]
                continue
        else:
            root = spelling.maker(deviation, "Sqrt")
            inner = root and root.inputs[0]
        x = _centred(spelling, centred)
        shifted = inner and spelling.step(inner)
        if not shifted or shifted[1] != 1.0:
            return None
        squares = _mean(spelling, shifted[0])
        base = squares and _squared(spelling, squares)
        if not base:
            return None
        if x and (base == centred or _centred(spelling, base) == x):
            return x, shifted[2], False
        return (centred, shifted[2], True) if base == centred else None
    return None


def _centred(spelling: Spelling, name: str) -> str | None:
    """The value as x - mean(x): x."""
    node, count = spelling.maker(name, "Sub"), len(spelling.inside)
    if node is None or node.attributes or _mean(spelling, node.inputs[1]) != node.inputs[0]:
        del spelling.inside[count - (node is not None):]
        return None
    return node.inputs[0]


def _squared(spelling: Spelling, name: str) -> str | None:
    """The value as d * d or d ** 2: d."""
    node = spelling.maker(name, "Pow", "Mul")
    if node is None or node.attributes:
        return None
    base, other = node.inputs
    exponent = spelling.at.array(other)
    if node.op_type == "Mul" and base != other:
        return None
    if node.op_type == "Pow" and (exponent is None or exponent.size != 1 or exponent.item() != 2
                                  or not spelling.at.fits(exponent, base)):
        return None
    return base


def _mean(spelling: Spelling, name: str) -> str | None:
    """The value as the mean over the last axis, which stays with size 1: what it is the mean of."""
    node = spelling.maker(name, "ReduceMean")
    if node is None or not node.attributes.get("keepdims", 1):
        return None
    axes = spelling.at.ints(node, "axes", 1, 18)
    if axes is None or len(axes) != 1:
        return None
    if axes[0] == -1:
        return node.inputs[0]
    rank = spelling.at.rank(node.inputs[0])
    return node.inputs[0] if rank is not None and axes[0] == rank - 1 else None
