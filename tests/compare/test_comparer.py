"""Whole comparisons: what belongs together, what is fed, inner values, models of every kind."""
import json
import os
import subprocess
import sys

import numpy as np
import onnx
import pytest
from bf16 import say_fast
from compared import FLOAT, N, X, chain, info, model
from onnx import TensorProto, helper

import cinfer
from cinfer.compare import comparer, inner

FEEDS = [{"x": X}]


def expected(step=1.0, then=0.0):
    """In float64."""
    b = np.maximum(X.astype(np.float64) + step, 0)
    c = 1 / (1 + np.exp(-b))
    return {"a": X + np.float64(step), "b": b, "c": c, "d": 2 * c, "y": 2 * c + then}


def test_a_model_agrees_with_itself():
    found = cinfer.compare(chain(), chain(), FEEDS, every_value=True)
    assert found.agrees and found.first is None and [row.name for row in found.values] == ["a", "b", "c", "d"]
    assert [row.largest for row in (*found.outputs, *found.values)] == [0] * 5
    assert found.summary() == "1 output agrees; the tolerance is 0.0001"


def test_how_far_two_are_apart():
    found = cinfer.compare(chain(then=.5), chain(), FEEDS, every_value=True, tolerance=.01)
    row, = found.outputs
    ours, theirs = expected(then=.5)["y"], expected()["y"]
    scale = np.abs(theirs).max()
    assert row.largest == pytest.approx(.5, rel=1e-6) and row.scale == pytest.approx(scale, rel=1e-6)
    assert row.of_scale == pytest.approx(.5 / scale, rel=1e-6) and row.rms == pytest.approx(
        np.sqrt(np.square(ours - theirs).mean()) / scale, rel=1e-6)
    assert not found.agrees and row.differing == row.count == 8 and row.shape == (2, 4)
    assert found.first is row and all(each.agrees for each in found.values)
    assert found.summary().startswith(f"output 'y' differs by {.5 / scale:.3g} of its scale, at (")
    assert any("the first to differ: output 'y'" in line for line in found.lines())


def test_the_first_inner_value_that_differs():
    """Sigmoid's input differs where Relu's does not: all of x + step below 0."""
    ours, theirs = chain(step=-9), chain(step=-10)
    found = cinfer.compare(ours, theirs, FEEDS, every_value=True)
    assert [row.name for row in found.values if not row.agrees] == ["a"] and found.first.name == "a"
    assert found.first.node == "Add 'first'" and found.agrees
    assert any(line.startswith("the first to differ: 'a', made by Add 'first', by 0.0") for line in found.lines())


def test_values_that_are_fused_away_are_there(tmp_path):
    """Of each inner value what NumPy gives, fused or not; whether it is there in the run is said."""
    reference = {name: value.astype(np.float32) for name, value in expected().items()}
    found = cinfer.compare(chain(), reference, FEEDS, every_value=True)
    assert [row.name for row in found.values] == ["a", "b", "c", "d"] and found.agrees
    assert all(row.largest < 1e-6 and row.agrees for row in found.values)
    nodes = [N("DequantizeLinear", ["w", "s"], ["v"]), N("Mul", ["x", "v"], ["m"]), N("Identity", ["m"], ["i"]),
             N("Relu", ["i"], ["y"])]
    values = {"v": np.float32(1.5), "m": X * np.float32(1.5), "i": X * np.float32(1.5)}
    found = cinfer.compare(model(nodes, w=np.int8(3), s=np.float32(.5)), values, FEEDS, every_value=True)
    assert [row.name for row in found.values] == ["v", "m", "i"] and all(row.agrees for row in found.values)
    assert {row.name: row.as_run for row in found.values}["i"] is False
    assert any(line.startswith("i*  ") for line in found.lines()) and not found.outputs and found.agrees


def test_a_value_that_is_rounded_is_compared_behind_that():
    """Quantised to steps of 0.5: the values behind are compared by the float's name."""
    nodes = [N("Add", ["x", "one"], ["a"]), N("QuantizeLinear", ["a", "s", "z"], ["q"]),
             N("DequantizeLinear", ["q", "s", "z"], ["dq"]), N("Mul", ["dq", "one"], ["y"])]
    rounded = model(nodes, one=np.float32(1), s=np.float32(.5), z=np.uint8(0))
    plain = model([N("Add", ["x", "one"], ["a"]), N("Mul", ["a", "one"], ["y"])], one=np.float32(1))
    wanted = np.clip(np.round((X + 1) / .5), 0, 255) * .5
    row, = cinfer.compare(rounded, plain, FEEDS, every_value=True).values
    assert row.name == "a" and row.largest == pytest.approx(np.abs(wanted - (X + 1)).max(), rel=1e-6)
    same = cinfer.compare(rounded, {"a": X + 1, "dq": wanted.astype(np.float32)}, FEEDS, every_value=True)
    assert [each.name for each in same.values] == ["a", "dq"] and all(each.agrees for each in same.values)
    back, = cinfer.compare(plain, rounded, FEEDS, every_value=True).values
    assert back.name == "a" and back.largest == pytest.approx(row.largest)


