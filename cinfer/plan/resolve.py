"""Graph + input shapes -> a graph in which every size is known.

Walks the nodes once: what can be known before the run (shapes, and whatever is computed from shapes and constants) is
evaluated and becomes a constant; the rest is given its dtype and shape. What exporters write about dynamic shapes
(Shape, Gather, Concat, Reshape ...) disappears here.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import Error, ModelError, UnsupportedError
from ..model.graph import Graph, Node
from ..ops import registry
from ..ops.registry import TensorSpec, UnknownValue

FOLD_BYTES = 1 << 20        # larger results of constant inputs are left to the run (the passes have folded weights before)
NOT_A_FUNCTION = frozenset(("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"))


@dataclass(slots=True, eq=False)
class Resolved:
    """nodes: what is left to run, in order; specs: name -> TensorSpec of every value they touch, and of the outputs."""
    nodes: list[Node]
    specs: dict[str, TensorSpec]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def spec(self, name: str) -> TensorSpec:
        return self.specs[name]

    def constant(self, name: str) -> np.ndarray | None:
        """The value, when it is known before the run."""
        spec = self.specs.get(name)
        return None if spec is None else spec.value


def resolve(graph: Graph, inputs: dict[str, TensorSpec], outputs: tuple[str, ...]) -> Resolved:
    """Give every value that `outputs` need a dtype and a shape.

    Raises ModelError when sizes contradict each other, UnsupportedError when they depend on data or an operator is
    unknown; the message names the node.
    """
    specs: dict[str, TensorSpec | None] = {"": None, **inputs}
    for name, array in graph.constants.items():
        specs[name] = TensorSpec(array.dtype, array.shape, array)
    nodes = []
    for node in needed(graph, outputs):
        try:
            if (known := resolve_node(node, specs)) is None:
                nodes.append(node)
            else:
                specs.update(zip(node.outputs, known))
        except UnknownValue as error:
            raise UnsupportedError(f"cannot run {node}: {error}") from None
        except Error:
            raise
        except (ValueError, TypeError, IndexError, KeyError, ArithmeticError) as error:
            raise ModelError(f"{node}: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from None
    live = needed_nodes(nodes, outputs)
    return Resolved(live, specs, tuple(inputs), outputs)


def resolve_node(node: Node, specs: dict) -> list[TensorSpec] | None:
    """The specs of a node's outputs if all their values are known (the node need not run), else None, `specs` completed."""
    operator = registry.lookup(node)
    given = [specs[name] for name in node.inputs]
    if all(s is None or s.value is not None for s in given) and node.op_type not in NOT_A_FUNCTION and given:
        if node.op_type == "ConstantOfShape" or operator.infer is None or result_bytes(operator, node, given) <= FOLD_BYTES:
            values = registry.evaluate(operator, node, [None if s is None else s.value for s in given])
            return [TensorSpec(v.dtype, v.shape, v) for v in map(np.asarray, values)]
    outs = registry.infer(operator, node, given)
    for name, spec in zip(node.outputs, outs):
        specs[name] = spec
    return list(outs) if all(s.value is not None for s in outs) else None


def result_bytes(operator, node, given) -> int:
    total = 0
    for spec in registry.infer(operator, node, given):
        size = spec.dtype.itemsize
        for d in spec.shape:
            size *= d
        total += size
    return total


def needed(graph: Graph, outputs: tuple[str, ...]) -> list[Node]:
    return needed_nodes(graph.nodes, outputs)


def needed_nodes(nodes: list[Node], outputs) -> list[Node]:
    """The nodes on which `outputs` depend, in their order."""
    wanted = set(outputs)
    kept = []
    for node in reversed(nodes):
        if not wanted.isdisjoint(node.outputs):
            kept.append(node)
            wanted.update(node.inputs)
    kept.reverse()
    return kept
