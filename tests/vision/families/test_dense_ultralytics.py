"""Maps of Ultralytics' models, number by number."""

import numpy as np
import pytest
from constant_model import letterbox, model, reading

from cinfer.errors import InputError

SEMANTIC = {"task": "semantic", "imgsz": "[96, 128]", "stride": "32", "names": "['road', 'sky', 'car']"}
DEPTH = {"task": "depth", "imgsz": "[96, 128]", "stride": "32", "names": "{}"}


@pytest.mark.parametrize("width, height", [(200, 90), (50, 120), (128, 96)])
@pytest.mark.parametrize("high, wide", [(96, 128), (48, 64)])
def test_semantic_classes_are_those_of_the_nearest_pixel(width, height, high, wide):
    values = np.random.default_rng(0).choice([0, 1, 2, 255], (1, high, wide)).astype(np.uint8)
    answer = reading(model({"output0": values}, SEMANTIC, shape=(1, 3, 96, 128)), width, height).answer
    sx, sy, left, top = letterbox(width, height, 128, 96)
    assert answer.task == "semantic" and answer.values.shape == (height, width)
    for y, x in np.ndindex(height, width):
        row, column = int(((y + .5) * sy + top) * high / 96), int(((x + .5) * sx + left) * wide / 128)
        assert answer.values[y, x] == values[0, row, column]
    shares = answer.data()["map"]["classes"]
    assert {each["label"] for each in shares} == {"road", "sky", "car"}         # 255 says nothing
    assert sum(each["share"] for each in shares) < 0.9


def test_semantic_maps_of_free_sizes():
    values = np.ones((1, 96, 128), np.uint8)
    session = model({"output0": values}, SEMANTIC, shape=("b", 3, "h", "w"), declared={"output0": ("b", "h", "w")})
    read = reading(session, 128, 70)
    assert (read.where.input_height, read.where.input_width) == (96, 128) and (read.answer.values == 1).all()


@pytest.mark.parametrize("width, height", [(200, 90), (1, 1), (50, 120), (128, 96), (3000, 100)])
def test_depth_is_bilinear_between_corners(width, height):
    values = np.random.default_rng(1).uniform(0.5, 9, (1, 1, 12, 16)).astype(np.float32)
    read = reading(model({"output0": values}, DEPTH, shape=(1, 3, 96, 128)), width, height)
    assert read.where.scale_x == 128 / width and read.where.top == 0
    found = read.answer
    assert found.task == "depth" and found.unit == "m" and found.values.shape == (height, width)
    rows = np.linspace(0, 11, height) if height > 1 else [0]
    columns = np.linspace(0, 15, width) if width > 1 else [0]
    lines = np.array([np.interp(columns, range(16), line) for line in values[0, 0].astype(float)])
    wanted = np.array([np.interp(rows, range(12), line) for line in lines.T]).T
    np.testing.assert_allclose(found.values, wanted, atol=1e-5)


@pytest.mark.parametrize("keys, shape, dtype", [
    (SEMANTIC, (2, 96, 128), np.uint8), (SEMANTIC, (1, 0, 128), np.uint8),
    (DEPTH, (1, 2, 96, 128), np.float32), (DEPTH, (9,), np.float32)])
def test_other_shapes_are_refused(keys, shape, dtype):
    output = np.zeros(shape, dtype)
    with pytest.raises(InputError, match="is of shape") as raised:
        reading(model({"output0": output}, keys, shape=(1, 3, 96, 128)), 128, 96)
    assert "\n" not in str(raised.value)


def test_nan_is_an_answer(recwarn):
    session = model({"output0": np.full((1, 1, 96, 128), np.nan, np.float32)}, DEPTH, shape=(1, 3, 96, 128))
    answer = reading(session, 64, 48).answer
    answer.data(), answer.lines()
    assert not recwarn.list
