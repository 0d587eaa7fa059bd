"""One session over many sizes of inputs and many numbers of boxes: memory stays, plans are made once."""
import gc
import sys
from pathlib import Path

import numpy as np
import pytest

import cinfer
from cinfer import session as sessions

from onnx_models import Model, by_numpy

BEFORE = 100                        # runs after which nothing grows any more
MB = 1 << 20
GROWN = 4 * MB                      # as much as a session keeps plans, cinfer.run.kept.KEPT_BYTES


def resident() -> int:
    """Bytes of this process in memory."""
    if not Path("/proc/self/statm").exists():
        pytest.skip(f"{sys.platform} does not say how much memory a process has")
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.fixture
def planned(monkeypatch):
    """The sizes for which plans were made, in order."""
    sizes, make = [], sessions.make_plan

    def count(table, graph, specs, *rest):
        sizes.append(tuple(spec.shape for spec in specs.values()))
        return make(table, graph, specs, *rest)
    monkeypatch.setattr(sessions, "make_plan", count)
    return sizes


# ---- sizes of inputs

def convolutional() -> bytes:
    m = Model(seed=5)
    x = m.input("x", 1, 3, 16, 16, declared=(1, 3, "height", "width"))
    fine = m.Relu(m.conv(x, 3, 16, 3))
    coarse = m.Relu(m.conv(m.MaxPool(fine, kernel_shape=[2, 2], strides=[2, 2]), 16, 32, 3))
    again = m.Resize(coarse, None, np.float32([1, 1, 2, 2]), mode="nearest",
                     coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    y = m.Relu(m.conv(m.Concat(fine, again, axis=1), 48, 8, 1))
    return m.outputs(m.Sigmoid(m.conv(y, 8, 1, 3)), m.GlobalAveragePool(coarse)).bytes()


def test_any_sizes_take_no_memory_and_known_ones_no_planning(planned):
    rng = np.random.default_rng(11)
    session = cinfer.load(convolutional(), threads=1)
    known, made, before = 0, set(), None
    for i in range(1000):
        h, w = 2 * rng.integers(2, 32, 2)
        shape = 1, 3, int(h), int(w)
        x = rng.normal(size=shape).astype(np.float32)
        is_kept = any(key[1] == (shape,) for key in session._plans.routines)
        planned.clear()
        y, pooled = session.run(None, {"x": x})
        assert y.shape == (1, 1, h, w) and pooled.shape == (1, 32, 1, 1)
        assert planned == ([] if is_kept else [(shape,)]), f"run {i} of {shape}"
        known += is_kept
        made.add(shape)
        if i + 1 == BEFORE:
            before = resident()
    assert known > 20 and len(made) > 500
    assert resident() - before < GROWN, f"{(resident() - before) / MB:.1f} MB more"
    planned.clear()
    session.run(None, {"x": x})
    assert not planned


# ---- numbers of boxes

CELLS = 200
SIDE = 4                            # of the boxes, which do not overlap


def detector() -> bytes:
    """CELLS boxes in a grid of 10 x 20, of which those with a score above 0.5 stay, and a class for each of these."""
    m = Model(seed=6, opset=18)
    x = m.input("x", 1, 5, 10, 20)
    offsets, scores = m.node("Split", x, np.array([4, 1]), n=2, axis=1)
    y, x_ = np.divmod(np.arange(CELLS), 20)
    grid = np.stack([SIDE * y, SIDE * x_, SIDE * y + SIDE, SIDE * x_ + SIDE], 1).astype(np.float32)
    boxes = m.Add(m.Reshape(m.Transpose(offsets, perm=[0, 2, 3, 1]), np.array([1, CELLS, 4])), grid[None])
    scores = m.Sigmoid(m.Reshape(scores, np.array([1, 1, CELLS])))
    found = m.NonMaxSuppression(boxes, scores, np.array(CELLS), np.float32(.5), np.float32(.5))
    at = m.Gather(found, np.array([0, 2]), axis=1)
    kept = m.GatherND(boxes, at)
    best = m.GatherND(m.Squeeze(scores, np.array([1])), at)
    features = m.Relu(m.conv(x, 5, 16, 3))
    batches = m.Squeeze(m.Gather(found, np.array([0]), axis=1), np.array([1]))
    rois = m.RoiAlign(features, m.Div(kept, np.float32(SIDE)), batches, output_height=2, output_width=2)
    classes = m.Softmax(m.MatMul(m.Flatten(rois), m.weights(10, 64).T.copy()), axis=1)
    m.outputs(kept, best, classes)
    return m.outputs(m.ArgMax(classes, axis=1, keepdims=0), dtype=np.int64).bytes()


def seen(rng, count: int) -> np.ndarray:
    """An input of which so many boxes stay."""
    x = rng.normal(size=(1, 5, 10, 20)).astype(np.float32) / 16
    x[0, 4] = -4
    x[0, 4].reshape(-1)[rng.choice(CELLS, count, replace=False)] = rng.uniform(1, 4, count)
    return x


def test_any_number_of_boxes_takes_no_memory_and_known_ones_no_planning(planned):
    rng = np.random.default_rng(12)
    data = detector()
    session, before = cinfer.load(data, threads=1), None
    for i in range(300):
        count = int(rng.choice((0, 1, CELLS, *rng.integers(0, CELLS + 1, 5))))
        x = seen(rng, count)
        answers = session.run(None, {"x": x})
        assert [(y.dtype, y.shape) for y in answers] == [
            (np.float32, (count, 4)), (np.float32, (count,)), (np.float32, (count, 10)), (np.int64, (count,))]
        if i % 30 == 0:
            for y, want in zip(answers, by_numpy(data, {"x": x})):
                np.testing.assert_allclose(y, want, atol=1e-5)
        if i + 1 == BEFORE:
            before = resident()
    assert resident() - before < GROWN, f"{(resident() - before) / MB:.1f} MB more"
    assert len(planned) == len(session._plans.routines)             # none was dropped, none made twice


@pytest.mark.parametrize("first", [0, 7])
def test_no_boxes_give_empty_arrays_and_the_next_picture_its_boxes(first):
    rng = np.random.default_rng(13)
    session = cinfer.load(detector(), threads=1)
    for count in (first, 0, 3, 0):
        boxes, scores, classes, labels = session.run(None, {"x": seen(rng, count)})
        assert boxes.shape == (count, 4) and classes.shape == (count, 10)
        assert scores.shape == labels.shape == (count,)
        assert boxes.dtype == scores.dtype == classes.dtype == np.float32 and labels.dtype == np.int64
