"""What the values of a float network are like on the calibration pictures."""
from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ..model.graph import Graph, Model, TensorType
from ..ops import registry
from .ranges import METHODS, Spread, through
from .units import Network, Unit

UNTYPED = TensorType(np.dtype(np.float32))


@dataclass(slots=True)
class Observed:
    """spreads : of each value; functions : of those that only a table reads, what it computes
    sizes : elements of each value in a picture, on average
    means, peaks : of what layers read, by channel; not of MatMul, whose channels lie along another axis
    halves : the same of the pictures of either half of them alone, or ()"""
    spreads: dict[str, Spread] = field(default_factory=dict)
    functions: dict[str, object] = field(default_factory=dict)
    sizes: dict[str, float] = field(default_factory=dict)
    means: dict[str, np.ndarray] = field(default_factory=dict)
    peaks: dict[str, np.ndarray] = field(default_factory=dict)
    halves: tuple[Observed, ...] = ()
    known: dict[str, dict] = field(default_factory=dict)

    def ranges(self, method: str) -> dict[str, tuple[float, float]]:
        """The range of each value."""
        if method not in self.known:
            found = {name: METHODS[method](spread) for name, spread in self.spreads.items()}
            self.known[method] = found | {name: through(self.spreads[name], function, *found[name])
                                          for name, function in self.functions.items()}
        return self.known[method]

    def add_channels(self, name: str, x: np.ndarray, pictures: int) -> None:
        mean, peak = x.mean(axis=(0, 2)), np.maximum(x.max(axis=(0, 2)), -x.min(axis=(0, 2)))
        self.means[name] = self.means.get(name, 0) + mean / pictures
        self.peaks[name] = np.maximum(self.peaks.get(name, 0), peak)


def observe(model: Model, network: Network, feeds: list[dict], load, show=lambda number: None,
            first: int = 0) -> Observed:
    """Run the network with all values that may be quantised among its outputs. show : is told which picture is begun
    first : how many feeds are one half of them, the others being the other; 0: there are no halves"""
    names = network.values()
    inner = [name for name in names if name not in model.graph.inputs]
    watched = replace(model.graph, outputs=dict.fromkeys(inner, UNTYPED), types={})
    session = load(replace(model, graph=watched))
    counts = [count for count in (first, len(feeds) - first) if count]
    halves = [Observed({name: Spread() for name in names}, functions_of(network)) for _ in counts]
    read = {unit.inputs[0] for unit in network.layers if unit.node.op_type != "MatMul"}
    for number, each in enumerate(feeds, 1):
        show(number)
        arrays = dict(zip(inner, session.run(None, each)))
        found, count = (halves[0], counts[0]) if number <= counts[0] else (halves[1], counts[1])
        for name in names:
            x = arrays[name] if name in arrays else each[name]
            found.spreads[name].add(x)
            found.sizes[name] = found.sizes.get(name, 0) + x.size / count
            if name in read and x.ndim > 1 and x.size:
                found.add_channels(name, x.reshape(len(x), x.shape[1], -1), count)
    return joined(*halves, counts[0] / len(feeds)) if len(halves) > 1 else halves[0]


def joined(a: Observed, b: Observed, share: float) -> Observed:
    """What both have seen. share : of the pictures, that a has seen"""
    def mean(x, y):
        return x * share + y * (1 - share)
    return Observed({name: spread.joined(b.spreads[name]) for name, spread in a.spreads.items()}, a.functions,
                    {name: mean(size, b.sizes[name]) for name, size in a.sizes.items()},
                    {name: mean(x, b.means[name]) for name, x in a.means.items() if name in b.means},
                    {name: np.maximum(x, b.peaks[name]) for name, x in a.peaks.items() if name in b.peaks}, (a, b))


def functions_of(network: Network) -> dict[str, object]:
    found = {}
    for unit in network.units:
        if unit.kind == "table" and len(network.readers[unit.inputs[0]]) == 1 \
                and unit.inputs[0] not in network.at.pinned \
                and set(network.at.readers[unit.inputs[0]]).issubset(unit.nodes):
            found[unit.inputs[0]] = Function(network.graph, unit)
    return found


@dataclass(slots=True)
class Function:
    """What a table computes."""
    graph: Graph
    unit: Unit

    def __call__(self, x: np.ndarray) -> np.ndarray:
        values = {"": None, **self.graph.constants, self.unit.inputs[0]: x.astype(np.float32)}
        for node in self.unit.nodes:
            values[node.outputs[0]], = registry.evaluate(registry.lookup(node), node, [values[i] for i in node.inputs])
        return values[self.unit.outputs[0]].reshape(x.shape)
