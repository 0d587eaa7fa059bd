"""cinfer run FIRST+SECOND: two models and a picture."""

import json
import shutil

import numpy as np
import pytest
from program import cinfer, red  # noqa: F401 (fixtures)
from small_models import classifier, constants


@pytest.fixture
def finder(tmp_path):
    """A BlazeFace that finds one face in the middle of its 128x128, with level eyes."""
    rows, scores = np.zeros((1, 896, 16)), np.full((1, 896, 1), -9.0)
    anchor = np.array([8.5, 8.5]) * 8
    rows[0, 2 * (8 * 16 + 8)] = [*((64, 64) - anchor), 32, 32,
                                 *(np.array([(56, 60), (72, 60)] * 3) - anchor).reshape(-1)]
    scores[0, 2 * (8 * 16 + 8)] = 2
    return constants(tmp_path / "finder.onnx", {"r": rows, "c": scores}, (1, 3, 128, 128))


@pytest.fixture
def points(tmp_path):
    """Two points: the corner of the cut, and its middle."""
    keys = {"cinfer.recipe": "1", "cinfer.task": "keypoints", "cinfer.output.kind": "x,y,z"}
    return constants(tmp_path / "points.onnx", {"p": [[0, 0, 0, 24, 24, 0]]}, (1, 3, 48, 48),
                     keys | {"cinfer.input.size": "48x48"})  # fmt: skip


def test_points_come_from_the_second_model(cinfer, finder, points, red):
    done = cinfer("run", f"{finder}+{points}", red, "--json")
    assert done.status == 0
    (face,) = json.loads(done.lines[0])["objects"]
    # 6x4 pixels fill 128 x 85 of 128: the face's middle is that of the picture; its box of 32 is cut 48 wide
    scale = 6 / 128
    assert face["box"] == pytest.approx([3 - 16 * scale, 2 - 16 * scale, 3 + 16 * scale, 2 + 16 * scale], abs=0.05)
    side = 1.5 * 32 * scale
    assert face["points"][0] == pytest.approx([3 - side / 2, 2 - side / 2], abs=0.05)
    assert face["points"][1] == pytest.approx([3, 2], abs=0.05)
    assert "BlazeFace" in done.err and "keypoints by the model's metadata" in done.err


def test_flags_are_for_the_first_model(cinfer, finder, points, red):
    assert json.loads(cinfer("run", f"{finder}+{points}", red, "--json", "--conf", "0.95").lines[0])["objects"] == []


def test_outputs_of_both_are_saved(cinfer, finder, points, red, tmp_path):
    assert cinfer("run", f"{finder}+{points}", red, "--save", tmp_path / "all.npz").status == 0
    with np.load(tmp_path / "all.npz") as saved:
        assert sorted(saved.files) == ["c", "object0/p", "r"]


def test_name_with_a_plus_is_a_name(cinfer, tmp_path, red):
    model = shutil.copy(classifier(tmp_path / "m.onnx"), tmp_path / "a+b.onnx")
    assert cinfer("run", model, red).status == 0


@pytest.mark.parametrize("second, said", [
    ("none.onnx", "none.onnx: no such file"),
    ("classes.onnx", "these models are detection + no known task; right is"),
])  # fmt: skip
def test_what_is_no_pair_is_told(cinfer, finder, tmp_path, red, second, said):
    classifier(tmp_path / "classes.onnx")
    done = cinfer("run", f"{finder}+{tmp_path / second}", red)
    assert done.status == 2 and len(done.errors) == 1 and said in done.errors[0]


def test_models_are_not_overwritten(cinfer, finder, points, red):
    done = cinfer("run", f"{finder}+{points}", red, "--save", points)
    assert done.status == 2 and len(done.errors) == 1
