"""Quantised operators against the standard's cases, hand-computed numbers and integer arithmetic."""
import backend_cases
import naive_windows
import numpy as np
import pytest
from one_node import infer, refuses, run, spec

from cinfer.ops import quantize

CASES = backend_cases.of(*"""
    QuantizeLinear DequantizeLinear DynamicQuantizeLinear QLinearConv QLinearMatMul ConvInteger MatMulInteger
    """.split())


@pytest.mark.parametrize("case", CASES)
def test_backend_case(case):
    backend_cases.check(case)


def scalar(value, dtype=np.float32):
    return np.array(value, dtype)


def bytes_of(*shape, dtype=np.uint8, seed=0) -> np.ndarray:
    limits = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(limits.min, limits.max + 1, shape).astype(dtype)


@pytest.mark.parametrize("dtype, expected", [
    (np.uint8, [0, 2, 2, 4, 3, 255, 0]), (np.int8, [0, 2, 2, 4, 3, 127, -128])])
def test_halves_go_to_the_even_neighbour_and_the_rest_saturates(dtype, expected):
    x = np.float32([-1.25, 0.25, -0.25, 0.75, 0.5, 1e9, -1e9])          # / 0.5 + 2
    assert run("QuantizeLinear", x, scalar(0.5), scalar(2, dtype)).tolist() == expected


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16])
def test_there_and_back_for_each_index_of_an_axis(dtype):
    stored = bytes_of(2, 3, 4, dtype=dtype)
    scale, zero = np.float32([0.5, 2, 0.25]), np.array([1, 0, 7], dtype)
    real = run("DequantizeLinear", stored, scale, zero, axis=1)
    expected = (stored.astype(np.int64) - zero[:, None].astype(np.int64)) * scale[:, None].astype(np.float64)
    np.testing.assert_array_equal(real, expected)
    np.testing.assert_array_equal(run("QuantizeLinear", real, scale, zero, axis=-2), stored)


def test_from_opset_23_on_the_scale_says_in_which_type_is_divided():
    """100 / 0.037109375 is 2694.74, 250.25 by it 6743.58: float16 has even numbers there, and multiples of 4, bfloat16
    multiples of 16 and of 32."""
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    x, zero, half = np.float32([100, 250.25]), scalar(0, np.uint16), scalar(.0371, np.float16)
    assert run("QuantizeLinear", x, half, zero, opset=23).tolist() == [2694, 6744]
    assert run("QuantizeLinear", x, half, zero, opset=23, precision=1).tolist() == [2695, 6744]
    assert run("QuantizeLinear", x.astype(np.float16), half, zero, opset=21).tolist() == [2695, 6744]
    assert run("QuantizeLinear", x, scalar(.0371, bfloat16), zero, opset=23).tolist() == [2688, 6752]
    assert run("QuantizeLinear", x, half.astype(np.float32), zero, opset=23).tolist() == [2695, 6744]


def test_blocks():
    x = np.arange(10, dtype=np.float32).reshape(2, 5)
    scale = np.float32([[1, 2, 4], [0.5, 1, 2]])
    each = scale.repeat(2, 1)[:, :5]
    y = run("QuantizeLinear", x, scale, np.ones((2, 3), np.uint8), axis=1, block_size=2)
    np.testing.assert_array_equal(y, np.rint(x / each) + 1)
    np.testing.assert_array_equal(run("DequantizeLinear", y, scale, np.ones((2, 3), np.uint8), axis=1,
                                      block_size=2),
                                  (y - 1.0) * each)
    refuses("the scale of blocks of 3 has shape [2, 3]; it has to be [2, 2]", "QuantizeLinear", x, scale,
            axis=1, block_size=3)
    refuses("of blocks of -1", "DequantizeLinear", y, scale, axis=1, block_size=-1)


def test_types_of_the_answer():
    x = np.float32([1])
    assert infer("QuantizeLinear", x, scalar(1))[0].dtype == np.uint8
    assert run("QuantizeLinear", x, scalar(1), output_dtype=5).dtype == np.int16
    assert run("DequantizeLinear", np.uint8([3]), scalar(2, np.float16)).dtype == np.float16
    assert run("DequantizeLinear", np.uint8([3]), scalar(2), output_dtype=10, opset=23).dtype == np.float16
    refuses("output_dtype is int16, the zero point int8", "QuantizeLinear", x, scalar(1), scalar(0, np.int8),
            output_dtype=5)


