"""Where the features of a network are, in floats and in integers, and what has none."""

import numpy as np
import onnx
import pytest
from networks import biases, network, node, residual, weights

import cinfer
from cinfer.adapt.head import head_of, trunk_of, with_head
from cinfer.model import read
from cinfer.model.writer import encoded

X = np.random.default_rng(0).normal(size=(1, 3, 16, 16)).astype(np.float32)
BODY = [node("Conv", ["x", "w0"], ["c"], "body", pads=[1] * 4), node("Relu", ["c"], ["r"])]
POOLED = [*BODY, node("GlobalAveragePool", ["r"], ["p"]), node("Flatten", ["p"], ["f"])]
W0, W = weights(8, 3, 3, 3), weights(8, 5)


def scalar(value, dtype=np.float32):
    return np.array(value, dtype)


def spelled():
    """name -> (the file, the value that is the feature or a map of it, the feature as the file gives it)"""
    def mapped(name, kind="r", opset=17, **more):
        return network([*BODY, *more.pop("nodes")], w0=W0, opset=opset, **more), kind

    pool = [node("GlobalAveragePool", ["h"], ["q"]), node("Flatten", ["q"], ["y"])]
    bytes_of = {"s": scalar(.02), "z": scalar(3, np.uint8), "w8": (W * 40).astype(np.int8), "ws": scalar(.025),
                "wz": scalar(0, np.int8)}
    sandwich = [node("QuantizeLinear", ["f", "s", "z"], ["fq"]), node("DequantizeLinear", ["fq", "s", "z"], ["fd"]),
                node("DequantizeLinear", ["w8", "ws", "wz"], ["wd"]), node("MatMul", ["fd", "wd"], ["y"])]
    by_bytes = [node("QuantizeLinear", ["f", "s", "z"], ["fq"]),
                node("QLinearMatMul", ["fq", "s", "z", "w8", "ws", "wz", "s", "z"], ["yq"]),
                node("DequantizeLinear", ["yq", "s", "z"], ["y"])]
    dynamic = [node("DynamicQuantizeLinear", ["f"], ["fq", "fs", "fz"]),
               node("MatMulInteger", ["fq", "w8", "fz", "wz"], ["i"]), node("Cast", ["i"], ["c32"], to=1),
               node("Mul", ["fs", "ws"], ["m"]), node("Mul", ["c32", "m"], ["y"])]
    halves = [node("Cast", ["f"], ["fh"], to=10), node("MatMul", ["fh", "wh"], ["yh"]),
              node("Cast", ["yh"], ["y"], to=1)]
    rows = [node("Reshape", ["f", "to"], ["f3"]), node("MatMul", ["f3", "w"], ["y3"]),
            node("Reshape", ["y3", "back"], ["y"])]
    return {
        "Gemm": (network([*POOLED, node("Gemm", ["f", "w", "b"], ["y"])], w0=W0, w=W, b=biases(5)), "f"),
        "MatMul, Add, Softmax": (network([*POOLED, node("MatMul", ["f", "w"], ["l"]), node("Add", ["l", "b"], ["a"]),
                                          node("Softmax", ["a"], ["y"])], w0=W0, w=W, b=biases(5)), "f"),
        "1x1 Conv": mapped("conv", nodes=[node("Conv", ["r", "w1"], ["h"], "head"), *pool], w1=weights(5, 8, 1, 1)),
        "QDQ": (network([*POOLED, *sandwich], w0=W0, **bytes_of), "fd"),
        "QLinearMatMul": (network([*POOLED, *by_bytes], w0=W0, **bytes_of), "fq"),
        "MatMulInteger": (network([*POOLED, *dynamic], w0=W0, **bytes_of), "f"),
        "float16": (network([*POOLED, *halves], w0=W0, wh=W.astype(np.float16)), "fh"),
        "rows of one": (network([*POOLED, *rows], w0=W0, w=W, to=np.array([1, 1, 8]), back=np.array([1, 5])), "f3"),
        "two layers": (network([*POOLED, node("Gemm", ["f", "v"], ["g"]), node("Relu", ["g"], ["k"]),
                                node("Dropout", ["k"], ["d"]), node("MatMul", ["d", "w"], ["y"])],
                               w0=W0, v=weights(8, 8, seed=5), w=W), "d"),
    }


