"""QLinearConv of 3x3 windows through whole plans, whichever way they go, against the direct sum in integers."""
import numpy as np
import pytest

import cinfer
from cinfer import _ops
from cinfer.plan.kernels import conv_winograd_u8

from onnx_models import Model
from plan_cases import hold
from u8 import convolved, integers, requantised

LEVELS = _ops.usable_levels()
CASES = [  # images, in channels, out channels, h, w, (top, left, bottom, right)
    (1, 16, 16, 8, 8, (1, 1, 1, 1)), (2, 40, 24, 9, 13, (1, 1, 1, 1)), (1, 33, 50, 7, 30, (0, 0, 0, 0)),
    (3, 64, 17, 14, 14, (2, 1, 0, 2)), (1, 16, 32, 1, 1, (1, 1, 1, 1))]


@pytest.fixture(params=["direct_cost", "4", "2"])
def way(request, monkeypatch):
    """All convolutions by one way."""
    direct = request.param == "direct_cost"
    monkeypatch.setattr(conv_winograd_u8, "direct_cost", lambda *_: float(not direct))
    monkeypatch.setattr(conv_winograd_u8, "winograd_cost", lambda m, *_: float(str(m) != request.param))
    return "conv_u8" if direct else "winograd_u8"


def model(n, ic, oc, h, w, pads, *, x_zero=113, y_zero=130, bias=True, free=False):
    """(model, weights, bias, scale of the sums)"""
    m = Model()
    rng = np.random.default_rng(ic * oc + h)
    x = m.input("x", n, ic, h, w, dtype=np.uint8, declared=("n", ic, "h", "w") if free else None)
    weights = integers(rng, (oc, ic, 3, 3), -128, 127).astype(np.int8)
    scales = rng.uniform(.2, 1, oc).astype(np.float32) / np.float32(73 * 105 * np.sqrt(9 * ic))
    shift = integers(rng, oc, -99999, 99999).astype(np.int32) if bias else None
    one, zero = np.float32(1), np.zeros(oc, np.int8)
    y = m.QLinearConv(x, one, np.uint8(x_zero), weights, scales, zero, np.float32(1 / 64), np.uint8(y_zero), shift,
                      pads=list(pads))
    m.outputs(y, dtype=np.uint8)
    return m.bytes(), weights, np.zeros(oc, int) if shift is None else shift, one * scales / np.float32(1 / 64)


def kernels_of(session) -> set[str]:
    """Of which the weights were packed."""
    return {key[0].removeprefix("pack_") for key in session._packed._made if key[0].startswith("pack_")}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_the_same_bytes_by_each_way(level, case, way, bias):
    data, w, shift, scale = model(*case, bias=bias)
    *shape, pads = case
    x = np.random.default_rng(3).integers(0, 256, (shape[0], shape[1], *shape[3:]), np.uint8)
    sums = convolved(x, w, 113, (1, 1), (1, 1), pads) + shift[:, None, None]
    hold(data, {"x": x}, [requantised(sums, scale, 130)], f"{case} {way}", level)
    session = cinfer.load(data, isa=level)
    session.run(None, {"x": x})
    assert kernels_of(session) == {way}


@pytest.mark.parametrize("level", LEVELS)
def test_pictures_of_any_size(level):
    data, w, shift, scale = model(1, 32, 48, 8, 8, (1, 1, 1, 1), free=True)
    session = cinfer.load(data, isa=level)
    for shape in ((1, 32, 8, 8), (2, 32, 5, 9), (1, 32, 1, 1), (1, 32, 40, 41), (1, 32, 7, 33), (3, 32, 6, 6)):
        x = np.random.default_rng(3).integers(0, 256, shape, np.uint8)
        sums = convolved(x, w, 113, (1, 1), (1, 1), (1, 1, 1, 1)) + shift[:, None, None]
        np.testing.assert_array_equal(session.run(None, {"x": x})[0], requantised(sums, scale, 130), err_msg=str(shape))


def test_large_weights_are_kept_once_for_pictures_of_any_size():
    """Each of these sizes has its own best layout."""
    data, w, shift, scale = model(1, 250, 256, 8, 8, (1, 1, 1, 1), free=True)
    session = cinfer.load(data)
    for shape in ((1, 250, 1, 1), (1, 250, 6, 6), (1, 250, 13, 12)):
        x = np.random.default_rng(3).integers(0, 256, shape, np.uint8)
        sums = convolved(x, w, 113, (1, 1), (1, 1), (1, 1, 1, 1)) + shift[:, None, None]
        np.testing.assert_array_equal(session.run(None, {"x": x})[0], requantised(sums, scale, 130), err_msg=str(shape))
    assert [key[0] for key in session._packed._made if key[0].startswith("pack_")] == ["pack_winograd_u8"]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("beyond", [0, 1])
def test_sums_that_are_too_large_are_left_to_the_direct_way(sign, beyond, monkeypatch):
    """Of one channel that may reach 2^29 with its bias."""
    monkeypatch.setattr(conv_winograd_u8, "direct_cost", lambda *_: 1e9)
    m, w = Model(), np.full((16, 16, 3, 3), 0 if sign > 0 else 255, np.uint8)
    w[3] = 255 - w[3]
    zero = np.full(16, w[0, 0, 0, 0], np.uint8)
    bias = np.full(16, 100, np.int32)
    bias[3] = sign * (conv_winograd_u8.BOUND - 255 * 255 * 144 - 1 + beyond)
    one, scales = np.float32(1), np.full(16, 2.0 ** -22, np.float32)
    y = m.QLinearConv(m.input("x", 1, 16, 6, 6, dtype=np.uint8), one, np.uint8(0), w, scales, zero, one, np.uint8(128),
                      bias)
    m.outputs(y, dtype=np.uint8)
    session = cinfer.load(m.bytes())
    x = np.full((1, 16, 6, 6), 255, np.uint8)
    sums = convolved(x, w.astype(int) - int(zero[0]), 0, (1, 1), (1, 1), (0,) * 4) + bias[:, None, None]
    np.testing.assert_array_equal(session.run(None, {"x": x})[0], requantised(sums, scales, 128))
    assert kernels_of(session) == {"conv_u8" if beyond else "winograd_u8"}


def test_costs_choose_what_was_faster():
    """By tools/fit_costs.py: F(4x4,3x3) where there are pixels, F(2x2,3x3) where weights come from memory, the sums as
    they stand for a pixel, and more often where a step of theirs has quads."""
    def chosen(ic, size, dot_group=2):
        costs = {m: conv_winograd_u8.winograd_cost(m, 1, ic, ic, size, size) for m in (4, 2)}
        costs[0] = conv_winograd_u8.direct_cost(dot_group, 1, ic, ic, size, size)
        return min(costs, key=costs.get)
    layers = (16, 56), (64, 56), (256, 14), (512, 7), (512, 1)
    assert [chosen(*layer) for layer in layers] == [4, 4, 4, 2, 0]
    assert [chosen(*layer, dot_group=4) for layer in layers] == [0, 4, 4, 0, 0]
