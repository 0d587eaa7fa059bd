import array
import gzip
import importlib
import io
import pathlib
import random

import numpy as np
import onnx
import onnx.backend.test
import onnx.backend.test.case.node as node_cases
import pytest
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from cinfer.errors import Error, InputError, LimitError, ModelError, UnsupportedError
from cinfer.model import read
from cinfer.model.graph import Graph, OptionalType, SequenceType, TensorType

from beside_onnx import assert_same_model
from build import graph_of, model_of, node as N, value
from conftest import SHARED, shared

SUITE = pathlib.Path(onnx.backend.test.__file__).parent / "data"
SUITE_MODELS = sorted(SUITE.rglob("model.onnx"))
MODELS = sorted((SHARED / "models").glob("*.onnx"))
SKELETONS = sorted((SHARED / "zoo" / "skeletons").glob("*.onnx.gz"))
# Modules of the suite whose cases have subgraphs, sequences, optionals, strings, or types that NumPy lacks
CASES = ("constant", "cast", "castlike", "if_", "loop", "scan", "sequence_map", "sequenceinsert",
         "splittosequence", "optionalgetelement", "optionalhaselement", "identity", "quantizelinear",
         "dequantizelinear", "stringnormalizer", "string_split",
         "bitcast", "ai_onnx_ml", "resize")


class Gives:
    """A file object that gives, or raises, anything."""

    def __init__(self, what):
        self.what = what

    def read(self):
        if isinstance(self.what, Exception):
            raise self.what
        return self.what

    def __repr__(self):
        return f"Gives({self.what!r})"


class Named:
    read = "no method"


def closed():
    file = io.BytesIO()
    file.close()
    return file


# Held beside onnx.load

@pytest.mark.parametrize("path", MODELS or [None], ids=lambda path: path.stem if path else "")
def test_real_models_are_what_onnx_reads(path):
    path = path or shared("models")
    assert_same_model(read(path), onnx.load(path), path.parent)


@pytest.mark.parametrize("path", SKELETONS or [None], ids=lambda path: path.stem if path else "")
def test_exported_graphs_are_what_onnx_reads(path):
    model = onnx.load_from_string(gzip.decompress((path or shared("zoo/skeletons")).read_bytes()))
    for tensor in model.graph.initializer:              # the big ones hold a recipe instead of their weights
        size = helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize * int(np.prod(tensor.dims))
        if tensor.HasField("raw_data") and size != len(tensor.raw_data):
            tensor.data_type, tensor.dims[:] = TensorProto.UINT8, [len(tensor.raw_data)]
    weights = {tensor.name for tensor in model.graph.initializer}
    for info in [each for each in model.graph.input if each.name in weights]:
        model.graph.input.remove(info)
    assert_same_model(read(model.SerializeToString()), model)


@pytest.mark.parametrize("path", SUITE_MODELS, ids=lambda path: path.parent.name)
def test_models_of_the_onnx_suite_are_what_onnx_reads(path):
    assert_same_model(read(path), onnx.load(path), path.parent)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_cases_of_the_onnx_suite_are_what_onnx_reads():
    for module in CASES:
        importlib.import_module(f"onnx.backend.test.case.node.{module}")
    cases = [case for case in node_cases._NodeTestCases if case.model is not None]
    assert len(cases) > 300
    for case in cases:
        if not case.model.functions:
            try:
                assert_same_model(read(case.model.SerializeToString()), case.model)
            except (AssertionError, Error) as error:
                raise AssertionError(f"{case.name}: {error}") from error


# Where the bytes come from

def test_path_bytes_and_file_give_the_same(tmp_path):
    data = model_of(graph_of([N("Relu", ["x"], ["y"])]))
    path = tmp_path / "m.onnx"
    path.write_bytes(data)
    with open(path, "rb") as file:
        models = [read(path), read(str(path)), read(data), read(bytearray(data)),
                  read(memoryview(data)), read(file), read(io.BytesIO(data))]
    for model in models:
        node, = model.graph.nodes
        assert (node.op_type, node.inputs, node.outputs) == ("Relu", ["x"], ["y"])
    assert [model.path for model in models] == [str(path), str(path), None, None, None, None, None]


