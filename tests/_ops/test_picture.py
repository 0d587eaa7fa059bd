"""The kernel `picture` against its definition in NumPy, at every ISA level, with guards around what it writes."""
import numpy as np
import pytest

from cinfer import _ops

HALF = 1 << 21
LEVELS = _ops.usable_levels()


def defined(x, kx, jx, ky, iy):
    """y[i, j, k]: rows first, rounded to 8 bits, then columns."""
    h = np.stack([(x[:, f:f + kx.shape[1]].astype(np.int64) * w[:, None]).sum(1) for f, w in zip(jx, kx)], axis=1)
    h = np.clip((h + HALF) >> 22, 0, 255)
    y = np.stack([(h[f:f + ky.shape[1]] * w[:, None, None]).sum(0) for f, w in zip(iy, ky)])
    return np.clip((y + HALF) >> 22, 0, 255)


def drawn(rng, size, count, n):
    """Weights that add up to 1 or so, some negative, and where their windows begin."""
    n = min(n, size)
    k = rng.normal(size=(count, n)) + 1
    k = (k / np.abs(k).sum(1, keepdims=True) * (1 << 22) * rng.uniform(0.5, 1.4)).astype(np.int32)
    return np.ascontiguousarray(k), np.sort(rng.integers(0, size - n + 1, count)).astype(np.int32)


def run(level, x, kx, jx, ky, iy, tables, layout, reverse, rows):
    table = _ops.table(level)
    ih, iw, c = x.shape
    ow, oh, lanes = len(jx), len(iy), max(8, table.vw)
    dtype, guard = (np.uint8, 77) if tables is None else (np.float32, 77.5)
    whole = np.full((c + 2, oh + 2, ow + 2) if layout == "NCHW" else (oh + 2, ow + 2, c + 2), guard, dtype)
    y = whole[1:-1, 1:-1, 1:-1] if layout == "NCHW" else whole[1:-1, 1:-1, 1:-1].transpose(2, 0, 1)
    ring, row = ky.shape[1] + lanes - 1, -(-ow // 16) * 16
    scratch = -(-iw * c // 16) * 16 * lanes + c * row * (lanes + ring) + row + 8 * ky.shape[1]
    at = lambda a: (0, 0) if a is None else (0, a.ctypes.data)
    yc, yr, yx = (step // y.itemsize for step in y.strides)
    params = table.pack("picture", x=at(x), kx=at(kx), jx=at(jx), ky=at(ky), iy=at(iy), table=at(tables), y=at(y),
                        ih=ih,
                        iw=iw, c=c, xr=x.strides[0], oh=oh, ow=ow, nx=kx.shape[1], ny=ky.shape[1], yc=yc, yr=yr, yx=yx,
                        reverse=reverse, ring=ring, rows=rows)
    _ops.executor().run_once(table, "picture", params, -(-oh // rows), 1, scratch)
    found = y.copy()
    y[...] = guard
    assert (whole == guard).all()
    return found


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("seed", range(12))
def test_picture(level, seed):
    rng = np.random.default_rng(seed)
    ih, iw, oh, ow = rng.integers(1, [1, 70][seed > 0] + 1, 4)
    c, rows = (1, 3)[seed % 2], int(rng.integers(1, oh + 1))
    wide = rng.integers(0, 256, (ih, iw + 5, c), np.uint8)
    x = wide[:, :iw]                                     # rows apart
    kx, jx = drawn(rng, iw, ow, int(rng.integers(1, 9)))
    ky, iy = drawn(rng, ih, oh, int(rng.integers(1, 24)))
    want = defined(x, kx, jx, ky, iy).transpose(2, 0, 1)
    for reverse in (0, 1):
        expected = want[::-1] if reverse else want
        assert np.array_equal(run(level, x, kx, jx, ky, iy, None, "NCHW", reverse, rows), expected)
        tables = rng.normal(size=(c, 256)).astype(np.float32)
        for layout in ("NCHW", "NHWC"):
            found = run(level, x, kx, jx, ky, iy, tables, layout, reverse, rows)
            assert np.array_equal(found, np.stack([tables[k][expected[k]] for k in range(c)]))


@pytest.mark.parametrize("level", LEVELS)
def test_extreme_values_are_cut_off(level):
    x = np.array([[[0], [255], [0]]], np.uint8).repeat(3, 0)
    k = np.array([[-(1 << 21), 5 << 20, -(1 << 20)], [3 << 21, -(1 << 22), 3 << 21]], np.int32)
    first = np.zeros(2, np.int32)
    want = defined(x, k, first, k, first).transpose(2, 0, 1)
    assert want.min() == 0 and want.max() == 255
    assert np.array_equal(run(level, x, k, first, k, first, None, "NCHW", 0, 2), want)
