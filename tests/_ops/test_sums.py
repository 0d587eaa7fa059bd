"""Long sums of one sign, by every kernel that sums, at every level.

float32 rounds each addition at the size of the sum: n terms one after another are off by up to n * 3e-8 of it
when they are all alike (0.1: 1.6e-5 at 2048 terms, 1e-2 at a million). Kernels sum in pieces (_ops/sums.h);
lengths here are those of pieces, of as many as are added in float32, one less and one more, and far beyond.
"""
import numpy as np
import pytest
from test_conv import run_conv, run_stem
from test_conv_few import run_few
from test_depthwise import run_depthwise
from test_fused_attention import run as run_attention
from test_matmul import run_gemm, run_gemv
from test_normalization import at, lrn
from test_pooling import run_pool
from test_reduce import reduce
from test_scan import scan
from test_softmax import run as run_softmax
from test_softmax import softmax
from test_winograd import run_winograd
from windows import LEVELS, Blocked, run

MOST = 2e-5
ONCE = (1, 1), (1, 1)


def numbers(fill, *shape):
    if fill == "alike":
        return np.full(shape, 0.1, np.float32)
    return np.random.default_rng(sum(shape)).uniform(0, 1, shape).astype(np.float32)


def check(y, wanted, what, most=MOST):
    error = np.abs(np.asarray(y, float) / wanted - 1).max()
    assert error <= most, f"{what}: off by {error:.1e}"


def boxes(x, k, strides=(1, 1), pads=(0, 0, 0, 0)):
    """The sums of all windows, for each channel of x."""
    x = np.pad(x.astype(float), ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    for axis in (2, 3):
        x = np.insert(x.cumsum(axis), 0, 0, axis)
        x = x.take(range(k[axis - 2], x.shape[axis]), axis) - x.take(range(x.shape[axis] - k[axis - 2]), axis)
    return x[:, :, ::strides[0], ::strides[1]]


def each_level(test):
    return pytest.mark.parametrize("level", LEVELS)(
        pytest.mark.parametrize("fill", ["alike", "uniform"])(test))


# shape, axes reduced, order of the axes in memory if another: contiguous, strided, neighbours that are kept,
# axes that do not join
REDUCTIONS = [((n,), (0,), None) for n in (1023, 1025, 2049, 4097, 16385, 65537, 1_000_003)]
REDUCTIONS += [((n, 3), (0,), None) for n in (63, 65, 4095, 4096, 4097, 100_001)]
REDUCTIONS += [((3, n), (1,), (1, 0)) for n in (4097, 100_001)]
REDUCTIONS += [((n, 1, 2), (0,), None) for n in (4097, 50_001)]
REDUCTIONS += [((10_001, 2, 3), (0, 2), None), ((3, 10_001, 2), (0, 1), (1, 2, 0)),
               ((65, 40, 70), (0, 2), None), ((5001, 3, 2, 5), (0, 2), None),
               ((300, 3, 300, 1), (0, 2), (3, 0, 1, 2))]


@each_level
@pytest.mark.parametrize("shape, axes, order", REDUCTIONS, ids=str)
def test_reduce(level, fill, shape, axes, order):
    x = numbers(fill, *shape)
    if order:
        x = np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))
    what, total = f"{level} {shape} over {axes}", x.sum(axes, float)
    check(reduce(level, 0, x, axes, 7), total, "sum " + what)
    check(reduce(level, 0, np.flip(x, axes), axes, 7), total, "reversed " + what)
    check(reduce(level, 1, x, axes, 7), x.mean(axes, float), "mean " + what)
    check(reduce(level, 5, x, axes, 7), np.square(x, dtype=float).sum(axes), "squares " + what)
    check(reduce(level, 6, -x, axes, 7), total, "magnitudes " + what)
    check(np.exp(reduce(level, 7, x, axes, 7).astype(float)), np.exp(x.astype(float)).sum(axes), "exponents " + what)


