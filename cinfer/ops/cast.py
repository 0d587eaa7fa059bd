"""Cast and CastLike: numbers, bool and strings into each other.
https://onnx.ai/onnx/operators/onnx__Cast.html

Strings are object arrays of str. Element types that NumPy lacks (bfloat16, float8, int4 ...) are those of
ml_dtypes, where that is installed.
"""
from __future__ import annotations

import numpy as np

from ..model.tensors import DTYPES, EXTENDED, dtype_of
from .facts import Fact
from .registry import op
from .symbols import Undecided


EXTENDED_NAMES = dict(EXTENDED.values())            # -> bits of an element in a file


def bits(dtype: np.dtype) -> int:
    """What an element takes in a file; in arrays the narrow ones take a byte."""
    return EXTENDED_NAMES.get(dtype.name, 8 * dtype.itemsize)


def is_extended(dtype: np.dtype) -> bool:
    """Is it a type of ml_dtypes? Their `kind` does not tell: V for most, f for float8_e5m2."""
    return dtype.name in EXTENDED_NAMES


def is_narrow_int(dtype: np.dtype) -> bool:
    return dtype.name in ("int4", "uint4", "int2", "uint2")


def cast(x: np.ndarray, dtype: np.dtype, saturate: bool = True, round_mode: str = "up") -> np.ndarray:
    """x as dtype. Floats are truncated to ints, and rounded to the nearest even to fewer bits; with
    `saturate` what a float8 cannot hold becomes its largest value, without it nan or infinity."""
    if x.dtype == dtype:
        return x
    if dtype.kind == "O":
        return to_strings(x)
    if x.dtype.kind == "O":
        return from_strings(x, dtype, saturate)
    if dtype.name == "float8_e8m0fnu":
        return to_e8m0(x, dtype, saturate, round_mode)
    if dtype.name.startswith("float8") and saturate:
        limit = float(type_limit(dtype))
        wide = x.astype(np.float32)
        return np.where(np.isnan(wide), wide, wide.clip(-limit, limit)).astype(dtype)
    if is_extended(x.dtype):        # float32 holds each of them; not all are made from each other directly
        x = x.astype(np.float32)
    if dtype.kind == "b":
        return x != 0
    if (dtype.kind in "iu" or is_narrow_int(dtype)) and x.dtype.kind not in "iubc":
        return float_to_int(x, dtype)
    return x.astype(dtype)


