"""What programs feed, as onnxruntime takes it: lists become arrays of the input's type, arrays are not
cast."""
from __future__ import annotations

import builtins

import numpy as np

from ..errors import Cancelled, Error, InputError, LimitError, UnsupportedError
from ..model.graph import OptionalType, SequenceType, TensorType
from .described import element, spelled
from .errors import (Fail, InvalidArgument, NotImplemented, RuntimeError, RuntimeException, TypeError,
                     ValueError, made)
from .values import OrtValue

MEND = "Please fix either the inputs/outputs or the model."


def converted(types: dict, feeds, defaults: dict) -> dict:
    """Feeds of any kind that onnxruntime takes, as a session takes them.

    types : declared, by name; defaults : of inputs that may be left out

    Raises what onnxruntime raises for those that it does not take.
    """
    names = list(feeds.keys())
    for name in names:
        if not isinstance(name, str):
            raise TypeError("run(): incompatible function arguments: the names of inputs are str, "
                            f"got {name!r}")
    missing = [n for n, declared in types.items() if n not in names and type(declared) is not OptionalType]
    if missing:
        raise ValueError(f"Required inputs ({missing}) are missing from input feed ({names}).")
    found = {}
    for name in names:
        declared = types.get(name) or defaults.get(name)
        if declared is None:
            raise made(InvalidArgument, f"Invalid input name: {name}; the model has "
                       f"{', '.join(map(repr, types))}")
        found[name] = value_of(name, feeds[name], declared)
    return found


def value_of(name: str, value, declared):
    if isinstance(value, OrtValue):
        value = value._typed()
    if type(declared) is OptionalType:
        return None if value is None else value_of(name, value, declared.element)
    if value is None:
        raise made(Fail, f"Missing Input: {name}")
    if type(declared) is SequenceType:
        return sequence_of(name, value, declared)
    if isinstance(value, np.ndarray):
        return array_of(value, declared)
    if isinstance(value, list):
        return array_of_list(name, value, declared)
    if isinstance(value, dict):
        raise made(InvalidArgument, "Unexpected input data type. Actual: (map) , expected: "
                   f"({spelled(declared)}): input {name!r}")
    if isinstance(value, np.generic) or not hasattr(value, "__iter__"):
        raise RuntimeError(f"Unable to handle object of type {type(value)}: input {name!r}; pass a numpy "
                           "array")
    raise RuntimeError(f"Input must be a list of dictionaries or a single numpy array for input {name!r}.")


def array_of(value: np.ndarray, declared: TensorType) -> np.ndarray:
    """A plain array: strings as objects, bytes in this machine's order, without a mask."""
    kind = value.dtype.kind
    if kind in "US" and declared.dtype is not None and declared.dtype.hasobject:
        return (np.char.decode(value) if kind == "S" else value).astype(object)
    if not value.dtype.isnative:
        value = value.astype(value.dtype.newbyteorder("="))
    return np.asarray(value.data) if hasattr(value, "filled") else value


def array_of_list(name: str, value: list, declared: TensorType) -> np.ndarray:
    dtype = declared.dtype
    try:
        if dtype is not None and dtype.hasobject:
            return np.array(value, str).astype(object)
        return np.array(value, dtype)
    except (builtins.ValueError, builtins.TypeError, OverflowError) as error:
        raise RuntimeError(f"Could not create tensor from given input list: input {name!r}: "
                           f"{error}") from None


def sequence_of(name: str, value, declared: SequenceType) -> list:
    if isinstance(value, np.ndarray):
        raise made(InvalidArgument, f"input with name: {name!r} expected to be of type: 3 but received a "
                   "tensor; pass a list of arrays")
    if not isinstance(value, list):
        raise RuntimeError(f"Iterable of {type(value)} should be given as array for input {name!r}: pass a "
                           "list")
    found = []
    for each in value:
        each = each._typed() if isinstance(each, OrtValue) else each
        if not isinstance(each, np.ndarray):
            raise RuntimeError(f"CreateSequenceOfTensors: Input is not a tensor: input {name!r}; pass a list "
                               "of arrays")
        found.append(array_of(each, declared.element))
    if len({each.dtype for each in found}) > 1 or found and found[0].dtype != declared.element.dtype:
        raise RuntimeError(f"TensorSeq: tensor to be added has a different data type: input {name!r} is "
                           f"{spelled(declared)}")
    return found


def refusal(types: dict, feeds: dict, error: Error) -> Error | None:
    """What onnxruntime says of feeds that were refused; None where they fit. feeds : converted"""
    for name, value in feeds.items():
        declared = types[name]
        if type(declared) is OptionalType:
            declared = declared.element
        if type(declared) is not TensorType or not isinstance(value, np.ndarray) or declared.dtype is None:
            continue
        if value.dtype != declared.dtype:
            return made(InvalidArgument, "Unexpected input data type. Actual: "
                        f"(tensor({element(value.dtype)})) , expected: ({spelled(declared)}) ({error})")
        if declared.shape is None:
            continue
        if value.ndim != len(declared.shape):
            return made(InvalidArgument, f"Invalid rank for input: {name} Got: {value.ndim} Expected: "
                        f"{len(declared.shape)} {MEND} ({error})")
        wrong = [(axis, have, want) for axis, (have, want) in enumerate(zip(value.shape, declared.shape))
                 if isinstance(want, int) and want >= 0 and have != want]
        if wrong:
            lines = "\n".join(f" index: {axis} Got: {have} Expected: {want}" for axis, have, want in wrong)
            return made(InvalidArgument, f"Got invalid dimensions for input: {name} for the following "
                        f"indices\n{lines}\n {MEND} ({error})")
    return None


def of_running(error: Error, types: dict, feeds: dict) -> Error:
    """What onnxruntime would raise where a run of cinfer ended in this error. feeds : converted"""
    if isinstance(error, InputError) and (found := refusal(types, feeds, error)) is not None:
        return found
    if isinstance(error, Cancelled):
        return made(Fail, f"Exiting due to terminate flag being set to true. ({error})")
    kind = (RuntimeException if isinstance(error, LimitError) else
            NotImplemented if isinstance(error, UnsupportedError) else Fail)
    return made(kind, f"Non-zero status code returned while running the model: {error}")