@pytest.mark.parametrize("source, says", [
    ("no/such/file.onnx", "no/such/file.onnx: no such file; name an ONNX model"), (".", "folder"),
    ("", "path of the model is empty"),
    ("a\nb", r"'a\\nb': no such file"),
    ("a\0b", "cannot be read"),
    ("a\udcff\ud800", "cannot be read"), ("/dev/null/x", "Not a directory"), ("x" * 9999, "too long"),
    (None, "NoneType"), (3.5, "float"), (5, "int"), (10**12, "int"), ([1, 2], "list"), ({}, "dict"),
    (read, "function"),
    (onnx.ModelProto(), r"ModelProto; pass its bytes: model.SerializeToString\(\)"),
    (onnx.ModelProto, "cannot load a"),
    (io.StringIO("text"), "mode 'rb'"), ("/dev/null", "no regular file"),
    (closed(), "closed"), (Gives("text"), "gives str; open it with mode 'rb'"), (Gives(None), "NoneType"),
    (Gives([1]), "list"), (Gives(OSError(5, "worn out")), "worn out"), (Named(), "Named"),
    (b"", ""), (bytearray(), ""), (io.BytesIO(), ""), (memoryview(b""), ""),
], ids=lambda each: each[:40] if isinstance(each, str) else type(each).__name__)
def test_what_cannot_be_read_is_one_short_error(source, says):
    kind = InputError if says else ModelError
    with pytest.raises(kind, match=says or "empty") as caught:
        read(source)
    assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)


@pytest.mark.parametrize("mistake", [TypeError, AttributeError, KeyError, RuntimeError])
def test_errors_of_a_foreign_read_stay_what_they_are(mistake):
    with pytest.raises(mistake):
        read(Gives(mistake("in somebody's code")))


@pytest.mark.parametrize("mistake", [TypeError, AttributeError, KeyError, IndexError])
def test_mistakes_in_the_reader_are_no_model_errors(mistake, monkeypatch):
    def broken(*_):
        raise mistake("a mistake")
    monkeypatch.setattr("cinfer.model.reader.validate", broken)
    with pytest.raises(mistake):
        read(model_of(graph_of([N("Relu", ["x"], ["y"])])))


def test_everything_with_a_buffer_is_bytes():
    data = model_of(graph_of([N("Relu", ["x"], ["y"])]))
    spaced = memoryview(bytes(b for each in data for b in (each, 0)))[::2]
    for source in (
            array.array("B", data), np.frombuffer(data, np.uint8), spaced, memoryview(bytearray(data))):
        assert read(source).graph.nodes[0].op_type == "Relu"


# What graphs hold

def test_attributes_of_every_type():
    sparse = onnx.SparseTensorProto(values=numpy_helper.from_array(np.float32([7]), "v"),
                                    indices=numpy_helper.from_array(np.int64([2]), "i"), dims=[4])
    inner = graph_of([N("Relu", ["x"], ["t"])], [], ["t"])
    given = {"f": 0.1, "i": -2**63, "s": "é", "t": numpy_helper.from_array(np.int8([1, 2])), "g": inner,
             "floats": [0.5, -1.0], "ints": [1, -2**40], "strings": ["a", "b"],
             "tensors": [numpy_helper.from_array(np.float64(3))], "graphs": [inner, inner], "sparse": sparse,
             "tp": helper.make_tensor_type_proto(1, [2, "n"])}
    node = N("Op", ["x"], ["y"], domain="d", **given)
    node.attribute.add(name="bytes", type=AttributeProto.STRING, s=b"\xff\xfe")
    node.attribute.add(name="none", type=AttributeProto.INTS)
    node.attribute.add(name="zero", type=AttributeProto.INT)    # as proto3 writers leave it out
    node.attribute.add(name="old", ints=[4])                    # IR version 1 had no types
    got = read(model_of(graph_of([node]), domains=["d"])).graph.nodes[0].attributes
    assert got["f"] == np.float32(0.1) and type(got["f"]) is float
    assert (got["i"], got["s"], got["bytes"], got["zero"]) == (-2**63, "é", b"\xff\xfe", 0)
    assert (got["floats"], got["ints"], got["strings"]) == ([0.5, -1.0], [1, -2**40], ["a", "b"])
    assert (got["none"], got["old"]) == ([], [4])
    assert got["t"].tolist() == [1, 2] and got["tensors"][0].shape == ()
    assert got["sparse"].tolist() == [0, 0, 7, 0]
    assert isinstance(got["g"], Graph) and [len(graph.nodes) for graph in got["graphs"]] == [1, 1]
    assert got["tp"] == TensorType(np.dtype("f4"), (2, "n"))


