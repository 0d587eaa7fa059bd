"""The float network to start from computes what the model does, in onnxruntime too, whatever opset it was of."""
import numpy as np
import onnx
import onnxruntime
import pytest
from networks import biases, network, node, pictures, residual, weights
from onnx import TensorProto, helper, numpy_helper

import cinfer
from cinfer.model import read
from cinfer.model.writer import encoded
from cinfer.quantize.standard import standard
from cinfer.quantize.units import Network


def runs(content: bytes, feeds: dict) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"]).run(None, feeds)


def assert_equal(content: bytes, feeds: dict, where="m.onnx"):
    made = standard(read(content), where)
    written = encoded(made)
    onnx.checker.check_model(onnx.load_from_string(written), full_check=True)
    for want, got, mine in zip(runs(content, feeds), runs(written, feeds), cinfer.load(written).run(None, feeds)):
        scale = np.abs(want).max()
        assert np.abs(got - want).max() < 1e-5 * scale and np.abs(mine - want).max() < 1e-5 * scale
    return made


def test_batch_normalization_and_stored_weights_are_folded():
    w, stored = weights(8, 3, 3, 3), np.random.default_rng(1).integers(-127, 128, (4, 8, 1, 1)).astype(np.int8)
    nodes = [node("Conv", ["x", "w"], ["c"], "conv"),
             node("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], ["n"], "norm"),
             node("DequantizeLinear", ["stored", "scale"], ["v"], "weights", axis=0),
             node("Conv", ["n", "v"], ["y"], "second")]
    content = network(nodes, w=w, stored=stored, scale=np.full(4, .01, np.float32), gamma=biases(8) + 1, beta=biases(8),
                      mean=biases(8), var=biases(8) ** 2 + .5)
    made = assert_equal(content, pictures(1)[0])
    assert [each.op_type for each in made.graph.nodes] == ["Conv", "Conv"]
    assert [each.name for each in made.graph.nodes] == ["conv", "second"]


def test_nodes_get_names_of_their_own():
    nodes = [node("Relu", ["x"], ["a"], "same"), node("Abs", ["a"], ["b"], "same"), node("Neg", ["b"], ["y"])]
    made = standard(read(network(nodes)), "m")          # onnxruntime refuses the file as it is
    assert len({each.name for each in made.graph.nodes}) == 3


OLD = {
    "Clip": (9, node("Clip", ["x"], ["y"], min=-.5, max=.5)),
    "Clip without limits": (9, node("Clip", ["x"], ["y"], min=-.5)),
    "Pad": (9, node("Pad", ["x"], ["y"], pads=[0, 0, 1, 2, 0, 0, 3, 4], value=1.5)),
    "Slice": (9, node("Slice", ["x"], ["y"], starts=[1, 2], ends=[9, -1], axes=[2, 3])),
    "Squeeze": (9, node("Squeeze", ["x"], ["y"], axes=[0])),
    "Unsqueeze": (11, node("Unsqueeze", ["x"], ["y"], axes=[0, 5])),
    "ReduceSum": (11, node("ReduceSum", ["x"], ["y"], axes=[1, 2], keepdims=0)),
    "Softmax last": (11, node("Softmax", ["x"], ["y"], axis=3)),
    "Softmax of several": (11, node("Softmax", ["x"], ["y"], axis=2)),
    "Softmax default": (9, node("Softmax", ["x"], ["y"])),
    "Dropout": (9, node("Dropout", ["x"], ["y"], ratio=.3)),
    "Upsample": (9, node("Upsample", ["x", "scales"], ["y"], mode="nearest")),
    "Upsample linear": (9, node("Upsample", ["x", "scales"], ["y"], mode="linear")),
    "Resize": (10, node("Resize", ["x", "scales"], ["y"], mode="nearest")),
    "Split": (11, node("Split", ["x"], ["y", "z"], axis=2, split=[5, 11])),
    "TopK": (9, node("TopK", ["x"], ["y", "i"], k=3)),
}


@pytest.mark.parametrize("name", OLD)
def test_nodes_of_old_opsets(name):
    opset, each = OLD[name]
    nodes = [node("Abs", ["x"], ["before"]), each, node("Neg", ["y"], ["last"])]
    each.input[0] = "before"
    scales = {"scales": np.float32([1, 1, 2, 3])} if "scales" in each.input else {}
    content = network(nodes, ["last"], opset=opset, **scales)
    made = assert_equal(content, pictures(1)[0])
    assert made.opset[""] >= 13


@pytest.mark.parametrize("nodes, opset, words", [
    ([node("Relu", ["x"], ["y"])], 6, "is of opset 6; from 7 on"),
    ([node("Dropout", ["x"], ["d", "mask"]), node("Cast", ["mask"], ["y"], to=1)], 9, "its mask is read"),
    ([node("QuantizeLinear", ["x", "s"], ["q"]), node("DequantizeLinear", ["q", "s"], ["y"])], 17,
     "m.onnx is quantised already: it has 1 nodes such as QuantizeLinear 'q'; give the model in floats"),
])
def test_what_cannot_be_is_said(nodes, opset, words):
    with pytest.raises(cinfer.UnsupportedError, match=words):
        standard(read(network(nodes, s=np.float32(.1), opset=opset)), "m.onnx")


def test_what_the_file_says_of_itself_is_kept():
    made = standard(read(residual(metadata={"cinfer.task": "classification", "own": "text"})), "m")
    assert made.metadata == {"cinfer.task": "classification", "own": "text"}


def test_weights_among_the_inputs_become_constants():
    """As files of IR version 3 have them."""
    w = weights(4, 3, 1, 1)
    graph = helper.make_graph([node("Conv", ["x", "w"], ["y"])], "g",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 16, 16)),
                               helper.make_tensor_value_info("w", TensorProto.FLOAT, w.shape)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 4, 16, 16))],
                              [numpy_helper.from_array(w, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 9)], ir_version=3)
    made = assert_equal(model.SerializeToString(), pictures(1)[0])
    assert list(made.graph.inputs) == ["x"] and not made.defaults and made.ir_version >= 7


