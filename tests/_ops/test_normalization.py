"""layer_norm, group_norm and lrn against float64, at every level."""
import numpy as np
import pytest

import cinfer._ops as ops
from blocked import aligned, from_blocked, to_blocked

LEVELS = ops.usable_levels()
EXECUTOR = ops.executor()
RNG = np.random.default_rng(19)
GUARD = np.float32(-123.25)


def run(level, name, tiles, threads=2, **params):
    t = ops.table(level)
    EXECUTOR.run_once(t, name, t.pack(name, **params), tiles, threads)


def guarded(shape):
    """(array of guards within more guards, function that checks those around)"""
    size = int(np.prod(shape))
    a = aligned(size + 32)
    a[...] = GUARD

    def check():
        assert (a[:16] == GUARD).all() and (a[-16:] == GUARD).all()
    return a[16:-16].reshape(shape), check


def at(a):
    return 0, a.ctypes.data


def normal(x, axes, eps):
    x = x.astype(float)
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("offset", [0, 100])
@pytest.mark.parametrize("rows, cols", [(1, 1), (3, 7), (2, 16), (5, 17), (4, 64), (3, 96), (7, 192),
                                        (2, 767), (1, 1000)])
def test_layer_norm(level, rows, cols, offset):
    x = (RNG.standard_normal((rows, cols + 3)) * 3 + offset).astype(np.float32)[:, :cols]
    scale, bias = RNG.standard_normal((2, cols)).astype(np.float32)
    for b in (bias, None):
        y, check = guarded((rows, cols))
        for chunk, threads in ((1, 2), (2, 1), (rows, 1)):
            run(level, "layer_norm", -(-rows // chunk), threads, x=at(x), scale=at(scale),
                bias=None if b is None else at(b), y=at(y), rows=rows, cols=cols,
                xr=cols + 3, yr=cols, eps=1e-5, chunk=chunk)
            check()
            wanted = normal(x, 1, 1e-5) * scale + (0 if b is None else b)
            # the mean is known to 1e-7 of the offset
            most = 3e-6 * (1 + offset / 10) if cols > 1 else .1
            np.testing.assert_allclose(y, wanted, rtol=2e-6, atol=most, err_msg=f"{level} {rows}x{cols}")
    run(level, "layer_norm", 1, x=at(x), scale=at(scale), y=at(y), rows=rows, cols=cols, xr=cols + 3, yr=cols,
        eps=1e-5, raw=1, chunk=rows)
    check()
    wanted = x / np.sqrt((x.astype(float)**2).mean(1, keepdims=True) + 1e-5) * scale
    np.testing.assert_allclose(y, wanted, rtol=2e-6, atol=1e-6, err_msg=f"{level} {rows}x{cols} raw")
    wanted, source = normal(x, 1, 1e-5) * scale, x.copy()
    run(level, "layer_norm", 1, x=at(source), scale=at(scale), y=at(source), rows=rows, cols=cols, xr=cols,
        yr=cols, eps=1e-5, chunk=rows)
    # in place, without bias
    np.testing.assert_allclose(source, wanted, rtol=2e-6, atol=most)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("act", ["none", "clip", "tanh"])
@pytest.mark.parametrize("shape, each, d", [
    ((1, 1, 1, 2), 1, 1), ((2, 3, 5, 7), 1, 1), ((1, 16, 14, 14), 1, 1), ((2, 40, 9, 33), 1, 1),
    ((1, 17, 1, 50), 1, 1), ((1, 8, 100, 100), 1, 1), ((2, 40, 3, 5), 8, 1), ((1, 20, 3, 5), 4, 1),
    ((2, 18, 3, 5), 2, 1), ((1, 32, 5, 5), 16, 1), ((2, 40, 3, 5), 10, 1), ((1, 33, 4, 5), 3, 1),
    ((2, 70, 4, 5), 35, 1), ((1, 37, 7, 7), 37, 1), ((1, 3000, 1, 1), 1000, 1), ((6, 17, 3, 5), 1, 3),
    ((4, 40, 3, 5), 10, 2), ((4, 24, 3, 5), 8, 2)], ids=str)
def test_group_norm(level, act, shape, each, d):
    n, c, h, w = shape
    x = (RNG.standard_normal(shape) * 2 + 5).astype(np.float32)
    scale, bias = RNG.standard_normal((2, c)).astype(np.float32)
    grouped = x.reshape(n // d, d, c // each, each, h, w)
    wanted = normal(grouped, (1, 3, 4, 5), 1e-3).reshape(shape) * scale[:, None, None] + bias[:, None, None]
    wanted = {"none": lambda v: v, "clip": lambda v: np.maximum(v, 0), "tanh": np.tanh}[act](wanted)
    blocks = -(-c // 16)
    padded = [aligned(blocks * 16) for _ in range(2)]
    padded[0][:c], padded[1][:c] = scale, bias
    halo = (1, 0, 2, 1)
    a, address, (xn, xb, xr) = to_blocked(x, (0, 1, 0, 0), np.nan)
    y, target, (yn, yb, yr) = to_blocked(np.zeros_like(x), halo)
    y[...] = GUARD
    sizes = dict(x=(0, address), n=n, cb=blocks, h=h, w=w, xn=xn, xb=xb, xr=xr)
    found = {}
    if 16 % each or d > 1:
        (mean, check_mean), (var, check_var) = guarded((n, blocks * 16)), guarded((n, blocks * 16))
        found = dict(mean=at(mean), var=at(var))
        run(level, "channel_moments", n * blocks, **found, **sizes)
        check_mean(), check_var()
        np.testing.assert_allclose(mean[:, :c], x.mean((2, 3), float), rtol=1e-5)
    run(level, "group_norm", n * blocks, scale=at(padded[0]), bias=at(padded[1]), y=(0, target), c=c, d=d,
        each=each, yn=yn, yb=yb, yr=yr, eps=1e-3, act=ops.table(level).unary[act], beta=np.inf, **found, **sizes)
    np.testing.assert_allclose(from_blocked(y, c, halo), wanted, rtol=3e-6, atol=1e-5,
                               err_msg=f"{level} {shape} {each} {d} {act}")
    outside = np.ones(y.shape, bool)
    outside[:, :, 1:1 + h, :w] = False
    assert (y[outside] == GUARD).all()


def lrn(x, size, alpha, beta, bias):
    """Float64, from the definition: https://onnx.ai/onnx/operators/onnx__LRN.html."""
    x = x.astype(float)
    total = np.zeros_like(x)
    for c in range(x.shape[1]):
        total[:, c] = (x[:, max(0, c - (size - 1) // 2):c + size // 2 + 1] ** 2).sum(1)
    return x / (bias + alpha / size * total) ** beta


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("size, alpha, beta, bias", [(5, 1e-4, .75, 1), (3, .5, .75, 2), (4, .9, .6, 1),
                                                     (1, 1, 1, .5), (9, 2e-5, .5, 1)])
@pytest.mark.parametrize("n, c, hw", [(1, 1, 1), (2, 7, 15), (1, 64, 49), (2, 20, 100)])
def test_lrn(level, n, c, hw, size, alpha, beta, bias):
    x = (RNG.standard_normal((n, c, hw)) * 3).astype(np.float32)
    for chunk in (16, 7, hw):
        y, check = guarded(x.shape)
        run(level, "lrn", n * -(-hw // chunk), x=at(x), y=at(y), n=n, c=c, hw=hw, size=size, alpha=alpha,
            beta=beta, bias=bias, chunk=chunk)
        np.testing.assert_allclose(y, lrn(x, size, alpha, beta, bias), rtol=1e-6,
                                   err_msg=f"{level} {n, c, hw} size {size} chunk {chunk}")
        check()
