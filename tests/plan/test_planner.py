"""Small graphs through whole plans: every ISA level, 1 and 2 threads of the same bits, unaligned feeds, against onnxruntime.

Each case is a function that builds on a Model and returns the outputs; `numpy` says how many of its steps may be NumPy's.
"""
from __future__ import annotations

from functools import lru_cache, partial
from itertools import product

import numpy as np
import pytest

import cinfer
from cinfer import _ops

from onnx_models import Model, assert_close, by_numpy, expected, unaligned

CASES: dict[str, tuple] = {}
TOLERANCE = 3e-5        # sums of up to 2000 float32 in another order, Winograd's transforms, one ulp of an exp: 4x head room


@pytest.fixture(autouse=True)
def threads_for_any_work(monkeypatch):
    """Small plans keep to one thread; here they use what they are given."""
    monkeypatch.setattr("cinfer.plan.plan.FEW_FLOPS", -1, raising=False)


def case(name: str | None = None, *, numpy: int = 0, opset: int = 17, dtype=np.float32, oracle=expected, **arguments):
    def add(build):
        full = name or build.__name__
        assert full not in CASES
        CASES[full] = partial(build, **arguments), numpy, opset, dtype, oracle
        return build
    return add


@lru_cache(maxsize=None)
def prepared(name: str) -> tuple[bytes, dict, list]:
    """(model, feeds, expected outputs) of a case."""
    build, _, opset, dtype, oracle = CASES[name]
    m = Model(opset, seed=sum(map(ord, name)))
    outputs = build(m)
    data, feeds = m.outputs(*([outputs] if isinstance(outputs, str) else outputs), dtype=dtype).bytes(), m.feeds()
    return data, feeds, oracle(data, feeds)


def hold(data: bytes, feeds: dict, want: list, where: str, isa: str, names=None):
    """The answers are `want`, with the same bits for 1 and 2 threads, run again, and for feeds anywhere in memory; the session."""
    bits = None
    for threads in (1, 2):
        label = f"{where} {isa} threads={threads}"
        session = cinfer.load(data, threads=threads, isa=isa)
        given = {k: unaligned(v) if threads == 2 else v.copy() for k, v in feeds.items()}
        got = session.run(names, given)
        for i, (y, w) in enumerate(zip(got, want, strict=True)):
            assert_close(y, w, f"{label} output {i}", TOLERANCE)
        for key, array in given.items():
            assert array.tobytes() == feeds[key].tobytes(), f"{label}: wrote to its input {key}"
        again = session.run(names, given)
        bits = bits or [y.tobytes() for y in got]
        assert bits == [y.tobytes() for y in got] == [y.tobytes() for y in again], f"{label}: other bits"
    return session


# ---- convolutions and what they take into their epilogue

@case()
def conv_relu_residual(m):
    x = m.input("x", 1, 3, 13, 11)
    a = m.Relu(m.conv(x, 3, 32, 3, strides=[2, 2]))
    b = m.conv(m.Relu(m.conv(a, 32, 16)), 16, 32, 3)
    c = m.Relu(m.Add(b, a))
    return m.Relu(m.Add(c, m.conv(c, 32, 32, 3)))


@case()
def conv_whose_sum_is_wanted_too(m):
    x = m.input("x", 1, 16, 6, 6)
    a = m.conv(x, 16, 24, 3)
    s = m.Add(a, m.conv(x, 16, 24))
    return a, s, m.Relu(s)


@case()
def conv_added_to_itself(m):
    a = m.conv(m.input("x", 1, 16, 5, 5), 16, 16)
    return m.Relu(m.Add(a, a))


@case()
def residual_of_an_input_and_of_a_constant(m):
    x = m.input("x", 2, 20, 5, 7)
    a = m.Add(m.conv(x, 20, 20, 3), x)
    return m.Add(m.conv(a, 20, 20), m.vector(2, 20, 5, 7))


@case()
def residual_that_is_broadcast(m):
    x = m.input("x", 2, 20, 5, 7)
    return m.Relu(m.Add(m.conv(x, 20, 20, 3), m.GlobalAveragePool(x)))


@case()
def activation_before_residual(m):
    x = m.input("x", 1, 16, 9, 9)
    return m.Add(m.HardSwish(m.conv(x, 16, 16, 3)), x)


@case()
def squeeze_and_excite(m):
    x = m.input("x", 2, 24, 7, 7)
    s = m.Relu(m.conv(m.GlobalAveragePool(x), 24, 6))
    return m.Mul(x, m.HardSigmoid(m.conv(s, 6, 24), alpha=1 / 6, beta=0.5))


for act, attributes in [("Clip", {}), ("LeakyRelu", {"alpha": 0.2}), ("Sigmoid", {}), ("Tanh", {}), ("HardSwish", {}), ("Elu", {}),
                        ("PRelu", {}), ("Mish", {}), ("Abs", {}), ("Softplus", {})]:
    @case(f"conv_{act}", opset=18, act=act, attributes=attributes)
    def conv_activation(m, act, attributes):
        y = m.conv(m.input("x", 1, 17, 5, 6), 17, 33, 3)
        more = {"Clip": [np.float32(-0.5), np.float32(0.75)], "PRelu": [m.vector(33, 1, 1)]}.get(act, [])
        return m.node(act, y, *more, **attributes)


