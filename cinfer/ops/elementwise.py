"""Operators on numbers one by one, with broadcasting: arithmetic, comparison, logic, functions of one number.

Each is at https://onnx.ai/onnx/operators/onnx__<its name>.html
"""
from __future__ import annotations

from math import erf, prod

import numpy as np

from .limits import check_axis, check_scalar, check_size
from .numeric import (aligned, broadcast, check_kind, check_same, is_float, is_int, settle, spec_of,
                      wide_sums, widen)
from .registry import add, describe, op
from .symbols import Undecided

BOOL = np.dtype(bool)


# One input

def unary(name: str, function, kind: str, since: int = 1, result: np.dtype | None = None, **traits) -> None:
    """Register y = function(x), for x of `kind`; y has the type of x, or `result`."""
    def infer(x, *, consumed_inputs=None):
        check_kind(x, kind)
        return x.like(dtype=result)

    def evaluate(x, *, consumed_inputs=None):
        check_kind(x, kind)
        return settle(function(widen(x)), result or x.dtype)
    add(describe("", name, since, evaluate, infer, elementwise=True, types=(result or 0,), **traits))


def error_function(x: np.ndarray) -> np.ndarray:
    """erf in float64."""
    return np.fromiter(map(erf, x.reshape(-1).tolist()), np.float64, x.size).reshape(x.shape)


NOT_NEGATIVE, STEPS = {"not_negative": True}, {"steps": True}
for _name, _function, _kind, _since, *_traits in (
        ("Abs", np.abs, "number", 1, NOT_NEGATIVE), ("Neg", np.negative, "signed", 1),
        ("Sign", np.sign, "number", 9),
        ("Ceil", np.ceil, "float", 1, STEPS), ("Floor", np.floor, "float", 1, STEPS),
        ("Round", np.rint, "float", 11, STEPS),                         # halves to the even neighbour
        ("Sqrt", np.sqrt, "float", 1, NOT_NEGATIVE), ("Exp", np.exp, "float", 1, NOT_NEGATIVE),
        ("Log", np.log, "float", 1),
        ("Reciprocal", lambda x: 1 / x, "float", 1), ("Erf", error_function, "number", 9),
        ("Sin", np.sin, "float", 7), ("Cos", np.cos, "float", 7), ("Tan", np.tan, "float", 7),
        ("Asin", np.arcsin, "float", 7), ("Acos", np.arccos, "float", 7), ("Atan", np.arctan, "float", 7),
        ("Sinh", np.sinh, "float", 9), ("Cosh", np.cosh, "float", 9), ("Asinh", np.arcsinh, "float", 9),
        ("Acosh", np.arccosh, "float", 9), ("Atanh", np.arctanh, "float", 9),
        ("Not", np.logical_not, "bool", 1), ("BitwiseNot", np.invert, "int", 18)):
    unary(_name, _function, _kind, _since, **(_traits[0] if _traits else {}))

unary("IsNaN", np.isnan, "float", 9, BOOL)


@op("IsInf", since=10, elementwise=True, steps=True, types=(BOOL,))
class IsInf:
    def infer(x, *, detect_negative=1, detect_positive=1):
        check_kind(x, "float")
        return x.like(dtype=BOOL)

    def evaluate(x, *, detect_negative=1, detect_positive=1):
        check_kind(x, "float")
        x = widen(x)
        return np.asarray(np.isinf(x) & ((x < 0) & bool(detect_negative) | (x > 0) & bool(detect_positive)))


# Two inputs

def binary(name: str, function, kind: str, since: int, result: np.dtype | None = None, **traits) -> None:
    """Register y = function(a, b) for inputs of one type of `kind`; y has that type, or `result`.

    Before opset 7 the second input broadcasts to the first, where `broadcast` allows it and as `axis` says.
    """
    def infer(a, b):
        check_same(a.dtype, b)
        check_kind(a, kind)
        return a.like(check_size(broadcast(a.shape, b.shape), a.dtype.itemsize), result)

    def evaluate(a, b):
        infer(spec_of(a), spec_of(b))
        return settle(function(widen(a), widen(b)), result or a.dtype)

    def infer_first(a, b, *, axis=None, broadcast=0, consumed_inputs=None):
        return infer(a, b.like(aligned(b.shape, a.shape, axis, broadcast)))

    def evaluate_first(a, b, *, axis: int = None, broadcast=0, consumed_inputs=None):
        return evaluate(a, b.reshape(aligned(b.shape, a.shape, axis, broadcast)))

    traits = {"broadcast": True, "one_type": True, "types": (result or 0,), **traits}
    if since < 7:
        add(describe("", name, since, evaluate_first, infer_first, **traits))
    add(describe("", name, max(since, 7), evaluate, infer, **traits))


def divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Integers are truncated towards zero, as in C; a division by 0 makes 0."""
    return a / b if is_float(a.dtype) else (a - np.fmod(a, b)) // b


def symbolic_quotient(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """For numbers that are not negative; a divisor that may be 0 is none of these."""
    for number, low in ((a, 0), (b, 1)):
        for each in number.reshape(-1):
            if type(each) is not int and low or each < low:
                raise Undecided
    return np.floor_divide(a.astype(object), b)


def symbolic_equal(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(np.equal(a.astype(object), b, dtype=object), bool)


for _name, _function, _symbolic in (("Add", np.add, np.add), ("Sub", np.subtract, np.subtract),
                                    ("Mul", np.multiply, np.multiply), ("Div", divide, symbolic_quotient)):
    binary(_name, _function, "number", 1, symbolic=_symbolic)

for _name, _function, _kind, _since in (
        ("And", np.logical_and, "bool", 1), ("Or", np.logical_or, "bool", 1),
        ("Xor", np.logical_xor, "bool", 1), ("BitwiseAnd", np.bitwise_and, "int", 18),
        ("BitwiseOr", np.bitwise_or, "int", 18), ("BitwiseXor", np.bitwise_xor, "int", 18)):
    binary(_name, _function, _kind, _since)

for _name, _function, _kind, _since in (
        ("Greater", np.greater, "number", 1), ("Less", np.less, "number", 1),
        ("GreaterOrEqual", np.greater_equal, "number", 12), ("LessOrEqual", np.less_equal, "number", 12)):
    binary(_name, _function, _kind, _since, BOOL)
binary("Equal", np.equal, "any", 1, BOOL, symbolic=symbolic_equal, **STEPS)


@op("Mod", since=28, broadcast=True, one_type=True, steps=True)
class Mod:
    """With the sign of b, or with fmod=1 of a."""
    def infer(a, b, *, fmod=0):
        check_same(a.dtype, b)
        check_kind(a, "number")
        return a.like(check_size(broadcast(a.shape, b.shape), a.dtype.itemsize))

    def evaluate(a, b, *, fmod=0):
        Mod.infer(spec_of(a), spec_of(b))
        return settle((np.fmod if fmod else np.mod)(widen(a), widen(b)), a.dtype)


@op("Mod", since=10, broadcast=True, one_type=True, steps=True)
class ModFirst:
    """https://onnx.ai/onnx/operators/onnx__Mod.html"""
    def infer(a, b, *, fmod=0):
        if not fmod:
            check_kind(a, "int")                # floats take the sign of a, and have to say so
        return Mod.infer(a, b)

    def evaluate(a, b, *, fmod=0):
        ModFirst.infer(spec_of(a), spec_of(b), fmod=fmod)
        return Mod.evaluate(a, b, fmod=fmod)


def shift(x: np.ndarray, y: np.ndarray, direction: str) -> np.ndarray:
    bits = 8 * x.dtype.itemsize
    beyond = (y < 0) | (y >= bits)
    if direction == "RIGHT":                # one bit less than all leaves just the sign
        return np.where(beyond & (x >= 0), 0, x >> np.where(beyond, bits - 1, y).astype(x.dtype))
    return np.where(beyond, 0, x << np.where(beyond, 0, y).astype(x.dtype))


@op("BitShift", since=11, broadcast=True, one_type=True)
class BitShift:
    def infer(x, y, *, direction):
        check_same(x.dtype, y)
        check_kind(x, "int")
        if direction not in ("LEFT", "RIGHT"):
            raise ValueError(f"direction {direction!r}; it has to be LEFT or RIGHT")
        return x.like(check_size(broadcast(x.shape, y.shape), x.dtype.itemsize))

    def evaluate(x, y, *, direction: str):
        BitShift.infer(spec_of(x), spec_of(y), direction=direction)
        return settle(shift(x, y, direction), x.dtype)


