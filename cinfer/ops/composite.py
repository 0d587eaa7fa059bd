"""Operators that are compositions of others, as the standard spells most of them in its function bodies.

    @composite("SwiGLU", since=28)
    def swiglu(m, a, b, *, alpha=1.0):
        '''y = a * sigmoid(alpha * a) * b. https://onnx.ai/onnx/operators/onnx__SwiGLU.html'''
        return a * m.Sigmoid(a * alpha) * b

The function's parameters are as those of `evaluate` (registry.py), behind `m`, with which it writes nodes of
opset OPSET: `m.Transpose(x, perm=[1, 0])` is their output, `m.TopK(x, [k], n_outputs=2)` a tuple; arrays, lists
and numbers among the inputs become constants, a number of the type of the first value beside it. Values have
the usual arithmetic, and what is known of them: `x.dtype`, `x.ndim`, `x.shape` (sizes may be Symbols, or
raise Undecided), `x.known("the axes")` for the value. It may decide by these and by attributes, and refuses
with ValueError.

From this come `infer` and `evaluate`, so a composite is an operator like any other; `passes/expand_composites.py`
puts its nodes into the graph, where kernels are.
"""
from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..model.graph import Graph, Node, subgraphs
from . import registry
from .facts import Fact, UnknownValue, Unranked
from .foresee import foreseen
from .symbols import Symbol, Undecided

OPSET = 24                      # by which the nodes are to be read


def composite(name: str, *, since: int = 1, domain: str = "", **traits) -> Callable:
    """Decorator that registers a function that writes nodes as an operator."""
    def register(write):
        def infer(*facts, **keywords):
            body = Body()
            given = [None if fact is None else Value(body, f"in{i}", fact) for i, fact in enumerate(facts)]
            outs = outputs(write(body, *given, **keywords))
            if any(out is not None and out.fact is None for out in outs):
                raise UnknownValue("the shape")
            return tuple([None if out is None else Fact(out.fact.dtype, out.fact.shape) for out in outs])

        def evaluate(*arrays, **keywords):
            body = Evaluating()
            given = [None if array is None else body.constant(array) for array in arrays]
            return tuple([None if out is None else out.fact.value
                          for out in outputs(write(body, *given, **keywords))])

        evaluate.__annotations__ = write.__annotations__
        registry.add(registry.describe(domain, name, since, evaluate, infer, signature=write, skip=1, write=write,
                                       **traits))
        return write
    return register


def written(operator: registry.Operator, node: Node, facts, fresh: Callable) -> Body:
    """The nodes that stand for a composite; the last ones make its outputs.

    facts : of its inputs, None for those that are left out; fresh : function of a hint that gives a name
    Raises Undecided, UnknownValue, cinfer.Error and registry.REFUSALS where it cannot be told or is wrong.
    """
    body = Body(fresh)
    given = [None if fact is None else Value(body, name, fact) for name, fact in zip(node.inputs, facts)]
    outs = registry.for_outputs(
        node, outputs(operator.traits.write(body, *given, **registry.arguments(operator, node))))
    for name, out in zip(node.outputs, outs):
        if name:
            body.deliver(out, name)
    return body


def outputs(result) -> tuple:
    return result if isinstance(result, tuple) else (result,)


class Value:
    """What a node of a composition makes, or is given. fact : None where nothing is known"""
    __slots__ = ("body", "name", "fact")
    __array_ufunc__ = None                      # NumPy's arrays leave arithmetic to it

    def __init__(self, body: Body, name: str, fact: Fact | None):
        self.body, self.name, self.fact = body, name, fact

    @property
    def dtype(self) -> np.dtype:
        if self.fact is None or self.fact.dtype is None:
            raise Undecided
        return self.fact.dtype

    @property
    def shape(self) -> tuple:
        if self.fact is None or type(self.fact) is Unranked:
            raise Undecided
        return self.fact.shape

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def known(self, what: str) -> np.ndarray:
        """The value, or UnknownValue saying that `what` must be known before the run."""
        if self.fact is None:
            raise UnknownValue(what)
        return self.fact.known(what)

    def __add__(self, other):
        return self.body.Add(self, other)

    def __radd__(self, other):
        return self.body.Add(other, self)

    def __sub__(self, other):
        return self.body.Sub(self, other)

    def __rsub__(self, other):
        return self.body.Sub(other, self)

    def __mul__(self, other):
        return self.body.Mul(self, other)

    def __rmul__(self, other):
        return self.body.Mul(other, self)

    def __truediv__(self, other):
        return self.body.Div(self, other)

    def __rtruediv__(self, other):
        return self.body.Div(other, self)

    def __matmul__(self, other):
        return self.body.MatMul(self, other)

    def __neg__(self):
        return self.body.Neg(self)


