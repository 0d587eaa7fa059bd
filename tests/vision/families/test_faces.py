"""Detectors of faces against their definitions, written with loops."""

import math

import numpy as np
import pytest
from fake_session import known, session, view

from cinfer.errors import InputError
from cinfer.vision.families import faces
from cinfer.vision.families.view import Options
from cinfer.vision.prepare.geometry import Geometry

WIDE = Geometry(640, 320, 128, 64, 0.2, 0.2)  # a picture of 640x320, fed as 128x64


def found(outputs, where=WIDE, options=None, **words):
    return faces.decode(view(outputs, where=where, options=options, **words))


def iou(a, b):
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(w, 0) * max(h, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def survivors(candidates, limit, seen=lambda box: box):
    """(score, box, points), the best first, none of which overlaps a better one by more. seen : a box as it counts"""
    kept = []
    for each in sorted(candidates, key=lambda c: -c[0]):
        if all(iou(seen(each[1]), seen(other[1])) <= limit for other in kept):
            kept.append(each)
    return kept


def assert_same(answer, wanted, scale=0.2, clip=(640, 320)):
    assert answer.task == "detection" and len(answer.found) == len(wanted)
    for each, (score, box, points) in zip(answer.found, wanted):
        assert (each.index, each.label, each.score) == (0, "face", pytest.approx(score, abs=1e-5))
        limit = [clip[0], clip[1]] * 2
        assert each.box == pytest.approx([min(max(v / scale, 0), m) for v, m in zip(box, limit)], abs=1e-2)
        if points is None:
            assert each.points is None
        else:
            assert each.points == pytest.approx(np.array(points) / scale, abs=1e-2)


# ---- SCRFD


def scrfd_outputs(seed=0, with_points=True, count=25):
    """Random outputs for 128x64, and the candidates by the definition."""
    random = np.random.default_rng(seed)
    outputs, candidates = {}, []
    for stride in (8, 16, 32):
        columns, rows = 128 // stride, 64 // stride
        total = columns * rows * 2
        score = np.where(random.random((total, 1)) < count / 300, random.uniform(0.45, 1, (total, 1)), 0.1)
        box, dots = random.uniform(0.2, 3, (total, 4)), random.uniform(-2, 2, (total, 10))
        for i in range(total):
            x, y = (i // 2) % columns * stride, (i // 2) // columns * stride
            l, t, r, b = box[i] * stride
            points = [(x + dots[i, 2 * k] * stride, y + dots[i, 2 * k + 1] * stride) for k in range(5)]
            if score[i, 0] >= 0.5:
                candidates.append((score[i, 0], (x - l, y - t, x + r, y + b), points if with_points else None))
        outputs |= {f"s{stride}": score, f"b{stride}": box} | ({f"k{stride}": dots} if with_points else {})
    return {name: np.float32(value) for name, value in outputs.items()}, candidates


@pytest.mark.parametrize("with_points", [True, False])
@pytest.mark.parametrize("batch", [True, False])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_scrfd_in_any_order(order, batch, with_points):
    outputs, candidates = scrfd_outputs(order, with_points)
    names = np.random.default_rng(order).permutation(list(outputs)) if order else list(outputs)
    outputs = {name: outputs[name][None] if batch else outputs[name] for name in names}
    assert len(candidates) > 10
    assert_same(found(outputs), survivors(candidates, 0.4))


def test_twin_goes_and_neighbour_stays():
    outputs, _ = scrfd_outputs(count=0)
    for index, score, box in ((10, 0.9, 2.0), (11, 0.8, 1.8), (14, 0.6, 1.0), (15, 0.49, 0.5)):
        outputs["s16"][index], outputs["b16"][index] = score, box
    assert [each.score for each in found(outputs).found] == pytest.approx([0.9, 0.6])
    assert [each.score for each in found(outputs, options=Options(iou=0.9)).found] == pytest.approx([0.9, 0.8, 0.6])
    assert [each.score for each in found(outputs, options=Options(conf=0.7)).found] == pytest.approx([0.9])
    assert len(found(outputs, options=Options(max_det=1)).found) == 1


@pytest.mark.parametrize("limit, left", [(.335, 1), (.355, 2)])
def test_scrfd_counts_the_pixels_of_both_corners(limit, left):
    """40 x 40 and 40 x 13 of the picture's pixels, 8 x 8 and 8 x 2.6 of the input's: .325 from corner to corner,
    41 * 14 / 41^2 = .341 with a pixel more each way; 9 * 3.6 / 81 = .4 were these the input's."""
    outputs, _ = scrfd_outputs(count=0)
    for index, score, box in ((50, .9, (0, 0, 1, 1)), (51, .8, (0, 0, 1, .325))):
        outputs["s8"][index], outputs["b8"][index] = score, box
    answer = found(outputs, options=Options(iou=limit))
    assert len(answer.found) == left


def test_thresholds_of_the_model_count():
    outputs, _ = scrfd_outputs(count=0)
    outputs["s16"][[10, 14]] = [[0.9], [0.6]]
    assert len(found(outputs, output_threshold=".7").found) == 1


@pytest.mark.parametrize("classes, count", [(("face",), 1), (("0",), 1), (("1",), 0)])
def test_only_faces_can_be_asked_for(classes, count):
    outputs, _ = scrfd_outputs(count=0)
    outputs["s8"][3] = 0.9
    assert len(found(outputs, options=Options(classes=classes)).found) == count
    with pytest.raises(InputError, match="the model has no class 'dog'"):
        found(outputs, options=Options(classes=("dog",)))


def test_numbers_that_are_none_are_no_faces():
    outputs, _ = scrfd_outputs(count=0)
    outputs["s8"][[3, 5, 7]] = [[np.nan], [0.9], [np.inf]]
    outputs["b8"][5] = np.inf
    answer = found(outputs)
    assert len(answer.found) == 1 and answer.data()["objects"][0]["score"] is None
    outputs["b8"][7] = np.nan
    assert found(outputs).found == [] and found(outputs).line() == "nothing"


@pytest.mark.parametrize("change", [
    {"s8": np.zeros((255, 1))}, {"b8": np.zeros((255, 4))}, {"s8": np.zeros((0, 1))}, {"k16": np.zeros((5, 10))},
])  # fmt: skip
def test_sizes_that_do_not_fit_the_input_are_told(change):
    outputs, _ = scrfd_outputs()
    with pytest.raises(InputError) as error:
        found(outputs | change)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("change", [
    {"k8": np.zeros((256, 3))}, {"s8": np.zeros((256, 1), bool)}, {"k32": np.zeros((1, 2, 3, 4))},
    {"more": np.zeros(3)},
])  # fmt: skip
def test_other_outputs_are_summed_up(change):
    outputs, _ = scrfd_outputs()
    assert len(found(outputs | change).rows) == len(outputs | change)


# ---- YuNet


def yunet_outputs(seed=0):
    random = np.random.default_rng(seed)
    outputs, candidates = {}, []
    for stride in (8, 16, 32):
        columns, rows = 128 // stride, 64 // stride
        total = columns * rows
        cls, obj = random.uniform(-0.1, 1.1, (2, total, 1))
        obj *= random.random((total, 1)) < 0.2
        box, dots = random.uniform(-0.5, 1, (total, 4)), random.uniform(-1, 2, (total, 10))
        for i in range(total):
            column, row = i % columns, i // columns
            score = math.sqrt(min(max(cls[i, 0], 0), 1) * min(max(obj[i, 0], 0), 1))
            x, y = (column + box[i, 0]) * stride, (row + box[i, 1]) * stride
            w, h = math.exp(box[i, 2]) * stride, math.exp(box[i, 3]) * stride
            points = [((dots[i, 2 * k] + column) * stride, (dots[i, 2 * k + 1] + row) * stride) for k in range(5)]
            if score >= 0.6:
                candidates.append((score, (x - w / 2, y - h / 2, x + w / 2, y + h / 2), points))
        outputs |= {f"cls_{stride}": cls, f"obj_{stride}": obj, f"bbox_{stride}": box, f"kps_{stride}": dots}
    return {name: np.float32(value)[None] for name, value in outputs.items()}, candidates


def whole(box):
    """A rectangle of whole numbers, as FaceDetectorYN makes one for NMSBoxes: int(x), int(y), int(w), int(h)."""
    x, y, w, h = int(box[0]), int(box[1]), int(box[2] - box[0]), int(box[3] - box[1])
    return x, y, x + w, y + h


@pytest.mark.parametrize("seed", range(6))
def test_yunet(seed):
    outputs, candidates = yunet_outputs(seed)
    assert len(candidates) > 5
    assert_same(found(dict(reversed(outputs.items()))), survivors(candidates, 0.3, whole))


@pytest.mark.parametrize("height, left", [(13.9, 1), (14.0, 2)])
def test_yunet_compares_boxes_by_their_whole_pixels(height, left):
    """4 of 13.9 pixels are .288 of them; 4 of 13 are .308, and go; 4 of 14 stay."""
    outputs, _ = yunet_outputs()
    for name in outputs:
        outputs[name][:] = 0
    for column, (score, high) in enumerate(((.9, height), (.8, 4))):
        at = 0, 16 + column                             # of 8 pixels each: 16 in a row
        outputs["cls_8"][at] = outputs["obj_8"][at] = score
        centre = (8.1 + 5.4) / 8 - column, (8.1 + high / 2) / 8 - 1
        outputs["bbox_8"][at] = *centre, math.log(10.8 / 8), math.log(high / 8)
    assert len(found(outputs).found) == left


def test_yunet_of_another_size_is_told():
    outputs, _ = yunet_outputs()
    with pytest.raises(InputError, match="cls_8 output is of shape"):
        found(outputs, where=Geometry(96, 64, 96, 64, 1, 1))


# ---- BlazeFace


def blazeface_outputs(side, seed=0):
    random = np.random.default_rng(seed)
    score, rows = np.full((896, 1), -200.0), random.normal(0, 3, (896, 16))
    rows[:, 2:4] = random.uniform(30, 50, (896, 2))
    chosen = [100, 101, 102, 103, 300, 301, 600, 601, 700, 895]
    score[chosen, 0] = [3, 2, 1, -0.01, 0.5, 0.4, 300, 5, 0.01, 2]
    candidates = []
    for i in chosen:
        cells, each = (16, i // 2) if i < 512 else (8, (i - 512) // 6)
        x, y = (each % cells + 0.5) / cells * side, (each // cells + 0.5) / cells * side
        chance = 1 / (1 + math.exp(-min(max(score[i, 0], -100), 100)))
        cx, cy, w, h = x + rows[i, 0], y + rows[i, 1], rows[i, 2], rows[i, 3]
        points = [(x + rows[i, 4 + 2 * k], y + rows[i, 5 + 2 * k]) for k in range(6)]
        if chance >= 0.5:
            candidates.append((chance, (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2), points))
    return np.float32(rows)[None], np.float32(score)[None], candidates


@pytest.mark.parametrize("side", [128, 256])
def test_blazeface_boxes_are_weighted_means(side):
    rows, score, candidates = blazeface_outputs(side)
    wanted, left = [], sorted(candidates, key=lambda c: -c[0])
    while left:
        alike = [c for c in left if iou(c[1], left[0][1]) > 0.3]
        total = sum(c[0] for c in alike)
        box, points = (sum(c[0] * np.array(c[n]) for c in alike) / total for n in (1, 2))
        wanted.append((left[0][0], box, points))
        left = [c for c in left if iou(c[1], left[0][1]) <= 0.3]
    assert 2 <= len(wanted) < len(candidates)
    where = Geometry(side, side, side, side, 1, 1)
    for outputs in ({"a": rows, "b": score}, {"b": score[0], "a": rows[0]}):
        assert_same(found(outputs, where), wanted, 1, (side, side))


def test_blazeface_that_sees_nothing():
    rows, score, _ = blazeface_outputs(128)
    assert found({"a": rows, "b": score * 0 - 9}, Geometry(128, 128, 128, 128, 1, 1)).found == []


# ---- MTCNN


def test_p_net_slides_a_window():
    random = np.random.default_rng(0)
    chance, offsets = np.zeros((1, 2, 20, 30)), random.uniform(-0.2, 0.2, (1, 4, 20, 30))
    chance[0, 1, [2, 15, 15], [25, 3, 12]] = [0.7, 0.9, 0.59]
    wanted = []
    for row, column in ((15, 3), (2, 25)):
        x, y = 2 * column + 1, 2 * row + 1
        box = [v + 11 * o for v, o in zip((x, y, x + 11, y + 11), offsets[0, :, row, column])]
        wanted.append((chance[0, 1, row, column], box, None))
    outputs = {"probabilities": np.float32(chance), "offsets": np.float32(offsets)}
    assert_same(found(outputs, Geometry(69, 49, 69, 49, 1, 1)), wanted, 1, (69, 49))


@pytest.mark.parametrize("side", [24, 48])
def test_r_net_and_o_net_judge_the_whole_picture(side):
    where = Geometry(240, 480, side, side, side / 240, side / 480)
    outputs = {"p": np.float32([[0.1, 0.9]]), "o": np.float32([[0.1, -0.1, 0.2, -0.2]])}
    if side == 48:
        outputs["l"] = np.float32([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]])
    (face,) = found(outputs, where).found
    assert face.box == pytest.approx((24, 0, 240, 384), abs=1e-3) and face.score == pytest.approx(0.9)
    if side == 48:
        assert face.points == pytest.approx(np.array([[24 * (k + 1), 48 * (k + 6)] for k in range(5)]), abs=1e-3)
    assert found(outputs | {"p": np.float32([[0.4, 0.6]])}, where).found == []


# ---- which one it is


def declared(outputs, names=None, shape=(1, 3, 640, 640), **options):
    model = session(outputs=outputs, shape=shape, **options)
    for port, name in zip(model.outputs, names or ()):
        port.name = name
    return known(model)


@pytest.mark.parametrize("outputs", [
    [(12800, 1), (3200, 1), (800, 1), (12800, 4), (3200, 4), (800, 4)],
    [(1, 12800, 1), (1, 12800, 4), (1, 12800, 10), (1, 3200, 1), (1, 3200, 4), (1, 3200, 10), (1, 800, 1), (1, 800, 4),
     (1, 800, 10)],
    [("n", 1), ("n", 1), ("n", 1), ("n", 4), ("n", 4), ("n", 4), ("n", 10), ("n", 10), ("n", 10)],
    [("a", "b")] * 9,
    [(1, "a", 1)] * 3 + [(1, "a", "b")] * 3,
])  # fmt: skip
@pytest.mark.parametrize("size", [640, "s"])
def test_scrfd_is_told_by_its_outputs(outputs, size):
    words = declared(outputs, shape=(1, 3, size, size))
    assert (words.text("family"), words.task, words.labels) == ("faces", "detection", ["face"])
    said = {key: words.text(f"input.{key}") for key in ("size", "resize", "filter", "mean", "std", "channels")}
    assert said == {"size": "640x640", "resize": "corner:0", "filter": "linear", "mean": "127.5", "std": "128",
                    "channels": "RGB"}  # fmt: skip


@pytest.mark.parametrize("outputs", [
    [(1, 80, 80, 80)] * 6, [("a", "b")] * 6, [(1, 3600, 80)] * 3 + [(1, 3600, 4)] * 3, [(100, 4)] * 6, [(5, 1)],
])  # fmt: skip
def test_others_are_not(outputs):
    assert declared(outputs).text("family") != "faces"


@pytest.mark.parametrize("size, said", [(640, "640x640"), ("s", "up:32")])
def test_yunet_is_told_by_names(size, said):
    words = declared([(1, "n", "k")] * 12, faces.YUNET, (1, 3, size, size))
    assert words.text("family") == "faces" and "YuNet" in words.origin()
    assert [words.text(f"input.{key}") for key in ("size", "resize", "channels", "std")] == [said, "pad:0", "BGR", "1"]


def test_blazeface_without_keys_is_sampled_as_mediapipe_does():
    words = declared([(1, 896, 16), (1, 896, 1)], shape=(1, 128, 128, 3))
    said = [words.text(f"input.{key}") for key in ("size", "resize", "filter", "mean", "std", "layout")]
    assert said == ["128x128", "inside:1", "corner", "127.5", "127.5", "NHWC"]


@pytest.mark.parametrize("outputs, names", [
    ([(1, "n", 16), (1, "n", 1)], None), ([("b", 896, 1), ("b", 896, 16)], None),
    ([("a", "b", "c")] * 2, ("regressors", "classificators")), ([(896, 16), (896, 1)], None),
])  # fmt: skip
def test_blazeface_whose_sizes_are_not_all_known(outputs, names):
    assert "BlazeFace" in declared(outputs, names, (1, 3, 128, 128)).origin()


@pytest.mark.parametrize("outputs", [
    [(1, "n", 16), (1, "n", 1)], [(1, 895, 16), (1, 895, 1)], [(2, 896, 16), (2, 896, 1)], [(1, 896, 16), (1, 895, 1)],
])  # fmt: skip
def test_what_is_no_blazeface(outputs):
    assert declared(outputs, shape=(1, 3, 640, 640)).text("family") != "faces"


@pytest.mark.parametrize("outputs, size, known_one", [
    ([("n", 4, "h", "w"), ("n", 2, "h", "w")], "s", True),
    ([("n", 4), ("n", 2)], 24, True),
    ([("n", 2), ("n", 4)], 25, False),
    ([("n", 2), ("n", "k")], 24, False),
    ([("n", 4), ("n", 10), ("n", 2)], 48, True),
])  # fmt: skip
def test_mtcnn_is_told_by_its_outputs(outputs, size, known_one):
    words = declared(outputs, shape=("n", 3, size, size))
    assert (words.text("family") == "faces") is known_one
    if known_one:
        assert words.text("input.size") == ("any" if size == "s" else f"{size}x{size}")


def test_mtcnn_with_names_of_a_classifier():
    names = "offsets", "landmarks", "probabilities"
    words = declared([("n", 4), ("n", 10), ("n", 2)], names, ("n", 3, 48, 48))
    assert words.text("family") == "faces"


def test_own_task_decides():
    words = known(session({"cinfer.recipe": "1", "cinfer.task": "face-anchors"}, outputs=((1, 896, 16), (1, 896, 1))))
    assert words.text("family") == "faces" and "input.filter" not in words
