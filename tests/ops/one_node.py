"""A single operator, run by cinfer's registry and, as the other opinion, by onnxruntime."""
from __future__ import annotations

import numpy as np
import pytest

from cinfer.model.graph import Node
from cinfer.ops import registry
from cinfer.ops.facts import Fact, UnknownValue


def run(op_type: str, *inputs, opset: int = 21, n_outputs: int = 1, domain: str = "", **attributes):
    """The output (a tuple when several are asked for), after a check that `infer` foresaw its dtype and
    shape."""
    node = Node(op_type, ["" if x is None else f"in{i}" for i, x in enumerate(inputs)],
                [f"out{i}" for i in range(n_outputs)], attributes, domain, opset, "it")
    operator = registry.lookup(node)
    before = [None if x is None else x.copy() for x in inputs]
    outputs = registry.evaluate(operator, node, list(inputs))
    assert all(isinstance(y, np.ndarray) for y in outputs), f"{op_type} returns {[type(y) for y in outputs]}"
    for x, old in zip(inputs, before):
        assert x is None or x.tobytes() == old.tobytes(), f"{op_type} wrote to its input"
    if operator.infer:
        specs = registry.infer(operator, node, [None if x is None else Fact.of(x) for x in inputs])
        for spec, output in zip(specs, outputs):
            assert (spec.dtype, spec.shape) == (output.dtype, output.shape)
    return outputs[0] if n_outputs == 1 else outputs[:n_outputs]


def infer(op_type: str, *inputs, opset: int = 21, n_outputs: int = 1, domain: str = "", **attributes):
    """Specs of the outputs; an input is a Fact, or an array whose value is known."""
    node = Node(op_type, ["" if x is None else "in" for x in inputs], ["out"] * n_outputs, attributes, domain,
                opset, "it")
    specs = [Fact.of(x) if isinstance(x, np.ndarray) else x for x in inputs]
    return registry.infer(registry.lookup(node), node, specs)


def refuses(message: str, op_type: str, *inputs, opset: int = 21, error=ValueError, **keywords) -> None:
    """Both `evaluate` and `infer` refuse, in one line that contains `message`."""
    for function in (run, infer):
        with pytest.raises(error) as caught:
            function(op_type, *inputs, opset=opset, **keywords)
        text = str(caught.value)
        assert message in text and "\n" not in text, text
        if function is run and registry.lookup(
                Node(op_type, [], [], domain=keywords.get("domain", ""), opset=opset)).infer is None:
            break


def spec(*shape, dtype=np.float32) -> Fact:
    return Fact(np.dtype(dtype), shape)


def needs_value(op_type: str, *inputs, opset: int = 21, **keywords) -> None:
    """The sizes depend on a value that is not known before the run, and `infer` says so."""
    with pytest.raises(UnknownValue):
        infer(op_type, *inputs, opset=opset, **keywords)


def onnxruntime_runs(op_type: str, *inputs, opset: int, n_outputs: int = 1, types=None, **attributes):
    """What onnxruntime answers; the test is skipped where it is not installed."""
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    helper = onnx.helper
    names = ["" if x is None else f"in{i}" for i, x in enumerate(inputs)]
    outputs = [f"out{i}" for i in range(n_outputs)]
    infos = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
             for n, x in zip(names, inputs) if n]
    types = types or [inputs[0].dtype] * n_outputs
    results = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(np.dtype(t)), None)
               for n, t in zip(outputs, types)]
    node = helper.make_node(op_type, names, outputs, **attributes)
    model = helper.make_model(helper.make_graph([node], "g", infos, results), ir_version=8,
                              opset_imports=[helper.make_opsetid("", opset),
                                             helper.make_opsetid("com.microsoft", 1)])
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    answers = session.run(None, {n: x for n, x in zip(names, inputs) if n})
    return answers[0] if n_outputs == 1 else answers


def agrees_with_onnxruntime(op_type: str, *inputs, atol: float, n_outputs: int = 1, **keywords) -> None:
    ours = run(op_type, *inputs, n_outputs=n_outputs, **keywords)
    theirs = onnxruntime_runs(op_type, *inputs, n_outputs=n_outputs, **keywords)
    for y, expected in [(ours, theirs)] if n_outputs == 1 else zip(ours, theirs):
        np.testing.assert_allclose(y, expected, rtol=0, atol=atol)
