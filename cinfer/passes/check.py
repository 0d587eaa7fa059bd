"""Is a graph still one?"""
from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..errors import ModelError
from ..model.graph import Graph, Node, subgraphs
from ..ops import registry
from ..ops.numeric import F32, is_float

QUANTIZING = frozenset(("DequantizeLinear", "QuantizeLinear"))


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


def check_nodes(graph: Graph) -> None:
    """ModelError for a node that its operator cannot take (`registry.check`), or with two outputs where passes count on
    one, or with graph inputs and constants of several types where it takes one, or with a zero point of another type
    than its numbers: a pass that reads a constant leaves no trace of its type."""
    types = {name: declared.dtype for name, declared in graph.inputs.items() if declared.dtype is not None}
    types.update((name, array.dtype) for name, array in graph.constants.items())
    for node in graph.nodes:
        operator = registry.find(node)
        if operator is None:
            if not any(node.outputs):
                raise ModelError(f"{node} has no output")
            continue
        registry.check(operator, node)
        traits = operator.traits
        if len(node.outputs) > 1 and (traits.elementwise or traits.broadcast or node.op_type in QUANTIZING) \
                and node.op_type != "Dropout":
            raise ModelError(f"{node} has {len(node.outputs)} outputs; {node.op_type} makes 1")
        if traits.one_type:
            found = {types[name] for name in node.inputs if name in types}
            if len(found) > 1:
                raise ModelError(f"{node}: its inputs are {' and '.join(sorted(map(str, found)))}; "
                                 f"{node.op_type} takes one type")
        if node.op_type in QUANTIZING:
            _check_quantizing(node, types)


def _check_quantizing(node: Node, types: dict[str, np.dtype]) -> None:
    """types : of values, as far as they are known; what a QuantizeLinear makes is entered"""
    x, scale, zero = (node.inputs + ["", ""])[:3]
    if not is_float(types.get(scale, F32)):
        raise ModelError(f"{node}: its scale is {types[scale]}; it has to be a float")
    if node.op_type == "DequantizeLinear":
        if types.get(x) != types.get(zero) and x in types and zero in types:
            raise ModelError(f"{node}: its numbers are {types[x]}, their zero point {types[zero]}; they have to be of "
                             "one type")
    elif zero in types:
        types.update((name, types[zero]) for name in node.outputs)
