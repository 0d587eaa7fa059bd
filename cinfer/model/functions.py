"""Model-local functions: each call is replaced by the function's nodes. https://onnx.ai/onnx/repo-docs/IR.html#functions"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import LimitError, ModelError
from .attributes import NAMES, Reference, is_of, settle_constant
from .graph import Graph, Node, subgraphs

MOST_DEPTH = 64                 # calls within calls
MOST_NODES = 1 << 18            # nodes and calls; a file of few bytes may spell out 2 to any power

@dataclass(slots=True, eq=False)
class Function:
    """name : with ":overload" where it has one. defaults : attribute -> value for calls that do not give it."""
    domain: str
    name: str
    inputs: list[str]
    outputs: list[str]
    body: Graph
    defaults: dict[str, object]


def expand(graph: Graph, functions: list[Function]) -> None:
    """Replace all calls in a graph and its subgraphs, in place. Raises ModelError, LimitError."""
    library = {}
    for function in functions:
        if library.setdefault((function.domain, function.name), function) is not function:
            raise ModelError(f"function {function.name!r} of domain {function.domain!r} is defined twice")
    Expansion(library, set(names(graph))).graph(graph, 0)


def names(graph: Graph) -> Iterator[str]:
    """The names that a graph and its subgraphs give to values."""
    yield from graph.inputs
    yield from graph.constants
    for node in graph.nodes:
        yield from node.outputs
        for inner in subgraphs(node):
            yield from names(inner)


class Expansion:
    """used : names of values that no new value may take"""

    def __init__(self, library: dict[tuple[str, str], Function], used: set[str]):
        self.library, self.used = library, used
        self.nodes = 0

    def graph(self, graph: Graph, depth: int) -> None:
        nodes: list[Node] = []
        for node in graph.nodes:
            self.put(node, graph, nodes, depth)
        graph.nodes = nodes

    def put(self, node: Node, graph: Graph, nodes: list[Node], depth: int) -> None:
        """Append a node of `graph`, or what it calls, to `nodes`."""
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise LimitError(f"with its functions expanded, it has more than {MOST_NODES} nodes")
        function = self.library.get((node.domain, node.op_type))
        if function is None:
            for inner in subgraphs(node):
                self.graph(inner, depth)
            nodes.append(node)
            return
        if depth == MOST_DEPTH:
            raise LimitError(f"calls of functions are nested more than {MOST_DEPTH} deep; does {function.name!r} call itself?")
        for inner in self.called(function, node, graph):
            self.put(inner, graph, nodes, depth + 1)

    def called(self, function: Function, node: Node, graph: Graph) -> list[Node]:
        """The nodes of a function as `node` calls it; the constants among them go into `graph`."""
        for kind, given, known in (("inputs", node.inputs, function.inputs), ("outputs", node.outputs, function.outputs)):
            if len(given) > len(known):
                raise ModelError(f"{node} has {len(given)} {kind}; the function has {len(known)}")
        scope = Scope(self.used, f"{node.name or function.name}/", {**function.defaults, **node.attributes}, str(node))
        scope.values.update(dict.fromkeys(function.inputs, ""))
        scope.values.update(zip(function.inputs, node.inputs))
        copies = []
        for name, output in zip(function.outputs, node.outputs):
            if name in scope.values:                    # an input handed through, or an output given twice
                copies.append(Node("Identity", [scope.values[name]], [output], opset=13))
            elif output:
                scope.values[name] = output
        inside = scope.graph(function.body)
        graph.constants.update(inside.constants)
        return inside.nodes + copies


class Scope:
    """The names of a function's body, in the graph that calls it.

    values : name in the function -> name in the graph
    attributes : what references to the caller's attributes stand for
    """

    def __init__(self, used: set[str], prefix: str, attributes: dict[str, object], call: str,
                 values: dict[str, str] | None = None):
        self.used, self.prefix, self.attributes, self.call = used, prefix, attributes, call
        self.values: dict[str, str] = values or {}

    def graph(self, graph: Graph) -> Graph:
        """A copy, its values renamed."""
        for name in (*graph.inputs, *graph.constants):
            self.define(name)
        for node in graph.nodes:
            for name in node.outputs:
                if name and name not in self.values:
                    self.define(name)
        copy = Graph(graph.name, [], {self.values[name]: kind for name, kind in graph.inputs.items()},
                     {self.read(name): kind for name, kind in graph.outputs.items()},
                     {self.values[name]: array for name, array in graph.constants.items()})
        for node in graph.nodes:
            node = self.node(node)
            if node.op_type != "Constant" or node.domain or not settle_constant(copy, node):
                copy.nodes.append(node)
        return copy

    def define(self, name: str) -> None:
        """A name for a value that the body makes, unlike all others."""
        new = self.prefix + name
        count = 1
        while new in self.used:
            count += 1
            new = f"{self.prefix}{name}.{count}"
        self.used.add(new)
        self.values[name] = new

    def read(self, name: str) -> str:
        # what nothing in the function makes gets a name that nothing in the graph has: a function sees no other values
        return self.values.get(name, f"{self.prefix}{name} (undefined)") if name else ""

    def node(self, node: Node) -> Node:
        attributes = {}
        for key, value in node.attributes.items():
            if isinstance(value, Reference):
                if value.name not in self.attributes:   # not given, no default: the operator's own default
                    continue
                value = self.resolved(value)
            elif isinstance(value, Graph):
                value = self.inner(value)
            elif isinstance(value, list) and value and isinstance(value[0], Graph):
                value = [self.inner(each) for each in value]
            attributes[key] = value
        return Node(node.op_type, [self.read(name) for name in node.inputs],
                    [self.values[name] if name else "" for name in node.outputs], attributes,
                    node.domain, node.opset, self.prefix + node.name)

    def inner(self, graph: Graph) -> Graph:
        return Scope(self.used, self.prefix, self.attributes, self.call, dict(self.values)).graph(graph)

    def resolved(self, reference: Reference) -> object:
        value = self.attributes[reference.name]
        if not is_of(value, reference.type):
            raise ModelError(f"{self.call}: attribute {reference.name!r} is {value!r:.40}, the function takes "
                             f"{NAMES.get(reference.type)}")
        return value
