"""For the tests of kernels that slide a window over blocked pictures: pictures, guards, calls of kernels."""
import numpy as np

import cinfer._ops as ops

GUARD = np.float32(-123.25)
EXECUTOR = ops.executor()
LEVELS = ops.usable_levels()
RNG = np.random.default_rng(7)


def levels_with(kernel):
    """Those that have it: what brings nothing at a level and takes long to compile is not there."""
    return [level for level in LEVELS if kernel in ops.table(level).index]


def aligned(n):
    """n float32 zeros, 64-byte aligned."""
    raw = np.zeros(4 * n + 64, np.uint8)
    at = -raw.ctypes.data % 64
    return raw[at:at + 4 * n].view(np.float32)


def put(a):
    """A flat aligned copy as float32."""
    out = aligned(a.size)
    out[...] = np.asarray(a, np.float32).reshape(-1)
    return out


def ref(a, offset=0):
    """An array as a kernel's buffer, `offset` floats in."""
    return 0, a.ctypes.data + 4 * offset


def channels(a):
    """A vector of channels filled up to whole blocks; NaN there must not reach a real channel."""
    out = aligned(-(-len(a) // 16) * 16)
    out[...] = np.nan
    out[:len(a)] = a
    return out


class Blocked:
    """A picture [n][c/16][h + halo][w + halo][16]. Lanes beyond the real channels are NaN.

    `data` holds 64 guards before and after.

    halo: (top, left, bottom, right) pixels of zeros.
    """

    guard = GUARD

    def __init__(self, shape, halo=(0, 0, 0, 0), fill=GUARD):
        self.shape, self.halo = shape, halo
        n, c, h, w = shape
        t, left, b, r = halo
        self.blocks = -(-c // 16)
        self.whole = n, self.blocks, h + t + b, w + left + r, 16
        self.data = self.memory(int(np.prod(self.whole)) + 128, fill)
        self.r = self.whole[3] * 16
        self.b = self.whole[2] * self.r
        self.n = self.blocks * self.b

    def memory(self, size, fill):
        data = aligned(size)
        data[...] = fill
        return data

    @classmethod
    def of(cls, x, halo=(0, 0, 0, 0)):
        self = cls(x.shape, halo, 0)
        n, _, h, w = x.shape
        return self.filled(x, np.full((n, self.blocks * 16, h, w), np.nan, np.float32))

    def filled(self, x, lanes):
        """With the picture x; lanes : what lies beyond its channels"""
        n, c, h, w = x.shape
        t, left = self.halo[:2]
        lanes[:, :c] = x
        lanes = lanes.reshape(n, self.blocks, 16, h, w).transpose(0, 1, 3, 4, 2)
        self.pixels[:, :, t:t + h, left:left + w] = lanes
        return self

    @property
    def pixels(self):
        return self.data[64:-64].reshape(self.whole)

    def at(self, row=0, column=0):
        """The buffer that points at a pixel of the picture (negative: of the halo)."""
        place = 64 + (row + self.halo[0]) * self.r + (column + self.halo[1]) * 16
        return 0, self.data.ctypes.data + self.data.itemsize * place

    def params(self, name):
        """Strides in elements as the kernels call them: xn, xb, xr."""
        return {name + "n": self.n, name + "b": self.b, name + "r": self.r}

    def result(self):
        """The picture as NCHW; fails where a kernel wrote outside it."""
        n, c, h, w = self.shape
        t, left, b, r = self.halo
        outside = np.ones(self.whole, bool)
        outside[:, :, t:t + h, left:left + w] = False
        around = np.concatenate((self.pixels[outside].reshape(-1), self.data[:64], self.data[-64:]))
        assert (around == self.guard).all(), "written outside the picture"
        y = self.pixels[:, :, t:t + h, left:left + w].transpose(0, 1, 4, 2, 3).reshape(n, -1, h, w)
        return y[:, :c]


def convolve(x, w, bias, groups, strides, dilations, pads):
    """Float64, straight from the definition."""
    x = np.pad(x.astype(float), ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    oc, icg, kh, kw = w.shape
    oh = (x.shape[2] - (kh - 1) * dilations[0] - 1) // strides[0] + 1
    ow = (x.shape[3] - (kw - 1) * dilations[1] - 1) // strides[1] + 1
    y = np.zeros((x.shape[0], oc, oh, ow)) + bias.astype(float)[:, None, None]
    for g in range(groups):
        of, to = slice(g * icg, (g + 1) * icg), slice(g * (oc // groups), (g + 1) * (oc // groups))
        for i in range(kh):
            for j in range(kw):
                part = x[:, of, i * dilations[0]:, j * dilations[1]:][:, :, ::strides[0], ::strides[1]]
                y[:, to] += np.einsum("nchw,oc->nohw", part[:, :, :oh, :ow], w[to, :, i, j].astype(float))
    return y


def run(level, name, tiles, threads=1, **params):
    t = ops.table(level)
    EXECUTOR.run_once(t, name, t.pack(name, **params), tiles, threads)


def activation(name, c):
    """(parameters of the epilogue, the same function on float64 NCHW, its slopes to be kept alive)."""
    code = ops.table(LEVELS[0]).unary["clip" if name == "relu" else name]
    slope = RNG.standard_normal(c).astype(np.float32)
    slopes = channels(slope)
    alpha, beta, f = {
        "none": (0, 0, lambda v: v),
        "relu": (0, np.inf, lambda v: np.maximum(v, 0)),
        "clip": (-.5, .75, lambda v: np.clip(v, -.5, .75)),
        "prelu": (0, 0, lambda v: np.where(v > 0, v, v * slope[:, None, None].astype(float))),
        "leaky_relu": (.25, 0, lambda v: np.where(v > 0, v, v * .25)),
        "hard_sigmoid": (.2, .5, lambda v: np.clip(v * .2 + .5, 0, 1)),
        "tanh": (0, 0, np.tanh),
        "swish": (1, 0, lambda v: v / (1 + np.exp(-v))),
        "hard_swish": (1 / 6, .5, lambda v: v * np.clip(v / 6 + .5, 0, 1)),
    }[name]
    return dict(act=code, alpha=alpha, beta=beta, slope=ref(slopes)), f, slopes


ACTIVATIONS = ["none", "relu", "clip", "prelu", "leaky_relu", "hard_sigmoid", "hard_swish", "tanh", "swish"]


def size_of_sums(w):
    """What sums of products by these weights [oc][...], and their bias, are like, if all is drawn from the normal
    distribution: a sum or two alone may nearly cancel."""
    return np.sqrt(w[0].size + 1)


def assert_close(y, wanted, tolerance, what, scale=0):
    """tolerance: of the largest wanted value, or of scale where that is larger; NaN where NaN is wanted."""
    assert (np.isnan(y) == np.isnan(wanted)).all(), f"{what}: NaN in other places than wanted"
    scale = max(scale, np.nanmax(np.abs(wanted), initial=1e-30))
    off = np.nan_to_num(np.abs(y - wanted)) / scale
    worst = np.unravel_index(off.argmax(), off.shape)
    assert off.max() <= tolerance, f"{what}: off by {off.max():.1e} of the scale at {worst}"
