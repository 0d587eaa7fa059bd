"""Layer normalization from elementary operators."""
import numpy as np
import pytest

from cinfer.passes.recognise_layer_norm import recognise_layer_norm
from handmade import Builder, ops, rewritten, unchanged

F = np.float32
SCALE, BIAS = (np.random.default_rng(3).normal(size=(2, 8)) + 1).astype(F)


INVERSES = {"Reciprocal": lambda b, x: b.Reciprocal(b.Sqrt(x)), "Div": lambda b, x: b.Div(F(1), b.Sqrt(x)),
            "Pow": lambda b, x: b.Pow(x, F(-0.5))}


def mean_of(b, axes=(-1,), keepdims=1):
    def mean(value):
        if b.opset >= 18:
            return b.ReduceMean(value, np.array(axes), keepdims=keepdims)
        return b.ReduceMean(value, axes=list(axes), keepdims=keepdims)
    return mean


def spelled(b, x, *, axes=(-1,), keepdims=1, scale=SCALE, bias=BIAS, square="Pow", twice=False,
            inverse=None, epsilon=F(1e-5)):
    mean = mean_of(b, axes, keepdims)
    average = mean(x)
    d = b.Sub(x, average)
    e = b.Sub(x, average) if twice else d
    squares = b.Mul(e, e) if square == "Mul" else b.Pow(e, F(2))
    variance = b.Add(mean(squares), epsilon)
    y = b.Mul(d, INVERSES[inverse](b, variance)) if inverse else b.Div(d, b.Sqrt(variance))
    y = y if scale is None else b.Mul(y, scale)
    return y if bias is None else b.Add(y, bias)


READ = {
    "as torch wrote it": dict(),
    "square by Mul": dict(square="Mul"),
    "difference computed twice": dict(twice=True),
    **{f"{name} of the root": dict(inverse=name) for name in INVERSES},
    "rows of as many axes": dict(scale=SCALE.reshape(1, 1, 8), bias=BIAS.reshape(1, 8)),
    "without bias": dict(bias=None),
    "epsilon of one element": dict(epsilon=np.full((1,), 1e-6, F)),
    "axis counted from the front": dict(axes=(2,)),
}


@pytest.mark.parametrize("opset", [13, 18])
@pytest.mark.parametrize("name", READ)
def test_reads_spelling(name, opset):
    b = Builder(opset)
    graph = b.output(spelled(b, b.Neg(b.input("x", 2, 5, 8)), **READ[name]))
    after = rewritten(graph, recognise_layer_norm)
    assert ops(after) == ["Neg", "LayerNormalization"]
    assert list(after.outputs) == after.nodes[-1].outputs


@pytest.mark.parametrize("reciprocal", [False, True])
@pytest.mark.parametrize("square", ["Pow", "Mul"])
def test_reads_what_subtracts_no_mean(square, reciprocal):
    b = Builder()
    x = b.Sub(b.input("x", 2, 5, 8), F(1))
    squares = b.Mul(x, x) if square == "Mul" else b.Pow(x, F(2))
    deviation = b.Sqrt(b.Add(b.ReduceMean(squares, axes=[-1]), F(1e-5)))
    y = b.Mul(SCALE, b.Mul(x, b.Reciprocal(deviation)) if reciprocal else b.Div(x, deviation))
    after = rewritten(b.output(b.Add(y, BIAS)), recognise_layer_norm)
    assert ops(after) == ["Sub", "RMSNormalization", "Add"]


def test_leaves_alone_the_squares_of_another_value():
    b = Builder()
    x = b.input("x", 2, 5, 8)
    d = b.Sub(x, b.ReduceMean(x, axes=[-1]))
    for one, other in ((x, d), (d, x), (x, b.Neg(x))):
        deviation = b.Sqrt(b.Add(b.ReduceMean(b.Mul(other, other), axes=[-1]), F(1e-5)))
        unchanged(b.output(b.Mul(b.Div(one, deviation), SCALE)), recognise_layer_norm)