@pytest.mark.parametrize("attribute", [
    AttributeProto(name="a", type=AttributeProto.INT, ints=[1]),
    AttributeProto(name="a", type=AttributeProto.INTS, floats=[1.0]),
    AttributeProto(name="a", type=AttributeProto.TENSOR),
    AttributeProto(name="a", type=AttributeProto.GRAPH, i=1),
    AttributeProto(name="a"), AttributeProto(type=AttributeProto.INT, i=1),
    AttributeProto(name="b", type=AttributeProto.INT, i=1),
    AttributeProto(name="a", type=AttributeProto.INT, ref_attr_name="p"),
], ids=str)
def test_attributes_that_contradict_themselves_are_refused(attribute):
    node = N("Op", ["x"], ["y"], domain="d", b=1)
    node.attribute.append(attribute)
    with pytest.raises(ModelError, match=r"graph.node\[0\]"):
        read(model_of(graph_of([node]), domains=["d"]))


@pytest.mark.parametrize("attributes, want", [
    ({"value": numpy_helper.from_array(np.int8([[3]]))}, np.int8([[3]])),
    ({"value_float": 0.5}, np.float32(0.5)),
    ({"value_floats": [0.5, 2.0]}, np.float32([0.5, 2])), ({"value_int": -3}, np.int64(-3)),
    ({"value_ints": [1, 2]}, np.int64([1, 2])),
    ({"value_string": "é"}, np.array("é", object)),
    ({"value_strings": ["a", "b"]}, np.array(["a", "b"], object)),
], ids=lambda each: next(iter(each)) if isinstance(each, dict) else "")
def test_constant_nodes_are_constants(attributes, want):
    nodes = [N("Constant", [], ["c"], **attributes), N("Op", ["c"], ["y"], domain="d")]
    graph = read(model_of(graph_of(nodes), domains=["d"])).graph
    got = graph.constants["c"]
    assert len(graph.nodes) == 1
    assert got.dtype == want.dtype and got.shape == want.shape and got.tolist() == want.tolist()


@pytest.mark.parametrize("node", [
    N("Constant", [], ["c"]), N("Constant", [], ["c"], value_int=1, value_float=1.0),
    N("Constant", [], ["c"], value=[1, 2]),
    N("Constant", [], ["c"], value_ints=[1.0]), N("Constant", [], ["c"], value_float="a"),
    N("Constant", [], ["c", "d"], value_int=1),
    N("Constant", [], [""], value_int=1), N("Constant", ["x"], ["c"], value_int=1),
    N("Constant", [], ["w"], value_int=1),
], ids=lambda node: f"{[*node.output]} {[a.name for a in node.attribute]}")
def test_constant_nodes_that_are_none_are_refused(node):
    with pytest.raises(ModelError):
        read(model_of(graph_of([node, N("Relu", ["x"], ["y"])], constants=[("w", np.float32(1))])))


def test_inputs_with_an_initializer_are_constants():
    graph = graph_of([N("Add", ["x", "w"], ["y"])], ["x", value("w", shape=(3,))],
                     constants=[("w", np.ones(3, "f4"))])
    model = read(model_of(graph))
    assert list(model.graph.inputs) == ["x"] and list(model.graph.constants) == ["w"]
    assert model.defaults == {"w": TensorType(np.dtype("f4"), (3,))}


