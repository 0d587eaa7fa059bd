"""What can be computed once, when the model is loaded."""
from __future__ import annotations

import numpy as np

from ..errors import Error
from ..model.graph import Graph, Node, subgraphs
from ..ops import registry
from ..ops.facts import Fact
from ..ops.families import MICROSOFT
from .pattern import Rewriter, rewrite

SMALL_BYTES = 64 << 20          # a result up to this size is kept, whatever it was made from
GROWTH, SLACK_BYTES = 4, 1 << 20    # a larger one up to so many times its inputs: int8 -> float32
TOTAL_BYTES = 256 << 20         # all results together: this and GROWTH times the constants of the file

_DOMAINS = frozenset(("", "ai.onnx.ml", MICROSOFT))      # operators of users' own may have side effects


@rewrite
def fold_constants(graph: Graph, at: Rewriter) -> bool:
    """constants -> node -> y   becomes   the constant y

    Weights kept small in the file (int8 behind DequantizeLinear, float16 behind Cast) are expanded by this:
    once, not at each run.
    Only operators that are known, deterministic and without subgraphs; the result is bounded (see above). An
    operator that refuses its inputs stays, and says so when the graph is planned.
    """
    constants = graph.constants
    budget = None
    changed = False
    for node in graph.nodes:
        if not all(not name or name in constants for name in node.inputs) or not _may_fold(node):
            continue
        if budget is None:
            budget = TOTAL_BYTES + GROWTH * sum(array.nbytes for array in constants.values())
        arrays = [constants[name] if name else None for name in node.inputs]
        results = _evaluate(node, arrays, budget)
        if results is None:
            continue
        budget -= sum(array.nbytes for array in results)
        constants.update((name, array) for name, array in zip(node.outputs, results) if name)
        at.remove(node)
        changed = True
    return changed


def _may_fold(node: Node) -> bool:
    return (node.domain in _DOMAINS and not registry.traits(node).random and not subgraphs(node)
            and (bool(node.inputs) or node.op_type == "Constant"))


def _evaluate(node: Node, arrays: list[np.ndarray | None], budget: int) -> tuple[np.ndarray, ...] | None:
    """The node's outputs, or None when they cannot be had or would be too large."""
    operator = registry.find(node)
    if operator is None:
        return None
    given = sum(array.nbytes for array in arrays if array is not None)
    limit = min(budget, max(SMALL_BYTES, SLACK_BYTES + GROWTH * given))
    try:
        if operator.infer is not None and not operator.traits.no_larger:
            specs = [None if a is None else Fact.of(a) for a in arrays]
            sizes = [_nbytes(spec) for spec in registry.infer(operator, node, specs)]
            if sum(sizes) > limit:
                return None
        results = registry.evaluate(operator, node, arrays)
    except (Error, *registry.REFUSALS, MemoryError):
        return None         # whatever is wrong with this node is told with names and sizes when it is planned
    results = tuple(np.asarray(r) if isinstance(r, np.generic) else r for r in results)
    if len(results) < len(node.outputs) or not all(isinstance(r, np.ndarray) for r in results):
        return None
    return results if sum(array.nbytes for array in results) <= limit else None


def _nbytes(spec: Fact) -> int:
    nbytes = spec.dtype.itemsize
    for size in spec.shape:
        nbytes *= size
    return nbytes
