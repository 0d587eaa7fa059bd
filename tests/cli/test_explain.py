"""cinfer explain, as a user types it."""

import json
import os
import re
import shlex

import numpy as np
import pytest
from explained import KEYS, N, colours, model
from PIL import Image
from program import DATA, ROOT, cinfer  # noqa: F401 (fixtures)
from test_progress import a_terminal, said

DOCUMENT = ROOT / "docs" / "explain.md"


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Models and pictures, in the folder where the program runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.onnx").write_bytes(colours())
    depth = model([N("ReduceMean", ["x"], ["y"], axes=[1])], {}, out=(1, 1, 8, 8), opset=13,
                  keys=KEYS | {"cinfer.task": "depth"})
    (tmp_path / "depth.onnx").write_bytes(depth)
    pixels = np.full((48, 64, 3), 40, np.uint8)
    pixels[8:24, 32:48, 0] = 250
    Image.fromarray(pixels).save(tmp_path / "p.png")
    (tmp_path / "cut.jpg").write_bytes((DATA / "dog.jpg").read_bytes()[:2000])
    (tmp_path / "text.txt").write_text("red\ngreen\n")
    (tmp_path / "photos").mkdir()
    return tmp_path


def test_a_sentence_and_a_picture(cinfer, files):  # noqa: F811
    done = cinfer("explain", "m.onnx", "p.png", "-o", "out.png")
    assert done.status == 0 and len(done.lines) == 1
    assert re.fullmatch(r"p\.png: red 0\.\d\d\. What is bright raised this score; what is dark did not, or lowered it"
                        r"\. -> out\.png", done.lines[0])
    assert len(done.errors) == 1 and done.errors[0].startswith("cinfer: a class activation map; fed 8x8 RGB NCHW")
    with Image.open("out.png") as drawn:
        assert drawn.size[0] == 6 * 64 and drawn.size[1] > 6 * 48


def test_occlusion_of_a_label_as_json(cinfer, files):  # noqa: F811
    done = cinfer("explain", "m.onnx", "p.png", "--label", "blue", "--method", "occlusion", "--json", "-o", "out.jpg")
    found = json.loads(done.out)
    assert done.status == 0 and (found["label"], found["index"], found["method"]) == ("blue", 2, "occlusion")
    assert np.shape(found["grid"]) == (7, 7) and found["output"] == "out.jpg" and "logit" not in found
    assert done.errors == ["cinfer: occlusion; fed 8x8 RGB NCHW, stretch nearest, mean 0, std 255"]
    cam = json.loads(cinfer("explain", "m.onnx", "p.png", "--label", "2", "--json", "-o", "out.jpg").out)
    assert np.mean(cam["grid"]) + cam["bias"] == pytest.approx(cam["logit"], abs=1e-4)


def test_layers_and_features(cinfer, files):  # noqa: F811
    listed = cinfer("explain", DATA / "efficientnet_lite0_w8.onnx", "--layers")
    shown = DOCUMENT.read_text().splitlines()
    assert listed.status == 0 and not listed.errors and all("    " + line in shown for line in listed.lines[:3])
    assert json.loads(cinfer("explain", DATA / "efficientnet_lite0_w8.onnx", "--layers", "--json").out)[0] == {
        "name": "stem.conv", "operator": "Conv", "shape": [1, 32, 112, 112]}
    done = cinfer("explain", "depth.onnx", "p.png", "--features", "y", "-o", "out.png")
    assert done.status == 0 and done.lines[0].startswith("p.png: y (ReduceMean, 1x1x8x8), all 1 channels, the most")
    done = cinfer("explain", "depth.onnx", "p.png", "--features", "y", "-o", "out.png", "--json")
    assert json.loads(done.out)["channels"] == [0]


