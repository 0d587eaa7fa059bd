"""Cast, QuantizeLinear and DequantizeLinear; rounding to a grid as part of the step before."""
import numpy as np
import pytest

import cinfer
from cinfer import _ops

from onnx_models import Model, expected
from plan_cases import Cases, hold, steps

CASES = Cases()
case = CASES.add
TYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64,
         9: np.bool_, 10: np.float16, 11: np.float64}


for code, kind in TYPES.items():
    @case(f"cast to {np.dtype(kind)}", dtype=kind, code=code)
    def cast_to(m, code):
        """From float32 in both layouts, and from int32."""
        x, i = m.input("x", 2, 20, 5, 7), m.input("i", 3, 40, dtype=np.int32)
        y = m.Mul(m.Abs(x), np.float32(50))
        z = m.conv(m.Transpose(y, perm=[0, 1, 3, 2]), 20, 20)
        z = m.Abs(z) if code in (2, 4) else z       # unsigned ones of what is negative: beyond the standard
        return m.Cast(y, to=code), m.Cast(z, to=code), m.Cast(m.Transpose(i), to=code)

    @case(f"cast from {np.dtype(kind)}", kind=kind)
    def cast_from(m, kind):
        x = m.input("x", 2, 20, 5, 7, dtype=kind)
        return (m.Cast(x, to=1), m.conv(m.Cast(m.Transpose(x, perm=[0, 2, 3, 1]), to=1), 5, 7),
                m.Relu(m.Cast(x, to=1)))


@case(dtype=np.uint8)
def bytes_moved_and_computed_with(m):
    x = m.input("x", 2, 3, 4, 5, dtype=np.uint8)
    return (m.Transpose(x, perm=[0, 2, 3, 1]), m.Concat(x, x, axis=1),
            m.Cast(m.Mul(m.Cast(x, to=1), np.float32(2)), to=2))


@case(opset=15)
def cast_like(m):
    x, i = m.input("x", 2, 20, 5, 7), m.input("i", 3, dtype=np.int32)
    return (m.CastLike(i, x), m.CastLike(m.MaxPool(x, kernel_shape=[1, 1]), x),
            m.Cast(m.CastLike(x, i), to=1))


for kind in (np.uint8, np.int8):
    @case(f"quantize {np.dtype(kind)}", dtype=kind, kind=kind)
    def quantize(m, kind):
        """A graph that ends in integers, of plain and blocked values, by one scale and by one per index."""
        x = m.input("x", 2, 35, 5, 7)
        y, scales = m.MaxPool(x, kernel_shape=[1, 1]), np.abs(m.vector(35)) / 50 + np.float32(0.01)
        zeros = m.rng.integers(0, 9, 35).astype(kind)
        by_channel = [m.QuantizeLinear(v, scales, zeros, axis=1) for v in (x, y)]
        return (*by_channel, m.Transpose(by_channel[1]), m.QuantizeLinear(x, scales[:7], zeros[:7], axis=-1),
                m.QuantizeLinear(y, scales[:5], zeros[:5], axis=2),
                m.QuantizeLinear(y, scales[:2], zeros[:2], axis=0),
                m.QuantizeLinear(m.Transpose(y, perm=[0, 2, 3, 1]), scales[0], zeros[0]))

    @case(f"quantize sequences {np.dtype(kind)}", dtype=kind, kind=kind)
    def quantize_sequences(m, kind):
        """Blocked values of three axes."""
        x = m.MaxPool(m.input("x", 2, 35, 9), kernel_shape=[1])
        scale = np.abs(m.vector(35)) + np.float32(0.1)
        return [m.QuantizeLinear(x, scale[:d], np.arange(d).astype(kind), axis=axis)
                for axis, d in enumerate((2, 35, 9))]

    @case(f"dequantize {np.dtype(kind)}", kind=kind)
    def dequantize(m, kind):
        x = m.input("x", 2, 35, 5, 7, dtype=kind)
        scales, zeros = m.vector(35), m.rng.integers(0, 9, 35).astype(kind)
        y = m.DequantizeLinear(x, scales, zeros, axis=1)
        turned = m.Transpose(x, perm=[3, 2, 1, 0])
        return y, m.conv(y, 35, 16), m.DequantizeLinear(turned, scales[0], zeros[0])

    @case(f"integers between {np.dtype(kind)}", kind=kind)
    def integers_between(m, kind):
        """Other operators stand between the two: views, copies and a Concat of bytes."""
        x, scale, zero = m.input("x", 1, 18, 6, 8), np.float32(0.03), np.array(4, kind)
        q = m.QuantizeLinear(m.MaxPool(x, kernel_shape=[1, 1]), scale, zero)
        turned = m.Transpose(m.Reshape(q, np.array([1, 18, 8, 6])), perm=[0, 1, 3, 2])
        return m.conv(m.DequantizeLinear(m.Concat(q, turned, axis=1), scale, zero), 36, 16)


