"""Graphs, nodes, attributes and types out of their messages; field numbers as in onnx.proto."""
from __future__ import annotations

import struct

import numpy as np

from ..errors import LimitError, ModelError, UnsupportedError
from .attributes import (ELEMENT_OF, FLOAT, FLOATS, GRAPH, GRAPHS, INT, INTS, NAMES, SPARSE_TENSOR,
                         SPARSE_TENSORS, STRING, STRINGS, TENSOR, TENSORS, TYPE_PROTO, TYPE_PROTOS, Reference,
                         settle_constant)
from .functions import Function
from .graph import Graph, Node, OptionalType, SequenceType, TensorType
from .source import Beside
from .tensors import dtype_of, sparse_tensor, tensor, text_or_bytes
from .wire import BYTES, FIXED32, WireError, fields, joined, packed, signed

# NodeProto
(INPUT, OUTPUT, NODE_NAME, OP_TYPE, ATTRIBUTE, DOMAIN,
 OVERLOAD) = (n << 3 | BYTES for n in (1, 2, 3, 4, 5, 7, 8))
# GraphProto
(GRAPH_NODE, GRAPH_NAME, INITIALIZER, GRAPH_INPUT, GRAPH_OUTPUT, VALUE_INFO,
 SPARSE_INITIALIZER) = (n << 3 | BYTES for n in (1, 2, 5, 11, 12, 13, 15))
# AttributeProto; REFERENCE: the value is the calling node's attribute of that name (in functions)
ATTRIBUTE_NAME, REFERENCE, ATTRIBUTE_TYPE = 1 << 3 | BYTES, 21 << 3 | BYTES, 20 << 3
FIELD_F, FIELD_FLOATS, PACKED_FLOATS = 2 << 3 | FIXED32, 7 << 3 | FIXED32, 7 << 3 | BYTES
FIELD_I, FIELD_INTS, PACKED_INTS = 3 << 3, 8 << 3, 8 << 3 | BYTES
ZERO = {FLOAT: 0.0, INT: 0, STRING: ""}                 # some writers (proto3) leave these out
# The field that holds values of a type, where they are messages or strings
TYPE_OF_FIELD = {4: STRING, 5: TENSOR, 6: GRAPH, 9: STRINGS, 10: TENSORS, 11: GRAPHS, 14: TYPE_PROTO,
                 15: TYPE_PROTOS, 22: SPARSE_TENSOR, 23: SPARSE_TENSORS}
# FunctionProto
FUNCTION_NAME, FUNCTION_INPUT, FUNCTION_OUTPUT, FUNCTION_NODE = (n << 3 | BYTES for n in (1, 4, 5, 7))
(FUNCTION_OPSET, FUNCTION_DOMAIN, FUNCTION_DEFAULT,
 FUNCTION_OVERLOAD) = (n << 3 | BYTES for n in (9, 10, 11, 13))
# ValueInfoProto and TypeProto
INFO_NAME, INFO_TYPE = 1 << 3 | BYTES, 2 << 3 | BYTES
TENSOR_TYPE, SEQUENCE_TYPE, OPTIONAL_TYPE = 1 << 3 | BYTES, 4 << 3 | BYTES, 9 << 3 | BYTES
TYPES = tuple(n << 3 | BYTES for n in (1, 4, 5, 7, 8, 9))   # + sequence, map, opaque, sparse tensor, optional
MOST_TYPES = 8                  # types within types
ELEMENT_TYPE = 1 << 3 | BYTES                  # of sequences and optionals
UNKNOWN = TensorType()

NEWEST_OPSET = 28               # of ai.onnx; a newer one may mean something else by the same names
MOST_DEPTH = 32                 # graphs within graphs; protobuf's own readers stop there too (100 messages)
MOST_NODES = 1 << 18            # also after functions are expanded: few bytes may spell out very many nodes

unpack_float = struct.Struct("<f").unpack_from


