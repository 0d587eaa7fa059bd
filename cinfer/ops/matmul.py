"""Matrix products: MatMul, Gemm, Einsum and the integer MatMul."""
from __future__ import annotations

import numpy as np

from .numeric import widen as wide
from .limits import check_size
from .registry import op


def matmul_shape(a, b) -> tuple[int, ...]:
    """The shape numpy.matmul gives; ValueError that names the shapes."""
    if a.ndim < 1 or b.ndim < 1:
        raise ValueError("a matrix product of a scalar; both inputs need an axis")
    x, y = (1, *a.shape) if a.ndim == 1 else a.shape, (*b.shape, 1) if b.ndim == 1 else b.shape
    if x[-1] != y[-2]:
        raise ValueError(f"shapes {list(a.shape)} and {list(b.shape)} do not fit: {x[-1]} columns meet {y[-2]} rows")
    try:
        batch = np.broadcast_shapes(x[:-2], y[:-2])
    except ValueError:
        raise ValueError(f"the batches of shapes {list(a.shape)} and {list(b.shape)} cannot be broadcast together") from None
    return (*batch, *((x[-2],) if a.ndim > 1 else ()), *((y[-1],) if b.ndim > 1 else ()))


@op("MatMul", since=1)
class MatMul:
    """https://onnx.ai/onnx/operators/onnx__MatMul.html"""
    def infer(a, b):
        return a.like(check_size(matmul_shape(a, b), a.dtype.itemsize))

    def evaluate(a, b):
        return np.asarray(np.matmul(wide(a), wide(b))).astype(a.dtype, copy=False)


def gemm_shape(a, b, trans_a, trans_b) -> tuple[int, int]:
    if a.ndim != 2 or b.ndim != 2:
        raise ValueError(f"a has {a.ndim} axes and b {b.ndim}; both are matrices")
    (m, k), (k2, n) = a.shape[::-1] if trans_a else a.shape, b.shape[::-1] if trans_b else b.shape
    if k != k2:
        raise ValueError(f"shapes {list(a.shape)} and {list(b.shape)} do not fit: {k} columns meet {k2} rows")
    return m, n


@op("Gemm", since=1)
class Gemm:
    """https://onnx.ai/onnx/operators/onnx__Gemm.html"""
    def infer(a, b, c=None, *, alpha=1.0, beta=1.0, transA=0, transB=0, broadcast=0):
        m, n = gemm_shape(a, b, transA, transB)
        if c is not None and np.broadcast_shapes(c.shape, (m, n)) != (m, n):
            raise ValueError(f"c of shape {list(c.shape)} cannot be broadcast to {[m, n]}")
        return a.like((m, n))

    def evaluate(a, b, c=None, *, alpha=1.0, beta=1.0, transA=0, transB=0, broadcast=0):
        x, w = wide(a), wide(b)
        y = (x.T if transA else x) @ (w.T if transB else w)
        if alpha != 1:
            y = y * y.dtype.type(alpha)
        if c is not None:
            y = y + (wide(c) if beta == 1 else wide(c) * y.dtype.type(beta))
        return np.ascontiguousarray(y).astype(a.dtype, copy=False)


@op("MatMulInteger", since=10)
class MatMulInteger:
    """https://onnx.ai/onnx/operators/onnx__MatMulInteger.html"""
    def infer(a, b, a_zero_point=None, b_zero_point=None):
        return a.like(matmul_shape(a, b), np.int32)

    def evaluate(a, b, a_zero_point=None, b_zero_point=None):
        return integer_product(a, b, a_zero_point, b_zero_point).astype(np.int32)


def integer_product(a, b, a_zero_point, b_zero_point) -> np.ndarray:
    """(a - zero) (b - zero), exact in float64; a's zero points are per row, b's per column."""
    x, w = a.astype(np.float64), b.astype(np.float64)
    if a_zero_point is not None:
        zero = a_zero_point.astype(np.float64)
        x = x - (zero[..., None] if zero.ndim == 1 and zero.size > 1 else zero)
    if b_zero_point is not None:
        w = w - b_zero_point.astype(np.float64)
    return np.matmul(x, w)


@op("Einsum", since=12)
class Einsum:
    """https://onnx.ai/onnx/operators/onnx__Einsum.html"""
    def infer(*xs, equation):
        shape = np.einsum(equation.replace(" ", ""), *(np.broadcast_to(np.float32(0), x.shape) for x in xs), optimize=True).shape \
            if sum(np.prod(x.shape, dtype=float) for x in xs) < 1e6 else einsum_shape(equation, xs)
        return xs[0].like(shape)

    def evaluate(*xs, equation):
        return np.ascontiguousarray(np.einsum(equation.replace(" ", ""), *(wide(x) for x in xs), optimize=True)).astype(xs[0].dtype, copy=False)


def einsum_shape(equation: str, xs) -> tuple[int, ...]:
    """The shape of an einsum without ellipses; of one with them, by numpy on empty strides."""
    text = equation.replace(" ", "")
    terms, _, out = text.partition("->")
    terms = terms.split(",")
    if "." in text or len(terms) != len(xs) or any(len(t) != x.ndim for t, x in zip(terms, xs)):
        raise ValueError(f"equation {equation!r} for inputs of {[x.ndim for x in xs]} axes; cinfer needs one letter an axis here")
    sizes: dict[str, int] = {}
    for t, x in zip(terms, xs):
        for letter, d in zip(t, x.shape):
            if sizes.setdefault(letter, d) != d:
                raise ValueError(f"equation {equation!r}: {letter!r} is {sizes[letter]} and {d}")
    if "->" not in text:
        joined = "".join(terms)
        out = "".join(sorted(c for c in set(joined) if joined.count(c) == 1))
    return tuple(sizes[c] for c in out)
