"""preprocessor_config.json and config.json: pictures as the image processors make them, written down with Pillow and
NumPy after their definition; what architectures say of the task."""

import math

import numpy as np
import pytest
from folder import model_in, words_of
from PIL import Image

from cinfer.vision.prepare.prepare import prepare
from cinfer.vision.prepare.recipe import recipe_for
from cinfer.vision.recognise import recognise
from cinfer.vision.recognise.model import Model

RNG = np.random.default_rng(14)
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
NORMAL = {"do_normalize": True, "image_mean": MEAN, "image_std": STD}
PICTURES = [(576, 768), (1000, 667), (97, 61), (224, 224), (30, 300)]


def picture(width, height):
    return Image.fromarray(RNG.integers(0, 256, (height, width, 3), dtype=np.uint8))


def fed(folder, processor, shape, source, config=None, below=""):
    files = {"preprocessor_config.json": processor} | ({"config.json": config} if config else {})
    made = model_in(folder, files, {"logits": (1, 10)}, shape, below)
    words = words_of(made)
    assert any("preprocessor_config.json" in each and "not used" not in each for each in words.evidence), words.evidence
    return prepare(source, recipe_for(words, made.inputs))


def normal(pixels, factor=1 / 255, mean=MEAN, std=STD):
    mean, std = np.array(mean)[:, None, None], np.array(std)[:, None, None]
    return ((np.asarray(pixels).transpose(2, 0, 1) * factor - mean) / std)[None]


def shortest(source, side):
    """Sizes are rounded down."""
    w, h = source.size
    return (side, int(side * h / w)) if w <= h else (int(side * w / h), side)


def middle(source, h, w):
    """transformers' center_crop: black where the picture is smaller."""
    pixels = np.asarray(source)
    big = np.zeros((max(h, pixels.shape[0]), max(w, pixels.shape[1]), 3), np.uint8)
    y, x = math.ceil((len(big) - len(pixels)) / 2), math.ceil((big.shape[1] - pixels.shape[1]) / 2)
    big[y : y + pixels.shape[0], x : x + pixels.shape[1]] = pixels
    top, left = (len(big) - h) // 2, (big.shape[1] - w) // 2
    return big[top : top + h, left : left + w]


FILTERS = {0: "NEAREST", 1: "LANCZOS", 2: "BILINEAR", 3: "BICUBIC", 4: "BOX", 5: "HAMMING"}


@pytest.mark.parametrize("size", PICTURES)
@pytest.mark.parametrize("resample", FILTERS)
def test_clip(tmp_path, size, resample):
    source = picture(*size)
    said = {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 224}, "do_center_crop": True,
            "crop_size": {"height": 224, "width": 224}, "resample": resample, **NORMAL}
    x, where = fed(tmp_path, said, ("batch", 3, 224, 224), source)
    scaled = source.resize(shortest(source, 224), Image.Resampling[FILTERS[resample]])
    assert np.allclose(x, normal(middle(scaled, 224, 224)), atol=1e-5)
    assert np.allclose(where.scale_x, scaled.width / source.width)


