"""Points of bodies and faces against their definitions."""

import math

import numpy as np
import pytest
from fake_session import known, session, view

from cinfer.errors import InputError
from cinfer.vision.families import poses
from cinfer.vision.families.view import Options
from cinfer.vision.prepare.geometry import Geometry

WIDE = Geometry(400, 200, 192, 256, 0.4, 0.4, 16, 88)  # a picture of 400x200 within 192x256


def found(outputs, where=WIDE, options=None, labels=None, **words):
    return poses.decode(view(outputs, labels, where, options=options, **words))


def back(x, y):
    return (x - 16) / 0.4, (y - 88) / 0.4


def random(shape, seed=0):
    return np.random.default_rng(seed).random(shape).astype(np.float32)


# ---- lists of points


@pytest.mark.parametrize("shape", [(1, 1, 17, 3), (1, 17, 3), (1, 51)])
def test_movenet_says_y_before_x(shape):
    rows = random((17, 3))
    answer = found({"k": rows.reshape(shape)}, output_kind="y,x,score", output_units="normalized")
    (person,) = answer.found
    assert (answer.task, person.index, person.label, person.score, person.box) == ("keypoints", 0, "person", None, None)
    wanted = [(*back(192 * x, 256 * y), s) for y, x, s in rows]
    assert person.points == pytest.approx(np.array(wanted), abs=1e-4)
    assert person.names[:2] == ["nose", "left eye"] and len(person.names) == 17
    assert answer.line() == "1 person 17 points"


def test_points_have_the_models_own_names():
    labels = ["a", "b", "c"]
    answer = found({"k": random((1, 6))}, labels=labels, output_kind="x,y")
    assert answer.found[0].names == labels and answer.found[0].label is None
    assert answer.found[0].points.shape == (3, 2)


@pytest.mark.parametrize("kind, order", [("x,y,score", (0, 1)), ("y,x,score", (1, 0)), ("x,y,z", (0, 1))])
def test_pixels_of_the_input(kind, order):
    rows = 100 * random((5, 3))
    points = found({"k": rows}, output_kind=kind).found[0].points
    assert points[:, :2] == pytest.approx(np.array([back(r[order[0]], r[order[1]]) for r in rows]), rel=1e-5)
    assert points.shape[1] == (2 if kind == "x,y,z" else 3)


@pytest.mark.parametrize("logit, count", [(2.0, 1), (0.01, 1), (-0.01, 0), (np.nan, 0), (np.inf, 1)])
def test_face_mesh_says_whether_there_is_a_face(logit, count):
    outputs = {"mesh": random((1, 1, 1, 1404)), "flag": np.float32([[[[logit]]]])}
    answer = found(outputs, output_kind="x,y,z", output_name="mesh")
    assert len(answer.found) == count
    if count:
        assert (answer.found[0].label, len(answer.found[0].points)) == ("face", 468)
        assert answer.found[0].score == pytest.approx(1 / (1 + math.exp(-min(logit, 100))))
    assert len(found(outputs, options=Options(conf=0.999), output_kind="x,y,z", output_name="mesh").found) == (
        1 if logit == np.inf else 0)  # fmt: skip


def test_six_persons_of_movenet():
    rows = random((1, 6, 56))
    rows[0, :, 55] = [0.3, 0.24, 0.9, 0, np.nan, 0.26]
    answer = found({"k": rows}, output_units="normalized")
    assert [each.score for each in answer.found] == pytest.approx([0.9, 0.3, 0.26])
    best, row = answer.found[0], rows[0, 2]
    (x1, y1), (x2, y2) = back(192 * row[52], 256 * row[51]), back(192 * row[54], 256 * row[53])
    assert best.box == pytest.approx([min(max(v, 0), m) for v, m in zip((x1, y1, x2, y2), (400, 200) * 2)], abs=1e-3)
    assert best.points[3] == pytest.approx((*back(192 * row[10], 256 * row[9]), row[11]), abs=1e-3)
    assert len(found({"k": rows}, options=Options(conf=0.28, max_det=1)).found) == 1
    rows[0, 2, 53] = np.nan                             # half of a box is none
    assert [each.score for each in found({"k": rows}).found] == pytest.approx([0.3, 0.26])


