"""What nothing needs."""
from __future__ import annotations

from ..model.graph import Graph, node_reads
from .pattern import Rewriter, rewrite


@rewrite
def remove_dead(graph: Graph, at: Rewriter) -> bool:
    """Nodes that lead to no output of the graph go, and constants that no node reads.

    The graph's inputs stay: they are its face. An unread output stays when its node does.
    """
    needed = set(graph.outputs)
    changed = False
    for node in reversed(graph.nodes):
        if not needed.isdisjoint(node.outputs):
            needed.update(node_reads(node))
        else:
            at.remove(node)
            changed = True
    for name in [name for name in graph.constants if name not in needed]:
        del graph.constants[name]
        changed = True
    return changed
