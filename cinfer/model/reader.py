"""An ONNX file becomes a Model: https://onnx.ai/onnx/repo-docs/IR.html; field numbers as in onnx.proto.

Reading is one walk over the wire format, message by message; large tensors stay where they are, in the mapped
file.
"""
from __future__ import annotations

import os

from ..errors import Error, LimitError, ModelError
from .functions import expand
from .graph import Model
from .messages import GraphReader, operator_set
from .source import Source, foreign
from .tensors import text_pair
from .validate import validate
from .wire import BYTES, WireError, fields, joined, signed

# ModelProto
IR_VERSION, MODEL_PRODUCER, MODEL_GRAPH = 1 << 3, 2 << 3 | BYTES, 7 << 3 | BYTES
OPSET_IMPORT, METADATA_PROPS, MODEL_FUNCTION = 8 << 3 | BYTES, 14 << 3 | BYTES, 25 << 3 | BYTES
LONGEST_MESSAGE = 600           # characters of an error: names in a damaged file may have megabytes


def read(source) -> Model:
    """Read an ONNX model.

    Parameters
    ----------
    source : path, bytes-like object, file object opened in binary mode, or the Source of a model to read
        again. A large file is mapped: its weights are read when they are needed, so it must not be written
        over while the model lives; `model.source.check()` tells. External data is found beside a path only.

    Returns
    -------
    Model, valid as a graph: each value is made once, and before it is read. Functions are expanded, constants
    (of Constant nodes too) are arrays. Operators, attributes and shapes are not looked at.

    Raises
    ------
    InputError : there is no such file, or nothing that can be read
    ModelError, UnsupportedError, LimitError : one line that begins with the file's name
    """
    if not isinstance(source, Source):
        source = Source(source)
    name = os.path.basename(source.path) if source.path else "model"
    try:
        model = model_proto(source)
    except Error as error:
        text, kind = str(error), type(error) if type(error) is not WireError else ModelError
    except UnicodeDecodeError as error:
        text, kind = f"the name {error.object[:40]!r} is no UTF-8", ModelError
    except RecursionError:
        text, kind = "its graphs are nested too deeply for what is left of Python's stack", LimitError
    except MemoryError:
        text, kind = "there is not enough memory to read it", LimitError
    else:
        source.check()
        return model
    if len(text) > LONGEST_MESSAGE:
        text = f"{text[:LONGEST_MESSAGE // 2]} ... {text[-LONGEST_MESSAGE // 2:]}"
    raise kind(f"{name}: {text}")


def model_proto(source: Source) -> Model:
    data = source.data
    graphs, functions, opset, metadata, producer, ir_version = [], [], {}, {}, "", 0
    try:
        if not data:
            raise WireError("it is empty")
        for key, value, stop in fields(data, 0, len(data)):
            if key == MODEL_GRAPH:
                graphs.append((value, stop))
            elif key == OPSET_IMPORT:
                domain, version = operator_set(data, value, stop)
                opset[domain] = version
            elif key == METADATA_PROPS:
                entry, text = text_pair(data, value, stop)
                metadata[entry] = text
            elif key == MODEL_FUNCTION:
                functions.append((value, stop))
            elif key == IR_VERSION:
                ir_version = signed(value)
            elif key == MODEL_PRODUCER:
                producer = data[value:stop].decode()
        if not graphs:
            raise WireError("it has no graph")
    except (WireError, UnicodeDecodeError) as error:
        kind = foreign(data)
        reason = "a text in it is no UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise ModelError("this is no ONNX model" + (f" but {kind}" if kind else f": {reason}")) from None
    if not opset and ir_version < 3:                    # older files do not say
        opset[""] = 1
    reader = GraphReader(source.beside, opset)
    graph = reader.graph(*joined(data, graphs), "graph")
    if functions:
        expand(graph, [reader.function(data, *span) for span in functions])
    model = Model(graph, opset, metadata, producer, ir_version, source, reader.defaults)
    validate(model)
    return model
