"""Operators of the domain ai.onnx.ml before a model: they clean and encode tables, (rows, features).

Each is at https://onnx.ai/onnx/operators/onnx_aionnxml_<its name>.html
"""
from __future__ import annotations

from math import floor, isfinite

import numpy as np

from .facts import INT64, Fact
from .limits import check_size
from .numeric import F32, check_kind, check_same, spec_of
from .registry import op
from .symbols import differ
from .text import STRING, array_of, mapped, texts

ML = "ai.onnx.ml"
FLOAT32 = dict(types=(F32,), rank=0)


@op("ArrayFeatureExtractor", domain=ML)
class ArrayFeatureExtractor:
    """Elements of the last axis, by their indices; those of a vector as one row."""
    def infer(x, indices):
        if indices.dtype != INT64 or not x.ndim:
            raise ValueError(f"indices are {indices.dtype}, x has {x.ndim} axes; they have to be int64 and "
                             "1 at least")
        count = 1
        for size in indices.shape:
            count *= size
        return x.like(check_size((*(x.shape[:-1] or (1,)), count), x.dtype.itemsize))

    def evaluate(x, indices):
        shape = ArrayFeatureExtractor.infer(spec_of(x), spec_of(indices)).shape
        if indices.size and not 0 <= indices.min() <= indices.max() < x.shape[-1]:
            raise ValueError(f"indices {indices.min()} to {indices.max()}; allowed is 0 to {x.shape[-1] - 1}")
        return x[..., indices.reshape(-1)].reshape(shape)


@op("Binarizer", domain=ML, elementwise=True, not_negative=True)
class Binarizer:
    """y = x > threshold"""
    def infer(x, *, threshold=0.0):
        check_kind(x, "number")
        return x.like()

    def evaluate(x, *, threshold=0.0):
        check_kind(x, "number")
        if x.dtype.kind in "iu" and isfinite(threshold):
            threshold = floor(threshold)        # an int above it is above the threshold, and no digit is lost
        return (x > threshold).astype(x.dtype)


@op("CategoryMapper", domain=ML, elementwise=True, types=lambda x, **_: (category_type(x),))
class CategoryMapper:
    """Strings to the numbers beside them in a list, numbers to strings."""
    def infer(x, *, cats_int64s=(), cats_strings=(), default_int64=-1, default_string="_Unused"):
        if len(cats_int64s) != len(cats_strings):
            raise ValueError(f"{len(cats_int64s)} cats_int64s and {len(cats_strings)} cats_strings; there "
                             "have to be as many of both")
        return x.like(dtype=category_type(x))

    def evaluate(x, *, cats_int64s: list[int] = (), cats_strings: list[str] = (), default_int64=-1,
                 default_string="_Unused"):
        CategoryMapper.infer(spec_of(x), cats_int64s=cats_int64s, cats_strings=cats_strings)
        if x.dtype == STRING:
            known = dict(zip(cats_strings, cats_int64s))
            return mapped(x, lambda text: known.get(text, default_int64), INT64)
        known = dict(zip(cats_int64s, cats_strings))
        return array_of([known.get(number, default_string) for number in x.reshape(-1).tolist()], x.shape)


def category_type(x) -> np.dtype:
    """Of what strings and numbers become."""
    if x.dtype not in (STRING, INT64):
        raise ValueError(f"x is {x.dtype}; it has to be strings or int64")
    return INT64 if x.dtype == STRING else STRING


@op("FeatureVectorizer", domain=ML, types=(F32,), rank=lambda *_, **__: 2)
class FeatureVectorizer:
    """Tables beside each other, float32; a vector is one row. `inputdimensions` says how many columns each
    has: further ones are cut off, missing ones are zeros."""
    def infer(*inputs, inputdimensions=None):
        widths = check_tables(inputs, inputdimensions)
        rows = inputs[0].shape[0] if inputs[0].ndim == 2 else 1
        total = 0
        for width in widths:
            total += width
        return Fact(F32, check_size((rows, total), F32.itemsize))

    def evaluate(*inputs, inputdimensions: list[int] = None):
        shape = FeatureVectorizer.infer(*map(spec_of, inputs), inputdimensions=inputdimensions).shape
        y = np.zeros(shape, F32)
        start = 0
        for x, width in zip(inputs, check_tables(inputs, inputdimensions)):
            x = x.reshape(-1, x.shape[-1]) if x.size else x.reshape(len(y), 0)
            y[:, start:start + min(width, x.shape[1])] = x[:, :width]
            start += width
        return y


