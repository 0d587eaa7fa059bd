"""cinfer label, as a user types it."""

import json

import pytest
from networks import residual
from program import DATA, cinfer  # noqa: F401 (fixture)


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(residual())
    return path


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("\n".join(["Straße 1", "猫", *"cdefghij"]) + "\n", encoding="utf-8")
    return path


def test_then_no_flags_are_needed(cinfer, model, labels, tmp_path):  # noqa: F811
    out, flags = tmp_path / "out.onnx", ["--size", "16", "--resize", "stretch", "--std", "64", "--mean", "-5,-5,-5"]
    done = cinfer("label", model, "-o", out, "--labels", labels, "--task", "classification", *flags)
    assert done.status == 0 and done.errors == [f"cinfer: {out}: 12 keys written"]
    assert "cinfer.input.size      16x16" in done.lines
    with_flags = cinfer("run", model, DATA / "dog.jpg", "--labels", labels, *flags)
    plain = cinfer("run", out, DATA / "dog.jpg")
    assert plain.status == 0 and plain.lines == with_flags.lines
    assert "the model's metadata; fed 16x16 RGB NCHW, stretch bilinear, mean -5,-5,-5, std 64" in plain.err
    shown = json.loads(cinfer("info", out, "--json").out)
    assert shown["metadata"]["cinfer.labels"].startswith("Straße 1\n猫\n") and shown["task"] == "classification"


def test_as_json(cinfer, model, tmp_path):  # noqa: F811
    done = cinfer("label", model, "-o", tmp_path / "out.onnx", "--json")
    assert json.loads(done.out)["cinfer.task"] == "classification"


@pytest.mark.parametrize("arguments, words", [
    (["{model}"], "-o/--output"),
    (["{model}", "-o", "{model}"], "-o {model}: that would overwrite what is read"),
    (["{model}", "-o", "{labels}", "--labels", "{labels}"], "that would overwrite what is read"),
    (["{model}", "-o", "none/out.onnx"], "there is no folder none"),
    (["{model}", "-o", "dog.JPG"], "-o dog.JPG: .JPG is the ending of a picture; name a model, as mine.onnx"),
    (["none.onnx", "-o", "{out}"], "none.onnx: no such file"),
    (["-", "-o", "{out}"], "not read from standard input"),
    (["{labels}", "-o", "{out}"], "this is no ONNX model"),
    (["{model}", "-o", "{out}", "--labels", "none.txt"], "--labels none.txt: no such file"),
    (["{model}", "-o", "{out}", "--labels", "{model}"], "this is no text in UTF-8"),
    (["{model}", "-o", "{out}", "--task", "dogs"], "--task is 'dogs'; the tasks are"),
    (["{model}", "-o", "{out}", "--task", "detection"], "--task is 'detection', but nothing reads this model's"),
    (["{model}", "-o", "{out}", "--recipe", "family=boxes"], "--recipe family is 'boxes', but nothing reads"),
    (["{model}", "-o", "{out}", "--size", "0"], "--size is '0'; right is"),
    (["{model}", "-o", "{out}", "--recipe", "size"], "right is KEY=TEXT"),
])
def test_mistakes_are_one_line(cinfer, model, labels, tmp_path, arguments, words):  # noqa: F811
    names = {"model": model, "labels": labels, "out": tmp_path / "out.onnx"}
    before = labels.read_bytes(), model.read_bytes()
    done = cinfer("label", *(each.format(**names) for each in arguments))
    assert done.status == 2 and len(done.errors) == 1 and words.format(**names) in done.err
    assert not (tmp_path / "out.onnx").exists() and before == (labels.read_bytes(), model.read_bytes())
