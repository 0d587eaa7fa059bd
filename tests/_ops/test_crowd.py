"""How many threads pay beside other processes: what runs teach, on a clock of our own."""
from cinfer import _ops

MS = 1_000_000
PAUSE, LONG = 50, 3200                  # in ms, as in _ops/crowd.h


class Machine:
    """A clock in ms, and runs of 4 ms CPU time."""

    def __init__(self, wanted=2):
        self.crowd, self.wanted, self.now = _ops.executor().Crowd(), wanted, 1000

    @property
    def threads(self):
        return self.crowd.threads(self.wanted, self.now * MS)

    def run(self, wall=2, away=0):
        used = self.threads
        self.now += wall
        self.crowd.learn(self.wanted, used, self.now * MS, wall * MS, 4 * MS, away * MS)

    def stall(self):
        self.run(wall=6, away=3)


def test_all_threads_while_runs_go_well():
    m = Machine()
    for _ in range(100):
        m.run(wall=4, away=1)
    assert m.threads == 2


def test_one_stall_is_no_sign_and_two_close_together_are():
    m = Machine()
    m.stall()
    assert m.threads == 2
    m.now += 200
    m.stall()
    assert m.threads == 2
    m.stall()
    assert m.threads == 1


def test_slow_runs_in_which_no_thread_was_kept_waiting_are_no_stalls():
    """A step of one tile, page faults, a slow machine."""
    m = Machine()
    for _ in range(9):
        m.run(wall=9)
    assert m.threads == 2


def test_threads_come_back_after_a_pause_and_a_trial():
    m = Machine()
    m.stall(), m.stall()
    m.now += PAUSE - 1
    assert m.threads == 1
    m.now += 1
    while m.now % 1000 < 500:
        assert m.threads == 2
        m.run()
    for _ in range(3):                  # it has come back: a single stall does not count again
        m.now += 200
        m.stall()
        assert m.threads == 2


def test_a_stall_during_the_trial_makes_the_next_pause_longer_up_to_a_limit():
    m = Machine()
    m.stall(), m.stall()
    for pause in (PAUSE, 8 * PAUSE, LONG, LONG):
        m.now += pause - 1
        assert m.threads == 1
        m.now += 1
        assert m.threads == 2
        m.run(), m.stall()


def test_many_threads_give_way_one_at_a_time_down_to_one():
    m = Machine(4)
    seen = []
    for _ in range(6):
        m.stall(), m.stall()
        seen.append(m.crowd.threads(4, m.now * MS - MS))
    assert seen == [3, 2, 1, 1, 1, 1]


def test_many_threads_come_back_one_at_a_time():
    m = Machine(4)
    for _ in range(4):
        m.stall()
    assert m.threads == 2
    m.now += PAUSE
    seen = []
    for _ in range(400):
        m.run()
        seen.append(m.threads)
    assert sorted(set(seen)) == [3, 4] and seen == sorted(seen)


def test_runs_that_may_have_one_thread_have_one():
    m = Machine(1)
    m.stall(), m.stall()
    assert m.threads == 1