def check_tables(inputs, inputdimensions) -> list[int]:
    """How many columns each table has."""
    if not inputs:
        raise ValueError("no input; there has to be one at least")
    check_kind(inputs[0], "number")
    check_same(inputs[0].dtype, *inputs)
    if any(x.ndim not in (1, 2) for x in inputs):
        raise ValueError(f"inputs of {', '.join(str(x.ndim) for x in inputs)} axes; allowed is 1 or 2")
    rows = [x.shape[0] if x.ndim == 2 else 1 for x in inputs]
    if any(differ(each, rows[0]) for each in rows):
        raise ValueError(f"inputs of {', '.join(map(str, rows))} rows; they have to have equally many")
    if inputdimensions is None:
        return [x.shape[-1] for x in inputs]
    if len(inputdimensions) != len(inputs) or min(inputdimensions) < 0:
        raise ValueError(f"inputdimensions {list(inputdimensions)} for {len(inputs)} inputs")
    return list(inputdimensions)


@op("Imputer", domain=ML, rank=0)
class Imputer:
    """One value (NaN: any NaN) becomes another one, or that of its feature."""
    def infer(x, *, imputed_value_floats=None, imputed_value_int64s=None, replaced_value_float=0.0,
              replaced_value_int64=0):
        check_kind(x, "number")
        values, name = (imputed_value_int64s, "int64s") if x.dtype.kind in "iu" else (
            imputed_value_floats, "floats")
        if not values or x.ndim < 1 or len(values) > 1 and differ(len(values), x.shape[-1]):
            raise ValueError(f"{len(values or ())} imputed_value_{name} for x of shape {list(x.shape)}; "
                             "there has to be one, or one for each feature")
        return x.like()

    def evaluate(x, *, imputed_value_floats: list[float] = None, imputed_value_int64s: list[int] = None,
                 replaced_value_float=0.0, replaced_value_int64=0):
        Imputer.infer(spec_of(x), imputed_value_floats=imputed_value_floats,
                      imputed_value_int64s=imputed_value_int64s)
        if x.dtype.kind in "iu":
            values, found = imputed_value_int64s, x == replaced_value_int64
        else:
            values = imputed_value_floats
            found = np.isnan(x) if replaced_value_float != replaced_value_float else x == replaced_value_float
        return np.where(found, np.array(values, x.dtype), x)


@op("Normalizer", domain=ML, **FLOAT32)
class Normalizer:
    """Each row divided by its largest element (MAX), the sum of its magnitudes (L1), or its length (L2); by 1
    where that is 0. float32."""
    def infer(x, *, norm="MAX"):
        check_kind(x, "number")
        if norm not in ("MAX", "L1", "L2"):
            raise ValueError(f"norm {norm!r}; it has to be MAX, L1 or L2")
        if x.ndim not in (1, 2):
            raise ValueError(f"x has {x.ndim} axes; it has to have 1 or 2")
        return x.like(dtype=F32)

    def evaluate(x, *, norm="MAX"):
        Normalizer.infer(spec_of(x), norm=norm)
        if not x.size:
            return np.zeros(x.shape, F32)
        wide = x.astype(np.float64)
        by = (wide.max(-1, keepdims=True) if norm == "MAX" else abs(wide).sum(-1, keepdims=True)
              if norm == "L1" else np.sqrt(np.square(wide).sum(-1, keepdims=True)))
        return (wide / np.where(by == 0, 1, by)).astype(F32)


