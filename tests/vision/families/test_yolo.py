"""Boxes of YOLO: every form of rows, against boxes drawn up in the picture and a suppression by its definition."""

import time

import numpy as np
import pytest
from constant_model import centred, fed, kept, letterbox, model, reading
from growing_model import made

from cinfer.errors import InputError
from cinfer.vision.families import yolo
from cinfer.vision.families.view import Options, View
from cinfer.vision.reader import Reader
from cinfer.vision.reader import read as read_picture
from cinfer.vision.recognise.model import Model
from cinfer.vision.recognise.words import Words

KEYS = {"task": "detect", "imgsz": "[640, 640]", "stride": "32", "names": str({i: f"c{i}" for i in range(5)}),
        "args": "{'nms': False}", "end2end": "False", "channels": "3"}
V5 = {"stride": "32", "names": "['c0', 'c1', 'c2', 'c3', 'c4']"}
FREE = ("batch", 3, "height", "width")
WIDE, HIGH = 768, 500
# x1 y1 x2 y2 in the picture, class, score: a twin at an overlap of .82 and one at .60; another class at the same place;
# over the edges; just above and just below the threshold
SCENE = [(100, 100, 300, 300, 2, 0.9), (100, 100, 300, 263.9, 2, 0.85), (100, 100, 300, 220, 2, 0.8),
         (101, 101, 301, 301, 4, 0.7), (-50, 350, 90, 520, 0, 0.6), (700, -20, 800, 60, 1, 0.251),
         (400, 50, 500, 99, 1, 0.249), (500, 300, 502, 303, 3, 0.5)]


def rows_of(scene, placed, classes=5):
    """Boxes in the input, best class and score, and all class scores: the best, and a second one just below it."""
    boxes = fed([each[:4] for each in scene], placed)
    scores = np.zeros((len(scene), classes))
    for row, (*_, which, score) in zip(scores, scene):
        row[:] = score * 0.3
        row[(which + 1) % classes] = score * 0.99
        row[which] = score
    return boxes, scores


def scattered(rows, n, seed=0):
    """(numbers, n): the rows at places of a grid that says nothing elsewhere."""
    table = np.zeros((n, rows.shape[1]), np.float32)
    table[:, :4] = np.random.default_rng(seed).uniform(0, 640, (n, 4))
    table[np.random.default_rng(seed + 1).permutation(n)[:len(rows)]] = rows
    return table


def expected(scene, iou=0.7, width=WIDE, height=HIGH, least=0.25):
    scene = [each for each in scene if each[5] > least]
    boxes = np.array([each[:4] for each in scene], float)
    order = kept(boxes, [each[5] for each in scene], [each[4] for each in scene], iou)
    return [(scene[i][4], scene[i][5], *np.clip(boxes[i], 0, [width, height] * 2)) for i in order]


def said(answer):
    return [(each.index, each.score, *each.box) for each in answer.found]


def agree(found, wanted):
    assert [each[0] for each in found] == [each[0] for each in wanted]
    np.testing.assert_allclose([each[1:] for each in found], [each[1:] for each in wanted], atol=2e-3)


def v8(placed, n=8400, scene=SCENE):
    boxes, scores = rows_of(scene, placed)
    return np.ascontiguousarray(scattered(np.concatenate([centred(boxes), scores], 1), n).T)[None]


def v5(placed, n=25200):
    boxes, scores = rows_of(SCENE, placed)
    sure = np.float32([[0.9], [0.95]] * 4)[:len(boxes)]
    rows = np.concatenate([centred(boxes), sure, np.minimum(scores / sure, 1)], 1)
    table = scattered(rows, n)
    table[-1, 4:] = 0.2, 1, 1, 1, 1, 1          # not sure of anything there
    return table[None]


SYMBOLIC = ("batch", "Concatoutput0_dim_1", "anchors")


