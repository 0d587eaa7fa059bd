"""Boxes at angles: ProbIoU by matrices, corners by rotation, suppression of every pair."""

import numpy as np
import pytest
from constant_model import letterbox, model, reading

from cinfer.vision.families.yolo_oriented import distinct, polygons_of, regular

KEYS = {"task": "obb", "imgsz": "[640, 640]", "stride": "32", "names": "['ship', 'plane', 'pool']"}


def shared(one, two):
    """ProbIoU of two boxes cx cy w h angle: by the Bhattacharyya coefficient of their Gaussians."""
    def gaussian(box):
        cos, sin = np.cos(box[4]), np.sin(box[4])
        turn = np.array([[cos, -sin], [sin, cos]])
        return np.array(box[:2]), turn @ np.diag(np.array(box[2:4]) ** 2 / 12) @ turn.T
    (m1, s1), (m2, s2) = gaussian(one), gaussian(two)
    mean = (s1 + s2) / 2
    d = m1 - m2
    each = np.sqrt(np.linalg.det(s1) * np.linalg.det(s2))
    b = d @ np.linalg.inv(mean) @ d / 8 + np.log(np.linalg.det(mean) / each) / 2
    return 1 - np.sqrt(max(0, 1 - np.exp(-b)))


def stay(boxes, classes, iou):
    return [j for j in range(len(boxes))
            if not any(classes[i] == classes[j] and shared(boxes[i], boxes[j]) >= iou for i in range(j))]


def some(n, seed, span=60):
    draw = np.random.default_rng(seed)
    return np.concatenate([draw.uniform(0, span, (n, 2)), draw.uniform(5, 60, (n, 2)), draw.uniform(-4, 4, (n, 1))], 1)


@pytest.mark.parametrize("iou", [0.1, 0.45, 0.7, 0.95])
@pytest.mark.parametrize("n", [0, 1, 2, 60])
def test_is_as_defined(n, iou):
    boxes, classes = some(n, n), np.random.default_rng(1).integers(0, 2, n)
    assert distinct(boxes, classes, iou).tolist() == stay(boxes, classes, iou)


def test_one_that_goes_takes_others_with_it():
    chain = np.array([[100, 100, 100, 40, 0.3], [106, 100, 100, 40, 0.3], [112, 100, 100, 40, 0.3]])
    first, second, ends = shared(*chain[:2]), shared(*chain[1:]), shared(chain[0], chain[2])
    assert min(first, second) > 0.85 > ends
    assert distinct(chain, np.zeros(3, int), 0.85).tolist() == [0]


def test_boxes_without_area_harm_no_others():
    boxes = np.array([[10, 10, 5, 5, 0.0], [10, 10, 0, 0, 0], [10, 10, 0, 0, 0], [10, 10, 5, 5, 0]])
    assert distinct(boxes, np.zeros(4, int), 0.7).tolist() == [0, 1, 2]


def test_corners_are_turned_about_the_centre():
    boxes = some(20, 5)
    for box, found in zip(boxes, polygons_of(boxes)):
        turn = np.exp(1j * box[4])
        corners = [complex(x * box[2] / 2, y * box[3] / 2) for x, y in ((1, 1), (1, -1), (-1, -1), (-1, 1))]
        wanted = [complex(*box[:2]) + turn * corner for corner in corners]
        np.testing.assert_allclose(found[:, 0] + 1j * found[:, 1], wanted, atol=1e-9)


def test_angles_are_within_a_quarter_turn_and_the_boxes_the_same():
    boxes = some(200, 6)
    found = regular(boxes)
    assert (found[:, 4] >= 0).all() and (found[:, 4] < np.pi / 2).all()
    for a, b in zip(polygons_of(boxes), polygons_of(found)):
        assert all(np.abs(b - corner).sum(1).min() < 1e-9 for corner in a)


@pytest.mark.parametrize("form", ["v8", "end2end", "nms"])
def test_answers_are_polygons_in_the_picture(form):
    width, height = 900, 600
    sx, sy, left, top = letterbox(width, height)
    scene = np.array(
        [[300, 300, 200, 80, 0.5], [303, 300, 200, 80, 0.5], [300, 300, 200, 80, 2.0], [890, 590, 100, 50, -0.3]]
    )
    fed = scene * [sx, sy, sx, sy, 1] + [left, top, 0, 0, 0]
    scores = np.array([[0.9, 0, 0], [0.8, 0, 0], [0, 0.7, 0], [0, 0, 0.6]])
    rows = np.concatenate([fed[:, :4], scores, fed[:, 4:]], 1)
    if form == "v8":
        output = np.zeros((8, 8400), np.float32)
        output[:, 9:13] = rows.T
        keys = KEYS
    else:
        output = np.zeros((300, 7), np.float32)
        best = np.stack([scores.max(1), scores.argmax(1)], 1)
        output[:3] = np.concatenate([fed[:, :4], best, fed[:, 4:]], 1)[[0, 2, 3]]
        keys = KEYS | ({"end2end": "True"} if form == "end2end" else {"args": "{'nms': True}"})
    answer = reading(model({"output0": output[None]}, keys), width, height).answer
    assert answer.task == "oriented" and [each.label for each in answer.found] == ["ship", "plane", "pool"]
    for each, box in zip(answer.found, scene[[0, 2, 3]]):
        wanted = polygons_of(box[None])[0]
        assert all(np.abs(each.polygon - corner).max(1).min() < 0.2 for corner in wanted)
        x, y = np.clip(wanted[:, 0], 0, width), np.clip(wanted[:, 1], 0, height)
        np.testing.assert_allclose(each.box, [x.min(), y.min(), x.max(), y.max()], atol=0.2)
        assert 0 <= each.angle < np.pi / 2
        assert abs((each.angle - box[4] + np.pi / 4) % (np.pi / 2) - np.pi / 4) < 1e-5


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38, 0, 1])
def test_odd_numbers_give_an_answer(value, recwarn):
    answer = reading(model({"output0": np.full((1, 8, 8400), value, np.float32)}, KEYS), 64, 48).answer
    answer.data(), answer.lines()
    assert len(answer.found) <= 300 and not recwarn.list
