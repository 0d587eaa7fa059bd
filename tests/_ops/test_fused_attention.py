"""attention against float64, at every level."""
import numpy as np
import pytest

from windows import EXECUTOR, GUARD, LEVELS, aligned, ref
from cinfer import _ops as ops

RNG = np.random.default_rng(23)


def blocks(n):
    return -(-n // 16) * 16


def wanted(q, k, v, mask, scale):
    with np.errstate(all="ignore"):
        scores = scale * (q.astype(float) @ k.astype(float)) + (0 if mask is None else mask.astype(float))
        e = np.exp(scores - scores.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True) @ v.astype(float)


def packed(level, w, kernel):
    t = ops.table(level)
    b, k, n = w.shape
    sizes = dict(k=k, n=n, sk=n, sn=1) if kernel == "pack_gemm" else dict(ic=k, oc=n, kd=1, kh=1, kw=1, sk=n, so=1)
    params = dict(w=ref(w), batch0=1, batch1=b, w1=k * n, **sizes)
    size, tiles, _ = t.packed(kernel, t.pack(kernel, **params))
    y = aligned(size // 4)
    EXECUTOR.run_once(t, kernel, t.pack(kernel, y=ref(y), **params), tiles)
    return y


def run(level, q, k, v, mask=None, scale=1.0, rows=5, threads=1, own=False, kernel="attention", packs="pack_gemm"):
    """q [b][m][d], k [b][d][n], v [b][n][dv], mask [b or 1][m or 1][n]

    own : each tile packs k and v; else `packs` does
    """
    t = ops.table(level)
    (b, m, d), n, dv = q.shape, k.shape[2], v.shape[2]
    out = aligned(b * m * (dv + 1) + 32)
    out[...] = GUARD
    x = np.full((b, m, d + 3), np.nan, np.float32)
    x[..., :d] = q
    params = dict(q=ref(x), y=ref(out, 16), batch0=1, batch1=b, m=m, n=n, d=d, dv=dv, ldq=d + 3, ldy=dv + 1,
                  q1=m * (d + 3), y1=m * (dv + 1), scale=scale, rows=rows, row_tiles=-(-m // rows))
    if own:
        turned = np.ascontiguousarray(k.transpose(0, 2, 1))
        params |= dict(pack=1, k=ref(turned), v=ref(v), k1=n * d, v1=n * dv, kd=1, kn=d, vn=dv, vd=1)
    else:
        for name, w in (("k", k), ("v", v)):
            params[name], params[f"{name}1"] = ref(w := packed(level, w, packs)), w.size // b
            params[f"keep_{name}"] = w
    keep = [params.pop(f"keep_{name}", None) for name in "kv"]
    if mask is not None:
        wide = np.full((*mask.shape[:2], n + 2), np.nan, np.float32)
        wide[..., :n] = mask
        params |= dict(mask=ref(wide), ldm=0 if mask.shape[1] == 1 else n + 2,
                       m1=0 if mask.shape[0] == 1 else mask.shape[1] * (n + 2))
    EXECUTOR.run_once(t, kernel, t.pack(kernel, **params), b * params["row_tiles"], threads)
    del keep
    rows_of_y = out[16:-16].reshape(b, m, dv + 1)
    assert (out[:16] == GUARD).all() and (out[-16:] == GUARD).all() and (rows_of_y[..., dv] == GUARD).all()
    return rows_of_y[..., :dv]


def numbers(b, m, n, d, dv):
    return [RNG.standard_normal(s).astype(np.float32) for s in ((b, m, d), (b, d, n), (b, n, dv))]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("b, m, n, d, dv", [(1, 1, 1, 1, 1), (2, 3, 5, 7, 2), (1, 7, 16, 16, 16),
                                            (2, 15, 17, 33, 20), (1, 30, 49, 32, 32), (1, 13, 197, 64, 64),
                                            (1, 5, 2100, 8, 17),
                                            (3, 12, 31, 40, 40), (1, 2, 1050, 3, 1),
                                            (1, 20, 21, 1400, 3), (1, 20, 2600, 5, 19)])
def test_attention(level, b, m, n, d, dv):
    (q, k, v), scale = numbers(b, m, n, d, dv), 1 / (3 + d**.5)
    for shape in (None, (b, m, n), (1, m, n), (b, 1, n)):
        mask = None if shape is None else RNG.standard_normal(shape).astype(np.float32)
        results = [run(level, q, k, v, mask, scale, rows, threads, own)
                   for rows, threads, own in ((m, 1, False), (5, 2, False), (1, 1, False), (m, 1, True),
                                              (6, 2, True))]
        np.testing.assert_allclose(results[0], wanted(q, k, v, mask, scale), rtol=0, atol=3e-6,
                                   err_msg=f"{level} {b, m, n, d, dv} mask {shape}")
        for other in results[1:]:
            np.testing.assert_array_equal(results[0], other)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("n", [5, 16, 40])
def test_rows_without_an_answer_are_nan_and_no_others(level, n):
    q, k, v = numbers(1, 6, n, 4, 20)
    mask = np.zeros((1, 6, n), np.float32)
    mask[0, 0] = mask[0, 1, :-1] = -np.inf
    mask[0, 2, 2], mask[0, 3, 1], mask[0, 4] = np.nan, np.inf, -1e30
    y = run(level, q, k, v, mask)
    assert np.isnan(y[0, [0, 2, 3]]).all()
    np.testing.assert_array_equal(y[0, 1], v[0, -1])
    want = wanted(q, k, v, mask, 1)
    np.testing.assert_allclose(y[0, 4:], want[0, 4:], atol=3e-6)
