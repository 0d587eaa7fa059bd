"""What docs/python.md shows runs, one piece after the other, where the models and pictures that it names are there."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
PLACES = ROOT / "tests" / "data", ROOT.parent / "shared" / "models", ROOT.parent / "shared" / "images"
NAME = re.compile(r'"([\w.]+\.(?:onnx|jpg|png))"')
WRITTEN = "out.jpg", "cut.png"
NEEDS = "camera:0", "cv2."


def pieces():
    text = (ROOT / "docs" / "python.md").read_text()
    found = re.findall(r"\n\n((?: {4}.*\n|\n)+)", text)
    return ["\n".join(line[4:] for line in piece.rstrip().split("\n")) for piece in found if piece.strip()]


def place_of(name):
    return next((folder / name for folder in PLACES if (folder / name).is_file()), None)


def test_the_pieces_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names, ran = {}, 0
    for number, piece in enumerate(pieces()):
        files = {name: place_of(name) for name in NAME.findall(piece) if name not in WRITTEN}
        if None in files.values() or any(word in piece for word in NEEDS):
            assert number, "the first piece shows what is in tests/data"
            continue
        for name, path in files.items():
            shutil.copy(path, tmp_path / name)
        if "photos/" in piece:
            (tmp_path / "photos").mkdir()
            shutil.copy(place_of("dog.jpg"), tmp_path / "photos")
            (tmp_path / "photos" / "bad.jpg").write_bytes(b"no picture")
        exec(compile(piece, f"docs/python.md, piece {number}", "exec"), names)
        ran += 1
    said = capsys.readouterr().out
    assert ran >= 3 and "horse 0.69" in said and "could not be read: " in said and '"label": "dog"' in said
    assert "the model's metadata\n416x416 BGR NCHW, stretch bilinear" in said
    with Image.open("out.jpg") as drawn:
        assert drawn.size == (1024, 664)


def test_what_it_tells_of_frames():
    """The piece with OpenCV, without it."""
    piece, = (piece for piece in pieces() if "cv2." in piece)
    import cinfer
    frame = np.asarray(Image.open(place_of("horses.jpg")))[..., ::-1]

    class cv2:
        imread = staticmethod(lambda name: frame)
    session = cinfer.load(str(place_of("nanodet_g_416_w8.onnx")))
    names = {"cv2": cv2, "np": np, "cinfer": cinfer, "session": session}
    exec(piece, names)
    assert len(names["answer"].found) == 4 and names["drawn"].shape == frame.shape
    assert np.abs(names["drawn"][:100].astype(int) - frame[:100]).max() == 0


@pytest.mark.parametrize("kind", ["Classes", "Objects", "Map", "Text", "Embedding", "Picture", "Summary"])
def test_what_it_names_is_there(kind):
    from dataclasses import fields

    from cinfer import vision
    from cinfer.vision.answers.summary import Row
    lines = (ROOT / "docs" / "python.md").read_text().splitlines()
    holds = "".join(line.split("|")[3] for line in lines if line.startswith(f"| `{kind}` |"))
    said = set(re.findall(r"`(\w+)[`.(]", holds))
    parts = {"Classes": [vision.Class], "Objects": [vision.Object], "Text": [vision.Line], "Summary": [Row]}
    parts = parts.get(kind, [])
    known = {f.name for each in [getattr(vision, kind), *parts] for f in fields(each)} | set(dir(getattr(vision, kind)))
    assert said and said <= known, said - known