@pytest.mark.parametrize("name", spelled())
def test_the_trunk_gives_the_feature(name):
    data, value = spelled()[name]
    model = read(data)
    head = head_of(model.graph, "y")
    assert head.value == value
    array, = cinfer.load(data).run([value], {"x": X})
    trunk = trunk_of(model, head, array.dtype, array.shape)
    made = encoded(with_head(trunk, np.ones((3, 8)), np.zeros(3), "n", {"k": "v"}))
    loaded = onnx.load_from_string(made)
    onnx.checker.check_model(loaded, full_check=True)
    features, = cinfer.load(encoded(trunk)).run(None, {"x": X})
    as_file = array.astype(np.float32)
    if name == "QLinearMatMul":
        as_file = (as_file - 3) * np.float32(.02)
    assert features.dtype == np.float32
    assert features == pytest.approx(as_file.reshape(1, 8, -1).mean(2), abs=1e-6)
    names = {each.name for each in loaded.graph.initializer}
    assert not names & {"w", "b", "w1", "wh"}           # the old head is gone


@pytest.mark.parametrize("name", spelled())
def test_onnxruntime_gives_the_same(name):
    ort = pytest.importorskip("onnxruntime")
    data, value = spelled()[name]
    model = read(data)
    array, = cinfer.load(data).run([value], {"x": X})
    trunk = trunk_of(model, head_of(model.graph, "y"), array.dtype, array.shape)
    made = encoded(with_head(trunk, weights(3, 8, seed=9), biases(3), 1, {}))
    theirs, = ort.InferenceSession(made).run(None, {"x": X})
    ours, = cinfer.load(made).run(None, {"x": X})
    assert np.abs(theirs - ours).max() < 1e-3 and ours.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("opset", [6, 7, 11, 13, 18])
def test_old_and_new_opsets(opset):
    data = network([*POOLED, node("MatMul", ["f", "w"], ["y"])], w0=W0, w=W, opset=opset)
    model = read(data)
    made = encoded(with_head(trunk_of(model, head_of(model.graph, "y"), np.dtype(np.float32), (1, 8)), weights(3, 8),
                             biases(3), 1, {}))
    onnx.checker.check_model(onnx.load_from_string(made), full_check=True)
    assert cinfer.load(made)(X).shape == (1, 3)


def test_names_that_are_taken():
    data = network([*POOLED, node("Identity", ["f"], ["feature"]), node("MatMul", ["feature", "w"], ["probabilities"])],
                   outputs=("probabilities",), w0=W0, w=W)
    model = read(data)
    trunk = trunk_of(model, head_of(model.graph, "probabilities"), np.dtype(np.float32), (1, 8))
    assert cinfer.load(encoded(with_head(trunk, weights(3, 8), biases(3), 1, {})))(X).shape == (1, 3)


@pytest.mark.parametrize("nodes, more, reason", [
    ([node("GlobalAveragePool", ["x"], ["p"]), node("Flatten", ["p"], ["y"])], {}, "no product of matrices"),
    (BODY + [node("GlobalAveragePool", ["r"], ["p"]), node("Flatten", ["p"], ["y"])], {"w0": W0},
     "Conv 'body', its last product, looks at several pixels"),
    (POOLED + [node("Gemm", ["f", "f"], ["y"], "both", transB=1)], {"w0": W0}, "Gemm 'both', its last product, has no"),
    (POOLED + [node("Transpose", ["f"], ["t"]), node("MatMul", ["w", "t"], ["y"], "left")], {"w0": W0, "w": W.T},
     "weights on the left"),
    (POOLED + [node("MatMul", ["f", "w"], ["m"]), node("TopK", ["m", "k"], ["y", "i"], "best")],
     {"w0": W0, "w": W, "k": np.array([2])}, "stands TopK 'best'"),
])
def test_what_has_no_head_is_refused(nodes, more, reason):
    graph = read(network(nodes, **more)).graph
    with pytest.raises(cinfer.InputError) as error:
        head_of(graph, "y")
    assert reason in str(error.value) and "right is a classifier that ends in" in str(error.value)


def test_rows_of_many_are_no_feature():
    nodes = [*BODY, node("Reshape", ["r", "to"], ["t"]), node("MatMul", ["t", "w"], ["y"])]
    model = read(network(nodes, w0=W0, w=W, to=np.array([1, -1, 8])))
    with pytest.raises(cinfer.InputError, match="no row of features"):
        trunk_of(model, head_of(model.graph, "y"), np.dtype(np.float32), (1, 256, 8))


def test_nodes_beside_the_head_are_left_out():
    """Of a network with several outputs what the feature needs, with its weights; the order of nodes stays."""
    model = read(residual())
    trunk = trunk_of(model, head_of(model.graph, "y"), np.dtype(np.float32), (1, 24))
    names = [n.name for n in model.graph.nodes]
    assert [n.name for n in trunk.graph.nodes[:-1]] == names[:-1]
    assert set(model.graph.constants) - set(trunk.graph.constants) == {"w5", "b5"}