def test_types_of_inputs():
    inputs = [value("a", 1, ["n", 3, None, 0]), value("b", 7, None), value("c", 8, []),
              helper.make_tensor_sequence_value_info("s", 1, [2]),
              helper.make_value_info("o",
                                     helper.make_optional_type_proto(helper.make_tensor_type_proto(1, [2]))),
              helper.make_value_info("m",
                                     helper.make_map_type_proto(7, helper.make_tensor_type_proto(1, [])))]
    got = read(model_of(graph_of([N("Relu", ["a"], ["y"])], inputs))).graph.inputs
    assert got == {"a": TensorType(np.dtype("f4"), ("n", 3, None, 0)), "b": TensorType(np.dtype("i8"), None),
                   "c": TensorType(np.dtype(object), ()), "m": TensorType(),
                   "s": SequenceType(TensorType(np.dtype("f4"), (2,))),
                   "o": OptionalType(TensorType(np.dtype("f4"), (2,)))}


@pytest.mark.parametrize("info",
                         [onnx.ValueInfoProto(name="x"), value("x", 0), value("x", 99), value("x", -1),
                          value("")], ids=str)
def test_inputs_without_a_name_or_a_type_are_refused(info):
    with pytest.raises(ModelError):
        read(model_of(graph_of([N("Relu", ["x"], ["y"])], [info])))


def test_absent_inputs_at_the_end_are_dropped_and_ai_onnx_is_the_default_domain():
    node = N("Clip", ["x", "", "m", "", ""], ["y", ""], domain="ai.onnx")
    node, = read(model_of(graph_of([node], constants=[("m", np.float32(1))]))).graph.nodes
    assert (node.inputs, node.outputs, node.domain, node.opset) == (["x", "", "m"], ["y", ""], "", 17)


@pytest.mark.parametrize("opset", [0, -1, -2**63, 2**63 - 1, 2**32 + 17, 1000])
def test_opsets_that_do_not_exist_are_refused(opset):
    with pytest.raises((ModelError, UnsupportedError), match=f"opset {opset}"):
        read(model_of(graph_of([N("Relu", ["x"], ["y"])]), opset=opset))


def test_model_without_opset_is_refused_unless_it_is_that_old():
    model = onnx.load_from_string(model_of(graph_of([N("Relu", ["x"], ["y"])])))
    del model.opset_import[:]
    with pytest.raises(ModelError, match="opset_import"):
        read(model.SerializeToString())
    model.ir_version = 2
    assert read(model.SerializeToString()).opset == {"": 1}


def test_messages_given_in_parts_are_merged():
    node = N("Relu", ["x"], ["y"], axis=numpy_helper.from_array(np.int64([1, 2])))
    whole = onnx.load_from_string(model_of(graph_of([node])))
    first, second = onnx.ModelProto(), onnx.ModelProto()
    first.graph.node.extend(whole.graph.node)
    first.ir_version, first.producer_name = 3, "first"
    second.CopyFrom(whole)
    del second.graph.node[:]
    data = first.SerializeToString() + second.SerializeToString()
    assert_same_model(read(data), onnx.load_from_string(data))


def test_a_subgraph_may_give_one_value_twice():
    body = graph_of([N("Identity", ["c"], ["c2"]), N("Relu", ["s"], ["r"])],
                    [value("i", 7, []), value("c", 9, []), "s"], [value("c2", 9, []), "r", "r"])
    loop = N("Loop", ["n", "", "x"], ["y", "z"], body=body)
    graph = read(model_of(graph_of([loop], outputs=["y", "z"], constants=[("n", np.int64(2))]))).graph
    body = graph.nodes[0].attributes["body"]
    assert len(body.outputs) == 3 and body.nodes[-1].op_type == "Identity"
    assert body.nodes[-1].inputs == ["r"] and body.nodes[-1].outputs == [list(body.outputs)[2]]


def nested(depth: int) -> bytes:
    graph = graph_of([N("Neg", ["x"], ["o0"])], [], ["o0"])
    for i in range(1, depth + 1):
        other = graph_of([N("Abs", ["x"], ["e"])], [], ["e"])
        graph = graph_of([N("If", ["c"], [f"o{i}"], then_branch=graph, else_branch=other)], [], [f"o{i}"])
    graph.input.extend([value("x"), value("c", 9, [])])
    return model_of(graph)