@pytest.mark.parametrize("most", [1, 33, 64, 1 << 20])
def test_in_groups_of_any_size(monkeypatch, most):
    monkeypatch.setattr(inner, "GROUP_BYTES", most)
    sizes = []
    run = comparer.Network.run
    monkeypatch.setattr(comparer.Network, "run",
                        lambda side, names, *more: sizes.append(len(names)) or run(side, names, *more))
    found = cinfer.compare(chain(), chain(), FEEDS, every_value=True)
    assert [row.name for row in found.values] == ["a", "b", "c", "d"] and found.agrees
    assert max(sizes) == max(1, min(3, most // 32))     # of 32 bytes each; one of the four is not there in the run


def test_what_fails_in_a_group_is_left_out(monkeypatch):
    run = comparer.Network.run

    def failing(side, names, *more):
        if "b" in names:
            raise cinfer.LimitError("too much")
        return run(side, names, *more)
    monkeypatch.setattr(comparer.Network, "run", failing)
    found = cinfer.compare(chain(), chain(), FEEDS, every_value=True)
    assert [row.name for row in found.values] == ["a", "c", "d"] and found.skipped == {"b": "too much"}
    assert "not compared: b: too much" in found.lines()


def test_inner_values_of_another_kind_are_left_out():
    ours = model([N("Cast", ["x"], ["a"], to=TensorProto.STRING), N("Reshape", ["x", "s"], ["b"]),
                  N("Abs", ["x"], ["y"])], s=np.int64([4, 2]))
    theirs = model([N("Abs", ["x"], ["a"]), N("Identity", ["x"], ["b"]), N("Abs", ["x"], ["y"])])
    found = cinfer.compare(ours, theirs, FEEDS, every_value=True)
    assert found.agrees and not found.values
    assert found.skipped["a"] == "it is string 2x4, the reference float32 2x4"
    assert found.skipped["b"] == "it is float32 4x2, the reference float32 2x4"


def test_of_many_reasons_some_are_told():
    """15 values, each of another shape than its reference."""
    names = [f"v{i}" for i in range(15)]
    nodes = [N("Abs", ["x"], [name]) for name in names] + [N("Sum", names, ["y"])]
    values = {name: np.zeros(i + 1, np.float32) for i, name in enumerate(names)}
    found = cinfer.compare(model(nodes), values | {"y": 15 * np.abs(X)}, FEEDS, every_value=True)
    told = [line for line in found.lines() if "not compared" in line]
    assert len(found.skipped) == len(found.data()["skipped"]) == 15 and not found.values and found.agrees
    assert len(told) == 11 and told[-1].startswith("5 more were not compared")


def test_several_inputs():
    inputs = [{"x": X * i} for i in range(4)]
    found = cinfer.compare(chain(then=.5), chain(), inputs, tolerance=.3)
    row, = found.outputs
    scale = max(np.abs(2 / (1 + np.exp(-np.maximum(X.astype(np.float64) * i + 1, 0)))).max() for i in range(4))
    assert row.scale == pytest.approx(scale, rel=1e-6) and row.count == 32 and found.agrees
    assert row.of_scale == pytest.approx(.5 / scale, rel=1e-5)
    assert len(found.inputs) == 4


def test_one_input_after_another_differs(tmp_path):
    for i, x in enumerate((X, X + 20)):
        np.save(tmp_path / f"{i}.npy", x)
    found = cinfer.compare(chain(step=-9), chain(step=-10), tmp_path, every_value=True)
    assert not found.agrees and found.outputs[0].of_input == 1
    assert any(line.endswith("of 1.npy") for line in found.lines())


def test_outputs_and_inputs_by_position():
    other = model([N("Relu", ["in"], ["r"]), N("Neg", ["r"], ["out"])], {"in": (FLOAT, ["n", 4])},
                  {"out": (FLOAT, None)})
    ours = model([N("Relu", ["x"], ["r"]), N("Neg", ["r"], ["y"])])
    found = cinfer.compare(ours, other, FEEDS, every_value=True)
    assert found.agrees and [row.name for row in found.outputs] == ["y"] and [r.name for r in found.values] == ["r"]


def test_outputs_that_one_has_alone_are_said():
    nodes = [N("Relu", ["x"], ["y"]), N("Neg", ["x"], ["z"])]
    both, one = model(nodes, outputs={"z": (FLOAT, [2, 4]), "y": (FLOAT, [2, 4])}), model(nodes)
    found = cinfer.compare(both, one, FEEDS)
    assert [row.name for row in found.outputs] == ["y"] and found.alone == ["z"] and not found.reference_alone
    assert "only the model has 'z'" in found.lines()
    assert cinfer.compare(one, both, FEEDS).reference_alone == ["z"]


SHAPE = FLOAT, [2, 4]
MISMATCHED = [
    (chain(), model([N("Relu", ["p"], ["y"])], {"p": SHAPE, "q": SHAPE}),
     "the reference takes 'p' float32 2x4, 'q' float32 2x4, the model 'x' float32 2x4; right are inputs of the same"),
    (chain(), model([N("Relu", ["p"], ["y"])], {"p": (FLOAT, [2, 5])}), "right are inputs of the same names"),
    (chain(), model([N("Relu", ["x"], ["p"]), N("Neg", ["x"], ["q"])], None, {"p": SHAPE, "q": SHAPE}),
     "the model gives 'y' float32 2x4, the reference 'p' float32 2x4, 'q' float32 2x4; right are outputs of the same"),
    (chain(), model([N("Cast", ["x"], ["y"], to=1)], {"x": (TensorProto.INT32, [2, 4])}),
     "input 'x' of the reference is int32, that of the model float32; right are inputs of one type"),
    (chain(), model([N("Transpose", ["x"], ["y"])], None, {"y": (FLOAT, [4, 2])}),
     "output 'y' of the model: it is float32 2x4, the reference float32 4x2"),
    (chain(), model([N("Relu", ["x"], ["y"])], {"x": (FLOAT, [3, 4])}, {"y": (FLOAT, None)}),
     "the reference: input 'x': axis 0 is 2, the model takes 3"),
    (chain(), model([N("Cast", ["x"], ["y"], to=TensorProto.STRING)], None, {"y": (TensorProto.STRING, [2, 4])}),
     "output 'y' of the model: it is float32 2x4, the reference string 2x4"),
    (chain(), {"z": X, "w": X}, "the reference has no value by the name of an output of the model; --every-value"),
    (chain(), {}, "it has no arrays"), (chain(), {"y": "text"}, "the reference has a str by 'y'"),
    (chain(), {3: X}, "the reference has an ndarray by 3; right are names"),
    (chain(), {"y": np.zeros((2, 5), np.float32)}, "it is float32 2x4, the reference float32 2x5"),
    (chain(), b"none", "no ONNX model"), (b"none", chain(), "no ONNX model"), (chain(), "none.npz", "no such file"),
    (chain(), "none.onnx", "no such file"), (chain(), "dog.jpg", "dog.jpg is a picture, and stands where the"),
    (chain(), 3, "cannot load an int")]


@pytest.mark.parametrize("ours, theirs, words", MISMATCHED, ids=range(len(MISMATCHED)))
def test_what_does_not_belong_together_is_one_line(ours, theirs, words):
    with pytest.raises(cinfer.Error) as error:
        cinfer.compare(ours, theirs, FEEDS)
    assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("given, words", [
    (dict(tolerance=-1), "tolerance is -1; right is a number of at least 0"), (dict(tolerance="x"), "tolerance is 'x'"),
    (dict(tolerance=float("nan")), "tolerance is nan"), (dict(inputs=[]), "inputs is empty"),
    (dict(inputs=3), "inputs is 3"), (dict(inputs=[{"z": X}]), "no feed for input 'x'"),
    (dict(inputs=[{"x": X.astype(float)}]), "got float64, the model takes float32"),
    (dict(inputs="none.npy"), "none.npy: no such file"), (dict(inputs="none.png"), "the model takes no picture"),
    (dict(shapes={"z": 3}), "no input 'z'"), (dict(threads=0), "threads"), (dict(task=3), "task is 3"),
    (dict(inputs=[{"x": None}]), "got a NoneType"), (dict(precision="fp16"), "precision='fp16'"),
    (dict(reference=None), "there is no reference; another model, or values")])
def test_wrong_arguments(given, words):
    with pytest.raises(cinfer.Error, match=words):
        cinfer.compare(chain(), **{"reference": chain(), **given})


def test_random_numbers_are_the_same_each_time(monkeypatch):
    free = model([N("Relu", ["x"], ["y"])], {"x": (FLOAT, ["n", "m"])}, {"y": (FLOAT, None)})
    with pytest.raises(cinfer.InputError, match=r"some sizes are free; say them with shapes=\{'x': \(1, 1\)\}"):
        cinfer.compare(free, free)
    seen = []
    run = comparer.Network.run
    monkeypatch.setattr(comparer.Network, "run",
                        lambda side, names, feeds, *more: seen.append(feeds["x"]) or run(side, names, feeds, *more))
    for _ in range(2):
        found = cinfer.compare(free, free, shapes={"x": (3, 5)})
        assert found.is_random and "random numbers, for none is named" in found.lines()[2]
    assert len(seen) == 4 and all(each.tolist() == seen[0].tolist() for each in seen) and seen[0].shape == (3, 5)


def test_floats_of_two_widths_are_fed_the_same_numbers():
    """1 + 2^-12 is no float16: both get 1."""
    def network(code):
        return model([N("Cast", ["x"], ["y"], to=FLOAT)], {"x": (code, [1])}, {"y": (FLOAT, [1])})
    x = np.float32([1 + 2**-12])
    wide, narrow = network(FLOAT), network(TensorProto.FLOAT16)
    for ours, theirs, fed in ((wide, narrow, x), (narrow, wide, np.float16([1]))):
        assert cinfer.compare(ours, theirs, [{"x": fed}], tolerance=0).agrees


def saved(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_saved_values(tmp_path):
    y = expected()["y"].astype(np.float32)
    path = saved(tmp_path / "a.npz", y=y, a=X + np.float32(1), z=np.zeros(3))
    found = cinfer.compare(chain(), path, FEEDS, every_value=True)
    assert found.agrees and [row.name for row in found.values] == ["a"]
    np.save(tmp_path / "y.npy", y)
    assert cinfer.compare(chain(), tmp_path / "y.npy", FEEDS).agrees
    assert cinfer.compare(chain(), saved(tmp_path / "b.npz", other=y), FEEDS).agrees          # by position
    assert cinfer.compare(chain(), {"y": y}, FEEDS).agrees
    off = cinfer.compare(chain(), {"y": y + np.float32(.1)}, FEEDS).outputs[0]
    assert off.largest == pytest.approx(.1, rel=1e-5)


@pytest.mark.parametrize("names", [("in{}:x", "out{}:y"), ("{}/x", "{}/y")])
def test_a_file_with_several_inputs_and_what_they_give(tmp_path, names):
    feeds = [X, X * 3]
    y = [2 / (1 + np.exp(-np.maximum(x.astype(np.float64) + 1, 0))) for x in feeds]
    arrays = {names[1].format(i): array.astype(np.float32) for i, array in enumerate(y)}
    fed = {names[0].format(i): x for i, x in enumerate(feeds)}
    path = saved(tmp_path / "a.npz", **fed, **arrays)
    if "in" in names[0]:
        found = cinfer.compare(chain(), path)
        assert found.agrees and found.inputs == ["input 0 of a.npz", "input 1 of a.npz"]
        assert cinfer.compare(chain(), path, path).agrees
    assert cinfer.compare(chain(), path, [{"x": x} for x in feeds]).outputs[0].count == 16
    with pytest.raises(cinfer.InputError, match="has no array 2/y, 'y' of the input with this number"):
        cinfer.compare(chain(), path, [{"x": x} for x in (*feeds, X)])


def test_values_without_inputs_are_refused(tmp_path):
    path = saved(tmp_path / "a.npz", y=X)
    with pytest.raises(cinfer.InputError, match="a.npz has values, but no inputs; name those that it was made with"):
        cinfer.compare(chain(), path)
    assert cinfer.compare(chain(), saved(tmp_path / "b.npz", y=expected()["y"].astype(np.float32), x=X)).agrees


def test_saved_values_of_another_shape_are_not_read(tmp_path, monkeypatch):
    path = saved(tmp_path / "a.npz", y=np.zeros((500, 4), np.float32))
    monkeypatch.setattr("cinfer.stored.Stored.read", lambda *_: pytest.fail("it was read"))
    with pytest.raises(cinfer.InputError) as error:
        cinfer.compare(chain(), path, FEEDS)
    assert str(error.value) == f"value 'y' is float32 2x4, in {path} it is float32 500x4"


def sequence(name, code=FLOAT):
    return helper.make_tensor_sequence_value_info(name, code, None)


def optional(name):
    kind = helper.make_optional_type_proto(helper.make_tensor_type_proto(FLOAT, [2, 4]))
    return helper.make_value_info(name, kind)


KINDS = {
    "a sequence": (model([N("SplitToSequence", ["x"], ["y"], axis=0)], None, {"y": sequence("y")}), "list of", 8),
    "an optional": (model([N("Optional", ["x"], ["y"])], None, {"y": optional("y")}), "float32", 8),
    "truth": (model([N("Greater", ["x", "o"], ["y"])], None, {"y": (TensorProto.BOOL, [2, 4])}, o=np.float32(0)),
              "bool", 8),
    "texts": (model([N("Cast", ["x"], ["y"], to=TensorProto.STRING)], None, {"y": (TensorProto.STRING, [2, 4])}),
              "string", 8),
    "halves": (model([N("Cast", ["x"], ["y"], to=10)], None, {"y": (10, [2, 4])}), "float16", 8),
    "bfloat16": (model([N("Cast", ["x"], ["y"], to=16)], None, {"y": (16, [2, 4])}), "bfloat16", 8),
    "integers": (model([N("ArgMax", ["x"], ["y"], axis=1)], None, {"y": (TensorProto.INT64, None)}), "int64", 2),
    "a number": (model([N("ReduceSum", ["x"], ["y"], keepdims=0)], None, {"y": (FLOAT, [])}), "float32", 1),
    "nothing": (model([N("Slice", ["x", "z", "z"], ["y"])], None, {"y": (FLOAT, None)}, z=np.int64([0])), "float32", 0),
    "zeros": (model([N("Sub", ["x", "x"], ["y"])]), "float32", 8),
    "NaN": (model([N("Sub", ["x", "x"], ["o"]), N("Div", ["o", "o"], ["y"])]), "float32", 8),
    "a found size": (model([N("NonZero", ["x"], ["y"])], None, {"y": (TensorProto.INT64, None)}), "int64", 16),
    "a branch": (model([N("ReduceMax", ["x"], ["m"], keepdims=0), N("Greater", ["m", "o"], ["c"]),
                        N("If", ["c"], ["y"], then_branch=helper.make_graph(
                            [N("Relu", ["x"], ["p"])], "t", [], [info("p", FLOAT, None)]),
                          else_branch=helper.make_graph([N("Neg", ["x"], ["p"])], "e", [], [info("p", FLOAT, None)]))],
                       None, {"y": (FLOAT, None)}, o=np.float32(0)), "float32", 8),
}


@pytest.mark.parametrize("what", KINDS)
def test_models_of_every_kind(what):
    if what == "bfloat16":
        pytest.importorskip("ml_dtypes")
    content, dtype, count = KINDS[what]
    found = cinfer.compare(content, content, FEEDS, every_value=True)
    row, = found.outputs
    assert found.agrees and row.dtype == dtype and row.count == count and not found.skipped
    assert "\n".join(found.lines()) and json.loads(json.dumps(found.data(), allow_nan=False))["agrees"]


def test_inputs_that_are_lists_or_left_out():
    listed = model([N("SequenceAt", ["s", "i"], ["y"])], {"s": sequence("s")}, i=np.int64(1))
    assert cinfer.compare(listed, listed, [{"s": [X, X * 2]}], every_value=True).outputs[0].count == 8
    with pytest.raises(cinfer.InputError, match="input 's' takes no tensor; only numbers are made up"):
        cinfer.compare(listed, listed)
    maybe = model([N("OptionalHasElement", ["o"], ["y"])], {"o": optional("o")}, {"y": (TensorProto.BOOL, [])}, 18)
    assert cinfer.compare(maybe, maybe, [{}], every_value=True).agrees


def test_a_model_without_inputs():
    alone = model([N("Relu", ["w"], ["y"])], {}, w=X)
    assert cinfer.compare(alone, alone).agrees
    assert cinfer.compare(alone, {"y": np.maximum(X, 0)}).inputs == ["none"]


def test_a_classifier_says_whether_the_class_is_the_same(tmp_path):
    from small_models import classifier
    path = classifier(tmp_path / "m.onnx", {"cinfer.recipe": "1", "cinfer.task": "classification",
                                            "cinfer.input.size": "8x8"})
    x = np.zeros((1, 3, 8, 8), np.float32)
    x[0, 1] = 1
    same = cinfer.compare(path, {"logits": np.float32([[0, 1, 0]])}, [{"x": x}])
    other = cinfer.compare(path, {"logits": np.float32([[0, 1, 2]])}, [{"x": x}])
    assert "same class: yes, 1" in same.lines() and "same class: no, 1; the reference 2" in other.lines()
    assert other.same_class == (0, 1) and other.classes == (1, 2)
    several = cinfer.compare(path, {"0/logits": np.float32([[0, 1, 0]]), "1/logits": np.float32([[9, 1, 0]])},
                             [{"x": x}, {"x": x}])
    assert "same class: 1 of 2" in several.lines()


NAN = float("nan")


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1, 1)])
@pytest.mark.parametrize("ours, theirs, classes", [
    ((0, 1, 0), (0, 1, 0), (1, 1)), ((0, 1, 0), (0, 1, 2), (1, 2)), ((NAN, 1, 2), (0, 1, 2), (None, 2)),
    ((2, 1, 0), (NAN, 1, 0), (0, None)), ((NAN, 1, 2), (NAN, 1, 2), (None, None))])
