"""From a model to a model: what is promised of it, and what is told."""
import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from networks import biases, detector, network, node, pictures, residual, sloped, small, weights

import cinfer
from cinfer.quantize import quantizer
from cinfer.quantize.choose import NO_GAIN
from cinfer.quantize.quantizer import few, quantize, split
from cinfer.quantize.report import notes

PICTURES = pictures(10)


@pytest.fixture(scope="module")
def made():
    return quantize(residual(metadata={"own": "text"}), PICTURES, target=.05, threads=1)


def answers(content: bytes, feeds=None) -> list[np.ndarray]:
    session = cinfer.load(content, threads=1)
    return [session.run(None, each)[0] for each in feeds or PICTURES]


def test_a_wide_target_makes_integers_of_all(made):
    report = made.report
    assert report.layers == (6, 6) and report.share == 1 and report.pictures == (8, 2)
    assert {row.runs for row in report.rows} == {"u8"} and not any(row.why for row in report.rows)
    assert {"min-max", "percentile", "mse", "entropy", "biases corrected"} <= report.tried.keys()
    assert made.model.metadata == {"own": "text"}
    onnx.checker.check_model(onnx.load_from_string(made.encoded()), full_check=True)


def test_errors_are_those_of_the_file(made):
    """Against answers that are computed here, for pictures that were seen and that were not."""
    floats, integers = answers(residual()), answers(made.encoded())
    seen, held = split(list(range(10)), None)
    scale = max(np.abs(floats[i]).max() for i in seen)
    largest = [np.abs(a - b).max() / scale for a, b in zip(floats, integers)]
    for outcome, places in ((made.report.calibration, seen), (made.report.held_out, held)):
        error = outcome.errors["y"]
        assert error.largest == pytest.approx(max(largest[i] for i in places), rel=1e-3)
        assert error.typical == pytest.approx(np.mean([largest[i] for i in places]), rel=1e-3)
        assert 0 < error.relative < .1


def test_no_conversion_stands_inside_a_network_of_sums_with_slopes():
    """Each sum was a PRelu in floats between two conversions, and the file slower than the model."""
    made = quantize(sloped(), PICTURES, target=1.0, threads=1)
    rows = cinfer.load(made.encoded(), threads=1).profile(PICTURES[0], runs=1).rows
    count = Counter(row.operator for row in rows)
    assert count["QuantizeLinear"] == count["DequantizeLinear"] == count["Conv"] == 1      # the ends; the last layer
    assert count["QLinearConv"] == 10 and not count["Add"] + count["Sub"] + count["PRelu"] + count["LeakyRelu"]


def test_layers_that_save_less_than_conversions_take_stay_in_float():
    """Two Convs of one product for each number, between floats and a Softmax each."""
    nodes = [node("Conv", ["x", "w"], ["c"], "first", group=3), node("Softmax", ["c"], ["s"], "soft", axis=1),
             node("GlobalAveragePool", ["c"], ["m"], "mean"), node("Flatten", ["m"], ["f"], "flat"),
             node("Gemm", ["f", "v"], ["y"], "classifier")]
    made = quantize(network(nodes, ["y", "s"], w=weights(3, 1, 1, 1), v=weights(3, 5)), PICTURES, target=1.0, threads=1)
    report = made.report
    why = {row.node: row.why for row in report.rows}
    assert why["first"] == NO_GAIN and report.layers[0] < 2
    nothing = replace(report, layers=(0, 2))
    assert "conversions would take longer" in nothing.summary() and "conversions would take longer" in notes(nothing)[0]


def test_onnxruntime_gives_the_same_answers(made):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(made.encoded(), options, providers=["CPUExecutionProvider"])
    for each, got in zip(PICTURES, answers(made.encoded())):
        want = session.run(None, each)[0]
        assert np.abs(got - want).max() < .02 * np.abs(want).max()


