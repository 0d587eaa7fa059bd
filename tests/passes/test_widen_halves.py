"""float16 models in float32: what becomes of types and names, what stays float16, and that answers stay."""
import copy
import pickle

import numpy as np
import pytest

import cinfer
from cinfer import passes
from cinfer.model.graph import Graph, TensorType
from cinfer.passes.check import fault
from cinfer.passes.widen_halves import widen_halves
from handmade import Builder, exported, ops, rewritten, unchanged
from interpreter import evaluate

H, F = np.float16, np.float32
FLOAT, DOUBLE, HALF, INT64, BOOL, STRING = 1, 11, 10, 7, 9, 8
STEP = 2.0**-10             # between float16 numbers, by their size



def half(*shape) -> np.ndarray:
    return np.random.default_rng(shape).normal(size=shape).astype(H)


def casts(graph: Graph) -> list[int]:
    return [node.attributes["to"] for node in graph.nodes if node.op_type == "Cast"]


def dtypes(graph: Graph, feeds: dict) -> dict[str, np.dtype]:
    """Of all values that nodes make."""
    every = copy.deepcopy(graph)
    every.outputs = {name: TensorType() for node in graph.nodes for name in node.outputs if name}
    return {name: value.dtype for name, value in zip(every.outputs, evaluate(every, feeds))}


def small_net(b: Builder, x: str) -> str:
    y = b.Relu(b.Conv(x, half(4, 3, 3, 3), half(4), pads=[1, 1, 1, 1]))
    y = b.Flatten(b.MaxPool(y, kernel_shape=[2, 2], strides=[2, 2]))
    return b.Softmax(b.Gemm(y, half(16, 5), half(5)))


def test_between_input_and_output_all_is_float32():
    b = Builder()
    graph = b.output(small_net(b, b.input("x", 1, 3, 4, 4, dtype=H)))
    after = rewritten(graph, widen_halves, tolerance=4 * STEP)
    assert ops(after) == ["Cast", *ops(graph), "Cast"] and casts(after) == [FLOAT, HALF]
    inner = dtypes(after, {"x": half(1, 3, 4, 4)})
    assert inner.pop(next(iter(after.outputs))) == H and set(inner.values()) == {np.dtype(F)}
    read = {name for node in after.nodes for name in node.inputs}
    assert {after.constants[name].dtype for name in read & after.constants.keys()} == {np.dtype(F)}


def test_casts_of_a_float32_model_with_float16_inside_go():
    """As converters write it that keep the types of inputs and outputs."""
    b = Builder()
    x = b.Cast(b.input("x", 1, 3, 4, 4), to=HALF)
    graph = b.output(b.Cast(small_net(b, x), to=FLOAT))
    after = copy.deepcopy(graph)
    passes.run(after)
    assert ops(after) == ["Conv", "Relu", "MaxPool", "Flatten", "Gemm", "Softmax"]
    feeds = {"x": half(1, 3, 4, 4).astype(F)}
    got, = evaluate(after, feeds)
    assert got.dtype == F
    np.testing.assert_allclose(got, evaluate(graph, feeds)[0], atol=8 * STEP)   # a step of what Softmax reads


def test_a_weight_that_two_nodes_read_is_widened_once():
    b = Builder()
    w = b.constant(half(3, 3))
    after = rewritten(b.output(b.MatMul(b.MatMul(b.input("x", 2, 3, dtype=H), w), w)), widen_halves,
                      tolerance=4 * STEP)
    wide = [name for node in after.nodes if node.op_type == "MatMul" for name in node.inputs[1:]]
    assert len(set(wide)) == 1
    np.testing.assert_array_equal(after.constants[wide[0]], after.constants[w])


