"""Kernels over the slices of volumes, which lie as so many pictures, against float64 at every level."""
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import cinfer._ops as ops
from cinfer.plan.kernels.conv_direct import reads_of
from windows import LEVELS, RNG, Blocked, aligned, assert_close, channels, put, ref, run, size_of_sums

TOLERANCE = 6e-6                # as F(4,3) of pictures, see test_winograd.py


def as_pictures(x):
    """[n][c][d][h][w] -> [n*d][c][h][w]"""
    n, c, d, h, w = x.shape
    return np.ascontiguousarray(x.transpose(0, 2, 1, 3, 4)).reshape(n * d, c, h, w)


def as_volumes(y, d):
    return y.reshape(-1, d, *y.shape[1:]).transpose(0, 2, 1, 3, 4)


@st.composite
def windows(draw, planes=None):
    """(d, kd, sd, dd, front, back, od) along the slices; kernel, strides, dilations, pads of a plane"""
    kd, sd, dd, d = (draw(st.integers(1, most)) for most in (4, 3, 2, 5))
    front, back = draw(st.integers(0, 5)), draw(st.integers(0, 5))
    od = (d + front + back - (kd - 1) * dd - 1) // sd + 1
    if d + front + back < (kd - 1) * dd + 1:
        d, od = (kd - 1) * dd + 1, (front + back) // sd + 1
    return (d, kd, sd, dd, front, back, od), planes or draw(st.sampled_from([
        ((1, 1), (1, 1), (1, 1), (0, 0, 0, 0)), ((3, 3), (2, 1), (1, 1), (1, 0, 1, 2)),
        ((2, 3), (1, 1), (2, 1), (0, 1, 2, 1))]))


def slices_of(along, x):
    """For each output slice the input slices of its window, None where there is padding."""
    d, kd, sd, dd, front, _, od = along
    return [[x[:, :, z] if 0 <= z < d else None for z in range(o * sd - front, o * sd - front + kd * dd, dd)]
            for o in range(od)]


def convolve(x, w, bias, along, plane):
    """Float64, straight from the definition."""
    (kh, kw), (sh, sw), (dh, dw), (t, left, b, r) = plane
    x = np.pad(x.astype(float), ((0, 0),) * 3 + ((t, b), (left, r)))
    oh, ow = ((size - (k - 1) * d - 1) // s + 1
              for size, k, s, d in ((x.shape[3], kh, sh, dh), (x.shape[4], kw, sw, dw)))
    y = np.zeros((x.shape[0], w.shape[0], along[-1], oh, ow)) + bias.astype(float)[:, None, None, None]
    for o, taps in enumerate(slices_of(along, x)):
        for k, part in enumerate(taps):
            for i in range(kh if part is not None else 0):
                for j in range(kw):
                    rows, columns = range(i * dh, x.shape[3], sh)[:oh], range(j * dw, x.shape[4], sw)[:ow]
                    pixels = part[:, :, rows][..., columns]
                    y[:, :, o] += np.einsum("nchw,oc->nohw", pixels, w[:, :, k, i, j].astype(float))
    return y


def depth(along):
    d, kd, sd, dd, front, _, od = along
    return dict(kd=kd, sd=sd, dd=dd, pf=front, id=d, od=od)


def data(n, ic, oc, along, plane, h, w):
    return (RNG.standard_normal((n, ic, along[0], h, w)).astype(np.float32),
            RNG.standard_normal((oc, ic, along[1], *plane[0])).astype(np.float32),
            RNG.standard_normal(oc).astype(np.float32))


SIZES = dict(level=st.sampled_from(LEVELS), n=st.integers(1, 2), ic=st.sampled_from([1, 5, 16, 17, 32, 48]),
             oc=st.sampled_from([3, 16, 33, 48]), h=st.integers(3, 9), w=st.integers(3, 9), add=st.booleans())


def residual(add, wanted):
    """(parameters, what is added, who keeps it)"""
    if not add:
        return {}, 0, None
    res = RNG.standard_normal(wanted.shape).astype(np.float32)
    rs = Blocked.of(as_pictures(res), (0, 1, 2, 0))
    return dict(res=rs.at(), **rs.params("r")), res, rs