def test_what_is_not_quantised_is_not_dequantised():
    refuses("x is float32, which is not quantised", "DequantizeLinear", np.float32([3]), scalar(2))
    refuses("x and its zero point are uint8 and int8", "DequantizeLinear", np.uint8([3]), scalar(2),
            scalar(0, np.int8))


def test_scales_that_do_not_fit():
    x = np.zeros((2, 3, 4), np.float32)
    refuses("the scale along axis 1 has shape [4]; it has to be [3]", "QuantizeLinear", x,
            np.ones(4, np.float32))
    refuses("axis 3 of a tensor of 3 axes", "QuantizeLinear", x, np.ones(4, np.float32), axis=3)
    refuses("they have to be the same", "QuantizeLinear", x, np.ones(3, np.float32), np.zeros(2, np.uint8))
    assert run("QuantizeLinear", np.zeros(3, np.float32), np.ones(3, np.float32)).shape == (3,)


@pytest.mark.parametrize("low, high", [(-1, 3), (0, 5), (2, 5), (-4, -1), (0, 0)])
def test_a_dynamic_range_holds_zero(low, high):
    x = np.linspace(low, high, 7, dtype=np.float32)
    y, scale, zero = run("DynamicQuantizeLinear", x, n_outputs=3)
    assert scale == (np.float32((max(high, 0) - min(low, 0)) / 255) or 1)
    # half a step of rounding for the number, half for the zero point
    np.testing.assert_allclose((y.astype(np.float32) - zero) * scale, x, atol=scale * 1.01)
    assert run("DynamicQuantizeLinear", np.zeros((0, 3), np.float32), n_outputs=3)[0].shape == (0, 3)


@pytest.mark.parametrize("terms, dtype", [(258, np.float32), (259, np.float64), (10**6, np.float64)])
def test_sums_of_products_are_exact(terms, dtype):
    assert quantize.exact_dtype(terms) == dtype
    a, b = np.full((1, terms), 255, np.uint8), np.full((terms, 2), -128, np.int8)
    b[0] = 127
    assert run("MatMulInteger", a, b, scalar(0, np.uint8), scalar(127, np.int8)).tolist() == \
        [[np.int64(255 * -255 * (terms - 1)).astype(np.int32)] * 2]


A, B, KERNEL = scalar(0, np.uint8), scalar(0, np.int8), np.ones((2, 3, 1, 1), np.int8)


@pytest.mark.parametrize("op_type, inputs", [
    ("MatMulInteger", lambda x, w: (x[0, 0], w[:, :2, 0, 0], scalar(0, np.int16))),
    ("MatMulInteger", lambda x, w: (x[0, 0], w[:, :2, 0, 0], A, A)),
    ("ConvInteger", lambda x, w: (x, w, B)), ("ConvInteger", lambda x, w: (x, w, A, scalar(0, np.int16))),
    ("QLinearConv", lambda x, w: (x, scalar(.1), B, w, scalar(.1), B, scalar(.1), A)),
    ("QLinearConv", lambda x, w: (x, scalar(.1), A, w, scalar(.1), A, scalar(.1), A)),
    ("QLinearMatMul", lambda x, w: (x[0, 0], scalar(.1), A, w[:, :2, 0, 0], scalar(.1), A, scalar(.1), A))])
def test_zero_points_of_another_type_are_refused(op_type, inputs):
    """Kernels read them as what they should be."""
    with pytest.raises(ValueError, match="numbers and their zero point are u?int8 and u?int(8|16); they have to be of"):
        run(op_type, *inputs(bytes_of(1, 3, 2, 2), KERNEL))


@pytest.mark.parametrize("a_zero, b_zero", [
    (None, None), (3, 5), ([1], [2]), ([1, 2], [3, 4, 5, 6]), ([[1], [2]], [[3, 4, 5, 6]])])
