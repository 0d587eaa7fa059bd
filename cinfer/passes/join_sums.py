"""Convolutions of dynamically quantised models become operators that compute with the integers."""
from __future__ import annotations

from math import prod

import numpy as np

from ..model.graph import Graph, Node
from ..ops.families import OWN_DOMAIN
from ..ops.numeric import F32
from .join_products import BYTES
from .pattern import Rewriter, rewrite
from .quantized import U8, factors, is_single, known_shape, scaled

MOST = 1 << 31                          # of a sum
OPSET = 13


@rewrite
def join_sums(graph: Graph, at: Rewriter) -> bool:
    """x -> DynamicQuantizeLinear -> ConvInteger -> Cast -> Mul by a scale   becomes, and so with an Add of int32 before
    the Cast,

    x -> DynamicScale, and x -> QuantizeLinear by what it gives -> ScaledConvInteger; an Add behind becomes its bias.
    So the zero point is there before the bytes are, and their halo can be made of it. A scale that is a number of the
    run times a constant comes in as these two.

    Guards: nobody else sees what is between. Constant weights of 8 bits, with one zero point or one for each output
    channel, whose sums int32 holds by any zero point of x. The zero point of x is that of its DynamicQuantizeLinear, or
    a constant, or absent. The scale is known to be one number, or one for each output channel; the bias is a constant
    likewise. Pictures of one to three axes.
    """
    changed = False
    for node in at.of("ConvInteger"):
        changed |= _joined(at, node)
    return changed


def _joined(at: Rewriter, node: Node) -> bool:
    x, weights, zero, shift = node.inputs + [""] * (4 - len(node.inputs))
    w, rank = at.array(weights), at.rank(x)
    if w is None or w.dtype.name not in BYTES or rank not in (3, 4, 5) or w.ndim != rank or at.dtype(x) != U8:
        return False
    end = scaled(at, node, lambda row: _fits_channels(row.shape, len(w), rank))
    if end is None:
        return False
    shifts = at.array(shift) if shift else np.zeros((), w.dtype)
    if shifts is None or shifts.dtype != w.dtype or not (is_single(shifts) or shifts.shape == w.shape[:1]):
        return False
    wide = w.reshape(len(w), -1).astype(np.int64) - shifts.astype(np.int64).reshape(-1, 1)
    if 255 * max(np.maximum(wide, 0).sum(1).max(), np.maximum(-wide, 0).sum(1).max()) >= MOST:
        return False
    by_run = _is_zero_of(at, zero, x)
    zeros = at.array(zero) if zero else np.zeros((), U8)
    if not by_run and (zeros is None or zeros.dtype != U8 or not is_single(zeros)):
        return False
    mul, scale, row = end
    scale, by = factors(at, scale, lambda name: _is_per_channel(at, name, len(w), rank))
    if not _is_per_channel(at, scale, len(w), rank):
        return False
    add, bias = _biased(at, mul.outputs[0], len(w), rank)
    last = mul if add is None else add
    inputs = [x, weights, scale, zero or at.constant(zeros, "zero"), shift or at.constant(shifts, "zero"),
              at.constant(bias, "bias")]
    if by or row is not None:
        inputs.append(by)
    if row is not None:
        inputs.append(at.constant(np.resize(row, len(w)), "offset"))
    last.name = node.name or last.name
    at.change(last, "ScaledConvInteger", inputs, 1, OWN_DOMAIN, **node.attributes)
    _apart(at, x)
    return True


def _is_per_channel(at: Rewriter, name: str, oc: int, rank: int) -> bool:
    """Is it one number, or one for each channel of a picture of so many axes?"""
    shape = known_shape(at, name)
    return shape is not None and _fits_channels(shape, oc, rank)


def _fits_channels(shape: tuple, oc: int, rank: int) -> bool:
    ones = (1,) * (rank - 2)
    return len(shape) <= rank and prod(shape) == 1 or shape in ((oc, *ones), (1, oc, *ones))


def _biased(at: Rewriter, name: str, oc: int, rank: int) -> tuple[Node | None, np.ndarray]:
    """(the Add of a constant behind a value, the numbers that it adds to each channel)"""
    add = at.only_reader(name)
    if add is not None and add.op_type == "Add" and not add.domain and not add.attributes and len(add.inputs) == 2:
        other = add.inputs[add.inputs[0] == name]
        if _is_per_channel(at, other, oc, rank):
            array = _numbers(at, other)
            if array is not None:
                return add, np.resize(array, oc)
    return None, np.zeros(oc, F32)


def _numbers(at: Rewriter, name: str) -> np.ndarray | None:
    """Those of a constant, or of one that is reshaped, in a row."""
    node = at.maker(name, "Reshape", "Unsqueeze")
    array = at.array(name if node is None else node.inputs[0])
    return None if array is None else array.reshape(-1)


def _is_zero_of(at: Rewriter, zero: str, x: str) -> bool:
    """Is this the zero point that the run finds for a value?"""
    node = at.maker(x, "DynamicQuantizeLinear", "QuantizeLinear")
    if node is None or not zero:
        return False
    if node.op_type == "DynamicQuantizeLinear":
        return node.outputs[2] == zero
    found = at.makers.get(zero)
    return node.inputs[2:3] == [zero] and found is not None and found.op_type == "DynamicScale"


def _apart(at: Rewriter, name: str) -> None:
    """DynamicQuantizeLinear, if it makes this value, as its scale and zero point, and QuantizeLinear."""
    node = at.maker(name, "DynamicQuantizeLinear")
    if node is None:
        return
    y, scale, zero = node.outputs
    scale, zero = scale or at.fresh("scale"), zero or at.fresh("zero")
    x = node.inputs[0]
    at.set_outputs(node, [scale, zero])
    at.change(node, "DynamicScale", [x], 1, OWN_DOMAIN)
    at.insert(Node("QuantizeLinear", [x, scale, zero], [y], opset=OPSET, name=node.name or y), after=node)
