"""Conv and ConvTranspose against the standard's cases and against loops over single numbers."""
import backend_cases
import naive_windows
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from naive_windows import windows
from one_node import agrees_with_onnxruntime, infer, refuses, run, spec

from cinfer.errors import LimitError
from cinfer.ops import conv

# group, input channels of each, output channels of each
groups = st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 3))


def numbers(*shape, seed=0, dtype=np.float32) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


@pytest.mark.parametrize("case", backend_cases.of("Conv", "ConvTranspose"))
def test_backend_case(case):
    backend_cases.check(case)


@given(windows(), groups, st.booleans(), st.sampled_from([1, conv.COLUMN_BYTES]))
@settings(max_examples=60, deadline=None)
def test_conv_is_the_sum_over_each_window(case, channels, with_bias, column_bytes):
    (sizes, window), (group, ic, oc) = case, channels
    x = numbers(2, group * ic, *sizes, dtype=np.float64)
    w = numbers(group * oc, ic, *window.kernel, dtype=np.float64)
    b = numbers(group * oc, dtype=np.float64) if with_bias else None
    before, conv.COLUMN_BYTES = conv.COLUMN_BYTES, column_bytes         # 1: tap by tap
    try:
        y = run("Conv", x, w, b, group=group, **window.attributes)
    finally:
        conv.COLUMN_BYTES = before
    expected = naive_windows.convolve(x, w, window, group)
    if with_bias:
        expected += b.reshape(-1, *(1,) * len(sizes))
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)     # float64, at most 32 products


@given(windows(), groups, st.integers(0, 2))
@settings(max_examples=60, deadline=None)
def test_conv_transpose_adds_a_kernel_for_each_element(case, channels, output_padding):
    (sizes, window), (group, ic, oc) = case, channels
    outs = [(size - 1) * s + output_padding + (k - 1) * d + 1 - b - e for size, s, k, d, b, e in
            zip(sizes, window.strides, window.kernel, window.dilations, window.begins, window.ends)]
    x = numbers(2, group * ic, *sizes, dtype=np.float64)
    w = numbers(group * ic, oc, *window.kernel, dtype=np.float64)
    attributes = dict(window.attributes, group=group, output_padding=[output_padding] * len(sizes))
    if min(outs) < 1:
        return refuses("leave", "ConvTranspose", x, w, **attributes)
    expected = naive_windows.convolve_transposed(x, w, window, group, outs)
    np.testing.assert_allclose(run("ConvTranspose", x, w, **attributes), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("strides", [[1, 1], [2, 1]])
def test_auto_pad_as_onnxruntime_has_it(auto_pad, strides):
    x, w = numbers(1, 2, 6, 7), numbers(3, 2, 2, 4)
    attributes = dict(opset=22, auto_pad=auto_pad, strides=strides, atol=1e-5)
    agrees_with_onnxruntime("Conv", x, w, **attributes)
    agrees_with_onnxruntime("ConvTranspose", numbers(1, 3, 4, 5), w, **attributes)


@pytest.mark.parametrize("output_shape", [[9, 10], [8, 9], [7, 11]])
@pytest.mark.parametrize("auto_pad", ["NOTSET", "SAME_UPPER"])
def test_output_shape_as_onnxruntime_has_it(auto_pad, output_shape):
    agrees_with_onnxruntime("ConvTranspose", numbers(1, 3, 4, 5), numbers(3, 2, 3, 3), opset=22,
                            strides=[2, 2], auto_pad=auto_pad, output_shape=output_shape, atol=1e-5)


def test_float16_is_rounded_once():
    # 2048 + 1 is 2048 in float16: adding one by one in float16 would stay there
    x = np.concatenate([np.full((1, 1, 1), 2048), np.ones((1, 1, 64))], 2).astype(np.float16)
    assert run("Conv", x, np.ones((1, 1, 65), np.float16)).tolist() == [[[2112]]]


def test_a_batch_of_nothing():
    assert run("Conv", numbers(0, 2, 5, 5), numbers(3, 2, 3, 3)).shape == (0, 3, 3, 3)
    assert run("ConvTranspose", numbers(0, 3, 5, 5), numbers(3, 2, 3, 3)).shape == (0, 2, 7, 7)


@pytest.mark.parametrize("message, x, w, attributes", [
    ("x has 3 channels, w takes 4 (group 1)", (1, 3, 5, 5), (2, 4, 3, 3), {}),
    ("x has 4 channels, w takes 8 (group 2)", (1, 4, 5, 5), (2, 4, 3, 3), dict(group=2)),
    ("does not divide into 2 groups", (1, 4, 5, 5), (3, 2, 3, 3), dict(group=2)),
    ("x has 4 axes, w 3", (1, 4, 5, 5), (3, 4, 3), {}), ("x has 2 axes", (1, 4), (3, 4), {}),
    ("group 0; it has to be at least 1", (1, 4, 5, 5), (3, 4, 3, 3), dict(group=0)),
    ("kernel_shape is [2, 2]", (1, 4, 5, 5), (3, 4, 3, 3), dict(kernel_shape=[2, 2])),
    ("does not fit into 5 elements", (1, 4, 5, 5), (3, 4, 6, 3), {})])
def test_conv_refuses_what_does_not_fit(message, x, w, attributes):
    refuses(message, "Conv", numbers(*x), numbers(*w), **attributes)


def test_types_and_bias_have_to_fit():
    x, w = numbers(1, 4, 5, 5), numbers(3, 4, 3, 3)
    refuses("x, w and b are float32 and float64", "Conv", x, w.astype(np.float64))
    refuses("b has shape [4]; it has to be [3]", "Conv", x, w, np.zeros(4, np.float32))
    refuses("b has shape [3]; it has to be [2]", "ConvTranspose", numbers(1, 3, 5, 5), numbers(3, 2, 3, 3),
            np.zeros(3, np.float32))
    refuses("x has 4 channels, w takes 3 (group 1)", "ConvTranspose", x, numbers(3, 2, 3, 3))
    refuses("int32; it has to be float", "Conv", x.astype(np.int32), w.astype(np.int32))


def test_absurd_sizes_are_a_limit():
    refuses("GiB", "Conv", numbers(1, 1, 5), numbers(1, 1, 3), error=LimitError, pads=[10**15, 0])
    refuses("GiB", "ConvTranspose", numbers(1, 1, 5), numbers(1, 1, 3), error=LimitError, strides=[10**15])
    assert infer("Conv", spec(1, 3, 2000, 2000), spec(64, 3, 3, 3))[0].shape == (1, 64, 1998, 1998)
