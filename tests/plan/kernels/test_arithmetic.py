"""Arithmetic, comparisons and logic of any element type: bit by bit what the operators mean in NumPy."""
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import cinfer
from cinfer import _ops

from onnx_models import Model, by_numpy

LEVELS = _ops.usable_levels()
INTS = ["int8", "uint8", "int16", "uint16", "int32", "int64"]
FLOATS = ["float32", "float64"]
KINDS = {"Add": INTS + ["float64"], "Sub": INTS + ["float64"], "Mul": INTS + ["float64"],
         "Div": INTS + ["float64"], "Mod": INTS, "fmod": INTS + FLOATS, "Min": INTS + ["float64"],
         "Max": INTS + ["float64"], "Equal": ["bool", *INTS, *FLOATS], "Greater": INTS + FLOATS, "Less": INTS + FLOATS,
         "GreaterOrEqual": INTS + FLOATS, "LessOrEqual": INTS + FLOATS, "And": ["bool"], "Or": ["bool"],
         "Xor": ["bool"], "BitwiseAnd": INTS, "BitwiseOr": INTS, "BitwiseXor": INTS}
BOOLS = ("Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "And", "Or", "Xor")


def numbers(rng, dtype, shape):
    """Small numbers, limits of the type, zeros; of floats also what is none."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return np.asarray(rng.integers(0, 2, shape)).astype(bool)
    if dtype.kind == "f":
        special = [0.0, -0.0, np.nan, np.inf, -np.inf, 1.5, -1.5, 7, -3, 1e30]
        return np.where(rng.random(shape) < 0.5, rng.choice(special, shape), rng.normal(size=shape) * 5).astype(dtype)
    limits = np.iinfo(dtype)
    special = np.array([limits.min, limits.min + 1, limits.max, 0, 1, -1 if limits.min else 2], dtype)
    return np.where(rng.random(shape) < 0.4, rng.choice(special, shape),
                    rng.integers(0, 9, shape).astype(dtype)).astype(
        dtype)


def check(data: bytes, feeds: dict, isa: str, numpy: int = 0) -> None:
    session = cinfer.load(data, threads=1, isa=isa)
    labels = [step.label for step in session._plan_for({k: v.shape for k, v in feeds.items()}).steps]
    assert labels.count("numpy") == numpy, labels
    for got, want in zip(session.run(None, feeds), by_numpy(data, feeds), strict=True):
        assert (got.dtype, got.shape) == (want.dtype, want.shape)
        np.testing.assert_array_equal(got, want)


@st.composite
def shapes(draw):
    """Two shapes that broadcast to one another."""
    full = draw(st.lists(st.integers(1, 6), max_size=4)) if draw(st.booleans()) else [draw(st.integers(1, 3000))]
    return tuple(tuple(1 if draw(st.integers(0, 3)) == 0 else d for d in full)[
        draw(st.integers(0, len(full))) if draw(st.booleans()) else 0:] for _ in range(2))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), op=st.sampled_from(sorted(KINDS)), both=shapes(), seed=st.integers(0, 99))
@pytest.mark.parametrize("isa", LEVELS)
def test_of_two(isa, data, op, both, seed):
    dtype = data.draw(st.sampled_from(KINDS[op]))
    m, rng = Model(18), np.random.default_rng(seed)
    feeds = {name: numbers(rng, dtype, shape) for name, shape in zip("ab", both)}
    a, b = (m.input(name, *x.shape, dtype=x.dtype) for name, x in feeds.items())
    y = m.Mod(a, b, fmod=1) if op == "fmod" else m.node(op, a, b)
    check(m.outputs(y, dtype=bool if op in BOOLS else dtype).bytes(), feeds, isa)


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("dtype", INTS + ["float64"])
def test_of_one_and_of_many(isa, dtype):
    m, rng = Model(18), np.random.default_rng(3)
    feeds = {name: numbers(rng, dtype, shape) for name, shape in zip("abc", [(5, 70), (70,), (5, 1)])}
    feeds |= {"low": np.array(2, dtype), "high": np.array([5], dtype)}
    a, b, c, low, high = (m.input(name, *x.shape, dtype=x.dtype) for name, x in feeds.items())
    ys = [m.Abs(a), m.Sign(m.Transpose(a, perm=[1, 0])), m.Sum(a, b, c), m.Max(c, b, a), m.Clip(a, low, high),
          m.Clip(a, "", high), m.Clip(b, low)]
    if np.dtype(dtype).kind != "u":
        ys.append(m.Neg(a))
    if np.dtype(dtype).kind in "iu":
        ys.append(m.BitwiseNot(a))
    else:
        ys.append(m.Mean(a, c))
    check(m.outputs(*ys, dtype=dtype).bytes(), feeds, isa)


@pytest.mark.parametrize("isa", LEVELS)
def test_logic_of_one_and_limits_that_the_run_knows(isa):
    m, rng = Model(17), np.random.default_rng(4)
    feeds = {"a": numbers(rng, "bool", (3, 400)), "x": numbers(rng, "float32", (4, 30)), "low": np.float32([-1]),
             "high": np.array(np.float32(2))}
    a, x, low, high = (m.input(name, *v.shape, dtype=v.dtype) for name, v in feeds.items())
    data = m.outputs(m.Not(a), dtype=bool).outputs(m.Clip(x, low, high), m.Sum(x, x, low)).bytes()
    check(data, feeds, isa)


@pytest.mark.parametrize("isa", LEVELS)
def test_what_no_kernel_knows_is_left_to_numpy(isa):
    m, rng = Model(18), np.random.default_rng(5)
    feeds = {"a": numbers(rng, "uint32", (3, 4)), "b": numbers(rng, "uint32", (4,))}
    a, b = (m.input(name, *v.shape, dtype=v.dtype) for name, v in feeds.items())
    check(m.outputs(m.Div(a, b), dtype=np.uint32).bytes(), feeds, isa, numpy=1)
