"""Islands of another layout, as converters from TensorFlow leave them, take the layout around them."""
from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..model.graph import Graph, Node
from .layout import Perm, Turned, compose, inverse, is_permutation, turned, turned_inside, turned_outside
from .pattern import Rewriter, rewrite

_ROUNDS = 4         # a turned region may touch the next one; more in a row have not been seen


@rewrite
def sink_transposes(graph: Graph, at: Rewriter) -> bool:
    """x -> Transpose(p) -> nodes without a layout of their own -> Transpose(inverse of p) -> y
    becomes   x -> the same nodes with their axes, pads and constants turned -> y

    A region is all nodes that hang together and work on any layout: elementwise (constants beside them are
    turned), Concat, Split, Softmax, Pad, Slice, Resize, Reduce, Arg... with keepdims, Quantize. It is turned
    as a whole, when that leaves fewer Transposes around it than before. At its border Reduce without
    keepdims, Squeeze, Reshape and Unsqueeze that only move axes of one element, and Shape cost nothing.
    Also: two Transposes in a row become one or none, equal ones of one value become one.
    Guards: the ranks of all values of a region are proved, and what depends on an axis is constant.
    """
    changed = _merge(at)
    for _ in range(_ROUNDS):
        moved = False
        visited: set[Node] = set()
        for transpose in tuple(at.of("Transpose")):
            perm = _perm(transpose, at)
            for start in _neighbours(transpose, at) if perm else ():
                if start not in visited:
                    region = _Region(at, start, len(perm))
                    visited.update(region.nodes)
                    moved |= region.turn_if_better()
        at.settle()
        if not moved:
            break
        changed = True
        _merge(at)
    return changed


def _neighbours(transpose: Node, at: Rewriter) -> Iterator[Node]:
    yield from tuple(at.readers.get(transpose.outputs[0], ()))
    maker = at.makers.get(transpose.inputs[0])
    if maker is not None:
        yield maker


def _perm(node: Node | None, at: Rewriter) -> Perm | None:
    """The permutation of a Transpose; None when the node is none, or it is not known."""
    if node is None or node.op_type != "Transpose" or node.domain:
        return None
    perm = node.attributes.get("perm")
    if perm is None:
        rank = at.rank(node.inputs[0])
        return None if rank is None else tuple(reversed(range(rank)))
    return tuple(perm) if is_permutation(perm) else None


class _Region:
    """Nodes that work on any layout and hang together by values of one rank."""

    def __init__(self, at: Rewriter, start: Node, rank: int):
        self.at = at
        self.nodes: dict[Node, set[str]] = {}           # node -> the inputs that turn with its outputs
        plain = tuple(range(rank))
        waiting, refused = [start], set()
        while waiting:
            node = waiting.pop()
            if node in self.nodes or node in refused:
                continue
            rule = turned(node, at, plain)
            if rule is None or any(at.rank(name) != rank for name in node.outputs if name):
                refused.add(node)
                continue
            names = {node.inputs[i] for i in rule.data}
            self.nodes[node] = names
            waiting += (at.makers[name] for name in names if name in at.makers)
            for name in node.outputs:
                waiting += at.readers.get(name, ())
        self.made = {name: node for node in self.nodes for name in node.outputs if name}
        self.entering = dict.fromkeys(n for names in self.nodes.values() for n in names if n not in self.made)

    def turn_if_better(self) -> bool:
        """Turn the region by the permutation that leaves the fewest Transposes; False when none saves any."""
        gains = {perm: self._gain(perm) for perm in self._candidates()}
        best = max(gains, key=gains.get, default=None)
        if best is None or gains[best] <= 0:
            return False
        self._turn(best)
        return True

    def _candidates(self) -> dict[Perm, None]:
        perms: dict[Perm, None] = {}
        for name in self.entering:
            perm = _perm(self.at.makers.get(name), self.at)
            if perm:
                perms[perm] = None
        for name in self.made:
            for reader in self.at.readers.get(name, ()):
                perm = _perm(reader, self.at)
                if perm:
                    perms[inverse(perm)] = None
        return perms

    def _outside(self, name: str) -> Iterator[Node]:
        """The readers of a value of the region for which it must go on as it is, or be turned back."""
        for reader in dict.fromkeys(self.at.readers.get(name, ())):
            if name not in self.nodes.get(reader, ()):
                yield reader

    def _gain(self, perm: Perm) -> int:
        """How many Transposes turning saves."""
        at, gain, back = self.at, 0, inverse(perm)
        for name in self.entering:
            maker = at.makers.get(name)
            before = _perm(maker, at)
            if before:
                if maker.inputs[0] in self.made:        # x + its Transpose: the region reads itself, turned
                    return 0
                stays = name in at.pinned or any(name not in self.nodes.get(r, ()) for r in at.readers[name])
                gain += (before == perm) - stays
            elif not (maker and turned_outside(maker, at, perm)):
                gain -= all(_perm(reader, at) != back for reader in at.readers[name])
        for name in self.made:
            plain = name in at.pinned
            for reader in self._outside(name):
                after = _perm(reader, at)
                if after:
                    gain += after == back
                elif not _reads_turned(reader, name, at, perm):
                    plain = True
            gain -= plain
        return gain

    def _turn(self, perm: Perm) -> None:
        at = self.at
        names = {name: _turned_value(at, name, perm) for name in self.entering}
        outside = {name: list(self._outside(name)) for name in self.made}
        names.update((name, at.fresh(name)) for name in self.made)
        rules = {node: turned(node, at, perm) for node in self.nodes}
        for node in self.nodes:
            at.set_outputs(node, [names.get(name, "") for name in node.outputs])
        for node, rule in rules.items():
            _apply(at, node, rule, names)
        for name, node in self.made.items():
            plain = name in at.pinned
            for reader in outside[name]:
                after = _perm(reader, at)
                if after:
                    at.set_inputs(reader, [names[name]])
                    reader.attributes = {"perm": list(compose(perm, after))}
                elif _reads_turned(reader, name, at, perm):
                    _read_turned(at, reader, names[name], perm)
                else:
                    plain = True
            if plain:
                at.insert(_transpose(names[name], name, perm), after=node)


