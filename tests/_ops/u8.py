"""For the tests of kernels on uint8 in blocks: pictures [n][c/16][h + halo][w + halo][16] with guards, integers."""
import numpy as np

from windows import Blocked

GUARD = 0xA5                    # around the pictures that a kernel writes, and in the lanes beyond the channels
NOTHING = (0, 0, 0, 0)


def put(a, dtype=None, guards=0):
    """A flat 64-byte aligned copy, with so many zero elements behind it."""
    a = np.asarray(a, dtype)
    size = a.nbytes + guards * a.itemsize
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    out = raw[start:start + size].view(a.dtype)
    out[:a.size] = a.reshape(-1)
    return out


def address(a, byte=0):
    """An array as a kernel's buffer, so many bytes in."""
    return 0, a.ctypes.data + byte


def channels(a, dtype):
    """A vector of channels filled up to whole blocks with what must not reach a real channel."""
    a = np.asarray(a, dtype)
    fill = np.nan if a.dtype.kind == "f" else np.iinfo(dtype).max
    out = put(np.full(-(-len(a) // 16) * 16, fill, dtype))
    out[:len(a)] = a
    return out


class BlockedU8(Blocked):
    """A picture of bytes; the halo is of `fill`, the zero point of the picture."""

    guard = GUARD

    def __init__(self, shape, halo=NOTHING, fill=GUARD):
        super().__init__(tuple(shape), halo, fill)

    def memory(self, size, fill):
        return put(np.full(size, fill, np.uint8))

    @classmethod
    def of(cls, x, halo=NOTHING, zero=0):
        """x : uint8 [n][c][h][w]; lanes beyond the channels get random bytes."""
        n, c, h, w = x.shape
        self = cls(x.shape, halo, zero)
        return self.filled(x, np.random.default_rng(c).integers(0, 256, (n, self.blocks * 16, h, w), np.uint8))


def sloped(x, slope):
    """float32 [n][c][h][w]; what is below 0 times a slope, one a channel; slope : or None"""
    return x if slope is None else np.where(x < 0, x * np.asarray(slope, np.float32).reshape(-1, 1, 1), x)


def requantised(sums, scale, zero, lo=0, hi=255, table=None, slope=None):
    """sums : integers [n][c][h][w], with the bias; scale : float32, one a channel. Rounded half to even.
    slope : one a channel, for what is below 0"""
    scale = np.asarray(scale, np.float32).reshape(-1, 1, 1)
    product = sloped(sums.astype(np.int32).astype(np.float32) * scale, slope)
    y = np.clip(np.rint(product).astype(float) + zero, lo, hi).astype(np.uint8)
    return y if table is None else table[y]


# what is done to sums before they are rounded -> (alpha, beta, the function)
FUNCTIONS = {
    "hard_swish": (1 / 6, .5, lambda x: x * np.clip(x / 6 + .5, 0, 1)),
    "hard_sigmoid": (.2, .5, lambda x: np.clip(.2 * x + .5, 0, 1)),
    "sigmoid": (0, 0, lambda x: 1 / (1 + np.exp(-x))),
    "swish": (1, 0, lambda x: x / (1 + np.exp(-x))),
    "tanh": (0, 0, np.tanh),
    "elu": (.7, 0, lambda x: np.where(x < 0, .7 * np.expm1(np.minimum(x, 0)), x))}


def assert_activated(y, sums, scale, step, zero, function):
    """Of bytes made by a function of sums * scale, in steps: float32 may have rounded to either side of a half."""
    with np.errstate(over="ignore"):
        real = function(sums.astype(np.float64) * np.asarray(scale, np.float64).reshape(-1, 1, 1)) / step
    near = np.abs(real - np.floor(real) - .5) < 1e-4
    want = np.clip(np.rint(real) + zero, 0, 255)
    difference = np.abs(y - want)
    assert difference.max() <= 1 and not (difference[~near]).any() and near.mean() < .01


class Residual:
    """Bytes [n][c][h][w] that are added to those of a convolution: scales of these and of their own, their zero point,
    scale and zero point of the sum; halo : of the picture in which they lie."""

    def __init__(self, res, sa, sb, zb, sy, zy, halo=NOTHING):
        self.res, self.zb, self.zy = res, zb, zy
        self.sa, self.sb, self.sy = map(np.float32, (sa, sb, sy))
        self.picture = BlockedU8.of(res, halo, GUARD)

    def params(self):
        b = self.picture.params("r")
        return dict(res=self.picture.at(), rn=b["rn"], rb=b["rb"], rr=b["rr"], sa=float(self.sa), sb=float(self.sb),
                    zb=self.zb, sy=float(self.sy), zy=self.zy)

    def added(self, y, za, table=None):
        """y : bytes of a convolution, of zero point za. DequantizeLinear of both, Add, QuantizeLinear."""
        a, b = ((v.astype(np.int32) - zero).astype(np.float32) * scale
                for v, zero, scale in ((y, za, self.sa), (self.res, self.zb, self.sb)))
        y = np.clip(np.rint((a + b) / self.sy).astype(float) + self.zy, 0, 255).astype(np.uint8)
        return y if table is None else table[y]


def integers(rng, shape, lo, hi, kind="random"):
    """kind : random, or all lo or hi."""
    if kind == "random":
        return rng.integers(lo, hi + 1, shape)
    return np.full(shape, {"lo": lo, "hi": hi}[kind])


def convolved_slices(x, w, zero, strides, dilations, pads, depth, groups=1):
    """As `convolved`, of volumes: x [n][slices][c][h][w], w [oc][ic][kd][kh][kw] -> [n * od][oc][oh][ow].

    depth : (stride, dilation, padding before the first slice, slices of the output)
    """
    (n, size), kd, (sd, dd, front, od) = x.shape[:2], w.shape[2], depth
    behind = max(0, (od - 1) * sd + (kd - 1) * dd + 1 - front - size)
    x = np.pad(x, ((0, 0), (front, behind), (0, 0), (0, 0), (0, 0)), constant_values=zero)
    sums = [sum(convolved(x[:, z * sd + i * dd], w[:, :, i], zero, strides, dilations, pads, groups)
                for i in range(kd)) for z in range(od)]
    return np.stack(sums, 1).reshape(n * od, *sums[0].shape[1:])


def slices(x, w, depth) -> dict:
    """What a kernel is told of these, as depth.h has it."""
    sd, dd, front, od = depth
    return dict(n=len(x) * od, kd=w.shape[2], sd=sd, dd=dd, pf=front, id=x.shape[1], od=od)


def convolved(x, w, zero, strides, dilations, pads, groups=1):
    """int64 sums of (x - zero) * w, straight from the definition; what lies outside is the zero point."""
    x = np.pad(x.astype(np.int64) - zero, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    oc, icg, kh, kw = w.shape
    oh = (x.shape[2] - (kh - 1) * dilations[0] - 1) // strides[0] + 1
    ow = (x.shape[3] - (kw - 1) * dilations[1] - 1) // strides[1] + 1
    y = np.zeros((x.shape[0], oc, oh, ow), np.int64)
    for g in range(groups):
        of, to = slice(g * icg, (g + 1) * icg), slice(g * (oc // groups), (g + 1) * (oc // groups))
        for i in range(kh):
            for j in range(kw):
                part = x[:, of, i * dilations[0]:, j * dilations[1]:][:, :, ::strides[0], ::strides[1]]
                y[:, to] += np.einsum("nchw,oc->nohw", part[:, :, :oh, :ow], w[to, :, i, j].astype(np.int64))
    return y