class GraphReader:
    """Reads graphs of one file.

    opset : domain -> version for the nodes that are read
    nodes : how many nodes were read
    defaults : inputs of the main graph that have an initializer, by their declared types
    """

    def __init__(self, beside: Beside, opset: dict[str, int]):
        self.beside, self.opset = beside, opset
        self.depth = self.nodes = 0
        self.in_function = False
        self.defaults: dict[str, TensorType] = {}

    def graph(self, data, at: int, end: int, where: str) -> Graph:
        """The GraphProto in data[at:end]; `where` says in messages which one it is."""
        if self.depth == MOST_DEPTH:
            raise LimitError(f"graphs are nested more than {MOST_DEPTH} deep")
        self.depth += 1
        graph = Graph()
        counts = dict.fromkeys((GRAPH_NODE, INITIALIZER, SPARSE_INITIALIZER), 0)
        for key, value, stop in fields(data, at, end):
            if key == GRAPH_NODE:
                self.add_node(graph, data, value, stop, f"{where}.node[{counts[key]}]")
                counts[key] += 1
            elif key == INITIALIZER or key == SPARSE_INITIALIZER:
                try:
                    parse = tensor if key == INITIALIZER else sparse_tensor
                    name, array = parse(data, value, stop, self.beside)
                except WireError as error:
                    raise WireError(f"{where}.initializer[{counts[key]}]: {error}") from None
                counts[key] += 1
                if not name:
                    raise ModelError(f"{where}.initializer[{counts[key] - 1}] has no name")
                if name in graph.constants:
                    raise ModelError(f"{where}: constant {name!r} is defined twice")
                graph.constants[name] = array
            elif key == VALUE_INFO:
                name, declared = self.value_info(data, value, stop)
                graph.types[name] = declared
            elif key == GRAPH_INPUT or key == GRAPH_OUTPUT:
                name, declared = self.value_info(data, value, stop, self.depth == 1 and key == GRAPH_INPUT)
                side, target = ("input", graph.inputs) if key == GRAPH_INPUT else ("output", graph.outputs)
                if not name:
                    raise ModelError(f"{where}.{side}[{len(target)}] has no name")
                if name in target:
                    if side == "input" or self.depth == 1:
                        raise ModelError(f"{where}: {side} {name!r} is listed twice")
                    name = self.copy_of(graph, name)
                target[name] = declared
            elif key == GRAPH_NAME:
                graph.name = data[value:stop].decode()
        for name in [name for name in graph.inputs if name in graph.constants]:
            self.default(graph, name)
        self.depth -= 1
        return graph

    def copy_of(self, graph: Graph, name: str) -> str:
        """A subgraph gives one value twice; it stands under two names then."""
        copy = f"{name}/again{len(graph.outputs)}"
        graph.nodes.append(Node("Identity", [name], [copy], opset=13))
        return copy

    def default(self, graph: Graph, name: str) -> None:
        """An input with an initializer is a constant: old files list all weights among the inputs."""
        declared, array = graph.inputs.pop(name), graph.constants[name]
        if declared.dtype is not None and declared.dtype != array.dtype:
            raise ModelError(f"input {name!r} is declared as {declared.dtype}, "
                             f"its initializer is {array.dtype}")
        if self.depth == 1:
            self.defaults[name] = declared

    def add_node(self, graph: Graph, data, at: int, end: int, where: str) -> None:
        """Read a node into a graph; a Constant node becomes a constant at once."""
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise LimitError(f"more than {MOST_NODES} nodes")
        try:
            node = self.node(data, at, end, where)
        except WireError as error:
            raise WireError(f"{where}: {error}") from None
        if node.op_type != "Constant" or node.domain or not settle_constant(graph, node):
            graph.nodes.append(node)

    def node(self, data, at: int, end: int, where: str) -> Node:
        inputs, outputs, attributes, op_type, domain, name, overload = [], [], {}, "", "", "", ""
        for key, value, stop in fields(data, at, end):
            if key == INPUT:
                inputs.append(data[value:stop].decode())
            elif key == OUTPUT:
                outputs.append(data[value:stop].decode())
            elif key == ATTRIBUTE:
                attribute, content = self.attribute(data, value, stop, where)
                if attribute in attributes:
                    raise ModelError(f"{where}: attribute {attribute!r} is given twice")
                attributes[attribute] = content
            elif key == OP_TYPE:
                op_type = data[value:stop].decode()
            elif key == NODE_NAME:
                name = data[value:stop].decode()
            elif key == DOMAIN:
                domain = data[value:stop].decode()
            elif key == OVERLOAD:
                overload = data[value:stop].decode()
        if not op_type:
            raise ModelError(f"{where} has no op_type")
        if domain == "ai.onnx":
            domain = ""
        while inputs and not inputs[-1]:                # absent inputs at the end say nothing
            inputs.pop()
        if overload:                                    # part of a function's name
            op_type = f"{op_type}:{overload}"
        version = self.opset.get(domain)
        if version is None:
            if not domain:
                raise ModelError("the model does not say which opset of 'ai.onnx' it uses (opset_import)")
            version = 1
        return Node(op_type, inputs, outputs, attributes, domain, version, name)

    def attribute(self, data, at: int, end: int, where: str) -> tuple[str, object]:
        """The AttributeProto in data[at:end]: (name, value)."""
        name = reference = ""
        code = 0
        found: dict[int, list] = {}                     # AttributeType -> numbers, or spans of what is longer
        for key, value, stop in fields(data, at, end):
            if key == FIELD_INTS:
                found.setdefault(INTS, []).append(value if value < 1 << 63 else value - (1 << 64))
            elif key == ATTRIBUTE_NAME:
                name = data[value:stop].decode()
            elif key == ATTRIBUTE_TYPE:
                code = value
            elif key == FIELD_I:
                found[INT] = [value if value < 1 << 63 else value - (1 << 64)]
            elif key == FIELD_F:
                found[FLOAT] = [unpack_float(data, value)[0]]
            elif key == FIELD_FLOATS:
                found.setdefault(FLOATS, []).append(unpack_float(data, value)[0])
            elif key == PACKED_INTS:
                found.setdefault(INTS, []).extend(packed(data, value, stop).view(np.int64).tolist())
            elif key == PACKED_FLOATS:
                if (stop - value) % 4:
                    raise WireError(f"packed floats of {stop - value} bytes at byte {value}")
                found.setdefault(FLOATS, []).extend(np.frombuffer(data[value:stop], "<f4").tolist())
            elif key == REFERENCE:
                reference = data[value:stop].decode()
            elif key & 7 == BYTES and key >> 3 in TYPE_OF_FIELD:
                found.setdefault(TYPE_OF_FIELD[key >> 3], []).append((value, stop))
        if not name:
            raise ModelError(f"{where}: an attribute has no name")
        if reference:
            if not self.in_function:
                raise ModelError(f"{where}: attribute {name!r} refers to {reference!r} of a function, "
                                 "but is in none")
            return name, Reference(reference, code)
        if not code:                                    # files before IR version 2 do not say the type
            code = next(iter(found), 0)
        if code not in NAMES:
            raise ModelError(f"{where}: attribute {name!r} has no known type ({code})")
        values = found.get(code)
        if values is None:
            if found:
                raise ModelError(f"{where}: attribute {name!r} says {NAMES[code]}, "
                                 f"but holds {NAMES[next(iter(found))]}")
            if code not in ELEMENT_OF and code not in ZERO:
                raise ModelError(f"{where}: attribute {name!r} says {NAMES[code]}, but holds nothing")
            return name, [] if code in ELEMENT_OF else ZERO[code]
        if code in (FLOAT, INT):
            return name, values[-1]
        if code in (FLOATS, INTS):
            return name, values
        where = f"{where}.{name}"
        if code == STRING:
            return name, text_or_bytes(data[slice(*values[-1])])
        if code not in ELEMENT_OF:
            return name, self.content(code, *joined(data, values), where)
        return name, [self.content(ELEMENT_OF[code], data, *span, where) for span in values]

    def content(self, code: int, data, at: int, end: int, where: str) -> object:
        """One value of an attribute that is more than a number."""
        if code == STRING:
            return text_or_bytes(data[at:end])
        if code == TENSOR:
            return tensor(data, at, end, self.beside)[1]
        if code == GRAPH:
            return self.graph(data, at, end, where)
        if code == SPARSE_TENSOR:
            return sparse_tensor(data, at, end, self.beside)[1]
        return type_proto(data, at, end)

    def value_info(self, data, at: int, end: int, needed: bool = False) -> tuple[str, TensorType]:
        """The ValueInfoProto in data[at:end]: (name, type). needed : it must say a type, one that exists."""
        name, types = "", []
        for key, value, stop in fields(data, at, end):
            if key == INFO_NAME:
                name = data[value:stop].decode()
            elif key == INFO_TYPE:
                types.append((value, stop))
        declared = UNKNOWN
        if types:
            try:
                declared = type_proto(*joined(data, types), needed)
            except ModelError as error:
                raise ModelError(f"type of {name!r}: {error}") from None
        elif needed:
            raise ModelError(f"input {name!r} has no type")
        return name, declared

    def function(self, data, at: int, end: int) -> Function:
        """The FunctionProto in data[at:end]; its nodes mean what its own opset_import says."""
        name, domain, overload, inputs, outputs, opset = "", "", "", [], [], {}
        nodes, defaults = [], []
        for key, value, stop in fields(data, at, end):
            if key == FUNCTION_NODE:
                nodes.append((value, stop))
            elif key == FUNCTION_INPUT:
                inputs.append(data[value:stop].decode())
            elif key == FUNCTION_OUTPUT:
                outputs.append(data[value:stop].decode())
            elif key == FUNCTION_NAME:
                name = data[value:stop].decode()
            elif key == FUNCTION_DOMAIN:
                domain = data[value:stop].decode()
            elif key == FUNCTION_OVERLOAD:
                overload = data[value:stop].decode()
            elif key == FUNCTION_OPSET:
                opset.update((operator_set(data, value, stop),))
            elif key == FUNCTION_DEFAULT:
                defaults.append((value, stop))
        where = f"function {name!r}"
        if not name:
            raise ModelError("a function has no name")
        body = Graph(name)
        outer, self.opset = self.opset, {**self.opset, **opset}
        self.depth, self.in_function = 1, True
        for i, span in enumerate(nodes):
            self.add_node(body, data, *span, f"{where}, node[{i}]")
        known = dict(self.attribute(data, *span, where) for span in defaults)
        self.opset, self.depth, self.in_function = outer, 0, False
        return Function("" if domain == "ai.onnx" else domain, f"{name}:{overload}" if overload else name,
                        inputs, outputs, body, known)


