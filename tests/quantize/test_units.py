"""What a network is divided into, and what stays in integers when something is left in float."""
import numpy as np
import pytest
from networks import biases, detector, network, node, residual, weights

from cinfer.model import read
from cinfer.quantize.standard import standard
from cinfer.quantize.units import Network


def network_of(content: bytes) -> Network:
    return Network(standard(read(content), "net").graph)


def named(net: Network, *names: str):
    return [unit for unit in net.units if unit.name in names]


def test_layers_take_their_limits_and_chains_of_one_number_are_tables():
    net = network_of(residual())
    kinds = {unit.name: (unit.kind, [each.op_type for each in unit.nodes]) for unit in net.units}
    assert kinds["stem"] == ("layer", ["Conv"]) and kinds["depthwise"] == ("layer", ["Conv", "Clip"])
    assert kinds["stem/Sigmoid"] == ("table", ["Sigmoid", "Mul"]) and kinds["gate"] == ("table", ["HardSigmoid"])
    assert kinds["residual"] == ("join", ["Add", "Relu"]) and kinds["gated"] == ("join", ["Mul"])
    assert kinds["pool"][0] == kinds["flat"][0] == "move"
    assert [unit.name for unit in net.layers if unit.is_last] == ["classifier"]


def activated(*operators, **more) -> bytes:
    nodes = [node("Conv", ["x", "w"], ["c"], "conv"), *operators, node("Conv", ["a", "v"], ["y"], "last")]
    return network(nodes, w=weights(8, 3, 1, 1), v=weights(8, 8, 1, 1, seed=2), **more)


SLOPES = np.linspace(-.1, .4, 8, dtype=np.float32)
SLOPED = {"LeakyRelu": activated(node("LeakyRelu", ["c"], ["a"], alpha=.1)),
          "PRelu": activated(node("PRelu", ["c", "s"], ["a"]), s=SLOPES.reshape(8, 1, 1)),
          "one": activated(node("PRelu", ["c", "s"], ["a"]), s=np.float32([.25])),
          "Max": activated(node("Mul", ["c", "s"], ["d"]), node("Max", ["c", "d"], ["a"]), s=np.float32(.25))}
FUNCTIONS = {"SiLU": activated(node("Sigmoid", ["c"], ["s"]), node("Mul", ["c", "s"], ["a"])),
             "HardSwish": activated(node("HardSigmoid", ["c"], ["h"], alpha=1 / 6), node("Mul", ["c", "h"], ["a"])),
             "Sigmoid": activated(node("Sigmoid", ["c"], ["a"]))}


@pytest.mark.parametrize("name", [*SLOPED, *FUNCTIONS])
@pytest.mark.parametrize("activates", [False, True])
def test_activations_that_go_to_sums_are_part_of_the_layer(name, activates):
    net = Network(standard(read((SLOPED | FUNCTIONS)[name]), "net").graph, activates)
    kinds = [unit.kind for unit in net.units]
    assert kinds == (["layer", "layer"] if name in SLOPED or activates else ["layer", "table", "layer"])
    assert net.units[0].inputs == ("x",) and net.units[-1].inputs == ("a",)


@pytest.mark.parametrize("content", [
    activated(node("PRelu", ["c", "s"], ["a"]), s=np.linspace(0, 1, 16, dtype=np.float32)),
    activated(node("Abs", ["c"], ["a"])),
    activated(node("LeakyRelu", ["c"], ["l"]), node("Abs", ["l"], ["a"]))])
def test_what_kernels_cannot_do_to_sums_is_no_part_of_the_layer(content):
    net = Network(standard(read(content), "net").graph, True)
    assert [each.op_type for each in net.units[0].nodes] == ["Conv"]


def added(*operators, op_type="Add", **more) -> bytes:
    """A sum, what is behind it up to `a`, and a layer that reads that."""
    nodes = [node("Conv", ["x", "w"], ["c"], "conv"), node("Conv", ["c", "u"], ["d"], "other"),
             node(op_type, ["c", "d"], ["e"], "sum"), *operators, node("Conv", ["a", "v"], ["y"], "last")]
    return network(nodes, w=weights(8, 3, 1, 1), u=weights(8, 8, 1, 1, seed=3), v=weights(8, 8, 1, 1, seed=2), **more)


