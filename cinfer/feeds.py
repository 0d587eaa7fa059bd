"""What a caller feeds a session, held against what the model declares. Nothing is cast."""
from __future__ import annotations

from math import prod

import numpy as np

from .errors import InputError, LimitError, UnsupportedError, an, shown, whole
from .model.graph import OptionalType, SequenceType, TensorType
from .ops.facts import Fact


def checked(types: dict, feeds) -> list:
    """The feeds in the order of the inputs: C-contiguous arrays, lists of such for sequences, None for optionals
    that hold nothing.

    types : declared type of each input
    Raises InputError, LimitError.
    """
    if not isinstance(feeds, dict):
        raise InputError(f"feeds is {an(type(feeds))}; pass a dict such as {{{next(iter(types), 'name')!r}: array}}")
    values, missing = [], 0
    for name, declared in types.items():
        try:
            value = feeds[name]
        except KeyError:
            if type(declared) is not OptionalType:
                unknown = next((n for n in feeds if n not in types), None)
                raise InputError(f"no feed for input {name!r}; the model takes {', '.join(map(repr, types))}"
                                 + (f", not {shown(unknown)}" if unknown is not None else "")) from None
            value = None
            missing += 1
        values.append(checked_array(name, value, declared) if type(declared) is TensorType
                      else checked_value(name, value, declared))
    if len(feeds) > len(types) - missing:
        unknown = next(n for n in feeds if n not in types)
        raise InputError(f"no input {shown(unknown)}; the model has {', '.join(map(repr, types))}")
    return values


def checked_value(name: str, value, declared):
    """A feed of any declared type."""
    if type(declared) is OptionalType:
        return None if value is None else checked_value(name, value, declared.element)
    if type(declared) is SequenceType:
        if not isinstance(value, (list, tuple)):
            raise InputError(f"input {name!r}: got {an(type(value))}, the model takes a list of numpy arrays")
        return [checked_value(f"{name}[{i}]", each, declared.element) for i, each in enumerate(value)]
    return checked_array(name, value, declared)


def checked_array(name: str, value, declared: TensorType) -> np.ndarray:
    """An array of the declared dtype and shape, C-contiguous."""
    if declared.dtype is None:
        raise UnsupportedError(f"input {name!r} is no tensor, sequence or optional; cinfer takes no others")
    if type(value) is not np.ndarray:
        if not isinstance(value, (np.ndarray, np.generic)):
            raise InputError(f"input {name!r}: got {an(type(value))}, the model takes a numpy array of "
                             f"{described(declared)}")
        if hasattr(value, "filled"):            # np.ma itself takes long to import
            raise InputError(f"input {name!r}: got a masked array; pass {name}.filled(number)")
        value = np.asarray(value)
    if value.dtype != declared.dtype:
        raise InputError(f"input {name!r}: got {value.dtype}, the model takes {declared.dtype}; "
                         f"{advice(name, value, declared.dtype)}")
    if declared.shape is not None and value.shape != declared.shape:
        check_shape(name, value.shape, declared)
    if not value.flags.c_contiguous:
        try:
            value = np.ascontiguousarray(value)
        except MemoryError:
            raise LimitError(f"input {name!r}: there is not enough memory for a contiguous copy of "
                             f"{value.dtype} {value.shape}") from None
    return value


def checked_sizes(types: dict, shapes: dict | None) -> dict[str, tuple[int, ...]]:
    """What a caller says of sizes, or InputError."""
    if shapes is None:
        return {}
    if not isinstance(shapes, dict):
        raise InputError(f"shapes is {an(type(shapes))}; pass a dict such as "
                         f"{{{next(iter(types), 'name')!r}: (1, 3, 224, 224)}}")
    found = {}
    for name, sizes in shapes.items():
        if name not in types:
            raise InputError(f"no input {shown(name)}; the model has {', '.join(map(repr, types))}")
        try:
            found[name] = tuple(map(whole, sizes))
        except TypeError:
            found[name] = (None,)
        if any(d is None or d < 0 for d in found[name]):
            raise InputError(f"input {name!r}: {shown(sizes)} is no shape; pass sizes of at least 0, such as "
                             "(1, 3, 224, 224)")
    return found


def supposed(types: dict, shapes: dict | None) -> dict[str, Fact]:
    """Facts of the inputs for sizes by name; free sizes that are not given are 1."""
    specs = {}
    given = checked_sizes(types, shapes)
    for name, declared in types.items():
        if declared.dtype is None:
            raise InputError(f"input {name!r} takes {'no tensor' if type(declared) is TensorType else declared}; "
                             "what a run needs is known ahead for tensors alone")
        shape = given.get(name)
        if shape is None:
            shape = tuple(d if isinstance(d, int) else 1 for d in declared.shape or ())
        check_shape(name, shape, declared)
        specs[name] = Fact(declared.dtype, shape)
    return specs


def listed(shapes) -> list:
    """The shapes of a warmup, or InputError."""
    if not isinstance(shapes, (list, tuple)) or any(whole(each) is not None for each in shapes):
        what = an(type(shapes)) + " of sizes" * isinstance(shapes, (list, tuple))
        raise InputError(f"shapes is {what}; pass a dict of input name -> sizes, or a list of such dicts")
    return list(shapes)


def is_fixed(declared) -> bool:
    """Is it a tensor all of whose sizes are known?"""
    sizes = declared.shape
    known = declared.dtype is not None and sizes is not None
    return known and all(isinstance(d, int) and d >= 0 for d in sizes)


def is_of_any_size(declared) -> bool:
    """May pictures, or what else it holds, differ in more than their number?"""
    sizes = getattr(declared, "shape", None) or ()
    return any(type(d) is not int or d < 0 for d in sizes[1:])


def advice(name: str, value: np.ndarray, wanted: np.dtype) -> str:
    """How an array of another type becomes one that the model takes."""
    kind = value.dtype.kind
    if wanted.hasobject:
        return f"pass strings: {name}.astype({'object' if kind == 'U' else 'str).astype(object'})"
    if kind in "US" or kind == "O" and any(isinstance(each, (str, bytes)) for each in value.reshape(-1)):
        return "pass numbers, not text"
    return f"pass {name}.astype({in_python(wanted)})"


def in_python(dtype: np.dtype) -> str:
    """How a dtype is spelt there: np.float32, object (strings), ml_dtypes.bfloat16."""
    return "object" if dtype.hasobject else f"{'np' if dtype.isbuiltin == 1 else 'ml_dtypes'}.{dtype}"


def described(declared: TensorType) -> str:
    if declared.shape is None:
        return str(declared.dtype)
    return f"{declared.dtype}, shape ({', '.join('any' if d is None else repr(d) for d in declared.shape)})"


def check_shape(name: str, shape: tuple, declared: TensorType) -> None:
    """InputError unless a shape fits the declared one."""
    if declared.shape is None:
        return
    if len(shape) != len(declared.shape):
        hint = ""
        if len(declared.shape) == 4 and len(shape) == 3 and prod(shape) and shape[-1] in (1, 3, 4):
            hint = ", which looks like one picture of HWC pixels; transpose it and add the batch axis"
        elif len(declared.shape) == len(shape) + 1:
            hint = "; is the batch axis missing? pass x[np.newaxis]"
        raise InputError(f"input {name!r}: got shape {shape}{hint}; the model takes {described(declared)}")
    for axis, (have, want) in enumerate(zip(shape, declared.shape)):
        if isinstance(want, int) and want >= 0 and have != want:
            raise InputError(f"input {name!r}: axis {axis} is {have}, the model takes {want} "
                             f"({described(declared)})")
