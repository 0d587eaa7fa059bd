"""-o answers.parquet: all answers in one file."""

import os
import re
import resource
import signal
import sys

import pytest
from PIL import Image
from program import DATA, ROOT, cinfer, start  # noqa: F401 (fixtures)
from small_models import classifier, constants, enlarger
from test_cli_many import folder_of, slow

BOX = {"cinfer.recipe": "1", "cinfer.task": "detection", "cinfer.labels": "cat\ndog", "cinfer.input.size": "8x8",
       "cinfer.output.kind": "x1,y1,x2,y2,score,class"}


@pytest.fixture
def read():
    return pytest.importorskip("pyarrow.parquet").read_table


@pytest.fixture
def detector(tmp_path):
    """It finds a dog in the left half of any picture, and a cat in all of it."""
    found = [[[0, 0, 4, 8, .9, 1], [0, 0, 8, 8, .5, 0]]]
    return constants(tmp_path / "dog.onnx", {"y": found}, (1, 3, 8, 8), BOX)


def test_a_row_for_each_object_and_each_picture_without(cinfer, read, tmp_path, detector):
    """Two pictures of one name, in two folders, are told by their paths."""
    for name in ("a/x.png", "b/x.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True)
        Image.new("RGB", (16, 4)).save(tmp_path / "in" / name)
    (tmp_path / "in" / "a" / "y.png").write_bytes(b"no picture")
    out = tmp_path / "answers.parquet"
    done = cinfer("run", detector, tmp_path / "in", "-r", "-o", out)
    assert done.status == 2 and f"cinfer: {out}: 5 rows" in done.errors and len(done.lines) == 2
    rows = read(out).to_pylist()
    assert [(os.path.relpath(row["image"], tmp_path / "in"), row["label"], row["rank"]) for row in rows] == [
        ("a/x.png", "dog", 1), ("a/x.png", "cat", 2), ("a/y.png", None, None), ("b/x.png", "dog", 1),
        ("b/x.png", "cat", 2)]
    assert [rows[0][each] for each in ("x_min", "y_min", "x_max", "y_max", "width", "height", "class_id", "task")] == [
        0, 0, 8, 4, 16, 4, 1, "detection"]
    assert rows[2]["error"] in done.err and rows[2]["width"] is None and rows[0]["error"] is None
    before = out.stat()
    done = cinfer("run", detector, tmp_path / "in", "-r", "-o", out, "--resume")
    assert done.status == 0 and not done.lines and done.errors == [f"cinfer: {out} left out: already there"]
    assert out.stat() == before
    assert cinfer("run", detector, tmp_path / "in" / "b", "-o", out).status == 0 and read(out).num_rows == 2


def test_one_picture_that_cannot_be_read_is_a_row_too(cinfer, read, tmp_path, detector):
    """Or a part of the work of which it is all would never be done."""
    (tmp_path / "y.png").write_bytes(b"no picture")
    done = cinfer("run", detector, tmp_path / "y.png", "-o", tmp_path / "answers.parquet")
    assert done.status == 2 and "y.png is no picture" in done.errors[0]
    assert "y.png is no picture" in read(tmp_path / "answers.parquet")["error"][0].as_py()


CLASS = {"rank", "label", "class_id", "confidence"}


@pytest.mark.parametrize("model, picture, columns", [
    ("efficientnet_lite0_w8.onnx", "dog.jpg", CLASS),
    ("nanodet_g_416_w8.onnx", "horses.jpg", CLASS | {"x_min", "y_min", "x_max", "y_max"})])
def test_of_real_models_it_has_what_they_say(model, picture, columns, cinfer, read, tmp_path):
    done = cinfer("run", DATA / model, DATA / picture, "-o", tmp_path / "answers.parquet", "--top", "4")
    assert done.status == 0, done.err
    found = read(tmp_path / "answers.parquet")
    said = {name for name in found.schema.names if found[name].null_count < len(found)}
    assert said - {"image", "task", "width", "height", "ms"} == columns and len(found) == 4


@pytest.mark.parametrize("arguments, words", [
    (["m.onnx", "p.png", "-o", "none/a.parquet"], "there is no folder none"),
    (["e.onnx", "p.png", "-o", "a.parquet"], "-o a.parquet: this model makes pictures, which a table does not take"),
    (["m.onnx", "p.png", "-o", "a.parquet", "--font", "f.ttf"], "--font is for what is drawn"),
    (["m.onnx", "p.png", "-o", "a.parquet", "--format", "yolo"], "writes a text for each picture; name a folder"),
    (["m.onnx", "p.png", "-o", "m.parquet.onnx"], "no picture format")])
def test_bad_places(arguments, words, cinfer, read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    classifier("m.onnx"), enlarger("e.onnx")
    Image.new("RGB", (6, 4)).save("p.png")
    done = cinfer("run", *arguments)
    assert done.status == 2 and words in done.errors[-1] and not list(tmp_path.glob("*.parquet"))


def test_what_is_read_is_not_written_over(cinfer, read, tmp_path, detector):
    os.link(detector, tmp_path / "a.parquet")
    Image.new("RGB", (6, 4)).save(tmp_path / "p.png")
    done = cinfer("run", detector, tmp_path / "p.png", "-o", tmp_path / "a.parquet")
    assert done.status == 2 and "that would overwrite what is read" in done.err


def test_without_pyarrow_it_is_said_before_the_work(cinfer, tmp_path, detector, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    Image.new("RGB", (6, 4)).save(tmp_path / "p.png")
    done = cinfer("run", detector, tmp_path / "p.png", "-o", tmp_path / "a.parquet")
    assert done.status == 2 and not done.lines and done.errors == [
        f"cinfer: -o {tmp_path}/a.parquet: Parquet is written by pyarrow, which is not installed; pip install "
        "'cinfer[parquet]'"]


def test_ctrl_c_leaves_no_table(read, tmp_path):
    process = start("run", slow(tmp_path / "m.onnx"), folder_of(tmp_path / "in", 200), "-o", tmp_path / "a.parquet",
                    bufsize=0)
    for _ in range(4):                                  # three of the first picture, which is counted by the next
        process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130 and sorted(p.name for p in tmp_path.iterdir()) == ["in", "m.onnx"]
    assert err.decode().splitlines()[-1].endswith(f"{tmp_path}/a.parquet is not written")


def test_a_full_disk_is_one_line_and_no_table(read, tmp_path, detector):
    folder = folder_of(tmp_path / "in", 3)
    process = start("run", detector, folder, "-o", tmp_path / "a.parquet",
                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)))
    _, err = process.communicate(timeout=60)
    said = err.decode().splitlines()
    assert process.returncode == 2 and sorted(p.name for p in tmp_path.iterdir()) == ["dog.onnx", "in"]
    assert said[-1] == f"cinfer: -o {tmp_path}/a.parquet: File too large" and len(said) <= 4


@pytest.mark.parametrize("module", ["duckdb", "pandas", "polars", "cinfer"])
def test_what_docs_say_of_tables_runs(module, cinfer, read, tmp_path, monkeypatch, capfd):
    pytest.importorskip(module)
    document = (ROOT / "docs" / "json.md").read_text()
    codes = re.findall(r"```python\n(.*?)```", document, re.DOTALL)
    code, = (each for each in codes if f"import {module}\n" in each)
    monkeypatch.chdir(tmp_path)
    lines = cinfer("run", DATA / "nanodet_g_416_w8.onnx", DATA / "horses.jpg", "-o", "answers.parquet", "--json").out
    whole = read("answers.parquet")
    (tmp_path / "answers.jsonl").write_text(lines)
    exec(code, {})
    assert read("answers.parquet") == whole and ("hors" in capfd.readouterr().out or module == "cinfer")