def operator_set(data, at: int, end: int) -> tuple[str, int]:
    """The OperatorSetIdProto in data[at:end]: (domain, version); ai.onnx is called ""."""
    domain, version = "", 0
    for key, value, stop in fields(data, at, end):
        if key == 1 << 3 | BYTES:
            domain = data[value:stop].decode()
        elif key == 2 << 3:
            version = signed(value)
    if domain == "ai.onnx":
        domain = ""
    if version < 1:
        raise ModelError(f"opset {version} of domain {domain or 'ai.onnx'!r}; versions begin with 1")
    if not domain and version > NEWEST_OPSET:
        raise UnsupportedError(f"opset {version} of domain 'ai.onnx'; "
                               f"this cinfer knows opsets up to {NEWEST_OPSET}")
    return domain, version


def type_proto(data, at: int, end: int, needed: bool = False,
               depth: int = 0) -> TensorType | SequenceType | OptionalType:
    """The TypeProto in data[at:end]. Of a map nothing is known.

    needed : ModelError when it is no type, or a tensor of an element type that does not exist
    """
    if depth > MOST_TYPES:
        raise LimitError(f"types are nested more than {MOST_TYPES} deep")
    kinds: dict[int, list] = {}
    for key, value, stop in fields(data, at, end):
        if key in TYPES:
            kinds.setdefault(key, []).append((value, stop))
    if TENSOR_TYPE not in kinds:
        if needed and not kinds:
            raise ModelError("it is empty")
        for key, kind in ((SEQUENCE_TYPE, SequenceType), (OPTIONAL_TYPE, OptionalType)):
            if key in kinds:
                data, at, end = joined(data, kinds[key])
                inner = [span for tag, *span in fields(data, at, end) if tag == ELEMENT_TYPE]
                return kind(type_proto(*joined(data, inner), needed, depth + 1) if inner else UNKNOWN)
        return UNKNOWN
    data, at, end = joined(data, kinds[TENSOR_TYPE])
    code, shape = 0, None
    for key, value, stop in fields(data, at, end):
        if key == 1 << 3:
            code = value
        elif key == 2 << 3 | BYTES:
            dims = [dimension(data, first, last) for dim, first, last in fields(data, value, stop)
                    if dim == 1 << 3 | BYTES]
            shape = (*(shape or ()), *dims)
    try:
        dtype = dtype_of(code)
    except (ModelError, UnsupportedError):
        if needed:
            raise
        dtype = None
    return TensorType(dtype, shape)


def dimension(data, at: int, end: int) -> int | str | None:
    """A size: a number, a symbol, or None when it is not known (also spelled -1 by some writers)."""
    size = None
    for key, value, stop in fields(data, at, end):
        if key == 1 << 3:
            size = value if value < 1 << 63 else None
        elif key == 2 << 3 | BYTES:
            size = data[value:stop].decode() or None
    return size
