"""Convolution of few output channels, blocked to plain, against float64, at every level."""
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from test_conv import convolve
from windows import (ACTIVATIONS, GUARD, LEVELS, RNG, Blocked, activation, aligned, assert_close, channels,
                     put, ref, run, size_of_sums)

# Of the largest output: sums of up to 5184 terms in float32, in 16 lanes; measured 6e-7.
TOLERANCE = 3e-6
# images, channels in and out, h, w, (kh, kw), strides, dilations, pads (t, l, b, r)
CASES = [
    (1, 1, 1, 1, 1, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
    (1, 64, 3, 20, 21, (9, 9), (1, 1), (1, 1), (4, 4, 4, 4)),
    (2, 16, 1, 1, 7, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
    (1, 16, 2, 16, 16, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
    (1, 17, 1, 3, 15, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
    (1, 24, 4, 4, 17, (3, 3), (2, 2), (1, 1), (0, 0, 1, 1)),
    (2, 40, 5, 9, 33, (1, 5), (1, 2), (1, 3), (0, 6, 0, 6)),
    (1, 8, 6, 13, 13, (3, 3), (1, 1), (2, 2), (2, 2, 2, 2)),
    (1, 33, 7, 7, 7, (1, 1), (3, 1), (1, 1), (0, 0, 0, 0)),
    (1, 15, 3, 1, 300, (1, 3), (1, 1), (1, 1), (0, 1, 0, 1)),
    (1, 512, 2, 5, 5, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
    (1, 4, 13, 12, 11, (4, 2), (2, 1), (1, 3), (3, 0, 2, 1))]


def pack(level, w, strides=None, at=0):
    """w [oc][ic][kh][kw] packed by the kernel; strides: (oc, ic, y, x) in w from `at`."""
    oc, ic, kh, kw = w.shape
    source, packed = put(w), aligned(oc * -(-ic // 16) * 16 * kh * kw + 16)
    packed[...] = GUARD
    so, si, sy, sx = strides or (ic * kh * kw, kh * kw, kw, 1)
    run(level, "pack_few", oc, w=ref(source, at), y=ref(packed), oc=oc, ic=ic, kh=kh, kw=kw, so=so, si=si,
        sy=sy, sx=sx)
    assert (packed[-16:] == GUARD).all()
    return packed[:-16]


def packed_by_hand(w):
    """[oc][block][kh][kw][16], the definition."""
    oc, ic, kh, kw = w.shape
    w = np.concatenate([w, np.zeros((oc, -ic % 16, kh, kw), np.float32)], 1)
    return w.reshape(oc, -1, 16, kh, kw).transpose(0, 1, 3, 4, 2).reshape(-1)


class Plain:
    """A picture in plain memory whose pixels are `step` floats apart, rows and channels a little more."""

    def __init__(self, shape, step=1, gap=0):
        n, c, h, w = shape
        self.p, self.r = step, step * w + gap
        self.c = self.r * h + 3 * gap
        self.n, self.shape = self.c * c, shape
        self.data = np.full(32 + self.n * n + 32, GUARD)

    @property
    def pixels(self):
        return np.lib.stride_tricks.as_strided(self.data[32:], self.shape,
                                               [4 * s for s in (self.n, self.c, self.r, self.p)])

    def result(self):
        """The picture; fails where a kernel wrote outside it."""
        y = self.pixels.copy()
        self.pixels[...] = GUARD
        assert (self.data == GUARD).all(), "written outside the picture"
        return y


def run_few(level, x, w, bias, strides, dilations, pads, out_shape, parts=1, threads=1, step=1, gap=0,
            res=None, **act):
    n, ic = x.shape[:2]
    oc, _, kh, kw = w.shape
    oh, ow = out_shape[2:]
    xs, ys, packed = Blocked.of(x, pads), Plain(out_shape, step, gap), pack(level, w)
    offsets = ys.c * np.arange(oc)
    if bias is not None:
        b = channels(bias)
        act.update(bias=ref(b))
    if res is not None:
        act.update(res=ref(res), **dict(zip(("rn", "rc", "rr", "rp"), np.array(res.strides) // 4)))
    pixels = -(-oh * ow // parts)
    parts = -(-oh * ow // pixels)
    before = xs.data.copy()
    run(level, "conv_few", n * parts, threads=threads, x=xs.at(-pads[0], -pads[1]), w=ref(packed),
        y=ref(ys.data, 32), yo=(0, offsets.ctypes.data), n=n, ib=xs.blocks,
        last=(ic - 1) % 16 + 1, oc=oc, kh=kh, kw=kw, dh=dilations[0], dw=dilations[1], sh=strides[0],
        sw=strides[1], oh=oh, ow=ow, yn=ys.n, yr=ys.r, yp=ys.p, parts=parts, pixels=pixels, **xs.params("x"),
        **act)
    np.testing.assert_array_equal(xs.data, before)
    return ys.result()


def data(n, ic, oc, h, w, k):
    return (RNG.standard_normal((n, ic, h, w)).astype(np.float32),
            RNG.standard_normal((oc, ic, *k)).astype(np.float32), RNG.standard_normal(oc).astype(np.float32))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_conv_few_matches_float64(level, case):
    """Lanes of x beyond its channels are NaN; the bits are the same for all tiles and places in y."""
    n, ic, oc, h, wd, k, *window = case
    x, w, bias = data(n, ic, oc, h, wd, k)
    wanted = convolve(x, w, bias, 1, *window)
    results = [run_few(level, x, w, bias, *window, wanted.shape, parts, threads, step, gap)
               for parts, threads, step, gap in ((1, 1, 1, 0), (3, 2, 1, 0), (2, 1, 1, 5), (5, 2, 2, 0),
                                                 (1, 1, 3, 1))]
    assert_close(results[0], wanted, TOLERANCE, f"{case} {level}", size_of_sums(w))
    for y in results[1:]:
        np.testing.assert_array_equal(y, results[0])


@st.composite
def convolutions(draw):
    def small(low, high):
        return draw(st.integers(low, high))
    k, strides, dilations = (small(1, 5), small(1, 5)), (small(1, 3), small(1, 3)), (small(1, 3), small(1, 3))
    pads = tuple(small(0, 3) for _ in range(4))
    h, w = (small(max(1, (kk - 1) * d + 1 - before - after), 40)
            for kk, d, before, after in zip(k, dilations, pads[:2], pads[2:]))
    return small(1, 2), small(1, 50), small(1, 9), h, w, k, strides, dilations, pads


@pytest.mark.parametrize("level", LEVELS)
@settings(max_examples=60, deadline=None)
@given(case=convolutions(), parts=st.integers(1, 9), step=st.integers(1, 3))
def test_conv_few_of_any_window(level, case, parts, step):
    n, ic, oc, h, wd, k, *window = case
    rng = np.random.default_rng(sum(case[:5]))
    x = rng.standard_normal((n, ic, h, wd)).astype(np.float32)
    w, bias = (rng.standard_normal(s).astype(np.float32) for s in ((oc, ic, *k), oc))
    wanted = convolve(x, w, bias, 1, *window)
    y = run_few(level, x, w, bias, *window, wanted.shape, parts, 1, step)
    assert_close(y, wanted, TOLERANCE, f"{case} {level}", size_of_sums(w))
    np.testing.assert_array_equal(y, run_few(level, x, w, bias, *window, wanted.shape, 1, 1))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("act", ACTIVATIONS)
def test_conv_few_adds_the_residual_before_the_activation(level, act, step):
    x, w, bias = data(2, 20, 5, 9, 11, (3, 3))
    res = RNG.standard_normal((2, 9, 11, 5)).astype(np.float32)
    res[0, 2, 5, 3] = np.nan
    window = (1, 1), (1, 1), (1, 1, 1, 1)
    params, f, slopes = activation(act, 5)
    sums = convolve(x, w, bias, 1, *window)
    for view in (res.transpose(0, 3, 1, 2), np.ascontiguousarray(res.transpose(0, 3, 1, 2)),
                 np.broadcast_to(res[:1, :, :1, :1].transpose(0, 3, 1, 2), sums.shape)):
        y = run_few(level, x, w, bias, *window, sums.shape, 2, step=step, res=view, **params)
        assert_close(y, f(sums + view), TOLERANCE, f"{act} {level}", np.abs(sums).max())


@pytest.mark.parametrize("level", LEVELS)
def test_numbers_that_are_not_finite_stay_in_their_windows(level):
    x, w, bias = data(1, 20, 3, 12, 40, (3, 3))
    x[0, 18, 5, 7], x[0, 3, 9, 39], x[0, 0, 0, 20] = np.inf, np.nan, -np.inf
    window = (1, 1), (1, 1), (1, 1, 1, 1)
    with np.errstate(invalid="ignore"):
        wanted = convolve(x, w, bias, 1, *window)
    y = run_few(level, x, w, bias, *window, wanted.shape)
    np.testing.assert_array_equal(np.isfinite(y), np.isfinite(wanted))
    np.testing.assert_array_equal(y[np.isinf(wanted)], wanted[np.isinf(wanted)])


@pytest.mark.parametrize("level", LEVELS)
def test_conv_few_without_bias(level):
    x, w = np.ones((1, 16, 3, 3), np.float32), np.ones((1, 16, 3, 3), np.float32)
    y = run_few(level, x, w, None, (1, 1), (1, 1), (1, 1, 1, 1), (1, 1, 3, 3))
    np.testing.assert_array_equal(y[0, 0], np.array([[4, 6, 4], [6, 9, 6], [4, 6, 4]]) * 16)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("oc, ic, k", [(1, 1, (1, 1)), (3, 21, (3, 3)), (2, 16, (1, 1)), (5, 37, (2, 4))])
def test_pack_few(level, oc, ic, k):
    w = RNG.standard_normal((oc, ic, *k)).astype(np.float32)
    np.testing.assert_array_equal(pack(level, w), packed_by_hand(w))
    turned = np.ascontiguousarray(w.transpose(1, 0, 2, 3)[..., ::-1])       # IOHW, the last axis from its end
    taps = k[0] * k[1]
    packed = pack(level, turned.reshape(w.shape), (taps, oc * taps, k[1], -1), k[1] - 1)
    np.testing.assert_array_equal(packed, packed_by_hand(w))
