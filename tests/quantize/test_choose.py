"""Which units are worth their noise, against all that could be chosen."""
from itertools import combinations

import numpy as np
import pytest
from networks import biases, network, node, weights

from cinfer.model import read
from cinfer.quantize.choose import Flow, in_order, savings, worthwhile
from cinfer.quantize.noise import Noise
from cinfer.quantize.standard import standard
from cinfer.quantize.units import Network


def chain(length=5) -> Network:
    nodes = [node("Conv", ["x" if i == 0 else f"v{i}", f"w{i}"], [f"v{i + 1}"], f"conv{i}") for i in range(length)]
    arrays = {f"w{i}": weights(3, 3, 1, 1, seed=i) for i in range(length)}
    return Network(standard(read(network(nodes, [f"v{length}"], **arrays)), "net").graph)


def worth(units, saved, noise: Noise, price, total) -> float:
    values = {name for unit in units for name in (*unit.inputs, *unit.outputs)}
    return sum(saved[unit] / total - price * noise.weights[unit] for unit in units) \
        - price * sum(noise.values[name] for name in values)


@pytest.mark.parametrize("seed", range(12))
def test_nothing_else_is_worth_more(seed):
    net, rng = chain(), np.random.default_rng(seed)
    saved = dict(zip(net.units, rng.uniform(.1, 1, 5)))
    noise = Noise({name: rng.exponential() for name in net.values()},
                  {unit: rng.exponential() / 4 for unit in net.units})
    for price in (.01, .05, .1, .3, 1):
        found = worthwhile(net, net.units, saved, noise, price)
        every = [list(each) for count in range(6) for each in combinations(net.units, count)]
        total = sum(saved.values())
        best = max(worth(each, saved, noise, price, total) for each in every)
        assert worth(found, saved, noise, price, total) == pytest.approx(best, abs=1e-9)


def test_a_higher_price_leaves_more_in_float():
    net, rng = chain(), np.random.default_rng(3)
    saved = dict(zip(net.units, rng.uniform(.1, 1, 5)))
    noise = Noise({name: rng.exponential() for name in net.values()}, dict.fromkeys(net.units, .1))
    chosen = [set(worthwhile(net, net.units, saved, noise, price)) for price in np.geomspace(1e-3, 1e2, 30)]
    assert all(later <= earlier for earlier, later in zip(chosen, chosen[1:]))
    assert len(chosen[0]) == 5 and not chosen[-1]


def test_a_noisy_value_in_the_middle_takes_both_its_neighbours_along():
    net = chain()
    noise = Noise({**dict.fromkeys(net.values(), 1e-6), "v3": 10.0}, dict.fromkeys(net.units, 0.0))
    found = worthwhile(net, net.units, dict.fromkeys(net.units, 1.0), noise, 1)
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
    found = in_order(net.units[2:3], [*net.units[:2], *net.units[3:]], dict.fromkeys(net.units, 1.0), noise)
    assert [unit.name for unit in found] == ["conv1", "conv3", "conv0", "conv4"]
