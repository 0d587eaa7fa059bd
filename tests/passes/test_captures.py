"""What a subgraph reads of the graph around it: integers stay integers inside."""
import copy

import numpy as np
import pytest

from cinfer import passes
from cinfer.model.graph import Graph, Node, TensorType
from cinfer.passes.check import fault
from cinfer.passes.islands import in_float, on_bytes
from handmade import Builder, ops
from interpreter import evaluate
from quantised import F, S8, U8, X, Y, grid, numbers, per_channel, stored, weights

GO, F32 = np.bool_, np.dtype(np.float32)
W = weights(5, 4, 3, 3)


class Inner(Builder):
    """A branch or body. first : of the numbers of its names, which are others than those around it"""

    def __init__(self, first: int, opset: int = 17):
        super().__init__(opset)
        self.first = first

    def constant(self, array) -> str:
        name = f"k{self.first}_{len(self.graph.constants)}"
        self.graph.constants[name] = np.asarray(array, np.float32 if isinstance(array, float) else None)
        return name

    def node(self, op_type: str, *inputs, n: int = 1, opset=None, **attributes):
        made = super().node(op_type, *inputs, n=n, opset=opset, **attributes)
        outputs = [f"i{self.first}_{name}" for name in self.graph.nodes[-1].outputs]
        self.graph.nodes[-1].outputs = outputs
        return outputs[0] if n == 1 else outputs


def either(b: Builder, then, other=None) -> str:
    """An If of branches that are made by functions of their Builder."""
    graphs = []
    for i, make in enumerate((then, other or then)):
        inner = Inner(i, b.opset)
        graphs.append(inner.output(make(inner)))
    return b.If(b.input("go", dtype=GO), then_branch=graphs[0], else_branch=graphs[1])


def run(graph: Graph, most_off: int = 1) -> Graph:
    """The graph after the passes, whose bytes are what they were, or neighbours."""
    fed = copy.copy(graph)
    fed.inputs = {name: declared for name, declared in graph.inputs.items() if name != "go"}
    feeds = [{**numbers(fed, seed), "go": np.array(bool(seed % 2))} for seed in range(2)]
    wanted = [evaluate(graph, each) for each in feeds]
    passes.run(graph)
    assert fault(graph) is None
    for each, want in zip(feeds, wanted):
        for y, w in zip(evaluate(graph, each), want):
            assert y.dtype == w.dtype and np.abs(y.astype(float) - w.astype(float)).max() <= most_off
    return graph


def branches(graph: Graph) -> list[Graph]:
    node = next(node for node in graph.nodes if node.op_type == "If")
    return [node.attributes["then_branch"], node.attributes["else_branch"]]


def conv(b: Builder, x: str, w=None, **how) -> str:
    w = b.DequantizeLinear(W, *per_channel(5), axis=0) if w is None else w
    return b.QuantizeLinear(b.Conv(x, w, **how), *Y)


def picture(b: Builder) -> str:
    return b.input("x", 2, 4, 6, 7, dtype=U8)


CAPTURED = {
    "integers": lambda b, x: lambda i: conv(i, i.DequantizeLinear(x, *X)),
    "what DequantizeLinear gives": lambda b, x: captured(b, b.DequantizeLinear(x, *X)),
    "the same, moved": lambda b, x: captured(
        b, b.Transpose(b.Transpose(b.DequantizeLinear(x, *X), perm=[0, 2, 3, 1]), perm=[0, 3, 1, 2])),
    "constant integers": lambda b, x: with_weights(b, x, b.constant(W)),
}


def captured(b: Builder, value: str):
    return lambda i: conv(i, value)


def with_weights(b: Builder, x: str, w: str):
    return lambda i: conv(i, i.DequantizeLinear(x, *X), i.DequantizeLinear(w, *per_channel(5), axis=0))


@pytest.mark.parametrize("name", CAPTURED)
def test_products_of_what_is_captured_are_of_integers(name):
    b = Builder()
    graph = run(b.output(either(b, CAPTURED[name](b, picture(b)))))
    for branch in branches(graph):
        assert "QLinearConv" in ops(branch) and "Conv" not in ops(branch) and "DequantizeLinear" not in ops(branch)
    assert "DequantizeLinear" not in ops(graph) and in_float(graph) == []
    assert on_bytes(graph) == {"QLinearConv": 2}


def test_weights_and_scales_of_the_graph_around():
    b = Builder()
    x = picture(b)
    w = b.DequantizeLinear(b.constant(W), *per_channel(5), axis=0)
    bias = b.DequantizeLinear(np.arange(5, dtype=np.int32), F(X[0] * per_channel(5)[0]), axis=0)
    scale, zero = (b.constant(v) for v in Y)
    value = b.DequantizeLinear(x, *X)
    graph = run(b.output(either(b, lambda i: i.QuantizeLinear(i.Conv(value, w, bias), scale, zero))))
    assert [ops(branch) for branch in branches(graph)] == [["QLinearConv"]] * 2 and ops(graph) == ["If"]