def between(*operators, opset=13, **constants) -> bytes:
    """Two convolutions, and what turns c into a."""
    nodes = [node("Conv", ["x", "w", "b"], ["c"], "conv"), *operators, node("Conv", ["a", "v"], ["y"], "last")]
    return network(nodes, opset=opset, w=weights(8, 3, 1, 1), b=biases(8), v=weights(8, 8, 1, 1, seed=2), **constants)


CLIPPED = [node("Add", ["c", "three"], ["d"]), node("Clip", ["d", "zero", "six"], ["e"])]
NUMBERS = {name: np.float32(value) for name, value in
           dict(three=3, zero=0, six=6, half=.5, one=1, two=2, root=2 ** .5, minus=-1).items()}
GATED = {
    "by Div": [*CLIPPED, node("Mul", ["c", "e"], ["f"]), node("Div", ["f", "six"], ["a"])],
    "Div within": [*CLIPPED, node("Div", ["e", "six"], ["f"]), node("Mul", ["f", "c"], ["a"])],
    "Gelu": [node("Div", ["c", "root"], ["d"]), node("Erf", ["d"], ["e"]), node("Add", ["e", "one"], ["f"]),
             node("Mul", ["c", "f"], ["g"]), node("Mul", ["g", "half"], ["a"])],
    "SiLU by Exp": [node("Neg", ["c"], ["d"]), node("Exp", ["d"], ["e"]), node("Add", ["e", "one"], ["f"]),
                    node("Div", ["c", "f"], ["a"])],
    "SiLU of twice": [node("Mul", ["c", "two"], ["d"]), node("Sigmoid", ["d"], ["e"]), node("Mul", ["c", "e"], ["a"])],
}


@pytest.mark.parametrize("name", GATED)
@pytest.mark.parametrize("opset", [13, 17, 20])
def test_no_part_of_an_activation_is_folded_into_weights(name, opset):
    """So that it is one unit, and may be part of the layer."""
    made = assert_equal(between(*GATED[name], opset=opset, **NUMBERS), pictures(1)[0])
    kinds = [[unit.kind for unit in Network(made.graph, activates).units] for activates in (False, True)]
    assert kinds == [["layer", "table", "layer"], ["layer", "layer"]]
    operators = [each.op_type for each in made.graph.nodes]
    whole, since = {"Gelu": ("Gelu", 20), "by Div": ("HardSwish", 14), "Div within": ("HardSwish", 14)}.get(
        name, ("Swish", 24))
    assert operators[1:-1] == [whole] if opset >= since else len(operators) == 2 + len(GATED[name])


def test_a_ramp_goes_to_limits_and_weights():
    made = assert_equal(between(*CLIPPED, node("Div", ["e", "six"], ["a"]), **NUMBERS), pictures(1)[0])
    assert [each.op_type for each in made.graph.nodes] == ["Conv", "Clip", "Conv"]


SLOPED = {
    "keras": [node("Relu", ["c"], ["d"]), node("Neg", ["c"], ["e"]), node("Relu", ["e"], ["f"]),
              node("Mul", ["f", "slopes"], ["g"]), node("Add", ["d", "g"], ["a"])],
    "Where": [node("Greater", ["c", "zero"], ["d"]), node("Mul", ["c", "half"], ["e"]),
              node("Where", ["d", "c", "e"], ["a"])],
    "Max": [node("Mul", ["c", "half"], ["d"]), node("Max", ["c", "d"], ["a"])],
    "Min of Relu": [node("Relu", ["c"], ["d"]), node("Min", ["d", "six"], ["a"])],
}


@pytest.mark.parametrize("name", SLOPED)
def test_what_convolutions_take_with_them_is_one_operator(name):
    slopes = np.linspace(-.3, .1, 8, dtype=np.float32).reshape(8, 1, 1)
    made = assert_equal(between(*SLOPED[name], **NUMBERS, slopes=slopes), pictures(1)[0])
    assert [each.op_type for each in made.graph.nodes][1:2] == [
        {"keras": "PRelu", "Where": "LeakyRelu", "Max": "LeakyRelu", "Min of Relu": "Clip"}[name]]
    assert [len(unit.nodes) for unit in Network(made.graph).units] == [2, 1]


def test_constants_of_one_element_may_have_as_many_axes_as_the_value():
    wide = {name: np.full((1, 1, 1, 1), value, np.float32) for name, value in (("three", 3), ("six", 6))}
    made = assert_equal(between(*CLIPPED[:1], node("Sigmoid", ["d"], ["e"]), node("Mul", ["c", "e"], ["f"]),
                                node("Div", ["f", "six"], ["a"]), **wide), pictures(1)[0])
    units = Network(made.graph).units
    assert [unit.kind for unit in units] == ["layer", "table", "layer"] and len(units[1].nodes) == 3
