"""Operators between DequantizeLinear and QuantizeLinear as operators on bytes."""
import copy

import numpy as np
import pytest

from cinfer import passes
from cinfer.passes.join_quantized import join_quantized
from cinfer.passes.remove_dead import remove_dead
from cinfer.passes.check import fault
from handmade import Builder, exported, ops, unchanged
from interpreter import evaluate
from quantised import (F, S8, U8, X, Y, Z, as_int8, grid, numbers, per_channel, same_but_for_borders, stored,
                       weights)

BIAS = np.array([300, -4000, 0, 77, 5], np.int32)


def picture(b: Builder, name: str = "x", c: int = 4, at=X) -> str:
    return b.DequantizeLinear(b.input(name, 2, c, 6, 7, dtype=U8), *at)


def conv(b: Builder, x: str, w, w_at, *bias, axis=0, **attributes) -> str:
    return b.Conv(x, b.DequantizeLinear(w, *w_at, axis=axis), *bias, **attributes)


def volume(b: Builder, at=X) -> str:
    return b.DequantizeLinear(b.input("x", 2, 4, 3, 4, 3, dtype=U8), *at)


def plain(b: Builder) -> str:
    return conv(b, picture(b), weights(5, 4, 1, 1), per_channel(5))


def dilated(b: Builder, by: int) -> str:
    return b.AveragePool(picture(b), kernel_shape=[2, 2], dilations=[by, 1], opset=19)


