"""If whose condition is known at load."""
from __future__ import annotations

from ..graphs.scopes import made, rename
from ..model.graph import Graph, Node
from .pattern import Rewriter, rewrite

OPSET = 13


@rewrite
def inline_branches(graph: Graph, at: Rewriter) -> bool:
    """true -> If -> y   becomes   the nodes of its then_branch, which make y

    The condition is a constant, or made of sizes and the same for all of them (a Squeeze that exporters spell
    with If). What is known only when sizes are, the plan puts in (plan/resolve.py).
    """
    changed = False
    while True:
        found = [(node, branch) for node in at.of("If") if (branch := branch_of(node, at)) is not None]
        if not found:
            return changed
        taken, last_numbers, ends = {*made(graph), *graph.captures()}, {}, []
        for node, branch in found:
            rename(branch, {}, taken, last_numbers)
            at.remove(node)
            graph.constants.update(branch.constants)
            own = [Node("Identity", [inner], [outer], opset=OPSET, name=node.name)
                   for inner, outer in zip(branch.outputs, node.outputs) if outer]
            last = node
            for each in (*branch.nodes, *own):
                at.insert(each, after=last)
                last = each
            ends += own
        at.settle()
        at.index()
        for end in ends:                # one between a product and its QuantizeLinear would keep them apart
            at.alias(end, end.inputs[0])
        changed = True


def branch_of(node: Node, at: Rewriter) -> Graph | None:
    """The branch that an If takes, if that is known."""
    condition = at.value(node.inputs[0])
    if condition is None or condition.size != 1 or condition.dtype != bool:
        return None
    branch = node.attributes["then_branch" if condition.item() else "else_branch"]
    return branch if not branch.inputs and len(branch.outputs) >= len(node.outputs) else None
