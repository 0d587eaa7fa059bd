"""The pipeline as a whole: switches, checks, subgraphs, real models."""
import time

import numpy as np
import pytest

from cinfer import passes
from cinfer.errors import Error, InputError, ModelError
from cinfer.model.graph import Graph, Node, TensorType
from cinfer.passes.check import fault
from conftest import shared
from handmade import Builder, exported, ops
from interpreter import evaluate

F = np.float32


def spelled_swish():
    b = Builder()
    x = b.Identity(b.input("x", 2, 3))
    return b.output(b.Mul(x, b.Sigmoid(x)))


def test_runs_all_passes():
    graph = spelled_swish()
    assert passes.run(graph) and ops(graph) == ["Swish"]
    assert not passes.run(graph)


def test_environment_switches_passes_off(monkeypatch):
    monkeypatch.setenv("CINFER_PASSES", "-recognise_activations, -remove_identity")
    graph = spelled_swish()
    passes.run(graph)
    assert ops(graph) == ["Identity", "Sigmoid", "Mul"]


@pytest.mark.parametrize("setting", ["-fold_everything", "fold_scale"])
def test_environment_that_names_no_pass_is_refused(monkeypatch, setting):
    monkeypatch.setenv("CINFER_PASSES", setting)
    with pytest.raises(InputError, match=f"'{setting}' switches off no pass; there are -bring_captures"):
        passes.run(spelled_swish())


def test_check_names_the_pass_that_breaks_the_graph(monkeypatch):
    def forget_a_node(graph, at=None):
        graph.nodes.pop(0)
        return True
    monkeypatch.setattr(passes, "PIPELINE", (passes.remove_identity, forget_a_node))
    monkeypatch.setenv("CINFER_CHECK", "1")
    with pytest.raises(Error, match="pass forget_a_node broke the graph 'test': Mul 'v2' reads 'v1' before"):
        passes.run(spelled_swish())


def test_a_pass_that_stumbles_is_an_error_that_names_it(monkeypatch):
    def stumble(graph, at=None):
        return [][0]
    monkeypatch.setattr(passes, "PIPELINE", (stumble,))
    with pytest.raises(ModelError, match="stumble cannot read a node's attributes: .*=-stumble leaves it"):
        passes.run(spelled_swish())


def neg(x, y):
    return Node("Neg", [x], [y], opset=13)


FAULTS = {
    "reads 'y' before it is made": Graph(nodes=[neg("y", "z")], outputs={"z": TensorType()}),
    "makes 'y', which exists already": Graph(
        nodes=[neg("x", "y"), neg("x", "y")], inputs={"x": TensorType()}),
    "nothing makes the output 'z'": Graph(nodes=[], outputs={"z": TensorType()}),
    "in a subgraph of If": Graph(inputs={"c": TensorType()}, nodes=[Node("If", ["c"], ["y"], {
        "then_branch": Graph(nodes=[neg("gone", "z")], outputs={"z": TensorType()})}, opset=13)]),
}


@pytest.mark.parametrize("message", FAULTS)
def test_fault_says_what_is_wrong(message):
    assert message in fault(FAULTS[message])


def test_subgraphs_are_rewritten_and_what_they_capture_stays():
    def branch(op_type):
        b = Builder()
        y = b.node(op_type, b.Mul("seen", b.Sigmoid("seen")))
        return b.output(b.Identity(y))
    b = Builder()
    x = b.input("x", 2, 3)
    b.graph.nodes.append(Node("Identity", [x], ["seen"], opset=17))
    y = b.If(b.input("go", dtype=np.bool_), then_branch=branch("Neg"), else_branch=branch("Abs"))
    graph = b.output(y)
    feeds = {"x": np.linspace(-3, 3, 6, dtype=F).reshape(2, 3), "go": np.array(False)}
    want, = evaluate(graph, feeds)
    passes.run(graph)
    assert fault(graph) is None
    assert ops(graph.nodes[-1].attributes["else_branch"]) == ["Swish", "Abs"]
    np.testing.assert_allclose(evaluate(graph, feeds)[0], want, rtol=1e-6)