JOINED = {
    "conv": (lambda b: conv(b, picture(b), weights(5, 4, 3, 3), grid(0.02, 0, S8), pads=[1] * 4), ["QLinearConv"]),
    "of channels": (lambda b: conv(b, picture(b), weights(5, 4, 3, 3), per_channel(5), strides=[2, 1]),
                    ["QLinearConv"]),
    "unsigned weights": (lambda b: conv(b, picture(b), weights(5, 4, 1, 1, dtype=U8), grid(0.02, 131)),
                         ["QLinearConv"]),
    "no zero point": (lambda b: conv(b, picture(b), weights(5, 4, 1, 1), (F(0.02),)), ["QLinearConv"]),
    "bias of bytes": (lambda b: conv(b, picture(b), weights(5, 4, 1, 1), grid(0.02, 0, S8),
                                     b.DequantizeLinear(BIAS, F(0.05) * F(0.02))), ["QLinearConv"]),
    "bias of floats": (lambda b: conv(b, picture(b), weights(5, 4, 1, 1), grid(0.02, 0, S8),
                                      np.linspace(-3, 2, 5).astype(F)), ["QLinearConv"]),
    "groups": (lambda b: conv(b, picture(b), weights(6, 2, 3, 1), per_channel(6), group=2), ["QLinearConv"]),
    "depthwise": (lambda b: conv(b, picture(b), weights(4, 1, 3, 3), per_channel(4), group=4), ["QLinearConv"]),
    "transposed": (lambda b: b.ConvTranspose(
        picture(b), b.DequantizeLinear(weights(4, 5, 3, 2), *per_channel(5), axis=1), BIAS.astype(F) / 512,
        strides=[2, 2], pads=[1, 0, 0, 0], output_padding=[1, 0]), ["QLinearConvTranspose"]),
    "groups transposed": (lambda b: b.ConvTranspose(
        picture(b), b.DequantizeLinear(weights(4, 3, 2, 2), *per_channel(3), axis=1), np.linspace(-3, 3, 6, dtype=F),
        strides=[2, 2], group=2), ["QLinearConvTranspose"]),
    "transposed with holes": (lambda b: b.ConvTranspose(picture(b), b.DequantizeLinear(
        weights(4, 5, 2, 2), *grid(0.02, 0, S8)), strides=[3, 2], dilations=[2, 2]), ["QLinearConvTranspose"]),
    "volumes": (lambda b: conv(b, volume(b), weights(5, 4, 2, 1, 3), per_channel(5)), ["QLinearConv"]),
    "groups of volumes": (lambda b: conv(b, volume(b), weights(6, 2, 1, 2, 1), per_channel(6), group=2),
                          ["QLinearConv"]),
    "volumes transposed": (lambda b: b.ConvTranspose(
        volume(b), b.DequantizeLinear(weights(4, 5, 2, 3, 2), *per_channel(5), axis=1), strides=[2, 2, 1]),
        ["QLinearConvTranspose"]),
    "limits that saturate": (lambda b: b.Clip(conv(b, picture(b), weights(5, 4, 1, 1), per_channel(5)), F(-50),
                                              F(78)), ["QLinearConv"]),
    "limits": (lambda b: b.Relu(conv(b, picture(b), weights(5, 4, 1, 1), per_channel(5))),
               ["QLinearConv", "LookUp"]),
    "a slope": (lambda b: b.LeakyRelu(plain(b), alpha=.1), ["QLinearConv"]),
    "slopes of channels": (lambda b: b.PRelu(plain(b), np.linspace(-.5, 2, 5, dtype=F).reshape(5, 1, 1)),
                           ["QLinearConv"]),
    "slopes of as many axes": (lambda b: b.PRelu(plain(b), np.linspace(0, 1, 5, dtype=F).reshape(1, 5, 1, 1)),
                               ["QLinearConv"]),
    "one slope as PRelu": (lambda b: b.PRelu(plain(b), F([.2])), ["QLinearConv"]),
    "a spelled slope": (lambda b: b.Max(y := plain(b), b.Mul(y, F(.2))), ["QLinearConv"]),
    "hard swish": (lambda b: b.HardSwish(plain(b)), ["QLinearConv"]),
    "SiLU": (lambda b: b.Mul(y := plain(b), b.Sigmoid(y)), ["QLinearConv"]),
    "hard sigmoid": (lambda b: b.HardSigmoid(plain(b), alpha=.01), ["QLinearConv"]),
    "elu": (lambda b: b.Elu(plain(b)), ["QLinearConv"]),
    "an activation and limits": (lambda b: b.Clip(b.LeakyRelu(plain(b), alpha=.1), F(-3), F(9)),
                                 ["QLinearConv", "LookUp"]),
    "transposed with slopes of groups": (lambda b: b.PRelu(b.ConvTranspose(
        picture(b), b.DequantizeLinear(weights(4, 3, 2, 2), *per_channel(3), axis=1), strides=[2, 2], group=2),
        np.linspace(-1, 1, 6, dtype=F).reshape(6, 1, 1)), ["QLinearConvTranspose"]),
    "transposed with an activation": (lambda b: b.Sigmoid(b.ConvTranspose(
        picture(b), b.DequantizeLinear(weights(4, 5, 2, 2), *per_channel(5), axis=1))), ["QLinearConvTranspose"]),
    "add": (lambda b: b.Add(picture(b), picture(b, "y", at=Z)), ["QLinearAdd"]),
    "mul by channels": (lambda b: b.Mul(picture(b), b.DequantizeLinear(b.input("y", 2, 4, 1, 1, dtype=U8), *Z)),
                        ["QLinearMul"]),
    "sub": (lambda b: b.Sub(picture(b), picture(b, "y", at=Z)), ["QLinearAdd"]),
    "add of a constant": (lambda b: b.Add(picture(b), b.DequantizeLinear(weights(4, 1, 1), *grid(0.05, 3, S8))),
                          ["QLinearAdd"]),
    "constant less bytes": (lambda b: b.Sub(b.DequantizeLinear(weights(1, 1, 6, 7, dtype=U8), *Z), picture(b)),
                            ["QLinearAdd"]),
    "mul of fewer axes": (lambda b: b.Mul(picture(b), b.DequantizeLinear(b.input("y", 6, 1, dtype=U8), *Z)),
                          ["Unsqueeze", "QLinearMul"]),
    "rows": (lambda b: b.Add(b.DequantizeLinear(b.input("x", 5, 6, dtype=U8), *X),
                             b.DequantizeLinear(weights(6), F(0.1))), ["QLinearAdd"]),
    "volumes alike": (lambda b: b.Mul(*(b.DequantizeLinear(b.input(name, 1, 4, 3, 3, 3, dtype=U8), *X)
                                        for name in "xy")), ["QLinearMul"]),
    "channels of several volumes": (lambda b: b.Mul(volume(b), b.DequantizeLinear(weights(4, 1, 1, 1), F(0.1))),
                                    ["QLinearMul"]),
    "max pool": (lambda b: b.MaxPool(picture(b, at=Y), kernel_shape=[2, 2], pads=[0, 1, 1, 0]), ["MaxPool"]),
    "max pool to another grid": (lambda b: b.MaxPool(picture(b), kernel_shape=[2, 2]),
                                 ["MaxPool", "LookUp", "Identity"]),
    "concat": (lambda b: b.Concat(picture(b, at=Y), picture(b, "y", 3), axis=1), ["LookUp", "Concat"]),
    "mean": (lambda b: b.GlobalAveragePool(picture(b)), ["QLinearGlobalAveragePool"]),
    "mean of a part": (lambda b: b.GlobalAveragePool(b.Div(picture(b), F(6))), ["QLinearGlobalAveragePool"]),
    "conv of a multiple": (lambda b: conv(b, b.Mul(F([3]), picture(b)), weights(5, 4, 1, 1), per_channel(5)),
                           ["QLinearConv"]),
    "sum of parts": (lambda b: b.Add(b.Div(picture(b), F(.5)), b.Mul(picture(b, "z"), F(.3))), ["QLinearAdd"]),
    "mean by axes": (lambda b: b.ReduceMean(picture(b), axes=[-1, 2], keepdims=1), ["QLinearGlobalAveragePool"]),
    "average pool": (lambda b: b.AveragePool(picture(b), kernel_shape=[3, 2], pads=[1, 0, 1, 1],
                                             count_include_pad=1), ["QLinearAveragePool"]),
    "average of neighbours, as it is said": (lambda b: dilated(b, 1), ["QLinearAveragePool"]),
    "pad": (lambda b: b.Pad(picture(b), np.array([0, 0, 1, 2, 0, 0, 0, 1])), ["Pad", "LookUp", "Identity"]),
    "more channels and pictures": (lambda b: b.Pad(picture(b), np.array([0, 3, 0, 1, 1, 2, 0, 0])),
                                   ["Pad", "LookUp", "Identity"]),
    "reflect": (lambda b: b.Pad(picture(b, at=Y), np.array([0, 0, 1, 2, 0, 0, 0, 1]), mode="reflect"),
                ["Pad", "Identity"]),
    "linear": (lambda b: b.Resize(picture(b), None, F([1, 1, 2, 1.5]), mode="linear"), ["QLinearResize"]),
    "linear by scales of some axes": (lambda b: b.Resize(picture(b), None, F([2, 1.5]), mode="linear", axes=[2, -1]),
                                      ["QLinearResize"]),
    "pad of volumes": (lambda b: b.Pad(volume(b), np.array([1, 0, 0, 0, 2, 0, 0, 1, 1, 0])),
                       ["Pad", "LookUp", "Identity"]),
    "edges of volumes": (lambda b: b.Pad(volume(b, at=Y), np.array([0, 0, 1, 0, 2] * 2), mode="edge"),
                         ["Pad", "Identity"]),
    "linear of slices": (lambda b: b.Resize(volume(b), None, F([1, 1, 1, 2, 1.5]), mode="linear"), ["QLinearResize"]),
    "linear by sizes": (lambda b: b.Resize(picture(b), None, None, np.array([9, 3]), mode="linear", axes=[2, 3],
                                           coordinate_transformation_mode="align_corners"), ["QLinearResize"]),
}


