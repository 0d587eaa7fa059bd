"""Which boxes stay, against ops/detection.py, at every level."""
import numpy as np
import pytest

import cinfer._ops as ops
from cinfer.ops import detection
from cinfer.ops.detection import NonMaxSuppression
from cinfer.run.direct import FEW_BOXES, Direct

from blocked import aligned

LEVELS = ops.usable_levels()
GUARD = 77
LONG = 700                              # longer than LONG_LIST of detection.h


def select(level, boxes, scores, limit=1 << 40, overlap=0.5, least=None, center_point_box=0, threads=2) -> list[list]:
    """By the kernel, guards around what it writes; what NumPy selects is held to be the same."""
    boxes, scores = np.float32(boxes), np.float32(scores)
    lists, count = scores.shape
    overlap = np.float32(overlap)
    with np.errstate(all="ignore"):
        want = [each.tolist() for each in detection.select(boxes, scores, limit, overlap, least, center_point_box)]
    most = min(count, limit)
    room, counts = aligned(lists * most + 32, np.int32), np.empty(lists, np.int64)
    room[...] = GUARD
    chosen, before = room[16:16 + lists * most], (boxes.copy(), scores.copy())
    t = ops.table(level)
    params = t.pack("suppress", boxes=(0, boxes.ctypes.data), scores=(0, scores.ctypes.data),
                    chosen=(0, chosen.ctypes.data), counts=(0, counts.ctypes.data), labels=lists // len(boxes),
                    count=count, most=most, limit=most, centered=center_point_box, all=least is None,
                    least=int(np.float32(least or 0).view(np.uint32)), overlap=float(overlap))
    ops.executor().run_once(t, "suppress", params, lists, threads)
    assert (room[:16] == GUARD).all() and (room[16 + lists * most:] == GUARD).all()
    assert boxes.tobytes() == before[0].tobytes() and scores.tobytes() == before[1].tobytes()
    got = [row[:n].tolist() for row, n in zip(chosen.reshape(lists, most), counts.tolist())]
    assert got == want
    return got


def random_boxes(rng, batches: int, count: int, spread: float = 10.0) -> np.ndarray:
    """Corners, of sizes that float32 has exactly; some without area, or turned round."""
    corner = rng.integers(0, int(4 * spread) + 1, (batches, count, 2)) / 4
    size = rng.integers(0, 17, (batches, count, 2)) / 4
    size[rng.random((batches, count)) < .1] *= -1
    return np.concatenate([corner, corner + size], 2).astype(np.float32)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 15, 16, 17, 33, 47, 48, 49, 64, 250])
@pytest.mark.parametrize("batches, labels", [(1, 1), (2, 3)])
def test_chooses_what_numpy_chooses(level, count, batches, labels):
    rng = np.random.default_rng(count)
    for spread in (0, 2, 10, 100):
        boxes = random_boxes(rng, batches, count, spread)
        scores = rng.integers(-9, 9, (batches * labels, count)) / 8
        for overlap in (0.0, 0.1, 0.75, 1.0):
            for limit in (1, 5, 16, 1 << 40):
                got = select(level, boxes, scores, limit, overlap)
                assert select(level, boxes, scores, limit, overlap, threads=1) == got
        select(level, boxes, scores, least=0.0, center_point_box=1)
        assert select(level, boxes, scores, least=2.0) == [[]] * (batches * labels)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("classes, limit", [(1, LONG), (2, LONG), (40, LONG), (LONG, LONG), (40, 9), (3, LONG // 3)])
@pytest.mark.parametrize("value", [None, np.nan, np.inf, -np.inf])
def test_long_lists_of_classes_that_lie_apart(level, classes, limit, value):
    rng = np.random.default_rng(classes)
    boxes = random_boxes(rng, 2, LONG, 3)
    boxes += (rng.integers(0, classes, (2, LONG, 1)) * 8.).astype(np.float32)
    if value is not None:
        boxes[0, 100, classes % 4] = value
    scores = rng.integers(0, 200, (4, LONG)) / 8
    for least in (None, 3.0):
        select(level, boxes, scores, limit, 0.3, least)
    select(level, boxes, scores, limit, 0.3, None, 1)


@pytest.mark.parametrize("level", LEVELS)
def test_scores_of_every_kind_are_sorted_alike(level):
    """Both zeros are equal, NaN is last, or not above anything; of equals the first is first."""
    special = np.float32([0, -0., 1e-45, -1e-45, np.inf, -np.inf, np.nan, -np.nan, 1, -1, 3.4e38, 1e-38])
    rng = np.random.default_rng(0)
    for count in (12, 40, 300):
        boxes = np.zeros((1, count, 4), np.float32)
        boxes[0, :, 0] = boxes[0, :, 1] = np.arange(count) * 2
        boxes[0, :, 2:] = boxes[0, :, :2] + 1
        scores = rng.choice(special, (3, count))
        for least in (None, 0.0, -0.0, 1e-45, -np.inf, np.inf, 0.5):
            select(level, boxes, scores, least=least)


@pytest.mark.parametrize("level", LEVELS)
def test_the_threshold_itself_is_no_overlap(level):
    """Two boxes that share a third of their joint area."""
    boxes, scores, third = [[[0, 0, 1, 2], [0, 1, 1, 3]]], [[2, 1]], np.float32(1) / np.float32(3)
    assert select(level, boxes, scores, overlap=third) == [[0, 1]]
    assert select(level, boxes, scores, overlap=np.nextafter(third, np.float32(0))) == [[0]]


@pytest.mark.parametrize("level", LEVELS)
def test_boxes_that_only_touch_or_have_no_area_stay(level):
    boxes = np.float32([[[0, 0, 1, 1], [0, 1, 1, 2], [1, 0, 2, 1], [0, 0, 1, 0], [0, 0, 0, 1]]])
    assert select(level, boxes, [[5, 4, 3, 2, 1]], overlap=0.0) == [[0, 1, 2, 3, 4]]
    same = np.repeat(boxes[:, :1], 40, 1)
    assert select(level, same, np.ones((1, 40)), overlap=0.9) == [[0]]
    assert select(level, same, np.ones((1, 40)), overlap=1.0) == [[*range(40)]]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_numbers_that_are_none_end_nothing(level, value):
    rng = np.random.default_rng(5)
    for place in range(4):
        boxes = random_boxes(rng, 1, 30, 3)
        boxes[0, 7, place] = value
        for center_point_box in (0, 1):
            select(level, boxes, rng.random((1, 30)), overlap=0.4, center_point_box=center_point_box)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
@pytest.mark.parametrize("count", [0, 1, 50, FEW_BOXES // 2])
def test_an_operator_at_work_gives_the_same(level, dtype, count):
    rng = np.random.default_rng(count)
    boxes = random_boxes(rng, 2, count, 20).astype(dtype)
    scores = rng.integers(0, 50, (2, 3, count)).astype(dtype)
    for least in (None, np.array(10, np.float32), np.array(np.nan, np.float32)):
        given = boxes, scores, np.array(40), np.array(0.5, np.float32), least
        with np.errstate(all="ignore"):
            want = NonMaxSuppression.evaluate(*given)
        assert want.dtype == np.int64 and want.shape[1] == 3
        for threads in (1, 2):
            with Direct(ops.table(level), threads).at_work():
                np.testing.assert_array_equal(NonMaxSuppression.evaluate(*given), want)
