"""Which values of a graph leave no rounding open: what comes of them is one number, whatever the order of sums.

In an exact graph (`quantized_graph.py`) scales are powers of two. A layer of sums, products, maxima and movement is
then exact in float32 as long as all its numbers, taken to one unit, fit into 24 bits; QuantizeLinear rounds it to even,
and kernels on integers have to say the same.
"""
from __future__ import annotations

from math import prod

import numpy as np
from onnx import helper

from quantized_graph import unit

MOVES = {"DequantizeLinear", "QuantizeLinear", "Max", "Min", "MaxPool", "GlobalMaxPool", "Relu", "Clip", "Concat",
         "Split", "Slice", "Transpose", "Reshape", "Flatten", "Pad", "Unsqueeze", "DepthToSpace", "Where", "LeakyRelu",
         "Greater", "Gather", "Cast", "Identity"}
ARITHMETIC = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply}
BITS = 23                               # of a sum, beside its sign; one less than float32 has


def digits(v: np.ndarray) -> int:
    """Bits from the unit of which all are multiples to the largest."""
    return int(np.frexp(np.abs(v).max())[1] - np.log2(unit(v))) if v.any() else 0


def exact(oracle, values: dict[str, np.ndarray], winograd: bool = False) -> set[str]:
    """The names of integers that have to be equal. values : of the layers, `Oracle.layers`; winograd : convolutions
    that Winograd's transforms may compute round"""
    if not oracle.graph.exact:
        return set()
    known = {**oracle.constants, **values}
    open_ = set()                       # values whose rounding is open
    for node in oracle.severed:
        inputs = [n for n in node.input if n]
        if not open_.isdisjoint(inputs) or not _is_exact(node, known, oracle.given(inputs)) \
                or winograd and _is_transformed(node, known):
            open_.update(node.output)
    return {n for n in oracle.cuts if n not in open_}


def _is_exact(node, known: dict, given: dict) -> bool:
    arrays = [given[n] if n in given else known[n] for n in node.input if n]
    if node.op_type in MOVES:
        return True
    if node.op_type in ARITHMETIC:
        wide = ARITHMETIC[node.op_type](*(a.astype(np.float64) for a in arrays[:2]))
        return bool((wide == known[node.output[0]]).all())
    if node.op_type == "PRelu":
        x, slope = (a.astype(np.float64) for a in arrays)
        return bool((np.where(x < 0, x * slope, x) == known[node.output[0]]).all())
    if node.op_type == "Resize":
        return any(a.name == "mode" and helper.get_attribute_value(a) == b"nearest" for a in node.attribute)
    if node.op_type == "MatMul":
        x, w = arrays
        return digits(x) + max(map(digits, np.moveaxis(w, -1, 0))) + np.log2(w.shape[-2]) <= BITS
    if node.op_type == "Gemm":
        x, w = arrays[:2]
        w = w if any(a.name == "transB" and a.i for a in node.attribute) else w.T
        return _sums(x, w, w.shape[1])
    if node.op_type == "Conv":
        x, w = arrays[:2]
        return _sums(x, w, prod(w.shape[1:]))
    if node.op_type == "ConvTranspose":
        x, w = arrays[:2]
        return _sums(x, np.moveaxis(w, 1, 0), w.size // w.shape[1])
    return False


def _is_transformed(node, known: dict) -> bool:
    how = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    return node.op_type == "Conv" and known[node.input[1]].shape[2:] == (3, 3) and how.get("group", 1) == 1 \
        and set(how.get("strides", [1])) | set(how.get("dilations", [1])) == {1}


def _sums(x: np.ndarray, w: np.ndarray, terms: int) -> bool:
    """w : rows of weights, one for each output"""
    return digits(x) + max(map(digits, w)) + np.log2(terms) <= BITS