def slopes(*shape) -> np.ndarray:
    return np.resize(np.array([.3, -1.5, 0, 2, 3e38], F), shape)


# -> operators, of what is equal bit by bit: each operation rounds by itself, of bytes as of floats
SLOPED = {
    "slopes of a sum": (lambda b: b.PRelu(b.Add(picture(b), picture(b, "y", at=Z)), slopes(4, 1, 1)), ["QLinearAdd"]),
    "slope of a sum": (lambda b: b.LeakyRelu(b.Add(picture(b), picture(b, "y", at=Z)), alpha=-.1), ["QLinearAdd"]),
    "usual slope of a sum": (lambda b: b.LeakyRelu(b.Add(picture(b), picture(b, "y", at=Z))), ["QLinearAdd"]),
    "spelled slope of a sum": (lambda b: b.Max(y := b.Add(picture(b), picture(b, "y", at=Z)), b.Mul(y, F(.2))),
                               ["QLinearAdd"]),
    "slopes of a difference": (lambda b: b.PRelu(b.Sub(picture(b), picture(b, "y", at=Z)), slopes(1, 4, 1, 1)),
                               ["QLinearAdd"]),
    "slopes of twice the same": (lambda b: b.PRelu(b.Add(x := picture(b), x), slopes(4, 1, 1)), ["QLinearAdd"]),
    "slopes of a constant less bytes": (lambda b: b.PRelu(b.Sub(b.DequantizeLinear(
        weights(1, 4, 1, 1, dtype=U8), *Z), picture(b)), slopes(4, 1, 1)), ["QLinearAdd"]),
    "slopes of channels that are broadcast": (lambda b: b.PRelu(b.Add(picture(b, c=1), b.DequantizeLinear(
        b.input("y", 4, 1, 1, dtype=U8), *Z)), slopes(4, 1, 1)), ["Unsqueeze", "QLinearAdd"]),
    "slopes of a sum of volumes": (lambda b: b.PRelu(b.Add(x := volume(b), b.DequantizeLinear(
        weights(4, 1, 1, 1), F(.1))), slopes(4, 1, 1, 1)), ["QLinearAdd"]),
    "slopes and limits": (lambda b: b.Clip(b.PRelu(b.Add(picture(b), picture(b, "y", at=Z)), slopes(4, 1, 1)),
                                           F(-3), F(9)), ["QLinearAdd", "LookUp"]),
    "slopes alone": (lambda b: b.PRelu(picture(b), slopes(4, 1, 1)), ["QLinearAdd"]),
    "slopes of as many axes alone": (lambda b: b.PRelu(picture(b), slopes(1, 4, 1, 1)), ["QLinearAdd"]),
    "slopes alone, and limits": (lambda b: b.Clip(b.PRelu(picture(b), slopes(4, 1, 1)), F(-3), F(9)),
                                 ["QLinearAdd", "LookUp"]),
    "slopes of rows": (lambda b: b.PRelu(b.DequantizeLinear(b.input("x", 2, 4, 9, dtype=U8), *X), slopes(4, 1)),
                       ["QLinearAdd"]),
    "slopes of a volume": (lambda b: b.PRelu(volume(b), slopes(4, 1, 1, 1)), ["QLinearAdd"]),
    "slopes that are stored": (lambda b: b.PRelu(picture(b), b.DequantizeLinear(weights(4, 1, 1), F(.01))),
                               ["QLinearAdd"]),
    "slopes of an old opset": (lambda b: b.node("PRelu", picture(b), slopes(4), opset=6), ["QLinearAdd"]),
    "slopes of no input": (lambda b: b.PRelu(b.Sub(picture(b, at=grid(2.0 ** -40, 0)), picture(
        b, "y", at=grid(2.0 ** 40, 255))), slopes(4, 1, 1)), ["QLinearAdd"]),
}
JOINED |= SLOPED


