"""Operators of one's own: a decorated Python function."""
from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .errors import InputError, an, shown
from .model.tensors import DTYPES
from .ops import registry
from .ops.facts import Fact, Unranked
from .ops.symbols import Symbol, Undecided

NUMBERS = bool, int, float, complex, np.generic


def register_op(domain: str, name: str, *, since: int = 1, infer: Callable | None = None) -> Callable:
    """Decorator of a function that computes an operator in NumPy, for all models that are loaded afterwards.

        @cinfer.register_op("my.domain", "Scale")
        def scale(x, offset=None, *, factor=1.0):
            return x * np.float32(factor) + (0 if offset is None else offset)

    Parameters
    ----------
    domain, name : of the nodes that it computes; an operator that cinfer has keeps its meaning
    since : the opset of the domain from which on it does
    infer : None, or a function with the same parameters that tells types and sizes before the run: it is given
        objects with `dtype` and `shape` and returns one for each output, as `x.like()` or
        `x.like(shape, dtype)`. With it, the steps around the operator are planned at once; without it, those
        behind it when it has run

    The function's parameters are the node's inputs, None for those that are left out; its keyword-only parameters
    are the attributes with their defaults, and `n_outputs`, if it has it, the number of outputs of the node. Its
    inputs are read-only arrays, for the time of the call: it copies what it changes or keeps. It returns an array
    (or a number), or a tuple of them, one for each output, just of the types and shapes that `infer` told.
    ValueError, IndexError and ArithmeticError become `cinfer.InputError` with the node's name; all else that it
    raises goes to the caller as it is. It runs in the caller's thread.

    Raises InputError.
    """
    for what, value in (("domain", domain), ("name", name)):
        if not isinstance(value, str) or what == "name" and not value:
            raise InputError(f"{what}={shown(value)}: the {what} of an operator is a str")
    if isinstance(since, bool) or not isinstance(since, int) or since < 1:
        raise InputError(f"since={shown(since)}: an opset is an int of at least 1")
    if infer is not None and not callable(infer):
        raise InputError(f"infer={shown(infer)}: it is a function, or None")
    registry.load_all()                         # else a family that comes later would take its place
    domain = "" if domain == "ai.onnx" else domain
    if any((each.domain, each.name) == (domain, name) and not each.traits.own for each in registry.operators()):
        raise InputError(f"cinfer has {name} of domain {domain or 'ai.onnx'!r}; register yours in a domain of its own, "
                         "such as 'my.domain'")

    def register(function: Callable) -> Callable:
        if not hasattr(function, "__code__"):
            raise InputError(f"{shown(function)} is no Python function; decorate one")
        own = Own(function, infer)
        own.evaluate.own = own
        operator = registry.describe(domain, name, since, own.evaluate, infer and own.infer, signature=function,
                                     random=True, own=True, mixes_floats=True,
                                     types=own.types if infer else (None,))
        own.wants_n_outputs = operator.wants_n_outputs
        registry.add(replace(operator, wants_n_outputs=True))
        return function
    return register


