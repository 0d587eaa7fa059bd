"""Chooses a candidate for each group of nodes and, with it, layouts; then says where every value lies.

A bound graph is walked three times:
1. forward, groups and candidates: the longest group that some candidate takes, and of its candidates the
   cheapest. A value is made in one layout; where a candidate reads another one, a conversion is entered
   before it, once.
2. over the chosen: aliases. Parts of a Concat of channels that lie on block borders are computed in its
   memory, and a Concat within a Concat in the outer one's; pieces of a Split or Slice are views of what is
   split. And halos: a kernel that reads beyond its picture asks for a frame of zeros around the blocked
   input; the memory gets the largest frame that any of its readers asks for. (A frame is of one byte: of zeros, or
   of the zero point of what is quantised. Who wants another byte than those before reads a copy.)
3. over the values: their views, which nothing changes from here on.
"""
from __future__ import annotations

from copy import copy
from math import prod

from ..model.graph import Node
from .candidate import BLOCKED, CONTIGUOUS, PLAIN, Candidate
from .epilogue import Group, chain
from .host import host_candidate
from .values import Values
from .views import ARENA, BLOCK, F32, F64, FIRST_ARRAY, NO_HALO, Blocked, Buffer, Plain, nchw, row_major


class Placement(Values):
    """The choice, and the views that follow from it.

    items : (node, emit) in the order of the run; emit is called with an Emitter
    chosen : (group, candidate) in the order of the run
    alias : value -> (another value in whose memory it lies, its first channel there)
    halos : value -> the frame around its blocked memory
    fills : value -> the bytes in it, where it is asked for: their number, or the name of the value that is one
    """

    def __init__(self, bound, table, tiles, store):
        super().__init__(bound, table, tiles, store)
        self.items: list[tuple] = []
        self.chosen: list[tuple[Group, Candidate]] = []
        self.alias: dict[str, tuple[str, int]] = {}
        self.halos: dict[str, tuple] = {}
        self.fills: dict[str, int | str] = {}
        self._whole: dict[str, str] = {}            # piece of a Split -> what it is a piece of
        self.blocked_views: dict[str, Blocked] = {}
        first = FIRST_ARRAY + len(bound.inputs)
        self.output_buffers = {name: Buffer(0, i) for i, name in enumerate(bound.outputs, first)}
        for i, name in enumerate(bound.inputs, FIRST_ARRAY):
            fact = self.facts[name]
            self.enter_plain(name, Plain(Buffer(0, i), 0, fact.shape, row_major(fact.shape), fact.dtype))

    # ---- 1. groups, candidates, layouts

    def choose(self) -> None:
        done = set()
        for node in self.nodes:
            if id(node) not in done:
                group, candidates = self.longest(node)
                done.update(map(id, group.epilogue.nodes))
                self.enter(group, candidates)

    def longest(self, node: Node) -> tuple[Group, tuple[Candidate, ...]]:
        """The longest group that begins with a node and has candidates, and these."""
        kernel = self.kernel_of(node)
        if kernel is not None:
            for epilogue in reversed(chain(node, kernel, self)):
                group = Group(node, epilogue)
                if candidates := kernel.candidates(group, self):
                    return group, tuple(each if self.may_frame(each) else apart(each) for each in candidates)
        group, candidate = host_candidate(node, self)
        if self.facts[group.output].dtype == F64:
            from .kernels import double             # not before a model needs it
            return group, double.candidates(node, self) or (candidate,)
        return group, (candidate,)

    def may_frame(self, candidate: Candidate) -> bool:
        """Whether nobody wants other bytes around what a candidate reads."""
        if candidate.halo is None:
            return True
        name, _, fill = candidate.halo
        return self.fills.get(self.whole(name), fill) == fill

    def whole(self, name: str) -> str:
        """What a value is a piece of, or itself."""
        while name in self._whole:
            name = self._whole[name]
        return name

    def enter(self, group: Group, candidates: tuple[Candidate, ...]) -> None:
        """Choose the cheapest: enter conversions of what it reads, and how its outputs lie."""
        candidate = candidates[0] if len(candidates) == 1 else self.cheapest(candidates)
        for name, layout in candidate.reads:
            if layout is not BLOCKED or name not in self.in_blocks:
                self.need(name, layout)
        outputs = (group.output,)
        if len(group.node.outputs) > 1:
            outputs = [name for name in dict.fromkeys((group.output, *group.node.outputs[1:])) if name]
        if candidate.view is not None:
            for name, view in zip(outputs, candidate.view(self.plain_views[group.node.inputs[0]], self),
                                  strict=True):
                self.enter_plain(name, view)
        elif candidate.writes is BLOCKED:
            for name in outputs:
                self.layouts[name], self.in_blocks[name] = BLOCKED, None
        else:
            for name in outputs:
                self.enter_plain(name, self.fresh(name, candidate.order if name == group.output else None))
        if candidate.halo is not None:
            name, _, fill = candidate.halo
            self.fills[self.whole(name)] = fill
        for name, first in candidate.pieces:
            if first % BLOCK == 0:
                self._whole[name] = group.node.inputs[0]
        self.chosen.append((group, candidate))
        if candidate.emit is not None:
            self.items.append((group.node, candidate.emit))

    def cheapest(self, candidates) -> Candidate:
        return candidates[cheapest(candidates, self)]

    def enter_plain(self, name: str, view: Plain) -> None:
        self.layouts.setdefault(name, PLAIN)
        self.plain_views[name] = view

    def need(self, name: str, layout: str) -> None:
        """Enter the conversion that a reader needs, if it is the first one."""
        if layout is BLOCKED:
            if name not in self.in_blocks:
                self.need(name, PLAIN)
                self.in_blocks[name] = None
                self.items.append((None, lambda out: out.to_blocked(name)))
            return
        view = self.plain_views.get(name)
        if view is None:
            if (value := self.constant(name)) is not None:
                self.plain_views[name] = view = self.constant_view(name, value)
            else:
                view = self.plain_views[name] = self.unblocked(name)
                self.items.append((None, lambda out: out.from_blocked(name)))
        if layout is CONTIGUOUS and not view.contiguous and name not in self.contiguous_views:
            self.contiguous_views[name] = copy = self.scratch(view.shape, view.dtype)
            self.items.append((None, lambda out: out.copy(view, copy)))

    def constant_view(self, name: str, value) -> Plain:
        return self.store.array(name, value)

    def unblocked(self, name: str) -> Plain:
        """Plain memory for a value made in blocks; of one pixel it may be the same memory
        (`alias_vectors`)."""
        fact = self.facts[name]
        return self.scratch(fact.shape, fact.dtype) if prod(fact.shape[2:]) == 1 else self.fresh(name)

    def fresh(self, name: str, order=None) -> Plain:
        """Plain memory for a value; an output of the graph is written in place, and what a Transpose makes one of, if
        that is its order.

        order : its axes from outermost to innermost in memory, row-major by default
        """
        fact, buffer = self.facts[name], self.output_buffers.get(name)
        if buffer is not None:
            return Plain(buffer, 0, fact.shape, row_major(fact.shape), fact.dtype)
        view = self.scratch(fact.shape, fact.dtype)
        if order is not None:
            if order == self.turned_order(name):
                view.buffer = self.output_buffers[self.sole_reader(name).outputs[0]]
            steps = row_major([fact.shape[axis] for axis in order])
            view = view.with_(fact.shape, [steps[order.index(axis)] for axis in range(len(order))])
        return view

    def scratch(self, shape, dtype) -> Plain:
        """Plain memory without a name."""
        return Plain(Buffer(prod(shape) * dtype.itemsize), 0, shape, row_major(shape), dtype)

    # ---- 2. aliases and halos

    def settle(self) -> None:
        writers = {}
        for group, candidate in self.chosen:
            writers[group.output] = candidate
        for group, candidate in reversed(self.chosen):
            if candidate.parts and candidate.writes is BLOCKED:
                self.alias_parts(group.output, candidate.parts, writers)
        for group, candidate in self.chosen:
            for name, first in candidate.pieces:
                if first % BLOCK == 0:
                    self.alias[name] = group.node.inputs[0], first
        for _, candidate in self.chosen:
            if candidate.halo is not None:
                name, overhang, _ = candidate.halo
                root = self.root(name)
                self.halos[root] = tuple(map(max, self.halos.get(root, NO_HALO), overhang(self)))

    def alias_parts(self, out: str, parts, writers) -> None:
        """Let the parts of a Concat of channels lie in its memory, where they lie on block borders."""
        found = [self.alias.get(name) for name, _ in parts]
        if all(found) and len({where for where, _ in found}) == 1 and all(
                at - found[0][1] == first for (_, at), (_, first) in zip(found, parts)) \
                and out not in self.alias and self.fill_alike(out, self.root(found[0][0])):
            self.alias[out] = found[0]              # a piece of a larger Concat (DenseNet): nothing to do
            return
        if any(first % BLOCK for _, first in parts):
            return                                  # channels move between lanes: everything is gathered
        names = [name for name, _ in parts]
        for name, first in parts:
            writer = writers.get(name)
            fresh = writer is not None and writer.writes is BLOCKED and not writer.pieces
            if fresh and name not in self.alias and names.count(name) == 1 and self.fill_alike(name, self.root(out)):
                self.alias[name] = out, first

    def fill_alike(self, name: str, root: str) -> bool:
        """Whether a value may get the frame of the one it is to lie in; so will what else lies there. A byte that the
        run finds may not be there when that memory is framed."""
        fill = self.fills.get(name)
        return fill is None or type(fill) is int and self.fills.setdefault(root, fill) == fill

    def root(self, name: str) -> str:
        while name in self.alias:
            name = self.alias[name][0]
        return name

    def halo_of(self, name: str) -> tuple:
        return self.halos.get(self.root(name), NO_HALO)

    # ---- 3. views

    def freeze(self) -> None:
        for name in self.in_blocks:
            self.blocked_views[name] = self.blocked_view(name)
        for name, view in self.plain_views.items():
            if self.layouts.get(name) is BLOCKED:
                self.alias_vector(self.blocked_views[name], view)

    def blocked_view(self, name: str) -> Blocked:
        if self.layouts.get(name) is not BLOCKED and self.halo_of(name) == NO_HALO:
            if (value := self.constant(name)) is not None:
                return self.store.blocked(name, value, value.shape)
            if (alias := vector_in_blocks(self.plain_views[name])) is not None:
                return alias
        return self.memory_of(name)

    def memory_of(self, name: str) -> Blocked:
        view = self.blocked_views.get(name)
        if view is None:
            shape = self.facts[name].shape
            if name in self.alias:
                other, first = self.alias[name]
                view = self.memory_of(other).channels(first, shape[1], shape)
            else:
                view = allocate_blocked(shape, self.halos.get(name, NO_HALO), self.facts[name].dtype)
            self.blocked_views[name] = view
        return view

    @staticmethod
    def alias_vector(x: Blocked, y: Plain) -> None:
        """Let a plain copy of blocked pixels be their own memory, where that is row-major."""
        if y.buffer.base == ARENA and x.d * x.h * x.w == 1 and x.halo == NO_HALO \
                and (x.n == 1 or x.ns == x.c):
            y.buffer.within = x.buffer, x.offset


