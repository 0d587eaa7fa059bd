"""Products of bytes against NumPy's integers, at every level: all bits equal."""
import ctypes
import mmap

import numpy as np
import pytest

import cinfer._ops as ops
from u8 import FUNCTIONS, assert_activated
from windows import LEVELS, run

RNG = np.random.default_rng(11)
INT32, REAL, BYTE = range(3)
GUARD = 0x5a
# rows and columns on the edges of tiles (6, 12 or 16 rows, 16 or 32 columns), k on those of groups of 2, 4 and 64; rows
# 1024 bytes apart (three more than k)
SIZES = [(1, 1, 1), (1, 16, 4), (2, 17, 3), (5, 15, 2), (6, 16, 64), (7, 33, 65), (11, 31, 5), (13, 47, 126),
         (12, 64, 7), (61, 97, 128), (197, 40, 67), (25, 20, 1024), (16, 32, 63), (17, 65, 192), (33, 40, 1021)]


def ref(a, offset=0):
    return None if a is None else (0, a.ctypes.data + offset)


def bytes_of(dtype, *shape, extreme=None):
    limits = np.iinfo(dtype)
    if extreme is not None:
        return np.full(shape, limits.max if extreme == "high" else limits.min, dtype)
    return RNG.integers(limits.min, limits.max + 1, shape, dtype)


