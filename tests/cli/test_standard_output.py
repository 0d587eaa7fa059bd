"""-o -: a model goes to standard output, and all that is said to standard error; nothing else is written there, and no
file is ever called so."""

import os
import pty
import subprocess

import numpy as np
import onnx
import pytest
from drawn import draw_set
from networks import residual
from onnx.external_data_helper import convert_model_to_external_data
from program import cinfer, start  # noqa: F401 (fixture)
from test_quantize import model, photos  # noqa: F401 (fixtures)

import cinfer as package

COMMANDS = {
    "label": ["{model}", "--labels", "{labels}"],
    "quantize": ["{model}", "{photos}", "--target", "1"],
    "adapt": ["{model}", "{by_class}"],
}
SAID = {"label": "keys written", "quantize": "layers in integers", "adapt": "pictures right"}


@pytest.fixture
def names(model, photos, tmp_path, monkeypatch):  # noqa: F811
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join("abcdefghij"))
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    return {"model": model, "photos": photos, "by_class": draw_set(tmp_path / "classes", 4, ("circle", "stripes")),
            "labels": labels}


def filled(words, names) -> list[str]:
    return [word.format(**names) for word in words]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_model_goes_there_alone(names, command):
    with start(command, *filled(COMMANDS[command], names), "-o", "-") as program:
        content, said = program.communicate(timeout=120)
    assert program.returncode == 0 and not os.listdir()
    onnx.checker.check_model(onnx.load_from_string(content))
    assert package.load(content).run(None, {"x": np.zeros((1, 3, 16, 16), np.float32)})[0].shape[0] == 1
    last = said.decode().splitlines()[-1]
    assert last.startswith("cinfer: standard output: ") and SAID[command] in last
    assert len(said.splitlines()) > 3           # the report


def test_another_command_takes_it_from_there(names):
    with start("label", names["model"], "--labels", names["labels"], "-o", "-") as first, \
            start("run", "-", names["photos"] / "3.png", stdin=first.stdout) as second:
        first.stdout.close()
        out, _ = second.communicate(timeout=120)
        first.wait(60)
    assert first.returncode == second.returncode == 0 and out.split()[-2].decode() in "abcdefghij"


@pytest.mark.parametrize("command", COMMANDS)
def test_standard_error_may_be_closed(names, command):
    words = [os.sys.executable, "-m", "cinfer", command, *filled(COMMANDS[command], names), "-o", "-"]
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(package.__file__))}
    done = subprocess.run(["sh", "-c", 'exec "$@" 2>&-', "sh", *words], stdout=subprocess.PIPE, env=environment,
                          timeout=120)
    assert done.returncode == 0
    onnx.checker.check_model(onnx.load_from_string(done.stdout))


@pytest.mark.parametrize("command", COMMANDS)
def test_json_is_for_one_of_both(cinfer, names, command):  # noqa: F811
    done = cinfer(command, *filled(COMMANDS[command], names), "-o", "-", "--json")
    assert done.status == 2 and done.errors == [
        "cinfer: -o - and --json both write to standard output; name a file for one of them"] and not done.out


@pytest.mark.parametrize("command", COMMANDS)
def test_a_terminal_gets_no_bytes(names, command):
    ours, theirs = pty.openpty()
    with start(command, *filled(COMMANDS[command], names), "-o", "-", stdout=theirs) as program:
        os.close(theirs)
        _, said = program.communicate(timeout=120)
    os.close(ours)
    assert program.returncode == 2
    assert said.decode().splitlines() == [
        "cinfer: -o -: a model is no text for a terminal; name a file, or hand it on: > FILE"]


def test_weights_beside_a_model_have_no_place_there(names, tmp_path):
    proto = onnx.load_from_string(residual())
    convert_model_to_external_data(proto, location="weights.bin", size_threshold=0)
    onnx.save(proto, tmp_path / "apart.onnx")
    with start("label", tmp_path / "apart.onnx", "-o", "-") as program:
        out, said = program.communicate(timeout=120)
    assert program.returncode == 2 and not out and said.decode().splitlines() == [
        "cinfer: -o -: weights of the model are in weights.bin, which has to lie beside its file; name a file"]


@pytest.mark.parametrize("words", [
    ["run", "{model}", "{photos}/3.png", "-o", "-"], ["run", "{model}", "{photos}", "-o", "-"],
    ["run", "{model}", "{photos}", "--format", "yolo", "-o", "-"], ["run", "{model}", "{photos}/3.png", "--save", "-"],
    ["explain", "{model}", "{photos}/3.png", "-o", "-"],
    ["adapt", "{model}", "{by_class}", "-o", "out.onnx", "--report", "-"]])
def test_what_is_no_model_has_to_be_a_file(cinfer, names, words):  # noqa: F811
    done = cinfer(*filled(words, names))
    flag = next(word for word in words[::-1] if word.startswith("-") and word != "-")
    assert done.status == 2 and not done.out and not os.listdir() and done.errors == [
        f"cinfer: {flag} -: this is not written to standard output; name a file (./- is one of that name)"]


def test_a_file_may_be_called_so_by_its_path(cinfer, names):  # noqa: F811
    assert cinfer("label", names["model"], "-o", "./-").status == 0
    assert os.listdir() == ["-"]