@pytest.mark.parametrize("ends", [U8, S8], ids=lambda ends: ends.__name__)
@pytest.mark.parametrize("at", [Y, grid(.001, 255), grid(2.0 ** -40, 0), grid(2.0 ** 40, 3)], ids=str)
@pytest.mark.parametrize("name", SLOPED)
def test_slopes_change_no_bit(name, at, ends):
    build, wanted = SLOPED[name]
    b = Builder()
    graph = b.output(b.QuantizeLinear(build(b), *at))
    graph = as_int8(graph) if ends is S8 else graph
    with np.errstate(over="ignore"):
        after = same_but_for_borders(graph, join_quantized, most_off=0, share=0)
    assert "QLinearAdd" in ops(after) and not {"QuantizeLinear", "DequantizeLinear"} & set(ops(after))


@pytest.mark.parametrize("name", JOINED)
def test_bytes_stay_but_for_the_border_between_two(name):
    build, wanted = JOINED[name]
    b = Builder()
    after = same_but_for_borders(b.output(b.QuantizeLinear(build(b), *Y)), join_quantized, share=0.1)
    assert ops(after) == wanted


@pytest.mark.parametrize("name", JOINED)
def test_int8_at_inputs_and_outputs_is_computed_as_uint8(name):
    """Bit by bit: bytes are 128 less."""
    b = Builder()
    graph = b.output(b.QuantizeLinear(JOINED[name][0](b), *Y))
    signed = as_int8(graph)
    assert join_quantized(graph) and join_quantized(signed) and fault(signed) is None
    assert not {"QuantizeLinear", "DequantizeLinear"} & set(ops(signed))
    for seed in range(3):
        feeds = numbers(graph, seed)
        (wanted,) = evaluate(graph, feeds)
        (found,) = evaluate(signed, {name: (x ^ 128).view(S8) for name, x in feeds.items()})
        assert found.dtype == S8
        np.testing.assert_array_equal((found.view(U8) ^ 128), wanted)


