"""The graph as plain data, in SSA form: every value has one name and one producer.

A value is produced by a node, or is a graph input, or a constant. Nodes stand in an order in which every
value is made before it is used. Absent optional inputs and outputs are the empty name "".
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from .source import Source


@dataclass(frozen=True, slots=True)
class TensorType:
    """What is known of a value before it is computed.

    dtype : numpy dtype, or None when unknown
    shape : tuple of sizes, or None when not even the rank is known; a size is an int, a str (a symbol such as
        'batch') or None (unknown)
    """
    dtype: np.dtype | None = None
    shape: tuple[int | str | None, ...] | None = None

    def __str__(self):
        sizes = ("?" if d is None else str(d) for d in self.shape or ())
        dims = "?" if self.shape is None else "x".join(sizes) or "scalar"
        return f"{self.dtype or '?'} {dims}"


@dataclass(frozen=True, slots=True)
class SequenceType:
    """A list of tensors. dtype and shape say that it is none itself."""
    element: TensorType = TensorType()
    dtype: None = None
    shape: None = None

    def __str__(self):
        return f"sequence of {self.element}"


@dataclass(frozen=True, slots=True)
class OptionalType:
    """What may be there or not."""
    element: TensorType | SequenceType = TensorType()
    dtype: None = None
    shape: None = None

    def __str__(self):
        return f"optional {self.element}"


@dataclass(slots=True, eq=False)
class Node:
    """One operator applied to values.

    opset : version of the operator set by which `op_type` is to be read (the model's, for its domain; passes
        set the one they mean)
    attributes : values are int, float, str, bytes, numpy array, Graph (a subgraph),
        TensorType, or lists of these
    """
    op_type: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, object] = field(default_factory=dict)
    domain: str = ""
    opset: int = 1
    name: str = ""

    def __str__(self):
        op = f"{self.domain}.{self.op_type}" if self.domain else self.op_type
        return f"{op} {(self.name or next(filter(None, self.outputs), '?'))!r}"

    def copied(self) -> Node:
        """One that can be changed for itself; arrays are shared."""
        attributes = {name: copied(value) for name, value in self.attributes.items()}
        return Node(self.op_type, list(self.inputs), list(self.outputs), attributes, self.domain, self.opset, self.name)


@dataclass(slots=True, eq=False)
class Graph:
    """Nodes and what they work on.

    inputs, outputs : name -> declared type, in the order of the file
    constants : name -> array, never written to; large ones are views of the mapped file, at any byte of it
    types : declared types of inner values (value_info); a hint for people, nothing relies on it
    is_checked : passes have seen to it that each node is one that its operator takes
    known : facts of values that passes have found, for inputs of just the declared sizes; for the plan
    in_float : name of a node -> why it is computed in float32 among bytes, from the passes
    prepared : what `plan/bind.py` keeps of a graph, which does not change any more by then
    """
    name: str = ""
    nodes: list[Node] = field(default_factory=list)
    inputs: dict[str, TensorType] = field(default_factory=dict)
    outputs: dict[str, TensorType] = field(default_factory=dict)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    types: dict[str, TensorType] = field(default_factory=dict)
    is_checked: bool = False
    known: dict[str, object] = field(default_factory=dict, repr=False)
    in_float: dict[str, str] = field(default_factory=dict, repr=False)
    prepared: object = field(default=None, repr=False)

    def copied(self) -> Graph:
        """The same nodes, inputs, outputs and constants, to be rewritten for itself; arrays are shared."""
        return Graph(self.name, [node.copied() for node in self.nodes], dict(self.inputs), dict(self.outputs),
                     dict(self.constants), dict(self.types))

    def producers(self) -> dict[str, Node]:
        """Value name -> the node that makes it."""
        return {out: node for node in self.nodes for out in node.outputs if out}

    def consumers(self) -> dict[str, list[Node]]:
        """Value name -> the nodes that read it, in their subgraphs too; a node stands once per use."""
        uses: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in node_reads(node):
                uses.setdefault(name, []).append(node)
        return uses

    def values(self) -> set[str]:
        """The names of all that it has: inputs, constants, outputs of its nodes."""
        return {*self.inputs, *self.constants}.union(*(node.outputs for node in self.nodes))

    def captures(self) -> list[str]:
        """Names that this subgraph reads from the graph around it, without repeats."""
        known = {"", *self.inputs, *self.constants}
        outer: dict[str, None] = {}
        for node in self.nodes:
            outer.update(dict.fromkeys(n for n in node_reads(node) if n not in known))
            known.update(node.outputs)
        outer.update(dict.fromkeys(n for n in self.outputs if n not in known))
        return list(outer)


@dataclass(slots=True, eq=False)
class Model:
    """A file's content: the main graph (functions expanded) and what the file says of itself.

    opset : domain ("" is ai.onnx) -> version
    source : where it came from; None for a model that was not read
    defaults : inputs that have an initializer, by their declared types; in the graph they are constants
    """
    graph: Graph
    opset: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    producer: str = ""
    ir_version: int = 0
    source: Source | None = None
    defaults: dict[str, TensorType] = field(default_factory=dict)

    @property
    def path(self) -> str | None:
        """The file, for messages; None for a model from memory."""
        return None if self.source is None else self.source.path


def copied(value):
    """An attribute's value, of which graphs and lists are new ones."""
    kind = type(value)
    return value.copied() if kind is Graph else [copied(each) for each in value] if kind is list else value


def node_reads(node: Node) -> list[str]:
    """Names of the values a node reads, those inside its subgraphs included."""
    reads = [name for name in node.inputs if name]
    if node.attributes:
        for graph in subgraphs(node):
            reads.extend(graph.captures())
    return reads


def subgraphs(node: Node) -> tuple[Graph, ...]:
    """The graphs among a node's attributes (If, Loop, Scan)."""
    found = ()
    for value in node.attributes.values() if node.attributes else ():
        kind = type(value)
        if kind is Graph:
            found = *found, value
        elif kind is list and value and type(value[0]) is Graph:
            found = *found, *value
    return found


def all_graphs(graph: Graph) -> Iterator[Graph]:
    """A graph and those inside it, at any depth."""
    yield graph
    for node in graph.nodes:
        for inner in subgraphs(node):
            yield from all_graphs(inner)
