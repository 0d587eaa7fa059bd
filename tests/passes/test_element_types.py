"""The rules of element types, against the outputs that the standard's own examples expect."""
import warnings

import numpy as np
import pytest

from cinfer.model.graph import Graph, Node, TensorType
from cinfer.ops import registry
from cinfer.passes.element_types import FLOAT, FLOAT16, OTHER, code_of, element_types, types_of_outputs

onnx = pytest.importorskip("onnx")
pytest.importorskip("ml_dtypes")


def examples() -> dict[str, list]:
    """Operator -> [(node, its inputs, the outputs expected)] of the examples of one node."""
    from onnx.backend.test.case.node import collect_testcases
    found: dict[str, list] = {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for case in collect_testcases(None):
            graph = case.model.graph
            if len(graph.node) != 1:
                continue
            node, (given, expected) = graph.node[0], case.data_sets[0]
            values = [*given, *expected]
            if graph.node[0].domain == "" and not any(isinstance(v, (list, type(None))) for v in values):
                found.setdefault(node.op_type, []).append((case, node, given, expected))
    return found


def dtype_of(value) -> np.dtype:
    return onnx.numpy_helper.to_array(value).dtype if isinstance(value, onnx.TensorProto) else \
        np.asarray(value).dtype


def test_rules_foretell_the_standards_examples():
    seen = set()
    for op_type, cases in examples().items():
        for case, proto, given, expected in cases:
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in proto.attribute}
            attributes = {k: onnx.numpy_helper.to_array(v) if isinstance(v, onnx.TensorProto) else v
                          for k, v in attributes.items()}
            node = Node(op_type, list(proto.input), list(proto.output), attributes,
                        opset=case.model.opset_import[0].version)
            if registry.find(node) is None:
                continue
            types = {i.name: code_of(dtype_of(v)) for i, v in zip(case.model.graph.input, given)}
            codes = types_of_outputs(node, {"": OTHER, **types})
            assert codes is not None, f"no rule for {op_type}"
            want = [code_of(dtype_of(v)) for v in expected]
            assert [c for c, name in zip(codes, node.outputs) if name] == want, case.name
            seen.add(op_type)
    assert len(seen) > 140


def test_every_operator_has_a_rule():
    """Also those without an example, and those of onnxruntime."""
    for (domain, name), versions in registry._table.items():
        if domain in ("", "com.microsoft"):
            node = Node(name, ["x"] * 9, ["y"], {"to": 1}, domain, versions[-1].since)
            assert types_of_outputs(node, {"x": FLOAT}) is not None, f"{domain} {name}"


def test_half_types_go_through():
    def node(op_type, *inputs, n=1, **attributes):
        made = [f"y{len(nodes)}"] + [f"y{len(nodes)}_{k}" for k in range(1, n)]
        nodes.append(Node(op_type, list(inputs), made, attributes, opset=17))
        return made
    nodes: list[Node] = []
    x, i = "x", "i"
    halves = [node("Relu", x), node("Where", i, x, x), node("OneHot", i, i, x), node("Cast", i, to=10),
              node("DequantizeLinear", i, x), node("TopK", x, i, n=2)[:1],
              node("LayerNormalization", x, x, n=3)[:1],
              node("ConstantOfShape", i, value=np.zeros(1, np.float16)), node("EyeLike", i, dtype=10),
              node("Constant", value=np.zeros(3, np.float16)), node("RandomNormal", dtype=10, shape=[1])]
    others = [node("Shape", x), node("Greater", x, x), node("TopK", x, i, n=2)[1:], node("IsNaN", x),
              node("QuantizeLinear", x, x), node("Dropout", x, n=2)[1:]]
    floats = [node("Cast", x, to=1), node("Constant", value_float=1.0), node("ConstantOfShape", i),
              node("LayerNormalization", x, x, n=3)[1:], node("DequantizeLinear", i, x, output_dtype=1)]
    inputs = {"x": TensorType(np.dtype(np.float16)), "i": TensorType(np.dtype(np.int64))}
    types = element_types(Graph(nodes=nodes, inputs=inputs))
    for want, names in ((FLOAT16, halves), (OTHER, others), (FLOAT, floats)):
        for name in sum(names, []):
            assert types[name] == want, next(str(n) for n in nodes if name in n.outputs)


@pytest.mark.parametrize("node", [
    Node("Own", ["x"], ["y"], domain="own"), Node("New", ["x"], ["y"]), Node("Abs", ["seen"], ["y"]),
    Node("Cast", ["x"], ["y"], {"to": "FLOAT16"})])
def test_what_cannot_be_told_is_not_guessed(node):
    graph = Graph(nodes=[node], inputs={"x": TensorType(np.dtype(np.float16))})
    assert element_types(graph) is None
    graph = Graph(inputs={"x": TensorType()})
    assert element_types(graph) is None
