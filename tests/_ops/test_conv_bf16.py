"""Convolution in bfloat16 against float64 sums of rounded numbers, at every level that has it."""
import numpy as np
import pytest
from bf16 import LEVELS, rounded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_conv import CASES as CONV_CASES
from test_conv import activation_of, close_and_same, data, in_several_ways
from windows import ACTIVATIONS, GUARD, RNG, Blocked, aligned, assert_close, channels, convolve, put, ref, run

import cinfer._ops as ops

# Of the largest output: products are exact, their sums of up to 6300 terms are of float32; measured 1.2e-6.
TOLERANCE = 4e-6


def takes(groups, ic, oc, level=None):
    return groups == 1 or oc % 16 == 0 and ic % (ops.table(level).bf16_group if level else 2) == 0


CASES = [case for case in CONV_CASES if takes(*case[1:4])] + [
    (1, 1, 33, 80, 6, 5, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),         # a pair and its zero behind whole blocks
    (1, 1, 63, 16, 3, 4, (2, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
    (1, 2, 6, 48, 5, 6, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),          # groups whose blocks are odd
    (2, 3, 20, 32, 5, 6, (1, 1), (2, 2), (1, 1), (0, 0, 0, 0)),
    (1, 2, 32, 48, 5, 6, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),         # of whole tiles of terms
    (2, 3, 64, 32, 9, 7, (2, 2), (2, 2), (1, 1), (1, 1, 0, 1)),
    (1, 1, 1050, 32, 4, 9, (3, 2), (1, 1), (1, 1), (0, 0, 0, 0)),       # sums in pieces
    (1, 1, 512, 64, 5, 9, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),        # pixels 1024 bytes apart, and more
    (1, 1, 700, 16, 3, 70, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),       # rows in several strips
    (1, 1, 90, 20, 41, 40, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),       # strips of some rows
    (1, 1, 3, 17, 2, 1100, (2, 3), (1, 1), (1, 1), (0, 0, 0, 0))]       # many pixels in a row


def pack(level, w, groups=1, threads=1):
    """w [oc][ic/groups][kd][kh][kw], or without slices, packed by the kernel."""
    oc, ic = w.shape[:2]
    kd, kh, kw = w.shape[2:] if w.ndim == 5 else (1, *w.shape[2:])
    width, goc = ops.table(level).conv_oc, oc // groups if groups > 1 else 0
    if goc % width:
        width = 16
    source, packed = put(w), aligned(size_of(level, oc, ic, kd, kh, kw) + 16)
    packed[...] = GUARD
    run(level, "pack_bf16", -(-round_up(oc) // width), threads=threads, w=ref(source), y=ref(packed), oc=oc, ic=ic,
        kd=kd, kh=kh, kw=kw, so=ic * kd * kh * kw, sk=1, goc=goc)
    assert (packed[-16:] == GUARD).all(), "packed more than there is"
    return packed[:-16]


def round_up(c, to=16):
    return -(-c // to) * to


def size_of(level, oc, ic, kd, kh, kw):
    """Pairs of packed weights."""
    pairs = kd * round_up(ic, ops.table(level).bf16_group if kd == 1 else 32) // 2
    return round_up(oc) * pairs * kh * kw


def run_pairs(level, kernel, packed, x, w, bias, groups, strides, dilations, pads, out_shape, rows, blocks, threads=1,
              halo=(0, 0, 0, 0), res=None, **more):
    """A convolution by pairs of 16 bits, `conv_bf16` or `conv_s16`. packed : its weights w"""
    (n, ic), (oh, ow), (kh, kw) = x.shape[:2], out_shape[2:], w.shape[2:]
    xs, ys, b = Blocked.of(x, pads), Blocked(out_shape, halo), channels(bias)
    ob, step = ys.blocks, max(1, ops.table(level).conv_oc // 16)
    blocks = min(-(-blocks // step) * step, ob)
    row_tiles, oc_tiles = -(-oh // rows), -(-ob // blocks)
    if res is not None:
        rs = Blocked.of(res, (0, 1, 2, 0))
        more.update(res=rs.at(), **rs.params("r"))
    if groups > 1:
        more.update(goc=len(w) // groups, gic=ic // groups)
    before = xs.data.copy()
    run(level, kernel, n * row_tiles * oc_tiles, threads=threads, x=xs.at(-pads[0], -pads[1]), w=ref(packed),
        bias=ref(b), y=ys.at(), n=n, ib=xs.blocks, last=(ic - 1) % 16 + 1, ob=ob, kh=kh, kw=kw, dh=dilations[0],
        dw=dilations[1], sh=strides[0], sw=strides[1], oh=oh, ow=ow, row_tiles=row_tiles, rows=rows, oc_tiles=oc_tiles,
        blocks=blocks, **xs.params("x"), **ys.params("y"), **more)
    np.testing.assert_array_equal(xs.data, before)
    return ys.result()


def run_conv(level, x, w, bias, groups, *how, **more):
    return run_pairs(level, "conv_bf16", pack(level, w, groups), x, w, bias, groups, *how, **more)


def same_in_several_ways(level, x, w, bias, groups, window, wanted, what):
    results = [run_conv(level, x, w, bias, groups, *window, wanted.shape, rows, blocks, threads, halo)
               for rows, blocks, threads, halo in in_several_ways(wanted.shape[2])]
    close_and_same(results, wanted, what, w)


@pytest.mark.parametrize("level, case", [(level, case) for level in LEVELS for case in CASES
                                         if takes(*case[1:4], level)], ids=str)
def test_conv_is_the_sum_of_rounded_products(level, case):
    n, groups, ic, oc, h, wd, k, *window = case
    x, w, bias = data(n, groups, ic, oc, h, wd, k)
    wanted = convolve(rounded(x), rounded(w), bias, groups, *window)
    same_in_several_ways(level, x, w, bias, groups, window, wanted, f"{case} {level}")


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_conv_of_drawn_windows(data):
    def draw(low, high):
        return data.draw(st.integers(low, high))
    groups = data.draw(st.sampled_from([1, 1, 2, 3]))
    ic, oc = (data.draw(st.sampled_from([2, 6, 32, 34, 64])), 16 * draw(1, 3)) if groups > 1 else (draw(1, 70),
                                                                                                  draw(1, 70))
    kernel, strides, dilations = (draw(1, 3), draw(1, 4)), (draw(1, 3), draw(1, 2)), (draw(1, 2), draw(1, 3))
    pads = draw(0, 2), draw(0, 2), draw(0, 2), draw(0, 2)
    h, w = (max(1, (k - 1) * d + 1 - sum(pads[i::2])) + draw(0, 9) for i, (k, d) in enumerate(zip(kernel, dilations)))
    rng = np.random.default_rng(draw(0, 999))
    x = rng.standard_normal((draw(1, 2), groups * ic, h, w)).astype(np.float32)
    weights = rng.standard_normal((groups * oc, ic, *kernel)).astype(np.float32)
    bias = rng.standard_normal(groups * oc).astype(np.float32)
    window = strides, dilations, pads
    wanted = convolve(rounded(x), rounded(weights), bias, groups, *window)
    for level in (level for level in LEVELS if takes(groups, ic, oc, level)):
        same_in_several_ways(level, x, weights, bias, groups, window, wanted, level)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("act", [*ACTIVATIONS, "sigmoid"])
@pytest.mark.parametrize("oc, halo", [(40, (0, 0, 0, 0)), (16, (1, 1, 1, 1))])
def test_conv_adds_the_residual_before_the_activation(level, act, oc, halo):
    """Bias, residual and activation are of float32."""
    x, w, bias = data(1, 1, 20, oc, 9, 11, (3, 3))
    res = RNG.standard_normal((1, oc, 9, 11)).astype(np.float32)
    res[0, 3, 2, 5] = np.nan
    window = (1, 1), (1, 1), (1, 1, 1, 1)
    sums = convolve(rounded(x), rounded(w), bias, 1, *window) + res
    params, f, slopes = activation_of(act, oc)
    y = run_conv(level, x, w, bias, 1, *window, sums.shape, 4, 1, halo=halo, res=res, **params)
    assert_close(y, f(sums), TOLERANCE, f"{act} {level}", np.nanmax(np.abs(sums)))


@pytest.mark.parametrize("level", LEVELS)
def test_rounding(level):
    """To the nearest of 8 bits, ties to even, of x as of w; a NaN of any bits stays one, infinity as well."""
    one = np.float32(1)
    ties = np.array([1 + 2.0 ** -8, 1 + 3 * 2.0 ** -8, np.nextafter(one + np.float32(2 ** -8), 2), 0.0, -1.2345678,
                     3.3e38, np.inf, -np.inf, 1.1754944e-38, 2 ** -20, 7 + 2.0 ** -6, -3.14159], np.float32)
    odd = np.array([0x7f800001, 0xffffffff, 0x7fffffff, 0xff800080], np.uint32).view(np.float32)
    values = np.concatenate((ties, odd, ties))
    x, w = np.zeros((1, 2, 1, len(values)), np.float32), np.zeros((16, 2, 1, 1), np.float32)
    x[0, 0, 0], w[:, 0] = values, 1
    window = (1, 1), (1, 1), (0, 0, 0, 0)
    y = run_conv(level, x, w, np.zeros(16), 1, *window, (1, 16, 1, len(values)), 1, 1)
    np.testing.assert_array_equal(y, np.broadcast_to(rounded(values), y.shape))
    x[...], w[...] = 0, 0
    x[:, 1], w[:len(ties), 1, 0, 0] = 1, ties
    y = run_conv(level, x, w, np.zeros(16), 1, *window, (1, 16, 1, len(values)), 1, 1)
    np.testing.assert_array_equal(y[0, :len(ties), 0, 0], rounded(ties))


@pytest.mark.parametrize("level", LEVELS)
def test_infinities_and_nan_stay_where_they_are(level):
    """In the windows and channels that they are in: not in other pixels of a tile, nor in other groups, nor by
    weights of zero that fill it up."""
    x, w, bias = data(1, 2, 32, 48, 6, 21, (1, 3))
    x[0, 31, 2, 5], x[0, 32, 3, 20], x[0, 7, 4, 3], x[0, 7, 4, 5] = np.inf, np.nan, np.inf, -np.inf
    w[:, 31], w[:, 7] = np.abs(w[:, 31]), np.abs(w[:, 7])
    w[3, 4, 0, 1] = -np.inf
    window = (1, 1), (1, 1), (0, 0, 0, 0)
    with np.errstate(invalid="ignore"):
        wanted = convolve(rounded(x), rounded(w), bias, 2, *window)
    y = run_conv(level, x, w, bias, 2, *window, wanted.shape, 4, 2)
    for told in (np.isnan, np.isposinf, np.isneginf):
        np.testing.assert_array_equal(told(y), told(wanted))
    assert 9 < np.isinf(wanted).sum() and 9 < np.isnan(wanted).sum() < wanted.size // 20
    finite = np.isfinite(wanted)
    assert_close(y[finite], wanted[finite], TOLERANCE, level)


@pytest.mark.parametrize("level", LEVELS)
def test_denormals_count_as_zero(level):
    """As numbers that are multiplied, and as products: 1.2e-38 is the least that there is."""
    x, w = np.zeros((1, 3, 1, 4), np.float32), np.zeros((16, 3, 1, 1), np.float32)
    x[0, 0, 0], w[:, 0] = (1e-39, -2e-41, 1.5e-38, 0), 2 ** 100            # of operands
    x[0, 1, 0], w[:, 1] = 2.0 ** -70, 2.0 ** -70                           # of products
    y = run_conv(level, x, w, np.zeros(16), 1, (1, 1), (1, 1), (0, 0, 0, 0), (1, 16, 1, 4), 1, 1)
    wanted = [0, 0, 2 ** 100 * rounded(np.float32([1.5e-38])).item(), 0]
    np.testing.assert_array_equal(y, np.broadcast_to(np.array(wanted, np.float32), y.shape))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("depth, kd, stride, dilation, pad", [(5, 3, 1, 1, 1), (6, 2, 2, 1, 0), (5, 3, 1, 2, 2)])
def test_conv_of_volumes(level, depth, kd, stride, dilation, pad):
    """Slices are channels of the sum; those beyond the volume are zero."""
    ic, oc, h, w, n = 21, 24, 5, 6, 2
    od = (depth + 2 * pad - (kd - 1) * dilation - 1) // stride + 1
    x = RNG.standard_normal((n, depth, ic, h, w)).astype(np.float32)
    weights = RNG.standard_normal((oc, ic, kd, 3, 3)).astype(np.float32)
    bias = RNG.standard_normal(oc).astype(np.float32)
    wanted = np.zeros((n, od, oc, h, w)) + bias[:, None, None]
    for image, o, k in np.ndindex(n, od, kd):
        if 0 <= (d := o * stride - pad + k * dilation) < depth:
            wanted[image, o] += convolve(rounded(x[image, d:d + 1]), rounded(weights[:, :, k]), np.zeros(oc), 1,
                                         (1, 1), (1, 1), (1, 1, 1, 1))[0]
    xs, ys = Blocked.of(x.reshape(n * depth, ic, h, w), (1, 1, 1, 1)), Blocked((n * od, oc, h, w))
    b, packed = channels(bias), pack(level, weights)
    run(level, "conv_bf16", 2 * n * od, x=xs.at(-1, -1), w=ref(packed), bias=ref(b), y=ys.at(), n=n * od, ib=xs.blocks,
        last=(ic - 1) % 16 + 1, ob=ys.blocks, kh=3, kw=3, dh=1, dw=1, sh=1, sw=1, oh=h, ow=w, row_tiles=2, rows=3,
        oc_tiles=1, blocks=ys.blocks, kd=kd, sd=stride, dd=dilation, pf=pad, id=depth, od=od, **xs.params("x"),
        **ys.params("y"))
    assert_close(ys.result(), wanted.reshape(n * od, oc, h, w), TOLERANCE, level)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("groups, oc, ic, k", [(1, 1, 1, (1, 1)), (1, 40, 21, (3, 3)), (1, 64, 70, (1, 1)),
                                               (2, 48, 6, (2, 3)), (3, 32, 34, (1, 2)), (1, 33, 20, (2, 3, 3))])
def test_pack_bf16(level, groups, oc, ic, k):
    """[oc tile][slice][block of 32][kh][kw][pair][oc tile][2], whole groups of what a step multiplies"""
    group = ops.table(level).bf16_group
    w = RNG.standard_normal((groups * oc, ic, *k)).astype(np.float32)
    width = ops.table(level).conv_oc
    if groups > 1 and oc % width:
        width = 16
    whole = np.zeros((round_up(groups * oc), round_up(ic, 32), *((1,) * (3 - len(k))), *k), np.float32)
    whole[:groups * oc, :ic] = rounded(w).reshape(groups * oc, ic, *whole.shape[2:])
    parts = []
    for o in range(0, len(whole), width):
        for z in range(whole.shape[2]):
            for b in range(0, ic, 32):
                have = 32 if whole.shape[2] > 1 else min(32, round_up(ic - b, group))
                part = whole[o:o + width, b:b + have, z].transpose(2, 3, 1, 0)          # [kh][kw][channel][oc]
                part = part.reshape(*part.shape[:2], have // 2, 2, -1).swapaxes(3, 4)
                parts.append((part.copy().view(np.uint32) >> 16).astype(np.uint16).reshape(-1))
    packed = pack(level, w, groups, threads=2)
    np.testing.assert_array_equal(packed.view(np.uint16), np.concatenate(parts))


@pytest.mark.parametrize("level", LEVELS)
def test_long_sums_are_added_in_pieces(level):
    """9000 equal terms of one sign: one after another they would be off by 2.7e-4; in pieces of up to 512 pairs, or of
    2048, by less."""
    x = np.full((1, 1000, 3, 20), 0.1, np.float32)
    w = np.full((16, 1000, 3, 3), 0.3, np.float32)
    window = (1, 1), (1, 1), (0, 0, 0, 0)
    wanted = convolve(rounded(x), rounded(w), np.zeros(16), 1, *window)
    y = run_conv(level, x, w, np.zeros(16), 1, *window, wanted.shape, 1, 1)
    assert_close(y, wanted, 4e-5, level)
