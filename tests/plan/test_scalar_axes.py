"""Inputs that name axes are lists; where NumPy's meaning takes one number for a list of one, so do kernels and passes.
What is no integer is refused by name."""
import numpy as np
import pytest

import cinfer
from cinfer.model.graph import Node
from cinfer.ops import registry
from onnx_models import Model

OPSET = 18
REDUCTIONS = [name for name in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2",
                                "ReduceProd",
                                "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare")]
ONE = np.array([1])
CASES = [(name, (), {"keepdims": keepdims}) for name in REDUCTIONS for keepdims in (0, 1)] + [
    ("Unsqueeze", (), {}), ("Squeeze", (), {}), ("Slice", (ONE, ONE * 2), {}),
    ("Pad", (np.array([1, 2]), np.float32(3)), {})]


@pytest.mark.parametrize("axis", (0, 1, -1))
@pytest.mark.parametrize("op_type, before, attributes", CASES)
@pytest.mark.parametrize("followed", (False, True))
def test_one_number_is_a_list_of_one(op_type, before, attributes, axis, followed):
    shape = (1, 1, 1, 3)[4 - 3:] if op_type == "Squeeze" and axis != -1 else (2, 3, 1)
    x = np.arange(1, np.prod(shape) + 1, dtype=np.float32).reshape(shape)
    axes = np.array(axis, np.int64)
    node = Node(op_type, ["x", *map(str, before), "axes"], ["y"], attributes, opset=OPSET)
    m = Model(opset=OPSET)
    y = m.node(op_type, m.input("x", *shape), *before, axes, **attributes)
    model = m.outputs(m.Relu(y) if followed else y).bytes()
    try:
        expected, = registry.evaluate(registry.lookup(node), node, [x, *map(np.asarray, before), axes])
    except ValueError:
        with pytest.raises(cinfer.Error, match=op_type):
            cinfer.load(model).run(None, {"x": x})
        return
    found, = cinfer.load(model).run(None, {"x": x})
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, np.maximum(expected, 0) if followed else expected, 1e-6)


@pytest.mark.parametrize("op_type, inputs", [
    ("ReduceSum", ()), ("Unsqueeze", ()), ("Squeeze", ()), ("Slice", (ONE, ONE * 2)), ("CumSum", ()), ("DFT", ()),
    ("Pad", (np.array([0, 1]), np.float32(0))), ("TopK", ())])
@pytest.mark.parametrize("constant", (True, False))
def test_what_is_no_integer_is_refused(op_type, inputs, constant):
    m = Model(opset=OPSET)
    axes = np.array([1.0] if op_type not in ("CumSum", "DFT") else 1.0, np.float32)
    x = m.input("x", 1, 2, 4, 4) if op_type != "DFT" else m.input("x", 2, 4, 2)
    given = axes if constant else m.input("a", *axes.shape)
    y = m.node(op_type, x, *inputs, given, n=2 if op_type == "TopK" else 1)
    y = y[0] if op_type == "TopK" else y
    if op_type == "Pad":
        y = m.conv(y, 2, 2, 3)
    feeds = {"x": np.ones(m.shapes["x"], np.float32), **({} if constant else {"a": axes})}
    with pytest.raises(cinfer.Error, match=op_type):
        cinfer.load(m.outputs(y).bytes()).run(None, feeds)
