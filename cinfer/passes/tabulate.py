"""Functions of one byte become tables of 256."""
from __future__ import annotations

import numpy as np

from ..errors import Error
from ..model.graph import Graph, Node
from ..ops import registry
from ..ops.families import OWN_DOMAIN
from .pattern import Rewriter, rewrite
from .quantized import U8, stored

MOST_NODES = 32                     # between the byte and its function


@rewrite
def tabulate(graph: Graph, at: Rewriter) -> bool:
    """x8 -> DequantizeLinear -> function(s) of one number -> QuantizeLinear -> y8   becomes   x8 -> LookUp -> y8

    The function may be made of several operators and round in between (x8 -> Sigmoid -> 8 bits -> times x8 is SiLU):
    all that depends on x8 alone, element by element. The table has what these operators give for the 256 bytes.
    Where it changes no byte, y8 is x8.

    Guards: uint8, one constant scale and zero point each, other operands are constants of one element that do not
    raise the rank.
    """
    changed = False
    for node in at.of("QuantizeLinear"):
        if stored(at, node) is None:
            continue
        found = _deepest(at, node)
        if found is None:
            continue
        root, nodes = found
        table = _table(at, root, [*nodes, node])
        if table is None:
            continue
        if (table == np.arange(256)).all():
            if at.alias(node, root):
                at.release(node.inputs[0])
                changed = True
            continue
        at.change(node, "LookUp", [root, at.constant(table, "table")], 1, OWN_DOMAIN)
        changed = True
    return changed


def _deepest(at: Rewriter, node: Node) -> tuple[str, list[Node]] | None:
    """(the tensor of bytes that is furthest up and of which alone a node's output is a function, the nodes between in
    order); None where there is none."""
    place = {each: i for i, each in enumerate(_up_from(at, node))}
    inside: list[Node] = []
    frontier = _roots(at, node.inputs[0], place, inside)
    best = None
    while frontier:
        if len(frontier) == 1:
            best = next(iter(frontier)), list(inside)
        # the tensor that is made last is made of others, or nothing more is found
        made = [(place[at.makers[name]], name) for name in frontier if at.makers.get(name) in place]
        if not made or len(inside) > MOST_NODES:
            break
        name = max(made)[1]
        maker = at.makers[name]
        inside.append(maker)
        if maker.op_type == "LookUp":
            further = {maker.inputs[0]}
        else:
            further = _roots(at, maker.inputs[0], place, inside) if stored(at, maker) is not None else None
        if not further:
            break
        frontier = (frontier - {name}) | further
    if best is None:
        return None
    root, nodes = best
    return root, sorted(set(nodes), key=place.__getitem__)


def _up_from(at: Rewriter, node: Node) -> list[Node]:
    """What may lie between a byte and a node's input, in the order of the run."""
    found = {node}
    order: list[Node] = []

    def visit(each: Node, depth: int) -> None:
        for name in each.inputs:
            maker = at.makers.get(name)
            if maker is None or maker in found or depth > MOST_NODES or not _may_be_inside(maker):
                continue
            found.add(maker)
            visit(maker, depth + 1)
        order.append(each)
    visit(node, 0)
    return order


def _may_be_inside(node: Node) -> bool:
    if node.op_type == "LookUp" and node.domain == OWN_DOMAIN:
        return True
    if node.domain or len(node.outputs) != 1:
        return False
    traits = registry.traits(node)
    return node.op_type in ("QuantizeLinear", "DequantizeLinear", "PRelu") or (
        (traits.elementwise or traits.broadcast) and not traits.random)


def _roots(at: Rewriter, name: str, place, inside: list[Node]) -> set[str] | None:
    """The tensors of bytes that a float value is a function of, element by element; None where it is none. The nodes
    between are added to `inside`."""
    roots: set[str] = set()
    waiting, seen = [name], set()
    while waiting:
        name = waiting.pop()
        node = at.makers.get(name)
        if name in seen:
            continue
        seen.add(name)
        if node is None or node not in place or node.op_type in ("QuantizeLinear", "LookUp") \
                or len(seen) > MOST_NODES:
            return None
        inside.append(node)
        if node.op_type == "DequantizeLinear":
            if (x := stored(at, node)) is None:
                return None
            roots.add(x.name)
            continue
        values = [i for i in node.inputs if i and at.array(i) is None]
        if not values:
            return None
        for constant in (i for i in node.inputs if i and at.array(i) is not None):
            array = at.array(constant)
            if array.size != 1 or not at.fits(array, values[0]):
                return None
        waiting += values
    return roots


def _table(at: Rewriter, root: str, nodes: list[Node]) -> np.ndarray | None:
    values = {root: np.arange(256, dtype=U8)}
    try:
        for node in nodes:
            inputs = [None if not name else values[name] if name in values else at.array(name) for name in node.inputs]
            values[node.outputs[0]] = registry.evaluate(registry.lookup(node), node, inputs)[0]
    except (Error, *registry.REFUSALS):
        return None                                         # it is told when the graph is planned
    table = values[nodes[-1].outputs[0]]
    return np.ascontiguousarray(table) if table.dtype == U8 and table.shape == (256,) else None
