"""The standard's operators on quantised numbers: real = (stored - zero point) * scale.

Each is at https://onnx.ai/onnx/operators/onnx__<its name>.html

Sums of integer products are exact: they run in BLAS, in float32 where its 24 bits hold them, else in float64.
"""
from __future__ import annotations

from math import prod

import numpy as np

from ..model.graph import Node
from ..model.tensors import dtype_of
from .cast import cast
from .conv import ConvTranspose, convolve, convolve_transposed, infer_conv
from .facts import rank_of_any
from .families import MICROSOFT, OWN_DOMAIN
from .geometry import transposed_geometry
from .limits import check_axis, check_size
from .matmul import matmul_rank, matmul_shape
from .numeric import (F32, NARROW_INTS, along, broadcast, check_kind, check_same, check_sizes, int_limits, is_float,
                      is_int, is_stored, matmul, settle, spec_of, widen)
from .registry import evaluate, lookup, op

U8, I32 = np.dtype(np.uint8), np.dtype(np.int32)
NEWEST = 24                         # opset of the activations that are done before rounding
BY_SCALE = 23                       # from this opset on QuantizeLinear divides in the type of its scale


def check_granularity(x, scale, zero, axis: int, block_size: int) -> None:
    """ValueError unless a scale is one number, or one for each index of `axis` or each block of them."""
    if zero is not None and prod(zero.shape) != prod(scale.shape):
        raise ValueError(f"the zero point has shape {list(zero.shape)}, the scale {list(scale.shape)}; they "
                         "have to be the same")
    if block_size:
        axis = check_axis(axis, x.ndim)
        blocks = -(-x.shape[axis] // block_size) if block_size > 0 else -1
        check_sizes(scale, (*x.shape[:axis], blocks, *x.shape[axis + 1:]),
                    f"the scale of blocks of {block_size}")
    elif scale.shape not in ((), (1,)):
        axis = 0 if x.ndim == 1 else check_axis(axis, x.ndim)
        check_sizes(scale, (x.shape[axis],), f"the scale along axis {axis}")


def spread(v: np.ndarray | None, x: np.ndarray, axis: int = 1, block_size: int = 0) -> np.ndarray | None:
    """A scale or zero point so that it broadcasts to x."""
    if v is None or v.ndim == 0:
        return v
    if block_size:
        axis = check_axis(axis, x.ndim)
        return v.repeat(block_size, axis)[(slice(None),) * axis + (slice(x.shape[axis]),)]
    return v.reshape(()) if v.size == 1 else v.reshape(along(0 if x.ndim == 1 else axis % x.ndim, x.ndim))


def quantize(x: np.ndarray, scale, zero, dtype: np.dtype, saturate: bool = True, precision: np.dtype = F32
             ) -> np.ndarray:
    """x / scale + zero in `dtype`: integers are rounded half to even and saturated."""
    y = (x.astype(precision) / scale.astype(precision)).astype(F32, copy=False)
    if is_float(dtype):
        return cast(np.asarray(y if zero is None else y + zero.astype(F32)), dtype, saturate)
    y = np.rint(y)
    y = np.clip(y if zero is None else y + zero.astype(F32), *int_limits(dtype))
    # ml_dtypes converts its small integers from int8 and uint8 best
    if dtype.name in NARROW_INTS:
        y = settle(y, np.dtype(np.int8 if dtype.name[0] == "i" else U8))
    return settle(y, dtype)


def dequantize(x: np.ndarray, scale: np.ndarray, zero: np.ndarray | None,
               dtype: np.dtype = F32) -> np.ndarray:
    if is_float(x.dtype) or x.dtype.kind in "iu" and x.dtype.itemsize <= 2:     # their differences are exact in float32
        y = x.astype(F32)
        if zero is not None and zero.any():
            y -= zero.astype(F32)
    else:
        y = (x.astype(I32) if zero is None else x.astype(I32) - zero.astype(I32)).astype(F32)
    y, scale = np.asarray(y), widen(scale)
    return settle(np.multiply(y, scale, out=y if scale.dtype == F32 else None), dtype)


def target(zero, output_dtype: int) -> np.dtype:
    """The type that QuantizeLinear makes."""
    dtype = dtype_of(output_dtype) if output_dtype else U8 if zero is None else zero.dtype
    if zero is not None and zero.dtype != dtype:
        raise ValueError(f"output_dtype is {dtype}, the zero point {zero.dtype}; they have to be the same")
    return dtype


def quantize_linear(x, y_scale, y_zero_point, axis: int, block_size: int, output_dtype: int, saturate: int,
                    precision: np.dtype) -> np.ndarray:
    check_granularity(x, y_scale, y_zero_point, axis, block_size)
    scale, zero = (spread(v, x, axis, block_size) for v in (y_scale, y_zero_point))
    return quantize(x, scale, zero, target(y_zero_point, output_dtype), bool(saturate), precision)


class QuantizeLinear:
    """y = saturate(round(x / y_scale) + y_zero_point)"""
    def infer(x, y_scale, y_zero_point=None, *, axis=1, block_size=0, output_dtype=0, precision=0,
              saturate=1):
        check_granularity(x, y_scale, y_zero_point, axis, block_size)
        return x.like(dtype=target(y_zero_point, output_dtype))

    def evaluate(x, y_scale, y_zero_point=None, *, axis=1, block_size=0, output_dtype=0, precision=0,
                 saturate=1):
        return quantize_linear(x, y_scale, y_zero_point, axis, block_size, output_dtype, saturate,
                               dtype_of(precision) if precision else F32)


class QuantizeLinearByScale:
    """From opset 23 on: where `precision` names no type, x is divided in that of a half scale."""
    infer = QuantizeLinear.infer

    def evaluate(x, y_scale, y_zero_point=None, *, axis=1, block_size=0, output_dtype=0, precision=0,
                 saturate=1):
        scale = y_scale.dtype
        own = scale if is_float(scale) and scale.itemsize == 2 else F32
        return quantize_linear(x, y_scale, y_zero_point, axis, block_size, output_dtype, saturate,
                               dtype_of(precision) if precision else own)


class DequantizeLinear:
    """y = (x - x_zero_point) * x_scale"""
    def infer(x, x_scale, x_zero_point=None, *, axis=1, block_size=0, output_dtype=0):
        if x.dtype.kind not in "iu" and not is_stored(x.dtype):
            raise ValueError(f"x is {x.dtype}, which is not quantised")
        check_same(x.dtype, x_zero_point, what="x and its zero point")
        check_granularity(x, x_scale, x_zero_point, axis, block_size)
        return x.like(dtype=dtype_of(output_dtype) if output_dtype else x_scale.dtype)

    def evaluate(x, x_scale, x_zero_point=None, *, axis=1, block_size=0, output_dtype=0):
        DequantizeLinear.infer(*map(spec_of, (x, x_scale, x_zero_point)), axis=axis, block_size=block_size)
        scale, zero = (spread(v, x, axis, block_size) for v in (x_scale, x_zero_point))
        return dequantize(x, scale, zero, dtype_of(output_dtype) if output_dtype else x_scale.dtype)


for _domain, _since, _quantize in (("", 10, QuantizeLinear), ("", BY_SCALE, QuantizeLinearByScale),
                                   (MICROSOFT, 1, QuantizeLinear)):     # which knew 16 bits before the standard did
    op("QuantizeLinear", since=_since, domain=_domain, rank=0, mixes_floats=True, no_larger=True,
       types=lambda x, scale, zero=None, *, output_dtype=0, **_: (target(zero, output_dtype),))(
           _quantize)
for _domain, _since in (("", 10), (MICROSOFT, 1)):
    op("DequantizeLinear", since=_since, domain=_domain, rank=0, no_larger=True,
       types=lambda x, scale, zero=None, *, output_dtype=0, **_: (
           dtype_of(output_dtype) if output_dtype else scale.dtype,))(DequantizeLinear)


@op("QuantizeDequantize", since=1, domain=OWN_DOMAIN, elementwise=True)
class QuantizeDequantize:
    """QuantizeLinear and DequantizeLinear of one scale, to 8 or 16 bits and back: rounding to a grid."""
    def infer(x, *, scale, zero_point, dtype):
        return x.like()

    def evaluate(x, *, scale: float, zero_point: int, dtype: str):
        scale, zero = np.asarray(scale, F32), np.asarray(zero_point, dtype)
        return dequantize(quantize(x, scale, zero, zero.dtype), scale, zero)


@op("LookUp", since=1, domain=OWN_DOMAIN, types=(1,), rank=0, elementwise=True)
class LookUp:
    """y = table[x], for the 256 values of a byte; those of int8 count as uint8 of the same bits."""
    def infer(x, table):
        return x.like(dtype=table.dtype)

    def evaluate(x, table):
        return table[x.view(U8)]


def dynamic_range(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(scale, zero point) by which the numbers of x, and 0, fill uint8; scale 1 where they are so near to 0 that it
    were no normal number, which kernels flush to 0."""
    low, high = x.min(initial=0).astype(F32), x.max(initial=0).astype(F32)
    scale = F32.type((high - low) / F32.type(255))
    scale = F32.type(1) if scale < np.finfo(F32).tiny else scale
    return np.asarray(scale), np.asarray(np.rint(np.clip(-low / scale, 0, 255)).astype(U8))


@op("DynamicQuantizeLinear", since=11, types=(U8, F32, U8), rank=lambda x: (x.ndim, 0, 0))
class DynamicQuantizeLinear:
    def infer(x):
        check_kind(x, "float")
        return x.like(dtype=U8), x.like((), F32), x.like((), U8)

    def evaluate(x):
        check_kind(x, "float")
        scale, zero = dynamic_range(x)
        return quantize(x, scale, zero, U8), scale, zero


@op("DynamicScale", domain=OWN_DOMAIN, types=(F32, U8), rank=lambda *_: 0)
class DynamicScale:
    """What DynamicQuantizeLinear gives beside the bytes: scale and zero point."""
    def infer(x):
        return DynamicQuantizeLinear.infer(x)[1:]

    def evaluate(x):
        check_kind(x, "float")
        return dynamic_range(x)


# Sums of products of integers

def exact_dtype(terms: int) -> np.dtype:
    """A float type that holds a sum of so many products of 8-bit numbers less their zero points."""
    return F32 if terms * 255 * 255 < 1 << 24 else np.dtype(np.float64)


def shifted(x: np.ndarray, zero: np.ndarray | None, dtype: np.dtype) -> np.ndarray:
    return x.astype(dtype) if zero is None else x.astype(dtype) - zero.astype(dtype)


def to_int32(total: np.ndarray) -> np.ndarray:
    """As int32, which wraps around."""
    return settle(np.asarray(total).astype(np.int64), I32)


def check_8_bit(**inputs) -> None:
    for name, x in inputs.items():
        if x.dtype.name not in ("int8", "uint8"):
            raise ValueError(f"{name} is {x.dtype}; it has to be int8 or uint8")


def check_zeros(*pairs) -> None:
    """ValueError unless each zero point, if there is one, is of the type of what it belongs to."""
    for x, zero in pairs:
        check_same(x.dtype, zero, what="numbers and their zero point")


def check_scalars(**inputs) -> None:
    for name, x in inputs.items():
        if x is not None and x.shape not in ((), (1,)):
            raise ValueError(f"{name} has shape {list(x.shape)}; it has to be a scalar")


def check_per_channel(w, **inputs) -> None:
    for name, x in inputs.items():
        if x is not None and x.shape not in ((), (1,), w.shape[:1]):
            raise ValueError(f"{name} has shape {list(x.shape)}; it has to be a scalar or "
                             f"{list(w.shape[:1])}")


def integer_convolve(x, w, x_zero, w_zero, **attributes) -> np.ndarray:
    """The exact sums of Conv, in float32 or float64. Padding is the zero point."""
    geometry, _ = infer_conv(x, w, **attributes)
    dtype = exact_dtype(prod(w.shape[1:]))
    return convolve(shifted(x, None if x_zero is None else x_zero.reshape(()), dtype),
                    shifted(w, spread(w_zero, w, 0), dtype), geometry, attributes["group"])


@op("ConvInteger", since=10, types=(I32,), rank=lambda x, w, *_, **__: rank_of_any(x, w))
class ConvInteger:
    def infer(x, w, x_zero_point=None, w_zero_point=None, *, auto_pad="NOTSET", dilations=None, group=1,
              kernel_shape=None, pads=None, strides=None):
        check_8_bit(x=x, w=w)
        check_zeros((x, x_zero_point), (w, w_zero_point))
        check_scalars(x_zero_point=x_zero_point)
        check_per_channel(w, w_zero_point=w_zero_point)
        return x.like(infer_conv(x, w, auto_pad=auto_pad, dilations=dilations, group=group,
                                 kernel_shape=kernel_shape, pads=pads, strides=strides)[1], I32)

    def evaluate(x, w, x_zero_point=None, w_zero_point=None, *, auto_pad="NOTSET",
                 dilations: list[int] = None, group=1, kernel_shape: list[int] = None, pads: list[int] = None,
                 strides: list[int] = None):
        attributes = dict(auto_pad=auto_pad, dilations=dilations, group=group, kernel_shape=kernel_shape,
                          pads=pads, strides=strides)
        ConvInteger.infer(*map(spec_of, (x, w, x_zero_point, w_zero_point)), **attributes)
        return to_int32(integer_convolve(x, w, x_zero_point, w_zero_point, **attributes))


@op("ScaledConvInteger", domain=OWN_DOMAIN, types=(F32,), rank=lambda x, w, *_, **__: rank_of_any(x, w))
class ScaledConvInteger:
    """ConvInteger in float32, times a scale, and a bias: numbers for each output channel, or one scale for all. What
    the scale is multiplied by before, if anything, is a number, x_scale; offset is added to the sums, as int32."""
    def infer(x, w, scale, x_zero_point=None, w_zero_point=None, bias=None, x_scale=None, offset=None, *,
              auto_pad="NOTSET", dilations=None, group=1, kernel_shape=None, pads=None, strides=None):
        oc = w.shape[0]
        if prod(scale.shape) not in (1, oc):
            raise ValueError(f"scale has shape {list(scale.shape)}; it has to have 1 element or {oc}")
        check_sizes(bias, (oc,), "bias")
        check_sizes(offset, (oc,), "offset")
        if x_scale is not None:
            check_scalars(x_scale=x_scale)
        return ConvInteger.infer(x, w, x_zero_point, w_zero_point, auto_pad=auto_pad, dilations=dilations, group=group,
                                 kernel_shape=kernel_shape, pads=pads, strides=strides).like(dtype=F32)

    def evaluate(x, w, scale, x_zero_point=None, w_zero_point=None, bias=None, x_scale=None, offset=None, *,
                 auto_pad="NOTSET", dilations: list[int] = None, group=1, kernel_shape: list[int] = None,
                 pads: list[int] = None, strides: list[int] = None):
        attributes = dict(auto_pad=auto_pad, dilations=dilations, group=group, kernel_shape=kernel_shape,
                          pads=pads, strides=strides)
        ScaledConvInteger.infer(*map(spec_of, (x, w, scale, x_zero_point, w_zero_point, bias, x_scale, offset)),
                                **attributes)
        scale = scale if x_scale is None else scale * x_scale.reshape(())
        y = ConvInteger.evaluate(x, w, x_zero_point, w_zero_point, **attributes)
        y = (y if offset is None else y + spread(offset, y, 1)).astype(F32)
        y = y * spread(scale.reshape(-1), y, 1)
        return settle(y if bias is None else y + spread(bias, y, 1), F32)


def requantize(total: np.ndarray, multiplier: np.ndarray, zero: np.ndarray) -> np.ndarray:
    """Integer sums, in units of `multiplier`, as the type of `zero`."""
    return rounded(total.astype(F32) * multiplier, zero)


def rounded(y: np.ndarray, zero: np.ndarray) -> np.ndarray:
    """Steps as integers of the type of `zero`."""
    return settle(np.clip(np.rint(y) + zero.astype(F32), *int_limits(zero.dtype)), zero.dtype)


def requantize_activated(total: np.ndarray, unit: np.ndarray, y_scale: np.ndarray, zero: np.ndarray,
                         slope: np.ndarray | None, activation: str, alpha: float, beta: float) -> np.ndarray:
    """Sums, in units of `unit`, as `requantize` by unit / y_scale, but for what is done before they are rounded: those
    below 0 times `slope`, or a function of one number: the operator `activation` with its attributes alpha and beta."""
    if activation:
        node = Node(activation, ["x"], ["y"], opset=NEWEST)
        operator = lookup(node)
        node.attributes = {name: value for name, value in (("alpha", alpha), ("beta", beta))
                           if name in operator.attributes}
        return rounded(evaluate(operator, node, [total.astype(F32) * unit])[0] / y_scale, zero)
    y = total.astype(F32) * (unit / y_scale)
    return rounded(y if slope is None else np.where(y < 0, y * slope, y), zero)


@op("QLinearConv", since=10, types=(7,), rank=0)
class QLinearConv:
    """The bias is int32, in units of x_scale * w_scale."""
    def infer(x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B=None, *,
              auto_pad="NOTSET", dilations=None, group=1, kernel_shape=None, pads=None, strides=None):
        check_8_bit(x=x, w=w, y_zero_point=y_zero_point)
        check_zeros((x, x_zero_point), (w, w_zero_point))
        check_scalars(x_scale=x_scale, x_zero_point=x_zero_point, y_scale=y_scale, y_zero_point=y_zero_point)
        check_per_channel(w, w_scale=w_scale, w_zero_point=w_zero_point)
        check_sizes(B, w.shape[:1], "B")
        return x.like(infer_conv(x, w, auto_pad=auto_pad, dilations=dilations, group=group,
                                 kernel_shape=kernel_shape, pads=pads, strides=strides)[1],
                      y_zero_point.dtype)

    def evaluate(x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B=None, *,
                 auto_pad="NOTSET", dilations: list[int] = None, group=1, kernel_shape: list[int] = None,
                 pads: list[int] = None, strides: list[int] = None):
        attributes = dict(auto_pad=auto_pad, dilations=dilations, group=group, kernel_shape=kernel_shape,
                          pads=pads, strides=strides)
        inputs = x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B
        QLinearConv.infer(*map(spec_of, inputs), **attributes)
        total = integer_convolve(x, w, x_zero_point, w_zero_point, **attributes)
        if B is not None:
            total = total.astype(np.float64) + B.reshape(along(1, x.ndim))
        multiplier = x_scale.reshape(()) * w_scale / y_scale.reshape(())
        return requantize(total, spread(multiplier, x, 1), y_zero_point.reshape(()))


@op("QLinearConv", since=1, domain=OWN_DOMAIN, types=(7,), rank=0)
class QLinearConvActivated:
    """The standard's with something done before it rounds, as `requantize_activated` says: a slope for each output
    channel, or an activation."""
    def infer(x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B=None, slope=None, *,
              activation="", alpha=0.0, beta=0.0, auto_pad="NOTSET", dilations=None, group=1, kernel_shape=None,
              pads=None, strides=None):
        check_sizes(slope, w.shape[:1], "slope")
        return QLinearConv.infer(x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B,
                                 auto_pad=auto_pad, dilations=dilations, group=group, kernel_shape=kernel_shape,
                                 pads=pads, strides=strides)

    def evaluate(x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B=None, slope=None, *,
                 activation="", alpha=0.0, beta=0.0, auto_pad="NOTSET", dilations: list[int] = None, group=1,
                 kernel_shape: list[int] = None, pads: list[int] = None, strides: list[int] = None):
        attributes = dict(auto_pad=auto_pad, dilations=dilations, group=group, kernel_shape=kernel_shape,
                          pads=pads, strides=strides)
        inputs = x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B, slope
        QLinearConvActivated.infer(*map(spec_of, inputs), **attributes)
        total = integer_convolve(x, w, x_zero_point, w_zero_point, **attributes)
        if B is not None:
            total = total.astype(np.float64) + B.reshape(along(1, x.ndim))
        return requantize_activated(total, spread(x_scale.reshape(()) * w_scale, x, 1), y_scale.reshape(()),
                                    y_zero_point.reshape(()), spread(slope, x, 1), activation, alpha, beta)


@op("QLinearAdd", since=1, domain=OWN_DOMAIN, types=(7,),
    rank=lambda a, _, __, b, *___: a.ndim if b is None else max(a.ndim, b.ndim))
class QLinearAddSloped:
    """onnxruntime's, but that sums below 0 are multiplied by a slope of their channel before they are rounded. B, its
    scale and zero point may be absent: then nothing is added."""
    def infer(A, A_scale, A_zero_point, B, B_scale, B_zero_point, C_scale, C_zero_point, slope):
        check_8_bit(A=A, **{} if B is None else {"B": B})
        shape = A.shape if B is None else check_size(broadcast(A.shape, B.shape))
        check_sizes(slope, shape[1:2], "slope")
        return A.like(shape)

    def evaluate(A, A_scale, A_zero_point, B, B_scale, B_zero_point, C_scale, C_zero_point, slope):
        inputs = A, A_scale, A_zero_point, B, B_scale, B_zero_point, C_scale, C_zero_point, slope
        QLinearAddSloped.infer(*map(spec_of, inputs))
        y = np.asarray(dequantize(A, A_scale.reshape(()), A_zero_point.reshape(())))
        if B is not None:
            y = y + dequantize(B, B_scale.reshape(()), B_zero_point.reshape(()))
        y = np.where(y < 0, y * spread(slope, y, 1), y)
        return quantize(y, C_scale.reshape(()), C_zero_point.reshape(()), A.dtype)


@op("QLinearConvTranspose", since=1, domain=OWN_DOMAIN, types=(7,), rank=0)
class QLinearConvTranspose:
    """ConvTranspose as QLinearConv is Conv, with what may be done before it rounds as of our own one. Scales and zero
    points of w are one, or one for each output channel of a group; the bias is int32, in units of x_scale * w_scale."""
    def infer(x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B=None, slope=None, *,
              activation="", alpha=0.0, beta=0.0, **attributes):
        check_8_bit(x=x, w=w, y_zero_point=y_zero_point)
        real = ConvTranspose.infer(x.like(dtype=F32), w.like(dtype=F32), None, **attributes)
        return real.like(dtype=y_zero_point.dtype)

    def evaluate(x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B=None, slope=None, *,
                 activation="", alpha=0.0, beta=0.0, auto_pad="NOTSET", dilations: list[int] = None, group=1,
                 kernel_shape: list[int] = None, output_padding: list[int] = None, output_shape: list[int] = None,
                 pads: list[int] = None, strides: list[int] = None):
        geometry = transposed_geometry(x.shape[2:], w.shape[2:], auto_pad=auto_pad, dilations=dilations,
                                       output_padding=output_padding, output_shape=output_shape, pads=pads,
                                       strides=strides)
        dtype = exact_dtype(w.size // w.shape[1])
        total = convolve_transposed(shifted(x, x_zero_point.reshape(()), dtype),
                                    shifted(w, spread(w_zero_point, w, 1), dtype), geometry, group)
        if B is not None:
            total = total.astype(np.float64) + B.reshape(along(1, x.ndim))
        unit = np.resize(x_scale.reshape(()) * w_scale, w.shape[1] * group)
        return requantize_activated(total, spread(unit, total, 1), y_scale.reshape(()), y_zero_point.reshape(()),
                                    spread(slope, total, 1), activation, alpha, beta)


@op("QGemm", domain=OWN_DOMAIN, rank=lambda *_, **__: 2, types=(8,))
class QGemmActivated:
    """a b + c as onnxruntime's QGemm has it, of bytes, with something done before it rounds, as `requantize_activated`
    says: a slope for each column, or an activation. c : int32, in units of a_scale * b_scale"""
    def infer(A, a_scale, a_zero_point, B, b_scale, b_zero_point, C, y_scale, y_zero_point, slope=None, *,
              activation="", alpha=0.0, beta=0.0):
        shape = matmul_shape(A.shape, B.shape)
        check_sizes(C, shape[1:], "C")
        check_sizes(slope, shape[1:], "slope")
        check_scalars(a_scale=a_scale, a_zero_point=a_zero_point, y_scale=y_scale, y_zero_point=y_zero_point)
        return A.like(shape, y_zero_point.dtype)

    def evaluate(A, a_scale, a_zero_point, B, b_scale, b_zero_point, C, y_scale, y_zero_point, slope=None, *,
                 activation="", alpha=0.0, beta=0.0):
        inputs = A, a_scale, a_zero_point, B, b_scale, b_zero_point, C, y_scale, y_zero_point, slope
        QGemmActivated.infer(*map(spec_of, inputs))
        total = integer_product(A, B, a_zero_point.reshape(()), b_zero_point).astype(np.float64) + C
        return requantize_activated(total, a_scale.reshape(()) * b_scale, y_scale.reshape(()), y_zero_point.reshape(()),
                                    slope, activation, alpha, beta)


def of_rows(v: np.ndarray | None) -> np.ndarray | None:
    """A scale or zero point of each row, which is a vector or has an axis of 1 behind."""
    return v if v is None or v.ndim != 1 or v.size == 1 else v[:, None]


def integer_product(a, b, a_zero, b_zero) -> np.ndarray:
    """The exact sums of MatMul, in float32 or float64; zero points may be of rows of a, columns of b."""
    dtype = exact_dtype(a.shape[-1])
    return np.asarray(matmul(shifted(a, of_rows(a_zero), dtype), shifted(b, b_zero, dtype)))


def check_rows_columns(a, b, a_values, b_values) -> None:
    """ValueError unless scales and zero points are scalars, or of the rows of a and the columns of b."""
    def check(x, v, whole, line: tuple[int, ...], what: str) -> None:
        if v is not None and v.shape not in ((), (1,), whole, line):
            raise ValueError(f"a scale or zero point of shape {list(v.shape)} for {what} of shape "
                             f"{list(x.shape)}; it has to be a scalar or {list(line)}")
    for v in a_values:
        check(a, v, (*a.shape[:-1], 1), a.shape[-2:-1], "a")
    for v in b_values:
        check(b, v, (*b.shape[:-2], 1, *b.shape[-1:]), b.shape[-1:], "b")


@op("MatMulInteger", since=10, types=(I32,), rank=lambda a, b, *_: matmul_rank(a, b))
class MatMulInteger:
    def infer(A, B, a_zero_point=None, b_zero_point=None):
        check_8_bit(A=A, B=B)
        check_zeros((A, a_zero_point), (B, b_zero_point))
        check_rows_columns(A, B, [a_zero_point], [b_zero_point])
        return A.like(matmul_shape(A.shape, B.shape), I32)

    def evaluate(A, B, a_zero_point=None, b_zero_point=None):
        MatMulInteger.infer(*map(spec_of, (A, B, a_zero_point, b_zero_point)))
        return to_int32(integer_product(A, B, a_zero_point, b_zero_point))


@op("ScaledMatMulInteger", domain=OWN_DOMAIN, types=(F32,), rank=lambda a, b, *_: matmul_rank(a, b))
class ScaledMatMulInteger:
    """MatMulInteger in float32, times a scale: one number, or one for each column. What the scale is multiplied by
    before, if anything, is a number, a_scale; offset, a row, is added to the sums, as int32."""
    def infer(A, B, scale, a_zero_point=None, b_zero_point=None, a_scale=None, offset=None):
        y = MatMulInteger.infer(A, B, a_zero_point, b_zero_point)
        if scale.shape not in ((), (1,), B.shape[-1:]):
            raise ValueError(f"scale has shape {list(scale.shape)}; it has to be a scalar or {list(B.shape[-1:])}")
        if a_scale is not None:
            check_scalars(a_scale=a_scale)
        check_sizes(offset, B.shape[-1:], "offset")
        return y.like(dtype=F32)

    def evaluate(A, B, scale, a_zero_point=None, b_zero_point=None, a_scale=None, offset=None):
        ScaledMatMulInteger.infer(*map(spec_of, (A, B, scale, a_zero_point, b_zero_point, a_scale, offset)))
        scale = scale if a_scale is None else scale * a_scale.reshape(())
        y = MatMulInteger.evaluate(A, B, a_zero_point, b_zero_point)
        return settle((y if offset is None else y + offset).astype(F32) * scale, F32)


@op("QLinearMatMul", since=10, types=(7,), rank=lambda a, _, __, b, *___: matmul_rank(a, b))
class QLinearMatMul:
    def infer(a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point):
        check_zeros((a, a_zero_point), (b, b_zero_point))
        check_rows_columns(a, b, [a_scale, a_zero_point], [b_scale, b_zero_point])
        check_scalars(y_scale=y_scale, y_zero_point=y_zero_point)
        return a.like(matmul_shape(a.shape, b.shape), y_zero_point.dtype)

    def evaluate(a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point):
        inputs = a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point
        QLinearMatMul.infer(*map(spec_of, inputs))
        y_zero = y_zero_point.reshape(())
        if not is_int(a.dtype):
            real = matmul(dequantize(a, of_rows(a_scale), of_rows(a_zero_point)),
                          dequantize(b, b_scale, b_zero_point))
            return quantize(real, y_scale.reshape(()), y_zero, y_zero.dtype)
        multiplier = widen(of_rows(a_scale)) * widen(b_scale) / widen(y_scale.reshape(()))
        return requantize(integer_product(a, b, a_zero_point, b_zero_point), multiplier, y_zero)