@each_level
@pytest.mark.parametrize("shape, axis", [((1_000_003,), 0), ((3, 100_001), 1), ((100_001, 3), 0)], ids=str)
def test_scan(level, fill, shape, axis):
    x = numbers(fill, *shape)
    check(scan(level, x, axis), x.cumsum(axis, float), f"{level} {shape} along {axis}")


@each_level
@pytest.mark.parametrize("cols", [1023, 1025, 4097, 65537, 786_432])
def test_layer_norm(level, fill, cols):
    """The mean leaves its error in y; the deviations are chosen so that the variance would show its own."""
    x = numbers(fill, cols)
    x[::2] += 1
    y, one = np.empty_like(x), np.ones(cols, np.float32)
    run(level, "layer_norm", 1, x=at(x), scale=at(one), y=at(y), rows=1, cols=cols, xr=cols, yr=cols, eps=0.,
        chunk=1)
    wide = x.astype(float)
    wanted = (wide - wide.mean()) / wide.std()
    assert np.abs(y - wanted).max() <= 3 * MOST, f"{level} {cols}: off by {np.abs(y - wanted).max():.1e}"


@each_level
@pytest.mark.parametrize("n", [1025, 2049, 4097, 65537])
def test_attention(level, fill, n):
    """Scores that are all alike: the mean of v."""
    v = numbers(fill, 1, n, 3)
    y = run_attention(level, np.ones((1, 2, 1), np.float32), np.full((1, 1, n), 7, np.float32), v, rows=2)
    check(y, v.mean(1, float)[:, None], f"{level} attention of {n}")


PICTURES = [(1, 129), (1, 40_001), (65, 3), (5001, 3), (200, 300)]


@each_level
@pytest.mark.parametrize("h, w", PICTURES)
def test_pictures(level, fill, h, w):
    """global_pool and group_norm."""
    x = numbers(fill, 1, 5, h, w)
    xs, ys = Blocked.of(x), Blocked((1, 5, 1, 1))
    run(level, "global_pool", 1, x=xs.at(), y=ys.at(), n=1, cb=1, h=h, w=w, mode=1, yn=ys.n, yb=ys.b,
        **xs.params("x"))
    check(ys.result(), x.mean((2, 3), float, keepdims=True), f"{level} global_pool {h}x{w}")
    x[..., ::2] += 1
    xs, ys = Blocked.of(x), Blocked(x.shape)
    one = np.ones(16, np.float32)
    run(level, "group_norm", 1, x=xs.at(), scale=at(one), bias=at(0 * one), y=ys.at(), n=1, cb=1, h=h, w=w,
        c=5, d=1, each=1, eps=0., **xs.params("x"), **ys.params("y"))
    wide = x.astype(float)
    wanted = (wide - wide.mean((2, 3), keepdims=True)) / wide.std((2, 3), keepdims=True)
    off = np.abs(ys.result() - wanted).max()
    assert off <= 3 * MOST, f"{level} group_norm {h}x{w}: off by {off:.1e}"


@each_level
@pytest.mark.parametrize("k, strides", [((257, 3), (1, 1)), ((2, 300), (1, 1)), ((300, 400), (1, 1)),
                                        ((3000, 2), (2, 1))], ids=str)
def test_average_pool(level, fill, k, strides):
    """Windows that hang over the edges, too: their averages are of what lies inside."""
    x = numbers(fill, 1, 2, k[0] + 3, k[1] + 2)
    window = k, strides, (1, 1, 1, 1)
    wanted = boxes(x, *window) / boxes(np.ones_like(x), *window)
    y = run_pool(level, x, 1, k, strides, (1, 1), (1, 1, 1, 1), wanted.shape, 2)
    check(y, wanted, f"{level} {k}")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("size", [63, 64, 65, 129, 1000])
def test_lrn(level, size):
    x = numbers("alike", 1, size, 7)
    y = np.empty_like(x)
    run(level, "lrn", 1, x=at(x), y=at(y), n=1, c=size, hw=7, size=size, alpha=1e3, beta=1., bias=0., chunk=7)
    check(y, lrn(x, size, 1e3, 1, 0), f"{level} {size}")