@pytest.mark.parametrize("target", [.003, .0015])
def test_a_narrow_target_is_kept_and_leaves_layers_in_float(target):
    made = quantize(residual(), PICTURES, target=target, threads=1)
    assert made.report.layers[0] < 6 and made.report.calibration.errors["y"].typical <= target
    left = [row for row in made.report.rows if row.runs == "float"]
    assert left and all(row.why and row.scale is None for row in left)
    outside = {row.node for row in left}
    floats = {each.name for each in made.model.graph.nodes if each.op_type in ("Conv", "Gemm")
              and not each.inputs[1].endswith("_dequantized")}
    assert floats == outside & {"stem", "depthwise", "excite", "project", "head", "classifier"}


def test_nothing_in_integers_is_the_float_model():
    made = quantize(small(), PICTURES, target=1e-7, threads=1)
    assert made.report.layers[0] == 0 and "no layer keeps to the target" in made.report.notes[0]
    for got, want in zip(answers(made.encoded()), answers(small())):
        assert np.abs(got - want).max() < 1e-6 * np.abs(want).max()


def test_heads_of_a_detector_stay_in_float():
    made = quantize(detector(), PICTURES, target=.1, threads=1)
    runs = {row.node: (row.runs, row.why) for row in made.report.rows}
    assert runs["stem"][0] == runs["body"][0] == "u8"
    assert runs["box"] == runs["class"] == ("float", "last layer: what it makes are the answers")
    joined, = (each for each in made.model.graph.nodes if each.op_type == "Concat")
    assert joined.inputs == ["boxes", "scores"]


@pytest.mark.parametrize("activations, weights_, types", [
    ("u8", "u8", {2, 6}), ("s8", "s8", {3, 6}), ("u8", "s7", {2, 3, 6})])
def test_bytes_are_of_the_types_asked_for(activations, weights_, types):
    made = quantize(small(), PICTURES, target=.2, activations=activations, weights=weights_, threads=1)
    proto = onnx.load_from_string(made.encoded())
    assert {each.data_type for each in proto.graph.initializer} - {1, 7} == types
    stored = [onnx.numpy_helper.to_array(each) for each in proto.graph.initializer
              if each.name.endswith("_weight_quantized")]
    most = {"u8": 127, "s8": 127, "s7": 63}[weights_]
    assert {int(np.abs(each.astype(int) - (128 if weights_ == "u8" else 0)).max()) for each in stored} == {most}


def test_channels_that_differ_are_equalised_if_that_is_better():
    w = weights(16, 3, 3, 3) * np.geomspace(.01, 30, 16, dtype=np.float32)[:, None, None, None]
    back = weights(16, 1, 1, 1) / np.geomspace(.01, 30, 16, dtype=np.float32)[:, None, None, None]
    nodes = [node("Conv", ["x", "w"], ["c"], "first"), node("Relu", ["c"], ["r"], "relu"),
             node("Conv", ["r", "v"], ["d"], "second", group=16), node("Conv", ["d", "u"], ["e"], "third"),
             node("GlobalAveragePool", ["e"], ["y"], "mean")]
    made = quantize(network(nodes, w=w, v=back, u=weights(8, 16, 1, 1)), PICTURES, target=.5, threads=1)
    tried = made.report.tried
    assert made.report.is_equalised and tried["channels equalised"].mean < .5 * tried[made.report.ranges].mean


def test_the_same_pictures_give_the_same_file():
    one, other = (quantize(small(), PICTURES, target=.5, threads=threads) for threads in (1, 2))
    assert one.encoded() == other.encoded()


def test_pictures_of_both_kinds_and_shown_steps(tmp_path):
    for i, each in enumerate(PICTURES):
        np.save(tmp_path / f"{i}.npy", each["x"])
    shown = []
    given = quantize(small(), tmp_path, check=PICTURES[:3], ranges="mse", target=.5, threads=1,
                     show=lambda *step: shown.append(step))
    assert given.report.pictures == (10, 3) and given.report.ranges == "mse"
    assert {what for what, *_ in shown} == {"preparing picture", "picture", "way", "value", "choice"}


def test_the_report_is_a_table_and_json(made):
    text = "\n".join(made.report.lines())
    for words in ("stem/Sigmoid", "Sigmoid+Mul", "6 of 6 in integers, 100% of the work", "held out", "ms before"):
        assert words in text
    data = json.loads(json.dumps(made.report.data()))
    assert data["held_out"]["errors"]["y"].keys() == {"largest", "typical", "relative"}
    assert data["rows"][0].keys() == {"node", "operators", "runs", "error", "scale", "low", "high", "why"}


