"""cinfer info and cinfer bench: facts that add up."""

import json
from types import SimpleNamespace

import pytest
from bf16 import say_fast
from cinfer._ops import executor
from onnx import TensorProto, helper
from program import DATA, cinfer  # noqa: F401 (fixtures)
from small_models import classifier, halves, write

DEMO = DATA / "efficientnet_lite0_w8.onnx"


@pytest.mark.parametrize("openmp", [True, False])
def test_info_without_a_model_describes_the_machine(cinfer, monkeypatch, openmp):
    program = SimpleNamespace(can_run=executor().can_run, Table=executor().Table, have_openmp=lambda: openmp)
    monkeypatch.setattr("cinfer._ops.executor", lambda: program)
    monkeypatch.setenv("CINFER_THREADS", "3")
    data = json.loads(cinfer("info", "--json").out)
    threads = (3, "CINFER_THREADS") if openmp else (1, "built without OpenMP")
    assert (data["threads"], data["threads_why"]) == threads
    assert data["isa"] in data["isa_usable"] and set(data["isa_usable"]) <= set(data["isa_built"])
    lines = cinfer("info").out
    assert data["version"] in lines and "{} ({})".format(*threads) in lines


def test_info_of_the_demo(cinfer):
    data = json.loads(cinfer("info", DEMO, "--json").out)
    assert data["inputs"] == [{"name": "input", "dtype": "float32", "shape": [1, 3, 224, 224]}]
    assert data["outputs"] == [{"name": "probabilities", "dtype": "float32", "shape": [1, 1000]}]
    # as the file is, not as it is rewritten: counted with the onnx package
    assert (
        data["nodes"] == 145
        and data["operators"]["Conv"] == 49
        and data["operators"]["DequantizeLinear"] == 50
    )
    assert data["opset"] == {"ai.onnx": 17} and data["bytes"] == 4848543
    assert data["parameters"] == 4_675_018  # likewise: the elements of all initializers
    # 383.9 M of the convolutions, 1.3 M of the classifier; additions and the like may count a little
    assert data["macs"] == pytest.approx(385.2e6, rel=0.03)
    assert data["planned_bytes"] > 0 and data["kernels"]
    assert data["metadata"]["cinfer.labels"].count("\n") == 999


def test_info_for_people_is_short(cinfer):
    done = cinfer("info", DEMO)
    assert done.status == 0 and not done.err
    assert "cinfer.labels = 1000 lines: tench, goldfish" in done.out
    assert "49 Conv" in done.out and "1x3x224x224" in done.out and "crop:0.875 bicubic" in done.out
    assert "49 Conv, 1 MatMul, 100% of the MACs: its weights alone are integers" in done.out
    assert max(map(len, done.lines)) < 200


@pytest.mark.parametrize("rate", [0, 1000])
@pytest.mark.parametrize("command", [("info", DEMO), ("bench", DEMO, "--runs", "1"), ("run", DEMO, DATA / "dog.jpg")],
                         ids=lambda command: command[0])
def test_precision_is_what_was_asked_for_or_that_is_said(cinfer, monkeypatch, command, rate):
    say_fast(monkeypatch, rate)
    done = cinfer(*command, "--precision", "bf16")
    said = [line for line in done.errors if line.startswith("cinfer: precision: fp32, not bf16: this CPU has no fast")]
    assert done.status == 0 and len(said) == (rate == 0)
    assert not any("precision" in line for line in cinfer(*command, "--precision", "fp32").errors)
    if command[0] != "run":
        data = json.loads(cinfer(*command, "--precision", "bf16", "--json").out)
        assert data["precision"] == ("bf16" if rate else "fp32")
    if command[0] == "info":
        assert data["kernels"].get("conv_bf16", 0) == (32 if rate else 0)


def test_info_says_whether_this_machine_is_fast_in_bf16(cinfer, monkeypatch):
    for rate, words in ((0, "--precision bf16 is fp32"), (2, "for those who ask")):
        say_fast(monkeypatch, rate)
        assert words in cinfer("info").out
        assert json.loads(cinfer("info", "--json").out)["bf16"] == (rate > 0)


