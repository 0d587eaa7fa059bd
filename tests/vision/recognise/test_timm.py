"""timm's config.json: pictures as its evaluation transform makes them, written down here."""

import numpy as np
import pytest
from folder import model_in, words_of
from PIL import Image

from cinfer.vision.prepare.prepare import prepare
from cinfer.vision.prepare.recipe import recipe_for

RNG = np.random.default_rng(3)
MEAN, STD = np.array([0.5, 0.4, 0.3])[:, None, None], np.array([0.2, 0.3, 0.25])[:, None, None]


def picture(width, height):
    return Image.fromarray(RNG.integers(0, 256, (height, width, 3), dtype=np.uint8))


def said(**more):
    return {"architecture": "resnet18", "num_classes": 3, "label_names": ["a", "b", "c"], "pretrained_cfg": {
        "input_size": [3, 96, 96], "interpolation": "bicubic", "crop_pct": 0.9, "crop_mode": "center",
        "mean": MEAN.ravel().tolist(), "std": STD.ravel().tolist(), "num_classes": 3} | more}


def fed(folder, config, source, shape=("b", 3, "h", "w")):
    made = model_in(folder, {"config.json": config}, {"out": ("b", 3)}, shape)
    words = words_of(made)
    assert words.evidence[0] == "config.json of timm beside the model" and words.labels == ["a", "b", "c"]
    return prepare(source, recipe_for(words, made.inputs))


def normal(picture):
    return ((np.asarray(picture).transpose(2, 0, 1) / 255 - MEAN) / STD)[None]


@pytest.mark.parametrize("size", [(768, 576), (100, 667), (96, 96), (50, 40)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest", "lanczos", "box", "hamming"])
def test_center(tmp_path, size, interpolation):
    source = picture(*size)
    x, _ = fed(tmp_path, said(interpolation=interpolation), source)
    short = int(np.floor(96 / 0.9))
    w, h = (short, int(short * size[1] / size[0])) if size[0] <= size[1] else (int(short * size[0] / size[1]), short)
    left, top = round((w - 96) / 2), round((h - 96) / 2)
    expected = source.resize((w, h), Image.Resampling[interpolation.upper()]).crop((left, top, left + 96, top + 96))
    assert np.allclose(x, normal(expected), atol=1e-5)


@pytest.mark.parametrize("size", [(768, 576), (100, 667), (311, 233)])
def test_center_of_inputs_that_are_not_square(tmp_path, size):
    source = picture(*size)
    x, _ = fed(tmp_path, said(crop_pct=0.95), source, (1, 3, 64, 100))
    ratio = min(size[0] / int(100 / 0.95), size[1] / int(64 / 0.95))
    w, h = round(size[0] / ratio), round(size[1] / ratio)
    left, top = round((w - 100) / 2), round((h - 64) / 2)
    expected = source.resize((w, h), Image.Resampling.BICUBIC).crop((left, top, left + 100, top + 64))
    assert np.allclose(x, normal(expected), atol=1e-5)


@pytest.mark.parametrize("size", [(768, 576), (50, 40)])
def test_squash(tmp_path, size):
    source = picture(*size)
    x, _ = fed(tmp_path, said(crop_mode="squash"), source, (1, 3, 96, 96))
    assert np.allclose(x, normal(source.resize((106, 106), Image.Resampling.BICUBIC).crop((5, 5, 101, 101))), atol=1e-5)


@pytest.mark.parametrize("size", [(768, 576), (300, 900), (50, 40)])
@pytest.mark.parametrize("share", [1.0, 0.9])
def test_border(tmp_path, size, share):
    """The whole picture, then the middle of it; beyond it the mean, which timm rounds to a grey level."""
    source = picture(*size)
    x, where = fed(tmp_path, said(crop_mode="border", crop_pct=share), source)
    side = int(96 / share)
    ratio = max(size) / side
    w, h = round(size[0] / ratio), round(size[1] / ratio)
    canvas = Image.new("RGB", (max(w, 96), max(h, 96)), tuple(round(255 * m) for m in MEAN.ravel()))
    canvas.paste(source.resize((w, h), Image.Resampling.BICUBIC), (max(0, 96 - w) // 2, max(0, 96 - h) // 2))
    left, top = round((canvas.width - 96) / 2), round((canvas.height - 96) / 2)
    expected = normal(canvas.crop((left, top, left + 96, top + 96)))
    assert np.abs((x - expected) * STD * 255).max() <= 0.501
    corners = where.points(np.array([[48, 48]]))
    assert np.allclose(corners, [[size[0] / 2, size[1] / 2]], atol=ratio)


def test_what_is_missing_is_imagenet_bicubic_and_seven_eighths(tmp_path):
    config = {"pretrained_cfg": {}, "num_classes": 3}
    made = model_in(tmp_path, {"config.json": config}, {"out": ("b", 3)}, ("b", 3, "h", "w"))
    recipe = recipe_for(words_of(made), made.inputs)
    assert str(recipe).startswith(
        "224x224 RGB NCHW, centre:0.875 bicubic, mean 123.675,116.28,103.53, std 58.395,57.12,")


def test_without_classes_it_is_an_embedding(tmp_path):
    words = words_of(model_in(tmp_path, {"config.json": {"pretrained_cfg": {}, "num_classes": 0}}, {"out": ("b", 512)}))
    assert (words.task, words.text("family")) == ("embedding", "embedding")


def test_another_count_of_classes_is_another_model(tmp_path):
    words = words_of(model_in(tmp_path, {"config.json": said()}, {"out": (1, 10)}))
    assert "config.json beside the model not used: it has 3 classes, the output 10" in words.evidence
    assert words.labels is None and words.text("input.mean") == "123.675,116.28,103.53"


def test_descriptions_are_for_people(tmp_path):
    config = said() | {"label_names": ["n01", "n02", "n03"], "label_descriptions": {"n01": "tench", "n03": "shark"}}
    assert words_of(model_in(tmp_path, {"config.json": config}, {"out": (1, 3)})).labels == ["tench", "n02", "shark"]


@pytest.mark.parametrize("wrong", [
    {"mean": "x"}, {"std": [0, 1, 1]}, {"crop_pct": 7}, {"crop_mode": "odd"}, {"interpolation": 3}])
def test_what_is_not_understood_is_said(tmp_path, wrong):
    words = words_of(model_in(tmp_path, {"config.json": said(**wrong)}, {"out": (1, 3)}))
    assert words.labels == ["a", "b", "c"] and any("pretrained_cfg is not used" in each for each in words.evidence)