@pytest.mark.parametrize("arguments, said_then", [
    ("", "the following arguments are required: MODEL"), ("m.onnx", "which PICTURE?"),
    ("m.onnx p.png", "-o OUT.png names the picture to write"), ("none.onnx p.png -o o.png", "no such file"),
    ("p.png p.png -o o.png", "this is no ONNX model but a PNG picture"), ("m.onnx none.png -o o.png", "no such file"),
    ("m.onnx photos -o o.png", "photos is a folder"), ("m.onnx text.txt -o o.png", "text.txt"),
    ("m.onnx cut.jpg -o o.png", "cut.jpg"), ("- p.png -o o.png", "not read from standard input"),
    ("m.onnx p.png p.png -o o.png", "unknown argument 'p.png'"),
    ("m.onnx p.png -o p.png", "that would overwrite what is read"),
    ("m.onnx p.png --labels cut.jpg -o cut.jpg", "that would overwrite what is read"),
    ("m.onnx p.png --font cut.jpg -o cut.jpg", "that would overwrite what is read"),
    ("m.onnx p.png -o m.onnx", "the ending says no picture format"),
    ("m.onnx p.png -o no/o.png", "there is no folder no"), ("m.onnx p.png -o photos", "-o photos: the ending says no"),
    ("m.onnx p.png -o o.gif", "the ending says no picture format"),
    ("m.onnx p.png -o o.png --label purple", "no class 'purple'; right is red, green, blue"),
    ("m.onnx p.png -o o.png --label 3", "no class '3'"), ("m.onnx p.png -o o.png --label -1", "no class '-1'"),
    ("m.onnx p.png -o o.png --label 99999999999999999999", "no class '9999"),
    ("m.onnx p.png -o o.png --method lime", "invalid choice: 'lime'"),
    ("m.onnx p.png -o o.png --labels text.txt", "there are 2 labels for 3 classes"),
    ("m.onnx p.png -o o.png --font text.txt", "the font text.txt cannot be read"),
    ("m.onnx p.png -o o.png --features y", "'y' is no map, rows and columns of numbers; cinfer explain MODEL --layers"),
    ("m.onnx p.png -o o.png --features none", "no layer 'none'"),
    ("m.onnx p.png -o o.png --features y --label red", "leave out --label"),
    ("m.onnx --layers", "there is nothing to look at"), ("m.onnx --layers -o o.png", "leave out -o"),
    ("m.onnx p.png --layers --method cam", "leave out --method"),
    ("depth.onnx p.png -o o.png", "the score of a class or of an object; this model's task is depth"),
    ("m.onnx p.png -o o.png --task detection", "nothing reads this model's outputs as detection: --task"),
    ("m.onnx p.png -o o.png --task raw", "nothing reads this model's outputs"),
    ("m.onnx p.png -o o.png --size 9x9", "axis 2 is 9, the model takes 8"),
])
def test_what_can_be_mended_is_one_line(cinfer, files, arguments, said_then):  # noqa: F811
    before = sorted(os.listdir())
    done = cinfer("explain", *arguments.split())
    assert done.status == 2 and not done.out and len(done.errors) == 1 and said_then in done.errors[0]
    assert sorted(os.listdir()) == before and (files / "p.png").stat().st_size > 100


def test_a_file_is_written_whole_or_not_at_all(cinfer, files, monkeypatch):  # noqa: F811
    from cinfer.vision.answers import encode

    def full(pixels, file, format):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")
    (files / "out.png").write_bytes(b"what was there")
    monkeypatch.setattr(encode, "encode", full)
    done = cinfer("explain", "m.onnx", "p.png", "-o", "out.png")
    assert done.status == 2 and "No space left" in done.errors[-1]
    assert (files / "out.png").read_bytes() == b"what was there" and not list(files.glob(".cinfer*"))


def test_parts_are_counted_on_a_terminal(monkeypatch, files):
    from cinfer.cli import main
    terminal = a_terminal(monkeypatch)
    main(["explain", "m.onnx", "p.png", "--method", "occlusion", "-o", "out.png"])
    assert any(re.match(r"part \d+ of 49", line) for line in said(terminal))


def commands() -> list[list[str]]:
    """Those of the document's examples."""
    return [shlex.split(line, comments=True)[1:] for line in DOCUMENT.read_text().splitlines()
            if line.startswith("    cinfer explain")]


def test_the_document_shows_what_is_said(cinfer, files):  # noqa: F811
    for name in ("dog.jpg", "horses.jpg"):
        os.symlink(DATA / name, files / name)
    os.symlink(DATA / "efficientnet_lite0_w8.onnx", files / "model.onnx")
    os.symlink(DATA / "nanodet_g_416_w8.onnx", files / "detector.onnx")
    shown, found = DOCUMENT.read_text().splitlines(), commands()
    assert len(found) == 6
    for command in found:
        done = cinfer(*command)
        assert done.status == 0, (command, done.err)
        if command[-1] in ("why.png", "object.png"):
            words = re.sub(r"\d+\.?\d*", "N", done.lines[0])        # numbers: those of the tests of the function
            assert words in [re.sub(r"\d+\.?\d*", "N", line.strip()) for line in shown]
        if "-o" in command:
            assert (files / command[-1]).stat().st_size > 10_000


def test_the_document_s_program_runs(files, capsys):
    os.symlink(DATA / "dog.jpg", files / "dog.jpg")
    os.symlink(DATA / "efficientnet_lite0_w8.onnx", files / "model.onnx")
    text = DOCUMENT.read_text().partition("## From Python")[2]
    exec("\n".join(line[4:] for line in text.splitlines() if line.startswith("    ") or not line), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("German shepherd 0.9") and lines[0].endswith("cam") and lines[1] == "(576, 768)"
    assert "malinois" in lines[3] and lines[4] == "stem.conv Conv (1, 32, 112, 112)"
    assert (files / "why.png").exists() and (files / "first.png").exists()
