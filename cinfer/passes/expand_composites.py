"""Operators that are compositions of others, spelt out."""
from __future__ import annotations

from ..errors import Error
from ..model.graph import Graph
from ..ops import registry
from ..ops.composite import written
from ..ops.facts import UnknownValue, Unranked
from ..ops.symbols import Undecided
from .pattern import Rewriter, rewrite


@rewrite
def expand_composites(graph: Graph, at: Rewriter) -> bool:
    """x -> SwiGLU -> y   becomes   x -> Mul -> Sigmoid -> Mul -> Mul -> y, and so on

    Only where the ranks and types of all inputs are known. A composite that stays runs in NumPy, and says what
    is wrong with it when the graph is planned.
    """
    waiting = [node for node in reversed(graph.nodes) if is_composite(node)]
    changed = False
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
