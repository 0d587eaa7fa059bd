"""Answers as a table: what JSON says is in it, of its type, and a file is whole or not there."""
import json
from pathlib import Path

import pytest

import cinfer
from cinfer.vision.answers import parquet

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "answer.schema.json").read_text())
PICTURE = {"image": "a/x.jpg", "width": 640, "height": 480, "ms": 12.34}
BOXED = {"label": "dog", "index": 16, "score": .5, "box": [1.25, 2.5, 30.01, 40.0]}
BOX = {"label": "dog", "class_id": 16, "confidence": .5, "x_min": 1.25, "y_min": 2.5, "x_max": 30.01, "y_max": 40.0}
BESIDE = {"points": [[1.0, 2.0, .5], [3.0, 4.0, None]], "polygon": [[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]], "angle": .25,
          "rle": {"size": [4, 6], "counts": [5, 19]}, "embedding": [.5, -.5, None]}
CORNERS = [[0.0, 0.0], [9.0, 0.0], [9.0, 4.0], [0.0, 4.0]]
NUMBERS = {"min": -1.5, "max": 2.0, "mean": .1}
OUTPUT = {"shape": [1, 2], "dtype": "float64", **NUMBERS, "values": [-1.5, 2.0]}
RECORDS = {                                             # name -> (a record but for PICTURE, its rows but for PICTURE)
    "objects": ({"task": "detection", "objects": [BOXED, BOXED | {"label": None, "score": None}]},
                [BOX | {"rank": 1}, BOX | {"label": None, "confidence": None, "rank": 2}]),
    "all of an object": ({"task": "keypoints", "objects": [BOXED | BESIDE]}, [BOX | BESIDE | {"rank": 1}]),
    "nothing": ({"task": "detection", "objects": []}, [{}]),
    "classes": ({"task": "classification", "classes": [{"index": 3, "label": "cat", "score": .75},
                                                       {"index": 1 << 40, "label": "dog", "score": .25}]},
                [{"class_id": 3, "label": "cat", "confidence": .75, "rank": 1},
                 {"class_id": 1 << 40, "label": "dog", "confidence": .25, "rank": 2}]),
    "text": ({"task": "text", "text": [{"text": "Größe", "score": .5, "quad": CORNERS}, {"text": "", "score": None}]},
             [{"text": "Größe", "confidence": .5, "polygon": CORNERS, "rank": 1},
              {"text": "", "confidence": None, "rank": 2}]),
    "map of classes": ({"task": "semantic", "map": {"classes": [{"label": "sky", "index": 2, "share": .75},
                                                                {"label": None, "index": 0, "share": .25}]}},
                       [{"label": "sky", "class_id": 2, "share": .75, "rank": 1},
                        {"label": None, "class_id": 0, "share": .25, "rank": 2}]),
    "map of numbers": ({"task": "depth", "map": NUMBERS}, [NUMBERS]),
    "anomaly": ({"task": "anomaly", "map": NUMBERS | {"share": .5},
                 "classes": [{"index": 1, "label": "scratch", "score": .5}]},
                [NUMBERS | {"share": .5, "class_id": 1, "label": "scratch", "confidence": .5, "rank": 1}]),
    "embedding": ({"task": "embedding", "embedding": [.5, .25]}, [{"embedding": [.5, .25]}]),
    "outputs": ({"task": None, "outputs": [{"name": "y", **OUTPUT}, {"name": "z", "shape": [], "dtype": "string"}]},
                [{"output": "y", **OUTPUT, "rank": 1}, {"output": "z", "shape": [], "dtype": "string", "rank": 2}])}


@pytest.mark.parametrize("name", RECORDS)
def test_what_was_found_becomes_rows(name):
    """Keys that are not there are no column of a row, and all that are have one."""
    said, rows = RECORDS[name]
    of_picture = PICTURE | {"task": said["task"]}
    assert parquet.rows_of(PICTURE | said) == [of_picture | row for row in rows]
    assert {key for row in rows for key in row} <= set(parquet.COLUMNS)


