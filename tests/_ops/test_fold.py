"""Reductions of other types than float32 against NumPy, over axes and strides, at every level."""
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import cinfer._ops as ops
from strided import LEVELS, at, laid_out, layouts, padded, run, sizes, strides

ELEMENTS = ops.table(LEVELS[0]).elements
INTS = ["uint8", "int8", "uint16", "int16", "int32", "int64"]


def mean(x, axis):
    """Cut towards zero."""
    total, count = x.sum(axis), x.size // max(1, x.sum(axis).size)
    return total / count if x.dtype.kind == "f" else np.sign(total) * (np.abs(total) // count)


OPS = [np.sum, mean, np.max, np.min, np.prod, lambda x, axis: np.square(x).sum(axis, x.dtype),
       lambda x, axis: np.abs(x).sum(axis, x.dtype)]


def fold(level, op, x, axes, y, outer, then=0):
    kept = [a for a in range(x.ndim) if a not in axes]

    def steps(view, axes):
        return [0] * (4 - len(axes)) + [view.strides[a] // view.itemsize for a in axes]
    dims = padded([x.shape[a] for a in kept], 4)
    run(level, "fold", -(-int(np.prod(dims[:3])) // outer), x=at(x), y=at(y), dims=dims, xs=steps(x, kept),
        ys=strides(y, y.shape, 4), rdims=padded([x.shape[a] for a in axes], 4), rs=steps(x, axes), op=op, then=then,
        element=ELEMENTS[x.dtype.name], outer=outer)


@settings(max_examples=100, deadline=None)
@given(data=st.data(), shape=sizes(), dtype=st.sampled_from([*INTS, "bool", "float64"]), op=st.integers(0, 6),
       outer=st.integers(1, 40))
@pytest.mark.parametrize("level", LEVELS)
def test_fold(level, data, shape, dtype, op, outer):
    if dtype == "bool":
        op = 2 + op % 2
    axes = tuple(sorted(data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1))))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    if dtype == "bool":
        values = rng.random(shape) < data.draw(st.sampled_from([.01, .5, .99]))
    elif dtype == "float64":
        values = rng.normal(size=shape) if op != 4 else np.exp(.01 * rng.normal(size=shape))
    else:
        values = rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, dtype, endpoint=True)
        if op == 1 and dtype == "int64":
            values >>= 20                       # no sum overflows
    x, _ = laid_out(values, data.draw(layouts(len(shape))))
    wanted = np.asarray(OPS[op](values, axes)).astype(dtype)
    y, memory = laid_out(np.zeros(wanted.shape, dtype), data.draw(layouts(wanted.ndim)))
    before = memory.copy()
    fold(level, op, x, axes, y, outer)
    what = f"{level} {dtype} {op} {shape} over {axes} {x.strides}"
    if dtype == "float64":
        np.testing.assert_allclose(y, wanted, rtol=1e-12, atol=1e-12, err_msg=what)
    else:
        np.testing.assert_array_equal(y, wanted, err_msg=what)
    y[...] = 0
    np.testing.assert_array_equal(memory, before, err_msg="wrote elsewhere")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("op", [2, 3])
def test_maximum_and_minimum_keep_nan(level, op):
    for shape, axis in ((70,), 0), ((70, 5), 0), ((5, 70), 1):
        for place in 0, 33, 69:
            x = np.random.default_rng(place).standard_normal(shape)
            np.moveaxis(x, axis, 0)[place] = np.nan
            y = np.zeros(np.moveaxis(x, axis, 0)[0].shape)
            fold(level, op, x, (axis,), y, 1)
            assert np.isnan(y).all()


@pytest.mark.parametrize("level", LEVELS)
def test_root_and_logarithm(level):
    x = np.random.default_rng(1).uniform(0, 1, (7, 30))
    y = np.zeros(7)
    fold(level, 5, x, (1,), y, 3, then=1)
    np.testing.assert_allclose(y, np.sqrt(np.square(x).sum(1)), rtol=1e-14)
    fold(level, 0, x, (1,), y, 3, then=2)
    np.testing.assert_allclose(y, np.log(x.sum(1)), rtol=1e-14)
