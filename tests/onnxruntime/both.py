"""Small models, and what onnxruntime and cinfer.onnxruntime make of one use of them."""
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import cinfer.onnxruntime as ours

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
X, Y = np.arange(6, dtype=np.float32).reshape(2, 3), np.array([1, 2, 3], np.float32)


def tensor(name, kind=FLOAT, shape=None):
    return helper.make_tensor_value_info(name, kind, shape)


def value(name, kind):
    return helper.make_value_info(name, kind)


def sequence(kind=FLOAT, shape=(None,)):
    return helper.make_sequence_type_proto(helper.make_tensor_type_proto(kind, shape))


def optional(kind=FLOAT, shape=(None,)):
    return helper.make_optional_type_proto(helper.make_tensor_type_proto(kind, shape))


def model(nodes, inputs, outputs, initializers=(), opset=18, **described) -> bytes:
    graph = helper.make_graph(nodes, "graph", inputs, outputs, list(initializers))
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], **described)
    made.ir_version = 8
    return made.SerializeToString()


def added(**described) -> bytes:
    """z = x + y, x of N times 3 numbers, y of 3."""
    return model([helper.make_node("Add", ["x", "y"], ["z"])],
                 [tensor("x", shape=["N", 3]), tensor("y", shape=[3])],
                 [tensor("z", shape=["N", 3])], **described)


def identity(kind, shape=(None,)) -> bytes:
    return model([helper.make_node("Identity", ["x"], ["z"])], [tensor("x", kind, shape)],
                 [tensor("z", kind, shape)])


def defaulted() -> bytes:
    """z = x + y, y of 3 ones unless it is fed."""
    return model([helper.make_node("Add", ["x", "y"], ["z"])],
                 [tensor("x", shape=["N", 3]), tensor("y", shape=[3])],
                 [tensor("z", shape=["N", 3])], [numpy_helper.from_array(np.ones(3, np.float32), "y")])


def plain(result):
    """A result for comparison: arrays with their dtypes, and types of what holds them."""
    if isinstance(result, np.ndarray):
        return "array", np.dtype(result.dtype.str if not result.dtype.hasobject
                                 else object).name, result.tolist()
    if isinstance(result, (list, tuple)):
        return type(result).__name__, [plain(each) for each in result]
    if isinstance(result, dict):
        return {key: plain(each) for key, each in result.items()}
    if isinstance(result, np.generic):
        return plain(np.asarray(result))
    return result


def outcome(use, module):
    """What a use gives, or the name of the exception that it ends with."""
    try:
        return plain(use(module))
    except Exception as error:
        return "raises", type(error).__name__


def same(use):
    """Assert that both modules give the same outcome, which is returned."""
    real = pytest.importorskip("onnxruntime")
    have, want = outcome(use, ours), outcome(use, real)
    if want == ("raises", "Exception"):         # onnxruntime's own is no more
        assert have[0] == "raises"
    else:
        assert have == want, f"cinfer: {have}; onnxruntime: {want}"
    return have
