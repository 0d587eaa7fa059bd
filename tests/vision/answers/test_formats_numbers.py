"""Whatever the scores are, other programs can read what is written."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from cinfer.vision.answers import formats
from cinfer.vision.answers.objects import Object, Objects


@pytest.mark.parametrize("score", [np.nan, np.inf, None, .5])
def test_label_studio_of_any_score(score):
    found = Objects([Object(0, "a", score, (1., 2., 3., 4.))])
    reading = SimpleNamespace(answer=found, frame=SimpleNamespace(width=10, height=10))
    written = json.loads(formats.dumped(formats.labelstudio("a.jpg", reading)))
    assert written["predictions"][0]["score"] == (score if score == .5 else 0)


def test_boxes_lie_in_the_picture_where_the_format_wants_it():
    """RT-DETR's are beyond it: cut off in COCO's, YOLO's and Label Studio's files, as the network says them in CSV."""
    boxes = [(-5., 10., 50., 120.), (90., -30., 130., 20.), (20., 30., 40., 60.), (100., 10., 140., 20.),
             (-9., -9., 0., 5.)]
    found = Objects([Object(k, f"c{k}", .5, box) for k, box in enumerate(boxes)])
    reading = SimpleNamespace(answer=found, frame=SimpleNamespace(width=100, height=80))
    expected = {0: (0, 10, 50, 80), 1: (90, 0, 100, 20), 2: (20, 30, 40, 60)}       # the others lie outside
    rows = formats.coco("a.jpg", 0, reading)
    assert {row["category_id"]: tuple(row["bbox"]) for row in rows} == {
        k: (x1, y1, x2 - x1, y2 - y1) for k, (x1, y1, x2, y2) in expected.items()}
    lines = [list(map(float, line.split())) for line in formats.yolo(reading).splitlines()]
    assert len(lines) == 3 and all(0 <= cx - w / 2 and cx + w / 2 <= 1 and 0 <= cy - h / 2 and cy + h / 2 <= 1
                                   for _, cx, cy, w, h, _ in lines)
    assert lines[1] == [1, .95, .125, .1, .25, .5]
    values = [each["value"] for each in formats.labelstudio("a.jpg", reading)["predictions"][0]["result"]]
    assert [(v["x"], v["y"], v["width"], v["height"]) for v in values] == [
        (x1, y1 / .8, x2 - x1, (y2 - y1) / .8) for x1, y1, x2, y2 in expected.values()]
    assert "-5.00,10.00,50.00,120.00" in formats.csv_rows("a.jpg", reading)
    assert formats.csv_rows("a.jpg", reading).count("\n") == 5
