"""Products of matrices: MatMul, Gemm, Einsum, com.microsoft's FusedMatMul, FusedAttention of a pass;
determinants: Det."""
from __future__ import annotations

from math import prod

import numpy as np

from .activations import softmax
from .families import MICROSOFT, OWN_DOMAIN
from .limits import check_size
from .numeric import (F32, SUMMED_AT_ONCE, broadcast, broadcasts_to, check_kind, check_same, product, settle,
                      spec_of, widen)
from .registry import op
from .symbols import differ


def matmul_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of the product of two shapes, as numpy.matmul has it."""
    if not a or not b:
        raise ValueError(f"shapes {list(a)} and {list(b)} have no product; both have to have an axis")
    rows, columns = a[-2:-1], b[-1:] if len(b) > 1 else ()
    inner = b[-2] if len(b) > 1 else b[0]
    if differ(a[-1], inner):
        raise ValueError(f"shapes {list(a)} and {list(b)} have no product: {a[-1]} columns meet {inner} rows")
    return check_size((*broadcast(a[:-2], b[:-2]), *rows, *columns), 4)


def matmul_rank(a, b) -> int | None:
    """The rank of a product of matrices; None where one of them is a vector."""
    return max(a.ndim, b.ndim) if min(a.ndim, b.ndim) > 1 else None


@op("MatMul", since=1, one_type=True, rank=matmul_rank)
class MatMul:
    """https://onnx.ai/onnx/operators/onnx__MatMul.html"""
    def infer(a, b):
        check_kind(a, "number", "a")
        check_same(a.dtype, b, what="a and b")
        return a.like(matmul_shape(a.shape, b.shape))

    def evaluate(a, b):
        MatMul.infer(spec_of(a), spec_of(b))
        return settle(product(widen(a), widen(b)), a.dtype)


def gemm_shape(a, b, transA: int, transB: int) -> tuple[int, int]:
    if a.ndim != 2 or b.ndim != 2:
        raise ValueError(f"a has {a.ndim} axes, b {b.ndim}; both have to have 2")
    return matmul_shape(a.shape[::-1] if transA else a.shape, b.shape[::-1] if transB else b.shape)


def scaled(x: np.ndarray, factor: float) -> np.ndarray:
    return x if factor == 1 else x * factor


@op("Gemm", since=1, one_type=True, rank=lambda *_, **__: 2)
class Gemm:
    """y = alpha * a b + beta * c. Before opset 7 the attribute `broadcast` said whether c may be smaller than
    y. https://onnx.ai/onnx/operators/onnx__Gemm.html"""
    def infer(a, b, c=None, *, alpha=1.0, beta=1.0, transA=0, transB=0, broadcast=1):
        check_kind(a, "number", "a")
        check_same(a.dtype, b, c, what="a, b and c")
        shape = gemm_shape(a, b, transA, transB)
        if c is not None:
            broadcasts_to(c.shape, shape, "c")
        return a.like(shape)

    def evaluate(a, b, c=None, *, alpha=1.0, beta=1.0, transA=0, transB=0, broadcast=1):
        Gemm.infer(spec_of(a), spec_of(b), spec_of(c), transA=transA, transB=transB)
        y = scaled(product(widen(a.T if transA else a), widen(b.T if transB else b)), alpha)
        if c is not None and beta != 0:
            y = y + scaled(widen(c), beta)
        return settle(y, a.dtype)


def einsum_terms(equation: str, ranks: list[int]) -> tuple[list[str], str]:
    """The terms of the inputs and of the output, an axis each; "..." is spelled out as digits, the same for
    the axes that broadcast together.

    Raises ValueError where the equation is none, or does not fit inputs of `ranks` axes.
    """
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ValueError(f"equation {equation!r} has {len(terms)} terms for {len(ranks)} inputs")
    hidden = max((rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks) if "..." in term),
                 default=0)
    for i, (term, rank) in enumerate(zip(terms, ranks)):
        named = term.replace("...", "", 1)
        more = rank - len(named)
        if named and not (named.isascii() and named.isalpha()) or more < 0 or more and "..." not in term:
            raise ValueError(f"equation {equation!r}: {term!r} is no term for an input of {rank} axes")
        terms[i] = term.replace("...", numerals(hidden - more, hidden))
    if not arrow:
        letters = "".join(terms)
        right = "..." + "".join(sorted(c for c in set(letters) if c.isalpha() and letters.count(c) == 1))
    named = right.replace("...", "", 1)
    if len(set(named)) < len(named) or not set(named) <= {c for c in "".join(terms) if c.isalpha()}:
        raise ValueError(f"equation {equation!r}: {right!r} has to name axes of the inputs, each once")
    return terms, right.replace("...", numerals(0, hidden))


