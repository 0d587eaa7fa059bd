"""nonzero against numpy.nonzero, at every level."""
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from strided import LEVELS, at, run

KINDS = ["bool", "int8", "uint8", "int16", "int32", "uint32", "int64", "float16", "float32", "float64"]


@settings(max_examples=60, deadline=None)
@given(shape=st.lists(st.integers(1, 9), min_size=1, max_size=8), kind=st.sampled_from(KINDS), share=st.floats(0, 1),
       seed=st.integers(0, 99))
@pytest.mark.parametrize("level", LEVELS)
def test_nonzero(level, shape, kind, share, seed):
    while np.prod(shape) > 3000:
        shape[shape.index(max(shape))] //= 2
    rng = np.random.default_rng(seed)
    some = [1, 2, 100] if kind[0] != "f" else [1, np.nan, -np.inf, np.finfo(kind).smallest_subnormal, -0.0]
    x = np.where(rng.random(shape) < share, rng.choice(np.array(some, kind), shape), np.zeros((), kind))
    want = np.array(np.nonzero(x.view(f"i{x.itemsize}") << 1 if kind[0] == "f" else x))
    y = np.full(3 + x.ndim * x.size, 7, np.int64)
    run(level, "nonzero", 1, x=at(x), y=at(y[1:]), dims=[*shape, *[1] * (8 - x.ndim)], rank=x.ndim, n=x.size,
        size=x.itemsize, signless=kind[0] == "f")
    assert y[1] == want.shape[1]
    np.testing.assert_array_equal(y[2:2 + want.size].reshape(want.shape), want)
    assert y[0] == y[-1] == 7, "wrote elsewhere"
