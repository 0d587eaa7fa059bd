"""The array fed is the one that the recipe's words describe, bit for bit."""

import json
import sys

import numpy as np
import onnx
import pytest
from conftest import shared
from fake_session import recipe_of, session
from PIL import Image

from cinfer.errors import InputError
from cinfer.vision.pictures.decode import decode
from cinfer.vision.prepare.prepare import prepare


def picture(width=50, height=37, mode="RGB", seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels).convert(mode)


def fed(picture, recipe):
    return prepare(picture, recipe)[0]


def recipe(dtype=np.float32, **words):
    return recipe_of(
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
    x = fed(source, recipe(dtype, **words))
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
        words = recipe_of(session(metadata, dtype=np.dtype(declared["dtype"]), name=declared["name"]))
        for case in model["cases"]:
            feed = case["feeds"][declared["name"]]
            if {"image", "recipe", "crc"} == set(feed):
                path = shared("images") / feed["image"]
                expected = network_input(Image.open(path).convert("RGB"), feed["recipe"], declared["dtype"])
                assert np.array_equal(fed(decode(path), words), expected), (model["file"], case["name"])


def test_stretch_is_pillows_resize():
    x = fed(picture(), recipe(size="24x20"))
    assert np.array_equal(
        x[0].transpose(1, 2, 0), np.asarray(picture().resize((20, 24), Image.Resampling.BILINEAR))
    )


def test_imagenets_habit_is_256_then_the_centre_224():
    source = picture(400, 300)
    x = fed(source, recipe(size="224x224", resize="crop:0.875"))
    scaled = source.resize((341, 256), Image.Resampling.BILINEAR)  # 400 * 256 / 300 = 341.3
    assert np.array_equal(
        x[0].transpose(1, 2, 0), np.asarray(scaled)[16:240, 58:282]
    )  # (341 - 224) / 2 = 58.5 -> 58


@pytest.mark.parametrize(
    "mode, size, source, scaled, corner",
    [  # torchvision's and timm's sizes, and transformers' corners
        ("centre:0.9", 224, (768, 576), (330, 248), (53, 12)),
        ("centre:0.95", 224, (1000, 667), (352, 235), (64, 6)),
        ("centre:0.875", 224, (1000, 667), (383, 256), (80, 16)),
        ("centre:1", 224, (768, 576), (298, 224), (37, 0)),
        ("cut:0.875", 224, (1000, 667), (383, 256), (79, 16)),
        ("cut:1", 224, (1000, 667), (335, 224), (55, 0)),
        ("squash:0.9", 224, (768, 576), (248, 248), (12, 12)),
    ],
)
def test_sizes_and_corners_of_crops(mode, size, source, scaled, corner):
    whole = picture(*source)
    x, where = prepare(whole, recipe(size=f"{size}x{size}", resize=mode))
    left, top = corner
    expected = whole.resize(scaled, Image.Resampling.BILINEAR).crop((left, top, left + size, top + size))
    assert np.array_equal(x[0].transpose(1, 2, 0), np.asarray(expected))
    assert (where.left, where.top) == (-left, -top)
    assert (where.scale_x, where.scale_y) == (scaled[0] / source[0], scaled[1] / source[1])


@pytest.mark.parametrize("source", [(50, 37), (37, 50), (64, 64), (5, 90)])
def test_sampling_without_antialias_takes_the_pixels_around_each_centre(source):
    whole = picture(*source)
    x = fed(whole, recipe(size="40x24", filter="linear"))[0].transpose(1, 2, 0)
    pixels = np.asarray(whole).astype(float)
    h, w = pixels.shape[:2]
    ys, xs = (np.arange(40) + 0.5) * h / 40 - 0.5, (np.arange(24) + 0.5) * w / 24 - 0.5
    y0, x0 = np.floor(ys).astype(int), np.floor(xs).astype(int)
    fy, fx = (ys - y0)[:, None, None], (xs - x0)[None, :, None]
    a, b = np.clip(y0, 0, h - 1), np.clip(y0 + 1, 0, h - 1)
    c, d = np.clip(x0, 0, w - 1), np.clip(x0 + 1, 0, w - 1)
    upper = pixels[a][:, c] * (1 - fx) + pixels[a][:, d] * fx
    lower = pixels[b][:, c] * (1 - fx) + pixels[b][:, d] * fx
    assert np.abs(x - (upper * (1 - fy) + lower * fy)).max() < 1.001  # Pillow cuts off


def test_corner_sampling_asks_at_whole_steps():
    whole = Image.fromarray(np.arange(0, 240, 2, dtype=np.uint8).reshape(1, -1).repeat(3, 0))
    x = fed(whole, recipe(size="3x40", filter="corner", channels="GRAY"))
    assert np.array_equal(x[0, 0, 1], np.arange(0, 240, 6))  # 120 / 40 = every third pixel


@pytest.mark.parametrize("source", [(50, 37), (37, 50), (640, 480), (1, 1), (3, 500)])
@pytest.mark.parametrize(
    "words",
    [
        dict(size="96x64", resize="stretch"),
        dict(size="96x64", resize="letterbox:114"),
        dict(size="96x64", resize="corner:0"),
        dict(size="96x64", resize="crop:0.9"),
        dict(size="96x64", resize="centre:0.9"),
        dict(size="96x64", resize="fit-left"),
        dict(size="up:32", resize="pad:0"),
        dict(size="within:640:32", resize="letterbox:mean"),
        dict(size="short:64:100"),
    ],
    ids=lambda words: " ".join(words.values()),
)
def test_geometry_leads_back_to_the_picture(source, words):
    x, where = prepare(picture(*source), recipe(**words))
    assert (where.width, where.height) == source
    assert (where.input_height, where.input_width) == x.shape[2:]
    corners = np.array([[0, 0], source, [source[0] / 3, source[1] / 2]])
    there = corners * (where.scale_x, where.scale_y) + (where.left, where.top)
    assert np.allclose(where.points(there), corners)
    assert np.array_equal(where.boxes([[-1e5, -1e5, 1e5, 1e5]]), [[0, 0, *source]])
    x1, y1, x2, y2 = where.filled()
    assert 0 <= x1 < x2 <= where.input_width and 0 <= y1 < y2 <= where.input_height
    u1, v1, u2, v2 = where.shown()
    assert 0 <= u1 < u2 <= source[0] and 0 <= v1 < v2 <= source[1]


def test_padding_that_counts_as_the_mean_is_zero():
    x = fed(Image.new("RGB", (10, 5), (255, 255, 255)), recipe(size="20x20", resize="letterbox:mean", mean="100"))
    assert np.array_equal(x[0, 0, :, 7], np.repeat(np.float32([0, 155, 0]), [5, 10, 5]))


def test_values_of_the_largest():
    x = fed(Image.new("RGB", (4, 4), (10, 20, 50)), recipe(std="largest:255"))
    assert np.allclose(x[0, :, 0, 0], [0.2, 0.4, 1.0])


def test_clips_repeat_the_picture():
    model = session({"cinfer.recipe": "1", "cinfer.input.layout": "NCTHW", "cinfer.input.frames": "4"},
                    shape=(1, 3, 4, 8, 8))
    x = fed(picture(8, 8), recipe_of(model))
    assert x.shape == (1, 3, 4, 8, 8) and all(np.array_equal(x[:, :, 0], x[:, :, t]) for t in range(4))


def test_letterbox_pads_both_sides_alike():
    x = fed(Image.new("RGB", (10, 5), (9, 9, 9)), recipe(size="20x20", resize="letterbox:114"))
    assert np.array_equal(x[0, 0, :, 7], np.repeat(np.float32([114, 9, 114]), [5, 10, 5]))


def test_values_are_computed_in_double_and_rounded_once():
    source = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    x = fed(source, recipe(channels="GRAY", mean="123.675", std="58.395"))
    assert np.array_equal(
        x.reshape(-1), np.array([(v - 123.675) / 58.395 for v in range(256)]).astype(np.float32)
    )


def test_integers_are_rounded_to_even_and_must_fit():
    source = Image.fromarray(np.array([[0, 1, 3, 255]], np.uint8))
    assert fed(source, recipe(np.uint8, channels="GRAY", std="2")).reshape(-1).tolist() == [0, 0, 2, 128]
    with pytest.raises(InputError, match="0 to 255.*int8.*--mean or --std"):
        fed(source, recipe(np.int8, channels="GRAY"))
    assert fed(source, recipe(np.int8, channels="GRAY", mean="128")).reshape(-1).tolist() == [
        -128,
        -127,
        -125,
        127,
    ]


def test_picture_of_another_size_is_refused_where_nothing_is_resized():
    with pytest.raises(InputError, match="the picture is 50x37, the recipe takes 20x24"):
        fed(picture(), recipe(size="24x20", resize="none"))


@pytest.mark.parametrize("size", [(1, 5000), (5000, 1), (1, 20000)])
def test_thin_pictures_are_cropped_without_scaling_all_of_them(size):
    source = Image.fromarray(np.linspace(0, 255, max(size)).astype(np.uint8).reshape(size[::-1]))
    x = fed(source, recipe(size="224x224", resize="crop:0.875"))
    # 224 pixels of a picture enlarged 256 times are the one in its middle: value 127 or so, all over
    assert x.shape == (1, 3, 224, 224)
    assert np.ptp(x) <= 1 and abs(float(x.mean()) - 127) < 1.5
