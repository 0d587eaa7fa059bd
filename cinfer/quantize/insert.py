"""A network with some units in integers, as the standard writes it: QuantizeLinear and DequantizeLinear around nodes
that still say what they compute (QDQ). Engines read such a sandwich as one operator on bytes."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from ..model.graph import Graph, Node
from ..passes.widen_halves import FLOAT
from .ranges import Scale, scale_of
from .standard import drop_constants
from .units import SUMS, Network, Unit
from . import exact, weights
from .weights import Grid

OPSET = 13
LEAST_HALVES = 64                   # weights, of which half the bytes outweigh a node


def scales(network: Network, units: Iterable[Unit], ranges: Mapping[str, tuple[float, float]],
           dtype: np.dtype, is_exact: bool = False) -> dict[str, Scale]:
    """The scale of each value that these units, in integers, read or write.

    What only moves numbers keeps their scale. A value that nothing but a Concat reads has the Concat's: it would be
    rounded to that anyway, once more. is_exact : exact.py
    """
    units = list(units)
    found: dict[str, Scale] = {}
    for unit in units:
        for name in (*unit.inputs, *written(network, unit, units)):
            if name in ranges and name not in found:
                found[name] = scale_of(*ranges[name], dtype)
        if unit.kind == "move":
            found |= dict.fromkeys(unit.outputs, found[unit.inputs[0]])
    inside = set(units)
    for unit in reversed(units):
        if unit.node.op_type == "Concat":
            for name in unit.inputs:
                maker = network.maker.get(name)
                if maker in inside and maker.kind != "move" and len(network.at.readers[name]) == 1 \
                        and name not in network.at.pinned:
                    found[name] = found[unit.outputs[0]]
    return exact.settled(network, units, found, is_exact)


def written(network: Network, unit: Unit, units) -> tuple[str, ...]:
    """The outputs of a unit in integers that are bytes: all, but that of a product which no unit reads as bytes."""
    if unit.makes_float and not any(reader in units for reader in network.readers.get(unit.outputs[0], ())):
        return ()
    return unit.outputs


def quantised(network: Network, units: Iterable[Unit], found: Mapping[str, Scale], grid: Grid,
              values: Iterable[str] = (), biases: Mapping[str, np.ndarray] | None = None) -> Graph:
    """The network's graph with these units in integers, by these scales, and these values rounded as if they were.
    grid : of weights; biases : instead of those that layers have"""
    return Sandwich(network, list(units), found, grid, values, biases or {}).graph()


def keep_bytes(network: Network, graph: Graph, units: Iterable[Unit], grid: Grid) -> Graph:
    """The graph, in which weights of layers in float are bytes, or float16, if nothing is lost by that: the file had
    them so."""
    constants, nodes, inside = dict(graph.constants), [], set(units)
    for unit in network.layers:
        name = unit.weight
        if unit in inside or name not in constants or len(network.at.readers[name]) > 1:
            continue
        found = weights.exactly_stored(unit.node, constants[name], grid)
        names = [f"{name}_{what}" for what in ("quantized", "scale", "zero_point", "half")]
        if not constants.keys().isdisjoint(names):
            continue
        half = names.pop()
        if found is None and constants[name].size >= LEAST_HALVES and weights.are_halves(constants[name]):
            constants[half] = constants.pop(name).astype(np.float16)
            nodes.append(Node("Cast", [half], [name], {"to": FLOAT}, opset=OPSET, name=f"{name}_Cast"))
        if found is None:
            continue
        whole, scale = found
        zeros = np.full(scale.shape, grid.zero, grid.dtype)
        constants.update(zip(names, ((whole + grid.zero).astype(grid.dtype), scale, zeros)))
        del constants[name]
        nodes.append(Node("DequantizeLinear", names, [name], {"axis": weights.channel_axis(unit.node)}, opset=OPSET,
                          name=f"{name}_DequantizeLinear"))
    return replace(graph, nodes=[*nodes, *graph.nodes], constants=constants)


class Sandwich:
    def __init__(self, network: Network, units: list[Unit], found: Mapping[str, Scale], grid: Grid,
                 values: Iterable[str], biases: Mapping[str, np.ndarray]):
        source, self.biases = network.graph, biases
        self.network, self.units, self.found, self.grid = network, set(units), found, grid
        self.dtype = next((scale.dtype for scale in found.values()), np.dtype(np.uint8))
        self.constants = dict(source.constants)
        # a value that is made of bytes is seen so by all; one that comes in floats, by those who want bytes
        self.bytes = {name for unit in units for name in written(network, unit, self.units)}.union(values)
        self.addends = {name for unit in units if unit.kind == "join" for name in unit.inputs
                        if name in source.constants}
        self.layer_of = {unit.node: unit for unit in units if unit.kind == "layer"}
        self.names = {"", *source.inputs, *source.constants, *network.at.makers}
        self.given: dict[object, object] = {}                   # what a name was made for -> the name
        self.before: list[Node] = []                            # of the node at hand

    def graph(self) -> Graph:
        nodes: list[Node] = []
        source = self.network.graph
        inside = {node for unit in self.units for node in unit.nodes}
        for name in source.inputs:
            self.enter(name)
        for node in source.nodes:
            unit = self.layer_of.get(node)
            inputs = self.of_layer(unit) if unit else [self.read(name, node in inside) for name in node.inputs]
            nodes += self.taken()
            nodes.append(replace(node, inputs=inputs, outputs=[self.real(name) for name in node.outputs]))
            for name in node.outputs:
                self.enter(name)
        nodes += self.taken()
        graph = Graph(source.name, nodes, dict(source.inputs), dict(source.outputs), self.constants, dict(source.types))
        drop_constants(graph)
        return graph

    def taken(self) -> list[Node]:
        nodes, self.before = self.before, []
        return nodes

    def name(self, stem: str) -> str:
        """A name like this one that nothing else has; for the same stem the same."""
        if stem not in self.given:
            name = stem
            while name in self.names:
                name += "_"
            self.names.add(name)
            self.given[stem] = name
        return self.given[stem]

    def real(self, name: str) -> str:
        """What the node that makes a value calls it: an output that is made of bytes is what comes back from them."""
        return self.name(f"{name}_float") if name in self.network.graph.outputs and name in self.bytes else name

    def back(self, name: str) -> str:
        """What a value is called that comes back from bytes."""
        return name if self.real(name) != name else self.name(f"{name}_dequantized")

    def read(self, name: str, in_integers: bool) -> str:
        """What a node reads instead of a value."""
        if in_integers and name in self.addends:
            return self.constant(name)
        return self.back(name) if name in self.found and (in_integers or name in self.bytes) else name

    def enter(self, name: str) -> None:
        """Behind a value that is made: its way into bytes and back."""
        if name in self.found:
            scale, stored = self.scale(self.found[name]), self.name(f"{name}_quantized")
            self.put("QuantizeLinear", [self.real(name), *scale], stored)
            self.put("DequantizeLinear", [stored, *scale], self.back(name))

    def put(self, op_type: str, inputs: list[str], output: str, **attributes) -> None:
        self.before.append(Node(op_type, inputs, [output], attributes, opset=OPSET, name=f"{output}_{op_type}"))

    def scale(self, scale: Scale) -> tuple[str, str]:
        """Names of a scale and a zero point."""
        if scale not in self.given:
            stem = f"scale_{len(self.given)}"
            self.given[scale] = self.name(f"{stem}_step"), self.name(f"{stem}_zero_point")
            self.constants[self.given[scale][0]] = np.array(scale.step, np.float32)
            self.constants[self.given[scale][1]] = np.array(scale.zero, scale.dtype)
        return self.given[scale]

    def of_layer(self, unit: Unit) -> list[str]:
        """The inputs of a layer: bytes, weights, bias."""
        node, step = unit.node, self.found[unit.inputs[0]].step
        weight = self.network.graph.constants[unit.weight]
        bias = self.biases.get(unit.bias, self.network.graph.constants[unit.bias]) if unit.bias else None
        scale = weights.steps(node, weight, bias, step, self.grid)
        stored = (weights.rounded(node, weight, scale, self.grid) + self.grid.zero).astype(self.grid.dtype)
        inputs = [self.back(unit.inputs[0]), self.dequantised(
            f"{node.outputs[0]}_weight", stored, scale, self.grid.zero, weights.channel_axis(node))]
        if bias is not None:
            inputs.append(self.dequantised(f"{node.outputs[0]}_bias", *weights.stored_bias(node, bias, step, scale),
                                           0, 0))
        return inputs

    def constant(self, name: str) -> str:
        """A constant addend or factor, which comes back from bytes as what it is joined with does."""
        known, back = self.name(f"{name}_quantized"), self.name(f"{name}_dequantized")
        if known not in self.constants:
            array, scale = weights.stored_constant(self.network.graph.constants[name], self.dtype, self.made_with(name))
            self.constants[known] = array
            self.put("DequantizeLinear", [known, *self.scale(scale)], back)
        return back

    def made_with(self, name: str) -> Scale | None:
        """The scale of what is made of a constant, if the constant's has to go with it."""
        unit = next(each for each in self.network.readers[name] if each in self.units)
        bound = self.grid.is_exact or unit.node.op_type in SUMS
        return self.found.get(unit.outputs[0]) if bound else None

    def dequantised(self, stem: str, array: np.ndarray, scale: np.ndarray, zero: int, axis: int) -> str:
        """A constant array by channels."""
        names = [self.name(f"{stem}_{what}") for what in ("quantized", "scale", "zero_point")]
        self.constants.update(zip(names, (array, scale, np.full(scale.shape, zero, array.dtype))))
        self.put("DequantizeLinear", names, self.name(f"{stem}_dequantized"), axis=axis)
        return self.name(f"{stem}_dequantized")
