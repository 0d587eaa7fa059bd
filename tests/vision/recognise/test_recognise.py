"""Whoever says how a model is used ends in the same words; the first to say one wins."""

import numpy as np
import pytest
from fake_session import known, port, recipe_of, session

from cinfer.errors import InputError

NAMES = "{0: 'person', 1: \"bicycle\", 3: 'car'}"


def test_cinfer_keys_are_taken_as_they_are():
    described = known(
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
    assert described.text("input.size") == "64x32" and "other" not in described
    assert described.evidence == ["the model's metadata"]


def test_kind_of_a_classifier_with_a_recipe_is_probabilities_unless_it_says_otherwise():
    recipe = {"cinfer.recipe": "1", "cinfer.task": "classification"}
    assert known(session(recipe)).text("output.kind") == "probabilities"
    assert known(session(recipe | {"cinfer.output.kind": "logits"})).text("output.kind") == "logits"


def test_newer_version_of_the_keys_is_refused():
    with pytest.raises(InputError, match="'2'.*version 1"):
        known(session({"cinfer.recipe": "2"}))


@pytest.mark.parametrize(
    "task, ours, resize, size",
    [
        ("detect", "detection", "letterbox:114", "within:320:640:32"),
        ("classify", "classification", "stretch", "320x640"),
        ("segment", "segmentation", "letterbox:114", "within:320:640:32"),
        ("pose", "keypoints", "letterbox:114", "within:320:640:32"),
    ],
)
def test_ultralytics_keys_are_understood(task, ours, resize, size):
    metadata = {"task": task, "imgsz": "[320, 640]", "names": NAMES, "stride": "32", "batch": "1"}
    described = known(session(metadata, shape=("batch", 3, "height", "width")))
    assert described.task == ours and "Ultralytics" in described.origin()
    assert described.text("input.size") == size
    assert described.text("input.resize") == resize and described.text("input.std") == "255"
    assert described.labels == ["person", "bicycle", "2", "car"]


def test_fixed_input_of_an_ultralytics_model_wins_over_imgsz():
    described = known(session({"task": "detect", "imgsz": "[640, 640]"}, shape=(1, 3, 96, 128)))
    assert described.text("input.size") == "96x128"


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
    labels = known(session({"task": "detect", "imgsz": "640", "names": names})).labels
    assert labels in (None, ["a b"])


def test_guess_for_a_colour_classifier_is_the_habit_of_imagenet():
    words = known(session())
    assert words.task == "classification" and words.text("family") == "classify"
    expected = {
        "input.name": "input",
        "input.layout": "NCHW",
        "input.channels": "RGB",
        "input.size": "224x224",
        "input.resize": "centre:0.875",
        "input.mean": "123.675,116.28,103.53",
        "input.std": "58.395,57.12,57.375",
    }
    assert {key: words.text(key) for key in expected} == expected
    assert known(session(shape=("n", 3, None, None))).text("input.size") == "224x224"
    assert known(session(outputs=[("n", 1000, 1, 1)])).task == "classification"


def test_guess_for_integers_does_not_scale():
    words = known(session(dtype=np.uint8))
    assert [words.text(f"input.{key}") for key in ("mean", "std", "resize")] == ["0", "1", "centre:0.875"]


SCRFD = [(n, width) for width in (1, 4, 10) for n in (12800, 3200, 800)]


@pytest.mark.parametrize("metadata, shape, outputs", [
    ({}, (1, 3, 224, 224), [(1, 1000)]), ({}, (1, 3, 640, 640), SCRFD), ({}, (1, 3, 112, 112), [(1, 512)]),
    ({}, (1, 3, 416, 416), [(1, 3598, 112)]), ({}, (1, 3, 640, 640), [(1, 84, 8400)]),
    ({}, (1, 3, 16, 112, 112), [(1, 400)]),
    ({"task": "detect", "imgsz": "[640, 640]", "names": NAMES}, (1, 3, 640, 640), [(1, 8, 8400)]),
    ({"stride": "32", "names": NAMES}, (1, 3, 224, 224), [(1, 4)]),
    ({"model_info model_type": "Classification", "model_info labels": "a b", "model_info mean_values": "123 116 103",
      "model_info scale_values": "58 57 57"}, (1, 3, 224, 224), [(1, 2)])])
def test_integers_are_pixels_as_they_are_whatever_the_model(metadata, shape, outputs):
    floats, whole = (recipe_of(session(metadata, shape, dtype, outputs)) for dtype in (np.float32, np.uint8))
    assert (floats.mean, floats.std) != ((0,), (1,)) == (whole.mean, whole.std)
    assert whole._replace(mean=floats.mean, std=floats.std, dtype=floats.dtype) == floats
    given = recipe_of(session(metadata, shape, np.uint8, outputs), {"std": "2"})
    assert (given.mean, given.std) == ((0,), (2,))


def test_guess_for_grey_is_stretched():
    words = known(session(shape=(1, 1, 28, 28), outputs=[(1, 10)]))
    assert words.text("input.channels") == "GRAY" and words.text("input.std") == "255" and "input.resize" not in words


@pytest.mark.parametrize("outputs", [[(1, 77, 31)], [(1, 10), (1, 4)], [(1, 1)], [(None, None)], [None]])
def test_guess_for_all_else_says_no_task(outputs):
    words = known(session(shape=(1, 3, 640, 480), outputs=outputs))
    assert not words.task and words.text("input.std") == "255" and words.text("input.size") == "640x480"


def test_free_sizes_are_multiples_of_32():
    words = known(session(shape=(1, 3, "h", "w"), outputs=[None]))
    assert words.text("input.size") == "multiple:32"


def test_flags_are_said_first():
    words = known(session({"cinfer.recipe": "1", "cinfer.task": "image"}), task="classification")
    assert words.task == "classification" and words.text("family") == "classify"
    assert words.evidence[0] == "as given: --task" and words.where("task") == "--task"


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
    assert known(session(shape=shape)).text("input.layout") == layout


def test_nothing_without_weights_classifies():
    assert known(session(weights=False)).task == ""


def test_picture_goes_to_the_first_input_of_rank_4():
    model = session()
    model.inputs.insert(0, port("size", np.int64, (2,)))
    assert known(model).text("input.name") == "input"


def test_model_without_an_input_for_pictures_is_refused():
    with pytest.raises(InputError, match="'input' 1x10"):
        known(session(shape=(1, 10)))
    with pytest.raises(InputError, match="takes no picture"):
        known(session(shape=(1, 100, 1, 1)))


@pytest.mark.parametrize("name", ["view", "__init__", "1000000000", "../os", "boxes.np", ""])
def test_a_family_that_is_none_is_refused_in_words(name):
    from constant_model import model
    from cinfer.vision.reader import Reader
    with pytest.raises(InputError, match="family.*right is detr"):
        Reader(model({"y": np.zeros((1, 5), np.float32)}, {"cinfer.recipe": "1", "cinfer.family": name}))