def test_the_likeliest_class_by_hand(shape, ours, theirs, classes):
    """Of outputs of both shapes that a classifier has; a row with NaN has none."""
    keys = {"cinfer.recipe": "1", "cinfer.task": "classification", "cinfer.input.size": "1x1"}
    made = onnx.load_from_string(model([N("Reshape", ["x", "s"], ["y"])], {"x": (FLOAT, [1, 3, 1, 1])},
                                       {"y": (FLOAT, shape)}, s=np.int64(shape)))
    onnx.helper.set_model_props(made, keys)
    feeds = {"x": np.float32(ours).reshape(1, 3, 1, 1)}
    found = cinfer.compare(made.SerializeToString(), {"y": np.float32(theirs).reshape(shape)}, [feeds])
    is_same = classes[0] == classes[1] is not None
    assert found.classes == classes and found.same_class == (int(is_same), 1)
    said = ["none, for it has NaN" if each is None else str(each) for each in classes]
    assert f"same class: {f'yes, {said[0]}' if is_same else f'no, {said[0]}; the reference {said[1]}'}" in found.lines()
    assert json.loads(json.dumps(found.data(), allow_nan=False))["classes"] == list(classes)


def product() -> bytes:
    w = np.random.default_rng(2).normal(0, .05, (64, 32)).astype(np.float32)
    return model([N("MatMul", ["x", "w"], ["m"]), N("Tanh", ["m"], ["y"])], {"x": (FLOAT, [16, 64])},
                 {"y": (FLOAT, [16, 32])}, w=w)


