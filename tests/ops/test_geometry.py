"""Windows against ones moved by hand, and what a bad or hostile file may ask for."""
import pytest
from hypothesis import given, settings, strategies as st
from naive_windows import windows

from cinfer.ops.geometry import axis_taps, conv_geometry, transposed_geometry


@given(windows(ceil_mode=True, most_axes=3))
def test_as_many_windows_as_fit(case):
    sizes, window = case
    geometry = conv_geometry(sizes, window.kernel, ceil_mode=window.ceil_mode, strides=window.strides,
                             dilations=window.dilations, pads=window.begins + window.ends)
    assert geometry.out_sizes == window.out_sizes(sizes)
    assert (geometry.begins, geometry.ends) == (tuple(window.begins), tuple(window.ends))


@given(st.integers(0, 6), st.integers(0, 6), st.integers(1, 6), st.integers(1, 4), st.integers(1, 3),
       st.integers(0, 7))
@settings(max_examples=300)
def test_taps_read_just_what_lies_inside(size, out, kernel, stride, dilation, begin):
    expected = {}
    for tap in range(kernel):
        for o in range(out):
            if 0 <= o * stride + tap * dilation - begin < size:
                expected.setdefault(tap, []).append((o, o * stride + tap * dilation - begin))
    found = {tap: list(zip(range(out)[windows_], range(size)[elements]))
             for tap, windows_, elements in axis_taps(size, out, kernel, stride, dilation, begin, 0)}
    assert found == expected


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER"])
@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3))
def test_same_pads_so_that_every_stride_has_its_window(auto_pad, size, kernel, stride, dilation):
    geometry = conv_geometry([size], [kernel], auto_pad=auto_pad, strides=[stride], dilations=[dilation])
    (out,), (begin,), (end,) = geometry.out_sizes, geometry.begins, geometry.ends
    assert out == -(-size // stride)
    needed = max(0, (out - 1) * stride + (kernel - 1) * dilation + 1 - size)
    assert begin + end == needed
    assert (end - begin if auto_pad == "SAME_UPPER" else begin - end) == needed % 2


@pytest.mark.parametrize("auto_pad, begins", [("SAME_UPPER", [0, 0, -1, -1, -2]), ("SAME_LOWER", [0, 0, 0, -1, -1])])
def test_windows_of_a_pool_that_lie_apart_leave_elements_over_on_both_sides(auto_pad, begins):
    for size, begin in enumerate(begins, 1):
        keywords = dict(auto_pad=auto_pad, strides=[5])
        assert conv_geometry([size], [1], pool=True, **keywords).begins == (begin,)
        assert conv_geometry([size], [1], **keywords).begins == (0,)


@given(windows(most_axes=3))
def test_transposed_undoes_the_sizes_of_a_convolution(case):
    sizes, window = case
    forth = conv_geometry(sizes, window.kernel, strides=window.strides, dilations=window.dilations,
                          pads=window.begins + window.ends)
    rest = [size - back for size, back in zip(sizes, transposed_sizes(forth))]
    if min(transposed_sizes(forth)) < 1:
        return
    back = transposed_geometry(forth.out_sizes, window.kernel, strides=window.strides,
                               dilations=window.dilations, pads=window.begins + window.ends,
                               output_padding=rest)
    assert back.in_sizes == tuple(sizes) and back.out_sizes == forth.out_sizes


def transposed_sizes(geometry) -> list[int]:
    return [(out - 1) * stride + (kernel - 1) * dilation + 1 - begin - end
            for _, out, kernel, stride, dilation, begin, end in geometry.axes]


@pytest.mark.parametrize("auto_pad, begins, ends", [("NOTSET", 2, 1), ("SAME_UPPER", 1, 2),
                                                    ("SAME_LOWER", 2, 1)])
def test_output_shape_decides_the_pads(auto_pad, begins, ends):
    geometry = transposed_geometry([5], [4], strides=[2], output_shape=[9], auto_pad=auto_pad)
    assert (geometry.in_sizes, geometry.begins, geometry.ends) == ((9,), (begins,), (ends,))
    assert transposed_geometry([5], [4], strides=[2], output_shape=[1, 8, 9]).in_sizes == (9,)
    with pytest.raises(ValueError, match="output_shape"):
        transposed_geometry([5], [4], strides=[2], output_shape=[1, 1, 8, 9])


@pytest.mark.parametrize("message, attributes", [
    ("auto_pad 'same'", dict(auto_pad="same")), ("strides is [0]", dict(strides=[0])),
    ("strides is [1, 1]; it has to be 1 numbers of at least 1", dict(strides=[1, 1])),
    ("dilations is [-1]", dict(dilations=[-1])), ("pads is [1, -1]", dict(pads=[1, -1])),
    ("pads is [1]", dict(pads=[1])),
    ("a window of 9 along spatial axis 0 does not fit into 5 elements with pads of 1 and 1",
     dict(dilations=[4], pads=[1, 1]))])
def test_attributes_that_do_not_fit_are_refused(message, attributes):
    with pytest.raises(ValueError) as caught:
        conv_geometry([5], [3], **attributes)
    assert message in str(caught.value)


def test_huge_kernels_and_pads_cost_nothing():
    kernel, begin = 10**15, 10**15 - 1
    geometry = conv_geometry([5], [kernel], pads=[begin, begin], strides=[10**14])
    taps = list(axis_taps(*next(geometry.axes)))
    # of 11 windows, 9 lie over all five elements, the last over four of them, the first over one
    assert geometry.out_sizes == (11,) and len(taps) == 9 * 5 + 4 + 1
    assert all(0 <= tap < kernel for tap, _, _ in taps)
