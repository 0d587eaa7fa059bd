"""What a closed session gives back, and what of it goes on."""
import gc
import threading
import weakref

import numpy as np
import pytest

import cinfer
from onnx_models import Model

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
    assert not session._kept.routines and not session._pool.free and session._pool.closed
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
    assert session._pool.closed and not session._kept.routines


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
