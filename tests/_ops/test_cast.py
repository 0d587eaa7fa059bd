"""convert: every pair of element types against Cast, QuantizeLinear and DequantizeLinear in NumPy, to the
bit, over all kinds of strides, at every level."""
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import cinfer._ops as ops
from blocked import to_blocked
from cinfer.ops.cast import cast
from cinfer.ops.quantize import dequantize, quantize
from strided import LEVELS, at, laid_out, layouts, padded, run, sizes, strides

ELEMENTS = ops.table(LEVELS[0]).elements
DTYPES = [np.dtype(name) for name in ELEMENTS]
HOW = {"cast": 0, "quantise": 1, "dequantise": 2}


def values(dtype, count, seed=0):
    """Numbers of a type: its limits, halves, what overflows narrower types, NaN.

    Subnormal float32 and float64 are flushed during a run and left out.
    """
    rng = np.random.default_rng(seed)
    if dtype.kind == "b":
        return rng.integers(0, 2, count).astype(bool)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        some = [limits.min, limits.max, 0, 1, limits.max - 1, limits.max // 2 + 1]
        wide = rng.integers(limits.min, limits.max, count, dtype, endpoint=True)
        near = rng.integers(max(limits.min, -300), min(limits.max, 300), count, dtype, endpoint=True)
        return np.concatenate([np.array(some, dtype), np.where(rng.random(count) < .5, wide, near)])[-count:]
    bits = rng.integers(0, 1 << 16, count).astype(np.uint16).view(np.float16)
    some = np.array([0, -0.0, np.nan, np.inf, -np.inf, .5, 1.5, 2.5, -2.5, 255.5, 65504, 65519.9, 65520,
                     2**31 - 1, 2.0**31, -2.0**31, 3e9, -3e9, 2.0**33 + 3, 2.0**63, -2.0**63, 1e19, 6e-8,
                     2.0**-25, 2.9802325e-08, 6.1e-5, 1.0009765625 + 2.0**-40, 2.0**-25 + 2.0**-70])
    spread = rng.standard_normal(count) * 10.0 ** rng.integers(-6, 11, count)
    with np.errstate(all="ignore"):
        found = np.concatenate([spread, bits.astype(float), some]).astype(dtype)
    if dtype != np.float16:
        found[(found != 0) & (abs(found) < np.finfo(dtype).tiny)] = 0
    return found[-count:]


def same(got, wanted, what):
    """Equal bits, all NaN being one."""
    assert got.dtype == wanted.dtype
    number = ~np.isnan(wanted) if wanted.dtype.kind == "f" else np.ones(wanted.shape, bool)
    bits = np.dtype(f"u{wanted.itemsize}")
    np.testing.assert_array_equal(np.isnan(got) if got.dtype.kind == "f" else ~number, ~number, err_msg=what)
    np.testing.assert_array_equal(np.ascontiguousarray(got).view(bits)[number],
                                  np.ascontiguousarray(wanted).view(bits)[number], err_msg=what)


def convert(level, x, y, outer=10**9, threads=2, how="cast", s=None, z=None, axis=None, **limits):
    """y = x converted; s, z: arrays along `axis`, or of one number."""
    total = int(np.prod(y.shape[:-1]))
    more = {}
    if s is not None:
        along = [1] * y.ndim
        if axis is not None:
            along[axis] = -1
        more = dict(s=at(s), z=at(z), ss=strides(s.reshape(along), y.shape))
    more |= {"from_": ELEMENTS[x.dtype.name], "to": ELEMENTS[y.dtype.name]}
    run(level, "convert", -(-total // outer), threads, x=at(x), y=at(y), dims=padded(y.shape),
        xs=strides(x, y.shape), ys=strides(y, y.shape), outer=outer, how=HOW[how], **more, **limits)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("to", DTYPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_pair_of_types(level, dtype, to):
    for count in (1, 3, 15, 16, 17, 2500):
        x = values(dtype, count, seed=count)
        y = np.zeros(count + 2, to)
        convert(level, x, y[1:-1])
        with np.errstate(all="ignore"):
            wanted = cast(x, to)
        same(y[1:-1], wanted, f"{level} {dtype} -> {to}, {count} elements")
        assert not y[0] and not y[-1]


@pytest.mark.parametrize("level", LEVELS)
def test_every_float16(level):
    x = np.arange(1 << 16).astype(np.uint16).view(np.float16)
    wide, back = np.empty(x.size, np.float32), np.empty_like(x)
    convert(level, x, wide)
    same(wide, x.astype(np.float32), level)
    convert(level, wide, back)
    same(back, x, level)


@pytest.mark.parametrize("level", LEVELS)
def test_float16_between_its_numbers(level):
    """Half way between neighbours, and a little beside, from float32 and float64."""
    x = np.arange(0x7c00).astype(np.uint16).view(np.float16).astype(np.float64)
    middle = (x[1:] + x[:-1]) / 2
    for dtype in (np.float32, np.float64):
        m = middle.astype(dtype)
        found = np.concatenate([m, np.nextafter(m, dtype(0)), np.nextafter(m, dtype(1e9)), -m])
        y = np.empty(found.size, np.float16)
        convert(level, found, y)
        same(y, found.astype(np.float16), f"{level} {dtype}")


@settings(max_examples=60, deadline=None)
@given(data=st.data(), shape=sizes(), dtype=st.sampled_from(DTYPES), to=st.sampled_from(DTYPES),
       outer=st.integers(1, 60))
@pytest.mark.parametrize("level", LEVELS)
def test_all_strides(level, data, shape, dtype, to, outer):
    content = values(dtype, int(np.prod(shape))).reshape(shape)
    with np.errstate(all="ignore"):
        wanted = cast(content, to)
    x, _ = laid_out(content, data.draw(layouts(len(shape))))
    y, memory = laid_out(np.zeros(shape, to), data.draw(layouts(len(shape))))
    before = memory.copy()
    convert(level, x, y, outer)
    same(y.copy(), wanted, f"{level} {dtype} -> {to} {shape} {x.strides} -> {y.strides}")
    y[...] = 0
    np.testing.assert_array_equal(memory, before, err_msg="wrote elsewhere")


@pytest.mark.parametrize("level", LEVELS)
def test_broadcasts(level):
    x, y = np.arange(5, dtype=np.uint8).reshape(5, 1), np.zeros((5, 1100), np.float32)
    convert(level, x, y, 2)
    np.testing.assert_array_equal(y, np.broadcast_to(x, y.shape))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), shape=sizes(), to=st.sampled_from(["uint8", "int8", "uint16", "int16"]),
       outer=st.integers(1, 60))
@pytest.mark.parametrize("level", LEVELS)
def test_quantise(level, data, shape, to, outer):
    axis = data.draw(st.none() | st.integers(0, len(shape) - 1))
    count = 1 if axis is None else shape[axis]
    rng = np.random.default_rng(3)
    limits = np.iinfo(to)
    s = rng.choice([.1, 1, .25, 1e-3, -.5, 3], count).astype(np.float32)
    z = rng.choice([0, limits.min, limits.max, 7], count).astype(to)
    content = (rng.integers(-700, 700, shape) * rng.choice([.5, .05, 1, 1e30], shape)).astype(np.float32)
    content.reshape(-1)[::7] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf, -0.0]))
    along = [-1 if a == axis else 1 for a in range(len(shape))]
    with np.errstate(all="ignore"):
        wanted = quantize(content, s.reshape(along), z.reshape(along), np.dtype(to))
    x, _ = laid_out(content, data.draw(layouts(len(shape))))
    y, memory = laid_out(np.zeros(shape, to), data.draw(layouts(len(shape))))
    before = memory.copy()
    convert(level, x, y, outer, how="quantise", s=s, z=z.astype(np.float32), axis=axis, lo=limits.min,
            hi=limits.max)
    np.testing.assert_array_equal(y.copy(), wanted,
                                  err_msg=f"{level} {shape} axis {axis} {x.strides} -> {y.strides}")
    y[...] = 0
    np.testing.assert_array_equal(memory, before, err_msg="wrote elsewhere")