def _transpose(source: str, target: str, perm: Perm) -> Node:
    return Node("Transpose", [source], [target], {"perm": list(perm)}, opset=13, name=target)


def _turned_value(at: Rewriter, name: str, perm: Perm) -> str:
    """The value whose Transpose by perm is `name`."""
    maker = at.makers.get(name)
    before = _perm(maker, at)
    if before == perm:
        return maker.inputs[0]
    if before:
        total = compose(before, inverse(perm))
        return at.insert(_transpose(maker.inputs[0], at.fresh(name), total), after=maker)
    rule = maker and turned_outside(maker, at, perm)
    if rule:
        inputs = _with_constants(at, maker, rule)
        twin = Node(maker.op_type, inputs, [at.fresh(name)], rule.attributes, "", maker.opset, maker.name)
        return at.insert(twin, after=maker)
    return at.insert(_transpose(name, at.fresh(name), inverse(perm)), after=maker)


def _apply(at: Rewriter, node: Node, rule: Turned, names: dict[str, str]) -> None:
    """Make a node what the rule says, reading `names` instead of what it reads now."""
    inputs = _with_constants(at, node, rule)
    for position in rule.data:
        inputs[position] = names[inputs[position]]
    node.attributes = rule.attributes
    at.set_inputs(node, inputs)


def _with_constants(at: Rewriter, node: Node, rule: Turned) -> list[str]:
    inputs = list(node.inputs)
    for position, array in rule.constants.items():
        inputs[position] = at.constant(np.ascontiguousarray(array), f"{node.inputs[position]}_turned")
    return inputs


def _reads_turned(reader: Node, name: str, at: Rewriter, perm: Perm) -> bool:
    """Can the node read the turned value at no cost?"""
    if reader.inputs.count(name) != 1 or reader.inputs[0] != name:
        return False
    if reader.op_type == "Shape" and not reader.domain:
        return not reader.attributes
    return turned_inside(reader, at, perm) is not None


def _read_turned(at: Rewriter, reader: Node, source: str, perm: Perm) -> None:
    if reader.op_type == "Shape":
        shape = Node("Shape", [source], [at.fresh(reader.outputs[0])], opset=reader.opset, name=reader.name)
        order = at.constant(np.array(perm, np.int64), f"{reader.outputs[0]}_order")
        at.change(reader, "Gather", [at.insert(shape, after=at.makers.get(source)), order], 13, axis=0)
    else:
        _apply(at, reader, turned_inside(reader, at, perm), {reader.inputs[0]: source})


def _merge(at: Rewriter) -> bool:
    """Join Transposes in a row, drop those that do nothing, and let neighbours take them over."""
    changed = False
    seen: dict[tuple[str, Perm], str] = {}
    for node in tuple(at.walk()):
        perm = _perm(node, at)
        if perm is None or node.outputs[0] not in at.makers:
            continue
        before = _perm(at.makers.get(node.inputs[0]), at)
        if before:
            perm = compose(before, perm)
            at.set_inputs(node, [at.makers[node.inputs[0]].inputs[0]])
            node.attributes = {"perm": list(perm)}
            changed = True
        source = node.inputs[0]
        if perm == tuple(range(len(perm))):
            changed |= at.alias(node, source)
        elif (twin := seen.get((source, perm))) in at.makers:    # it may have gone away, unread
            if at.alias(node, twin):
                changed = True
                if node.outputs[0] in at.pinned:            # the other one took over the name
                    seen[source, perm] = node.outputs[0]
        else:
            seen[source, perm] = node.outputs[0]
            changed |= _hand_over(at, node, perm)
    at.settle()
    return changed


def _hand_over(at: Rewriter, node: Node, perm: Perm) -> bool:
    """Readers that can read the Transpose's input do; a Reshape or Unsqueeze before it takes it in."""
    name, source, changed = node.outputs[0], node.inputs[0], False
    for reader in tuple(dict.fromkeys(at.readers.get(name, ()))):
        if _reads_turned(reader, name, at, perm):
            _read_turned(at, reader, source, perm)
            changed = True
    maker = at.makers.get(source)
    rule = turned_outside(maker, at, inverse(perm)) if maker is not None and at.only_reader(source) else None
    if rule and name in at.makers:
        _apply(at, maker, rule, {n: n for n in maker.inputs})
        at.remove(node)
        at.set_outputs(maker, [name])
        changed = True
    return changed
