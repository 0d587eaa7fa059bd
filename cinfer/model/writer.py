"""A Model becomes an ONNX file: the way back of reader.py; field numbers as in onnx.proto.

What is written is what a Model holds: functions are expanded by then, Constant nodes are initializers, sparse tensors
are dense, and all weights lie inside the file, which therefore has to stay below 2 GB, protobuf's limit.
"""
from __future__ import annotations

import dataclasses
import os
import struct
import sys
from collections.abc import Iterable

import numpy as np

from ..errors import InputError, LimitError, ModelError
from ..paths import replacing
from .attributes import (ELEMENT_OF, FLOAT, FLOATS, GRAPH, GRAPHS, INT, INTS, KINDS, STRING, STRINGS, TENSOR, TENSORS,
                         TYPE_PROTO, TYPE_PROTOS)
from .graph import Graph, Model, Node, OptionalType, SequenceType, TensorType
from .tensors import DTYPES, EXTENDED
from .wire import BYTES, FIXED32, VARINT

MOST_BYTES = (1 << 31) - 1
STRING_CODE = 8                             # of TensorProto.DataType
CODES = {dtype.newbyteorder("="): code for code, dtype in DTYPES.items()} | {np.dtype(object): STRING_CODE}
CODES_BY_NAME = {name: code for code, (name, _) in EXTENDED.items()}
# AttributeProto: AttributeType -> the field of its values
FIELDS = {FLOAT: 2, INT: 3, STRING: 4, TENSOR: 5, GRAPH: 6, FLOATS: 7, INTS: 8, STRINGS: 9, TENSORS: 10, GRAPHS: 11,
          TYPE_PROTO: 14, TYPE_PROTOS: 15}
LISTS = {ELEMENT_OF[code]: code for code in (FLOATS, INTS, STRINGS, TENSORS, GRAPHS, TYPE_PROTOS)}

BYTE = [bytes((value,)) for value in range(256)]


class Message:
    """The encoding of one message, in pieces: large arrays stay where they are until the file is written.

    size : bytes
    """
    __slots__ = ("pieces", "size")

    def __init__(self):
        self.pieces: list = []
        self.size = 0

    def _put(self, piece) -> None:
        self.pieces.append(piece)
        self.size += len(piece)

    def text(self, field: int, text: str | bytes) -> None:
        data = text if isinstance(text, bytes) else text.encode()
        self._put(varint(field << 3 | BYTES) + varint(len(data)) + data)

    def number(self, field: int, value: int) -> None:
        self._put(varint(field << 3 | VARINT) + varint(value))

    def real(self, field: int, value: float) -> None:
        self._put(varint(field << 3 | FIXED32) + float32(value))

    def content(self, field: int, data) -> None:
        """data : bytes, or a memoryview of bytes"""
        self._put(varint(field << 3 | BYTES) + varint(len(data)))
        self._put(data)

    def said(self, field: int, text: str) -> None:
        """A text, unless it is empty."""
        if text:
            self.text(field, text)

    def message(self, field: int, inner: Message) -> None:
        self._put(varint(field << 3 | BYTES) + varint(inner.size))
        self.pieces += inner.pieces
        self.size += inner.size


def varint(value: int) -> bytes:
    """A number of at most 64 bits, signed or not."""
    if 0 <= value <= 0x7F:                              # nearly all of them
        return BYTE[value]
    value &= (1 << 64) - 1
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)


def float32(value: float) -> bytes:
    try:
        return struct.pack("<f", value)
    except OverflowError:
        raise ModelError(f"an attribute of {value!r}, which float32 does not hold") from None


def write(model: Model, file) -> None:
    """Write a model into a binary file. Raises LimitError where it would be 2 GB or more."""
    for piece in pieces_of(model):
        file.write(piece)


@dataclasses.dataclass(slots=True)
class Written:
    """What is made of a model, and is to become a file. model : what is written"""
    model: Model = dataclasses.field(repr=False)

    def encoded(self) -> bytes:
        """The content of the file."""
        return encoded(self.model)

    def save(self, path) -> None:
        """Write an ONNX file, whole or not at all."""
        data = self.encoded()
        try:
            with replacing(os.fspath(path)) as file:
                file.write(data)
        except OSError as error:
            raise InputError(f"{os.fspath(path)}: {error.strerror or error}") from None


def encoded(model: Model) -> bytes:
    """The model as the bytes of a file."""
    return b"".join(pieces_of(model))


def pieces_of(model: Model) -> list:
    message = Message()
    message.number(1, model.ir_version)
    message.said(2, model.producer)
    message.message(7, graph_message(model.graph, model.defaults))
    for domain, version in model.opset.items():
        message.message(8, opset_message(domain, version))
    for key, text in model.metadata.items():
        message.message(14, entry(key, text))
    if message.size > MOST_BYTES:
        raise LimitError(f"the model would be {message.size} bytes; a file without external data holds {MOST_BYTES}")
    return message.pieces


def opset_message(domain: str, version: int) -> Message:
    message = Message()
    message.said(1, domain)
    message.number(2, version)
    return message


