"""What NumPy steps are given of our own: products and suppression of boxes by kernels, while they run."""
from __future__ import annotations

from contextlib import contextmanager
from math import isnan

import numpy as np

from .. import _ops
from ..ops.numeric import multiply, selecting
from .once import run_once
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
        product, boxes = multiply.set(self.products), selecting.set(self.select)
        try:
            with np.errstate(all="ignore"):
                yield
        finally:
            selecting.reset(boxes)
            multiply.reset(product)

    def select(self, boxes: np.ndarray, scores: np.ndarray, limit: int, overlap: float, least: float | None,
               center_point_box: int) -> list[np.ndarray]:
        """As ops/detection.py: select."""
        lists, count = scores.shape
        if {boxes.dtype, scores.dtype} != {F32} or not 0 < count < 1 << 31 or least is not None and isnan(least):
            from ..ops.detection import select          # not before it is asked for: a family of operators
            return select(boxes, scores, limit, overlap, least, center_point_box)
        boxes, scores = np.ascontiguousarray(boxes), np.ascontiguousarray(scores)
        most = min(count, limit)
        chosen, counts = np.empty((lists, most), np.int32), np.empty(lists, np.int64)
        at = dict(zip(("boxes", "scores", "chosen", "counts"), [
            (0, address) for address in _ops.executor().addresses_of([boxes, scores, chosen, counts])]))
        params = self.table.pack(
            "suppress", **at, labels=lists // len(boxes), count=count, most=most, limit=most,
            centered=center_point_box, all=least is None, least=int(np.float32(least or 0).view(np.uint32)),
            overlap=float(overlap))
        run_once(self.table, "suppress", params, lists,
                 1 if scores.size <= FEW_BOXES else min(self.threads, lists))
        return [row[:found] for row, found in zip(chosen, counts.tolist())]
