"""Outputs become classes, a picture or a summary."""

import json

import numpy as np
import pytest

from cinfer.errors import InputError
from fake_session import view

from cinfer.vision.families import family, raw
from cinfer.vision.families.view import Options


def described(**words):
    return words


def answer(words, outputs, labels=None, top=5):
    """What the family of a task says of outputs."""
    words = dict(words)
    said = view(outputs, words.pop("labels", None), options=Options(top=top), **words)
    if labels is not None:
        said.words.labels, said.words.labels_given = labels, True
    return {"classification": family("classify"), "image": family("picture")}.get(words.get("task"), raw).decode(said)


def test_best_classes_come_first_with_their_labels():
    result = answer(
        described(task="classification", labels=["a", "b", "c"], output_kind="probabilities"),
        {"y": np.float32([[0.2, 0.7, 0.1]])},
        top=2,
    )
    assert [(each.index, each.label) for each in result.best] == [(1, "b"), (0, "a")]
    assert result.lines() == ["  0.7000  b (1)", "  0.2000  a (0)"]
    assert result.data()["classes"][0] == {"index": 1, "label": "b", "score": pytest.approx(0.7)}


def test_logits_go_through_softmax():
    result = answer(
        described(task="classification", output_kind="logits"), {"y": np.float32([[0, np.log(3)]])}
    )
    assert [each.score for each in result.best] == pytest.approx([0.75, 0.25])
    huge = answer(described(task="classification", output_kind="logits"), {"y": np.float32([[1e30, -1e30]])})
    assert [each.score for each in huge.best] == [1, 0]


@pytest.mark.parametrize(
    "scores, first",
    [
        ([0.25, 0.75], 0.75),
        ([0.2, 0.2], 0.5),
        ([0, 2], 1 / (1 + np.exp(-2))),
        ([-1, 2], 1 / (1 + np.exp(-3))),
    ],
)
def test_unsaid_kind_is_probabilities_only_if_they_add_up_to_1(scores, first):
    result = answer(described(task="classification"), {"y": np.float32([scores])})
    assert result.best[0].score == pytest.approx(first)


def test_ties_go_to_the_lower_index():
    result = answer(described(task="classification"), {"y": np.zeros((1, 6), np.float32)}, top=3)
    assert [each.index for each in result.best] == [0, 1, 2]


def test_classes_beyond_the_labels_have_none():
    result = answer(described(task="classification", labels=["a"]), {"y": np.float32([[0, 9]])})
    assert result.lines()[0].endswith("class 1")


def test_labels_of_the_user_must_be_as_many_as_the_classes():
    outputs = {"y": np.float32([[0.1, 0.9]])}
    given = described(task="classification", labels=["a", "b"])
    assert answer(given, outputs, labels=["c", "d"]).best[0].label == "d"
    with pytest.raises(InputError, match="3 labels for 2 classes"):
        answer(described(task="classification"), outputs, labels=["c", "d", "e"])


def test_scores_that_are_no_numbers_stay_valid_json():
    result = answer(described(task="classification", output_kind="logits"), {"y": np.float32([[np.nan, 1]])})
    assert json.loads(json.dumps(result.data(), allow_nan=False))["classes"][0]["score"] is None
    assert not any(result.shows(str(each)) for each in result.best)


def test_result_is_the_output_that_is_named():
    outputs = {"a": np.float32([[1, 0]]), "b": np.float32([[0, 1]])}
    assert answer(described(task="classification", output_name="b"), outputs).best[0].index == 1
    with pytest.raises(InputError, match="'c'; the model's outputs are 'a', 'b'"):
        answer(described(task="classification", output_name="c"), outputs)


def test_picture_is_scaled_rounded_and_clipped():
    planes = np.float32([-1, 0, 0.5, 1, 1.001, np.nan]).reshape(1, 1, 2, 3).repeat(3, 1)
    planes[0, 2] = 0
    pixels = answer(described(task="image", output_std="255"), {"y": planes}).pixels
    assert pixels.dtype == np.uint8 and pixels.shape == (2, 3, 3)
    assert pixels[..., 0].tolist() == [[0, 0, 128], [255, 255, 0]] and not pixels[..., 2].any()


def test_picture_layouts_and_channels():
    pixels = np.arange(24, dtype=np.float32).reshape(1, 2, 4, 3)
    nhwc = answer(
        described(task="image", output_layout="NHWC", output_channels="BGR", output_mean="1"), {"y": pixels}
    )
    assert np.array_equal(nhwc.pixels, pixels[0, :, :, ::-1] + 1)
    grey = answer(
        described(task="image", output_channels="GRAY"), {"y": np.full((1, 1, 2, 4), 7, np.float16)}
    )
    assert np.array_equal(grey.pixels, np.full((2, 4), 7))
    assert grey.data() == {"picture": {"width": 4, "height": 2}} and "4x2" in grey.lines()[0]


@pytest.mark.parametrize(
    "shape, words", [((1, 3, 4), "rank 4"), ((2, 3, 4, 4), "batch 1"), ((1, 4, 4, 4), "4 channels")]
)
def test_output_that_is_no_picture_is_refused(shape, words):
    with pytest.raises(InputError, match=words):
        answer(described(task="image"), {"y": np.zeros(shape, np.float32)})


@pytest.mark.parametrize("task", ["detection", "segmentation", "keypoints", "anything", ""])
def test_other_tasks_show_every_output(task):
    result = answer(
        described(task=task), {"boxes": np.arange(17, dtype=np.float32)[None], "n": np.array([7, 0])}
    )
    assert result.lines() == [
        "boxes  float32 1x17  min 0  mean 8  max 16",
        "n      int64 2  min 0  mean 3.5  max 7  [7 0]",
    ]
    boxes = {"name": "boxes", "shape": [1, 17], "dtype": "float32", "min": 0, "mean": 8, "max": 16}
    n = {"name": "n", "shape": [2], "dtype": "int64", "min": 0, "mean": 3.5, "max": 7, "values": [7, 0]}
    assert result.data() == {"outputs": [boxes, n]}


def test_summary_of_odd_outputs():
    outputs = {
        "none": np.zeros((0, 4), np.float32),
        "text": np.array(["a"], object),
        "list": [1, 2],
        "flags": np.array([True, False]),
        "nan": np.float32([np.nan, 1]),
    }
    result = answer({}, outputs)
    assert result.lines() == [
        "none   float32 0x4",
        "text   object 1",
        "list   sequence 2",
        "flags  bool 2  min 0  mean 0.5  max 1  [1 0]",
        "nan    float32 2  min nan  mean nan  max nan  [nan 1]",
    ]
    last = json.loads(json.dumps(result.data(), allow_nan=False))["outputs"][4]
    assert last["max"] is None and last["values"] == [None, 1]
