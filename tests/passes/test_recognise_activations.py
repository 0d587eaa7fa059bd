"""Each spelling that exporters use is read; what only looks like it is not."""
import numpy as np
import pytest

from cinfer.passes.recognise_activations import recognise_activations
from handmade import Builder, ops, rewritten, unchanged
from interpreter import evaluate

F = np.float32
SIXTH = F(1 / 6)
SLOPES = np.linspace(-0.2, 0.5, 8, dtype=F).reshape(8, 1, 1)


def relu6(b, x):
    return b.Clip(x, F(0), F(6))


SPELLINGS = {
    "swish": ("Swish", lambda b, x: b.Mul(x, b.Sigmoid(x))),
    "swish, sigmoid first": ("Swish", lambda b, x: b.Mul(b.Sigmoid(x), x)),
    "swish of a negative slope": ("Swish", lambda b, x: b.Mul(x, b.Sigmoid(b.Neg(x)))),
    "swish with a slope": ("Swish", lambda b, x: b.Mul(x, b.Sigmoid(b.Mul(x, F(1.702))))),
    "hard swish of paddle": ("HardSwish", lambda b, x: b.Div(b.Mul(x, relu6(b, b.Add(x, F(3)))), F(6))),
    "hard swish of tf": ("HardSwish", lambda b, x: b.Mul(b.Mul(x, SIXTH), relu6(b, b.Add(F(3), x)))),
    "hard swish, ramp divided": ("HardSwish", lambda b, x: b.Mul(x, b.Div(relu6(b, b.Add(x, F(3))), F(6)))),
    "hard swish, ramp times 1/6": (
        "HardSwish", lambda b, x: b.Mul(b.Mul(relu6(b, b.Add(x, F(3))), SIXTH), x)),
    "hard swish by Relu and Min": (
        "HardSwish", lambda b, x: b.Div(b.Mul(b.Min(b.Relu(b.Add(x, F(3))), F(6)), x), F(6))),
    "hard swish by Clip of opset 6": (
        "HardSwish", lambda b, x: b.Div(b.Mul(x, b.Clip(b.Add(x, F(3)), opset=6, min=0.0, max=6.0)), F(6))),
    "hard swish by HardSigmoid": (
        "HardSwish", lambda b, x: b.Mul(x, b.HardSigmoid(x, alpha=1 / 6, beta=0.5))),
    "hard sigmoid": ("HardSigmoid", lambda b, x: b.Div(relu6(b, b.Add(x, F(3))), F(6))),
    "hard sigmoid of keras": (
        "HardSigmoid", lambda b, x: b.Clip(b.Add(b.Mul(x, F(0.2)), F(0.5)), F(0), F(1))),
    "gelu": ("Gelu", lambda b, x: b.Mul(b.Mul(x, b.Add(b.Erf(b.Div(x, F(2 ** 0.5))), F(1))), F(0.5))),
    "gelu, half first": (
        "Gelu", lambda b, x: b.Mul(b.Mul(x, F(0.5)), b.Add(F(1), b.Erf(b.Mul(x, F(0.5 ** 0.5)))))),
    "gelu, half at the gate": (
        "Gelu", lambda b, x: b.Mul(x, b.Add(b.Mul(b.Erf(b.Mul(F(0.5 ** 0.5), x)), F(0.5)), F(0.5)))),
    "gelu by tanh": ("Gelu", lambda b, x: b.Mul(b.Mul(F(0.5), x), b.Add(F(1), b.Tanh(
        b.Mul(F((2 / np.pi) ** 0.5), b.Add(x, b.Mul(F(0.044715), b.Pow(x, F(3))))))))),
    "gelu by tanh, factored": ("Gelu", lambda b, x: b.Mul(F(0.5), b.Mul(x, b.Add(F(1), b.Tanh(b.Mul(
        b.Mul(F((2 / np.pi) ** 0.5), x), b.Add(F(1), b.Mul(F(0.044715), b.Mul(x, x))))))))),
    "mish": ("Mish", lambda b, x: b.Mul(x, b.Tanh(b.Softplus(x)))),
    "softplus": ("Softplus", lambda b, x: b.Log(b.Add(b.Exp(x), F(1)))),
    "sigmoid by Exp": ("Sigmoid", lambda b, x: b.Div(F(1), b.Add(F(1), b.Exp(b.Neg(x))))),
    "sigmoid by Exp and Reciprocal": ("Sigmoid", lambda b, x: b.Reciprocal(b.Add(b.Exp(b.Mul(x, F(-1))), F(1)))),
    "sigmoid by Exp of a difference": ("Sigmoid", lambda b, x: b.Reciprocal(b.Add(b.Exp(b.Sub(F(0), x)), F(1)))),
    "swish by Exp": ("Swish", lambda b, x: b.Div(x, b.Add(b.Exp(b.Neg(x)), F(1)))),
    "swish by Exp and Reciprocal": ("Swish", lambda b, x: b.Mul(x, b.Reciprocal(b.Add(F(1), b.Exp(b.Neg(x)))))),
    "swish with a slope by Exp": ("Swish", lambda b, x: b.Div(x, b.Add(F(1), b.Exp(b.Mul(b.Neg(x), F(1.702)))))),
    "softsign": ("Softsign", lambda b, x: b.Div(x, b.Add(F(1), b.Abs(x)))),
    "mish by Log and Exp": ("Mish", lambda b, x: b.Mul(b.Tanh(b.Log(b.Add(F(1), b.Exp(x)))), x)),
    "slopes of keras": ("PRelu", lambda b, x: b.Add(b.Relu(x), b.Mul(-SLOPES, b.Relu(b.Neg(x))))),
    "slopes of mxnet": ("PRelu", lambda b, x: b.Sub(b.Relu(x), b.Mul(b.Relu(b.Neg(x)), SLOPES))),
    "slopes by Max and Min": ("PRelu", lambda b, x: b.Add(b.Mul(b.Min(x, F(0)), SLOPES), b.Max(x, F(0)))),
    "slopes by Where": ("PRelu", lambda b, x: b.Where(b.Greater(x, F(0)), x, b.Mul(SLOPES, x))),
    "leaky relu of two Relus": ("LeakyRelu", lambda b, x: b.Sub(b.Relu(x), b.Mul(F(0.1), b.Relu(b.Neg(x))))),
    "leaky relu by Where": ("LeakyRelu", lambda b, x: b.Where(b.GreaterOrEqual(x, F(0)), x, b.Mul(x, F(0.1)))),
    "leaky relu by Where of jax": ("LeakyRelu", lambda b, x: b.Where(b.Less(x, F(0)), b.Mul(x, F(0.1)), x)),
    "leaky relu by Where, turned": ("LeakyRelu", lambda b, x: b.Where(b.LessOrEqual(F(0), x), x, b.Mul(x, F(0.1)))),
    "relu by Max": ("Relu", lambda b, x: b.Max(x, F(0))),
    "relu by Clip": ("Relu", lambda b, x: b.Clip(x, F(0))),
    "relu6 by Relu and Clip": ("Clip", lambda b, x: b.Clip(b.Relu(x), None, F(6))),
    "relu6 by Relu and old Clip": ("Clip", lambda b, x: b.Clip(b.Relu(x), opset=6, max=6.0)),
    "clip by Min and Max": ("Clip", lambda b, x: b.Max(b.Min(x, F(2)), F(-1))),
    "leaky relu by Max": ("LeakyRelu", lambda b, x: b.Max(b.Mul(x, F(0.1)), x)),
    "leaky relu by PRelu": ("LeakyRelu", lambda b, x: b.PRelu(x, np.full((8, 1, 1), 0.25, F))),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_reads_spelling(name):
    wanted, spell = SPELLINGS[name]
    b = Builder()
    graph = b.output(b.Abs(spell(b, b.Identity(b.input("x", 2, 8, 5, 5)))))
    after = rewritten(graph, recognise_activations)
    assert ops(after) == ["Identity", wanted, "Abs"]
    assert set(after.outputs) == set(graph.outputs)


@pytest.mark.parametrize("name", SPELLINGS)
def test_keeps_all_when_the_value_inside_is_an_output(name):
    wanted, spell = SPELLINGS[name]
    b = Builder()
    y = spell(b, b.input("x", 2, 8, 5, 5))
    inside = [node.outputs[0] for node in b.graph.nodes if y not in node.outputs]
    for name in inside:
        graph = b.output(y, name)
        after = rewritten(graph, recognise_activations)
        assert wanted not in ops(after) or len(ops(after)) > 1
        assert name in after.producers()


def test_keeps_swish_when_the_gate_has_two_readers():
    b = Builder()
    gate = b.Sigmoid(b.input("x", 2, 3))
    unchanged(b.output(b.Mul("x", gate), b.Neg(gate)), recognise_activations)


NEAR_MISSES = {
    "sigmoid of something else": lambda b, x: b.Mul(x, b.Sigmoid(b.Abs(x))),
    "swish with an offset": lambda b, x: b.Mul(x, b.Sigmoid(b.Add(x, F(1)))),
    "hard swish with 2": lambda b, x: b.Div(b.Mul(x, relu6(b, b.Add(x, F(2)))), F(6)),
    "hard swish over 5": lambda b, x: b.Div(b.Mul(x, relu6(b, b.Add(x, F(3)))), F(5)),
    "hard sigmoid with another slope": lambda b, x: b.Mul(x, b.HardSigmoid(x, alpha=0.2, beta=0.5)),
    "gelu with a rough constant": lambda b, x: b.Mul(
        b.Mul(x, F(0.5)), b.Add(b.Erf(b.Mul(x, F(0.7072))), F(1))),
    "mish without tanh": lambda b, x: b.Mul(x, b.Softplus(x)),
    "slope per channel": lambda b, x: b.PRelu(x, np.linspace(0, 1, 8, dtype=F).reshape(8, 1, 1)),
    "leaky with a slope above 1": lambda b, x: b.Max(x, b.Mul(x, F(2))),
    "limits per channel": lambda b, x: b.Max(x, np.zeros((8, 1, 1), F)),
    "sigmoid of twice the number": lambda b, x: b.Reciprocal(b.Add(F(1), b.Exp(b.Mul(x, F(-2))))),
    "sigmoid turned round": lambda b, x: b.Reciprocal(b.Add(F(1), b.Exp(x))),
    "exp over 2 + exp": lambda b, x: b.Div(x, b.Add(b.Exp(b.Neg(x)), F(2))),
    "swish by another number": lambda b, x: b.Div(b.Neg(x), b.Add(b.Exp(b.Neg(b.Abs(x))), F(1))),
    "softsign of another number": lambda b, x: b.Div(b.Neg(x), b.Add(F(1), b.Abs(b.Exp(x)))),
    "slopes above": lambda b, x: b.Sub(b.Mul(b.Relu(b.Neg(x)), SLOPES), b.Relu(x)),
    "slopes of another number": lambda b, x: b.Add(b.Relu(x), b.Mul(b.Relu(b.Neg(b.Abs(x))), SLOPES)),
    "slopes without a minus": lambda b, x: b.Add(b.Relu(x), b.Mul(b.Relu(x), SLOPES)),
    "slopes that do not fit": lambda b, x: b.Add(b.Relu(x), b.Mul(b.Relu(b.Neg(x)), np.ones((3, 1, 8, 1, 1), F))),
    "a slope where numbers are above": lambda b, x: b.Where(b.Greater(x, F(0)), b.Mul(x, F(0.1)), x),
    "a slope below 1": lambda b, x: b.Where(b.Greater(x, F(1)), x, b.Mul(x, F(0.1))),
    "a slope by another number": lambda b, x: b.Where(b.Greater(b.Neg(x), F(0)), x, b.Mul(x, F(0.1))),
    "log of 2 + exp": lambda b, x: b.Log(b.Add(b.Exp(x), F(2))),
}


@pytest.mark.parametrize("name", NEAR_MISSES)
def test_leaves_near_miss(name):
    b = Builder()
    x = b.input("x", 2, 8, 5, 5)
    graph = b.output(NEAR_MISSES[name](b, x))
    assert ops(rewritten(graph, recognise_activations)) == ops(graph)


@pytest.mark.parametrize("slope, shape, opset", [
    (np.ones(8, F), (2, 4, 5, 6), 16), (np.ones((1, 1, 1, 1, 1), F), (2, 4, 5, 6), 16), (np.ones(1), (2, 4), 16),
    (np.ones(8, F), (2, 4, 5, 6), 6), (np.ones((4, 1, 1), F), ("n", "c", "h", "w"), 16), (np.ones(4, F), (), 16)])
def test_keeps_a_slope_that_may_not_fit(slope, shape, opset):
    """Its operator refuses it; nobody does when it is gone."""
    b = Builder()
    graph = b.output(b.PRelu(b.input("x", *shape), slope, opset=opset))
    recognise_activations(graph)
    assert ops(graph) == ["PRelu"]


@pytest.mark.parametrize("slope, shape, opset", [
    (np.ones(1, F), (2, 4, 5, 6), 16), (np.ones((4, 1, 1), F), ("n", 4, "h", "w"), 16),
    (np.ones(4, F), ("n", 4, 5, 6), 6),
    (np.ones((), F), (), 16)])
def test_takes_a_slope_that_fits(slope, shape, opset):
    b = Builder()
    graph = b.output(b.PRelu(b.input("x", *shape), slope, opset=opset))
    recognise_activations(graph)
    assert ops(graph) == ["LeakyRelu"]


def test_constant_of_one_element_may_not_raise_the_rank():
    b = Builder()
    b.input("x")                                                # of unknown rank
    y = b.Max("x", np.zeros((1, 1, 1), F))
    unchanged(b.output(y), recognise_activations)


def test_float16_constants_are_read_with_their_rounding():
    h = np.float16
    b = Builder()
    x = b.input("x", 2, 8, dtype=h)
    y = b.Mul(b.Mul(x, b.Add(b.Erf(b.Div(x, h(2 ** 0.5))), h(1))), h(0.5))
    assert ops(rewritten(b.output(y), recognise_activations, tolerance=2e-3)) == ["Gelu"]


def test_limits_keep_the_type():
    b = Builder()
    y = b.Min(b.Relu(b.input("x", 2, 8, dtype=np.float16)), np.float16(6))
    after = rewritten(b.output(y), recognise_activations)
    assert {after.constants[name].dtype for name in after.nodes[0].inputs[1:]} == {np.dtype(np.float16)}


def test_limits_that_cross_stay_two_steps():
    b = Builder()
    y = b.Max(b.Min(b.input("x", 4, 5), F(-2)), F(1))
    assert ops(rewritten(b.output(y), recognise_activations)) == ["Clip", "Clip"]


@pytest.mark.parametrize("limit", [
    lambda b, x: b.Min(x, F(-np.inf)), lambda b, x: b.Max(x, F(np.inf)), lambda b, x: b.Clip(x, F(np.inf)),
    lambda b, x: b.Max(b.Relu(x), F(np.inf))])
def test_an_infinity_that_is_all_that_is_left_is_not_taken_for_no_limit(limit):
    b = Builder()
    graph = b.output(limit(b, b.input("x", 4, 5)))
    feeds = {"x": np.arange(20, dtype=F).reshape(4, 5) - 9}
    want, = evaluate(graph, feeds)
    recognise_activations(graph)
    np.testing.assert_array_equal(evaluate(graph, feeds)[0], want)
    assert np.isinf(want).all()
