"""Classifiers with several labels, several outputs, clips for input."""

import numpy as np
import pytest
from fake_session import view
from folder import model_in, words_of
from PIL import Image

from cinfer.vision.families import classify
from cinfer.vision.families.view import Options
from cinfer.vision.prepare.prepare import prepare
from cinfer.vision.prepare.recipe import recipe_for

LOGITS = np.array([[2.0, -1.0, 0.1, 3.0, -9.0, 0.4, 0.3, 0.2]], np.float32)


def best(options=None, **words):
    answer = classify.decode(view({"logits": LOGITS}, options=options, **words))
    return [(each.index, each.score) for each in answer.best]


def test_several_labels_are_all_those_above_the_threshold():
    expected = [(3, 3.0), (0, 2.0), (5, 0.4), (6, 0.3), (7, 0.2), (2, 0.1)]
    found = best(output_kind="multilabel", output_threshold="0.5")
    assert [i for i, _ in found] == [i for i, _ in expected]
    assert np.allclose([s for _, s in found], [1 / (1 + np.exp(-x)) for _, x in expected])
    assert [i for i, _ in best(Options(conf=0.9), output_kind="multilabel", output_threshold="0.5")] == [3]
    assert best(Options(conf=0.99), output_kind="multilabel") == []
    assert [i for i, _ in best(output_kind="multilabel")] == [3, 0, 5, 6, 7]         # without a threshold the best


def test_least_score_of_one_label():
    assert [i for i, _ in best(Options(conf=0.2))] == [3, 0]


def test_nothing_is_said_so():
    answer = classify.decode(view({"y": LOGITS}, options=Options(conf=0.999), output_kind="multilabel"))
    assert answer.line() == "nothing" and answer.lines() == ["nothing"] and answer.data() == {"classes": []}


@pytest.mark.parametrize("values", [[np.nan, 1, 2], [np.inf, 0, 0], [-np.inf] * 3, [-800, 800, 0]])
@pytest.mark.parametrize("kind", ["logits", "multilabel", "probabilities"])
@pytest.mark.filterwarnings("error")
def test_any_number_is_an_answer(values, kind):
    assert len(classify.decode(view({"y": np.array([values], np.float32)}, output_kind=kind)).best) == 3


@pytest.mark.parametrize("outputs, name", [
    ({"features": (1, 512, 7, 7), "logits": (1, 10)}, "logits"),
    ({"logits": (1, 10), "probabilities": (1, 10)}, "probabilities"),
    ({"boxes": (1, 100, 4), "scores": (1, 100)}, ""),
    ({"logits": (1, 21, 64, 64), "aux": (1, 21, 64, 64)}, ""),
    ({"a": (1, 10), "b": (1, 10)}, ""),
])
def test_one_of_several_outputs(tmp_path, outputs, name):
    words = words_of(model_in(tmp_path, {}, outputs))
    assert (words.task == "classification") == bool(name)
    if name:
        assert words.text("output.name") == name


# ---- clips

@pytest.mark.parametrize("shape, fed, layout", [
    ((1, 3, 4, 112, 112), (1, 3, 4, 112, 112), "NCTHW"), (("b", 3, "t", 112, 112), (1, 3, 16, 112, 112), "NCTHW"),
    (("b", 3, "t", "h", "w"), (1, 3, 16, 112, 112), "NCTHW"), ((1, 8, 3, 224, 224), (1, 8, 3, 224, 224), "NTCHW"),
    ((1, 5, 64, 48, 3), (1, 5, 64, 48, 3), "NTHWC")])
def test_a_picture_is_a_clip_of_equal_frames(tmp_path, shape, fed, layout):
    made = model_in(tmp_path, {}, {"y": (1, 400)}, shape)
    words = words_of(made)
    source = Image.fromarray(np.random.default_rng(2).integers(0, 256, (300, 500, 3), dtype=np.uint8))
    x, where = prepare(source, recipe_for(words, made.inputs))
    assert x.shape == fed and words.text("input.layout") == layout and "the habits of Kinetics" in words.origin()
    axis = layout.index("T")
    assert (x == x.take([0], axis)).all()
    if fed[-1] == 112:                                  # torchvision: 128 x 171, then the middle
        whole = source.transform((171, 128), Image.Transform.AFFINE, (500 / 171, 0, 0, 0, 300 / 128, 0),
                                 resample=Image.Resampling.BILINEAR)
        middle = np.asarray(whole.crop((30, 8, 142, 120))).transpose(2, 0, 1) / 255     # (171 - 112) / 2 = 29.5 -> 30
        mean, std = np.array([0.43216, 0.394666, 0.37645]), np.array([0.22803, 0.22145, 0.216989])
        off = x[0, :, 0] * std[:, None, None] + mean[:, None, None] - middle
        assert np.abs(off).max() < 1.5 / 255            # one cuts off, the other rounds twice

