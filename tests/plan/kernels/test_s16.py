"""Networks of 16-bit activations: what products of integers give is that of the standard, whoever computes it."""
import numpy as np
import pytest

import cinfer
from cinfer import _ops
from cinfer.passes.islands import FASTER
from cinfer.plan.kernels import s16

from onnx_models import Model, expected
from test_quantized_graphs import hold, made as drawn
from watched import LARGE, NAN, bits, run_watched

F, U16, S16, S8 = np.float32, np.uint16, np.int16, np.int8
KERNELS = ("conv_s16", "gemm_s16")
LEVELS = [level for level in _ops.usable_levels() if _ops.table(level).s16_rate]
pytestmark = pytest.mark.skipif(not LEVELS, reason="this CPU has no level whose products of int16 are fast")


@pytest.fixture
def integers(monkeypatch):
    """Wherever they can be."""
    monkeypatch.setattr(s16, "cost", lambda *_: 0.0)
    monkeypatch.setattr("cinfer.plan.plan.FEW_FLOPS", -1)


class Quantised(Model):
    def __init__(self, dtype=U16, seed: int = 0):
        super().__init__(opset=21, seed=seed)
        self.dtype, self.grids = dtype, {}

    def grid(self, spread: float) -> tuple:
        """Scale and zero point of numbers that reach about so far, and beyond it now and then."""
        limits = np.iinfo(self.dtype)
        zero = self.rng.choice([limits.min, limits.max, *self.rng.integers(limits.min, limits.max, 4)])
        return F(spread / 30000), self.dtype(zero)

    def stored(self, x: str, spread: float = 4) -> str:
        at = self.grid(spread)
        return self.DequantizeLinear(self.QuantizeLinear(x, *at), *at)

    def whole(self, *shape, axis: int = 0) -> str:
        """Weights, by a scale and a zero point for each output."""
        most, n = 128, shape[axis]
        sums = int(np.prod(shape)) // n
        scale = self.rng.uniform(.5, 1, n).astype(F) / F(most * max(sums, 1) ** .5)
        return self.DequantizeLinear(self.rng.integers(-most, most, shape).astype(S8), scale,
                                     self.rng.integers(-3, 3, n).astype(S8), axis=axis)

    def conv(self, x: str, ic: int, oc: int, k: int = 1, **attributes) -> str:
        attributes.setdefault("pads", [k // 2] * 4)
        return self.Conv(x, self.whole(oc, ic // attributes.get("group", 1), k, k), self.vector(oc), **attributes)


def chain(m):
    x = m.stored(m.input("x", 2, 20, 13, 11))
    x = m.stored(m.Relu(m.conv(x, 20, 40, 3, strides=[2, 2])))
    return m.conv(x, 40, 33)


def residual(m):
    x = m.stored(m.input("x", 1, 32, 9, 10))
    y = m.stored(m.conv(m.stored(m.Clip(m.conv(x, 32, 48), F(0), F(3))), 48, 32, 3))
    return m.stored(m.Add(x, y))


def joined(m):
    x = m.stored(m.input("x", 1, 16, 12, 12))
    y = m.MaxPool(x, kernel_shape=[2, 2], strides=[2, 2])
    y = m.stored(m.Resize(m.stored(m.conv(m.stored(y), 16, 24, 3)), None, F([1, 1, 2, 2]), mode="nearest"))
    return m.conv(m.stored(m.Concat(x, y, axis=1)), 40, 20, 1)


def grouped(m):
    return m.conv(m.stored(m.input("x", 1, 96, 7, 9)), 96, 48, 3, group=3)


def dilated(m):
    return m.conv(m.stored(m.input("x", 1, 33, 17, 19)), 33, 24, 3, pads=[4] * 4, dilations=[4, 4])


def rows(m):
    x = m.stored(m.input("x", 2, 40, 31))
    return m.Conv(x, m.whole(16, 40, 5), strides=[3])


def volumes(m):
    x = m.stored(m.input("x", 1, 18, 5, 6, 7))
    return m.Conv(x, m.whole(32, 18, 3, 3, 3), m.vector(32), pads=[1] * 6)


def matrices(m):
    x = m.stored(m.input("x", 2, 9, 40))
    y = m.stored(m.Add(m.MatMul(x, m.whole(40, 70, axis=1)), m.vector(70)))
    y = m.Reshape(y, np.array([18, 70]))
    return m.Gemm(m.stored(y), m.whole(30, 70), m.vector(30), transB=1, alpha=.5, beta=2.0)


def few_bits(m):
    w = m.DequantizeLinear(m.rng.integers(-8, 8, (64, 64, 1, 1)).astype(S8), F(.02), S8(1))
    return m.Conv(m.stored(m.input("x", 1, 64, 8, 8)), w)


def upsampled(m):
    """Each output is of one tap."""
    x = m.stored(m.input("x", 2, 37, 6, 7))
    return m.ConvTranspose(x, m.whole(37, 40, 2, 3, axis=1), m.vector(40), strides=[2, 3])


def upsampled_and_cropped(m):
    x = m.stored(m.input("x", 1, 33, 9, 5))
    return m.ConvTranspose(x, m.whole(33, 24, 2, 2, axis=1), strides=[2, 2], pads=[1, 0, 2, 1])


def fed(m):
    """Integers come in, and go out."""
    x = m.DequantizeLinear(m.input("x", 1, 24, 6, 8, dtype=m.dtype), F(1e-4), m.dtype(7))
    return m.conv(x, 24, 32)


CASES = {each.__name__: each for each in (chain, residual, joined, grouped, dilated, rows, volumes, matrices, few_bits,
                                          upsampled, upsampled_and_cropped, fed)}


def made(case: str, dtype=U16):
    m = Quantised(dtype)
    scale = F(1e-3)
    y = m.QuantizeLinear(CASES[case](m), scale, m.dtype(np.iinfo(m.dtype).min + 30000))
    return m.outputs(y, dtype=m.dtype).bytes(), m


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", [U16, S16])
@pytest.mark.parametrize("case", CASES)
def test_integers_as_onnxruntime_has_them(case, dtype, level, integers):
    data, m = made(case, dtype)
    feeds = m.feeds()
    if case == "fed":
        limits = np.iinfo(dtype)
        feeds["x"] = np.random.default_rng(0).integers(limits.min, limits.max, feeds["x"].shape, dtype, endpoint=True)
    want, = expected(data, feeds)
    session = cinfer.load(data, threads=1, isa=level)
    assert any(name in KERNELS for name in session.summary()["kernels"]), session.summary()
    first = run_watched(data, feeds, threads=1, isa=level, fill=NAN, spaced=True)
    second = run_watched(data, feeds, threads=2, isa=level, fill=LARGE, spaced=False)
    assert bits(first) == bits(second)
    off = np.abs(first[0].astype(int) - want)
    assert want.dtype == first[0].dtype and want.std() > 100
    # what is rounded on the way to the neighbour moves the output by a part of a unit
    assert off.max() <= 1 and (off > 0).mean() < .05, f"{off.max()}, {(off > 0).mean()}"


@pytest.mark.parametrize("case", ["chain", "residual", "matrices"])
def test_levels_give_the_same_bits(case, integers, monkeypatch):
    """Of what is integers and rounded at once."""
    data, m = made(case)
    results = {level: tuple(bits(cinfer.load(data, threads=1, isa=level).run(None, m.feeds()))) for level in LEVELS}
    assert len(set(results.values())) == 1, results.keys()


@pytest.mark.parametrize("case", CASES)
def test_floats_give_the_same_but_for_a_unit(case, monkeypatch):
    """Where integers are not faster."""
    data, m = made(case)
    feeds = m.feeds()
    monkeypatch.setattr(s16, "cost", lambda *_: 1e30)
    session = cinfer.load(data, threads=1)
    assert not set(KERNELS) & session.summary()["kernels"].keys()
    monkeypatch.setattr(s16, "cost", lambda *_: 0.0)
    got, = session.run(None, feeds)
    want, = cinfer.load(data, threads=1).run(None, feeds)
    assert np.abs(got.astype(int) - want).max() <= 2


@pytest.mark.parametrize("case", CASES)
def test_what_is_said_of_them_is_what_was_planned(case, monkeypatch):
    """Beside what numbers of 16 bits never are integers of."""
    data, _ = made(case)

    def told(cost):
        monkeypatch.setattr(s16, "cost", lambda *_: cost)
        session = cinfer.load(data, threads=1)
        found = session.integers()
        faster = [name for group in found["in_float"] if group["why"] == FASTER for name in group["nodes"]]
        return sum(n for name, n in found["on_bytes"].items() if name.startswith("Grid")), len(faster), session
    monkeypatch.setattr("cinfer.plan.plan.FEW_FLOPS", -1)
    whole, none, session = told(0.0)
    assert whole > 0 == none and sum(map(session.summary()["kernels"].get, KERNELS, (0, 0))) >= whole
    none, floats, _ = told(1e30)
    assert floats == whole and none == 0


def test_pictures_of_free_sizes(integers):
    m = Quantised()
    x = m.stored(m.input("x", 1, 16, 12, 12, declared=("n", 16, "h", "w")))
    y = m.conv(m.stored(m.conv(x, 16, 32, 3)), 32, 20, 1)
    data = m.outputs(m.stored(y)).bytes()
    session = cinfer.load(data, threads=2)
    for shape in ((1, 16, 12, 12), (2, 16, 5, 30), (1, 16, 40, 9), (3, 16, 7, 7)):
        feeds = m.feeds(x=shape)
        want, got = expected(data, feeds)[0], session.run(None, feeds)[0]
        assert "conv_s16" in session.summary({"x": shape})["kernels"]
        assert np.abs(got - want).max() < 1.01 * 4 / 30000              # a unit of the last grid


def test_depthwise_and_sums_that_int32_does_not_hold_stay_float(integers):
    m = Quantised()
    x = m.stored(m.input("x", 1, 600, 6, 6))
    w = m.DequantizeLinear(np.full((16, 600, 1, 1), 100, S8), F(1e-4), S8(0))
    y = m.conv(m.stored(m.Conv(x, w)), 16, 16, 3, group=16)
    data = m.outputs(m.stored(y)).bytes()
    session, feeds = cinfer.load(data), m.feeds()
    assert not set(KERNELS) & session.summary()["kernels"].keys()
    want, got = expected(data, feeds)[0], session.run(None, feeds)[0]
    assert np.abs(got - want).max() <= 2.1 * np.diff(np.unique(want)).min()


def layer(seed: int) -> Quantised:
    """A convolution or product of numbers of 16 bits, what may stand behind it, and the rounding."""
    m = Quantised((U16, S16)[seed % 2], seed)
    draw = m.rng.integers
    groups, axes = int(m.rng.choice([1, 1, 1, 2, 3])), int(m.rng.choice([0, 1, 2, 2, 2, 3]))
    if axes == 0:
        k, n, turned = int(draw(1, 90)), int(draw(1, 90)), int(draw(0, 2))
        x = m.stored(m.input("x", int(draw(3, 40)), k))
        y = m.Gemm(x, m.whole(*((n, k) if turned else (k, n)), axis=1 - turned), m.vector(n), transB=turned)
    else:
        ic, oc = (2 * int(draw(1, 12)), 16 * int(draw(1, 3))) if groups > 1 and axes < 3 else (int(draw(9, 60)),
                                                                                             int(draw(17, 60)))
        groups = groups if axes < 3 else 1
        kernel, strides, dilations = ([int(v) for v in draw(1, most, axes)] for most in (4, 3, 3))
        pads = [int(v) for v in draw(0, 3, 2 * axes)]
        sizes = [max(1, (k - 1) * d + 1 - a - b) + int(draw(0, 7)) for k, d, a, b in zip(
            kernel, dilations, pads, pads[axes:])]
        x = m.stored(m.input("x", int(draw(1, 3)), ic * groups, *sizes))
        y = m.Conv(x, m.whole(oc * groups, ic, *kernel), *([m.vector(oc * groups)] if draw(0, 4) else []), pads=pads,
                   strides=strides, dilations=dilations, group=groups)
    behind = int(draw(0, 5))
    if behind == 0:
        y = m.Relu(y)
    elif behind == 1:
        y = m.Clip(y, F(-.5), F(1.5))
    elif behind == 2:
        y = m.Mul(y, m.Sigmoid(y))
    elif behind == 3:
        y = m.Add(m.stored(y), m.stored(y, 3))
    return m.outputs(m.QuantizeLinear(y, *m.grid(3)), dtype=m.dtype)


@pytest.mark.parametrize("first", range(0, 80, 20))
def test_drawn_layers(first, integers):
    used = 0
    for seed in range(first, first + 20):
        m = layer(seed)
        data, feeds = m.bytes(), m.feeds(seed)
        want, = expected(data, feeds)
        session = cinfer.load(data, threads=2, isa=LEVELS[-1 if seed % 3 else 0])
        got, = session.run(None, feeds)
        used += bool(set(KERNELS) & session.summary()["kernels"].keys())
        off = np.abs(got.astype(int) - want)
        assert off.max() <= 1 and (off > 0).mean() < .1, f"seed {seed}: {off.max()}, {(off > 0).mean()}"
    assert used > 12


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_random_graphs(first, integers):
    """As test_quantized_graphs.py has them, of those with numbers of 16 bits."""
    seeds = [seed for seed in range(first, first + 20)
             if (found := drawn(seed)) is not None and {np.dtype(U16), np.dtype(S16)} & set(found[0].types)]
    assert len(seeds) > 2
    for seed in seeds:
        hold(seed, LEVELS[-1])
    drawn.cache_clear()
