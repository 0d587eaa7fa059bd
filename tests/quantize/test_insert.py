"""What is written, against integers in NumPy and against onnxruntime, which runs it node by node."""
import numpy as np
import onnx
import onnxruntime
import pytest
from networks import biases, detector, network, node, pictures, residual, weights

import cinfer
from cinfer.model import read
from cinfer.model.writer import encoded
from cinfer.quantize import insert, observe
from cinfer.quantize.standard import standard
from cinfer.quantize.trial import Trial
from cinfer.quantize.units import Network
from cinfer.quantize.weights import GRIDS

U8 = np.dtype(np.uint8)


class Made:
    """A network with some units in integers. left : names of layers that are not"""

    def __init__(self, content: bytes, left=(), dtype=U8, grid="u8", shape=(1, 3, 16, 16)):
        self.float = standard(read(content), "net")
        self.network = Network(self.float.graph)
        self.feeds = pictures(4, shape)
        self.observed = observe.observe(self.float, self.network, self.feeds, Trial)
        self.units = self.network.in_integers(u for u in self.network.layers if u.name in left)
        self.scales = insert.scales(self.network, self.units, self.observed.ranges("min-max"), dtype)
        graph = insert.quantised(self.network, self.units, self.scales, GRIDS[grid])
        self.model = observe.replace(self.float, graph=graph)
        self.bytes = encoded(self.model)

    def run(self, names=None, optimised=False):
        """Of onnxruntime, for the first picture."""
        proto = onnx.load_from_string(self.bytes)
        for name in names or ():
            proto.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        level = onnxruntime.GraphOptimizationLevel
        options.graph_optimization_level = level.ORT_ENABLE_ALL if optimised else level.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return session.run(names, self.feeds[0])


def counts(made: Made) -> dict[str, int]:
    found = {}
    for each in made.model.graph.nodes:
        found[each.op_type] = found.get(each.op_type, 0) + 1
    return found


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("grid", GRIDS)
def test_one_layer_is_the_integer_sum(dtype, grid):
    nodes = [node("Conv", ["x", "w", "b"], ["c"], "conv", pads=[1] * 4), node("Relu", ["c"], ["y"], "relu"),
             node("Conv", ["y", "v"], ["z"], "last")]
    made = Made(network(nodes, ["z", "y"], w=weights(5, 3, 3, 3, spread=50), b=biases(5), v=weights(2, 5, 1, 1)),
                ["last"], np.dtype(dtype), grid)
    x, w, b = (made.float.graph.constants.get(name, made.feeds[0].get(name)) for name in "xwb")
    sx, sy = made.scales["x"], made.scales["y"]
    most = GRIDS[grid].most
    sw = np.abs(w).max((1, 2, 3)).astype(np.float64) / most
    sw = sw.astype(np.float32)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    stored = np.clip(np.rint(x / sx.step) + sx.zero, low, high).astype(np.int64) - sx.zero
    wq = np.clip(np.rint(w / sw[:, None, None, None]), -most, most).astype(np.int64)
    bq = np.rint(b.astype(np.float64) / (sw * sx.step)).astype(np.int64)
    padded = np.pad(stored, ((0, 0), (0, 0), (1, 1), (1, 1)))
    taps = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
    sums = np.einsum("nchwij,ocij->nohw", taps, wq) + bq[:, None, None]
    want = np.maximum(sums * (sw * sx.step)[:, None, None], 0) / sy.step
    want = np.clip(np.rint(want) + sy.zero, low, high)
    for got in (cinfer.load(made.bytes).run(["y_quantized"], made.feeds[0])[0], made.run(["y_quantized"])[0]):
        assert got.dtype == dtype
        assert np.abs(got.astype(np.int64) - want).max() <= 1 and (got != want).mean() < .005      # ties


def test_all_nodes_stand_between_bytes():
    made = Made(residual())
    onnx.checker.check_model(onnx.load_from_string(made.bytes), full_check=True)
    count = counts(made)
    assert count["Conv"] == 5 and count["QuantizeLinear"] == 15 and "y_quantized" not in {
        name for each in made.model.graph.nodes for name in each.outputs}
    outputs = cinfer.load(made.bytes).run(None, made.feeds[0])
    floats = cinfer.load(encoded(made.float)).run(None, made.feeds[0])
    assert 0 < np.abs(outputs[0] - floats[0]).max() < .05 * np.abs(floats[0]).max()


