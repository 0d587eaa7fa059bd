"""From a float network to the best one in integers that keeps to a target, by what pictures say."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import UnsupportedError
from ..model.graph import Graph, Model
from .choose import savings, worthwhile
from .correct import corrected
from .equalise import equalised
from .insert import quantised, scales
from .measure import Judge, Outcome, spread_out
from .noise import Noise, measured
from .observe import Observed, observe
from .ranges import METHODS, Scale
from .units import Network, Unit
from .weights import GRIDS, Grid

FEW, SOME, MANY = 4, 12, 24         # pictures by which noise is measured, ways are compared, units are chosen
SHARE = .5                          # of equalisation
BETTER = .98                        # of the error, or a change is not kept
KEPT = .85                          # of the target: pictures that calibration has not seen do a little worse
NOISE_SECONDS = 15.0
PRICES = np.geomspace(1, 1e6, 49)   # of noise


@dataclass(frozen=True, slots=True)
class Settings:
    """target : the largest error of a picture over the scale of an output that may be, on average
    dtype : of activations
    method : of ranges.METHODS; None: the best one; grid : of weights"""
    target: float = .02
    dtype: np.dtype = np.dtype(np.uint8)
    method: str | None = None
    grid: Grid = GRIDS["u8"]


@dataclass(slots=True)
class Way:
    """One way to make integers of a network: its weights, ranges, and whether biases are corrected."""
    network: Network
    observed: Observed
    ranges: dict[str, tuple[float, float]]
    settings: Settings
    is_corrected: bool = False

    def scales(self, units: list[Unit]) -> dict[str, Scale]:
        return scales(self.network, units, self.ranges, self.settings.dtype)

    def graph(self, units: list[Unit]) -> Graph:
        found = self.scales(units)
        biases = corrected(self.network, units, found, self.observed, self.settings.grid) if self.is_corrected else None
        return quantised(self.network, units, found, self.settings.grid, biases=biases)


@dataclass(slots=True)
class Found:
    """units : in integers; tried : what was tried -> its relative error; why : of units that were left in float
    saved : of each unit in integers, by choose.py"""
    way: Way
    units: list[Unit]
    graph: Graph
    noise: Noise
    outcome: Outcome
    tried: dict[str, float] = field(default_factory=dict)
    why: dict[Unit, str] = field(default_factory=dict)
    saved: dict[Unit, float] = field(default_factory=dict)


class Search:
    """show : is told what is done (a word, how far, of how many)"""

    def __init__(self, model: Model, feeds: list[dict], load: Callable, settings: Settings,
                 classes: str | None = None, show=lambda what, number, total: None):
        self.model, self.feeds, self.load, self.settings, self.show = model, feeds, load, settings, show
        self.network = Network(model.graph)
        if not self.network.layers:
            raise UnsupportedError("nothing in it can be quantised: it has no Conv, ConvTranspose, Gemm or MatMul of "
                                   "constant weights in float32")
        self.judge = Judge(model, feeds, load, classes)
        self.tried: dict[str, float] = {}

    def run(self) -> Found:
        way = self.ranged()
        way = self.equalised(way)
        way = self.corrected(way)
        return self.chosen(way)

    def observed(self, network: Network, count: int | None = None) -> Observed:
        """What is seen on so many of the pictures."""
        feeds = [self.feeds[place] for place in spread_out(len(self.feeds), count)]
        return observe(replace(self.model, graph=network.graph), network, feeds, self.load,
                       lambda number: self.show("picture", number, len(feeds)))

    def left(self, network: Network) -> dict[Unit, str]:
        """What stays in float by rule."""
        found = {}
        for unit in network.layers:
            if unit.is_apart:
                found[unit] = "it makes answers of what the network found"
            elif unit.is_last and not unit.makes_float and self.judge.classes is None:
                found[unit] = "last layer: what it makes are the answers"
        return found

    def all_of(self, network: Network) -> list[Unit]:
        return network.in_integers(self.left(network))

    def error(self, name: str, way: Way) -> float:
        self.show("way", len(self.tried) + 1, None)
        self.tried[name] = self.judge.outcome(way.graph(self.all_of(way.network)), SOME).relative
        return self.tried[name]

    def ranged(self) -> Way:
        network, observed = self.network, self.observed(self.network)
        methods = [self.settings.method] if self.settings.method else list(METHODS)
        ways = {name: Way(network, observed, observed.ranges(name), self.settings) for name in methods}
        errors = {name: self.error(name, way) for name, way in ways.items()}
        self.method = min(errors, key=errors.get)
        return ways[self.method]

    def equalised(self, way: Way) -> Way:
        least = min(self.tried.values())
        graph = equalised(way.network, way.observed, SHARE)
        if graph is None:
            return way
        network = Network(graph)

        def other(count: int | None) -> Way:
            observed = self.observed(network, count)
            return Way(network, observed, observed.ranges(self.method), self.settings)
        is_better = self.error("channels equalised", other(SOME)) < BETTER * least
        return other(None) if is_better else way

    def corrected(self, way: Way) -> Way:
        other, least = replace(way, is_corrected=True), min(self.tried.values())
        return other if self.error("biases corrected", other) < BETTER * least else way

    def chosen(self, way: Way) -> Found:
        """The units that save most while the error stays within the target, found by the price of noise."""
        network, left = way.network, self.left(way.network)
        everything = self.all_of(network)
        noise = measured(network, way.scales(everything), way.observed, self.judge, FEW, self.settings.grid,
                         NOISE_SECONDS, lambda number, total: self.show("value", number, total))
        saved = savings(network, way.observed.sizes)
        target = KEPT * self.settings.target
        tried: dict[tuple, tuple[Graph, Outcome]] = {}

        def outcome(units: list[Unit], count: int | None) -> Outcome:
            key = count, *units
            if key not in tried:
                self.show("choice", len(tried) + 1, None)
                graph = way.graph(units)
                tried[key] = graph, self.judge.outcome(graph, count, target)
            return tried[key][1]

        def priced(place: int) -> list[Unit]:
            """At no price, at one of PRICES, at any."""
            if place == 0:
                return everything
            if place > len(PRICES):
                return []
            kept = set(worthwhile(network, everything, saved, noise, PRICES[place - 1]))
            return network.in_integers(unit for unit in network.units if unit not in kept)

        low, high = 0, len(PRICES) + 1
        middle = 0                                              # often all of it keeps to the target
        while low < high:
            if outcome(priced(middle), MANY).typical <= target:
                high = middle
            else:
                low = middle + 1
            middle = (low + high) // 2
        while outcome(priced(low), None).typical > target:      # by all pictures it may be a little more
            low += 1
        units = priced(low)
        graph, kept = tried[None, *units]
        why = {unit: "its noise costs more than its time" for unit in everything if unit not in units} | left
        return Found(way, units, graph, noise, kept, self.tried, why, saved)
