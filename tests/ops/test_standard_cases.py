"""The ONNX standard's own examples (onnx.backend.test) of operators that move, index, resize, cast, make."""
import warnings

import numpy as np
import pytest
from one_node import run

onnx = pytest.importorskip("onnx")
pytest.importorskip("ml_dtypes")

OPERATORS = set("""
    AffineGrid BitCast BlackmanWindow Cast CastLike CenterCropPad Col2Im Compress Concat Constant
    ConstantOfShape DFT DepthToSpace Expand EyeLike Flatten Gather GatherElements GatherND GridSample GRU
    HammingWindow HannWindow Identity LSTM MelWeightMatrix NonMaxSuppression NonZero OneHot Pad RNN Range
    Reshape Resize ReverseSequence RoiAlign STFT Scatter ScatterElements ScatterND Shape Size Slice
    SpaceToDepth Split Squeeze TensorScatter Tile TopK Transpose Trilu Unique Unsqueeze Upsample""".split())


def collect():
    from onnx.backend.test.case.node import collect_testcases
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for case in collect_testcases(None):
            nodes = case.model.graph.node
            plain = all(imported.domain == "" for imported in case.model.opset_import)
            if len(nodes) == 1 and nodes[0].op_type in OPERATORS and plain and not holds_sequences(case):
                yield pytest.param(case, id=case.name.removeprefix("test_"))


def holds_sequences(case) -> bool:
    values = [*case.model.graph.input, *case.model.graph.output]
    return any(not value.type.HasField("tensor_type") for value in values)


def plain_attribute(attribute):
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, onnx.TensorProto):
        return onnx.numpy_helper.to_array(value)
    if isinstance(value, (bytes, str, int, float)):
        return value.decode() if isinstance(value, bytes) else value
    return [v.decode() if isinstance(v, bytes) else v for v in value]


def array(value) -> np.ndarray:
    """Strings as object arrays of str."""
    value = onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)
    if value.dtype.kind not in "SUO":
        return value
    text = np.array([v.decode() if isinstance(v, bytes) else str(v) for v in value.ravel()], object)
    return text.reshape(value.shape)


@pytest.mark.parametrize("case", list(collect()))
def test_the_standards_example(case):
    node = case.model.graph.node[0]
    attributes = {a.name: plain_attribute(a) for a in node.attribute}
    opset = case.model.opset_import[0].version
    for feeds, expected in case.data_sets:
        values = dict(zip((value.name for value in case.model.graph.input), map(array, feeds)))
        outputs = run(node.op_type, *(values[name] if name else None for name in node.input), opset=opset,
                      n_outputs=len(node.output), **attributes)
        outputs = (outputs,) if len(node.output) == 1 else outputs
        outputs = [y for y, name in zip(outputs, node.output) if name]
        for y, want in zip(outputs, map(array, expected), strict=True):
            assert (y.dtype, y.shape) == (want.dtype, want.shape)
            if y.dtype.kind in "fc":
                np.testing.assert_allclose(y, want, rtol=case.rtol or 1e-3, atol=case.atol or 1e-7)
            elif y.dtype.kind == "V":                       # the types of ml_dtypes
                np.testing.assert_array_equal(y.astype(np.float32), want.astype(np.float32))
            else:
                np.testing.assert_array_equal(y, want)
