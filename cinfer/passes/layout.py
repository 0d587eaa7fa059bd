"""How each operator reads when its tensors are transposed: what axes, pads and constants become.

A value v and its turned form t belong together by v = Transpose(t, perm): axis i of v is axis perm[i] of t.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..model.graph import Node
from ..ops import registry
from .pattern import Rewriter, has

Perm = tuple[int, ...]


class Turned(NamedTuple):
    """A node that works on turned tensors.

    data : positions of the inputs to be turned
    attributes : all of the node, those that differ
    constants : position -> array that takes the place of a constant input
    """
    data: list[int]
    attributes: dict[str, object]
    constants: dict[int, np.ndarray]


def inverse(perm: Perm) -> Perm:
    """Transpose(Transpose(x, perm), inverse(perm)) is x."""
    back = [0] * len(perm)
    for i, axis in enumerate(perm):
        back[axis] = i
    return tuple(back)


def compose(first: Perm, second: Perm) -> Perm:
    """Transpose(Transpose(x, first), second) is Transpose(x, compose(first, second))."""
    return tuple(first[axis] for axis in second)


def is_permutation(perm: Sequence[int]) -> bool:
    return sorted(perm) == list(range(len(perm)))


def turned(node: Node, at: Rewriter, perm: Perm) -> Turned | None:
    """The node as it works on turned inputs and gives turned outputs; None when it cannot."""
    if node.domain:
        return None
    rule = _RULES.get(node.op_type)
    if rule is None:
        traits = registry.traits(node)
        rule = _unary if traits.elementwise else _broadcast if traits.broadcast else None
    return rule(node, at, perm) if rule else None


def turned_inside(node: Node, at: Rewriter, perm: Perm) -> Turned | None:
    """The node with its first input turned and its outputs not: the axes that are left keep their order."""
    rule = None if node.domain else _INSIDE.get(node.op_type)
    return rule(node, at, perm) if rule else None


def turned_outside(node: Node, at: Rewriter, perm: Perm) -> Turned | None:
    """The node with its output turned and its inputs not: the axes that it had keep their order."""
    rule = None if node.domain else _OUTSIDE.get(node.op_type)
    return rule(node, at, perm) if rule else None


# inputs and outputs turn

def _unary(node, at, perm):
    return Turned([0], node.attributes, {}) if at.rank(node.inputs[0]) == len(perm) else None


def _broadcast(node, at, perm):
    if "axis" in node.attributes or "broadcast" in node.attributes:         # before opset 7
        return None
    data, constants = [], {}
    for position, name in enumerate(node.inputs):
        rank = at.rank(name)
        array = at.array(name)
        if rank is None or rank > len(perm):
            return None
        if array is None:
            if rank == len(perm):
                data.append(position)
            elif rank:
                return None
        elif array.size > 1:
            full = array.reshape((1,) * (len(perm) - rank) + array.shape)
            constants[position] = full.transpose(inverse(perm))
    return Turned(data, node.attributes, constants) if data else None


def _concat(node, at, perm):
    axis = _axis(node, perm, 1 if node.opset < 4 else None)
    if axis is None or any(at.rank(name) != len(perm) for name in node.inputs):
        return None
    constants = {i: at.array(name).transpose(inverse(perm)) for i, name in enumerate(node.inputs)
                 if at.array(name) is not None}
    data = [i for i in range(len(node.inputs)) if i not in constants]
    return Turned(data, {**node.attributes, "axis": axis}, constants) if data else None


def _along_axis(default: int, since: int = 1) -> Callable:
    def rule(node, at, perm):
        axis = _axis(node, perm, default)
        if axis is None or node.opset < since or at.rank(node.inputs[0]) != len(perm):
            return None
        return Turned([0], {**node.attributes, "axis": axis}, {})
    return rule


def _quantize(node, at, perm):
    for name in node.inputs[1:]:
        if name and at.rank(name) not in (0, 1):        # blocks have scales of the rank of x
            return None
    return _along_axis(1)(node, at, perm)


def _arg(node, at, perm):
    return _along_axis(0)(node, at, perm) if node.attributes.get("keepdims", 1) else None


def _reduce(node, at, perm):
    if not node.attributes.get("keepdims", 1) or at.rank(node.inputs[0]) != len(perm):
        return None
    if has(node, 1) or "axes" in node.attributes:
        return _with_axes(node, at, perm, 13 if node.op_type == "ReduceSum" else 18)
    return Turned([0], node.attributes, {})


def _with_axes(node, at, perm, since):
    """The node with its list of axes, an attribute before opset `since`, mapped."""
    axes = _mapped(at.ints(node, "axes", 1, since), perm)
    return None if axes is None else _ints(node, "axes", 1, since, sorted(axes))


def _pad(node, at, perm):
    if at.rank(node.inputs[0]) != len(perm):
        return None
    if has(node, 3):
        return _with_axes_input(node, at, perm)
    pads = at.ints(node, "pads", 1, 11)
    rank = len(perm)
    if pads is None or len(pads) != 2 * rank:
        return None
    back = inverse(perm)
    return _ints(node, "pads", 1, 11, [pads[i] for i in back] + [pads[rank + i] for i in back])


def _slice(node, at, perm):
    if at.rank(node.inputs[0]) != len(perm):
        return None
    if node.opset < 10:
        axes = node.attributes.get("axes") or range(len(node.attributes["starts"]))
        axes = _mapped(axes, perm)
        return None if axes is None else Turned([0], {**node.attributes, "axes": axes}, {})
    return _with_axes_input(node, at, perm) if has(node, 3) else None


def _with_axes_input(node, at, perm):
    """Pad, Slice: the entries of the other lists belong to those of the axes, so only these are mapped."""
    axes = at.integers(node.inputs[3])
    axes = None if axes is None else _mapped(axes, perm)
    return None if axes is None else Turned([0], node.attributes, {3: np.array(axes, at.array(node.inputs[3]).dtype)})


def _per_axis(*positions: int) -> Callable:
    """Constant inputs with an entry for each axis: Tile, Expand, Resize, Upsample."""
    def rule(node, at, perm):
        if at.rank(node.inputs[0]) != len(perm) or "axes" in node.attributes or "scales" in node.attributes:
            return None
        constants = {}
        for position in positions:
            array = at.array(node.inputs[position]) if has(node, position) else np.zeros(0)
            if array is None or array.size not in (0, len(perm)):
                return None
            if array.size:
                constants[position] = array[list(inverse(perm))]
        return Turned([0], node.attributes, constants) if constants else None
    return rule


def _resize(node, at, perm):
    if node.opset < 11:
        return _per_axis(1)(node, at, perm)
    if has(node, 1) and (at.array(node.inputs[1]) is None or at.array(node.inputs[1]).size):
        return None                                     # a region of interest
    return _per_axis(2, 3)(node, at, perm)


def _gather(node, at, perm):
    """With one axis of indices the result has the rank of the data."""
    return _along_axis(0)(node, at, perm) if at.rank(node.inputs[1]) == 1 else None


_RULES: dict[str, Callable] = {
    "PRelu": _broadcast, "Concat": _concat, "Split": _along_axis(0), "LpNormalization": _along_axis(-1),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax"), _along_axis(-1, since=13)),
    "QuantizeLinear": _quantize, "DequantizeLinear": _quantize, "ArgMax": _arg, "ArgMin": _arg,
    **dict.fromkeys("""
        ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
        ReduceSumSquare""".split(), _reduce),
    "Pad": _pad, "Slice": _slice, "Tile": _per_axis(1), "Expand": _per_axis(1), "Upsample": _per_axis(1),
    "Resize": _resize, "Gather": _gather,
}


# the input turns, the output stays

def _reduce_away(node, at, perm):
    if node.attributes.get("keepdims", 1):
        return None
    since = 13 if node.op_type == "ReduceSum" else 18
    in_order = _rest_in_order(at.ints(node, "axes", 1, since), perm)
    return _with_axes(node, at, perm, since) if in_order else None


def _squeeze(node, at, perm):
    return _with_axes(node, at, perm, 13) if _rest_in_order(at.ints(node, "axes", 1, 13), perm) else None


def _drop_axis(default):
    def rule(node, at, perm):
        if node.op_type == "Gather":
            if at.rank(node.inputs[1]) != 0:
                return None
        elif node.attributes.get("keepdims", 1):
            return None
        axis = _axis(node, perm, default)
        if axis is None or not _rest_in_order([node.attributes.get("axis", default)], perm):
            return None
        return Turned([0], {**node.attributes, "axis": axis}, {})
    return rule


_INSIDE: dict[str, Callable] = {
    **dict.fromkeys((name for name in _RULES if name.startswith("Reduce")), _reduce_away),
    "Squeeze": _squeeze, "ArgMax": _drop_axis(0), "ArgMin": _drop_axis(0), "Gather": _drop_axis(0),
}


# the output turns, the input stays

def _reshape(node, at, perm):
    """Axes of one element move freely."""
    shape = at.ints(node, "shape", 1, 5)
    if shape is None or len(shape) != len(perm) or 0 in shape or node.attributes.get("allowzero"):
        return None
    if not _rest_in_order([i for i, size in enumerate(shape) if size == 1], perm):
        return None
    return _ints(node, "shape", 1, 5, [shape[i] for i in inverse(perm)])


def _unsqueeze(node, at, perm):
    axes = at.ints(node, "axes", 1, 13)
    return _with_axes(node, at, perm, 13) if _rest_in_order(axes, perm) else None


_OUTSIDE: dict[str, Callable] = {"Reshape": _reshape, "Unsqueeze": _unsqueeze}


def _axis(node: Node, perm: Perm, default: int | None) -> int | None:
    axis = node.attributes.get("axis", default)
    return perm[axis] if axis is not None and -len(perm) <= axis < len(perm) else None


def _mapped(axes: Sequence[int] | None, perm: Perm) -> list[int] | None:
    if axes is None or any(not -len(perm) <= axis < len(perm) for axis in axes):
        return None
    return [perm[axis] for axis in axes]


def _rest_in_order(axes: Sequence[int] | None, perm: Perm) -> bool:
    """Do the axes that are not in the list keep their order?"""
    if axes is None or any(not -len(perm) <= axis < len(perm) for axis in axes):
        return False
    gone = {axis % len(perm) for axis in axes}
    rest = [perm[i] for i in range(len(perm)) if i not in gone]
    return rest == sorted(rest)


def _ints(node: Node, attribute: str, position: int, since: int, values: list[int]) -> Turned:
    if node.opset < since:
        return Turned([0], {**node.attributes, attribute: values}, {})
    return Turned([0], node.attributes, {position: np.array(values, np.int64)})
