"""What of a picture raised a score: places in pixels of the picture, scores by their definition."""
import dataclasses

import numpy as np
import pytest
from explained import KEYS, N, colours, model, picture, session, softmax
from onnx import TensorProto, helper
from PIL import Image
from program import DATA

import cinfer
from cinfer.errors import InputError
from cinfer.explain.occlude import PARTS

BOX, RED = (10, 4, 20, 12), (250, 20, 20)
PICTURE = picture(40, 24, BOX, RED)


def keyed(**more):
    return KEYS | {f"cinfer.{key.replace('_', '.')}": text for key, text in more.items()}


@pytest.fixture(scope="module")
def demo():
    return cinfer.load(str(DATA / "efficientnet_lite0_w8.onnx"), threads=2)


def test_the_identity_holds_for_the_demo_model(demo):
    found = cinfer.explain(demo, str(DATA / "dog.jpg"))
    assert (found.label, found.index, found.method) == ("German shepherd", 235, "cam")
    assert found.score == pytest.approx(.9686, abs=.01) and found.grid.shape == (7, 7)
    assert found.grid.mean() + found.bias == pytest.approx(found.logit, abs=1e-4)
    reader = cinfer.vision.Reader(demo)
    numbers, = demo.run(["logits"], reader.prepare(str(DATA / "dog.jpg")).feeds)
    assert found.logit == pytest.approx(numbers[0, 235], abs=1e-4)
    # the dog's head and chest, in the picture's own pixels; its sides are cut off
    y, x = np.unravel_index(np.nanargmax(found.map), found.map.shape)
    assert found.map.shape == (576, 768) and 480 < x < 640 and 60 < y < 280
    assert np.isnan(found.map[:, :100]).all() and np.isnan(found.map[:30]).all()
    assert np.isfinite(found.map[40:536, 136:632]).all()


def test_another_label_by_name_and_number(demo):
    by_name = cinfer.explain(demo, str(DATA / "coffee.jpg"), label="cup")
    by_number = cinfer.explain(demo, str(DATA / "coffee.jpg"), label=np.int64(968))
    assert by_name.index == by_number.index == 968 and np.array_equal(by_name.grid, by_number.grid)
    assert by_name.score == pytest.approx(.0132, abs=.002)


@pytest.mark.parametrize("resize, height, width, seen", [
    ("stretch", 40, 40, None), ("letterbox:0", 40, 40, None), ("centre:1.0", 24, 24, (8, 32))])
def test_the_map_lies_where_the_colour_is(resize, height, width, seen):
    made = session(colours(keys=keyed(input_resize=resize, input_size=f"{height}x{width}"),
                           shape=(1, 3, height, width)))
    found = cinfer.explain(made, PICTURE, label="red")
    assert found.method == "cam" and found.map.shape == (24, 40)
    x1, y1, x2, y2 = BOX
    assert found.map[y1 + 1:y2 - 1, x1 + 1:x2 - 1] == pytest.approx(20 * 250 / 255, abs=.01)
    outside = np.ones(found.map.shape, bool)
    outside[y1 - 1:y2 + 1, x1 - 1:x2 + 1] = False
    if seen:
        assert np.isnan(found.map[:, :seen[0]]).all() and np.isnan(found.map[:, seen[1]:]).all()
        outside[:, :seen[0]] = outside[:, seen[1]:] = False
    assert found.map[outside] == pytest.approx(20 * 40 / 255, abs=.01)


def falls(pixels, index, parts):
    """By the definition: the score, less that of the picture with each part in its mean colour."""
    def score(x):
        return softmax(20 * x.mean((0, 1)))[index]
    x = pixels / 255
    found, colour = np.zeros((parts, parts)), x.mean((0, 1))
    rows, columns = (np.rint(np.linspace(0, side, parts + 1)).astype(int) for side in x.shape[:2])
    for i in range(parts):
        for j in range(parts):
            covered = x.copy()
            covered[rows[i]:rows[i + 1], columns[j]:columns[j + 1]] = colour
            found[i, j] = score(x) - score(covered)
    return found


SQUARE = picture(40, 40, (8, 4, 22, 20), (200, 60, 60), (50, 55, 60))
SHAPES = {"one": (1, 3, 40, 40), "any": ("n", 3, 40, 40), "three": (3, 3, 40, 40)}


