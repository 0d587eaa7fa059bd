"""What is written reads back the same, in cinfer and in the onnx package, whose checker agrees."""
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import onnx
import pytest
from beside_onnx import assert_same_model
from build import graph_of, model_of, node, value
from onnx import TensorProto, helper, numpy_helper

from cinfer import LimitError, ModelError
from cinfer.model import read, writer
from cinfer.model.graph import Graph, Model, Node, OptionalType, SequenceType, TensorType
from cinfer.model.writer import encoded

DATA = Path(__file__).parents[1] / "data"


def same(content: bytes, like: bytes | None = None) -> Model:
    """Written, and read by the onnx package, a file is what cinfer has read; and again the same bytes."""
    model = read(content)
    written = encoded(model)
    proto = onnx.load_from_string(written)
    onnx.checker.check_model(proto)
    assert_same_model(model, proto)
    again = read(written)
    assert encoded(again) == written
    assert again.metadata == model.metadata and again.opset == model.opset
    return again


@pytest.mark.parametrize("path", sorted(DATA.glob("*.onnx")), ids=lambda path: path.stem)
def test_real_models(path):
    again = same(path.read_bytes())
    assert again.metadata["cinfer.labels"] if "labels" in path.read_bytes().decode(errors="ignore") else True


@pytest.mark.skipif("CINFER_ZOO" not in os.environ, reason="CINFER_ZOO names a folder of models")
def test_models_of_a_folder():
    for path in sorted(Path(os.environ.get("CINFER_ZOO", ".")).glob("*.onnx")):
        same(path.read_bytes())


def test_attributes_of_every_kind():
    inner = graph_of([node("Identity", ["x"], ["inner"])], [], ["inner"])
    tensor = numpy_helper.from_array(np.arange(6, dtype=np.int16).reshape(2, 3), "t")
    kind = helper.make_tensor_type_proto(TensorProto.FLOAT, [2, "n"])
    attributes = {"f": 1.5, "i": -3, "s": "text", "t": tensor, "fs": [1.0, -0.25], "is": [1, -2, 1 << 40],
                  "ss": ["a", "b"], "ts": [tensor, tensor], "tp": kind, "large": (1 << 63) - 1, "least": -(1 << 63)}
    made = helper.make_node("Any", ["x", "", "x"], ["y"], domain="own", **attributes)
    made.attribute.append(helper.make_attribute("g", inner))
    made.attribute.append(helper.make_attribute("gs", [inner, inner]))
    made.attribute.append(helper.make_attribute("tps", [kind, kind]))
    model = read(model_of(graph_of([made]), domains=["own"]))
    again = read(encoded(model))
    mine, theirs = model.graph.nodes[0].attributes, again.graph.nodes[0].attributes
    assert list(mine) == list(theirs) and {"g", "gs", "tps", "f"} <= mine.keys()
    assert_same_model(again, onnx.load_from_string(encoded(model)))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "uint8", "int16", "uint16", "int32",
                                   "uint32", "int64", "uint64", "bool", "complex64"])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0), (2, 3, 5)])
def test_tensors(dtype, shape):
    array = (np.arange(np.prod(shape, dtype=int)) % 2).reshape(shape).astype(dtype)
    assert_reads_back(array)


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "int4", "uint4", "float4_e2m1fn", "int2", "uint2"])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 8, 17])
def test_tensors_of_types_that_numpy_lacks(name, count):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    if not hasattr(ml_dtypes, name):
        pytest.skip(f"this ml_dtypes has no {name}")
    assert_reads_back((np.arange(count) % 2).astype(getattr(ml_dtypes, name)))


def test_texts_and_views():
    assert_reads_back(np.array(["", "ä", b"\xff\x00"], object))
    assert_reads_back(np.arange(24.0).reshape(4, 6)[::2, 1::3])
    assert_reads_back(np.arange(5, dtype=">i4"))


def assert_reads_back(array):
    model = Model(Graph("g", [Node("Identity", ["x"], ["y"], opset=13)], {"x": TensorType(np.dtype(np.float32), (1,))},
                        {"y": TensorType()}, {"c": array}), {"": 17}, ir_version=8)
    got = read(encoded(model)).graph.constants["c"]
    assert got.shape == array.shape and got.dtype == array.dtype.newbyteorder("=")
    assert got.tolist() == array.tolist()


def test_types_of_inputs_and_outputs():
    tensor = TensorType(np.dtype(np.float32), (1, "n", None))
    types = {"a": tensor, "b": SequenceType(tensor), "c": OptionalType(SequenceType(tensor)),
             "d": TensorType(np.dtype(np.int64), ()), "e": TensorType(np.dtype(np.uint8), None)}
    model = Model(Graph("g", [], types, {"a": TensorType()}), {"": 17, "own": 2}, {"k": "", "": "v"}, "me", 9)
    again = read(encoded(model))
    assert again.graph.inputs == types and again.opset == model.opset and again.metadata == model.metadata
    assert (again.producer, again.ir_version) == ("me", 9)


def test_an_input_with_a_default_keeps_it():
    graph = graph_of([node("Add", ["x", "w"], ["y"])], ["x", "w"], constants=[("w", np.float32(np.ones((2, 3))))])
    again = same(model_of(graph))
    assert list(again.defaults) == ["w"] and list(again.graph.inputs) == ["x"]


def test_subgraphs_that_read_from_around_them():
    branch = graph_of([node("Neg", ["x"], ["n"])], [], [value("n")])
    chosen = graph_of([node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)],
                      [value("c", TensorProto.BOOL, ()), "x"])
    again = same(model_of(chosen))
    assert again.graph.nodes[0].attributes["then_branch"].captures() == ["x"]


@pytest.mark.parametrize("wrong, words", [
    ({"a": object()}, "attribute 'a': object is nothing that ONNX holds"), ({"a": [1, "b"]}, "a list of int, str"),
    ({"a": 1e300}, "which float32 does not hold")])
def test_what_onnx_does_not_hold_is_refused(wrong, words):
    graph = Graph("g", [Node("Own", ["x"], ["y"], wrong, "own")], {"x": TensorType()}, {"y": TensorType()})
    with pytest.raises(ModelError, match=words):
        encoded(Model(graph, {"": 17}))
    with pytest.raises(ModelError, match="datetime64"):
        encoded(Model(Graph(constants={"c": np.zeros(1, "M8[s]")})))


def test_more_than_protobuf_holds_is_refused(monkeypatch):
    monkeypatch.setattr(writer, "MOST_BYTES", 100)
    with pytest.raises(LimitError, match="a file without external data holds 100"):
        encoded(Model(Graph(constants={"c": np.zeros(100, np.float32)})))


def test_the_writer_needs_no_onnx():
    code = "import cinfer.model.writer, sys; assert 'onnx' not in sys.modules and 'google' not in sys.modules"
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=60)
