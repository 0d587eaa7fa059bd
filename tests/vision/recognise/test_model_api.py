"""model_info keys of OpenVINO's Model API; resizing by the definition of cv2.INTER_LINEAR, written down here."""

import numpy as np
import pytest
from folder import model_in, words_of
from PIL import Image

from cinfer.vision.prepare.prepare import prepare
from cinfer.vision.prepare.recipe import recipe_for

RNG = np.random.default_rng(5)
KEYS = {"model_type": "Classification", "labels": "a b_c d", "mean_values": "123 116 103", "scale_values": "58 57 56",
        "reverse_input_channels": "True"}


def model(folder, outputs=None, shape=(1, 3, 60, 40), **keys):
    said = {f"model_info {key}": text for key, text in (KEYS | keys).items()}
    return model_in(folder, {}, outputs or {"logits": (1, 3)}, shape, metadata=said)


def linear(pixels, width, height):
    """cv2.resize: centres of pixels, no antialiasing, edges repeated; float64."""
    h, w = pixels.shape[:2]
    ys, xs = (np.arange(height) + 0.5) * h / height - 0.5, (np.arange(width) + 0.5) * w / width - 0.5
    y0, x0 = np.floor(ys).astype(int), np.floor(xs).astype(int)
    fy, fx = (ys - y0)[:, None, None], (xs - x0)[None, :, None]
    (a, b), (c, d) = ((np.clip(v, 0, n - 1), np.clip(v + 1, 0, n - 1)) for v, n in ((y0, h), (x0, w)))
    upper = pixels[a][:, c] * (1 - fx) + pixels[a][:, d] * fx
    return upper * (1 - fy) + (pixels[b][:, c] * (1 - fx) + pixels[b][:, d] * fx) * fy


