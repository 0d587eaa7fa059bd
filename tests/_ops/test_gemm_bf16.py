"""Products of matrices in bfloat16 against float64 sums of rounded numbers, at every level that has them."""
import numpy as np
import pytest
from bf16 import LEVELS, rounded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_conv_bf16 import size_of
from test_matmul import SIZES, matrices, padded_rows, row_activation
from windows import ACTIVATIONS, GUARD, RNG, aligned, assert_close, channels, put, ref, run, size_of_sums

import cinfer._ops as ops

# Of the largest output: products are exact, their sums of up to 5000 terms are of float32; measured 1.5e-6.
TOLERANCE = 6e-6


def run_gemm(level, a, w, bias, scale, rows, cols, threads=1, res=None, transposed=False, **act):
    """a [m][k], w [k][n]; transposed : w lies as [n][k] in memory"""
    (m, k), n = a.shape, w.shape[1]
    lda, ldy, ldr, width = k + 3, n + 5, n + 2, ops.table(level).gemm_n
    cols = min(-(-cols // width) * width, max(n, 1))
    row_tiles, col_tiles = -(-m // rows), -(-n // cols)
    source, packed = put(w.T.copy() if transposed else w), aligned(size_of(level, n, k, 1, 1, 1) + 16)
    packed[...] = GUARD
    run(level, "pack_bf16", -(-n // width), threads=threads, w=ref(source), y=ref(packed), oc=n, ic=k, kd=1, kh=1, kw=1,
        so=k if transposed else 1, sk=1 if transposed else n)
    assert (packed[-16:] == GUARD).all()
    x, b = padded_rows(a, lda, np.nan), None if bias is None else channels(bias)
    y = aligned(m * ldy + 128)
    y[...] = GUARD
    if res is not None:
        r = padded_rows(res, ldr, np.nan)
        act.update(res=ref(r), ldr=ldr)
    run(level, "gemm_bf16", row_tiles * col_tiles, threads, a=ref(x), w=ref(packed),
        bias=None if b is None else ref(b), y=ref(y, 64), m=m, n=n, k=k, lda=lda, ldy=ldy, scale=scale,
        row_tiles=row_tiles, rows=rows, col_tiles=col_tiles, cols=cols, **act)
    result = y[64:-64].reshape(m, ldy)
    outside = np.concatenate([y[:64], y[-64:], result[:, n:].reshape(-1)])
    assert (outside == GUARD).all(), "written outside the matrix"
    return result[:, :n]


def check(level, a, w, bias, transposed=False):
    (m, _), n = a.shape, w.shape[1]
    wanted = .5 * (rounded(a).astype(float) @ rounded(w).astype(float)) + bias
    results = [run_gemm(level, a, w, bias, .5, rows, cols, threads, transposed=transposed)
               for rows, cols, threads in ((1, 1, 3), (9, 70, 1), (m, n, 1))]
    assert_close(results[0], wanted, TOLERANCE, f"{m} x {n} x {a.shape[1]} {level}", size_of_sums(w.T))
    for y in results[1:]:
        np.testing.assert_array_equal(y, results[0])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("m, n, k", [*SIZES, (1100, 17, 40), (300, 35, 1030)])         # rows in several strips
def test_gemm_is_the_sum_of_rounded_products(level, m, n, k, transposed):
    a, w = (v[0, 0] for v in matrices(m, n, k))
    check(level, a, w, RNG.standard_normal(n).astype(np.float32), transposed)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(1, 80), st.integers(1, 90), st.integers(1, 150), st.booleans(), st.integers(0, 99))
def test_gemm_of_drawn_sizes(m, n, k, transposed, seed):
    rng = np.random.default_rng(seed)
    a, w, bias = (rng.standard_normal(shape).astype(np.float32) for shape in ((m, k), (k, n), n))
    for level in LEVELS:
        check(level, a, w, bias, transposed)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("act", [*ACTIVATIONS, "gelu_tanh"])
@pytest.mark.parametrize("n", [37, 64])
def test_gemm_adds_the_residual_before_the_activation(level, act, n):
    a, w = (v[0, 0] for v in matrices(18, n, 30))
    bias = RNG.standard_normal(n).astype(np.float32)
    res = RNG.standard_normal((18, n)).astype(np.float32)
    res[3, n - 1] = np.nan
    sums = rounded(a).astype(float) @ rounded(w).astype(float) + bias + res
    params, f, slopes = row_activation(act, n)
    assert_close(run_gemm(level, a, w, bias, 1., 7, 32, res=res, **params), f(sums), TOLERANCE,
                 f"{act} n={n} {level}", np.nanmax(np.abs(sums)))


def bfloat16(x):
    return rounded(x).view(np.uint32) >> 16


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("k, n", [(1, 1), (2, 16), (16, 64), (17, 33), (64, 15), (31, 5), (65, 48), (100, 97)])
@pytest.mark.parametrize("how", ["rows", "columns", "apart"])
def test_matrices_are_packed_by_pairs(level, k, n, how):
    """A batch of matrices whose rows or columns, or neither, lie side by side; nothing is read between them."""
    t, (b0, b1) = ops.table(level), (2, 3)
    w = RNG.standard_normal((b0, b1, k, n)).astype(np.float32)
    w[0, 1, k // 2, n // 2], w[1, 2, 0, 0] = np.nan, 1 + 2**-8                          # between two: to the even one
    sk, sn, size = {"rows": (n + 1, 1, k * (n + 1)), "columns": (1, k + 3, n * (k + 3)),
                    "apart": (5 * n, 5, 5 * k * n)}[how]
    source = np.full(b0 * (b1 * size + 7) + 5, np.nan, np.float32)
    strides = [4 * step for step in (b1 * size + 7, size, sk, sn)]
    np.lib.stride_tricks.as_strided(source, w.shape, strides)[...] = w
    params = dict(w=ref(source), oc=n, ic=k, kd=1, kh=1, kw=1, so=sn, sk=sk, batch0=b0, batch1=b1, w0=b1 * size + 7,
                  w1=size)
    size, tiles, _ = t.packed("pack_bf16", t.pack("pack_bf16", **params))
    y = aligned(size // 4 + 16)
    y[...] = GUARD
    run(level, "pack_bf16", tiles, threads=2, y=ref(y), **params)
    assert (y[-16:] == GUARD).all()
    pairs, width, whole = -(-k // t.bf16_group) * t.bf16_group // 2, t.gemm_n, -(-n // 16) * 16
    full = np.zeros((b0 * b1, pairs, 2, whole), np.uint32)
    full.reshape(b0 * b1, 2 * pairs, whole)[:, :k, :n] = bfloat16(w).reshape(b0 * b1, k, n)
    words = full[:, :, 0] | full[:, :, 1] << 16
    nan = np.isnan((words << 16).view(np.float32)) | np.isnan((words & 0xffff0000).view(np.float32))
    tiles = [np.concatenate([part[:, :, o:o + width].reshape(b0 * b1, -1) for o in range(0, whole, width)], 1)
             for part in (words, nan)]
    got = y[:-16].view(np.uint32).reshape(b0 * b1, -1)
    np.testing.assert_array_equal(got[~tiles[1]], tiles[0][~tiles[1]])
    np.testing.assert_array_equal(np.isnan((got << 16).view(np.float32)) | np.isnan(
        (got & 0xffff0000).view(np.float32)), tiles[1])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("m, n, k", [(1, 1, 1), (7, 33, 65), (40, 16, 32), (33, 50, 40)])
@pytest.mark.parametrize("shared", ["none", "a", "w"])
def test_gemm_of_a_batch(level, m, n, k, shared):
    t, (b0, b1) = ops.table(level), (2, 3)
    a = RNG.integers(-8, 9, (1 if shared == "a" else b0, b1, m, k)).astype(np.float32)
    w = RNG.integers(-8, 9, (b0, 1 if shared == "w" else b1, k, n)).astype(np.float32)
    params = dict(w=ref(source := put(w)), oc=n, ic=k, kd=1, kh=1, kw=1, so=1, sk=n, batch0=b0, batch1=w.shape[1],
                  w0=w[0].size, w1=k * n)
    size, tiles, _ = t.packed("pack_bf16", t.pack("pack_bf16", **params))
    packed = aligned(size // 4)
    run(level, "pack_bf16", tiles, y=ref(packed), **params)
    each, row_tiles, col_tiles = packed.size // (b0 * w.shape[1]), -(-m // 9), -(-n // t.gemm_n)
    rows_of_a = padded_rows(a, k + 3, np.nan)
    for threads in (1, 3):
        y = aligned(b0 * b1 * m * (n + 1) + 32)
        y[...] = GUARD
        run(level, "gemm_bf16", b0 * b1 * row_tiles * col_tiles, threads, a=ref(rows_of_a), w=ref(packed), y=ref(y, 16),
            batch0=b0, batch1=b1, m=m, n=n, k=k, lda=k + 3, ldy=n + 1, a0=0 if shared == "a" else b1 * m * (k + 3),
            a1=m * (k + 3), w0=each * w.shape[1], w1=0 if shared == "w" else each, y0=b1 * m * (n + 1), y1=m * (n + 1),
            scale=.5, row_tiles=row_tiles, rows=9, col_tiles=col_tiles, cols=t.gemm_n)
        found = y[16:-16].reshape(b0, b1, m, n + 1)
        assert (y[:16] == GUARD).all() and (y[-16:] == GUARD).all() and (found[..., n] == GUARD).all()
        np.testing.assert_array_equal(found[..., :n], .5 * (a @ w))
