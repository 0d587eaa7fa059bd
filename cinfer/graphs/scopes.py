"""Names of values: graphs within a graph may go by names that others use as well, and outputs by none."""
from __future__ import annotations

from ..model.graph import Graph, all_graphs, subgraphs


def separate(graph: Graph) -> None:
    """Give each value of each subgraph a name that no other value has, so that a branch can take the place of
    its If; and one to the first output of a node that is asked for others alone, for kernels make it."""
    inside = [inner for node in graph.nodes for inner in subgraphs(node)]
    nameless = [node for each in all_graphs(graph) for node in each.nodes if any(node.outputs) and not node.outputs[0]]
    if inside or nameless:
        taken, last = set(made(graph)), {}
        for inner in inside:
            rename(inner, {}, taken, last)
        for node in nameless:
            node.outputs[0] = fresh(f"{node.op_type}/unused", taken)


def made(graph: Graph) -> list[str]:
    """Names that a graph itself gives values."""
    return [*graph.inputs, *graph.constants, *(name for node in graph.nodes for name in node.outputs if name)]


def rename(graph: Graph, outer: dict[str, str], taken: set[str],
           last: dict[str, int] | None = None) -> None:
    """outer : new names of what the graph may capture; last : see fresh"""
    names = dict(outer)
    for name in made(graph):
        names[name] = fresh(name, taken, last)
    graph.inputs = {names[name]: kind for name, kind in graph.inputs.items()}
    graph.constants = {names[name]: array for name, array in graph.constants.items()}
    graph.outputs = {names.get(name, name): kind for name, kind in graph.outputs.items()}
    for node in graph.nodes:
        node.inputs = [names.get(name, name) for name in node.inputs]
        node.outputs = [names[name] if name else "" for name in node.outputs]
        for inner in subgraphs(node):
            rename(inner, names, taken, last)


def fresh(name: str, taken: set[str], last: dict[str, int] | None = None) -> str:
    """A name that is not taken, which then is. last : name -> the number that it was given last, for thousands of
    graphs that have values by one name"""
    number, new = 1, name
    if last and new in taken:
        number = last.get(name, 1)
    while new in taken:
        number += 1
        new = f"{name}/{number}"
    taken.add(new)
    if last is not None:
        last[name] = number
    return new
