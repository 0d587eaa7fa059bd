"""Detectors that the keys of docs/metadata.md describe."""

import numpy as np
import pytest
from detector_models import Case, iou, said, write

from cinfer.errors import InputError

KEYS = {"cinfer.recipe": "1", "cinfer.task": "detection", "cinfer.labels": "a\nb\nc", "cinfer.input.size": "64x64"}
BOX, TWIN, NEAR, FAR = (10, 10, 50, 50), (12, 10, 52, 50), (10, 25, 50, 65), (0, 60, 20, 64)


def keyed(tmp_path, given, **more):
    keys = KEYS | {f"cinfer.output.{key}": text for key, text in more.items()}
    return Case(write(tmp_path / "m.onnx", given, metadata=keys))


def pairs(boxes, scores):
    return {"where": np.float32([boxes]), "what": np.float32([scores])}


NAMES = {"kind": "boxes+scores", "boxes": "where", "scores": "what"}


def test_boxes_and_scores_are_suppressed_within_a_class(tmp_path):
    assert iou(BOX, TWIN) > .6 and iou(BOX, NEAR) < .5
    given = pairs([BOX, TWIN, NEAR, FAR], [[.9, .7, 0], [.8, 0, .65], [.6, 0, 0], [0, 0, .5]])
    case = keyed(tmp_path, given, **NAMES)
    assert case.family == "boxes"
    answer = case.decode(given, (128, 64), (64, 64))
    wide = [tuple(v * (1 + (i % 2 == 0)) for i, v in enumerate(box)) for box in (BOX, BOX, TWIN, NEAR, FAR)]
    wide[3] = (*wide[3][:3], 64)
    assert said(answer) == [(0, .9, wide[0]), (1, .7, wide[1]), (2, .65, wide[2]), (0, .6, wide[3]), (2, .5, wide[4])]
    assert [each.label for each in answer.found][:2] == ["a", "b"]


def test_threshold_and_overlap(tmp_path):
    given = pairs([BOX, TWIN], [[.9, 0, 0], [.8, 0, 0]])
    assert len(keyed(tmp_path, given, iou=".95", **NAMES).decode(given, (64, 64), (64, 64)).found) == 2
    assert len(keyed(tmp_path, given, iou=".95", threshold=".85", **NAMES).decode(given, (64, 64), (64, 64)).found) == 1
    case = keyed(tmp_path, given, **NAMES)
    assert len(case.decode(given, (64, 64), (64, 64), iou=.95).found) == 2
    assert case.decode(given, (64, 64), (64, 64), conf=.95).found == []


@pytest.mark.parametrize("format, units, box", [
    ("xyxy", "pixels", BOX), ("cxcywh", "pixels", (30, 30, 40, 40)), ("xyxy", "normalized", tuple(v / 64 for v in BOX)),
    ("cxcywh", "normalized", (30 / 64, 30 / 64, 40 / 64, 40 / 64)),
])
def test_formats_and_units(tmp_path, format, units, box):
    given = pairs([box], [[0, .9, 0]])
    case = keyed(tmp_path, given, format=format, units=units, **NAMES)
    assert said(case.decode(given, (128, 64), (64, 64))) == [(1, .9, (20, 10, 100, 50))]
    rows = {"rows": np.float32([[[*box, .9, 1]]])}
    case = keyed(tmp_path, rows, format=format, units=units, kind="x1,y1,x2,y2,score,class")
    assert said(case.decode(rows, (128, 64), (64, 64))) == [(1, .9, (20, 10, 100, 50))]


def test_ready_rows_are_not_suppressed(tmp_path):
    rows = {"rows": np.float32([[[*BOX, .6, 2], [*TWIN, .9, 2], [*NEAR, .5, 0], [*FAR, .49, 1], [0, 0, 0, 0, 0, 0]]])}
    case = keyed(tmp_path, rows, kind="x1,y1,x2,y2,score,class")
    assert said(case.decode(rows, (64, 64), (64, 64))) == [(2, .9, TWIN), (2, .6, BOX), (0, .5, (*NEAR[:3], 64))]
    assert said(case.decode(rows, (64, 64), (64, 64), max_det=1, classes=("a", "1"))) == [(0, .5, (*NEAR[:3], 64))]
    swapped = {"rows": np.float32([[[1, .6, 10, 20, 30, 40]]])}
    case = keyed(tmp_path, swapped, kind="class,score,y1,x1,y2,x2")
    assert said(case.decode(swapped, (64, 64), (64, 64))) == [(1, .6, (20, 10, 40, 30))]


def test_without_keys_names_and_numbers_tell(tmp_path):
    for scale in (1, 64):
        given = {"boxes": np.float32([[[.25, .25, .5, .75]]]) * scale, "scores": np.float32([[[.1, .9]]])}
        case = Case(write(tmp_path / "m.onnx", given, symbolic=True))
        assert case.family == "boxes" and "boxes and scores" in case.words.origin()
        assert said(case.decode(given, (128, 64), (64, 64))) == [(1, .9, (32, 16, 64, 48))]


@pytest.mark.parametrize("classes, label", [(80, "horse"), (79, None)])
def test_80_classes_without_names_are_those_of_coco(tmp_path, classes, label):
    given = {"boxes": np.float32([[BOX]]), "scores": np.zeros((1, 1, classes), np.float32)}
    given["scores"][0, 0, 17] = .9
    case = Case(write(tmp_path / "m.onnx", given))
    assert case.decode(given, (64, 64), (64, 64)).found[0].label == label
    assert ("80 classes without names are taken for COCO's" in case.words.origin()) == (label is not None)


@pytest.mark.parametrize("given, more, wrong", [
    (pairs([BOX], [[.9]]), NAMES | {"boxes": "none"}, "output.boxes is 'none'"),
    (pairs([BOX, BOX], [[.9]]), NAMES, "'where' has 2 rows, 'what' 1"),
    (pairs([BOX], [[.9]]), NAMES | {"kind": "boxes"}, "output.kind is 'boxes'; right for a detector"),
    (pairs([BOX], [[.9]]), NAMES | {"format": "xywh"}, "output.format is 'xywh'"),
    (pairs([BOX[:3]], [[.9]]), NAMES, "'where' is float32 of shape"),
])
def test_what_is_wrong_is_named(tmp_path, given, more, wrong):
    case = keyed(tmp_path, given, **more)
    with pytest.raises(InputError, match=wrong):
        case.decode(given, (64, 64), (64, 64))


def test_a_detector_that_says_no_kind_and_has_other_outputs_is_shown_raw(tmp_path):
    given = {"y": np.zeros((1, 5), np.float32)}
    assert keyed(tmp_path, given).decode(given, (64, 64), (64, 64)).task == "detection"


def test_numbers_that_are_none(tmp_path):
    given = pairs([BOX, (np.nan, 0, 1, 1), (0, 0, np.inf, 1)], [[np.nan, .9, np.inf], [.9, .9, .9], [.9, .9, .9]])
    case = keyed(tmp_path, given, **NAMES)
    assert said(case.decode(given, (64, 64), (64, 64))) == [(1, .9, BOX)]
