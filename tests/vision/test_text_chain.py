"""A detector, a recogniser and a classifier of directions read a page: small ones made here, and PP-OCR's."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import shared
from PIL import Image, ImageDraw
from program import cinfer as run  # noqa: F401, a fixture
from small_models import write

import cinfer
from cinfer.errors import InputError
from cinfer.vision import chains, text_chain
from cinfer.vision.families.view import Options
from cinfer.vision.pictures.frames import frame
from cinfer.vision import read

# ---- lines of coloured blocks: a red, b green, c blue, each line begins with a yellow one; grey between them

INKS = {"a": (255, 0, 0), "b": (0, 255, 0), "c": (0, 0, 255), "*": (255, 255, 0), "_": (200, 200, 200)}
BLOCK, HIGH = 14, 24


def line_picture(word):
    """Grey, then blocks with grey between."""
    blocks = "_*_" + "_".join(word) + "_"
    picture = Image.new("RGB", (len(blocks) * BLOCK, HIGH), INKS["_"])
    for i, letter in enumerate(blocks):
        picture.paste(INKS[letter], (i * BLOCK, 0, (i + 1) * BLOCK, HIGH))
    return picture


def page_of(lines, size=(600, 400)):
    """lines : (x, y, word)"""
    page = Image.new("RGB", size, "white")
    for x, y, word in lines:
        page.paste(line_picture(word), (x, y))
    return page


LINES = [(40, 40, "abc"), (330, 44, "cab"), (40, 120, "bacca"), (60, 200, "a"), (60, 300, "abcabcabca")]
WORDS = [word for _, _, word in LINES]


def small(folder, batch="n", character="a\nb\nc"):
    """Paths of the three. They are told by names and keys as PP-OCR's, and fed alike: BGR from -1 to 1."""
    onnx = pytest.importorskip("onnx")
    node, float32 = onnx.helper.make_node, onnx.TensorProto.FLOAT

    def tensors(**arrays):
        return [onnx.numpy_helper.from_array(np.float32(a), name) for name, a in arrays.items()]

    # text is what is not white: 40 * (2.7 - b - g - r)
    det = write(
        folder / "det.onnx",
        [node("Conv", ["x", "w", "b"], ["s"]), node("Sigmoid", ["s"], ["sigmoid_0.tmp_0"])],
        {"x": (float32, ("n", 3, "h", "w"))},
        {"sigmoid_0.tmp_0": (float32, ("n", 1, "H", "W"))},
        {},
        tensors(w=np.full((1, 3, 1, 1), -40), b=[2.7 * 40]),
    )
    # each letter is its channel less the others, in the row of cells above the middle; yellow is no letter
    weights = np.zeros((5, 3, 1, 1))
    for letter, channel in ((1, 2), (2, 1), (3, 0)):
        weights[letter, :, 0, 0] = -20
        weights[letter, channel] = 20
    rec = write(
        folder / "rec.onnx",
        [node("AveragePool", ["x"], ["p"], kernel_shape=[8, 8], strides=[8, 8]),
         node("Slice", ["p", "from", "to", "axis"], ["m"]), node("Conv", ["m", "w", "b"], ["c"]),
         node("Squeeze", ["c", "axis"], ["t"]), node("Transpose", ["t"], ["l"], perm=[0, 2, 1]),
         node("Softmax", ["l"], ["y"], axis=2)],
        {"x": (float32, (batch, 3, 48, "w"))},
        {"y": (float32, (batch, "t", 5))},
        {"character": character} if character else {},
        [*tensors(w=weights, b=[0, -20, -20, -20, -100]),
         *(onnx.numpy_helper.from_array(np.int64([v]), name) for name, v in (("from", 2), ("to", 3), ("axis", 2)))],
    )  # fmt: skip
    # upside down where the first 40 pixels are not yellow anywhere: yellow is red + green - blue
    cls = write(
        folder / "cls.onnx",
        [node("Conv", ["x", "w", "b"], ["s"]), node("Slice", ["s", "from", "to", "axis"], ["left"]),
         node("GlobalMaxPool", ["left"], ["most"]), node("Flatten", ["most"], ["f"]),
         node("MatMul", ["f", "both"], ["l"]), node("Softmax", ["l"], ["save_infer_model/scale_0.tmp_1"])],
        {"x": (float32, (batch, 3, "h", "w"))},
        {"save_infer_model/scale_0.tmp_1": (float32, (batch, 2))},
        {},
        [*tensors(w=np.reshape([-10, 10, 10], (1, 3, 1, 1)), b=[-25], both=[[1, -1]]),
         *(onnx.numpy_helper.from_array(np.int64([v]), name) for name, v in (("from", 0), ("to", 40), ("axis", 3)))],
    )  # fmt: skip
    return [det, rec, cls]


