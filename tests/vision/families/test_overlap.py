"""Non-maximum suppression against its definition."""

import numpy as np
import pytest
from constant_model import kept

from cinfer.vision.families.overlap import corners, likeliest, suppress


def some(n, seed, span=640):
    draw = np.random.default_rng(seed)
    centre, size = draw.uniform(0, span, (n, 2)), draw.uniform(span / 8, span / 3, (n, 2))
    boxes = np.concatenate([centre - size / 2, centre + size / 2], 1).astype(np.float32)
    return boxes, draw.permutation(n).astype(np.float32) / n, draw.integers(0, 4, n)


@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 250])
@pytest.mark.parametrize("iou", [0.0, 0.45, 0.7, 1.0])
def test_is_as_defined(n, iou):
    boxes, scores, classes = some(n, n)
    assert suppress(boxes, scores, iou, n, classes).tolist() == kept(boxes, scores, classes, iou)
    assert suppress(boxes, scores, iou, n).tolist() == kept(boxes, scores, np.zeros(n), iou)


def test_at_most_so_many_stay_and_they_are_the_likeliest():
    boxes, scores, classes = some(200, 1)
    assert suppress(boxes, scores, 0.5, 7, classes).tolist() == kept(boxes, scores, classes, 0.5)[:7]


def test_boxes_from_0_to_1_are_boxes_too():
    boxes, scores, classes = some(100, 2, span=1.0)
    assert suppress(boxes, scores, 0.5, 100, classes).tolist() == kept(boxes, scores, classes, 0.5)


@pytest.mark.parametrize("edge", [(1, 1), (.5, .25)])
def test_boxes_may_count_an_edge_more_than_from_corner_to_corner(edge):
    boxes, scores, classes = some(120, 3, span=60)
    wider = boxes + np.float32([0, 0, *edge])
    assert suppress(boxes, scores, .45, 120, classes, edge).tolist() == kept(wider, scores, classes, .45)
    assert suppress(boxes, scores, .45, 120, classes).tolist() != kept(wider, scores, classes, .45)


def test_of_equal_scores_the_first_box_stays():
    assert suppress([[0, 0, 9, 9]] * 3, [0.5, 0.5, 0.5], 0.5, 9).tolist() == [0]


def test_boxes_without_a_place_or_a_score_go_and_harm_no_others():
    boxes = np.float32([[0, 0, 9, 9], [np.nan, 0, 9, 9], [0, 0, np.inf, 9], [20, 20, 29, 29], [0, 0, 9, 9],
                        [5, 5, 5, 5]])
    scores = np.float32([0.9, 1, 1, np.nan, 0.8, 0.7])
    assert suppress(boxes, scores, 0.5, 9).tolist() == [0, 5]
    huge = np.float32([[0, 0, 9, 9], [-3e38, -3e38, 3e38, 3e38], [0, 0, 9, 8.5]])
    assert suppress(huge, [0.9, 0.8, 0.7], 0.5, 9, [0, 10**12, 0]).tolist() == [0, 1]
    assert suppress(np.empty((0, 4)), [], 0.5, 9, []).tolist() == []


def test_the_likeliest_of_too_many_are_asked():
    boxes = np.tile(np.float32([0, 0, 1, 1]), (40_000, 1)) + np.arange(40_000, dtype=np.float32)[:, None] * 2
    scores = np.linspace(0.1, 0.9, 40_000, dtype=np.float32)
    assert suppress(boxes, scores, 0.5, 3).tolist() == [39_999, 39_998, 39_997]


def test_corners_and_order():
    assert corners(np.float32([[10, 20, 4, 6]])).tolist() == [[8, 17, 12, 23]]
    assert likeliest(np.float32([0.1, 0.9, 0.9, 0.5]), 3).tolist() == [1, 2, 3]