@pytest.mark.parametrize("content", [residual(), detector()], ids=["residual", "detector"])
@pytest.mark.parametrize("left", [(), ("stem",), ("depthwise", "excite"), ("head", "body"), ("box", "class")])
@pytest.mark.parametrize("optimised", [False, True])
def test_onnxruntime_gives_the_same_answer(content, left, optimised):
    """But for numbers that lie between two steps: each engine adds in another order."""
    made = Made(content, left)
    for got, want in zip(cinfer.load(made.bytes).run(None, made.feeds[0]), made.run(optimised=optimised)):
        assert np.abs(got - want).max() < .03 * np.abs(want).max()


def test_what_moves_numbers_keeps_their_scale_and_so_does_what_only_a_concat_reads():
    made = Made(residual())
    assert made.scales["p"] is made.scales["a3"] and made.scales["f"] is made.scales["v"]
    nodes = [node("Conv", ["x", "w"], ["c"], "one"), node("Conv", ["x", "v"], ["d"], "two"),
             node("Concat", ["c", "d"], ["k"], "join", axis=1), node("Conv", ["k", "u"], ["y"], "last")]
    made = Made(network(nodes, w=weights(4, 3, 1, 1), v=9 * weights(4, 3, 1, 1), u=weights(4, 8, 1, 1)))
    assert made.scales["c"] is made.scales["d"] is made.scales["k"]


def test_floats_of_float_layers_are_not_rounded_for_others():
    """A value that a float layer makes and a layer in integers reads: who computes in float reads it as it is."""
    nodes = [node("Conv", ["x", "w"], ["c"], "first"), node("Conv", ["c", "v"], ["d"], "second"),
             node("Conv", ["d", "u"], ["e"], "third"), node("Softmax", ["c"], ["y"], "soft", axis=1)]
    made = Made(network(nodes, ["y", "e"], w=weights(4, 3, 1, 1), v=weights(4, 4, 1, 1), u=weights(4, 4, 1, 1)),
                ["first", "third"])
    by_name = {each.name: each for each in made.model.graph.nodes}
    assert by_name["soft"].inputs == ["c"] and by_name["second"].inputs[0] == "c_dequantized"
    assert by_name["third"].inputs[0] == "d_dequantized" and by_name["first"].inputs == ["x", "w"]


def test_an_output_inside_an_island_keeps_its_name():
    nodes = [node("Conv", ["x", "w"], ["c"], "first"), node("Conv", ["c", "v"], ["d"], "second"),
             node("Conv", ["d", "u"], ["e"], "third")]
    made = Made(network(nodes, ["e", "c"], w=weights(4, 3, 1, 1), v=weights(4, 4, 1, 1), u=weights(4, 4, 1, 1)))
    assert list(made.model.graph.outputs) == ["e", "c"]
    assert {each.name: each.outputs for each in made.model.graph.nodes}["first"] == ["c_float"]
    c, quantised = cinfer.load(made.bytes).run(["c", "c_quantized"], made.feeds[0])
    scale = made.scales["c"]
    assert np.array_equal(c, (quantised.astype(np.int32) - scale.zero).astype(np.float32) * scale.step)


def test_names_that_are_taken_are_left_alone():
    nodes = [node("Conv", ["x", "x_quantized"], ["x_dequantized"], "first"),
             node("Conv", ["x_dequantized", "v"], ["y"], "second")]
    made = Made(network(nodes, x_quantized=weights(4, 3, 1, 1), v=weights(4, 4, 1, 1)))
    onnx.checker.check_model(onnx.load_from_string(made.bytes), full_check=True)
    assert made.run()[0].shape == (1, 4, 16, 16)


