"""Detectors and recognisers of text: how they are told, and what their outputs say."""

import numpy as np
import pytest
from fake_session import known, port, recipe_of, session, view
from PIL import Image

from cinfer.errors import InputError
from cinfer.vision.answers import encode
from cinfer.vision.answers.objects import Objects
from cinfer.vision.answers.text import Text
from cinfer.vision.families import text
from cinfer.vision.families.view import Options
from cinfer.vision.pictures.frames import frame
from cinfer.vision.prepare.geometry import Geometry

FREE = ("n", 3, "h", "w")


def named(output, shape, size=FREE, name="x", **more):
    """A session with one output of this name."""
    model = session(shape=size, name=name, **more)
    model.outputs = [port(output, np.float32, shape)]
    return model


# ---- CTC


def slow_ctc(steps, alphabet):
    """Graves' best path, a step after the other."""
    said, scores, before = "", [], 0
    for row in steps:
        best = max(range(len(row)), key=lambda c: (row[c], -c))
        if best != before and best != 0:
            said += alphabet[best - 1]
            scores.append(row[best])
        before = best
    return said, float(np.mean(scores)) if scores else 0.0


@pytest.mark.parametrize("seed", range(8))
def test_ctc_is_the_best_path_without_repeats_and_blanks(seed):
    rng = np.random.default_rng(seed)
    steps = rng.random((3, 40, 5)) ** 6
    steps[:, :, 0] *= 1.5
    steps = (steps / steps.sum(2, keepdims=True)).astype(np.float32)
    for got, rows in zip(text.read(steps, list("abc ")), steps):
        said, score = slow_ctc(rows, "abc ")
        assert got == (said, pytest.approx(score, abs=1e-6))


def path(*classes, count=5, sure=0.9):
    rows = np.full((1, len(classes), count), (1 - sure) / (count - 1), np.float32)
    rows[0, np.arange(len(classes)), classes] = sure
    return rows


@pytest.mark.parametrize(
    "classes, said",
    [
        ((1, 1, 0, 1, 2), "aab"),  # a blank between two that are the same keeps both
        ((0, 0, 0), ""),
        ((4, 1, 4, 4, 2, 0, 4), " a b "),  # the space is the last class
        ((3,), "c"),
    ],
)
def test_paths(classes, said):
    ((got, score),) = text.read(path(*classes), list("abc "))
    assert got == said and score == pytest.approx(0.9 if said else 0)


def test_logits_go_through_softmax():
    logits = np.log(path(1, 0, 2)) * 1 + 3
    assert text.read(logits, list("abc ")) == [("ab", pytest.approx(0.9, abs=1e-5))]


def test_what_is_not_finite_is_read_all_the_same():
    steps = path(1, 2)
    steps[0, 0] = np.nan
    ((_, score),) = text.read(steps, list("abc "))
    assert np.isfinite(score)


def test_an_alphabet_has_a_character_for_each_class_but_none_and_the_space():
    words = view({}, labels=list("abc")).words
    assert text.characters(words, 5) == list("abc ")
    assert text.characters(words, 4) == list("abc")
    for classes in (3, 6):
        with pytest.raises(InputError, match=f"has 3 characters for {classes} classes; {classes - 2} are right"):
            text.characters(words, classes)
    with pytest.raises(InputError, match="no alphabet.*--labels names a file of 3 lines"):
        text.characters(view({}).words, 5)


# ---- answers


@pytest.mark.parametrize("layout", ["batch first", "steps first"])
def test_a_recogniser_says_the_text(layout):
    steps = path(2, 0, 1, 1, 4, 3)
    steps = steps if layout == "batch first" else steps.transpose(1, 0, 2)
    answer = text.decode(view({"y": steps}, labels=list("abc")))
    assert isinstance(answer, Text) and answer.task == "text" and answer.lines() == ["ba c"]
    assert answer.data() == {"text": [{"text": "ba c", "score": pytest.approx(0.9)}]}


def test_what_is_less_sure_than_asked_is_no_text():
    outputs = {"y": path(1, 2, sure=0.6)}
    assert text.decode(view(outputs, labels=list("abc"), options=Options(conf=0.61))).lines() == ["no text"]
    assert text.decode(view(outputs, labels=list("abc"), options=Options(conf=0.59))).lines() == ["ab"]
    assert text.decode(view({"y": path(0, 0)}, labels=list("abc"))).data() == {"text": []}


def page():
    """Two lines in a map of 320 x 160, which is half of a picture of 640 x 320."""
    likely = np.zeros((1, 1, 160, 320), np.float32)
    likely[..., 100:110, 20:220] = 0.9
    likely[..., 30:40, 60:160] = 0.8
    return likely


