"""Sessions and Readers in other processes, and copies here: what was asked for, of the same file."""
import copy
import json
import os
import pickle
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import cinfer
from cinfer.vision import Options, Reader

from onnx_models import Model
from small_network import FREE, X, network

DATA = Path(__file__).parent / "data"
MODEL, PICTURE = DATA / "efficientnet_lite0_w8.onnx", DATA / "dog.jpg"


def heavy(seed: int) -> Model:
    """A network whose file is mapped: it has more than 4 MB of weights."""
    m = Model(seed=seed)
    x = m.input("images", 1, 3, 8, 8)
    return m.outputs(m.MatMul(m.Flatten(x), m.constant(np.random.default_rng(seed).random((192, 6000), np.float32))))


def in_another_process(folder, code: str, *arguments) -> str:
    """What a program prints, or the last line of its error. Its folder is `folder`"""
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)], cwd=folder,
                          capture_output=True, text=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    return done.stdout if not done.returncode else done.stderr.splitlines()[-1]


# ---- what was asked for

def test_threads_are_chosen_where_the_copy_is_unless_they_were_asked_for(monkeypatch):
    monkeypatch.setenv("CINFER_THREADS", "2")
    by_default, asked = (pickle.dumps(cinfer.load(network().bytes(), threads=n)) for n in (None, 2))
    monkeypatch.setenv("CINFER_THREADS", "1")
    assert (pickle.loads(by_default).threads, pickle.loads(asked).threads) == (1, 2)


def test_all_that_was_asked_for_goes_along(tmp_path):
    (tmp_path / "m.onnx").write_bytes(network().bytes())
    for source in (network().bytes(), tmp_path / "m.onnx"):
        session = cinfer.load(source, threads=2, isa="baseline", max_memory=10**8, precision="bf16")
        for again in (pickle.loads(pickle.dumps(session)), copy.copy(session), copy.deepcopy(session)):
            assert (again.threads, again.isa, again._max_memory) == (2, "baseline", 10**8)
            assert again.precision_note == session.precision_note != None       # noqa: E711
            assert again.run(None, {"images": X})[0].tobytes() == session.run(None, {"images": X})[0].tobytes()


def test_of_a_path_nothing_but_the_path_travels(tmp_path):
    data = heavy(0).bytes()
    (tmp_path / "m.onnx").write_bytes(data)
    assert len(pickle.dumps(cinfer.load(tmp_path / "m.onnx"))) < 1000 + len(str(tmp_path))
    assert len(data) < len(pickle.dumps(cinfer.load(data))) < len(data) + 1000


# ---- the file that is there

@pytest.mark.parametrize("of", [network, heavy], ids=["copied", "mapped"])
@pytest.mark.parametrize("there", ["touched", "a copy", "same size", "longer", "no model", "gone", "folder"])
def test_another_file_under_the_path_is_one_error(of, there, tmp_path):
    path, data = tmp_path / "m.onnx", (network() if of is network else heavy(0)).bytes()
    path.write_bytes(data)
    session = cinfer.load(path)
    pickled = pickle.dumps(session)
    path.unlink()
    if there == "folder":
        path.mkdir()
    elif there != "gone":
        path.write_bytes({"same size": data[:-8] + bytes(8), "longer": data + b"\x2a\0", "no model": b"no model"}
                         .get(there, data))
    if there in ("touched", "a copy"):
        if there == "touched":
            os.utime(path, (1, 1))
        assert pickle.loads(pickled)(X)[0].tobytes() == session(X)[0].tobytes()
        return
    with pytest.raises(cinfer.Error) as caught:
        pickle.loads(pickled)
    text = str(caught.value)
    assert text.startswith(str(path)) and "\n" not in text
    assert ("no such file here; a session that was loaded from a path is pickled by it" if there == "gone" else
            "is a folder" if there == "folder" else
            f"is another file than the one of the session that was pickled ({path.stat().st_size} bytes, that one had "
            f"{len(data)})") in text


def test_external_data_is_told_apart_too(tmp_path):
    onnx = pytest.importorskip("onnx")
    model = onnx.load_model_from_string(heavy(0).bytes())
    onnx.save_model(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    pickled = pickle.dumps(cinfer.load(tmp_path / "m.onnx"))
    weights = tmp_path / "m.data"
    same = weights.read_bytes()
    weights.unlink()
    weights.write_bytes(same)
    assert pickle.loads(pickled)(X).shape == (1, 6000)
    weights.write_bytes(same[:-4] + b"\0\0\0\0")
    with pytest.raises(cinfer.ModelError, match="m.data is another file than the one of the session"):
        pickle.loads(pickled)


# ---- copies

@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy])
def test_a_copy_lives_for_itself(way, tmp_path):
    """Of the bytes that were loaded, whatever became of their file."""
    path = tmp_path / "m.onnx"
    path.write_bytes(heavy(0).bytes())
    session = cinfer.load(path, threads=1)
    want = session(X).tobytes()
    path.unlink()
    again = way(session)
    assert again is not session and again(X).tobytes() == want
    session.close()
    assert again(X).tobytes() == want
    with pytest.raises(cinfer.Error, match="closed"):
        way(session)
    again.close()


