"""Steps of several jobs: each tile runs once, whoever draws it, and a step sees what the one before wrote."""
import numpy as np
from hypothesis import given, settings, strategies as st

from cinfer import _ops

WIDTH = 4                               # floats of a tile
ONE = np.ones(1, np.float32)


def add_one(table, x, tiles):
    """A job: to each of `tiles` rows of x one is added."""
    address, one = x.ctypes.data, ONE.ctypes.data
    strides = [0, 0, 0, 0, WIDTH, 1]
    packed = table.pack("zip", a=(0, address), b=(0, one), y=(0, address), dims=[1, 1, 1, 1, tiles, WIDTH],
                        bs=[0] * 6, ys=strides, op=table.binary["add"], outer=1, as_=strides)
    return "zip", packed, tiles


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.integers(1, 11), min_size=1, max_size=4), min_size=1, max_size=5),
       st.integers(1, 5))
def test_each_tile_of_each_job_runs_once(steps, threads):
    table, executor = _ops.table(), _ops.executor()
    values = [[np.zeros(n * WIDTH, np.float32) for n in jobs] for jobs in steps]
    program = executor.Program(table, [[add_one(table, x, n) for x, n in zip(xs, jobs)]
                                       for xs, jobs in zip(values, steps)] * 2, 0)
    for _ in range(3):
        program.run(program.workspace(threads), [], threads)
    for x in (x for xs in values for x in xs):
        assert (x == 6).all()


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(1, 200), st.integers(2, 4))
def test_steps_run_one_after_the_other(tiles, count, threads):
    table, executor = _ops.table(), _ops.executor()
    x = np.zeros(tiles * WIDTH, np.float32)
    program = executor.Program(table, [[add_one(table, x, tiles)]] * count, 0)
    program.run(program.workspace(threads), [], threads)
    assert (x == count).all()
