"""Operators of the domain com.microsoft that onnxruntime's quantiser and optimiser write into files.

https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""
from __future__ import annotations

from math import prod

import numpy as np

from .activations import sigmoid, softmax
from .composite import composite
from .families import MICROSOFT
from .limits import check_axis, check_size
from .matmul import matmul_shape, scaled
from .movement import concat_shape
from .numeric import F32, broadcast, broadcasts_to, check_same, check_sizes, settle, spec_of
from .pooling import AveragePool, check_pictures
from .quantize import (check_8_bit, check_rows_columns, check_scalars, dequantize, integer_product, quantize,
                       requantize)
from .registry import add, describe, op

FLOAT = 1                           # of TensorProto.DataType


def check_given(**inputs) -> None:
    """ValueError where an input is left out that stands behind an optional one."""
    for name, x in inputs.items():
        if x is None:
            raise ValueError(f"{name} is left out; it has to be given")


def scalar(v: np.ndarray | None) -> np.ndarray | None:
    return None if v is None else v.reshape(())


# Dequantise, compute, quantise

def quantized_binary(name: str, function) -> None:
    def infer(A, A_scale, A_zero_point=None, B=None, B_scale=None, B_zero_point=None, C_scale=None,
              C_zero_point=None):
        check_given(B=B, B_scale=B_scale, C_scale=C_scale)
        check_8_bit(A=A, B=B)
        check_same(A.dtype, B, A_zero_point, B_zero_point, C_zero_point)
        check_scalars(A_scale=A_scale, A_zero_point=A_zero_point, B_scale=B_scale, B_zero_point=B_zero_point,
                      C_scale=C_scale, C_zero_point=C_zero_point)
        return A.like(check_size(broadcast(A.shape, B.shape)))

    def evaluate(A, A_scale, A_zero_point=None, B=None, B_scale=None, B_zero_point=None, C_scale=None,
                 C_zero_point=None):
        infer(*map(spec_of, (A, A_scale, A_zero_point, B, B_scale, B_zero_point, C_scale, C_zero_point)))
        y = function(dequantize(A, scalar(A_scale), scalar(A_zero_point)),
                     dequantize(B, scalar(B_scale), scalar(B_zero_point)))
        return quantize(np.asarray(y), scalar(C_scale), scalar(C_zero_point), A.dtype)
    add(describe(MICROSOFT, name, 1, evaluate, infer, rank=lambda a, _, __, b, *___: max(a.ndim, b.ndim)))


quantized_binary("QLinearAdd", np.add)
quantized_binary("QLinearMul", np.multiply)


def check_quantized(X, X_scale, X_zero_point, Y_scale, Y_zero_point) -> None:
    check_given(Y_scale=Y_scale)
    check_8_bit(X=X)
    check_same(X.dtype, X_zero_point, Y_zero_point)
    check_scalars(X_scale=X_scale, X_zero_point=X_zero_point, Y_scale=Y_scale, Y_zero_point=Y_zero_point)


def through_floats(function, X, X_scale, X_zero_point, Y_scale, Y_zero_point) -> np.ndarray:
    y = function(dequantize(X, scalar(X_scale), scalar(X_zero_point)))
    return quantize(y, scalar(Y_scale), scalar(Y_zero_point), X.dtype)


@op("QLinearSigmoid", domain=MICROSOFT, rank=0)
class QLinearSigmoid:
    def infer(X, X_scale, X_zero_point=None, Y_scale=None, Y_zero_point=None):
        check_quantized(X, X_scale, X_zero_point, Y_scale, Y_zero_point)
        return X.like()

    def evaluate(X, X_scale, X_zero_point=None, Y_scale=None, Y_zero_point=None):
        check_quantized(X, X_scale, X_zero_point, Y_scale, Y_zero_point)
        return through_floats(sigmoid, X, X_scale, X_zero_point, Y_scale, Y_zero_point)


@op("QLinearLeakyRelu", domain=MICROSOFT, rank=0)
class QLinearLeakyRelu:
    def infer(X, X_scale, X_zero_point=None, Y_scale=None, Y_zero_point=None, *, alpha=0.01):
        check_quantized(X, X_scale, X_zero_point, Y_scale, Y_zero_point)
        return X.like()

    def evaluate(X, X_scale, X_zero_point=None, Y_scale=None, Y_zero_point=None, *, alpha=0.01):
        check_quantized(X, X_scale, X_zero_point, Y_scale, Y_zero_point)
        return through_floats(lambda x: np.where(x < 0, alpha * x, x), X, X_scale, X_zero_point, Y_scale,
                              Y_zero_point)


@op("QLinearSoftmax", domain=MICROSOFT, rank=0)
class QLinearSoftmax:
    """opset : of the Softmax it stands for; before 13, all axes from `axis` on are taken for one."""
    def infer(X, X_scale, X_zero_point=None, Y_scale=None, Y_zero_point=None, *, opset, axis=-1):
        check_quantized(X, X_scale, X_zero_point, Y_scale, Y_zero_point)
        check_axis(axis, X.ndim)
        return X.like()

    def evaluate(X, X_scale, X_zero_point=None, Y_scale=None, Y_zero_point=None, *, opset: int, axis=-1):
        check_quantized(X, X_scale, X_zero_point, Y_scale, Y_zero_point)
        axis = check_axis(axis, X.ndim)
        axes = axis if opset >= 13 else tuple(range(axis, X.ndim))
        return through_floats(lambda x: softmax(x, axes) if x.size else x, X, X_scale, X_zero_point, Y_scale,
                              Y_zero_point)


@op("QLinearConcat", domain=MICROSOFT, types=(1,), rank=2)
class QLinearConcat:
    """more : of each input the tensor, its scale, its zero point"""
    def infer(Y_scale, Y_zero_point, *more, axis):
        if len(more) % 3 or not more:
            raise ValueError(f"{len(more)} inputs behind y's; each tensor has to have a scale and a zero "
                             "point")
        for x, scale, zero in zip(more[::3], more[1::3], more[2::3]):
            check_8_bit(x=x)
            check_scalars(Y_scale=Y_scale, Y_zero_point=Y_zero_point, scale=scale, zero_point=zero)
        return more[0].like(concat_shape(more[::3], axis)[0], Y_zero_point.dtype)

    def evaluate(Y_scale, Y_zero_point, *more, axis: int):
        QLinearConcat.infer(*map(spec_of, (Y_scale, Y_zero_point, *more)), axis=axis)
        parts = [dequantize(x, scalar(scale), scalar(zero))
                 for x, scale, zero in zip(more[::3], more[1::3], more[2::3])]
        return quantize(np.concatenate(parts, axis), scalar(Y_scale), scalar(Y_zero_point),
                        Y_zero_point.dtype)


def channels_first(x: np.ndarray) -> np.ndarray:
    return np.moveaxis(x, -1, 1)


@op("QLinearAveragePool", domain=MICROSOFT, rank=0)
class QLinearAveragePool:
    def infer(X, x_scale, x_zero_point=None, y_scale=None, y_zero_point=None, *, kernel_shape,
              auto_pad="NOTSET", ceil_mode=0, channels_last=0, count_include_pad=0, pads=None, strides=None):
        check_quantized(X, x_scale, x_zero_point, y_scale, y_zero_point)
        check_pictures(X, "int")
        first = (X.shape[0], X.shape[-1], *X.shape[1:-1]) if channels_last else X.shape
        y = AveragePool.infer(X.like(first, F32), kernel_shape=kernel_shape, auto_pad=auto_pad,
                              ceil_mode=ceil_mode, pads=pads, strides=strides)
        return X.like((y.shape[0], *y.shape[2:], y.shape[1]) if channels_last else y.shape)

    def evaluate(X, x_scale, x_zero_point=None, y_scale=None, y_zero_point=None, *, kernel_shape: list[int],
                 auto_pad="NOTSET", ceil_mode=0, channels_last=0, count_include_pad=0, pads: list[int] = None,
                 strides: list[int] = None):
        check_quantized(X, x_scale, x_zero_point, y_scale, y_zero_point)
        check_pictures(X, "int")

        def average(x):
            y = AveragePool.evaluate(channels_first(x) if channels_last else x, kernel_shape=kernel_shape,
                                     auto_pad=auto_pad, ceil_mode=ceil_mode,
                                     count_include_pad=count_include_pad, pads=pads, strides=strides)
            return np.moveaxis(y, 1, -1) if channels_last else y
        return np.ascontiguousarray(through_floats(average, X, x_scale, x_zero_point, y_scale, y_zero_point))


@op("QLinearGlobalAveragePool", domain=MICROSOFT, rank=0)
class QLinearGlobalAveragePool:
    """The sums are exact."""
    def infer(X, x_scale, x_zero_point, y_scale, y_zero_point, *, channels_last=0):
        check_quantized(X, x_scale, x_zero_point, y_scale, y_zero_point)
        check_pictures(X, "int")
        ones = (1,) * (X.ndim - 2)
        return X.like((X.shape[0], *ones, X.shape[-1]) if channels_last else (*X.shape[:2], *ones))

    def evaluate(X, x_scale, x_zero_point, y_scale, y_zero_point, *, channels_last=0):
        QLinearGlobalAveragePool.infer(*map(spec_of, (X, x_scale, x_zero_point, y_scale, y_zero_point)))
        axes = tuple(range(1, X.ndim - 1) if channels_last else range(2, X.ndim))
        count = prod(X.shape[axis] for axis in axes)
        total = X.sum(axes, np.int64, keepdims=True) - count * x_zero_point.reshape(()).astype(np.int64)
        multiplier = scalar(x_scale) / (scalar(y_scale) * F32.type(count))
        return requantize(total, multiplier, scalar(y_zero_point))


# Products of matrices

@op("QGemm", domain=MICROSOFT, rank=lambda *_, **__: 2,
    types=lambda A, *rest, **_: (rest[7].dtype if len(rest) > 7 and rest[7] is not None else F32,))
class QGemm:
    """alpha * a b + c, where c is int32 in units of alpha * a_scale * b_scale; float32 without y_scale."""
    def infer(A, a_scale, a_zero_point, B, b_scale, b_zero_point, C=None, y_scale=None, y_zero_point=None, *,
              alpha=1.0, transA=0, transB=0):
        check_8_bit(A=A, B=B)
        check_scalars(a_scale=a_scale, a_zero_point=a_zero_point, y_scale=y_scale, y_zero_point=y_zero_point)
        if A.ndim != 2 or B.ndim != 2:
            raise ValueError(f"A has {A.ndim} axes, B {B.ndim}; both have to have 2")
        shape = matmul_shape(A.shape[::-1] if transA else A.shape, B.shape[::-1] if transB else B.shape)
        for name, v in (("b_scale", b_scale), ("b_zero_point", b_zero_point)):
            if v is not None and v.shape not in ((), (1,), shape[1:]):
                raise ValueError(f"{name} has shape {list(v.shape)}; it has to be a scalar or "
                                 f"{list(shape[1:])}")
        if C is not None:
            broadcasts_to(C.shape, shape, "C")
        if (y_scale is None) != (y_zero_point is None):
            raise ValueError("y_scale and y_zero_point have to be both given or both absent")
        return A.like(shape, F32 if y_scale is None else y_zero_point.dtype)

    def evaluate(A, a_scale, a_zero_point, B, b_scale, b_zero_point, C=None, y_scale=None, y_zero_point=None,
                 *, alpha=1.0, transA=0, transB=0):
        inputs = A, a_scale, a_zero_point, B, b_scale, b_zero_point, C, y_scale, y_zero_point
        QGemm.infer(*map(spec_of, inputs), transA=transA, transB=transB)
        total = integer_product(A.T if transA else A, B.T if transB else B, scalar(a_zero_point),
                                b_zero_point)
        if C is not None:
            total = total.astype(np.float64) + C
        multiplier = scaled(scalar(a_scale) * b_scale, alpha).astype(F32, copy=False)
        if y_scale is None:
            return settle(total.astype(F32) * multiplier, F32)
        return requantize(total, multiplier / scalar(y_scale), scalar(y_zero_point))


@composite("DynamicQuantizeMatMul", domain=MICROSOFT)
def dynamic_quantize_matmul(m, A, B, b_scale, b_zero_point=None, bias=None):
    """y = a b + bias; a is quantised to uint8 by its own range, b is of 8 bits."""
    check_same(F32, A, b_scale, bias, what="floats")
    a, a_scale, a_zero = m.DynamicQuantizeLinear(A, n_outputs=3)
    return integer_product_in_floats(m, a, B, a_scale, b_scale, a_zero, b_zero_point, bias)


@composite("MatMulIntegerToFloat", domain=MICROSOFT, types=(2,))
def matmul_integer_to_float(m, A, B, a_scale, b_scale, a_zero_point=None, b_zero_point=None, bias=None):
    """y = a b + bias of a and b of 8 bits; those of b may have scales and zero points by column."""
    check_same(a_scale.dtype, b_scale, bias, what="a_scale, b_scale and bias")
    if a_scale.dtype == F32:
        return integer_product_in_floats(m, A, B, a_scale, b_scale, a_zero_point, b_zero_point, bias)
    wide = [None if v is None else m.Cast(v, to=FLOAT) for v in (a_scale, b_scale, bias)]
    y = integer_product_in_floats(m, A, B, *wide[:2], a_zero_point, b_zero_point, wide[2])
    return m.CastLike(y, a_scale)


def integer_product_in_floats(m, a, b, a_scale, b_scale, a_zero, b_zero, bias):
    """(a - a_zero) (b - b_zero) * (a_scale * b_scale) + bias in float32, the sums being exact."""
    check_scalars(a_scale=a_scale)
    check_rows_columns(a, b, [a_zero], [b_scale, b_zero])
    if a_zero is None and b_zero is not None:
        a_zero = m.constant(0, a.dtype)
    y = m.Cast(m.MatMulInteger(a, b, a_zero, b_zero), to=FLOAT) * (m.Reshape(a_scale, []) * b_scale)
    check_sizes(bias, b.shape[-1:], "bias")
    return y if bias is None else y + bias


# activation_params are these attributes, in this order
ACTIVATIONS = {"Relu": (), "Tanh": (), "Sigmoid": (), "LeakyRelu": ("alpha",), "HardSigmoid": ("alpha", "beta"),
               "Clip": ("min", "max")}


@composite("FusedConv", domain=MICROSOFT)
def fused_conv(m, X, W, B=None, Z=None, *, activation="", activation_params: list[float] = None,
               auto_pad="NOTSET", dilations: list[int] = None, group=1, kernel_shape: list[int] = None,
               pads: list[int] = None, strides: list[int] = None):
    """activation(Conv(X, W, B) + Z)"""
    if activation and activation not in ACTIVATIONS:
        raise ValueError(f"activation {activation!r}; it has to be {', '.join(ACTIVATIONS)}")
    names, given = ACTIVATIONS.get(activation, ()), activation_params or ()
    if len(given) > len(names):
        raise ValueError(f"activation_params {list(given)}; {activation!r} has {len(names)}")
    y = m.Conv(X, W, B, auto_pad=auto_pad, dilations=dilations, group=group, kernel_shape=kernel_shape, pads=pads,
               strides=strides)
    if Z is not None:
        check_sizes(Z, y.shape, "Z")
        y = y + Z
    if activation == "Clip":
        return m.Clip(y, *(m.constant(v, X.dtype) for v in given))
    return m.add(activation, y, **dict(zip(names, given))) if activation else y