def chain_of(paths, **options):
    return chains.reader_of([cinfer.load(path, threads=1) for path in paths], None, Options(**options))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return small(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def chain(models):
    return chain_of(models)


def corners_of(x, y, word):
    width = line_picture(word).width
    return np.array([(x, y), (x + width, y), (x + width, y + HIGH), (x, y + HIGH)])


def test_a_page_is_read_in_order(chain):
    reading = chain.read(page_of(LINES))
    assert [each.text for each in reading.answer.found] == WORDS
    assert reading.answer.task == "text" and list(reading.outputs) == ["sigmoid_0.tmp_0"]
    for each, line in zip(reading.answer.found, LINES):
        away = np.abs(each.quad - corners_of(*line))
        d = 1.6 / (2 / HIGH + 2 / line_picture(line[2]).width)  # the growth, in pixels of the map or smaller ones
        assert each.score > 0.9 and d * 0.4 < away.min() and away.max() <= d + 2, each.text


def test_order_of_the_models_does_not_matter(models):
    assert [each.text for each in chain_of(models[::-1]).read(page_of(LINES)).answer.found] == WORDS


@pytest.mark.parametrize("turn", ["ROTATE_90", "ROTATE_180", "ROTATE_270"])
def test_a_turned_page_is_read_as_well(chain, turn):
    page = page_of(LINES, (600, 400)).transpose(Image.Transpose[turn])
    answer = chain.read(page).answer
    assert [each.text for each in answer.found] == WORDS
    # the first corner is where the text begins, then clockwise
    for each, line in zip(answer.found, LINES):
        x, y = corners_of(*line).T
        there = {"ROTATE_90": (y, 600 - x), "ROTATE_180": (600 - x, 400 - y), "ROTATE_270": (400 - y, x)}[turn]
        assert np.abs(each.quad - np.stack(there, axis=1)).max() < 25, each.text


def test_without_a_classifier_upside_down_stays_so(models):
    page = page_of(LINES).rotate(180)
    answer = chain_of(models[:2]).read(page).answer
    assert sorted(each.text for each in answer.found) == sorted(word[::-1] for word in WORDS)


def test_a_tilted_page(chain):
    page = page_of(LINES).rotate(7, resample=Image.Resampling.BICUBIC, expand=True, fillcolor="white")
    assert [each.text for each in chain.read(page).answer.found] == WORDS


def test_a_grey_picture_an_array_and_a_smaller_copy(chain):
    assert chain.read(page_of(LINES).convert("L")).answer.task == "text"
    assert [each.text for each in chain.read(np.asarray(page_of(LINES))).answer.found] == WORDS
    taken = frame(page_of(LINES))
    half = type(taken)(taken.picture.resize((300, 200)), 600, 400, "decoded at half of its size")
    answer = chain.read(half).answer
    assert [each.text for each in answer.found] == WORDS
    assert np.abs(answer.found[0].quad - corners_of(*LINES[0])).max() < 25


def test_an_empty_page_has_no_text(chain):
    answer = chain.read(Image.new("RGB", (300, 200), "white")).answer
    assert answer.found == [] and answer.data() == {"text": []} and answer.line() == "no text"


def test_options(models):
    assert len(chain_of(models, max_det=2).read(page_of(LINES)).answer.found) == 2
    scores = {each.text: each.score for each in chain_of(models).read(page_of(LINES)).answer.found}
    least = (min(scores.values()) + 1) / 2
    found = chain_of(models, conf=least).read(page_of(LINES)).answer.found
    assert 0 < len(found) < 5 and [each.text for each in found] == [word for word in WORDS if scores[word] >= least]


def test_a_fixed_batch_is_fed_one_by_one(tmp_path):
    assert [each.text for each in chain_of(small(tmp_path, batch=1)).read(page_of(LINES)).answer.found] == WORDS


def test_a_recogniser_without_an_alphabet(tmp_path):
    paths = small(tmp_path, character=None)
    sessions = [cinfer.load(path, threads=1) for path in paths]
    answer = chains.reader_of(sessions, labels=list("xyz")).read(page_of(LINES[:1])).answer
    assert answer.lines() == ["xyz"]
    with pytest.raises(InputError, match="no alphabet"):
        chains.reader_of(sessions).read(page_of(LINES))


def test_other_models_make_no_chain(models):
    det, rec, cls = (cinfer.load(path, threads=1) for path in models)
    for sessions in ((det, cls), (rec, cls), (det, det), (det, rec, rec), (det, rec, cls, cls)):
        with pytest.raises(InputError, match="these models are .*; right is .*a detector of text"):
            chains.reader_of(list(sessions))


# ---- the argument


def test_an_argument_is_split_where_no_file_has_the_whole_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m").mkdir()
    for name in ("a.onnx", "b.onnx", "m/a.onnx", "m/c.onnx", "one+two.onnx", "one"):
        (tmp_path / name).touch()
    assert chains.split("a.onnx") == ["a.onnx"]
    assert chains.split("a.onnx+b.onnx") == ["a.onnx", "b.onnx"]
    assert chains.split("m/a.onnx+c.onnx") == ["m/a.onnx", "m/c.onnx"]  # beside the first
    assert chains.split("m/a.onnx+b.onnx") == ["m/a.onnx", "b.onnx"]
    assert chains.split("one+two.onnx") == ["one+two.onnx"]
    assert chains.split("none+a.onnx") == ["none+a.onnx"]  # then the whole is what does not exist
    for text in ("a.onnx+", "a.onnx++b.onnx"):
        with pytest.raises(InputError, match="a model is missing beside a +"):
            chains.split(text)


def test_the_command_line_reads_a_page(run, models, tmp_path):  # noqa: F811
    picture = tmp_path / "page.png"
    page_of(LINES).save(picture)
    result = run("run", models[0] + "+rec.onnx+cls.onnx", picture)
    assert (result.status, result.lines) == (0, WORDS)
    assert "text: lines by the names of PP-OCR's detectors" in result.err
    data = json.loads(run("run", "+".join(models), picture, "--json").out)
    assert [each["text"] for each in data["text"]] == WORDS and data["task"] == "text"
    assert np.shape(data["text"][0]["quad"]) == (4, 2)
    assert run("run", models[0] + "+" + str(picture), picture).status == 2


def test_a_model_is_not_written_over(run, models, tmp_path):  # noqa: F811
    picture = tmp_path / "page.png"
    page_of(LINES).save(picture)
    rec = tmp_path / "rec.npz"
    rec.write_bytes(Path(models[1]).read_bytes())
    result = run("run", f"{models[0]}+{rec}", picture, "--save", rec)
    assert result.status == 2 and "overwrite" in result.err
    assert rec.read_bytes() == Path(models[1]).read_bytes()


# ---- crops


@pytest.mark.parametrize("quad", [[(20, 10), (80, 10), (80, 30), (20, 30)], [(0, 0), (100, 0), (100, 60), (0, 60)]])
def test_an_upright_quad_is_cut_out_as_it_is(quad):
    pixels = np.random.default_rng(0).integers(0, 256, (60, 100, 3), np.uint8)
    crop, turned = text_chain.cut(frame(pixels), np.array(quad, float))
    (x1, y1), (x2, y2) = quad[0], quad[2]
    assert np.array_equal(np.asarray(crop), pixels[y1:y2, x1:x2]) and not turned


def test_a_tall_quad_is_turned_against_the_clock():
    pixels = np.random.default_rng(0).integers(0, 256, (60, 100, 3), np.uint8)
    for height, tall in ((29, False), (30, True)):
        quad = np.array([(10, 5), (30, 5), (30, 5 + height), (10, 5 + height)], float)
        crop, turned = text_chain.cut(frame(pixels), quad)
        wanted = pixels[5 : 5 + height, 10:30]
        assert turned == tall and np.array_equal(np.asarray(crop), np.rot90(wanted) if tall else wanted)


def test_perspective_takes_corners_to_corners_and_lines_to_lines():
    quad = np.array([(12.0, 7), (90, 15), (84, 50), (5, 33)])
    a, b, c, d, e, f, g, h = text_chain.perspective(70, 30, quad)

    def at(x, y):
        return np.array([a * x + b * y + c, d * x + e * y + f]) / (g * x + h * y + 1)

    for corner, wanted in zip(((0, 0), (70, 0), (70, 30), (0, 30)), quad):
        assert at(*corner) == pytest.approx(wanted)
    # the middle is where the diagonals meet
    (p, q), (r, s) = quad[[0, 2]], quad[[1, 3]]
    t = np.linalg.solve(np.stack([q - p, r - s], axis=1), r - p)[0]
    assert at(35, 15) == pytest.approx(p + t * (q - p))
    assert np.isfinite(text_chain.perspective(70, 30, np.array([(0.0, 0), (10, 0), (20, 0), (0, 5)]))).all()


def test_a_tilted_quad_is_sampled_at_its_pixels():
    picture = Image.new("RGB", (200, 200), "white")
    quad = np.array([(40, 60), (160, 90), (154, 114), (34, 84)], float)
    ImageDraw.Draw(picture).polygon([tuple(p) for p in quad], fill="black")
    crop, _ = text_chain.cut(frame(picture), quad)
    assert crop.size == (int(np.hypot(120, 30)), int(np.hypot(6, 24)))
    assert np.asarray(crop)[2:-2, 2:-2].max() < 30


# ---- batches


class Recorder:
    """A session that says which shapes it was fed."""

    def __init__(self, session):
        self.session, self.shapes = session, []

    def __getattr__(self, name):
        return getattr(self.session, name)

    def run(self, names, feeds):
        self.shapes.append(next(iter(feeds.values())).shape)
        return self.session.run(names, feeds)


def test_lines_of_similar_width_go_together_and_are_as_wide_as_the_widest(models):
    chain = chain_of(models[:2])
    chain.recogniser.session = recorder = Recorder(chain.recogniser.session)
    lines = [(20, 20 + 45 * i, "abcabcabcabc"[: 1 + i]) for i in range(8)]
    answer = chain.read(page_of(lines, (600, 420))).answer
    assert [each.text for each in answer.found] == [word for _, _, word in lines]
    (first, _, _, narrow), (second, _, _, wide) = recorder.shapes
    quads = [each.quad for each in answer.found]
    ratios = sorted((q[1, 0] - q[0, 0]) / (q[3, 1] - q[0, 1]) for q in quads)
    assert (first, second) == (6, 2)
    assert narrow == int(48 * max(ratios[5], 320 / 48)) and wide == int(48 * max(ratios[7], 320 / 48))


@pytest.mark.parametrize("ratio, width", [(1, 320), (320 / 48, 320), (10, 480), (66, 3168), (1000, 3200)])
def test_what_a_recogniser_is_fed_is_not_wider_than_it_can_be(models, ratio, width):
    recipe = text_chain.padded(chain_of(models[:2]).recogniser.recipe, ratio)
    assert (recipe.size.rule, recipe.size.numbers, recipe.resize[0]) == ("fixed", (48, width), "fit-left")


# ---- the real thing


def test_a_page_is_read_as_by_rapidocr():
    wanted = json.loads(shared("models/expected/rapidocr_page.json").read_text(encoding="utf-8"))["lines"]
    paths = [shared(f"models/{name}.onnx") for name in ("ppocr_v4_det", "ppocr_v4_rec_w8", "ppocr_v2_cls")]
    answer = chain_of(paths).read(str(shared("images/page.png"))).answer
    assert [each.text for each in answer.found] == [each["text"] for each in wanted]
    for each, other in zip(answer.found, wanted):
        assert np.abs(each.quad - other["box"]).max() <= 2, each.text
        assert each.score == pytest.approx(other["score"], abs=0.05), each.text


def test_single_models_of_the_real_thing():
    page = Image.open(shared("images/page.png")).convert("RGB")
    index = json.loads(shared("models/index.json").read_text(encoding="utf-8"))
    models = index if isinstance(index, list) else index["models"]
    (rec,) = [each for each in models if each["file"] == "ppocr_v4_rec_w8.onnx"]
    session = cinfer.load(shared("models/ppocr_v4_rec_w8.onnx"), threads=1)
    for case in rec["cases"]:
        crop = page.crop(case["feeds"]["x"]["crop"])
        assert read(session, crop).line() == case["expect"]["text"]
    found = read(cinfer.load(shared("models/ppocr_v4_det.onnx"), threads=1), page).found
    assert len(found) == 15 and {each.label for each in found} == {"text"}
