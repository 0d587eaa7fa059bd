"""float16 and bfloat16 models run in float32: the kernels know nothing narrower."""
from __future__ import annotations

from functools import cache

import numpy as np

from ..model.graph import Graph, Node
from ..ops import matmul_narrow, registry
from ..ops.quantize import BY_SCALE
from .pattern import Rewriter, rewrite

FLOAT, FLOAT16, BFLOAT16 = 1, 10, 16        # of TensorProto.DataType
OTHER = 0                                   # none of them
_CODES = {"float32": FLOAT, "float16": FLOAT16, "bfloat16": BFLOAT16}
HALVES = FLOAT16, BFLOAT16
OPSET = 13                      # of the Casts that are put in
# Attributes that hold an element type: of the output, or of what is computed inside
TYPE_ATTRIBUTES = frozenset(("to", "dtype", "output_dtype", "output_datatype", "stash_type", "precision"))


@rewrite
def widen_halves(graph: Graph, at: Rewriter) -> bool:
    """x16, w16 -> Conv -> Relu -> y16   becomes   x16 -> Cast -> x, w -> Conv -> Relu -> Cast -> y16

    w, of float32, has the numbers of w16, and attributes that name a half type (Cast, EyeLike ...) or hold an
    array of one (ConstantOfShape) are widened too; Casts between the widened types become Identity. The
    outputs keep their types. Inner values get new names: what an old name stands for is still float16, and is
    computed from the file's own graph.

    Results are rounded once, at the end, not after each operator; so they are within a few steps of float16,
    but seldom the same bits, and where float16 overflows to infinity in between they may be finite.

    float16 stays, between Casts where necessary:
    - what is computed from constants and Shape alone: it is known before the run, and sizes made of it have
      to come out as float16 has them;
    - the input of BitCast, of a Cast to anything but a float of 32 or 64 bits, of QuantizeLinear with a half
      `precision` (or, where the numbers are the file's own, with a half scale, by which they are divided in halves), of
      operators of users' own, and what these make;
    - a Cast to float16 that only Casts read: it is there to round. In the same way inputs of Floor, Round,
      Equal and their like are rounded to float16 before they are compared or cut in float32.

    Only when the types of all values can be told: no operators of users' own without `infer`, no subgraphs; and
    when no operator mixes float16 with float32 that should not, for that is refused later.
    """
    if not _mentions_halves(graph) or at.inner and graph.inputs:
        return False
    types = _types(graph, at)
    if types is None or any(_mixes(node, types) for node in graph.nodes):
        return False
    return _Widening(graph, at, types).run()


def _mentions_halves(graph: Graph) -> bool:
    for array in graph.constants.values():
        if _is_half(array):
            return True
    for declared in graph.inputs.values():
        if declared.dtype is not None and code_of(declared.dtype) in HALVES:
            return True
    for node in graph.nodes:
        for name, value in node.attributes.items():
            if _is_half_attribute(name, value):
                return True
    return False


@cache                          # a name takes its time
def code_of(dtype: np.dtype) -> int:
    return _CODES.get(dtype.name, OTHER)


def _types(graph: Graph, at: Rewriter) -> dict[str, int] | None:
    """Value name -> FLOAT, FLOAT16, BFLOAT16 or OTHER; None unless the types of all values are known."""
    types = {"": OTHER}
    for name in (*graph.inputs, *graph.constants, *(out for node in graph.nodes for out in node.outputs)):
        dtype = at.dtype(name)
        if name and dtype is None:
            return None
        if name:
            types[name] = code_of(dtype)
    return types if all(types.keys() >= set(node.inputs) for node in graph.nodes) else None


def _is_half(array: np.ndarray) -> bool:
    return array.itemsize == 2 and code_of(array.dtype) in HALVES


def _is_half_attribute(name: str, value: object) -> bool:
    if name in TYPE_ATTRIBUTES:
        return value in HALVES
    return type(value) is np.ndarray and _is_half(value)


def _mixes(node: Node, types: dict[str, int]) -> bool:
    found = {types[name] for name in node.inputs} - {OTHER}
    return len(found) > 1 and not registry.traits(node).mixes_floats


