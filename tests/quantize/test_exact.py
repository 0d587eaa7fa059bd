"""Scales with which engines of other orders give the same bytes: onnxruntime optimised, in integers, and node by node,
in floats."""
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from networks import biases, network, node, pictures, residual, sloped, weights
from random_networks import session, severed

import cinfer
from cinfer.model import read
from cinfer.model.writer import encoded
from cinfer.quantize import exact
from cinfer.quantize.insert import quantised, scales
from cinfer.quantize.observe import Function, observe
from cinfer.quantize.quantizer import quantize
from cinfer.quantize.ranges import Scale
from cinfer.quantize.standard import standard
from cinfer.quantize.trial import Trial
from cinfer.quantize.units import Network
from cinfer.quantize.weights import GRIDS, rounded, steps

U8 = np.dtype(np.uint8)
SHAPE = (1, 3, 40, 40)
LEVELS = onnxruntime.GraphOptimizationLevel


def sums(seed: int) -> bytes:
    """A chain of residual blocks with SiLU, in which everything is added to something."""
    nodes = [node("Conv", ["x", "w0", "b0"], ["v0"], "stem", pads=[1] * 4)]
    arrays = dict(w0=weights(16, 3, 3, 3, seed=seed), b0=biases(16))
    for i in range(4):
        arrays |= {f"w{i + 1}": weights(16, 16, 1, 1, seed=seed + i + 1), f"b{i + 1}": biases(16)}
        nodes += [node("Sigmoid", [f"v{i}"], [f"s{i}"]), node("Mul", [f"v{i}", f"s{i}"], [f"a{i}"], f"silu{i}"),
                  node("Conv", [f"a{i}", f"w{i + 1}", f"b{i + 1}"], [f"c{i}"], f"conv{i}"),
                  node("Add", [f"c{i}", f"a{i}"], [f"v{i + 1}"], f"sum{i}")]
    nodes += [node("Conv", ["v4", "w9"], ["y"], "last"), node("GlobalAveragePool", ["y"], ["z"], "mean")]
    return network(nodes, ["z"], SHAPE, **arrays, w9=weights(8, 16, 1, 1))


def gates(seed: int) -> bytes:
    """Blocks that multiply channels by what was found of their means."""
    nodes, arrays = [node("Conv", ["x", "w0", "b0"], ["v0"], "stem", pads=[1] * 4)], {}
    arrays |= dict(w0=weights(16, 3, 3, 3, seed=seed), b0=biases(16))
    for i in range(4):
        arrays |= {f"w{i + 1}": weights(16, 16, 1, 1, seed=seed + i + 1),
                   f"u{i}": 3 * weights(16, 16, 1, 1, seed=seed + i)}
        nodes += [node("MaxPool", [f"v{i}"], [f"m{i}"], kernel_shape=[2, 2]),
                  node("Conv", [f"m{i}", f"u{i}"], [f"e{i}"], f"excite{i}"),
                  node("Sigmoid", [f"e{i}"], [f"h{i}"], f"gate{i}"),
                  node("Mul", [f"m{i}", f"h{i}"], [f"g{i}"], f"gated{i}"),
                  node("Conv", [f"g{i}", f"w{i + 1}"], [f"v{i + 1}"], f"project{i}")]
    nodes += [node("Conv", ["v4", "w9"], ["y"], "last"), node("GlobalAveragePool", ["y"], ["z"], "mean")]
    return network(nodes, ["z"], SHAPE, **arrays, w9=weights(8, 16, 1, 1))


def slopes(seed: int) -> bytes:
    """Convolutions of all kinds with a LeakyRelu or PRelu behind them, which other engines compute in floats."""
    slope = np.random.default_rng(seed).uniform(-.2, .5, (16, 1, 1)).astype(np.float32)
    nodes = [node("Conv", ["x", "w0", "b0"], ["c0"], "stem", pads=[1] * 4), node("LeakyRelu", ["c0"], ["a0"], alpha=.1),
             node("Conv", ["a0", "w1", "b1"], ["c1"], "depthwise", pads=[1] * 4, group=16),
             node("PRelu", ["c1", "s"], ["a1"], "slopes"),
             node("ConvTranspose", ["a1", "w2", "b2"], ["c2"], "larger", strides=[2, 2]),
             node("LeakyRelu", ["c2"], ["a2"], alpha=.3), node("Conv", ["a2", "w3", "b3"], ["c3"], "conv"),
             node("PRelu", ["c3", "one"], ["a3"]), node("Conv", ["a3", "w9"], ["y"], "last"),
             node("GlobalAveragePool", ["y"], ["z"], "mean")]
    return network(nodes, ["z"], SHAPE, w0=weights(16, 3, 3, 3, seed=seed), w1=weights(16, 1, 3, 3, seed=seed + 1),
                   w2=weights(16, 16, 2, 2, seed=seed + 2), w3=weights(16, 16, 3, 3, seed=seed + 3),
                   w9=weights(8, 16, 1, 1), **{f"b{i}": biases(16) for i in range(4)}, s=slope, one=np.float32([.25]))


