"""What onnxruntime and the standard's reference evaluator answer, for any domain and for strings."""
from __future__ import annotations

import numpy as np
import pytest

ML = "ai.onnx.ml"


def model_of(op_type: str, *inputs, domain: str = "", opset: int, types=(np.float32,), **attributes) -> bytes:
    """A model of one node. types : of its outputs, as NumPy has them"""
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper

    def code(dtype):
        return 8 if np.dtype(dtype) == object else helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    attributes = {k: onnx.numpy_helper.from_array(v) if isinstance(v, np.ndarray) else v
                  for k, v in attributes.items()}
    names = ["" if x is None else f"in{i}" for i, x in enumerate(inputs)]
    outputs = [f"out{i}" for i in range(len(types))]
    infos = [helper.make_tensor_value_info(n, code(x.dtype), x.shape) for n, x in zip(names, inputs) if n]
    results = [helper.make_tensor_value_info(n, code(t), None) for n, t in zip(outputs, types)]
    node = helper.make_node(op_type, names, outputs, domain=domain, **attributes)
    imports = [helper.make_opsetid("", 21 if domain else opset)]
    imports += [helper.make_opsetid(domain, opset)] if domain else []
    graph = helper.make_graph([node], "g", infos, results)
    return helper.make_model(graph, ir_version=9, opset_imports=imports)


def feeds_of(inputs) -> dict:
    return {f"in{i}": x for i, x in enumerate(inputs) if x is not None}


def onnxruntime_answers(op_type: str, *inputs, **keywords) -> list:
    runtime = pytest.importorskip("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    model = model_of(op_type, *inputs, **keywords).SerializeToString()
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds_of(inputs))


def reference_answers(op_type: str, *inputs, **keywords) -> list:
    reference = pytest.importorskip("onnx.reference")
    with np.errstate(all="ignore"):
        evaluator = reference.ReferenceEvaluator(model_of(op_type, *inputs, **keywords))
        return evaluator.run(None, feeds_of(inputs))


def strings(*elements) -> np.ndarray:
    return np.array(elements, object)
