"""map, zip, scale_shift and fill against NumPy: all kinds of strides, tiles and activations."""
import math
from itertools import product

import numpy as np
import pytest

import cinfer._ops as ops
from blocked import aligned, to_blocked, from_blocked

LEVELS = ops.usable_levels()
EXECUTOR = ops.executor()
RNG = np.random.default_rng(11)
GUARD = np.float32(-123.25)


def six(shape, *arrays):
    """(dims, strides in floats of each array) of 6 axes, the arrays broadcast to the shape."""
    pad = 6 - len(shape)
    strides = [[0] * pad + [s // 4 for s in np.broadcast_to(a, shape).strides] for a in arrays]
    return [1] * pad + list(shape), strides


def guarded(y):
    """A copy of the memory around a view, to be compared with check()."""
    base = y
    while base.base is not None and isinstance(base.base, np.ndarray):
        base = base.base
    return base, base.copy()


def at(a):
    return 0, a.ctypes.data


def run(level, name, outer_total, outer, threads=2, **params):
    t = ops.table(level)
    EXECUTOR.run_once(t, name, t.pack(name, outer=outer, **params), -(-outer_total // outer), threads)


def views(shape):
    """Views of this shape with all kinds of strides, as (what, view) over fresh memory with guards."""
    def memory(sizes):
        a = aligned(math.prod(sizes)).reshape(sizes)
        a[...] = GUARD
        return a
    yield "contiguous", memory(shape)
    yield "row gaps", memory((*shape[:-1], shape[-1] + 3))[..., :shape[-1]]
    yield "step 2", memory((*shape[:-1], shape[-1] * 2))[..., ::2]
    yield "reversed", memory(shape)[..., ::-1]
    yield "transposed", memory(shape[::-1]).T
    if len(shape) > 2:
        yield "last two exchanged", memory((*shape[:-2], shape[-1], shape[-2])).swapaxes(-1, -2)
        yield "first axis innermost", np.moveaxis(memory((*shape[1:], shape[0])), -1, 0)


def fill_view(v, values):
    v[...] = values
    return v


def assert_written(y, wanted, base, what, tolerance=0.0):
    """y holds wanted, and whatever else is in its memory is untouched."""
    root, before = base
    got = y.copy()
    if tolerance:
        np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance, err_msg=what)
    else:
        np.testing.assert_array_equal(got, wanted, err_msg=what)
    y[...] = GUARD
    np.testing.assert_array_equal(root, before, err_msg=f"{what}: wrote elsewhere")


SHAPES = [(1,), (5,), (17,), (300,), (3, 50), (50, 3), (2, 33, 40), (40, 1, 19), (2, 3, 4, 5), (20, 18, 17),
          (2, 2, 3, 2, 3, 5)]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_map_of_all_strides(level, shape):
    # NaNs of all kinds must keep their bits
    bits = RNG.integers(0, 2 ** 32, shape, dtype=np.uint32).view(np.float32)
    total = math.prod(shape[:-1])
    for (kind, x), outer in product(views(shape), {1, 3, total}):
        fill_view(x, bits)
        for other, y in views(shape):
            before, what = guarded(y), f"{level} {shape} {kind} -> {other}, outer {outer}"
            dims, (xs, ys) = six(shape, x, y)
            run(level, "map", total, outer, x=at(x), y=at(y), dims=dims, xs=xs, ys=ys, op=0)
            np.testing.assert_array_equal(y.copy().view(np.uint32), bits.view(np.uint32), err_msg=what)
            y[...] = GUARD
            root, old = before
            np.testing.assert_array_equal(root, old, err_msg=f"{what}: wrote elsewhere")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("shape", [(1,), (37,), (18, 35), (50, 3)], ids=str)
def test_map_with_function(level, shape):
    values = RNG.standard_normal(shape).astype(np.float32)
    code, total = ops.table(level).unary["hard_swish"], math.prod(shape[:-1])
    wanted = values * np.clip(values / np.float32(6) + np.float32(.5), 0, 1)
    for (kind, x), (other, y) in product(views(shape), views(shape)):
        fill_view(x, values)
        before = guarded(y)
        dims, (xs, ys) = six(shape, x, y)
        run(level, "map", total, 2, x=at(x), y=at(y), dims=dims, xs=xs, ys=ys, op=code, alpha=1 / 6, beta=.5)
        assert_written(y, wanted, before, f"{level} {shape} {kind} -> {other}", 1e-6)
    x = values.copy()
    dims, (xs,) = six(shape, x)
    run(level, "map", total, 2, x=at(x), y=at(x), dims=dims, xs=xs, ys=xs, op=code, alpha=1 / 6, beta=.5)
    np.testing.assert_allclose(x, wanted, rtol=1e-6, atol=1e-6)                      # in place


@pytest.mark.parametrize("level", LEVELS)
def test_map_broadcasts(level):
    x, y = np.arange(5, dtype=np.float32).reshape(5, 1), np.full((5, 70), GUARD)
    dims, (xs, ys) = six(y.shape, x, y)
    run(level, "map", 5, 2, x=at(x), y=at(y), dims=dims, xs=xs, ys=ys, op=0)
    np.testing.assert_array_equal(y, np.broadcast_to(x, y.shape))


def quantise(lo, hi):
    """By way of an integer, which NaN makes 0."""
    return lambda x: (np.nan_to_num(np.clip(np.rint(x / np.float32(.1)) + 3, lo, hi)) - 3) * .1


FUNCTIONS = {  # name: (alpha, beta, float64)
    "none": (0, 0, lambda x: x),
    "clip": (-.5, .75, lambda x: np.clip(x, -.5, .75)),
    "leaky_relu": (.25, 0, lambda x: np.where(x < 0, x * .25, x)),
    "hard_sigmoid": (.2, .5, lambda x: np.clip(x * .2 + .5, 0, 1)),
    "sigmoid": (0, 0, lambda x: 1 / (1 + np.exp(-x))),
    "hard_swish": (1 / 6, .5, lambda x: x * np.clip(x / 6 + .5, 0, 1)),
    "swish": (1.5, 0, lambda x: x / (1 + np.exp(-1.5 * x))),
    "tanh": (0, 0, np.tanh),
    "gelu": (0, 0, lambda x: .5 * x * (1 + np.array([math.erf(v / math.sqrt(2)) for v in x]))),
    "gelu_tanh": (0, 0, lambda x: .5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + .044715 * x ** 3)))),
    "elu": (.5, 0, lambda x: np.where(x < 0, .5 * np.expm1(x), x)),
    "celu": (2, 0, lambda x: np.maximum(0, x) + np.minimum(0, 2 * np.expm1(x / 2))),
    "selu": (1.6732632, 1.050701, lambda x: 1.050701 * np.where(x < 0, 1.6732632 * np.expm1(x), x)),
    "softplus": (0, 0, lambda x: np.logaddexp(0, x)),
    "mish": (0, 0, lambda x: x * np.tanh(np.logaddexp(0, x))),
    "exp": (0, 0, np.exp),
    "log": (0, 0, np.log),
    "sqrt": (0, 0, np.sqrt),
    "abs": (0, 0, np.abs),
    "neg": (0, 0, np.negative),
    "reciprocal": (0, 0, np.reciprocal),
    "erf": (0, 0, lambda x: np.array([math.erf(v) for v in x])),
    "floor": (0, 0, np.floor),
    "ceil": (0, 0, np.ceil),
    "round": (0, 0, np.rint),
    "sign": (0, 0, np.sign),
    "softsign": (0, 0, lambda x: x / (1 + abs(x))),
    "sin": (0, 0, np.sin),
    "cos": (0, 0, np.cos),
    "thresholded_relu": (.75, 0, lambda x: np.where(x > .75, x, 0)),
    "quant_u8": (.1, 3, quantise(0, 255)),
    "quant_s8": (.1, 3, quantise(-128, 127)),
    "quant_u16": (.1, 3, quantise(0, 65535)),
    "quant_s16": (.1, 3, quantise(-32768, 32767))}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", ["gelu", "gelu_tanh", "swish", "hard_swish", "mish", "softplus", "elu", "celu",
                                  "selu"])
