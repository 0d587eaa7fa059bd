"""What a planning has emitted so far: steps of jobs, their memory, and how work is split into tiles."""
from __future__ import annotations

from math import prod

import numpy as np

from ..model.graph import Node
from .views import BLOCK, Buffer, Plain, Ref, collapse, row_major

F32 = np.dtype(np.float32)
TILES_PER_THREAD = 6
SMALL = 1 << 14                 # elements an elementwise tile should have at least
LEAST_PART = 48                 # pixels of a picture that a thread should have for itself


class Declined(Exception):
    """A lowering cannot run this node with kernels; NumPy will."""


class Step:
    """jobs : independent (kernel, parameters, tiles); or host : a NumPy step (node, inputs, outputs)"""
    __slots__ = ("jobs", "node", "label", "host", "flops")

    def __init__(self, node, label, host=None, flops=0):
        self.jobs, self.node, self.label, self.host, self.flops = [], node, label, host, flops


class Steps:
    def __init__(self, table, threads: int, packed: dict):
        self.table, self.threads, self.packed = table, threads, packed
        self.node: Node | None = None               # whose steps are being emitted
        self.steps: list[Step] = []
        self.beside: list = []                      # jobs that go into the next step
        self.buffers: list[Buffer] = []
        self.scratch_bytes = 0
        self.keep: list = []                        # arrays that parameters point into

    # ---- memory

    def new_buffer(self, size: int) -> Buffer:
        buffer = Buffer(size)
        self.buffers.append(buffer)
        return buffer

    def live_buffers(self) -> list[Buffer]:
        return [b for b in self.buffers if b.first is not None]

    def scratch(self, shape, dtype=F32) -> Plain:
        """Plain memory without a name."""
        return Plain(self.new_buffer(prod(shape) * dtype.itemsize), 0, shape, row_major(shape), dtype)

    def array(self, array: np.ndarray) -> Plain:
        """A contiguous array that the plan keeps, as a plain value."""
        self.keep.append(array)
        buffer = Buffer(array.nbytes, 0, array.ctypes.data if array.size else 0, array)
        return Plain(buffer, 0, array.shape, row_major(array.shape), array.dtype)

    def channel_vector(self, value: np.ndarray, fill: float = 0.0) -> Ref:
        """A number per channel, padded to whole blocks."""
        value = np.asarray(value, np.float32).reshape(-1)
        padded = np.full(-(-value.size // BLOCK) * BLOCK, fill, np.float32)
        padded[:value.size] = value
        return self.array(padded).ref()

    def pack(self, kernel: str, array: np.ndarray, size: int, tiles: int, key: tuple, offset: int = 0,
             **params) -> Ref:
        """Weights in the layout a kernel reads (`size` floats), packed once for all plans of the session.

        offset : the element of `array` at which the kernel begins to read
        """
        full = kernel, array.ctypes.data, array.shape, array.strides, size, key
        if full not in self.packed:
            from .. import _ops
            memory = _ops.executor().Memory(4 * size)
            source = np.ascontiguousarray(array, np.float32)
            begin = source.ctypes.data + 4 * offset
            job = self.table.pack(kernel, w=(0, begin), y=(0, memory.address), **params)
            _ops.executor().run_once(self.table, kernel, job, tiles, self.threads)
            self.packed[full] = memory, array
        memory = self.packed[full][0]
        self.keep.append(memory)
        return Ref(Buffer(memory.size, 0, memory.address), 0)

    # ---- steps

    def emit(self, kernel: str, tiles: int, *, flops: int = 0, scratch: int = 0, beside: bool = False,
             reads=(), **params) -> None:
        """One more step; or, `beside`, a job that goes into the next step, being independent of it.

        scratch : bytes that a tile may write to
        reads : buffers that are read through a table of addresses, not through a parameter
        """
        self.scratch_bytes = max(self.scratch_bytes, scratch)
        if beside:
            self.beside.append((kernel, params, tiles))
            return
        step = Step(self.node, kernel, flops=flops)
        step.jobs = [(kernel, params, tiles), *self.beside]
        self.beside = []
        for _, job, _ in step.jobs:
            for value in job.values():
                if isinstance(value, Ref):
                    self.touch(value.buffer)
        for buffer in reads:
            self.touch(buffer)
        self.steps.append(step)

    def touch(self, buffer: Buffer) -> None:
        now = len(self.steps)
        buffer.last = now
        if buffer.first is None:
            buffer.first = now

    def host(self, operator, node: Node | None, inputs: list, outputs: list) -> None:
        """A step in NumPy, between those of the kernels; without an operator, a copy."""
        if self.beside:
            self.flush()
        for view in filter(None, inputs + outputs):
            self.touch(view.buffer)
        self.steps.append(Step(self.node, "numpy", host=(operator, node, inputs, outputs)))

    def flush(self) -> None:
        """A step for the jobs that wait for one."""
        kernel, params, tiles = self.beside.pop()
        self.emit(kernel, tiles, **params)

    def copied(self, x: Plain) -> Plain:
        """A contiguous copy."""
        y = self.scratch(x.shape, x.dtype)
        self.copy(x, y)
        return y

    def copy(self, x: Plain, y: Plain, beside: bool = False) -> None:
        """Steps that copy one plain view to another of the same shape."""
        if not copied_by_kernels(x.dtype) or len(x.shape) > 6:
            return self.host_copy(x, y)
        if x.dtype.itemsize < 4:
            same = np.dtype(f"u{x.dtype.itemsize}")
            return self.convert(x.shape, x.ref(), x.strides, y.ref(), y.strides, same, same, beside=beside)
        self.map(x.shape, x.ref(), x.strides, y.ref(), y.strides, x.dtype, beside=beside)

    def host_copy(self, x: Plain, y: Plain) -> None:
        """A copy in NumPy: of more axes than the kernels walk, or of elements of odd sizes."""
        self.host(None, None, [x], [y])

    def map(self, shape, x: Ref, xs, y: Ref, ys, dtype=F32, *, op="none", alpha=0.0, beta=0.0,
            beside=False) -> None:
        """y = op(x) over strided axes. Other dtypes than float32, of whole words, can only be copied."""
        if 0 in shape:
            return
        words = dtype.itemsize // 4
        if words > 1:                           # 8-byte values move as pairs of words
            shape, xs, ys = (*shape, words), (*(s * words for s in xs), 1), (*(s * words for s in ys), 1)
        packed = collapse(shape, xs, ys)
        if packed is None:
            raise Declined
        dims, (xs, ys) = packed
        dims, (xs, ys) = spread(dims, xs, ys)
        outer, tiles = self.outer_split(dims)
        self.emit("map", tiles, x=x, y=y, dims=dims, xs=xs, ys=ys, op=self.table.unary[op], alpha=alpha,
                  beta=beta, outer=outer, beside=beside)

    def convert(self, shape, x: Ref, xs, y: Ref, ys, dtype, to, *, ss=None, beside=False, **more) -> None:
        """y = x in the element type `to`, over strided axes.

        ss : the strides of the scales; more : how, s, z, lo, hi of the kernel (convert.h)
        """
        if 0 in shape:
            return
        packed = collapse(shape, xs, ys, ss or [0] * len(shape))
        if packed is None:
            raise Declined
        dims, (xs, ys, ss) = spread(packed[0], *packed[1])
        outer, tiles = self.outer_split(dims)
        codes = {"from": self.table.elements[dtype.name], "to": self.table.elements[to.name]}
        self.emit("convert", tiles, x=x, y=y, dims=dims, xs=xs, ss=ss, ys=ys, outer=outer, beside=beside,
                  **codes, **more)

    # ---- splitting work

    def outer_split(self, dims) -> tuple[int, int]:
        """(outer indices per tile, tiles) of an elementwise kernel."""
        total = prod(dims[:-1])
        tiles = max(1, min(total, self.tiles_wanted(), total * dims[-1] // SMALL))
        outer = -(-total // tiles) if total else 1
        return outer, max(1, -(-total // outer))

    def row_split(self, h: int, w: int, others: int, pixel_work: int) -> tuple[int, int]:
        """(rows per tile, tiles along the rows) of a picture, `others` being the tiles there are in other
        directions; pixel_work: what one of them does for a pixel, in elements."""
        worth = h * w * pixel_work * others // SMALL + 1
        tiles = -(-self.tiles_wanted() // max(1, others))
        if self.share_rows(h, w):
            tiles = max(self.threads, tiles)
        return self.even_rows(h, min(tiles, worth))

    def share_rows(self, h: int, w: int) -> bool:
        """Whether threads divide the rows of a picture among themselves, else its channels: in all steps
        alike, so that each stays in its part of the picture. Too few rows cannot be divided evenly."""
        return h >= self.threads and h * w >= LEAST_PART * self.threads

    def even_rows(self, h: int, tiles: int) -> tuple[int, int]:
        """(rows per tile, tiles) for about so many tiles. Where there are enough for all threads, the part of
        each ends where a tile ends, if that makes tiles at most twice as large or small."""
        tiles = max(1, min(h, tiles))
        rows = -(-h // tiles)
        if tiles >= self.threads > 1:
            part = -(-h // self.threads)
            whole = [k for k in range(-(-rows // 2), 2 * rows + 1) if part % k == 0]
            if whole:
                rows = min(whole, key=lambda k: max(k, rows) / min(k, rows))
        return rows, -(-h // rows)

    def tiles_wanted(self) -> int:
        return 1 if self.threads == 1 else self.threads * TILES_PER_THREAD


def copied_by_kernels(dtype) -> bool:
    return dtype.itemsize in (1, 2) or dtype.itemsize % 4 == 0


def spread(dims, *strides):
    """Give a long innermost axis whose outer axes are few a second axis, so that there are tiles."""
    n = dims[-1]
    if prod(dims[:-1]) >= 16 or n < 2 * SMALL or dims[0] != 1:
        return dims, strides
    inner = next((n // k for k in range(-(-n // SMALL), -(-8 * n // SMALL)) if n % k == 0), 0)
    if not inner:
        return dims, strides
    dims = [*dims[1:-1], n // inner, inner]
    return dims, [[*s[1:-1], s[-1] * inner, s[-1]] for s in strides]
