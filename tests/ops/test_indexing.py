"""Gather, Scatter and their kin, TopK, OneHot, NonZero against loops written from the standard."""
import numpy as np
import pytest
from hypothesis import given, strategies as st
from one_node import needs_value, onnxruntime_runs, refuses, run, spec

from cinfer.errors import LimitError

rng = np.random.default_rng(5)
X = rng.standard_normal((4, 3, 5)).astype(np.float32)


def ints(*values):
    return np.array(values, np.int64)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("indices", [np.array(-1), ints(0, 2, -3), ints(0, 1, 2, 2).reshape(2, 2),
                                     np.zeros((0, 2), np.int32)])
def test_gather(axis, indices):
    np.testing.assert_array_equal(run("Gather", X, indices.astype(np.int64), axis=axis),
                                  np.take(X, indices, axis))


def test_gather_of_one_element_is_an_array():
    assert run("Gather", ints(7, 8, 9), np.array(1)).shape == ()


@pytest.mark.parametrize("index", [4, -5, 2**31 - 1, 2**32, 2**63 - 1, -2**63])
def test_indices_out_of_range_are_refused(index):
    x = X[:, :, 0].copy()
    for operator, inputs in (("Gather", (x, ints(0, index))),
                             ("GatherElements", (x, ints(0, index, 1).reshape(1, 3))),
                             ("GatherND", (x, ints(0, 0, index, 0).reshape(2, 2))),
                             ("ScatterElements", (x, ints(0, index, 1).reshape(1, 3), x[:1])),
                             ("ScatterND", (x, ints(index).reshape(1, 1), x[:1]))):
        with pytest.raises(ValueError, match=f"index {index} into axis 0 of size 4"):
            run(operator, *inputs)


def test_gather_refuses():
    refuses("it has none", "Gather", np.array(1.0), ints(0))
    refuses("int64 or int32", "Gather", X, np.float32([0]))
    refuses("of size 0", "Gather", np.zeros((0, 3)), ints(0))
    refuses("index 4 into axis 0 of size 4", "Gather", X, ints(0, 4))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_gather_elements_may_be_smaller_beside_the_axis(axis):
    shape = (2, 2, 3)
    indices = rng.integers(-X.shape[axis], X.shape[axis], shape)
    y = run("GatherElements", X, indices, axis=axis)
    for at in np.ndindex(shape):
        source = list(at)
        source[axis] = indices[at]
        assert y[at] == X[tuple(source)]
    refuses("may not be larger", "GatherElements", X, np.zeros((9, 9, 9), np.int64), axis=axis)


@pytest.mark.parametrize("batch_dims, shape", [(0, (2, 2)), (0, (2, 1, 3)), (1, (4, 1)), (1, (4, 2, 2)),
                                               (2, (4, 3, 1))])
def test_gather_nd(batch_dims, shape):
    indices = np.stack([rng.integers(-d, d, shape[:-1]) for d in X.shape[batch_dims:batch_dims + shape[-1]]],
                       -1)
    y = run("GatherND", X, indices, batch_dims=batch_dims)
    for at in np.ndindex(shape[:-1]):
        np.testing.assert_array_equal(y[at], X[at[:batch_dims] + tuple(indices[at])])


def test_gather_nd_refuses():
    refuses("batch_dims 1", "GatherND", X, ints(0, 1, 2).reshape(3, 1), batch_dims=1)
    refuses("batch_dims -1", "GatherND", X, ints(0).reshape(1, 1), batch_dims=-1)
    refuses("the last size", "GatherND", X, np.zeros((1, 4), np.int64))
    refuses("the last size", "GatherND", X, np.array(0))


COMBINE = {"none": lambda a, b: b, "add": lambda a, b: a + b, "mul": lambda a, b: a * b, "max": max,
           "min": min}


