"""QuantizeLinear behind an If."""
from __future__ import annotations

from ..graphs.scopes import fresh
from ..model.graph import Graph, Node, TensorType
from .pattern import Rewriter, rewrite


@rewrite
def quantize_branches(graph: Graph, at: Rewriter) -> bool:
    """If -> QuantizeLinear   becomes   the same at the end of both branches, where products may be of integers then

    Guards: nothing else reads what the If gives; scale and zero point are constants.
    """
    changed = False
    for node in at.of("If"):
        branches = [value for value in node.attributes.values() if type(value) is Graph]
        if len(branches) != 2 or any(len(branch.outputs) < len(node.outputs) for branch in branches):
            continue                                        # whoever plans says what is wrong
        taken: list[set[str]] = []
        for i, out in enumerate(node.outputs):
            quantize = at.only_reader(out) if out else None
            if quantize is None or quantize.op_type != "QuantizeLinear" or quantize.domain \
                    or quantize.inputs[0] != out or any(at.array(name) is None for name in quantize.inputs[1:] if name):
                continue
            taken = taken or [{*branch.values(), *branch.captures()} for branch in branches]
            for branch, names in zip(branches, taken):
                _end(branch, i, quantize, at, names)
            at.remove(quantize)
            at.set_outputs(node, [*node.outputs[:i], *quantize.outputs, *node.outputs[i + 1:]])
            changed = True
    return changed


def _end(branch: Graph, place: int, quantize: Node, at: Rewriter, taken: set[str]) -> None:
    """Quantise an output of a branch. taken : the names in it, to which new ones are added"""
    copy = quantize.copied()
    for i, name in enumerate(quantize.inputs):
        if i and name:
            copy.inputs[i] = fresh(name, taken)
            branch.constants[copy.inputs[i]] = at.array(name)
    outputs = list(branch.outputs.items())
    copy.inputs[0], copy.outputs = outputs[place][0], [fresh(quantize.outputs[0], taken)]
    outputs[place] = copy.outputs[0], TensorType()
    branch.outputs = dict(outputs)
    branch.nodes.append(copy)
