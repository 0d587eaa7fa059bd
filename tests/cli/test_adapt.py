"""cinfer adapt, as a user types it."""

import json

import onnx
import pytest
from drawn import draw_set
from networks import classifier
from program import DATA, cinfer  # noqa: F401 (fixture)


@pytest.fixture
def model(tmp_path):
    return classifier(tmp_path, license="MIT")


@pytest.fixture
def photos(tmp_path):
    return draw_set(tmp_path / "photos", 4, ("circle", "stripes"))


def test_the_file_knows_its_classes(cinfer, model, photos, tmp_path):  # noqa: F811
    out, page = tmp_path / "out.onnx", tmp_path / "report.html"
    done = cinfer("adapt", model, photos, "-o", out, "--report", page)
    assert done.status == 0 and len(done.errors) == 1 and f"{out}: 2 classes, " in done.err
    assert "of 8 held-out pictures right" in done.err and "before Gemm 'classifier' of model.onnx" in done.lines[0]
    assert any(line.startswith("fewer than 10 pictures: circle (4), stripes (4)") for line in done.lines)
    assert page.read_text().startswith("<!DOCTYPE html>") and page.stat().st_size < 200_000
    run = cinfer("run", out, photos / "circle" / "00.png", "--json")
    answer = json.loads(run.out)
    assert {each["label"] for each in answer["classes"]} == {"circle", "stripes"}
    assert sum(each["score"] for each in answer["classes"]) == pytest.approx(1, abs=1e-4)
    metadata = json.loads(cinfer("info", out, "--json").out)["metadata"]
    assert metadata["cinfer.license"] == "MIT" and metadata["cinfer.title"] == "2 classes, adapted from model.onnx"


def test_as_json_with_another_recipe(cinfer, model, photos, tmp_path):  # noqa: F811
    out = tmp_path / "out.onnx"
    done = cinfer("adapt", model, photos, "-o", out, "--json", "--std", "32", "--size", "16")
    data = json.loads(done.out)
    assert data["pictures"] == 8 and len(data["confusion"]) == 2 and data["output"] == str(out)
    metadata = json.loads(cinfer("info", out, "--json").out)["metadata"]
    assert metadata["cinfer.input.std"] == "32" and metadata["cinfer.input.size"] == "16x16"


@pytest.mark.parametrize("arguments, words", [
    (["{model}", "{photos}"], "-o/--output"),
    (["{model}", "{photos}", "-o", "{model}"], "-o {model}: that would overwrite what is read"),
    (["{model}", "{photos}", "-o", "{picture}"], "-o {picture}: that would overwrite what is read"),
    (["{model}", "{photos}", "-o", "{out}", "--report", "{picture}"], "--report {picture}: that would overwrite what"),
    (["{model}", "{photos}", "-o", "{out}", "--report", "r.jpg"], "--report r.jpg: .jpg is the ending of a picture;"),
    (["{model}", "{photos}", "-o", "{photos}"], "that is a folder; name a file"),
    (["{model}", "{photos}", "-o", "{out}", "--report", "{out}"], "--report {out}: that is the file of -o"),
    (["{model}", "{photos}", "-o", "{out}", "--report", "none/r.html"], "there is no folder none"),
    (["{model}", "none", "-o", "{out}"], "none: no such file; name a folder with a folder of pictures for each class"),
    (["{model}", "{model}", "-o", "{out}"], "is a file; name a folder with a folder"),
    (["{model}", "{photos}/circle", "-o", "{out}"], "holds no folder with pictures"),
    (["none.onnx", "{photos}", "-o", "{out}"], "none.onnx: no such file"),
    (["-", "{photos}", "-o", "{out}"], "not read from standard input"),
    (["{model}", "{photos}", "-o", "{out}", "--size", "x"], "--size is 'x'"),
    (["{model}", "{photos}", "-o", "{out}", "--recipe", "output.name=z"], "has no output 'z'"),
])
def test_mistakes_are_one_line(cinfer, model, photos, tmp_path, arguments, words):  # noqa: F811
    names = {"model": model, "photos": photos, "out": tmp_path / "out.onnx",
             "picture": min(each for each in photos.rglob("*.*") if each.is_file())}
    done = cinfer("adapt", *(each.format(**names) for each in arguments))
    assert done.status == 2 and len(done.errors) == 1 and words.format(**names) in done.err
    assert not (tmp_path / "out.onnx").exists()


@pytest.mark.parametrize("command, flags", [("adapt", ["-o"]), ("adapt", ["-o", "{}/out.onnx", "--report"]),
                                            ("quantize", ["-r", "-o"])])
def test_weights_beside_the_model_are_not_written_over(cinfer, model, photos, tmp_path, command, flags):  # noqa: F811
    path, weights = tmp_path / "beside.onnx", tmp_path / "beside.data"
    onnx.save(onnx.load(model), path, save_as_external_data=True, location=weights.name, size_threshold=0)
    before = weights.read_bytes()
    done = cinfer(command, path, photos, *[each.format(tmp_path) for each in flags], weights)
    assert done.status == 2 and len(done.errors) == 1 and f"{weights}: that would overwrite what is read" in done.err
    assert weights.read_bytes() == before and not (tmp_path / "out.onnx").exists()
