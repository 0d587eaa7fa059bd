"""What the keys of Ultralytics' exporter say, in the words of docs/metadata.md."""

import pytest
from fake_session import known, session

from cinfer.errors import InputError

KEYS = {"task": "detect", "imgsz": "[640, 640]", "stride": "32", "names": "{0: 'a', 1: 'b'}"}
FREE = ("batch", 3, "height", "width")


@pytest.mark.parametrize("task, family, ours", [
    ("detect", "yolo", "detection"), ("segment", "yolo", "segmentation"), ("pose", "yolo", "keypoints"),
    ("obb", "yolo", "oriented"), ("classify", "classify", "classification"),
    ("semantic", "dense", "semantic"), ("depth", "dense", "depth")])
def test_tasks_have_their_families(task, family, ours):
    words = known(session(KEYS | {"task": task}, FREE))
    assert (words.text("family"), words.task) == (family, ours)
    assert [words.text(f"input.{key}") for key in ("std", "mean", "channels")] == ["255", "0", "RGB"]


@pytest.mark.parametrize("more, size, resize", [
    ({}, "within:640:32", "letterbox:114"), ({"imgsz": "[480, 640]"}, "within:480:640:32", "letterbox:114"),
    ({"imgsz": "320"}, "within:320:32", "letterbox:114"), ({"stride": "64"}, "within:640:64", "letterbox:114"),
    ({"imgsz": "[1, 2, 3]"}, "within:640:32", "letterbox:114"),
    ({"imgsz": "nonsense"}, "within:640:32", "letterbox:114"),
    ({"imgsz": "[0, True]"}, "within:640:32", "letterbox:114"), ({"stride": "'x'"}, "within:640:32", "letterbox:114"),
    ({"task": "semantic"}, "within:640:32", "letterbox:114"),
    ({"task": "depth", "imgsz": "[480, 640]"}, "480x640", "stretch"), ({"head": "RTDETRDecoder"}, "640x640", "stretch"),
    ({"task": "classify", "imgsz": "[224, 224]"}, "224x224", "centre:1"),
    ({"task": "classify", "imgsz": ""}, "224x224", "centre:1"),
    ({"task": "classify", "imgsz": "[224, 320]"}, "224x320", "stretch")])
def test_free_sizes_are_as_their_authors_have_them(more, size, resize):
    words = known(session(KEYS | more, FREE))
    assert (words.text("input.size"), words.text("input.resize")) == (size, resize)


def test_fixed_sizes_of_the_graph_win():
    assert known(session(KEYS, ("batch", 3, 96, 128))).text("input.size") == "96x128"


@pytest.mark.parametrize("more, kind", [
    ({}, ""), ({"end2end": "False", "args": "{'nms': False}"}, ""), ({"end2end": "True"}, "x1,y1,x2,y2,score,class"),
    ({"end2end": "False", "args": "{'nms': True}"}, "x1,y1,x2,y2,score,class"),
    ({"args": "{'nms': None}"}, ""), ({"args": "["}, ""),
    ({"task": "obb", "end2end": "True"}, "cx,cy,w,h,score,class"), ({"head": "RTDETRDecoder", "end2end": "True"}, ""),
    ({"head": "v10Detect", "description": "Ultralytics YOLO26n model"}, "")])
def test_rows_are_ready_only_where_a_key_says_so(more, kind):
    assert known(session(KEYS | more, FREE)).text("output.kind") == kind


def test_thresholds_are_those_of_the_authors():
    words = known(session(KEYS, FREE))
    assert [words.text(f"output.{key}") for key in ("threshold", "iou", "most")] == [".25", ".7", "300"]
    words = known(session({"stride": "32", "names": "['a']"}, outputs=[(1, 25200, 6)]))
    assert [words.text(f"output.{key}") for key in ("threshold", "iou", "most")] == [".25", ".45", "1000"]
    assert known(session(KEYS | {"head": "RTDETRDecoder"})).text("output.units") == "normalized"


def test_yolov5_says_its_task_by_its_outputs():
    keys = {"stride": "32", "names": "['a', 'b']"}
    assert known(session(keys, outputs=[(1, 25200, 7)])).task == "detection"
    assert known(session(keys, outputs=[(1, 25200, 39), (1, 32, 160, 160)])).task == "segmentation"
    assert known(session(keys, outputs=[(1, 25200, 7), (1, 3, 80, 80, 7)])).task == "detection"
    words = known(session(keys, outputs=[(1, 2)]))
    assert (words.task, words.text("output.kind")) == ("classification", "logits")
    assert words.text("input.mean") == "123.675,116.28,103.53"
    assert (words.text("input.resize"), words.text("input.filter")) == ("middle", "linear")


def test_channels():
    assert known(session(KEYS | {"channels": "1"}, ("b", "c", "h", "w"))).text("input.channels") == "GRAY"
    assert known(session(KEYS, (1, 1, 64, 64))).text("input.channels") == "GRAY"
    with pytest.raises(InputError, match="takes 10 channels"):
        known(session(KEYS | {"channels": "10"}, (1, "c", 64, 64)))


@pytest.mark.parametrize("shape, size, channels", [
    ((1, 96, 128, 3), "96x128", "RGB"), (("b", "h", "w", 3), "within:640:32", "RGB"),
    ((1, 96, 128, 1), "96x128", "GRAY")])
def test_channels_may_come_last_as_after_a_conversion(shape, size, channels):
    words = known(session(KEYS, shape))
    assert [words.text(f"input.{key}") for key in ("layout", "size", "channels")] == ["NHWC", size, channels]


def test_unknown_tasks_say_no_family():
    words = known(session(KEYS | {"task": "teleport"}, (1, 3, 64, 64), outputs=[(1, 77, 31)]))
    assert words.task == "teleport" and not words.text("family")


def test_flags_are_first():
    words = known(session(KEYS, FREE), **{"input.resize": "stretch", "output.kind": "x1,y1,x2,y2,score,class"})
    assert words.text("input.resize") == "stretch" and words.text("output.kind").startswith("x1")


@pytest.mark.parametrize("more, output, resize", [
    ({}, (1, 300, 7), "stretch"), ({}, (1, 7, 8400), "letterbox:114"), ({}, (1, 8400, 7), "letterbox:114"),
    ({}, (1, 300, 6), "letterbox:114"), ({"head": "Detect"}, (1, 300, 7), "letterbox:114"),
    ({"task": "segment"}, (1, 300, 7), "letterbox:114"), ({"names": "{0: 'a', 1: 'b'}"}, (1, 300, 6), "letterbox:114"),
    ({"description": "Ultralytics rtdetr-l model", "names": "{0: 'a', 1: 'b'}"}, (1, 300, 6), "stretch")])
def test_an_older_rt_detr_without_the_key_head(more, output, resize):
    model = session(KEYS | {"names": "{0: 'a', 1: 'b', 2: 'c'}"} | more, (1, 3, 640, 640), outputs=(output,))
    assert known(model).text("input.resize") == resize
    assert known(model).text("output.units") == ("normalized" if resize == "stretch" else "")
