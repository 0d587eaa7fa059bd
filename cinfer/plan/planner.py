"""Resolved graph -> steps: where the values of a planning live, which is what every lowering works with.

Three walks over the nodes: which values are blocked (forward); where they live - views of a Concat's memory,
and the halo their readers need (backward); then each node is lowered to steps by the function that
lowering.RULES has for its operator. A node without a rule, or whose rule declines, becomes a NumPy step.
"""
from __future__ import annotations

from math import prod

import numpy as np

from ..model.graph import Node
from ..ops import registry
from ..ops.quantize import OWN_DOMAIN
from ..ops.registry import TensorSpec
from .memory import place
from .bind import Bound as Resolved
from .steps import F32, Declined, Steps
from .views import ARENA, BLOCK, Blocked, Buffer, Plain, nchw, nchw_strides, row_major

NO_HALO = (0, 0, 0, 0)


class Rule:
    """How one operator is lowered.

    lower(p, node) : emits steps; raises Declined before the first of them
    blocked(p, node) : whether the node's outputs are blocked
    halo(p, node) : {input: (top, left, bottom, right)} that the kernel reads beyond its blocked inputs
    pieces(p, node) : [(output, its first channel in the input)]: the outputs are channels of the first input,
        on block borders no more than views of it
    fresh : the outputs are new memory, so they may live in a Concat's
    """
    __slots__ = ("lower", "blocked", "halo", "pieces", "fresh")

    def __init__(self, lower, blocked=None, halo=None, pieces=None, fresh=True):
        self.lower, self.blocked, self.halo, self.pieces = lower, blocked, halo, pieces
        self.fresh = fresh and not pieces


