"""Convolutions in groups of any width and by windows that mostly lie outside, against float64."""
from hypothesis import assume, given, settings, strategies as st
import numpy as np
import pytest

import cinfer
from cinfer import _ops
from cinfer.plan.kernels import conv_direct
from cinfer.plan.kernels.window import Window
from cinfer.plan.views import BLOCK

from onnx_models import Model
from plan_cases import hold
from windows import convolve

LEVELS = _ops.usable_levels()
PLACES = st.sampled_from((0, 0, 1, 1, 2, 3, 5, 12, 25))


def check(n, groups, icg, ocg, size, kernel, strides, dilations, pads, residual, level):
    ends = [(size[i] + pads[i] + pads[i + 2] - dilations[i] * (kernel[i] - 1) - 1) // strides[i] + 1 for i in (0, 1)]
    assume(min(ends) >= 1 and max(ends) <= 60)
    m = Model(seed=groups)
    x, r = m.input("x", n, groups * icg, *size), m.input("r", n, groups * ocg, *ends)
    w, b = m.weights(groups * ocg, icg, *kernel), m.vector(groups * ocg)
    y = m.Conv(x, w, b, group=groups, strides=list(strides), dilations=list(dilations), pads=list(pads))
    data = m.outputs(m.Relu(m.Add(y, r) if residual else y)).bytes()
    feeds = m.feeds()
    wanted = convolve(feeds["x"], w, b, groups, strides, dilations, pads) + (feeds["r"] if residual else 0)
    where = f"{n=} {groups=} {icg=} {ocg=} {size=} {kernel=} {strides=} {dilations=} {pads=} {residual=}"
    hold(data, feeds, [np.maximum(wanted, 0).astype(np.float32)], where, level)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 2), groups=st.integers(1, 9), icg=st.integers(1, 40), ocg=st.integers(1, 40),
       size=st.tuples(*2 * [st.integers(1, 9)]), kernel=st.tuples(*2 * [st.integers(1, 3)]),
       strides=st.tuples(*2 * [st.integers(1, 2)]), dilations=st.tuples(*2 * [st.integers(1, 2)]),
       pads=st.tuples(*4 * [st.integers(0, 2)]), residual=st.booleans(), level=st.sampled_from(LEVELS))
def test_groups_of_any_width(**case):
    check(**case)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("icg, ocg, kernel", [(4, 2, 1), (3, 5, 3), (12, 6, 1), (20, 12, 3), (8, 8, 3), (3, 40, 1),
                                              (300, 5, 3), (1500, 3, 1)])
@pytest.mark.parametrize("number", [np.inf, np.nan])
def test_what_is_not_finite_stays_in_its_group(icg, ocg, kernel, number, level):
    """Register tiles read the channels of several groups; in place of a residual, and behind an activation."""
    m = Model()
    x, r = m.input("x", 1, 3 * icg, 5, 4), m.input("r", 1, 3 * ocg, 5, 4)
    y = m.conv(x, 3 * icg, 3 * ocg, kernel, group=3)
    session = cinfer.load(m.outputs(m.HardSigmoid(m.Add(m.Neg(r), y))).bytes(), isa=level)
    feeds = m.feeds()
    wanted, = session.run(None, feeds)
    feeds["x"][0, icg + 1, 2, 1] = number
    found, = session.run(None, feeds)
    others = [*range(ocg), *range(2 * ocg, 3 * ocg)]
    assert np.abs(found - wanted)[:, others].max() < 1e-6
    if np.isnan(number):
        assert np.isnan(found[:, ocg:2 * ocg, 2, 1]).all()


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 2), groups=st.integers(1, 3), icg=st.integers(1, 17), ocg=st.sampled_from((1, 8, 16, 33)),
       size=st.tuples(*2 * [st.integers(1, 20)]), kernel=st.tuples(*2 * [st.integers(1, 4)]),
       strides=st.tuples(*2 * [st.integers(1, 3)]), dilations=st.tuples(*2 * [st.sampled_from((1, 3, 7, 12, 24))]),
       pads=st.tuples(*4 * [PLACES]), residual=st.booleans(), level=st.sampled_from(LEVELS))
def test_windows_that_reach_far_beyond_the_picture(**case):
    check(**case)


@settings(max_examples=4, deadline=None)
@given(stride=st.sampled_from((2 ** 31, 2 ** 40)), level=st.sampled_from(LEVELS))
def test_strides_whose_product_no_integer_holds(stride, level):
    check(1, 1, 20, 24, (6, 7), (3, 3), (stride, stride), (1, 1), (0, 0, 0, 0), False, level)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("groups, icg, ocg, dilations", [
    (4, 8, 8, [1, 1, 1]), (3, 24, 40, [1, 1, 1]), (13, 5, 3, [2, 1, 1]), (32, 1, 1, [1, 2, 2]),
    (2, 300, 16, [1, 1, 1]), (5, 1, 2, [1, 12, 12])])
