"""Products of arrays in steps in NumPy, on no more threads than the session was given.

NumPy gives products of floats to its BLAS, whose threads are the process's: all CPUs, however few the session
was given, and OpenBLAS can neither be told otherwise for one thread alone nor be told for all without
changing what the host program has set. An LSTM is a thousand small products one after the other, and beside a
busy process each waits for a thread that has no CPU. So `ops/` multiplies by `numeric.matmul`, and a run puts
this there: float32 by the kernels `gemv` and `gemm`, float64 by `product64`. NumPy multiplies integers itself.
"""
from __future__ import annotations

import numpy as np

from .. import _ops
from ..plan.kernels.matmul import divided, tiles_of
from ..plan.tiles import Tiles
from ..plan.views import BLOCK
from .once import run_once

F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
FEW_ROWS = 4                    # so many or fewer: the matrix is read in place
ALONE = 1 << 20                 # multiply-adds that one thread does before others are awake


class Products:
    """What numpy.matmul gives, up to rounding; the same bits whatever the number of threads."""
    __slots__ = ("table", "tiles")

    def __init__(self, table, threads: int):
        self.table, self.tiles = table, Tiles(threads)

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        if a.dtype != b.dtype or a.dtype not in (F32, F64) or not a.size or not b.size:
            return np.matmul(a, b)
        if a.ndim == 1:
            return self(a[np.newaxis], b)[..., 0, :] if b.ndim > 1 else self(a[np.newaxis], b)[0]
        if b.ndim == 1:
            return self(a, b[:, np.newaxis])[..., 0]
        if b.ndim > 2:
            return self.batched(a, b)
        k, n = b.shape
        rows = np.ascontiguousarray(a).reshape(-1, k)
        if a.dtype == F64:
            return self.of_double(rows[np.newaxis], b[np.newaxis]).reshape(*a.shape[:-1], n)
        few = len(rows) <= FEW_ROWS and 4 in b.strides and min(b.strides) > 0
        y = self.few_rows(rows, b) if few else self.many_rows(rows[np.newaxis], b[np.newaxis])
        return y.reshape(*a.shape[:-1], n)

    def batched(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a, b = (np.ascontiguousarray(np.broadcast_to(v, batch + v.shape[-2:])).reshape(-1, *v.shape[-2:])
                for v in (a, b))
        multiplied = self.of_double if a.dtype == F64 else self.many_rows
        return multiplied(a, b).reshape(*batch, a.shape[1], b.shape[2])

    def of_double(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """[batch][m][k], contiguous, times [batch][k][n], of float64."""
        from ..plan.kernels.double import LANES     # not before it is asked for
        (batch, m, k), n = a.shape, b.shape[2]
        b, threads, y = np.require(b, requirements="A"), self.threads_for(batch * m * n * k), np.empty((batch, m, n))
        split = dict(zip(("rows", "row_tiles", "cols", "col_tiles"), tiles_of(self.tiles, batch, m, n, k, LANES)))
        run_once(self.table, "product64", self.table.pack(
            "product64", a=(0, a.ctypes.data), b=(0, b.ctypes.data), y=(0, y.ctypes.data), batch1=batch, m=m, n=n, k=k,
            a1=m * k, ar=k, ak=1, b1=b.strides[0] // 8, bk=b.strides[1] // 8, bn=b.strides[2] // 8, alpha=1.0, **split),
            batch * split["row_tiles"] * split["col_tiles"], threads)
        return y

    def threads_for(self, products: int) -> int:
        return self.tiles.threads if products > ALONE else 1

    def few_rows(self, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        """[m][k] times [k][n], one axis of w in order; on this thread."""
        (m, k), n = x.shape, w.shape[1]
        y = np.empty((m, n), F32)
        params = self.table.pack("gemv", x=(0, x.ctypes.data), w=(0, w.ctypes.data), y=(0, y.ctypes.data),
                                 m=m, n=n, k=k, ldx=k, ldy=n, sk=w.strides[0] // 4, sn=w.strides[1] // 4,
                                 scale=1.0, act=self.table.unary["none"], cols=n)
        run_once(self.table, "gemv", params, 1)
        return y

    def many_rows(self, a: np.ndarray, w: np.ndarray) -> np.ndarray:
        """[batch][m][k], contiguous, times [batch][k][n]."""
        (batch, m, k), n = a.shape, w.shape[2]
        table, wide = self.table, -(-n // BLOCK) * BLOCK
        threads = self.threads_for(batch * m * n * k)
        packed, y = _ops.executor().Memory(4 * batch * k * wide), np.empty((batch, m, n), F32)
        w0, sk, sn = (s // 4 for s in w.strides)
        run_once(table, "pack_gemm", table.pack(
            "pack_gemm", w=(0, w.ctypes.data), y=(0, packed.address), batch0=1, batch1=batch, k=k, n=n, sk=sk,
            sn=sn, w0=0, w1=w0), batch * -(-n // table.gemm_n), threads)
        split = divided(self, batch, m, n, k)
        run_once(table, "gemm", table.pack(
            "gemm", a=(0, a.ctypes.data), w=(0, packed.address), y=(0, y.ctypes.data), batch0=1, batch1=batch,
            m=m, n=n, k=k, lda=k, ldy=n, a0=0, a1=m * k, w0=0, w1=k * wide, y0=0, y1=m * n, scale=1.0,
            act=table.unary["none"], **split), batch * split["row_tiles"] * split["col_tiles"], threads)
        return y
