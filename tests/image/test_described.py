"""Three ways in which a model says how to use it end in the same words."""

import numpy as np
import pytest
from fake_session import port, session

from cinfer.errors import InputError
from cinfer.image.described import describe

NAMES = "{0: 'person', 1: \"bicycle\", 3: 'car'}"


def test_cinfer_keys_are_taken_as_they_are():
    described = describe(
        session(
            {
                "cinfer.recipe": "1",
                "cinfer.task": "detection",
                "cinfer.labels": "cat\ndog",
                "cinfer.input.size": "64x32",
                "other": "ignored",
            }
        )
    )
    assert described.task == "detection" and described.labels == ["cat", "dog"]
    assert described.words["input.size"] == "64x32" and "other" not in described.words
    assert "metadata" in described.origin


def test_kind_of_a_classifier_with_a_recipe_is_probabilities_unless_it_says_otherwise():
    recipe = {"cinfer.recipe": "1", "cinfer.task": "classification"}
    assert describe(session(recipe)).words["output.kind"] == "probabilities"
    assert describe(session(recipe | {"cinfer.output.kind": "logits"})).words["output.kind"] == "logits"


def test_newer_version_of_the_keys_is_refused():
    with pytest.raises(InputError, match="'2'.*version 1"):
        describe(session({"cinfer.recipe": "2"}))


@pytest.mark.parametrize(
    "task, ours, resize",
    [
        ("detect", "detection", "letterbox:114"),
        ("classify", "classification", "crop:1"),
        ("segment", "segmentation", "letterbox:114"),
        ("pose", "keypoints", "letterbox:114"),
    ],
)
def test_ultralytics_keys_are_understood(task, ours, resize):
    metadata = {"task": task, "imgsz": "[320, 640]", "names": NAMES, "stride": "32", "batch": "1"}
    described = describe(session(metadata, shape=("batch", 3, "height", "width")))
    assert described.task == ours and "Ultralytics" in described.origin
    assert described.words["input.size"] == "320x640"
    assert described.words["input.resize"] == resize and described.words["input.std"] == "255"
    assert described.labels == ["person", "bicycle", "2", "car"]


def test_fixed_input_of_an_ultralytics_model_wins_over_imgsz():
    described = describe(session({"task": "detect", "imgsz": "[640, 640]"}, shape=(1, 3, 96, 128)))
    assert described.words["input.size"] == "96x128"


@pytest.mark.parametrize(
    "names",
    [
        "",
        "{",
        "(" * 100_000,
        "__import__('os')",
        "{0: 'a', -1: 'b'}",
        "{10**9: 'a'}",
        "{99999999: 'a'}",
        "{'a': 1}",
        "5",
        "{0: 'a\\nb'}",
    ],
)
def test_odd_ultralytics_names_are_no_labels_or_clean_ones(names):
    labels = describe(session({"task": "detect", "imgsz": "640", "names": names})).labels
    assert labels in (None, ["a b"])


def test_guess_for_a_colour_classifier_is_the_habit_of_imagenet():
    words = describe(session()).words
    assert words == {
        "task": "classification",
        "input.name": "input",
        "input.layout": "NCHW",
        "input.channels": "RGB",
        "input.size": "224x224",
        "input.resize": "crop:0.875",
        "input.mean": "123.675,116.28,103.53",
        "input.std": "58.395,57.12,57.375",
    }
    assert describe(session(shape=("n", 3, None, None))).words["input.size"] == "224x224"
    assert describe(session(outputs=[("n", 1000, 1, 1)])).task == "classification"


def test_guess_for_integers_does_not_scale():
    words = describe(session(dtype=np.uint8)).words
    assert words["input.std"] == "1" and "input.mean" not in words and words["input.resize"] == "crop:0.875"


def test_guess_for_grey_is_stretched():
    words = describe(session(shape=(1, 1, 28, 28), outputs=[(1, 10)])).words
    assert words["input.channels"] == "GRAY" and words["input.std"] == "255" and "input.resize" not in words


@pytest.mark.parametrize(
    "outputs", [[(1, 84, 8400)], [(1, 3, 640, 640)], [(1, 10), (1, 4)], [(1, 1)], [(None, None)], [None]]
)
def test_guess_for_all_else_says_no_task(outputs):
    words = describe(session(shape=(1, 3, 640, 480), outputs=outputs)).words
    assert "task" not in words and words["input.std"] == "255" and words["input.size"] == "640x480"


@pytest.mark.parametrize(
    "shape, layout",
    [
        ((1, 3, 8, 8), "NCHW"),
        ((1, 8, 8, 3), "NHWC"),
        ((1, 8, 8, 1), "NHWC"),
        ((1, 1, 8, 8), "NCHW"),
        ((1, 3, 1, 1), "NCHW"),
        ((1, 1, 8, 3), "NHWC"),
        (("n", "c", "h", "w"), "NCHW"),
        (None, "NCHW"),
    ],
)
def test_layout_is_told_by_where_the_channels_stand(shape, layout):
    assert describe(session(shape=shape)).words["input.layout"] == layout


def test_nothing_without_weights_classifies():
    assert describe(session(weights=False)).task == ""


def test_picture_goes_to_the_first_input_of_rank_4():
    model = session()
    model.inputs.insert(0, port("size", np.int64, (2,)))
    assert describe(model).words["input.name"] == "input"


def test_model_without_an_input_for_pictures_is_refused():
    with pytest.raises(InputError, match="'input' of rank 2"):
        describe(session(shape=(1, 10)))