def before_a_hole(shape, dtype):
    """An array behind whose last byte nothing can be read."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    end = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
    memory = np.frombuffer(mmap.mmap(-1, end + mmap.PAGESIZE), np.uint8)
    assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(memory.ctypes.data + end), mmap.PAGESIZE, 0) == 0
    return memory[end - size:end].view(dtype).reshape(shape)


def pack(level, w, zero=None, turned=False, threads=1, few=0, apart=1):
    """w [b0][b1][k][n] packed; turned: n lies before k in memory; few: for few rows; apart : bytes from one to the next
    there"""
    table, (b0, b1, k, n) = ops.table(level), w.shape
    width = table.gemm_n
    words = -(-n // width) * table.panel_u8(k)
    y = np.full(4 * b0 * b1 * words + 128, GUARD, np.uint8)
    source = np.repeat(w.swapaxes(2, 3) if turned else w, apart, axis=3)
    run(level, "pack_gemm_u8", b0 * b1 * -(-n // width), threads=threads, w=ref(source), w_zero=ref(zero),
        zeros=int(zero is not None and zero.size > 1), y=ref(y, 64), batch0=b0, batch1=b1, k=k, n=n,
        sk=apart * (1 if turned else n), sn=apart * (k if turned else 1), w0=apart * b1 * k * n, w1=apart * k * n,
        flip=128 if w.dtype == np.int8 else 0, few=few)
    assert (y[:64] == GUARD).all() and (y[-64:] == GUARD).all()
    return y, words


def multiply(level, a, w, *, a_zero=None, w_zero=None, to=INT32, dtype=np.int32, rows=0, cols=0, threads=1, room=0,
             turned=False, few=0, apart=1, bias=None, scale=None, res=None, table=None, hole=False, **more):
    """a [b0][b1][m][k], w [b0][b1][k][n], of size 1 where a batch axis is broadcast. hole: nothing can be read behind
    a"""
    width = ops.table(level).gemm_n
    b0, b1 = (max(p, q) for p, q in zip(a.shape[:2], w.shape[:2]))
    (m, k), n = a.shape[2:], w.shape[3]
    packed, words = pack(level, w, w_zero, turned, threads, few, apart)
    lda, ldy, ldr = k + 3, n + 5, n + 2
    lda += -lda % 4 if k % 8 == 0 else 0            # rows that can be read in place
    if hole:
        lda = k
    x = (before_a_hole if hole else np.empty)((*a.shape[:3], lda), a.dtype)
    x[...] = GUARD
    x[..., :k] = a
    rows, cols = rows or m, -(-(cols or n) // width) * width
    row_tiles, col_tiles = -(-m // rows), -(-n // cols)
    size = np.dtype(dtype).itemsize
    y = np.full(b0 * b1 * m * ldy * size + 128, GUARD, np.uint8)
    if res is not None:
        r = np.full((*res.shape[:3], ldr), np.nan, np.float32)
        r[..., :n] = res
        more.update(res=ref(r), ldr=ldr, r0=b1 * m * ldr, r1=m * ldr)
    scratch = max(room, ops.table(level).room_u8(k))
    run(level, "gemm_u8", b0 * b1 * row_tiles * col_tiles, threads, a=ref(x), a_zero=ref(a_zero),
        w=ref(packed, 64), scale=ref(scale), bias=ref(bias), table=ref(table), y=ref(y, 64),
        batch0=b0, batch1=b1, m=m, n=n, k=k, lda=lda, ldy=ldy, a0=a.shape[1] * m * lda * (a.shape[0] > 1),
        a1=m * lda * (a.shape[1] > 1), w0=w.shape[1] * words * (w.shape[0] > 1), w1=words * (w.shape[1] > 1),
        y0=b1 * m * ldy, y1=m * ldy, flip=128 if a.dtype == np.int8 else 0, to=to,
        each=int(scale is not None and scale.size > 1), row_tiles=row_tiles, rows=rows, col_tiles=col_tiles, cols=cols,
        scratch_bytes=scratch, **more)
    whole = y[64:-64].view(dtype).reshape(b0, b1, m, ldy)
    outside = np.concatenate([y[:64], y[-64:], np.ascontiguousarray(whole[..., n:]).view(np.uint8).reshape(-1)])
    assert (outside == GUARD).all(), "written outside the matrix"
    return whole[..., :n]


def sums(a, w, a_zero=None, w_zero=None):
    a, w = a.astype(np.int64), w.astype(np.int64)
    return (a - (0 if a_zero is None else int(a_zero))) @ (w - (0 if w_zero is None else w_zero.astype(np.int64)))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("types", ["uu", "us", "su", "ss"])
def test_sums(level, types):
    kinds = [np.uint8 if t == "u" else np.int8 for t in types]
    for i, (m, n, k) in enumerate(SIZES):
        a, w = bytes_of(kinds[0], 1, 1, m, k), bytes_of(kinds[1], 1, 1, k, n)
        a_zero = [None, *bytes_of(kinds[0], 2, 1)][i % 3]
        w_zero = [None, bytes_of(kinds[1], 1), bytes_of(kinds[1], n)][i // 2 % 3]
        want = sums(a, w, None if a_zero is None else a_zero[0], w_zero).astype(np.int32)
        for rows, cols, threads, room in ((0, 0, 1, 0), (4, 16, 2, 0), (m, 1, 1, 1 << 18)):
            got = multiply(level, a, w, a_zero=a_zero, w_zero=w_zero, rows=rows, cols=cols, threads=threads, room=room,
                           turned=bool(i % 2))
            np.testing.assert_array_equal(got, want, f"{m} x {n} x {k} {types} {level} rows={rows} cols={cols}")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", [np.uint8, np.int8])
@pytest.mark.parametrize("m, k", [(1, 3), (7, 64), (17, 65), (33, 128), (20, 124)])
def test_nothing_is_read_behind_the_matrix(level, kind, m, k):
    a, w = bytes_of(kind, 1, 1, m, k), bytes_of(np.int8, 1, 1, k, 20)
    np.testing.assert_array_equal(multiply(level, a, w, hole=True), sums(a, w))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind, zeros", [(np.int8, (0,)), (np.int8, (1,)), (np.uint8, (128,)), (np.uint8, (128, 127))])
@pytest.mark.parametrize("of_w", [None, "high", "low"])
def test_packed_for_few_rows(level, kind, zeros, of_w):
    """Weights that are bytes without their zero points, and some that just are not, in one panel of several."""
    for m, n, k in (1, 50, 99), (2, 16, 2), (7, 33, 1), (13, 40, 130):
        a, w = bytes_of(np.uint8, 1, 1, m, k), bytes_of(kind, 1, 1, k, n, extreme=of_w)
        w_zero = np.resize(np.array(zeros, kind), n if len(zeros) > 1 else 1)
        for turned in (False, True):
            got = multiply(level, a, w, w_zero=w_zero, few=1, turned=turned, threads=2, cols=16)
            np.testing.assert_array_equal(got, sums(a, w, None, w_zero), f"{m} x {n} x {k} {level}")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", [np.uint8, np.int8])
@pytest.mark.parametrize("few", [0, 1])
@pytest.mark.parametrize("k", [3, 97, 128])
def test_one_row_meets_several_panels(level, kind, few, k):
    """Side by side of one form and of several: with quads that are split, with too many of them; a last one of few
    columns. Also a row that is left of more."""
    width = ops.table(level).gemm_n
    for spreads in ((20,) * 9, (90,) * 9, (90, 20, 40, 40, 20, 90, 90, 90, 90, 20), (30, 90, 90), (40, 20, 20, 20, 20)):
        n = len(spreads) * width - 5
        spread = np.repeat(spreads, width)[:n]
        w = np.clip(np.rint(RNG.normal(0, spread, (1, 1, k, n))), -128, 127).astype(np.int8)
        for zero in (None, RNG.integers(-2, 2, n, np.int8)):
            a, a_zero = bytes_of(kind, 1, 1, 3, k), bytes_of(kind, 1)
            for m, rows, cols in ((1, 1, 0), (1, 1, 6 * width), (3, 2, 0)):
                got = multiply(level, a[:, :, :m], w, a_zero=a_zero, w_zero=zero, few=few, rows=rows, cols=cols,
                               threads=2)
                np.testing.assert_array_equal(got, sums(a[:, :, :m], w, a_zero[0], zero), f"{spreads} {zero} {m}")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("of_a", ["high", "low"])
@pytest.mark.parametrize("of_w", ["high", "low"])
@pytest.mark.parametrize("kind", [np.uint8, np.int8])
def test_extreme_values(level, of_a, of_w, kind):
    """Sums of pairs that do not fit 16 bits, zero points at the ends; long sums."""
    for zeros in (0, 255):
        a, w = bytes_of(np.uint8, 1, 1, 7, 2050, extreme=of_a), bytes_of(kind, 1, 1, 2050, 18, extreme=of_w)
        a_zero, w_zero = np.array([zeros], np.uint8), np.array([zeros], np.uint8).view(kind)
        np.testing.assert_array_equal(multiply(level, a, w, a_zero=a_zero, w_zero=w_zero),
                                      sums(a, w, zeros, w_zero).astype(np.int32))


@pytest.mark.parametrize("level", LEVELS)
def test_pairs_that_are_split(level):
    """Weights about the borders of what the sum of two products can hold in 16 bits."""
    near = np.array([-128, -127, -66, -65, -64, -63, -2, -1, 0, 1, 2, 62, 63, 64, 65, 66, 126, 127], np.int8)
    w = np.stack([np.repeat(near, 18), np.tile(near, 18)])[None, None]
    a = np.array([[255, 255], [255, 0], [0, 255], [254, 255], [1, 128]], np.uint8)[None, None]
    np.testing.assert_array_equal(multiply(level, a, w), sums(a, w))
    w, a = np.concatenate([w, 0 * w, w, w[:, :, ::-1]], 2), np.tile(a, 4)
    np.testing.assert_array_equal(multiply(level, a, w), sums(a, w))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("spread", [20, 30, 36, 40, 60])
@pytest.mark.parametrize("k, n", [(64, 40), (97, 16), (130, 23), (31, 9)])
def test_weights_of_which_few_are_large(level, spread, k, n):
    """Some quads of some vectors are split, or none, or too many; a zero point is left to subtract, or none."""
    w = np.clip(np.rint(RNG.normal(0, spread, (1, 1, k, n))), -128, 127).astype(np.int8)
    a = bytes_of(np.uint8, 1, 1, 13, k)
    a[:, :, :5] = 255
    for zero in (None, np.array([5], np.int8), RNG.integers(-9, 9, n, np.int8)):
        for turned in (False, True):
            np.testing.assert_array_equal(multiply(level, a, w, w_zero=zero, turned=turned), sums(a, w, None, zero),
                                          f"zero={zero} turned={turned}")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", [np.uint8, np.int8])
def test_weights_that_lie_apart(level, kind):
    for (m, n, k), turned in ((size, turned) for size in SIZES for turned in (False, True)):
        a, w = bytes_of(np.uint8, 1, 1, m, k), bytes_of(kind, 1, 1, k, n)
        np.testing.assert_array_equal(multiply(level, a, w, turned=turned, apart=3), sums(a, w), f"{m} {n} {k}")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("batch_a, batch_w", [((2, 3), (2, 3)), ((2, 3), (1, 3)), ((1, 1), (2, 2)), ((2, 2), (1, 1))])
def test_batches(level, batch_a, batch_w):
    a, w = bytes_of(np.uint8, *batch_a, 9, 21), bytes_of(np.int8, *batch_w, 21, 40)
    want = sums(a, w)
    for threads, rows in ((1, 0), (2, 5)):
        np.testing.assert_array_equal(multiply(level, a, w, threads=threads, rows=rows), want)


def test_real():
    """The same bits at every level: scale, row, residual, in this order."""
    a, w = bytes_of(np.uint8, 1, 2, 13, 30), bytes_of(np.int8, 1, 2, 30, 45)
    scale = RNG.random(45).astype(np.float32)
    bias, res = (RNG.standard_normal(s).astype(np.float32) for s in (45, (1, 2, 13, 45)))
    a_zero = np.array([7], np.uint8)
    total = sums(a, w, 7).astype(np.float32)
    for level in LEVELS:
        for threads in (1, 2):
            more = dict(a_zero=a_zero, to=REAL, dtype=np.float32, threads=threads, rows=7)
            y = multiply(level, a, w, scale=scale, bias=bias, res=res, **more)
            np.testing.assert_array_equal(y, total * scale + bias + res)
            y = multiply(level, a, w, scale=scale[:1], act=ops.table(level).unary["clip"], alpha=-50, beta=99.5, **more)
            np.testing.assert_array_equal(y, np.clip(total * scale[0], -50, 99.5))
            y = multiply(level, a, w, scale=scale, act=ops.table(level).unary["gelu"], **more)
            assert np.isfinite(y).all() and (y[total > 0] > 0).all()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", [np.uint8, np.int8])
@pytest.mark.parametrize("n", [16, 37, 64])
def test_bytes(level, kind, n):
    """Requantised: ties go to even, limits hold before a table."""
    a, w = bytes_of(np.uint8, 1, 1, 13, 30), bytes_of(np.int8, 1, 1, 30, n)
    bias, scale = RNG.integers(-9000, 9000, n).astype(np.int32), (2. ** -RNG.integers(7, 12, n)).astype(np.float32)
    limits, table = np.iinfo(kind), RNG.permutation(256).astype(np.uint8)
    total = (sums(a, w, 100) + bias).astype(np.float32)
    for zero, lo, hi in ((limits.max - 90, limits.min, limits.max), (limits.min, limits.min + 3, 101), (5, 5, 100)):
        want = np.clip(np.rint(total * scale) + zero, lo, hi).astype(kind)
        more = dict(a_zero=np.array([100], np.uint8), to=BYTE, dtype=kind, bias=bias, scale=scale, zero=zero, lo=lo,
                    hi=hi)
        for threads in (1, 2):
            np.testing.assert_array_equal(multiply(level, a, w, threads=threads, rows=4, cols=16, **more), want)
        np.testing.assert_array_equal(multiply(level, a, w, table=table, **more).view(np.uint8),
                                      table[want.view(np.uint8)])


@pytest.mark.parametrize("level", LEVELS)
def test_bytes_saturate(level):
    """Numbers far beyond any byte, and beyond int32 when scaled."""
    a, w = bytes_of(np.uint8, 1, 1, 2, 64, extreme="high"), bytes_of(np.int8, 1, 1, 64, 20)
    w[..., ::2], w[..., 1::2] = 127, -128
    scale = np.array([1e6], np.float32)
    y = multiply(level, a, w, scale=scale, to=BYTE, dtype=np.uint8, zero=3, lo=0, hi=255)
    np.testing.assert_array_equal(y, np.broadcast_to(np.tile(np.uint8([255, 0]), 10), y.shape))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", [np.uint8, np.int8])
@pytest.mark.parametrize("k, n", [(30, 37), (130, 64)])
def test_slopes_come_before_rounding(level, kind, k, n):
    a, w = bytes_of(np.uint8, 1, 1, 37, k), bytes_of(np.int8, 1, 1, k, n)
    bias, scale = RNG.integers(-9000, 9000, n).astype(np.int32), (2. ** -RNG.integers(9, 13, n)).astype(np.float32)
    slope, limits = RNG.uniform(-.5, 2, n).astype(np.float32), np.iinfo(kind)
    steps = (sums(a, w, 100) + bias).astype(np.float32) * scale
    want = np.clip(np.rint(np.where(steps < 0, steps * slope, steps)) + 5, limits.min, limits.max).astype(kind)
    y = multiply(level, a, w, a_zero=np.array([100], np.uint8), to=BYTE, dtype=kind, bias=bias, scale=scale, zero=5,
                 lo=limits.min, hi=limits.max, rows=9, cols=16, threads=2, slope=ref(slope),
                 act=ops.table(level).unary["prelu"])
    np.testing.assert_array_equal(y, want)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("k", [30, 130])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_activations_come_before_rounding(level, k, name):
    a, w = bytes_of(np.uint8, 1, 1, 37, k), bytes_of(np.int8, 1, 1, k, 45)
    alpha, beta, function = FUNCTIONS[name]
    total = sums(a, w, 100)
    scale = np.full(45, 6 / np.abs(total).max(), np.float32)
    step = float(np.float32((1 if "sigmoid" in name or name == "tanh" else 6) / 130))
    y = multiply(level, a, w, a_zero=np.array([100], np.uint8), to=BYTE, dtype=np.uint8, scale=scale, zero=110, lo=0,
                 hi=255, step=step, act=ops.table(level).unary[name], alpha=alpha, beta=beta)
    assert_activated(y[0, 0].T[None, :, None], total[0, 0].T[None, :, None], scale, step, 110, function)