@pytest.mark.parametrize("reduction", COMBINE)
@pytest.mark.parametrize("axis", [0, -1])
def test_scatter_elements_in_order(reduction, axis):
    x, shape = X.astype(np.float64), (4, 2, 3)
    indices, updates = rng.integers(-4, 4, shape), rng.standard_normal(shape)
    expected = x.copy()
    for at in np.ndindex(shape):
        where = list(at)
        where[axis] = indices[at]
        expected[tuple(where)] = COMBINE[reduction](expected[tuple(where)], updates[at])
    y = run("ScatterElements", x, indices, updates, opset=18, axis=axis, reduction=reduction)
    np.testing.assert_allclose(y, expected, rtol=1e-14)       # the same operations in the same order
    if reduction == "none":
        np.testing.assert_array_equal(run("Scatter", x, indices, updates, opset=10, axis=axis), expected)


@pytest.mark.parametrize("reduction", COMBINE)
def test_scatter_nd_in_order(reduction):
    x = rng.standard_normal((4, 3, 2))
    indices, updates = rng.integers(-3, 3, (6, 2)), rng.standard_normal((6, 2))
    expected = x.copy()
    for where, update in zip(indices, updates):
        for k in range(2):
            expected[where[0], where[1], k] = COMBINE[reduction](expected[where[0], where[1], k], update[k])
    y = run("ScatterND", x, indices, updates, opset=18, reduction=reduction)
    np.testing.assert_allclose(y, expected, rtol=1e-14)


def test_scatter_refuses():
    one = ints(0).reshape(1, 1)
    x = X[:, :, 0].copy()
    refuses("updates of shape", "ScatterND", x, one, np.zeros((1, 2), np.float32))
    refuses("one type", "ScatterND", x, one, np.zeros((1, 3)))
    refuses("reduction 'banana'", "ScatterND", x, one, x[:1], opset=16, reduction="banana")
    refuses("updates of shape", "ScatterElements", x, one, x[:1])
    refuses("may not be larger", "ScatterElements", x, np.zeros((1, 5), np.int64),
            np.zeros((1, 5), np.float32))


@pytest.mark.parametrize("mode, start", [("linear", [0, 2, 3]), ("circular", [4, 0, 3])])
def test_tensor_scatter(mode, start):
    past, update = rng.standard_normal((3, 2, 5, 2)), rng.standard_normal((3, 2, 2, 2))
    expected = past.copy()
    for b in range(3):
        for i in range(2):
            expected[b, :, (start[b] + i) % 5] = update[b, :, i]
    np.testing.assert_array_equal(run("TensorScatter", past, update, ints(*start), opset=24, mode=mode),
                                  expected)
    if mode == "linear":
        with pytest.raises(ValueError, match="index 5"):
            run("TensorScatter", past, update, ints(0, 0, 4), opset=24)
    with pytest.raises(ValueError, match="negative"):
        run("TensorScatter", past, update, ints(0, -1, 0), opset=24, mode=mode)


rows = st.lists(st.integers(-3, 3), min_size=1, max_size=9)


@given(rows, st.data())
def test_topk_takes_the_lower_index_of_equal_values(row, data):
    k = data.draw(st.integers(0, len(row)))
    for largest in (0, 1):
        values, indices = run("TopK", np.float32([row, row]), ints(k), n_outputs=2, largest=largest)
        order = sorted(range(len(row)), key=lambda i: (-row[i] if largest else row[i], i))[:k]
        assert indices.tolist() == [order, order]
        assert values.tolist() == [[row[i] for i in order]] * 2


