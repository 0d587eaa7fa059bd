"""Recurrent steps in NumPy: our own products, on the session's thread; the host program's BLAS is left alone."""
import os
import threading

import numpy as np
import pytest

import cinfer
from cinfer import _ops
from cinfer.run import products
from cinfer.run.products import Weights, product, weights

from onnx_models import Model, assert_close, expected

TABLES = [_ops.table(level) for level in _ops.usable_levels()]
RNG = np.random.default_rng(4)


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.level)
@pytest.mark.parametrize("shape, n", [((1, 1), 1), ((1, 5), 3), ((2, 17), 33), ((3, 2, 64), 128),
                                      ((7, 1, 31), 15)])
@pytest.mark.parametrize("turned", [False, True])
def test_product_matches_float64(table, shape, n, turned):
    x = RNG.standard_normal(shape, np.float32)
    w = RNG.standard_normal((n, shape[-1]) if turned else (shape[-1], n), np.float32)
    held = weights(w, table)
    got = x @ (held.T if turned else held)
    want = x.astype(float) @ (w.T if turned else w).astype(float)
    assert type(got) is np.ndarray and got.shape == want.shape
    np.testing.assert_allclose(got, want, atol=2e-5)        # sums of 64 terms of size 1


def test_all_else_is_as_for_any_array(monkeypatch):
    monkeypatch.setattr(products, "product", lambda *_: pytest.fail("no product for the kernel"))
    w = RNG.standard_normal((2, 6, 5), np.float32)
    held = weights(w, TABLES[0])
    x = RNG.standard_normal((3, 6), np.float32)
    assert np.array_equal(x @ held[0][:, ::-1], x @ w[0][:, ::-1])
    assert np.array_equal(x.astype(float) @ held[1], x.astype(float) @ w[1])
    assert np.array_equal(x @ held, x @ w) and np.array_equal(held[0].T @ x.T, w[0].T @ x.T)
    assert type(held + 1) is np.ndarray and np.array_equal(held + 1, w + 1)
    out = np.empty_like(w)
    assert np.add(held, held, out=out) is out and np.array_equal(out, w + w)
    assert np.array_equal(np.add.reduce(held), np.add.reduce(w))
    assert held[0].astype(np.float32) is not held and isinstance(held[0].astype(np.float32), Weights)
    assert held.astype(np.float64).dtype == np.float64 and np.array_equal(np.concatenate([held]), w)
    assert weights(None, TABLES[0]) is None and weights(out.astype(int), TABLES[0]).dtype == int


def lstm(m, hidden=24, kind="LSTM", gates=4, batch=2, steps=7, width=10, direction="bidirectional"):
    count = 2 if direction == "bidirectional" else 1
    x = m.input("x", steps, batch, width)
    return m.node(kind, x, m.weights(count, gates * hidden, width), m.weights(count, gates * hidden, hidden),
                  m.vector(count, 2 * gates * hidden), hidden_size=hidden, direction=direction)


@pytest.mark.parametrize("kind, gates", [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_recurrent_steps_use_it(monkeypatch, kind, gates):
    m = Model(seed=2)
    data = m.outputs(lstm(m, kind=kind, gates=gates)).bytes()
    calls = []
    monkeypatch.setattr(products, "product", lambda *a: calls.append(1) or product(*a))
    feeds = m.feeds()
    got = cinfer.load(data, threads=1).run(None, feeds)
    assert len(calls) >= 2 * (1 + 7)
    for y, want in zip(got, expected(data, feeds)):
        assert_close(y, want, kind, 1e-5)


def blas_threads():
    """The library's function that says how many threads it has, and sets them; None where there is none."""
    import ctypes
    from pathlib import Path
    for path in Path(np.__file__).parents[1].glob("numpy.libs/libscipy_openblas*"):
        library = ctypes.CDLL(str(path))
        return library.scipy_openblas_get_num_threads64_, library.scipy_openblas_set_num_threads64_
    return None


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="Linux")
def test_the_setting_of_blas_is_the_host_programs():
    blas = blas_threads()
    if blas is None:
        pytest.skip("NumPy has another BLAS")
    get, put = blas
    before, seen, ended = get(), set(), []
    m = Model(seed=2)
    data = m.outputs(lstm(m, hidden=256, steps=100, width=256)).bytes()
    session, feeds = cinfer.load(data, threads=1), m.feeds()

    def watch():
        while not ended:
            seen.add(get())
    try:
        put(3)
        watcher = threading.Thread(target=watch)
        watcher.start()
        session.run(None, feeds)
        ended.append(True)
        watcher.join()
        assert seen == {3} and get() == 3
    finally:
        put(before)