@settings(max_examples=60, deadline=None)
@given(windows=windows(), rows=st.integers(1, 9), groups=st.sampled_from([1, 1, 2, 3, 7]), **SIZES)
def test_conv_sums_over_the_slices_of_its_window(level, n, ic, oc, h, w, windows, rows, add, groups):
    along, plane = windows
    (kh, kw), (sh, sw), (dh, dw), pads = plane
    h, w, kd = max(h, (kh - 1) * dh + 1), max(w, (kw - 1) * dw + 1), along[1]
    parts = [data(n, ic, oc, along, plane, h, w) for _ in range(groups)]
    wanted = np.concatenate([convolve(*part, along, plane) for part in parts], 1)
    x, weights, bias = (np.concatenate(of, axis) for of, axis in zip(zip(*parts), (1, 0, 0)))
    more, res, kept = residual(add, wanted)
    goc, oc, t = oc, groups * oc, ops.table(level)
    (oh, ow), od, ob = wanted.shape[3:], along[-1], -(-oc // 16)
    of_groups = {}
    if groups > 1:
        reads = reads_of(oc, goc, ic, kd * kh * kw, t.conv_oc, t.conv_half)
        of_groups = dict(reads=(0, reads.ctypes.data))
    source = put(weights)
    how = dict(w=ref(source), oc=oc, goc=goc, ic=ic, kd=kd, kh=kh, kw=kw, so=ic * kd * kh * kw, si=kd * kh * kw,
               sz=kh * kw, sy=kw, sx=1, **of_groups)
    size, tiles, _ = t.packed("pack_conv", t.pack("pack_conv", **how))
    packed = aligned(size // 4)
    run(level, "pack_conv", tiles, y=ref(packed), **how)
    xs, ys, b = Blocked.of(as_pictures(x), pads), Blocked((n * od, oc, oh, ow), (1, 0, 0, 1)), channels(bias)
    row_tiles = -(-oh // rows)
    run(level, "conv", n * od * row_tiles, threads=2, x=xs.at(-pads[0], -pads[1]), w=ref(packed), bias=ref(b),
        y=ys.at(), n=n * od, ib=xs.blocks, last=(groups * ic - 1) % 16 + 1, ob=ob, kh=kh, kw=kw, dh=dh,
        dw=dw, sh=sh, sw=sw, oh=oh, ow=ow, yp=16, row_tiles=row_tiles, rows=rows, oc_tiles=1,
        blocks=-(-ob // 2) * 2, yv=od * ys.n, **depth(along), **xs.params("x"), **ys.params("y"), **more,
        **of_groups)
    assert_close(as_volumes(ys.result(), od), wanted + res, TOLERANCE, level, size_of_sums(weights))


@settings(max_examples=60, deadline=None)
@given(windows=windows(((3, 3), (1, 1), (1, 1), (1, 1, 1, 1))), m=st.sampled_from([4, 2]),
       patches=st.integers(1, 9), slices=st.integers(1, 4), odd=st.booleans(), **SIZES)
def test_winograd_adds_slices_before_it_transforms_back(level, n, ic, oc, h, w, windows, m, patches, slices,
                                                        add, odd):
    along, plane = windows
    d, kd, sd, dd, _, _, od = along
    x, weights, bias = data(n, ic, oc, along, plane, h, w)
    if odd:
        x[0, 0, d // 2, 1, 1] = np.inf
    with np.errstate(invalid="ignore"):
        wanted = convolve(x, weights, bias, along, plane)
    more, res, kept = residual(add, wanted)
    ib, ob, taps = -(-ic // 16), -(-oc // 16), (m + 2) ** 2
    source, packed = put(weights), aligned(taps * ob * 16 * kd * ic)
    run(level, "pack_winograd", kd * ob, w=ref(source), y=ref(packed), oc=oc, ic=ic, kd=kd, m=m,
        so=9 * kd * ic, si=9 * kd, sz=9, sy=3, sx=1)
    xs, ys = Blocked.of(as_pictures(x), (1, 0, 0, 1)), Blocked((n * od, oc, h, w), (0, 2, 1, 0))
    b = channels(bias)
    total = -(-h // m) * -(-w // m)
    patches, slices = min(patches, total), min(slices, od)
    patch_tiles, slice_tiles = -(-total // patches), -(-od // slices)
    run(level, "winograd", n * slice_tiles * patch_tiles, 2, x=xs.at(), w=ref(packed), bias=ref(b),
        y=ys.at(), n=n * od, ib=ib, last=(ic - 1) % 16 + 1, ob=ob, ih=h, iw=w, oh=h, ow=w, pt=1, pl=1, m=m,
        patches=patches, patch_tiles=patch_tiles, oc_tiles=1, blocks=-(-ob // 2) * 2, slices=slices,
        slice_tiles=slice_tiles, **depth(along), **xs.params("x"), **ys.params("y"), **more)
    y, finite = as_volumes(ys.result(), od), np.isfinite(wanted)
    np.testing.assert_array_equal(y[~finite], wanted[~finite].astype(np.float32))
    assert_close(np.where(finite, y, 0), np.where(finite, wanted + res, 0), TOLERANCE, f"F({m},3) {level}")


@settings(max_examples=60, deadline=None)
@given(windows=windows(), mode=st.integers(0, 2), level=st.sampled_from(LEVELS), n=st.integers(1, 2),
       c=st.sampled_from([3, 17]), h=st.integers(3, 9), w=st.integers(3, 9), over=st.integers(0, 2))
def test_pool_joins_the_slices_of_its_window(windows, mode, level, n, c, h, w, over):
    along, plane = windows
    d, kd, sd, dd, front, back, od = along
    (kh, kw), (sh, sw), (dh, dw), (t, left, b, r) = plane
    od = max(1, od - over)                  # the last windows left out: then the padding counts as it does
    along = (*along[:-1], od)
    x = RNG.standard_normal((n, c, d, h, w)).astype(np.float32) - 3
    oh, ow = (h + t + b - (kh - 1) * dh - 1) // sh + 1, (w + left + r - (kw - 1) * dw - 1) // sw + 1
    whole = np.pad(x.astype(float), ((0, 0),) * 2 + ((front, back), (t, b), (left, r)),
                   constant_values=np.nan if mode < 2 else 0)
    wanted = np.zeros((n, c, od, oh, ow))
    for o in range(od):
        for i in range(oh):
            for j in range(ow):
                part = whole[:, :, o * sd:o * sd + kd * dd:dd, i * sh:i * sh + kh * dh:dh]
                part = part[..., j * sw:j * sw + kw * dw:dw].reshape(n, c, -1)
                inside = part[:, :, ~np.isnan(part[0, 0])]
                wanted[:, :, o, i, j] = (inside.max(2, initial=-np.inf) if mode == 0
                                         else inside.sum(2) / max(1, inside.shape[2]))
    xs, ys = Blocked.of(as_pictures(x), (0, 1, 1, 0)), Blocked((n * od, c, oh, ow), (1, 0, 0, 1))
    run(level, "pool", n * od * xs.blocks * oh, 2, x=xs.at(), y=ys.at(), n=n * od, cb=xs.blocks,
        ih=h, iw=w, oh=oh, ow=ow, kh=kh, kw=kw, sh=sh, sw=sw, dh=dh, dw=dw, pt=t, pl=left, pb=b, pr=r,
        mode=mode, row_tiles=oh, rows=1, pe=back, **depth(along), **xs.params("x"), **ys.params("y"))
    y = as_volumes(ys.result(), od)
    if mode == 0:
        np.testing.assert_array_equal(y, wanted)
    else:
        assert_close(y, wanted, 1e-6, f"mode {mode} {level}")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("shape", [(2, 17, 3, 4, 5), (1, 16, 1, 7, 2), (1, 3, 70, 1, 1)])
def test_global_pool_takes_all_slices(level, shape):
    n, c, d, h, w = shape
    x = RNG.standard_normal(shape).astype(np.float32) + 1
    x[0, 0, -1, -1] = np.nan
    for mode, wanted in ((0, x.max((2, 3, 4))), (1, x.mean((2, 3, 4), dtype=float))):
        xs, ys = Blocked.of(as_pictures(x), (1, 2, 0, 1)), Blocked((n, c, 1, 1))
        run(level, "global_pool", n * xs.blocks, x=xs.at(), y=ys.at(), n=n, cb=xs.blocks, h=h, w=w, d=d,
            mode=mode, xn=d * xs.n, xd=xs.n, xb=xs.b, xr=xs.r, yn=ys.n, yb=ys.b)
        assert_close(ys.result()[:, :, 0, 0], wanted, 1e-6, f"{shape} mode {mode} {level}")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (0, 2, 3, 4, 1), (1, 4, 0, 2, 3)], ids=str)
def test_volumes_go_into_blocks_and_back_by_any_strides(level, order):
    """order: of the axes in memory"""
    x = RNG.standard_normal((2, 21, 3, 5, 4)).astype(np.float32)
    n, c, d, h, w = x.shape
    plain = put(x.transpose(order))
    strides = [0] * 5
    for axis, step in zip(order, x.transpose(order).copy().strides):
        strides[axis] = step // 4
    xn, xc, xd, xh, xw = strides
    ys, back = Blocked((n * d, c, h, w), (1, 0, 0, 1)), aligned(x.size)
    sizes = dict(n=n * d, c=c, d=d, h=h, w=w, row_tiles=3, rows=2)
    run(level, "to_blocked", n * d * ys.blocks * 3, x=ref(plain), y=ys.at(), xn=xn, xc=xc, xd=xd, xh=xh,
        xw=xw, **sizes, **ys.params("y"))
    np.testing.assert_array_equal(as_volumes(ys.result(), d), x)
    run(level, "from_blocked", n * d * ys.blocks * 3, x=ys.at(), y=ref(back), yn=xn, yc=xc, yd=xd, yh=xh,
        yw=xw, **sizes, **ys.params("x"))
    np.testing.assert_array_equal(back, plain)
