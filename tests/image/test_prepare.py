"""The array fed is the one that the recipe's words describe, bit for bit."""

import json
import sys

import numpy as np
import onnx
import pytest
from conftest import shared
from fake_session import session
from PIL import Image

from cinfer.errors import InputError
from cinfer.image.decode import decode
from cinfer.image.prepare import prepare
from cinfer.image.recipe import recipe_for


def picture(width=50, height=37, mode="RGB", seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels).convert(mode)


def recipe(dtype=np.float32, **words):
    return recipe_for(
        session({"cinfer.recipe": "1"} | {f"cinfer.input.{k}": v for k, v in words.items()}, dtype=dtype)
    )


WORDS = [
    dict(size="24x20"),
    dict(size="24x20", resize="stretch", filter="nearest"),
    dict(size="96x80", filter="bicubic"),
    dict(size="24x20", resize="crop:0.875", filter="bicubic"),
    dict(size="224x224", resize="crop:0.5"),
    dict(size="33x17", resize="crop:1"),
    dict(size="32x64", resize="letterbox:114"),
    dict(size="64x32", resize="letterbox"),
    dict(size="31x61", resize="letterbox:7"),
    dict(size="48x192", resize="fit-left", mean="127.5", std="127.5"),
    dict(size="48x20", resize="fit-left", mean="127.5"),
    dict(size="24xW", resize="height"),
    dict(size="multiple:32"),
    dict(size="any", resize="none"),
    dict(size="37x50", resize="none"),
    dict(size="24x20", channels="BGR", mean="103.53,116.28,123.675", std="57.375,57.12,58.395"),
    dict(size="24x20", channels="GRAY", std="255"),
    dict(size="24x20", channels="RGB+1", mean="1,2,3"),
    dict(size="24x60", channels="RGB+1", resize="fit-left", layout="NHWC"),
    dict(size="24x20", layout="NHWC", mean="127.5", std="127.5"),
]


@pytest.mark.parametrize("words", WORDS, ids=lambda words: " ".join(words.values()))
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64, np.int32])
def test_equals_the_reference_recipe_bit_for_bit(words, mode, dtype, monkeypatch):
    monkeypatch.syspath_prepend(shared("models"))
    monkeypatch.delitem(sys.modules, "recipe", raising=False)
    from recipe import network_input

    source = picture(mode=mode)
    expected = network_input(source, words, dtype)
    x = prepare(source, recipe(dtype, **words))
    assert x.dtype == expected.dtype and x.flags.c_contiguous
    assert np.array_equal(x, expected)


def test_real_models_get_the_pixels_that_their_results_were_made_with(monkeypatch):
    """Decoded, prepared: what each model file of the reference data says, on each whole picture."""
    folder = shared("models")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "recipe", raising=False)
    from recipe import network_input

    for model in json.loads((folder / "index.json").read_text())["models"]:
        metadata = {p.key: p.value for p in onnx.load(folder / model["file"]).metadata_props}
        declared = model["inputs"][0]
        words = recipe_for(session(metadata, dtype=np.dtype(declared["dtype"]), name=declared["name"]))
        for case in model["cases"]:
            feed = case["feeds"][declared["name"]]
            if {"image", "recipe", "crc"} == set(feed):
                path = shared("images") / feed["image"]
                expected = network_input(Image.open(path).convert("RGB"), feed["recipe"], declared["dtype"])
                assert np.array_equal(prepare(decode(path), words), expected), (model["file"], case["name"])


def test_stretch_is_pillows_resize():
    x = prepare(picture(), recipe(size="24x20"))
    assert np.array_equal(
        x[0].transpose(1, 2, 0), np.asarray(picture().resize((20, 24), Image.Resampling.BILINEAR))
    )


def test_imagenets_habit_is_256_then_the_centre_224():
    source = picture(400, 300)
    x = prepare(source, recipe(size="224x224", resize="crop:0.875"))
    scaled = source.resize((341, 256), Image.Resampling.BILINEAR)  # 400 * 256 / 300 = 341.3
    assert np.array_equal(
        x[0].transpose(1, 2, 0), np.asarray(scaled)[16:240, 58:282]
    )  # (341 - 224) / 2 = 58.5 -> 58


def test_letterbox_pads_both_sides_alike():
    x = prepare(Image.new("RGB", (10, 5), (9, 9, 9)), recipe(size="20x20", resize="letterbox:114"))
    assert np.array_equal(x[0, 0, :, 7], np.repeat(np.float32([114, 9, 114]), [5, 10, 5]))


def test_values_are_computed_in_double_and_rounded_once():
    source = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    x = prepare(source, recipe(channels="GRAY", mean="123.675", std="58.395"))
    assert np.array_equal(
        x.reshape(-1), np.array([(v - 123.675) / 58.395 for v in range(256)]).astype(np.float32)
    )


def test_integers_are_rounded_to_even_and_must_fit():
    source = Image.fromarray(np.array([[0, 1, 3, 255]], np.uint8))
    assert prepare(source, recipe(np.uint8, channels="GRAY", std="2")).reshape(-1).tolist() == [0, 0, 2, 128]
    with pytest.raises(InputError, match="0 to 255.*int8.*--mean or --std"):
        prepare(source, recipe(np.int8, channels="GRAY"))
    assert prepare(source, recipe(np.int8, channels="GRAY", mean="128")).reshape(-1).tolist() == [
        -128,
        -127,
        -125,
        127,
    ]


def test_picture_of_another_size_is_refused_where_nothing_is_resized():
    with pytest.raises(InputError, match="the picture is 50x37, the recipe takes 20x24"):
        prepare(picture(), recipe(size="24x20", resize="none"))


@pytest.mark.parametrize("size", [(1, 5000), (5000, 1), (1, 20000)])
def test_thin_pictures_are_cropped_without_scaling_all_of_them(size):
    source = Image.fromarray(np.linspace(0, 255, max(size)).astype(np.uint8).reshape(size[::-1]))
    x = prepare(source, recipe(size="224x224", resize="crop:0.875"))
    # 224 pixels of a picture enlarged 256 times are the one in its middle: value 127 or so, all over
    assert x.shape == (1, 3, 224, 224)
    assert np.ptp(x) <= 1 and abs(float(x.mean()) - 127) < 1.5


def test_thin_crop_is_the_same_as_the_crop_of_the_whole(monkeypatch):
    source, words = picture(60, 20), recipe(size="64x64", resize="crop:0.875", filter="bicubic")
    whole = prepare(source, words)
    monkeypatch.setattr("cinfer.image.prepare.MOST_PIXELS", 64 * 64)
    assert (
        np.abs(prepare(source, words) - whole).max() <= 1
    )  # the last bit of a coordinate may turn a rounding
