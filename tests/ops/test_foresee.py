"""What is known while sizes are free, against the outputs that the standard's own examples expect."""
import warnings

import numpy as np
import pytest

from cinfer.model.graph import Node
from cinfer.ops import registry
from cinfer.ops.facts import Fact, Unranked, is_symbolic
from cinfer.ops.foresee import foresee, ranks_of, types_of
from cinfer.ops.symbols import Sizes, Symbol, value_at
from cinfer.plan.resolve import STRUCTURAL

onnx = pytest.importorskip("onnx")
pytest.importorskip("ml_dtypes")

F16, F32, I64 = (np.dtype(t) for t in (np.float16, np.float32, np.int64))


def array_of(value) -> np.ndarray:
    value = onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)
    return value.astype(object) if value.dtype.kind in "SU" else value


def attribute(value):
    if isinstance(value, onnx.TensorProto):
        return onnx.numpy_helper.to_array(value)
    if isinstance(value, bytes):
        return value.decode()
    return [v.decode() if isinstance(v, bytes) else v for v in value] if isinstance(value, list) else value


def examples():
    """(name, node, its inputs, the outputs expected) of the examples of one node."""
    from onnx.backend.test.case.node import collect_testcases
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for case in collect_testcases(None):
            graph = case.model.graph
            if len(graph.node) != 1 or graph.node[0].domain:
                continue
            proto, (given, expected) = graph.node[0], case.data_sets[0]
            if any(isinstance(v, (list, type(None))) for v in (*given, *expected)):
                continue
            node = Node(proto.op_type, list(proto.input), list(proto.output),
                        {a.name: attribute(onnx.helper.get_attribute_value(a)) for a in proto.attribute},
                        opset=case.model.opset_import[0].version)
            if registry.find(node) is not None and node.op_type not in STRUCTURAL | {"Loop", "Scan"}:
                values = dict(zip((i.name for i in graph.input), map(array_of, given)))
                yield case.name, node, [values[n] if n else None for n in node.inputs], list(
                    map(array_of, expected))


CASES = list(examples())


def outputs(node: Node, found, expected):
    made = [fact for fact, name in zip(found, node.outputs) if name]
    assert len(made) == len(expected)
    return zip(made, expected)


def test_types_without_ranks():
    seen = set()
    for name, node, given, expected in CASES:
        facts = [None if a is None else Unranked(a.dtype) for a in given]
        for fact, want in outputs(node, foresee(node, facts, Sizes()), expected):
            assert fact is not None and fact.dtype == want.dtype, name
        seen.add(node.op_type)
    assert len(seen) > 140


def test_types_and_ranks_by_traits_alone():
    for name, node, given, expected in CASES:
        types = types_of(node, [None if a is None else a.dtype for a in given])
        for dtype, want in outputs(node, types, expected):
            assert dtype == want.dtype, name
        constants = [None if a is None else Fact(a.dtype, a.shape, a) for a in given]
        unknown = [fact and Fact(fact.dtype, (None,) * fact.ndim) for fact in constants]
        for facts in (constants, unknown):
            for rank, want in outputs(node, ranks_of(node, facts), expected):
                assert rank in (None, want.ndim), name


