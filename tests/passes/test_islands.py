"""What is said of operators on bytes, and of those in floats among them."""
import numpy as np

from cinfer import passes
from cinfer.passes import islands
from cinfer.passes.islands import in_float, on_bytes
from handmade import Builder
from quantised import F, S8, Y, grid, per_channel, stored, weights


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
    assert floats == [("Softmax", 1, islands.NO_KERNEL), ("Add", 1, islands.READS), ("Add", 1, islands.ANSWER),
                      ("Softmax", 1, islands.GIVES), ("Exp", 1, islands.AMONG)]


def test_what_stands_among_floats_is_said_last():
    b, y = network()
    z = b.Conv(b.Relu(b.Add(y, b.input("z", 1, 5, 6, 6))), weights(3, 5, 1, 1).astype(F))
    cast = b.Cast(b.Shape(z), to=1)
    found, floats = told(b, b.Mul(b.Exp(z), b.ReduceMean(cast)))
    assert floats == [("Add", 1, islands.READS), ("Relu", 1, islands.AMONG), ("Conv", 1, islands.LEFT),
                      ("Exp", 1, islands.AMONG), ("ReduceMean", 1, islands.AMONG), ("Mul", 1, islands.AMONG)]


def test_of_weights_alone_that_are_bytes_nothing_is_said():
    b = Builder()
    w = b.DequantizeLinear(weights(5, 4, 1, 1), *per_channel(5), axis=0)
    assert told(b, b.Relu(b.Conv(b.input("x", 1, 4, 6, 6), w))) == ({}, [])


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
    found, floats = told(b, stored(b, wide), stored(b, b.Conv(y, w), grid(0.01, 0, np.int16)),
                         stored(b, b.GlobalAveragePool(signed)), stored(b, b.Conv(b.input("f", 1, 5, 6, 6), w)))
    assert [why for _, _, why in floats] == [
        "an input is stored as uint16; only uint8 and int8 (QUInt8, QInt8) are computed as bytes",
        "its output is stored as int16; only uint8 and int8 (QUInt8, QInt8) are computed as bytes",
        "an input is stored as bytes, but not by one constant scale and zero point, which are right for activations",
        "an input is not quantised; QuantizeLinear and DequantizeLinear before it would make bytes of it"]


def test_why_products_and_slopes_stay():
    b = Builder(opset=21)
    x = stored(b, b.input("x", 4, 6))
    w = b.DequantizeLinear(np.ones((6, 5), np.int16), F(.1), np.int16(0))
    picture = stored(b, b.input("p", 1, 4, 6, 6))
    found, floats = told(b, stored(b, b.MatMul(x, w), Y),
                         stored(b, b.PRelu(picture, np.linspace(0, 1, 4, dtype=F).reshape(4, 1, 1)), Y))
    assert [(operator, why.split(";")[0]) for operator, _, why in floats] == [
        ("MatMul", "a matrix of it is stored as int16"), ("PRelu", "bytes have one slope")]


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