for ic, oc, k, s, d, group in [(1, 1, 1, 1, 1, 1), (3, 33, 7, 2, 1, 1), (15, 17, 3, 2, 1, 1), (16, 16, 3, 1, 1, 1), (64, 64, 3, 1, 1, 1),
                               (17, 48, 1, 1, 1, 1), (17, 8, 5, 1, 2, 1), (48, 16, 1, 2, 1, 1), (32, 32, 3, 1, 1, 2), (24, 36, 3, 1, 1, 3),
                               (40, 40, 3, 2, 1, 5), (8, 16, 3, 1, 1, 8), (64, 32, 1, 1, 1, 4)]:
    @case(f"conv ic={ic} oc={oc} k={k} s={s} d={d} group={group}", ic=ic, oc=oc, k=k, s=s, d=d, group=group)
    def conv(m, ic, oc, k, s, d, group):
        pad = d * (k // 2)
        return m.Relu(m.conv(m.input("x", 2, ic, 12, 13), ic, oc, k, strides=[s, s], dilations=[d, d], group=group, pads=[pad] * 4))


@case()
def conv_of_uneven_window(m):
    x = m.input("x", 1, 18, 9, 12)
    return m.Conv(x, m.weights(20, 18, 1, 5), kernel_shape=[1, 5], pads=[0, 3, 1, 0], strides=[2, 1], dilations=[1, 2])


for auto_pad in ("SAME_UPPER", "SAME_LOWER", "VALID"):
    @case(f"conv_{auto_pad}", auto_pad=auto_pad)
    def conv_auto_pad(m, auto_pad):
        x = m.input("x", 1, 16, 8, 9)
        return m.Conv(x, m.weights(16, 16, 4, 4), kernel_shape=[4, 4], auto_pad=auto_pad, strides=[2, 1])


@case()
def conv_1d(m):
    x = m.Relu(m.Conv(m.input("x", 2, 20, 31), m.weights(24, 20, 5), m.vector(24), pads=[2, 2], strides=[2]))
    return m.MaxPool(x, kernel_shape=[3], strides=[2])


@case(numpy=1)
def conv_3d(m):
    return m.Conv(m.input("x", 1, 2, 4, 5, 6), m.weights(3, 2, 3, 3, 3), pads=[1] * 6)


@case(numpy=1)
def conv_with_computed_weights(m):
    x, w = m.input("x", 1, 4, 6, 6), m.input("w", 8, 4, 3, 3)
    return m.Relu(m.Conv(x, w, pads=[1] * 4))


for c, k, s, d in [(16, 3, 1, 1), (24, 3, 2, 1), (33, 5, 1, 1), (7, 3, 1, 2), (32, 3, 1, 4), (17, 7, 2, 1)]:
    @case(f"depthwise c={c} k={k} s={s} d={d}", c=c, k=k, s=s, d=d)
    def depthwise(m, c, k, s, d):
        x = m.Clip(m.conv(m.input("x", 2, 3, 14, 15), 3, c), np.float32(0), np.float32(6))
        y = m.conv(x, c, c, k, group=c, strides=[s, s], dilations=[d, d], pads=[d * (k // 2)] * 4)
        return m.conv(m.Clip(y, np.float32(0), np.float32(6)), c, 16)


@case()
def depthwise_multiplier_two(m):
    """Two outputs of each channel are a grouped convolution."""
    return m.conv(m.input("x", 1, 16, 6, 6), 16, 32, 3, group=16)


# ---- transposed convolutions

for k, s, p, extra, c in [(2, 2, 0, 0, 24), (4, 2, 1, 0, 16), (3, 2, 1, 1, 17), (3, 1, 1, 0, 16), (3, 3, 0, 0, 8), (5, 2, 2, 1, 33)]:
    @case(f"transposed k={k} s={s} p={p} output_padding={extra}", k=k, s=s, p=p, extra=extra, c=c)
    def transposed(m, k, s, p, extra, c):
        x = m.Relu(m.conv(m.input("x", 2, 3, 5, 6), 3, c))
        y = m.ConvTranspose(x, m.weights(c, 20, k, k), m.vector(20), kernel_shape=[k, k], strides=[s, s], pads=[p] * 4,
                            output_padding=[extra, extra])
        return m.conv(m.Relu(y), 20, 5, 3)


for name, attributes in [("group=4", dict(group=4, kernel_shape=[3, 3])), ("dilated", dict(dilations=[2, 2], kernel_shape=[3, 3])),
                         ("stride_above_kernel", dict(strides=[3, 2], kernel_shape=[2, 1]))]:
    @case(f"transposed_{name}", numpy=1, attributes=attributes)
    def transposed_in_numpy(m, attributes):
        x = m.Relu(m.conv(m.input("x", 1, 3, 5, 6), 3, 16))
        y = m.ConvTranspose(x, m.weights(16, 32 // attributes.get("group", 1), *attributes["kernel_shape"]), m.vector(32), **attributes)
        return m.conv(m.Relu(y), 32, 5, 3)


@case()
def transposed_to_an_output_shape(m):
    return m.ConvTranspose(m.input("x", 1, 16, 5, 6), m.weights(16, 8, 3, 3), strides=[2, 2], output_shape=[10, 12], kernel_shape=[3, 3],
                           auto_pad="SAME_UPPER")


@case()
def transposed_1d(m):
    return m.ConvTranspose(m.input("x", 2, 18, 9), m.weights(18, 20, 4), m.vector(20), strides=[2], pads=[1, 1])


# ---- channels: Concat, Split, Slice, shuffles

@case()
def densenet(m):
    """Each layer reads all before it: every Concat is the beginning of the next one."""
    x = m.Relu(m.conv(m.input("x", 1, 3, 8, 8), 3, 32, 3))
    parts, c = [x], 32
    for _ in range(3):
        so_far = m.Concat(*parts, axis=1) if len(parts) > 1 else x
        y = m.Relu(m.conv(so_far, c, 16))
        parts.append(m.conv(y, 16, 16, 3))
        c += 16
    return m.Relu(m.conv(m.Concat(*parts, axis=1), c, 20))


@case()
def densenet_of_batch_norms(m):
    x = m.conv(m.input("x", 2, 3, 6, 6), 3, 24, 3)
    c = 24
    for _ in range(3):
        s = m.vector(c)
        y = m.Relu(m.BatchNormalization(x, s, m.vector(c), m.vector(c), np.abs(m.vector(c)) + 0.5))
        x = m.Concat(x, m.conv(y, c, 12, 3), axis=1)
        c += 12
    return m.AveragePool(m.Relu(x), kernel_shape=[2, 2], strides=[2, 2])


for a, b, c in [(24, 40, 16), (16, 32, 24), (1, 15, 16), (3, 5, 7), (16, 16, 1)]:
    @case(f"concat {a}+{b}+{c}", sizes=(a, b, c))
    def concat(m, sizes):
        x = m.input("x", 2, 20, 6, 5)
        parts = [m.Relu(m.conv(x, 20, size, 3)) for size in sizes]
        return m.conv(m.Concat(*parts, axis=1), sum(sizes), 18, 3), parts[1]


@case()
def concat_of_the_same_value(m):
    a = m.Relu(m.conv(m.input("x", 1, 4, 5, 5), 4, 16))
    return m.conv(m.Concat(a, a, axis=1), 32, 8, 3)


@case()
def concat_in_two_orders(m):
    x = m.input("x", 1, 16, 5, 5)
    a, b = m.conv(x, 16, 16), m.conv(x, 16, 32, 3)
    return m.conv(m.Concat(a, b, axis=1), 48, 8), m.conv(m.Concat(b, a, axis=1), 48, 8, 3)


@case()
def concat_of_an_input_a_constant_and_a_conv(m):
    x = m.input("x", 1, 16, 5, 5)
    return m.conv(m.Concat(x, m.vector(1, 16, 5, 5), m.conv(x, 16, 20), axis=1), 52, 8, 3)


@case()
def concat_of_vectors_and_of_an_output(m):
    x = m.input("x", 2, 16, 4, 4)
    a, b = m.GlobalAveragePool(x), m.GlobalMaxPool(m.conv(x, 16, 24))
    return a, m.Concat(a, b, axis=1)


@case(numpy=1)
def concat_of_odd_constant_channels(m):
    x = m.input("x", 1, 16, 5, 5)
    return m.conv(m.Concat(m.conv(x, 16, 7), m.vector(1, 2, 5, 5), axis=1), 9, 8, 3)


for axis in (0, 2, 3, -1):
    @case(f"concat_axis_{axis}", axis=axis)
    def concat_other_axis(m, axis):
        x = m.conv(m.input("x", 2, 18, 4, 5), 18, 20)
        return m.conv(m.Concat(x, m.Relu(x), axis=axis), 20, 8, 3)


for c in (16, 24):
    @case(f"c2f c={c}", c=c)
    def c2f(m, c):
        x = m.Relu(m.conv(m.input("x", 1, 3, 8, 8), 3, 2 * c))
        a, b = m.Split(x, np.array([c, c]), axis=1, n=2)
        y = m.Add(b, m.Relu(m.conv(m.Relu(m.conv(b, c, c, 3)), c, c, 3)))
        z = m.Add(y, m.Relu(m.conv(y, c, c, 3)))
        return m.conv(m.Concat(a, b, y, z, axis=1), 4 * c, 20)


@case()
def split_put_together_in_another_order(m):
    x = m.Relu(m.conv(m.input("x", 1, 3, 6, 6), 3, 64))
    a, b, c = m.Split(x, np.array([16, 16, 32]), axis=1, n=3)
    return m.conv(m.Concat(c, a, b, axis=1), 64, 8, 3), m.conv(m.Concat(a, b, axis=1), 32, 8, 3)


for sizes in [(8, 24), (1, 31), (16, 16), (17, 15), (5, 11, 16)]:
    @case(f"split {sizes}", sizes=sizes)
    def split(m, sizes):
        x = m.Relu(m.conv(m.input("x", 2, 3, 6, 6), 3, 32, 3))
        pieces = m.Split(x, np.array(sizes), axis=1, n=len(sizes))
        return (*[m.conv(piece, size, 18, 3) for piece, size in zip(pieces, sizes)], pieces[1])


for first, last, step in [(0, 16, 1), (16, 40, 1), (8, 30, 1), (39, 40, 1), (0, 40, 3), (1, 40, 2)]:
    @case(f"slice_channels {first}:{last}:{step}", bounds=(first, last, step))
    def slice_channels(m, bounds):
        x = m.Relu(m.conv(m.input("x", 1, 3, 6, 6), 3, 40, 3))
        y = m.Slice(x, *(np.array([v]) for v in (bounds[0], bounds[1], 1, bounds[2])))
        return m.conv(y, len(range(*bounds)), 18, 3)


@case()
def slices_of_pixels_focus(m):
    """YOLO's Focus: every second pixel, four ways."""
    x = m.input("x", 1, 3, 8, 10)
    step = np.array([2, 2])
    parts = [m.Slice(x, np.array([i, j]), np.array([99, 99]), np.array([2, 3]), step) for i, j in product((0, 1), repeat=2)]
    return m.conv(m.Concat(*parts, axis=1), 12, 16, 3)


@case()
def slice_backwards(m):
    x = m.conv(m.input("x", 1, 3, 6, 6), 3, 16)
    return m.Slice(x, np.array([-1]), np.array([-99]), np.array([3]), np.array([-1]))


for c, groups in [(32, 2), (24, 3), (58, 2)]:
    @case(f"channel_shuffle c={c} g={groups}", c=c, groups=groups)
    def channel_shuffle(m, c, groups):
        x = m.Relu(m.conv(m.input("x", 2, 3, 6, 5), 3, c))
        y = m.Reshape(x, np.array([2, groups, c // groups, 6, 5]))
        y = m.Reshape(m.Transpose(y, perm=[0, 2, 1, 3, 4]), np.array([2, c, 6, 5]))
        return m.conv(y, c, 16, 3)


@case()
def shufflenet_unit(m):
    x = m.Relu(m.conv(m.input("x", 1, 3, 6, 5), 3, 48))
    a, b = m.Split(x, np.array([24, 24]), axis=1, n=2)
    b = m.conv(m.conv(m.Relu(m.conv(b, 24, 24)), 24, 24, 3, group=24), 24, 24)
    y = m.Reshape(m.Concat(a, m.Relu(b), axis=1), np.array([1, 2, 24, 6, 5]))
    return m.Relu(m.conv(m.Reshape(m.Transpose(y, perm=[0, 2, 1, 3, 4]), np.array([1, -1, 6, 5])), 48, 8))


@case()
def shuffle_whose_middle_is_wanted(m):
    x = m.Relu(m.conv(m.input("x", 1, 3, 4, 4), 3, 16))
    y = m.Transpose(m.Reshape(x, np.array([1, 2, 8, 4, 4])), perm=[0, 2, 1, 3, 4])
    return y, m.Reshape(y, np.array([1, 16, 4, 4]))


for mode in ("DCR", "CRD"):
    @case(f"depth_to_space_{mode}", mode=mode)
    def depth_to_space(m, mode):
        x = m.input("x", 2, 36, 4, 5)
        return m.DepthToSpace(x, blocksize=3, mode=mode), m.conv(m.DepthToSpace(m.conv(x, 36, 12), blocksize=2, mode=mode), 3, 5, 3)


@case()
def space_to_depth(m):
    x = m.input("x", 2, 3, 4, 6)
    return m.conv(m.SpaceToDepth(x, blocksize=2), 12, 16), m.SpaceToDepth(m.conv(x, 3, 20), blocksize=2)


# ---- pools, resizing, padding

for op, k, s, p, ceil, more in [("MaxPool", 3, 2, 1, 0, {}), ("MaxPool", 3, 2, 0, 1, {}), ("MaxPool", 2, 2, 0, 1, {}), ("MaxPool", 5, 1, 2, 0, {}),
                                ("MaxPool", 3, 1, 2, 0, {"dilations": [2, 2]}), ("AveragePool", 3, 2, 1, 0, {}), ("AveragePool", 3, 2, 1, 1, {}),
                                ("AveragePool", 3, 2, 1, 0, {"count_include_pad": 1}), ("AveragePool", 2, 2, 0, 1, {}),
                                ("AveragePool", 3, 2, 1, 1, {"count_include_pad": 1}), ("AveragePool", 2, 3, 0, 0, {})]:
    @case(f"{op} k={k} s={s} p={p} ceil={ceil} {more}", opset=22, op=op,
          attributes=dict(kernel_shape=[k, k], strides=[s, s], pads=[p] * 4, ceil_mode=ceil, **more))
    def pool(m, op, attributes):
        x = m.conv(m.input("x", 2, 3, 10, 13), 3, 18, 3)
        return m.node(op, x, **attributes), m.conv(m.node(op, x, **attributes), 18, 8, 3)


@case()
def max_pool_of_negative_padding(m):
    return m.MaxPool(m.Neg(m.Abs(m.input("x", 1, 5, 6, 6))), kernel_shape=[3, 3], pads=[1] * 4)


@case(numpy=2)
def max_pool_with_indices(m):
    y, where = m.MaxPool(m.conv(m.input("x", 1, 3, 6, 6), 3, 16), kernel_shape=[2, 2], strides=[2, 2], n=2)
    return y, m.Cast(where, to=1)


@case()
def average_of_all_then_matrix(m):
    x = m.GlobalAveragePool(m.Relu(m.conv(m.input("x", 2, 3, 6, 7), 3, 24)))
    return m.Gemm(m.Flatten(x), m.weights(10, 24), m.vector(10), transB=1)


for nearest in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
    for coordinates in ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"):
        @case(f"resize_nearest_{nearest}_{coordinates}", attributes=dict(nearest_mode=nearest, coordinate_transformation_mode=coordinates))
        def resize_nearest(m, attributes):
            x = m.conv(m.input("x", 1, 3, 5, 6), 3, 17)
            return (m.conv(m.Resize(x, None, np.float32([1, 1, 2, 2]), mode="nearest", **attributes), 17, 8, 3),
                    m.Resize(x, None, None, np.array([1, 17, 7, 4]), mode="nearest", **attributes))

for coordinates in ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"):
    @case(f"resize_linear_{coordinates}", attributes=dict(coordinate_transformation_mode=coordinates))
    def resize_linear(m, attributes):
        x = m.conv(m.input("x", 2, 3, 5, 6), 3, 17)
        return (m.conv(m.Resize(x, None, np.float32([1, 1, 2, 3]), mode="linear", **attributes), 17, 8, 3),
                m.Resize(x, None, None, np.array([2, 17, 3, 11]), mode="linear", **attributes),
                m.Resize(x, None, None, np.array([2, 17, 1, 1]), mode="linear", **attributes))


@case("resize_half_pixel_symmetric", opset=19, oracle=by_numpy, attributes=dict(coordinate_transformation_mode="half_pixel_symmetric"))
def resize_symmetric(m, attributes):
    x = m.conv(m.input("x", 1, 3, 5, 6), 3, 17)
    return [m.Resize(x, None, np.float32([1, 1, 1.3, 0.7]), mode=mode, **attributes) for mode in ("nearest", "linear")]


@case(numpy=2)
def resize_in_numpy(m):
    x = m.conv(m.input("x", 1, 3, 6, 6), 3, 16)
    roi = np.float32([0, 0, 0.2, 0.1, 1, 1, 0.9, 0.8])
    return (m.Resize(x, None, np.float32([1, 1, 2, 2]), mode="cubic"),
            m.Resize(x, roi, None, np.array([1, 16, 5, 5]), mode="linear", coordinate_transformation_mode="tf_crop_and_resize"))


@case(opset=9)
def upsample(m):
    x = m.conv(m.input("x", 1, 3, 4, 5), 3, 16)
    return m.Upsample(x, np.float32([1, 1, 2, 2]), mode="nearest"), m.Upsample(x, np.float32([1, 1, 2, 2]), mode="linear")


for mode in ("constant", "reflect", "edge"):
    for pads in [(0, 0, 1, 2, 0, 0, 3, 1), (0, 3, 0, 1, 0, 5, 2, 0), (1, 0, 0, 0, 1, 0, 0, 1)]:
        @case(f"pad_{mode} {pads}", mode=mode, pads=pads)
        def pad(m, mode, pads):
            x = m.input("x", 2, 18, 6, 7)
            value = [np.float32(0.5)] if mode == "constant" else []
            y = m.Pad(m.conv(x, 18, 20), np.array(pads), *value, mode=mode)
            return m.Pad(x, np.array(pads), *value, mode=mode), m.conv(y, 20 + pads[1] + pads[5], 8, 3)


@case()
def pad_of_channels_behind(m):
    """MediaPipe's: a shortcut gets channels of zeros."""
    x = m.conv(m.input("x", 1, 3, 8, 8), 3, 24)
    y = m.Pad(m.MaxPool(x, kernel_shape=[2, 2], strides=[2, 2]), np.array([0, 0, 0, 0, 0, 8, 0, 0]))
    return m.Relu(m.Add(m.conv(x, 24, 32, 3, strides=[2, 2]), y))


@case(numpy=1)
def pad_that_cuts(m):
    return m.Relu(m.Pad(m.conv(m.input("x", 1, 3, 8, 8), 3, 16), np.array([0, 0, -1, 2, 0, 0, 0, -3])))


# ---- normalisations, reductions, matrices

@case()
def instance_norm(m):
    x = m.conv(m.input("x", 2, 3, 7, 5), 3, 18)
    y = m.Relu(m.InstanceNormalization(x, m.vector(18), m.vector(18), epsilon=1e-3))
    return m.conv(y, 18, 8, 3)


for axis, shape in [(-1, (2, 5, 33)), (1, (2, 5, 33)), (2, (3, 4, 17))]:
    @case(f"layer_norm axis={axis} {shape}", axis=axis, shape=shape)
    def layer_norm(m, axis, shape):
        x = m.input("x", *shape)
        return m.LayerNormalization(x, m.vector(*shape[axis:]), m.vector(*shape[axis:]), axis=axis, epsilon=1e-4)


for opset, shape, axis in [(13, (2, 3, 5), -1), (13, (2, 3, 5), 0), (13, (2, 17, 4, 5), 1), (13, (3, 100), 1), (11, (2, 3, 5), 1), (11, (4, 6), 0)]:
    @case(f"softmax opset={opset} {shape} axis={axis}", opset=opset, shape=shape, axis=axis)
    def softmax(m, shape, axis):
        x = m.input("x", *shape)
        return m.Softmax(x, axis=axis), m.LogSoftmax(m.Mul(x, np.float32(30)), axis=axis)


@case()
def softmax_of_blocked_channels(m):
    x = m.conv(m.input("x", 2, 3, 4, 5), 3, 19)
    return m.Softmax(x, axis=1), m.Softmax(m.Transpose(x, perm=[0, 2, 3, 1]), axis=-1)


for rows, alpha, beta, c in [(1, 1.0, 1.0, (33,)), (2, 0.5, 2.0, (33,)), (3, 1.0, 1.0, (1,)), (50, 2.0, 0.5, (1, 33)), (5, 1.0, 1.0, None)]:
    @case(f"gemm rows={rows} alpha={alpha} beta={beta} c={c}", rows=rows, alpha=alpha, beta=beta, c=c)
    def gemm(m, rows, alpha, beta, c):
        x, more = m.input("x", rows, 20), [] if c is None else [m.vector(*c)]
        return (m.Relu(m.Gemm(x, m.weights(20, 33), *more, alpha=alpha, beta=beta)),
                m.Sigmoid(m.Gemm(x, m.weights(33, 20), *more, alpha=alpha, beta=beta, transB=1)))


@case(numpy=3)
def gemm_in_numpy(m):
    x, c = m.input("x", 6, 5), m.input("c", 6, 7)
    return (m.Relu(m.Gemm(x, m.weights(6, 7), transA=1)), m.Relu(m.Gemm(x, m.weights(5, 7), m.vector(6, 1))),
            m.Gemm(x, m.weights(5, 7), c, beta=0.5))


for a, b in [((5, 7), (7, 9)), ((2, 3, 5, 7), (2, 3, 7, 9)), ((2, 1, 5, 7), (1, 3, 7, 9)), ((5, 7), (4, 7, 9)), ((3, 5, 7), (7, 9)),
             ((2, 1, 3, 5, 7), (4, 1, 7, 9)), ((1, 1, 1, 1), (1, 1)), ((2, 49, 64), (2, 64, 50))]:
    @case(f"matmul {a} {b}", a=a, b=b, numpy=9 if len(a) > 4 else 0)
    def matmul(m, a, b):
        return m.MatMul(m.input("a", *a), m.input("b", *b))


@case(numpy=3)
def matmul_of_vectors(m):
    x, a = m.input("x", 7), m.input("a", 3, 7)
    return m.MatMul(a, x), m.MatMul(x, m.Transpose(a)), m.MatMul(x, x)


@case()
def matmul_bias_residual_activation(m):
    x = m.input("x", 2, 30, 24)
    y = m.Add(m.MatMul(m.Relu(m.Add(m.vector(40), m.MatMul(x, m.weights(24, 40)))), m.weights(40, 24)), m.vector(24))
    return m.Add(x, y), m.Add(m.MatMul(x, m.weights(24, 40)), m.vector(30, 40))


@case()
def attention(m):
    """Heads are split by Reshape and Transpose, and put together again."""
    x = m.input("x", 2, 9, 48)

    def heads(perm):
        return m.Transpose(m.Reshape(m.Add(m.MatMul(x, m.weights(48, 48)), m.vector(48)), np.array([2, 9, 3, 16])), perm=perm)
    q, k, v = heads([0, 2, 1, 3]), heads([0, 2, 3, 1]), heads([0, 2, 1, 3])
    scores = m.Softmax(m.Mul(m.MatMul(q, k), np.float32(0.25)), axis=-1)
    y = m.Reshape(m.Transpose(m.MatMul(scores, v), perm=[0, 2, 1, 3]), np.array([2, 9, 48]))
    return m.Add(x, m.MatMul(y, m.weights(48, 48)))


@case()
def packed_attention(m):
    """q, k and v are pieces of one product, as timm's ViT has them."""
    x = m.input("x", 1, 5, 32)
    qkv = m.Transpose(m.Reshape(m.MatMul(x, m.weights(32, 96)), np.array([1, 5, 3, 2, 16])), perm=[2, 0, 3, 1, 4])
    q, k, v = (m.Gather(qkv, np.array(i), axis=0) for i in range(3))
    y = m.MatMul(m.Softmax(m.MatMul(q, m.Transpose(k, perm=[0, 1, 3, 2])), axis=-1), v)
    return m.MatMul(m.Reshape(m.Transpose(y, perm=[0, 2, 1, 3]), np.array([1, 5, 32])), m.weights(32, 10))


@case()
def transposes_around_matmul(m):
    a, b = m.input("a", 2, 7, 5), m.input("b", 9, 7, 2)
    y = m.MatMul(m.Transpose(a, perm=[0, 2, 1]), m.Transpose(b, perm=[2, 1, 0]))
    return m.Transpose(y, perm=[2, 0, 1]), m.Relu(m.Transpose(m.MatMul(a, m.weights(5, 8)), perm=[1, 0, 2]))


for shape in [(16,), (1,), (16, 1, 1), (1, 16, 1, 1), (6, 5), (16, 6, 5)]:
    @case(f"prelu {shape}", shape=shape if shape != (16,) else (5,))
    def prelu(m, shape):
        x = m.input("x", 2, 16, 6, 5)
        return m.PRelu(x, m.vector(*shape)), m.PRelu(m.MaxPool(m.conv(x, 16, 16), kernel_shape=[1, 1]), m.vector(*shape))


for shape in [(3, 18), (2, 18, 5), (2, 18, 5, 4), (1, 18, 2, 3, 4)]:
    @case(f"batch_norm {shape}", shape=shape)
    def batch_norm(m, shape):
        x = m.input("x", *shape)
        return m.Relu(m.BatchNormalization(m.Abs(x), m.vector(18), m.vector(18), m.vector(18), np.abs(m.vector(18)) + 0.1, epsilon=1e-3))


@case()
def batch_norm_of_blocked(m):
    x = m.MaxPool(m.conv(m.input("x", 2, 3, 6, 6), 3, 18), kernel_shape=[2, 2])
    return m.conv(m.Relu(m.BatchNormalization(x, m.vector(18), m.vector(18), m.vector(18), np.abs(m.vector(18)) + 0.1)), 18, 8, 3)


for op in ("ReduceMean", "ReduceMax", "ReduceMin"):
    for axes, keep in [([2, 3], 1), ([2, 3], 0), ([1], 1), ([0, 2], 0), ([-1], 1), (None, 0), ([0, 1, 2, 3], 1)]:
        @case(f"{op} axes={axes} keepdims={keep}", op=op, axes=axes, keep=keep)
        def reduce(m, op, axes, keep):
            x = m.input("x", 2, 18, 5, 6)
            more = {} if axes is None else {"axes": axes}
            return m.node(op, x, keepdims=keep, **more), m.node(op, m.conv(x, 18, 20), keepdims=keep, **more)


@case()
def reduce_sum(m):
    x = m.input("x", 2, 18, 5, 6)
    return m.ReduceSum(x, np.array([1]), keepdims=0), m.ReduceSum(m.Transpose(x, perm=[3, 1, 0, 2]), np.array([0, -1])), m.ReduceSum(x)


@case(numpy=1)
def reduce_in_numpy(m):
    return m.Relu(m.ReduceL2(m.input("x", 2, 18, 5, 6), axes=[1]))


@case()
def group_norm_as_exporters_write_it(m):
    x = m.conv(m.input("x", 2, 3, 6, 5), 3, 24)
    y = m.InstanceNormalization(m.Reshape(x, np.array([0, 4, -1])), np.ones(4, np.float32), np.zeros(4, np.float32))
    y = m.Add(m.Mul(m.Reshape(y, np.array([2, 24, 6, 5])), m.vector(24, 1, 1)), m.vector(24, 1, 1))
    return m.conv(m.Relu(y), 24, 8)


# ---- elementwise, broadcasting, views

for op in ("Add", "Sub", "Mul", "Div"):
    for a, b in [((2, 18, 4, 5), (18, 1, 1)), ((2, 18, 4, 5), (5,)), ((1, 18, 1, 5), (2, 1, 4, 1)), ((), (3, 4)), ((2, 18, 4, 5), (2, 18, 4, 5))]:
        @case(f"{op} {a} {b}", op=op, a=a, b=b)
        def binary(m, op, a, b):
            return m.Relu(m.node(op, m.input("a", *a), m.Add(m.Abs(m.input("b", *b)), np.float32(0.5))))


@case()
def binary_of_blocked_and_plain(m):
    x = m.input("x", 2, 18, 4, 5)
    y = m.conv(x, 18, 18, 3)
    return m.Mul(m.MaxPool(y, kernel_shape=[1, 1]), x), m.Sub(m.vector(18, 1, 1), y), m.Mul(y, m.vector(4, 5)), m.Max(y, x)


@case()
def views_of_views(m):
    x = m.input("x", 2, 6, 8, 10)
    y = m.Slice(m.Transpose(x, perm=[0, 2, 3, 1]), np.array([1, 2]), np.array([7, 10]), np.array([1, 2]), np.array([2, 3]))
    y = m.Reshape(m.Transpose(y, perm=[0, 3, 1, 2]), np.array([2, 6, 9]))
    return y, m.Relu(m.Unsqueeze(m.Squeeze(m.Slice(y, np.array([2]), np.array([3]), np.array([1])), np.array([1])), np.array([0, 3])))


@case()
def expanded(m):
    x = m.input("x", 1, 18, 1, 5)
    y = m.Expand(x, np.array([2, 18, 4, 5]))
    return y, m.conv(y, 18, 8, 3), m.Add(m.Reshape(y, np.array([2, -1])), np.float32(1))


@case()
def output_that_is_an_input_a_view_or_a_constant(m):
    x = m.input("x", 2, 3, 4)
    return m.Identity(x), m.Reshape(x, np.array([6, 4])), m.Transpose(x, perm=[2, 0, 1]), m.Identity(m.vector(3, 2)), m.Flatten(m.Relu(x))


@case()
def outputs_within_the_graph(m):
    x = m.conv(m.input("x", 1, 3, 5, 5), 3, 18)
    y = m.Relu(x)
    return y, x, m.Transpose(y, perm=[0, 2, 3, 1]), m.Flatten(m.GlobalAveragePool(y))


@case()
def many_axes(m):
    x = m.input("x", 2, 3, 2, 3, 2, 3)
    return m.Relu(m.Transpose(x, perm=[5, 3, 1, 4, 2, 0]))


@case(numpy=9)
def seven_axes(m):
    x = m.input("x", 2, 3, 2, 3, 2, 3, 2)
    return m.Transpose(m.Relu(m.Transpose(x, perm=[6, 5, 3, 1, 4, 2, 0])), perm=[1, 0, 3, 2, 5, 4, 6])


# ---- other dtypes and NumPy steps between kernels

@case(dtype=np.int64)
def argmax(m):
    return m.ArgMax(m.Softmax(m.conv(m.input("x", 2, 3, 4, 5), 3, 19), axis=1), axis=1, keepdims=0)


for axis, more in [(0, {}), (1, {"keepdims": 0}), (-1, {"select_last_index": 1}), (2, {"keepdims": 0})]:
    @case(f"place of an extreme axis={axis} {more}", dtype=np.int64, axis=axis, more=more)
    def extremes(m, axis, more):
        x = m.Round(m.input("x", 3, 18, 5, 6))              # of equal numbers, one is to be found
        return (m.ArgMax(x, axis=axis, **more), m.ArgMin(m.Transpose(x, perm=[2, 0, 3, 1]), axis=axis, **more),
                m.ArgMax(m.Cast(m.MaxPool(x, kernel_shape=[1, 1]), to=3), axis=axis, **more))


@case(dtype=np.int64)
def argmax_of_many_pixels(m):
    x = m.input("x", 1, 5, 90, 110)
    return m.ArgMax(x, axis=1), m.ArgMin(m.Transpose(x, perm=[0, 2, 3, 1]), axis=-1)


for axis, k, largest in [(-1, 3, 1), (0, 2, 1), (1, 18, 0), (2, 1, 0)]:
    @case(f"top_k axis={axis} k={k} largest={largest}", axis=axis, k=k, largest=largest)
    def top_k(m, axis, k, largest):
        x = m.input("x", 3, 18, 5, 6)
        v, i = m.node("TopK", m.Round(x), np.array([k]), axis=axis, largest=largest, n=2)
        w, j = m.node("TopK", m.Transpose(x, perm=[2, 0, 3, 1]), np.array([k % 5 + 1]), n=2)
        return v, w, m.Cast(i, to=1), m.Cast(j, to=1), m.conv(m.Reshape(w, np.array([1, 3, 5, -1])), 3, 16)


@case(opset=9)
def top_k_by_attribute(m):
    v, i = m.node("TopK", m.input("x", 2, 50), k=7, n=2)
    return v, m.Cast(i, to=1)


@case(dtype=np.int64)
def top_k_of_which_only_the_places_are_read(m):
    return m.node("TopK", m.input("x", 2, 500), np.array([9]), n=2)[1]


@case(numpy=2, dtype=np.int64)
def order_of_int64_in_numpy(m):
    x = m.input("x", 2, 50, dtype=np.int64)
    return m.ArgMax(x, axis=1), *m.node("TopK", x, np.array([3]), n=2)


@case(numpy=9, dtype=np.int64)
def int64_through_numpy(m):
    x = m.input("x", 4, 6, dtype=np.int64)
    y = m.Transpose(m.Add(x, np.array(3)))
    squares = m.Slice(m.Mul(y, y), np.array([0]), np.array([2]), np.array([1]))
    return m.Concat(y, squares, axis=1), m.ReduceSum(y, np.array([0]), keepdims=0), m.Reshape(y, np.array([-1]))


FLOATS = {1: np.float32, 10: np.float16, 11: np.float64}
INTEGERS = {2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_}


for code, kind in (FLOATS | INTEGERS).items():
    @case(f"cast to {np.dtype(kind)}", dtype=kind, code=code)
    def cast_to(m, code):
        # negative floats to unsigned integers are beyond the standard
        x, i = m.input("x", 2, 20, 5, 7), m.input("i", 3, 40, dtype=np.int32)
        y = m.Mul(m.Abs(x), np.float32(50))
        return (m.Cast(y, to=code), m.Cast(m.conv(m.Transpose(y, perm=[0, 1, 3, 2]), 20, 20) if code not in (2, 4) else y, to=code),
                m.Cast(m.Transpose(i), to=code))

    @case(f"cast from {np.dtype(kind)}", kind=kind)
    def cast_from(m, kind):
        x = m.input("x", 2, 20, 5, 7, dtype=kind)
        return m.Cast(x, to=1), m.conv(m.Cast(m.Transpose(x, perm=[0, 2, 3, 1]), to=1), 5, 7), m.Relu(m.Cast(x, to=1))


@case(opset=15)
def cast_like(m):
    x, i = m.input("x", 2, 20, 5, 7), m.input("i", 3, dtype=np.int32)
    return m.CastLike(i, x), m.CastLike(m.MaxPool(x, kernel_shape=[1, 1]), x), m.Cast(m.CastLike(x, i), to=1)


@case()
def where(m):
    x = m.input("x", 2, 18, 4, 5)
    y, mask = m.conv(x, 18, 18), m.Greater(m.input("z", 4, 5), np.float32(0))
    return (m.Where(mask, y, x), m.Where(mask, x, np.float32(-9)), m.Where(m.Less(x, y), m.Transpose(m.input("t", 5, 4)), x),
            m.conv(m.Where(m.Not(mask), np.float32(0), y), 18, 4, 3))


for kind in (np.int64, np.int32, np.uint8, np.bool_, np.float64, np.float16):
    @case(f"where {np.dtype(kind)}", dtype=kind, oracle=by_numpy if kind is np.bool_ else expected)
    def where_of_type(m, kind=kind):
        c, a = m.input("c", 3, 1, 5, dtype=np.bool_), m.input("a", 7, 5, dtype=kind)
        return m.Where(c, a, m.input("b", 3, 7, 1, dtype=kind)), m.Where(c, m.Transpose(m.input("t", 5, 3, dtype=kind)), np.zeros((3, 3, 1), kind))


for kind in (np.float32, np.int32, np.int64):
    @case(f"comparisons of {np.dtype(kind)}", dtype=np.bool_)
    def comparisons(m, kind=kind):
        a, b = m.input("a", 3, 7, 5, dtype=kind), m.input("b", 7, 1, dtype=kind)
        if kind is np.float32:
            a, b = m.Round(a), m.Round(b)
        return [m.node(op, *pair) for op in ("Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual") for pair in ((a, b), (b, a))]


@case(dtype=np.bool_)
def logic(m):
    a, b = m.input("a", 3, 1, 5, dtype=np.bool_), m.input("b", 7, 1, dtype=np.bool_)
    return m.And(a, b), m.Or(b, a), m.Xor(a, b), m.Not(m.Transpose(b)), m.Equal(a, b)


for kind in (np.uint8, np.int8):
    @case(f"quantize {np.dtype(kind)}", dtype=kind, kind=kind)
    def quantize(m, kind):
        """A graph that ends in integers, of plain and blocked values, by one scale and by one per channel."""
        x = m.input("x", 2, 35, 5, 7)
        y, scales = m.MaxPool(x, kernel_shape=[1, 1]), np.abs(m.vector(35)) / 50 + np.float32(0.01)
        zeros = m.rng.integers(0, 9, 35).astype(kind)
        by = [m.QuantizeLinear(v, scales, zeros, axis=1) for v in (x, y)]
        return (*by, m.QuantizeLinear(x, scales[:7], zeros[:7], axis=-1), m.QuantizeLinear(y, scales[:5], zeros[:5], axis=2),
                m.QuantizeLinear(m.Transpose(y, perm=[0, 2, 3, 1]), scales[0], zeros[0]), m.Transpose(by[1]))

    @case(f"dequantize {np.dtype(kind)}", kind=kind)
    def dequantize(m, kind):
        x = m.input("x", 2, 35, 5, 7, dtype=kind)
        scales, zeros = m.vector(35), m.rng.integers(0, 9, 35).astype(kind)
        y = m.DequantizeLinear(x, scales, zeros, axis=1)
        return y, m.conv(y, 35, 16), m.DequantizeLinear(m.Transpose(x, perm=[3, 2, 1, 0]), scales[0], zeros[0])

    @case(f"integers between {np.dtype(kind)}", kind=kind)
    def integers_between(m, kind):
        """Other operators stand between the two: views, copies and a Concat of bytes."""
        x, scale, zero = m.input("x", 1, 18, 6, 8), np.float32(0.03), np.array(4, kind)
        q = m.QuantizeLinear(m.MaxPool(x, kernel_shape=[1, 1]), scale, zero)
        q = m.Concat(q, m.Transpose(m.Reshape(q, np.array([1, 18, 8, 6])), perm=[0, 1, 3, 2]), axis=1)
        return m.conv(m.DequantizeLinear(q, scale, zero), 36, 16)


@case(opset=13)
def quantize_without_zero_point(m):
    x = m.input("x", 2, 18, 5)
    return m.DequantizeLinear(m.QuantizeLinear(x, np.float32(0.02)), np.float32(0.03)), m.DequantizeLinear(
        m.Cast(m.Mul(x, np.float32(1000)), to=6), np.float32(0.125))


@case()
def selu_and_threshold(m):
    x = m.input("x", 2, 18, 5, 7)
    return (m.Selu(m.conv(x, 18, 18)), m.Selu(x, alpha=1.5, gamma=0.75), m.ThresholdedRelu(x, alpha=0.5), m.ThresholdedRelu(m.conv(x, 18, 4)))


@case()
def softmax_over_channels_of_one_picture(m):
    return m.Softmax(m.input("x", 1, 5, 90, 110), axis=1), m.LogSoftmax(m.input("z", 7, 5000), axis=0)


@case(numpy=2)
def kernels_around_numpy(m):
    x = m.conv(m.input("x", 1, 3, 6, 6), 3, 16, 3)
    index = m.input("i", 5, dtype=np.int64)
    y = m.Where(m.Greater(x, np.float32(0)), x, m.Mul(x, np.float32(0.1)))
    y = m.conv(m.CumSum(y, np.array(3)), 16, 16, 3)
    return m.Relu(m.Gather(m.Reshape(y, np.array([16, 36])), index, axis=0))


@case(dtype=np.bool_)
def truth_values(m):
    a, b = m.input("a", 3, 5, dtype=np.bool_), m.input("b", 5, dtype=np.bool_)
    return m.And(a, b), m.Transpose(m.Not(a)), m.Concat(a, m.Or(a, b), axis=1)


@case(numpy=9, dtype=np.float64)
def float64(m):
    x = m.input("x", 3, 4, 5, dtype=np.float64)
    return m.Relu(m.Transpose(x, perm=[2, 0, 1])), m.MatMul(x, m.vector(5, 6).astype(np.float64)), m.ReduceMean(x, axes=[1])


@case(dtype=np.uint8)
def uint8(m):
    x = m.input("x", 2, 3, 4, 5, dtype=np.uint8)
    return m.Transpose(x, perm=[0, 2, 3, 1]), m.Concat(x, x, axis=1), m.Cast(m.Mul(m.Cast(x, to=1), np.float32(2)), to=2)


# ---- nothing at all

@case(numpy=9)
def empty_tensors(m):
    x, e = m.input("x", 1, 3, 4, 4), m.input("e", 1, 0, 4, 4)
    y = m.Concat(m.conv(x, 3, 16), e, axis=1)
    return (y, m.Relu(e), m.Transpose(e), m.ReduceSum(e), m.Softmax(e, axis=-1), m.Reshape(e, np.array([0, 4, 3]), allowzero=1),
            m.Slice(x, np.array([2]), np.array([2]), np.array([1])))


@case(numpy=9)
def empty_batch(m):
    x = m.input("x", 0, 3, 6, 6)
    return m.Relu(m.conv(x, 3, 16, 3)), m.Gemm(m.Flatten(m.GlobalAveragePool(x)), m.weights(4, 3), m.vector(4), transB=1)


@case(numpy=9)
def matrix_of_no_columns(m):
    return m.MatMul(m.input("a", 3, 0), m.input("b", 0, 4))


@case()
def conv_of_a_value_known_from_shapes(m):
    """The picture is the same for all runs of a shape, and larger than what is folded."""
    x = m.input("x", 1, 8, 150, 150, declared=(1, 8, "h", "w"))
    ramp = m.Expand(m.vector(1, 8, 1, 150), m.Shape(x))
    return m.Conv(ramp, m.weights(24, 8, 3, 3), pads=[2] * 4)


@pytest.mark.parametrize("isa", _ops.usable_levels())
@pytest.mark.parametrize("name", CASES)
def test_answers_are_onnxruntimes(name, isa):
    numpy_steps = CASES[name][1]
    data, feeds, want = prepared(name)
    steps_of = cinfer.load(data, threads=1, isa=isa)._plan_for({k: v.shape for k, v in feeds.items()}).steps
    kernels = [step.label for step in steps_of]
    assert kernels.count("numpy") <= numpy_steps, f"{name}: {kernels}"
    hold(data, feeds, want, name, isa)


@pytest.mark.parametrize("isa", _ops.usable_levels())
def test_identity_as_a_convolution(isa):
    m = Model()
    x = m.input("x", 1, 16, 2, 2)
    data = m.outputs(m.Conv(x, np.eye(16, dtype=np.float32).reshape(16, 16, 1, 1))).bytes()
    given = np.arange(64, dtype=np.float32).reshape(1, 16, 2, 2)
    assert np.array_equal(cinfer.load(data, threads=1, isa=isa).run(None, {"x": given})[0], given)


# ---- what a plan is made of

def steps(build, *shape, threads=1) -> list[str]:
    m = Model()
    return [step.label for step in cinfer.load(m.outputs(build(m, m.input("x", *shape))).bytes(), threads=threads)._plan_for(None).steps]


def test_residual_and_activation_are_one_step():
    def build(m, x):
        a = m.Relu(m.conv(x, 32, 32))
        return m.Relu(m.Add(m.conv(a, 32, 32), a))
    assert steps(build, 1, 32, 8, 8) == ["to_blocked", "conv", "conv", "from_blocked"]


def test_keeps_relu_when_conv_has_two_consumers():
    def build(m, x):
        a = m.conv(x, 32, 32)
        return m.Mul(m.Relu(a), a)
    assert len(steps(build, 1, 32, 8, 8)) == 5


def test_concat_of_whole_blocks_costs_nothing():
    def build(m, x):
        parts = [m.Relu(m.conv(x, 32, 16)), m.Relu(m.conv(x, 32, 32))]
        return m.conv(m.Concat(*parts, axis=1), 48, 16)
    assert steps(build, 1, 32, 8, 8) == ["to_blocked", "conv", "conv", "conv", "from_blocked"]


def test_c2f_costs_its_convolutions():
    def build(m, x):
        x = m.Relu(m.conv(x, 32, 32))
        a, b = m.Split(x, np.array([16, 16]), axis=1, n=2)
        return m.conv(m.Concat(a, b, m.Relu(m.conv(b, 16, 16)), axis=1), 48, 16)
    assert steps(build, 1, 32, 8, 8) == ["to_blocked", "conv", "conv", "conv", "from_blocked"]


def test_densenet_costs_its_convolutions():
    def build(m, x):
        x = m.conv(x, 32, 32)
        y = m.conv(x, 32, 16)
        z = m.conv(m.Concat(x, y, axis=1), 48, 16)
        return m.conv(m.Concat(x, y, z, axis=1), 64, 16)
    assert steps(build, 1, 32, 8, 8) == ["to_blocked", *["conv"] * 4, "from_blocked"]


def test_views_cost_nothing():
    def build(m, x):
        y = m.Transpose(m.Reshape(x, np.array([4, 6, 5])), perm=[2, 0, 1])
        return m.Relu(m.Slice(y, np.array([1]), np.array([4]), np.array([0])))
    assert len(steps(build, 2, 12, 5)) == 1


def test_heads_are_put_side_by_side_by_their_matmul():
    def build(m, x):
        y = m.Transpose(m.MatMul(x, m.Relu(x)), perm=[0, 2, 1, 3])
        return m.Relu(m.Reshape(y, np.array([2, 4, 12])))
    assert steps(build, 2, 3, 4, 4) == ["map", "pack_gemm", "gemm", "map"]


def test_quantisation_is_part_of_the_step_before():
    def build(m, x):
        """As exporters write it: both operators around each convolution, Relu where saturation does its work."""
        def rounded(y, zero):
            q = m.QuantizeLinear(y, np.float32(0.1), zero)
            return [m.DequantizeLinear(q, np.float32(0.1), zero) for _ in range(2)]
        a, b = rounded(m.Relu(m.conv(x, 32, 32)), np.array(0, np.uint8))
        y, _ = rounded(m.Add(m.conv(a, 32, 32), b), np.array(3, np.int8))
        return rounded(m.Clip(m.conv(y, 32, 32), np.float32(-13.1), np.float32(20)), np.array(3, np.int8))[0]
    assert steps(build, 1, 32, 8, 8) == ["to_blocked", "conv", "conv", "conv", "from_blocked"]


def test_clip_narrower_than_quantisation_stays():
    def build(m, x):
        zero = np.array(3, np.int8)
        return m.DequantizeLinear(m.QuantizeLinear(m.Clip(x, np.float32(-5), np.float32(5)), np.float32(0.1), zero), np.float32(0.1), zero)
    m = Model()
    data = m.outputs(build(m, m.input("x", 4, 9))).bytes()
    feeds = {"x": np.linspace(-20, 20, 36, dtype=np.float32).reshape(4, 9)}
    hold(data, feeds, expected(data, feeds), "clip", _ops.usable_levels()[-1])
    assert len(steps(build, 4, 9)) == 2


def test_outer_softmax_is_shared():
    m = Model()
    data = m.outputs(m.Softmax(m.input("x", 1, 21, 100, 100), axis=1)).bytes()
    for threads in (1, 2):
        plan = cinfer.load(data, threads=threads)._plan_for(None)
        (_, _, tiles), = plan.steps[0].jobs
        assert (tiles > 1) == (threads > 1)


# ---- free sizes, inner values

@pytest.fixture(scope="module")
def free():
    """A picture network of free batch, height and width."""
    m = Model(seed=5)
    x = m.input("x", 1, 3, 16, 16, declared=("n", 3, "h", "w"))
    a = m.Relu(m.conv(x, 3, 16, 3, strides=[2, 2]))
    b = m.MaxPool(m.conv(a, 16, 24, 3), kernel_shape=[2, 2], strides=[2, 2])
    size = m.Slice(m.Shape(a), np.array([2]), np.array([4]))
    up = m.Resize(b, None, None, m.Concat(m.Slice(m.Shape(b), np.array([0]), np.array([2])), size, axis=0), mode="nearest")
    joined = m.conv(m.Concat(a, up, axis=1), 40, 8, 3)
    n = m.Gather(m.Shape(x), np.array([0]), axis=0)
    flat = m.Reshape(m.Transpose(joined, perm=[0, 2, 3, 1]), m.Concat(n, np.array([-1, 8]), axis=0))
    return m.outputs(joined, m.Softmax(flat, axis=-1)), joined


@pytest.mark.parametrize("isa", [isa for isa in _ops.usable_levels() if isa != "baseline"])
@pytest.mark.parametrize("threads", [1, 2])
def test_one_session_takes_many_shapes(free, isa, threads):
    m, _ = free
    session = cinfer.load(m.bytes(), threads=threads, isa=isa)
    for shape in [(1, 3, 16, 16), (2, 3, 18, 23), (1, 3, 4, 4), (5, 3, 33, 8), (1, 3, 64, 48), (1, 3, 16, 16)]:
        feeds = m.feeds(x=shape)
        for got, want in zip(session.run(None, feeds), expected(m.bytes(), feeds)):
            assert_close(got, want, f"{shape} {isa} threads={threads}", TOLERANCE)


def test_too_small_a_picture_is_one_clear_line(free):
    m, _ = free
    session = cinfer.load(m.bytes(), threads=1)
    with pytest.raises(cinfer.Error) as caught:
        session.run(None, m.feeds(x=(1, 3, 1, 1)))
    assert "MaxPool" in str(caught.value) and "\n" not in str(caught.value)
    feeds = m.feeds()
    assert_close(session.run(None, feeds)[0], expected(m.bytes(), feeds)[0], "after the refused run", TOLERANCE)


def test_weights_are_packed_once_for_all_shapes(free):
    m, _ = free
    session = cinfer.load(m.bytes(), threads=1)
    session.run(None, m.feeds(x=(1, 3, 16, 16)))
    packed = len(session._packed)
    for size in (18, 20, 22):
        session.run(None, m.feeds(x=(1, 3, size, 16)))
    assert len(session._packed) == packed


@pytest.fixture(scope="module")
def inner():
    """A model whose values the passes and the plan fuse away."""
    m = Model(seed=6)
    x = m.input("x", 2, 3, 6, 7)
    y = m.BatchNormalization(m.conv(x, 3, 20, 3), m.vector(20), m.vector(20), m.vector(20), np.abs(m.vector(20)) + 0.5)
    z = m.Relu(y)
    s = m.Mul(z, m.Sigmoid(z))
    t = m.Transpose(m.Identity(m.conv(s, 20, 8)), perm=[0, 2, 3, 1])
    names = [f"v{i}" for i in range(len(m._nodes))]
    return m.outputs(t).bytes(), m.outputs(*names[:-1]).bytes(), m.feeds(), names


def test_every_inner_value_can_be_asked_for(inner):
    data, all_outputs, feeds, names = inner
    want = dict(zip(names, expected(all_outputs, feeds, names)))
    session = cinfer.load(data, threads=1)
    for name in names:
        got, = session.run([name], feeds)
        assert_close(got, want[name], name, TOLERANCE)
    for got, name in zip(session.run(names[::-1], feeds), names[::-1]):
        assert_close(got, want[name], f"all, {name}", TOLERANCE)
    got, again = session.run(["x", names[-1]], feeds)
    assert np.array_equal(got, feeds["x"]) and not np.shares_memory(got, feeds["x"])
    assert_close(again, want[names[-1]], "beside the input", TOLERANCE)


def test_outputs_belong_to_the_caller(inner):
    data, _, feeds, _ = inner
    session = cinfer.load(data, threads=1)
    first, = session.run(None, feeds)
    kept = first.copy()
    first[...] = 0
    second, = session.run(None, feeds)
    assert np.array_equal(second, kept) and not np.shares_memory(first, second) and second.flags.owndata
