"""Is a graph still one?"""
from __future__ import annotations

from collections.abc import Iterable

from ..errors import ModelError
from ..model.graph import Graph, subgraphs
from ..ops import registry


def fault(graph: Graph, outer: Iterable[str] = ()) -> str | None:
    """What is wrong with the SSA form of a graph, or None.

    Each name is made once, before it is read (or comes from the graph around, `outer`); the outputs exist.
    """
    known = {*graph.inputs, *graph.constants}
    if len(known) < len(graph.inputs) + len(graph.constants):
        both = next(name for name in graph.inputs if name in graph.constants)
        return f"{both!r} is both input and constant"
    around = set(outer)
    for node in graph.nodes:
        for name in node.inputs:
            if name and name not in known and name not in around:
                return f"{node} reads {name!r} before it is made"
        for inner in subgraphs(node):
            found = fault(inner, known | around)
            if found:
                return f"{found}, in a subgraph of {node}"
        for name in node.outputs:
            if name in known:
                return f"{node} makes {name!r}, which exists already"
            if name:
                known.add(name)
    for name in graph.outputs:
        if name not in known and name not in around:
            return f"nothing makes the output {name!r}"
    return None


def check_arity(graph: Graph) -> None:
    """ModelError for a node with more or fewer inputs than its operator takes, or without output."""
    for node in graph.nodes:
        if not any(node.outputs):
            raise ModelError(f"{node} has no output")
        operator = registry.find(node)
        if operator is None:
            continue
        count, least, most = len(node.inputs), operator.min_inputs, operator.max_inputs
        if count < least or (most is not None and count > most):
            takes = f"at least {least}" if most is None else least if least == most else f"{least} to {most}"
            raise ModelError(f"{node} has {count} inputs; {node.op_type} of opset {node.opset} takes {takes}")
