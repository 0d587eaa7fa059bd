"""Products of numbers of 16 bits by constant weights become operators that know the integers."""
from __future__ import annotations

import numpy as np

from ..model.graph import Graph, Node
from ..ops.families import OWN_DOMAIN
from ..ops.grids import steps_of
from ..ops.numeric import F32, int_limits
from .pattern import Rewriter, has, rewrite
from .quantized import Stored, read, weights_of

GRIDS = tuple(map(np.dtype, (np.uint16, np.int16)))
LIMIT = 1 << 31                         # of a sum in int32
TYPES = {"Conv": "GridConv", "ConvTranspose": "GridConvTranspose", "MatMul": "GridMatMul", "Gemm": "GridGemm"}
ATTRIBUTES = {"Gemm": ("alpha", "beta", "transB"), "MatMul": ()}        # of convolutions: all
SCALING = ("BatchNormalization", "Mul", "Div", "Add", "Sub")    # which others fold into what they stand behind


@rewrite
def join_grids(graph: Graph, at: Rewriter) -> bool:
    """x16 -> DequantizeLinear -> Conv, w8 -> DequantizeLinear -> the same Conv   becomes   GridConv

    In the same way MatMul and Gemm (GridMatMul, GridGemm), and ConvTranspose whose windows lie side by side. They stay
    float32 in and out, and what computes between them is as it was: only the sums may be of integers. Weights of 4 bits
    become bytes.

    Guards: uint16 or int16 by one constant scale and zero point; weights are constants of 8 or 4 bits, by one scale or
    one for each output; both scales multiply to normal numbers; int32 holds what a sum may be of any numbers of 16
    bits; not depthwise, which is bound by reading and writing; no constants behind that could be folded into the
    weights.
    """
    changed = False
    for node in at.of(*TYPES):
        x = next((x for dtype in GRIDS if (x := read(at, node.inputs[0], dtype)) is not None), None)
        if x is None:
            continue
        found = _joined(at, node, x)
        if type(found) is str:
            graph.in_float[node.name or node.outputs[0]] = found
            continue
        if found:
            kept = ATTRIBUTES.get(node.op_type, node.attributes)
            attributes = {name: value for name, value in node.attributes.items() if name in kept}
            b = node.inputs[2] if has(node, 2) else ""
            at.change(node, TYPES[node.op_type], [*node.inputs[:2], b, x.scale, x.zero, *found], 1, OWN_DOMAIN,
                      **attributes)
            changed = True
    return changed


def _joined(at: Rewriter, node: Node, x: Stored) -> list[str] | str | None:
    """Names of the integers of the weights, their scale and zero point; or why they cannot be; None where others do
    more of it."""
    get = node.attributes.get
    axis, transposed = 0 if node.op_type == "Conv" or get("transB", 0) else 1, node.op_type == "ConvTranspose"
    found = weights_of(at, node.inputs[1], axis)
    if type(found) is str:
        return found
    w, zero = (at.array(name) for name in (found[0], found[2]))
    if node.op_type in ATTRIBUTES and (w.ndim != 2 or get("transA", 0) or node.opset < 7 and node.op_type == "Gemm") \
            or w.size == 0 or node.op_type != "MatMul" and is_scaled(at, node.outputs[0]):
        return None
    if transposed and (get("group", 1) > 1 or list(w.shape[2:]) != (get("strides") or [1] * (w.ndim - 2))
                       or max(get("dilations") or [1]) > 1):
        return "of 16 bits only ConvTranspose without groups, of kernels as large as its strides, is in integers"
    if node.op_type == "Conv" and get("group", 1) > 1 and w.shape[1] == 1:
        return "a convolution of one channel each takes the time of reading it, in integers too"
    if (at.array(x.scale) * at.array(found[1]) < np.finfo(F32).tiny).any():
        return "the scales of its input and its weights multiply to less than kernels tell from 0"
    steps = steps_of(w, zero, axis)
    x_zero = at.array(x.zero)
    low, high = (limit - int(x_zero.item()) for limit in int_limits(x_zero.dtype))
    others = (0,) if transposed else tuple(i for i in range(w.ndim) if i != axis)
    above, below = (np.maximum(sign * steps, 0).sum(others, np.int64) for sign in (1, -1))
    if max((above * high - below * low).max(), (below * high - above * low).max()) >= LIMIT:
        return "int32 does not hold sums of so many products of 16 bits; 8 bits at its input, or smaller weights, " \
               "would fit"
    return found


def is_scaled(at: Rewriter, name: str) -> bool:
    """Is what alone reads a value an operator by constants that its weights could take in?"""
    reader = at.only_reader(name)
    return reader is not None and not reader.domain and reader.op_type in SCALING \
        and any(at.array(other) is not None for other in reader.inputs if other != name)
