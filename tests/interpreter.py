"""Running a Graph node by node in NumPy, by what each operator means: the oracle beside which rewrites and
plans are held. Sequences are lists, an optional that holds nothing is None."""
from __future__ import annotations

import numpy as np

from cinfer.model.graph import Graph, Node
from cinfer.ops import registry


def evaluate(graph: Graph, feeds: dict[str, np.ndarray], outer: dict[str, np.ndarray] | None = None) -> list:
    """The outputs of a graph, in their order; `outer` holds what a subgraph may capture."""
    values = values_of(graph, feeds, outer)
    return [values[name] for name in graph.outputs]


def values_of(graph: Graph, feeds: dict, outer: dict | None = None) -> dict:
    """All values of a graph, by name."""
    values = {**(outer or {}), **graph.constants, **feeds}
    for node in graph.nodes:
        inputs = [values[name] if name else None for name in node.inputs]
        if node.op_type in _CONTROL:
            results = _CONTROL[node.op_type](node, inputs, values)
        elif node.op_type in _LISTS:
            results = [_LISTS[node.op_type](*inputs, **node.attributes)]
        else:
            results = registry.evaluate(registry.lookup(node), node, inputs)
        values.update((name, np.asarray(r) if isinstance(r, np.generic) else r)
                      for name, r in zip(node.outputs, results) if name)
    return values


# ---- control flow

def _if(node: Node, inputs: list, values: dict) -> list:
    branch = node.attributes["then_branch" if inputs[0].item() else "else_branch"]
    return evaluate(branch, {}, values)


def _loop(node: Node, inputs: list, values: dict) -> list:
    body = node.attributes["body"]
    turns = None if inputs[0] is None else int(inputs[0].item())
    going = len(inputs) < 2 or inputs[1] is None or bool(inputs[1].item())
    carried = list(inputs[2:])
    scanned: list[list] = [[] for _ in range(len(body.outputs) - 1 - len(carried))]
    turn = 0
    while going and (turns is None or turn < turns):
        feeds = dict(zip(body.inputs, [np.array(turn), np.array(going), *carried]))
        condition, *results = evaluate(body, feeds, values)
        going = bool(condition)
        carried = results[:len(carried)]
        for rows, row in zip(scanned, results[len(carried):]):
            rows.append(row)
        turn += 1
    declared = list(body.outputs.values())[1 + len(carried):]
    return carried + [_stacked(rows, kind, 0) for rows, kind in zip(scanned, declared)]


def _scan(node: Node, inputs: list, values: dict) -> list:
    body, count = node.attributes["body"], node.attributes["num_scan_inputs"]
    states, scanned = list(inputs[:-count]), inputs[-count:]
    kinds = list(body.outputs.values())[len(states):]

    def each(name: str, number: int) -> list[int]:
        return node.attributes.get(name, [0] * number)
    sides = [np.moveaxis(x, axis, 0) for x, axis in zip(scanned, each("scan_input_axes", count))]
    sides = [x[::-1] if back else x for x, back in zip(sides, each("scan_input_directions", count))]
    found: list[list] = [[] for _ in kinds]
    for slices in zip(*sides):
        results = evaluate(body, dict(zip(body.inputs, [*states, *slices])), values)
        states = results[:len(states)]
        for rows, row, back in zip(found, results[len(states):], each("scan_output_directions", len(kinds))):
            rows.insert(0 if back else len(rows), row)
    return states + [_stacked(rows, kind, axis)
                     for rows, kind, axis in zip(found, kinds, each("scan_output_axes", len(kinds)))]


def _stacked(rows: list, declared, axis: int) -> np.ndarray:
    """declared : type of a row; of no rows there is nothing else to see it by"""
    if rows:
        return np.stack(rows, axis)
    return np.stack([np.zeros([d if isinstance(d, int) else 0 for d in declared.shape], declared.dtype)], axis).take(
        [], axis)


def _map(node: Node, inputs: list, values: dict) -> list:
    body = node.attributes["body"]
    turns = [evaluate(body, dict(zip(body.inputs, [x[i] if isinstance(x, list) else x for x in inputs])), values)
             for i in range(len(inputs[0]))]
    return [[turn[k] for turn in turns] for k in range(len(body.outputs))]


_CONTROL = {"If": _if, "Loop": _loop, "Scan": _scan, "SequenceMap": _map}


# ---- sequences and optionals

def _insert(values: list, value, at=None) -> list:
    found = values.copy()
    found.insert(len(values) if at is None else int(at), value)
    return found


def _erase(values: list, at=-1) -> list:
    found = values.copy()
    del found[int(at)]
    return found


def _split(x: np.ndarray, split=None, axis: int = 0, keepdims: int = 1) -> list:
    if split is None:
        return [x.take([i] if keepdims else i, axis) for i in range(x.shape[axis])]
    size = x.shape[axis]
    borders = np.cumsum(split) if split.ndim else range(int(split), size + int(split), int(split))
    parts, begin = [], 0
    for end in borders:
        parts.append(x.take(range(begin, min(end, size)), axis))
        begin = end
    return parts


def _get(value):
    assert value is not None
    return value


_LISTS = {
    "Identity": lambda value: value,
    "SequenceConstruct": lambda *values: list(values),
    "SequenceEmpty": lambda dtype=1: [],
    "SequenceInsert": _insert,
    "SequenceErase": _erase,
    "SequenceAt": lambda values, at: values[int(at)],
    "SequenceLength": lambda values: np.array(len(values)),
    "SplitToSequence": _split,
    "ConcatFromSequence": lambda values, axis, new_axis=0: (np.stack if new_axis else np.concatenate)(values, axis),
    "Optional": lambda value=None, type=None: value,
    "OptionalHasElement": lambda value=None: np.array(value is not None),
    "OptionalGetElement": _get,
}
