"""Resize and Upsample: against a loop over output elements written from the standard's formulas, and
onnxruntime."""
import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from one_node import agrees_with_onnxruntime, needs_value, refuses, run, spec

from cinfer.errors import LimitError

from cinfer.ops.resize import resize_axis

rng = np.random.default_rng(11)
MODES = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",
         "tf_half_pixel_for_nn")


def ints(*values):
    return np.array(values, np.int64)


def coordinate(x, n, out, mode):
    """Section 'coordinate_transformation_mode' of the standard, for a scale of out / n."""
    scale = out / n
    return {"half_pixel": (x + 0.5) / scale - 0.5, "half_pixel_symmetric": (x + 0.5) / scale - 0.5,
            "pytorch_half_pixel": (x + 0.5) / scale - 0.5 if out > 1 else 0.0, "asymmetric": x / scale,
            "align_corners": x * (n - 1) / (out - 1) if out > 1 else 0.0,
            "tf_half_pixel_for_nn": (x + 0.5) / scale}[mode]


def kernel(t, mode, a):
    t = abs(t)
    if mode == "linear":
        return max(0.0, 1 - t)
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


def interpolate(row, out, mode, transformation, a=-0.75, exclude_outside=False, antialias=False):
    """One axis, one output element after the other."""
    n, y = len(row), []
    stretch = max(1.0, n / out) if antialias else 1.0
    for x in range(out):
        at = coordinate(x, n, out, transformation)
        reach = math.ceil(2 * stretch) + 2
        total = weight = 0.0
        sums = 0.0
        taps = []
        for i in range(math.floor(at) - reach, math.floor(at) + reach + 1):
            taps.append((i, kernel((i - at) / stretch, mode, a)))
        sums = sum(w for _, w in taps)
        for i, w in taps:
            if exclude_outside and not 0 <= i < n:
                continue
            total += w / sums * row[min(max(i, 0), n - 1)]
            weight += w / sums
        y.append(total / weight if exclude_outside else total)
    return np.array(y)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 9), st.integers(1, 14), st.sampled_from(["linear", "cubic"]), st.sampled_from(MODES),
       st.booleans(), st.booleans(), st.sampled_from([-0.75, -0.5]))
def test_one_axis_is_the_formula(n, out, mode, transformation, exclude_outside, antialias, a):
    if transformation == "tf_half_pixel_for_nn" and (exclude_outside or n == out):
        # looks beyond the end, where all weights may be excluded; and scale 1 means "not this axis"
        return
    row = np.random.default_rng(n * 100 + out).standard_normal(n)
    y = run("Resize", row, None, None, ints(out), opset=19, mode=mode, cubic_coeff_a=a,
            antialias=int(antialias), exclude_outside=int(exclude_outside),
            coordinate_transformation_mode=transformation)
    expected = interpolate(row, out, mode, transformation, a, exclude_outside, antialias)
    np.testing.assert_allclose(y, expected, rtol=1e-9, atol=1e-9)       # float64; other order of sums


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_axes_are_independent(mode):
    x = rng.standard_normal((2, 3, 5, 4))
    y = run("Resize", x, None, None, ints(2, 3, 7, 9), opset=19, mode=mode)
    for n, c in np.ndindex(2, 3):
        rows = np.array([interpolate(row, 9, mode, "half_pixel") for row in x[n, c]])
        expected = np.array([interpolate(column, 7, mode, "half_pixel") for column in rows.T]).T
        np.testing.assert_allclose(y[n, c], expected, rtol=1e-9, atol=1e-9)


HALF = Fraction(1, 2)
NEAREST = {"round_prefer_floor": lambda v: math.ceil(v - HALF), "floor": math.floor,
           "round_prefer_ceil": lambda v: math.floor(v + HALF), "ceil": math.ceil}


@pytest.mark.parametrize("nearest_mode", NEAREST)
@pytest.mark.parametrize("transformation", ["half_pixel", "asymmetric"])
@pytest.mark.parametrize("n, out", [(1, 3), (2, 6), (6, 2), (7, 3), (3, 7), (49, 7), (7, 49), (10, 4),
                                    (1, 1)])