def float_to_int(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Truncation. Beyond the type the standard leaves it open; here, as in the processor, by way of a wider
    int."""
    wide = x if x.dtype.kind == "f" and not is_extended(x.dtype) else x.astype(np.float32)
    if dtype == np.uint64:
        return np.where(wide >= 2.0**63, (wide - 2.0**63).astype(np.int64).view(np.uint64)
                        + np.uint64(1 << 63), wide.astype(np.int64).view(np.uint64))
    return wide.astype(np.int64).astype(dtype)


def type_limit(dtype: np.dtype):
    import ml_dtypes
    return ml_dtypes.finfo(dtype).max


def to_e8m0(x: np.ndarray, dtype: np.dtype, saturate: bool, round_mode: str) -> np.ndarray:
    """Powers of two, 2^-127 to 2^127, as their biased exponents; 255 is nan."""
    if round_mode not in ("up", "down", "nearest"):
        raise ValueError(f"round_mode {round_mode!r}; it has to be up, down or nearest")
    x = x.astype(np.float64)
    fraction, exponent = np.frexp(abs(x))                   # x = fraction * 2**exponent, 0.5 <= fraction < 1
    exponent = exponent - 1
    if round_mode == "up":
        exponent = exponent + (fraction > 0.5)
    elif round_mode == "nearest":
        exponent = exponent + (fraction >= 0.75)
    exponent = np.where(x == 0, -128, np.where(np.isinf(x), 128, exponent))
    beyond = (exponent < -127) | (exponent > 127)
    code = np.where(np.isnan(x) | (beyond & (not saturate)), 255, exponent.clip(-127, 127) + 127)
    return code.astype(np.uint8).view(dtype)


def to_strings(x: np.ndarray) -> np.ndarray:
    """Numbers as people write them: floats by the fewest digits that give the same number back."""
    if is_extended(x.dtype):
        x = x.astype(np.float32)
    text = np.empty(x.size, object)
    text[:] = x.reshape(-1).astype(np.str_).tolist()
    return text.reshape(x.shape)


def from_strings(x: np.ndarray, dtype: np.dtype, saturate: bool) -> np.ndarray:
    """What Python reads as a float (also INF, NaN), or for integer types as an int; ValueError for any other
    text."""
    kind = int if dtype.kind in "iu" else float
    values = [number(text, kind) for text in x.reshape(-1).tolist()]
    if kind is int:
        limits = np.iinfo(dtype)
        for value in values:
            if not limits.min <= value <= limits.max:
                raise ValueError(f"{value} is beyond {dtype}")
        return np.array(values, dtype).reshape(x.shape)
    return cast(np.array(values, np.float64).reshape(x.shape), dtype, saturate)


def number(text, kind):
    text = text.decode() if isinstance(text, bytes) else str(text)
    try:
        return kind(text)
    except ValueError:
        value = float(text)
        if kind is int and value in (float("inf"), -float("inf")) or value != value and kind is int:
            raise ValueError(f"{text!r} is no integer") from None
        return kind(value)


def cast_symbolic(x: np.ndarray, *, to, **rest) -> np.ndarray:
    """Sizes fit into 32 bits."""
    if to not in (6, 7, "INT32", "INT64"):
        raise Undecided
    return x


@op("Cast", since=1, elementwise=True, no_larger=True, symbolic=cast_symbolic,
    types=lambda x, *, to: (named_type(to),))
class CastFirst:
    """The type by name. https://onnx.ai/onnx/operators/text_diff_Cast_1_6.html"""
    def infer(x, *, to):
        return x.like(dtype=named_type(to))

    def evaluate(x, *, to: str):
        return cast(x, named_type(to))


def named_type(to: str) -> np.dtype:
    names = {dtype.name.upper(): dtype for dtype in DTYPES.values()}
    names |= {"FLOAT": names["FLOAT32"], "DOUBLE": names["FLOAT64"], "STRING": np.dtype(object)}
    if to not in names:
        raise ValueError(f"{to!r} is no element type; it has to be {', '.join(names)}")
    return names[to]


@op("Cast", since=6, elementwise=True, no_larger=True, symbolic=cast_symbolic,
    types=lambda x, *, to, **_: (dtype_of(to),))
class Cast:
    def infer(x, *, to, saturate=1, round_mode="up"):
        return x.like(dtype=dtype_of(to))

    def evaluate(x, *, to: int, saturate=1, round_mode="up"):
        return cast(x, dtype_of(to), bool(saturate), round_mode)


@op("CastLike", since=15, types=(1,), mixes_floats=True)
class CastLike:
    """To the type of another tensor. https://onnx.ai/onnx/operators/onnx__CastLike.html"""
    def infer(x, target_type, *, saturate=1, round_mode="up"):
        return x.like(dtype=target_type.dtype)

    def evaluate(x, target_type, *, saturate=1, round_mode="up"):
        return cast(x, target_type.dtype, bool(saturate), round_mode)


@op("BitCast", since=26, types=lambda x, *, to: (dtype_of(to),))
class BitCast:
    """The same bits, read as another type of as many bits.
    https://onnx.ai/onnx/operators/onnx__BitCast.html"""
    def infer(x, *, to):
        dtype = dtype_of(to)
        if "O" in (dtype.kind, x.dtype.kind) or bits(dtype) != bits(x.dtype):
            raise ValueError(f"{x.dtype} and {dtype} do not have equally many bits")
        return x.like(dtype=dtype)

    def evaluate(x, *, to: int):
        return np.ascontiguousarray(x).reshape(x.shape).view(BitCast.infer(Fact.of(x), to=to).dtype)