BEHIND_SUMS = {"LeakyRelu": (node("LeakyRelu", ["e"], ["a"], alpha=.1),),
               "PRelu": (node("PRelu", ["e", "s"], ["a"], "slopes"),),
               "Max": (node("Mul", ["e", "quarter"], ["f"]), node("Max", ["e", "f"], ["a"]))}
CONSTANTS = {"s": SLOPES.reshape(8, 1, 1), "quarter": np.float32(.25)}


@pytest.mark.parametrize("op_type", ["Add", "Sub"])
@pytest.mark.parametrize("name", BEHIND_SUMS)
def test_slopes_behind_sums_are_part_of_them(op_type, name):
    """They were a PRelu in floats between two conversions, and the sum with it."""
    net = network_of(added(*BEHIND_SUMS[name], op_type=op_type, **CONSTANTS))
    assert [unit.kind for unit in net.units] == ["layer", "layer", "join", "layer"]
    assert net.units[2].inputs == ("c", "d") and net.units[2].outputs == ("a",) and net.units[2].has_slopes
    assert net.in_integers([]) == net.units


@pytest.mark.parametrize("operators, op_type, kinds", [
    (BEHIND_SUMS["PRelu"], "Mul", ["join", "join"]),                            # no kernel has slopes behind products
    ((node("Sigmoid", ["e"], ["a"]),), "Add", ["join", "table"]),
    ((node("PRelu", ["e", "one"], ["a"]),), "Mul", ["join", "table"]),
    ((node("PRelu", ["e", "by_pixel"], ["a"]),), "Add", ["join"]),
    ((node("PRelu", ["e", "endless"], ["a"]),), "Add", ["join"]),
    ((node("LeakyRelu", ["e"], ["a"], alpha=float("inf")),), "Add", ["join", "table"]),
    ((node("Relu", ["e"], ["a"]),), "Add", ["join"]),
    ((node("PRelu", ["e", "s"], ["p"]), node("Add", ["p", "e"], ["a"])), "Add", ["join", "join", "join"])])
def test_what_is_behind_sums_otherwise(operators, op_type, kinds):
    endless = np.where(np.arange(8) < 4, np.inf, .1).astype(np.float32).reshape(8, 1, 1)
    by_pixel = np.linspace(0, .3, 256, dtype=np.float32).reshape(1, 16, 16)
    net = network_of(added(*operators, op_type=op_type, **CONSTANTS, one=np.float32([.1]), by_pixel=by_pixel,
                           endless=endless))
    assert [unit.kind for unit in net.units[2:-1]] == kinds
    assert not net.units[2].has_slopes


def test_a_prelu_by_channels_is_bytes_wherever_it_stands():
    nodes = [node("Conv", ["x", "w"], ["c"], "conv"), node("MaxPool", ["c"], ["p"], "pool", kernel_shape=[2, 2]),
             node("PRelu", ["p", "s"], ["a"], "slopes"), node("Conv", ["a", "v"], ["y"], "last")]
    net = network_of(network(nodes, w=weights(8, 3, 1, 1), v=weights(8, 8, 1, 1, seed=2), s=SLOPES.reshape(8, 1, 1)))
    assert [unit.kind for unit in net.in_integers([])] == ["layer", "move", "join", "layer"]
    assert net.units[2].inputs == ("p",) and "s" not in net.values()


def test_who_sees_a_value_beside_units():
    nodes = [node("Conv", ["x", "w"], ["c"], "conv"), node("Softmax", ["c"], ["s"], "soft", axis=1),
             node("Relu", ["c"], ["r"], "relu"), node("Conv", ["r", "v"], ["y"], "last")]
    net = network_of(network(nodes, ["y", "s"], w=weights(8, 3, 1, 1), v=weights(8, 8, 1, 1, seed=2)))
    assert [net.leaves(name) for name in ("x", "c", "r", "y")] == [False, True, False, True]