def numerals(start: int, stop: int) -> str:
    """A character for each axis that "..." stands for."""
    return "".join(chr(0x2460 + i) for i in range(start, stop))


def longest_sum(terms: list[str], output: str, inputs) -> int:
    """How many terms each element of the answer is the sum of."""
    sizes = {name: size for term, each in zip(terms, inputs) for name, size in zip(term, each.shape)
             if name not in output}
    return prod(sizes.values())


@op("Einsum", since=12)
class Einsum:
    """https://onnx.ai/onnx/operators/onnx__Einsum.html"""
    def infer(x, *more, equation):
        check_kind(x, "number")
        check_same(x.dtype, *more)
        inputs = (x, *more)
        terms, output = einsum_terms(equation, [each.ndim for each in inputs])
        sizes: dict[str, int] = {}
        for term, each in zip(terms, inputs):
            for name, size in zip(term, each.shape):
                known = sizes.setdefault(name, size)
                if known != size and (name.isalpha() or 1 not in (known, size)):
                    raise ValueError(f"equation {equation!r}: an axis of {size} meets one of {known}")
                if known == 1:
                    sizes[name] = size
        return x.like(check_size([sizes[name] for name in output], x.dtype.itemsize))

    def evaluate(x, *more, equation: str):
        inputs = (x, *more)
        Einsum.infer(*map(spec_of, inputs), equation=equation)
        terms, output = einsum_terms(equation, [each.ndim for each in inputs])
        wide = [widen(each) for each in inputs]
        if wide[0].dtype == F32 and longest_sum(terms, output, inputs) > SUMMED_AT_ONCE:
            wide = [each.astype(np.float64) for each in wide]
        while len(wide) > 1:
            later = set(output).union(*terms[2:])
            term = "".join(c for c in dict.fromkeys(terms[0] + terms[1]) if c in later)
            wide[:2] = [contracted(*wide[:2], *terms[:2], term)]
            terms[:2] = [term]
        return settle(summed(wide[0], terms[0], output), x.dtype)


def summed(x: np.ndarray, term: str, output: str) -> np.ndarray:
    """The axes of x, a letter each, in the order of `output`: the diagonal of those that meet twice, the sum
    of those that are not there, one element along those that x lacks."""
    letters = {c: chr(97 + i) for i, c in enumerate(dict.fromkeys(term))}
    kept = [c for c in output if c in letters]
    y = np.einsum(f"{''.join(map(letters.get, term))}->{''.join(map(letters.get, kept))}", x)
    return y.reshape([y.shape[kept.index(c)] if c in letters else 1 for c in output])


def contracted(a: np.ndarray, b: np.ndarray, of_a: str, of_b: str, output: str) -> np.ndarray:
    """einsum of two by one product of matrices: axes of both that stay are the batch, those that do not are
    summed, those of one are rows or columns. An axis of "..." is 1 in one where it is not in the other."""
    both = [c for c in dict.fromkeys(of_a) if c in of_b]
    inner = [c for c in both if c not in output
             and a.shape[of_a.index(c)] == b.shape[of_b.index(c)]]
    batch = [c for c in both if c in output]
    rows = [c for c in dict.fromkeys(of_a) if c in output and c not in both]
    columns = [c for c in dict.fromkeys(of_b) if c in output and c not in both]
    a, b = summed(a, of_a, "".join(batch + rows + inner)), summed(b, of_b, "".join(batch + inner + columns))
    n, r, i = len(batch), len(rows), len(inner)
    shape_a, shape_b = a.shape, b.shape
    a = a.reshape(*shape_a[:n], prod(shape_a[n:n + r]), prod(shape_a[n + r:]))
    b = b.reshape(*shape_b[:n], prod(shape_b[n:n + i]), prod(shape_b[n + i:]))
    y = product(a, b)
    y = y.reshape((*y.shape[:n], *shape_a[n:n + r], *shape_b[n + i:]))
    made = batch + rows + columns
    return y.transpose([made.index(c) for c in output])


