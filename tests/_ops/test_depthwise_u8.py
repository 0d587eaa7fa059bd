"""Depthwise convolution of bytes against integers, at every level that has it: equal, whatever tiles and threads."""
import numpy as np
import pytest

import cinfer._ops as ops
from u8 import (FUNCTIONS, GUARD, NOTHING, BlockedU8, address, assert_activated, channels, convolved,
                convolved_slices, integers, put, requantised, slices)
from windows import run

LEVELS = [level for level in ops.usable_levels() if "depthwise_u8" in ops.table(level).index]
RNG = np.random.default_rng(9)
CASES = [  # channels, h, w, (kh, kw), (sh, sw), (dh, dw), (top, left, bottom, right)
    (1, 1, 1, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)), (16, 1, 7, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
    (17, 7, 7, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)), (24, 14, 14, (3, 3), (2, 2), (1, 1), (0, 0, 1, 1)),
    (58, 13, 5, (3, 3), (2, 2), (1, 1), (1, 1, 1, 1)), (3, 14, 29, (5, 5), (1, 1), (1, 1), (2, 2, 2, 2)),
    (48, 9, 31, (5, 5), (2, 2), (1, 1), (2, 2, 2, 2)), (8, 14, 14, (7, 7), (1, 1), (1, 1), (3, 3, 3, 3)),
    (16, 13, 16, (3, 3), (1, 1), (2, 2), (2, 2, 2, 2)), (16, 10, 9, (3, 3), (2, 1), (1, 1), (1, 1, 1, 1)),
    (16, 12, 17, (3, 3), (3, 3), (1, 1), (1, 0, 1, 2)), (20, 1, 30, (1, 5), (1, 2), (1, 3), (0, 6, 0, 6)),
    (16, 11, 11, (4, 2), (1, 2), (3, 1), (2, 0, 3, 1)), (32, 6, 43, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
    (5, 4, 411, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),           # rows longer than a chunk
    (5, 40, 43, (37, 35), (1, 1), (1, 1), (0, 0, 0, 0)), (5, 9, 7, (2, 5), (1, 1), (1, 1), (1, 2, 0, 2))]


def pack(level, w, stride, dilation, source=None, strides=None):
    """w : whole numbers [c][kh][kw], of volumes [c][kd][kh][kw]; stride, dilation : along y."""
    c, *depth, kh, kw = w.shape
    source, kd, of = put(w if source is None else source, np.int16), depth[0] if depth else 0, "so sz sy sx"
    strides = strides or [int(np.prod(w.shape[i:])) for i in range(1, w.ndim + 1)]
    params = dict(w=address(source), c=c, kd=kd, kh=kh, kw=kw, sh=stride, dh=dilation,
                  **dict(zip((of if depth else of.replace("sz ", "")).split(), strides)))
    table = ops.table(level)
    size, tiles, parts = table.packed("pack_depthwise_u8", table.pack("pack_depthwise_u8", **params))
    packed = put(np.full(size + 64, GUARD, np.uint8))
    run(level, "pack_depthwise_u8", tiles, y=address(packed), parts=parts, **params)
    assert (packed[-64:] == GUARD).all()
    return packed


