"""cinfer compare, as a user types it."""

import json
import os
import re
import shlex

import numpy as np
import pytest
from compared import X, chain
from PIL import Image
from conftest import shared
from program import DATA, ROOT, cinfer  # noqa: F401 (fixtures)
from small_models import classifier, halves
from test_progress import a_terminal, said

CLASSES = {"cinfer.recipe": "1", "cinfer.task": "classification", "cinfer.input.size": "8x8",
           "cinfer.labels": "a\nb\nc"}  # fmt: skip


@pytest.fixture
def files(tmp_path):
    """Models, pictures and arrays, by the names that the tests give them."""
    for name, content in {"m": chain(), "same": chain(), "off": chain(then=.5)}.items():
        (tmp_path / f"{name}.onnx").write_bytes(content)
    classifier(tmp_path / "c.onnx", CLASSES)
    halves(tmp_path / "free.onnx")
    np.save(tmp_path / "x.npy", X)
    y = (2 / (1 + np.exp(-np.maximum(X.astype(np.float64) + 1, 0)))).astype(np.float32)
    np.savez(tmp_path / "y.npz", y=y, b=np.maximum(X + 1, 0))
    np.savez(tmp_path / "two.npz", x=X, z=X)
    np.savez(tmp_path / "other.npz", z=np.zeros((3, 3), np.float32), w=X)
    np.savez(tmp_path / "objects.npz", y=np.array([{}], object))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "y.npz").read_bytes()[:300])
    (tmp_path / "photos").mkdir()
    for i in range(3):
        pixels = np.random.default_rng(i).integers(0, 256, (9, 9, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{i}.png")
    return tmp_path


def test_two_that_agree(cinfer, files):  # noqa: F811
    done = cinfer("compare", files / "m.onnx", files / "same.onnx")
    assert done.status == 0 and done.errors == ["cinfer: 1 output agrees; the tolerance is 0.0001"]
    assert done.lines[2].split() == "input x 2x4 float32: random numbers, for none is named".split()
    assert done.lines[4].split() == "output dtype shape largest error of scale rms of scale differ where".split()
    assert done.lines[5].split() == "y float32 2x4 0 0 0 0 of 8".split() and len(done.lines) == 6


def test_two_that_do_not(cinfer, files):  # noqa: F811
    done = cinfer("compare", files / "off.onnx", files / "m.onnx", "--every-value", "--threads", "1")
    assert done.status == 1 and len(done.errors) == 1
    assert re.fullmatch(r"cinfer: output 'y' differs by 0\.\d+ of its scale, at \(\d, \d\); the tolerance is 0.0001",
                        done.errors[0])
    names = [line.split()[0] for line in done.lines[8:12]]
    assert [name.rstrip("*") for name in names] == ["a", "b", "c", "d"]
    assert any(line.startswith("the first to differ: output 'y' by 0.") for line in done.lines)
    assert cinfer("compare", files / "off.onnx", files / "m.onnx", "--tolerance", "0.9").status == 0


def test_pictures_as_run_prepares_them(cinfer, files):  # noqa: F811
    done = cinfer("compare", files / "c.onnx", files / "c.onnx", files / "photos", "--mean", "100")
    assert done.status == 0 and "same class: 3 of 3" in done.lines
    assert done.lines[2].endswith("photos/2.png") and "mean 100" in done.lines[3] and "8x8" in done.lines[3]
    one = cinfer("compare", files / "c.onnx", files / "c.onnx", files / "photos" / "0.png")
    assert any(line.startswith("same class: yes, ") for line in one.lines)


def test_what_run_has_saved_is_a_reference(cinfer, files):  # noqa: F811
    for pictures, name in (([files / "photos"], "all.npz"), ([files / "photos" / "1.png"], "one.npz")):
        assert cinfer("run", files / "c.onnx", *pictures, "--save", files / name).status == 0
        assert cinfer("compare", files / "c.onnx", files / name, *pictures).status == 0
    assert cinfer("compare", files / "c.onnx", files / "one.npz", files / "photos" / "2.png").status == 1
    done = cinfer("compare", files / "c.onnx", files / "one.npz", files / "photos")
    assert done.status == 2 and "has no array 1/logits, 'logits' of the input with this number" in done.err


def test_in_bf16_the_reference_may_be_left_out(cinfer, files):  # noqa: F811
    for more, words in (([], "m.onnx in fp32"), ([files / "x.npy"], "m.onnx in fp32"),
                        ([files / "same.onnx"], "same.onnx"), ([files / "y.npz", files / "x.npy"], "y.npz")):
        done = cinfer("compare", files / "m.onnx", *more, "--precision", "bf16")
        assert done.status == 0 and done.lines[1].startswith("precision  ")
        assert done.lines[2].startswith("reference") and done.lines[2].endswith(words)


def test_as_json(cinfer, files):  # noqa: F811
    done = cinfer("compare", files / "off.onnx", files / "y.npz", files / "x.npy", "--every-value", "--json")
    data = json.loads(done.out)
    assert done.status == 1 and data["agrees"] is False and data["first"] == "y" and data["tolerance"] == 1e-4
    assert data["outputs"][0]["largest"] == pytest.approx(.5, rel=1e-5) and data["outputs"][0]["differing"] == 8
    assert [row["name"] for row in data["values"]] == ["b"] and data["values"][0]["node"].startswith("Relu")
    assert data["inputs"] == [str(files / "x.npy")] and data["is_random"] is False


def test_arrays_for_each_input(cinfer, files):  # noqa: F811
    for flag in (f"x={files}/x.npy", f"{files}/x.npy"):
        assert cinfer("compare", files / "m.onnx", files / "y.npz", "--input", flag).status == 0
    assert cinfer("compare", files / "m.onnx", files / "y.npz", files / "x.npy").status == 0


def test_free_sizes_are_said(cinfer, files):  # noqa: F811
    done = cinfer("compare", files / "free.onnx", files / "free.onnx")
    assert done.status == 2 and "some sizes are free; say them with --shape x=1x3x224x224" in done.err
    done = cinfer("compare", files / "free.onnx", files / "free.onnx", "--shape", "1x3x5x7", "--json")
    assert {row["name"]: row["shape"] for row in json.loads(done.out)["outputs"]} == {
        "picture": [1, 3, 5, 7], "top": [1, 3, 1, 1]}


@pytest.mark.parametrize("arguments, words", [
    (["m.onnx"], "which REFERENCE is it compared with? another model, or values in a .npz or .npy file"),
    (["m.onnx", "--precision", "bf17"], "invalid choice: 'bf17'"),
    (["none.onnx", "m.onnx"], "none.onnx: no such file; name an ONNX model"),
    (["m.onnx", "none.npz"], "none.npz: no such file; name arrays that NumPy has saved"),
    (["m.onnx", "photos/0.png"], "photos/0.png is a picture, and stands where the reference does"),
    (["m.onnx", "photos"], "photos is a folder"), (["m.onnx", "c.onnx"], "right are outputs of the same names"),
    (["m.onnx", "-"], "nothing that is compared is read from standard input"),
    (["m.onnx", "cut.npz", "x.npy"], "cut.npz cannot be read"),
    (["m.onnx", "objects.npz", "x.npy"], "objects.npz: array 'y' holds Python objects, which are not read"),
    (["m.onnx", "other.npz", "x.npy"], "has no value by the name of an output of"),
    (["m.onnx", "y.npz"], "y.npz has values, but no inputs; name those that it was made with"),
    (["m.onnx", "same.onnx", "other.npz"], "other.npz has no array 'x', the input; it has z, w"),
    (["m.onnx", "same.onnx", "cut.npz"], "cut.npz cannot be read"),
    (["m.onnx", "same.onnx", "photos/0.png"], "the model takes no picture"),
    (["c.onnx", "c.onnx", "none.png"], "none.png: no such file"),
    (["m.onnx", "same.onnx", "--input", "y=x.npy"], "--input y=x.npy: no such input; the model has 'x'"),
    (["m.onnx", "same.onnx", "--input", "=x.npy"], "'=x.npy' is no [NAME=]FILE such as images=x.npy"),
    (["m.onnx", "same.onnx", "--input", "two.npz"], "--input two.npz: it has 2 arrays; right is a .npy file"),
    (["m.onnx", "same.onnx", "--input", "x.npy", "--input", "x.npy"], "--input says 'x' twice"),
    (["m.onnx", "same.onnx", "x.npy", "--input", "x.npy"], "--input and x.npy both say what is fed"),
    (["m.onnx", "same.onnx", "--shape", "2x4", "--input", "x.npy"], "--input and --shape both say what is fed"),
    (["m.onnx", "same.onnx", "x.npy", "--shape", "2x4"], "--shape is for random numbers; x.npy has a size"),
    (["c.onnx", "c.onnx", "--input", "x.npy"], "x.npy: input 'x': got shape (2, 4)"),
    (["m.onnx", "same.onnx", "--tolerance", "-1"], "'-1' is no number of at least 0"),
    (["m.onnx", "same.onnx", "--tolerance", "nan"], "'nan' is no number of at least 0"),
    (["m.onnx", "same.onnx", "--every"], "unknown flag '--every'; do you mean --every-value?"),
    (["m.onnx", "same.onnx", "--recipe", "sise=3"], "sise"),
])  # fmt: skip
def test_mistakes_are_one_line(cinfer, files, monkeypatch, arguments, words):  # noqa: F811
    monkeypatch.chdir(files)
    done = cinfer("compare", *arguments)
    assert done.status == 2 and len(done.errors) == 1 and not done.out
    assert words in done.err


def test_a_terminal_shows_how_far_it_is(monkeypatch, files):
    from cinfer.cli import main
    terminal = a_terminal(monkeypatch)
    main(["compare", str(files / "c.onnx"), str(files / "c.onnx"), str(files / "photos")])
    told = [line.split(",")[0] for line in said(terminal)]
    assert any(re.fullmatch(r"step \d of 6", line) for line in told) and told[-1].startswith("cinfer: 1 output agrees")


def test_what_the_document_shows_is_what_is_said(cinfer, tmp_path, monkeypatch):  # noqa: F811
    models = [shared(f"models/efficientnet_lite0_{bits}.onnx") for bits in ("int8", "w8")]
    for name, path in zip(("int8", "float"), models):
        os.symlink(path, tmp_path / f"{name}.onnx")
    (tmp_path / "photos").mkdir()
    for name in ("dog", "horses"):
        os.symlink(DATA / f"{name}.jpg", tmp_path / "photos" / f"{name}.jpg")
    monkeypatch.chdir(tmp_path)
    done = cinfer("compare", "int8.onnx", "float.onnx", "photos/")
    shown = [line.split() for line in (ROOT / "docs" / "compare.md").read_text().splitlines()]
    assert done.status == 1 and len(done.lines) == 9
    for line in done.lines[:6] + done.lines[7:]:
        assert line.split() in shown
    cells = next(words for words in shown if words[:1] == ["probabilities"])
    assert [float(x) for x in done.lines[6].split()[3:6]] == pytest.approx([float(x) for x in cells[3:6]], rel=.02)


def commands(document) -> list[list[str]]:
    """The commands of a document's examples, each without what follows #."""
    return [shlex.split(line, comments=True)[1:] for line in document.read_text().splitlines()
            if line.startswith("    cinfer compare")]


def test_the_examples_run(cinfer, tmp_path, monkeypatch):  # noqa: F811
    """Of docs/compare.md, on files of the names that are there."""
    monkeypatch.chdir(tmp_path)
    float_model = os.path.relpath(DATA / "efficientnet_lite0_w8.onnx")
    for name in ("model", "float", "simplified", "int8"):
        os.symlink(float_model, f"{name}.onnx")
    (tmp_path / "photos").mkdir()
    for name in ("dog", "horses"):
        os.symlink(os.path.relpath(DATA / f"{name}.jpg", tmp_path / "photos"), f"photos/{name}.jpg")
    np.save("x.npy", np.zeros((1, 3, 224, 224), np.float32))
    assert cinfer("run", "model.onnx", "photos/", "--save", "reference.npz").status == 0
    found = commands(ROOT / "docs" / "compare.md")
    assert len(found) >= 4
    for command in found:
        done = cinfer(*command)
        assert done.status == 0, (command, done.err)