MALFORMED = {
    "Gather 'v0' has 1 input; Gather of opset 17 takes 2": lambda b, x: b.Gather(x),
    "Shape 'v0' has 2 inputs; Shape of opset 17 takes 1": lambda b, x: b.Shape(x, x),
    "Add 'v0': its input 0 is left out; Add needs it": lambda b, x: b.Add("", x),
    "Concat 'v0': its input 1 is left out": lambda b, x: b.Concat(x, "", x, axis=0),
    "Transpose 'v0': its attribute 'perm' is not of type INTS": lambda b, x: b.Transpose(x, perm=[1.0, 0.0]),
    "Softmax 'v0': its attribute 'axis' is not of type INT": lambda b, x: b.Softmax(x, axis=1.0),
    "Elu 'v0': its attribute 'alpha' is not of type FLOAT": lambda b, x: b.Elu(x, alpha="1"),
    "Clip 'v0': its inputs are float32 and float64; Clip takes one type":
        lambda b, x: b.Clip(x, np.zeros(())),
    "Mul 'v0': its inputs are float32 and int64; Mul takes one type": lambda b, x: b.Mul(np.int64([1]), x),
    "Gather 'v0': its attribute 'axis' is not of type INT": lambda b, x: b.Gather(x, x, axis=[0]),
    "Relu 'v0_0' has 2 outputs; Relu makes 1": lambda b, x: b.node("Relu", x, n=2)[0],
    "Add 'v0_0' has 2 outputs; Add makes 1": lambda b, x: b.node("Add", x, x, n=2)[0],
    "DequantizeLinear 'v1_0' has 2 outputs; DequantizeLinear makes 1": lambda b, x: b.node(
        "DequantizeLinear", b.QuantizeLinear(x, np.float32(1)), np.float32(1), n=2)[0],
    "QuantizeLinear 'v0': its scale is int8; it has to be a float": lambda b, x: b.QuantizeLinear(x, np.int8(1)),
    "DequantizeLinear 'v1': its scale is uint8; it has to be a float":
        lambda b, x: b.DequantizeLinear(b.QuantizeLinear(x, np.float32(1)), np.uint8(1)),
    "DequantizeLinear 'v1': its numbers are int8, their zero point uint8; they have to be of one type":
        lambda b, x: b.DequantizeLinear(b.QuantizeLinear(x, np.float32(1), np.int8(3)), np.float32(1), np.uint8(3)),
    "DequantizeLinear 'v0': its numbers are int32, their zero point float16; they have to be of one type":
        lambda b, x: b.Add(x, b.DequantizeLinear(np.int32([1, 2, 3]), np.float32(1), np.float16(0))),
}


@pytest.mark.parametrize("message", MALFORMED)
def test_malformed_node_is_refused(message):
    b = Builder()
    graph = b.output(MALFORMED[message](b, b.input("x", 2, 3)))
    with pytest.raises(ModelError) as caught:
        passes.run(graph)
    assert message in str(caught.value)


def test_a_deep_chain_is_quick():
    """Linear time: 6000 nodes with one constant among them all."""
    b = Builder()
    x = b.input("x", 2, 3)
    half = b.constant(F(0.5))
    for _ in range(1500):
        x = b.Transpose(b.Mul(b.Transpose(b.Tanh(x), perm=[1, 0]), half), perm=[1, 0])
    graph = b.output(x)
    start = time.process_time()
    passes.run(graph)
    assert ops(graph) == ["Tanh", "Mul"] * 1500
    assert time.process_time() - start < 2.0            # 0.1 s on an idle machine; quadratic would be minutes


MODELS = ["blazeface_short_range", "efficientnet_lite0_w8", "esrgan_slim_x2", "face_landmark",
          "lenet5_digits", "movenet_lightning", "mtcnn_onet", "mtcnn_pnet", "nanodet_g_416_w8",
          "ppocr_v2_cls", "ppocr_v4_det", "ppocr_v4_rec_w8", "selfie_segmentation"]
GONE = {"selfie_segmentation": {"Cast"}, "nanodet_g_416_w8": {"Pad", "DequantizeLinear"},
        "ppocr_v4_det": {"BatchNormalization", "Clip", "Div"},
        "ppocr_v4_rec_w8": {"BatchNormalization", "DequantizeLinear", "ReduceMean", "Clip"}}


