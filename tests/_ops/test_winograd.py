"""Winograd convolution against a direct one in float64, at every level."""
import platform

import numpy as np
import pytest

import cinfer._ops as ops
from windows import (ACTIVATIONS, LEVELS, RNG, Blocked, activation, aligned, assert_close, channels, put, ref,
                     run, size_of_sums)

# Of the largest output, for 64 / 512 normal input channels: F(4,3) 1.4e-6 / 4e-6, F(2,3) 3e-7 / 1e-6.
# Half as much again.
TOLERANCE = {4: 6e-6, 2: 1.5e-6}
CASES = [  # images, in channels, out channels, h, w, (top, left, bottom, right)
    (1, 1, 1, 1, 1, (1, 1, 1, 1)), (2, 3, 16, 1, 7, (1, 1, 1, 1)), (1, 16, 8, 7, 7, (1, 1, 1, 1)),
    (2, 17, 24, 13, 5, (1, 1, 1, 1)),
    (1, 48, 58, 14, 14, (1, 1, 1, 1)), (1, 58, 64, 9, 30, (0, 0, 0, 0)), (1, 64, 17, 14, 14, (2, 2, 2, 2)),
    (1, 24, 48, 6, 6, (0, 1, 2, 0)),
    (1, 512, 32, 8, 8, (1, 1, 1, 1))]


