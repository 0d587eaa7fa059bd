"""DETR and its descendants, against the definition in transformers' and RF-DETR's post-processing."""

import json

import numpy as np
import pytest
from detector_models import Case, said, write
from onnx import TensorProto
from PIL import Image

import cinfer
from cinfer.errors import InputError

RNG = np.random.default_rng(3)
QUERIES = 20


def outputs(classes, peaks):
    """logits that are low but for peaks (query, class, logit), and boxes"""
    logits = np.full((1, QUERIES, classes), -6, np.float32)
    for query, index, logit in peaks:
        logits[0, query, index] = logit
    boxes = RNG.uniform(.2, .4, (1, QUERIES, 4)).astype(np.float32)
    return {"logits": logits, "pred_boxes": boxes}


def corners(box, width, height):
    x, y, w, h = box.astype(float)
    return tuple(np.clip([(x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height],
                         0, [width, height, width, height]))


def by_softmax(given, least, size):
    """[(class, score, box)]: the best of each query but the last class"""
    found = []
    for logits, box in zip(given["logits"][0].astype(float), given["pred_boxes"][0]):
        shares = np.exp(logits) / np.exp(logits).sum()
        best = int(shares[:-1].argmax())
        if shares[best] > least:
            found.append((best, float(shares[best]), corners(box, *size)))
    return sorted(found, key=lambda each: -each[1])


def by_sigmoid(given, least, size, most, names=("logits", "pred_boxes")):
    found = []
    for logits, box in zip(given[names[0]][0].astype(float), given[names[1]][0]):
        for index, logit in enumerate(logits):
            found.append((index, 1 / (1 + np.exp(-logit)), corners(box, *size)))
    return [each for each in sorted(found, key=lambda each: -each[1])[:most] if each[1] > least]


def same(answer, wanted):
    assert [each.index for each in answer.found] == [index for index, _, _ in wanted]
    for each, (_, score, box) in zip(answer.found, wanted):
        assert each.score == pytest.approx(score, abs=1e-5) and each.box == pytest.approx(box, abs=1e-3)


PEAKS = [(0, 2, 5.0), (0, 3, 4.5), (3, 4, 3.0), (5, 5, 8.0), (7, 1, -5.0), (9, 0, 1.0)]


def case_of(tmp_path, classes, config=None, labels=None, shape=(1, 3, 64, 64), symbolic=False, peaks=PEAKS, **more):
    given = outputs(classes, peaks)
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config))
    path = write(tmp_path / "model.onnx", given, shape, "pixel_values", symbolic=symbolic, **more)
    return Case(path, labels=labels), given


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("config, labels", [
    ({"model_type": "detr"}, None), ({"architectures": ["YolosForObjectDetection"]}, None), (None, list("abcde")),
    ({"model_type": "table-transformer", "id2label": {str(i): f"x{i}" for i in range(9)}}, None),
])
def test_softmax(tmp_path, config, labels, symbolic):
    case, given = case_of(tmp_path, 6, config, labels, symbolic=symbolic)
    assert case.family == "detr" and case.text("output.activation", "output.background") == ("softmax", "last")
    wanted = by_softmax(given, .5, (200, 100))
    assert [index for index, _, _ in wanted] == [4, 0, 2]               # not 5, the background; one of the query 0
    same(case.decode(given, (200, 100), (64, 64)), wanted)


@pytest.mark.parametrize("config, labels, why", [
    ({"model_type": "rt_detr"}, None, "model_type rt_detr"), ({"model_type": "conditional_detr"}, None, "conditional"),
    (None, list("abcdef"), "as many logits as labels"), (None, None, "a guess"),
    ({"architectures": ["DeformableDetrForObjectDetection"]}, None, "Deformable"),
])
def test_sigmoid(tmp_path, config, labels, why):
    case, given = case_of(tmp_path, 6, config, labels)
    assert case.text("output.activation", "output.background") == ("sigmoid", "none") and why in case.words.origin()
    wanted = by_sigmoid(given, .5, (200, 100), QUERIES)
    assert len(wanted) == 5                                             # two classes of the query 0
    same(case.decode(given, (200, 100), (64, 64)), wanted)


def test_as_many_are_looked_at_as_there_are_queries_or_100(tmp_path):
    peaks = [(query, index, 1 + query / 10 + index / 100) for query in range(QUERIES) for index in range(6)]
    for kind, most in (("rt_detr", QUERIES), ("deformable_detr", 100)):
        case, given = case_of(tmp_path, 6, {"model_type": kind}, peaks=peaks)
        same(case.decode(given, (200, 100), (64, 64)), by_sigmoid(given, .5, (200, 100), most))


def test_92_logits_are_one_more_than_coco_numbers(tmp_path):
    case, _ = case_of(tmp_path, 92)
    assert case.text("output.activation") == ("softmax",) and "92" in case.words.origin()
    case = Case(tmp_path / "model.onnx", {"output.activation": "sigmoid"})
    assert case.text("output.activation") == ("sigmoid",)


@pytest.mark.parametrize("logits, config, index, label", [
    (80, None, 17, "horse"), (91, None, 19, "horse"), (92, None, 19, "horse"),
    (92, {"model_type": "detr"}, 19, "horse"), (92, {"model_type": "rt_detr"}, 19, None),
    (80, {"id2label": {str(i): f"x{i}" for i in range(80)}}, 17, "x17"),
])
def test_classes_without_names_are_those_of_coco(tmp_path, logits, config, index, label):
    case, given = case_of(tmp_path, logits, config, peaks=[(0, index, 9.)])
    assert [each.label for each in case.decode(given, (200, 100), (64, 64)).found] == [label]
    assert ("taken for COCO's" in case.words.origin()) == (label == "horse")


