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
    sort(model.graph)
    check(model.graph, frozenset())


def sort(graph: Graph) -> None:
    """Bring the nodes of a graph and of its subgraphs into an order in which values are made before they are
    read, as near to the file's as that allows. Raises ModelError where there is none."""
    made: set[str] = set()
    for node in graph.nodes:
        for inner in subgraphs(node):                   # first: what a sorted graph captures is plain to see
            sort(inner)
        made.update(node.outputs)
    made -= {"", *graph.inputs, *graph.constants}
    later = set(made)
    for node in graph.nodes:
        if not later.isdisjoint(node_reads(node)):
            graph.nodes = sorted_nodes(graph.nodes, made)
            return
        later.difference_update(node.outputs)


def sorted_nodes(nodes: list[Node], made: set[str]) -> list[Node]:
    waiting: dict[str, list[int]] = {}                  # name -> the nodes that read it
    missing: list[int] = []                             # for each node, how many values it waits for
    for i, node in enumerate(nodes):
        needs = made.intersection(node_reads(node))
        for name in needs:
            waiting.setdefault(name, []).append(i)
        missing.append(len(needs))
    ready = [i for i, count in enumerate(missing) if not count]
    heapify(ready)
    order = []
    while ready:
        node = nodes[heappop(ready)]
        order.append(node)
        for name in node.outputs:
            for i in waiting.pop(name, ()):
                missing[i] -= 1
                if not missing[i]:
                    heappush(ready, i)
    if len(order) < len(nodes):
        raise ModelError(f"its nodes form a cycle: {' -> '.join(cycle(nodes, missing))}")
    return order


def check(graph: Graph, outer: Set[str]) -> None:
    """Each name is made once, and what is read exists. outer : names that the graph may capture from around
    it. Raises ModelError."""
    known = {*graph.inputs, *graph.constants}
    if len(known) < len(graph.inputs) + len(graph.constants):
        both = next(name for name in graph.inputs if name in graph.constants)
        raise ModelError(f"{both!r} is both an input and a constant")
    for node in graph.nodes:
        for name in node.outputs:
            if name in known:
                raise ModelError(f"{node} makes {name!r}, which exists already")
            if name:
                known.add(name)
    visible = known.union(outer)
    for node in graph.nodes:
        for name in node.inputs:
            if name and name not in visible:
                raise ModelError(f"{node} reads {name!r}, which nothing makes")
        for inner in subgraphs(node):
            check(inner, visible)
    for name in graph.outputs:
        if name not in visible:
            raise ModelError(f"nothing makes the output {name!r} of graph {graph.name!r}")


def cycle(nodes: list[Node], missing: list[int]) -> list[str]:
    """Names of values each of which is made from the one before; at most the first few of them.
    missing : for each node, how many of the values it reads were not made"""
    makers = {name: node for node, count in zip(nodes, missing) if count for name in node.outputs if name}
    name = next(iter(makers))
    seen: dict[str, None] = {}
    while name not in seen:
        seen[name] = None
        name = next(read for read in node_reads(makers[name]) if read in makers)
    path = list(seen)
    path = [*path[path.index(name):], name][::-1]
    names = [repr(each) for each in path]
    return names if len(names) < 6 else [*names[:3], "...", *names[-2:]]
