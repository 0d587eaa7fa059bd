"""cinfer.adapt: from a classifier and folders of pictures to a classifier of these."""

import dataclasses
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import onnx
import pytest
from drawn import draw_set, shape
from PIL import Image

import cinfer

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "tests" / "data" / "efficientnet_lite0_w8.onnx"
PER_CLASS = 10


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return draw_set(tmp_path_factory.mktemp("photos"), PER_CLASS)


@pytest.fixture(scope="module")
def made(photos):
    return cinfer.adapt(MODEL, photos)


@pytest.fixture(scope="module")
def session(made):
    return cinfer.load(made.encoded())


def test_pictures_that_it_has_not_seen(made, session, tmp_path):
    """Held-out accuracy is what others, drawn afterwards, bear out."""
    assert made.report.accuracy >= .85 and made.report.interval[0] < made.report.accuracy <= made.report.interval[1]
    fresh = draw_set(tmp_path, 8, first=500)
    paths = sorted(fresh.rglob("*.png"))
    right = [cinfer.vision.read(session, path).best[0].label == path.parent.name for path in paths]
    assert np.mean(right) >= made.report.interval[0] - .1


def test_as_good_as_scikit_learn(made, photos):
    """The same features, the same folds' sizes: a plain logistic regression is no better."""
    linear = pytest.importorskip("sklearn.linear_model")
    selection = pytest.importorskip("sklearn.model_selection")
    pipeline = pytest.importorskip("sklearn.pipeline")
    scaling = pytest.importorskip("sklearn.preprocessing")
    from cinfer.adapt.folders import by_class
    found = by_class(photos)
    data = made.encoded()
    model = onnx.load_from_string(data)
    head = next(node for node in model.graph.node if node.name == "head")
    session = cinfer.load(data)
    from cinfer.vision.reader import Reader
    reader = Reader(session)
    rows = np.concatenate([session.run([head.input[0]], reader.prepare(path).feeds)[0] for path in found.paths])
    plain = pipeline.make_pipeline(scaling.StandardScaler(), linear.LogisticRegression(max_iter=2000))
    theirs = selection.cross_val_score(plain, rows, found.numbers, cv=selection.StratifiedKFold(5, shuffle=True,
                                                                                                random_state=0))
    assert made.report.accuracy >= theirs.mean() - .04     # one picture of thirty


def test_the_file_is_valid_and_says_how_to_use_itself(made, session):
    model = onnx.load_from_string(made.encoded())
    onnx.checker.check_model(model, full_check=True)
    original = onnx.load(MODEL)
    props = {p.key: p.value for p in model.metadata_props}
    theirs = {p.key: p.value for p in original.metadata_props}
    assert props["cinfer.labels"] == "circle\ncross\nstripes" and props["cinfer.task"] == "classification"
    assert all(props[key] == text for key, text in theirs.items() if key.startswith("cinfer.input."))
    assert session.labels == ["circle", "cross", "stripes"]
    kept = [(n.op_type, list(n.input), list(n.output)) for n in model.graph.node]
    before = [(n.op_type, list(n.input), list(n.output)) for n in original.graph.node]
    assert kept[:-3] == before[:-3] and [kind for kind, _, _ in before[-3:]] == ["DequantizeLinear", "Gemm", "Softmax"]
    assert [kind for kind, _, _ in kept[-3:]] == ["Identity", "Gemm", "Softmax"]


def test_onnxruntime_says_the_same(made, session, photos):
    ort = pytest.importorskip("onnxruntime")
    from cinfer.vision.reader import Reader
    theirs, reader = ort.InferenceSession(made.encoded()), Reader(session)
    for path in sorted(photos.rglob("*.png"))[::7]:
        feeds = reader.prepare(path).feeds
        ours = session.run(None, feeds)[0]
        assert np.abs(ours - theirs.run(None, feeds)[0]).max() < 1e-4
        assert ours.sum() == pytest.approx(1, abs=1e-5)


def test_the_same_bytes_each_time_and_for_any_threads(made, photos):
    assert cinfer.adapt(MODEL, photos, threads=1).encoded() == made.encoded()


