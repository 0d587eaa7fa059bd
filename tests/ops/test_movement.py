"""Operators that move elements, against NumPy's slicing, np.pad and the like."""
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from one_node import needs_value, refuses, run, spec

from cinfer.errors import LimitError

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
INT_MAX, INT_MIN = 2**63 - 1, -2**63
sides = st.integers(-6, 6)


def ints(*values):
    return np.array(values, np.int64)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concat(axis):
    y = run("Concat", X, X + 1, X + 2, axis=axis)
    np.testing.assert_array_equal(y, np.concatenate((X, X + 1, X + 2), axis))


def test_concat_of_opset_1_joins_along_axis_1():
    assert run("Concat", X, X, opset=1).shape == (2, 6, 4)


def test_concat_refuses_what_does_not_fit():
    refuses("axis 0 only", "Concat", X, np.zeros((2, 4, 4), np.float32), axis=0)
    refuses("one type", "Concat", X, X.astype(np.float64), axis=0)
    refuses("it has none", "Concat", np.array(1, np.float32), np.array(2, np.float32), axis=0)
    refuses("input 1 of Concat is absent", "Concat", X, None, axis=0)


@pytest.mark.parametrize("opset", [2, 11, 13, 18])
def test_split_by_sizes(opset):
    given_sizes = {"split": [1, 3]} if opset < 13 else {}
    inputs = (X,) if opset < 13 else (X, ints(1, 3))
    a, b = run("Split", *inputs, opset=opset, n_outputs=2, axis=-1, **given_sizes)
    np.testing.assert_array_equal(a, X[..., :1])
    np.testing.assert_array_equal(b, X[..., 1:])
    assert np.shares_memory(X, b)


def test_split_into_equal_parts():
    for opset in (2, 13, 18):
        parts = run("Split", X, opset=opset, n_outputs=2, axis=2)
        assert [p.shape for p in parts] == [(2, 3, 2)] * 2
    refuses("equal parts", "Split", X, opset=13, n_outputs=2, axis=1)


@pytest.mark.parametrize("size, n, expected", [(7, 3, [3, 3, 1]), (6, 3, [2, 2, 2]), (5, 4, [2, 2, 1, 0])])
def test_num_outputs_makes_the_last_parts_smaller(size, n, expected):
    parts = run("Split", np.arange(size), opset=18, n_outputs=n, num_outputs=n)
    assert [p.size for p in parts] == expected
    np.testing.assert_array_equal(np.concatenate(parts), np.arange(size))


@pytest.mark.parametrize("split", [(1, 2), (-1, 5), (4,), (1, 1, 2), (2**62, 2**62)])
def test_split_refuses_other_sums(split):
    refuses("split", "Split", X, ints(*split), n_outputs=2, axis=2)


def test_split_refuses_a_wrong_num_outputs():
    refuses("num_outputs", "Split", X, opset=18, n_outputs=2, axis=2, num_outputs=3)
    refuses("num_outputs", "Split", X, ints(1, 3), opset=18, n_outputs=2, axis=2, num_outputs=2)


@given(sides, sides, st.sampled_from([-3, -2, -1, 1, 2, 3]), st.integers(0, 5))
def test_slice_is_pythons(start, end, step, size):
    """But for a start before the first element that walks backwards: clamped into the axis, says the
    standard, and so does onnxruntime; Python takes nothing."""
    x = np.arange(2 * size).reshape(2, size)
    y = run("Slice", x, ints(start), ints(end), ints(-1), ints(step))
    first = max(start, -size) if step < 0 < size else start
    np.testing.assert_array_equal(y, x[:, first:end:step])


@pytest.mark.parametrize("start, end, step, expected", [
    (INT_MAX, INT_MIN, -1, X[..., ::-1]), (INT_MIN, INT_MAX, 1, X), (-1, INT_MIN, INT_MIN, X[..., -1:]),
    (1, INT_MAX, INT_MAX, X[..., 1:2]), (9, 99, 1, X[..., 4:]), (0, 2**31 - 1, 1, X), (0, 3, -1, X[..., :0])])
def test_slice_clamps_the_ends_that_exporters_write(start, end, step, expected):
    np.testing.assert_array_equal(run("Slice", X, ints(start), ints(end), ints(2), ints(step)), expected)


