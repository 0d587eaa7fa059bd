"""Matrix products against float64, at every level."""
import numpy as np
import pytest

import cinfer._ops as ops
from windows import (ACTIVATIONS, GUARD, LEVELS, RNG, activation, aligned, assert_close, channels, put, ref,
                     run, size_of_sums)

# Of the largest output: up to 5000 terms in float32, one after another; measured 3e-6 there, 6e-7 at 1000.
TOLERANCE = 6e-6
SIZES = [(1, 1, 1), (1, 17, 5), (6, 16, 64), (7, 33, 65), (14, 64, 16), (15, 63, 3), (29, 128, 40),
         (61, 97, 128), (5, 48, 1), (13, 79, 1024), (500, 40, 70), (31, 160, 50), (30, 150, 5000),
         (160, 70, 1100), (90, 75, 2500)]


def packed_size(n):
    return -(-n // 16) * 16


def pack(level, w, strides=None, at=0, threads=1, source=None):
    """w [b0][b1][k][n] packed by the kernel; strides: (b0, b1, k, n) in the source (else w) from `at` on."""
    t = ops.table(level)
    b0, b1, k, n = w.shape
    w0, w1, sk, sn = strides or (b1 * k * n, k * n, n, 1)
    source, packed = put(w if source is None else source), aligned(b0 * b1 * k * packed_size(n) + 16)
    packed[...] = GUARD
    run(level, "pack_gemm", b0 * b1 * -(-n // t.gemm_n), threads=threads, w=ref(source, at), y=ref(packed),
        batch0=b0, batch1=b1, k=k, n=n,
        sk=sk, sn=sn, w0=w0, w1=w1)
    assert (packed[-16:] == GUARD).all()
    return packed[:-16]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("k, n", [(1, 1), (16, 64), (17, 33), (37, 48), (5, 100), (64, 15)])
@pytest.mark.parametrize("transposed", [False, True])
def test_pack_gemm(level, k, n, transposed):
    t = ops.table(level)
    w = RNG.standard_normal((2, 3, k, n)).astype(np.float32)
    source = np.ascontiguousarray(w.swapaxes(2, 3)).reshape(w.shape) if transposed else w
    packed = pack(level, source, (3 * k * n, k * n, 1, k) if transposed else None, threads=2).reshape(6, -1)
    full = np.zeros((6, k, packed_size(n)), np.float32)
    full[:, :, :n] = w.reshape(6, k, n)
    width = t.gemm_n
    tiles = [full[:, :, o:o + width].reshape(6, -1) for o in range(0, -(-n // width) * width, width)]
    wanted = np.concatenate(tiles, 1)
    np.testing.assert_array_equal(packed[:, :wanted.shape[1]], wanted)


@pytest.mark.parametrize("level", LEVELS)
def test_pack_gemm_of_odd_strides(level):
    w = RNG.standard_normal((1, 1, 9, 21)).astype(np.float32)
    source = np.full((9, 2, 21, 3), np.nan, np.float32)
    source[:, 1, :, 2] = w[0, 0]
    np.testing.assert_array_equal(pack(level, w, (0, 0, 126, 3), 63 + 2, source=source), pack(level, w))


def padded_rows(a, ld, fill):
    """The last two axes of a in rows `ld` floats apart, the rest of a row filled."""
    out = aligned(int(np.prod(a.shape[:-1])) * ld)
    rows = out.reshape(*a.shape[:-1], ld)
    rows[...] = fill
    rows[..., :a.shape[-1]] = a
    return out


def run_gemm(level, a, w, bias, scale, rows, cols, threads=1, res=None, **act):
    """a: [b0][b1][m][k], w: [b0][b1][k][n], of size 1 where a batch axis is broadcast."""
    t = ops.table(level)
    b0, b1 = (max(p, q) for p, q in zip(a.shape[:2], w.shape[:2]))
    m, k, n = *a.shape[2:], w.shape[3]
    lda, ldy, ldr = k + 3, n + 5, n + 2
    width = t.gemm_n
    cols = min(-(-cols // width) * width, max(n, 1))
    row_tiles, col_tiles = -(-m // rows), -(-n // cols)
    packed, x, b = pack(level, w), padded_rows(a, lda, np.nan), None if bias is None else channels(bias)
    y = aligned(b0 * b1 * m * ldy + 128)
    y[...] = GUARD
    if res is not None:
        r = padded_rows(res, ldr, np.nan)
        act.update(res=ref(r), ldr=ldr, r0=b1 * m * ldr, r1=m * ldr)
    each = k * packed_size(n)
    run(level, "gemm", b0 * b1 * row_tiles * col_tiles, threads, a=ref(x), w=ref(packed),
        bias=None if b is None else ref(b), y=ref(y, 64), batch0=b0, batch1=b1, m=m, n=n, k=k,
        lda=lda, ldy=ldy, a0=a.shape[1] * m * lda * (a.shape[0] > 1), a1=m * lda * (a.shape[1] > 1),
        w0=w.shape[1] * each * (w.shape[0] > 1), w1=each * (w.shape[1] > 1), y0=b1 * m * ldy, y1=m * ldy,
        scale=scale, row_tiles=row_tiles, rows=rows, col_tiles=col_tiles, cols=cols, **act)
    result = y[64:-64].reshape(b0, b1, m, ldy)
    outside = np.concatenate([y[:64], y[-64:], result[..., n:].reshape(-1)])
    assert (outside == GUARD).all(), "written outside the matrix"
    return result[..., :n]


def matrices(m, n, k, batch_a=(1, 1), batch_w=(1, 1)):
    a, w = RNG.standard_normal((*batch_a, m, k)), RNG.standard_normal((*batch_w, k, n))
    return a.astype(np.float32), w.astype(np.float32)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("m, n, k", SIZES)
def test_gemm_matches_float64(level, m, n, k):
    a, w = matrices(m, n, k)
    bias = RNG.standard_normal(n).astype(np.float32)
    wanted = .5 * (a.astype(float) @ w.astype(float)) + bias
    results = [run_gemm(level, a, w, bias, .5, *way) for way in ((1, 1, 2), (9, 70, 1), (m, n, 1), (5, n, 2))]
    assert_close(results[0], wanted, TOLERANCE, f"{m} x {n} x {k} {level}", size_of_sums(w.T))
    for y in results[1:]:
        np.testing.assert_array_equal(y, results[0])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("batch_a, batch_w", [((2, 3), (2, 3)), ((2, 3), (1, 3)), ((1, 1), (2, 2)),
                                              ((2, 2), (1, 1)), ((2, 1), (1, 3))])
def test_gemm_of_batches(level, batch_a, batch_w):
    a, w = matrices(9, 40, 21, batch_a, batch_w)
    wanted = a.astype(float) @ w.astype(float)
    assert_close(run_gemm(level, a, w, None, 1., 4, 32, 2), wanted, TOLERANCE, f"{batch_a} {batch_w} {level}")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("act", [*ACTIVATIONS, "gelu_tanh", "tanh"])
@pytest.mark.parametrize("n", [37, 64])
def test_gemm_adds_the_residual_before_the_activation(level, act, n):
    a, w = matrices(18, n, 30)
    bias = RNG.standard_normal(n).astype(np.float32)
    res = RNG.standard_normal((1, 1, 18, n)).astype(np.float32)
    res[0, 0, 3, n - 1] = np.nan
    sums = a.astype(float) @ w.astype(float) + bias + res
    params, f, slopes = row_activation(act, n)
    assert_close(run_gemm(level, a, w, bias, 1., 7, 32, res=res, **params), f(sums), TOLERANCE,
                 f"{act} n={n} {level}", np.nanmax(np.abs(sums)))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("k", [1500, 3000])
def test_gemm_where_y_is_the_residual(level, k):
    """Then y has no room for the sums of panels; the bits are the same."""
    a, w = matrices(40, 48, k)
    res = RNG.standard_normal((1, 1, 40, 48)).astype(np.float32)
    wanted = run_gemm(level, a, w, None, 1., 40, 48, res=res)
    y, packed, x = aligned(40 * 48), pack(level, w), aligned(40 * k)
    x[:], y[:] = a.ravel(), res.ravel()
    run(level, "gemm", 1, a=ref(x), w=ref(packed), y=ref(y), res=ref(y), batch0=1, batch1=1, m=40, n=48, k=k,
        lda=k, ldy=48, ldr=48, scale=1., row_tiles=1, rows=40, col_tiles=1, cols=64)
    np.testing.assert_array_equal(y.reshape(40, 48), wanted[0, 0])


def row_activation(name, n):
    """As `activation`, for rows instead of pictures: the channels are the last axis."""
    if name in ("gelu_tanh", "tanh"):
        def gelu_tanh(v):
            return .5 * v * (1 + np.tanh(np.sqrt(2 / np.pi) * (v + .044715 * v ** 3)))
        return dict(act=ops.table(LEVELS[0]).unary[name]), np.tanh if name == "tanh" else gelu_tanh, None
    params, f, slopes = activation(name, n)
    return params, (lambda v: f(v.swapaxes(-1, -2)[..., None])[..., 0].swapaxes(-1, -2)), slopes


def run_gemv(level, x, w, transposed, bias, scale, cols, threads=1, **act):
    """w: [k][n]; transposed: it lies in memory as [n][k]. Rows are a few floats further apart than needed."""
    m, k = x.shape
    n = w.shape[1]
    ldw, ldx, ldy = (k if transposed else n) + 3, k + 2, n + 4
    lying = padded_rows(w.T if transposed else w, ldw, np.nan)
    rows, b, y = padded_rows(x, ldx, np.nan), channels(bias), aligned(m * ldy + 128)
    y[...] = GUARD
    run(level, "gemv", -(-n // cols), threads=threads, x=ref(rows), w=ref(lying), bias=ref(b), y=ref(y, 64),
        m=m, n=n, k=k, ldx=ldx, ldy=ldy,
        sk=1 if transposed else ldw, sn=ldw if transposed else 1, scale=scale, cols=cols, **act)
    result = y[64:-64].reshape(m, ldy)
    outside = np.concatenate([y[:64], y[-64:], result[:, n:].reshape(-1)])
    assert (outside == GUARD).all(), "written outside the matrix"
    return result[:, :n]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("m, n, k", [(1, 1, 1), (1, 17, 5), (1, 1000, 65), (2, 33, 129), (3, 64, 16),
                                     (8, 97, 40), (1, 50, 1100), (2, 16, 7)])
def test_gemv_matches_float64(level, transposed, m, n, k):
    x, w = RNG.standard_normal((m, k)).astype(np.float32), RNG.standard_normal((k, n)).astype(np.float32)
    bias = RNG.standard_normal(n).astype(np.float32)
    wanted = .25 * (x.astype(float) @ w.astype(float)) + bias
    results = [run_gemv(level, x, w, transposed, bias, .25, cols, threads)
               for cols, threads in ((16, 2), (48, 1), (1008, 1))]
    assert_close(results[0], wanted, TOLERANCE, f"{m} x {n} x {k} {level}", size_of_sums(w.T))
    for y in results[1:]:
        np.testing.assert_array_equal(y, results[0])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("act", [*ACTIVATIONS, "gelu_tanh", "tanh"])
def test_gemv_activations_keep_nan(level, transposed, act):
    x, w = RNG.standard_normal((2, 20)).astype(np.float32), RNG.standard_normal((20, 37)).astype(np.float32)
    w[3, 33], bias = np.nan, RNG.standard_normal(37).astype(np.float32)
    sums = x.astype(float) @ w.astype(float) + bias
    params, f, slopes = row_activation(act, 37)
    assert_close(run_gemv(level, x, w, transposed, bias, 1., 16, **params), f(sums), TOLERANCE,
                 f"{act} {level}", np.nanmax(np.abs(sums)))
