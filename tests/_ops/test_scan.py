"""Running sums and products against NumPy, bit by bit, over all axes and strides, at every level."""
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import cinfer._ops as ops
from strided import LEVELS, at, laid_out, layouts, padded, run, sizes, strides

ELEMENTS = ops.table(LEVELS[0]).elements


def scan(level, x, axis, how={}, op=0, exclusive=False, reverse=False, outer=3, columns=70):
    y, memory = laid_out(np.zeros(x.shape, x.dtype), how or {"order": range(x.ndim), "steps": [1] * x.ndim, "gap": 0})
    before = memory.copy()
    dims = padded(np.moveaxis(x, axis, 0)[0].shape, 4)
    views = [np.flip(v, axis) if reverse else v for v in (x, y)]
    xs, ys = (strides(np.moveaxis(v, axis, 0)[0], np.moveaxis(v, axis, 0)[0].shape, 4) for v in views)
    rs, rt = (v.strides[axis] // v.itemsize for v in views)
    run(level, "scan", -(-int(np.prod(dims[:3])) // outer) * -(-dims[3] // columns), x=at(views[0]), y=at(views[1]),
        dims=dims, xs=xs, ys=ys, n=x.shape[axis], rs=rs, rt=rt, op=op, element=ELEMENTS[x.dtype.name],
        exclusive=exclusive, outer=outer, columns=columns)
    result = y.copy()
    y[...] = 0
    np.testing.assert_array_equal(memory, before, err_msg="wrote elsewhere")
    return result


def by_loop(x, axis, op, exclusive, reverse):
    """One after another, from the standard; float32 in float64."""
    rows = np.moveaxis(np.flip(x, axis) if reverse else x, axis, 0)
    wide = rows.astype(np.float64 if x.dtype.kind == "f" else x.dtype)
    total, y = np.full(rows.shape[1:], op, wide.dtype), []
    for row in wide:
        with np.errstate(over="ignore"):
            before, total = total, total * row if op else total + row
        y.append(before if exclusive else total)
    y = np.moveaxis(np.array(y).astype(x.dtype), 0, axis)
    return np.flip(y, axis) if reverse else y


@settings(max_examples=80, deadline=None)
@given(data=st.data(), shape=sizes(), dtype=st.sampled_from(["float32", "float64", "int32", "int64"]),
       op=st.integers(0, 1), exclusive=st.booleans(), reverse=st.booleans(), outer=st.integers(1, 40),
       columns=st.integers(1, 300))
@pytest.mark.parametrize("level", LEVELS)
def test_scan(level, data, shape, dtype, op, exclusive, reverse, outer, columns):
    axis = data.draw(st.integers(0, len(shape) - 1))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    if dtype.startswith("f"):               # products that do not vanish: kernels flush subnormal numbers
        numbers = rng.choice([-1, 1], shape) + .01 * rng.normal(size=shape)
    else:
        numbers = rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape)
    x, _ = laid_out(numbers.astype(dtype), data.draw(layouts(len(shape))))
    y = scan(level, x, axis, data.draw(layouts(len(shape))), op, exclusive, reverse, outer, columns)
    np.testing.assert_array_equal(y, by_loop(x, axis, op, exclusive, reverse),
                                  err_msg=f"{level} {dtype} {shape} axis {axis} {x.strides}")
