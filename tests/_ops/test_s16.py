"""Products of numbers of 16 bits by whole weights: sums are those of integers, and each bit behind them is known."""
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_conv import in_several_ways
from test_conv_bf16 import run_pairs
from test_matmul import SIZES, padded_rows
from windows import GUARD, Blocked, aligned, channels, convolve, levels_with, ref, run

import cinfer._ops as ops

LEVELS = levels_with("gemm_s16")
F32 = np.float32
ONES, NONE = (1, 1), (0, 0, 0, 0)
# n, groups, ic, oc, h, w, kernel, strides, dilations, pads; channels of all groups
CASES = [
    (1, 1, 1, 1, 1, 1, (1, 1), ONES, ONES, NONE),
    (2, 1, 3, 17, 5, 7, (3, 3), ONES, ONES, (1, 1, 1, 1)),
    (1, 1, 33, 40, 6, 5, (3, 3), (2, 2), ONES, (1, 0, 1, 2)),
    (1, 1, 70, 31, 9, 8, (2, 3), (1, 2), (2, 1), (0, 2, 1, 0)),
    (1, 1, 32, 64, 14, 14, (1, 1), ONES, ONES, NONE),
    (2, 1, 20, 16, 9, 9, (1, 1), (2, 3), ONES, NONE),
    (1, 1, 700, 16, 3, 70, (3, 1), ONES, ONES, (1, 0, 1, 0)),           # rows in several strips
    (1, 1, 1500, 33, 2, 9, (2, 1), ONES, ONES, NONE),                   # more terms than float sums take at once
    (1, 2, 12, 96, 5, 6, (3, 3), ONES, ONES, (1, 1, 1, 1)),             # groups whose blocks are odd
    (1, 3, 102, 96, 4, 7, (1, 2), ONES, ONES, NONE),
    (1, 1, 512, 48, 5, 9, (1, 1), ONES, ONES, NONE)]                    # pixels 1024 bytes apart, and more


def limits(dtype):
    return np.iinfo(dtype).min, np.iinfo(dtype).max


def zero_of(dtype, zero):
    """As the kernels take it."""
    return int(zero) - (1 << 15 if dtype == np.uint16 else 0)


def bounded(w, dtype, zero):
    """Weights [outputs][..] whose sums of any numbers int32 holds: every second output is made smaller till it does."""
    low, high = (int(v) - int(zero) for v in limits(dtype))
    flat = w.reshape(len(w), -1).astype(np.int64)
    while True:
        above, below = np.maximum(flat, 0).sum(1), np.maximum(-flat, 0).sum(1)
        most = np.maximum(above * high - below * low, below * high - above * low)
        if (most < 1 << 31).all():
            return flat.astype(np.int16).reshape(w.shape)
        flat[most >= 1 << 31] //= 2


def numbers(rng, dtype, shape):
    """Integers, many of them at the ends."""
    q = rng.integers(*limits(dtype), shape, endpoint=True)
    return np.where(rng.random(shape) < .3, rng.choice(limits(dtype), shape), q).astype(dtype)


def real(q, zero, scale):
    """As DequantizeLinear gives it."""
    return (q.astype(np.int32) - np.int32(zero)).astype(F32) * F32(scale)


def wanted_of(sums, each, bias, axis):
    """What becomes of sums of integers: each operation is rounded by itself."""
    shape = [-1 if i == axis else 1 for i in range(sums.ndim)]
    return sums.astype(F32) * each.reshape(shape) + bias.reshape(shape)


