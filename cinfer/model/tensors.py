"""TensorProto -> numpy array: raw data as a view of the file, typed fields decoded, external data mapped beside the model.

https://onnx.ai/onnx/repo-docs/IR.html#tensors-and-type and onnx.proto, message TensorProto.
"""
from __future__ import annotations

import mmap
import os
from math import prod

import numpy as np

from ..errors import ModelError, UnsupportedError
from .wire import BYTES, FIXED32, FIXED64, VARINT, fields, packed_varints, signed

FLOAT, STRING, BOOL = 1, 8, 9
DTYPES = {1: "f4", 2: "u1", 3: "i1", 4: "u2", 5: "i2", 6: "i4", 7: "i8", 9: "?", 10: "f2", 11: "f8", 12: "u4", 13: "u8", 14: "c8",
          15: "c16"}
DTYPES = {code: np.dtype(text).newbyteorder("<") for code, text in DTYPES.items()}
# types numpy lacks, by their names in ml_dtypes, and their bits
EXTENDED = {16: ("bfloat16", 16), 17: ("float8_e4m3fn", 8), 18: ("float8_e4m3fnuz", 8), 19: ("float8_e5m2", 8),
            20: ("float8_e5m2fnuz", 8), 21: ("uint4", 4), 22: ("int4", 4), 23: ("float4_e2m1fn", 4), 24: ("float8_e8m0fnu", 8),
            25: ("uint2", 2), 26: ("int2", 2)}
MOST_ELEMENTS = 1 << 40


def dtype_of(code: int) -> np.dtype:
    """The numpy dtype of a TensorProto data type; UnsupportedError for a type numpy and ml_dtypes do not have."""
    if code in DTYPES:
        return DTYPES[code]
    if code == STRING:
        return np.dtype(object)
    if code not in EXTENDED:
        raise ModelError(f"data type {code}; the standard has 1 to {max(EXTENDED)}")
    try:
        import ml_dtypes
        return np.dtype(getattr(ml_dtypes, EXTENDED[code][0]))
    except (ImportError, AttributeError):
        raise UnsupportedError(f"data type {EXTENDED[code][0]}; install the package ml_dtypes for it") from None


def tensor(data, at: int, end: int, folder: str | None) -> tuple[str, np.ndarray]:
    """(name, array) of the TensorProto in data[at:end]. folder : where external data lies; None when there is no file.

    The array is read-only; of raw data it is a view. Raises ModelError.
    """
    dims, code, name, raw, external, location = [], 0, "", None, {}, 0
    parts: list[tuple[int, int, int, int]] = []
    for number, kind, value, stop in fields(data, at, end):
        if number == 9 and kind == BYTES:
            raw = value, stop - value
        elif number == 1:
            dims += [signed(value)] if kind == VARINT else packed_varints(data, value, stop)
        elif number == 2 and kind == VARINT:
            code = value
        elif number == 8 and kind == BYTES:
            name = bytes(data[value:stop]).decode(errors="replace")
        elif number == 14 and kind == VARINT:
            location = value
        elif number == 13 and kind == BYTES:
            pair = {n: bytes(data[v:s]).decode(errors="replace") for n, k, v, s in fields(data, value, stop) if k == BYTES}
            external[pair.get(1, "")] = pair.get(2, "")
        elif number in (4, 5, 6, 7, 10, 11):
            parts.append((number, kind, value, stop))
    if any(d < 0 for d in dims) or prod(dims) > MOST_ELEMENTS or len(dims) > 32:
        raise ModelError(f"tensor {name!r} has the sizes {dims}")
    try:
        dtype = dtype_of(code)
        if location == 1:
            array = external_array(external, dtype, code, prod(dims), folder)
        elif raw is not None:
            array = from_bytes(data, *raw, dtype, code, prod(dims))
        else:
            array = typed(data, parts, dtype, code, prod(dims))
    except (ModelError, UnsupportedError) as error:
        raise type(error)(f"tensor {name!r}: {error}") from None
    return name, array.reshape(dims)


