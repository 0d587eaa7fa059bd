"""GridSample in a kernel: what it means in NumPy, of places inside, outside, on borders and of none."""
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import cinfer
from cinfer import _ops

from onnx_models import Model, assert_close, by_numpy

LEVELS = _ops.usable_levels()
TOLERANCE = 5e-6        # places are float32: a last bit of one of them, times the slope between two pixels
MODES, PADDINGS = ("nearest", "linear", "cubic"), ("zeros", "border", "reflection")


def grid_of(rng, shape):
    """Places of which some are on and between pixels, far away, or no numbers."""
    grid = rng.uniform(-1.5, 1.5, shape).astype(np.float32)
    flat = grid.reshape(-1)
    some = rng.integers(0, flat.size, flat.size // 2)
    flat[some] = rng.integers(-12, 13, len(some)) / 8
    flat[rng.integers(0, flat.size, 3)] = rng.choice([np.nan, np.inf, -np.inf, 1e30, -77.3, 1e-20, -1e-9], 3)
    return grid


def agree(m, feeds, isa, where, kernel="grid_sample"):
    data, bits = m.bytes(), []
    want = by_numpy(data, feeds)[0]
    for threads in (1, 2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("cinfer.plan.plan.FEW_FLOPS", -1)
            session = cinfer.load(data, threads=threads, isa=isa)
            labels = [step.label for step in session._plan_for(None).steps]
            assert kernel in labels and ("numpy" in labels) == (kernel == "numpy"), f"{where}: {labels}"
            bits.append(session.run(None, feeds)[0])
    assert_close(bits[0], want, where, TOLERANCE)
    assert bits[0].tobytes() == bits[1].tobytes(), where
    return bits[0], want


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=40, deadline=None)
@given(rank=st.sampled_from((1, 2, 2, 3)), channels=st.sampled_from((1, 3, 4, 8, 16, 17, 33)),
       data=st.data(), padding=st.sampled_from(PADDINGS), align=st.integers(0, 1), seed=st.integers(0, 99))
def test_means_the_same(isa, mode, rank, channels, data, padding, align, seed):
    sizes = data.draw(st.tuples(*[st.integers(1, 9)] * rank))
    wanted = data.draw(st.tuples(*[st.integers(1, 7)] * (rank - 1), st.sampled_from((1, 2, 5, 63, 64, 65))))
    m = Model(20)
    x, grid = m.input("x", 2, channels, *sizes), m.input("grid", 2, *wanted, rank)
    m.outputs(m.GridSample(x, grid, mode=mode, padding_mode=padding, align_corners=align))
    feeds = m.feeds(seed) | {"grid": grid_of(np.random.default_rng(seed), (2, *wanted, rank))}
    got, want = agree(m, feeds, isa, f"{sizes} to {wanted} {mode} {padding} {align} seed {seed}")
    if mode == "nearest":
        assert np.array_equal(got, want)


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("mode", ("nearest", "bilinear", "bicubic"))
@pytest.mark.parametrize("channels", (3, 24))
def test_between_others(isa, mode, channels):
    """A picture with a frame, a grid turned from planes as networks of flow have it, a Conv behind."""
    m = Model(16)
    x = m.conv(m.input("x", 2, 3, 6, 9), 3, channels, 3)
    flow = m.Tanh(m.conv(m.input("f", 2, 5, 7, 8), 5, 2, 3))
    y = m.GridSample(x, m.Transpose(flow, perm=[0, 2, 3, 1]), mode=mode)
    m.outputs(m.conv(m.Add(y, m.vector(channels, 1, 1)), channels, 9, 3))
    agree(m, m.feeds(), isa, f"{mode} {channels}")


@pytest.mark.parametrize("channels", (3, 20))
def test_one_session_of_free_sizes(channels):
    m = Model(20)
    x = m.input("x", 1, channels, 6, 7, declared=("n", channels, "h", "w"))
    grid = m.input("grid", 1, 3, 5, 2, declared=("n", "oh", "ow", 2))
    data = m.outputs(m.GridSample(m.Relu(x), grid, mode="linear", padding_mode="border")).bytes()
    session = cinfer.load(data, threads=1)
    for n, h, w, oh, ow in ((1, 6, 7, 3, 5), (2, 3, 9, 4, 70), (1, 1, 1, 64, 64), (3, 7, 7, 1, 1),
                            (1, 20, 9, 2, 130), (2, 5, 5, 0, 3), (1, 9, 8, 7, 6)):
        feeds = m.feeds(x=(n, channels, h, w), grid=(n, oh, ow, 2))
        got, = session.run(None, feeds)
        assert_close(got, by_numpy(data, feeds)[0], f"{h}x{w} to {oh}x{ow}", TOLERANCE)


def test_other_types_and_ranks_are_numpys():
    for rank, kind, of_grid in ((2, np.float64, np.float32), (2, np.float32, np.float64),
                                (2, np.int32, np.float32), (4, np.float32, np.float32)):
        m = Model(20)
        x = m.input("x", 1, 3, *(3, 4, 2, 3)[:rank], dtype=kind)
        grid = m.input("grid", 1, *(2, 3, 2, 2)[:rank], rank, dtype=of_grid)
        m.outputs(m.GridSample(x, grid, mode="nearest"), dtype=kind)
        places = np.random.default_rng(0).uniform(-1, 1, m.shapes["grid"]).astype(of_grid)
        feeds = m.feeds() | {"grid": places}
        got, want = agree(m, feeds, LEVELS[-1], f"{rank} {kind} {of_grid}", "numpy")
        assert got.dtype == kind