@pytest.mark.parametrize("kind, wanted", [
    ("detr", "short:800:1333 RGB NCHW, stretch bilinear, mean 123.675,116.28,103.53, std 58.395,57.12,57.375"),
    ("rt_detr", "640x640 RGB NCHW, stretch bilinear, mean 0, std 255"),
])
def test_how_it_is_fed_where_no_file_says_it(tmp_path, kind, wanted):
    case, _ = case_of(tmp_path, 6, {"model_type": kind}, shape=("b", 3, "height", "width"))
    assert str(case.recipe) == wanted


def test_a_mask_of_pixels_is_all_ones(tmp_path):
    mask = ("pixel_mask", TensorProto.INT64, ("b", "height", "width"))
    given = outputs(6, PEAKS)
    path = write(tmp_path / "model.onnx", given, (1, 3, 64, 64), "pixel_values", beside=[mask])
    assert cinfer.vision.read(cinfer.load(path), Image.new("RGB", (20, 10))).found
    text = ("input_ids", TensorProto.INT64, ("b", "n"))
    path = write(tmp_path / "text.onnx", given, (1, 3, 64, 64), "pixel_values", beside=[text])
    with pytest.raises(InputError, match="'input_ids'"):
        cinfer.vision.read(cinfer.load(path), Image.new("RGB", (20, 10)))


def rf(classes, peaks):
    given = outputs(classes, peaks)
    return {"dets": given["pred_boxes"], "labels": given["logits"]}


@pytest.mark.parametrize("symbolic", [False, True])
def test_rf_detr_of_coco_has_no_background(tmp_path, symbolic):
    given = rf(91, [(0, 90, 2.0), (1, 1, -.7), (2, 3, -.9)])            # .33 and .29 around .3
    case = Case(write(tmp_path / "m.onnx", given, name="input", symbolic=symbolic))
    assert case.family == "detr" and "RF-DETR" in case.words.origin()
    assert str(case.recipe) == "64x64 RGB NCHW, stretch linear, mean 123.675,116.28,103.53, std 58.395,57.12,57.375"
    answer = case.decode(given, (200, 100), (64, 64))
    same(answer, by_sigmoid(given, .3, (200, 100), QUERIES, ("labels", "dets")))
    assert [each.label for each in answer.found] == ["toothbrush", "person"]


@pytest.mark.parametrize("labels, flags, wanted", [
    (None, {}, [0, 3]), (list("abcde"), {}, [0, 3]), (list("abcdef"), {}, [5, 0, 3]),
    (None, {"output.background": "none"}, [5, 0, 3]), (None, {"output.background": "first"}, [5, 3]),
    (list("abcde"), {"output.background": "first"}, [4, 2]),
])
def test_the_background_of_other_rf_detrs(tmp_path, labels, flags, wanted):
    given = rf(6, [(0, 5, 3.0), (1, 0, 2.0), (2, 3, 1.0)])
    case = Case(write(tmp_path / "m.onnx", given, name="input"), flags, labels)
    assert [each.index for each in case.decode(given, (200, 100), (64, 64)).found] == wanted


def test_masks_of_rf_detr_are_above_0(tmp_path):
    given = rf(91, [(4, 1, 3.0)])
    given["masks"] = np.full((1, QUERIES, 16, 16), -1, np.float32)
    given["masks"][0, 4, 4:8, 8:16] = 1
    case = Case(write(tmp_path / "m.onnx", given, name="input"))
    answer = case.decode(given, (64, 32), (64, 64))
    # bilinear, centres of pixels at halves: of a rectangle, the product of what is seen of it along each axis
    down = np.interp((np.arange(32) + .5) / 2 - .5, np.arange(16), given["masks"][0, 4, :, 8] > 0)
    right = np.interp((np.arange(64) + .5) / 4 - .5, np.arange(16), given["masks"][0, 4, 4] > 0)
    wanted = 2 * np.outer(down, right) - 1 > 0
    assert answer.task == "segmentation" and (answer.found[0].mask.whole() == wanted).all()


def test_numbers_that_are_none_and_wrong_shapes(tmp_path):
    case, given = case_of(tmp_path, 6, {"model_type": "detr"})
    broken = {key: value.copy() for key, value in given.items()}
    broken["logits"][0, 3] = np.nan
    broken["pred_boxes"][0, 0] = np.inf
    broken["logits"][0, 11, :] = np.inf
    left = case.decode(broken, (200, 100), (64, 64)).found
    assert [each.index for each in left] == [0]                         # the queries 3 and 0 are gone
    with pytest.raises(InputError, match="20 queries, 'logits' 19"):
        case.decode({"logits": given["logits"][:, :19], "pred_boxes": given["pred_boxes"]}, (9, 9), (64, 64))
    with pytest.raises(InputError, match="no class beside the background"):
        case.decode({"logits": given["logits"][..., :1], "pred_boxes": given["pred_boxes"]}, (9, 9), (64, 64))
    assert said(case.decode(given, (200, 100), (64, 64), conf=1.0)) == []


@pytest.mark.parametrize("named", [1, 10**30, "abc", None, True, [], {}])
def test_a_config_of_other_types(tmp_path, named):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": {}, "id2label": named}))
    given = {"logits": np.zeros((1, 5, 3), np.float32), "pred_boxes": np.zeros((1, 5, 4), np.float32)}
    assert Case(write(tmp_path / "m.onnx", given)).words.task == "detection"