@op("OneHotEncoder", domain=ML, types=(F32,), rank=lambda x, **_: x.ndim + 1)
class OneHotEncoder:
    """float32, a new last axis with 1 at the category of each element. Floats are truncated to int64. Any
    other value: all zeros, or with zeros=0 an error."""
    def infer(x, *, cats_int64s=None, cats_strings=None, zeros=1):
        return Fact(F32, check_size((*x.shape, len(categories(x, cats_int64s, cats_strings))), F32.itemsize))

    def evaluate(x, *, cats_int64s: list[int] = None, cats_strings: list[str] = None, zeros=1):
        known = {each: i for i, each in enumerate(categories(x, cats_int64s, cats_strings))}
        y = np.zeros(check_size((*x.shape, len(categories(x, cats_int64s, cats_strings))), 8), F32)
        elements = texts(x) if x.dtype == STRING else x.reshape(-1).tolist()
        if x.dtype.kind not in "iuO":
            elements = [int(each) if isfinite(each) else None for each in elements]
        at = np.array([known.get(each, -1) for each in elements], np.int64)
        rows = np.flatnonzero(at >= 0)
        if not zeros and len(rows) < len(at):
            missing = elements[int((at < 0).argmax())]
            raise ValueError(f"{missing!r} is no category, and zeros=0 asks for one of "
                             f"{', '.join(map(repr, list(known)[:8]))}")
        y.reshape(len(at), y.shape[-1])[rows, at[rows]] = 1
        return y


def categories(x, cats_int64s, cats_strings) -> list:
    cats, name, other = (cats_strings, "cats_strings", cats_int64s) if x.dtype == STRING else (
        cats_int64s, "cats_int64s", cats_strings)
    if x.dtype != STRING:
        check_kind(x, "number")
    if cats is None or other is not None:
        raise ValueError(f"x is {x.dtype}; there has to be {name}, and nothing else")
    return cats


@op("Scaler", domain=ML, **FLOAT32)
class Scaler:
    """y = (x - offset) * scale, float32; either for all features, or one each."""
    def infer(x, *, offset=None, scale=None):
        check_kind(x, "number")
        for values, name in ((offset, "offset"), (scale, "scale")):
            if values is not None and len(values) != 1 and (x.ndim < 1 or differ(len(values), x.shape[-1])):
                raise ValueError(f"{len(values)} numbers in {name} for x of shape {list(x.shape)}; there has "
                                 "to be one, or one for each feature")
        return x.like(dtype=F32)

    def evaluate(x, *, offset: list[float] = None, scale: list[float] = None):
        Scaler.infer(spec_of(x), offset=offset, scale=scale)
        wide = np.float32 if x.dtype.itemsize < 4 or x.dtype == F32 else np.float64
        offset = np.array(0 if offset is None else offset, wide)
        scale = np.array(1 if scale is None else scale, wide)
        return ((x.astype(wide) - offset) * scale).astype(F32)


# LabelEncoder

@op("LabelEncoder", domain=ML, elementwise=True, types=lambda x, **_: (category_type(x),))
class LabelEncoderFirst:
    """Strings to their places in a list, places to strings.
    https://onnx.ai/onnx/operators/onnx_aionnxml_LabelEncoder.html#labelencoder-1"""
    def infer(x, *, classes_strings=(), default_int64=-1, default_string="_Unused"):
        return x.like(dtype=category_type(x))

    def evaluate(x, *, classes_strings: list[str] = (), default_int64=-1, default_string="_Unused"):
        return CategoryMapper.evaluate(x, cats_int64s=list(range(len(classes_strings))),
                                       cats_strings=list(classes_strings), default_int64=default_int64,
                                       default_string=default_string)


TYPED = {"strings": STRING, "int64s": INT64, "floats": F32}


def one_of(what: str, given: dict[str, object]) -> np.ndarray:
    """The one attribute that is given of several, as an array."""
    found = [(name, value) for name, value in given.items() if value is not None]
    if len(found) != 1:
        raise ValueError(f"{len(found)} attributes {what}_*; there has to be one")
    name, value = found[0]
    if name == "tensor":
        return value.reshape(-1)
    return array_of(value, len(value)) if name == "strings" else np.array(value, TYPED[name])


