"""What is said of operators on bytes, and of those in floats among them."""
import copy

import numpy as np
import pytest

from cinfer import passes
from cinfer.model.graph import Node
from cinfer.passes import islands
from cinfer.passes.islands import in_float, on_bytes
from cinfer.passes.quantized import moves
from handmade import Builder
from quantised import KINDS, F, S8, U8, Y, grid, per_channel, stored, weights


def network() -> tuple[Builder, str]:
    """A convolution of bytes, and what it gives as floats."""
    b = Builder()
    x = stored(b, b.input("x", 1, 4, 6, 6))
    w = b.DequantizeLinear(weights(5, 4, 1, 1), *per_channel(5), axis=0)
    return b, stored(b, b.Relu(b.Conv(x, w)), Y)


def told(b: Builder, *outputs: str):
    graph = b.output(*outputs)
    passes.run(graph)
    return on_bytes(graph), [(each["operator"], len(each["nodes"]), each["why"]) for each in in_float(graph)]


def test_an_island_from_end_to_end():
    b, y = network()
    assert told(b, y) == ({"QLinearConv": 1, "LookUp": 1}, [])


def test_what_nothing_quantises_and_what_has_no_kernel():
    b, y = network()
    softmax = stored(b, b.Softmax(y, axis=1))
    total = b.Add(softmax, b.input("z", 1, 5, 6, 6))
    found, floats = told(b, b.Add(y, b.input("k", 1, 5, 6, 6)), stored(b, b.Softmax(b.Exp(total), axis=1)))
    assert floats == [("Softmax", 1, islands.NO_KERNEL), ("Add", 1, islands.BESIDE), ("Add", 1, islands.ANSWER),
                      ("Softmax", 1, islands.NO_BYTES), ("Exp", 1, islands.AMONG)]


def test_what_stands_among_floats_is_said_last():
    b, y = network()
    z = b.Conv(b.Relu(b.Add(y, b.input("z", 1, 5, 6, 6))), weights(3, 5, 1, 1).astype(F))
    cast = b.Cast(b.Shape(z), to=1)
    found, floats = told(b, b.Mul(b.Exp(z), b.ReduceMean(cast)))
    assert floats == [("Add", 1, islands.BESIDE), ("Relu", 1, islands.AMONG), ("Conv", 1, islands.LEFT),
                      ("Exp", 1, islands.AMONG), ("ReduceMean", 1, islands.AMONG), ("Mul", 1, islands.ANSWER)]


def test_of_weights_alone_that_are_bytes_it_is_said_that_sums_are_of_floats():
    """And of nothing else in such a network."""
    b = Builder()
    w = b.DequantizeLinear(weights(5, 4, 1, 1), *per_channel(5), axis=0)
    y = b.Flatten(b.Relu(b.Conv(b.input("x", 1, 4, 6, 6), w)))
    y = b.MatMul(y, b.Transpose(b.DequantizeLinear(weights(12000, 180), F(.1)), perm=[1, 0]))
    y = b.Gemm(b.Exp(y), b.DequantizeLinear(weights(12000, 8), F(.1)))
    assert told(b, b.Softmax(y)) == ({}, [("Conv", 1, islands.WEIGHTS), ("MatMul", 1, islands.WEIGHTS),
                                          ("Gemm", 1, islands.WEIGHTS)])


@pytest.mark.parametrize("between", ["Abs", "Softmax", "Resize"])
def test_what_stands_before_a_quantizer_is_named(between):
    """Softmax has no kernel, whatever is beside it; sums and functions would become bytes."""
    b = Builder()
    y = b.Add(*(stored(b, b.input(name, 1, 4, 6, 6)) for name in "xz"))
    y = b.Resize(y, None, F([1, 1, 2, 2]), mode="linear") if between == "Resize" else b.node(between, y)
    found, floats = told(b, stored(b, y))
    why = {"Abs": islands.GIVES, "Softmax": islands.NO_BYTES, "Resize":
           "an input is not quantised; QuantizeLinear and DequantizeLinear before it would make bytes of it"}
    assert floats == [("Add", 1, islands.BETWEEN.format(between)), (between, 1, why[between])]


