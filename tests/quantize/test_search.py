"""What is chosen by trying it."""
from types import SimpleNamespace

import pytest
from networks import pictures, residual

from cinfer.model import read
from cinfer.quantize import search
from cinfer.quantize.noise import Noise
from cinfer.quantize.observe import Observed
from cinfer.quantize.search import Search, Settings, least
from cinfer.quantize.standard import standard
from cinfer.quantize.trial import Trial

FEEDS = pictures(8)


def searched(target: float, method="mse") -> Search:
    return Search(standard(read(residual()), "m"), FEEDS, Trial, Settings(target, method=method))


def layers(found) -> list[str]:
    return [unit.name for unit in found.units if unit.kind == "layer"]


@pytest.fixture
def misled(monkeypatch):
    """Noise as it is, but for a layer that makes next to none, of which much is foretold."""
    true = search.measured

    def wrong(network, *arguments):
        noise = true(network, *arguments)
        unit = next(unit for unit in network.layers if unit.name == "excite")
        noise.weights[unit] = 1e3
        return noise
    monkeypatch.setattr(search, "measured", wrong)


def test_layers_that_were_left_out_are_tried_once_more(misled, monkeypatch):
    target = .0045
    found = searched(target).run()
    monkeypatch.setattr(search, "MOST_WIDER", 0)
    narrow = searched(target).run()
    assert "excite" not in layers(narrow) and "excite" in layers(found)
    assert found.outcome.typical <= target and 0 < narrow.share < found.share < 1


def test_no_more_layers_are_tried_behind_some_that_were_in_vain(monkeypatch):
    """One after the other: what is found between them makes them few again."""
    monkeypatch.setattr(search, "MOST_IN_VAIN", 2)
    made, answers, tried = searched(.02), iter([False, True, False, False, True]), []
    everything, saved = made.all_of(made.network), dict.fromkeys(made.network.units, 1.0)
    trials = SimpleNamespace(keep_to_target=lambda units, count: tried.append(units) or next(answers))
    way = search.Way(made.network, Observed(), "mse", made.settings)
    found = made.wider(way, [], everything, saved, Noise(), trials)
    assert len(tried) == 4 < sum(unit.kind == "layer" for unit in everything)
    assert found == tried[1:2]


@pytest.mark.parametrize("given, share, room, taken", [
    (None, .5, 1e12, "min-max"), (None, .3, 1e12, "mse"), ("mse", .5, 1e12, "mse"), (None, .5, 1, "mse")])
def test_min_max_is_taken_where_it_saves_more(monkeypatch, given, share, room, taken):
    """Unless ranges were asked for, or runs are long."""
    made = searched(.02, given)
    monkeypatch.setattr(search, "MOST_WORK", room)
    monkeypatch.setattr(search, "keep_bytes", lambda network, graph, units, grid: graph)
    ways = []

    def kept(way, everything, saved):
        ways.append(way)
        return SimpleNamespace(units=everything[1:], graph=None, share=.4 if len(ways) == 1 else share, why={})
    made.kept = kept
    observed = made.observed(made.network)
    made.method = "mse"
    found = made.chosen(search.Way(made.network, observed, "mse", made.settings))
    assert made.method == taken and found.share == (share if taken == "min-max" else .4)
    assert len(ways) == (2 if given is None and room > 1 else 1)
    assert ways[-1].ranges == observed.ranges("min-max" if len(ways) == 2 else "mse")


@pytest.mark.parametrize("first", range(9))
def test_least(first):
    asked = []
    assert least(8, lambda place: asked.append(place) or place >= first) == first
    assert asked[0] == 0 and len(asked) <= 5


def test_ways_are_judged_by_the_half_that_their_ranges_have_not_seen(monkeypatch):
    """The second half has ten times larger numbers: by these min-max ranges of the first one are no better."""
    feeds = [{"x": each["x"] * (10 if place >= 4 else 1)} for place, each in enumerate(FEEDS)]
    made = Search(standard(read(residual()), "m"), feeds, Trial, Settings(.02))
    observed = made.observed(made.network)
    first, second = observed.halves
    for half, part in (first, feeds[:4]), (second, feeds[4:]):
        assert half.spreads["x"].high == pytest.approx(max(each["x"].max() for each in part))
    judged = []
    crossed = made.judge.crossed
    monkeypatch.setattr(made.judge, "crossed", lambda parts: judged.append([places for _, places in parts]) or
                        crossed(parts))
    way = search.Way(made.network, observed, "min-max", made.settings)
    error = made.error("min-max", way)
    assert judged == [[[4, 5, 6, 7], [0, 1, 2, 3]]] and made.tried["min-max"].balanced == error
    seen = made.judge.outcome(way.graph(made.all_of(made.network))).balanced
    assert error > 3 * seen


@pytest.mark.parametrize("worst", [2.5, .7])
def test_no_picture_is_off_by_more_than_the_worst_may_be(monkeypatch, worst):
    monkeypatch.setattr(search, "WORST", worst)
    target = .012
    found = searched(target).run()
    assert found.outcome.largest <= worst * target
