"""Products in steps in NumPy: on no more threads than the session's; the host program's BLAS is left
alone."""
import os
import threading
import time

import numpy as np
import pytest

import cinfer
from cinfer import _ops
from cinfer.ops import numeric
from cinfer.run.products import Products

from onnx_models import Model, assert_close, expected

TABLES = [_ops.table(level) for level in _ops.usable_levels()]
RNG = np.random.default_rng(4)

SHAPES = [((5,), (5,)), ((5,), (5, 7)), ((3, 5), (5,)), ((1, 1), (1, 1)), ((1, 5), (5, 3)),
          ((2, 17), (17, 33)), ((3, 2, 64), (64, 128)), ((300, 200), (200, 130)),
          ((2, 3, 40, 30), (2, 3, 30, 20)), ((2, 1, 40, 30), (3, 30, 20)), ((4, 3), (7, 3, 2)),
          ((70, 3000), (3000, 65)), ((0, 3), (3, 2)), ((2, 0), (0, 3))]


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.level)
@pytest.mark.parametrize("dtype, most", [(np.float32, 2e-5), (np.float64, 1e-13)])
@pytest.mark.parametrize("a, b", SHAPES, ids=str)
def test_products_are_those_of_numpy(table, dtype, most, a, b):
    a, b = (RNG.standard_normal(shape).astype(dtype) for shape in (a, b))
    want = np.matmul(a.astype(float), b.astype(float))
    found = set()
    for threads in (1, 2, 5):
        for turned in (b, b.T.copy().T):
            got = Products(table, threads)(a, turned)
            assert got.dtype == dtype and got.shape == want.shape
            assert np.abs(got - want).max(initial=0) <= most * np.abs(want).max(initial=1)
        found.add(got.tobytes())
    assert len(found) == 1, "bits depend on the number of threads"


def test_all_else_is_left_to_numpy():
    products = Products(TABLES[0], 1)
    a, b = np.arange(6).reshape(2, 3), np.arange(12).reshape(3, 4)
    assert np.array_equal(products(a, b), a @ b) and products(a, b).dtype == a.dtype
    mixed = products(a.astype(np.float32), b.astype(float))
    assert mixed.dtype == float and np.array_equal(mixed, a @ b)
    with pytest.raises(ValueError):
        products(np.ones((2, 3), np.int64), np.ones((2, 3), np.int64))


def test_numpys_again_behind_a_run():
    m = Model(seed=2)
    session, feeds = cinfer.load(m.outputs(lstm(m)).bytes()), m.feeds()
    session.run(None, feeds)
    assert numeric.multiply.get() is np.matmul


def lstm(m, hidden=24, kind="LSTM", gates=4, batch=2, steps=7, width=10, direction="bidirectional"):
    """With a function that no kernel has."""
    count = 2 if direction == "bidirectional" else 1
    names = count * {"RNN": ["ScaledTanh"], "GRU": ["Sigmoid", "ScaledTanh"],
                     "LSTM": ["Sigmoid", "ScaledTanh", "Tanh"]}[kind]
    x = m.input("x", steps, batch, width)
    return m.node(kind, x, m.weights(count, gates * hidden, width), m.weights(count, gates * hidden, hidden),
                  m.vector(count, 2 * gates * hidden), hidden_size=hidden, direction=direction,
                  activations=names, activation_alpha=count * [1.0], activation_beta=count * [1.0])


@pytest.mark.parametrize("kind, gates", [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_recurrent_steps_use_it(monkeypatch, kind, gates):
    m = Model(seed=2)
    data = m.outputs(lstm(m, kind=kind, gates=gates)).bytes()
    calls = []
    of_before = Products.__call__
    monkeypatch.setattr(Products, "__call__", lambda *a: calls.append(1) or of_before(*a))
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


STEPS = {
    "float64": lambda m: m.Cast(
        m.MatMul(m.input("x", 300, 300, dtype=np.float64), np.ones((300, 300))), to=1),
    "einsum": lambda m: m.Einsum(
        m.input("x", 2, 200, 300), m.input("y", 2, 300, 200), equation="bij,bjk->bki"),
    "three axes": lambda m: m.Conv(m.input("x", 1, 16, 12, 20, 20), m.weights(32, 16, 3, 3, 3)),
}


@pytest.mark.parametrize("name", STEPS)
def test_no_other_thread_works(name):
    """CPU time of the process is no more than time, whatever the machine does besides."""
    m = Model(seed=4)
    data = m.outputs(STEPS[name](m)).bytes()
    session, feeds = cinfer.load(data, threads=1), m.feeds()
    for y, want in zip(session.run(None, feeds), expected(data, feeds), strict=True):
        assert_close(y, want, name, 1e-5)
    cpu, begun = time.process_time(), time.perf_counter()
    while time.perf_counter() < begun + 0.3:
        session.run(None, feeds)
    assert time.process_time() - cpu < 1.2 * (time.perf_counter() - begun)
