"""Cast between numbers, bool and strings; the low-precision types are in the backend cases."""
import numpy as np
import pytest
from one_node import infer, refuses, run, spec

from cinfer.errors import ModelError
from cinfer.model.tensors import dtype_of

FLOAT, UINT8, INT8, INT32, INT64, STRING, BOOL, FLOAT16, DOUBLE, UINT64 = 1, 2, 3, 6, 7, 8, 9, 10, 11, 13
FLOAT8E5M2, INT4 = 19, 22


@pytest.mark.parametrize("to, expected", [(INT32, [0, 1, -1, 2, -2]), (INT8, [0, 1, -1, 2, -2]),
                                          (UINT8, [0, 1, 255, 2, 254]),
                                          (BOOL, [True, True, True, True, True])])
def test_floats_are_truncated(to, expected):
    assert run("Cast", np.float32([0.9, 1.5, -1.5, 2.999, -2.5]), to=to).tolist() == expected


def test_bool_is_one_or_zero_and_nan_is_true():
    assert run("Cast", np.array([True, False]), to=FLOAT).tolist() == [1, 0]
    assert run("Cast", np.float32([0, -0.0, np.nan, 1e-45]), to=BOOL).tolist() == [False, False, True, True]


def test_uint64_takes_its_upper_half_from_floats():
    y = run("Cast", np.float64([2.0**63, 2.0**64 - 2048, 7]), to=UINT64)
    assert y.tolist() == [2**63, 2**64 - 2048, 7]


def test_integers_wrap_as_in_c():
    assert run("Cast", np.array([300, -1]), to=UINT8).tolist() == [44, 255]


def test_floats_beyond_the_range_become_infinite():
    assert run("Cast", np.float32([1e6, -1e6]), to=FLOAT16).tolist() == [np.inf, -np.inf]


def test_numbers_to_strings_and_back():
    x = np.float32([0.1, -2, 1e20, np.inf, np.nan])
    text = run("Cast", x, to=STRING)
    assert text.tolist() == ["0.1", "-2.0", "1e+20", "inf", "nan"]
    np.testing.assert_array_equal(run("Cast", text, to=FLOAT), x)
    assert run("Cast", np.array([-5, 7]), to=STRING).tolist() == ["-5", "7"]


def test_strings_to_numbers():
    text = np.array([["1.5", "-INF"], ["+inf", "1e3"]], object)
    assert run("Cast", text, to=DOUBLE).tolist() == [[1.5, -np.inf], [np.inf, 1000]]
    text = np.array(["12", "-3.9", str(2**62 + 1)], object)
    assert run("Cast", text, to=INT64).tolist() == [12, -3, 2**62 + 1]


@pytest.mark.parametrize("text, to", [("cat", FLOAT), ("nan", INT32), ("inf", INT32), ("300", UINT8)])
def test_other_text_is_refused(text, to):
    with pytest.raises(ValueError):
        run("Cast", np.array([text], object), to=to)


EXTENDED = [16, *range(17, 29)]                         # bfloat16, float8, int4, float4, int2, float6


@pytest.mark.parametrize("code", EXTENDED)
def test_types_of_ml_dtypes_are_made_from_each_other_and_from_strings(code):
    """By way of float32, which holds all of their numbers; expected: what ml_dtypes makes of float32."""
    pytest.importorskip("ml_dtypes")
    source = np.float32([1, 1, 1, 0] if code == 24 else [0, 1, 1, 0])[:3].astype(dtype_of(code))
    for to in [FLOAT, FLOAT16, DOUBLE, INT8, UINT8, INT64, UINT64, BOOL, *EXTENDED]:
        y = run("Cast", source, to=to)
        want = source.astype(np.float32)
        if to != 24 or code == 24:
            assert y.dtype == dtype_of(to) and y.astype(np.float32).tolist() == want.tolist(), to
    text = run("Cast", source, to=STRING)
    assert text.tolist() == [str(number) for number in source.astype(np.float32).tolist()]
    assert run("Cast", text, to=code).tobytes() == source.tobytes()


def test_an_unknown_type_is_refused():
    refuses("99", "Cast", np.zeros(1), to=99, error=ModelError)


def test_the_type_by_name_before_opset_6():
    assert run("Cast", np.float32([1.7]), opset=1, to="INT32").dtype == np.int32
    assert run("Cast", np.float32([1.7]), opset=1, to="DOUBLE").dtype == np.float64
    refuses("'float'", "Cast", np.zeros(1), opset=1, to="float")


def test_castlike_takes_the_type_of_the_other():
    assert run("CastLike", np.float32([1.7]), np.zeros((), np.int8)).tolist() == [1]
    assert infer("CastLike", spec(2, 3), spec(dtype=np.int8))[0].dtype == np.int8


def test_float8_saturates_unless_told_not_to():
    pytest.importorskip("ml_dtypes")
    x = np.float32([1e6, -1e6, np.nan])
    np.testing.assert_array_equal(run("Cast", x, to=FLOAT8E5M2).astype(np.float32), [57344, -57344, np.nan])
    np.testing.assert_array_equal(run("Cast", x, to=FLOAT8E5M2, saturate=0).astype(np.float32),
                                  [np.inf, -np.inf, np.nan])


def test_bits_are_kept_by_bitcast():
    x = np.float32([1.0, -0.0])
    assert run("BitCast", x, opset=26, to=INT32).tolist() == [0x3F800000, -2**31]
    refuses("equally many bits", "BitCast", x, opset=26, to=INT64)
    pytest.importorskip("ml_dtypes")
    refuses("equally many bits", "BitCast", np.int8([1]), opset=26, to=INT4)