def test_nearest_takes_the_pixel_of_exact_arithmetic(n, out, transformation, nearest_mode):
    y = run("Resize", np.arange(n), None, None, ints(out), opset=13, nearest_mode=nearest_mode,
            coordinate_transformation_mode=transformation)
    at = [Fraction(x * n, out) if transformation == "asymmetric" else (x + HALF) * n / out - HALF
          for x in range(out)]
    assert y.tolist() == [min(max(NEAREST[nearest_mode](v), 0), n - 1) for v in at]


@pytest.mark.parametrize("n, scale, expected", [(9, 1 / 3, [0, 3, 6]), (10, 1 / 3, [0, 3, 6]),
                                                (21, 1 / 7, [0, 7, 14]), (3, 4 / 3, [0, 0, 1, 2])])
def test_a_scale_is_meant_as_the_fraction_it_is_the_float32_of(n, scale, expected):
    y = run("Resize", np.arange(n), None, np.float32([scale]), opset=13, nearest_mode="floor",
            coordinate_transformation_mode="asymmetric")
    assert y.tolist() == expected


def test_the_middle_of_a_symmetric_picture_is_a_pixel():
    y = run("Resize", np.arange(5, dtype=np.float32).reshape(1, 1, 5, 1), None, np.float32([1, 1, .7, 1]),
            mode="nearest",
            nearest_mode="ceil", coordinate_transformation_mode="half_pixel_symmetric", opset=19)
    assert y.ravel().tolist() == [1, 2, 4]


def test_the_size_is_the_float32_product():
    # 6.9999999 in float64
    assert run("Resize", np.zeros(10), None, np.float32([0.7]), opset=13).shape == (7,)


def test_tf_crop_and_resize():
    x = np.arange(16.0).reshape(4, 4)
    y = run("Resize", x, np.float32([0.5, -0.5, 1.0, 1.0]), None, ints(2, 4), opset=13, mode="linear",
            coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=-7.0)
    # rows at 1.5 and 3; columns at -1.5, 0, 1.5, 3
    np.testing.assert_allclose(y, [[-7, 6, 7.5, 9], [-7, 12, 13.5, 15]])
    refuses_roi = dict(opset=13, coordinate_transformation_mode="tf_crop_and_resize")
    with pytest.raises(ValueError, match="roi of 0"):
        run("Resize", x, None, None, ints(2, 4), **refuses_roi)
    with pytest.raises(ValueError, match="finite"):
        run("Resize", x, np.float32([0, 0, 1, np.nan]), None, ints(2, 4), **refuses_roi)


@pytest.mark.parametrize("policy, expected", [("stretch", (8, 30)), ("not_larger", (8, 16)),
                                              ("not_smaller", (15, 30))])
