"""How many threads pay beside other processes: what runs teach, on a clock of our own."""
import os
import subprocess
import sys

import pytest

from cinfer import _ops

MS = 1_000_000
LOOK, TRIAL = 50, 3000                  # in ms, as in _ops/team.h


class Machine:
    """A clock in ms, `cpus` CPUs, `others` tasks of other processes, and runs of 4 ms CPU time."""

    def __init__(self, wanted=2, cpus=2, others=0):
        self.crowd, self.wanted, self.cpus, self.others = _ops.executor().Crowd(), wanted, cpus, others
        self.now, self.looked = 100_000, False

    def run(self, slow=False, gap=0):
        """One run, `gap` ms after the last; how many threads it had."""
        def how_long(used):
            wall = 4 / max(1, used - 1) + 1 if slow else 4 / used
            return int(wall * MS), 4 * MS, self.others

        self.now += gap
        used, self.looked = self.crowd.run(self.wanted, self.now * MS, how_long, self.cpus)
        self.now += 6
        return used

    def runs(self, n, **how):
        return [self.run(**how) for _ in range(n)]


def test_all_threads_while_runs_go_well_whoever_else_is_running():
    """A neighbour of low priority, for one."""
    assert Machine(others=2).runs(100) == [2] * 100


def test_one_slow_run_is_no_sign_and_two_close_together_are():
    m = Machine(others=1)
    assert [
        m.run(slow=True), m.run(), m.run(gap=200, slow=True), m.run(slow=True), m.run()] == [2, 2, 2, 2, 1]


def test_slow_runs_on_a_machine_of_our_own_are_no_sign():
    """A step of one tile, page faults, a slow machine."""
    assert Machine().runs(50, slow=True) == [2] * 50


def test_others_are_not_counted_while_all_goes_well_nor_at_every_slow_run():
    m = Machine()
    for _ in range(100):
        m.run()
        assert not m.looked
    m.run(slow=True)
    m.run(slow=True)
    assert m.looked
    m.now -= 5
    m.run(slow=True)
    assert not m.looked


def test_the_thread_comes_back_when_the_neighbour_is_gone():
    m = Machine(others=1)
    m.runs(2, slow=True)
    assert set(m.runs(2 * LOOK // 6)) == {1}
    m.others = 0
    assert m.run(gap=LOOK) == 1                 # looks
    assert m.run() == 2


def test_beside_a_neighbour_that_stays_a_thread_is_tried_now_and_then():
    m = Machine(others=1)
    m.runs(2, slow=True)
    seen = [m.run(slow=True) for _ in range(4 * TRIAL // 6)]
    assert 3 <= seen.count(2) <= 10


def test_a_trial_that_goes_well_stays():
    m = Machine(others=1)
    m.runs(2, slow=True)
    assert m.run() == 1
    m.run(gap=TRIAL)
    assert m.runs(50) == [2] * 50


@pytest.mark.parametrize("cpus, others, fewest", [
    (8, 1, 7), (8, 3, 5), (8, 8, 4), (8, 56, 1), (2, 2, 1), (1, 1, 1)])
def test_threads_give_way_one_at_a_time_down_to_the_free_cpus_or_a_fair_share(cpus, others, fewest):
    m = Machine(cpus, cpus, others)
    seen = m.runs(100, slow=True)
    assert seen[-1] == fewest
    assert all(b >= a - 1 for a, b in zip(seen, seen[1:])) and seen == sorted(seen, reverse=True)


def test_more_threads_than_cpus_give_way_too():
    m = Machine(wanted=8, cpus=2)
    assert m.runs(100, slow=True)[-1] == 2


def test_threads_come_back_one_at_a_time():
    m = Machine(8, 8, 3)
    m.runs(50, slow=True)
    m.others = 0
    seen = [m.run(gap=LOOK) for _ in range(10)]
    assert seen == [5, 6, 7] + [8] * 7


def test_runs_that_may_have_one_thread_have_one():
    assert Machine(1, 2, 4).runs(10, slow=True) == [1] * 10


def test_what_the_system_says():
    """Running tasks include this process; CPUs in operation are at least those it may use."""
    e = _ops.executor()
    cpus, running = e.system_counts()
    assert cpus >= len(os.sched_getaffinity(0))
    if not os.path.exists("/proc/loadavg"):
        assert running == 0
    else:
        busy = [subprocess.Popen([sys.executable, "-c", "print(flush=True)\nwhile True: pass"],
                                 stdout=subprocess.PIPE) for _ in range(2)]
        try:
            for p in busy:
                p.stdout.readline()
            assert max(e.system_counts()[1] for _ in range(1000)) >= 3 or running == 0
        finally:
            for p in busy:
                p.kill(), p.communicate()