@pytest.mark.parametrize("function, why", [
    ("Div", islands.BETWEEN.format("Softmax")), ("Pow", islands.BETWEEN.format("Softmax")),
    ("PRelu by channel", islands.BETWEEN.format("Softmax")), ("Pow by channel", islands.NO_BYTES)])
def test_a_function_with_a_constant_beside_it_would_be_bytes(function, why):
    """With one for each channel only a PRelu."""
    b = Builder()
    operator, _, many = function.partition(" ")
    beside = np.linspace(.5, 2, 4, dtype=F).reshape(4, 1, 1) if many else F(2)
    y = b.Softmax(b.node(operator, stored(b, b.input("x", 1, 4, 6, 6)), beside), axis=1)
    found, floats = told(b, stored(b, y))
    assert floats == [(operator, 1, why), ("Softmax", 1, islands.NO_BYTES)]


def test_what_reads_no_floats_is_not_in_float():
    b, y = network()
    pool = b.MaxPool(b.DequantizeLinear(b.input("k", 1, 4, 6, 6, dtype=U8), *Y), kernel_shape=[2, 2])
    assert told(b, y, b.QuantizeLinear(pool, *Y), b.Not(b.input("t", 3, dtype=bool))) == (
        {"QLinearConv": 1, "LookUp": 1}, [])


def test_what_makes_the_answer_of_floats_says_so():
    b, y = network()
    y = b.Gemm(b.Flatten(y), b.DequantizeLinear(weights(180, 10), F(.1)))
    assert told(b, b.Reshape(b.Softmax(y), np.array([10])))[1] == [("Softmax", 1, islands.ANSWER)]


def test_functions_of_numbers_of_16_bits_say_so():
    b = Builder(opset=21)
    at = grid(0.01, 0, np.int16)
    x = stored(b, b.input("x", 1, 4, 6, 6), at)
    found, floats = told(b, stored(b, b.HardSwish(x), at), stored(b, b.Softmax(x, axis=1), at))
    why = "its numbers are stored as int16; uint8 and int8 are computed as bytes, of 16 bits only sums of products " \
          "by constants are of integers"
    assert (found, floats) == ({}, [("HardSwish", 1, why), ("Softmax", 1, why)])


def test_why_a_convolution_stays():
    b, y = network()
    reasons = {}
    for name, w in (("run", b.input("w", 3, 5, 1, 1)), ("axis", b.DequantizeLinear(
            weights(5, 5, 1, 1), *per_channel(5), axis=1))):
        reasons[name] = stored(b, b.Conv(y, w))
    found, floats = told(b, *reasons.values())
    assert [why for _, _, why in floats] == [
        "its weights are not quantised; as bytes, with a scale for each output channel, they would be",
        "its weights have scales along another axis than the output channels (axis 0 is right)"]


def test_nothing_is_said_of_a_network_of_floats():
    b = Builder()
    assert told(b, b.Relu(b.input("x", 3))) == ({}, [])


def test_why_numbers_are_no_bytes():
    b, y = network()
    b.opset = 21
    w = b.DequantizeLinear(weights(5, 5, 1, 1), *per_channel(5), axis=0)
    signed = b.DequantizeLinear(b.input("k", 1, 5, 6, 6, dtype=S8), *per_channel(5), axis=1)
    wide = b.Add(stored(b, y, grid(0.01, 0, np.uint16)), stored(b, b.input("z", 1, 5, 6, 6)))
    found, floats = told(b, stored(b, wide), stored(b, b.GlobalAveragePool(y), grid(0.01, 0, np.int16)),
                         stored(b, b.GlobalAveragePool(signed)), stored(b, b.Conv(b.input("f", 1, 5, 6, 6), w)))
    assert [why for _, _, why in floats] == [
        "an input is stored as uint16; only uint8 and int8 (QUInt8, QInt8) are computed as bytes",
        "its output is stored as int16; only uint8 and int8 (QUInt8, QInt8) are computed as bytes",
        "an input is stored as bytes, but not by one constant scale and zero point, which are right for activations",
        "an input is not quantised; QuantizeLinear and DequantizeLinear before it would make bytes of it"]


