"""Products of numbers that lie on grids, as DequantizeLinear gives them: what passes make of Conv, ConvTranspose,
MatMul and Gemm.

y is what the standard's operator makes of x, w and b, all float32. That x is (an integer of 16 bits - x_zero) * x_scale
is known, and that w is (w_steps - w_zero) * w_scale, w_steps bytes, by one scale and zero point or one for each output:
so sums may be of integers, which int32 holds, times both scales.
"""
from __future__ import annotations

import numpy as np

from .conv import Conv, ConvTranspose
from .facts import rank_of_any
from .families import OWN_DOMAIN
from .matmul import Gemm, MatMul, matmul_rank
from .numeric import F32
from .registry import op


def steps_of(w: np.ndarray, zero: np.ndarray, axis: int) -> np.ndarray:
    """Weights less their zero points, one or one for each index of an axis, as int16."""
    shape = [-1 if i == axis and zero.size > 1 else 1 for i in range(w.ndim)]
    return w.astype(np.int16) - zero.astype(np.int16).reshape(shape)


@op("GridConv", since=1, domain=OWN_DOMAIN, types=(F32,), rank=lambda x, w, *_, **__: rank_of_any(x, w))
class GridConv:
    def infer(x, w, b=None, x_scale=None, x_zero=None, w_steps=None, w_scale=None, w_zero=None, *, auto_pad="NOTSET",
              dilations=None, group=1, kernel_shape=None, pads=None, strides=None):
        return Conv.infer(x, w, b, auto_pad=auto_pad, dilations=dilations, group=group, kernel_shape=kernel_shape,
                          pads=pads, strides=strides)

    def evaluate(x, w, b=None, x_scale=None, x_zero=None, w_steps=None, w_scale=None, w_zero=None, *, group=1,
                 auto_pad="NOTSET", dilations: list[int] = None, kernel_shape: list[int] = None,
                 pads: list[int] = None, strides: list[int] = None):
        return Conv.evaluate(x, w, b, auto_pad=auto_pad, dilations=dilations, group=group, kernel_shape=kernel_shape,
                             pads=pads, strides=strides)


@op("GridConvTranspose", since=1, domain=OWN_DOMAIN, types=(F32,), rank=lambda x, w, *_, **__: rank_of_any(x, w))
class GridConvTranspose:
    def infer(x, w, b=None, x_scale=None, x_zero=None, w_steps=None, w_scale=None, w_zero=None, *, auto_pad="NOTSET",
              dilations=None, group=1, kernel_shape=None, output_padding=None, output_shape=None, pads=None,
              strides=None):
        return ConvTranspose.infer(x, w, b, auto_pad=auto_pad, dilations=dilations, group=group,
                                   kernel_shape=kernel_shape, output_padding=output_padding, output_shape=output_shape,
                                   pads=pads, strides=strides)

    def evaluate(x, w, b=None, x_scale=None, x_zero=None, w_steps=None, w_scale=None, w_zero=None, *,
                 auto_pad="NOTSET", dilations: list[int] = None, group=1, kernel_shape: list[int] = None,
                 output_padding: list[int] = None, output_shape: list[int] = None, pads: list[int] = None,
                 strides: list[int] = None):
        return ConvTranspose.evaluate(x, w, b, auto_pad=auto_pad, dilations=dilations, group=group,
                                      kernel_shape=kernel_shape, output_padding=output_padding,
                                      output_shape=output_shape, pads=pads, strides=strides)


@op("GridMatMul", since=1, domain=OWN_DOMAIN, types=(F32,), rank=lambda a, b, *_: matmul_rank(a, b))
class GridMatMul:
    """There is no b: its input is left out."""
    def infer(a, w, b=None, a_scale=None, a_zero=None, w_steps=None, w_scale=None, w_zero=None):
        return MatMul.infer(a, w)

    def evaluate(a, w, b=None, a_scale=None, a_zero=None, w_steps=None, w_scale=None, w_zero=None):
        return MatMul.evaluate(a, w)


@op("GridGemm", since=1, domain=OWN_DOMAIN, types=(F32,), rank=lambda *_, **__: 2)
class GridGemm:
    def infer(a, w, c=None, a_scale=None, a_zero=None, w_steps=None, w_scale=None, w_zero=None, *, alpha=1.0, beta=1.0,
              transB=0):
        return Gemm.infer(a, w, c, alpha=alpha, beta=beta, transB=transB)

    def evaluate(a, w, c=None, a_scale=None, a_zero=None, w_steps=None, w_scale=None, w_zero=None, *, alpha=1.0,
                 beta=1.0, transB=0):
        return Gemm.evaluate(a, w, c, alpha=alpha, beta=beta, transB=transB)