@pytest.mark.parametrize("told", ["all values", "small integers", "no values"])
def test_free_sizes_become_those_of_the_example(told):
    """Every axis of every input is free: the expressions that come out are right for the example's sizes."""
    exact = total = 0
    for name, node, given, expected in CASES:
        if any(a is not None and 0 in a.shape for a in given):
            continue
        sizes, values, facts = Sizes(), {}, []
        for a in given:
            if a is None:
                facts.append(None)
                continue
            known = told == "all values" or told == "small integers" and a.dtype.kind in "iu" and a.size < 9
            free = [sizes.free() for _ in a.shape]
            values.update(zip(free, a.shape))
            facts.append(Fact(a.dtype, a.shape, a) if known else Fact(a.dtype, tuple(free)))
        for fact, want in outputs(node, foresee(node, facts, sizes), expected):
            assert fact is not None and fact.dtype == want.dtype, name
            if type(fact) is Unranked:
                continue
            assert fact.ndim == want.ndim, name
            for size, actual in zip(fact.shape, want.shape):
                total += 1
                try:
                    found = value_at(size, values)
                except KeyError:                    # a size of its own
                    continue
                assert found == actual, f"{name}: {fact} for {values}"
                exact += 1
            if fact.value is not None and not is_symbolic(fact):
                if fact.value.dtype.kind in "fiub" and not registry.traits(node).random:
                    rtol = 2e-3 if want.dtype.itemsize == 2 else 1e-3       # two units in the last place
                    np.testing.assert_allclose(fact.value, want, rtol, 1e-5, err_msg=name)
    # not those of Attention, of which there are many: nothing tells how heads and sizes of heads relate
    assert exact > 0.4 * total


def test_every_operator_tells_types():
    """Also those without an example, and those of onnxruntime."""
    registry.load_all()
    for (domain, name), versions in registry._table.items():
        if domain in ("", "com.microsoft"):
            operator = versions[-1]
            count = operator.min_inputs if operator.max_inputs is None else operator.max_inputs
            attributes = {k: 1 if k in ("to", "group") else [1] for k, d in operator.attributes.items()
                          if d is registry.REQUIRED}
            node = Node(name, ["x"] * max(count, 1 if operator.max_inputs is None else 0), ["y"], attributes,
                        domain, operator.since)
            types = operator.traits.types
            assert callable(types) or all(
                t < max(len(node.inputs), 1) if type(t) is int else isinstance(t, np.dtype)
                for t in types), f"{domain} {name}"


def types(op_type: str, *inputs, n: int = 1, **attributes):
    node = Node(op_type, [f"x{i}" for i in range(len(inputs))], [f"y{i}" for i in range(n)], attributes,
                opset=17)
    return [fact.dtype.name for fact in foresee(node, list(map(Unranked, inputs)), Sizes())]


def test_half_types_go_through():
    zero = np.zeros(1, np.float16)
    assert types("Relu", F16) == types("Cast", I64, to=10) == types("OneHot", I64, I64, F16) == ["float16"]
    assert types("Where", np.dtype(bool), F16, F16) == types("DequantizeLinear", np.dtype(np.int8), F16) \
        == types("ConstantOfShape", I64, value=zero) == types("EyeLike", I64, dtype=10) \
        == types("Constant", value=zero) == types("RandomNormal", dtype=10, shape=[1]) == ["float16"]
    assert types("TopK", F16, I64, n=2) == ["float16", "int64"]
    assert types("Dropout", F16, n=2) == ["float16", "bool"]
    assert types("LayerNormalization", F16, F16, n=3) == ["float16", "float32", "float32"]
    assert types("Shape", F16) == ["int64"] and types("Greater", F16, F16) == types("IsNaN", F16) == ["bool"]
    assert types("QuantizeLinear", F32, F32) == ["uint8"]
    assert types("Cast", F16, to=1) == types("Constant", value_float=1.0) == types("ConstantOfShape", I64) \
        == types("DequantizeLinear", np.dtype(np.int8), F16, output_dtype=1) == ["float32"]


@pytest.mark.parametrize("node", [Node("Own", ["x"], ["y"], domain="own"), Node("New", ["x"], ["y"]),
                                  Node("Cast", ["x"], ["y"], {"to": "FLOAT16"}, opset=6),
                                  Node("Relu", ["x"], ["y"], {"other": 1})])
def test_what_cannot_be_told_is_not_guessed(node):
    assert foresee(node, [Fact(F16, (2,))], Sizes()) == (None,)
    assert foresee(Node("Abs", ["x"], ["y"]), [None], Sizes()) == (None,)


