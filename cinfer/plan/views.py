"""Where values live: buffers, and views of them in one of two layouts.

Plain: any strides over the value's own axes (row-major when contiguous), so Transpose, Slice, Split, Expand
and Reshape are mostly views. Blocked: NCHW16c, `[n][c/16][h][w][16]` float32 or bytes with an optional halo of one
value around each picture; the lanes of the last block beyond the channel count hold anything. The slices of a
volume are so many pictures, one after another: `[n][d][c/16][h][w][16]`, which is NCHW16c of n*d pictures.
"""
from __future__ import annotations

from math import prod

import numpy as np

BLOCK = 16              # channels in a block, on every ISA level (CB in _ops/isa/lanes.h)
ABSOLUTE, ARENA, FIRST_ARRAY = 0, 1, 2      # base numbers of api.h; from 2 on the inputs and outputs of a run
F32, F64, U8, I8 = map(np.dtype, (np.float32, np.float64, np.uint8, np.int8))
IN_BLOCKS = (F32, U8, I8)   # what may lie so
NO_HALO = (0, 0, 0, 0)


def round_up(n: int) -> int:
    """Channels or columns with the unused lanes of their last block."""
    return -(-n // BLOCK) * BLOCK


class Buffer:
    """Memory: in the arena (offset decided last, from first and last use), or at a base of its own.

    keep : what has to stay alive with it
    within : (another buffer, bytes from its start), when it is memory of that one
    """
    __slots__ = ("bytes", "base", "offset", "first", "last", "keep", "within")

    def __init__(self, size: int, base: int = ARENA, offset: int = 0, keep=None):
        self.bytes, self.base, self.offset, self.keep = size, base, offset, keep
        self.first = self.last = self.within = None


class Ref:
    """A pointer parameter of a kernel: bytes from the start of a buffer."""
    __slots__ = ("buffer", "offset")

    def __init__(self, buffer: Buffer, offset: int):
        self.buffer, self.offset = buffer, offset


class Plain:
    """shape and strides (in elements) over the value's own axes; offset in bytes."""
    __slots__ = ("buffer", "offset", "shape", "strides", "dtype")

    def __init__(self, buffer, offset, shape, strides, dtype):
        self.buffer, self.offset, self.dtype = buffer, offset, dtype
        self.shape, self.strides = tuple(shape), tuple(strides)

    @property
    def contiguous(self) -> bool:
        return is_contiguous(self.shape, self.strides)

    def ref(self, elements: int = 0) -> Ref:
        return Ref(self.buffer, self.offset + elements * self.dtype.itemsize)

    def with_(self, shape, strides, elements: int = 0) -> Plain:
        return Plain(self.buffer, self.offset + elements * self.dtype.itemsize, shape, strides, self.dtype)

    def reshaped(self, shape) -> Plain | None:
        """The same elements in another shape, or None where that needs a copy."""
        strides = reshape_strides(self.shape, self.strides, shape)
        return None if strides is None else self.with_(shape, strides)


class Blocked:
    """n pictures of c channels, h x w; d of them are the slices of a volume.

    shape : the value's own, (n, c, d, h, w), (n, c, h, w), (n, c, w) or (n, c)
    ns, bs, rs : elements from picture to picture, from block to block, from row to row
    offset : of pixel (0, 0), in bytes
    halo : (top, left, bottom, right) in pixels
    dtype : of IN_BLOCKS
    """
    __slots__ = ("buffer", "offset", "shape", "n", "c", "d", "h", "w", "ns", "bs", "rs", "halo", "dtype")

    def __init__(self, buffer, offset, shape, ns, bs, rs, halo, dtype=F32):
        self.buffer, self.offset, self.shape, self.halo = buffer, offset, tuple(shape), halo
        self.ns, self.bs, self.rs, self.dtype = ns, bs, rs, dtype
        self.n, self.c, self.h, self.w = nchw(shape)
        self.d = depth(shape)

    @property
    def blocks(self) -> int:
        return -(-self.c // BLOCK)

    def ref(self, row: int = 0, column: int = 0, block: int = 0, picture: int = 0) -> Ref:
        """Pointer to a pixel of a block."""
        return Ref(self.buffer, self.offset + self.dtype.itemsize * (
            picture * self.ns + block * self.bs + row * self.rs + column * BLOCK))

    def channels(self, first: int, count: int, shape) -> Blocked:
        """The view of some channels; `first` is a multiple of 16."""
        return Blocked(self.buffer, self.offset + self.dtype.itemsize * (first // BLOCK) * self.bs, shape, self.ns,
                       self.bs, self.rs, self.halo, self.dtype)


def copied_by_kernels(dtype) -> bool:
    """Not strings: those are references, which Python counts."""
    return not dtype.hasobject and (dtype.itemsize in (1, 2) or dtype.itemsize % 4 == 0)


def nchw(shape) -> tuple[int, int, int, int]:
    """(pictures, c, h, w) of a shape of rank 2 to 5; missing axes are 1."""
    if len(shape) == 4:
        return tuple(shape)
    if len(shape) == 5:
        return shape[0] * shape[2], shape[1], shape[3], shape[4]
    if len(shape) == 3:
        return shape[0], shape[1], 1, shape[2]
    return shape[0], shape[1], 1, 1


def depth(shape) -> int:
    """How many pictures of a shape are one volume."""
    return shape[2] if len(shape) == 5 else 1


def ncdhw(shape) -> tuple[int, int, int, int, int]:
    """(n, c, d, h, w) of a shape of rank 2 to 5; missing axes are 1."""
    _, c, h, w = nchw(shape)
    return shape[0], c, depth(shape), h, w


def ncdhw_strides(strides) -> tuple[int, int, int, int, int]:
    """The strides over ncdhw(shape); missing axes step 0."""
    if len(strides) == 5:
        return tuple(strides)
    n, c, h, w = nchw_strides(strides)
    return n, c, 0, h, w


def nchw_strides(strides) -> tuple[int, int, int, int]:
    """The strides over nchw(shape) of pictures; missing axes step 0."""
    if len(strides) == 4:
        return tuple(strides)
    return strides[0], strides[1], 0, strides[2] if len(strides) == 3 else 0


def row_major(shape) -> tuple[int, ...]:
    strides, step = [], 1
    for d in reversed(shape):
        strides.append(step)
        step *= d
    return tuple(reversed(strides))


def is_contiguous(shape, strides) -> bool:
    step = 1
    for d, s in zip(reversed(shape), reversed(strides)):
        if d != 1:
            if s != step:
                return False
            step *= d
    return True


def broadcast_strides(view: Plain, shape) -> list[int]:
    """Strides of a view broadcast to `shape`, by NumPy's rules: axes of one element step 0."""
    lead = len(shape) - len(view.shape)
    return [0] * lead + [0 if d == 1 else s for d, s in zip(view.shape, view.strides)]


def reshape_strides(shape, strides, new) -> tuple[int, ...] | None:
    """Strides of the same elements in shape `new` (of equal size), or None when no strides do."""
    new = tuple(new)
    if prod(new) == 0 or is_contiguous(shape, strides):
        return row_major(new)
    runs = []                                   # the old axes merged into runs of elements at equal distance
    for d, s in zip(shape, strides):
        if d == 1:
            continue
        if runs and runs[-1][1] == d * s:
            runs[-1] = (runs[-1][0] * d, s)
        else:
            runs.append((d, s))
    out, at, left = [], len(runs) - 1, None
    for d in reversed(new):                     # new axes must each lie within one run
        if d == 1:
            out.append(0)
            continue
        if left is None or left == 1:
            if left == 1:
                at -= 1
            if at < 0:
                return None
            left, step = runs[at]
        if left % d:
            return None
        out.append(step)
        left //= d
        step *= d
    return tuple(reversed(out))


def collapse(shape, *strides, most: int = 6):
    """Merge axes that all operands step through evenly, drop axes of 1, and pad in front to `most` axes.

    Returns (dims, strides of each operand) as lists of length `most`, or None if more axes are left.
    """
    dims, runs = [], []                             # of each merged axis, the steps of all operands
    for d, steps in zip(shape, zip(*strides)):
        if d == 1:
            continue
        if dims and runs[-1] == tuple([d * s for s in steps]):
            dims[-1] *= d
            runs[-1] = steps
        else:
            dims.append(d)
            runs.append(steps)
    if len(dims) > most:
        return None
    pad = most - len(dims)
    zeros = [0] * pad
    return [1] * pad + dims, [zeros + [run[i] for run in runs] for i in range(len(strides))]
