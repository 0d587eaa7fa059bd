"""to_blocked, from_blocked and gather_channels: every float at its place, nothing else touched."""
import numpy as np
import pytest

import cinfer._ops as ops
from blocked import aligned, from_blocked, to_blocked

LEVELS = ops.usable_levels()
EXECUTOR = ops.executor()
RNG = np.random.default_rng(13)
GUARD = np.float32(-123.25)

SHAPES = [(1, 1, 1, 1), (2, 3, 1, 7), (1, 8, 7, 7), (2, 16, 1, 1), (1, 17, 7, 7), (2, 24, 5, 13),
          (1, 48, 14, 14), (1, 58, 3, 20), (1, 64, 2, 33),
          (3, 40, 1, 1), (1, 16, 5, 1)]
HALOS = [(0, 0, 0, 0), (1, 2, 0, 1)]


def run(level, name, tiles, threads=2, **params):
    t = ops.table(level)
    EXECUTOR.run_once(t, name, t.pack(name, **params), tiles, threads)


def guarded(shape, halo):
    """Blocked memory full of guards: (array, address of pixel (0, 0), strides)."""
    a, address, strides = to_blocked(np.zeros(shape, np.float32), halo)
    a[...] = GUARD
    return a, address, strides


def assert_halo_kept(a, halo, h, w):
    outside = np.ones(a.shape, bool)
    outside[:, :, halo[0]:halo[0] + h, halo[1]:halo[1] + w] = False
    assert (a[outside] == GUARD).all(), "written outside the picture"


def plain_views(shape):
    """Plain NCHW views over fresh memory of guards."""
    n, c, h, w = shape

    def memory(*sizes):
        a = aligned(int(np.prod(sizes))).reshape(sizes)
        a[...] = GUARD
        return a
    yield "NCHW", memory(*shape)
    yield "NCHW with gaps", memory(n, c + 1, h + 1, w + 2)[:, :c, :h, :w]
    yield "NHWC", memory(n, h, w, c).transpose(0, 3, 1, 2)
    yield "NHWC with gaps", memory(n, h, w, c + 3)[..., :c].transpose(0, 3, 1, 2)
    yield "step 2", memory(n, c, h, 2 * w)[..., ::2]
    yield "NCWH", memory(n, c, w, h).transpose(0, 1, 3, 2)


