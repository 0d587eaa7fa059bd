"""Convolutions of bytes that end in float32, by a zero point that the run finds: exact sums in integers, then each
operation rounded by itself, at every level."""
import numpy as np
import pytest

import cinfer._ops as ops
import test_conv_u8
import test_depthwise_u8
import test_winograd_u8
from u8 import GUARD, NOTHING, BlockedU8, address, convolved, integers, put
from u8 import channels as vector
from windows import Blocked, activation, run

RNG = np.random.default_rng(12)
LEVELS = [level for level in ops.usable_levels() if "conv_u8" in ops.table(level).index]
# kernel, images, groups, channels of a group in and out, h, w, kernel, strides, dilations, pads (t, l, b, r)
CASES = [
    ("conv_u8", 1, 1, 1, 1, 1, 1, (1, 1), (1, 1), (1, 1), NOTHING),
    ("conv_u8", 2, 1, 3, 16, 1, 7, (1, 1), (1, 1), (1, 1), NOTHING),
    ("conv_u8", 1, 1, 17, 50, 14, 13, (1, 1), (1, 1), (1, 1), NOTHING),
    ("conv_u8", 1, 1, 48, 33, 31, 29, (3, 3), (2, 2), (1, 1), (1, 0, 1, 2)),
    ("conv_u8", 1, 1, 5, 19, 3, 457, (3, 1), (1, 1), (2, 1), (2, 0, 2, 0)),
    ("conv_u8", 2, 3, 16, 24, 9, 6, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
    ("winograd_u8", 2, 1, 17, 40, 13, 5, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
    ("winograd_u8", 1, 1, 64, 16, 14, 15, (3, 3), (1, 1), (1, 1), (0, 1, 2, 0)),
    ("depthwise_u8", 2, 17, 1, 1, 7, 7, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
    ("depthwise_u8", 1, 40, 1, 1, 13, 31, (5, 5), (2, 2), (1, 1), (2, 2, 2, 2)),
    ("depthwise_u8", 1, 5, 1, 1, 4, 411, (3, 2), (1, 3), (2, 1), (2, 1, 2, 0))]


def run_kernel(level, kernel, x, zero, w, groups, strides, dilations, pads, out_shape, end, halo=NOTHING, threads=1,
               m=4):
    """end : the parameters behind the sums, but for those of y and its residual's strides"""
    (n, ic, ih, iw), (_, oc, oh, ow) = x.shape, out_shape
    ys = Blocked(out_shape, halo)
    wsum = put(np.zeros(ys.blocks * 16, np.int32))
    wsum[:oc] = w.reshape(oc, -1).sum(1)
    byte = put(zero, np.uint8)
    frame = NOTHING if kernel == "winograd_u8" else pads         # what is beyond is not read
    xs = BlockedU8.of(x, frame, zero)
    before = xs.data.copy()
    common = dict(y=ys.at(), n=n, oh=oh, ow=ow, wsum=address(wsum), zero=address(byte), xz=255 - zero, **xs.params("x"),
                  **ys.params("y"), **end)
    if kernel == "conv_u8":
        step = max(1, ops.table(level).conv_oc // 16)
        more = dict(goc=oc // groups, gic=ic // groups) if groups > 1 else {}
        packed, rows, blocks = test_conv_u8.pack(level, w, groups), 2, min(step, ys.blocks)
        row_tiles, oc_tiles = -(-oh // rows), -(-ys.blocks // blocks)
        run(level, kernel, n * row_tiles * oc_tiles, threads=threads, x=xs.at(-pads[0], -pads[1]), w=address(packed),
            ib=xs.blocks, last=(ic - 1) % 16 + 1, ob=ys.blocks, kh=w.shape[2], kw=w.shape[3], dh=dilations[0],
            dw=dilations[1], sh=strides[0], sw=strides[1], rows=rows, row_tiles=row_tiles, oc_tiles=oc_tiles,
            blocks=blocks, **common, **more)
    elif kernel == "depthwise_u8":
        common.pop("xz")
        packed = test_depthwise_u8.pack(level, w[:, 0], strides[0], dilations[0])
        row_tiles = -(-oh // 3)
        run(level, kernel, n * xs.blocks * row_tiles, threads=threads, x=xs.at(-pads[0], -pads[1]), w=address(packed),
            cb=xs.blocks, kh=w.shape[2], kw=w.shape[3], dh=dilations[0], dw=dilations[1], sh=strides[0],
            sw=strides[1], rows=3, row_tiles=row_tiles, **common)
    else:
        packed, total = test_winograd_u8.pack(level, w, m), -(-oh // m) * -(-ow // m)
        patches, blocks = 3, max(1, test_winograd_u8.tile_width(level) // 16)
        patch_tiles, oc_tiles = -(-total // patches), -(-ys.blocks // blocks)
        run(level, kernel, n * patch_tiles * oc_tiles, threads, x=xs.at(), w=address(packed), ib=xs.blocks,
            last=(ic - 1) % 16 + 1, ob=ys.blocks, ih=ih, iw=iw, pt=pads[0], pl=pads[1], m=m, patches=patches,
            patch_tiles=patch_tiles, oc_tiles=oc_tiles, blocks=blocks, **common)
    np.testing.assert_array_equal(xs.data, before)
    return ys.result()


def problem(case, w_range=(-128, 127), kind="random"):
    """x, its zero point, weights, exact sums"""
    _, n, groups, ic, oc, h, wd, k, strides, dilations, pads = case
    x = integers(RNG, (n, groups * ic, h, wd), 0, 255, kind).astype(np.uint8)
    w, zero = integers(RNG, (groups * oc, ic, *k), *w_range, kind), int(RNG.integers(256))
    return x, zero, w, convolved(x, w, zero, strides, dilations, pads, groups)


def rounded(sums, scale, bias=None, residual=None):
    """In float32, each operation by itself."""
    y = sums.astype(np.int32).astype(np.float32) * np.float32(scale)[:, None, None]
    y = y if bias is None else y + bias[:, None, None]
    return y if residual is None else y + residual


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("w_range", [(-128, 127), (-255, 255)])
def test_ends_in_float(level, case, w_range):
    """All that may come behind the sums, and each alone; halos stay as they are."""
    kernel, n, groups, ic, oc, *_, strides, dilations, pads = case
    if kernel == "winograd_u8" and w_range[1] > 127 and ic > 32:
        pytest.skip("the sums might be too large for it")
    x, zero, w, sums = problem(case, w_range)
    channels, oc = sums.shape[1], groups * oc
    scale, bias = RNG.uniform(1e-4, 1e-2, oc).astype(np.float32), RNG.normal(size=oc).astype(np.float32)
    residual = RNG.normal(size=sums.shape).astype(np.float32)
    rs, factor, add = Blocked.of(residual, (0, 1, 0, 0)), vector(scale, np.float32), vector(bias, np.float32)
    where = {"res": rs.at(), **rs.params("r")}
    for i, (act, biased, beside) in enumerate([("none", 0, 0), ("relu", 1, 1), ("clip", 1, 0), ("prelu", 0, 1)]):
        how, f, _keep = activation(act, channels)
        end = dict(scale=address(factor), **how, **(where if beside else {}))
        if biased:
            end["add"] = address(add)
        y = run_kernel(level, kernel, x, zero, w, groups, strides, dilations, pads, sums.shape, end,
                       [NOTHING, (1, 0, 0, 1)][i % 2], threads=1 + i % 2, m=(4, 2)[i % 2])
        want = rounded(sums, scale, bias if biased else None, residual if beside else None)
        want = np.where(want < 0, rounded_product(want, f), want) if act == "prelu" else f(want).astype(np.float32)
        np.testing.assert_array_equal(y, want, f"{case} {level} {act}")


def rounded_product(v, f):
    """slope * v in float32: the product of two float32 in float64 is exact"""
    return f(v).astype(np.float32)


# lanes beyond the channels would be 1/2 by the last of these, and what has no weights is not 0
RANGES = [("none", -.1), ("relu", .2), ("hard_sigmoid", .3), ("sigmoid", 0), ("neg", .2)]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("case", [*CASES, ("conv_u8", 1, 1, 80, 70, 9, 7, (1, 1), (1, 1), (1, 1), NOTHING)], ids=str)
def test_each_tile_finds_the_range_of_what_it_writes(level, case):
    """Exactly that of the numbers of real channels and 0; all of them NaN where one is."""
    kernel, n, groups, ic, oc, *_, strides, dilations, pads = case
    x, zero, w, sums = problem(case, (-60, 60))
    scale, parts = np.full(groups * oc, 3 / np.abs(sums).max(), np.float32), put(np.zeros(1 << 14, np.float32))
    factor = vector(scale, np.float32)
    for act, shift in RANGES:
        for odd in (None, groups * oc - 1):
            bias = np.full(groups * oc, shift, np.float32)
            if odd is not None and act == "none":
                bias[odd] = np.nan
            add, parts[:] = vector(bias, np.float32), GUARD
            how = dict(act=ops.table(level).unary["clip"], alpha=0., beta=np.inf) if act == "relu" else \
                dict(act=ops.table(level).unary[act], alpha=.2, beta=.5)
            end = dict(scale=address(factor), add=address(add), range=address(parts), channels=groups * oc, **how)
            y = run_kernel(level, kernel, x, zero, w, groups, strides, dilations, pads, sums.shape, end, (1, 0, 0, 1),
                           threads=2)
            found = parts[parts != GUARD].reshape(-1, 2)
            if np.isnan(y).any():
                nan = np.isnan(found)
                assert nan.any() and (nan[:, 0] == nan[:, 1]).all()
                continue
            assert [found[:, 0].min(), found[:, 1].max()] == [min(y.min(), 0), max(y.max(), 0)], f"{act} {level}"


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kernel", ["conv_u8", "winograd_u8", "depthwise_u8"])
@pytest.mark.parametrize("act", ["leaky_relu", "hard_swish", "tanh", "swish"])
def test_activations(level, kernel, act):
    case = next(case for case in CASES if case[0] == kernel and case[-4] != (1, 1))
    x, zero, w, sums = problem(case)
    scale = np.full(sums.shape[1], 4 / np.abs(sums).max(), np.float32)
    factor, (how, f, _keep) = vector(scale, np.float32), activation(act, sums.shape[1])
    y = run_kernel(level, kernel, x, zero, w, case[2], *case[-3:], sums.shape, dict(scale=address(factor), **how))
    np.testing.assert_allclose(y, f(rounded(sums, scale).astype(float)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", ["lo", "hi"])
@pytest.mark.parametrize("zero", [0, 255])
@pytest.mark.parametrize("kernel", ["conv_u8", "winograd_u8", "depthwise_u8"])
def test_extremes(level, kind, zero, kernel):
    """Sums as large as they get, by both ends of the zero point."""
    groups, ic = (20, 1) if kernel == "depthwise_u8" else (1, 300)
    x = integers(RNG, (1, groups * ic, 5, 6), 0, 255, kind).astype(np.uint8)
    w = integers(RNG, (20, ic, 3, 3), -128, 127, kind)
    sums = convolved(x, w, zero, (1, 1), (1, 1), (1, 1, 1, 1), groups)
    factor = vector(np.ones(20), np.float32)
    y = run_kernel(level, kernel, x, zero, w, groups, (1, 1), (1, 1), (1, 1, 1, 1), sums.shape,
                   dict(scale=address(factor)))
    np.testing.assert_array_equal(y, sums.astype(np.float32))


@pytest.mark.parametrize("level", ops.usable_levels())
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 16, 3, 5), (1, 40, 7, 9), (2, 19, 5, 1)])
@pytest.mark.parametrize("halo", [NOTHING, (1, 1, 1, 1)])
def test_the_range_of_blocks(level, shape, halo):
    """What lanes beyond the channels and the halo hold does not count; the range holds 0."""
    if "range_of_blocked" not in ops.table(level).index:
        pytest.skip("a level of bytes alone")
    for shift in (-3, 0, 3, np.nan):
        x = RNG.normal(size=shape).astype(np.float32)
        x.flat[x.size // 2] += np.float32(shift)
        xs, rows = Blocked.of(x, halo), 2
        xs.data[:64] = xs.data[-64:] = 1e9
        if halo != NOTHING:
            xs.pixels[:, :, 0] = xs.pixels[:, :, :, -1] = -1e9
        row_tiles = -(-shape[2] // rows)
        tiles = shape[0] * xs.blocks * row_tiles
        parts, scale, zero = np.zeros(2 * tiles, np.float32), np.zeros(1, np.float32), np.full(4, 77, np.uint8)
        run(level, "range_of_blocked", tiles, threads=2, x=xs.at(), parts=address(parts), c=shape[1], h=shape[2],
            w=shape[3], rows=rows, row_tiles=row_tiles, **xs.params("x"))
        run(level, "dynamic_scale", 1, parts=address(parts), scale=address(scale), zero=address(zero), count=tiles)
        low, high = min(x.min(), np.float32(0)), max(x.max(), np.float32(0))
        if np.isnan(shift):
            assert np.isnan(scale[0])
            continue
        step = np.float32((high - low) / np.float32(255)) or np.float32(1)
        assert scale[0] == step and zero.tolist() == [int(np.rint(np.clip(-low / step, 0, 255))), 77, 77, 77]
