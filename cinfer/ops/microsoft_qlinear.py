"""More operators of the domain com.microsoft on quantised numbers, as compositions of the standard's.

onnxruntime writes those of channels that lie last (NHWC) when it optimises for speed (ORT_ENABLE_ALL).
Each is at
https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.<its name>
"""
from __future__ import annotations

from .composite import Value, composite
from .families import MICROSOFT
from .limits import check_size
from .matmul import matmul_shape
from .microsoft import check_given
from .numeric import check_same, matmul, spec_of
from .quantize import I32, check_8_bit, check_scalars, to_int32
from .registry import op


def channels_first(m, x: Value) -> Value:
    return m.Transpose(x, perm=[0, x.ndim - 1, *range(1, x.ndim - 1)])


def channels_last(m, x: Value) -> Value:
    return m.Transpose(x, perm=[0, *range(2, x.ndim), 1])


@composite("QLinearConv", domain=MICROSOFT, types=(7,), rank=0)
def qlinear_conv(m, x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B=None, *,
                 channels_last=0, auto_pad="NOTSET", dilations: list[int] = None, group=1,
                 kernel_shape: list[int] = None, pads: list[int] = None, strides: list[int] = None):
    """The standard's QLinearConv; with channels_last x and y have their channels last, w does not."""
    def conv(x):
        return m.QLinearConv(x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B,
                             auto_pad=auto_pad, dilations=dilations, group=group, kernel_shape=kernel_shape,
                             pads=pads, strides=strides)
    return between_transposes(m, conv, x) if channels_last else conv(x)


def between_transposes(m, function, x: Value) -> Value:
    """What a function of values with channels first makes of one that has them last."""
    if x.ndim < 3:
        raise ValueError(f"x has {x.ndim} axes; it has to have at least 3: batch, spatial ones, channels")
    return channels_last(m, function(channels_first(m, x)))


@composite("NhwcMaxPool", domain=MICROSOFT, rank=0)
def nhwc_max_pool(m, x, *, kernel_shape: list[int], auto_pad="NOTSET", ceil_mode=0,
                  dilations: list[int] = None, pads: list[int] = None, strides: list[int] = None):
    """MaxPool of 8-bit numbers whose channels lie last."""
    check_8_bit(x=x)
    return between_transposes(m, lambda x: m.MaxPool(
        x, kernel_shape=kernel_shape, auto_pad=auto_pad, ceil_mode=ceil_mode, dilations=dilations, pads=pads,
        strides=strides), x)


@composite("QLinearWhere", domain=MICROSOFT, types=(1,))
def qlinear_where(m, condition, X, x_scale, x_zero_point, Y, y_scale, y_zero_point, z_scale, z_zero_point):
    """z = quantised(x where the condition holds, else y)."""
    check_8_bit(X=X)
    check_same(X.dtype, Y, x_zero_point, y_zero_point, z_zero_point)
    check_scalars(x_scale=x_scale, x_zero_point=x_zero_point, y_scale=y_scale, y_zero_point=y_zero_point,
                  z_scale=z_scale, z_zero_point=z_zero_point)
    x, y = m.DequantizeLinear(X, x_scale, x_zero_point), m.DequantizeLinear(Y, y_scale, y_zero_point)
    return m.QuantizeLinear(m.Where(condition, x, y), z_scale, z_zero_point)


@composite("QLinearReduceMean", domain=MICROSOFT)
def qlinear_reduce_mean(m, data, data_scale, data_zero_point=None, reduced_scale=None,
                        reduced_zero_point=None, *, axes: list[int], keepdims: int):
    """y = quantised(mean of data along the axes)."""
    check_given(reduced_scale=reduced_scale)
    check_8_bit(data=data)
    check_same(data.dtype, data_zero_point, reduced_zero_point)
    check_scalars(data_scale=data_scale, data_zero_point=data_zero_point, reduced_scale=reduced_scale,
                  reduced_zero_point=reduced_zero_point)
    if reduced_zero_point is None:
        reduced_zero_point = m.constant(0, data.dtype)
    mean = m.ReduceMean(m.DequantizeLinear(data, data_scale, data_zero_point), axes, keepdims=keepdims)
    return m.QuantizeLinear(mean, reduced_scale, reduced_zero_point)


@op("MatMulInteger16", domain=MICROSOFT, types=(I32,))
class MatMulInteger16:
    """y = a b of int16, in int32, which wraps around."""
    def infer(A, B):
        if A.dtype.name != "int16" or B.dtype.name != "int16":
            raise ValueError(f"A is {A.dtype}, B {B.dtype}; they have to be int16")
        return A.like(check_size(matmul_shape(A.shape, B.shape), 4), I32)

    def evaluate(A, B):
        MatMulInteger16.infer(spec_of(A), spec_of(B))
        return to_int32(matmul(A.astype(float), B.astype(float)))      # exact up to 2**23 terms
