"""Quantised operators, by the rule stored with the model: real = scale * (stored - zero_point).

Also those of domain com.microsoft that quantisers write: they mean dequantise, compute in float32, quantise.
https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html, https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""
from __future__ import annotations

import numpy as np

from .activations import sigmoid, softmax
from .conv import check_channels, conv_window, convolve
from .numeric import broadcast
from .matmul import gemm_shape, integer_product, matmul_shape
from .registry import TensorSpec, op

MS = "com.microsoft"


def along(v: np.ndarray | None, x, axis: int, block_size: int = 0):
    """A scale or zero point of one number, per slice of an axis, or per block, shaped to meet x."""
    if v is None or v.size == 1 and v.ndim <= 1 and not block_size:
        return None if v is None else v.reshape(())
    if block_size:
        return np.take(v, np.arange(x.shape[axis]) // block_size, axis)
    if v.ndim != 1:
        return v
    return v.reshape([-1 if a == axis % x.ndim else 1 for a in range(x.ndim)])


def check_scale(x, scale, axis: int, block_size: int) -> None:
    if scale.ndim == 1 and scale.shape != (1,) and not block_size:
        if not -x.ndim <= axis < x.ndim or x.shape[axis] != scale.shape[0]:
            raise ValueError(f"scale has {scale.shape[0]} numbers for axis {axis} of x of shape {list(x.shape)}")


def dequantize(x, scale, zero, dtype=np.float32):
    y = x.astype(np.float32) if zero is None else x.astype(np.float32) - zero.astype(np.float32)
    return (y * scale.astype(np.float32)).astype(dtype, copy=False)


def quantize(x, scale, zero, dtype):
    """Ties to even, saturated."""
    y = np.rint(x.astype(np.float32) / scale.astype(np.float32))
    if zero is not None:
        y = y + zero.astype(np.float32)
    if np.dtype(dtype).kind not in "iu":
        return (x.astype(np.float32) / scale.astype(np.float32)).astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(y, limits.min, limits.max).astype(dtype)


def output_type(zero, output_dtype: int) -> np.dtype:
    if zero is not None:
        return zero.dtype
    if output_dtype:
        from ..model.tensors import dtype_of
        return dtype_of(output_dtype)
    return np.dtype(np.uint8)


@op("QuantizeLinear", since=10)
class QuantizeLinear:
    """y = saturate(round(x / y_scale) + y_zero_point)"""
    def infer(x, y_scale, y_zero_point=None, *, axis=1, block_size=0, output_dtype=0, precision=0, saturate=1):
        check_scale(x, y_scale, axis, block_size)
        return x.like(dtype=output_type(y_zero_point, output_dtype))

    def evaluate(x, y_scale, y_zero_point=None, *, axis=1, block_size=0, output_dtype=0, precision=0, saturate=1):
        return quantize(x, along(y_scale, x, axis, block_size), along(y_zero_point, x, axis, block_size), output_type(y_zero_point, output_dtype))


@op("DequantizeLinear", since=10)
class DequantizeLinear:
    """y = (x - x_zero_point) * x_scale"""
    def infer(x, x_scale, x_zero_point=None, *, axis=1, block_size=0, output_dtype=0):
        check_scale(x, x_scale, axis, block_size)
        return x.like(dtype=x_scale.dtype)

    def evaluate(x, x_scale, x_zero_point=None, *, axis=1, block_size=0, output_dtype=0):
        return dequantize(x, along(x_scale, x, axis, block_size), along(x_zero_point, x, axis, block_size), x_scale.dtype)


for _domain_op in (QuantizeLinear, DequantizeLinear):
    op(_domain_op.__name__, domain=MS)(_domain_op)


def dynamic_range(x):
    """(scale, zero point) of an array as uint8, the range including zero."""
    low, high = min(0.0, float(x.min(initial=0))), max(0.0, float(x.max(initial=0)))
    scale = np.float32((high - low) / 255)
    zero = np.uint8(np.clip(np.rint(-low / scale), 0, 255)) if scale else np.uint8(0)
    return scale, np.asarray(zero)


@op("DynamicQuantizeLinear", since=11)
class DynamicQuantizeLinear:
    """https://onnx.ai/onnx/operators/onnx__DynamicQuantizeLinear.html"""
    def infer(x):
        return x.like(dtype=np.uint8), x.like(()), x.like((), np.uint8)

    def evaluate(x):
        scale, zero = dynamic_range(x)
        y = quantize(x, scale, zero, np.uint8) if scale else np.zeros(x.shape, np.uint8)
        return y, np.asarray(scale), zero