@settings(max_examples=60, deadline=None)
@given(data=st.data(), shape=sizes(), dtype=st.sampled_from(["uint8", "int8", "uint16", "int16", "int32"]),
       outer=st.integers(1, 60))
@pytest.mark.parametrize("level", LEVELS)
def test_dequantise(level, data, shape, dtype, outer):
    axis = data.draw(st.none() | st.integers(0, len(shape) - 1))
    count = 1 if axis is None else shape[axis]
    rng = np.random.default_rng(4)
    s = rng.standard_normal(count).astype(np.float32)
    z = rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, count, dtype, endpoint=True)
    content = values(np.dtype(dtype), int(np.prod(shape))).reshape(shape)
    along = [-1 if a == axis else 1 for a in range(len(shape))]
    wanted = dequantize(content, s.reshape(along), z.reshape(along))
    x, _ = laid_out(content, data.draw(layouts(len(shape))))
    y, _ = laid_out(np.zeros(shape, np.float32), data.draw(layouts(len(shape))))
    convert(level, x, y, outer, how="dequantise", s=s, z=z.astype(np.int32), axis=axis)
    same(y.copy(), wanted, f"{level} {dtype} {shape} axis {axis} {x.strides} -> {y.strides}")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("shape", [(1, 16, 1, 1), (2, 32, 5, 7), (1, 16, 9, 30), (2, 32, 1, 3)], ids=str)
def test_blocked_source(level, shape):
    """From NCHW16c to plain NCHW: axes n, block, lane, row, pixel."""
    n, c, h, w = shape
    content = values(np.dtype(np.float32), int(np.prod(shape))).reshape(shape)
    content = np.nan_to_num(content, posinf=1e30, neginf=-1e30)
    for halo, to, outer in product([(0, 0, 0, 0), (1, 2, 0, 1)], ("float16", "int64", "uint8"), (1, 5, 1000)):
        a, address, (xn, xb, xr) = to_blocked(content, halo, np.nan)
        y = np.zeros(shape, to)
        total = n * c * h
        run(level, "convert", -(-total // outer), x=(0, address), y=at(y), dims=(1, n, c // 16, 16, h, w),
            xs=(0, xn, xb, 1, xr, 16), ys=(0, c * h * w, 16 * h * w, h * w, w, 1), outer=outer,
            **{"from_": ELEMENTS["float32"], "to": ELEMENTS[to]})
        with np.errstate(all="ignore"):
            same(y, cast(content, y.dtype), f"{level} {shape} {halo} {to} outer {outer}")
