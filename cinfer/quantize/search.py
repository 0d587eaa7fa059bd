"""From a float network to the best one in integers that keeps to a target, by what pictures say."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import UnsupportedError
from ..model.graph import Graph, Model
from .choose import NO_GAIN, NOISY, converted, in_order, savings, worthwhile
from .correct import corrected
from .equalise import equalised
from .insert import keep_bytes, quantised, scales
from .measure import Judge, Outcome, spread_out
from .noise import Noise, measured
from .observe import Observed, observe
from .ranges import METHODS, Scale
from .units import Network, Unit
from .weights import GRIDS, Grid

FEW, SOME, MANY = 4, 12, 24         # pictures by which noise is measured, ways are compared, units are chosen
SHARE = .5                          # of equalisation
MOST_WIDER, MOST_WORK = 16, 1e12    # layers that are tried once more; multiply-adds of that, some 20 s on two cores
MOST_IN_VAIN = 6                    # one after the other: those behind save less for their noise
BETTER = .98                        # of the error, or a change is not kept
KEPT = .65                          # of the target: pictures that calibration has not seen do a little worse
WORST = 2.5                         # targets, that no picture may be off by
LEAST_CROSSED = 4                   # pictures, of which halves say anything
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
    """One way to make integers of a network: its weights, how ranges are found, and whether biases are corrected."""
    network: Network
    observed: Observed
    method: str
    settings: Settings
    is_corrected: bool = False

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        return self.observed.ranges(self.method)

    def scales(self, units: list[Unit]) -> dict[str, Scale]:
        return scales(self.network, units, self.ranges, self.settings.dtype, self.settings.grid.is_exact)

    def graph(self, units: list[Unit]) -> Graph:
        found = self.scales(units)
        biases = corrected(self.network, units, found, self.observed, self.settings.grid) if self.is_corrected else None
        return quantised(self.network, units, found, self.settings.grid, biases=biases)


@dataclass(frozen=True, slots=True)
class Tried:
    """What all in integers, in one way, makes of pictures that its ranges were not found by: the error of a picture on
    average, and of the worst one; balanced : what ways are compared by"""
    mean: float
    worst: float
    balanced: float


@dataclass(slots=True)
class Found:
    """units : in integers; tried : what was tried -> its errors; saved : of each unit in integers, by choose.py
    why : of units that were left in float"""
    way: Way
    units: list[Unit]
    graph: Graph
    outcome: Outcome
    noise: Noise
    tried: dict[str, Tried]
    saved: dict[Unit, float]
    why: dict[Unit, str] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Of what can be saved."""
        return sum(map(self.saved.get, self.units)) / max(sum(self.saved.values()), 1)