@pytest.mark.parametrize("largest", [0, 1])
@pytest.mark.parametrize("k", [0, 1, 60])
@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8])
def test_topk_of_long_rows_is_the_head_of_the_sorted_row(k, largest, dtype):
    x = rng.integers(0, 50, (2, 2000, 3)).astype(dtype)           # many equal values
    values, indices = run("TopK", x, ints(k), n_outputs=2, axis=1, largest=largest)
    key = -x.astype(np.int64) if largest else x.astype(np.int64)
    expected = np.argsort(key, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(indices, expected)
    np.testing.assert_array_equal(values, np.take_along_axis(x, expected, 1))


def test_topk_counts_nan_as_largest():
    x = np.float32([1, np.nan, 3, np.inf] + [0] * 600)
    assert run("TopK", x, ints(3), n_outputs=2)[1].tolist() == [1, 3, 2]


def test_topk_before_opset_10_has_k_as_attribute():
    values, indices = run("TopK", np.float32([3, 9, 4]), opset=1, n_outputs=2, k=2)
    assert values.tolist() == [9, 4] and indices.tolist() == [1, 2]


def test_topk_refuses():
    for k in (-1, 6, 2**63 - 1):
        refuses(f"k is {k}", "TopK", X, ints(k), n_outputs=2)
    refuses("k has 2 elements", "TopK", X, ints(1, 2), n_outputs=2)
    refuses("int64", "TopK", X, np.float32([1]), n_outputs=2)
    refuses("it has none", "TopK", np.array(1.0), ints(1), n_outputs=2)
    needs_value("TopK", X, spec(1, dtype=np.int64), n_outputs=2)


@pytest.mark.parametrize("axis", [0, 1, -1, -2])
@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.float32])
def test_onehot(axis, dtype):
    indices = np.array([[0, -1], [3, 4], [-5, 2]], dtype)         # 4 and -5 are out of range: off everywhere
    y = run("OneHot", indices, np.array(4), np.float32([0.5, 7]), axis=axis)
    y = np.moveaxis(y, axis, -1)
    for at in np.ndindex(3, 2):
        i = int(indices[at])
        assert y[at].tolist() == [7 if c in (i, i + 4) and -4 <= i < 4 else 0.5 for c in range(4)]


def test_onehot_of_numbers_beyond_int64():
    y = run("OneHot", np.array([1, 2**64 - 1, 2**63], np.uint64), np.array(3), np.float32([0, 1]))
    assert y.tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]


def test_onehot_refuses():
    values = np.float32([0, 1])
    refuses("depth -1", "OneHot", ints(0), np.array(-1), values)
    refuses("depth nan", "OneHot", ints(0), np.array(np.nan, np.float32), values)
    refuses("GiB", "OneHot", ints(0), np.array(2**62), values, error=LimitError)
    refuses("values of shape", "OneHot", ints(0), np.array(3), np.float32([1]))
    refuses("axis 2", "OneHot", ints(0), np.array(3), values, axis=2)


def test_nonzero_has_a_column_for_each():
    x = np.array([[1, 0], [1, 1]])
    np.testing.assert_array_equal(run("NonZero", x), [[0, 1, 1], [0, 0, 1]])
    assert run("NonZero", np.array(1.0)).shape == (0, 1)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float32", "float16", "object"])
@pytest.mark.parametrize("shape", [(7,), (0,), (3, 5), (2, 3, 4), (2, 0, 3), (1, 1, 1, 5)], ids=str)
def test_nonzero_counts_row_by_row(shape, dtype):
    x = np.random.default_rng(3).integers(0, 2, shape).astype(dtype)
    if x.dtype.kind == "f" and x.size:
        x.flat[:3] = -0.0, np.nan, np.inf
    for view in x, x.T, x[::-1]:
        wanted = [index for index in np.ndindex(view.shape) if view[index]]
        y = run("NonZero", view)
        assert y.dtype == np.int64
        np.testing.assert_array_equal(y, np.array(wanted, np.int64).reshape(-1, x.ndim).T)


@pytest.mark.parametrize("operator, opset", [("ScatterElements", 18), ("GatherElements", 13)])
def test_as_onnxruntime(operator, opset):
    indices = rng.integers(-3, 3, (2, 2, 2))
    updates = [rng.standard_normal((2, 2, 2)).astype(np.float32)] if operator == "ScatterElements" else []
    np.testing.assert_array_equal(run(operator, X, indices, *updates, opset=opset, axis=1),
                                  onnxruntime_runs(operator, X, indices, *updates, opset=opset, axis=1))