def resized(pixels, kind, w, h, pad):
    height, width = pixels.shape[:2]
    if kind == "standard":
        return linear(pixels, w, h)
    if kind == "crop":                                  # of square inputs
        side = min(width, height)
        top, left = (height - side) // 2, (width - side) // 2
        return linear(pixels[top : top + side, left : left + side], w, h)
    scale = min(w / width, h / height)
    nw, nh = round(width * scale), round(height * scale)
    whole = np.full((h, w, 3), pad if kind == "fit_to_window_letterbox" else 0, float)
    x, y = ((w - nw) // 2, (h - nh) // 2) if kind == "fit_to_window_letterbox" else (0, 0)
    whole[y : y + nh, x : x + nw] = linear(pixels, nw, nh)
    return whole


@pytest.mark.parametrize("kind", ["standard", "fit_to_window", "fit_to_window_letterbox", "crop"])
@pytest.mark.parametrize("size", [(75, 50), (50, 75), (31, 97), (40, 40)])
@pytest.mark.parametrize("reverse", ["True", "False"])
def test_preparation(tmp_path, kind, size, reverse):
    pixels = RNG.integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    side = (40, 40) if kind == "crop" else (60, 40)
    made = model(tmp_path, resize_type=kind, pad_value="114", reverse_input_channels=reverse, shape=(1, 3, *side))
    x, where = prepare(Image.fromarray(pixels), recipe_for(words_of(made), made.inputs))
    expected = resized(pixels.astype(float), kind, side[1], side[0], 114)
    expected = expected if reverse == "True" else expected[..., ::-1]
    off = x[0].transpose(1, 2, 0) * np.array([58, 57, 56]) + np.array([123, 116, 103]) - expected
    assert np.abs(off).max() <= 1.6         # rounded by OpenCV's fixed point, cut off by Pillow
    assert np.abs(off).mean() < 0.6


def test_classes_and_labels(tmp_path):
    words = words_of(model(tmp_path, {"saliency_map": (1, 9, 7, 7), "logits": (1, 3)}))
    assert (words.task, words.text("output.name"), words.labels) == ("classification", "logits", ["a", "b_c", "d"])
    assert words.evidence[0] == "the model's model_info (OpenVINO Model API)"
    assert words_of(model(tmp_path, {"logits": (1, 4)})).labels == ["other", "a", "b_c", "d"]


def test_several_labels(tmp_path):
    words = words_of(model(tmp_path, multilabel="True", confidence_threshold="0.35"))
    assert (words.text("output.kind"), words.text("output.threshold")) == ("multilabel", "0.35")


def test_a_hierarchy_is_left_out_and_said(tmp_path):
    words = words_of(model(tmp_path, hierarchical="True"))
    assert words.text("family") == "raw" and "hierarchy" in words.origin()


@pytest.mark.parametrize("kind, task", [
    ("ssd", "detection"), ("SSD", "detection"), ("YOLOX", "detection"), ("Segmentation", "semantic"),
    ("MaskRCNN", "segmentation"), ("AnomalyDetection", "anomaly"), ("keypoint_detection", "keypoints")])
def test_types(tmp_path, kind, task):
    made = model(tmp_path, {"a": (1, 1, 60, 40)}, model_type=kind, confidence_threshold="0.3", image_threshold="12.5")
    words = words_of(made)
    assert words.task == task
    if task == "anomaly":
        keys = "image_threshold", "pixel_threshold", "normalization_scale"
        assert [words.text(f"output.{key}") for key in keys] == [
            "12.5", "0.5", "1"]
    elif task == "detection":
        assert words.text("output.threshold") == "0.3" and ("output.iou" in words) == (kind == "YOLOX")


def test_free_sizes_are_not_resized(tmp_path):
    made = model(tmp_path, shape=(1, 3, "h", "w"), resize_type="fit_to_window")
    assert str(recipe_for(words_of(made), made.inputs)).startswith("any RGB NCHW, stretch")


@pytest.mark.parametrize("wrong", [{"mean_values": "a b c"}, {"scale_values": "0 1 1"}, {"labels": ""},
                                   {"pad_value": "x"}, {"confidence_threshold": "much"}, {"model_type": "Unheard"}])
def test_odd_values_are_as_if_missing(tmp_path, wrong):
    made = model(tmp_path, **wrong)
    recipe_for(words_of(made), made.inputs)


def test_unit_scaling(tmp_path):
    made = model(tmp_path, intensity_mode="scale_to_unit", mean_values="0.5 0.5 0.5", scale_values="0.25 0.25 0.25")
    recipe = recipe_for(words_of(made), made.inputs)
    assert recipe.mean == (127.5,) * 3 and recipe.std == (63.75,) * 3


@pytest.mark.parametrize("size", [(75, 50), (50, 75), (31, 97), (40, 60)])
def test_the_nearest_pixel_is_opencvs(tmp_path, size):
    """cv2.INTER_NEAREST: at whole steps, rounded down; Pillow's asks at the middles of pixels"""
    pixels = RNG.integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    made = model(tmp_path, interpolation_mode="NEAREST", mean_values="", scale_values="")
    x, where = prepare(Image.fromarray(pixels), recipe_for(words_of(made), made.inputs))
    ys, xs = np.arange(60) * size[1] // 60, np.arange(40) * size[0] // 40
    assert np.array_equal(x[0].transpose(1, 2, 0), pixels[ys][:, xs])


@pytest.mark.parametrize("shape, said, kind, blur, least", [
    ((1, 4, 60, 40), {}, "", "", ""), ((1, 4, 60, 40), {"blur_strength": "-1", "soft_threshold": "0.5"}, "", "", ""),
    ((1, 4, 60, 40), {"blur_strength": "5", "soft_threshold": "0.5"}, "", "5", "0.5"),
    ((1, 4, 60, 40), {"blur_strength": "5", "soft_threshold": "-inf"}, "", "5", ""),
    ((1, 60, 40), {"blur_strength": "5", "soft_threshold": "0.5"}, "classes", "", ""),
    ((1, 1, 60, 40), {}, "classes", "", "")])
def test_a_class_for_each_pixel(tmp_path, shape, said, kind, blur, least):
    made = model(tmp_path, {"feature_vector": (1, 8), "output": shape}, model_type="Segmentation", **said)
    words = words_of(made)
    assert words.text("output.name") == "output" and words.text("output.kind") == kind
    assert (words.text("output.blur"), words.text("output.threshold")) == (blur, least)
