"""Emission: what was chosen and placed becomes steps. Nothing is decided here that a candidate has promised.

An Emitter is what `Candidate.emit` is called with: it gives the frozen views of values and takes steps. A
*step* is a list of jobs that are independent of each other; a *job* is a kernel, its parameters and a number
of tiles.
"""
from __future__ import annotations

from contextlib import contextmanager
from math import prod

import numpy as np

from ..model.graph import Node
from ..ops import registry
from .placement import Placement, allocate_blocked, vector_in_blocks
from .store import Fixed, constant
from .views import (ABSOLUTE, ARENA, BLOCK, F32, NO_HALO, Blocked, Buffer, Plain, Ref, collapse,
                    copied_by_kernels, ncdhw_strides, row_major)

MOST_AXES = 6                   # that elementwise kernels walk
MOVES = frozenset(("Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"))
OF_RANGE = frozenset(("DynamicQuantizeLinear", "DynamicScale"))         # which read the range of a value


class Step:
    """jobs : independent (kernel, parameters, tiles); or host : a NumPy step (operator, node, inputs,
    outputs); or instead : one that does all where a job refuses what it reads (api.h)"""
    __slots__ = ("jobs", "node", "label", "host", "flops", "instead")

    def __init__(self, node, label, host=None, flops=0, instead=None):
        self.jobs, self.node, self.label, self.host, self.flops = [], node, label, host, flops
        self.instead = instead