def test_int8_that_is_an_output_too_becomes_uint8_once():
    b, at, to = Builder(), grid(.05, -8, S8), grid(.5, -128, S8)
    w = weights(4, 4, 1, 1)
    y = b.QuantizeLinear(b.Relu(conv(b, b.DequantizeLinear(b.input("x", 1, 4, 6, 7, dtype=S8), *at), w,
                                     grid(.02, 0, S8))), *to)
    z = b.QuantizeLinear(conv(b, b.DequantizeLinear(y, *to), w, grid(.02, 0, S8)), *at)
    u = b.QuantizeLinear(b.Add(b.DequantizeLinear(y, *to), b.DequantizeLinear(z, *at)), *to)
    after = same_but_for_borders(b.output(y, z, u), join_quantized)
    assert sorted(ops(after)) == ["LookUp"] * 4 + ["QLinearAdd", "QLinearConv", "QLinearConv"]


def test_the_largest_of_int8_is_that_of_uint8():
    b = Builder()
    after = same_but_for_borders(b.output(b.MaxPool(
        b.input("x", 1, 4, 6, 7, dtype=S8), kernel_shape=[3, 3], pads=[1] * 4)), join_quantized, most_off=0)
    assert ops(after) == ["LookUp", "MaxPool", "LookUp"]


def resize(b: Builder, x: str, scales, **how) -> str:
    return b.Resize(x, None, F(scales), **dict(dict(mode="linear"), **how))


@pytest.mark.parametrize("rank, opset, scales, how", [
    (4, 18, [1, 1, 2, 1.5], {}), (4, 18, [1, 1, .5, 3], dict(coordinate_transformation_mode="asymmetric")),
    (3, 18, [1, 1, 1.7], {}), (5, 18, [1, 1, 1, .7, 2], dict(coordinate_transformation_mode="align_corners")),
    (4, 18, [2.5, 1.3], dict(axes=[2, -1])), (4, 11, [1, 1, .7, 2.5], {}), (4, 10, [1, 1, 1.3, 2], {})], ids=str)
def test_what_a_linear_resize_mixes_of_int8_is_mixed_of_uint8(rank, opset, scales, how):
    """Bit by bit: as int8 rounds, whose sums are not those of what is 128 more."""
    b = Builder(opset=opset)
    x = b.input("x", *[2, 3, 5, 6, 7][:rank], dtype=S8)
    y = b.Resize(x, F(scales), mode="linear") if opset < 11 else resize(b, x, scales, **how)
    after = same_but_for_borders(b.output(y), join_quantized, most_off=0)
    assert ops(after) == ["LookUp", "QLinearResize", "LookUp"]


def test_int8_between_operators_is_mixed_as_it_is_there():
    """Nothing changes its type on the way."""
    b, at, w = Builder(), grid(.05, -8, S8), weights(4, 4, 1, 1)
    y = b.QuantizeLinear(conv(b, picture(b), w, grid(.02, 0, S8)), *at)
    z = b.DequantizeLinear(resize(b, resize(b, y, [1, 1, 2, 2]), [1, 1, 1.5, 1]), *at)
    graph = b.output(b.QuantizeLinear(conv(b, z, w, grid(.02, 0, S8)), *Y))
    after = same_but_for_borders(graph, join_quantized)
    remove_dead(after)
    assert ops(after) == ["QLinearConv", "QLinearResize", "QLinearResize", "QLinearConv"]


@pytest.mark.parametrize("how", [dict(mode="cubic"), dict(antialias=1), dict(scales=[1, 2, 2, 2]), dict(mode="nearest"),
                                 dict(exclude_outside=1)], ids=str)
def test_no_kernel_mixes_other_int8(how):
    b, how = Builder(), dict(how)
    unchanged(b.output(resize(b, b.input("x", 1, 4, 6, 7, dtype=S8), how.pop("scales", [1, 1, 2, 2]), **how)),
              join_quantized)