@op("QLinearConv", since=10)
class QLinearConv:
    """https://onnx.ai/onnx/operators/onnx__QLinearConv.html; sums are exact, the bias is in steps of x_scale * w_scale."""
    def infer(x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, b=None, *, auto_pad="NOTSET", dilations=None, group=1,
              kernel_shape=None, pads=None, strides=None):
        check_channels(x, w, group)
        return x.like((x.shape[0], w.shape[0], *conv_window(x, w, kernel_shape, strides, pads, dilations, auto_pad).out), y_zero.dtype)

    def evaluate(x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, b=None, *, auto_pad="NOTSET", dilations=None, group=1,
                 kernel_shape=None, pads=None, strides=None):
        column = (-1, *(1,) * (w.ndim - 1))
        xs = x.astype(np.float64) - x_zero.astype(np.float64)
        ws = w.astype(np.float64) - w_zero.astype(np.float64).reshape(column)
        total = convolve(xs, ws, conv_window(x, w, kernel_shape, strides, pads, dilations, auto_pad), group, np.float64)
        if b is not None:
            total += b.astype(np.float64).reshape(column[:-1])
        scale = (x_scale * w_scale).reshape(column[:-1]) / y_scale
        limits = np.iinfo(y_zero.dtype)
        return np.clip(np.rint(total * scale) + y_zero.astype(np.float64), limits.min, limits.max).astype(y_zero.dtype)


@op("QLinearMatMul", since=10)
class QLinearMatMul:
    """https://onnx.ai/onnx/operators/onnx__QLinearMatMul.html"""
    def infer(a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero):
        return a.like(matmul_shape(a, b), y_zero.dtype)

    def evaluate(a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero):
        rows = a_scale[..., None] if a_scale.ndim == 1 and a_scale.size > 1 else a_scale
        real = integer_product(a, b, a_zero, b_zero) * (rows.astype(np.float64) * b_scale)
        limits = np.iinfo(y_zero.dtype)
        return np.clip(np.rint(real / y_scale) + y_zero.astype(np.float64), limits.min, limits.max).astype(y_zero.dtype)


@op("QGemm", domain=MS)
class QGemm:
    """alpha * a b + c (c in steps of alpha * a_scale * b_scale); float32 without y_scale."""
    def infer(a, a_scale, a_zero, b, b_scale, b_zero, c=None, y_scale=None, y_zero=None, *, alpha=1.0, transA=0, transB=0):
        return a.like(gemm_shape(a, b, transA, transB), np.float32 if y_scale is None else y_zero.dtype)

    def evaluate(a, a_scale, a_zero, b, b_scale, b_zero, c=None, y_scale=None, y_zero=None, *, alpha=1.0, transA=0, transB=0):
        bz = b_zero.astype(np.float64)
        x, w = a.astype(np.float64) - a_zero.astype(np.float64), b.astype(np.float64) - (bz[:, None] if transB and bz.ndim == 1 and bz.size > 1 else bz)
        total = (x.T if transA else x) @ (w.T if transB else w)
        if c is not None:
            total = total + c
        real = total * (alpha * a_scale.astype(np.float64) * b_scale)
        return real.astype(np.float32) if y_scale is None else quantize(real, y_scale, y_zero, y_zero.dtype)


def register_binary(name: str, function) -> None:
    @op(name, domain=MS)
    class Binary:
        def infer(a, a_scale, a_zero, b, b_scale, b_zero, c_scale, c_zero=None):
            return a.like(broadcast(a.shape, b.shape))

        def evaluate(a, a_scale, a_zero, b, b_scale, b_zero, c_scale, c_zero=None):
            return quantize(function(dequantize(a, a_scale, a_zero), dequantize(b, b_scale, b_zero)), c_scale, c_zero, a.dtype)


register_binary("QLinearAdd", np.add)
register_binary("QLinearMul", np.multiply)


def register_unary(name: str, function, **attributes) -> None:
    import inspect

    def infer(x, x_scale, x_zero, y_scale, y_zero=None, **given):
        return x.like()

    def evaluate(x, x_scale, x_zero, y_scale, y_zero=None, **given):
        return quantize(function(dequantize(x, x_scale, x_zero), **{**attributes, **given}), y_scale, y_zero, x.dtype)
    named = inspect.Parameter.POSITIONAL_OR_KEYWORD
    evaluate.__signature__ = inspect.Signature(
        [inspect.Parameter(n, named) for n in ("x", "x_scale", "x_zero", "y_scale")] + [inspect.Parameter("y_zero", named, default=None)]
        + [inspect.Parameter(k, inspect.Parameter.KEYWORD_ONLY, default=v) for k, v in attributes.items()])

    class Unary:
        pass
    Unary.infer, Unary.evaluate = infer, evaluate
    op(name, domain=MS)(Unary)


