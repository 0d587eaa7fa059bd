"""Operators between DequantizeLinear and QuantizeLinear as operators on bytes."""
import numpy as np
import pytest

from cinfer import passes
from cinfer.passes.join_quantized import join_quantized
from handmade import Builder, exported, ops, unchanged
from quantised import F, S8, U8, X, Y, Z, grid, per_channel, same_but_for_borders, stored, weights

BIAS = np.array([300, -4000, 0, 77, 5], np.int32)


def picture(b: Builder, name: str = "x", c: int = 4, at=X) -> str:
    return b.DequantizeLinear(b.input(name, 2, c, 6, 7, dtype=U8), *at)


def conv(b: Builder, x: str, w, w_at, *bias, axis=0, **attributes) -> str:
    return b.Conv(x, b.DequantizeLinear(w, *w_at, axis=axis), *bias, **attributes)


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
    "limits that saturate": (lambda b: b.Clip(conv(b, picture(b), weights(5, 4, 1, 1), per_channel(5)), F(-50),
                                              F(78)), ["QLinearConv"]),
    "limits": (lambda b: b.Relu(conv(b, picture(b), weights(5, 4, 1, 1), per_channel(5))),
               ["QLinearConv", "LookUp"]),
    "add": (lambda b: b.Add(picture(b), picture(b, "y", at=Z)), ["QLinearAdd"]),
    "mul by channels": (lambda b: b.Mul(picture(b), b.DequantizeLinear(b.input("y", 2, 4, 1, 1, dtype=U8), *Z)),
                        ["QLinearMul"]),
    "max pool": (lambda b: b.MaxPool(picture(b, at=Y), kernel_shape=[2, 2], pads=[0, 1, 1, 0]), ["MaxPool"]),
    "max pool to another grid": (lambda b: b.MaxPool(picture(b), kernel_shape=[2, 2]),
                                 ["MaxPool", "LookUp", "Identity"]),
    "concat": (lambda b: b.Concat(picture(b, at=Y), picture(b, "y", 3), axis=1), ["LookUp", "Concat"]),
    "mean": (lambda b: b.GlobalAveragePool(picture(b)), ["QLinearGlobalAveragePool"]),
    "mean by axes": (lambda b: b.ReduceMean(picture(b), axes=[-1, 2], keepdims=1), ["QLinearGlobalAveragePool"]),
    "average pool": (lambda b: b.AveragePool(picture(b), kernel_shape=[3, 2], pads=[1, 0, 1, 1],
                                             count_include_pad=1), ["QLinearAveragePool"]),
    "linear": (lambda b: b.Resize(picture(b), None, F([1, 1, 2, 1.5]), mode="linear"), ["QLinearResize"]),
    "linear by sizes": (lambda b: b.Resize(picture(b), None, None, np.array([9, 3]), mode="linear", axes=[2, 3],
                                           coordinate_transformation_mode="align_corners"), ["QLinearResize"]),
}


@pytest.mark.parametrize("name", JOINED)
def test_bytes_stay_but_for_the_border_between_two(name):
    build, wanted = JOINED[name]
    b = Builder()
    after = same_but_for_borders(b.output(b.QuantizeLinear(build(b), *Y)), join_quantized, share=0.1)
    assert ops(after) == wanted


KEPT = {
    "a number that others see": lambda b: (y := conv(b, picture(b), weights(5, 4, 1, 1), per_channel(5)), b.Neg(y),
                                           b.QuantizeLinear(y, *Y))[1:],
    "weights of the run": lambda b: b.QuantizeLinear(b.Conv(picture(b), b.input("w", 5, 4, 1, 1)), *Y),
    "scales of other channels": lambda b: b.QuantizeLinear(
        conv(b, picture(b), weights(4, 4, 1, 1), per_channel(4), axis=1), *Y),
    "volumes": lambda b: b.QuantizeLinear(conv(
        b, b.DequantizeLinear(b.input("x", 1, 4, 3, 3, 3, dtype=U8), *X), weights(5, 4, 1, 1, 1), per_channel(5)), *Y),
    "a bias of half steps": lambda b: b.QuantizeLinear(conv(
        b, picture(b), weights(5, 4, 1, 1), grid(2.0, 0, S8), np.full(5, 0.05, F)), *grid(0.05, 0)),
    "sums beyond int32": lambda b: b.QuantizeLinear(conv(
        b, picture(b, c=34000), np.ones((1, 34000, 1, 1), S8), grid(1e-6, 0, S8)), *Y),
    "16 bits": lambda b: b.QuantizeLinear(conv(
        b, stored(b, b.input("x", 1, 4, 5, 5), grid(0.1, 0, np.uint16)), weights(5, 4, 1, 1), per_channel(5)), *Y),
    "one float among bytes": lambda b: b.QuantizeLinear(b.Add(picture(b), b.input("f", 2, 4, 6, 7)), *Y),
    "indices too": lambda b: (b.QuantizeLinear(b.node("MaxPool", picture(b), n=2, kernel_shape=[2, 2])[0], *X),),
    "cubic": lambda b: b.QuantizeLinear(b.Resize(picture(b), None, F([1, 1, 2, 2]), mode="cubic"), *Y),
    "antialiased": lambda b: b.QuantizeLinear(b.Resize(picture(b), None, F([1, 1, .5, .5]), mode="linear",
                                                       antialias=1), *Y),
    "channels too": lambda b: b.QuantizeLinear(b.Resize(picture(b), None, F([1, 2, 1, 1]), mode="linear"), *Y),
    "means over some axes": lambda b: b.QuantizeLinear(b.ReduceMean(picture(b), axes=[2], keepdims=1), *Y),
}


@pytest.mark.parametrize("name", KEPT)
def test_keeps(name):
    b = Builder(opset=21 if name == "16 bits" else 17)
    outputs = KEPT[name](b)
    unchanged(b.output(*([outputs] if isinstance(outputs, str) else outputs)), join_quantized)


@pytest.mark.parametrize("name", ["resnet18__qop", "mobilenet_v2__qop", "squeezenet1_1__int8", "efficientnet_b0__int8"])
def test_exported_network_is_an_island_of_bytes(name, monkeypatch):
    graph = exported(name, monkeypatch)
    passes.run(graph)
    found = ops(graph)
    assert "Conv" not in found and found.count("QLinearConv") >= 19
    assert found.count("QuantizeLinear") == 1
