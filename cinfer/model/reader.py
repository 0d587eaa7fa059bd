"""An ONNX file -> Model: https://onnx.ai/onnx/repo-docs/IR.html, message numbers as in onnx.proto.

Reading is a walk over the wire format; large tensors stay where they are, in the mapped file.
"""
from __future__ import annotations

import mmap
import os
import struct

import numpy as np

from ..errors import Error, InputError, ModelError
from .functions import Function, expand
from .graph import Graph, Model, Node, TensorType
from .tensors import dtype_of, tensor
from .validate import settle
from .wire import BYTES, FIXED32, VARINT, WireError, fields, packed_varints, signed

MOST_DEPTH = 24                 # subgraphs within subgraphs


def read(source) -> Model:
    """Read a model.

    Parameters
    ----------
    source : path, bytes-like, or binary file object

    Raises
    ------
    InputError : there is no such file
    ModelError, UnsupportedError : the content is no valid model; the message begins with the file's name
    """
    data, path = content(source)
    where = os.path.basename(path) if path else "model"
    try:
        model = Reader(data, os.path.dirname(os.path.abspath(path)) if path else None).model()
    except WireError as error:
        raise ModelError(f"{where}: this is no ONNX model: {error}") from None
    except Error as error:
        raise type(error)(f"{where}: {error}") from None
    except RecursionError:
        raise ModelError(f"{where}: its graphs are nested too deeply") from None
    model.path = path
    return model


