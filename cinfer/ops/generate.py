"""Operators that make tensors out of little: Constant, ConstantOfShape, Range, EyeLike and random numbers."""
from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isfinite

import numpy as np

from ..model.tensors import dtype_of
from .facts import Fact
from .limits import check_ints, check_scalar, check_size, holds_symbols
from .registry import op


def constant_value(value=None, value_float=None, value_floats=None, value_int=None, value_ints=None,
                   value_string=None, value_strings=None) -> np.ndarray:
    given = [(v, kind) for v, kind in ((value, None), (value_float, np.float32), (value_floats, np.float32),
                                       (value_int, np.int64), (value_ints, np.int64), (value_string, object),
                                       (value_strings, object)) if v is not None]
    if len(given) != 1:
        raise ValueError(f"a Constant with {len(given)} values; it has to have one")
    value, kind = given[0]
    return np.array(value, kind) if kind else value


@op("Constant", since=1, no_larger=True, types=lambda **values: (constant_value(**values).dtype,))
class Constant:
    """https://onnx.ai/onnx/operators/onnx__Constant.html"""
    def infer(*, value=None, value_float=None, value_floats=None, value_int=None, value_ints=None,
              value_string=None, value_strings=None):
        return Fact.of(constant_value(value, value_float, value_floats, value_int, value_ints,
                                            value_string, value_strings))

    def evaluate(*, value=None, value_float: float = None, value_floats: list[float] = None,
                 value_int: int = None, value_ints: list[int] = None, value_string: str = None,
                 value_strings: list[str] = None):
        return constant_value(value, value_float, value_floats, value_int, value_ints, value_string,
                              value_strings)


ZERO = np.zeros(1, np.float32)


def filled_shape(shape: np.ndarray, value: np.ndarray) -> tuple[int, ...]:
    if value.size != 1:
        raise ValueError(f"value has {value.size} elements; it has to have one")
    return check_size(check_ints(shape, "shape"), value.dtype.itemsize)


@op("ConstantOfShape", since=9, rank=lambda shape, **_: shape.shape[0],
    types=lambda shape, *, value=ZERO: (value.dtype,))
class ConstantOfShape:
    """One value everywhere. https://onnx.ai/onnx/operators/onnx__ConstantOfShape.html"""
    def infer(shape, *, value=ZERO):
        return Fact(value.dtype, filled_shape(shape.known("the shape of ConstantOfShape"), value))

    def evaluate(shape, *, value=ZERO):
        shape = filled_shape(shape, value)
        if not value.dtype.hasobject and not any(value.tobytes()):
            return np.zeros(shape, value.dtype)         # large ones are pages that nobody has touched
        return np.full(shape, value.reshape(()), value.dtype)