def test_sums_that_others_read_become_bytes_themselves():
    nodes = [node("Conv", ["x", "w"], ["c"], "conv"), node("LeakyRelu", ["c"], ["a"]), node("Add", ["a", "c"], ["s"]),
             node("Conv", ["s", "v"], ["y"], "last")]
    net = network_of(network(nodes, w=weights(8, 3, 1, 1), v=weights(8, 8, 1, 1, seed=2)))
    assert net.units[0].outputs == ("c",)


def test_an_island_is_whole_when_nothing_is_left():
    net = network_of(residual())
    assert net.in_integers([]) == net.units


@pytest.mark.parametrize("left, apart", [
    (["classifier"], {"mean", "flat"}), (["head", "classifier"], {"pool", "both", "mean", "flat", "residual"}),
    (["excite"], set())])
def test_what_has_no_neighbour_in_integers_leaves_too(left, apart):
    net = network_of(residual())
    inside = net.in_integers(named(net, *left))
    outside = {unit.name for unit in net.units if unit not in inside}
    assert outside >= {*left, *apart} and "depthwise" not in outside


def test_heads_are_last_and_what_is_behind_them_is_float():
    net = network_of(detector())
    last = [unit for unit in net.layers if unit.is_last]
    assert {unit.name for unit in last} == {"box", "class"}
    assert {unit.name for unit in net.in_integers(last)} == {"stem", "body"}


def test_what_reads_a_softmax_only_is_apart():
    nodes = [node("Conv", ["x", "w", "b"], ["c"], "conv"), node("Softmax", ["c"], ["s"], "soft", axis=1),
             node("Conv", ["s", "v"], ["y"], "mean of bins")]
    net = network_of(network(nodes, w=weights(8, 3, 1, 1), b=biases(8), v=weights(1, 8, 1, 1)))
    assert [(unit.is_last, unit.is_apart) for unit in net.layers] == [(True, False), (True, True)]


def test_a_table_gives_one_value():
    """Both the sigmoid and the product are read by others: then they are two."""
    nodes = [node("Conv", ["x", "w"], ["c"], "conv"), node("Sigmoid", ["c"], ["s"], "sigmoid"),
             node("Mul", ["c", "s"], ["m"], "mul"), node("Conv", ["m", "v"], ["d"], "second"),
             node("Mul", ["d", "s"], ["y"], "gate")]
    net = network_of(network(nodes, w=weights(8, 3, 1, 1), v=weights(8, 8, 1, 1, seed=2)))
    assert {unit.name: [each.op_type for each in unit.nodes] for unit in net.units if unit.kind == "table"} == {
        "sigmoid": ["Sigmoid"]}


def test_integers_and_products_of_two_values_are_no_units():
    nodes = [node("Conv", ["x", "w"], ["c"], "conv"), node("Shape", ["c"], ["n"], "shape"),
             node("Add", ["n", "n"], ["n2"], "sizes"), node("Cast", ["n2"], ["f"], "cast", to=1),
             node("Transpose", ["c"], ["t"], "turned", perm=[0, 1, 3, 2]), node("MatMul", ["c", "t"], ["y"], "product")]
    net = network_of(network(nodes, ["y", "f"], w=weights(8, 3, 1, 1)))
    assert {unit.name for unit in net.units} == {"conv", "turned"}


def test_constants_are_added_as_bytes_too():
    nodes = [node("Conv", ["x", "w"], ["c"], "conv"), node("Add", ["c", "k"], ["d"], "add"),
             node("Conv", ["d", "v"], ["y"], "second")]
    picture = np.random.default_rng(1).normal(size=(1, 8, 16, 16)).astype(np.float32)
    net = network_of(network(nodes, w=weights(8, 3, 1, 1), v=weights(4, 8, 1, 1), k=picture))
    add, = named(net, "add")
    assert add.inputs == ("c", "k") and "k" not in net.values()