@pytest.mark.parametrize("declared", [(1, 9, 8400), ("batch", 9, "anchors"), SYMBOLIC])
def test_v8_has_class_scores_at_every_place(declared):
    session = model({"output0": v8(letterbox(WIDE, HIGH))}, KEYS, declared={"output0": declared})
    read = reading(session, WIDE, HIGH)
    assert read.answer.task == "detection"
    agree(said(read.answer), expected(SCENE))
    assert [each.label for each in read.answer.found][:2] == ["c2", "c2"]


def test_v8_of_free_sizes_gets_as_little_padding_as_its_stride_allows():
    placed = letterbox(WIDE, HIGH, 640, 448)
    n = 80 * 56 + 40 * 28 + 20 * 14
    session = model({"output0": v8(placed, n)}, KEYS, FREE, declared={"output0": ("batch", 9, "n")})
    read = reading(session, WIDE, HIGH)
    assert (read.where.input_width, read.where.input_height) == (640, 448)
    agree(said(read.answer), expected(SCENE))


def test_v8_of_two_classes_and_few_places_is_not_taken_for_end2end():
    scene = [(10, 10, 50, 50, 1, 0.9), (60, 10, 90, 50, 0, 0.8)]
    boxes, scores = rows_of(scene, (1, 1, 0, 0), 2)
    table = scattered(np.concatenate([centred(boxes), scores], 1), 84 // 4 * 4 * 4)
    session = model({"output0": table.T[None]}, KEYS | {"names": "['a', 'b']"}, shape=(1, 3, 128, 128))
    agree(said(reading(session, 128, 128).answer), expected(scene, width=128, height=128))


@pytest.mark.parametrize("keys", [V5, V5 | {"names": "{}"}])
def test_v5_multiplies_class_by_object_and_allows_less_overlap(keys):
    read = reading(model({"output0": v5(letterbox(WIDE, HIGH))}, keys), WIDE, HIGH)
    agree(said(read.answer), expected(SCENE, iou=0.45))


def test_yolov9_has_yolov5s_keys_and_v8s_rows():
    read = reading(model({"output0": v8(letterbox(WIDE, HIGH))}, V5), WIDE, HIGH)
    agree(said(read.answer), expected(SCENE, iou=0.45))


@pytest.mark.parametrize("keys, declared", [
    (KEYS | {"end2end": "True"}, None),
    (KEYS | {"args": "{'nms': True}"}, None),
    (KEYS | {"args": "{'nms': True}"}, ("Concatoutput0_dim_0", "Concatoutput0_dim_1", 6)),
    ({k: v for k, v in KEYS.items() if k not in ("end2end", "args")}, None),
])
def test_ready_rows_are_only_cut_at_the_threshold(keys, declared):
    boxes, _ = rows_of(SCENE, letterbox(WIDE, HIGH))
    rows = np.zeros((300, 6), np.float32)
    rows[:len(SCENE)] = np.concatenate([boxes, [[each[5], each[4]] for each in SCENE]], 1)
    session = model({"output0": rows[None]}, keys, declared={"output0": declared} if declared else None)
    read = reading(session, WIDE, HIGH)
    agree(said(read.answer), expected(SCENE, iou=1))


@pytest.mark.parametrize("names", [5, 2])
@pytest.mark.parametrize("rows", ["score and class", "class scores"])
def test_rt_detr_is_stretched_and_told_apart_by_itself(names, rows):
    scene = [(*box, which % names, score) for *box, which, score in SCENE]
    keys = KEYS | {"head": "RTDETRDecoder", "names": str([f"c{i}" for i in range(names)])}
    boxes, scores = rows_of(scene, (1 / WIDE, 1 / HIGH, 0, 0), names)
    tail = [[each[5], each[4]] for each in scene] if rows == "score and class" else scores
    table = np.zeros((300, 4 + np.shape(tail)[1]), np.float32)
    table[:len(scene)] = np.concatenate([centred(boxes), tail], 1)
    read = reading(model({"output0": table[None]}, keys), WIDE, HIGH)
    assert (read.where.left, read.where.top, read.where.scale_x) == (0, 0, 640 / WIDE)
    likely = sorted((each for each in scene if each[5] > 0.25), key=lambda each: -each[5])
    agree(said(read.answer), [(which, score, *box) for *box, which, score in likely])       # beyond the edges too


def test_rows_of_all_places_are_that_whatever_a_key_says_but_not_what_a_user_says():
    session = model({"output0": v8(letterbox(WIDE, HIGH))}, KEYS | {"end2end": "True"})
    agree(said(reading(session, WIDE, HIGH).answer), expected(SCENE))
    with pytest.raises(InputError, match="have 6[.] --output_kind says"):
        reading(session, WIDE, HIGH, output_kind="x1,y1,x2,y2,score,class")
    with pytest.raises(InputError, match="have 7[.] --output_kind says"):
        reading(session, WIDE, HIGH, output_kind="image,x1,y1,x2,y2,class,score")
    with pytest.raises(InputError, match="right is"):
        reading(session, WIDE, HIGH, output_kind="boxes")


def test_rt_detr_of_free_sizes_is_as_large_as_imgsz():
    keys = KEYS | {"head": "RTDETRDecoder"}
    session = model({"output0": np.zeros((1, 300, 6), np.float32)}, keys, FREE)
    assert reading(session, WIDE, HIGH).where.input_height == 640


def test_one_channel_is_grey():
    session = model({"output0": v8(letterbox(WIDE, HIGH))}, KEYS | {"channels": "1"}, shape=("batch", 1, 640, 640))
    agree(said(reading(session, WIDE, HIGH).answer), expected(SCENE))
    with pytest.raises(InputError, match="4 channels"):
        reading(model({"output0": v8((1, 1, 0, 0))}, KEYS | {"channels": "4"}, ("batch", "c", 640, 640)), 9, 9)


def test_users_say_threshold_overlap_number_and_classes():
    session = model({"output0": v8(letterbox(WIDE, HIGH))}, KEYS)
    picture = np.zeros((HIGH, WIDE, 3), np.uint8)
    read = lambda **options: said(read_picture(session, picture, **options))  # noqa: E731
    agree(read(conf=0.1), expected(SCENE, least=0.1))
    agree(read(iou=0.5), expected(SCENE, iou=0.5))
    agree(read(max_det=2), expected(SCENE)[:2])
    agree(read(classes=["c4", 0]), [each for each in expected(SCENE) if each[0] in (0, 4)])
    with pytest.raises(InputError, match="there are 1 labels for 5 classes; one for each is right"):
        read_picture(session, picture, labels=["one"])


# ---- without keys

def test_names_of_ultralytics_are_enough_for_rows_of_places():
    rows = v8(letterbox(WIDE, HIGH, 640, 448), 80 * 56 + 40 * 28 + 20 * 14)
    session = model({"output0": rows}, shape=(1, 3, 448, 640), declared={"output0": ("batch", 9, "anchors")})
    agree(said(reading(session, WIDE, HIGH).answer), expected(SCENE))


@pytest.mark.parametrize("rows, iou, words",
                         [(v8, 0.7, "9 numbers for each place"), (v5, 0.45, "three times 10 numbers")])
def test_shapes_are_enough_where_they_fit_the_grids(rows, iou, words):
    session = model({"y": rows(letterbox(WIDE, HIGH))}, name="x")
    read = reading(session, WIDE, HIGH)
    agree(said(read.answer), expected(SCENE, iou=iou))
    assert read.answer.found[0].label is None
    assert words in Reader(session).words.origin()


def test_80_classes_without_names_are_cocos_and_it_is_said():
    table = np.zeros((1, 84, 8400), np.float32)
    table[0, :, 77] = 300, 300, 50, 50, *np.eye(80)[16]
    session = model({"y": table}, name="x")
    assert "COCO" in Reader(session).words.origin()
    assert reading(session, 640, 640).answer.found[0].label == "dog"


@pytest.mark.parametrize("shape", [(1, 8400, 85), (1, 2000, 6), (1, 100, 84), (1, 3549, 112), (1, 1000, 4)])
def test_rows_of_others_are_left_to_them(shape):
    assert yolo.by_shapes(Model(model({"y": np.zeros(shape, np.float32)})), Words()) is None
    assert yolo.by_names(Model(model({"y": np.zeros(shape, np.float32)})), Words()) is None


def rows_of_six(boxes):
    rows = np.zeros((1, 300, 6), np.float32)
    rows[0, :len(SCENE)] = np.concatenate([boxes, [[each[5], each[4]] for each in SCENE]], 1)
    return rows


@pytest.mark.parametrize("names", [("images", "output0"), ("x", "1403")])
def test_rows_of_six_without_keys_are_corners_or_shares_by_their_numbers(names):
    placed = letterbox(WIDE, HIGH)
    pixels = fed([each[:4] for each in SCENE], placed)
    clipped = expected(SCENE, iou=1)
    whole = sorted([(each[4], each[5], *each[:4]) for each in SCENE if each[5] > .25], key=lambda each: -each[1])
    for boxes, kind, wanted in ((pixels, "pixels", clipped), (centred(pixels) / 640, "normalized", whole)):
        session = model({names[1]: rows_of_six(boxes)}, name=names[0])
        agree(said(reading(session, WIDE, HIGH).answer), wanted)
        agree(said(reading(session, WIDE, HIGH, output_units=kind).answer), wanted)
        origin = Reader(session).words.origin()
        assert "corners in pixels" in origin and "RT-DETR" in origin and "output.units=" in origin
    shares = centred(np.array([each[:4] for each in SCENE])) / np.tile([WIDE, HIGH], 2)
    stretched = model({names[1]: rows_of_six(shares)})
    agree(said(reading(stretched, WIDE, HIGH, input_resize="stretch").answer), whole)


@pytest.mark.parametrize("column, value", [(4, 7.), (4, -1.), (5, .5), (5, -1.)])
def test_rows_of_six_that_hold_no_scores_and_classes_are_shown_as_they_are(column, value):
    rows = rows_of_six(fed([each[:4] for each in SCENE], letterbox(WIDE, HIGH)))
    rows[0, 2, column] = value
    assert type(reading(model({"y": rows}, name="x"), WIDE, HIGH).answer).__name__ == "Summary"


def test_rows_of_six_where_nothing_is_found():
    assert reading(model({"y": np.zeros((1, 300, 6), np.float32)}, name="x"), WIDE, HIGH).answer.found == []


def ready(count, boxes, scores, classes, n=100):
    def padded(a, kind):
        return np.concatenate([a, np.full((n - len(a), *np.shape(a)[1:]), 7)]).astype(kind)[None]
    return {"num_dets": np.int32([[count]]), "det_boxes": padded(boxes, "f4"), "det_scores": padded(scores, "f4"),
            "det_classes": padded(classes, "i4")}


def test_yolov7_with_nms_says_how_many_there_are():
    boxes = fed([each[:4] for each in SCENE], letterbox(WIDE, HIGH))
    outputs = ready(len(SCENE), boxes, [each[5] for each in SCENE], [each[4] for each in SCENE])
    read = reading(model(outputs, name="image"), WIDE, HIGH)
    agree(said(read.answer), expected(SCENE, iou=1))
    assert not reading(model(outputs | {"num_dets": np.int32([[0]])}), WIDE, HIGH).answer.found
    assert reading(model(outputs | {"num_dets": np.int32([[-5]])}), WIDE, HIGH).answer.found == []
    assert reading(model(outputs | {"num_dets": np.float32([[np.nan]])}), WIDE, HIGH).answer.found == []


def test_yolov7_rows_of_seven_have_the_picture_first_and_the_score_last():
    boxes = fed([each[:4] for each in SCENE], letterbox(WIDE, HIGH))
    rows = np.float32([[0, *box, each[4], each[5]] for box, each in zip(boxes, SCENE)])
    rows = np.concatenate([rows, [[1, 0, 0, 99, 99, 1, 0.99]]]).astype(np.float32)          # of another picture
    read = reading(model({"output": rows}, declared={"output": ("Concatoutput_dim_0", 7)}), WIDE, HIGH)
    agree(said(read.answer), expected(SCENE, iou=1))
    assert reading(model({"output": rows[:0]}, declared={"output": ("n", 7)}), WIDE, HIGH).answer.found == []


def test_a_classifier_of_seven_classes_is_none_of_them():
    outputs = {"y": np.float32([[0, 0, 0, 0, 9, 0, 0]])}
    free = model(outputs, declared={"y": ("batch", 7)}, shape=("batch", 3, 64, 64))
    for session in (free, model(outputs, shape=(1, 3, 64, 64))):
        assert reading(session, 64, 64).answer.task != "detection"


# ---- points

def test_points_come_with_their_box_and_their_names():
    names = ["nose", "tail", "ear"]
    keys = KEYS | {"task": "pose", "names": "['cat']", "kpt_shape": "[3, 3]", "kpt_names": str({0: names})}
    placed = letterbox(WIDE, HIGH)
    scene = [(100, 100, 300, 300, 0, 0.9), (100, 100, 300, 290, 0, 0.8), (500, 300, 700, 480, 0, 0.6)]
    points = np.array([[[150, 150, 0.9], [-30, 200, 0.2], [300, 600, 0.7]]] * 2
                      + [[[510, 310, 0.1], [600, 400, 1], [690, 470, 0]]])
    boxes, scores = rows_of(scene, placed, 1)
    moved = points.copy()
    moved[..., :2] = points[..., :2] * placed[:2] + placed[2:]
    rows = np.concatenate([centred(boxes), scores, moved.reshape(3, 9)], 1)
    nms = np.concatenate([boxes, scores, np.zeros((3, 1)), moved.reshape(3, 9)], 1)[[0, 2]].astype(np.float32)
    for output, more in ((scattered(rows, 8400).T, {}), (nms, {"end2end": "True"}), (nms, {"args": "{'nms': True}"})):
        answer = reading(model({"output0": output[None]}, keys | more), WIDE, HIGH).answer
        assert answer.task == "keypoints" and len(answer.found) == 2
        for each, wanted in zip(answer.found, points[[0, 2]]):
            wanted[:, :2] = np.clip(wanted[:, :2], 0, [WIDE, HIGH])
            np.testing.assert_allclose(each.points, wanted, atol=1e-3)
            assert each.names == names and each.label == "cat"


def test_points_may_be_of_two_numbers_and_of_coco_without_keys():
    placed = letterbox(WIDE, HIGH)
    row = np.float32([[320, 320, 50, 50, 0.9, 300, 310, 330, 340]])
    keys = KEYS | {"task": "pose", "names": "['cat']", "kpt_shape": "[2, 2]"}
    found = reading(model({"output0": scattered(row, 8400).T[None]}, keys), WIDE, HIGH).answer.found
    wanted = (np.array([[300, 310], [330, 340]]) - placed[2:]) / placed[:2]
    np.testing.assert_allclose(found[0].points, wanted, atol=1e-3)
    row = np.float32([[320, 320, 50, 50, 0.9, *[300, 300, 0.5] * 17]])
    answer = reading(model({"output0": scattered(row, 8400).T[None]}), WIDE, HIGH).answer
    assert answer.task == "keypoints" and answer.found[0].points.shape == (17, 3)


# ---- what models may give

WRONG = [
    ((2, 9, 8400), {}, "2, 9, 8400"),
    ((1, 3, 8400), {}, "have 5 or more"),
    ((9,), {}, "rows of numbers"),
    ((1, 1, 9, 8400), {}, "rows of numbers"),
    ((1, 77, 11), {}, "no known form"),
    ((1, 300, 5), {"end2end": "True"}, "no known form"),
    ((1, 9, 8400), {"task": "segment"}, "prototypes"),
    ((1, 9, 8400), {"task": "pose", "kpt_shape": "[0, 3]"}, "right is .points"),
    ((1, 9, 8400), {"task": "pose", "kpt_shape": "x"}, "right is .points"),
    ((1, 9, 8400), {"task": "pose", "kpt_shape": "[17, 3]"}, "51 more numbers have 56 or more"),
]


@pytest.mark.parametrize("shape, keys, words", WRONG)
def test_wrong_shapes_are_one_line(shape, keys, words):
    with pytest.raises(InputError, match=words) as raised:
        reading(model({"output0": np.zeros(shape, np.float32)}, KEYS | keys), WIDE, HIGH)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, -3e38, 0, 1])
