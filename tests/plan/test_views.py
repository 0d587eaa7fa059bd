"""Shapes and strides, held against what NumPy's own strided views read."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided

from cinfer.plan.views import (BLOCK, Blocked, Buffer, Plain, collapse, is_contiguous, nchw, reshape_strides,
                               row_major)

DATA = np.arange(40_000, dtype=np.int32)


def read(shape, strides, start=0):
    """The elements of DATA that strides (in elements) lead to."""
    return as_strided(DATA[start:], shape, [4 * s for s in strides], writeable=False)


def address(array) -> int:
    return array.__array_interface__["data"][0]


@st.composite
def strided(draw, most_axes=5, least_size=1):
    """(start, shape, strides) of a view that slicing, turning, dropping and stretching axes can make."""
    shape = draw(st.lists(st.integers(least_size, 5), max_size=most_axes))
    view = DATA[:max(1, int(np.prod(shape)))][:int(np.prod(shape))].reshape(shape)
    view = view.transpose(draw(st.permutations(range(len(shape)))))
    view = view[tuple(slice(draw(st.integers(0, max(0, d - 1))), None, draw(st.sampled_from([1, 1, 2, -1])))
                      for d in view.shape)]
    for axis in range(view.ndim):
        if view.shape[axis] == 1 and draw(st.booleans()):
            view = np.broadcast_to(view,
                                   view.shape[:axis] + (draw(st.integers(1, 4)),) + view.shape[axis + 1:])
    start = (address(view) - address(DATA)) // 4 if view.size else 0
    return start, view.shape, tuple(s // 4 for s in view.strides)


@st.composite
def shapes_of_size(draw, size):
    """A shape of so many elements, with axes of 1 anywhere."""
    shape = []
    while size > 1 and draw(st.integers(0, 3)):
        d = draw(st.sampled_from([d for d in range(1, size + 1) if size % d == 0]))
        shape.append(d)
        size //= d
    return tuple(draw(st.permutations([*shape, size])))


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_reshape_strides_read_the_same_elements_in_order(data):
    start, shape, strides = data.draw(strided())
    new = data.draw(shapes_of_size(int(np.prod(shape))))
    found = reshape_strides(shape, strides, new)
    view = read(shape, strides, start)
    if found is not None:
        np.testing.assert_array_equal(read(new, found, start), view.reshape(new))
    else:                                                       # then NumPy needs a copy as well
        assert not np.shares_memory(view.reshape(new), DATA), (shape, strides, new)


@settings(max_examples=200, deadline=None)
@given(strided())
def test_reshape_to_its_own_shape_is_always_a_view(view):
    start, shape, strides = view
    found = reshape_strides(shape, strides, shape)
    assert found is not None
    np.testing.assert_array_equal(read(shape, found, start), read(shape, strides, start))


@pytest.mark.parametrize("shape, strides, new, expected", [
    ((2, 3, 4), (12, 4, 1), (6, 4), (4, 1)),
    ((2, 3, 4), (12, 4, 1), (), None),
    ((3, 2), (1, 3), (6,), None),
    ((3, 2), (1, 3), (3, 1, 2), (1, 0, 3)),
    ((4, 2), (1, 4), (2, 2, 2), (2, 1, 4)),
    ((2, 4), (8, 1), (2, 2, 2), (8, 2, 1)),
    ((5,), (0,), (5, 1), (0, 0)),
    ((4,), (-1,), (2, 2), (-2, -1)),
])
def test_reshape_strides_by_hand(shape, strides, new, expected):
    if new == ():
        shape, strides, expected = (1, 1), (7, 9), ()
    assert reshape_strides(shape, strides, new) == expected


@pytest.mark.parametrize("new", [(0,), (2, 0), (0, 3, 1)])
def test_reshape_of_nothing(new):
    assert reshape_strides((3, 0), (1, 3), new) == row_major(new)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_collapse_walks_the_same_elements_in_order(data):
    start, shape, strides = data.draw(strided(most_axes=5))
    any_steps = tuple(data.draw(st.integers(0, 9)) for _ in shape)
    other = row_major(shape) if data.draw(st.booleans()) else any_steps
    most = data.draw(st.sampled_from([3, 4, 6]))
    packed = collapse(shape, strides, other, most=most)
    if packed is None:
        assert sum(d != 1 for d in shape) > most
        return
    dims, (xs, ys) = packed
    assert len(dims) == len(xs) == len(ys) == most
    for given_strides, found, at in ((strides, xs, start), (other, ys, 0)):
        np.testing.assert_array_equal(read(dims, found, at).reshape(-1),
                                      read(shape, given_strides, at).reshape(-1))


@pytest.mark.parametrize("shape, strides, dims, merged", [
    ((2, 3, 4), [(12, 4, 1), (12, 4, 1)], [24], [[1], [1]]),
    ((2, 3, 4), [(12, 4, 1), (0, 0, 1)], [6, 4], [[4, 1], [0, 1]]),
    ((2, 3, 4), [(12, 4, 1), (4, 0, 1)], [2, 3, 4], [[12, 4, 1], [4, 0, 1]]),
    ((1, 5, 1), [(99, 2, 77), (1, 1, 1)], [5], [[2], [1]]),
    ((), [(), ()], [], [[], []]),
    ((2, 0), [(0, 1), (0, 1)], [2, 0], [[0, 1], [0, 1]]),
])
def test_collapse_by_hand(shape, strides, dims, merged):
    pad = 6 - len(dims)
    found_dims, found = collapse(shape, *strides)
    if 0 in shape:
        assert 0 in found_dims and len(found_dims) == 6
        return
    assert (found_dims, found) == ([1] * pad + dims, [[0] * pad + m for m in merged])


def test_collapse_refuses_more_axes_than_it_may_leave():
    turned = (1, 2, 4, 8)                               # no two neighbours can be merged
    assert collapse((2, 2, 2, 2), turned, most=3) is None
    assert collapse((2, 2, 2, 2), turned, most=4) == ([2] * 4, [list(turned)])


@pytest.mark.parametrize("shape", [(), (1,), (7,), (2, 3), (2, 1, 3), (4, 3, 2, 1)])
def test_row_major_is_numpys(shape):
    strides = tuple(s // 4 for s in np.empty(shape, np.int32).strides)
    assert row_major(shape) == strides and is_contiguous(shape, strides)


@settings(max_examples=200, deadline=None)
@given(strided())
def test_is_contiguous_is_numpys(view):
    start, shape, strides = view
    assert is_contiguous(shape, strides) == read(shape, strides, start).flags.c_contiguous


@pytest.mark.parametrize("shape, expected",
                         [((2, 3, 4, 5), (2, 3, 4, 5)), ((2, 3, 5), (2, 3, 1, 5)), ((2, 3), (2, 3, 1, 1))])
def test_nchw_gives_missing_axes_size_1(shape, expected):
    assert nchw(shape) == expected


def test_plain_reshaped_keeps_its_place():
    view = Plain(Buffer(96), 16, (2, 3, 4), (12, 4, 1), np.dtype(np.float32))
    again = view.reshaped((6, 4))
    assert (again.buffer, again.offset, again.strides) == (view.buffer, 16, (4, 1))
    assert view.with_((3, 4), (4, 1), 12).offset == 16 + 4 * 12
    assert Plain(view.buffer, 0, (2, 3), (1, 2), view.dtype).reshaped((6,)) is None


def test_channels_of_a_blocked_value_on_a_block_border():
    h, w, (top, left, bottom, right) = 5, 7, (1, 2, 3, 4)
    rs = (w + left + right) * BLOCK
    bs = rs * (h + top + bottom)
    x = Blocked(Buffer(0), 4 * (top * rs + left * BLOCK), (2, 40, h, w), 3 * bs, bs, rs,
                (top, left, bottom, right))
    assert x.blocks == 3 and x.ref(1, 2, 1).offset == x.offset + 4 * (bs + rs + 2 * BLOCK)
    part = x.channels(32, 8, (2, 8, h, w))
    assert (part.buffer, part.offset, part.blocks, part.c) == (x.buffer, x.offset + 4 * 2 * bs, 1, 8)
    assert (part.ns, part.bs, part.rs, part.halo) == (x.ns, x.bs, x.rs, x.halo)
