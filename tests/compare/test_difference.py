"""How far one value is from another, against NumPy and by hand."""
import numpy as np
import pytest

import cinfer
from cinfer.compare import difference
from cinfer.compare.difference import Difference

NAN, INF = float("nan"), float("inf")


def compared(got, wanted, tolerance=None):
    found = Difference(tolerance)
    found.see(wanted)
    found.add(got, wanted)
    return found


@pytest.mark.parametrize("piece", [1, 7, 1 << 18])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats(monkeypatch, dtype, piece):
    monkeypatch.setattr(difference, "PIECE", piece)
    rng = np.random.default_rng(3)
    wanted = rng.normal(size=(2, 3, 5)).astype(dtype)
    got = wanted.copy()
    got[1, 0, 4] += dtype(.5)
    got[0, 2, 1] -= dtype(.25)
    found, off = compared(got, wanted, .01), got.astype(np.float64) - wanted
    scale = float(np.abs(wanted).max())
    assert found.largest == np.abs(off).max() and found.where == (1, 0, 4) and found.scale == scale
    assert found.of_scale == pytest.approx(found.largest / scale)
    assert found.rms == pytest.approx(np.sqrt(np.square(off).mean()) / scale)
    assert (found.differing, found.count, found.odd) == (2, 30, 0)
    assert found.shape == (2, 3, 5) and found.dtypes == (np.dtype(dtype).name,) * 2


def test_the_tolerance_is_of_the_scale():
    wanted = np.float32([100, 1, 0])
    for off, differing in ((.009, 0), (.011, 1)):
        assert compared(wanted + np.float32([0, off, 0]), wanted).differing == differing        # 1e-4 of 100
        assert compared(wanted + np.float32([0, off, 0]), wanted, 0).differing == 1


def test_scale_1_where_all_is_zero():
    zeros = np.zeros((2, 2), np.float32)
    same, other = compared(zeros, zeros), compared(zeros + np.float32(.25), zeros)
    assert same.of_scale == 0 and same.differing == 0 and same.where is None
    assert other.of_scale == .25 and other.rms == .25 and other.differing == 4
    assert compared(zeros + np.float32(1e-5), zeros).differing == 0


@pytest.mark.parametrize("got, wanted, odd, where", [
    ([1, NAN, INF, -INF], [1, NAN, INF, -INF], 0, None), ([1, NAN, 3, 4], [1, 2, 3, 4], 1, (1,)),
    ([1, 2, 3, INF], [1, 2, 3, -INF], 1, (3,)), ([1, 2, INF, 9], [1, 2, NAN, 4], 1, (2,)),
    ([NAN, NAN], [0, 0], 2, (0,)), ([NAN], [NAN], 0, None)])
def test_numbers_that_are_none(got, wanted, odd, where):
    found = compared(np.float32(got), np.float32(wanted))
    assert found.odd == odd and found.where == where and found.differing == odd + (9 in got)
    assert found.rms is None or np.isfinite(found.rms)
    assert found.scale == max([abs(x) for x in wanted if np.isfinite(x)], default=0)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint32, np.int64, np.uint64])
def test_integers_are_exact(dtype):
    limits = np.iinfo(dtype)
    wanted, got = np.array([[limits.min, 3]], dtype), np.array([[limits.max, 3]], dtype)
    found = compared(got, wanted)
    assert found.largest == limits.max - limits.min and isinstance(found.largest, int) and found.where == (0, 0)
    assert found.differing == 1 and compared(wanted, wanted).differing == 0
    one_off = compared(np.array([200 - 73, 3], dtype), np.array([200 - 74, 3], dtype))
    assert one_off.largest == 1 and one_off.differing == 1                                      # of 126: 0.8 %
    assert compared(np.array([200 - 73, 3], dtype), np.array([200 - 74, 3], dtype), .01).differing == 0


def test_truth_values_and_mixed_types():
    found = compared(np.array([True, False]), np.array([True, True]))
    assert found.largest == 1 and found.where == (1,) and found.differing == 1 and found.dtypes == ("bool", "bool")
    found = compared(np.int64([5, 7]), np.int32([5, 9]))
    assert found.largest == 2 and found.dtypes == ("int64", "int32")
    found = compared(np.uint64([5, 7]), np.int64([-5, 7]))
    assert found.largest == 10 and found.differing == 1
    assert compared(np.int32([5, 7]), np.float32([5, 7.5])).largest == .5