class Body:
    """Writes nodes. fresh : function of a hint that gives a name that is not taken

    nodes, constants : what was written
    """

    def __init__(self, fresh: Callable | None = None):
        self.nodes: list[Node] = []
        self.constants: dict[str, np.ndarray] = {}
        self.fresh = fresh or self._numbered
        self.delivered: set[str] = set()            # names of the composite's outputs that nodes here make

    def _numbered(self, hint: str) -> str:
        return f"{hint}{len(self.nodes)}.{len(self.constants)}"

    def __getattr__(self, op_type: str):
        if not op_type[0].isupper():
            raise AttributeError(op_type)
        return lambda *inputs, **keywords: self.add(op_type, *inputs, **keywords)

    def add(self, op_type: str, *inputs, n_outputs: int = 1, domain: str = "", **attributes):
        """A node; its output, or the tuple of them where more than one are asked for."""
        beside = next((each for each in inputs if isinstance(each, Value)), None)
        given = [each if each is None or isinstance(each, Value) else self._lifted(each, beside)
                 for each in inputs]
        while given and given[-1] is None:
            given.pop()
        node = Node(op_type, ["" if each is None else each.name for each in given],
                    [self.fresh(op_type) for _ in range(n_outputs)],
                    {k: v for k, v in attributes.items() if v is not None}, domain, 1 if domain else OPSET)
        self.nodes.append(node)
        facts = self.made(node, [None if each is None else each.fact for each in given])
        made = tuple([Value(self, name, fact) for name, fact in zip(node.outputs, facts)])
        return made if n_outputs > 1 else made[0]

    def made(self, node: Node, facts: list[Fact | None]):
        """Facts of what a node makes, None where they cannot be told."""
        operator = registry.lookup(node)
        if any(name and (fact is None or type(fact) is Unranked) for name, fact in zip(node.inputs, facts)):
            return (None,) * len(node.outputs)
        try:
            return registry.for_outputs(node, foreseen(operator, facts, registry.arguments(operator, node)))
        except (Undecided, UnknownValue):
            return (None,) * len(node.outputs)

    def inline(self, graph: Graph, *inputs: Value) -> tuple[Value, ...]:
        """The nodes of a subgraph, applied to inputs; its outputs. What it reads from around it is read here,
        but where everything is computed at once there is nothing around."""
        values = dict(zip(graph.inputs, inputs))
        values.update((name, self.constant(array)) for name, array in graph.constants.items())

        def read(name: str) -> Value | None:
            if name and name not in values:
                values[name] = self.outside(name)
            return values[name] if name else None

        for node in graph.nodes:
            if subgraphs(node):
                raise ValueError(f"{node} has a subgraph of its own; here a subgraph may have none inside")
            given = [read(name) for name in node.inputs]
            copy = Node(node.op_type, ["" if each is None else each.name for each in given],
                        [self.fresh(name) if name else "" for name in node.outputs], dict(node.attributes),
                        node.domain, node.opset)
            self.nodes.append(copy)
            registry.check(registry.lookup(copy), copy)
            facts = self.made(copy, [None if each is None else each.fact for each in given])
            values.update((name, Value(self, new, fact))
                          for name, new, fact in zip(node.outputs, copy.outputs, facts) if name)
        return tuple([read(name) for name in graph.outputs])

    def outside(self, name: str) -> Value:
        """A value of the graph around a subgraph; nothing is known of it."""
        return Value(self, name, None)

    def constant(self, array, dtype=None) -> Value:
        """A constant."""
        array = np.asarray(array, dtype)
        name = self.fresh("constant")
        self.constants[name] = array
        return Value(self, name, Fact.of(array))

    def _lifted(self, given, beside: Value | None) -> Value:
        """An array, list of whole numbers, or number as a constant."""
        if isinstance(given, np.ndarray):
            return self.constant(given)
        if isinstance(given, (list, tuple)):
            if Symbol in map(type, given):
                raise Undecided                     # a composition takes sizes that are free from Shape
            return self.constant(np.array(given, np.int64))
        if isinstance(given, Symbol):
            raise Undecided
        return self.constant(given, np.int64 if beside is None else beside.dtype)

    def deliver(self, value: Value, name: str) -> None:
        """Let a value stand under the name of an output."""
        maker = next((node for node in self.nodes if value.name in node.outputs), None)
        if maker is None or value.name in self.delivered:
            self.nodes.append(Node("Identity", [value.name], [name], opset=OPSET))
            return
        old = value.name
        for node in self.nodes:
            node.inputs = [name if each == old else each for each in node.inputs]
            node.outputs = [name if each == old else each for each in node.outputs]
        value.name = name
        self.delivered.add(name)


class Evaluating(Body):
    """Computes what is written at once: all facts have values."""

    def outside(self, name: str) -> Value:
        raise ValueError(f"a subgraph reads {name!r} from the graph around it; it may only where the ranks "
                         "and types of all inputs are known at load")

    def made(self, node: Node, facts: list[Fact | None]):
        arrays = [None if fact is None else fact.value for fact in facts]
        results = registry.evaluate(registry.lookup(node), node, arrays)
        self.nodes.pop()
        return [Fact.of(np.asarray(result)) for result in results[:len(node.outputs)]]
