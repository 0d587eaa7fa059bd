"""Every element type of the standard through whole sessions: fed, moved, constant, given back."""
import gc

import numpy as np
import pytest

import cinfer
from cinfer.model.tensors import DTYPES, EXTENDED, STRING, dtype_of

onnx = pytest.importorskip("onnx")
pytest.importorskip("ml_dtypes")
N = onnx.helper.make_node
SIZES = {"s": [2, 2], "i": [1, 3], "b": [1], "e": [3], "n": [2, 4]}


def session(nodes, inputs, outputs, constants=()):
    info = onnx.helper.make_tensor_value_info
    sizes = [onnx.numpy_helper.from_array(np.int64(value), name) for name, value in SIZES.items()]
    graph = onnx.helper.make_graph(nodes, "g", [info(n, code, [4]) for n, code in inputs],
                                   [info(n, code, None) for n, code in outputs], [*sizes, *constants])
    model = onnx.helper.make_model(graph, ir_version=13, opset_imports=[onnx.helper.make_opsetid("", 25)])
    return cinfer.load(model.SerializeToString(), threads=1)


def values(code):
    if code == STRING:
        return np.array(["a", "", "long text é", "a"], object)
    return np.float32([1, 2, 1, 1] if code == 24 else [0, 1, 1, 0]).astype(dtype_of(code))


def assert_same(got, want):
    assert got.dtype == want.dtype and got.shape == want.shape
    assert got.tolist() == want.tolist() if want.dtype.hasobject else got.tobytes() == want.tobytes()


MOVES = {
    "Identity": ([N("Identity", ["x"], ["y"])], lambda x: x),
    "Concat": ([N("Concat", ["x", "x"], ["y"], axis=0)], lambda x: np.concatenate([x, x])),
    "Concat of a constant": ([N("Concat", ["x", "c"], ["y"], axis=0)], lambda x: np.concatenate([x, x])),
    "Gather": ([N("Gather", ["x", "i"], ["y"])], lambda x: x[[1, 3]]),
    "Slice": ([N("Slice", ["x", "b", "e"], ["y"])], lambda x: x[1:3]),
    "Reshape, Transpose": ([N("Reshape", ["x", "s"], ["t"]), N("Transpose", ["t"], ["y"], perm=[1, 0])],
                           lambda x: x.reshape(2, 2).T),
    "Expand": ([N("Expand", ["x", "n"], ["y"])], lambda x: np.broadcast_to(x, (2, 4))),
    "Equal": ([N("Equal", ["x", "c"], ["y"])], lambda x: np.ones(4, bool)),
}


@pytest.mark.parametrize("code", [STRING, *DTYPES, *EXTENDED], ids=onnx.TensorProto.DataType.Name)
@pytest.mark.parametrize("move", MOVES)
def test_every_type_is_moved(move, code):
    nodes, expected = MOVES[move]
    x = values(code)
    constant = onnx.numpy_helper.from_array(x, "c") if code != STRING else onnx.helper.make_tensor(
        "c", STRING, [4], [text.encode() for text in x])
    loaded = session(nodes, [("x", code)], [("y", 9 if move == "Equal" else code)], [constant])
    for _ in range(3):
        assert_same(loaded.run(None, {"x": x.copy()})[0], expected(x))


@pytest.mark.parametrize("code", EXTENDED, ids=onnx.TensorProto.DataType.Name)
def test_every_type_of_ml_dtypes_is_kept_between_nodes(code):
    x = values(code)
    nodes = [N("Cast", ["x"], ["t"], to=code), N("Concat", ["t", "t"], ["u"], axis=0),
             N("Cast", ["u"], ["y"], to=1)]
    y, = session(nodes, [("x", 1)], [("y", 1)]).run(None, {"x": x.astype(np.float32)})
    assert_same(y, np.concatenate([x, x]).astype(np.float32))


@pytest.mark.parametrize("move", [move for move in MOVES if move != "Equal"])
def test_strings_are_counted_as_python_counts(move):
    """Kernels that copied references crashed later, when both copies were given up."""
    nodes, expected = MOVES[move]
    constant = onnx.helper.make_tensor("c", STRING, [4], [b"0", b"1", b"2", b"3"])
    loaded = session(nodes, [("x", STRING)], [("y", STRING)], [constant])
    for turn in range(200):
        y, = loaded.run(None, {"x": np.array([f"string {i} of turn {turn}" for i in range(4)], object)})
        again = [str(bytes(30)) for _ in range(30)]
        assert all(isinstance(text, str) for text in y.ravel())
        del y, again
    gc.collect()


def test_strings_are_kept_between_nodes():
    nodes = [N("Cast", ["x"], ["t"], to=STRING), N("Concat", ["t", "t"], ["u"], axis=0),
             N("Cast", ["u"], ["y"], to=1)]
    loaded = session(nodes, [("x", 1)], [("y", 1)])
    for turn in range(3):
        x = np.float32([turn, 1, -2, 0.5])
        assert loaded.run(None, {"x": x})[0].tolist() == [*x.tolist()] * 2
