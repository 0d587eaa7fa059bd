"""Other weights, the same network."""
import dataclasses

import numpy as np
import pytest
from networks import biases, network, node, pictures, residual, weights

import cinfer
from cinfer.model import read
from cinfer.model.writer import encoded
from cinfer.quantize import observe
from cinfer.quantize.correct import corrected
from cinfer.quantize.equalise import equalised, pairs
from cinfer.quantize.insert import scales
from cinfer.quantize.standard import standard
from cinfer.quantize.trial import Trial
from cinfer.quantize.units import Network
from cinfer.quantize.weights import GRIDS, lost


def observed(content: bytes, shape=(1, 3, 16, 16)):
    model = standard(read(content), "net")
    net = Network(model.graph)
    return model, net, observe.observe(model, net, pictures(4, shape), Trial)


def uneven(group: int, after: str = "Relu") -> bytes:
    """Two layers of 12 channels between which channels differ by a factor of up to 300."""
    first = weights(12, 3, 3, 3) * np.geomspace(.1, 30, 12, dtype=np.float32)[:, None, None, None]
    second = weights(12, 12 // group, 3, 3, seed=5)
    nodes = [node("Conv", ["x", "w", "b"], ["c"], "first", pads=[1] * 4), node(after, ["c"], ["r"], "after"),
             node("Conv", ["r", "v", "d"], ["y"], "second", group=group)]
    return network(nodes, w=first, b=biases(12), v=second, d=biases(12))


@pytest.mark.parametrize("share", [0, .3, 1])
@pytest.mark.parametrize("group", [1, 3, 12])
@pytest.mark.parametrize("after", ["Relu", "LeakyRelu"])
def test_the_network_computes_the_same(group, share, after):
    model, net, seen = observed(uneven(group, after))
    graph = equalised(net, seen, share)
    assert net.graph.constants["w"] is model.graph.constants["w"]           # the other one is as it was
    for each in pictures(3):
        want = cinfer.load(encoded(model)).run(None, each)[0]
        got = cinfer.load(encoded(dataclasses.replace(model, graph=graph))).run(None, each)[0]
        assert np.abs(got - want).max() < 1e-5 * np.abs(want).max()
        assert graph.constants["w"].dtype == graph.constants["v"].dtype == np.float32


def test_a_depthwise_layer_behind_makes_all_channels_alike():
    model, net, seen = observed(uneven(12))
    graph = equalised(net, seen, .3)
    peaks = observe.observe(dataclasses.replace(model, graph=graph), Network(graph), pictures(4), Trial).peaks["r"]
    assert seen.peaks["r"].max() > 50 * seen.peaks["r"].min() and peaks.max() < 1.0001 * peaks.min()


def test_pairs_are_layers_between_which_nobody_reads():
    net = observed(residual())[1]
    # SiLU and Clip do not let a factor through, the residual reads beside the layer
    assert [(first.name, second.name) for first, second in pairs(net)] == []
    nodes = [node("Conv", ["x", "w"], ["c"], "first"), node("Relu", ["c"], ["r"], "relu"),
             node("MaxPool", ["r"], ["m"], "pool", kernel_shape=[2, 2]), node("Conv", ["m", "v"], ["d"], "second"),
             node("Conv", ["d", "u"], ["y"], "third"), node("Neg", ["y"], ["z"], "neg")]
    net = observed(network(nodes, ["z", "y"], w=weights(4, 3, 1, 1), v=weights(4, 4, 1, 1), u=weights(4, 4, 1, 1)))[1]
    assert [(first.name, second.name) for first, second in pairs(net)] == [("first", "second"), ("second", "third")]


def test_weights_of_two_layers_are_left_alone():
    nodes = [node("Conv", ["x", "w"], ["c"], "first"), node("Conv", ["c", "v"], ["d"], "second"),
             node("Conv", ["d", "v"], ["y"], "third")]
    model, net, seen = observed(network(nodes, w=weights(4, 3, 1, 1), v=weights(4, 4, 1, 1)))
    assert equalised(net, seen, .5) is None


def test_channels_are_those_of_the_convolution_where_a_product_of_rows_reads_the_same_value():
    nodes = [node("Conv", ["x", "w"], ["c"], "first"), node("Conv", ["c", "v", "b"], ["y"], "second"),
             node("MatMul", ["c", "m"], ["z"], "rows")]
    model, net, seen = observed(network(nodes, ["y", "z"], (1, 3, 12, 7), w=weights(4, 3, 1, 1), v=weights(5, 4, 1, 1),
                                        b=biases(5), m=weights(7, 6)), (1, 3, 12, 7))
    assert seen.means["c"].shape == seen.peaks["c"].shape == (4,)
    assert corrected(net, net.units, scales(net, net.units, seen.ranges("min-max"), np.dtype(np.uint8)), seen,
                     GRIDS["s8"])["b"].shape == (5,)


@pytest.mark.parametrize("kind", ["Conv", "grouped", "ConvTranspose", "Gemm"])
def test_biases_take_back_what_rounded_weights_shift(kind):
    """The mean of the float layer's outputs is that of the layer with rounded weights and the other bias."""
    middle = {"Conv": node("Conv", ["a", "w", "b"], ["y"], "middle"),
              "grouped": node("Conv", ["a", "w", "b"], ["y"], "middle", group=4),
              "ConvTranspose": node("ConvTranspose", ["a", "w", "b"], ["y"], "middle", strides=[2, 2]),
              "Gemm": node("Gemm", ["a", "w", "b"], ["y"], "middle", transB=1)}[kind]
    nodes = [node("Conv", ["x", "first"], ["c"], "first"), node("Relu", ["c"], ["r"], "relu")]
    nodes += [node("GlobalAveragePool", ["r"], ["p"], "pool"), node("Flatten", ["p"], ["a"], "flat")] \
        if kind == "Gemm" else [node("Identity", ["r"], ["a"])]
    shape = {"Conv": (8, 8, 1, 1), "grouped": (8, 2, 1, 1), "ConvTranspose": (8, 8, 2, 2), "Gemm": (8, 8)}[kind]
    content = network([*nodes, middle], w=np.sign(weights(*shape)) * (np.abs(weights(*shape)) + .1), b=biases(8),
                      first=weights(8, 3, 1, 1, seed=9))
    model, net, seen = observed(content)
    found = scales(net, net.units, seen.ranges("min-max"), np.dtype(np.uint8))
    coarse = dataclasses.replace(GRIDS["s8"], most=3)
    unit = next(unit for unit in net.layers if unit.name == "middle")
    w, b = model.graph.constants["w"], model.graph.constants["b"]
    away = lost(unit.node, w, b, found[unit.inputs[0]].step, coarse)
    other = corrected(net, net.units, found, seen, coarse)["b"]

    def means(**constants):
        graph = dataclasses.replace(model.graph, constants=model.graph.constants | constants)
        session = cinfer.load(encoded(dataclasses.replace(model, graph=graph)))
        answers = [session.run(None, each)[0] for each in pictures(4)]
        return np.mean([a.reshape(a.shape[1], -1).mean(1) for a in answers], axis=0)
    rounded = (w - away).astype(np.float32)
    before, plain, mended = means(), means(w=rounded), means(w=rounded, b=other)
    assert np.abs(plain - before).max() > 1e-2
    assert np.abs(mended - before).max() < 1e-5 * np.abs(before).max()
