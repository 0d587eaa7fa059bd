"""Where answers of several pictures go, and what --save, --font and --format write."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image
from program import cinfer, red, start  # noqa: F401 (fixtures)
from small_models import classifier, constants, enlarger, halves

BOX = {"cinfer.recipe": "1", "cinfer.task": "detection", "cinfer.labels": "cat\ndog", "cinfer.input.size": "8x8",
       "cinfer.output.kind": "x1,y1,x2,y2,score,class"}


@pytest.fixture
def detector(tmp_path):
    """It finds a dog in the left half of any picture."""
    return constants(tmp_path / "dog.onnx", {"y": [[[0, 0, 4, 8, .9, 1]]]}, (1, 3, 8, 8), BOX)


@pytest.fixture
def two(tmp_path):
    """Two pictures of one name in two folders."""
    for folder, colour in (("a", "red"), ("b", "blue")):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (6, 4), colour).save(tmp_path / folder / "x.png")
    return [tmp_path / "a" / "x.png", tmp_path / "b" / "x.png"]


def corner_of(path):
    with Image.open(path) as picture:
        return picture.convert("RGB").getpixel((0, 0))


def test_pictures_of_one_name_do_not_replace_each_other(cinfer, tmp_path, two):
    model, out = enlarger(tmp_path / "m.onnx"), tmp_path / "out"
    for _ in range(2):                                  # again: the same names
        done = cinfer("run", model, *two, "-o", f"{out}/")
        assert done.status == 0 and sorted(os.listdir(out)) == ["x-2.png", "x.png"]
        assert [corner_of(out / name) for name in ("x.png", "x-2.png")] == [(255, 0, 0), (0, 0, 255)]
        assert done.lines[1].endswith("out/x-2.png")
    (out / "x-2.png").unlink()
    done = cinfer("run", model, *two, "-o", f"{out}/", "--resume")
    assert len(done.lines) == 1 and done.lines[0].startswith(f"{two[1]}: ") and done.lines[0].endswith("out/x-2.png")
    assert "1 picture left out: already there" in done.err


def test_a_picture_that_is_read_later_is_not_written_over(cinfer, tmp_path, two):
    before = [path.read_bytes() for path in two]
    for sources in (two, two[::-1], [two[0], tmp_path / "b"], [two[0], f"{tmp_path}/b/*.png"]):
        done = cinfer("run", enlarger(tmp_path / "m.onnx"), *sources, "-o", f"{tmp_path}/b/")
        assert done.status == 2 and f"-o {tmp_path}/b/x.png: that would overwrite what is read" in done.err
        assert [path.read_bytes() for path in two] == before


def test_yolo_writes_texts_into_a_folder(cinfer, tmp_path, detector, two):
    for place in ("labels", "labels/"):
        done = cinfer("run", detector, *two, "--format", "yolo", "-o", tmp_path / place)
        assert done.status == 0 and not done.out
        assert (tmp_path / "labels/x.txt").read_text() == (tmp_path / "labels/x-2.txt").read_text() == \
            "1 0.250000 0.500000 0.500000 1.000000 0.9\n"
    (tmp_path / "labels/x.txt").write_text("kept")
    done = cinfer("run", detector, *two, "--format", "yolo", "-o", tmp_path / "labels", "--resume")
    assert "2 pictures left out: already there" in done.err and (tmp_path / "labels/x.txt").read_text() == "kept"
    done = cinfer("run", detector, two[0], "--format", "yolo", "-o", tmp_path / "out.txt")
    assert done.status == 2 and "writes a text for each picture; name a folder" in done.err


def test_what_is_there_already_is_said_of_one_picture_too(cinfer, tmp_path, red):
    for count in range(2):
        done = cinfer("run", enlarger(tmp_path / "m.onnx"), red, "-o", f"{tmp_path}/out/", "--resume")
        assert done.status == 0 and len(done.lines) == 1 - count
    assert done.errors == ["cinfer: 1 picture left out: already there"]


def test_a_model_among_the_sources_is_said_before_the_work(cinfer, tmp_path, red):
    done = cinfer("run", classifier(tmp_path / "m.onnx"), red, red, red, tmp_path / "m.onnx", red)
    assert done.status == 2 and not done.out and len(done.errors) == 1 and "is a model, not a picture" in done.err


def test_folders_that_cannot_be_listed_are_said(cinfer, tmp_path, red, monkeypatch):
    from cinfer.vision.pictures import listed
    walk = os.walk

    def closed(folder, onerror):
        for path, folders, files in walk(folder):
            if os.path.basename(path) == "closed":
                onerror(PermissionError(13, "Permission denied", path))
            else:
                yield path, folders, files

    monkeypatch.setattr(listed.os, "walk", closed)
    for name in ("in/closed", "in/open"):
        (tmp_path / name).mkdir(parents=True)
        shutil.copy(red, tmp_path / name)
    model = classifier(tmp_path / "m.onnx")
    done = cinfer("run", model, tmp_path / "in", "-r", "--json")
    assert done.status == 0 and len(done.lines) == 1
    assert done.errors[0] == f"cinfer: {tmp_path}/in/closed cannot be read: Permission denied; it is left out"
    done = cinfer("run", model, tmp_path / "in/closed")
    assert done.status == 2 and done.errors == [f"cinfer: {tmp_path}/in/closed cannot be read: Permission denied"]


def test_a_file_that_is_read_only_stays(cinfer, tmp_path, red, monkeypatch):
    out = tmp_path / "out.png"
    out.write_text("mine")
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != str(out) and access(path, mode))     # root may all
    done = cinfer("run", enlarger(tmp_path / "m.onnx"), red, "-o", out)
    assert done.status == 2 and "no permission to write over it" in done.err and out.read_text() == "mine"


def test_a_file_that_nobody_is_to_write_stays(cinfer, tmp_path, red):
    """Root may, in containers often without knowing."""
    out = tmp_path / "out.png"
    out.write_text("mine")
    out.chmod(0o444)
    done = cinfer("run", enlarger(tmp_path / "m.onnx"), red, "-o", out)
    assert done.status == 2 and "no permission to write over it" in done.err and out.read_text() == "mine"


# ---- --save

def mapped(tmp_path, task, values, **keys):
    return constants(tmp_path / f"{task}.onnx", {"y": values}, (1, 3, 4, 6),
                     {"cinfer.recipe": "1", "cinfer.task": task, "cinfer.input.size": "4x6", **keys})


@pytest.mark.parametrize("ending", ["png", "tif", "TIFF"])
def test_a_depth_is_saved_with_16_bits(cinfer, tmp_path, red, ending):
    depth = np.linspace(2, 12, 24).reshape(1, 1, 4, 6)
    model = mapped(tmp_path, "depth", depth)
    done = cinfer("run", model, red, "--save", tmp_path / f"depth.{ending}", "-o", tmp_path / "seen.png")
    assert done.status == 0 and done.errors[1] == f"cinfer: {tmp_path}/depth.{ending}: 0 is 2, 65535 is 12"
    with Image.open(tmp_path / f"depth.{ending}") as picture:
        assert picture.mode == "I;16" and picture.size == (6, 4)
        assert np.abs(np.asarray(picture, np.int64) - (depth[0, 0] - 2) * 6553.5).max() <= 1
    with Image.open(tmp_path / "seen.png") as picture:
        assert picture.mode == "RGB"


def test_classes_are_saved_as_their_numbers(cinfer, tmp_path, red):
    scores = np.zeros((1, 3, 4, 6))
    scores[0, 2, :, 3:] = 1
    done = cinfer("run", mapped(tmp_path, "semantic", scores), red, "--save", tmp_path / "map.png")
    assert done.status == 0
    with Image.open(tmp_path / "map.png") as picture:
        assert picture.mode == "L" and np.asarray(picture).tolist() == [[0, 0, 0, 2, 2, 2]] * 4


@pytest.mark.parametrize("sources, name, words", [
    (1, "map.png", "that is for maps of pixels, such as depth; this model's task is detection: FILE.npz takes all"),
    (2, "map.png", "there are several pictures; a .npz file takes the outputs of all"),
    (1, "same.png", "that is the file of -o; name another one")])
def test_maps_that_are_none(cinfer, tmp_path, detector, two, sources, name, words):
    done = cinfer("run", detector, *two[:sources], "--save", tmp_path / name, "-o",
                  tmp_path / ("same.png" if sources == 1 else "drawn"))
    assert done.status == 2 and words in done.errors[-1] and not (tmp_path / name).exists()


# ---- flags

def test_flags_that_say_nothing_to_a_task_are_named(cinfer, tmp_path, red, detector):
    done = cinfer("run", enlarger(tmp_path / "m.onnx"), red, "--conf", ".5", "--classes", "a,b")
    assert done.status == 0 and done.errors[0].endswith("; not used: --conf, --classes")
    done = cinfer("run", detector, red, "--conf", ".5", "--top", "3", "--classes", "dog , cat")
    assert done.status == 0 and done.errors[0].endswith("; not used: --top")
    assert "not used" not in cinfer("run", detector, red, "--iou", ".5", "--max-det", "2").err
    assert cinfer("run", detector, red, "--output-scale", "2").errors[0].endswith("; not used: --output-scale")


def test_a_task_that_nothing_reads_is_said(cinfer, tmp_path, red):
    done = cinfer("run", halves(tmp_path / "m.onnx"), red, "--task", "oriented")
    assert done.status == 0 and done.errors[0].startswith("cinfer: raw outputs, for nothing reads them as oriented: ")
    done = cinfer("run", halves(tmp_path / "m.onnx"), red, "--task", "raw", "-o", tmp_path / "out.png")
    assert done.errors[0].startswith("cinfer: raw outputs: as given: --task")
    assert done.errors[0].endswith("; -o writes the picture as it is: if the output is one, --task image says so")


@pytest.mark.parametrize("label, status", [("dog", 0), ("1", 0), ("cat", 1), ("0", 1), ("dgo", 2), ("2", 2),
                                           ("dog,cat", 2)])
def test_what_is_expected_is_a_label_of_the_model(cinfer, red, detector, label, status):
    done = cinfer("run", detector, red, "--expect", label)
    assert done.status == status
    if status == 2:
        assert not done.out and len(done.errors) == 1 and "--expect" in done.err and "has no class" in done.err


def test_labels_that_are_not_as_many_as_classes(cinfer, tmp_path, red, detector):
    (tmp_path / "one.txt").write_text("one\n")
    done = cinfer("run", detector, red, "--labels", tmp_path / "one.txt")
    assert done.status == 2 and "there are 1 labels, but the model says class 1" in done.err
    done = cinfer("run", detector, red, red, red, "--labels", tmp_path / "one.txt")      # of all pictures, so said once
    assert done.status == 2 and len(done.errors) == 1


def test_names_of_classes_that_are_empty(cinfer, red, detector):
    done = cinfer("run", detector, red, "--classes", "dog,")
    assert done.status == 2 and "'dog,' has an empty name" in done.err


def test_output_scale_makes_a_picture_of_any_output(cinfer, tmp_path, red):
    halved = classifier(tmp_path / "m.onnx")            # no picture, to begin with
    assert "that of a picture is of rank 4" in cinfer("run", halved, red, "--task", "image").err
    model = constants(tmp_path / "p.onnx", {"y": np.full((1, 3, 4, 6), .25)}, (1, 3, 4, 6))
    for flags, grey in (((), 64), (("--output-scale", "255"), 64), (("--output-scale", "400"), 100)):
        done = cinfer("run", model, red, "--task", "image", *flags, "-o", tmp_path / "out.png")
        assert done.status == 0 and corner_of(tmp_path / "out.png") == (grey,) * 3
    done = cinfer("run", model, red, "--task", "image", "--output-scale", "x")
    assert done.status == 2 and done.err.startswith("cinfer: ") and "--output-scale is 'x'" in done.err


def test_fonts(cinfer, tmp_path, red, detector):
    (tmp_path / "no.ttf").write_text("no font")
    for flags, words in ((["--font", tmp_path / "no.ttf", "-o", tmp_path / "x.png"],
                          "cannot be read: unknown file format"),
                         (["--font", tmp_path, "-o", tmp_path / "x.png"], "is a folder; name a .ttf or .otf file"),
                         (["--font", "x.ttf"], "--font is for what is drawn, by -o or --show")):
        done = cinfer("run", detector, red, *flags)
        assert done.status == 2 and len(done.errors) == 1 and words in done.err and not done.out


def test_letters_that_the_font_lacks_are_said_once(cinfer, tmp_path, two):
    model = constants(tmp_path / "inu.onnx", {"y": [[[0, 0, 4, 8, .9, 1]]]}, (1, 3, 8, 8),
                      BOX | {"cinfer.labels": "猫\n犬"})
    done = cinfer("run", model, *two, "-o", tmp_path / "out")
    assert done.status == 0 and done.err.count("the font has not all letters") == 1 and "犬" in done.out


def test_pictures_without_pillow_is_one_line(tmp_path, red):
    (tmp_path / "PIL").mkdir()
    (tmp_path / "PIL" / "__init__.py").write_text("raise ModuleNotFoundError(\"No module named 'PIL'\", name='PIL')\n")
    process = start("run", classifier(tmp_path / "m.onnx"), red, path=[tmp_path])
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2 and not out
    assert err == b"cinfer: pictures are read by Pillow, which is not installed; pip install pillow\n"
