"""Tensors in, tensors out: KServe's v2 protocol, as Triton and OpenVINO Model Server speak it over HTTP.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol and, beside it, the extension for
binary tensors: a JSON object, whose length the header Inference-Header-Content-Length says, then the bytes of tensors
in its order, little-endian, row by row.
"""
from __future__ import annotations

import math
import re
import struct

import numpy as np

from ..errors import whole
from ..version import __version__
from .forms import json_of
from .replies import Refused, Reply, of, text_of
from .turns import left_of

NAMES = {"bool": "BOOL", "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64", "int8": "INT8",
         "int16": "INT16", "int32": "INT32", "int64": "INT64", "float16": "FP16", "float32": "FP32",
         "float64": "FP64", "bfloat16": "BF16", "object": "BYTES"}
HEADER = "Inference-Header-Content-Length"
MOST_RANK, MOST_TENSORS = 32, 1000


def about(app, request) -> Reply:
    return of({"name": "cinfer", "version": __version__, "extensions": ["binary_tensor_data"]})


def about_model(app, request, name: str) -> Reply:
    served = app.model_of(name)
    inputs, outputs = (served.session.inputs, served.session.outputs) if served.session else ((), ())
    return of({"name": served.name, "versions": ["1"], "platform": "onnx_cinfer",
               "inputs": list(map(port_data, inputs)), "outputs": list(map(port_data, outputs))})


def port_data(port) -> dict:
    """-1 stands for a free size."""
    return {"name": port.name, "datatype": name_of(port.dtype),
            "shape": [size if whole(size) is not None and size >= 0 else -1 for size in port.shape or ()]}


def name_of(dtype) -> str:
    return "" if dtype is None else NAMES.get(dtype.name, dtype.name.upper())


def infer(app, request, name: str) -> Reply:
    served = app.model_of(name)
    if served.session is None:
        raise Refused(400, f"model {served.name!r} is several, one after the other, and takes pictures only")
    head, rest = split(request.body(), request.header(HEADER))
    with app.turns.turn(request.deadline, request.gone):
        asked = json_of(head)
        if not isinstance(asked, dict) or not isinstance(asked.get("inputs"), list):
            raise Refused(400, 'the body is no request of KServe v2: right is {"inputs": [{"name": ..., '
                               '"shape": [...], "datatype": "FP32", "data": [...]}]}')
        feeds = feeds_of(asked["inputs"], rest, {port.name: port for port in served.session.inputs})
        names, binary = wanted(asked, served.session.outputs)
        arrays = served.session._run_until(app.turns.share(), names, feeds, left_of(request.deadline))
        return reply_of(served.name, asked.get("id"), names, arrays, binary)


def split(body: bytes, length: str | None) -> tuple[bytes, memoryview]:
    """(the JSON text, the bytes of tensors behind it)"""
    if length is None:
        return body, memoryview(b"")
    if not re.fullmatch(r"[0-9]{1,12}", length) or int(length) > len(body):
        raise Refused(400, f"{HEADER} is no number of bytes within the body, which has {len(body)}")
    return body[:int(length)], memoryview(body)[int(length):]


# ---- what is fed

def feeds_of(inputs: list, rest: memoryview, ports: dict) -> dict:
    """name -> array. rest : the bytes of binary tensors"""
    feeds, at = {}, 0
    for each in inputs[:MOST_TENSORS]:
        if not isinstance(each, dict) or not isinstance(each.get("name"), str):
            raise Refused(400, 'an input has no name; right is {"name": ..., "shape": [...], "datatype": "FP32", ...}')
        name = each["name"][:200]
        if name in feeds:
            raise Refused(400, f"input {name!r} is there twice")
        if name not in ports:
            raise Refused(400, f"no input {name!r}; the model has {', '.join(map(repr, ports))}")
        dtype, shape = type_of(each, name, ports[name]), shape_of(each, name)
        size = parameter(each, "binary_data_size")
        if size is None and "data" not in each and len(inputs) == 1:    # as OpenVINO Model Server has it
            size = len(rest) or None
        if size is None:
            feeds[name] = from_json(each.get("data"), name, dtype, shape)
        elif "data" in each:
            raise Refused(400, f"input {name!r} has both data and binary_data_size; one of them is right")
        else:
            if not (whole(size) is not None and 0 <= size <= len(rest) - at):
                raise Refused(400, f"input {name!r}: binary_data_size is no number of bytes that are there; "
                                   f"{len(rest) - at} are left")
            feeds[name] = from_bytes(rest[at:at + size], name, dtype, shape)
            at += size
    if at != len(rest):
        raise Refused(400, f"{len(rest) - at} bytes behind the JSON are of no tensor: binary_data_size says which are")
    return feeds


def parameter(data: dict, key: str):
    parameters = data.get("parameters")
    return parameters.get(key) if isinstance(parameters, dict) else None


def type_of(each: dict, name: str, port) -> np.dtype:
    """The port's own dtype, if it is the one that is said."""
    said, right = each.get("datatype"), name_of(port.dtype)
    if port.dtype is None or right not in NAMES.values():
        raise Refused(400, f"input {name!r} is no tensor that can be sent by this protocol")
    if said != right:
        raise Refused(400, f"input {name!r}: datatype is {str(said)[:80]!r}, the model takes {right}")
    return port.dtype