def apart(candidate: Candidate) -> Candidate:
    """One that reads a copy with a frame of its own."""
    name, overhang, fill = candidate.halo
    other = copy(candidate)
    other.halo = None

    def emit(out):
        with out.copied(name, overhang(out), fill):
            candidate.emit(out)
    other.emit = emit
    return other


def cheapest(candidates, values) -> int:
    """The number of the candidate that costs least. values : Values, or Facts"""
    costs = [candidate.cost_ns(values) for candidate in candidates]
    return costs.index(min(costs))


def vector_in_blocks(x: Plain) -> Blocked | None:
    """A plain value of one pixel a picture, seen in blocks: the same memory, where blocks are whole."""
    n, c = x.shape[:2]
    whole = c % BLOCK == 0 or (n == 1 and x.buffer.base == ARENA)   # the arena goes on behind the last block
    if prod(x.shape[2:]) == 1 and x.contiguous and whole and x.offset % 64 == 0:
        return Blocked(x.buffer, x.offset, x.shape, c, BLOCK, BLOCK, NO_HALO, x.dtype)
    return None


def allocate_blocked(shape, halo, dtype=F32) -> Blocked:
    n, c, h, w = nchw(shape)
    top, left, bottom, right = halo
    rs = (w + left + right) * BLOCK
    bs = rs * (h + top + bottom)
    blocks = -(-c // BLOCK)
    buffer, first = Buffer(dtype.itemsize * n * blocks * bs), dtype.itemsize * (top * rs + left * BLOCK)
    return Blocked(buffer, first, shape, blocks * bs, bs, rs, halo, dtype)
