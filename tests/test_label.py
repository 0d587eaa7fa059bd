"""cinfer.label: only metadata changes, and the file is read as it was with the arguments that were given."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from networks import network, node, residual, weights
from PIL import Image

import cinfer
from cinfer.model.edit import with_metadata
from cinfer.vision.arguments import flags_of
from cinfer.vision.reader import Reader

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "data"
MODELS = sorted({path.name: path for folder in (ROOT.parent / "shared" / "models", DATA)
                 for path in folder.glob("*.onnx")}.values())
LABELS = list("abcdefghij")


def written(data, texts) -> bytes:
    return b"".join(with_metadata(data, texts))


def stripped(data: bytes) -> bytes:
    model = onnx.load_from_string(data)
    del model.metadata_props[:]
    return model.SerializeToString(deterministic=True)


def test_every_other_byte_is_as_it_was():
    data = residual(metadata={"a": "1", "cinfer.task": "x", "b": "2"})
    texts = {"cinfer.task": "classification", "cinfer.labels": "ä\n\u2603"}
    made = written(data, texts)
    bare = residual()
    assert made.startswith(bare) and written(bare, {}) == bare      # onnx writes metadata behind the graph
    props = onnx.load_from_string(made).metadata_props
    assert [(p.key, p.value) for p in props] == [("a", "1"), ("b", "2"), *texts.items()]
    assert stripped(made) == stripped(data)
    assert written(made, texts) == made                             # once is enough


def test_metadata_before_the_graph_and_twice():
    """Fields may come in any order; of two pairs of one key the last counted, and both go."""
    graph = residual()
    pairs = residual(metadata={"cinfer.task": "x", "k": "v"})[len(graph):]
    made = written(pairs + graph + pairs, {"cinfer.task": "y"})
    props = {p.key: p.value for p in onnx.load_from_string(made).metadata_props}
    assert props == {"k": "v", "cinfer.task": "y"} and made.count(b"cinfer.task") == 1 and graph in made


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.name)
def test_is_read_as_before(path, tmp_path):
    """The words, the labels and the answer of a model whose keys are its own alone, wherever it lies."""
    out = tmp_path / "out.onnx"
    keys = cinfer.label(path, out)
    before, after = cinfer.load(path), cinfer.load(out)
    readers = [Reader(each) for each in (before, after)]
    said = [reader.words.said() for reader in readers]
    assert said[0].items() <= said[1].items()
    assert readers[0].recipe == readers[1].recipe and readers[0].family is readers[1].family
    assert readers[0].words.labels == readers[1].words.labels
    picture = Image.open(DATA / "horses.jpg").resize((160, 104))
    answers = [reader.read(picture).answer.record() for reader in readers]
    for each in answers:
        each.pop("ms", None)
    assert answers[0] == answers[1]
    assert stripped(path.read_bytes()) == stripped(out.read_bytes()) and keys["cinfer.recipe"] == "1"


def test_says_what_was_given_and_keeps_other_keys(tmp_path):
    model = residual(metadata={"cinfer.license": "MIT", "mine": "1"})
    out = tmp_path / "out.onnx"
    keys = cinfer.label(model, out, labels=LABELS, task="classification", recipe={"input.size": "16"})
    loaded = onnx.load(out)
    onnx.checker.check_model(loaded, full_check=True)
    props = {p.key: p.value for p in loaded.metadata_props}
    assert props == {"cinfer.license": "MIT", "mine": "1", **keys}
    assert keys["cinfer.input.size"] == "16x16" and keys["cinfer.output.kind"] == "logits"
    answer = cinfer.vision.read(cinfer.load(out), DATA / "dog.jpg")
    given = cinfer.vision.read(cinfer.load(model), DATA / "dog.jpg", labels=LABELS)
    assert answer.data() == given.data() and answer.best[0].label in LABELS


RECIPE = {"cinfer.recipe": "1", "cinfer.family": "classify", "cinfer.task": "classification",
          "cinfer.output.kind": "logits", "cinfer.input.size": "16x16", "cinfer.input.resize": "stretch",
          "cinfer.input.scale": "2", "cinfer.labels": "\n".join(LABELS)}


@pytest.mark.parametrize("arguments", [
    {"task": "embedding"}, {"task": "raw"}, {"recipe": {"input.size": "16x16"}}, {"labels": LABELS[::-1]},
    {"recipe": {"output.kind": "multilabel"}}, {"recipe": {"family": "embedding", "task": "embedding"}}], ids=str)
def test_of_an_older_recipe_nothing_is_left_that_contradicts(arguments, tmp_path):
    model = residual(metadata=RECIPE | {"cinfer.title": "kept"})
    keys = cinfer.label(model, tmp_path / "out.onnx", **arguments)
    made, told = cinfer.load(tmp_path / "out.onnx"), dict(arguments)
    assert made.metadata == {"cinfer.title": "kept", **keys}
    given = Reader(cinfer.load(model), flags_of(told.get("task"), told.get("recipe")), labels=told.get("labels"))
    reader = Reader(made)
    assert reader.recipe == given.recipe and reader.family is given.family and reader.words.labels == given.words.labels
    picture = Image.open(DATA / "dog.jpg").resize((40, 30))
    answers = [each.read(picture).answer.record() | {"ms": 0} for each in (reader, given)]
    assert answers[0] == answers[1]


def test_softmax_gives_probabilities(tmp_path):
    nodes = [node("GlobalAveragePool", ["x"], ["p"]), node("Flatten", ["p"], ["f"]), node("MatMul", ["f", "w"], ["l"]),
             node("Softmax", ["l"], ["y"])]
    keys = cinfer.label(network(nodes, w=weights(3, 4)), tmp_path / "out.onnx")
    assert keys["cinfer.output.kind"] == "probabilities"


def test_onnxruntime_gives_the_same(tmp_path):
    ort = pytest.importorskip("onnxruntime")
    cinfer.label(residual(), tmp_path / "out.onnx", labels=LABELS)
    x = np.random.default_rng(0).normal(size=(1, 3, 16, 16)).astype(np.float32)
    before, after = (ort.InferenceSession(each).run(None, {"x": x})[0] for each in
                     (residual(), str(tmp_path / "out.onnx")))
    assert (before == after).all()


@pytest.mark.parametrize("arguments, words", [
    ({"labels": LABELS[:9]}, "there are 9 labels for 10 classes"),
    ({"labels": [*LABELS[:9], "two\nlines"]}, "has several lines"),
    ({"task": "clasification"}, "do you mean classification"),
    ({"recipe": {"input.sise": "16"}}, "is no word of docs/metadata.md; do you mean input.size"),
    ({"recipe": {"input.mean": "1,2"}}, "right is one number or 3"),
    ({"recipe": {"output.kind": "sure"}}, "probabilities, logits or multilabel"),
    ({"recipe": {"output.name": "z"}}, "the model's outputs are 'y'"),
    ({"recipe": {"input.size": "17x17"}}, "16"),
])
def test_what_does_not_fit_is_said_and_nothing_written(arguments, words, tmp_path):
    with pytest.raises(cinfer.InputError) as error:
        cinfer.label(residual(), tmp_path / "out.onnx", **arguments)
    assert words in str(error.value) and "\n" not in str(error.value)
    assert not os.listdir(tmp_path)


def test_labels_of_maps_are_counted(tmp_path):
    nodes = [node("Conv", ["x", "w"], ["y"])]
    model = network(nodes, w=weights(4, 3, 1, 1))
    with pytest.raises(cinfer.InputError, match="2 labels for 4 classes"):
        cinfer.label(model, tmp_path / "out.onnx", labels=["a", "b"], task="semantic")
    for labels in (LABELS[:4], LABELS[:3]):             # the background has none
        cinfer.label(model, tmp_path / "out.onnx", labels=labels, task="semantic")


# ---- external data

@pytest.fixture
def beside(tmp_path):
    """A model whose weights are in a file below its folder."""
    folder = tmp_path / "from"
    (folder / "data").mkdir(parents=True)
    onnx.save(onnx.load_from_string(residual()), folder / "model.onnx", save_as_external_data=True,
              location="data/weights.bin", size_threshold=0)
    return folder / "model.onnx"


def test_weights_beside_the_model_stay(beside):
    out = beside.with_name("out.onnx")
    cinfer.label(beside, out, labels=LABELS)
    assert sorted(os.listdir(beside.parent)) == ["data", "model.onnx", "out.onnx"]
    assert cinfer.load(out).labels == LABELS


def test_weights_are_copied_into_another_folder(beside, tmp_path):
    out = tmp_path / "to" / "out.onnx"
    out.parent.mkdir()
    for _ in range(2):                                  # the second time they are there
        cinfer.label(beside, out, labels=LABELS)
    assert sorted(os.listdir(out.parent)) == ["data", "out.onnx"]
    shutil.rmtree(beside.parent)
    onnx.checker.check_model(str(out), full_check=True)
    x = np.ones((1, 3, 16, 16), np.float32)
    assert (cinfer.load(out)(x) == cinfer.load(residual())(x)).all()


def test_another_file_of_that_name_is_left_alone(beside, tmp_path):
    other = tmp_path / "to" / "data" / "weights.bin"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"mine")
    with pytest.raises(cinfer.InputError, match="is another file"):
        cinfer.label(beside, tmp_path / "to" / "out.onnx", labels=LABELS)
    assert other.read_bytes() == b"mine" and os.listdir(tmp_path / "to") == ["data"]
    with pytest.raises(cinfer.InputError, match="weights are in a file of this name"):
        cinfer.label(beside, beside.parent / "data" / "../data/weights.bin", labels=LABELS)


def test_what_was_copied_goes_where_the_model_cannot_be_written(beside, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")
        yield
    monkeypatch.setattr("cinfer.label.with_metadata", full)
    (tmp_path / "to").mkdir()
    with pytest.raises(cinfer.InputError, match="No space left on device"):
        cinfer.label(beside, tmp_path / "to" / "out.onnx")
    assert not [name for _, _, names in os.walk(tmp_path / "to") for name in names]


def test_the_document_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    model = DATA / "efficientnet_lite0_w8.onnx"
    shutil.copy(model, "model.onnx")
    (tmp_path / "classes.txt").write_text("".join(f"{label}\n" for label in cinfer.load(model).labels))
    text = (ROOT / "docs" / "label.md").read_text()
    pieces = re.findall(r"\n\n((?: {4}.*\n|\n)+)", text)
    from cinfer.cli import main
    command, shown, program = (re.sub("^    ", "", piece, flags=re.M).strip() for piece in pieces)
    assert main(command.split()[1:]) == 0
    assert shown in capsys.readouterr().out
    exec(program, {})
    assert capsys.readouterr().out == "classification\n"
