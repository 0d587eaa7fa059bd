"""Running a Graph node by node in NumPy, by what each operator means: the oracle beside which rewrites and
plans are held."""
from __future__ import annotations

import numpy as np

from cinfer.model.graph import Graph, Node
from cinfer.ops import registry


def evaluate(graph: Graph, feeds: dict[str, np.ndarray], outer: dict[str, np.ndarray] | None = None) -> list:
    """The outputs of a graph, in their order; `outer` holds what a subgraph may capture."""
    values = {**(outer or {}), **graph.constants, **feeds}
    for node in graph.nodes:
        inputs = [values[name] if name else None for name in node.inputs]
        if node.op_type in _CONTROL:
            results = _CONTROL[node.op_type](node, inputs, values)
        else:
            results = registry.evaluate(registry.lookup(node), node, inputs)
        values.update((name, np.asarray(r) if isinstance(r, np.generic) else r)
                      for name, r in zip(node.outputs, results) if name)
    return [values[name] for name in graph.outputs]


def _if(node: Node, inputs: list, values: dict) -> list:
    branch = node.attributes["then_branch" if inputs[0].item() else "else_branch"]
    return evaluate(branch, {}, values)


def _loop(node: Node, inputs: list, values: dict) -> list:
    body = node.attributes["body"]
    turns = None if inputs[0] is None else int(inputs[0].item())
    going = inputs[1] is None or bool(inputs[1].item())
    carried = list(inputs[2:])
    scanned: list[list] = [[] for _ in range(len(body.outputs) - 1 - len(carried))]
    turn = 0
    while going and (turns is None or turn < turns):
        feeds = dict(zip(body.inputs, [np.int64(turn), np.bool_(going), *carried]))
        condition, *results = evaluate(body, feeds, values)
        going = bool(condition)
        carried = results[:len(carried)]
        for rows, row in zip(scanned, results[len(carried):]):
            rows.append(row)
        turn += 1
    return carried + [np.stack(rows) for rows in scanned]


_CONTROL = {"If": _if, "Loop": _loop}
