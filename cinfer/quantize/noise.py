"""How much each source of rounding disturbs the outputs.

Rounding is noise: independent sources add up in squares. There are two kinds, values that become bytes and weights.
Each value is measured, by a network in which nothing else is rounded; where that would take too long, a few neighbours
together. What stands directly before it, a value that a table reads or the weights that made it, is derived from that:
as much relative noise in the same place disturbs as much.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from . import weights
from .insert import quantised
from .measure import Judge
from .observe import Observed
from .ranges import Scale, square_error
from .units import Network, Unit
from .weights import Grid

# In multiply-adds, not in seconds: the same pictures give the same file, whatever else a machine does
MOST_WORK, LOADING = 1e11, 1e9      # of measuring all values, some 10 s on two cores; of making a session
LARGEST_GROUP = 8
AS_LARGEST = 9.0                    # of relative noise in an output: the largest of many is about three deviations away


@dataclass(slots=True)
class Noise:
    """Squares of the largest error over the scale of an output, of the output that has the largest one.

    values : of each value that becomes bytes; weights : of each layer
    """
    values: dict[str, float] = field(default_factory=dict)
    weights: dict[Unit, float] = field(default_factory=dict)

    def of(self, unit: Unit) -> float:
        """That a unit adds: by its weights and what it makes."""
        return self.weights.get(unit, 0.0) + sum(self.values.get(name, 0.0) for name in unit.outputs)


def measured(network: Network, found: Mapping[str, Scale], observed: Observed, judge: Judge, count: int, grid: Grid,
             work: float, show=lambda number, total: None) -> Noise:
    """count : of the judge's pictures; work : of a run, in multiply-adds: where it is much, neighbours are measured
    together; show : is told which value is begun"""
    noise, gains = Noise(), {}
    behind = {name: unit.outputs[0] for unit in network.units if unit.kind == "table"
              for name in unit.inputs if name in observed.functions and unit.outputs[0] in found}
    copied = {name for unit in network.units if unit.kind == "move" for name in unit.outputs} | {
        unit.outputs[0] for unit in network.units if unit.node.op_type == "Concat"
        and all(found.get(name) is found.get(unit.outputs[0]) for name in unit.inputs)}
    alone = [name for name in found if name not in behind and name not in copied]
    lost = {name: relative(observed, name, found[name]) for name in found}
    size = min(LARGEST_GROUP, 1 + int(len(alone) * (count * work + LOADING) / MOST_WORK))
    for place in range(0, len(alone), size):
        show(place + 1, len(alone))
        group = alone[place:place + size]
        squared = judge.outcome(quantised(network, [], {name: found[name] for name in group}, grid, group),
                                count).typical ** 2
        together = sum(lost[name] for name in group)
        for name in group:
            gains[name] = squared / together if together else 0.0
            noise.values[name] = gains[name] * lost[name]
    for name, made in behind.items():
        if name in found:
            noise.values[name] = gains.get(made, 0.0) * lost[name]
    for unit in network.layers:
        made = behind.get(unit.outputs[0], unit.outputs[0])
        gain = gains.get(made, AS_LARGEST if unit.is_last else 0.0)
        if unit.inputs[0] in found:
            noise.weights[unit] = gain * of_weights(network, unit, found[unit.inputs[0]], grid)
    return noise


def relative(observed: Observed, name: str, scale: Scale) -> float:
    """The mean square of what rounding a value does, over its own; where only a table reads it, behind that."""
    middles, counts = observed.spreads[name].filled()
    function = observed.functions.get(name)
    wanted = function(middles).astype(np.float64) if function and counts.size else middles
    power = float(np.square(wanted) @ counts)
    return square_error(middles, counts, *scale.ends, function, wanted) * float(counts.sum()) / power if power else 0.0


def of_weights(network: Network, unit: Unit, scale: Scale, grid: Grid) -> float:
    """The share of the squares of the weights that is lost."""
    weight = network.graph.constants[unit.weight]
    bias = network.graph.constants[unit.bias] if unit.bias else None
    lost = weights.lost(unit.node, weight, bias, scale.step, grid)
    return float(np.square(lost).sum() / max(np.square(weight, dtype=np.float64).sum(), 1e-30))
