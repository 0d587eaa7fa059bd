"""Winograd convolution of uint8 against the direct sum in integers: exactly equal, at every level."""
import platform

import numpy as np
import pytest

import cinfer._ops as ops
from u8 import (FUNCTIONS, BlockedU8, Residual, address, assert_activated, channels, convolved, integers, put,
                requantised)
from windows import run

LEVELS = [level for level in ops.usable_levels() if "winograd_u8" in ops.table(level).index]
RNG = np.random.default_rng(11)
GUARD = 0x5A5A
PATCH = [4, 2]
CASES = [  # images, in channels, out channels, h, w, (top, left, bottom, right)
    (1, 1, 1, 1, 1, (1, 1, 1, 1)), (2, 3, 16, 1, 7, (1, 1, 1, 1)), (1, 16, 8, 7, 7, (1, 1, 1, 1)),
    (2, 17, 24, 13, 5, (1, 1, 1, 1)), (1, 48, 58, 14, 14, (1, 1, 1, 1)), (1, 58, 64, 9, 30, (0, 0, 0, 0)),
    (1, 64, 17, 14, 14, (2, 2, 2, 2)), (1, 24, 48, 6, 6, (0, 1, 2, 0)), (1, 511, 32, 8, 8, (1, 1, 1, 1))]
WAYS = [  # patches and output blocks of a tile, threads, halo of y
    (3, 1, 2, (1, 0, 0, 1)), (14, 2, 1, (0, 2, 1, 0)), (1000, 1000, 1, (0, 0, 0, 0))]


def tile_width(level):
    """WINO_OC: output channels of a register tile."""
    return ops.table(level).vw * (4 if platform.machine() in ("aarch64", "arm64") else 2)


def group_width(level):
    """KG: input channels side by side."""
    return 2 if platform.machine() in ("x86_64", "AMD64") else 1