def test_what_stays_in_floats_gets_no_other_bytes():
    b, at = Builder(), grid(.05, -8, S8)
    x = b.DequantizeLinear(b.input("x", 1, 4, 6, 7, dtype=S8), *at)
    unchanged(b.output(b.QuantizeLinear(b.Conv(x, np.ones((5, 4, 1, 1), F)), *at)), join_quantized)


SEEN_AS_FLOATS = {
    "a number that others see": lambda b: (y := conv(b, picture(b), weights(5, 4, 1, 1), per_channel(5)), b.Neg(y),
                                           b.QuantizeLinear(y, *Y))[1:],
    "sums that others see": lambda b: (y := plain(b), b.Neg(y), b.QuantizeLinear(b.LeakyRelu(y), *Y))[1:],
    "slopes of the run": lambda b: b.QuantizeLinear(b.PRelu(plain(b), b.input("s", 5, 1, 1)), *Y),
    "slopes of pixels": lambda b: b.QuantizeLinear(b.PRelu(plain(b), np.linspace(0, 1, 7, dtype=F)), *Y),
    "an infinite slope": lambda b: b.QuantizeLinear(b.LeakyRelu(plain(b), alpha=float("inf")), *Y),
    "a function that makes no numbers of some": lambda b: b.QuantizeLinear(b.Log(plain(b)), *Y),
    "a bias of half steps": lambda b: b.QuantizeLinear(conv(
        b, picture(b), weights(5, 4, 1, 1), grid(2.0, 0, S8), np.full(5, 0.05, F)), *grid(0.05, 0)),
}
KEPT = {
    "weights of the run": lambda b: b.QuantizeLinear(b.Conv(picture(b), b.input("w", 5, 4, 1, 1)), *Y),
    "scales of other channels": lambda b: b.QuantizeLinear(
        conv(b, picture(b), weights(4, 4, 1, 1), per_channel(4), axis=1), *Y),
    "transposed by scales of input channels": lambda b: b.QuantizeLinear(b.ConvTranspose(
        picture(b), b.DequantizeLinear(weights(4, 4, 2, 2), *per_channel(4), axis=0)), *Y),
    "constants of many scales": lambda b: b.QuantizeLinear(b.Add(picture(b), b.DequantizeLinear(
        weights(4, 1, 1), *per_channel(4), axis=0)), *Y),
    "sums beyond int32": lambda b: b.QuantizeLinear(conv(
        b, picture(b, c=34000), np.ones((1, 34000, 1, 1), S8), grid(1e-6, 0, S8)), *Y),
    "16 bits": lambda b: b.QuantizeLinear(conv(
        b, stored(b, b.input("x", 1, 4, 5, 5), grid(0.1, 0, np.uint16)), weights(5, 4, 1, 1), per_channel(5)), *Y),
    "one float among bytes": lambda b: b.QuantizeLinear(b.Add(picture(b), b.input("f", 2, 4, 6, 7)), *Y),
    "indices too": lambda b: (b.QuantizeLinear(b.node("MaxPool", picture(b), n=2, kernel_shape=[2, 2])[0], *X),),
    "a constant between two bytes": lambda b: b.QuantizeLinear(b.Pad(picture(b), np.array([0, 0, 1, 1] * 2), F(.03)),
                                                               *Y),
    "channels of edges": lambda b: b.QuantizeLinear(b.Pad(picture(b), np.array([0, 1, 0, 0] * 2), mode="edge"), *Y),
    "cubic": lambda b: b.QuantizeLinear(b.Resize(picture(b), None, F([1, 1, 2, 2]), mode="cubic"), *Y),
    "antialiased": lambda b: b.QuantizeLinear(b.Resize(picture(b), None, F([1, 1, .5, .5]), mode="linear",
                                                       antialias=1), *Y),
    "linear between slices": lambda b: b.QuantizeLinear(b.Resize(volume(b), None, F([1, 1, 2, 2, 2]), mode="linear"),
                                                        *Y),
    "slices and channels": lambda b: b.QuantizeLinear(b.Pad(volume(b), np.array([0, 1, 1, 0, 0] * 2)), *Y),
    "channels too": lambda b: b.QuantizeLinear(b.Resize(picture(b), None, F([1, 2, 1, 1]), mode="linear"), *Y),
    "slopes of the run": lambda b: b.QuantizeLinear(b.PRelu(picture(b), b.input("s", 4, 1, 1)), *Y),
    "slopes of pixels": lambda b: b.QuantizeLinear(b.PRelu(picture(b), slopes(7)), *Y),
    "slopes of each number": lambda b: b.QuantizeLinear(b.PRelu(picture(b), slopes(4, 6, 7)), *Y),
    "slopes of each picture": lambda b: b.QuantizeLinear(b.PRelu(picture(b), slopes(2, 4, 1, 1)), *Y),
    "slopes of one channel of each picture": lambda b: b.QuantizeLinear(b.PRelu(
        picture(b, c=1), slopes(2, 1, 1, 1)), *Y),
    "slopes of sums of each picture": lambda b: b.QuantizeLinear(b.PRelu(
        b.Add(picture(b), picture(b, "y")), slopes(2, 4, 1, 1)), *Y),
    "an infinite slope": lambda b: b.QuantizeLinear(b.PRelu(picture(b), F([1, np.inf, 1, 1]).reshape(4, 1, 1)), *Y),
    "slopes of no pictures": lambda b: b.QuantizeLinear(b.PRelu(b.DequantizeLinear(
        b.input("x", 5, 4, dtype=U8), *X), slopes(4)), *Y),
    "slopes of a sum of floats": lambda b: b.QuantizeLinear(b.PRelu(b.Add(
        picture(b), b.input("f", 2, 4, 6, 7)), slopes(4, 1, 1)), *Y),
    "slopes of a sum that others see": lambda b: (
        s := b.Add(picture(b), picture(b, "y")), b.QuantizeLinear(b.PRelu(s, slopes(4, 1, 1)), *Y))[::-1],
    "slopes that others see": lambda b: (
        s := b.PRelu(b.Add(picture(b), picture(b, "y")), slopes(4, 1, 1)), b.QuantizeLinear(s, *Y))[::-1],
    "slopes of a product": lambda b: b.QuantizeLinear(b.PRelu(
        b.Mul(picture(b), picture(b, "y")), slopes(4, 1, 1)), *Y),
    "slopes of channels of 16 bits": lambda b: b.QuantizeLinear(b.PRelu(picture(b), slopes(4, 1, 1)),
                                                                *grid(.01, 0, np.uint16)),
    "means over some axes": lambda b: b.QuantizeLinear(b.ReduceMean(picture(b), axes=[2], keepdims=1), *Y),
    "a negative multiple": lambda b: b.QuantizeLinear(b.GlobalAveragePool(b.Mul(picture(b), F(-2))), *Y),
    "multiples of channels": lambda b: b.QuantizeLinear(b.GlobalAveragePool(b.Mul(
        picture(b), np.arange(1, 5, dtype=F).reshape(4, 1, 1))), *Y),
    "a multiple of the run": lambda b: b.QuantizeLinear(b.GlobalAveragePool(b.Mul(picture(b), b.input("z", 1))), *Y),
    "a dilated average": lambda b: b.QuantizeLinear(dilated(b, 2), *Y),
    "an inverse": lambda b: b.QuantizeLinear(b.GlobalAveragePool(b.Div(F(6), picture(b, at=grid(.05, 0)))), *Y),
    "a multiple of more axes": lambda b: b.QuantizeLinear(b.Add(b.Mul(picture(b), np.full((1, 1, 1, 1, 1), 2, F)),
                                                               b.input("f", 1)), *Y),
    "maxima of nothing": lambda b: b.QuantizeLinear(b.MaxPool(picture(b), kernel_shape=[2, 2], dilations=[12, 12],
                                                              pads=[6] * 4), *Y),
    "scales whose product is no float32": lambda b: b.QuantizeLinear(
        conv(b, picture(b, at=grid(1e25, 120)), weights(5, 4, 1, 1), grid(1e25, 0, S8)), *grid(1e30, 100)),
    "a constant by such a scale": lambda b: b.QuantizeLinear(b.Add(picture(b), b.DequantizeLinear(
        weights(4, 1, 1), *grid(1e38, 0, S8))), *Y),
    "a ratio that is no float32": lambda b: b.QuantizeLinear(b.AveragePool(
        picture(b, at=grid(1e38, 7)), kernel_shape=[2, 2]), *grid(1e-38, 100)),
}
INVALID = {                             # each operator has to say so itself
    "another type": lambda b: conv(b, picture(b), weights(5, 4, 1, 1), grid(0.02, 0, np.int32)),
    "unsigned zero": lambda b: conv(b, picture(b), weights(5, 4, 1, 1), grid(0.02, 0, U8)),
    "one zero": lambda b: conv(b, picture(b), weights(5, 4, 1, 1), (per_channel(5)[0], S8(0))),
    "one scale": lambda b: conv(b, picture(b), weights(5, 4, 1, 1), (F(0.02), np.zeros(5, S8))),
    "axis 4": lambda b: conv(b, picture(b), weights(5, 4, 1, 1), per_channel(5), axis=4),
    "axis -8": lambda b: conv(b, picture(b), weights(5, 4, 1, 1), per_channel(5), axis=-8),
    "zero of a constant": lambda b: b.Sub(picture(b), b.DequantizeLinear(weights(4, 1, 1), *grid(0.1, 3))),
    "scale of a constant": lambda b: b.Mul(picture(b), b.DequantizeLinear(weights(4, 1, 1), F([[.1]]), S8([[3]]))),
    "transposed": lambda b: b.ConvTranspose(picture(b), b.DequantizeLinear(weights(4, 5, 2, 2), *per_channel(5),
                                                                           axis=5)),
    "zero of x": lambda b: conv(b, picture(b, at=grid(0.05, 3, S8)), weights(5, 4, 1, 1), per_channel(5)),
    "signed x": lambda b: b.MaxPool(b.DequantizeLinear(b.input("x", 2, 4, 6, 7, dtype=S8), *X), kernel_shape=[2, 2]),
    "zero of many axes": lambda b: conv(b, picture(b, at=(F(0.05), U8([[7]]))), weights(5, 4, 1, 1), per_channel(5)),
    "axes beyond": lambda b: b.ReduceMean(picture(b), axes=[6, 7], keepdims=1),
}