def test_why_products_stay():
    b = Builder(opset=21)
    x = stored(b, b.input("x", 4, 6))
    w = b.DequantizeLinear(np.ones((6, 5), np.int16), F(.1), np.int16(0))
    found, floats = told(b, stored(b, b.MatMul(x, w), Y))
    assert [(operator, why.split(";")[0]) for operator, _, why in floats] == [
        ("MatMul", "a matrix of it is stored as int16")]


SLOPES = {                      # -> what PRelu of stored numbers reads beside them
    "of the run": lambda b: b.input("s", 4, 1, 1), "of the run, stored": lambda b: stored(b, b.input("s", 4, 1, 1)),
    "of pixels": lambda b: np.linspace(0, 1, 6, dtype=F), "of all numbers": lambda b: weights(4, 6, 6).astype(F),
    "infinite": lambda b: np.array([0, 1, np.inf, 0], F).reshape(4, 1, 1)}


@pytest.mark.parametrize("behind", ["", "Add", "Conv"])
@pytest.mark.parametrize("name", SLOPES)
def test_why_slopes_stay(name, behind):
    """Before QuantizeLinear or not, where no advice would help; a sum before them stays for the same reason."""
    b = Builder()
    x = stored(b, b.input("x", 1, 4, 6, 6))
    if behind == "Add":
        x = b.Add(x, stored(b, b.input("z", 1, 4, 6, 6)))
    elif behind == "Conv":
        x = b.Conv(x, b.DequantizeLinear(weights(4, 4, 1, 1), *per_channel(4), axis=0))
    y = b.PRelu(x, SLOPES[name](b))
    found, floats = told(b, stored(b, y, Y))
    wanted = [(operator, 1, islands.NO_SLOPES) for operator in filter(None, (behind, "PRelu")) if operator != "Conv"]
    assert floats == wanted if behind != "Conv" else found == {"ScaledConvInteger": 1}


@pytest.mark.parametrize("name", SLOPES)
def test_why_slopes_stay_whose_numbers_are_not_stored(name):
    b = Builder()
    y = b.PRelu(stored(b, b.input("x", 1, 4, 6, 6)), SLOPES[name](b))
    assert told(b, b.Exp(y))[1][0] == ("PRelu", 1, islands.NO_SLOPES)


@pytest.mark.parametrize("shape", [(4, 1, 1), (1, 4, 1, 1), (1,), (1, 1, 1, 1)], ids=str)
@pytest.mark.parametrize("behind", ["", "Add", "Sub"])
def test_slopes_of_bytes_are_of_bytes(shape, behind):
    b = Builder()
    x, z = (stored(b, b.input(name, 1, 4, 6, 6)) for name in "xz")
    x = b.node(behind, z, x) if behind else x
    found, floats = told(b, stored(b, b.PRelu(x, np.resize(np.array([.1, -2, 0, 3], F), shape)), Y))
    assert (found, floats) == ({"QLinearAdd": 1} if behind or 4 in shape else {"LookUp": 1}, [])


def test_products_of_16_bits():
    """Those whose sums int32 holds are counted; of the others it is said, as of what is between them."""
    b, at = Builder(opset=21), grid(0.01, 0, np.uint16)
    x = stored(b, b.input("x", 1, 4, 6, 6), at)
    y = stored(b, b.Conv(x, b.DequantizeLinear(weights(5, 4, 1, 1), *per_channel(5), axis=0)), at)
    w = b.DequantizeLinear(np.full((5, 600, 1, 1), 100, S8), F(.1), S8(0))
    z = stored(b, b.Conv(stored(b, b.input("z", 1, 600, 6, 6), at), w), at)
    found, floats = told(b, stored(b, b.Add(y, z), at))
    assert found == {"GridConv": 1}
    assert [(operator, count) for operator, count, _ in floats] == [("Conv", 1), ("Add", 1)]
    assert floats[0][2].startswith("int32 does not hold sums") and "uint16" in floats[1][2]


