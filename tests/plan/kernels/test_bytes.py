"""Pictures of bytes between other kernels: channels that move, pictures that are resized."""
import numpy as np
import pytest

import cinfer
from cinfer import _ops
from cinfer.model.graph import Node
from cinfer.plan.kernels import conv_transpose_u8, conv_winograd_u8, quantized
from cinfer.plan.views import U8

from onnx_models import Model, by_numpy
from windows import convolve

LEVELS = _ops.usable_levels()
X, Y = (np.float32(1 / 16), np.uint8(120)), (np.float32(1 / 8), np.uint8(90))     # with these ties are exact


def check(m: Model, isa: str, kernel: str, most_off: int = 0) -> None:
    """Means what NumPy says of the file, without NumPy's help, with the same bits for 1 and 2 threads."""
    data, bits = m.bytes(), []
    rng = np.random.default_rng(3)
    feeds = {name: rng.integers(0, 256, shape).astype(U8) for name, shape in m.shapes.items()}
    for threads in (1, 2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("cinfer.plan.plan.FEW_FLOPS", -1)
            session = cinfer.load(data, threads=threads, isa=isa)
            labels = [step.label for step in session._plan_for(None).steps]
            assert "numpy" not in labels and kernel in labels, labels
            bits.append(session.run(None, feeds))
    for one, two, wanted in zip(*bits, by_numpy(data, feeds)):
        assert one.tobytes() == two.tobytes()
        assert one.dtype == wanted.dtype and one.shape == wanted.shape
        off = np.abs(one.astype(int) - wanted.astype(int))
        assert off.max() <= most_off and (off > 0).mean() < .05


def picture(m: Model, name: str, c: int, h: int = 7, w: int = 9) -> str:
    """Bytes in blocks."""
    return m.MaxPool(m.input(name, 2, c, h, w, dtype=U8), kernel_shape=[2, 2], pads=[0, 0, 1, 1])


def closed(m: Model, *names: str) -> Model:
    return m.outputs(*(m.MaxPool(name, kernel_shape=[3, 3], pads=[1] * 4) for name in names), dtype=U8)


@pytest.mark.parametrize("isa", LEVELS)
def test_channels_move_between_lanes(isa):
    """Concat, Split, Slice and a shuffle that are not on borders of blocks."""
    m = Model(18)
    y = m.Concat(picture(m, "a", 5), picture(m, "b", 24), picture(m, "c", 16), axis=1)
    y = m.Gather(y, np.arange(45).reshape(5, 9).T.reshape(-1), axis=1)
    first, second = m.node("Split", y, np.array([20, 25]), n=2, axis=1)
    cut = m.Slice(second, np.array([3]), np.array([21]), np.array([1]))
    check(closed(m, first, cut), isa, "gather_channels_u8")


def test_plans_for_other_sizes_move_bytes_too():
    """Plans from the second size on are replayed: tables of addresses count bytes."""
    m = Model(18)
    parts = [m.MaxPool(m.input(name, 1, c, 5, 6, dtype=U8, declared=(1, c, "h", "w")), kernel_shape=[2, 2])
             for name, c in (("a", 5), ("b", 24))]
    y = m.Resize(m.Concat(*parts, axis=1), None, np.float32([1, 1, 2, 2]), mode="nearest")
    data = closed(m, y).bytes()
    session, rng = cinfer.load(data, threads=1), np.random.default_rng(5)
    for h, w in ((5, 6), (7, 9), (8, 5), (12, 30), (6, 6)):
        feeds = {name: rng.integers(0, 256, (1, c, h, w)).astype(U8) for name, c in (("a", 5), ("b", 24))}
        np.testing.assert_array_equal(session.run(None, feeds)[0], by_numpy(data, feeds)[0], f"{h} {w}")


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("how", [
    dict(nearest_mode="floor", coordinate_transformation_mode="asymmetric"), dict(nearest_mode="round_prefer_ceil"),
    dict(coordinate_transformation_mode="align_corners")], ids=str)
def test_nearest(isa, how):
    for sizes in ([14, 18], [3, 20], [7, 9]):
        m = Model(18)
        y = m.Resize(picture(m, "x", 19), None, None, np.array([2, 19, *sizes]), mode="nearest", **how)
        check(closed(m, y), isa, "max_pool_u8" if sizes == [7, 9] else "resize_u8")


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("scale", [X, Y], ids=["same scale", "other scale"])
@pytest.mark.parametrize("mode", ["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"])
def test_linear(isa, scale, mode):
    """But for the border between two bytes."""
    for sizes in ([14, 18], [3, 20], [7, 9]):
        m = Model(18)
        y = m.Resize(m.DequantizeLinear(picture(m, "x", 19), *X), None, None, np.array([2, 19, *sizes]), mode="linear",
                     coordinate_transformation_mode=mode)
        check(closed(m, m.QuantizeLinear(y, *scale)), isa, "resize_u8", most_off=1)


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("mode", ["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"])
def test_linear_of_bytes_themselves(isa, mode):
    """As quantisers write it that store operators: a Resize of bytes, which have no scale."""
    m = Model(18)
    made = [m.Resize(picture(m, f"x{sizes}", 19), None, None, np.array([2, 19, *sizes]), mode="linear",
                     coordinate_transformation_mode=mode) for sizes in ((14, 18), (5, 30), (7, 4), (21, 9))]
    check(closed(m, *made), isa, "resize_u8", most_off=1)      # NumPy mixes columns first, where a tie may turn


@pytest.mark.parametrize("isa", LEVELS)
def test_linear_of_int8_between_convolutions(isa):
    """As quantisers write it that store operators: nothing is converted on the way."""
    m, w = Model(18), Model(18).rng.integers(-128, 128, (19, 19, 1, 1)).astype(np.int8)
    at = np.float32(1 / 8), np.int8(-20)
    y = m.QLinearConv(picture(m, "x", 19), *X, w, np.float32(1 / 256), np.int8(0), *at)
    y = m.Resize(m.Resize(y, None, np.float32([1, 1, 2, 2]), mode="linear"), None, np.float32([1, 1, .5, 2]),
                 mode="linear", coordinate_transformation_mode="asymmetric")
    y = m.QLinearConv(y, *at, w, np.float32(1 / 256), np.int8(0), *Y)
    check(closed(m, y), isa, "resize_u8", most_off=1)
    labels = [step.label for step in cinfer.load(m.bytes(), threads=1, isa=isa)._plan_for(None).steps]
    assert labels == ["to_blocked_u8", "max_pool_u8", "conv_u8", "resize_u8", "resize_u8", "conv_u8", "max_pool_u8",
                      "from_blocked_u8"]


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("h, w, how", [
    (40, 40, {}), (40, 40, dict(strides=[40, 40])), (3, 300, dict(count_include_pad=1)), (4, 4, dict(strides=[2, 2]))])
def test_a_window_may_be_all_of_a_large_picture(isa, h, w, how):
    """Its sums are of more numbers than 16 bits hold, as of a GlobalAveragePool."""
    m = Model(18)
    y = m.AveragePool(m.DequantizeLinear(picture(m, "x", 19, h, w), *X), kernel_shape=[h, w], **how)
    check(m.outputs(m.QuantizeLinear(y, *Y), dtype=U8), isa, "global_pool_u8", most_off=1)


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("how", [
    dict(kernel_shape=[17, 16]), dict(kernel_shape=[9, 40], strides=[2, 1], pads=[4, 0, 4, 3]),
    dict(kernel_shape=[16, 17], pads=[3] * 4, count_include_pad=1)], ids=str)
def test_a_window_may_be_large(isa, how):
    """Its sums are of more numbers than 16 bits hold."""
    m = Model(18)
    y = m.AveragePool(m.DequantizeLinear(picture(m, "x", 19, 30, 41), *X), **how)
    check(m.outputs(m.QuantizeLinear(y, *Y), dtype=U8), isa, "average_pool_u8", most_off=1)


@pytest.mark.parametrize("isa", LEVELS)
def test_linear_of_free_sizes_by_fractions(isa):
    """Sizes that are rounded down are not known ahead; sessions of all levels give the same bytes."""
    m = Model(18)
    x = m.input("x", 1, 19, 5, 6, dtype=U8, declared=(1, 19, "h", "w"))
    y = m.Resize(m.DequantizeLinear(x, *X), None, np.float32([1, 1, 2, 1.5]), mode="linear")
    data = m.outputs(m.QuantizeLinear(y, *Y), dtype=U8).bytes()
    session, other = cinfer.load(data, threads=1, isa=isa), cinfer.load(data, threads=1, isa=LEVELS[0])
    rng = np.random.default_rng(5)
    for h, w in ((5, 6), (7, 9), (1, 1), (8, 5), (12, 30), (6, 6)):
        feeds = {"x": rng.integers(0, 256, (1, 19, h, w)).astype(U8)}
        got, wanted = session.run(None, feeds)[0], by_numpy(data, feeds)[0]
        assert got.tobytes() == other.run(None, feeds)[0].tobytes()
        assert np.abs(got.astype(int) - wanted).max() <= 1, f"{h} {w}"
    assert "resize_u8" in [step.label for step in session._plan_for({"x": (1, 19, 5, 6)}).steps]


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("k, strides, groups, how", [
    ((2, 2), (2, 2), 1, {}), ((4, 3), (2, 1), 1, dict(pads=[1, 1, 1, 1])),
    ((3, 3), (2, 2), 3, dict(auto_pad="SAME_UPPER")),
    ((3, 5), (3, 2), 1, dict(pads=[0, 2, 1, 0], output_padding=[1, 1])), ((1, 1), (1, 1), 1, {})], ids=str)
def test_transposed(isa, k, strides, groups, how):
    """But for the border between two bytes: a convolution for each phase, whose taps alone count the zero point."""
    m = Model(18)
    x, oc = picture(m, "x", 21), 22 if groups == 1 else 8
    w = m.rng.integers(-128, 128, (21, oc, *k)).astype(np.int8)
    scale = (2.0 ** m.rng.integers(-9, -6, oc)).astype(np.float32)
    bias = m.vector(oc * groups).round(2)
    y = m.ConvTranspose(m.DequantizeLinear(x, *X), m.DequantizeLinear(w, scale, np.zeros(oc, np.int8), axis=1), bias,
                        strides=strides, group=groups, **how)
    check(closed(m, m.QuantizeLinear(m.Relu(y), *Y)), isa, "conv_u8", most_off=1)


SIDE_BY_SIDE = {
    "a plane": (1, (2, 2), lambda m, y: y), "planes": (4, (3, 2), lambda m, y: m.Relu(y)),
    "by channel": (3, (1, 4), lambda m, y: m.PRelu(y, np.float32([.1, 2, -1]).reshape(3, 1, 1))),
    "a table": (2, (2, 2), lambda m, y: m.Sigmoid(m.DequantizeLinear(m.QuantizeLinear(y, *Y), *Y))),
    "along one axis": (2, (5,), lambda m, y: y)}


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("last", [False, True], ids=["planes", "channels last"])
@pytest.mark.parametrize("name", SIDE_BY_SIDE)
def test_windows_side_by_side_are_channels_of_one_step(monkeypatch, isa, name, last):
    """Where planes are wanted: the bytes that a convolution for each phase gives."""
    oc, k, behind = SIDE_BY_SIDE[name]
    m, sizes = Model(18), (6, 7)[2 - len(k):]
    x = m.MaxPool(m.input("x", 2, 21, *sizes, dtype=U8), kernel_shape=[1] * len(k))
    w = m.rng.integers(-128, 128, (21, oc, *k)).astype(np.int8)
    scale, zero = (2.0 ** m.rng.integers(-9, -6, oc)).astype(np.float32), m.rng.integers(-9, 9, oc).astype(np.int8)
    y = behind(m, m.ConvTranspose(m.DequantizeLinear(x, *X), m.DequantizeLinear(w, scale, zero, axis=1),
                                  m.vector(oc).round(2), strides=k))
    if last:
        y = m.Transpose(y, perm=[0, *range(2, 2 + len(k)), 1])
    check(m.outputs(m.QuantizeLinear(y, *Y), dtype=U8), isa, "from_blocked_u8", most_off=1)
    feeds, joined = {"x": np.random.default_rng(3).integers(0, 256, (2, 21, *sizes)).astype(U8)}, []
    emit = conv_transpose_u8.emit_joined
    monkeypatch.setattr(conv_transpose_u8, "emit_joined", lambda out, conv: joined.append(conv) or emit(out, conv))
    y = cinfer.load(m.bytes(), threads=2, isa=isa).run(None, feeds)[0]
    assert len(joined) == 1
    monkeypatch.setattr(conv_transpose_u8, "MOST_JOINED", 0)
    np.testing.assert_array_equal(y, cinfer.load(m.bytes(), threads=2, isa=isa).run(None, feeds)[0])
    assert len(joined) == 1


def test_transposed_of_one_axis_and_other_sizes():
    m = Model(18)
    x = m.input("x", 1, 5, 9, dtype=U8, declared=(1, 5, "w"))
    w = m.DequantizeLinear(m.rng.integers(0, 256, (5, 18, 4)).astype(U8), np.float32(1 / 64), np.uint8(128))
    y = m.ConvTranspose(m.DequantizeLinear(x, *X), w, strides=[2], pads=[1, 2])
    data = m.outputs(m.QuantizeLinear(y, *Y), dtype=U8).bytes()
    session, rng = cinfer.load(data, threads=1), np.random.default_rng(5)
    for w in (9, 30, 5, 17, 1, 9):
        feeds = dict(x=rng.integers(0, 256, (1, 5, w)).astype(U8))
        np.testing.assert_array_equal(session.run(None, feeds)[0], by_numpy(data, feeds)[0], f"{w}")
    assert "conv_u8" in [step.label for step in session._plan_for({"x": (1, 5, 9)}).steps]


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("op", ["Add", "Sub", "Mul"])
@pytest.mark.parametrize("shape", [(19, 1, 1), (2, 1, 7, 9), (1, 19, 7, 9), (9,), (2, 19, 1, 1)], ids=str)
def test_constants_beside_pictures(isa, op, shape):
    for inside in (picture, lambda m, *x: m.input("x", 2, 19, 7, 9, dtype=U8)):
        for first in (True, False):
            m = Model(18)
            x, k = inside(m, "x", 19), m.rng.integers(-128, 128, shape).astype(np.int8)
            operands = m.DequantizeLinear(x, *X), m.DequantizeLinear(k, np.float32(1 / 32), np.int8(-3))
            y = m.QuantizeLinear(m.node(op, *operands[::1 if first else -1]), *Y)
            check(m.outputs(y, dtype=U8), isa, "zip_u8")


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("a, b", [((50, 70), (50, 70)), ((50, 70), (70,)), ((50, 1), (50, 70)), ((2, 3, 5, 7, 11),) * 2,
                                  ((2, 3, 5, 7, 11), (2, 3, 1, 1, 1)), ((2000,), (2000,)), ((3, 197, 12), (1, 1, 12))],
                         ids=str)
def test_rows_of_bytes(isa, a, b):
    m = Model(18)
    x, y = (m.DequantizeLinear(m.input(name, *shape, dtype=U8), *at) for name, shape, at in (("x", a, X), ("y", b, Y)))
    check(m.outputs(m.QuantizeLinear(m.Sub(x, y), *Y), dtype=U8), isa, "zip_u8")


def volume(m: Model, name: str, c: int) -> str:
    return m.MaxPool(m.input(name, 2, c, 5, 6, 7, dtype=U8), kernel_shape=[2, 2, 1], pads=[0, 1, 0, 1, 0, 0])


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("c, oc, k, how", [
    (3, 20, (3, 3, 3), dict(pads=[1] * 6)), (33, 40, (3, 3, 3), dict(pads=[1] * 6)),
    (20, 33, (2, 3, 3), dict(pads=[1, 1, 0, 2, 1, 1], dilations=[2, 1, 1])),
    (19, 16, (3, 1, 1), dict(pads=[1, 0, 0, 1, 0, 0], strides=[2, 1, 1])),
    (16, 5, (1, 3, 3), dict(pads=[0, 1, 1] * 2, strides=[1, 2, 2])), (5, 24, (2, 1, 2), dict(dilations=[2, 1, 1])),
    (17, 17, (1, 1, 1), {})], ids=str)
def test_convolutions_of_volumes(isa, c, oc, k, how):
    m = Model(18)
    w = m.DequantizeLinear(m.rng.integers(-128, 128, (oc, c, *k)).astype(np.int8), np.float32(1 / 128), np.int8(3))
    y = m.Conv(m.DequantizeLinear(volume(m, "x", c), *X), w, m.vector(oc).round(2), **how)
    y = m.QuantizeLinear(m.Relu(y), *Y)
    in_patches = k[1:] == (3, 3) and c > 16 and _ops.table(isa).dot_group < 64
    check(m.outputs(m.MaxPool(y, kernel_shape=[1, 1, 1]), dtype=U8), isa, "winograd_u8" if in_patches else "conv_u8",
          most_off=1)


@pytest.mark.parametrize("isa", LEVELS)
def test_volumes_between_convolutions(isa):
    """Sums, products by channels, averages, parts side by side: exact but for averages."""
    m = Model(18)
    a, b = (m.DequantizeLinear(volume(m, name, 20), *X) for name in "ab")
    total = m.QuantizeLinear(m.Add(a, b), *Y)
    scaled = m.QuantizeLinear(m.Mul(m.DequantizeLinear(total, *Y), m.DequantizeLinear(
        m.rng.integers(0, 256, (1, 20, 1, 1, 1)).astype(U8), *X)), *Y)
    both = m.QuantizeLinear(m.Concat(m.DequantizeLinear(scaled, *Y), a, axis=1), *Y)
    mean = m.AveragePool(m.DequantizeLinear(both, *Y), kernel_shape=[3, 2, 2], pads=[1, 0, 1, 1, 1, 0])
    whole = m.GlobalAveragePool(m.DequantizeLinear(both, *Y))
    check(m.outputs(total, scaled, both, m.QuantizeLinear(mean, *Y), m.QuantizeLinear(whole, *Y), dtype=U8), isa,
          "global_pool_u8", most_off=1)


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("op", ["Add", "Mul"])
@pytest.mark.parametrize("shape", [(2, 20, 1, 1, 1), (1, 20, 5, 6, 7), (2, 1, 5, 1, 7), (2, 20, 1, 6, 7),
                                   (1, 1, 5, 6, 1), (20, 1, 1, 1), (7,)], ids=str)
def test_operands_that_are_broadcast_in_volumes(isa, op, shape):
    m = Model(18)
    a, b = m.DequantizeLinear(volume(m, "a", 20), *X), m.DequantizeLinear(m.input("b", *shape, dtype=U8), *Y)
    y = m.QuantizeLinear(m.node(op, a, b), *Y), m.QuantizeLinear(m.node(op, b, a), *X)
    check(m.outputs(*y, dtype=U8), isa, "zip_u8")


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("mode", ["constant", "reflect", "edge"])
@pytest.mark.parametrize("before, after", [((0, 0, 1, 2, 0), (0, 0, 2, 0, 3)), ((0, 0, 0, 1, 1), (0, 0, 0, 0, 2)),
                                           ((1, 0, 2, 0, 1), (2, 0, 0, 1, 0)), ((0, 9, 0, 1, 0), (0, 4, 0, 0, 2)),
                                           ((1, 3, 0, 0, 1), (0, 0, 0, 0, 0))], ids=str)
def test_pad_of_volumes(isa, mode, before, after):
    if mode != "constant" and any(before[:2] + after[:2]):
        return
    for scale in X, Y:
        m = Model(18)
        x = m.DequantizeLinear(volume(m, "x", 19), *X)
        y = m.Pad(x, np.array([*before, *after]), *[np.float32(1 / 16)] * (mode == "constant"), mode=mode)
        y = m.MaxPool(m.QuantizeLinear(y, *scale), kernel_shape=[1, 2, 2])
        check(m.outputs(y, dtype=U8), isa, "gather_channels_u8" if before[1] else "map")


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("sizes", [(5, 12, 14), (8, 6, 7), (3, 9, 5), (9, 3, 20), (2, 6, 14)], ids=str)
def test_nearest_of_volumes(isa, sizes):
    m = Model(18)
    x, size = volume(m, "x", 19), np.array([2, 19, *sizes])
    y = m.Resize(x, None, None, size, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    z = m.Resize(m.DequantizeLinear(x, *X), None, None, np.array([2, 19, 5, *sizes[1:]]), mode="linear")
    check(m.outputs(m.MaxPool(y, kernel_shape=[2, 2, 2]), m.QuantizeLinear(z, *Y), dtype=U8), isa, "resize_u8", 1)


def test_volumes_of_other_sizes():
    """Plans from the second size on are replayed."""
    m = Model(18)
    x = m.DequantizeLinear(m.input("x", 1, 20, 4, 5, 6, dtype=U8, declared=("n", 20, "d", "h", "w")), *X)
    w = m.DequantizeLinear(m.rng.integers(-9, 10, (20, 5, 3, 3, 3)).astype(np.int8), np.float32(1 / 64), np.int8(0))
    y = m.DequantizeLinear(m.QuantizeLinear(m.Conv(x, w, group=4, pads=[1] * 6), *Y), *Y)
    u = m.DequantizeLinear(m.rng.integers(-9, 10, (20, 1, 2, 3, 2)).astype(np.int8), np.float32(1 / 64), np.int8(0))
    z = m.DequantizeLinear(m.QuantizeLinear(m.Add(m.Conv(y, u, group=20, pads=[1, 1, 0, 0, 1, 1]), y), *Y), *Y)
    v = m.DequantizeLinear(m.rng.integers(-9, 10, (20, 3, 3, 1, 2)).astype(np.int8), np.float32(1 / 64), np.int8(0))
    t = m.ConvTranspose(z, v, group=4, strides=[2, 2, 1], dilations=[1, 1, 2])
    t = m.DequantizeLinear(m.QuantizeLinear(t, *Y), *Y)
    t = m.Resize(m.Pad(t, np.array([0, 0, 1, 0, 1, 0, 0, 0, 2, 0])), None, np.float32([1, 1, 2, 2, 1]), mode="nearest")
    data = m.outputs(m.QuantizeLinear(t, *Y), dtype=U8).bytes()
    session, rng = cinfer.load(data, threads=1), np.random.default_rng(5)
    for n, *sizes in ((1, 4, 5, 6), (2, 2, 7, 9), (1, 1, 1, 1), (3, 5, 4, 12), (1, 4, 5, 6), (2, 2, 7, 9)):
        feeds = {"x": rng.integers(0, 256, (n, 20, *sizes)).astype(U8)}
        np.testing.assert_array_equal(session.run(None, feeds)[0], by_numpy(data, feeds)[0], f"{n} {sizes}")
        assert "numpy" not in {step.label for step in session._plan_for({"x": (n, 20, *sizes)}).steps}


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("mode", ["constant", "reflect", "edge"])
@pytest.mark.parametrize("pads", [(2, 1, 0, 3), (0, 0, 1, 0)], ids=str)
def test_pad(isa, mode, pads):
    for scale in X, Y:
        m = Model(18)
        top, left, bottom, right = pads
        x = m.DequantizeLinear(picture(m, "x", 19), *X)
        y = m.Pad(x, np.array([0, 0, top, left, 0, 0, bottom, right]), *[np.float32(1 / 16)] * (mode == "constant"),
                  mode=mode)
        y = m.QuantizeLinear(y, *scale)
        check(closed(m, y), isa, "map")


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("pads", [(0, 9, 0, 0, 0, 4, 0, 0), (0, 0, 1, 2, 0, 13, 0, 1), (1, 3, 0, 1, 2, 0, 2, 0),
                                  (0, 16, 0, 0, 1, 0, 0, 0)], ids=str)
@pytest.mark.parametrize("c", [3, 24, 32])
def test_pad_of_channels_and_pictures(isa, pads, c):
    m = Model(18)
    x = m.DequantizeLinear(picture(m, "x", c), *X)
    check(closed(m, m.QuantizeLinear(m.Pad(x, np.array(pads), np.float32(1 / 16)), *Y)), isa, "gather_channels_u8")


@pytest.mark.parametrize("isa", LEVELS)
def test_a_shortcut_gets_more_channels(isa):
    """As MediaPipe's networks have it, all in bytes: one convolution with the sum behind it, a pool, a pad."""
    m = Model(18)
    x = m.DequantizeLinear(picture(m, "x", 24, 8, 8), *X)
    shortcut = m.MaxPool(x, kernel_shape=[2, 2], strides=[2, 2])
    shortcut = m.Pad(m.DequantizeLinear(m.QuantizeLinear(shortcut, *X), *X), np.array([0] * 5 + [4, 0, 0]))
    w = m.DequantizeLinear(m.rng.integers(-128, 128, (28, 24, 2, 2)).astype(np.int8), np.float32(1 / 256), np.int8(0))
    y = m.DequantizeLinear(m.QuantizeLinear(m.Conv(x, w, strides=[2, 2]), *Y), *Y)
    shortcut = m.DequantizeLinear(m.QuantizeLinear(shortcut, *X), *X)
    check(closed(m, m.QuantizeLinear(m.Relu(m.Add(y, shortcut)), *Y)), isa, "gather_channels_u8")


def convolved(m: Model, k: int, groups: int, transposed: bool) -> str:
    x = m.DequantizeLinear(picture(m, "x", 24), *X)
    shape = (24, 40 // groups, k, k) if transposed else (40, 24 // groups, k, k)
    w = m.DequantizeLinear(m.rng.integers(-128, 128, shape).astype(np.int8), np.float32(1 / 256), np.int8(0))
    operator = m.ConvTranspose if transposed else m.Conv
    return operator(x, w, group=groups, **(dict(strides=[k, k]) if transposed else dict(pads=[k // 2] * 4)))


ACTIVATIONS = {
    "LeakyRelu": lambda m, y: m.LeakyRelu(y, alpha=.125),
    "PRelu": lambda m, y: m.PRelu(y, (np.arange(40, dtype=np.float32) / 32 - .25).reshape(40, 1, 1)),
    "HardSwish": lambda m, y: m.HardSwish(y), "SiLU": lambda m, y: m.Mul(y, m.Sigmoid(y)),
    "Tanh": lambda m, y: m.Tanh(y)}


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("k, groups, transposed", [
    (1, 1, False), (3, 1, False), (3, 8, False), (2, 1, True), (2, 2, True)])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_of_sums_are_part_of_a_convolution(isa, name, k, groups, transposed, monkeypatch):
    """Slopes are exact; of functions, floats may lie on the other side of a half. Windows of 3x3 by each way, whichever
    is the faster one at a level."""
    m = Model(18)
    data = closed(m, m.QuantizeLinear(ACTIVATIONS[name](m, convolved(m, k, groups, transposed)), *Y))
    for kernel, cost in (("conv_u8", 0.0), ("winograd_u8", 1e9)) if k == 3 and groups == 1 else (("conv_u8", 0.0),):
        monkeypatch.setattr(conv_winograd_u8, "direct_cost", lambda *_, cost=cost: cost)
        check(data, isa, kernel, most_off=int("Relu" not in name))
        labels = [step.label for step in cinfer.load(m.bytes(), threads=1, isa=isa)._plan_for(None).steps]
        assert not {"map", "look_up_u8", "conv", "quantize_blocked"} & set(labels), labels


def test_a_convolution_takes_the_padding():
    m = Model(18)
    x = m.DequantizeLinear(m.input("x", 2, 19, 8, 9, dtype=U8), *X)
    x = m.DequantizeLinear(m.QuantizeLinear(m.Pad(x, np.array([0, 0, 1, 0, 0, 0, 0, 2])), *X), *X)
    w = m.DequantizeLinear(m.rng.integers(-128, 128, (5, 19, 3, 3)).astype(np.int8), np.float32(1 / 128), np.int8(0))
    m.outputs(m.QuantizeLinear(m.Conv(x, w), *Y), dtype=U8)
    check(m, LEVELS[-1], "conv_u8")
    labels = [step.label for step in cinfer.load(m.bytes(), threads=1)._plan_for(None).steps]
    assert labels == ["to_blocked_u8", "conv_u8", "from_blocked_u8"]


@pytest.mark.parametrize("spelled", ["QOperator", "QDQ", "read again"])
def test_int8_at_the_ends_of_a_graph(spelled):
    """As networks of integers alone have it: sums near a tie are rounded as integers are, at all levels alike."""
    S8, near = np.int8, 0
    for seed in range(12):
        m = Model(18)
        rng = np.random.default_rng(seed)
        sx, sw, sy = rng.uniform(.005, .1, 3).astype(np.float32) * np.float32([1, 1, 60])
        zx, zy = rng.integers(-128, 128, 2).astype(S8)
        w = rng.integers(-127, 128, (24, 30, 3, 3)).astype(S8)
        x = m.input("x", 1, 30, 12, 12, dtype=S8)
        if spelled == "QOperator":
            y = m.QLinearConv(x, sx, zx, w, sw, S8(0), sy, zy, pads=[1] * 4)
        else:
            y = m.Conv(m.DequantizeLinear(x, sx, zx), m.DequantizeLinear(w, sw, S8(0)), pads=[1] * 4)
            y = m.QuantizeLinear(y, sy, zy)
        more = []
        if spelled == "read again":
            again = m.Conv(m.DequantizeLinear(y, sy, zy), m.DequantizeLinear(w[:, :24], sw, S8(0)))
            more = [m.QuantizeLinear(m.Relu(again), sy, S8(-128))]
        data = m.outputs(y, *more, dtype=S8).bytes()
        feeds = {"x": rng.integers(-128, 128, (1, 30, 12, 12)).astype(S8)}
        sums = convolve(feeds["x"].astype(float) - zx, w.astype(float), np.zeros(24), 1, [1, 1], [1, 1], [1] * 4)
        sums = np.rint(sums)
        real = sums.astype(np.float32) * (sx * sw / sy)
        near += int((np.abs(np.abs(real - np.rint(real)) - .5) < 1e-5).sum())
        wanted = np.clip(np.rint(real) + zy, -128, 127).astype(S8)
        found = []
        for isa in LEVELS:
            session = cinfer.load(data, threads=2, isa=isa)
            assert {"conv_u8", "winograd_u8"} & {step.label for step in session._plan_for(None).steps}
            found.append(session.run(None, feeds))
            np.testing.assert_array_equal(found[-1][0], wanted)
            assert all(a.tobytes() == b.tobytes() for a, b in zip(found[0], found[-1]))
    assert near > 0


def by_window(m: Model, x: str, oc: int = 24, ic: int = 20, **how) -> str:
    w = m.rng.integers(-127, 128, (oc, ic // how.get("group", 1), 3, 3)).astype(np.int8)
    return m.Conv(x, m.DequantizeLinear(w, np.float32(1 / 256), np.int8(0)), pads=[1] * 4, **how)


# of pictures of 20 channels; what is converted besides tops, for int8
ENDS = {
    "conv": lambda m, x, z: by_window(m, x),
    "few channels": lambda m, x, z: by_window(m, m.Slice(x, np.array([0]), np.array([3]), np.array([1])), ic=3),
    "depthwise": lambda m, x, z: by_window(m, x, 20, group=20),
    "with limits": lambda m, x, z: m.Clip(by_window(m, x), np.float32(-1), np.float32(6)),
    "SiLU": lambda m, x, z: m.Mul(y := by_window(m, x), m.Sigmoid(y)),
    "channels last": lambda m, x, z: m.Transpose(by_window(m, m.Transpose(x, perm=[0, 3, 1, 2]), ic=9),
                                                 perm=[0, 2, 3, 1]),
    "add": lambda m, x, z: m.Add(x, z),
    "product and limits": lambda m, x, z: m.Relu(m.Mul(x, m.GlobalAveragePool(z))),
    "concat": lambda m, x, z: m.Concat(x, z, axis=1),
    "max pool": lambda m, x, z: m.MaxPool(x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4),
    "average pool": lambda m, x, z: m.AveragePool(x, kernel_shape=[2, 2], strides=[2, 2]),
    "mean": lambda m, x, z: m.GlobalAveragePool(x),
    "linear": lambda m, x, z: m.Resize(x, None, np.float32([1, 1, 2, 2]), mode="linear"),
    "nearest": lambda m, x, z: m.Resize(x, None, np.float32([1, 1, 2, 2]), mode="nearest"),
    "pad": lambda m, x, z: m.Pad(x, np.array([0, 0, 1, 2, 0, 3, 0, 1])),
    "depth": lambda m, x, z: m.DepthToSpace(x, blocksize=2),
    "a function": lambda m, x, z: m.Mul(x, m.HardSigmoid(x)),
    "rows": lambda m, x, z: m.Add(*(m.Reshape(each, np.array([40, -1])) for each in (x, z))),
}


def ends(dtype, name: str) -> bytes:
    def zero(number: int):
        return dtype(number - (dtype is np.int8) * 128)
    m = Model(18)
    x, z = (m.DequantizeLinear(m.input(each, 2, 20, 8, 9, dtype=dtype), np.float32(scale), zero(at))
            for each, scale, at in (("x", 1 / 16, 120), ("z", 1 / 8, 90)))
    y = m.QuantizeLinear(ENDS[name](m, x, z), np.float32(1 / 8), zero(30))
    return m.outputs(y, dtype=dtype).bytes()


@pytest.mark.parametrize("name", ENDS)
def test_int8_at_the_ends_is_computed_as_uint8(name):
    """In the same steps, but for those that change the top bit; the bytes are 128 less, at all levels."""
    feeds = {each: np.random.default_rng(1).integers(0, 256, (2, 20, 8, 9)).astype(U8) for each in "xz"}
    found = set()
    for isa in LEVELS:
        unsigned, signed = (cinfer.load(ends(dtype, name), threads=2, isa=isa) for dtype in (np.uint8, np.int8))
        wanted = unsigned.run(None, feeds)[0]
        y = signed.run(None, {each: (x ^ 128).view(np.int8) for each, x in feeds.items()})[0]
        assert y.dtype == np.int8
        np.testing.assert_array_equal(y.view(U8) ^ 128, wanted)
        labels, more = ([step.label for step in session._plan_for(None).steps] for session in (unsigned, signed))
        for label in labels:
            if label in more:
                more.remove(label)
        assert len(more) <= 3 and set(more) <= {"arithmetic", "look_up_u8", "from_blocked_u8"}, (labels, more)
        found.add(y.tobytes())
    assert len(found) == 1


SEEN = {
    "conv": lambda m, x, z: by_window(m, x),
    "depthwise": lambda m, x, z: by_window(m, x, 20, group=20),
    "added to floats": lambda m, x, z: m.Relu(m.Add(by_window(m, x, 20), z)),
    "a function": lambda m, x, z: m.Sigmoid(by_window(m, x)),
    "of several readers": lambda m, x, z: m.Add(m.Softmax(y := by_window(m, x), axis=1), m.Tanh(y)),
}


@pytest.mark.parametrize("dtype", [np.uint8, np.int8], ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("name", SEEN)
def test_sums_that_are_seen_as_floats_are_of_integers(name, dtype):
    m = Model(18)
    x = m.DequantizeLinear(m.input("x", 2, 20, 8, 9, dtype=dtype), np.float32(.1), dtype(100))
    data = m.outputs(SEEN[name](m, x, m.input("z", 2, 20, 8, 9))).bytes()
    rng = np.random.default_rng(1)
    feeds = {"x": rng.integers(0, 256, (2, 20, 8, 9)).astype(dtype)}
    if name == "added to floats":
        feeds["z"] = rng.normal(size=(2, 20, 8, 9)).astype(np.float32)
    (wanted,), found = by_numpy(data, {"z": np.zeros((2, 20, 8, 9), np.float32), **feeds}), set()
    for isa in LEVELS:
        session = cinfer.load(data, threads=2, isa=isa)
        y = session.run(None, {each.name: feeds.get(each.name, np.zeros((2, 20, 8, 9), np.float32))
                               for each in session.inputs})[0]
        np.testing.assert_allclose(y, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())
        assert {"conv_u8", "depthwise_u8", "winograd_u8"} & {step.label for step in session._plan_for(None).steps}
        assert not any(group["operator"] == "Conv" for group in session.integers()["in_float"])
        found.add(y.tobytes())
    assert len(found) == 1 or name in ("a function", "of several readers")    # of the level's own exp


MOVES = {
    "resized": lambda m, x: m.Resize(x, None, np.float32([1, 1, 2, 3]), mode="nearest"),
    "padded": lambda m, x: m.Pad(x, np.array([0, 0, 1, 2, 0, 3, 0, 1]), np.int8(-7)),
    "padded at edges": lambda m, x: m.Pad(x, np.array([0, 0, 1, 2, 0, 0, 0, 1]), mode="edge"),
    "depth to space": lambda m, x: m.DepthToSpace(x, blocksize=2),
    "space to depth": lambda m, x: m.SpaceToDepth(x, blocksize=2),
    "joined": lambda m, x: m.Concat(x, x, axis=1),
    "cut": lambda m, x: m.Slice(x, np.array([3]), np.array([17]), np.array([1])),
    "the largest": lambda m, x: m.MaxPool(x, kernel_shape=[3, 3], pads=[1] * 4),
    "mixed": lambda m, x: m.Resize(x, None, np.float32([1, 1, 2, 4]), mode="linear"),       # by weights that are exact
    "mixed of few": lambda m, x: m.Resize(x, None, np.float32([1, 1, .5, .25]), mode="linear"),
}


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("blocked", [False, True], ids=["plain", "in blocks"])
@pytest.mark.parametrize("name", MOVES)
def test_int8_is_moved_by_kernels(name, blocked, isa):
    m, S8 = Model(18), np.int8
    x = m.input("x", 2, 20, 8, 10, dtype=S8)
    outputs = [x]
    if blocked:                             # and an output, so that it is no uint8
        y = by_window(m, m.DequantizeLinear(x, np.float32(1 / 16), S8(3)))
        outputs = [m.QuantizeLinear(m.Clip(y, np.float32(-2), np.float32(2)), np.float32(1 / 4), S8(-9))]
    data = m.outputs(*outputs[:blocked], MOVES[name](m, outputs[0]), dtype=S8).bytes()
    feeds = {"x": np.random.default_rng(1).integers(-128, 128, (2, 20, 8, 10)).astype(S8)}
    session = cinfer.load(data, threads=2, isa=isa)
    for found, wanted in zip(session.run(None, feeds), by_numpy(data, feeds)):
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)
    assert "numpy" not in {step.label for step in session._plan_for(None).steps}


def test_what_ends_as_another_order_of_axes_is_written_in_place():
    """Without a copy of the output: bytes beside a Transpose, and products of matrices."""
    m, S8, at = Model(18), np.int8, (np.float32(1 / 4), np.int8(3))
    y = m.QuantizeLinear(by_window(m, m.DequantizeLinear(m.input("x", 2, 20, 8, 9, dtype=S8), *at)), *at)
    p = m.MatMul(m.input("a", 2, 3, 5, 8), m.input("b", 2, 3, 8, 16))
    data = m.outputs(m.Transpose(y, perm=[0, 2, 3, 1]), dtype=S8).outputs(m.Transpose(p, perm=[0, 2, 1, 3])).bytes()
    session, rng = cinfer.load(data, threads=1), np.random.default_rng(2)
    feeds = {"x": rng.integers(-128, 128, (2, 20, 8, 9)).astype(S8),
             **{each: rng.normal(size=m.shapes[each]).astype(np.float32) for each in "ab"}}
    for found, wanted in zip(session.run(None, feeds), by_numpy(data, feeds)):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    assert not {"convert", "map"} & {step.label for step in session._plan_for(None).steps}


@pytest.mark.parametrize("how", ["MatMul", "Gemm", "by another input"])
def test_matrices_of_int8_at_the_ends_of_a_graph_stay_as_they_are(how):
    """They are multiplied as int8: nothing is converted before or behind."""
    m, S8 = Model(18), np.int8
    w, bias = m.rng.integers(-127, 128, (40, 24)).astype(S8), m.rng.integers(-9999, 9999, 24).astype(np.int32)
    sx, sw, sy = np.float32([1 / 32, 1 / 64, 1 / 2])
    x = m.DequantizeLinear(m.input("x", 9, 40, dtype=S8), sx, S8(5))
    b = m.DequantizeLinear(m.input("w", 40, 24, dtype=S8) if how == "by another input" else w, sw, S8(0))
    if how == "Gemm":
        y = m.Gemm(x, b, m.DequantizeLinear(bias, sx * sw))
    else:
        y, bias = m.MatMul(x, b), 0
    data = m.outputs(m.QuantizeLinear(y, sy, S8(-3)), dtype=S8).bytes()
    feeds = {"x": m.rng.integers(-128, 128, (9, 40)).astype(S8)}
    wanted = ((feeds["x"].astype(float) - 5) @ w + bias) * (sx * sw / sy)       # by powers of two: exact
    wanted = np.clip(np.rint(wanted) - 3, -128, 127).astype(S8)
    if how == "by another input":
        feeds["w"] = w
    for isa in LEVELS:
        session = cinfer.load(data, threads=2, isa=isa)
        np.testing.assert_array_equal(session.run(None, feeds)[0], wanted)
        labels = {step.label for step in session._plan_for({name: a.shape for name, a in feeds.items()}).steps}
        assert labels <= {"gemm_u8", "pack_gemm_u8"}, labels


def stem(m: Model, x: str, ic: int = 3, **how) -> str:
    """The first convolution of a network."""
    w = m.rng.integers(-128, 128, (20, ic, 3, 3)).astype(np.int8)
    how = dict(dict(pads=[1] * 4, strides=[2, 2]), **how)
    return m.QLinearConv(x, *X, w, np.float32(1 / 64), np.int8(0), *Y, **how)


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("of", ["planes", "8 planes", "pixels", "a part", "one plane three times", "blocks",
                                "blocks, too"])
def test_few_channels_are_read_where_they_are(isa, of):
    m, ic = Model(18), 3
    if of == "pixels":
        x = m.Transpose(m.input("x", 2, 11, 13, 3, dtype=U8), perm=[0, 3, 1, 2])
    elif of == "a part":
        x = m.Slice(m.input("x", 2, 4, 13, 14, dtype=U8), np.array([1, 12, 2]), np.array([4, -14, 13]),
                    np.array([1, 2, 3]), np.array([1, -1, 3]))
    elif of == "one plane three times":
        x = m.Expand(m.input("x", 2, 1, 13, 14, dtype=U8), np.array([2, 3, 13, 14]))
    elif of == "8 planes":
        ic, x = 8, m.input("x", 2, 8, 11, 33, dtype=U8)
    else:
        x = picture(m, "x", 3) if of == "blocks" else m.input("x", 2, 3, 11, 13, dtype=U8)
    y = stem(m, x, ic)
    others = [m.MaxPool(x, kernel_shape=[2, 2])] if of == "blocks, too" else []
    m = closed(m, y, *others)
    check(m, isa, "conv_u8")
    session = cinfer.load(m.bytes(), threads=1, isa=isa)
    labels = [step.label for step in session._plan_for(None).steps]
    if session._table.runs_u8(3, 3, 1) and of not in ("blocks", "blocks, too"):
        assert not {"to_blocked_u8", "map", "move"} & set(labels), labels


@pytest.mark.parametrize("isa", LEVELS)
def test_a_picture_is_quantised_for_a_stem(isa):
    """As planes, whatever sizes come in a session; NaN and infinities have their bytes."""
    for rank, how in ((4, {}), (3, dict(pads=[1, 1], strides=[2]))):
        m = Model(18)
        sizes = (2, 3, 21, 18)[:rank]
        x = m.input("x", *sizes, declared=(2, 3, "h", "w")[:rank])
        w = m.rng.integers(-128, 128, (20, 3, *(3,) * (rank - 2))).astype(np.int8)
        y = m.QLinearConv(m.QuantizeLinear(x, *X), *X, w, np.float32(1 / 64), np.int8(0), *Y,
                          **dict(dict(pads=[1] * 4, strides=[2, 2]), **how))
        data = m.outputs(m.DequantizeLinear(y, *Y)).bytes()
        session = cinfer.load(data, threads=2, isa=isa)
        for h, w in ((21, 18), (5, 40), (33, 3), (21, 18)):
            x = (m.rng.integers(-99, 999, (2, 3, h, w)[:rank]) / 32).astype(np.float32)
            x.flat[::9] = m.rng.choice([np.nan, np.inf, -np.inf, 1e30], x.flat[::9].shape)
            x[np.isnan(x)] = -1e9               # of what NaN becomes, the standard says nothing
            np.testing.assert_array_equal(session.run(None, {"x": x})[0], by_numpy(data, {"x": x})[0])
        labels = [step.label for step in session._plan_for({"x": (2, 3, 21, 18)[:rank]}).steps]
        assert ("quantize_blocked" in labels) != session._table.runs_u8(3, 3, 1), labels


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_squares_of_pixels(isa, mode):
    for inside in (picture, lambda m, *x: m.input("x", 2, 36, 8, 6, dtype=U8)):
        m = Model(18)
        y = m.DepthToSpace(m.DequantizeLinear(inside(m, "x", 36, 9, 7), *X), blocksize=3, mode=mode)
        check(m.outputs(m.QuantizeLinear(y, *Y), dtype=U8), isa, "look_up_u8")
    m = Model(18)
    y = m.SpaceToDepth(m.DequantizeLinear(m.input("x", 2, 5, 8, 6, dtype=U8), *X), blocksize=2)
    check(m.outputs(m.QuantizeLinear(y, *Y), dtype=U8), isa, "look_up_u8")


@pytest.mark.parametrize("groups", [1, 8])
@pytest.mark.parametrize("how", [dict(dilations=[10 ** 6] * 2, pads=[10 ** 6] * 4), dict(strides=[2 ** 31] * 2),
                                 dict(strides=[1, 2 ** 40])], ids=["dilations", "strides", "a stride"])
def test_windows_that_lie_far_apart_need_no_memory_between_them(how, groups):
    """What lies between taps and between windows is not copied, not even reserved."""
    m = Model(18)
    w = np.random.default_rng(1).integers(-128, 128, (8, 8 // groups, 3, 3)).astype(np.int8)
    x = m.input("x", 1, 8, 6, 7, dtype=U8)
    y = m.QLinearConv(x, *X, w, np.float32(1 / 64), np.int8(0), *Y, group=groups, **how)
    data = m.outputs(y, dtype=U8).bytes()
    feeds = {"x": np.random.default_rng(2).integers(0, 256, (1, 8, 6, 7)).astype(U8)}
    numbers = (feeds["x"].astype(np.float64) - X[1]) * X[0]
    if "dilations" in how:                      # only the tap in the middle lies inside
        wanted = convolve(numbers, w[:, :, 1:2, 1:2] / 64, np.zeros(8), groups, [1, 1], [1, 1], [0] * 4)
    else:
        wanted = convolve(numbers, w / 64, np.zeros(8), groups, how["strides"], [1, 1], [0] * 4)
    wanted = np.clip(np.rint(wanted / Y[0]) + Y[1], 0, 255)
    np.testing.assert_array_equal(cinfer.load(data, threads=1).run(None, feeds)[0], wanted)


@pytest.mark.parametrize("isa", LEVELS)
def test_channels_without_weight_whose_bias_fills_an_int32(isa):
    """As onnxruntime's quantiser writes dead channels: whatever the sum is, it is rounded to one byte."""
    rng, oc = np.random.default_rng(8), 20
    m = Model(18)
    w = rng.integers(-127, 128, (oc, 24, 1, 1)).astype(np.int8)
    w_scale, bias = np.full(oc, 2.0 ** -10, np.float32), rng.integers(-999, 999, oc).astype(np.int32)
    w_scale[[3, 17]], bias[[3, 17]] = 1e-9, (-2147268898, 2147268898)
    y = m.QLinearConv(picture(m, "x", 24), *X, w, w_scale, np.int8(0), *Y, bias)
    check(closed(m, y), isa, "conv_u8")


def test_sums_that_pass_int32_and_count():
    """Where the bytes depend on them the bias is left as it is, and NumPy does it."""
    m = Model(18)
    w, bias = np.full((16, 24, 1, 1), 127, np.int8), np.full(16, -2147268898, np.int32)
    y = m.QLinearConv(picture(m, "x", 24), *X, w, np.full(16, 2.0 ** -17, np.float32), np.int8(0), np.float32(1),
                      np.uint8(255), bias)
    data = m.outputs(y, dtype=U8).bytes()
    feeds = {name: np.random.default_rng(1).integers(0, 256, shape).astype(U8) for name, shape in m.shapes.items()}
    np.testing.assert_array_equal(cinfer.load(data).run(None, feeds)[0], by_numpy(data, feeds)[0])


def weighted(m: Model, x: str, ic: int, oc: int, k: int = 3, **how) -> str:
    """The Conv of a value that has the scale of X, padded to the same size, on that of Y: exact in floats."""
    w = m.rng.integers(-128, 128, (oc, ic // how.get("group", 1), k, k)).astype(np.int8)
    scale = (2.0 ** m.rng.integers(-9, -6, oc)).astype(np.float32)
    bias = m.rng.integers(-999, 999, oc).astype(np.float32) * scale * X[0]
    w = m.DequantizeLinear(w, scale, np.zeros(oc, np.int8), axis=0)
    return m.QuantizeLinear(m.Conv(x, w, bias, pads=[k // 2] * 4, **how), *Y)


def fused_and_not(m: Model, isa: str, by: str, fused: bool) -> None:
    """The same bytes whether or not additions go into the step `by`, and for 1 and 2 threads; and those of NumPy."""
    data, found = m.bytes(), []
    rng = np.random.default_rng(3)
    feeds = {name: rng.integers(0, 256, shape).astype(m._types[name]) for name, shape in m.shapes.items()}
    for threads, apart in ((1, False), (2, False), (1, True)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("cinfer.plan.plan.FEW_FLOPS", -1)
            if apart:
                patch.setattr("cinfer.plan.epilogue.with_quantised", lambda *args: None)
            session = cinfer.load(data, threads=threads, isa=isa)
            labels = [step.label for step in session._plan_for(None).steps]
            assert by in labels and ("zip_u8" in labels) is (apart or not fused), labels
            found.append(session.run(None, feeds))
    for one, two, three, wanted in zip(*found, by_numpy(data, feeds)):
        assert one.tobytes() == two.tobytes() == three.tobytes() == wanted.tobytes()


BEHIND = {"nothing": lambda m, y: y, "Relu": lambda m, y: m.Relu(y),
          "limits": lambda m, y: m.Clip(y, np.float32(-2), np.float32(6)),
          "a table": lambda m, y: m.LeakyRelu(m.DequantizeLinear(m.QuantizeLinear(y, *Y), *Y), alpha=.1)}


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("k, ic, oc, first, how", [
    (1, 20, 40, True, {}), (1, 80, 24, False, {}), (3, 20, 40, True, {}), (3, 19, 33, False, dict(strides=[2, 2])),
    (3, 20, 10, True, dict(group=2)), (5, 3, 17, True, {})], ids=str)
def test_residuals_are_added_in_the_step_of_the_convolution(isa, behind, k, ic, oc, first, how):
    m = Model(18)
    s = how.get("strides", [1])[0]
    z = m.DequantizeLinear(picture(m, "z", oc, 10 // s, 12 // s), np.float32(1 / 4), np.uint8(77))
    y = m.DequantizeLinear(weighted(m, m.DequantizeLinear(picture(m, "x", ic, 10, 12), *X), ic, oc, k, **how), *Y)
    y = m.QuantizeLinear(BEHIND[behind](m, m.Add(*((y, z) if first else (z, y)))), np.float32(1 / 2), np.uint8(100))
    winograd = k == 3 and not how and _ops.table(isa).dot_group < 4
    fused_and_not(closed(m, y), isa, "winograd_u8" if winograd else "conv_u8", True)


@pytest.mark.parametrize("isa", LEVELS)
def test_a_residual_that_the_convolution_reads_too(isa):
    """With a halo, which the convolution has asked for; and one of int8, which is its output as well."""
    for dtype, at in ((U8, X), (np.int8, (np.float32(1 / 16), np.int8(-8)))):
        m = Model(18)
        x = m.DequantizeLinear(m.QuantizeLinear(m.input("x", 2, 20, 7, 9), *at), *at)
        y = m.DequantizeLinear(weighted(m, x, 20, 20, 5), *Y)
        z = m.DequantizeLinear(weighted(m, m.DequantizeLinear(m.QuantizeLinear(m.Add(x, y), *at), *at), 20, 20, 5), *Y)
        m.outputs(m.QuantizeLinear(m.Add(z, x), *at), dtype=dtype)
        fused_and_not(m, isa, "conv_u8", True)


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("what", ["depthwise", "broadcast", "other zero point", "seen"])
def test_residuals_that_are_steps_of_their_own(isa, what):
    """Of a depthwise convolution; one number a channel; bytes that are read by another zero point than they are written
    by; a convolution's output that others see."""
    m = Model(18)
    x = m.DequantizeLinear(picture(m, "x", 20), *X)
    z = m.DequantizeLinear(picture(m, "z", 20, *((1, 1) if what == "broadcast" else ())), *X)
    bytes_ = weighted(m, x, 20, 20, 5, group=20 if what == "depthwise" else 1)
    y = m.DequantizeLinear(bytes_, Y[0], np.uint8(91)) if what == "other zero point" else m.DequantizeLinear(bytes_, *Y)
    y = m.QuantizeLinear(m.Add(y, z), *X)
    m.outputs(*(y, bytes_) if what == "seen" else (y,), dtype=U8)
    fused_and_not(m, isa, "depthwise_u8" if what == "depthwise" else "conv_u8", False)


def test_residuals_of_other_sizes():
    """Plans from the second size on are replayed, with the strides of both values."""
    m = Model(18)
    x = m.DequantizeLinear(m.input("x", 1, 20, 6, 7, dtype=U8, declared=(1, 20, "h", "w")), *X)
    y = m.DequantizeLinear(weighted(m, x, 20, 20), *Y)
    data = m.outputs(m.QuantizeLinear(m.Relu(m.Add(x, y)), *X), dtype=U8).bytes()
    session, rng = cinfer.load(data, threads=1), np.random.default_rng(5)
    for h, w in ((6, 7), (9, 30), (1, 1), (40, 8), (6, 7)):
        feeds = {"x": rng.integers(0, 256, (1, 20, h, w)).astype(U8)}
        np.testing.assert_array_equal(session.run(None, feeds)[0], by_numpy(data, feeds)[0], f"{h} {w}")
    assert "zip_u8" not in [step.label for step in session._plan_for({"x": (1, 20, 6, 7)}).steps]


SIZES = {1: (37,), 2: (7, 9), 3: (3, 4, 5)}     # of pictures by their axes
SLOPES = np.array([0, 1, -1, .25, -.5, 3, 1e-30, -7.3, 3e38, -3e38, 1 / 3], np.float32)


def slopes(c: int, axes: int, leading: int = 0) -> np.ndarray:
    return np.resize(SLOPES, (*(1,) * leading, c, *(1,) * axes))


def of_rank(m: Model, name: str, axes: int, c: int = 20, dtype=U8) -> str:
    return m.input(name, 2, c, *SIZES[axes], dtype=dtype)


def by_ones(m: Model, x: str, axes: int, at=Y) -> str:
    """A 1x1 convolution of bytes."""
    w = m.rng.integers(-128, 128, (20, 20, *(1,) * axes)).astype(np.int8)
    y = m.Conv(m.DequantizeLinear(x, *X), m.DequantizeLinear(w, np.float32(1 / 256), np.int8(0)))
    return m.DequantizeLinear(m.QuantizeLinear(y, *at), *at)


WITH_SLOPES = {
    "alone": lambda m, n: m.PRelu(m.DequantizeLinear(of_rank(m, "x", n), *X), slopes(20, n)),
    "by as many axes": lambda m, n: m.PRelu(m.DequantizeLinear(of_rank(m, "x", n), *X), slopes(20, n, 1)),
    "of a sum": lambda m, n: m.PRelu(m.Add(m.DequantizeLinear(of_rank(m, "x", n), *X), m.DequantizeLinear(
        of_rank(m, "z", n), *Y)), slopes(20, n)),
    "of a difference": lambda m, n: m.LeakyRelu(m.Sub(m.DequantizeLinear(of_rank(m, "x", n), *X), m.DequantizeLinear(
        of_rank(m, "z", n), *Y)), alpha=-.3),
    "of a convolution": lambda m, n: m.PRelu(by_ones(m, of_rank(m, "x", n), n), slopes(20, n)),
    "of one and its input": lambda m, n: m.PRelu(m.Add(by_ones(m, x := of_rank(m, "x", n), n), m.DequantizeLinear(
        x, *X)), slopes(20, n)),
    "of its input less one": lambda m, n: m.PRelu(m.Sub(m.DequantizeLinear(x := of_rank(m, "x", n), *X), by_ones(
        m, x, n)), slopes(20, n)),
    "of one less its input": lambda m, n: m.PRelu(m.Sub(by_ones(m, x := of_rank(m, "x", n), n), m.DequantizeLinear(
        x, *X)), slopes(20, n)),
    "of one twice": lambda m, n: m.PRelu(m.Add(y := by_ones(m, of_rank(m, "x", n), n), y), slopes(20, n)),
    "of two": lambda m, n: m.PRelu(m.Add(by_ones(m, x := of_rank(m, "x", n), n), by_ones(m, x, n)), slopes(20, n)),
    "of one and channels": lambda m, n: m.PRelu(m.Add(by_ones(m, of_rank(m, "x", n), n), m.DequantizeLinear(
        m.rng.integers(0, 256, (20, *(1,) * n)).astype(U8), *X)), slopes(20, n)),
    "twice": lambda m, n: m.PRelu(stored_again(m, m.PRelu(by_ones(m, of_rank(m, "x", n), n), slopes(20, n))),
                                  slopes(20, n)[::-1]),
}


def stored_again(m: Model, y: str) -> str:
    return m.DequantizeLinear(m.QuantizeLinear(y, *X), *X)


@pytest.mark.parametrize("axes", SIZES)
@pytest.mark.parametrize("to", [Y, (np.float32(1 / 64), np.uint8(0)), (np.float32(3), np.uint8(255)),
                                (np.float32(1e-9), np.uint8(3))], ids=str)
@pytest.mark.parametrize("name", WITH_SLOPES)
def test_slopes_of_bytes(name, to, axes):
    """Those of NumPy, and none of it is computed in floats; the same bits at each level and by two threads."""
    m = Model(18)
    y = m.QuantizeLinear(WITH_SLOPES[name](m, axes), *to)
    data = m.outputs(m.MaxPool(y, kernel_shape=[2] * axes), dtype=U8).bytes()
    rng = np.random.default_rng(9)
    feeds = {name: rng.integers(0, 256, shape).astype(U8) for name, shape in m.shapes.items()}
    with np.errstate(over="ignore"):
        wanted, = by_numpy(data, feeds)
    for isa in LEVELS:
        for threads in (1, 2):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("cinfer.plan.plan.FEW_FLOPS", -1)
                session = cinfer.load(data, threads=threads, isa=isa)
                np.testing.assert_array_equal(session.run(None, feeds)[0], wanted, f"{isa} {threads}")
            labels = {step.label for step in session._plan_for(None).steps}
            assert not labels & {"numpy", "zip", "map", "conv", "quantize_blocked"}, labels


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("kernel, cost", [("conv_u8", 0.0), ("winograd_u8", 1e9)])
@pytest.mark.parametrize("name", ["alone", "sum", "difference", "no residual of its shape"])
def test_slopes_behind_a_convolution_are_one_step(name, kernel, cost, isa, monkeypatch):
    """As face landmarks have it: of bytes, together with the sum."""
    monkeypatch.setattr(conv_winograd_u8, "direct_cost", lambda *_: cost)
    m = Model(18)
    x = picture(m, "x", 24)
    w = m.DequantizeLinear(m.rng.integers(-128, 128, (24, 24, 3, 3)).astype(np.int8), np.float32(1 / 256), np.int8(0))
    y = m.Conv(m.DequantizeLinear(x, *X), w, pads=[1] * 4)
    y = m.DequantizeLinear(m.QuantizeLinear(y, *Y), *Y)
    if name == "sum":
        y = m.Add(y, m.DequantizeLinear(x, *X))
    elif name == "difference":
        y = m.Sub(m.DequantizeLinear(x, *X), y)
    elif name == "no residual of its shape":
        y = m.Add(y, m.DequantizeLinear(m.rng.integers(0, 256, (24, 1, 1)).astype(U8), *X))
    by = np.clip(slopes(24, 2), -8, 8)          # alone, a product by two factors is finite then
    check(closed(m, m.QuantizeLinear(m.PRelu(y, by), *X)), isa, kernel)
    labels = [step.label for step in cinfer.load(m.bytes(), threads=1, isa=isa)._plan_for(None).steps]
    assert labels.count("zip_u8") == 1 and "map" not in labels, labels


def test_slopes_of_free_sizes():
    """Plans from the second size on are replayed."""
    m = Model(18)
    x, z = (m.DequantizeLinear(m.input(name, 1, 20, 5, 6, dtype=U8, declared=("n", 20, "h", "w")), *X)
            for name in "xz")
    w = m.DequantizeLinear(m.rng.integers(-128, 128, (20, 20, 3, 3)).astype(np.int8), np.float32(1 / 256), np.int8(0))
    y = m.DequantizeLinear(m.QuantizeLinear(m.Conv(x, w, pads=[1] * 4), *Y), *Y)
    y = m.QuantizeLinear(m.PRelu(m.Sub(z, y), slopes(20, 2)), *X)
    y = m.QuantizeLinear(m.PRelu(m.DequantizeLinear(y, *X), slopes(20, 2, 1)), *Y)
    data = m.outputs(m.MaxPool(y, kernel_shape=[2, 2]), dtype=U8).bytes()
    session, rng = cinfer.load(data, threads=2), np.random.default_rng(5)
    for n, h, w in ((1, 5, 6), (3, 7, 9), (2, 8, 5), (1, 12, 30), (1, 6, 6)):
        feeds = {name: rng.integers(0, 256, (n, 20, h, w)).astype(U8) for name in "xz"}
        np.testing.assert_array_equal(session.run(None, feeds)[0], by_numpy(data, feeds)[0], f"{n} {h} {w}")


@pytest.mark.parametrize("a_zero", [0, 3, 128, 255])
@pytest.mark.parametrize("y_zero", [0, 77, 255])
@pytest.mark.parametrize("ratio", [1, .5, 1 / 3, .0039, 200, 1.7])
def test_two_factors_are_taken_only_where_all_bytes_are_right(ratio, y_zero, a_zero):
    """Whether or not they are, the bytes are those of DequantizeLinear, PRelu and QuantizeLinear."""
    numbers, taken = np.arange(256, dtype=U8), 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        a_scale = np.float32(rng.uniform(.001, 3))
        y_scale, slope = np.float32(a_scale * ratio), np.float32(rng.normal(size=5) * rng.choice([.1, 1, 9]))
        found = quantized._scaled(a_scale, U8.type(a_zero), y_scale, U8.type(y_zero), slope)
        if found is None:
            continue
        x, k, taken = numbers.astype(np.float32) - np.float32(a_zero), np.float32(found[0]), taken + 1
        real = x * a_scale
        real = np.where(real < 0, real * slope[:, None], real) / y_scale
        ours = np.where(x < 0, x * found[1][:, None], x * k)
        np.testing.assert_array_equal(*(np.clip(np.rint(v) + y_zero, 0, 255) for v in (ours, real)))
    assert taken or ratio != 1


@pytest.mark.parametrize("given", [dict(a_scale=-.5), dict(a_scale=np.inf), dict(y_scale=0.), dict(y_scale=np.nan),
                                   dict(slope=[np.inf]), dict(slope=[np.nan]), dict(a_scale=1e38, slope=[1e30])],
                         ids=str)
def test_no_two_factors(given):
    """Of a negative scale numbers above 0 are those below the zero point."""
    how = dict(a_scale=.5, y_scale=.25, slope=[.1]) | given
    constants = [np.float32(how["a_scale"]), U8.type(9), np.float32(how["y_scale"]), U8.type(9),
                 np.float32(how["slope"])]

    class Values:
        class store:
            once = staticmethod(lambda key, given, make: make())

        @staticmethod
        def constant(name):
            return constants["a az y yz s".split().index(name)]
    node = Node("QLinearAdd", ["x", "a", "az", "", "", "", "y", "yz", "s"], ["o"], domain="cinfer")
    with np.errstate(all="ignore"):
        assert quantized.scaled(node, Values) is None


TURNED = {      # axes of the input, as they lie, of a picture [n][c][...]
    "pixels": (0, 2, 3, 1), "columns first": (0, 1, 3, 2), "all around": (3, 2, 1, 0), "as it is": (0, 1, 2, 3)}


@pytest.mark.parametrize("kind", ["conv", "integers", "few channels", "depthwise", "read twice", "scales of channels"])
@pytest.mark.parametrize("name", TURNED)
def test_pictures_are_quantised_as_they_lie(name, kind):
    """Before a Transpose; the bytes are those of the file, at each level and for one or two threads."""
    axes, c = TURNED[name], 3 if kind == "few channels" else 20
    sizes, m = (2, c, 11, 13), Model(18)
    x = m.input("x", *(sizes[a] for a in axes))
    x = m.Transpose(x, perm=[axes.index(a) for a in range(4)])
    w = m.rng.integers(-128, 128, (20, 1 if kind == "depthwise" else c, 3, 3)).astype(np.int8)
    w = m.DequantizeLinear(w, np.float32(1 / 256), np.int8(0))
    if kind == "scales of channels":
        at = np.linspace(.01, .1, c, dtype=np.float32), np.arange(c).astype(U8)
        x8 = m.QuantizeLinear(x, *at, axis=1)
        m.outputs(x8, m.QuantizeLinear(m.Conv(m.DequantizeLinear(x8, *at, axis=1), w), *Y), dtype=U8)
    else:
        x8 = m.QuantizeLinear(x, np.float32(1 / 32), np.uint8(120))
        y = m.Conv(m.DequantizeLinear(x8, np.float32(1 / 32), np.uint8(120)), w, group=c if kind == "depthwise" else 1)
        if kind == "integers":
            m.outputs(m.Exp(m.Mul(y, np.float32(.01))))
        else:
            m.outputs(m.QuantizeLinear(y, *Y), *([x8] if kind == "read twice" else []), dtype=U8)
    data = m.bytes()
    feeds = {"x": (2 * np.random.default_rng(1).normal(size=m.shapes["x"])).astype(np.float32)}
    wanted = by_numpy(data, feeds)
    for isa in LEVELS:
        bits = [cinfer.load(data, threads=threads, isa=isa).run(None, feeds) for threads in (1, 2)]
        for one, two, want in zip(*bits, wanted):
            assert one.tobytes() == two.tobytes()
            if want.dtype == U8 and kind != "scales of channels":
                np.testing.assert_array_equal(one, want, f"{isa}")
            else:
                assert np.abs(one.astype(float) - want).max() <= (1 if want.dtype == U8 else 1e-4 * want.max())
