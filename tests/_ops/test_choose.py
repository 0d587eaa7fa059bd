"""choose and arithmetic: Where, comparisons, logic and arithmetic against NumPy, of all strides and broadcasts, at
every level."""
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import cinfer._ops as ops
from strided import LEVELS, at, laid_out, layouts, padded, run, sizes, strides

ELEMENTS = ops.table(LEVELS[0]).elements
OPS = {"where": np.where, "equal": np.equal, "greater": np.greater, "greater_equal": np.greater_equal,
       "and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor, "add": np.add, "sub": np.subtract,
       "mul": np.multiply, "mod": np.mod, "fmod": np.fmod}
COMPARED = [name for name in ELEMENTS if name != "float16"]
NUMBERS = [name for name in COMPARED if name != "bool"]


def broadcastable(data, shape):
    """A shape that broadcasts to this one."""
    drop = data.draw(st.integers(0, len(shape)))
    ones = data.draw(st.lists(st.booleans(), min_size=len(shape), max_size=len(shape)))
    return tuple(1 if one else d for one, d in zip(ones, shape))[drop:]


def operand(data, dtype, shape):
    rng = np.random.default_rng(sum(shape))
    small = broadcastable(data, shape) if data.draw(st.booleans()) else shape
    content = np.asarray(rng.integers(0, 2 if dtype == "bool" else 5, small)).astype(dtype)
    if content.dtype.kind == "f" and content.ndim:
        content[content == 4], content[content == 3] = np.nan, -0.0
    if dtype == "int64":
        content = content << 33
    return laid_out(content, data.draw(layouts(len(small))))[0]


def choose(level, op, c, a, b, shape, y, outer, threads=2):
    more = {} if c is None else dict(c=at(c), cs=strides(c, shape))
    tiles = -(-int(np.prod(shape[:-1])) // outer)
    if op == "where":
        more |= dict(size=a.itemsize)
    else:
        more |= dict(op=ops.table(level).arithmetic[op], element=ELEMENTS[a.dtype.name])
    run(level, "choose" if op == "where" else "arithmetic", tiles, threads, a=at(a), b=at(b), y=at(y),
        dims=padded(shape), bs=strides(b, shape), ys=strides(y, shape), outer=outer, as_=strides(a, shape),
        **more)


@settings(max_examples=80, deadline=None)
@given(data=st.data(), shape=sizes(), op=st.sampled_from(list(OPS)), outer=st.integers(1, 60))
@pytest.mark.parametrize("level", LEVELS)
def test_against_numpy(level, data, shape, op, outer):
    types = {"where": list(ELEMENTS), "and": ["bool"], "or": ["bool"], "xor": ["bool"], "equal": COMPARED,
             "greater": COMPARED, "greater_equal": COMPARED}
    dtype = data.draw(st.sampled_from(types.get(op, NUMBERS)))
    a, b = operand(data, dtype, shape), operand(data, dtype, shape)
    c = operand(data, "bool", shape) if op == "where" else None
    full = [np.broadcast_to(v, shape) for v in (a, b)]
    with np.errstate(all="ignore"):
        wanted = np.where(np.broadcast_to(c, shape), *full) if op == "where" else OPS[op](*full)
    y, memory = laid_out(np.zeros(shape, wanted.dtype), data.draw(layouts(len(shape))))
    before = memory.copy()
    choose(level, op, c, a, b, shape, y, outer)
    np.testing.assert_array_equal(y, wanted, err_msg=f"{level} {op} {dtype} {shape}")
    if op == "where":
        bits = np.dtype(f"u{wanted.itemsize}")
        np.testing.assert_array_equal(np.ascontiguousarray(y).view(bits), np.ascontiguousarray(wanted).view(bits))
    y[...] = 0
    np.testing.assert_array_equal(memory, before, err_msg="wrote elsewhere")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("op", ["equal", "greater", "greater_equal"])
def test_comparisons_of_special_floats(level, op):
    special = np.array([np.nan, -np.nan, 0, -0.0, np.inf, -np.inf, 1, -1, 3.4e38, 1.2e-38], np.float32)
    a, b = (np.ascontiguousarray(v.reshape(1, -1)) for v in np.meshgrid(special, special))
    y = np.zeros(a.shape, bool)
    choose(level, op, None, a, b, a.shape, y, 1)
    np.testing.assert_array_equal(y, OPS[op](a, b))
