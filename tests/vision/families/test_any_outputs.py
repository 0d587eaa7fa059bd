"""Whatever a detector's outputs hold, there is an answer that JSON can write, or an InputError of one line."""

import json

import numpy as np
import pytest
from fake_session import view

from cinfer.errors import InputError
from cinfer.vision.families import family
from cinfer.vision.prepare.geometry import Geometry

NAMES = {
    "boxes": [("boxes", "scores"), ("y",)], "detr": [("logits", "pred_boxes"), ("dets", "labels", "masks")],
    "ready": [("boxes", "labels", "scores"), ("boxes", "labels"), ("boxes", "labels", "scores", "masks", "keypoints")],
    "ssd": [("y",)], "yolox": [("y",)], "nanodet": [("y",)],
}
SHAPES = {
    "y": [(1, 84, 85), (1, 85, 112), (1, 1, 5, 7), (1, 5, 6), (5, 6), (1, 0, 6), (1, 84, 6)],
    "boxes": [(5, 4), (1, 5, 4), (5, 5), (0, 4), (1, 0, 5)], "scores": [(5,), (1, 5), (1, 5, 3), (0,)],
    "labels": [(5,), (1, 5), (1, 5, 3), (0,)], "logits": [(1, 5, 3), (1, 5, 1), (1, 0, 3)],
    "pred_boxes": [(1, 5, 4), (1, 0, 4)], "dets": [(1, 5, 4), (5, 4)], "masks": [(5, 1, 8, 8), (1, 5, 8, 8), (5, 8, 8)],
    "keypoints": [(5, 17, 3), (5, 3), (1, 5, 17, 3)],
}
STRANGE = (np.nan, np.inf, -np.inf, 3e38, -3e38, 0, -0.0, 1e-45, 100)
TYPES = (np.float32, np.float32, np.float16, np.float64, np.int64, np.uint8)


def drawn(rng, name):
    shapes = SHAPES[name]
    shape = shapes[rng.integers(len(shapes))] if rng.random() < .9 else tuple(rng.integers(0, 4, rng.integers(0, 5)))
    values = rng.random(shape) * rng.choice([1, 64])
    strange = rng.random(shape) < rng.choice([0, .05, .5])
    values = np.where(strange, rng.choice(STRANGE, shape), values)
    with np.errstate(all="ignore"):
        return np.asarray(values).astype(TYPES[rng.integers(len(TYPES))])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", NAMES)
def test_any_outputs(name):
    rng = np.random.default_rng(5)
    answers = 0
    for _ in range(300):
        outputs = {key: drawn(rng, key) for key in NAMES[name][rng.integers(len(NAMES[name]))]}
        where = Geometry(100, 50, 64, 64, .64, .64, 0, 16)
        words = {"output_threshold": str(rng.choice([-1, 0, .3])), "output_kind": "", "output_activation": "sigmoid"}
        if rng.random() < .5:
            words |= {"output_activation": "softmax", "output_format": "cxcywh"}
        try:
            with np.errstate(all="ignore"):                 # as reader.py does
                answer = family(name).decode(view(outputs, where=where, **words))
        except InputError as error:
            assert "\n" not in str(error)
            continue
        json.dumps(answer.data(), allow_nan=False)
        assert answer.line() and answer.lines() is not None
        answers += 1
    assert answers > 30


@pytest.mark.parametrize("name, outputs, message", [
    ("ready", {"boxes": (3, 4), "labels": (3,), "scores": (3,), "masks": (3, 1, 300, 0)}, None),
    ("yolo", {"num_dets": (1, 1), "det_boxes": (), "det_scores": (1, 5), "det_classes": (1, 5)}, None),
    ("faces", {"a": (1, 2, 5, 5), "b": (1, 4, 5, 4)}, "maps of one size"),
    ("faces", {"a": (1, 2, 5, 5), "b": (0, 4, 5, 5)}, "maps of one size"),
])
def test_outputs_without_the_sizes_that_belong_together(name, outputs, message):
    given = view({key: np.full(shape, .9, np.float32) for key, shape in outputs.items()}, task="detection")
    if message is None:
        json.dumps(family(name).decode(given).data(), allow_nan=False)
    else:
        with pytest.raises(InputError, match=message):
            family(name).decode(given)
