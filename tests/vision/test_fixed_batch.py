"""Networks whose files fix a batch of several pictures: the picture is fed as often, the first answer counts."""

import numpy as np
import pytest
from constant_model import model, reading

KEYS = {"task": "detect", "imgsz": "[64, 64]", "stride": "32", "names": "{0: 'a', 1: 'b'}"}


def places(*boxes):
    """YOLO's (6, 84) with boxes cx cy w h score, of class 1, and nothing elsewhere."""
    table = np.zeros((6, 84), np.float32)
    for place, (*box, score) in enumerate(boxes):
        table[:4, place], table[5, place] = box, score
    return table


@pytest.mark.parametrize("declared", [(2, 6, 84), ("b", 6, "n")])
def test_boxes_are_those_of_the_first_picture(declared):
    both = np.stack([places((20, 20, 10, 10, .9)), places((40, 40, 10, 10, .8), (10, 50, 8, 8, .7))])
    made = model({"output0": both}, KEYS, (2, 3, 64, 64), {"output0": declared})
    found = reading(made, 64, 64).answer.found
    assert [(each.label, tuple(each.box)) for each in found] == [("b", (15, 15, 25, 25))]


def test_classes_are_those_of_the_first_picture():
    keys = {"cinfer.recipe": "1", "cinfer.task": "classification", "cinfer.labels": "a\nb\nc",
            "cinfer.input.size": "8x8"}
    made = model({"y": np.float32([[.1, .7, .2], [.9, .05, .05], [1, 0, 0]])}, keys, (3, 3, 8, 8))
    assert reading(made, 8, 8).answer.data()["classes"][0]["label"] == "b"


def test_as_many_rows_as_pictures_are_no_batch():
    rows = np.float32([[0, 10, 10, 20, 20, 1, .9], [0, 30, 30, 50, 50, 2, .8]])     # image x1 y1 x2 y2 class score
    made = model({"output": rows}, None, (2, 3, 64, 64), {"output": ("n", 7)})
    assert len(reading(made, 64, 64).answer.found) == 2
