"""A composite in a model of one node, loaded: it is spelt out, and answers as by itself."""
from __future__ import annotations

import numpy as np
import pytest
from one_node import run

import cinfer
from cinfer.passes.expand_composites import is_composite

onnx = pytest.importorskip("onnx")


def model_of(op_type: str, inputs, *, opset: int, n_outputs: int, domain: str, free: bool,
             **attributes) -> bytes:
    """The bytes of it; free : sizes have names"""
    helper = onnx.helper
    names = ["" if x is None else f"in{i}" for i, x in enumerate(inputs)]
    infos = [helper.make_tensor_value_info(
        name, helper.np_dtype_to_tensor_dtype(x.dtype),
        [f"{name}.{axis}" for axis in range(x.ndim)] if free else x.shape)
        for name, x in zip(names, inputs) if name]
    outputs = [f"out{i}" for i in range(n_outputs)]
    results = [onnx.ValueInfoProto(name=name) for name in outputs]
    node = helper.make_node(op_type, names, outputs, domain=domain, **attributes)
    return helper.make_model(helper.make_graph([node], "g", infos, results), ir_version=10, opset_imports=[
        helper.make_opsetid("", opset),
        *([helper.make_opsetid(domain, 1)] if domain else [])]).SerializeToString()


def same_when_loaded(op_type: str, *inputs, opset: int = 24, n_outputs: int = 1, domain: str = "",
                     atol: float = 2e-6, free: bool = False, expanded: bool = True, **attributes) -> None:
    """A session of that model answers as `evaluate`; expanded : there is no composite in it any more"""
    keywords = dict(opset=opset, n_outputs=n_outputs, domain=domain, **attributes)
    session = cinfer.load(model_of(op_type, inputs, free=free, **keywords))
    left = [node.op_type for node in session._graph.nodes if is_composite(node)]
    assert not left or not expanded, left
    expected = run(op_type, *inputs, **keywords)
    answers = session.run(None, {f"in{i}": x for i, x in enumerate(inputs) if x is not None})
    for y, wanted in zip(answers, [expected] if n_outputs == 1 else expected):
        assert (y.dtype, y.shape) == (wanted.dtype, wanted.shape)
        np.testing.assert_allclose(y.astype(np.float64), wanted.astype(np.float64), rtol=1e-5, atol=atol)
