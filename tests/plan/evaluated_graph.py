"""Graphs that are valid by construction, and what they mean in NumPy.

A `Graph` evaluates each node as it is added, so that a node which the operator refuses never gets in; the
expected outputs are there when the graph is. All choices come from a `random.Random`, which may be
hypothesis's own.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from random import Random

import numpy as np

from cinfer.errors import Error
from cinfer.model.graph import Node
from cinfer.ops import registry
from cinfer.ops.facts import Fact

F32 = np.dtype(np.float32)
MOST_ELEMENTS = 12_000
LARGEST = 100.0                     # of floats: larger ones make what follows ill-conditioned

# ten nodes, each a few ulps in another order of sums, Winograd's transforms, variances of at least 0.05
TOLERANCE = {"float32": 2e-4, "float64": 2e-4, "float16": 1e-2}
REFUSALS = (Error, ValueError, TypeError, LookupError, ArithmeticError, AttributeError)


@dataclass
class Graph:
    """values : every value by name, evaluated; exact : those whose floats are few-digit binary fractions,
    so that what follows may compare or round them"""
    rng: Random
    opset: int = 17
    values: dict[str, np.ndarray] = field(default_factory=dict)
    exact: set[str] = field(default_factory=set)
    nodes: list[Node] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    constants: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    declared: dict[str, tuple] = field(default_factory=dict)
    tame: bool = True                   # no values that are large, many, or no numbers

    # ---- values

    def array(self, shape, dtype=F32) -> np.ndarray:
        """Random numbers; floats are multiples of 1/4 between -3 and 3."""
        dtype, rng = np.dtype(dtype), np.random.default_rng(self.rng.randrange(1 << 30))
        if dtype.kind == "f":
            quarters = np.round(rng.normal(size=shape) * 4) / 4
            return (np.clip(quarters, -3, 3) + 0.0).astype(dtype)           # no -0.0
        if dtype.kind == "b":
            return rng.random(shape) < 0.5
        return rng.integers(-5 if dtype.kind == "i" else 0, 9, shape).astype(dtype)

    def input(self, *shape, dtype=F32, array=None) -> str:
        name = f"x{len(self.inputs)}"
        self.inputs.append(name)
        return self._enter(name, self.array(shape, dtype) if array is None else array, True)

    def constant(self, array) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(name)
        return self._enter(name, np.array(array, order="C"), True)

    def _enter(self, name, array, exact) -> str:
        self.values[name] = array
        if exact and is_exact(array):
            self.exact.add(name)
        return name

    def weights(self, *shape) -> np.ndarray:
        """Numbers that keep the size of values: a sum runs over all axes but the first."""
        return (self.array(shape) / max(1, prod(shape[1:])) ** 0.5).astype(F32)

    # ---- nodes

    def add(self, op_type: str, *inputs, n: int = 1, domain: str = "", keeps: bool = False, **attributes):
        """The output's name (a tuple for n > 1); None where the operator refuses, or makes too much of it.

        inputs : names, arrays that become constants, or None
        keeps : exact inputs make exact outputs
        """
        known = len(self.constants)
        names = [i if isinstance(i, str) else "" if i is None else self.constant(i) for i in inputs]
        outputs = [f"v{len(self.nodes)}" + (f"_{k}" if n > 1 else "") for k in range(n)]
        node = Node(op_type, names, outputs, attributes, domain, 1 if domain else self.opset, outputs[0])
        given = [self.values[i] if i else None for i in names]
        try:
            operator = registry.lookup(node)
            if operator.infer is not None:
                registry.infer(operator, node, [None if a is None else Fact.of(a) for a in given])
            results = registry.evaluate(operator, node, given)
            results = [np.asarray(r) for r in results][:n]
            fine = len(results) == n and all(self._fits(r) for r in results)
        except REFUSALS:
            fine = False
        if not fine:
            for name in self.constants[known:]:
                del self.values[name]
            del self.constants[known:]
            return None
        self.nodes.append(node)
        keeps = keeps and all(i in self.exact for i in names if i)
        for name, result in zip(outputs, results):
            self._enter(name, result, keeps or result.dtype.kind != "f")
        return outputs[0] if n == 1 else tuple(outputs)

    def _fits(self, array) -> bool:
        if not self.tame:
            return True
        finite = array.dtype.kind != "f" or (np.isfinite(array).all()
                                             and np.abs(array).max(initial=0) <= LARGEST)
        return array.size <= MOST_ELEMENTS and array.ndim <= 8 and bool(finite)

    def pick(self, fits=lambda a: True, exact: bool = False) -> str | None:
        """A value that no constant is, later ones rather than early ones; None where there is none."""
        names = [n for n, a in self.values.items() if n[0] != "c" and fits(a)
                 and (not exact or n in self.exact)]
        if not names:
            return None
        return names[-1 - min(int(self.rng.expovariate(0.5)), len(names) - 1)]

    # ---- what comes of it

    def used(self) -> set[str]:
        return {name for node in self.nodes for name in node.inputs}

    def finish(self, some: float = 0.1) -> Graph:
        """Outputs: all that nobody reads, and `some` of the rest."""
        used = self.used()
        self.outputs = [n for node in self.nodes for n in node.outputs if n not in used
                        or self.rng.random() < some]
        return self

    def expected(self) -> list[np.ndarray]:
        return [self.values[name] for name in self.outputs]

    def feeds(self) -> dict[str, np.ndarray]:
        return {name: self.values[name] for name in self.inputs}

    def bytes(self) -> bytes:
        from onnx import AttributeProto, helper, numpy_helper

        def info(name, shape):
            kind = helper.np_dtype_to_tensor_dtype(self.values[name].dtype)
            return helper.make_tensor_value_info(name, kind, shape)
        nodes = []
        for n in self.nodes:
            nodes.append(helper.make_node(n.op_type, n.inputs, n.outputs, domain=n.domain))
            for k, v in n.attributes.items():
                kind = AttributeProto.INTS if v == [] else None
                nodes[-1].attribute.append(helper.make_attribute(k, v, attr_type=kind))
        graph = helper.make_graph(nodes, "g",
                                  [info(n, self.declared.get(n, self.values[n].shape)) for n in self.inputs],
                                  [info(n, None) for n in self.outputs],
                                  [numpy_helper.from_array(self.values[n], n) for n in self.constants])
        opsets = [helper.make_opsetid("", self.opset)]
        opsets += [helper.make_opsetid(d, 1) for d in {n.domain for n in self.nodes} - {""}]
        return helper.make_model(graph, ir_version=8, opset_imports=opsets).SerializeToString()

    def assert_expected(self, got: list[np.ndarray], where: str) -> None:
        """These outputs are those expected: floats within TOLERANCE of the largest, all else exactly."""
        for name, y in zip(self.outputs, got, strict=True):
            want = self.values[name]
            kinds = (y.dtype, y.shape), (want.dtype, want.shape)
            assert kinds[0] == kinds[1], f"{where}: {name} is {kinds[0]}, not {kinds[1]}\n{self}"
            if want.dtype.kind != "f":
                assert np.array_equal(y, want), f"{where}: {name} differs\n{self}"
            elif want.size:
                with np.errstate(all="ignore"):
                    off = np.abs(y.astype(np.float64) - want)
                off = np.where((y == want) | np.isnan(y) & np.isnan(want), 0,
                               np.where(np.isnan(off), np.inf, off))
                scale = max(float(np.abs(want[np.isfinite(want)]).max(initial=0)), 0.5)
                most = TOLERANCE[want.dtype.name] * scale
                assert off.max() <= most, (f"{where}: {name} off by {off.max():.2g} of {scale:.2g} in "
                                           f"{(off > most).sum()} of {off.size}\n{self}")

    def __str__(self) -> str:
        """The graph as text, for messages."""
        lines = [f"opset {self.opset}"]
        lines += [f"{n}: {self.values[n].dtype}{list(self.declared.get(n, self.values[n].shape))}"
                  for n in self.inputs]
        for node in self.nodes:
            inputs = [f"{i}={np.asarray(self.values[i]).tolist()}" if i in self.constants
                      and self.values[i].size <= 8
                      else f"{i}{list(self.values[i].shape)}" if i in self.constants else i
                      for i in node.inputs]
            attributes = "".join(f", {k}={v!r}" for k, v in node.attributes.items())
            made = ", ".join(f"{n}{list(self.values[n].shape)}" for n in node.outputs)
            lines.append(f"{made} = {node.op_type}({', '.join(inputs)}{attributes})")
        return "\n".join([*lines, f"-> {', '.join(self.outputs)}"])

    def reduced(self, outputs: list[str]) -> Graph:
        """What these outputs need, and nothing else."""
        wanted, kept = set(outputs), []
        for node in reversed(self.nodes):
            if not wanted.isdisjoint(node.outputs):
                kept.append(node)
                wanted.update(node.inputs)
        return Graph(self.rng, self.opset, self.values, self.exact, kept[::-1],
                     [n for n in self.inputs if n in wanted], [n for n in self.constants if n in wanted],
                     outputs, self.declared, self.tame)


def is_exact(array: np.ndarray) -> bool:
    return array.dtype.kind != "f" or bool((array * 64 == np.round(array * 64)).all()
                                           and np.abs(array).max(initial=0) <= 512)
