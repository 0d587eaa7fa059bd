"""RoiAlign and MaxRoiPool in kernels: what they mean in NumPy, of regions inside, across, beyond and without area."""
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
    return {"x": rng.normal(size=shape).astype(np.float32), "rois": rois,
            "batches": rng.integers(0, n, count).astype(kind)}


def agree(data, feeds, isa, where, kernel="roi_align", tolerance=TOLERANCE):
    bits = []
    for threads in (1, 2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("cinfer.plan.plan.FEW_FLOPS", -1)
            session = cinfer.load(data, threads=threads, isa=isa)
            assert kernel in [step.label for step in session._plan_for(None).steps]
            bits.append(session.run(None, feeds)[0])
        assert_close(bits[-1], by_numpy(data, feeds)[0], where, tolerance)
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


# ---- MaxRoiPool

def pool_model(shape, count, opset=22, **attributes):
    m = Model(opset)
    x, rois = m.input("x", *shape), m.input("rois", count, 5)
    return m.outputs(m.MaxRoiPool(x, rois, **attributes)).bytes()


def pool_feeds(rng, shape, count, spread=1.3):
    feeds = feeds_of(rng, shape, count, spread=spread)
    rois = np.concatenate([feeds["batches"][:, None], feeds["rois"]], 1).astype(np.float32)
    half = rng.random(rois.shape) < 0.3
    half[:, 0] = False
    rois[half] = np.floor(rois[half]) + 0.5                 # rounded up, below 0 too
    return {"x": feeds["x"], "rois": rois}


@settings(max_examples=40, deadline=None)
@given(channels=st.sampled_from([1, 3, 15, 16, 17, 33]), h=st.integers(1, 30), w=st.integers(1, 30),
       bins=st.tuples(st.integers(1, 8), st.integers(1, 8)), scale=st.sampled_from([1.0, 0.25, 0.0625, 2.0, 0.3]),
       opset=st.sampled_from([1, 22]), seed=st.integers(0, 99))
@pytest.mark.parametrize("isa", LEVELS)
def test_the_largest_of_each_bin(isa, channels, h, w, bins, scale, opset, seed):
    rng, shape, count = np.random.default_rng(seed), (2, channels, h, w), 9
    attributes = dict(pooled_shape=list(bins), spatial_scale=scale)
    feeds = pool_feeds(rng, shape, count)
    feeds["rois"][:, 1:] /= np.float32(scale)
    agree(pool_model(shape, count, opset, **attributes), feeds, isa, f"{attributes} {shape} seed {seed}",
          "max_roi_pool", 0)


@pytest.mark.parametrize("isa", LEVELS)
def test_nan_is_the_largest_and_infinities_stay(isa):
    shape, rng = (1, 18, 6, 7), np.random.default_rng(3)
    feeds = pool_feeds(rng, shape, 12)
    for value in (np.nan, np.inf, -np.inf):
        feeds["x"][rng.random(shape) < 0.1] = value
    data = pool_model(shape, 12, pooled_shape=[3, 2])
    with np.errstate(invalid="ignore"):
        got, want = cinfer.load(data, threads=1, isa=isa).run(None, feeds)[0], by_numpy(data, feeds)[0]
    assert np.isnan(want).any() and np.isinf(want).any()
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("at, value, word", [
    (0, 2, "batch indices"), (0, -1, "batch indices"), (0, np.nan, "a roi that"), (4, np.nan, "a roi that"),
    (2, np.inf, "a roi that"), (1, -1e30, "a roi that")])
def test_max_roi_pool_refuses_what_numpy_refuses_in_the_same_words(isa, at, value, word):
    shape, rng = (2, 18, 6, 7), np.random.default_rng(0)
    feeds = pool_feeds(rng, shape, 5)
    feeds["rois"][3, at] = value
    data = pool_model(shape, 5, pooled_shape=[2, 2])
    session = cinfer.load(data, threads=2, isa=isa)
    with pytest.raises(cinfer.Error, match=word):
        session.run(None, feeds)
    feeds = pool_feeds(rng, shape, 5)                       # and goes on with others
    feeds["rois"][0, 3:] = 9e8                              # what is far away NumPy has
    np.testing.assert_array_equal(session.run(None, feeds)[0], by_numpy(data, feeds)[0])


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("count, bins", [(0, [2, 2]), (2, [300, 300])])
def test_no_region_and_too_many_bins(isa, count, bins):
    shape = 1, 3, 5, 5
    data, feeds = pool_model(shape, count, pooled_shape=bins), pool_feeds(np.random.default_rng(2), shape, count)
    np.testing.assert_array_equal(cinfer.load(data, threads=1, isa=isa).run(None, feeds)[0], by_numpy(data, feeds)[0])