@pytest.mark.parametrize("op", ["ConvTranspose", "Gemm", "MatMul", "Add of a constant"])
def test_layers_of_each_kind(op):
    if op == "ConvTranspose":
        nodes = [node("Conv", ["x", "w"], ["c"], "first"),
                 node("ConvTranspose", ["c", "v", "b"], ["d"], "middle", strides=[2, 2], group=2),
                 node("Conv", ["d", "u"], ["y"], "last")]
        content = network(nodes, w=weights(4, 3, 1, 1), v=weights(4, 3, 2, 2), b=biases(6), u=weights(4, 6, 1, 1))
    elif op == "Gemm":
        nodes = [node("Flatten", ["x"], ["f"], "flat"), node("Gemm", ["f", "w", "b"], ["g"], "middle"),
                 node("Relu", ["g"], ["r"], "relu"), node("Gemm", ["r", "v"], ["y"], "last", transB=1)]
        content = network(nodes, w=weights(48, 10), b=biases(10), v=weights(5, 10), shape=(1, 3, 4, 4))
    elif op == "MatMul":
        nodes = [node("MatMul", ["x", "w"], ["m"], "middle"), node("Add", ["b", "m"], ["a"], "add"),
                 node("Sigmoid", ["a"], ["s"], "sigmoid"), node("Mul", ["a", "s"], ["t"], "mul"),
                 node("MatMul", ["t", "v"], ["y"], "last")]
        content = network(nodes, w=weights(16, 9), b=biases(9), v=weights(9, 5))
    else:
        nodes = [node("Conv", ["x", "w"], ["c"], "middle"), node("Mul", ["k", "c"], ["m"], "mul"),
                 node("Conv", ["m", "v"], ["y"], "last")]
        content = network(nodes, w=weights(4, 3, 1, 1), k=weights(1, 4, 1, 1) + 1, v=weights(3, 4, 1, 1))
    made = Made(content, shape=(1, 3, 4, 4) if op == "Gemm" else (1, 3, 16, 16))
    assert {"middle", "last"} <= {unit.name for unit in made.units}
    want = cinfer.load(encoded(made.float)).run(None, made.feeds[0])[0]
    for got in (cinfer.load(made.bytes).run(None, made.feeds[0])[0], made.run()[0], made.run(optimised=True)[0]):
        assert 0 < np.abs(got - want).max() < .04 * np.abs(want).max()


@pytest.mark.parametrize("transposed", [False, True])
def test_weights_that_were_bytes_are_bytes_again_in_float_layers(transposed):
    stored = np.random.default_rng(1).integers(-127, 128, (4, 4, 2, 2)).astype(np.int8)
    stored[0, 0], stored[1, 1] = 127, -127                      # each output channel has its largest
    stored[2, 2], stored[3, 3] = 127, 127
    axis, op = (1, "ConvTranspose") if transposed else (0, "Conv")
    nodes = [node("Conv", ["x", "w"], ["c"], "first"), node("DequantizeLinear", ["s", "scale"], ["v"], "d", axis=axis),
             node(op, ["c", "v"], ["e"], "second"), node("Conv", ["e", "u"], ["y"], "third")]
    content = network(nodes, w=weights(4, 3, 1, 1), s=stored, scale=np.float32([.1, .037, .0021, 3]),
                      u=weights(2, 4, 1, 1))
    made = Made(content, ["second", "third"])
    graph = insert.keep_bytes(made.network, made.model.graph, made.units, GRIDS["u8"])
    assert np.array_equal(graph.constants["v_quantized"].astype(int) - 128, stored) and "v" not in graph.constants
    assert "w_quantized" not in graph.constants and "u" in graph.constants
    written = encoded(observe.replace(made.model, graph=graph))
    onnx.checker.check_model(onnx.load_from_string(written), full_check=True)
    got, want = (cinfer.load(each).run(None, made.feeds[0])[0] for each in (written, made.bytes))
    assert np.abs(got - want).max() < 1e-5 * np.abs(want).max()


def test_a_bias_that_would_not_fit_widens_its_scale():
    w = weights(4, 3, 1, 1)
    w[1], w[2] = 1e-9, 0
    bias = np.float32([.1, 50, 0, -3])
    nodes = [node("Conv", ["x", "w", "b"], ["c"], "first"), node("Conv", ["c", "v"], ["y"], "last")]
    made = Made(network(nodes, ["y", "c"], w=w, b=bias, v=weights(3, 4, 1, 1)))
    got = cinfer.load(made.bytes).run(["c"], made.feeds[0])[0]
    want = cinfer.load(encoded(made.float)).run(["c"], made.feeds[0])[0]
    assert np.abs(got - want).max() <= 1.01 * made.scales["c"].step