@each_level
@pytest.mark.parametrize("taps", [63, 64, 65, 4097, 100_001])
def test_resample(level, fill, taps):
    x, y = numbers(fill, taps, 19), np.empty(19, np.float32)
    table = np.concatenate((np.arange(-1, taps, dtype=np.int32), np.full(taps, 1 / taps, np.float32).view(np.int32)))
    table[0] = taps
    run(level, "resample", 1, x=at(x), y=at(y), table=(0, table.ctypes.data), dims=(1, 1, 1), xs=(0, 0, 0),
        ys=(0, 0, 0), size=taps, wanted=1, xa=19, ya=19, inner=19, outer=1)
    check(y, x.mean(0, float), f"{level} {taps}")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("shape", [(1, n, 1) for n in (1023, 1025, 2047, 2049, 4097, 300_001)]
                         + [(1, n, 5) for n in (255, 256, 257, 513, 30_001)], ids=str)
def test_softmax(level, shape):
    x = np.full(shape, -0.7, np.float32)
    x[:, 0] = 0                                # so that all terms but one are alike, and none is 1
    check(run_softmax(level, x), softmax(x, 1, False), f"{level} {shape}")
    y, wanted = run_softmax(level, x, logarithm=True), softmax(x, 1, True)
    assert np.abs(y - wanted).max() <= MOST, f"{level} {shape} off by {np.abs(y - wanted).max():.1e}"


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("shape", [(3, 1, 1), (2, 1, 5), (2, 1, 40), (1, 30, 1), (1, 30, 7)], ids=str)
def test_softmax_of_one_class(level, shape):
    """Of one class, or of one beside which the others vanish, 1 exactly, and 0 its logarithm."""
    x = np.random.default_rng(1).uniform(-50, 50, shape).astype(np.float32)
    x[:, 1:] = -1000
    np.testing.assert_array_equal(run_softmax(level, x)[:, 0], 1)
    np.testing.assert_array_equal(run_softmax(level, x, logarithm=True)[:, 0], 0)


# lengths of products: of what is done at once, by panels and in pieces, of as many as are added in float32
LONG = [1025, 1281, 2048, 2049, 2561, 64 * 512 + 1, 65 * 512 + 1, 150_001]


@each_level
@pytest.mark.parametrize("k", LONG)
def test_gemm(level, fill, k):
    n = 17 if k < 10_000 else 3
    m = 30 if k < 10_000 else 16
    a, w, bias = numbers(fill, 1, 1, m, k), np.ones((1, 1, k, n), np.float32), np.full(n, 2, np.float32)
    res = np.ones((1, 1, m, n), np.float32)
    results = [run_gemm(level, a, w, bias, .5, *way, res=res) for way in ((m, n, 1), (3, 16, 2))]
    check(results[0], .5 * (a.astype(float) @ w) + 3, f"{level} k={k}")
    for y in results[1:]:
        np.testing.assert_array_equal(y, results[0])


@each_level
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("m, n, k", [(1, 33, 2047), (1, 33, 2049), (9, 70, 4097), (2, 1050, 2600),
                                     (1, 5, 8193), (1, 3, 400_001)])
def test_gemv(level, fill, transposed, m, n, k):
    x, w, bias = numbers(fill, m, k), np.ones((k, n), np.float32), np.ones(n, np.float32)
    results = [run_gemv(level, x, w, transposed, bias, .5, *way) for way in ((16, 2), (2048, 1))]
    check(results[0], .5 * x.astype(float) @ w + 1, f"{level} {m} x {n} x {k}")
    np.testing.assert_array_equal(*results)


# input channels, output channels, kernel
CONVOLUTIONS = [(142, 20, (3, 3)), (225, 20, (3, 3)), (229, 20, (3, 3)), (1279, 3, (1, 1)),
                (2049, 20, (1, 1)), (5001, 3, (3, 3)), (17, 20, (11, 13)), (17, 3, (40, 41)),
                (5, 3, (2, 1000)), (16, 3, (1000, 1))]