def test_activations_of_infinity(level, name):
    (alpha, beta, _), op = FUNCTIONS[name], ops.table(level).unary[name]
    x, y = np.full(32, np.inf, np.float32), np.zeros(32, np.float32)
    run(level, "map", 1, 1, x=at(x), y=at(y), dims=[1] * 5 + [32], xs=[0] * 5 + [1], ys=[0] * 5 + [1], op=op,
        alpha=alpha, beta=beta)
    assert (y == np.inf).all()


def test_every_unary_operator_has_a_case():
    assert set(FUNCTIONS) | {"prelu"} == set(ops.table(LEVELS[0]).unary)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_unary_operators(level, name):
    alpha, beta, f = FUNCTIONS[name]
    x = np.concatenate([RNG.standard_normal(201) * 4, RNG.standard_normal(100) * 30,
                        [0, 1, -1, .25, -.25, 2.5, np.nan]]).astype(np.float32)
    with np.errstate(all="ignore"):
        wanted = f(x if name.startswith("quant") else x.astype(float))
    y = np.full(x.size + 2, GUARD)
    run(level, "map", 1, 1, x=at(x), y=at(y[1:]), dims=[1] * 5 + [x.size], xs=[0] * 5 + [1],
        ys=[0] * 5 + [1], op=ops.table(level).unary[name],
        alpha=alpha, beta=beta)
    assert y[0] == y[-1] == GUARD
    assert np.isnan(y[-2]) == (name != "thresholded_relu" and not name.startswith("quant"))
    # 1 + erf, x/6 + 1/2 near 0: relative to what cancels
    cancels = "gelu" in name or "hard" in name
    np.testing.assert_allclose(y[1:-1] / (1 + abs(x) if cancels else 1),
                               wanted / (1 + abs(x) if cancels else 1),
                               # e^(1.5 x): 1.5 x is rounded
                               rtol=6e-6 if name in ("sigmoid", "swish") else 6e-7,
                                   # a factor below the smallest normal number (1.2e-38) counts as 0
                                   atol=2e-7 if cancels else 2e-36)


