"""cinfer quantize, as a user types it."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from networks import classifier, network, node, weights
from PIL import Image
from program import DATA, cinfer, start  # noqa: F401 (fixtures)
from test_progress import a_terminal, said


@pytest.fixture
def model(tmp_path):
    return classifier(tmp_path, labels="\n".join("abcdefghij"))


@pytest.fixture
def photos(tmp_path):
    """Ten pictures of coloured squares."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(10):
        pixels = np.random.default_rng(i).integers(0, 256, (4, 4, 3), np.uint8)
        Image.fromarray(pixels).resize((24, 20), Image.Resampling.NEAREST).save(folder / f"{i}.png")
    return folder


def test_the_file_runs_and_knows_its_classes(cinfer, model, photos, tmp_path):  # noqa: F811
    out = tmp_path / "int8.onnx"
    done = cinfer("quantize", model, photos, "-o", out, "--target", "0.1")
    assert done.status == 0
    assert done.errors == [f"cinfer: {out}: {done.errors[0].partition('onnx: ')[2]}"]
    assert "6 of 6 layers in integers, error 0.0" in done.err
    assert done.lines[0].split()[:4] == ["node", "operators", "runs", "in"]
    assert any(line.startswith("pictures") and "8 to calibrate, 2 held out" in line for line in done.lines)
    assert any(line.startswith("same class") for line in done.lines)
    both = [cinfer("run", each, photos / "3.png", "--json") for each in (model, out)]
    floats, integers = (json.loads(each.out)["classes"] for each in both)
    assert floats[0]["label"] == integers[0]["label"] in "abcdefghij"
    assert floats[0]["score"] == pytest.approx(integers[0]["score"], abs=0.05)


def test_as_json_by_arrays_and_other_pictures(cinfer, model, photos, tmp_path):  # noqa: F811
    for i in range(3):
        np.save(tmp_path / f"{i}.npy", np.random.default_rng(i).normal(size=(3, 16, 16)).astype(np.float32))
    done = cinfer("quantize", model, *tmp_path.glob("*.npy"), "--check", photos, "-o", tmp_path / "out.onnx", "--json",
                  "--ranges", "mse", "--activations", "s8", "--target", "0.2", "--threads", "1", "--exact")  # fmt: skip
    data = json.loads(done.out)
    assert done.status == 0 and data["pictures"] == [3, 10] and data["ranges"] == "mse"
    assert data["layers"] == [6, 6] and {row["runs"] for row in data["rows"]} == {"s8"}
    assert data["held_out"]["agreement"] is not None and data["output"] == str(tmp_path / "out.onnx")
    steps = [onnx.numpy_helper.to_array(each) for each in onnx.load(tmp_path / "out.onnx").graph.initializer
             if each.name.endswith("_step")]
    assert steps and all(np.frexp(step)[0] == 0.5 for step in steps)    # powers of two


@pytest.mark.parametrize("arguments, words", [
    (["{model}", "{photos}"], "-o/--output"),
    (["{model}", "{photos}", "-o", "{model}"], "-o {model}: that would overwrite what is read"),
    (["{model}", "{photos}", "-o", "{picture}"], "-o {picture}: that would overwrite what is read"),
    (["{model}", "{photos}", "-o", "{photos}"], "that is a folder; name a file"),
    (["{model}", "{photos}", "-o", "none/out.onnx"], "there is no folder none"),
    (["{model}", "none.png", "-o", "{out}"], "none.png: no such file"),
    (["{model}", "{model}", "-o", "{out}"], "model.onnx is no picture"),
    (["{model}", "-", "-o", "{out}"], "not read from standard input"),
    (["{model}", "{photos}", "--check", "none.png", "-o", "{out}"], "none.png: no such file"),
    (["none.onnx", "{photos}", "-o", "{out}"], "none.onnx: no such file; name an ONNX model"),
    (["{model}", "{photos}", "-o", "{out}", "--target", "2"], "'2' is no number above 0 and up to 1"),
    (["{model}", "{photos}", "-o", "{out}", "--target", "x"], "'x' is no number above 0 and up to 1"),
    (["{model}", "{photos}", "-o", "{out}", "--ranges", "best"], "invalid choice: 'best'"),
    (["{model}", "{photos}", "-o", "{out}", "--tagret", "1"], "unknown flag '--tagret'; do you mean --target?"),
    (["{model}", "{photos}", "-o", "{out}", "--recipe", "size=3"], "size"),
    (["{quantised}", "{photos}", "-o", "{out}"], "is quantised already"),
])  # fmt: skip
def test_mistakes_are_one_line(cinfer, model, photos, tmp_path, arguments, words):  # noqa: F811
    names = {"model": model, "photos": photos, "out": tmp_path / "out.onnx", "quantised": tmp_path / "q.onnx",
             "picture": min(each for each in photos.rglob("*.*") if each.is_file())}
    if "{quantised}" in arguments:
        assert cinfer("quantize", model, photos, "-o", names["quantised"], "--target", "1").status == 0
    done = cinfer("quantize", *[each.format(**names) for each in arguments])
    assert done.status == 2 and len(done.errors) == 1 and not done.out
    assert words.format(**names) in done.err
    assert not (tmp_path / "out.onnx").exists()


