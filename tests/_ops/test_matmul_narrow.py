"""Weights of narrow types: `gemv` and `gemm` of them give the bits that they give of the same weights in float32."""
import numpy as np
import pytest

import cinfer._ops as ops
from windows import GUARD, LEVELS, RNG, aligned, put, ref, run

ml_dtypes = pytest.importorskip("ml_dtypes")
CODES = {"float32": 0, "float16": 1, "bfloat16": 2, "int8": 3, "uint8": 4, "uint4": 5}
LIMITS = {"int8": (-128, 127), "uint8": (0, 255), "uint4": (0, 15)}
WHOLE = 62                                                       # one run for all k
KINDS = [("float16", 0), ("bfloat16", 0), *[(name, length) for name in LIMITS for length in (0, 32, 128)]]
SIZES = [(1, 1), (3, 5), (17, 31), (33, 32), (5, 33), (31, 129), (97, 700), (9, 4096 + 37), (16, 2500)]


class Weights:
    """w [n][k] in memory, or [k][n]: at an odd address, rows further apart than needed.

    wide : what it stands for in float32, [n][k]; params : as kernels call them
    """

    def __init__(self, n, k, kind, length, by_rows, q=None):
        shape = (n, k) if by_rows else (k, n)
        if kind in LIMITS:
            low, high = LIMITS[kind]
            q = RNG.integers(low, high + 1, shape) if q is None else np.broadcast_to(q, shape)
            runs = -(-k // length) if length else 1
            of_runs = (n, runs) if by_rows else (runs, n)
            self.s = RNG.uniform(-.1, .1, of_runs).astype(np.float32)
            self.z = RNG.integers(low, high + 1, of_runs).astype(np.float32)

            def spread(v):
                return v.repeat(length or k, int(by_rows))[:shape[0], :shape[1]]
            wide = (q.astype(np.float32) - spread(self.z)) * spread(self.s)
            shift = length.bit_length() - 1 if length else WHOLE
            steps = runs if by_rows else n
            self.params = dict(s=ref(self.s), z=ref(self.z), ss=steps, zs=steps, shift=shift, zero_shift=shift)
            raw = self.bytes_of(q, kind)
        else:
            raw = RNG.standard_normal(shape).astype(kind)
            if q is not None:
                raw = np.broadcast_to(np.asarray(q, np.float32), shape).astype(kind)
            wide, self.params, raw = raw.astype(np.float32), {}, raw.view(np.uint8).reshape(shape[0], -1)
        apart = raw.shape[1] + 6
        self.memory = np.full(shape[0] * apart + 1, 0xA5, np.uint8)
        self.memory[1:].reshape(shape[0], apart)[:, :raw.shape[1]] = raw
        self.wide = wide if by_rows else np.ascontiguousarray(wide.T)
        ld = apart * 8 // {"float16": 16, "bfloat16": 16, "uint4": 4}.get(kind, 8)
        self.params.update(w=(0, self.memory.ctypes.data + 1), sk=1 if by_rows else ld, sn=ld if by_rows else 1,
                           type=CODES[kind])

    @staticmethod
    def bytes_of(q, kind):
        if kind != "uint4":
            return q.astype(kind).view(np.uint8)
        q = np.pad(q, ((0, 0), (0, q.shape[1] % 2))).astype(np.uint8)
        return q[:, ::2] | q[:, 1::2] << 4


def float32(wide, by_rows):
    """The parameters of the same weights in float32, in the same order."""
    w = put(wide if by_rows else wide.T)
    n, k = wide.shape
    return w, dict(w=ref(w), sk=1 if by_rows else n, sn=k if by_rows else 1)


def gemv(level, x, n, params, cols, threads=1, **more):
    m, k = x.shape
    ldx, ldy = k + 2, n + 3
    rows = np.full((m, ldx), np.nan, np.float32)
    rows[:, :k] = x
    y = aligned(m * ldy + 128)
    y[...] = GUARD
    run(level, "gemv", -(-n // cols), threads=threads, x=ref(rows), y=ref(y, 64), m=m, n=n, k=k, ldx=ldx, ldy=ldy,
        scale=1., cols=cols, **params, **more)
    result = y[64:-64].reshape(m, ldy)
    assert (np.concatenate([y[:64], y[-64:], result[:, n:].reshape(-1)]) == GUARD).all(), "written outside the matrix"
    return result[:, :n]


def ways(kind):
    return (True,) if kind == "uint4" else (True, False)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind, length", KINDS)
@pytest.mark.parametrize("n, k", SIZES)
def test_gemv_has_the_bits_of_float32(level, kind, length, n, k):
    for by_rows in ways(kind):
        w = Weights(n, k, kind, length, by_rows)
        kept, params = float32(w.wide, by_rows)
        for m in (1, 2, 5):
            x = RNG.standard_normal((m, k)).astype(np.float32)
            wanted = gemv(level, x, n, params, 1008)
            for cols, threads in ((16, 2), (48, 1), (1008, 1)):
                np.testing.assert_array_equal(gemv(level, x, n, w.params, cols, threads), wanted)
            exact = x.astype(float) @ w.wide.T.astype(float)
            assert np.abs(wanted - exact).max() <= 6e-6 * (np.abs(x) @ np.abs(w.wide.T)).max()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind, length", KINDS)
@pytest.mark.parametrize("n, k", SIZES)
def test_widened_weights_are_packed_as_those_of_float32(level, kind, length, n, k):
    t, size = ops.table(level), k * (-(-n // 16) * 16)
    for by_rows in ways(kind):
        w = Weights(n, k, kind, length, by_rows)
        kept, params = float32(w.wide, by_rows)
        wanted, y = aligned(size), aligned(size + 32)
        y[...] = GUARD
        run(level, "pack_gemm", -(-n // t.gemm_n), y=ref(wanted), batch0=1, batch1=1, k=k, n=n, **params)
        run(level, "widen", -(-n // t.gemm_n), threads=2, y=ref(y, 16), n=n, k=k, **w.params)
        np.testing.assert_array_equal(y[16:-16], wanted)
        assert (y[:16] == GUARD).all() and (y[-16:] == GUARD).all()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind, low, high", [(kind, *limits) for kind, limits in LIMITS.items()])
def test_extreme_numbers(level, kind, low, high):
    for q in (low, high):
        for by_rows in ways(kind):
            w = Weights(19, 77, kind, 32, by_rows, q)
            kept, params = float32(w.wide, by_rows)
            x = RNG.standard_normal((2, 77)).astype(np.float32)
            np.testing.assert_array_equal(gemv(level, x, 19, w.params, 16), gemv(level, x, 19, params, 16))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_every_half(level, kind):
    """Each number of the type, infinity and NaN among them, by one product with 1. What is subnormal in float32, as
    some numbers of bfloat16 are, is 0 to all kernels."""
    w = np.arange(1 << 16, dtype=np.uint16)
    wanted = w.view(kind).astype(np.float32)
    wanted[np.abs(wanted) < np.finfo(np.float32).tiny] = 0
    for sk, sn in ((1, 1), (1 << 16, 1)):
        params = dict(w=(0, w.ctypes.data), sk=sk, sn=sn, type=CODES[kind])
        y = gemv(level, np.ones((1, 1), np.float32), len(w), params, 1 << 16)[0]
        np.testing.assert_array_equal(y, wanted)


@pytest.mark.parametrize("level", LEVELS)
def test_one_zero_point_for_all_runs(level):
    for by_rows in (True, False):
        w = Weights(21, 100, "int8", 32, by_rows)
        z = np.full(21, 3, np.float32)
        w.z[...] = 3
        q = w.memory[1:].view(np.int8)
        ld = w.params["sn" if by_rows else "sk"]
        q = q.reshape(-1, ld)[:, :100 if by_rows else 21].astype(np.float32)
        wide = (q - 3) * w.s.repeat(32, int(by_rows))[:q.shape[0], :q.shape[1]]
        kept, params = float32(wide if by_rows else wide.T, by_rows)
        x = RNG.standard_normal((1, 100)).astype(np.float32)
        wanted = gemv(level, x, 21, params, 32)
        one = w.params | dict(z=ref(z), zs=0, zero_shift=WHOLE)
        np.testing.assert_array_equal(gemv(level, x, 21, w.params, 32), wanted)
        np.testing.assert_array_equal(gemv(level, x, 21, one, 32), wanted)
