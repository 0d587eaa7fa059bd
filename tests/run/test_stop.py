"""A Stop ends one run, before it begins or in its middle, and no other of the same session."""
import threading
import time

import numpy as np
import pytest

import cinfer
from cinfer.run.pool import Stop

from onnx_models import Model


def long_session() -> cinfer.Session:
    m = Model(seed=1)
    x = y = m.input("x", 700, 700, declared=("n", "n"))
    for _ in range(40):
        y = m.MatMul(y, x)
    return cinfer.load(m.outputs(y).bytes(), threads=1)


def test_a_stop_ends_its_run_alone():
    session, x = long_session(), np.zeros((700, 700), np.float32)
    stop, ended = Stop(), []

    def run(stop):
        try:
            ended.append((stop, session._run_until(stop, None, {"x": x})))
        except cinfer.Cancelled as error:
            ended.append((stop, error))
    threads = [threading.Thread(target=run, args=(each,)) for each in (stop, Stop(), None)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    stop.end()
    for thread in threads:
        thread.join(120)
    assert [type(result) for which, result in ended if which is stop] == [cinfer.Cancelled]
    assert [type(result) for which, result in ended if which is not stop] == [list, list]


def test_a_stop_that_was_ended_before():
    session, stop = long_session(), Stop()
    stop.end()
    with pytest.raises(cinfer.Cancelled):
        session._run_until(stop, None, {"x": np.zeros((2, 2), np.float32)})
    assert not session._pool.busy
    assert session.run(None, {"x": np.zeros((2, 2), np.float32)})[0].shape == (2, 2)


@pytest.mark.parametrize("most, had", [(1, 1), (2, 2), (9, 3)])
def test_runs_of_a_stop_may_have_fewer_threads(most, had):
    class Watched:
        def __init__(self, program):
            self.program, self.threads = program, []

        def run(self, workspace, addresses, threads, *more):
            self.threads.append(threads)
            return self.program.run(workspace, addresses, threads, *more)
    m = Model(seed=1)
    x = m.input("x", 1, 16, 128, 128)
    session = cinfer.load(m.outputs(m.conv(x, 16, 32, 3)).bytes(), threads=3)
    plan, = session._plans.routines.values()
    plan.program = watched = Watched(plan.program)
    values = {"x": m.vector(1, 16, 128, 128)}
    whole, = session.run(None, values)
    fewer, = session._run_until(Stop(most), None, values)
    assert watched.threads == [3, had] and np.array_equal(whole, fewer)