@pytest.mark.parametrize("shape, keys", [
    ((1, 9, 8400), KEYS), ((1, 25200, 10), V5), ((1, 300, 6), KEYS), ((1, 0, 6), KEYS), ((1, 9, 0), KEYS),
    ((1, 300, 6), KEYS | {"head": "RTDETRDecoder"})])
def test_odd_numbers_give_an_answer(value, shape, keys, recwarn):
    read = reading(model({"output0": np.full(shape, value, np.float32)}, keys), WIDE, HIGH)
    assert all(np.isfinite(each.box).all() and each.label for each in read.answer.found)
    read.answer.data(), read.answer.lines()
    assert not recwarn.list


@pytest.mark.parametrize("keys", [KEYS, KEYS | {"end2end": "True"}])
def test_a_score_without_end_is_none(keys):
    rows = np.zeros((1, 300, 6), np.float32)
    rows[0, :2] = [64, 64, 128, 128, np.inf, 1], [264, 64, 328, 128, 0.5, 1]
    table = v8((1, 1, 0, 0), scene=[(64, 64, 128, 128, 1, np.inf), (264, 64, 328, 128, 1, 0.5)])
    array = rows if "end2end" in keys else table
    agree(said(reading(model({"output0": array}, keys), 640, 640).answer), [(1, 0.5, 264, 64, 328, 128)])


