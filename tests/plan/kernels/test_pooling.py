"""Pools, resizing and normalisations of pictures."""
import numpy as np
import pytest

from cinfer import _ops

from onnx_models import by_numpy
from plan_cases import Cases

CASES = Cases()
case = CASES.add


for op, k, s, p, ceil, more in [("MaxPool", 3, 2, 1, 0, {}), ("MaxPool", 3, 2, 0, 1, {}),
                                ("MaxPool", 2, 2, 0, 1, {}), ("MaxPool", 5, 1, 2, 0, {}),
                                ("MaxPool", 3, 1, 2, 0, {"dilations": [2, 2]}),
                                ("AveragePool", 3, 2, 1, 0, {}), ("AveragePool", 3, 2, 1, 1, {}),
                                ("AveragePool", 3, 2, 1, 0, {"count_include_pad": 1}),
                                ("AveragePool", 2, 2, 0, 1, {}),
                                ("AveragePool", 3, 2, 1, 1, {"count_include_pad": 1}),
                                ("AveragePool", 2, 3, 0, 0, {})]:
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
        @case(f"resize_nearest_{nearest}_{coordinates}",
              attributes=dict(nearest_mode=nearest, coordinate_transformation_mode=coordinates))
        def resize_nearest(m, attributes):
            x = m.conv(m.input("x", 1, 3, 5, 6), 3, 17)
            twice = m.Resize(x, None, np.float32([1, 1, 2, 2]), mode="nearest", **attributes)
            return (m.conv(twice, 17, 8, 3),
                    m.Resize(x, None, None, np.array([1, 17, 7, 4]), mode="nearest", **attributes))

for coordinates in ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"):
    @case(f"resize_linear_{coordinates}", attributes=dict(coordinate_transformation_mode=coordinates))
    def resize_linear(m, attributes):
        x = m.conv(m.input("x", 2, 3, 5, 6), 3, 17)
        return (m.conv(m.Resize(x, None, np.float32([1, 1, 2, 3]), mode="linear", **attributes), 17, 8, 3),
                m.Resize(x, None, None, np.array([2, 17, 3, 11]), mode="linear", **attributes),
                m.Resize(x, None, None, np.array([2, 17, 1, 1]), mode="linear", **attributes))


@case("resize_half_pixel_symmetric", opset=19, oracle=by_numpy,
      attributes=dict(coordinate_transformation_mode="half_pixel_symmetric"))
def resize_symmetric(m, attributes):
    x = m.conv(m.input("x", 1, 3, 5, 6), 3, 17)
    scales = np.float32([1, 1, 1.3, 0.7])
    return [m.Resize(x, None, scales, mode=mode, **attributes) for mode in ("nearest", "linear")]


@case()
def resize_by_axes(m):
    x = m.conv(m.input("x", 1, 3, 6, 6), 3, 16)
    roi = np.float32([0, 0, 0.2, 0.1, 1, 1, 0.9, 0.8])
    return (m.Resize(x, None, np.float32([1, 1, 2, 2]), mode="cubic"),
            m.Resize(x, roi, None, np.array([1, 16, 5, 5]), mode="linear",
                     coordinate_transformation_mode="tf_crop_and_resize"))


@case(opset=9)
def upsample(m):
    x = m.conv(m.input("x", 1, 3, 4, 5), 3, 16)
    return (m.Upsample(x, np.float32([1, 1, 2, 2]), mode="nearest"),
            m.Upsample(x, np.float32([1, 1, 2, 2]), mode="linear"))


@case()
def instance_norm(m):
    x = m.conv(m.input("x", 2, 3, 7, 5), 3, 18)
    y = m.Relu(m.InstanceNormalization(x, m.vector(18), m.vector(18), epsilon=1e-3))
    return m.conv(y, 18, 8, 3)


@case()
def group_norm_as_exporters_write_it(m):
    x = m.conv(m.input("x", 2, 3, 6, 5), 3, 24)
    y = m.InstanceNormalization(m.Reshape(x, np.array([0, 4, -1])), np.ones(4, np.float32),
                                np.zeros(4, np.float32))
    y = m.Add(m.Mul(m.Reshape(y, np.array([2, 24, 6, 5])), m.vector(24, 1, 1)), m.vector(24, 1, 1))
    return m.conv(m.Relu(y), 24, 8)


@pytest.mark.parametrize("isa", _ops.usable_levels())
@pytest.mark.parametrize("name", CASES)
def test_answers_are_onnxruntimes(name, isa):
    CASES.check(name, isa)
