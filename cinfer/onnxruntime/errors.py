"""The exceptions of onnxruntime by their names; each is a cinfer.Error too.

Where onnxruntime raises an exception of Python itself (ValueError for a feed that is missing), it is one here
as well. Messages begin with onnxruntime's words, which programs search, and go on with cinfer's.
"""
from __future__ import annotations

import builtins

from ..errors import Cancelled, Error, InputError, LimitError, ModelError, UnsupportedError

__all__ = ["DeviceReset", "EPFail", "EngineError", "Fail", "InvalidArgument", "InvalidGraph",
           "InvalidProtobuf", "ModelLoadCanceled", "ModelLoaded", "ModelRequiresCompilation", "NoModel",
           "NoSuchFile", "NotFound", "NotImplemented", "RuntimeException"]


class Fail(Error):
    """What has no exception of its own."""
    code, status = 1, "FAIL"


class InvalidArgument(InputError):
    code, status = 2, "INVALID_ARGUMENT"


class NoSuchFile(InputError):
    code, status = 3, "NO_SUCHFILE"


class NoModel(InputError):
    code, status = 4, "NO_MODEL"


class EngineError(Error):
    code, status = 5, "ENGINE_ERROR"


class RuntimeException(LimitError):
    code, status = 6, "RUNTIME_EXCEPTION"


class InvalidProtobuf(ModelError):
    code, status = 7, "INVALID_PROTOBUF"


class ModelLoaded(Error):
    code, status = 8, "MODEL_LOADED"


class NotImplemented(UnsupportedError):
    """What the model or the program asks for, cinfer does not do."""
    code, status = 9, "NOT_IMPLEMENTED"


class InvalidGraph(ModelError):
    code, status = 10, "INVALID_GRAPH"


class EPFail(Error):
    code, status = 11, "EP_FAIL"


class ModelLoadCanceled(Cancelled):
    code, status = 12, "MODEL_LOAD_CANCELED"


class ModelRequiresCompilation(Error):
    code, status = 13, "MODEL_REQUIRES_COMPILATION"


class NotFound(Error):
    code, status = 14, "NOT_FOUND"


class DeviceReset(Error):
    code, status = 15, "DEVICE_RESET"


class ValueError(InputError, builtins.ValueError):
    pass


class TypeError(InputError, builtins.TypeError):
    pass


class RuntimeError(InputError, builtins.RuntimeError):
    pass


def made(kind: type, text: str):
    """An exception of onnxruntime's, with its prefix."""
    return kind(f"[ONNXRuntimeError] : {kind.code} : {kind.status} : {text}")


def of_loading(error: Error, path: str | None, is_read: bool) -> Error:
    """What onnxruntime would raise where cinfer does not load a model. is_read : it has been read as ONNX"""
    where = "" if path is None else f"Load model from {path} failed:"
    if isinstance(error, UnsupportedError):
        kind = NotImplemented
    elif isinstance(error, LimitError):
        kind = RuntimeException
    elif isinstance(error, ModelError) and not is_read:
        text = str(error)
        if text.endswith((": it is empty", ": it has no graph")):
            kind, where = InvalidArgument, f"{where}No graph was found in the protobuf. "
        elif "this is no ONNX model" in text or "is the file truncated" in text:
            kind, where = InvalidProtobuf, f"{where}Protobuf parsing failed. "
        else:
            kind, where = InvalidGraph, f"{where}This is an invalid model. "
    else:
        kind = Fail
    return made(kind, f"{where}{error}")