def test_a_file_is_written_whole_or_not_at_all(made, tmp_path, monkeypatch):
    made.save(tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").read_bytes() == made.encoded()
    with pytest.raises(cinfer.InputError, match="none/m.onnx"):
        made.save(tmp_path / "none" / "m.onnx")

    def broken(*_):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr("cinfer.paths.os.replace", broken)
    with pytest.raises(cinfer.InputError, match="No space"):
        made.save(tmp_path / "other.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_every_fifth_is_held_out_and_too_many_are_thinned_out():
    assert split(list(range(10)), None) == ([0, 1, 3, 4, 5, 6, 8, 9], [2, 7])
    assert split([1, 2], None) == ([1], [2]) and split([1], None) == ([1], [])
    assert split([1, 2], [3]) == ([1, 2], [3])
    assert few(list(range(1000))) == list(range(0, 1000, 10)) and quantizer.MOST_PICTURES == 100


@pytest.mark.parametrize("given, words", [
    (dict(target=0), "target is 0; right is a number above 0"), (dict(target="x"), "target is 'x'"),
    (dict(activations="i8"), "activations is 'i8'; right is 'u8' or 's8'"),
    (dict(ranges="best"), "right is 'min-max' or 'percentile' or 'mse' or 'middle' or 'entropy'"),
    (dict(weights=8), "weights is 8; right is 'u8' or 's8' or 's7'"), (dict(weights=["u8"]), "weights is"),
    (dict(check=[]), "check is empty"), (dict(check=[None]), r"check\[0\] is None"),
    (dict(recipe={"input.sise": "2"}), "input.size")])
def test_wrong_arguments(given, words):
    with pytest.raises(cinfer.InputError, match=words):
        quantize(small(), PICTURES, **given)


@pytest.mark.parametrize("pictures_, words", [
    ([], "pictures is empty"), (b"x", "pictures is"), ("none.npy", "none.npy"), ([{"z": 1}], "x"),
    (np.zeros(3), "pictures is"), ([5], r"pictures\[0\] is 5; right is a path, or a feed"),
    ([PICTURES[0], np.zeros(3)], r"pictures\[1\] is array")])
def test_wrong_pictures(pictures_, words):
    with pytest.raises(cinfer.InputError, match=words):
        quantize(small(), pictures_)


def test_arrays_are_told_what_is_wrong_with_them(tmp_path):
    np.savez(tmp_path / "a.npz", z=np.zeros(2), w=np.zeros(2))
    (tmp_path / "b.npy").write_bytes(b"no array")
    for name, words in (("a.npz", "has no array 'x', the input; it has z, w"), ("b.npy", "cannot be read")):
        with pytest.raises(cinfer.InputError, match=words):
            quantize(small(), str(tmp_path / name))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_ranges_need_finite_numbers(tmp_path, bad):
    x = np.zeros((1, 3, 16, 16), np.float32)
    np.save(tmp_path / "good.npy", x)
    x[0, 1, 2, 3] = bad
    np.save(tmp_path / "bad.npy", x)
    with pytest.raises(cinfer.InputError, match="bad.npy: input 'x' has NaN or infinite numbers"):
        quantize(small(), [str(tmp_path / "good.npy"), str(tmp_path / "bad.npy")])


def test_a_model_without_layers_is_refused():
    with pytest.raises(cinfer.UnsupportedError, match="nothing in it can be quantised"):
        quantize(network([node("Relu", ["x"], ["y"])]), PICTURES)


def test_what_is_not_as_it_should_be_is_said():
    report = quantize(small(), PICTURES, target=.5, threads=1).report
    assert not any("held-out" in note or "stays in float" in note for note in report.notes)
    missed = replace(report, target=report.held_out.typical * .9, share=.3, notes=[])
    assert notes(missed)[0] == "70% of the work stays in float: a wider --target lets more be integers"
    assert [any(words in note for note in notes(replace(report, is_faster=known)))
            for known in (True, False, None) for words in ("ship model; newer CPUs", "its times do not tell")] == [
                False, False, True, False, False, True]
    assert ("ship model" in report.summary()) == (report.is_faster is False)
    assert notes(missed)[-1].startswith(f"held-out pictures miss the target: {report.held_out.typical:.4f}; more ")


def test_one_picture_is_enough_to_begin_with():
    made = quantize(small(), PICTURES[:1], target=.5, threads=1)
    assert made.report.held_out is None and "no picture was held out" in made.report.notes[-1]


@pytest.mark.parametrize("first", ["", "import cinfer.quantize", "from cinfer.quantize import Quantized"])
def test_the_package_is_a_function_that_is_loaded_when_asked_for(first):
    code = f"""
import sys, cinfer
assert not any(name.startswith("cinfer.quantize") for name in sys.modules)
{first}
try:
    cinfer.quantize(b"", [])
except cinfer.Error as error:
    print(error)
assert cinfer.quantize.quantize is not None and "quantize" in cinfer.__all__
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "model" in done.stdout, done.stderr


def test_layers_in_floats_stay_float16_and_nothing_in_integers_is_said():
    """The file had its weights so: they are not written as float32."""
    names = ("w0", "w1", "w2", "b0", "b1", "b2")
    nodes = [node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT) for name in names]
    nodes += [node("Conv", ["x", "w0", "b0"], ["c"], "first"), node("Relu", ["c"], ["r"], "relu"),
              node("Conv", ["r", "w1", "b1"], ["d"], "second"), node("Sin", ["d"], ["s"]),
              node("Conv", ["s", "w2", "b2"], ["e"], "third"), node("GlobalAveragePool", ["e"], ["y"], "mean")]
    shapes = dict(w0=(16, 3, 3, 3), w1=(32, 16, 3, 3), w2=(8, 32, 1, 1))
    halves = {f"{name}_half": (weights(*shapes[name]) if name in shapes else biases(
        {"b0": 16, "b1": 32, "b2": 8}[name])).astype(np.float16) for name in names}
    content = network(nodes, **halves)
    made = quantize(content, PICTURES, target=1e-9, threads=1)
    proto = onnx.load_from_string(made.encoded())
    kinds = {each.name: each.data_type for each in proto.graph.initializer}
    assert {kinds[f"{name}_half"] for name in shapes} == {onnx.TensorProto.FLOAT16}
    assert len(made.encoded()) < 1.1 * len(content)
    assert "nothing is in integers" in made.report.summary() and made.report.layers[0] == 0
    for feeds in PICTURES[:2]:
        want = cinfer.load(content).run(None, feeds)[0]
        theirs = onnxruntime.InferenceSession(made.encoded(), providers=["CPUExecutionProvider"])
        for session in theirs, cinfer.load(made.encoded()):
            np.testing.assert_allclose(session.run(None, feeds)[0], want, atol=1e-5)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_stay_in_floats(odd):
    """Where limits behind them hide that."""
    bias = biases(8)
    bias[3] = odd
    model = network([node("Conv", ["x", "w", "b"], ["a"], pads=[1] * 4), node("IsNaN", ["a"], ["n"]),
                     node("Where", ["n", "low", "a"], ["c"]), node("Clip", ["c", "low", "high"], ["d"]),
                     node("Conv", ["d", "v"], ["y"])],
                    w=weights(8, 3, 3, 3), b=bias, v=weights(4, 8, 1, 1), low=np.float32(0), high=np.float32(6))
    made = quantize(model, PICTURES, target=.5, threads=1)
    assert made.report.layers[1] == 1 and np.isfinite(answers(made.encoded())[0]).all()


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_answers_that_are_no_numbers_are_refused(odd):
    bias = biases(8)
    bias[3] = odd
    model = network([node("Conv", ["x", "w", "b"], ["a"]), node("Conv", ["a", "v"], ["y"])],
                    w=weights(8, 3, 3, 3), b=bias, v=weights(4, 8, 1, 1))
    with pytest.raises(cinfer.Error, match="has NaN or infinite numbers; errors are measured by finite ones"):
        quantize(model, PICTURES, threads=1)
