"""onehot against the standard's words, at every level."""
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import cinfer._ops as ops
from strided import LEVELS, at, run

ELEMENTS = ops.table(LEVELS[0]).elements
INDICES = ["bool", "uint8", "int8", "uint16", "int16", "int32", "int64", "float16", "float32", "float64"]


def classes(rng, dtype, shape, depth):
    """Classes, what is just none, limits of the type, NaN."""
    dtype = np.dtype(dtype)
    i = rng.integers(-depth - 2, depth + 2, shape)
    if dtype.kind == "f":
        some = rng.choice([np.nan, np.inf, -np.inf, .5, -.5, -.0, -depth - .5, depth - .5], shape)
        return np.where(rng.random(shape) < .7, i, some).astype(dtype)
    if dtype.kind == "b":
        return i > 0
    limits = np.iinfo(dtype)
    return np.where(rng.random(shape) < .9, i, rng.choice([limits.min, limits.max], shape)).astype(dtype)


def by_words(i, depth, v, axis):
    i = i.astype(np.int64 if i.dtype.kind in "iu" else np.float64)
    with np.errstate(invalid="ignore"):
        i = np.trunc(np.where(i < 0, i + depth, i))
    hit = np.stack([i == d for d in range(depth)], axis)
    return np.where(hit, v[1], v[0])


@settings(max_examples=80, deadline=None)
@given(data=st.data(), rows=st.integers(1, 9), n=st.sampled_from([1, 1, 2, 17, 300, 1025]), depth=st.integers(1, 40),
       kind=st.sampled_from(INDICES), size=st.sampled_from(["bool", "float16", "float32", "int64"]),
       step=st.integers(0, 3), outer=st.integers(1, 9), columns=st.integers(1, 400))
@pytest.mark.parametrize("level", LEVELS)
def test_onehot(level, data, rows, n, depth, kind, size, step, outer, columns):
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    i = classes(rng, kind, (rows, n), depth)
    v = np.arange(1 + max(1, step), dtype=np.float32).astype(size)
    pair = v[[0, step]]
    y = np.full((rows * depth + 2, n), 7).astype(size)
    tiles = -(-rows // outer) * -(-n // columns)
    run(level, "onehot", tiles, i=at(i), v=at(v), y=at(y[1:]), rows=rows, n=n, depth=depth, element=ELEMENTS[kind],
        size=y.itemsize, vs=step, outer=outer, columns=columns)
    np.testing.assert_array_equal(y[1:-1].reshape(rows, depth, n), by_words(i, depth, pair, 1),
                                  err_msg=f"{level} {kind} {rows} {n} {depth}")
    assert (y[[0, -1]] == np.array(7).astype(size)).all(), "wrote elsewhere"