def chain(x: Fact, sizes: Sizes, *nodes) -> dict:
    facts = {"x": x, "": None}
    for op_type, inputs, out, *attributes in nodes:
        for i, value in enumerate(inputs):
            if not isinstance(value, str):
                inputs[i] = f"{out}{i}"
                facts[inputs[i]] = Fact.of(np.asarray(value))
        node = Node(op_type, inputs, [out], attributes[0] if attributes else {}, opset=17)
        facts[out], = foresee(node, [facts[n] for n in inputs], sizes)
    return facts


def test_sizes_that_exporters_compute():
    """Shape -> Gather -> Unsqueeze -> Concat -> Reshape; -1; Div and Mul of sizes; Slice of a Shape."""
    sizes = Sizes()
    n, h, w = (sizes.free(name) for name in "nhw")
    facts = chain(Fact(F32, (n, 116, h, w)), sizes,
                  ("Shape", ["x"], "s"), ("Gather", ["s", np.int64(1)], "c"),
                  ("Div", ["c", np.int64(2)], "half"), ("Unsqueeze", ["half", np.int64([0])], "half1"),
                  ("Slice", ["s", np.int64([2]), np.int64([1 << 62])], "hw"),
                  ("Gather", ["s", np.int64([0])], "n"),
                  ("Concat", ["n", np.int64([2]), "half1", "hw"], "to", {"axis": 0}),
                  ("Reshape", ["x", "to"], "split"), ("Transpose", ["split"], "t", {"perm": [0, 2, 1, 3, 4]}),
                  ("Concat", ["n", np.int64([-1]), "hw"], "back", {"axis": 0}),
                  ("Reshape", ["t", "back"], "y"),
                  ("ReduceProd", ["hw"], "area", {"keepdims": 1}),
                  ("Concat", ["n", "area", np.int64([-1])], "flat", {"axis": 0}),
                  ("Reshape", ["y", "flat"], "z"),
                  ("Expand", [np.ones((1, 1), np.float32), "hw"], "e"))
    assert facts["split"].shape == (n, 2, 58, h, w) and facts["y"].shape == (n, 116, h, w)
    assert facts["z"].shape == (n, h * w, 116) and facts["e"].shape == (h, w)
    assert facts["half1"].value.tolist() == [58] and facts["half1"].value.dtype == I64


def test_a_size_that_may_be_0_is_not_divided_by():
    sizes = Sizes()
    n = sizes.free("n", least=0)
    facts = chain(Fact(F32, (n, 4)), sizes, ("Shape", ["x"], "s"), ("Gather", ["s", np.int64(0)], "n"),
                  ("Mul", ["n", np.int64(4)], "m"), ("Div", ["m", "n"], "d"))
    assert facts["m"].value.item() is n * 4 and facts["d"].value is None


def test_windows_over_free_sizes():
    sizes = Sizes()
    h, w = sizes.free("h"), sizes.free("w")
    weights = Fact(F32, (8, 3, 3, 3))
    node = Node("Conv", ["x", "w"], ["y"], {"pads": [1] * 4, "strides": [2, 2]}, opset=17)
    y, = foresee(node, [Fact(F32, (1, 3, h, w)), weights], sizes)
    assert y.shape == (1, 8, (h + 1) // 2, (w + 1) // 2)
    node = Node("Conv", ["x", "w"], ["y"], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, opset=17)
    assert foresee(node, [Fact(F32, (1, 3, h, w)), weights], sizes)[0].shape == y.shape
    wrong = Fact(F32, (1, 4, h, w))
    assert foresee(node, [wrong, weights], sizes) == (None,)


def test_broadcasting_of_free_sizes():
    sizes = Sizes()
    h, w = sizes.free("h"), sizes.free("w")

    def shape(a, b):
        return foresee(Node("Add", ["a", "b"], ["y"], opset=17), [Fact(F32, a), Fact(F32, b)], sizes)[0].shape
    assert shape((h, w), (h, w)) == shape((h, w), (1, w)) == shape((h, w), ()) == (h, w)
    assert shape((h,), (5,)) == (5,)                        # h is 5 or 1
    unknown, = shape((h,), (w,))                            # either may be 1
    assert isinstance(unknown, Symbol) and unknown not in {h, w}
