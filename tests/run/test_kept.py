"""The routines that a session keeps: those of late, those of `warmup`, and while one is being made."""
import os
import signal
import threading

import numpy as np
import pytest

import cinfer
from cinfer import session as sessions
from cinfer.run import kept

from onnx_models import assert_close, expected
from small_network import FREE, X, network, pixels

FEW_PLANS = 5


@pytest.fixture
def few_plans(monkeypatch):
    """Room for FEW_PLANS plans of the network with free sizes."""
    session = cinfer.load(network(declared=FREE).bytes(), threads=1)
    session(X)
    plan, = session._plans.routines.values()
    monkeypatch.setattr(kept, "KEPT_BYTES", int((FEW_PLANS + 0.5) * plan.kept_bytes))
    session.trim()
    assert session._plans.routines == {}
    return session


def test_keeps_few_plans_and_drops_the_oldest(few_plans):
    for size in range(4, 4 + 3 * FEW_PLANS):
        few_plans.run(None, {"images": pixels(1, 3, size, 5)})
        assert len(few_plans._plans.routines) <= FEW_PLANS
    shapes = [key[1][0] for key in few_plans._plans.routines]
    assert shapes == [(1, 3, size, 5) for size in range(4 + 2 * FEW_PLANS, 4 + 3 * FEW_PLANS)]
    x = pixels(1, 3, 4, 5)                                  # planned anew
    assert_close(few_plans.run(None, {"images": x})[0],
                 expected(network(declared=FREE).bytes(), {"images": x})[0], "again", 3e-5)


def test_the_plan_in_use_is_kept(few_plans):
    often = pixels(1, 3, 30, 30)
    few_plans.run(None, {"images": often})
    plan = few_plans._plans.routines[few_plans._output_names, (often.shape,)]
    for size in range(4, 4 + 3 * FEW_PLANS):
        few_plans.run(None, {"images": pixels(1, 3, size, 5)})
        few_plans.run(None, {"images": often})
    assert few_plans._plans.routines[few_plans._output_names, (often.shape,)] is plan


def test_plans_once_for_a_shape():
    session = cinfer.load(network(declared=FREE).bytes(), threads=1)
    session.run(None, {"images": X})
    plan, = session._plans.routines.values()
    session.run(None, {"images": X + 1})
    assert list(session._plans.routines.values()) == [plan]


def test_warmup_plans_ahead_and_for_good(monkeypatch):
    session = cinfer.load(network(declared=FREE).bytes(), threads=1)
    session.warmup({"images": (1, 3, 10, 12)})
    session.warmup([{"images": (2, 3, np.int64(8), 8)}, {"images": [1, 3, 9, 9]}])
    monkeypatch.setattr(kept, "KEPT_BYTES", 1)
    warm = set(session._plans.routines)
    assert {key[1][0] for key in warm} == {(1, 3, 10, 12), (2, 3, 8, 8), (1, 3, 9, 9)}
    monkeypatch.setattr(sessions, "make_plan", lambda *_: pytest.fail("planned again"))
    session.run(None, {"images": pixels(1, 3, 10, 12)})
    monkeypatch.undo()
    monkeypatch.setattr(kept, "KEPT_BYTES", 1)
    for size in (4, 5, 6):
        session.run(None, {"images": pixels(1, 3, size, size)})
    assert warm < set(session._plans.routines) and len(session._plans.routines) == len(warm) + 1
    session.trim()
    assert set(session._plans.routines) == warm


def test_trim_gives_back_what_is_not_in_use():
    session = cinfer.load(network(declared=FREE).bytes(), threads=1)
    want = [y.tobytes() for y in session.run(None, {"images": X})]
    session.trim()
    assert not session._plans.routines and not session._packed and not session._pool.free
    assert [y.tobytes() for y in session.run(None, {"images": X})] == want


@pytest.mark.parametrize("what", ["trim", "close", "run", "known"])
def test_the_handler_of_a_signal_in_the_middle_of_a_plan(monkeypatch, what):
    """It runs in the thread that makes the plan: what it asks for is done behind the plan, or refused."""
    session, said = cinfer.load(network(declared=FREE).bytes(), threads=1), []
    want = session.run(None, {"images": X})[0].tobytes()
    make, sizes = sessions.make_plan, iter(range(5, 9))

    def interrupted(*arguments):
        monkeypatch.setattr(sessions, "make_plan", make)
        try:
            if what in ("trim", "close"):
                getattr(session, what)()
            else:
                said.append(session.run(None, {"images": X if what == "known" else pixels(1, 3, 4, next(sizes))}))
        except cinfer.Error as error:
            said.append(str(error))
        return make(*arguments)
    monkeypatch.setattr(sessions, "make_plan", interrupted)
    worker = threading.Thread(target=lambda: said.append(attempt(session)), daemon=True)
    worker.start()
    worker.join(60)
    assert not worker.is_alive()
    if what == "close":
        assert said == ["this session is closed; load the model again"] and not session._plans.routines
        return
    assert said.pop() == (1, 16, 9, 9)
    assert what != "run" or "cannot have a plan made while one is being made" in said[0]
    assert what != "known" or said[0][0].tobytes() == want
    assert session.run(None, {"images": X})[0].tobytes() == want


def attempt(session):
    try:
        return session.run(None, {"images": pixels(1, 3, 9, 9)})[0].shape
    except cinfer.Error as error:
        return str(error)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_a_child_forked_while_a_plan_is_made_runs():
    session = cinfer.load(network(declared=FREE).bytes(), threads=1)
    with session._plans.making:                       # as a thread of the parent holds it while it plans
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            answer = session.run(None, {"images": np.zeros((1, 3, 9, 9), np.float32)})
            os._exit(0 if len(answer) == 2 else 1)
    assert os.waitpid(child, 0)[1] == 0