def entry(key: str, text: str) -> Message:
    message = Message()
    message.text(1, key)
    message.text(2, text)
    return message


def graph_message(graph: Graph, defaults: dict[str, TensorType] | None = None) -> Message:
    """defaults : inputs that have an initializer, which a Graph does not count among its inputs"""
    message = Message()
    for node in graph.nodes:
        message.message(1, node_message(node))
    message.said(2, graph.name)
    for name, array in graph.constants.items():
        message.message(5, tensor_message(array, name))
    for field, ports in ((11, graph.inputs), (11, defaults or {}), (12, graph.outputs), (13, graph.types)):
        for name, declared in ports.items():
            message.message(field, info_message(name, declared))
    return message


def node_message(node: Node) -> Message:
    message = Message()
    for field, names in ((1, node.inputs), (2, node.outputs)):
        for name in names:
            message.text(field, name)
    message.said(3, node.name)
    message.text(4, node.op_type)
    for name, value in node.attributes.items():
        try:
            message.message(5, attribute_message(name, value))
        except ModelError as error:
            raise ModelError(f"{node}: attribute {name!r}: {error}") from None
    message.said(7, node.domain)
    return message


def attribute_message(name: str, value: object) -> Message:
    message = Message()
    code = type_of(value)
    message.text(1, name)
    field, kind = FIELDS[code], ELEMENT_OF.get(code, code)
    for each in value if code in ELEMENT_OF else (value,):
        if kind == FLOAT:
            message.real(field, each)
        elif kind == INT:
            message.number(field, int(each))
        elif kind == STRING:
            message.text(field, each)
        else:
            message.message(field, WRITERS[kind](each))
    message.number(20, code)
    return message


def type_of(value: object) -> int:
    """The AttributeType of a value. An empty list is one of integers: nothing tells what it would hold."""
    if isinstance(value, (list, tuple)):
        kinds = {type_of(each) for each in value} or {INT}
        kind = FLOAT if kinds == {FLOAT, INT} else min(kinds)
        if len(kinds) == 1 and kind in LISTS or kinds == {FLOAT, INT}:
            return LISTS[kind]
        raise ModelError(f"a list of {', '.join(sorted({type(each).__name__ for each in value}))}")
    if isinstance(value, np.floating):
        return FLOAT
    if isinstance(value, (np.integer, np.bool_)):
        return INT
    for code in FIELDS:
        if code not in ELEMENT_OF and isinstance(value, KINDS[code]):
            return code
    raise ModelError(f"{type(value).__name__} is nothing that ONNX holds")


def tensor_message(array: np.ndarray, name: str = "") -> Message:
    message = Message()
    for size in array.shape:
        message.number(1, size)
    code = code_of(array.dtype)
    message.number(2, code)
    if code == STRING_CODE:
        for each in array.reshape(-1).tolist():
            message.text(6, each)
    message.said(8, name)
    if code != STRING_CODE:
        message.content(9, stored(array, code))
    return message


def code_of(dtype: np.dtype) -> int:
    """The TensorProto.DataType."""
    code = CODES.get(dtype.newbyteorder("=")) or CODES_BY_NAME.get(dtype.name)
    if code is None:
        raise ModelError(f"a tensor of {dtype}, which ONNX does not have")
    return code


def stored(array: np.ndarray, code: int):
    """The elements as a file has them: little-endian, those below 8 bits packed."""
    if array.dtype.byteorder == ">" or array.dtype.byteorder == "=" and sys.byteorder == "big":
        array = array.byteswap()
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    bits = EXTENDED[code][1] if code in EXTENDED else 8
    if bits < 8:
        digits = np.unpackbits(flat.reshape(-1, 1), axis=1, count=bits, bitorder="little")
        flat = np.packbits(digits.reshape(-1), bitorder="little")
    return memoryview(flat) if flat.size else b""


def info_message(name: str, declared: TensorType | SequenceType | OptionalType) -> Message:
    message = Message()
    message.text(1, name)
    if declared != TensorType():
        message.message(2, type_message(declared))
    return message


def type_message(declared: TensorType | SequenceType | OptionalType) -> Message:
    message, inner = Message(), Message()
    if isinstance(declared, TensorType):
        if declared.dtype is not None:
            inner.number(1, code_of(declared.dtype))
        if declared.shape is not None:
            inner.message(2, shape_message(declared.shape))
        message.message(1, inner)
        return message
    if declared.element != TensorType():
        inner.message(1, type_message(declared.element))
    message.message(4 if isinstance(declared, SequenceType) else 9, inner)
    return message


def shape_message(sizes: Iterable[int | str | None]) -> Message:
    message = Message()
    for size in sizes:
        dimension = Message()
        if isinstance(size, str):
            dimension.text(2, size)
        elif size is not None:
            dimension.number(1, size)
        message.message(1, dimension)
    return message


WRITERS = {TENSOR: tensor_message, GRAPH: graph_message, TYPE_PROTO: type_message}
