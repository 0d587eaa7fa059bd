"""Which units are worth their noise, against all that could be chosen."""
from itertools import combinations

import numpy as np
import pytest
from networks import biases, network, node, weights

from cinfer.model import read
from cinfer.quantize.choose import PER_CONVERSION, PER_FUNCTION, Flow, converted, in_order, savings, worthwhile
from cinfer.quantize.noise import Noise
from cinfer.quantize.standard import standard
from cinfer.quantize.units import Network


def chain(length=5) -> Network:
    nodes = [node("Conv", ["x" if i == 0 else f"v{i}", f"w{i}"], [f"v{i + 1}"], f"conv{i}") for i in range(length)]
    arrays = {f"w{i}": weights(3, 3, 1, 1, seed=i) for i in range(length)}
    return Network(standard(read(network(nodes, [f"v{length}"], **arrays)), "net").graph)


def branches() -> Network:
    """A residual block; a Conv in which an island of bytes may begin or end, and one whose sums only a MatMul reads."""
    nodes = [node("Conv", ["x", "w0"], ["a"], "conv0"), node("Conv", ["a", "w1"], ["b"], "conv1"),
             node("Conv", ["b", "w2"], ["c"], "conv2"), node("Add", ["c", "a"], ["s"], "add"),
             node("PRelu", ["s", "slopes"], ["p"], "slopes"), node("Conv", ["p", "w3"], ["y"], "conv3"),
             node("Softmax", ["b"], ["z"], "soft", axis=1), node("Flatten", ["p"], ["f"], "flat"),
             node("MatMul", ["f", "m"], ["g"], "matmul"), node("Softmax", ["g"], ["h"], "soft2", axis=1)]
    arrays = {f"w{i}": weights(3, 3, 1, 1, seed=i) for i in range(4)}
    return Network(standard(read(network(nodes, ["y", "z", "h"], slopes=np.float32([.1, .2, .3]).reshape(3, 1, 1),
                                         m=weights(768, 4), **arrays)), "net").graph)


def worth(net, units, saved, noise: Noise, price, total, sizes) -> float:
    """What they save less their noise and conversions, by the definition: of each value that is made on one side and
    read on the other."""
    made = {name for unit in units for name in unit.outputs}
    read_ = {name for unit in units for name in unit.inputs}
    inner = {node for unit in units for node in unit.nodes}
    floats = {name for node in net.graph.nodes if node not in inner for name in node.inputs} | {*net.graph.outputs}
    free = {name for unit in units if unit.makes_float for name in unit.outputs}
    turned = (read_ - made) | (made & floats - free)
    values = {name for unit in units for name in (*unit.inputs, *unit.outputs)} - free
    return sum(saved[unit] / total - price * noise.weights[unit] for unit in units) \
        - price * sum(noise.values[name] for name in values) \
        - PER_CONVERSION * sum(sizes[name] for name in turned) / total


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("made", [chain, branches])
def test_nothing_else_is_worth_more(made, seed):
    net, rng = made(), np.random.default_rng(seed)
    saved = {unit: rng.uniform(10, 100) for unit in net.units}
    sizes = {name: rng.uniform(0, 2) * (seed > 1) for name in net.values()}
    noise = Noise({name: rng.exponential() for name in net.values()},
                  {unit: rng.exponential() / 4 for unit in net.units})
    total, count = sum(saved.values()), len(net.units)
    for price in (0, .01, .05, .1, .3):
        found = worthwhile(net, net.units, saved, noise, price, sizes)
        every = [list(each) for some in range(count + 1) for each in combinations(net.units, some)]
        best = max(worth(net, each, saved, noise, price, total, sizes) for each in every)
        assert worth(net, found, saved, noise, price, total, sizes) == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("operators, kept", [
    ([node("HardSigmoid", ["v1"], ["a"], alpha=1 / 6)], 1), ([node("LeakyRelu", ["v1"], ["a"])], 2),
    ([node("Relu", ["v1"], ["a"])], 2)])
def test_a_function_of_few_products_stays_in_float(operators, kept):
    """In integers it takes as long as in floats, and its sums become floats and bytes besides."""
    nodes = [node("Conv", ["x", "w0"], ["v1"], "depthwise", group=3), *operators,
             node("Conv", ["a", "w1"], ["y"], "last")]
    net = Network(standard(read(network(nodes, w0=weights(3, 1, 1, 1), w1=weights(64, 3, 1, 1))), "net").graph, True)
    sizes = {"x": 1.0, "a": 100.0, "y": 1.0}
    saved = dict(zip(net.units, [1000.0, 9000.0]))
    found = worthwhile(net, net.units, saved, Noise(), 0, sizes)
    assert len(net.units) == 2 and len(found) == kept
    assert converted(net, net.units, sizes) == 2 * PER_CONVERSION + (PER_FUNCTION * 100 if kept == 1 else 0)