SEEDS = 40
STEPS_OF_FLOATS = ("QuantizeLinear", "DequantizeLinear", "QuantizeDequantize")


def anything(seed: int) -> Builder:
    """A random network: after each operator its numbers may be rounded to uint8 or int8."""
    rng, b, made = np.random.default_rng(seed), Builder(), []

    def rounded(x: str) -> str:
        return stored(b, x, [Y, grid(.25, -3, S8)][rng.integers(2)]) if rng.random() < .6 else x
    values = [rounded(b.input(name, 1, 4, 6, 6)) for name in "xz"]
    for _ in range(rng.integers(1, 6)):
        x, z = rng.choice(values, 2)
        values.append(rounded(KINDS[rng.choice(list(KINDS))](b, str(x), str(z))))
    for i, node in enumerate(b.graph.nodes):
        node.name = f"n{i}"
    b.output(*dict.fromkeys(values[-1 - rng.integers(2):]))
    return b


def floats_of(graph) -> set[str]:
    """Names of what computes float32, but for what moves numbers or rounds them."""
    return {node.name for node in graph.nodes if node.op_type not in STEPS_OF_FLOATS and not moves(node)
            and not node.op_type.startswith(("QLinear", "QGemm", "LookUp", "Scaled"))
            and not islands.ends_sums(node, graph, graph.producers())
            and not islands.gives_bytes(node.outputs[0], graph, graph.producers())}


def beside_bytes(graph) -> set[str]:
    """Names of what reads floats that were bytes, or makes such that become bytes."""
    borders = [node for node in graph.nodes if node.op_type in STEPS_OF_FLOATS]
    numbers = {name for node in borders for name in (node.inputs[0], node.outputs[0])}
    return {node.name for node in graph.nodes if numbers.intersection(node.inputs + node.outputs)}


@pytest.mark.parametrize("part", range(8))
def test_what_of_a_quantised_network_is_in_float_has_a_reason(part):
    """Each node of one that has bytes; and whoever does what the reason says has it in bytes."""
    advised = 0
    for seed in range(SEEDS * part, SEEDS * part + SEEDS):
        graph = anything(seed).graph
        after = copy.deepcopy(graph)
        passes.run(after)
        rows = {name: group for group in in_float(after) for name in group["nodes"]}
        floats = floats_of(after)
        if not on_bytes(after) and {group["why"] for group in rows.values()} <= {islands.WEIGHTS}:
            assert floats & beside_bytes(after) <= set(rows) <= floats, f"seed {seed}"      # a network of floats
        else:
            assert floats == set(rows), f"seed {seed}"
        for name, group in rows.items():
            if group["why"] in ADVICE or "right behind it make it bytes" in group["why"]:
                advised += 1
                heeded = copy.deepcopy(graph)
                heed(heeded, name)
                passes.run(heeded)
                assert name not in floats_of(heeded), f"seed {seed}: {name}, {group}"
    assert advised > 5


ADVICE = (islands.READS, islands.GIVES, islands.BESIDE, islands.NOT_ALL)


def heed(graph, name: str) -> None:
    """Put QuantizeLinear and DequantizeLinear before and behind a node."""
    node = next(node for node in graph.nodes if node.name == name)
    at = graph.nodes.index(node)
    for like, value in (("scale", F(.25)), ("zero", U8(100))):
        graph.constants[like] = np.asarray(value)

    def pair(x: str, y: str, where: int) -> None:
        how = dict(opset=17, name=f"{y} rounded")
        graph.nodes[where:where] = [Node("QuantizeLinear", [x, "scale", "zero"], [f"{y}8"], **how),
                                    Node("DequantizeLinear", [f"{y}8", "scale", "zero"], [y], **how)]
    (out,) = node.outputs
    node.outputs[0] = f"{out} before"
    pair(node.outputs[0], out, at + 1)
    for i, x in enumerate(node.inputs):
        if x and x not in graph.constants and not any(
                other.op_type == "DequantizeLinear" and x in other.outputs for other in graph.nodes):
            node.inputs[i] = f"{x} of {name} {i}"
            pair(x, node.inputs[i], at)