def power(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x to the y, in the precision of x; integers with whole exponents are exact."""
    if is_float(x.dtype):
        return np.power(widen(x), y.astype(widen(x).dtype))
    if is_int(y.dtype) and not (y < 0).any():
        return np.power(x, y.astype(np.uint64)) if x.dtype == np.uint64 else np.power(x, y.astype(np.int64))
    return np.trunc(np.power(x.astype(np.float64), y.astype(np.float64)))


@op("Pow", since=1, broadcast=True, mixes_floats=True)
class PowFirst:
    """https://onnx.ai/onnx/operators/text_diff_Pow_1_7.html"""
    def infer(x, y, *, axis=None, broadcast=0):
        return Pow.infer(x, y.like(aligned(y.shape, x.shape, axis, broadcast)))

    def evaluate(x, y, *, axis: int = None, broadcast=0):
        return Pow.evaluate(x, y.reshape(aligned(y.shape, x.shape, axis, broadcast)))


@op("Pow", since=7, broadcast=True, mixes_floats=True)
class Pow:
    def infer(x, y):
        check_kind(x, "number")
        check_kind(y, "number", "the exponent")
        return x.like(check_size(broadcast(x.shape, y.shape), x.dtype.itemsize))

    def evaluate(x, y):
        Pow.infer(spec_of(x), spec_of(y))
        return settle(power(x, y), x.dtype)


# Any number of inputs, of one type

def variadic(name: str, function, finish=None) -> None:
    """Register y = finish(function(function(a, b), c) ..., number of inputs). Shapes were equal once."""
    def infer(x, *more, consumed_inputs=None):
        check_same(x.dtype, *more)
        check_kind(x, "number")
        return x.like(check_size(broadcast(x.shape, *(other.shape for other in more)), x.dtype.itemsize))

    def evaluate(x, *more, consumed_inputs=None):
        infer(*map(spec_of, (x, *more)))
        y = widen(x)
        for other in more:
            y = function(y, widen(other))
        return settle(finish(y, 1 + len(more)) if finish else y, x.dtype)
    add(describe("", name, 1, evaluate, infer, broadcast=True, one_type=True))


variadic("Max", np.maximum)
variadic("Min", np.minimum)
variadic("Sum", np.add)
variadic("Mean", np.add, lambda y, count: y / count)


def where_symbolic(condition: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.where(condition.astype(bool), x.astype(object), y)


@op("Where", since=9, broadcast=True, types=(1,), symbolic=where_symbolic)
class Where:
    def infer(condition, x, y):
        check_kind(condition, "bool", "condition")
        check_same(x.dtype, y, what="x and y")
        return x.like(check_size(broadcast(condition.shape, x.shape, y.shape), x.dtype.itemsize))

    def evaluate(condition, x, y):
        Where.infer(spec_of(condition), spec_of(x), spec_of(y))
        return settle(np.where(condition, x, y), x.dtype)


def clip(x: np.ndarray, low, high) -> np.ndarray:
    """min(max(x, low), high); either may be None."""
    y = widen(x)
    y = y if low is None else np.maximum(y, low)
    return settle(y if high is None else np.minimum(y, high), x.dtype)


FLOAT_MAX = float(np.finfo(np.float32).max)


@op("Clip", since=1, elementwise=True)
class ClipFirst:
    """https://onnx.ai/onnx/operators/text_diff_Clip_1_6.html"""
    def infer(x, *, min=None, max=None, consumed_inputs=None):
        check_kind(x, "number")
        return x.like()

    def evaluate(x, *, min: float = None, max: float = None, consumed_inputs=None):
        return clip(x, min, max)


@op("Clip", since=6, elementwise=True)
class ClipByAttributes:
    """https://onnx.ai/onnx/operators/text_diff_Clip_6_11.html"""
    def infer(x, *, min=-FLOAT_MAX, max=FLOAT_MAX):
        check_kind(x, "number")
        return x.like()

    def evaluate(x, *, min=-FLOAT_MAX, max=FLOAT_MAX):
        return clip(x, min, max)


@op("Clip", since=11, elementwise=True, one_type=True)
class Clip:
    def infer(x, min=None, max=None):
        check_kind(x, "number")
        check_same(x.dtype, min, max, what="x and its limits")
        for limit in (min, max):
            if limit is not None and prod(limit.shape) != 1:
                raise ValueError(f"a limit of shape {list(limit.shape)}; it has to be a scalar")
        return x.like()

    def evaluate(x, min=None, max=None):
        Clip.infer(spec_of(x), spec_of(min), spec_of(max))
        return clip(x, *(None if limit is None else widen(limit.reshape(())) for limit in (min, max)))


# Running along an axis

def accumulate(x: np.ndarray, axis: int, function, first, exclusive: int, reverse: int) -> np.ndarray:
    """y[i] = function of x[0] ... x[i], or of those before x[i], with `first` where there are none."""
    def part(start, stop):
        return (slice(None),) * axis + (slice(start, stop),)
    x = np.flip(widen(x), axis) if reverse else widen(x)
    y = settle(function.accumulate(x, axis, wide_sums(x.dtype)), x.dtype)
    if exclusive and x.shape[axis]:
        y[part(1, None)] = y[part(None, -1)].copy()
        y[part(0, 1)] = first
    return np.flip(y, axis) if reverse else y


def running(name: str, since: int, function, first) -> None:
    """Register a running sum or product."""
    def infer(x, axis, *, exclusive=0, reverse=0):
        check_kind(x, "number")
        if axis.value is not None:
            check_axis(check_scalar(axis.value, "axis", True), x.ndim)
        return x.like()

    def evaluate(x, axis, *, exclusive=0, reverse=0):
        infer(spec_of(x), spec_of(axis))
        axis = check_axis(check_scalar(axis, "axis", True), x.ndim)
        return np.ascontiguousarray(settle(accumulate(x, axis, function, first, exclusive, reverse), x.dtype))
    add(describe("", name, since, evaluate, infer, rank=0))


running("CumSum", 11, np.add, 0)
running("CumProd", 26, np.multiply, 1)
