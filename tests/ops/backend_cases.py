"""The test cases that ship with the onnx package, driven straight through the registry of operators.

    @pytest.mark.parametrize("case", backend_cases.of("Conv", "ConvTranspose"))
    def test_backend_case(case):
        backend_cases.check(case)
"""
from __future__ import annotations

import functools
import importlib
import pkgutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from cinfer.model.graph import Node
from cinfer.ops import registry
from cinfer.ops.facts import Fact, UnknownValue

onnx = pytest.importorskip("onnx")
from onnx import numpy_helper                                           # noqa: E402
from onnx.backend.test.case import node as node_cases                   # noqa: E402
from onnx.backend.test.loader import load_model_tests                   # noqa: E402

# Written by PyTorch long ago, in the dialects of opset 1 to 9
OLD_KINDS = ("pytorch-operator", "pytorch-converted", "simple")


def of(*op_types: str, domain: str = "") -> list:
    """The cases in which every node is one of `op_types`, as parameters whose ids are the cases' names."""
    for op_type in op_types:
        write_node_cases(op_type)
    found = {}
    for case in [*node_cases._NodeTestCases, *old_cases()]:
        ours = [n.op_type in op_types and n.domain == domain for n in case.model.graph.node]
        if "_expanded" not in case.name and ours and all(ours):
            found[case.name] = case
    return [pytest.param(case, id=name.removeprefix("test_")) for name, case in sorted(found.items())]


def write_node_cases(op_type: str) -> None:
    """Import the modules that may hold an operator's cases: importing all takes eight seconds."""
    wanted = op_type.lower()
    for module in pkgutil.iter_modules(node_cases.__path__):
        plain = module.name.replace("_", "")
        if plain == wanted or len(plain) > 3 and wanted.startswith(plain):
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                importlib.import_module(f"{node_cases.__name__}.{module.name}")


@functools.cache
def old_cases() -> list:
    cases = []
    for kind in OLD_KINDS:
        for case in load_model_tests(kind=kind):
            folder = Path(case.model_dir)
            case.model = onnx.load(folder / "model.onnx")
            # onnx says "test_" for each of its own cases, but names these by folder
            case.name = f"{kind}-{folder.name.removeprefix('test_')}"
            cases.append(case)
    return cases


def check(case) -> None:
    """Every data set of a case: values within its tolerance, dtypes and shapes exactly, both foreseen."""
    graph = case.model.graph
    inputs = [info.name for info in graph.input]
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    opsets = {"" if o.domain == "ai.onnx" else o.domain: o.version for o in case.model.opset_import}
    for given, expected in data_sets(case):
        values = {**constants, **dict(zip(inputs, given))}
        for node in graph.node:
            evaluate(to_node(node, opsets), values)
        for info, answer in zip(graph.output, expected):
            same(values[info.name], answer, case.rtol, case.atol, f"{case.name}: output {info.name!r}")


def evaluate(node: Node, values: dict[str, np.ndarray]) -> None:
    """Run a node on `values` and add what it makes."""
    operator = registry.lookup(node)
    arrays = [values[name] if name else None for name in node.inputs]
    before = [a.tobytes() if isinstance(a, np.ndarray) else a for a in arrays]
    results = registry.evaluate(operator, node, arrays)
    after = [a.tobytes() if isinstance(a, np.ndarray) else a for a in arrays]
    assert before == after, f"{node} wrote to an input"
    assert len(results) >= len(node.outputs), f"{node}: {len(results)} outputs of {len(node.outputs)}"
    for known in (slice(None), slice(1, None), slice(0, 0)):
        foresee(operator, node, arrays, known, results)
    values.update((name, array) for name, array in zip(node.outputs, results) if name)


def foresee(operator, node: Node, arrays: list, known: slice, results: tuple) -> None:
    """`infer`, told the values of `known` inputs only, is right or says that it needs to know more."""
    if operator.infer is None:
        return
    told = {id(a) for a in arrays[known] if a is not None}
    specs = [None if a is None else Fact(a.dtype, a.shape, a if id(a) in told else None)
             for a in arrays]
    try:
        foreseen = registry.infer(operator, node, specs)
    except UnknownValue:
        assert known != slice(None), f"{node}: infer does not know, though all inputs are known"
        return
    assert len(foreseen) >= len(node.outputs)
    for spec, array, name in zip(foreseen, results, node.outputs):
        assert not name or (spec.dtype, spec.shape) == (array.dtype, array.shape), \
            f"{node}: infer says {spec.dtype} {spec.shape}, evaluate {array.dtype} {array.shape}"


def same(actual, expected, rtol: float, atol: float, what: str) -> None:
    assert isinstance(actual, np.ndarray), f"{what}: {type(actual).__name__} is no array"
    expected = np.asarray(expected)
    if expected.dtype.kind in "SU":
        expected = expected.astype(object)
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape), what
    if actual.dtype.kind in "OSU":
        return np.testing.assert_array_equal(actual, expected, what)
    if actual.dtype.kind == "V" or actual.dtype.name == "bfloat16":       # the types of ml_dtypes
        # two units in the last place of bfloat16
        rtol = max(rtol, 2**-7) if actual.dtype.name == "bfloat16" else rtol
        actual, expected = actual.astype(np.float32), expected.astype(np.float32)
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol, err_msg=what)


def to_node(proto, opsets: dict[str, int]) -> Node:
    attributes = {a.name: attribute(a) for a in proto.attribute}
    domain = "" if proto.domain == "ai.onnx" else proto.domain
    return Node(proto.op_type, list(proto.input), list(proto.output), attributes, domain, opsets[domain],
                proto.name)


def attribute(proto):
    value = onnx.helper.get_attribute_value(proto)
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (int, float, onnx.GraphProto)):
        return value
    return [v.decode() if isinstance(v, bytes) else v for v in value]


def data_sets(case):
    """(inputs, expected outputs) of each data set."""
    if case.data_sets is not None:
        for given, expected in case.data_sets:
            yield [as_array(x) for x in given], [as_array(x) for x in expected]
        return
    for folder in sorted(Path(case.model_dir).glob("test_data_set_*")):
        yield tuple([as_array(onnx.load_tensor(folder / f"{kind}_{i}.pb"))
                     for i in range(len(list(folder.glob(f"{kind}_*.pb"))))] for kind in ("input", "output"))


def as_array(x):
    return numpy_helper.to_array(x) if isinstance(x, onnx.TensorProto) else x