SHIFTS = {
    "tensorflow": lambda b, mean, g, bias: b.Sub(bias, b.Mul(mean, g)),
    "keras": lambda b, mean, g, bias: b.Add(b.Mul(b.Neg(mean), g), bias),
    "minus outside": lambda b, mean, g, bias: b.Add(bias, b.Neg(b.Mul(g, mean))),
}


def of_moments(b, x, shift, *, inverse="Reciprocal", scale=SCALE, bias=BIAS, other=None):
    mean = mean_of(b)
    average = mean(x)
    d = b.Sub(other or x, average)
    g = b.Mul(INVERSES[inverse](b, b.Add(mean(b.Mul(d, d)), F(1e-3))), scale)
    return b.Add(b.Mul(x, g), shift(b, average, g, bias))


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("inverse", INVERSES)
@pytest.mark.parametrize("shape", [(8,), (1, 1, 8)])
def test_reads_what_is_written_by_moments(shift, inverse, shape):
    b = Builder()
    graph = b.output(of_moments(b, b.Abs(b.input("x", 2, 5, 8)), SHIFTS[shift], inverse=inverse,
                                scale=SCALE.reshape(shape), bias=BIAS.reshape(shape)))
    assert ops(rewritten(graph, recognise_layer_norm)) == ["Abs", "LayerNormalization"]


@pytest.mark.parametrize("more", [
    dict(shift=lambda b, mean, g, bias: b.Add(bias, b.Mul(mean, g))),
    dict(shift=lambda b, mean, g, bias: b.Sub(b.Mul(mean, g), bias)),
    dict(shift=lambda b, mean, g, bias: b.Sub(bias, b.Mul(mean, b.Abs(g)))),
    dict(other="z"), dict(scale=np.ones((5, 1), F)), dict(bias=np.ones((5, 1), F)), dict(scale=F(2))])
def test_leaves_alone_what_looks_like_moments(more):
    b = Builder()
    b.input("z", 2, 5, 8)
    unchanged(b.output(of_moments(b, b.input("x", 2, 5, 8), **{"shift": SHIFTS["tensorflow"], **more})),
              recognise_layer_norm)


def test_leaves_moments_alone_when_a_value_inside_is_read_elsewhere():
    b = Builder()
    y = of_moments(b, b.input("x", 2, 5, 8), SHIFTS["keras"])
    for node in b.graph.nodes[:-1]:
        unchanged(b.output(y, node.outputs[0]), recognise_layer_norm)


LEFT_ALONE = {
    "another axis": dict(axes=(1,), scale=np.ones((1, 8), F), bias=None),
    "two axes": dict(axes=(-2, -1)),
    "no scale": dict(scale=None, bias=None),
    "scale of one element": dict(scale=np.ones(1, F)),
    "scale per row": dict(scale=np.ones((5, 1), F)),
    "epsilon per channel": dict(epsilon=np.full(8, 1e-5, F)),
}


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_leaves_alone(name):
    b = Builder()
    unchanged(b.output(spelled(b, b.input("x", 2, 5, 8), **LEFT_ALONE[name])), recognise_layer_norm)


def test_axis_from_the_front_needs_a_proved_rank():
    b = Builder()
    b.input("x")
    unchanged(b.output(spelled(b, "x", axes=(2,))), recognise_layer_norm)


def test_leaves_alone_when_a_value_inside_is_read_elsewhere():
    b = Builder()
    y = spelled(b, b.input("x", 2, 5, 8))
    for node in b.graph.nodes[:-2]:
        unchanged(b.output(y, node.outputs[0]), recognise_layer_norm)


def test_bias_stays_outside_when_the_scaled_value_is_an_output():
    b = Builder()
    y = spelled(b, b.input("x", 2, 5, 8))
    after = rewritten(b.output(y, b.graph.nodes[-2].outputs[0]), recognise_layer_norm)
    assert ops(after) == ["LayerNormalization", "Add"]