# ---- SimCC


def simcc_outputs(seed=0):
    x, y = random((1, 17, 384), seed), random((1, 17, 512), seed + 1)
    x[0, 3], y[0, 4] = -x[0, 3], 0
    x[0, 5, 100] = np.nan
    return x, y


@pytest.mark.parametrize("names", [("simcc_x", "simcc_y"), ("a", "b"), ("b", "a")])
def test_simcc_is_the_half_of_the_largest(names):
    x, y = simcc_outputs()
    outputs = {names[0]: x, names[1]: y} if names != ("b", "a") else {"a": y, "b": x}
    (person,) = found(outputs, output_kind="simcc").found
    for k in range(17):
        i, j = int(np.nanargmax(x[0, k])), int(np.nanargmax(y[0, k]))
        score = min(x[0, k, i], y[0, k, j])
        wanted = back(i / 2, j / 2) if score > 0 else (0, 0)
        assert person.points[k] == pytest.approx((*wanted, score), abs=1e-4), k


def test_simcc_scores_of_a_softmax():
    x, y = random((1, 4, 384)) / 100, random((1, 4, 512), 1) / 100
    points = found({"simcc_x": x, "simcc_y": y}, output_kind="simcc", output_beta="900").found[0].points
    for k in range(4):
        powers = [np.exp(900.0 * v[0, k].astype(float)) for v in (x, y)]
        assert points[k, 2] == pytest.approx(min(p.max() / p.sum() for p in powers), abs=1e-6)


# ---- heatmaps


def test_heatmaps_lean_a_quarter_to_the_greater_neighbour():
    maps = random((1, 6, 64, 48)) * 0.1
    tops = [(5, 7), (0, 0), (63, 47), (1, 20), (62, 46), (30, 1)]
    for k, (row, column) in enumerate(tops):
        maps[0, k, row, column] = 0.5 + k / 20
    points = found({"h": maps}, output_kind="heatmaps").found[0].points
    for k, (row, column) in enumerate(tops):
        x, y = float(column), float(row)
        if 1 < column < 47 and 1 < row < 63:
            x += 0.25 * np.sign(maps[0, k, row, column + 1] - maps[0, k, row, column - 1])
            y += 0.25 * np.sign(maps[0, k, row + 1, column] - maps[0, k, row - 1, column])
        assert points[k] == pytest.approx((*back(4 * x, 4 * y), maps[0, k, row, column]), abs=1e-4), k


def test_empty_maps_are_at_the_corner():
    maps = np.zeros((1, 2, 64, 48), np.float32)
    maps[0, 1] = np.nan
    assert not found({"h": maps}, output_kind="heatmaps").found[0].points.any()


def test_heatmaps_of_a_free_size():
    maps = np.zeros((1, 1, 10, 20), np.float32)
    maps[0, 0, 4, 7] = 1
    points = found({"h": maps}, Geometry(320, 160, 320, 160, 1, 1), output_kind="heatmaps").found[0].points
    assert points.tolist() == [[112, 64, 1]]


# ---- what cannot be decoded


@pytest.mark.parametrize("outputs, words", [
    ({"k": np.zeros((1, 5))}, {"output_kind": "x,y,z"}),
    ({"k": np.zeros((0, 3))}, {"output_kind": "x,y,z"}),
    ({"k": np.zeros((5, 3))}, {"output_kind": "z,y"}),
    ({"k": np.zeros((5, 3), bool)}, {"output_kind": "x,y,z"}),
    ({"k": np.zeros((5, 3))}, {"output_kind": "x,y,z", "output_units": "metres"}),
    ({"k": np.zeros((5, 3))}, {"output_kind": "simcc"}),
    ({"k": np.zeros((5, 3)), "l": np.zeros((1, 5, 3))}, {"output_kind": "simcc"}),
    ({"k": np.zeros((1, 5, 0)), "l": np.zeros((1, 5, 3))}, {"output_kind": "simcc"}),
    ({"k": np.zeros((1, 5, 6))}, {"output_kind": "heatmaps"}),
    ({"k": np.zeros((1, 5, 0, 3))}, {"output_kind": "heatmaps"}),
])  # fmt: skip
def test_wrong_outputs_are_told_in_a_line(outputs, words):
    with pytest.raises(InputError) as error:
        found(outputs, **words)
    assert "\n" not in str(error.value)


