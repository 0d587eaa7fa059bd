"""One pool a session: as large as the largest plan, as many as ran at once of late, nothing kept after
that."""
import threading

import pytest

import cinfer
from cinfer.run import pool as pools
from cinfer.run.pool import LATELY_RUNS, ROOM_TO_GROW, Pool


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now
    clock = Clock()
    monkeypatch.setattr(pools, "time", clock)
    return clock


def take(pool, size=1000):
    return pool.take(size, False, 0, pool.cancels)


def runs(pool, at_once, size=1000):
    taken = [take(pool, size) for _ in range(at_once)]
    for workspace in taken:
        pool.give_back(workspace)
    return taken


def test_the_last_one_is_used_again_by_all_sizes():
    pool = Pool()
    first, = runs(pool, 1, 5000)
    assert runs(pool, 1, 100) == [first] and runs(pool, 1, 5000) == [first]
    larger, = runs(pool, 1, 5001)
    assert larger is not first and larger.size == 5001 + 5001 // ROOM_TO_GROW and pool.free == [larger]


def test_sizes_that_grow_seldom_need_fresh_memory():
    pool = Pool()
    made = {id(workspace): workspace for size in range(1000, 2000, 10) for workspace in runs(pool, 1, size)}
    assert len(made) < 10


def test_keeps_as_many_as_run_at_once(clock):
    pool = Pool()
    for _ in range(5 * LATELY_RUNS):
        runs(pool, 3)
        clock.now += 1
        assert len(pool.free) == 3


def test_a_burst_is_given_back(clock):
    pool = Pool()
    runs(pool, 16)
    clock.now += 0.01
    for _ in range(LATELY_RUNS):                # rapid runs: another burst may come
        runs(pool, 1)
    assert len(pool.free) == 16
    clock.now += 1
    runs(pool, 1)
    assert len(pool.free) == 1


def test_rare_runs_at_once_stay(clock):
    """Two cameras, a picture a second each: the second workspace is not made anew each time."""
    pool = Pool()
    both = set(runs(pool, 2))
    for _ in range(20):
        clock.now += 1
        assert set(runs(pool, 2)) == both


def test_trim_and_close():
    pool = Pool()
    runs(pool, 3)
    busy = take(pool)
    assert pool.trim() == 2 * 1000 and pool.free == []
    pool.close()
    pool.give_back(busy)
    assert pool.free == [] and not pool.busy
    with pytest.raises(cinfer.Error, match="closed"):
        take(pool)
    assert not pool.busy


def test_cancel_reaches_runs_that_have_begun_and_no_later_ones():
    pool = Pool()
    began, busy = pool.cancels, take(pool)
    pool.cancel()
    assert busy.stopped()
    with pytest.raises(cinfer.Cancelled):
        pool.take(1000, False, 0, began)        # has begun before, and takes its workspace now
    pool.give_back(busy)
    assert not take(pool).stopped()


def test_any_number_of_threads():
    pool, wrong = Pool(), []

    def work(me):
        for i in range(500):
            size = 100 * ((me + i) % 7 + 1)
            w = take(pool, size)
            if w.size < size or w not in pool.busy:
                wrong.append((me, i))
            pool.give_back(w)
    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert not wrong and not pool.busy and len(pool.free) <= 8
    assert len(set(map(id, pool.free))) == len(pool.free)