def test_the_report_adds_up(made):
    report = made.report
    confusion = np.array(report.confusion)
    assert confusion.sum() == report.pictures == 3 * PER_CLASS and report.features == 1280
    assert np.trace(confusion) / report.pictures == pytest.approx(report.accuracy)
    assert sum(fold.pictures for fold in report.folds) == report.pictures and len(report.folds) == 5
    doubts = [each.probability for each in report.doubtful]
    assert doubts == sorted(doubts) and len(doubts) == 12
    assert .5 < report.confidence <= 1 and report.seconds > 0
    assert "'classifier'" in report.head and not report.notes
    assert "\n".join(report.lines()).count("\n") > 15


# ---- what is wrong with pictures

@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """3 to 5 pictures a class; twins in a class and across two, the same picture in two, one damaged, odd names."""
    folder = draw_set(tmp_path_factory.mktemp("odd"), 5, ("circle", "cross", "stripes"))
    shutil.move(folder / "stripes", folder / "<b>&amp; \"7\" ü\tx")
    stripes = folder / "<b>&amp; \"7\" ü\tx"
    for name in ("03.png", "04.png"):
        (stripes / name).unlink()
    shape("circle", 0).save(folder / "circle" / "again.png", compress_level=1)
    shutil.copy(folder / "circle" / "03.png", folder / "cross" / "same.png")
    picture = Image.open(folder / "cross" / "02.png")
    picture.resize((66, 66)).save(folder / "circle" / "wrong.jpg", quality=95)
    (folder / "cross" / "bad.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (folder / "empty").mkdir()
    shape("circle", 9).save(folder / "loose.png")
    return folder


@pytest.fixture(scope="module")
def of_odd(odd):
    return cinfer.adapt(MODEL, odd)


def test_odd_pictures_are_told(of_odd):
    report = of_odd.report
    assert [row.label for row in report.classes] == ['<b>&amp; "7" ü x', "circle", "cross"]
    assert [row.pictures for row in report.classes] == [3, 6, 5]
    assert report.disputed and {Path(p).name for p in report.disputed[0]} == {"03.png", "same.png"}
    assert [Path(p).name for p in report.unreadable] == ["bad.jpg"]
    assert report.twin_pairs[0] == 1 and report.distinct < report.pictures
    said = "\n".join(report.notes)
    for words in ("fewer than 10 pictures", "lies in several classes", "cannot be read: 1 picture, such as ",
                  "folders without a picture: empty", "1 picture beside the folders", "kept in one fold"):
        assert words in said, words


class Seen(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if self.open.pop() != tag:
            raise AssertionError(f"</{tag}> closes another one")

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_needs_nothing_else(of_odd):
    page = of_odd.page()
    seen = Seen(page)
    assert not seen.open and "<b>&amp; \"7\" ü x" in "".join(seen.text)
    images = [attrs for tag, attrs in seen.tags if tag == "img"]
    assert len(images) >= 14 and all(each["src"].startswith("data:image/jpeg;base64,") for each in images)
    assert not re.search(r"https?:|url\(|@import|<script|<link", page)
    assert not [tag for tag, attrs in seen.tags if "href" in attrs or tag in ("script", "link", "b")]
    assert of_odd.report.claim().replace("&", "&amp;") in page
    text = "".join(seen.text)
    for each in of_odd.report.doubtful:
        assert f"said {each.said}{each.probability:.0%} for its class, {each.label}" in text


def test_pictures_of_a_few_pixels_are_shown_larger(tmp_path):
    from cinfer.adapt.page import SIDE, small
    for size, shown in (((28, 14), (4 * 28, 4 * 14)), ((SIDE, 40), (SIDE, 40)), ((2 * SIDE, 80), (SIDE, 40))):
        Image.new("L", size, 99).save(tmp_path / "one.png")
        assert 'width="{}" height="{}"'.format(*shown) in small(str(tmp_path / "one.png"))


def test_labels_of_odd_names_survive(of_odd):
    session = cinfer.load(of_odd.encoded())
    assert session.labels == ['<b>&amp; "7" ü x', "circle", "cross"]


def test_three_pictures_a_class(tmp_path):
    made = cinfer.adapt(MODEL, draw_set(tmp_path, 3))
    assert len(made.report.folds) == 3 and "circle (3), cross (3), stripes (3)" in made.report.notes[0]
    low, high = made.report.interval
    assert high - low > .25                             # nobody can be sure of much


def a_folder(tmp_path, kind):
    folder = draw_set(tmp_path / "p", 3, ("circle", "cross"))
    if kind == "one class":
        shutil.rmtree(folder / "cross")
    elif kind == "no class":
        shutil.rmtree(folder)
        folder.mkdir()
    elif kind == "unreadable":
        for name in ("00.png", "01.png"):
            (folder / "cross" / name).write_bytes(b"no picture")
    elif kind == "one picture":
        for name in ("00.png", "01.png"):
            (folder / "cross" / name).unlink()
    elif kind == "all the same":
        shutil.rmtree(folder / "cross")
        shutil.copytree(folder / "circle", folder / "cross")
    elif kind == "one name twice":
        shutil.copytree(folder / "cross", folder / "cross ")
    return folder


@pytest.mark.parametrize("kind, words", [
    ("one class", "holds one class, 'circle'; a folder with a folder of pictures for each class, two at least"),
    ("no class", "holds no folder with pictures"),
    ("unreadable", "2 of 6 pictures cannot be read, such as "),
    ("one picture", "the class 'cross' has 1 of the two pictures that it needs at least; ten"),
    ("all the same", "the class 'circle' has 0 of the two pictures that it needs at least (6 that lie in several"),
    ("one name twice", "the folders 'cross' and 'cross ' both are the class 'cross'"),
])
def test_folders_that_teach_nothing(kind, words, tmp_path):
    with pytest.raises(cinfer.InputError) as error:
        cinfer.adapt(MODEL, a_folder(tmp_path, kind))
    assert words in str(error.value) and "\n" not in str(error.value)


def test_models_without_a_head(tmp_path):
    photos = draw_set(tmp_path, 2, ("circle", "cross"))
    with pytest.raises(cinfer.InputError) as error:
        cinfer.adapt(ROOT / "tests" / "data" / "nanodet_g_416_w8.onnx", photos)
    assert "no number for each class" in str(error.value) or "no head" in str(error.value)


def test_networks_in_integers_are_learned_from(tmp_path):
    pytest.importorskip("onnxruntime")
    from conftest import shared
    model = shared("models/efficientnet_lite0_int8.onnx")
    made = cinfer.adapt(model, draw_set(tmp_path, 5, ("circle", "stripes")))
    loaded = onnx.load_from_string(made.encoded())
    onnx.checker.check_model(loaded, full_check=True)
    assert made.report.accuracy >= .8 and made.report.features == 1280
    assert sum(node.op_type == "QuantizeLinear" for node in loaded.graph.node) >= 60
    from cinfer.vision.reader import Reader
    session = cinfer.load(made.encoded())
    feeds = Reader(session).prepare(tmp_path / "circle" / "00.png").feeds
    head = next(node for node in loaded.graph.node if node.name == "head")
    assert session.run([head.input[0]], feeds)[0].shape == (1, 1280)


def test_the_document_runs(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(MODEL, "model.onnx")
    shutil.copytree(photos, "photos")
    text = (ROOT / "docs" / "adapt.md").read_text()
    pieces = [re.sub("^    ", "", piece, flags=re.M).strip() for piece in re.findall(r"\n\n((?: {4}.*\n|\n)+)", text)]
    commands = [line for piece in pieces for line in piece.splitlines() if line.startswith("cinfer ")]
    from cinfer.cli import main
    assert len(commands) == 3
    for command in commands:
        command = command.partition("   #")[0].replace("new.jpg", str(photos / "cross" / "00.png"))
        assert main(command.split()[1:]) == 0, command
    said = capsys.readouterr().out
    assert "cross (1)" in said and Path("report.html").read_text().startswith("<!DOCTYPE html>")
    program, = (piece for piece in pieces if "import cinfer" in piece)
    exec(program, {})
    assert "held-out pictures right" in capsys.readouterr().out


def test_bounds_are_told_outwards(made):
    """All of 2,320 pictures right is not every picture right."""
    report = dataclasses.replace(made.report, accuracy=1., interval=(.99835, 1.))
    assert "others like these 99.8% to 100% (95 % sure)" in report.claim()
    report = dataclasses.replace(made.report, accuracy=.9995, interval=(.9972, .99991))
    assert "others like these 99.7% to 100% (95 % sure)" in report.claim()
