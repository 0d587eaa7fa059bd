"""QuantizeLinear and DequantizeLinear together are a function of one number."""
from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..model.graph import Graph, Node
from ..ops.families import OWN_DOMAIN
from ..ops.numeric import F32
from .join_quantized import may_miss
from .pattern import Rewriter, has, rewrite
from .quantized import LARGEST, SMALLEST, is_single, moves
from .spelling import Spelling

MOST_MOVED = 32                         # values between two roundings
INTEGERS = ("uint8", "int8", "uint16", "int16")


@rewrite
def merge_quantization(graph: Graph, at: Rewriter) -> bool:
    """[Relu or Clip ->] QuantizeLinear -> DequantizeLinear, one or several   becomes   QuantizeDequantize

    What only moves numbers of a grid, or takes the largest, leaves them there: a QuantizeDequantize by the same scale
    behind it goes.

    Guards: of float32, to 8 or 16 bits, by one constant scale that both have, and nobody else sees the
    integers. A Clip before it goes when nobody else sees its output and its limits saturate anyway.
    """
    changed = False
    for node in at.of("QuantizeLinear"):
        out = node.outputs[0]
        back = tuple(at.readers.get(out, ()))
        if not back or out in at.pinned or not all(
                n.op_type == "DequantizeLinear" and not n.domain and n.inputs[0] == out for n in back):
            continue
        found = {_scale_of(at, n) for n in (node, *back)}
        if len(found) == 1 and None not in found:
            _merge(at, node, back, *found.pop())
            changed = True
    for node in graph.nodes:
        if node.op_type == "QuantizeDequantize" and _is_on_grid(at, node.inputs[0], node.attributes):
            changed |= at.alias(node, node.inputs[0])
    return changed


def _is_on_grid(at: Rewriter, name: str, grid: dict) -> bool:
    """Are all numbers of a value what a QuantizeDequantize of these attributes gives?"""
    waiting, seen = [name], set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        node = at.makers.get(name)
        if node is None or len(seen) > MOST_MOVED:
            return False
        if node.op_type == "QuantizeDequantize":
            if node.attributes != grid:
                return False
        elif node.domain:
            return False
        elif node.op_type == "DequantizeLinear":
            if _scale_of(at, node) != (grid["scale"], grid["zero_point"], grid["dtype"]):
                return False
        elif node.op_type == "Concat":
            waiting += node.inputs
        elif moves(node) or node.op_type == "MaxPool" and not any(node.outputs[1:]) and not may_miss(node):
            waiting.append(node.inputs[0])
        else:
            return False
    return True


def _merge(at: Rewriter, node: Node, back: Iterable[Node], scale: float, zero: int, dtype: str) -> None:
    back = sorted(back, key=lambda n: n.outputs[0] not in at.pinned)    # an output keeps its name: the others take it
    name, first = node.inputs[0], back[0].outputs[0]
    clip = at.maker(name, "Relu", "Clip")
    if clip is not None and at.only_reader(name):
        limits = Spelling(at).limits(clip)
        if limits is not None and _saturates(*limits[1:], scale, zero, dtype):
            name = limits[0]
    for other in back:
        at.remove(other)
    at.set_outputs(node, [first])
    at.change(node, "QuantizeDequantize", [name], 1, OWN_DOMAIN, scale=scale, zero_point=zero, dtype=dtype)
    for other in back[1:]:
        same = Node("Identity", [first], list(other.outputs), opset=13, name=other.name)
        at.insert(same, after=node)
        at.alias(same, first)


def _scale_of(at: Rewriter, node: Node) -> tuple[float, int, str] | None:
    """(scale, zero point, integer type) of a QuantizeLinear or DequantizeLinear between float32 and 8 or 16 bits,
    of one positive scale; else None."""
    scale = at.array(node.inputs[1])
    zero = at.array(node.inputs[2]) if has(node, 2) else np.zeros(1, np.int8)
    if scale is None or zero is None or not is_single(scale) or not is_single(zero) or scale.dtype != F32 \
            or not scale.item() > 0 or node.attributes.get("precision", 1) not in (0, 1):
        return None
    number, integer = map(at.dtype, (node.inputs[0], node.outputs[0]))
    if node.op_type == "DequantizeLinear":
        number, integer = integer, number
    if number != F32 or integer is None or integer.name not in INTEGERS \
            or integer.itemsize == 2 and not SMALLEST <= scale.item() <= LARGEST:   # kernels take its inverse
        return None
    return float(scale.reshape(-1)[0]), int(zero.reshape(-1)[0]), integer.name


def _saturates(low: float, high: float, scale: float, zero: int, dtype: str) -> bool:
    """Whether quantisation limits its numbers at least as much as this clip does."""
    from ..ops.quantize import quantize
    ends = quantize(np.array([low, high], F32), np.asarray(scale, F32), np.asarray(zero, dtype),
                    np.dtype(dtype))
    return ends.tolist() == [np.iinfo(dtype).min, np.iinfo(dtype).max]