def differences(content: bytes, level) -> float:
    """Of onnxruntime's answers and ours, over the largest."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.graph_optimization_level = 3, level
    theirs = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    ours = cinfer.load(content)
    found = 0.0
    for each in pictures(6, theirs.get_inputs()[0].shape):
        got, want = ours.run(None, each)[0], theirs.run(None, each)[0]
        found = max(found, float(np.abs(got - want).max() / np.abs(want).max()))
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [sums, gates])
@pytest.mark.parametrize("is_exact", [False, True])
def test_engines_that_compute_in_integers_give_the_same_bytes(make, seed, is_exact):
    content = quantize(make(seed), pictures(6, SHAPE), target=1, exact=is_exact).encoded()
    assert differences(content, LEVELS.ORT_ENABLE_ALL) < 2e-6                   # float32 behind the last byte


@pytest.mark.parametrize("level", [LEVELS.ORT_DISABLE_ALL, LEVELS.ORT_ENABLE_ALL])
@pytest.mark.parametrize("seed", range(3))
def test_layers_that_others_compute_in_floats_are_the_same_but_for_halves(seed, level):
    """What is exact is so in floats too; else a byte here and there is the one beside."""
    made = quantize(slopes(seed), pictures(6, SHAPE), target=1)
    assert {row.runs for row in made.report.rows} == {"u8"} and made.report.layers == (5, 5)
    assert sum(each.op_type == "QuantizeLinear" for each in made.model.graph.nodes) == 6      # x, 5 layers
    assert differences(made.encoded(), level) < .003
    exact_one = quantize(slopes(seed), pictures(6, SHAPE), target=1, exact=True)
    assert differences(exact_one.encoded(), level) < 2e-6


@pytest.mark.parametrize("seed, level, dtype", [
    (0, LEVELS.ORT_DISABLE_ALL, "uint8"), (1, LEVELS.ORT_ENABLE_ALL, "uint8"), (2, LEVELS.ORT_DISABLE_ALL, "int8")])
def test_sums_with_slopes_are_the_same_in_floats_whatever_their_scales(seed, level, dtype):
    """Of the same bytes, as engines compute them node by node."""
    model = standard(read(sloped(SHAPE, seed)), "m")
    net, feeds = Network(model.graph), pictures(4, SHAPE)
    units = net.in_integers(unit for unit in net.layers if unit.is_last)
    found = scales(net, units, observe(model, net, feeds, Trial).ranges("min-max"), np.dtype(dtype))
    summed = [unit for unit in units if unit.has_slopes]
    assert len(summed) == 5 and not any(np.log2(found[unit.inputs[0]].step / found[unit.outputs[0]].step).is_integer()
                                        for unit in summed)
    file = onnx.load_from_string(encoded(replace(model, graph=quantised(net, units, found, GRIDS["u8"]))))
    stored = [each.output[0] for each in file.graph.node if each.op_type == "QuantizeLinear"]
    names = [f"{unit.outputs[0]}_quantized" for unit in summed]
    wide = onnx.ModelProto()
    wide.CopyFrom(file)
    wide.graph.output.extend(map(onnx.helper.make_empty_tensor_value_info, stored))
    ours = dict(zip(stored, cinfer.load(wide.SerializeToString()).run(stored, feeds[0])))
    theirs = session(severed(file, ["y"], ours), level).run(
        names, {**feeds[0], **{f"{name}__cut": array for name, array in ours.items()}})
    for name, want in zip(names, theirs):
        assert np.unique(want).size > 50 and np.array_equal(ours[name], want)


@pytest.mark.parametrize("make, shape", [(lambda: sums(5), SHAPE), (residual, (1, 3, 16, 16))])
def test_exact_networks_are_the_same_node_by_node_in_floats(make, shape):
    made = quantize(make(), pictures(6, shape), target=1, exact=True)
    assert made.report.layers[0] == made.report.layers[1]
    assert differences(made.encoded(), LEVELS.ORT_DISABLE_ALL) < 2e-6


@pytest.fixture(scope="module")
def seen():
    model = standard(read(sums(0)), "m")
    net = Network(model.graph)
    return net, observe(model, net, pictures(4, SHAPE), Trial).ranges("min-max")


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_what_is_added_differs_by_powers_of_two_and_zero_points_are_even(seen, dtype):
    net, ranges = seen
    found = scales(net, net.units, ranges, np.dtype(dtype))
    for unit in net.units:
        if unit.node.op_type == "Add":
            made = found[unit.outputs[0]]
            ratios = [np.log2(float(found[name].step) / float(made.step)) for name in unit.inputs]
            assert all(ratio == round(ratio) for ratio in ratios) and made.zero % 2 == 0
            low, high = ranges[unit.outputs[0]]
            assert made.ends[0] < low / 1.1 and made.ends[1] > high / 1.1


def test_no_entry_of_a_table_is_near_a_half(seen):
    net, ranges = seen
    given = scales(net, net.units, ranges, U8)
    table = next(unit for unit in net.units if unit.kind == "table")
    x, function = given[table.inputs[0]], Function(net.graph, table)
    entry = float(function(exact.numbers(x))[200])
    near = Scale(np.float32(entry / 20.500001), 0, U8)
    found = {table.inputs[0]: x, table.outputs[0]: near}
    kept = exact.settled(net, [table], found, False)[table.outputs[0]]
    assert near.step < kept.step < 1.04 * near.step
    places = function(exact.numbers(x)).astype(np.float64) / float(kept.step)
    assert np.abs(places - np.floor(places) - .5)[(places > 0) & (places < 255)].min() > 1e-4


def test_products_are_the_same_whatever_is_multiplied_first():
    """0.1 * 0.1 / 0.02 is a half of a whole number, or beside it."""
    model = standard(read(gates(0)), "m")
    net = Network(model.graph)
    gated = next(unit for unit in net.units if unit.node.op_type == "Mul")
    tenth = Scale(np.float32(.1), 0, U8)
    given = Scale(np.float32(.02), 0, U8)
    kept = exact.settled(net, [gated], {gated.inputs[0]: tenth, gated.inputs[1]: replace(tenth, zero=2),
                                        gated.outputs[0]: given}, False)[gated.outputs[0]]
    bytes_ = np.arange(256, dtype=np.float32)

    def orders(step: np.float32) -> int:
        numbers = np.rint(np.outer(bytes_ * tenth.step, (bytes_ - 2) * tenth.step) / step)
        scales = np.rint(np.outer(bytes_, bytes_ - 2) * (tenth.step * tenth.step / step))
        return int((numbers != scales)[np.abs(numbers) < 256].sum())
    assert orders(given.step) > 100 and orders(kept.step) == 0 and given.step < kept.step < 1.04 * given.step


def test_exact_scales_are_powers_of_two(seen):
    net, ranges = seen
    for name, scale in scales(net, net.units, ranges, U8, True).items():
        assert np.frexp(scale.step)[0] == .5
        low, high = ranges.get(name, (0, 0))
        assert scale.ends[0] < low / 1.1 + 1e-6 and scale.ends[1] > high / 1.1 - 1e-6


@pytest.mark.parametrize("shape", [(6, 3, 3, 3), (5, 700, 1, 1), (4, 1, 5, 5)])
def test_products_with_exact_weights_leave_room_for_sums(shape):
    """Whole numbers of 24 bits hold what sums of random bytes come to, in units of the last bit of a scale."""
    conv, w = node("Conv", ["x", "w"], ["y"]), weights(*shape, spread=9)
    grid = replace(GRIDS["s8"], is_exact=True)
    scale = steps(conv, w, None, np.float32(1), grid)
    whole = rounded(conv, w, scale, grid).astype(np.int64).reshape(len(w), -1)
    free = steps(conv, w, None, np.float32(1), GRIDS["s8"])
    assert (np.abs(scale / free - 1) < .26).all()
    for s, row in zip(scale, whole):
        bits = next(n for n in range(24) if np.frexp(s)[0] * 2 ** n == int(np.frexp(s)[0] * 2 ** n))
        x = np.random.default_rng(1).integers(0, 256, (1000, len(row)))
        assert np.abs(np.cumsum(x * row, 1)).max() * 2.0 ** bits < 2 ** 24


@pytest.mark.parametrize("stored, dtype, wanted", [
    (0, "uint8", 0), (3, "uint8", 4), (128, "uint8", 128), (255, "uint8", 254), (127, "int8", 126),
    (-128, "int8", -128), (-127, "int8", -128), (1, "int8", 0)])
def test_even_zero_points(stored, dtype, wanted):
    assert exact.even(Scale(np.float32(1), stored, np.dtype(dtype))) == wanted
