"""What a closed session gives back, and what of it goes on."""
import gc
import pickle
import threading
import time
import weakref

import numpy as np
import pytest

import cinfer
from onnx_models import Model
from small_network import FREE, X, network, pixels

PARTS = """<ir_version: 9, opset_import: ["" : 18, "test.closing" : 1]> g (float[n] x) => (float y) {
    a = NonZero (x)  f = Cast <to = 1> (a)  m = Constant <value = int64 {3}> ()
    l = Loop <body = b (int64 i, bool c, float[k, j] v) => (bool d, float[k, j] e)
        { d = Identity (c)  w = test.closing.Hook (v)  e = Add (w, w) }> (m, , f)
    b = NonZero (l)  g = Cast <to = 1> (b)  h = test.closing.Hook (g)  s = NonZero (h)  y = Cast <to = 1> (s) }"""
FEED = {"x": np.arange(5, dtype=np.float32)}


@pytest.fixture
def hooked():
    """(session, what its custom operators do: a list whose last function they call)."""
    onnx = pytest.importorskip("onnx")
    hooks = [lambda: None]

    def hook(x):
        hooks[-1]()
        return x
    cinfer.register_op("test.closing", "Hook")(hook)
    return cinfer.load(onnx.parser.parse_model(PARTS).SerializeToString()), hooks


@pytest.mark.parametrize("elsewhere", (False, True))
def test_a_run_of_several_parts_comes_to_its_end(hooked, elsewhere):
    session, hooks = hooked
    expected, = session.run(None, FEED)
    calls = []

    def close():
        calls.append(1)
        if len(calls) == 2:
            if elsewhere:
                thread = threading.Thread(target=session.close)
                thread.start()
                thread.join(20)
                assert not thread.is_alive()
            else:
                session.close()
            with pytest.raises(cinfer.Error, match="closed"):
                session.run(None, FEED)
    hooks.append(close)
    found, = session.run(None, {"x": FEED["x"]})
    assert np.array_equal(found, expected) and len(calls) == 4
    assert not session._plans.routines and not session._pool.free and session._pool.closed
    with pytest.raises(cinfer.Error, match="closed"):
        session.run(None, FEED)


def test_a_run_that_fails_closes_as_well(hooked):
    session, hooks = hooked

    def fail():
        session.close()
        raise RuntimeError("the operator's own")
    hooks.append(fail)
    with pytest.raises(RuntimeError, match="own"):
        session.run(None, FEED)
    assert session._pool.closed and not session._plans.routines


def test_nothing_waits_for_the_garbage_collector():
    m = Model()
    x = m.input("x", 1, 3, 8, 8, declared=(1, 3, "h", "w"))
    model = m.outputs(m.conv(m.Relu(m.conv(x, 3, 40, 3)), 40, 8, 3)).bytes()
    gc.collect()
    gc.disable()
    try:
        session = cinfer.load(model, threads=1)
        for h in range(4, 12):                          # a recording too
            session.run(None, {"x": np.ones((1, 3, h, 8), np.float32)})
        assert session._packed.recordings
        weights = [weakref.ref(array) for array in session._graph.constants.values()]
        session.close()
        assert weights and not any(each() is not None for each in weights)
        gone = weakref.ref(session)
        del session
        assert gone() is None
    finally:
        gc.enable()


def test_a_closed_session_does_not_hold_its_file(tmp_path):
    path = tmp_path / "large.onnx"
    m = Model()
    path.write_bytes(m.outputs(m.MatMul(m.input("x", 1, 1200), m.weights(1200, 1200))).bytes())
    session = cinfer.load(path)
    mapped = weakref.ref(session._source.data)
    session.run(None, {"x": np.ones((1, 1200), np.float32)})
    session.close()
    assert mapped() is None


def test_a_closed_session_says_so():
    with cinfer.load(network(declared=FREE).bytes(), threads=1) as session:
        session.run(None, {"images": X})
    for call in (lambda: session.run(None, {"images": X}), lambda: session(X), lambda: session.memory(),
                 lambda: session.warmup(None), lambda: session.warmup([]), lambda: pickle.dumps(session),
                 lambda: session.profile({"images": X})):
        with pytest.raises(cinfer.Error) as caught:
            call()
        assert str(caught.value) == "this session is closed; load the model again"
    session.close(), session.trim(), session.cancel()
    assert session.inputs[0].name == "images" and not session._plans.routines and not session._pool.free
    assert not session._source.data                 # the model's bytes are gone too


def test_nothing_of_a_closed_session_answers():
    session = cinfer.load(network(declared=FREE).bytes())
    session.close()
    for use in (session.summary, session.memory, session.profile, session.__enter__):
        with pytest.raises(cinfer.Error, match="closed"):
            use()


def test_runs_under_way_come_to_their_end_when_the_session_is_closed():
    data = network(2, 64, 64).bytes()
    x = {"images": pixels(2, 3, 64, 64)}
    want = cinfer.load(data, threads=1).run(None, x)[0].tobytes()
    for _ in range(20):
        session, seen = cinfer.load(data, threads=2), []

        def work():
            try:
                while True:
                    seen.append(session.run(None, x)[0].tobytes())
            except Exception as error:
                seen.append(error)
        workers = [threading.Thread(target=work) for _ in range(2)]
        for worker in workers:
            worker.start()
        time.sleep(0.01)
        session.close()
        for worker in workers:
            worker.join(30)
        errors = [y for y in seen if not isinstance(y, bytes)]
        assert [type(e) for e in errors] == [cinfer.Error] * 2
        assert all("closed" in str(e) for e in errors)
        assert {y for y in seen if isinstance(y, bytes)} <= {want} and not session._pool.free


ENDLESS = """<ir_version: 9, opset_import: ["" : 18]> g (float[n] x, int64 m, float[1] w) => (float y)
    <int64 m = {3}, float[1] w = {1}> {
    y = Loop <body = b (int64 i, bool c, float[n] v) => (bool d, float[n] e)
        { d = Identity (c)  e = Add (v, w) }> (m, , x) }"""


@pytest.mark.parametrize("before", [(), ("trim",), ("close",), ("trim", "close"), ("another",)], ids=str)
@pytest.mark.parametrize("fed", [False, True])
def test_cancel_reaches_every_run(before, fed):
    """Also one that was given a value for an input with a default, whatever became of the session meanwhile."""
    onnx = pytest.importorskip("onnx")
    text = ENDLESS if fed else ENDLESS.replace("int64 m = {3}, ", "")
    session, seen = cinfer.load(onnx.parser.parse_model(text).SerializeToString(), threads=1), []
    x = np.ones(4, np.float32)

    def work():
        try:
            session.run(None, {"x": x, "m": np.array(10**9)}, timeout=60)
        except cinfer.Error as error:
            seen.append(error)
    worker = threading.Thread(target=work)
    worker.start()
    time.sleep(0.1)
    for what in before:
        if what != "another":
            getattr(session, what)()
        elif fed:
            session.run(None, {"x": x, "m": np.array(1), "w": np.ones(1, np.float32)})
    session.cancel()
    worker.join(50)
    assert [str(error) for error in seen] == ["the run was cancelled"]
