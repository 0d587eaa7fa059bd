"""What programs pass to cinfer.vision.read that is not right is refused in words."""

import numpy as np
import pytest
from constant_model import model

from cinfer import vision
from cinfer.errors import InputError

FRAME = np.zeros((8, 8, 3), np.uint8)


@pytest.mark.parametrize("picture", [FRAME.astype(float), FRAME[..., :2], np.zeros((8, 8, 4), np.uint8), FRAME[0, 0],
                                     FRAME > 0, np.zeros((0, 8, 3), np.uint8)])
def test_arrays_that_are_no_picture(picture):
    with pytest.raises(InputError, match="the picture is .*of shape"):
        vision.read(model({"y": np.zeros((1, 5), np.float32)}), picture)


@pytest.mark.parametrize("options", [
    {"conf": 2}, {"conf": "x"}, {"conf": float("nan")}, {"iou": -3}, {"max_det": 0}, {"max_det": -1}, {"max_det": 1.5},
    {"top": -1}, {"classes": "cow"}])
def test_options_that_are_none(options):
    with pytest.raises(InputError, match=f"{next(iter(options))} is .*; right is "):
        vision.read(model({"y": np.zeros((1, 5), np.float32)}), FRAME, **options)


def test_options_of_numpy():
    session = model({"y": np.zeros((1, 5), np.float32)})
    vision.read(session, FRAME, conf=np.float32(.5), iou=None, max_det=np.int64(3), top=2, classes=[1])
