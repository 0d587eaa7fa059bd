"""extreme (ArgMax, ArgMin) and top (TopK) against plain Python, over all axes and strides, at every level."""
from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import cinfer._ops as ops
from strided import LEVELS, at, laid_out, layouts, padded, run, sizes, strides

ELEMENTS = ops.table(LEVELS[0]).elements
TYPES = ["bool", "uint8", "int8", "uint16", "int16", "int32", "uint32", "int64", "uint64", "float16", "float32",
         "float64"]


def kind(dtype):
    """How the kernels are told of a type."""
    no_sign = dtype in ("uint32", "uint64")
    return {"element": ELEMENTS[dtype[1:] if no_sign else dtype], "no_sign": no_sign}


def ranked(row, smallest):
    """Places of a row's values, the first of them first: of equals the lower place, NaN above all."""
    def key(i):
        v = row[i].item()
        v = (1, 0.0) if isnan(v) else (0, v)
        return (v if smallest else (-v[0], -v[1])), i
    return sorted(range(len(row)), key=key)


def extreme_of(row, smallest, last):
    """The place of the extreme of a row, where a NaN is one."""
    numbers = row.tolist()
    best = [i for i, v in enumerate(numbers) if isnan(v)]
    if not best:
        wanted = min(numbers) if smallest else max(numbers)
        best = [i for i, v in enumerate(numbers) if v == wanted]
    return best[-1 if last else 0]


def content(data, dtype, shape):
    """Few different values, so that many are equal; limits, infinities, subnormal numbers, sometimes NaN."""
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    if np.dtype(dtype).kind == "f":
        tiny = float(np.finfo(dtype).smallest_subnormal)
        some = [0, -0.0, 1, -1, 2.5, np.inf, -np.inf, tiny, -tiny, 3 * tiny]
        some += [np.nan] * data.draw(st.integers(0, 1))
        spread = rng.standard_normal(shape).astype(dtype)
        return np.where(rng.random(shape) < .5, rng.choice(np.array(some, dtype), shape), spread)
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    limits = np.iinfo(dtype)
    return rng.choice(np.array([limits.min, limits.max, limits.max - 1, 0, 1, 2, 100], dtype), shape)


def kept(x, axis):
    """(shape, strides in elements) of four axes without this one."""
    view = np.moveaxis(x, axis, 0)[0]
    return padded(view.shape, 4), strides(view, view.shape, 4)


@settings(max_examples=80, deadline=None)
@given(data=st.data(), shape=sizes(), dtype=st.sampled_from(TYPES), smallest=st.booleans(),
       last=st.booleans(), outer=st.integers(1, 40), columns=st.integers(1, 300))
@pytest.mark.parametrize("level", LEVELS)
def test_extreme(level, data, shape, dtype, smallest, last, outer, columns):
    axis = data.draw(st.integers(0, len(shape) - 1))
    values = content(data, dtype, shape)
    wanted = np.apply_along_axis(extreme_of, axis, values, smallest, last) if len(shape) > 1 else \
        np.array(extreme_of(values, smallest, last))
    x, _ = laid_out(values, data.draw(layouts(len(shape))))
    y, memory = laid_out(np.zeros(wanted.shape, np.int64), data.draw(layouts(wanted.ndim)))
    before = memory.copy()
    dims, xs = kept(x, axis)
    tiles = -(-int(np.prod(dims[:3])) // outer) * -(-dims[3] // columns)
    run(level, "extreme", tiles, x=at(x), y=at(y), dims=dims, xs=xs,
        ys=strides(y, y.shape, 4), n=shape[axis], rs=x.strides[axis] // x.itemsize, smallest=smallest, last=last,
        outer=outer, columns=columns, **kind(dtype))
    np.testing.assert_array_equal(y, wanted, err_msg=f"{level} {dtype} {shape} axis {axis} {x.strides}")
    y[...] = 0
    np.testing.assert_array_equal(memory, before, err_msg="wrote elsewhere")


@settings(max_examples=80, deadline=None)
@given(data=st.data(), shape=sizes(), dtype=st.sampled_from(TYPES), smallest=st.booleans(),
       outer=st.integers(1, 40))
@pytest.mark.parametrize("level", LEVELS)
def test_top(level, data, shape, dtype, smallest, outer):
    axis = data.draw(st.integers(0, len(shape) - 1))
    k = data.draw(st.integers(1, shape[axis]))
    values = content(data, dtype, shape)
    places = np.apply_along_axis(lambda row: np.array(ranked(row, smallest)[:k]), axis, values)
    wanted = np.take_along_axis(values, places, axis)
    x, _ = laid_out(values, data.draw(layouts(len(shape))))
    how = data.draw(layouts(len(shape)))
    v, memory = laid_out(np.zeros(wanted.shape, dtype), how)
    i, _ = laid_out(np.zeros(wanted.shape, np.int64), how)
    before = memory.copy()
    dims, xs = kept(x, axis)
    run(level, "top", -(-int(np.prod(dims)) // outer), x=at(x), v=at(v),
        i=at(i), dims=dims, xs=xs, ys=kept(v, axis)[1], n=shape[axis], rs=x.strides[axis] // x.itemsize, k=k,
        ks=v.strides[axis] // v.itemsize, smallest=smallest, outer=outer, **kind(dtype))
    what = f"{level} {dtype} {shape} axis {axis} k {k} smallest {smallest} {x.strides}"
    np.testing.assert_array_equal(i, places, err_msg=what)
    assert np.ascontiguousarray(v).tobytes() == np.ascontiguousarray(wanted).tobytes(), f"{what}: no copies"
    v[...] = 0
    np.testing.assert_array_equal(memory, before, err_msg="wrote elsewhere")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("order", ["random", "ascending", "descending", "equal"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_top_of_long_rows(level, order, dtype):
    n = 50_000
    x = {"random": np.random.default_rng(1).random(n), "ascending": np.arange(n), "descending": -np.arange(n),
         "equal": np.ones(n)}[order].astype(dtype)
    for k in (1, 100, 1024, 4000, n):
        v, i = np.zeros(k, dtype), np.zeros(k, np.int64)
        run(level, "top", 1, x=at(x), v=at(v), i=at(i), dims=[1] * 4, n=n, rs=1, k=k, ks=1,
            outer=1, **kind(dtype))
        wanted = np.lexsort((np.arange(n), -x))[:k]
        np.testing.assert_array_equal(i, wanted, err_msg=f"{level} {order} k {k}")
        np.testing.assert_array_equal(v, x[wanted])