def run_depthwise(level, x, w, bias, scale, strides, dilations, pads, out_shape, zeros, rows, threads=1, halo=NOTHING,
                  lo=0, hi=255, table=None, **more):
    """zeros : zero points of x and y."""
    n, c = len(x), len(w)
    oh, ow = out_shape[2:]
    packed, blocks = pack(level, w, strides[0], dilations[0]), -(-c // 16)
    xs, ys = BlockedU8.of(x, pads, zeros[0]), BlockedU8(out_shape, halo)
    b = channels(bias - zeros[0] * w.reshape(c, -1).sum(1), np.int32)
    s, row_tiles = channels(scale, np.float32), -(-oh // rows)
    if table is not None:
        table = put(table, np.uint8)
        more["table"] = address(table)
    before = xs.data.copy()
    more = dict(n=n) | more
    run(level, "depthwise_u8", out_shape[0] * blocks * row_tiles, threads=threads, x=xs.at(-pads[0], -pads[1]),
        w=address(packed), bias=address(b), scale=address(s), y=ys.at(), cb=blocks, kh=w.shape[-2], kw=w.shape[-1],
        dh=dilations[0], dw=dilations[1], sh=strides[0], sw=strides[1], oh=oh, ow=ow, yz=zeros[1], lo=lo, hi=hi,
        row_tiles=row_tiles, rows=rows, **xs.params("x"), **ys.params("y"), **more)
    np.testing.assert_array_equal(xs.data, before)
    return ys.result()


def sums_of(x, w, bias, zero, strides, dilations, pads):
    return convolved(x, w[:, None], zero, strides, dilations, pads, len(w)) + bias[:, None, None]


def scales(sums):
    spread = np.abs(sums).max((0, 2, 3)) + 1
    return (RNG.uniform(100, 300, len(spread)) / spread).astype(np.float32)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_depthwise_is_exact(level, case):
    c, h, wd, k, *window = case
    x, w = integers(RNG, (2, c, h, wd), 0, 255).astype(np.uint8), integers(RNG, (c, *k), -128, 127)
    bias, zeros = RNG.integers(-9999, 9999, c), (RNG.integers(256), RNG.integers(256))
    sums = sums_of(x, w, bias, zeros[0], *window)
    scale = scales(sums)
    wanted = requantised(sums, scale, zeros[1])
    for rows, threads, halo in (1, 2, (1, 0, 0, 1)), (3, 1, (0, 2, 1, 0)), (999, 1, NOTHING):
        y = run_depthwise(level, x, w, bias, scale, *window, sums.shape, zeros, rows, threads, halo)
        np.testing.assert_array_equal(y, wanted, f"{case} {level} rows={rows} threads={threads}")


VOLUMES = [     # channels, slices, h, w, kernel, strides, dilations, pads, slices before, of y
    (17, 4, 7, 7, (3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1, 1), 1, 4),
    (24, 5, 9, 14, (3, 3, 3), (2, 2, 2), (1, 1, 1), (1, 1, 1, 1), 1, 3),
    (5, 3, 6, 7, (5, 1, 1), (1, 1, 1), (1, 1, 1), (0, 0, 0, 0), 2, 3),
    (16, 4, 5, 9, (2, 5, 3), (1, 1, 1), (2, 1, 1), (2, 1, 2, 1), 3, 6),
    (3, 2, 13, 9, (3, 4, 5), (1, 1, 2), (1, 2, 1), (3, 2, 3, 2), 5, 4),
    (20, 3, 4, 411, (3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1, 1), 1, 3),
    (16, 3, 8, 6, (1, 3, 3), (2, 1, 1), (1, 1, 1), (1, 1, 1, 1), 0, 2)]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("case", VOLUMES, ids=str)
def test_slices_of_volumes(level, case):
    """Two volumes; windows reach beyond the first and the last slice, or lie beyond them."""
    c, size, h, wd, kernel, (sd, *s), (dd, *d), pads, front, od = case
    x, w = integers(RNG, (2, size, c, h, wd), 0, 255).astype(np.uint8), integers(RNG, (c, *kernel), -255, 255)
    bias, zeros, depth = RNG.integers(-9999, 9999, c), (RNG.integers(256), RNG.integers(256)), (sd, dd, front, od)
    sums = convolved_slices(x, w[:, None], zeros[0], s, d, pads, depth, c) + bias[:, None, None]
    scale = scales(sums)
    wanted = requantised(sums, scale, zeros[1])
    for rows, threads, halo in (1, 2, (1, 0, 0, 1)), (3, 1, (0, 2, 1, 0)), (999, 1, NOTHING):
        y = run_depthwise(level, x.reshape(-1, c, h, wd), w, bias, scale, s, d, pads, sums.shape, zeros, rows, threads,
                          halo, xz=zeros[0], **slices(x, w[:, None], depth))
        np.testing.assert_array_equal(y, wanted, f"{case} {level} rows={rows} threads={threads}")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("c, each", [(1, 2), (5, 3), (16, 2), (17, 5), (6, 17), (33, 3), (3, 32)])
def test_channels_that_read_one_of_x(level, c, each):
    """Of a block of the output they lie in one block of x, or in two."""
    for h, wd, k, *window in ((7, 9, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
                              (9, 300, (2, 5), (2, 1), (1, 2), (0, 4, 1, 4))):
        x, w = integers(RNG, (2, c, h, wd), 0, 255).astype(np.uint8), integers(RNG, (c * each, *k), -128, 127)
        bias, zeros = RNG.integers(-9999, 9999, c * each), (RNG.integers(256), RNG.integers(256))
        sums = convolved(x, w[:, None], zeros[0], *window, c) + bias[:, None, None]
        scale = scales(sums)
        for rows, threads in (1, 2), (999, 1):
            y = run_depthwise(level, x, w, bias, scale, *window, sums.shape, zeros, rows, threads, each=each)
            np.testing.assert_array_equal(y, requantised(sums, scale, zeros[1]), f"{level} rows={rows}")


@pytest.mark.parametrize("level", LEVELS)
def test_packing_of_slices_from_any_strides(level):
    w = RNG.integers(-255, 256, (21, 2, 3, 5))
    turned = np.ascontiguousarray(w.transpose(3, 0, 1, 2))
    np.testing.assert_array_equal(pack(level, w, 1, 1, turned, (6, 3, 1, 126)), pack(level, w, 1, 1))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("x_kind", ["lo", "hi", "random"])
@pytest.mark.parametrize("w_kind", ["lo", "hi"])
@pytest.mark.parametrize("w_range", [(-128, 127), (-255, 255)])
@pytest.mark.parametrize("k, stride", [(3, 1), (3, 2), (5, 1), (5, 2), (7, 1)])
def test_depthwise_of_extremes(level, x_kind, w_kind, w_range, k, stride):
    x = integers(RNG, (1, 20, 9, 19), 0, 255, x_kind).astype(np.uint8)
    w, bias = integers(RNG, (20, k, k), *w_range, w_kind), np.arange(20) * 100
    for zeros in (0, 255), (255, 0):
        window = (stride, stride), (1, 1), (k // 2,) * 4
        sums = sums_of(x, w, bias, zeros[0], *window)
        scale = scales(sums)
        y = run_depthwise(level, x, w, bias, scale, *window, sums.shape, zeros, 4)
        np.testing.assert_array_equal(y, requantised(sums, scale, zeros[1]))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("lo, hi, with_table", [(7, 200, False), (30, 30, False), (0, 255, True), (100, 255, True)])
def test_limits_and_table(level, lo, hi, with_table):
    x, w = RNG.integers(0, 256, (1, 40, 7, 11)).astype(np.uint8), RNG.integers(-128, 128, (40, 3, 3))
    bias, table = RNG.integers(-999, 999, 40), RNG.permutation(256).astype(np.uint8) if with_table else None
    window = (1, 1), (1, 1), (1, 1, 1, 1)
    sums = sums_of(x, w, bias, 9, *window)
    scale = scales(sums)
    y = run_depthwise(level, x, w, bias, scale, *window, sums.shape, (9, 100), 2, 2, lo=lo, hi=hi, table=table)
    np.testing.assert_array_equal(y, requantised(sums, scale, 100, lo, hi, table))


@pytest.mark.parametrize("level", LEVELS)
def test_packing_from_any_strides(level):
    w = RNG.integers(-255, 256, (21, 3, 5))
    turned = np.ascontiguousarray(w.transpose(2, 0, 1))
    np.testing.assert_array_equal(pack(level, w, 1, 1, source=turned, strides=(3, 1, 63)), pack(level, w, 1, 1))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("k", [3, 4])
def test_slopes_come_before_rounding(level, k):
    x, bias = RNG.integers(0, 256, (2, 40, 9, 23)).astype(np.uint8), np.arange(40)
    w = RNG.integers(-128, 128, (40, k, k))
    slope, pads = RNG.uniform(-.5, 2, 40).astype(np.float32), (1, 1, 1, 1)
    sums, packed = sums_of(x, w, bias, 99, (1, 1), (1, 1), pads), channels(slope, np.float32)
    scale = scales(sums)
    y = run_depthwise(level, x, w, bias, scale, (1, 1), (1, 1), pads, sums.shape, (99, 70), 4, 2, slope=address(packed),
                      act=ops.table(level).unary["prelu"])
    np.testing.assert_array_equal(y, requantised(sums, scale, 70, slope=slope))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_activations_come_before_rounding(level, name):
    x, bias = RNG.integers(0, 256, (2, 40, 9, 23)).astype(np.uint8), np.arange(40)
    w = RNG.integers(-128, 128, (40, 3, 3))
    alpha, beta, function = FUNCTIONS[name]
    sums = sums_of(x, w, bias, 99, (1, 1), (1, 1), (1, 1, 1, 1))
    scale = scales(sums) / np.float32(20)
    step = float(np.float32((1 if "sigmoid" in name or name == "tanh" else 6) / 130))
    y = run_depthwise(level, x, w, bias, scale, (1, 1), (1, 1), (1, 1, 1, 1), sums.shape, (99, 110), 4, 2, step=step,
                      act=ops.table(level).unary[name], alpha=alpha, beta=beta)
    assert_activated(y, sums, scale, step, 110, function)
