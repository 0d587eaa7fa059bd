"""Constants in 8 bits: weights symmetric by output channel, biases in 32 bits at the scale of the sums."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..model.graph import Node
from .exact import like
from .ranges import STEPS, Scale, scale_of

EXACT = 1e-4                        # of a step: 127 steps of a scale that is off by one in its last bit
MOST_BIAS = 2.0 ** 30               # of an int32, so that sums around it have room
FLOAT_BITS = 24
ROOM = 2                            # sums of n products stay below sqrt(n) / ROOM of what they might be at most


@dataclass(frozen=True, slots=True)
class Grid:
    """How a weight is stored: whole numbers from -most to most, which `zero` makes numbers of the type.
    is_exact : scales have so few bits that sums of products are exact in float32 (exact.py)"""
    most: int
    dtype: np.dtype
    zero: int = 0
    is_exact: bool = False


# On CPUs with AVX2 but without VNNI, onnxruntime adds two products of u8 and s8 in 16 bits, which overflows with s8; s7
# has room there, and with u8 it takes instructions that are exact
GRIDS = {"u8": Grid(127, np.dtype(np.uint8), 128), "s8": Grid(127, np.dtype(np.int8)),
         "s7": Grid(63, np.dtype(np.int8))}


def channel_axis(node: Node) -> int:
    """The axis of the weights along which the output's channels lie."""
    if node.op_type == "Conv" or node.op_type == "Gemm" and node.attributes.get("transB"):
        return 0
    return 1


def groups(node: Node) -> int:
    """How many times the channels of that axis follow one another in the output."""
    return node.attributes.get("group", 1) if node.op_type == "ConvTranspose" else 1


def steps(node: Node, weight: np.ndarray, bias: np.ndarray | None, step: np.float32, grid: Grid) -> np.ndarray:
    """The scale of each channel. step : of the input; a bias that would not fit into 32 bits widens its channel's"""
    axis = channel_axis(node)
    others = tuple(i for i in range(weight.ndim) if i != axis)
    scale = np.abs(weight).max(axis=others).astype(np.float64) / grid.most
    if bias is not None:
        largest = np.abs(bias.astype(np.float64)).reshape(groups(node), -1).max(0)
        scale = np.maximum(scale, largest / (MOST_BIAS * float(step)))
    scale[scale < np.finfo(np.float32).tiny] = 1.0              # nothing but zeros
    scale = scale.astype(np.float32)
    return of_few_bits(node, weight, bias, step, scale, grid) if grid.is_exact else scale


def of_few_bits(node: Node, weight: np.ndarray, bias: np.ndarray | None, step: np.float32, scale: np.ndarray,
                grid: Grid) -> np.ndarray:
    """The scales beside these that lose least, of as many bits as the sums leave of a float's."""
    others = tuple(i for i in range(weight.ndim) if i != channel_axis(node))
    terms = weight.size / weight.shape[channel_axis(node)]
    sums = STEPS * np.abs(rounded(node, weight, scale, grid)).sum(axis=others, dtype=np.float64)
    sums /= max(terms ** .5 / ROOM, 1)
    if bias is not None:
        sums += np.abs(bias.astype(np.float64)).reshape(groups(node), -1).max(0) / (scale * float(step))
    bits = np.clip(FLOAT_BITS - np.ceil(np.log2(sums + 1)), 1, FLOAT_BITS // 2)
    unit = 2.0 ** (np.floor(np.log2(scale)) + 1 - bits)
    below, above = (np.float32(near(scale / unit) * unit) for near in (np.floor, np.ceil))

    def error(scale: np.ndarray) -> np.ndarray:
        wide = along(scale, node, weight.ndim)
        return np.square(weight - rounded(node, weight, scale, grid) * wide).sum(axis=others, dtype=np.float64)
    return np.where(error(below) < error(above), below, above)


def along(scale: np.ndarray, node: Node, ndim: int) -> np.ndarray:
    """So that it broadcasts to the weights."""
    return scale.reshape([-1 if i == channel_axis(node) else 1 for i in range(ndim)])


def rounded(node: Node, weight: np.ndarray, scale: np.ndarray, grid: Grid) -> np.ndarray:
    """The whole numbers."""
    return np.clip(np.rint(weight / along(scale, node, weight.ndim)), -grid.most, grid.most).astype(np.int16)


def lost(node: Node, weight: np.ndarray, bias: np.ndarray | None, step: np.float32, grid: Grid) -> np.ndarray:
    """What rounding takes away, in float64."""
    scale = steps(node, weight, bias, step, grid)
    return weight - rounded(node, weight, scale, grid) * along(scale, node, weight.ndim).astype(np.float64)


def exactly_stored(node: Node, weight: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray] | None:
    """(whole numbers, their scales) of weights that are such, but for the last bits of floats; else None."""
    scale = steps(node, weight, None, np.float32(1), grid)
    whole, wide = rounded(node, weight, scale, grid), along(scale, node, weight.ndim)
    return (whole, scale) if (np.abs(weight - whole * wide) <= EXACT * wide).all() else None


def stored_bias(node: Node, bias: np.ndarray, step: np.float32, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(int32, its scale)"""
    scale = np.tile(scale, groups(node)) * np.float32(step)
    return np.rint(bias.astype(np.float64) / scale).astype(np.int32), scale


def stored_constant(array: np.ndarray, dtype: np.dtype, made: Scale | None) -> tuple[np.ndarray, Scale]:
    """What is added or multiplied by, as bytes of one scale. made : exact.py, of what comes of it"""
    scale = scale_of(float(array.min()), float(array.max()), dtype)
    if made is not None:
        scale = like(scale, made)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(array / scale.step) + scale.zero, limits.min, limits.max).astype(dtype), scale


def are_halves(weight: np.ndarray) -> bool:
    """Whether they are float16 numbers."""
    with np.errstate(over="ignore"):
        return bool((weight.astype(np.float16) == weight).all())