def test_a_model_beside_itself_in_fp32(monkeypatch):
    """Numbers of 8 bits of mantissa, 2^-9 off at most, both factors: sums of 64 such are some thousandths off."""
    say_fast(monkeypatch, 16)
    monkeypatch.setattr("cinfer.plan.plan.FEW_FLOPS", -1)
    found = cinfer.compare(product(), precision="bf16", every_value=True)
    assert found.precision.startswith("bf16") and found.reference == "the model in fp32"
    assert 2**-12 < found.values[0].of_scale < 2**-7 and not found.agrees and found.first.name == "m"
    assert cinfer.compare(product(), product(), precision="bf16").outputs[0].of_scale == found.outputs[0].of_scale
    assert cinfer.compare(product(), precision="bf16", tolerance=.02).agrees
    say_fast(monkeypatch, 0)
    same = cinfer.compare(product(), precision="bf16")
    assert same.outputs[0].largest == 0 and same.lines()[1].split()[:3] == ["precision", "fp32,", "not"]


def test_how_far_it_is_is_told():
    steps = []
    cinfer.compare(chain(), chain(), [{"x": X}] * 3, every_value=True, show=lambda *step: steps.append(step))
    assert steps == [("step", i + 1, 18) for i in range(18)]    # outputs and two groups, for the scale and again


@pytest.mark.parametrize("first", ["", "import cinfer.compare", "from cinfer.compare import Comparison"])
def test_the_package_is_a_function_that_is_loaded_when_asked_for(first):
    code = f"""
import sys, cinfer
assert not any(name.startswith("cinfer.compare") for name in sys.modules)
{first}
try:
    cinfer.compare(b"", b"")
except cinfer.Error:
    pass
else:
    raise SystemExit(1)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