@case()
def quantize_without_zero_point(m):
    x = m.input("x", 2, 18, 5)
    integers = m.Cast(m.Mul(x, np.float32(1000)), to=6)
    return (m.DequantizeLinear(m.QuantizeLinear(x, np.float32(0.02)), np.float32(0.03)),
            m.DequantizeLinear(integers, np.float32(0.125)))


@case()
def rounding_before_and_after(m):
    scale, zero = np.float32(2.0 ** -4), np.array(5, np.uint8)

    def rounded(y):
        return m.DequantizeLinear(m.QuantizeLinear(y, scale, zero), scale, zero)
    x = rounded(m.input("x", 1, 19, 6, 7))
    return rounded(m.MaxPool(x, kernel_shape=[2, 2])), m.Relu(rounded(m.Transpose(x))), \
        rounded(m.Add(x, np.float32(1)))


@case()
def scales_of_this_run(m):
    x, scale = m.input("x", 2, 18, 5), m.Add(m.Abs(m.input("s", 1)), np.float32(0.1))
    zero = m.Cast(m.Abs(m.Mul(m.input("z", 1), np.float32(9))), to=2)
    blocked = m.QuantizeLinear(m.MaxPool(x, kernel_shape=[1]), scale, zero)
    return (m.DequantizeLinear(m.QuantizeLinear(x, scale), scale),
            m.DequantizeLinear(blocked, np.float32(1), zero))


@case(numpy=1)
def scales_of_this_run_and_each_channel_in_numpy(m):
    x, scale = m.input("x", 2, 18, 5), m.Add(m.Abs(m.input("s", 18)), np.float32(0.1))
    return m.Cast(m.QuantizeLinear(x, scale, np.zeros(18, np.uint8)), to=1)


for bounds in ("all", "above", "below", "zero"):
    @case(f"dynamic range {bounds}", bounds=bounds)
    def dynamic_range(m, bounds):
        """Of numbers on both sides of 0, on one side, and of zeros."""
        def kept(x):
            x = {"above": m.Abs, "below": lambda x: m.Neg(m.Abs(x))}.get(bounds, m.Identity)(x)
            return m.Mul(x, np.float32(bounds != "zero"))
        found = []
        for x in (m.input("x", 2, 20, 5, 7), m.input("i", 40000), m.input("s")):
            y, scale, zero = m.node("DynamicQuantizeLinear", kept(x), n=3)
            found += [m.Cast(y, to=1), m.Cast(zero, to=1)] + [scale] * (bounds != "zero")
        blocked = m.MaxPool(kept(m.input("p", 1, 20, 3, 3)), kernel_shape=[1, 1])
        y, _, _ = m.node("DynamicQuantizeLinear", blocked, n=3)
        return *found, m.Cast(y, to=1)


@pytest.mark.parametrize("isa", _ops.usable_levels())
@pytest.mark.parametrize("name", CASES)
def test_answers_are_onnxruntimes(name, isa):
    CASES.check(name, isa)


def test_quantisation_is_part_of_the_step_before():
    """As exporters write it: both operators around each convolution, Relu where saturation does its work."""
    def build(m, x):
        def rounded(y, zero):
            q = m.QuantizeLinear(y, np.float32(0.1), zero)
            return [m.DequantizeLinear(q, np.float32(0.1), zero) for _ in range(2)]
        a, b = rounded(m.Relu(m.conv(x, 32, 32)), np.array(0, np.uint8))
        y, _ = rounded(m.Add(m.conv(a, 32, 32), b), np.array(3, np.int8))
        y = m.Clip(m.conv(y, 32, 32), np.float32(-13.1), np.float32(20))
        return rounded(y, np.array(3, np.int8))[0]
    assert steps(build, 1, 32, 8, 8) == ["to_blocked", "conv", "conv", "conv", "from_blocked"]