register_unary("QLinearSigmoid", sigmoid)
register_unary("QLinearLeakyRelu", lambda x, alpha: np.where(x < 0, x * np.float32(alpha), x), alpha=0.01)
register_unary("QLinearSoftmax", lambda x, axis, opset: softmax(x, (axis,)), axis=-1, opset=13)


@op("QLinearGlobalAveragePool", domain=MS)
class QLinearGlobalAveragePool:
    """Mean of each picture; NCHW unless channels_last."""
    def infer(x, x_scale, x_zero, y_scale, y_zero, *, channels_last=0):
        shape = (x.shape[0], *(1,) * (x.ndim - 2), x.shape[-1]) if channels_last else (*x.shape[:2], *(1,) * (x.ndim - 2))
        return x.like(shape)

    def evaluate(x, x_scale, x_zero, y_scale, y_zero, *, channels_last=0):
        axes = tuple(range(1, x.ndim - 1)) if channels_last else tuple(range(2, x.ndim))
        return quantize(dequantize(x, x_scale, x_zero).mean(axes, keepdims=True), y_scale, y_zero, x.dtype)


@op("QLinearAveragePool", domain=MS)
class QLinearAveragePool:
    """AveragePool on what the numbers mean."""
    def infer(x, x_scale, x_zero, y_scale, y_zero=None, *, auto_pad="NOTSET", ceil_mode=0, channels_last=0, count_include_pad=0, kernel_shape,
              pads=None, strides=None):
        from .pooling import AveragePool
        if channels_last:
            raise ValueError("channels_last=1; cinfer runs QLinearAveragePool of NCHW only")
        return AveragePool.infer(x, auto_pad=auto_pad, ceil_mode=ceil_mode, kernel_shape=kernel_shape, pads=pads, strides=strides)

    def evaluate(x, x_scale, x_zero, y_scale, y_zero=None, *, auto_pad="NOTSET", ceil_mode=0, channels_last=0, count_include_pad=0, kernel_shape,
                 pads=None, strides=None):
        from .pooling import AveragePool
        y = AveragePool.evaluate(dequantize(x, x_scale, x_zero), auto_pad=auto_pad, ceil_mode=ceil_mode, count_include_pad=count_include_pad,
                                 kernel_shape=kernel_shape, pads=pads, strides=strides)
        return quantize(y, y_scale, y_zero, x.dtype)


@op("QLinearConcat", domain=MS)
class QLinearConcat:
    """Concat of (tensor, scale, zero point) triples."""
    def infer(y_scale, y_zero, *xs, axis):
        parts = xs[::3]
        shape = list(parts[0].shape)
        shape[axis] = sum(x.shape[axis] for x in parts)
        return TensorSpec(y_zero.dtype, tuple(shape))

    def evaluate(y_scale, y_zero, *xs, axis):
        real = [dequantize(x, s, z) for x, s, z in zip(xs[::3], xs[1::3], xs[2::3])]
        return quantize(np.concatenate(real, axis), y_scale, y_zero, y_zero.dtype)


@op("DynamicQuantizeMatMul", domain=MS)
class DynamicQuantizeMatMul:
    """a is quantised to uint8 by its own range; the result is float32."""
    def infer(a, b, b_scale, b_zero=None, bias=None):
        return a.like(matmul_shape(a, b))

    def evaluate(a, b, b_scale, b_zero=None, bias=None):
        scale, zero = dynamic_range(a)
        q = quantize(a, scale, zero, np.uint8) if scale else np.zeros(a.shape, np.uint8)
        y = integer_product(q, b, zero, b_zero) * (float(scale) * b_scale.astype(np.float64))
        return (y if bias is None else y + bias).astype(np.float32)


@op("MatMulIntegerToFloat", domain=MS)
class MatMulIntegerToFloat:
    """An integer product, scaled to float32."""
    def infer(a, b, a_scale, b_scale, a_zero=None, b_zero=None, bias=None):
        return a.like(matmul_shape(a, b), np.float32)

    def evaluate(a, b, a_scale, b_scale, a_zero=None, b_zero=None, bias=None):
        y = integer_product(a, b, a_zero, b_zero) * (a_scale.astype(np.float64) * b_scale)
        return (y if bias is None else y + bias).astype(np.float32)
