"""Who makes and who reads each value.

`Index` is made once from a list of nodes. A rewriting keeps it true by its methods (`passes/pattern.py`); a
plan has one over the nodes that are left to run.
"""
from __future__ import annotations

from collections.abc import Iterable

from ..model.graph import Node, subgraphs


class Index:
    """makers : value name -> the node that makes it
    readers : value name -> the nodes that read it, once per use, those that capture it in a subgraph included
    captured : names that subgraphs read from around them
    """
    __slots__ = ("makers", "readers", "captured")

    def __init__(self, nodes: Iterable[Node]):
        self.makers: dict[str, Node] = {}
        self.readers: dict[str, list[Node]] = {}
        self.captured: set[str] = set()
        makers, readers = self.makers, self.readers
        for node in nodes:
            for name in node.inputs:
                if name in readers:
                    readers[name].append(node)
                elif name:
                    readers[name] = [node]
            for name in node.outputs:
                if name:
                    makers[name] = node
            for inner in subgraphs(node):
                for name in inner.captures():
                    readers.setdefault(name, []).append(node)
                    self.captured.add(name)
