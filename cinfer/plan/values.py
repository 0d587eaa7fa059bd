"""What is known of the values of a bound graph while kernels are chosen for its nodes, one after the other.

Candidates ask here and change nothing: facts, constants, readers, and how the values made so far lie in
memory. `Placement` (placement.py) is who enters the latter.
"""
from __future__ import annotations

import numpy as np

from ..model.graph import Node
from .candidate import BLOCKED, PLAIN, Kernel, kernel_of
from .resolve import Made
from .store import Store
from .tiles import Tiles
from .views import Plain, row_major


class Facts:
    """What is known of values before the run, by name."""

    def __init__(self, facts: dict):
        self.facts = facts

    def fact(self, name: str):
        return self.facts[name]

    def shape(self, name: str) -> tuple[int, ...]:
        return self.facts[name].shape

    def constant(self, name: str) -> np.ndarray | None:
        """The value, when it is known before the run."""
        fact = self.facts.get(name) if name else None
        return None if fact is None else fact.value


class Values(Facts):
    """table : the kernels of an ISA level; tiles : how work is divided; store : what all plans share"""

    def __init__(self, bound, table, tiles: Tiles, store: Store):
        super().__init__(bound.facts)
        self.table, self.tiles, self.store = table, tiles, store
        self.nodes = bound.nodes
        self.readers, self.makers = bound.index.readers, bound.index.makers
        self.outputs = frozenset(bound.outputs)
        self.layouts: dict[str, str] = {}               # PLAIN or BLOCKED: how a value was made
        self.plain_views: dict[str, Plain] = {}
        self.contiguous_views: dict[str, Plain] = {}
        self.in_blocks: dict[str, None] = {}            # values that are to be had in blocks

    # ---- nodes

    def kernel_of(self, node: Node) -> Kernel | None:
        """As candidate.kernel_of, remembered."""
        if type(node) is Made:
            return kernel_of(node)
        known = self.store.of_node
        key = "kernel", node
        if key not in known:
            known[key] = kernel_of(node)
        return known[key]

    def unary_of(self, node: Node, kernel: Kernel):
        """What `kernel.unary` says of a node; remembered where that is a matter of attributes alone."""
        if len(node.inputs) > 1 or type(node) is Made:
            return kernel.unary(node, self)
        known = self.store.of_node
        key = "unary", node
        if key not in known:
            known[key] = kernel.unary(node, self)
        return known[key]

    def sole_reader(self, name: str) -> Node | None:
        """The one node that reads a value nobody else will see."""
        readers = self.readers.get(name, ())
        return readers[0] if len(readers) == 1 and name not in self.outputs else None

    def turned_order(self, name: str) -> tuple[int, ...] | None:
        """The axes of a value from outermost to innermost, as an output of the graph has them that a Transpose makes of
        it, which nobody else reads; None where there is none."""
        reader = self.sole_reader(name)
        if reader is None or reader.op_type != "Transpose" or reader.domain or reader.outputs[0] not in self.outputs:
            return None
        return tuple(reader.attributes.get("perm") or reversed(range(self.facts[name].ndim)))

    # ---- how values lie by now

    def available(self, name: str) -> bool:
        """Whether the value is there by now: a constant, or already computed."""
        return name in self.layouts or self.facts[name].value is not None

    def is_blocked(self, name: str) -> bool:
        """Whether the value was made in blocks."""
        return self.layouts.get(name) is BLOCKED

    def has(self, name: str, layout: str) -> bool:
        """Whether the value can be read in a layout without a copy."""
        if layout is BLOCKED:
            return name in self.in_blocks
        view = self.plain_views.get(name)
        return view is not None and (layout is PLAIN or view.contiguous or name in self.contiguous_views)

    def plain(self, name: str) -> Plain:
        """The plain view of a value: as it is, or as a copy would be. Only shape and strides count."""
        view = self.plain_views.get(name)
        if view is None:
            fact = self.facts[name]
            view = Plain(None, 0, fact.shape, row_major(fact.shape), fact.dtype)
        return view
