"""A model of one node, written by `onnx`, loaded and run by cinfer: passes, plan and kernels."""
from __future__ import annotations

import numpy as np
import pytest

import cinfer


def loaded_runs(op_type: str, *inputs, opset: int = 21, n_outputs: int = 1, types=None, constants=(),
                free: bool = False, domain: str = "com.microsoft", **attributes):
    """What the model answers (a list where several outputs are asked for).

    constants : positions of inputs that are constants of the file; free : all sizes of the others are unknown
    """
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    names = ["" if x is None else f"in{i}" for i, x in enumerate(inputs)]
    fed = {n: x for i, (n, x) in enumerate(zip(names, inputs)) if n and i not in constants}
    infos = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype),
                                           [f"{n}.{axis}" for axis in range(x.ndim)] if free else x.shape)
             for n, x in fed.items()]
    outputs = [f"out{i}" for i in range(n_outputs)]
    types = types or [inputs[0].dtype] * n_outputs
    results = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(np.dtype(t)), None)
               for n, t in zip(outputs, types)]
    stored = [onnx.numpy_helper.from_array(inputs[i], names[i]) for i in constants if inputs[i] is not None]
    node = helper.make_node(op_type, names, outputs, domain=domain, **attributes)
    model = helper.make_model(helper.make_graph([node], "g", infos, results, stored), ir_version=10,
                              opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid(domain, 1)])
    answers = cinfer.load(model.SerializeToString(), threads=1).run(None, fed)
    for y, dtype in zip(answers, types):
        assert y.dtype == dtype
    return answers[0] if n_outputs == 1 else answers


def both_ways(op_type: str, *inputs, constants=(), **keywords):
    """Yields the answers of the model with sizes that are fixed, and free."""
    for free in (False, True):
        yield loaded_runs(op_type, *inputs, constants=constants, free=free, **keywords)
