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

    d may be computed twice, d**2 be Pow or Mul, and 1/sqrt be Reciprocal of Sqrt. Guards: means run over
    the last axis with keepdims (axes is -1, or the rank of x is proved and axes is its last); scale and bias
    are constants of one dimension and more than one element (without a scale nothing tells the size that
    LayerNormalization needs for its own); epsilon is a scalar constant; no value inside may be read by
    anything else or be a graph output.
    """
    changed = False
    for node in at.of("Mul"):
        changed |= _layer_norm(node, at)
    return changed


def _layer_norm(node: Node, at: Rewriter) -> bool:
    if node.attributes:
        return False
    for normal, scale in (node.inputs, node.inputs[::-1]):
        weights = at.array(scale)
        if weights is None or weights.ndim != 1 or weights.size < 2 or weights.dtype.kind != "f":
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
            bias = next(name for name in add.inputs[::-1] if name != node.outputs[0])
            array = at.array(bias)
            if array is not None and array.shape == weights.shape and array.dtype == weights.dtype:
                inputs, root = [x, scale, bias], add
        at.change(root, "LayerNormalization", inputs, 17, axis=-1, epsilon=epsilon)
        return True
    return False


def _normalised(spelling: Spelling, name: str) -> tuple[str, float, bool] | None:
    """The value as (x - mean(x)) / sqrt(variance(x) + epsilon): (x, epsilon, False); or as x / sqrt(mean(x**2)
    + epsilon): (x, epsilon, True)."""
    node = spelling.maker(name, "Div", "Mul")
    if node is None or node.attributes:
        return None
    for centred, deviation in (node.inputs, node.inputs[::-1]):
        if node.op_type == "Mul":
            inverse = spelling.at.maker(deviation, "Reciprocal")
            if inverse is None:
                continue
            spelling.inside.append(inverse)
            deviation = inverse.inputs[0]
        x = _centred(spelling, centred)
        root = spelling.maker(deviation, "Sqrt")
        shifted = root and spelling.step(root.inputs[0])
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