def test_subgraphs_in_subgraphs_are_read_and_bounded():
    graph, depth = read(nested(20)).graph, 0
    while graph.nodes[0].op_type == "If":
        graph, depth = graph.nodes[0].attributes["then_branch"], depth + 1
    assert depth == 20
    with pytest.raises(LimitError, match="nested"):
        read(nested(32))


def test_python_s_stack_running_out_is_a_limit_error():
    data = nested(30)

    def deeper(left: int):
        return deeper(left - 1) if left else read(data)
    import sys
    depth, frame = 0, sys._getframe()
    while frame:
        depth, frame = depth + 1, frame.f_back
    with pytest.raises(LimitError, match="stack"):
        deeper(sys.getrecursionlimit() - depth - 40)


# Damage

def test_truncation_anywhere_is_refused_but_between_whole_fields_of_the_model():
    data = small_model()
    for size in range(len(data)):
        try:
            read(data[:size])
        except ModelError:
            continue
        assert onnx.load_from_string(data[:size]).HasField("graph"), f"{size} of {len(data)} bytes"


@pytest.mark.parametrize("seed", range(40))
def test_damage_raises_only_errors_of_cinfer(seed):
    rng = random.Random(seed)
    for _ in range(50):
        data = bytearray(small_model())
        for _ in range(rng.choice((1, 1, 2, 5))):
            at = rng.randrange(len(data))
            how = rng.randrange(4)
            if how == 0:
                data[at] ^= 1 << rng.randrange(8)
            elif how == 1:
                data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
            elif how == 2:
                data[at:at] = rng.randbytes(rng.randint(1, 6))
            else:
                del data[at:at + rng.randint(1, 6)]
        try:
            read(bytes(data))
        except Error as error:
            assert str(error).startswith("model: ") and "\n" not in str(error), f"seed {seed}"


def small_model() -> bytes:
    """A little of everything."""
    body = graph_of([N("Add", ["x", "w"], ["t"])], [], ["t"])
    function = helper.make_function("f", "F", ["a"], ["b"], [N("LeakyRelu", ["a"], ["b"], alpha=0.5)],
                                    [helper.make_opsetid("", 17)])
    nodes = [N("Constant", [], ["k"], value=numpy_helper.from_array(np.array(True))),
             N("Constant", [], ["q"], value_ints=[1, 2]),
             N("If", ["k"], ["h"], then_branch=body, else_branch=body), N("F", ["h"], ["r"], domain="f"),
             N("Conv", ["r", "v"], ["y"], pads=[1, 1], auto_pad="NOTSET")]
    typed = helper.make_tensor("v", 1, [1, 2], [0.5, 0.25])
    graph = graph_of(nodes, constants=[("w", np.ones(3, np.float32))])
    graph.initializer.append(typed)
    return model_of(graph, functions=[function], domains=["f"])


@pytest.mark.parametrize("content, says", [
    (b"", "it is empty"), (b"\x89PNG\r\n\x1a\n" + bytes(50), "a PNG picture"),
    (b"PK\x03\x04" + bytes(50), "a zip archive"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "git lfs pull"),
    (b"    TFL3" + bytes(50), "TensorFlow Lite"),
    (b"Hello, I am a text.\n" * 20, "this is no ONNX model"), (bytes(100), "field number 0"),
    (b"\xff" * 100, "ten bytes"),
    (b"\x08\x08\x12\x01a", "it has no graph"), (b"\x1f\x8b\x08" + bytes(20), "gzip"),
])
def test_files_that_are_no_models_are_told_apart(tmp_path, content, says):
    path = tmp_path / "thing.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"^thing\.onnx: this is no ONNX model") as caught:
        read(path)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_message_of_an_error_stays_short():
    with pytest.raises(ModelError) as caught:
        read(model_of(graph_of([N("Relu", ["n" * 10**6], ["y"])])))
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("name", [b"\xff\xfe", b"ab\xe2\x82", b"\xed\xa0\x80a"])
def test_names_that_are_no_utf8_are_refused(name):
    data = model_of(graph_of([N("Relu", ["x"], ["Z" * len(name)]), N("Neg", ["Z" * len(name)], ["y"])]))
    with pytest.raises(ModelError, match="no UTF-8"):
        read(data.replace(b"Z" * len(name), name))