@pytest.mark.parametrize("sizes, kept", [(1.0, 5), (20.0, 0)])
def test_what_saves_less_than_its_conversions_stays_in_float(sizes, kept):
    """Five layers save 250: the two ends of the island take 2 * 24 of one element."""
    net = chain()
    found = worthwhile(net, net.units, dict.fromkeys(net.units, 50.0), Noise(), 0, dict.fromkeys(net.values(), sizes))
    assert len(found) == kept


def test_conversions_are_counted_once_a_value():
    net = branches()
    unit = {each.name: each for each in net.units}
    sizes = dict(x=1, a=2, b=4, c=8, s=16, p=32, y=64, f=128, g=256)

    def of(*names):
        return converted(net, [unit[name] for name in names], sizes) / PER_CONVERSION
    assert of() == 0 and of("conv0") == 1 + 2 and of("conv0", "conv1") == 1 + 2 + 4     # a, that the sum reads; b
    assert of("conv0", "conv1", "conv2", "add") == 1 + 4 + 32           # b for the Softmax, p for all three
    assert of("matmul") == 128 and of("conv3", "flat") == 32 + 64 + 128


def test_a_higher_price_leaves_more_in_float():
    net, rng = chain(), np.random.default_rng(3)
    saved = dict(zip(net.units, rng.uniform(.1, 1, 5)))
    noise = Noise({name: rng.exponential() for name in net.values()}, dict.fromkeys(net.units, .1))
    chosen = [set(worthwhile(net, net.units, saved, noise, price, {})) for price in np.geomspace(1e-3, 1e2, 30)]
    assert all(later <= earlier for earlier, later in zip(chosen, chosen[1:]))
    assert len(chosen[0]) == 5 and not chosen[-1]


def test_a_noisy_value_in_the_middle_takes_both_its_neighbours_along():
    net = chain()
    noise = Noise({**dict.fromkeys(net.values(), 1e-6), "v3": 10.0}, dict.fromkeys(net.units, 0.0))
    found = worthwhile(net, net.units, dict.fromkeys(net.units, 1.0), noise, 1, {})
    assert [unit.name for unit in found] == ["conv0", "conv1", "conv4"]


def test_flow_finds_the_minimum_cut():
    """The example of Cormen et al., Introduction to Algorithms, figure 24.6: 23 flow."""
    net = Flow()
    for start, end, room in [("s", 1, 16), ("s", 2, 13), (2, 1, 4), (1, 3, 12), (3, 2, 9), (2, 4, 14), (4, 3, 7),
                             (3, "t", 20), (4, "t", 4)]:
        net.edge(start, end, room)
    assert net.reached_after_flow("s", "t") == {"s", 1, 2, 4}
    assert net.room["t"] == {3: 19, 4: 4}
    assert Flow().reached_after_flow("s", "t") == set()


def test_what_a_layer_saves():
    """Multiply-adds and elements, by hand."""
    nodes = [node("Conv", ["x", "w", "b"], ["c"], "conv", group=3), node("ConvTranspose", ["c", "t"], ["d"], "up",
                                                                       strides=[2, 2]),
             node("Flatten", ["d"], ["f"], "flat"), node("Gemm", ["f", "g"], ["h"], "gemm"),
             node("MatMul", ["h", "m"], ["y"], "matmul")]
    net = Network(standard(read(network(nodes, w=weights(6, 1, 3, 3), b=biases(6), t=weights(6, 2, 2, 2),
                                        g=weights(2 * 28 * 28, 5), m=weights(5, 7))), "net").graph)
    sizes = {"x": 3 * 256, "c": 6 * 14 * 14, "d": 2 * 28 * 28, "f": 2 * 28 * 28, "h": 5, "y": 7}
    found = {unit.name: cost - 16 * sum(sizes[name] for name in unit.outputs)
             for unit, cost in savings(net, sizes).items()}
    assert found == {"conv": 6 * 14 * 14 * 9, "up": 6 * 14 * 14 * 2 * 4, "flat": 0, "gemm": 2 * 28 * 28 * 5,
                     "matmul": 35}


def test_units_are_added_by_what_they_save_for_the_noise_that_is_new():
    net = chain()
    noise = Noise(dict(x=4, v1=1, v2=1, v3=1, v4=1, v5=8), dict.fromkeys(net.units, 0.0))
    saved, others = dict.fromkeys(net.units, 1.0), [*net.units[:2], *net.units[3:]]
    found = in_order(net, net.units[2:3], others, saved, noise, {})
    assert [unit.name for unit in found] == ["conv1", "conv3", "conv0", "conv4"]


def test_units_are_added_where_they_take_no_more_conversions():
    """Whatever their noise: alone, the last two would be an island of their own."""
    net = chain()
    saved, sizes = dict.fromkeys(net.units, 1.0), dict.fromkeys(net.values(), 1.0)
    noise = Noise(dict.fromkeys(net.values(), 1.0), dict(zip(net.units, [9.0, 9.0, 9.0, 1.0, 1.0])))
    assert [unit.name for unit in in_order(net, net.units[:1], net.units[1:], saved, noise, sizes)] == [
        "conv1", "conv2", "conv3", "conv4"]
