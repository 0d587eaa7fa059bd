"""A network as units: what is quantised, or left in float, as one.

    layer   Conv, ConvTranspose, Gemm, MatMul of constant, finite weights, and a Relu or Clip behind it; of Conv and
            ConvTranspose also a LeakyRelu or PRelu, which goes to the sums before they are rounded
    table   a chain of functions of one number (SiLU, HardSwish as two to four nodes): 256 bytes become 256 bytes; or
            part of the layer before, if `activates`
    join    Add, Mul, Concat, averages, a PRelu by channels: its output has a range of its own; an Add or Sub has the
            LeakyRelu or PRelu behind it, which goes to the sum before it is rounded
    move    Reshape, Transpose, Split, MaxPool, Resize: its output holds numbers of its input, at the same scale

A unit in integers reads bytes and writes bytes. A layer is left in float because that was decided; any other unit is in
integers where that keeps an island whole: it reads from one and another one reads from it.
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..model.graph import Graph, Node, TensorType
from ..passes.before_rounding import SLOPES, goes_before_rounding
from ..passes.join_quantized import CONVOLUTIONS, PICTURES
from ..passes.pattern import Rewriter, has
from ..passes.recognise_activations import recognise_activations
from ..passes.spelling import Spelling

FLOAT32 = np.dtype(np.float32)
# Functions of one number, if all else they read are constants of one element
FUNCTIONS = frozenset((
    "Abs", "Add", "Celu", "Clip", "Div", "Elu", "Erf", "Exp", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Log",
    "Max", "Min", "Mish", "Mul", "Neg", "PRelu", "Pow", "Reciprocal", "Relu", "Selu", "Sigmoid", "Softplus", "Softsign",
    "Sqrt", "Sub", "Tanh", "ThresholdedRelu"))
SUMS = frozenset(("Add", "Sub"))
JOINS = SUMS | {"Mul", "Concat", "AveragePool", "GlobalAveragePool", "ReduceMean", "PRelu"}
MOVES = frozenset(("DepthToSpace", "Expand", "Flatten", "Gather", "GlobalMaxPool", "Identity", "MaxPool", "Pad",
                   "Reshape", "Resize", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze"))
BARRIERS = frozenset(("Softmax", "LogSoftmax", "ArgMax", "ArgMin", "TopK", "NonMaxSuppression", "Shape", "Size"))


@dataclass(eq=False, slots=True)
class Unit:
    """nodes : the first one does the work, the last one makes the outputs
    inputs : values that come as bytes if it is in integers, constants (of Add, Mul) among them
    weight, bias : constants of a layer, or ""
    is_last : no layer lies behind this one
    is_apart : it lies behind a Softmax: it makes answers of what the network has found
    """
    kind: str
    nodes: list[Node]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    weight: str = ""
    bias: str = ""
    is_last: bool = False
    is_apart: bool = False

    @property
    def node(self) -> Node:
        return self.nodes[0]

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def has_slopes(self) -> bool:
        """Is it a sum with slopes, or slopes alone? Engines compute that node by node, in floats, but for cinfer, which
        gives the same bytes."""
        return self.kind == "join" and (self.node.op_type == "PRelu" or self.node.op_type in SUMS and any(
            node.op_type not in ("Relu", "Clip") for node in self.nodes[1:]))

    @property
    def has_function(self) -> bool:
        """Is it a convolution whose sums go through a function, such as HardSwish, before they are rounded?"""
        return self.node.op_type in CONVOLUTIONS and any(
            node.op_type not in ("Relu", "Clip", *SLOPES) for node in self.nodes[1:])

    @property
    def makes_float(self) -> bool:
        """May it read bytes and write floats? Engines have such products, but no such convolutions."""
        return self.kind == "layer" and self.node.op_type in ("Gemm", "MatMul")


class Network:
    """A graph and its units. maker : value -> the unit that makes it; readers : value -> the units that read it

    activates : convolutions have any activation behind them that may go to their sums. One rounding less; but engines
        that do not know this compute both in floats, and differ in functions such as exp
    """

    def __init__(self, graph: Graph, activates: bool = False):
        self.graph, self.activates = graph, activates
        self.at = Rewriter(graph)
        self.units = list(Finder(self.at, activates).units())
        self.maker = {name: unit for unit in self.units for name in unit.outputs}
        self.readers: dict[str, list[Unit]] = {}
        for unit in self.units:
            for name in unit.inputs:
                self.readers.setdefault(name, []).append(unit)
        firsts = {unit.node for unit in self.layers}
        fed = self._behind(graph.inputs)
        for unit in self.layers:
            unit.is_last = not self._behind(unit.outputs) & firsts - {unit.node}
            unit.is_apart = unit.node not in fed

    @property
    def layers(self) -> list[Unit]:
        return [unit for unit in self.units if unit.kind == "layer"]

    def values(self) -> list[str]:
        """All that may be quantised: what units read and make, without constants."""
        names = (name for unit in self.units for name in (*unit.inputs, *unit.outputs))
        return [name for name in dict.fromkeys(names) if name not in self.graph.constants]

    def leaves(self, name: str) -> bool:
        """Do others see a value than units?"""
        known = {node for unit in self.readers.get(name, ()) for node in unit.nodes}
        return name in self.graph.outputs or not known.issuperset(self.at.readers.get(name, ()))

    def in_integers(self, left: Iterable[Unit]) -> list[Unit]:
        """The units that are in integers when these layers, and other units, are left in float."""
        chosen = set(self.units).difference(left)
        while True:
            apart = {unit for unit in chosen if unit.kind != "layer" and not (
                any(self.maker.get(name) in chosen for name in unit.inputs)
                and any(reader in chosen for name in unit.outputs for reader in self.readers.get(name, ())))}
            if not apart:
                return [unit for unit in self.units if unit in chosen]
            chosen -= apart

    def _behind(self, names: Iterable[str]) -> set[Node]:
        """The nodes that are fed by these values. Behind a Softmax there is no network any more, but what answers are
        made of."""
        waiting, seen = list(names), set()
        while waiting:
            for node in self.at.readers.get(waiting.pop(), ()):
                if node not in seen:
                    seen.add(node)
                    waiting += () if node.op_type in BARRIERS else filter(None, node.outputs)
        return seen


class Finder:
    """One walk through a graph."""

    def __init__(self, at: Rewriter, activates: bool):
        self.at, self.taken, self.activates = at, set(), activates

    def units(self):
        for node in self.at.graph.nodes:
            if node.domain or node in self.taken:
                continue
            unit = self.layer(node) or self.table(node) or self.join(node) or self.move(node)
            if unit and all(self.is_real(name) for name in (*unit.inputs, *unit.outputs)):
                self.taken.update(unit.nodes)
                yield unit

    def is_real(self, name: str) -> bool:
        return self.at.dtype(name) == FLOAT32

    def is_constant(self, name: str) -> bool:
        return name in self.at.graph.constants

    def is_bias(self, name: str) -> bool:
        """Constants that integers can stand for."""
        array = self.at.array(name)
        return array is not None and bool(np.isfinite(array).all())

    def layer(self, node: Node) -> Unit | None:
        if node.op_type not in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
            return None
        x, weight, *rest = node.inputs
        w, bias = self.at.array(weight), rest[0] if rest else ""
        if w is None or w.dtype != FLOAT32 or not w.size or self.is_constant(x) or not np.isfinite(w).all() \
                or bias and not self.is_bias(bias):
            return None
        if node.op_type == "MatMul":
            return self.followed("layer", node, (x,), weight) if w.ndim == 2 else None
        if node.op_type == "Gemm":
            get, width = node.attributes.get, w.shape[0 if node.attributes.get("transB") else 1]
            if get("alpha", 1.0) != 1 or get("beta", 1.0) != 1 or get("transA") or w.ndim != 2 \
                    or bias and self.at.array(bias).shape != (width,):
                return None
        return self.followed("layer", node, (x,), weight, bias)

    def followed(self, kind: str, node: Node, inputs: tuple[str, ...], weight: str = "", bias: str = "") -> Unit:
        """A unit with what goes with it: the bias of a MatMul, and limits."""
        nodes = [node]
        after = self.at.only_reader(node.outputs[0])
        if after is not None and node.op_type == "MatMul" and after.op_type == "Add" and not after.domain:
            other = [name for name in after.inputs if name != node.outputs[0]]
            array = self.at.array(other[0]) if other else None
            if array is not None and array.shape == self.at.array(weight).shape[1:] and np.isfinite(array).all():
                nodes.append(after)
                after = self.at.only_reader(after.outputs[0])
        if after is not None and after.op_type in ("Relu", "Clip") and not after.domain \
                and after.inputs[0] == nodes[-1].outputs[0] and Spelling(self.at).limits(after):
            nodes.append(after)
        elif node.op_type in CONVOLUTIONS:
            nodes += self.activation(node.outputs[0], self.activates)
        elif node.op_type in SUMS:
            nodes += self.activation(node.outputs[0], False)
        return Unit(kind, nodes, inputs, tuple(nodes[-1].outputs), weight, bias)

    def activation(self, name: str, any_function: bool) -> list[Node]:
        """What is all that becomes of the sums of a convolution, or of a sum of two values, if it goes to these before
        they are rounded. any_function : or slopes alone"""
        readers, rank = self.at.readers.get(name, ()), self.at.rank(name)
        if not readers or name in self.at.pinned or rank not in PICTURES:
            return []
        first = min(readers, key=self.at.graph.nodes.index)
        if first.op_type == "PRelu" and not first.domain and first.inputs[0] == name:
            return [first] if len(readers) == 1 and self.has_slopes(first) else []
        unit = self.table(first)
        if unit is None or unit.inputs != (name,) or not set(readers).issubset(unit.nodes):
            return []
        known = {i: self.at.array(i) for node in unit.nodes for i in node.inputs if i and self.at.array(i) is not None}
        alone = Graph("", [node.copied() for node in unit.nodes],
                      {name: TensorType(FLOAT32, (None,) * rank)}, {unit.outputs[0]: TensorType(FLOAT32)}, known)
        recognise_activations(alone, Rewriter(alone))
        found = alone.nodes[0]
        taken = len(alone.nodes) == 1 and not found.domain and goes_before_rounding(found) \
            and np.isfinite(found.attributes.get("alpha", 0.0))
        return unit.nodes if taken and (any_function or found.op_type in SLOPES) else []

    def has_slopes(self, node: Node) -> bool:
        """Of a PRelu of pictures: are its slopes constants, one or one for each channel?"""
        slope, rank = self.at.array(node.inputs[1]), self.at.rank(node.inputs[0])   # opset 7 or later, see opsets.py
        return slope is not None and rank in PICTURES and bool(np.isfinite(slope).all()) and (
            slope.size == 1 or slope.ndim >= rank - 1 and slope.size == slope.shape[1 - rank])

    def table(self, node: Node) -> Unit | None:
        """The longest chain that begins with this node, is a function of one value, and gives one."""
        root = self.root(node, ())
        if root is None:
            return None
        inside: list[Node] = []
        made = {root: None}                                 # in order, the root first
        best: Unit | None = None
        waiting = [node]
        while waiting:
            following = waiting.pop(0)
            inside.append(following)
            made |= dict.fromkeys(following.outputs)
            leaving = [name for each in inside for name in each.outputs
                       if name in self.at.pinned or not set(self.at.readers.get(name, ())).issubset(inside)]
            if len(leaving) == 1:
                order = sorted(inside, key=self.at.graph.nodes.index)
                best = Unit("table", order, (root,), (leaving[0],))
            for reader in [r for name in made for r in self.at.readers.get(name, ())]:
                if reader not in inside and reader not in waiting and reader not in self.taken \
                        and self.root(reader, made) == root:
                    waiting.append(reader)
        return best

    def root(self, node: Node, made) -> str | None:
        """The one value that a function of one number reads; None for what is none. made : what comes of it alone"""
        if node.op_type not in FUNCTIONS or node.domain or len(node.outputs) != 1:
            return None
        root, constants = None, []
        for name in node.inputs:
            array = self.at.array(name) if name else None
            if not name or array is not None and array.size == 1:
                constants.append(array)
                continue
            if array is not None or not made and root not in (None, name) or made and name not in made:
                return None
            root = name
        if not all(array is None or array.ndim <= 1 or root and self.at.fits(array, root) for array in constants):
            return None
        return next(iter(made)) if made and root else root

    def join(self, node: Node) -> Unit | None:
        if node.op_type not in JOINS or not self.reads_pictures(node) \
                or node.op_type == "PRelu" and not self.has_slopes(node):
            return None
        inputs = node.inputs if node.op_type in SUMS | {"Mul", "Concat"} else node.inputs[:1]
        return self.followed("join", node, tuple(dict.fromkeys(inputs)))

    def move(self, node: Node) -> Unit | None:
        if node.op_type not in MOVES or not self.reads_pictures(node) \
                or len(node.outputs) > 1 and node.op_type != "Split":
            return None
        get = node.attributes.get
        if node.op_type == "Resize" and get("mode", "nearest") not in ("nearest", "linear"):
            return None
        if node.op_type == "Pad" and has(node, 2):
            value = self.at.array(node.inputs[2])
            if value is None or value.any():
                return None
        return Unit("move", [node], tuple(node.inputs[:1]), tuple(node.outputs))

    def reads_pictures(self, node: Node) -> bool:
        """Does it read something that changes from run to run, first?"""
        names = node.inputs if node.op_type in ("Add", "Mul", "Sub") else node.inputs[:1]
        return not all(map(self.is_constant, names))