def test_keep_aspect_ratio_policy(policy, expected):
    x = np.zeros((1, 5, 10), np.float32)
    assert run("Resize", x, None, None, ints(30, 8), opset=18, axes=[2, 1],
               keep_aspect_ratio_policy=policy).shape == (1, *expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_integers_are_rounded_and_clipped(dtype):
    limits = np.iinfo(dtype)
    row = np.array([limits.min, limits.max, limits.min, limits.max], dtype)
    y = run("Resize", row, None, None, ints(11), opset=19, mode="cubic")
    exact = interpolate(row.astype(float), 11, "cubic", "half_pixel")
    assert y.dtype == dtype and abs(y - exact.clip(limits.min, limits.max)).max() <= 0.5
    assert exact.max() > limits.max                                # there was something to clip


def test_float16_and_float32_are_blended_in_float32():
    x = rng.standard_normal((3, 7)).astype(np.float32)
    exact = run("Resize", x.astype(np.float64), None, None, ints(3, 11), opset=19, mode="cubic")
    np.testing.assert_allclose(run("Resize", x, None, None, ints(3, 11), opset=19, mode="cubic"), exact,
                               atol=1e-6)
    y = run("Resize", x.astype(np.float16), None, None, ints(3, 11), opset=19, mode="cubic")
    assert y.dtype == np.float16
    np.testing.assert_allclose(y, exact, atol=4e-3)                # float16 has 11 bits


def test_weights_of_an_axis_sum_to_one():
    for mode, transformation, antialias in itertools.product(("nearest", "linear", "cubic"), MODES, (0, 1)):
        index, weights = resize_axis(7, 3, 3 / 7, mode=mode, coordinate_transformation_mode=transformation,
                                     antialias=antialias)
        assert index.shape == weights.shape and 0 <= index.min() and index.max() < 7
        np.testing.assert_allclose(weights.sum(1), 1)


def test_nothing_in_nothing_out():
    assert run("Resize", np.zeros((1, 0)), None, np.float32([1, 2])).shape == (1, 0)
    assert run("Resize", np.zeros((1, 3)), None, None, ints(1, 0)).shape == (1, 0)
    refuses("0 elements cannot become 5", "Resize", np.zeros((1, 0)), None, None, ints(1, 5))


def test_resize_refuses():
    x = np.zeros((1, 2, 5, 6), np.float32)
    for scale in (0, -1, np.nan, np.inf):
        refuses("positive number", "Resize", x, None, np.float32([1, 1, scale, 2]))
    refuses("GiB", "Resize", x, None, np.float32([1, 1, 3e38, 1]), error=LimitError)
    refuses("GiB", "Resize", x, None, None, ints(1, 2, 2**62, 2**62), error=LimitError)
    refuses("cannot become -1", "Resize", x, None, None, ints(1, 2, -1, 5))
    refuses("2 sizes for 4 axes", "Resize", x, None, None, ints(5, 5))
    refuses("either scales or sizes", "Resize", x)
    refuses("either scales or sizes", "Resize", x, None, np.float32([1, 1, 2, 2]), ints(1, 2, 10, 12))
    refuses("float32", "Resize", x, None, ints(1, 1, 2, 2))
    refuses("int64", "Resize", x, None, None, np.float32([1, 2, 5, 5]))
    refuses("twice", "Resize", x, None, np.float32([2, 2]), axes=[2, -2])
    for attribute, value in (("mode", "LINEAR"), ("coordinate_transformation_mode", "half-pixel"),
                             ("nearest_mode", "up"), ("keep_aspect_ratio_policy", "banana")):
        refuses(repr(value), "Resize", x, None, None, ints(1, 2, 5, 5), **{attribute: value})
    refuses("can be blended", "Resize", x > 0, None, np.float32([1, 1, 2, 2]), mode="linear")
    needs_value("Resize", spec(1, 2), None, spec(2))


@pytest.mark.parametrize("opset", [7, 9])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_upsample_as_onnxruntime(opset, mode):
    x = rng.standard_normal((1, 2, 4, 5)).astype(np.float32)
    scales = [1.0, 1.0, 2.0, 1.5]
    inputs, attributes = ((x,), {"scales": scales}) if opset == 7 else ((x, np.float32(scales)), {})
    agrees_with_onnxruntime("Upsample", *inputs, opset=opset, mode=mode, atol=1e-5, **attributes)


def test_upsample_of_opset_1():
    x = np.arange(4.0).reshape(1, 1, 2, 2)
    np.testing.assert_array_equal(run("Upsample", x, opset=1, height_scale=2.0, width_scale=2.0),
                                  x.repeat(2, 2).repeat(2, 3))
    y = run("Upsample", x, opset=1, height_scale=2.0, width_scale=2.0, mode="bilinear")
    assert y[0, 0, 0].tolist() == [0, 0.5, 1, 1]


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("scale", [0.6, 0.5, 1.7, 3.0])
def test_resize_of_opset_10_as_onnxruntime(mode, scale):
    x = rng.standard_normal((1, 2, 7, 10)).astype(np.float32)
    agrees_with_onnxruntime("Resize", x, np.float32([1, 1, scale, scale]), opset=10, mode=mode, atol=1e-5)


@pytest.mark.parametrize("transformation", ["half_pixel", "pytorch_half_pixel", "asymmetric",
                                            "align_corners"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("sizes", [(9, 13), (3, 4), (14, 20), (1, 5)])
def test_resize_as_onnxruntime(mode, transformation, sizes):
    x = rng.standard_normal((1, 2, 7, 10)).astype(np.float32)
    # onnxruntime computes the coordinates in float32
    agrees_with_onnxruntime("Resize", x, None, None, ints(1, 2, *sizes), opset=19, mode=mode,
                            coordinate_transformation_mode=transformation, atol=1e-5)
