"""Operators of one's own: a decorated Python function."""
from __future__ import annotations

from collections.abc import Callable

from .errors import InputError, shown
from .ops import registry


def register_op(domain: str, name: str, *, since: int = 1, infer: Callable | None = None) -> Callable:
    """Decorator of a function that computes an operator in NumPy, for all models that are loaded afterwards.

        @cinfer.register_op("my.domain", "Scale")
        def scale(x, offset=None, *, factor=1.0):
            return x * np.float32(factor) + (0 if offset is None else offset)

    Parameters
    ----------
    domain, name : of the nodes that it computes
    since : the opset of the domain from which on it does
    infer : None, or a function with the same parameters that tells types and sizes before the run: it is given
        objects with `dtype` and `shape` and returns one for each output, as `x.like()` or
        `x.like(shape, dtype)`. With it, the steps around the operator are planned at once; without it, those
        behind it when it has run

    The function's parameters are the node's inputs, None for those that are left out; its keyword-only parameters
    are the attributes with their defaults. It returns an array, or a tuple of them, and must not write to its
    inputs. ValueError, IndexError and ArithmeticError become `cinfer.InputError` with the node's name; all else
    that it raises goes to the caller as it is.

    Raises InputError.
    """
    for what, value in (("domain", domain), ("name", name)):
        if not isinstance(value, str) or what == "name" and not value:
            raise InputError(f"{what}={shown(value)}: the {what} of an operator is a str")
    if isinstance(since, bool) or not isinstance(since, int) or since < 1:
        raise InputError(f"since={shown(since)}: an opset is an int of at least 1")

    def register(function: Callable) -> Callable:
        if not hasattr(function, "__code__"):
            raise InputError(f"{shown(function)} is no Python function; decorate one")
        registry.load_all()                     # else a family that comes later would take its place again
        registry.add(registry.describe("" if domain == "ai.onnx" else domain, name, since, function, infer,
                                       random=True))
        return function
    return register