class Own:
    """A user's function as the table of operators takes it: what it is given and what it returns are checked."""

    def __init__(self, function: Callable, infer: Callable | None):
        self.function, self.foretell, self.wants_n_outputs = function, infer, False

        def evaluate(*inputs, n_outputs, **attributes):
            return self.results(inputs, n_outputs, attributes)
        evaluate.__annotations__ = function.__annotations__     # they say of what types attributes are
        self.evaluate = evaluate

    def called(self, function: Callable, inputs, n_outputs: int, attributes: dict):
        if self.wants_n_outputs:
            attributes = {**attributes, "n_outputs": n_outputs}
        try:
            return function(*inputs, **attributes)
        except (IndexError, ArithmeticError) as error:      # whose texts alone say little
            raise InputError(f"{function.__name__}() raised {type(error).__name__}: {error}") from error

    def results(self, inputs, n_outputs: int, attributes: dict) -> tuple:
        """The function's arrays, which nobody else has; InputError for what is none."""
        inputs = [read_only(each) for each in inputs]
        found = self.called(self.function, inputs, n_outputs, attributes)
        name = f"{self.function.__name__}()"
        many = isinstance(found, tuple)
        if many and len(found) > n_outputs:
            raise InputError(f"{name} returned a tuple of {len(found)}; the node has {outputs(n_outputs)}")
        results = [array_of(each, many, name) for each in (found if many else (found,))]
        if self.foretell is None or any(isinstance(each, list) for each in inputs):
            return tuple(results)
        told = self.infer(*(None if each is None else Fact.of(each) for each in inputs), n_outputs=n_outputs,
                          **attributes)
        for i, (result, fact) in enumerate(zip(results, told)):
            if result is not None and (result.dtype, result.shape) != (fact.dtype, fact.shape):
                where = f" as output {i}" if many else ""
                raise InputError(f"{name} returned {result.dtype} of shape {result.shape}{where}; infer said "
                                 f"{fact.dtype} of shape {fact.shape}")
        return tuple(results)

    def infer(self, *facts, n_outputs: int, **attributes) -> tuple:
        """What the user's `infer` tells; InputError for what are no facts."""
        try:
            found = self.called(self.foretell, facts, n_outputs, attributes)
        except TypeError:
            if any(map(is_free, facts)):
                raise Undecided from None           # such as abs(size): it may do so when sizes are numbers
            raise
        told = found if isinstance(found, tuple) else (found,)
        if len(told) > n_outputs:
            raise InputError(f"infer returned a tuple of {len(told)}; the node has {outputs(n_outputs)}")
        for each in told:
            if not isinstance(each, Fact):
                raise InputError(f"infer returned {an(type(each))}; it returns x.like(shape, dtype), or a tuple "
                                 "of such, one for each output")
        return told

    def types(self, *facts, **attributes) -> tuple:
        return tuple([fact.dtype for fact in self.infer(*facts, **attributes)])


def read_only(value):
    """An input as the function may have it: an array, a list of them, or None."""
    if isinstance(value, list):
        return [read_only(each) for each in value]
    if value is not None:
        value = value.view()
        value.flags.writeable = False
    return value


def array_of(value, many: bool, name: str) -> np.ndarray | None:
    """A copy of what a function returned: it may keep the array for its next call."""
    if value is None and many:
        return None                                 # of an output that is left out
    if not isinstance(value, (np.ndarray, *NUMBERS)) or hasattr(value, "filled"):
        what = an(type(value)) if value is not None else "None"
        raise InputError(f"{name} returned {what}{' in a tuple' if many else ''}; it returns an array, or a tuple of "
                         "arrays, one for each output")
    array = np.array(value, order="C")
    if array.dtype not in TYPES and array.dtype.isbuiltin != 2 \
            or array.dtype.hasobject and not all(isinstance(each, str) for each in array.reshape(-1)):
        raise InputError(f"{name} returned an array of {array.dtype}, which is no type of a tensor; strings are str "
                         "in an array of objects")
    return array


TYPES = {*DTYPES.values(), np.dtype(object)}


def outputs(count: int) -> str:
    return f"{count} output{'s' * (count != 1)}"


def is_free(fact) -> bool:
    """Are sizes of it not numbers yet?"""
    return isinstance(fact, Unranked) or isinstance(fact, Fact) and any(type(size) is Symbol for size in fact.shape)


# ---- in other processes

def told(nodes) -> tuple:
    """(domain, name, since, function, infer) of the operators of these nodes, as far as another process can be given
    the functions: those that a pickle names, for they are in a module, or in the program. None for an `infer` that is
    not, such as a lambda: the module that has the function registers it too, and without it values are the same."""
    found = {}
    for node in nodes:
        operator = registry.find(node)
        own = operator.evaluate.own
        if is_named(own.function):
            found[operator.domain, operator.name, operator.since] = (
                own.function, own.foretell if own.foretell is None or is_named(own.foretell) else None)
    return tuple((*key, *functions) for key, functions in found.items())


def register_told(operators: tuple) -> None:
    """Register what `told` gave, unless it is registered here: by the module that has the function, most often."""
    known = {(each.domain, each.name, each.since) for each in registry.operators()}
    for domain, name, since, function, infer in operators:
        if (domain, name, since) not in known:
            register_op(domain, name, since=since, infer=infer)(function)


def is_named(function: Callable) -> bool:
    """Does its name lead to it?"""
    value = sys.modules.get(getattr(function, "__module__", None))
    for name in getattr(function, "__qualname__", "").split("."):
        value = getattr(value, name, None)
    return value is function
