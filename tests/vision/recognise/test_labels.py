"""labels.txt and classes.txt beside a model."""

import numpy as np
import pytest
from folder import model_in, words_of


@pytest.mark.parametrize("name", ["labels.txt", "classes.txt"])
@pytest.mark.parametrize("text", ["cat\ndog\ncow", "cat\r\ndog\r\ncow\r\n\r\n", "\ufeffcat\n dog \ncow\n"])
def test_one_name_a_line(tmp_path, name, text):
    words = words_of(model_in(tmp_path, {name: text}, {"out": ("b", 3)}))
    assert words.labels == ["cat", "dog", "cow"] and f"{name} beside the model" in words.evidence


@pytest.mark.parametrize("shape", [(1, 4), (1, 1000), ("b", "classes")])
def test_another_count_is_not_used_and_said(tmp_path, shape):
    words = words_of(model_in(tmp_path, {"labels.txt": "cat\ndog\ncow"}, {"out": shape}))
    assert words.labels is None
    assert any(each.startswith("labels.txt beside the model not used: it has 3 lines") for each in words.evidence)


@pytest.mark.parametrize("shape", [(1, 7, 8400), (1, 25200, 8)])
def test_rows_of_boxes(tmp_path, shape):
    assert words_of(model_in(tmp_path, {"labels.txt": "cat\ndog\ncow"}, {"out": shape})).labels == ["cat", "dog", "cow"]


@pytest.mark.parametrize("outputs", [
    {"labels": ("n", "q"), "boxes": ("n", "q", 4), "scores": ("n", "q")}, {"detection_out": (1, 1, 200, 7)}])
def test_numbers_of_classes_go_with_any_count(tmp_path, outputs):
    made = model_in(tmp_path, {"labels.txt": "cat\ndog\ncow"}, outputs)
    for port in made.outputs:
        port.dtype = np.dtype(np.int64 if port.name == "labels" else np.float32)
    assert words_of(made).labels == ["cat", "dog", "cow"]


def test_the_models_own_names_come_first(tmp_path):
    made = model_in(tmp_path, {"labels.txt": "cat\ndog\ncow"}, {"out": (1, 3)}, metadata={"cinfer.labels": "a\nb\nc"})
    assert words_of(made).labels == ["a", "b", "c"]
    made.outputs[0].shape = (1, 7)
    assert not any("labels.txt" in each for each in words_of(made).evidence)


def test_no_text(tmp_path):
    made = model_in(tmp_path, {}, {"out": (1, 3)})
    (tmp_path / "labels.txt").write_bytes(b"\xff\xfe\x00")
    assert words_of(made).labels is None
