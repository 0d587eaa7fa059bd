"""Functions of one byte become tables of 256."""
from __future__ import annotations

import numpy as np

from ..errors import Error
from ..model.graph import Graph, Node
from ..ops import registry
from ..ops.families import OWN_DOMAIN
from .pattern import Rewriter, rewrite
from .quantized import BYTES, U8, is_single, stored

MOST_NODES = 32                     # between the byte and its function
MOST_LOOKED_AT = 4 * MOST_NODES     # for one function: what lies above may be as wide as the graph


@rewrite
def tabulate(graph: Graph, at: Rewriter) -> bool:
    """x8 -> DequantizeLinear -> function(s) of one number -> QuantizeLinear -> y8   becomes   x8 -> LookUp -> y8

    The function may be made of several operators and round in between (x8 -> Sigmoid -> 8 bits -> times x8 is SiLU):
    all that depends on x8 alone, element by element. The table has what these operators give for the 256 bytes.
    Where it changes no byte, y8 is x8.

    Guards: uint8 or int8, one constant scale and zero point each, other operands are constants of one element,
    dequantised or not, that do not raise the rank.
    """
    changed = False
    for node in at.of("QuantizeLinear"):
        if stored(at, node, *BYTES) is None:
            continue
        found = _deepest(at, node)
        if found is None:
            continue
        root, nodes = found
        table = _table(at, root, [*nodes, node])
        if table is None:
            continue
        if at.dtype(root) == table.dtype and (table.view(U8) == np.arange(256)).all():
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
            further = _roots(at, maker.inputs[0], place, inside) if stored(at, maker, *BYTES) is not None else None
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

    def visit(each: Node) -> None:
        for name in each.inputs:
            if len(found) > MOST_LOOKED_AT:
                break
            maker = at.makers.get(name)
            if maker is not None and maker not in found and _may_be_inside(maker):
                found.add(maker)
                visit(maker)
        order.append(each)
    visit(node)
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
            if (x := stored(at, node, *BYTES)) is None:
                return None
            roots.add(x.name)
            continue
        constants = {i: array for i in node.inputs if i and (array := _constant(at, i)) is not None}
        values = [i for i in node.inputs if i and i not in constants]
        if not values or not all(array.size == 1 and at.fits(array, values[0]) for array in constants.values()):
            return None
        inside += [at.makers[i] for i in constants if i in at.makers]
        waiting += values
    return roots


def _constant(at: Rewriter, name: str) -> np.ndarray | None:
    """A constant, or one that DequantizeLinear reads by constants of a whole tensor."""
    node = at.maker(name, "DequantizeLinear")
    if node is None:
        return at.array(name)
    parameters = [at.array(i) for i in node.inputs[1:] if i]
    return at.array(node.inputs[0]) if all(p is not None and is_single(p) for p in parameters) else None


def _table(at: Rewriter, root: str, nodes: list[Node]) -> np.ndarray | None:
    values = {root: np.arange(256, dtype=U8).view(at.dtype(root))}
    try:
        for node in nodes:
            inputs = [None if not name else values[name] if name in values else _alone(at.array(name))
                      for name in node.inputs]
            values[node.outputs[0]] = registry.evaluate(registry.lookup(node), node, inputs)[0]
    except (Error, *registry.REFUSALS):
        return None                                         # it is told when the graph is planned
    table = values[nodes[-1].outputs[0]]
    return np.ascontiguousarray(table) if table.dtype in BYTES and table.shape == (256,) else None


def _alone(array: np.ndarray) -> np.ndarray:
    """A constant beside 256 numbers: one element may have as many axes as the tensor has."""
    return array.reshape(()) if array.size == 1 else array
