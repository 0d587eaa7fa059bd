"""What is said as JSON is what docs/answer.schema.json allows, for every kind of answer."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from cinfer.vision.answers.classes import Class, Classes
from cinfer.vision.answers.embedding import Embedding
from cinfer.vision.answers.map import Map
from cinfer.vision.answers.objects import Mask, Object, Objects, run_lengths
from cinfer.vision.answers.picture import Picture
from cinfer.vision.answers.summary import Row, Summary
from cinfer.vision.answers.text import Line, Text

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "answer.schema.json").read_text())
NAN = float("nan")
ANSWERS = [
    Classes([Class(3, "cat", 0.5), Class(0, None, NAN)]),
    Objects([]),
    Objects([
        Object(0, "person", 0.9, (1.0, 2.0, 30.5, NAN), points=np.array([[1, 2, 0.5], [3, 4, NAN]])),
        Object(2, None, None, (0, 0, 1, 1), mask=Mask(np.ones((2, 3), bool), 4, 5, 20, 10)),
        Object(1, "ship", 0.2, (0, 0, 9, 9), polygon=np.array([[0, 0], [9, 0], [9, 9], [0, 9]]), angle=0.25),
    ], "keypoints"),
    Map(np.array([[0, 1], [255, 1]], np.uint8), "segmentation", ["sky", "road"], ignored=255),
    Map(np.array([[0.5, NAN]], np.float32), "depth", unit="m"),
    Map(np.zeros((0, 0), np.float32), "depth"),
    Map(np.ones((2, 2), np.float32), "anomaly", score=0.7, label="Anomalous"),
    Text([Line("hello", 0.9, np.array([[0, 0], [5, 0], [5, 2], [0, 2]])), Line("world")]),
    Embedding(np.array([0.6, 0.8])),
    Picture(np.zeros((3, 4, 3), np.uint8)),
    Summary([Row("y", (1, 2), "float32", 0.0, NAN, 1.0, [0.0, 1.0]), Row("s", (), "sequence")]),
]


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda each: type(each).__name__)
def test_every_answer_fits_the_schema(answer):
    said = {"image": "a.png", "width": 20, "height": 10, "ms": 1.5, "task": answer.task or None, **answer.data()}
    text = json.dumps(said, allow_nan=False)
    jsonschema.validate(json.loads(text), SCHEMA)
    assert answer.line() and all(type(line) is str and "\n" not in line for line in answer.lines())


def test_schema_refuses_what_is_not_said():
    for wrong in ({"image": "a"}, {"image": "a", "error": "b", "task": None, "width": 1, "height": 1, "ms": 1},
                  {"image": "a", "width": 1, "height": 1, "ms": 1, "task": None, "boxes": []}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, SCHEMA)


def test_run_lengths_go_down_the_columns():
    mask = np.array([[0, 1, 1], [0, 0, 1]], bool)
    assert run_lengths(mask) == [2, 1, 1, 2]
    assert run_lengths(~mask) == [0, 2, 1, 1, 2]
    assert run_lengths(np.zeros((2, 2), bool)) == [4] and run_lengths(np.ones((2, 2), bool)) == [0, 4]


@pytest.mark.parametrize("seed", range(5))
def test_run_lengths_lead_back_to_the_mask(seed):
    mask = np.random.default_rng(seed).random((7, 5)) < 0.5
    flat = np.concatenate([np.full(count, k % 2 == 1) for k, count in enumerate(run_lengths(mask))])
    assert np.array_equal(flat.reshape(5, 7).T, mask)


def test_shares_and_ranges():
    classes = Map(np.array([[0, 1], [255, 1]], np.uint8), "segmentation", ["sky", "road"], ignored=255)
    assert classes.shares() == [(1, "road", 0.5), (0, "sky", 0.25)]
    assert classes.shows("road") and not classes.shows("car")
    assert Map(np.array([[1.0, 3.0, NAN]], np.float32), "depth").range() == (1.0, 3.0, 2.0)