def clipped(m, x):
    """A Clip narrower than what int8 holds."""
    zero, y = np.array(3, np.int8), m.Clip(x, np.float32(-5), np.float32(5))
    return m.DequantizeLinear(m.QuantizeLinear(y, np.float32(0.1), zero), np.float32(0.1), zero)


def test_clip_narrower_than_quantisation_stays():
    m = Model()
    data = m.outputs(clipped(m, m.input("x", 4, 9))).bytes()
    feeds = {"x": np.linspace(-20, 20, 36, dtype=np.float32).reshape(4, 9)}
    hold(data, feeds, expected(data, feeds), "clip", _ops.usable_levels()[-1])
    assert steps(clipped, 4, 9) == ["map", "map"]


def test_integers_that_are_wanted_stay():
    m = Model()
    x, one = m.input("x", 4, 9), np.float32(1)
    q = m.QuantizeLinear(x, one)
    data = m.outputs(m.DequantizeLinear(q, one)).bytes()
    feeds = {"x": np.linspace(-9, 300, 36, dtype=np.float32).reshape(4, 9)}
    y, integers = cinfer.load(data, threads=1).run(["v1", "v0"], feeds)
    np.testing.assert_array_equal(integers, np.clip(np.rint(feeds["x"]), 0, 255).astype(np.uint8))
    np.testing.assert_array_equal(y, integers.astype(np.float32))


@pytest.mark.parametrize("isa", _ops.usable_levels())
def test_bits_are_those_of_the_operators(isa):
    """One step, or two, or NumPy: the same, NaN included."""
    m = Model()
    x, scale, zero = m.input("x", 7, 90), np.float32(0.037), np.array(-7, np.int8)
    q = m.QuantizeLinear(x, scale, zero)
    data = m.outputs(m.DequantizeLinear(q, scale, zero)).bytes()
    rng = np.random.default_rng(2)
    feeds = {"x": (rng.standard_normal((7, 90)) * 3).astype(np.float32)}
    feeds["x"][0, :4] = np.nan, np.inf, -np.inf, 0.037 * 2.5
    with np.errstate(invalid="ignore"):
        grid = np.clip(np.rint(feeds["x"] / scale) - np.float32(7), -128, 127)
    want = (np.nan_to_num(grid, nan=-128) + np.float32(7)) * scale      # as uint8, where NaN is the lowest
    session = cinfer.load(data, threads=1, isa=isa)
    np.testing.assert_array_equal(session.run(None, feeds)[0], want)
    feeds["x"][0, 0], want[0, 0] = 0, 0         # of NaN the standard says nothing: as int8 it is 0
    np.testing.assert_array_equal(session.run(["v1", "v0"], feeds)[0], want)


@pytest.mark.parametrize("isa", _ops.usable_levels())
def test_sums_of_whole_numbers_are_exact(isa):
    """Winograd's are not, and what is rounded behind them would fall on the other side."""
    m = Model(opset=13)
    x, _, zero = m.node("DynamicQuantizeLinear", m.input("x", 1, 32, 20, 20), n=3)
    total = m.ConvInteger(x, m.rng.integers(-128, 128, (32, 32, 3, 3)).astype(np.int8), zero, pads=[1] * 4)
    data, feeds = m.outputs(m.Cast(m.Add(total, np.arange(32, dtype=np.int32).reshape(1, 32, 1, 1)), to=1)).bytes(), \
        m.feeds()
    session = cinfer.load(data, threads=1, isa=isa)
    assert "numpy" not in [step.label for step in session._plan_for(None).steps]
    np.testing.assert_array_equal(session.run(None, feeds)[0], expected(data, feeds)[0])


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16])
def test_a_scale_that_is_no_normal_number(dtype):
    """0 is the zero point, though the scale counts as 0 in kernels."""
    m = Model(21)
    x = m.Relu(m.input("x", 1, 20, 5, 6))
    scale, zero = np.float32(1e-39), dtype(77)
    y = m.QuantizeLinear(m.MaxPool(x, kernel_shape=[1, 1]), scale, zero)
    m.outputs(y, m.QuantizeLinear(x, scale, zero), dtype=dtype)
    data, feeds = m.bytes(), m.feeds()
    for got, wanted in zip(cinfer.load(data).run(None, feeds), expected(data, feeds), strict=True):
        np.testing.assert_array_equal(got, wanted)