@pytest.mark.parametrize("name", SEEN_AS_FLOATS)
def test_sums_that_are_seen_as_floats_are_of_integers(name):
    b = Builder()
    outputs = SEEN_AS_FLOATS[name](b)
    graph = b.output(*([outputs] if isinstance(outputs, str) else outputs))
    after = copy.deepcopy(graph)
    assert join_quantized(after) and fault(after) is None
    assert "ScaledConvInteger" in ops(after) and "Conv" not in ops(after)
    feeds = numbers(graph)
    with np.errstate(all="ignore"):
        for want, got in zip(evaluate(graph, feeds), evaluate(after, feeds)):
            if want.dtype.kind == "u":
                assert np.abs(want.astype(int) - got).max() <= 1
            else:
                np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5 * np.abs(want).max())


def test_a_scale_behind_a_convolution_is_left_to_its_weights():
    b = Builder()
    y = conv(b, picture(b), weights(5, 4, 1, 1), per_channel(5))
    unchanged(b.output(b.Mul(y, np.arange(5, dtype=F).reshape(5, 1, 1))), join_quantized)


@pytest.mark.parametrize("name", KEPT)
def test_keeps(name):
    b = Builder(opset=21 if "16 bits" in name else 17)
    outputs = KEPT[name](b)
    unchanged(b.output(*([outputs] if isinstance(outputs, str) else outputs)), join_quantized)


@pytest.mark.parametrize("name", INVALID)
def test_leaves_what_is_no_valid_model(name):
    b = Builder()
    unchanged(b.output(b.QuantizeLinear(INVALID[name](b), *Y)), join_quantized)


def test_a_channel_of_next_to_nothing_stays_among_bytes():
    """Weights of a dead channel, whose products are denormal and round to zero."""
    b = Builder()
    scales = np.array([.01, 1e-40, .02, 1e-30, .01], F), np.zeros(5, S8)
    y = conv(b, picture(b), weights(5, 4, 1, 1), scales)
    assert ops(same_but_for_borders(b.output(b.QuantizeLinear(y, *Y)), join_quantized)) == ["QLinearConv"]


@pytest.mark.parametrize("name", ["resnet18__qop", "mobilenet_v2__qop", "squeezenet1_1__int8", "efficientnet_b0__int8"])
def test_exported_network_is_an_island_of_bytes(name, monkeypatch):
    graph = exported(name, monkeypatch)
    passes.run(graph)
    found = ops(graph)
    assert "Conv" not in found and found.count("QLinearConv") >= 19
    assert found.count("QuantizeLinear") == 1
