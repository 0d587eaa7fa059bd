"""Products of numbers of 16 bits: which become operators that know the integers."""
import numpy as np
import pytest

from cinfer.passes.join_grids import join_grids

from handmade import Builder, ops, rewritten, unchanged
from quantised import F, S8, U8, grid, per_channel, stored, weights

U16, S16 = np.uint16, np.int16
X = grid(1e-4, 30000, U16)


def network(b: Builder, at=X, w=None, scales=None, shape=(1, 4, 6, 6), **attributes) -> str:
    w = weights(6, 4, 3, 3) if w is None else w
    return b.Conv(stored(b, b.input("x", *shape), at), b.DequantizeLinear(w, *(scales or per_channel(6)), axis=0),
                  np.linspace(-1, 1, len(w), dtype=F), **attributes)


@pytest.mark.parametrize("at", [X, grid(.01, -32768, S16), grid(.01, 65535, U16)])
@pytest.mark.parametrize("dtype", [S8, U8])
def test_a_convolution(at, dtype):
    b = Builder(21)
    y = network(b, at, weights(6, 4, 3, 3, dtype=dtype), per_channel(6, dtype), pads=[1] * 4, strides=[2, 2])
    after = rewritten(b.output(y), join_grids, tolerance=0)
    assert ops(after) == ["QuantizeLinear", "DequantizeLinear", "DequantizeLinear", "GridConv"]
    node = after.nodes[-1]
    assert [after.constants[name].dtype for name in node.inputs[2:]] == [F, F, at[1].dtype, dtype, F, dtype]
    assert node.attributes == {"pads": [1] * 4, "strides": [2, 2]}


def test_weights_without_a_zero_point_and_without_a_bias():
    b = Builder(21)
    x = stored(b, b.input("x", 1, 4, 6, 6), X)
    y = b.Conv(x, b.DequantizeLinear(weights(6, 4, 1, 1), F(.1)))
    assert ops(rewritten(b.output(y), join_grids, tolerance=0))[-1] == "GridConv"


@pytest.mark.parametrize("turned", [0, 1])
def test_products_of_matrices(turned):
    b = Builder(21)
    x = stored(b, b.input("x", 5, 8), X)
    w = b.DequantizeLinear(weights(6, 8) if turned else weights(8, 6), *per_channel(6), axis=1 - turned)
    y = b.Gemm(x, w, np.ones(6, F), transB=turned, alpha=.5)
    if not turned:
        y = b.Add(y, b.MatMul(x, w))
    names = ops(rewritten(b.output(y), join_grids, tolerance=0))
    assert names[-1:] == ["GridGemm"] if turned else names[-3:] == ["GridGemm", "GridMatMul", "Add"]


def test_one_that_reads_16_bits_that_are_fed():
    b = Builder(21)
    x = b.DequantizeLinear(b.input("x", 1, 4, 6, 6, dtype=S16), F(.01), S16(3))
    y = b.Conv(x, b.DequantizeLinear(weights(6, 4, 1, 1), *per_channel(6), axis=0))
    assert ops(rewritten(b.output(y), join_grids, tolerance=0))[-1] == "GridConv"


def limit(terms: int, sign: int = 1) -> np.ndarray:
    """So many weights of 127, which are 127 or 128 less another."""
    return np.full((6, terms, 1, 1), 127 * sign, S8)


@pytest.mark.parametrize("zero, terms, fits", [(0, 258, True), (0, 259, False), (65535, 258, True), (65535, 259, False),
                                               (32768, 515, True), (32768, 517, False)])
@pytest.mark.parametrize("sign", [1, -1])
def test_int32_has_to_hold_the_sums(zero, terms, fits, sign):
    """65535 * 127 * 258 < 2^31 <= 65535 * 127 * 259"""
    b = Builder(21)
    y = network(b, grid(.01, zero, U16), limit(terms, sign), (F(.1), S8(0)), (1, terms, 2, 2))
    graph = b.output(y)
    if fits:
        assert ops(rewritten(graph, join_grids, tolerance=0))[-1] == "GridConv"
    else:
        unchanged(graph, join_grids)
        assert "int32 does not hold sums" in "".join(graph.in_float.values()) or join_grids(graph) is False
        assert "int32 does not hold sums" in "".join(graph.in_float.values())


