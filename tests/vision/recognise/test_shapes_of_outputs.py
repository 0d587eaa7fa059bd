"""Sizes that a file only names are those of the plan for one picture."""

import numpy as np
import pytest
from detector_models import write

import cinfer
from cinfer.vision.recognise import recognise
from cinfer.vision.recognise.model import Model


def test_sizes_that_are_only_named(tmp_path):
    given = {"a": np.zeros((1, 7, 5), np.float32)}
    model = Model(cinfer.load(write(tmp_path / "m.onnx", given, ("batch", 3, 8, 8), symbolic=True)))
    assert model.declared[0].shape == ("a_dim_0", "a_dim_1", "a_dim_2")
    assert model.outputs[0].shape == model.shape_of(model.declared[0]) == (1, 7, 5)
    bare = Model(cinfer.load(write(tmp_path / "bare.onnx", given, (3, 8, 8), symbolic=True)))
    assert bare.shape_of(bare.outputs[0]) == (1, 7, 5)


def test_of_a_free_input_nothing_more_is_known(tmp_path):
    given = {"a": np.zeros((1, 7, 5), np.float32)}
    free = Model(cinfer.load(write(tmp_path / "free.onnx", given, ("batch", 3, "h", "w"), symbolic=True)))
    assert free.shape_of(free.outputs[0]) == free.outputs[0].shape


@pytest.mark.parametrize(
    "outputs, shape, family",
    [
        ({"output": (1, 25200, 8)}, (1, 3, 640, 640), "yolo"),
        ({"output0": (1, 7, 8400)}, (1, 3, 640, 640), "yolo"),
        ({"output0": (1, 39, 2100), "output1": (1, 32, 80, 80)}, (1, 3, 320, 320), "yolo"),
        ({f"{i}": (1, 1, 64, 64) for i in range(7)}, (1, 3, 64, 64), "dense"),
        ({"mask": (1, 1, 64, 64)}, (1, 3, 64, 64), "dense"),
        ({"scores": (1, 5)}, ("batch", 3, 16, 112, 112), "classify"),
    ],
)
def test_families_need_no_counted_sizes(tmp_path, outputs, shape, family):
    given = {name: np.zeros(shape, np.float32) for name, shape in outputs.items()}
    for symbolic in (False, True):
        words = recognise(Model(cinfer.load(write(tmp_path / "m.onnx", given, shape, symbolic=symbolic))))
        assert words.text("family") == family and (family != "classify" or words.text("input.frames") == "16")