@pytest.mark.parametrize("shape", SHAPES)
def test_occlusion_is_that_of_the_definition(shape, monkeypatch):
    sizes = SHAPES[shape]
    made = session(colours(keys=keyed(input_size="40x40"), shape=sizes, out=(sizes[0], 3)))
    batches, run = [], made.run
    monkeypatch.setattr(made, "run", lambda names, feeds: batches.append(len(feeds["x"])) or run(names, feeds))
    found = cinfer.explain(made, SQUARE, method="occlusion")
    assert (found.label, found.method, found.why) == ("red", "occlusion", "") and found.logit is found.bias is None
    assert found.grid == pytest.approx(falls(SQUARE, 0, PARTS), abs=1e-5) and found.grid.max() > .02
    assert batches == {"one": [1] * 50, "any": [1] + [7] * 7, "three": [3] * 18}[shape]
    y, x = np.unravel_index(found.grid.argmax(), found.grid.shape)
    assert found.map[y * 40 // 7 + 3, x * 40 // 7 + 3] == np.float32(found.grid.max())


def test_a_batch_that_the_file_promises_and_the_network_does_not_take():
    nodes = [N("Reshape", ["x", "to"], ["r"]), N("ReduceMean", ["r"], ["m"], axes=[2, 3], keepdims=0),
             N("Exp", ["m"], ["y"])]
    made = session(model(nodes, {"to": np.int64([1, 3, 40, 40])}, shape=("n", 3, 40, 40), out=("n", 3), opset=13,
                         keys=keyed(input_size="40x40")))
    found = cinfer.explain(made, SQUARE)
    assert found.method == "occlusion" and "Exp 'y'" in found.why and found.grid.shape == (7, 7)
    assert found.grid.max() > 0


def test_fewer_pixels_than_parts():
    made = session(colours(keys=keyed(input_size="4x40"), shape=(1, 3, 4, 40)))
    found = cinfer.explain(made, picture(40, 4, (0, 0, 9, 4), RED), method="occlusion")
    assert found.grid.shape == (4, 7) and found.map.shape == (4, 40)


def test_only_what_holds_picture_is_covered():
    """Below a letterbox's picture is nothing to cover."""
    made = session(colours(keys=keyed(input_size="40x40", input_resize="letterbox:114"), shape=(1, 3, 40, 40)))
    found = cinfer.explain(made, PICTURE, method="occlusion", label="red")
    best = np.flatnonzero(found.map.max(0) > .5 * found.most)
    assert 10 - 40 / 7 <= best[0] and best[-1] <= 20 + 40 / 7 and found.map.shape == (24, 40)


def detector(factor=1.0, **more):
    """A box of class 1, whose score is the mean of red where it lies, by a factor: x1 y1 x2 y2 score class."""
    nodes = [N("Slice", ["x", "from", "to", "axes"], ["s"]), N("ReduceMean", ["s"], ["m"], axes=[1, 2, 3], keepdims=1),
             N("Reshape", ["m", "one"], ["mean"]), N("Mul", ["mean", "factor"], ["score"]),
             N("Concat", ["box", "score", "class"], ["row"], axis=1), N("Reshape", ["row", "three"], ["y"])]
    constants = {"from": np.int64([0, 4, 10]), "to": np.int64([1, 12, 20]), "axes": np.int64([1, 2, 3]),
                 "one": np.int64([1, 1]), "three": np.int64([1, 1, 6]), "box": np.float32([[10, 4, 20, 12]]),
                 "class": np.float32([[1]]), "factor": np.float32(factor)}
    keys = keyed(task="detection", input_size="24x40", output_kind="x1,y1,x2,y2,score,class", **more)
    return session(model(nodes, constants, shape=(1, 3, 24, 40), out=(1, 1, 6), keys=keys, opset=13))


def test_an_object():
    found = cinfer.explain(detector(), PICTURE)
    assert (found.label, found.index, found.method) == ("green", 1, "occlusion") and "an object's" in found.why
    assert found.box == pytest.approx((10, 4, 20, 12)) and found.score == pytest.approx(250 / 255, abs=1e-3)
    inside = np.zeros((24, 40), bool)
    inside[4:12, 10:20] = True
    assert found.map[~inside & (found.map > .01)].size < 200 and found.map[6:10, 12:18].min() > .01
    assert found.map[14:].max() == pytest.approx(0, abs=1e-5)
    assert "at (10,4)-(20,12)" in found.line() and found.data()["box"] == [10, 4, 20, 12]


def test_an_object_that_is_gone_falls_by_its_whole_score():
    found = cinfer.explain(detector(output_threshold="0.9"), PICTURE)
    assert found.most < found.score             # the score of what is found is asked for, however low
    dim = picture(40, 24, BOX, (15, 0, 0), (0, 0, 0))
    found = cinfer.explain(detector(), dim)
    assert found.score == pytest.approx(15 / 255, abs=1e-3) and found.most == pytest.approx(found.score)


@pytest.mark.parametrize("options, said", [
    ({"label": "purple"}, "the model has no class 'purple'; right is red, green, blue"),
    ({"label": 3}, "the model has no class '3'"), ({"label": 1.5}, "label is 1.5; right is the name of a class"),
    ({"label": True}, "label is True"), ({"method": "lime"}, "method is 'lime'; right is 'cam' or 'occlusion'"),
    ({"labels": ["a"]}, "there are 1 labels for 3 classes"), ({"order": "GRB"}, "order is 'GRB'"),
])
def test_arguments_that_are_wrong(options, said):
    made = session(colours(keys=keyed(input_size="8x8")))
    with pytest.raises(InputError, match=said):
        cinfer.explain(made, PICTURE, **options)


def test_models_that_cannot_be_explained():
    with pytest.raises(InputError, match="there is no object with a score of at least 0.05"):
        cinfer.explain(detector(), np.zeros((24, 40, 3), np.uint8))
    with pytest.raises(InputError, match="there is no blue with a score"):
        cinfer.explain(detector(), PICTURE, label="blue")
    with pytest.raises(InputError, match="no class activation map: the score is an object's; occlusion explains"):
        cinfer.explain(detector(), PICTURE, method="cam")
    depth = model([N("ReduceMean", ["x"], ["y"], axes=[1])], {}, shape=(1, 3, 8, 8), out=(1, 1, 8, 8), opset=13,
                  keys=keyed(task="depth"))
    with pytest.raises(InputError, match="of a class or of an object; this model's task is depth"):
        cinfer.explain(session(depth), PICTURE)
    with pytest.raises(InputError, match="the session is 'model.onnx'; right is what cinfer.load returns"):
        cinfer.explain("model.onnx", PICTURE)


def test_a_class_without_a_name_and_beyond_the_last():
    made = session(colours(keys={key: text for key, text in KEYS.items() if key != "cinfer.labels"}))
    assert cinfer.explain(made, PICTURE, label=2).title().startswith("class 2 0.")
    with pytest.raises(InputError, match="has no class 3; right is a number from 0 to 2"):
        cinfer.explain(made, PICTURE, label=3)


def test_multilabel_scores():
    made = session(colours("Sigmoid", keys=keyed(output_kind="probabilities")))
    found = cinfer.explain(made, PICTURE, label="blue", method="cam")
    assert found.score == pytest.approx(1 / (1 + np.exp(-found.logit)), abs=1e-5)
    assert found.grid.mean() + found.bias == pytest.approx(found.logit, abs=1e-4)


def test_a_batch_of_two_and_channels_last():
    two = session(colours(shape=(2, 3, 8, 8), out=(2, 3)))
    one = session(colours())
    a, b = (cinfer.explain(each, PICTURE) for each in (two, one))
    assert np.allclose(a.grid, b.grid) and a.logit == pytest.approx(b.logit)
    nodes = [N("ReduceMean", ["x"], ["m"], axes=[1, 2], keepdims=0),
             N("Softmax", ["m"], ["y"])]
    made = session(model(nodes, {}, shape=(1, 8, 8, 3), opset=13, keys=keyed(input_layout="NHWC")))
    c = cinfer.explain(made, PICTURE, label="red")
    assert c.method == "cam" and c.grid * 20 == pytest.approx(cinfer.explain(one, PICTURE, label="red").grid, abs=1e-4)
    d = cinfer.explain(made, PICTURE, label="red", method="occlusion")
    assert d.grid.shape == (7, 7) and d.most > 0


# ---- what is told and drawn

def test_the_words():
    made = session(colours())
    cam, occluded = (cinfer.explain(made, PICTURE, label="red", method=method) for method in ("cam", "occlusion"))
    assert cam.line() == f"the picture: red {cam.score:.2f}. What is bright raised this score; what is dark did not, " \
                         "or lowered it."
    assert f"falls by {occluded.most:.2f} when the brightest part is covered" in occluded.line()
    assert f"the mean {cam.grid.mean():.2f} and the bias 0.00 are {cam.logit:.2f}" in cam.scale()
    little = dataclasses.replace(cam, grid=np.full((2, 2), -.001), bias=-.001, logit=-.002, box=(-.4, -0.0, 7.6, 9))
    assert little.scale() == "added by a place: the mean 0.00 and the bias 0.00 are 0.00, before any softmax"
    assert little.title().endswith(" at (0,0)-(8,9)")
    assert cinfer.explain(made, np.zeros((8, 8, 3), np.uint8), label="red").meaning() == "No place raised this score."
    same = cinfer.explain(made, np.full((8, 8, 3), 99, np.uint8), method="occlusion")
    assert same.meaning().startswith("No part alone matters")
    assert set(cam.data()) == {"image", "width", "height", "method", "label", "index", "score", "grid", "logit", "bias"}


def test_the_picture_is_bright_where_the_map_is():
    made = session(colours(keys=keyed(input_size="24x24", input_resize="centre:1.0"), shape=(1, 3, 24, 24)))
    large = picture(400, 240, (100, 40, 200, 120), RED)
    found = cinfer.explain(made, large, label="red")
    drawn = found.draw(large)
    assert drawn.width == 400 and drawn.height > 240
    pixels = np.asarray(drawn).astype(int)
    assert pixels[80, 150].sum() > 2 * pixels[200, 300].sum()
    assert len(set(pixels[100, 20])) == 1               # grey: not seen
    with pytest.raises(InputError, match="a picture of 400x240 pixels, this one has 40x24"):
        found.draw(PICTURE)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (28, 28), (401, 90)])
