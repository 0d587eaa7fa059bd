"""Operators of the domain com.microsoft whose weights are stored in blocks of 2, 4 or 8 bits.

Numbers lie packed in bytes, the first in the lowest bits. Each block of them has a scale and a zero point.
Each is at
https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.<its name>
"""
from __future__ import annotations

import numpy as np

from . import matmul_narrow
from .composite import composite
from .families import MICROSOFT, OWN_DOMAIN
from .limits import check_axis, check_size
from .microsoft import FLOAT
from .numeric import F32, check_same, check_sizes, is_float, settle, spec_of, widen
from .quantize import U8
from .registry import op
from .symbols import differ

CODES = {"float32": FLOAT, "float16": 10, "bfloat16": 16}        # of TensorProto.DataType


def check_blocks(bits: int, block_size: int) -> None:
    if bits not in (2, 4, 8):
        raise ValueError(f"bits {bits}; it has to be 2, 4 or 8")
    if block_size < 16 or block_size & block_size - 1:
        raise ValueError(f"block_size {block_size}; it has to be a power of 2, at least 16")


def unpacked(x: np.ndarray, bits: int) -> np.ndarray:
    """The numbers that lie in bytes, along the last axis, which grows by 8 / bits."""
    y = np.empty((*x.shape, 8 // bits), x.dtype)
    for i in range(8 // bits):
        np.bitwise_and(x >> bits * i, (1 << bits) - 1, out=y[..., i])
    return y.reshape(*x.shape[:-1], x.shape[-1] * (8 // bits))


def check_shapes(what: str, x, *shapes: tuple[int, ...]) -> None:
    """ValueError where an input (None: absent) has none of these shapes."""
    if x is not None and all(differ(x.shape, shape) for shape in shapes):
        raise ValueError(f"{what} has shape {list(x.shape)}; it has to be "
                         f"{' or '.join(str(list(shape)) for shape in shapes)}")


def check_weights(B, scales, zero_points, g_idx, bits: int, block_size: int, K: int, N: int) -> None:
    blocks = -(-K // block_size)
    check_shapes("B", B, (N, blocks, block_size * bits // 8))
    check_shapes("scales", scales, (N, blocks), (N * blocks,))
    if zero_points is not None and zero_points.dtype == U8:
        row = -(-blocks * bits // 8)
        check_shapes("zero_points", zero_points, (N, row), (N * row,))
    else:
        check_same(scales.dtype, zero_points, what="scales and zero_points that are not uint8")
        check_shapes("zero_points", zero_points, (N, blocks), (N * blocks,))
    check_shapes("g_idx", g_idx, (K,), (blocks * block_size,))
    if g_idx is not None and (bits != 4 or zero_points is not None and zero_points.dtype == U8):
        # of these onnxruntime does not compute what its documentation says, so nobody knows what was meant
        zeros = "left out" if zero_points is None else zero_points.dtype
        raise ValueError(f"g_idx with {bits} bits and zero_points {zeros}; it has to be with 4 bits and "
                         "zero_points that are floats or left out")


def zeros_of(zero_points: np.ndarray | None, bits: int, N: int, blocks: int) -> np.ndarray:
    """The zero points in float32, (N, blocks)."""
    if zero_points is None:
        return np.broadcast_to(F32.type(1 << bits - 1), (N, blocks))
    if zero_points.dtype == U8:
        return unpacked(zero_points.reshape(N, -1), bits)[:, :blocks].astype(F32)
    return widen(zero_points).reshape(N, blocks)


def narrow(B, scales, zero_points, *, K: int, N: int, bits: int, block_size: int) -> tuple[np.ndarray, ...]:
    """Weights, scales and zero points of MatMulNBits as NarrowMatMul has them."""
    w, blocks = (unpacked(B, bits) if bits == 2 else B).reshape(N, -1), -(-K // block_size)
    zeros = zeros_of(zero_points, bits, N, blocks)
    return w, widen(scales).reshape(N, blocks), zeros[:1, :1] if (zeros == zeros[0, 0]).all() else zeros


@op("DequantizeNBits", since=1, domain=OWN_DOMAIN, types=(F32,), rank=lambda *_, **__: 2)
class DequantizeNBits:
    """The weights of MatMulNBits as a float32 matrix, (K, N): (quantised - zero point) * scale."""
    def infer(B, scales, zero_points=None, g_idx=None, *, K, N, bits, block_size):
        return scales.like(check_size((K, N), 4), F32)

    def evaluate(B, scales, zero_points=None, g_idx=None, *, K: int, N: int, bits: int, block_size: int):
        blocks = -(-K // block_size)
        scales, zeros = widen(scales).reshape(N, blocks), zeros_of(zero_points, bits, N, blocks)
        y = unpacked(B, bits).astype(F32)
        if g_idx is None:
            scales, zeros = scales[..., None], zeros[..., None]
        else:
            groups = g_idx[:K]
            if ((groups < 0) | (groups >= blocks)).any():
                raise ValueError(f"g_idx holds {groups.min()} to {groups.max()}; allowed is 0 to "
                                 f"{blocks - 1}")
            y, scales, zeros = y.reshape(N, -1)[:, :K], scales[:, groups], zeros[:, groups]
        y -= zeros
        y *= scales
        return y.reshape(N, -1)[:, :K].T


@composite("MatMulNBits", domain=MICROSOFT, rank=0)
def matmul_nbits(m, A, B, scales, zero_points=None, g_idx=None, bias=None, *, K: int, N: int,
                 block_size: int, bits=4, accuracy_level=0, weight_prepacked=0):
    """y = A w + bias, w (K, N) being the numbers of B less their zero points, times their scales.

    B : (N, blocks of K, bytes of a block); scales : (N, blocks); zero_points : of the type of A, or packed as
    B is, each row for itself; 2**(bits - 1) where left out; g_idx : for each index of K the block whose scale
    and zero point it has
    An empty B stands for weights of 0. Where accuracy_level lets A be rounded to fewer bits, it is not.
    """
    check_blocks(bits, block_size)
    if weight_prepacked:
        raise ValueError(f"weight_prepacked {weight_prepacked}, weights laid out for a GPU; it has to be 0")
    if not (is_float(A.dtype) and A.dtype.name in CODES) or B.dtype != U8:
        raise ValueError(f"A is {A.dtype}, B {B.dtype}; they have to be float and uint8")
    check_same(A.dtype, scales, bias, what="A, scales and bias")
    if A.ndim < 1 or differ(A.shape[-1], K):
        raise ValueError(f"A has shape {list(A.shape)}; its last axis has to be K, {K}")
    check_sizes(bias, (N,), "bias")
    if 0 in B.shape and K and N:                # what A holds does not count, not even NaN
        rows = m.Concat(m.Slice(m.Shape(A), [0], [-1]), m.constant([N], np.int64), axis=0)
        return m.Expand(m.constant(np.zeros(N), A.dtype) if bias is None else bias, rows)
    check_weights(B, scales, zero_points, g_idx, bits, block_size, K, N)
    stored, how = (B, scales, zero_points, g_idx), dict(K=K, N=N, bits=bits, block_size=block_size)
    values = [None if each is None else each.fact.value for each in stored]
    wide = A.dtype == F32
    a = A if wide else m.Cast(A, to=FLOAT)
    if any(value is None and each is not None for value, each in zip(values, stored)):
        y = a @ m.add("DequantizeNBits", *stored, domain=OWN_DOMAIN, **how)
    elif g_idx is None and block_size >= matmul_narrow.LEAST_RUN and K * N >= matmul_narrow.MANY_SCALED:
        w, *of_blocks = (m.constant(each) for each in narrow(*values[:3], **how))
        y = m.add("NarrowMatMul", a, w, *of_blocks, domain=OWN_DOMAIN, transB=1, bits=4 if bits == 4 else None,
                  block_size=block_size, K=K)
    else:
        y = a @ m.constant(DequantizeNBits.evaluate(*values, **how))
    if bias is not None:
        y = y + (bias if wide else m.Cast(bias, to=FLOAT))
    return y if wide else m.Cast(y, to=CODES[A.dtype.name])


@op("GatherBlockQuantized", domain=MICROSOFT, types=(2,))
class GatherBlockQuantized:
    """The dequantised elements of `data` at `indices` along gather_axis; 0 for indices beyond its ends.

    data : int4 or uint4 (zero point 0 where left out), or uint8 in which numbers of `bits` lie packed along
    the last axis, that of the blocks (zero point 2**(bits - 1) where left out).
    """
    def infer(data, indices, scales, zero_points=None, *, bits=4, block_size=128, gather_axis=0,
              quantize_axis=1):
        check_blocks(bits, block_size)
        if data.dtype != U8 and (data.dtype.name not in ("int4", "uint4") or bits != 4):
            raise ValueError(f"data is {data.dtype} of {bits} bits; it has to be int4, uint4 or uint8")
        if indices.dtype.name not in ("int32", "int64"):
            raise ValueError(f"indices are {indices.dtype}; they have to be int32 or int64")
        if scales.dtype.name not in CODES:
            raise ValueError(f"scales are {scales.dtype}; they have to be float32, float16 or bfloat16")
        check_same(data.dtype, zero_points, what="data and zero_points")
        along, blocked = check_axis(gather_axis, data.ndim), check_axis(quantize_axis, data.ndim)
        packs = 1
        if data.dtype == U8:
            packs = 8 // bits
            if along or blocked != data.ndim - 1 or along == blocked:
                raise ValueError(f"gather_axis {gather_axis}, quantize_axis {quantize_axis}; of uint8 they "
                                 "have to be the first and the last axis")
        shape = list(data.shape)
        shape[blocked] *= packs
        of_blocks = list(shape)
        of_blocks[blocked] = -(-shape[blocked] // block_size)
        check_sizes(scales, of_blocks, "scales")
        of_blocks[blocked] = -(-of_blocks[blocked] // packs)
        check_sizes(zero_points, of_blocks, "zero_points")
        return scales.like(check_size((*shape[:along], *indices.shape, *shape[along + 1:]), 4))

    def evaluate(data, indices, scales, zero_points=None, *, bits=4, block_size=128, gather_axis=0,
                 quantize_axis=1):
        attributes = dict(bits=bits, block_size=block_size, gather_axis=gather_axis,
                          quantize_axis=quantize_axis)
        GatherBlockQuantized.infer(*map(spec_of, (data, indices, scales, zero_points)), **attributes)
        along, blocked = gather_axis % data.ndim, quantize_axis % data.ndim
        size = data.shape[along]
        inside = (indices >= -size) & (indices < size)
        places = np.where(inside, indices, 0)

        def taken(x):
            shape = (*x.shape[:along], *indices.shape, *x.shape[along + 1:])
            return x.take(places, along) if size else np.zeros(shape, x.dtype)

        def numbers(x):
            return unpacked(x, bits) if x.dtype == U8 else x.astype(np.int8)

        if along == blocked:                    # an element's block is known by its place before it is taken
            y = taken(dequantized(numbers(data), scales, zero_points, block_size, blocked))
        else:
            zeros = None if zero_points is None else numbers(taken(zero_points))
            blocked += (indices.ndim - 1) * (along < blocked)
            if zeros is None and data.dtype == U8:
                zeros = np.array(1 << bits - 1, U8)
            y = dequantized(numbers(taken(data)), taken(scales), zeros, block_size, blocked)
        inside = inside.reshape(inside.shape + (1,) * (data.ndim - along - 1))
        return settle(np.where(inside, y, 0), scales.dtype)


def dequantized(x: np.ndarray, scales: np.ndarray, zeros: np.ndarray | None, block_size: int, axis: int
                ) -> np.ndarray:
    """(x - zeros) * scales in float32, each scale and zero point being of `block_size` elements of `axis`."""
    def spread(v):
        return v.repeat(block_size, axis)[(slice(None),) * axis + (slice(x.shape[axis]),)] if v.ndim else v
    y = x.astype(F32)
    if zeros is not None:
        if zeros.ndim:
            zeros = zeros[(slice(None),) * axis + (slice(scales.shape[axis]),)]
        y = y - spread(zeros.astype(F32))
    return y * spread(widen(scales))
