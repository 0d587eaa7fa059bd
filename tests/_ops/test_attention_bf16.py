"""attention_bf16 where there is one: exactly where all is exact, else against float64 sums of rounded numbers."""
import numpy as np
import pytest
from bf16 import LEVELS, rounded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_fused_attention import numbers
from test_fused_attention import run as run_attention
from windows import RNG

F32 = np.float32
# (b, m, n, d, dv): one of each; remainders of rows, columns and terms by 16 and 32; several times the rows that are
# multiplied at a time; sums in pieces; strips whose rows are a multiple of 1024 bytes
SIZES = [(1, 1, 1, 1, 1), (2, 3, 5, 7, 2), (1, 16, 16, 16, 16), (2, 17, 33, 31, 20), (1, 30, 49, 32, 33),
         (1, 45, 197, 64, 64), (3, 12, 31, 40, 48), (1, 33, 512, 33, 17), (1, 70, 65, 100, 15), (1, 2, 1050, 3, 1),
         (1, 20, 2100, 5, 19), (1, 3, 40, 1400, 3)]
WAYS = [(False, 1, None), (False, 2, 5), (True, 1, None), (True, 3, 21)]        # k, v packed by tiles; threads; rows


def run(level, q, k, v, mask=None, scale=1., rows=None, threads=1, own=False):
    return run_attention(level, q, k, v, mask, scale, rows or q.shape[1], threads, own, "attention_bf16", "pack_bf16")


def in_all_ways(level, q, k, v, mask=None, scale=1.):
    first, *others = (run(level, q, k, v, mask, scale, rows, threads, own) for own, threads, rows in WAYS)
    for other in others:
        np.testing.assert_array_equal(other, first)
    return first


def wanted(q, k, v, mask, scale):
    """Products of rounded numbers, exactly; e^x rounded too, but not where it is summed. And how far rows may be off,
    of the largest v: where e^x is near the middle of two bfloat16 it may go to the other one."""
    with np.errstate(all="ignore"):
        scores = scale * (rounded(q).astype(float) @ rounded(k).astype(float)) + (0 if mask is None else mask)
        e = np.exp(scores - scores.max(-1, keepdims=True))
        near = np.abs((e.astype(F32).view(np.uint32) & 0xffff).astype(int) - 0x8000) < 128
        total = e.sum(-1, keepdims=True)
        return rounded(e) @ rounded(v).astype(float) / total, (near * e).sum(-1, keepdims=True) * 2**-7 / total


def check(y, wanted, most_v, what):
    want, free = wanted
    off = np.abs(y - want) / most_v - free
    assert off.max() <= 2e-6, f"{what}: off by {off.max():.1e}"          # seen: 3e-7


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("b, m, n, d, dv", SIZES)
def test_attention(level, b, m, n, d, dv):
    (q, k, v), scale = numbers(b, m, n, d, dv), 1 / (3 + d**.5)
    for shape in (None, (b, m, n), (1, m, n), (b, 1, n)):
        mask = None if shape is None else RNG.standard_normal(shape).astype(F32)
        check(in_all_ways(level, q, k, v, mask, scale), wanted(q, k, v, mask, scale), np.abs(v).max(),
              f"{level} {b, m, n, d, dv} mask {shape}")


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(1, 3), st.integers(1, 70), st.integers(1, 140), st.integers(1, 70), st.integers(1, 70),
       st.booleans(), st.integers(0, 99))
def test_attention_of_drawn_sizes(b, m, n, d, dv, has_mask, seed):
    rng = np.random.default_rng(seed)
    q, k, v, mask = (rng.standard_normal(s).astype(F32) for s in ((b, m, d), (b, d, n), (b, n, dv), (b, m, n)))
    mask = mask if has_mask else None
    for level in LEVELS:
        check(in_all_ways(level, q, k, v, mask, .3), wanted(q, k, v, mask, .3), np.abs(v).max(),
              f"{level} {b, m, n, d, dv} mask {has_mask} seed {seed}")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("b, m, n, d, dv", SIZES)
def test_means_of_what_a_mask_leaves_are_exact(level, b, m, n, d, dv):
    """All scores are 0: e^0 is 1, and each sum of whole numbers is exact."""
    q, k, _ = numbers(b, m, n, d, dv)
    v = RNG.integers(-100, 101, (b, n, dv)).astype(F32)
    seen = np.arange(n) * max(1, m // n) <= np.arange(m)[:, None] * max(1, n // m)                 # from the first on
    for mask in (None, np.where(seen, F32(0), F32(-np.inf))[None]):
        allowed = np.ones((m, n)) if mask is None else seen
        sums, counts = (allowed @ v.astype(float)).astype(F32), allowed.sum(-1, keepdims=True).astype(F32)
        np.testing.assert_array_equal(in_all_ways(level, 0 * q, k, v, mask), sums * (1 / counts))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("n", [5, 16, 40])
def test_rows_without_an_answer_are_nan_and_no_others(level, n):
    q, k, v = numbers(1, 6, n, 4, 20)
    mask = np.zeros((1, 6, n), F32)
    mask[0, 0] = mask[0, 1, :-1] = -np.inf
    mask[0, 2, 2], mask[0, 3, 1], mask[0, 4] = np.nan, np.inf, -1e30
    y = in_all_ways(level, q, k, v, mask)
    assert np.isnan(y[0, [0, 2, 3]]).all()
    np.testing.assert_array_equal(y[0, 1], rounded(v)[0, -1])
    want, free = wanted(q, k, v, mask, 1.)
    check(y[0, 4:], (want[0, 4:], free[0, 4:]), np.abs(v).max(), f"{level} {n}")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("n", [1025, 4097, 32768])
def test_long_sums(level, n):
    """Scores that are all alike: the mean of v. A sum of AMX tiles has n/32 additions, each off by half an ulp."""
    v = rounded(1 + RNG.random((1, n, 3)))
    y = run(level, np.ones((1, 2, 1), F32), np.full((1, 1, n), 7, F32), v)
    np.testing.assert_allclose(y, np.repeat(v.mean(1, float)[:, None], 2, 1), rtol=n / 32 * 2**-25 + 2e-6)
