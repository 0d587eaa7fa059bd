"""Graph + facts of its inputs -> a graph in which every size is known.

Walks the nodes once: what can be known before the run (shapes, and whatever is computed from shapes and
constants) is evaluated and becomes a constant; the rest is given its dtype and shape. What exporters write
about dynamic shapes (Shape, Gather, Concat, Reshape ...) disappears here.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from ..errors import Error, LimitError, ModelError, UnsupportedError
from ..graphs.index import Index
from ..model.graph import Graph, Node
from ..ops import registry
from ..ops.facts import Fact, UnknownValue
from ..ops.limits import check_size

FOLD_BYTES = 1 << 20        # larger results of constants are left to the run (the passes have folded weights)
# What operators raise on purpose (ValueError), and what NumPy and Python say to input of a wrong kind
REFUSALS = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError)
NOT_A_FUNCTION = frozenset(("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike",
                            "Bernoulli", "Multinomial"))


@dataclass(slots=True, eq=False)
class Bound:
    """A graph with all sizes known.

    nodes : what is left to run, in order; the graph's own
    facts : of every value they touch and of the outputs
    readers, makers : value name -> those of the nodes that read it, once per use; the one that makes it
    """
    nodes: list[Node]
    facts: dict[str, Fact]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    readers: dict[str, list[Node]]
    makers: dict[str, Node]

    @property
    def specs(self) -> dict[str, Fact]:
        return self.facts

    def spec(self, name: str) -> Fact:
        return self.facts[name]

    def constant(self, name: str) -> np.ndarray | None:
        """The value, when it is known before the run."""
        fact = self.facts.get(name)
        return None if fact is None else fact.value


def bind(graph: Graph, inputs: dict[str, Fact], outputs: tuple[str, ...]) -> Bound:
    """Give every value that `outputs` need a dtype and a shape.

    Raises ModelError when sizes contradict each other, UnsupportedError when they depend on data or an
    operator is unknown; the message names the node.
    """
    facts: dict[str, Fact | None] = {"": None, **inputs}
    for name, fact in inputs.items():
        check_tensor(f"input {name!r}", fact)
    for name, array in graph.constants.items():
        facts[name] = Fact(array.dtype, array.shape, array)
    nodes = []
    for node in needed(graph.nodes, outputs):
        try:
            outs = bind_node(node, [facts[name] for name in node.inputs])
            facts.update((name, fact) for name, fact in zip(node.outputs, outs) if name)
            if any(fact.value is None for fact in outs):
                nodes.append(node)
        except UnknownValue as error:
            raise UnsupportedError(f"cannot run {node}: {error}") from None
        except Error as error:
            raise located(node, type(error), error) from None
        except REFUSALS as error:
            raise located(node, ModelError, error) from None
    nodes = needed(nodes, outputs)
    index = Index(nodes)
    return Bound(nodes, facts, tuple(inputs), outputs, index.readers, index.makers)


def located(node: Node, kind: type[Error], error: Exception) -> Error:
    """An error of a node, in one line that names it."""
    text = str(error).partition("\n")[0] or type(error).__name__
    return kind(text if str(node) in text else f"{node}: {text}")


def check_tensor(where: str, fact: Fact) -> None:
    """ModelError or LimitError for a tensor that cannot be."""
    try:
        check_size(fact.shape, fact.dtype.itemsize)
    except ValueError as error:
        raise ModelError(f"{where}: {error}") from None
    except LimitError as error:
        raise LimitError(f"{where}: {error}") from None


def bind_node(node: Node, given: list[Fact | None]) -> Sequence[Fact]:
    """The facts of a node's outputs; their values too where they are known from the inputs' and not large."""
    operator = registry.lookup(node)
    known = all(s is None or s.value is not None for s in given)
    foldable = known and given and node.op_type not in NOT_A_FUNCTION
    if not foldable or (operator.infer is not None and node.op_type != "ConstantOfShape"):
        outs = registry.infer(operator, node, given)
        for fact in outs:
            check_size(fact.shape, fact.dtype.itemsize)
        if not foldable or sum(prod(s.shape) * s.dtype.itemsize for s in outs) > FOLD_BYTES:
            return outs
    values = registry.evaluate(operator, node, [None if s is None else s.value for s in given])
    return [Fact.of(v) for v in map(np.asarray, values)]


def needed(nodes: list[Node], outputs) -> list[Node]:
    """The nodes on which `outputs` depend, in their order."""
    wanted = set(outputs)
    kept = []
    for node in reversed(nodes):
        if not wanted.isdisjoint(node.outputs):
            kept.append(node)
            wanted.update(node.inputs)
    kept.reverse()
    return kept
