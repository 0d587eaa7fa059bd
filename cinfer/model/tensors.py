"""TensorProto -> numpy array: raw and external data as views of mapped files, typed fields decoded.

https://onnx.ai/onnx/repo-docs/IR.html#tensor-definition and the message TensorProto of onnx.proto.

A view begins where the file has it: a large array may be misaligned for its dtype (`array.flags.aligned`).
NumPy does not mind; what hands out pointers asks for `np.require(array, requirements=("C", "A"))`. Small
arrays are aligned copies.
"""
from __future__ import annotations

import sys
from math import prod

import numpy as np

from ..errors import LimitError, ModelError, UnsupportedError
from .source import Beside
from .wire import BYTES, FIXED32, FIXED64, VARINT, WireError, fields, joined, packed, signed

BOOL, STRING, FLOAT16 = 9, 8, 10
# Little-endian, as in the file; on a little-endian machine these are the native ones
DTYPES = {code: np.dtype(name) for code, name in (
    (1, "<f4"), (2, "u1"), (3, "i1"), (4, "<u2"), (5, "<i2"), (6, "<i4"), (7, "<i8"), (BOOL, "?"),
    (FLOAT16, "<f2"), (11, "<f8"), (12, "<u4"), (13, "<u8"), (14, "<c8"), (15, "<c16"))}
# What numpy lacks: the name in ml_dtypes (an array of these needs that package) and the bits of an element
EXTENDED = {16: ("bfloat16", 16), 17: ("float8_e4m3fn", 8), 18: ("float8_e4m3fnuz", 8),
            19: ("float8_e5m2", 8), 20: ("float8_e5m2fnuz", 8), 21: ("uint4", 4), 22: ("int4", 4),
            23: ("float4_e2m1fn", 4), 24: ("float8_e8m0fnu", 8), 25: ("uint2", 2), 26: ("int2", 2),
            27: ("float6_e2m3fn", 6), 28: ("float6_e3m2fn", 6)}

# The field that holds a type's elements when they are not raw; int32_data holds all that is not listed
FLOAT_DATA, INT32_DATA, STRING_DATA, INT64_DATA, DOUBLE_DATA, UINT64_DATA = 4, 5, 6, 7, 10, 11
TYPED_FIELD = {1: FLOAT_DATA, 14: FLOAT_DATA, 11: DOUBLE_DATA, 15: DOUBLE_DATA, 7: INT64_DATA,
               12: UINT64_DATA, 13: UINT64_DATA, STRING: STRING_DATA}

MOST_DIMS = 32 if np.__version__.startswith("1.") else 64
SMALL = 4096                    # bytes up to which a misaligned array is copied
MOST_DENSE = 1 << 26            # elements that a sparse tensor may have when filled up


def dtype_of(code: int) -> np.dtype:
    """The numpy dtype of a TensorProto.DataType; UnsupportedError for one that needs ml_dtypes where that is
    missing, ModelError for what is no type."""
    if code in DTYPES:
        return DTYPES[code]
    if code == STRING:
        return np.dtype(object)
    if code not in EXTENDED:
        raise ModelError(f"data type {code}; ONNX has 1 to {max(EXTENDED)}")
    try:
        import ml_dtypes
        return np.dtype(getattr(ml_dtypes, EXTENDED[code][0]))
    except (ImportError, AttributeError):
        raise UnsupportedError(f"data type {EXTENDED[code][0]} needs the package ml_dtypes") from None


def tensor(data, at: int, end: int, beside: Beside) -> tuple[str, np.ndarray]:
    """The TensorProto in data[at:end].

    Returns
    -------
    (name, array) : the array is read-only; strings are objects, str, or bytes where they are not UTF-8

    Raises
    ------
    ModelError, UnsupportedError : the message names the tensor
    """
    dims, code, name, raw, location = [], 0, b"", None, 0
    external: list[tuple[int, int]] = []
    typed: list[tuple[int, int, int]] = []
    for key, value, stop in fields(data, at, end):
        if key == 9 << 3 | BYTES:
            raw = value, stop
        elif key == 1 << 3:
            dims.append(value if value < 1 << 63 else value - (1 << 64))
        elif key == 2 << 3:
            code = value
        elif key == 8 << 3 | BYTES:
            name = data[value:stop]
        elif key >> 3 in (FLOAT_DATA, INT32_DATA, STRING_DATA, INT64_DATA, DOUBLE_DATA, UINT64_DATA):
            typed.append((key, value, stop))
        elif key == 14 << 3:
            location = value
        elif key == 13 << 3 | BYTES:
            external.append((value, stop))
        elif key == 1 << 3 | BYTES:
            dims += packed(data, value, stop).view(np.int64).tolist()
        elif key == 3 << 3 | BYTES:
            raise UnsupportedError(f"tensor {name.decode()!r} is one segment of several; "
                                   "ONNX has given that up")
    name = name.decode()
    try:
        count = elements(dims)
        dtype = dtype_of(code if code < 1 << 31 else signed(code))
        if location == 1:
            array = from_file(data, external, dtype, code, count, beside)
        elif raw is not None:
            array = from_bytes(data, *raw, dtype, code, count)
        else:
            array = from_fields(data, typed, dtype, code, count)
        array = array.reshape(dims)
    except (ModelError, UnsupportedError, LimitError) as error:
        raise type(error)(f"tensor {name!r}: {error}") from None
    except UnicodeDecodeError:
        raise ModelError(f"tensor {name!r}: a text of its external data is no UTF-8") from None
    array.flags.writeable = False
    return name, array


