"""Nodes that compute the same."""
from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..model.graph import Graph, Node
from ..ops import registry
from .pattern import Rewriter, rewrite

COMPARED_BYTES = 64             # constants up to this size are compared by their values


@rewrite
def merge_equal(graph: Graph, at: Rewriter) -> bool:
    """x -> NonZero -> y, x -> NonZero -> z   becomes   x -> NonZero -> y, and who reads z reads y

    For nodes of one operator, opset, attributes and inputs, of which there are some; small constants are the same
    input where they are equal. Not for random ones and users' own functions, those with subgraphs, and where an
    output of the second is one of the graph or is captured.
    """
    return _merge(graph, at, lambda node: bool(node.inputs))


@rewrite
def merge_quantizers(graph: Graph, at: Rewriter) -> bool:
    """x -> QuantizeLinear -> y8, and once more by the same scale   becomes   the first alone

    Quantisers write a pair of QuantizeLinear and DequantizeLinear for each reader of a value (dedicated pairs); what
    makes bytes is one operator (join_quantized). Guards: as of merge_equal.
    """
    return _merge(graph, at, lambda node: node.op_type == "QuantizeLinear")


def _merge(graph: Graph, at: Rewriter, is_one: Callable[[Node], bool]) -> bool:
    """is_one : of a node, whether it is looked at"""
    first: dict[tuple, str] = {}
    alike = {}                                  # a small constant -> the first that equals it
    for name, array in graph.constants.items():
        if array.nbytes <= COMPARED_BYTES and not array.dtype.hasobject:
            alike[name] = first.setdefault((array.dtype, array.shape, array.tobytes()), name)
    alone: dict[tuple, Node] = {}               # by operator and inputs, which tell most nodes from each other
    found: dict[tuple, dict[tuple, Node]] = {}  # by all that decides, of those that these do not tell apart
    changed = False
    for node in graph.nodes:
        if not is_one(node):
            continue
        key = node.op_type, *[alike.get(name, name) for name in node.inputs]
        if alone.setdefault(key, node) is node:
            continue
        if key not in found:
            found[key] = {computes(alone[key]): alone[key]}
        rest = computes(node)
        same = node if rest is None else found[key].setdefault(rest, node)
        if same is not node and at.pinned.isdisjoint(node.outputs):
            for name, source in zip(node.outputs, same.outputs):
                for reader in at.readers.pop(name, ()):
                    reader.inputs = [source if i == name else i for i in reader.inputs]
                    at.readers.setdefault(source, []).append(reader)
            at.remove(node)
            changed = True
    return changed


def computes(node: Node) -> tuple | None:
    """What besides inputs decides about a node's outputs; None where something else does."""
    attributes = settled(node.attributes)
    if attributes is None or registry.traits(node).random:
        return None
    return node.domain, node.opset, attributes, tuple(map(bool, node.outputs))


def settled(value):
    """Attributes, or one of them, as a key that tells them from others; None for what has none."""
    kind = type(value)
    if kind in (int, str, bytes):
        return value
    if kind is float:
        return value.hex()
    if kind is np.ndarray and not value.dtype.hasobject and value.nbytes <= COMPARED_BYTES:
        return value.dtype, value.shape, value.tobytes()
    if kind is list:
        value = dict(enumerate(value))
    elif kind is not dict:
        return None
    parts = [(name, type(each), settled(each)) for name, each in sorted(value.items())]
    return None if any(each is None for _, _, each in parts) else (kind, *parts)
