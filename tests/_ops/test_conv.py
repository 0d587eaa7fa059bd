"""Direct convolution against float64, at every level."""
import numpy as np
import pytest

import cinfer._ops as ops
from windows import (ACTIVATIONS, GUARD, LEVELS, RNG, Blocked, activation, aligned, assert_close, channels,
                     convolve, put, ref, run, size_of_sums)

# Of the largest output: sums of up to 4608 terms in float32, in order; measured 1.3e-6.
TOLERANCE = 4e-6
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
    (2, 3, 16, 16, 9, 6, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
    (1, 2, 32, 48, 5, 15, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
    (1, 13, 8, 8, 9, 7, (3, 3), (2, 2), (1, 1), (1, 1, 1, 1)),
    (2, 5, 24, 24, 5, 6, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
    (1, 3, 700, 40, 3, 3, (2, 2), (1, 1), (1, 1), (0, 0, 1, 1)),
    (1, 1, 512, 32, 7, 7, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
    (1, 1, 128, 32, 40, 40, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0))]


def tiles_of(level, w, groups):
    """(first channel of output, width, first channel of input, how many) of all tiles: full ones where the
    channels of both halves are read by the same groups, or there is one group."""
    t, (oc, ic), found, o = ops.table(level), w.shape[:2], [], 0

    def read(first, width):
        end = min(first + width, oc)
        begins = first // (oc // groups) * ic if first < oc else 0
        return begins, (-(-end // (oc // groups)) * ic - begins if first < oc else 0)
    while o < -(-oc // 16) * 16:
        full, half = read(o, t.conv_oc), read(o, t.conv_half)
        width = t.conv_half
        if o % t.conv_oc == 0 and o + t.conv_oc <= -(-oc // 16) * 16 and (
                groups == 1 or full == half == read(o + t.conv_half, t.conv_half)):
            width = t.conv_oc
        found.append((o, width, *(full if width == t.conv_oc else half)))
        o += width
    return found


def reads_of(level, w, groups):
    """The table that the kernels take."""
    half, taps, table, at = ops.table(level).conv_half, w.shape[2] * w.shape[3], [], 0
    for _, width, first, count in tiles_of(level, w, groups):
        table.append((first, count, at))
        table.extend([(0, -1, 0)] * (width // half - 1))
        at += width * count * taps
    return np.array(table, np.int64), at


def pack(level, w, groups=1, threads=1, strides=None, at=0):
    """w [oc][ic/groups][kh][kw] packed by the kernel; strides: (oc, ic, y, x) in w from `at`."""
    oc, ic, kh, kw = w.shape
    source = put(w)
    so, si, sy, sx = strides or (ic * kh * kw, kh * kw, kw, 1)
    reads, size = reads_of(level, w, groups)
    packed = aligned(size + 16)
    packed[...] = GUARD
    more = dict(goc=oc // groups, reads=(0, reads.ctypes.data)) if groups > 1 else {}
    run(level, "pack_conv", len(reads) if groups > 1 else -(-oc // ops.table(level).conv_oc), threads=threads,
        w=ref(source, at), y=ref(packed), oc=oc, ic=ic, kh=kh, kw=kw, so=so, si=si, sy=sy, sx=sx, **more)
    assert (packed[-16:] == GUARD).all()
    return packed[:-16]


def packed_by_hand(level, w, groups=1):
    """[oc tile][part of a block that it reads][kh][kw][channel][oc tile width], the definition."""
    oc, ic = w.shape[:2]
    whole = np.zeros((-(-oc // 16) * 16, groups * ic, *w.shape[2:]), np.float32)
    for g in range(groups):
        of = slice(g * (oc // groups), (g + 1) * (oc // groups))
        whole[of, g * ic:(g + 1) * ic] = w[of]
    parts = [np.zeros(0, np.float32)]
    for o, width, first, count in tiles_of(level, w, groups):
        for b in range(first // 16 * 16, first + count, 16):
            part = whole[o:o + width, max(b, first):min(b + 16, first + count)]
            parts.append(part.transpose(2, 3, 1, 0).reshape(-1))
    return np.concatenate(parts)


def run_conv(level, x, w, bias, groups, strides, dilations, pads, out_shape, rows, blocks, threads=1,
             halo=(0, 0, 0, 0), res=None, **act):
    """blocks: output blocks of a tile, rounded up to register tiles."""
    t = ops.table(level)
    n, ic = x.shape[:2]
    oh, ow = out_shape[2:]
    kh, kw = w.shape[2:]
    packed, xs, ys, b = pack(level, w, groups), Blocked.of(x, pads), Blocked(out_shape, halo), channels(bias)
    ob, step = ys.blocks, max(1, t.conv_oc // 16)
    if groups > 1:
        reads = reads_of(level, w, groups)[0]
        act.update(reads=(0, reads.ctypes.data))
    blocks = min(-(-blocks // step) * step, ob)
    row_tiles, oc_tiles = -(-oh // rows), -(-ob // blocks)
    if res is not None:
        rs = Blocked.of(res, (0, 1, 2, 0))
        act.update(res=rs.at(), **rs.params("r"))
    before = xs.data.copy()
    run(level, "conv", n * row_tiles * oc_tiles, threads=threads, x=xs.at(-pads[0], -pads[1]),
        w=ref(packed), bias=ref(b), y=ys.at(), n=n, ib=xs.blocks, last=(ic - 1) % 16 + 1,
        ob=ob, kh=kh, kw=kw, dh=dilations[0], dw=dilations[1], sh=strides[0], sw=strides[1], oh=oh, ow=ow,
        yp=16,
        row_tiles=row_tiles, rows=rows, oc_tiles=oc_tiles, blocks=blocks, **xs.params("x"),
        **ys.params("y"), **act)
    np.testing.assert_array_equal(xs.data, before)
    return ys.result()


def data(n, groups, ic, oc, h, w, k):
    return (RNG.standard_normal((n, groups * ic, h, w)).astype(np.float32),
            RNG.standard_normal((groups * oc, ic, *k)).astype(np.float32),
            RNG.standard_normal(groups * oc).astype(np.float32))


def in_several_ways(rows: int) -> tuple:
    """(rows, blocks, threads, halo) of runs whose bits must be the same, for outputs of so many rows."""
    return (1, 1, 2, (1, 0, 0, 1)), (3, 2, 1, (0, 2, 1, 0)), (rows, 1000, 1, (0, 0, 0, 0))


def close_and_same(results, wanted, where, w):
    assert_close(results[0], wanted, TOLERANCE, where, size_of_sums(w))
    for y in results[1:]:
        np.testing.assert_array_equal(y, results[0])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_conv_matches_float64(level, case):
    n, groups, ic, oc, h, wd, k, *window = case
    x, w, bias = data(n, groups, ic, oc, h, wd, k)
    wanted = convolve(x, w, bias, groups, *window)
    results = [run_conv(level, x, w, bias, groups, *window, wanted.shape, rows, blocks, threads, halo)
               for rows, blocks, threads, halo in in_several_ways(wanted.shape[2])]
    close_and_same(results, wanted, f"{case} {level}", w)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("act", [*ACTIVATIONS, "sigmoid", "swish", "tanh"])
@pytest.mark.parametrize("oc, halo", [(40, (0, 0, 0, 0)), (16, (1, 1, 1, 1))])
def test_conv_adds_the_residual_before_the_activation(level, act, oc, halo):
    x, w, bias = data(1, 1, 20, oc, 9, 11, (3, 3))
    res = RNG.standard_normal((1, oc, 9, 11)).astype(np.float32)
    res[0, 3, 2, 5] = np.nan
    window = (1, 1), (1, 1), (1, 1, 1, 1)
    sums = convolve(x, w, bias, 1, *window) + res
    params, f, slopes = activation_of(act, oc)
    y = run_conv(level, x, w, bias, 1, *window, sums.shape, 4, 1, halo=halo, res=res, **params)
    assert_close(y, f(sums), TOLERANCE, f"{act} {level}", np.nanmax(np.abs(sums)))


def activation_of(name, c):
    """Those of `activation`, and some that are applied to the stored rows."""
    more = {"sigmoid": lambda v: 1 / (1 + np.exp(-v)), "swish": lambda v: v / (1 + np.exp(-v)),
            "tanh": np.tanh}
    if name not in more:
        return activation(name, c)
    return dict(act=ops.table(LEVELS[0]).unary[name], alpha=1), more[name], None


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("act", ["none", "swish"])
def test_conv_writes_every_second_pixel(level, act):
    """A phase of a transposed convolution: pixels and rows of y apart, what lies between untouched."""
    x, w, bias = data(1, 1, 18, 40, 5, 7, (2, 2))
    xs, ys, b, packed = Blocked.of(x, (1, 1, 0, 0)), Blocked((1, 40, 10, 14)), channels(bias), pack(level, w)
    params, f, _ = activation_of(act, 40)
    run(level, "conv", 2, x=xs.at(-1, -1), w=ref(packed), bias=ref(b), y=ys.at(1, 0), n=1, ib=2,
        last=2, ob=3, kh=2, kw=2, dh=1, dw=1, sh=1, sw=1, oh=5, ow=7, yp=32, row_tiles=2, rows=3, oc_tiles=1,
        blocks=3, **xs.params("x"), yn=ys.n, yb=ys.b, yr=2 * ys.r, **params)
    y = ys.result()
    wanted = f(convolve(x, w, bias, 1, (1, 1), (1, 1), (1, 1, 0, 0)))
    assert_close(y[:, :, 1::2, ::2], wanted, TOLERANCE, f"{act} {level}")
    assert (y[:, :, ::2] == GUARD).all() and (y[:, :, :, 1::2] == GUARD).all()


@pytest.mark.parametrize("level", LEVELS)
def test_conv_without_bias(level):
    x, w = np.ones((1, 16, 3, 3), np.float32), np.ones((16, 16, 3, 3), np.float32)
    xs, ys, packed = Blocked.of(x, (1, 1, 1, 1)), Blocked((1, 16, 3, 3)), pack(level, w)
    run(level, "conv", 1, x=xs.at(-1, -1), w=ref(packed), y=ys.at(), n=1, ib=1, last=16, ob=1, kh=3,
        kw=3, dh=1, dw=1, sh=1, sw=1,
        oh=3, ow=3, yp=16, row_tiles=1, rows=3, oc_tiles=1, blocks=1, **xs.params("x"), **ys.params("y"))
    np.testing.assert_array_equal(ys.result()[0, 0], np.array([[4, 6, 4], [6, 9, 6], [4, 6, 4]]) * 16)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("groups, oc, ic, k", [(1, 1, 1, (1, 1)), (1, 40, 21, (3, 3)), (1, 64, 16, (1, 1)),
                                               (1, 5, 37, (1, 1)), (3, 16, 32, (2, 3)),
                                               (1, 33, 3, (7, 7)), (2, 48, 16, (1, 1)),
                                               (13, 8, 8, (3, 3)), (5, 24, 20, (1, 2)), (9, 3, 1, (1, 1))])
def test_pack_conv(level, groups, oc, ic, k):
    w = RNG.standard_normal((groups * oc, ic, *k)).astype(np.float32)
    np.testing.assert_array_equal(pack(level, w, groups, threads=2), packed_by_hand(level, w, groups))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("order", [(1, 0, 2, 3), (2, 3, 1, 0), (0, 2, 3, 1)], ids=["IOHW", "HWIO", "OHWI"])
def test_pack_conv_follows_the_strides_of_the_source(level, order):
    w = RNG.standard_normal((40, 21, 3, 2)).astype(np.float32)
    turned = np.ascontiguousarray(w.transpose(order)[..., ::-1])        # the last axis from its end down
    strides = [0] * 4
    for axis, stride in zip(order, turned.strides):
        strides[axis] = stride // 4
    strides[order[-1]] = -1
    packed = pack(level, turned.reshape(w.shape), 1, 1, strides, turned.shape[-1] - 1)
    np.testing.assert_array_equal(packed, packed_by_hand(level, w))


STEMS = [  # images, channels in and out, h, w of the padded picture, (kh, kw), strides, dilations
    (1, 1, 1, 1, 1, (1, 1), (1, 1), (1, 1)), (2, 3, 64, 23, 31, (7, 7), (2, 2), (1, 1)),
    (1, 3, 24, 15, 40, (3, 3), (2, 2), (1, 1)), (1, 4, 58, 13, 14, (3, 3), (1, 1), (2, 3)),
    (1, 1, 48, 28, 28, (5, 5), (1, 1), (1, 1)), (2, 2, 17, 12, 17, (4, 2), (3, 1), (1, 1))]


def run_stem(level, x, w, bias, strides, dilations, out_shape, rows, blocks, interleaved, threads=1,
             halo=(0, 0, 0, 0), res=None, **act):
    """x: padded already; interleaved: its channels lie side by side in memory."""
    t = ops.table(level)
    n, c, h, wd = x.shape
    oc, _, kh, kw = w.shape
    oh, ow = out_shape[2:]
    xn, xc, xr, xp = (c * h * wd, 1, wd * c, c) if interleaved else (c * h * wd, h * wd, wd, 1)
    rows_at, columns_at = np.arange(kh)[:, None] * dilations[0] * xr, np.arange(kw) * dilations[1] * xp
    koff = (np.arange(c)[:, None, None] * xc + rows_at + columns_at).astype(np.int32)
    source, ys, b = put(x.transpose(0, 2, 3, 1)
                        if interleaved else x), Blocked(out_shape, halo), channels(bias)
    k = c * kh * kw
    weights, packed = put(w), aligned(k * ys.blocks * 16)
    run(level, "pack_gemm", -(-ys.blocks * 16 // t.conv_oc), w=ref(weights), y=ref(packed), batch0=1,
        batch1=1, k=k, n=oc, sk=1, sn=k)
    step = max(1, t.conv_oc // 16)
    blocks = min(-(-blocks // step) * step, ys.blocks)
    row_tiles, oc_tiles = -(-oh // rows), -(-ys.blocks // blocks)
    if res is not None:
        rs = Blocked.of(res, (0, 1, 2, 0))
        act.update(res=rs.at(), **rs.params("r"))
    run(level, "conv_stem", n * row_tiles * oc_tiles, threads=threads, x=ref(source), w=ref(packed),
        bias=ref(b), y=ys.at(), koff=(0, koff.ctypes.data), n=n, k=k, ob=ys.blocks, sh=strides[0],
        sw=strides[1],
        oh=oh, ow=ow, xn=xn, xr=xr, xp=xp, row_tiles=row_tiles, rows=rows, oc_tiles=oc_tiles, blocks=blocks,
        **ys.params("y"), **act)
    return ys.result()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("case", STEMS, ids=str)
def test_stem_matches_float64(level, interleaved, case):
    n, ic, oc, h, wd, k, strides, dilations = case
    x, w, bias = data(n, 1, ic, oc, h, wd, k)
    wanted = convolve(x, w, bias, 1, strides, dilations, (0, 0, 0, 0))
    results = [run_stem(level, x, w, bias, strides, dilations, wanted.shape, rows, blocks, interleaved,
                        threads, halo)
               for rows, blocks, threads, halo in in_several_ways(wanted.shape[2])]
    close_and_same(results, wanted, f"{case} {level}", w)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("act", ["relu", "hard_swish", "swish"])
def test_stem_adds_the_residual_before_the_activation(level, act):
    x, w, bias = data(1, 1, 3, 40, 9, 11, (3, 3))
    sums = convolve(x, w, bias, 1, (1, 1), (1, 1), (0, 0, 0, 0))
    res = RNG.standard_normal(sums.shape).astype(np.float32)
    params, f, _ = activation_of(act, 40)
    y = run_stem(level, x, w, bias, (1, 1), (1, 1), sums.shape, 4, 1, True, res=res, **params)
    assert_close(y, f(sums + res), TOLERANCE, f"{act} {level}")