def test_the_sign_of_a_denormal_is_that_of_zero():
    x, y = np.array([1e-40, -1e-40, 0, -0.0, np.nan, 2], np.float32), np.empty(6, np.float32)
    for level in LEVELS:
        run(level, "map", 1, 1, x=at(x), y=at(y), dims=[1] * 5 + [6], xs=[0] * 5 + [1], ys=[0] * 5 + [1],
            op=ops.table(level).unary["sign"], alpha=0, beta=0)
        np.testing.assert_array_equal(y, [0, 0, 0, 0, np.nan, 1])


def test_quantisation_rounds_ties_to_even():
    x = (np.arange(-9, 10) * .5).astype(np.float32)
    y = np.empty_like(x)
    for level in LEVELS:
        run(level, "map", 1, 1, x=at(x), y=at(y), dims=[1] * 5 + [19], xs=[0] * 5 + [1], ys=[0] * 5 + [1],
            op=ops.table(level).unary["quant_s8"],
            alpha=1, beta=0)
        np.testing.assert_array_equal(y, np.rint(x))


OPERATORS = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "min": np.minimum,
             "max": np.maximum,
             "pow": lambda a, b: np.power(a, b), "prelu": lambda a, b: np.where(a < 0, a * b, a)}
PAIRS = [  # shapes of a, b
    ((1,), (1,)), ((37,), (37,)), ((3, 50), (50,)), ((3, 50), (3, 1)), ((1, 50), (3, 1)),
    ((40, 3), (3,)), ((2, 5, 7, 16), (5, 1, 16)),
    ((2, 5, 7, 16), (2, 1, 1, 16)), ((2, 5, 7, 16), (7, 1)), ((1, 16), (6, 5, 16)), ((), (4, 9)),
    ((4, 9), ()), ((2, 9000), (2, 9000)),
    ((9000, 2), (2,)), ((2, 3, 1, 3, 2, 3), (1, 3, 2, 1, 2, 1))]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", OPERATORS)
def test_zip(level, name):
    t = ops.table(level)
    for first, second in PAIRS:
        a, b = (np.asarray(RNG.standard_normal(s), np.float32) for s in (first, second))
        if name == "pow":
            a = np.abs(a, out=a)
        shape = np.broadcast_shapes(first, second) or (1,)
        wanted = OPERATORS[name](np.broadcast_to(a, shape).astype(float), b.astype(float))
        total = math.prod(shape[:-1])
        for outer in {1, total, 7}:
            for kind, y in views(shape):
                before = guarded(y)
                dims, (xs, bs, ys) = six(shape, a, b, y)
                run(level, "zip", total, outer, a=at(a), b=at(b), y=at(y), dims=dims, bs=bs, ys=ys,
                    op=t.binary[name], as_=xs)
                assert_written(y, wanted, before, f"{level} {name} {first} {second} {kind} outer {outer}",
                               1e-6)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("act", ["clip", "sigmoid", "leaky_relu"])