# ---- operators of one's own

OPERATORS = """
    import cinfer

    @cinfer.register_op("my.domain", "Twice", infer=lambda x: x.like())
    def twice(x):
        return x + x
    """
LOADED = """
    import pickle, sys
    import numpy as np
    x = np.float32([[1, 2, 3, 4]])
    print(pickle.load(open("pickled", "rb")).run(None, {"x": x})[0].tolist())
    """


def with_twice() -> bytes:
    helper = pytest.importorskip("onnx").helper
    ports = [helper.make_tensor_value_info(name, 1, ["n", 4]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Twice", ["x"], ["y"], domain="my.domain")], "g", ports[:1], ports[1:])
    return helper.make_model(graph, ir_version=9, opset_imports=[
        helper.make_opsetid("", 18), helper.make_opsetid("my.domain", 1)]).SerializeToString()


@pytest.mark.parametrize("where", ["a module", "a module that registers no more", "a function"])
def test_operators_of_modules_go_along(where, tmp_path):
    (tmp_path / "m.onnx").write_bytes(with_twice())
    (tmp_path / "operators.py").write_text(textwrap.dedent(OPERATORS))
    dumped = "import pickle\npickle.dump(cinfer.load('m.onnx'), open('pickled', 'wb'))"
    imported = textwrap.dedent(OPERATORS) if where == "a module" else "import cinfer, operators"
    if where == "a function":
        imported = "def local():" + textwrap.indent(textwrap.dedent(OPERATORS), "    ") + "\nlocal()\nimport cinfer"
    elif where == "a module":
        imported = "import operators, cinfer"
    assert in_another_process(tmp_path, f"{imported}\n{dumped}") == ""
    if where == "a module that registers no more":
        (tmp_path / "operators.py").write_text("def twice(x):\n    return x + x\n")
    said = in_another_process(tmp_path, LOADED)
    if where == "a function":
        assert said.startswith("cinfer.errors.UnsupportedError: m.onnx: cannot run 1 of 1 nodes: my.domain.Twice")
    else:
        assert said == "[[2.0, 4.0, 6.0, 8.0]]\n"


# ---- Readers and answers

def test_a_reader_reads_the_same_elsewhere(tmp_path):
    """And as small as a session, with what files beside the model said of it, though they are not where it arrives."""
    here = tmp_path
    (here / "m.onnx").write_bytes(network(declared=FREE).bytes())
    (here / "labels.txt").write_text("\n".join(f"thing {i}" for i in range(16)))
    reader = Reader(cinfer.load(here / "m.onnx", threads=1), {"task": ("classification", "task"),
                    "input.size": ("8x8", "size"), "output.name": ("v2", "name")}, Options(top=3, classes=("thing 1",)))
    reader.whole = False
    pickled = pickle.dumps(reader)
    (here / "labels.txt").unlink()
    again = pickle.loads(pickled)
    assert len(pickled) < 5000 and again.options == reader.options and again.whole is False
    assert again.words.labels == reader.words.labels != None                    # noqa: E711
    assert again.words.origin() == reader.words.origin() and str(again.recipe) == str(reader.recipe)
    shared, deep = copy.copy(reader), copy.deepcopy(reader)
    assert shared.session is reader.session is not deep.session


def test_a_reader_answers_the_same_in_another_process(tmp_path):
    for name in (MODEL, PICTURE):
        shutil.copy(name, tmp_path)
    reader = Reader(cinfer.load(tmp_path / MODEL.name, threads=1), options=Options(top=3))
    (tmp_path / "pickled").write_bytes(pickle.dumps(reader))
    said = json.loads(in_another_process(tmp_path, """
        import json, pickle
        print(json.dumps(pickle.load(open("pickled", "rb")).read("dog.jpg").answer.record()))
        """))
    want = reader.read(str(PICTURE)).answer.record()
    assert said["classes"] == json.loads(json.dumps(want["classes"])) and len(said["classes"]) == 3


@pytest.mark.parametrize("name, picture", [(MODEL.name, "dog.jpg"), ("nanodet_g_416_w8.onnx", "horses.jpg"),
                                           ("selfie_segmentation.onnx", "astronaut.jpg"),
                                           ("lenet5_digits.onnx", "dog.jpg"), ("movenet_lightning.onnx", "dog.jpg")])
def test_answers_and_what_went_wrong_come_back(name, picture):
    folders = DATA, DATA.parents[2] / "shared" / "models", DATA.parents[2] / "shared" / "images"
    paths = [next((folder / each for folder in folders if (folder / each).exists()), None) for each in (name, picture)]
    if None in paths:
        pytest.skip(f"{name} or {picture} is not here")
    session = cinfer.load(paths[0])
    answer = cinfer.vision.read(session, paths[1])
    again = pickle.loads(pickle.dumps(answer))
    assert type(again) is type(answer) and again.record() == answer.record() and again.lines() == answer.lines()
    with pytest.raises(cinfer.InputError) as caught:
        cinfer.vision.read(session, b"no picture")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