WHERE = Geometry(640, 320, 320, 160, 0.5, 0.5)


def test_a_detector_says_where_lines_are():
    answer = text.decode(view({"y": page()}, where=WHERE))
    assert isinstance(answer, Objects) and answer.task == "text-detection"
    upper, lower = answer.found  # in the order of reading, not of scores
    d = 100 * 10 * 1.6 / 220
    x1, y1, x2, y2 = (2 * int(np.floor(v + 0.5)) for v in (60 - d, 30 - d, 160 + d, 40 + d))
    assert upper.polygon.tolist() == [[x1, y1], [x2, y1], [x2, y2], [x1, y2]]
    assert upper.box == (x1, y1, x2, y2) and upper.label == "text" and upper.index == 0
    assert upper.score == pytest.approx(0.8 * 1000 / 1111, abs=1e-5) and lower.score > upper.score
    assert set(answer.data()) == {"objects"}


def test_a_model_that_says_it_segments_also_has_the_share():
    data = text.decode(view({"y": page()}, labels=["text"], where=WHERE, task="segmentation")).data()
    assert data["map"] == {"classes": [{"label": "text", "index": 0, "share": pytest.approx(3000 / 51200, abs=1e-6)}]}
    assert len(data["objects"]) == 2


def test_options_of_a_detector():
    outputs = {"y": page()}
    assert len(text.decode(view(outputs, where=WHERE, options=Options(conf=0.75))).found) == 1
    assert len(text.decode(view(outputs, where=WHERE, options=Options(max_det=1))).found) == 1
    assert len(text.decode(view(outputs, where=WHERE, output_threshold="0.85")).found) == 1


def test_a_map_of_another_size_is_of_the_same_picture():
    half = text.decode(view({"y": page()}, where=Geometry(640, 320, 640, 320, 1, 1)))
    whole = text.decode(view({"y": page()}, where=WHERE))
    assert [each.polygon.tolist() for each in half.found] == [each.polygon.tolist() for each in whole.found]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_map_that_is_not_finite_counts_as_none_there(value):
    likely = page()
    likely[..., :20, :] = value
    assert len(text.decode(view({"y": likely}, where=WHERE)).found) == 2


@pytest.mark.parametrize(
    "shape, dtype",
    [((1, 2, 8, 8), "f4"), ((2, 1, 8, 8), "f4"), ((1, 1, 8, 8), "i8"), ((1, 1, 0, 8), "f4"), ((1, 8), "f4"),
     ((2, 3, 5), "f4"), ((1, 3, 1), "f4"), ((1, 1, 1, 1, 1), "f4")],
)  # fmt: skip
def test_other_outputs_are_refused(shape, dtype):
    with pytest.raises(InputError, match="the output is .*; that of a (detector|recogniser)"):
        text.decode(view({"y": np.zeros(shape, dtype)}, labels=list("abc")))


def test_half_precision():
    likely = page().astype(np.float16)
    assert len(text.decode(view({"y": likely}, where=WHERE)).found) == 2
    assert text.decode(view({"y": path(1, 2).astype(np.float16)}, labels=list("abc"))).lines() == ["ab"]


# ---- recognition


def test_an_alphabet_makes_a_recogniser():
    for name, shape in (("softmax_11.tmp_0", ("a", "b", 5)), ("y", (1, "steps", 5)), ("y", ("a", "b", "c"))):
        model = named(name, shape, ("n", 3, 48, "w"), metadata={"character": "a\nb\nc"})
        words = known(model)
        assert (words.task, words.text("family"), words.labels) == ("text", "text", ["a", "b", "c"])
        assert words.origin() == "its alphabet, the key 'character'"
        assert str(recipe_of(model)) == "48xW:320 BGR NCHW, fit-left linear, mean 127.5, std 127.5"


def test_a_recogniser_of_a_fixed_size_is_fed_that():
    model = named("y", (1, 40, 5), (1, 3, 32, 320), metadata={"character": "a\nb\nc"})
    assert str(recipe_of(model)).startswith("32x320 BGR NCHW, fit-left")
    model = named("y", (1, 40, 5), (1, 3, 32, "w"), metadata={"character": "a\nb\nc"})
    assert str(recipe_of(model)).startswith("32xW:213 BGR")


@pytest.mark.parametrize("size, fed", [((1, 1, 32, 100), "32x100 GRAY"), (("n", 1, 32, "w"), "32xW:213 GRAY")])
@pytest.mark.parametrize("shape", [(1, 24, 5), (24, 1, 5), ("t", "n", 5)])
def test_a_recogniser_of_grey_pictures_is_fed_grey(size, fed, shape):
    model = named("y", shape, size, metadata={"character": "a\nb\nc\nd"})
    assert str(recipe_of(model)).startswith(fed) and known(model).labels == list("abcd")


