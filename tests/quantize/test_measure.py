"""Errors of answers by hand, and the noise of which they are made."""
import numpy as np
import pytest
from networks import pictures, residual

from cinfer.model import read
from cinfer.quantize import noise
from cinfer.quantize.insert import quantised, scales
from cinfer.quantize.measure import Judge, spread_out
from cinfer.quantize.observe import observe
from cinfer.quantize.standard import standard
from cinfer.quantize.trial import Trial
from cinfer.quantize.units import Network
from cinfer.quantize.weights import GRIDS


class Port:
    def __init__(self, name):
        self.name = name


class Scripted:
    """Sessions that give what they are told, one list of outputs a feed."""

    def __init__(self, *answers):
        self.answers, self.outputs, self.runs = answers, [Port("a"), Port("b")], 0

    def run(self, _, feed):
        self.runs += 1
        return [np.array(each) for each in self.answers[feed["i"]]]


FLOATS = Scripted([[1., 2.], [[.1, .9]]], [[-4., 0.], [[.6, .4]]], [[2., 2.], [[.2, .8]]])
FEEDS = [{"i": i} for i in range(3)]


@pytest.fixture
def model():
    return standard(read(residual()), "m")


def judge(model, other, **more):
    sessions = iter([FLOATS, other])
    return Judge(model, FEEDS, lambda _: next(sessions), **more)


def test_errors_by_hand(model):
    other = Scripted([[1., 2.4], [[.1, .9]]], [[-4., .2], [[.4, .6]]], [[2., 2.], [[.2, .9]]])
    outcome = judge(model, other, classes="b").outcome(model.graph)
    a, b = outcome.errors["a"], outcome.errors["b"]
    assert (a.largest, a.typical) == pytest.approx((.1, .05))                      # of 4: .4, .2, 0
    assert a.relative == pytest.approx(np.sqrt((.16 + .04) / (1 + 4 + 16 + 4 + 4)))
    assert (b.largest, b.typical) == pytest.approx((.2 / .9, (0 + .2 + .1) / 3 / .9))
    assert outcome.agreement == pytest.approx(2 / 3)
    assert outcome.typical == b.typical and outcome.largest == b.largest


def test_agreement_of_maps_of_one_pixel_and_of_what_is_no_number(model):
    """Classes are along the second axis of (1, classes, 1, 1)."""
    floats = Scripted(*([[each]] for each in np.float64([[[[.1]], [[.9]]], [[[.6]], [[.4]]], [[[.2]], [[.8]]]])))
    other = Scripted(*([[each]] for each in np.float64([[[[.9]], [[.1]]], [[[.6]], [[.4]]], [[[.2]], [[np.nan]]]])))
    sessions = iter([floats, other])
    judge = Judge(model, FEEDS, lambda _: next(sessions), classes="a")
    assert judge.outcome(model.graph).agreement == pytest.approx(1 / 3)


def test_scales_may_be_those_of_other_pictures(model):
    other = Scripted([[1., 3.], [[.1, .9]]], [[-4., 0.], [[.6, .4]]], [[2., 2.], [[.2, .8]]])
    assert judge(model, other, scales=[10., 1.]).outcome(model.graph).errors["a"].largest == pytest.approx(.1)


def test_nothing_more_is_run_when_the_answer_is_sure(model):
    other = Scripted(*[[[9., 9.], [[.1, .9]]]] * 3)
    outcome = judge(model, other).outcome(model.graph, limit=.1)
    assert other.runs == 1 and outcome.typical > .1
    enough = Scripted(*FLOATS.answers)
    assert judge(model, enough).outcome(model.graph, limit=.1).typical == 0 and enough.runs == 3


def test_nothing_more_is_run_behind_a_picture_that_is_worse_than_may_be(model):
    answers = [[list(each) for each in picture] for picture in FLOATS.answers]
    answers[1][0][0] += 9
    other = Scripted(*answers)
    outcome = judge(model, other).outcome(model.graph, limit=100, most=1)
    assert other.runs == 2 and outcome.largest > 1


