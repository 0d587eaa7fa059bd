"""Detectors that give boxes without duplicates: D-FINE, torchvision, Geti, OpenVINO's SSD."""

import numpy as np
import pytest
from detector_models import Case, said, write
from onnx import TensorProto
from PIL import Image

import cinfer
from cinfer.errors import InputError
from cinfer.vision.prepare.geometry import Geometry

LABELS = np.int64([[17, 0, 3, 2]])
BOXES = np.float32([[[.1, .2, .5, .6], [-.1, .5, .3, 1.2], [.2, .2, .4, .4], [.6, .6, .9, .9]]])
SCORES = np.float32([[.9, .6, .41, .39]])
SIZES = ("orig_target_sizes", TensorProto.INT64, ("N", 2))


def sized(path, shape=("N", 3, 640, 640)):
    return write(path, {"labels": LABELS, "boxes": BOXES, "scores": SCORES}, shape, beside=[SIZES], scaled=["boxes"])


def test_d_fine_is_fed_the_size_and_answers_in_its_pixels(tmp_path):
    session = cinfer.load(sized(tmp_path / "m.onnx"))
    answer = cinfer.vision.read(session, Image.new("RGB", (200, 100)))
    assert said(answer) == [(17, .9, (20, 20, 100, 60)), (0, .6, (0, 50, 60, 100)), (3, .41, (40, 20, 80, 40))]
    assert [each.label for each in answer.found] == ["horse", "person", "motorcycle"]
    case = Case(sized(tmp_path / "m.onnx", ("N", 3, "h", "w")))
    assert str(case.recipe) == "640x640 RGB NCHW, stretch bilinear, mean 0, std 255"
    assert "D-FINE" in case.words.origin()


def test_of_a_padded_picture_d_fine_is_fed_the_size_of_the_input(tmp_path):
    session = cinfer.load(sized(tmp_path / "m.onnx"))
    answer = cinfer.vision.read(session, Image.new("RGB", (200, 100)), recipe={"input.resize": "letterbox:0"})
    # 640x320 at 160 from the top: y = (y * 640 - 160) / 3.2
    assert said(answer)[0] == (17, .9, (20, 0, 100, 70))


def test_another_input_is_refused_by_its_name(tmp_path):
    other = ("im_shape", TensorProto.FLOAT, (1, 2))
    path = write(tmp_path / "m.onnx", {"labels": LABELS, "boxes": BOXES, "scores": SCORES}, beside=[other])
    with pytest.raises(InputError, match="also takes 'im_shape'"):
        cinfer.vision.Reader(cinfer.load(path))         # before any picture


TORCHVISION = {"boxes": BOXES[0] * 64, "labels": LABELS[0], "scores": SCORES[0]}


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("names", [("boxes", "labels", "scores"), ("6379", "6381", "6383")])
def test_torchvision(tmp_path, names, symbolic):
    given = dict(zip(names, TORCHVISION.values()))
    path = write(tmp_path / "m.onnx", given, (3, 64, 64), "input", symbolic=symbolic and names[0] == "boxes")
    case = Case(path)
    assert case.family == "ready" and "torchvision" in case.words.origin()
    assert str(case.recipe) == "64x64 RGB NCHW, stretch bilinear, mean 0, std 255"
    answer = cinfer.vision.read(cinfer.load(path), Image.new("RGB", (128, 32)))
    assert answer.task == "detection"
    assert [(each.index, each.label) for each in answer.found] == [(17, "cat"), (0, "N/A")]     # COCO's own numbers
    assert answer.found[0].box == pytest.approx((12.8, 6.4, 64, 19.2), abs=.01)
    assert answer.found[1].box == pytest.approx((0, 16, 38.4, 32), abs=.01)


def test_torchvision_of_a_free_size_takes_the_picture_as_it_is(tmp_path):
    case = Case(write(tmp_path / "m.onnx", TORCHVISION, (3, "height", "width"), "input"))
    assert str(case.recipe.size) == "any"


