"""Model-local functions, expanded where they are called: https://onnx.ai/onnx/repo-docs/IR.html#functions"""
from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import ModelError
from .graph import Graph, Node, subgraphs

MOST_DEPTH = 32
MOST_NODES = 1 << 20


@dataclass(slots=True)
class Function:
    """A node's meaning as a graph of its own. defaults : attributes with a default value."""
    name: str = ""
    domain: str = ""
    graph: Graph = field(default_factory=Graph)
    defaults: dict[str, object] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        return ("" if self.domain == "ai.onnx" else self.domain), self.name


def expand(graph: Graph, functions: dict) -> None:
    """Replace every call of a function by its nodes, under names of their own."""
    Expansion(functions).graph(graph, 0)


class Expansion:
    def __init__(self, functions: dict):
        self.functions, self.calls, self.nodes = functions, 0, 0

    def graph(self, graph: Graph, depth: int) -> None:
        nodes: list[Node] = []
        for node in graph.nodes:
            function = self.functions.get((node.domain, node.op_type))
            if function is None:
                for inner in subgraphs(node):
                    self.graph(inner, depth)
                nodes.append(node)
            else:
                self.call(graph, node, function, nodes, depth + 1)
            self.nodes += 1
            if self.nodes > MOST_NODES:
                raise ModelError(f"its functions expand to more than {MOST_NODES} nodes")
        graph.nodes = nodes

    def call(self, graph: Graph, node: Node, function: Function, nodes: list[Node], depth: int) -> None:
        if depth > MOST_DEPTH:
            raise ModelError(f"function {function.name!r} calls itself, or calls are nested more than {MOST_DEPTH} deep")
        self.calls += 1
        names = dict.fromkeys(function.graph.inputs, "")
        names.update(zip(function.graph.inputs, node.inputs))
        outputs = dict(zip(function.graph.outputs, node.outputs))
        names.update({k: v for k, v in outputs.items() if v and k not in function.graph.inputs})
        body = Graph(nodes=[renamed(n, names, f"{node.name or function.name}.{self.calls}/", {**function.defaults, **node.attributes})
                            for n in function.graph.nodes])
        for name, array in function.graph.constants.items():
            names.setdefault(name, f"{node.name or function.name}.{self.calls}/{name}")
            graph.constants[names[name]] = array
        for inner in body.nodes:
            inner.inputs = [names.get(i, i) if i else "" for i in inner.inputs]
        for name, out in outputs.items():
            if out and name in function.graph.inputs:       # handed through
                body.nodes.append(Node("Identity", [names[name]], [out], opset=13))
        self.graph(body, depth)
        nodes.extend(body.nodes)
        graph.constants.update(body.constants)


def renamed(node: Node, names: dict[str, str], prefix: str, attributes: dict) -> Node:
    """A copy of a function's node in its caller: values renamed, references to the caller's attributes resolved."""
    from .reader import Reference
    own = {}
    for key, value in node.attributes.items():
        if isinstance(value, Reference):
            if value not in attributes:
                continue
            value = attributes[value]
        elif isinstance(value, Graph):
            value = renamed_graph(value, names, prefix, attributes)
        elif isinstance(value, list) and any(isinstance(v, Graph) for v in value):
            value = [renamed_graph(v, names, prefix, attributes) for v in value]
        own[key] = value
    for out in node.outputs:
        if out:
            names.setdefault(out, prefix + out)
    return Node(node.op_type, [names.get(i, prefix + i) if i else "" for i in node.inputs], [names[o] if o else "" for o in node.outputs], own,
                node.domain, node.opset, prefix + node.name)


def renamed_graph(graph: Graph, names: dict[str, str], prefix: str, attributes: dict) -> Graph:
    inner = dict(names)
    for name in (*graph.inputs, *graph.constants):
        inner[name] = prefix + name
    nodes = [renamed(n, inner, prefix, attributes) for n in graph.nodes]
    return Graph(graph.name, nodes, {inner[k]: t for k, t in graph.inputs.items()}, {inner.get(k, k): t for k, t in graph.outputs.items()},
                 {inner[k]: v for k, v in graph.constants.items()})