def test_graphs_are_judged_each_by_its_own_places(model):
    one, other = Scripted(*FLOATS.answers), Scripted(*[[[1., 2.4], [[.1, .9]]]] * 3)       # right at 0 but for .4
    sessions = iter([FLOATS, one, other])
    outcome = Judge(model, FEEDS, lambda _: next(sessions)).crossed([(model.graph, [2, 1]), (model.graph, [0])])
    assert (one.runs, other.runs) == (2, 1)
    assert (outcome.errors["a"].largest, outcome.errors["a"].typical) == pytest.approx((.1, .1 / 3))
    assert outcome.balanced == pytest.approx(.1 / 3 ** .5)


def test_outputs_of_other_sizes_are_not_compared(model):
    other = Scripted(*[[[1., 2., 3.], [[.1, .9]]]] * 3)
    assert list(judge(model, other).outcome(model.graph).errors) == ["b"]


@pytest.mark.parametrize("length, count, places", [
    (10, None, list(range(10))), (10, 3, [1, 5, 8]), (4, 9, [0, 1, 2, 3]), (1, 1, [0])])
def test_places_are_spread(length, count, places):
    assert spread_out(length, count) == places


@pytest.fixture(scope="module")
def network():
    model = standard(read(residual()), "m")
    net, feeds = Network(model.graph), pictures(6)
    seen = observe(model, net, feeds, Trial)
    return net, seen, Judge(model, feeds, Trial), scales(net, net.units, seen.ranges("min-max"), np.dtype("u1"))


def measured(network, work=1.0):
    net, seen, by, found = network
    return noise.measured(net, found, seen, by, 6, GRIDS["s8"], work)


def test_the_noise_of_a_value_is_that_of_a_network_that_rounds_nothing_else(network):
    net, _, by, found = network
    made = measured(network)
    for name in ("x", "a1", "a3", "v"):
        alone = by.outcome(quantised(net, [], {name: found[name]}, GRIDS["s8"], values=[name]))
        assert made.values[name] == pytest.approx(alone.typical ** 2) and alone.typical > 0
    assert not made.values.keys() & {"p", "f"}                       # these hold what others were rounded to


def test_what_a_table_reads_is_derived_and_about_right(network):
    net, _, by, found = network
    made = measured(network)
    alone = by.outcome(quantised(net, [], {"c0": found["c0"]}, GRIDS["s8"], values=["c0"]))
    assert .2 < made.values["c0"] / alone.typical ** 2 < 5


def test_neighbours_are_measured_together_where_a_run_is_long(network, monkeypatch):
    runs = []
    monkeypatch.setattr(noise, "quantised", lambda net, units, found, grid, values: runs.append(values) or quantised(
        net, units, found, grid, values=values))
    alone = measured(network)
    count = len(runs)
    runs.clear()
    together = measured(network, work=5e9)
    assert max(map(len, runs)) > 1 and len(runs) < count
    assert together.values.keys() == alone.values.keys()
    assert .3 < sum(together.values.values()) / sum(alone.values.values()) < 3


def test_noise_adds_up_in_squares(network):
    """All values rounded at once disturb as much as the squares of each say, within a factor of two."""
    net, _, by, found = network
    made = measured(network)
    names = [name for name in found if name in made.values]
    whole = by.outcome(quantised(net, [], {name: found[name] for name in names}, GRIDS["s8"], values=names))
    assert .5 < whole.typical / sum(made.values.values()) ** .5 < 2


def test_coarse_weights_are_noisier(network):
    net, seen, by, found = network
    shares = [[noise.of_weights(net, unit, found[unit.inputs[0]], GRIDS[grid]) for unit in net.layers]
              for grid in ("s8", "s7")]
    for fine, coarse in zip(*shares):
        assert 3 < coarse / fine < 5                                 # half as fine, four times the square
