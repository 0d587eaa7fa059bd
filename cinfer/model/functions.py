"""Model-local functions: each call is replaced by the function's nodes.
https://onnx.ai/onnx/repo-docs/IR.html#functions"""
from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..errors import LimitError, ModelError
from .attributes import NAMES, Reference, is_of, settle_constant
from .graph import Graph, Node, subgraphs

MOST_DEPTH = 64                 # calls within calls
MOST_NODES = 1 << 18            # nodes and calls; a file of few bytes may spell out 2 to any power
MOST_NAME = 200                 # characters of a name that is made up here; calls within calls add theirs

class Function(NamedTuple):
    """name : with ":overload" where it has one
    defaults : attribute -> its value for calls that do not give it
    """
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
    check_number_of_nodes(graph, library)
    Expansion(library, dict.fromkeys(names(graph), 1)).graph(graph, 0)


def check_number_of_nodes(graph: Graph, library: dict) -> None:
    """LimitError for a graph whose calls come to more nodes than MOST_NODES, before they are spelled out. Of calls that
    never end Expansion tells."""
    counts: dict[int, int] = {}                         # of a function's body; 0 while it is being counted

    def of_graph(graph: Graph, depth: int) -> int:
        return sum([of_node(node, depth) for node in graph.nodes]) if depth <= MOST_DEPTH else 0

    def of_node(node: Node, depth: int) -> int:
        function = library.get((node.domain, node.op_type))
        if function is None:
            return 1 + sum([of_graph(inner, depth) for inner in subgraphs(node)])
        key = id(function)
        if key not in counts:
            counts[key] = 0
            counts[key] = of_graph(function.body, depth + 1)
        return 1 + counts[key]

    if library and of_graph(graph, 0) > MOST_NODES:
        raise LimitError(f"with its functions expanded, it has more than {MOST_NODES} nodes")


def made(graph: Graph) -> Iterator[str]:
    """The names of what a graph's constants and nodes make."""
    yield from graph.constants
    for node in graph.nodes:
        yield from filter(None, node.outputs)


def names(graph: Graph) -> Iterator[str]:
    """All names that a graph and its subgraphs give to values."""
    yield from graph.inputs
    yield from made(graph)
    for node in graph.nodes:
        for inner in subgraphs(node):
            yield from names(inner)


def fresh(name: str, used: dict[str, int]) -> str:
    """A name like `name` that is not in use yet. used : name -> the last number put behind it"""
    name = name[:MOST_NAME]
    new = name
    while new in used:
        used[name] += 1
        new = f"{name}.{used[name]}"
    used[new] = 1
    return new


class Expansion:
    """used : names of values; calls : names of calls"""

    def __init__(self, library: dict[tuple[str, str], Function], used: dict[str, int]):
        self.library, self.used = library, used
        self.calls: dict[str, int] = {}
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
            raise LimitError(f"calls of functions are nested more than {MOST_DEPTH} deep; "
                             f"does {function.name!r} call itself?")
        for inner in self.called(function, node, graph):
            self.put(inner, graph, nodes, depth + 1)

    def called(self, function: Function, node: Node, graph: Graph) -> list[Node]:
        """The nodes of a function as `node` calls it; the constants among them go into `graph`."""
        for kind, given, known in (("inputs", node.inputs, function.inputs),
                                   ("outputs", node.outputs, function.outputs)):
            if len(given) > len(known):
                raise ModelError(f"{node} has {len(given)} {kind}; the function has {len(known)}")
        scope = Scope(self.used, fresh(node.name or function.name, self.calls) + "/",
                      {**function.defaults, **node.attributes}, node)
        scope.values.update(dict.fromkeys(function.inputs, ""))
        scope.values.update(zip(function.inputs, node.inputs))
        given, copies = set(), []
        for name, output in zip(function.outputs, node.outputs):
            if name in scope.values:                    # an input handed through, or an output given twice
                copies.append(Node("Identity", [scope.values[name]], [output], opset=13))
            elif output:
                scope.values[name] = output
                given.add(name)
        for name in made(function.body):
            if name in function.inputs:
                raise ModelError(f"function {function.name!r} makes {name!r}, which is one of its inputs")
            if name not in given:
                scope.define(name)
        inside = scope.renamed(function.body)
        graph.constants.update(inside.constants)
        return inside.nodes + copies


class Scope:
    """The names of a function's body, in the graph that calls it.

    values : name in the function -> name in the graph
    attributes : what references to the caller's attributes stand for
    """

    def __init__(self, used: dict[str, int], prefix: str, attributes: dict[str, object], call: Node):
        self.used, self.prefix, self.attributes, self.call = used, prefix, attributes, call
        self.values: dict[str, str] = {}

    def renamed(self, graph: Graph) -> Graph:
        """A copy with the graph's names."""
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
        self.values[name] = fresh(self.prefix + name, self.used)

    def read(self, name: str) -> str:
        new = self.values.get(name)
        if new is None and name:
            # nothing in the function makes it, and a function sees no other values
            new = f"{self.prefix}{name[:MOST_NAME]} (undefined)"
        return new or ""

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
        inputs = [self.read(name) for name in node.inputs]
        while inputs and not inputs[-1]:
            inputs.pop()
        return Node(node.op_type, inputs, [self.read(name) for name in node.outputs], attributes,
                    node.domain, node.opset, (self.prefix + node.name)[:MOST_NAME])

    def inner(self, graph: Graph) -> Graph:
        """A copy of a subgraph, with names of its own for what it makes."""
        scope = Scope(self.used, self.prefix, self.attributes, self.call)
        scope.values = dict(self.values)
        for name in (*graph.inputs, *made(graph)):
            scope.define(name)
        return scope.renamed(graph)

    def resolved(self, reference: Reference) -> object:
        value = self.attributes[reference.name]
        if not is_of(value, reference.type):
            raise ModelError(f"{self.call}: attribute {reference.name!r} is {value!r:.40}, "
                             f"the function takes {NAMES.get(reference.type)}")
        return value
