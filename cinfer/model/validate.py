"""What every graph must satisfy: one producer per value, every value made before it is read. Nodes out of order are sorted."""
from __future__ import annotations

from ..errors import ModelError
from .graph import Graph, node_reads, subgraphs


def settle(graph: Graph, outer: frozenset = frozenset()) -> None:
    """Check a graph and those in it; sort its nodes, stably, where the file has them out of order. Raises ModelError."""
    made = {**dict.fromkeys(graph.inputs), **dict.fromkeys(graph.constants)}
    for node in graph.nodes:
        if not node.op_type:
            raise ModelError(f"node {node.name!r} has no operator")
        for name in node.outputs:
            if name:
                if name in made:
                    raise ModelError(f"value {name!r} is made twice, the second time by {node}")
                made[name] = node
    known = {"", *graph.inputs, *graph.constants, *outer}
    if not in_order(graph, set(known)):
        sort(graph, set(known), made)
    visible = outer.union(made)
    for node in graph.nodes:
        for inner in subgraphs(node):
            settle(inner, visible)
    for name in graph.outputs:
        if name not in made and name not in outer:
            raise ModelError(f"output {name!r} is made by no node")


def in_order(graph: Graph, known: set) -> bool:
    for node in graph.nodes:
        if not known.issuperset(node_reads(node)):
            return False
        known.update(node.outputs)
    return True


def sort(graph: Graph, known: set, made: dict) -> None:
    """Nodes in an order in which values are made before they are read; ModelError where there is none."""
    waiting: dict[str, list] = {}
    missing = {}
    ready = []
    for node in graph.nodes:
        needs = {name for name in node_reads(node) if name not in known}
        for name in needs:
            if name not in made:
                raise ModelError(f"{node} reads {name!r}, which nothing makes")
            waiting.setdefault(name, []).append(node)
        missing[id(node)] = len(needs)
        if not needs:
            ready.append(node)
    order = []
    while len(order) < len(ready):
        node = ready[len(order)]
        order.append(node)
        for name in node.outputs:
            for user in waiting.pop(name, ()):
                missing[id(user)] -= 1
                if not missing[id(user)]:
                    ready.append(user)
    if len(order) < len(graph.nodes):
        stuck = next(n for n in graph.nodes if missing[id(n)])
        raise ModelError(f"{stuck} is part of a circle: it needs a value that is made from its own")
    graph.nodes = order