def test_words_fit_below_any_picture(size):
    made = session(colours())
    pixels = np.asarray(Image.new("RGB", size, RED))
    for method in ("cam", "occlusion"):
        found = cinfer.explain(made, pixels, method=method)
        drawn = found.draw(pixels)
        assert 320 <= drawn.width <= 401 and drawn.height > size[1] + 30
        assert not (np.asarray(drawn)[-3:] > 128).any() and not (np.asarray(drawn)[size[1] + 400:, -3:] > 128).any()


def test_outputs_beside_the_classes():
    nodes = [N("GlobalAveragePool", ["x"], ["m"]), N("Flatten", ["m"], ["logits"]), N("Identity", ["m"], ["more"])]
    other = helper.make_tensor_value_info("more", TensorProto.FLOAT, (1, 3, 1, 1))
    made = session(model(nodes, {}, output="logits", more=[other], keys=keyed(output_name="logits")))
    assert cinfer.explain(made, PICTURE).method == "cam"


def shifted(value: float, score="Identity"):
    """The mean of each colour, and a number added to that of red."""
    nodes = [N("GlobalAveragePool", ["x"], ["m"]), N("Flatten", ["m"], ["f"]), N("Add", ["f", "c"], ["n"]),
             N(score, ["n"], ["y"])]
    return session(model(nodes, {"c": np.float32([[value, 0, 0]])}))


