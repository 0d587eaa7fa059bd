"""Operators that are compositions of others, or others by another name, spelt out."""
from __future__ import annotations

from ..errors import Error
from ..model.graph import Graph
from ..ops import registry
from ..ops.composite import written
from ..ops.facts import UnknownValue, Unranked
from ..ops.families import MICROSOFT
from ..ops.symbols import Undecided
from .pattern import Rewriter, rewrite

# of onnxruntime, which knew 16 and 4 bits before the standard did, and the standard's by this opset
COPIES = {"QuantizeLinear": 21, "DequantizeLinear": 21}


@rewrite
def expand_composites(graph: Graph, at: Rewriter) -> bool:
    """x -> SwiGLU -> y   becomes   x -> Mul -> Sigmoid -> Mul -> Mul -> y, and so on

    Only where the ranks and types of all inputs are known. A composite that stays runs in NumPy, and says what
    is wrong with it when the graph is planned.

    com.microsoft.QuantizeLinear and DequantizeLinear, which onnxruntime's quantiser writes where the file's opset lacks
    a type, become the standard's, which all other passes look for.
    """
    copies = [node for node in graph.nodes if node.domain == MICROSOFT and node.op_type in COPIES]
    for node in copies:
        at.change(node, node.op_type, node.inputs, COPIES[node.op_type], **node.attributes)
    waiting = [node for node in reversed(graph.nodes) if is_composite(node)]
    changed = bool(copies)
    while waiting:
        node = waiting.pop()
        operator = registry.find(node)
        facts = [at.fact(name) for name in node.inputs]
        if any(name and (fact is None or type(fact) is Unranked) for name, fact in zip(node.inputs, facts)):
            continue
        try:
            registry.check(operator, node)
            body = written(operator, node, facts, at.fresh)
        except (Undecided, UnknownValue, Error, *registry.REFUSALS):
            continue
        at.remove(node)
        graph.constants.update(body.constants)
        last = node
        for each in body.nodes:
            each.name = each.name or node.name or node.outputs[0]
            at.insert(each, after=last)
            last = each
        waiting.extend(each for each in reversed(body.nodes) if is_composite(each))
        changed = True
    return changed


def is_composite(node) -> bool:
    traits = registry.traits(node)
    return traits.write is not None and (not traits.write_for or any(map(node.attributes.get, traits.write_for)))