@pytest.mark.parametrize(
    "said, scaled",
    [
        ({"feature_extractor_type": "CLIPFeatureExtractor", "size": 240, "crop_size": 224}, 240),
        ({"image_processor_type": "MobileNetV2ImageProcessor", "size": {"shortest_edge": 256},
          "crop_size": {"height": 224, "width": 224}}, 256),
        ({"image_processor_type": "LevitImageProcessor", "size": {"shortest_edge": 224},
          "crop_size": {"height": 224, "width": 224}}, 256),
        ({"image_processor_type": "PoolFormerImageProcessor", "size": {"shortest_edge": 224}, "crop_pct": 0.9}, 248),
        ({"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 224}}, 256),
        ({"feature_extractor_type": "ConvNextFeatureExtractor", "size": 224, "crop_pct": 0.95}, 235),
        ({"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 200},
          "crop_size": {"height": 224, "width": 224}}, 200),
    ],
)
@pytest.mark.parametrize("size", PICTURES)
def test_shorter_side_and_middle(tmp_path, size, said, scaled):
    source = picture(*size)
    x, _ = fed(tmp_path, said | NORMAL | {"resample": 2}, (1, 3, 224, 224), source)
    whole = source.resize(shortest(source, scaled), Image.Resampling.BILINEAR)
    assert np.allclose(x, normal(middle(whole, 224, 224)), atol=1e-5)


@pytest.mark.parametrize(
    "said, size",
    [
        ({"feature_extractor_type": "ViTFeatureExtractor", "size": 224}, (224, 224)),
        ({"image_processor_type": "ViTImageProcessor", "size": {"height": 224, "width": 224}}, (224, 224)),
        ({"image_processor_type": "ViTImageProcessorFast", "size": [160, 320]}, (160, 320)),
        ({"image_processor_type": "SegformerImageProcessor", "size": {"height": 96, "width": 64}}, (96, 64)),
        ({"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 384}}, (384, 384)),
        ({"image_processor_type": "DPTImageProcessor", "size": {"height": 100, "width": 60}, "ensure_multiple_of": 32},
         (96, 64)),
    ],
)
def test_stretched(tmp_path, said, size):
    source = picture(97, 61)
    x, _ = fed(tmp_path, said | NORMAL | {"resample": 3}, ("b", 3, "h", "w"), source)
    assert np.allclose(x, normal(source.resize(size[::-1], Image.Resampling.BICUBIC)), atol=1e-5)


@pytest.mark.parametrize(
    "said, factor, mean, std",
    [
        ({}, 1 / 255, MEAN, STD),
        ({"do_normalize": False}, 1 / 255, [0] * 3, [1] * 3),
        ({"do_rescale": False, "image_mean": [100, 110, 120], "image_std": [50, 60, 70]},
         1, [100, 110, 120], [50, 60, 70]),
        ({"rescale_factor": 1 / 127.5, "offset": True, "do_normalize": False}, 1 / 127.5, [1] * 3, [1] * 3),
        ({"image_processor_type": "EfficientNetImageProcessor"}, 1 / 255, MEAN, np.square(STD)),
        ({"image_processor_type": "EfficientNetImageProcessor", "include_top": False}, 1 / 255, MEAN, STD),
    ],
)
def test_values(tmp_path, said, factor, mean, std):
    source = picture(20, 20)
    said = {"image_processor_type": "ViTImageProcessor", "size": 20, "do_center_crop": False} | NORMAL | said
    x, _ = fed(tmp_path, said, (1, 3, 20, 20), source)
    assert np.allclose(x, normal(source, factor, mean, std), atol=1e-4)


def test_blue_first(tmp_path):
    source = picture(32, 32)
    said = {"image_processor_type": "MobileViTImageProcessor", "size": {"shortest_edge": 32}, "do_center_crop": False}
    x, _ = fed(tmp_path, said | {"do_flip_channel_order": True}, (1, 3, 32, 32), source)
    assert np.allclose(x, normal(source, 1 / 255, [0] * 3, [1] * 3)[:, ::-1], atol=1e-6)


def detr_size(width, height, side, longest):
    raw = min(side, longest * min(width, height) / max(width, height)) if max(width, height) / min(
        width, height) * side > longest else side
    short, long = round(raw), int(raw * max(width, height) / min(width, height))
    return (short, long) if width <= height else (long, short)


@pytest.mark.parametrize("size", [(768, 512), (300, 1000), (1000, 1000)])
def test_detr_of_free_size(tmp_path, size):
    source = picture(*size)
    said = {"feature_extractor_type": "DetrFeatureExtractor", "size": 80, "max_size": 133, **NORMAL}
    x, where = fed(tmp_path, said, ("b", 3, "h", "w"), source)
    scaled = detr_size(*size, 80, 133)
    assert np.allclose(x, normal(source.resize(scaled, Image.Resampling.BILINEAR)), atol=1e-5)
    assert (where.left, where.top) == (0, 0)


@pytest.mark.parametrize(
    "more, shape", [({"pad_size": {"height": 140, "width": 140}}, (140, 140)), ({"size_divisibility": 32}, (96, 128))])
def test_padding_is_zero_after_normalising(tmp_path, more, shape):
    source = picture(600, 400)
    said = {"image_processor_type": "DetrImageProcessor", "size": {"shortest_edge": 80, "longest_edge": 133},
            "do_pad": True}
    x, where = fed(tmp_path, said | NORMAL | more, ("b", 3, "h", "w"), source)
    assert x.shape == (1, 3, *shape)
    assert np.allclose(x[..., :80, :120], normal(source.resize((120, 80), Image.Resampling.BILINEAR)), atol=1e-5)
    assert not x[..., 80:, :].any() and not x[..., 120:].any()
    assert np.allclose(where.boxes(np.array([[0, 0, 120, 80]])), [[0, 0, 600, 400]])


@pytest.mark.parametrize("said, size", [
    ({"size": {"max_height": 60, "max_width": 90}}, (90, 60)),
    ({"size": {"max_height": 60, "max_width": 30}}, (30, 20)),
    ({"size": {"longest_edge": 45}}, (45, 30)),
    ({"image_processor_type": "GLPNImageProcessor", "size_divisor": 32, "do_normalize": False}, (128, 96)),
    ({"image_processor_type": "YolosImageProcessor", "size": {"shortest_edge": 50, "longest_edge": 500}}, (64, 48)),
    ({"do_resize": False, "size": {"height": 3, "width": 3}}, (150, 100)),
    ({"do_resize": False, "do_pad": True, "size_divisor": 32}, (160, 128)),
])
def test_sizes(tmp_path, said, size):
    x, _ = fed(tmp_path, NORMAL | said, ("b", 3, "h", "w"), picture(150, 100))
    assert x.shape == (1, 3, *size[::-1])


@pytest.mark.parametrize("size, expected", [
    ((576, 768), (686, 518)), ((768, 576), (518, 686)), ((1000, 100), (56, 518))])
def test_depth_anything(tmp_path, size, expected):
    said = {"image_processor_type": "DPTImageProcessor", "size": {"height": 518, "width": 518},
            "keep_aspect_ratio": True,
            "ensure_multiple_of": 14, "resample": 3, **NORMAL}
    source = picture(*size)
    x, _ = fed(tmp_path, said, ("b", 3, "h", "w"), source)
    assert x.shape[2:] == expected
    assert np.allclose(x, normal(source.resize(expected[::-1], Image.Resampling.BICUBIC)), atol=1e-5)


@pytest.mark.parametrize("said", [
    {"image_processor_type": "Qwen2VLImageProcessor", "size": {"shortest_edge": 3136, "longest_edge": 1003520}},
    {"image_processor_type": "ViTImageProcessor", "size": "large"},
    {"image_processor_type": "ViTImageProcessor", "size": {"height": 0, "width": True}},
    {"image_processor_type": "ViTImageProcessor", "size": 224, "image_mean": ["a"]},
    {"image_processor_type": "ViTImageProcessor", "size": 224, "image_std": [0, 1, 1]},
    {"image_processor_type": "ViTImageProcessor", "size": 224, "resample": 17},
    {"image_processor_type": "ViTImageProcessor", "size": 224, "rescale_factor": -1},
    {"image_processor_type": "SomethingNew", "size": 224},
    {"size": [1, 2, 3]},
])
def test_what_is_not_understood_is_not_used_and_said(tmp_path, said):
    words = words_of(model_in(tmp_path, {"preprocessor_config.json": said}))
    assert any(each.startswith("preprocessor_config.json beside the model not used: ") for each in words.evidence)
    assert words.text("input.mean") == "123.675,116.28,103.53"


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '{"size": ' + "[" * 99999])
def test_files_that_are_no_json_objects_are_none(tmp_path, text):
    words = words_of(model_in(tmp_path, {"preprocessor_config.json": text, "config.json": text}))
    assert words.task == "classification" and not any("config" in each for each in words.evidence)


def test_files_may_lie_above_a_folder_called_onnx(tmp_path):
    said = {"image_processor_type": "ViTImageProcessor", "size": 64, **NORMAL}
    x, _ = fed(tmp_path, said, ("b", 3, "h", "w"), picture(9, 9),
               below="onnx")
    assert x.shape == (1, 3, 64, 64)


# ---- config.json

LABELS = {"1": "dog", "0": "cat", "2": "big  cow"}


def config(architecture, model_type="vit", **more):
    return {"config.json": {"architectures": [architecture], "model_type": model_type, "id2label": LABELS} | more}


@pytest.mark.parametrize("more, kind", [
    ({}, "logits"), ({"problem_type": "multi_label_classification"}, "multilabel"),
    ({"problem_type": "single_label_classification"}, "logits"), ({"problem_type": "regression"}, "probabilities")])
def test_classifiers(tmp_path, more, kind):
    outputs = {"hidden": (1, 9, 9), "logits": (1, 3)}
    words = words_of(model_in(tmp_path, config("ViTForImageClassification", **more), outputs))
    assert (words.task, words.text("family"), words.text("output.name")) == ("classification", "classify", "logits")
    assert words.labels == ["cat", "dog", "big cow"] and words.text("output.kind") == kind
    assert words.evidence[0] == "config.json beside the model"


@pytest.mark.parametrize("architecture, model_type, classes, expected", [
    ("DetrForObjectDetection", "detr", 4, ("softmax", "last", "")),
    ("TableTransformerForObjectDetection", "table-transformer", 4, ("softmax", "last", "")),
    ("YolosForObjectDetection", "yolos", 4, ("softmax", "last", "")),
    ("ConditionalDetrForObjectDetection", "conditional_detr", 3, ("sigmoid", "none", "100")),
    ("DeformableDetrForObjectDetection", "deformable_detr", 3, ("sigmoid", "none", "100")),
    ("RTDetrForObjectDetection", "rt_detr", 3, ("sigmoid", "none", "")),
    ("DFineForObjectDetection", "d_fine", 3, ("sigmoid", "none", "")),
])
@pytest.mark.parametrize("free", [False, True])
def test_detectors(tmp_path, architecture, model_type, classes, expected, free):
    outputs = {"logits": ("b", 100, "c" if free else classes), "pred_boxes": ("b", 100, 4)}
    words = words_of(model_in(tmp_path, config(architecture, model_type), outputs, ("b", 3, "h", "w")))
    assert words.task == "detection" and words.labels == ["cat", "dog", "big cow"]
    assert tuple(words.text(f"output.{key}") for key in ("activation", "background", "most")) == expected
    assert words.text("output.threshold") == ".5"


@pytest.mark.parametrize("architecture, outputs, task", [
    ("SegformerForSemanticSegmentation", {"logits": ("b", 3, "h", "w")}, "semantic"),
    ("DepthAnythingForDepthEstimation", {"predicted_depth": ("b", "h", "w")}, "depth"),
    ("CLIPVisionModelWithProjection", {"image_embeds": ("b", 3)}, "embedding"),
    ("Dinov2Model", {"last_hidden_state": ("b", 257, 384)}, "embedding"),
    ("SiglipVisionModel", {"last_hidden_state": ("b", 196, 768), "pooler_output": ("b", 768)}, "embedding"),
    ("VideoMAEForVideoClassification", {"logits": ("b", 3)}, "classification"),
])
def test_tasks(tmp_path, architecture, outputs, task):
    assert words_of(model_in(tmp_path, config(architecture), outputs)).task == task


@pytest.mark.parametrize("architecture, outputs, why", [
    ("ViTForImageClassification", {"logits": (1, 1000)}, "it has 3 classes, the output 1000"),
    ("ViTForImageClassification", {"boxes": (1, 7, 4)}, "the model has other outputs"),
    ("DetrForObjectDetection", {"logits": (1, 1000)}, "the model has other outputs"),
    ("DetrForObjectDetection", {"logits": (1, 9, 92), "pred_boxes": (1, 9, 4)}, "it has 3 classes, the output 91"),
    ("SegformerForSemanticSegmentation", {"logits": (1, 21, 8, 8)}, "it has 3 classes, the output 21"),
])
def test_files_of_another_model_are_not_used_and_this_is_said(tmp_path, architecture, outputs, why):
    processor = {"size": 96, "image_processor_type": "ViTImageProcessor"}
    files = config(architecture, None) | {"preprocessor_config.json": processor}
    words = words_of(model_in(tmp_path, files, outputs))
    said = [each for each in words.evidence if "not used" in each]
    assert said and why in said[0] and "config.json and preprocessor_config.json" in said[0]
    assert words.labels is None and words.text("input.size") == "224x224" or "input.mean" not in words


def test_clip_of_frames(tmp_path):
    files = config("VideoMAEForVideoClassification", "videomae", num_frames=8) | {"preprocessor_config.json": {
        "image_processor_type": "VideoMAEImageProcessor", "size": {"shortest_edge": 32}, **NORMAL}}
    made = model_in(tmp_path, files, {"logits": ("b", 3)}, ("b", "frames", 3, 32, 32))
    source = picture(64, 48)
    x, _ = prepare(source, recipe_for(words_of(made), made.inputs))
    assert x.shape == (1, 8, 3, 32, 32)
    whole = source.resize((42, 32), Image.Resampling.BILINEAR)
    assert np.allclose(x[:, 3], normal(middle(whole, 32, 32)), atol=1e-5) and (x == x[:, :1]).all()


# ---- beside other evidence

CLIP = {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 64}, "crop_size": 64, "resample": 3,
        **NORMAL}


def test_a_preparation_that_keys_tell_is_not_mixed_with_that_of_files(tmp_path):
    keys = {"task": "detect", "names": "{0: 'cat'}", "imgsz": "[64, 64]", "stride": "32"}
    files = config("ViTForImageClassification") | {"preprocessor_config.json": CLIP, "labels.txt": "a\nb\nc"}
    alone = words_of(model_in(tmp_path / "a", {}, {"y": (1, 5, 84)}, (1, 3, 64, 64), metadata=keys))
    made = model_in(tmp_path / "b", files, {"y": (1, 5, 84)}, (1, 3, 64, 64), metadata=keys)
    words = words_of(made)
    assert recipe_for(words, made.inputs).scale is None and "output.kind" not in words
    assert all(words.text(key) == alone.text(key)
               for key in ("input.resize", "input.filter", "input.mean", "input.std", "task"))
    assert words.labels == ["cat"]


def test_flags_of_another_task_take_the_preparation_alone(tmp_path):
    made = model_in(tmp_path, config("ViTForImageClassification") | {"preprocessor_config.json": CLIP},
                    {"logits": (1, 3)},
                    (1, 3, 64, 64))
    words = recognise(Model(made), {"task": ("embedding", "--task")})
    assert words.task == "embedding" and words.text("input.filter") == "bicubic" and words.labels is None
    assert any("says classification: not used for embedding" in each for each in words.evidence)


def test_a_size_that_is_given_is_that_of_the_middle(tmp_path):
    made = model_in(tmp_path, {"preprocessor_config.json": CLIP}, {"logits": (1, 3)}, (1, 3, "h", "w"))
    recipe = recipe_for(recognise(Model(made), {"input.size": ("96x96", "--size")}), made.inputs)
    assert recipe.scale is None and str(recipe).startswith("96x96 RGB NCHW, cut:1 bicubic")
