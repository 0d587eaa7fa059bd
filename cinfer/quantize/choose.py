"""Which units are worth their noise.

In integers a unit saves time and adds noise: that of its weights and that of the values it reads and writes, which
are rounded as soon as any unit beside them is in integers. So to leave a single layer in float between two that are not
removes next to no noise; to leave a stretch of a network does. For a price of noise, the set of units that saves the
most time less the price of its noise is a closure of greatest weight, and that is a minimum cut (Picard, Maximal
closure of a graph and applications to combinatorial problems, 1976). A higher price leaves more units in float.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping

from .insert import written
from .noise import Noise
from .units import Network, Unit

PER_ELEMENT = 16                    # multiply-adds in the time that reading and writing a float takes
TINY = 1e-12                        # noise that is none
WHOLE = 10 ** 12                    # of all that can be saved: flows are whole numbers


def savings(network: Network, sizes: Mapping[str, float]) -> dict[Unit, float]:
    """What each unit takes in floats, in multiply-adds. sizes : value -> elements"""
    found = {}
    for unit in network.units:
        elements = sum(sizes.get(name, 0) for name in unit.outputs)
        found[unit] = elements * PER_ELEMENT
        if unit.kind == "layer":
            weight = network.graph.constants[unit.weight]
            found[unit] += multiply_adds(unit, weight, elements, sizes.get(unit.inputs[0], 0))
    return found


def multiply_adds(unit: Unit, weight, written_elements: float, read_elements: float) -> float:
    if unit.node.op_type == "ConvTranspose":
        return read_elements * weight.size / weight.shape[0]
    outputs = weight.shape[1 if unit.node.op_type == "MatMul" or unit.node.op_type == "Gemm"
                           and not unit.node.attributes.get("transB") else 0]
    return written_elements * weight.size / outputs


def worthwhile(network: Network, units: Iterable[Unit], saved: Mapping[Unit, float], noise: Noise,
               price: float) -> list[Unit]:
    """The units that are worth their noise. price : of noise 1, as a share of all that can be saved"""
    units = list(units)
    total = sum(saved[unit] for unit in units) or 1.0
    net = Flow()
    for unit in units:
        worth = round(WHOLE * (saved[unit] / total - price * noise.weights.get(unit, 0.0)))
        net.edge("source", unit, max(worth, 0))
        net.edge(unit, "sink", max(-worth, 0))
        for name in {*unit.inputs, *written(network, unit, units)} & noise.values.keys():
            net.edge(unit, name, WHOLE * WHOLE)
    for name, squared in noise.values.items():
        net.edge(name, "sink", round(WHOLE * price * squared))
    kept = net.reached_after_flow("source", "sink")
    return [unit for unit in units if unit in kept]


def in_order(units: Iterable[Unit], others: Iterable[Unit], saved: Mapping[Unit, float], noise: Noise) -> list[Unit]:
    """The others, each time the one that saves most for the noise that it adds to what is in integers by then."""
    rounded = {name for unit in units for name in (*unit.inputs, *unit.outputs)}
    waiting, order = list(others), []

    def gain(unit: Unit) -> float:
        added = {*unit.inputs, *unit.outputs} - rounded
        return saved[unit] / (noise.weights.get(unit, 0.0) + sum(noise.values.get(name, 0.0) for name in added) + TINY)
    while waiting:
        best = max(waiting, key=gain)
        waiting.remove(best)
        order.append(best)
        rounded |= {*best.inputs, *best.outputs}
    return order


class Flow:
    """A network of pipes: the greatest flow by shortest paths (Dinic 1970)."""

    def __init__(self):
        self.room: dict[object, dict[object, int]] = {}

    def edge(self, start, end, room: int) -> None:
        if room:
            ways = self.room.setdefault(start, {})
            ways[end] = ways.get(end, 0) + room
            self.room.setdefault(end, {}).setdefault(start, 0)

    def reached_after_flow(self, source, sink) -> set:
        """What can still be reached from the source when no more flows: its side of the minimum cut."""
        if source not in self.room:
            return set()
        while True:
            level = {source: 0}
            waiting = [source]
            for at in waiting:
                for to, room in self.room[at].items():
                    if room and to not in level:
                        level[to] = level[at] + 1
                        waiting.append(to)
            if sink not in level:
                return set(level)
            ways = {at: iter(self.room[at]) for at in level}
            while self._push(source, sink, level, ways):
                pass

    def _push(self, source, sink, level, ways) -> bool:
        """One path of this phase, as much as it takes."""
        path = [source]
        while path[-1] != sink:
            at = path[-1]
            for to in ways[at]:
                if self.room[at][to] and level.get(to) == level[at] + 1:
                    path.append(to)
                    break
            else:                                               # a dead end, for the rest of the phase
                level.pop(at)
                path.pop()
                if not path:
                    return False
        amount = min(self.room[a][b] for a, b in zip(path, path[1:]))
        for a, b in zip(path, path[1:]):
            self.room[a][b] -= amount
            self.room[b][a] += amount
        # a way that still has room may be taken again: look at it once more
        for a in path[:-1]:
            ways[a] = iter(self.room[a])
        return True
