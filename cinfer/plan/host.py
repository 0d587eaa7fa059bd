"""Nodes that no kernel takes: a step in NumPy, by what ops/ says that the operator means."""
from __future__ import annotations

from ..model.graph import Node
from ..ops import registry
from .candidate import CONTIGUOUS, Candidate
from .epilogue import Epilogue, Group


def host_candidate(node: Node, values) -> tuple[Group, Candidate]:
    """(group of the node alone, candidate that evaluates it)"""
    operator = registry.lookup(node)
    reads = tuple((name, CONTIGUOUS) for name in dict.fromkeys(node.inputs) if name)

    def emit(out):
        inputs = [out.contiguous(name) if name else None for name in node.inputs]
        outputs = [out.plain(name) if name else None for name in node.outputs]
        out.host(operator, node, inputs, outputs)
    first = next(filter(None, node.outputs))
    return Group(node, Epilogue(first)), Candidate(emit, reads)