def strides(a):
    return [s // 4 for s in a.strides]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("halo", HALOS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_to_blocked(level, shape, halo):
    n, c, h, w = shape
    values = RNG.standard_normal(shape).astype(np.float32)
    for (kind, x), rows in ((v, r) for v in plain_views(shape) for r in {1, 3, h}):
        x[...] = values
        y, address, (yn, yb, yr) = guarded(shape, halo)
        xn, xc, xh, xw = strides(x)
        row_tiles = -(-h // rows)
        run(level, "to_blocked", n * -(-c // 16) * row_tiles, x=(0, x.ctypes.data), y=(0, address), n=n, c=c,
            h=h, w=w, xn=xn, xc=xc, xh=xh, xw=xw,
            yn=yn, yb=yb, yr=yr, row_tiles=row_tiles, rows=rows)
        what = f"{level} {shape} {kind} rows {rows}"
        np.testing.assert_array_equal(from_blocked(y, c, halo), values, err_msg=what)
        inside = y[:, :, halo[0]:halo[0] + h, halo[1]:halo[1] + w]
        assert (inside[:, -1, :, :, (c - 1) % 16 + 1:] == 0).all(), f"{what}: unused lanes are not zero"
        assert_halo_kept(y, halo, h, w)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("halo", HALOS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_from_blocked(level, shape, halo):
    n, c, h, w = shape
    values = RNG.standard_normal(shape).astype(np.float32)
    x, address, (xn, xb, xr) = to_blocked(values, halo, np.nan)
    for (kind, y), rows in ((v, r) for v in plain_views(shape) for r in {1, 3, h}):
        before = y.base.copy()
        yn, yc, yh, yw = strides(y)
        row_tiles = -(-h // rows)
        run(level, "from_blocked", n * -(-c // 16) * row_tiles, x=(0, address), y=(0, y.ctypes.data), n=n,
            c=c, h=h, w=w, xn=xn, xb=xb, xr=xr,
            yn=yn, yc=yc, yh=yh, yw=yw, row_tiles=row_tiles, rows=rows)
        what = f"{level} {shape} {kind} rows {rows}"
        np.testing.assert_array_equal(y.copy(), values, err_msg=what)
        y[...] = GUARD
        np.testing.assert_array_equal(y.base, before, err_msg=f"{what}: written elsewhere")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("r", [2, 3])
@pytest.mark.parametrize("h, w", [(3, 5), (8, 17)])
def test_from_blocked_to_channel_offsets(level, r, h, w):
    """DepthToSpace, mode CRD."""
    c = 2 * r * r
    values = RNG.standard_normal((2, c, h, w)).astype(np.float32)
    x, address, (xn, xb, xr) = to_blocked(values)
    y = np.full((2, 2, h * r, w * r), GUARD)
    wanted = values.reshape(2, 2, r, r, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(y.shape)
    i = np.arange(c)
    coff = (i // r ** 2 * h * r * w * r + i // r % r * w * r + i % r).astype(np.int64)
    run(level, "from_blocked", 2 * -(-c // 16), x=(0, address), y=(0, y.ctypes.data),
        coff=(0, coff.ctypes.data), n=2, c=c, h=h, w=w, xn=xn, xb=xb, xr=xr,
        yn=y[0].size, yh=r * w * r, yw=r, row_tiles=1, rows=h)
    np.testing.assert_array_equal(y, wanted)


CHANNELS = {  # where each channel comes from among 40 + 24 channels of two pictures
    "the same": list(range(40)),
    "from the second": list(range(40, 64)),
    "halves": list(range(8, 40)),
    "odd border": list(range(3, 30)),
    "concat": list(range(5)) + list(range(40, 64)) + list(range(5, 40)),
    "shuffle": [i * 20 + j for j in range(20) for i in range(2)],
    "three blocks": [i * 16 + j for j in range(8) for i in range(3)],
    "far": [0, 63, 17, 34, 50, 1, 62, 18, 35, 51, 2, 61, 19, 36, 52, 3, 60],
    "one": [63],
    "same again": [7] * 20}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("halo", HALOS, ids=str)
@pytest.mark.parametrize("order", CHANNELS)
def test_gather_channels(level, order, halo):
    picked, (n, h, w) = CHANNELS[order], (2, 5, 7)
    first, second = (RNG.standard_normal((n, c, h, w)).astype(np.float32) for c in (40, 24))
    arena = aligned(40_000)
    places, at = [], 0
    for values, around in ((first, (1, 0, 1, 2)), (second, (0, 0, 0, 0))):
        a, address, s = to_blocked(values, around, np.nan)
        arena[at:at + a.size] = a.reshape(-1)
        start = at + (address - a.ctypes.data) // 4
        places += [(start + c // 16 * s[1] + c % 16, s[2], s[0]) for c in range(values.shape[1])]
        at += a.size
    table = np.array([places[c] for c in picked], np.int64)
    wanted = np.concatenate([first, second], 1)[:, picked]
    for rows in (1, 2, h):
        y, address, (yn, yb, yr) = guarded(wanted.shape, halo)
        row_tiles = -(-h // rows)
        run(level, "gather_channels", n * -(-len(picked) // 16) * row_tiles, x=(0, arena.ctypes.data),
            y=(0, address), table=(0, table.ctypes.data),
            n=n, c=len(picked), h=h, w=w, yn=yn, yb=yb, yr=yr, row_tiles=row_tiles, rows=rows)
        np.testing.assert_array_equal(from_blocked(y, len(picked), halo), wanted,
                                      err_msg=f"{level} {order} rows {rows}")
        assert_halo_kept(y, halo, h, w)
