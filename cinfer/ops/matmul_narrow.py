"""Products with constant weights that stay as narrow as the file has them: what passes make of MatMul and Gemm."""
from __future__ import annotations

import numpy as np

from .families import OWN_DOMAIN
from .limits import check_size
from .matmul import scaled
from .numeric import F32, product, spec_of
from .registry import op
from .symbols import differ

LEAST_RUN = 32                      # of k for which one scale holds, a power of 2
# Weights from which on they leave the caches between two runs, and are waited for. Halves are widened by one
# instruction, for what is scaled there has to be more to win.
MANY_HALVES, MANY_SCALED = 1 << 18, 1 << 20


@op("NarrowMatMul", since=1, domain=OWN_DOMAIN, types=(F32,), mixes_floats=True, rank=0)
class NarrowMatMul:
    """y = alpha * a w + bias, all of it in float32.

    a : float32, (..., K); bias : (N,)
    w : (K, N), or (N, K) where transB; float16, bfloat16; int8 or uint8, of which zeros are subtracted before they
        are multiplied by scales; uint8 that holds two numbers of `bits` 4 each, the first in the low half, where
        transB. Rows of w may go on beyond K, which is the number of its rows or columns where it is not given
    scales, zeros : float32, as w is, but with one number for each block_size of K, 0: for all of them; or one number
        for all
    """
    def infer(a, w, scales=None, zeros=None, bias=None, *, transB=0, alpha=1.0, bits=0, block_size=0, K=0):
        columns, k = w.shape if transB else w.shape[::-1]
        k = K or k
        if a.dtype != F32 or a.ndim < 1 or differ(a.shape[-1], k):
            raise ValueError(f"a is {a.dtype} of {list(a.shape)}; it has to be float32 of {k} columns")
        return a.like(check_size((*a.shape[:-1], columns), 4))

    def evaluate(a, w, scales=None, zeros=None, bias=None, *, transB=0, alpha=1.0, bits=0, block_size=0, K=0):
        NarrowMatMul.infer(spec_of(a), spec_of(w), transB=transB, K=K)
        wide = widened(w, scales, zeros, transB=transB, bits=bits, block_size=block_size, k=a.shape[-1])
        y = scaled(product(a, wide.T if transB else wide), alpha)
        return y if bias is None else y + bias


def widened(w: np.ndarray, scales, zeros, *, transB: int, bits: int, block_size: int, k: int) -> np.ndarray:
    """The weights in float32: (K, N), or (N, K) where transB."""
    if bits == 4:
        w = np.stack((w & 15, w >> 4), -1).reshape(len(w), -1)
    w = w[:, :k] if transB else w
    if scales is None:
        return w.astype(F32)

    def spread(v):
        return v if v.size == 1 or not block_size else v.repeat(block_size, transB)[
            (slice(None),) * transB + (slice(k),)]
    y = w.astype(F32)
    if zeros is not None:
        y -= spread(zeros)
    y *= spread(scales)
    return y


def halved(q: np.ndarray) -> np.ndarray:
    """Numbers of 0 to 15, two in a byte along the last axis."""
    q = q.astype(np.uint8)
    if q.shape[-1] % 2:
        q = np.pad(q, ((0, 0), (0, 1)))
    return q[:, ::2] | q[:, 1::2] << 4