ATTRIBUTES = {
    "Cast of integers": lambda b, x: b.Cast(b.ArgMax(x), to=HALF),
    "CastLike of integers": lambda b, x: b.CastLike(b.ArgMax(x), x, opset=19),
    "ConstantOfShape": lambda b, x: b.ConstantOfShape(b.Shape(x), value=np.array([2], H)),
    "EyeLike": lambda b, x: b.EyeLike(x, dtype=HALF),
    "EyeLike of the input's type": lambda b, x: b.EyeLike(x),
    "LayerNormalization": lambda b, x: b.LayerNormalization(x, half(3), stash_type=HALF),
    "a mean": lambda b, x: b.node("LayerNormalization", x, half(3), n=3, stash_type=HALF)[1],
    "DequantizeLinear": lambda b, x: b.DequantizeLinear(b.Cast(x, to=3), H(0.5)),
    "RandomNormalLike": lambda b, x: b.Mul(b.RandomNormalLike(x, dtype=HALF), H(0)),
    "Constant": lambda b, x: b.Constant(value=half(2, 3)),
    "Clip": lambda b, x: b.Clip(x, H(-1), H(1)),
    "Where": lambda b, x: b.Where(b.Greater(x, H(0)), x, H(0)),
    "Dropout": lambda b, x: b.node("Dropout", x, H(0.25), n=2)[0],
    "double": lambda b, x: b.Cast(b.Sqrt(b.Cast(b.Abs(x), to=DOUBLE)), to=HALF),
    "TopK": lambda b, x: b.node("TopK", x, np.array([2]), n=2)[0],
}


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_types_that_attributes_name_are_widened(name):
    b = Builder(opset=19)
    x = b.Neg(b.input("x", 2, 3, dtype=H))
    y = ATTRIBUTES[name](b, x)
    graph = b.output(b.Mul(b.ReduceMean(x, keepdims=0), y), y)
    after = rewritten(graph, widen_halves, tolerance=4 * STEP)
    made = dtypes(after, {"x": half(2, 3)})
    computed = [n.outputs[0] for n in after.nodes if n.op_type in ("Neg", "ReduceMean", "Mul")]
    assert {made[name] for name in computed} == {np.dtype(F)}


def test_overflow_in_between_may_go():
    b = Builder()
    graph = b.output(b.Mul(b.Mul(b.input("x", 1, dtype=H), H(256)), H(1 / 256)))
    assert np.isinf(evaluate(graph, {"x": np.array([1024], H)})[0])
    widen_halves(graph)
    assert evaluate(graph, {"x": np.array([1024], H)})[0] == 1024


# float16 stays

SEEN = {
    "BitCast": lambda b, x: b.BitCast(x, to=4, opset=26),
    "Cast to an integer": lambda b, x: b.Cast(x, to=INT64),
    "Cast to bool": lambda b, x: b.Cast(x, to=BOOL),
    "Cast to text": lambda b, x: b.Cast(x, to=STRING),
    "QuantizeLinear in float16": lambda b, x: b.QuantizeLinear(x, H(0.1), np.uint8(3), precision=HALF,
                                                               opset=23),
}
STEPS = {
    "Floor": lambda b, x: b.Cast(b.Floor(x), to=FLOAT), "Ceil": lambda b, x: b.Cast(b.Ceil(x), to=FLOAT),
    "Round": lambda b, x: b.Cast(b.Round(x), to=FLOAT),
    "Equal": lambda b, x: b.Equal(x, H(3)), "IsInf": lambda b, x: b.IsInf(b.Mul(x, H(3e4))),
    "NonZero": lambda b, x: b.NonZero(b.Mul(b.Mul(x, H(1e-5)), H(1e-5))),
    "Mod": lambda b, x: b.Mod(x, H(1.5), fmod=1),
}


@pytest.mark.parametrize("name", [*SEEN, *STEPS])
def test_operators_for_which_bits_matter_see_rounded_numbers(name):
    """x + y is 3 in float16, and a little less in float32."""
    b = Builder()
    x = b.Add(b.input("x", 4, dtype=H), b.input("y", 4, dtype=H))
    graph = b.output({**SEEN, **STEPS}[name](b, x))
    after = copy.deepcopy(graph)
    assert widen_halves(after) and fault(after) is None
    feeds = {"x": np.array([3, -3, 1, 2.5], H), "y": np.array([-1e-4, 1e-4, 0.1, 0.5], H)}
    want, got = evaluate(graph, feeds)[0], evaluate(after, feeds)[0]
    assert want.dtype == got.dtype
    np.testing.assert_array_equal(got, want)
    sources = {n.op_type: n.inputs for n in after.nodes}
    assert dtypes(after, feeds)[sources["Add"][0]] == F         # what comes before is widened all the same