def test_points_that_nobody_describes_are_summed_up():
    assert found({"k": np.zeros((1, 9))}).lines() == ["k  float64 1x9  min 0  mean 0  max 0  [0 0 0 0 0 0 0 0 0]"]


# ---- which one it is


def told(outputs, shape, names=(), **options):
    model = session(outputs=outputs, shape=shape, **options)
    for port, name in zip(model.outputs, names):
        port.name = name
    return known(model)


@pytest.mark.parametrize("outputs, shape, dtype, kind, size, resize, std", [
    ([(1, 1, 17, 3)], (1, 192, 192, 3), np.int32, "y,x,score", "192x192", "letterbox:0", "1"),
    ([(1, 1, 17, 3)], (1, 3, 256, 256), np.float32, "y,x,score", "256x256", "letterbox:0", "1"),
    ([(1, 6, 56)], (1, "h", "w", 3), np.int32, "y,x,score", "within:256:32", "letterbox:0", "1"),
    ([("n", 17, 384), ("n", 17, 500)], (1, 3, 256, 192), np.float32, None, None, None, None),
    ([(17, 3), (5,)], (1, 3, 256, 192), np.float32, None, None, None, None),
    ([("n", 17, 384), ("n", 17, 512)], (1, 3, 256, 192), np.float32, "simcc", "256x192", "inside:0.8",
     "58.395,57.12,57.375"),
    ([(1, 17, 64, 48)], (1, 3, 256, 192), np.float32, "heatmaps", "256x192", "inside:0.8", "58.395,57.12,57.375"),
    ([(1, 1, 1, 1404), (1, 1, 1, 1)], (1, 192, 192, 3), np.float32, "x,y,z", "192x192", "letterbox:0", "255"),
    ([(1, 1434)], (1, 3, 256, 256), np.float32, "x,y,z", "256x256", "letterbox:0", "255"),
    ([(1, 1404, 7)], (1, 3, 256, 256), np.float32, None, None, None, None),
    ([(1, 21, 64, 64)], (1, 3, 256, 256), np.float32, None, None, None, None),
])  # fmt: skip
def test_models_are_told_by_their_shapes(outputs, shape, dtype, kind, size, resize, std):
    words = told(outputs, shape, dtype=dtype)
    assert (words.text("family") == "poses") is (kind is not None)
    if kind:
        said = [words.task, *map(words.text, ("output.kind", "input.size", "input.resize", "input.std"))]
        assert said == ["keypoints", kind, size, resize, std]


@pytest.mark.parametrize("shape", [(1, 3, 256, 192), ("n", 3, "h", "w")])
def test_simcc_is_told_by_names(shape):
    words = told([("n", "k", "x"), ("n", "k", "y")], shape, ("simcc_x", "simcc_y"))
    assert (words.text("family"), words.text("input.size")) == ("poses", "256x192")


@pytest.mark.parametrize("softmax, beta", [(None, "900"), ("True", "900"), ("False", "")])
def test_scores_of_getis_models_go_through_a_softmax(softmax, beta):
    keys = {"model_info model_type": "keypoint_detection"} | (
        {} if softmax is None else {"model_info apply_softmax": softmax})  # fmt: skip
    words = told([("n", 17, 384), ("n", 17, 512)], (1, 3, 256, 192), ("simcc_x", "simcc_y"), metadata=keys)
    assert words.text("output.beta") == beta


def test_own_task_decides():
    keys = {"cinfer.recipe": "1", "cinfer.task": "keypoints", "cinfer.output.kind": "x,y,z"}
    assert known(session(keys, outputs=((1, 1404),))).text("family") == "poses"