def test_records_have_all_that_json_may_say():
    """So the tests here see a key that is new."""
    def keys(kind):
        return set(SCHEMA["$defs"][kind]["properties"])
    records = [PICTURE | said for said, _ in RECORDS.values()]
    assert {key for each in records for key in each} == set(SCHEMA["properties"]) - {"error", "picture"}
    for key, kind in (("objects", "object"), ("classes", "class"), ("text", "line"), ("outputs", "output")):
        assert {each for record in records for thing in record.get(key, ()) for each in thing} == keys(kind)
    assert {each for record in records for each in record.get("map", ())} == keys("map")


def test_a_file_has_it_all_with_its_types(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    read = pytest.importorskip("pyarrow.parquet").read_table
    with cinfer.vision.to_parquet(tmp_path / "t.parquet") as table:
        for said, _ in RECORDS.values():
            table.write(PICTURE | said)
        table.write({"image": "b.jpg", "error": "no picture"})
    found = read(tmp_path / "t.parquet")
    nothing = dict.fromkeys(parquet.COLUMNS)
    want = [nothing | PICTURE | {"task": said["task"]} | row for said, rows in RECORDS.values() for row in rows]
    assert found.to_pylist() == [*want, nothing | {"image": "b.jpg", "error": "no picture"}]
    assert table.count == found.num_rows == len(want) + 1
    with cinfer.vision.to_parquet(tmp_path / "empty.parquet"):
        pass
    assert read(tmp_path / "empty.parquet").schema == found.schema and list(found.schema.names) == list(parquet.COLUMNS)
    kinds = {name: str(found.schema.field(name).type) for name in ("image", "width", "class_id", "confidence", "x_min")}
    assert kinds == {"image": "string", "width": "int32", "class_id": "int64", "confidence": "float", "x_min": "double"}
    assert arrow.types.is_list(found.schema.field("embedding").type)


def test_names_that_are_no_utf8_are_spelled_out(tmp_path):
    read = pytest.importorskip("pyarrow.parquet").read_table
    with cinfer.vision.to_parquet(tmp_path / "t.parquet") as table:
        table.write({"image": b"caf\xe9.jpg".decode("utf-8", "surrogateescape"), "error": "no"})
    assert read(tmp_path / "t.parquet")["image"].to_pylist() == ["caf\\udce9.jpg"]


@pytest.mark.parametrize("limits", [{"MOST_ROWS": 10}, {"MOST_BYTES": 100}])
def test_rows_are_written_in_groups_as_they_come(limits, tmp_path, monkeypatch):
    read = pytest.importorskip("pyarrow.parquet")
    for name, value in (limits | {"MOST_DICTS": 5}).items():
        monkeypatch.setattr(parquet, name, value)
    sizes = []
    with open(tmp_path / "t.parquet", "wb") as file, parquet.Rows(file) as table:
        for number in range(44):
            table.write(PICTURE | {"image": f"{number}.jpg", "task": "detection", "objects": [BOXED]})
            file.flush()
            sizes.append((tmp_path / "t.parquet").stat().st_size)
    found = read.ParquetFile(tmp_path / "t.parquet")
    assert found.metadata.num_row_groups == (5 if "MOST_ROWS" in limits else 9) and sizes[30] > sizes[15] > sizes[1]
    assert found.read()["image"].to_pylist() == [f"{number}.jpg" for number in range(44)]


def test_an_error_leaves_the_file_that_was_there(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "t.parquet"
    path.write_bytes(b"before")
    with pytest.raises(ZeroDivisionError), cinfer.vision.to_parquet(path) as table:
        table.write({"image": "b.jpg", "error": "no picture"})
        1 / 0
    assert path.read_bytes() == b"before" and list(tmp_path.iterdir()) == [path]


def test_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(cinfer.InputError, match=r"not installed; pip install 'cinfer\[parquet\]'"):
        with cinfer.vision.to_parquet(tmp_path / "t.parquet"):
            pass
    assert not list(tmp_path.iterdir())
