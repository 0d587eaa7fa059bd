"""What every graph must satisfy: one producer per value, and every value is made before it is read."""
from __future__ import annotations

from collections.abc import Set
from heapq import heapify, heappop, heappush

from ..errors import ModelError
from .graph import Graph, Model, Node, node_reads, subgraphs


def validate(model: Model) -> None:
    """Check a model's graphs; nodes out of order are sorted. Raises ModelError."""
    if not model.graph.outputs:
        raise ModelError("its graph has no outputs")
    _validate(model.graph, frozenset())


def _validate(graph: Graph, outer: Set[str]) -> None:
    """outer : names that the graph may capture from around it"""
    made = {*graph.inputs, *graph.constants}
    if len(made) < len(graph.inputs) + len(graph.constants):
        both = next(iter(graph.inputs.keys() & graph.constants.keys()))
        raise ModelError(f"{both!r} is both an input and a constant")
    for node in graph.nodes:
        for name in node.outputs:
            if name in made:
                raise ModelError(f"{node} makes {name!r}, which exists already")
            if name:
                made.add(name)
    known = {"", *graph.inputs, *graph.constants, *outer}
    for node in graph.nodes:
        if not known.issuperset(node_reads(node)):
            graph.nodes = sorted_nodes(graph, {"", *graph.inputs, *graph.constants, *outer}, made)
            break
        known.update(node.outputs)
    visible = None
    for node in graph.nodes:
        for inner in subgraphs(node):
            visible = visible or made.union(outer)
            _validate(inner, visible)
    for name in graph.outputs:
        if name not in made and name not in outer:
            raise ModelError(f"nothing makes the output {name!r} of graph {graph.name!r}")


def sorted_nodes(graph: Graph, known: set[str], made: set[str]) -> list[Node]:
    """The nodes in an order in which values are made before they are read, as near to the file's as that
    allows. Raises ModelError where there is none."""
    waiting: dict[str, list[int]] = {}
    missing: list[int] = []
    for i, node in enumerate(graph.nodes):
        needs = {name for name in node_reads(node) if name not in known}
        for name in needs:
            if name not in made:
                raise ModelError(f"{node} reads {name!r}, which nothing makes")
            waiting.setdefault(name, []).append(i)
        missing.append(len(needs))
    ready = [i for i, count in enumerate(missing) if not count]
    heapify(ready)
    order = []
    while ready:
        node = graph.nodes[heappop(ready)]
        order.append(node)
        for name in node.outputs:
            for i in waiting.get(name, ()):
                missing[i] -= 1
                if not missing[i]:
                    heappush(ready, i)
    if len(order) < len(graph.nodes):
        raise ModelError(f"its nodes form a cycle: {' -> '.join(cycle(graph, missing))}")
    return order


def cycle(graph: Graph, missing: list[int]) -> list[str]:
    """Names of values each of which is made from the one before; at most the first few of them."""
    makers = {name: node for node, count in zip(graph.nodes, missing) if count for name in node.outputs}
    name = next(name for name in makers if name)
    seen: dict[str, None] = {}
    while name not in seen:
        seen[name] = None
        name = next(read for read in node_reads(makers[name]) if read in makers)
    path = list(seen)
    path = [*path[path.index(name):], name][::-1]
    names = [repr(each) for each in path]
    return names if len(names) < 6 else [*names[:3], "...", *names[-2:]]