@op("Det", since=11, rank=lambda x: x.ndim - 2)
class Det:
    """The determinants of square matrices, which are the last two axes.
    https://onnx.ai/onnx/operators/onnx__Det.html"""
    def infer(x):
        check_kind(x, "float")
        if x.ndim < 2 or differ(x.shape[-1], x.shape[-2]):
            raise ValueError(f"x of shape {list(x.shape)}; its last two axes have to be a square matrix")
        return x.like(x.shape[:-2])

    def evaluate(x):
        Det.infer(spec_of(x))
        return settle(determinants(x.astype(np.float64)), x.dtype)


def determinants(a: np.ndarray) -> np.ndarray:
    """Of square matrices (..., n, n), which are overwritten: by elimination, the largest of a column first. (What NumPy
    has takes all CPUs, whatever a session was given.)"""
    n, shape = a.shape[-1], a.shape[:-2]
    a = a.reshape(prod(shape), n, n)
    found, each = np.ones(len(a)), np.arange(len(a))
    for k in range(n if len(a) else 0):
        best = k + np.argmax(np.abs(a[:, k:, k]), axis=1)
        row = a[each, best]
        a[each, best] = a[:, k]
        found *= np.where(best == k, row[:, k], -row[:, k])
        factors = a[:, k + 1:, k] / np.where(row[:, k] == 0, 1, row[:, k])[:, None]
        a[:, k + 1:, k:] -= factors[..., None] * row[:, None, k:]
    return found.reshape(shape)


def turned(shape: tuple[int, ...], trans: int, trans_batch: int) -> list[int]:
    """The order of axes of an input of FusedMatMul: transBatch moves the first axis of the batch before the
    last two ones, trans swaps these."""
    order = list(range(len(shape)))
    if trans_batch and len(order) > 2:
        order = [*order[1:-1], 0, order[-1]]
    if trans and len(order) > 1:
        order[-2:] = order[:-3:-1]
    return order


def transposed(m, A, B, *, alpha=1.0, transA=0, transB=0, transBatchA=0, transBatchB=0):
    """FusedMatMul of inputs that Transposes turn."""
    def turn(x, *how):
        order = turned(x.shape, *how)
        return x if order == sorted(order) else m.Transpose(x, perm=order)
    return m.add("FusedMatMul", turn(A, transA, transBatchA), turn(B, transB, transBatchB), domain=MICROSOFT,
                 alpha=alpha)


@op("FusedMatMul", domain=MICROSOFT, write=transposed,
    write_for=("transA", "transB", "transBatchA", "transBatchB"))
class FusedMatMul:
    """alpha * a b, the inputs transposed before."""
    def infer(A, B, *, alpha=1.0, transA=0, transB=0, transBatchA=0, transBatchB=0):
        def turn(x, *how):
            return x.like([x.shape[axis] for axis in turned(x.shape, *how)])
        return MatMul.infer(turn(A, transA, transBatchA), turn(B, transB, transBatchB))

    def evaluate(A, B, *, alpha=1.0, transA=0, transB=0, transBatchA=0, transBatchB=0):
        check_same(A.dtype, B, what="A and B")
        a = widen(A).transpose(turned(A.shape, transA, transBatchA))
        b = widen(B).transpose(turned(B.shape, transB, transBatchB))
        return settle(scaled(MatMul.evaluate(a, b), alpha), A.dtype)


@op("FusedAttention", domain=OWN_DOMAIN)
class FusedAttention:
    """softmax(alpha * q k + mask) v, over the last axis."""
    def infer(q, k, v, mask=None, *, alpha=1.0):
        scores = MatMul.infer(q, k).shape
        if mask is not None:
            scores = broadcast(scores, mask.shape)
        return MatMul.infer(q.like(scores), v)

    def evaluate(q, k, v, mask=None, *, alpha=1.0):
        scores = scaled(MatMul.evaluate(q, k), alpha)
        if mask is not None:
            scores = scores + mask
        return MatMul.evaluate(softmax(scores, -1) if scores.size else scores, v)