def test_groups_in_volumes(groups, icg, ocg, dilations, level):
    """Slice by slice of the window, as so many pictures."""
    m, d = Model(seed=groups), 4
    x = m.input("x", 2, groups * icg, d, 7, 6)
    w, b = m.weights(groups * ocg, icg, 3, 3, 3), m.vector(groups * ocg)
    pads = [*dilations, *dilations]
    data = m.outputs(m.Relu(m.Conv(x, w, b, group=groups, dilations=dilations, pads=pads))).bytes()
    given = m.feeds()["x"]
    wanted = np.zeros((2, groups * ocg, d, 7, 6)) + b.astype(float)[:, None, None, None]
    for z in range(d):
        for k in range(3):
            at = z + (k - 1) * dilations[0]
            if 0 <= at < d:
                wanted[:, :, z] += convolve(given[:, :, at], w[:, :, k], np.zeros(len(b)), groups, (1, 1),
                                            dilations[1:], [*dilations[1:]] * 2)
    hold(data, {"x": given}, [np.maximum(wanted, 0).astype(np.float32)], f"{groups=} {icg=} {ocg=}", level)


@given(oc=st.integers(1, 200), goc=st.integers(1, 200), ic=st.integers(1, 40), taps=st.integers(1, 9),
       width=st.sampled_from(((16, 8), (32, 16))))
def test_tiles_read_what_their_channels_groups_have(oc, goc, ic, taps, width):
    oc, (full, half) = oc * goc, width
    assume(oc < 2000)
    reads = conv_direct.reads_of(oc, goc, ic, taps, full, half)
    assert len(reads) == -(-oc // BLOCK) * BLOCK // half
    at = 0
    for i, (first, count, floats) in enumerate(reads):
        if count < 0:
            assert i * half % full and reads[i - 1, 1] > 0
            continue
        wide = i + 1 < len(reads) and reads[i + 1, 1] < 0
        end = min(i * half + (full if wide else half), oc)
        if i * half < oc:
            assert (first, first + count) == (i * half // goc * ic, -(-end // goc) * ic) and floats == at
        else:
            assert count == 0
        at += count * (full if wide else half) * taps


def test_groups_that_fill_tiles_are_read_in_full_ones():
    assert conv_direct.reads_of(96, 48, 10, 1, 32, 16)[:, 1].tolist() == [10, -1, 10, 10, 10, -1]
    assert conv_direct.reads_of(96, 8, 8, 1, 16, 8)[:, 1].tolist() == [8] * 12


@pytest.mark.parametrize("size, kernel, dilation, pad, stride, wanted", [
    (16, 3, 12, 12, 1, [(0, 4, 1, 2), (4, 8, 1, 1), (12, 4, 0, 2)]),
    (16, 3, 24, 24, 1, [(0, 16, 1, 1)]), (10, 2, 8, 4, 1, [(0, 4, 1, 1), (4, 2, 0, 2), (6, 4, 0, 1)]),
    (5, 2, 20, 10, 1, []), (9, 3, 4, 4, 2, [(0, 2, 1, 2), (2, 1, 0, 3), (3, 2, 0, 2)])])
def test_parts_of_a_picture(size, kernel, dilation, pad, stride, wanted):
    count = (size + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
    assert conv_direct.inside_axis(kernel, stride, dilation, pad, size, count) == wanted


def test_parts_are_few_where_most_taps_are_inside():
    def win(size, dilation):
        return Window((3, 3), (1, 1), (dilation, dilation), [dilation] * 4, (size, size), (size, size))
    assert conv_direct.inside(win(16, 12)) and conv_direct.inside(win(1, 2))
    assert conv_direct.inside(win(16, 2)) is None and conv_direct.inside(win(3, 1)) is None


@pytest.mark.parametrize("level", LEVELS)
def test_dilation_in_a_model_of_free_sizes(level):
    """Parts come and go as the picture grows; a plan is used again where the same ones do."""
    m = Model()
    x = m.input("x", 1, 24, 9, 9, declared=(1, 24, "h", "w"))
    w = m.weights(20, 24, 3, 3)
    session = cinfer.load(m.outputs(m.Conv(x, w, dilations=[6, 6], pads=[6] * 4)).bytes(), threads=1, isa=level)
    for h, wd in [(9, 9), (10, 9), (11, 12), (12, 13), (20, 20), (5, 40), (6, 6), (13, 12), (10, 10), (64, 5)]:
        given = np.random.default_rng(h).standard_normal((1, 24, h, wd)).astype(np.float32)
        wanted = convolve(given, w, np.zeros(20), 1, (1, 1), (6, 6), (6,) * 4)
        np.testing.assert_allclose(session.run(None, {"x": given})[0], wanted, rtol=0, atol=2e-5)
