"""Names of graphs within graphs: a graph may go by names that others use as well."""
from __future__ import annotations

from ..model.graph import Graph, subgraphs


def separate(graph: Graph) -> None:
    """Give each value of each subgraph a name that no other value has, so that a branch can take the place of
    its If."""
    inside = [inner for node in graph.nodes for inner in subgraphs(node)]
    if inside:
        taken = set(made(graph))
        for inner in inside:
            rename(inner, {}, taken)


def made(graph: Graph) -> list[str]:
    """Names that a graph itself gives values."""
    return [*graph.inputs, *graph.constants, *(name for node in graph.nodes for name in node.outputs if name)]


def rename(graph: Graph, outer: dict[str, str], taken: set[str]) -> None:
    """outer : new names of what the graph may capture"""
    names = dict(outer)
    for name in made(graph):
        names[name] = fresh(name, taken)
    graph.inputs = {names[name]: kind for name, kind in graph.inputs.items()}
    graph.constants = {names[name]: array for name, array in graph.constants.items()}
    graph.outputs = {names.get(name, name): kind for name, kind in graph.outputs.items()}
    for node in graph.nodes:
        node.inputs = [names.get(name, name) for name in node.inputs]
        node.outputs = [names[name] if name else "" for name in node.outputs]
        for inner in subgraphs(node):
            rename(inner, names, taken)


def fresh(name: str, taken: set[str]) -> str:
    number, new = 1, name
    while new in taken:
        number += 1
        new = f"{name}/{number}"
    taken.add(new)
    return new
