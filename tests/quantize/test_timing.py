"""Whether one network is faster than another is told by made-up clocks."""
import random

import pytest

from cinfer.quantize import timing
from cinfer.quantize.timing import Times, between, timed


class Machine:
    """Functions that take so many ms each; busy : function of a random number generator, which gives ms more"""

    def __init__(self, before: float, after: float, busy=lambda rng: 0.0, seed=0):
        self.now, self.calls, self.rng = 0.0, "", random.Random(seed)
        self.busy, self.ms = busy, {"b": before, "a": after}

    def of(self, which: str):
        def run():
            self.calls += which
            self.now += (self.ms[which] + self.busy(self.rng)) / 1000
        return run

    def times(self) -> Times:
        return timed(self.of("b"), self.of("a"), lambda: self.now)


def test_a_quiet_machine_tells_at_once():
    assert Machine(5, 4).times() == Times((pytest.approx(5), pytest.approx(4)),
                                          (pytest.approx(.8), pytest.approx(.8)))
    assert Machine(5, 4).times().is_faster is True
    assert Machine(4, 5).times().is_faster is False
    assert Machine(5, 5).times().is_faster is False and Machine(5, 4.99).times().is_faster is True


def test_they_run_in_turns_and_neither_is_always_the_second():
    machine = Machine(1, 1)
    machine.times()
    assert machine.calls.startswith("ba" + "abba" * 10) and len(machine.calls) == 2 + 2 * timing.MOST_PAIRS


def test_the_time_is_limited_and_a_long_run_still_has_pairs_enough():
    for ms, least, most in ((10, 100, 102), (150, 9, 9), (2000, 3, 3), (60_000, 1, 1)):
        machine = Machine(ms, ms)
        found = machine.times()
        assert least <= len(machine.calls) / 2 - 1 <= most
        assert (found.ratio is None) == (most < 6) and found.is_faster is (None if most < 6 else False)


@pytest.mark.parametrize("seed", range(20))
def test_a_busy_machine_is_never_taken_for_a_slow_network(seed):
    """Runs of 5 and 4 ms, of which a third takes up to 20 ms longer, as beside a compiler."""
    machine = Machine(5, 4, lambda rng: rng.uniform(0, 20) if rng.random() < .35 else rng.uniform(0, .3), seed)
    assert machine.times().is_faster is True
    machine = Machine(4, 5, lambda rng: rng.uniform(0, 20) if rng.random() < .35 else rng.uniform(0, .3), seed)
    assert machine.times().is_faster is False


def test_where_times_do_not_tell_it_is_said():
    found = [Machine(10, 9.9, lambda rng: rng.uniform(0, 30), seed).times().is_faster for seed in range(40)]
    assert found.count(None) > 20 and found.count(False) <= 4


def test_the_least_times_have_to_say_the_same():
    assert Times((5, 4), (.7, .9)).is_faster is True and Times((5, 5.1), (.7, .9)).is_faster is None
    assert Times((5, 6), (1.1, 1.3)).is_faster is False and Times((5, 4), (1.1, 1.3)).is_faster is None
    assert Times((0, 0), (.5, .6)).is_faster is True


def test_the_median_lies_between_them_in_19_of_20_cases():
    """Ratios of any distribution: here a skewed one, whose median is 1."""
    rng, held = random.Random(1), 0
    for _ in range(2000):
        low, high = between([rng.choice((.5, 1.7)) ** rng.random() for _ in range(25)])
        held += low <= 1 <= high
    assert .95 <= held / 2000 < .995
    assert between([1.0] * 5) is None and between([1, 2, 3, 4, 5, 6]) == (1, 6)
