"""Large constant weights of a product with few rows stay as narrow as the file has them."""
from __future__ import annotations

import numpy as np

from ..model.graph import Graph, Node
from ..ops import matmul_narrow
from ..ops.families import OWN_DOMAIN
from ..ops.matmul_narrow import LEAST_RUN, halved
from ..ops.numeric import F32
from .pattern import Rewriter, has, rewrite

FEW_ROWS = 16                           # products that have more for all sizes take the time of multiplying
HALVES = ("float16", "bfloat16")
EIGHTHS = {"int4": 8, "uint4": 0}       # a byte each in an array -> what makes them 0 to 15


@rewrite
def keep_narrow(graph: Graph, at: Rewriter) -> bool:
    """w16 -> Cast -> MatMul|Gemm, w8 -> DequantizeLinear -> MatMul|Gemm   becomes   NarrowMatMul of w16, of w8

    A Transpose may be between. Guards: w is a constant with two axes, large enough to be waited for, which nobody
    but one such product reads wide; scales and zero points are constants, one for all, for each column or for blocks of
    k of a power of 2; the other input is float32, not transposed, and does not have many rows whatever the sizes.
    """
    changed = False
    for node in at.of("MatMul", "Gemm"):
        found = _Weights.of(at, node.inputs[1])
        if found is not None and _is_narrow_product(at, node) and found.of_product(node):
            _change(at, node, found)
            changed = True
    return changed


class _Weights:
    """transposed : (N, K); the rest as NarrowMatMul has them"""

    def __init__(self, w: np.ndarray, scales=None, zeros=None, block_size: int = 0, axis: int | None = None,
                 transposed: bool = False):
        self.w, self.scales, self.zeros, self.block_size, self.axis = w, scales, zeros, block_size, axis
        self.transposed, self.bits, self.k = transposed, 0, 0

    @classmethod
    def of(cls, at: Rewriter, name: str) -> _Weights | None:
        """What a product reads by this name."""
        node, transposed = at.maker(name, "Cast", "DequantizeLinear", "Transpose"), False
        if node is not None and node.op_type == "Transpose":
            if at.only_reader(name) is None or node.attributes.get("perm", [1, 0]) != [1, 0]:
                return None
            name, transposed = node.inputs[0], True
            node = at.maker(name, "Cast", "DequantizeLinear")
        if node is None or at.only_reader(name) is None:
            return None
        w = at.array(node.inputs[0])
        if w is None or w.ndim != 2:
            return None
        if node.op_type == "Cast":
            is_half = w.dtype.name in HALVES and node.attributes.get("to") == 1 and w.size >= matmul_narrow.MANY_HALVES
            return cls(w, transposed=transposed) if is_half else None
        return cls.scaled(at, node, w, transposed) if w.size >= matmul_narrow.MANY_SCALED else None

    @classmethod
    def scaled(cls, at: Rewriter, node: Node, w: np.ndarray, transposed: bool) -> _Weights | None:
        scales, get = at.array(node.inputs[1]), node.attributes.get
        zeros = at.array(node.inputs[2]) if has(node, 2) else None
        if w.dtype.name not in ("int8", "uint8", *EIGHTHS) or scales is None or scales.dtype != F32 \
                or has(node, 2) and zeros is None or get("output_dtype", 0) not in (0, 1) \
                or get("precision", 1) not in (0, 1):
            return None
        axis = None if scales.size == 1 else get("axis", 1) % 2
        return cls(w, scales, None if zeros is None else zeros.astype(F32), get("block_size", 0), axis, transposed)

    def of_product(self, node: Node) -> bool:
        """Turn them as the product has them; whether NarrowMatMul knows them."""
        self.transposed ^= bool(node.op_type == "Gemm" and node.attributes.get("transB", 0))
        if self.axis is None:
            self.block_size = 0
        elif self.block_size:                   # along k
            size = self.block_size
            if self.axis != self.transposed or size < LEAST_RUN or size & size - 1:
                return False
        elif self.axis == self.transposed:      # a scale for each k
            return False
        else:                                   # for each n
            self.scales, self.zeros = (v if v is None or v.size == 1 else v.reshape(-1, 1) if self.transposed
                                       else v.reshape(1, -1) for v in (self.scales, self.zeros))
        return True

    def pack(self) -> None:
        """Put numbers of 4 bits, which are a byte each in an array, two in a byte."""
        lift = EIGHTHS.get(self.w.dtype.name)
        if lift is None:
            return
        q = self.w.astype(np.int8) + np.int8(lift)
        self.zeros = (np.zeros((), F32) if self.zeros is None else self.zeros) + F32.type(lift)
        if not self.transposed:
            q, self.scales, self.zeros, self.transposed = q.T, self.scales.T, self.zeros.T, True
        self.w, self.bits, self.k = halved(q), 4, q.shape[1]
        self.scales, self.zeros = np.ascontiguousarray(self.scales), np.ascontiguousarray(self.zeros)


def _is_narrow_product(at: Rewriter, node: Node) -> bool:
    get = node.attributes.get
    if node.op_type == "Gemm" and (get("transA", 0) or has(node, 2) and not _is_row(at, node)):
        return False
    fact = at.fact(node.inputs[0])
    if fact is None or fact.dtype != F32:
        return False
    if (at.rank(node.inputs[0]) or 0) < 2:
        return False
    rows = 1
    for size in fact.shape[:-1]:
        rows *= size if isinstance(size, int) else 1
    return rows <= FEW_ROWS


def _is_row(at: Rewriter, node: Node) -> bool:
    """Is the third input of a Gemm a number for each column?"""
    bias = at.array(node.inputs[2])
    return bias is not None and bias.dtype == F32 and bias.ndim > 0 and bias.size in (1, bias.shape[-1])


def _change(at: Rewriter, node: Node, weights: _Weights) -> None:
    weights.pack()
    get, hint = node.attributes.get, node.inputs[1]
    inputs = [node.inputs[0], *("" if v is None else at.constant(v, hint)
                                for v in (weights.w, weights.scales, weights.zeros))]
    if node.op_type == "Gemm" and has(node, 2):
        beta, n = get("beta", 1.0), weights.w.shape[0 if weights.transposed else 1]
        row = np.broadcast_to(at.array(node.inputs[2]).reshape(-1), (n,))
        inputs.append(at.constant(row * F32.type(beta), node.inputs[2]))
    while not inputs[-1]:
        inputs.pop()
    how = dict(transB=int(weights.transposed), alpha=float(get("alpha", 1.0) if node.op_type == "Gemm" else 1.0),
               bits=weights.bits, block_size=weights.block_size, K=weights.k)
    at.change(node, "NarrowMatMul", inputs, 1, OWN_DOMAIN, **how)