def from_bytes(data, at: int, size: int, dtype: np.dtype, code: int, count: int) -> np.ndarray:
    """`count` elements of the `size` bytes at `at`: a view, but for types packed below a byte."""
    if code == STRING:
        raise ModelError("strings cannot be raw data")
    bits = EXTENDED[code][1] if code in EXTENDED else 8 * dtype.itemsize
    if size != -(-count * bits // 8):
        raise ModelError(f"{size} bytes of data, {count} elements of {dtype} need {-(-count * bits // 8)}")
    if count == 0:
        return np.empty(0, dtype)
    if bits < 8:
        return unpacked(np.frombuffer(data, np.uint8, size, at), bits, dtype, count)
    array = np.frombuffer(data, dtype, count, at)
    array.flags.writeable = False
    return array


def unpacked(packed: np.ndarray, bits: int, dtype: np.dtype, count: int) -> np.ndarray:
    """Elements of 2 or 4 bits, the first in the lowest bits of a byte."""
    lanes = (packed[:, None] >> np.arange(0, 8, bits, dtype=np.uint8)) & ((1 << bits) - 1)
    values = lanes.reshape(-1)[:count]
    if dtype.name.startswith("int"):                    # sign extension
        values = (values.astype(np.int8) ^ (1 << bits - 1)) - (1 << bits - 1)
        return values.astype(dtype)
    return values.astype(dtype) if dtype.name.startswith("uint") else values.astype(np.uint8).view(dtype)


def typed(data, parts, dtype: np.dtype, code: int, count: int) -> np.ndarray:
    """Elements from the typed fields: float_data, int32_data, string_data, int64_data, double_data, uint64_data."""
    if code == STRING:
        values = [bytes(data[v:s]) for number, kind, v, s in parts if number == 6 and kind == BYTES]
        array = np.empty(len(values), object)
        array[:] = values
        if len(values) != count:
            raise ModelError(f"{len(values)} strings, its sizes ask for {count}")
        return array
    field = {1: 4, 14: 4, 11: 10, 15: 10, 7: 7, 12: 11, 13: 11}.get(code, 5)
    if field in (4, 10):
        width, fixed = (4, FIXED32) if field == 4 else (8, FIXED64)
        chunks = [int(v).to_bytes(width, "little") if k == fixed else bytes(data[v:s]) for n, k, v, s in parts if n == field]
        content = b"".join(chunks)
        if len(content) != count * dtype.itemsize:
            raise ModelError(f"{len(content)} bytes of data, {count} elements of {dtype} need {count * dtype.itemsize}")
        return np.frombuffer(content, dtype)
    numbers: list[int] = []
    for n, k, v, s in parts:
        if n == field:
            numbers += [signed(v)] if k == VARINT else packed_varints(data, v, s)
    bits = EXTENDED[code][1] if code in EXTENDED else 8
    wanted = -(-count * bits // 8) if bits < 8 else count
    if len(numbers) != wanted:
        raise ModelError(f"{len(numbers)} numbers of data, its sizes ask for {wanted}")
    wide = np.array(numbers, np.int64)
    if bits < 8:
        return unpacked(wide.astype(np.uint8), bits, dtype, count)
    if code in EXTENDED or code == 10:
        return wide.astype(np.uint16 if dtype.itemsize == 2 else np.uint8).view(dtype)
    return wide.astype(dtype)


def external_array(external: dict[str, str], dtype: np.dtype, code: int, count: int, folder: str | None) -> np.ndarray:
    """Elements from a file beside the model; only from within the model's folder."""
    location = external.get("location", "")
    if folder is None:
        raise ModelError(f"its data is in the file {location!r}; a model with external data must be loaded by its path")
    root = os.path.realpath(folder)
    path = os.path.realpath(os.path.join(root, location))
    if not location or os.path.isabs(location) or os.path.commonpath([root, path]) != root:
        raise ModelError(f"its data is in {location!r}, which is not in the model's folder")
    try:
        offset, length = int(external.get("offset") or 0), external.get("length")
        size = os.path.getsize(path)
        length = int(length) if length else size - offset
    except OSError:
        raise ModelError(f"its data is in {location!r}, which is not there") from None
    except ValueError:
        raise ModelError(f"offset {external.get('offset')!r}, length {external.get('length')!r} of external data are no numbers") from None
    if offset < 0 or length < 0 or offset + length > size or not os.path.isfile(path):
        raise ModelError(f"its data is bytes {offset} to {offset + length} of {location!r}, which has {size}")
    if length == 0:
        return from_bytes(b"", 0, 0, dtype, code, count)
    with open(path, "rb") as f:
        return from_bytes(mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ), offset, length, dtype, code, count)