def test_numbers_of_the_file_are_divided_in_the_half_type_of_their_scale():
    """From opset 23 on. What is computed in float32 by then is divided there too."""
    feeds = {"x": np.array([100, 250.25, 7.75, -3], H)}
    for opset, dtype, stays in (23, H, True), (23, F, True), (21, H, False):
        b = Builder()
        x = b.input("x", 4, dtype=dtype)
        graph = b.output(b.QuantizeLinear(x, H(.0371), np.uint16(3), opset=opset), b.Neg(b.Cast(x, to=HALF)))
        after = copy.deepcopy(graph)
        widen_halves(after)
        node = next(node for node in after.nodes if node.op_type == "QuantizeLinear")
        fed = {"x": feeds["x"].astype(dtype)}
        assert after.constants[node.inputs[1]].dtype == (H if stays else F)
        np.testing.assert_array_equal(evaluate(after, fed)[0], evaluate(graph, fed)[0])
    b = Builder()
    after = b.output(b.QuantizeLinear(b.Neg(b.input("x", 4, dtype=H)), H(.0371), np.uint16(3), opset=23))
    widen_halves(after)
    x, scale, _ = after.nodes[-1].inputs
    assert dtypes(after, feeds)[x] == after.constants[scale].dtype == F


def test_a_cast_that_only_rounds_stays():
    b = Builder()
    x = b.input("x", 4)
    unchanged(b.output(b.Sub(x, b.Cast(b.Cast(x, to=HALF), to=FLOAT))), widen_halves)
    b = Builder()
    unchanged(b.output(b.Cast(b.Neg(b.input("x", 4)), to=HALF)), widen_halves)


def test_sizes_come_out_as_float16_has_them():
    """4100 / 2 is 2050 in float16, of numbers that are 4 apart; 4102 would be 2051 in float32."""
    b = Builder()
    x = b.Neg(b.input("x", 4102, dtype=H))
    half_size = b.Cast(b.Floor(b.Mul(b.Cast(b.Shape(x), to=HALF), H(0.5))), to=INT64)
    graph = b.output(b.Slice(x, np.array([0]), half_size, np.array([0])))
    after = rewritten(graph, widen_halves)
    feeds = {"x": half(4102)}
    assert evaluate(after, feeds)[0].shape == evaluate(graph, feeds)[0].shape == (2052,)
    assert {n.op_type: n for n in after.nodes}["Shape"].inputs == [after.nodes[1].outputs[0]]


def test_what_is_known_before_the_run_is_widened_where_it_is_read():
    b = Builder()
    x = b.input("x", 2, 3, dtype=H)
    grid = b.Cast(b.Range(np.int64(0), b.Gather(b.Shape(x), np.array(1)), np.int64(1)), to=HALF)
    after = rewritten(b.output(b.Add(x, grid), grid), widen_halves)
    add = next(n for n in after.nodes if n.op_type == "Add")
    assert {dtypes(after, {"x": half(2, 3)})[name] for name in add.inputs} == {np.dtype(F)}


LEFT_ALONE = {
    "float64": lambda b: b.Mul(b.input("x", 2, 3, dtype=np.float64), np.float64(3)),
    "float32": lambda b: b.Mul(b.input("x", 2, 3), F(3)),
    "int16": lambda b: b.Mul(b.input("x", 2, 3, dtype=np.int16), np.int16(3)),
    "an operator of one's own": lambda b: b.Nope(b.Neg(b.input("x", 2, dtype=H))),
    "an input of no known type": lambda b: b.Mul(named(b, "x"), H(3)),
    "types that do not go together": lambda b: b.Mul(b.input("x", 2, dtype=H), F(3)),
    "a half constant that nothing reads": lambda b: (b.constant(half(3)), b.Neg(b.input("x", 2)))[1],
    "from input to output": lambda b: b.input("x", 2, dtype=H),
}


