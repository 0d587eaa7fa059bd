"""Convolution of bytes against integers, at every level that has it: equal, whatever the tiles and threads."""
import ctypes
import mmap
import sys

import numpy as np
import pytest

import cinfer._ops as ops
from u8 import (FUNCTIONS, GUARD, NOTHING, BlockedU8, Residual, address, assert_activated, channels, convolved,
                convolved_slices, integers, put, requantised, slices)
from windows import run

LEVELS = [level for level in ops.usable_levels() if "conv_u8" in ops.table(level).index]
RNG = np.random.default_rng(8)
# images, groups, channels of a group in and out, h, w, (kh, kw), strides, dilations, pads (t, l, b, r)
CASES = [
    (1, 1, 1, 1, 1, 1, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
    (2, 1, 3, 16, 1, 7, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
    (1, 1, 16, 48, 14, 14, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
    (1, 1, 17, 24, 13, 5, (1, 1), (2, 2), (1, 1), (0, 0, 0, 0)),
    (2, 1, 8, 8, 7, 7, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
    (1, 1, 24, 58, 14, 14, (3, 3), (2, 2), (1, 1), (0, 0, 1, 1)),
    (1, 1, 58, 64, 13, 5, (3, 3), (1, 1), (2, 2), (2, 2, 2, 2)),
    (1, 1, 64, 17, 12, 17, (3, 3), (3, 3), (1, 1), (1, 0, 1, 2)),
    (1, 1, 48, 96, 7, 31, (5, 5), (1, 1), (1, 1), (2, 2, 2, 2)),
    (1, 1, 20, 40, 1, 30, (1, 5), (1, 2), (1, 3), (0, 6, 0, 6)),
    (1, 1, 19, 33, 11, 11, (4, 2), (1, 2), (3, 1), (2, 0, 3, 1)),
    (1, 1, 3, 24, 12, 17, (7, 7), (2, 2), (1, 1), (3, 3, 3, 3)),         # few channels: runs
    (2, 1, 3, 20, 9, 458, (2, 3), (3, 2), (2, 1), (0, 1, 0, 1)),
    (1, 1, 1, 33, 6, 7, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
    (1, 1, 3, 8, 6, 7, (3, 3), (1, 1), (1, 2), (1, 2, 1, 2)),            # not, as taps are apart
    (2, 1, 7, 9, 1, 3, (1, 3), (1, 1), (1, 1), (0, 0, 0, 0)),
    (1, 1, 5, 19, 3, 457, (3, 1), (1, 1), (1, 1), (1, 0, 1, 0)),         # rows longer than a chunk
    (1, 1, 16, 16, 37, 29, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),        # several chunks
    (1, 1, 1040, 16, 4, 40, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),       # a strip of a whole row does not fit
    (1, 1, 512, 32, 7, 7, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
    # of AMX: 1, 2, 3 tiles of 16 pixels, the last of them short; pixels of 1024 bytes; strides and dilations of both
    # axes; taps side by side, of 1 and 3 blocks; more taps than there are pieces; a strip of a whole row does not fit
    (1, 1, 64, 16, 1, 15, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
    (2, 1, 65, 33, 4, 4, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
    (1, 1, 128, 64, 3, 11, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
    (1, 1, 96, 17, 29, 37, (1, 1), (2, 2), (1, 1), (0, 0, 0, 0)),
    (1, 1, 512, 16, 7, 9, (3, 3), (2, 2), (1, 1), (1, 1, 1, 1)),
    (1, 1, 1024, 16, 2, 17, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
    (1, 1, 64, 48, 14, 15, (3, 3), (2, 3), (3, 2), (3, 2, 3, 2)),
    (1, 1, 16, 32, 13, 14, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
    (1, 1, 16, 16, 9, 19, (5, 5), (3, 2), (1, 1), (2, 2, 2, 2)),
    (1, 1, 40, 32, 8, 9, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
    (1, 1, 70, 20, 8, 9, (3, 3), (1, 1), (2, 1), (2, 1, 2, 1)),
    (1, 1, 64, 16, 13, 12, (12, 11), (1, 1), (1, 1), (0, 0, 0, 0)),
    (1, 1, 2048, 16, 4, 100, (3, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
    (2, 3, 16, 16, 9, 6, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
    (1, 2, 32, 48, 5, 15, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
    (1, 13, 8, 8, 9, 7, (3, 3), (2, 2), (1, 1), (1, 1, 1, 1)),
    (2, 5, 24, 24, 5, 6, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
    (1, 9, 3, 1, 6, 5, (2, 2), (1, 1), (1, 1), (0, 0, 1, 1))]

# of few channels, whose windows reach beyond the picture by less and by more than it is large
PICTURES = [
    (2, 1, 3, 32, 37, 45, (3, 3), (2, 2), (1, 1), (1, 1, 1, 1)),
    (1, 1, 4, 17, 19, 16, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
    (1, 1, 2, 16, 5, 33, (1, 3), (2, 1), (1, 1), (2, 0, 3, 4)),
    (1, 1, 1, 16, 8, 31, (5, 5), (3, 3), (1, 1), (2, 4, 4, 2)),
    (1, 1, 3, 8, 2, 2, (3, 4), (1, 1), (3, 1), (7, 5, 6, 8)),
    (1, 1, 8, 20, 3, 600, (2, 2), (1, 1), (1, 1), (1, 1, 0, 0)),
    (1, 1, 5, 9, 9, 17, (3, 3), (4, 5), (2, 1), (1, 9, 3, 9))]


def pack(level, w, groups=1, strides=None, at=0, source=None, threads=1, dw=0):
    """w : whole numbers [oc][ic][kh][kw], of volumes [oc][ic][kd][kh][kw]; strides : of (oc, ic, y, x), or
    (oc, ic, z, y, x), in source, from element `at` on."""
    oc, ic, *depth, kh, kw = w.shape
    source, kd = put(w if source is None else source, np.int16), depth[0] if depth else 0
    of = "so si sz sy sx" if depth else "so si sy sx"
    strides = strides or [int(np.prod(w.shape[i:])) for i in range(1, w.ndim + 1)]
    params = dict(w=address(source, 2 * at), oc=oc, ic=ic, kd=kd, kh=kh, kw=kw, dw=dw, **dict(zip(of.split(), strides)))
    if groups > 1:
        params.update(goc=oc // groups, gic=ic)
    size, tiles, parts = ops.table(level).packed("pack_conv_u8", ops.table(level).pack("pack_conv_u8", **params))
    packed = put(np.full(size + 64, GUARD, np.uint8))
    run(level, "pack_conv_u8", tiles, threads=threads, y=address(packed), parts=parts, **params)
    assert (packed[-64:] == GUARD).all()
    return packed


def run_conv(level, x, w, bias, scale, groups, strides, dilations, pads, out_shape, zeros, rows, blocks, threads=1,
             halo=NOTHING, lo=0, hi=255, table=None, packed=None, residual=None, plain=None, **more):
    """zeros : zero points of x and y. bias : with that of x; plain : x as the parameters have it in plain memory"""
    n, ic = x.shape[:2]
    oh, ow = out_shape[2:]
    xs, ys = BlockedU8.of(x, pads, zeros[0]), BlockedU8(out_shape, halo)
    packed = pack(level, w, groups, dw=dilations[1]) if packed is None else packed
    b, s = channels(bias, np.int32), channels(scale, np.float32)
    step = max(1, ops.table(level).conv_oc // 16)
    blocks = min(-(-blocks // step) * step, ys.blocks)
    row_tiles, oc_tiles = -(-oh // rows), -(-ys.blocks // blocks)
    if groups > 1:
        more |= dict(goc=out_shape[1] // groups, gic=ic // groups)
    if table is not None:
        table = put(table, np.uint8)
        more["table"] = address(table)
    if residual is not None:
        more.update(residual.params())
    before = xs.data.copy()
    if plain is None:
        plain = dict(x=xs.at(-pads[0], -pads[1]), **xs.params("x"))
    else:
        plain |= dict(ih=x.shape[2], iw=x.shape[3], pt=pads[0], pl=pads[1], xz=zeros[0])
    run(level, "conv_u8", n * row_tiles * oc_tiles, threads=threads, w=address(packed),
        bias=address(b), scale=address(s), y=ys.at(), n=n, ib=xs.blocks, last=(ic - 1) % 16 + 1, ob=ys.blocks,
        kh=w.shape[2], kw=w.shape[3], dh=dilations[0], dw=dilations[1], sh=strides[0], sw=strides[1], oh=oh, ow=ow,
        yz=zeros[1], lo=lo, hi=hi, row_tiles=row_tiles, rows=rows, oc_tiles=oc_tiles, blocks=blocks,
        **plain, **ys.params("y"), **more)
    np.testing.assert_array_equal(xs.data, before)
    return ys.result()


def folded(w, bias, x_zero):
    """The bias that a kernel takes."""
    return bias - x_zero * w.reshape(len(w), -1).sum(1)


def scales(sums):
    """float32 [oc], by which the sums cover the bytes and some of them lie outside."""
    spread = np.abs(sums).max((0, 2, 3)) + 1
    return (RNG.uniform(100, 300, len(spread)) / spread).astype(np.float32)


def drawn(case):
    """(x, w, bias, zero points of x and y, sums)"""
    n, groups, ic, oc, h, wd, k, strides, dilations, pads = case
    x, w = integers(RNG, (n, groups * ic, h, wd), 0, 255), integers(RNG, (groups * oc, ic, *k), -128, 127)
    x, bias, zeros = x.astype(np.uint8), RNG.integers(-9999, 9999, groups * oc), (RNG.integers(256), RNG.integers(256))
    sums = convolved(x, w, zeros[0], strides, dilations, pads, groups) + bias[:, None, None]
    return x, w, bias, zeros, sums


def in_plain_memory(x, order: str):
    """(what holds x, parameters of the kernel): its last bytes end where memory that may be read does."""
    if order == "expanded":
        held = np.ascontiguousarray(x[:1, :1])
        view = np.broadcast_to(held, x.shape)
    else:
        n, c, h, w = x.shape
        place = {"planes": (n, c, h, w), "pixels": (n, h, w, c), "every other": (n, c, h, 2 * w)}[order]
        held = np.zeros(place, np.uint8)
        view = held.transpose(0, 3, 1, 2) if order == "pixels" else held[..., ::held.shape[3] // w]
        view[:] = x
    page = mmap.PAGESIZE
    room = mmap.mmap(-1, -(-held.size // page) * page + page)
    memory = np.frombuffer(room, np.uint8)
    ctypes.CDLL(None).mprotect(ctypes.c_void_p(memory.ctypes.data + len(memory) - page), page, 0)
    at = len(memory) - page - held.size
    memory[at:at + held.size] = held.ravel()
    return room, dict(x=(0, memory.ctypes.data + at), **dict(zip(("xn", "xc", "xr", "xw"), view.strides)))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory that must not be read is made by mprotect")
@pytest.mark.parametrize("order", ["planes", "pixels", "every other", "expanded"])
@pytest.mark.parametrize("level", LEVELS)
def test_few_channels_are_read_from_plain_memory(level, order):
    runs = [case for case in [*CASES, *PICTURES]
            if case[1] == 1 and ops.table(level).runs_u8(case[2], case[6][1], case[8][1])]
    assert len(runs) > 8 or ops.table(level).dot_group > 2
    for case in runs:
        groups, (strides, dilations, pads) = case[1], case[7:]
        x, w, bias, zeros, sums = drawn(case)
        if order == "expanded":
            x[:] = x[:1, :1]
            sums = convolved(x, w, zeros[0], strides, dilations, pads, groups) + bias[:, None, None]
        scale = scales(sums)
        room, plain = in_plain_memory(x, order)
        for rows, blocks, threads in ((1, 1, 2), (3, 2, 1), (sums.shape[2], 1000, 1)):
            y = run_conv(level, x, w, folded(w, bias, zeros[0]), scale, groups, strides, dilations, pads, sums.shape,
                         zeros, rows, blocks, threads, plain=dict(plain))
            np.testing.assert_array_equal(y, requantised(sums, scale, zeros[1]), err_msg=str(case))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_conv_is_exact(level, case):
    groups, (strides, dilations, pads) = case[1], case[7:]
    x, w, bias, zeros, sums = drawn(case)
    scale = scales(sums)
    wanted = requantised(sums, scale, zeros[1])
    ways = (1, 1, 2, (1, 0, 0, 1)), (3, 2, 1, (0, 2, 1, 0)), (sums.shape[2], 1000, 1, NOTHING)
    for rows, blocks, threads, halo in ways:
        y = run_conv(level, x, w, folded(w, bias, zeros[0]), scale, groups, strides, dilations, pads, sums.shape, zeros,
                     rows, blocks, threads, halo)
        np.testing.assert_array_equal(y, wanted, f"{case} {level} rows={rows} blocks={blocks} threads={threads}")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("x_kind", ["lo", "hi", "random"])
@pytest.mark.parametrize("w_kind", ["lo", "hi"])
@pytest.mark.parametrize("w_range", [(-128, 127), (-255, 255)])
@pytest.mark.parametrize("zeros", [(0, 255), (255, 0)])
def test_conv_of_extremes(level, x_kind, w_kind, w_range, zeros):
    """Products that saturate 16 bits in pairs; weights of 9 bits: unsigned ones, whose zero point is at an end."""
    x = integers(RNG, (1, 600, 3, 3), 0, 255, x_kind).astype(np.uint8)
    w = integers(RNG, (20, 600, 1, 1), *w_range, w_kind)
    bias = np.arange(20) * 1000
    sums = convolved(x, w, zeros[0], (1, 1), (1, 1), NOTHING) + bias[:, None, None]
    scale = scales(sums)
    y = run_conv(level, x, w, folded(w, bias, zeros[0]), scale, 1, (1, 1), (1, 1), NOTHING, sums.shape, zeros, 3, 2)
    np.testing.assert_array_equal(y, requantised(sums, scale, zeros[1]))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("scale", [1e30, 1e9, .5, 1e-30])
def test_rounding_ties_and_what_int32_does_not_hold(level, scale):
    """Halves go to the even number; products far outside are cut, on both sides."""
    x = np.arange(256, dtype=np.uint8).reshape(1, 1, 1, 256)
    w, bias = np.array([1, -1]).reshape(2, 1, 1, 1), np.array([-128, 127])
    sums = convolved(x, w, 0, (1, 1), (1, 1), NOTHING) + bias[:, None, None]
    for zero, lo, hi in (3, 0, 255), (0, 7, 200), (255, 30, 30):
        y = run_conv(level, x, w, bias, [scale, scale], 1, (1, 1), (1, 1), NOTHING, sums.shape, (0, zero), 1, 1, lo=lo,
                     hi=hi)
        np.testing.assert_array_equal(y, requantised(sums, [scale, scale], zero, lo, hi), f"{zero} {lo} {hi}")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("ic", [20, 80])
@pytest.mark.parametrize("oc, pixels, halo", [(1, 1, NOTHING), (16, 5, NOTHING), (40, 45, (0, 1, 0, 1))])
def test_conv_goes_through_the_table(level, ic, oc, pixels, halo):
    x = RNG.integers(0, 256, (1, ic, 3, pixels)).astype(np.uint8)
    w, bias = RNG.integers(-9, 9, (oc, ic, 1, 1)), RNG.integers(-999, 999, oc)
    table = RNG.permutation(256).astype(np.uint8)
    sums = convolved(x, w, 0, (1, 1), (1, 1), NOTHING) + bias[:, None, None]
    scale = scales(sums)
    y = run_conv(level, x, w, bias, scale, 1, (1, 1), (1, 1), NOTHING, sums.shape, (0, 100), 2, 1, 2, halo, table=table)
    np.testing.assert_array_equal(y, requantised(sums, scale, 100, table=table))


ADDED = [case for case in CASES if case[0] * case[1] * case[3] * case[4] * case[5] < 20000]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("case", ADDED, ids=str)
def test_bytes_are_added_to_what_a_convolution_gives(level, case):
    """Of another scale and layout, through a table or not; what is added is what has been rounded and cut."""
    groups, (strides, dilations, pads) = case[1], case[7:]
    x, w, bias, zeros, sums = drawn(case)
    scale, table = scales(sums), RNG.permutation(256).astype(np.uint8)
    ways = (1, 1, 2, (1, 0, 0, 1), None, NOTHING), (3, 2, 1, NOTHING, table, (0, 2, 1, 0))
    for rows, blocks, threads, halo, through, around in ways:
        residual = Residual(RNG.integers(0, 256, sums.shape).astype(np.uint8), RNG.uniform(.01, .1),
                            RNG.uniform(.01, .1), int(RNG.integers(256)), RNG.uniform(.02, .2), int(RNG.integers(256)),
                            around)
        y = run_conv(level, x, w, folded(w, bias, zeros[0]), scale, groups, strides, dilations, pads, sums.shape, zeros,
                     rows, blocks, threads, halo, table=through, residual=residual)
        wanted = residual.added(requantised(sums, scale, zeros[1]), zeros[1], through)
        np.testing.assert_array_equal(y, wanted, f"{case} {level} rows={rows} blocks={blocks} threads={threads}")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("scale", [1e30, 1., 1e-30])
@pytest.mark.parametrize("zeros", [(0, 0, 0), (255, 255, 255), (0, 255, 0), (255, 0, 255), (128, 3, 77)])
@pytest.mark.parametrize("sa, sb, sy", [(1, 1, 2), (.5, .25, .5), (1e-20, 1e20, 1e19), (1e20, 1e-20, 3e18),
                                        (-1, 1, 1), (1, -.75, 1.5), (1e-30, 1e-30, 1.)])
def test_each_byte_and_each_residual(level, scale, zeros, sa, sb, sy):
    """All pairs of bytes: halves go to the even number, and what lies outside is cut, of both values and the sum."""
    x = np.arange(256, dtype=np.uint8).reshape(1, 1, 1, 256).repeat(256, 2)
    w, bias = np.ones((1, 1, 1, 1), int), np.array([-zeros[0]])
    sums = convolved(x, w, 0, (1, 1), (1, 1), NOTHING) + bias[:, None, None]
    residual = Residual(x.swapaxes(2, 3), sa, sb, zeros[1], sy, zeros[2])
    y = run_conv(level, x, w, bias, [scale], 1, (1, 1), (1, 1), NOTHING, sums.shape, (0, zeros[0]), 64, 1,
                 residual=residual)
    np.testing.assert_array_equal(y, residual.added(requantised(sums, [scale], zeros[0]), zeros[0]))


@pytest.mark.parametrize("level", LEVELS)
def test_every_byte_goes_through_the_table(level):
    x, table = np.arange(256, dtype=np.uint8).reshape(1, 1, 2, 128), RNG.integers(0, 256, 256).astype(np.uint8)
    y = run_conv(level, x, np.ones((1, 1, 1, 1), int), [0], [1], 1, (1, 1), (1, 1), NOTHING, x.shape, (0, 0), 2, 1,
                 table=table)
    np.testing.assert_array_equal(y.reshape(-1), table)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("groups, shape", [(1, (40, 21, 3, 2)), (5, (40, 12, 1, 3)), (1, (5, 5, 1, 1)),
                                           (1, (40, 70, 2, 2))])
def test_packing_by_threads_and_from_any_strides(level, groups, shape):
    w = RNG.integers(-255, 256, shape)
    wanted = pack(level, w, groups)
    np.testing.assert_array_equal(pack(level, w, groups, threads=2), wanted)
    for order in (1, 0, 2, 3), (2, 3, 1, 0), (0, 2, 3, 1):
        turned = np.ascontiguousarray(w.transpose(order)[..., ::-1])     # the last axis from its end down
        strides = [0] * 4
        for axis, stride in zip(order, turned.strides):
            strides[axis] = stride // w.itemsize
        strides[order[-1]] = -1
        np.testing.assert_array_equal(pack(level, w, groups, strides, turned.shape[-1] - 1, turned), wanted)


@pytest.mark.parametrize("level", LEVELS)
def test_weights_of_a_byte_take_a_byte(level):
    """Of 9 bits they take more, whatever the products are of."""
    w = RNG.integers(-128, 128, (64, 256, 1, 1))
    assert len(pack(level, w)) < w.size + 2000 < len(pack(level, w + 127 * (w > 0)))


@pytest.mark.parametrize("level", LEVELS)
def test_packing_of_runs_from_any_strides(level):
    w = RNG.integers(-255, 256, (17, 3, 2, 5))
    wanted, turned = pack(level, w, dw=1), np.ascontiguousarray(w.transpose(3, 1, 0, 2))
    strides = tuple(turned.strides[axis] // w.itemsize for axis in (2, 1, 3, 0))
    np.testing.assert_array_equal(pack(level, w, 1, strides, 0, turned, dw=1), wanted)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("groups, shape, dw", [(1, (17, 3, 2, 3, 5), 1), (1, (40, 21, 3, 1, 2), 1),
                                               (5, (40, 12, 2, 3, 1), 2)])
def test_packing_of_slices_from_any_strides(level, groups, shape, dw):
    w = RNG.integers(-255, 256, shape)
    wanted, turned = pack(level, w, groups, dw=dw), np.ascontiguousarray(w.transpose(3, 1, 4, 0, 2))
    strides = tuple(turned.strides[axis] // w.itemsize for axis in (3, 1, 4, 0, 2))
    np.testing.assert_array_equal(pack(level, w, groups, strides, 0, turned, 2, dw), wanted)


@pytest.mark.parametrize("level", LEVELS)
def test_weights_of_a_dilation_that_is_not_known(level):
    x, w = integers(RNG, (1, 40, 6, 9), 0, 255).astype(np.uint8), integers(RNG, (20, 40, 3, 3), -128, 127)
    for dilations in (1, 1), (1, 2):
        sums = convolved(x, w, 5, (1, 1), dilations, NOTHING)
        scale = scales(sums)
        y = run_conv(level, x, w, folded(w, np.zeros(20, int), 5), scale, 1, (1, 1), dilations, NOTHING, sums.shape,
                     (5, 7), 2, 2, packed=pack(level, w, dw=0))
        np.testing.assert_array_equal(y, requantised(sums, scale, 7))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("ic", [9, 15])
def test_pixels_of_the_output_apart(level, ic):
    """As the phases of a ConvTranspose are written, through a table too: what lies between stays as it is."""
    x, w = integers(RNG, (1, ic, 7, 11), 0, 255).astype(np.uint8), integers(RNG, (20, ic, 2, 3), -128, 127)
    sums = convolved(x, w, 5, (1, 1), (1, 1), (1, 0, 0, 1))
    scale, table = scales(sums), RNG.permutation(256).astype(np.uint8)
    _, oc, oh, ow = sums.shape
    xs, ys = BlockedU8.of(x, (1, 0, 0, 1), 5), BlockedU8((1, oc, 3 * oh, 2 * ow))
    packed, through = pack(level, w), put(table)
    bias, factor = channels(folded(w, np.zeros(oc, int), 5), np.int32), channels(scale, np.float32)
    strides = ys.params("y") | dict(yr=3 * ys.r, yp=32)
    run(level, "conv_u8", oh, x=xs.at(-1, 0), w=address(packed), bias=address(bias), scale=address(factor),
        table=address(through), y=ys.at(1, 1), n=1, ib=1, last=ic, ob=2, kh=2, kw=3, dh=1, dw=1, sh=1, sw=1, oh=oh,
        ow=ow, yz=7, lo=0, hi=255, row_tiles=oh, rows=1, oc_tiles=1, blocks=2, **xs.params("x"), **strides)
    wanted = np.full((1, oc, 3 * oh, 2 * ow), GUARD, np.uint8)
    wanted[:, :, 1::3, 1::2] = requantised(sums, scale, 7, table=table)
    np.testing.assert_array_equal(ys.result(), wanted)


VOLUMES = [     # groups, channels of a group in and out, slices, kernel, strides, dilations, slices before, of y
    (1, 3, 18, 5, (3, 3, 3), (1, 1, 1), (1, 1, 1), 1, 5), (1, 17, 18, 4, (2, 1, 1), (2, 2, 1), (1, 1, 1), 0, 2),
    (1, 20, 18, 3, (3, 1, 2), (1, 1, 2), (2, 1, 1), 2, 3), (1, 5, 18, 2, (3, 3, 3), (1, 1, 1), (1, 1, 1), 4, 3),
    (1, 3, 40, 4, (2, 3, 3), (1, 2, 1), (2, 2, 1), 1, 4), (1, 2, 8, 3, (3, 1, 3), (1, 2, 2), (1, 3, 1), 1, 3),   # runs
    (1, 8, 8, 2, (2, 2, 2), (1, 1, 1), (1, 4, 1), 1, 2),
    (4, 3, 5, 4, (3, 3, 3), (1, 1, 1), (1, 1, 1), 1, 4), (2, 16, 16, 3, (2, 1, 3), (2, 1, 2), (1, 1, 1), 1, 2),
    (3, 24, 20, 3, (3, 2, 1), (1, 2, 1), (2, 1, 1), 2, 3), (20, 1, 2, 3, (3, 3, 3), (1, 1, 1), (1, 1, 2), 1, 3),
    (7, 5, 33, 2, (1, 3, 3), (1, 1, 1), (1, 1, 1), 0, 2),
    # of AMX, by rows and by taps
    (1, 64, 32, 3, (3, 3, 3), (1, 1, 1), (1, 1, 1), 1, 3), (1, 70, 17, 4, (2, 1, 1), (1, 1, 1), (2, 1, 1), 0, 2)]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("case", VOLUMES, ids=str)
def test_slices_of_volumes(level, case):
    """Two volumes; windows reach beyond the first and the last slice. Slices and volumes of the output lie apart."""
    groups, ic, oc, size, kernel, (sd, *s), (dd, *d), front, od = case
    (kd, *k), zero, depth, pads = kernel, 131, (sd, dd, front, od), (1, 1, 1, 1)
    x = integers(RNG, (2, size, groups * ic, 7, 9), 0, 255).astype(np.uint8)
    w = integers(RNG, (groups * oc, ic, *kernel), -128, 127)
    sums = convolved_slices(x, w, zero, s, d, pads, depth, groups)
    (_, oc, oh, ow), blocks = sums.shape, -(-groups * ic // 16)
    xs, apart = BlockedU8.of(x.reshape(-1, *x.shape[2:]), pads, zero), 3
    ys = BlockedU8((2 * (od + 1) * apart, oc, oh, ow))
    packed, scale = pack(level, w, groups, dw=d[1]), scales(sums)
    bias, factor = channels(folded(w, np.zeros(oc, int), zero), np.int32), channels(scale, np.float32)
    step = max(1, ops.table(level).conv_oc // 16)
    oc_tiles, grouped = -(-ys.blocks // step), dict(goc=oc // groups, gic=ic) if groups > 1 else {}
    strides = ys.params("y") | dict(yn=ys.n * apart, yv=ys.n * apart * (od + 1))
    for rows in (1, oh):
        ys.data[...] = GUARD
        run(level, "conv_u8", 2 * od * -(-oh // rows) * oc_tiles, threads=2, x=xs.at(-1, -1), w=address(packed),
            bias=address(bias), scale=address(factor), y=ys.at(), ib=kd * blocks, last=(groups * ic - 1) % 16 + 1,
            ob=ys.blocks, kh=k[0], kw=k[1], dh=d[0], dw=d[1], sh=s[0], sw=s[1], oh=oh, ow=ow, yz=99, lo=0, hi=255,
            row_tiles=-(-oh // rows), rows=rows, oc_tiles=oc_tiles, blocks=step, xz=zero, **slices(x, w, depth),
            **grouped, **xs.params("x"), **strides)
        found = ys.result().reshape(2, od + 1, apart, oc, oh, ow)
        np.testing.assert_array_equal(found[:, :od, 0].reshape(sums.shape), requantised(sums, scale, 99))
        assert (found[:, od] == GUARD).all() and (found[:, :, 1:] == GUARD).all()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("ic, oc, k, groups", [(20, 40, 1, 1), (80, 33, 3, 1), (3, 24, 3, 1), (8, 16, 3, 3)])
def test_slopes_come_before_rounding(level, ic, oc, k, groups):
    """Of each channel; below 0, above 1, 0."""
    x = RNG.integers(0, 256, (1, ic * groups, 9, 11)).astype(np.uint8)
    w, bias = RNG.integers(-99, 99, (oc * groups, ic, k, k)), RNG.integers(-99999, 99999, oc * groups)
    slope = RNG.uniform(-.5, 2, oc * groups).astype(np.float32)
    slope[:3] = 0, -1e9, 1e30
    sums = convolved(x, w, 100, (1, 1), (1, 1), NOTHING, groups) + bias[:, None, None]
    scale, packed = scales(sums), channels(slope, np.float32)
    for zeros, lo, hi in ((100, 60), 0, 255), ((100, 0), 0, 255), ((100, 200), 9, 250):
        y = run_conv(level, x, w, folded(w, bias, 100), scale, groups, (1, 1), (1, 1), NOTHING, sums.shape, zeros, 3, 2,
                     2, lo=lo, hi=hi, slope=address(packed), act=ops.table(level).unary["prelu"])
        np.testing.assert_array_equal(y, requantised(sums, scale, zeros[1], lo, hi, slope=slope))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("ic", [20, 80])
def test_activations_come_before_rounding(level, name, ic):
    alpha, beta, function = FUNCTIONS[name]
    x = RNG.integers(0, 256, (1, ic, 9, 40)).astype(np.uint8)
    w, bias = RNG.integers(-99, 99, (40, ic, 1, 1)), RNG.integers(-9999, 9999, 40)
    bias[0] = 1 << 30                               # far outside of any function's interesting part
    bias[1] = -1 << 30
    sums = convolved(x, w, 0, (1, 1), (1, 1), NOTHING) + bias[:, None, None]
    scale = (6 / np.abs(sums[:, 2:]).max() * np.ones(40)).astype(np.float32)
    step = np.float32((1 if "sigmoid" in name or name == "tanh" else 6) / 130)
    y = run_conv(level, x, w, bias, scale, 1, (1, 1), (1, 1), NOTHING, sums.shape, (0, 110), 2, 1, 2, step=float(step),
                 act=ops.table(level).unary[name], alpha=alpha, beta=beta)
    assert_activated(y, sums, scale, step, 110, function)
