"""What NumPy steps are given of our own: products and suppression of boxes by kernels, while they run."""
from __future__ import annotations

from contextlib import contextmanager

import numpy as np

from .. import _ops
from ..ops.numeric import multiply, suppressing
from ..plan.views import BLOCK
from .products import Products

F32 = np.dtype(np.float32)
FEW_BOXES = 4096                # one thread is done with so many before others are awake


class Direct:
    """The kernels of a table, on so many threads."""
    __slots__ = ("table", "threads", "products")

    def __init__(self, table, threads: int):
        self.table, self.threads, self.products = table, threads, Products(table, threads)

    @contextmanager
    def at_work(self):
        """What nodes in NumPy ask for comes from here, and none of them warns."""
        product, boxes = multiply.set(self.products), suppressing.set(self.suppress)
        try:
            with np.errstate(all="ignore"):
                yield
        finally:
            suppressing.reset(boxes)
            multiply.reset(product)

    def suppress(self, edges: np.ndarray, starts: np.ndarray, limit: int, overlap: float) -> np.ndarray:
        """As ops/detection.py: suppress."""
        if edges.dtype != F32:
            from ..ops.detection import suppress
            return suppress(edges, starts, limit, overlap)
        edges, starts = np.ascontiguousarray(edges), np.ascontiguousarray(starts, np.int64)
        total, lists = edges.shape[1], len(starts) - 1
        kept = np.empty(total, bool)
        longest = int(np.diff(starts).max()) + BLOCK
        params = self.table.pack("suppress", x=(0, edges.ctypes.data), starts=(0, starts.ctypes.data),
                                 kept=(0, kept.ctypes.data), total=total, longest=longest, limit=int(limit),
                                 overlap=float(overlap))
        _ops.executor().run_once(self.table, "suppress", params, lists,
                                 1 if total <= FEW_BOXES else min(self.threads, lists), 20 * (longest + BLOCK))
        return kept