def named(b: Builder, name: str) -> str:
    b.graph.inputs[name] = TensorType()
    return name


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_leaves_alone(name):
    b = Builder()
    unchanged(b.output(LEFT_ALONE[name](b)), widen_halves)


def test_graphs_with_subgraphs_stay_but_subgraphs_of_their_own_are_widened():
    def branch(op_type):
        b = Builder()
        return b.output(b.node(op_type, b.Add(half(3), b.RandomNormal(dtype=HALF, shape=[3], scale=0.0))))
    b = Builder()
    b.input("go", dtype=np.bool_)
    graph = b.output(b.Neg(b.If("go", then_branch=branch("Relu"), else_branch=branch("Abs"))))
    unchanged(graph, widen_halves)
    after = copy.deepcopy(graph)
    passes.run(after)
    assert ops(after) == ["If", "Neg"]
    assert ops(after.nodes[0].attributes["then_branch"]) == ["RandomNormal", "Add", "Relu", "Cast"]
    want, got = (evaluate(g, {"go": np.array(True)})[0] for g in (graph, after))
    assert got.dtype == H
    np.testing.assert_array_equal(got, want)


def test_bfloat16_is_widened_too():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    bf = np.dtype(ml_dtypes.bfloat16)
    b = Builder()
    graph = b.output(b.Relu(b.MatMul(b.input("x", 2, 3, dtype=bf), half(3, 4).astype(bf))))
    after = copy.deepcopy(graph)
    assert widen_halves(after) and casts(after) == [FLOAT, 16]
    feeds = {"x": half(2, 3).astype(bf)}
    want, got = evaluate(graph, feeds)[0], evaluate(after, feeds)[0]
    assert got.dtype == bf
    np.testing.assert_allclose(got.astype(F), want.astype(F), rtol=2**-7, atol=2**-9)


def test_formulas_are_read_with_the_rounding_of_their_constants():
    b = Builder()
    x = b.Neg(b.input("x", 2, 8, dtype=H))
    root, one = b.Constant(value=np.array(2**0.5, H)), b.constant(H(1))
    graph = b.output(b.Mul(b.Mul(x, b.Add(b.Erf(b.Div(x, root)), one)), H(0.5)))
    passes.run(graph)
    assert ops(graph) == ["Cast", "Neg", "Gelu", "Cast"]


UNARY = ("Relu", "Sigmoid", "Tanh", "Abs", "HardSigmoid", "Softplus", "Neg", "Erf", "Identity")


def grown(seed: int) -> Graph:
    """A graph of up to 12 operators on float16, with Casts among them, and some inner values as outputs."""
    r = np.random.default_rng(seed)
    b = Builder()
    known = [b.input("x", 2, 4, dtype=H), b.input("y", 1, 4, dtype=H)]
    for _ in range(r.integers(2, 13)):
        a, c = (known[i] for i in r.integers(0, len(known), 2))
        w = (r.normal(size=(4, 4)) / 2).astype(H)
        known.append((
            lambda: b.node(UNARY[r.integers(len(UNARY))], a), lambda: b.Add(a, c),
            lambda: b.Mul(b.Sigmoid(a), c), lambda: b.MatMul(a, w), lambda: b.Concat(a, c, axis=0),
            lambda: b.Where(b.Less(a, H(0)), a, H(0.5)),
            lambda: b.Cast(b.Exp(b.Clip(b.Cast(a, to=FLOAT), -1.0, 1.0)), to=HALF),
            lambda: b.Reshape(a, np.array([-1, 4])), lambda: b.Sub(a, w[:1]), lambda: b.Softmax(a),
            lambda: b.Cast(b.Shape(a), to=HALF), lambda: b.node("Split", a, n=2, axis=1)[0],
        )[r.integers(12)]())
        if not broadcastable(b.graph, known[-1]):
            known.pop()
    return b.output(*{known[-1], *(known[i] for i in r.integers(0, len(known), 2))})


