"""The class activation map is what its definition says, however a file spells the head."""
import numpy as np
import onnxruntime
import pytest
from explained import BIAS, CHANNELS, CLASSES, N, STEM, WEIGHTS, X, model, session
from onnx import TensorProto

from cinfer.explain.explainer import file_graph
from cinfer.explain.head import NoHead, find

F = np.maximum(np.einsum("kc,chw->khw", STEM[:, :, 0, 0].astype(np.float64), X[0].astype(np.float64)), 0)
FRONT = [N("Conv", ["x", "stem"], ["c"]), N("Relu", ["c"], ["F"])]
MEAN = [N("GlobalAveragePool", ["F"], ["m"])]
FLAT = [*MEAN, N("Flatten", ["m"], ["f"])]
W, B = {"w": WEIGHTS}, {"b": BIAS}
GEMM = N("Gemm", ["f", "w", "b"], ["n"], transB=1)
SQUARE = np.random.default_rng(4).normal(size=(CHANNELS, CHANNELS)).astype(np.float32)
SHIFT = np.arange(CHANNELS, dtype=np.float32)


def last(node, name="y"):
    """The same node, giving the output."""
    other = type(node)()
    other.CopyFrom(node)
    other.output[0] = name
    return other


# name -> nodes behind F, constants, opset, (effective weights, effective bias)
SPELLINGS = {
    "gemm": ([*FLAT, last(GEMM)], W | B, 17, (WEIGHTS, BIAS)),
    "gemm and softmax": ([*FLAT, GEMM, N("Softmax", ["n"], ["y"])], W | B, 17, (WEIGHTS, BIAS)),
    "softmax, then flatten": ([*MEAN, N("Conv", ["m", "w4", "b"], ["n"]), N("Softmax", ["n"], ["s"], axis=1),
                               N("Flatten", ["s"], ["y"])], {"w4": WEIGHTS[:, :, None, None]} | B, 17, (WEIGHTS, BIAS)),
    "scaled gemm": ([*FLAT, N("Gemm", ["f", "wt", "b"], ["y"], alpha=.5, beta=2.)], {"wt": WEIGHTS.T.copy()} | B, 17,
                    (WEIGHTS / 2, BIAS * 2)),
    "matmul and add": ([*FLAT, N("MatMul", ["f", "wt"], ["n"]), N("Add", ["b", "n"], ["y"])],
                       {"wt": WEIGHTS.T.copy()} | B, 17, (WEIGHTS, BIAS)),
    "1x1 convolution": ([*MEAN, N("Conv", ["m", "w4", "b"], ["n"], kernel_shape=[1, 1]), N("Flatten", ["n"], ["y"])],
                        {"w4": WEIGHTS[:, :, None, None]} | B, 17, (WEIGHTS, BIAS)),
    "mean as an attribute": ([N("ReduceMean", ["F"], ["f"], axes=[2, 3], keepdims=0), last(GEMM)], W | B, 13,
                             (WEIGHTS, BIAS)),
    "mean as an input": ([N("ReduceMean", ["F", "axes"], ["m"]), N("Squeeze", ["m", "axes"], ["f"]), last(GEMM)],
                         W | B | {"axes": np.int64([-1, -2])}, 18, (WEIGHTS, BIAS)),
    "channels last": ([N("Transpose", ["F"], ["t"], perm=[0, 2, 3, 1]),
                       N("ReduceMean", ["t"], ["f"], axes=[1, 2], keepdims=0), last(GEMM)], W | B, 13, (WEIGHTS, BIAS)),
    "average of all places": ([N("AveragePool", ["F"], ["m"], kernel_shape=[8, 8]), N("Reshape", ["m", "to"], ["f"]),
                               last(GEMM)], W | B | {"to": np.int64([1, -1])}, 17, (WEIGHTS, BIAS)),
    "sizes that are computed": ([*MEAN, N("Shape", ["m"], ["sizes"]), N("Slice", ["sizes", "zero", "one"], ["first"]),
                                 N("Concat", ["first", "rest"], ["to"], axis=0), N("Reshape", ["m", "to"], ["f"]),
                                 N("MatMul", ["f", "wt"], ["n"]), N("Add", ["n", "b"], ["y"])],
                                {"wt": WEIGHTS.T.copy(), "zero": np.int64([0]), "one": np.int64([1]),
                                 "rest": np.int64([-1])} | B, 17, (WEIGHTS, BIAS)),
    "a number made of sizes": ([*FLAT, GEMM, N("Size", ["n"], ["count"]), N("Cast", ["count"], ["number"], to=1),
                                N("Mul", ["n", "number"], ["y"])], W | B, 17, (WEIGHTS * CLASSES, BIAS * CLASSES)),
    "two layers and numbers": ([*FLAT, N("Sub", ["f", "shift"], ["g"]), N("Gemm", ["g", "square"], ["h"]),
                                N("Mul", ["h", "two"], ["i"]), N("Gemm", ["i", "w", "b"], ["j"], transB=1),
                                N("Div", ["j", "two"], ["y"])],
                               W | B | {"square": SQUARE, "two": np.float32(2), "shift": SHIFT}, 17,
                               (WEIGHTS @ SQUARE.T, BIAS / 2 - WEIGHTS @ SQUARE.T @ SHIFT)),
    "weights in 8 bits": ([*FLAT, N("DequantizeLinear", ["w8", "s", "z"], ["w"]), last(GEMM)],
                          {"w8": np.int8(WEIGHTS * 40), "s": np.float32(.025), "z": np.int8(0)} | B, 17,
                          (np.int8(WEIGHTS * 40) * .025, BIAS)),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_the_map_is_that_of_the_definition(name):
    nodes, constants, opset, (weights, bias) = SPELLINGS[name]
    content = model([*FRONT, *nodes], {"stem": STEM} | constants, opset=opset)
    made = session(content)
    head = find(file_graph(made), "y")
    values = dict(zip(head.names, made.run(head.names, {"x": X})))
    scores, = onnxruntime.InferenceSession(content).run(None, {"x": X})
    for index in range(CLASSES):
        found, added, number = head.map(values, index)
        assert found == pytest.approx(np.tensordot(weights[index].astype(float), F, 1), abs=1e-5)
        assert added == pytest.approx(bias[index], abs=1e-5)
        assert found.mean() + added == pytest.approx(number, abs=1e-4)
        if "softmax" not in name:
            assert number == pytest.approx(float(scores.reshape(-1)[index]), abs=1e-4)
        else:
            assert np.exp(number) / np.exp(values[head.number].reshape(-1)).sum() == pytest.approx(
                float(scores.reshape(-1)[index]), abs=1e-5)


def test_channels_that_are_the_classes():
    """As SqueezeNet has it: nothing but the mean."""
    made = session(model([N("Conv", ["x", "w3"], ["c"]), N("Relu", ["c"], ["F"]), N("GlobalAveragePool", ["F"], ["m"]),
                          N("Flatten", ["m"], ["y"])], {"w3": STEM[:3]}))
    head = find(file_graph(made), "y")
    found, added, number = head.map(dict(zip(head.names, made.run(head.names, {"x": X}))), 2)
    assert found == pytest.approx(F[2], abs=1e-6) and added == 0 and number == pytest.approx(F[2].mean(), abs=1e-6)


def rounded(name, scale):
    """QuantizeLinear and DequantizeLinear of a value."""
    return [N("QuantizeLinear", [name, f"{name}s", "z"], [f"{name}q"]),
            N("DequantizeLinear", [f"{name}q", f"{name}s", "z"], [f"{name}d"])], {f"{name}s": np.float32(scale)}


def test_quantised_values_stand_for_the_numbers_that_they_round():
    nodes, constants = [*FRONT], {"stem": STEM, "z": np.uint8(0), "w8": np.int8(WEIGHTS * 40), "s": np.float32(.025),
                                  "z8": np.int8(0), "bi": np.int32(BIAS / (.025 * .01)), "zy": np.uint8(128)}
    more, scales = rounded("F", .02)
    nodes += [*more, N("GlobalAveragePool", ["Fd"], ["m"])]
    constants |= scales
    more, scales = rounded("m", .01)
    nodes += [*more, N("Flatten", ["md"], ["f"]), N("DequantizeLinear", ["w8", "s", "z8"], ["w"]),
              N("Gemm", ["f", "w", "b"], ["n"], transB=1), N("QuantizeLinear", ["n", "ns", "zy"], ["nq"]),
              N("DequantizeLinear", ["nq", "ns", "zy"], ["y"])]
    constants |= scales | {"ns": np.float32(.03)} | B
    near_its_definition(model(nodes, constants))


def test_quantised_operators():
    nodes = [*FRONT, N("QuantizeLinear", ["F", "fs", "fz"], ["q"]),
             N("QLinearGlobalAveragePool", ["q", "fs", "fz", "ms", "z"], ["m"], domain="com.microsoft"),
             N("Flatten", ["m"], ["f"]),
             N("QGemm", ["f", "ms", "z", "w8", "s", "z8", "bi", "ns", "zy"], ["n"], transB=1, domain="com.microsoft"),
             N("DequantizeLinear", ["n", "ns", "zy"], ["y"])]
    near_its_definition(model(nodes, {
        "stem": STEM, "fs": np.float32(.02), "fz": np.uint8(7), "ms": np.float32(.01), "z": np.uint8(0),
        "w8": np.int8(WEIGHTS * 40), "s": np.full(CLASSES, .025, np.float32), "z8": np.zeros(CLASSES, np.int8),
        "bi": np.int32(BIAS / (.025 * .01)), "ns": np.float32(.03), "zy": np.uint8(128)}))


def near_its_definition(content):
    made = session(content)
    head = find(file_graph(made), "y")
    values = dict(zip(head.names, made.run(head.names, {"x": X})))
    for index in range(CLASSES):
        found, added, number = head.map(values, index)
        weights = np.int8(WEIGHTS * 40)[index] * .025
        assert found == pytest.approx(np.tensordot(weights, F, 1), abs=.02 * np.abs(weights).sum())   # a step of F
        assert added == pytest.approx(BIAS[index], abs=1e-3)
        assert found.mean() + added == pytest.approx(number, abs=.05)


def test_float16():
    half = np.float16
    nodes = [*FRONT, *FLAT, last(GEMM)]
    content = model(nodes, {"stem": STEM.astype(half), "w": WEIGHTS.astype(half), "b": BIAS.astype(half)},
                    kind=TensorProto.FLOAT16)
    made = session(content)
    head = find(file_graph(made), "y")
    found, added, number = head.map(dict(zip(head.names, made.run(head.names, {"x": X.astype(half)}))), 1)
    assert found == pytest.approx(np.tensordot(WEIGHTS[1].astype(float), F, 1), abs=2e-2)      # 11 bits of 4
    assert found.mean() + added == pytest.approx(number, abs=1e-2)


@pytest.mark.parametrize("nodes, constants, why", [
    ([*FLAT, N("Relu", ["f"], ["g"]), N("Gemm", ["g", "w", "b"], ["y"], transB=1)], W | B, "there is Relu 'g'"),
    ([N("GlobalMaxPool", ["F"], ["m"]), N("Flatten", ["m"], ["f"]), last(GEMM)], W | B, "there is GlobalMaxPool 'm'"),
    ([*FLAT, N("Softmax", ["f"], ["g"]), N("Gemm", ["g", "w", "b"], ["y"], transB=1)], W | B, "there is Softmax 'g'"),
    ([*FLAT, N("Mul", ["f", "f"], ["g"]), N("Gemm", ["g", "w", "b"], ["y"], transB=1)], W | B, "there is Mul 'g'"),
    ([*FLAT, N("Div", ["shift", "f"], ["g"]), N("Gemm", ["g", "w", "b"], ["y"], transB=1)],
     W | B | {"shift": SHIFT}, "there is Div 'g'"),
    ([*MEAN, N("Conv", ["m", "w2", "b"], ["n"], group=1, pads=[1, 1, 1, 1]), N("ReduceMax", ["n"], ["y"], axes=[2, 3],
                                                                              keepdims=0)],
     B | {"w2": WEIGHTS[:, :, None, None]}, "there is ReduceMax 'y'"),
])
def test_no_head(nodes, constants, why):
    made = session(model([*FRONT, *nodes], {"stem": STEM} | constants, opset=13))
    with pytest.raises(NoHead) as error:
        find(file_graph(made), "y")
    assert str(error.value).endswith(why)


@pytest.mark.parametrize("nodes, why", [
    ([N("AveragePool", ["F"], ["p"], kernel_shape=[4, 4], strides=[4, 4]), N("Flatten", ["p"], ["f"])],
     "AveragePool 'p' is no mean over all places"),
    ([N("ReduceMean", ["F"], ["p"], axes=[1], keepdims=0), N("Flatten", ["p"], ["f"])],
     "ReduceMean 'p' is no mean over the rows and columns of a picture"),
    ([N("GlobalAveragePool", ["F"], ["p"]), N("GlobalAveragePool", ["p"], ["q"]), N("Flatten", ["q"], ["f"])],
     "GlobalAveragePool 'q' is of one place only"),
])
def test_what_only_a_run_tells(nodes, why):
    width = {"AveragePool 'p'": CHANNELS * 4, "ReduceMean 'p'": 64}.get(" ".join(why.split()[:2]), CHANNELS)
    weights = np.ones((CLASSES, width), np.float32)
    made = session(model([*FRONT, *nodes, last(GEMM)], {"stem": STEM, "w": weights} | B, opset=13))
    head = find(file_graph(made), "y")
    with pytest.raises(NoHead, match=why):
        head.map(dict(zip(head.names, made.run(head.names, {"x": X}))), 0)


def test_what_does_not_add_up_is_no_map():
    made = session(model([*FRONT, *FLAT, last(GEMM)], {"stem": STEM} | W | B))
    head = find(file_graph(made), "y")
    values = dict(zip(head.names, made.run(head.names, {"x": X})))
    head.map(values, 0)
    values[head.number] = values[head.number] + np.float32(.01)
    with pytest.raises(NoHead, match="off the number by 0.01"):
        head.map(values, 0)
    assert head.map(values, 0, is_rough=True)[2] == pytest.approx(float(values[head.number][0, 0]))


def test_classes_without_a_batch():
    made = session(model([*FRONT, *FLAT, N("Gemm", ["f", "w", "b"], ["n"], transB=1),
                          N("Reshape", ["n", "to"], ["y"])], {"stem": STEM, "to": np.int64([-1])} | W | B,
                         out=(CLASSES,)))
    head = find(file_graph(made), "y")
    found, added, number = head.map(dict(zip(head.names, made.run(head.names, {"x": X}))), 2)
    assert found.mean() + added == pytest.approx(number, abs=1e-4) and found == pytest.approx(
        np.tensordot(WEIGHTS[2].astype(float), F, 1), abs=1e-5)


def test_scores_that_depend_on_no_picture():
    nodes = [N("Softmax", ["b"], ["y"], axis=0), N("ReduceMax", ["x"], ["m"], keepdims=0)]
    with pytest.raises(NoHead, match="there is Softmax 'y'"):
        find(file_graph(session(model(nodes, B, out=(CLASSES,)))), "y")
