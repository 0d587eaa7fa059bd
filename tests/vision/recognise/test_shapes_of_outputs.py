"""Sizes that a file only names are those of the plan for one picture."""

import numpy as np
from detector_models import write

import cinfer
from cinfer.vision.recognise.model import Model


def test_sizes_that_are_only_named(tmp_path):
    given = {"a": np.zeros((1, 7, 5), np.float32)}
    model = Model(cinfer.load(write(tmp_path / "m.onnx", given, ("batch", 3, 8, 8), symbolic=True)))
    assert model.outputs[0].shape == ("a_dim_0", "a_dim_1", "a_dim_2") and model.shape_of(model.outputs[0]) == (1, 7, 5)
    bare = Model(cinfer.load(write(tmp_path / "bare.onnx", given, (3, 8, 8), symbolic=True)))
    assert bare.shape_of(bare.outputs[0]) == (1, 7, 5)


def test_of_a_free_input_nothing_more_is_known(tmp_path):
    given = {"a": np.zeros((1, 7, 5), np.float32)}
    free = Model(cinfer.load(write(tmp_path / "free.onnx", given, ("batch", 3, "h", "w"), symbolic=True)))
    assert free.shape_of(free.outputs[0]) == free.outputs[0].shape