def broadcastable(graph: Graph, name: str) -> bool:
    """Is the last value one that the next operators can take?"""
    probe = Graph("probe", graph.nodes, graph.inputs, {name: TensorType()}, graph.constants)
    try:
        return evaluate(probe, {"x": np.zeros((2, 4), H), "y": np.zeros((1, 4), H)})[0].shape[1:] == (4,)
    except ValueError:
        graph.nodes.pop()
        return False


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("all_passes", [False, True], ids=["alone", "pipeline"])
def test_random_graphs_keep_their_answers(seed, all_passes):
    """12 operators, each rounding to float16 in the one and none in the other graph."""
    graph = grown(seed)
    after = copy.deepcopy(graph)
    (passes.run if all_passes else widen_halves)(after)
    assert fault(after) is None
    r = np.random.default_rng(seed)
    feeds = {"x": r.normal(size=(2, 4)).astype(H), "y": r.normal(size=(1, 4)).astype(H)}
    for name, want, got in zip(graph.outputs, evaluate(graph, feeds), evaluate(after, feeds)):
        assert got.dtype == want.dtype == H and got.shape == want.shape, f"{name}, seed {seed}"
        scale = np.abs(want).max() + 1
        error = np.abs(got.astype(np.float64) - want).max() / scale
        assert error <= 12 * STEP, f"{name}, seed {seed}: off by {error / STEP:.1f} steps"


# whole models

def onnx_model() -> bytes:
    onnx = pytest.importorskip("onnx")
    h, numpy_helper = onnx.helper, onnx.numpy_helper
    kind = onnx.TensorProto.FLOAT16
    weights = {"w": half(8, 3, 3, 3), "b": half(8), "two": np.array(2, H)}
    nodes = [h.make_node("Conv", ["x", "w", "b"], ["conv"], pads=[1, 1, 1, 1]),
             h.make_node("Relu", ["conv"], ["act"]), h.make_node("Mul", ["act", "two"], ["y"])]
    graph = h.make_graph(nodes, "g", [h.make_tensor_value_info("x", kind, [1, 3, "h", "w"])],
                         [h.make_tensor_value_info("y", kind, None)],
                         [numpy_helper.from_array(a, n) for n, a in weights.items()])
    return h.make_model(graph, opset_imports=[h.make_opsetid("", 17)]).SerializeToString()


def test_session_takes_and_gives_float16_and_runs_kernels():
    session = cinfer.load(onnx_model(), threads=1)
    assert session.inputs[0].dtype == session.outputs[0].dtype == H
    x = half(1, 3, 6, 7)
    y, = session.run(None, {"x": x})
    assert y.dtype == H and "numpy" not in session.summary({"x": x.shape})["kernels"]
    again, = pickle.loads(pickle.dumps(session)).run(None, {"x": x})
    np.testing.assert_array_equal(again, y)
    for name in ("conv", "act", "w", "two", "x"):
        value, = session.run([name], {"x": x})
        assert value.dtype == H, name
    act, = session.run(["act"], {"x": x})
    np.testing.assert_allclose(y, 2 * act, atol=4 * STEP * np.abs(y).max())
    with pytest.raises(cinfer.InputError, match="got float32, the model takes float16"):
        session.run(None, {"x": x.astype(F)})


def test_switched_off_halves_are_not_widened(monkeypatch):
    monkeypatch.setenv("CINFER_PASSES", "-widen_halves")
    session = cinfer.load(onnx_model(), threads=1)
    kernels = session.summary({"x": (1, 3, 6, 7)})["kernels"]
    assert "numpy" in kernels and kernels.keys() <= {"numpy", "arithmetic"}     # which adds numbers of any type


ZOO = {"mobilenet_v2__fp16": ("Cast", 0), "resnet50__fp16_unsorted": ("Cast", 0),
       "yolov8n_like__fp16": ("Swish", 57)}


@pytest.mark.parametrize("name", ZOO)
def test_exported_graph_is_rewritten_like_its_float32_twin(name, monkeypatch):
    monkeypatch.setenv("CINFER_CHECK", "1")
    graph = exported(name, monkeypatch)
    passes.run(graph)
    op_type, count = ZOO[name]
    assert ops(graph).count(op_type) == count
    read_names = {n for node in graph.nodes if node.op_type != "NarrowMatMul" for n in node.inputs}
    assert not any(a.dtype == H for n, a in graph.constants.items() if n in read_names)