@pytest.mark.parametrize("name", MODELS)
def test_real_model_keeps_its_outputs(name):
    """Against onnxruntime with its own rewriting off; each output within 1e-4 of its largest magnitude."""
    ort = pytest.importorskip("onnxruntime")
    from cinfer.model import read
    path = shared(f"models/{name}.onnx")
    graph = read(path).graph
    passes.run(graph)
    assert fault(graph) is None
    assert not GONE.get(name, set()) & set(ops(graph))
    rng = np.random.default_rng(6)
    feeds = {}
    for key, t in graph.inputs.items():
        free = (1, 3, 64, 96) if name == "ppocr_v4_det" else (1, 3, 48, 96)
        shape = [d if isinstance(d, int) and d > 0 else free[axis] for axis, d in enumerate(t.shape)]
        feeds[key] = (rng.random(shape) * (255 if t.dtype.kind in "iu" else 1)).astype(t.dtype)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    wanted = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]).run(None, feeds)
    for key, want, got in zip(graph.outputs, wanted, evaluate(graph, feeds)):
        assert got.dtype == want.dtype and got.shape == want.shape, f"{name} {key}"
        scale = max(float(np.abs(want).max()), 1e-2)        # a picture of noise may leave a map of zeros
        assert np.abs(got - want).max() <= 1e-4 * scale, f"{name} {key}"


# the zoo's graphs, made whole: what is left of some operators
EXPORTED = {
    "mobilenet_v2__nhwc": {"Transpose": 1, "Clip": 35, "Conv": 52}, "mobilenet_v2__opset9": {"Clip": 35},
    "resnet18__notfolded": {"BatchNormalization": 0, "Identity": 0}, "swin_t": {"Gelu": 12, "Erf": 0},
    "yolov8n_like": {"Swish": 57, "Sigmoid": 1}, "efficientnet_b0": {"Swish": 49, "Sigmoid": 16},
    "vit_tiny__dyn8": {"Gelu": 12}, "ssdlite320_mobilenet_v3_large": {"HardSwish": 20},
}


@pytest.mark.parametrize("name", EXPORTED)
def test_exported_graph_stays_valid(name, monkeypatch):
    monkeypatch.setenv("CINFER_CHECK", "1")
    graph = exported(name, monkeypatch)
    passes.run(graph)
    assert fault(graph) is None
    assert {op_type: ops(graph).count(op_type) for op_type in EXPORTED[name]} == EXPORTED[name]


LARGE, ENDS = F(5e37), (F(np.inf), F(-np.inf), F(np.nan), F(3e38), F(1e-45), F(0))
CELL = F([[[1, 2, 3]], [[4, 5, 6]]]).reshape(2, 3, 1, 1)
BYTES = (F(.1), np.uint8(3))
COMPUTED = {
    "scales": lambda b, x, v: b.Mul(b.Conv(x, CELL * LARGE), v),
    "divisors": lambda b, x, v: b.Div(b.Conv(x, CELL, F([1, LARGE])), v),
    "offsets": lambda b, x, v: b.Sub(b.Add(b.Conv(x, CELL), LARGE), v),
    "scales before": lambda b, x, v: b.Conv(b.Add(b.Mul(x, v), v), CELL * LARGE),
    "statistics": lambda b, x, v: b.BatchNormalization(b.Conv(x, CELL), F([v, 1]), F([1, v]), F([0, v]), F([1, -1])),
    "constants": lambda b, x, v: b.Mul(x, b.Exp(b.Div(F([1]), v.reshape(1)))),
    "tables": lambda b, x, v: b.QuantizeLinear(
        b.Mul(b.DequantizeLinear(b.QuantizeLinear(x, *BYTES), *BYTES), v), *BYTES),
    "limits of bytes": lambda b, x, v: b.QuantizeLinear(b.Min(b.Conv(
        b.DequantizeLinear(b.QuantizeLinear(x, *BYTES), *BYTES),
        b.DequantizeLinear(np.ones((2, 3, 1, 1), np.int8), F(.1), np.int8(0))), v), *BYTES),
    "sums of bytes": lambda b, x, v: b.QLinearConv(
        b.QuantizeLinear(x, *BYTES), *BYTES, np.ones((2, 3, 1, 1), np.int8), v, np.int8(0), *BYTES,
        np.int32([1 << 30, -1])),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", COMPUTED)
def test_nothing_is_said_of_constants_that_are_infinite_or_no_numbers(name):
    for value in ENDS:
        b = Builder()
        passes.run(b.output(COMPUTED[name](b, b.input("x", 1, 3, 4, 4), value)))