@each_level
@pytest.mark.parametrize("ic, oc, k", CONVOLUTIONS, ids=str)
def test_conv(level, fill, ic, oc, k):
    """conv, and conv_few with its channels in lanes."""
    x, w = numbers(fill, 1, ic, k[0] + 2, k[1] + 4), np.ones((oc, ic, *k), np.float32)
    bias, what = np.full(oc, 2, np.float32), f"{level} {ic}>{oc} {k}"
    for strides in ((1, 1), (2, 2)):
        window = strides, (1, 1), (1, 0, 0, 1)
        wanted = np.repeat(boxes(x, k, strides, window[2]).sum(1, keepdims=True) + 2, oc, 1)
        results = [run_conv(level, x, w, bias, 1, *window, wanted.shape, *way)
                   for way in ((1, 1, 2), (9, 9, 1))]
        check(results[0], wanted, what)
        np.testing.assert_array_equal(*results)
        check(run_few(level, x, w[:3], bias[:3], *window, wanted[:, :3].shape), wanted[:, :3], "few " + what)


@each_level
@pytest.mark.parametrize("k", [(26, 26), (30, 33), (200, 210)], ids=str)
def test_conv_stem(level, fill, k):
    x, w = numbers(fill, 1, 3, k[0] + 1, k[1] + 9), np.ones((20, 3, *k), np.float32)
    bias = np.ones(20, np.float32)
    wanted = np.repeat(boxes(x, k).sum(1, keepdims=True) + 1, 20, 1)
    for interleaved in (False, True):
        y = run_stem(level, x, w, bias, *ONCE, wanted.shape, 2, 1, interleaved)
        check(y, wanted, f"{level} {k} interleaved={interleaved}")


@each_level
@pytest.mark.parametrize("k, strides", [((45, 45), (1, 1)), ((46, 45), (2, 2)), ((3, 5000), (1, 1)),
                                        ((300, 301), (1, 1))], ids=str)
def test_depthwise(level, fill, k, strides):
    x, w = numbers(fill, 1, 3, k[0] + 2, k[1] + 9), np.ones((3, *k), np.float32)
    bias = np.float32([1, 2, 3])
    wanted = boxes(x, k, strides, (1, 0, 0, 1)) + bias[:, None, None]
    y = run_depthwise(level, x, w, bias, strides, (1, 1), (1, 0, 0, 1), wanted.shape, 2)
    check(y, wanted, f"{level} {k}")


@each_level
@pytest.mark.parametrize("ic", [383, 384, 385, 512, 2049, 8001])
@pytest.mark.parametrize("m", [4, 2])
def test_winograd(level, fill, ic, m):
    x, w = numbers(fill, 1, ic, 6, 7), np.ones((3, ic, 3, 3), np.float32)
    bias = np.float32([1, 2, 3])
    wanted = boxes(x, (3, 3), pads=(1, 1, 1, 1)).sum(1, keepdims=True) + bias[:, None, None]
    y = run_winograd(level, x, w, bias, (1, 1, 1, 1), m, wanted.shape, 100, 1)
    check(y, wanted, f"{level} F({m},3) of {ic}")


@pytest.mark.parametrize("level", LEVELS)
def test_infinities_and_nan_stay_what_they_are(level):
    """float64 totals: no difference of two infinities."""
    for value in (np.inf, -np.inf, np.nan):
        x = numbers("uniform", 1, 1, 3, 300_001)
        x[0, 0, 1, 200_000] = value
        for op in range(2):
            y = reduce(level, op, x[0, 0], (1,), 1)
            assert np.isfinite(y[[0, 2]]).all()
            np.testing.assert_array_equal(y[1], np.float32(value))
        one = np.ones((1, 1, 300_001, 1), np.float32)
        y = run_gemm(level, x, one, None, 1., 3, 1)[0, 0, :, 0]
        assert np.isfinite(y[[0, 2]]).all()
        np.testing.assert_array_equal(y[1], np.float32(value))