def test_products_of_matrices():
    b = Builder()
    a = b.DequantizeLinear(b.input("x", 3, 4, dtype=U8), *X)
    w = b.DequantizeLinear(weights(4, 5), *per_channel(5), axis=1)
    graph = run(b.output(either(b, lambda i: i.QuantizeLinear(i.MatMul(a, w), *Y), lambda i: i.QuantizeLinear(
        i.Gemm(a, w, i.DequantizeLinear(np.arange(5, dtype=np.int32), F(X[0] * per_channel(5)[0]), axis=0)), *Y))))
    assert [ops(branch) for branch in branches(graph)] == [["QLinearMatMul"], ["QGemm"]]


@pytest.mark.parametrize("dtype", [U8, S8])
def test_what_an_if_gives_is_read_as_integers(dtype):
    b = Builder()
    x = b.DequantizeLinear(b.input("x", 2, 4, 6, 7, dtype=dtype), *grid(.05, 3, dtype))
    z = either(b, lambda i: i.QuantizeLinear(i.Relu(x), *grid(.05, 3, dtype)),
               lambda i: i.QuantizeLinear(i.MaxPool(x, kernel_shape=[3, 3], pads=[1] * 4), *grid(.05, 3, dtype)))
    w = b.DequantizeLinear(W, *per_channel(5), axis=0)
    y = b.QuantizeLinear(b.Conv(b.DequantizeLinear(z, *grid(.05, 3, dtype)), w), *grid(.5, 3, dtype))
    graph = run(b.output(y))
    assert "QLinearConv" in ops(graph) and "Conv" not in ops(graph)


@pytest.mark.parametrize("dtype", [U8, S8])
def test_bodies_of_loops_hand_on_integers(dtype):
    at = grid(.05, 3, dtype)
    inner = Inner(0)
    inner.graph.inputs = {name: TensorType() for name in ("turn", "going", "s")}
    w = inner.DequantizeLinear(weights(4, 4, 3, 3), *grid(.004, 0, S8))
    y = inner.QuantizeLinear(inner.Conv(inner.DequantizeLinear("s", *at), w, pads=[1] * 4), *at)
    body = inner.output(inner.Identity("going"), y, inner.Identity(y))
    b = Builder()
    turns, x = b.constant(np.int64(3)), b.input("x", 2, 4, 6, 7, dtype=dtype)
    graph = run(b.output(*b.Loop(turns, None, x, body=body, n=2)), most_off=3)        # each turn may be off by one
    assert "QLinearConv" in ops(body) and "Conv" not in ops(body) and in_float(graph) == []


def test_a_state_of_another_type_at_another_turn_stays_in_floats():
    """Bytes at the first turn, floats then: nothing is supposed of them."""
    inner = Inner(0)
    inner.graph.inputs = {name: TensorType() for name in ("turn", "going", "s")}
    floats = inner.Cast("s", to=1)
    y = conv(inner, inner.DequantizeLinear(inner.QuantizeLinear(floats, *X), *X))
    body = inner.output(inner.Identity("going"), inner.Neg(floats), y)
    b = Builder()
    run(b.output(*b.Loop(b.constant(np.int64(2)), None, picture(b), body=body, n=2)), most_off=0)
    assert "Conv" in ops(body)


def test_what_stays_in_floats_is_captured_as_it_was():
    """A Loop does not dequantise again at each turn what is made once before it."""
    b = Builder()
    value = b.DequantizeLinear(picture(b), *X)
    graph = run(b.output(either(b, lambda i: i.Softmax(value, axis=1), lambda i: i.Identity(value))), most_off=0)
    assert [ops(branch) for branch in branches(graph)] == [["Softmax"], ["Identity"]]
    assert ops(graph) == ["DequantizeLinear", "If"]


def test_branches_have_one_array_of_weights_that_are_floats_after_all():
    b = Builder()
    w = b.DequantizeLinear(b.constant(W), *per_channel(5), axis=0)
    x = b.input("x", 2, 4, 6, 7)
    graph = run(b.output(either(b, lambda i: i.Conv(x, w))), most_off=0)
    first, second = ([a for a in branch.constants.values() if a.shape == W.shape] for branch in branches(graph))
    assert len(first) == len(second) == 1 and first[0] is second[0] and first[0].dtype == F32