def test_masks_are_above_a_half_and_inside_the_box(tmp_path):
    masks = np.zeros((4, 1, 64, 64), np.float32)
    masks[0, 0, 16:32, 10:20] = .9
    masks[0, 0, 32:38, 10:20] = .4
    given = TORCHVISION | {"masks": masks}
    case = Case(write(tmp_path / "m.onnx", given, (3, 64, 64), "input"))
    answer = case.decode(given, (128, 64), (64, 64))
    assert answer.task == "segmentation"
    whole = answer.found[0].mask.whole()
    wanted = np.zeros((64, 128), bool)
    wanted[16:32, 20:40] = True
    assert whole.shape == (64, 128) and (whole != wanted).sum() <= 16
    # twice as wide, bilinear: the edge is where the values pass a half
    column = np.interp((np.arange(128) + .5) / 2 - .5, np.arange(64), masks[0, 0, 20])
    assert (whole[20] == (column > .5)).all()


def test_masks_are_told_by_their_shape_too(tmp_path):
    masks = np.zeros((4, 1, 64, 64), np.float32)
    given = {"7": TORCHVISION["scores"], "5": masks, "3": TORCHVISION["boxes"], "9": TORCHVISION["labels"]}
    case = Case(write(tmp_path / "m.onnx", given, (3, 64, 64), "input"))
    assert case.text("output.boxes", "output.labels", "output.scores", "output.masks") == ("3", "9", "7", "5")
    answer = case.decode(given, (128, 64), (64, 64))
    assert answer.task == "segmentation" and not answer.found[0].mask.whole().any()


def test_names_of_coco_are_not_taken_silently(tmp_path):
    path = write(tmp_path / "m.onnx", TORCHVISION, (3, 64, 64), "input")
    assert "91 classes without names are taken for COCO's" in Case(path).words.origin()
    named = Case(path, labels=["nothing", "cow"])
    assert "COCO" not in named.words.origin() and named.words.labels == ["nothing", "cow"]


def test_key_points(tmp_path):
    points = np.zeros((4, 17, 3), np.float32)
    points[1, :, 0], points[1, :, 1] = 8, 16
    given = TORCHVISION | {"keypoints": points, "keypoints_scores": np.zeros((4, 17), np.float32)}
    case = Case(write(tmp_path / "m.onnx", given, (3, 64, 64), "input"))
    answer = case.decode(given, (128, 64), (64, 64))
    assert answer.task == "keypoints" and answer.found[1].points.tolist() == [[16, 16]] * 17


@pytest.mark.parametrize("name", ["boxes", "dets"])
def test_geti(tmp_path, name):
    rows = np.concatenate([BOXES * 64, SCORES[..., None]], axis=2)
    rows = np.concatenate([rows, np.float32([[[0, 0, 0, 0, .9]]])], axis=1)                 # no box: padding
    given = {name: rows, "labels": np.int64([[1, 0, 1, 1, 0]])}
    case = Case(write(tmp_path / "m.onnx", given, name="image", symbolic=True), {"output.threshold": ".4"})
    assert case.family == "ready" and case.text("input.channels", "input.std", "output.boxes") == ("BGR", "1", name)
    answer = case.decode(given, (128, 32), (64, 64))
    assert said(answer) == [
        (1, .9, (12.8, 6.4, 64, 19.2)), (0, .6, (0, 16, 38.4, 32)), (1, .41, (25.6, 6.4, 51.2, 12.8))]


def test_masks_of_geti_lie_over_their_boxes(tmp_path):
    masks = np.zeros((1, 1, 28, 28), np.float32)
    masks[0, 0, :14] = 1
    given = {"boxes": np.float32([[[10, 20, 50, 60, .9]]]), "labels": np.int64([[0]]), "masks": masks}
    case = Case(write(tmp_path / "m.onnx", given))
    assert case.words.task == "segmentation"
    whole = case.decode(given, (64, 64), (64, 64)).found[0].mask.whole()
    assert whole[20:39, 10:50].all() and not whole[41:].any() and not whole[:20].any()


