"""What a subgraph reads of the graph around it, where that is constant or made of bytes."""
from __future__ import annotations

from ..model.graph import Graph, Node
from ..ops.numeric import F32
from .join_products import MOVES
from .pattern import Rewriter, rewrite

MOST_MOVED = 4                  # nodes that only move numbers between a DequantizeLinear and a subgraph


@rewrite
def bring_captures(graph: Graph, at: Rewriter) -> bool:
    """In a subgraph: a constant of the graph around, or what is known there, becomes a constant of its own.

    What DequantizeLinear gives there, by constants, is made here as well, under the same name, from the captured
    integers: so passes see what they would see were the nodes of this graph in the one around. A Transpose, Reshape,
    Squeeze or Unsqueeze by constants may be between. `return_captures` takes away what has not become an operation on
    integers.
    """
    if at.around is None:
        return False
    outer = at.around[0]
    changed = False
    for name in graph.captures():
        if name in at.makers:
            continue
        way = _way_from_integers(outer, name)
        if way and _sees(at, outer, way[0].inputs[0]):
            _make(at, outer, way)
            at.brought[name] = outer.array(way[0].inputs[0]) is not None
            changed = True
        elif (array := outer.value(name)) is not None:
            graph.constants[name] = array
            changed = True
    return changed


@rewrite
def return_captures(graph: Graph, at: Rewriter) -> bool:
    """What has been brought in and is still made of DequantizeLinear is captured again: it is the same value, which is
    made once, outside. Constants stay, to be folded; then all subgraphs beside each other have one array."""
    changed = False
    for name, is_constant in at.brought.items():
        node = at.maker(name, "DequantizeLinear", *MOVES)
        if name in graph.constants:
            graph.constants[name] = at.around[0].folded.setdefault(name, graph.constants[name])
        elif node is not None and not is_constant:
            at.remove(node)
            for source in node.inputs:
                at.release(source)
            changed = True
    return changed


def _way_from_integers(outer: Rewriter, name: str) -> list[Node]:
    """The DequantizeLinear that a value comes from, and what moves its numbers; empty: it does not."""
    way: list[Node] = []
    while len(way) <= MOST_MOVED:
        node = outer.maker(name, "DequantizeLinear", *MOVES)
        if node is None or any(outer.array(other) is None for other in node.inputs[1:] if other):
            return []
        way.insert(0, node)
        if node.op_type == "DequantizeLinear":
            return way if outer.array(node.inputs[1]).dtype == F32 else []
        name = node.inputs[0]
    return []


def _sees(at: Rewriter, outer: Rewriter, name: str) -> bool:
    """Can the subgraph read this value? Not where it has one of its own by that name."""
    return outer.array(name) is not None or not (
        name in at.makers or name in at.graph.inputs or name in at.graph.constants)


def _make(at: Rewriter, outer: Rewriter, way: list[Node]) -> None:
    """Copies of nodes of the graph around, the last of which gives the same name here."""
    source = ""
    for node in way:
        copy = node.copied()
        for i, name in enumerate(node.inputs):
            array = outer.array(name) if name else None
            if array is not None:
                copy.inputs[i] = at.constant(array, name)
        copy.inputs[0] = source or copy.inputs[0]
        if node is not way[-1]:
            copy.outputs = [at.fresh(node.outputs[0])]
        source = at.insert(copy, after=None)