def pack(level, w, m, threads=1):
    """w : [oc][ic][3][3], the zero point subtracted"""
    oc, ic = w.shape[:2]
    blocks, group = -(-oc // 16), group_width(level)
    size = (m + 2) ** 2 * -(-ic // group) * group * blocks * 16
    source, packed = put(w, np.int16), put(np.full(size + 16, GUARD, np.int16))
    run(level, "pack_winograd_u8", blocks, threads=threads, w=address(source), y=address(packed), oc=oc, ic=ic, m=m,
        so=9 * ic, si=9, sy=3, sx=1)
    assert (packed[-16:] == GUARD).all(), "written past the end"
    return packed


def run_winograd(level, x, w, bias, scale, pads, m, patches=1000, blocks=1000, threads=1, halo=(0, 0, 0, 0), *,
                 x_zero, y_zero, lo=0, hi=255, table=None, residual=None, **more):
    """bias : of the sums of (x - x_zero) * w"""
    (n, ic, ih, iw), oc = x.shape, w.shape[0]
    oh, ow = ih + pads[0] + pads[2] - 2, iw + pads[1] + pads[3] - 2
    packed = pack(level, w, m)
    shift = channels(bias - x_zero * w.sum((1, 2, 3)), np.int32)
    factor, chosen = channels(scale, np.float32), put(table, np.uint8) if table is not None else None
    xs, ys = BlockedU8.of(x, (1, 0, 0, 1), zero=77), BlockedU8((n, oc, oh, ow), halo)
    total, step = -(-oh // m) * -(-ow // m), -(-tile_width(level) // 16)
    blocks, patches = min(-(-blocks // step) * step, ys.blocks), min(patches, total)
    patch_tiles, oc_tiles = -(-total // patches), -(-ys.blocks // blocks)
    run(level, "winograd_u8", n * patch_tiles * oc_tiles, threads, x=xs.at(), w=address(packed),
        bias=address(shift), scale=address(factor), y=ys.at(), n=n, ib=xs.blocks, last=(ic - 1) % 16 + 1,
        ob=ys.blocks, ih=ih, iw=iw, oh=oh, ow=ow, pt=pads[0], pl=pads[1], xz=x_zero, yz=y_zero, lo=lo, hi=hi, m=m,
        patches=patches, patch_tiles=patch_tiles, oc_tiles=oc_tiles, blocks=blocks, **xs.params("x"),
        **ys.params("y"), **({} if chosen is None else {"table": address(chosen)}),
        **({} if residual is None else residual.params()), **more)
    return ys.result()


def wanted(x, w, bias, scale, pads, *, x_zero, y_zero, lo=0, hi=255, table=None):
    sums = convolved(x, w, x_zero, (1, 1), (1, 1), pads) + bias[:, None, None]
    return requantised(sums, scale, y_zero, lo, hi, table)


def data(n, ic, oc, h, w, x_kind="random", w_kind="random"):
    """x, w, bias and scales that spread the sums over the bytes."""
    x = integers(RNG, (n, ic, h, w), 0, 255, x_kind).astype(np.uint8)
    weights = integers(RNG, (oc, ic, 3, 3), -128, 127, w_kind)
    spread = {"random": 73 * 105 * np.sqrt(9 * ic)}.get(w_kind, 9 * ic * 255 * 128)
    scale = RNG.uniform(30, 90, oc) / spread
    return x, weights, integers(RNG, oc, -int(spread), int(spread)), scale.astype(np.float32)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("m", PATCH)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_equals_the_direct_sum_however_it_is_divided(level, m, case):
    *sizes, pads = case
    given, zeros = data(*sizes), dict(x_zero=113, y_zero=130)
    y = wanted(*given, pads, **zeros)
    for way in WAYS:
        np.testing.assert_array_equal(run_winograd(level, *given, pads, m, *way, **zeros), y, err_msg=str(way))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("m", PATCH)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_bytes_are_added(level, m, case):
    """Before the table, where there is one."""
    *sizes, pads = case
    given, zeros = data(*sizes), dict(x_zero=113, y_zero=130)
    y, table = wanted(*given, pads, **zeros), RNG.permutation(256).astype(np.uint8)
    for way, around, through in zip(WAYS, ((0, 1, 2, 3), (0, 0, 0, 0), (1, 1, 1, 1)), (None, table, None)):
        residual = Residual(RNG.integers(0, 256, y.shape).astype(np.uint8), .03, .05, 17, .06, 99, around)
        np.testing.assert_array_equal(
            run_winograd(level, *given, pads, m, *way, **zeros, table=through, residual=residual),
            residual.added(y, 130, through), err_msg=str(way))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("m", PATCH)
@pytest.mark.parametrize("w_kind", ["lo", "hi", "random"])
@pytest.mark.parametrize("x_kind", ["lo", "hi", "random"])
@pytest.mark.parametrize("x_zero", [0, 128, 255])
def test_the_ends_of_the_bytes(level, m, w_kind, x_kind, x_zero):
    given = data(1, 75, 40, 6, 9, x_kind, w_kind)
    for y_zero in (0, 255):
        zeros = dict(x_zero=x_zero, y_zero=y_zero)
        np.testing.assert_array_equal(run_winograd(level, *given, (1, 1, 1, 1), m, **zeros),
                                      wanted(*given, (1, 1, 1, 1), **zeros))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("m", PATCH)
def test_inputs_and_weights_that_make_the_largest_products(level, m):
    """Signs as in the rows of the transforms, weights of 9 bits: int16 holds what is multiplied, and the sums between
    wrap, but not what comes out."""
    rows = np.array([[2, 3, -4, -3, 2, 0], [0, -2, -5, -1, 2, 0], [0, 2, 1, -5, 2, 0], [0, 2, 3, -4, -3, 2]])
    outer = np.einsum("ia,jb->ijab", rows, rows).reshape(-1, 1, 6, 6)
    x = np.where(np.concatenate((outer, -outer)) > 0, 255, 0).astype(np.uint8).repeat(48, 1)
    taps = np.array([[1, 2, 4], [4, -2, 1], [1, 1, 1], [1, -1, 1]])
    outer = np.einsum("ia,jb->ijab", taps, taps).reshape(-1, 1, 3, 3)
    w = np.where(np.concatenate((outer, -outer)) > 0, 255, -255).repeat(48, 1)
    bias, scale = np.arange(32) * 100000, np.full(32, 1e-5, np.float32)
    for lanes in (slice(None), slice(0, 16)):
        given = x, w[lanes], bias[lanes], scale[lanes], (1, 1, 1, 1)
        zeros = dict(x_zero=0, y_zero=128)
        np.testing.assert_array_equal(run_winograd(level, *given[:5], m, **zeros), wanted(*given, **zeros))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("m", PATCH)
def test_sums_are_exact_up_to_the_bound(level, m):
    """|sum + bias| < 2^29."""
    x = np.full((1, 64, 5, 5), 255, np.uint8)
    w = np.zeros((4, 64, 3, 3), int)
    w[0], w[1] = 127, -128
    limit = 2 ** 29 - 1
    largest = 255 * 64 * 9 * 127
    bias = np.array([limit - largest, -limit + 255 * 64 * 9 * 128, limit, -limit])
    scale = np.full(4, 100 / 2 ** 29, np.float32)
    zeros = dict(x_zero=0, y_zero=128)
    np.testing.assert_array_equal(run_winograd(level, x, w, bias, scale, (1, 1, 1, 1), m, **zeros),
                                  wanted(x, w, bias, scale, (1, 1, 1, 1), **zeros))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("m", PATCH)
@pytest.mark.parametrize("lo, hi", [(0, 255), (100, 160), (130, 130), (0, 0)])
@pytest.mark.parametrize("with_table", [False, True])
def test_limits_and_table(level, m, lo, hi, with_table):
    given = data(1, 20, 24, 10, 11)
    table = RNG.permutation(256) if with_table else None
    how = dict(x_zero=7, y_zero=130, lo=lo, hi=hi, table=table)
    np.testing.assert_array_equal(run_winograd(level, *given, (1, 1, 1, 1), m, 5, 1, **how),
                                  wanted(*given, (1, 1, 1, 1), **how))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("m", PATCH)
@pytest.mark.parametrize("factor", [.5, 1.5, 2.5, 1e30, -1e30, np.float32(1 / 3)])
def test_rounds_half_to_even_and_holds_what_no_integer_does(level, m, factor):
    x = np.full((1, 1, 3, 3), 1, np.uint8)
    w = np.zeros((21, 1, 3, 3), int)
    bias, scale = np.arange(-10, 11), np.full(21, factor, np.float32)
    given, zeros = (x, w, bias, scale, (1, 1, 1, 1)), dict(x_zero=0, y_zero=128)
    np.testing.assert_array_equal(run_winograd(level, *given, m, **zeros), wanted(*given, **zeros))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("m, oc, ic", [(4, 40, 21), (2, 40, 21), (4, 5, 1), (4, 64, 32)])
def test_packed_weights(level, m, oc, ic):
    w = RNG.integers(-255, 256, (oc, ic, 3, 3))
    g = np.array({4: [[3, 0, 0], [-1, -1, -1], [1, -1, 1], [1, 2, 4], [-4, 2, -1], [0, 0, 3]],
                  2: [[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]]}[m])
    group, width = group_width(level), tile_width(level)
    u = np.zeros(((m + 2) ** 2, -(-oc // 16) * 16, -(-ic // group), group), int)
    u.reshape(len(u), -1, u.shape[2] * group)[:, :oc, :ic] = np.einsum("ia,ocab,jb->ijoc", g, w, g).reshape(-1, oc, ic)
    tiles = [u[:, o:o + width].transpose(0, 2, 1, 3).reshape(len(u), -1) for o in range(0, u.shape[1], width)]
    np.testing.assert_array_equal(pack(level, w, m, threads=2)[:-16], np.concatenate(tiles, 1).reshape(-1))


@pytest.mark.parametrize("level", LEVELS)
def test_packing_follows_the_strides_of_the_source(level):
    """Weights of a transposed convolution: [ic][oc], taps turned round."""
    w = RNG.integers(-128, 128, (24, 18, 3, 3))
    source = put(w.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1], np.int16)
    packed = put(np.zeros(36 * 18 * 32, np.int16))
    run(level, "pack_winograd_u8", 2, w=address(source, 16), y=address(packed), oc=24, ic=18, m=4, so=9, si=24 * 9,
        sy=-3, sx=-1)
    np.testing.assert_array_equal(packed, pack(level, w, 4)[:-16])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("m", PATCH)
def test_slopes_come_before_rounding(level, m):
    x, w, bias, scale = data(1, 17, 40, 9, 14)
    slope, pads = RNG.uniform(-.5, 2, 40).astype(np.float32), (1, 1, 1, 1)
    sums, packed = convolved(x, w, 9, (1, 1), (1, 1), pads) + bias[:, None, None], channels(slope, np.float32)
    y = run_winograd(level, x, w, bias, scale, pads, m, x_zero=9, y_zero=77, slope=address(packed),
                     act=ops.table(level).unary["prelu"])
    np.testing.assert_array_equal(y, requantised(sums, scale, 77, slope=slope))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("m", PATCH)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_activations_come_before_rounding(level, m, name):
    (x, w, bias, scale), pads = data(1, 17, 40, 9, 14), (1, 1, 1, 1)
    alpha, beta, function = FUNCTIONS[name]
    sums = convolved(x, w, 9, (1, 1), (1, 1), pads) + bias[:, None, None]
    scale = scale / np.float32(20)
    step = float(np.float32((1 if "sigmoid" in name or name == "tanh" else 6) / 130))
    y = run_winograd(level, x, w, bias, scale, pads, m, x_zero=9, y_zero=110, step=step, alpha=alpha, beta=beta,
                     act=ops.table(level).unary[name])
    assert_activated(y, sums, scale, step, 110, function)