def shape_of(each: dict, name: str) -> tuple[int, ...]:
    shape = each.get("shape")
    if not isinstance(shape, list) or len(shape) > MOST_RANK or not all(
            isinstance(size, int) and not isinstance(size, bool) and 0 <= size < 1 << 40 for size in shape):
        raise Refused(400, f"input {name!r}: shape is a list of at most {MOST_RANK} sizes, such as [1, 3, 224, 224]")
    return tuple(shape)


def from_json(data, name: str, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """Flat or nested lists; nothing is cut off or rounded to whole numbers on the way."""
    if not isinstance(data, list):
        raise Refused(400, f"input {name!r}: data is a list of numbers, or binary_data_size says where they are")
    try:
        found = np.array(data, object if dtype.hasobject else None)
    except (ValueError, OverflowError):                 # ragged
        found = None
    kinds = {"b": "b", "i": "iu", "u": "iu", "f": "iuf", "V": "iuf", "O": "O"}[dtype.kind]
    if found is None or found.size and found.dtype.kind not in kinds:
        raise Refused(400, f"input {name!r}: data is no list of {name_of(dtype)}, all rows of one length")
    check_count(found.size, name, shape)
    if dtype.hasobject:
        if not all(isinstance(each, str) for each in found.reshape(-1)):
            raise Refused(400, f"input {name!r}: data is no list of texts")
        return found.reshape(shape)
    if dtype.kind in "iu" and found.size:
        limits = np.iinfo(dtype)
        if found.min() < limits.min or found.max() > limits.max:
            raise Refused(400, f"input {name!r}: a number does not fit {name_of(dtype)}")
    with np.errstate(over="ignore"):
        made = found.reshape(shape).astype(dtype)
    if dtype.kind in "fV" and not np.isfinite(made.astype(np.float64)).all():
        raise Refused(400, f"input {name!r}: a number does not fit {name_of(dtype)}")
    return made


def from_bytes(data: memoryview, name: str, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    if dtype.hasobject:
        texts = texts_of(data, name)
        check_count(len(texts), name, shape)
        return np.array(texts, object).reshape(shape)
    if len(data) % dtype.itemsize:
        raise Refused(400, f"input {name!r}: {len(data)} bytes are no whole number of {name_of(dtype)}")
    check_count(len(data) // dtype.itemsize, name, shape)
    taken = np.frombuffer(data, np.uint8)
    if dtype == np.bool_:
        return (taken != 0).reshape(shape)
    found = np.empty(shape, dtype)                      # of its own: the memory of a request is not aligned
    found.reshape(-1).view(np.uint8)[:] = taken
    return found


def texts_of(data: memoryview, name: str) -> list[str]:
    """Each behind its length, a number of 4 bytes."""
    texts, at = [], 0
    while at < len(data):
        length = struct.unpack_from("<I", data, at)[0] if at + 4 <= len(data) else len(data)
        if at + 4 + length > len(data):
            raise Refused(400, f"input {name!r}: its bytes end within a text")
        texts.append(bytes(data[at + 4:at + 4 + length]).decode("utf-8", "replace"))
        at += 4 + length
    return texts


def check_count(count: int, name: str, shape: tuple[int, ...]) -> None:
    if count != math.prod(shape):
        raise Refused(400, f"input {name!r}: data has {count} elements, shape {list(shape)} has {math.prod(shape)}")


# ---- what is answered

def wanted(asked: dict, ports) -> tuple[list[str], dict[str, bool]]:
    """(the names of outputs, name -> is it binary?)"""
    known, usual = [port.name for port in ports], parameter(asked, "binary_data_output") is True
    said = asked.get("outputs")
    if said is None or said == []:
        return known, dict.fromkeys(known, usual)
    if not isinstance(said, list) or not all(isinstance(each, dict) and each.get("name") in known for each in said):
        raise Refused(400, f"outputs is a list of {{\"name\": ...}}; the model has {', '.join(map(repr, known))}")
    binary = {each["name"]: parameter(each, "binary_data") is True if parameter(each, "binary_data") is not None
              else usual for each in said}
    return list(binary), binary


def reply_of(model: str, request_id, names: list[str], arrays: list, binary: dict[str, bool]) -> Reply:
    outputs, tail = [], []
    for name, value in zip(names, arrays):
        if not isinstance(value, np.ndarray):
            raise Refused(400, f"output {name!r} is no tensor, which this protocol cannot say; leave it out of outputs")
        said = {"name": name, "datatype": name_of(value.dtype), "shape": list(value.shape)}
        if binary[name]:
            tail.append(as_bytes(value))
            said["parameters"] = {"binary_data_size": len(tail[-1])}
        else:
            said["data"] = as_list(value)
        outputs.append(said)
    head = {"model_name": model, "model_version": "1", "outputs": outputs}
    if isinstance(request_id, str):
        head["id"] = request_id[:1000]
    text = text_of(head)
    if not tail:
        return Reply(text)
    return Reply(b"".join([text, *tail]), kind="application/octet-stream", headers=((HEADER, str(len(text))),))


def as_bytes(value: np.ndarray) -> bytes:
    if value.dtype.hasobject:
        texts = [str(each).encode() for each in value.reshape(-1)]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return value.tobytes()


def as_list(value: np.ndarray) -> list:
    """Flat. JSON has no NaN and no infinity: null."""
    if value.dtype.hasobject:
        return [str(each) for each in value.reshape(-1)]
    if value.dtype.kind not in "fV":
        return value.reshape(-1).tolist()
    wide = value.reshape(-1).astype(np.float64)
    found = wide.tolist()
    return found if np.isfinite(wide).all() else [each if math.isfinite(each) else None for each in found]
