"""Masks of instances, pixel by pixel against the bilinear reading of coefficients @ prototypes."""

import numpy as np
import pytest
from constant_model import centred, fed, letterbox, model, reading

KEYS = {"task": "segment", "imgsz": "[640, 640]", "stride": "32", "names": "['a', 'b']"}


def smooth(count, high, wide, seed=0):
    """Prototypes that change slowly."""
    y, x = np.mgrid[:high, :wide]
    draw = np.random.default_rng(seed)
    return np.float32([np.sin(x * a + b) * np.cos(y * c + d) for a, b, c, d in draw.uniform(.02, .09, (count, 4))])


def logit(planes, numbers, x, y, width, height, placed, wide=640, high=640):
    """At the centre of the picture's pixel (x, y), by the definition."""
    sx, sy, left, top = placed
    u = ((x + 0.5) * sx + left) * planes.shape[2] / wide - 0.5
    v = ((y + 0.5) * sy + top) * planes.shape[1] / high - 0.5
    u, v = min(max(u, 0), planes.shape[2] - 1), min(max(v, 0), planes.shape[1] - 1)
    total = 0.0
    for j, wv in ((int(v), 1 - v % 1), (int(v) + 1, v % 1)):
        for i, wu in ((int(u), 1 - u % 1), (int(u) + 1, u % 1)):
            if wu * wv:
                total += wu * wv * float(np.dot(numbers.astype(float), planes[:, j, i].astype(float)))
    return total


@pytest.mark.parametrize("form", ["v8", "v5", "end2end"])
@pytest.mark.parametrize("width, height", [(768, 500), (101, 300), (700, 40)])
def test_pixels_are_inside_where_the_logit_is_above_0_and_the_box_is(form, width, height):
    placed = letterbox(width, height)
    planes = smooth(8, 160, 160)
    draw = np.random.default_rng(width)
    boxes = np.array([[-20, -20, width * .4, height * .6], [width * .33, height * .21, width * .9, height * .95],
                      [width * .5, 3.0, width + 9, height + 9], [5.5, 5.5, 6, 5.75]])
    numbers = draw.normal(size=(4, 8)).astype(np.float32)
    numbers[1] = [-v for v in numbers[0]]
    scores = np.array([[0.9, 0.1], [0.1, 0.8], [0.7, 0.1], [0.6, 0.1]])
    inner = fed(boxes, placed)
    if form == "v8":
        rows = np.concatenate([centred(inner), scores, numbers], 1)
        output = np.zeros((14, 8400), np.float32)
        output[:, 100:104] = rows.T
    elif form == "v5":
        rows = np.concatenate([centred(inner), np.ones((4, 1)), scores, numbers], 1)
        output = np.zeros((25200, 15), np.float32)
        output[100:104] = rows
    else:
        best = np.stack([scores.max(1), scores.argmax(1)], 1)
        output = np.concatenate([inner, best, numbers], 1).astype(np.float32)
    keys = {"v8": KEYS, "end2end": KEYS | {"end2end": "True"}, "v5": {"stride": "32", "names": "['a', 'b']"}}[form]
    answer = reading(model({"output0": output[None], "output1": planes[None]}, keys), width, height).answer
    assert answer.task == "segmentation"
    # the last box has a pixel's centre of none of the columns: no pixel is inside
    wanted = {0: 0, 1: 1, 2: 2}
    assert len(answer.found) == len(wanted)
    for place, each in enumerate(answer.found):
        x1, y1, x2, y2 = np.clip(boxes[place], 0, [width, height] * 2)
        mask = each.mask.whole()
        assert mask.shape == (height, width)
        for x, y in draw.uniform(0, 1, (400, 2)) * [width, height]:
            x, y = int(x), int(y)
            value = logit(planes, numbers[place], x, y, width, height, placed)
            inside = x1 <= x < x2 and y1 <= y < y2
            if not inside or abs(value) > 1e-4:
                assert mask[y, x] == (inside and value > 0), (place, x, y, value)


def test_objects_without_a_pixel_are_dropped():
    output = np.zeros((300, 14), np.float32)
    output[:3] = [[100, 100, 200, 200, .9, 0, *[1] * 8], [100, 100, 200, 200, .8, 1, *[-1] * 8],
                  [300, 300, 300, 300, .7, 0, *[1] * 8]]
    session = model({"output0": output[None], "output1": np.ones((1, 8, 160, 160), np.float32)}, KEYS)
    answer = reading(session, 640, 640).answer
    assert [each.score for each in answer.found] == [pytest.approx(0.9)]
    assert answer.found[0].mask.inside.shape == (100, 100) and answer.found[0].mask.inside.all()
    assert (answer.found[0].mask.x, answer.found[0].mask.y) == (100, 100)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_odd_prototypes_give_an_answer(value, recwarn):
    output = np.zeros((300, 14), np.float32)
    output[0] = [100, 100, 200, 200, .9, 0, *[1] * 8]
    session = model({"output0": output[None], "output1": np.full((1, 8, 2, 3), value, np.float32)}, KEYS)
    answer = reading(session, 64, 48).answer
    assert len(answer.found) <= 1 and not recwarn.list


def test_masks_are_told_by_shapes_too():
    output = np.zeros((36 + 2, 8400), np.float32)
    output[:, 5] = [320, 320, 100, 100, 0.1, 0.9, *[1] * 32]
    session = model({"a": output[None], "b": np.ones((1, 32, 160, 160), np.float32)}, name="x")
    answer = reading(session, 640, 640).answer
    assert answer.task == "segmentation" and answer.found[0].mask.inside.sum() == 100 * 100