def content(source):
    """(bytes or mapping, path or None)"""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source), None
    if hasattr(source, "read"):
        data = source.read()
        if not isinstance(data, bytes):
            raise InputError("the file object is not binary; open it with mode 'rb'")
        return data, None
    try:
        path = os.fspath(source)
    except TypeError:
        raise InputError(f"cannot load a {type(source).__name__}; give a path, bytes or a binary file") from None
    path = os.fsdecode(path)
    try:
        with open(path, "rb") as f:
            size = os.fstat(f.fileno()).st_size
            if size == 0:
                data = f.read(1 << 31)
                if not data:
                    raise ModelError(f"{os.path.basename(path)}: the file is empty")
                return data, path
            return mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ), path
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; give a model file") from None
    except FileNotFoundError:
        raise InputError(f"no such file: {path}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None


class Reader:
    """One model file being read."""

    def __init__(self, data, folder: str | None):
        self.data, self.folder = data, folder
        self.opset: dict[str, int] = {}
        self.depth = 0

    def text(self, at: int, end: int) -> str:
        return self.data[at:end].decode(errors="replace")

    def model(self) -> Model:
        data, graphs, functions = self.data, [], []
        model = Model(Graph())
        for number, kind, value, stop in fields(data, 0, len(data)):
            if number == 7 and kind == BYTES:
                graphs.append((value, stop))
            elif number == 8 and kind == BYTES:
                domain, version = self.operator_set(value, stop)
                self.opset[domain] = version
            elif number == 14 and kind == BYTES:
                pair = {n: self.text(v, s) for n, k, v, s in fields(data, value, stop) if k == BYTES}
                model.metadata[pair.get(1, "")] = pair.get(2, "")
            elif number == 25 and kind == BYTES:
                functions.append((value, stop))
            elif number == 1 and kind == VARINT:
                model.ir_version = signed(value)
            elif number == 2 and kind == BYTES:
                model.producer = self.text(value, stop)
        if len(graphs) != 1:
            raise ModelError("this is no ONNX model: it has no graph" if not graphs else "it has more than one graph")
        if not self.opset:
            self.opset[""] = 1
        model.opset = dict(self.opset)
        model.graph = self.graph(*graphs[0])
        if functions:
            expand(model.graph, {f.key: f for f in (self.function(*f) for f in functions)})
        settle(model.graph)
        return model

    def operator_set(self, at: int, end: int) -> tuple[str, int]:
        domain, version = "", 1
        for number, kind, value, stop in fields(self.data, at, end):
            if number == 1 and kind == BYTES:
                domain = self.text(value, stop)
            elif number == 2 and kind == VARINT:
                version = signed(value)
        return "" if domain == "ai.onnx" else domain, version

    def graph(self, at: int, end: int) -> Graph:
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise ModelError(f"graphs are nested more than {MOST_DEPTH} deep")
        graph = Graph()
        for number, kind, value, stop in fields(self.data, at, end):
            if kind != BYTES:
                continue
            if number == 1:
                self.add_node(graph, self.node(value, stop))
            elif number == 5:
                name, array = tensor(self.data, value, stop, self.folder)
                graph.constants[name] = array
            elif number in (11, 12, 13):
                name, declared = self.value_info(value, stop)
                target = (graph.inputs, graph.outputs, graph.types)[number - 11]
                if number == 11 and name in target:
                    raise ModelError(f"two inputs are called {name!r}")
                target[name] = declared
            elif number == 2:
                graph.name = self.text(value, stop)
            elif number == 15:
                name, array = self.sparse(value, stop)
                graph.constants[name] = array
        for name in graph.constants:                    # models of IR version 3 list their weights among the inputs
            graph.inputs.pop(name, None)
        self.depth -= 1
        return graph

    def add_node(self, graph: Graph, node: Node) -> None:
        """A node; Constant nodes become constants at once."""
        if node.op_type == "Constant" and not node.domain and len(node.outputs) == 1 and len(node.attributes) == 1:
            (name, value), = node.attributes.items()
            if name in ("value", "sparse_value") and isinstance(value, np.ndarray):
                graph.constants[node.outputs[0]] = value
                return
            if name in ("value_float", "value_floats") and not isinstance(value, Reference):
                graph.constants[node.outputs[0]] = np.array(value, np.float32)
                return
            if name in ("value_int", "value_ints") and not isinstance(value, Reference):
                graph.constants[node.outputs[0]] = np.array(value, np.int64)
                return
            if name in ("value_string", "value_strings") and not isinstance(value, Reference):
                graph.constants[node.outputs[0]] = np.array(value, object)
                return
        graph.nodes.append(node)

    def node(self, at: int, end: int) -> Node:
        node, data = Node("", [], []), self.data
        for number, kind, value, stop in fields(data, at, end):
            if kind != BYTES:
                continue
            if number == 1:
                node.inputs.append(data[value:stop].decode(errors="replace"))
            elif number == 2:
                node.outputs.append(data[value:stop].decode(errors="replace"))
            elif number == 5:
                name, content = self.attribute(value, stop)
                node.attributes[name] = content
            elif number == 4:
                node.op_type = data[value:stop].decode(errors="replace")
            elif number == 3:
                node.name = data[value:stop].decode(errors="replace")
            elif number == 7:
                domain = data[value:stop].decode(errors="replace")
                node.domain = "" if domain == "ai.onnx" else domain
        node.opset = self.opset.get(node.domain, 1)
        while node.inputs and not node.inputs[-1]:      # absent inputs at the end say nothing
            node.inputs.pop()
        return node

    def attribute(self, at: int, end: int):
        """(name, value)"""
        data, name, code, reference = self.data, "", 0, ""
        found: dict[int, list] = {}
        for number, kind, value, stop in fields(data, at, end):
            if number == 1 and kind == BYTES:
                name = data[value:stop].decode(errors="replace")
            elif number == 20 and kind == VARINT:
                code = value
            elif number == 3 and kind == VARINT:
                found.setdefault(2, []).append(signed(value))
            elif number == 2 and kind == FIXED32:
                found.setdefault(1, []).append(as_float(value))
            elif number == 8:
                found.setdefault(7, []).extend([signed(value)] if kind == VARINT else packed_varints(data, value, stop))
            elif number == 7:
                found.setdefault(6, []).extend([as_float(value)] if kind == FIXED32 else
                                               np.frombuffer(data[value:stop][:(stop - value) // 4 * 4], "<f4").tolist())
            elif kind != BYTES:
                continue
            elif number in (4, 9):
                found.setdefault(3 if number == 4 else 8, []).append(text_or_bytes(data[value:stop]))
            elif number in (5, 10):
                found.setdefault(4 if number == 5 else 9, []).append(tensor(data, value, stop, self.folder)[1])
            elif number in (6, 11):
                found.setdefault(5 if number == 6 else 10, []).append(self.graph(value, stop))
            elif number in (14, 15):
                found.setdefault(13 if number == 14 else 14, []).append(self.type(value, stop))
            elif number in (22, 23):
                found.setdefault(11 if number == 22 else 12, []).append(self.sparse(value, stop)[1])
            elif number == 21:
                reference = data[value:stop].decode(errors="replace")
        if reference:
            return name, Reference(reference)
        if not code:                                    # files before IR version 2 do not say the type
            code = next(iter(found), 7)
        if code in (1, 2, 3, 4, 5, 11, 13):
            values = found.get(code) or {1: [0.0], 2: [0], 3: [""]}.get(code)
            if not values:
                raise ModelError(f"attribute {name!r} has no value of its type {code}")
            return name, values[-1]
        return name, found.get(code, [])

    def value_info(self, at: int, end: int) -> tuple[str, TensorType]:
        name, declared = "", TensorType()
        for number, kind, value, stop in fields(self.data, at, end):
            if number == 1 and kind == BYTES:
                name = self.text(value, stop)
            elif number == 2 and kind == BYTES:
                declared = self.type(value, stop)
        return name, declared

    def type(self, at: int, end: int) -> TensorType:
        """A TypeProto; only tensors have a dtype and a shape here."""
        for number, kind, value, stop in fields(self.data, at, end):
            if number == 1 and kind == BYTES:
                dtype, shape = None, None
                for n, k, v, s in fields(self.data, value, stop):
                    if n == 1 and k == VARINT and v:
                        try:
                            dtype = dtype_of(v)
                        except Error:
                            dtype = None
                    elif n == 2 and k == BYTES:
                        shape = tuple(self.dimension(dv, ds) for dn, dk, dv, ds in fields(self.data, v, s) if dn == 1 and dk == BYTES)
                return TensorType(dtype, shape)
        return TensorType()

    def dimension(self, at: int, end: int) -> int | str | None:
        for number, kind, value, stop in fields(self.data, at, end):
            if number == 1 and kind == VARINT:
                size = signed(value)
                return size if size >= 0 else None
            if number == 2 and kind == BYTES:
                return self.text(value, stop) or None
        return None

    def sparse(self, at: int, end: int) -> tuple[str, np.ndarray]:
        """A SparseTensorProto, filled up with zeros."""
        name, values, indices, dims = "", None, None, []
        for number, kind, value, stop in fields(self.data, at, end):
            if number == 1 and kind == BYTES:
                name, values = tensor(self.data, value, stop, self.folder)
            elif number == 2 and kind == BYTES:
                _, indices = tensor(self.data, value, stop, self.folder)
            elif number == 3:
                dims += [signed(value)] if kind == VARINT else packed_varints(self.data, value, stop)
        if values is None or indices is None or any(d < 0 for d in dims) or values.ndim != 1:
            raise ModelError(f"sparse tensor {name!r} is not complete")
        size = 1
        for d in dims:
            size *= d
        if size > 1 << 28:
            raise ModelError(f"sparse tensor {name!r} has {size} elements, 2**28 are the most")
        dense = np.zeros(size, values.dtype)
        flat = indices.astype(np.int64)
        try:
            if flat.ndim == 2:
                flat = np.ravel_multi_index(tuple(flat.T), dims) if flat.size else flat.reshape(-1)
            if flat.shape != values.shape or (flat.size and not 0 <= flat.min() <= flat.max() < size):
                raise ValueError
            dense[flat] = values
        except (ValueError, TypeError):
            raise ModelError(f"sparse tensor {name!r}: an index is not within its sizes {dims}") from None
        return name, dense.reshape(dims)

    def function(self, at: int, end: int) -> Function:
        f, data, nodes = Function(), self.data, []
        outer, self.opset = self.opset, {}
        for number, kind, value, stop in fields(data, at, end):
            if kind != BYTES:
                continue
            if number == 9:
                domain, version = self.operator_set(value, stop)
                self.opset[domain] = version
            elif number == 7:
                nodes.append((value, stop))
            elif number == 1:
                f.name = self.text(value, stop)
            elif number == 10:
                f.domain = self.text(value, stop)
            elif number == 4:
                f.graph.inputs[self.text(value, stop)] = TensorType()
            elif number == 5:
                f.graph.outputs[self.text(value, stop)] = TensorType()
            elif number == 11:
                name, default = self.attribute(value, stop)
                f.defaults[name] = default
        for value, stop in nodes:
            self.add_node(f.graph, self.node(value, stop))
        self.opset = outer
        return f


class Reference(str):
    """An attribute whose value is that of the attribute of this name of the function's caller."""
    __slots__ = ()


def as_float(bits: int) -> float:
    return struct.unpack("<f", bits.to_bytes(4, "little"))[0]


def text_or_bytes(value: bytes):
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value