def test_half_precision_and_rows_without_a_batch():
    table = v8((1, 1, 0, 0), scene=[(64, 64, 128, 128, 1, 0.5)])
    for array in (table.astype(np.float16), table[0]):
        agree(said(reading(model({"output0": array}, KEYS), 640, 640).answer), [(1, 0.5, 64, 64, 128, 128)])


def test_two_milliseconds_are_enough():
    """1,600 of 8,400 places above the threshold, 80 classes; 1 to 1.3 ms where it was written."""
    draw = np.random.default_rng(0)
    table = np.zeros((84, 8400), np.float32)
    table[:2], table[2:4] = draw.uniform(0, 640, (2, 8400)), draw.uniform(20, 90, (2, 8400))
    table[4 + draw.integers(0, 80, 1600), np.arange(1600) * 5] = draw.uniform(0.3, 0.9, 1600)
    session = model({"output0": table[None]}, KEYS | {"names": str([f"c{i}" for i in range(80)])})
    reader = Reader(session)
    read = reader.read(np.zeros((HIGH, WIDE, 3), np.uint8))
    seen = View(read.outputs, reader.words, reader.recipe, read.where, Options())
    best = 1.0
    for _ in range(30):
        begin = time.perf_counter()
        assert len(yolo.decode(seen).found) == 300
        best = min(best, time.perf_counter() - begin)
    assert best < 6e-3, f"{best * 1e3:.2f} ms"          # 3x head room: machines differ, and others run beside it


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("columns", [6, 9, 84])
def test_rows_of_a_graph_that_looks_at_chosen_places_are_of_rt_detr(columns, free):
    boxes = centred(np.array([each[:4] for each in SCENE], float)) / np.tile([WIDE, HIGH], 2)
    rows = np.zeros((1, 300, columns), np.float32)
    rows[0, :len(SCENE), :4] = boxes
    for row, (*_, which, score) in zip(rows[0], SCENE):
        if columns == 6:
            row[4:] = score, which
        else:
            row[4 + which] = score
    session = made({"1403": (rows, {})}, FREE if free else (1, 3, 640, 640), declared={"1403": None},
                   through=("GridSample", np.zeros((1, 2, 2, 2), np.float32)))
    whole = sorted([(each[4], each[5], *each[:4]) for each in SCENE if each[5] > .25], key=lambda each: -each[1])
    read = reading(session, WIDE, HIGH)
    agree(said(read.answer), whole)
    assert (read.where.input_width, read.where.input_height) == (640, 640) and not read.where.top
    assert [each.label for each in read.answer.found][:1] == ["car" if columns == 84 else None]