def test_as_many_characters_as_classes_but_one_are_without_the_space(tmp_path):
    model = named("y", (1, "t", 5), path=str(tmp_path / "rec.onnx"))
    (tmp_path / "dict.txt").write_text("a\nb\nc\nd\n", encoding="utf-8")
    assert (known(model).task, known(model).labels) == ("text", list("abcd"))


def test_as_many_characters_as_classes_but_two_make_a_recogniser(tmp_path):
    model = named("y", (1, "t", 5), path=str(tmp_path / "rec.onnx"))
    assert known(model).task != "text"
    (tmp_path / "dict.txt").write_text("ä\nb\n \n", encoding="utf-8")
    words = known(model)
    assert (words.task, words.labels, words.origin()) == ("text", ["ä", "b", " "], "the alphabet in dict.txt")
    (tmp_path / "dict.txt").write_text("a\nb\n", encoding="utf-8")
    assert known(model).task != "text"


@pytest.mark.parametrize(
    "output, shape",
    [("sigmoid_0.tmp_0", ("a", 1, "b", "c")), ("fetch_name_0", ("a", "b", "c", "d")), ("y", ("a", 1, "b", "c"))],
)
def test_detectors_are_told_by_names_or_one_channel(output, shape):
    model = named(output, shape)
    words = known(model)
    assert (words.task, words.text("family")) == ("text-detection", "text")
    assert "PP-OCR" in words.origin() if output != "y" else "guess" in words.origin()
    assert str(recipe_of(model)) == "least:736:32:2000 BGR NCHW, stretch linear, mean 127.5, std 127.5"


def test_a_detector_of_a_fixed_size_is_told_by_its_names():
    model = named("sigmoid_0.tmp_0", (1, 1, 64, 96), (1, 3, 64, 96))
    assert known(model).task == "text-detection"
    assert str(recipe_of(model)) == "64x96 BGR NCHW, stretch linear, mean 127.5, std 127.5"


@pytest.mark.parametrize(
    "output, shape, size",
    [("y", ("a", 21, "b", "c"), FREE), ("sigmoid_0.tmp_0", ("a", 21, "b", "c"), FREE),
     ("fetch_name_0", ("a", "b", "c", "d"), (1, 3, 64, 64)),
     ("y", (1, 1, 64, 64), (1, 3, 64, 64)), ("y", ("a", 1, "b", "c"), ("n", 1, "h", "w"))],
)  # fmt: skip
def test_other_maps_are_not_text(output, shape, size):
    assert known(named(output, shape, size)).task != "text-detection"


def test_the_classifier_of_directions_is_told_by_its_names():
    model = named("save_infer_model/scale_0.tmp_1", (None, 2), (None, 3, "?", "?"))
    words = known(model)
    assert (words.task, words.text("family")) == ("classification", "classify")
    assert words.labels == ["0 degrees", "180 degrees"]
    assert str(recipe_of(model)) == "48x192 BGR NCHW, fit-left linear, mean 127.5, std 127.5"


def test_a_task_that_is_given_decides():
    words = known(named("y", (1, 1, 64, 64), (1, 3, 64, 64)), task="text-detection")
    assert (words.text("family"), words.text("input.size"), words.text("input.channels")) == ("text", "64x64", "BGR")
    words = known(named("y", (1, "t", "c"), (1, 3, 48, "w")), task="text")
    assert (words.text("family"), words.text("input.size")) == ("text", "48xW:320")


def test_own_keys_of_a_mask_of_text():
    keys = {"cinfer.recipe": "1", "cinfer.task": "segmentation", "cinfer.labels": "text", "cinfer.output.kind": "mask"}
    assert known(session(keys)).text("family") == "text"
    assert known(session({**keys, "cinfer.labels": "person"})).text("family") != "text"
    words = known(session({"cinfer.recipe": "1", "cinfer.task": "text", "character": "a\nb\n"}))
    assert (words.text("family"), words.labels) == ("text", ["a", "b"])


def test_lines_are_outlined_and_what_is_written_stays_to_be_read():
    picture = Image.new("RGB", (640, 320), (90, 90, 90))
    answer = text.decode(view({"y": page()}, where=WHERE))
    for drawn in (answer.draw(picture), encode.drawn(answer, frame(picture))):      # for programs, and what -o writes
        changed = (np.asarray(drawn) != 90).any(2)
        assert changed.any() and changed.mean() < 0.02