def test_slice_by_attributes():
    np.testing.assert_array_equal(run("Slice", X, opset=1, starts=[1, 0], ends=[2**31 - 1, -1], axes=[0, 2]),
                                  X[1:, :, :-1])
    np.testing.assert_array_equal(run("Slice", X, opset=9, starts=[1, 2], ends=[9, 9]), X[1:, 2:])


def test_slice_by_int32_and_without_axes():
    i32 = lambda *v: np.array(v, np.int32)
    np.testing.assert_array_equal(run("Slice", X, i32(0, 1), i32(1, 3)), X[:1, 1:3])


def test_slice_refuses():
    refuses("step 0", "Slice", X, ints(0), ints(2), ints(1), ints(0))
    refuses("equally many", "Slice", X, ints(0, 1), ints(2), ints(0, 1))
    refuses("axis 3", "Slice", X, ints(0), ints(1), ints(3))
    refuses("it has none", "Slice", np.array(3, np.float32), ints(0), ints(1))
    refuses("int64 or int32", "Slice", X, np.float32([0]), np.float32([1]))
    needs_value("Slice", spec(2, 3), ints(0), spec(1, dtype=np.int64))


@given(st.sampled_from(["constant", "edge", "reflect", "wrap"]),
       st.lists(st.integers(-2, 4), min_size=4, max_size=4))
def test_pad_is_numpys_after_cutting(mode, pads):
    x = np.arange(20, dtype=np.float32).reshape(4, 5)
    cut = x[max(0, -pads[0]):4 - max(0, -pads[2]), max(0, -pads[1]):5 - max(0, -pads[3])]
    width = [(max(0, pads[0]), max(0, pads[2])), (max(0, pads[1]), max(0, pads[3]))]
    if mode != "constant" and any(n == 0 and sum(w) for n, w in zip(cut.shape, width)):
        return refuses("no element", "Pad", x, ints(*pads), mode=mode)
    extra = {"constant_values": 7} if mode == "constant" else {}
    expected = np.pad(cut, width, mode, **extra)
    np.testing.assert_array_equal(run("Pad", x, ints(*pads), np.array(7, np.float32), mode=mode), expected)


def test_pad_by_attributes():
    expected = np.pad(X, [(0, 0), (1, 0), (0, 2)], constant_values=5)
    np.testing.assert_array_equal(run("Pad", X, opset=2, pads=[0, 1, 0, 0, 0, 2], value=5.0), expected)
    np.testing.assert_array_equal(run("Pad", X, opset=1, paddings=[0, 1, 0, 0, 0, 2], value=5.0), expected)


def test_pad_of_some_axes():
    np.testing.assert_array_equal(run("Pad", X, ints(1, 2), None, ints(-2)),
                                  np.pad(X, [(0, 0), (1, 2), (0, 0)]))


def test_pad_refuses():
    refuses("two for each", "Pad", X, ints(0, 0, 0))
    refuses("cut more", "Pad", X, ints(0, 0, -3, 0, 0, -2))
    refuses("mode 'CONSTANT'", "Pad", X, ints(*[1] * 6), mode="CONSTANT")
    refuses("one number", "Pad", X, ints(*[1] * 6), np.float32([1, 2]))
    refuses("one type", "Pad", X, ints(*[1] * 6), np.array(1, np.float64))
    refuses("GiB", "Pad", X, ints(2**62, 0, 0, 2**62, 0, 0), error=LimitError)
    refuses("twice", "Pad", X, ints(1, 1, 1, 1), None, ints(1, 1))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=4))
def test_tile_is_numpys(pairs):
    x = np.arange(np.prod([n for n, _ in pairs])).reshape([n for n, _ in pairs])
    repeats = ints(*(r for _, r in pairs))
    np.testing.assert_array_equal(run("Tile", x, repeats), np.tile(x, repeats))


def test_tile_of_opset_1_repeats_one_axis():
    np.testing.assert_array_equal(run("Tile", X, np.float32([2]), np.float32([1]), opset=1),
                                  np.tile(X, (1, 2, 1)))


def test_tile_refuses():
    refuses("repeats", "Tile", X, ints(1, 1))
    refuses("repeats", "Tile", X, ints(1, -1, 1))
    refuses("GiB", "Tile", X, ints(2**62, 2**62, 4), error=LimitError)


