"""What a session says of its model: NodeArg and ModelMetadata."""
from __future__ import annotations

import numpy as np

from ..model.graph import OptionalType, SequenceType
from .errors import TypeError

SPELLED = {"float32": "float", "float64": "double", "object": "string", "float8_e4m3fn": "float8e4m3fn",
           "float8_e4m3fnuz": "float8e4m3fnuz", "float8_e5m2": "float8e5m2",
           "float8_e5m2fnuz": "float8e5m2fnuz",
           "float4_e2m1fn": "float4e2m1", "float8_e8m0fnu": "float8e8m0"}
CODES = {name: code for code, name in enumerate(
    "float uint8 int8 uint16 int16 int32 int64 string bool float16 double uint32 uint64 complex64 complex128 "
    "bfloat16 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz uint4 int4 float4e2m1 "
    "float8e8m0".split(), 1)}
NO_VERSION = (1 << 63) - 1


def element(dtype: np.dtype | None) -> str:
    """An element type as onnxruntime spells it."""
    if dtype is None:
        return "undefined"
    if dtype.kind in "USO":
        return "string"
    name = dtype.name
    return SPELLED.get(name, name)


def spelled(declared, dtype: np.dtype | None = None) -> str:
    """tensor(float), seq(tensor(int64)), optional(tensor(float)). dtype : where none is declared"""
    if type(declared) is SequenceType:
        return f"seq({spelled(declared.element)})"
    if type(declared) is OptionalType:
        return f"optional({spelled(declared.element)})"
    return f"tensor({element(declared.dtype or dtype)})"


def sizes(declared) -> list:
    while type(declared) is OptionalType:
        declared = declared.element
    return [d if not isinstance(d, int) or d >= 0 else None for d in declared.shape or ()]


class NodeArg:
    """An input, an output, or a constant that may be fed; shape : ints, names of free sizes, None."""
    __slots__ = ("_name", "_type", "_shape")

    def __new__(cls, *_, **__):
        raise TypeError("onnxruntime.capi.onnxruntime_pybind11_state.NodeArg: No constructor defined!")

    @classmethod
    def _of(cls, name: str, kind: str, shape: list) -> NodeArg:
        self = object.__new__(cls)
        self._name, self._type, self._shape = name, kind, shape
        return self

    @property
    def name(self) -> str:
        return self._name

    @property
    def type(self) -> str:
        return self._type

    @property
    def shape(self) -> list:
        return list(self._shape)

    def __repr__(self):
        return f"NodeArg(name={self._name!r}, type={self._type!r}, shape={self._shape!r})"

    def __reduce__(self):
        return NodeArg._of, (self._name, self._type, self._shape)


class ModelMetadata:
    """What the file says of itself."""
    __slots__ = ("producer_name", "graph_name", "domain", "description", "graph_description", "version",
                 "custom_metadata_map")

    def __init__(self, description=None):
        """description : a model.described.Description"""
        if description is not None:
            self.producer_name, self.graph_name = description.producer, description.graph_name
            self.domain, self.description = description.domain, description.text
            self.graph_description = description.graph_text
            self.version = NO_VERSION if description.version is None else description.version
            self.custom_metadata_map = description.properties