def test_zero_points_of_rows_and_columns(a_zero, b_zero):
    a, b = bytes_of(2, 7), bytes_of(7, 4, dtype=np.int8)
    expected = a.astype(np.int64), b.astype(np.int64)
    inputs = [a, b]
    if a_zero is not None:
        inputs += [np.array(a_zero, np.uint8), np.array(b_zero, np.int8)]
        rows = np.array(a_zero).reshape(-1, 1)
        expected = expected[0] - rows, expected[1] - np.array(b_zero)
    np.testing.assert_array_equal(run("MatMulInteger", *inputs), expected[0] @ expected[1])


def test_zero_points_that_do_not_fit():
    a, b = bytes_of(2, 7), bytes_of(7, 4)
    refuses("for a of shape [2, 7]; it has to be a scalar or [2]", "MatMulInteger", a, b,
            np.zeros(7, np.uint8))
    refuses("for b of shape [7, 4]; it has to be a scalar or [4]", "MatMulInteger", a, b, None,
            np.zeros(7, np.uint8))
    refuses("A is int16; it has to be int8 or uint8", "MatMulInteger", a.astype(np.int16), b)
    refuses("w_zero_point has shape [2]; it has to be a scalar or [4]", "ConvInteger", bytes_of(1, 2, 5),
            bytes_of(4, 2, 3), None, np.zeros(2, np.uint8))
    refuses("x_zero_point has shape [2]; it has to be a scalar", "ConvInteger", bytes_of(1, 2, 5),
            bytes_of(4, 2, 3), np.zeros(2, np.uint8))


WINDOW = naive_windows.Window([3, 2], [2, 1], [1, 2], [1, 1], [0, 1])


@pytest.mark.parametrize("w_zero", [4, [1, 2, 3, 4]])
def test_padding_is_the_zero_point(w_zero):
    x, w = bytes_of(1, 4, 5, 6), bytes_of(4, 2, 3, 2, seed=1)
    w_zero = np.array(w_zero, np.uint8)
    y = run("ConvInteger", x, w, scalar(200, np.uint8), w_zero, group=2, **WINDOW.attributes)
    expected = naive_windows.convolve(x.astype(np.int64) - 200,
                                      w.astype(np.int64) - w_zero.reshape(-1, 1, 1, 1), WINDOW, 2)
    assert y.dtype == np.int32
    np.testing.assert_array_equal(y, expected)


def test_qlinearconv_rounds_exact_sums():
    x, w = bytes_of(1, 4, 5, 6), bytes_of(4, 2, 3, 2, dtype=np.int8, seed=1)
    b = np.int32([2**24 + 1, -1000, 0, 7])
    w_scale, y_scale = np.float32([2**-8, 2**-9, 2**-10, 2**-11]), 2**-3        # their products are exact
    y = run("QLinearConv", x, scalar(0.5), scalar(120, np.uint8), w, w_scale, np.zeros(4, np.int8),
            scalar(y_scale), scalar(100, np.uint8), b, group=2, **WINDOW.attributes)
    total = naive_windows.convolve(x.astype(np.int64) - 120, w.astype(np.int64), WINDOW, 2)
    real = (total + b.reshape(-1, 1, 1)) * 0.5 * w_scale.reshape(-1, 1, 1) / y_scale
    np.testing.assert_array_equal(y, np.clip(np.rint(real) + 100, 0, 255))


def test_types_and_sizes_of_qlinearconv():
    inputs = [bytes_of(1, 4, 5), scalar(1), scalar(0, np.uint8), bytes_of(3, 4, 2), scalar(1),
              scalar(0, np.uint8), scalar(1), scalar(0, np.uint8)]
    assert run("QLinearConv", *inputs).shape == (1, 3, 4)
    refuses("w_scale has shape [4]; it has to be a scalar or [3]", "QLinearConv", *inputs[:4],
            np.ones(4, np.float32), *inputs[5:])
    refuses("B has shape [4]; it has to be [3]", "QLinearConv", *inputs, np.zeros(4, np.int32))
    refuses("y_scale has shape [3]; it has to be a scalar", "QLinearConv", *inputs[:6],
            np.ones(3, np.float32), inputs[7])
    assert infer("ConvInteger", spec(1, 3, 2000, 2000, dtype=np.uint8),
                 spec(8, 3, 3, 3, dtype=np.int8))[0].shape == \
        (1, 8, 1998, 1998)