def elements(dims: list[int]) -> int:
    """How many elements a shape has."""
    if len(dims) > MOST_DIMS:
        raise LimitError(f"{len(dims)} dimensions; NumPy has at most {MOST_DIMS}")
    if dims and min(dims) < 0:
        raise ModelError(f"shape {dims} has a negative size")
    count = prod(dims)
    # also with a size of 0, NumPy wants the product of the others to fit
    if count >> 60 or prod(filter(None, dims)) >> 60:
        raise ModelError(f"shape {dims} is beyond what any file can hold")
    return count


def from_bytes(data, at: int, end: int, dtype: np.dtype, code: int, count: int) -> np.ndarray:
    """`count` elements in data[at:end]: a view, but for types that are packed below a byte."""
    if code == STRING:
        raise ModelError("strings in raw data; they belong into string_data")
    bits = EXTENDED[code][1] if code in EXTENDED else 8 * dtype.itemsize
    needed = -(-count * bits // 8)
    if end - at != needed:
        raise ModelError(f"{end - at} bytes of data; {count} elements of {dtype} are {needed}")
    if not count:
        return np.empty(0, dtype.newbyteorder("="))
    if bits < 8:
        return unpacked(np.frombuffer(data, np.uint8, needed, at), bits, count).view(dtype)
    if code == BOOL:
        truth = np.frombuffer(data, np.uint8, count, at)
        return truth.view(bool) if truth.max() < 2 else truth != 0
    array = np.frombuffer(data, dtype, count, at)
    if sys.byteorder == "big":
        return array.astype(dtype.newbyteorder("="))
    if needed <= SMALL and not array.flags.aligned:
        return array.copy()
    return array


def unpacked(content: np.ndarray, bits: int, count: int) -> np.ndarray:
    """Elements of 2, 4 or 6 bits as bytes, the first in the lowest bits of the first byte."""
    if bits == 6:
        digits = np.unpackbits(content, bitorder="little")[:6 * count].reshape(count, 6)
        return np.packbits(digits, axis=1, bitorder="little").reshape(count)
    lanes = content[:, None] >> np.arange(0, 8, bits, dtype=np.uint8) & np.uint8((1 << bits) - 1)
    return lanes.reshape(-1)[:count].copy()


def from_fields(data, typed: list[tuple[int, int, int]], dtype: np.dtype, code: int,
                count: int) -> np.ndarray:
    """Elements from the typed field that belongs to the type (int32_data, ...), packed or single."""
    number = TYPED_FIELD.get(code, INT32_DATA)
    spans = [each for each in typed if each[0] >> 3 == number]
    if number == STRING_DATA:
        return strings(data, spans, count)
    if number in (FLOAT_DATA, DOUBLE_DATA):
        kinds = BYTES, FIXED32 if number == FLOAT_DATA else FIXED64
        spans = [(at, end) for key, at, end in spans if key & 7 in kinds]
        return from_bytes(*joined(data, spans or [(0, 0)]), dtype, code, count)
    chunks, single = [], []
    for key, value, stop in spans:                      # packed parts and single numbers may alternate
        if key & 7 == VARINT:
            single.append(value)
        elif key & 7 == BYTES:
            chunks += [np.array(single, np.uint64), packed(data, value, stop)]
            single = []
    numbers = np.concatenate([*chunks, np.array(single, np.uint64)])
    bits = EXTENDED[code][1] if code in EXTENDED else 8
    needed = -(-count * bits // 8) if bits in (2, 4) else count
    if len(numbers) != needed:
        raise ModelError(f"{len(numbers)} numbers of data; its shape asks for {needed}")
    if number == INT64_DATA:
        return numbers.view(np.int64)
    if number == UINT64_DATA:
        return exactly(numbers, dtype)
    numbers = numbers.astype(np.uint32).view(np.int32)
    if bits in (2, 4):
        return unpacked(numbers.astype(np.uint8), bits, count).view(dtype)
    if bits == 6:
        return (numbers.astype(np.uint8) & np.uint8(63)).view(dtype)
    if code in EXTENDED or code == FLOAT16:             # the bits of the number
        return numbers.astype(np.uint16 if dtype.itemsize == 2 else np.uint8).view(dtype.newbyteorder("="))
    return exactly(numbers, dtype)


def exactly(numbers: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The numbers as dtype; ModelError where it does not hold them."""
    array = numbers.astype(dtype.newbyteorder("="))
    wrong = array != numbers
    if wrong.any():
        raise ModelError(f"element {int(wrong.argmax())} is {numbers[wrong.argmax()]}, which is no {dtype}")
    return array


def strings(data, spans: list[tuple[int, int, int]], count: int) -> np.ndarray:
    array = np.empty(len(spans), object)
    for i, (key, at, end) in enumerate(spans):
        if key & 7 != BYTES:
            raise WireError(f"string_data of wire type {key & 7}")
        array[i] = text_or_bytes(data[at:end])
    if len(array) != count:
        raise ModelError(f"{len(array)} strings of data; its shape asks for {count}")
    return array


def text_or_bytes(content: bytes) -> str | bytes:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content


def from_file(data, spans, dtype: np.dtype, code: int, count: int, beside: Beside) -> np.ndarray:
    """Elements from a file beside the model; `spans` are the entries of external_data.
    https://onnx.ai/onnx/repo-docs/ExternalData.html"""
    entries = {}
    for span in spans:
        key, value = text_pair(data, *span)
        entries[key] = value
    content = beside.open(entries.get("location", ""))
    offset = natural(entries, "offset", 0)
    bits = EXTENDED[code][1] if code in EXTENDED else 8 * dtype.itemsize
    length = natural(entries, "length", -(-count * bits // 8))
    if offset + length > len(content):
        raise ModelError(f"its data is at bytes {offset} to {offset + length} of {entries['location']!r}, "
                         f"which has {len(content)}")
    return from_bytes(content, offset, offset + length, dtype, code, count)


def text_pair(data, at: int, end: int) -> tuple[str, str]:
    """A StringStringEntryProto."""
    pair = {key: data[value:stop].decode() for key, value, stop in fields(data, at, end) if key & 7 == BYTES}
    return pair.get(1 << 3 | BYTES, ""), pair.get(2 << 3 | BYTES, "")


def natural(entries: dict[str, str], name: str, default: int) -> int:
    text = entries.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        raise ModelError(f"{name} {text[:40]!r} of its external data is no size in bytes")
    return int(text)


def sparse_tensor(data, at: int, end: int, beside: Beside) -> tuple[str, np.ndarray]:
    """The SparseTensorProto in data[at:end], filled up with zeros: (name of its values, array)."""
    values, indices, dims = [], [], []
    for key, value, stop in fields(data, at, end):
        if key == 1 << 3 | BYTES:
            values.append((value, stop))
        elif key == 2 << 3 | BYTES:
            indices.append((value, stop))
        elif key == 3 << 3:
            dims.append(signed(value))
        elif key == 3 << 3 | BYTES:
            dims += packed(data, value, stop).view(np.int64).tolist()
    if not values:
        raise ModelError("a sparse tensor has no values")
    name, elems = tensor(*joined(data, values), beside)
    try:
        count = elements(dims)
        if count > MOST_DENSE:
            raise LimitError(f"{count} elements when filled up; {MOST_DENSE} are the most")
        where = tensor(*joined(data, indices), beside)[1] if indices else np.empty(0, np.int64)
        if where.dtype != np.int64 or elems.ndim != 1:
            raise ModelError(f"{elems.ndim}-D values and indices of {where.dtype}; "
                             "they must be 1-D, and int64")
        if where.shape not in ((elems.size,), (elems.size, len(dims))):
            raise ModelError(f"indices of shape {list(where.shape)} for {elems.size} values "
                             f"in {len(dims)} dimensions")
        if where.ndim == 1:
            limits = np.array(count)
        else:
            limits = np.array(dims, np.int64)
        if (where < 0).any() or (where >= limits).any():
            raise ModelError(f"an index is outside of shape {dims}")
        if where.ndim == 2:
            where = where @ np.array([prod(dims[i + 1:]) for i in range(len(dims))], np.int64)
        dense = np.zeros(count, elems.dtype) if elems.dtype != object else np.full(count, "", object)
        dense[where] = elems
    except (ModelError, LimitError) as error:
        raise type(error)(f"sparse tensor {name!r}: {error}") from None
    dense.flags.writeable = False
    return name, dense.reshape(dims)