def test_zip_and_scale_shift_activate(level, act):
    t = ops.table(level)
    for shape, other in (((6, 700), (6, 700)), ((5, 7, 16), (5, 1, 16)), ((3, 5000), (3, 1)),
                         ((50, 3), (3,)), ((4, 9), (9, 4))):
        a, b = RNG.standard_normal(shape).astype(np.float32), RNG.standard_normal(other).astype(np.float32)
        if other == (9, 4):
            b = b.T
        alpha, beta, f = FUNCTIONS[act]
        y, total = np.empty_like(a), math.prod(shape[:-1])
        dims, (xs, bs, ys) = six(shape, a, b, y)
        run(level, "zip", total, 3, a=at(a), b=at(b), y=at(y), dims=dims, bs=bs, ys=ys, op=0,
            act=t.unary[act], alpha=alpha, beta=beta, as_=xs)
        np.testing.assert_allclose(y, f(a.astype(float) + b), rtol=1e-6, atol=1e-6)
        run(level, "scale_shift", total, 3, x=at(a), s=at(b), t=at(b), y=at(y), dims=dims, xs=xs, ss=bs,
            ts=bs, ys=ys, act=t.unary[act], alpha=alpha,
            beta=beta)
        np.testing.assert_allclose(y, f(a.astype(float) * b + b), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("level", LEVELS)
def test_scale_shift_of_all_strides(level):
    for shape, other in (((2, 5, 7, 16), (5, 1, 16)), ((3, 70), (3, 1)), ((90, 3), (3,)),
                         ((33, 20), (33, 20))):
        s, b = (RNG.standard_normal(size).astype(np.float32) for size in (other, shape))
        total = math.prod(shape[:-1])
        values = RNG.standard_normal(shape).astype(np.float32)
        for (kind, x), (target, y), shift in product(views(shape), views(shape), (s, b)):
            fill_view(x, values)
            before = guarded(y)
            dims, (xs, ss, ts, ys) = six(shape, x, s, shift, y)
            run(level, "scale_shift", total, 4, x=at(x), s=at(s), t=at(shift), y=at(y), dims=dims, xs=xs,
                ss=ss, ts=ts, ys=ys)
            assert_written(y, values.astype(float) * s + shift, before,
                           f"{level} {shape} {kind} -> {target}", 2e-6)


@pytest.mark.parametrize("level", LEVELS)
def test_zip_on_blocked_pictures(level):
    x, s = (RNG.standard_normal(shape).astype(np.float32) for shape in ((2, 20, 5, 7), (2, 20, 1, 1)))
    a, address, (n, b, r) = to_blocked(x, (1, 1, 0, 2), np.nan)
    v, scale, (vn, vb, _) = to_blocked(s)
    y, target, _ = to_blocked(np.full_like(x, GUARD), (1, 1, 0, 2))
    run(level, "zip", 2 * 2 * 5 * 7, 11, a=(0, address), b=(0, scale), y=(0, target),
        dims=(1, 2, 2, 5, 7, 16), bs=(0, vn, vb, 0, 0, 1),
        ys=(0, n, b, r, 16, 1), op=ops.table(level).binary["mul"], as_=(0, n, b, r, 16, 1))
    np.testing.assert_array_equal(from_blocked(y, 20, (1, 1, 0, 2)), x * s)
    halo = np.ones(y.shape, bool)
    halo[:, :, 1:6, 1:8] = False
    assert (y[halo] == 0).all()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", ["min", "max"])
def test_min_max_keep_nan(level, name):
    special = np.array([np.nan, 1, -1, np.inf, -np.inf, 0], np.float32)
    a, b = (np.ascontiguousarray(v.reshape(-1)) for v in np.meshgrid(special, special))
    y = np.empty_like(a)
    one = [0] * 5 + [1]
    run(level, "zip", 1, 1, a=at(a), b=at(b), y=at(y), dims=[1] * 5 + [a.size], bs=one, ys=one,
        op=ops.table(level).binary[name], as_=one)
    np.testing.assert_array_equal(y, OPERATORS[name](a, b))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("exponent", [2, 3, .5, 1.7, -1])
def test_pow_of_one_exponent(level, exponent):
    a, b = np.abs(RNG.standard_normal((9, 21))).astype(np.float32), np.float32(exponent).reshape(1)
    y = np.empty_like(a)
    dims, (xs, bs, ys) = six(a.shape, a, b, y)
    run(level, "zip", 9, 2, a=at(a), b=at(b), y=at(y), dims=dims, bs=bs, ys=ys,
        op=ops.table(level).binary["pow"], as_=xs)
    np.testing.assert_allclose(y, a.astype(float) ** float(b[0]), rtol=3e-7)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_fill(level, shape):
    for kind, y in views(shape):
        before = guarded(y)
        dims, (ys,) = six(shape, y)
        run(level, "fill", math.prod(shape[:-1]), 2, y=at(y), dims=dims, ys=ys, value=2.5)
        assert_written(y, np.full(shape, 2.5, np.float32), before, f"{level} {shape} {kind}")