def test_info_with_free_sizes_says_how_to_fix_them(cinfer, tmp_path):
    model = halves(tmp_path / "m.onnx")
    done = cinfer("info", model)
    assert "1 x 3 x height x width" in done.out and "--shape" in done.out
    data = json.loads(cinfer("info", model, "--json").out)
    assert data["macs"] is None and data["inputs"][0]["shape"] == [1, 3, "height", "width"]
    data = json.loads(cinfer("info", model, "--shape", "x=1x3x9x9", "--json").out)
    assert data["kernels"] and data["planned_bytes"] >= 0


def test_bench_measures_what_it_says(cinfer, tmp_path):
    data = json.loads(
        cinfer("bench", classifier(tmp_path / "m.onnx"), "--runs", "7", "--threads", "1", "--json").out
    )
    assert data["runs"] == 7 and data["threads"] == 1 and data["shapes"] == {"x": [1, 3, 8, 8]}
    assert 0 < data["min_ms"] <= data["median_ms"] <= data["p99_ms"]
    assert data["load_ms"] > 0 and data["first_run_ms"] > 0 and data["peak_bytes"] > 1e7


def test_info_says_what_the_model_is_taken_for(cinfer, tmp_path):
    keys = {"cinfer.recipe": "1", "cinfer.task": "classification", "cinfer.input.size": "8x8"}
    for keys, task in ((keys, "classification"), ({}, "none that is known")):
        done = cinfer("info", classifier(tmp_path / "m.onnx", keys))
        assert [line.split(maxsplit=1)[1] for line in done.lines if line.startswith("task ")] == [task]


@pytest.mark.parametrize("flag, sizes", [("1x3x5x7", [1, 3, 5, 7]), ("x:1X3x4x4", [1, 3, 4, 4]),
                                         ("x=1x3x6x6", [1, 3, 6, 6])])
def test_sizes_of_the_only_input_need_no_name(cinfer, tmp_path, flag, sizes):
    data = json.loads(cinfer("bench", halves(tmp_path / "m.onnx"), "--runs", "1", "--json", "--shape", flag).out)
    assert data["shapes"] == {"x": sizes}


def test_sizes_of_several_inputs_need_names(cinfer, tmp_path):
    node = helper.make_node("Add", ["a", "b"], ["y"])
    free = TensorProto.FLOAT, ("n",)
    model = write(tmp_path / "two.onnx", [node], {"a": free, "b": free}, {"y": free})
    done = cinfer("bench", model, "--runs", "1", "--shape", "3")
    assert done.status == 2 and "--shape 3: the model has 2 inputs, 'a', 'b'; say which, NAME=3" in done.err
    assert cinfer("bench", model, "--runs", "1", "--shape", "a=3", "--shape", "b:3").status == 0


def test_bench_for_people(cinfer, tmp_path):
    done = cinfer("bench", classifier(tmp_path / "m.onnx"), "--seconds", "0.01")
    assert done.status == 0 and not done.err
    assert [line.split()[0] for line in done.lines] == ["model", "runs", "latency", "load", "memory"]


def test_bench_takes_free_sizes_from_flag_or_recipe(cinfer, tmp_path):
    model = halves(tmp_path / "free.onnx")
    done = cinfer("bench", model, "--runs", "1")
    assert done.status == 2 and "say them with --shape x=1x3x224x224" in done.err
    data = json.loads(cinfer("bench", model, "--runs", "1", "--shape", "x=1x3x5x7", "--json").out)
    assert data["shapes"] == {"x": [1, 3, 5, 7]}
    free = classifier(
        tmp_path / "m.onnx", {"cinfer.recipe": "1", "cinfer.input.size": "6x9"}, shape=("n", 3, "h", "w")
    )
    assert json.loads(cinfer("bench", free, "--runs", "1", "--json").out)["shapes"] == {"x": [1, 3, 6, 9]}


def test_profile_adds_up(cinfer):
    data = json.loads(cinfer("bench", DEMO, "--runs", "3", "--profile", "--json").out)["profile"]
    assert sum(step["ms"] for step in data["steps"]) + data["other_ms"] == pytest.approx(
        data["total_ms"], rel=1e-6
    )
    done = cinfer("bench", DEMO, "--runs", "3", "--profile")
    table = done.lines[done.lines.index("") + 1 :]
    assert table[0].split()[:4] == ["operator", "node", "shape", "kernel"]
    assert table[-2].startswith("everything else") and table[-1].startswith("total")