def convolve(x, w, bias, pads):
    """Float64, straight from the definition."""
    x = np.pad(x.astype(float), ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    oh, ow = x.shape[2] - 2, x.shape[3] - 2
    y = np.zeros((x.shape[0], w.shape[0], oh, ow)) + bias.astype(float)[:, None, None]
    for i in range(3):
        for j in range(3):
            y += np.einsum("nchw,oc->nohw", x[:, :, i:i + oh, j:j + ow], w[:, :, i, j].astype(float))
    return y


def tile_width(level):
    """WINO_OC: output channels of a register tile."""
    return ops.table(level).vw * (4 if platform.machine() in ("aarch64", "arm64") else 2)


def pack(level, w, m, threads=1):
    oc, ic = w.shape[:2]
    blocks = -(-oc // 16)
    packed = aligned((m + 2) ** 2 * ic * blocks * 16 + 16)
    packed[...] = np.nan
    source = put(w)
    run(level, "pack_winograd", blocks, threads=threads, w=ref(source), y=ref(packed), oc=oc, ic=ic, m=m,
        so=9 * ic, si=9, sy=3, sx=1)
    assert np.isnan(packed[-16:]).all(), "written past the end"
    return packed


def run_winograd(level, x, w, bias, pads, m, out_shape, patches, blocks, threads=1, halo=(0, 0, 0, 0),
                 res=None, **act):
    n, ic, ih, iw = x.shape
    oh, ow = out_shape[2:]
    packed, b = pack(level, w, m), channels(bias)
    xs, ys = Blocked.of(x, (1, 0, 0, 1)), Blocked(out_shape, halo)
    total, step = -(-oh // m) * -(-ow // m), -(-tile_width(level) // 16)
    blocks = min(-(-blocks // step) * step, ys.blocks)
    patches = min(patches, total)
    patch_tiles, oc_tiles = -(-total // patches), -(-ys.blocks // blocks)
    if res is not None:
        rs = Blocked.of(res, (0, 1, 2, 0))
        act.update(res=rs.at(), **rs.params("r"))
    run(level, "winograd", n * patch_tiles * oc_tiles, threads, x=xs.at(), w=ref(packed),
        bias=ref(b), y=ys.at(), n=n, ib=xs.blocks, last=(ic - 1) % 16 + 1, ob=ys.blocks, ih=ih, iw=iw, oh=oh,
        ow=ow, pt=pads[0], pl=pads[1], m=m, patches=patches, patch_tiles=patch_tiles, oc_tiles=oc_tiles,
        blocks=blocks, **xs.params("x"), **ys.params("y"), **act)
    return ys.result()


def data(n, ic, oc, h, w):
    return [RNG.standard_normal(shape).astype(np.float32) for shape in ((n, ic, h, w), (oc, ic, 3, 3), oc)]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("m", [4, 2])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_winograd_matches_float64(level, m, case):
    *sizes, pads = case
    x, w, bias = data(*sizes)
    wanted = convolve(x, w, bias, pads)
    ways = (3, 1, 2, (1, 0, 0, 1)), (14, 2, 1, (0, 2, 1, 0)), (1000, 1000, 1, (0, 0, 0, 0))
    results = [run_winograd(level, x, w, bias, pads, m, wanted.shape, *way) for way in ways]
    assert_close(results[0], wanted, TOLERANCE[m], f"{case} F({m},3) {level}", size_of_sums(w))
    for y in results[1:]:
        np.testing.assert_array_equal(y, results[0])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("m", [4, 2])
@pytest.mark.parametrize("act", ACTIVATIONS)
def test_winograd_adds_the_residual_before_the_activation(level, m, act):
    x, w, bias = data(1, 20, 24, 10, 11)
    res = RNG.standard_normal((1, 24, 10, 11)).astype(np.float32)
    res[0, 3, 2, 5] = np.nan
    params, f, slopes = activation(act, 24)
    sums = convolve(x, w, bias, (1, 1, 1, 1)) + res
    y = run_winograd(level, x, w, bias, (1, 1, 1, 1), m, sums.shape, 5, 2, res=res, **params)
    assert_close(y, f(sums), TOLERANCE[m], f"{act} F({m},3) {level}", np.nanmax(np.abs(sums)))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("m, oc, ic", [(4, 40, 21), (2, 40, 21), (4, 5, 1), (4, 64, 32)])
def test_packed_weights_are_the_float64_transform_rounded_once(level, m, oc, ic):
    w = RNG.standard_normal((oc, ic, 3, 3)).astype(np.float32)
    points = {4: [0, .75, -.75, 1.5, -1.5], 2: [0, 1, -1]}[m]
    g = [[p ** i / np.prod([p - q for q in points if q != p]) for i in range(3)] for p in points]
    g.append([0, 0, 1])
    u = np.zeros(((m + 2) ** 2, -(-oc // 16) * 16, ic))
    u[:, :oc] = np.einsum("ia,ocab,jb->ijoc", g, w.astype(float), g).reshape(-1, oc, ic)
    width = tile_width(level)
    tiles = [u[:, o:o + width].transpose(0, 2, 1).reshape(len(u), -1) for o in range(0, u.shape[1], width)]
    np.testing.assert_allclose(pack(level, w, m, threads=2)[:-16], np.concatenate(tiles, 1).reshape(-1),
                               rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("level", LEVELS)
def test_packing_follows_the_strides_of_the_source(level):
    """Weights of a transposed convolution: [ic][oc], taps turned round."""
    w = RNG.standard_normal((24, 18, 3, 3)).astype(np.float32)
    source, packed = put(w.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]), aligned(36 * 18 * 32)
    run(level, "pack_winograd", 2, w=ref(source, 8), y=ref(packed), oc=24, ic=18, m=4, so=9, si=24 * 9, sy=-3,
        sx=-1)
    np.testing.assert_array_equal(packed, pack(level, w, 4)[:-16])


@pytest.mark.parametrize("level", LEVELS)
def test_winograd_without_bias(level):
    xs, ys = Blocked.of(np.ones((1, 16, 3, 3), np.float32)), Blocked((1, 16, 3, 3))
    packed = pack(level, np.ones((16, 16, 3, 3), np.float32), 4)
    run(level, "winograd", 1, x=xs.at(), w=ref(packed), y=ys.at(), n=1, ib=1, last=16, ob=1,
        ih=3, iw=3, oh=3, ow=3, pt=1, pl=1, m=4, patches=1, patch_tiles=1, oc_tiles=1, blocks=1,
        **xs.params("x"), **ys.params("y"))
    np.testing.assert_allclose(ys.result()[0, 0], np.array([[4, 6, 4], [6, 9, 6], [4, 6, 4]]) * 16, rtol=1e-5)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("m", [4, 2])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_numbers_that_are_not_finite_stay_in_their_windows(level, m, value):
    """In each place of a patch, at the edges of the picture, and several at once."""
    x, w, bias = data(1, 21, 40, 13, 15)
    res = RNG.standard_normal((1, 40, 13, 15)).astype(np.float32)
    places_of_each = [[(5 + i, 5 + j)] for i in range(5) for j in range(5)]
    for places in (*places_of_each, [(0, 0), (12, 14), (0, 7)], [(3, 3), (3, 4)]):
        odd = x.copy()
        for row, column in places:
            odd[0, 3, row, column] = value
        with np.errstate(invalid="ignore"):
            wanted = convolve(odd, w, bias, (1, 1, 1, 1)) + res
        y = run_winograd(level, odd, w, bias, (1, 1, 1, 1), m, wanted.shape, 5, 2, res=res)
        what = f"F({m},3) {level} {value} at {places}"
        finite = np.isfinite(wanted)
        np.testing.assert_array_equal(y[~finite], wanted[~finite].astype(np.float32), err_msg=what)
        assert_close(np.where(finite, y, 0), np.where(finite, wanted, 0), TOLERANCE[m], what)