class _Widening:
    """One walk over a graph whose types are known.

    types : of the values as the file has them
    exact : half values that are there by their own names, with the file's own numbers
    wide : half value -> what stands for it in float32
    narrow : half values that a Cast makes of their wide ones, by their own names
    rounded : half value -> the narrow one in float32 again
    """

    def __init__(self, graph: Graph, at: Rewriter, types: dict[str, int]):
        self.graph, self.at, self.types = graph, at, types
        self.exact = {name for name in (*graph.inputs, *graph.constants) if types[name] in HALVES}
        self.settled = {"", *graph.constants}           # known before the run
        self.wide: dict[str, str] = {}
        self.narrow: set[str] = set()
        self.rounded: dict[str, str] = {}
        self.nodes: list[Node] = []
        self.changed = False

    def run(self) -> bool:
        for node in self.graph.nodes:
            self.rewrite(node)
        for name in self.graph.outputs:
            self.as_half(name)
        if self.changed:
            self.graph.nodes[:] = self.nodes
            self.at.index()
        return self.changed

    def rewrite(self, node: Node) -> None:
        halves = [name for name in (*node.inputs, *node.outputs) if self.types[name] in HALVES]
        if self.is_settled(node):
            self.settled.update(node.outputs)
            node.inputs = [name if name in self.exact else self.wide.get(name, name) for name in node.inputs]
        elif halves:
            if self.needs_halves(node):
                node.inputs = [self.as_half(name) for name in node.inputs]
            elif not self.is_border(node):
                return self.widen(node)
        self.exact.update(name for name in node.outputs if self.types[name] in HALVES)
        self.nodes.append(node)

    def is_settled(self, node: Node) -> bool:
        return node.op_type in ("Shape", "Size") or (
            not registry.traits(node).random and self.settled.issuperset(node.inputs))

    def needs_halves(self, node: Node) -> bool:
        if node.op_type in ("Cast", "CastLike"):
            name, out = node.inputs[0], node.outputs[0]
            return self.types[name] in HALVES and self.types[out] == OTHER and node.attributes.get("to") != 11
        return (node.op_type == "BitCast" or node.attributes.get("precision") in HALVES
                or self.divides_halves(node) or registry.traits(node).own)

    def divides_halves(self, node: Node) -> bool:
        """Does a QuantizeLinear divide, in the half type of its scale, numbers that are just those of the file?"""
        if node.op_type != "QuantizeLinear" or node.domain or node.opset < BY_SCALE or node.attributes.get("precision"):
            return False
        x, scale = node.inputs[:2]
        return self.types[scale] in HALVES and (self.types[x] not in HALVES or x in self.exact)

    def is_border(self, node: Node) -> bool:
        """Is the node a Cast that rounds on purpose, or one that widens what has to stay?"""
        if node.op_type != "Cast":
            return False
        name, out = node.inputs[0], node.outputs[0]
        if self.types[name] in HALVES:
            return name in self.exact and self.types[out] == FLOAT
        return all(reader.op_type == "Cast" for reader in self.at.readers.get(out, ()))

    def widen(self, node: Node) -> None:
        """Make the node compute in float32."""
        self.changed = True
        known = self.types[node.inputs[0]] if node.inputs else OTHER
        between_floats = {known, self.types[node.outputs[0]]} <= {FLOAT, *HALVES}
        node.name = node.name or next(filter(None, node.outputs))
        take = self.as_rounded if registry.traits(node).steps else self.as_wide
        node.inputs = [take(name) for name in node.inputs]
        if node.op_type in ("Cast", "CastLike") and between_floats:
            node.op_type, node.inputs, node.attributes, node.opset = "Identity", node.inputs[:1], {}, OPSET
        node.attributes = {name: _widened(name, value) for name, value in node.attributes.items()}
        for name in node.outputs:
            if self.types[name] in HALVES:
                self.wide[name] = self.at.fresh(name)
        node.outputs = [self.wide.get(name, name) for name in node.outputs]
        self.nodes.append(node)

    def as_wide(self, name: str) -> str:
        """The value in float32, where it is a half one."""
        if self.types[name] not in HALVES or name in self.wide:
            return self.wide.get(name, name)
        if name in self.graph.constants and not self.is_large_matrix(name):
            wide = self.at.constant(self.graph.constants[name].astype(np.float32), name)
        else:
            wide = self.cast(name, self.at.fresh(name), FLOAT)
        if name in self.settled:
            self.at.coarse.add(wide)
        self.wide[name] = wide
        return wide

    def is_large_matrix(self, name: str) -> bool:
        """May a product read a constant as it is (keep_narrow)? If it does not, fold_constants widens it."""
        readers = self.at.readers.get(name, ())
        return self.graph.constants[name].size >= matmul_narrow.MANY_HALVES and all(
            reader.op_type in ("MatMul", "Gemm") and reader.inputs[1] == name for reader in readers)

    def as_half(self, name: str) -> str:
        """The value by its own name and type."""
        if self.types[name] in HALVES and name not in self.exact and name not in self.narrow:
            self.cast(self.wide[name], name, self.types[name])
            self.narrow.add(name)
        return name

    def as_rounded(self, name: str) -> str:
        """The value in float32, with a number that its own type has."""
        if self.types[name] not in HALVES or name in self.exact:
            return self.as_wide(name)
        if name not in self.rounded:
            self.rounded[name] = self.cast(self.as_half(name), self.at.fresh(name), FLOAT)
        return self.rounded[name]

    def cast(self, name: str, out: str, to: int) -> str:
        self.nodes.append(Node("Cast", [name], [out], {"to": to}, opset=OPSET, name=out))
        return out


def _widened(name: str, value: object) -> object:
    if not _is_half_attribute(name, value):
        return value
    return value.astype(np.float32) if isinstance(value, np.ndarray) else FLOAT