def keys_and_values(keys: dict, values: dict) -> tuple[np.ndarray, np.ndarray]:
    keys, values = one_of("keys", keys), one_of("values", values)
    if len(keys) != len(values):
        raise ValueError(f"{len(keys)} keys and {len(values)} values; there have to be as many of both")
    return keys, values


def looked_up(x: np.ndarray, keys: np.ndarray, values: np.ndarray, default) -> np.ndarray:
    """The value beside the key that is the same, the last one of several; NaN is the same as any NaN."""
    if x.dtype == STRING:
        places = {key: i for i, key in enumerate(texts(keys, "keys"))}
        at = mapped(x, lambda text: places.get(text, -1), INT64)
    elif not len(keys):
        at = np.full(x.shape, -1)
    else:
        order = keys.argsort(kind="stable")
        sorted_keys = keys[order]
        at = sorted_keys.searchsorted(x, "right") - 1
        found = sorted_keys[at.clip(0)]
        at = np.where((at >= 0) & ((found == x) | (found != found) & (x != x)), order[at.clip(0)], -1)
    y = np.full(x.shape, default, values.dtype)
    y[at >= 0] = values[at[at >= 0]]
    return y


@op("LabelEncoder", domain=ML, since=2, elementwise=True, types=lambda x, **given: (encoded_type(**given),))
class LabelEncoder:
    """Each element to the value beside the key that it equals, others to a default value."""
    def infer(x, *, default_float=-0.0, default_int64=-1, default_string="_Unused", default_tensor=None,
              keys_floats=None, keys_int64s=None, keys_strings=None, keys_tensor=None, values_floats=None,
              values_int64s=None, values_strings=None, values_tensor=None):
        keys, values = keys_and_values(
            dict(floats=keys_floats, int64s=keys_int64s, strings=keys_strings, tensor=keys_tensor),
            dict(floats=values_floats, int64s=values_int64s, strings=values_strings, tensor=values_tensor))
        if x.dtype != keys.dtype:
            raise ValueError(f"x is {x.dtype}, the keys are {keys.dtype}; they have to be of one type")
        if default_tensor is not None and (default_tensor.dtype != values.dtype or default_tensor.size != 1):
            raise ValueError(f"default_tensor is {default_tensor.size} elements of {default_tensor.dtype}; "
                             f"it has to be one of {values.dtype}, as the values are")
        return x.like(dtype=values.dtype)

    def evaluate(x, *, default_float=-0.0, default_int64=-1, default_string="_Unused", default_tensor=None,
                 keys_floats: list[float] = None, keys_int64s: list[int] = None,
                 keys_strings: list[str] = None, keys_tensor=None, values_floats: list[float] = None,
                 values_int64s: list[int] = None, values_strings: list[str] = None, values_tensor=None):
        given = dict(keys_floats=keys_floats, keys_int64s=keys_int64s, keys_strings=keys_strings,
                     keys_tensor=keys_tensor, values_floats=values_floats, values_int64s=values_int64s,
                     values_strings=values_strings, values_tensor=values_tensor)
        LabelEncoder.infer(spec_of(x), default_tensor=default_tensor, **given)
        keys, values = keys_and_values(*({name.partition("_")[2]: value for name, value in given.items()
                                          if name.startswith(what)} for what in ("keys", "values")))
        if default_tensor is not None:
            default = default_tensor.reshape(())[()]
        elif values.dtype == STRING:
            default = default_string
        else:
            default = default_int64 if values.dtype.kind in "iu" else default_float
        return looked_up(x, keys, values, default)


def encoded_type(values_floats=None, values_int64s=None, values_strings=None, values_tensor=None,
                 **_) -> np.dtype:
    return one_of("values", dict(floats=values_floats, int64s=values_int64s, strings=values_strings,
                                 tensor=values_tensor)).dtype
