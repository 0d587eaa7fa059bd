"""What the onnx package reads from a model, held beside what cinfer reads: the oracle of these tests."""
from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import GraphProto, ModelProto, TensorProto, helper, numpy_helper

from cinfer.model.graph import Graph, Model, OptionalType, SequenceType, TensorType


def assert_same_array(got: np.ndarray, want: np.ndarray, what: str) -> None:
    """Same dtype, shape and bits."""
    assert got.dtype == want.dtype, f"{what}: {got.dtype}, onnx says {want.dtype}"
    assert got.shape == want.shape, f"{what}: {got.shape}, onnx says {want.shape}"
    if want.dtype == object:
        assert got.tolist() == want.tolist(), what
    else:
        assert got.tobytes() == want.tobytes(), f"{what}: other values"


def assert_same_model(got: Model, want: ModelProto, folder: Path | str = "") -> None:
    """`got` is all that inference needs of `want`, which has no functions."""
    assert got.opset == {"" if o.domain == "ai.onnx" else o.domain: o.version for o in want.opset_import}
    assert got.metadata == {entry.key: entry.value for entry in want.metadata_props}
    assert (got.ir_version, got.producer) == (want.ir_version, want.producer_name)
    assert_same_graph(got.graph, want.graph, str(folder), got.opset)


def assert_same_graph(got: Graph, want: GraphProto, folder: str, opset: dict[str, int]) -> None:
    arrays = {tensor.name: numpy_helper.to_array(tensor, folder) for tensor in want.initializer}
    nodes = {}
    for node in want.node:
        if node.op_type == "Constant":
            arrays[node.output[0]] = constant(node, folder)
        else:
            nodes[tuple(node.output)] = node
    assert got.constants.keys() == arrays.keys()
    for name, array in arrays.items():
        assert_same_array(got.constants[name], array, name)
    assert got.name == want.name
    assert list(got.inputs) == [info.name for info in want.input if info.name not in arrays]
    assert list(got.outputs) == [info.name for info in want.output]
    for side in (want.input, want.output, want.value_info):
        for info in side:
            declared = got.inputs.get(info.name) or got.outputs.get(info.name) or got.types.get(info.name)
            assert info.name in arrays or declared == declared_type(info.type), info.name

    assert len(got.nodes) == len(nodes)
    for node in got.nodes:
        twin = nodes[tuple(node.outputs)]
        domain = "" if twin.domain == "ai.onnx" else twin.domain
        assert (node.op_type, node.domain, node.name) == (twin.op_type, domain, twin.name)
        assert node.opset == opset[node.domain]
        absent = len(twin.input) - len(node.inputs)
        assert node.inputs + [""] * absent == list(twin.input)
        assert node.attributes.keys() == {attribute.name for attribute in twin.attribute}
        for attribute in twin.attribute:
            assert_same_value(node.attributes[attribute.name], helper.get_attribute_value(attribute),
                              f"{node}.{attribute.name}", folder, opset)


def constant(node, folder: str) -> np.ndarray:
    attribute, = node.attribute
    value = helper.get_attribute_value(attribute)
    if attribute.name == "value":
        return numpy_helper.to_array(value, folder)
    if attribute.name == "sparse_value":
        dense = np.zeros(list(value.dims), np.float32)
        dense.reshape(-1)[numpy_helper.to_array(value.indices)] = numpy_helper.to_array(value.values)
        return dense
    if "string" in attribute.name:
        value = [text.decode() for text in value] if isinstance(value, list) else value.decode()
        return np.array(value, object)
    return np.array(value, np.float32 if "float" in attribute.name else np.int64)


def assert_same_value(got: object, want: object, what: str, folder: str, opset: dict[str, int]) -> None:
    if isinstance(want, GraphProto):
        assert_same_graph(got, want, folder, opset)
    elif isinstance(want, TensorProto):
        assert_same_array(got, numpy_helper.to_array(want, folder), what)
    elif isinstance(got, (TensorType, SequenceType, OptionalType)):
        assert got == declared_type(want), what
    elif isinstance(got, list):
        assert len(got) == len(want), what
        for one, other in zip(got, want):
            assert_same_value(one, other, what, folder, opset)
    else:
        want = want.decode() if isinstance(want, bytes) else want
        assert got == want or got != got and want != want, f"{what}: {got!r}, onnx says {want!r}"
        assert type(got) is type(want), what


def declared_type(kind) -> TensorType | SequenceType | OptionalType:
    if kind.WhichOneof("value") == "sequence_type":
        return SequenceType(declared_type(kind.sequence_type.elem_type))
    if kind.WhichOneof("value") == "optional_type":
        return OptionalType(declared_type(kind.optional_type.elem_type))
    if kind.WhichOneof("value") != "tensor_type":
        return TensorType()
    code, shape = kind.tensor_type.elem_type, None
    if kind.tensor_type.HasField("shape"):
        # some exporters spell an unknown size -1
        shape = tuple(dim.dim_value if dim.HasField("dim_value") and dim.dim_value >= 0
                      else dim.dim_param or None for dim in kind.tensor_type.shape.dim)
    return TensorType(helper.tensor_dtype_to_np_dtype(code) if code else None, shape)