def test_info_says_of_layers_in_float_how_much_of_the_work_they_are(cinfer, tmp_path):  # noqa: F811
    """A convolution of bytes, one by weights of floats, one that nothing is known of, a Softmax between bytes."""
    rng = np.random.default_rng(1)

    def pair(x, y):
        return [node("QuantizeLinear", [x, "step", "byte"], [f"{y}8"]),
                node("DequantizeLinear", [f"{y}8", "step", "byte"], [y])]
    nodes = [node("DequantizeLinear", ["w8", "step"], ["w"]), *pair("x", "a"),
             node("Conv", ["a", "w"], ["b"], "first"), *pair("b", "c"), node("Softmax", ["c"], ["d"], "soft", axis=1),
             *pair("d", "e"), node("Conv", ["e", "u"], ["f"], "second"), node("Exp", ["f"], ["g"], "exp"),
             node("Conv", ["g", "v"], ["y"], "third")]
    path = tmp_path / "q.onnx"
    path.write_bytes(network(nodes, shape=(1, 3, 16, 16), w8=rng.integers(-99, 99, (3, 3, 1, 1), np.int8),
                             u=weights(3, 3, 1, 1), v=weights(6, 3, 1, 1), step=np.float32(.01), byte=np.uint8(128)))
    lines = cinfer("info", path).lines
    at = next(i for i, line in enumerate(lines) if line.startswith("in float"))
    found = [line[len("in float"):].strip() for line in lines[at:at + 4]]
    assert [line.partition(":")[0] for line in found] == [
        "1 Conv, 50% of the MACs", "1 Conv, 25% of the MACs", "1 Softmax", "1 Exp"]
    assert "(third)" in found[0] and "(second)" in found[1] and "(soft)" in found[2] and "no kernel" in found[2]
    groups = json.loads(cinfer("info", path, "--json").out)["in_float"]
    assert [group["macs"] for group in groups] == [0, 2304, 0, 4608]


def test_a_terminal_shows_how_far_it_is(monkeypatch, model, photos, tmp_path):
    from cinfer.cli import main
    terminal = a_terminal(monkeypatch)
    assert main(["quantize", str(model), str(photos), "-o", str(tmp_path / "out.onnx"), "--target", "0.2"]) == 0
    told = [line.split(",")[0] for line in said(terminal)]
    assert "preparing picture 10 of 10" in told and "picture 8 of 8" in told and "way 1" in told
    assert told[-1].startswith("cinfer: ")


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="what a process has loaded is read off /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_one_leaves_nothing(photos, tmp_path, number):
    """In its middle: it runs the network, but has not written yet."""
    command = "quantize", DATA / "efficientnet_lite0_w8.onnx", *[photos] * 5, "-o", tmp_path / "out.onnx"
    with start(*command, "--target", "1e-9") as program:
        while program.poll() is None and b"_ops/_kernels" not in Path(f"/proc/{program.pid}/maps").read_bytes():
            time.sleep(0.05)
        time.sleep(1)
        assert program.poll() is None
        os.kill(program.pid, number)
        assert program.wait(60) == 128 + number
        assert not program.stderr.read()
    assert not any(path.suffix in (".onnx", ".tmp") for path in tmp_path.iterdir())
