"""A model is the same and says the same, whether its file counts the sizes of its inputs and outputs, names them, or
says nothing of them; whatever its outputs are called."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
from growing_model import cells, found, high, made, wide

import cinfer.vision.recognise.sizes
from cinfer.vision.reader import Reader
from cinfer.vision.recognise.beside import class_counts, fixed_sizes
from cinfer.vision.recognise.model import Model

HEIGHT, WIDTH = 128, 192
STRIDES = (8, 16, 32)
RNG = np.random.default_rng(3)


def some(*shape, dtype=np.float32):
    return RNG.random(shape).astype(dtype)


def count(*strides, height=HEIGHT, width=WIDTH):
    return sum(-(-height // s) * -(-width // s) for s in strides)


def classes(*shape):
    return RNG.integers(0, 3, shape)


def ready(n, columns, scale=1.):
    """Rows x1 y1 x2 y2 score class ..."""
    rows = some(1, n, columns)
    rows[..., :4] *= scale
    rows[..., 2:4] += rows[..., :2]
    rows[..., 5] = classes(1, n)
    return rows


def placed(numbers, strides=STRIDES):
    """(1, numbers, places): centres and sizes of boxes, then what is from 0 to 1."""
    rows = some(1, numbers, count(*strides))
    rows[:, :4] *= 60
    return rows, {2: cells(*strides)}


def detection_output(n):
    rows = np.concatenate([np.zeros((1, 1, n, 1)), classes(1, 1, n, 1), some(1, 1, n, 5) / 2], -1)
    rows[..., 2] += .5
    rows[..., 5:] += rows[..., 3:5]
    return rows.astype(np.float32), {2: found(n)}


def maps(*channels, times=1, over=1, rank=4):
    """A map that follows the input."""
    first = rank - 2
    made = some(*channels, HEIGHT * times // over, WIDTH * times // over)
    return made, {first: high(times, over), first + 1: wide(times, over)}


def line_of_text():
    likely = np.zeros((1, 1, HEIGHT, WIDTH), np.float32)
    likely[..., 40:60, 20:150] = .9
    return likely


def scrfd(widths, batch=()):
    first = len(batch)
    return [(some(*batch, 2 * count(s), n), {first: cells(s, times=2)}) for n in widths for s in STRIDES]


def torchvision(*more):
    boxes = some(6, 4) * 60
    boxes[:, 2:] += boxes[:, :2]
    rows = [boxes, classes(6).astype(np.int64), some(6)]
    return [*((each, {0: found(6)}) for each in rows), *more]


WAYS = ("counted", "named", "free", "nothing said")


@dataclass
class Case:
    """outputs : [(array, axes)]; family, task : what it is; shape : of a fixed input
    only : it takes no other, whatever the file says; how : in which ways the file may say sizes for it to be this"""
    outputs: list
    family: str
    task: str
    shape: tuple = (1, 3, HEIGHT, WIDTH)
    only: bool = False
    layout: str = "NCHW"
    how: tuple = WAYS


CASES = {
    "v8": Case([placed(9)], "yolo", "detection"),
    "v8, four strides": Case([placed(9, (4, *STRIDES))], "yolo", "detection"),
    "v5": Case([(some(1, 3 * count(*STRIDES), 9), {1: cells(*STRIDES, times=3)})], "yolo", "detection"),
    "masks": Case([placed(38), maps(1, 32, over=4)], "yolo", "segmentation"),
    "points": Case([placed(56)], "yolo", "keypoints"),
    "ready rows": Case([(ready(300, 6, 60), {})], "yolo", "detection"),
    "ready shares": Case([(ready(300, 6, .5), {})], "yolo", "detection"),
    "ready rows of a free number": Case([(ready(30, 6, 60), {1: found(30)})], "yolo", "detection"),
    "ready masks": Case([(ready(100, 38, 60), {}), maps(1, 32, over=4)], "yolo", "segmentation"),
    "ready points": Case([(ready(100, 57, 60), {})], "yolo", "keypoints"),
    "yolov7's rows": Case([(np.insert(ready(30, 6, 60)[0][:, [0, 1, 2, 3, 5, 4]], 0, 0, axis=1), {0: found(30)})],
                          "yolo", "detection", how=WAYS[1:]),
    "yolox": Case([(some(1, count(*STRIDES), 85), {1: cells(*STRIDES)})], "yolox", "detection"),
    "nanodet": Case([(some(1, count(*STRIDES), 112), {1: cells(*STRIDES)})], "nanodet", "detection"),
    "nanodet plus": Case([(some(1, count(*STRIDES, 64), 112), {1: cells(*STRIDES, 64)})], "nanodet", "detection"),
    "scrfd": Case(scrfd((1, 4, 10)), "faces", "detection"),
    "scrfd with batch": Case(scrfd((1, 4, 10), (1,)), "faces", "detection"),
    "scrfd without points": Case(scrfd((1, 4)), "faces", "detection"),
    "scrfd without points, with batch, in another order": Case(scrfd((1, 4), (1,))[::-1], "faces", "detection"),
    "blazeface": Case([(some(1, 896, 16), {}), (some(1, 896, 1), {})], "faces", "detection"),
    "p-net": Case([maps(1, 2, over=2), maps(1, 4, over=2)], "faces", "detection"),
    "ssd": Case([detection_output(9)], "ssd", "detection"),
    "torchvision": Case(torchvision(), "ready", "detection", (3, HEIGHT, WIDTH)),
    "torchvision with batch": Case(torchvision(), "ready", "detection"),
    "torchvision's masks": Case(torchvision((some(6, 1, HEIGHT, WIDTH), {0: found(6), 2: high(), 3: wide()})), "ready",
                                "segmentation"),
    "torchvision's points": Case(torchvision((some(6, 17, 3), {0: found(6)}), (some(6, 17), {0: found(6)})), "ready",
                                 "keypoints"),
    "text": Case([(line_of_text(), {2: high(), 3: wide()})], "text", "text-detection", how=WAYS[2:]),
    "movenet": Case([(some(1, 1, 17, 3), {})], "poses", "keypoints"),
    "movenet multipose": Case([(some(1, 6, 56), {})], "poses", "keypoints"),
    "simcc": Case([(some(1, 17, 384), {}), (some(1, 17, 512), {})], "poses", "keypoints", (1, 3, 256, 192), only=True),
    "heatmaps": Case([(some(1, 17, 64, 48), {2: high(1, 4), 3: wide(1, 4)})], "poses", "keypoints", (1, 3, 256, 192)),
    "face mesh": Case([(some(1, 1404), {}), (some(1, 1), {})], "poses", "keypoints", (1, 192, 192, 3), only=True,
                      layout="NHWC"),
    "arcface": Case([(some(1, 512), {})], "arcface", "embedding", (1, 3, 112, 112), only=True),
    "classifier": Case([(some(1, 10), {})], "classify", "classification"),
    "vision transformer": Case([(some(1, 10), {})], "classify", "classification", (1, 3, 384, 384), only=True),
    "u2-net": Case([maps(1, 1) for _ in range(7)], "dense", "matting"),
    "classes of pixels": Case([maps(1, 21)], "dense", "semantic"),
    "classes of pixels, twice": Case([maps(1, 21), maps(1, 21)], "dense", "semantic"),
    "classes of pixels, half": Case([maps(1, 5, over=2)], "dense", "semantic"),
    "classes of pixels, a quarter": Case([maps(1, 150, over=4)], "dense", "semantic"),
    "classes of pixels, last": Case([(some(1, HEIGHT, WIDTH, 4), {1: high(), 2: wide()})], "dense", "semantic",
                                    (1, HEIGHT, WIDTH, 3), layout="NHWC"),
    "classes already": Case([(classes(1, HEIGHT, WIDTH), {1: high(), 2: wide()})], "dense", "semantic"),
    "depth": Case([maps(1, rank=3)], "dense", "depth"),
    "twice as large": Case([maps(1, 3, times=2)], "picture", "image"),
}


def names_of(case):
    return [f"{448 + 23 * i}" for i in range(len(case.outputs))]


def session_of(case, how):
    outputs = dict(zip(names_of(case), case.outputs))
    if how == "counted":
        return made(outputs, case.shape, case.layout, only=case.shape if case.only else None)
    named = None if how == "nothing said" else "named"
    declared = {name: named and [f"{name}_{i}" for i in range(a.ndim)] for name, (a, _) in outputs.items()}
    if "free" in how or how == "nothing said":
        sides = {"N": "batch", "C": 3, "H": "height", "W": "width"}
        shape = [sides[axis] for axis in case.layout[-len(case.shape):]]
        return made(outputs, shape, case.layout, declared, case.shape if case.only else None)
    return made(outputs, case.shape, case.layout, declared)


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(5).integers(0, 255, (100, 140, 3), np.uint8)


@pytest.mark.parametrize("name", CASES)
def test_alike_however_the_file_says_sizes(name, picture):
    case, answers, known = CASES[name], {}, {}
    side = case.layout.replace("N", "") if len(case.shape) == 3 else case.layout
    size = f"{case.shape[side.index('H')]}x{case.shape[side.index('W')]}"
    for how in case.how:
        session = session_of(case, how)
        words = Reader(session).words
        assert (words.text("family"), words.task) == (case.family, case.task), (how, words.origin())
        told = {key: words.text(key) for key in words._said if key not in ("input.size", "input.scale")}
        known.setdefault("words", told)
        assert known["words"] == told, how
        if case.only:
            assert words.text("input.size") == size, how
        read = Reader(session, {"input.size": (size, "--size")}).read(picture)
        answers[how] = json.loads(json.dumps(read.answer.data()))
    assert all(each == answers["free"] for each in answers.values())
    assert any(answers["free"].values())


@pytest.mark.parametrize("name", CASES)
def test_free_sizes_are_fed_so_that_there_is_an_answer(name, picture):
    case = CASES[name]
    reader = Reader(session_of(case, "free"))
    read = reader.read(picture)
    assert read.answer.task == case.task
    assert reader.recipe.size.rule != "multiple" or case.family == "ssd", reader.recipe      # as its authors do


FREE = ("batch", 3, "height", "width")


@pytest.mark.parametrize("declared", [{}, {"a": None}])
@pytest.mark.parametrize("array, family, size", [
    (some(1, 8400, 85), "yolox", "640x640"),
    (some(1, 2125, 112), "nanodet", "320x320"),                 # not the 416 that it would be fed else
    (some(1, 9, 1029), "yolo", "224x224"),
    (some(1, 21, 512, 512), "dense", "512x512"),
    (some(1, 3, 448, 448), "picture", "224x224"),
])
def test_outputs_that_do_not_follow_were_made_for_one_size(array, family, size, declared):
    words = Reader(made({"a": (array, {})}, FREE, declared=declared)).words
    assert (words.text("family"), words.text("input.size")) == (family, size)


@pytest.mark.parametrize("side", [24, 28, 224, 416, 640, 1280])
def test_a_network_that_takes_one_size_alone_is_fed_that(side):
    outputs = {"a": (some(1, 7, 9), {}), "b": (some(1, 5, 5, 5), {})}
    reader = Reader(made(outputs, FREE, only=(1, 3, side, side), declared={"a": None}))
    assert reader.words.text("family") == "" and reader.recipe.size.numbers == (side, side)
    reader.read(np.zeros((30, 40, 3), np.uint8))


@pytest.mark.parametrize("shape, size", [((1, 3, 320, "w"), (320, 320)), (("n", 3, "h", 256), (256, 256))])
def test_a_side_that_is_fixed_stays(shape, size):
    reader = Reader(made({"a": placed(9)}, shape, declared={"a": None}))
    assert reader.words.text("family") == "yolo" and reader.recipe.size.numbers == size
    assert reader.read(np.zeros((300, 400, 3), np.uint8)).where.input_height == size[0]


@pytest.mark.parametrize("step, size", [(1, "any"), (32, "multiple:32")])
def test_what_is_enlarged_has_any_size_if_the_network_takes_any(step, size):
    def follows(side):
        return lambda graph: graph.part(graph.part(getattr(graph, side), 1, step), 2 * step, 1)
    enlarge = {"a": (some(1, 3, 64, 64), {2: follows("height"), 3: follows("width")})}
    words = Reader(made(enlarge, FREE, declared={"a": None})).words
    assert words.task == "image" and words.text("input.size") == size


def test_maps_of_patches_of_14_pixels_are_fed_such():
    def follows(side):
        return lambda graph: graph.part(graph.part(getattr(graph, side), 1, 14), 14, 1)
    depth = {"a": (some(1, 64, 64), {1: follows("height"), 2: follows("width")})}
    words = Reader(made(depth, FREE, declared={"a": None})).words
    assert words.task == "depth" and words.text("input.size") == "fit:518:14"


def test_channels_that_are_free_are_three():
    words = Reader(made({"a": placed(9)}, ("n", "c", "h", "w"), declared={"a": None})).words
    assert words.text("family") == "yolo" and words.text("input.channels") == "RGB"


def test_classes_are_not_counted_along_axes_that_follow_the_input():
    outputs = {"a": maps(1, rank=3), "b": (some(1, 5), {})}
    model = Model(made(outputs, FREE, declared={"a": None, "b": ("batch", "classes")}))
    assert fixed_sizes(model) == [(1, None, None), (1, 5)] and class_counts(model) == [5]


@pytest.mark.parametrize("name", ["torchvision", "torchvision with batch"])
def test_classes_of_torchvision_are_coco_91(name):
    words = Reader(session_of(CASES[name], "free")).words
    assert words.label(90) == "toothbrush" and "91 classes without names" in words.origin()


def test_boxes_with_a_batch_are_not_torchvisions():
    outputs = {"boxes": (some(1, 6, 4), {}), "labels": (classes(1, 6), {}), "scores": (some(1, 6), {})}
    words = Reader(made(outputs, FREE)).words
    assert (words.text("family"), words.labels) == ("ready", None) and "torchvision" not in words.origin()


def test_networks_are_asked_only_where_nobody_says_what_they_are(monkeypatch):
    def never(*_):
        raise AssertionError("asked")
    monkeypatch.setattr(cinfer.vision.recognise.sizes, "shapes_of_outputs", never)
    keys = {"task": "detect", "imgsz": "[640, 640]", "stride": "32", "names": "{0: 'cow'}", "head": "Detect"}
    keyed = made({"a": placed(5)}, FREE, declared={"a": ("batch", "b", "c")}, metadata=keys)
    assert Reader(keyed).words.text("family") == "yolo"
    assert Reader(made({"a": placed(5)}, CASES["v8"].shape)).words.text("family") == "yolo"
    with pytest.raises(AssertionError, match="asked"):
        Reader(made({"a": placed(5)}, FREE, declared={"a": ("batch", "b", "c")}))
