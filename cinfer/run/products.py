"""Products with weights in recurrent steps in NumPy, by our own kernel.

NumPy gives each product to its BLAS, whose threads are the process's: all CPUs, however few the session was
given, and OpenBLAS can neither be told otherwise for one thread alone nor be told for all without changing
what the host program has set. An LSTM is a thousand small products one after the other, and beside a busy
process each waits for a thread that has no CPU. So its weights are arrays of a kind of their own, and `@` with
them is the kernel `gemv`, on the thread that runs the step.
"""
from __future__ import annotations

import numpy as np

from .. import _ops

RECURRENT = frozenset(("RNN", "GRU", "LSTM"))
F32 = np.dtype(np.float32)
F32_BYTES = 4


class Weights(np.ndarray):
    """A constant array; x @ it is done here, everything else as for any array, and gives usual arrays."""
    table = None

    def __array_finalize__(self, source):
        self.table = getattr(source, "table", None)

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        if ufunc is np.matmul and method == "__call__" and not options and fits(*inputs):
            return product(inputs[1].table, *map(np.asarray, inputs))
        return getattr(ufunc, method)(*map(plain, inputs), **{k: out_of(v) for k, v in options.items()})

    def astype(self, dtype, *arguments, **options):
        """Itself where nothing changes: it is never written to, and each step asks."""
        if not arguments and not options and self.dtype == dtype:
            return self
        return super().astype(dtype, *arguments, **options)


def weights(array: np.ndarray | None, table):
    """The same memory as Weights, where a kernel can multiply by it."""
    if array is None or array.dtype != F32 or array.ndim < 2:
        return array
    view = array.view(Weights)
    view.table = table
    return view


def plain(value):
    return np.asarray(value) if isinstance(value, Weights) else value


def out_of(value):
    return tuple(map(plain, value)) if isinstance(value, tuple) else plain(value)


def fits(x, w) -> bool:
    """Whether the kernel does x @ w: rows of float32, and a matrix with one axis in order."""
    return (type(x) is np.ndarray and isinstance(w, Weights) and x.dtype == w.dtype == F32 and w.ndim == 2
            and x.ndim >= 2 and x.shape[-1] == w.shape[0] and x.size > 0 and w.size > 0
            and F32_BYTES in w.strides and min(w.strides) > 0)


def product(table, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """x @ w. Sums are formed in the same order whatever the number of rows."""
    k, n = w.shape
    rows = np.ascontiguousarray(x).reshape(-1, k)
    y = np.empty((len(rows), n), F32)
    params = table.pack("gemv", x=(0, rows.ctypes.data), w=(0, w.ctypes.data), y=(0, y.ctypes.data),
                        m=len(rows), n=n, k=k, ldx=k, ldy=n, sk=w.strides[0] // F32_BYTES,
                        sn=w.strides[1] // F32_BYTES, scale=1.0, act=table.unary["none"], cols=n)
    _ops.executor().run_tile(table, "gemv", params)
    return y.reshape(*x.shape[:-1], n)
