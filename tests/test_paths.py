"""Files that are written take their place whole, or an error names the one that was meant."""

import os

import pytest
from program import DATA

import cinfer
from cinfer.paths import replacing


def places(folder) -> list[tuple[str, str]]:
    """(a path where no file can be, why)"""
    (folder / "folder").mkdir()
    (folder / "file").touch()
    return [(f"{folder}/none/a.onnx", "No such file or directory"), (f"{folder}/folder", "Is a directory"),
            (f"{folder}/file/a.onnx", "Not a directory"), (f"{folder}/{'a' * 300}.onnx", "File name too long")]


def refused(write, folder):
    for path, why in places(folder):
        with pytest.raises((OSError, cinfer.Error)) as caught:
            write(path)
        error = caught.value
        assert (error.filename, error.strerror) == (path, why) if isinstance(error, OSError) else \
            str(error) == f"{path}: {why}"
    assert sorted(os.listdir(folder)) == ["file", "folder"] and not os.listdir(folder / "folder")


def test_an_error_names_the_file_that_was_to_be_written(tmp_path):
    def write(path):
        with replacing(path) as file:
            file.write(b"x")
    refused(write, tmp_path)


def test_label_names_the_file_that_was_to_be_written(tmp_path):
    refused(lambda path: cinfer.label(DATA / "efficientnet_lite0_w8.onnx", path), tmp_path)


def test_a_table_names_the_file_that_was_to_be_written(tmp_path):
    pytest.importorskip("pyarrow")

    def write(path):
        with cinfer.vision.to_parquet(path):
            pass
    refused(write, tmp_path)


def test_an_error_of_the_block_keeps_its_own_name(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, replacing(tmp_path / "a") as file:
        file.write(b"x")
        open(tmp_path / "other")
    assert caught.value.filename == str(tmp_path / "other") and os.listdir(tmp_path) == []
