"""Which units are worth their noise.

In integers a unit saves time and adds noise: that of its weights and that of the values it reads and writes, which
are rounded as soon as any unit beside them is in integers. So to leave a single layer in float between two that are not
removes next to no noise; to leave a stretch of a network does. Where bytes meet floats, a step makes one of the other,
which takes time: a value that comes in floats becomes bytes once, whoever reads these, and back once for all that read
floats. For a price of noise, the set of units that saves the most time, less that of conversions and the price of its
noise, is a closure of greatest weight, and that is a minimum cut (Picard, Maximal closure of a graph and applications
to combinatorial problems, 1976). A higher price leaves more units in float.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping

from .insert import written
from .noise import Noise
from .units import Network, Unit

PER_ELEMENT = 16                    # multiply-adds in the time that reading and writing a float takes
# Those that integers save, in the time that making bytes of a float, or a float, takes; that a function of sums takes
# more beside integers than beside floats (measured at AVX2)
PER_CONVERSION, PER_FUNCTION = 24, 48
TINY = 1e-12                        # noise that is none
NOISY = "it adds more error than the time it saves is worth"
NO_GAIN = "to make bytes of floats, and floats of bytes, takes longer than it saves"
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


def converted(network: Network, units: Iterable[Unit], sizes: Mapping[str, float]) -> float:
    """What steps between floats and bytes take, and functions of sums, when these units are in integers, in
    multiply-adds."""
    inside = set(units)
    names = {name for unit in inside for name in (*unit.inputs, *unit.outputs)}
    return sum(of_function(unit, sizes) for unit in inside) + _converted(network, names, inside, sizes)


def _converted(network: Network, names: Iterable[str], inside: set[Unit], sizes: Mapping[str, float]) -> float:
    return PER_CONVERSION * sum(sizes.get(name, 0) for name in names if is_converted(network, name, inside))


def of_function(unit: Unit, sizes: Mapping[str, float]) -> float:
    return PER_FUNCTION * sizes.get(unit.outputs[0], 0) if unit.has_function else 0.0


def is_converted(network: Network, name: str, inside: set[Unit]) -> bool:
    """Is a value made on one side, in bytes or in floats, and read on the other?"""
    maker, readers = network.maker.get(name), network.readers.get(name, ())
    if maker not in inside:
        return any(reader in inside for reader in readers)
    return not maker.makes_float and (network.leaves(name) or any(reader not in inside for reader in readers))


def worthwhile(network: Network, units: Iterable[Unit], saved: Mapping[Unit, float], noise: Noise,
               price: float, sizes: Mapping[str, float]) -> list[Unit]:
    """The units that are worth their noise, and conversions. price : of noise 1, as a share of all that can be saved
    sizes : value -> elements"""
    units = list(units)
    inside = set(units)
    total = sum(saved[unit] for unit in units) or 1.0
    net = Flow()
    for unit in units:
        worth = round(WHOLE * ((saved[unit] - of_function(unit, sizes)) / total - price * noise.weights.get(unit, 0.0)))
        net.edge("source", unit, max(worth, 0))
        net.edge(unit, "sink", max(-worth, 0))
        for name in {*unit.inputs, *written(network, unit, units)} & noise.values.keys():
            net.edge(unit, name, WHOLE * WHOLE)
        for name in unit.inputs:                                # bytes of a float, if who makes it is not taken
            net.edge(unit, ("bytes", name), WHOLE * WHOLE)
    for name, squared in noise.values.items():
        net.edge(name, "sink", round(WHOLE * price * squared))
    for name in {name for unit in units for name in (*unit.inputs, *unit.outputs)}:
        cost = round(WHOLE * sizes.get(name, 0) * PER_CONVERSION / total)
        maker = network.maker.get(name)
        net.edge(("bytes", name), maker if maker in inside else "sink", cost)
        if maker in inside and not maker.makes_float:           # a float of bytes, if a reader is not taken
            net.edge(maker, ("float", name), cost)
            readers = network.readers.get(name, ())
            if network.leaves(name) or not inside.issuperset(readers):
                net.edge(("float", name), "sink", WHOLE * WHOLE)
            for reader in inside.intersection(readers):
                net.edge(("float", name), reader, WHOLE * WHOLE)
    kept = net.reached_after_flow("source", "sink")
    return [unit for unit in units if unit in kept]


def in_order(network: Network, units: Iterable[Unit], others: Iterable[Unit], saved: Mapping[Unit, float],
             noise: Noise, sizes: Mapping[str, float]) -> list[Unit]:
    """The others, each time the one that saves most for the noise that it adds to what is in integers by then."""
    inside = set(units)
    rounded = {name for unit in inside for name in (*unit.inputs, *unit.outputs)}
    waiting, order = list(others), []

    def gain(unit: Unit) -> tuple[bool, float]:
        names = {*unit.inputs, *unit.outputs}
        added = noise.weights.get(unit, 0.0) + sum(noise.values.get(name, 0.0) for name in names - rounded) + TINY
        before, after = (_converted(network, names, kept, sizes) for kept in (inside, inside | {unit}))
        less = saved[unit] - of_function(unit, sizes) + before - after
        return less > 0, less / added if less > 0 else less
    while waiting:
        best = max(waiting, key=gain)
        waiting.remove(best)
        order.append(best)
        inside.add(best)
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