@pytest.mark.parametrize("value, score, label, words", [
    (np.nan, "Softmax", None, "output 'y' has NaN for this picture; there is nothing to explain"),
    (np.nan, "Softmax", "green", "output 'y' has NaN for this picture; there is nothing to explain"),
    (np.nan, "Identity", "red", "output 'y' has NaN for this picture; there is nothing to explain"),
    (np.inf, "Identity", None, "the score of red is infinite; there is nothing to explain"),
    (-np.inf, "LogSoftmax", None, "the model gives no class a score above 0; there is nothing to explain")])
def test_a_score_that_is_no_number_is_the_reason(value, score, label, words):
    with pytest.raises(InputError, match=f"^the picture: {words}$"):
        cinfer.explain(shifted(value, score), PICTURE, label=label)


def test_other_classes_may_be_no_numbers():
    found = cinfer.explain(shifted(np.nan), PICTURE)
    assert found.label == "green" and np.isfinite(found.grid).all()


def test_an_object_without_a_score_is_the_reason():
    nodes = [N("ReduceMean", ["x"], ["m"], axes=[1, 2, 3], keepdims=1), N("Add", ["m", "points"], ["y"])]
    made = session(model(nodes, {"points": np.zeros((1, 1, 17, 3), np.float32)}, out=(1, 1, 17, 3), opset=13,
                         keys=keyed(task="keypoints", labels="person")))
    assert cinfer.vision.read(made, PICTURE).found[0].score is None
    with pytest.raises(InputError, match="^the picture: the model gives person no score; there is nothing to explain$"):
        cinfer.explain(made, PICTURE)


def test_an_object_whose_score_is_no_number_is_the_reason():
    with pytest.raises(InputError, match="no object with a score of at least 0.05 to explain; output 'y' has NaN$"):
        cinfer.explain(detector(factor=np.nan), PICTURE)