class Planner(Steps):
    def __init__(self, table, resolved: Resolved, threads: int, packed: dict, rules: dict):
        super().__init__(table, threads, packed)
        self.rules = rules
        self.specs, self.inputs, self.outputs = resolved.specs, resolved.inputs, resolved.outputs
        self.nodes = resolved.nodes
        self.plain_views: dict[str, Plain] = {}
        self.blocked_views: dict[str, Blocked] = {}
        self.storages: dict[str, Blocked] = {}
        self.done: set[int] = set()                 # nodes that an earlier one has taken into its epilogue
        self.memo: dict = {}                        # what a rule decided in an early walk, for its lowering
        self.late: list = []                        # called when offsets in the arena are known
        self.consumers: dict[str, list[Node]] = {}
        self.producer: dict[str, Node] = {}
        for node in self.nodes:
            for name in filter(None, node.inputs):
                self.consumers.setdefault(name, []).append(node)
            for name in filter(None, node.outputs):
                self.producer[name] = node
        first = 2 + len(self.inputs)
        self.output_buffers = {name: Buffer(0, i) for i, name in enumerate(self.outputs, first)}
        for i, name in enumerate(self.inputs):
            spec = self.specs[name]
            self.plain_views[name] = Plain(Buffer(0, 2 + i), 0, spec.shape, row_major(spec.shape), spec.dtype)
        self.is_blocked: dict[str, bool] = {}
        self.home: dict[str, tuple[str, int]] = {}  # value -> (in whose memory it lives, first channel there)
        self.halos: dict[str, tuple] = {}

    # ---- the walks

    def plan(self) -> None:
        for node in self.nodes:
            rule = self.rule(node)
            blocked = bool(rule and rule.blocked and rule.blocked(self, node))
            for name in node.outputs:
                self.is_blocked[name] = blocked
        for node in reversed(self.nodes):
            if node.op_type == "Concat" and self.is_blocked[node.outputs[0]]:
                self.settle_concat(node)
        for node in self.nodes:
            rule = self.rule(node)
            if rule and rule.pieces and self.is_blocked[node.outputs[0]]:
                for name, first in rule.pieces(self, node):
                    if first % BLOCK == 0:
                        self.home[name] = node.inputs[0], first
        for node in self.nodes:
            rule = self.rule(node)
            if rule and rule.halo:
                for name, halo in (rule.halo(self, node) or {}).items():
                    root = self.root(name)
                    self.halos[root] = tuple(map(max, self.halos.get(root, NO_HALO), halo))
        for node in self.nodes:
            if id(node) in self.done:
                continue
            self.node = node
            rule = self.rule(node)
            try:
                if rule is None:
                    raise Declined
                rule.lower(self, node)
            except Declined:
                self.host_step(node)
        self.write_outputs()
        self.arena_bytes = place(self.live_buffers()) + 64  # a view's last block may end beyond its value
        for fill in self.late:
            fill()

    def rule(self, node: Node) -> Rule | None:
        known = node.domain in ("", OWN_DOMAIN)
        return self.rules.get(node.op_type if known else f"{node.domain}.{node.op_type}")

    def root(self, name: str) -> str:
        while name in self.home:
            name = self.home[name][0]
        return name

    def settle_concat(self, node: Node) -> None:
        """Let the parts of a Concat of channels live in its memory, where they lie on block borders."""
        out = node.outputs[0]
        parts = self.concat_parts(node)
        homes = [self.home.get(name) for name, _ in parts]
        if all(homes) and len({h[0] for h in homes}) == 1 and all(
                h[1] - homes[0][1] == first for h, (_, first) in zip(homes, parts)) and out not in self.home:
            self.home[out] = homes[0]               # a piece of a larger Concat (DenseNet): nothing to do
            return
        names = [name for name, _ in parts]
        if any(first % BLOCK for _, first in parts):
            return                                  # channels move between lanes: everything is gathered
        for name, first in parts:
            producer = self.producer.get(name)
            rule = producer and self.rule(producer)
            fresh = self.is_blocked.get(name) and rule and rule.fresh
            if fresh and name not in self.home and names.count(name) == 1:
                self.home[name] = out, first

    def concat_parts(self, node: Node) -> list[tuple[str, int]]:
        """(value, first channel) of a Concat's inputs; a Split's pieces, in order, count as its input."""
        parts, first, i, inputs = [], 0, 0, node.inputs
        while i < len(inputs):
            name = inputs[i]
            node = self.producer.get(name)
            if node is not None and node.op_type == "Split" and self.is_blocked[name]:
                if inputs[i:i + len(node.outputs)] == node.outputs:
                    name = node.inputs[0]
                    i += len(node.outputs) - 1
            parts.append((name, first))
            first += self.specs[name].shape[1]
            i += 1
        return parts

    # ---- values

    def once(self, key: tuple, find):
        """find(), the first time; then what it gave."""
        if key not in self.memo:
            self.memo[key] = find()
        return self.memo[key]

    def spec(self, name: str) -> TensorSpec:
        return self.specs[name]

    def constant(self, name: str) -> np.ndarray | None:
        """The value, when it is known before the run."""
        spec = self.specs.get(name) if name else None
        return None if spec is None else spec.value

    def available(self, name: str) -> bool:
        """Whether the value is there by now (a constant, or already computed)."""
        return name in self.plain_views or name in self.blocked_views or self.specs[name].value is not None

    def sole_consumer(self, name: str) -> Node | None:
        """The one node that reads a value nobody else will see."""
        users = self.consumers.get(name, ())
        return users[0] if len(users) == 1 and name not in self.output_buffers else None

    def plain(self, name: str, contiguous: bool = False) -> Plain:
        """The value in plain layout (a copy is made where it is blocked, or where strides are not wanted)."""
        view = self.plain_views.get(name)
        if view is None:
            if (value := self.constant(name)) is not None:
                view = self.array(np.asarray(value, order="C"))     # ascontiguousarray gives a scalar an axis
            else:
                view = self.unblock(name)
            self.plain_views[name] = view
        if contiguous and not view.contiguous:
            view = self.once(("contiguous", name), lambda: self.copied(view))
        return view

    def blocked(self, name: str) -> Blocked:
        """The value in blocked layout, with the halo its readers need."""
        view = self.blocked_views.get(name)
        if view is None:
            if (value := self.constant(name)) is not None and self.halo_of(name) == NO_HALO:
                view = self.blocked_constant(value)
            else:
                plain = self.plain(name)
                view = self.vector_alias(plain)
                if view is None or self.halo_of(name) != NO_HALO:
                    view = self.new_blocked(name)
                    self.block(plain, view)
            self.blocked_views[name] = view
        return view

    def block(self, x: Plain, y: Blocked) -> None:
        """Steps that copy a plain value into blocked memory."""
        xn, xc, xh, xw = nchw_strides(x.strides)
        rows, row_tiles = self.row_split(y.h, y.w, y.n * y.blocks, BLOCK)
        self.emit("to_blocked", y.n * y.blocks * row_tiles, x=x.ref(), y=y.ref(), n=y.n, c=y.c, h=y.h, w=y.w,
                  xn=xn, xc=xc, xh=xh, xw=xw, yn=y.ns, yb=y.bs, yr=y.rs, row_tiles=row_tiles,
                  rows=rows)

    def unblock(self, name: str) -> Plain:
        x = self.blocked_views[name]
        if x.h * x.w == 1 and x.halo == NO_HALO and (x.n == 1 or x.ns == x.c):
            return Plain(x.buffer, x.offset, x.shape, (x.ns, *row_major(x.shape[1:])), F32)
        y = self.new_plain(name)
        self.from_blocked(x, y, y.strides)
        return y

    def from_blocked(self, x: Blocked, y: Plain, strides, **more) -> None:
        """Steps that copy a blocked value to plain memory; strides over the axes of x.shape."""
        yn, yc, yh, yw = nchw_strides(strides)
        rows, row_tiles = self.row_split(x.h, x.w, x.n * x.blocks, BLOCK)
        self.emit("from_blocked", x.n * x.blocks * row_tiles, x=x.ref(), y=y.ref(), n=x.n, c=x.c, h=x.h,
                  w=x.w, xn=x.ns, xb=x.bs, xr=x.rs, yn=yn, yc=yc, yh=yh, yw=yw, row_tiles=row_tiles,
                  rows=rows, **more)

    def vector_alias(self, x: Plain) -> Blocked | None:
        """A plain value of one pixel a picture, seen as blocked: the same memory where blocks are whole."""
        n, c, h, w = nchw(x.shape)
        whole = c % BLOCK == 0 or (n == 1 and x.buffer.base == ARENA)
        if h * w == 1 and x.contiguous and whole and x.offset % 64 == 0:
            return Blocked(x.buffer, x.offset, x.shape, c, BLOCK, BLOCK, NO_HALO)
        return None

    def new_plain(self, name: str, order: tuple | None = None) -> Plain:
        """Fresh memory for a value, registered under its name; an output of the graph is written in place.

        order : its axes from outermost to innermost in memory (row-major by default)
        """
        spec = self.specs[name]
        if order is not None and name in self.output_buffers:
            order = None
        strides = row_major(spec.shape)
        if order is not None:
            steps = row_major([spec.shape[a] for a in order])
            strides = tuple(steps[order.index(a)] for a in range(len(order)))
        buffer = self.output_buffers.get(name) or self.new_buffer(prod(spec.shape) * spec.dtype.itemsize)
        view = self.plain_views[name] = Plain(buffer, 0, spec.shape, strides, spec.dtype)
        return view

    def new_blocked(self, name: str) -> Blocked:
        """Fresh blocked memory for a value (its place in a Concat where it has one), under its name."""
        view = self.blocked_views[name] = self.storage(name)
        return view

    def storage(self, name: str) -> Blocked:
        view = self.storages.get(name)
        if view is None:
            shape = self.specs[name].shape
            if name in self.home:
                parent, first = self.home[name]
                view = self.storage(parent).channels(first, shape[1], shape)
            else:
                view = self.allocate_blocked(shape, self.halos.get(name, NO_HALO))
            self.storages[name] = view
        return view

    def allocate_blocked(self, shape, halo) -> Blocked:
        n, c, h, w = nchw(shape)
        t, left, b, r = halo
        rs = (w + left + r) * BLOCK
        bs = rs * (h + t + b)
        blocks = -(-c // BLOCK)
        buffer, first = self.new_buffer(4 * n * blocks * bs), 4 * (t * rs + left * BLOCK)
        view = Blocked(buffer, first, shape, blocks * bs, bs, rs, halo)
        if halo != NO_HALO:
            self.emit("zero_halo", n * blocks, beside=True, y=view.ref(), n=n, cb=blocks, h=h, w=w,
                      yn=view.ns, yb=bs, yr=rs, t=t, l=left, b=b, r=r)
        return view

    def halo_of(self, name: str) -> tuple:
        return self.halos.get(self.root(name), NO_HALO)

    def blocked_constant(self, value: np.ndarray) -> Blocked:
        n, c, h, w = nchw(value.shape)
        blocks = -(-c // BLOCK)
        array = np.zeros((n, blocks * BLOCK, h, w), np.float32)
        array[:, :c] = value.reshape(n, c, h, w)
        array = np.ascontiguousarray(array.reshape(n, blocks, BLOCK, h, w).transpose(0, 1, 3, 4, 2))
        rs = w * BLOCK
        return Blocked(self.array(array).buffer, 0, value.shape, blocks * h * rs, h * rs, rs, NO_HALO)

    def host_step(self, node: Node) -> None:
        """The node in NumPy, between the steps of the kernels."""
        operator = registry.lookup(node)
        inputs = [self.plain(name, contiguous=True) if name else None for name in node.inputs]
        outputs = [self.new_plain(name) if name else None for name in node.outputs]
        self.host(operator, node, inputs, outputs)

    # ---- outputs

    def write_outputs(self) -> None:
        """Copy into the output arrays whatever was not computed in place there."""
        self.node = None
        for name, buffer in self.output_buffers.items():
            view = self.plain_views.get(name)
            if view is not None and view.buffer is buffer and view.contiguous:
                continue
            spec = self.specs[name]
            target = Plain(buffer, 0, spec.shape, row_major(spec.shape), spec.dtype)
            if prod(spec.shape) == 0:
                continue
            if view is None and name in self.blocked_views and self.constant(name) is None:
                self.from_blocked(self.blocked_views[name], target, target.strides)
                self.plain_views[name] = target
                continue
            view = self.plain(name)
            if view.buffer is buffer and view.contiguous:
                continue
            self.copy(view, target)
        if self.beside:
            self.flush()
