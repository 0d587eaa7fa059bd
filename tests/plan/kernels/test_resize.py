"""Resize and Upsample in kernels: what they mean in NumPy, in all modes, of all ranks, in both layouts."""
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import cinfer
from cinfer import _ops
from cinfer.ops import resize as meaning
from cinfer.plan.kernels.resize import runs

from onnx_models import Model, assert_close, by_numpy

LEVELS = _ops.usable_levels()
TOLERANCE = 2e-6        # weights and terms are those of NumPy; products are fused
COORDINATES = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",
               "tf_half_pixel_for_nn", "tf_crop_and_resize")


def agree(m: Model, isa: str, where: str, kernels=None) -> None:
    """Means what NumPy says, without its help, with the same bits for 1 and 2 threads."""
    data, feeds, bits = m.bytes(), m.feeds(), []
    for threads in (1, 2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("cinfer.plan.plan.FEW_FLOPS", -1)
            session = cinfer.load(data, threads=threads, isa=isa)
            labels = [step.label for step in session._plan_for(None).steps]
            assert "numpy" not in labels, where
            assert kernels is None or kernels in labels, f"{where}: {labels}"
            bits.append(session.run(None, feeds)[0])
    assert_close(bits[0], by_numpy(data, feeds)[0], where, TOLERANCE)
    assert bits[0].tobytes() == bits[1].tobytes(), where


@st.composite
def resized(draw, mode):
    """(shape, inputs of Resize behind x, attributes)"""
    rank = draw(st.integers(1, 5))
    many = rank == 4 or rank == 5 and draw(st.booleans())
    shape = [draw(st.integers(1, 20 if many and axis == 1 else 9)) for axis in range(rank)]
    axes = [axis for axis in range(rank) if draw(st.integers(0, 9)) > (7 if axis < rank - 2 else 1)]
    attributes = dict(mode=mode, coordinate_transformation_mode=draw(st.sampled_from(COORDINATES)))
    if mode == "nearest":
        attributes["nearest_mode"] = draw(st.sampled_from(sorted(meaning.NEAREST)))
    else:
        attributes |= dict(antialias=draw(st.integers(0, 1)), exclude_outside=draw(st.integers(0, 1)))
    if mode == "cubic":
        attributes["cubic_coeff_a"] = draw(st.sampled_from((-0.75, -0.5)))
    roi = None
    if attributes["coordinate_transformation_mode"] == "tf_crop_and_resize":
        attributes["extrapolation_value"] = draw(st.sampled_from((0.0, -7.5)))
        ends = [sorted(draw(st.tuples(*2 * [st.sampled_from((-0.5, 0.0, 0.25, 1.0, 1.5))])))
                if axis in axes else (0, 1) for axis in range(rank)]
        roi = np.float32(ends).T.reshape(-1)
    if draw(st.booleans()):
        sizes = [draw(st.integers(1, 23)) if axis in axes else d for axis, d in enumerate(shape)]
        return shape, (roi, None, np.array(sizes)), attributes
    scales = [draw(st.sampled_from((0.5, 1.0, 1.5, 2.0, 3.3))) if axis in axes else 1.0
              for axis in range(rank)]
    scales = [max(s, 1 / d) for s, d in zip(scales, shape)]
    return shape, (roi, np.float32(scales)), attributes


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("mode", ("nearest", "linear", "cubic"))
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_means_the_same(isa, mode, data):
    shape, inputs, attributes = data.draw(resized(mode))
    m = Model(19)
    m.outputs(m.Resize(m.input("x", *shape), *inputs, **attributes))
    agree(m, isa, f"{shape} {inputs} {attributes} {isa}")


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("mode", ("nearest", "linear", "cubic"))
@pytest.mark.parametrize("rank, antialias", [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1)])
def test_between_convolutions_it_stays_in_blocks(isa, mode, rank, antialias):
    """Pictures and volumes with frames of zeros around them."""
    m = Model(19)
    spatial, k = (4, 5, 6)[:rank], 3
    x = m.Conv(m.input("x", 2, 3, *spatial), m.weights(18, 3, *[k] * rank), pads=[1] * 2 * rank)
    y = m.Resize(x, None, None, np.array([2, 18, *(9, 3, 11)[:rank]]), mode=mode, antialias=antialias)
    y = m.Conv(y, m.weights(17, 18, *[k] * rank), pads=[1] * 2 * rank)
    small = rank == 2 and mode != "cubic" and not antialias
    agree(m.outputs(y), isa, f"{mode} {rank} {isa}", "resize" if small else "resample")


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("policy", ("not_larger", "not_smaller"))
def test_keeps_the_aspect_ratio(isa, policy):
    for axes, sizes in (([2, 3], [9, 5]), ([3, 2], [4, 13]), ([-1], [7])):
        m = Model(19)
        m.outputs(m.Resize(m.input("x", 1, 3, 6, 7), None, None, np.array(sizes), mode="linear", axes=axes,
                           keep_aspect_ratio_policy=policy))
        agree(m, isa, f"{policy} {axes}")


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("opset, op", [(1, "Upsample"), (7, "Upsample"), (9, "Upsample"), (10, "Resize")])
@pytest.mark.parametrize("mode", ("nearest", "linear"))
def test_before_opset_11(isa, opset, op, mode):
    ways = (1, 1, 2, 3), (1, 1, 1.5, 2.5), (1, 1, 0.5, 0.6), (2, 1, 1, 1)
    for scales in ways[:2 if op == "Upsample" else 4]:
        m = Model(opset)
        x = m.input("x", 2, 5, 6, 7)
        if opset == 1:
            y = m.Upsample(x, mode=mode, height_scale=float(scales[2]), width_scale=float(scales[3]))
        elif opset == 7:
            y = m.Upsample(x, mode=mode, scales=[float(s) for s in scales])
        else:
            y = m.node(op, x, np.float32(scales), mode=mode)
        agree(m.outputs(y), isa, f"{op} {opset} {scales}")


