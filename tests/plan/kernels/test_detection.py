"""RoiAlign in a kernel: what the operator means in NumPy, of regions inside, across, beyond and without area."""
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import cinfer
from cinfer import _ops

from onnx_models import Model, assert_close, by_numpy

LEVELS = _ops.usable_levels()
TOLERANCE = 1e-5        # a mean of float32 in another order


def model(shape, count, opset=16, kind=np.int64, **attributes):
    m = Model(opset)
    x, rois, batches = m.input("x", *shape), m.input("rois", count, 4), m.input("batches", count, dtype=kind)
    return m.outputs(m.RoiAlign(x, rois, batches, **attributes)).bytes()


def feeds_of(rng, shape, count, kind=np.int64, spread=1.3):
    n, _, h, w = shape
    corners = rng.uniform(-0.3, spread, (2, count, 2)) * [w, h]
    rois = np.concatenate([corners.min(0), corners.max(0)], 1).astype(np.float32)
    rois[rng.random(count) < 0.1] = [3, 2, 3, 2]            # without area
    rois[rng.random(count) < 0.1] = [5, 4, 1, 2]            # turned round
    return {"x": rng.normal(size=shape).astype(np.float32), "rois": rois, "batches": rng.integers(0, n, count).astype(kind)}


def agree(data, feeds, isa, where):
    bits = []
    for threads in (1, 2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("cinfer.plan.plan.FEW_FLOPS", -1)
            session = cinfer.load(data, threads=threads, isa=isa)
            assert "roi_align" in [step.label for step in session._plan_for(None).steps]
            bits.append(session.run(None, feeds)[0])
        assert_close(bits[-1], by_numpy(data, feeds)[0], where, TOLERANCE)
    assert bits[0].tobytes() == bits[1].tobytes(), where


@settings(max_examples=40, deadline=None)
@given(channels=st.sampled_from([1, 3, 15, 16, 17, 33]), h=st.integers(1, 30), w=st.integers(1, 30),
       bins=st.tuples(st.integers(1, 8), st.integers(1, 8)), ratio=st.integers(0, 3), half=st.booleans(),
       scale=st.sampled_from([1.0, 0.25, 2.0]), kind=st.sampled_from([np.int64, np.int32]), seed=st.integers(0, 99))
@pytest.mark.parametrize("isa", LEVELS)
def test_means_the_same(isa, channels, h, w, bins, ratio, half, scale, kind, seed):
    rng, shape, count = np.random.default_rng(seed), (2, channels, h, w), 9
    attributes = dict(output_height=bins[0], output_width=bins[1], sampling_ratio=ratio, spatial_scale=scale)
    if not half:
        attributes["coordinate_transformation_mode"] = "output_half_pixel"
    data = model(shape, count, 16, np.int64, **attributes)
    agree(data, feeds_of(rng, shape, count), isa, f"{attributes} {shape} seed {seed}")


@pytest.mark.parametrize("isa", LEVELS)
def test_before_opset_16_a_region_is_at_least_a_pixel(isa):
    shape = 1, 20, 9, 11
    data = model(shape, 12, 10, output_height=3, output_width=4)
    agree(data, feeds_of(np.random.default_rng(1), shape, 12, spread=0.2), isa, "opset 10")


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("wrong, word", [({"batches": 2}, "batch indices"), ({"batches": -1}, "batch indices"),
                                         ({"rois": np.nan}, "a roi from"), ({"rois": 1e30}, "a roi from"),
                                         ({"rois": 1e8}, "samples")])
def test_refuses_what_numpy_refuses_in_the_same_words(isa, wrong, word):
    shape, rng = (2, 18, 6, 7), np.random.default_rng(0)
    feeds = feeds_of(rng, shape, 5)
    for name, value in wrong.items():
        feeds[name].reshape(-1)[-1] = value
    data = model(shape, 5, output_height=2, output_width=2)
    session = cinfer.load(data, threads=2, isa=isa)
    with pytest.raises(cinfer.Error, match=word) as error:
        session.run(None, feeds)
    with pytest.raises((ValueError, cinfer.Error)) as said:
        by_numpy(data, feeds)
    assert str(said.value) in str(error.value)
    got, = session.run(None, feeds_of(rng, shape, 5))       # and goes on with others
    assert np.isfinite(got).all()


@pytest.mark.parametrize("isa", LEVELS)
def test_no_region_and_the_largest_of_samples(isa):
    shape = 1, 16, 5, 5
    for count, mode in ((0, "avg"), (4, "max")):
        data, feeds = model(shape, count, mode=mode), feeds_of(np.random.default_rng(2), shape, count)
        got, = cinfer.load(data, threads=1, isa=isa).run(None, feeds)
        np.testing.assert_allclose(got, by_numpy(data, feeds)[0], rtol=1e-6)