class Emitter:
    """table, tiles, store : as in Values

    buffers : of the arena, with the first and last step that touches them
    keep : what the steps' addresses point into; own_bytes : of it, what only this plan has
    address_tables : (array to fill, [(view, channel), ...]), when offsets in the arena are known
    """

    def __init__(self, placed: Placement):
        self._placed = placed
        self.table, self.tiles, self.store = placed.table, placed.tiles, placed.store
        self.node: Node | None = None               # whose steps are being emitted
        self.steps: list[Step] = []
        self.buffers: list[Buffer] = []
        self.keep: list = []
        self.address_tables: list[tuple] = []
        self.own_bytes = 0
        self._copies: dict[str, Blocked] = {}
        self._ranges: dict[str, tuple] = {}         # value -> (where its range is, in parts; how many)
        self._beside: list = []                     # jobs that go into the next step
        self._framed: set[int] = set()              # buffers whose halo is filled
        self._within: dict[int, Buffer] = {}        # buffers that are memory of others

    def run(self) -> None:
        """Emit everything that was placed, then the outputs that were not computed in place."""
        for self.node, emit in self._placed.items:
            emit(self)
        self.node = None
        self._write_outputs()
        if self._beside:
            self._flush()

    # ---- values

    def fact(self, name: str):
        return self._placed.facts[name]

    def shape(self, name: str) -> tuple[int, ...]:
        return self._placed.facts[name].shape

    def constant(self, name: str) -> np.ndarray | None:
        return self._placed.constant(name)

    def plain(self, name: str) -> Plain:
        return self._placed.plain_views[name]

    def contiguous(self, name: str) -> Plain:
        return self._placed.contiguous_views.get(name) or self._placed.plain_views[name]

    def blocked(self, name: str) -> Blocked:
        return self._copies.get(name) or self._placed.blocked_views[name]

    @contextmanager
    def copied(self, name: str, halo, fill: int | str):
        """A blocked value is a copy for a while, which has this halo. fill : as of Candidate.halo"""
        x = self.blocked(name)
        y = self._copies[name] = allocate_blocked(x.shape, halo, x.dtype)
        self.frame(y, fill)
        self.copy_blocked(x, y)
        yield
        del self._copies[name]

    def output(self, name: str) -> Blocked:
        """Blocked memory to be written; its halo is filled beside the next step."""
        y = self.blocked(name)
        self._frame(self._placed.root(name))
        return y

    def vector(self, name: str) -> Ref:
        """A constant, a number per channel."""
        return self.store.vector(name, self._placed.constant(name))

    def scratch(self, shape, dtype=F32) -> Plain:
        """Plain memory for a value between steps."""
        return Plain(Buffer(prod(shape) * dtype.itemsize), 0, shape, row_major(shape), dtype)

    def array(self, array: np.ndarray) -> Ref:
        """A contiguous array of this plan."""
        self.own_bytes += array.nbytes
        return constant(array).ref()

    def table_of(self, make, *numbers) -> Ref:
        """The array that make(self, *numbers) gives; of the emitter it may ask facts and constants only."""
        return self.array(make(self, *numbers))

    def known(self, name: str) -> Plain:
        """A value that is known ahead, in memory."""
        return self.store.array(name, self.fact(name).value)

    def addresses(self, sources) -> Ref:
        """A table for `gather_channels`: where each of [(blocked view, channel), ...] is in the arena."""
        table = np.zeros((len(sources), 3), np.int64)
        self.address_tables.append((table, sources))
        return self.array(table)

    def ranged(self, name: str, tiles: int) -> dict:
        """The parameter of a step of so many tiles that writes a value and can find its range (_ops/range.h): none,
        where nobody reads that."""
        names = [each for each in self._moved(name) if any(
            node.op_type in OF_RANGE for node in self._placed.readers.get(each, ()))]
        if not names:
            return {}
        parts = self.scratch((2, tiles))
        self._ranges.update((each, (parts, tiles)) for each in names)
        return dict(range=parts.ref())

    def _moved(self, name: str) -> list[str]:
        """A value, and all that have the same numbers."""
        found = [name]
        for each in found:
            found.extend(node.outputs[0] for node in self._placed.readers.get(each, ())
                         if node.op_type in MOVES and not node.domain and node.inputs[0] == each)
        return found

    def range_of(self, name: str) -> tuple | None:
        """(where the range of a value is by now, in how many parts), if the step that wrote it has found it."""
        return self._ranges.get(name)

    # ---- steps

    def step(self, kernel: str | Fixed, tiles: int, params: dict, *, flops: int = 0,
             beside: bool = False, reads=(), refuses: bool = False) -> None:
        """One more step; or, `beside`, a job that goes into the next step, being independent of it.

        kernel : its name, or what is fixed of its parameters; params : the others, by name
        reads : buffers that are read through a table of addresses, not through a parameter
        refuses : whether the kernel may refuse what it reads; it is the node's last step then, and all inputs and
            outputs are plain values
        """
        if type(kernel) is Fixed:
            self.keep.extend(kernel.keep)
        if beside:
            self._beside.append((kernel, params, tiles, reads))
            return
        instead = self._in_numpy() if refuses else None
        step = Step(self.node, kernel if type(kernel) is str else kernel.kernel, flops=flops, instead=instead)
        if instead is not None:                     # the memory of all inputs is needed until it is over
            reads = (*reads, *(view.buffer for view in instead[2] if view is not None))
        self._add(step, kernel, params, tiles, reads)
        if self._beside:
            waiting, self._beside = self._beside, []
            for job in waiting:
                self._add(step, *job)
        self.steps.append(step)

    def _in_numpy(self) -> tuple:
        """The node at hand as a NumPy step."""
        node = self.node
        inputs, outputs = ([self.plain(name) if name else None for name in names]
                           for names in (node.inputs, node.outputs))
        return registry.lookup(node), node, inputs, outputs

    def _add(self, step: Step, kernel, params: dict, tiles: int, reads) -> None:
        """Enter a job into the step that will be the next one, and note which buffers it touches."""
        step.jobs.append((kernel, params, tiles))
        now = len(self.steps)
        for value in params.values():
            if type(value) is Ref:
                buffer = value.buffer
                if buffer.first is not None and buffer.within is None:
                    buffer.last = now                   # of the arena, as most are, and touched before
                else:
                    self._touch(buffer)
        for buffer in reads:
            self._touch(buffer)

    def _touch(self, buffer: Buffer) -> None:
        while buffer.within is not None:
            self._within[id(buffer)] = buffer
            buffer = buffer.within[0]
        if buffer.base == ARENA and buffer.bytes:       # without bytes it stands for the arena as a whole
            buffer.last = len(self.steps)
            if buffer.first is None:
                buffer.first = buffer.last
                self.buffers.append(buffer)
        elif buffer.keep is not None:
            self.keep.append(buffer.keep)

    def _flush(self) -> None:
        """A step for the jobs that wait for one."""
        kernel, params, tiles, reads = self._beside.pop()
        self.step(kernel, tiles, params, reads=reads)

    def host(self, operator, node: Node | None, inputs: list, outputs: list) -> None:
        """A step in NumPy, between those of the kernels; without an operator, a copy."""
        if self._beside:
            self._flush()
        for view in inputs + outputs:
            if view is not None:
                self._touch(view.buffer)
        self.steps.append(Step(self.node, "numpy", host=(operator, node, inputs, outputs)))

    def _frame(self, name: str) -> None:
        self.frame(self._placed.blocked_views[name], self._placed.fills.get(name, 0))

    def frame(self, root: Blocked, fill: int | str) -> None:
        """Fill the halo of a blocked value beside the next step. fill : as of Candidate.halo"""
        if root.halo != NO_HALO and id(root.buffer) not in self._framed:
            self._framed.add(id(root.buffer))
            top, left, bottom, right = root.halo
            how = dict(fill=fill) if type(fill) is int else dict(of_byte=self.contiguous(fill).ref())
            self.step("fill_halo", root.n * root.blocks, dict(
                y=root.ref(), n=root.n, cb=root.blocks, h=root.h, w=root.w, yn=root.ns, yb=root.bs,
                yr=root.rs, t=top, l=left, b=bottom, r=right, size=root.dtype.itemsize, **how), beside=True)

    # ---- layouts

    def to_blocked(self, name: str) -> None:
        """Fill the blocked view of a value that was made plain, unless it is the same memory."""
        x, y = self.plain(name), self.blocked(name)
        if y.buffer is not x.buffer and y.buffer.base != ABSOLUTE:
            self.block(x, self.output(name))

    def from_blocked(self, name: str) -> None:
        """Fill the plain view of a value that was made in blocks, unless it is the same memory."""
        y = self.plain(name)
        if y.buffer.within is None:
            self.unblock(self.blocked(name), y, y.strides)

    def block(self, x: Plain, y: Blocked, **more) -> None:
        """Copy a plain value into blocked memory."""
        xn, xc, xd, xh, xw = ncdhw_strides(x.strides)
        kernel = "to_blocked"
        if y.dtype != F32:
            kernel, more = "to_blocked_u8", {"xb": BLOCK * xc, **more}
        rows, row_tiles = self.tiles.rows(y.h, y.w, y.n * y.blocks, BLOCK)
        self.step(kernel, y.n * y.blocks * row_tiles, dict(
            x=x.ref(), y=y.ref(), n=y.n, c=y.c, d=y.d, h=y.h, w=y.w, xn=xn, xc=xc, xd=xd, xh=xh, xw=xw,
            yn=y.ns, yb=y.bs, yr=y.rs, row_tiles=row_tiles, rows=rows, **more))

    def unblock(self, x: Blocked, y: Plain, strides, **more) -> None:
        """Copy a blocked value to plain memory; strides over the axes of x.shape."""
        yn, yc, yd, yh, yw = ncdhw_strides(strides)
        kernel = "from_blocked"
        if x.dtype != F32:
            kernel, more = "from_blocked_u8", {"yb": BLOCK * yc, **more}
        rows, row_tiles = self.tiles.rows(x.h, x.w, x.n * x.blocks, BLOCK)
        self.step(kernel, x.n * x.blocks * row_tiles, dict(
            x=x.ref(), y=y.ref(), n=x.n, c=x.c, d=x.d, h=x.h, w=x.w, xn=x.ns, xb=x.bs, xr=x.rs, yn=yn, yc=yc,
            yd=yd, yh=yh, yw=yw, row_tiles=row_tiles, rows=rows, **more))

    def in_blocks(self, x: Plain) -> Blocked:
        """A plain view in blocks: the same memory where it can be, else a copy for the next step."""
        view = vector_in_blocks(x)
        if view is None:
            view = allocate_blocked(x.shape, NO_HALO, x.dtype)
            self.block(x, view)
        return view

    def in_arena(self, x: Blocked) -> Blocked:
        """A blocked value in the arena: itself, or a copy where it is an input or a constant."""
        if address(x.buffer)[0] == ARENA:
            return x
        y = allocate_blocked(x.shape, NO_HALO, x.dtype)
        self.copy_blocked(x, y)
        return y

    def copy_blocked(self, x: Blocked, y: Blocked) -> None:
        shape, xs, ys = (x.n, x.blocks, x.h, x.w * BLOCK), (x.ns, x.bs, x.rs, 1), (y.ns, y.bs, y.rs, 1)
        if x.dtype == F32:
            return self.map(shape, x.ref(), xs, y.ref(), ys)
        return self.convert(shape, x.ref(), xs, y.ref(), ys, x.dtype, y.dtype)

    # ---- copies and elementwise maps

    def copy(self, x: Plain, y: Plain, beside: bool = False) -> None:
        """Copy one plain view to another of the same shape: by kernels, or in NumPy where elements are
        strings or of odd sizes, or there are more axes than kernels walk."""
        size, shape, xs, ys = x.dtype.itemsize, x.shape, x.strides, y.strides
        if size % 4 == 0 and size > 4:                      # pairs of words, or more
            words = size // 4
            shape, xs, ys = (*shape, words), (*(s * words for s in xs), 1), (*(s * words for s in ys), 1)
        walk = collapse(shape, xs, ys)
        if walk is None or not copied_by_kernels(x.dtype):
            return self.host(None, None, [x], [y])
        if 0 in x.shape:
            return None
        if size >= 4:
            return self.map(shape, x.ref(), xs, y.ref(), ys, beside=beside)
        same = self.table.elements[f"uint{8 * size}"]
        dims, (xs, ys) = walk
        dims, (xs, ys), outer, tiles = self.tiles.divided(dims, xs, ys)
        return self.step("convert", tiles, {
            "x": x.ref(), "y": y.ref(), "dims": dims, "xs": xs, "ss": [0] * MOST_AXES, "ys": ys,
            "outer": outer, "to": same, "from_": same}, beside=beside)

    def map(self, shape, x: Ref, xs, y: Ref, ys, *, op="none", alpha=0.0, beta=0.0, beside=False, name="") -> None:
        """y = op(x), float32, over strided axes that collapse to MOST_AXES. name : of the value that this is all of, if
        its numbers are neighbours along the last axis"""
        if 0 not in shape:
            dims, (xs, ys), outer, tiles = self.tiles.walk(tuple(shape), tuple(xs), tuple(ys))
            self.step("map", tiles, dict(
                x=x, y=y, dims=dims, xs=xs, ys=ys, op=self.table.unary[op], alpha=alpha, beta=beta,
                outer=outer, **(self.ranged(name, tiles) if name else {})), beside=beside)

    def convert(self, shape, x: Ref, xs, y: Ref, ys, dtype, to, *, ss=None, beside=False, **more) -> None:
        """y = x in the element type `to`, over strided axes that collapse to MOST_AXES.

        ss : the strides of the scales; more : how, s, z, lo, hi of the kernel (cast.h)
        """
        if 0 in shape:
            return
        dims, (xs, ys, ss), outer, tiles = self.tiles.walk(tuple(shape), tuple(xs), tuple(ys),
                                                           tuple(ss or [0] * len(shape)))
        codes = {"from_": self.table.elements[dtype.name], "to": self.table.elements[to.name]}
        self.step("convert", tiles, dict(
            x=x, y=y, dims=dims, xs=xs, ss=ss, ys=ys, outer=outer, **codes, **more), beside=beside)

    # ---- the end

    def lay_out(self, place) -> int:
        """Give all buffers their addresses; the size of the arena in bytes.

        place : function of the buffers that sets their offsets and returns how many bytes they need
        """
        size = place(self.buffers)
        for buffer in self._within.values():
            buffer.base, buffer.offset = address(buffer)
        for table, sources in self.address_tables:
            for i, (x, c) in enumerate(sources):
                table[i] = channel_at(address(x.buffer)[1] + x.offset, x.dtype.itemsize, c, x.bs, x.rs, x.ns)
        return size

    def _write_outputs(self) -> None:
        """Copy into the output arrays whatever was not computed in place there."""
        placed = self._placed
        for name, buffer in placed.output_buffers.items():
            view, fact = placed.plain_views.get(name), placed.facts[name]
            if prod(fact.shape) == 0 or (view is not None and view.buffer is buffer and view.contiguous):
                continue
            target = Plain(buffer, 0, fact.shape, row_major(fact.shape), fact.dtype)
            if view is None and name in placed.blocked_views:
                self.unblock(placed.blocked_views[name], target, target.strides)
            else:
                self.copy(self.known(name) if view is None else view, target)


def address(buffer: Buffer) -> tuple[int, int]:
    """(base, offset) of a buffer, after those that it lies in were laid out."""
    more = 0
    while buffer.within is not None:
        buffer, offset = buffer.within
        more += offset
    return buffer.base, buffer.offset + more


def channel_at(offset: int, size: int, c: int, bs: int, rs: int, ns: int) -> tuple[int, int, int]:
    """A row of a table of addresses: where channel c of a blocked view at this byte begins, how far its rows and its
    images are from each other, in elements of so many bytes."""
    return offset // size + c // BLOCK * bs + c % BLOCK, rs, ns


def packed(table, step: Step) -> list[tuple[str, bytes, int]]:
    """The jobs of a step that has been laid out, their parameters as kernels take them. They are packed once:
    the step forgets them."""
    jobs, step.jobs = step.jobs, ()
    return [(kernel, params, tiles) if type(params) is bytes
            else (kernel, table.fill(kernel, params), tiles) if type(kernel) is str
            else (kernel.kernel, table.fill(kernel.kernel, params, kernel.data), tiles)
            for kernel, params, tiles in jobs]