def range_count(start: np.ndarray, limit: np.ndarray, delta: np.ndarray) -> int:
    """The number of elements: ceil((limit - start) / delta), not below 0."""
    symbolic = any(map(holds_symbols, (start, limit, delta)))
    if not symbolic and not start.dtype == limit.dtype == delta.dtype:
        raise ValueError(f"start, limit and delta are {start.dtype}, {limit.dtype}, {delta.dtype}; they "
                         "have to be of one type")
    low, high, step = (check_scalar(v, what) for v, what in ((start, "start"), (limit, "limit"),
                                                             (delta, "delta")))
    if step == 0:
        raise ValueError("delta is 0")
    if symbolic:
        count = -((low - high) // step)
        return 0 if count < 0 else count
    if isinstance(step, int):
        count = len(range(low, high, step)) if abs(high - low) < 1 << 62 else -(-(high - low) // step)
        return check_size((max(count, 0),), start.dtype.itemsize)[0]
    count = (high - low) / step
    if not isfinite(count):
        raise ValueError(f"Range from {low} to {high} by {step} has no number of elements")
    return check_size((max(ceil(count), 0),), start.dtype.itemsize)[0]


@op("Range", since=11, rank=lambda *_: 1)
class Range:
    """start, start + delta ... below limit. https://onnx.ai/onnx/operators/onnx__Range.html"""
    def infer(start, limit, delta):
        values = [spec.known("the length of Range") for spec in (start, limit, delta)]
        return start.like((range_count(*values),))

    def evaluate(start, limit, delta):
        count = range_count(start, limit, delta)
        low, step = start.reshape(()).item(), delta.reshape(()).item()
        if isinstance(step, int):
            return (low + np.arange(count, dtype=np.int64) * step).astype(start.dtype)
        return (low + np.arange(count) * step).astype(start.dtype)


@op("EyeLike", since=9, rank=0,
    types=lambda x, *, dtype=None, **_: (x.dtype if dtype is None else dtype_of(dtype),))
class EyeLike:
    """Ones on the k-th diagonal. https://onnx.ai/onnx/operators/onnx__EyeLike.html"""
    def infer(x, *, dtype=None, k=0):
        if x.ndim != 2:
            raise ValueError(f"input of shape {list(x.shape)}; it has to have 2 axes")
        return x.like(dtype=x.dtype if dtype is None else dtype_of(dtype))

    def evaluate(x, *, dtype: int = None, k=0):
        kind = EyeLike.infer(Fact.of(x), dtype=dtype).dtype
        rows, columns = x.shape
        return np.eye(rows, columns, max(-rows, min(columns, k))).astype(kind)


def generator(seed: float | None) -> np.random.Generator:
    """The same numbers for the same seed; new ones at each run without."""
    return np.random.default_rng(None if seed is None else int(np.float32(seed).view(np.uint32)))


def random_type(dtype: int | None, x, allowed: str = "f") -> np.dtype:
    """The element type asked for, else that of x."""
    kind = x.dtype if dtype is None else dtype_of(dtype)
    if kind.kind not in allowed and kind.name != "bfloat16":
        raise ValueError(f"random numbers of type {kind}")
    return kind


def draw_normal(shape: Sequence[int], dtype: np.dtype, mean: float, scale: float,
                seed: float | None) -> np.ndarray:
    return np.asarray(mean + scale * generator(seed).standard_normal(check_size(shape, 8)), dtype)


def draw_uniform(shape: Sequence[int], dtype: np.dtype, low: float, high: float,
                 seed: float | None) -> np.ndarray:
    return np.asarray(low + (high - low) * generator(seed).random(check_size(shape, 8)), dtype)


@op("RandomNormal", since=1, random=True, types=lambda *, dtype=1, **_: (random_type(dtype, None),))
class RandomNormal:
    """https://onnx.ai/onnx/operators/onnx__RandomNormal.html"""
    def infer(*, shape, dtype=1, mean=0.0, scale=1.0, seed=None):
        return Fact(random_type(dtype, None), check_size(shape, 8))

    def evaluate(*, shape: list[int], dtype=1, mean=0.0, scale=1.0, seed: float = None):
        return draw_normal(shape, random_type(dtype, None), mean, scale, seed)


@op("RandomNormalLike", since=1, random=True,
    types=lambda x, *, dtype=None, **_: (random_type(dtype, x),))
class RandomNormalLike:
    """https://onnx.ai/onnx/operators/onnx__RandomNormalLike.html"""
    def infer(x, *, dtype=None, mean=0.0, scale=1.0, seed=None):
        return x.like(dtype=random_type(dtype, x))

    def evaluate(x, *, dtype: int = None, mean=0.0, scale=1.0, seed: float = None):
        return draw_normal(x.shape, random_type(dtype, x), mean, scale, seed)


@op("RandomUniform", since=1, random=True, types=lambda *, dtype=1, **_: (random_type(dtype, None),))
class RandomUniform:
    """https://onnx.ai/onnx/operators/onnx__RandomUniform.html"""
    def infer(*, shape, dtype=1, low=0.0, high=1.0, seed=None):
        return Fact(random_type(dtype, None), check_size(shape, 8))

    def evaluate(*, shape: list[int], dtype=1, low=0.0, high=1.0, seed: float = None):
        return draw_uniform(shape, random_type(dtype, None), low, high, seed)


@op("RandomUniformLike", since=1, random=True,
    types=lambda x, *, dtype=None, **_: (random_type(dtype, x),))
class RandomUniformLike:
    """https://onnx.ai/onnx/operators/onnx__RandomUniformLike.html"""
    def infer(x, *, dtype=None, low=0.0, high=1.0, seed=None):
        return x.like(dtype=random_type(dtype, x))

    def evaluate(x, *, dtype: int = None, low=0.0, high=1.0, seed: float = None):
        return draw_uniform(x.shape, random_type(dtype, x), low, high, seed)


@op("Bernoulli", since=15, random=True,
    types=lambda x, *, dtype=None, **_: (random_type(dtype, x, "fiub"),))
class Bernoulli:
    """1 with probability x, else 0. https://onnx.ai/onnx/operators/onnx__Bernoulli.html"""
    def infer(x, *, dtype=None, seed=None):
        return x.like(dtype=random_type(dtype, x, "fiub"))

    def evaluate(x, *, dtype: int = None, seed: float = None):
        hit = generator(seed).random(x.shape) < x.astype(np.float64)
        return np.asarray(hit, random_type(dtype, x, "fiub"))


@op("Multinomial", since=7, random=True, types=lambda x, *, dtype=6, **_: (random_type(dtype, x, "iu"),))
class Multinomial:
    """Classes drawn by their log-probabilities, which need not sum to 1.
    https://onnx.ai/onnx/operators/onnx__Multinomial.html"""
    def infer(x, *, dtype=6, sample_size=1, seed=None):
        if x.ndim != 2 or x.shape[1] < 1 or sample_size < 0:
            raise ValueError(f"{sample_size} samples of shape {list(x.shape)}; the shape has to be batch, "
                             "classes")
        return x.like(check_size((x.shape[0], sample_size), 8), random_type(dtype, x, "iu"))

    def evaluate(x, *, dtype=6, sample_size=1, seed: float = None):
        spec = Multinomial.infer(Fact.of(x), dtype=dtype, sample_size=sample_size)
        total = np.cumsum(np.exp(x.astype(np.float64) - x.max(1, keepdims=True)), axis=1)
        drawn = generator(seed).random(spec.shape) * total[:, -1:]
        index = [np.searchsorted(t, d, side="right") for t, d in zip(total, drawn)]
        return np.array(index, spec.dtype).reshape(spec.shape).clip(0, x.shape[1] - 1)
