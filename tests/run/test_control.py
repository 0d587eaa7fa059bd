"""A run ends early on request: in time, in one clear error, and the session is as good as before."""
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import cinfer

from models import free_sizes, heeding_ctrl_c, long_network, steps_in_numpy

SOON = 1.0                              # seconds; the aim is 0.02, on a machine that has time for it


@pytest.fixture(scope="module", params=["kernels", "two threads", "numpy"])
def session(request):
    return cinfer.load(steps_in_numpy() if request.param == "numpy" else long_network(),
                       threads=2 if request.param == "two threads" else 1)


def feed(session):
    port, = session.inputs
    return {port.name: np.ones(port.shape, port.dtype)}


class Later:
    """Calls something a while from now, in a thread; `at` is when that was."""

    def __init__(self, act, seconds=0.15):
        self.act, self.seconds, self.at = act, seconds, None

    def __enter__(self):
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        return self

    def run(self):
        time.sleep(self.seconds)
        self.at = time.monotonic()
        self.act()

    def __exit__(self, *_):
        self.thread.join()


def usable(session):
    """All that a run took is given back, and a later one goes on to its end."""
    assert not session._pool.busy and len(session._pool.free) == 1


def test_cancel_from_another_thread(session):
    for _ in range(2):
        with Later(session.cancel) as later, pytest.raises(cinfer.Cancelled, match="^the run was cancelled$"):
            session.run(None, feed(session))
        assert time.monotonic() - later.at < SOON
        usable(session)


def test_timeout(session):
    began = time.monotonic()
    with pytest.raises(cinfer.Cancelled, match=r"^timeout: the run took longer than it may \(0.1 s\)$"):
        session.run(None, feed(session), timeout=0.1)
    assert 0.1 <= time.monotonic() - began < 0.1 + SOON
    usable(session)


class Stop(Exception):
    pass


@pytest.mark.parametrize("busy", [False, True])
def test_handlers_of_signals_run_in_the_main_thread(session, busy):
    """What one raises comes out of run(), though another thread of Python holds the GIL all the time."""
    def stop(*_):
        raise Stop
    before, ended = signal.signal(signal.SIGUSR1, stop), []

    def spin():
        while not ended:
            pass
    neighbour = threading.Thread(target=spin if busy else int)
    neighbour.start()
    try:
        with Later(lambda: os.kill(os.getpid(), signal.SIGUSR1)) as later, pytest.raises(Stop):
            session.run(None, feed(session))
        assert time.monotonic() - later.at < SOON
    finally:
        ended.append(True)
        signal.signal(signal.SIGUSR1, before)
        neighbour.join()
    usable(session)


def test_a_handler_that_raises_nothing_changes_nothing():
    session = cinfer.load(long_network(8), threads=1)
    want, = session.run(None, feed(session))
    calls = []
    before = signal.signal(signal.SIGALRM, lambda *_: calls.append(np.float32(1e-44) / 2))
    signal.setitimer(signal.ITIMER_REAL, 0.003, 0.003)
    try:
        until = time.monotonic() + 0.3
        while time.monotonic() < until:
            assert session.run(None, feed(session))[0].tobytes() == want.tobytes()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert calls and all(x > 0 for x in calls), "a handler computes by the caller's rules, denormals and all"


def test_a_handler_may_run_and_cancel():
    """cancel() in a handler ends the run that it interrupts; a run in it is one of its own."""
    session = cinfer.load(long_network(), threads=2)
    small, seen = cinfer.load(long_network(1, 16), threads=2), []

    def handler(*_):
        seen.append(small.run(None, feed(small))[0].tobytes())
        session.cancel()
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with Later(lambda: os.kill(os.getpid(), signal.SIGUSR1)), pytest.raises(cinfer.Cancelled):
            session.run(None, feed(session))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen == [small.run(None, feed(small))[0].tobytes()]
    usable(session)


def test_a_cancelled_run_leaves_the_next_one_its_bits():
    session = cinfer.load(long_network(8), threads=2)
    x = feed(session)
    want = session.run(None, x)[0].tobytes()
    for i in range(20):
        try:
            session.run(None, x, timeout=0.0005 * (i + 1))
        except cinfer.Cancelled:
            pass
        assert session.run(None, x)[0].tobytes() == want


def test_cancel_ends_all_runs_at_once_and_none_that_follow():
    session = cinfer.load(long_network(), threads=1)
    ended = []

    def work():
        try:
            session.run(None, feed(session))
        except cinfer.Cancelled as error:
            ended.append(str(error))
    threads = [threading.Thread(target=work) for _ in range(3)]
    for t in threads:
        t.start()
    time.sleep(0.3)
    session.cancel()
    for t in threads:
        t.join(30)
    assert ended == ["the run was cancelled"] * 3
    quick = cinfer.load(free_sizes(), threads=1)
    quick.cancel()
    quick(np.ones((1, 3, 8, 8), np.float32))


@pytest.mark.parametrize("timeout", [0, -1, "1", True, float("nan"), [1]])
def test_refuses_a_bad_timeout(timeout):
    session = cinfer.load(free_sizes(), threads=1)
    with pytest.raises(cinfer.InputError, match="^timeout=.*: the time that a run may take is a number"):
        session(np.ones((1, 3, 8, 8), np.float32), timeout=timeout)
    session(np.ones((1, 3, 8, 8), np.float32), timeout=float("inf"))
    session(np.ones((1, 3, 8, 8), np.float32), timeout=10**400)


CTRL_C = """
    import os, signal, sys, threading, time
    import numpy as np
    import cinfer
    session = cinfer.load(sys.argv[1], threads=2)
    port, = session.inputs
    def press():
        time.sleep(0.2)
        press.at = time.monotonic()
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=press).start()
    try:
        session.run(None, {port.name: np.ones(port.shape, port.dtype)})
    except KeyboardInterrupt:
        print(time.monotonic() - press.at)
"""


def test_ctrl_c_in_a_library_call(tmp_path):
    path = tmp_path / "long.onnx"
    path.write_bytes(long_network())
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(CTRL_C), str(path)], capture_output=True,
                          text=True, timeout=60, preexec_fn=heeding_ctrl_c,
                          env={**os.environ, "PYTHONPATH": str(Path(cinfer.__file__).parents[1])})
    assert done.stderr == "" and float(done.stdout) < SOON