@pytest.mark.parametrize("isa", LEVELS)
def test_what_lies_outside_is_the_value_itself(isa):
    m = Model(19)
    roi = np.float32([0, 0, -0.5, 0.5, 1, 1, 0.7, 1.5])
    x = m.input("x", 1, 2, 8, 8)
    m.outputs(m.Resize(x, roi, None, np.array([1, 2, 9, 12]), mode="cubic", extrapolation_value=0.1,
                       coordinate_transformation_mode="tf_crop_and_resize"))
    got, = cinfer.load(m.bytes(), threads=1, isa=isa).run(None, m.feeds())
    want, = by_numpy(m.bytes(), m.feeds())
    assert (want == np.float32(0.1)).sum() > 40
    assert np.array_equal(got == np.float32(0.1), want == np.float32(0.1))


@pytest.mark.parametrize("shape, sizes", [
    ((1, 1, 17000), (1, 1, 900)), ((2, 8, 9000), (2, 8, 18000)), ((1, 3, 50), (1, 3, 170))])
@pytest.mark.parametrize("mode", ("nearest", "linear", "cubic"))
def test_long_rows(shape, sizes, mode):
    m = Model(19)
    m.outputs(m.Resize(m.input("x", *shape), None, None, np.array(sizes), mode=mode, antialias=1))
    agree(m, LEVELS[-1], mode)


def test_what_only_the_run_knows_is_numpys():
    m = Model(19)
    x, roi = m.input("x", 1, 2, 5, 6), m.input("roi", 8)
    data = m.outputs(m.Resize(x, roi, None, np.array([1, 2, 3, 4]), mode="linear",
                              coordinate_transformation_mode="tf_crop_and_resize")).bytes()
    feeds = m.feeds() | {"roi": np.float32([0, 0, 0.1, 0.2, 1, 1, 0.8, 0.9])}
    assert_close(cinfer.load(data).run(None, feeds)[0], by_numpy(data, feeds)[0], "roi", TOLERANCE)


@pytest.mark.parametrize("attributes", [
    dict(mode="cubic"), dict(mode="linear", antialias=1), dict(mode="linear"),
    dict(mode="cubic", exclude_outside=1),
    dict(mode="linear", coordinate_transformation_mode="tf_crop_and_resize")], ids=str)
@pytest.mark.parametrize("channels", (3, 20))
def test_one_session_of_free_sizes(attributes, channels):
    """Plans of a recording, with tables of other lengths, among them."""
    m = Model(19)
    x = m.Relu(m.input("x", 1, channels, 7, 5, declared=(1, channels, "h", "w")))
    scaled = np.float32([0, 0, 0.1, 0, 1, 1, 1.2, 0.8]), np.float32([1, 1, 2, 3])
    sized = None, None, m.Concat(np.array([1, channels]), m.Slice(m.Shape(m.input(
        "like", 1, 1, 9, 4, declared=(1, 1, "oh", "ow"))), np.array([2]), np.array([4])), axis=0)
    ways = [scaled] if "coordinate_transformation_mode" in attributes else [scaled, sized]
    m.outputs(*(m.Resize(x, *way, **attributes) for way in ways))
    data = m.bytes()
    session = cinfer.load(data, threads=1)
    for h, w, oh, ow in ((7, 5, 9, 4), (8, 6, 3, 9), (9, 9, 3, 4), (6, 30, 11, 4), (40, 7, 5, 6),
                         (33, 5, 3, 4),
                         (5, 5, 5, 5), (50, 8, 4, 5), (60, 9, 6, 6), (9, 9, 18, 18)):
        feeds = m.feeds(x=(1, channels, h, w), like=(1, 1, oh, ow))
        for got, want in zip(session.run(None, feeds), by_numpy(data, feeds), strict=True):
            assert_close(got, want, f"{h}x{w} {oh}x{ow}", TOLERANCE)


def test_runs():
    assert runs(np.array([], bool)) == [] == runs(np.array([False]))
    assert runs(np.array([True])) == [(0, 1)]
    assert runs(np.array([1, 1, 0, 0, 1, 0, 1], bool)) == [(0, 2), (4, 5), (6, 7)]