@pytest.mark.parametrize("terms, fits", [(258, True), (259, False)])
def test_a_transposed_convolution_has_the_sums_of_one_tap(terms, fits):
    b = Builder(21)
    x = stored(b, b.input("x", 1, terms, 3, 4), grid(.01, 0, U16))
    w = np.full((terms, 6, 2, 3), 127, S8)
    graph = b.output(b.ConvTranspose(x, b.DequantizeLinear(w, F(.1), S8(0)), np.ones(6, F), strides=[2, 3]))
    if fits:
        assert ops(rewritten(graph, join_grids, tolerance=0))[-1] == "GridConvTranspose"
    else:
        unchanged(graph, join_grids)


@pytest.mark.parametrize("by, fits", [(1e-34, True), (1e-36, False)])
@pytest.mark.parametrize("each", [False, True])
def test_scales_have_to_multiply_to_normal_numbers(by, fits, each):
    """Kernels take others for 0, and sums of 2^30 of them with them."""
    scale, zero = (np.linspace(1, 2, 6, dtype=F) * F(by), np.zeros(6, S8)) if each else (F(by), S8(0))
    b = Builder(21)
    graph = b.output(network(b, grid(1e-3, 0, U16), scales=(scale, zero)))
    if fits:
        assert ops(rewritten(graph, join_grids, tolerance=0))[-1] == "GridConv"
    else:
        unchanged(graph, join_grids)
        assert not join_grids(graph) and "scales" in "".join(graph.in_float.values())


def test_transposed_without_strides():
    b = Builder(21)
    x = stored(b, b.input("x", 1, 4, 3, 5), X)
    y = b.ConvTranspose(x, b.DequantizeLinear(weights(4, 6, 1, 1), F(.1), S8(0)), np.ones(6, F))
    assert ops(rewritten(b.output(y), join_grids, tolerance=0))[-1] == "GridConvTranspose"


STAYS = {
    "transposed, of several taps": lambda b: b.ConvTranspose(
        stored(b, b.input("x", 1, 4, 3, 4), X), b.DequantizeLinear(weights(4, 6, 3, 3), F(.1), S8(0)), strides=[2, 2]),
    "transposed, in groups": lambda b: b.ConvTranspose(
        stored(b, b.input("x", 1, 4, 3, 4), X), b.DequantizeLinear(weights(4, 6, 2, 2), F(.1), S8(0)), strides=[2, 2],
        group=2),
    "8 bits": lambda b: network(b, grid(.05, 120)),
    "depthwise": lambda b: network(b, w=weights(4, 1, 3, 3), scales=(F(.1), S8(0)), group=4),
    "weights of 16 bits": lambda b: network(b, w=weights(6, 4, 3, 3, dtype=S16), scales=(F(.1), S16(0))),
    "weights of the run": lambda b: b.Conv(stored(b, b.input("x", 1, 4, 6, 6), X), b.input("w", 6, 4, 1, 1)),
    "a scale that is fed": lambda b: b.Conv(
        b.DequantizeLinear(b.input("q", 1, 4, 6, 6, dtype=U16), b.input("s", 1), np.zeros(1, U16)),
        b.DequantizeLinear(weights(6, 4, 1, 1), F(.1), S8(0))),
    "a scale for each input channel": lambda b: b.Conv(
        stored(b, b.input("x", 1, 4, 6, 6), X), b.DequantizeLinear(weights(6, 4, 1, 1), *per_channel(4), axis=1)),
    "what a batch norm behind it may take in": lambda b: b.BatchNormalization(
        network(b), *(np.linspace(.5, 1, 6, dtype=F) for _ in range(4))),
    "a left matrix that is turned": lambda b: b.Gemm(
        stored(b, b.input("x", 8, 5), X), b.DequantizeLinear(weights(8, 6), *per_channel(6)), transA=1),
    "two values of the run": lambda b: b.MatMul(*(stored(b, b.input(name, 5, 5), X) for name in "xy")),
}


@pytest.mark.parametrize("case", STAYS)
def test_stays(case):
    b = Builder(21)
    unchanged(b.output(STAYS[case](b)), join_grids)
