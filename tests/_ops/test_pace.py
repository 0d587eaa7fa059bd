"""Whether all threads pay for a program or half are quicker: what runs teach, on a clock of our own."""
from cinfer import _ops

US, MS, SECOND = 1_000, 1_000_000, 1_000_000_000


class Machine:
    """Runs take all_us with all threads, half_us with half of them."""

    def __init__(self, all_us, half_us, wanted=4):
        self.pace, self.now, self.wanted = _ops.executor().Pace(), 100 * SECOND, wanted
        self.us = {wanted: all_us, wanted // 2: half_us}

    def run(self):
        used = self.pace.run(self.wanted, self.now, lambda n: self.us[n] * US)
        self.now += self.us[used] * US + 20 * US
        return used

    def runs(self, seconds):
        until, seen = self.now + int(seconds * SECOND), []
        while self.now < until:
            seen.append(self.run())
        return seen


def test_all_threads_stay_where_they_are_quicker_and_trials_grow_rare():
    seen = Machine(500, 900).runs(30)
    assert seen[:90] == [4] * 90
    assert seen.count(2) == 2 * 5               # after 0.05 s, then 1, 2, 4 and 8 more


def test_half_the_threads_stay_where_they_are_quicker():
    m = Machine(900, 500)
    m.runs(.1)
    seen = m.runs(10)
    assert seen.count(4) <= 2 * 4 and seen.count(2) > 1000


def test_what_changes_is_noticed():
    m = Machine(900, 500)
    m.runs(.1)
    m.us = {4: 400, 2: 700}
    m.runs(2)
    assert set(m.runs(.2)) == {4}


def test_nearly_as_quick_is_no_reason():
    m = Machine(500, 480)
    m.runs(.1)
    assert set(m.runs(.5)) == {4}


def test_long_runs_are_left_alone():
    assert set(Machine(6000, 3000).runs(20)) == {4}


def test_one_slow_run_is_no_reason():
    m = Machine(500, 600)
    m.runs(.04)
    m.us[4] = 5000
    m.run()
    m.us[4] = 500
    m.runs(.1)
    assert set(m.runs(.5)) == {4}


def test_one_thread_is_one():
    m = Machine(500, 1, wanted=1)
    m.us = {1: 500}
    assert set(m.runs(2)) == {1}