def test_what_is_folded_beside_a_convolution_may_be_captured():
    """Batch normalization goes into weights that are dequantised outside."""
    b = Builder()
    w, x = b.DequantizeLinear(W, *per_channel(5), axis=0), b.input("x", 2, 4, 6, 7)
    statistics = [b.constant(np.linspace(.5, 1.5, 5, dtype=F)) for _ in range(4)]
    graph = run(b.output(either(b, lambda i: i.BatchNormalization(i.Conv(x, w), *statistics))), most_off=1e-4)
    assert [ops(branch) for branch in branches(graph)] == [["Conv"]] * 2


def test_names_of_a_branch_that_hide_those_around_it():
    """Inside, the name of the outer bytes is that of other ones, whose convolution it is not."""
    b = Builder()
    x = picture(b)
    value = b.DequantizeLinear(x, *X)

    def make(i: Inner) -> str:
        i.graph.nodes.append(Node("Neg", [value], [x], opset=17))
        return conv(i, value)
    graph = run(b.output(either(b, make, lambda i: conv(i, value))))
    assert "Conv" in ops(branches(graph)[0]) and "QLinearConv" in ops(branches(graph)[1])


def test_quantizelinear_behind_an_if_goes_into_its_branches():
    b = Builder()
    value = b.DequantizeLinear(picture(b), *X)
    y = either(b, lambda i: i.Conv(value, i.DequantizeLinear(W, *per_channel(5), axis=0)),
               lambda i: i.Relu(i.Conv(value, i.DequantizeLinear(W, *grid(.004, 0, S8)))))
    graph = run(b.output(b.QuantizeLinear(y, *Y)))
    assert [ops(branch)[0] for branch in branches(graph)] == ["QLinearConv"] * 2 and ops(graph) == ["If"]


@pytest.mark.parametrize("name", ["it is an output", "others read it", "its scale is one of the run"])
def test_quantizelinear_stays_behind_an_if(name):
    b = Builder()
    x = b.input("x", 2, 3)
    y = either(b, lambda i: i.Neg(x), lambda i: i.Abs(x))
    scale = b.Abs(b.input("s", 1)) if "scale" in name else Y[0]
    z = b.QuantizeLinear(y, scale, Y[1])
    graph = run(b.output(z, *[y] * ("output" in name), *([b.Exp(y)] if "others" in name else [])))
    assert ops(graph).count("QuantizeLinear") == 1 and [ops(each) for each in branches(graph)] == [["Neg"], ["Abs"]]


def test_branches_within_branches():
    b = Builder()
    value = b.DequantizeLinear(picture(b), *X)

    def make(i: Inner) -> str:
        inside = []
        for k in (7, 8):
            inner = Inner(k)
            inside.append(inner.output(conv(inner, value)))
        return i.If("go", then_branch=inside[0], else_branch=inside[1])
    graph = run(b.output(either(b, make)))
    assert on_bytes(graph) == {"QLinearConv": 4} and in_float(graph) == [] and ops(graph) == ["If"]


def test_a_branch_whose_condition_is_known_is_joined_with_what_is_around_it():
    b = Builder()
    value = b.DequantizeLinear(picture(b), *X)
    graphs = []
    for k in range(2):
        inner = Inner(k)
        graphs.append(inner.output(inner.Conv(value, inner.DequantizeLinear(W, *per_channel(5), axis=0))))
    y = b.If(np.array(True), then_branch=graphs[0], else_branch=graphs[1])
    assert ops(run(b.output(b.QuantizeLinear(y, *Y)))) == ["QLinearConv"]


def test_onnxruntimes_spelling_around_a_branch():
    b = Builder()
    value = b.DequantizeLinear(picture(b), *X)
    b.graph.nodes[-1].domain, b.graph.nodes[-1].opset = "com.microsoft", 1
    graph = run(b.output(either(b, lambda i: conv(i, value))))
    assert on_bytes(graph) == {"QLinearConv": 2}


def test_what_is_said_of_operators_in_branches():
    b = Builder()
    value = b.DequantizeLinear(picture(b), *X)
    w = b.input("w", 5, 4, 3, 3)
    graph = run(b.output(either(b, lambda i: conv(i, value, w), lambda i: conv(i, value))))
    assert on_bytes(graph) == {"QLinearConv": 1}
    assert [(each["operator"], each["why"].split(";")[0]) for each in in_float(graph)] == [
        ("Conv", "its weights are not quantised")]
    c = Builder()
    x = stored(c, c.input("x", 2, 4, 6, 7))
    v = either(c, lambda i: i.Exp(x), lambda i: i.Softmax(x, axis=1))
    graph = run(c.output(stored(c, v)))
    assert [each["operator"] for each in in_float(graph)] == ["Softmax"]              # and no word of the If
    assert on_bytes(graph) == {"LookUp": 1}