def pack(level, w, each, zero, groups=1, threads=1):
    """w int16 [oc][ic/groups][kd][kh][kw], or without slices"""
    oc, ic = w.shape[:2]
    kd, kh, kw = w.shape[2:] if w.ndim == 5 else (1, *w.shape[2:])
    table, goc = ops.table(level), oc // groups if groups > 1 else 0
    source = np.ascontiguousarray(w, np.int16)
    given = dict(w=ref(source), each=ref(each), oc=oc, ic=ic, kd=kd, kh=kh, kw=kw, so=ic * kd * kh * kw, sk=1, goc=goc,
                 zero=zero)
    size, tiles, _ = table.packed("pack_s16", table.pack("pack_s16", **given))
    packed = aligned(size // 4 + 16)
    packed[...] = GUARD
    run(level, "pack_s16", tiles, threads=threads, y=ref(packed), **given)
    assert (packed[-16:] == GUARD).all(), "packed more than there is"
    return packed[:-16]


def run_conv(level, x, w, each, bias, zero, scale, groups, *how, **more):
    return run_pairs(level, "conv_s16", pack(level, w, each, zero, groups), x, w, bias, groups, *how, zero=zero,
                     inverse=1 / float(F32(scale)), **more)


def drawn(rng, dtype, case):
    n, groups, ic, oc, h, wd, k, *_ = case
    zero = int(rng.choice([*limits(dtype), rng.integers(*limits(dtype))]))
    scale = F32(rng.choice([1e-4, .37, 3e-9, 2.0 ** -7]))
    q = numbers(rng, dtype, (n, ic, h, wd))
    w = rng.integers(-255, 256, (oc, ic // groups, *k))
    w[rng.random(w.shape) < .2] = rng.choice([-255, 255])
    each, bias = rng.uniform(.5, 2, oc).astype(F32), (rng.standard_normal(oc) * 1e4).astype(F32)
    return q, zero, scale, bounded(w, dtype, zero), each, bias


def check_conv(level, dtype, case, rng):
    groups, window = case[1], case[7:]
    q, zero, scale, w, each, bias = drawn(rng, dtype, case)
    sums = convolve(q.astype(float) - zero, w, np.zeros(len(w)), groups, *window)
    assert np.abs(sums).max() < 1 << 31
    wanted = wanted_of(sums, each, bias, 1)
    for rows, blocks, threads, halo in in_several_ways(sums.shape[2]):
        y = run_conv(level, real(q, zero, scale), w, each, bias, zero_of(dtype, zero), scale, groups, *window,
                     sums.shape, rows, blocks, threads, halo)
        np.testing.assert_array_equal(y, wanted, f"{case} {dtype.__name__} zero {zero} {level}")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", [np.uint16, np.int16])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_conv_is_the_sum_of_integers(level, dtype, case):
    check_conv(level, dtype, case, np.random.default_rng(CASES.index(case)))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_conv_of_drawn_windows(data):
    def draw(low, high):
        return data.draw(st.integers(low, high))
    groups = data.draw(st.sampled_from([1, 1, 2, 3]))
    ic, oc = (2 * draw(1, 20), 16 * draw(1, 3)) if groups > 1 else (draw(1, 70), draw(1, 70))
    kernel, strides, dilations = (draw(1, 3), draw(1, 4)), (draw(1, 3), draw(1, 2)), (draw(1, 2), draw(1, 3))
    pads = draw(0, 2), draw(0, 2), draw(0, 2), draw(0, 2)
    h, w = (max(1, (k - 1) * d + 1 - sum(pads[i::2])) + draw(0, 9) for i, (k, d) in enumerate(zip(kernel, dilations)))
    case = draw(1, 2), groups, groups * ic, groups * oc, h, w, kernel, strides, dilations, pads
    dtype, seed = data.draw(st.sampled_from([np.uint16, np.int16])), draw(0, 999)
    for level in LEVELS:
        check_conv(level, dtype, case, np.random.default_rng(seed))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", [np.uint16, np.int16])
@pytest.mark.parametrize("end", [0, 1])
@pytest.mark.parametrize("sign", [-1, 1])
def test_sums_at_the_limit(level, dtype, end, sign):
    """All numbers at one end, the zero point at the other: as many products of one sign as int32 holds."""
    zero, number = limits(dtype)[::1 if end else -1]
    ic = ((1 << 31) - 1) // (65535 * 255)
    q = np.full((1, ic, 1, 9), number, dtype)
    w = np.full((16, ic, 1, 1), 255 * sign, np.int16)
    sums = np.full((1, 16, 1, 9), float(number - zero) * 255 * sign * ic)
    assert 0 <= (1 << 31) - abs(sums[0, 0, 0, 0]) < 65535 * 255
    each, bias = np.full(16, .75, F32), np.zeros(16, F32)
    y = run_conv(level, real(q, zero, .01), w, each, bias, zero_of(dtype, zero), .01, 1, ONES, ONES, NONE, sums.shape,
                 1, 1)
    np.testing.assert_array_equal(y, wanted_of(sums, each, bias, 1))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("scale", [2.0 ** -40, 1e-9, .0123, 7.7e4, 2.0 ** 40])
@pytest.mark.parametrize("zero", [0, 65535, 12345])
def test_every_number_of_16_bits_is_found_again(level, scale, zero):
    q = np.arange(1 << 16, dtype=np.uint16).reshape(1, 2, 1, -1)
    w, each, bias = np.zeros((16, 2, 1, 1), np.int16), np.ones(16, F32), np.zeros(16, F32)
    w[0, 0] = w[1, 1] = 1
    shape = (1, 16, 1, q.shape[3])
    y = run_conv(level, real(q, zero, scale), w, each, bias, zero_of(np.uint16, zero), scale, 1, ONES, ONES, NONE,
                 shape, 1, 1)
    np.testing.assert_array_equal(y[:, :2], q.astype(int) - zero)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("act, low", [("quant_u16", 0), ("quant_s16", -32768)])
def test_conv_adds_the_residual_and_rounds_to_16_bits(level, act, low):
    """By a product with the inverse of the scale: a neighbour next to a tie."""
    case = (1, 1, 20, 40, 9, 11, (3, 3), ONES, ONES, (1, 1, 1, 1))
    rng = np.random.default_rng(3)
    q, zero, scale, w, each, bias = drawn(rng, np.uint16, case)
    sums = convolve(q.astype(float) - zero, w, np.zeros(len(w)), 1, *case[7:])
    res = (rng.standard_normal(sums.shape) * np.abs(sums).max() / 2).astype(F32)
    before = wanted_of(sums, each, bias, 1) + res
    step, middle = F32(-before.min() / 31000), low + 30000
    exact = before.astype(float) / step + middle
    y = run_conv(level, real(q, zero, scale), w, each, bias, zero_of(np.uint16, zero), scale, 1, *case[7:], sums.shape,
                 4, 1, res=res, act=ops.table(level).unary[act], alpha=step, beta=middle)
    units = y.astype(float) / step + middle
    np.testing.assert_allclose(units, np.rint(units), rtol=0, atol=.01)         # a whole number of steps
    assert abs(units.min() - low) < .01 and exact.min() < low - 900              # what is beyond an end is cut
    assert (np.abs(units - exact.clip(low, low + 65535)) < .5 + 1 / 64).all()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("depth, kd, stride, dilation, pad", [(5, 3, 1, 1, 1), (6, 2, 2, 1, 0), (5, 3, 1, 2, 2)])
def test_conv_of_volumes(level, depth, kd, stride, dilation, pad):
    """Slices are channels of the sum; those beyond the volume are its zero point."""
    ic, oc, h, w, n, zero = 21, 24, 5, 6, 2, 40000
    od = (depth + 2 * pad - (kd - 1) * dilation - 1) // stride + 1
    rng = np.random.default_rng(1)
    q = numbers(rng, np.uint16, (n, depth, ic, h, w))
    weights = bounded(rng.integers(-128, 128, (oc, ic, kd, 3, 3)), np.uint16, zero)
    each, bias = rng.uniform(.5, 2, oc).astype(F32), np.zeros(oc, F32)
    sums = np.zeros((n, od, oc, h, w))
    for image, o, k in np.ndindex(n, od, kd):
        if 0 <= (d := o * stride - pad + k * dilation) < depth:
            sums[image, o] += convolve(q[image, d:d + 1].astype(float) - zero, weights[:, :, k], np.zeros(oc), 1, ONES,
                                       ONES, (1, 1, 1, 1))[0]
    xs = Blocked.of(real(q, zero, .01).reshape(n * depth, ic, h, w), (1, 1, 1, 1))
    ys, b, packed = Blocked((n * od, oc, h, w)), channels(bias), pack(level, weights, each, zero - 32768)
    run(level, "conv_s16", 2 * n * od, x=xs.at(-1, -1), w=ref(packed), bias=ref(b), y=ys.at(), n=n * od, ib=xs.blocks,
        last=(ic - 1) % 16 + 1, ob=ys.blocks, kh=3, kw=3, dh=1, dw=1, sh=1, sw=1, oh=h, ow=w, row_tiles=2, rows=3,
        oc_tiles=1, blocks=ys.blocks, kd=kd, sd=stride, dd=dilation, pf=pad, id=depth, od=od, zero=zero - 32768,
        inverse=1 / float(F32(.01)), **xs.params("x"), **ys.params("y"))
    np.testing.assert_array_equal(ys.result(), wanted_of(sums.reshape(n * od, oc, h, w), each, bias, 1))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("m, n, k", [*SIZES, (1100, 17, 40), (300, 35, 1030)])         # rows in several strips
def test_gemm_is_the_sum_of_integers(level, m, n, k, transposed):
    rng, zero, scale = np.random.default_rng(m + n + k), 30000, F32(.003)
    q = numbers(rng, np.uint16, (m, k))
    w = bounded(rng.integers(-255, 256, (n, k)), np.uint16, zero)
    each, bias = rng.uniform(.5, 2, n).astype(F32), (rng.standard_normal(n) * 1e4).astype(F32)
    sums = (q.astype(float) - zero) @ w.T.astype(float)
    wanted = F32(.5) * (sums.astype(F32) * each) + bias
    source = np.ascontiguousarray(w if transposed else w.T)
    table, width, lda, ldy = ops.table(level), ops.table(level).gemm_n, k + 3, n + 5
    given = dict(w=ref(source), each=ref(each), oc=n, ic=k, kd=1, kh=1, kw=1, so=k if transposed else 1,
                 sk=1 if transposed else n, zero=zero - 32768)
    size, tiles, _ = table.packed("pack_s16", table.pack("pack_s16", **given))
    packed = aligned(size // 4)
    run(level, "pack_s16", tiles, y=ref(packed), **given)
    x, b = padded_rows(real(q, zero, scale), lda, np.nan), channels(bias)
    for rows, cols, threads in ((1, width, 3), (9, 4 * width, 1), (m, n, 1)):
        cols = -(-cols // width) * width
        y = aligned(m * ldy + 128)
        y[...] = GUARD
        run(level, "gemm_s16", -(-m // rows) * -(-n // cols), threads, a=ref(x), w=ref(packed), bias=ref(b),
            y=ref(y, 64), m=m, n=n, k=k, lda=lda, ldy=ldy, scale=.5, row_tiles=-(-m // rows), rows=rows,
            col_tiles=-(-n // cols), cols=cols, zero=zero - 32768, inverse=1 / float(scale))
        result = y[64:-64].reshape(m, ldy)
        assert (np.concatenate([y[:64], y[-64:], result[:, n:].reshape(-1)]) == GUARD).all()
        np.testing.assert_array_equal(result[:, :n], wanted, f"{m} x {n} x {k} {level}")