def test_model_api_counts_the_classes_of_masks_from_1(tmp_path):
    given = {"boxes": np.float32([[[10, 20, 50, 60, .9]]]), "labels": np.int64([[0]]),
             "masks": np.ones((1, 1, 28, 28), np.float32)}
    path = write(tmp_path / "m.onnx", given, metadata={"model_info model_type": "MaskRCNN"})
    case = Case(path, labels=["nothing", "cow"])
    assert [(each.index, each.label) for each in case.decode(given, (64, 64), (64, 64)).found] == [(1, "cow")]


def test_ssd(tmp_path):
    rows = np.float32([[[[0, 2, .8, .1, .2, .5, .6], [0, 1, .9, .5, .5, 1.2, 1.2], [0, 1, .5, .1, .1, .9, .9],
                         [0, 1, .9, .5, .5, .5, .5], [0, 1, .7, np.nan, .5, .6, .6], [-1, 0, .9, 0, 0, 1, 1],
                         [0, 3, .9, 0, 0, 1, 1]]]])
    given = {"detection_out": rows}
    case = Case(write(tmp_path / "m.onnx", given, (1, 3, 30, 60)))
    assert case.family == "ssd" and str(case.recipe) == "30x60 BGR NCHW, stretch linear, mean 0, std 1"
    answer = case.decode(given, (200, 100), (60, 30), classes=("1", "2"))
    assert said(answer) == [(1, .9, (100, 50, 200, 100)), (2, .8, (20, 20, 100, 60))]
    where = Geometry(200, 100, 60, 60, .3, .3, 0, 15)                   # letterboxed: y = (y * 60 - 15) / .3
    assert said(case.decode(given, None, None, where, classes=("2",))) == [(2, .8, (20, 0, 100, 70))]


@pytest.mark.parametrize("name", ["image_info", "im_info"])
def test_ssd_is_fed_the_size_of_its_input(tmp_path, name):
    path = write(tmp_path / "m.onnx", {"detection_out": np.float32([[[[0, 2, .8, .1, .2, .5, .6]]]])}, (1, 3, 30, 60),
                 beside=[(name, TensorProto.FLOAT, (1, 3))])
    session = cinfer.load(path)
    assert said(cinfer.vision.read(session, Image.new("RGB", (200, 100)))) == [(2, .8, (20, 20, 100, 60))]
    info = cinfer.vision.Reader(session).prepare(Image.new("RGB", (200, 100))).feeds[name]
    assert info.dtype == np.float32 and info.tolist() == [[30, 60, 1]]


@pytest.mark.parametrize("wrong, shape", [
    ("boxes", (4, 3)), ("boxes", (2, 4, 4)), ("boxes", (4,)), ("labels", (3,)), ("scores", (5,)),
    ("masks", (3, 1, 8, 8)),
])
def test_what_is_wrong_is_named(tmp_path, wrong, shape):
    case = Case(write(tmp_path / "m.onnx", TORCHVISION, (3, 64, 64)))
    with pytest.raises(InputError, match=f"output '{wrong}' is float32 of shape"):
        case.decode(TORCHVISION | {wrong: np.zeros(shape, np.float32)}, (64, 64), (64, 64))


def test_nothing_and_numbers_that_are_none(tmp_path):
    case = Case(write(tmp_path / "m.onnx", TORCHVISION, (3, 64, 64)))
    empty = {"boxes": np.zeros((0, 4), np.float32), "labels": np.zeros(0, np.int64), "scores": np.zeros(0, np.float32),
             "masks": np.zeros((0, 1, 64, 64), np.float32)}
    assert case.decode(empty, (64, 64), (64, 64)).found == []
    bad = {"boxes": np.float32([[np.nan] * 4, [0, 0, np.inf, 9], [1, 1, 9, 9]]), "labels": np.float32([1, 1, np.nan]),
           "scores": np.float32([.9, .9, .9])}
    assert said(case.decode(bad, (64, 64), (64, 64))) == [(-1, .9, (1, 1, 9, 9))]