def test_types_that_numpy_lacks():
    dtypes = pytest.importorskip("ml_dtypes")
    found = compared(np.float32([1, 2]).astype(dtypes.bfloat16), np.float32([1, 2.5]).astype(dtypes.bfloat16))
    assert found.largest == .5 and found.dtypes == ("bfloat16", "bfloat16")
    found = compared(np.int8([1, -8]).astype(dtypes.int4), np.int8([1, 7]).astype(dtypes.int4))
    assert found.largest == 15 and found.scale == 7 and found.where == (1,)
    found = compared(np.float32([1, 2]).astype(dtypes.float8_e4m3fn), np.float32([1, 2]))
    assert found.differing == 0


def test_texts():
    for dtype in (object, str):
        found = compared(np.array([["a", "b"], ["c", "d"]], object), np.array([["a", "b"], ["x", "y"]], dtype))
        assert found.largest is found.of_scale is found.rms is None
        assert found.where == (1, 0) and found.differing == 2 and found.dtypes == ("string", "string")
    assert compared(np.array("a", object), np.array("a", object)).differing == 0


def test_scalars_and_nothing():
    found = compared(np.float32(3), np.float32(2))
    assert found.where == () and found.largest == 1 and found.shape == ()
    for empty in (np.zeros((3, 0), np.float32), np.zeros(0, np.int64), np.zeros((0, 2), object)):
        found = compared(empty, empty)
        assert found.differing == found.count == 0 and found.largest is None and found.shape == empty.shape
    assert compared(None, None).differing == 0


def test_lists_of_tensors():
    wanted = [np.float32([1, 2]), np.float32([[3]])]
    found = compared([np.float32([1, 2]), np.float32([[7]])], wanted)
    assert found.where == (1, 0, 0) and found.largest == 4 and found.count == 3 and found.dtypes == ("list of",) * 2


@pytest.mark.parametrize("got, wanted, words", [
    (np.zeros((1, 2), np.float32), np.zeros(2, np.float32), "it is float32 1x2, the reference float32 2"),
    (np.zeros(2, np.float32), np.zeros(2, object), "it is float32 2, the reference string 2"),
    (np.zeros(2, np.float32), None, "it is float32 2, the reference empty"),
    ([np.zeros(2)], [], "it is a list of 1, the reference a list of 0"),
    ([np.zeros(2)], [np.zeros(3)], "it is float64 2, the reference float64 3"),
    (np.zeros(2, "V3"), np.zeros(2, "V3"), "cannot be compared"),
    (np.zeros(2, "M8[s]"), np.zeros(2, "M8[s]"), "cannot be compared")])
def test_what_cannot_be_compared(got, wanted, words):
    with pytest.raises(cinfer.InputError, match=words):
        compared(got, wanted)


def test_several_inputs_have_one_scale():
    """The scale is the largest number of all; the largest difference says of which input it is."""
    wanted, got = [np.float32([1, -8]), np.float32([2, 1])], [np.float32([1, -8]), np.float32([2, 1.5])]
    found = Difference(.1)
    for each in wanted:
        found.see(each)
    for number, pair in enumerate(zip(got, wanted)):
        found.add(*pair, number)
    assert found.scale == 8 and found.of_input == 1 and found.where == (1,) and found.count == 4
    assert found.differing == 0 and found.of_scale == .5 / 8 and found.rms == pytest.approx(np.sqrt(.25 / 4) / 8)


def test_sizes_that_differ_from_input_to_input():
    found = Difference(None)
    for number, shape in enumerate([(1, 3, 4), (1, 5, 4), (2, 5, 4)]):
        found.add(np.zeros(shape), np.zeros(shape), number)
    assert found.shape == (None, None, 4)
    found.add(np.zeros(3), np.zeros(3))
    found.add(np.zeros((1, 3, 4)), np.zeros((1, 3, 4)))
    assert found.shape is None


def test_the_largest_numbers_there_are():
    found = compared(np.array([1.7e308]), np.array([-1.7e308]))
    assert found.largest == INF and found.differing == 1 and found.odd == 0
