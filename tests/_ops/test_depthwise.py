"""The depthwise kernel against float64, at every level."""
import numpy as np
import pytest

from windows import ACTIVATIONS, LEVELS, RNG, Blocked, activation, assert_close, channels, put, ref, run, size_of_sums

CASES = [  # channels, h, w, (kh, kw), (sh, sw), (dh, dw), (top, left, bottom, right)
    (1, 1, 1, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)), (16, 1, 7, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
    (17, 7, 7, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)), (24, 14, 14, (3, 3), (2, 2), (1, 1), (0, 0, 1, 1)),
    (58, 13, 5, (3, 3), (2, 2), (1, 1), (1, 1, 1, 1)), (3, 14, 29, (5, 5), (1, 1), (1, 1), (2, 2, 2, 2)),
    (48, 9, 31, (5, 5), (2, 2), (1, 1), (2, 2, 2, 2)), (8, 14, 14, (7, 7), (1, 1), (1, 1), (3, 3, 3, 3)),
    (16, 13, 16, (3, 3), (1, 1), (2, 2), (2, 2, 2, 2)), (16, 10, 9, (3, 3), (2, 1), (1, 1), (1, 1, 1, 1)),
    (16, 12, 17, (3, 3), (3, 3), (1, 1), (1, 0, 1, 2)), (20, 1, 30, (1, 5), (1, 2), (1, 3), (0, 6, 0, 6)),
    (16, 11, 11, (4, 2), (1, 2), (3, 1), (2, 0, 3, 1)), (32, 6, 43, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0))]


def depthwise(x, w, bias, strides, dilations, pads):
    """Float64, straight from the definition."""
    x = np.pad(x.astype(float), ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    kh, kw = w.shape[1:]
    oh = (x.shape[2] - (kh - 1) * dilations[0] - 1) // strides[0] + 1
    ow = (x.shape[3] - (kw - 1) * dilations[1] - 1) // strides[1] + 1
    y = np.zeros((*x.shape[:2], oh, ow)) + bias.astype(float)[:, None, None]
    for i in range(kh):
        for j in range(kw):
            part = x[:, :, i * dilations[0]::strides[0], j * dilations[1]::strides[1]][:, :, :oh, :ow]
            y += part * w[:, i, j, None, None].astype(float)
    return y


def run_depthwise(level, x, w, bias, strides, dilations, pads, out_shape, rows, threads=1, halo=(0, 0, 0, 0),
                  **act):
    n, c = x.shape[:2]
    kh, kw = w.shape[1:]
    blocks = -(-c // 16)
    source, packed = put(w), put(np.full((blocks, kh * kw, 16), 9.))
    run(level, "pack_depthwise", blocks, w=ref(source), y=ref(packed), c=c, taps=kh * kw)
    xs, ys, b = Blocked.of(x, pads), Blocked(out_shape, halo), channels(bias)
    oh, ow = out_shape[2:]
    row_tiles = -(-oh // rows)
    run(level, "depthwise", n * blocks * row_tiles, threads=threads, x=xs.at(-pads[0], -pads[1]),
        w=ref(packed), bias=ref(b), y=ys.at(), n=n, cb=blocks, kh=kh, kw=kw, dh=dilations[0], dw=dilations[1],
        sh=strides[0], sw=strides[1], oh=oh, ow=ow, row_tiles=row_tiles, rows=rows, **xs.params("x"),
        **ys.params("y"), **act)
    return ys.result()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_depthwise_matches_float64(level, case):
    c, h, wd, k, strides, dilations, pads = case
    x = RNG.standard_normal((2, c, h, wd)).astype(np.float32)
    w, bias = RNG.standard_normal((c, *k)).astype(np.float32), RNG.standard_normal(c).astype(np.float32)
    wanted = depthwise(x, w, bias, strides, dilations, pads)
    results = [run_depthwise(level, x, w, bias, strides, dilations, pads, wanted.shape, rows, threads, halo)
               for rows, threads, halo in ((1, 2, (1, 0, 0, 1)), (3, 1, (0, 2, 1, 0)), (999, 1, (0,) * 4))]
    assert_close(results[0], wanted, 1e-6, f"{case} {level}", size_of_sums(w))     # up to 50 terms in float32
    for y in results[1:]:
        np.testing.assert_array_equal(y, results[0])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("act", ACTIVATIONS)
@pytest.mark.parametrize("k, stride", [(3, 1), (3, 2), (5, 1), (5, 2), (7, 1), (7, 2)])
def test_depthwise_activations_keep_nan(level, act, k, stride):
    x = RNG.standard_normal((1, 20, 9, 16)).astype(np.float32)
    w = RNG.standard_normal((20, k, k)).astype(np.float32)
    x[0, 3, 2, 5], bias, pads = np.nan, RNG.standard_normal(20).astype(np.float32), (k // 2,) * 4
    params, f, slopes = activation(act, 20)
    sums = depthwise(x, w, bias, (stride, stride), (1, 1), pads)
    wanted = f(sums)
    y = run_depthwise(level, x, w, bias, (stride, stride), (1, 1), pads, wanted.shape, 4, **params)
    assert np.isnan(wanted).any()
    assert_close(y, wanted, 1e-6, f"{act} {level}", np.nanmax(np.abs(sums)))


@pytest.mark.parametrize("level", LEVELS)
def test_depthwise_without_bias(level):
    x = np.ones((1, 16, 3, 3), np.float32)
    xs, ys, packed = Blocked.of(x, (1, 1, 1, 1)), Blocked((1, 16, 3, 3)), put(np.ones((9, 16)))
    run(level, "depthwise", 1, x=xs.at(-1, -1), w=ref(packed), y=ys.at(), n=1, cb=1, kh=3, kw=3, dh=1, dw=1,
        sh=1, sw=1, oh=3, ow=3, row_tiles=1, rows=3, **xs.params("x"), **ys.params("y"))
    np.testing.assert_array_equal(ys.result()[0, 0], [[4, 6, 4], [6, 9, 6], [4, 6, 4]])