class Search:
    """show : is told what is done (a word, how far, of how many)"""

    def __init__(self, model: Model, feeds: list[dict], load: Callable, settings: Settings,
                 classes: str | None = None, show=lambda what, number, total: None):
        self.model, self.feeds, self.load, self.settings, self.show = model, feeds, load, settings, show
        self.network = Network(model.graph)
        if not self.network.layers:
            raise UnsupportedError("nothing in it can be quantised: it has no Conv, ConvTranspose, Gemm or MatMul of "
                                   "constant, finite weights in float32")
        self.judge = Judge(model, feeds, load, classes)
        self.tried: dict[str, Tried] = {}
        self.is_equalised = False

    def run(self) -> Found:
        way = self.ranged()
        way = self.activated(way)
        way = self.equalised(way)
        way = self.corrected(way)
        return self.chosen(way)

    def observed(self, network: Network, count: int | None = None) -> Observed:
        """What is seen on so many of the pictures."""
        places = spread_out(len(self.feeds), count)
        feeds = [self.feeds[place] for place in places]
        first = sum(place < self.half for place in places) if len(places) >= LEAST_CROSSED else 0
        return observe(replace(self.model, graph=network.graph), network, feeds, self.load,
                       lambda number: self.show("picture", number, len(feeds)), first)

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

    @property
    def half(self) -> int:
        """The pictures are divided there: neighbours are often alike, those of the other half are not."""
        return len(self.feeds) // 2

    def error(self, name: str, way: Way) -> float:
        """Of all in integers, by pictures of the half that was not observed."""
        self.show("way", len(self.tried) + 1, None)
        units, count = self.all_of(way.network), len(self.feeds)
        parts = [(way.graph(units), spread_out(count, SOME))]
        if way.observed.halves:
            places = [[self.half + each for each in spread_out(count - self.half, SOME // 2)],
                      spread_out(self.half, SOME // 2)]
            parts = [(replace(way, observed=half).graph(units), others)
                     for half, others in zip(way.observed.halves, places)]
        outcome = self.judge.crossed(parts)
        self.tried[name] = Tried(outcome.typical, outcome.largest, outcome.balanced)
        return outcome.balanced

    def least(self) -> float:
        return min(each.balanced for each in self.tried.values())

    def ranged(self) -> Way:
        network, observed = self.network, self.observed(self.network)
        methods = [self.settings.method] if self.settings.method else list(METHODS)
        ways = {name: Way(network, observed, name, self.settings) for name in methods}
        errors = {name: self.error(name, way) for name, way in ways.items()}
        self.method = min(errors, key=errors.get)
        return ways[self.method]

    def activated(self, way: Way) -> Way:
        """With activations applied to sums, where all in integers do not keep to the target without that."""
        network = Network(way.network.graph, activates=True)
        if self.settings.grid.is_exact or self.tried[self.method].mean <= KEPT * self.settings.target \
                or len(network.units) == len(way.network.units):
            return way
        return self.better("activations of sums", way, network)

    def equalised(self, way: Way) -> Way:
        graph = equalised(way.network, way.observed, SHARE)
        if graph is None:
            return way
        other = self.better("channels equalised", way, Network(graph, way.network.activates))
        self.is_equalised = other is not way
        return other

    def better(self, name: str, way: Way, network: Network) -> Way:
        """The way, or the same with another network if that is better."""
        def other(count: int | None) -> Way:
            return Way(network, self.observed(network, count), self.method, self.settings)
        least = self.least()
        return other(None) if self.error(name, other(SOME)) < BETTER * least else way

    def corrected(self, way: Way) -> Way:
        other, least = replace(way, is_corrected=True), self.least()
        return other if self.error("biases corrected", other) < BETTER * least else way

    def chosen(self, way: Way) -> Found:
        """The units that save most while the error stays within the target."""
        saved = savings(way.network, way.observed.sizes)
        everything, slower = self.paying(way, saved)
        found = self.kept(way, everything, saved)
        if self.settings.method is None and self.method != "min-max" and len(found.units) < len(everything) \
                and self.room(saved) == MOST_WIDER:
            # with few units in integers, what is cut off the largest numbers is most of the largest error
            other = self.kept(replace(way, method="min-max"), everything, saved)
            if other.share > found.share:
                self.method, found = "min-max", other
        network, graph = way.network, found.graph
        if not found.units:                                     # it computes as it did
            network, graph, self.is_equalised = self.network, self.network.graph, False
        found.graph = keep_bytes(network, graph, found.units, self.settings.grid)
        found.why = {unit: NOISY for unit in everything if unit not in found.units} | dict.fromkeys(slower, NO_GAIN)
        found.why |= self.left(way.network)
        return found

    def paying(self, way: Way, saved: dict[Unit, float]) -> tuple[list[Unit], list[Unit]]:
        """(the units that save more time than their conversions take, the others of those that might be integers)"""
        units = self.all_of(way.network)
        paying = whole(way.network, worthwhile(way.network, units, saved, Noise(), 0, way.observed.sizes))
        return paying, [unit for unit in units if unit not in paying]

    def kept(self, way: Way, everything: list[Unit], saved: dict[Unit, float]) -> Found:
        """Of one way the largest set of units that keeps to the target."""
        network = way.network
        noise = measured(network, way.scales(everything), way.observed, self.judge, FEW, self.settings.grid,
                         sum(saved.values()), lambda number, total: self.show("value", number, total))
        trials, sets = Trials(self, way), self.sets(way, everything, saved, noise)
        place = least(len(sets) - 1, lambda place: trials.keep_to_target(sets[place], MANY))
        kept = [*reversed(sets[place:]), *self.wider(way, sets[place], everything, saved, noise, trials)]
        kept.sort(key=lambda units: gained(way, units, saved))
        while len(kept) > 1 and not trials.keep_to_target(kept[-1], None):
            kept.pop()                                          # by all pictures it may be a little more
        return Found(way, kept[-1], *trials.of(kept[-1], None), noise, self.tried, saved)

    def wider(self, way: Way, units: list[Unit], everything: list[Unit], saved: dict, noise: Noise,
              trials: Trials) -> list[list[Unit]]:
        """Ever more units that keep to the target: layers that the order of `sets` has passed over, one after the
        other, with what lies between them and the others. What noise adds up to is only estimated there."""
        found, in_vain, network, sizes = [], 0, way.network, way.observed.sizes
        others = [unit for unit in everything if unit not in units]
        layers = [unit for unit in in_order(network, units, others, saved, noise, sizes) if unit.kind == "layer"]
        for unit in layers[:self.room(saved)]:
            more = whole(network, [*units, unit, *(each for each in others if each.kind != "layer")])
            if len(more) <= len(units) or gained(way, more, saved) <= gained(way, units, saved):
                continue
            if trials.keep_to_target(more, MANY):
                units, in_vain = more, 0
                found.append(units)
            elif (in_vain := in_vain + 1) == MOST_IN_VAIN:
                break
        return found

    def room(self, saved: dict[Unit, float]) -> int:
        """How many layers may be tried once more."""
        return min(MOST_WIDER, int(MOST_WORK / (min(MANY, len(self.feeds)) * max(sum(saved.values()), 1))))

    def sets(self, way: Way, everything: list[Unit], saved: dict, noise: Noise) -> list[list[Unit]]:
        """Ever fewer units, from all to none: those that are worth their noise at ever higher prices, and between two
        prices one less at a time."""
        found, network, sizes = [everything], way.network, way.observed.sizes
        for price in (*PRICES, None):
            wide = found[-1]
            kept = [] if price is None else whole(network, worthwhile(network, wide, saved, noise, price, sizes))
            others = in_order(network, kept, [unit for unit in wide if unit not in kept], saved, noise, sizes)
            for count in reversed(range(len(others))):
                units = whole(network, [*kept, *others[:count]])
                if len(units) < len(found[-1]):
                    found.append(units)
        return found


class Trials:
    """Sets of units that were tried, with so many pictures each."""

    def __init__(self, search: Search, way: Way):
        self.search, self.way = search, way
        self.target, self.most = KEPT * search.settings.target, WORST * search.settings.target
        self.known: dict[tuple, tuple[Graph, Outcome]] = {}

    def of(self, units: list[Unit], count: int | None) -> tuple[Graph, Outcome]:
        key = count, *units
        if key not in self.known:
            self.search.show("choice", len(self.known) + 1, None)
            graph = self.way.graph(units)
            self.known[key] = graph, self.search.judge.outcome(graph, count, self.target, self.most)
        return self.known[key]

    def keep_to_target(self, units: list[Unit], count: int | None) -> bool:
        outcome = self.of(units, count)[1]
        return outcome.typical <= self.target and outcome.largest <= self.most


def gained(way: Way, units: list[Unit], saved: dict[Unit, float]) -> float:
    """What these units in integers save, less what conversions take."""
    return sum(map(saved.get, units)) - converted(way.network, units, way.observed.sizes)


def whole(network: Network, units: list[Unit]) -> list[Unit]:
    """Those of the units that are in integers when all others are not."""
    kept = set(units)
    return network.in_integers(unit for unit in network.units if unit not in kept)


def least(most: int, holds: Callable[[int], bool]) -> int:
    """The least number from 0 to `most` for which something holds, which holds for `most`; 0 is tried first."""
    low, high, middle = 0, most, 0
    while low < high:
        if holds(middle):
            high = middle
        else:
            low = middle + 1
        middle = (low + high) // 2
    return low