def test_center_crop_pad_keeps_the_middle():
    x = np.arange(5.0)
    np.testing.assert_array_equal(run("CenterCropPad", x, ints(3)), [1, 2, 3])
    np.testing.assert_array_equal(run("CenterCropPad", x, ints(2)), [1, 2])
    np.testing.assert_array_equal(run("CenterCropPad", x, ints(8)), [0, 0, 1, 2, 3, 4, 0, 0])


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space_puts_each_channel_where_the_standard_says(mode):
    b, x = 2, np.arange(2 * 12 * 3 * 5).reshape(2, 12, 3, 5)
    y = run("DepthToSpace", x, blocksize=b, mode=mode)
    assert y.shape == (2, 3, 6, 10)
    for c, i, j in np.ndindex(3, b, b):
        source = (i * b + j) * 3 + c if mode == "DCR" else c * b * b + i * b + j
        np.testing.assert_array_equal(y[:, c, i::b, j::b], x[:, source])


def test_space_to_depth_undoes_depth_to_space():
    x = np.arange(2 * 12 * 3 * 5).reshape(2, 12, 3, 5)
    np.testing.assert_array_equal(run("SpaceToDepth", run("DepthToSpace", x, blocksize=2), blocksize=2), x)


@pytest.mark.parametrize("blocksize", [0, -2, 5, 2**31, INT_MAX, INT_MIN])
def test_blocks_that_do_not_fit_are_refused(blocksize):
    for operator in ("DepthToSpace", "SpaceToDepth"):
        refuses("blocksize", operator, np.zeros((1, 4, 6, 6)), blocksize=blocksize)


@pytest.mark.parametrize("time_axis", [0, 1])
def test_reverse_sequence(time_axis):
    x = np.arange(4 * 3 * 2).reshape((4, 3, 2) if time_axis == 0 else (3, 4, 2))
    lens = ints(0, 2, 4)
    y = run("ReverseSequence", x, lens, time_axis=time_axis, batch_axis=1 - time_axis)
    for sample, n in enumerate(lens):
        a, b = (x[:, sample], y[:, sample]) if time_axis == 0 else (x[sample], y[sample])
        np.testing.assert_array_equal(b, np.concatenate((a[:n][::-1], a[n:])))


def test_reverse_sequence_refuses_lengths_beyond():
    with pytest.raises(ValueError, match="allowed is 0 to 4"):
        run("ReverseSequence", np.zeros((4, 2)), ints(2, 5))
    refuses("have to be 0 and 1", "ReverseSequence", np.zeros((4, 2)), ints(2, 3), time_axis=1, batch_axis=1)


@pytest.mark.parametrize("k", [None, -1, 0, 2, INT_MAX, INT_MIN])
@pytest.mark.parametrize("upper", [0, 1])
def test_trilu(k, upper):
    i, j = np.indices((3, 4))
    keep = j - i >= (k or 0) if upper else j - i <= (k or 0)
    y = run("Trilu", X, None if k is None else np.array(k, np.int64), upper=upper)
    np.testing.assert_array_equal(y, np.where(keep, X, 0))


def test_compress():
    np.testing.assert_array_equal(run("Compress", X, np.array([False, True]), axis=0), X[1:])
    np.testing.assert_array_equal(run("Compress", X, np.array([True, False, True])), [0, 2])
    with pytest.raises(ValueError, match="at most 3 long"):
        run("Compress", X, np.ones(4, bool), axis=1)


@settings(max_examples=50)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_unique_in_order_of_appearance(values):
    x = np.array(values)
    y, first, inverse, counts = run("Unique", x, sorted=0, n_outputs=4)
    assert y.tolist() == list(dict.fromkeys(values))
    assert first.tolist() == [values.index(v) for v in y]
    np.testing.assert_array_equal(y[inverse], x)
    assert counts.tolist() == [values.count(v) for v in y]


@pytest.mark.parametrize("ordered, expected", [(1, [["", "b"], ["a", "b"]]), (0, [["a", "b"], ["", "b"]])])
def test_unique_rows_of_words(ordered, expected):
    x = np.array([["a", "b"], ["", "b"], ["a", "b"]], object)
    for axis, given, want in ((0, x, expected), (1, x.T, np.array(expected, object).T.tolist())):
        y, first, inverse, counts = run("Unique", given, axis=axis, sorted=ordered, n_outputs=4)
        assert y.dtype == object and y.tolist() == want and sorted(first) == [0, 1]
        np.testing.assert_array_equal(np.take(y, inverse, axis), given)
